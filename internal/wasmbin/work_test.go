package wasmbin_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Each part of the formula must grow with what it stands for.
func TestWork_MoreOfOneKind_IsMoreWork(t *testing.T) {
	const loop, end, branch = "\x03\x40", "\x0b", "\x41\x00\x0d\x00"
	values := func(n int) string { return strings.Repeat("\x41\x00", n) + strings.Repeat("\x1a", n) }
	for what, pair := range map[string][2]string{
		"loops that follow each other": {strings.Repeat(loop+branch+end, 10), strings.Repeat(loop+branch+end, 100)},
		"loops in each other":          {strings.Repeat(loop, 10) + strings.Repeat(end, 10), strings.Repeat(loop, 100) + strings.Repeat(end, 100)},
		"ifs":                          {strings.Repeat("\x41\x00\x04\x40\x0b", 10), strings.Repeat("\x41\x00\x04\x40\x0b", 100)},
		"values on the stack":          {values(10), values(100)},
		"labels":                       {"\x41\x00\x0e\x05" + strings.Repeat("\x00", 6), "\x41\x00\x0e\x32" + strings.Repeat("\x00", 51)},
	} {
		few, err := wasmbin.Work(program1(pair[0]))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		many, err := wasmbin.Work(program1(pair[1]))
		if err != nil || many < 10*few {
			t.Errorf("%s: %d, and ten times as many are %d, %v", what, few, many, err)
		}
	}
}

func TestWork_ManyLocals_DoesNotOverflow(t *testing.T) {
	body := "\x03" + strings.Repeat("\xff\xff\xff\xff\x0f\x7f", 3) + "\x03\x40\x0b\x0b" // 3 × 4,294,967,295 locals
	wasm := module(section(1, vec("\x60\x00\x00")), section(3, vec("\x00")), section(10, vec(leb(len(body))+body)))
	if work, err := wasmbin.Work(wasm); err != nil || work != math.MaxUint64 {
		t.Errorf("found %d, %v", work, err)
	}
}

func TestWork_UnknownInstruction_IsAnError(t *testing.T) {
	if _, err := wasmbin.Work(program1("\xfd\x0c")); !errors.Is(err, wasmbin.ErrInstruction) {
		t.Errorf("found %v", err)
	}
}

func TestWork_BodyWithoutFunction_IsAnError(t *testing.T) {
	if _, err := wasmbin.Work(module(section(10, vec("\x02\x00\x0b")))); !errors.Is(err, wasmbin.ErrFormat) {
		t.Errorf("found %v", err)
	}
}

func FuzzWork(f *testing.F) {
	f.Add(program1("\x03\x40\x41\x00\x0d\x00\x0b"))
	f.Add(program1("\x41\x00\x0e\x01\x00\x00"))
	f.Add(program1("\x10\x00\x11\x00\x00\x05\x0b\x0b"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		first, err := wasmbin.Work(wasm)
		if again, err2 := wasmbin.Work(wasm); again != first || (err == nil) != (err2 == nil) {
			t.Fatalf("%d, %v, then %d, %v", first, err, again, err2)
		}
		if _, _, err2 := wasmbin.Interruptible(wasm, "stop"); err2 == nil && err != nil && !errors.Is(err, wasmbin.ErrFormat) {
			t.Fatalf("Interruptible accepts it: %v", err)
		}
	})
}
