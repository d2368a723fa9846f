package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// TestSetRoleTarget_EachResponse_HasItsOutcome: the targets are read before and after.
func TestSetRoleTarget_EachResponse_HasItsOutcome(t *testing.T) {
	const roles, me = "GET /api/v1/users/{userId}/roles", "GET /api/v1/users/me"
	const list, put, del = roles + "/{roleAssignmentId}/targets/groups", "PUT /api/v1/users/{userId}/roles/{roleAssignmentId}/targets/groups/{groupId}", "DELETE /api/v1/users/{userId}/roles/{roleAssignmentId}/targets/groups/{groupId}"
	const apps, putApp, app = roles + "/{roleAssignmentId}/targets/catalog/apps", "PUT /api/v1/users/{userId}/roles/{roleAssignmentId}/targets/catalog/apps/{appName}/{appId}", "GET /api/v1/apps/{appId}"
	const in, inApp = `{"user":"` + ada + `","role":"HELP_DESK_ADMIN","target_group":"00g1"}`, `{"user":"` + ada + `","role":"APP_ADMIN","target_application":"0oa1"}`
	const ofClient, targets = "GET /oauth2/v1/clients/{clientId}/roles", "/{roleAssignmentId}/targets/groups"
	const ofRole = " [roleAssignmentId:JBCUYUC7IRCVGS27IFCE2SKO userId:" + ada + "]"
	has, owner, myself := answer(200, "["+helpDesk+"]"), answer(200, `{"id":"00uanotheruser000000"}`), answer(200, `{"id":"`+ada+`"}`)
	none, one, other, both, done := answer(200, "[]"), answer(200, `[{"id":"00g1"}]`), answer(200, `[{"id":"00g2"}]`), answer(200, `[{"id":"00g1"},{"id":"00g2"}]`), answer(204, "")
	admin := answer(200, `[{"id":"IFIFAX2BIRGUSTQ","type":"APP_ADMIN","assignmentType":"USER"}]`)
	reads := roles + " [userId:" + ada + "]\n" + list + ofRole + " limit=200\n"
	for _, c := range []struct {
		op string
		invoking
	}{
		{"add_role_target", invoking{"another target", in, answering{roles: {has}, list: {other, both}, put: {done}}, abi.Succeeded, "", reads + put + " [groupId:00g1 " + ofRole[2:] + "\n" + list + ofRole + " limit=200", []string{`"target":"00g1","is_target":true,"limited":true`}, 0}},
		{"add_role_target", invoking{"the first target", in, answering{roles: {has}, list: {none, one}, put: {done}, me: {owner}}, abi.Succeeded, "", "", []string{"is now for this one only"}, 0}},
		{"add_role_target", invoking{"the first target of the owner's role", in, answering{roles: {has}, list: {none}, me: {myself}}, abi.Rejected, "own_account", "", []string{"limiting", "a part of it"}, 0}},
		{"add_role_target", invoking{"the first target of a service app's role, which may be the connection's own", `{"client":"0oa1","role":"HELP_DESK_ADMIN","target_group":"00g1"}`,
			answering{ofClient: {answer(200, `[{"id":"JBC1","type":"HELP_DESK_ADMIN","assignmentType":"CLIENT"}]`)}, ofClient + targets: {none, one}, strings.Replace(ofClient, "GET", "PUT", 1) + targets + "/{groupId}": {done}}, abi.Succeeded, "", "", []string{"is now for this one only"}, 0}},
		{"add_role_target", invoking{"a target already", in, answering{roles: {has}, list: {both}}, abi.Unchanged, "", reads[:len(reads)-1], nil, 0}},
		{"add_role_target", invoking{"an application", inApp, answering{roles: {admin}, apps: {answer(200, `[{"name":"google"}]`), answer(200, `[{"name":"google"},{"name":"salesforce","id":"0oa1"}]`)}, app: {answer(200, `{"id":"0oa1","name":"salesforce","created":"2026-01-01T00:00:00.000Z"}`)}, putApp: {done}}, abi.Succeeded, "", "", nil, 0}},
		{"add_role_target", invoking{"a missing application", inApp, answering{roles: {admin}, apps: {none}, app: {notFound("AppInstance")}}, abi.NotFound, "not_found", "", []string{"application"}, 0}},
		{"add_role_target", invoking{"a missing group", in, answering{roles: {has}, list: {other}, put: {notFound("UserGroup")}}, abi.Rejected, "rejected", "", nil, 0}},
		{"add_role_target", invoking{"a role that the user lacks", in, answering{roles: {none}}, abi.NotFound, "not_found", "", []string{"list_roles"}, 0}},
		{"add_role_target", invoking{"a role through a group", in, answering{roles: {answer(200, "["+viaGroup+"]")}}, abi.Rejected, "through_group", "", []string{"group 00g7"}, 0}},
		{"add_role_target", invoking{"another role", inApp, answering{roles: {answer(200, `[{"id":"ra1","type":"SUPER_ADMIN","assignmentType":"USER"}]`)}}, abi.NotFound, "", "", nil, 0}},
		{"add_role_target", invoking{"a group for a role for applications", `{"user":"` + ada + `","role":"APP_ADMIN","target_group":"00g1"}`, answering{roles: {admin}}, abi.Rejected, "role_type", "", []string{"APP_ADMIN has applications"}, 0}},
		{"add_role_target", invoking{"another change is under way", in, answering{roles: {has}, list: {other, both}, put: {answer(409, `{"errorCode":"E0000268","errorSummary":"Concurrent changes"}`), done}}, abi.Succeeded, "", "", nil, 0}},
		{"add_role_target", invoking{"response lost, done", in, answering{roles: {has}, list: {other, both}, put: {lost}}, abi.Succeeded, "", "", nil, 0}},
		{"add_role_target", invoking{"response lost, not done", in, answering{roles: {has}, list: {other}, put: {lost}}, abi.Unavailable, "unavailable", "", nil, 0}},
		{"add_role_target", invoking{"accepted, does not show", in, answering{roles: {has}, list: {other}, put: {done}}, abi.Unknown, "unknown", "", nil, 0}},
		{"remove_role_target", invoking{"a target", in, answering{roles: {has}, list: {both, other}, del: {done}, me: {owner}}, abi.Succeeded, "", "", []string{`"is_target":false,"limited":true`}, 0}},
		{"remove_role_target", invoking{"a target of the owner's role", in, answering{roles: {has}, list: {both}, me: {myself}}, abi.Rejected, "own_account", "", nil, 0}},
		{"remove_role_target", invoking{"the last target", in, answering{roles: {has}, list: {one}}, abi.Rejected, "last_target", "", []string{"for all groups"}, 0}},
		{"remove_role_target", invoking{"no target", in, answering{roles: {has}, list: {other}}, abi.Unchanged, "", "", nil, 0}},
		{"remove_role_target", invoking{"a role for all", in, answering{roles: {has}, list: {none}}, abi.Unchanged, "", "", []string{"it is for all groups"}, 0}},
		{"remove_role_target", invoking{"another client was first", in, answering{roles: {has}, list: {both, other}, del: {notFound("RoleTarget")}, me: {owner}}, abi.Unchanged, "", "", nil, 0}},
		{"remove_role_target", invoking{"refused", in, answering{roles: {has}, list: {both}, del: {forbidden}, me: {owner}}, abi.Rejected, "forbidden", "", nil, 0}},
		{"remove_role_target", invoking{"response lost, done", in, answering{roles: {has}, list: {both, other}, del: {lost}, me: {owner}}, abi.Succeeded, "", "", nil, 0}},
	} {
		t.Run(c.op, func(t *testing.T) { c.run(t, c.op) })
	}
}
