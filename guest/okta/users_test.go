package okta

import (
	"cmp"
	"encoding/json"
	"fmt"
	"github.com/mach5/okta-connector/guest/connector"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

const (
	readOne = "GET /api/v1/users/{id}"
	readAda = readOne + " [id:" + ada + "]"
	readMe  = "GET /api/v1/users/me"
)

// person returns Ada with a status.
func person(status string) hosttest.Answer {
	return answer(200, `{"id":"`+ada+`","status":"`+status+`","profile":{"login":"ada@example.com","title":"Countess","nickName":null}}`)
}

// moving returns Ada while a change of status is under way.
func moving(status, to string) hosttest.Answer {
	return answer(200, `{"id":"`+ada+`","status":"`+status+`","transitioningToStatus":"`+to+`","profile":{"login":"ada@example.com"}}`)
}

func act(name string) string { return lifecycle(name).Endpoint }

func TestUserLifecycleAction_EachResponse_HasItsOutcome(t *testing.T) {
	in := func(action, more string) string {
		return `{"user":"ada@example.com","action":"` + action + `"` + more + `}`
	}
	const look, me = readOne + " [id:ada@example.com]\n", readMe + "\n"
	wrong := answer(403, `{"errorCode":"E0000038","errorSummary":"This operation is not allowed in the user's current status."}`)
	for _, c := range []invoking{
		{"suspend", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("SUSPENDED")}, act("suspend"): {answer(200, "{}")}}, abi.Succeeded, "",
			look + me + act("suspend") + " [id:" + ada + "]\n" + readAda, []string{`"before":"ACTIVE","after":"SUSPENDED"`}, 0},
		{"suspend a suspended user", in("suspend", ""), answering{readOne: {person("SUSPENDED")}}, abi.Unchanged, "", look, []string{`"before":"SUSPENDED","after":"SUSPENDED"`}, 0},
		{"suspend a user whose password expired", in("suspend", ""), answering{readOne: {person("PASSWORD_EXPIRED")}}, abi.Rejected, "status", look, []string{"PASSWORD_EXPIRED", "ACTIVE"}, 0},
		{"suspend nobody", in("suspend", ""), answering{readOne: {notFound("User")}}, abi.NotFound, "not_found", look, nil, 0},
		{"unsuspend ends in a status other than ACTIVE", in("unsuspend", ""), answering{readOne: {person("SUSPENDED"), person("PASSWORD_EXPIRED")}, act("unsuspend"): {answer(200, "{}")}},
			abi.Succeeded, "", "", []string{`"after":"PASSWORD_EXPIRED"`}, 0},
		{"unsuspend an active user", in("unsuspend", ""), answering{readOne: {person("ACTIVE")}}, abi.Unchanged, "", look, nil, 0},
		{"unsuspend a deprovisioned user", in("unsuspend", ""), answering{readOne: {person("DEPROVISIONED")}}, abi.Rejected, "status", look, []string{"Activate the user first"}, 0},
		{"unlock", in("unlock", ""), answering{readOne: {person("LOCKED_OUT"), person("ACTIVE")}, act("unlock"): {answer(200, "{}")}}, abi.Succeeded, "",
			look + act("unlock") + " [id:" + ada + "]\n" + readAda, nil, 0},
		{"unlock a user who is not locked out", in("unlock", ""), answering{readOne: {person("ACTIVE")}}, abi.Unchanged, "", look + readAda + " expand=blocks", nil, 0},
		{"unlock in an org without blocks", in("unlock", ""), answering{readOne: {person("ACTIVE"), noFeature}}, abi.Unchanged, "", "", nil, 0},
		{"unlock when blocks cannot be read now", in("unlock", ""), answering{readOne: {person("ACTIVE"), answer(500, `{"errorCode":"E0000009"}`)}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"unlock when the read of blocks is throttled", in("unlock", ""), answering{readOne: {person("ACTIVE"), throttled}}, abi.Throttled, "", "", nil, 0},
		{"unlock an active user who is blocked", in("unlock", ""), answering{readOne: {person("ACTIVE"),
			answer(200, `{"id":"`+ada+`","status":"ACTIVE","_embedded":{"blocks":[{"type":"DEVICE_BASED","appliesTo":"UNKNOWN_DEVICES"}]}}`), person("ACTIVE")}, act("unlock"): {answer(200, "{}")}},
			abi.Succeeded, "", look + readAda + " expand=blocks\n" + act("unlock") + " [id:" + ada + "]\n" + readAda, nil, 0},
		{"activate returns the link", in("activate", ""), answering{readOne: {person("STAGED"), person("PROVISIONED")}, act("activate"): {answer(200, `{"activationUrl":"https://x/welcome/t","activationToken":"t"}`)}},
			abi.Succeeded, "", look + act("activate") + " [id:" + ada + "] sendEmail=false\n" + readAda, []string{`"activation_url":"https://x/welcome/t","activation_token":"t"`}, 0},
		{"activate by e-mail", in("activate", `,"send_email":true`), answering{readOne: {person("STAGED"), moving("STAGED", "ACTIVE")}, act("activate"): {answer(200, `{}`)}},
			abi.Succeeded, "", look + act("activate") + " [id:" + ada + "] sendEmail=true\n" + readAda, []string{`"transitioning_to":"ACTIVE"`}, 0},
		{"activate twice", in("activate", ""), answering{readOne: {person("PROVISIONED")}}, abi.Unchanged, "", look, []string{"reactivate_user"}, 0},
		{"activate while it is under way", in("activate", ""), answering{readOne: {moving("STAGED", "ACTIVE")}}, abi.Unchanged, "", look, nil, 0},
		{"activate a user who is locked out", in("activate", ""), answering{readOne: {person("LOCKED_OUT")}}, abi.Rejected, "status", look, []string{"Unlock"}, 0},
		{"deactivate", in("deactivate", `,"send_email":true`), answering{readOne: {person("ACTIVE"), person("DEPROVISIONED")}, act("deactivate"): {answer(204, "")}},
			abi.Succeeded, "", look + me + act("deactivate") + " [id:" + ada + "] sendEmail=true\n" + readAda, nil, 0},
		{"deactivate a user who is being activated", in("deactivate", ""), answering{readOne: {moving("DEPROVISIONED", "ACTIVE")}}, abi.Rejected, "transition", look, []string{"changing from DEPROVISIONED to ACTIVE"}, 0},
		{"suspend a user who is being unsuspended", in("suspend", ""), answering{readOne: {moving("SUSPENDED", "ACTIVE")}}, abi.Rejected, "transition", look, nil, 0},
		{"activate a user who is being deactivated", in("activate", ""), answering{readOne: {moving("ACTIVE", "DEPROVISIONED")}}, abi.Rejected, "transition", look, nil, 0},
		{"unlock a user who is being deactivated", in("unlock", ""), answering{readOne: {moving("ACTIVE", "DEPROVISIONED")}}, abi.Rejected, "transition", look, nil, 0},
		{"reset the factors of a user who is being deactivated", in("reset_factors", ""), answering{readOne: {moving("ACTIVE", "DEPROVISIONED")}}, abi.Rejected, "transition", look, nil, 0},
		{"a change to the present status under way", in("suspend", ""), answering{readOne: {moving("ACTIVE", "ACTIVE"), person("SUSPENDED")}, act("suspend"): {answer(200, "{}")}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, being activated again", in("deactivate", ""), answering{readOne: {person("ACTIVE"), moving("DEPROVISIONED", "ACTIVE")}, act("deactivate"): {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"accepted, being activated again", in("deactivate", ""), answering{readOne: {person("ACTIVE"), moving("DEPROVISIONED", "ACTIVE")}, act("deactivate"): {answer(200, "{}")}}, abi.Unknown, "unknown", "", nil, 0},
		{"deactivate while it is under way", in("deactivate", ""), answering{readOne: {moving("ACTIVE", "DEPROVISIONED")}}, abi.Unchanged, "", look, nil, 0},
		{"deactivate after another client did", in("deactivate", ""), answering{readOne: {person("ACTIVE"), person("DEPROVISIONED")}, act("deactivate"): {notFound("User")}},
			abi.Unchanged, "", "", nil, 0},
		{"deactivate a user who is deleted meanwhile", in("deactivate", ""), answering{readOne: {person("ACTIVE"), notFound("User")}, act("deactivate"): {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"expire the password", in("expire_password", ""), answering{readOne: {person("ACTIVE"), person("PASSWORD_EXPIRED")}, act("expire_password"): {person("PASSWORD_EXPIRED")}},
			abi.Succeeded, "", "", nil, 0},
		{"expire an expired password", in("expire_password", ""), answering{readOne: {person("PASSWORD_EXPIRED")}}, abi.Unchanged, "", look, nil, 0},
		{"a temporary password", in("expire_password_with_temp_password", `,"revoke_sessions":true`), answering{readOne: {person("PASSWORD_EXPIRED")},
			act("expire_password_with_temp_password"): {answer(200, `{"tempPassword":"f5PyFw"}`)}}, abi.Succeeded, "",
			look + act("expire_password_with_temp_password") + " [id:" + ada + "] revokeSessions=true\n" + readAda, []string{`"temporary_password":"f5PyFw"`}, 0},
		{"reset the password", in("reset_password", ""), answering{readOne: {person("ACTIVE"), person("RECOVERY")}, act("reset_password"): {answer(200, `{"resetPasswordUrl":"https://x/r"}`)}},
			abi.Succeeded, "", look + act("reset_password") + " [id:" + ada + "] sendEmail=false revokeSessions=false\n" + readAda, []string{`"reset_password_url":"https://x/r"`}, 0},
		{"reset the password of a staged user", in("reset_password", ""), answering{readOne: {person("STAGED")}}, abi.Rejected, "status", look, nil, 0},
		{"reset the factors", in("reset_factors", ""), answering{readOne: {person("ACTIVE")}, act("reset_factors"): {answer(200, "{}")}}, abi.Succeeded, "",
			look + act("reset_factors") + " [id:" + ada + "]\n" + readAda, nil, 0},
		{"a status that changed meanwhile", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("LOCKED_OUT")}, act("suspend"): {wrong}}, abi.Rejected, "rejected", "", []string{"E0000038"}, 0},
		{"no permission", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"cannot be read afterwards", in("suspend", ""), answering{readOne: {person("ACTIVE"), forbidden}, act("suspend"): {answer(200, "{}")}}, abi.Succeeded, "", "", []string{"could not be read afterwards"}, 0},
		{"accepted, not done", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {answer(200, "{}")}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
		{"accepted, done late", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("ACTIVE"), person("SUSPENDED")}, act("suspend"): {answer(200, "{}")}}, abi.Succeeded, "", "", []string{`"after":"SUSPENDED"`}, 0},
		{"response lost, done", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("SUSPENDED")}, act("suspend"): {lost}}, abi.Succeeded, "", "", []string{`"after":"SUSPENDED"`}, 0},
		{"response lost, done late", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("ACTIVE"), person("SUSPENDED")}, act("suspend"): {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {lost}}, abi.Unavailable, "unavailable", "", []string{"still ACTIVE"}, 0},
		{"response lost, another change", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("LOCKED_OUT")}, act("suspend"): {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, cannot be read back", in("suspend", ""), answering{readOne: {person("ACTIVE"), forbidden}, act("suspend"): {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, status shows nothing", in("reset_factors", ""), answering{readOne: {person("ACTIVE")}, act("reset_factors"): {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, same status before", in("reset_password", ""), answering{readOne: {person("RECOVERY")}, act("reset_password"): {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost with the link", in("activate", ""), answering{readOne: {person("STAGED"), person("PROVISIONED")}, act("activate"): {lost}}, abi.Succeeded, "", "",
			[]string{"activation link was lost", "reactivate_user"}, 0},
		{"a gateway's timeout, done", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("SUSPENDED")}, act("suspend"): {answer(408, "<html>Request Timeout</html>")}}, abi.Succeeded, "", "", nil, 0},
		{"a gateway's timeout, not done", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {answer(408, "")}}, abi.Unavailable, "not_okta", "", []string{"still ACTIVE"}, 0},
		{"a gateway's timeout, effect not visible", in("reset_factors", ""), answering{readOne: {person("ACTIVE")}, act("reset_factors"): {answer(408, "")}}, abi.Unknown, "unknown", "", nil, 0},
		{"a proxy's refusal, done", in("suspend", ""), answering{readOne: {person("ACTIVE"), person("SUSPENDED")}, act("suspend"): {answer(403, "<html>Blocked</html>")}}, abi.Succeeded, "", "", nil, 0},
		{"a proxy's refusal, not done", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {answer(403, "<html>Blocked</html>")}}, abi.Unavailable, "not_okta", "", []string{"not Okta's own"}, 0},
		{"a proxy's 404", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {answer(404, `{"status":404}`)}}, abi.Unavailable, "not_okta", "", nil, 0},
		{"a bad token", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {badToken}}, abi.Rejected, "credentials", look + me + act("suspend") + " [id:" + ada + "]\n" + readAda, nil, 0},
		{"Okta's 429", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {answer(429, "")}}, abi.Throttled, "throttled", "", nil, 0},
		{"never sent", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {unsent}}, abi.Unavailable, "connect", "", nil, 0},
		{"throttled", in("suspend", ""), answering{readOne: {person("ACTIVE")}, act("suspend"): {throttled}}, abi.Throttled, "rate_limited", "", nil, 0},
		{"a short name", `{"user":"ada","action":"deactivate"}`, answering{readOne: {person("ACTIVE")}}, abi.Rejected, "short_name", readOne + " [id:ada]", []string{ada}, 0},
		{"suspend the token's owner", in("suspend", ""), answering{readOne: {person("ACTIVE")}, readMe: {person("ACTIVE")}}, abi.Rejected, "own_account", look + readMe, []string{"another administrator"}, 0},
		{"deactivate the token's owner", in("deactivate", ""), answering{readOne: {person("ACTIVE")}, readMe: {person("ACTIVE")}}, abi.Rejected, "own_account", look + readMe, nil, 0},
		{"deactivate with a token that may not read its owner", in("deactivate", ""), answering{readOne: {person("ACTIVE")}, readMe: {forbidden}}, abi.Rejected, "forbidden", "", []string{"could not be checked"}, 0},
		{"deactivate when the owner cannot be read now", in("deactivate", ""), answering{readOne: {person("ACTIVE")}, readMe: {answer(500, "")}}, abi.Unavailable, "unavailable", look + readMe, []string{"could not be checked"}, 0},
		{"deactivate with a service app's token", in("deactivate", ""), answering{readOne: {person("ACTIVE"), person("DEPROVISIONED")}, readMe: {notFound("User")}, act("deactivate"): {answer(200, "{}")}}, abi.Succeeded, "", "", nil, 0},
		{"deactivate a user who cannot have a token", in("deactivate", ""), answering{readOne: {person("STAGED"), person("DEPROVISIONED")}, act("deactivate"): {answer(200, "{}")}}, abi.Succeeded, "",
			look + act("deactivate") + " [id:" + ada + "] sendEmail=false\n" + readAda, nil, 0},
		{"expire the password of the token's owner", in("expire_password", ""), answering{readOne: {person("ACTIVE"), person("PASSWORD_EXPIRED")}, act("expire_password"): {person("PASSWORD_EXPIRED")}}, abi.Succeeded, "", "", nil, 0},
		{"me as the user", `{"user":"me","action":"deactivate"}`, answering{readOne: {person("ACTIVE")}}, abi.Rejected, "short_name", "", nil, 0},
	} {
		c.run(t, "user_lifecycle_action")
	}
}

