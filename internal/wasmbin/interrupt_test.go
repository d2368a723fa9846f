package wasmbin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// program1 is a module with one memory whose only function, () -> (), has this code.
func program1(code string) []byte {
	return module(section(1, vec("\x60\x00\x00")), section(3, vec("\x00")), section(5, vec("\x00\x01")),
		section(7, vec(name("run")+"\x00\x00")), section(10, vec(leb(len(code)+2)+"\x00"+code+"\x0b")))
}

// run instantiates an interruptible module with the compiler that the host uses.
func run(t *testing.T, wasm []byte) (start api.Function, stop func()) {
	t.Helper()
	ctx := context.Background()
	text, err := wasmbin.Interruptible(wasm, "stop")
	if err != nil {
		t.Fatal(err)
	}
	runtime := wazero.NewRuntime(ctx)
	t.Cleanup(func() { _ = runtime.Close(ctx) })
	m, err := runtime.Instantiate(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	global := m.ExportedGlobal("stop").(api.MutableGlobal)
	return m.ExportedFunction("run"), func() { global.Set(1) }
}

func TestEveryEndlessProgramCanBeStopped(t *testing.T) {
	for what, code := range map[string]string{
		"a loop":                         "\x03\x40\x0c\x00\x0b",
		"a loop in a loop":               "\x03\x40\x03\x40\x0c\x01\x0b\x0b",
		"a loop that branches by table":  "\x03\x40\x41\x00\x0e\x01\x00\x00\x0b",
		"a loop behind immediates":       "\x42\x83\x80\x80\x03\x1a\x44\x03\x03\x03\x03\x03\x03\x03\x03\x1a\x03\x40\x41\x03\x0d\x00\x0b",
		"a loop of a type":               "\x03\x00\x0c\x00\x0b",
		"a loop with a spelled-out type": "\x03\x80\x00\x0c\x00\x0b",
	} {
		t.Run(what, func(t *testing.T) {
			f, stop := run(t, program1(code))
			time.AfterFunc(20*time.Millisecond, stop)
			if _, err := f.Call(context.Background()); err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("calls without a loop", func(t *testing.T) {
		// f(n) = if n { f(n-1); f(n-1) }: 2^40 calls.
		const f = "\x20\x00\x04\x40" + "\x20\x00\x41\x01\x6b\x10\x00" + "\x20\x00\x41\x01\x6b\x10\x00" + "\x0b\x0b"
		const start = "\x41\x28\x10\x00\x0b"
		wasm := module(section(1, vec("\x60\x01\x7f\x00", "\x60\x00\x00")), section(3, vec("\x00", "\x01")),
			section(5, vec("\x00\x01")), section(7, vec(name("run")+"\x00\x01")),
			section(10, vec(leb(len(f)+1)+"\x00"+f, leb(len(start)+1)+"\x00"+start)))
		g, stop := run(t, wasm)
		time.AfterFunc(20*time.Millisecond, stop)
		if _, err := g.Call(context.Background()); err == nil || !strings.Contains(err.Error(), "unreachable") {
			t.Errorf("%v", err)
		}
	})
}

func TestInterruptibleChangesNothingElse(t *testing.T) {
	ctx := context.Background()
	wasm := golang(t)
	text, err := wasmbin.Interruptible(wasm, "stop")
	if err != nil {
		t.Fatal(err)
	}
	before, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	after, err := wasmbin.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Exports) != len(before.Exports)+1 || len(after.Imports) != len(before.Imports) || len(after.Customs) != 0 {
		t.Errorf("%d exports, %d imports, %d custom sections", len(after.Exports), len(after.Imports), len(after.Customs))
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(ctx) }()
	if _, err := r.CompileModule(ctx, text); err != nil {
		t.Error(err)
	}
	t.Logf("%d bytes became %d", len(wasm), len(text))
}

func TestInterruptibleRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		wasm []byte
		want error
	}{
		"vectors":                     {program1("\xfd\x0c" + strings.Repeat("\x00", 16) + "\x1a"), wasmbin.ErrInstruction},
		"atomics":                     {program1("\xfe\x03\x00"), wasmbin.ErrInstruction},
		"tail calls":                  {program1("\x12\x00"), wasmbin.ErrInstruction},
		"exceptions":                  {program1("\x06\x40\x0b"), wasmbin.ErrInstruction},
		"a long second opcode":        {program1("\xfc\x80\x00"), wasmbin.ErrInstruction},
		"a number that is too long":   {program1("\x41\x80\x80\x80\x80\x80\x00\x1a"), wasmbin.ErrInstruction},
		"an instruction cut short":    {program1("\x44\x00"), wasmbin.ErrInstruction},
		"a table of too many labels":  {program1("\x0e\xff\xff\xff\xff\x0f"), wasmbin.ErrInstruction},
		"no memory":                   {module(section(1, vec("\x60\x00\x00"))), wasmbin.ErrFormat},
		"an export of the same name":  {module(section(5, vec("\x00\x01")), section(7, vec(name("stop")+"\x02\x00"))), wasmbin.ErrFormat},
		"bytes behind the last entry": {module(section(5, vec("\x00\x01")), section(10, vec()+"\x00")), wasmbin.ErrFormat},
	} {
		if _, err := wasmbin.Interruptible(c.wasm, "stop"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzInterruptible: whatever wazero takes is taken or refused, never broken.
func FuzzInterruptible(f *testing.F) {
	f.Add(program1("\x03\x40\x0c\x00\x0b"))
	f.Add(program1("\x41\x00\x04\x40\x0b\xfc\x0b\x00"))
	f.Add(module(section(5, vec("\x00\x01")), section(6, vec("\x7f\x01\x41\x00\x0b"))))
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		text, err := wasmbin.Interruptible(wasm, "stop")
		if err != nil {
			return
		}
		if m, err := r.CompileModule(ctx, wasm); err == nil {
			_ = m.Close(ctx)
			m, err := r.CompileModule(ctx, text)
			if err != nil {
				t.Fatalf("%x was valid, and %x is not: %v", wasm, text, err)
			}
			_ = m.Close(ctx)
		}
	})
}
