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

// windows observes the answers of an org, to calculate the shortest time that its quota permits.
type windows struct {
	http.Handler
	mu      sync.Mutex
	began   time.Time // time of the first request
	ended   time.Time // time of the last one
	resets  time.Time // end of the first window
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

// TestInvoke_ManyAtOnce_AreNotRefused makes more concurrent calls than a window allows, on a connection without an answer yet.
func TestInvoke_ManyAtOnce_AreNotRefused(t *testing.T) {
	m := hosttest.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		org := oktatest.New(oktatest.Config{Users: 3, Events: -1, RateLimits: map[string]int{"*": 10}})
		org.Inject(oktatest.Fault{Kind: oktatest.Latency, Latency: time.Second}) // the clock stops until all wait
		q := &windows{Handler: org}
		dial, stop := serve(q)
		defer stop()
		c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		var calls sync.WaitGroup
		const all = 16 // concurrent calls
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

// TestRun_Quota_IsUsedFully drains 100,000 events from an org whose limit is reached often, on a fake clock. It uses
// one connection, then four that share nothing, like separate processes, each with its share. Last it uses four
// connections of one process, which share their observations. The load of the machine has no influence.
func TestRun_Quota_IsUsedFully(t *testing.T) {
	t.Parallel()
	const pages = 100
	requests := pages + 1 // the last page is empty
	events := 1000        // per page, of all connections together
	if testing.Short() {
		events = 40 // the number of requests, which the quota counts, stays the same
	}
	var table strings.Builder
	for _, c := range []struct {
		name    string
		limit   int // requests in each window
		modules int // connections of different modules share nothing
		share   float64
		conns   int
		window  int // requests in each window that the shares permit
	}{
		{"one connection", 20, 1, 0, 1, 18},
		{"one connection with a share of 1", 20, 1, 1, 1, 20},
		{"four processes, a share each", 80, 4, 0.9 / 4, 4, 72},
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
				// At best, the share of the first window is used at once, and that of each other window when it begins.
				full := (all + c.window - 1) / c.window
				least := q.resets.Sub(q.began) + time.Duration(full-2)*time.Minute
				took := q.ended.Sub(q.began)
				ratio := float64(took) / float64(least)
				fmt.Fprintf(&table, "\n  %.3f times the shortest time, %d refusals: %s (%d requests, %d per window of a minute: %s, at least %s)",
					ratio, q.refused, c.name, all, c.window, took.Round(time.Second), least)
				if q.refused > 0 {
					t.Errorf("%d requests were refused", q.refused)
				}
				if ratio > 1.05 || ratio < 1 {
					t.Errorf("%.3f times the shortest time, want 1.00 to 1.05", ratio)
				}
			})
		})
	}
	figures.Keep(t, "quota", fmt.Sprintf("quota, draining %d events:%s", pages*events, table.String()))
}
