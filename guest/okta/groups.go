package okta

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readGroups   = []string{"okta.groups.read"}
	manageGroups = []string{"okta.groups.manage"}

	getGroups         = abi.Endpoint{Endpoint: "GET /api/v1/groups", Bucket: "/api/v1/groups", Scopes: readGroups}
	postGroups        = abi.Endpoint{Endpoint: "POST /api/v1/groups", Bucket: "/api/v1/groups", Scopes: manageGroups}
	getGroup          = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}", Bucket: "/api/v1/groups/{id}", Scopes: readGroups}
	putGroup          = abi.Endpoint{Endpoint: "PUT /api/v1/groups/{groupId}", Bucket: "/api/v1/groups/{id}", Scopes: manageGroups}
	deleteGroup       = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}", Bucket: "/api/v1/groups/{id}", Scopes: manageGroups}
	getUserGroups     = abi.Endpoint{Endpoint: "GET /api/v1/users/{id}/groups", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}}
	putGroupMember    = abi.Endpoint{Endpoint: "PUT /api/v1/groups/{groupId}/users/{userId}", Bucket: "/api/v1/groups", Scopes: manageGroups}
	deleteGroupMember = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}/users/{userId}", Bucket: "/api/v1/groups", Scopes: manageGroups}
)

var groupInput = nameInput("group", "the group's id or exact name")

