package okta

import (
	"cmp"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readApps   = []string{"okta.apps.read"}
	manageApps = []string{"okta.apps.manage"}

	getApps        = abi.Endpoint{Endpoint: "GET /api/v1/apps", Bucket: "/api/v1/apps", Scopes: readApps, Sensitive: applicationSecrets}
	getApp         = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}", Bucket: "/api/v1/apps/{id}", Scopes: readApps, Sensitive: applicationSecrets}
	getAppUsers    = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/users", Bucket: "/api/v1/apps", Scopes: readApps}
	getAppUser     = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/users/{userId}", Bucket: "/api/v1/apps", Scopes: readApps}
	postAppUsers   = abi.Endpoint{Endpoint: "POST /api/v1/apps/{appId}/users", Bucket: "/api/v1/apps", Scopes: manageApps}
	postAppUser    = abi.Endpoint{Endpoint: "POST /api/v1/apps/{appId}/users/{userId}", Bucket: "/api/v1/apps", Scopes: manageApps}
	deleteAppUser  = abi.Endpoint{Endpoint: "DELETE /api/v1/apps/{appId}/users/{userId}", Bucket: "/api/v1/apps", Scopes: manageApps}
	getAppGroup    = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/groups/{groupId}", Bucket: "/api/v1/apps", Scopes: readApps}
	putAppGroup    = abi.Endpoint{Endpoint: "PUT /api/v1/apps/{appId}/groups/{groupId}", Bucket: "/api/v1/apps", Scopes: manageApps}
	deleteAppGroup = abi.Endpoint{Endpoint: "DELETE /api/v1/apps/{appId}/groups/{groupId}", Bucket: "/api/v1/apps", Scopes: manageApps}
)

var applicationInput = idInput("application", "the application's id")

