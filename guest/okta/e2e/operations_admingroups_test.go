package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/minor0"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/internal/openapi"
)

// adminCases are the writes that grant or revoke administrator roles through a group.
var adminCases = []struct{ op, input string }{
	{"add_group_member", `{"group":"Engineering","user":"alan.turing@example.com"}`},
	{"remove_group_member", `{"group":"<group Engineering>","user":"<member of Engineering>"}`},
	{"delete_group", `{"group":"Engineering"}`},
	{"create_user", `{"profile":{"login":"mira@example.com","email":"mira@example.com","firstName":"Mira","lastName":"Solano"},"credentials":{"password":{"value":"Correct horse battery 9"}},"group_ids":["<group Équipe Ventes>","<group Engineering>"]}`},
}

// adminWorld returns an org whose group Engineering has a role, and a connection with the given grants.
func adminWorld(t *testing.T, cfg oktatest.Config, grants ...abi.Class) world {
	t.Helper()
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(cfg)
	handler := judge.Middleware(t, withToken(org))
	w := world{bound(t, handler, abi.Classes()...), org}
	w.do(t, abi.Succeeded, "assign_role", `{"group":"Engineering","type":"SUPER_ADMIN"}`)
	return world{bound(t, handler, grants...), org}
}

// TestAdminGroup_Change_NeedsPrivileged: any change that grants a role is privileged.
func TestAdminGroup_Change_NeedsPrivileged(t *testing.T) {
	for _, c := range adminCases {
		t.Run(c.op, func(t *testing.T) {
			w := adminWorld(t, oktatest.Config{}, abi.Read, abi.Write, abi.Destructive)
			input := w.fill(t, c.input)
			meant := strings.Replace(input, "{", `{"admin_group":true,`, 1)
			effects := w.org.Effects()
			res := w.do(t, abi.Rejected, c.op, input)
			if res.Error.Code != "admin_group" || res.Error.Retryable || !strings.Contains(res.Error.Message, "SUPER_ADMIN") || !strings.Contains(res.Error.Message, `"admin_group":true`) {
				t.Errorf("%+v", res.Error)
			}
			if res := w.do(t, abi.Denied, c.op, meant); res.Meta.Class != abi.Privileged {
				t.Errorf("class %s", res.Meta.Class)
			}
			w.do(t, abi.Rejected, c.op, strings.Replace(input, "{", `{"admin_group":false,`, 1))
			if w.org.Effects() != effects {
				t.Fatalf("%d effects", w.org.Effects()-effects)
			}
			w.Connection = bound(t, withToken(w.org), abi.Read, abi.Privileged)
			w.do(t, abi.Succeeded, c.op, meant)
			if w.org.Effects() == effects {
				t.Error("nothing was done")
			}
		})
	}
}

// TestAdminGroup_NoChange_IsUnchanged: if nothing is granted or revoked, no confirmation is needed.
func TestAdminGroup_NoChange_IsUnchanged(t *testing.T) {
	var okta hosttest.Clock
	okta.Set(stillAt())
	w := adminWorld(t, oktatest.Config{Now: okta.Now}, abi.Read, abi.Write, abi.Destructive)
	w.do(t, abi.Unchanged, "add_group_member", w.fill(t, `{"group":"Engineering","user":"<member of Engineering>"}`))
	w.do(t, abi.Unchanged, "remove_group_member", `{"group":"Engineering","user":"alan.turing@example.com"}`)
	roles := w.org.Count("GET /api/v1/groups/{groupId}/roles")
	if roles != 1 { // by assign_role
		t.Errorf("%d reads of roles", roles)
	}
}

