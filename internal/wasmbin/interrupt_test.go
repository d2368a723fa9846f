package wasmbin_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// program1 returns a module with one memory whose only function, () -> (), has this code.
func program1(code string) []byte {
	return module(section(1, vec("\x60\x00\x00")), section(3, vec("\x00")), section(5, vec("\x00\x01")),
		section(7, vec(name("run")+"\x00\x00")), section(10, vec(leb(len(code)+2)+"\x00"+code+"\x0b")))
}

// run instantiates an interruptible module with the host's compiler.
func run(t *testing.T, wasm []byte) (start api.Function, stop func()) {
	t.Helper()
	ctx := context.Background()
	text, _, err := wasmbin.Interruptible(wasm, "stop")
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

func TestInterruptible_EndlessPrograms_CanBeStopped(t *testing.T) {
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
	t.Run("a loop whose every turn takes long", func(t *testing.T) {
		// loop { memory.fill 64 MiB }: an iteration takes milliseconds, and 16,384 of them minutes.
		code := "\x03\x40" + "\x41\x00\x41\x00\x41" + "\x80\x80\x80\x20" + "\xfc\x0b\x00" + "\x0c\x00\x0b"
		f, stop := run(t, bytes.Replace(program1(code), []byte(section(5, vec("\x00\x01"))), []byte(section(5, vec("\x00\x80\x08"))), 1))
		stop()
		done := make(chan error, 1)
		go func() { _, err := f.Call(context.Background()); done <- err }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("%v", err)
			}
		case <-time.After(20 * time.Second): // at best, 16,384 iterations of 64 MiB take 50 seconds
			t.Error("it was not stopped")
		}
	})
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

func TestInterruptible_OfAModule_KeepsItsBehaviour(t *testing.T) {
	ctx := context.Background()
	wasm := golang(t)
	text, state, err := wasmbin.Interruptible(wasm, "stop")
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
	if len(after.Exports) != len(before.Exports)+1+len(state.Globals) || state.Elsewhere || len(after.Imports) != len(before.Imports) || len(after.Customs) != 0 {
		t.Errorf("%d exports, %d imports, %d custom sections", len(after.Exports), len(after.Imports), len(after.Customs))
	}
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(ctx) }()
	if _, err := r.CompileModule(ctx, text); err != nil {
		t.Error(err)
	}
	t.Logf("%d bytes became %d", len(wasm), len(text))
}

