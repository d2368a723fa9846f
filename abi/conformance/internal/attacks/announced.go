package attacks

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// announcedAttacks announce reads that a host must refuse. A host without the feature refuses all of them as an unknown
// member.
func announcedAttacks() []kit.Attack {
	const wall = "announced reads"
	var all []kit.Attack
	many := strings.TrimSuffix(strings.Repeat(kit.Logs+",", abi.MaxAnnounced+1), ",")
	for _, c := range []struct{ name, wall, op, reads string }{
		{"an announced write", wall, "write", `{"endpoint":"POST /svc/v1/items","body":{}}`},
		{"an announced write without a body", wall, "raised", `{"endpoint":"DELETE /svc/v1/items/{id}","path":{"id":"x"}}`},
		{"an announced read with a body", wall, "read", `{"endpoint":"GET /svc/v1/feed","body":{}}`},
		{"an announced read that announces another", wall, "read", `{"endpoint":"GET /svc/v1/feed","announce":[` + kit.Logs + `]}`},
		{"an announced read that emits", wall, "read", `{"endpoint":"GET /svc/v1/feed","emit":{}}`},
		{"too many announced reads", wall, "read", many},
		{"an announced read of another operation", "endpoint grants", "read", `{"endpoint":"POST /svc/v1/items"}`},
		{"an announced read of no operation", "endpoint grants", "read", `{"endpoint":"GET /svc/v1/crates"}`},
		{"an announced read with a path step", "blanks", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":".."}}`},
		{"an announced read with a link to another path", "links", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/crates"}`},
		{"an announced read with an undeclared query", "queries", "read", `{"endpoint":"GET /svc/v1/feed","query":[["a=b&c","x"]]}`},
		{"an announced read with the token in its query", "token in one header", "read", `{"endpoint":"GET /svc/v1/feed","query":[["q","{{secret}}"]]}`},
		{"a bad read after a good one", "endpoint grants", "read", kit.Logs + `,{"endpoint":"GET /svc/v1/crates"}`},
	} {
		all = append(all, kit.Attack{Family: "requests", Name: c.name, Wall: c.wall, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.Run(c.op, kit.Send(announcingIn(c.op, c.reads)))
			if err != nil {
				return err
			}
			if res.Outcome != abi.Failed && !strings.Contains(res.Text(0), `"error"`) {
				return fmt.Errorf("neither the module nor the caller got an error: %s", kit.Short(string(res.JSON)))
			}
			return errors.Join(res.Saw(), r.Serves())
		}})
	}
	all = append(all, kit.Attack{Family: "limits", Name: "announced reads count", Wall: "requests limit", Run: func(a *kit.Attempt) error {
		var steps []string
		for range 3 {
			steps = append(steps, kit.Send(announcing(kit.Logs+","+kit.Logs+","+kit.Logs)))
		}
		const limit = 5
		res, err := a.One(kit.RigOptions{Limits: target.Limits{Requests: limit}}, "read", steps...)
		if err != nil {
			return err
		}
		if n := len(res.Rig.Requests()); n > limit {
			return fmt.Errorf("the service got %d requests of a call that may make %d", n, limit)
		}
		return nil
	}})
	all = append(all, kit.Attack{Family: "secrets", Name: "echoed in the response to an announced read", Wall: "responses with the token", Run: func(a *kit.Attempt) error {
		handler := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"echo":%q}`, kit.Credential(r)) }
		read := func(q string) string {
			return `{"endpoint":"GET /svc/v1/feed","sign":true,"query":[["q","` + q + `"]]}`
		}
		res, err := a.One(kit.RigOptions{Handler: handler}, "read", kit.Send(strings.TrimSuffix(read("a"), "}")+`,"announce":[`+read("b")+`]}`),
			kit.Send(read("b")), kit.Step("body_read", "", "{handle}", 0, 1<<20))
		if err != nil {
			return err // Run looks for the token in the result
		}
		for i, s := range res.Steps {
			if strings.Contains(s.Text, kit.Token[:20]) {
				return fmt.Errorf("step %d saw the token", i)
			}
		}
		return nil
	}})
	all = append(all, kit.Attack{Family: "limits", Name: "bytes of announced bodies", Wall: "memory that the host holds", Run: func(a *kit.Attempt) error {
		const held, body = 1 << 20, 200_000
		handler := func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"a":"`+strings.Repeat("x", body)+`"}`)
		}
		reads := strings.TrimSuffix(strings.Repeat(kit.Logs+",", abi.MaxAnnounced), ",")
		steps := []string{kit.Send(announcing(reads))}
		for range abi.MaxAnnounced {
			steps = append(steps, kit.Send(kit.Logs))
		}
		res, err := a.One(kit.RigOptions{Handler: handler, Limits: target.Limits{HeldBytes: held}}, "read", steps...)
		if err != nil {
			return err
		}
		got := 0
		for i := range res.Steps {
			if strings.Contains(res.Text(i), `"body"`) {
				got++
			}
		}
		if got*body > held {
			return fmt.Errorf("the host held %d bodies of %d bytes, and may hold %d bytes", got, body, held)
		}
		return nil
	}})
	return all
}

// announcing returns a request that announces reads.
func announcing(reads string) string { return announcingIn("read", reads) }

// announcingIn returns a request that an operation may make, and that announces reads.
func announcingIn(op, reads string) string {
	if op != "read" { // it has no list
		return `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"x"},"headers":{"Authorization":"{{auth}}"},"announce":[` + reads + `]}`
	}
	return strings.TrimSuffix(kit.Logs, "}") + `,"announce":[` + reads + `]}`
}
