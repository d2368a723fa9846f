// Package host runs connector modules: sandboxed Wasm that can do what its operation was granted, and nothing else.
//
//	m, err := host.Load(ctx, wasm, host.LoadOptions{})
//	c, err := m.Connect(ctx, host.Config{…}, host.ConnectOptions{})
//	res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada@example.com"}`))
//
// The way of an invoke: Connection.Invoke checks the input and the grants, then calls the module's export; the module
// asks for requests through the imports (imports.go), and package egress sends them. Bodies stay in the host; records
// go out by reference.
package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	extism "github.com/extism/go-sdk"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tetratelabs/wazero"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/trust"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// MaxModuleSize is the largest module that Load takes, in bytes.
const MaxModuleSize = 64 << 20

const (
	pageBytes     = 64 << 10
	defaultMemory = 1 << 30
)

// Module is a loaded and compiled connector. It is safe for concurrent use; close it after its connections.
type Module struct {
	manifest *abi.Manifest
	raw      []byte
	byName   map[string]*operation
	plugin   *extism.CompiledPlugin
	cache    wazero.CompilationCache
	sum      string
	size     int
	log      *slog.Logger
	limits   pacing.Registry // what its connections know of rate limits that they share
	begins   uint64          // bytes of memory that an instance begins with
	memory   int64           // most bytes of an instance
	state    wasmbin.State   // what of an instance is not in its memory

	births  sync.RWMutex // held by those who make an instance, which wazero does not take a close beside
	closed  bool
	imageMu sync.Mutex
	image   *image // what each call begins as; nil before the first instance
}

// operation is what the host keeps of an operation besides its manifest entry.
type operation struct {
	*abi.Operation
	granted map[string]*abi.Endpoint
	schema  func() (*jsonschema.Schema, error) // compiled when first needed
	sibling func(field string) string          // the operation on the same kind of object that takes a field, "" for none
}

// Load checks and compiles a module. Everything that can be told from the file is checked before one instruction of it
// runs; an error that wraps ErrRefused names what was wrong.
//
// Compiled code is kept on disk, in the user's cache directory unless the options say otherwise: a cold start compiles
// for about a second, a warm one loads in tens of milliseconds.
func Load(ctx context.Context, wasm []byte, opts LoadOptions) (*Module, error) {
	m := &Module{size: len(wasm), log: opts.Logger}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if len(wasm) > MaxModuleSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrRefused, len(wasm), MaxModuleSize)
	}
	summed := make(chan struct{}) // beside the compiling
	go func() {
		defer close(summed)
		sum := sha256.Sum256(wasm)
		m.sum = hex.EncodeToString(sum[:])
	}()
	defer func() { <-summed }() // wasm is the caller's again when Load returns
	if opts.SHA256 != "" {
		<-summed
		if !strings.EqualFold(m.sum, opts.SHA256) {
			return nil, fmt.Errorf("%w: its SHA-256 is %s, pinned is %s", ErrRefused, m.sum, opts.SHA256)
		}
	}
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	if err := checkImports(bin); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	if err := checkExports(bin); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	if err := m.readManifest(bin); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRefused, err)
	}
	if len(bin.Memories) == 1 {
		m.begins = uint64(bin.Memories[0].Min) * pageBytes
	}
	if err := m.compile(ctx, wasm, opts); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Module) compile(ctx context.Context, wasm []byte, opts LoadOptions) error {
	memory := opts.Memory
	switch {
	case memory == 0:
		memory = defaultMemory
	case memory < pageBytes || memory > 1<<32:
		return fmt.Errorf("LoadOptions.Memory: %d bytes; at least %d are taken, a page of Wasm, and at most 4 GiB", memory, pageBytes)
	}
	m.memory = memory
	wasm, state, err := wasmbin.Interruptible(wasm, interruptGlobal)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrRefused, err)
	}
	m.state = state
	// Not WithCloseOnContextDone: RATIONALE.md, "How is a module stopped?".
	config := wazero.NewRuntimeConfig()
	if !opts.NoCache {
		if cache, err := openCache(opts.CacheDir); err != nil {
			m.log.Warn("no compilation cache: every start compiles anew", "reason", err.Error())
		} else {
			m.cache = cache
			config = config.WithCompilationCache(cache)
		}
	}
	plugin, err := extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory: &extism.ManifestMemory{MaxPages: uint32(memory / pageBytes)},
	}, extism.PluginConfig{RuntimeConfig: config}, hostFunctions()) // not EnableWasi: wasi.go says why
	if err != nil {
		m.closeCache(ctx)
		return fmt.Errorf("%w: %v", ErrRefused, err)
	}
	m.plugin = plugin
	return nil
}

// openCache opens the folder of compiled code. What is in it gets executed, so that nobody else may write there.
func openCache(dir string) (wazero.CompilationCache, error) {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(base, "okta-connector", "wasm")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("%s can be written by others (mode %s): chmod 700 it", dir, info.Mode().Perm())
	}
	for _, at := range []string{dir, filepath.Dir(dir)} { // who can write the second can replace the first
		if err := trust.File(at); err != nil {
			return nil, err
		}
	}
	return wazero.NewCompilationCacheWithDir(dir)
}

