package attacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/attacks/internal/schemas"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
)

// inputAttacks are inputs that violate the operation's schema, or are not valid JSON objects.
func inputAttacks() []kit.Attack {
	var all []kit.Attack
	for _, c := range []struct{ name, wall, input string }{
		{"an input 100,000 levels deep", "input shape", `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`},
		{"an input of 4 MiB", "input shape", `{"name":"` + strings.Repeat("a", 4<<20) + `"}`},
		{"a list", "input shape", `[]`},
		{"a number", "input shape", `7`},
		{"null", "input shape", `null`},
		{"text that is not JSON", "input shape", `{name: x}`},
		{"a second value", "input shape", `{}{}`},
		{"a byte order mark", "input shape", "\ufeff{}"},
		{"a NUL at the end", "input shape", "{}\x00"},
		{"half an object", "input shape", `{"name":"a"`},
		{"an unknown field", "input schema", `{"nome":"a"}`},
		{"a text that is too long", "input schema", `{"name":"` + strings.Repeat("a", 17) + `"}`},
		{"a text that does not match", "input schema", `{"name":"../../etc"}`},
		{"a text with a line break at its end", "input schema", `{"name":"abc\n"}`},
		{"a number over its maximum", "input schema", `{"count":11}`},
		{"a number beyond all exponents", "input schema", `{"count":1e999999999}`},
		{"a number of 10,000 digits", "input schema", `{"count":` + strings.Repeat("9", 10_000) + `}`},
		{"a fraction for an integer", "input schema", `{"count":0.5}`},
		{"an invalid date", "input schema", `{"when":"2026-13-45T99:99:99Z"}`},
		{"a duplicate field", "unique members", `{"name":"abc","name":"ABC","name":"abd"}`},
		{"a duplicate field, once escaped", "unique members", `{"name":"abc","n\u0061me":"abd"}`},
		{"a duplicate field at depth", "unique members", `{"name":"abc","x":[{"a":1,"a":2}]}`},
	} {
		all = append(all, kit.Attack{Family: "inputs", Name: c.name, Wall: c.wall, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.RunInput("strict", c.input)
			if err != nil {
				return err
			}
			return errors.Join(res.Ended(abi.Invalid), res.Saw())
		}})
	}
	// invalid adds an attack with an input of the operation read that must be refused.
	invalid := func(name, wall, input string) {
		all = append(all, kit.Attack{Family: "inputs", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.RunInput("read", input)
			if err != nil {
				return err
			}
			return res.Ended(abi.Invalid)
		}})
	}
	for name, input := range schemas.WideNumbers() {
		invalid(name, "input numbers", input)
	}
	invalid("an input of 4 MiB that matches its schema", "input shape", `{"steps":[],"name":"`+strings.Repeat("a", 4<<20)+`"}`)
	invalid("an input 1,000 levels deep that matches its schema", "input shape", `{"steps":[],"a":`+strings.Repeat("[", 1000)+strings.Repeat("]", 1000)+`}`)
	for _, c := range []struct{ name, op, checkpoint string }{
		{"a checkpoint that is not JSON", "read", `{`},
		{"a checkpoint of 4 MiB", "read", `{"a":"` + strings.Repeat("x", 4<<20) + `"}`},
		{"a checkpoint 1,000 levels deep", "read", strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
		{"a checkpoint 100,000 levels deep", "read", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)},
	} {
		all = append(all, kit.Attack{Family: "inputs", Name: c.name, Wall: "checkpoints", Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Source(a.Ctx, c.op, []byte(`{"steps":[`+kit.Send(kit.Get)+`]}`), json.RawMessage(c.checkpoint))
			if err != nil {
				return err
			}
			if p.Outcome != abi.Invalid {
				return fmt.Errorf("it ended as %s", p.Outcome)
			}
			if n := len(r.Requests()); n > 0 {
				return fmt.Errorf("%d requests were sent", n)
			}
			return r.Serves()
		}})
	}
	return all
}
