package okta

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

const (
	builders  = "00g1234567890abcdefg"
	oneGroup  = "GET /api/v1/groups/{groupId}"
	allGroups = "GET /api/v1/groups"
	readIt    = oneGroup + " [groupId:" + builders + "]"
	byName    = allGroups + " q=Builders limit=100"
	bySearch  = allGroups + ` search=profile.name eq "Builders" limit=100`
)

func groupJSON(id, typ, name, description string) string {
	return fmt.Sprintf(`{"id":%q,"type":%q,"lastUpdated":"2026-01-01T00:00:00.000Z","lastMembershipUpdated":"2026-01-01T00:00:00.000Z","profile":{"name":%q,"description":%q}}`, id, typ, name, description)
}

var (
	builder    = groupJSON(builders, "OKTA_GROUP", "Builders", "build")
	fromApp    = groupJSON("00gapp4567890abcdefg", "APP_GROUP", "Builders", "")
	everyone   = groupJSON("00gall4567890abcdefg", "BUILT_IN", "Everyone", "")
	noGroup    = notFound("UserGroup")
	nameExists = answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: name","errorCauses":[{"errorSummary":"name: An object with this field already exists in the current organization"}]}`)
)

// asked returns a group with the id that these tests request. A response with another object would be refused.
func asked(group string) string {
	return strings.NewReplacer("00gapp4567890abcdefg", builders, "00gall4567890abcdefg", builders).Replace(group)
}

func groupsOf(groups ...string) hosttest.Answer {
	return answer(200, "["+strings.Join(groups, ",")+"]")
}