var groupOperations = []operation{
	{
		name:        "lookup_group",
		summary:     "Reads one group by id or exact name. A name that several groups have is rejected, with their ids.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{groupInput},
		example:     `{"group":"Engineering"}`,
		key:         "id",
		columns:     groupColumns,
		endpoints:   []abi.Endpoint{getGroup, getGroups},
		do:          lookupGroup,
	},
	{
		name:        "list_groups",
		summary:     "Lists groups. q answers one page of names that begin so.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			textInput("filter", "4096", `on id, type, lastUpdated or lastMembershipUpdated, such as type eq "OKTA_GROUP"`),
			textInput("q", "255", "the beginning of a name; one page, without filter and cursor"),
			groupExpandInput, limitInput, pageSize200, cursorInput,
		},
		require: `"description":"q goes without filter and cursor","if":{"required":["q"]},"then":{"not":{"anyOf":[{"required":["filter"]},{"required":["cursor"]}]}}`,
		example: `{"limit":100}`,
		key:     "id",
		columns: append(groupColumns[:len(groupColumns):len(groupColumns)],
			column{"users_count", abi.BigInt, "_embedded.stats.usersCount", "with expand stats"}),
		endpoints: []abi.Endpoint{getGroups},
		list:      &list{endpoint: getGroups.Endpoint, query: []param{{"filter", "filter"}, {"q", "q"}, {"expand", "expand"}}, keep: []param{{"expand", "expand"}}, maxPage: 200},
	},
	{
		name:        "search_groups",
		summary:     "Searches groups by a SCIM expression over any attribute. A change takes about a second to be found.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"search", true, `{"type":"string","minLength":1,"maxLength":4096,"description":"such as profile.name sw \"Eng\" and type eq \"OKTA_GROUP\""}`},
			{"sort_by", false, `{"type":"string","minLength":1,"maxLength":255,"description":"attribute to sort by, such as profile.name"}`},
			sortOrderInput, limitInput, pageSize200, cursorInput,
		},
		require:   sortRequire,
		example:   `{"search":"type eq \"OKTA_GROUP\"","limit":10}`,
		key:       "id",
		columns:   groupColumns,
		endpoints: []abi.Endpoint{getGroups},
		list:      &list{endpoint: getGroups.Endpoint, query: []param{{"search", "search"}, {"sort_by", "sortBy"}, {"sort_order", "sortOrder"}}, maxPage: 200},
	},
	{
		name:        "create_group",
		summary:     "Creates a group. A name that is taken is rejected with the id that has it.",
		class:       abi.Write,
		surfaces:    axon,
		idempotency: abi.Keyed,
		inputs: []input{
			{"name", true, `{"type":"string","minLength":1,"maxLength":255,"description":"unique among the groups that Okta masters"}`},
			textInput("description", "1024", "what the group is for"),
			{"profile", false, `{"type":"object",` + furtherAttributes + `"description":"further attributes that the org's group schema has"}`},
		},
		example:   `{"name":"Night Shift","description":"On call from 22 to 6"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getGroups, postGroups},
		do:        createGroup,
	},
	{
		name:        "update_group",
		summary:     "Changes a group's name, description or other attributes; those that are not given stay.",
		class:       abi.Write,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			groupInput,
			textInput("name", "255", "the new name"),
			{"description", false, `{"type":"string","maxLength":1024,"description":"the new description"}`},
			{"profile", false, `{"type":"object","minProperties":1,` + furtherAttributes + `"description":"further attributes to set; null clears one"}`},
		},
		require:   `"description":"at least one of name, description and profile","anyOf":[{"required":["name"]},{"required":["description"]},{"required":["profile"]}]`,
		example:   `{"group":"Engineering","description":"Builds and runs things"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getGroup, getGroups, getGroupRules, putGroup},
		do:        updateGroup,
	},
	{
		name:        "delete_group",
		summary:     "Deletes a group: its members lose what it gave them. An id that is gone already stays unchanged.",
		class:       abi.Destructive,
		rules:       []abi.ClassRule{ofAdministrators},
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{nameInput("group", "the group's id or exact name; an id that is gone is unchanged, a name that no group has is not_found, "+
			"since it may be misspelt"), adminGroupInput},
		example:   `{"group":"Engineering"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getGroup, getGroups, getGroupRoles, getGroupRules, getMe, getUserGroups, of(abi.ClassOfInput, deleteGroup)},
		do:        removeGroup,
	},
	{
		name: "add_group_member",
		summary: "Adds a user to a group. A member already stays unchanged. Where the group's members changed within 5 minutes, it is sent whatever Okta's list says, which may lag behind. " +
			"A group that has administrator roles is rejected unless admin_group says that it is meant.",
		class:       abi.Write,
		rules:       []abi.ClassRule{ofAdministrators},
		surfaces:    axon,
		idempotency: abi.Idempotent,
		inputs:      []input{groupInput, targetInput, adminGroupInput},
		example:     `{"group":"Engineering","user":"alan.turing@example.com"}`,
		endpoints:   []abi.Endpoint{getGroup, getGroups, getUser, getUsers, getUserGroups, getGroupRoles, of(abi.ClassOfInput, putGroupMember)},
		do:          func(c *call) result { return setMember(c, true) },
	},
	{
		name: "remove_group_member",
		summary: "Takes a user out of a group. A user who is not in it stays unchanged. Where the group's members changed within 5 minutes, it is sent whatever Okta's list says, which may lag behind. " +
			"A group that has administrator roles is rejected unless admin_group says that it is meant.",
		class:       abi.Destructive,
		rules:       []abi.ClassRule{ofAdministrators},
		surfaces:    axon,
		idempotency: abi.Idempotent,
		inputs:      []input{groupInput, targetInput, adminGroupInput},
		example:     `{"group":"Engineering","user":"ada.lovelace@example.com"}`,
		endpoints:   []abi.Endpoint{getGroup, getGroups, getUser, getUsers, getUserGroups, getGroupRoles, getGroupRules, getMe, of(abi.ClassOfInput, deleteGroupMember)},
		do:          func(c *call) result { return setMember(c, false) },
	},
}

// ofAdministrators raises what gives or takes administrator roles: a group's are those of its members.
var ofAdministrators = abi.ClassRule{Field: "admin_group", Equals: "true", Class: abi.Privileged}

