package conformance

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// invokeWithin is invoke with a caller that has less patience than the connection.
func (r *rig) invokeWithin(d time.Duration, steps ...string) (*result, error) {
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	res, err := r.Invoke(ctx, "read", json.RawMessage(`{"steps":[`+strings.Join(steps, ",")+`]}`))
	if err != nil {
		return nil, err
	}
	return &result{Result: res, rig: r, raw: encode(res)}, nil
}

// marker is what one call leaves behind and the next looks for; in its input it stands in two halves.
const (
	marker = "MARKER-5f1c2e9a77b04d3e8c6a"
	halves = "MARKER-5f1c2e|9a77b04d3e8c6a"
)

// isolationAttacks leave something in one call and look for it in the next.
func isolationAttacks() []Attack {
	var all []Attack
	add := func(name, wall string, run func(*attempt) error) {
		all = append(all, Attack{Family: "isolation", Name: name, Wall: wall, run: run})
	}
	single := rigOptions{limits: Limits{Concurrency: 1}}
	// clean looks for the marker in all memory that the module can see.
	clean := func(a *attempt, r *rig) error {
		res, err := r.invoke("read", step("search", halves, a.initialMemory()))
		if err != nil {
			return err
		}
		if err := res.succeeded(); err != nil {
			return err
		}
		if n := res.value(0); n != 0 {
			return fmt.Errorf("the marker of another call stands in memory %d times", n)
		}
		return nil
	}
	add("the search finds what there is", "honest modules", func(a *attempt) error {
		res, err := a.one(single, "read", step("plant", marker), step("search", halves, a.initialMemory()))
		if err != nil {
			return err
		}
		if res.value(1) == 0 {
			return errors.New("a marker that was planted in this very call is not found: the attack proves nothing")
		}
		return nil
	})
	const memory = "restored memory"
	add("on heap and stack of the next call", memory, func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		for range 3 {
			if res, err := r.invoke("read", times(50, step("plant", marker))); err != nil || res.succeeded() != nil {
				return errors.Join(err, res.succeeded())
			}
			if err := clean(a, r); err != nil {
				return err
			}
		}
		return nil
	})
	add("in a variable of the next call", memory, func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("plant", marker)); err != nil {
			return err
		}
		res, err := r.invoke("read", step("kept", ""))
		if err != nil {
			return err
		}
		if res.text(0) != "" {
			return fmt.Errorf("the variable holds %q", res.text(0))
		}
		return res.succeeded()
	})
	add("in another connection", memory, func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		other, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", times(50, step("plant", marker))); err != nil {
			return err
		}
		return clean(a, other)
	})
	add("after memory has grown", "grown memory", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("plant", marker), step("message of", "", 4<<20), step("plant", marker)); err != nil {
			return err
		}
		return clean(a, r)
	})
	add("after a panic", "instances that failed", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("plant", marker), step("panic", "")); err != nil {
			return err
		}
		return clean(a, r)
	})
	add("after a deadline", "instances that failed", func(a *attempt) error {
		r, err := a.session(rigOptions{limits: Limits{Concurrency: 1, CallTimeout: 500 * time.Millisecond}})
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("plant", marker), step("spin", "")); err != nil {
			return err
		}
		res, err := r.invoke("read", step("kept", ""))
		if err != nil {
			return err
		}
		if res.text(0) != "" {
			return fmt.Errorf("the variable holds %q", res.text(0))
		}
		return res.succeeded()
	})
	add("after the module said that it failed", "instances that failed", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("plant", marker), step("return", "", 1)); err != nil {
			return err
		}
		return clean(a, r)
	})
	add("in the messages of the next call", "messages of one call", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", times(20, step("message", marker, "{text}"))); err != nil {
			return err
		}
		res, err := r.invoke("read", step("message of", "", 8), times(200, step("alloc", "", 64)), step("search", halves, 0))
		if err != nil {
			return err
		}
		if n := res.value(2); n != 0 {
			return fmt.Errorf("%d messages of the next call hold it", n)
		}
		return res.succeeded()
	})
	add("in the error text of the next call", "messages of one call", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("error_set", marker)); err != nil {
			return err
		}
		res, err := r.invoke("read", step("return", "", 1))
		if err != nil {
			return err
		}
		if strings.Contains(string(res.raw), marker) {
			return errors.New("it stands there")
		}
		return nil
	})
	add("in the last words of the next call", "messages of one call", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", step("fd_write", marker, 2)); err != nil {
			return err
		}
		if _, err := r.invoke("read", step("panic", "")); err != nil {
			return err
		}
		if strings.Contains(r.log.String(), marker) {
			return errors.New("it stands in the log")
		}
		return nil
	})
	add("by how often a clock was read", "clocks", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		var first uint64
		for i := range 3 {
			res, err := r.invoke("read", step("clock", "", 1), times(100, step("clock", "", 1)))
			if err != nil {
				return err
			}
			if err := res.succeeded(); err != nil {
				return err
			}
			if i > 0 && res.value(0) != first {
				return fmt.Errorf("the clock of call %d begins at %d, that of the first at %d", i, res.value(0), first)
			}
			first = res.value(0)
		}
		return nil
	})
	add("by a descriptor that was closed", "descriptors", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		for range 2 {
			res, err := r.invoke("read", step("fd_write", "x", 1), step("fd_close", "", 1))
			if err != nil {
				return err
			}
			if err := errors.Join(res.succeeded()); err != nil || res.value(0) != 0 {
				return fmt.Errorf("a write answers %d after another call closed the descriptor (%v)", res.value(0), err)
			}
		}
		return nil
	})
	add("by the placeholder", "fresh placeholders", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for range 3 {
			res, err := r.invoke("read", step("secret_get", "token"))
			if err != nil {
				return err
			}
			if seen[res.text(0)] {
				return errors.New("two calls got the same placeholder")
			}
			seen[res.text(0)] = true
		}
		return nil
	})
	add("by the handle of a body", "handles", func(a *attempt) error {
		r, err := a.session(single)
		if err != nil {
			return err
		}
		if _, err := r.invoke("read", send(get)); err != nil {
			return err
		}
		res, err := r.invoke("read", step("body_read", "", 1, 0, 100), step("records_emit", "{}", 1))
		if err != nil {
			return err
		}
		if res.text(0) != "" {
			return fmt.Errorf("the body of another call was read: %q", res.text(0))
		}
		return res.contains(1, "no body")
	})
	add("in the buffer of an earlier body", "body bounds", func(a *attempt) error {
		large := true
		r, err := a.session(rigOptions{limits: Limits{Concurrency: 1}, handler: func(w http.ResponseWriter, _ *http.Request) {
			if large {
				_, _ = io.WriteString(w, `["`+strings.Repeat(marker, 10_000)+`"]`)
			} else {
				_, _ = io.WriteString(w, `[]`)
			}
		}})
		if err != nil {
			return err
		}
		for range 5 {
			large = true
			if _, err := r.invoke("read", send(logs)); err != nil {
				return err
			}
			large = false
			res, err := r.invoke("read", send(logs), step("body_read", "", "{handle}", 0, 1<<20), step("body_read", "", "{handle}", 2, 1<<20))
			if err != nil {
				return err
			}
			if strings.TrimRight(res.text(1), " ") != "[]" || res.text(2) != "" {
				return fmt.Errorf("a body of 2 bytes was read as %s and %s", short(res.text(1)), short(res.text(2)))
			}
		}
		return nil
	})

	// State that is not in memory: each module answers "clean" when it finds none.
	state := func(name, wall string, m assembly, look, leave string) {
		m = messenger(m)
		m.invoke = look + "\x04\x40" + respond(`{"outcome":"succeeded","output":{"steps":[{"value":"0","text":"dirty"}]}}`) +
			"\x05" + leave + respond(`{"outcome":"succeeded","output":{"steps":[{"value":"0","text":"clean"}]}}`) + end + i32(0)
		add(name, wall, func(a *attempt) error {
			o := single
			o.wasm = m.build()
			r, err := a.session(o)
			if err != nil {
				return nil // a host may refuse such a module
			}
			for i := range 3 {
				res, err := r.invoke("read")
				if err != nil {
					return err
				}
				if err := errors.Join(res.succeeded(), res.contains(0, "clean")); err != nil {
					return fmt.Errorf("call %d: %w", i, err)
				}
			}
			return nil
		})
	}
	state("in a global", "restored globals", assembly{globals: []string{"\x7f\x01\x41\x00\x0b"}}, "\x23\x00", i32(1)+"\x24\x00")
	state("in a global of 64 bits", "restored globals", assembly{globals: []string{"\x7e\x01\x42\x00\x0b"}}, "\x23\x00"+i64(0)+"\x52", i64(-1)+"\x24\x00")
	state("in a global of a fraction", "restored globals", assembly{globals: []string{"\x7c\x01\x44" + strings.Repeat("\x00", 8) + "\x0b"}},
		"\x23\x00\x44"+strings.Repeat("\x00", 8)+"\x62", "\x44"+strings.Repeat("\x01", 8)+"\x24\x00")
	state("in memory that no runtime manages", memory, assembly{memory: "\x00\x02"}, i32(100_000)+"\x28\x02\x00", i32(100_000)+i32(7)+"\x36\x02\x00")
	state("in how much memory there is", "grown memory", assembly{}, "\x3f\x00"+i32(1)+"\x47", i32(1)+"\x40\x00"+drop)
	state("in a table", "state elsewhere", assembly{table: "\x70\x00\x01", elements: "\x03\x00\x01\x03"}, i32(0)+"\x25\x00\xd1\x45", i32(0)+"\xd2\x03\x26\x00")
	state("in a reference of a global", "state elsewhere", assembly{globals: []string{"\x70\x01\xd0\x70\x0b"}, elements: "\x03\x00\x01\x03"}, "\x23\x00\xd1\x45", "\xd2\x03\x24\x00")
	state("in a segment that is dropped", "state elsewhere", assembly{count: "\x01", data: "\x01" + name("x")}, i32(0), i32(0)+i32(0)+i32(1)+"\xfc\x08\x00\x00"+"\xfc\x09\x00")
	state("in elements that are dropped", "state elsewhere", assembly{table: "\x70\x00\x01", elements: "\x01\x00\x01\x03"}, i32(0), i32(0)+i32(0)+i32(1)+"\xfc\x0c\x00\x00"+"\xfc\x0d\x00")
	return all
}

