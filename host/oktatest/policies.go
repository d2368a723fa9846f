package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// policyEndpoints are the policies of https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Policy/.
func policyEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/policies", bucket: "/api/v1", handle: listPolicies},
		{pattern: "GET /api/v1/policies/{policyId}", bucket: "/api/v1", handle: getPolicy},
		{pattern: "PUT /api/v1/policies/{policyId}", bucket: "/api/v1", handle: replacePolicy},
		{pattern: "GET /api/v1/policies/{policyId}/rules", bucket: "/api/v1", handle: listPolicyRules},
	}
}

// policyTypes are the types that the simulated org has, and those that only an Identity Engine org has.
var (
	policyTypes       = []string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY"}
	enginePolicyTypes = []string{"ACCESS_POLICY", "PROFILE_ENROLLMENT"}
)

type policy struct {
	id                   string
	kind                 string
	system               bool
	body                 []byte // a JSON object of what a PUT can change
	created, lastUpdated millis
	rules                []policyRule
}

type policyRule struct {
	id, name, kind string
	actions        string
}

func (o *Org) seedPolicies() {
	started := millisOf(o.started) / 1000 * 1000
	everyone := ""
	if len(o.groups.all) > 0 {
		everyone = o.groups.all[0].id
	}
	people := `{"people":{"groups":{"include":[` + quote(everyone) + `]}}}`
	for i, p := range []struct {
		kind   string
		system bool
		body   string
		rule   policyRule
	}{
		{"OKTA_SIGN_ON", true, `{"status":"ACTIVE","name":"Default Policy","description":"The default policy applies in all situations if no other policy applies.","priority":1,"conditions":` + people + `}`,
			policyRule{name: "Default Rule", kind: "SIGN_ON", actions: `{"signon":{"access":"ALLOW","requireFactor":false,"rememberDeviceByDefault":false,"session":{"usePersistentCookie":false,"maxSessionIdleMinutes":120,"maxSessionLifetimeMinutes":0}}}`}},
		{"OKTA_SIGN_ON", false, `{"status":"ACTIVE","name":"Contractors","description":"Sign in from the offices alone","priority":2,"conditions":` + people + `}`, policyRule{}},
		{"PASSWORD", true, `{"status":"ACTIVE","name":"Default Policy","description":"The default policy applies in all situations if no other policy applies.","priority":1,"conditions":{"people":{"groups":{"include":[` + quote(everyone) + `]}},"authProvider":{"provider":"OKTA"}},"settings":{"password":{"complexity":{"minLength":12,"minLowerCase":1,"minUpperCase":1,"minNumber":1,"minSymbol":0,"excludeUsername":true},"age":{"maxAgeDays":0,"expireWarnDays":0,"minAgeMinutes":0,"historyCount":4},"lockout":{"maxAttempts":10,"autoUnlockMinutes":0,"showLockoutFailures":false}}}}`,
			policyRule{name: "Default Rule", kind: "PASSWORD", actions: `{"passwordChange":{"access":"ALLOW"},"selfServicePasswordReset":{"access":"ALLOW"},"selfServiceUnlock":{"access":"DENY"}}`}},
		{"MFA_ENROLL", true, `{"status":"ACTIVE","name":"Default Policy","description":"The default policy applies in all situations if no other policy applies.","priority":1,"conditions":` + people + `}`, policyRule{}},
		{"IDP_DISCOVERY", true, `{"status":"ACTIVE","name":"Idp Discovery Policy","description":null,"priority":1,"conditions":null}`, policyRule{}},
		{"ACCESS_POLICY", true, `{"status":"ACTIVE","name":"Okta Admin Console","description":null,"priority":1,"conditions":null}`, policyRule{}},
		{"PROFILE_ENROLLMENT", true, `{"status":"ACTIVE","name":"Default Policy","description":"Default policy","priority":1,"conditions":null}`, policyRule{}},
	} {
		if slices.Contains(enginePolicyTypes, p.kind) && o.cfg.Engine != "idx" {
			continue
		}
		prefix := "00p"
		if slices.Contains(enginePolicyTypes, p.kind) {
			prefix = "rst"
		}
		next := &policy{id: o.ids.seeded(prefix, domainPolicy, i), kind: p.kind, system: p.system, body: []byte(p.body),
			created: started - day*millis(1000-i), lastUpdated: started - day*millis(100-i)}
		if p.rule.name != "" {
			p.rule.id = o.ids.seeded("0pr", domainPolicyRule, i)
			next.rules = append(next.rules, p.rule)
		}
		o.policies = append(o.policies, next)
	}
}

