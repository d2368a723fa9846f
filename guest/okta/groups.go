package okta

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readGroups   = []string{"okta.groups.read"}
	manageGroups = []string{"okta.groups.manage"}

	getGroups         = abi.Endpoint{Endpoint: "GET /api/v1/groups", Bucket: "/api/v1/groups", Scopes: readGroups, Query: []string{"search", "filter", "q", "after", "limit", "expand", "sortBy", "sortOrder"}}
	postGroups        = abi.Endpoint{Endpoint: "POST /api/v1/groups", Bucket: "/api/v1/groups", Scopes: manageGroups}
	getGroup          = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}", Bucket: "/api/v1/groups/{id}", Scopes: readGroups}
	putGroup          = abi.Endpoint{Endpoint: "PUT /api/v1/groups/{groupId}", Bucket: "/api/v1/groups/{id}", Scopes: manageGroups}
	deleteGroup       = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}", Bucket: "/api/v1/groups/{id}", Scopes: manageGroups}
	getUserGroups     = abi.Endpoint{Endpoint: "GET /api/v1/users/{id}/groups", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Query: pageParams}
	getGroupUsers     = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/users", Bucket: "/api/v1/groups", Scopes: readGroups, Query: pageParams}
	getGroupOwners    = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/owners", Bucket: "/api/v1/groups", Scopes: readGroups, Query: []string{"search", "after", "limit"}}
	putGroupMember    = abi.Endpoint{Endpoint: "PUT /api/v1/groups/{groupId}/users/{userId}", Bucket: "/api/v1/groups", Scopes: manageGroups}
	deleteGroupMember = abi.Endpoint{Endpoint: "DELETE /api/v1/groups/{groupId}/users/{userId}", Bucket: "/api/v1/groups", Scopes: manageGroups}
)

var groupInput = connector.NameInput("group", "the group's id or exact name")

