package hosttest

import (
	"context"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
)

// Guest is a module that tests run. It is built once for all processes, and loaded once for all tests of one.
type Guest struct {
	pack func() ([]byte, error)
	opts host.LoadOptions
	once sync.Once
	m    *host.Module
	err  error
}

// Connector is this repository's connector.
var Connector = NewConnector()

// NewConnector is this repository's connector, as another process has it.
func NewConnector() *Guest { return guest(pack.Cached, host.LoadOptions{}) }

func guest(build func(context.Context) ([]byte, error), opts host.LoadOptions) *Guest {
	return &Guest{pack: sync.OnceValues(func() ([]byte, error) { return build(context.Background()) }), opts: opts}
}

// Package is the guest in a folder of this repository, such as ./host/testdata/hostile, with a manifest of its own.
func Package(folder string, manifest []byte, opts host.LoadOptions) *Guest {
	return guest(func(ctx context.Context) ([]byte, error) { return pack.CachedPackage(ctx, folder, manifest) }, opts)
}

// Packed is a guest that is packed already.
func Packed(wasm []byte, opts host.LoadOptions) *Guest {
	return guest(func(context.Context) ([]byte, error) { return wasm, nil }, opts)
}

// Open loads the guest once. The module stays open until the process ends. For examples, which have no testing.TB.
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

// Module is Open for tests. Connections of one module share what they know of rate limits: tests of limits use Load.
func (g *Guest) Module(tb testing.TB) *host.Module {
	tb.Helper()
	m, err := g.Open()
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// Load loads the guest again, as another process has it, for the length of a test.
func (g *Guest) Load(tb testing.TB) *host.Module {
	tb.Helper()
	m, err := g.load()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

// Pack builds the module, once for a process. For what has no testing.TB.
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
