package attacks

import (
	"errors"
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// grantAttacks ask for more than what was granted.
func grantAttacks() []kit.Attack {
	var all []kit.Attack
	for _, c := range []struct {
		name, op string
		grants   []abi.Class
	}{
		{"a write with only read granted", "write", []abi.Class{abi.Read}},
		{"a read with only write granted", "read", []abi.Class{abi.Write}},
		{"a write with only worse classes granted", "write", []abi.Class{abi.Destructive, abi.Privileged}},
		{"an input that raises the class", "raised", []abi.Class{abi.Read, abi.Write}},
	} {
		all = append(all, kit.Attack{Family: "grants", Name: c.name, Wall: "class grants", Run: func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{Grants: c.grants}, c.op, kit.Send(kit.Get))
			if err != nil {
				return err
			}
			return errors.Join(res.Ended(abi.Denied), res.Saw())
		}})
	}
	raw := func(name, wall, op, input string, grants []abi.Class, outcomes ...abi.Outcome) {
		all = append(all, kit.Attack{Family: "grants", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{Grants: grants})
			if err != nil {
				return err
			}
			res, err := r.RunInput(op, input)
			if err != nil {
				return err
			}
			return errors.Join(res.Ended(outcomes...), res.Saw())
		}})
	}
	remove := `{"steps":[` + kit.Send(`{"endpoint":"DELETE /svc/v1/items/{id}","path":{"id":"x"}}`) + `]`
	raw("a method above the effective class", "effective class", "raised", remove+`}`, abi.Classes(), abi.Failed)
	raw("a class raised and lowered in one input", "unique members", "raised", remove+`,"raise":"x","raise":null}`, []abi.Class{abi.Read}, abi.Invalid, abi.Denied)
	raw("a class raised by an escaped name", "unique members", "raised", remove+`,"\u0072aise":"x"}`, []abi.Class{abi.Read}, abi.Invalid, abi.Denied)
	lowered := func(request string) string { return `{"action":"reopen","steps":[` + kit.Send(request) + `]}` }
	const inForce = "effective class"
	raw("an effect above the effective class with the same method", inForce, "lowered",
		lowered(`{"endpoint":"POST /svc/v1/items/{id}/condition/relinquish","path":{"id":"x"}}`), abi.Classes(), abi.Failed)
	for name, body := range map[string]string{
		"a body above the effective class": `{"profile":{},"credentials":{}}`,
		"a member that is null":            `{"credentials":null}`,
		"a member with an escaped name":    `{"\u0063redentials":{}}`,
		"a member in another case":         `{"Credentials":{}}`,
		"a member hidden by a duplicate":   `{"profile":{},"profile":{"x":1}}`,
		"a body that is not an object":     `[{"credentials":{}}]`,
	} {
		raw(name, "class of a body", "lowered", lowered(`{"endpoint":"POST /svc/v1/items/{id}","path":{"id":"x"},"body":`+body+`}`), abi.Classes(), abi.Failed)
	}
	raw("a class lowered by a value of another type", inForce, "lowered",
		`{"action":true,"steps":[`+kit.Send(`{"endpoint":"POST /svc/v1/items/{id}/condition/reopen","path":{"id":"x"}}`)+`]}`, abi.Classes(), abi.Failed)
	raw("a class lowered by another value", inForce, "lowered",
		`{"action":"relinquish","steps":[`+kit.Send(`{"endpoint":"POST /svc/v1/items/{id}/condition/reopen","path":{"id":"x"}}`)+`]}`, abi.Classes(), abi.Failed)
	raw("an unknown operation", "operations", "drop_tables", `{}`, abi.Classes(), abi.Invalid)
	raw("an operation named like a path", "operations", "../read", `{}`, abi.Classes(), abi.Invalid)
	raw("an operation without a name", "operations", "", `{}`, abi.Classes(), abi.Invalid)
	for _, op := range []string{"write", "raised"} {
		all = append(all, kit.Attack{Family: "grants", Name: "a table of " + op, Wall: "surfaces", Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Table(a.Ctx, op, []byte(`{"steps":[`+kit.Send(kit.Get)+`]}`))
			return refusedPage(r, p, err)
		}}, kit.Attack{Family: "grants", Name: "a source of " + op, Wall: "surfaces", Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			p, err := r.Source(a.Ctx, op, []byte(`{"steps":[`+kit.Send(kit.Get)+`]}`), nil)
			return refusedPage(r, p, err)
		}})
	}
	return all
}

// refusedPage returns nil if a host refused a call before any request. The call uses a surface that the operation does not have.
// A host that was written for an earlier text of the ABI returns denied.
func refusedPage(r *kit.Rig, p *target.Page, err error) error {
	switch {
	case err != nil:
		return err
	case p.Outcome != abi.Invalid && p.Outcome != abi.Denied:
		return fmt.Errorf("it ended as %s", p.Outcome)
	case len(r.Requests()) > 0:
		return fmt.Errorf("%d requests were sent", len(r.Requests()))
	}
	return nil
}