var adminGroupInput = boolInput("admin_group", "says that a group is meant whose members are administrators, which makes the call privileged; "+
	"without it, such a group is rejected, with its roles")

var groupExpandInput = input{"expand", false, `{"enum":["stats","app"],"description":"stats adds counts of users and apps, which is slow; app the source of an APP_GROUP"}`}

// furtherAttributes keeps a profile from saying what an input of its own says.
const furtherAttributes = `"propertyNames":{"not":{"enum":["name","description"]}},`

var groupColumns = []column{
	{"id", abi.Varchar, "id", "the group's id"},
	{"name", abi.Varchar, "profile.name", ""},
	{"description", abi.Varchar, "profile.description", ""},
	{"type", abi.Varchar, "type", "OKTA_GROUP, APP_GROUP or BUILT_IN"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", "of the profile"},
	{"last_membership_updated", abi.TimestampTZ, "lastMembershipUpdated", ""},
	{"source_id", abi.Varchar, "source.id", "the app that an APP_GROUP comes from"},
	{"object_class", abi.JSON, "objectClass", ""},
	{"profile", abi.JSON, "profile", "every attribute"},
	{"links", abi.JSON, "_links", ""},
}

func (c *call) group(id string) (object, *result) {
	return c.object(hostcall.Request{Endpoint: getGroup.Endpoint, Path: at("groupId", id)}, "UserGroup", "group")
}

// findGroup reads the group of an id or an exact name. gone means that the id is none: a name may be misspelt.
func (c *call) findGroup(idOrName string) (object, *result) {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if strings.HasPrefix(idOrName, "00g") && strings.Trim(idOrName, alphanumeric) == "" {
		if g, failed := c.group(idOrName); !g.gone || isID(idOrName, "00g") {
			return g, failed
		}
	}
	return c.groupNamed(idOrName)
}

// groupNamed finds the one group of exactly this name.
func (c *call) groupNamed(name string) (object, *result) {
	found, failed := c.groupsNamed(name, func(a, b string) bool { return a == b })
	switch {
	case failed != nil:
		return object{}, failed
	case len(found) == 0:
		r := fail(abi.NotFound, string(abi.NotFound), "there is no group of id or name "+jsonval.Quote(name)+": names are exact, case included")
		return object{}, &r
	case len(found) > 1:
		var ids []string
		for _, g := range found {
			ids = append(ids, g.Get("id").Str()+" ("+g.Get("type").Str()+")")
		}
		r := refuse("ambiguous", "several groups are named "+jsonval.Quote(name)+": "+strings.Join(ids, ", ")+". Give an id")
		r.output = `{"groups":` + array(found, jsonval.Value.Raw) + `}`
		return object{}, &r
	}
	return object{Value: found[0]}, nil
}

// groupID is the id of the group that the input names by id or exact name, for endpoints that want an id.
func (c *call) groupID() (string, *result) {
	group := c.str("group")
	if isID(group, "00g") {
		return group, nil
	}
	g, failed := c.groupNamed(group)
	if failed != nil {
		return "", failed
	}
	return g.Get("id").Str(), nil
}

// namedPage is how many groups are asked for by name at once.
const namedPage = 100

// groupsNamed finds the groups whose name is the same as this one. q reads the groups themselves and answers one page of names that
// begin so; search lags a little and finds what q has no room for.
func (c *call) groupsNamed(name string, same func(a, b string) bool) (found []jsonval.Value, failed *result) {
	for _, query := range [...][2]string{{"q", name}, {"search", "profile.name eq " + jsonval.Quote(name)}} {
		req := hostcall.Request{Endpoint: getGroups.Endpoint, Query: at(query[0], query[1], "limit", strconv.Itoa(namedPage))}
		got := c.sendShrinking(&req, namedPage, true)
		resp := got.Response
		if !ok(resp) {
			r := c.failure(resp, "", "")
			return nil, &r
		}
		groups, failed := c.array(resp, "groups")
		if failed != nil {
			return nil, failed
		}
		n := 0
		for g := range groups.Elements() {
			n++
			known := slices.ContainsFunc(found, func(f jsonval.Value) bool { return f.Get("id").Equal(g.Get("id")) })
			if same(g.Get("profile", "name").Str(), name) && !known {
				found = append(found, g)
			}
		}
		if len(found) > 0 && n < got.asked {
			break // q had room for all of them
		}
	}
	return found, nil
}

func lookupGroup(c *call) result {
	g, failed := c.findGroup(c.str("group"))
	if failed != nil {
		return *failed
	}
	return result{outcome: abi.Succeeded, output: g.Raw()}
}

// groupProfile is the profile that the input asks for, over one that is there.
func (c *call) groupProfile(now jsonval.Value) jsonval.Value {
	var named jsonval.Writer
	for _, field := range [...]string{"name", "description"} {
		named.RawIf(field, c.input.Get(field).Raw())
	}
	fields, _ := jsonval.Parse(named.String())
	if p := c.input.Get("profile"); p.Exists() {
		now = patched(now, p)
	}
	return patched(now, fields)
}

// askedProfile is the profile that the input asks for, as a merge patch.
func (c *call) askedProfile() jsonval.Value {
	var w jsonval.Writer
	for _, field := range [...]string{"name", "description"} {
		w.RawIf(field, c.input.Get(field).Raw())
	}
	for name, v := range c.input.Get("profile").Members() {
		w.Raw(name, v.Raw())
	}
	patch, _ := jsonval.Parse(w.String())
	return patch
}

func createGroup(c *call) result {
	name, profile := c.str("name"), c.groupProfile(jsonval.Value{})
	taken := func() (g jsonval.Value, failed *result) {
		found, failed := c.groupsNamed(name, strings.EqualFold) // Okta takes names in either case for the same
		for _, f := range found {
			exact := f.Get("profile", "name").Str() == name
			if f.Get("type").Str() != "APP_GROUP" && (exact || !g.Exists()) { // those of apps have names of their own
				g = f
			}
		}
		return g, failed
	}
	rejected := func(g jsonval.Value) result {
		id := g.Get("id").Str()
		r := refuse("name_taken", "group "+id+" has the name "+jsonval.Quote(g.Get("profile", "name").Str())+" already: choose another, or update that group")
		var w jsonval.Writer
		r.output = w.Str("existing_id", id).String()
		return r
	}
	// A name that is taken before the request cannot be of the request's making, which is what settles a lost answer.
	if !c.settling {
		if g, failed := taken(); failed != nil {
			return *failed
		} else if g.Exists() {
			return rejected(g)
		}
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: postGroups.Endpoint, Body: `{"profile":` + profile.Raw() + `}`},
		what:    "creating group " + jsonval.Quote(name),
		undone:  "the group was not created",
		check: func(g jsonval.Value) *result {
			lacking := gaps(g.Get("profile"), profile, "profile")
			if len(lacking) == 0 {
				return nil
			}
			r := c.notAsAsked("creating group "+jsonval.Quote(name), lacking, nil, g.Raw(), true)
			r.err.Message += ". The group " + g.Get("id").Str() + " was created all the same: update it, or delete it"
			return &r
		},
		refused: func(r result) result {
			if e := r.err.Upstream; e != nil && (e.Status == 400 || e.Status == 409) {
				if g, failed := taken(); failed == nil && g.Exists() { // somebody else was faster
					return rejected(g)
				}
			}
			return r
		},
		look: func() (reading, result) {
			g, failed := taken()
			switch {
			case failed != nil:
				return untold, result{}
			case !g.Exists():
				return absent, result{}
			case c.madeBy(g.Get("created").Str()) == another:
				return precluded, rejected(g)
			case len(gaps(g.Get("profile"), profile, "profile")) == 0 && c.madeByUs(g.Get("created").Str()):
				return holds, result{output: g.Raw()}
			}
			return untold, result{}
		},
	})
}

