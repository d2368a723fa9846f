// Package host runs connector modules in a sandbox: a module can do only what its operation was granted.
//
//	m, err := host.Load(ctx, wasm, host.LoadOptions{})
//	c, err := m.Connect(ctx, host.Config{…}, host.ConnectOptions{})
//	res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada@example.com"}`))
//
// An invoke passes six files from the command line to the socket. cmd/wasm-runner/invoke.go reads the input and
// connects. invoke.go runs the invoke. run.go checks the input and the grants, and calls the module's export through the
// wall, which is internal/sandbox. In the module, guest/connector/call.go runs the operation, a literal in a file of the
// connector. The module's request comes back through the wall to run.go, which checks the grant and signs the
// request. egress/send.go sends it. These decide on the way: approval.go, gate.go for writes, grant.go for guards, and
// outcome.go for how a call ends. Response bodies stay in host memory (internal/answers).
package host

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/compile"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/internal/manifest"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// MaxModuleSize is the size of the largest module that Load accepts, in bytes.
const MaxModuleSize = 64 << 20

// defaultMemory is the default of LoadOptions.Memory, in bytes.
const defaultMemory = 1 << 30

// Module is a loaded and compiled connector. It is safe for concurrent use. Close it after its connections.
type Module struct {
	manifest *manifest.Manifest
	code     *sandbox.Module
	sum      string
	size     int
	log      *slog.Logger
	memory   *budget.Process
	limits   pacing.Registry // the rate limits that its connections share
}

// operation is an operation of the module.
type operation = manifest.Operation

// Load checks and compiles a module. It checks everything that the file shows before the module runs. An error that
// wraps ErrRefused says what is wrong with the module.
//
// Compiled code is cached on disk, by default in the user's cache directory. Without a cache, Load compiles for about
// a second; with one, it takes tens of milliseconds.
func Load(ctx context.Context, wasm []byte, opts LoadOptions) (*Module, error) {
	m := &Module{size: len(wasm), log: opts.Logger, memory: cmp.Or(opts.ProcessMemory, budget.Default())}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if len(wasm) > MaxModuleSize {
		return nil, fmt.Errorf("%w: it has %d bytes, and at most %d are allowed", ErrRefused, len(wasm), MaxModuleSize)
	}
	hashed := make(chan struct{}) // hashed while compiling
	go func() {
		defer close(hashed)
		sum := sha256.Sum256(wasm)
		m.sum = hex.EncodeToString(sum[:])
	}()
	defer func() { <-hashed }() // afterwards the caller may change wasm
	if opts.SHA256 != "" {
		<-hashed
		if !strings.EqualFold(m.sum, opts.SHA256) {
			return nil, fmt.Errorf("%w: its SHA-256 is %s, expected %s", ErrRefused, m.sum, opts.SHA256)
		}
	}
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	config := sandboxConfig()
	if err := config.Check(bin); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	if m.manifest, err = manifest.Read(bin, opts.Minor0); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	config.Memory, config.Logger, config.Ceiling = cmp.Or(opts.Memory, defaultMemory), m.log, m.memory
	if !opts.NoCache {
		config.CacheDir = compile.CacheDir(opts.CacheDir, m.manifest.Kind, m.log)
	}
	var refused sandbox.ModuleError
	<-hashed
	if m.code, err = compile.Module(ctx, bin, wasm, m.sum, config, opts.Compile); errors.As(err, &refused) {
		return nil, fmt.Errorf("%w: %w", ErrRefused, refused.Reason)
	} else if err != nil {
		return nil, err
	}
	return m, nil
}

// ReadManifest returns a module's manifest without compiling the module. It reads and checks the manifest as Load does, and
// nothing else of the module.
func ReadManifest(wasm []byte) (*abi.Manifest, error) {
	var m *manifest.Manifest
	bin, err := wasmbin.Parse(wasm)
	if err == nil {
		m, err = manifest.Read(bin, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	return m.Manifest, nil
}

// ReadKind returns a module's kind. It reads nothing else of the manifest, which Load may still refuse.
func ReadKind(wasm []byte) (string, error) {
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrRefused, err)
	}
	kind, err := manifest.Kind(bin)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrRefused, err)
	}
	return kind, nil
}

// Manifest returns the module's manifest. It must not be changed.
func (m *Module) Manifest() *abi.Manifest { return m.manifest.Manifest }

// RawManifest returns the bytes of the manifest.
func (m *Module) RawManifest() json.RawMessage { return m.manifest.Raw }

// Describe calls the module's describe export, which must return the bytes of the manifest's custom section.
func (m *Module) Describe(ctx context.Context) (json.RawMessage, error) {
	out, err := m.code.Call(ctx, "describe", nil)
	return bytes.TrimRight(out, " "), err
}

// SHA256 returns the checksum of the module's bytes as passed to Load, in hex.
func (m *Module) SHA256() string { return m.sum }

// Size returns the module's size in bytes.
func (m *Module) Size() int { return m.size }

// Operation finds an operation by name, with or without its kind: "lookup_user" or "KIND.lookup_user". The error
// wraps ErrUnknownOperation and suggests the nearest name.
func (m *Module) Operation(name string) (*abi.Operation, error) {
	op, err := m.operation(name)
	if err != nil {
		return nil, err
	}
	return op.Operation, nil
}

func (m *Module) operation(name string) (*operation, error) {
	op, hint := m.manifest.Find(name)
	if op == nil {
		return nil, fmt.Errorf("%w %q: %s", ErrUnknownOperation, name, hint)
	}
	return op, nil
}

// Close frees the module and its compiled code. Close its connections first.
func (m *Module) Close(ctx context.Context) error { return m.code.Close(ctx) }
