package source

import (
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
)

func TestProgress_Line_ShowsRecordsAndQuota(t *testing.T) {
	quota := func() []host.Quota {
		return []host.Quota{
			{Bucket: "/api/v1/users", Limit: 600, Remaining: 590, ResetIn: time.Second},
			{Bucket: "/api/v1/logs", Limit: 120, Remaining: 7, ResetIn: 41 * time.Second},
			{Bucket: "unknown"},
		}
	}
	p := &progress{began: time.Now().Add(-10 * time.Second), drains: fixed(&ingest.Drain{Quota: quota}, &ingest.Drain{})}
	line := p.line(200)
	for _, want := range []string{"2 connections", "0 records", "0 pages", "7 of 120 requests left (/api/v1/logs, 41s)"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q, want %q in it", line, want)
		}
	}
	var none *progress // no terminal
	none.end()
}

func TestProgress_OfABackfill_EstimatesTheRest(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := &span{since: day, until: day.Add(100 * time.Hour), from: day.Add(50 * time.Hour)} // the first half was read before
	if eta, ok := s.eta(day.Add(60*time.Hour), -1, 10*time.Minute); !ok || eta != 40*time.Minute {
		t.Errorf("%s, %v; 10 hours took 10 minutes, so the other 40 hours take 40 minutes", eta, ok)
	}
	if eta, ok := s.eta(day.Add(60*time.Hour), 300*time.Hour, 10*time.Minute); !ok || eta != 40*time.Minute {
		t.Errorf("%s, %v for a stretch that is already read", eta, ok)
	}
	if eta, ok := s.eta(day.Add(60*time.Hour), 5*time.Hour, 10*time.Minute); !ok || eta != 5*time.Minute {
		t.Errorf("%s, %v; the last 35 hours are still to come", eta, ok)
	}
	if done := s.done(day.Add(60 * time.Hour)); done*100/s.whole() != 60 {
		t.Errorf("%d of %d", done, s.whole())
	}
	for name, at := range map[string]time.Time{"nothing read": {}, "nothing read yet in this run": s.from, "beyond": day.Add(200 * time.Hour)} {
		if eta, ok := s.eta(at, -1, time.Minute); ok {
			t.Errorf("%s: %s", name, eta)
		}
	}
	if s.done(day.Add(-time.Hour)) != 0 || s.done(day.Add(1000*time.Hour)) != s.whole() {
		t.Error("out of bounds")
	}
}

// TestProgressLine_InANarrowTerminal_Fits also wants the number of records first, as far as it fits.
func TestProgressLine_InANarrowTerminal_Fits(t *testing.T) {
	p := &progress{began: time.Now(), drains: fixed(&ingest.Drain{}), span: &span{since: time.Now().Add(-time.Hour), until: time.Now()}}
	for columns := -3; columns < 60; columns++ {
		if line := p.line(columns); len(line) > max(columns, 0) || columns > 0 && !strings.HasPrefix(line, "0") {
			t.Errorf("%d columns: %q", columns, line)
		}
	}
}

func TestProgress_InEveryWidth_FitsIt(t *testing.T) {
	quota := func() []host.Quota {
		return []host.Quota{{Bucket: "/api/v1/logs", Limit: 120, Remaining: 7, ResetIn: 41 * time.Second}}
	}
	now := time.Now()
	p := &progress{began: now.Add(-10 * time.Second), drains: fixed(&ingest.Drain{Quota: quota}, &ingest.Drain{}), span: &span{since: now.Add(-time.Hour), until: now, from: now.Add(-time.Hour)}}
	for columns := 9; columns < 200; columns++ {
		line := p.line(columns)
		if len(line) > columns || !strings.Contains(line, "0 records") {
			t.Errorf("%d columns: %q", columns, line)
		}
	}
	if line := p.line(37); line != "2 connections  0 records  0 pages  0%" {
		t.Errorf("%q", line)
	}
	if line := p.line(200); !strings.HasSuffix(line, "["+strings.Repeat(" ", term.MaxBar-2)+"]") {
		t.Errorf("%q", line)
	}
	if got := term.Bar(1, 2, 12); got != "[=====     ]" {
		t.Errorf("half is %s", got)
	}
}

// fixed returns drains that do not change.
func fixed(drains ...*ingest.Drain) func() []*ingest.Drain {
	return func() []*ingest.Drain { return drains }
}
