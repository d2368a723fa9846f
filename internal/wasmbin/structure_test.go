package wasmbin_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

const header = "\x00asm\x01\x00\x00\x00"

// module appends sections to a header.
func module(sections ...string) []byte { return []byte(header + strings.Join(sections, "")) }

// section is an id, a size and the content.
func section(id byte, content string) string { return string(id) + leb(len(content)) + content }

// vec is a count and the entries.
func vec(entries ...string) string { return leb(len(entries)) + strings.Join(entries, "") }

func name(s string) string { return leb(len(s)) + s }

func leb(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

func custom(n, data string) string { return section(0, name(n)+data) }

const unary = "\x60\x01\x7f\x01\x7e" // (i32) -> i64

// whole has everything that Parse reads: type 1 is () -> (i32), function 0 is imported, 1 and 2 are defined.
var whole = module(
	custom("first", "one"),
	section(1, vec(unary, "\x60\x00\x01\x7f")),
	section(2, vec(
		name("env")+name("f")+"\x00\x00",
		name("env")+name("t")+"\x01\x70\x00\x01",
		name("env")+name("m")+"\x02\x03\x01\x02",
		name("env")+name("g")+"\x03\x7e\x01")),
	section(3, vec("\x01", "\x00")),
	section(4, "anything"),
	section(5, vec("\x00\x11")),
	section(6, "anything"),
	section(7, vec(
		name("imported")+"\x00\x00",
		name("defined")+"\x00\x01",
		name("memory")+"\x02\x01",
		name("global")+"\x03\x07")),
	section(8, "\x02"),
	section(12, "anything"),
	section(10, "anything"),
	custom("second", ""),
	section(11, "anything"),
	custom("first", "two"),
)

func TestParse_OfAModule_ReadsItsStructure(t *testing.T) {
	got, err := wasmbin.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	i32, i64 := []wasmbin.ValueType{wasmbin.I32}, []wasmbin.ValueType{wasmbin.I64}
	want := &wasmbin.Module{
		Imports: []wasmbin.Import{
			{Module: "env", Name: "f", Kind: wasmbin.KindFunction, Params: i32, Results: i64},
			{Module: "env", Name: "t", Kind: wasmbin.KindTable},
			{Module: "env", Name: "m", Kind: wasmbin.KindMemory},
			{Module: "env", Name: "g", Kind: wasmbin.KindGlobal},
		},
		Memories: []wasmbin.Memory{{Min: 1, Max: 2, HasMax: true, Shared: true, Imported: true}, {Min: 17}},
		Exports: []wasmbin.Export{
			{Name: "imported", Kind: wasmbin.KindFunction, Params: i32, Results: i64},
			{Name: "defined", Kind: wasmbin.KindFunction, Results: i32},
			{Name: "memory", Kind: wasmbin.KindMemory},
			{Name: "global", Kind: wasmbin.KindGlobal},
		},
		Customs: []wasmbin.Custom{
			{Name: "first", Data: []byte("one"), Offset: len(header)},
			{Name: "second", Data: []byte{}, Offset: bytes.Index(whole, []byte(custom("second", "")))},
			{Name: "first", Data: []byte("two"), Offset: bytes.Index(whole, []byte(custom("first", "two")))},
		},
		HasStart: true,
		Size:     len(whole),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(wasmbin.Custom{})); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	if first, third := len(got.Section("first")), len(got.Section("third")); first != 2 || third != 0 {
		t.Errorf("%d sections of first and %d of third, want 2 and 0", first, third)
	}
}

func TestParse_OfValidModules_Succeeds(t *testing.T) {
	for name, wasm := range map[string][]byte{
		"a header alone":             module(),
		"a LEB128 number with zeros": module("\x01\x81\x80\x80\x80\x00\x00"),
		"a custom section alone":     module(custom("", "")),
		"an empty type section":      module(section(1, vec())),
		"a table up to 2^32-1":       module(section(2, vec(name("")+name("")+"\x01\x6f\x01\x00\xff\xff\xff\xff\x0f"))),
		"a memory of 4 GiB":          module(section(5, vec("\x01\x80\x80\x04\x80\x80\x04"))),
		"an opaque code section":     module(section(10, "\xff\xff\xff")),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := wasmbin.Parse(wasm); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParse_OfInvalidModules_NamesReasonAndOffset(t *testing.T) {
	types := section(1, vec(unary))
	const most = "\xff\xff\xff\xff\x0f" // 2^32-1
	for _, tt := range []struct{ name, wasm, want string }{
		{"nothing", "", "0 bytes"},
		{"half a header", header[:5], "5 bytes"},
		{"another file", "\x7fELF\x01\x00\x00\x00", "starts with"},
		{"a component", "\x00asm\x0d\x00\x01\x00", "not a component"},
		{"an unknown section", header + section(13, ""), "byte 8: section id 13"},
		{"a section without size", header + "\x01", "byte 9: it ends before the length of the type section"},
		{"a section longer than the file", header + "\x01\x05\x00", "byte 9: the type section claims 5 bytes, but only 1 are left"},
		{"a section of 4 GiB", header + "\x0a" + most, "code section claims 4294967295 bytes"},
		{"a LEB128 number of six bytes", header + "\x01\x80\x80\x80\x80\x80\x00", "not a 32-bit number"},
		{"a LEB128 number over 32 bits", header + "\x01\x80\x80\x80\x80\x10", "not a 32-bit number"},
		{"two type sections", header + types + types, "byte 16: a second type section"},
		{"sections out of order", header + section(3, vec()) + types, "byte 11: the type section comes after"},
		{"a data count behind code", header + section(10, "") + section(12, ""), "data count section comes after"},
		{"a custom section without name", header + section(0, ""), "custom section, byte 10"},
		{"a custom name that is cut off", header + section(0, "\x05ab"), "claims 5 bytes, but only 2 are left"},
		{"a name that is not UTF-8", header + section(0, name("\xff")), "is not UTF-8"},
		{"a type of another form", header + section(1, vec("\x5f\x00")), "form 0x5f"},
		{"an unknown value type", header + section(1, vec("\x60\x01\x40\x00")), "value type 0x40"},
		{"too many parameters", header + section(1, vec("\x60"+leb(1001)+strings.Repeat("\x7f", 1001)+"\x00")), "1001 parameters"},
		{"fewer types than it says", header + section(1, "\x02"+unary), "it ends before"},
		{"more bytes than types", header + section(1, vec(unary)+"\x00"), "1 bytes after its last entry"},
		{"too many types", header + section(1, leb(100_001)), "at most 100000"},
		{"an import of unknown kind", header + section(2, vec(name("a")+name("b")+"\x04")), `import "a" "b" is of kind(0x04)`},
		{"an import of an unknown type", header + types + section(2, vec(name("a")+name("b")+"\x00\x01")), "type 1 of 1"},
		{"a function of an unknown type", header + types + section(3, vec("\x01")), "type 1 of 1"},
		{"functions without types", header + section(3, vec("\x00")), "type 0 of 0"},
		{"too many functions", header + types + section(2, vec(name("a")+name("b")+"\x00\x00")) + section(3, leb(1_000_000)), "1000001 functions"},
		{"a table of numbers", header + section(2, vec(name("")+name("")+"\x01\x7f\x00\x00")), "a table of i32"},
		{"a shared table", header + section(2, vec(name("")+name("")+"\x01\x70\x03\x00\x00")), "flags 0x03"},
		{"a global of unknown mutability", header + section(2, vec(name("")+name("")+"\x03\x7f\x02")), "mutability 0x02"},
		{"a memory of 64 bits", header + section(5, vec("\x04\x00")), "flags 0x04"},
		{"a memory over 4 GiB", header + section(5, vec("\x00\x81\x80\x04")), "at most 65536"},
		{"a memory whose limits cross", header + section(5, vec("\x01\x02\x01")), "limits from 2 to 1"},
		{"an export of an unknown function", header + section(7, vec(name("f")+"\x00\x00")), "function 0 of 0"},
		{"an export of an unknown memory", header + section(7, vec(name("m")+"\x02\x00")), "memory 0 of 0"},
		{"an export of unknown kind", header + section(7, vec(name("f")+"\x09\x00")), `export "f" is of kind(0x09)`},
		{"two exports of a name", header + section(7, vec(name("g")+"\x03\x00", name("g")+"\x03\x01")), `a second export "g"`},
		{"a start that is no function", header + section(8, "\x00"), "start section, byte 10: function 0 of 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := wasmbin.Parse([]byte(tt.wasm))
			if !errors.Is(err, wasmbin.ErrFormat) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want ErrFormat and %q", err, tt.want)
			}
		})
	}
}

func TestParse_OfTruncatedModules_Fails(t *testing.T) {
	boundaries := map[int]bool{len(header): true}
	for n := len(header); n < len(whole); { // each id and size of this module is one byte
		n += 2 + int(whole[n+1])
		boundaries[n] = true
	}
	for n := range whole {
		if _, err := wasmbin.Parse(whole[:n]); (err == nil) != boundaries[n] {
			t.Errorf("cut at byte %d: %v", n, err)
		}
	}
}

func TestParse_OfLargeCounts_AllocatesOnlyForContent(t *testing.T) {
	for name, wasm := range map[string][]byte{
		"types":      module(section(1, leb(wasmbin.MaxTypes))),
		"imports":    module(section(2, leb(wasmbin.MaxImports))),
		"functions":  module(section(3, leb(wasmbin.MaxFunctions))),
		"exports":    module(section(7, leb(wasmbin.MaxExports))),
		"name":       module(section(0, leb(1<<32-1))),
		"parameters": module(section(1, leb(1)+"\x60"+leb(wasmbin.MaxArity))),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := wasmbin.Parse(wasm)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("a count without the bytes for it is accepted")
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<10 {
				t.Errorf("%d bytes allocated for a module of %d", n, len(wasm))
			}
		})
	}
}

