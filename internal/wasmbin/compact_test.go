package wasmbin_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// computing returns a module with one page of memory whose function run has parameters i32 and i64 and an i64 result.
func computing(code string) []byte {
	return module(section(1, vec("\x60\x02\x7f\x7e\x01\x7e")), section(3, vec("\x00")), section(5, vec("\x00\x01")),
		section(7, vec(name("run")+"\x00\x00", name("memory")+"\x02\x00")), section(10, vec(leb(len(code)+2)+"\x00"+code+"\x0b")))
}

func TestCompact_Addresses_AreShorter(t *testing.T) {
	const load, store = "\x29\x03\x00", "\x37\x03\x00" // at offset 0, of 8 bytes
	for name, c := range map[string]struct{ code, want string }{
		"a load from the stack":         {"\x20\x00\xad\x42\x20\x7c\xa7" + load, "\x20\x00\x29\x03\x20"},
		"an offset is added to":         {"\x20\x00\xad\x42\x20\x7c\xa7\x29\x03\x08", "\x20\x00\x29\x03\x28"},
		"a store, its value in between": {"\x20\x00\xad\x42\x20\x7c\xa7\x20\x01\x42\x05\x7c" + store + "\x42\x00", "\x20\x00\x20\x01\x42\x05\x7c\x37\x03\x20\x42\x00"},
		"a store of a loaded value":     {"\x20\x00\x41\x08\x6a\x20\x00\x41\x10\x6a" + load + store + "\x42\x00", "\x20\x00\x20\x00\x29\x03\x10\x37\x03\x08\x42\x00"},
		"less than nothing stays a sum": {"\x20\x00\xad\x42\x70\x7c\xa7" + load, "\x20\x00\x41\x70\x6a" + load},
		"nothing is not added":          {"\x20\x00\xad\x42\x00\x7c\xa7" + load, "\x20\x00" + load},
		"a constant address":            {"\x42\x20\xa7" + load, "\x41\x20" + load},
		"half of a half":                {"\x20\x00\xad\xa7" + load, "\x20\x00" + load},
		"a sum that is kept":            {"\x20\x00\x41\x20\x6a\x22\x00" + load, "\x20\x00\x41\x20\x6a\x22\x00" + load},
		"a sum before a branch":         {"\x20\x00\x41\x20\x6a\x02\x40\x0b" + load, "\x20\x00\x41\x20\x6a\x02\x40\x0b" + load},
		"an offset that is full":        {"\x20\x00\x41\x20\x6a\x29\x03\xf0\xff\xff\xff\x0f", "\x20\x00\x41\x20\x6a\x29\x03\xf0\xff\xff\xff\x0f"},
		"a sum in 64 bits stays":        {"\x20\x01\x42\x20\x7c", "\x20\x01\x42\x20\x7c"},
	} {
		got, err := wasmbin.Compact(computing(c.code))
		if want := computing(c.want); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x (%v), want %x", name, got, err, want)
		}
	}
}

func TestCompact_OfUnknownInstructions_Fails(t *testing.T) {
	if _, err := wasmbin.Compact(computing("\xfd\x0c")); !errors.Is(err, wasmbin.ErrInstruction) {
		t.Errorf("a vector instruction: %v", err)
	}
	if _, err := wasmbin.Compact([]byte("\x00asm")); !errors.Is(err, wasmbin.ErrFormat) {
		t.Errorf("half a header: %v", err)
	}
}

// generator writes random code that Compact changes, by the types on the stack.
type generator struct {
	*rand.Rand
	code strings.Builder
}

func (g *generator) pick(choices ...string) string { return choices[g.IntN(len(choices))] }

// address pushes an i32 that is an address, or an address before a constant is added.
func (g *generator) address(depth int) {
	if depth == 0 {
		g.code.WriteString(g.pick("\x20\x00", "\x41\x07", "\x42\x0a\xa7", "\x20\x01\xa7\x41\x3f\x71"))
		return
	}
	g.address(depth - 1)
	g.code.WriteString(g.pick("\xad\x42\x08\x7c\xa7", "\xad\x42\x00\x7c\xa7", "\x41\x10\x6a", "\xad\xa7", "\xad\x42\xc0\x00\x7c\xa7", "\x41\xc0\x00\x6a",
		"\x22\x00\x41\x05\x6a", "\xad\x42\x80\x80\x80\x80\x10\x7c\xa7", // 2 to the power of 32, whose lower half is 0
		"\x41\x3f\x71\xad\x42\x70\x7c\xa7\x41\x3f\x71", "\x02\x40\x0b\x41\x08\x6a"))
}

// value pushes an i64.
func (g *generator) value(depth int) {
	if depth == 0 {
		g.code.WriteString(g.pick("\x20\x01", "\x42\x7f", "\x42\xff\x01", "\x20\x00\xad"))
		return
	}
	switch g.IntN(4) {
	case 0:
		g.address(g.IntN(4))
		g.code.WriteString(g.pick("\x29\x03\x00", "\x29\x03\x10", "\x35\x02\x04", "\x31\x00\x01"))
	case 1:
		g.address(g.IntN(4))
		g.code.WriteString("\xad")
	case 2:
		g.value(depth - 1)
		g.value(depth - 1)
		g.code.WriteString(g.pick("\x7c", "\x7d", "\x85"))
	case 3:
		g.store(depth - 1)
		g.value(depth - 1)
	}
}

func (g *generator) store(depth int) {
	g.address(g.IntN(4))
	g.value(depth)
	g.code.WriteString(g.pick("\x37\x03\x00", "\x37\x03\x08", "\x3e\x02\x20", "\x3c\x00\x00"))
}

// Random modules and their compacted form must compute the same.
func TestCompact_RandomCode_ComputesTheSame(t *testing.T) {
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = runtime.Close(ctx) }()
	run := func(wasm []byte, a, b uint64) (uint64, []byte) {
		m, err := runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.Close(ctx) }()
		result, err := m.ExportedFunction("run").Call(ctx, a, b)
		if err != nil {
			t.Fatal(err)
		}
		memory, _ := m.Memory().Read(0, 4096)
		return result[0], bytes.Clone(memory)
	}
	shorter := 0
	for seed := range uint64(400) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
		for range 5 {
			g.store(3)
		}
		g.value(4)
		wasm := computing(g.code.String())
		compact, err := wasmbin.Compact(wasm)
		if err != nil {
			t.Fatal(err)
		}
		if len(compact) < len(wasm) {
			shorter++
		}
		a, b := api.EncodeU32(g.Uint32N(500)), g.Uint64()
		result, memory := run(wasm, a, b)
		if again, now := run(compact, a, b); again != result || !bytes.Equal(now, memory) {
			t.Errorf("seed %d: %x instead of %x, the memory is the same: %t\n%x\n%x", seed, again, result, bytes.Equal(now, memory), wasm, compact)
		}
	}
	if shorter < 300 {
		t.Errorf("only %d modules became shorter", shorter)
	}
}

func FuzzCompact(f *testing.F) {
	f.Add(computing("\x20\x00\xad\x42\x20\x7c\xa7\x29\x03\x00"))
	f.Add(computing("\x20\x00\x41\x20\x6a\x20\x01\x37\x03\x00\x42\x00"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		out, err := wasmbin.Compact(wasm)
		if err != nil {
			return
		}
		if _, err := wasmbin.Parse(out); err != nil {
			t.Fatalf("the result is not a valid module: %v", err)
		}
		if len(out) > len(wasm) {
			t.Fatalf("%d bytes became %d", len(wasm), len(out))
		}
	})
}
