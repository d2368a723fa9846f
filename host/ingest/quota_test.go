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

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/internal/figures"
)

// windows observes the answers of a depot, to calculate the shortest time that its quota permits.
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
	q.Handler.ServeHTTP(&watched{ResponseWriter: w, q: q}, r)
}

type watched struct {
	http.ResponseWriter
	q     *windows
	began bool
}

func (w *watched) Write(b []byte) (int, error) {
	if !w.began {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

func (w *watched) WriteHeader(status int) {
	w.began = true
	w.q.mu.Lock()
	defer w.q.mu.Unlock()
	w.q.ended = time.Now()
	if w.q.asked++; w.q.asked == 1 {
		w.q.began = w.q.ended
		seconds, _ := strconv.Atoi(w.Header().Get("Depot-Quota-Renews-In"))
		w.q.resets = w.q.ended.Add(time.Duration(seconds) * time.Second)
	}
	if status == http.StatusTooManyRequests {
		w.q.refused++
	}
	w.ResponseWriter.WriteHeader(status)
}

// TestInvoke_ManyAtOnce_AreNotRefused makes more concurrent calls than a window allows, on a connection without an answer yet.
func TestInvoke_ManyAtOnce_AreNotRefused(t *testing.T) {
	m := invented.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		depot := &invented.Depot{Quota: 10}
		depot.Put("saw-1", "A")
		depot.Inject(invented.Fault{Kind: invented.Slow, Wait: time.Second}) // the clock stops until all wait
		q := &windows{Handler: depot}
		dial, stop := ingesttest.Serve(q)
		defer stop()
		c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		var calls sync.WaitGroup
		const all = 16 // concurrent calls
		for range all {
			calls.Go(func() {
				if _, err := c.Invoke(context.Background(), "get_item", json.RawMessage(`{"sku":"saw-1"}`)); err != nil {
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

// TestRun_Quota_IsUsedFully drains 100,000 records from a depot whose limit is reached often, on a fake clock. It uses
// one connection, then four that share nothing, like separate processes, each with its share. Last it uses four
// connections of one process, which share their observations. The load of the machine has no influence.
func TestRun_Quota_IsUsedFully(t *testing.T) {
	t.Parallel()
	const pages = 100
	requests := pages
	records := 1000 // per page, of all connections together
	if testing.Short() {
		records = 40 // the number of requests, which the quota counts, stays the same
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
				modules[i] = invented.Connector.Load(t)
			}
			synctest.Test(t, func(t *testing.T) {
				size := records / c.conns
				total := int64(pages * size)
				depot := (&invented.Depot{Quota: c.limit}).Fill(int(total))
				q := &windows{Handler: depot}
				dial, stop := ingesttest.Serve(q)
				defer stop()
				var drains sync.WaitGroup
				for i := range c.conns {
					conn := ingesttest.Connect(t, modules[i%len(modules)], host.Config{Name: fmt.Sprint("c", i), RateLimitShare: c.share}, host.ConnectOptions{Dial: dial,
						Limits: host.Limits{CallTimeout: time.Hour}})
					defer func() { _ = conn.Close(context.Background()) }()
					drains.Go(func() {
						got := &counting{}
						if _, err := run(context.Background(), t, conn, got, host.SourceOptions{Config: ingesttest.PageSize(size)}, ""); err != nil || got.records != total {
							t.Errorf("%d records, %v", got.records, err)
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
				least := q.resets.Sub(q.began) + time.Duration(full-2)*invented.Window
				took := q.ended.Sub(q.began)
				ratio := float64(took) / float64(least)
				fmt.Fprintf(&table, "\n  %.3f times the shortest time, %d refusals: %s (%d requests, %d per window: %s, at least %s)",
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
	figures.Keep(t, "quota", fmt.Sprintf("quota, draining %d records:%s", pages*records, table.String()))
}