// mastered refuses what only the master of a group may do.
func mastered(g jsonval.Value, what string) *result {
	var r result
	switch g.Get("type").Str() {
	case "APP_GROUP":
		r = refuse("app_group", "group "+jsonval.Quote(g.Get("profile", "name").Str())+" comes from an app or directory: "+what+" there")
	case "BUILT_IN":
		r = refuse("built_in_group", "group "+jsonval.Quote(g.Get("profile", "name").Str())+" is built in: Okta alone manages it")
	default:
		return nil
	}
	return &r
}

// adminGroup refuses a change of who is in a group that has administrator roles, unless the input says that it is meant:
// the roles are those of every member. A token that may not read roles goes on, since Okta lets super administrators alone
// change such a group, and they may (RATIONALE.md).
func (c *call) adminGroup(id, name, what string) *result {
	if c.input.Get("admin_group").True() {
		return nil
	}
	held, failed := c.rolesHeld(id)
	if failed != nil || held == nil {
		return failed
	}
	if name != "" {
		id = jsonval.Quote(name) + " (" + id + ")"
	}
	r := refuse("admin_group", "group "+id+" has administrator roles, "+strings.Join(held, ", ")+", which every member has: "+what+
		` is privileged. If that is meant, give "admin_group":true, and grant privileged`)
	return &r
}

