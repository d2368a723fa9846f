package source

import (
	"fmt"
	"strconv"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
)

// progress is the status line that shows a person at a terminal how far a source is. A nil progress shows nothing.
type progress struct {
	began  time.Time
	drains func() []*ingest.Drain
	span   *span // the span of a backfill, else nil

	status *term.StatusLine
	ended  bool
}

// span is the range of time that a backfill reads.
type span struct {
	since, until time.Time
	from         time.Time   // where this run resumes
	complete     func() bool // whether all is read; called when the run has ended
}

// startProgress starts the line. It returns nil if stderr is no terminal or gets JSON. It also returns nil if mixed is set,
// because the records may then appear on the terminal, too. A dumb terminal gets only the final line.
func startProgress(a *cli.App, mixed bool, s *span, drains func() []*ingest.Drain) *progress {
	if _, seen := term.Columns(a.Stderr); !seen || mixed || a.JSON {
		return nil
	}
	p := &progress{began: time.Now(), drains: drains, span: s}
	p.status = term.StartStatusLine(a.Console, !term.Dumb(a.Env("TERM")), p.line)
	return p
}

// end draws the final line, which stays on the screen.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.status.Stop()
	p.ended = true
	p.status.Settle()
}

// sum returns the statistics of all drains together.
func (p *progress) sum() (all ingest.Stats) {
	for _, d := range p.drains() {
		s := d.Stats()
		all.Records += s.Records
		all.Pages += s.Pages
		all.Lag = s.Lag // used for a backfill, which has one drain
		if s.Watermark.After(all.Watermark) {
			all.Watermark = s.Watermark
		}
		if all.Err == nil && s.State == ingest.Waiting {
			all.Err = s.Err
		}
	}
	return all
}

// line returns the text of the line in at most so many columns.
func (p *progress) line(columns int) string {
	all := p.sum()
	rate := float64(all.Records) / max(time.Since(p.began).Seconds(), 0.001)
	var parts []term.Part
	if n := len(p.drains()); n > 1 {
		parts = append(parts, term.Part{Text: cli.Counted(int64(n), "connection"), Rank: 3})
	}
	parts = append(parts,
		term.Part{Text: cli.Counted(all.Records, "record"), Rank: 0},
		term.Part{Text: cli.Counted(all.Pages, "page"), Rank: 4},
		term.Part{Text: cli.Thousands(int64(rate)) + "/s", Rank: 5})
	var quota []host.Quota
	for _, d := range p.drains() {
		if d.Quota != nil {
			quota = append(quota, d.Quota()...)
		}
	}
	if q, ok := scarcest(quota); ok {
		parts = append(parts, term.Part{Text: fmt.Sprintf("%d of %d requests left (%s, %ds)", q.Remaining, q.Limit, q.Bucket, int(q.ResetIn.Seconds())), Rank: 6})
	}
	if all.Err != nil {
		parts = append(parts, term.Part{Text: "waiting", Rank: 1})
	}
	if p.span != nil {
		percent := 100 * p.span.done(p.at()) / p.span.whole()
		parts = append(parts, term.Part{Text: strconv.FormatInt(percent, 10) + "%", Rank: 1})
		if eta, ok := p.span.eta(p.at(), p.sum().Lag, time.Since(p.began)); ok && !p.ended {
			parts = append(parts, term.Part{Text: eta.String() + " to go", Rank: 2})
		}
	}
	s := term.FitParts(parts, columns)
	if s == "" { // no part fits
		s = cli.Thousands(all.Records)
		s = s[:min(len(s), max(columns, 0))]
	}
	if p.span != nil {
		s = term.WithBar(s, p.span.done(p.at()), p.span.whole(), columns)
	}
	return s
}

// whole returns the length of the range in seconds, at least 1.
func (s *span) whole() int64 { return max(int64(s.until.Sub(s.since)/time.Second), 1) }

// done returns the seconds of the range that are read.
func (s *span) done(watermark time.Time) int64 {
	return min(max(int64(watermark.Sub(s.since)/time.Second), 0), s.whole())
}

// at returns the time up to which a backfill has read.
func (p *progress) at() time.Time {
	if p.ended && p.span.complete != nil && p.span.complete() {
		return p.span.until
	}
	if t := p.sum().Watermark; !t.IsZero() {
		return t
	}
	return p.span.from
}

// eta returns how long the rest takes at the speed of this run. lag is the time from at to the service's present, beyond which
// nothing can be read; -1 means that it is unknown. ok is false where there is no estimate.
func (s *span) eta(at time.Time, lag, took time.Duration) (time.Duration, bool) {
	read, left := at.Sub(s.from), s.until.Sub(at)
	if lag >= 0 {
		left = min(left, lag)
	}
	if at.IsZero() || read <= 0 || left < 0 {
		return 0, false
	}
	return time.Duration(float64(took) * float64(left) / float64(read)).Round(time.Second), true
}

// scarcest returns the bucket with the smallest share of its requests left.
func scarcest(all []host.Quota) (host.Quota, bool) {
	var least host.Quota
	for _, q := range all {
		if q.Limit > 0 && (least.Limit == 0 || q.Remaining*least.Limit < least.Remaining*q.Limit) {
			least = q
		}
	}
	return least, least.Limit > 0
}