func TestStrip_OfAModule_RemovesOnlyCustomSections(t *testing.T) {
	for _, tt := range []struct {
		name string
		keep func(string) bool
		want []string
	}{
		{"none kept", func(string) bool { return false }, nil},
		{"all kept", func(string) bool { return true }, []string{"first", "second", "first"}},
		{"one name kept", func(n string) bool { return n == "first" }, []string{"first", "first"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := bytes.Clone(whole)
			got, err := wasmbin.Strip(whole, tt.keep)
			if err != nil {
				t.Fatal(err)
			}
			m, err := wasmbin.Parse(got)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			rest := len(got)
			for _, c := range m.Customs {
				names = append(names, c.Name)
				rest -= len(custom(c.Name, string(c.Data)))
			}
			if !slices.Equal(names, tt.want) {
				t.Errorf("left are %q, want %q", names, tt.want)
			}
			if want := len(whole) - len(custom("first", "one")+custom("second", "")+custom("first", "two")); rest != want {
				t.Errorf("%d bytes outside custom sections, want %d", rest, want)
			}
			if !bytes.Equal(whole, before) {
				t.Error("the input was changed")
			}
		})
	}
}

func TestAppendCustom_OfASection_IsReadBack(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 1 << 14, 1 << 21} {
		data := bytes.Repeat([]byte{'x'}, n)
		wasm, err := wasmbin.AppendCustom(whole, "third", data)
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasmbin.Parse(wasm)
		if err != nil {
			t.Fatal(err)
		}
		if s := m.Section("third"); len(s) != 1 || !bytes.Equal(s[0].Data, data) || s[0].Offset != len(whole) {
			t.Errorf("a section of %d bytes is not read back", n)
		}
		if !bytes.HasPrefix(wasm, whole) {
			t.Error("the bytes before it changed")
		}
	}
}