var groupOperations = []connector.Operation{
	{
		Name:        "lookup_group",
		Summary:     "Reads one group by id or exact name. If several groups have the name, it is rejected with their ids.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{groupInput},
		Example:     `{"group":"Engineering"}`,
		Key:         "id",
		Columns:     groupColumns,
		Display:     groupDisplay,
		Rejects:     "ambiguous",
		Endpoints:   []*abi.Endpoint{&getGroup, &getGroups},
		Do:          lookupGroup,
	},
	{
		Name:        "list_groups",
		Summary:     "Lists groups. With q, it returns one page of groups whose name has that prefix.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("filter", "4096", `filter on id, type, lastUpdated or lastMembershipUpdated, such as type eq "OKTA_GROUP"`),
			connector.TextInput("q", "255", "prefix of a name; one page, without filter and cursor"),
			groupExpandInput, connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Require:   `"description":"q excludes filter and cursor","if":{"required":["q"]},"then":{"not":{"anyOf":[{"required":["filter"]},{"required":["cursor"]}]}}`,
		Example:   `{"limit":100}`,
		Key:       "id",
		Columns:   listedGroupColumns,
		Display:   groupDisplay + " users_count",
		Endpoints: []*abi.Endpoint{&getGroups},
		List:      &connector.List{Endpoint: getGroups.Endpoint, Query: []connector.Param{{"filter", "filter"}, {"q", "q"}, {"expand", "expand"}}, Keep: []connector.Param{{"expand", "expand"}}, MaxPage: 200},
		View:      &abi.View{Name: "groups", Answers: groupAnswers},
	},
	{
		Name:        "search_groups",
		Summary:     "Searches groups by a SCIM expression over any attribute. It finds a change after about a second.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"search", true, `{"type":"string","minLength":1,"maxLength":4096,"description":"such as profile.name sw \"Eng\" and type eq \"OKTA_GROUP\""}`},
			{"sort_by", false, `{"type":"string","minLength":1,"maxLength":255,"description":"attribute to sort by, such as profile.name"}`},
			sortOrderInput, connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Require:   sortRequire,
		Example:   `{"search":"type eq \"OKTA_GROUP\"","limit":10}`,
		Key:       "id",
		Columns:   listedGroupColumns,
		Display:   groupDisplay,
		Endpoints: []*abi.Endpoint{&getGroups},
		List:      &connector.List{Endpoint: getGroups.Endpoint, Query: []connector.Param{{"search", "search"}, {"sort_by", "sortBy"}, {"sort_order", "sortOrder"}}, MaxPage: 200},
	},
	{
		Name:        "create_group",
		Summary:     "Creates a group. A name that is in use is rejected, with the id of its group.",
		Class:       abi.Write,
		Surfaces:    axon,
		Idempotency: abi.Keyed,
		Inputs: []connector.Input{
			{"name", true, `{"type":"string","minLength":1,"maxLength":255,"description":"unique among groups of type OKTA_GROUP"}`},
			connector.TextInput("description", "1024", "what the group is for"),
			{"profile", false, `{"type":"object",` + furtherAttributes + `"description":"other attributes of the org's group schema"}`},
		},
		Example:   `{"name":"Night Shift","description":"On call from 22 to 6"}`,
		Key:       "id",
		Rejects:   "name_taken",
		Endpoints: []*abi.Endpoint{&getGroups, &postGroups},
		Do:        createGroup,
	},
	{
		Name:        "update_group",
		Summary:     "Changes a group's name, description or other attributes. Attributes that are not given are kept.",
		Class:       abi.Write,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			groupInput,
			connector.TextInput("name", "255", "the new name"),
			{"description", false, `{"type":"string","maxLength":1024,"description":"the new description"}`},
			{"profile", false, `{"type":"object","minProperties":1,` + furtherAttributes + `"description":"other attributes to set; null clears one"}`},
		},
		Require:   `"description":"give at least one of name, description and profile","anyOf":[{"required":["name"]},{"required":["description"]},{"required":["profile"]}]`,
		Example:   `{"group":"Engineering","description":"Builds and runs things"}`,
		Key:       "id",
		Rejects:   "ambiguous app_group built_in_group",
		Endpoints: []*abi.Endpoint{&getGroup, &getGroups, &getGroupRules, &putGroup},
		Do:        updateGroup,
	},
	{
		Name:        "delete_group",
		Summary:     "Deletes a group: members lose what it gave them. An id that no longer exists is unchanged.",
		Class:       abi.Destructive,
		Rules:       []abi.ClassRule{adminGroupRule},
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{connector.NameInput("group", "the group's id or exact name. An id that does not exist is unchanged; an unknown name is not_found, "+
			"as it may be misspelt"), adminGroupInput},
		Example:   `{"group":"Engineering"}`,
		Key:       "id",
		Rejects:   "admin_group ambiguous app_group built_in_group own_account",
		Endpoints: []*abi.Endpoint{&getGroup, &getGroups, &getGroupRoles, &getGroupRules, &getMe, &getUserGroups, adminGuarded(&deleteGroup)},
		Do:        removeGroup,
	},
	{
		Name: "add_group_member",
		Summary: "Adds a user to a group. An existing member is unchanged. If members changed in the last 5 minutes, the request is sent anyway: Okta's list may lag. " +
			"A group with administrator roles is rejected unless admin_group is true.",
		Class:       abi.Write,
		Rules:       []abi.ClassRule{adminGroupRule},
		Surfaces:    axon,
		Idempotency: abi.Idempotent,
		Inputs:      []connector.Input{groupInput, targetInput, adminGroupInput},
		Example:     `{"group":"Engineering","user":"alan.turing@example.com"}`,
		Rejects:     "admin_group ambiguous app_group built_in_group short_name",
		Endpoints:   []*abi.Endpoint{&getGroup, &getGroups, &getUser, &getUsers, &getUserGroups, &getGroupRoles, adminGuarded(&putGroupMember)},
		Do:          func(c *connector.Call) connector.Result { return setMember(c, true) },
	},
	{
		Name: "remove_group_member",
		Summary: "Removes a user from a group. A user who is not a member is unchanged. If members changed in the last 5 minutes, the request is sent anyway: Okta's list may lag. " +
			"A group with administrator roles is rejected unless admin_group is true.",
		Class:       abi.Destructive,
		Rules:       []abi.ClassRule{adminGroupRule},
		Surfaces:    axon,
		Idempotency: abi.Idempotent,
		Inputs:      []connector.Input{groupInput, targetInput, adminGroupInput},
		Example:     `{"group":"Engineering","user":"ada.lovelace@example.com"}`,
		Rejects:     "admin_group ambiguous app_group built_in_group own_account short_name",
		Endpoints:   []*abi.Endpoint{&getGroup, &getGroups, &getUser, &getUsers, &getUserGroups, &getGroupRoles, &getGroupRules, &getMe, adminGuarded(&deleteGroupMember)},
		Do:          func(c *connector.Call) connector.Result { return setMember(c, false) },
	},
	{
		Name:        "list_group_members",
		Addition:    true,
		Summary:     "Lists the users in a group.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{groupInput, connector.LimitInput, pageSize200, connector.CursorInput},
		Example:     `{"group":"Engineering","limit":100}`,
		Key:         "id",
		Columns:     userColumns,
		Display:     userDisplay,
		Rejects:     "ambiguous",
		Endpoints:   []*abi.Endpoint{&getGroups, &getGroupUsers},
		List:        &connector.List{Endpoint: getGroupUsers.Endpoint, Resolve: groupPath, MaxPage: 200, Noun: "group", Type: "UserGroup"},
		View:        &abi.View{Name: "group_members", Of: ofGroups, Comment: "The users in each group: a request or more for each."},
	},
	{
		Name:        "list_user_groups",
		Addition:    true,
		Summary:     "Lists the groups of a user.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{userInput, connector.LimitInput, connector.CursorInput},
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Key:         "id",
		Columns:     groupColumns,
		Display:     groupDisplay,
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &getUserGroups},
		List:        &connector.List{Endpoint: getUserGroups.Endpoint, Resolve: userIDPath, OptionalLimit: true, Noun: "user", Type: "User"},
		View:        &abi.View{Name: "user_groups", Of: ofUsers, Comment: "The groups of each user: a request for each. For most users at once, group_members needs fewer."},
	},
	{
		Name:        "list_group_owners",
		Addition:    true,
		Summary:     "Lists the owners of a group: users and groups. Owners need Okta Identity Governance.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{groupInput, connector.TextInput("search", "255", `a SCIM expression over the type, such as type eq "USER"`),
			connector.LimitInput, pageSize200, connector.CursorInput},
		Example:   `{"group":"Engineering"}`,
		Key:       "id",
		Columns:   groupOwnerColumns,
		Display:   "display_name type origin_type resolved last_updated id",
		Rejects:   "ambiguous",
		Endpoints: []*abi.Endpoint{&getGroups, &getGroupOwners},
		List: &connector.List{Endpoint: getGroupOwners.Endpoint, Resolve: groupPath, Query: []connector.Param{{"search", "search"}}, Keep: []connector.Param{{"search", "search"}},
			MaxPage: 200, Noun: "group", Type: "UserGroup"},
		View: &abi.View{Name: "group_owners", Of: ofGroups, Comment: "The owners of each group: a request for each."},
	},
}

var groupOwnerColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the owner's id: a user or a group"},
	{"type", abi.Varchar, "type", "USER or GROUP"},
	{"display_name", abi.Varchar, "displayName", ""},
	{"origin_id", abi.Varchar, "originId", "the app that manages the group, if the owner comes from it"},
	{"origin_type", abi.Varchar, "originType", "OKTA_DIRECTORY or APPLICATION"},
	{"resolved", abi.Boolean, "resolved", "whether the owner is known in Okta"},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
}

// ofGroups is for views that have a list for each group.
var ofGroups = &abi.ViewOf{View: "groups", Column: "id", Input: "group", As: "group_id", Match: "^00g[A-Za-z0-9]{17}$"}

// groupPath returns the path parameter for an endpoint about a group. It resolves a name to an id.
func groupPath(c *connector.Call) ([]hostcall.Pair, *connector.Result) {
	id, failed := groupID(c)
	return connector.Pairs("groupId", id), failed
}

// adminGroupRule makes a change of a group with administrator roles privileged: its members have these roles.
var adminGroupRule = abi.ClassRule{Field: "admin_group", Equals: "true", Class: abi.Privileged}

// adminGuarded returns e, which changes the members of the group in its path, with the class of the input. The host
// checks first that the group has no administrator roles (RATIONALE.md).
func adminGuarded(e *abi.Endpoint) *abi.Endpoint {
	return guardedBy(e, abi.Guard{Kind: abi.GuardEmpty, Read: getGroupRoles.Endpoint, Statuses: []int{404}, Class: abi.Privileged})
}

func guardedBy(e *abi.Endpoint, g abi.Guard) *abi.Endpoint {
	guarded := *connector.WithClass(abi.ClassOfInput, e)
	guarded.Guards = []abi.Guard{g}
	return &guarded
}

var adminGroupInput = connector.BoolInput("admin_group", "confirms a change of a group with administrator roles, which makes the call privileged; "+
	"without it, such a group is rejected with its roles")

var groupExpandInput = connector.Input{"expand", false, `{"enum":["stats","app"],"description":"stats adds counts of users and apps (slow); app adds the source of an APP_GROUP"}`}

// furtherAttributes forbids attributes in profile that are inputs of their own.
const furtherAttributes = `"propertyNames":{"not":{"enum":["name","description"]}},`

// groupDisplay lists the columns that a table for people shows.
const groupDisplay = "name type description last_membership_updated id"

var groupColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the group's id"},
	{"name", abi.Varchar, "profile.name", ""},
	{"description", abi.Varchar, "profile.description", ""},
	{"type", abi.Varchar, "type", "OKTA_GROUP, APP_GROUP or BUILT_IN"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", "of the profile"},
	{"last_membership_updated", abi.TimestampTZ, "lastMembershipUpdated", ""},
	{"source_id", abi.Varchar, "source.id", "the app that manages an APP_GROUP"},
	{"object_class", abi.JSON, "objectClass", ""},
	{"profile", abi.JSON, "profile", "every attribute"},
	{"links", abi.JSON, "_links", ""},
}

// listedGroupColumns are the columns of lists, which have the same rows.
var listedGroupColumns = append(groupColumns[:len(groupColumns):len(groupColumns)],
	connector.Column{"users_count", abi.BigInt, "_embedded.stats.usersCount", "with expand stats"})

// groupAnswers are the requests that select groups. A filter shows changes at once, a search after about a second.
var groupAnswers = []abi.Answer{
	{Operation: "list_groups", Filter: "filter", Conditions: append(attributes(equal, "id id", "type type"),
		attributes(within, "last_updated lastUpdated", "last_membership_updated lastMembershipUpdated")...)},
	{Operation: "search_groups", Filter: "search", Lags: true, Conditions: append(append(attributes(equal, "id id", "type type"),
		attributes(starts, "name profile.name", "description profile.description")...),
		attributes(within, "created created", "last_updated lastUpdated", "last_membership_updated lastMembershipUpdated")...)},
}

func readGroup(c *connector.Call, id string) (connector.Object, *connector.Result) {
	return c.ReadObject(hostcall.Request{Endpoint: getGroup.Endpoint, Path: connector.Pairs("groupId", id)}, "UserGroup", "group")
}

// findGroup reads a group by id or exact name. Gone means that the id does not exist. An unknown name is an error, as
// it may be misspelt.
func findGroup(c *connector.Call, idOrName string) (connector.Object, *connector.Result) {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if strings.HasPrefix(idOrName, "00g") && strings.Trim(idOrName, alphanumeric) == "" {
		if g, failed := readGroup(c, idOrName); !g.Gone || isID(idOrName, "00g") {
			return g, failed
		}
	}
	return groupNamed(c, idOrName)
}

// groupNamed finds the one group of exactly this name.
func groupNamed(c *connector.Call, name string) (connector.Object, *connector.Result) {
	found, failed := groupsNamed(c, name, func(a, b string) bool { return a == b })
	switch {
	case failed != nil:
		return connector.Object{}, failed
	case len(found) == 0:
		r := connector.Fail(abi.NotFound, string(abi.NotFound), "no group has the id or name "+jsonval.Quote(name)+": give the exact name, including case")
		return connector.Object{}, &r
	case len(found) > 1:
		var ids []string
		for _, g := range found {
			ids = append(ids, g.Get("id").Str()+" ("+g.Get("type").Str()+")")
		}
		r := connector.Refuse("ambiguous", "several groups are named "+jsonval.Quote(name)+": "+strings.Join(ids, ", ")+". Give an id")
		r.Output = `{"groups":` + texts.JSONArray(found, jsonval.Value.Raw) + `}`
		return connector.Object{}, &r
	}
	return connector.Object{Value: found[0]}, nil
}

// groupID returns the id of the group that the input names by id or exact name.
func groupID(c *connector.Call) (string, *connector.Result) {
	group := c.Str("group")
	if isID(group, "00g") {
		return group, nil
	}
	g, failed := groupNamed(c, group)
	if failed != nil {
		return "", failed
	}
	return g.Get("id").Str(), nil
}

// namedPage is how many groups a search for a name requests.
const namedPage = 100

// groupsNamed finds the groups whose name equals name by same. The query q is current, but returns only one page of
// names with that prefix. search lags a little, and finds what does not fit into that page.
func groupsNamed(c *connector.Call, name string, same func(a, b string) bool) (found []jsonval.Value, failed *connector.Result) {
	for _, query := range [...][2]string{{"q", name}, {"search", "profile.name eq " + jsonval.Quote(name)}} {
		req := hostcall.Request{Endpoint: getGroups.Endpoint, Query: connector.Pairs(query[0], query[1], "limit", strconv.Itoa(namedPage))}
		got := c.SendPage(&req, namedPage, true)
		resp := got.Response
		if !connector.OK(resp) {
			r := c.Failure(resp, "", "")
			return nil, &r
		}
		groups, failed := c.Array(resp, "groups")
		if failed != nil {
			return nil, failed
		}
		n := 0
		for g := range groups.Elements() {
			n++
			known := slices.ContainsFunc(found, func(f jsonval.Value) bool { return f.Get("id").Equal(g.Get("id")) })
			if same(g.At("profile", "name").Str(), name) && !known {
				found = append(found, g)
			}
		}
		if len(found) > 0 && n < got.Asked {
			break // the page of q was not full, so it has them all
		}
	}
	return found, nil
}

func lookupGroup(c *connector.Call) connector.Result {
	g, failed := findGroup(c, c.Str("group"))
	if failed != nil {
		return *failed
	}
	return connector.Result{Outcome: abi.Succeeded, Output: g.Raw()}
}

// groupProfile returns the profile that results from the input and the current profile.
func groupProfile(c *connector.Call, now jsonval.Value) jsonval.Value {
	var named jsonval.Writer
	for _, field := range [...]string{"name", "description"} {
		named.RawIf(field, c.Input.Get(field).Raw())
	}
	fields, _ := jsonval.Parse(named.String())
	if p := c.Input.Get("profile"); p.Exists() {
		now = compare.Patched(now, p)
	}
	return compare.Patched(now, fields)
}

// askedProfile returns the profile of the input as a merge patch.
func askedProfile(c *connector.Call) jsonval.Value {
	var w jsonval.Writer
	for _, field := range [...]string{"name", "description"} {
		w.RawIf(field, c.Input.Get(field).Raw())
	}
	for name, v := range c.Input.Get("profile").Members() {
		w.Raw(name, v.Raw())
	}
	patch, _ := jsonval.Parse(w.String())
	return patch
}

func createGroup(c *connector.Call) connector.Result {
	name, profile := c.Str("name"), groupProfile(c, jsonval.Value{})
	taken := func() (g jsonval.Value, failed *connector.Result) {
		found, failed := groupsNamed(c, name, strings.EqualFold) // Okta compares names without case
		for _, f := range found {
			exact := f.At("profile", "name").Str() == name
			if f.Get("type").Str() != "APP_GROUP" && (exact || !g.Exists()) { // names of app groups need not be unique
				g = f
			}
		}
		return g, failed
	}
	rejected := func(g jsonval.Value) connector.Result {
		id := g.Get("id").Str()
		r := connector.Refuse("name_taken", "the name "+jsonval.Quote(g.At("profile", "name").Str())+" is in use by group "+id+": choose another, or update that group")
		var w jsonval.Writer
		r.Output = w.Str("existing_id", id).String()
		return r
	}
	// If the name is in use before the request, a group of that name does not show that the request succeeded.
	if !c.Settling {
		if g, failed := taken(); failed != nil {
			return *failed
		} else if g.Exists() {
			return rejected(g)
		}
	}
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: postGroups.Endpoint, Body: `{"profile":` + profile.Raw() + `}`},
		What:    "creating group " + jsonval.Quote(name),
		Undone:  "the group was not created",
		Check: func(g jsonval.Value) *connector.Result {
			lacking := okta.Gaps(g.Get("profile"), profile, "profile")
			if len(lacking) == 0 {
				return nil
			}
			r := c.RejectGaps("creating group "+jsonval.Quote(name), lacking, nil, g.Raw(), true)
			r.Err.Message += ". The group " + g.Get("id").Str() + " was created nevertheless: update or delete it"
			return &r
		},
		Refused: func(r connector.Result) connector.Result {
			if e := r.Err.Upstream; e != nil && (e.Status == 400 || e.Status == 409) {
				if g, failed := taken(); failed == nil && g.Exists() { // another client has created it
					return rejected(g)
				}
			}
			return r
		},
		Look: func() (connector.Reading, connector.Result) {
			g, failed := taken()
			switch {
			case failed != nil:
				return connector.Unclear, connector.Result{}
			case !g.Exists():
				return connector.Absent, connector.Result{}
			case c.MadeBy(g.Get("created").Str()) == connector.ByAnother:
				return connector.Precluded, rejected(g)
			case len(okta.Gaps(g.Get("profile"), profile, "profile")) == 0 && c.MadeByUs(g.Get("created").Str()):
				return connector.Holds, connector.Result{Output: g.Raw()}
			}
			return connector.Unclear, connector.Result{}
		},
	})
}

// checkOktaMastered refuses a change that only an app, a directory or Okta itself can make. what says what to do at the
// source.
func checkOktaMastered(g jsonval.Value, what string) *connector.Result {
	var r connector.Result
	switch g.Get("type").Str() {
	case "APP_GROUP":
		r = connector.Refuse("app_group", "group "+jsonval.Quote(g.At("profile", "name").Str())+" is managed by an app or directory: "+what+" there")
	case "BUILT_IN":
		r = connector.Refuse("built_in_group", "group "+jsonval.Quote(g.At("profile", "name").Str())+" is built in: only Okta can change it")
	default:
		return nil
	}
	return &r
}

// checkAdminGroup refuses a change of membership in a group with administrator roles unless the input confirms it,
// since every member has these roles. If the token may not read the roles, it refuses the change as well (RATIONALE.md). A
// host with guards does this instead.
func checkAdminGroup(c *connector.Call, id, name, what string) *connector.Result {
	if c.Guards() || c.Input.Get("admin_group").True() {
		return nil
	}
	held, failed := rolesHeld(c, id)
	if failed != nil {
		return unreadableRoles(failed, id, name, what)
	}
	if held == nil {
		return nil
	}
	return refuseAdminGroup(id, name, what, "gives its members administrator roles ("+strings.Join(held, ", ")+")")
}

// unreadableRoles extends the failure to read a group's roles. A token may change some groups whose roles it may not read.
// Such a group counts as one with roles.
func unreadableRoles(failed *connector.Result, id, name, what string) *connector.Result {
	if mayNotRead(failed) {
		failed.Err.Message = refuseAdminGroup(id, name, what, "may give its members administrator roles, which the token may not read").Err.Message +
			", or use a token that may read roles. " + failed.Err.Message
	}
	return failed
}

// mayNotRead reports whether a read failed for the token's permissions or the org's features.
func mayNotRead(failed *connector.Result) bool {
	return failed != nil && (failed.Err.Code == "forbidden" || failed.Err.Code == "feature")
}

// byGuard returns the result for a write that a guard kept back. resp is the response to the guard's read of a group's
// roles. name is the group's, or empty.
func byGuard(c *connector.Call, resp hostcall.Response, write hostcall.Request, name, what string) connector.Result {
	resp.Err = nil
	id := resp.Guard.Get("groupId").Str()
	held, failed := heldIn(c, resp)
	switch {
	case failed != nil:
		failed = unreadableRoles(failed, id, name, what)
	case held == nil:
		failed = refuseAdminGroup(id, name, what, "may give its members administrator roles, which cannot be read")
	default:
		failed = refuseAdminGroup(id, name, what, "gives its members administrator roles ("+strings.Join(held, ", ")+")")
	}
	return *failed.Withholding(write.Endpoint, write.Path)
}

func refuseAdminGroup(id, name, what, why string) *connector.Result {
	if name != "" {
		id = jsonval.Quote(name) + " (" + id + ")"
	}
	r := connector.Refuse("admin_group", "group "+id+" "+why+": "+what+` is privileged. To do it, give "admin_group":true and grant privileged`)
	return &r
}

// rolesHeld returns the administrator roles of a group, as labels for messages. It returns none for an unknown path.
func rolesHeld(c *connector.Call, group string) (held []string, failed *connector.Result) {
	p := groupPrincipal(group)
	return heldIn(c, c.SendWithToken(hostcall.Request{Endpoint: p.list, Path: p.path()}))
}

// heldIn is rolesHeld by the response with the roles.
func heldIn(c *connector.Call, resp hostcall.Response) (held []string, failed *connector.Result) {
	roles, failed := assignmentsIn(c, groupPrincipal(""), resp)
	if failed != nil {
		if failed.Outcome == abi.Rejected && failed.Err.Upstream != nil && failed.Err.Upstream.Status == 404 {
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

// checkOwnRoles refuses a change of a group that would take administrator roles from the token's owner. The token would
// lose them too. user is the member to be removed; empty means all members. When a run settles an earlier run's write, it does
// not check again.
func checkOwnRoles(c *connector.Call, group, user, doing string) *connector.Result {
	if c.Settling {
		return nil
	}
	owner, failed := tokenOwner(c, "whether the token's owner has roles through group "+group)
	if failed != nil || owner == "" || user != "" && user != owner {
		return failed
	}
	if user == "" {
		if is, failed := ownerIsIn(c, group, owner); !is {
			return failed
		}
	}
	held, failed := rolesHeld(c, group)
	if mayNotRead(failed) {
		return nil
	}
	if failed != nil || held == nil {
		return failed
	}
	r := connector.Refuse("own_account", doing+" group "+group+" would take "+strings.Join(held, ", ")+" from the token's owner, user "+owner+
		", and so from the token. Use another administrator's token")
	return &r
}

func updateGroup(c *connector.Call) connector.Result {
	id, failed := groupID(c)
	if failed != nil {
		return *failed
	}
	return replace.Do(c, replace.Replacement{
		Whole: &wholeGroup, Path: connector.Pairs("groupId", id),
		Merge: func(before jsonval.Value) (string, *connector.Result) {
			if refused := checkOktaMastered(before, "change it"); refused != nil {
				return "", refused
			}
			var w jsonval.Writer
			return w.Raw("id", before.Get("id").Raw()).Raw("profile", compare.WithoutNulls(groupProfile(c, before.Get("profile"))).Raw()).String(), nil
		},
		Gaps: func(now, _ jsonval.Value, by compare.Comparison) []compare.Gap {
			return by(now.Get("profile"), askedProfile(c), "profile")
		},
		Effects: func(before jsonval.Value) []string {
			was := before.At("profile", "name").Str()
			if is := c.Str("name"); is == "" || is == was {
				return nil
			}
			return renamingEffects(c, was)
		},
		Same: func(a, b jsonval.Value) bool { return compare.Alike(a.Get("profile"), b.Get("profile")) },
	})
}

func removeGroup(c *connector.Call) connector.Result {
	group := c.Str("group")
	before, failed := findGroup(c, group)
	if before.Gone {
		return connector.Result{Outcome: abi.Unchanged, Output: `{"id":` + jsonval.Quote(group) + `,"before":null,"after":null}`}
	}
	if failed != nil {
		return *failed
	}
	if before.Get("type").Str() == "BUILT_IN" {
		return *checkOktaMastered(before.Value, "delete it")
	}
	id := before.Get("id").Str()
	if refused := checkAdminGroup(c, id, before.At("profile", "name").Str(), "deleting it").Withholding(deleteGroup.Endpoint, connector.Pairs("groupId", id)); refused != nil {
		return *refused
	}
	if c.Input.Get("admin_group").True() {
		if refused := checkOwnRoles(c, id, "", "deleting").Withholding(deleteGroup.Endpoint, connector.Pairs("groupId", id)); refused != nil {
			return *refused
		}
	}
	var w jsonval.Writer
	output := w.Str("id", id).Str("name", before.At("profile", "name").Str()).Raw("before", before.Raw()).Raw("after", "null").String()
	gone := connector.Look(func() (connector.Object, *connector.Result) { return readGroup(c, id) }, func(g connector.Object) bool { return g.Gone }, func(connector.Object) string { return output })
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteGroup.Endpoint, Path: connector.Pairs("groupId", id)},
		Type:    "UserGroup", Noun: "group",
		What:    "deleting group " + id,
		Undone:  "the group was not deleted",
		Final:   true,
		Effects: deletionEffects(c, id),
		Done: func(hostcall.Response) connector.Result {
			return c.ReadBack(gone, "deleting group "+id, connector.LaggingTime, output)
		},
		Refused: func(r connector.Result) connector.Result {
			if r.Outcome != abi.NotFound {
				return r
			}
			if is, now := gone(); is == connector.Holds { // another client has deleted it
				now.Outcome = abi.Unchanged
				return now
			}
			return r
		},
		Guarded: func(guard hostcall.Response) connector.Result {
			return byGuard(c, guard, hostcall.Request{Endpoint: deleteGroup.Endpoint, Path: connector.Pairs("groupId", id)}, before.At("profile", "name").Str(), "deleting it")
		},
		Look: gone,
	})
}

// maxMembershipPages is how many pages of a user's groups are read at most.
const maxMembershipPages = 20

// isMember looks for a group among a user's groups, and reads only their ids. known is false if there are too many
// groups.
func isMember(c *connector.Call, group, user string) (is, known bool, failed *connector.Result) {
	groups := connector.List{Endpoint: getUserGroups.Endpoint, Filled: connector.Pairs("id", user), Key: "id"}
	next := connector.Cursor{}
	for range maxMembershipPages {
		ids, more, failed := groups.Keys(c, next)
		switch {
		case failed != nil:
			return false, false, failed
		case slices.Contains(ids, group):
			return true, true, nil
		case more.Link == "":
			return false, true, nil
		}
		next = more
	}
	return false, false, nil
}

// memberLag is how long Okta's list of a user's groups may lag behind a change, in milliseconds. Okta guarantees
// nothing, and https://github.com/okta/terraform-provider-okta/issues/2936 reports a lag. The value is generous, since
// a needless call changes nothing.
const memberLag = 5 * 60_000

// memberTime is how long to wait, in milliseconds, until a change of members that Okta accepted can be read.
const memberTime = 15_000

// changedLately reports whether the group's members changed so recently that a list may not show it, or the time is
// unknown.
func changedLately(c *connector.Call, lastMembershipUpdated string) bool {
	at, ok := clock.ParseInstant(lastMembershipUpdated)
	return !ok || c.ServerNow == 0 || c.ServerNow-at < memberLag
}

// setMember adds a user to a group, or removes one. Okta accepts both repeatedly, so the request is sent if the list of
// groups may lag behind.
func setMember(c *connector.Call, want bool) connector.Result {
	g, failed := findGroup(c, c.Str("group"))
	if failed != nil {
		return *failed
	}
	u, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	if r := checkOktaMastered(g.Value, "change its members"); r != nil {
		return *r
	}
	group, user := g.Get("id").Str(), u.Get("id").Str()
	was, known, _ := isMember(c, group, user) // Okta's response does not say whether anything changed
	output := func(after ...bool) string {    // as read, where it was read
		var w jsonval.Writer
		w.Str("group", group).Str("group_name", g.At("profile", "name").Str()).Str("user", user).
			StrIf("login", u.At("profile", "login").Str())
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
		if c.Str("group") != group { // the group came from a list, which may lag behind too
			if g, failed = readGroup(c, group); failed != nil {
				return *failed
			}
		}
		if doubtful = !c.Settling && changedLately(c, g.Get("lastMembershipUpdated").Str()); !doubtful {
			return connector.Result{Outcome: abi.Unchanged, Output: output(want)}
		}
	}
	endpoint, path, changing := putGroupMember.Endpoint, connector.Pairs("groupId", group, "userId", user), "adding a member"
	if !want {
		endpoint, changing = deleteGroupMember.Endpoint, "removing a member"
	}
	if refused := checkAdminGroup(c, group, g.At("profile", "name").Str(), changing).Withholding(endpoint, path); refused != nil {
		if !want && refused.Err.Code == "admin_group" {
			if own := checkOwnRoles(c, group, user, "leaving").Withholding(endpoint, path); own != nil {
				return *own
			}
		}
		return *refused
	}
	var effects []string
	if !want {
		if c.Input.Get("admin_group").True() {
			if refused := checkOwnRoles(c, group, user, "leaving").Withholding(endpoint, path); refused != nil {
				return *refused
			}
		}
		if !known || was { // a rule excludes only members
			effects = removalEffects(c, group, user)
		}
	}
	what, undone := "adding user "+user+" to group "+group, "the user is still not a member"
	if !want {
		what, undone = "removing user "+user+" from group "+group, "the user is still a member"
	}
	shows := func() (connector.Reading, connector.Result) {
		switch is, known, _ := isMember(c, group, user); {
		case !known:
			return connector.Unclear, connector.Result{}
		case is == want:
			return connector.Holds, connector.Result{Output: output(is)}
		}
		return connector.Absent, connector.Result{}
	}
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: endpoint, Path: path},
		Type:    "UserGroup", Noun: "group",
		What:    what,
		Undone:  undone,
		Trace:   g.Get("lastMembershipUpdated").Str(),
		Effects: effects,
		Done: func(hostcall.Response) connector.Result {
			if !known {
				return connector.Result{Outcome: abi.Succeeded, Output: output(), Warnings: []string{"Okta accepted the change, but the user's groups cannot be read: the change was not confirmed"}}
			}
			r := c.ReadBack(shows, what, memberTime, output())
			if r.Outcome == abi.Unknown {
				r.Err.Message += ". A group rule or an app may have reverted it"
			}
			if doubtful && r.Outcome.OK() {
				r.Warnings = append(r.Warnings, "the membership may have been so before: the list of the user's groups already showed it, but may lag behind a recent change of members")
			}
			return r
		},
		Refused: func(r connector.Result) connector.Result {
			switch e := r.Err.Upstream; {
			case e == nil:
			case missingType(*e, "User") && u.Get("status").Str() == "DEPROVISIONED": // Okta answers DEPROVISIONED users like missing ones
				r.Outcome, r.Err.Code = abi.Rejected, "status"
				r.Err.Message = "the user is DEPROVISIONED" + remedy("DEPROVISIONED") + ". " + r.Err.Message
			case missingType(*e, "User"):
				r.Outcome, r.Err.Code = abi.NotFound, string(abi.NotFound)
				r.Err.Message = "the user does not exist. " + r.Err.Message
			case r.Outcome == abi.Rejected && r.Err.Code == string(abi.Rejected):
				r.Err.Message = "Okta does not allow a manual change of this membership: check whether a group rule or an app manages it. " + r.Err.Message
			}
			return r
		},
		Guarded: func(guard hostcall.Response) connector.Result {
			r := byGuard(c, guard, hostcall.Request{Endpoint: endpoint, Path: path}, g.At("profile", "name").Str(), changing)
			if !want && r.Err.Code == "admin_group" {
				if own := checkOwnRoles(c, group, user, "leaving").Withholding(endpoint, path); own != nil {
					return *own
				}
			}
			return r
		},
		Look: func() (connector.Reading, connector.Result) {
			if !known || doubtful { // a membership that may be older proves nothing
				return connector.Unobservable, connector.Result{}
			}
			return shows()
		},
	})
}
