package host

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
)

// oktaOperation is an operation of the Okta module, without the module.
func oktaOperation(t *testing.T, name string) *operation {
	t.Helper()
	var m abi.Manifest
	if err := json.Unmarshal(okta.Manifest(), &m); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Operations, func(op abi.Operation) bool { return op.Name == name })
	op := &operation{Operation: &m.Operations[i], granted: map[string]*abi.Endpoint{}}
	for j := range op.Endpoints {
		op.granted[op.Endpoints[j].Endpoint] = &op.Endpoints[j]
	}
	return op
}

// Each input whose class a rule sets, and the writes that it opens: every other endpoint of the operation is refused.
func TestAnInputOpensWhatItsClassDoesAndNothingElse(t *testing.T) {
	var ruled []string
	var m abi.Manifest
	if err := json.Unmarshal(okta.Manifest(), &m); err != nil {
		t.Fatal(err)
	}
	for _, op := range m.Operations {
		if len(op.ClassRules) > 0 {
			ruled = append(ruled, op.Name)
		}
	}
	const back, away = "activate unlock unsuspend", "deactivate expire_password expire_password_with_temp_password reset_factors reset_password suspend"
	for _, c := range []struct {
		op, input, body string
		class           abi.Class
		opens           string // the last segments of the endpoints of writes
	}{
		{"user_lifecycle_action", `{"action":"activate"}`, ``, abi.Write, back},
		{"user_lifecycle_action", `{"action":"unlock"}`, ``, abi.Write, back},
		{"user_lifecycle_action", `{"action":"unsuspend"}`, ``, abi.Write, back},
		{"user_lifecycle_action", `{"action":"suspend"}`, ``, abi.Destructive, away},
		{"user_lifecycle_action", `{"action":"reset_factors"}`, ``, abi.Destructive, away},
		{"device_lifecycle_action", `{"action":"activate"}`, ``, abi.Write, "activate unsuspend"},
		{"device_lifecycle_action", `{"action":"unsuspend"}`, ``, abi.Write, "activate unsuspend"},
		{"device_lifecycle_action", `{"action":"delete"}`, ``, abi.Destructive, "deactivate suspend {deviceId}"},
		{"update_user", `{"profile":{}}`, `{"profile":{}}`, abi.Write, "{id} {id}"},
		{"update_user", `{"profile":{}}`, `{"profile":{},"credentials":{}}`, abi.Write, ""},
		{"update_user", `{"profile":{}}`, `{"credentials":null}`, abi.Write, ""},
		{"update_user", `{"profile":{}}`, `{"\u0063redentials":{}}`, abi.Write, ""},
		{"update_user", `{"profile":{}}`, `{"Credentials":{}}`, abi.Write, ""},
		{"update_user", `{"profile":{}}`, `{"credentials":{},"profile":{},"profile":{}}`, abi.Write, ""},
		{"update_user", `{"profile":{}}`, `["credentials"]`, abi.Write, ""},
		{"update_user", `{"credentials":{}}`, `{"credentials":{}}`, abi.Privileged, "{id} {id}"},
		{"update_user", `{"credentials":null}`, `{"credentials":null}`, abi.Privileged, "{id} {id}"},
		{"create_user", `{}`, `{}`, abi.Write, "users"},
		{"create_user", `{"admin_group":false}`, `{}`, abi.Write, "users"},
		{"create_user", `{"admin_group":true}`, `{}`, abi.Privileged, "users"},
		{"assign_application_user", `{}`, `{"id":"x","scope":"USER"}`, abi.Write, "users {userId}"},
		{"assign_application_user", `{}`, `{"id":"x","scope":"GROUP"}`, abi.Write, ""},
		{"assign_application_user", `{"scope":"GROUP"}`, `{"id":"x","scope":"GROUP"}`, abi.Destructive, "users {userId}"},
		{"add_group_member", `{}`, ``, abi.Write, "{userId}"},
		{"add_group_member", `{"admin_group":true}`, ``, abi.Privileged, "{userId}"},
		{"remove_group_member", `{}`, ``, abi.Destructive, "{userId}"},
		{"remove_group_member", `{"admin_group":true}`, ``, abi.Privileged, "{userId}"},
		{"delete_group", `{}`, ``, abi.Destructive, "{groupId}"},
		{"delete_group", `{"admin_group":true}`, ``, abi.Privileged, "{groupId}"},
	} {
		op := oktaOperation(t, c.op)
		ruled = slices.DeleteFunc(ruled, func(s string) bool { return s == c.op })
		var fields map[string]any
		if err := json.Unmarshal([]byte(c.input), &fields); err != nil {
			t.Fatal(err)
		}
		run := &call{op: op, class: op.classOf(fields)}
		if run.class != c.class {
			t.Errorf("%s %s is of class %s, want %s", c.op, c.input, run.class, c.class)
		}
		var opens []string
		for _, e := range op.Endpoints {
			if _, err := run.grant(&abi.Request{Endpoint: e.Endpoint, Body: json.RawMessage(c.body)}); err == nil && e.Method() != "GET" {
				opens = append(opens, e.Endpoint[strings.LastIndex(e.Endpoint, "/")+1:])
			} else if err != nil && e.Method() == "GET" {
				t.Errorf("%s %s: %v", c.op, c.input, err)
			}
		}
		if slices.Sort(opens); strings.Join(opens, " ") != c.opens {
			t.Errorf("%s %s with body %s opens %v, want %s", c.op, c.input, c.body, opens, c.opens)
		}
	}
	if len(ruled) > 0 {
		t.Errorf("not asked: %v", ruled)
	}
}

func TestARuleComparesScalarsByTheirText(t *testing.T) {
	for _, c := range []struct {
		value any
		text  string
		want  bool
	}{
		{"true", "true", true}, {true, "true", true}, {false, "true", false}, {"unlock", "unlock", true}, {"UNLOCK", "unlock", false},
		{json.Number("10"), "10", true}, {json.Number("1.0e1"), "10", true}, {json.Number("10"), "1", false},
		{nil, "null", false}, {[]any{"unlock"}, "unlock", false}, {map[string]any{}, "{}", false},
	} {
		if got := equals(c.value, c.text); got != c.want {
			t.Errorf("%v and %q: %v", c.value, c.text, got)
		}
	}
	rules := []abi.ClassRule{{Field: "credentials", Class: abi.Privileged}}
	for _, text := range []string{`{"credentials":null}`, `{"credentials":{}}`, `{"credentials":false}`} {
		var fields map[string]any
		_ = json.Unmarshal([]byte(text), &fields)
		if got := byRules(rules, fields, abi.Write); got != abi.Privileged {
			t.Errorf("%s is of class %s", text, got)
		}
	}
}
