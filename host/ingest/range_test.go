package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
)

// TestRange_RefusedCursor_ResumesWithoutRepeats: cursors expire several times during a run, and at the beginning of the next.
func TestRange_RefusedCursor_ResumesWithoutRepeats(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	passed := time.Duration(0)
	o := (&invented.Depot{Now: func() time.Time { return time.Now().Add(passed) }}).Fill(4000) // one every 18 s, 16 in the overlap
	passed = 10 * time.Minute
	asks := &hosttest.Recorder{Handler: o}
	c := connectTo(t, m, asks, host.Config{})
	path := filepath.Join(t.TempDir(), "cp.json")
	now := time.Now()
	input := ingesttest.Stretch(now.Add(-24*time.Hour), now, 40)
	for _, skip := range []int{0, 40, 41, 60} {
		o.Inject(invented.Fault{Kind: invented.Stale, Skip: skip, Times: 1})
	}
	got := &memory{}
	stopped := errors.New("stopped")
	got.Fail = func(page int) error {
		if page == 90 {
			o.Inject(invented.Fault{Kind: invented.Stale, Times: 1}) // the first request of the next process
			return stopped
		}
		return nil
	}
	d, said, err := runRange(context.Background(), t, c, got, input, path)
	if !errors.Is(err, stopped) || ingest.RangeDone(d.At) || d.Stats().Repeats < 50 {
		t.Fatalf("%v, %+v", err, d.Stats())
	}
	if n := strings.Count(strings.Join(said, "\n"), "the cursor is no longer accepted (the depot answered: the place in the list is too old)"); n != 4 {
		t.Errorf("%d of 4 refusals are in the messages:\n%s", n, strings.Join(said, "\n"))
	}
	o.ClearFaults()
	o.Inject(invented.Fault{Kind: invented.Stale, Times: 1})
	d, said, err = runRange(context.Background(), t, c, got, input, path)
	if err != nil || !ingest.RangeDone(d.At) || len(said) != 1 || d.Stats().Repeats == 0 {
		t.Errorf("%v, %s, %+v", err, said, d.Stats())
	}
	got.WantAll(t, o.Movements(), key, 1)
	asked := o.Count("GET /v2/history")
	if d, _, err = runRange(context.Background(), t, c, got, input, path); err != nil || d.Stats().Pages != 0 || o.Count("GET /v2/history") != asked {
		t.Errorf("a finished range was read again: %v, %+v", err, d.Stats())
	}
	for _, uri := range asks.URIs() { // the end of the range is the same in each request
		if !strings.Contains(uri, "to="+url.QueryEscape(now.UTC().Format(invented.TimeLayout))) {
			t.Errorf("requested %s", uri)
		}
	}
}

// TestRange_CursorsAlwaysRefused_Fails: with many events of the same time, resuming by time makes no progress.
func TestRange_CursorsAlwaysRefused_Fails(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	s := &scripted{T: t, Reply: func(n int, w http.ResponseWriter, r *http.Request) string {
		if r.URL.Query().Has("continue") {
			w.WriteHeader(http.StatusBadRequest)
			return `{"fault":{"kind":"stale_cursor","text":"the place in the list is too old"}}`
		}
		return answer(moves(0, 2, "01.01.2026 12:00:00"), "2", "")
	}}
	c := connectTo(t, m, s, host.Config{})
	got := &memory{}
	d := &ingest.Drain{Operation: bounded, Sink: got, Recent: ingest.OpenRecent("", nil), Persist: true,
		Feed: ingest.Range(c, bounded, json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), "at")}
	err := d.Run(context.Background())
	var e host.OutcomeError
	if !errors.As(err, &e) || e.Outcome != abi.Rejected || !strings.Contains(err.Error(), "too old") {
		t.Errorf("%v", err)
	}
	asked := s.Requests()
	if len(got.Lines) != 2 || len(asked) != 8 || ingest.RangeDone(d.At) {
		t.Errorf("%d events, after %d requests: %s", len(got.Lines), len(asked), asked)
	}
	for i, uri := range asked[2:] {
		if i%2 == 0 && !strings.Contains(uri, "from=01.01.2026+11%3A55%3A00&to=02.01.2026+00%3A00%3A00") {
			t.Errorf("resumed with %s", uri)
		}
	}
}

// TestRange_OtherRefusal_Fails: a refusal for another reason than the cursor, or without times in the records, is an error.
func TestRange_OtherRefusal_Fails(t *testing.T) {
	m := invented.Connector.Module(t)
	for name, c := range map[string]struct {
		status int
		member string
		asked  int
	}{"not allowed": {403, "at", 2}, "no times": {400, "", 2}, "a filter that is wrong": {400, "at", 3}} {
		s := &scripted{T: t, Reply: func(n int, w http.ResponseWriter, _ *http.Request) string {
			if n > 1 {
				w.WriteHeader(c.status)
				return `{"fault":{"kind":"no","text":"no"}}`
			}
			return answer(moves(0, 2, "01.01.2026 12:00:00"), "2", "")
		}}
		d := &ingest.Drain{Operation: bounded, Sink: &memory{},
			Feed: ingest.Range(connectTo(t, m, s, host.Config{}), bounded, json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), c.member)}
		if err := d.Run(context.Background()); !errors.Is(err, host.OutcomeError{Outcome: abi.Rejected}) || len(s.Requests()) != c.asked {
			t.Errorf("%s: %v after %s", name, err, s.Requests())
		}
	}
}

