package okta

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestResetFactor(t *testing.T) {
	const list, del, id = "GET /api/v1/users/{userId}/factors", "DELETE /api/v1/users/{userId}/factors/{factorId}", "smsabcdefghijk123456"
	const sms = `[{"id":"` + id + `","factorType":"sms","provider":"OKTA"}]`
	const of = " [userId:" + ada + "]"
	in := func(factor string) string { return `{"user":"` + ada + `","factor":"` + factor + `"}` }
	done := list + of + "\n" + del + " [factorId:" + id + " userId:" + ada + "]"
	has, none, ended := answer(200, sms), answer(200, "[]"), answer(204, "")
	for _, c := range []invoking{
		{"by type", in("sms"), answering{list: {has}, del: {ended}}, abi.Succeeded, "", done, []string{`"factor_type":"sms"`}, 0},
		{"by id", in(id), answering{list: {has}, del: {ended}}, abi.Succeeded, "", done, nil, 0},
		{"by the id of one that the list does not show", in(id), answering{list: {none}, del: {ended}}, abi.Succeeded, "", done, []string{`"factor":"` + id + `"`}, 0},
		{"by an id that is gone", in(id), answering{list: {none}, del: {notFound("UserFactor")}}, abi.Unchanged, "", done, nil, 0},
		{"by an id of nobody's", in(id), answering{list: {none}, del: {notFound("User")}}, abi.NotFound, "not_found", done, nil, 0},
		{"of a type that the list does not show", in("sms"), answering{list: {none}}, abi.Unchanged, "", list + of, []string{"lists those alone that policy allows"}, 0},
		{"lost, and done", in("sms"), answering{list: {has, none}, del: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"lost, and not done", in("sms"), answering{list: {has}, del: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"lost, of one that the list does not show", in(id), answering{list: {none}, del: {lost}}, abi.Unknown, "unknown", done, nil, 0},
		{"refused", in(id), answering{list: {none}, del: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "reset_factor")
	}
}
