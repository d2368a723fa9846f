package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// groupRuleEndpoints serves the rules that add users to groups, of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/GroupRule/.
func groupRuleEndpoints() []endpoint {
	const groups = "/api/v1/groups" // the bucket
	all := []endpoint{
		{pattern: "GET /api/v1/groups/rules", bucket: groups, handle: listGroupRules},
		{pattern: "POST /api/v1/groups/rules", bucket: groups, handle: createGroupRule},
		{pattern: "GET /api/v1/groups/rules/{groupRuleId}", bucket: groups, handle: getGroupRule},
		{pattern: "PUT /api/v1/groups/rules/{groupRuleId}", bucket: groups, handle: replaceGroupRule},
		{pattern: "DELETE /api/v1/groups/rules/{groupRuleId}", bucket: groups, handle: deleteGroupRule},
		{pattern: "POST /api/v1/groups/rules/{groupRuleId}/lifecycle/activate", bucket: groups, handle: activateGroupRule},
		{pattern: "POST /api/v1/groups/rules/{groupRuleId}/lifecycle/deactivate", bucket: groups, handle: deactivateGroupRule},
	}
	for i := range all {
		all[i].ahead = true
	}
	return all
}

const (
	pageRules        = 200
	pageRulesDefault = 50
	longestRuleName  = 50
	mostExcluded     = 100 // https://support.okta.com/help/s/article/removing-user-from-exception-list-in-group-rule

	// invalidRule is the status of a rule after one of its groups was deleted. Such a rule can only be read and
	// deleted: https://github.com/okta/terraform-provider-okta/pull/250
	invalidRule = "INVALID"

	ruleLanguage = "urn:okta:expression:1.0"
)

type groupRule struct {
	id, name             string
	status               string // active, inactive, invalidRule
	created, lastUpdated millis
	text                 string
	expression           *ruleExpression
	groups               []string // ids
	excluded             []string // ids of users
}

// groupRuleStore has the rules, and the memberships that they made.
type groupRuleStore struct {
	all  []*groupRule
	made map[membership]*groupRule
}

type membership struct {
	group *group
	user  *user
}

// seedGroupRules creates rules that each add a department to an OKTA_GROUP without roles.
func (o *Org) seedGroupRules() {
	o.rules.made = map[membership]*groupRule{}
	o.hooks.userDeleted = append(o.hooks.userDeleted, func(_ *call, u *user) {
		for _, r := range o.rules.all {
			r.excluded = slices.DeleteFunc(r.excluded, func(id string) bool { return id == u.id })
		}
		for m := range o.rules.made {
			if m.user == u {
				delete(o.rules.made, m)
			}
		}
	})
	o.hooks.groupDeleted = append(o.hooks.groupDeleted, o.invalidateRules)
	created := millisOf(o.started)/1000*1000 - 300*day
	for _, g := range o.groups.all {
		n := len(o.rules.all)
		if n >= o.cfg.GroupRules {
			return
		}
		if g.kind != oktaGroup || len(o.roles.held[principal{principalGroup, g.id}]) > 0 {
			continue
		}
		department := departments[n%len(departments)]
		r := &groupRule{id: o.ids.seeded("0pr", domainGroupRule, n), name: "All of " + department + " in " + g.name(), status: active,
			created: created, lastUpdated: created, text: `user.department=="` + department + `"`, groups: []string{g.id}}
		if len([]rune(r.name)) > longestRuleName {
			r.name = string([]rune(r.name)[:longestRuleName])
		}
		r.expression, _ = parseRule(r.text, o.profile) // the text is valid
		o.rules.all = append(o.rules.all, r)
		for _, u := range o.users.all {
			if r.takes(o, u) && o.join(g, u, g.lastMembershipUpdated) {
				o.rules.made[membership{g, u}] = r
			}
		}
	}
}

func (r *groupRule) target() target { return target{r.id, "Rule", "unknown", r.name} }

// takes reports whether a rule applies to a user.
func (r *groupRule) takes(o *Org, u *user) bool {
	return u.listed() && !slices.Contains(r.excluded, u.id) && r.expression.holds(&ruleFacts{o.profileOf(&u.live), u.groups})
}

