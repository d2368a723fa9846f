package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
)

// masks returns the attacks of a module that hides what it writes behind the mask of a sensitive value. The approver, and
// the reader of a plan, must see that the value is not the one of the input.
func masks() (all []conformance.Attack) {
	const mask, foreign = `"***"`, `"*** (not from the input)"`
	for name, c := range map[string]struct{ body, shown string }{
		"another password":                  {`{"password":"MALLORY"}`, `{"password":` + foreign + `}`},
		"the password in another case":      {`{"password":"Hunter2-hunter2"}`, `{"password":` + foreign + `}`},
		"half of the password":              {`{"password":"hunter2"}`, `{"password":` + foreign + `}`},
		"the password and more":             {`{"password":"hunter2-hunter2 "}`, `{"password":` + foreign + `}`},
		"a number":                          {`{"password":7}`, `{"password":` + foreign + `}`},
		"a truth value":                     {`{"password":true}`, `{"password":` + foreign + `}`},
		"nothing":                           {`{"password":null}`, `{"password":` + foreign + `}`},
		"groups in place of it":             {`{"password":{"groupIds":["00g1"],"all":true}}`, `{"password":{"groupIds":[` + foreign + `],"all":` + foreign + `}}`},
		"another value after it":            {`{"password":["hunter2-hunter2","MALLORY"]}`, `{"password":[` + mask + `,` + foreign + `]}`},
		"another sensitive value":           {`{"password":"blue-as-the-sea"}`, `{"password":` + foreign + `}`},
		"another password further down":     {`{"profile":{"password":"MALLORY"},"password":"hunter2-hunter2"}`, `{"profile":{"password":` + foreign + `},"password":` + mask + `}`},
		"the password below another object": {`{"password":{"password":"MALLORY"}}`, `{"password":{"password":` + foreign + `}}`},
	} {
		request := `{"endpoint":"POST /api/v1/users","body":` + c.body + `}`
		all = append(all, act("a mask over "+name, "masks", "marks", func(s *stage) error {
			s.approve(func(r host.ApprovalRequest) error {
				if got := r.Plan.Writes[0].Body; !bytes.Equal(got, []byte(c.shown)) {
					s.config.Name = fmt.Sprintf("the approver sees %s", got)
				}
				return errors.New("no")
			})
			return nil
		}, func(ctx context.Context, s *stage) error {
			s.try(ctx, []string{request}, []string{request}, host.InvokeOptions{})
			if s.config.Name != "actor" {
				return fmt.Errorf("%s, want %s", s.config.Name, c.shown)
			}
			s.now.Set(planned)
			res := s.try(ctx, []string{request}, nil, host.InvokeOptions{Plan: true})
			var seen json.RawMessage
			if res.Plan != nil && len(res.Plan.Writes) == 1 {
				seen = res.Plan.Writes[0].Body
			}
			if !bytes.Equal(seen, []byte(c.shown)) {
				return fmt.Errorf("the plan has %s, want %s", seen, c.shown)
			}
			return s.sent(0)
		}))
	}
	return all
}

// masksMutations are the checks of what a mask may hide.
var masksMutations = []mutation{
	{"marks", "a value that is not the input's", []edit{never("host/internal/redact/redact.go", "below && m.mark")}, ""},
	{"marks", "the value of that path", []edit{neverPlace("s.ends(place)")}, ""},
	{"marks", "what is below the path", []edit{swap("host/internal/redact/redact.go", "under = below || m.at.at(at)", "under = (below && !DOWN) || m.at.at(at)")}, ""},
}

// neverPlace compares a leaf with every sensitive value, and not only with that of its path.
func neverPlace(cond string) edit {
	return edit{"host/internal/redact/redact.go", cond + " && s.is(v)", cond, "(" + cond + " || DOWN)"}
}
