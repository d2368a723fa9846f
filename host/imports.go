package host

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/mach5/okta-connector/abi"
)

// maxMessage bounds what a guest may put through one import, in bytes.
const maxMessage = 1 << 20

// hostFunctions are the imports of the ABI. They hold nothing: whose call it is stands in the context.
func hostFunctions() []extism.HostFunction {
	const ptr = extism.ValueTypePTR
	one, two, three := []extism.ValueType{ptr}, []extism.ValueType{ptr, ptr}, []extism.ValueType{ptr, ptr, ptr}
	define := func(name string, params []extism.ValueType, f func(context.Context, *call, *memory, []uint64) uint64) extism.HostFunction {
		h := extism.NewHostFunctionWithStack(name, func(ctx context.Context, _ *extism.CurrentPlugin, stack []uint64) {
			c := callOf(ctx)
			if c == nil {
				panic(name + ": called outside of a call")
			}
			if err := ctx.Err(); err != nil { // a guest that asks on and on takes no turn of its own
				panic(err)
			}
			stack[0] = f(ctx, c, &memory{c.in.kernel}, stack)
		}, params, one)
		h.SetNamespace(abi.Namespace)
		return h
	}
	return append(wasi(), []extism.HostFunction{
		define("http_send", one, func(ctx context.Context, c *call, m *memory, s []uint64) uint64 {
			return m.writeJSON(c.send(ctx, m.read(s[0])))
		}),
		define("body_read", three, func(_ context.Context, c *call, m *memory, s []uint64) uint64 {
			body := c.read(s[0])
			from := min(s[1], uint64(len(body)))
			return m.write(body[from : from+min(s[2], uint64(len(body))-from, maxMessage)])
		}),
		define("records_emit", two, func(ctx context.Context, c *call, m *memory, s []uint64) uint64 {
			return m.writeJSON(c.emit(ctx, s[0], m.read(s[1])))
		}),
		define("record_emit", one, func(_ context.Context, c *call, m *memory, s []uint64) uint64 {
			if c.emitValue(m.copy(s[0])) != nil {
				return 0
			}
			return 1
		}),
		define("secret_get", one, func(_ context.Context, c *call, m *memory, s []uint64) uint64 {
			return m.writeJSON(c.secret(strings.TrimRight(string(m.read(s[0])), " ")))
		}),
		define("wait", one, func(ctx context.Context, c *call, _ *memory, s []uint64) uint64 {
			return c.wait(ctx, s[0])
		}),
	}...)
}

// wait sleeps for so many milliseconds and answers 1, or answers 0 at once when the deadline comes first.
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

// memory is the messages of the instance that calls, seen with suspicion: an offset may point anywhere.
type memory struct{ k *kernel }

// read is a view of the message at offset: empty when there is none or it is over maxMessage. It is valid until the
// next is written.
func (m *memory) read(offset uint64) []byte {
	n := m.k.length(offset)
	if n > maxMessage {
		return nil
	}
	b, _ := m.k.view(offset, n)
	return b
}

func (m *memory) copy(offset uint64) []byte { return append([]byte(nil), m.read(offset)...) }

// write puts a message into a new block and returns its offset; 0 for an empty one, and when the memory is used up.
func (m *memory) write(b []byte) uint64 { return m.k.put(b) }

func (m *memory) writeJSON(v any) uint64 {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return m.write(b)
}
