package oktatest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Types of groups.
const (
	oktaGroup = "OKTA_GROUP"
	appGroup  = "APP_GROUP"
	builtIn   = "BUILT_IN"
)

// group is one group. Its state changes; its id and place in the list do not.
type group struct {
	id      string
	seq     int    // order of creation
	kind    string // oktaGroup, appGroup or builtIn
	created millis
	groupState
	past    []groupState // older states that search may still show; empty unless Config.SearchDelay is set
	members []*user      // by user.seq; nil for Everyone, which has all users
}

// groupState is the mutable part of a group, except members. It is copied as a whole.
type groupState struct {
	exists                             bool
	since                              millis // start of this state
	profile                            []byte // a JSON object
	lastUpdated, lastMembershipUpdated millis
}

type groupStore struct {
	all  []*group // by group.seq
	byID map[string]*group
	gone []*group // deleted groups, which a late search may still show
	made int      // how many were ever created
}

var groupNames = []struct{ name, description, kind string }{
	{"Everyone", "All users in your organization", builtIn},
	{"IT Operations", "Keeps the lights on; help desk administrators", oktaGroup},
	{"Engineering", "Builds things", oktaGroup},
	{"Équipe Ventes", "Sells them", oktaGroup},
	{"Contractors", "Imported from the directory", appGroup},
}

// seedGroups creates the groups: Everyone, and some others. A seeded user is in at most one of those.
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
		o.groups.add(&group{
			id: o.ids.seeded("00g", domainGroup, i), kind: kind, created: created,
			groupState: groupState{
				exists: true, lastUpdated: created, lastMembershipUpdated: started - day,
				profile: append(appendField(appendField([]byte{'{'}, "name", name), "description", description), '}'),
			},
		})
	}
	if n < 2 {
		return
	}
	for i, u := range o.users.all {
		if i > 0 && i%3 != 0 { // the token's owner and a third of the users are only in Everyone
			g := o.groups.all[1+i%(n-1)]
			g.members = append(g.members, u)
			u.groups = append(u.groups, g)
		}
	}
}

func (s *groupStore) add(g *group) {
	g.seq = s.made
	s.made++
	s.all = append(s.all, g)
	s.byID[g.id] = g
}

// changeGroup replaces the state of g. It keeps the old one as long as search may show it.
func (o *Org) changeGroup(g *group, now millis, next groupState) {
	if o.cfg.SearchDelay > 0 {
		g.past = append(g.past, g.groupState)
	}
	next.since = now
	g.groupState = next
	if next.exists {
		return
	}
	delete(o.groups.byID, g.id)
	o.groups.all = slices.DeleteFunc(o.groups.all, func(other *group) bool { return other == g })
	if o.cfg.SearchDelay > 0 {
		o.groups.gone = append(o.groups.gone, g)
	}
}

// indexed returns the state of g that search shows at a time, or nil if it shows none.
func (g *group) indexed(moment millis) *groupState {
	state := &g.groupState
	for i := len(g.past) - 1; state.since > moment; i-- {
		if i < 0 {
			return nil
		}
		state = &g.past[i]
	}
	if !state.exists {
		return nil
	}
	return state
}

// join adds u and reports whether u was not yet a member.
func (o *Org) join(g *group, u *user, now millis) bool {
	at, found := g.position(u)
	if found || g.kind == builtIn {
		return false
	}
	g.members = slices.Insert(g.members, at, u)
	u.groups = append(slices.Clip(u.groups), g)
	o.membershipChanged(g, now)
	return true
}

// leave removes u from the members and reports whether u was one. The caller updates the user's own list.
func (o *Org) leave(g *group, u *user, now millis) bool {
	at, found := g.position(u)
	if found {
		g.members = slices.Delete(g.members, at, at+1)
		o.membershipChanged(g, now)
	}
	return found
}

func (o *Org) membershipChanged(g *group, now millis) {
	next := g.groupState
	next.lastMembershipUpdated = now
	o.changeGroup(g, now, next)
}

// forget removes g from the user's own list.
func (u *user) forget(g *group) {
	kept := make([]*group, 0, len(u.groups))
	for _, other := range u.groups {
		if other != g {
			kept = append(kept, other)
		}
	}
	u.groups = kept
}

func (g *group) position(u *user) (int, bool) {
	return slices.BinarySearchFunc(g.members, u, func(a, b *user) int { return cmp.Compare(a.seq, b.seq) })
}

// everyMember returns the members, or all users for Everyone, including deactivated and deleted ones.
func (o *Org) everyMember(g *group) []*user {
	if g.kind == builtIn {
		return o.users.all
	}
	return g.members
}

// listed reports whether lists show a member.
func (u *user) listed() bool { return u.live.exists && u.live.status != deprovisioned }

func (s *groupState) name() string { return gjson.GetBytes(s.profile, "name").Str }

func (g *group) target() target { return target{g.id, "UserGroup", "unknown", g.name()} }

// named returns the group that uses a name. Groups of applications may have any name.
func (s *groupStore) named(name string) *group {
	for _, g := range s.all {
		if g.kind != appGroup && strings.EqualFold(g.name(), name) {
			return g
		}
	}
	return nil
}

// appendGroup renders the present state of g.
func appendGroup(buf []byte, g *group, origin string) []byte {
	return appendGroupState(buf, g, &g.groupState, origin, nil)
}

// appendGroupState renders a state of g; embedded, if any, becomes _embedded.
func appendGroupState(buf []byte, g *group, s *groupState, origin string, embedded []byte) []byte {
	class := "okta:user_group"
	if g.kind == appGroup {
		class = "okta:windows_security_principal"
	}
	self := "/api/v1/groups/" + g.id
	buf = appendField(append(buf, '{'), "id", g.id)
	buf = appendTime(buf, "created", g.created)
	buf = appendTime(buf, "lastUpdated", s.lastUpdated)
	buf = appendTime(buf, "lastMembershipUpdated", s.lastMembershipUpdated)
	buf = append(appendString(append(appendKey(buf, "objectClass"), '['), class), ']')
	buf = appendField(buf, "type", g.kind)
	buf = appendRaw(buf, "profile", s.profile)
	if embedded != nil {
		buf = appendRaw(buf, "_embedded", embedded)
	}
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

// groupStats returns what expand=stats embeds.
func (o *Org) groupStats(g *group) []byte {
	users, apps := 0, 0
	for _, u := range o.everyMember(g) {
		if u.listed() {
			users++
		}
	}
	if o.hooks.groupApps != nil {
		apps = o.hooks.groupApps(g)
	}
	buf := append(appendKey([]byte(`{"stats":{`), "usersCount"), strconv.Itoa(users)...)
	buf = append(appendKey(buf, "appsCount"), strconv.Itoa(apps)...)
	buf = append(appendKey(buf, "groupPushMappingsCount"), '0')
	// The misspelling is in Okta's document.
	buf = append(appendKey(buf, "hasAdminPrivlege"), strconv.FormatBool(len(o.roles.held[principal{principalGroup, g.id}]) > 0)...)
	return append(buf, "}}"...)
}

// Members returns the ids of a group's members in the order of GET /api/v1/groups/{groupId}/users.
func (o *Org) Members(groupID string) []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []string
	if g := o.groups.byID[groupID]; g != nil {
		for _, u := range o.everyMember(g) {
			if u.listed() {
				all = append(all, u.id)
			}
		}
	}
	return all
}
