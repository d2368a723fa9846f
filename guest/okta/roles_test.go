package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

const (
	ada      = "00u1234567890abcdefg"
	helpDesk = `{"id":"JBCUYUC7IRCVGS27IFCE2SKO","type":"HELP_DESK_ADMIN","status":"ACTIVE","assignmentType":"USER"}`
	viaGroup = `{"id":"JBCUYUC7IRCVGS27IFCE2SKO","type":"HELP_DESK_ADMIN","status":"ACTIVE","assignmentType":"GROUP","_links":{"assignee":{"href":"https://x.okta.com/api/v1/groups/00g7"}}}`
)

func TestListRoles_EachResponse_HasItsOutcome(t *testing.T) {
	const custom, ofUser = "GET /api/v1/iam/roles", "GET /api/v1/users/{userId}/roles"
	next := `{"roles":[{"id":"cr01"}],"_links":{"next":{"href":"https://x-admin.okta.com/api/v1/iam/roles?after=cr01"}}}`
	for _, c := range []invoking{
		{"custom roles, with the next link in the body", `{}`, answering{custom: {answer(200, next), answer(200, `{"roles":[{"id":"cr02"}]}`)}}, abi.Succeeded, "",
			custom + "\n" + custom + " -> /api/v1/iam/roles?after=cr01", nil, 2},
		{"custom roles, all on one page", `{}`, answering{custom: {answer(200, `{"roles":[{"id":"cr01"}],"_links":{"self":{"href":"x"}}}`)}}, abi.Succeeded, "", custom, nil, 1},
		{"a body without roles", `{}`, answering{custom: {answer(200, `{}`)}}, abi.Unavailable, "bad_answer", "", nil, 0},
		{"roles of a user by login", `{"user":"ada@example.com"}`, answering{"GET /api/v1/users/{id}": {answer(200, `{"id":"`+ada+`"}`)}, ofUser: {answer(200, "["+helpDesk+","+viaGroup+"]")}}, abi.Succeeded, "",
			"GET /api/v1/users/{id} [id:ada@example.com]\n" + ofUser + " [userId:" + ada + "]", nil, 2},
		{"roles of a user by id", `{"user":"` + ada + `","limit":1}`, answering{ofUser: {answer(200, "["+helpDesk+","+viaGroup+"]")}}, abi.Succeeded, "", ofUser + " [userId:" + ada + "]", nil, 1},
		{"of nobody", `{"user":"nobody@example.com"}`, answering{"GET /api/v1/users/{id}": {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"roles of a group", `{"group":"00gabcdefgh123456789"}`, answering{"GET /api/v1/groups/{groupId}/roles": {answer(200, "[]")}}, abi.Succeeded, "", "GET /api/v1/groups/{groupId}/roles [groupId:00gabcdefgh123456789]", nil, 0},
		{"roles of an unknown group", `{"group":"00gabcdefgh123456789"}`, answering{"GET /api/v1/groups/{groupId}/roles": {notFound("UserGroup")}}, abi.NotFound, "not_found", "", []string{"group"}, 0},
		{"roles of a client", `{"client":"0oa1"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles": {answer(200, "["+helpDesk+"]")}}, abi.Succeeded, "", "GET /oauth2/v1/clients/{clientId}/roles [clientId:0oa1]", nil, 1},
		{"refused", `{"client":"0oa1"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles": {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_roles")
	}
}

// TestListRoles_EveryLimit_ListsEachRoleOnce reads three pages of custom roles with each limit.
func TestListRoles_EveryLimit_ListsEachRoleOnce(t *testing.T) {
	for limit := 1; limit <= 6; limit++ {
		var got []string
		for cursor, n := "", 0; ; n++ {
			input := `{"limit":` + string(rune('0'+limit)) + `}`
			if cursor != "" {
				input = strings.Replace(input, "{", `{"cursor":"`+cursor+`",`, 1)
			}
			h := answering{}.host(t)
			h.Answer = func(req abi.Request) (a hosttest.Answer) {
				a.Status, a.Body = 200, `{"roles":[{"id":"1"},{"id":"2"}],"_links":{"next":{"href":"https://a/api/v1/iam/roles?after=2"}}}`
				if strings.HasSuffix(req.Link, "after=2") {
					a.Body = `{"roles":[{"id":"3"},{"id":"4"}],"_links":{"next":{"href":"https://a/api/v1/iam/roles?after=4"}}}`
				} else if req.Link != "" {
					a.Body = `{"roles":[{"id":"5"}]}`
				}
				return a
			}
			out := invokeNative(t, h, "list_roles", input)
			if got = append(got, h.Records...); out.NextCursor == "" || n > 9 {
				break
			}
			cursor = out.NextCursor
		}
		if want := `{"id":"1"}{"id":"2"}{"id":"3"}{"id":"4"}{"id":"5"}`; strings.Join(got, "") != want {
			t.Errorf("limit %d: %s", limit, got)
		}
	}
}

func TestGetRole_EachResponse_HasItsOutcome(t *testing.T) {
	const custom, ofUser = "GET /api/v1/iam/roles/{roleIdOrLabel}", "GET /api/v1/users/{userId}/roles/{roleAssignmentId}"
	for _, c := range []invoking{
		{"a custom role by label", `{"role":"Password Desk"}`, answering{custom: {answer(200, `{"id":"cr01"}`)}}, abi.Succeeded, "", custom + " [roleIdOrLabel:Password Desk]", nil, 1},
		{"an unknown custom role", `{"role":"x"}`, answering{custom: {notFound("CustomRole")}}, abi.NotFound, "not_found", "", []string{"the custom role does not exist"}, 0},
		{"an assignment", `{"role":"JBCUYUC7IRCVGS27IFCE2SKO","user":"` + ada + `"}`, answering{ofUser: {answer(200, helpDesk)}}, abi.Succeeded, "", ofUser + " [roleAssignmentId:JBCUYUC7IRCVGS27IFCE2SKO userId:" + ada + "]", nil, 1},
		{"an unknown assignment", `{"role":"x","user":"` + ada + `"}`, answering{ofUser: {notFound("RoleAssignment")}}, abi.NotFound, "not_found", "", []string{"the role assignment does not exist"}, 0},
		{"an unknown user", `{"role":"x","user":"` + ada + `"}`, answering{ofUser: {notFound("User")}}, abi.NotFound, "not_found", "", []string{"the user does not exist"}, 0},
		{"an unknown group", `{"role":"x","group":"00gabcdefgh123456789"}`, answering{"GET /api/v1/groups/{groupId}/roles/{roleAssignmentId}": {notFound("UserGroup")}}, abi.NotFound, "not_found", "", []string{"the group does not exist"}, 0},
		{"an assignment of a client", `{"role":"x","client":"0oa1"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}": {answer(200, helpDesk)}}, abi.Succeeded, "", "", nil, 1},
		{"refused", `{"role":"x"}`, answering{custom: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "get_role")
	}
}

// TestAssignRole_ExistingAssignmentIsLess_Warns: an existing assignment is unchanged, though it may give less than
// asked for.
func TestAssignRole_ExistingAssignmentIsLess_Warns(t *testing.T) {
	const list = "GET /api/v1/users/{userId}/roles"
	const of = " [userId:" + ada + "]"
	const appAdmin = `{"id":"IFIFAX2BIRGUSTQ","type":"APP_ADMIN","status":"ACTIVE","assignmentType":"USER"}`
	const other = `{"id":"JBCUYUC7IRCVGS27IFCE2SKO","type":"HELP_DESK_ADMIN","status":"ACTIVE","assignmentType":"USER","_embedded":{"targets":{"groups":[{"id":"00g9"}],"catalog":{"apps":[{"name":"x"}]}}}}`
	apps := strings.Replace(appAdmin, "{", `{"_embedded":{"targets":{"catalog":{"apps":[{"name":"salesforce"}]}}},`, 1)
	input := `{"user":"` + ada + `","type":"APP_ADMIN"}`
	twice := list + of + "\n" + list + of + " expand=targets/catalog/apps"
	for _, c := range []invoking{
		{"the same assignment", input, answering{list: {answer(200, "["+appAdmin+"]"), answer(200, "["+other+","+appAdmin+"]")}}, abi.Unchanged, "", twice, nil, 0},
		{"limited to some applications", input, answering{list: {answer(200, "["+appAdmin+"]"), answer(200, "["+apps+"]")}}, abi.Unchanged, "", twice, []string{"limited to some apps"}, 0},
		{"limited to some groups", `{"user":"` + ada + `","type":"HELP_DESK_ADMIN"}`, answering{list: {answer(200, "["+helpDesk+"]"), answer(200, "["+other+"]")}}, abi.Unchanged, "",
			list + of + "\n" + list + of + " expand=targets/groups", []string{"limited to some groups"}, 0},
		{"limits that cannot be read", input, answering{list: {answer(200, "["+appAdmin+"]"), forbidden}}, abi.Unchanged, "", twice + strings.Repeat("\n"+list+of+" expand=targets/catalog/apps", 2), []string{"could not be read"}, 0},
		{"an inactive assignment", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {answer(200, `[{"id":"ra1","type":"SUPER_ADMIN","status":"INACTIVE","assignmentType":"USER"}]`)}}, abi.Unchanged, "", list + of, []string{"INACTIVE"}, 0},
		{"and notifications", `{"user":"` + ada + `","type":"SUPER_ADMIN","disable_notifications":true}`, answering{list: {answer(200, `[{"id":"ra1","type":"SUPER_ADMIN","status":"ACTIVE","assignmentType":"USER"}]`)}}, abi.Unchanged, "", list + of,
			[]string{"disable_notifications was not applied"}, 0},
	} {
		c.run(t, "assign_role")
	}
	h := answering{list: {answer(200, "["+appAdmin+"]"), answer(200, "["+other+","+appAdmin+"]")}}.host(t)
	if out := invokeNative(t, h, "assign_role", input); len(out.Warnings) != 0 {
		t.Errorf("%q", out.Warnings)
	}
}

func TestRevokeRole_EachResponse_HasItsOutcome(t *testing.T) {
	const list, remove = "GET /api/v1/users/{userId}/roles", "DELETE /api/v1/users/{userId}/roles/{roleAssignmentId}"
	const input = `{"user":"` + ada + `","type":"HELP_DESK_ADMIN"}`
	const of = " [userId:" + ada + "]"
	has, none := answer(200, "["+helpDesk+"]"), answer(200, "[]")
	const me = "GET /api/v1/users/me" // checks whether the token's owner has the role
	done := list + of + "\n" + me + "\n" + remove + " [roleAssignmentId:JBCUYUC7IRCVGS27IFCE2SKO userId:" + ada + "]"
	for _, c := range []invoking{
		{"by type", input, answering{list: {has, none}, remove: {answer(204, "")}}, abi.Succeeded, "", done + "\n" + list + of, []string{`"user":"` + ada + `"`, `"before":` + helpDesk, `"after":null`}, 0},
		{"by assignment", `{"user":"` + ada + `","role_assignment":"JBCUYUC7IRCVGS27IFCE2SKO"}`, answering{list: {has, none}, remove: {answer(204, "")}}, abi.Succeeded, "", done + "\n" + list + of, nil, 0},
		{"by login", `{"user":"ada@example.com","type":"HELP_DESK_ADMIN"}`, answering{"GET /api/v1/users/{id}": {answer(200, `{"id":"`+ada+`","profile":{"login":"ada@example.com"}}`)}, list: {has, none}, remove: {answer(204, "")}}, abi.Succeeded, "",
			"GET /api/v1/users/{id} [id:ada@example.com]\n" + done + "\n" + list + of, nil, 0},
		{"a missing assignment", input, answering{list: {none}}, abi.Unchanged, "", list + of, []string{`"before":null`}, 0},
		{"another is", `{"user":"` + ada + `","type":"APP_ADMIN"}`, answering{list: {has}}, abi.Unchanged, "", list + of, nil, 0},
		{"an assignment through a group", input, answering{list: {answer(200, "["+viaGroup+"]")}}, abi.Rejected, "through_group", list + of, []string{"group 00g7"}, 0},
		{"a direct assignment, and one through a group", input, answering{list: {answer(200, "["+viaGroup+","+helpDesk+"]"), answer(200, "["+viaGroup+"]")}, remove: {answer(204, "")}}, abi.Succeeded, "", done + "\n" + list + of, []string{"still has the role through group 00g7"}, 0},
		{"an assignment of a group", `{"group":"00gabcdefgh123456789","type":"HELP_DESK_ADMIN"}`, answering{"GET /api/v1/groups/{groupId}/roles": {answer(200, "["+viaGroup+"]"), none}, getUserGroups.Endpoint: {answer(200, "[]")},
			"DELETE /api/v1/groups/{groupId}/roles/{roleAssignmentId}": {answer(204, "")}}, abi.Succeeded, "", "", []string{`"group":"00gabcdefgh123456789"`}, 0},
		{"an assignment of a client", `{"client":"0oa1","type":"HELP_DESK_ADMIN"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles": {answer(200, "["+strings.Replace(helpDesk, "USER", "CLIENT", 1)+"]"), none},
			"DELETE /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}": {answer(204, "")}}, abi.Succeeded, "", "", nil, 0},
		{"of nobody", input, answering{list: {notFound("User")}}, abi.NotFound, "not_found", list + of, nil, 0},
		{"another client was first", input, answering{list: {has, none}, remove: {notFound("RoleAssignment")}}, abi.Unchanged, "", "", nil, 0},
		{"the user is deleted meanwhile", input, answering{list: {has, notFound("User")}, remove: {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"another change is under way", input, answering{list: {has, none}, remove: {answer(409, `{"errorCode":"E0000268","errorSummary":"Concurrent changes"}`), answer(204, "")}}, abi.Succeeded, "", done + "\n" + strings.Split(done, "\n")[2] + "\n" + list + of, nil, 0},
		{"two direct assignments", `{"user":"` + ada + `","type":"APP_ADMIN"}`, answering{list: {answer(200, `[{"id":"ra1","type":"APP_ADMIN","assignmentType":"USER"},{"id":"ra2","type":"APP_ADMIN","assignmentType":"USER"}]`)}},
			abi.Rejected, "ambiguous", list + of, []string{"ra1, ra2", "role_assignment", `"assignments":[{"id":"ra1"`}, 0},
		{"accepted, does not show", input, answering{list: {has}, remove: {answer(204, "")}}, abi.Unknown, "unknown", "", []string{"Okta accepted it"}, 0},
		{"accepted, cannot be read back", input, answering{list: {has, forbidden}, remove: {answer(204, "")}}, abi.Succeeded, "", "", []string{"could not be read", `"after":null`}, 0},
		{"refused", input, answering{list: {has}, remove: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"response lost, done", input, answering{list: {has, none}, remove: {lost}}, abi.Succeeded, "", "", []string{`"before":` + helpDesk}, 0},
		{"response lost, not done", input, answering{list: {has}, remove: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, cannot be read back", input, answering{list: {has, answer(500, "")}, remove: {answer(500, "")}}, abi.Unknown, "unknown", "", nil, 0},
	} {
		c.run(t, "revoke_role")
	}
}

// TestRoles_OfTheTokensOwner_AreNotRevoked covers direct roles and roles through a group.
func TestRoles_OfTheTokensOwner_AreNotRevoked(t *testing.T) {
	const list, groups = "GET /api/v1/users/{userId}/roles", "GET /api/v1/groups/{groupId}/roles"
	owner := answer(200, `{"id":"`+ada+`","status":"ACTIVE","profile":{"login":"ada@example.com"}}`)
	in, out := answer(200, `[{"id":"`+builders+`"}]`), answer(200, "[]")
	roles := answer(200, `[{"id":"gra1","type":"SUPER_ADMIN","label":"Super Administrator","assignmentType":"GROUP"}]`)
	own := answer(200, `[{"id":"ra1","type":"SUPER_ADMIN","label":"Super Administrator","assignmentType":"USER"}]`)
	group := answer(200, builder)
	for _, c := range []struct {
		op string
		invoking
	}{
		{"revoke_role", invoking{"directly", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", []string{"another administrator's token"}, 0}},
		{"revoke_role", invoking{"from the owner's group", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {in}}, abi.Rejected, "own_account", "", nil, 0}},
		{"revoke_role", invoking{"from another group", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles, out}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {out}, deleteGroupRole.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
		{"revoke_role", invoking{"with a service app's token", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own, out}, getMe.Endpoint: {notFound("User")}, deleteUserRole.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
		{"revoke_role", invoking{"the token may not read its owner", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own}, getMe.Endpoint: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0}},
		{"revoke_role", invoking{"the owner cannot be read now", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own}, getMe.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"revoke_role", invoking{"the owner's groups cannot be read now", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"revoke_role", invoking{"a portal's response instead of the owner", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles}, getMe.Endpoint: {answer(404, "")}}, abi.Unavailable, "not_okta", "", []string{"could not be checked"}, 0}},
		{"delete_group", invoking{"the token may not read the owner's groups", `{"group":"` + builders + `","admin_group":true}`, answering{oneGroup: {group}, groups: {roles}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0}},
		{"remove_group_member", invoking{"the owner cannot be read now", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"deactivate_user", invoking{"the owner cannot be read now", `{"user":"` + ada + `"}`, answering{readOne: {owner}, getMe.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"delete_user", invoking{"the token may not read its owner", `{"user":"` + ada + `"}`, answering{readOne: {owner}, getMe.Endpoint: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0}},
		{"remove_group_member", invoking{"removal from a group with roles", `{"group":"` + builders + `","user":"` + ada + `"}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", nil, 0}},
		{"remove_group_member", invoking{"removal from a group with roles, confirmed", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", nil, 0}},
		{"remove_group_member", invoking{"removal from a group without roles", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in, out}, groups: {out}, getMe.Endpoint: {owner}, deleteGroupMember.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
		{"delete_group", invoking{"deletion of a group with roles", `{"group":"` + builders + `","admin_group":true}`, answering{oneGroup: {group}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", nil, 0}},
		{"add_group_member", invoking{"adding the owner takes no roles", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {out, in}, putGroupMember.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
	} {
		t.Run(c.op, func(t *testing.T) { c.run(t, c.op) })
	}
}

// TestAssignRole_AnotherRoleInTheResponse_IsRejected, unless the response omits the member.
func TestAssignRole_AnotherRoleInTheResponse_IsRejected(t *testing.T) {
	const list, add = "GET /api/v1/users/{userId}/roles", "POST /api/v1/users/{userId}/roles"
	given := func(members string) hosttest.Answer {
		return answer(201, `{"id":"ra1","status":"ACTIVE","assignmentType":"USER",`+members+`}`)
	}
	for _, c := range []invoking{
		{"another type", `{"user":"` + ada + `","type":"APP_ADMIN"}`, answering{list: {answer(200, "[]")}, add: {given(`"type":"ORG_ADMIN"`)}}, abi.Rejected, "not_as_asked", "", []string{"ORG_ADMIN"}, 0},
		{"another resource set", `{"user":"` + ada + `","role":"cr1","resource_set":"iam1"}`, answering{list: {answer(200, "[]")}, add: {given(`"type":"CUSTOM","role":"cr1","resource-set":"iam2"`)}}, abi.Rejected, "not_as_asked", "", []string{"resource-set"}, 0},
		{"a resource set that is not in the response", `{"user":"` + ada + `","role":"cr1","resource_set":"iam1"}`, answering{list: {answer(200, "[]")}, add: {given(`"type":"CUSTOM","role":"cr1"`)}}, abi.Succeeded, "", "", nil, 1},
	} {
		c.run(t, "assign_role")
	}
}
