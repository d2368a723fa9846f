package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// TestSwitches_EachResponse_HasItsOutcome: the status in the output is read back, since Okta's answers have no body.
func TestSwitches_EachResponse_HasItsOutcome(t *testing.T) {
	for _, object := range []struct{ op, input, read, path, id, off, missing string }{
		{"policy_lifecycle_action", `"policy":"00p1"`, "/api/v1/policies/{policyId}", " [policyId:00p1]", "00p1", "", "Policy"},
		{"policy_rule_lifecycle_action", `"policy":"00p1","rule":"0pr1"`, "/api/v1/policies/{policyId}/rules/{ruleId}", " [policyId:00p1 ruleId:0pr1]", "0pr1", "", "PolicyRule"},
		{"group_rule_lifecycle_action", `"rule":"0pr1"`, "/api/v1/groups/rules/{groupRuleId}", " [groupRuleId:0pr1]", "0pr1", "stay in its groups", "GroupRule"},
		{"zone_lifecycle_action", `"zone":"nzo1"`, "/api/v1/zones/{zoneId}", " [zoneId:nzo1]", "nzo1", "may change", "NetworkZone"},
	} {
		in := func(action string) string { return `{` + object.input + `,"action":"` + action + `"}` }
		is := func(status string) string { return `{"id":"` + object.id + `","name":"N","status":"` + status + `"}` }
		get, off, on := "GET "+object.read, "POST "+object.read+"/lifecycle/deactivate", "POST "+object.read+"/lifecycle/activate"
		was, now, done := answer(200, is("ACTIVE")), answer(200, is("INACTIVE")), answer(204, "")
		sent := strings.Join([]string{get + object.path, off + object.path, get + object.path}, "\n")
		for _, c := range []invoking{
			{"off", in("deactivate"), answering{get: {was, now}, off: {done}}, abi.Succeeded, "", sent, []string{`"before":` + is("ACTIVE") + `,"after":` + is("INACTIVE"), object.off}, 0},
			{"on", in("activate"), answering{get: {now, was}, on: {done}}, abi.Succeeded, "", "", []string{`"after":` + is("ACTIVE")}, 0},
			{"off already", in("deactivate"), answering{get: {now}}, abi.Unchanged, "", get + object.path, nil, 0},
			{"on already", in("activate"), answering{get: {was}}, abi.Unchanged, "", get + object.path, nil, 0},
			{"missing", in("activate"), answering{get: {notFound(object.missing)}}, abi.NotFound, "not_found", get + object.path, nil, 0},
			{"refused", in("deactivate"), answering{get: {was}, off: {answer(403, `{"errorCode":"E0000086","errorSummary":"This policy cannot be activated at this time."}`)}}, abi.Rejected, "rejected", "", []string{"E0000086"}, 0},
			{"without permission", in("deactivate"), answering{get: {was}, off: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
			{"being reconciled", in("deactivate"), answering{get: {was, now}, off: {answer(423, `{"errorCode":"E0000239","errorSummary":"Policy priorities are being reconciled."}`), done}}, abi.Succeeded, "", "", nil, 0},
			{"accepted, does not show", in("deactivate"), answering{get: {was}, off: {done}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
			{"accepted, cannot be read back", in("deactivate"), answering{get: {was, forbidden}, off: {done}}, abi.Succeeded, "", "", []string{"could not be read"}, 0},
			{"response lost, done", in("deactivate"), answering{get: {was, now}, off: {lost}}, abi.Succeeded, "", "", nil, 0},
			{"response lost, not done", in("deactivate"), answering{get: {was}, off: {lost}}, abi.Unavailable, "unavailable", "", []string{"is still ACTIVE"}, 0},
		} {
			t.Run(object.op, func(t *testing.T) { c.run(t, object.op) })
		}
	}
}

// TestSwitches_OfFixedObjects_AreRejected before anything is sent.
func TestSwitches_OfFixedObjects_AreRejected(t *testing.T) {
	const policy, rule, groupRule, zone = "GET /api/v1/policies/{policyId}", "GET /api/v1/policies/{policyId}/rules/{ruleId}", "GET /api/v1/groups/rules/{groupRuleId}", "GET /api/v1/zones/{zoneId}"
	system := answer(200, `{"id":"1","status":"ACTIVE","system":true}`)
	for _, c := range []struct {
		op string
		invoking
	}{
		{"policy_lifecycle_action", invoking{"the default policy", `{"policy":"00p1","action":"deactivate"}`, answering{policy: {system}}, abi.Rejected, "default_policy", policy + " [policyId:00p1]", nil, 0}},
		{"policy_lifecycle_action", invoking{"the default policy is active", `{"policy":"00p1","action":"activate"}`, answering{policy: {system}}, abi.Unchanged, "", "", nil, 0}},
		{"policy_rule_lifecycle_action", invoking{"the default rule", `{"policy":"00p1","rule":"0pr1","action":"deactivate"}`, answering{rule: {system}}, abi.Rejected, "default_rule", rule + " [policyId:00p1 ruleId:0pr1]", nil, 0}},
		{"policy_rule_lifecycle_action", invoking{"a missing policy", `{"policy":"00p1","rule":"0pr1","action":"deactivate"}`, answering{rule: {notFound("Policy")}}, abi.NotFound, "not_found", "", nil, 0}},
		{"group_rule_lifecycle_action", invoking{"an invalid rule", `{"rule":"0pr1","action":"activate"}`, answering{groupRule: {answer(200, `{"id":"0pr1","status":"INVALID"}`)}}, abi.Rejected, "status", groupRule + " [groupRuleId:0pr1]", nil, 0}},
		{"zone_lifecycle_action", invoking{"the exempt zone", `{"zone":"nzo1","action":"deactivate"}`, answering{zone: {answer(200, `{"id":"nzo1","name":"DefaultExemptIpZone","system":true,"status":"ACTIVE","usage":"POLICY"}`)}}, abi.Rejected, "zone_use", "", nil, 0}},
		{"zone_lifecycle_action", invoking{"a blocklist of everything", `{"zone":"nzo1","action":"activate"}`, answering{zone: {answer(200, `{"id":"nzo1","type":"IP","status":"INACTIVE","usage":"BLOCKLIST","gateways":[{"type":"CIDR","value":"0.0.0.0/0"}]}`)}}, abi.Rejected, "locks_out", "", nil, 0}},
	} {
		t.Run(c.op, func(t *testing.T) { c.run(t, c.op) })
	}
}

func TestSwitches_OfABlocklist_SaysThatItsAddressesMaySignIn(t *testing.T) {
	zone := func(status string) string {
		return `{"id":"nzo1","type":"IP","status":"` + status + `","usage":"BLOCKLIST","gateways":[{"type":"CIDR","value":"203.0.113.0/24"}]}`
	}
	const get, off = "GET /api/v1/zones/{zoneId}", "POST /api/v1/zones/{zoneId}/lifecycle/deactivate"
	c := invoking{"a blocklist", `{"zone":"nzo1","action":"deactivate"}`, answering{get: {answer(200, zone("ACTIVE")), answer(200, zone("INACTIVE"))}, off: {answer(204, "")}},
		abi.Succeeded, "", "", []string{"no longer refused"}, 0}
	c.run(t, "zone_lifecycle_action")
}
