package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// manifest is a manifest that the packer accepts. The sandbox does not read it.
const manifest = `{"abi":"mach5:connector/v1","kind":"test","version":"0","config_schema":{},"rate_limit_headers":{"limit":"L","remaining":"R","reset":"S"},
	"operations":[{"name":"read","summary":"x","class":"read","surfaces":["axon"],"idempotency":"safe","input_schema":{"type":"object"},
	"endpoints":[{"endpoint":"GET /things","bucket":"x"}]}]}`

// guest returns a Go module that calls hostcall's imports and does what its input says.
func guest(tb testing.TB) (*wasmbin.Module, []byte) {
	tb.Helper()
	wasm, err := pack.CachedPackage(context.Background(), "./host/testdata/hostile", []byte(manifest))
	if err != nil {
		tb.Fatal(err)
	}
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		tb.Fatal(err)
	}
	return bin, wasm
}

// config defines host functions that return nothing.
func config() Config {
	c := Config{Namespace: "mach5:connector/v1", Exports: []string{"invoke"}, Memory: 1 << 30, Logger: slog.New(slog.DiscardHandler)}
	for name, params := range map[string]int{"http_send": 1, "body_read": 3, "records_emit": 2, "record_emit": 1, "secret_get": 1, "wait": 1} {
		c.Functions = append(c.Functions, HostFunction{name, params, func(context.Context, any, *Messages, []uint64) uint64 { return 0 }})
	}
	return c
}

