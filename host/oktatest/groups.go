package oktatest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// groupEndpoints are the groups of https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/.
func groupEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/groups", bucket: "/api/v1/groups", handle: listGroups},
		{pattern: "GET /api/v1/groups/{groupId}", bucket: "/api/v1/groups/{id}", handle: getGroup},
		{pattern: "GET /api/v1/groups/{groupId}/users", bucket: "/api/v1/groups", handle: listGroupUsers},
	}
}

// The types of groups.
const (
	oktaGroup = "OKTA_GROUP"
	appGroup  = "APP_GROUP"
	builtIn   = "BUILT_IN"
)

type group struct {
	id                                          string
	kind                                        string // oktaGroup, appGroup or builtIn
	profile                                     []byte // a JSON object
	created, lastUpdated, lastMembershipUpdated millis
	members                                     []*user // by user.seq; nil for Everyone, which all are in
}

type groupStore struct {
	all  []*group
	byID map[string]*group
}

var groupNames = []struct{ name, description, kind string }{
	{"Everyone", "All users in your organization", builtIn},
	{"IT Operations", "Keeps the lights on; help desk administrators", oktaGroup},
	{"Engineering", "Builds things", oktaGroup},
	{"Équipe Ventes", "Sells them", oktaGroup},
	{"Contractors", "Imported from the directory", appGroup},
}

// seedGroups makes the groups: Everyone, and some that each seeded user is in at most one of.
func (o *Org) seedGroups() {
	n := o.cfg.Groups
	o.groups.byID = make(map[string]*group, n)
	started := millisOf(o.started) / 1000 * 1000
	for i := range n {
		name, description, kind := "Team "+strconv.Itoa(i), "Seeded group", oktaGroup
		if i < len(groupNames) {
			name, description, kind = groupNames[i].name, groupNames[i].description, groupNames[i].kind
		}
		created := started - day*millis(2000-i%1000)
		g := &group{
			id: o.ids.seeded("00g", domainGroup, i), kind: kind, created: created, lastUpdated: created,
			lastMembershipUpdated: started - day,
			profile:               append(appendField(appendField([]byte{'{'}, "name", name), "description", description), '}'),
		}
		o.groups.all = append(o.groups.all, g)
		o.groups.byID[g.id] = g
	}
	if n < 2 {
		return
	}
	for i, u := range o.users.all {
		if i > 0 && i%3 != 0 { // the token's owner and a third of the users are in no group of their own
			g := o.groups.all[1+i%(n-1)]
			g.members = append(g.members, u)
			u.groups = append(u.groups, g)
		}
	}
}

// join adds u and reports whether it was not there.
func (g *group) join(u *user, now millis) bool {
	at, found := g.position(u)
	if found || g.kind == builtIn {
		return false
	}
	g.members = slices.Insert(g.members, at, u)
	u.groups = append(u.groups, g)
	g.lastMembershipUpdated = now
	return true
}

// leave takes u off the members; the user's own list is the caller's.
func (g *group) leave(u *user) {
	if at, found := g.position(u); found {
		g.members = slices.Delete(g.members, at, at+1)
	}
}

func (g *group) position(u *user) (int, bool) {
	return slices.BinarySearchFunc(g.members, u, func(a, b *user) int { return cmp.Compare(a.seq, b.seq) })
}

func (g *group) name() string { return gjson.GetBytes(g.profile, "name").Str }

func (g *group) target() target { return target{g.id, "UserGroup", "unknown", g.name()} }

func appendGroup(buf []byte, g *group, origin string) []byte {
	class := "okta:user_group"
	if g.kind == appGroup {
		class = "okta:windows_security_principal"
	}
	self := "/api/v1/groups/" + g.id
	buf = appendField(append(buf, '{'), "id", g.id)
	buf = appendTime(buf, "created", g.created)
	buf = appendTime(buf, "lastUpdated", g.lastUpdated)
	buf = appendTime(buf, "lastMembershipUpdated", g.lastMembershipUpdated)
	buf = append(appendString(append(appendKey(buf, "objectClass"), '['), class), ']')
	buf = appendField(buf, "type", g.kind)
	buf = appendRaw(buf, "profile", g.profile)
	buf = append(appendKey(buf, "_links"), '{')
	buf = append(appendKey(buf, "logo"), '[')
	for _, size := range []string{"medium", "large"} {
		if size == "large" {
			buf = append(buf, ',')
		}
		buf = appendField(append(buf, '{'), "name", size)
		buf = appendField(buf, "href", origin+"/assets/img/logos/groups/"+size+".png")
		buf = append(appendField(buf, "type", "image/png"), '}')
	}
	buf = append(buf, ']')
	buf = appendHref(buf, "users", origin, self+"/users")
	return append(appendHref(buf, "apps", origin, self+"/apps"), "}}"...)
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

var filterGroups = dialect{
	operators: "eq",
	ranges:    "lastUpdated lastMembershipUpdated",
	known: func(attribute string) bool {
		return slices.Contains(strings.Fields("id type lastUpdated lastMembershipUpdated"), attribute)
	},
	refuse: invalidSearch,
}

var searchGroups = dialect{
	operators: "eq sw co gt ge lt le pr",
	known: func(attribute string) bool {
		return strings.HasPrefix(attribute, "profile.") || slices.Contains(strings.Fields(`id type created lastUpdated
			lastMembershipUpdated`), attribute)
	},
	refuse: invalidSearch,
}

func listGroups(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	search, filter, q := query.Get("search"), query.Get("filter"), strings.ToLower(query.Get("q"))
	if search != "" && filter != "" {
		return answer{}, errSearchFilter
	}
	language, text := filterGroups, filter
	if search != "" {
		language, text = searchGroups, search
	}
	accept := func(*group) bool { return true }
	if text != "" {
		e, err := language.parse(text)
		if err != nil {
			return answer{}, err
		}
		accept = func(g *group) bool { return e.matches(gjson.ParseBytes(appendGroup(nil, g, ""))) }
	}
	groups := o.groups.all
	if by := query.Get("sortBy"); by != "" && search != "" {
		var err error
		if groups, err = sortGroups(groups, by, query.Get("sortOrder")); err != nil {
			return answer{}, err
		}
	}
	p, err := o.openPage(c, "groups", pageGroups, pageGroups)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(groups); i++ {
		g := groups[i]
		if !accept(g) || !strings.HasPrefix(strings.ToLower(g.name()), q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendGroup(p.buf, g, c.origin)
	}
	if q != "" { // a single page, without links
		return answer{body: p.answer().body}, nil
	}
	return p.answer(), nil
}

func sortGroups(groups []*group, by, order string) ([]*group, error) {
	if !searchGroups.known(by) {
		return nil, invalidSearch("sortBy " + by + " is not supported")
	}
	value := func(g *group) string {
		return strings.ToLower(gjson.GetBytes(appendGroup(nil, g, ""), by).String())
	}
	groups = slices.Clone(groups)
	slices.SortStableFunc(groups, func(a, b *group) int {
		if strings.EqualFold(order, "desc") {
			a, b = b, a
		}
		return cmp.Compare(value(a), value(b))
	})
	return groups, nil
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
	members := g.members
	if g.kind == builtIn {
		members = o.users.all
	}
	from, _ := slices.BinarySearchFunc(members, p.start, func(u *user, seq int) int { return cmp.Compare(u.seq, seq) })
	for _, u := range members[from:] {
		if !u.live.exists || u.live.status == deprovisioned {
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

// listUserGroups pages although its reference does not say so.
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
	return answer{status: http.StatusOK, header: p.header, body: p.answer().body}, nil
}
