package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// policyEndpoints serves the policies of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Policy/.
func policyEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/policies", bucket: "/api/v1", handle: listPolicies},
		{pattern: "GET /api/v1/policies/{policyId}", bucket: "/api/v1", handle: getPolicy},
		{pattern: "PUT /api/v1/policies/{policyId}", bucket: "/api/v1", handle: replacePolicy},
		{pattern: "POST /api/v1/policies/{policyId}/lifecycle/activate", bucket: "/api/v1", handle: activatePolicy},
		{pattern: "POST /api/v1/policies/{policyId}/lifecycle/deactivate", bucket: "/api/v1", handle: deactivatePolicy},
		{pattern: "GET /api/v1/policies/{policyId}/rules", bucket: "/api/v1", handle: listPolicyRules},
		{pattern: "GET /api/v1/policies/{policyId}/rules/{ruleId}", bucket: "/api/v1", handle: getPolicyRule},
		{pattern: "POST /api/v1/policies/{policyId}/rules/{ruleId}/lifecycle/activate", bucket: "/api/v1", handle: activatePolicyRule},
		{pattern: "POST /api/v1/policies/{policyId}/rules/{ruleId}/lifecycle/deactivate", bucket: "/api/v1", handle: deactivatePolicyRule},
		{pattern: "GET /api/v1/policies/{policyId}/mappings", bucket: "/api/v1", handle: listPolicyMappings},
	}
}

// policyTypes are the types of the simulated org, and those of Identity Engine only.
var (
	policyTypes       = []string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY"}
	enginePolicyTypes = []string{"ACCESS_POLICY", "PROFILE_ENROLLMENT"}
)

type policy struct {
	id                   string
	kind                 string
	system               bool
	inactive             bool
	priority             int    // from 1 in each type; the default policy is last
	body                 []byte // a JSON object of the members that a PUT can change, except priority
	created, lastUpdated millis
	rules                []*policyRule
}

// catchAll is the name of the last rule of an Identity Engine policy, which has no conditions.
const catchAll = "Catch-all Rule"

type policyRule struct {
	id, name, kind       string
	actions              string
	custom               bool // an administrator created it; any other is the policy's default rule
	inactive             bool
	created, lastUpdated millis
}

func (r *policyRule) target() target { return target{r.id, "PolicyRule", "unknown", r.name} }

func (o *Org) seedPolicies() {
	started := millisOf(o.started) / 1000 * 1000
	everyone := ""
	if len(o.groups.all) > 0 {
		everyone = o.groups.all[0].id
	}
	people := `"people":{"groups":{"include":[` + quote(everyone) + `]}}`
	const fallback = `"name":"Default Policy","description":"The default policy applies in all situations if no other policy applies."`
	for i, p := range []struct {
		kind     string
		system   bool
		priority int
		body     string
		rule     policyRule
	}{
		{"OKTA_SIGN_ON", true, 2, `{` + fallback + `,"conditions":{` + people + `}}`,
			policyRule{name: "Default Rule", kind: "SIGN_ON", actions: `{"signon":{"access":"ALLOW","requireFactor":false,"rememberDeviceByDefault":false,"session":{"usePersistentCookie":false,"maxSessionIdleMinutes":120,"maxSessionLifetimeMinutes":0}}}`}},
		{"OKTA_SIGN_ON", false, 1, `{"name":"Contractors","description":"Sign in from the offices alone","conditions":{` + people + `}}`,
			policyRule{name: "With a second factor", kind: "SIGN_ON", custom: true, actions: `{"signon":{"access":"ALLOW","requireFactor":true,"factorPromptMode":"ALWAYS","rememberDeviceByDefault":false,"session":{"usePersistentCookie":false,"maxSessionIdleMinutes":60,"maxSessionLifetimeMinutes":480}}}`}},
		{"PASSWORD", true, 1, `{` + fallback + `,"conditions":{` + people + `,"authProvider":{"provider":"OKTA"}},"settings":` + seededPasswordSettings + `}`,
			policyRule{name: "Default Rule", kind: "PASSWORD", actions: `{"passwordChange":{"access":"ALLOW"},"selfServicePasswordReset":{"access":"ALLOW"},"selfServiceUnlock":{"access":"DENY"}}`}},
		{"MFA_ENROLL", true, 1, `{` + fallback + `,"conditions":{` + people + `},"settings":` + o.seededEnrollment() + `}`,
			policyRule{name: "Default Rule", kind: "MFA_ENROLL", actions: `{"enroll":{"self":"CHALLENGE"}}`}},
		{"IDP_DISCOVERY", true, 1, `{"name":"Idp Discovery Policy","description":null,"conditions":null}`,
			policyRule{name: "Default Rule", kind: "IDP_DISCOVERY", actions: `{"idp":{"providers":[{"type":"OKTA"}]}}`}},
		{"ACCESS_POLICY", true, 1, `{"name":"Okta Admin Console","description":null,"conditions":null}`,
			policyRule{name: catchAll, kind: "ACCESS_POLICY", actions: `{"appSignOn":{"access":"ALLOW","verificationMethod":{"factorMode":"2FA","type":"ASSURANCE","reauthenticateIn":"PT2H","constraints":[]}}}`}},
		{"PROFILE_ENROLLMENT", true, 1, `{"name":"Default Policy","description":"Default policy","conditions":null}`,
			policyRule{name: catchAll, kind: "PROFILE_ENROLLMENT", actions: `{"profileEnrollment":{"access":"DENY","unknownUserAction":"DENY","activationRequirements":{"emailVerification":true}}}`}},
	} {
		if slices.Contains(enginePolicyTypes, p.kind) && o.cfg.Engine != "idx" {
			continue
		}
		prefix := "00p"
		if slices.Contains(enginePolicyTypes, p.kind) {
			prefix = "rst"
		}
		next := &policy{id: o.ids.seeded(prefix, domainPolicy, i), kind: p.kind, system: p.system, priority: p.priority, body: []byte(p.body),
			created: started - day*millis(1000-i), lastUpdated: started - day*millis(100-i)}
		if p.rule.name != "" {
			p.rule.id = o.ids.seeded("0pr", domainPolicyRule, i)
			p.rule.created, p.rule.lastUpdated = next.created, next.lastUpdated
			next.rules = append(next.rules, &p.rule)
		}
		o.policies = append(o.policies, next)
	}
}