// rolesHeld are the administrator roles of a group, as a person reads them. A token that may not read roles finds none.
func (c *call) rolesHeld(group string) (held []string, failed *result) {
	roles, failed := c.assignments(groupPrincipal(group))
	if failed != nil {
		if code := failed.err.Code; code == "forbidden" || code == "feature" || failed.outcome == abi.Rejected && failed.err.Upstream != nil && failed.err.Upstream.Status == 404 {
			return nil, nil
		}
		return nil, failed
	}
	for r := range roles.Elements() {
		if text := cmp.Or(r.Get("label").Str(), r.Get("type").Str()) + " (" + r.Get("type").Str() + ")"; !slices.Contains(held, text) {
			held = append(held, text)
		}
	}
	return held, nil
}

// ownRoles refuses what would take administrator roles from the token's owner by way of a group: the token has its owner's
// rights. user is who is taken out; empty is everybody in the group. In a run that settles an earlier one's write, the
// earlier run has looked.
func (c *call) ownRoles(group, user, doing string) *result {
	if c.settling {
		return nil
	}
	owner, failed := c.owner("whether the token's owner loses roles with group " + group)
	if failed != nil || owner == "" || user != "" && user != owner {
		return failed
	}
	if user == "" {
		if is, failed := c.ownerIsIn(group, owner); !is {
			return failed
		}
	}
	held, failed := c.rolesHeld(group)
	if failed != nil || held == nil {
		return failed
	}
	r := refuse("own_account", doing+" group "+group+" would take "+strings.Join(held, ", ")+" from the token's owner, user "+owner+
		", and with it the token's rights. Do it with another administrator's token")
	return &r
}

func updateGroup(c *call) result {
	id, failed := c.groupID()
	if failed != nil {
		return *failed
	}
	return c.replace(replacement{
		whole: &wholeGroup, path: at("groupId", id),
		merge: func(before jsonval.Value) (string, *result) {
			if refused := mastered(before, "change it"); refused != nil {
				return "", refused
			}
			var w jsonval.Writer
			return w.Raw("id", before.Get("id").Raw()).Raw("profile", withoutNulls(c.groupProfile(before.Get("profile"))).Raw()).String(), nil
		},
		gaps: func(now, _ jsonval.Value, by comparison) []gap {
			return by(now.Get("profile"), c.askedProfile(), "profile")
		},
		effects: func(before jsonval.Value) []string {
			was := before.Get("profile", "name").Str()
			if is := c.str("name"); is == "" || is == was {
				return nil
			}
			return c.renamingEffects(was)
		},
		same: func(a, b jsonval.Value) bool { return alike(a.Get("profile"), b.Get("profile")) },
	})
}

