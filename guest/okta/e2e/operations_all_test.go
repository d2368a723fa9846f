package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/observed"
)

// stillAt returns the fixed time of the cases' orgs and connections.
func stillAt() time.Time { return time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC) }

// caseWorld returns an org for the cases and a connection to it. Its links do not contain the port.
func caseWorld(t *testing.T, change func(*oktatest.Config)) world {
	t.Helper()
	cfg := casesConfig()
	cfg.PublicURL = "https://example.okta.com"
	if change != nil {
		change(&cfg)
	}
	org := oktatest.New(cfg)
	return world{boundWith(t, withToken(org), host.ConnectOptions{Now: stillAt}, abi.Classes()...), org}
}

// try invokes an operation with any outcome.
func (w world) try(op, input string) *abi.Result {
	res, _ := w.Invoke(context.Background(), op, json.RawMessage(input))
	return res
}

// TestOperations_GoodInputs_RepeatSafely runs the good inputs of each operation twice. A repeat must not write again,
// and the poller must see every write in the System Log.
func TestOperations_GoodInputs_RepeatSafely(t *testing.T) {
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		t.Parallel()
		if len(u.good) == 0 {
			t.Fatal("there is no good case")
		}
		for _, g := range u.good {
			w := caseWorld(t, nil)
			input := w.fill(t, g.in)
			effects, before := w.org.Effects(), w.org.Writes() // filling places may write
			res := w.do(t, abi.Succeeded, op.Name, input)
			if op.Class == abi.Read {
				if w.org.Writes() != before {
					t.Errorf("%s: a read wrote", input)
				}
			} else if w.org.Effects() == effects {
				t.Errorf("%s: nothing was changed", input)
			}
			if got := w.polled(t, res); got != g.events {
				t.Errorf("%s: the poller sees %q, want %q", input, got, g.events)
			}
			want := g.again
			if want == "" {
				want = abi.Unchanged
			}
			effects, writes := w.org.Effects(), w.org.Writes()
			again := w.try(op.Name, input)
			if again.Outcome != want {
				t.Errorf("%s again: %s %+v, want %s", input, again.Outcome, again.Error, want)
			}
			if (want != abi.Succeeded || g.asks) && (w.org.Effects() != effects || w.org.Writes() != writes && !g.asks) {
				t.Errorf("%s again: a write was sent", input)
			}
		}
	})
}

// polled returns the types of the events that an invoke's requests caused, as a source reads them, sorted.
func (w world) polled(t *testing.T, res *abi.Result) string {
	t.Helper()
	ids := map[string]bool{}
	for _, r := range res.Meta.Requests {
		ids[r.RequestID] = true
	}
	var types []string
	for rec, err := range w.Source(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids[gjson.GetBytes(rec.JSON, "debugContext.debugData.requestId").Str] {
			types = append(types, gjson.GetBytes(rec.JSON, "eventType").Str)
		}
	}
	slices.Sort(types)
	return strings.Join(types, " ")
}

// TestEventTypes_OfTheCases_AreInOktasCatalogue compares the events of the cases with Okta's catalogue.
func TestEventTypes_OfTheCases_AreInOktasCatalogue(t *testing.T) {
	known := map[string]bool{}
	for line := range bytes.Lines(observed.File(t, "event-types.csv")) {
		name, _, _ := bytes.Cut(line, []byte(","))
		known[strings.Trim(string(name), `"`)] = true
	}
	for op, u := range uses {
		for _, g := range u.good {
			for _, event := range strings.Fields(g.events) {
				if !known[event] {
					t.Errorf("%s: %s is not one of Okta's events", op, event)
				}
			}
		}
	}
}

// without lists cases that an operation cannot have.
var without = map[string]string{

	"wrong assign_application_group":   "no state of a group or application prevents it",
	"wrong unassign_application_group": "the same",
}

// TestCases_OfEachOperation_AreComplete: an operation with a target needs a case of a missing target, and a write needs
// one of a wrong state.
func TestCases_OfEachOperation_AreComplete(t *testing.T) {
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		var schema struct {
			Required   []string
			Properties map[string]json.RawMessage
		}
		if err := json.Unmarshal(op.InputSchema, &schema); err != nil {
			t.Fatal(err)
		}
		names := false
		for _, target := range []string{"user", "group", "application", "device", "session", "policy", "zone", "authorization_server", "role"} {
			_, is := schema.Properties[target]
			names = names || is
		}
		if names && len(u.missing) == 0 && without["missing "+op.Name] == "" {
			t.Error("a case of a missing target is needed")
		}
		if op.Class != abi.Read && len(u.wrong) == 0 && without["wrong "+op.Name] == "" {
			t.Error("a case of a wrong state is needed")
		}
	})
}