// TestSuspend_ForeignRefusal_IsRetryableIfTemporary: a proxy's refusal may be temporary or lasting, depending on its
// status.
func TestSuspend_ForeignRefusal_IsRetryableIfTemporary(t *testing.T) {
	for status, retryable := range map[int]bool{400: false, 403: false, 404: false, 408: true, 413: false, 425: true, 499: true} {
		h := answering{readOne: {person("ACTIVE")}, act("suspend"): {answer(status, "<html></html>")}}.host(t)
		out := invokeNative(t, h, "user_lifecycle_action", `{"user":"`+ada+`","action":"suspend"}`)
		patient := h.WaitedMS >= connector.WorkingTime // Okta may still be processing the write
		if out.Outcome != abi.Unavailable || out.Error.Retryable != retryable || patient != (status == 408 || status == 499) {
			t.Errorf("%d: %s %+v after %d ms", status, out.Outcome, out.Error, h.WaitedMS)
		}
	}
}

func TestUserLifecycleAction_CredentialsInOutput_AreSensitive(t *testing.T) {
	for action, body := range map[string]string{
		"activate": `{"activationUrl":"u","activationToken":"t"}`, "reset_password": `{"resetPasswordUrl":"u"}`,
		"expire_password_with_temp_password": `{"tempPassword":"p"}`,
	} {
		for given, want := range map[string]bool{body: true, "{}": false} {
			before, after := "ACTIVE", map[string]string{"activate": "PROVISIONED", "reset_password": "RECOVERY"}[action]
			if action == "activate" {
				before = "STAGED"
			}
			h := answering{readOne: {person(before), person(cmp.Or(after, "PASSWORD_EXPIRED"))}, act(action): {answer(200, given)}}.host(t)
			if out := invokeNative(t, h, "user_lifecycle_action", `{"user":"`+ada+`","action":"`+action+`"}`); out.Outcome != abi.Succeeded || out.Sensitive != want {
				t.Errorf("%s: %s %+v, sensitive %v of %s", action, out.Outcome, out.Error, out.Sensitive, given)
			}
		}
	}
}

