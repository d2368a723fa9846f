// Package compile compiles modules in a process with limits.
//
//	func main() {
//		compile.RunChildIfAsked() // first of all: the compiling process is this program, started again
//		…
//		m, err := host.Load(ctx, wasm, host.LoadOptions{})
//	}
//
// Some kilobytes of Wasm can keep a compiler busy for minutes, and make it use all memory. So the first time that a
// program loads a module, a child process compiles it, and stores the compiled code in the cache, from which this process
// takes it. The child is killed at its limits of time and memory, or when the context ends. On Linux it can open no file
// outside the cache, start no program, and make no socket.
//
// A program whose main does not call RunChildIfAsked compiles in its own process, and so does one that cannot start a
// process, or has no folder for the code. It then refuses a module whose functions are much more complex than those of usual
// compilers (MaxWork), and checks the context between two functions.
package compile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Limits bound the process that compiles a module. The zero value has the defaults.
type Limits struct {
	Time   time.Duration // processor time, where that can be measured (Linux); default 30 s
	Memory int64         // bytes, where that can be measured (Linux); default 1 GiB
}

// ErrLimit is wrapped by the error for a module that takes more to compile than it may.
var ErrLimit = errors.New("it takes too much to compile")

// MaxWork is the complexity of the most complex module that a process compiles for itself. See wasmbin.Work.
const MaxWork = 1_000_000_000

// asked is set when RunChildIfAsked has returned: this program can be started to compile.
var asked atomic.Bool

// Module compiles a module that config.Check accepted. key identifies its bytes. A sandbox.ModuleError says why a module is
// refused.
func Module(ctx context.Context, bin *wasmbin.Module, wasm []byte, key string, config sandbox.Config, limits Limits) (*sandbox.Module, error) {
	limits.Time, limits.Memory = cmp.Or(limits.Time, 30*time.Second), cmp.Or(limits.Memory, 1<<30)
	config.Key = key
	if asked.Load() {
		config.Store = func(ctx context.Context, wasm []byte, memory int64, dir string) error {
			err := limits.store(ctx, wasm, memory, dir)
			if errors.Is(err, sandbox.ErrNoProcess) {
				config.Logger.Warn("this process compiles the module", "reason", err.Error())
			}
			return err
		}
	}
	config.Allow = func() error { return simple(wasm) }
	return sandbox.Compile(ctx, bin, wasm, config)
}

// CacheDir returns the folder for compiled code: dir, or by default one in the user's cache directory for the kind of module.
// It logs why there is none.
func CacheDir(dir, kind string, log *slog.Logger) string {
	if dir != "" {
		return dir
	}
	base, err := os.UserCacheDir()
	if err != nil {
		log.Warn("no compilation cache: every start compiles the module", "reason", err.Error())
		return ""
	}
	return filepath.Join(base, kind+"-connector", "wasm")
}

// simple returns an error if a module is too complex to be compiled without limits.
func simple(wasm []byte) error {
	work, err := wasmbin.Work(wasm)
	if err != nil || work <= MaxWork {
		return err
	}
	return fmt.Errorf("%w in this process: its complexity is %d, and the limit is %d (compile.MaxWork): call compile.RunChildIfAsked "+
		"first in main, so that a process with limits compiles it", ErrLimit, work, MaxWork)
}

// overTime returns the error for a module that was not compiled in time.
func (l Limits) overTime() error {
	return sandbox.ModuleError{Reason: fmt.Errorf("%w: it was not compiled within %s (the limit, LoadOptions.Compile.Time)", ErrLimit, l.Time)}
}

// overMemory returns the error for a module that took too much memory.
func (l Limits) overMemory() error {
	return sandbox.ModuleError{Reason: fmt.Errorf("%w: compiling it used over %d MiB of memory (the limit, LoadOptions.Compile.Memory)", ErrLimit, l.Memory>>20)}
}