func appendPolicy(buf []byte, p *policy, origin string) []byte {
	buf = appendField(append(buf, '{'), "type", p.kind)
	buf = appendField(buf, "id", p.id)
	gjson.ParseBytes(p.body).ForEach(func(k, v gjson.Result) bool {
		if v.Type != gjson.Null || k.Str == "conditions" {
			buf = appendRaw(buf, k.Str, []byte(v.Raw))
		}
		return true
	})
	buf = appendBool(buf, "system", p.system)
	buf = appendTime(buf, "created", p.created)
	buf = appendTime(buf, "lastUpdated", p.lastUpdated)
	self := "/api/v1/policies/" + p.id
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendAllowed(buf, "self", origin, self, "GET", "PUT")
	return append(appendAllowed(buf, "rules", origin, self+"/rules", "GET", "POST"), "}}"...)
}

// listPolicies answers one type, which must be named. Recorded answers carry a self link.
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
		if one.kind != kind || query.Get("status") != "" && gjson.GetBytes(one.body, "status").Str != query.Get("status") ||
			!strings.Contains(strings.ToLower(gjson.GetBytes(one.body, "name").Str), q) {
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

// replacePolicy takes the whole policy. The name of Okta's own cannot be changed.
func replacePolicy(o *Org, c *call) (answer, error) {
	p, err := o.findPolicy(c)
	if err != nil {
		return answer{}, err
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	name := gjson.GetBytes(p.body, "name").Str
	switch {
	case body.Get("type").Str != p.kind:
		return answer{}, invalid("type", "type: The policy type cannot be changed")
	case strings.TrimSpace(body.Get("name").Str) == "":
		return answer{}, invalid("name", "name: The field cannot be left blank")
	case p.system && body.Get("name").Str != name:
		return answer{}, invalid("name", "name: The name of a system policy cannot be changed")
	}
	next := []byte(`{}`)
	for _, field := range []string{"status", "name", "description", "priority", "conditions", "settings"} {
		v := body.Get(field)
		raw := v.Raw
		if !v.Exists() {
			if field != "conditions" && field != "status" && field != "priority" {
				continue
			}
			if raw = "null"; field != "conditions" {
				raw = gjson.GetBytes(p.body, field).Raw
			}
		}
		if next, err = sjson.SetRawBytes(next, field, []byte(raw)); err != nil {
			return answer{}, errMalformed
		}
	}
	if string(next) != string(p.body) {
		p.body, p.lastUpdated = next, millisOf(c.now)
		o.emit(c, "policy.lifecycle.update", "Update policy", target{p.id, "PolicyEntity", "unknown", name})
	}
	return answer{status: http.StatusOK, body: appendPolicy(nil, p, c.origin)}, nil
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
		buf = appendField(append(buf, '{'), "id", r.id)
		buf = appendField(buf, "status", active)
		buf = appendField(buf, "name", r.name)
		buf = append(appendKey(buf, "priority"), '1')
		buf = appendTime(buf, "created", p.created)
		buf = appendTime(buf, "lastUpdated", p.lastUpdated)
		buf = appendBool(buf, "system", true)
		buf = append(appendKey(buf, "conditions"), `{"people":{"users":{"exclude":[]}},"network":{"connection":"ANYWHERE"}}`...)
		buf = appendRaw(buf, "actions", []byte(r.actions))
		buf = append(appendKey(buf, "_links"), '{')
		buf = appendAllowed(buf, "self", c.origin, "/api/v1/policies/"+p.id+"/rules/"+r.id, "GET", "PUT")
		buf = append(buf, '}')
		buf = append(appendField(buf, "type", r.kind), '}')
	}
	return answer{body: append(buf, ']')}, nil
}

// Policies are all policies as GET /api/v1/policies answers them, of every type.
func (o *Org) Policies() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, p := range o.policies {
		all = append(all, appendPolicy(nil, p, o.cfg.PublicURL))
	}
	return all
}