func compile(tb testing.TB) *Module {
	tb.Helper()
	bin, wasm := guest(tb)
	c := config()
	if dir, err := os.UserCacheDir(); err == nil {
		c.CacheDir = dir + "/okta-connector/wasm"
	}
	if err := c.Check(bin); err != nil {
		tb.Fatal(err)
	}
	m, err := Compile(context.Background(), bin, wasm, c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

func pool(tb testing.TB, m *Module) *Pool {
	tb.Helper()
	p := m.NewPool(PoolOptions{Memory: 64 << 20, Concurrency: 1, Logger: slog.New(slog.DiscardHandler)})
	tb.Cleanup(func() { p.Close(context.Background()) })
	return p
}

// idleAfterCall makes a call and returns the restored instance, or the one that replaced it.
func idleAfterCall(tb testing.TB, p *Pool) *Instance {
	tb.Helper()
	out, err := p.Run(context.Background(), "a call", "invoke", []byte(`{"input":{"do":"send","requests":["MARKER"]}}`))
	if err != nil || !bytes.Contains(out, []byte("succeeded")) {
		tb.Fatalf("%s %v", out, err)
	}
	idle := p.Idle()
	if len(idle) != 1 {
		tb.Fatalf("%d instances are idle, want 1", len(idle))
	}
	if err := idle[0].Verify(); err != nil {
		tb.Fatal(err)
	}
	return idle[0]
}

// Few pages are copied back, many are dropped.
func TestRestore_AfterFewOrManyPages_LeavesNoByte(t *testing.T) {
	in := idleAfterCall(t, pool(t, compile(t)))
	memory := in.module.Memory()
	const page = 4096
	for _, n := range []uint32{0, 1, 3, 100, 191, 192, 193, 400, memory.Size() / page} {
		for i := range n {
			if !memory.WriteUint64Le(i*page+page-8, 0x4d41524b4d41524b) {
				t.Fatal("the memory cannot be written")
			}
		}
		for _, g := range in.globals {
			g.Set(g.Get() + 1)
		}
		in.ticks++
		in.messages.Write([]byte("MARKER"))
		in.stderr.add([]byte("MARKER"))
		if n > 0 && in.Verify() == nil {
			t.Fatalf("%d pages were written and nothing differs, so the test proves nothing", n)
		}
		if !in.restore() {
			t.Fatalf("after %d pages: not restored", n)
		}
		if err := in.Verify(); err != nil {
			t.Fatalf("after %d pages: %v", n, err)
		}
	}
}

// Memory cannot shrink back to the snapshot.
func TestPool_AfterAnInstanceGrew_ReplacesIt(t *testing.T) {
	p := pool(t, compile(t))
	in := idleAfterCall(t, p)
	if _, ok := in.module.Memory().Grow(1); !ok {
		t.Fatal("the memory cannot grow")
	}
	again := idleAfterCall(t, p)
	if again == in {
		t.Error("the grown instance is still used")
	}
	if idleAfterCall(t, p) != again {
		t.Error("its replacement is not kept")
	}
}

// Tests in package host rely on Verify.
func TestVerify_OfEachChange_ReportsIt(t *testing.T) {
	in := idleAfterCall(t, pool(t, compile(t)))
	for name, change := range map[string]func(){
		"memory":    func() { in.module.Memory().WriteByte(in.module.Memory().Size()-1, 77) },
		"a global":  func() { in.globals[0].Set(in.globals[0].Get() + 1) },
		"interrupt": func() { in.interrupt.Set(1) },
		"messages":  func() { in.messages.Write([]byte("MARKER")) },
		"the clock": func() { in.ticks++ },
		"stderr":    func() { in.stderr.add([]byte("x")) },
	} {
		change()
		if in.Verify() == nil {
			t.Errorf("%s: not reported", name)
		}
		in.interrupt.Set(0)
		if !in.restore() || in.Verify() != nil {
			t.Fatalf("%s: not restored", name)
		}
	}
}

// No instance may be created while or after a module is closed. Run under -race.
func TestClose_WhileInstancesAreMade_LeavesNone(t *testing.T) {
	ctx := context.Background()
	for range 5 {
		m := compile(t)
		var wg sync.WaitGroup
		var made atomic.Int64
		for range 4 {
			wg.Go(func() {
				for {
					ctx, end, err := m.begin(ctx)
					var in *Instance
					if err == nil {
						in, err = m.newInstance(ctx, 1<<30)
						end()
					}
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

// No file descriptor, goroutine or mapping may remain.
func TestClose_AfterInstances_LeavesNothingBehind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	ctx := context.Background()
	bin, wasm := guest(t)
	count := func() (mappings, descriptors, goroutines int) {
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(maps, []byte("wasm-snapshot")), len(fds), runtime.NumGoroutine()
	}
	round := func() {
		m, err := Compile(ctx, bin, wasm, config())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			in, err := m.newInstance(ctx, 64<<20)
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
		t.Errorf("%d mappings of snapshots, %d descriptors (%d before), %d goroutines (%d before)", m, d, descriptors, g, goroutines)
	}
}

// BenchmarkInstance measures a restore after a call, a new instance from the snapshot, a new instance that
// initialises itself, a call without a restore, and the memory of an idle instance.
func BenchmarkInstance(b *testing.B) {
	m := compile(b)
	ctx := context.Background()
	lookup := func(in *Instance) {
		out, err := in.call(ctx, "a call", "invoke", []byte(`{"input":{"do":"send","requests":[]}}`))
		if err != nil || !bytes.Contains(out, []byte("succeeded")) {
			b.Fatal(string(out), err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	fresh := func(snapshot bool) *Instance {
		in, err := m.instantiate(64 << 20)
		if err != nil {
			b.Fatal(err)
		}
		if snapshot {
			err = m.initialise(ctx, in)
		} else {
			err = in.initialise(ctx)
		}
		if err != nil {
			b.Fatal(err)
		}
		return in
	}
	const rounds = 300
	for b.Loop() {
		in, plain := fresh(true), fresh(true)
		var restore, restored, unrestored, fromSnapshot, fromNothing time.Duration
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
			plain.messages.reset()
		}
		in.close(log)
		plain.close(log)
		for range 20 {
			start := time.Now()
			i := fresh(true)
			fromSnapshot += time.Since(start)
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
		b.ReportMetric(ms(fromSnapshot, 20), "ms-new-from-snapshot")
		b.ReportMetric(ms(fromNothing, 20), "ms-new-initialised")
		b.ReportMetric(idleMemory(b, fresh, lookup, true), "MiB-idle")
		b.ReportMetric(idleMemory(b, fresh, lookup, false), "MiB-idle-plain")
		b.ReportMetric(0, "ns/op")
	}
}

// idleMemory returns how much each of 50 idle instances that served a call adds to the process's memory, in MiB. It
// includes their part of shared pages.
func idleMemory(b *testing.B, fresh func(bool) *Instance, lookup func(*Instance), snapshot bool) float64 {
	const n = 50
	before := proportional(b)
	all := make([]*Instance, n)
	for i := range all {
		all[i] = fresh(snapshot)
		lookup(all[i])
		if snapshot && !all[i].restore() {
			b.Log("an instance grew in its first call")
		}
	}
	after := proportional(b)
	for _, in := range all {
		in.close(slog.New(slog.DiscardHandler))
	}
	return float64(after-before) / n / (1 << 20)
}

// proportional returns the process's memory (Pss) in bytes, or 0 if it is unknown.
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
