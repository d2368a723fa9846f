package wasmbin_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// remembering returns a module with one page of memory and data segments.
func remembering(segments ...string) []byte {
	return module(section(5, vec("\x00\x01")), section(7, vec(name("memory")+"\x02\x00")), section(11, vec(segments...)))
}

func at(address byte, data string) string {
	return "\x00\x41" + string(rune(address)) + "\x0b" + name(data)
}

// memory returns the initial memory of a module.
func memory(t *testing.T, wasm []byte) []byte {
	t.Helper()
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = runtime.Close(ctx) }()
	m, err := runtime.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	content, _ := m.Memory().Read(0, 1<<16)
	return bytes.Clone(content)
}

func TestEditData_OfSegments_RewritesThem(t *testing.T) {
	wasm := remembering(at(40, "behind"), at(8, "before\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00end"))
	got, err := wasmbin.EditData(wasm, func(image []byte) { copy(image, "BEFORE") })
	if err != nil {
		t.Fatal(err)
	}
	want := remembering(at(8, "BEFORE"), at(26, "end"), at(40, "behind"))
	if !bytes.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEditData_RandomSegments_MakeTheSameMemory(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		var segments []string
		for address := r.IntN(20); address < 60; address += r.IntN(20) {
			data := make([]byte, 1+r.IntN(12))
			for i := range data {
				data[i] = byte(r.IntN(2) * r.IntN(256))
			}
			segments = append(segments, at(byte(address), string(data)))
			address += len(data)
		}
		r.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })
		wasm := remembering(segments...)
		got, err := wasmbin.EditData(wasm, func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(memory(t, got), memory(t, wasm)) {
			t.Errorf("seed %d: a different memory for %q", seed, segments)
		}
	}
}

func TestEditData_OtherSegments_AreRefused(t *testing.T) {
	for name, wasm := range map[string][]byte{
		"two that overlap":      remembering(at(8, "abc"), at(10, "x")),
		"a passive one":         remembering("\x01" + name("abc")),
		"an address of a table": remembering("\x00\x23\x00\x0b" + name("abc")),
		"a count of segments":   module(section(5, vec("\x00\x01")), section(12, "\x01"), section(11, vec(at(8, "abc")))),
		"an imported memory":    module(section(2, vec(name("x")+name("y")+"\x02\x00\x01")), section(11, vec(at(8, "abc")))),
	} {
		if _, err := wasmbin.EditData(wasm, func([]byte) {}); !errors.Is(err, wasmbin.ErrData) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzEditData(f *testing.F) {
	f.Add(remembering(at(8, "abc"), at(20, "x")))
	f.Add(remembering(at(8, strings.Repeat("\x00", 30)+"x")))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) > 1<<16 {
			t.Skip()
		}
		out, err := wasmbin.EditData(wasm, func([]byte) {})
		if err != nil {
			return
		}
		if _, err := wasmbin.Parse(out); err != nil {
			t.Fatalf("the result is not a valid module: %v", err)
		}
	})
}
