package logs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
)

// TestRange_RefusedCursor_ResumesWithoutRepeats: cursors expire several times during a run, and at the beginning of the next.
func TestRange_RefusedCursor_ResumesWithoutRepeats(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	passed := time.Duration(0)
	o := oktatest.New(oktatest.Config{Users: 3, Events: 4000, RateLimits: unlimited, // one every 18 s, 16 in the overlap
		Now: func() time.Time { return time.Now().Add(passed) }})
	passed = 10 * time.Minute
	c := connectTo(t, m, o, host.Config{})
	path := filepath.Join(t.TempDir(), "cp.json")
	now := time.Now()
	input := ingesttest.Stretch(now.Add(-24*time.Hour), now, 40)
	for _, skip := range []int{0, 40, 41, 60} {
		o.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Skip: skip, Times: 1})
	}
	got := &memory{}
	stopped := errors.New("stopped")
	got.Fail = func(page int) error {
		if page == 90 {
			o.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Times: 1}) // the first request of the next process
			return stopped
		}
		return nil
	}
	d, said, err := runRange(context.Background(), t, c, got, input, path)
	if !errors.Is(err, stopped) || ingest.RangeDone(d.At) || d.Stats().Repeats < 50 {
		t.Fatalf("%v, %+v", err, d.Stats())
	}
	if n := strings.Count(strings.Join(said, "\n"), "the cursor is no longer accepted (Okta answered 400 E0000001"); n != 4 {
		t.Errorf("%d of 4 refusals are in the messages:\n%s", n, strings.Join(said, "\n"))
	}
	o.ClearFaults()
	o.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Times: 1})
	d, said, err = runRange(context.Background(), t, c, got, input, path)
	if err != nil || !ingest.RangeDone(d.At) || len(said) != 1 || d.Stats().Repeats == 0 {
		t.Errorf("%v, %s, %+v", err, said, d.Stats())
	}
	got.WantAll(t, o.Events(), "uuid", 1)
	asked := o.Count("GET /api/v1/logs")
	if d, _, err = runRange(context.Background(), t, c, got, input, path); err != nil || d.Stats().Pages != 0 || o.Count("GET /api/v1/logs") != asked {
		t.Errorf("a finished range was read again: %v, %+v", err, d.Stats())
	}
	for _, r := range o.Requests() { // until is the same in each request
		if !strings.Contains(r.RawQuery, "until="+strings.ReplaceAll(now.UTC().Format(time.RFC3339), ":", "%3A")) {
			t.Errorf("requested %s", r.RawQuery)
		}
	}
}

// TestRange_CursorsAlwaysRefused_Fails: with many events of the same time, resuming by time makes no progress.
func TestRange_CursorsAlwaysRefused_Fails(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	s := &scripted{T: t, Reply: func(n int, w http.ResponseWriter, r *http.Request) string {
		if r.URL.Query().Has("after") {
			w.WriteHeader(http.StatusBadRequest)
			return `{"errorCode":"E0000031","errorSummary":"Invalid search criteria."}`
		}
		link(w, "next", "/api/v1/logs?after=1&limit=2&until=x")
		return list(events(0, 2, "2026-01-01T12:00:00.000Z"))
	}}
	c := connectTo(t, m, s, host.Config{})
	got := &memory{}
	d := &ingest.Drain{Operation: bounded, Sink: got, Recent: ingest.OpenRecent("", nil), Persist: true,
		Feed: ingest.Range(c, bounded, json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), "published")}
	err := d.Run(context.Background())
	var e host.OutcomeError
	if !errors.As(err, &e) || e.Outcome != abi.Rejected || !strings.Contains(err.Error(), "E0000031") {
		t.Errorf("%v", err)
	}
	asked := s.Requests()
	if len(got.Lines) != 2 || len(asked) != 8 || ingest.RangeDone(d.At) {
		t.Errorf("%d events, after %d requests: %s", len(got.Lines), len(asked), asked)
	}
	for i, uri := range asked[2:] {
		if i%2 == 0 && !strings.Contains(uri, "since=2026-01-01T11%3A55%3A00Z&until=2026-01-02T00%3A00%3A00Z") {
			t.Errorf("resumed with %s", uri)
		}
	}
}

