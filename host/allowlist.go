package host

import (
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// allowedImports is everything that a module may import, and of what type ("i64 i64 -> i64"): the memory of messages, our
// own functions, and what the Go runtime needs of WASI. There is no file, no socket, no http_request, no variable store
// and no configuration in it.
var allowedImports = map[string]map[string]string{
	"extism:host/env": {
		"alloc": "i64 -> i64", "free": "i64 ->", "length": "i64 -> i64", "length_unsafe": "i64 -> i64",
		"load_u8": "i64 -> i32", "load_u64": "i64 -> i64", "store_u8": "i64 i32 ->", "store_u64": "i64 i64 ->",
		"input_length": "-> i64", "input_load_u8": "i64 -> i32", "input_load_u64": "i64 -> i64",
		"output_set": "i64 i64 ->", "error_set": "i64 ->",
	},
	abi.Namespace: {
		"http_send": "i64 -> i64", "body_read": "i64 i64 i64 -> i64", "records_emit": "i64 i64 -> i64",
		"record_emit": "i64 -> i64", "secret_get": "i64 -> i64", "wait": "i64 -> i64",
	},
	"wasi_snapshot_preview1": {
		"args_get": "i32 i32 -> i32", "args_sizes_get": "i32 i32 -> i32", "environ_get": "i32 i32 -> i32",
		"environ_sizes_get": "i32 i32 -> i32", "clock_time_get": "i32 i64 i32 -> i32", "random_get": "i32 i32 -> i32",
		"fd_close": "i32 -> i32", "fd_read": "i32 i32 i32 i32 -> i32", "fd_write": "i32 i32 i32 i32 -> i32",
		"fd_fdstat_get": "i32 i32 -> i32", "fd_fdstat_set_flags": "i32 i32 -> i32", "fd_prestat_get": "i32 i32 -> i32",
		"fd_prestat_dir_name": "i32 i32 i32 -> i32", "poll_oneoff": "i32 i32 i32 i32 -> i32", "sched_yield": "-> i32",
		"proc_exit": "i32 ->",
	},
}

func checkImports(bin *wasmbin.Module) error {
	for _, im := range bin.Imports {
		if im.Kind != wasmbin.KindFunction {
			return fmt.Errorf("it imports %s.%s, which is no function", im.Module, im.Name)
		}
		want, ok := allowedImports[im.Module][im.Name]
		if !ok {
			return fmt.Errorf("it imports %s.%s, which is not on the allow-list", im.Module, im.Name)
		}
		if found := signature(im.Params, im.Results); found != want {
			return fmt.Errorf("it imports %s.%s as a function (%s), which is one (%s)", im.Module, im.Name, found, want)
		}
	}
	return nil
}

// signature is a function's type as allowedImports writes it.
func signature(params, results []wasmbin.ValueType) string {
	var words []string
	for _, t := range params {
		words = append(words, t.String())
	}
	words = append(words, "->")
	for _, t := range results {
		words = append(words, t.String())
	}
	return strings.Join(words, " ")
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