func TestReactivateUser_EachResponse_HasItsOutcome(t *testing.T) {
	const in = `{"user":"ada@example.com"}`
	link := answer(200, `{"activationUrl":"https://x/welcome/t","activationToken":"t"}`)
	for _, c := range []invoking{
		{"an unfinished activation", in, answering{readOne: {person("PROVISIONED")}, act("reactivate"): {link}}, abi.Succeeded, "",
			readOne + " [id:ada@example.com]\n" + act("reactivate") + " [id:" + ada + "] sendEmail=false\n" + readAda, []string{"activation_token"}, 0},
		{"a recovery", in, answering{readOne: {person("RECOVERY")}, act("reactivate"): {link}}, abi.Succeeded, "", "", nil, 0},
		{"a deprovisioned user", `{"user":"` + ada + `","send_email":true}`, answering{readOne: {person("DEPROVISIONED"), person("PROVISIONED")}, act("activate"): {answer(200, "{}")}}, abi.Succeeded, "",
			readAda + "\n" + act("activate") + " [id:" + ada + "] sendEmail=true\n" + readAda, []string{`"before":"DEPROVISIONED","after":"PROVISIONED"`}, 0},
		{"a staged user", in, answering{readOne: {person("STAGED"), person("ACTIVE")}, act("activate"): {link}}, abi.Succeeded, "", "", nil, 0},
		{"an active user", in, answering{readOne: {person("ACTIVE")}}, abi.Unchanged, "", readOne + " [id:ada@example.com]", nil, 0},
		{"an active user who is being deactivated", in, answering{readOne: {moving("ACTIVE", "DEPROVISIONED")}}, abi.Rejected, "transition", "", nil, 0},
		{"a user whose activation is under way", in, answering{readOne: {moving("STAGED", "ACTIVE")}}, abi.Unchanged, "", "", nil, 0},
		{"a user who just set a password", in, answering{readOne: {moving("PROVISIONED", "ACTIVE")}}, abi.Rejected, "transition", "", nil, 0},
		{"a user who is locked out", in, answering{readOne: {person("LOCKED_OUT")}}, abi.Rejected, "status", "", []string{"LOCKED_OUT", "Unlock"}, 0},
		{"a suspended user", in, answering{readOne: {person("SUSPENDED")}}, abi.Rejected, "status", "", []string{"SUSPENDED", "Unsuspend"}, 0},
		{"a user whose password expired", in, answering{readOne: {person("PASSWORD_EXPIRED")}}, abi.Rejected, "status", "", []string{"PASSWORD_EXPIRED"}, 0},
		{"nobody", in, answering{readOne: {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"no permission", in, answering{readOne: {person("PROVISIONED")}, act("reactivate"): {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"response lost, status shows nothing", in, answering{readOne: {person("PROVISIONED")}, act("reactivate"): {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, done", in, answering{readOne: {person("DEPROVISIONED"), person("PROVISIONED")}, act("activate"): {lost}}, abi.Succeeded, "", "", []string{"link was lost"}, 0},
		{"response lost, not done", in, answering{readOne: {person("DEPROVISIONED")}, act("activate"): {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
	} {
		c.run(t, "reactivate_user")
	}
}

func TestDeleteUser_EachResponse_HasItsOutcome(t *testing.T) {
	const del, in = "DELETE /api/v1/users/{id}", `{"user":"ada@example.com"}`
	off, gone, done := act("deactivate"), notFound("User"), answer(204, "")
	for _, c := range []invoking{
		{"an active user, in two steps", `{"user":"ada@example.com","send_email":true}`, answering{readOne: {person("ACTIVE"), person("DEPROVISIONED"), person("DEPROVISIONED"), gone}, off: {answer(200, "{}")}, del: {done}},
			abi.Succeeded, "", readOne + " [id:ada@example.com]\n" + readMe + "\n" + off + " [id:" + ada + "] sendEmail=true\n" + readAda + "\n" + readAda + "\n" +
				del + " [id:" + ada + "] sendEmail=false\n" + readAda, []string{`"before":"ACTIVE","after":"DELETED"`}, 0},
		{"a deprovisioned user, in one", `{"user":"` + ada + `","send_email":true}`, answering{readOne: {person("DEPROVISIONED"), gone}, del: {done}}, abi.Succeeded, "",
			readAda + "\n" + del + " [id:" + ada + "] sendEmail=true\n" + readAda, []string{`"before":"DEPROVISIONED","after":"DELETED"`}, 0},
		{"a deleted user", `{"user":"` + ada + `"}`, answering{readOne: {gone}}, abi.Unchanged, "", readAda, []string{`"before":null,"after":"DELETED"`}, 0},
		{"an unknown login", in, answering{readOne: {gone}}, abi.NotFound, "not_found", readOne + " [id:ada@example.com]", []string{"misspelt"}, 0},
		{"a 404 that is not Okta's", in, answering{readOne: {answer(404, `{"status":404,"message":"Resource not found"}`)}}, abi.Unavailable, "not_okta", "", nil, 0},
		{"a slow deactivation", in, answering{readOne: {person("ACTIVE"), moving("ACTIVE", "DEPROVISIONED")}, off: {answer(200, "{}")}}, abi.Unavailable, "deactivating", "", []string{"nothing was deleted"}, 0},
		{"the token's owner", in, answering{readOne: {person("ACTIVE")}, readMe: {person("ACTIVE")}}, abi.Rejected, "own_account", "", []string{"not deleted"}, 0},
		{"a user who is being activated", in, answering{readOne: {moving("DEPROVISIONED", "ACTIVE")}}, abi.Rejected, "transition", readOne + " [id:ada@example.com]", []string{"not deleted"}, 0},
		{"a user who is activated after the deactivation", in, answering{readOne: {person("ACTIVE"), person("DEPROVISIONED"), moving("DEPROVISIONED", "ACTIVE")}, off: {answer(200, "{}")}}, abi.Unavailable, "deactivating", "", nil, 0},
		{"the deactivation is refused", in, answering{readOne: {person("ACTIVE")}, off: {forbidden}}, abi.Rejected, "forbidden", "", []string{"not deleted"}, 0},
		{"the deletion is refused", in, answering{readOne: {person("ACTIVE"), person("DEPROVISIONED")}, off: {answer(200, "{}")}, del: {forbidden}}, abi.Rejected, "forbidden", "",
			[]string{"was deactivated, but not deleted", `"after":"DEPROVISIONED"`}, 0},
		{"another client was first", in, answering{readOne: {person("DEPROVISIONED"), gone}, del: {gone}}, abi.Unchanged, "", "", nil, 0},
		{"another client was first at the second step", in, answering{readOne: {person("ACTIVE"), person("DEPROVISIONED"), person("DEPROVISIONED"), gone}, off: {answer(200, "{}")}, del: {gone}}, abi.Succeeded, "", "", nil, 0},
		{"accepted, still there", in, answering{readOne: {person("DEPROVISIONED")}, del: {done}}, abi.Unknown, "unknown", "", []string{"can still be read"}, 0},
		{"response lost, done", in, answering{readOne: {person("DEPROVISIONED"), gone}, del: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in, answering{readOne: {person("DEPROVISIONED")}, del: {lost}}, abi.Unavailable, "unavailable", "", []string{"not deleted"}, 0},
		{"response lost, cannot be read back", in, answering{readOne: {person("DEPROVISIONED"), forbidden}, del: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"the deactivation's response is lost, not done", in, answering{readOne: {person("ACTIVE")}, off: {lost}}, abi.Unavailable, "unavailable", "", []string{"not deleted"}, 0},
		{"by a short name", `{"user":"ada"}`, answering{readOne: {person("DEPROVISIONED")}}, abi.Rejected, "short_name", "", nil, 0},
	} {
		c.run(t, "delete_user")
	}
}

func TestUpdateUser_EachResponse_HasItsOutcome(t *testing.T) {
	const post, put = "POST /api/v1/users/{id}", "PUT /api/v1/users/{id}"
	titled := func(title string) hosttest.Answer {
		return answer(200, `{"id":"`+ada+`","status":"ACTIVE","profile":{"login":"ada@example.com","title":"`+title+`","nickName":null}}`)
	}
	in := `{"user":"ada@example.com","profile":{"title":"Duchess"}}`
	for _, c := range []invoking{
		{"one attribute", in, answering{readOne: {titled("Countess")}, post: {titled("Duchess")}}, abi.Succeeded, "",
			readOne + " [id:ada@example.com]\n" + post + " [id:" + ada + `] {"profile":{"title":"Duchess"}}`, []string{`"before":{`, "Countess", `"after":{`, "Duchess"}, 0},
		{"nothing differs", in, answering{readOne: {titled("Duchess")}}, abi.Unchanged, "", readOne + " [id:ada@example.com]", nil, 0},
		{"null for an absent attribute", `{"user":"` + ada + `","profile":{"nickName":null,"city":null}}`, answering{readOne: {titled("Duchess")}}, abi.Unchanged, "", "", nil, 0},
		{"null clears an attribute", `{"user":"` + ada + `","profile":{"title":null}}`, answering{readOne: {titled("Duchess")}, post: {answer(200, `{"id":"`+ada+`","profile":{"title":null}}`)}}, abi.Succeeded, "", "", nil, 0},
		{"the whole", `{"user":"` + ada + `","replace":true,"profile":{"login":"ada@example.com","city":"London"}}`,
			answering{readOne: {titled("Countess")}, put: {answer(200, `{"id":"`+ada+`","profile":{"login":"ada@example.com","city":"London","title":null}}`)}}, abi.Succeeded, "",
			readAda + "\n" + readAda + "\n" + put + " [id:" + ada + `] {"profile":{"login":"ada@example.com","city":"London"}}`, nil, 0},
		{"the whole, changed meanwhile without an ETag", `{"user":"` + ada + `","replace":true,"profile":{"login":"ada@example.com","city":"London"}}`,
			answering{readOne: {titled("Countess"), titled("Baroness")}}, abi.Rejected, "changed_meanwhile", readAda + "\n" + readAda, []string{"repeat"}, 0},
		{"the whole, which can no longer be read", `{"user":"` + ada + `","replace":true,"profile":{"login":"ada@example.com","city":"London"}}`,
			answering{readOne: {titled("Countess"), forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"the whole as it is", `{"user":"` + ada + `","replace":true,"profile":{"title":"Countess","login":"ada@example.com"}}`, answering{readOne: {titled("Countess")}}, abi.Unchanged, "", readAda, nil, 0},
		{"credentials, which cannot be compared", `{"user":"` + ada + `","credentials":{"password":{"value":"x"}}}`, answering{readOne: {titled("Countess")}, post: {titled("Countess")}}, abi.Succeeded, "",
			readAda + "\n" + post + " [id:" + ada + `] {"credentials":{"password":{"value":"x"}}}`, nil, 0},
		{"changed meanwhile", in, answering{readOne: {titled("Countess")}, post: {answer(412, `{"errorCode":"E0000231","errorSummary":"ETag value doesn't match"}`)}}, abi.Rejected, "changed_meanwhile", "", []string{"repeat"}, 0},
		{"an attribute that the org does not have", in, answering{readOne: {titled("Countess")}, post: {answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: profile","errorCauses":[{"errorSummary":"not defined in profile"}]}`)}},
			abi.Rejected, "rejected", "", []string{"not defined in profile"}, 0},
		{"a deprovisioned user", in, answering{readOne: {person("DEPROVISIONED")}, post: {notFound("User")}}, abi.Rejected, "status", "", []string{"DEPROVISIONED"}, 0},
		{"nobody", in, answering{readOne: {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"no permission", in, answering{readOne: {titled("Countess")}, post: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"accepted in part", in, answering{readOne: {titled("Countess")}, post: {titled("Duch")}}, abi.Rejected, "not_as_asked", "", []string{`profile.title is "Duch", not "Duchess"`, `"after":{`}, 0},
		{"accepted, not done", in, answering{readOne: {titled("Countess")}, post: {titled("Countess")}}, abi.Rejected, "not_as_asked", "", []string{`profile.title is "Countess"`}, 0},
		{"a response without a body", in, answering{readOne: {titled("Countess"), titled("Duchess")}, post: {answer(200, "")}}, abi.Succeeded, "", "", []string{"Duchess"}, 0},
		{"response lost, done", in, answering{readOne: {titled("Countess"), titled("Duchess")}, post: {lost}}, abi.Succeeded, "", "", []string{"Duchess"}, 0},
		{"response lost, not done", in, answering{readOne: {titled("Countess")}, post: {lost}}, abi.Unavailable, "unavailable", "", []string{"not updated"}, 0},
		{"response lost, another change", in, answering{readOne: {titled("Countess"), titled("Baroness")}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, with credentials", `{"user":"` + ada + `","credentials":{"password":{"value":"x"}}}`, answering{readOne: {titled("Countess")}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, with credentials and a visible profile", `{"user":"` + ada + `","profile":{"title":"Duchess"},"credentials":{"password":{"value":"x"}}}`, answering{readOne: {titled("Countess"), titled("Duchess")}, post: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"a short name", `{"user":"ada","profile":{"title":"x"}}`, answering{readOne: {titled("Countess")}}, abi.Rejected, "short_name", "", nil, 0},
	} {
		c.run(t, "update_user")
	}
	t.Run("the write has the ETag of the read", func(t *testing.T) {
		before := titled("Countess")
		before.Headers = map[string][]string{"etag": {`W/"7"`}}
		h := answering{readOne: {before}, post: {titled("Duchess")}}.host(t)
		invokeNative(t, h, "update_user", in)
		if got := h.Requests[1].Headers["If-Match"]; got != `W/"7"` {
			t.Errorf("If-Match %q", got)
		}
	})
}

func TestDeactivateUser_EachResponse_HasItsOutcome(t *testing.T) {
	for _, c := range []invoking{
		{"a user of any status", `{"user":"` + ada + `"}`, answering{readOne: {person("STAGED"), person("DEPROVISIONED")}, act("deactivate"): {answer(200, "{}")}}, abi.Succeeded, "",
			readAda + "\n" + act("deactivate") + " [id:" + ada + "] sendEmail=false\n" + readAda, []string{`"before":"STAGED","after":"DEPROVISIONED"`}, 0},
		{"a deprovisioned user", `{"user":"` + ada + `"}`, answering{readOne: {person("DEPROVISIONED")}}, abi.Unchanged, "", readAda, nil, 0},
		{"nobody", `{"user":"x@example.com"}`, answering{readOne: {notFound("User")}}, abi.NotFound, "not_found", "", nil, 0},
		{"by a short name", `{"user":"ada"}`, answering{readOne: {person("ACTIVE")}}, abi.Rejected, "short_name", "", nil, 0},
	} {
		c.run(t, "deactivate_user")
	}
}

func TestCreateUser_EachResponse_HasItsOutcome(t *testing.T) {
	const post, in = "POST /api/v1/users", `{"profile":{"login":"ada@example.com","email":"ada@example.com"},"group_ids":["00g1"],"activate":false}`
	since := func(created string) hosttest.Answer {
		return answer(200, `{"id":"`+ada+`","status":"STAGED","created":"`+created+`","profile":{"login":"ada@example.com","email":"ada@example.com"}}`)
	}
	made, clockless := since(today), hosttest.Answer{Status: 404, Body: notFound("User").Body, Headers: map[string][]string{"x-okta-request-id": {"r1"}}}
	const nulls = `{"profile":{"login":"ada@example.com","email":"ada@example.com","lastName":null}}`
	sent := readOne + " [id:ada@example.com]\n" + post + ` activate=false {"profile":{"login":"ada@example.com","email":"ada@example.com"},"groupIds":["00g1"]}`
	for _, c := range []invoking{
		{"a new user", in, answering{readOne: {notFound("User")}, post: {made}}, abi.Succeeded, "", strings.Replace(sent, "\n", "\n"+ofGroup+" [groupId:00g1]\n", 1), []string{ada}, 1},
		{"a login in use", in, answering{readOne: {made}}, abi.Rejected, "login_taken", readOne + " [id:ada@example.com]", []string{`"existing_id":"` + ada + `"`}, 0},
		{"a login that another client takes concurrently", in, answering{readOne: {notFound("User"), made}, post: {answer(400, `{"errorCode":"E0000001","errorCauses":[{"errorSummary":"login: An object with this field already exists in the current organization"}]}`)}},
			abi.Rejected, "login_taken", "", nil, 0},
		{"a group with roles", in, answering{readOne: {notFound("User")}, ofGroup: {someRole}}, abi.Rejected, "admin_group", readOne + " [id:ada@example.com]\n" + ofGroup + " [groupId:00g1]", []string{"group 00g1", "SUPER_ADMIN"}, 0},
		{"a group with roles, confirmed", strings.Replace(in, "{", `{"admin_group":true,`, 1), answering{readOne: {notFound("User")}, post: {made}}, abi.Succeeded, "", "", nil, 1},
		{"an unknown group, found before the write", in, answering{readOne: {notFound("User")}, ofGroup: {notFound("UserGroup")}}, abi.Rejected, "group_not_found", readOne + " [id:ada@example.com]\n" + ofGroup + " [groupId:00g1]", []string{"no user was created"}, 0},
		{"an unknown group, found by Okta", in, answering{readOne: {notFound("User")}, post: {notFound("UserGroup")}}, abi.Rejected, "group_not_found", "", []string{"no user was created"}, 0},
		{"an unknown user type", in, answering{readOne: {notFound("User")}, post: {notFound("UserType")}}, abi.Rejected, "rejected", "", []string{"UserType"}, 0},
		{"no permission", in, answering{readOne: {notFound("User")}, post: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"response lost, done", in, answering{readOne: {notFound("User"), made}, post: {lost}}, abi.Succeeded, "", "", []string{ada, "does not show whether it applied group_ids"}, 0},
		{"response lost, done, with nulls", nulls, answering{readOne: {notFound("User"), made}, post: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, older user that the first read missed", in, answering{readOne: {notFound("User"), since("2020-01-01T00:00:00.000Z")}, post: {lost}}, abi.Rejected, "login_taken", "", []string{`"existing_id":"` + ada + `"`}, 0},
		{"response lost, user created seconds before", in, answering{readOne: {notFound("User"), since("2026-11-25T11:59:50.000Z")}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, Okta's time unknown", in, answering{readOne: {clockless, made}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, not done", in, answering{readOne: {notFound("User")}, post: {lost}}, abi.Unavailable, "unavailable", "", []string{"not created"}, 0},
		{"response lost, cannot be read back", in, answering{readOne: {notFound("User"), forbidden}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
	} {
		c.org = c.org.withRoles()
		c.run(t, "create_user")
	}
}

// TestCreateUser_WithProvider_SendsProviderTrue: without provider=true and a name, Okta creates a user with a password
// in Okta.
func TestCreateUser_WithProvider_SendsProviderTrue(t *testing.T) {
	const post, profile = "POST /api/v1/users", `"profile":{"login":"ada@example.com","email":"ada@example.com"}`
	made := func(provider string) hosttest.Answer {
		return answer(200, `{"id":"`+ada+`","status":"STAGED","created":"`+today+`",`+profile+`,"credentials":{"provider":`+provider+`}}`)
	}
	const federated, okta = `{"type":"FEDERATION","name":"FEDERATION"}`, `{"type":"OKTA","name":"OKTA"}`
	in := func(credentials, more string) string {
		return `{` + profile + `,"credentials":` + credentials + more + `}`
	}
	sent := readOne + " [id:ada@example.com]\n" + post + " provider=true {" + profile + `,"credentials":{"provider":` + federated + `}}`
	for _, c := range []invoking{
		{"federated", in(`{"provider":`+federated+`}`, ""), answering{post: {made(federated)}}, abi.Succeeded, "", sent, nil, 1},
		{"without a name", in(`{"provider":{"type":"FEDERATION"}}`, `,"provider":true`), answering{post: {made(federated)}}, abi.Succeeded, "", sent, nil, 1},
		{"Okta created a user of its own", in(`{"provider":`+federated+`}`, ""), answering{post: {made(okta)}}, abi.Rejected, "not_as_asked", sent, []string{`credentials.provider.type is "OKTA", not "FEDERATION"`, ada, "was created nevertheless"}, 0},
		{"response lost, federated", in(`{"provider":`+federated+`}`, ""), answering{readOne: {notFound("User"), made(federated)}, post: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not federated", in(`{"provider":`+federated+`}`, ""), answering{readOne: {notFound("User"), made(okta)}, post: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"a provider without a type", in(`{"provider":{"name":"X"}}`, ""), nil, abi.Invalid, "input", "none", []string{"credentials.provider.type"}, 0},
		{"a directory without a name", in(`{"provider":{"type":"ACTIVE_DIRECTORY"}}`, ""), nil, abi.Invalid, "input", "none", []string{"credentials.provider.name"}, 0},
		{"a password for a federated user", in(`{"provider":`+federated+`,"password":{"value":"x"}}`, ""), nil, abi.Invalid, "input", "none", []string{"remove them"}, 0},
		{"a missing provider", in(`{"password":{"value":"x"}}`, `,"provider":true`), nil, abi.Invalid, "input", "none", []string{"provider needs credentials.provider"}, 0},
		{"a contradiction", in(`{"provider":`+federated+`}`, `,"provider":false`), nil, abi.Invalid, "input", "none", nil, 0},
	} {
		if c.org != nil && c.org[readOne] == nil {
			c.org[readOne] = []hosttest.Answer{notFound("User")}
		}
		c.run(t, "create_user")
	}
}

// TestCreateUser_ResponseDiffers_IsRejected ignores spelling that Okta normalises.
func TestCreateUser_ResponseDiffers_IsRejected(t *testing.T) {
	const post = "POST /api/v1/users"
	made := func(members string) answering {
		return answering{readOne: {notFound("User")}, post: {answer(200, `{"id":"`+ada+`","created":"`+today+`",`+members+`}`)}}
	}
	for _, c := range []invoking{
		{"normalised", `{"profile":{"login":"Ada@Example.com","email":"Ada@Example.com","firstName":" Ada ","nickName":"","tags":["b","a"]}}`,
			made(`"status":"PROVISIONED","profile":{"login":"ada@example.com","email":"ada@example.com","firstName":"Ada","nickName":null,"tags":["a","b"]}`), abi.Succeeded, "", "", nil, 1},
		{"another name", `{"profile":{"login":"ada@example.com","email":"ada@example.com","firstName":"Ada"}}`,
			made(`"status":"PROVISIONED","profile":{"login":"ada@example.com","email":"ada@example.com","firstName":"A."}`), abi.Rejected, "not_as_asked", "", []string{"profile.firstName"}, 0},
		{"active at once", `{"profile":{"login":"ada@example.com","email":"ada@example.com"},"activate":false}`,
			made(`"status":"ACTIVE","profile":{"login":"ada@example.com","email":"ada@example.com"}`), abi.Rejected, "not_as_asked", "", []string{"status is"}, 0},
		{"of another type", `{"profile":{"login":"ada@example.com","email":"ada@example.com"},"type":"oty2"}`,
			made(`"status":"ACTIVE","type":{"id":"oty1"},"profile":{"login":"ada@example.com","email":"ada@example.com"}`), abi.Rejected, "not_as_asked", "", []string{"type.id"}, 0},
		{"in a realm", `{"profile":{"login":"ada@example.com","email":"ada@example.com"},"realm":"guo1"}`,
			made(`"status":"ACTIVE","realmId":"guo1","profile":{"login":"ada@example.com","email":"ada@example.com"}`), abi.Succeeded, "",
			readOne + " [id:ada@example.com]\n" + post + ` {"profile":{"login":"ada@example.com","email":"ada@example.com"},"realmId":"guo1"}`, nil, 1},
	} {
		c.run(t, "create_user")
	}
}

// TestUpdateUser_Provider_IsRefusedBeforeAnyRequest: Okta accepts the request, but ignores the provider.
func TestUpdateUser_Provider_IsRefusedBeforeAnyRequest(t *testing.T) {
	for _, more := range []string{"", `,"replace":true`} {
		invoking{"with" + more, `{"user":"` + ada + `","profile":{"title":"x"},"credentials":{"provider":{"type":"FEDERATION","name":"FEDERATION"}}` + more + `}`, nil,
			abi.Invalid, "input", "none", []string{"credentials.provider", "lifecycle/reset_password"}, 0}.run(t, "update_user")
	}
}

// TestUpdateUser_Type_IsChangedWithTheWholeProfile, as recorded. A realm can also be changed with a part.
func TestUpdateUser_Type_IsChangedWithTheWholeProfile(t *testing.T) {
	const post, put = "POST /api/v1/users/{id}", "PUT /api/v1/users/{id}"
	of := func(typ, title, realm string) hosttest.Answer {
		return answer(200, `{"id":"`+ada+`","status":"ACTIVE","type":{"id":"`+typ+`"},"realmId":"`+realm+`","profile":{"login":"ada@example.com","title":"`+title+`","nickName":null}}`)
	}
	for _, c := range []invoking{
		{"only the type", `{"user":"` + ada + `","type":"oty2"}`, answering{readOne: {of("oty1", "Countess", "r1")}, put: {of("oty2", "Countess", "r1")}}, abi.Succeeded, "",
			readAda + "\n" + readAda + "\n" + put + " [id:" + ada + `] {"profile":{"login":"ada@example.com","title":"Countess"},"type":{"id":"oty2"}}`, nil, 0},
		{"with an attribute", `{"user":"` + ada + `","type":"oty2","profile":{"title":"Duchess"}}`, answering{readOne: {of("oty1", "Countess", "r1")}, put: {of("oty2", "Duchess", "r1")}}, abi.Succeeded, "",
			readAda + "\n" + readAda + "\n" + put + " [id:" + ada + `] {"profile":{"login":"ada@example.com","title":"Duchess"},"type":{"id":"oty2"}}`, nil, 0},
		{"with the whole profile", `{"user":"` + ada + `","type":"oty2","replace":true,"profile":{"login":"ada@example.com"}}`, answering{readOne: {of("oty1", "Countess", "r1")}, put: {of("oty2", "", "r1")}}, abi.Succeeded, "",
			readAda + "\n" + readAda + "\n" + put + " [id:" + ada + `] {"profile":{"login":"ada@example.com"},"type":{"id":"oty2"}}`, nil, 0},
		{"the same type", `{"user":"` + ada + `","type":"oty1"}`, answering{readOne: {of("oty1", "Countess", "r1")}}, abi.Unchanged, "", readAda, nil, 0},
		{"Okta kept the type", `{"user":"` + ada + `","type":"oty2"}`, answering{readOne: {of("oty1", "Countess", "r1")}, put: {of("oty1", "Countess", "r1")}}, abi.Rejected, "not_as_asked", "", []string{"type.id"}, 0},
		{"response lost, done", `{"user":"` + ada + `","type":"oty2"}`, answering{readOne: {of("oty1", "Countess", "r1"), of("oty1", "Countess", "r1"), of("oty2", "Countess", "r1")}, put: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", `{"user":"` + ada + `","type":"oty2"}`, answering{readOne: {of("oty1", "Countess", "r1")}, put: {lost}}, abi.Unavailable, "", "", nil, 0},
		{"the realm", `{"user":"` + ada + `","realm":"r2"}`, answering{readOne: {of("oty1", "Countess", "r1")}, post: {of("oty1", "Countess", "r2")}}, abi.Succeeded, "",
			readAda + "\n" + post + " [id:" + ada + `] {"realmId":"r2"}`, nil, 0},
		{"the same realm", `{"user":"` + ada + `","realm":"r1"}`, answering{readOne: {of("oty1", "Countess", "r1")}}, abi.Unchanged, "", readAda, nil, 0},
	} {
		c.run(t, "update_user")
	}
}

// TestUpdateUser_EqualInMeaning_IsUnchanged: values that Okta would normalise to the stored ones are equal.
func TestUpdateUser_EqualInMeaning_IsUnchanged(t *testing.T) {
	now := answer(200, `{"id":"`+ada+`","status":"ACTIVE","profile":{"login":"ada@example.com","email":"ada@example.com","title":"Countess","nickName":null,"tags":["a","b"],"grade":2,"hired":"2020-01-02T00:00:00.000Z"}}`)
	for _, profile := range []string{`{"nickName":""}`, `{"city":""}`, `{"city":[]}`, `{"tags":["a","b"]}`, `{"grade":2.0}`, `{"title":"Countess "}`,
		`{"hired":"2020-01-02T00:00:00Z"}`} {
		invoking{profile, `{"user":"` + ada + `","profile":` + profile + `}`, answering{readOne: {now}}, abi.Unchanged, "", readAda, nil, 0}.run(t, "update_user")
	}
	// A possible change is sent, and Okta's response is compared by meaning.
	for _, profile := range []string{`{"login":"ADA@example.com"}`, `{"email":"Ada@Example.com"}`, `{"tags":["b","a","b"]}`} {
		invoking{profile, `{"user":"` + ada + `","profile":` + profile + `}`, answering{readOne: {now}, "POST /api/v1/users/{id}": {now}}, abi.Succeeded, "", "", nil, 0}.run(t, "update_user")
	}
	for _, profile := range []string{`{"title":"countess"}`, `{"tags":["a"]}`, `{"grade":"2"}`, `{"login":"ada@example.org"}`} {
		invoking{profile, `{"user":"` + ada + `","profile":` + profile + `}`, answering{readOne: {now}, "POST /api/v1/users/{id}": {now}}, abi.Rejected, "not_as_asked", "", nil, 0}.run(t, "update_user")
	}
}

func TestSearchUsers_EachResponse_HasItsOutcome(t *testing.T) {
	const list = "GET /api/v1/users"
	for _, c := range []invoking{
		{"by an expression", `{"search":"status eq \"ACTIVE\"","sort_by":"profile.lastName","sort_order":"desc"}`, answering{list: {paged(`[{"id":"1"}]`, "/api/v1/users?after=1"), answer(200, `[{"id":"2"}]`)}}, abi.Succeeded, "",
			list + ` search=status eq "ACTIVE" sortBy=profile.lastName sortOrder=desc limit=200` + "\n" + list + " -> /api/v1/users?after=1", nil, 2},
		{"an invalid expression", `{"search":"x"}`, answering{list: {answer(400, `{"errorCode":"E0000031","errorSummary":"Invalid search criteria."}`)}}, abi.Rejected, "rejected", "", []string{"Invalid search criteria"}, 0},
		{"no permission", `{"search":"x"}`, answering{list: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"a page that takes too long", `{"search":"x"}`, answering{list: {answer(500, `{"errorCode":"E0000009"}`), answer(200, `[{"id":"1"}]`)}}, abi.Succeeded, "",
			list + " search=x limit=200\n" + list + " search=x limit=100", nil, 1},
	} {
		c.run(t, "search_users")
	}
}

// listsOnceForEveryLimit reads a list of n records, with ids 0, 1, …, with each limit from each cursor. Each record must come once.
func listsOnceForEveryLimit(t *testing.T, op, input string, n int, org func(abi.Request) hosttest.Answer) {
	t.Helper()
	for limit := 1; limit <= n+1; limit++ {
		h := &hosttest.Host{Answer: org}
		for cursor, calls := "", 0; ; calls++ {
			in := strings.Replace(input, "{", fmt.Sprintf(`{"limit":%d,`, limit), 1)
			if cursor != "" {
				in = strings.Replace(in, "{", `{"cursor":"`+cursor+`",`, 1)
			}
			out := invokeNative(t, h, op, strings.Replace(in, ",}", "}", 1))
			if out.Outcome != abi.Succeeded || calls > n {
				t.Fatalf("limit %d, call %d: %s %+v", limit, calls, out.Outcome, out.Error)
			}
			if cursor = out.NextCursor; cursor == "" {
				break
			}
		}
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf(`{"id":"%d"}`, i))
		}
		if got := strings.Join(h.Records, ""); got != strings.Join(want, "") {
			t.Errorf("limit %d: %s", limit, got)
		}
	}
}

func TestSearchUsers_EveryLimit_ListsEachUserOnce(t *testing.T) {
	listsOnceForEveryLimit(t, "search_users", `{"search":"x","page_size":3}`, 8, users(8))
}

// slashed is a user whose login cannot be in a path.
const slashed = `{"id":"` + ada + `","status":"ACTIVE","profile":{"login":"a/b@example.com","email":"x@example.com"}}`

// TestUser_LoginWithASlash_IsFoundBySearch also checks that every operation then uses the user's id.
func TestUser_LoginWithASlash_IsFoundBySearch(t *testing.T) {
	const search = "GET /api/v1/users"
	for _, op := range operations() {
		takes := false
		for _, in := range op.Inputs {
			takes = takes || in.Name == "user"
		}
		if !takes {
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
				for _, v := range req.Path {
					if strings.ContainsAny(v, `/\`) {
						t.Errorf("%s has the login in its path", line(req))
					}
				}
				switch req.Endpoint {
				case search:
					return answer(200, "["+slashed+"]")
				case readOne:
					return answer(200, slashed)
				}
				return forbidden
			}}
			var example map[string]any
			if err := json.Unmarshal([]byte(op.Example), &example); err != nil {
				t.Fatal(err)
			}
			delete(example, "session")
			delete(example, "group")
			if op.Name == "add_group_member" || op.Name == "remove_group_member" {
				example["group"] = builders
			}
			example["user"] = "a/b@example.com"
			if op.Name == "get_role" || op.Name == "revoke_role" || op.Name == "assign_role" || op.Name == "list_roles" {
				delete(example, "client")
			}
			input, _ := json.Marshal(example)
			out := invokeNative(t, host, op.Name, string(input))
			if out.Outcome == abi.NotFound || out.Outcome == abi.Invalid {
				t.Fatalf("%s %+v", out.Outcome, out.Error)
			}
			found := strings.Contains(requested(host), search+` search=profile.login eq "a/b@example.com" limit=2`)
			if member := strings.HasSuffix(op.Name, "group_member"); !found && !member { // the group's read fails first
				t.Errorf("%s", requested(host))
			}
		})
	}
	for _, c := range []invoking{
		{"an unknown login", `{"user":"a/b@example.com"}`, answering{search: {answer(200, "[]")}}, abi.NotFound, "not_found", search + ` search=profile.login eq "a/b@example.com" limit=2` + "\n" + search + ` filter=profile.login eq "a/b@example.com" limit=2`, []string{"check its spelling"}, 0},
		{"a login that search does not find yet", `{"user":"a\\b"}`, answering{search: {answer(200, "[]"), answer(200, `[{"id":"`+ada+`","profile":{"login":"a\\b"}}]`)}, readOne: {answer(200, slashed)}}, abi.Succeeded, "", search + ` search=profile.login eq "a\\b" limit=2` + "\n" + search + ` filter=profile.login eq "a\\b" limit=2` + "\n" + readAda, nil, 1},
		{"a login of another user", `{"user":"a/b@example.com"}`, answering{search: {answer(200, `[{"id":"00u9","profile":{"login":"a/b@example.org"}}]`)}}, abi.NotFound, "", "", nil, 0},
		{"not allowed", `{"user":"a/b@example.com"}`, answering{search: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "lookup_user")
	}
	const post, in = "POST /api/v1/users", `{"profile":{"login":"a/b@example.com","email":"x@example.com"},"activate":false}`
	made := strings.Replace(strings.Replace(slashed, `"status":"ACTIVE"`, `"status":"STAGED"`, 1), `{"id"`, `{"created":"`+today+`","id"`, 1)
	for _, c := range []invoking{
		{"a new user", in, answering{search: {answer(200, "[]")}, post: {answer(200, made)}}, abi.Succeeded, "", "", nil, 1},
		{"taken", in, answering{search: {answer(200, "["+made+"]")}, readOne: {answer(200, made)}}, abi.Rejected, "login_taken", "", []string{ada}, 0},
		{"response lost, done", in, answering{search: {answer(200, "[]"), answer(200, "[]"), answer(200, "["+made+"]")}, readOne: {answer(200, made)}, post: {lost}}, abi.Succeeded, "", "", nil, 0},
	} {
		c.run(t, "create_user")
	}
}

// TestSuspend_FromAnotherStatus_SaysHowToKeepTheUserOut: the remedy must not make the account usable.
func TestSuspend_FromAnotherStatus_SaysHowToKeepTheUserOut(t *testing.T) {
	for _, status := range []string{"PROVISIONED", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED"} {
		invoking{status, `{"user":"` + ada + `","action":"suspend"}`, answering{readOne: {person(status)}}, abi.Rejected, "status", "", []string{"deactivate_user", "revoke_session"}, 0}.run(t, "user_lifecycle_action")
	}
	out := invokeNative(t, answering{readOne: {person("LOCKED_OUT")}}.host(t), "user_lifecycle_action", `{"user":"`+ada+`","action":"suspend"}`)
	if strings.Contains(out.Error.Message, "unlock") {
		t.Errorf("%s", out.Error.Message)
	}
}

// TestUpdateUser_DifferentCase_IsSent: a login or address in another case is sent. Okta may return its own spelling.
func TestUpdateUser_DifferentCase_IsSent(t *testing.T) {
	const post = "POST /api/v1/users/{id}"
	user := func(members string) hosttest.Answer {
		return answer(200, `{"id":"`+ada+`","status":"ACTIVE","created":"2026-01-01T00:00:00.000Z","lastUpdated":"2026-01-01T00:00:00.000Z","profile":{"login":"ada@example.com",`+members+`}}`)
	}
	in := func(members string) string { return `{"user":"` + ada + `","profile":{` + members + `}}` }
	lower, upper := user(`"email":"ada@example.com","langs":["b","a"]`), user(`"email":"Ada@Example.com","langs":["b","a"]`)
	for _, c := range []invoking{
		{"an address", in(`"email":"Ada@Example.com"`), answering{readOne: {lower}, post: {upper}}, abi.Succeeded, "", "", []string{"Ada@Example.com"}, 0},
		{"Okta keeps its own case", in(`"email":"Ada@Example.com"`), answering{readOne: {lower}, post: {lower}}, abi.Succeeded, "", "", nil, 0},
		{"the same case", in(`"email":"Ada@Example.com"`), answering{readOne: {upper}}, abi.Unchanged, "", "", nil, 0},
		{"another order of an attribute", in(`"langs":["a","b"]`), answering{readOne: {lower}, post: {user(`"email":"ada@example.com","langs":["a","b"]`)}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, done", in(`"email":"Ada@Example.com"`), answering{readOne: {lower, upper}, post: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in(`"email":"Ada@Example.com"`), answering{readOne: {lower}, post: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
	} {
		c.run(t, "update_user")
	}
}
