package host

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// sandboxConfig returns what a module may import and must export, without the limits.
func sandboxConfig() sandbox.Config {
	type messages = *sandbox.Messages
	define := func(name string, params int, f func(ctx context.Context, c *call, m messages, args []uint64) uint64) sandbox.HostFunction {
		return sandbox.HostFunction{Name: name, Params: params, Run: func(ctx context.Context, of any, m messages, args []uint64) uint64 {
			return f(ctx, of.(*call), m, args)
		}}
	}
	return sandbox.Config{
		Namespace: abi.Namespace,
		Exports:   []string{"describe", "invoke", "source", "table"},
		Functions: []sandbox.HostFunction{
			define("http_send", 1, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				return writeJSON(m, c.send(ctx, m.Read(a[0])))
			}),
			define("body_read", 3, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				body := c.answers.Read(a[0])
				from := min(a[1], uint64(len(body)))
				return m.Write(body[from : from+min(a[2], uint64(len(body))-from, sandbox.MaxMessage)])
			}),
			define("records_emit", 2, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				return writeJSON(m, c.answers.Emit(ctx, a[0], m.Read(a[1])))
			}),
			define("record_emit", 1, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				if c.answers.EmitValue(append([]byte(nil), m.Read(a[0])...)) != nil {
					return 0
				}
				return 1
			}),
			define("secret_get", 1, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				return writeJSON(m, c.secret(strings.TrimRight(string(m.Read(a[0])), " ")))
			}),
			define("wait", 1, func(ctx context.Context, c *call, _ messages, a []uint64) uint64 {
				return c.wait(ctx, a[0])
			}),
		},
	}
}

// wait sleeps for some milliseconds and returns 1. If the deadline comes first, it returns 0 at once.
func (c *call) wait(ctx context.Context, ms uint64) uint64 {
	const day = 24 * 60 * 60 * 1000
	d := time.Duration(min(ms, day)) * time.Millisecond
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return 0
	}
	if c.conn.opts.Sleep(ctx, d) != nil {
		return 0
	}
	return 1
}

func writeJSON(m *sandbox.Messages, v any) uint64 {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return m.Write(b)
}
