package attacks

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
	"github.com/mach5/okta-connector/abi/conformance/internal/attacks/internal/schemas"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// workAttacks are inputs that a schema allows and that take minutes to validate. A host knows the work before it begins.
func workAttacks() []kit.Attack {
	var all []kit.Attack
	for _, c := range schemas.Costly() {
		for _, surface := range []abi.Surface{abi.Axon, abi.Ingest, abi.SQL} {
			all = append(all, kit.Attack{Family: "work", Name: fmt.Sprintf("%s, by %s", c.Name, surface), Wall: "work of an input", Run: func(a *kit.Attempt) error {
				m := kit.Manifest()
				m.Operations[0].InputSchema = json.RawMessage(c.Schema)
				r, err := a.NewRig(kit.RigOptions{Wasm: assemble.Module{Manifest: []string{string(kit.Encode(m))}}.Build(), Limits: target.Limits{CallTimeout: a.Patience}})
				if err != nil {
					return err
				}
				outcome, err := runOn(a, r, surface, c.Input)
				if err == nil && outcome != abi.Invalid {
					err = fmt.Errorf("it ended as %s", outcome)
				}
				return errors.Join(err, sentNothing(r))
			}})
		}
	}
	return all
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