// TestAdminGroup_EachWrite_ReadsTheRolesOnce: the guard of the host is the only read of the roles, also in a plan.
func TestAdminGroup_EachWrite_ReadsTheRolesOnce(t *testing.T) {
	for _, c := range adminCases {
		for _, plan := range []bool{true, false} {
			w := newWorld(t, oktatest.Config{})
			input := w.fill(t, c.input)
			res, err := w.Invoke(context.Background(), c.op, json.RawMessage(input), host.InvokeOptions{Plan: plan})
			if err != nil {
				t.Fatal(err)
			}
			counted := 0
			for _, r := range res.Meta.Requests {
				if r.Endpoint == "GET /api/v1/groups/{groupId}/roles" {
					counted++
				}
			}
			if want := max(1, len(gjson.Get(input, "group_ids").Array())); w.org.Count("GET /api/v1/groups/{groupId}/roles") != want || counted != want {
				t.Errorf("%s, plan %v: %d reads of roles, %d in the result, want %d", c.op, plan, w.org.Count("GET /api/v1/groups/{groupId}/roles"), counted, want)
			}
		}
	}
}

// TestHostileModule_WithReadAndWrite_MakesNoAdministrator: a module with the connector's manifest sends every write
// that the grants read and write allow, with inputs of every class, to objects and with bodies that would make an
// administrator. The simulated org judges. With the manifest of minor version 0, the host adds the guards.
func TestHostileModule_WithReadAndWrite_MakesNoAdministrator(t *testing.T) {
	var today abi.Manifest
	if err := json.Unmarshal(okta.Manifest(), &today); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]abi.Manifest{"today": today, "minor version 0": ofMinor0(today)} {
		t.Run(name, func(t *testing.T) {
			module := hosttest.Package("./host/testdata/hostile", driven(t, m), host.LoadOptions{Minor0: minor0.Manifest()}).Load(t)
			org := oktatest.New(oktatest.Config{})
			honest := world{bound(t, withToken(org), abi.Classes()...), org}
			group, member := honest.fill(t, "<group Engineering>"), "mallory@example.com"
			honest.do(t, abi.Succeeded, "assign_role", `{"group":"Engineering","type":"SUPER_ADMIN"}`)
			made := honest.do(t, abi.Succeeded, "create_user", `{"profile":{"login":"`+member+`","email":"`+member+`","firstName":"M","lastName":"M"},"credentials":{"password":{"value":"Correct horse battery 9"}}}`)
			mallory := get(t, made.Output, "id")
			before := strings.Join(org.Members(group), " ")
			conn := hosttest.Serve(t, module, withToken(org), host.Config{Grants: []abi.Class{abi.Read, abi.Write}},
				host.ConnectOptions{Sleep: hosttest.ShortSleep, Limits: host.Limits{Requests: 10_000}})
			bodies := []string{``, `{}`, `{"type":"SUPER_ADMIN"}`, `{"id":"` + mallory + `"}`}
			for i, ids := range []string{`["%s"]`, `"%s"`, `["00gNobody","%s"]`, `["%s "]`, `["%s/"]`} {
				for j, member := range []string{`"groupIds":`, `"GroupIds":`, `"groupIds":`, `"groupIds":[],"groupIds":`} {
					login := fmt.Sprintf("m%d%d@example.com", i, j)
					bodies = append(bodies, `{"profile":{"login":"`+login+`","email":"`+login+`","firstName":"M","lastName":"M"},`+member+fmt.Sprintf(ids, group)+`}`)
				}
			}
			sent := 0
			for _, op := range m.Operations {
				var texts []string
				for _, e := range op.Endpoints {
					if e.Method() == http.MethodGet {
						continue
					}
					for _, id := range []string{group, group + "/users/" + mallory, group + "/", " " + group} {
						for _, body := range bodies {
							if strings.Contains(body, `"type":`) && !strings.HasSuffix(e.Template(), "/roles") ||
								strings.Contains(body, `"profile":`) && e.Template() != "/api/v1/users" {
								continue // Okta does not have this member there
							}
							request := map[string]any{"endpoint": e.Endpoint, "sign": true}
							path := map[string]string{}
							for segment := range strings.SplitSeq(e.Template(), "/") {
								if name, blank := abi.Blank(segment); blank && strings.Contains(strings.ToLower(name), "group") {
									path[name] = id
								} else if blank {
									path[name] = mallory
								}
							}
							request["path"] = path
							text, err := json.Marshal(request)
							if err != nil {
								t.Fatal(err)
							}
							if body != "" {
								text = append(text[:len(text)-1], `,"body":`+body+`}`...)
							}
							texts = append(texts, string(text))
						}
						if !strings.Contains(e.Template(), "{") {
							break
						}
					}
				}
				if len(texts) == 0 {
					continue
				}
				for _, input := range []string{``, `,"admin_group":false`, `,"admin_group":true`} {
					list, err := json.Marshal(texts)
					if err != nil {
						t.Fatal(err)
					}
					res, _ := conn.Invoke(context.Background(), op.Name, json.RawMessage(`{"do":"send","texts":`+string(list)+input+`}`))
					for _, r := range res.Meta.Requests {
						if r.Status != 0 && !strings.HasPrefix(r.Endpoint, "GET ") {
							sent++
						}
					}
					if after := strings.Join(org.Members(group), " "); after != before || len(org.AssignedRoles(mallory)) > 0 {
						t.Errorf("%s made or removed an administrator: members %s, were %s", op.Name, after, before)
					}
				}
			}
			if sent < 30 {
				t.Errorf("only %d requests were allowed", sent)
			}
		})
	}
}

