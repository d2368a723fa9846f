package oktatest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// administratorEndpoints serves who has roles, resource sets and API tokens:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/RoleAssignmentAUser/.
func administratorEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/iam/assignees/users", bucket: "/api/v1/iam", handle: listAdministrators},
		{pattern: "GET /api/v1/iam/resource-sets", bucket: "/api/v1/iam", handle: listResourceSets},
		{pattern: "GET /api/v1/api-tokens", bucket: "/api/v1", handle: listAPITokens},
	}
}

const pageAdministrators = 100

// iamPage is one page of a list below /api/v1/iam, whose next link is in the body.
type iamPage struct {
	member string // the array's name
	limit  int
	start  int
	buf    []byte
	count  int
}

// openIAM parses after, and limit if the list has one.
func (o *Org) openIAM(c *call, member string, limited bool) (*iamPage, error) {
	p := &iamPage{member: member, limit: o.cfg.pageLimit(pageAdministrators), buf: append(appendKey([]byte{'{'}, member), '[')}
	query := c.URL.Query()
	var err error
	if limited {
		if p.limit, err = c.limit(query, p.limit, p.limit); err != nil {
			return nil, err
		}
	}
	if after := query.Get("after"); after != "" {
		p.start, err = o.parseCursor(member, after)
	}
	return p, err
}

// takes reports whether the page takes the element at a position. If not, the next page starts there.
func (p *iamPage) takes() bool {
	if p.count == p.limit {
		return false
	}
	if p.count++; p.count > 1 {
		p.buf = append(p.buf, ',')
	}
	return true
}

// answer ends the page. next is the position of the next page; -1 if there is none.
func (p *iamPage) answer(o *Org, c *call, next int) answer {
	buf := append(appendKey(append(p.buf, ']'), "_links"), '{')
	if next >= 0 {
		query := url.Values{"after": {o.cursor(p.member, next)}}
		if c.URL.Query().Get("limit") != "" {
			query.Set("limit", strconv.Itoa(p.limit))
		}
		buf = appendHref(buf, "next", adminOrigin(c.origin), c.URL.Path+"?"+query.Encode())
	}
	return answer{header: adminSelf(c), body: append(buf, "}}"...)}
}

// listAdministrators lists the users who have a role, also one through a group.
func listAdministrators(o *Org, c *call) (answer, error) {
	p, err := o.openIAM(c, "value", true)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(o.users.all); i++ {
		u := o.users.all[i]
		if !u.live.exists || len(o.rolesOf(principal{principalUser, u.id})) == 0 {
			continue
		}
		if !p.takes() {
			return p.answer(o, c, i), nil
		}
		self := "/api/v1/users/" + u.id
		p.buf = appendField(append(p.buf, '{'), "id", u.id)
		p.buf = appendField(p.buf, "orn", "orn:okta:directory:"+o.orgID()+":users:"+u.id)
		p.buf = append(appendKey(p.buf, "_links"), '{')
		p.buf = appendHref(p.buf, "self", c.origin, self)
		p.buf = append(appendHref(p.buf, "roles", c.origin, self+"/roles"), "}}"...)
	}
	return p.answer(o, c, -1), nil
}

// resourceSetLabels name the seeded resource sets.
var resourceSetLabels = []string{"Support", "Partners"}

func listResourceSets(o *Org, c *call) (answer, error) {
	p, err := o.openIAM(c, "resource-sets", false)
	if err != nil {
		return answer{}, err
	}
	created, origin := millisOf(o.started)/1000*1000-650*day, adminOrigin(c.origin)
	for i := p.start; i < len(o.roles.resourceSets); i++ {
		if !p.takes() {
			return p.answer(o, c, i), nil
		}
		id, label := o.roles.resourceSets[i], resourceSetLabels[i]
		self := "/api/v1/iam/resource-sets/" + id
		p.buf = appendField(append(p.buf, '{'), "id", id)
		p.buf = appendField(p.buf, "label", label)
		p.buf = appendField(p.buf, "description", "What "+label+" may administer")
		p.buf = appendTime(p.buf, "created", created)
		p.buf = appendTime(p.buf, "lastUpdated", created+day)
		p.buf = append(appendKey(p.buf, "_links"), '{')
		p.buf = appendHref(p.buf, "self", origin, self)
		p.buf = appendHref(p.buf, "resources", origin, self+"/resources")
		p.buf = append(appendHref(p.buf, "bindings", origin, self+"/bindings"), "}}"...)
	}
	return p.answer(o, c, -1), nil
}