// TestRange_OtherRefusal_Fails: a refusal for another reason than the cursor, or without times in the records, is an error.
func TestRange_OtherRefusal_Fails(t *testing.T) {
	m := hosttest.Connector.Module(t)
	for name, c := range map[string]struct {
		status int
		member string
		asked  int
	}{"not allowed": {403, "published", 2}, "no times": {400, "", 2}, "a filter that is wrong": {400, "published", 3}} {
		s := &scripted{T: t, Reply: func(n int, w http.ResponseWriter, _ *http.Request) string {
			if n > 1 {
				w.WriteHeader(c.status)
				return `{"errorCode":"E0000001","errorSummary":"no"}`
			}
			link(w, "next", "/api/v1/logs?after=1&limit=2")
			return list(events(0, 2, "2026-01-01T12:00:00.000Z"))
		}}
		d := &ingest.Drain{Operation: bounded, Sink: &memory{},
			Feed: ingest.Range(connectTo(t, m, s, host.Config{}), bounded, json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), c.member)}
		if err := d.Run(context.Background()); !errors.Is(err, host.OutcomeError{Outcome: abi.Rejected}) || len(s.Requests()) != c.asked {
			t.Errorf("%s: %v after %s", name, err, s.Requests())
		}
	}
}

// TestRange_UntilNotOver_IsNotDone: only the Date of Okta's answers counts, not the local clock.
func TestRange_UntilNotOver_IsNotDone(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	for name, off := range map[string]struct{ theirs, ours time.Duration }{
		"both are right":        {},
		"the org is ahead":      {theirs: 9 * time.Hour},
		"the org is behind":     {theirs: -9 * time.Hour},
		"this machine is ahead": {ours: 9 * time.Hour},
		"and years behind":      {ours: -5 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			passed := time.Duration(0) // only between two runs
			clock := func() time.Time { return time.Now().Add(off.theirs + passed) }
			o := oktatest.New(oktatest.Config{Users: 3, Events: 2000, RateLimits: unlimited, Now: clock})
			dial, stop := ingesttest.Serve(o)
			defer stop()
			c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial, Now: func() time.Time { return time.Now().Add(off.ours) }})
			defer func() { _ = c.Close(context.Background()) }()
			path := filepath.Join(t.TempDir(), "cp.json")
			until := began.Add(off.theirs + 3*time.Hour).Truncate(time.Second)
			input := ingesttest.Stretch(until.Add(-30*time.Hour), until, 300)
			got := &memory{}
			for i := range 5 { // 1 ms, 1, 2 and 3 hours later, and 6 minutes after that
				d, said, err := runRange(context.Background(), t, c, got, input, path)
				if err != nil || len(said) > 0 {
					t.Fatal(err, said)
				}
				if done := ingest.RangeDone(d.At); done != (i == 4) {
					t.Fatalf("run %d: done is %v", i, done)
				}
				if !d.Stats().CaughtUp {
					t.Error("the run did not catch up")
				}
				got.WantAll(t, o.Events(), "uuid", 1)
				if i == 4 {
					break
				}
				if i == 3 { // until is over, but an event is stored late
					o.AppendLateEvent(until.Add(-time.Minute))
					passed += 6 * time.Minute
					continue
				}
				if i < 2 {
					o.AppendLateEvent(clock().Add(-time.Minute)) // stored after later events were read
				}
				if passed += time.Hour; i < 2 {
					o.AppendEvents(30)
				}
			}
			got.WantAll(t, o.Events(), "uuid", 1)
			o.AppendEvents(5)
			if d, _, err := runRange(context.Background(), t, c, got, input, path); err != nil || d.Stats().Pages != 0 {
				t.Errorf("read beyond its end: %v, %+v", err, d.Stats())
			}
		})
	}
}

// TestRange_AnswersWithoutDate_IsNotDone: without a Date it is not known whether until is over.
func TestRange_AnswersWithoutDate_IsNotDone(t *testing.T) {
	m := hosttest.Connector.Module(t)
	for dated, want := range map[bool]bool{true: true, false: false} {
		c := connectTo(t, m, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !dated {
				w.Header()["Date"] = nil
			}
			_, _ = fmt.Fprint(w, list(events(0, 1, "2026-01-01T00:00:00Z")))
		}), host.Config{})
		d := &ingest.Drain{Operation: bounded, Sink: &memory{}, Feed: ingest.Range(c, bounded, json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), "published")}
		if err := d.Run(context.Background()); err != nil || ingest.RangeDone(d.At) != want {
			t.Errorf("dated %v: %v, %s", dated, err, d.At)
		}
	}
}

