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
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

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
	Key       string // identifies the module's bytes in CacheDir
	// Store calls the function Store with its arguments, in a process with limits. If it returns an error that wraps ErrNoProcess,
	// or is nil, Compile compiles in this process.
	Store func(ctx context.Context, wasm []byte, memory int64, dir string) error
	// Allow returns an error if this process must not compile the module. Nil allows it.
	Allow func() error
}

// Ceiling counts memory before it is used. Its methods are safe for concurrent use.
type Ceiling interface {
	Take(n int64) error
	Give(n int64)
}

// ErrNoProcess means that there is no process to compile in.
var ErrNoProcess = errors.New("no compiling process")

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
		return nil, fmt.Errorf("LoadOptions.Memory: memory must be at least %[2]d bytes, one page of Wasm, and at most 4 GiB, found %[1]d", c.Memory, pageBytes)
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
	dir, remove, err := m.openCache(c)
	defer remove()
	if err != nil {
		return nil, err
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, runtimeConfig(c.Memory, m.cache))
	if err = c.define(ctx, m.runtime); err == nil {
		err = m.compile(ctx, wasm, c, dir)
	}
	if err != nil {
		_ = m.Close(ctx)
		return nil, err
	}
	return m, nil
}

// compile compiles the module, or takes its compiled code from the folder. Without a folder, dir is empty.
func (m *Module) compile(ctx context.Context, wasm []byte, c Config, dir string) (err error) {
	// wazero does some work before it looks into the cache, and how much depends on the module. The mark says that the module
	// was compiled within the limits.
	mark := filepath.Join(dir, "compiled-"+c.Key)
	if _, err := os.Stat(mark); err == nil && dir != "" {
		if m.compiled, err = m.cached(wasm); !errors.Is(err, errNotCached) {
			return refuse(ctx, err)
		}
	}
	err = ErrNoProcess
	if dir != "" && c.Store != nil {
		err = c.Store(ctx, wasm, c.Memory, dir)
	}
	switch {
	case err == nil:
		m.compiled, err = m.cached(wasm)
	case errors.Is(err, ErrNoProcess):
		if c.Allow != nil {
			err = c.Allow()
		}
		if c.Allow == nil || err == nil {
			m.compiled, err = m.runtime.CompileModule(parallel(ctx), wasm)
		}
	default:
		return err
	}
	if err != nil || ctx.Err() != nil {
		return refuse(ctx, err)
	}
	if dir != "" {
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			m.log.Warn("the compilation cache is not complete: the next start compiles the module again", "reason", err.Error())
		}
	}
	return nil
}

// errNotCached means that the compiled code of a module is not in the cache.
var errNotCached = errors.New("its compiled code is not in the cache")

// cached takes the compiled code of a module from the cache. It does not compile: wazero checks the context before each
// function, if it may use several threads.
func (m *Module) cached(wasm []byte) (wazero.CompiledModule, error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	compiled, err := m.runtime.CompileModule(parallel(ended), wasm)
	if errors.Is(err, context.Canceled) {
		err = errNotCached
	}
	return compiled, err
}

// Store compiles an instrumented module, and stores the result in a folder, as Compile does.
func Store(ctx context.Context, wasm []byte, memory int64, dir string) error {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return err
	}
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(memory, cache))
	_, err = r.CompileModule(parallel(ctx), wasm)
	return refuse(ctx, errors.Join(err, r.Close(ctx), cache.Close(ctx)))
}

// refuse returns the error for a module that cannot be compiled, or that of the context if that has ended.
func refuse(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return ModuleError{err}
}

// parallel lets wazero compile on all processors. With at least two threads, it also ends when ctx does, after the functions
// that it is compiling.
func parallel(ctx context.Context) context.Context {
	return experimental.WithCompilationWorkers(ctx, max(2, runtime.GOMAXPROCS(0)))
}

// runtimeConfig configures wazero. The cache may be nil. WithCloseOnContextDone is not used: see RATIONALE.md, "How is a module
// stopped?".
func runtimeConfig(memory int64, cache wazero.CompilationCache) wazero.RuntimeConfig {
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(memory / pageBytes))
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	return config
}

// openCache opens the folder for compiled code. Without one, Store needs a temporary folder, which remove removes.
func (m *Module) openCache(c Config) (dir string, remove func(), err error) {
	remove = func() {}
	if c.CacheDir != "" {
		if m.cache, err = openCache(c.CacheDir); err == nil {
			return c.CacheDir, remove, nil
		}
		m.log.Warn("no compilation cache: every start compiles the module", "reason", err.Error())
	}
	if c.Store == nil {
		return "", remove, nil
	}
	if dir, err = os.MkdirTemp("", "wasm-"); err != nil {
		m.log.Warn("this process compiles the module: another one would need a temporary folder", "reason", err.Error())
		return "", remove, nil
	}
	m.cache, err = wazero.NewCompilationCacheWithDir(dir)
	return dir, func() {
		if err := os.RemoveAll(dir); err != nil {
			m.log.Warn("a temporary folder with compiled code cannot be removed", "reason", err.Error())
		}
	}, err
}

// openCache opens a folder that other programs may find. The process runs this code, so other users must not have write
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
