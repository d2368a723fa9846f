package okta

import (
	"encoding/json"
	"fmt"
	"github.com/mach5/okta-connector/guest/connector"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// TestReads_ForeignRefusal_IsUnavailable: a response of a proxy, a firewall or a portal says nothing about the token or
// the object, with any status and body.
func TestReads_ForeignRefusal_IsUnavailable(t *testing.T) {
	for _, op := range operations() {
		if op.Class != abi.Read || op.Name == "validate" {
			continue
		}
		for _, status := range []int{300, 304, 400, 401, 402, 403, 404, 405, 407, 408, 410, 413, 418, 451, 499, 501} {
			for _, body := range []string{"", "<html>blocked</html>", `{"message":"blocked"}`, `{"error":"Forbidden","status":403}`, "null", "[]"} {
				for _, surface := range []string{"invoke", "table", "source"} {
					host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return hosttest.Answer{Status: status, Body: body} }}
					text := runOn(t, op, surface, host)
					if text == "" {
						continue
					}
					var out struct {
						Outcome abi.Outcome
						Error   *abi.Error
					}
					if err := json.Unmarshal([]byte(text), &out); err != nil {
						t.Fatal(err)
					}
					lasting := strings.Contains(" 404 405 410 413 ", fmt.Sprintf(" %d ", status))
					if out.Outcome != abi.Unavailable || out.Error == nil || out.Error.Code != "not_okta" || out.Error.Retryable == lasting || len(host.Records) > 0 {
						t.Errorf("%s as %s, %d %s: %s", op.Name, surface, status, body, text)
						continue
					}
					if m := out.Error.Message; strings.Contains(m, "owner lacks") || strings.Contains(m, "Okta answered") {
						t.Errorf("%s, %d %s: the message blames Okta or the token: %s", op.Name, status, body, m)
					}
					if m := out.Error.Message; (status == 401 || status == 407) && !strings.Contains(m, "proxy or gateway between this machine and Okta requires credentials") {
						t.Errorf("%s, %d: the message does not distinguish the proxy from Okta: %s", op.Name, status, m)
					}
				}
			}
		}
	}
}

// TestReads_OktasRefusal_IsFinal: a response with Okta's own code is about the token, the input or the object.
func TestReads_OktasRefusal_IsFinal(t *testing.T) {
	for body, want := range map[string]struct {
		status    int
		code      string
		requests  int
		retryable bool
	}{
		`{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`:                        {401, "credentials", 1, false},
		`{"errorCode":"E0000006","errorSummary":"You do not have permission"}`:                    {403, "forbidden", 3, false},
		`{"errorCode":"E0000001","errorSummary":"Api validation failed: search"}`:                 {400, "rejected", 1, false},
		`{"errorCode":"E0000022","errorSummary":"The endpoint does not support the HTTP method"}`: {405, "rejected", 1, false},
		`{"error":"invalid_token","error_description":"The token has expired."}`:                  {401, "forbidden", 1, false},
	} {
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return hosttest.Answer{Status: want.status, Body: body} }}
		var out abi.InvokeOutput
		if err := json.Unmarshal([]byte(runOn(t, find("list_groups"), "invoke", host)), &out); err != nil {
			t.Fatal(err)
		}
		if out.Outcome != abi.Rejected || out.Error.Code != want.code || out.Error.Retryable != want.retryable || len(host.Requests) != want.requests {
			t.Errorf("%s: %s %+v after %d requests", body, out.Outcome, out.Error, len(host.Requests))
		}
	}
}

// TestExplain_TokenNotValid_AdvisesOnlyOnTheCredentialInUse: an OAuth connection has no token_secret_ref. An older host does
// not say which it has.
func TestExplain_TokenNotValid_AdvisesOnlyOnTheCredentialInUse(t *testing.T) {
	for auth, want := range map[string]struct{ token, app bool }{abi.AuthToken: {true, false}, abi.AuthOAuth: {false, true}, "": {true, true}} {
		code, advice := explain(abi.Upstream{Status: 401, Code: "E0000011"}, auth)
		token, app := strings.Contains(advice, "token_secret_ref"), strings.Contains(advice, "the service app was deactivated: activate it")
		if code != "credentials" || token != want.token || app != want.app || strings.Contains(advice, "administrator") != want.token {
			t.Errorf("%q: %s: %s", auth, code, advice)
		}
	}
}

// TestReads_ForbiddenTemporarily_IsRepeated: Okta sometimes answers E0000006 to a request that it allows.
func TestReads_ForbiddenTemporarily_IsRepeated(t *testing.T) {
	for _, op := range operations() {
		if op.Class != abi.Read || op.Name == "validate" {
			continue
		}
		for times := 1; times <= 3; times++ {
			refused := 0
			host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
				if refused++; refused <= times {
					return forbidden
				}
				if strings.Contains(req.Endpoint, "/iam/roles") && !strings.Contains(req.Endpoint, "{role") {
					return answer(200, `{"roles":[{"id":"1"}]}`)
				}
				if isSingle(req.Endpoint) {
					return answer(200, `{"id":"00u12345678901234567","profile":{"name":"Builders"}}`)
				}
				return answer(200, `[{"id":"1","uuid":"1","client_id":"1","profile":{"name":"Builders"}}]`)
			}}
			var out abi.InvokeOutput
			if err := json.Unmarshal([]byte(runOn(t, op, "invoke", host)), &out); err != nil {
				t.Fatal(err)
			}
			if passed := !strings.Contains(fmt.Sprint(out.Error), "forbidden") && !strings.Contains(string(out.Output), "forbidden"); passed != (times < 3) {
				t.Errorf("%s, forbidden %d times: %s %+v %s", op.Name, times, out.Outcome, out.Error, out.Output)
			}
			if times < 3 && host.WaitedMS == 0 {
				t.Errorf("%s: repeated without a wait", op.Name)
			}
		}
	}
}

// isSingle reports whether an endpoint returns one object: its path ends in a parameter, or it is the org's.
func isSingle(endpoint string) bool {
	return strings.HasSuffix(endpoint, "}") || strings.HasSuffix(endpoint, "/org") || strings.HasSuffix(endpoint, "/okta-organization") || strings.HasSuffix(endpoint, "/me")
}

// TestInventory_EveryListForbidden_WaitsOnceForEachEndpoint has many groups. Each page of a table is a separate call.
func TestInventory_EveryListForbidden_WaitsOnceForEachEndpoint(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		if strings.HasSuffix(req.Endpoint, "/users") && strings.Contains(req.Endpoint, "{groupId}") {
			return forbidden
		}
		return inventoryOrg(req)
	}}
	for cursor, pages := "", 0; ; pages++ {
		in, err := json.Marshal(abi.TableInput{Operation: "inventory_export", Input: json.RawMessage(`{"kinds":["group_members"]}`), Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		text, err := Table(hostcall.New(host), string(in))
		var page abi.TableOutput
		if err != nil || json.Unmarshal([]byte(text), &page) != nil || page.Outcome != abi.Succeeded || pages > 100 {
			t.Fatalf("%v %s", err, text)
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if most := connector.DoubtDelays[0] + connector.DoubtDelays[1]; host.WaitedMS != most {
		t.Errorf("waited %d ms, want %d", host.WaitedMS, most)
	}
}
