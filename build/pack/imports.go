package pack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// ErrImport is wrapped by the error about a module that imports what no host has.
var ErrImport = errors.New("no host would load the module")

// WASI are the functions of wasi_snapshot_preview1 that hosts have (abi/README.md, section 1.2).
var WASI = []string{"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get", "fd_close", "fd_fdstat_get",
	"fd_fdstat_set_flags", "fd_prestat_dir_name", "fd_prestat_get", "fd_read", "fd_write", "poll_oneoff", "proc_exit", "random_get", "sched_yield"}

// checkImports refuses a module that imports other functions of WASI, and names the Go package that needs them.
func (t *toolchain) checkImports(ctx context.Context, wasm []byte, pkg string) error {
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return err
	}
	var refused []string
	for _, im := range bin.Imports {
		if im.Module == "wasi_snapshot_preview1" && !slices.Contains(WASI, im.Name) {
			refused = append(refused, im.Name)
		}
	}
	if refused == nil {
		return nil
	}
	slices.Sort(refused)
	why := "it imports " + strings.Join(slices.Compact(refused), ", ") + " of WASI"
	blamed, err := t.blamed(ctx, pkg)
	if err != nil || len(blamed) == 0 {
		return fmt.Errorf("%w: %s: a connector has no files and no network but its requests to the host", ErrImport, why)
	}
	return fmt.Errorf("%w: %s, which comes with %s: remove it. A connector has no files and no network but its requests to the host",
		ErrImport, why, strings.Join(blamed, " and "))
}

// listed is a package as go list says it.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

// blamed names the packages of the standard library that bring files or a network into a connector, with the package that imports
// each.
func (t *toolchain) blamed(ctx context.Context, pkg string) ([]string, error) {
	out, err := t.run(ctx, "list", "-deps", "-json=ImportPath,Standard,Imports,Deps,Module", pkg)
	if err != nil {
		return nil, err
	}
	all := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
	// The network first: whatever needs it needs files, too.
	for _, cause := range []string{"net", "os"} {
		var blamed []string
		for _, p := range all {
			if p.Standard || strings.HasPrefix(p.ImportPath, modulePath+"/guest/connector") || strings.HasPrefix(p.ImportPath, modulePath+"/abi") {
				continue
			}
			for _, name := range p.Imports {
				if dep := all[name]; dep.Standard && (name == cause || slices.Contains(dep.Deps, cause)) {
					blamed = append(blamed, fmt.Sprintf("%s (imported by %s)", name, p.ImportPath))
				}
			}
		}
		if slices.Sort(blamed); blamed != nil {
			return blamed, nil
		}
	}
	return nil, nil
}
