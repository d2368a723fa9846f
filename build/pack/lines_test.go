package pack

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/mach5/okta-connector/guest/okta"
)

// panicking is a guest whose export panics, two functions deep and after its stack has grown.
const panicking = `package main

//go:wasmexport run
func run() int32 { return deep(2000) }

//go:noinline
func deep(n int32) int32 {
	if n == 0 {
		return broken(nil)
	}
	return deep(n-1) + 1
}

//go:noinline
func broken(m map[string]int32) int32 { m["x"] = 1; return m["x"] }

func main() {}
`

// trace returns the standard error of a module that panics.
func trace(t *testing.T, wasm []byte) string {
	t.Helper()
	ctx := t.Context()
	runtime := wazero.NewRuntime(ctx)
	defer func() { _ = runtime.Close(ctx) }()
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	var stderr bytes.Buffer
	m, err := runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStderr(&stderr).WithStartFunctions("_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ExportedFunction("run").Call(ctx); err == nil {
		t.Error("the module does not panic")
	}
	return stderr.String()
}

func TestGuest_WithoutLines_TraceNamesFunctions(t *testing.T) {
	o := Options{Dir: t.TempDir(), Package: "./guest", Manifest: okta.Manifest()}
	put(t, filepath.Join(o.Dir, "go.mod"), "module tiny\n\ngo 1.24\n")
	put(t, filepath.Join(o.Dir, "guest", "main.go"), panicking)
	sizes := map[bool]int{}
	for _, lines := range []bool{false, true} {
		o.Lines = lines
		wasm, err := Guest(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		sizes[lines] = len(wasm)
		text := trace(t, wasm)
		if !strings.Contains(text, "assignment to entry in nil map") || !strings.Contains(text, "main.broken(") || !strings.Contains(text, "main.deep(") {
			t.Errorf("with lines %t the trace does not name the functions:\n%.2000s", lines, text)
		}
		if strings.Contains(text, "main.go:") != lines {
			t.Errorf("with lines %t:\n%.2000s", lines, text)
		}
	}
	if sizes[true]-sizes[false] < sizes[true]/50 {
		t.Errorf("%d bytes with lines, %d without", sizes[true], sizes[false])
	}
}

func TestDropLines_OtherFormat_IsUnchanged(t *testing.T) {
	header := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}
	for name, image := range map[string][]byte{
		"nothing":                     nil,
		"no table":                    bytes.Repeat([]byte{7}, 1000),
		"half a table":                header,
		"no functions":                append(bytes.Clone(header), make([]byte, 100)...),
		"offsets that lead elsewhere": append(bytes.Clone(header), bytes.Repeat([]byte{0xff}, 200)...),
	} {
		before := bytes.Clone(image)
		if n := dropLines(image); n != 0 || !bytes.Equal(image, before) {
			t.Errorf("%s: %d bytes were cleared", name, n)
		}
	}
}

func FuzzDropLines(f *testing.F) {
	f.Add([]byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8, 1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, image []byte) { dropLines(image) }) // must not panic
}
