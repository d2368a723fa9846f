package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestAssignApplicationUser_EachResponse_HasItsOutcome(t *testing.T) {
	const get, first, again = "GET /api/v1/apps/{appId}/users/{userId}", "POST /api/v1/apps/{appId}/users", "POST /api/v1/apps/{appId}/users/{userId}"
	const at = " [appId:0oa1 userId:" + ada + "]"
	const of = `{"application":"0oa1","user":"` + ada + `"`
	with := func(scope, profile string) string {
		return `{"id":"` + ada + `","scope":"` + scope + `","status":"ACTIVE","credentials":{"userName":"ada"},"profile":` + profile + `,"created":"2026-01-01T00:00:00.000Z","lastUpdated":"2026-01-01T00:00:00.000Z","_links":{"group":{"name":"Eng","href":"https://x/api/v1/groups/00g7"}}}`
	}
	const whole = `{"nick":"a","seat":"gold","floor":null}`
	direct, through := answer(200, with("USER", whole)), answer(200, with("GROUP", whole))
	none := notFound("AppUser")
	for _, c := range []invoking{
		{"a new assignment", of + `,"profile":{"nick":"b","gone":null}}`, answering{get: {none}, first: {answer(200, with("USER", `{"nick":"b"}`))}}, abi.Succeeded, "",
			get + at + "\n" + first + ` [appId:0oa1] {"id":"` + ada + `","scope":"USER","profile":{"nick":"b"}}`, []string{`"before":null`}, 0},
		{"attributes that are not named are written too", of + `,"profile":{"nick":"b"}}`, answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"b","seat":"gold"}`))}}, abi.Succeeded, "",
			get + at + "\n" + again + at + ` {"profile":{"nick":"b","seat":"gold"}}`, nil, 0},
		{"null clears", of + `,"profile":{"seat":null,"floor":null,"wing":null}}`, answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"a"}`))}}, abi.Succeeded, "",
			get + at + "\n" + again + at + ` {"profile":{"nick":"a","seat":null}}`, nil, 0},
		{"null equals absent", of + `,"profile":{"floor":null,"wing":null,"nick":"a"}}`, answering{get: {direct}}, abi.Unchanged, "", get + at, nil, 0},
		{"an attribute is lost", of + `,"profile":{"nick":"b"}}`, answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"b"}`))}}, abi.Succeeded, "", "", []string{"does not name: seat"}, 0},
		{"an attribute is lost, response lost", of + `,"profile":{"nick":"b"}}`, answering{get: {direct, answer(200, with("USER", `{"nick":"b"}`))}, again: {lost}}, abi.Succeeded, "", "", []string{"does not name: seat"}, 0},
		{"an assignment through a group is unchanged", of + `}`, answering{get: {through}}, abi.Unchanged, "", get + at, nil, 0},
		{"an assignment through a group, with a new profile", of + `,"profile":{"nick":"b"}}`, answering{get: {through}, again: {answer(200, with("GROUP", `{"nick":"b","seat":"gold"}`))}}, abi.Succeeded, "",
			get + at + "\n" + again + at + ` {"profile":{"nick":"b","seat":"gold"}}`, []string{`"after":{`}, 0},
		{"an assignment through a group becomes direct", of + `,"profile":{"nick":"b"}}`, answering{get: {through}, again: {answer(200, with("USER", `{"nick":"b","seat":"gold"}`))}}, abi.Succeeded, "", "", []string{`was through group "Eng" (00g7) and is direct now`}, 0},
		{"from a group's to a direct assignment", of + `,"scope":"USER"}`, answering{get: {through}, first: {direct}}, abi.Succeeded, "",
			get + at + "\n" + first + ` [appId:0oa1] {"id":"` + ada + `","scope":"USER"}`, nil, 0},
		{"from a direct to a group's assignment", of + `,"scope":"GROUP"}`, answering{get: {direct}, first: {through}}, abi.Succeeded, "",
			get + at + "\n" + first + ` [appId:0oa1] {"id":"` + ada + `","scope":"GROUP"}`, nil, 0},
		{"the same user name", of + `,"credentials":{"userName":"ada"}}`, answering{get: {direct}}, abi.Unchanged, "", get + at, nil, 0},
	} {
		c.run(t, "assign_application_user")
	}
	quiet := answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"a"}`))}}.host(t)
	if out := invokeNative(t, quiet, "assign_application_user", of+`,"profile":{"seat":null}}`); len(out.Warnings) > 0 {
		t.Errorf("%q", out.Warnings)
	}
}

