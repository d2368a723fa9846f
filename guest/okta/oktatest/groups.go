package oktatest

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// groupEndpoints serves the groups of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/.
func groupEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/groups", bucket: "/api/v1/groups", handle: listGroups},
		{pattern: "POST /api/v1/groups", bucket: "/api/v1/groups", handle: createGroup},
		{pattern: "GET /api/v1/groups/{groupId}", bucket: "/api/v1/groups/{id}", handle: getGroup},
		{pattern: "PUT /api/v1/groups/{groupId}", bucket: "/api/v1/groups/{id}", handle: replaceGroup},
		{pattern: "DELETE /api/v1/groups/{groupId}", bucket: "/api/v1/groups/{id}", handle: deleteGroup},
		{pattern: "GET /api/v1/groups/{groupId}/users", bucket: "/api/v1/groups", handle: listGroupUsers},
		{pattern: "PUT /api/v1/groups/{groupId}/users/{userId}", bucket: "/api/v1/groups", handle: addMember},
		{pattern: "DELETE /api/v1/groups/{groupId}/users/{userId}", bucket: "/api/v1/groups", handle: removeMember},
	}
}

var errUnsupported = &apiError{http.StatusNotImplemented, "E0000060", "Unsupported operation.", nil}

// managed refuses to change a group that Okta does not manage.
// https://github.com/okta/terraform-provider-okta/issues/903 has Everyone's response to a new member,
// https://github.com/okta/terraform-provider-okta/pull/118 an application group's response to a removed member. That a
// change of their profiles is refused the same way is a guess.
func (g *group) managed() error {
	switch g.kind {
	case builtIn:
		return errUnsupported
	case appGroup:
		return errForbidden
	}
	return nil
}

func (o *Org) findGroup(id string) (*group, error) {
	if g := o.groups.byID[id]; g != nil {
		return g, nil
	}
	return nil, notFound(id, "UserGroup")
}

func getGroup(o *Org, c *call) (answer, error) {
	g, err := o.findGroup(c.PathValue("groupId"))
	if err != nil {
		return answer{}, err
	}
	return answer{body: appendGroup(nil, g, c.origin)}, nil
}

func createGroup(o *Org, c *call) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	profile, err := o.groupProfile(body.Get("profile"))
	if err != nil {
		return answer{}, err
	}
	now := millisOf(c.now)
	g := &group{kind: oktaGroup, created: now, groupState: groupState{
		exists: true, since: now, profile: profile, lastUpdated: now, lastMembershipUpdated: now,
	}}
	if o.groups.named(g.name()) != nil {
		return answer{}, groupNameTaken()
	}
	g.id = o.ids.next("00g", 20)
	o.groups.add(g)
	o.emit(c, "group.lifecycle.create", "Create Okta group", g.target())
	return answer{body: appendGroup(nil, g, c.origin)}, nil
}

// replaceGroup replaces the whole profile: omitted attributes are cleared.
func replaceGroup(o *Org, c *call) (answer, error) {
	g, err := o.findGroup(c.PathValue("groupId"))
	if err != nil {
		return answer{}, err
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	if err := g.managed(); err != nil {
		return answer{}, err
	}
	next := g.groupState
	if next.profile, err = o.groupProfile(body.Get("profile")); err != nil {
		return answer{}, err
	}
	if other := o.groups.named(next.name()); other != nil && other != g {
		return answer{}, groupNameTaken()
	}
	if !sameObject(gjson.ParseBytes(g.profile), gjson.ParseBytes(next.profile)) {
		next.lastUpdated = millisOf(c.now)
		o.changeGroup(g, next.lastUpdated, next)
		o.emit(c, "group.profile.update", "Okta group profile updated", g.target())
	}
	return answer{body: appendGroup(nil, g, c.origin)}, nil
}

// deleteGroup deletes groups of Okta and of applications. There are no push mappings that would prevent it.
func deleteGroup(o *Org, c *call) (answer, error) {
	g, err := o.findGroup(c.PathValue("groupId"))
	if err != nil {
		return answer{}, err
	}
	if g.kind == builtIn {
		return answer{}, errUnsupported
	}
	target := g.target()
	for _, u := range g.members {
		u.forget(g)
	}
	o.roles.drop(principal{principalGroup, g.id})
	next := g.groupState
	next.exists = false
	o.changeGroup(g, millisOf(c.now), next)
	o.emit(c, "group.lifecycle.delete", "Delete Okta group", target)
	for _, hook := range o.hooks.groupDeleted {
		hook(c, g)
	}
	return answer{status: http.StatusNoContent}, nil
}

// groupProfile returns the profile that a write sets. A missing description becomes null.
func (o *Org) groupProfile(given gjson.Result) ([]byte, error) {
	if given.Exists() && !given.IsObject() {
		return nil, errMalformed
	}
	var unknown []string
	buf := appendField([]byte{'{'}, "name", given.Get("name").String())
	description := given.Get("description")
	if !description.Exists() {
		description.Raw = "null"
	}
	buf = appendRaw(buf, "description", []byte(description.Raw))
	given.ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == "name" || key.Str == "description":
		case !slices.Contains(o.cfg.GroupAttributes, key.Str):
			unknown = append(unknown, "Property name '"+key.Str+"' is not defined in profile")
		case value.Type != gjson.Null:
			buf = appendRaw(buf, key.Str, []byte(value.Raw))
		}
		return true
	})
	if n := given.Get("name"); n.Exists() && n.Type != gjson.String || description.Exists() && description.Type != gjson.String && description.Type != gjson.Null {
		return nil, errMalformed
	}
	switch name := given.Get("name").String(); {
	case unknown != nil:
		return nil, invalid("profile", unknown...)
	case strings.TrimSpace(name) == "":
		return nil, invalid("name", "name: The field cannot be left blank")
	case len([]rune(name)) > 255:
		return nil, invalid("name", "name: The field is too long")
	}
	return append(buf, '}'), nil
}

