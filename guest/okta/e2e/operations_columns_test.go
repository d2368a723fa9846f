package e2e_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/observed"
)

// seldom lists columns whose members are not in the simulated org, an example or a recording, with the source that
// documents them.
var seldom = map[string][]string{
	"Okta's OpenAPI document": {"org_identity.expires_at", "org_identity.address1", "org_identity.address2", "org_identity.city", "org_identity.state",
		"org_identity.country", "org_identity.postal_code", "lookup_user.transitioning_to_status", "list_users.transitioning_to_status",
		"list_group_members.transitioning_to_status",
		"search_users.transitioning_to_status", "list_application_users.password_changed", "list_factors.verify", "lookup_device.imei",
		"lookup_device.meid", "list_devices.meid", "list_roles.embedded", "get_role.embedded", "list_role_targets.application",
		"list_role_targets.status", "list_user_types.description", "list_identity_providers.properties"},
	"the reference of groups, where source.id can be searched for":                    {"lookup_group.source_id", "list_groups.source_id", "search_groups.source_id", "list_user_groups.source_id"},
	"the reference of policies: expand=rules":                                         {"list_policies.rules"},
	"the view of groups, whose columns search_groups has too; it has no input expand": {"search_groups.users_count"},
	"Okta's Go client of version 2":                                                   {"list_authorization_servers.is_default"},
	"the reference of dynamic client registration": {"list_oauth_clients.initiate_login_uri", "list_oauth_clients.policy_uri", "list_oauth_clients.tos_uri",
		"list_oauth_clients.jwks_uri", "list_oauth_clients.dpop_bound_access_tokens", "list_oauth_clients.post_logout_redirect_uris", "list_oauth_clients.jwks"},
}

func isSeldom(column string) bool {
	for _, columns := range seldom {
		if slices.Contains(columns, column) {
			return true
		}
	}
	return false
}

// TestColumns_OfEachTable_FindTheirMembers reads each operation of the SQL surface as a table. It compares its columns
// with the simulated org, Okta's examples and recordings. A column with a wrong path would always be NULL.
func TestColumns_OfEachTable_FindTheirMembers(t *testing.T) {
	published := map[string][]json.RawMessage{} // records by operation
	add := func(op string, records ...json.RawMessage) { published[op] = append(published[op], records...) }
	here := observed.Here(t, "examples")
	if here {
		for endpoint, r := range readers() {
			for _, body := range publishedAnswers(t, endpoint)["200"] {
				add(r.operation, body)
			}
		}
		for _, rec := range recordings(t) {
			if r, ok := readers()[rec.Endpoint]; ok && rec.Status == 200 {
				add(r.operation, json.RawMessage(rec.Body))
			}
		}
	}
	// Operations with the same table share their records.
	for _, same := range [][]string{{"lookup_user", "list_users", "search_users", "list_group_members"},
		{"lookup_group", "list_groups", "search_groups", "list_user_groups"}, {"lookup_application", "list_applications", "list_user_applications"}, {"lookup_device", "list_devices"}, {"get_policy", "list_policies"}, {"get_zone", "list_zones"},
		{"list_roles", "get_role"}, {"poll_system_log_page", "bounded_system_log_range"}} {
		var all []json.RawMessage
		for _, op := range same {
			all = append(all, published[op]...)
		}
		for _, op := range same {
			published[op] = all
		}
	}
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		if !op.On(abi.SQL) {
			if len(op.Columns) > 0 {
				t.Error("columns that are not of a table")
			}
			return
		}
		if last := op.Columns[len(op.Columns)-1]; last.Name != "record" || last.Path != "" || last.Type != abi.JSON {
			t.Errorf("the last column is %+v", last)
		}
		filled := map[string]bool{}
		for _, input := range inputsOf(u) {
			w := caseWorld(t, nil)
			rows, err := w.Table(context.Background(), op.Name, json.RawMessage(w.fill(t, input)), host.TableOptions{Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for row, err := range rows.All() {
				if err != nil {
					t.Fatal(err)
				}
				for i, c := range rows.Columns() {
					raw := gjson.GetBytes(row.Record, c.Path)
					if c.Path != "" && !strings.ContainsAny(c.Path, "*?#|@") && raw.Exists() && raw.Type != gjson.Null && row.Values[i] == nil {
						t.Errorf("%s is NULL for %s", c.Name, raw.Raw)
					}
					filled[c.Name] = filled[c.Name] || row.Values[i] != nil
				}
			}
		}
		var unknown []string
		for _, c := range op.Columns {
			if filled[c.Name] || isSeldom(op.Name+"."+c.Name) {
				continue
			}
			if !here {
				unknown = append(unknown, c.Name)
			} else if !slices.ContainsFunc(published[op.Name], func(body json.RawMessage) bool { return has(gjson.ParseBytes(body), c.Path) }) {
				t.Errorf("no record has %s (%s)", c.Name, c.Path)
			}
		}
		if len(unknown) > 0 && !t.Failed() {
			t.Skipf("%s: NULL in the simulated org; Okta's examples may have them: set %s", strings.Join(unknown, ", "), observed.Variable)
		}
	})
}

func inputsOf(u use) (all []string) {
	for _, g := range u.good {
		all = append(all, g.in)
	}
	for _, name := range []string{"expand", "include_rules"} {
		if members, ok := u.fields[name]; ok {
			all = append(all, strings.Replace(u.good[0].in, "{", "{"+members+",", 1))
		}
	}
	for i, in := range all {
		all[i] = strings.Replace(in, ",}", "}", 1)
	}
	return all
}

// has reports whether a record, or one of a list of records, has a member that is not null.
func has(v gjson.Result, path string) bool {
	if v.IsArray() {
		return slices.ContainsFunc(v.Array(), func(e gjson.Result) bool { return has(e, path) })
	}
	if roles := v.Get("roles"); roles.IsArray() && has(roles, path) {
		return true
	}
	m := v.Get(path)
	return m.Exists() && m.Type != gjson.Null
}