func TestLookupGroup_EachResponse_HasItsOutcome(t *testing.T) {
	var crowd []string // a full page for q
	for i := range namedPage {
		crowd = append(crowd, groupJSON(fmt.Sprintf("00g%017d", i), "OKTA_GROUP", fmt.Sprintf("Builders %d", i), ""))
	}
	const in = `{"group":"Builders"}`
	for _, c := range []invoking{
		{"by id", `{"group":"` + builders + `"}`, answering{oneGroup: {answer(200, builder)}}, abi.Succeeded, "", readIt, []string{`"name":"Builders"`}, 0},
		{"an unknown id", `{"group":"` + builders + `"}`, answering{oneGroup: {noGroup}}, abi.NotFound, "not_found", readIt, nil, 0},
		{"by name", in, answering{allGroups: {groupsOf(groupJSON("00g2", "OKTA_GROUP", "Builders of old", ""), builder)}}, abi.Succeeded, "", byName, []string{builders}, 0},
		{"an unknown name", in, answering{allGroups: {groupsOf(groupJSON("00g2", "OKTA_GROUP", "builders", "")), groupsOf()}}, abi.NotFound, "not_found", byName + "\n" + bySearch, []string{"exact"}, 0},
		{"two groups of that name", in, answering{allGroups: {groupsOf(builder, fromApp)}}, abi.Rejected, "ambiguous", byName, []string{builders, "00gapp4567890abcdefg", "APP_GROUP", `{"groups":[`}, 0},
		{"a name beyond the page of q", in, answering{allGroups: {groupsOf(crowd...), groupsOf(builder)}}, abi.Succeeded, "", byName + "\n" + bySearch, []string{builders}, 0},
		{"two groups of that name, one beyond the page of q", in, answering{allGroups: {groupsOf(append(crowd[:99:99], builder)...), groupsOf(builder, fromApp)}}, abi.Rejected, "ambiguous", "", nil, 0},
		{"a name that looks like an id", `{"group":"00gBuilders"}`, answering{oneGroup: {noGroup}, allGroups: {groupsOf(groupJSON("00g2", "OKTA_GROUP", "00gBuilders", ""))}}, abi.Succeeded, "", "", nil, 0},
		{"a name with a quote", `{"group":"a\"b"}`, answering{allGroups: {groupsOf()}}, abi.NotFound, "not_found", allGroups + ` q=a"b limit=100` + "\n" + allGroups + ` search=profile.name eq "a\"b" limit=100`, nil, 0},
		{"no permission", in, answering{allGroups: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"no list", in, answering{allGroups: {answer(200, `{}`)}}, abi.Unavailable, "bad_answer", "", nil, 0},
	} {
		c.run(t, "lookup_group")
	}
}

func TestListGroups_EachResponse_HasItsOutcome(t *testing.T) {
	for _, c := range []invoking{
		{"all groups, and the next link keeps expand", `{"expand":"stats"}`, answering{allGroups: {paged(`[{"id":"1"}]`, "/api/v1/groups?after=1&limit=200"), groupsOf(`{"id":"2"}`)}}, abi.Succeeded, "",
			allGroups + " expand=stats limit=200\n" + allGroups + " -> /api/v1/groups?after=1&limit=200&expand=stats", nil, 2},
		{"by filter", `{"filter":"type eq \"OKTA_GROUP\"","page_size":50}`, answering{allGroups: {groupsOf()}}, abi.Succeeded, "", allGroups + ` filter=type eq "OKTA_GROUP" limit=50`, nil, 0},
		{"by prefix of a name", `{"q":"Bu"}`, answering{allGroups: {groupsOf(builder)}}, abi.Succeeded, "", allGroups + " q=Bu limit=200", nil, 1},
		{"no permission", `{}`, answering{allGroups: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_groups")
	}
	for _, c := range []invoking{
		{"by an expression", `{"search":"profile.name sw \"B\"","sort_by":"profile.name","sort_order":"desc"}`, answering{allGroups: {groupsOf(builder)}}, abi.Succeeded, "",
			allGroups + ` search=profile.name sw "B" sortBy=profile.name sortOrder=desc limit=200`, nil, 1},
		{"by an invalid expression", `{"search":"x"}`, answering{allGroups: {answer(400, `{"errorCode":"E0000031","errorSummary":"Invalid search criteria."}`)}}, abi.Rejected, "rejected", "", nil, 0},
	} {
		c.run(t, "search_groups")
	}
	for _, op := range []string{"list_groups", "search_groups"} {
		listsOnceForEveryLimit(t, op, map[string]string{"list_groups": `{"page_size":3}`, "search_groups": `{"search":"x","page_size":3}`}[op], 8, func(req abi.Request) hosttest.Answer {
			req.Link = strings.Replace(req.Link, "/groups?", "/users?", 1)
			a := users(8)(req)
			for i, l := range a.Headers["link"] {
				a.Headers["link"][i] = strings.Replace(l, "/users?", "/groups?", 1)
			}
			return a
		})
	}
}

func TestCreateGroup_EachResponse_HasItsOutcome(t *testing.T) {
	const post, in = "POST /api/v1/groups", `{"name":"Builders","description":"build","profile":{"floor":3}}`
	made := answer(200, `{"id":"`+builders+`","type":"OKTA_GROUP","profile":{"name":"Builders","description":"build","floor":3,"x":null}}`)
	const sent = post + ` {"profile":{"floor":3,"name":"Builders","description":"build"}}`
	found := groupsOf(`{"id":"` + builders + `","type":"OKTA_GROUP","created":"` + today + `","profile":{"name":"Builders","description":"build","floor":3}}`)
	for _, c := range []invoking{
		{"a new group", in, answering{allGroups: {groupsOf()}, post: {made}}, abi.Succeeded, "", byName + "\n" + bySearch + "\n" + sent, []string{builders}, 1},
		{"only a name", `{"name":"Builders"}`, answering{allGroups: {groupsOf()}, post: {made}}, abi.Succeeded, "", byName + "\n" + bySearch + "\n" + post + ` {"profile":{"name":"Builders"}}`, nil, 1},
		{"a name in use", in, answering{allGroups: {groupsOf(builder)}}, abi.Rejected, "name_taken", byName, []string{`"existing_id":"` + builders + `"`}, 0},
		{"the name of an app's group", in, answering{allGroups: {groupsOf(fromApp)}, post: {made}}, abi.Succeeded, "", "", nil, 1},
		{"a name that another client takes concurrently", in, answering{allGroups: {groupsOf(), groupsOf(), groupsOf(builder)}, post: {nameExists}}, abi.Rejected, "name_taken", "", []string{builders}, 0},
		{"a name in use that does not show", in, answering{allGroups: {groupsOf()}, post: {nameExists}}, abi.Rejected, "rejected", "", []string{"already exists"}, 0},
		{"no permission", in, answering{allGroups: {groupsOf()}, post: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"response lost, done", in, answering{allGroups: {groupsOf(), groupsOf(), found}, post: {lost}}, abi.Succeeded, "", "", []string{builders}, 0},
		{"response lost, older object", in, answering{allGroups: {groupsOf(), groupsOf(), groupsOf(strings.Replace(builder, "{", `{"created":"2020-01-01T00:00:00.000Z",`, 1))}, post: {lost}}, abi.Rejected, "name_taken", "", []string{builders}, 0},
		{"response lost, another client's object", in, answering{allGroups: {groupsOf(), groupsOf(), groupsOf(builder)}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, not done", in, answering{allGroups: {groupsOf()}, post: {lost}}, abi.Unavailable, "unavailable", "", []string{"not created"}, 0},
	} {
		c.run(t, "create_group")
	}
}

func TestUpdateGroup_EachResponse_HasItsOutcome(t *testing.T) {
	const put = "PUT /api/v1/groups/{groupId}"
	in := `{"group":"` + builders + `","description":"run","profile":{"floor":null}}`
	before := answer(200, `{"id":"`+builders+`","type":"OKTA_GROUP","lastUpdated":"2026-01-01T00:00:00.000Z","profile":{"name":"Builders","description":"build","floor":3,"wing":"W"}}`)
	after := answer(200, `{"id":"`+builders+`","type":"OKTA_GROUP","lastUpdated":"2026-01-01T00:00:01.000Z","profile":{"name":"Builders","description":"run","floor":null,"wing":"W"}}`)
	const sent = put + " [groupId:" + builders + `] {"profile":{"name":"Builders","description":"run","wing":"W"}}`
	for _, c := range []invoking{
		{"attributes that are not named are kept", in, answering{oneGroup: {before}, put: {after}}, abi.Succeeded, "", readIt + "\n" + readIt + "\n" + sent, []string{`"before":{`, "build", `"after":{`, "run"}, 0},
		{"by name", `{"group":"Builders","name":"Makers"}`, answering{allGroups: {groupsOf(builder)}, oneGroup: {answer(200, builder)}, put: {answer(200, groupJSON(builders, "OKTA_GROUP", "Makers", "build"))}}, abi.Succeeded, "",
			byName + "\n" + readIt + "\n" + readIt + "\n" + put + " [groupId:" + builders + `] {"profile":{"name":"Makers","description":"build"}}`, nil, 0},
		{"nothing differs", in, answering{oneGroup: {after}}, abi.Unchanged, "", readIt, nil, 0},
		{"an empty description equals absent", `{"group":"` + builders + `","description":""}`, answering{oneGroup: {answer(200, `{"id":"`+builders+`","type":"OKTA_GROUP","profile":{"name":"Builders","description":null}}`)}}, abi.Unchanged, "", "", nil, 0},
		{"changed meanwhile", in, answering{oneGroup: {before, after}}, abi.Rejected, "changed_meanwhile", readIt + "\n" + readIt, nil, 0},
		{"changed while Okta creates group rules", in, answering{oneGroup: {before, before, after}, put: {answer(409, `{"errorCode":"E0000253"}`), after}}, abi.Rejected, "changed_meanwhile", readIt + "\n" + readIt + "\n" + sent + "\n" + readIt, nil, 0},
		{"a group of an app", in, answering{oneGroup: {answer(200, asked(fromApp))}}, abi.Rejected, "app_group", readIt, []string{"app or directory"}, 0},
		{"built in", in, answering{oneGroup: {answer(200, asked(everyone))}}, abi.Rejected, "built_in_group", readIt, nil, 0},
		{"an unknown group", in, answering{oneGroup: {noGroup}}, abi.NotFound, "not_found", readIt, nil, 0},
		{"a name in use", in, answering{oneGroup: {before}, put: {nameExists}}, abi.Rejected, "rejected", "", []string{"already exists"}, 0},
		{"no permission", in, answering{oneGroup: {before}, put: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"response lost, done", in, answering{oneGroup: {before, before, after}, put: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in, answering{oneGroup: {before}, put: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, cannot be read back", in, answering{oneGroup: {before, before, forbidden}, put: {lost}}, abi.Unknown, "unknown", "", nil, 0},
	} {
		c.run(t, "update_group")
	}
}

// ofGroup is the endpoint of a group's roles.
const ofGroup = "GET /api/v1/groups/{groupId}/roles"

var (
	noRoles  = answer(200, "[]")
	someRole = answer(200, `[{"id":"ra1","label":"Super Administrator","type":"SUPER_ADMIN"},{"id":"irb1","label":"Password Desk","type":"CUSTOM"}]`)
)

// withRoles adds a group without roles, if a case has none. Its response has no Date.
func (a answering) withRoles() answering {
	if a != nil && a[ofGroup] == nil {
		a[ofGroup] = []hosttest.Answer{{Status: 200, Body: "[]", Headers: map[string][]string{"x-okta-request-id": {"r1"}}}}
	}
	return a
}

func TestDeleteGroup_EachResponse_HasItsOutcome(t *testing.T) {
	const del = "DELETE /api/v1/groups/{groupId}"
	const roles = ofGroup + " [groupId:" + builders + "]"
	in := `{"group":"` + builders + `"}`
	there, done := answer(200, builder), answer(204, "")
	for _, c := range []invoking{
		{"by id", in, answering{oneGroup: {there, noGroup}, del: {done}}, abi.Succeeded, "", readIt + "\n" + roles + "\n" + del + " [groupId:" + builders + "]\n" + readIt, []string{`"before":{`, `"after":null`}, 0},
		{"by name", `{"group":"Builders"}`, answering{allGroups: {groupsOf(builder)}, oneGroup: {noGroup}, del: {done}}, abi.Succeeded, "", byName + "\n" + roles + "\n" + del + " [groupId:" + builders + "]\n" + readIt, nil, 0},
		{"accepted, does not show", in, answering{oneGroup: {there}, del: {done}}, abi.Unknown, "unknown", "", []string{"Okta accepted it"}, 0},
		{"accepted, cannot be read back", in, answering{oneGroup: {there, forbidden}, del: {done}}, abi.Succeeded, "", "", []string{`"after":null`, "could not be read"}, 0},
		{"a group with roles", in, answering{oneGroup: {there}, ofGroup: {someRole}}, abi.Rejected, "admin_group", readIt + "\n" + roles, []string{"Super Administrator (SUPER_ADMIN), Password Desk (CUSTOM)", `"admin_group":true`}, 0},
		{"a group with roles, confirmed", `{"group":"` + builders + `","admin_group":true}`, answering{oneGroup: {there, noGroup}, getUserGroups.Endpoint: {groupsOf()}, del: {done}}, abi.Succeeded, "",
			readIt + "\nGET /api/v1/users/me\n" + getUserGroups.Endpoint + " [id:00uOwnerOfTheToken0]\n" + del + " [groupId:" + builders + "]\n" + readIt, nil, 0},
		{"an id that no longer exists", in, answering{oneGroup: {noGroup}}, abi.Unchanged, "", readIt, []string{`"before":null`}, 0},
		{"an unknown name", `{"group":"Builders"}`, answering{allGroups: {groupsOf()}}, abi.NotFound, "not_found", "", nil, 0},
		{"a 404 that is not Okta's", in, answering{oneGroup: {answer(404, "")}}, abi.Unavailable, "not_okta", readIt, nil, 0},
		{"a name of two groups", `{"group":"Builders"}`, answering{allGroups: {groupsOf(builder, fromApp)}}, abi.Rejected, "ambiguous", "", nil, 0},
		{"built in", in, answering{oneGroup: {answer(200, asked(everyone))}}, abi.Rejected, "built_in_group", readIt, nil, 0},
		{"a group of an app, which Okta refuses", in, answering{oneGroup: {answer(200, asked(fromApp))}, del: {answer(403, `{"errorCode":"E0000006"}`)}}, abi.Rejected, "forbidden", "", nil, 0},
		{"another client was first", in, answering{oneGroup: {there, noGroup}, del: {noGroup}}, abi.Unchanged, "", "", nil, 0},
		{"response lost, done", in, answering{oneGroup: {there, noGroup}, del: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in, answering{oneGroup: {there}, del: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, cannot be read back", in, answering{oneGroup: {there, forbidden}, del: {lost}}, abi.Unknown, "unknown", "", nil, 0},
	} {
		c.org = c.org.withRoles()
		c.run(t, "delete_group")
	}
}

func TestGroupMembers_EachResponse_HasItsOutcome(t *testing.T) {
	const ofUser = "GET /api/v1/users/{id}/groups"
	in := `{"group":"` + builders + `","user":"ada@example.com"}`
	looks := readIt + "\n" + readOne + " [id:ada@example.com]\n" + ofUser + " [id:" + ada + "]"
	there, theirs, none := answer(200, builder), groupsOf(everyone, builder), groupsOf(everyone)
	done := answer(204, "")
	roles := ofGroup + " [groupId:" + builders + "]"
	lately := answer(200, strings.Replace(builder, `"lastMembershipUpdated":"2026-01-01T00:00:00`, `"lastMembershipUpdated":"2026-11-25T11:56:00`, 1))
	for op, write := range map[string]string{"add_group_member": "PUT /api/v1/groups/{groupId}/users/{userId}", "remove_group_member": "DELETE /api/v1/groups/{groupId}/users/{userId}"} {
		// was and is are the user's groups before and after.
		was, is, before, after := none, theirs, "false", `"member":true`
		looksAtOwner := ""
		if op == "remove_group_member" {
			looksAtOwner = "\nGET /api/v1/users/me" // whose roles must not be lost
			was, is, before, after = theirs, none, "true", `"member":false`
		}
		meant := strings.Replace(in, "{", `{"admin_group":true,`, 1)
		groupsOfUser := ofUser + " [id:" + ada + "]\n"
		sent := looks + "\n" + roles + "\n" + write + " [groupId:" + builders + " userId:" + ada + "]"
		for _, c := range []invoking{
			{"done", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, write: {done}}, abi.Succeeded, "", sent + "\n" + ofUser + " [id:" + ada + "]", []string{after, `"member_before":`, `"login":"ada@example.com"`}, 0},
			{"done, and shows after a while", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, was, forbidden, was, is}, write: {done}}, abi.Succeeded, "", "", []string{after}, 0},
			{"done, and does not show", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {done}}, abi.Unknown, "unknown", "", []string{"group rule"}, 0},
			{"done, and cannot be read back", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, forbidden}, write: {done}}, abi.Succeeded, "", "", []string{`"login":"ada@example.com","member_before":` + before + "}", "could not be read"}, 0},
			{"already so, by a list that may lag behind", in, answering{oneGroup: {lately}, readOne: {person("ACTIVE")}, ofUser: {is}, write: {done}}, abi.Succeeded, "", sent + "\n" + ofUser + " [id:" + ada + "]", []string{after, "may lag behind"}, 0},
			{"already so, for a group by name", `{"group":"Builders","user":"` + ada + `"}`, answering{allGroups: {groupsOf(builder)}, oneGroup: {lately}, readOne: {person("ACTIVE")}, ofUser: {is}, write: {done}}, abi.Succeeded, "", "", []string{after}, 0},
			{"already so, response lost", in, answering{oneGroup: {lately}, readOne: {person("ACTIVE")}, ofUser: {is}, write: {lost}}, abi.Unknown, "unknown", "", nil, 0},
			{"a group with roles", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, ofGroup: {someRole}}, abi.Rejected, "admin_group", looks + "\n" + roles + looksAtOwner, []string{"SUPER_ADMIN", `"admin_group":true`}, 0},
			{"a group with roles, confirmed", meant, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, write: {done}}, abi.Succeeded, "", "", []string{after}, 0},
			{"a group with roles, already so", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {is}, ofGroup: {someRole}}, abi.Unchanged, "", looks, nil, 0},
			{"roles that the token may not read", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, ofGroup: {forbidden}, write: {done}}, abi.Rejected, "forbidden", "", []string{"may not read", `"admin_group":true`}, 0},
			{"roles that the token may not read, confirmed", meant, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, write: {done}}, abi.Succeeded, "", "", []string{after}, 0},
			{"roles that the org does not have", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, ofGroup: {noFeature}, write: {done}}, abi.Rejected, "feature", "", []string{"may not read"}, 0},
			{"an unknown endpoint for roles", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, ofGroup: {answer(404, `{"errorCode":"E0000008","errorSummary":"The requested path was not found"}`)}, write: {done}}, abi.Succeeded, "", "", nil, 0},
			{"roles that cannot be read", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, ofGroup: {answer(500, "")}}, abi.Unavailable, "unavailable", looks + "\n" + roles, nil, 0},
			{"roles that a proxy hides", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, ofGroup: {answer(404, "")}}, abi.Unavailable, "not_okta", "", nil, 0},
			{"a token that is not valid", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, ofGroup: {badToken}}, abi.Rejected, "credentials", "", nil, 0},
			{"a group that is deleted before its roles are read", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, ofGroup: {noGroup}}, abi.NotFound, "not_found", "", nil, 0},
			{"by the group's name", `{"group":"Builders","user":"` + ada + `"}`, answering{allGroups: {groupsOf(builder)}, readOne: {person("ACTIVE")}, ofUser: {was, is}, write: {done}}, abi.Succeeded, "", "", nil, 0},
			{"already so", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {is}}, abi.Unchanged, "", looks, []string{after}, 0},
			{"groups that cannot be read", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {forbidden}, write: {done}}, abi.Succeeded, "", strings.Replace(sent, groupsOfUser, groupsOfUser+groupsOfUser+groupsOfUser, 1), []string{`"login":"ada@example.com"}`, "cannot be read"}, 0},
			{"an unknown group", in, answering{oneGroup: {noGroup}}, abi.NotFound, "not_found", readIt, []string{"the group does not exist"}, 0},
			{"an unknown user", in, answering{oneGroup: {there}, readOne: {notFound("User")}}, abi.NotFound, "not_found", "", []string{"the user does not exist"}, 0},
			{"a group that is deleted meanwhile", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {noGroup}}, abi.NotFound, "not_found", "", []string{"the group does not exist"}, 0},
			{"a user who is deleted meanwhile", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {notFound("User")}}, abi.NotFound, "not_found", "", []string{"the user does not exist"}, 0},
			{"a group of an app", in, answering{oneGroup: {answer(200, asked(fromApp))}, readOne: {person("ACTIVE")}}, abi.Rejected, "app_group", "", nil, 0},
			{"a group that is built in", in, answering{oneGroup: {answer(200, asked(everyone))}, readOne: {person("ACTIVE")}}, abi.Rejected, "built_in_group", "", nil, 0},
			{"a group that does not have this operation", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {answer(501, `{"errorCode":"E0000060","errorSummary":"Unsupported operation."}`)}}, abi.Rejected, "rejected", "", []string{"group rule"}, 0},
			{"a membership that Okta refuses to change", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {answer(403, `{"errorCode":"E0000037","errorSummary":"Type mismatch exception."}`)}}, abi.Rejected, "rejected", "", []string{"group rule"}, 0},
			{"no permission", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
			{"by a short name", `{"group":"` + builders + `","user":"ada"}`, answering{oneGroup: {there}, readOne: {person("ACTIVE")}}, abi.Rejected, "short_name", "", nil, 0},
			{"response lost, done", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was, is}, write: {lost}}, abi.Succeeded, "", "", []string{after}, 0},
			{"response lost, not done", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {was}, write: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
			{"response lost, of a membership that may be older", in, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {forbidden, forbidden, forbidden, is}, write: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		} {
			c.name, c.org = op+", "+c.name, c.org.withRoles()
			c.run(t, op)
		}
	}
	t.Run("the groups of a user are read page by page", func(t *testing.T) {
		h := answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {paged("["+everyone+"]", "/api/v1/users/"+ada+"/groups?after=1"), groupsOf(builder)}}.host(t)
		if out := invokeNative(t, h, "add_group_member", in); out.Outcome != abi.Unchanged {
			t.Errorf("%s %+v", out.Outcome, out.Error)
		}
	})
}

