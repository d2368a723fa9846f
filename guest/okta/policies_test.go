package okta

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

const aPolicy = `{"id":"00p1","type":"OKTA_SIGN_ON","name":"P","status":"ACTIVE","priority":2,"system":false,"description":"old",` +
	`"conditions":{"people":{"groups":{"include":["00g1","00g2"]}}},"created":"2026-01-01T00:00:00.000Z","lastUpdated":"2026-01-01T00:00:00.000Z","_links":{"self":{"href":"https://x"}}}`

func TestListPolicies_EachResponse_HasItsOutcome(t *testing.T) {
	for _, c := range []invoking{
		{"one type", `{"type":"PASSWORD","status":"ACTIVE","q":"x","expand":"rules"}`,
			answering{"GET /api/v1/policies": {answer(200, "["+aPolicy+"]")}}, abi.Succeeded, "",
			"GET /api/v1/policies status=ACTIVE q=x expand=rules type=PASSWORD", nil, 1},
		{"one type that the org does not have", `{"type":"ENTITY_RISK"}`,
			answering{"GET /api/v1/policies": {noFeature}}, abi.Rejected, "feature", "", nil, 0},
		{"a forbidden type is not skipped", `{}`,
			answering{"GET /api/v1/policies": {forbidden}}, abi.Rejected, "forbidden", strings.Repeat("GET /api/v1/policies type=OKTA_SIGN_ON\n", 3), nil, 0},
		{"a proxy's refusal is not skipped", `{}`, answering{"GET /api/v1/policies": {answer(200, "["+aPolicy+"]"), answer(404, "<html>"), answer(200, "[]")}},
			abi.Unavailable, "not_okta", "GET /api/v1/policies type=OKTA_SIGN_ON\nGET /api/v1/policies type=PASSWORD", nil, 1},
		{"a bad token", `{}`, answering{"GET /api/v1/policies": {badToken}}, abi.Rejected, "credentials", "", nil, 0},
		{"a server that fails", `{}`, answering{"GET /api/v1/policies": {answer(500, "")}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"all types are refused", `{"expand":"nonsense"}`,
			answering{"GET /api/v1/policies": {answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: expand"}`)}},
			abi.Rejected, "rejected", "", []string{"expand"}, 0},
		{"a cursor of another query", `{"cursor":"bm8"}`, nil, abi.Invalid, "cursor", "none", nil, 0},
	} {
		c.run(t, "list_policies")
	}
}

// policyOrg has two policies of each type except two types, on pages of one.
func policyOrg(req abi.Request) hosttest.Answer {
	typ, after := "", ""
	if req.Link != "" {
		fmt.Sscanf(strings.ReplaceAll(req.Link, "&", " "), "/api/v1/policies?type=%s after=%s", &typ, &after)
	}
	for _, q := range req.Query {
		typ = q[1]
	}
	switch typ {
	case "ENTITY_RISK":
		return noFeature
	case "CLIENT_UPDATE":
		return answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: type"}`)
	}
	if after == "" {
		return paged(`[{"id":"`+typ+`1"}]`, "/api/v1/policies?type="+typ+"&after=1")
	}
	return answer(200, `[{"id":"`+typ+`2"}]`)
}

func TestListPolicies_EveryLimit_ListsEachPolicyOnce(t *testing.T) {
	var want []string
	for _, typ := range policyTypes {
		if typ != "ENTITY_RISK" && typ != "CLIENT_UPDATE" {
			want = append(want, `{"id":"`+typ+`1"}`, `{"id":"`+typ+`2"}`)
		}
	}
	for limit := 1; limit <= len(want)+1; limit++ {
		host := &hosttest.Host{Answer: policyOrg}
		cursor := ""
		for n := 0; ; n++ {
			input := fmt.Sprintf(`{"limit":%d}`, limit)
			if cursor != "" {
				input = fmt.Sprintf(`{"limit":%d,"cursor":%q}`, limit, cursor)
			}
			out := invokeNative(t, host, "list_policies", input)
			if out.Outcome != abi.Succeeded || n > 30 {
				t.Fatalf("limit %d: %s %+v", limit, out.Outcome, out.Error)
			}
			if cursor = out.NextCursor; cursor == "" {
				for _, typ := range []string{"ENTITY_RISK", "CLIENT_UPDATE"} {
					if !strings.Contains(string(out.Output), `{"type":"`+typ+`","code":`) {
						t.Errorf("limit %d: %s is not named: %s", limit, typ, out.Output)
					}
				}
				break
			}
		}
		if got := strings.Join(host.Records, "\n"); got != strings.Join(want, "\n") {
			t.Fatalf("limit %d:\n%s", limit, got)
		}
	}
}

func TestGetPolicy_EachResponse_HasItsOutcome(t *testing.T) {
	const get, rules = "GET /api/v1/policies/{policyId}", "GET /api/v1/policies/{policyId}/rules"
	for _, c := range []invoking{
		{"alone", `{"policy":"00p1"}`, answering{get: {answer(200, aPolicy)}}, abi.Succeeded, "", get + " [policyId:00p1]", []string{aPolicy}, 1},
		{"with rules", `{"policy":"00p1","include_rules":true}`,
			answering{get: {answer(200, aPolicy)}, rules: {paged(`[{"id":"r1"}]`, "/api/v1/policies/00p1/rules?after=r1"), answer(200, `[{"id":"r2"}]`)}},
			abi.Succeeded, "", get + " [policyId:00p1]\n" + rules + " [policyId:00p1]\n" + rules + " -> /api/v1/policies/00p1/rules?after=r1",
			[]string{`"rules":[{"id":"r1"},{"id":"r2"}]`, `"name":"P"`}, 0},
		{"missing", `{"policy":"00p1"}`, answering{get: {notFound("Policy")}}, abi.NotFound, "not_found", "", []string{"policy"}, 0},
		{"missing, with rules", `{"policy":"00p1","include_rules":true}`, answering{get: {notFound("Policy")}}, abi.NotFound, "", get + " [policyId:00p1]", nil, 0},
		{"rules that are too large", `{"policy":"00p1","include_rules":true}`, answering{get: {answer(200, aPolicy)}, rules: {answer(200, `[{"id":"`+strings.Repeat("r", hostcall.MaxBody)+`"}]`)}}, abi.Rejected, "too_large", "",
			[]string{`list_policies, {"type":"OKTA_SIGN_ON","expand":"rules"}`}, 0},
		{"pages of rules that are large together", `{"policy":"00p1","include_rules":true}`, answering{get: {answer(200, aPolicy)}, rules: {paged(`[{"id":"`+strings.Repeat("r", hostcall.MaxBody*3/4)+`"}]`, "/api/v1/policies/00p1/rules?after=r1"), answer(200, `[{"id":"`+strings.Repeat("s", hostcall.MaxBody*3/4)+`"}]`)}}, abi.Succeeded, "", "", nil, 0},
		{"rules that are not a list", `{"policy":"00p1","include_rules":true}`, answering{get: {answer(200, aPolicy)}, rules: {answer(200, "{}")}}, abi.Unavailable, "bad_answer", "", nil, 0},
		{"rules that the token may not read", `{"policy":"00p1","include_rules":true}`, answering{get: {answer(200, aPolicy)}, rules: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "get_policy")
	}
}

func TestUpdatePolicy_EachResponse_HasItsOutcome(t *testing.T) {
	const get, put = "GET /api/v1/policies/{policyId}", "PUT /api/v1/policies/{policyId}"
	const input = `{"policy":"00p1","patch":{"description":"new"}}`
	changed := strings.Replace(strings.Replace(aPolicy, `"old"`, `"new"`, 1), `"lastUpdated":"2026-01-01`, `"lastUpdated":"2026-01-02`, 1)
	touched := strings.Replace(aPolicy, `"lastUpdated":"2026-01-01`, `"lastUpdated":"2026-01-02`, 1)
	other := strings.Replace(changed, `"new"`, `"theirs"`, 1)
	body := `{"type":"OKTA_SIGN_ON","name":"P","status":"ACTIVE","priority":2,"description":"new","conditions":{"people":{"groups":{"include":["00g1","00g2"]}}}}`
	id := " [policyId:00p1]"
	for _, c := range []invoking{
		{"replaced as a whole, without read-only members", input, answering{get: {answer(200, aPolicy)}, put: {answer(200, changed)}}, abi.Succeeded, "",
			get + id + "\n" + get + id + "\n" + put + id + " " + body,
			[]string{`"before":` + aPolicy, `"after":` + changed}, 0},
		{"nothing differs", `{"policy":"00p1","patch":{"description":"old","settings":null,"conditions":{"people":{"groups":{"include":["00g2","00g1"]}}}}}`,
			answering{get: {answer(200, aPolicy)}}, abi.Unchanged, "", get + id, nil, 0},
		{"missing", input, answering{get: {notFound("Policy")}}, abi.NotFound, "", get + id, nil, 0},
		{"changed since it was read", input, answering{get: {answer(200, aPolicy), answer(200, touched)}}, abi.Rejected, "changed_meanwhile", get + id + "\n" + get + id, nil, 0},
		{"a type that cannot be replaced", input, answering{get: {answer(200, strings.Replace(aPolicy, "OKTA_SIGN_ON", "ENTITY_RISK", 1))}}, abi.Rejected, "policy_type", get + id, []string{"rules"}, 0},
		{"a read-only member", `{"policy":"00p1","patch":{"id":"x"}}`, nil, abi.Invalid, "input", "none", []string{"id cannot be changed"}, 0},
		{"another type", `{"policy":"00p1","patch":{"type":"PASSWORD"}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"no name", `{"policy":"00p1","patch":{"name":null}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"an empty name", `{"policy":"00p1","patch":{"name":" "}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"refused", input, answering{get: {answer(200, aPolicy)}, put: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"deleted before the write", input, answering{get: {answer(200, aPolicy)}, put: {notFound("Policy")}}, abi.NotFound, "", "", nil, 0},
		{"priorities are being reconciled", input, answering{get: {answer(200, aPolicy)},
			put: {answer(423, `{"errorCode":"E0000239","errorSummary":"Policies are being reconciled"}`), answer(200, changed)}}, abi.Succeeded, "", "", nil, 0},
		{"changed by another client meanwhile", input, answering{get: {answer(200, aPolicy), answer(200, aPolicy), answer(200, touched)},
			put: {answer(423, `{"errorCode":"E0000239","errorSummary":"Policies are being reconciled"}`), answer(200, changed)}}, abi.Rejected, "changed_meanwhile",
			get + id + "\n" + get + id + "\n" + put + id + " " + body + "\n" + get + id, nil, 0},
		{"it cannot be read again", input, answering{get: {answer(200, aPolicy), answer(200, aPolicy), forbidden},
			put: {answer(423, `{"errorCode":"E0000239","errorSummary":"Policies are being reconciled"}`), answer(200, changed)}}, abi.Rejected, "forbidden",
			get + id + "\n" + get + id + "\n" + put + id + " " + body + "\n" + get + id + "\n" + get + id + "\n" + get + id, nil, 0},
		{"not sent", input, answering{get: {answer(200, aPolicy)}, put: {unsent}}, abi.Unavailable, "connect", "", nil, 0},
		{"response lost, done", input, answering{get: {answer(200, aPolicy), answer(200, aPolicy), answer(200, changed)}, put: {lost}}, abi.Succeeded, "", "", []string{`"after":` + changed}, 0},
		{"response lost, not done", input, answering{get: {answer(200, aPolicy)}, put: {lost}}, abi.Unavailable, "unavailable", "", []string{"not changed"}, 0},
		{"response lost, another client's object", input, answering{get: {answer(200, aPolicy), answer(200, aPolicy), answer(200, other)}, put: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, cannot be read back", input, answering{get: {answer(200, aPolicy), answer(200, aPolicy), answer(500, "")}, put: {answer(502, "")}}, abi.Unknown, "unknown", "", nil, 0},
		{"accepted with another value", input, answering{get: {answer(200, aPolicy)}, put: {answer(200, other)}}, abi.Rejected, "not_as_asked", "", []string{`description is "theirs", not "new"`}, 0},
		{"accepted with a response that is not JSON", input, answering{get: {answer(200, aPolicy), answer(200, aPolicy), answer(200, changed)}, put: {answer(200, "<html>")}}, abi.Succeeded, "", "", []string{`"after":` + changed}, 0},
	} {
		c.run(t, "update_policy")
	}
}

// TestUpdatePolicy_Status_IsSetByItsOwnRequest: a PUT ignores the status (recorded).
func TestUpdatePolicy_Status_IsSetByItsOwnRequest(t *testing.T) {
	const get, put, id = "GET /api/v1/policies/{policyId}", "PUT /api/v1/policies/{policyId}", " [policyId:00p1]"
	on, off := activatePolicy.Endpoint, deactivatePolicy.Endpoint
	inactive := strings.Replace(aPolicy, `"status":"ACTIVE"`, `"status":"INACTIVE"`, 1)
	changed := func(policy string) string {
		return strings.Replace(strings.Replace(policy, `"old"`, `"new"`, 1), `"lastUpdated":"2026-01-01`, `"lastUpdated":"2026-01-02`, 1)
	}
	const both = `{"policy":"00p1","patch":{"status":"INACTIVE","description":"new"}}`
	for _, c := range []invoking{
		{"off alone", `{"policy":"00p1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, aPolicy), answer(200, inactive)}, off: {answer(204, "")}}, abi.Succeeded, "",
			get + id + "\n" + off + id + "\n" + get + id, []string{`"before":` + aPolicy, `"after":` + inactive}, 0},
		{"deactivated, then changed", both, answering{get: {answer(200, aPolicy), answer(200, inactive), answer(200, inactive), answer(200, inactive), answer(200, changed(inactive))}, off: {answer(204, "")}, put: {answer(200, changed(inactive))}}, abi.Succeeded, "",
			get + id + "\n" + off + id + "\n" + get + id + "\n" + get + id + "\n" + get + id + "\n" + put + id +
				` {"type":"OKTA_SIGN_ON","name":"P","status":"INACTIVE","priority":2,"description":"new","conditions":{"people":{"groups":{"include":["00g1","00g2"]}}}}` + "\n" + get + id,
			[]string{`"before":` + aPolicy, `"after":` + changed(inactive)}, 0},
		{"changed, then activated", `{"policy":"00p1","patch":{"status":"ACTIVE","description":"new"}}`,
			answering{get: {answer(200, inactive), answer(200, inactive), answer(200, changed(inactive)), answer(200, changed(aPolicy))}, on: {answer(204, "")}, put: {answer(200, changed(inactive))}}, abi.Succeeded, "", "", []string{`"after":` + changed(aPolicy)}, 0},
		{"accepted, does not show", `{"policy":"00p1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, aPolicy)}, off: {answer(204, "")}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, done", `{"policy":"00p1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, aPolicy), answer(200, inactive)}, off: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", `{"policy":"00p1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, aPolicy)}, off: {lost}}, abi.Unavailable, "unavailable", "", []string{"still ACTIVE"}, 0},
		{"deactivated, response of the rest lost", both, answering{get: {answer(200, aPolicy), answer(200, inactive)}, off: {answer(204, "")}, put: {lost}}, abi.Unavailable, "", "", []string{"is now INACTIVE, but was not changed otherwise"}, 0},
		{"the status of the default policy", `{"policy":"00p1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, strings.Replace(aPolicy, `"system":false`, `"system":true`, 1))}}, abi.Rejected, "default_policy", get + id, []string{"status"}, 0},
		{"the priority of the default policy", `{"policy":"00p1","patch":{"priority":1}}`, answering{get: {answer(200, strings.Replace(aPolicy, `"system":false`, `"system":true`, 1))}}, abi.Rejected, "default_policy", get + id, []string{"priority"}, 0},
	} {
		c.run(t, "update_policy")
	}
	out := invokeNative(t, answering{get: {answer(200, aPolicy), answer(200, inactive)}, off: {answer(204, "")}, put: {forbidden}}.host(t), "update_policy", both)
	if !out.Partial || out.Outcome != abi.Rejected {
		t.Errorf("%+v", out)
	}
}

// TestUpdatePolicy_EqualInMeaning_IsUnchanged: Okta returns all authenticators of the org, in its own order, and omits
// empty values (recorded for MFA_ENROLL).
func TestUpdatePolicy_EqualInMeaning_IsUnchanged(t *testing.T) {
	const get, put = "GET /api/v1/policies/{policyId}", "PUT /api/v1/policies/{policyId}"
	mfa := strings.Replace(aPolicy, `"conditions"`, `"settings":{"type":"AUTHENTICATORS","authenticators":[{"key":"okta_password","enroll":{"self":"REQUIRED"}},{"key":"phone_number","enroll":{"self":"NOT_ALLOWED"}}]},"conditions"`, 1)
	wanted := `{"policy":"00p1","patch":{"settings":{"authenticators":[{"key":"okta_email","enroll":{"self":"OPTIONAL"}},{"key":"okta_password","enroll":{"self":"REQUIRED"}}]}}}`
	answered := strings.Replace(mfa, `[{"key":"okta_password"`, `[{"key":"webauthn","enroll":{"self":"NOT_ALLOWED"}},{"key":"okta_email","enroll":{"self":"OPTIONAL"},"constraints":{"aaguidGroups":[]}},{"key":"okta_password"`, 1)
	for _, c := range []invoking{
		{"the response has all authenticators", wanted, answering{get: {answer(200, mfa)}, put: {answer(200, answered)}}, abi.Succeeded, "", "", nil, 0},
		{"and a repeat writes nothing", wanted, answering{get: {answer(200, answered)}}, abi.Unchanged, "", "", nil, 0},
		{"an authenticator that stays allowed is a gap", wanted, answering{get: {answer(200, mfa)}, put: {answer(200, strings.Replace(answered, `"webauthn","enroll":{"self":"NOT_ALLOWED"}`, `"webauthn","enroll":{"self":"OPTIONAL"}`, 1))}}, abi.Rejected, "not_as_asked", "", []string{"settings.authenticators"}, 0},
		{"empty equals absent", `{"policy":"00p1","patch":{"conditions":{"network":{"include":[],"exclude":[]},"people":{"users":{"exclude":null}}}}}`, answering{get: {answer(200, aPolicy)}}, abi.Unchanged, "", "", nil, 0},
		{"repeats are ignored", `{"policy":"00p1","patch":{"conditions":{"people":{"groups":{"include":["00g2","00g1","00g2"]}}}}}`, answering{get: {answer(200, aPolicy)}}, abi.Unchanged, "", "", nil, 0},
		{"spelling of numbers and spaces", `{"policy":"00p1","patch":{"priority":2.0,"description":" old "}}`, answering{get: {answer(200, aPolicy)}}, abi.Unchanged, "", "", nil, 0},
		{"one element less is a change", `{"policy":"00p1","patch":{"conditions":{"people":{"groups":{"include":["00g2"]}}}}}`,
			answering{get: {answer(200, aPolicy)}, put: {answer(200, strings.Replace(aPolicy, `["00g1","00g2"]`, `["00g2"]`, 1))}}, abi.Succeeded, "", "", nil, 0},
	} {
		c.run(t, "update_policy")
	}
}

// TestUpdatePolicy_BeforeSending_ComparesExactly: an array is replaced as a whole. So an element with one member less
// is a change. Another order is a change too, unless Okta is known to store the array as a set. Okta's response is
// compared by meaning.
func TestUpdatePolicy_BeforeSending_ComparesExactly(t *testing.T) {
	const get, put = "GET /api/v1/policies/{policyId}", "PUT /api/v1/policies/{policyId}"
	with := func(settings string) hosttest.Answer {
		return answer(200, strings.Replace(aPolicy, `"conditions"`, `"settings":`+settings+`,"conditions"`, 1))
	}
	in := func(settings string) string { return `{"policy":"00p1","patch":{"settings":` + settings + `}}` }
	now, ordered := with(`{"steps":[{"key":"a","limit":{"days":7}},{"key":"b"}]}`), with(`{"steps":["b","a"]}`)
	for _, c := range []invoking{
		{"one member less in an element", in(`{"steps":[{"key":"a"},{"key":"b"}]}`), answering{get: {now}, put: {with(`{"steps":[{"key":"a"},{"key":"b"}]}`)}}, abi.Succeeded, "", "", []string{`"after":`}, 0},
		{"one member less, which Okta keeps", in(`{"steps":[{"key":"a"},{"key":"b"}]}`), answering{get: {now}, put: {now}}, abi.Succeeded, "", "", []string{"its own members or order in settings.steps"}, 0},
		{"deeper", in(`{"steps":[{"key":"a","limit":{}},{"key":"b"}]}`), answering{get: {now}, put: {with(`{"steps":[{"key":"a"},{"key":"b"}]}`)}}, abi.Succeeded, "", "", nil, 0},
		{"another order", in(`{"steps":["a","b"]}`), answering{get: {ordered}, put: {with(`{"steps":["a","b"]}`)}}, abi.Succeeded, "", "", nil, 0},
		{"the same order", in(`{"steps":["b","a"]}`), answering{get: {ordered}}, abi.Unchanged, "", get + " [policyId:00p1]", nil, 0},
		{"a set in another order", in(`{"methods":["a","b"]}`), answering{get: {with(`{"methods":["b","a"]}`)}}, abi.Unchanged, "", get + " [policyId:00p1]", nil, 0},
		{"one member less in an element of a set", in(`{"include":[{"key":"a"}]}`), answering{get: {with(`{"include":[{"key":"a","days":7}]}`)}, put: {with(`{"include":[{"key":"a"}]}`)}}, abi.Succeeded, "", "", nil, 0},
		{"the same, with empty members", in(`{"steps":[{"key":"a","limit":{"days":7},"more":[]},{"key":"b","none":null}]}`), answering{get: {now}}, abi.Unchanged, "", "", nil, 0},
		{"response lost, done", in(`{"steps":["a","b"]}`), answering{get: {ordered, ordered, with(`{"steps":["a","b"]}`)}, put: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"response lost, not done", in(`{"steps":["a","b"]}`), answering{get: {ordered}, put: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
	} {
		c.run(t, "update_policy")
	}
}
