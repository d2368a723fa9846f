package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestAssignApplicationUser(t *testing.T) {
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
		{"a new one", of + `,"profile":{"nick":"b","gone":null}}`, answering{get: {none}, first: {answer(200, with("USER", `{"nick":"b"}`))}}, abi.Succeeded, "",
			get + at + "\n" + first + ` [appId:0oa1] {"id":"` + ada + `","scope":"USER","profile":{"nick":"b"}}`, []string{`"before":null`}, 0},
		{"what is not named is written, too", of + `,"profile":{"nick":"b"}}`, answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"b","seat":"gold"}`))}}, abi.Succeeded, "",
			get + at + "\n" + again + at + ` {"profile":{"nick":"b","seat":"gold"}}`, nil, 0},
		{"null clears", of + `,"profile":{"seat":null,"floor":null,"wing":null}}`, answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"a"}`))}}, abi.Succeeded, "",
			get + at + "\n" + again + at + ` {"profile":{"nick":"a","seat":null}}`, nil, 0},
		{"null and nothing are one", of + `,"profile":{"floor":null,"wing":null,"nick":"a"}}`, answering{get: {direct}}, abi.Unchanged, "", get + at, nil, 0},
		{"what was to stay and did not", of + `,"profile":{"nick":"b"}}`, answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"b"}`))}}, abi.Succeeded, "", "", []string{"were to stay: seat"}, 0},
		{"what was to stay and did not, lost", of + `,"profile":{"nick":"b"}}`, answering{get: {direct, answer(200, with("USER", `{"nick":"b"}`))}, again: {lost}}, abi.Succeeded, "", "", []string{"were to stay: seat"}, 0},
		{"through a group, it stays so", of + `}`, answering{get: {through}}, abi.Unchanged, "", get + at, nil, 0},
		{"through a group, and what it has is changed", of + `,"profile":{"nick":"b"}}`, answering{get: {through}, again: {answer(200, with("GROUP", `{"nick":"b","seat":"gold"}`))}}, abi.Succeeded, "",
			get + at + "\n" + again + at + ` {"profile":{"nick":"b","seat":"gold"}}`, []string{`"after":{`}, 0},
		{"which Okta may make a direct one", of + `,"profile":{"nick":"b"}}`, answering{get: {through}, again: {answer(200, with("USER", `{"nick":"b","seat":"gold"}`))}}, abi.Succeeded, "", "", []string{`was through group "Eng" (00g7), and is a direct one now`}, 0},
		{"through a group, and wanted directly", of + `,"scope":"USER"}`, answering{get: {through}, first: {direct}}, abi.Succeeded, "",
			get + at + "\n" + first + ` [appId:0oa1] {"id":"` + ada + `","scope":"USER"}`, nil, 0},
		{"direct, and wanted through a group", of + `,"scope":"GROUP"}`, answering{get: {direct}, first: {through}}, abi.Succeeded, "",
			get + at + "\n" + first + ` [appId:0oa1] {"id":"` + ada + `","scope":"GROUP"}`, nil, 0},
		{"a user name that is so", of + `,"credentials":{"userName":"ada"}}`, answering{get: {direct}}, abi.Unchanged, "", get + at, nil, 0},
	} {
		c.run(t, "assign_application_user")
	}
	quiet := answering{get: {direct}, again: {answer(200, with("USER", `{"nick":"a"}`))}}.host(t)
	if out := invokeNative(t, quiet, "assign_application_user", of+`,"profile":{"seat":null}}`); len(out.Warnings) > 0 {
		t.Errorf("%q", out.Warnings)
	}
}

func TestAssignApplicationGroup(t *testing.T) {
	const get, put = "GET /api/v1/apps/{appId}/groups/{groupId}", "PUT /api/v1/apps/{appId}/groups/{groupId}"
	const at = " [appId:0oa1 groupId:" + builders + "]"
	const of = `{"application":"0oa1","group":"` + builders + `"`
	with := func(priority, profile string) string {
		return `{"id":"` + builders + `","priority":` + priority + `,"profile":` + profile + `,"lastUpdated":"2026-01-01T00:00:00.000Z","_links":{}}`
	}
	const whole = `{"role":"user","seat":"gold","region":null}`
	there := answer(200, with("0", whole))
	for _, c := range []invoking{
		{"a new one", of + `}`, answering{get: {notFound("ApplicationGroupAssignment")}, put: {answer(200, with("3", "{}"))}}, abi.Succeeded, "", get + at + "\n" + put + at + " {}", nil, 0},
		{"the priority stays", of + `,"profile":{"role":"admin"}}`, answering{get: {there}, put: {answer(200, with("0", `{"role":"admin","seat":"gold"}`))}}, abi.Succeeded, "",
			get + at + "\n" + put + at + ` {"priority":0,"profile":{"role":"admin","seat":"gold"}}`, nil, 0},
		{"the profile stays", of + `,"priority":5}`, answering{get: {there}, put: {answer(200, with("5", whole))}}, abi.Succeeded, "",
			get + at + "\n" + put + at + ` {"priority":5,"profile":{"role":"user","seat":"gold"}}`, nil, 0},
		{"null clears", of + `,"profile":{"seat":null}}`, answering{get: {there}, put: {answer(200, with("0", `{"role":"user"}`))}}, abi.Succeeded, "",
			get + at + "\n" + put + at + ` {"priority":0,"profile":{"role":"user","seat":null}}`, nil, 0},
		{"what is named is so", of + `,"priority":0,"profile":{"role":"user","region":null}}`, answering{get: {there}}, abi.Unchanged, "", get + at, nil, 0},
		{"what was to stay and did not", of + `,"profile":{"role":"admin"}}`, answering{get: {there}, put: {answer(200, with("7", `{"role":"admin"}`))}}, abi.Succeeded, "", "",
			[]string{"were to stay: seat", "the priority was 0, and is 7 now"}, 0},
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

// TestAssignments_AreComparedByMeaning, and what was asked for is in the answer.
func TestAssignments_AreComparedByMeaning(t *testing.T) {
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
		{"another order, which Okta may keep as a set", ofUser + `,"profile":{"roles":["y","x","y"]}}`, answering{getUser: {now}, postUser: {now}}, abi.Succeeded, "", "", nil, 0},
		{"another order, lost", ofUser + `,"profile":{"roles":["y","x"]}}`, answering{getUser: {now}, postUser: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"empty is absent", ofUser + `,"profile":{"floor":"","wing":[]}}`, answering{getUser: {now}}, abi.Unchanged, "", "", nil, 0},
		{"Okta kept what was there", ofUser + `,"profile":{"nick":"b"}}`, answering{getUser: {now}, postUser: {now}}, abi.Rejected, "not_as_asked", "", []string{`profile.nick is "a", and was to be "b"`}, 0},
		{"Okta made something else of it", ofUser + `,"profile":{"nick":"b"}}`, answering{getUser: {now}, postUser: {answer(200, user(`{"nick":"c"}`))}}, abi.Rejected, "not_as_asked", "", nil, 0},
		{"beside a password, too", ofUser + `,"profile":{"nick":"b"},"credentials":{"password":{"value":"x"}}}`, answering{getUser: {now}, postUser: {now}}, abi.Rejected, "not_as_asked", "", nil, 0},
		{"a password alone", ofUser + `,"credentials":{"password":{"value":"x"}}}`, answering{getUser: {now}, postUser: {now}}, abi.Succeeded, "", "", nil, 0},
		{"another name of the user", ofUser + `,"credentials":{"userName":"lovelace"}}`, answering{getUser: {now}, postUser: {now}}, abi.Rejected, "not_as_asked", "", []string{"credentials.userName"}, 0},
	} {
		c.run(t, "assign_application_user")
	}
	first := answer(200, group("1", `{"role":"user"}`))
	for _, c := range []invoking{
		{"a number in another form", ofGroup + `,"priority":1.0}`, answering{getGroup: {first}}, abi.Unchanged, "", "", nil, 0},
		{"another priority than was asked for", ofGroup + `,"priority":0}`, answering{getGroup: {first}, putGroup: {answer(200, group("2", `{"role":"user"}`))}}, abi.Rejected, "not_as_asked", "", []string{"priority is 2, and was to be 0"}, 0},
	} {
		c.run(t, "assign_application_group")
	}
}

// TestAssignments_OfAnInactiveApplication_SaySo: Okta answers as if it were not there.
func TestAssignments_OfAnInactiveApplication_SaySo(t *testing.T) {
	const get, put, del = "GET /api/v1/apps/{appId}/groups/{groupId}", "PUT /api/v1/apps/{appId}/groups/{groupId}", "DELETE /api/v1/apps/{appId}/groups/{groupId}"
	const in = `{"application":"0oa1","group":"` + builders + `"}`
	app, gone := answer(200, `{"id":"0oa1","label":"Wiki","status":"INACTIVE"}`), notFound("AppInstance")
	there := answer(200, `{"id":"`+builders+`","priority":0}`)
	invoking{"assign", in, answering{get: {notFound("ApplicationGroupAssignment")}, put: {gone}, getApp.Endpoint: {app}}, abi.Rejected, "status", "", []string{"INACTIVE"}, 0}.run(t, "assign_application_group")
	invoking{"unassign", in, answering{get: {there}, del: {gone}, getApp.Endpoint: {app}}, abi.Rejected, "status", "", []string{"INACTIVE"}, 0}.run(t, "unassign_application_group")
	invoking{"none", in, answering{get: {notFound("ApplicationGroupAssignment")}, put: {gone}, getApp.Endpoint: {gone}}, abi.NotFound, "not_found", "", nil, 0}.run(t, "assign_application_group")
}
