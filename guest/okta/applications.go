package okta

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readApps   = []string{"okta.apps.read"}
	manageApps = []string{"okta.apps.manage"}

	getApps        = abi.Endpoint{Endpoint: "GET /api/v1/apps", Bucket: "/api/v1/apps", Scopes: readApps}
	getApp         = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}", Bucket: "/api/v1/apps/{id}", Scopes: readApps}
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
		summary:     "Reads one application.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{applicationInput, appExpandInput},
		example:     `{"application":"0oaGJxoM8LyCF3ytcwkO"}`,
		key:         "id",
		columns:     applicationColumns,
		endpoints:   []abi.Endpoint{getApp},
		get:         &get{endpoint: getApp.Endpoint, path: []blank{{"appId", "application"}}, query: []param{{"expand", "expand"}}, noun: "application", typ: "AppInstance"},
	},
	{
		name:        "list_applications",
		summary:     "Lists applications, those that the token's owner may see.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			textInput("filter", "4096", `such as status eq "ACTIVE", name eq "oidc_client", or user.id eq "00u…" with expand user/00u…`),
			textInput("q", "255", "the beginning of a name or label"),
			appExpandInput,
			boolInput("include_non_deleted", "applications that are being set up or taken down, too"),
			limitInput, pageSize200, cursorInput,
		},
		example:   `{"filter":"status eq \"ACTIVE\""}`,
		key:       "id",
		columns:   applicationColumns,
		endpoints: []abi.Endpoint{getApps},
		list: &list{endpoint: getApps.Endpoint, query: []param{{"filter", "filter"}, {"q", "q"}, {"expand", "expand"}, {"include_non_deleted", "includeNonDeleted"}},
			keep: []param{{"expand", "expand"}}, maxPage: 200},
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
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			applicationInput, userInput,
			{"profile", false, `{"type":"object","description":"attributes of the application's user profile"}`},
			{"credentials", false, `{"type":"object","description":"userName and password, as in Okta's API","x-sensitive":true}`},
			{"scope", false, `{"enum":["USER","GROUP"],"default":"USER","description":"USER assigns directly; GROUP leaves an assignment to the user's groups"}`},
		},
		example:   `{"application":"0oaAZlG8lxcfcbMXcwkO","user":"ada.lovelace@example.com"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getUser, getAppUser, postAppUsers, postAppUser},
		do:        assignAppUser,
	},
	{
		name:        "unassign_application_user",
		summary:     "Takes an application from a user. One that comes through a group is rejected; a user who has it not stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs:      []input{applicationInput, userInput, sendEmailInput},
		example:     `{"application":"0oaGJxoM8LyCF3ytcwkO","user":"ada.lovelace@example.com"}`,
		endpoints:   []abi.Endpoint{getUser, getAppUser, deleteAppUser},
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
			{"priority", false, `{"type":"integer","minimum":0,"maximum":100,"description":"which group's profile wins for a user of several; 0 first"}`},
			{"profile", false, `{"type":"object","description":"attributes that members get in the application; without it, those that are there stay"}`},
		},
		example:   `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gywNmfSjI0s5CWcwkO"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getAppGroup, putAppGroup},
		do:        assignAppGroup,
	},
	{
		name:        "unassign_application_group",
		summary:     "Takes an application from a group: members lose it who have it through no other way. A group without it stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs:      []input{applicationInput, groupInput},
		example:     `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gLFTnJJZSd570BcwkO"}`,
		endpoints:   []abi.Endpoint{getAppGroup, deleteAppGroup},
		do:          unassignAppGroup,
	},
}

var appExpandInput = input{"expand", false, `{"type":"string","pattern":"^user/[A-Za-z0-9]{1,64}$","description":"user/00u… puts that user's assignment into the record"}`}

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

// appUser reads an assignment. Without one, Okta says that the application, the user or the assignment is missing: only
// the first is an error here, since the user was looked up before.
func (c *call) appUser(app, user string) (object, *result) {
	return c.assigned(hostcall.Request{Endpoint: getAppUser.Endpoint, Path: at("appId", app, "userId", user)})
}

