package host

import (
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// allowedImports is everything that a module may import: the memory of Extism's kernel, our own functions, and what the
// Go runtime needs of WASI. There is no file, no socket, no http_request, no variable store and no configuration in it.
func allowedImports(module, name string) bool {
	switch module {
	case "extism:host/env":
		switch name {
		case "alloc", "free", "length", "length_unsafe", "load_u8", "load_u64", "store_u8", "store_u64",
			"input_length", "input_load_u8", "input_load_u64", "output_set", "error_set":
			return true
		}
	case abi.Namespace:
		switch name {
		case "http_send", "body_read", "records_emit", "record_emit", "secret_get", "wait":
			return true
		}
	case "wasi_snapshot_preview1":
		switch name {
		case "args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "clock_time_get", "random_get",
			"fd_close", "fd_read", "fd_write", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_get",
			"fd_prestat_dir_name", "poll_oneoff", "sched_yield", "proc_exit":
			return true
		}
	}
	return false
}

func checkImports(bin *wasmbin.Module) error {
	for _, im := range bin.Imports {
		if im.Kind != wasmbin.KindFunction {
			return fmt.Errorf("it imports %s.%s, which is no function", im.Module, im.Name)
		}
		if !allowedImports(im.Module, im.Name) {
			return fmt.Errorf("it imports %s.%s, which is not on the allow-list", im.Module, im.Name)
		}
	}
	return nil
}

// checkExports wants the four entry points as functions from nothing to an i32, as Extism calls them.
func checkExports(bin *wasmbin.Module) error {
	if bin.HasStart {
		return fmt.Errorf("it has a start function, which would run before any limit is set")
	}
	for _, want := range []string{"describe", "invoke", "source", "table"} {
		found := false
		for _, ex := range bin.Exports {
			if ex.Name != want {
				continue
			}
			found = true
			if ex.Kind != wasmbin.KindFunction || len(ex.Params) != 0 || len(ex.Results) != 1 || ex.Results[0] != wasmbin.I32 {
				return fmt.Errorf("its export %q is not a function () -> i32", want)
			}
		}
		if !found {
			return fmt.Errorf("it has no export %q", want)
		}
	}
	return nil
}

// nearest is the name with the fewest edits to s, or "" when none is near.
func nearest(s string, names []string) string {
	best, bestDistance := "", max(2, len(s)/3)+1
	for _, n := range names {
		if d := distance(s, n); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// distance counts the edits (insert, delete, replace) between two strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
