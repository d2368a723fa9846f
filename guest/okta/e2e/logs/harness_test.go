package logs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink"
)

const (
	poll    = "poll_system_log_page"
	bounded = "bounded_system_log_range"
)

type (
	memory   = ingesttest.Memory
	scripted = ingesttest.Scripted
)

// unlimited is the rate-limit configuration of an org without limits.
var unlimited = map[string]int{"*": -1, "/api/v1/logs": -1}

// connect connects the module to the org that dial reaches. Close the connection when done.
func connect(tb testing.TB, m *host.Module, cfg host.Config, opts host.ConnectOptions) *host.Connection {
	tb.Helper()
	opts.Secrets = hosttest.Secret(oktatest.DefaultToken)
	return ingesttest.Connect(tb, m, cfg, opts)
}

// connectTo connects to a handler through a pipe, until the test ends.
func connectTo(t *testing.T, m *host.Module, h http.Handler, cfg host.Config) *host.Connection {
	t.Helper()
	return ingesttest.ConnectTo(t, m, h, cfg, host.ConnectOptions{Secrets: hosttest.Secret(oktatest.DefaultToken)})
}

// run drains the log of a connection into a sink. With a path, it stores the checkpoint and keys there.
func run(ctx context.Context, t testing.TB, c *host.Connection, s sink.Sink, opts host.SourceOptions, path string) (*ingest.Drain, error) {
	t.Helper()
	return ingesttest.Source{Operation: poll, Key: "uuid"}.Run(ctx, t, c, s, opts, path)
}

// runRange drains a range into a sink. It stores the checkpoint and keys at path.
func runRange(ctx context.Context, t testing.TB, c *host.Connection, s sink.Sink, input json.RawMessage, path string) (d *ingest.Drain, said []string, err error) {
	t.Helper()
	return ingesttest.Source{Operation: bounded, Key: "uuid"}.RunRange(ctx, t, c, s, "published", input, path)
}

// events returns n events with the same time and numbered uuids.
func events(from, n int, published string) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"uuid":"00000000-0000-4000-8000-%012d","published":%q}`, from+i, published))
	}
	return all
}

func list(events []string) string { return "[" + strings.Join(events, ",") + "]" }

func link(w http.ResponseWriter, rel, target string) {
	w.Header().Add("Link", "<https://example-admin.okta.com"+target+`>; rel="`+rel+`"`)
}