func (c *call) appGroup(app, group string) (object, *result) {
	return c.assigned(hostcall.Request{Endpoint: getAppGroup.Endpoint, Path: at("appId", app, "groupId", group)})
}

func (c *call) assigned(req hostcall.Request) (object, *result) {
	o, failed := c.object(req, "AppInstance", "application")
	if failed == nil || failed.err.Upstream == nil || failed.err.Upstream.Status != 404 {
		return o, failed
	}
	up := oktaError{*failed.err.Upstream}
	if o.gone = up.Code == "E0000007" && !up.missing("AppInstance"); o.gone {
		failed = &result{outcome: abi.NotFound, err: failed.err}
	}
	return o, failed
}

func assignAppUser(c *call) result {
	app := c.str("application")
	user, failed := c.userID()
	if failed != nil {
		return *failed
	}
	before, failed := c.appUser(app, user)
	if failed != nil && !before.gone {
		return *failed
	}
	scope := c.str("scope")
	if scope == "" {
		scope = "USER"
	}
	profile, secrets := c.input.Get("profile"), c.input.Get("credentials")
	has := func(a object) bool {
		return !a.gone && a.Get("scope").Str() == scope && (!profile.Exists() || a.Get("profile").Contains(profile)) &&
			(!secrets.Exists() || !secrets.Get("password").Exists() && a.Get("credentials").Contains(secrets))
	}
	if has(before) {
		return result{outcome: abi.Unchanged, output: before.Raw()}
	}
	var body jsonval.Writer
	req := hostcall.Request{Endpoint: postAppUsers.Endpoint, Path: at("appId", app)}
	if before.gone || before.Get("scope").Str() != scope {
		body.Str("id", user).Str("scope", scope)
	} else { // what is assigned already is changed by a call of its own, which takes no scope
		req = hostcall.Request{Endpoint: postAppUser.Endpoint, Path: at("appId", app, "userId", user)}
	}
	req.Body = body.RawIf("profile", profile.Raw()).RawIf("credentials", secrets.Raw()).String()
	return c.change(change{
		request: req, typ: "AppInstance", noun: "application",
		what:   "assigning application " + app + " to user " + user,
		undone: "the application was not assigned",
		trace:  before.Get("lastUpdated").Str(),
		refused: func(r result) result {
			if upstreamCode(r) == "E0000062" { // assigned already
				if now, failed := c.appUser(app, user); failed == nil && has(now) {
					return result{outcome: abi.Unchanged, output: now.Raw()}
				}
			}
			return missingUser(r, "User", "user")
		},
		look: func() (reading, result) {
			now, failed := c.appUser(app, user)
			switch {
			case secrets.Get("password").Exists(): // cannot be read
				return blind, result{}
			case failed != nil && !now.gone:
				return untold, result{}
			case has(now):
				return holds, result{output: now.Raw()}
			case unmovedAssignment(before, now):
				return absent, result{}
			}
			return untold, result{} // somebody else changed it meanwhile
		},
	})
}

// missingUser makes not_found of a refusal that says that another of the operation's own targets is missing.
func missingUser(r result, typ, noun string) result {
	if r.outcome == abi.Rejected && r.err.Upstream != nil && (oktaError{*r.err.Upstream}).missing(typ) {
		r.outcome, r.err.Code = abi.NotFound, string(abi.NotFound)
		r.err.Message = "there is no such " + noun + ". " + r.err.Message
	}
	return r
}

// unmovedAssignment reports whether an assignment is as it was read before, or still not there.
func unmovedAssignment(before, now object) bool {
	return before.gone && now.gone || !before.gone && !now.gone && before.Get("lastUpdated").Equal(now.Get("lastUpdated"))
}

func assignment(app, who, id string, assigned bool) string {
	var w jsonval.Writer
	return w.Str("application", app).Str(who, id).Bool("assigned", assigned).String()
}

