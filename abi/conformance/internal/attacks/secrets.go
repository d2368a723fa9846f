package attacks

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// secretAttacks try to see the token, or to send it to the wrong place.
func secretAttacks() []kit.Attack {
	var all []kit.Attack
	const at = `"endpoint":"GET /svc/v1/items/{id}","path":{"id":"x"}`
	const one = "token in one header"
	for _, c := range []struct{ name, op, request string }{
		{"in a body", "write", `{"endpoint":"POST /svc/v1/items","body":{"x":"{{secret}}"}}`},
		{"in a query", "read", `{"endpoint":"GET /svc/v1/feed","query":[["q","{{secret}}"]]}`},
		{"in a path", "read", `{"endpoint":"GET /svc/v1/items/{id}","path":{"id":"{{secret}}"}}`},
		{"in a link", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?q={{secret}}"}`},
		{"in a link, escaped", "read", `{"endpoint":"GET /svc/v1/feed","link":"/svc/v1/feed?q={{escaped}}"}`},
		{"in another header", "write", `{"endpoint":"PUT /svc/v1/items/{id}","path":{"id":"x"},"body":{},"headers":{"If-Match":"\"{{secret}}\""}}`},
		{"as a header's name", "read", `{` + at + `,"headers":{"{{secret}}":"x"}}`},
		{"twice in one header", "read", `{` + at + `,"headers":{"Authorization":"{{auth}} {{auth}}"}}`},
		{"with another scheme", "read", `{` + at + `,"headers":{"Authorization":"Basic {{secret}}"}}`},
		{"in two spellings of the header", "read", `{` + at + `,"headers":{"Authorization":"{{auth}}","authorization":"{{auth}}"}}`},
		{"both sign and a header", "read", `{` + at + `,"sign":true,"headers":{"Authorization":"Basic x"}}`},
		{"with an additional space", "read", `{` + at + `,"headers":{"Authorization":"{{scheme}}  {{secret}}"}}`},
		{"the module's own credential", "read", `{` + at + `,"headers":{"Authorization":"Bearer mine"}}`},
		{"an unknown placeholder", "read", `{` + at + `,"headers":{"Authorization":"{{scheme}} {secret:00000000000000000000000000000000}"}}`},
	} {
		all = append(all, kit.Attack{Family: "secrets", Name: c.name, Wall: one, Run: func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{}, c.op, kit.Send(c.request))
			if err != nil {
				return err
			}
			return errors.Join(res.Ended(abi.Failed), res.Saw())
		}})
	}
	all = append(all, kit.Attack{Family: "secrets", Name: "a placeholder of an earlier call", Wall: "fresh placeholders", Run: func(a *kit.Attempt) error {
		r, err := a.NewRig(kit.RigOptions{Limits: target.Limits{Concurrency: 1}})
		if err != nil {
			return err
		}
		first, err := r.Run("read", kit.Step("secret_get", "token"))
		if err != nil {
			return err
		}
		i := strings.Index(first.Text(0), "{secret:")
		if i < 0 {
			return fmt.Errorf("no placeholder in %s", first.Text(0))
		}
		old := first.Text(0)[i : i+strings.IndexByte(first.Text(0)[i:], '}')+1]
		res, err := r.Run("read", kit.Send(`{`+at+`,"headers":{"Authorization":"{{scheme}} `+old+`"}}`))
		if err != nil {
			return err
		}
		return errors.Join(res.Ended(abi.Failed), res.Saw())
	}})
	const taint = "responses with the token"
	echo := func(name string, h http.HandlerFunc, steps ...string) {
		all = append(all, kit.Attack{Family: "secrets", Name: name, Wall: taint, Run: func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{Handler: h}, "read", append([]string{kit.Send(kit.Logs)}, steps...)...)
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
	}
	read := []string{kit.Step("body_read", "", "{handle}", 0, 1<<20), kit.Step("records_emit", "{}", "{handle}")}
	echo("echoed in a body", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"echo":%q}`, kit.Credential(r)) }, read...)
	echo("echoed in a header", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", kit.Credential(r)) }, read...)
	echo("echoed in the second value of a header", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Link", "<https://x/>; rel=self")
		w.Header().Add("Link", "<https://x/?t="+kit.Credential(r)+">; rel=next")
	}, read...)
	echo("echoed in the request's id", func(w http.ResponseWriter, r *http.Request) { kit.Identify(w, kit.Credential(r)) }, read...)
	echo("echoed in a large body", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"pad":"%s","echo":%q}`, strings.Repeat("x", 200<<10), kit.Credential(r))
	}, kit.Step("body_read", "", "{handle}", 200<<10, 200), kit.Step("records_emit", `{"summarise":["echo"]}`, "{handle}"))
	echo("echoed in a large body that is emitted", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"pad":"%s","echo":%q}`, strings.Repeat("x", 200<<10), kit.Credential(r))
	}, kit.Step("records_emit", `{"summarise":["echo"]}`, "{handle}"))
	echo("echoed in the id of a repeated request", func(w http.ResponseWriter, r *http.Request) {
		kit.Identify(w, kit.Credential(r))
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	echo("echoed in an error", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"summary":%q}`, kit.Credential(r))
	}, read...)
	echo("echoed in a compressed body", func(w http.ResponseWriter, r *http.Request) {
		zipped(w, []byte(fmt.Sprintf(`{"echo":%q}`, kit.Credential(r))))
	}, read...)
	return all
}
