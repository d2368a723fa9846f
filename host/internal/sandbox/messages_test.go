package sandbox

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// run calls a function of extism:host/env. It returns false if the guest would trap.
func run(m *Messages, name string, stack []uint64) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, trap := p.(error); !trap {
				panic(p)
			}
			ok = false
		}
	}()
	for _, f := range messageFunctions() {
		if f.name == name {
			f.run(&guestContext{context.Background(), &Instance{messages: m}, nil}, stack)
			return true
		}
	}
	panic("no function " + name)
}

// messages returns message memory without linear memory.
func messages(t *testing.T, limit int) *Messages {
	t.Helper()
	m, err := newMessages(limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.close)
	return m
}

// extismKernel returns go-sdk's message memory, a Wasm module.
func extismKernel(t *testing.T) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	if err != nil {
		t.Skipf("go-sdk's source is not found: %v", err)
	}
	wasm, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "extism-runtime.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Both implementations get the same random allocations.
func TestMessages_OfValidCalls_BehaveAsExtismsKernel(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(ctx) }()
	theirs, err := r.Instantiate(ctx, extismKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	ours := messages(t, 16<<20)
	for _, f := range messageFunctions() {
		if theirs.ExportedFunction(f.name) == nil && !strings.HasSuffix(f.name, "_u64") { // go-sdk defines these
			t.Errorf("Extism's kernel has no function %s", f.name)
		}
	}
	our := func(name string, args ...uint64) uint64 {
		t.Helper()
		stack := append(args, 0, 0)
		if !run(ours, name, stack) {
			t.Fatalf("%s%v: the guest traps", name, args)
		}
		return stack[0]
	}
	call := func(f api.Function, args ...uint64) uint64 {
		t.Helper()
		stack := append(args, 0, 0)
		if err := f.CallWithStack(ctx, stack); err != nil {
			t.Fatal(err)
		}
		return stack[0]
	}
	type pair struct{ a, b uint64 } // offsets of one message, in theirs and ours
	for round := range 20 {
		rng := rand.New(rand.NewPCG(1, uint64(round)))
		call(theirs.ExportedFunction("reset"))
		ours.reset()
		var live []pair
		for range 200 {
			switch {
			case len(live) == 0 || rng.IntN(3) > 0:
				n := rng.Uint64N(300)
				p := pair{call(theirs.ExportedFunction("alloc"), n), our("alloc", n)}
				if (p.a == 0) != (p.b == 0) {
					t.Fatalf("alloc(%d): theirs %d, ours %d", n, p.a, p.b)
				}
				if n == 0 {
					continue
				}
				for i := range n {
					v := rng.Uint64N(256)
					call(theirs.ExportedFunction("store_u8"), p.a+i, v)
					our("store_u8", p.b+i, v)
				}
				live = append(live, p)
			default:
				i := rng.IntN(len(live))
				call(theirs.ExportedFunction("free"), live[i].a)
				our("free", live[i].b)
				live = append(live[:i], live[i+1:]...)
			}
			for _, p := range live {
				n, m := call(theirs.ExportedFunction("length"), p.a), our("length", p.b)
				if n != m {
					t.Fatalf("length: theirs %d, ours %d", n, m)
				}
				want, _ := theirs.Memory().Read(uint32(p.a), uint32(n))
				got, ok := ours.view(p.b, m)
				if !ok || !bytes.Equal(want, got) {
					t.Fatalf("the messages of %d bytes differ", n)
				}
			}
		}
		if len(live) > 0 {
			p := live[0]
			n := our("length", p.b)
			call(theirs.ExportedFunction("input_set"), p.a, n)
			ours.input = span{p.b, n}
			call(theirs.ExportedFunction("output_set"), p.a, n)
			our("output_set", p.b, n)
			if a, b := call(theirs.ExportedFunction("input_length")), our("input_length"); a != b {
				t.Errorf("input_length: theirs %d, ours %d", a, b)
			}
			if a, b := call(theirs.ExportedFunction("output_length")), ours.output.length; a != b {
				t.Errorf("output length: theirs %d, ours %d", a, b)
			}
			if a, b := call(theirs.ExportedFunction("input_load_u8"), n-1), our("input_load_u8", n-1); a != b {
				t.Errorf("input_load_u8: theirs %d, ours %d", a, b)
			}
		}
	}
}

