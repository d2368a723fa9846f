package okta

import (
	"strconv"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// TestRevokeUserGrants_EachResponse_HasItsOutcome: the output has the grants that were listed before.
func TestRevokeUserGrants_EachResponse_HasItsOutcome(t *testing.T) {
	const list, all, one = "GET /api/v1/users/{userId}/grants", "DELETE /api/v1/users/{userId}/grants", "DELETE /api/v1/users/{userId}/clients/{clientId}/grants"
	const in, ofClient, of = `{"user":"` + ada + `"}`, `{"user":"` + ada + `","client":"0oa1"}`, " [userId:" + ada + "]"
	const first = `{"id":"oag1","status":"ACTIVE","clientId":"0oa1","scopeId":"openid","created":"2026-01-01T00:00:00.000Z"}`
	const second = `{"id":"oag2","status":"ACTIVE","clientId":"0oa2","scopeId":"profile","created":"2026-01-01T00:00:00.000Z"}`
	const revoked = `{"id":"oag1","status":"REVOKED","clientId":"0oa1","scopeId":"openid","created":"2026-01-01T00:00:00.000Z"}`
	both, other, none, done := answer(200, "["+first+","+second+"]"), answer(200, "["+second+"]"), answer(200, "[]"), answer(204, "")
	page := list + of + " limit=200"
	const ofOne, pathOfOne = "GET /api/v1/users/{userId}/clients/{clientId}/grants", " [clientId:0oa1 userId:" + ada + "]"
	pageOfOne := ofOne + pathOfOne + " limit=200"
	many := make([]hosttest.Answer, connector.MaxPages) // each page has one grant to the other application
	for i := range many {
		many[i] = paged(`[{"id":"oag`+strconv.Itoa(100+i)+`","status":"ACTIVE","clientId":"0oa2","scopeId":"profile"}]`, "/api/v1/users/"+ada+"/grants?after="+strconv.Itoa(i))
	}
	for _, c := range []invoking{
		{"all", in, answering{list: {both, none}, all: {done}}, abi.Succeeded, "", page + "\n" + all + of + "\n" + page,
			[]string{`"revoked":[{"id":"oag1","client_id":"0oa1","scope_id":"openid"},{"id":"oag2","client_id":"0oa2","scope_id":"profile"}]`}, 0},
		{"those to one application", ofClient, answering{ofOne: {answer(200, "["+first+"]"), none}, one: {done}}, abi.Succeeded, "", pageOfOne + "\n" + one + pathOfOne + "\n" + pageOfOne,
			[]string{`"client":"0oa1","revoked":[{"id":"oag1","client_id":"0oa1","scope_id":"openid"}]`}, 0},
		{"on two pages", in, answering{list: {paged("["+first+"]", "/api/v1/users/"+ada+"/grants?after=1"), other, none}, all: {done}}, abi.Succeeded, "", "", []string{"oag1", "oag2"}, 0},
		{"none", in, answering{list: {none}}, abi.Unchanged, "", page, []string{`"revoked":[]`}, 0},
		{"none to the application", ofClient, answering{ofOne: {none}}, abi.Unchanged, "", pageOfOne, nil, 0},
		{"an unknown application", ofClient, answering{ofOne: {notFound("OAuth2Client")}}, abi.Unchanged, "", pageOfOne, []string{`"revoked":[]`}, 0},
		{"nobody, for one application", ofClient, answering{ofOne: {notFound("User")}}, abi.NotFound, "not_found", pageOfOne, nil, 0},
		{"too many", in, answering{list: many}, abi.Rejected, "too_many", "", []string{"give client"}, 0},
		{"too many, for one application", ofClient, answering{list: many, ofOne: {answer(200, "["+first+"]"), none}, one: {done}}, abi.Succeeded, "", pageOfOne + "\n" + one + pathOfOne + "\n" + pageOfOne, []string{"oag1"}, 0},
		{"revoked already", in, answering{list: {answer(200, "["+revoked+"]")}}, abi.Unchanged, "", page, nil, 0},
		{"listed as revoked afterwards", in, answering{list: {answer(200, "["+first+"]"), answer(200, "["+revoked+"]")}, all: {done}}, abi.Succeeded, "", "", nil, 0},
		{"nobody", in, answering{list: {notFound("User")}}, abi.NotFound, "not_found", page, nil, 0},
		{"refused", in, answering{list: {both}, all: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"another client was first", ofClient, answering{ofOne: {answer(200, "["+first+"]"), none}, one: {notFound("OAuth2Grant")}}, abi.Unchanged, "", "", nil, 0},
		{"accepted, does not show", in, answering{list: {both}, all: {done}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
		{"accepted, cannot be read back", in, answering{list: {both, forbidden}, all: {done}}, abi.Succeeded, "", "", []string{"could not be read", "oag1"}, 0},
		{"response lost, done", in, answering{list: {both, none}, all: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in, answering{list: {both}, all: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
	} {
		c.run(t, "revoke_user_grants")
	}
}
