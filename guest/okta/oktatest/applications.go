package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// applicationEndpoints serves applications, their users and their groups, of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Application/.
func applicationEndpoints() []endpoint {
	const apps = "/api/v1/apps" // the tightest bucket, shared by everything below an application
	return []endpoint{
		{pattern: "GET /api/v1/apps", bucket: apps, handle: listApplications},
		{pattern: "GET /api/v1/apps/{appId}", bucket: "/api/v1/apps/{id}", handle: getApplication},
		{pattern: "GET /api/v1/apps/{appId}/users", bucket: apps, handle: listAppUsers},
		{pattern: "POST /api/v1/apps/{appId}/users", bucket: apps, handle: assignAppUser},
		{pattern: "GET /api/v1/apps/{appId}/users/{userId}", bucket: apps, handle: getAppUser},
		{pattern: "POST /api/v1/apps/{appId}/users/{userId}", bucket: apps, handle: updateAppUser},
		{pattern: "DELETE /api/v1/apps/{appId}/users/{userId}", bucket: apps, handle: unassignAppUser},
		{pattern: "GET /api/v1/apps/{appId}/groups", bucket: apps, handle: listAppGroups},
		{pattern: "GET /api/v1/apps/{appId}/groups/{groupId}", bucket: apps, handle: getAppGroup},
		{pattern: "PUT /api/v1/apps/{appId}/groups/{groupId}", bucket: apps, handle: assignAppGroup},
		{pattern: "DELETE /api/v1/apps/{appId}/groups/{groupId}", bucket: apps, handle: unassignAppGroup},
	}
}

const pageAppUsers = 500

// application is one application, with the users assigned directly and the groups through which others have it.
type application struct {
	id                   string
	name, label, mode    string
	status               string
	rest                 string // more members, as JSON: credentials, settings, features, visibility
	created, lastUpdated millis
	direct               map[*user]*userAssignment
	groups               []*groupAssignment // by priority
}

type userAssignment struct {
	userName         string
	profile          []byte // a JSON object
	created, updated millis
}

type groupAssignment struct {
	group    *group
	priority int
	profile  []byte
	updated  millis
}

// seedApplications creates the applications. The first is assigned to the first users directly, and to a group.
func (o *Org) seedApplications() {
	const common = `"accessibility":{"selfService":false,"errorRedirectUrl":null,"loginRedirectUrl":null},"visibility":{"autoSubmitToolbar":false,"hide":{"iOS":false,"web":false}},` +
		`"features":[],"credentials":{"userNameTemplate":{"template":"${source.login}","type":"BUILT_IN"},"signing":{}},`
	started := millisOf(o.started) / 1000 * 1000
	for i, a := range []struct{ name, label, mode, status, settings string }{
		{"bookmark", "Handbook", "BOOKMARK", active, `"settings":{"app":{"requestIntegration":false,"url":"https://handbook.example.com"},"notifications":{"vpn":{"network":{"connection":"DISABLED"},"message":null,"helpUrl":null}}}`},
		{"bookmark", "Lunch", "BOOKMARK", "INACTIVE", `"settings":{"app":{"requestIntegration":false,"url":"https://lunch.example.com"}}`},
		{"template_basic_auth", "Printer", "BASIC_AUTH", active, `"settings":{"app":{"authURL":"https://printer.example.com/auth","url":"https://printer.example.com"}}`},
	} {
		created := started - day*millis(700-i)
		app := &application{id: o.ids.seeded("0oa", domainApp, i), name: a.name, label: a.label, mode: a.mode, status: a.status, rest: common + a.settings,
			created: created, lastUpdated: created + 50*day, direct: map[*user]*userAssignment{}}
		o.apps = append(o.apps, app)
		if i > 0 {
			continue
		}
		for n, u := range o.users.all {
			if n > 0 && n < 4 && u.listed() {
				app.direct[u] = &userAssignment{userName: u.live.login, profile: emptyObject, created: created, updated: created}
			}
		}
		if len(o.groups.all) > 2 {
			app.groups = append(app.groups, &groupAssignment{group: o.groups.all[2], profile: emptyObject, updated: created})
		}
	}
	o.hooks.userDeactivated = append(o.hooks.userDeactivated, func(_ *call, u *user) { o.dropAppUser(u) })
	o.hooks.userDeleted = append(o.hooks.userDeleted, func(_ *call, u *user) { o.dropAppUser(u) })
	o.hooks.groupDeleted = append(o.hooks.groupDeleted, func(_ *call, g *group) {
		for _, a := range o.apps {
			a.groups = slices.DeleteFunc(a.groups, func(ag *groupAssignment) bool { return ag.group == g })
		}
	})
	o.hooks.groupApps = func(g *group) int {
		n := 0
		for _, a := range o.apps {
			if a.assigned(g) != nil {
				n++
			}
		}
		return n
	}
}