// rule returns a group rule that adds users to a group, or names it in its condition.
func rule(id, status, group, expression string, excluded ...string) string {
	return fmt.Sprintf(`{"type":"group_rule","id":%q,"status":%q,"name":"Rule %s","conditions":{"people":{"users":{"exclude":[%s]},"groups":{"exclude":[]}},"expression":{"value":%q,"type":"urn:okta:expression:1.0"}},"actions":{"assignUserToGroups":{"groupIds":[%q]}}}`,
		id, status, id, strings.Join(excluded, ","), expression, group)
}

// TestGroupRules_AffectedByAWrite_AreNamed checks the warnings of the plan and of the result.
func TestGroupRules_AffectedByAWrite_AreNamed(t *testing.T) {
	const remove, del, put = "DELETE /api/v1/groups/{groupId}/users/{userId}", "DELETE /api/v1/groups/{groupId}", "PUT /api/v1/groups/{groupId}"
	rules, ofUser := getGroupRules.Endpoint, getUserGroups.Endpoint
	there, done := answer(200, builder), answer(204, "")
	all := groupsOf(rule("r1", "ACTIVE", builders, `user.department=="Building"`), rule("r2", "INACTIVE", builders, `true`), rule("r3", "ACTIVE", "00gother", `isMemberOfAnyGroup("`+builders+`")`),
		rule("r4", "ACTIVE", builders, `true`, `"`+ada+`"`), rule("r5", "ACTIVE", "00gother", `isMemberOfGroupName("Builders")`), rule("r6", "ACTIVE", "00gother", `user.x=="y"`))
	member := `{"group":"` + builders + `","user":"ada@example.com"}`
	renamed := answer(200, strings.Replace(builder, `"name":"Builders"`, `"name":"Makers"`, 1))
	planned := hosttest.Answer{Planned: true}
	for _, c := range []struct {
		op           string
		input        string
		org          answering
		named, other []string // rules in the warnings, and those that are not
	}{
		{"remove_group_member", member, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {groupsOf(builder), groupsOf()}, ofGroup: {noRoles}, rules: {all}, remove: {done}}, []string{"r1", "never adds the user again"}, []string{"r2", "r3", "r4", "r5", "r6"}},
		{"remove_group_member", member, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {groupsOf(builder)}, ofGroup: {noRoles}, rules: {all}, remove: {planned}}, []string{"r1", "never adds the user again"}, []string{"r2", "r3", "r4"}},
		{"remove_group_member", member, answering{oneGroup: {there}, readOne: {person("ACTIVE")}, ofUser: {groupsOf(builder), groupsOf()}, ofGroup: {noRoles}, rules: {forbidden}, remove: {done}}, []string{"could not check", "E0000006"}, nil},
		{"delete_group", `{"group":"` + builders + `"}`, answering{oneGroup: {there, noGroup}, ofGroup: {noRoles}, rules: {all}, del: {done}}, []string{"r1", "r2", "r3", "r4", "INVALID", "lose the applications"}, []string{"r5", "r6"}},
		{"delete_group", `{"group":"` + builders + `"}`, answering{oneGroup: {there}, ofGroup: {noRoles}, rules: {paged("["+rule("r7", "ACTIVE", "00gother", "true")+"]", "/api/v1/groups/rules?after=r7"), groupsOf(rule("r1", "ACTIVE", builders, "true"))}, del: {planned}}, []string{"r1", "lose the applications"}, []string{"r7"}},
		{"update_group", `{"group":"` + builders + `","name":"Makers"}`, answering{oneGroup: {there}, rules: {all}, put: {renamed}}, []string{"r5"}, []string{"r1", "r3"}},
	} {
		out := invokeNative(t, c.org.host(t), c.op, c.input)
		text := strings.Join(out.Warnings, "\n")
		if out.Outcome != abi.Succeeded {
			t.Errorf("%s: %s %+v", c.op, out.Outcome, out.Error)
		}
		for _, name := range c.named {
			if !strings.Contains(text, name) {
				t.Errorf("%s: %q is not in %s", c.op, name, text)
			}
		}
		for _, name := range c.other {
			if strings.Contains(text, name) {
				t.Errorf("%s: %q is in %s", c.op, name, text)
			}
		}
	}
}