// TestOperations_MissingTarget_IsNotFound also has ids that look valid, and names that could be ids.
func TestOperations_MissingTarget_IsNotFound(t *testing.T) {
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		t.Parallel()
		for _, in := range u.missing {
			w := caseWorld(t, nil)
			input := w.fill(t, in)
			effects := w.org.Effects() // filling places may write
			res := w.do(t, abi.NotFound, op.Name, input)
			if res.Error.Retryable || res.Error.Message == "" {
				t.Errorf("%s: %+v", input, res.Error)
			}
			if w.org.Effects() != effects {
				t.Errorf("%s: something was changed", input)
			}
		}
	})
}

func TestOperations_WrongState_IsRejected(t *testing.T) {
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		t.Parallel()
		for _, c := range u.wrong {
			w := caseWorld(t, nil)
			input := w.fill(t, c.in)
			effects := w.org.Effects() // filling places may write
			res := w.do(t, abi.Rejected, op.Name, input)
			if res.Error.Code != c.code || res.Error.Code == "rejected" && res.Error.Upstream == nil {
				t.Errorf("%s: %+v, want %s", input, res.Error, c.code)
			}
			if w.org.Effects() != effects {
				t.Errorf("%s: something was changed", input)
			}
		}
	})
}

// property is what the test of wrong inputs reads from a schema.
type property struct {
	Type                 any
	Enum                 []any
	Const                any
	Pattern              string
	MinLength, MaxLength *int
	Minimum, Maximum     *int
	MinItems             *int
	Format               string
}

// wrongValues returns values that a schema does not allow.
func (p property) wrongValues() (all []string) {
	if p.Enum != nil {
		all = append(all, `"NO_SUCH_VALUE"`, `7`)
	}
	switch p.Type {
	case "string":
		all = append(all, `7`, `{}`, `["x"]`)
	case "boolean":
		all = append(all, `"true"`, `1`)
	case "integer":
		all = append(all, `"1"`, `1.5`)
	case "object":
		all = append(all, `"x"`, `[]`)
	case "array":
		all = append(all, `"x"`, `[7]`)
	}
	if p.MinLength != nil && *p.MinLength > 0 {
		all = append(all, `""`)
	}
	if p.MaxLength != nil {
		all = append(all, `"`+strings.Repeat("x", *p.MaxLength+1)+`"`)
	}
	if p.Minimum != nil {
		all = append(all, fmt.Sprint(*p.Minimum-1))
	}
	if p.Maximum != nil {
		all = append(all, fmt.Sprint(*p.Maximum+1))
	}
	if p.MinItems != nil && *p.MinItems > 0 {
		all = append(all, `[]`)
	}
	if p.Pattern != "" || p.Format != "" {
		all = append(all, `"= no / such form \u0007 ="`) // a login may have a slash, but no control character
	}
	return all
}

