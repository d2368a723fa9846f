package attacks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// resourceAttacks use too much time, memory, stack or messages.
func resourceAttacks() []kit.Attack {
	var all []kit.Attack
	const timeout = 400 * time.Millisecond
	limits := target.Limits{CallTimeout: timeout, MemoryBytes: 32 << 20, Concurrency: 2}
	ends := func(name, wall string, o kit.RigOptions, outcomes []abi.Outcome, steps ...string) {
		all = append(all, kit.Attack{Family: "resources", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			if o.Limits == (target.Limits{}) {
				o.Limits = limits
			}
			r, err := a.NewRig(o)
			if err != nil {
				return err
			}
			res, err := r.Run("read", steps...)
			if err != nil {
				return err
			}
			if res.Took > o.Limits.CallTimeout+a.Patience {
				return fmt.Errorf("a call of %v took %v", o.Limits.CallTimeout, res.Took)
			}
			if err := res.Ended(outcomes...); err != nil {
				return err
			}
			if o.Wasm != nil || o.Handler != nil {
				return nil
			}
			return r.Serves()
		}})
	}
	late, broken := []abi.Outcome{abi.Unavailable}, []abi.Outcome{abi.Failed}
	either := []abi.Outcome{abi.Unavailable, abi.Failed, abi.Succeeded}
	const deadline, memory = "deadline", "memory limit"
	ends("an endless loop", deadline, kit.RigOptions{}, late, kit.Step("spin", ""))
	ends("an endless loop of imports", deadline, kit.RigOptions{}, late, kit.Step("spin with calls", ""))
	ends("a recursion of exponential time", deadline, kit.RigOptions{}, late, kit.Step("recurse", ""))
	ends("an endless recursion", "stack", kit.RigOptions{Limits: target.Limits{CallTimeout: 3 * time.Second, MemoryBytes: 32 << 20}}, either, kit.Step("recurse deeper", ""))
	ends("endless memory", memory, kit.RigOptions{Limits: target.Limits{CallTimeout: 5 * time.Second, MemoryBytes: 32 << 20}}, either, kit.Step("eat", ""))
	ends("endless messages", memory, kit.RigOptions{}, either, kit.Step("eat messages", ""))
	ends("endless small messages", memory, kit.RigOptions{}, either, kit.Step("eat small messages", ""))
	ends("endless allocation and release of messages", deadline, kit.RigOptions{}, either, kit.Step("churn messages", ""))
	ends("endless goroutines", deadline, kit.RigOptions{Limits: target.Limits{CallTimeout: 2 * time.Second, MemoryBytes: 32 << 20}}, either, kit.Step("goroutines", ""))
	ends("a deadlock", deadline, kit.RigOptions{}, either, kit.Step("deadlock", ""))
	ends("endless waits of a day", "waiting", kit.RigOptions{}, either, kit.Times(1000, kit.Step("wait", "", 86_400_000)))
	ends("endless short waits", deadline, kit.RigOptions{}, either, kit.Times(100_000, kit.Step("wait", "", 50)))
	ends("endless refused requests", deadline, kit.RigOptions{}, either, kit.Step("send endlessly", `{"endpoint":"GET /svc/v1/none"}`))
	ends("10,000 requests", "requests limit", kit.RigOptions{Limits: target.Limits{CallTimeout: 10 * time.Second, Requests: 50}}, either, kit.Times(10_000, kit.Send(kit.Get)))
	big := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"a":"`+strings.Repeat("x", 6<<20)+`"}]`)
	}
	ends("endless reads of a large body", deadline, kit.RigOptions{Handler: big}, either, kit.Send(kit.Logs), kit.Step("read endlessly", ""))
	ends("endless emits of a large body", deadline, kit.RigOptions{Handler: big}, either, kit.Send(kit.Logs), kit.Step("emit endlessly", `{"path":"none"}`))
	huge := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"a":"`+strings.Repeat("x", 32<<20)+`"}]`)
	}
	ends("emits of a huge body in one call of the guest", deadline, kit.RigOptions{Handler: huge, Limits: target.Limits{CallTimeout: 2 * time.Second, MemoryBytes: 32 << 20, Concurrency: 2}},
		either, kit.Send(kit.Logs), kit.Step("emit endlessly at once", `{"path":"none"}`))
	ends("endless keys of a large body", deadline, kit.RigOptions{Handler: big}, either, kit.Send(kit.Logs), kit.Step("emit endlessly", `{"keys":true,"key":"none"}`))
	ends("endless emitted values", "records limit", kit.RigOptions{}, either, kit.Step("emit values endlessly", `{"id":"1"}`))
	ends("endless output", deadline, kit.RigOptions{}, either, kit.Step("print endlessly", strings.Repeat("x", 4096)))
	ends("a thousand duplicates of an omitted member", "emit options", kit.RigOptions{Limits: target.Limits{CallTimeout: time.Second}, Handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{`+strings.Repeat(`"a":"`+strings.Repeat("x", 4096)+`",`, 1500)+`"id":"1"}]`)
	}}, either, kit.Send(kit.Logs), kit.Step("records_emit", `{"omit":["a"`+strings.Repeat(`,"b.c.d"`, 60)+`]}`, "{handle}"))
	ends("a panic", "traps", kit.RigOptions{}, broken, kit.Step("panic", "marker"))
	ends("an invalid address", "traps", kit.RigOptions{}, broken, kit.Step("nil", ""))
	ends("a division by zero", "traps", kit.RigOptions{}, broken, kit.Step("divide", ""))
	ends("an exit with 0", "traps", kit.RigOptions{}, broken, kit.Step("exit", "", 0))
	ends("an exit with 1", "traps", kit.RigOptions{}, broken, kit.Step("exit", "", 1))
	ends("a program that overwrites its own memory", "traps", kit.RigOptions{}, either, kit.Step("write code", "", 4096, 1<<40), kit.Step("message of", "", 8))
	ends("a trap between two requests", "traps", kit.RigOptions{}, broken, kit.Send(kit.Get), kit.Step("panic", ""))

	wasm := func(name, wall string, outcomes []abi.Outcome, m assemble.Module) {
		ends(name, wall, kit.RigOptions{Wasm: m.Build()}, outcomes)
	}
	wasm("a loop that fills all memory", deadline, late, assemble.Module{Memory: "\x00\x80\x04", Invoke: assemble.Loop(assemble.I32(0) + assemble.I32(0) + assemble.I32(32<<20) + "\xfc\x0b\x00")})
	wasm("a loop that copies all memory", deadline, late, assemble.Module{Memory: "\x00\x80\x04", Invoke: assemble.Loop(assemble.I32(0) + assemble.I32(16<<20) + assemble.I32(16<<20) + "\xfc\x0a\x00\x00")})
	wasm("memory.grow in a loop", memory, late, assemble.Module{Invoke: assemble.Loop(assemble.I32(1) + "\x40\x00" + assemble.Drop)})
	wasm("memory.grow by 4 GiB", memory, broken, assemble.Module{Invoke: assemble.I32(65535) + "\x40\x00" + assemble.I32(-1) + "\x46\x45"}) // memory.grow returns -1: the export returns 0 without an output
	wasm("an instruction that traps", "traps", broken, assemble.Module{Invoke: "\x00"})
	wasm("a call of a null reference", "traps", broken, assemble.Module{Table: "\x70\x00\x01", Invoke: assemble.I32(0) + "\x11\x00\x00"})
	wasm("a loop of branches by table", deadline, late, assemble.Module{Invoke: "\x03\x40" + assemble.I32(0) + "\x0e\x01\x00\x00" + assemble.End + assemble.I32(0)})
	wasm("a stack of many locals", "stack", either, assemble.Module{Locals: "\x01" + assemble.LEB(40_000) + "\x7e", Invoke: "\x10\x00"})
	kernel := []string{assemble.Imported("extism:host/env", "alloc", 1), assemble.Imported("extism:host/env", "store_u64", 2), assemble.Imported("extism:host/env", "length", 1)}
	types := []string{"\x60\x01\x7e\x01\x7e", "\x60\x02\x7e\x7e\x00"}
	// A host must keep the bookkeeping of messages where no module can write. Extism's kernel keeps it between the
	// messages. There, a size of -12 makes its search loop endlessly, in code that nothing interrupts.
	for what, v := range map[string]int64{"zeros": 0, "sizes that point back": -12, "sizes beyond memory": 0x7fffffff, "ones": -1} {
		ends("bookkeeping overwritten with "+what, "message bookkeeping", kit.RigOptions{}, either,
			kit.Step("scribble", "", 64, 1<<20, fmt.Sprintf("%#x", uint64(v))), kit.Step("alloc", "", 64), kit.Step("length", "", 4096))
		wasm("bookkeeping overwritten byte by byte with "+what, "message bookkeeping", either, assemble.Module{Types: types, Imports: kernel, Locals: "\x01\x01\x7e",
			Invoke: assemble.I64(65) + "\x21\x00" + assemble.Loop("\x20\x00"+assemble.I64(v)+"\x10\x01"+ // store
				"\x20\x00"+assemble.I64(1)+"\x7c\x21\x00"+ // the next
				assemble.I64(64)+"\x10\x00"+"\x10\x02"+assemble.Drop)}) // length(alloc(64))
	}
	all = append(all, kit.Attack{Family: "resources", Name: "messages and memory, each under the limit", Wall: "memory of messages", Run: func(a *kit.Attempt) error {
		m := messenger(assemble.Module{})
		m.Invoke = assemble.I64(24<<20) + "\x10\x00\x50" + assemble.I32(24<<20>>16) + "\x40\x00" + assemble.I32(-1) + "\x46\x72\x04\x40" + // if alloc(24 MiB) == 0 | memory.grow(24 MiB) == -1
			respond(`{"outcome":"succeeded","output":{"steps":[{"value":"0","text":"refused"}]}}`) + "\x05" +
			respond(`{"outcome":"succeeded","output":{"steps":[{"value":"0","text":"48 MiB"}]}}`) + assemble.End + assemble.I32(0)
		res, err := a.One(kit.RigOptions{Wasm: m.Build(), Limits: limits}, "read")
		if err != nil {
			return err
		}
		if res.Text(0) == "48 MiB" {
			return fmt.Errorf("it got 48 MiB, where %d bytes are the limit", limits.MemoryBytes)
		}
		return res.Ended(abi.Succeeded, abi.Failed)
	}})
	all = append(all, kit.Attack{Family: "resources", Name: "a call canceled by its caller", Wall: deadline, Run: func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{CallTimeout: 30 * time.Second, Concurrency: 1}})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(a.Ctx, 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		res, err := r.Invoke(ctx, "read", []byte(`{"steps":[`+kit.Step("spin", "")+`]}`))
		if took := time.Since(began); took > a.Patience {
			return fmt.Errorf("it continued for %v", took)
		}
		if err == nil && res.Outcome.OK() {
			return fmt.Errorf("it ended as %s", res.Outcome)
		}
		return r.Serves()
	}})
	return all
}