// TestRange_UntilNotOver_IsNotDone: only the Date of the service's answers counts, not the local clock.
func TestRange_UntilNotOver_IsNotDone(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	for name, off := range map[string]struct{ theirs, ours time.Duration }{
		"both are right":        {},
		"the service is ahead":  {theirs: 9 * time.Hour},
		"the service is behind": {theirs: -9 * time.Hour},
		"this machine is ahead": {ours: 9 * time.Hour},
		"and years behind":      {ours: -5 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			passed := time.Duration(0) // only between two runs
			clock := func() time.Time { return time.Now().Add(off.theirs + passed) }
			o := (&invented.Depot{Now: clock}).Fill(2000)
			dial, stop := ingesttest.Serve(o)
			defer stop()
			c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial, Now: func() time.Time { return time.Now().Add(off.ours) }})
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
				got.WantAll(t, o.Movements(), key, 1)
				if i == 4 {
					break
				}
				if i == 3 { // until is over, but an event is stored late
					o.AppendLate(until.Add(-time.Minute))
					passed += 6 * time.Minute
					continue
				}
				if i < 2 {
					o.AppendLate(clock().Add(-time.Minute)) // stored after later events were read
				}
				if passed += time.Hour; i < 2 {
					o.Append(30)
				}
			}
			got.WantAll(t, o.Movements(), key, 1)
			o.Append(5)
			if d, _, err := runRange(context.Background(), t, c, got, input, path); err != nil || d.Stats().Pages != 0 {
				t.Errorf("read beyond its end: %v, %+v", err, d.Stats())
			}
		})
	}
}

// TestRange_AnswersWithoutDate_IsNotDone: without a Date it is not known whether until is over.
func TestRange_AnswersWithoutDate_IsNotDone(t *testing.T) {
	m := invented.Connector.Module(t)
	for dated, want := range map[bool]bool{true: true, false: false} {
		c := connectTo(t, m, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !dated {
				w.Header()["Date"] = nil
			}
			_, _ = fmt.Fprint(w, answer(moves(0, 1, "01.01.2026 00:00:00"), "end", ""))
		}), host.Config{})
		d := &ingest.Drain{Operation: bounded, Sink: &memory{}, Feed: ingest.Range(c, bounded, json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), "at")}
		if err := d.Run(context.Background()); err != nil || ingest.RangeDone(d.At) != want {
			t.Errorf("dated %v: %v, %s", dated, err, d.At)
		}
	}
}

// TestRange_CheckpointOfAnotherRange_Fails also checks that a checkpoint of version 1 still works.
func TestRange_CheckpointOfAnotherRange_Fails(t *testing.T) {
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(1000)
	c := connectTo(t, m, o, host.Config{})
	until := time.Now().Truncate(time.Second)
	since := until.Add(-24 * time.Hour)
	var at []json.RawMessage
	first := &memory{}
	d := &ingest.Drain{Operation: bounded, Sink: first, Feed: func(ctx context.Context, from json.RawMessage) iter.Seq2[*host.Page, error] {
		return func(yield func(*host.Page, error) bool) {
			for p, err := range ingest.Range(c, bounded, ingesttest.Stretch(since, until, 100), "at")(ctx, from) {
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
		d := &ingest.Drain{Operation: bounded, Sink: got, Feed: ingest.Range(c, bounded, input, "at"), At: at}
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
		"another filter":                  {json.RawMessage(strings.Replace(string(ingesttest.Stretch(since, until, 100)), "}", `,"shelf":"C"}`, 1)), at[3]},
		"another since, of version 1":     {ingesttest.Stretch(since.Add(time.Hour), until, 100), old},
		"a later version":                 {ingesttest.Stretch(since, until, 100), json.RawMessage(`{"v":3,"done":true}`)},
		"version 1 without a cursor":      {ingesttest.Stretch(since, until, 100), json.RawMessage(`{"v":1}`)},
		"one of a poll":                   {ingesttest.Stretch(since, until, 100), json.RawMessage(`{"mark":"1"}`)},
		"not an object":                   {ingesttest.Stretch(since, until, 100), json.RawMessage(`[]`)},
	} {
		if got, err := resume(c.input, c.at); err == nil || len(got.Lines) > 0 {
			t.Errorf("%s: %d events, %v", name, len(got.Lines), err)
		}
	}
}