func unassignAppUser(c *call) result {
	app := c.str("application")
	user, failed := c.userID()
	if failed != nil {
		return *failed
	}
	before, failed := c.appUser(app, user)
	output := assignment(app, "user", user, false)
	if before.gone {
		return result{outcome: abi.Unchanged, output: output}
	}
	if failed != nil {
		return *failed
	}
	throughGroup := func() result {
		group := before.Get("_links", "group", "name").Str()
		if group != "" {
			group = " (" + group + ")"
		}
		return refuse("assigned_through_group", "the user has the application through a group"+group+
			": take the user out of it, or the application from it")
	}
	if before.Get("scope").Str() == "GROUP" {
		if c.settling { // the earlier run found it assigned directly, or it would not have written
			return c.reconciled(result{output: output})
		}
		return throughGroup()
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteAppUser.Endpoint, Path: at("appId", app, "userId", user), Query: []hostcall.Pair{c.flag("send_email", "sendEmail")}},
		typ:     "AppInstance", noun: "application",
		what:   "taking application " + app + " from user " + user,
		undone: "the user still has the application",
		trace:  before.Get("created").Str(),
		done:   func(hostcall.Response) result { return result{outcome: abi.Succeeded, output: output} },
		refused: func(r result) result {
			switch {
			case upstreamCode(r) == "E0000046":
				t := throughGroup()
				t.err.Upstream = r.err.Upstream
				return t
			case r.err.Upstream != nil && r.err.Upstream.Status == 404:
				if now, _ := c.appUser(app, user); now.gone { // somebody else was faster
					return result{outcome: abi.Unchanged, output: output}
				}
			}
			return r
		},
		look: looking(func() (object, *result) { return c.appUser(app, user) },
			func(a object) bool { return a.gone || a.Get("scope").Str() == "GROUP" }, func(object) string { return output }),
	})
}

func assignAppGroup(c *call) result {
	app, group := c.str("application"), c.str("group")
	before, failed := c.appGroup(app, group)
	if failed != nil && !before.gone {
		return *failed
	}
	priority, profile := c.input.Get("priority"), c.input.Get("profile")
	has := func(a object) bool {
		return !a.gone && (!priority.Exists() || a.Get("priority").Equal(priority)) &&
			(!profile.Exists() || withoutNulls(a.Get("profile")).Equal(withoutNulls(profile)))
	}
	if has(before) {
		return result{outcome: abi.Unchanged, output: before.Raw()}
	}
	if !profile.Exists() {
		profile = before.Get("profile") // an assignment without a profile clears the one that is there
	}
	var body jsonval.Writer
	body.RawIf("priority", priority.Raw()).RawIf("profile", profile.Raw())
	return c.change(change{
		request: hostcall.Request{Endpoint: putAppGroup.Endpoint, Path: at("appId", app, "groupId", group), Body: body.String()},
		typ:     "AppInstance", noun: "application",
		what:    "assigning application " + app + " to group " + group,
		undone:  "the application was not assigned",
		refused: func(r result) result { return missingUser(r, "UserGroup", "group") },
		trace:   before.Get("lastUpdated").Str(),
		look: func() (reading, result) {
			now, failed := c.appGroup(app, group)
			switch {
			case failed != nil && !now.gone:
				return untold, result{}
			case has(now):
				return holds, result{output: now.Raw()}
			case unmovedAssignment(before, now):
				return absent, result{}
			}
			return untold, result{} // somebody else changed it meanwhile
		},
	})
}

func unassignAppGroup(c *call) result {
	app, group := c.str("application"), c.str("group")
	before, failed := c.appGroup(app, group)
	output := assignment(app, "group", group, false)
	if before.gone {
		return result{outcome: abi.Unchanged, output: output}
	}
	if failed != nil {
		return *failed
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteAppGroup.Endpoint, Path: at("appId", app, "groupId", group)},
		typ:     "AppInstance", noun: "application",
		what:   "taking application " + app + " from group " + group,
		undone: "the group still has the application",
		trace:  before.Get("lastUpdated").Str(),
		done:   func(hostcall.Response) result { return result{outcome: abi.Succeeded, output: output} },
		refused: func(r result) result {
			if now, _ := c.appGroup(app, group); r.err.Upstream != nil && r.err.Upstream.Status == 404 && now.gone { // somebody else was faster
				return result{outcome: abi.Unchanged, output: output}
			}
			return r
		},
		look: looking(func() (object, *result) { return c.appGroup(app, group) }, func(a object) bool { return a.gone }, func(object) string { return output }),
	})
}
