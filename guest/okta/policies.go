package okta

import (
	"slices"
	"strconv"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/connector/walk"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getPolicies       = abi.Endpoint{Endpoint: "GET /api/v1/policies", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}, Query: []string{"type", "status", "q", "expand", "sortBy", "limit", "resourceId", "after"}}
	getPolicy         = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}, Query: []string{"expand"}}
	putPolicy         = abi.Endpoint{Endpoint: "PUT /api/v1/policies/{policyId}", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	activatePolicy    = abi.Endpoint{Endpoint: "POST /api/v1/policies/{policyId}/lifecycle/activate", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	deactivatePolicy  = abi.Endpoint{Endpoint: "POST /api/v1/policies/{policyId}/lifecycle/deactivate", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	getPolicyRules    = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}/rules", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}, Query: []string{"limit", "after"}}
	getPolicyMappings = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}/mappings", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}, Query: pageParams}
)

var (
	getPolicyRule        = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}/rules/{ruleId}", Bucket: "/api/v1", Scopes: []string{"okta.policies.read"}}
	activatePolicyRule   = abi.Endpoint{Endpoint: "POST /api/v1/policies/{policyId}/rules/{ruleId}/lifecycle/activate", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
	deactivatePolicyRule = abi.Endpoint{Endpoint: "POST /api/v1/policies/{policyId}/rules/{ruleId}/lifecycle/deactivate", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
)

var policyInput = connector.Input{"policy", true, connector.IDSchema("64", "the policy's id")}

var policyOperations = []connector.Operation{
	{
		Name: "list_policies",
		Summary: "Lists policies of one type, or of all types. Types that the org does not have are skipped, with the reason in " +
			"`skipped`.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"type", false, `{"enum":["ACCESS_POLICY","CLIENT_UPDATE","DEVICE_SIGNAL_COLLECTION","ENTITY_RISK","IDENTITY_CLAIM_SOURCING","IDP_DISCOVERY","MFA_ENROLL","OKTA_SIGN_ON","PASSWORD","POST_AUTH_SESSION","PROFILE_ENROLLMENT","SESSION_VIOLATION_DETECTION"],"description":"only policies of this type; default: all types, one after another"}`},
			{"status", false, `{"enum":["ACTIVE","INACTIVE"],"description":"only policies of this status"}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"prefix of a policy's name"}`},
			{"expand", false, `{"type":"string","minLength":1,"maxLength":255,"description":"details to add to each policy, such as rules"}`},
			connector.LimitInput, connector.CursorInput,
		},
		Example:   `{"type":"OKTA_SIGN_ON"}`,
		Key:       "id",
		Columns:   policyColumns,
		Display:   policyDisplay,
		Endpoints: []*abi.Endpoint{&getPolicies},
		Pages:     listPolicies,
		View:      &abi.View{Name: "policies", Answers: policyAnswers, Comment: "The policies of all types. A condition on type reads the policies of that type only."},
	},
	{
		Name:        "get_policy",
		Summary:     "Reads one policy by id; include_rules adds its rules.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			policyInput,
			{"include_rules", false, `{"type":"boolean","default":false,"description":"adds the policy's rules as member rules"}`},
		},
		Example:   `{"policy":"00po1df5wPpmRq0NcwkO","include_rules":true}`,
		Key:       "id",
		Columns:   policyColumns,
		Display:   policyDisplay,
		Rejects:   "too_large",
		Endpoints: []*abi.Endpoint{&getPolicy, &getPolicyRules},
		Do:        readPolicy,
	},
	{
		Name: "update_policy",
		Summary: "Changes a policy by a JSON merge patch (RFC 7396). The policy is read, merged and replaced; a separate request sets " +
			"its status. A concurrent change is rejected. If nothing differs, nothing is written.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			policyInput,
			{"patch", true, `{"type":"object","minProperties":1,"description":"members to set; null removes one, arrays are replaced as a whole. A separate request sets status (ACTIVE or INACTIVE). Not id, type, system, created, lastUpdated, _links, _embedded"}`},
		},
		Example:   `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"Reviewed"}}`,
		Key:       "id",
		Rejects:   "changed_meanwhile default_policy policy_type",
		Endpoints: []*abi.Endpoint{&getPolicy, &putPolicy, &activatePolicy, &deactivatePolicy},
		Do:        updatePolicy,
	},
	{
		Name: "policy_lifecycle_action",
		Summary: "Activates or deactivates a policy. A policy that has the status is unchanged. " +
			"Okta's default policies are always active.",
		Addition:    true,
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{policyInput, switchInput},
		Example:     `{"policy":"00p8l5ONQvS5VGwfcwkO","action":"deactivate"}`,
		Key:         "id",
		Rejects:     "default_policy",
		Endpoints:   []*abi.Endpoint{&getPolicy, &activatePolicy, &deactivatePolicy},
		Do: func(c *connector.Call) connector.Result {
			return switchObject(c, &wholePolicy, policyPath(c), func(before jsonval.Value) *connector.Result { return checkDefaultPolicy(before, switchPatch(c)) })
		},
	},
	{
		Name: "policy_rule_lifecycle_action",
		Summary: "Activates or deactivates a rule of a policy. A rule that has the status is unchanged. " +
			"A policy's default rule is always active.",
		Addition:    true,
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{policyInput, connector.IDInput("rule", "the rule's id"), switchInput},
		Example:     `{"policy":"00p8l5ONQvS5VGwfcwkO","rule":"0prV6UGF3qEbKuqccwkO","action":"deactivate"}`,
		Key:         "id",
		Rejects:     "default_rule",
		Endpoints:   []*abi.Endpoint{&getPolicyRule, &activatePolicyRule, &deactivatePolicyRule},
		Do:          movePolicyRule,
	},
	{
		Name:        "list_policy_rules",
		Addition:    true,
		Summary:     "Lists the rules of a policy: whom each applies to, and what it allows or requires.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{policyInput},
		Example:     `{"policy":"00po1df5wPpmRq0NcwkO"}`,
		Key:         "id",
		Columns:     policyRuleColumns,
		Display:     "priority name type status system last_updated id",
		Endpoints:   []*abi.Endpoint{&getPolicyRules},
		List:        &connector.List{Endpoint: getPolicyRules.Endpoint, Path: policyBlank, OptionalLimit: true, Noun: "policy", Type: "Policy"},
		View:        &abi.View{Name: "policy_rules", Of: ofPolicies, Comment: "The rules of each policy: a request for each."},
	},
	{
		Name:        "list_policy_mappings",
		Addition:    true,
		Summary:     "Lists what a policy is mapped to, such as the applications of an access policy.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{policyInput},
		Example:     `{"policy":"rstRbPYrn5CYboKucwkO"}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the mapping's id"},
			{"application_link", abi.Varchar, "_links.application.href", "link to the application"},
			{"policy_link", abi.Varchar, "_links.policy.href", "link to the policy"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "id application_link",
		Endpoints: []*abi.Endpoint{&getPolicyMappings},
		List:      &connector.List{Endpoint: getPolicyMappings.Endpoint, Path: policyBlank, Noun: "policy", Type: "Policy"},
		View:      &abi.View{Name: "policy_mappings", Of: ofPolicies, Comment: "What each policy is mapped to: a request for each."},
	},
}

var policyBlank = []connector.Blank{{"policyId", "policy"}}

var policyRuleColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the rule's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", "such as SIGN_ON, PASSWORD or ACCESS_POLICY"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"priority", abi.BigInt, "priority", "the lowest is evaluated first"},
	{"system", abi.Boolean, "system", "created by Okta"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"conditions", abi.JSON, "conditions", "to whom it applies"},
	{"actions", abi.JSON, "actions", "what it allows or requires"},
	{"links", abi.JSON, "_links", ""},
}

// policyDisplay lists the columns that a table for people shows.
const policyDisplay = "name type status priority system description last_updated id"

var policyColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the policy's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", "such as OKTA_SIGN_ON or ACCESS_POLICY"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"description", abi.Varchar, "description", ""},
	{"priority", abi.BigInt, "priority", "the lowest is evaluated first"},
	{"system", abi.Boolean, "system", "created by Okta"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"resource_type", abi.Varchar, "_embedded.resourceType", "what an access policy applies to"},
	{"conditions", abi.JSON, "conditions", "to whom it applies"},
	{"settings", abi.JSON, "settings", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
	{"rules", abi.JSON, "rules|_embedded.rules", "with include_rules, or with expand rules"},
}

// policyAnswers are the requests that select policies.
var policyAnswers = []abi.Answer{
	{Operation: "get_policy", Each: 8, Conditions: []abi.Condition{{Column: "id", Value: "policy"}}},
	{Operation: "list_policies", Each: len(policyTypes), Conditions: []abi.Condition{{Column: "type", Value: "type"}}},
	{Operation: "list_policies", Conditions: []abi.Condition{{Column: "status", Value: "status"}}},
}

// ofPolicies is for views that have a list for each policy.
var ofPolicies = &abi.ViewOf{View: "policies", Column: "id", Input: "policy", As: "policy_id", Match: "^[A-Za-z0-9]{20}$"}

// policyTypes are the types in Okta's OpenAPI document 2026.06. Okta lists one type at a time.
var policyTypes = [...]string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT",
	"POST_AUTH_SESSION", "ENTITY_RISK", "DEVICE_SIGNAL_COLLECTION", "SESSION_VIOLATION_DETECTION", "CLIENT_UPDATE",
	"IDENTITY_CLAIM_SOURCING"}

// policiesOf returns the list of policies of one type.
func policiesOf(typ string) connector.List {
	return connector.List{
		Endpoint:      getPolicies.Endpoint,
		Keep:          []connector.Param{{"expand", "expand"}},
		OptionalLimit: true,
		More:          func(*connector.Call) []hostcall.Pair { return []hostcall.Pair{{Name: "type", Value: typ}} },
	}
}

func listPolicies(c *connector.Call, at string, limit int) (connector.Result, int) {
	w := walk.Walk{Refused: true, Judge: judgePolicies, Report: policiesReport}
	for _, typ := range policyTypes {
		l := policiesOf(typ)
		l.Query = []connector.Param{{"status", "status"}, {"q", "q"}, {"expand", "expand"}}
		if want := c.Str("type"); want == typ {
			return l.ReadPage(c, at, limit)
		}
		w.Parts = append(w.Parts, walk.Part{Name: typ, List: l})
	}
	return w.ReadPage(c, at, limit)
}

// judgePolicies skips a type that the org rejects, in any of Okta's forms.
func judgePolicies(f walk.PartFailure) walk.Verdict {
	switch {
	case !f.First || f.Err.Upstream == nil || f.Err.Retryable || f.Err.Code == notOkta:
	case f.Err.Code == "feature", slices.Contains([]int{400, 404, 405, 501}, f.Err.Upstream.Status):
		return walk.SkipPart
	}
	return walk.Stop
}

func policiesReport(w *jsonval.Writer, t walk.Tally) {
	w.Raw("skipped", texts.JSONArray(t.Skipped, func(l walk.Lack) string {
		var w jsonval.Writer
		return w.Str("type", l.Of).Str("code", l.Code).Str("reason", l.Why).String()
	}))
}

//go:noinline
func policyPath(c *connector.Call) []hostcall.Pair {
	return []hostcall.Pair{{Name: "policyId", Value: c.Str("policy")}}
}

func readPolicy(c *connector.Call) connector.Result {
	if !c.Input.Get("include_rules").True() {
		return (&connector.Get{Endpoint: getPolicy.Endpoint, Path: []connector.Blank{{"policyId", "policy"}}, Noun: "policy", Type: "Policy"}).Run(c)
	}
	policy, _, failed := c.Read(hostcall.Request{Endpoint: getPolicy.Endpoint, Path: policyPath(c)}, "Policy", "policy")
	if failed != nil {
		return *failed
	}
	rules, left, failed := c.Gather(connector.Gathering{
		Request: hostcall.Request{Endpoint: getPolicyRules.Endpoint, Path: policyPath(c)}, Most: connector.MaxPages, What: "rules", Type: "Policy", Noun: "policy",
		Check: func(resp hostcall.Response) *connector.Result {
			if resp.Length <= hostcall.MaxBody {
				return nil
			}
			r := tooManyRules(policy) // a retry gives the same
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
	w.Raw("rules", texts.JSONArray(rules, jsonval.Value.Raw))
	return connector.Result{Outcome: abi.Succeeded, Output: w.String()}
}

// tooManyRules refuses to add a policy's rules because they are too large.
func tooManyRules(policy jsonval.Value) connector.Result {
	return connector.Refuse("too_large", "the policy's rules exceed the "+strconv.Itoa(hostcall.MaxBody>>10)+" KiB that this operation can add: read the policy "+
		`without include_rules, and its rules with list_policies, {"type":`+policy.Get("type").Raw()+`,"expand":"rules"}`)
}

func updatePolicy(c *connector.Call) connector.Result {
	patch := c.Input.Get("patch")
	if refused := wholePolicy.CheckPatch(patch); refused != nil {
		return *refused
	}
	aside := append([]string{"status"}, wholePolicy.Own...)
	return replace.Do(c, replace.Replacement{
		Whole: &wholePolicy, Path: policyPath(c),
		Same: func(a, b jsonval.Value) bool { return compare.AlikeBut(a, b, aside...) },
		Gaps: func(now, _ jsonval.Value, by compare.Comparison) (all []compare.Gap) {
			for _, g := range by(now, patch, "") {
				if g.Path != "status" {
					all = append(all, g)
				}
			}
			return all
		},
		Merge: func(before jsonval.Value) (string, *connector.Result) {
			switch typ := before.Get("type").Str(); typ {
			case "IDP_DISCOVERY", "ENTITY_RISK", "POST_AUTH_SESSION": // https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Policy/
				r := connector.Fail(abi.Rejected, "policy_type", "Okta does not replace policies of type "+typ+": change their rules instead")
				return "", &r
			}
			if refused := checkDefaultPolicy(before, patch); refused != nil {
				return "", refused
			}
			return compare.MergePatch(before, patch), nil
		},
	})
}

// checkDefaultPolicy refuses a change of the default policy that Okta would reject or ignore. The default policy is
// always last and ACTIVE (okta/terraform-provider-okta#1319, #2107; its recorded default policies have no lifecycle
// link).
func checkDefaultPolicy(before, patch jsonval.Value) *connector.Result {
	if !before.Get("system").True() {
		return nil
	}
	for _, name := range [...]string{"priority", "status"} {
		if v := patch.Get(name); v.Exists() && !v.Equal(before.Get(name)) {
			r := connector.Refuse("default_policy", "this is Okta's default policy, whose "+name+" is always "+before.Get(name).Raw()+
				": change the other policies of its type instead")
			return &r
		}
	}
	return nil
}

// movePolicyRule sets a rule's status. Okta's 404 says whether the rule is missing or its policy.
func movePolicyRule(c *connector.Call) connector.Result {
	path := append(policyPath(c), hostcall.Pair{Name: "ruleId", Value: c.Str("rule")})
	r := switchObject(c, &wholePolicyRule, path, func(before jsonval.Value) *connector.Result {
		if !before.Get("system").True() || c.Str("action") == "activate" {
			return nil
		}
		r := connector.Refuse("default_rule", "this is the policy's default rule, which is always ACTIVE: change the policy's other rules instead")
		return &r
	})
	if r.Outcome == abi.Rejected && r.Err.Upstream != nil && missingType(*r.Err.Upstream, "Policy") {
		r.Outcome, r.Err.Code = abi.NotFound, string(abi.NotFound)
	}
	return r
}