func TestInterruptible_OfUnknownCode_Fails(t *testing.T) {
	for what, c := range map[string]struct {
		wasm []byte
		want error
	}{
		"a table that grows":                     {program1("\xd0\x70\x41\x01\xfc\x0f\x00\x1a"), wasmbin.ErrInstruction},
		"a large table":                          {module(section(4, vec("\x70\x00"+leb(wasmbin.MaxTable+1))), section(5, vec("\x00\x01"))), wasmbin.ErrFormat},
		"tables that are large together":         {module(section(4, vec("\x70\x00"+leb(wasmbin.MaxTable), "\x70\x00\x01")), section(5, vec("\x00\x01"))), wasmbin.ErrFormat},
		"more elements than bytes":               {module(section(4, vec("\x70\x00\x01")), section(5, vec("\x00\x01")), section(9, "\xff\xff\xff\x7f")), wasmbin.ErrFormat},
		"more functions in a segment than bytes": {module(section(4, vec("\x70\x00\x01")), section(5, vec("\x00\x01")), section(9, vec("\x00\x41\x00\x0b\xff\xff\xff\x7f"))), wasmbin.ErrFormat},
		"an element segment of a kind to come":   {module(section(4, vec("\x70\x00\x01")), section(5, vec("\x00\x01")), section(9, vec("\x08"))), wasmbin.ErrFormat},
		"more data than bytes":                   {module(section(5, vec("\x00\x01")), section(11, "\xff\xff\xff\xff\x0f")), wasmbin.ErrFormat},
		"a data segment of 4 GiB":                {module(section(5, vec("\x00\x01")), section(11, vec("\x01\xff\xff\xff\xff\x0f"))), wasmbin.ErrFormat},
		"an offset without an end":               {module(section(5, vec("\x00\x01")), section(11, vec("\x00\x41"))), wasmbin.ErrFormat},
		"vectors":                                {program1("\xfd\x0c" + strings.Repeat("\x00", 16) + "\x1a"), wasmbin.ErrInstruction},
		"atomics":                                {program1("\xfe\x03\x00"), wasmbin.ErrInstruction},
		"tail calls":                             {program1("\x12\x00"), wasmbin.ErrInstruction},
		"exceptions":                             {program1("\x06\x40\x0b"), wasmbin.ErrInstruction},
		"a long second opcode":                   {program1("\xfc\x80\x00"), wasmbin.ErrInstruction},
		"a number that is too long":              {program1("\x41\x80\x80\x80\x80\x80\x00\x1a"), wasmbin.ErrInstruction},
		"an instruction cut short":               {program1("\x44\x00"), wasmbin.ErrInstruction},
		"a table of too many labels":             {program1("\x0e\xff\xff\xff\xff\x0f"), wasmbin.ErrInstruction},
		"no memory":                              {module(section(1, vec("\x60\x00\x00"))), wasmbin.ErrFormat},
		"an initial value cut short":             {module(section(5, vec("\x00\x01")), section(6, vec("\x7f\x01\x41"))), wasmbin.ErrInstruction},
		"bytes behind a global":                  {module(section(5, vec("\x00\x01")), section(6, vec("\x7f\x01\x41\x00\x0b\x00"))), wasmbin.ErrInstruction},
		"an export of such a name":               {module(section(5, vec("\x00\x01")), section(7, vec(name("stop.1")+"\x02\x00"))), wasmbin.ErrFormat},
		"an export of the same name":             {module(section(5, vec("\x00\x01")), section(7, vec(name("stop")+"\x02\x00"))), wasmbin.ErrFormat},
		"bytes behind the last entry":            {module(section(5, vec("\x00\x01")), section(10, vec()+"\x00")), wasmbin.ErrFormat},
	} {
		if _, _, err := wasmbin.Interruptible(c.wasm, "stop"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// State outside memory must be known, or it would outlive the call that left it.
func TestInterruptible_OfModules_ReportsState(t *testing.T) {
	memory := section(5, vec("\x00\x01"))
	globals := section(6, vec("\x7e\x01\x42\x07\x0b", "\x7f\x00\x41\x00\x0b", "\x7c\x01\x44"+strings.Repeat("\x0b", 8)+"\x0b"))
	for what, c := range map[string]struct {
		wasm []byte
		want wasmbin.State
	}{
		"no globals":            {module(memory), wasmbin.State{Globals: []string{"stop.1", "stop.2"}}},
		"globals of all kinds":  {module(memory, globals), wasmbin.State{Globals: []string{"stop.0", "stop.2", "stop.4", "stop.5"}}},
		"a mutable reference":   {module(memory, section(6, vec("\x70\x01\xd0\x70\x0b"))), wasmbin.State{Globals: []string{"stop.2", "stop.3"}, Elsewhere: true}},
		"table.set":             {program1("\x41\x00\xd0\x70\x26\x00"), wasmbin.State{Globals: []string{"stop.1", "stop.2"}, Elsewhere: true}},
		"table.fill":            {program1("\x41\x00\xd0\x70\x41\x00\xfc\x11\x00"), wasmbin.State{Globals: []string{"stop.1", "stop.2"}, Elsewhere: true}},
		"data.drop":             {program1("\xfc\x09\x00"), wasmbin.State{Globals: []string{"stop.1", "stop.2"}, Elsewhere: true}},
		"memory.fill is memory": {program1("\x41\x00\x41\x00\x41\x00\xfc\x0b\x00"), wasmbin.State{Globals: []string{"stop.1", "stop.2"}}},
	} {
		text, state, err := wasmbin.Interruptible(c.wasm, "stop")
		if diff := cmp.Diff(c.want, state); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
			continue
		}
		m, err := wasmbin.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range state.Globals {
			if !slices.ContainsFunc(m.Exports, func(e wasmbin.Export) bool { return e.Name == name && e.Kind == wasmbin.KindGlobal }) {
				t.Errorf("%s: %s is not exported", what, name)
			}
		}
	}
}

// FuzzInterruptible changes any module that wazero accepts. The result must be an error, or a module that wazero
// accepts.
func FuzzInterruptible(f *testing.F) {
	f.Add(program1("\x03\x40\x0c\x00\x0b"))
	f.Add(program1("\x41\x00\x04\x40\x0b\xfc\x0b\x00"))
	f.Add(module(section(5, vec("\x00\x01")), section(6, vec("\x7f\x01\x41\x00\x0b"))))
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	f.Fuzz(func(t *testing.T, wasm []byte) {
		text, _, err := wasmbin.Interruptible(wasm, "stop")
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