func (p *policy) status() string {
	if p.inactive {
		return inactive
	}
	return active
}

func (p *policy) name() string { return gjson.GetBytes(p.body, "name").Str }

func (p *policy) target() target { return target{p.id, "PolicyEntity", "unknown", p.name()} }

// appendPolicy renders p. Its links are as recorded: the default policy has neither DELETE nor a lifecycle
// (okta/terraform-provider-okta, fixtures TestAccDataSourceOktaDefaultPolicy_readPasswordPolicy and
// PolicyPassword_crud).
func appendPolicy(buf []byte, p *policy, origin string) []byte {
	buf = appendField(append(buf, '{'), "type", p.kind)
	buf = appendField(buf, "id", p.id)
	buf = appendField(buf, "status", p.status())
	gjson.ParseBytes(p.body).ForEach(func(k, v gjson.Result) bool {
		if v.Type != gjson.Null || k.Str == "conditions" {
			buf = appendRaw(buf, k.Str, []byte(v.Raw))
		}
		return true
	})
	buf = strconv.AppendInt(appendKey(buf, "priority"), int64(p.priority), 10)
	buf = appendBool(buf, "system", p.system)
	buf = appendTime(buf, "created", p.created)
	buf = appendTime(buf, "lastUpdated", p.lastUpdated)
	self := "/api/v1/policies/" + p.id
	buf = append(appendKey(buf, "_links"), '{')
	if p.system {
		buf = appendAllowed(buf, "self", origin, self, "GET", "PUT")
	} else {
		step := "deactivate"
		if p.inactive {
			step = "activate"
		}
		buf = appendAllowed(buf, "self", origin, self, "GET", "PUT", "DELETE")
		buf = appendAllowed(buf, step, origin, self+"/lifecycle/"+step, "POST")
	}
	return append(appendAllowed(buf, "rules", origin, self+"/rules", "GET", "POST"), "}}"...)
}

// listPolicies lists one type, which the request must name. Recorded responses have a self link.
func listPolicies(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	kind := query.Get("type")
	switch {
	case kind == "":
		return answer{}, missingParameter("type")
	case slices.Contains(enginePolicyTypes, kind) && o.cfg.Engine != "idx":
		return answer{}, errNoFeature
	case !slices.Contains(policyTypes, kind) && !slices.Contains(enginePolicyTypes, kind):
		return answer{}, invalid("type", "type: Invalid policy type specified")
	}
	p, err := o.openPage(c, "policies:"+kind, pageGroups, pageGroups)
	if err != nil {
		return answer{}, err
	}
	q := strings.ToLower(query.Get("q"))
	for i := p.start; i < len(o.policies); i++ {
		one := o.policies[i]
		if one.kind != kind || query.Get("status") != "" && one.status() != query.Get("status") ||
			!strings.Contains(strings.ToLower(one.name()), q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendPolicy(p.buf, one, c.origin)
	}
	return p.answer(), nil
}

func (o *Org) findPolicy(c *call) (*policy, error) {
	id := c.PathValue("policyId")
	for _, p := range o.policies {
		if p.id == id {
			return p, nil
		}
	}
	return nil, notFound(id, "Policy")
}

func getPolicy(o *Org, c *call) (answer, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return answer{}, err
	}
	return answer{body: appendPolicy(nil, p, c.origin)}, nil
}

