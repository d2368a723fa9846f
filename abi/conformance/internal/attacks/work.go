package attacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// workAttacks are inputs that a schema allows and that take minutes to validate. A host knows the work before it begins.
func workAttacks() []kit.Attack {
	var all []kit.Attack
	checks := `{"type":"object","additionalProperties":{"items":{"allOf":[` + strings.Repeat(`{"type":["number","object","array"]},`, 90) + `{}]}}}`
	names := `{"type":"object","propertyNames":{"allOf":[` + strings.Repeat(`{"minLength":1,"maxLength":99},`, 90) + `{}]}}`
	unique := `{"type":"object","additionalProperties":{"uniqueItems":true}}`
	pattern := `{"type":"object","additionalProperties":{"pattern":"^[a-z]*(([a-z]?){16}[a-z]){5}$"}}`
	many := func(one string, n int) string { return strings.Repeat(one+",", n-1) + one }
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"n%d":0`, i)
		}
		return b.String()[1:]
	}
	for _, c := range []struct{ name, schema, input string }{
		{"numbers, each with hundreds of checks", checks, `{"a":[` + many("0", 500_000) + `]}`},
		{"objects, each with hundreds of checks", checks, `{"a":[` + many("{}", 300_000) + `]}`},
		{"lists of lists, each with hundreds of checks", checks, `{"a":[` + many("[0,0]", 150_000) + `]}`},
		{"names, each with hundreds of checks", names, `{` + members(80_000) + `}`},
		{"values that are compared with each other", unique, `{"a":[` + numbers(100_000) + `]}`},
		{"a long text for a costly pattern", pattern, `{"a":"` + strings.Repeat("a", 1<<20-100) + `"}`},
		{"many texts for a costly pattern", pattern, `{` + texts(18_000) + `}`},
	} {
		for _, surface := range []abi.Surface{abi.Axon, abi.Ingest, abi.SQL} {
			all = append(all, kit.Attack{Family: "work", Name: fmt.Sprintf("%s, by %s", c.name, surface), Wall: "work of an input", Run: func(a *kit.Attempt) error {
				m := kit.Manifest()
				m.Operations[0].InputSchema = json.RawMessage(c.schema)
				r, err := a.NewRig(kit.RigOptions{Wasm: assemble.Module{Manifest: []string{string(kit.Encode(m))}}.Build(), Limits: target.Limits{CallTimeout: a.Patience}})
				if err != nil {
					return err
				}
				outcome, err := runOn(a, r, surface, c.input)
				if err == nil && outcome != abi.Invalid {
					err = fmt.Errorf("it ended as %s", outcome)
				}
				return errors.Join(err, sentNothing(r))
			}})
		}
	}
	return all
}

// numbers returns different numbers.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", i)
	}
	return b.String()[1:]
}

// texts returns members whose values are texts.
func texts(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"t%d":"%s"`, i, strings.Repeat("a", 40))
	}
	return b.String()[1:]
}

// runOn runs the operation read on a surface, and returns the outcome.
func runOn(a *kit.Attempt, r *kit.Rig, surface abi.Surface, input string) (abi.Outcome, error) {
	page, err := &target.Page{}, error(nil)
	switch surface {
	case abi.Axon:
		res, err := r.Invoke(a.Ctx, "read", json.RawMessage(input))
		if err != nil {
			return "", err
		}
		return res.Outcome, nil
	case abi.Ingest:
		page, err = r.Source(a.Ctx, "read", json.RawMessage(input), nil)
	default:
		page, err = r.Table(a.Ctx, "read", json.RawMessage(input))
	}
	if err != nil {
		return "", err
	}
	return page.Outcome, nil
}

func sentNothing(r *kit.Rig) error {
	if n := len(r.Requests()); n > 0 {
		return fmt.Errorf("%d requests were sent", n)
	}
	return nil
}