// messenger gives a module what respond needs: alloc, store_u64 and output_set are functions 0, 1 and 2, and local 0 is an
// i64.
func messenger(m assembly) assembly {
	m.types = []string{"\x60\x01\x7e\x01\x7e", "\x60\x02\x7e\x7e\x00"}
	m.imports = []string{imported("extism:host/env", "alloc", 1), imported("extism:host/env", "store_u64", 2), imported("extism:host/env", "output_set", 2)}
	m.locals = "\x01\x01\x7e"
	return m
}

// respond is the code that answers a text, in a messenger.
func respond(text string) string {
	for len(text)%8 != 0 {
		text += " "
	}
	code := i64(int64(len(text))) + "\x10\x00\x21\x00"
	for i := 0; i < len(text); i += 8 {
		code += "\x20\x00" + i64(int64(i)) + "\x7c" + i64(int64(binary.LittleEndian.Uint64([]byte(text[i:])))) + "\x10\x01"
	}
	return code + "\x20\x00" + i64(int64(len(text))) + "\x10\x02"
}

// answerAttacks are answers of a module that are none.
func answerAttacks() []Attack {
	var all []Attack
	for what, text := range map[string]string{
		"no JSON":                                "hello",
		"an outcome that is none":                `{"outcome":"fine"}`,
		"an outcome that is none, with an error": `{"outcome":"fine","error":{"code":"x","message":"y"}}`,
		"a cursor of another type":               `{"outcome":"succeeded","output":{},"next_cursor":7}`,
		"an error without one":                   `{"outcome":"rejected"}`,
		"the outcome of a plan":                  `{"outcome":"planned"}`,
		"the outcome of a plan, with an error":   `{"outcome":"planned","error":{"code":"x","message":"y"}}`,
		"no outcome":                             `{"output":{}}`,
		"two answers":                            `{"outcome":"succeeded"}{"outcome":"succeeded"}`,
		"an output that breaks off":              `{"outcome":"succeeded","output":{"a":`,
		"an answer of the wrong types":           `{"outcome":["succeeded"],"output":7}`,
		"a list":                                 `[{"outcome":"succeeded"}]`,
		"a list that breaks out of its brackets": `{"outcome":"succeeded","list":true,"output":{"a":1]},"x":{}}`,
	} {
		all = append(all, Attack{Family: "answers", Name: what, Wall: "answers", run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			res, err := r.invoke("read", step("answer", text))
			if err != nil {
				return err
			}
			return errors.Join(res.ended(abi.Failed), r.serves())
		}})
	}
	add := func(name, wall string, run func(*attempt) error) {
		all = append(all, Attack{Family: "answers", Name: name, Wall: wall, run: run})
	}
	for what, s := range map[string]string{
		"an output outside of all memory":        step("output_set", "", "0xffffffff0", 64),
		"an output of 1 GiB":                     step("output_set", "", 64, 1<<30),
		"an output of nearly 2^64 bytes":         step("output_set", "", 64, "0xffffffffffffffc0"),
		"an output whose end wraps around":       step("output_set", "", "0xfffffffffffffff0", 32),
		"no output":                              step("return", "", 0),
		"a return of 1":                          step("return", "", 1),
		"a return of -1":                         step("return", "", -2),
		"a return of 1 beside an answer":         step("answer", `{"outcome":"succeeded","output":{}}`, 1),
		"an error text instead of an output":     step("error_set", "it is not my fault"),
		"an error text that lies outside memory": step("error_set", "", "0xfffffffffffffff0"),
	} {
		add(what, "answers", func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			res, err := r.invoke("read", s)
			if err != nil {
				return err
			}
			return errors.Join(res.ended(abi.Failed), r.serves())
		})
	}
	add("success after what was not granted", "violations end a call", func(a *attempt) error {
		res, err := a.one(rigOptions{}, "read", send(`{"endpoint":"POST /api/v1/users","body":{}}`), step("answer", `{"outcome":"succeeded","output":{"done":true}}`))
		if err != nil {
			return err
		}
		return res.ended(abi.Failed)
	})
	refused := []string{`{"outcome":"fine","error":{"code":"x","message":"y"}}`, `{"outcome":"rejected"}`, `{"output":{}}`,
		`{"outcome":"planned","checkpoint":{"n":1},"caught_up":true,"error":{"code":"x","message":"y"}}`}
	for i, what := range []string{"an outcome that is none", "an error without one", "no outcome", "the outcome of a plan"} {
		steps := []byte(`{"steps":[` + step("answer", refused[i]) + `]}`)
		add("a source with "+what, "answers", func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Source(a.ctx, "read", steps, nil)
			return failedPage(p, err)
		})
		add("a table with "+what, "answers", func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Table(a.ctx, "read", steps)
			return failedPage(p, err)
		})
	}
	overstep := send(`{"endpoint":"POST /api/v1/users","body":{}}`) + "," + step("answer", `{"outcome":"succeeded","checkpoint":{"n":1},"caught_up":true}`)
	add("a source after what was not granted", "violations end a call", func(a *attempt) error {
		r, err := a.session(rigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Source(a.ctx, "read", []byte(`{"steps":[`+overstep+`]}`), nil)
		return failedPage(p, err)
	})
	add("a table after what was not granted", "violations end a call", func(a *attempt) error {
		r, err := a.session(rigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Table(a.ctx, "read", []byte(`{"steps":[`+overstep+`]}`))
		return failedPage(p, err)
	})
	add("a source whose checkpoint does not go on", "cursors", func(a *attempt) error {
		r, err := a.session(rigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Source(a.ctx, "read", []byte(`{"steps":[`+step("answer", `{"outcome":"succeeded","checkpoint":{"n":1}}`)+`]}`), json.RawMessage(`{"n":1}`))
		return failedPage(p, err)
	})
	add("a table whose cursor does not go on", "cursors", func(a *attempt) error {
		r, err := a.session(rigOptions{limits: Limits{CallTimeout: 2 * time.Second}})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(a.ctx, 5*time.Second)
		defer cancel()
		p, err := r.Table(ctx, "read", []byte(`{"steps":[`+step("answer", `{"outcome":"succeeded","cursor":"x"}`)+`]}`))
		return failedPage(p, err)
	})
	add("a page of a source without a checkpoint", "cursors", func(a *attempt) error {
		r, err := a.session(rigOptions{})
		if err != nil {
			return err
		}
		p, err := r.Source(a.ctx, "read", []byte(`{"steps":[`+step("answer", `{"outcome":"succeeded","caught_up":true}`)+`]}`), nil)
		return failedPage(p, err)
	})
	add("a trap in the middle of a page", "answers", func(a *attempt) error {
		r, err := a.session(rigOptions{handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[{"id":"1"},{"id":"2"}]`) }})
		if err != nil {
			return err
		}
		p, err := r.Source(a.ctx, "read", []byte(`{"steps":[`+send(logs)+`,`+step("records_emit", "{}", "{handle}")+`,`+step("panic", "")+`]}`), nil)
		if err != nil {
			return err
		}
		if p.Outcome != abi.Failed || len(p.Records) > 0 {
			return fmt.Errorf("it ended as %s, with %d records of half a page", p.Outcome, len(p.Records))
		}
		return nil
	})
	return all
}

// failedPage wants a page to have failed.
func failedPage(p *Page, err error) error {
	if err == nil && p.Outcome != abi.Failed {
		err = fmt.Errorf("it ended as %s", p.Outcome)
	}
	return err
}

// inputAttacks are inputs of an operation that do not fit its schema, or anything.
func inputAttacks() []Attack {
	var all []Attack
	for _, c := range []struct{ name, wall, input string }{
		{"an input 100,000 levels deep", "input shape", `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`},
		{"an input of 4 MiB", "input shape", `{"name":"` + strings.Repeat("a", 4<<20) + `"}`},
		{"a list", "input shape", `[]`},
		{"a number", "input shape", `7`},
		{"null", "input shape", `null`},
		{"no JSON", "input shape", `{name: x}`},
		{"a second value", "input shape", `{}{}`},
		{"a byte order mark", "input shape", "\ufeff{}"},
		{"a NUL behind it", "input shape", "{}\x00"},
		{"half of an object", "input shape", `{"name":"a"`},
		{"an unknown field", "input schema", `{"nome":"a"}`},
		{"a text that is too long", "input schema", `{"name":"` + strings.Repeat("a", 17) + `"}`},
		{"a text that does not fit", "input schema", `{"name":"../../etc"}`},
		{"a text with a line break at its end", "input schema", `{"name":"abc\n"}`},
		{"a number over its maximum", "input schema", `{"count":11}`},
		{"a number beyond all exponents", "input schema", `{"count":1e999999999}`},
		{"a number of 10,000 digits", "input schema", `{"count":` + strings.Repeat("9", 10_000) + `}`},
		{"a fraction for an integer", "input schema", `{"count":0.5}`},
		{"a date that is none", "input schema", `{"when":"2026-13-45T99:99:99Z"}`},
		{"a field that stands twice", "one meaning", `{"name":"abc","name":"ABC","name":"abd"}`},
		{"a field that stands twice, once escaped", "one meaning", `{"name":"abc","n\u0061me":"abd"}`},
		{"a field that stands twice, further in", "one meaning", `{"name":"abc","x":[{"a":1,"a":2}]}`},
	} {
		all = append(all, Attack{Family: "inputs", Name: c.name, Wall: c.wall, run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			res, err := r.invokeRaw("strict", c.input)
			if err != nil {
				return err
			}
			return errors.Join(res.ended(abi.Invalid), res.saw())
		}})
	}
	for name, input := range map[string]string{
		"an input of 4 MiB that fits its schema":          `{"steps":[],"name":"` + strings.Repeat("a", 4<<20) + `"}`,
		"an input 1,000 levels deep that fits its schema": `{"steps":[],"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
	} {
		all = append(all, Attack{Family: "inputs", Name: name, Wall: "input shape", run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			res, err := r.invokeRaw("read", input)
			if err != nil {
				return err
			}
			return res.ended(abi.Invalid)
		}})
	}
	for _, c := range []struct{ name, op, checkpoint string }{
		{"a checkpoint that is no JSON", "read", `{`},
		{"a checkpoint of 4 MiB", "read", `{"a":"` + strings.Repeat("x", 4<<20) + `"}`},
		{"a checkpoint 1,000 levels deep", "read", strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
		{"a checkpoint 100,000 levels deep", "read", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)},
	} {
		all = append(all, Attack{Family: "inputs", Name: c.name, Wall: "checkpoints", run: func(a *attempt) error {
			r, err := a.session(rigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Source(a.ctx, c.op, []byte(`{"steps":[`+send(get)+`]}`), json.RawMessage(c.checkpoint))
			if err != nil {
				return err
			}
			if p.Outcome != abi.Invalid {
				return fmt.Errorf("it ended as %s", p.Outcome)
			}
			if n := len(r.requests()); n > 0 {
				return fmt.Errorf("%d requests left", n)
			}
			return r.serves()
		}})
	}
	return all
}
