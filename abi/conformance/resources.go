package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// resourceAttacks use up what there is: time, memory, stack, messages.
func resourceAttacks() []Attack {
	var all []Attack
	const timeout = 400 * time.Millisecond
	limits := Limits{CallTimeout: timeout, MemoryBytes: 32 << 20, Concurrency: 2}
	ends := func(name, wall string, o rigOptions, outcomes []abi.Outcome, steps ...string) {
		all = append(all, Attack{Family: "resources", Name: name, Wall: wall, run: func(a *attempt) error {
			if o.limits == (Limits{}) {
				o.limits = limits
			}
			r, err := a.session(o)
			if err != nil {
				return err
			}
			res, err := r.invoke("read", steps...)
			if err != nil {
				return err
			}
			if res.took > o.limits.CallTimeout+a.patience {
				return fmt.Errorf("a call of %v took %v", o.limits.CallTimeout, res.took)
			}
			if err := res.ended(outcomes...); err != nil {
				return err
			}
			if o.wasm != nil || o.handler != nil {
				return nil
			}
			return r.serves()
		}})
	}
	late, broken := []abi.Outcome{abi.Unavailable}, []abi.Outcome{abi.Failed}
	either := []abi.Outcome{abi.Unavailable, abi.Failed, abi.Succeeded}
	const deadline, memory = "deadline", "memory limit"
	ends("a loop without an end", deadline, rigOptions{}, late, step("spin", ""))
	ends("a loop of imports without an end", deadline, rigOptions{}, late, step("spin with calls", ""))
	ends("a recursion for ages", deadline, rigOptions{}, late, step("recurse", ""))
	ends("a recursion without an end", "stack", rigOptions{limits: Limits{CallTimeout: 3 * time.Second, MemoryBytes: 32 << 20}}, either, step("recurse deeper", ""))
	ends("memory without an end", memory, rigOptions{limits: Limits{CallTimeout: 5 * time.Second, MemoryBytes: 32 << 20}}, either, step("eat", ""))
	ends("messages without an end", memory, rigOptions{}, either, step("eat messages", ""))
	ends("small messages without an end", memory, rigOptions{}, either, step("eat small messages", ""))
	ends("messages that come and go without an end", deadline, rigOptions{}, either, step("churn messages", ""))
	ends("goroutines without an end", deadline, rigOptions{limits: Limits{CallTimeout: 2 * time.Second, MemoryBytes: 32 << 20}}, either, step("goroutines", ""))
	ends("a deadlock", deadline, rigOptions{}, either, step("deadlock", ""))
	ends("waiting for ever, a day at a time", "waiting", rigOptions{}, either, times(1000, step("wait", "", 86_400_000)))
	ends("waiting for ever, a bit at a time", deadline, rigOptions{}, either, times(100_000, step("wait", "", 50)))
	ends("refused requests without an end", deadline, rigOptions{}, either, step("send for ever", `{"endpoint":"GET /api/v1/none"}`))
	ends("10,000 requests", "requests limit", rigOptions{limits: Limits{CallTimeout: 10 * time.Second, Requests: 50}}, either, times(10_000, send(get)))
	big := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"a":"`+strings.Repeat("x", 6<<20)+`"}]`)
	}
	ends("reads of a large body without an end", deadline, rigOptions{handler: big}, either, send(logs), step("read for ever", ""))
	ends("emits of a large body without an end", deadline, rigOptions{handler: big}, either, send(logs), step("emit for ever", `{"path":"none"}`))
	huge := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"a":"`+strings.Repeat("x", 32<<20)+`"}]`)
	}
	ends("emits of a huge body, one right after the other", deadline, rigOptions{handler: huge, limits: Limits{CallTimeout: 2 * time.Second, MemoryBytes: 32 << 20, Concurrency: 2}},
		either, send(logs), step("emit for ever at once", `{"path":"none"}`))
	ends("keys of a large body without an end", deadline, rigOptions{handler: big}, either, send(logs), step("emit for ever", `{"keys":true,"key":"none"}`))
	ends("values that are emitted without an end", "records limit", rigOptions{}, either, step("emit values for ever", `{"id":"1"}`))
	ends("output without an end", deadline, rigOptions{}, either, step("print for ever", strings.Repeat("x", 4096)))
	ends("members to leave out that stand a thousand times", "emit options", rigOptions{limits: Limits{CallTimeout: time.Second}, handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{`+strings.Repeat(`"a":"`+strings.Repeat("x", 4096)+`",`, 1500)+`"id":"1"}]`)
	}}, either, send(logs), step("records_emit", `{"omit":["a"`+strings.Repeat(`,"b.c.d"`, 60)+`]}`, "{handle}"))
	ends("a panic", "traps", rigOptions{}, broken, step("panic", "marker"))
	ends("an address that is none", "traps", rigOptions{}, broken, step("nil", ""))
	ends("a division by zero", "traps", rigOptions{}, broken, step("divide", ""))
	ends("an exit with 0", "traps", rigOptions{}, broken, step("exit", "", 0))
	ends("an exit with 1", "traps", rigOptions{}, broken, step("exit", "", 1))
	ends("a program that writes over its own memory", "traps", rigOptions{}, either, step("write code", "", 4096, 1<<40), step("message of", "", 8))
	ends("a trap between two requests", "traps", rigOptions{}, broken, send(get), step("panic", ""))

	wasm := func(name, wall string, outcomes []abi.Outcome, m assembly) {
		ends(name, wall, rigOptions{wasm: m.build()}, outcomes)
	}
	wasm("a loop whose every turn fills all memory", deadline, late, assembly{memory: "\x00\x80\x04", invoke: loop(i32(0) + i32(0) + i32(32<<20) + "\xfc\x0b\x00")})
	wasm("a loop whose every turn copies all memory", deadline, late, assembly{memory: "\x00\x80\x04", invoke: loop(i32(0) + i32(16<<20) + i32(16<<20) + "\xfc\x0a\x00\x00")})
	wasm("memory.grow in a loop", memory, late, assembly{invoke: loop(i32(1) + "\x40\x00" + drop)})
	wasm("memory.grow by all there is", memory, broken, assembly{invoke: i32(65535) + "\x40\x00" + i32(-1) + "\x46\x45"}) // -1 is the answer: 0 is returned, without an output
	wasm("an instruction that traps", "traps", broken, assembly{invoke: "\x00"})
	wasm("a call of a null reference", "traps", broken, assembly{table: "\x70\x00\x01", invoke: i32(0) + "\x11\x00\x00"})
	wasm("a loop of branches by table", deadline, late, assembly{invoke: "\x03\x40" + i32(0) + "\x0e\x01\x00\x00" + end + i32(0)})
	wasm("a stack of many locals", "stack", either, assembly{locals: "\x01" + leb(40_000) + "\x7e", invoke: "\x10\x00"})
	kernel := []string{imported("extism:host/env", "alloc", 1), imported("extism:host/env", "store_u64", 2), imported("extism:host/env", "length", 1)}
	types := []string{"\x60\x01\x7e\x01\x7e", "\x60\x02\x7e\x7e\x00"}
	// Wherever a host keeps the books of its messages, they must not lie where a module can write. Extism's own kernel has
	// them between the messages: a size of -12 there leads back to itself, for ever, in code that nothing interrupts.
	for what, v := range map[string]int64{"zeros": 0, "sizes that lead back": -12, "sizes beyond all memory": 0x7fffffff, "ones": -1} {
		ends("books written over with "+what, "books of messages", rigOptions{}, either,
			step("scribble", "", 64, 1<<20, fmt.Sprintf("%#x", uint64(v))), step("alloc", "", 64), step("length", "", 4096))
		wasm("books written over byte by byte with "+what, "books of messages", either, assembly{types: types, imports: kernel, locals: "\x01\x01\x7e",
			invoke: i64(65) + "\x21\x00" + loop("\x20\x00"+i64(v)+"\x10\x01"+ // store
				"\x20\x00"+i64(1)+"\x7c\x21\x00"+ // the next
				i64(64)+"\x10\x00"+"\x10\x02"+drop)}) // length(alloc(64))
	}
	all = append(all, Attack{Family: "resources", Name: "a call that is given up by its caller", Wall: deadline, run: func(a *attempt) error {
		r, err := a.session(rigOptions{limits: Limits{CallTimeout: 30 * time.Second, Concurrency: 1}})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(a.ctx, 300*time.Millisecond)
		defer cancel()
		began := time.Now()
		res, err := r.Invoke(ctx, "read", []byte(`{"steps":[`+step("spin", "")+`]}`))
		if took := time.Since(began); took > a.patience {
			return fmt.Errorf("it went on for %v", took)
		}
		if err == nil && res.Outcome.OK() {
			return fmt.Errorf("it ended as %s", res.Outcome)
		}
		return r.serves()
	}})
	return all
}

// limitAttacks reach each limit: it is held, and the answer names it.
func limitAttacks() []Attack {
	var all []Attack
	page := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat(`{"a":"`+strings.Repeat("x", 1000)+`"},`, 99)+`{}]`)
	}
	emit := step("records_emit", "{}", "{handle}")
	for _, c := range []struct {
		name   string
		limits Limits
		limit  string
		steps  []string
	}{
		{"requests", Limits{Requests: 2}, "limits.requests", []string{send(logs), send(logs), send(logs)}},
		{"refused requests count too", Limits{Requests: 2}, "limits.requests", []string{send(`{"endpoint":1}`), send(`{"endpoint":2}`), send(`{"endpoint":3}`)}},
		{"bytes of a body", Limits{BodyBytes: 5000}, "limits.body_bytes", []string{send(logs)}},
		{"bytes of all bodies", Limits{HeldBytes: 200_000}, "limits.held_bytes", []string{send(logs), send(logs), send(logs)}},
		{"records", Limits{Records: 150}, "limits.records", []string{send(logs), emit, send(logs), emit}},
		{"bytes of all records", Limits{ResultBytes: 150_000}, "limits.result_bytes", []string{send(logs), emit, send(logs), emit}},
		{"time", Limits{CallTimeout: 300 * time.Millisecond}, "limits.call_seconds", []string{step("spin", "")}},
		{"memory", Limits{MemoryBytes: 16 << 20, CallTimeout: 10 * time.Second}, "limits.memory_bytes", []string{step("eat", "")}},
	} {
		all = append(all, Attack{Family: "limits", Name: c.name, Wall: strings.TrimPrefix(c.limit, "limits.") + " limit", run: func(a *attempt) error {
			res, err := a.one(rigOptions{handler: page, limits: c.limits}, "read", c.steps...)
			if err != nil {
				return err
			}
			if c.limits.CallTimeout > 0 && res.took > c.limits.CallTimeout+a.patience {
				return fmt.Errorf("a call of %v took %v", c.limits.CallTimeout, res.took)
			}
			return res.names(c.limit)
		}})
	}
	all = append(all, Attack{Family: "limits", Name: "memory for less than the module begins with", Wall: "memory_bytes limit", run: func(a *attempt) error {
		r, err := a.session(rigOptions{limits: Limits{MemoryBytes: 1 << 20}})
		if err != nil {
			if strings.Contains(err.Error(), "limits.memory_bytes") {
				return nil
			}
			return err
		}
		res, err := r.invoke("read", send(get))
		if err != nil {
			return err
		}
		return errors.Join(res.ended(abi.Failed), res.names("limits.memory_bytes"))
	}}, Attack{Family: "limits", Name: "calls at once", Wall: "concurrency limit", run: func(a *attempt) error {
		asked, answer := make(chan struct{}), make(chan struct{})
		var once sync.Once
		r, err := a.session(rigOptions{limits: Limits{Concurrency: 1}, handler: func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() { close(asked) })
			select {
			case <-answer:
			case <-r.Context().Done():
			}
			honest(w, r)
		}})
		if err != nil {
			return err
		}
		var wg sync.WaitGroup
		var first *result
		var failed error
		wg.Go(func() { first, failed = r.invoke("read", send(get)) })
		select { // the one slot is taken
		case <-asked:
		case <-a.ctx.Done():
		}
		second, err := r.invokeWithin(200*time.Millisecond, send(get))
		close(answer)
		wg.Wait()
		if err := errors.Join(failed, err); err != nil {
			return err
		}
		return errors.Join(first.succeeded(), second.ended(abi.Unavailable), second.names("limits.concurrency"))
	}}, Attack{Family: "limits", Name: "bytes of the log", Wall: "log limit", run: func(a *attempt) error {
		r, err := a.session(rigOptions{limits: Limits{LogBytes: 4096, Requests: 10_000}})
		if err != nil {
			return err
		}
		// Honest requests, refused ones and bad options: whatever a host writes a line about.
		if _, err := r.invoke("read", times(300, send(get)), times(300, step("records_emit", "{", 1)), times(300, send(`{"endpoint":"GET /api/v1/none"}`))); err != nil {
			return err
		}
		log := r.log.String()
		if len(log) > 16<<10 {
			return fmt.Errorf("one call wrote %d bytes to the log", len(log))
		}
		if len(log) > 4096 && !strings.Contains(log, "limits.log_bytes") {
			return fmt.Errorf("nothing names limits.log_bytes: %s", short(log))
		}
		return nil
	}}, Attack{Family: "limits", Name: "warnings of a source", Wall: "log limit", run: func(a *attempt) error {
		return warns(a, func(r *rig, input string) error {
			_, err := r.Source(a.ctx, "read", []byte(input), nil)
			return err
		})
	}}, Attack{Family: "limits", Name: "warnings of a table", Wall: "log limit", run: func(a *attempt) error {
		return warns(a, func(r *rig, input string) error {
			_, err := r.Table(a.ctx, "read", []byte(input))
			return err
		})
	}}, Attack{Family: "limits", Name: "last words", Wall: "log limit", run: func(a *attempt) error {
		r, err := a.session(rigOptions{})
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", times(100, step("fd_write", strings.Repeat("last words ", 1000), 2)), step("panic", "")); err != nil {
			return err
		}
		if n := len(r.log.String()); n > 64<<10 {
			return fmt.Errorf("one call wrote %d bytes to the log", n)
		}
		return nil
	}}, Attack{Family: "limits", Name: "an answer over 1 MiB", Wall: "answer size", run: func(a *attempt) error {
		res, err := a.one(rigOptions{}, "read", growing("answer", `{"outcome":"succeeded","output":"{{grow}}"}`, "x", 3<<20))
		if err != nil {
			return err
		}
		return res.ended(abi.Failed)
	}})
	return all
}

// warns has a module warn of everything, and wants the log to stay within its limit.
func warns(a *attempt, page func(r *rig, input string) error) error {
	r, err := a.session(rigOptions{limits: Limits{LogBytes: 4096}})
	if err != nil {
		return err
	}
	answer := `{"outcome":"succeeded","checkpoint":{"n":1},"caught_up":true,"warnings":["` + strings.Repeat(strings.Repeat("w", 100)+`","`, 1000) + `"]}`
	if err := page(r, `{"steps":[`+step("answer", answer)+`]}`); err != nil {
		return err
	}
	if n := len(r.log.String()); n > 16<<10 {
		return fmt.Errorf("one call wrote %d bytes to the log", n)
	}
	return nil
}

// growing is a step whose text is made in the module: {{grow}} is so many times a text.
func growing(do, text, with string, n int) string {
	return string(encode(map[string]any{"do": do, "text": text, "with": with, "grow": n}))
}
