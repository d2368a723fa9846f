package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink"
)

// The sources of the invented kind, and the member that identifies a record.
const (
	poll    = "poll_movements"
	bounded = "range_movements"
	key     = "no"
)

type (
	memory   = ingesttest.Memory
	scripted = ingesttest.Scripted
)

// connectTo connects to a handler through a pipe, until the test ends.
func connectTo(t *testing.T, m *host.Module, h http.Handler, cfg host.Config) *host.Connection {
	t.Helper()
	return ingesttest.ConnectTo(t, m, h, cfg, host.ConnectOptions{})
}

// run drains the movements of a connection into a sink. With a path, it stores the checkpoint and keys there. set sets other
// fields of the Drain.
func run(ctx context.Context, t testing.TB, c *host.Connection, s sink.Sink, opts host.SourceOptions, path string, set ...func(*ingest.Drain)) (*ingest.Drain, error) {
	t.Helper()
	return ingesttest.Source{Operation: poll, Key: key}.Run(ctx, t, c, s, opts, path, set...)
}

// runRange drains a range into a sink. It stores the checkpoint and keys at path.
func runRange(ctx context.Context, t testing.TB, c *host.Connection, s sink.Sink, input json.RawMessage, path string) (d *ingest.Drain, said []string, err error) {
	t.Helper()
	return ingesttest.Source{Operation: bounded, Key: key}.RunRange(ctx, t, c, s, "at", input, path)
}

// snapshot reads a checkpoint file and its keys, and returns a function that restores them.
func snapshot(t *testing.T, path string) (restore func()) {
	t.Helper()
	kept := map[string][]byte{}
	for _, p := range []string{path, path + ".keys"} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		kept[p] = b
	}
	return func() {
		for p, b := range kept {
			if err := os.WriteFile(p, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// counting is a sink that only counts records.
type counting struct{ records, bytes int64 }

func (c *counting) Write(_ context.Context, p sink.Page) error {
	n, err := p.WriteTo(io.Discard)
	c.records += int64(p.Len())
	c.bytes += n
	return err
}

func (c *counting) Close() error   { return nil }
func (c *counting) String() string { return "counting" }

// moves returns n movements with the same time and numbers from from on.
func moves(from, n int, at string) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"no":%d,"at":%q}`, from+i, at))
	}
	return all
}

// answer returns a page of movements as the depot answers it, with its cursor and mark. The cursor "end" is that of the last page.
func answer(all []string, next, mark string) string {
	return fmt.Sprintf(`{"movements":[%s],"paging":{"continue":%q,"mark":%q}}`, strings.Join(all, ","), next, mark)
}