func TestAppendCustom_OfAnInvalidSection_Fails(t *testing.T) {
	if _, err := wasmbin.AppendCustom(whole, "\xff", nil); err == nil {
		t.Error("a name that is not UTF-8 is accepted")
	}
	if _, err := wasmbin.AppendCustom([]byte("no module"), "n", nil); !errors.Is(err, wasmbin.ErrFormat) {
		t.Errorf("error %v does not wrap ErrFormat", err)
	}
	full := module(strings.Repeat(custom("", ""), wasmbin.MaxCustoms))
	if _, err := wasmbin.AppendCustom(full, "n", nil); err == nil {
		t.Error("a section over the limit is appended")
	}
	if _, err := wasmbin.Parse(append(full, custom("", "")...)); !errors.Is(err, wasmbin.ErrFormat) {
		t.Errorf("a module over the limit: error %v does not wrap ErrFormat", err)
	}
}

// FuzzRewrite changes the custom sections of any module in every way, and back. The module must be unchanged.
func FuzzRewrite(f *testing.F) {
	f.Add(whole)
	f.Add(module())
	f.Add(module(custom("mach5.connector.manifest", "{}")))
	f.Add(module("\x01\x81\x80\x80\x80\x00\x00"))
	f.Add(module(section(1, vec(unary)), section(3, vec("\x00")), section(5, vec("\x03\x01\x02")), section(8, "\x00")))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := wasmbin.Parse(wasm)
		if err != nil {
			if !errors.Is(err, wasmbin.ErrFormat) {
				t.Fatalf("error %v does not wrap ErrFormat", err)
			}
			return
		}
		if kept, err := wasmbin.Strip(wasm, func(string) bool { return true }); err != nil || !bytes.Equal(kept, wasm) {
			t.Fatalf("keeping everything changed the module (%v)", err)
		}
		stripped, err := wasmbin.Strip(wasm, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		packed, err := wasmbin.AppendCustom(stripped, "section", wasm)
		if err != nil {
			t.Fatal(err)
		}
		again, err := wasmbin.Parse(packed)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Customs) != 1 || again.Customs[0].Name != "section" || !bytes.Equal(again.Customs[0].Data, wasm) {
			t.Fatal("only the appended section should be added")
		}
		m.Customs, again.Customs, m.Size, again.Size = nil, nil, 0, 0
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("the rest changed (-before +after):\n%s", diff)
		}
		restored, err := wasmbin.Strip(packed, func(n string) bool { return n != "section" })
		if err != nil || !bytes.Equal(restored, stripped) {
			t.Fatalf("stripping the appended section does not restore the module (%v)", err)
		}
	})
}