// TestRange_CheckpointOfAnotherRange_Fails also checks that a checkpoint of version 1 still works.
func TestRange_CheckpointOfAnotherRange_Fails(t *testing.T) {
	m := hosttest.Connector.Module(t)
	o := oktatest.New(oktatest.Config{Users: 3, Events: 1000, RateLimits: unlimited})
	c := connectTo(t, m, o, host.Config{})
	until := time.Now().Truncate(time.Second)
	since := until.Add(-24 * time.Hour)
	var at []json.RawMessage
	first := &memory{}
	d := &ingest.Drain{Operation: bounded, Sink: first, Feed: func(ctx context.Context, from json.RawMessage) iter.Seq2[*host.Page, error] {
		return func(yield func(*host.Page, error) bool) {
			for p, err := range ingest.Range(c, bounded, ingesttest.Stretch(since, until, 100), "published")(ctx, from) {
				if err == nil {
					at = append(at, p.Checkpoint)
				}
				if !yield(p, err) {
					return
				}
			}
		}
	}}
	if err := d.Run(context.Background()); err != nil || len(at) < 10 {
		t.Fatal(err, len(at))
	}
	resume := func(input, at json.RawMessage) (*memory, error) {
		got := &memory{}
		d := &ingest.Drain{Operation: bounded, Sink: got, Feed: ingest.Range(c, bounded, input, "published"), At: at}
		return got, d.Run(context.Background())
	}
	if got, err := resume(ingesttest.Stretch(since, until, 1000), at[3]); err != nil || len(got.Lines) != 600 {
		t.Errorf("with another page size: %d events, %v", len(got.Lines), err)
	}
	// Version 1 had the cursor and the time.
	old := json.RawMessage(fmt.Sprintf(`{"v":1,"cursor":%q,"time":%q}`, gjson.GetBytes(at[3], "cursor").Str, gjson.GetBytes(at[3], "time").Str))
	if got, err := resume(ingesttest.Stretch(since, until, 100), old); err != nil || len(got.Lines) != 600 {
		t.Errorf("of version 1: %d events, %v", len(got.Lines), err)
	}
	if got, err := resume(ingesttest.Stretch(since, until, 100), json.RawMessage(`{"v":1,"done":true}`)); err != nil || len(got.Lines) != 0 {
		t.Errorf("of version 1 and done: %d events, %v", len(got.Lines), err)
	}
	noCursor := json.RawMessage(fmt.Sprintf(`{"v":2,"input":%q,"time":%q}`, gjson.GetBytes(at[3], "input").Str, gjson.GetBytes(at[3], "time").Str))
	for name, c := range map[string]struct{ input, at json.RawMessage }{
		"another since":                   {ingesttest.Stretch(since.Add(time.Hour), until, 100), at[3]},
		"another until":                   {ingesttest.Stretch(since, until.Add(-time.Hour), 100), at[3]},
		"another until, without a cursor": {ingesttest.Stretch(since, until.Add(-time.Hour), 100), noCursor},
		"another since, done":             {ingesttest.Stretch(since.Add(time.Hour), until, 100), at[len(at)-1]},
		"another filter":                  {json.RawMessage(strings.Replace(string(ingesttest.Stretch(since, until, 100)), "}", `,"q":"x"}`, 1)), at[3]},
		"another since, of version 1":     {ingesttest.Stretch(since.Add(time.Hour), until, 100), old},
		"a later version":                 {ingesttest.Stretch(since, until, 100), json.RawMessage(`{"v":3,"done":true}`)},
		"version 1 without a cursor":      {ingesttest.Stretch(since, until, 100), json.RawMessage(`{"v":1}`)},
		"one of a poll":                   {ingesttest.Stretch(since, until, 100), json.RawMessage(`{"v":1,"link":"/api/v1/logs?after=1"}`)},
		"not an object":                   {ingesttest.Stretch(since, until, 100), json.RawMessage(`[]`)},
	} {
		if got, err := resume(c.input, c.at); err == nil || len(got.Lines) > 0 {
			t.Errorf("%s: %d events, %v", name, len(got.Lines), err)
		}
	}
}