// listAPITokens lists the token that the org accepts, and an older one of the second user. It has no pages, and no values of
// tokens.
func listAPITokens(o *Org, c *call) (answer, error) {
	buf := []byte{'['}
	for i, name := range []string{"Connector", "Old script"} {
		if i >= len(o.users.all) || !o.users.all[i].live.exists {
			continue
		}
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		id, created := o.ids.seeded("00T", domainOrg, 10+i), millisOf(o.started)/1000*1000-100*day*millis(1+3*i)
		buf = appendField(append(buf, '{'), "id", id)
		buf = appendField(buf, "name", name)
		buf = appendField(buf, "userId", o.users.all[i].id)
		buf = appendField(buf, "tokenWindow", "P30D")
		buf = append(append(appendKey(buf, "network"), '{'), `"connection":"ANYWHERE"}`...)
		buf = appendTime(buf, "created", created)
		buf = appendTime(buf, "lastUpdated", created)
		buf = appendTime(buf, "expiresAt", millisOf(c.now)/1000*1000+day*millis(30-20*i))
		buf = appendField(buf, "clientName", "Okta API")
		buf = append(appendKey(buf, "_link"), '{')
		buf = append(appendAllowed(buf, "self", c.origin, "/api/v1/api-tokens/"+id, "GET", "DELETE"), "}}"...)
	}
	return answer{body: append(buf, ']')}, nil
}

// targetList names the targets of an assigned role: of groups or of applications.
type targetList struct {
	who    principal
	role   string // the assignment's id
	groups bool
}

// roleTargetEndpoints serves the targets of roles:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/RoleBTargetAdmin/.
func roleTargetEndpoints() []endpoint {
	var rows []endpoint
	for _, p := range []struct{ path, bucket, kind string }{
		{"/api/v1/users/{userId}", "/api/v1/users", principalUser},
		{"/api/v1/groups/{groupId}", "/api/v1/groups", principalGroup},
		{"/oauth2/v1/clients/{clientId}", "/oauth2/v1/clients", principalClient},
	} {
		for _, groups := range []bool{true, false} {
			list := "/targets/catalog/apps"
			if groups {
				list = "/targets/groups"
			}
			rows = append(rows, endpoint{pattern: "GET " + p.path + "/roles/{roleAssignmentId}" + list, bucket: p.bucket, handle: func(o *Org, c *call) (answer, error) {
				who, err := o.principal(c, p.kind)
				if err != nil {
					return answer{}, err
				}
				return listTargets(o, c, who, groups)
			}})
			one := list + "/{appName}/{appId}"
			switch {
			case groups && p.kind == principalGroup:
				one = list + "/{targetGroupId}"
			case groups:
				one = list + "/{groupId}"
			}
			for _, method := range []string{"PUT", "DELETE"} {
				rows = append(rows, endpoint{pattern: method + " " + p.path + "/roles/{roleAssignmentId}" + one, bucket: p.bucket, handle: func(o *Org, c *call) (answer, error) {
					who, err := o.principal(c, p.kind)
					if err != nil {
						return answer{}, err
					}
					return changeTarget(o, c, who, groups)
				}})
			}
		}
	}
	return rows
}

// takesTargets reports whether roles of a type have targets, groups or else applications:
// https://developer.okta.com/docs/api/openapi/okta-management/guides/roles/#standard-roles
func takesTargets(kind string, groups bool) bool {
	if groups {
		return slices.Contains([]string{"USER_ADMIN", "HELP_DESK_ADMIN", "GROUP_MEMBERSHIP_ADMIN"}, kind)
	}
	return kind == "APP_ADMIN"
}

