// Package guards holds the attacks on guards of endpoints.
package guards

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/build/pack"
)

// Attacks returns attacks that send requests whose guards do not hold, and say unclearly what the guards must read. A host without guards refuses
// the module.
func Attacks() []kit.Attack {
	packed := module()
	answer := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/svc/v1/crates/none"):
			_, _ = w.Write([]byte(`[]`))
		case strings.HasPrefix(r.URL.Path, "/svc/v1/crates/more"):
			w.Header().Set("Link", `</svc/v1/crates/more/powers?after=1>; rel="next"`)
			_, _ = w.Write([]byte(`[]`))
		case strings.HasPrefix(r.URL.Path, "/svc/v1/crates/unknown"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"code":"E404"}`))
		case strings.HasPrefix(r.URL.Path, "/svc/v1/crates/secret"): // the token may not read it
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"code":"E403"}`))
		default:
			_, _ = w.Write([]byte(`[{"power":"all"}]`))
		}
	}
	var all []kit.Attack
	// A host refuses the second module, or does not let its guard hold by a refusal to read.
	evasive := module(http.StatusUnauthorized, http.StatusForbidden)
	attack := func(name, request string, refusal bool) {
		all = append(all, kit.Attack{Family: "grants", Name: name, Wall: "guards", Run: func(a *kit.Attempt) error {
			wasm, err := packed()
			if name == unreadable {
				if wasm, err = evasive(); err != nil {
					return nil // such a manifest is not even packed
				}
			}
			if err != nil {
				return err
			}
			module, err := a.Host.Load(a.Ctx, wasm)
			if err != nil {
				return nil // without the feature
			}
			a.Later(func() { _ = module.Close(context.WithoutCancel(a.Ctx)) })
			r, err := a.NewRig(kit.RigOptions{Module: module, Wasm: wasm, Handler: answer, Grants: []abi.Class{abi.Read, abi.Write}})
			if err != nil {
				return err
			}
			res, err := r.RunInput("lowered", `{"action":"reopen","steps":[`+kit.Send(request)+`]}`)
			if err != nil {
				return err
			}
			for _, line := range r.Lines() {
				if !strings.HasPrefix(line, "GET ") {
					return fmt.Errorf("the server received %s", line)
				}
			}
			if refusal {
				return res.Ended(abi.Failed)
			}
			return errors.Join(res.Ended(abi.Succeeded), res.GotCode(0, abi.SendGuarded))
		}})
	}
	member := func(groups string) string { return `{"endpoint":"POST /svc/v1/members","body":` + groups + `}` }
	attack("a request whose guard does not hold", `{"endpoint":"PUT /svc/v1/crates/{group}","path":{"group":"admins"},"body":{}}`, false)
	attack("a guard's empty page before others", `{"endpoint":"PUT /svc/v1/crates/{group}","path":{"group":"more"},"body":{}}`, false)
	attack("a guard's read that fails", `{"endpoint":"PUT /svc/v1/crates/{group}","path":{"group":"unknown"},"body":{}}`, false)
	attack(unreadable, `{"endpoint":"PUT /svc/v1/crates/{group}","path":{"group":"secret"},"body":{}}`, false)
	attack("a guard's read that is refused", `{"endpoint":"PUT /svc/v1/crates/{group}","path":{"group":"secret"},"body":{}}`, false)
	attack("the second of a body's objects", member(`{"groups":["none","admins"]}`), false)
	attack("an unknown object of a body", member(`{"groups":["unknown"]}`), false)
	attack("a string for a list of objects", member(`{"groups":"admins"}`), false)
	attack("a body's object with an escaped name", member(`{"\u0067roups":["admins"]}`), false)
	attack("a body's objects in another case", member(`{"groups":["none"],"Groups":["admins"]}`), true)
	attack("a body's objects twice", member(`{"groups":["admins"],"groups":["none"]}`), true)
	attack("a body's object after a space", member(`{"groups":[" admins"]}`), true)
	attack("a body that a guard cannot read", member(`["admins"]`), true)
	attack("a body's objects as an object", member(`{"groups":{"0":"admins"}}`), true)
	return all
}

// unreadable is an attack by a guard that shall hold by a refusal to read.
const unreadable = "a guard that holds by a refusal to read"

// module returns a function that packs a module with guards. statuses are those of the guard of a PUT.
func module(statuses ...int) func() ([]byte, error) {
	m := kit.Manifest()
	m.Requires = []string{abi.FeatureGuards}
	op := &m.Operations[3] // lowered
	const powers = "GET /svc/v1/crates/{group}/powers"
	op.Endpoints = append(op.Endpoints, abi.Endpoint{Endpoint: powers, Bucket: "x"},
		abi.Endpoint{Endpoint: "PUT /svc/v1/crates/{group}", Bucket: "x", Class: abi.Write, Guards: []abi.Guard{{Kind: abi.GuardEmpty, Read: powers, Statuses: statuses, Class: abi.Privileged}}},
		abi.Endpoint{Endpoint: "POST /svc/v1/members", Bucket: "x", Class: abi.Write, Guards: []abi.Guard{{Kind: abi.GuardEmpty, Read: powers, Each: "groups", Blank: "group", Statuses: []int{http.StatusGone}, Class: abi.Privileged}}})
	return sync.OnceValues(func() ([]byte, error) {
		return pack.CachedPackage(context.Background(), "./abi/conformance/guest", kit.Encode(m))
	})
}