func groupNameTaken() *apiError {
	return invalid("name", "name: An object with this field already exists in the current organization")
}

// membership finds the group and the user of a path. The user must be an id.
func (o *Org) membership(c *call) (*group, *user, error) {
	g, err := o.findGroup(c.PathValue("groupId"))
	if err != nil {
		return nil, nil, err
	}
	u := o.users.byID[c.PathValue("userId")]
	if u == nil {
		return nil, nil, notFound(c.PathValue("userId"), "User")
	}
	return g, u, g.managed()
}

func addMember(o *Org, c *call) (answer, error) {
	g, u, err := o.membership(c)
	if err != nil {
		return answer{}, err
	}
	if u.live.status == deprovisioned { // like other writes to a deactivated user; not recorded
		return answer{}, notFound(u.id, "User")
	}
	if o.join(g, u, millisOf(c.now)) {
		o.emit(c, "group.user_membership.add", "Add user to group membership", o.userTarget(u), g.target())
	}
	return answer{status: http.StatusNoContent}, nil
}

// removeMember answers 204 also for a user who is not a member, which is assumed and not recorded.
func removeMember(o *Org, c *call) (answer, error) {
	g, u, err := o.membership(c)
	if err != nil {
		return answer{}, err
	}
	if o.leave(g, u, millisOf(c.now)) {
		u.forget(g)
		o.excludeFromRule(c, g, u)
		o.emit(c, "group.user_membership.remove", "Remove user from group membership", o.userTarget(u), g.target())
	}
	return answer{status: http.StatusNoContent}, nil
}

func listGroupUsers(o *Org, c *call) (answer, error) {
	g, err := o.findGroup(c.PathValue("groupId"))
	if err != nil {
		return answer{}, err
	}
	p, err := o.openPage(c, "members:"+g.id, pageMembers, pageMembers)
	if err != nil {
		return answer{}, err
	}
	members := o.everyMember(g)
	from, _ := slices.BinarySearchFunc(members, p.start, func(u *user, seq int) int { return cmp.Compare(u.seq, seq) })
	for _, u := range members[from:] {
		if !u.listed() {
			continue
		}
		if p.full() {
			p.more(o, c, u.seq)
			break
		}
		p.element()
		p.buf = o.appendUser(p.buf, u, &u.live, c.origin, selfLink)
	}
	return p.answer(), nil
}

// listUserGroups pages, although its reference does not say so.
func listUserGroups(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p, err := o.openPage(c, "groups:"+u.id, pageGroups, pageGroups)
	if err != nil {
		return answer{}, err
	}
	var joined []*group
	for _, g := range o.groups.all {
		if g.kind == builtIn {
			joined = append(joined, g)
		}
	}
	joined = append(joined, u.groups...)
	for i := p.start; i < len(joined); i++ {
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendGroup(p.buf, joined[i], c.origin)
	}
	return p.answer(), nil
}
