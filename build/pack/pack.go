// Package pack makes the connector's module: it builds guest/ for Wasm, strips it, and adds the manifest. The same sources and
// the same Go give the same bytes.
package pack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/check"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// ErrManifest is wrapped by errors about a manifest that no host would accept.
var ErrManifest = errors.New("the manifest cannot be packed")

// connector is the package of this repository's connector.
const connector = "./guest"

// Options say what to pack. The zero value packs the connector.
type Options struct {
	Dir      string // root of the Go module with Package; default Root()
	Package  string // the guest's package as a path in Dir; default "./guest"
	Manifest []byte // JSON of an abi.Manifest, packed byte for byte; default see Guest
	Lines    bool   // whether stack traces of the module also have files and lines
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" {
		dir, err := Root()
		if err != nil {
			return o, err
		}
		o.Dir = dir
	}
	if o.Package == "" {
		o.Package = connector
	}
	if o.Manifest == nil && o.Package == connector {
		o.Manifest = okta.Manifest()
	}
	return o, nil
}

// Guest builds and packs a module. It removes the compiler's custom sections, and the tables of lines unless Lines is
// set. It compacts the code and adds the manifest as section abi.ManifestSection. For a manifest that a host would
// refuse, it builds nothing and returns an error that wraps ErrManifest.
//
// Without a manifest, Guest builds the package's command for this machine, and runs it with the argument manifest. The
// command prints the manifest (see guest/module). Guest uses the first go command in PATH. It stores nothing except in
// Go's build cache.
func Guest(ctx context.Context, o Options) ([]byte, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	tool, err := newToolchain(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	if o.Manifest == nil {
		if o.Manifest, err = tool.manifest(ctx, o.Package); err != nil {
			return nil, err
		}
	}
	if err := checkManifest(o.Manifest); err != nil {
		return nil, err
	}
	return guest(ctx, tool, o)
}

func guest(ctx context.Context, tool *toolchain, o Options) ([]byte, error) {
	wasm, err := tool.build(ctx, o.Package)
	if err != nil {
		return nil, err
	}
	if err := tool.checkImports(ctx, wasm, o.Package); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Package, err)
	}
	if wasm, err = wasmbin.Strip(wasm, func(string) bool { return false }); err != nil {
		return nil, fmt.Errorf("packing the output of %s for %s: %w", tool.version, o.Package, err)
	}
	if wasm, err = wasmbin.Compact(wasm); err != nil {
		return nil, fmt.Errorf("packing the output of %s for %s: %w", tool.version, o.Package, err)
	}
	if !o.Lines {
		switch smaller, err := wasmbin.EditData(wasm, func(image []byte) { dropLines(image) }); {
		case err == nil:
			wasm = smaller
		case !errors.Is(err, wasmbin.ErrData): // data in another format stays
			return nil, fmt.Errorf("packing the output of %s for %s: %w", tool.version, o.Package, err)
		}
	}
	return wasmbin.AppendCustom(wasm, abi.ManifestSection, o.Manifest)
}

// checkManifest returns why a host with this ABI would refuse the manifest.
func checkManifest(raw []byte) error {
	if len(raw) > abi.MaxManifestSize {
		return fmt.Errorf("%w: it has %d bytes, more than the maximum of %d: shorten summaries, descriptions or schemas",
			ErrManifest, len(raw), abi.MaxManifestSize)
	}
	m, err := abi.ParseManifest(raw, nil)
	if err == nil && m.Minor > abi.Minor {
		err = fmt.Errorf("it has minor version %d, but this build supports up to %d and cannot check later members: use a newer build", m.Minor, abi.Minor)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, err)
	}
	if found := check.Manifest(m); found != nil {
		return fmt.Errorf("%w: %s", ErrManifest, strings.Join(found, "\n  "))
	}
	return nil
}
