package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/internal/figures"
)

// windows watches what an org answers, to tell the least time that its quota permits.
type windows struct {
	http.Handler
	mu      sync.Mutex
	began   time.Time // the first request
	ended   time.Time // the last
	resets  time.Time // of the first window
	asked   int
	refused int
}

func (q *windows) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.Handler.ServeHTTP(&watched{w, q}, r)
}

type watched struct {
	http.ResponseWriter
	q *windows
}

func (w *watched) WriteHeader(status int) {
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	w.q.ended = time.Now()
	if w.q.asked++; w.q.asked == 1 {
		w.q.began = w.q.ended
		seconds, _ := strconv.ParseInt(w.Header().Get("X-Rate-Limit-Reset"), 10, 64)
		w.q.resets = time.Unix(seconds, 0)
	}
	if status == http.StatusTooManyRequests {
		w.q.refused++
	}
	w.ResponseWriter.WriteHeader(status)
}

// TestCallsThatBeginTogetherAreNotRefused: on a connection that has seen no answer yet, more of them than a window has room for.
func TestCallsThatBeginTogetherAreNotRefused(t *testing.T) {
	m := hosttest.Connector.Load(t)
	synctest.Test(t, func(t *testing.T) {
		org := oktatest.New(oktatest.Config{Users: 3, Events: -1, RateLimits: map[string]int{"*": 10}})
		org.Inject(oktatest.Fault{Kind: oktatest.Latency, Latency: time.Second}) // the clock stands still until all wait
		q := &windows{Handler: org}
		dial, stop := serve(q)
		defer stop()
		c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		var calls sync.WaitGroup
		const all = 16 // at once
		for range all {
			calls.Go(func() {
				if _, err := c.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`)); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if q.asked != all || q.refused > 0 {
			t.Errorf("%d requests, %d refused", q.asked, q.refused)
		}
	})
}

// TestTheWholeQuotaIsUsedAndNoMore drains 100,000 events in all from an org whose limit is reached again and again, on a clock
// that passes when everybody waits: alone; with four views of their own, as processes have, each with its share; and by four connections of one process,
// which share what they know. No machine's load is in it.
func TestTheWholeQuotaIsUsedAndNoMore(t *testing.T) {
	const pages = 100
	requests := pages + 1 // the last page is empty
	events := 1000        // of all connections' pages
	if testing.Short() {
		events = 40 // The quota counts requests: as many are made.
	}
	var table strings.Builder
	for _, c := range []struct {
		name    string
		limit   int // requests a window
		modules int // each is a process of its own to its connections
		share   float64
		conns   int
		window  int // requests of all that the shares permit
	}{
		{"alone", 20, 1, 0, 1, 18},
		{"with the whole of it", 20, 1, 1, 1, 20},
		{"four views of their own, a share each", 80, 4, 0.9 / 4, 4, 72},
		{"four connections of one process", 80, 1, 0, 4, 72},
	} {
		t.Run(c.name, func(t *testing.T) {
			modules := make([]*host.Module, c.modules)
			for i := range modules {
				modules[i] = hosttest.Connector.Load(t)
			}
			synctest.Test(t, func(t *testing.T) {
				size := events / c.conns
				total := int64(pages * size)
				org := oktatest.New(oktatest.Config{Users: 3, Events: int(total), EventSize: 1500, RateLimits: map[string]int{"/api/v1/logs": c.limit}})
				q := &windows{Handler: org}
				dial, stop := serve(q)
				defer stop()
				var drains sync.WaitGroup
				for i := range c.conns {
					conn := connect(t, modules[i%len(modules)], host.Config{Name: fmt.Sprint("c", i), RateLimitShare: c.share}, host.ConnectOptions{Dial: dial,
						Limits: host.Limits{CallTimeout: time.Hour}})
					defer func() { _ = conn.Close(context.Background()) }()
					drains.Go(func() {
						got := &counting{}
						if _, err := run(context.Background(), t, conn, got, host.SourceOptions{Config: pageSize(size)}, ""); err != nil || got.records != total {
							t.Errorf("%d events, %v", got.records, err)
						}
					})
				}
				drains.Wait()
				all := requests * c.conns
				if q.asked != all {
					t.Errorf("%d requests, want %d", q.asked, all)
				}
				// Whoever knows all can do no better than to use each window's share, the first one's at once, and to be
				// there when the next begins.
				full := (all + c.window - 1) / c.window
				least := q.resets.Sub(q.began) + time.Duration(full-2)*time.Minute
				took := q.ended.Sub(q.began)
				ratio := float64(took) / float64(least)
				fmt.Fprintf(&table, "\n  %.3f times the least time, %d refusals: %s (%d requests, %d a window of a minute: %s, at least %s)",
					ratio, q.refused, c.name, all, c.window, took.Round(time.Second), least)
				if q.refused > 0 {
					t.Errorf("%d requests were refused", q.refused)
				}
				if ratio > 1.05 || ratio < 1 {
					t.Errorf("%.3f times the least time, want 1.00 to 1.05", ratio)
				}
			})
		})
	}
	figures.Keep(t, "quota", fmt.Sprintf("quota, draining %d events:%s", pages*events, table.String()))
}
