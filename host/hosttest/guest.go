package hosttest

import (
	"context"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
)

// Guest is a module for tests. It is built once for all processes, and loaded once for all tests of a process. It is safe for
// concurrent use.
type Guest struct {
	pack func() ([]byte, error)
	opts host.LoadOptions
	once sync.Once
	m    *host.Module
	err  error
}

// Connector is this repository's connector.
var Connector = NewConnector()

// NewConnector returns this repository's connector with a state of its own, like that of another process.
func NewConnector() *Guest { return guest(pack.Cached, host.LoadOptions{}) }

// Built is a guest that a function packs.
func Built(build func(context.Context) ([]byte, error)) *Guest {
	return guest(build, host.LoadOptions{})
}

func guest(build func(context.Context) ([]byte, error), opts host.LoadOptions) *Guest {
	return &Guest{pack: sync.OnceValues(func() ([]byte, error) { return build(context.Background()) }), opts: opts}
}

// Package returns the guest in a folder of this repository, such as ./host/testdata/hostile, with a manifest.
func Package(folder string, manifest []byte, opts host.LoadOptions) *Guest {
	return guest(func(ctx context.Context) ([]byte, error) { return pack.CachedPackage(ctx, folder, manifest) }, opts)
}

// Packed returns a guest that is already packed.
func Packed(wasm []byte, opts host.LoadOptions) *Guest {
	return guest(func(context.Context) ([]byte, error) { return wasm, nil }, opts)
}

// Open returns the guest's module. It loads it once, and the module stays open until the process ends. It is for examples,
// which have no testing.TB.
func (g *Guest) Open() (*host.Module, error) {
	g.once.Do(func() { g.m, g.err = g.load() })
	return g.m, g.err
}

func (g *Guest) load() (*host.Module, error) {
	wasm, err := g.pack()
	if err != nil {
		return nil, err
	}
	return host.Load(context.Background(), wasm, g.opts)
}

// Module is Open for tests. Connections of one module share the observed rate limits, so tests of limits use Load.
func (g *Guest) Module(tb testing.TB) *host.Module {
	tb.Helper()
	m, err := g.Open()
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// Load loads the guest again, with a state like that of another process, until the test ends.
func (g *Guest) Load(tb testing.TB) *host.Module {
	tb.Helper()
	m, err := g.load()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

// Pack returns the module's bytes, which it builds once in a process. It is for callers without a testing.TB.
func (g *Guest) Pack() ([]byte, error) { return g.pack() }

// Bytes is Pack for tests.
func (g *Guest) Bytes(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := g.Pack()
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}
