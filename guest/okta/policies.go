package okta

import (
	"slices"
	"strconv"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getPolicies      = abi.Endpoint{Endpoint: "GET /api/v1/policies", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}}
	getPolicy        = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}}
	putPolicy        = abi.Endpoint{Endpoint: "PUT /api/v1/policies/{policyId}", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	activatePolicy   = abi.Endpoint{Endpoint: "POST /api/v1/policies/{policyId}/lifecycle/activate", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	deactivatePolicy = abi.Endpoint{Endpoint: "POST /api/v1/policies/{policyId}/lifecycle/deactivate", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	getPolicyRules   = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}/rules", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}}
)

var policyInput = input{"policy", true, idSchema("64", "the policy's id")}

var policyOperations = []operation{
	{
		name: "list_policies",
		summary: "Lists policies of one type, or of every type. A type that the org does not have is skipped, and named in " +
			"`skipped` with why.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"type", false, `{"enum":["ACCESS_POLICY","CLIENT_UPDATE","DEVICE_SIGNAL_COLLECTION","ENTITY_RISK","IDENTITY_CLAIM_SOURCING","IDP_DISCOVERY","MFA_ENROLL","OKTA_SIGN_ON","PASSWORD","POST_AUTH_SESSION","PROFILE_ENROLLMENT","SESSION_VIOLATION_DETECTION"],"description":"policies of this type alone; default all types, one after another"}`},
			{"status", false, `{"enum":["ACTIVE","INACTIVE"],"description":"policies of this status alone"}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"the beginning of a policy's name"}`},
			{"expand", false, `{"type":"string","minLength":1,"maxLength":255,"description":"further facts to put into each policy, such as rules"}`},
			limitInput, cursorInput,
		},
		example: `{"type":"OKTA_SIGN_ON"}`,
		key:     "id",
		columns: append(policyColumns[:len(policyColumns):len(policyColumns)],
			column{"rules", abi.JSON, "_embedded.rules", "with expand rules"}),
		endpoints: []abi.Endpoint{getPolicies},
		pages:     listPolicies,
	},
	{
		name:        "get_policy",
		summary:     "Reads one policy by id, with its rules when include_rules asks for them.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			policyInput,
			{"include_rules", false, `{"type":"boolean","default":false,"description":"puts the policy's rules into it, as its member rules"}`},
		},
		example: `{"policy":"00po1df5wPpmRq0NcwkO","include_rules":true}`,
		key:     "id",
		columns: append(policyColumns[:len(policyColumns):len(policyColumns)],
			column{"rules", abi.JSON, "rules", "with include_rules"}),
		endpoints: []abi.Endpoint{getPolicy, getPolicyRules},
		do:        readPolicy,
	},
	{
		name: "update_policy",
		summary: "Changes a policy by a JSON merge patch (RFC 7396): it is read, merged and written as a whole; its status " +
			"is set by a request of its own. A policy that another client changed meanwhile is rejected; where nothing differs, nothing is written.",
		class:       abi.Privileged,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			policyInput,
			{"patch", true, `{"type":"object","minProperties":1,"description":"members to set; null takes a member away, arrays are replaced as a whole. A new status (ACTIVE or INACTIVE) is a request of its own. Not id, type, system, created, lastUpdated, _links, _embedded"}`},
		},
		example:   `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"Reviewed"}}`,
		key:       "id",
		endpoints: []abi.Endpoint{getPolicy, putPolicy, activatePolicy, deactivatePolicy},
		do:        updatePolicy,
	},
}

