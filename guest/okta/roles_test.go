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

func TestListRoles(t *testing.T) {
	const custom, ofUser = "GET /api/v1/iam/roles", "GET /api/v1/users/{userId}/roles"
	next := `{"roles":[{"id":"cr01"}],"_links":{"next":{"href":"https://x-admin.okta.com/api/v1/iam/roles?after=cr01"}}}`
	for _, c := range []invoking{
		{"custom roles, with the next link in the body", `{}`, answering{custom: {answer(200, next), answer(200, `{"roles":[{"id":"cr02"}]}`)}}, abi.Succeeded, "",
			custom + "\n" + custom + " -> /api/v1/iam/roles?after=cr01", nil, 2},
		{"custom roles, all on one page", `{}`, answering{custom: {answer(200, `{"roles":[{"id":"cr01"}],"_links":{"self":{"href":"x"}}}`)}}, abi.Succeeded, "", custom, nil, 1},
		{"a body without roles", `{}`, answering{custom: {answer(200, `{}`)}}, abi.Unavailable, "bad_answer", "", nil, 0},
		{"of a user by login", `{"user":"ada@example.com"}`, answering{"GET /api/v1/users/{id}": {answer(200, `{"id":"`+ada+`"}`)}, ofUser: {answer(200, "["+helpDesk+","+viaGroup+"]")}}, abi.Succeeded, "",
			"GET /api/v1/users/{id} [id:ada@example.com]\n" + ofUser + " [userId:" + ada + "]", nil, 2},
		{"of a user by id", `{"user":"` + ada + `","limit":1}`, answering{ofUser: {answer(200, "["+helpDesk+","+viaGroup+"]")}}, abi.Succeeded, "", ofUser + " [userId:" + ada + "]", nil, 1},
		{"of nobody", `{"user":"nobody@example.com"}`, answering{"GET /api/v1/users/{id}": {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"of a group", `{"group":"00gabcdefgh123456789"}`, answering{"GET /api/v1/groups/{groupId}/roles": {answer(200, "[]")}}, abi.Succeeded, "", "GET /api/v1/groups/{groupId}/roles [groupId:00gabcdefgh123456789]", nil, 0},
		{"of no group", `{"group":"00gabcdefgh123456789"}`, answering{"GET /api/v1/groups/{groupId}/roles": {notFound("UserGroup")}}, abi.NotFound, "not_found", "", []string{"group"}, 0},
		{"of a client", `{"client":"0oa1"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles": {answer(200, "["+helpDesk+"]")}}, abi.Succeeded, "", "GET /oauth2/v1/clients/{clientId}/roles [clientId:0oa1]", nil, 1},
		{"refused", `{"client":"0oa1"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles": {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_roles")
	}
}

// TestListRolesGoesOnFromAnyPoint reads three pages of custom roles with every limit.
func TestListRolesGoesOnFromAnyPoint(t *testing.T) {
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

func TestGetRole(t *testing.T) {
	const custom, ofUser = "GET /api/v1/iam/roles/{roleIdOrLabel}", "GET /api/v1/users/{userId}/roles/{roleAssignmentId}"
	for _, c := range []invoking{
		{"a custom role by label", `{"role":"Password Desk"}`, answering{custom: {answer(200, `{"id":"cr01"}`)}}, abi.Succeeded, "", custom + " [roleIdOrLabel:Password Desk]", nil, 1},
		{"no such custom role", `{"role":"x"}`, answering{custom: {notFound("CustomRole")}}, abi.NotFound, "not_found", "", []string{"no such custom role"}, 0},
		{"an assignment", `{"role":"JBCUYUC7IRCVGS27IFCE2SKO","user":"` + ada + `"}`, answering{ofUser: {answer(200, helpDesk)}}, abi.Succeeded, "", ofUser + " [roleAssignmentId:JBCUYUC7IRCVGS27IFCE2SKO userId:" + ada + "]", nil, 1},
		{"no such assignment", `{"role":"x","user":"` + ada + `"}`, answering{ofUser: {notFound("RoleAssignment")}}, abi.NotFound, "not_found", "", []string{"no such role assignment"}, 0},
		{"no such user", `{"role":"x","user":"` + ada + `"}`, answering{ofUser: {notFound("User")}}, abi.NotFound, "not_found", "", []string{"no such user"}, 0},
		{"no such group", `{"role":"x","group":"00gabcdefgh123456789"}`, answering{"GET /api/v1/groups/{groupId}/roles/{roleAssignmentId}": {notFound("UserGroup")}}, abi.NotFound, "not_found", "", []string{"no such group"}, 0},
		{"of a client", `{"role":"x","client":"0oa1"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}": {answer(200, helpDesk)}}, abi.Succeeded, "", "", nil, 1},
		{"refused", `{"role":"x"}`, answering{custom: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "get_role")
	}
}

// TestARoleThatIsThereMayFallShort: what is there already stays, and is not always what was asked for.
func TestARoleThatIsThereMayFallShort(t *testing.T) {
	const list = "GET /api/v1/users/{userId}/roles"
	const of = " [userId:" + ada + "]"
	const appAdmin = `{"id":"IFIFAX2BIRGUSTQ","type":"APP_ADMIN","status":"ACTIVE","assignmentType":"USER"}`
	const other = `{"id":"JBCUYUC7IRCVGS27IFCE2SKO","type":"HELP_DESK_ADMIN","status":"ACTIVE","assignmentType":"USER","_embedded":{"targets":{"groups":[{"id":"00g9"}],"catalog":{"apps":[{"name":"x"}]}}}}`
	apps := strings.Replace(appAdmin, "{", `{"_embedded":{"targets":{"catalog":{"apps":[{"name":"salesforce"}]}}},`, 1)
	input := `{"user":"` + ada + `","type":"APP_ADMIN"}`
	twice := list + of + "\n" + list + of + " expand=targets/catalog/apps"
	for _, c := range []invoking{
		{"it is all that was asked for", input, answering{list: {answer(200, "["+appAdmin+"]"), answer(200, "["+other+","+appAdmin+"]")}}, abi.Unchanged, "", twice, nil, 0},
		{"limited to some applications", input, answering{list: {answer(200, "["+appAdmin+"]"), answer(200, "["+apps+"]")}}, abi.Unchanged, "", twice, []string{"limited to some apps"}, 0},
		{"limited to some groups", `{"user":"` + ada + `","type":"HELP_DESK_ADMIN"}`, answering{list: {answer(200, "["+helpDesk+"]"), answer(200, "["+other+"]")}}, abi.Unchanged, "",
			list + of + "\n" + list + of + " expand=targets/groups", []string{"limited to some groups"}, 0},
		{"limits that cannot be read", input, answering{list: {answer(200, "["+appAdmin+"]"), forbidden}}, abi.Unchanged, "", twice + strings.Repeat("\n"+list+of+" expand=targets/catalog/apps", 2), []string{"could not be read"}, 0},
		{"not in force", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {answer(200, `[{"id":"ra1","type":"SUPER_ADMIN","status":"INACTIVE","assignmentType":"USER"}]`)}}, abi.Unchanged, "", list + of, []string{"INACTIVE"}, 0},
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

func TestRevokeRole(t *testing.T) {
	const list, remove = "GET /api/v1/users/{userId}/roles", "DELETE /api/v1/users/{userId}/roles/{roleAssignmentId}"
	const input = `{"user":"` + ada + `","type":"HELP_DESK_ADMIN"}`
	const of = " [userId:" + ada + "]"
	has, none := answer(200, "["+helpDesk+"]"), answer(200, "[]")
	const me = "GET /api/v1/users/me" // whether the role is that of the token's owner
	done := list + of + "\n" + me + "\n" + remove + " [roleAssignmentId:JBCUYUC7IRCVGS27IFCE2SKO userId:" + ada + "]"
	for _, c := range []invoking{
		{"by type", input, answering{list: {has, none}, remove: {answer(204, "")}}, abi.Succeeded, "", done + "\n" + list + of, []string{`"user":"` + ada + `"`, `"before":` + helpDesk, `"after":null`}, 0},
		{"by assignment", `{"user":"` + ada + `","role_assignment":"JBCUYUC7IRCVGS27IFCE2SKO"}`, answering{list: {has, none}, remove: {answer(204, "")}}, abi.Succeeded, "", done + "\n" + list + of, nil, 0},
		{"by login", `{"user":"ada@example.com","type":"HELP_DESK_ADMIN"}`, answering{"GET /api/v1/users/{id}": {answer(200, `{"id":"`+ada+`","profile":{"login":"ada@example.com"}}`)}, list: {has, none}, remove: {answer(204, "")}}, abi.Succeeded, "",
			"GET /api/v1/users/{id} [id:ada@example.com]\n" + done + "\n" + list + of, nil, 0},
		{"it is not there", input, answering{list: {none}}, abi.Unchanged, "", list + of, []string{`"before":null`}, 0},
		{"another is", `{"user":"` + ada + `","type":"APP_ADMIN"}`, answering{list: {has}}, abi.Unchanged, "", list + of, nil, 0},
		{"it came through a group", input, answering{list: {answer(200, "["+viaGroup+"]")}}, abi.Rejected, "through_group", list + of, []string{"group 00g7"}, 0},
		{"it is there twice", input, answering{list: {answer(200, "["+viaGroup+","+helpDesk+"]"), answer(200, "["+viaGroup+"]")}, remove: {answer(204, "")}}, abi.Succeeded, "", done + "\n" + list + of, []string{"still has the role through group 00g7"}, 0},
		{"of a group", `{"group":"00gabcdefgh123456789","type":"HELP_DESK_ADMIN"}`, answering{"GET /api/v1/groups/{groupId}/roles": {answer(200, "["+viaGroup+"]"), none}, getUserGroups.Endpoint: {answer(200, "[]")},
			"DELETE /api/v1/groups/{groupId}/roles/{roleAssignmentId}": {answer(204, "")}}, abi.Succeeded, "", "", []string{`"group":"00gabcdefgh123456789"`}, 0},
		{"of a client", `{"client":"0oa1","type":"HELP_DESK_ADMIN"}`, answering{"GET /oauth2/v1/clients/{clientId}/roles": {answer(200, "["+strings.Replace(helpDesk, "USER", "CLIENT", 1)+"]"), none},
			"DELETE /oauth2/v1/clients/{clientId}/roles/{roleAssignmentId}": {answer(204, "")}}, abi.Succeeded, "", "", nil, 0},
		{"of nobody", input, answering{list: {notFound("User")}}, abi.NotFound, "not_found", list + of, nil, 0},
		{"somebody else was faster", input, answering{list: {has, none}, remove: {notFound("RoleAssignment")}}, abi.Unchanged, "", "", nil, 0},
		{"the user is gone meanwhile", input, answering{list: {has, notFound("User")}, remove: {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"another change is under way", input, answering{list: {has, none}, remove: {answer(409, `{"errorCode":"E0000268","errorSummary":"Concurrent changes"}`), answer(204, "")}}, abi.Succeeded, "", done + "\n" + strings.Split(done, "\n")[2] + "\n" + list + of, nil, 0},
		{"two of its own", `{"user":"` + ada + `","type":"APP_ADMIN"}`, answering{list: {answer(200, `[{"id":"ra1","type":"APP_ADMIN","assignmentType":"USER"},{"id":"ra2","type":"APP_ADMIN","assignmentType":"USER"}]`)}},
			abi.Rejected, "ambiguous", list + of, []string{"ra1, ra2", "role_assignment", `"assignments":[{"id":"ra1"`}, 0},
		{"taken, and it does not show", input, answering{list: {has}, remove: {answer(204, "")}}, abi.Unknown, "unknown", "", []string{"Okta took it"}, 0},
		{"taken, and not to be read", input, answering{list: {has, forbidden}, remove: {answer(204, "")}}, abi.Succeeded, "", "", []string{"could not be read", `"after":null`}, 0},
		{"refused", input, answering{list: {has}, remove: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"lost, and done", input, answering{list: {has, none}, remove: {lost}}, abi.Succeeded, "", "", []string{`"before":` + helpDesk}, 0},
		{"lost, and not done", input, answering{list: {has}, remove: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"lost, and not to be read", input, answering{list: {has, answer(500, "")}, remove: {answer(500, "")}}, abi.Unknown, "unknown", "", nil, 0},
	} {
		c.run(t, "revoke_role")
	}
}

// TestRoles_OfTheTokensOwner_AreNotTaken, directly or by way of a group.
func TestRoles_OfTheTokensOwner_AreNotTaken(t *testing.T) {
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
		{"revoke_role", invoking{"of a group that the owner is in", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {in}}, abi.Rejected, "own_account", "", nil, 0}},
		{"revoke_role", invoking{"of another group", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles, out}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {out}, deleteGroupRole.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
		{"revoke_role", invoking{"of a token of nobody", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own, out}, getMe.Endpoint: {notFound("User")}, deleteUserRole.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
		{"revoke_role", invoking{"whose token it is may not be read", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own}, getMe.Endpoint: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0}},
		{"revoke_role", invoking{"whose token it is cannot be read now", `{"user":"` + ada + `","type":"SUPER_ADMIN"}`, answering{list: {own}, getMe.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"revoke_role", invoking{"the owner's groups cannot be read now", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"revoke_role", invoking{"a portal in the place of the owner", `{"group":"` + builders + `","type":"SUPER_ADMIN"}`, answering{groups: {roles}, getMe.Endpoint: {answer(404, "")}}, abi.Unavailable, "not_okta", "", []string{"could not be checked"}, 0}},
		{"delete_group", invoking{"the owner's groups may not be read", `{"group":"` + builders + `","admin_group":true}`, answering{oneGroup: {group}, groups: {roles}, getMe.Endpoint: {owner}, getUserGroups.Endpoint: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0}},
		{"remove_group_member", invoking{"whose token it is cannot be read now", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"deactivate_user", invoking{"whose token it is cannot be read now", `{"user":"` + ada + `"}`, answering{readOne: {owner}, getMe.Endpoint: {answer(500, "")}}, abi.Unavailable, "unavailable", "", []string{"could not be checked"}, 0}},
		{"delete_user", invoking{"whose token it is may not be read", `{"user":"` + ada + `"}`, answering{readOne: {owner}, getMe.Endpoint: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0}},
		{"remove_group_member", invoking{"out of a group that has it", `{"group":"` + builders + `","user":"` + ada + `"}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", nil, 0}},
		{"remove_group_member", invoking{"and that is meant", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", nil, 0}},
		{"remove_group_member", invoking{"out of a group without roles", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {in, out}, groups: {out}, getMe.Endpoint: {owner}, deleteGroupMember.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
		{"delete_group", invoking{"with the group", `{"group":"` + builders + `","admin_group":true}`, answering{oneGroup: {group}, getUserGroups.Endpoint: {in}, groups: {roles}, getMe.Endpoint: {owner}}, abi.Rejected, "own_account", "", nil, 0}},
		{"add_group_member", invoking{"gaining takes nothing", `{"group":"` + builders + `","user":"` + ada + `","admin_group":true}`, answering{oneGroup: {group}, readOne: {owner}, getUserGroups.Endpoint: {out, in}, putGroupMember.Endpoint: {answer(204, "")}}, abi.Succeeded, "", "", nil, 0}},
	} {
		t.Run(c.op, func(t *testing.T) { c.run(t, c.op) })
	}
}

// TestAssignRole_AnotherRoleInTheAnswer_IsNotTakenForIt.
func TestAssignRole_AnotherRoleInTheAnswer_IsNotTakenForIt(t *testing.T) {
	const list, add = "GET /api/v1/users/{userId}/roles", "POST /api/v1/users/{userId}/roles"
	given := func(members string) hosttest.Answer {
		return answer(201, `{"id":"ra1","status":"ACTIVE","assignmentType":"USER",`+members+`}`)
	}
	for _, c := range []invoking{
		{"another type", `{"user":"` + ada + `","type":"APP_ADMIN"}`, answering{list: {answer(200, "[]")}, add: {given(`"type":"ORG_ADMIN"`)}}, abi.Rejected, "not_as_asked", "", []string{"ORG_ADMIN"}, 0},
		{"another resource set", `{"user":"` + ada + `","role":"cr1","resource_set":"iam1"}`, answering{list: {answer(200, "[]")}, add: {given(`"type":"CUSTOM","role":"cr1","resource-set":"iam2"`)}}, abi.Rejected, "not_as_asked", "", []string{"resource-set"}, 0},
		{"a resource set that is not told", `{"user":"` + ada + `","role":"cr1","resource_set":"iam1"}`, answering{list: {answer(200, "[]")}, add: {given(`"type":"CUSTOM","role":"cr1"`)}}, abi.Succeeded, "", "", nil, 1},
	} {
		c.run(t, "assign_role")
	}
}
