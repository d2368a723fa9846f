package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestRequestSeconds_AnswerDoesNotCome_AsksForLess: a list that is too slow is requested in smaller pages, after the
// connection's own time and without a repeat.
func TestRequestSeconds_AnswerDoesNotCome_AsksForLess(t *testing.T) {
	var mu sync.Mutex
	var asked []int
	c := boundWith(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		mu.Lock()
		asked = append(asked, limit)
		mu.Unlock()
		if limit > 60 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `[{"id":"00u1"}]`)
	}), host.ConnectOptions{Limits: host.Limits{RequestTimeout: 100 * time.Millisecond}}, abi.Read)
	res, err := c.Invoke(context.Background(), "list_users", nil)
	if err != nil || res.Meta.Records != 1 {
		t.Errorf("%v %+v", err, res)
	}
	if got := fmt.Sprint(asked); got != "[200 100 50]" {
		t.Errorf("asked for pages of %s records, want [200 100 50]", got)
	}
}

// TestRequestSeconds_SingleObject_IsRepeatedAndNamesTheLimit.
func TestRequestSeconds_SingleObject_IsRepeatedAndNamesTheLimit(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := boundWith(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}), host.ConnectOptions{Limits: host.Limits{RequestTimeout: 50 * time.Millisecond}}, abi.Read)
	res, _ := c.Invoke(context.Background(), "lookup_user", []byte(`{"user":"ada@example.com"}`))
	if res.Outcome != abi.Unavailable || !res.Error.Retryable || !strings.Contains(res.Error.Message, "limits.request_seconds") || asked.Load() < 2 {
		t.Errorf("%s %+v after %d requests", res.Outcome, res.Error, asked.Load())
	}
}

// TestLimits_PageOverOne_IsReadInSmallerPages: after a page over any limit, all records come.
func TestLimits_PageOverOne_IsReadInSmallerPages(t *testing.T) {
	const total = 700
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		from, _ := strconv.Atoi(r.URL.Query().Get("after"))
		var all []string
		to := min(from+limit, total)
		for i := from; i < to; i++ {
			all = append(all, fmt.Sprintf(`{"id":"%d","uuid":"%d","published":"2026-01-01T00:00:00.000Z","x":%q}`, i, i, strings.Repeat("x", 1000)))
		}
		if to < total || r.URL.Path == "/api/v1/logs" {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?after=%d&limit=%d>; rel="next"`, r.Host, r.URL.Path, to, limit))
		}
		fmt.Fprint(w, "["+strings.Join(all, ",")+"]")
	})
	for name, limits := range map[string]host.Limits{
		"body_bytes":   {BodyBytes: 40_000},
		"records":      {Records: 30},
		"result_bytes": {ResultBytes: 40_000},
	} {
		t.Run(name, func(t *testing.T) {
			c := boundWith(t, serve, host.ConnectOptions{Limits: limits}, abi.Read)
			for _, op := range []string{"list_users", "poll_system_log_page"} {
				got := map[string]bool{}
				rows, err := c.Table(context.Background(), op, nil, host.TableOptions{Columns: []string{"record"}})
				if err != nil {
					t.Fatal(err)
				}
				for row, err := range rows.All() {
					if err != nil {
						t.Fatal(err)
					}
					if got[string(row.Record)] {
						t.Errorf("%s twice", row.Record[:20])
					}
					got[string(row.Record)] = true
				}
				if len(got) != total {
					t.Errorf("table %s: %d records, want %d", op, len(got), total)
				}
			}
			n := 0
			for _, err := range c.Source(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			if n != total {
				t.Errorf("source: %d records, want %d", n, total)
			}
		})
	}
	t.Run("a record that is larger", func(t *testing.T) {
		c := boundWith(t, serve, host.ConnectOptions{Limits: host.Limits{BodyBytes: 1024}}, abi.Read)
		for _, err := range c.Source(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
			if err == nil || !strings.Contains(err.Error(), "limits.body_bytes") || !strings.Contains(err.Error(), "Raise the named limit") {
				t.Errorf("%v", err)
			}
			hosttest.WantOutcome(t, err, abi.Rejected, "too_large")
		}
	})
}