var policyColumns = []column{
	{"id", abi.Varchar, "id", "the policy's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", "such as OKTA_SIGN_ON or ACCESS_POLICY"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"description", abi.Varchar, "description", ""},
	{"priority", abi.BigInt, "priority", "the lowest is asked first"},
	{"system", abi.Boolean, "system", "Okta made it"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"resource_type", abi.Varchar, "_embedded.resourceType", "what an access policy is for"},
	{"conditions", abi.JSON, "conditions", "whom it is for"},
	{"settings", abi.JSON, "settings", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

// policyTypes are the types that Okta's OpenAPI document of 2026.06 has. Okta lists one type at a time.
var policyTypes = [...]string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT",
	"POST_AUTH_SESSION", "ENTITY_RISK", "DEVICE_SIGNAL_COLLECTION", "SESSION_VIOLATION_DETECTION", "CLIENT_UPDATE",
	"IDENTITY_CLAIM_SOURCING"}

// policiesOf lists the policies of one type.
func policiesOf(typ string) list {
	return list{
		endpoint: getPolicies.Endpoint,
		keep:     []param{{"expand", "expand"}},
		sheds:    true,
		more:     func(*call) []hostcall.Pair { return []hostcall.Pair{{Name: "type", Value: typ}} },
	}
}

func listPolicies(c *call, at string, limit int) (result, int) {
	w := walk{refused: true, judge: judgePolicies, says: sayPolicies}
	for _, typ := range policyTypes {
		l := policiesOf(typ)
		l.query = []param{{"status", "status"}, {"q", "q"}, {"expand", "expand"}}
		if want := c.str("type"); want == typ {
			return l.page(c, at, limit)
		}
		w.parts = append(w.parts, part{name: typ, list: l})
	}
	return w.page(c, at, limit)
}

// judgePolicies skips a type that the org refuses, whichever way it does that.
func judgePolicies(f failure) verdict {
	switch {
	case !f.first || f.err.Upstream == nil || f.err.Retryable || f.err.Code == notOkta:
	case f.err.Code == "feature", slices.Contains([]int{400, 404, 405, 501}, f.err.Upstream.Status):
		return skipPart
	}
	return stop
}

func sayPolicies(w *jsonval.Writer, t tally) {
	w.Raw("skipped", array(t.skipped, func(l lack) string {
		var w jsonval.Writer
		return w.Str("type", l.of).Str("code", l.code).Str("reason", l.why).String()
	}))
}

func (c *call) policyPath() []hostcall.Pair {
	return []hostcall.Pair{{Name: "policyId", Value: c.str("policy")}}
}

func readPolicy(c *call) result {
	if !c.input.Get("include_rules").True() {
		return (&get{endpoint: getPolicy.Endpoint, path: []blank{{"policyId", "policy"}}, noun: "policy", typ: "Policy"}).run(c)
	}
	policy, _, failed := c.read(hostcall.Request{Endpoint: getPolicy.Endpoint, Path: c.policyPath()}, "Policy", "policy")
	if failed != nil {
		return *failed
	}
	rules, left, failed := c.gather(gathering{
		req: hostcall.Request{Endpoint: getPolicyRules.Endpoint, Path: c.policyPath()}, most: maxPages, what: "rules", typ: "Policy", noun: "policy",
		check: func(resp hostcall.Response) *result {
			if resp.Length <= hostcall.MaxBody {
				return nil
			}
			r := tooManyRules(policy) // and will be, however often it is asked for
			return &r
		},
	})
	switch {
	case failed != nil:
		return *failed
	case left:
		return tooManyRules(policy)
	}
	var w jsonval.Writer
	for k, m := range policy.Members() {
		if k != "rules" {
			w.Raw(k, m.Raw())
		}
	}
	w.Raw("rules", array(rules, jsonval.Value.Raw))
	return result{outcome: abi.Succeeded, output: w.String()}
}

// tooManyRules refuses to put a policy's rules into it.
func tooManyRules(policy jsonval.Value) result {
	return refuse("too_large", "the policy's rules are more than the "+strconv.Itoa(hostcall.MaxBody>>10)+" KiB that this operation can put into a policy: read the policy "+
		`without include_rules, and its rules with list_policies, {"type":`+policy.Get("type").Raw()+`,"expand":"rules"}`)
}

func updatePolicy(c *call) result {
	patch := c.input.Get("patch")
	if refused := wholePolicy.checkPatch(patch); refused != nil {
		return *refused
	}
	aside := append([]string{"status"}, wholePolicy.own...)
	return c.replace(replacement{
		whole: &wholePolicy, path: c.policyPath(),
		same: func(a, b jsonval.Value) bool { return alikeBut(a, b, aside...) },
		gaps: func(now, _ jsonval.Value, by comparison) (all []gap) {
			for _, g := range by(now, patch, "") {
				if g.path != "status" {
					all = append(all, g)
				}
			}
			return all
		},
		merge: func(before jsonval.Value) (string, *result) {
			switch typ := before.Get("type").Str(); typ {
			case "IDP_DISCOVERY", "ENTITY_RISK", "POST_AUTH_SESSION": // https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Policy/
				r := fail(abi.Rejected, "policy_type", "Okta does not let policies of type "+typ+" be replaced: change their rules instead")
				return "", &r
			}
			if refused := ofDefault(before, patch); refused != nil {
				return "", refused
			}
			return mergePatch(before, patch), nil
		},
	})
}

// ofDefault refuses what Okta does not let be changed of the policy that it made: it always comes last, and is always
// ACTIVE (okta/terraform-provider-okta#1319, #2107; its recorded default policies have no link to a lifecycle).
func ofDefault(before, patch jsonval.Value) *result {
	if !before.Get("system").True() {
		return nil
	}
	for _, name := range [...]string{"priority", "status"} {
		if v := patch.Get(name); v.Exists() && !v.Equal(before.Get(name)) {
			r := refuse("default_policy", "this is the policy that Okta made, and its "+name+" is always "+before.Get(name).Raw()+
				": change the other policies of its type instead")
			return &r
		}
	}
	return nil
}
