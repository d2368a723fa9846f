package declared

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
)

// secret is a sensitive value in responses.
const secret = "a-value-that-the-module-must-not-get"

// file is a request whose responses have sensitive members, with emit options.
func file(emit string) string {
	return kit.Send(`{"endpoint":"GET /svc/v1/files/{path}/{id}","path":{"path":"x","id":"1"}` + emit + `}`)
}

// Attacks returns attacks that try to get a sensitive member of a response, by every way out.
func Attacks() (all []kit.Attack) {
	for name, body := range map[string]string{
		"of an object":               `{"id":"1","secret":"` + secret + `"}`,
		"of a list":                  `[{"id":"1"},{"id":"2","secret":"` + secret + `"}]`,
		"below others":               `{"id":"1","a":[{"b":{"secret":"` + secret + `"}}]}`,
		"that are an object":         `{"id":"1","secret":{"x":["` + secret + `"]}}`,
		"of a longer path":           `{"id":"1","credentials":[{"secret":"` + secret + `"}]}`,
		"listed twice":               `{"secret":1,"id":"1","secret":"` + secret + `"}`,
		"with a name in escapes":     `{"id":"1","s\u0065cret":"` + secret + `"}`,
		"of an error":                `{"code":"E1","id":"1","secret":"` + secret + `"}`,
		"of a text that is cut off":  `{"id":"1","secret":"` + secret + `"`,
		"of a text after an object":  `{"id":"1"} {"secret":"` + secret + `"}`,
		"of a text that is not JSON": `<secret>` + secret + `</secret>`,
		"of a large list":            `[` + strings.Repeat(`{"id":"x","a":"b"},`, 20_000) + `{"id":"2","secret":"` + secret + `"}]`,
	} {
		all = append(all, kit.Attack{Family: "secrets", Name: "sensitive members " + name, Wall: "sensitive members", Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{Handler: func(w http.ResponseWriter, req *http.Request) {
				if !strings.HasPrefix(req.URL.Path, "/svc/v1/files/") {
					kit.Honest(w, req)
					return
				}
				if strings.Contains(body, "E1") {
					w.WriteHeader(http.StatusConflict)
				}
				_, _ = io.WriteString(w, body)
			}})
			if err != nil {
				return err
			}
			for way, steps := range map[string][]string{
				"body_read":          {file(""), kit.Step("body_read", "", 1, 0, 1<<20), kit.Step("body_read", "", 1, 300_000, 1<<20)},
				"records_emit":       {file(""), kit.Step("records_emit", `{}`, 1)},
				"keys":               {file(""), kit.Step("records_emit", `{"keys":true,"key":"secret"}`, 1), kit.Step("records_emit", `{"keys":true,"path":"secret","key":"x"}`, 1)},
				"a summary":          {file(""), kit.Step("records_emit", `{"summarise":["secret","credentials"]}`, 1)},
				"emit of a request":  {file(`,"emit":{"summarise":["secret"]}`)},
				"a path of an emit":  {file(`,"emit":{"path":"secret"}`)},
				"an emit with omits": {file(""), kit.Step("records_emit", `{"omit":["secret","a"]}`, 1)},
			} {
				input := `{"steps":[` + strings.Join(steps, ",") + `]}`
				res, err := r.RunInput("read", input)
				if err != nil {
					return err
				}
				rows, err := r.Table(a.Ctx, "read", json.RawMessage(input))
				if err != nil {
					return err
				}
				if strings.Contains(string(res.JSON)+string(kit.Encode(rows)), secret) {
					return fmt.Errorf("by %s, the module got %q: %s", way, secret, kit.Short(string(res.JSON)))
				}
			}
			return r.Serves()
		}})
	}
	return all
}