// TestCreateGroup_NameInAnotherCase_IsTaken: Okta ignores case in names.
func TestCreateGroup_NameInAnotherCase_IsTaken(t *testing.T) {
	const post = "POST /api/v1/groups"
	invoking{"before", `{"name":"builders"}`, answering{allGroups: {groupsOf(builder)}}, abi.Rejected, "name_taken", "", []string{builders, `"Builders"`}, 0}.run(t, "create_group")
	invoking{"meanwhile", `{"name":"BUILDERS"}`, answering{allGroups: {groupsOf(), groupsOf(), groupsOf(builder)}, post: {nameExists}}, abi.Rejected, "name_taken", "", []string{builders}, 0}.run(t, "create_group")
	invoking{"a name of an app's group", `{"name":"builders"}`, answering{allGroups: {groupsOf(fromApp)}, post: {answer(200, groupJSON("00g3", "OKTA_GROUP", "builders", ""))}}, abi.Succeeded, "", "", nil, 1}.run(t, "create_group")
	invoking{"made otherwise", `{"name":"Builders"}`, answering{allGroups: {groupsOf()}, post: {answer(200, groupJSON("00g3", "OKTA_GROUP", "Builders 2", ""))}}, abi.Rejected, "not_as_asked", "", []string{"profile.name", "00g3"}, 0}.run(t, "create_group")
}
