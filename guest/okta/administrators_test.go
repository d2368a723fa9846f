package okta

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestListRoleTargets_EachRole_HasItsOutcome(t *testing.T) {
	const roles = "GET /api/v1/users/{userId}/roles"
	const groups, apps = roles + "/{roleAssignmentId}/targets/groups", roles + "/{roleAssignmentId}/targets/catalog/apps"
	const group, client = "GET /api/v1/groups/{groupId}/roles", "GET /oauth2/v1/clients/{clientId}/roles"
	of := func(role string) string { return `{"user":"` + ada + `","role":"` + role + `"}` }
	read := roles + " [userId:" + ada + "]\n"
	desk := " [roleAssignmentId:JBCUYUC7IRCVGS27IFCE2SKO userId:" + ada + "] limit=200"
	for _, c := range []invoking{
		{"groups, by type", of("HELP_DESK_ADMIN"), answering{roles: {answer(200, "["+helpDesk+"]")}, groups: {answer(200, `[{"id":"00g1"}]`)}}, abi.Succeeded, "", read + groups + desk, nil, 1},
		{"groups, by id", of("JBCUYUC7IRCVGS27IFCE2SKO"), answering{roles: {answer(200, "["+helpDesk+"]")}, groups: {answer(200, `[{"id":"00g1"}]`)}}, abi.Succeeded, "", read + groups + desk, nil, 1},
		{"none", of("HELP_DESK_ADMIN"), answering{roles: {answer(200, "["+helpDesk+"]")}, groups: {answer(200, `[]`)}}, abi.Succeeded, "", "", []string{"the role has no targets: it is for all groups"}, 0},
		{"through a group only", of("HELP_DESK_ADMIN"), answering{roles: {answer(200, "["+viaGroup+"]")}, groups: {answer(200, `[{"id":"00g1"}]`)}}, abi.Succeeded, "", read + groups + desk, nil, 1},
		{"applications", of("APP_ADMIN"), answering{roles: {answer(200, `[{"id":"IFIFAX2BIRGUSTQ","type":"APP_ADMIN","assignmentType":"USER"}]`)}, apps: {answer(200, `[{"name":"bookmark"}]`)}}, abi.Succeeded, "",
			read + apps + " [roleAssignmentId:IFIFAX2BIRGUSTQ userId:" + ada + "] limit=200", nil, 1},
		{"no applications", of("APP_ADMIN"), answering{roles: {answer(200, `[{"id":"IFIFAX2BIRGUSTQ","type":"APP_ADMIN"}]`)}, apps: {answer(200, `[]`)}}, abi.Succeeded, "", "", []string{"it is for all apps"}, 0},
		{"of a group", `{"group":"00gabcdefgh123456789","role":"HELP_DESK_ADMIN"}`, answering{group: {answer(200, "["+helpDesk+"]")}, group + "/{roleAssignmentId}/targets/groups": {answer(200, `[{"id":"00g1"}]`)}}, abi.Succeeded, "", "", nil, 1},
		{"of a client", `{"client":"0oa1","role":"HELP_DESK_ADMIN"}`, answering{client: {answer(200, "["+helpDesk+"]")}, client + "/{roleAssignmentId}/targets/groups": {answer(200, `[{"id":"00g1"}]`)}}, abi.Succeeded, "", "", nil, 1},
		{"a role for the org", of("SUPER_ADMIN"), answering{roles: {answer(200, `[{"id":"ra1","type":"SUPER_ADMIN"}]`)}}, abi.Rejected, "role_type", "", []string{"it is for the whole org"}, 0},
		{"a custom role", of("irb1"), answering{roles: {answer(200, `[{"id":"irb1","type":"CUSTOM","resource-set":"iam1"}]`)}}, abi.Rejected, "role_type", "", []string{"its resource set iam1"}, 0},
		{"a role that the user does not have", of("APP_ADMIN"), answering{roles: {answer(200, "["+helpDesk+"]")}}, abi.NotFound, "not_found", "", []string{`no role "APP_ADMIN"`}, 0},
		{"revoked meanwhile", of("HELP_DESK_ADMIN"), answering{roles: {answer(200, "["+helpDesk+"]")}, groups: {notFound("RoleAssignment")}}, abi.NotFound, "not_found", "", nil, 0},
		{"refused", of("HELP_DESK_ADMIN"), answering{roles: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_role_targets")
	}
}

// A role of the user is preferred to one through a group. Both can have the same id.
func TestListRoleTargets_DirectAndThroughAGroup_ReadsTheDirectRole(t *testing.T) {
	both := `[{"id":"ra1","type":"USER_ADMIN","assignmentType":"GROUP"},{"id":"ra2","type":"USER_ADMIN","assignmentType":"USER"}]`
	const roles = "GET /api/v1/users/{userId}/roles"
	invoking{"both", `{"user":"` + ada + `","role":"USER_ADMIN"}`, answering{roles: {answer(200, both)}, roles + "/{roleAssignmentId}/targets/groups": {answer(200, `[{"id":"00g1"}]`)}}, abi.Succeeded, "",
		roles + " [userId:" + ada + "]\n" + roles + "/{roleAssignmentId}/targets/groups [roleAssignmentId:ra2 userId:" + ada + "] limit=200", nil, 1}.run(t, "list_role_targets")
}

func TestGetUserSchema_OfAType_FollowsItsLink(t *testing.T) {
	const typ, schema = "GET /api/v1/meta/types/user/{typeId}", "GET /api/v1/meta/schemas/user/{schemaId}"
	for _, c := range []invoking{
		{"the default type", `{}`, answering{schema: {answer(200, `{"id":"https://x.okta.com/s"}`)}}, abi.Succeeded, "", schema + " [schemaId:default]", nil, 1},
		{"a type", `{"type":"oty1"}`, answering{typ: {answer(200, `{"id":"oty1","_links":{"schema":{"href":"https://x.okta.com/api/v1/meta/schemas/user/osc7"}}}`)}, schema: {answer(200, `{"id":"https://x.okta.com/s"}`)}},
			abi.Succeeded, "", typ + " [typeId:oty1]\n" + schema + " [schemaId:osc7]", nil, 1},
		{"a type without a link", `{"type":"oty1"}`, answering{typ: {answer(200, `{"id":"oty1"}`)}}, abi.Unavailable, "bad_answer", "", []string{"_links.schema.href"}, 0},
		{"an unknown type", `{"type":"oty1"}`, answering{typ: {notFound("UserType")}}, abi.NotFound, "not_found", "", nil, 0},
	} {
		c.run(t, "get_user_schema")
	}
}