func removeGroup(c *call) result {
	group := c.str("group")
	before, failed := c.findGroup(group)
	if before.gone {
		return result{outcome: abi.Unchanged, output: `{"id":` + jsonval.Quote(group) + `,"before":null,"after":null}`}
	}
	if failed != nil {
		return *failed
	}
	if before.Get("type").Str() == "BUILT_IN" {
		return *mastered(before.Value, "delete it")
	}
	id := before.Get("id").Str()
	if refused := c.adminGroup(id, before.Get("profile", "name").Str(), "deleting it").withholding(deleteGroup.Endpoint, at("groupId", id)); refused != nil {
		return *refused
	}
	if c.input.Get("admin_group").True() {
		if refused := c.ownRoles(id, "", "deleting").withholding(deleteGroup.Endpoint, at("groupId", id)); refused != nil {
			return *refused
		}
	}
	var w jsonval.Writer
	output := w.Str("id", id).Str("name", before.Get("profile", "name").Str()).Raw("before", before.Raw()).Raw("after", "null").String()
	gone := looking(func() (object, *result) { return c.group(id) }, func(g object) bool { return g.gone }, func(object) string { return output })
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteGroup.Endpoint, Path: at("groupId", id)},
		typ:     "UserGroup", noun: "group",
		what:    "deleting group " + id,
		undone:  "the group was not deleted",
		final:   true,
		effects: c.deletionEffects(id),
		done:    func(hostcall.Response) result { return c.readBack(gone, "deleting group "+id, laggingTime, output) },
		refused: func(r result) result {
			if r.outcome != abi.NotFound {
				return r
			}
			if is, now := gone(); is == holds { // somebody else was faster
				now.outcome = abi.Unchanged
				return now
			}
			return r
		},
		look: gone,
	})
}

// maxMembershipPages bounds the search for a group among those of a user.
const maxMembershipPages = 20

// isMember looks for a group among those of a user, of whom it reads ids alone.
func (c *call) isMember(group, user string) (is, known bool, failed *result) {
	groups := list{endpoint: getUserGroups.Endpoint, filled: at("id", user), key: "id"}
	next := cursor{}
	for range maxMembershipPages {
		ids, more, failed := groups.keys(c, next)
		switch {
		case failed != nil:
			return false, false, failed
		case slices.Contains(ids, group):
			return true, true, nil
		case more.link == "":
			return false, true, nil
		}
		next = more
	}
	return false, false, nil
}

// memberLag is how long the list of a user's groups may not show a change, in milliseconds. Okta promises nothing, and
// https://github.com/okta/terraform-provider-okta/issues/2936 has a list that lagged behind. It is long, since what too
// long a time costs is a call that changes nothing.
const memberLag = 5 * 60_000

// memberTime is how long a change of members is looked for after Okta took it, in milliseconds.
const memberTime = 15_000

// lately reports whether the members of a group changed so little ago that a list may not show it, or whether that is
// not known.
func (c *call) lately(lastMembershipUpdated string) bool {
	at, ok := parseInstant(lastMembershipUpdated)
	return !ok || c.oktaNow == 0 || c.oktaNow-at < memberLag
}

