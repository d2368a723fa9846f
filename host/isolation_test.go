package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// oktaModule is the connector itself.
func oktaModule(tb testing.TB) *Module {
	tb.Helper()
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := Load(ctx, wasm, LoadOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close(ctx) })
	return m
}

func connectOkta(tb testing.TB, m *Module, handler http.HandlerFunc) *Connection {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	c, err := m.Connect(context.Background(), Config{Name: "test", Kind: "okta", BaseURL: server.URL, TokenSecretRef: "env:X"},
		ConnectOptions{Secrets: fixedSecret{}, Limits: Limits{Concurrency: 1}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// atRest waits until the one instance of a connection is restored, and returns it.
func atRest(tb testing.TB, c *Connection) *instance {
	tb.Helper()
	c.pool.resting.Wait()
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if len(c.pool.idle) != 1 {
		tb.Fatalf("%d instances are idle, want 1", len(c.pool.idle))
	}
	return c.pool.idle[0]
}

// differs describes how an instance at rest is not what its image shows, "" when it is.
func differs(in *instance) string {
	memory, _ := in.main.Memory().Read(0, in.main.Memory().Size())
	if len(memory) != len(in.image.pages.all) {
		return fmt.Sprintf("%d bytes of memory, the image has %d", len(memory), len(in.image.pages.all))
	}
	for i := range memory {
		if memory[i] != in.image.pages.all[i] {
			return fmt.Sprintf("byte %#x is not that of the image", i)
		}
	}
	for i, g := range in.globals {
		if g.Get() != in.image.globals[i] {
			return fmt.Sprintf("global %d is not that of the image", i)
		}
	}
	if in.interrupt.Get() != 0 {
		return "its interrupt is set"
	}
	k := in.kernel
	if len(k.buf) != kernelBase || len(bytes.Trim(k.buf[:cap(k.buf)], "\x00")) > 0 || len(k.blocks)+len(k.free) > 0 || k.input != (span{}) || k.output != (span{}) || k.failure != 0 {
		return "the memory of messages is not empty"
	}
	if in.ticks != in.image.ticks || len(in.stderr.buf) > 0 {
		return "its clock went on, or it has last words"
	}
	return ""
}

// A call of the real connector leaves no byte of itself in the instance.
func TestAnInstanceAtRestIsItsImage(t *testing.T) {
	const user = `{"id":"00uMARKER","status":"ACTIVE","profile":{"login":"MARKER@example.com","firstName":"MARKER"}}`
	pages := 0
	c := connectOkta(t, oktaModule(t), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/api/v1/users/") {
			_, _ = io.WriteString(w, user)
			return
		}
		if pages++; pages%10 != 0 {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/users?after=%d>; rel="next"`, r.Host, pages))
		}
		_, _ = io.WriteString(w, "["+strings.Repeat(user+",", 99)+user+"]")
	})
	ctx := context.Background()
	image, first := []byte(nil), (*instance)(nil)
	for i := range 12 {
		op, input := "lookup_user", `{"user":"MARKER@example.com"}`
		if i%3 == 2 {
			op, input = "list_users", `{"limit":1000}`
		}
		res, err := c.Invoke(ctx, op, json.RawMessage(input))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(res.Output, []byte("MARKER")) {
			t.Fatalf("%.200s", res.Output)
		}
		in := atRest(t, c)
		if s := differs(in); s != "" {
			t.Fatalf("after call %d (%s): %s", i, op, s)
		}
		if first == nil {
			first = in
		} else if in != first {
			t.Errorf("after call %d (%s) there is another instance: the module has grown, and wants more headroom (guest/headroom.go)", i, op)
		}
		if bytes.Contains(in.image.pages.all, []byte("MARKER")) {
			t.Fatal("the image itself holds what a call left")
		}
		if image == nil {
			image = bytes.Clone(in.image.pages.all)
		} else if !bytes.Equal(image, in.image.pages.all) {
			t.Fatal("the image has changed")
		}
	}
}

// Few pages are copied back, and many are given back: either way, not a byte is left.
func TestPagesAreRestoredHoweverMany(t *testing.T) {
	c := connectOkta(t, oktaModule(t), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"00u1","status":"ACTIVE"}`)
	})
	if _, err := c.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"00u1"}`)); err != nil {
		t.Fatal(err)
	}
	in := atRest(t, c)
	memory := in.main.Memory()
	const page = 4096
	for _, n := range []uint32{0, 1, 3, 100, 191, 192, 193, 400, memory.Size() / page} {
		for i := range n {
			if !memory.WriteUint64Le(i*page+page-8, 0x4d41524b4d41524b) {
				t.Fatal("it cannot be written")
			}
		}
		for _, g := range in.globals {
			g.Set(g.Get() + 1)
		}
		in.ticks++
		in.kernel.put([]byte("MARKER"))
		in.stderr.add([]byte("MARKER"))
		if n > 0 && differs(in) == "" {
			t.Fatalf("%d pages were written and nothing differs: the test proves nothing", n)
		}
		if !in.restore() {
			t.Fatalf("after %d pages: it is not restored", n)
		}
		if s := differs(in); s != "" {
			t.Fatalf("after %d pages: %s", n, s)
		}
	}
}

// An instance that cannot be made its image again serves nobody else.
func TestAnInstanceThatGrewIsReplaced(t *testing.T) {
	c := connectOkta(t, oktaModule(t), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"00u1","status":"ACTIVE"}`)
	})
	lookup := func() {
		t.Helper()
		if _, err := c.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"00u1"}`)); err != nil {
			t.Fatal(err)
		}
	}
	lookup()
	in := atRest(t, c)
	if _, ok := in.main.Memory().Grow(1); !ok {
		t.Fatal("it cannot grow")
	}
	lookup()
	again := atRest(t, c)
	if again == in {
		t.Error("the instance that grew is in use")
	}
	if s := differs(again); s != "" {
		t.Errorf("the one in its place: %s", s)
	}
	lookup()
}

// A module can be closed under a call: it ends with an error, and not the process.
func TestAModuleClosedUnderACallEndsIt(t *testing.T) {
	wasm, err := pack.CachedPackage(context.Background(), "./host/testdata/hostile", internalHostileManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	m, err := Load(ctx, wasm, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Connect(ctx, Config{Name: "test", Kind: "okta", BaseURL: "https://example.okta.com", TokenSecretRef: "env:X"},
		ConnectOptions{Secrets: fixedSecret{}, Limits: Limits{CallTimeout: 500 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if res, err := c.Invoke(ctx, "read", json.RawMessage(`{"do":"spin with calls"}`)); err == nil {
				t.Errorf("it ended as %s", res.Outcome)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	_ = c.Close(ctx)
	_ = m.Close(ctx)
	wg.Wait()
}

// TestAModuleClosedWhileInstancesAreMade: none is made of what is being closed, and none afterwards. The race detector
// looks on.
func TestAModuleClosedWhileInstancesAreMade(t *testing.T) {
	wasm, err := pack.CachedPackage(context.Background(), "./host/testdata/hostile", internalHostileManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for range 5 {
		m, err := Load(ctx, wasm, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var made atomic.Int64
		for range 4 {
			wg.Go(func() {
				for {
					in, err := m.instance(ctx, defaultMemory)
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
					made.Add(1)
					in.close(m.log)
				}
			})
		}
		for made.Load() < 5 {
			time.Sleep(time.Millisecond)
		}
		_ = m.Close(ctx)
		wg.Wait()
	}
}

func internalHostileManifest(t *testing.T) []byte {
	t.Helper()
	return []byte(`{"abi":"mach5:connector/v1","kind":"okta","version":"0","config_schema":{},"rate_limit_headers":{"limit":"L","remaining":"R","reset":"S"},
		"operations":[{"name":"read","summary":"x","class":"read","surfaces":["axon"],"idempotency":"safe","input_schema":{"type":"object"},
		"endpoints":[{"endpoint":"GET /api/v1/logs","bucket":"x"}]}]}`)
}

// Instances come and go without a file descriptor, a goroutine or a mapping left behind.
func TestNothingIsLeftBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts what /proc tells of")
	}
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		t.Fatal(err)
	}
	count := func() (mappings, descriptors, goroutines int) {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(maps, []byte("okta-connector-image")), len(fds), runtime.NumGoroutine()
	}
	round := func() {
		m, err := Load(ctx, wasm, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			in, err := m.instance(ctx, 64<<20)
			if err != nil {
				t.Fatal(err)
			}
			in.close(slog.New(slog.DiscardHandler))
		}
		if err := m.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	round()
	_, descriptors, goroutines := count()
	for range 5 {
		round()
	}
	m, d, g := count()
	if m != 0 || d > descriptors || g > goroutines {
		t.Errorf("%d mappings of images, %d descriptors (%d before), %d goroutines (%d before)", m, d, descriptors, g, goroutines)
	}
}

// extismKernel is the kernel that go-sdk brings.
func extismKernel(t *testing.T) []byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	if err != nil {
		t.Skipf("where go-sdk is cannot be told: %v", err)
	}
	wasm, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "extism-runtime.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// Our kernel answers what Extism's does, to whoever uses it as it is meant.
func TestTheKernelAnswersAsExtismsDoes(t *testing.T) {
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { _ = r.Close(ctx) }()
	theirs, err := r.Instantiate(ctx, extismKernel(t))
	if err != nil {
		t.Fatal(err)
	}
	ours := newKernel(theirs, 16<<20)
	for name := range ours.functions {
		if theirs.ExportedFunction(name) == nil {
			t.Errorf("Extism's kernel has no function %s", name)
		}
	}
	call := func(f api.Function, args ...uint64) uint64 {
		t.Helper()
		stack := append(args, 0, 0)
		if err := f.CallWithStack(ctx, stack); err != nil {
			t.Fatal(err)
		}
		return stack[0]
	}
	type pair struct{ a, b uint64 } // one message, in theirs and ours
	for round := range 20 {
		rng := rand.New(rand.NewPCG(1, uint64(round)))
		call(theirs.ExportedFunction("reset"))
		ours.reset()
		var live []pair
		for range 200 {
			switch {
			case len(live) == 0 || rng.IntN(3) > 0:
				n := rng.Uint64N(300)
				p := pair{call(theirs.ExportedFunction("alloc"), n), call(ours.ExportedFunction("alloc"), n)}
				if (p.a == 0) != (p.b == 0) {
					t.Fatalf("alloc(%d): theirs %d, ours %d", n, p.a, p.b)
				}
				if n == 0 {
					continue
				}
				for i := range n {
					v := rng.Uint64N(256)
					call(theirs.ExportedFunction("store_u8"), p.a+i, v)
					call(ours.ExportedFunction("store_u8"), p.b+i, v)
				}
				live = append(live, p)
			default:
				i := rng.IntN(len(live))
				call(theirs.ExportedFunction("free"), live[i].a)
				call(ours.ExportedFunction("free"), live[i].b)
				live = append(live[:i], live[i+1:]...)
			}
			for _, p := range live {
				n, m := call(theirs.ExportedFunction("length"), p.a), call(ours.ExportedFunction("length"), p.b)
				if n != m {
					t.Fatalf("length: theirs %d, ours %d", n, m)
				}
				want, _ := theirs.Memory().Read(uint32(p.a), uint32(n))
				got, ok := ours.view(p.b, m)
				if !ok || !bytes.Equal(want, got) {
					t.Fatalf("a message of %d bytes is another", n)
				}
			}
		}
		if len(live) > 0 {
			p := live[0]
			n := call(ours.ExportedFunction("length"), p.b)
			call(theirs.ExportedFunction("input_set"), p.a, n)
			ours.input = span{p.b, n}
			call(theirs.ExportedFunction("output_set"), p.a, n)
			call(ours.ExportedFunction("output_set"), p.b, n)
			for _, f := range []string{"input_length", "output_length"} {
				if a, b := call(theirs.ExportedFunction(f)), call(ours.ExportedFunction(f)); a != b {
					t.Errorf("%s: theirs %d, ours %d", f, a, b)
				}
			}
			if a, b := call(theirs.ExportedFunction("input_load_u8"), n-1), call(ours.ExportedFunction("input_load_u8"), n-1); a != b {
				t.Errorf("input_load_u8: theirs %d, ours %d", a, b)
			}
		}
	}
}

// What our kernel stands in for has no state beside its memory but a stack pointer, and is never asked.
func TestExtismsKernelRests(t *testing.T) {
	_, state, err := wasmbin.Interruptible(extismKernel(t), "x")
	if err != nil {
		t.Skip(err)
	}
	if n := len(state.Globals); n > 3 {
		t.Errorf("it has %d mutable globals, of which two are ours", n)
	}
}

// BenchmarkInstance tells what a pristine instance costs: to restore one after a call, beside a new one from the image,
// a new one that initialises itself, and a call without a restore; and the memory of an idle one.
func BenchmarkInstance(b *testing.B) {
	m := oktaModule(b)
	ctx := context.Background()
	c := connectOkta(b, m, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"00u1","status":"ACTIVE"}`)
	})
	lookup := func(in *instance) {
		run, fail := c.begin("lookup_user", "axon", &[]json.RawMessage{json.RawMessage(`{"user":"00u1"}`)}[0])
		if fail != nil {
			b.Fatal(fail.Error)
		}
		run.in = in
		defer run.end()
		input := `{"operation":"lookup_user","input":{"user":"00u1"},"settings":{},"deadline":"2026-01-01T00:05:00Z","now":"2026-01-01T00:00:00Z"}`
		out, err := in.call(ctx, run, "invoke", []byte(input))
		if err != nil || !bytes.Contains(out, []byte("succeeded")) {
			b.Fatal(string(out), err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	fresh := func(image bool) *instance {
		in, err := m.bare(ctx, 64<<20)
		if err != nil {
			b.Fatal(err)
		}
		if image {
			err = m.begin(ctx, in)
		} else {
			f := in.main.ExportedFunction("_initialize")
			err = f.CallWithStack(&guestContext{ctx, in, nil, 0}, make([]uint64, 1))
		}
		if err != nil {
			b.Fatal(err)
		}
		return in
	}
	const rounds = 300
	for b.Loop() {
		in, plain := fresh(true), fresh(true)
		var restore, restored, unrestored, fromImage, fromNothing time.Duration
		lookup(in)
		in.restore()
		for range rounds {
			start := time.Now()
			lookup(in)
			restored += time.Since(start)
			start = time.Now()
			if !in.restore() {
				in.close(log)
				in = fresh(true)
			}
			restore += time.Since(start)
			start = time.Now()
			lookup(plain)
			unrestored += time.Since(start)
			plain.kernel.reset()
		}
		in.close(log)
		plain.close(log)
		for range 20 {
			start := time.Now()
			i := fresh(true)
			fromImage += time.Since(start)
			i.close(log)
			start = time.Now()
			i = fresh(false)
			fromNothing += time.Since(start)
			i.close(log)
		}
		ms := func(d time.Duration, n int) float64 { return float64(d.Microseconds()) / 1000 / float64(n) }
		b.ReportMetric(ms(restore, rounds), "ms-restore")
		b.ReportMetric(ms(restored, rounds), "ms-call-restored")
		b.ReportMetric(ms(unrestored, rounds), "ms-call-unrestored")
		b.ReportMetric(ms(fromImage, 20), "ms-new-from-image")
		b.ReportMetric(ms(fromNothing, 20), "ms-new-initialised")
		b.ReportMetric(idleMemory(b, fresh, lookup, true), "MiB-idle")
		b.ReportMetric(idleMemory(b, fresh, lookup, false), "MiB-idle-plain")
		b.ReportMetric(0, "ns/op")
	}
}

// idleMemory is what each of 50 idle instances adds to the process's memory, its part of shared pages included, in MiB;
// each has served a call.
func idleMemory(b *testing.B, fresh func(bool) *instance, lookup func(*instance), image bool) float64 {
	const n = 50
	before := proportional(b)
	all := make([]*instance, n)
	for i := range all {
		all[i] = fresh(image)
		lookup(all[i])
		if image && !all[i].restore() {
			b.Log("an instance grew in its first call")
		}
	}
	after := proportional(b)
	for _, in := range all {
		in.close(slog.New(slog.DiscardHandler))
	}
	return float64(after-before) / n / (1 << 20)
}

// proportional is the process's memory in bytes (Pss), 0 where that cannot be told.
func proportional(b *testing.B) int64 {
	runtime.GC()
	runtime.GC()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	b.Log("no Pss in smaps_rollup")
	return 0
}
