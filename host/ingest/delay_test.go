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

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
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
	lines []string
}

func (v *volatile) Write(ctx context.Context, p sink.Page) error {
	page := memory{}
	if err := page.Write(ctx, p); err != nil {
		return err
	}
	v.Mu.Lock()
	defer v.Mu.Unlock()
	v.Pages++
	v.recent = append(v.recent, taken{time.Now(), page.Lines})
	if v.ends[v.Pages] {
		v.flush(time.Now().Add(-v.keeps))
		v.recent = nil
		v.n.Add(1)
	}
	return nil
}

// flush makes records durable that were accepted before a time.
func (v *volatile) flush(before time.Time) {
	for len(v.recent) > 0 && v.recent[0].at.Before(before) {
		v.Lines = append(v.Lines, v.recent[0].lines...)
		v.recent = v.recent[1:]
	}
}

func (v *volatile) Interruptions() int64 { return v.n.Load() }

// TestDelay_VolatileSinkEnds_WritesLostPagesAgain: if the delay is not shorter than the time in memory, a service may end at
// any moment. The checkpoint never covers a record that is not durable.
func TestDelay_VolatileSinkEnds_WritesLostPagesAgain(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(3000)
	c := connectTo(t, m, o, host.Config{})
	const keeps = 40 * time.Millisecond
	v := &volatile{keeps: keeps, ends: map[int]bool{3: true, 20: true, 21: true, 40: true, 60: true}}
	path := filepath.Join(t.TempDir(), "cp.json")
	cp, err := checkpoint.Open(path, checkpoint.Identity{Kind: "depot", Connection: "depot", BaseURL: "x", Operation: poll})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cp.Close() }()
	said := 0
	d := &ingest.Drain{Operation: poll, Key: key, Sink: v, Checkpoint: cp, Recent: ingest.OpenRecent("", nil), Delay: keeps,
		Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Config: ingesttest.PageSize(50)})}
	d.Say = func(format string, args ...any) {
		if strings.Contains(fmt.Sprintf(format, args...), "was interrupted: records that it acknowledged less than 40ms ago are written again") {
			said++
		}
	}
	began := time.Now()
	if err := d.Run(context.Background()); err != nil || d.Stats().Records != 3000 {
		t.Fatalf("%v, %+v", err, d.Stats())
	}
	if said == 0 || time.Since(began) < keeps || ingesttest.CheckpointAt(t, path) == nil {
		t.Errorf("said %d times, took %s", said, time.Since(began))
	}
	v.flush(time.Now()) // the time in memory is over
	v.WantAll(t, o.Movements(), key, len(v.ends)+1)
}

// TestDelay_Interrupted_DoesNotWait: the next run writes the pages again that have no checkpoint yet.
func TestDelay_Interrupted_DoesNotWait(t *testing.T) {
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(100)
	c := connectTo(t, m, o, host.Config{})
	got := &memory{}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	d := &ingest.Drain{Operation: poll, Key: key, Sink: got, Recent: ingest.OpenRecent("", nil), Delay: time.Hour, Follow: true,
		Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Follow: true})}
	go func() {
		ingesttest.Eventually(t, "the page", func() bool {
			got.Mu.Lock()
			defer got.Mu.Unlock()
			return len(got.Lines) == 100
		})
		cancel()
	}()
	if err := d.Run(ctx); err != nil || d.Stats().Records != 0 || d.At != nil {
		t.Errorf("%v, %+v, at %s", err, d.Stats(), d.At)
	}
}

// TestRun_SourceLoops_SlowsDown also checks that it says so once.
func TestRun_SourceLoops_SlowsDown(t *testing.T) {
	m := invented.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) { loopSlowsDown(t, m) })
}

func loopSlowsDown(t *testing.T, m *host.Module) {
	s := &scripted{T: t}
	s.Reply = func(n int, w http.ResponseWriter, _ *http.Request) string {
		// Page A leads to B, and B to A.
		return answer(moves(n%2*2, 2, "01.01.2026 00:00:00"), "more", fmt.Sprint(n%2))
	}
	dial, stop := ingesttest.Serve(s)
	defer stop()
	c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
	defer func() { _ = c.Close(context.Background()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := &memory{}
	said := 0
	d := &ingest.Drain{Operation: poll, Key: key, Sink: got, Recent: ingest.OpenRecent("", nil), Persist: true, Follow: true}
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
	// Two pages are new. The third and the fourth have repeats, each with another mark. The fifth has the checkpoint of the third.
	// Two more are read before and during the second pause.
	if n := len(s.Requests()); said != 1 || n != 7 || len(got.Lines) != 4 {
		t.Errorf("said %d times, %d requests, want 7, %d records", said, n, len(got.Lines))
	}
}
