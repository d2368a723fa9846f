package wasmbin_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

const program = `package main

//go:wasmimport env answer
func answer(a int32, b int64) float64

//go:wasmexport ask
func ask(a int32, b int64) float64 { return answer(a, b) }

func main() {}
`

// golang builds a small program as a WASI reactor with the Go toolchain of this test.
func golang(tb testing.TB) []byte {
	tb.Helper()
	if testing.Short() {
		tb.Skip("runs the Go compiler")
	}
	dir := tb.TempDir()
	for name, text := range map[string]string{"go.mod": "module tiny\n\ngo 1.24\n", "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-buildmode=c-shared", "-o", "tiny.wasm", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, text)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "tiny.wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return wasm
}

func TestParse_OfGoModules_ReadsThem(t *testing.T) {
	wasm := golang(t)
	m, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	params, results := []wasmbin.ValueType{wasmbin.I32, wasmbin.I64}, []wasmbin.ValueType{wasmbin.F64}
	i := slices.IndexFunc(m.Imports, func(im wasmbin.Import) bool { return im.Module == "env" })
	if i < 0 {
		t.Fatalf("no import of env among %d", len(m.Imports))
	}
	if im := m.Imports[i]; im.Name != "answer" || im.Kind != wasmbin.KindFunction ||
		!slices.Equal(im.Params, params) || !slices.Equal(im.Results, results) {
		t.Errorf("import %+v", im)
	}
	exports := map[string]wasmbin.Export{}
	for _, ex := range m.Exports {
		exports[ex.Name] = ex
	}
	if ex := exports["ask"]; ex.Kind != wasmbin.KindFunction || !slices.Equal(ex.Params, params) || !slices.Equal(ex.Results, results) {
		t.Errorf("export %+v", ex)
	}
	if ex, ok := exports["_initialize"]; !ok || ex.Kind != wasmbin.KindFunction || len(ex.Params)+len(ex.Results) != 0 {
		t.Errorf("export _initialize %+v, want a function () -> ()", ex)
	}
	if ex := exports["memory"]; ex.Kind != wasmbin.KindMemory {
		t.Errorf("export memory %+v", ex)
	}
	if len(m.Memories) != 1 || m.Memories[0].Min == 0 || m.Memories[0].Imported {
		t.Errorf("memories %+v, want one that is defined", m.Memories)
	}
	if m.HasStart || m.Size != len(wasm) {
		t.Errorf("start %v, size %d of %d", m.HasStart, m.Size, len(wasm))
	}
	if len(m.Section("producers")) != 1 || len(m.Section("go:buildid"))+len(m.Section("name")) == 0 {
		t.Errorf("custom sections %d", len(m.Customs))
	}
	stripped, err := wasmbin.Strip(wasm, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if m, err := wasmbin.Parse(stripped); err != nil || len(m.Customs) != 0 || len(stripped) >= len(wasm) {
		t.Errorf("after Strip: %d bytes of %d, %v", len(stripped), len(wasm), err)
	}
}

// A host decides by what Parse reads, and a compiler runs the module: the two must agree.
func TestParse_OfGoModules_AgreesWithTheCompiler(t *testing.T) {
	wasm := golang(t)
	m, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = runtime.Close(ctx) }()
	compiled, err := runtime.CompileModule(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		want = append(want, fmt.Sprintf("import %s.%s %x -> %x", module, name, f.ParamTypes(), f.ResultTypes()))
	}
	for name, f := range compiled.ExportedFunctions() {
		want = append(want, fmt.Sprintf("export %s %x -> %x", name, f.ParamTypes(), f.ResultTypes()))
	}
	for _, im := range m.Imports {
		got = append(got, fmt.Sprintf("import %s.%s %x -> %x", im.Module, im.Name, bytesOf(im.Params), bytesOf(im.Results)))
	}
	for _, ex := range m.Exports {
		if ex.Kind == wasmbin.KindFunction {
			got = append(got, fmt.Sprintf("export %s %x -> %x", ex.Name, bytesOf(ex.Params), bytesOf(ex.Results)))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse (-wazero +ours):\n%s", diff)
	}
}

func bytesOf(types []wasmbin.ValueType) (b []byte) {
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

// BenchmarkParse compares Parse with the alternative to find a module's imports: wazero's decoding and validation
// with the interpreter, its fastest way to compile.
func BenchmarkParse(b *testing.B) {
	wasm := golang(b)
	ctx := context.Background()
	peer := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = peer.Close(ctx) }()
	began := time.Now()
	if _, err := peer.CompileModule(ctx, wasm); err != nil {
		b.Fatal(err)
	}
	compile := time.Since(began)

	b.SetBytes(int64(len(wasm)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wasmbin.Parse(wasm); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(compile)/(float64(b.Elapsed())/float64(b.N)), "x-faster-than-wazero-interpreter")
}

// BenchmarkInterruptible compares it with what follows at every start: wazero's decoding and validation.
func BenchmarkInterruptible(b *testing.B) {
	wasm := golang(b)
	ctx := context.Background()
	peer := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = peer.Close(ctx) }()
	began := time.Now()
	if _, err := peer.CompileModule(ctx, wasm); err != nil {
		b.Fatal(err)
	}
	compile := time.Since(began)
	b.SetBytes(int64(len(wasm)))
	for b.Loop() {
		if _, _, err := wasmbin.Interruptible(wasm, "stop"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(compile)/(float64(b.Elapsed())/float64(b.N)), "x-faster-than-wazero-interpreter")
}
