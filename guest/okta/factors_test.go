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
	both := answer(200, `[{"id":"`+id+`","factorType":"push","provider":"OKTA"},{"id":"totpbcdefghijk123456","factorType":"token:software:totp","provider":"OKTA"}]`)
	recovery := `{"user":"` + ada + `","remove_recovery_enrollment":true,"factor":"`
	has, none, ended := answer(200, sms), answer(200, "[]"), answer(204, "")
	for _, c := range []invoking{
		{"by type", in("sms"), answering{list: {has, none}, del: {ended}}, abi.Succeeded, "", done + "\n" + list + of, []string{`"factor_type":"sms","enrolled":false}`}, 0},
		{"by id", in(id), answering{list: {has, none}, del: {ended}}, abi.Succeeded, "", done + "\n" + list + of, nil, 0},
		{"with what goes with it", in("push"), answering{list: {both, none}, del: {ended}}, abi.Succeeded, "", "", []string{`"enrolled":false,"reset_with_it":["token:software:totp"]}`}, 0},
		{"taken, and done late", in("sms"), answering{list: {has, has, none}, del: {ended}}, abi.Succeeded, "", "", nil, 0},
		{"taken, and not done", in("sms"), answering{list: {has}, del: {ended}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
		{"taken, and not to be read", in("sms"), answering{list: {has, forbidden}, del: {ended}}, abi.Succeeded, "", "", []string{"could not be read"}, 0},
		{"of a type that is not there, with recovery", recovery + `sms"}`, answering{list: {none}}, abi.Unchanged, "", list + of, []string{"remove_recovery_enrollment did nothing"}, 0},
		{"by an id that is gone, with recovery", recovery + id + `"}`, answering{list: {none}, del: {notFound("UserFactor")}}, abi.Unchanged, "", "", []string{"remove_recovery_enrollment did nothing"}, 0},
		{"with recovery", recovery + `sms"}`, answering{list: {has, none}, del: {ended}}, abi.Succeeded, "", list + of + "\n" + del + " [factorId:" + id + " userId:" + ada + "] removeRecoveryEnrollment=true\n" + list + of, nil, 0},
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
