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
			stack[0] = f(ctx, c, &memory{c.in.kernel}, stack)
		}, params, one)
		h.SetNamespace(abi.Namespace)
		return h
	}
	return []extism.HostFunction{
		define("http_send", one, func(ctx context.Context, c *call, m *memory, s []uint64) uint64 {
			return m.writeJSON(c.send(ctx, m.read(s[0])))
		}),
		define("body_read", three, func(_ context.Context, c *call, m *memory, s []uint64) uint64 {
			body := c.read(s[0])
			from := min(s[1], uint64(len(body)))
			return m.write(body[from : from+min(s[2], uint64(len(body))-from, maxMessage)])
		}),
		define("records_emit", two, func(_ context.Context, c *call, m *memory, s []uint64) uint64 {
			return m.writeJSON(c.emit(s[0], m.read(s[1])))
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
	}
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

// memory is Extism's memory of the instance that calls, seen with suspicion: an offset may point anywhere.
type memory struct{ k *kernel }

// read is a view of the block at offset: empty when there is none or it is over maxMessage. It is valid until the
// guest runs on.
func (m *memory) read(offset uint64) []byte {
	if offset == 0 || offset > 1<<32-1 {
		return nil
	}
	n := m.k.call("length", offset)
	if n > maxMessage {
		return nil
	}
	b, ok := m.k.memory.Read(uint32(offset), uint32(n))
	if !ok {
		return nil
	}
	return b
}

func (m *memory) copy(offset uint64) []byte { return append([]byte(nil), m.read(offset)...) }

// write puts a message into a new block, filled with spaces to whole words of 8 bytes (hostcall.pad says why), and
// returns its offset; 0 when the guest's memory is used up.
func (m *memory) write(b []byte) uint64 {
	n := (len(b) + 7) &^ 7
	if n == 0 {
		return 0
	}
	offset := m.k.call("alloc", uint64(n))
	if offset == 0 {
		return 0
	}
	mem := m.k.memory
	if !mem.Write(uint32(offset), b) || !mem.WriteString(uint32(offset)+uint32(len(b)), "       "[:n-len(b)]) {
		return 0
	}
	return offset
}

func (m *memory) writeJSON(v any) uint64 {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return m.write(b)
}
