package logs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
)

// TestRun_LocalClockJumps_LosesNothing: the local clock is wrong by days, differently at each reading.
func TestRun_LocalClockJumps_LosesNothing(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	for _, off := range []time.Duration{1000 * 24 * time.Hour, -1000 * 24 * time.Hour, 30 * 24 * time.Hour, -12 * time.Hour} {
		o := oktatest.New(oktatest.Config{Users: 3, Events: 3000, RateLimits: unlimited})
		dial, stop := ingesttest.Serve(o)
		readings := 0
		c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial, Now: func() time.Time {
			readings++
			return time.Now().Add(off * time.Duration(1-readings%3))
		}})
		path := filepath.Join(t.TempDir(), "cp.json")
		got := &memory{}
		for range 3 {
			if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(500)}, path); err != nil {
				t.Fatalf("%s off: %v", off, err)
			}
			o.AppendEvents(100)
		}
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(500)}, path); err != nil {
			t.Fatal(err)
		}
		got.WantAll(t, o.Events(), "uuid", 1)
		_ = c.Close(context.Background())
		stop()
	}
}

// TestRun_QuietSource_IsPolledLessOften: a source that has more is read at once.
func TestRun_QuietSource_IsPolledLessOften(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		o := oktatest.New(oktatest.Config{Users: 3, Events: 5000, RateLimits: unlimited})
		dial, stop := ingesttest.Serve(o)
		defer stop()
		c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		ctx, cancel := context.WithCancel(context.Background())
		got := &memory{}
		var d *ingest.Drain
		began := time.Now()
		done := make(chan error)
		go func() {
			var err error
			d, err = run(ctx, t, c, got, host.SourceOptions{Follow: true, PollLimit: 40 * time.Second}, "")
			done <- err
		}()
		asked := func() int { return o.Count("GET /api/v1/logs") }
		time.Sleep(time.Second)
		busy := asked()
		time.Sleep(time.Hour - time.Second)
		quiet := asked() - busy
		o.AppendEvents(5000)
		time.Sleep(41 * time.Second)
		if again := asked() - busy - quiet; again < 6 || again > 10 {
			t.Errorf("%d requests after new events, want all pages within the time of one wait", again)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		got.WantAll(t, o.Events(), "uuid", 1)
		if busy != 6 || quiet < 90 || quiet > 105 {
			t.Errorf("%d requests for 5,000 events, then %d in an hour without events, want 6, and then one each 36 to 40 s", busy, quiet)
		}
		if s := d.Stats(); !s.CaughtUp || s.Lag > 41*time.Second || s.Watermark.Before(began) {
			t.Errorf("%+v", s)
		}
	})
}

// TestRun_SourceLoops_SlowsDown also checks that it says so once.
func TestRun_SourceLoops_SlowsDown(t *testing.T) {
	m := hosttest.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) { loopSlowsDown(t, m) })
}

func loopSlowsDown(t *testing.T, m *host.Module) {
	s := &scripted{T: t}
	s.Reply = func(n int, w http.ResponseWriter, _ *http.Request) string {
		// Page A leads to B, and B to A.
		link(w, "next", fmt.Sprintf("/api/v1/logs?after=%d&limit=2", n%2))
		return list(events(n%2*2, 2, "2026-01-01T00:00:00.000Z"))
	}
	dial, stop := ingesttest.Serve(s)
	defer stop()
	c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
	defer func() { _ = c.Close(context.Background()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := &memory{}
	said := 0
	d := &ingest.Drain{Operation: poll, Key: "uuid", Sink: got, Recent: ingest.OpenRecent("", nil), Persist: true, Follow: true}
	feed := ingest.Source(c, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(2)})
	d.Feed = func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
		return func(yield func(*host.Page, error) bool) { // a source that does not detect the loop
			for ctx.Err() == nil {
				for page, err := range feed(ctx, at) {
					if page != nil {
						page.CaughtUp, at = false, slices.Clone(page.Checkpoint)
					}
					if !yield(page, err) || err != nil {
						return
					}
				}
			}
		}
	}
	d.Say = func(format string, args ...any) {
		if strings.Contains(fmt.Sprintf(format, args...), "its pages have only repeated records and lead back to an earlier checkpoint") {
			said++
			time.AfterFunc(1500*time.Millisecond, cancel) // the second pause is 2 s
		}
	}
	if err := d.Run(ctx); err != nil {
		t.Fatal(err)
	}
	// Two pages are new. The next six have repeats, each with a different checkpoint. There are 2 links with 3 states
	// of the trail, since the guest ends its call at each third page. The ninth page has the checkpoint of the third.
	if n := len(s.Requests()); said != 1 || n != 9 || len(got.Lines) != 4 {
		t.Errorf("said %d times, %d requests, want 9, %d records", said, n, len(got.Lines))
	}
}

// TestPersist_TemporarilyForbidden_Continues: some refusals of the token or its role are temporary. One that lasts ends the
// run.
func TestPersist_TemporarilyForbidden_Continues(t *testing.T) {
	m := hosttest.Connector.Module(t)
	for _, c := range []struct {
		refusals int
		status   int
		code     string
		records  int64
	}{
		{1, 403, "E0000006", 50}, {8, 403, "E0000006", 50}, {1 << 30, 403, "E0000006", 0},
		{1, 401, "E0000011", 50}, {3, 401, "E0000011", 50}, {1 << 30, 401, "E0000011", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := oktatest.New(oktatest.Config{Users: 3, Events: 50, RateLimits: unlimited})
			left := c.refusals
			dial, stop := ingesttest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if left--; left >= 0 { // one request at a time
					w.WriteHeader(c.status)
					_, _ = fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":"refused"}`, c.code)
					return
				}
				o.ServeHTTP(w, r)
			}))
			defer stop()
			conn := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
			defer func() { _ = conn.Close(context.Background()) }()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			d := &ingest.Drain{Operation: poll, Sink: &memory{}, Persist: true, Follow: true,
				Feed: ingest.Source(conn, host.SourceOptions{Operation: poll, Follow: true})}
			err := d.Run(ctx)
			if d.Stats().Records != c.records || (err != nil) != (c.records == 0) {
				t.Errorf("%d times %d: %d records, %v", c.refusals, c.status, d.Stats().Records, err)
			}
		})
	}
}
