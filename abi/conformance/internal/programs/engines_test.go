package programs

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mach5/okta-connector/internal/figures"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// TestEngines_OfRandomPrograms_GiveTheSameResults runs programs compiled and interpreted, instrumented and plain. Their imports
// are simulated, so that all runs get the same answers. PROGRAMS_SEED repeats one program, and PROGRAMS_TIME runs as many as
// fit into a time.
func TestEngines_OfRandomPrograms_GiveTheSameResults(t *testing.T) {
	seed, count, until := Plan(t.Output(), 60, 0)
	if testing.Short() {
		count = 20
	}
	programs, trapped, calls := 0, 0, 0
	for n := uint64(0); int(n) < count || time.Now().Before(until); n++ {
		wasm := Generate(seed+n, []string{"GET /svc/v1/feed"}, false)
		instrumented, _, err := wasmbin.Interruptible(wasm, "stop")
		if err != nil {
			t.Fatalf("PROGRAMS_SEED=%d: %v", seed+n, err)
		}
		var want *trace
		for name, run := range map[string]func() (*trace, error){
			"compiled, plain":           func() (*trace, error) { return execute(wazero.NewRuntimeConfigCompiler(), wasm, seed+n) },
			"interpreted, plain":        func() (*trace, error) { return execute(wazero.NewRuntimeConfigInterpreter(), wasm, seed+n) },
			"compiled, instrumented":    func() (*trace, error) { return execute(wazero.NewRuntimeConfigCompiler(), instrumented, seed+n) },
			"interpreted, instrumented": func() (*trace, error) { return execute(wazero.NewRuntimeConfigInterpreter(), instrumented, seed+n) },
		} {
			got, err := run()
			if err != nil {
				t.Fatalf("PROGRAMS_SEED=%d, %s: %v", seed+n, name, err)
			}
			if want == nil {
				want = got
			} else if *got != *want {
				t.Errorf("PROGRAMS_SEED=%d, %s: %+v, but another engine gives %+v", seed+n, name, *got, *want)
			}
		}
		if programs++; want.trap != "" {
			trapped++
		}
		calls += want.calls
	}
	if os.Getenv("PROGRAMS_SEED") == "" {
		figures.Keep(t, "engines", fmt.Sprintf("engines      %d random programs, four ways each: the same results; %d calls of imports, %d programs trapped", programs, calls, trapped))
	}
}

// trace is what a program did.
type trace struct {
	result uint64
	trap   string
	calls  int
	hash   uint64 // covers all calls, their arguments, and the memory at the end
}

// execute runs a program with simulated imports. Their answers depend on the seed and the calls before.
func execute(config wazero.RuntimeConfig, wasm []byte, seed uint64) (*trace, error) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(16))
	defer func() { _ = r.Close(ctx) }()
	got := &trace{}
	hash := fnv.New64a()
	answers := rand.New(rand.NewPCG(seed, 1))
	builders := map[string]wazero.HostModuleBuilder{}
	for i, f := range functions {
		b := builders[f.module]
		if b == nil {
			b = r.NewHostModuleBuilder(f.module)
			builders[f.module] = b
		}
		params, results := typesOf(f.params), typesOf(f.result)
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
			if got.calls++; got.calls > 1_000_000 {
				panic(errors.New("too many calls")) // the same for all engines
			}
			for at, p := range params {
				if p == api.ValueTypeI32 {
					stack[at] = uint64(uint32(stack[at])) // the upper half has no meaning
				}
			}
			_, _ = fmt.Fprint(hash, i, stack[:len(params)])
			if len(results) == 1 {
				stack[0] = answers.Uint64() >> answers.IntN(64)
				if results[0] == api.ValueTypeI32 {
					stack[0] = uint64(uint32(stack[0]))
				}
			}
		}), params, results).Export(f.name)
	}
	for _, b := range builders {
		if _, err := b.Instantiate(ctx); err != nil {
			return nil, err
		}
	}
	m, err := r.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err
	}
	result, err := m.ExportedFunction("invoke").Call(ctx)
	if err != nil {
		got.trap, _, _ = strings.Cut(err.Error(), "\n")
	} else {
		got.result = result[0]
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	_, _ = hash.Write(memory)
	got.hash = hash.Sum64()
	return got, nil
}

func typesOf(letters string) (types []api.ValueType) {
	for _, l := range letters {
		types = append(types, map[rune]api.ValueType{'l': api.ValueTypeI64, 'i': api.ValueTypeI32}[l])
	}
	return types
}

func TestGenerate_OfASeed_IsAlwaysTheSame(t *testing.T) {
	for seed := range uint64(20) {
		first := string(Generate(seed, nil, true))
		if again := string(Generate(seed, nil, true)); again != first {
			t.Error(strconv.FormatUint(seed, 10))
		}
	}
}
