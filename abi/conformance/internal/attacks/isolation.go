package attacks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// marker is a text that an attack leaves in one call and searches for in the next. The input has it in two halves, so
// that the input itself is not found.
const (
	marker = "MARKER-5f1c2e9a77b04d3e8c6a"
	halves = "MARKER-5f1c2e|9a77b04d3e8c6a"
)

// isolationAttacks leave something in one call and search for it in the next.
func isolationAttacks() []kit.Attack {
	var all []kit.Attack
	add := func(name, wall string, run func(*kit.Attempt) error) {
		all = append(all, kit.Attack{Family: "isolation", Name: name, Wall: wall, Run: run})
	}
	single := kit.RigOptions{Limits: target.Limits{Concurrency: 1}}
	// clean searches all of the module's memory for the marker.
	clean := func(a *kit.Attempt, r *kit.Rig) error {
		res, err := r.Run("read", kit.Step("search", halves, a.InitialMemory()))
		if err != nil {
			return err
		}
		if err := res.Succeeded(); err != nil {
			return err
		}
		if n := res.Value(0); n != 0 {
			return fmt.Errorf("the marker of another call is in memory %d times", n)
		}
		return nil
	}
	add("the search finds a marker", "honest modules", func(a *kit.Attempt) error {
		res, err := a.One(single, "read", kit.Step("plant", marker), kit.Step("search", halves, a.InitialMemory()))
		if err != nil {
			return err
		}
		if res.Value(1) == 0 {
			return errors.New("the marker of this call is not found, so the attack proves nothing")
		}
		return nil
	})
	const memory = "restored memory"
	add("on heap and stack of the next call", memory, func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		for range 3 {
			if res, err := r.Run("read", kit.Times(50, kit.Step("plant", marker))); err != nil || res.Succeeded() != nil {
				return errors.Join(err, res.Succeeded())
			}
			if err := clean(a, r); err != nil {
				return err
			}
		}
		return nil
	})
	add("in a variable of the next call", memory, func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("plant", marker)); err != nil {
			return err
		}
		res, err := r.Run("read", kit.Step("kept", ""))
		if err != nil {
			return err
		}
		if res.Text(0) != "" {
			return fmt.Errorf("the variable holds %q", res.Text(0))
		}
		return res.Succeeded()
	})
	add("in another connection", memory, func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		other, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Times(50, kit.Step("plant", marker))); err != nil {
			return err
		}
		return clean(a, other)
	})
	add("after memory has grown", "grown memory", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("plant", marker), kit.Step("message of", "", 4<<20), kit.Step("plant", marker)); err != nil {
			return err
		}
		return clean(a, r)
	})
	add("after a panic", "instances that failed", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("plant", marker), kit.Step("panic", "")); err != nil {
			return err
		}
		return clean(a, r)
	})
	add("after a deadline", "instances that failed", func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{Concurrency: 1, CallTimeout: 500 * time.Millisecond}})
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("plant", marker), kit.Step("spin", "")); err != nil {
			return err
		}
		res, err := r.Run("read", kit.Step("kept", ""))
		if err != nil {
			return err
		}
		if res.Text(0) != "" {
			return fmt.Errorf("the variable holds %q", res.Text(0))
		}
		return res.Succeeded()
	})
	add("after a reported failure", "instances that failed", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("plant", marker), kit.Step("return", "", 1)); err != nil {
			return err
		}
		return clean(a, r)
	})
	add("in the messages of the next call", "messages of one call", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Times(20, kit.Step("message", marker, "{text}"))); err != nil {
			return err
		}
		res, err := r.Run("read", kit.Step("message of", "", 8), kit.Times(200, kit.Step("alloc", "", 64)), kit.Step("search", halves, 0))
		if err != nil {
			return err
		}
		if n := res.Value(2); n != 0 {
			return fmt.Errorf("%d messages of the next call hold it", n)
		}
		return res.Succeeded()
	})
	add("in the error text of the next call", "messages of one call", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("error_set", marker)); err != nil {
			return err
		}
		res, err := r.Run("read", kit.Step("return", "", 1))
		if err != nil {
			return err
		}
		if strings.Contains(string(res.JSON), marker) {
			return errors.New("the error text of another call is there")
		}
		return nil
	})
	add("in the standard error of the next call", "messages of one call", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Step("fd_write", marker, 2)); err != nil {
			return err
		}
		before := len(r.Log.String()) // a host may log what the first call wrote
		if _, err := r.Run("read", kit.Step("panic", "")); err != nil {
			return err
		}
		if strings.Contains(r.Log.String()[before:], marker) {
			return errors.New("the standard error of another call is in the log")
		}
		return nil
	})
	add("by the clock", "clocks", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		var first uint64
		for i := range 3 {
			res, err := r.Run("read", kit.Step("clock", "", 1), kit.Times(100, kit.Step("clock", "", 1)))
			if err != nil {
				return err
			}
			if err := res.Succeeded(); err != nil {
				return err
			}
			if i > 0 && res.Value(0) != first {
				return fmt.Errorf("the clock of call %d starts at %d, and that of the first call at %d", i, res.Value(0), first)
			}
			first = res.Value(0)
		}
		return nil
	})
	add("by a closed descriptor", "descriptors", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		for range 2 {
			res, err := r.Run("read", kit.Step("fd_write", "x", 1), kit.Step("fd_close", "", 1))
			if err != nil {
				return err
			}
			if err := errors.Join(res.Succeeded()); err != nil || res.Value(0) != 0 {
				return fmt.Errorf("a write returns %d after another call closed the descriptor (%v)", res.Value(0), err)
			}
		}
		return nil
	})
	add("by the placeholder", "fresh placeholders", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for range 3 {
			res, err := r.Run("read", kit.Step("secret_get", "token"))
			if err != nil {
				return err
			}
			if seen[res.Text(0)] {
				return errors.New("two calls got the same placeholder")
			}
			seen[res.Text(0)] = true
		}
		return nil
	})
	add("by the handle of a body", "handles", func(a *kit.Attempt) error {
		r, err := a.NewRig(single)
		if err != nil {
			return err
		}
		if _, err := r.Run("read", kit.Send(kit.Get)); err != nil {
			return err
		}
		res, err := r.Run("read", kit.Step("body_read", "", 1, 0, 100), kit.Step("records_emit", "{}", 1))
		if err != nil {
			return err
		}
		if res.Text(0) != "" {
			return fmt.Errorf("the body of another call was read: %q", res.Text(0))
		}
		return res.Contains(1, "no body")
	})
	add("in the buffer of an earlier body", "body bounds", func(a *kit.Attempt) error {
		large := true
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{Concurrency: 1}, Handler: func(w http.ResponseWriter, _ *http.Request) {
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
			if _, err := r.Run("read", kit.Send(kit.Logs)); err != nil {
				return err
			}
			large = false
			res, err := r.Run("read", kit.Send(kit.Logs), kit.Step("body_read", "", "{handle}", 0, 1<<20), kit.Step("body_read", "", "{handle}", 2, 1<<20))
			if err != nil {
				return err
			}
			if strings.TrimRight(res.Text(1), " ") != "[]" || res.Text(2) != "" {
				return fmt.Errorf("a body of 2 bytes was read as %s and %s", kit.Short(res.Text(1)), kit.Short(res.Text(2)))
			}
		}
		return nil
	})

	// State outside memory: each module returns "clean" if it finds none.
	state := func(name, wall string, m assemble.Module, look, leave string) {
		m = messenger(m)
		m.Invoke = look + "\x04\x40" + respond(`{"outcome":"succeeded","output":{"steps":[{"value":"0","text":"dirty"}]}}`) +
			"\x05" + leave + respond(`{"outcome":"succeeded","output":{"steps":[{"value":"0","text":"clean"}]}}`) + assemble.End + assemble.I32(0)
		add(name, wall, func(a *kit.Attempt) error {
			o := single
			o.Wasm = m.Build()
			r, err := a.NewRig(o)
			if err != nil {
				return nil // a host may refuse such a module
			}
			for i := range 3 {
				res, err := r.Run("read")
				if err != nil {
					return err
				}
				if err := errors.Join(res.Succeeded(), res.Contains(0, "clean")); err != nil {
					return fmt.Errorf("call %d: %w", i, err)
				}
			}
			return nil
		})
	}
	state("in a global", "restored globals", assemble.Module{Globals: []string{"\x7f\x01\x41\x00\x0b"}}, "\x23\x00", assemble.I32(1)+"\x24\x00")
	state("in a global of 64 bits", "restored globals", assemble.Module{Globals: []string{"\x7e\x01\x42\x00\x0b"}}, "\x23\x00"+assemble.I64(0)+"\x52", assemble.I64(-1)+"\x24\x00")
	state("in a global of type f64", "restored globals", assemble.Module{Globals: []string{"\x7c\x01\x44" + strings.Repeat("\x00", 8) + "\x0b"}},
		"\x23\x00\x44"+strings.Repeat("\x00", 8)+"\x62", "\x44"+strings.Repeat("\x01", 8)+"\x24\x00")
	state("in memory outside the runtime", memory, assemble.Module{Memory: "\x00\x02"}, assemble.I32(100_000)+"\x28\x02\x00", assemble.I32(100_000)+assemble.I32(7)+"\x36\x02\x00")
	state("in the size of memory", "grown memory", assemble.Module{}, "\x3f\x00"+assemble.I32(1)+"\x47", assemble.I32(1)+"\x40\x00"+assemble.Drop)
	state("in a table", "state elsewhere", assemble.Module{Table: "\x70\x00\x01", Elements: "\x03\x00\x01\x03"}, assemble.I32(0)+"\x25\x00\xd1\x45", assemble.I32(0)+"\xd2\x03\x26\x00")
	state("in a reference in a global", "state elsewhere", assemble.Module{Globals: []string{"\x70\x01\xd0\x70\x0b"}, Elements: "\x03\x00\x01\x03"}, "\x23\x00\xd1\x45", "\xd2\x03\x24\x00")
	state("in a dropped segment", "state elsewhere", assemble.Module{Count: "\x01", Data: "\x01" + assemble.Name("x")}, assemble.I32(0), assemble.I32(0)+assemble.I32(0)+assemble.I32(1)+"\xfc\x08\x00\x00"+"\xfc\x09\x00")
	state("in dropped elements", "state elsewhere", assemble.Module{Table: "\x70\x00\x01", Elements: "\x01\x00\x01\x03"}, assemble.I32(0), assemble.I32(0)+assemble.I32(0)+assemble.I32(1)+"\xfc\x0c\x00\x00"+"\xfc\x0d\x00")
	return all
}

// messenger adds to a module what respond needs: functions 0, 1 and 2 are alloc, store_u64 and output_set, and local
// 0 is an i64.
func messenger(m assemble.Module) assemble.Module {
	m.Types = []string{"\x60\x01\x7e\x01\x7e", "\x60\x02\x7e\x7e\x00"}
	m.Imports = []string{assemble.Imported("extism:host/env", "alloc", 1), assemble.Imported("extism:host/env", "store_u64", 2), assemble.Imported("extism:host/env", "output_set", 2)}
	m.Locals = "\x01\x01\x7e"
	return m
}

// respond returns code that makes a text the output of a messenger.
func respond(text string) string {
	for len(text)%8 != 0 {
		text += " "
	}
	code := assemble.I64(int64(len(text))) + "\x10\x00\x21\x00"
	for i := 0; i < len(text); i += 8 {
		code += "\x20\x00" + assemble.I64(int64(i)) + "\x7c" + assemble.I64(int64(binary.LittleEndian.Uint64([]byte(text[i:])))) + "\x10\x01"
	}
	return code + "\x20\x00" + assemble.I64(int64(len(text))) + "\x10\x02"
}
