package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestClassRules_EachInput_AllowsOnlyItsWrites has each input whose class a rule sets, and the writes that it allows.
// The hostile module with the connector's manifest requests every endpoint of the operation. The host must refuse the
// others.
func TestClassRules_EachInput_AllowsOnlyItsWrites(t *testing.T) {
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
	module := hosttest.Package("./host/testdata/hostile", driven(t, m), host.LoadOptions{}).Load(t)
	const back, away = "activate unlock unsuspend", "deactivate expire_password expire_password_with_temp_password reset_factors reset_password suspend"
	for _, c := range []struct {
		op, input, body string
		class           abi.Class
		allows          string // last segments of the endpoints of allowed writes
	}{
		{"user_lifecycle_action", `{"action":"activate"}`, ``, abi.Write, back},
		{"user_lifecycle_action", `{"action":"unlock"}`, ``, abi.Write, back},
		{"user_lifecycle_action", `{"action":"unsuspend"}`, ``, abi.Write, back},
		{"user_lifecycle_action", `{"action":"suspend"}`, ``, abi.Destructive, away},
		{"user_lifecycle_action", `{"action":"reset_factors"}`, ``, abi.Destructive, away},
		{"device_lifecycle_action", `{"action":"activate"}`, ``, abi.Write, "activate unsuspend"},
		{"device_lifecycle_action", `{"action":"unsuspend"}`, ``, abi.Write, "activate unsuspend"},
		{"device_lifecycle_action", `{"action":"delete"}`, ``, abi.Destructive, "deactivate suspend {deviceId}"},
		{"group_rule_lifecycle_action", `{"action":"activate"}`, ``, abi.Privileged, "activate"},
		{"group_rule_lifecycle_action", `{"action":"deactivate"}`, ``, abi.Destructive, "deactivate"},
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
		ruled = slices.DeleteFunc(ruled, func(s string) bool { return s == c.op })
		at := slices.IndexFunc(m.Operations, func(op abi.Operation) bool { return op.Name == c.op })
		endpoints := m.Operations[at].Endpoints
		var texts, reads []string
		for _, e := range endpoints {
			request := abi.Request{Endpoint: e.Endpoint, Path: map[string]string{}}
			for segment := range strings.SplitSeq(e.Template(), "/") {
				if name, blank := abi.Blank(segment); blank {
					request.Path[name] = segment // the server sees the template
				}
			}
			text, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			if e.Method() == http.MethodGet {
				reads = append(reads, e.Endpoint)
			} else if c.body != "" {
				text = append(text[:len(text)-1], `,"body":`+c.body+`}`...)
			}
			texts = append(texts, string(text))
			for _, g := range e.Guards { // the host reads them before the write
				if g.Each == "" && g.Class != c.class {
					reads = append(reads, g.Read)
				}
			}
		}
		list, err := json.Marshal(texts)
		if err != nil {
			t.Fatal(err)
		}
		server := &hosttest.Recorder{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[]`) })}
		conn := hosttest.Serve(t, module, server, host.Config{Grants: abi.Classes()}, host.ConnectOptions{})
		res, _ := conn.Invoke(context.Background(), c.op, json.RawMessage(strings.Replace(`{"do":"send","texts":`+string(list)+`,`+c.input[1:], ",}", "}", 1)))
		if res.Meta.Class != c.class {
			t.Errorf("%s %s is of class %s, want %s: %+v", c.op, c.input, res.Meta.Class, c.class, res.Error)
		}
		var allows, read []string
		for _, uri := range server.URIs() {
			endpoint, err := url.PathUnescape(uri)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(endpoint, "GET ") {
				read = append(read, endpoint)
			} else {
				allows = append(allows, endpoint[strings.LastIndex(endpoint, "/")+1:])
			}
		}
		if !slices.Equal(read, reads) {
			t.Errorf("%s %s may read %v, want %v", c.op, c.input, read, reads)
		}
		if slices.Sort(allows); strings.Join(allows, " ") != c.allows {
			t.Errorf("%s %s with body %s allows %v, want %s", c.op, c.input, c.body, allows, c.allows)
		}
	}
	if len(ruled) > 0 {
		t.Errorf("class rules without a case: %v", ruled)
	}
}

// driven returns a manifest whose operations accept the inputs that control the hostile module, and any value in their
// own fields.
func driven(t *testing.T, m abi.Manifest) []byte {
	t.Helper()
	m.Operations = slices.Clone(m.Operations)
	for i := range m.Operations {
		var schema struct {
			Properties map[string]struct {
				Enum []any `json:"enum,omitempty"` // for class rules
			} `json:"properties"`
		}
		if err := json.Unmarshal([]byte(`{"properties":{"do":{},"texts":{}}}`), &schema); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(m.Operations[i].InputSchema, &schema); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		m.Operations[i].InputSchema = text
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