// replacePolicy replaces the whole policy, as far as Okta allows it:
//   - status is ignored, and the answer has the old one. Recorded: okta/terraform-provider-okta, fixtures
//     TestAccResourceOktaPolicyPassword_crud #12 (PUT, sent INACTIVE, got ACTIVE) to #14.
//   - The priority of the default policy is read-only: 403 E0000077, terraform-provider-okta#1319, #2107, #2804. Its
//     present value may be sent.
//   - Another policy's priority moves it among those of its type. An absent or too large one puts it last, before the
//     default policy: the provider's documentation of okta_policy_password.
//   - Policies of type IDP_DISCOVERY cannot be replaced: Okta's OpenAPI document, type of Policy. The code is a guess.
//
// That the default policy's name cannot change is a guess.
func replacePolicy(o *Org, c *call) (answer, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return answer{}, err
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	priority := body.Get("priority")
	switch {
	case body.Get("type").Str != p.kind:
		return answer{}, invalid("type", "type: The policy type cannot be changed")
	case p.kind == "IDP_DISCOVERY":
		return answer{}, invalid("type", "type: Policies of type IDP_DISCOVERY cannot be replaced")
	case strings.TrimSpace(body.Get("name").Str) == "":
		return answer{}, invalid("name", "name: The field cannot be left blank")
	case p.system && body.Get("name").Str != p.name():
		return answer{}, invalid("name", "name: The name of a system policy cannot be changed")
	case priority.Exists() && (priority.Type != gjson.Number || priority.Num < 1):
		return answer{}, invalid("priority", "priority: must be a number above 0")
	case p.system && priority.Exists() && priority.Int() != int64(p.priority):
		return answer{}, readOnly("priority")
	}
	next := []byte(`{}`)
	for _, field := range []string{"name", "description", "conditions", "settings"} {
		v := body.Get(field)
		raw := v.Raw
		if field == "settings" && p.kind == "MFA_ENROLL" {
			if raw, err = o.enrollmentOf(v); err != nil {
				return answer{}, err
			}
		} else if !v.Exists() {
			if field != "conditions" {
				continue
			}
			raw = "null"
		}
		if next, err = sjson.SetRawBytes(next, field, []byte(raw)); err != nil {
			return answer{}, errMalformed
		}
	}
	moved := !p.system && o.reprioritize(p, int(priority.Int()))
	if moved || string(next) != string(p.body) {
		p.body, p.lastUpdated = next, millisOf(c.now)
		o.emit(c, "policy.lifecycle.update", "Update policy", p.target())
	}
	return answer{status: http.StatusOK, body: appendPolicy(nil, p, c.origin)}, nil
}

func readOnly(attribute string) *apiError {
	return &apiError{http.StatusForbidden, "E0000077", "Cannot modify the " + attribute + " attribute because it is read-only.", nil}
}

// reprioritize moves p to a place among the policies of its type, from 1. 0 or too large a place means last. It reports
// whether p moved.
func (o *Org) reprioritize(p *policy, place int) bool {
	var others []*policy
	for _, other := range o.policies {
		if other.kind == p.kind && !other.system && other != p {
			others = append(others, other)
		}
	}
	slices.SortFunc(others, func(a, b *policy) int { return a.priority - b.priority })
	if place == 0 || place > len(others)+1 {
		place = len(others) + 1
	}
	if place == p.priority {
		return false
	}
	for i, other := range slices.Insert(others, place-1, p) {
		other.priority = i + 1
	}
	return true
}

func activatePolicy(o *Org, c *call) (answer, error) { return o.switchPolicy(c, false) }

func deactivatePolicy(o *Org, c *call) (answer, error) { return o.switchPolicy(c, true) }

// switchPolicy sets a policy's status; nothing else does. POST …/lifecycle/deactivate is recorded as 204
// (TestAccResourceOktaPolicyPassword_crud #13). The same response to a repeat is inferred from zones, where it is
// recorded. The default policy is always active, as its links show; the code of the refusal is a guess.
func (o *Org) switchPolicy(c *call, off bool) (answer, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return answer{}, err
	}
	if p.system {
		return answer{}, readOnly("status")
	}
	if p.inactive != off {
		p.inactive, p.lastUpdated = off, millisOf(c.now)
		if off {
			o.emit(c, "policy.lifecycle.deactivate", "Deactivate policy", p.target())
		} else {
			o.emit(c, "policy.lifecycle.activate", "Activate policy", p.target())
		}
	}
	return answer{status: http.StatusNoContent}, nil
}

