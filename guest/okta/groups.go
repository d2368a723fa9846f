package okta

import (
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
	getUserGroups     = abi.Endpoint{Endpoint: "GET /api/v1/users/{id}/groups", Bucket: "/api/v1/users", Scopes: readGroups}
	putGroupMember    = abi.Endpoint{Endpoint: "PUT /api/v1/groups/{groupId}/users/{userId}", Bucket: "/api/v1/groups", Scopes: manageGroups}
	deleteGroupMember = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}/users/{userId}", Bucket: "/api/v1/groups", Scopes: manageGroups}
)

var groupInput = idInput("group", "the group's id")

var groupOperations = []operation{
	{
		name:        "lookup_group",
		summary:     "Reads one group by id or exact name. A name that several groups have is rejected, with their ids.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{idInput("group", "the group's id or exact name")},
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
			groupExpandInput, limitInput, groupPageInput, cursorInput,
		},
		require:   `"if":{"required":["q"]},"then":{"not":{"anyOf":[{"required":["filter"]},{"required":["cursor"]}]}}`,
		example:   `{"limit":100}`,
		key:       "id",
		columns:   groupColumns,
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
			sortByInput, sortOrderInput, limitInput, groupPageInput, cursorInput,
		},
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
			{"profile", false, `{"type":"object","description":"further attributes that the org's group schema has"}`},
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
			{"profile", false, `{"type":"object","description":"further attributes to set; null clears one"}`},
		},
		require:   `"anyOf":[{"required":["name"]},{"required":["description"]},{"required":["profile"]}]`,
		example:   `{"group":"00g1emaKYZTWRYYRRTSK","description":"Builds and runs things"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getGroup, putGroup},
		do:        updateGroup,
	},
	{
		name:        "delete_group",
		summary:     "Deletes a group: its members lose what it gave them. A group that is gone already stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs:      []input{groupInput},
		example:     `{"group":"00g1emaKYZTWRYYRRTSK"}`,
		key:         "id",
		endpoints:   []abi.Endpoint{getGroup, deleteGroup},
		do:          removeGroup,
	},
	{
		name:        "add_group_member",
		summary:     "Adds a user to a group. A member already stays unchanged.",
		class:       abi.Write,
		surfaces:    axon,
		idempotency: abi.Idempotent,
		inputs:      []input{groupInput, userInput},
		example:     `{"group":"00g1emaKYZTWRYYRRTSK","user":"ada.lovelace@example.com"}`,
		endpoints:   []abi.Endpoint{getGroup, getUser, getUserGroups, putGroupMember},
		do:          func(c *call) result { return setMember(c, true) },
	},
	{
		name:        "remove_group_member",
		summary:     "Takes a user out of a group. A user who is not in it stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Idempotent,
		inputs:      []input{groupInput, userInput},
		example:     `{"group":"00g1emaKYZTWRYYRRTSK","user":"ada.lovelace@example.com"}`,
		endpoints:   []abi.Endpoint{getGroup, getUser, getUserGroups, deleteGroupMember},
		do:          func(c *call) result { return setMember(c, false) },
	},
}

var (
	groupExpandInput = input{"expand", false, `{"enum":["stats","app"],"description":"stats adds counts of users and apps, which is slow; app the source of an APP_GROUP"}`}
	groupPageInput   = input{"page_size", false, `{"type":"integer","minimum":1,"maximum":200,"description":"records a request; default the connection's default_page_size, else 200"}`}
)

var groupColumns = []column{
	{"id", abi.Varchar, "id", "the group's id"},
	{"name", abi.Varchar, "profile.name", ""},
	{"description", abi.Varchar, "profile.description", ""},
	{"type", abi.Varchar, "type", "OKTA_GROUP, APP_GROUP or BUILT_IN"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", "of the profile"},
	{"last_membership_updated", abi.TimestampTZ, "lastMembershipUpdated", ""},
	{"source_id", abi.Varchar, "source.id", "the app that an APP_GROUP comes from"},
	{"users_count", abi.BigInt, "_embedded.stats.usersCount", "with expand stats"},
	{"object_class", abi.JSON, "objectClass", ""},
	{"profile", abi.JSON, "profile", "every attribute"},
	{"links", abi.JSON, "_links", ""},
}

func (c *call) group(id string) (object, *result) {
	return c.object(hostcall.Request{Endpoint: getGroup.Endpoint, Path: at("groupId", id)}, "UserGroup", "group")
}

// groupsNamed finds the groups of exactly this name. q is read from the groups themselves, and not from the index of
// search, which lags.
func (c *call) groupsNamed(name string) (found []jsonval.Value, failed *result) {
	resp := c.send(hostcall.Request{Endpoint: getGroups.Endpoint, Query: at("q", name, "limit", "100")})
	if !ok(resp) {
		r := c.failure(resp, "", "")
		return nil, &r
	}
	groups, isJSON := c.Body(resp)
	if !isJSON || groups.Kind() != jsonval.Array {
		r := badBody(resp, "no list of groups")
		return nil, &r
	}
	for g := range groups.Elements() {
		if g.Get("profile", "name").Str() == name {
			found = append(found, g)
		}
	}
	return found, nil
}

func lookupGroup(c *call) result {
	name := c.str("group")
	if isID(name, "00g") {
		return (&get{endpoint: getGroup.Endpoint, path: []blank{{"groupId", "group"}}, noun: "group", typ: "UserGroup"}).run(c)
	}
	found, failed := c.groupsNamed(name)
	switch {
	case failed != nil:
		return *failed
	case len(found) == 0:
		return fail(abi.NotFound, string(abi.NotFound), "there is no group of id or name "+jsonval.Quote(name)+": names are exact, case included")
	case len(found) > 1:
		var ids []string
		for _, g := range found {
			ids = append(ids, g.Get("id").Str()+" ("+g.Get("type").Str()+")")
		}
		return refuse("ambiguous", "several groups are named "+jsonval.Quote(name)+": "+strings.Join(ids, ", ")+". Give an id")
	}
	return result{outcome: abi.Succeeded, output: found[0].Raw()}
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

func createGroup(c *call) result {
	name, profile := c.str("name"), c.groupProfile(jsonval.Value{})
	taken := func() (g jsonval.Value, failed *result) {
		found, failed := c.groupsNamed(name)
		for _, f := range found {
			if f.Get("type").Str() == "OKTA_GROUP" {
				g = f
			}
		}
		return g, failed
	}
	rejected := func(g jsonval.Value) result {
		id := g.Get("id").Str()
		r := refuse("name_taken", "group "+id+" has the name "+jsonval.Quote(name)+" already: choose another, or update that group")
		var w jsonval.Writer
		r.output = w.Str("existing_id", id).String()
		return r
	}
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
		refused: func(r result) result {
			if r.outcome == abi.Rejected {
				if g, failed := taken(); failed == nil && g.Exists() {
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
			case g.Get("profile").Contains(profile):
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

func updateGroup(c *call) result {
	id := c.str("group")
	before, failed := c.group(id)
	if failed != nil {
		return *failed
	}
	if r := mastered(before.Value, "change it"); r != nil {
		return *r
	}
	profile := c.groupProfile(before.Get("profile"))
	has := func(g object) bool { return withoutNulls(g.Get("profile")).Equal(withoutNulls(profile)) }
	if has(before) {
		return result{outcome: abi.Unchanged, output: before.Raw()}
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: putGroup.Endpoint, Path: at("groupId", id), Body: `{"profile":` + profile.Raw() + `}`},
		typ:     "UserGroup", noun: "group",
		what:   "updating group " + id,
		undone: "the group was not updated",
		look:   looking(func() (object, *result) { return c.group(id) }, has, func(g object) string { return g.Raw() }),
	})
}

func removeGroup(c *call) result {
	id := c.str("group")
	before, failed := c.group(id)
	if before.gone {
		return result{outcome: abi.Unchanged, output: states(id, "", "DELETED", "DELETED")}
	}
	if failed != nil {
		return *failed
	}
	if before.Get("type").Str() == "BUILT_IN" {
		return *mastered(before.Value, "delete it")
	}
	output := states(id, before.Get("profile", "name").Str(), "ACTIVE", "DELETED")
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteGroup.Endpoint, Path: at("groupId", id)},
		typ:     "UserGroup", noun: "group",
		what:   "deleting group " + id,
		undone: "the group was not deleted",
		done:   func(hostcall.Response) result { return result{outcome: abi.Succeeded, output: output} },
		refused: func(r result) result {
			if r.outcome == abi.NotFound { // somebody else was faster
				return result{outcome: abi.Unchanged, output: output}
			}
			return r
		},
		look: looking(func() (object, *result) { return c.group(id) }, func(g object) bool { return g.gone }, func(object) string { return output }),
	})
}

// maxMembershipPages bounds the search for a group among those of a user.
const maxMembershipPages = 10

// isMember looks for a group among those of a user.
func (c *call) isMember(group, user string) (is, known bool) {
	req := hostcall.Request{Endpoint: getUserGroups.Endpoint, Path: at("id", user)}
	for range maxMembershipPages {
		resp := c.send(req)
		groups, isJSON := c.Body(resp)
		if !ok(resp) || !isJSON {
			return false, false
		}
		for g := range groups.Elements() {
			if g.Get("id").Str() == group {
				return true, true
			}
		}
		link := withoutOrigin(nextLink(resp.HeaderValues("link")))
		if link == "" || link == req.Link {
			return false, true
		}
		req = hostcall.Request{Endpoint: getUserGroups.Endpoint, Link: link}
	}
	return false, false
}

func setMember(c *call, want bool) result {
	group := c.str("group")
	g, failed := c.group(group)
	if failed != nil {
		return *failed
	}
	u, failed := c.userObject(c.str("user"))
	if failed != nil {
		return *failed
	}
	if r := mastered(g.Value, "change its members"); r != nil {
		return *r
	}
	user := u.Get("id").Str()
	var w jsonval.Writer
	output := w.Str("group", group).Str("group_name", g.Get("profile", "name").Str()).Str("user", user).
		StrIf("login", u.Get("profile", "login").Str()).Bool("member", want).String()
	if is, known := c.isMember(group, user); known && is == want {
		return result{outcome: abi.Unchanged, output: output}
	}
	endpoint, what := putGroupMember.Endpoint, "adding user "+user+" to group "+group
	if !want {
		endpoint, what = deleteGroupMember.Endpoint, "removing user "+user+" from group "+group
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: endpoint, Path: at("groupId", group, "userId", user)},
		typ:     "UserGroup", noun: "group",
		what:   what,
		undone: "the membership did not change",
		done:   func(hostcall.Response) result { return result{outcome: abi.Succeeded, output: output} },
		refused: func(r result) result {
			if r.outcome == abi.Rejected {
				r.err.Message = "Okta does not let this membership be changed by hand (a group rule or an app may manage it). " + r.err.Message
			}
			return r
		},
		look: func() (reading, result) {
			switch is, known := c.isMember(group, user); {
			case !known:
				return untold, result{}
			case is == want:
				return holds, result{output: output}
			}
			return absent, result{}
		},
	})
}