// listTargets lists the targets of a role, none if it is for all groups or applications. The refusal for a role of another
// type is a guess.
func listTargets(o *Org, c *call, who principal, groups bool) (answer, error) {
	id := c.PathValue("roleAssignmentId")
	roles := o.rolesOf(who)
	at := slices.IndexFunc(roles, func(r heldRole) bool { return r.id == id })
	if at < 0 {
		return answer{}, notFound(id, "RoleAssignment")
	}
	if !takesTargets(roles[at].kind, groups) {
		return answer{}, invalid("roleType", "The role type "+roles[at].kind+" does not have these targets.")
	}
	p, err := o.openPage(c, "targets:"+who.id+":"+id, 20, pageGroups)
	if err != nil {
		return answer{}, err
	}
	targets := o.roles.targets[targetList{roles[at].by, id, groups}]
	for i := p.start; i < len(targets); i++ {
		g, a := o.groups.byID[targets[i]], o.application(targets[i])
		if g == nil && a == nil { // deleted
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		if g != nil {
			p.buf = appendGroup(p.buf, g, c.origin)
		} else {
			p.buf = appendCatalogApp(p.buf, a, c.origin)
		}
	}
	return p.answer(), nil
}

// changeTarget adds a target to a role that was assigned directly, or removes one. Okta's OpenAPI document says that the last
// one cannot be removed. The codes of the refusals are guesses, except E0000091, and so are the responses to repeats.
func changeTarget(o *Org, c *call, who principal, groups bool) (answer, error) {
	id, held := c.PathValue("roleAssignmentId"), o.roles.held[who]
	at := slices.IndexFunc(held, func(a assignment) bool { return a.id == id })
	if at < 0 {
		return answer{}, notFound(id, "RoleAssignment")
	}
	if !takesTargets(held[at].kind, groups) {
		return answer{}, &apiError{http.StatusBadRequest, "E0000091", "The provided role type was not the same as required role type.", nil}
	}
	target := c.PathValue("appId")
	if groups {
		target = cmp.Or(c.PathValue("targetGroupId"), c.PathValue("groupId"))
		if _, err := o.findGroup(target); err != nil {
			return answer{}, err
		}
	} else if a := o.application(target); a == nil || a.name != c.PathValue("appName") {
		return answer{}, notFound(target, "AppInstance")
	}
	list := targetList{who, id, groups}
	targets := o.roles.targets[list]
	is := slices.Contains(targets, target)
	switch {
	case c.Method == http.MethodPut && is:
		return answer{status: http.StatusNoContent}, nil
	case c.Method == http.MethodPut:
		o.roles.targets[list] = append(slices.Clone(targets), target)
	case !is:
		return answer{}, notFound(target, "RoleTarget")
	case len(targets) == 1:
		return answer{}, invalid("targets", "targets: the last target of a role cannot be removed")
	default:
		o.roles.targets[list] = slices.DeleteFunc(slices.Clone(targets), func(other string) bool { return other == target })
	}
	o.emitRole(c, who, held[at], "")
	return answer{status: http.StatusNoContent}, nil
}

// Targets returns the ids of the targets of a role of a user, group or client.
func (o *Org) Targets(id, role string) []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for list, targets := range o.roles.targets {
		if list.who.id == id && list.role == role {
			return slices.Clone(targets)
		}
	}
	return nil
}

// application returns the application with an id, or nil.
func (o *Org) application(id string) *application {
	if at := slices.IndexFunc(o.apps, func(a *application) bool { return a.id == id }); at >= 0 {
		return o.apps[at]
	}
	return nil
}

// appendCatalogApp renders an instance of an application as the catalogue has it.
func appendCatalogApp(buf []byte, a *application, origin string) []byte {
	buf = appendField(append(buf, '{'), "name", a.name)
	buf = appendField(buf, "displayName", a.label)
	buf = appendField(buf, "description", "")
	buf = appendField(buf, "status", a.status)
	buf = appendTime(buf, "lastUpdated", a.lastUpdated)
	buf = appendField(buf, "category", "")
	buf = appendField(buf, "verificationStatus", "OKTA_VERIFIED")
	buf = append(appendString(append(appendKey(buf, "signOnModes"), '['), a.mode), ']')
	buf = appendField(buf, "id", a.id)
	buf = append(appendKey(buf, "_links"), '{')
	return append(appendHref(buf, "self", origin, "/api/v1/catalog/apps/"+a.name), "}}"...)
}
