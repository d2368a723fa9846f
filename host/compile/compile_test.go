package compile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

func TestMain(m *testing.M) {
	RunChildIfAsked()
	os.Exit(m.Run())
}

var exportNames = []string{"describe", "invoke", "source", "table"}

// load compiles a module with a cache in dir.
func load(ctx context.Context, t *testing.T, wasm []byte, dir string, limits Limits) (*sandbox.Module, error) {
	t.Helper()
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Module(ctx, bin, wasm, "key", sandbox.Config{Namespace: "test", Exports: exportNames, Memory: 1 << 20, CacheDir: dir,
		Logger: slog.New(slog.DiscardHandler)}, limits)
	if err == nil {
		t.Cleanup(func() { _ = m.Close(context.Background()) })
	}
	return m, err
}

// here makes this process compile, as if main did not call RunChildIfAsked.
func here(t *testing.T) {
	asked.Store(false)
	t.Cleanup(func() { asked.Store(true) })
}

var (
	small   = bombShape{locals: 10, nested: 2, after: 10, ifs: 10, labels: 5, stack: 5}
	endless = bombShape{locals: 3000, ifs: 10_000} // takes minutes to compile, and gigabytes
)

// compiledIn returns how many modules a cache has.
func compiledIn(t *testing.T, dir string) int {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestModule_CompiledBefore_ComesFromTheCache(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		m, err := load(t.Context(), t, bomb(small), dir, Limits{Time: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if n := compiledIn(t, dir); n != 1 || m == nil {
			t.Errorf("the cache has %d modules, want 1", n)
		}
	}
	// A process would exceed this limit, so none is started.
	if _, err := load(t.Context(), t, bomb(small), dir, Limits{Time: 1}); err != nil {
		t.Error(err)
	}
}

// The mark alone must not make this process compile.
func TestModule_CacheWithoutItsCode_CompilesInAProcess(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compiled-key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t.Context(), t, bomb(endless), dir, Limits{Time: 100 * time.Millisecond}); !errors.Is(err, ErrLimit) {
		t.Errorf("found %v, want ErrLimit", err)
	}
}

func TestModule_WithoutCache_LeavesNothing(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if _, err := load(t.Context(), t, bomb(small), "", Limits{}); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestModule_TooSlow_IsRefusedWithTheLimit(t *testing.T) {
	dir := t.TempDir()
	_, err := load(t.Context(), t, bomb(endless), dir, Limits{Time: 300 * time.Millisecond})
	var refused sandbox.ModuleError
	if !errors.As(err, &refused) || !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "300ms (the limit, LoadOptions.Compile.Time)") {
		t.Errorf("found %v", err)
	}
	if n := compiledIn(t, dir); n != 0 {
		t.Errorf("the cache has %d modules, want none", n)
	}
}

func TestModule_TooMuchMemory_IsRefusedWithTheLimit(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("memory is measured on Linux")
	}
	_, err := load(t.Context(), t, bomb(endless), t.TempDir(), Limits{Time: time.Hour, Memory: 64 << 20})
	var refused sandbox.ModuleError
	if !errors.As(err, &refused) || !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "64 MiB of memory (the limit, LoadOptions.Compile.Memory)") {
		t.Errorf("found %v", err)
	}
}

func TestModule_ContextEnds_StopsCompiling(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := load(ctx, t, bomb(endless), t.TempDir(), Limits{Time: time.Hour})
	var refused sandbox.ModuleError
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &refused) {
		t.Errorf("found %v, want the error of the context", err)
	}
}

func TestModule_InvalidCode_IsRefused(t *testing.T) {
	wasm := bomb(small)
	wasm[len(wasm)-3] = 0x1a // drop from an empty stack
	wasm[len(wasm)-2] = 0x01 // nop
	var refused sandbox.ModuleError
	if _, err := load(t.Context(), t, wasm, t.TempDir(), Limits{}); !errors.As(err, &refused) || errors.Is(err, ErrLimit) {
		t.Errorf("found %v, want that the module is refused", err)
	}
}

func TestModule_WithoutProcess_RefusesComplexCode(t *testing.T) {
	here(t)
	for _, shape := range []bombShape{
		endless,
		{locals: 2000, nested: 200},
		{locals: 10, after: 10_000},
		{locals: 10, ifs: 20_000},
		{locals: 2000, after: 1000},
		{locals: 2000, ifs: 1000},
	} {
		_, err := load(t.Context(), t, bomb(shape), t.TempDir(), Limits{})
		if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "call compile.RunChildIfAsked") {
			t.Errorf("%+v: found %v", shape, err)
		}
	}
}

func TestModule_WithoutProcess_CompilesSimpleCode(t *testing.T) {
	here(t)
	dir := t.TempDir()
	for range 2 {
		if _, err := load(t.Context(), t, bomb(small), dir, Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := compiledIn(t, dir); n != 1 {
		t.Errorf("the cache has %d modules, want 1", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := load(ended, t, bomb(small), t.TempDir(), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v, want the error of the context", err)
	}
}