// appendGroupRule renders r, as recorded: okta/terraform-provider-okta, fixture TestAccDataSourceOktaGroupRules_read.
func (o *Org) appendGroupRule(buf []byte, r *groupRule, names bool) []byte {
	list := func(key string, ids []string) {
		buf = append(appendKey(buf, key), '[')
		for i, id := range ids {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendString(buf, id)
		}
		buf = append(buf, ']')
	}
	buf = appendField(append(buf, '{'), "type", "group_rule")
	buf = appendField(buf, "id", r.id)
	buf = appendField(buf, "status", r.status)
	buf = appendField(buf, "name", r.name)
	buf = appendTime(buf, "created", r.created)
	buf = appendTime(buf, "lastUpdated", r.lastUpdated)
	buf = append(appendKey(buf, "conditions"), `{"people":{"users":{`...)
	list("exclude", r.excluded)
	buf = append(buf, `},"groups":{"exclude":[]}},"expression":{`...)
	buf = append(appendField(appendField(buf, "value", r.text), "type", ruleLanguage), "}}"...)
	buf = append(appendKey(buf, "actions"), `{"assignUserToGroups":{`...)
	list("groupIds", r.groups)
	buf = append(buf, "}}"...)
	buf = appendBool(buf, "allGroupsValid", r.status != invalidRule)
	if names {
		buf = append(appendKey(buf, "_embedded"), `{"groupIdToGroupNameMap":{`...)
		for _, id := range r.groups {
			if g := o.groups.byID[id]; g != nil {
				buf = appendField(buf, id, g.name())
			}
		}
		buf = append(buf, "}}"...)
	}
	return append(buf, '}')
}

func listGroupRules(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	keyword := strings.ToLower(query.Get("search"))
	p, err := o.openPage(c, "group rules", pageRulesDefault, pageRules)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(o.rules.all); i++ {
		r := o.rules.all[i]
		if !strings.Contains(strings.ToLower(r.name), keyword) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendGroupRule(p.buf, r, query.Get("expand") == "groupIdToGroupNameMap")
	}
	return p.answer(), nil
}

func (o *Org) findGroupRule(c *call) (*groupRule, error) {
	id := c.PathValue("groupRuleId")
	for _, r := range o.rules.all {
		if r.id == id {
			return r, nil
		}
	}
	return nil, notFound(id, "GroupRule")
}

func getGroupRule(o *Org, c *call) (answer, error) {
	r, err := o.findGroupRule(c)
	if err != nil {
		return answer{}, err
	}
	return answer{body: o.appendGroupRule(nil, r, c.URL.Query().Get("expand") == "groupIdToGroupNameMap")}, nil
}

// ruleOf parses the body of a write. A name in use is refused as recorded in
// https://github.com/okta/okta-sdk-java/issues/645, an expression as in
// https://github.com/articulate/terraform-provider-okta/pull/148; the other texts are guesses. That a group with
// administrator roles can have no rule follows from E0000192.
func (o *Org) ruleOf(body gjson.Result, self *groupRule) (*groupRule, error) {
	r := &groupRule{
		name: body.Get("name").Str, text: body.Get("conditions.expression.value").Str,
		groups: []string{}, excluded: []string{},
	}
	for _, id := range body.Get("actions.assignUserToGroups.groupIds").Array() {
		r.groups = append(r.groups, id.Str)
	}
	for _, id := range body.Get("conditions.people.users.exclude").Array() {
		r.excluded = append(r.excluded, id.Str)
	}
	switch {
	case body.Get("type").Str != "group_rule":
		return nil, invalid("type", "type: must be group_rule")
	case strings.TrimSpace(r.name) == "":
		return nil, invalid("name", "name: The field cannot be left blank")
	case len([]rune(r.name)) > longestRuleName:
		return nil, invalid("name", "name: The field is too long")
	case body.Get("conditions.expression.type").Str != ruleLanguage:
		return nil, invalid("validateRule", "expression: type must be "+ruleLanguage)
	case len(body.Get("conditions.people.groups.exclude").Array()) > 0:
		return nil, invalid("groups", "groups: exclusion of groups is not supported")
	case len(r.excluded) > mostExcluded:
		return nil, invalid("users", "users: at most 100 users may be excluded")
	case len(r.groups) == 0:
		return nil, invalid("groupIds", "groupIds: The field cannot be left blank")
	}
	for _, other := range o.rules.all {
		if other != self && other.name == r.name {
			return nil, invalid("name", "name: Policy rule name already in use")
		}
	}
	var err error
	if r.expression, err = parseRule(r.text, o.profile); err != nil {
		return nil, invalid("validateRule", err.Error())
	}
	for _, id := range r.groups {
		g := o.groups.byID[id]
		if g == nil {
			return nil, invalid("groupIds", "groupIds: Invalid group id: "+id)
		}
		if g.kind != oktaGroup || len(o.roles.held[principal{principalGroup, id}]) > 0 {
			return nil, invalid("groupIds", "groupIds: users cannot be assigned to "+g.name()+" by a rule")
		}
	}
	for _, id := range r.excluded {
		if o.users.byID[id] == nil {
			return nil, invalid("users", "users: Invalid user id: "+id)
		}
	}
	return r, nil
}

