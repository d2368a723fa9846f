package okta

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// TestOperations_Foreign404_IsUnavailable: a web server that is not an Okta org answers all requests with 404. No
// operation may treat that as a missing object.
func TestOperations_Foreign404_IsUnavailable(t *testing.T) {
	elsewhere := func() *hosttest.Host {
		return &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
			return answer(404, "<!DOCTYPE HTML>\n<html lang=\"en\"><title>Error response</title>File not found</html>")
		}}
	}
	for _, op := range operations() {
		if op.Name == "validate" { // validate reports the problem in its output
			continue
		}
		t.Run(op.Name, func(t *testing.T) {
			out := invokeNative(t, elsewhere(), op.Name, op.Example)
			if out.Outcome != abi.Unavailable || out.Error == nil {
				t.Fatalf("%s %+v: %s", out.Outcome, out.Error, out.Output)
			}
			if !op.On(abi.SQL) {
				return
			}
			input, _ := json.Marshal(abi.TableInput{Operation: op.Name, Input: json.RawMessage(op.Example)})
			raw, err := Table(hostcall.New(elsewhere()), string(input))
			var page abi.TableOutput
			if err != nil || json.Unmarshal([]byte(raw), &page) != nil || page.Outcome != abi.Unavailable {
				t.Errorf("as a table: %s %v", raw, err)
			}
		})
	}
	t.Run("validate", func(t *testing.T) {
		out := invokeNative(t, elsewhere(), "validate", `{}`)
		if text := string(out.Output); !strings.Contains(text, `"valid":false`) || !strings.Contains(text, "correct base_url first") || strings.Contains(text, "create a token") || strings.Count(text, "base_url") != 2 {
			t.Errorf("%s", text)
		}
	})
	t.Run("a write whose response is lost", func(t *testing.T) {
		invoking{"", `{"group":"` + builders + `"}`, answering{ofGroup: {noRoles}, oneGroup: {answer(200, builder), answer(404, "<html>")}, "DELETE /api/v1/groups/{groupId}": {lost}},
			abi.Unknown, "unknown", "", nil, 0}.run(t, "delete_group")
	})
	t.Run("a write", func(t *testing.T) {
		invoking{"", `{"group":"` + builders + `"}`, answering{ofGroup: {noRoles}, oneGroup: {answer(200, builder)}, "DELETE /api/v1/groups/{groupId}": {answer(404, "<html>")}},
			abi.Unavailable, "not_okta", "", []string{"base_url"}, 0}.run(t, "delete_group")
	})
}

// TestFailure_429OfAnotherLimit_KeepsOktasWords: the error has Okta's code, text and request id, and the limit's wait.
func TestFailure_429OfAnotherLimit_KeepsOktasWords(t *testing.T) {
	for _, c := range []struct {
		code, summary string
		retryMS       int64
	}{
		{"E0000118", "An email was recently sent. Please wait 5 seconds before trying again.", 5_000},
		{"E0000109", "An SMS message was recently sent. Please wait 30 seconds before trying again.", 30_000},
		{"E0000146", "Your organization has reached the limit of sms requests that can be sent within a 24 hour period.", 3_600_000},
		{"E0000204", "You have reached the limit of sms requests, please try again later.", 60_000},
	} {
		refused := answer(429, `{"errorCode":"`+c.code+`","errorSummary":"`+c.summary+`","errorCauses":[]}`)
		h := answering{"GET /api/v1/users/{id}": {answer(200, `{"id":"00uEmZ5qX3PzkN7LcwkO","status":"ACTIVE","profile":{"login":"ada@example.com"}}`)},
			lifecycle("reset_password").Endpoint: {refused}}.host(t)
		out := invokeNative(t, h, "user_lifecycle_action", `{"user":"ada@example.com","action":"reset_password","send_email":true}`)
		if e := out.Error; out.Outcome != abi.Throttled || e == nil || !e.Retryable || e.RetryAfterMS != c.retryMS || !strings.Contains(e.Message, c.summary) ||
			e.Upstream == nil || e.Upstream.Code != c.code || e.Upstream.Summary != c.summary || e.Upstream.RequestID != "r1" {
			t.Errorf("%s: %s %+v", c.code, out.Outcome, out.Error)
		}
	}
	full := hosttest.Answer{Err: &abi.SendError{Code: abi.SendRateLimited, Message: "full", Status: 429, RequestID: "r9", UpstreamCode: "E0000047", UpstreamSummary: "too many"}}
	out := invokeNative(t, answering{"GET /api/v1/users/{id}": {full}}.host(t), "lookup_user", `{"user":"ada@example.com"}`)
	if u := out.Error.Upstream; out.Outcome != abi.Throttled || u == nil || u.Code != "E0000047" || u.Summary != "too many" || u.RequestID != "r9" {
		t.Errorf("%s %+v", out.Outcome, out.Error)
	}
}

// TestNotFound_TargetNamedByID_NamesTheList checks that the error names the operation that lists the objects.
func TestNotFound_TargetNamedByID_NamesTheList(t *testing.T) {
	for op, c := range map[string]struct{ input, endpoint, typ, list string }{
		"lookup_application": {`{"application":"Slack"}`, getApp.Endpoint, "AppInstance", "list_applications"},
		"lookup_device":      {`{"device":"LAPTOP-7"}`, getDevice.Endpoint, "Device", "list_devices"},
		"get_policy":         {`{"policy":"Contractors"}`, getPolicy.Endpoint, "Policy", "list_policies"},
		"update_policy":      {`{"policy":"Contractors","patch":{"description":"x"}}`, getPolicy.Endpoint, "Policy", "list_policies"},
		"get_zone":           {`{"zone":"nzo1"}`, getZone.Endpoint, "NetworkZone", "list_zones"},
		"get_role":           {`{"role":"Desk"}`, getCustomRole.Endpoint, "CustomRole", "list_roles"},
	} {
		invoking{op, c.input, answering{c.endpoint: {notFound(c.typ)}}, abi.NotFound, "not_found", "", []string{c.list}, 0}.run(t, op)
	}
}