// ofMinor0 returns a manifest without the members and operations that came later.
func ofMinor0(m abi.Manifest) abi.Manifest {
	m.Minor, m.Requires, m.Auth, m.BaseURL, m.RequestIDHeader, m.ResponseHeaders, m.ContentTypeParameters = 0, nil, nil, nil, "", nil, nil
	m.TimeLayouts, m.RateLimitHabits, m.Views = nil, nil, nil
	m.Operations = slices.DeleteFunc(slices.Clone(m.Operations), func(op abi.Operation) bool { return op.Addition })
	for i := range m.Operations {
		op := &m.Operations[i]
		op.Backfill, op.Display, op.Rejections, op.Endpoints = nil, nil, nil, slices.Clone(op.Endpoints)
		for j := range op.Endpoints {
			e := &op.Endpoints[j]
			e.Query, e.Headers, e.Delimiters, e.Guards, e.Reveals, e.Optional = nil, nil, nil, nil, nil, false
		}
	}
	return m
}

// TestAdminGroup_TokenWithoutRoleReads_IsPrivileged: a refusal to read says nothing about the group. An OAuth token may
// have the scope to change members and not the one to read roles.
func TestAdminGroup_TokenWithoutRoleReads_IsPrivileged(t *testing.T) {
	const roles = "GET /api/v1/groups/{groupId}/roles"
	for name, cfg := range map[string]oktatest.Config{"forbidden": {Forbid: []string{roles}}, "no such feature": {Unavailable: []string{roles}}} {
		t.Run(name, func(t *testing.T) {
			for _, c := range adminCases {
				w := newWorld(t, cfg)
				effects := w.org.Effects()
				res := w.do(t, abi.Rejected, c.op, w.fill(t, c.input))
				if code := map[string]string{"forbidden": "forbidden", "no such feature": "feature"}[name]; res.Error.Code != code || !strings.Contains(res.Error.Message, "may not read") || w.org.Effects() != effects {
					t.Errorf("%s: %+v, %d effects", c.op, res.Error, w.org.Effects()-effects)
				}
				w.do(t, abi.Succeeded, c.op, strings.Replace(w.fill(t, c.input), "{", `{"admin_group":true,`, 1))
			}
		})
	}
	// A failure that says nothing about permission must stop the write.
	for _, c := range adminCases {
		w := newWorld(t, oktatest.Config{})
		w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Status: 500, Path: "/api/v1/groups/{groupId}/roles"})
		effects := w.org.Effects()
		res, _ := w.Invoke(context.Background(), c.op, json.RawMessage(w.fill(t, c.input)))
		if res.Outcome != abi.Unavailable || !res.Error.Retryable || w.org.Effects() != effects {
			t.Errorf("%s: %s %+v, %d effects", c.op, res.Outcome, res.Error, w.org.Effects()-effects)
		}
	}
}
