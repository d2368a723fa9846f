package attacks

import (
	"errors"
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// grantAttacks ask for more than was granted.
func grantAttacks() []kit.Attack {
	var all []kit.Attack
	for _, c := range []struct {
		name, op string
		grants   []abi.Class
	}{
		{"a write where read is granted", "write", []abi.Class{abi.Read}},
		{"a read where write alone is granted", "read", []abi.Class{abi.Write}},
		{"a write where worse is granted, but not it", "write", []abi.Class{abi.Destructive, abi.Privileged}},
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
	remove := `{"steps":[` + kit.Send(`{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"x"}}`) + `]`
	raw("a method above the class in force", "class in force", "raised", remove+`}`, abi.Classes(), abi.Failed)
	raw("a class that is raised and lowered again in one input", "one meaning", "raised", remove+`,"raise":"x","raise":null}`, []abi.Class{abi.Read}, abi.Invalid, abi.Denied)
	raw("a class that is raised by an escaped name", "one meaning", "raised", remove+`,"\u0072aise":"x"}`, []abi.Class{abi.Read}, abi.Invalid, abi.Denied)
	lowered := func(request string) string { return `{"action":"unlock","steps":[` + kit.Send(request) + `]}` }
	const inForce = "class in force"
	raw("an effect above the class in force, of the same method", inForce, "lowered",
		lowered(`{"endpoint":"POST /api/v1/users/{id}/lifecycle/deactivate","path":{"id":"x"}}`), abi.Classes(), abi.Failed)
	for name, body := range map[string]string{
		"a body above the class in force":            `{"profile":{},"credentials":{}}`,
		"a member that is null":                      `{"credentials":null}`,
		"a member with an escaped name":              `{"\u0063redentials":{}}`,
		"a member in other letters":                  `{"Credentials":{}}`,
		"a member that hides behind one of its name": `{"profile":{},"profile":{"x":1}}`,
		"a body that is no object":                   `[{"credentials":{}}]`,
	} {
		raw(name, "class of a body", "lowered", lowered(`{"endpoint":"POST /api/v1/users/{id}","path":{"id":"x"},"body":`+body+`}`), abi.Classes(), abi.Failed)
	}
	raw("a class that is lowered by a value of another type", inForce, "lowered",
		`{"action":true,"steps":[`+kit.Send(`{"endpoint":"POST /api/v1/users/{id}/lifecycle/unlock","path":{"id":"x"}}`)+`]}`, abi.Classes(), abi.Failed)
	raw("a class that is lowered by another value", inForce, "lowered",
		`{"action":"deactivate","steps":[`+kit.Send(`{"endpoint":"POST /api/v1/users/{id}/lifecycle/unlock","path":{"id":"x"}}`)+`]}`, abi.Classes(), abi.Failed)
	raw("an operation that is not there", "operations", "drop_tables", `{}`, abi.Classes(), abi.Invalid)
	raw("an operation of a path", "operations", "../read", `{}`, abi.Classes(), abi.Invalid)
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

func refusedPage(r *kit.Rig, p *target.Page, err error) error {
	switch {
	case err != nil:
		return err
	case p.Outcome != abi.Denied:
		return fmt.Errorf("it ended as %s", p.Outcome)
	case len(r.Requests()) > 0:
		return fmt.Errorf("%d requests left", len(r.Requests()))
	}
	return nil
}