// with returns an input with other members; null removes one.
func with(t *testing.T, input, members string) string {
	t.Helper()
	all := map[string]json.RawMessage{}
	for _, text := range []string{input, "{" + members + "}"} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	maps.DeleteFunc(all, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOperations_WrongInput_IsInvalid tries invalid values for every field of every operation, and omits required
// fields. Nothing may be sent, and the error must name the field.
func TestOperations_WrongInput_IsInvalid(t *testing.T) {
	w := caseWorld(t, nil)
	tried := 0
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		var schema struct {
			Required    []string
			Properties  map[string]property
			Description string
		}
		if err := json.Unmarshal(op.InputSchema, &schema); err != nil {
			t.Fatal(err)
		}
		base := w.fill(t, u.good[0].in)
		refuse := func(input, names string) {
			tried++
			requests := len(w.org.Requests())
			res := w.do(t, abi.Invalid, op.Name, input)
			if !strings.Contains(res.Error.Message, names) || len(res.Meta.Requests) != 0 || len(w.org.Requests()) != requests {
				t.Errorf("%.300s: %s, which does not name %s", input, res.Error.Message, names)
			}
		}
		for name, p := range schema.Properties {
			values := p.wrongValues()
			if len(values) == 0 {
				t.Errorf("the schema of %s allows anything", name)
			}
			for _, v := range values {
				refuse(with(t, base, `"`+name+`":`+v), name)
			}
		}
		for _, name := range schema.Required {
			refuse(with(t, base, `"`+name+`":null`), name)
		}
		refuse(with(t, base, `"no_such_field":1`), "no_such_field")
		for _, input := range u.invalid {
			refuse(w.fill(t, input), "")
		}
		// Errors about combinations of fields are in plain words, not in terms of JSON Schema.
		combined := false
		for _, keyword := range []string{"allOf", "anyOf", "oneOf", "not", "if", "dependentRequired", "minProperties"} {
			combined = combined || gjson.GetBytes(op.InputSchema, keyword).Exists()
		}
		if combined != (schema.Description != "") {
			t.Errorf("the schema combines fields: %v, and says %q", combined, schema.Description)
		}
		said := false
		for _, input := range u.invalid {
			message := w.do(t, abi.Invalid, op.Name, w.fill(t, input)).Error.Message
			said = said || strings.Contains(message, schema.Description)
			if strings.Contains(message, "failed") || strings.Contains(message, "subschema") {
				t.Errorf("%s: %s", input, message)
			}
		}
		if combined && !said {
			t.Errorf("no case breaks %q", schema.Description)
		}
	})
	if tried < 600 {
		t.Errorf("%d inputs were tried", tried)
	}
}

// TestOperations_EachField_HasAnEffect adds each field to an input without it, or gives it another value: the requests
// or the result must differ. A field without an effect would be a false promise.
func TestOperations_EachField_HasAnEffect(t *testing.T) {
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		t.Parallel()
		base := u.base
		if base == "" {
			base = u.good[0].in
		}
		run := func(members string) (*abi.Result, string) {
			w := caseWorld(t, nil)
			input := with(t, w.fill(t, base), w.fill(t, members))
			from := len(w.org.Requests())
			res := w.try(op.Name, input)
			if res.Outcome == abi.Invalid || res.Outcome == abi.Failed {
				t.Errorf("%s: %s %+v", input, res.Outcome, res.Error)
			}
			return res, strings.Join(w.sent(from), "\n") + "\n" + string(res.Outcome) + string(res.Output)
		}
		_, before := run("")
		var schema struct{ Properties map[string]json.RawMessage }
		if err := json.Unmarshal(op.InputSchema, &schema); err != nil {
			t.Fatal(err)
		}
		for name := range schema.Properties {
			members, ok := u.fields[name]
			switch {
			case name == "cursor" && op.Name != "inventory_export": // its cursors have their own test
				first := `"limit":1`
				if schema.Properties["limit"] == nil {
					first = `"page_size":1`
				}
				one, _ := run(first)
				if one.NextCursor == "" {
					t.Errorf("no next_cursor after one record: %s", one.Output)
					continue
				}
				two, _ := run(first + `,"cursor":"` + one.NextCursor + `"`)
				if a, b := listed(t, one), listed(t, two); len(a) != 1 || len(b) != 1 || bytes.Equal(a[0], b[0]) {
					t.Errorf("%d records, then %d: %.200s", len(a), len(b), two.Output)
				}
			case name == "cursor":
			case !ok:
				t.Errorf("a case for %s is needed", name)
			default:
				if _, after := run(members); after == before {
					t.Errorf("%s changes nothing:\n%s", members, after)
				}
			}
		}
		for name := range u.fields {
			if schema.Properties[name] == nil {
				t.Errorf("field %s does not exist", name)
			}
		}
	})
}