// listPolicyMappings returns the applications of an access policy, as in Okta's OpenAPI document, PolicyMapping. The
// applications of the org have the only access policy. Other policies have none.
func listPolicyMappings(o *Org, c *call) (answer, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return answer{}, err
	}
	buf := []byte{'['}
	self := "/api/v1/policies/" + p.id
	for i, a := range o.apps {
		if p.kind != "ACCESS_POLICY" {
			break
		}
		if i > 0 {
			buf = append(buf, ',')
		}
		id := o.ids.seeded("rsm", domainPolicyMapping, i)
		buf = append(appendKey(appendField(append(buf, '{'), "id", id), "_links"), '{')
		buf = appendAllowed(buf, "self", c.origin, self+"/mappings/"+id, "GET", "DELETE")
		buf = appendAllowed(buf, "application", c.origin, "/api/v1/apps/"+a.id, "GET")
		buf = append(appendAllowed(buf, "policy", c.origin, self, "GET"), "}}"...)
	}
	return answer{body: append(buf, ']')}, nil
}

func listPolicyRules(o *Org, c *call) (answer, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return answer{}, err
	}
	buf := []byte{'['}
	for i, r := range p.rules {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendPolicyRule(buf, p, r, c.origin)
	}
	return answer{body: append(buf, ']')}, nil
}

// appendPolicyRule renders r. The default rule has no lifecycle link, as the default policy.
func appendPolicyRule(buf []byte, p *policy, r *policyRule, origin string) []byte {
	status, step := active, "deactivate"
	if r.inactive {
		status, step = inactive, "activate"
	}
	buf = appendField(append(buf, '{'), "id", r.id)
	buf = appendField(buf, "status", status)
	buf = appendField(buf, "name", r.name)
	buf = append(appendKey(buf, "priority"), '1')
	buf = appendTime(buf, "created", r.created)
	buf = appendTime(buf, "lastUpdated", r.lastUpdated)
	buf = appendBool(buf, "system", !r.custom)
	conditions := `{"people":{"users":{"exclude":[]}},"network":{"connection":"ANYWHERE"}}`
	if r.name == catchAll { // recorded
		conditions = "null"
	}
	buf = append(appendKey(buf, "conditions"), conditions...)
	buf = appendRaw(buf, "actions", []byte(r.actions))
	buf = append(appendKey(buf, "_links"), '{')
	self := "/api/v1/policies/" + p.id + "/rules/" + r.id
	if r.custom {
		buf = appendAllowed(buf, "self", origin, self, "GET", "PUT", "DELETE")
		buf = appendAllowed(buf, step, origin, self+"/lifecycle/"+step, "POST")
	} else {
		buf = appendAllowed(buf, "self", origin, self, "GET", "PUT")
	}
	buf = append(buf, '}')
	return append(appendField(buf, "type", r.kind), '}')
}

func (o *Org) findPolicyRule(c *call) (*policy, *policyRule, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return nil, nil, err
	}
	id := c.PathValue("ruleId")
	for _, r := range p.rules {
		if r.id == id {
			return p, r, nil
		}
	}
	return nil, nil, notFound(id, "PolicyRule")
}

func getPolicyRule(o *Org, c *call) (answer, error) {
	p, r, err := o.findPolicyRule(c)
	if err != nil {
		return answer{}, err
	}
	return answer{body: appendPolicyRule(nil, p, r, c.origin)}, nil
}

func activatePolicyRule(o *Org, c *call) (answer, error) { return o.switchPolicyRule(c, false) }

func deactivatePolicyRule(o *Org, c *call) (answer, error) { return o.switchPolicyRule(c, true) }

// switchPolicyRule sets a rule's status. The response to a repeat is inferred from zones, and the refusal of the default
// rule from the default policy.
func (o *Org) switchPolicyRule(c *call, off bool) (answer, error) {
	_, r, err := o.findPolicyRule(c)
	if err != nil {
		return answer{}, err
	}
	if !r.custom && off {
		return answer{}, readOnly("status")
	}
	if r.inactive != off {
		r.inactive, r.lastUpdated = off, millisOf(c.now)
		if off {
			o.emit(c, "policy.rule.deactivate", "Deactivate policy rule", r.target())
		} else {
			o.emit(c, "policy.rule.activate", "Activate policy rule", r.target())
		}
	}
	return answer{status: http.StatusNoContent}, nil
}

// Policies returns all policies of every type as in GET /api/v1/policies.
func (o *Org) Policies() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, p := range o.policies {
		all = append(all, appendPolicy(nil, p, o.cfg.PublicURL))
	}
	return all
}

// PolicyRules returns the rules of a policy as in GET /api/v1/policies/{policyId}/rules.
func (o *Org) PolicyRules(policy string) []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, p := range o.policies {
		if p.id == policy {
			for _, r := range p.rules {
				all = append(all, appendPolicyRule(nil, p, r, o.cfg.PublicURL))
			}
		}
	}
	return all
}
