package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestSourcePages_LinkToItsOwnPage_IsNotCaughtUp: the next link of a full page points to that page, for some requests.
func TestSourcePages_LinkToItsOwnPage_IsNotCaughtUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		stuck int64 // requests whose response links to its own page
		want  abi.Outcome
	}{
		{"temporarily", 3, abi.Succeeded},
		{"for good", 1 << 30, abi.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int64
			conn := hosttest.Serve(t, hosttest.Connector.Module(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n, after := requests.Add(1), r.URL.Query().Get("after")
				next, body := "1", `[{"uuid":"a","published":"2026-01-02T03:04:05.000Z"}]`
				if after == "1" && n > c.stuck {
					next, body = "2", "[]"
				}
				w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/logs?after=%s&limit=1>; rel="next"`, r.Host, next))
				_, _ = w.Write([]byte(body))
			}), host.Config{Grants: []abi.Class{abi.Read}, AllowPrivateNetwork: true}, host.ConnectOptions{})
			outcome, ended := abi.Succeeded, false
			for page, err := range conn.SourcePages(context.Background(), host.SourceOptions{Operation: "poll_system_log_page",
				Config: []byte(`{"page_size":1,"since":"2026-01-02T03:00:00.000Z"}`), PollLimit: time.Millisecond}) {
				var o host.OutcomeError
				switch {
				case errors.As(err, &o):
					if outcome = o.Outcome; !o.Detail.Retryable || o.Detail.Code != "stalled" {
						t.Errorf("%+v", o.Detail)
					}
				case err != nil:
					t.Fatal(err)
				default:
					ended = page.CaughtUp && !page.Stalled
				}
			}
			if outcome != c.want || ended != (c.want == abi.Succeeded) {
				t.Errorf("%s, caught up: %v, after %d requests", outcome, ended, requests.Load())
			}
			if requests.Load() > 12 {
				t.Errorf("%d requests", requests.Load())
			}
		})
	}
}

// TestSourcePages_WithoutNextLinks_LosesNothing: a log with full pages and no links is read by time to its end. If more
// events than fit into a page have the same time, the source stalls.
func TestSourcePages_WithoutNextLinks_LosesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		same int // events with the same time
		want abi.Outcome
	}{
		{"few with the same time", 3, abi.Succeeded},
		{"more with the same time than fit into a page", 12, abi.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			const events, pageSize = 57, 10
			began := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
			at := func(i int) string {
				return began.Add(time.Duration(i/c.same) * time.Second).Format("2006-01-02T15:04:05.000Z")
			}
			conn := hosttest.Serve(t, hosttest.Connector.Module(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var page []string
				for i := 0; i < events && len(page) < pageSize; i++ {
					if at(i) >= r.URL.Query().Get("since") {
						page = append(page, fmt.Sprintf(`{"uuid":"%d","published":%q}`, i, at(i)))
					}
				}
				_, _ = fmt.Fprintf(w, "[%s]", strings.Join(page, ","))
			}), host.Config{Grants: []abi.Class{abi.Read}, AllowPrivateNetwork: true}, host.ConnectOptions{})
			outcome, keys := abi.Succeeded, map[string]bool{}
			for page, err := range conn.SourcePages(context.Background(), host.SourceOptions{Operation: "poll_system_log_page",
				Config: fmt.Appendf(nil, `{"page_size":%d,"since":%q}`, pageSize, at(0)), PollLimit: time.Millisecond}) {
				var o host.OutcomeError
				switch {
				case errors.As(err, &o):
					outcome = o.Outcome
				case err != nil:
					t.Fatal(err)
				default:
					for rec := range page.Records() {
						keys[rec.Key] = true
					}
				}
			}
			if outcome != c.want || c.want == abi.Succeeded && len(keys) != events {
				t.Errorf("%s with %d of %d events", outcome, len(keys), events)
			}
		})
	}
}