func (m *Module) closeCache(ctx context.Context) {
	if m.cache != nil {
		_ = m.cache.Close(ctx)
	}
}

func (m *Module) readManifest(bin *wasmbin.Module) error {
	sections := bin.Section(abi.ManifestSection)
	if len(sections) != 1 {
		return fmt.Errorf("%d custom sections %q, want one: pack the module with go run ./build", len(sections), abi.ManifestSection)
	}
	raw := sections[0].Data
	if len(raw) > abi.MaxManifestSize {
		return fmt.Errorf("a manifest of %d bytes, at most %d are taken", len(raw), abi.MaxManifestSize)
	}
	m.raw = append([]byte(nil), raw...)
	m.manifest = new(abi.Manifest)
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m.manifest); err != nil {
		return fmt.Errorf("manifest: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("manifest: more than one JSON value")
	}
	if err := m.manifest.Check(); err != nil {
		return err
	}
	if a := m.manifest.Account; a != nil && (!records.PlainPath(a.ID) || a.Name != "" && !records.PlainPath(a.Name)) {
		return fmt.Errorf("manifest: account: its id and name are object keys joined by dots, not %q and %q", a.ID, a.Name)
	}
	m.byName = make(map[string]*operation, len(m.manifest.Operations))
	for i := range m.manifest.Operations {
		op := &operation{Operation: &m.manifest.Operations[i], granted: map[string]*abi.Endpoint{}}
		for j := range op.Endpoints {
			op.granted[op.Endpoints[j].Endpoint] = &op.Endpoints[j]
		}
		for _, path := range paths(op.Operation) {
			if !records.PlainPath(path) {
				return fmt.Errorf("manifest: operation %q: path %q is not object keys joined by dots", op.Name, path)
			}
		}
		op.schema = sync.OnceValues(func() (*jsonschema.Schema, error) { return compileSchema(op.Operation) })
		op.sibling = func(field string) string { return m.sibling(op.Operation, field) }
		m.byName[op.Name] = op
	}
	return nil
}

// sibling returns another operation of the same class on the same kind of object that takes a field, "" for none. The
// kind of object is what follows the verb of an operation's name: list_users, search_users.
func (m *Module) sibling(of *abi.Operation, field string) string {
	_, noun, _ := strings.Cut(of.Name, "_")
	for i := range m.manifest.Operations {
		op := &m.manifest.Operations[i]
		_, its, _ := strings.Cut(op.Name, "_")
		if op.Name != of.Name && its == noun && op.Class == of.Class && gjson.GetBytes(op.InputSchema, "properties."+gjson.Escape(field)).Exists() {
			return op.Name
		}
	}
	return ""
}

// paths lists the record paths that an operation declares; an empty path is the record itself.
func paths(op *abi.Operation) []string {
	var all []string
	for _, c := range op.Columns {
		if c.Path != "" {
			all = append(all, c.Path)
		}
		all = append(all, c.Or...)
	}
	if op.Key != "" {
		all = append(all, op.Key)
	}
	for _, e := range op.Endpoints {
		all = append(all, e.Sensitive...)
	}
	return all
}

// Manifest is what the module says of itself. It must not be changed.
func (m *Module) Manifest() *abi.Manifest { return m.manifest }

// RawManifest is the manifest byte for byte.
func (m *Module) RawManifest() json.RawMessage { return m.raw }

// Describe asks the module itself for its manifest: the describe export must answer the bytes of the custom section.
func (m *Module) Describe(ctx context.Context) (json.RawMessage, error) {
	in, err := m.instance(ctx, m.memory)
	if err != nil {
		return nil, err
	}
	defer in.close(m.log)
	out, err := in.call(ctx, nil, "describe", nil)
	return bytes.TrimRight(out, " "), err
}

// SHA256 is the checksum of the module as it was given to Load, in hex.
func (m *Module) SHA256() string { return m.sum }

// Size is the module's size in bytes.
func (m *Module) Size() int { return m.size }

// Operation finds an operation by name, with or without its kind: "lookup_user" or "okta.lookup_user". The error wraps
// ErrUnknownOperation and names the nearest.
func (m *Module) Operation(name string) (*abi.Operation, error) {
	op, err := m.operation(name)
	if err != nil {
		return nil, err
	}
	return op.Operation, nil
}

func (m *Module) operation(name string) (*operation, error) {
	short := strings.TrimPrefix(name, m.manifest.Kind+".")
	if op := m.byName[short]; op != nil {
		return op, nil
	}
	names := make([]string, 0, len(m.byName))
	for i := range m.manifest.Operations {
		names = append(names, m.manifest.Operations[i].Name)
	}
	hint := "wasm-runner describe lists them"
	if near := nearest.Of(short, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, fmt.Errorf("%w %q: %s", ErrUnknownOperation, name, hint)
}

// Close frees the module and its compiled code. Its connections are closed before.
func (m *Module) Close(ctx context.Context) error {
	m.births.Lock()
	defer m.births.Unlock()
	m.closed = true
	err := m.plugin.Close(ctx)
	m.imageMu.Lock()
	defer m.imageMu.Unlock()
	if m.image != nil {
		m.image.close()
	}
	m.closeCache(ctx)
	return err
}