func (o *Org) dropAppUser(u *user) {
	for _, a := range o.apps {
		delete(a.direct, u)
	}
}

func (a *application) assigned(g *group) *groupAssignment {
	for _, ag := range a.groups {
		if ag.group == g {
			return ag
		}
	}
	return nil
}

// through returns the first of the application's groups that a user is in.
func (o *Org) through(a *application, u *user) *groupAssignment {
	for _, ag := range a.groups {
		if u.listed() && (ag.group.kind == builtIn || slices.Contains(u.groups, ag.group)) {
			return ag
		}
	}
	return nil
}

func (a *application) target() target { return target{a.id, "AppInstance", a.label, a.label} }

func (o *Org) findApplication(c *call) (*application, error) {
	id := c.PathValue("appId")
	for _, a := range o.apps {
		if a.id == id {
			return a, nil
		}
	}
	return nil, notFound(id, "AppInstance")
}

func (o *Org) appendApplication(buf []byte, a *application, origin, expand string) []byte {
	buf = appendField(append(buf, '{'), "id", a.id)
	buf = appendField(buf, "name", a.name)
	buf = appendField(buf, "label", a.label)
	buf = appendField(buf, "status", a.status)
	buf = appendTime(buf, "lastUpdated", a.lastUpdated)
	buf = appendTime(buf, "created", a.created)
	buf = append(append(buf, ','), a.rest...)
	buf = appendField(buf, "signOnMode", a.mode)
	if id, ok := strings.CutPrefix(expand, "user/"); ok {
		if u := o.users.byID[id]; u != nil {
			if text := o.appendAppUser(nil, a, u, origin, ""); text != nil {
				buf = append(appendRaw(append(appendKey(buf, "_embedded"), '{'), "user", text), '}')
			}
		}
	}
	self := "/api/v1/apps/" + a.id
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "self", origin, self)
	buf = appendHref(buf, "users", origin, self+"/users")
	return append(appendHref(buf, "groups", origin, self+"/groups"), "}}"...)
}

// appendAppUser renders a user's assignment, or returns nil if there is none.
func (o *Org) appendAppUser(buf []byte, a *application, u *user, origin, expand string) []byte {
	assignment, scope := a.direct[u], "USER"
	var by *groupAssignment
	if assignment == nil {
		if by = o.through(a, u); by == nil {
			return nil
		}
		assignment, scope = &userAssignment{userName: u.live.login, profile: by.profile, created: by.updated, updated: by.updated}, "GROUP"
	}
	buf = appendField(append(buf, '{'), "id", u.id)
	buf = append(appendKey(buf, "externalId"), "null"...)
	buf = appendTime(buf, "created", assignment.created)
	buf = appendTime(buf, "lastUpdated", assignment.updated)
	buf = appendField(buf, "scope", scope)
	buf = appendField(buf, "status", active)
	buf = appendTime(buf, "statusChanged", assignment.created)
	buf = append(appendKey(buf, "passwordChanged"), "null"...)
	buf = appendField(buf, "syncState", "DISABLED")
	buf = append(appendField(append(appendKey(buf, "credentials"), '{'), "userName", assignment.userName), '}')
	buf = appendRaw(buf, "profile", assignment.profile)
	if expand == "user" {
		buf = append(appendKey(buf, "_embedded"), `{"user":`...)
		buf = append(o.appendUser(buf, u, &u.live, origin, selfLink), '}')
	}
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "app", origin, "/api/v1/apps/"+a.id)
	if by != nil {
		buf = append(appendKey(buf, "group"), '{')
		buf = appendField(buf, "name", by.group.name())
		buf = append(appendField(buf, "href", origin+"/api/v1/groups/"+by.group.id), '}')
	}
	return append(appendHref(buf, "user", origin, "/api/v1/users/"+u.id), "}}"...)
}

