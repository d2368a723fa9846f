package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

func TestResetFactor_EachResponse_HasItsOutcome(t *testing.T) {
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
		{"with the factors reset with it", in("push"), answering{list: {both, none}, del: {ended}}, abi.Succeeded, "", "", []string{`"enrolled":false,"reset_with_it":["token:software:totp"]}`}, 0},
		{"accepted, done late", in("sms"), answering{list: {has, has, none}, del: {ended}}, abi.Succeeded, "", "", nil, 0},
		{"accepted, not done", in("sms"), answering{list: {has}, del: {ended}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
		{"accepted, cannot be read back", in("sms"), answering{list: {has, forbidden}, del: {ended}}, abi.Succeeded, "", "", []string{"could not be read"}, 0},
		{"a missing type, with recovery", recovery + `sms"}`, answering{list: {none}}, abi.Unchanged, "", list + of, []string{"remove_recovery_enrollment had no effect"}, 0},
		{"an id that no longer exists, with recovery", recovery + id + `"}`, answering{list: {none}, del: {notFound("UserFactor")}}, abi.Unchanged, "", "", []string{"remove_recovery_enrollment had no effect"}, 0},
		{"with recovery", recovery + `sms"}`, answering{list: {has, none}, del: {ended}}, abi.Succeeded, "", list + of + "\n" + del + " [factorId:" + id + " userId:" + ada + "] removeRecoveryEnrollment=true\n" + list + of, nil, 0},
		{"the id of an unlisted factor", in(id), answering{list: {none}, del: {ended}}, abi.Succeeded, "", done, []string{`"factor":"` + id + `"`}, 0},
		{"an id that no longer exists", in(id), answering{list: {none}, del: {notFound("UserFactor")}}, abi.Unchanged, "", done, nil, 0},
		{"an id that no factor has", in(id), answering{list: {none}, del: {notFound("User")}}, abi.NotFound, "not_found", done, nil, 0},
		{"a type that the list does not show", in("sms"), answering{list: {none}}, abi.Unchanged, "", list + of, []string{"lists only those that policy allows"}, 0},
		{"response lost, done", in("sms"), answering{list: {has, none}, del: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in("sms"), answering{list: {has}, del: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, an unlisted factor", in(id), answering{list: {none}, del: {lost}}, abi.Unknown, "unknown", done, nil, 0},
		{"refused", in(id), answering{list: {none}, del: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "reset_factor")
	}
}

// TestResetAllFactors_EachResponse_HasItsOutcome: the output has what is gone, and what Okta still lists.
func TestResetAllFactors_EachResponse_HasItsOutcome(t *testing.T) {
	const user, list, reset = "GET /api/v1/users/{id}", "GET /api/v1/users/{userId}/factors", "POST /api/v1/users/{id}/lifecycle/reset_factors"
	const in = `{"user":"` + ada + `"}`
	is := func(status string) hosttest.Answer {
		return answer(200, `{"id":"`+ada+`","status":"`+status+`","profile":{"login":"ada@example.com"}}`)
	}
	const sms, email = `{"id":"sms1","factorType":"sms","provider":"OKTA"}`, `{"id":"emf1","factorType":"email","provider":"OKTA"}`
	both, one, none, done := answer(200, "["+sms+","+email+"]"), answer(200, "["+email+"]"), answer(200, "[]"), answer(200, "{}")
	all := []string{user + " [id:" + ada + "]", list + " [userId:" + ada + "]", reset + " [id:" + ada + "]", list + " [userId:" + ada + "]"}
	for _, c := range []invoking{
		{"all are gone", in, answering{user: {is("ACTIVE")}, list: {both, none}, reset: {done}}, abi.Succeeded, "", strings.Join(all, "\n"),
			[]string{`"reset":[{"id":"sms1","factor_type":"sms","provider":"OKTA"},{"id":"emf1","factor_type":"email","provider":"OKTA"}],"still_enrolled":[]`}, 0},
		{"one is enrolled again", in, answering{user: {is("ACTIVE")}, list: {both, one}, reset: {done}}, abi.Succeeded, "", "",
			[]string{`"still_enrolled":[{"id":"emf1","factor_type":"email","provider":"OKTA"}]`, "still lists"}, 0},
		{"none is listed", in, answering{user: {is("ACTIVE")}, list: {none}, reset: {done}}, abi.Succeeded, "", "", []string{`"reset":[],`, "lists no factor"}, 0},
		{"accepted, does not show", in, answering{user: {is("ACTIVE")}, list: {both}, reset: {done}}, abi.Unknown, "unknown", "", []string{"repeat it, which is safe"}, 0},
		{"accepted, cannot be read back", in, answering{user: {is("ACTIVE")}, list: {both, forbidden}, reset: {done}}, abi.Succeeded, "", "", []string{"could not be read"}, 0},
		{"response lost, done", in, answering{user: {is("ACTIVE")}, list: {both, none}, reset: {lost}}, abi.Succeeded, "", "", []string{`"sms1"`}, 0},
		{"response lost, one is gone", in, answering{user: {is("ACTIVE")}, list: {both, one}, reset: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, not done", in, answering{user: {is("ACTIVE")}, list: {both}, reset: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, none was listed", in, answering{user: {is("ACTIVE")}, list: {none}, reset: {lost}}, abi.Unknown, "unknown", "", []string{"repeat it, which is safe"}, 0},
		{"a user who is gone", in, answering{user: {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"a user who left", in, answering{user: {is("DEPROVISIONED")}}, abi.Rejected, "status", user + " [id:" + ada + "]", []string{"DEPROVISIONED"}, 0},
		{"refused", in, answering{user: {is("ACTIVE")}, list: {both}, reset: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "reset_all_factors")
	}
}
