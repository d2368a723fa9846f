// Package pack makes the connector's module: it builds guest/ for Wasm, strips it, and writes the manifest into it. The
// same sources and the same Go give the same bytes.
package pack

import (
	"context"
	"errors"
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// ErrManifest is wrapped by the error about a manifest that no host would accept.
var ErrManifest = errors.New("the manifest cannot be packed")

// connector is the package of this repository's connector.
const connector = "./guest"

// Options say what to pack. The zero value is the connector.
type Options struct {
	Dir      string // root of the Go module that holds Package; default Root()
	Package  string // the guest's package as a path in Dir; default "./guest"
	Manifest []byte // JSON of an abi.Manifest, packed byte for byte; default what the package says it is, see Guest
	Lines    bool   // whether stack traces of the module have files and lines besides the names of functions
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

// Guest builds and packs a module: all custom sections of the compiler are gone, its code is compacted, its tables of
// lines are gone unless they are wanted, and the manifest is in abi.ManifestSection. Nothing is built for a manifest that a host would refuse; that error wraps ErrManifest.
//
// Without a manifest, the package's command is built for this machine and run with the argument manifest, and prints it, as
// guest/module has it. It runs the go command that is first in PATH, and keeps nothing but Go's own build cache.
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
	if wasm, err = wasmbin.Strip(wasm, func(string) bool { return false }); err != nil {
		return nil, fmt.Errorf("what %s built from %s: %w", tool.version, o.Package, err)
	}
	if wasm, err = wasmbin.Compact(wasm); err != nil {
		return nil, fmt.Errorf("what %s built from %s: %w", tool.version, o.Package, err)
	}
	if !o.Lines {
		switch smaller, err := wasmbin.EditData(wasm, func(image []byte) { dropLines(image) }); {
		case err == nil:
			wasm = smaller
		case !errors.Is(err, wasmbin.ErrData): // data of another form stays
			return nil, fmt.Errorf("what %s built from %s: %w", tool.version, o.Package, err)
		}
	}
	return wasmbin.AppendCustom(wasm, abi.ManifestSection, o.Manifest)
}

// checkManifest reports why a host that speaks this ABI would refuse the manifest.
func checkManifest(raw []byte) error {
	if len(raw) > abi.MaxManifestSize {
		return fmt.Errorf("%w: it has %d bytes, and hosts take %d: shorten summaries, descriptions or schemas",
			ErrManifest, len(raw), abi.MaxManifestSize)
	}
	m, err := abi.ParseManifest(raw, nil)
	if err == nil && m.Minor > abi.Minor {
		err = fmt.Errorf("it is of minor version %d, and this is a build for %d: nobody would check its later members", m.Minor, abi.Minor)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return nil
}
