package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestSourcePages_LinkToItsOwnPage_IsNotCaughtUp: the next link of a full page leads to that page, for so many requests.
func TestSourcePages_LinkToItsOwnPage_IsNotCaughtUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		stuck int64 // the requests that are answered by a link to the page's own
		want  abi.Outcome
	}{
		{"for a moment", 3, abi.Succeeded},
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
