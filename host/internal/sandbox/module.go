// Package sandbox runs a WebAssembly module in isolated instances.
//
// A module can import the functions of its Config, Extism's message memory, and the part of WASI that starts a
// language's runtime, and nothing else. Each call starts from the same snapshot of memory, has a memory limit, and
// stops when its context ends.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/mach5/okta-connector/internal/trust"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// ErrClosed is the error for the use of a closed Module.
var ErrClosed = errors.New("closed")

// ModuleError says why Compile refuses a module.
type ModuleError struct{ Reason error }

// Error implements error.
func (e ModuleError) Error() string { return "module refused: " + e.Reason.Error() }

// Unwrap returns the reason.
func (e ModuleError) Unwrap() error { return e.Reason }

// Config configures what a module may import, what it must export, and how it is compiled.
type Config struct {
	Namespace string         // namespace of Functions
	Functions []HostFunction // functions that a module may import
	Exports   []string       // functions that a module must have
	Memory    int64          // maximum memory of an instance in bytes: 64 KiB to 4 GiB
	Ceiling   Ceiling        // counts the memory of running calls; nil counts nothing
	CacheDir  string         // folder for compiled code, created if missing; empty compiles every time
	Logger    *slog.Logger
}

// Ceiling counts memory before it is used. Its methods are safe for concurrent use.
type Ceiling interface {
	Take(n int64) error
	Give(n int64)
}

// Module is a compiled module. It is safe for concurrent use. Close it after its pools.
type Module struct {
	runtime       wazero.Runtime
	compiled      wazero.CompiledModule
	cache         wazero.CompilationCache
	log           *slog.Logger
	initialMemory uint64 // initial memory of an instance, in bytes
	ceiling       Ceiling
	memory        int64         // maximum memory of an instance, in bytes
	state         wasmbin.State // an instance's state outside its memory

	// instances is read-locked while instantiating and when a call begins: wazero must not be closed concurrently.
	instances sync.RWMutex
	calls     callCount       // running calls
	closing   context.Context // canceled by Close, with ErrClosed as its cause
	interrupt context.CancelCauseFunc

	capturing     chan struct{} // locks the first initialisation; honours contexts
	snapshot      atomic.Pointer[snapshot]
	warnElsewhere func()
}

// Compile compiles a module that Check accepted. It does not use wasm after it returns.
func Compile(ctx context.Context, bin *wasmbin.Module, wasm []byte, c Config) (*Module, error) {
	if c.Memory < pageBytes || c.Memory > 1<<32 {
		return nil, fmt.Errorf("memory must be at least %[2]d bytes, one page of Wasm, and at most 4 GiB, found %[1]d", c.Memory, pageBytes)
	}
	m := &Module{log: c.Logger, memory: c.Memory, ceiling: c.Ceiling, capturing: make(chan struct{}, 1)}
	m.closing, m.interrupt = context.WithCancelCause(context.Background())
	_ = m.closing.Done() // makes the channel here: one that a call makes in a synctest bubble could not be closed from outside
	m.warnElsewhere = sync.OnceFunc(func() {
		m.log.Warn("the module keeps state in tables or segments: each call gets a new instance, which takes some milliseconds")
	})
	if len(bin.Memories) == 1 {
		m.initialMemory = uint64(bin.Memories[0].Min) * pageBytes
	}
	wasm, state, err := wasmbin.Interruptible(wasm, interruptGlobal)
	if err != nil {
		return nil, ModuleError{err}
	}
	m.state = state
	// WithCloseOnContextDone is not used: see RATIONALE.md, "How is a module stopped?".
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(c.Memory / pageBytes))
	if c.CacheDir != "" {
		if m.cache, err = openCache(c.CacheDir); err != nil {
			m.log.Warn("no compilation cache: every start compiles the module", "reason", err.Error())
		} else {
			config = config.WithCompilationCache(m.cache)
		}
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	if err = c.define(ctx, m.runtime); err == nil {
		m.compiled, err = m.runtime.CompileModule(ctx, wasm)
	}
	if err != nil {
		_ = m.Close(ctx)
		return nil, ModuleError{err}
	}
	return m, nil
}

// openCache opens the folder for compiled code. The process runs this code, so other users must not have write
// access.
func openCache(dir string) (wazero.CompilationCache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("%s is writable by other users (mode %s): run chmod 700 on it", dir, info.Mode().Perm())
	}
	for _, at := range []string{dir, filepath.Dir(dir)} { // with write access to the parent, the folder can be replaced
		if err := trust.File(at); err != nil {
			return nil, err
		}
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

// begin registers a call. The context that it returns also ends when the module is closed. The caller must call end.
func (m *Module) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	m.instances.RLock()
	defer m.instances.RUnlock()
	if m.closing.Err() != nil {
		return nil, nil, context.Cause(m.closing)
	}
	m.calls.add()
	ctx, cancel := context.WithCancelCause(ctx)
	unwatched := context.AfterFunc(m.closing, func() { cancel(context.Cause(m.closing)) })
	return ctx, func() {
		unwatched()
		cancel(nil)
		m.calls.done()
	}, nil
}

// Call runs an export once in a new instance. Host functions trap.
func (m *Module) Call(ctx context.Context, export string, input []byte) ([]byte, error) {
	ctx, end, err := m.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	in, err := m.newInstance(ctx, m.memory)
	if err != nil {
		return nil, err
	}
	defer in.close(m.log)
	return in.call(ctx, nil, export, input)
}

// Memory returns the maximum memory of an instance in bytes.
func (m *Module) Memory() int64 { return m.memory }

// Close interrupts running calls, waits for them until ctx ends, and frees the module and its compiled code. It may be
// called more than once.
func (m *Module) Close(ctx context.Context) error {
	m.instances.Lock()
	m.interrupt(fmt.Errorf("%w: the module", ErrClosed))
	m.instances.Unlock()
	m.calls.wait(ctx)
	err := m.runtime.Close(context.WithoutCancel(ctx))
	if s := m.snapshot.Load(); s != nil {
		s.close()
	}
	if m.cache != nil {
		err = errors.Join(err, m.cache.Close(context.WithoutCancel(ctx)))
	}
	return err
}

// wait waits until the group is done or ctx ends.
func wait(ctx context.Context, group *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