// doWithout lists endpoints that an operation does not need, and its outcome without them.
var doWithout = map[string]abi.Outcome{
	"validate GET /api/v1/users/me":                     abi.Succeeded, // reported as a finding
	"validate GET /api/v1/org":                          abi.Succeeded,
	"add_group_member GET /api/v1/users/{}/groups":      abi.Succeeded, // the output has fewer members
	"remove_group_member GET /api/v1/users/{}/groups":   abi.Succeeded,
	"revoke_session GET /api/v1/sessions/{}":            abi.Succeeded, // a token may end sessions without permission to read them
	"inventory_export *":                                abi.Succeeded, // named in skipped
	"unassign_application_user GET /api/v1/users/{}":    abi.NotFound,  // Okta said that the id is missing
	"unassign_application_group GET /api/v1/groups/{}":  abi.NotFound,
	"device_lifecycle_action DELETE /api/v1/devices/{}": abi.Rejected, // after the first of two steps
	"delete_user DELETE /api/v1/users/{}":               abi.Rejected,
	"update_group GET /api/v1/groups/rules":             abi.Succeeded, // a warning says that rules could not be checked
	"delete_group GET /api/v1/groups/rules":             abi.Succeeded,
	"remove_group_member GET /api/v1/groups/rules":      abi.Succeeded,
	"assign_role GET /api/v1/groups/{}":                 abi.Succeeded, // read only for a plan
	"revoke_role GET /api/v1/groups/{}":                 abi.Succeeded,
	"add_role_target GET /api/v1/groups/{}":             abi.Succeeded,
	"remove_role_target GET /api/v1/groups/{}":          abi.Succeeded,
	"assign_application_user GET /api/v1/apps/{}":       abi.Succeeded,
	"unassign_application_user GET /api/v1/apps/{}":     abi.Succeeded,
	"assign_application_group GET /api/v1/apps/{}":      abi.Succeeded,
	"unassign_application_group GET /api/v1/apps/{}":    abi.Succeeded,
}

// TestOperations_MissingPermission_IsNamed forbids each endpoint of each operation, with an input that uses it.
func TestOperations_MissingPermission_IsNamed(t *testing.T) {
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		if testing.Short() && op.Class == abi.Read {
			t.Skip("the short run has only writes")
		}
		t.Parallel()
		inputs := map[string]string{} // by endpoint
		use := func(in string, options ...host.InvokeOptions) {
			w := caseWorld(t, nil)
			input := w.fill(t, in)
			from := len(w.org.Requests())
			_, _ = w.Invoke(context.Background(), op.Name, json.RawMessage(input), options...)
			for _, r := range w.org.Requests()[from:] {
				if pattern := anonymous(r.Pattern); inputs[pattern] == "" {
					inputs[pattern] = in
				}
			}
		}
		for _, g := range u.good {
			use(g.in)
		}
		for _, in := range u.missing {
			use(in)
		}
		for _, in := range u.seldom {
			use(in)
		}
		for _, g := range u.good { // a plan reads the objects that it shows
			use(g.in, host.InvokeOptions{Plan: true})
		}
		if strings.Contains(string(op.InputSchema), `"user":`) { // a login that cannot be in a path is searched for
			use(with(t, caseWorld(t, nil).fill(t, u.good[0].in), `"session":null,"user":"CORP\\ada"`))
		}
		for _, e := range op.Endpoints {
			endpoint := anonymous(e.Endpoint)
			if endpoint == "GET /.well-known/okta-organization" {
				continue // needs no permission
			}
			in := inputs[endpoint]
			if in == "" {
				t.Errorf("no case uses %s", endpoint)
				continue
			}
			free := caseWorld(t, nil) // filling places may write
			input := free.fill(t, in)
			w := caseWorld(t, func(cfg *oktatest.Config) { cfg.Forbid = []string{e.Endpoint} })
			if strings.Contains(in, "with a role>") && (e.Endpoint[:3] != "GET" || endpoint == "GET /api/v1/users/me" || strings.Contains(endpoint, "/targets/")) ||
				strings.Contains(in, "<inactive policy") && strings.HasSuffix(endpoint, "/activate") || strings.Contains(in, "group rule>") || strings.Contains(in, "<given ") {
				w.fill(t, in)
			}
			from := w.org.Effects()
			res := w.try(op.Name, input)
			want, ok := doWithout[op.Name+" "+endpoint]
			if !ok {
				want, ok = doWithout[op.Name+" *"]
			}
			if ok && want == res.Outcome && want != abi.Rejected {
				continue
			}
			if res.Outcome != abi.Rejected || res.Error.Code != "forbidden" || res.Error.Upstream == nil || res.Error.Upstream.Code != "E0000006" {
				t.Errorf("%s without %s: %s %+v", input, endpoint, res.Outcome, res.Error)
			}
			if w.org.Effects() != from && !ok {
				t.Errorf("%s without %s: something was changed", input, endpoint)
			}
		}
	})
}

var blanks = regexp.MustCompile(`\{[^{}]+\}`)

// anonymous returns an endpoint without the names of its path parameters.
func anonymous(endpoint string) string { return blanks.ReplaceAllString(endpoint, "{}") }