func TestAssignApplicationGroup_EachResponse_HasItsOutcome(t *testing.T) {
	const get, put = "GET /api/v1/apps/{appId}/groups/{groupId}", "PUT /api/v1/apps/{appId}/groups/{groupId}"
	const at = " [appId:0oa1 groupId:" + builders + "]"
	const of = `{"application":"0oa1","group":"` + builders + `"`
	with := func(priority, profile string) string {
		return `{"id":"` + builders + `","priority":` + priority + `,"profile":` + profile + `,"lastUpdated":"2026-01-01T00:00:00.000Z","_links":{}}`
	}
	const whole = `{"role":"user","seat":"gold","region":null}`
	there := answer(200, with("0", whole))
	for _, c := range []invoking{
		{"a new assignment", of + `}`, answering{get: {notFound("ApplicationGroupAssignment")}, put: {answer(200, with("3", "{}"))}}, abi.Succeeded, "", get + at + "\n" + put + at + " {}", nil, 0},
		{"the priority is kept", of + `,"profile":{"role":"admin"}}`, answering{get: {there}, put: {answer(200, with("0", `{"role":"admin","seat":"gold"}`))}}, abi.Succeeded, "",
			get + at + "\n" + put + at + ` {"priority":0,"profile":{"role":"admin","seat":"gold"}}`, nil, 0},
		{"the profile is kept", of + `,"priority":5}`, answering{get: {there}, put: {answer(200, with("5", whole))}}, abi.Succeeded, "",
			get + at + "\n" + put + at + ` {"priority":5,"profile":{"role":"user","seat":"gold"}}`, nil, 0},
		{"null clears", of + `,"profile":{"seat":null}}`, answering{get: {there}, put: {answer(200, with("0", `{"role":"user"}`))}}, abi.Succeeded, "",
			get + at + "\n" + put + at + ` {"priority":0,"profile":{"role":"user","seat":null}}`, nil, 0},
		{"equal values", of + `,"priority":0,"profile":{"role":"user","region":null}}`, answering{get: {there}}, abi.Unchanged, "", get + at, nil, 0},
		{"priority and attribute are lost", of + `,"profile":{"role":"admin"}}`, answering{get: {there}, put: {answer(200, with("7", `{"role":"admin"}`))}}, abi.Succeeded, "", "",
			[]string{"does not name: seat", "the priority was 0 and is now 7"}, 0},
	} {
		c.run(t, "assign_application_group")
	}
	for _, input := range []string{of + `,"priority":5}`, of + `,"profile":{"seat":null,"region":"eu"}}`} {
		after := with("5", whole)
		if strings.Contains(input, "seat") {
			after = with("0", `{"role":"user","region":"eu"}`)
		}
		if out := invokeNative(t, answering{get: {there}, put: {answer(200, after)}}.host(t), "assign_application_group", input); out.Outcome != abi.Succeeded || len(out.Warnings) > 0 {
			t.Errorf("%s: %s %q", input, out.Outcome, out.Warnings)
		}
	}
}

