package wasmbin_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

const magic = "\x00asm\x01\x00\x00\x00"

// small has one type () -> i32. It imports e.f and defines g with it, and exports g and a memory.
var small = []byte(magic +
	"\x01\x05\x01\x60\x00\x01\x7f" + // type
	"\x02\x07\x01\x01e\x01f\x00\x00" + // import
	"\x03\x02\x01\x00" + // function
	"\x05\x03\x01\x00\x01" + // memory
	"\x07\x09\x02\x01g\x00\x01\x01m\x02\x00" + // export
	"\x0a\x06\x01\x04\x00\x41\x00\x0b") // code

func TestParse_OfATinyModule_ReadsIt(t *testing.T) {
	m, err := wasmbin.Parse(small)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Imports) != 1 || m.Imports[0].Module != "e" || m.Imports[0].Name != "f" || len(m.Imports[0].Results) != 1 {
		t.Errorf("imports %+v", m.Imports)
	}
	if len(m.Exports) != 2 || m.Exports[0].Name != "g" || m.Exports[0].Kind != wasmbin.KindFunction ||
		len(m.Exports[0].Params) != 0 || m.Exports[0].Results[0] != wasmbin.I32 || m.Exports[1].Kind != wasmbin.KindMemory {
		t.Errorf("exports %+v", m.Exports)
	}
	if m.HasStart {
		t.Error("there is no start section")
	}
}

func TestParse_OfBrokenModules_Fails(t *testing.T) {
	for name, wasm := range map[string]string{
		"nothing":                   "",
		"another version":           "\x00asm\x02\x00\x00\x00",
		"a component":               "\x00asm\x0d\x00\x01\x00",
		"a section over the end":    magic + "\x01\x7f\x00",
		"a count over the end":      magic + "\x01\x05\xff\xff\xff\xff\x0f",
		"a number that never ends":  magic + "\x01\x80\x80\x80\x80\x80\x80",
		"a section twice":           magic + "\x01\x01\x00\x01\x01\x00",
		"sections out of order":     magic + "\x03\x01\x00\x01\x01\x00",
		"an unknown section":        magic + "\x0e\x01\x00",
		"bytes left in a section":   magic + "\x01\x02\x00\x00",
		"an import of no type":      magic + "\x02\x07\x01\x01e\x01f\x00\x00",
		"an export of no function":  magic + "\x07\x05\x01\x01g\x00\x01",
		"a custom section unnamed":  magic + "\x00\x00",
		"a name longer than itself": magic + "\x00\x02\x05x",
	} {
		t.Run(name, func(t *testing.T) {
			if m, err := wasmbin.Parse([]byte(wasm)); !errors.Is(err, wasmbin.ErrFormat) {
				t.Errorf("%+v %v", m, err)
			}
		})
	}
}

func TestCustomSections_OfAModule_AreFound(t *testing.T) {
	one, err := wasmbin.AppendCustom(small, "a", []byte("first"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := wasmbin.AppendCustom(one, "b", bytes.Repeat([]byte("x"), 1000))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmbin.Parse(two)
	if err != nil || len(m.Customs) != 2 || string(m.Section("a")[0].Data) != "first" || len(m.Section("b")[0].Data) != 1000 {
		t.Fatalf("%+v %v", m, err)
	}
	kept, err := wasmbin.Strip(two, func(name string) bool { return name == "a" })
	if err != nil || !bytes.Equal(kept, one) {
		t.Errorf("stripping b leaves %d bytes, want %d (%v)", len(kept), len(one), err)
	}
	if stripped, err := wasmbin.Strip(two, func(string) bool { return false }); err != nil || !bytes.Equal(stripped, small) {
		t.Errorf("stripping all leaves %d bytes, want %d (%v)", len(stripped), len(small), err)
	}
}

func TestParse_OfAGoModule_FindsItsExports(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module x\n\ngo 1.26\n")
	write("main.go", "package main\n\n//go:wasmexport answer\nfunc answer() int32 { return 42 }\n\nfunc main() {}\n")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", "x.wasm", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "x.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasmbin.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, ex := range m.Exports {
		found = found || ex.Name == "answer" && len(ex.Params) == 0 && len(ex.Results) == 1 && ex.Results[0] == wasmbin.I32
	}
	if !found || len(m.Imports) == 0 || len(m.Customs) == 0 {
		t.Errorf("%+v", m)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add([]byte(magic + "\x00\x03\x01ax"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if _, err := wasmbin.Parse(wasm); err != nil {
			return
		}
		with, err := wasmbin.AppendCustom(wasm, "added", []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasmbin.Parse(with)
		if err != nil || m.Customs[len(m.Customs)-1].Name != "added" {
			t.Fatalf("%v", err)
		}
		stripped, err := wasmbin.Strip(with, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if m, err := wasmbin.Parse(stripped); err != nil || len(m.Customs) != 0 {
			t.Fatalf("%+v %v", m, err)
		}
	})
}
