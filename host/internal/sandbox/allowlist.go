package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Check returns an error if a module imports what the configuration does not allow, or lacks one of its exports.
func (c Config) Check(bin *wasmbin.Module) error {
	if err := c.checkImports(bin); err != nil {
		return err
	}
	return c.checkExports(bin)
}

func (c Config) checkImports(bin *wasmbin.Module) error {
	allowed := c.imports()
	for _, im := range bin.Imports {
		if im.Kind != wasmbin.KindFunction {
			return fmt.Errorf("it imports %s.%s, which is not a function", im.Module, im.Name)
		}
		i := slices.IndexFunc(allowed[im.Module], func(f function) bool { return f.name == im.Name })
		if i < 0 {
			return fmt.Errorf("it imports %s.%s, which is not on the allow-list", im.Module, im.Name)
		}
		f := allowed[im.Module][i]
		want := signature(names(f.params), names(f.results))
		if found := signature(texts(im.Params), texts(im.Results)); found != want {
			return fmt.Errorf("it imports %s.%s with type (%s), and its type is (%s)", im.Module, im.Name, found, want)
		}
	}
	return nil
}

// checkExports checks that the exports exist and have type () -> i32, which is how Extism calls them.
func (c Config) checkExports(bin *wasmbin.Module) error {
	if bin.HasStart {
		return fmt.Errorf("it has a start function, which would run before any limit is set")
	}
	for _, want := range c.Exports {
		found := false
		for _, ex := range bin.Exports {
			if ex.Name != want {
				continue
			}
			found = true
			if ex.Kind != wasmbin.KindFunction || len(ex.Params) != 0 || len(ex.Results) != 1 || ex.Results[0] != wasmbin.I32 {
				return fmt.Errorf("its export %q must be a function () -> i32", want)
			}
		}
		if !found {
			return fmt.Errorf("it lacks the export %q", want)
		}
	}
	return nil
}

// signature returns a function's type as text, such as "i64 i64 -> i64".
func signature(params, results []string) string {
	return strings.Join(slices.Concat(params, []string{"->"}, results), " ")
}

func names(types []api.ValueType) []string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = api.ValueTypeName(t)
	}
	return out
}

func texts(types []wasmbin.ValueType) []string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = t.String()
	}
	return out
}