var applicationOperations = []operation{
	{
		name:        "lookup_application",
		summary:     "Reads one application. Its secrets are left out wherever Okta tells them.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{applicationInput, appExpandInput},
		example:     `{"application":"0oaGJxoM8LyCF3ytcwkO"}`,
		key:         "id",
		columns:     applicationColumns,
		endpoints:   []abi.Endpoint{getApp},
		get:         &get{endpoint: getApp.Endpoint, path: []blank{{"appId", "application"}}, query: []param{{"expand", "expand"}}, omit: applicationSecrets, noun: "application", typ: "AppInstance"},
	},
	{
		name:        "list_applications",
		summary:     "Lists applications, those that the token's owner may see. Their secrets are left out wherever Okta tells them.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			textInput("filter", "4096", `such as status eq "ACTIVE", name eq "oidc_client", or user.id eq "00u…" with expand user/00u…`),
			textInput("q", "255", "the beginning of a name or label"),
			appExpandInput,
			boolInput("include_non_deleted", "applications that are not active, too"),
			limitInput, pageSize200, cursorInput,
		},
		example:   `{"filter":"status eq \"ACTIVE\""}`,
		key:       "id",
		columns:   applicationColumns,
		endpoints: []abi.Endpoint{getApps},
		list: &list{endpoint: getApps.Endpoint, query: []param{{"filter", "filter"}, {"q", "q"}, {"expand", "expand"}, {"include_non_deleted", "includeNonDeleted"}},
			keep: []param{{"expand", "expand"}}, omit: applicationSecrets, maxPage: 200},
	},
	{
		name:        "list_application_users",
		summary:     "Lists the users of an application, assigned directly or through groups.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			applicationInput,
			textInput("q", "255", "the beginning of a user name, e-mail or name"),
			{"expand", false, `{"enum":["user"],"description":"puts the user into the record"}`},
			limitInput,
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":500,"description":"records a request; default the connection's default_page_size, else 500"}`},
			cursorInput,
		},
		example:   `{"application":"0oaGJxoM8LyCF3ytcwkO","limit":50}`,
		key:       "id",
		columns:   applicationUserColumns,
		endpoints: []abi.Endpoint{getAppUsers},
		list: &list{endpoint: getAppUsers.Endpoint, path: []blank{{"appId", "application"}}, query: []param{{"q", "q"}, {"expand", "expand"}},
			keep: []param{{"expand", "expand"}}, maxPage: 500, noun: "application", typ: "AppInstance"},
	},
	{
		name:        "assign_application_user",
		summary:     "Gives a user an application, or changes the profile that the user has there. What is so already stays unchanged.",
		class:       abi.Write,
		rules:       []abi.ClassRule{leavesToGroups},
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			applicationInput, targetInput,
			{"profile", false, `{"type":"object","description":"attributes of the application's user profile to set; null clears one, and those that are not named stay"}`},
			{"credentials", false, `{"type":"object","description":"userName and password, as in Okta's API","x-sensitive":true}`},
			{"scope", false, `{"enum":["USER","GROUP"],"description":"USER assigns directly, and makes an assignment through a group a direct one, which stays when the user leaves the group; GROUP leaves an assignment to the user's groups, which takes it from a user in none that has it, and is destructive. Without it, a new assignment is direct, and one that is there stays what it is"}`},
		},
		example:   `{"application":"0oaAZlG8lxcfcbMXcwkO","user":"ada.lovelace@example.com"}`,
		endpoints: []abi.Endpoint{getUser, getUsers, getApp, getAppUser, byBody(abi.Write, postAppUsers, leavesToGroups), byBody(abi.ClassOfInput, postAppUser, leavesToGroups)},
		do:        assignAppUser,
	},
	{
		name:        "unassign_application_user",
		summary:     "Takes an application from a user. One that comes through a group is rejected; a user who has it not stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs:      []input{applicationInput, targetInput, sendEmailInput},
		example:     `{"application":"0oaGJxoM8LyCF3ytcwkO","user":"ada.lovelace@example.com"}`,
		endpoints:   []abi.Endpoint{getUser, getUsers, getApp, getAppUser, deleteAppUser},
		do:          unassignAppUser,
	},
	{
		name:        "assign_application_group",
		summary:     "Gives a group an application, or changes its priority or profile there. What is so already stays unchanged.",
		class:       abi.Write,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			applicationInput, groupInput,
			{"priority", false, `{"type":"integer","minimum":0,"maximum":100,"description":"which group's profile wins for a user of several; 0 first. Without it, the one that is there stays"}`},
			{"profile", false, `{"type":"object","description":"attributes that members get in the application; null clears one, and those that are not named stay"}`},
		},
		example:   `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"IT Operations"}`,
		endpoints: []abi.Endpoint{getGroup, getGroups, getApp, getAppGroup, putAppGroup},
		do:        assignAppGroup,
	},
	{
		name:        "unassign_application_group",
		summary:     "Takes an application from a group: members lose it who have it through no other way. A group without it stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs:      []input{applicationInput, groupInput},
		example:     `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"Engineering"}`,
		endpoints:   []abi.Endpoint{getGroup, getGroups, getApp, getAppGroup, deleteAppGroup},
		do:          unassignAppGroup,
	},
}

// leavesToGroups raises what may take an application away: the rule holds for the input and for Okta's body alike.
var leavesToGroups = abi.ClassRule{Field: "scope", Equals: "GROUP", Class: abi.Destructive}

var appExpandInput = input{"expand", false, `{"type":"string","pattern":"^user/[A-Za-z0-9]{1,64}$","description":"user/00u… puts that user's assignment into the record; of a list, with the filter user.id eq of the same user"}`}

// applicationSecrets are what a record of an application goes out without: an OAuth client's, and the password that all
// users of one share.
var applicationSecrets = []string{"credentials.oauthClient.client_secret", "credentials.password.value"}