// setMember adds a user to a group, or takes one out. Both are the same to Okta when repeated, so that a list that may
// lag behind is no reason to send nothing.
func setMember(c *call, want bool) result {
	g, failed := c.findGroup(c.str("group"))
	if failed != nil {
		return *failed
	}
	u, failed := c.targetUser()
	if failed != nil {
		return *failed
	}
	if r := mastered(g.Value, "change its members"); r != nil {
		return *r
	}
	group, user := g.Get("id").Str(), u.Get("id").Str()
	was, known, _ := c.isMember(group, user) // Okta's answer is the same whether anything changed or not
	output := func(after ...bool) string {   // as read, where it was
		var w jsonval.Writer
		w.Str("group", group).Str("group_name", g.Get("profile", "name").Str()).Str("user", user).
			StrIf("login", u.Get("profile", "login").Str())
		if known {
			w.Bool("member_before", was)
		}
		for _, is := range after {
			w.Bool("member", is)
		}
		return w.String()
	}
	doubtful := false
	if known && was == want {
		if c.str("group") != group { // it came from a list, too
			if g, failed = c.group(group); failed != nil {
				return *failed
			}
		}
		if doubtful = !c.settling && c.lately(g.Get("lastMembershipUpdated").Str()); !doubtful {
			return result{outcome: abi.Unchanged, output: output(want)}
		}
	}
	endpoint, path, changing := putGroupMember.Endpoint, at("groupId", group, "userId", user), "adding one"
	if !want {
		endpoint, changing = deleteGroupMember.Endpoint, "taking one out"
	}
	if refused := c.adminGroup(group, g.Get("profile", "name").Str(), changing).withholding(endpoint, path); refused != nil {
		if !want && refused.err.Code == "admin_group" {
			if own := c.ownRoles(group, user, "leaving").withholding(endpoint, path); own != nil {
				return *own
			}
		}
		return *refused
	}
	var effects []string
	if !want {
		if c.input.Get("admin_group").True() {
			if refused := c.ownRoles(group, user, "leaving").withholding(endpoint, path); refused != nil {
				return *refused
			}
		}
		if !known || was { // who is not in it is excluded from nothing
			effects = c.removalEffects(group, user)
		}
	}
	what, undone := "adding user "+user+" to group "+group, "the user is still not a member"
	if !want {
		what, undone = "removing user "+user+" from group "+group, "the user is still a member"
	}
	shows := func() (reading, result) {
		switch is, told, _ := c.isMember(group, user); {
		case !told:
			return untold, result{}
		case is == want:
			return holds, result{output: output(is)}
		}
		return absent, result{}
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: endpoint, Path: path},
		typ:     "UserGroup", noun: "group",
		what:    what,
		undone:  undone,
		trace:   g.Get("lastMembershipUpdated").Str(),
		effects: effects,
		done: func(hostcall.Response) result {
			if !known {
				return result{outcome: abi.Succeeded, output: output(), warnings: []string{"Okta took the change, and the user's groups cannot be read: whether it shows is not known"}}
			}
			r := c.readBack(shows, what, memberTime, output())
			if r.outcome == abi.Unknown {
				r.err.Message += ". A group rule or an app may have changed it back"
			}
			if doubtful && r.outcome.OK() {
				r.warnings = append(r.warnings, "it may have been so before: the user's groups said so, which may lag behind, and the group's members had changed lately")
			}
			return r
		},
		refused: func(r result) result {
			switch e := r.err.Upstream; {
			case e == nil:
			case oktaError{*e}.missing("User") && u.Get("status").Str() == "DEPROVISIONED": // Okta says so of them, too
				r.outcome, r.err.Code = abi.Rejected, "status"
				r.err.Message = "the user is DEPROVISIONED" + wayOut("DEPROVISIONED") + ". " + r.err.Message
			case oktaError{*e}.missing("User"):
				r.outcome, r.err.Code = abi.NotFound, string(abi.NotFound)
				r.err.Message = "there is no such user. " + r.err.Message
			case r.outcome == abi.Rejected && r.err.Code == string(abi.Rejected):
				r.err.Message = "Okta does not let this membership be changed by hand: look whether a group rule or an app manages it. " + r.err.Message
			}
			return r
		},
		look: func() (reading, result) {
			if !known || doubtful { // a membership that may have been so before tells nothing
				return blind, result{}
			}
			return shows()
		},
	})
}
