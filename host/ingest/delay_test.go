package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
)

// volatile is a service that keeps accepted records in memory for a while, and loses them when it ends.
type volatile struct {
	memory
	keeps  time.Duration
	recent []taken
	ends   map[int]bool // pages after which it ends
	n      atomic.Int64 // how often it ended
}

type taken struct {
	at    time.Time
	times map[string]int
}

func (v *volatile) Write(ctx context.Context, p sink.Page) error {
	page := memory{}
	if err := page.Write(ctx, p); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pages++
	v.recent = append(v.recent, taken{time.Now(), page.times})
	if v.ends[v.pages] {
		v.flush(time.Now().Add(-v.keeps))
		v.recent = nil
		v.n.Add(1)
	}
	return nil
}

// flush makes records durable that were accepted before a time.
func (v *volatile) flush(before time.Time) {
	if v.times == nil {
		v.times = map[string]int{}
	}
	for len(v.recent) > 0 && v.recent[0].at.Before(before) {
		for uuid, n := range v.recent[0].times {
			v.times[uuid] += n
		}
		v.recent = v.recent[1:]
	}
}

func (v *volatile) Interruptions() int64 { return v.n.Load() }

// TestDelay_VolatileSinkEnds_WritesLostPagesAgain: if the delay is not shorter than the time in memory, a service may end at
// any moment. The checkpoint never covers a record that is not durable.
func TestDelay_VolatileSinkEnds_WritesLostPagesAgain(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	o := oktatest.New(oktatest.Config{Users: 3, Events: 3000, RateLimits: unlimited})
	c := connectTo(t, m, o, host.Config{})
	const keeps = 40 * time.Millisecond
	v := &volatile{keeps: keeps, ends: map[int]bool{3: true, 20: true, 21: true, 40: true, 60: true}}
	path := filepath.Join(t.TempDir(), "cp.json")
	cp, err := checkpoint.Open(path, checkpoint.Identity{Kind: "okta", Connection: "okta", BaseURL: "x", Operation: poll})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cp.Close() }()
	said := 0
	d := &ingest.Drain{Operation: poll, Key: "uuid", Sink: v, Checkpoint: cp, Recent: ingest.OpenRecent("", nil), Delay: keeps,
		Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Config: pageSize(50)})}
	d.Say = func(format string, args ...any) {
		if strings.Contains(fmt.Sprintf(format, args...), "was interrupted: records that it acknowledged less than 40ms ago are written again") {
			said++
		}
	}
	began := time.Now()
	if err := d.Run(context.Background()); err != nil || d.Stats().Records != 3000 {
		t.Fatalf("%v, %+v", err, d.Stats())
	}
	if said == 0 || time.Since(began) < keeps || checkpointAt(t, path) == nil {
		t.Errorf("said %d times, took %s", said, time.Since(began))
	}
	v.flush(time.Now()) // the time in memory is over
	v.wantAll(t, o, len(v.ends)+1)
}

// TestDelay_Interrupted_DoesNotWait: the next run writes the pages again that have no checkpoint yet.
func TestDelay_Interrupted_DoesNotWait(t *testing.T) {
	m := hosttest.Connector.Module(t)
	o := oktatest.New(oktatest.Config{Users: 3, Events: 100, RateLimits: unlimited})
	c := connectTo(t, m, o, host.Config{})
	got := &memory{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := &ingest.Drain{Operation: poll, Key: "uuid", Sink: got, Recent: ingest.OpenRecent("", nil), Delay: time.Hour, Follow: true,
		Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Follow: true})}
	go func() {
		eventually(t, "the page", func() bool {
			got.mu.Lock()
			defer got.mu.Unlock()
			return len(got.lines) == 100
		})
		cancel()
	}()
	if err := d.Run(ctx); err != nil || d.Stats().Records != 0 || d.At != nil {
		t.Errorf("%v, %+v, at %s", err, d.Stats(), d.At)
	}
}

// TestRun_SourceLoops_SlowsDown also checks that it says so once.
func TestRun_SourceLoops_SlowsDown(t *testing.T) {
	m := hosttest.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) { loopSlowsDown(t, m) })
}

func loopSlowsDown(t *testing.T, m *host.Module) {
	s := &scripted{t: t}
	s.reply = func(n int, w http.ResponseWriter, _ *http.Request) string {
		// Page A leads to B, and B to A.
		link(w, "next", fmt.Sprintf("/api/v1/logs?after=%d&limit=2", n%2))
		return list(events(n%2*2, 2, "2026-01-01T00:00:00.000Z"))
	}
	dial, stop := serve(s)
	defer stop()
	c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
	defer func() { _ = c.Close(context.Background()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := &memory{}
	said := 0
	d := &ingest.Drain{Operation: poll, Key: "uuid", Sink: got, Recent: ingest.OpenRecent("", nil), Persist: true, Follow: true}
	feed := ingest.Source(c, host.SourceOptions{Operation: poll, Config: pageSize(2)})
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
	if n := len(s.requests()); said != 1 || n != 9 || len(got.lines) != 4 {
		t.Errorf("said %d times, %d requests, want 9, %d records", said, n, len(got.lines))
	}
}
