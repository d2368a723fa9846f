package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readPolicies = []string{"okta.policies.read"}

	getPolicies    = abi.Endpoint{Endpoint: "GET /api/v1/policies", Bucket: "/api/v1", Scopes: readPolicies}
	getPolicy      = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}", Bucket: "/api/v1", Scopes: readPolicies}
	getPolicyRules = abi.Endpoint{Endpoint: "GET /api/v1/policies/{policyId}/rules", Bucket: "/api/v1", Scopes: readPolicies}
	putPolicy      = abi.Endpoint{Endpoint: "PUT /api/v1/policies/{policyId}", Bucket: "/api/v1", Scopes: []string{"okta.policies.manage"}}
)

// policyTypes are those of Okta's document; without one Okta lists nothing.
var policyTypes = []string{"OKTA_SIGN_ON", "PASSWORD", "MFA_ENROLL", "IDP_DISCOVERY", "ACCESS_POLICY", "PROFILE_ENROLLMENT",
	"POST_AUTH_SESSION", "ENTITY_RISK", "DEVICE_SIGNAL_COLLECTION"}

var policyInput = idInput("policy", "the policy's id")

var policyOperations = []operation{
	{
		name:        "list_policies",
		summary:     "Lists policies of one type, or of all. A type that the org does not have is named in skipped.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"type", false, `{"enum":["` + strings.Join(policyTypes, `","`) + `"],"description":"policies of this type alone"}`},
			{"status", false, `{"enum":["ACTIVE","INACTIVE"],"description":"policies of this status alone"}`},
			textInput("q", "255", "part of a name; for types that Okta can search"),
			{"expand", false, `{"enum":["rules"],"description":"puts the rules into the record"}`},
			limitInput, cursorInput,
		},
		example:   `{"type":"PASSWORD"}`,
		key:       "id",
		columns:   policyColumns,
		endpoints: []abi.Endpoint{getPolicies},
		pages:     listPolicies,
	},
	{
		name:        "get_policy",
		summary:     "Reads one policy, with its rules when asked.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{policyInput, boolInput("include_rules", "adds the rules as member rules")},
		example:     `{"policy":"00p1abcdefGHIJKLMN01"}`,
		key:         "id",
		columns:     append(policyColumns[:len(policyColumns):len(policyColumns)], column{"rules", abi.JSON, "rules", "with include_rules"}),
		endpoints:   []abi.Endpoint{getPolicy, getPolicyRules},
		do:          readPolicy,
	},
	{
		name: "update_policy",
		summary: "Changes a policy by a JSON merge patch (RFC 7396): what it does not name stays. What is so already stays " +
			"unchanged.",
		class:       abi.Privileged,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			policyInput,
			{"patch", true, `{"type":"object","minProperties":1,"description":"members to set; null removes one"}`},
		},
		example:   `{"policy":"00p1abcdefGHIJKLMN01","patch":{"description":"For everybody"}}`,
		key:       "id",
		endpoints: []abi.Endpoint{getPolicy, putPolicy},
		do:        updatePolicy,
	},
}

var policyColumns = []column{
	{"id", abi.Varchar, "id", "the policy's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", ""},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"description", abi.Varchar, "description", ""},
	{"priority", abi.BigInt, "priority", "1 first"},
	{"system", abi.Boolean, "system", "Okta's own"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"conditions", abi.JSON, "conditions", ""},
	{"settings", abi.JSON, "settings", ""},
	{"embedded", abi.JSON, "_embedded", "the rules, with expand rules"},
	{"links", abi.JSON, "_links", ""},
}

// skip notes a part of a list that cannot be read, and why.
func (c *call) skip(what string, r result) {
	var w jsonval.Writer
	w.Str("what", what).Str("code", r.err.Code)
	if u := r.err.Upstream; u != nil {
		w.Int("status", int64(u.Status)).StrIf("okta_code", u.Code)
	}
	c.skipped = append(c.skipped, w.Str("why", r.err.Message).String())
}