// FuzzMessages calls the functions in any order. Messages must not overlap, and nothing outside them may be written.
func FuzzMessages(f *testing.F) {
	f.Add([]byte{0, 8, 0, 16, 1, 0, 0, 8, 2, 1, 3, 0})
	f.Add([]byte{0, 255, 0, 1, 1, 1, 0, 1, 1, 0, 1, 0, 0, 200})
	f.Fuzz(func(t *testing.T, ops []byte) {
		k := messages(t, 64<<10)
		var offsets []uint64
		for i := 0; i+1 < len(ops); i += 2 {
			arg := uint64(ops[i+1])
			pick := func() uint64 {
				if len(offsets) == 0 {
					return arg
				}
				return offsets[arg%uint64(len(offsets))]
			}
			stack := []uint64{0, 0}
			switch ops[i] % 8 {
			case 0:
				if offset := k.alloc(arg); offset != 0 {
					offsets = append(offsets, offset)
				}
			case 1:
				k.release(pick())
			case 2:
				stack[0], stack[1] = pick()+arg, arg
				run(k, "store_u8", stack)
			case 3:
				stack[0], stack[1] = pick()+arg*arg, ^uint64(0)
				run(k, "store_u64", stack)
			case 4:
				stack[0] = pick() - arg
				run(k, "load_u8", stack)
			case 5:
				stack[0], stack[1] = pick(), arg*arg*arg
				run(k, "output_set", stack)
				if _, ok := k.view(k.output.offset, k.output.length); !ok && k.output.length > 0 {
					t.Fatalf("the output %+v is outside the messages", k.output)
				}
			case 6:
				k.Write(ops[:min(len(ops), int(arg))])
			case 7:
				if arg == 7 {
					k.reset()
					offsets = nil
				}
			}
			end := uint32(messagesBase)
			for _, b := range k.blocks {
				if b.offset < end || b.size > b.room || int(b.offset+b.room) > len(k.buf) {
					t.Fatalf("block %+v overlaps another, or is outside the %d bytes", b, len(k.buf))
				}
				end = b.offset + b.room
			}
			for _, b := range k.buf[len(k.buf):cap(k.buf)] {
				if b != 0 {
					t.Fatal("the memory after the messages was written")
				}
			}
		}
	})
}

// TestInstance_OfMessagesAndMemory_StaysUnderOneLimit: what a guest allocates as messages it cannot allocate as linear memory.
func TestInstance_OfMessagesAndMemory_StaysUnderOneLimit(t *testing.T) {
	const limit = 64 << 20
	m := compile(t)
	in, err := m.newInstance(context.Background(), limit)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close(m.log)
	for in.messages.alloc(100_000) != 0 {
	}
	if total := int(in.memory.size) + cap(in.messages.buf); total < limit/2 || total > limit {
		t.Errorf("%d bytes of both memories, the limit is %d", total, limit)
	}
	if _, ok := in.module.Memory().Grow(messagesFree/pageBytes + 2); ok {
		t.Error("the linear memory grew over the limit")
	}
	in.messages.reset()
	if _, ok := in.module.Memory().Grow(messagesFree/pageBytes + 2); !ok {
		t.Error("the linear memory cannot grow although there are no messages")
	}
	for in.messages.alloc(100_000) != 0 {
	}
	if total := int(in.memory.size) + cap(in.messages.buf); total > limit {
		t.Errorf("%d bytes of both memories, the limit is %d", total, limit)
	}
	if _, ok := in.module.Memory().Grow(uint32((limit - in.memory.size) / pageBytes)); ok {
		t.Error("the linear memory grew to the limit although there are messages")
	}
}