var applicationColumns = []column{
	{"id", abi.Varchar, "id", "the application's id"},
	{"name", abi.Varchar, "name", "its kind, such as oidc_client"},
	{"label", abi.Varchar, "label", "what people see"},
	{"status", abi.Varchar, "status", "ACTIVE, INACTIVE or DELETED"},
	{"sign_on_mode", abi.Varchar, "signOnMode", "such as SAML_2_0 or OPENID_CONNECT"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"features", abi.JSON, "features", "what it provisions"},
	{"accessibility", abi.JSON, "accessibility", ""},
	{"visibility", abi.JSON, "visibility", ""},
	{"credentials", abi.JSON, "credentials", "user name template and signing"},
	{"settings", abi.JSON, "settings", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

var applicationUserColumns = []column{
	{"id", abi.Varchar, "id", "the user's id"},
	{"external_id", abi.Varchar, "externalId", "the user's id in the application"},
	{"user_name", abi.Varchar, "credentials.userName", "in the application"},
	{"email", abi.Varchar, "profile.email", ""},
	{"first_name", abi.Varchar, "profile.given_name|profile.firstName", "in the application; of OpenID Connect apps given_name, of others firstName"},
	{"last_name", abi.Varchar, "profile.family_name|profile.lastName", "in the application; of OpenID Connect apps family_name, of others lastName"},
	{"application_link", abi.Varchar, "_links.app.href", "the application"},
	{"scope", abi.Varchar, "scope", "USER: assigned directly; GROUP: through a group"},
	{"status", abi.Varchar, "status", ""},
	{"sync_state", abi.Varchar, "syncState", ""},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"status_changed", abi.TimestampTZ, "statusChanged", ""},
	{"password_changed", abi.TimestampTZ, "passwordChanged", ""},
	{"last_sync", abi.TimestampTZ, "lastSync", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", "the user, with expand user"},
	{"links", abi.JSON, "_links", "the group, for scope GROUP"},
}

// assignment is who has an application: a user, directly or through a group, or a group.
type assignment struct {
	app, who, id string // who is "user" or "group", as in the input
	typ          string // Okta's name of it in a 404
	get          hostcall.Request
	exists       func() (object, *result)
}

func (c *call) userAssignment() (assignment, *result) {
	app := c.str("application")
	id, failed := c.userID()
	return assignment{app, "user", id, "User", hostcall.Request{Endpoint: getAppUser.Endpoint, Path: at("appId", app, "userId", id)},
		func() (object, *result) { return c.userObject(id) }}, failed
}

func (c *call) groupAssignment() (assignment, *result) {
	app := c.str("application")
	id, failed := c.groupID()
	return assignment{app, "group", id, "UserGroup", hostcall.Request{Endpoint: getAppGroup.Endpoint, Path: at("appId", app, "groupId", id)},
		func() (object, *result) { return c.group(id) }}, failed
}

// assigned reads an assignment; gone means that there is none. A 404 may also mean that the application, the user or the
// group does not exist, and its text does not always tell which.
func (c *call) assigned(a assignment) (object, *result) {
	o, failed := c.object(a.get, "AppInstance", "application")
	if failed == nil || failed.err.Upstream == nil || failed.err.Upstream.Status != 404 || upstreamCode(*failed) != "E0000007" {
		return o, failed
	}
	switch e := (oktaError{*failed.err.Upstream}); {
	case e.missing("AppInstance"):
		o.gone = false
		return o, failed
	case e.missing(a.typ):
		if _, none := a.exists(); none != nil {
			return object{}, none
		}
	}
	return object{gone: true}, &result{outcome: abi.NotFound, err: failed.err}
}

// output is what a change of an assignment says, both ends as read; none is null.
func (a assignment) output(before, after object) string {
	var w jsonval.Writer
	w.Str("application", a.app).Str(a.who, a.id)
	for _, end := range [...]struct {
		name string
		object
	}{{"before", before}, {"after", after}} {
		if end.Exists() {
			w.Raw(end.name, end.Raw())
		} else {
			w.Raw(end.name, "null")
		}
	}
	return w.String()
}

// unchanged is an assignment that is as it is wanted.
func (a assignment) unchanged(now object) result {
	return result{outcome: abi.Unchanged, output: a.output(now, now)}
}

// overlaid is the profile that is written where one is there: Okta wants it whole, since it replaces. What is cleared is
// null in it, and not missing alone.
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApplicationUsers/#tag/ApplicationUsers/operation/updateApplicationUser
func overlaid(now, given jsonval.Value) string {
	var w jsonval.Writer
	whole := withoutNulls(now)
	if given.Exists() {
		whole = patched(whole, given)
	}
	for name, v := range whole.Members() {
		w.Raw(name, v.Raw())
	}
	for name, v := range given.Members() {
		if v.Kind() == jsonval.Null && !hollow(now.Get(name)) {
			w.Raw(name, "null")
		}
	}
	return w.String()
}

// lostAttributes warns of attributes that were there, were not named, and are no more.
func lostAttributes(before, after object, given jsonval.Value) (warnings []string) {
	var names []string
	for name, v := range before.Get("profile").Members() {
		if !hollow(v) && !given.Get(name).Exists() && hollow(after.Get("profile", name)) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	return []string{"attributes are gone that were to stay: " + strings.Join(names, ", ")}
}

// assign writes an assignment and says what came of it. missing is where an assignment is not as it was asked for, and moved
// warns of what was to stay, and did not. readable says that all that was asked for can be read.
func (c *call) assign(a assignment, req hostcall.Request, before object, missing func(object, comparison) []gap, moved func(after object) []string, readable bool) result {
	has := func(o object) bool { return !o.gone && readable && len(missing(o, gaps)) == 0 }
	told := before.gone || len(missing(before, gaps)) > 0 // by what Okta makes of it, too
	what := "assigning application " + a.app + " to " + a.who + " " + a.id
	return c.change(change{
		request: req, typ: "AppInstance", noun: "application",
		what:   what,
		undone: "the application was not assigned",
		trace:  before.Get("lastUpdated").Str(),
		done: func(resp hostcall.Response) result {
			r := result{outcome: abi.Succeeded}
			var failed *result
			v, isJSON := c.Body(resp)
			after, told := object{Value: v}, isJSON && v.Get("id").Str() != ""
			if !told {
				after, failed = c.assigned(a)
			}
			again := func() (reading, result) {
				if after, failed = c.assigned(a); failed == nil && len(missing(after, gaps)) == 0 {
					return holds, result{output: a.output(before, after), warnings: moved(after)}
				}
				return absent, result{}
			}
			switch {
			case failed != nil && !after.gone:
				r.warnings = []string{"Okta took the change, and the assignment could not be read afterwards: " + failed.err.Message}
			case after.gone, len(missing(after, gaps)) > 0 && !told: // what was read may lag behind
				return c.agreed(again, what)
			case len(missing(after, gaps)) > 0:
				return c.notAsAsked(what, missing(after, gaps), again, a.output(before, after), !after.Equal(before.Value))
			}
			if after.Exists() {
				r.warnings = append(r.warnings, moved(after)...)
			}
			r.output = a.output(before, after)
			return r
		},
		refused: func(r result) result {
			if upstreamCode(r) == "E0000062" && readable { // assigned already
				if now, failed := c.assigned(a); failed == nil && has(now) {
					return a.unchanged(now)
				}
			}
			return missingOther(c.inactive(a, r), a.typ, a.who)
		},
		look: func() (reading, result) {
			now, failed := c.assigned(a)
			switch {
			case !readable:
				return blind, result{}
			case failed != nil && !now.gone:
				return untold, result{}
			case has(now) && (told || len(missing(now, changes)) == 0):
				return holds, result{output: a.output(before, now), warnings: moved(now)}
			case before.gone && now.gone || !before.gone && !now.gone && before.Get("lastUpdated").Equal(now.Get("lastUpdated")):
				return absent, result{}
			}
			return untold, result{} // somebody else changed it meanwhile
		},
	})
}

// inactive makes a refusal for its status of a 404 that says that an application is missing which can be read: Okta takes no
// change of the groups of one that is not active (okta/terraform-provider-okta#1502).
func (c *call) inactive(a assignment, r result) result {
	if r.err.Upstream == nil || !(oktaError{*r.err.Upstream}).missing("AppInstance") {
		return r
	}
	app, _, failed := c.read(hostcall.Request{Endpoint: getApp.Endpoint, Path: at("appId", a.app)}, "AppInstance", "application")
	if status := app.Get("status").Str(); failed == nil && status != "ACTIVE" {
		r.outcome, r.err.Code = abi.Rejected, "status"
		r.err.Message = "the application exists and is " + status + ". Okta accepts no change of its assignments until it is ACTIVE: activate it in Okta first. " + (oktaError{*r.err.Upstream}).says()
	}
	return r
}

// missingOther makes not_found of a refusal that says that another of the operation's own targets is missing.
func missingOther(r result, typ, noun string) result {
	if r.outcome == abi.Rejected && r.err.Upstream != nil && (oktaError{*r.err.Upstream}).missing(typ) {
		r.outcome, r.err.Code = abi.NotFound, string(abi.NotFound)
		r.err.Message = "there is no such " + noun + ". " + r.err.Message
	}
	return r
}

func assignAppUser(c *call) result {
	a, failed := c.userAssignment()
	if failed != nil {
		return *failed
	}
	before, failed := c.assigned(a)
	if failed != nil && !before.gone {
		return *failed
	}
	scope := c.str("scope")
	profile, secrets := c.input.Get("profile"), c.input.Get("credentials")
	readable := !secrets.Get("password").Exists() // whether a password is the same cannot be read
	asked := withoutPassword(secrets)
	missing := func(o object, by comparison) (all []gap) {
		if is := o.Get("scope"); scope != "" && is.Str() != scope {
			all = append(all, gap{"scope", is, c.input.Get("scope")})
		}
		return append(append(all, by(o.Get("profile"), profile, "profile")...), by(o.Get("credentials"), asked, "credentials")...)
	}
	if !before.gone && readable && len(missing(before, c.before(before.Value))) == 0 {
		return a.unchanged(before)
	}
	moved := func(after object) []string {
		warnings := lostAttributes(before, after, profile)
		if scope == "" && before.Get("scope").Str() == "GROUP" && after.Get("scope").Str() == "USER" {
			warnings = append(warnings, "the assignment was through "+grantedBy(before)+", and is a direct one now: it stays when the user leaves the group")
		}
		return warnings
	}
	var body jsonval.Writer
	req := hostcall.Request{Endpoint: postAppUsers.Endpoint, Path: at("appId", a.app)}
	if before.gone || scope != "" && before.Get("scope").Str() != scope {
		body.Str("id", a.id).Str("scope", cmp.Or(scope, "USER"))
	} else { // what is assigned already is changed by a call of its own, which takes no scope
		req = hostcall.Request{Endpoint: postAppUser.Endpoint, Path: at("appId", a.app, "userId", a.id)}
	}
	if profile.Exists() {
		body.Raw("profile", overlaid(before.Get("profile"), profile))
	}
	req.Body = body.RawIf("credentials", secrets.Raw()).String()
	return c.assign(a, req, before, missing, moved, readable)
}

// withoutPassword is credentials less the password, which no answer tells.
func withoutPassword(credentials jsonval.Value) jsonval.Value {
	var w jsonval.Writer
	for k, m := range credentials.Members() {
		if k != "password" {
			w.Raw(k, m.Raw())
		}
	}
	return parsed(w.String())
}

func assignAppGroup(c *call) result {
	a, failed := c.groupAssignment()
	if failed != nil {
		return *failed
	}
	before, failed := c.assigned(a)
	if failed != nil && !before.gone {
		return *failed
	}
	priority, profile := c.input.Get("priority"), c.input.Get("profile")
	missing := func(o object, by comparison) []gap {
		return append(by(o.Get("priority"), priority, "priority"), by(o.Get("profile"), profile, "profile")...)
	}
	if !before.gone && len(missing(before, c.before(before.Value))) == 0 {
		return a.unchanged(before)
	}
	ranked := priority
	if was := before.Get("priority"); !priority.Exists() && was.Kind() == jsonval.Number {
		ranked = was
	}
	moved := func(after object) []string {
		warnings := lostAttributes(before, after, profile)
		if was, is := before.Get("priority"), after.Get("priority"); !priority.Exists() && was.Exists() && !is.Equal(was) {
			warnings = append(warnings, "the priority was "+was.Raw()+", and is "+cmp.Or(is.Raw(), "none")+" now")
		}
		return warnings
	}
	var body jsonval.Writer // without a priority or a profile, Okta would take those that are there away
	body.RawIf("priority", ranked.Raw())
	if written := overlaid(before.Get("profile"), profile); profile.Exists() || written != "{}" {
		body.Raw("profile", written)
	}
	return c.assign(a, hostcall.Request{Endpoint: putAppGroup.Endpoint, Path: at("appId", a.app, "groupId", a.id), Body: body.String()},
		before, missing, moved, true)
}

// unassign takes an assignment away and looks what is left of it: a user may have the application through a group
// besides. refused is as in change.
func (c *call) unassign(a assignment, req hostcall.Request, before object, refused func(result) result) result {
	left := func(now object) result {
		r := result{output: a.output(before, now)}
		if !now.gone {
			r.warnings = []string{"the user still has the application through " + grantedBy(now)}
		}
		return r
	}
	taken := func(o object) bool { return o.gone || o.Get("scope").Str() == "GROUP" }
	read := func() (object, *result) { return c.assigned(a) }
	look := func() (reading, result) {
		now, failed := read()
		switch {
		case failed != nil && !now.gone:
			return untold, result{}
		case taken(now):
			return holds, left(now)
		}
		return absent, result{}
	}
	return c.change(change{
		request: req, typ: "AppInstance", noun: "application",
		what:   "taking application " + a.app + " from " + a.who + " " + a.id,
		undone: "the " + a.who + " still has the application",
		trace:  cmp.Or(before.Get("created").Str(), before.Get("lastUpdated").Str()), // a group's has no created
		done: func(hostcall.Response) result {
			now, failed := read()
			r := left(now)
			r.outcome = abi.Succeeded
			switch {
			case failed != nil && !now.gone:
				r.output = a.output(before, object{})
				r.warnings = []string{"Okta took it, and the assignment could not be read afterwards: " + failed.err.Message}
			case !taken(now):
				return c.agreed(look, "taking application "+a.app+" from "+a.who+" "+a.id)
			}
			return r
		},
		refused: func(r result) result {
			if r.err.Upstream != nil && r.err.Upstream.Status == 404 {
				if now, _ := read(); now.gone { // somebody else was faster
					return a.unchanged(now)
				}
			}
			if refused != nil {
				return refused(r)
			}
			return c.inactive(a, r)
		},
		look: look,
	})
}

// grantedBy names the group that a user has an application through, as far as Okta tells it.
func grantedBy(assigned object) string {
	group := assigned.Get("_links", "group")
	name := group.Get("name").Str()
	_, id, _ := strings.Cut(group.Get("href").Str(), "/api/v1/groups/")
	switch {
	case name != "" && id != "":
		return "group " + jsonval.Quote(name) + " (" + id + ")"
	case name != "" || id != "":
		return "group " + name + id
	}
	return "a group"
}

func unassignAppUser(c *call) result {
	a, failed := c.userAssignment()
	if failed != nil {
		return *failed
	}
	before, failed := c.assigned(a)
	if before.gone {
		return a.unchanged(before)
	}
	if failed != nil {
		return *failed
	}
	throughGroup := func() result {
		return refuse("assigned_through_group", "the user has the application through "+grantedBy(before)+
			": take the user out of it, or the application from it")
	}
	if before.Get("scope").Str() == "GROUP" {
		if c.settling { // the earlier run found it assigned directly, or it would not have written
			return c.reconciled(result{output: a.output(before, before),
				warnings: []string{"the user still has the application through " + grantedBy(before)}})
		}
		return throughGroup()
	}
	return c.unassign(a, hostcall.Request{Endpoint: deleteAppUser.Endpoint, Path: at("appId", a.app, "userId", a.id),
		Query: []hostcall.Pair{c.flag("send_email", "sendEmail")}}, before, func(r result) result {
		if upstreamCode(r) == "E0000046" {
			t := throughGroup()
			t.err.Upstream = r.err.Upstream
			return t
		}
		return r
	})
}

func unassignAppGroup(c *call) result {
	a, failed := c.groupAssignment()
	if failed != nil {
		return *failed
	}
	before, failed := c.assigned(a)
	if before.gone {
		return a.unchanged(before)
	}
	if failed != nil {
		return *failed
	}
	return c.unassign(a, hostcall.Request{Endpoint: deleteAppGroup.Endpoint, Path: at("appId", a.app, "groupId", a.id)}, before, nil)
}