var filterApplications = dialect{
	operators: "eq",
	known: func(attribute string) bool {
		return slices.Contains([]string{"id", "status", "name", "user.id", "group.id"}, attribute)
	},
	refuse: invalidSearch,
}

func listApplications(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	accept := func(*application) bool { return true }
	if text := query.Get("filter"); text != "" {
		e, err := filterApplications.parse(text)
		if err != nil {
			return answer{}, err
		}
		accept = func(a *application) bool {
			switch e.attribute {
			case "user.id":
				u := o.users.byID[e.value.Str]
				return u != nil && o.appendAppUser(nil, a, u, "", "") != nil
			case "group.id":
				return slices.ContainsFunc(a.groups, func(g *groupAssignment) bool { return g.group.id == e.value.Str })
			}
			return e.matches(gjson.ParseBytes(o.appendApplication(nil, a, "", "")))
		}
	}
	if _, err := c.flag("includeNonDeleted", false); err != nil {
		return answer{}, err
	}
	p, err := o.openPage(c, "apps", 20, pageGroups)
	if err != nil {
		return answer{}, &apiError{http.StatusBadRequest, "E0000029", "Invalid paging request", []string{"Invalid cursor."}}
	}
	q := strings.ToLower(query.Get("q"))
	for i := p.start; i < len(o.apps); i++ {
		a := o.apps[i]
		if !accept(a) || !strings.HasPrefix(strings.ToLower(a.label), q) && !strings.HasPrefix(a.name, q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendApplication(p.buf, a, c.origin, query.Get("expand"))
	}
	return p.answer(), nil
}

func getApplication(o *Org, c *call) (answer, error) {
	a, err := o.findApplication(c)
	if err != nil {
		return answer{}, err
	}
	return answer{body: o.appendApplication(nil, a, c.origin, c.URL.Query().Get("expand"))}, nil
}

// listAppUsers pages over users in the order of their creation. As in Okta, the next link has no expand.
func listAppUsers(o *Org, c *call) (answer, error) {
	a, err := o.findApplication(c)
	if err != nil {
		return answer{}, err
	}
	p, err := o.openPage(c, "appusers:"+a.id, 50, pageAppUsers)
	if err != nil {
		return answer{}, err
	}
	query := c.URL.Query()
	q, expand := strings.ToLower(query.Get("q")), query.Get("expand")
	p.query.Del("expand")
	for i := p.start; i < len(o.users.all); i++ {
		u := o.users.all[i]
		text := o.appendAppUser(nil, a, u, c.origin, expand)
		if text == nil || !strings.HasPrefix(strings.ToLower(u.live.login), q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = append(p.buf, text...)
	}
	return p.answer(), nil
}

func (o *Org) appAndUser(c *call, id string) (*application, *user, error) {
	a, err := o.findApplication(c)
	if err != nil {
		return nil, nil, err
	}
	u, err := o.findUser(id)
	return a, u, err
}

func getAppUser(o *Org, c *call) (answer, error) {
	a, u, err := o.appAndUser(c, c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	text := o.appendAppUser(nil, a, u, c.origin, c.URL.Query().Get("expand"))
	if text == nil {
		return answer{}, notFound(u.id, "AppUser")
	}
	return answer{body: text}, nil
}

// assignAppUser assigns directly. Okta's behaviour for an existing direct assignment is not recorded; here it is saved
// again.
func assignAppUser(o *Org, c *call) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	switch scope := body.Get("scope"); {
	case body.Get("id").Str == "":
		return answer{}, invalid("id", "id: The field cannot be left blank")
	case scope.Exists() && scope.Str != "USER" && scope.Str != "GROUP":
		return answer{}, invalid("scope", "scope: must be USER or GROUP")
	}
	a, u, err := o.appAndUser(c, body.Get("id").Str)
	if err != nil {
		return answer{}, err
	}
	if !u.listed() {
		return answer{}, errInactiveUser
	}
	return o.saveAppUser(c, a, u, body)
}

func updateAppUser(o *Org, c *call) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	a, u, err := o.appAndUser(c, c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	if o.appendAppUser(nil, a, u, "", "") == nil {
		return answer{}, notFound(u.id, "AppUser")
	}
	return o.saveAppUser(c, a, u, body)
}

func (o *Org) saveAppUser(c *call, a *application, u *user, body gjson.Result) (answer, error) {
	now := millisOf(c.now)
	before := a.direct[u]
	next := &userAssignment{userName: u.live.login, profile: emptyObject, created: now, updated: now}
	if before != nil {
		*next = *before
	}
	if name := body.Get("credentials.userName"); name.Exists() {
		next.userName = name.Str
	}
	if profile := body.Get("profile"); profile.IsObject() {
		next.profile = []byte(profile.Raw)
	}
	switch {
	case before == nil:
		a.direct[u] = next
		o.emit(c, "application.user_membership.add", "Add user to application membership", o.userTarget(u), a.target())
	case before.userName != next.userName || string(before.profile) != string(next.profile):
		next.updated = now
		a.direct[u] = next
		o.emit(c, "application.user_membership.update", "Update user's application membership", o.userTarget(u), a.target())
	}
	return answer{body: o.appendAppUser(nil, a, u, c.origin, "")}, nil
}

func unassignAppUser(o *Org, c *call) (answer, error) {
	a, u, err := o.appAndUser(c, c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	if _, err := c.flag("sendEmail", false); err != nil {
		return answer{}, err
	}
	if a.direct[u] == nil {
		if o.through(a, u) != nil {
			return answer{}, &apiError{http.StatusForbidden, "E0000046", "Deactivate application for user forbidden.", nil}
		}
		return answer{}, notFound(u.id, "AppUser")
	}
	delete(a.direct, u)
	o.emit(c, "application.user_membership.remove", "Remove user's application membership", o.userTarget(u), a.target())
	return answer{status: http.StatusNoContent}, nil
}

func (o *Org) appAndGroup(c *call) (*application, *group, error) {
	a, err := o.findApplication(c)
	if err != nil {
		return nil, nil, err
	}
	// An application that is not active refuses changes of its groups, and answers as if it did not exist:
	// https://github.com/salto-io/salto/pull/5275, https://github.com/okta/terraform-provider-okta/issues/1502
	if a.status != active && c.Method != http.MethodGet {
		return nil, nil, notFound(a.id, "AppInstance")
	}
	g, err := o.findGroup(c.PathValue("groupId"))
	return a, g, err
}

// listAppGroups pages by priority. The next link has no expand, like that of an application's users.
func listAppGroups(o *Org, c *call) (answer, error) {
	a, err := o.findApplication(c)
	if err != nil {
		return answer{}, err
	}
	p, err := o.openPage(c, "appgroups:"+a.id, 20, pageGroups)
	if err != nil {
		return answer{}, err
	}
	query := c.URL.Query()
	p.query.Del("expand")
	p.query.Set("limit", strconv.Itoa(max(p.limit, 20))) // the least that Okta documents
	q := strings.ToLower(query.Get("q"))
	for i := p.start; i < len(a.groups); i++ {
		ag := a.groups[i]
		if !strings.HasPrefix(strings.ToLower(ag.group.name()), q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		var embedded []byte
		if query.Get("expand") == "group" {
			embedded = append(appendGroup([]byte(`{"group":`), ag.group, c.origin), '}')
		}
		p.element()
		p.buf = appendAppGroupWith(p.buf, a, ag, c.origin, embedded)
	}
	return p.answer(), nil
}

func appendAppGroup(buf []byte, a *application, ag *groupAssignment, origin string) []byte {
	return appendAppGroupWith(buf, a, ag, origin, nil)
}

// appendAppGroupWith renders an assignment; embedded, if any, becomes _embedded.
func appendAppGroupWith(buf []byte, a *application, ag *groupAssignment, origin string, embedded []byte) []byte {
	buf = appendField(append(buf, '{'), "id", ag.group.id)
	buf = appendTime(buf, "lastUpdated", ag.updated)
	buf = strconv.AppendInt(appendKey(buf, "priority"), int64(ag.priority), 10)
	buf = appendRaw(buf, "profile", ag.profile)
	if embedded != nil {
		buf = appendRaw(buf, "_embedded", embedded)
	}
	self := "/api/v1/apps/" + a.id
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "app", origin, self)
	buf = appendHref(buf, "self", origin, self+"/groups/"+ag.group.id)
	return append(appendHref(buf, "group", origin, "/api/v1/groups/"+ag.group.id), "}}"...)
}

func getAppGroup(o *Org, c *call) (answer, error) {
	a, g, err := o.appAndGroup(c)
	if err != nil {
		return answer{}, err
	}
	ag := a.assigned(g)
	if ag == nil {
		return answer{}, notFound(g.id, "ApplicationGroupAssignment")
	}
	return answer{body: appendAppGroup(nil, a, ag, c.origin)}, nil
}

// assignAppGroup assigns or replaces. The body replaces the profile; without one it is empty. Without a priority the
// group is last, like a new one, which is assumed and not recorded.
func assignAppGroup(o *Org, c *call) (answer, error) {
	a, g, err := o.appAndGroup(c)
	if err != nil {
		return answer{}, err
	}
	body := gjson.Parse("{}")
	if len(c.body) > 0 {
		if body, err = c.object(); err != nil {
			return answer{}, err
		}
	}
	now := millisOf(c.now)
	ag := a.assigned(g)
	next := groupAssignment{group: g, priority: len(a.groups), profile: emptyObject, updated: now}
	if ag != nil {
		next.priority--
	}
	// 0 to 100: https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApplicationGroups/
	if p := body.Get("priority"); p.Exists() {
		if p.Type != gjson.Number || p.Num != float64(int(p.Num)) || p.Num < 0 || p.Num > 100 {
			return answer{}, invalid("priority", "priority: must be a number from 0 to 100")
		}
		next.priority = int(p.Int())
	}
	if p := body.Get("profile"); p.IsObject() {
		next.profile = []byte(p.Raw)
	} else if p.Exists() {
		return answer{}, errMalformed
	}
	switch {
	case ag == nil:
		ag = &next
		a.groups = append(a.groups, ag)
		o.emit(c, "group.application_assignment.add", "Add assigned application to group", g.target(), a.target())
	case ag.priority != next.priority || string(ag.profile) != string(next.profile):
		*ag = next
		o.emit(c, "group.application_assignment.update", "Update application assignment of group", g.target(), a.target())
	}
	slices.SortStableFunc(a.groups, func(x, y *groupAssignment) int { return x.priority - y.priority })
	return answer{body: appendAppGroup(nil, a, ag, c.origin)}, nil
}

func unassignAppGroup(o *Org, c *call) (answer, error) {
	a, g, err := o.appAndGroup(c)
	if err != nil {
		return answer{}, err
	}
	if a.assigned(g) == nil {
		return answer{}, notFound(g.id, "ApplicationGroupAssignment")
	}
	a.groups = slices.DeleteFunc(a.groups, func(ag *groupAssignment) bool { return ag.group == g })
	o.emit(c, "group.application_assignment.remove", "Remove assigned application from group", g.target(), a.target())
	return answer{status: http.StatusNoContent}, nil
}

// Applications returns all applications as in GET /api/v1/apps.
func (o *Org) Applications() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, a := range o.apps {
		all = append(all, o.appendApplication(nil, a, o.cfg.PublicURL, ""))
	}
	return all
}