// listPolicies walks the types, one list each.
func listPolicies(c *call, cursor string, limit int) (result, int) {
	v, valid := c.openCursor(cursor)
	if !valid {
		return c.badCursor(), 0
	}
	types := policyTypes
	if t := c.str("type"); t != "" {
		types = []string{t}
	}
	start := int(v.Get("t").Int())
	if start < 0 || start >= len(types) {
		return c.badCursor(), 0
	}
	for i := start; i < len(types); i++ {
		var cur pageCursor
		if i == start {
			cur = cursorOf(v)
		}
		l := list{endpoint: getPolicies.Endpoint, query: []param{{"status", "status"}, {"q", "q"}, {"expand", "expand"}},
			more: func(*call) []hostcall.Pair { return at("type", types[i]) }, keep: []param{{"expand", "expand"}}}
		r, next, n := l.read(c, cur, limit)
		switch last := i+1 == len(types); {
		case r.outcome == abi.Rejected && len(types) > 1 && unavailableHere(r):
			c.skip(types[i], r)
			continue
		case r.outcome != abi.Succeeded:
			return r, n
		case next != nil:
			r.cursor = typeCursor(c, i, *next)
		case n == 0 && !last:
			continue
		case !last:
			r.cursor = typeCursor(c, i+1, pageCursor{})
		}
		return r, n
	}
	return result{outcome: abi.Succeeded, list: true}, 0
}

func typeCursor(c *call, i int, cur pageCursor) string {
	return c.sealCursor(func(w *jsonval.Writer) { w.IntIf("t", int64(i)); cur.members(w) })
}

// unavailableHere reports whether a refusal means that the org does not have what was asked for.
func unavailableHere(r result) bool {
	return r.err.Upstream != nil && (r.err.Upstream.Status == 400 || r.err.Upstream.Status == 404 || r.err.Code == "feature")
}

func (c *call) policy(id string) (object, *result) {
	return c.read(hostcall.Request{Endpoint: getPolicy.Endpoint, Path: at("policyId", id)}, "Policy", "policy")
}

func readPolicy(c *call) result {
	id := c.str("policy")
	if !c.input.Get("include_rules").True() {
		return (&get{endpoint: getPolicy.Endpoint, path: []blank{{"policyId", "policy"}}, noun: "policy", typ: "Policy"}).run(c)
	}
	p, failed := c.policy(id)
	if failed != nil {
		return *failed
	}
	resp := c.send(hostcall.Request{Endpoint: getPolicyRules.Endpoint, Path: at("policyId", id)})
	rules, isJSON := c.Body(resp)
	switch {
	case !ok(resp):
		return c.failure(resp, "Policy", "policy")
	case !isJSON || rules.Kind() != jsonval.Array:
		return badBody(resp, "no list of rules")
	}
	return result{outcome: abi.Succeeded, output: strings.TrimSuffix(p.Raw(), "}") + `,"rules":` + rules.Raw() + "}"}
}

// readOnlyMembers are what Okta sets itself and refuses, or ignores, in a PUT.
var readOnlyMembers = []string{"id", "created", "lastUpdated", "system", "_links", "_embedded"}

// replacement is a PUT resource with a patch: what to send, and whether that differs from what is there.
func replacement(now jsonval.Value, patch jsonval.Value) (body jsonval.Value, differs bool) {
	before := without(now, readOnlyMembers...)
	body = patched(before, patch)
	return body, !withoutNulls(body).Equal(withoutNulls(before))
}

// patchesReadOnly names a member of the patch that nobody can set.
func patchesReadOnly(patch jsonval.Value, also ...string) *result {
	for k := range patch.Members() {
		for _, name := range append(also, readOnlyMembers...) {
			if k == name {
				r := fail(abi.Invalid, "read_only", k+" cannot be set: leave it out of the patch")
				return &r
			}
		}
	}
	return nil
}

func updatePolicy(c *call) result {
	id, patch := c.str("policy"), c.input.Get("patch")
	if r := patchesReadOnly(patch, "type"); r != nil {
		return *r
	}
	before, failed := c.policy(id)
	if failed != nil {
		return *failed
	}
	body, differs := replacement(before.Value, patch)
	if !differs {
		return result{outcome: abi.Unchanged, output: before.Raw()}
	}
	if r := c.stillAs(before, func() (object, *result) { return c.policy(id) }); r != nil {
		return *r
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: putPolicy.Endpoint, Path: at("policyId", id), Body: body.Raw()},
		typ:     "Policy", noun: "policy",
		what:   "updating policy " + id,
		undone: "the policy was not updated",
		look: looking(func() (object, *result) { return c.policy(id) },
			func(p object) bool { _, differs := replacement(p.Value, patch); return !p.gone && !differs }, func(p object) string { return p.Raw() }),
	})
}

// stillAs reads an object once more right before it is replaced: a PUT would undo what somebody else changed meanwhile,
// and these resources have no ETag.
func (c *call) stillAs(before object, read func() (object, *result)) *result {
	now, failed := read()
	if failed != nil {
		return failed
	}
	if without(now.Value, "_links").Equal(without(before.Value, "_links")) {
		return nil
	}
	r := refuse("changed", "somebody else changed it meanwhile: run it again")
	r.err.Retryable = true
	return &r
}