// TestAssignments_EqualInMeaning_AreUnchanged also checks that the response has what was asked for.
func TestAssignments_EqualInMeaning_AreUnchanged(t *testing.T) {
	const getUser, postUser = "GET /api/v1/apps/{appId}/users/{userId}", "POST /api/v1/apps/{appId}/users/{userId}"
	const getGroup, putGroup = "GET /api/v1/apps/{appId}/groups/{groupId}", "PUT /api/v1/apps/{appId}/groups/{groupId}"
	user := func(profile string) string {
		return `{"id":"` + ada + `","scope":"USER","status":"ACTIVE","credentials":{"userName":"ada"},"profile":` + profile + `,"lastUpdated":"2026-01-01T00:00:00.000Z"}`
	}
	group := func(priority, profile string) string {
		return `{"id":"` + builders + `","priority":` + priority + `,"profile":` + profile + `,"lastUpdated":"2026-01-01T00:00:00.000Z"}`
	}
	const ofUser, ofGroup = `{"application":"0oa1","user":"` + ada + `"`, `{"application":"0oa1","group":"` + builders + `"`
	now := answer(200, user(`{"nick":"a","roles":["x","y"],"floor":null}`))
	for _, c := range []invoking{
		{"the same order", ofUser + `,"profile":{"roles":["x","y"]}}`, answering{getUser: {now}}, abi.Unchanged, "", "", nil, 0},
		{"another order, which Okta may store as a set", ofUser + `,"profile":{"roles":["y","x","y"]}}`, answering{getUser: {now}, postUser: {now}}, abi.Succeeded, "", "", nil, 0},
		{"another order, lost", ofUser + `,"profile":{"roles":["y","x"]}}`, answering{getUser: {now}, postUser: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"empty equals absent", ofUser + `,"profile":{"floor":"","wing":[]}}`, answering{getUser: {now}}, abi.Unchanged, "", "", nil, 0},
		{"Okta kept the old value", ofUser + `,"profile":{"nick":"b"}}`, answering{getUser: {now}, postUser: {now}}, abi.Rejected, "not_as_asked", "", []string{`profile.nick is "a", not "b"`}, 0},
		{"Okta stored another value", ofUser + `,"profile":{"nick":"b"}}`, answering{getUser: {now}, postUser: {answer(200, user(`{"nick":"c"}`))}}, abi.Rejected, "not_as_asked", "", nil, 0},
		{"Okta kept the old value, with a password", ofUser + `,"profile":{"nick":"b"},"credentials":{"password":{"value":"x"}}}`, answering{getUser: {now}, postUser: {now}}, abi.Rejected, "not_as_asked", "", nil, 0},
		{"only a password", ofUser + `,"credentials":{"password":{"value":"x"}}}`, answering{getUser: {now}, postUser: {now}}, abi.Succeeded, "", "", nil, 0},
		{"another user name", ofUser + `,"credentials":{"userName":"lovelace"}}`, answering{getUser: {now}, postUser: {now}}, abi.Rejected, "not_as_asked", "", []string{"credentials.userName"}, 0},
	} {
		c.run(t, "assign_application_user")
	}
	first := answer(200, group("1", `{"role":"user"}`))
	for _, c := range []invoking{
		{"a number in another form", ofGroup + `,"priority":1.0}`, answering{getGroup: {first}}, abi.Unchanged, "", "", nil, 0},
		{"Okta stored another priority", ofGroup + `,"priority":0}`, answering{getGroup: {first}, putGroup: {answer(200, group("2", `{"role":"user"}`))}}, abi.Rejected, "not_as_asked", "", []string{"priority is 2, not 0"}, 0},
	} {
		c.run(t, "assign_application_group")
	}
}

// TestAssignments_InactiveApplication_AreRejected: Okta answers as if the application did not exist.
func TestAssignments_InactiveApplication_AreRejected(t *testing.T) {
	const get, put, del = "GET /api/v1/apps/{appId}/groups/{groupId}", "PUT /api/v1/apps/{appId}/groups/{groupId}", "DELETE /api/v1/apps/{appId}/groups/{groupId}"
	const in = `{"application":"0oa1","group":"` + builders + `"}`
	app, gone := answer(200, `{"id":"0oa1","label":"Wiki","status":"INACTIVE"}`), notFound("AppInstance")
	there := answer(200, `{"id":"`+builders+`","priority":0}`)
	invoking{"assign", in, answering{get: {notFound("ApplicationGroupAssignment")}, put: {gone}, getApp.Endpoint: {app}}, abi.Rejected, "status", "", []string{"INACTIVE"}, 0}.run(t, "assign_application_group")
	invoking{"unassign", in, answering{get: {there}, del: {gone}, getApp.Endpoint: {app}}, abi.Rejected, "status", "", []string{"INACTIVE"}, 0}.run(t, "unassign_application_group")
	invoking{"none", in, answering{get: {notFound("ApplicationGroupAssignment")}, put: {gone}, getApp.Endpoint: {gone}}, abi.NotFound, "not_found", "", nil, 0}.run(t, "assign_application_group")
}