// createGroupRule creates a rule that is INACTIVE, despite any status in the body.
func createGroupRule(o *Org, c *call) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	r, err := o.ruleOf(body, nil)
	if err != nil {
		return answer{}, err
	}
	r.id, r.status, r.created = o.ids.next("0pr", 20), inactive, millisOf(c.now)
	r.lastUpdated = r.created
	o.rules.all = append(o.rules.all, r)
	o.emit(c, "policy.rule.add", "Add policy rule", r.target())
	return answer{body: o.appendGroupRule(nil, r, false)}, nil
}

// replaceGroupRule changes an INACTIVE rule, but not its groups or status: Okta's OpenAPI document, replaceGroupRule
// and GroupRule. The codes of the refusals are guesses.
func replaceGroupRule(o *Org, c *call) (answer, error) {
	r, err := o.findGroupRule(c)
	if err != nil {
		return answer{}, err
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	if r.status != inactive {
		return answer{}, invalid("status", "status: a rule that is "+r.status+" cannot be changed")
	}
	next, err := o.ruleOf(body, r)
	if err != nil {
		return answer{}, err
	}
	if !slices.Equal(next.groups, r.groups) {
		return answer{}, invalid("actions", "actions: the groups of a rule cannot be changed")
	}
	r.name, r.text, r.expression, r.excluded, r.lastUpdated = next.name, next.text, next.expression, next.excluded, millisOf(c.now)
	o.emit(c, "policy.rule.update", "Update policy rule", r.target())
	return answer{body: o.appendGroupRule(nil, r, false)}, nil
}

// deleteGroupRule keeps the members that the rule added, unless removeUsers is true. That an active rule is refused is
// inferred from https://github.com/salto-io/salto/pull/6906, which deactivates first; the code is a guess.
func deleteGroupRule(o *Org, c *call) (answer, error) {
	r, err := o.findGroupRule(c)
	if err != nil {
		return answer{}, err
	}
	remove, err := c.flag("removeUsers", false)
	if err != nil {
		return answer{}, err
	}
	if r.status == active {
		return answer{}, invalid("status", "status: an active rule cannot be deleted: deactivate it first")
	}
	for _, m := range o.madeBy(r) {
		if remove {
			o.ruleRemoves(c, m)
		}
		delete(o.rules.made, m)
	}
	o.rules.all = slices.DeleteFunc(o.rules.all, func(other *groupRule) bool { return other == r })
	o.emit(c, "policy.rule.delete", "Delete policy rule", r.target())
	return answer{status: http.StatusAccepted}, nil
}

// madeBy returns the memberships that a rule made, in the order of users.
func (o *Org) madeBy(r *groupRule) (all []membership) {
	for m, by := range o.rules.made {
		if by == r {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b membership) int {
		if a.user.seq != b.user.seq {
			return a.user.seq - b.user.seq
		}
		return a.group.seq - b.group.seq
	})
	return all
}

func activateGroupRule(o *Org, c *call) (answer, error) { return o.switchGroupRule(c, active) }

// deactivateGroupRule keeps the members:
// https://support.okta.com/help/s/article/removing-user-from-exception-list-in-group-rule
func deactivateGroupRule(o *Org, c *call) (answer, error) { return o.switchGroupRule(c, inactive) }

// switchGroupRule is recorded as 204. The response to a repeat is a guess. Okta needs a moment to add users to the
// groups (https://github.com/okta/okta-sdk-php/issues/22); here they are added immediately.
func (o *Org) switchGroupRule(c *call, status string) (answer, error) {
	r, err := o.findGroupRule(c)
	if err != nil {
		return answer{}, err
	}
	if r.status == invalidRule {
		return answer{}, invalid("status", "status: a rule that is INVALID can be deleted alone")
	}
	if r.status != status {
		r.status, r.lastUpdated = status, millisOf(c.now)
		if status == active {
			o.emit(c, "policy.rule.activate", "Activate policy rule", r.target())
			for _, u := range o.users.all {
				o.applyRule(c, r, u)
			}
		} else {
			o.emit(c, "policy.rule.deactivate", "Deactivate policy rule", r.target())
		}
	}
	return answer{status: http.StatusNoContent}, nil
}

// applyRules applies all rules to a user who was created or changed.
func (o *Org) applyRules(c *call, u *user) {
	for _, r := range o.rules.all {
		if r.status == active {
			o.applyRule(c, r, u)
		}
	}
}

// applyRule adds a user to the rule's groups, or removes a user whom it added and to whom it no longer applies.
func (o *Org) applyRule(c *call, r *groupRule, u *user) {
	takes := r.takes(o, u)
	for _, id := range r.groups {
		g := o.groups.byID[id]
		if g == nil {
			continue
		}
		m := membership{g, u}
		switch {
		case takes && o.join(g, u, millisOf(c.now)):
			o.rules.made[m] = r
			o.emitAs(c, systemActor, "group.user_membership.add", "Add user to group membership", o.userTarget(u), g.target())
		case !takes && o.rules.made[m] == r && u.listed():
			o.ruleRemoves(c, m)
			delete(o.rules.made, m)
		}
	}
}

func (o *Org) ruleRemoves(c *call, m membership) {
	if o.leave(m.group, m.user, millisOf(c.now)) {
		m.user.forget(m.group)
		o.emitAs(c, systemActor, "group.user_membership.remove", "Remove user from group membership", o.userTarget(m.user), m.group.target())
	}
}

// excludeFromRule runs when a member is removed whom an active rule had added: the rule never adds that user again.
// https://support.okta.com/help/s/article/User-getting-added-in-group-exclusion-list-by-Okta-System-SystemPrincipal
func (o *Org) excludeFromRule(c *call, g *group, u *user) {
	m := membership{g, u}
	r := o.rules.made[m]
	delete(o.rules.made, m)
	if r == nil || r.status != active {
		return
	}
	r.excluded, r.lastUpdated = append(slices.Clip(r.excluded), u.id), millisOf(c.now)
	o.emitAs(c, systemActor, "group.user_membership.rule.add_exclusion", "User added to exclusion list for group rule", o.userTarget(u), r.target())
}

// invalidateRules invalidates the rules of a deleted group: https://github.com/okta/terraform-provider-okta/issues/157
func (o *Org) invalidateRules(c *call, g *group) {
	for m := range o.rules.made {
		if m.group == g {
			delete(o.rules.made, m)
		}
	}
	for _, r := range o.rules.all {
		if slices.Contains(r.groups, g.id) && r.status != invalidRule {
			r.status, r.lastUpdated = invalidRule, millisOf(c.now)
			o.emitAs(c, systemActor, "group.user_membership.rule.invalidate", "Invalidate group membership rule", r.target())
		}
	}
}

// GroupRules returns all group rules as in GET /api/v1/groups/rules.
func (o *Org) GroupRules() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, r := range o.rules.all {
		all = append(all, o.appendGroupRule(nil, r, false))
	}
	return all
}
