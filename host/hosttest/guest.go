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
	build func(context.Context) ([]byte, error)
	opts  host.LoadOptions
	once  sync.Once
	m     *host.Module
	err   error
}

// Connector is this repository's connector.
var Connector = &Guest{build: pack.Cached}

// Package is the guest in a folder of this repository, such as ./host/testdata/hostile, with a manifest of its own.
func Package(folder string, manifest []byte, opts host.LoadOptions) *Guest {
	return &Guest{build: func(ctx context.Context) ([]byte, error) { return pack.CachedPackage(ctx, folder, manifest) }, opts: opts}
}

// Packed is a guest that is packed already.
func Packed(wasm []byte, opts host.LoadOptions) *Guest {
	return &Guest{build: func(context.Context) ([]byte, error) { return wasm, nil }, opts: opts}
}

// Open loads the guest once. The module stays open until the process ends. For examples, which have no testing.TB.
func (g *Guest) Open() (*host.Module, error) {
	g.once.Do(func() { g.m, g.err = g.load() })
	return g.m, g.err
}

func (g *Guest) load() (*host.Module, error) {
	ctx := context.Background()
	wasm, err := g.build(ctx)
	if err != nil {
		return nil, err
	}
	return host.Load(ctx, wasm, g.opts)
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

// Bytes is the packed module.
func (g *Guest) Bytes(tb testing.TB) []byte {
	tb.Helper()
	wasm, err := g.build(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}
