package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var manageUsers = []string{"okta.users.manage"}

var (
	getUser        = abi.Endpoint{Endpoint: "GET /api/v1/users/{id}", Bucket: "/api/v1/users/{id:.+}", Scopes: []string{"okta.users.read"}, Query: []string{"expand"}}
	getUsers       = abi.Endpoint{Endpoint: "GET /api/v1/users", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Query: []string{"search", "filter", "q", "after", "limit", "sortBy", "sortOrder"}}
	postUsers      = abi.Endpoint{Endpoint: "POST /api/v1/users", Bucket: "/api/v1/users", Scopes: manageUsers, Query: []string{"activate", "nextLogin", "provider"}}
	updateUserPart = abi.Endpoint{Endpoint: "POST /api/v1/users/{id}", Bucket: "/api/v1/users/{id}", Scopes: manageUsers, Headers: ifMatch}
	replaceUser    = abi.Endpoint{Endpoint: "PUT /api/v1/users/{id}", Bucket: "/api/v1/users/{id}", Scopes: manageUsers, Headers: ifMatch}
	deleteUser     = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{id}", Bucket: "/api/v1/users/{id}", Scopes: manageUsers, Query: []string{"sendEmail"}}
)

// realmInput names the user's realm: https://developer.okta.com/docs/concepts/realms/.
var realmInput = connector.Input{"realm", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the user's realm, in an org that has realms"}`}

// credentialsRule makes a change of credentials privileged. It applies to the input and to Okta's body.
var credentialsRule = abi.ClassRule{Field: "credentials", Class: abi.Privileged}

var userOperations = []connector.Operation{
	{
		Name:        "lookup_user",
		Summary:     "Reads one user by id or login.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			userInput,
			{"expand", false, `{"enum":["blocks","classification"],"description":"details to add to the user"}`},
		},
		Example:   `{"user":"ada.lovelace@example.com"}`,
		Key:       "id",
		Columns:   userColumns,
		Display:   userDisplay,
		Endpoints: []*abi.Endpoint{&getUser, &getUsers},
		Do:        lookupUser,
	},
	{
		Name: "list_users",
		Summary: "Lists users. Okta omits DEPROVISIONED users unless include_deprovisioned, status or filter asks for " +
			"them. With q, it returns one page of at most 10 users.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"status", false, `{"enum":["ACTIVE","DEPROVISIONED","LOCKED_OUT","PASSWORD_EXPIRED","PROVISIONED","RECOVERY","STAGED","SUSPENDED"],"description":"only users of this status"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a filter on status, lastUpdated, id, profile.login, profile.email, profile.firstName or profile.lastName; only eq, and ranges of lastUpdated"}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"prefix of a first name, last name or e-mail; one page of at most 10 users, without status, filter, include_deprovisioned or cursor"}`},
			{"include_deprovisioned", false, `{"type":"boolean","default":false,"description":"includes DEPROVISIONED users"}`},
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Require: `"description":"q excludes status, filter, include_deprovisioned and cursor; include_deprovisioned excludes status and filter","allOf":[{"if":{"required":["q"]},"then":{"not":{"anyOf":[{"required":["status"]},{"required":["filter"]},{"properties":{"include_deprovisioned":{"const":true}},"required":["include_deprovisioned"]},{"required":["cursor"]}]}}},` +
			`{"if":{"properties":{"include_deprovisioned":{"const":true}},"required":["include_deprovisioned"]},"then":{"not":{"anyOf":[{"required":["status"]},{"required":["filter"]}]}}}]`,
		Example:   `{"status":"LOCKED_OUT","limit":100}`,
		Key:       "id",
		Columns:   userColumns,
		Display:   userDisplay,
		Endpoints: []*abi.Endpoint{&getUsers},
		List:      &connector.List{Endpoint: getUsers.Endpoint, Query: []connector.Param{{"q", "q"}}, More: userFilter, MaxPage: 200, Omits: omittedUsers, Keyless: true},
		// The view includes them so that WHERE status = 'DEPROVISIONED' finds them.
		View: &abi.View{Name: "users", Input: []byte(`{"include_deprovisioned":true}`), Comment: "All users, DEPROVISIONED ones included.", Answers: userAnswers},
	},
	{
		Name: "search_users",
		Summary: "Searches users by a SCIM expression over any attribute, DEPROVISIONED ones included. It finds a change after about a " +
			"second.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"search", true, `{"type":"string","minLength":1,"maxLength":4096,"description":"such as profile.department eq \"Engineering\" and status eq \"ACTIVE\"; eq, sw, gt, ge, lt, le, pr, and, or"}`},
			sortByInput, sortOrderInput, connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Require:   sortRequire,
		Example:   `{"search":"profile.lastName sw \"L\"","limit":10}`,
		Key:       "id",
		Columns:   userColumns,
		Display:   userDisplay,
		Endpoints: []*abi.Endpoint{&getUsers},
		List:      &connector.List{Endpoint: getUsers.Endpoint, Query: []connector.Param{{"search", "search"}, {"sort_by", "sortBy"}, {"sort_order", "sortOrder"}}, MaxPage: 200},
	},
	{
		Name: "create_user",
		Summary: "Creates a user. A login that is in use is rejected, with its user's id. activate sends an e-mail " +
			"unless credentials has a password.",
		Class:       abi.Write,
		Rules:       []abi.ClassRule{adminGroupRule},
		Surfaces:    axon,
		Idempotency: abi.Keyed,
		Inputs: []connector.Input{
			{"profile", true, `{"type":"object","required":["login","email"],"properties":{` +
				`"login":{"type":"string","minLength":5,"maxLength":100},"email":{"type":"string","minLength":5,"maxLength":100},` +
				`"firstName":{"type":["string","null"],"maxLength":50},"lastName":{"type":["string","null"],"maxLength":50}},` +
				`"description":"the profile, with any attribute of the org's schema"}`},
			{"credentials", false, `{"type":"object","description":"password, recovery_question or provider, as in Okta's API. A provider of type FEDERATION or SOCIAL takes no password and no recovery_question; ACTIVE_DIRECTORY and LDAP need the instance's name","x-sensitive":true}`},
			{"group_ids", false, `{"type":"array","maxItems":20,"uniqueItems":true,"items":{"type":"string","minLength":1,"maxLength":64},"description":"groups to add the user to"}`},
			adminGroupInput,
			{"type", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the user type; default: the org's"}`},
			{"activate", false, `{"type":"boolean","default":true,"description":"false: the user stays STAGED"}`},
			{"provider", false, `{"type":"boolean","description":"optional with credentials.provider, which has the same effect; false is an error then"}`},
			realmInput,
			{"next_login", false, `{"enum":["changePassword"],"description":"the user must change the password at the first sign-in"}`},
		},
		Example:   `{"profile":{"login":"grace.hopper@example.com","email":"grace.hopper@example.com","firstName":"Grace","lastName":"Hopper"},"activate":false}`,
		Key:       "id",
		Rejects:   "admin_group login_taken",
		Endpoints: []*abi.Endpoint{guardedBy(&postUsers, groupIDsGuard), &getUser, &getUsers, &getGroupRoles},
		Do:        createUser,
	},
	{
		Name:        "deactivate_user",
		Summary:     "Deactivates a user: sessions end, application assignments are removed. A DEPROVISIONED user is unchanged.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			targetInput,
			{"send_email", false, `{"type":"boolean","default":false,"description":"notifies the org's administrators by e-mail"}`},
		},
		Example:   `{"user":"alan.turing@example.com"}`,
		Key:       "id",
		Rejects:   "own_account short_name status transition",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getMe, lifecycle("deactivate")},
		Do:        deactivate,
	},
	{
		Name: "update_user",
		Summary: "Changes a user's profile, credentials, type or realm. It changes the given attributes, or with replace the whole profile. " +
			"Identical values are unchanged.",
		Class:       abi.Write,
		Rules:       []abi.ClassRule{credentialsRule},
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			targetInput,
			{"profile", false, `{"type":"object","minProperties":1,"description":"attributes to set; null clears one. A new login, email, secondEmail or mobilePhone also receives the user's account recovery"}`},
			{"credentials", false, `{"type":"object","minProperties":1,"description":"password or recovery_question, as in Okta's API. provider is rejected: an update cannot change who checks the password","x-sensitive":true}`},
			connector.BoolInput("replace", "profile is the complete profile: attributes that it lacks are cleared"),
			{"type", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the new user type. Okta replaces the whole profile with it: attributes that the new type lacks are rejected or lost"}`},
			realmInput,
		},
		Require:   `"description":"give at least one of profile, credentials, type and realm; replace needs profile","anyOf":[{"required":["profile"]},{"required":["credentials"]},{"required":["type"]},{"required":["realm"]}],"if":{"properties":{"replace":{"const":true}},"required":["replace"]},"then":{"required":["profile"]}`,
		Example:   `{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`,
		Key:       "id",
		Rejects:   "changed_meanwhile short_name",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, connector.WithBodyClass(abi.Write, &updateUserPart, credentialsRule), connector.WithBodyClass(abi.Write, &replaceUser, credentialsRule)},
		Do:        updateUser,
	},
	{
		Name:        "set_user_type",
		Summary:     "Changes a user's type. Okta replaces the whole profile with it: attributes that the new type lacks are rejected or lost.",
		Addition:    true,
		Class:       abi.Privileged, // the request could also set a password, and sign-on policies can ask for a type
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{targetInput, {"type", true, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the new user type"}`}},
		Example:     `{"user":"ada.lovelace@example.com","type":"oty2YJtuevlpesV9cwkO"}`,
		Key:         "id",
		Rejects:     "changed_meanwhile short_name",
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &replaceUser},
		Do:          updateUser,
	},
	{
		Name: "reactivate_user",
		Summary: "Restarts a user's activation, or activates a DEPROVISIONED or STAGED user. Without send_email, the output has the " +
			"activation link: anyone who reads it can sign in as the user.",
		Class:       abi.Write,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{targetInput, connector.BoolInput("send_email", "Okta sends the link to the user; without it, the output has the link")},
		Example:     `{"user":"kofi.lindqvist4@example.com"}`,
		Key:         "id",
		Rejects:     "short_name status transition",
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, lifecycle("reactivate"), lifecycle("activate")},
		Do:          reactivate,
	},
	{
		Name:        "delete_user",
		Summary:     "Deletes a user permanently: deactivates it, reads it back, then deletes it. An id that no longer exists is unchanged.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{loginInput("user", "the user's id or full login; not its part before the @, and not me. An id that does not exist is unchanged; an "+
			"unknown login is not_found, as it may be misspelt"), sendEmailInput},
		Example:   `{"user":"uma.underhill33@example.com"}`,
		Key:       "id",
		Rejects:   "own_account short_name status transition",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getMe, lifecycle("deactivate"), &deleteUser},
		Do:        removeUser,
	},
	{
		Name: "user_lifecycle_action",
		Summary: "Changes a user's status, or renews credentials. The current status must allow the action; the output has " +
			"the status before and after. Without send_email, the output of activate, reset_password and expire_password_with_temp_password lets " +
			"anyone who reads it sign in as the user.",
		Class:       abi.Destructive,
		Rules:       lifecycleRules(),
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			targetInput,
			{"action", true, `{"enum":["activate","unsuspend","unlock","suspend","deactivate","expire_password","expire_password_with_temp_password","reset_password","reset_factors"],"description":"change to make"}`},
			connector.BoolInput("send_email", "Okta sends an e-mail (activate, deactivate, reset_password). Without it, the output has the link: anyone who reads it can sign in as the user"),
			connector.BoolInput("revoke_sessions", "also ends the user's sessions; only for expire_password_with_temp_password and reset_password"),
		},
		Require:   lifecycleRequire,
		Example:   `{"user":"ada.lovelace@example.com","action":"suspend"}`,
		Key:       "id",
		Rejects:   "own_account short_name status transition",
		Endpoints: lifecycleEndpoints(),
		Do:        userLifecycle,
	},
}

// userDisplay lists the columns that a table for people shows.
const userDisplay = "login status first_name last_name last_login created id"

var userColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the user's id"},
	{"login", abi.Varchar, "profile.login", "unique in the org"},
	{"email", abi.Varchar, "profile.email", "primary e-mail address"},
	{"first_name", abi.Varchar, "profile.firstName", ""},
	{"last_name", abi.Varchar, "profile.lastName", ""},
	{"status", abi.Varchar, "status", "ACTIVE, DEPROVISIONED (former users, whom the view users includes), LOCKED_OUT, PASSWORD_EXPIRED, PROVISIONED, RECOVERY, STAGED or SUSPENDED"},
	{"created", abi.TimestampTZ, "created", ""},
	{"activated", abi.TimestampTZ, "activated", "when activation was last completed"},
	{"status_changed", abi.TimestampTZ, "statusChanged", ""},
	{"last_login", abi.TimestampTZ, "lastLogin", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"password_changed", abi.TimestampTZ, "passwordChanged", ""},
	{"transitioning_to_status", abi.Varchar, "transitioningToStatus", "target status of an unfinished change"},
	{"type_id", abi.Varchar, "type.id", "the user type"},
	{"realm_id", abi.Varchar, "realmId", "in an org with realms"},
	{"display_name", abi.Varchar, "profile.displayName", ""},
	{"second_email", abi.Varchar, "profile.secondEmail", ""},
	{"mobile_phone", abi.Varchar, "profile.mobilePhone", ""},
	{"title", abi.Varchar, "profile.title", ""},
	{"department", abi.Varchar, "profile.department", ""},
	{"manager_id", abi.Varchar, "profile.managerId", ""},
	{"employee_number", abi.Varchar, "profile.employeeNumber", ""},
	{"provider_type", abi.Varchar, "credentials.provider.type", "what checks the password: OKTA, ACTIVE_DIRECTORY, …"},
	{"provider_name", abi.Varchar, "credentials.provider.name", ""},
	{"self_link", abi.Varchar, "_links.self.href", ""},
	{"profile", abi.JSON, "profile", "every attribute"},
	{"type", abi.JSON, "type", ""},
	{"links", abi.JSON, "_links", ""},
}

// ofUsers is for views that have a list for each user.
var ofUsers = &abi.ViewOf{View: "users", Column: "id", Input: "user", As: "user_id", Match: "^00u[A-Za-z0-9]{17}$"}

// userAnswers are the requests that select users. A filter shows changes at once, a search after about a second.
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/#tag/User/operation/listUsers
var userAnswers = []abi.Answer{
	{Operation: "lookup_user", Conditions: []abi.Condition{{Column: "id", Value: "user"}}},
	{Operation: "list_users", Filter: "filter", Conditions: append(attributes(equal, "id id", "status status", "login profile.login", "email profile.email",
		"first_name profile.firstName", "last_name profile.lastName"), attributes(within, "last_updated lastUpdated")...)},
	{Operation: "search_users", Filter: "search", Lags: true, Conditions: append(append(attributes(equal, "id id", "status status", "type_id type.id"),
		attributes(within, "created created", "activated activated", "status_changed statusChanged", "last_updated lastUpdated")...),
		attributes(starts, "login profile.login", "email profile.email", "first_name profile.firstName", "last_name profile.lastName", "display_name profile.displayName",
			"second_email profile.secondEmail", "mobile_phone profile.mobilePhone", "title profile.title", "department profile.department",
			"manager_id profile.managerId", "employee_number profile.employeeNumber")...)},
}

// userFilter returns a filter for a status, or for all statuses. Only with a filter does Okta include DEPROVISIONED
// users.
func userFilter(c *connector.Call) []hostcall.Pair {
	filter := c.Str("filter")
	if s := c.Str("status"); s != "" {
		status := `status eq "` + s + `"`
		if filter != "" {
			status += " and (" + filter + ")"
		}
		filter = status
	}
	if c.Input.Get("include_deprovisioned").True() {
		filter = everyStatus()
	}
	if filter == "" {
		return nil
	}
	return []hostcall.Pair{{Name: "filter", Value: filter}}
}

// maxFound is the maximum number of users that Okta returns for q.
const maxFound = 10

// omittedUsers says what may be missing from a list of users that was read to its end. n is the size of the last page.
func omittedUsers(c *connector.Call, n int) string {
	switch {
	case c.Str("q") != "" && n >= maxFound:
		return "q returns at most 10 users, and there may be more: use search_users to find them all"
	case c.Str("q") == "" && userFilter(c) == nil:
		return "DEPROVISIONED users are not in this list: give include_deprovisioned to include them"
	}
	return ""
}

// everyStatus returns a filter that matches all users.
func everyStatus() string {
	var all []string
	for _, s := range [...]string{"ACTIVE", "DEPROVISIONED", "LOCKED_OUT", "PASSWORD_EXPIRED", "PROVISIONED", "RECOVERY", "STAGED", "SUSPENDED"} {
		all = append(all, `status eq "`+s+`"`)
	}
	return strings.Join(all, " or ")
}

// readUser reads a user by id or login. gone means that the user does not exist.
//
//go:noinline
func readUser(c *connector.Call, user string) (u jsonval.Value, gone bool, failed *connector.Result) {
	o, failed := userObject(c, user)
	return o.Value, o.Gone, failed
}

func userObject(c *connector.Call, user string) (connector.Object, *connector.Result) {
	id, failed := pathOf(c, user)
	if failed != nil {
		return connector.Object{Gone: failed.Outcome == abi.NotFound}, failed
	}
	return c.ReadObject(hostcall.Request{Endpoint: getUser.Endpoint, Path: connector.Pairs("id", id)}, "User", "user")
}

// pathOf returns the path parameter for a user: the id or login itself. For a login that cannot be in a path it returns
// the user's id, as Okta requires (https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/).
func pathOf(c *connector.Call, user string) (string, *connector.Result) {
	if abi.CheckBlank(user, false) == nil {
		return user, nil
	}
	for _, query := range [...]string{"search", "filter"} { // search finds DEPROVISIONED users too, but may lag behind
		resp := c.SendWithToken(hostcall.Request{Endpoint: getUsers.Endpoint, Query: connector.Pairs(query, "profile.login eq "+jsonval.Quote(user), "limit", "2")})
		if !connector.OK(resp) {
			r := c.Failure(resp, "", "")
			return "", &r
		}
		users, failed := c.Array(resp, "users")
		if failed != nil {
			return "", failed
		}
		for u := range users.Elements() {
			if id := u.Get("id").Str(); id != "" && sameLogin(u, user) {
				return id, nil
			}
		}
	}
	r := connector.Fail(abi.NotFound, string(abi.NotFound), "no user has the login "+jsonval.Quote(user)+": check its spelling, or give the user's id")
	return "", &r
}

func lookupUser(c *connector.Call) connector.Result {
	id, failed := pathOf(c, c.Str("user"))
	if failed != nil {
		return *failed
	}
	resp := c.SendForObject(hostcall.Request{Endpoint: getUser.Endpoint, Path: connector.Pairs("id", id), Query: c.Params([]connector.Param{{"expand", "expand"}})}, nil)
	if !connector.OK(resp) {
		return c.Failure(resp, "User", "user")
	}
	return c.EmitObject(resp, nil)
}

// targetUser reads the user that a write changes. It refuses "me" and the part of a login before the @, though Okta
// accepts them. Which user they mean depends on the other users.
func targetUser(c *connector.Call) (connector.Object, *connector.Result) {
	user := c.Str("user")
	u, failed := userObject(c, user)
	if failed == nil && u.Get("id").Str() == "" {
		r := connector.Fail(abi.Unavailable, "bad_answer", "wanted a user, but Okta's response has no id")
		return connector.Object{}, &r
	}
	if failed == nil && u.Get("id").Str() != user && !sameLogin(u.Value, user) {
		r := connector.Refuse("short_name", "to change a user, give the id or the full login: "+jsonval.Quote(user)+" is neither. It would mean "+
			u.At("profile", "login").Str()+" ("+u.Get("id").Str()+")")
		return connector.Object{}, &r
	}
	return u, failed
}

// groupIDsGuard is the guard of adminGuarded for the groups in a body. An id that Okta does not know (404) is refused,
// since Okta could read it in another way in a body.
var groupIDsGuard = abi.Guard{Kind: abi.GuardEmpty, Read: getGroupRoles.Endpoint, Each: "groupIds", Blank: "groupId", Class: abi.Privileged}

// noSuchGroup returns the result of create_user for a failed look at a group of group_ids.
func noSuchGroup(r connector.Result) connector.Result {
	if r.Outcome == abi.NotFound {
		r.Outcome, r.Err.Code = abi.Rejected, "group_not_found"
		r.Err.Message = "a group in group_ids does not exist, so no user was created. " + r.Err.Message
	}
	return r
}

func createUser(c *connector.Call) connector.Result {
	profile := c.Input.Get("profile")
	login := profile.Get("login").Str()
	provider, refused := providerOf(c)
	if refused != nil {
		return *refused
	}
	// If the login is in use before the request, a user with that login does not show that the request succeeded.
	if !c.Settling {
		if u, gone, failed := readUser(c, login); failed == nil && sameLogin(u, login) {
			return loginTaken(u, login)
		} else if failed != nil && !gone {
			return *failed
		}
	}
	for group := range c.Input.Get("group_ids").Elements() {
		if refused := checkAdminGroup(c, group.Str(), "", "adding a member"); refused != nil {
			return noSuchGroup(*refused)
		}
	}

	var body, wanted jsonval.Writer
	body.Raw("profile", profile.Raw()).RawIf("groupIds", c.Input.Get("group_ids").Raw())
	if credentials := c.Input.Get("credentials"); provider.Exists() {
		var w jsonval.Writer
		body.Raw("credentials", compare.Patched(credentials, parsed(w.Raw("provider", provider.Raw()).String())).Raw())
		wanted.Raw("credentials", w.String())
	} else {
		body.RawIf("credentials", credentials.Raw())
	}
	if t := c.Str("type"); t != "" {
		body.Raw("type", `{"id":`+jsonval.Quote(t)+`}`)
		wanted.Raw("type", `{"id":`+jsonval.Quote(t)+`}`)
	}
	if realm := c.Str("realm"); realm != "" {
		body.Str("realmId", realm)
		wanted.Str("realmId", realm)
	}
	if c.Input.Get("activate").Raw() == "false" {
		wanted.Str("status", "STAGED")
	}
	more := parsed(wanted.String())
	missing := func(u jsonval.Value) []compare.Gap {
		return append(profileGaps(u.Get("profile"), profile), okta.Gaps(u, more, "")...)
	}
	query := c.Params([]connector.Param{{"activate", "activate"}, {"next_login", "nextLogin"}})
	if provider.Exists() { // without it Okta creates a user with a password in Okta
		query = append(query, hostcall.Pair{Name: "provider", Value: "true"})
	}
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: postUsers.Endpoint, Query: query, Body: body.String()},
		What:    "creating " + login,
		Undone:  "the user was not created",
		Check: func(u jsonval.Value) *connector.Result {
			lacking := missing(u)
			if len(lacking) == 0 {
				return nil
			}
			r := c.RejectGaps("creating "+login, lacking, nil, u.Raw(), true)
			r.Err.Message += ". The user " + u.Get("id").Str() + " was created nevertheless: update or delete it"
			return &r
		},
		Refused: func(r connector.Result) connector.Result {
			switch e := r.Err.Upstream; {
			case e == nil:
			case missingType(*e, "UserGroup"):
				r.Err.Code = "group_not_found"
				r.Err.Message = "a group in group_ids does not exist, so no user was created. " + r.Err.Message
			case e.Status == 400 && strings.Contains(strings.Join(e.Causes, " "), "login: "):
				if u, _, failed := readUser(c, login); failed == nil && sameLogin(u, login) {
					return loginTaken(u, login)
				}
			}
			return r
		},
		Guarded: func(guard hostcall.Response) connector.Result {
			r := noSuchGroup(byGuard(c, guard, hostcall.Request{}, "", "adding a member"))
			r.Withheld = nil // no object of it exists
			return r
		},
		Look: func() (connector.Reading, connector.Result) { // the login identifies the user
			u, gone, failed := readUser(c, login)
			switch {
			case gone:
				return connector.Absent, connector.Result{}
			case failed != nil || !sameLogin(u, login):
				return connector.Unclear, connector.Result{}
			}
			switch maker := c.MadeBy(u.Get("created").Str()); {
			case maker == connector.ByAnother:
				return connector.Precluded, loginTaken(u, login)
			case maker == connector.ByUs && len(missing(u)) == 0:
				return connector.Holds, connector.Result{Output: u.Raw(), Warnings: unreadInputs(c, "credentials", "group_ids")}
			}
			return connector.Unclear, connector.Result{}
		},
	})
}

// providerOf returns the provider in the input's credentials, with the name that Okta requires for its type. It refuses
// input that Okta would change silently:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/, "Create user with authentication
// provider", and okta/okta-sdk-nodejs#394.
func providerOf(c *connector.Call) (provider jsonval.Value, refused *connector.Result) {
	invalid := func(message string) (jsonval.Value, *connector.Result) {
		r := connector.Fail(abi.Invalid, "input", message)
		return jsonval.Value{}, &r
	}
	credentials, said := c.Input.Get("credentials"), c.Input.Get("provider")
	provider = credentials.Get("provider")
	switch {
	case compare.IsEmpty(provider) && said.True():
		return invalid(`provider needs credentials.provider, such as {"type":"FEDERATION","name":"FEDERATION"}`)
	case compare.IsEmpty(provider):
		return jsonval.Value{}, nil
	case said.Raw() == "false":
		return invalid("provider is false, but credentials.provider is given: remove one of them")
	}
	typ, name := provider.Get("type").Str(), provider.Get("name").Str()
	switch typ {
	case "FEDERATION", "SOCIAL":
		if !compare.IsEmpty(credentials.Get("password")) || !compare.IsEmpty(credentials.Get("recovery_question")) {
			return invalid("credentials: a user of provider " + typ + " has no password or recovery_question in Okta: remove them")
		}
		fallthrough
	case "OKTA", "IMPORT":
		if name == "" {
			var w jsonval.Writer
			provider = compare.Patched(provider, parsed(w.Str("name", typ).String()))
		}
	case "ACTIVE_DIRECTORY", "LDAP":
		if name == "" {
			return invalid("credentials.provider.name: give the name of the " + typ + " instance")
		}
	case "":
		return invalid("credentials.provider.type: give one of OKTA, FEDERATION, SOCIAL, ACTIVE_DIRECTORY, LDAP, IMPORT")
	}
	return provider, nil
}

// parsed returns the value of a JSON text that this package wrote.
//
//go:noinline
func parsed(text string) jsonval.Value {
	v, _ := jsonval.Parse(text)
	return v
}

// unreadInputs warns about inputs whose effect cannot be read back after a lost response.
func unreadInputs(c *connector.Call, inputs ...string) []string {
	var given []string
	for _, name := range inputs {
		if c.Input.Get(name).Exists() {
			given = append(given, name)
		}
	}
	if given == nil {
		return nil
	}
	return []string{"Okta's response was lost, and reading back does not show whether it applied " + strings.Join(given, " and ") + ": check in Okta"}
}

// sameLogin excludes a user whom Okta found by the first part of the login only.
func sameLogin(u jsonval.Value, login string) bool {
	return strings.EqualFold(u.At("profile", "login").Str(), login)
}

func loginTaken(u jsonval.Value, login string) connector.Result {
	id := u.Get("id").Str()
	r := connector.Fail(abi.Rejected, "login_taken", "the login "+login+" is in use by user "+id+" ("+u.Get("status").Str()+
		"): choose another, or update that user")
	var w jsonval.Writer
	r.Output = w.Str("existing_id", id).Str("status", u.Get("status").Str()).String()
	return r
}

func updateUser(c *connector.Call) connector.Result {
	if refused := wholeUser.CheckElsewhere(c.Input); refused != nil {
		return *refused
	}
	before, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	id, profile, secrets := before.Get("id").Str(), c.Input.Get("profile"), c.Input.Get("credentials")
	replace := c.Input.Get("replace").True()
	differs := func(u jsonval.Value, inProfile []compare.Gap) (all []compare.Gap) {
		all = inProfile
		if replace {
			for name, v := range u.Get("profile").Members() {
				if !compare.IsEmpty(v) && !profile.Get(name).Exists() {
					all = append(all, compare.Gap{Path: "profile." + name, Has: v})
				}
			}
		}
		for _, m := range [...]struct {
			input string
			path  []string
		}{{"type", []string{"type", "id"}}, {"realm", []string{"realmId"}}} {
			if ask := c.Input.Get(m.input); ask.Exists() && !u.At(m.path...).Equal(ask) {
				all = append(all, compare.Gap{Path: strings.Join(m.path, "."), Has: u.At(m.path...), Ask: ask})
			}
		}
		return all
	}
	missing := func(u jsonval.Value) []compare.Gap { return differs(u, profileGaps(u.Get("profile"), profile)) } // with Okta's normalisation
	exact := func(u jsonval.Value) bool {
		return len(differs(u, okta.Changes(u.Get("profile"), profile, "profile"))) == 0
	}
	had := exact(before.Value) || c.Settling && c.ChangedSinceWrite(before.Value) && len(missing(before.Value)) == 0
	observable := len(missing(before.Value)) > 0 // even with Okta's normalisation
	if had && !secrets.Exists() {                // credentials cannot be read back to compare them
		return connector.Result{Outcome: abi.Unchanged, Output: userChange(before.Value, before.Value)}
	}
	var body jsonval.Writer
	req := hostcall.Request{Endpoint: updateUserPart.Endpoint, Path: connector.Pairs("id", id)}
	changesType := c.Str("type") != "" && before.At("type", "id").Str() != c.Str("type")
	if changesType { // Okta changes the type only with the whole profile
		whole := compare.WithoutNulls(before.Get("profile"))
		switch {
		case replace:
			whole = profile
		case profile.Exists():
			whole = compare.Patched(whole, profile)
		}
		body.Raw("profile", whole.Raw()).Raw("type", `{"id":`+jsonval.Quote(c.Str("type"))+`}`)
	} else {
		body.RawIf("profile", profile.Raw())
	}
	if realm := c.Str("realm"); realm != "" {
		body.Str("realmId", realm)
	}
	req.Body = body.RawIf("credentials", secrets.Raw()).String()
	if replace || changesType {
		req.Endpoint = replaceUser.Endpoint
	}
	if (replace || changesType) && before.ETag == "" && !c.Settling { // writing the whole would undo a concurrent change
		if now, _, failed := readUser(c, id); failed != nil {
			return *failed
		} else if !now.Get("lastUpdated").Equal(before.Get("lastUpdated")) || !compare.WithoutNulls(now.Get("profile")).Equal(compare.WithoutNulls(before.Get("profile"))) {
			return changedMeanwhile("")
		}
	}
	if before.ETag != "" {
		req.Headers = []hostcall.Pair{{Name: "If-Match", Value: before.ETag}}
	}
	same := func(u jsonval.Value) bool {
		return u.Get("profile").Equal(before.Get("profile")) && u.Get("type").Equal(before.Get("type")) && u.Get("realmId").Equal(before.Get("realmId"))
	}
	look := func() (connector.Reading, connector.Result) {
		now, _, failed := readUser(c, id)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case had: // credentials cannot be read back
			return connector.Unobservable, connector.Result{}
		case exact(now) || observable && len(missing(now)) == 0:
			return connector.Holds, connector.Result{Output: userChange(before.Value, now)}
		case same(now):
			return connector.Absent, connector.Result{}
		}
		return connector.Unclear, connector.Result{}
	}
	what := "updating user " + id
	return c.Change(connector.Change{
		Request: req, Type: "User", Noun: "user",
		What:   what,
		Undone: "the user was not updated",
		Trace:  before.Get("lastUpdated").Str(),
		Done: func(resp hostcall.Response) connector.Result {
			after, isJSON := c.Body(resp)
			answered := isJSON && after.Get("id").Str() != ""
			if !answered {
				var failed *connector.Result
				if after, _, failed = readUser(c, id); failed != nil {
					return connector.Result{Outcome: abi.Succeeded, Output: userChange(before.Value, after),
						Warnings: []string{"Okta accepted the change, but the user could not be read afterwards: " + failed.Err.Message}}
				}
			}
			if lacking := missing(after); len(lacking) > 0 {
				if !answered { // a read may lag behind
					return c.AwaitEffect(look, what)
				}
				return c.RejectGaps(what, lacking, look, userChange(before.Value, after), !same(after) || secrets.Exists())
			}
			return connector.Result{Outcome: abi.Succeeded, Output: userChange(before.Value, after)}
		},
		Refused: func(r connector.Result) connector.Result {
			switch {
			case r.Err.Upstream == nil:
			case connector.UpstreamCode(r) == "E0000231":
				now := changedMeanwhile(". " + r.Err.Message)
				now.Err.Upstream = r.Err.Upstream
				return now
			case r.Outcome == abi.NotFound && before.Get("status").Str() == "DEPROVISIONED":
				r.Outcome, r.Err.Code = abi.Rejected, "status"
				r.Err.Message = "the user is DEPROVISIONED, and the org does not allow changes of such users" + remedy("DEPROVISIONED") + ". " + r.Err.Message
			}
			return r
		},
		Look: look,
	})
}

// changedMeanwhile refuses a write that would undo a concurrent change.
func changedMeanwhile(more string) connector.Result {
	r := connector.Refuse("changed_meanwhile", "another client changed the user at the same time: repeat the operation"+more)
	r.Err.Retryable = true
	return r
}

// userChange returns the output of an update, before and after as read.
func userChange(before, after jsonval.Value) string {
	var w jsonval.Writer
	w.Str("id", before.Get("id").Str()).StrIf("login", before.At("profile", "login").Str())
	return w.Raw("before", before.Raw()).RawIf("after", after.Raw()).String()
}

// profileGaps returns the gaps of a user's profile that Okta returned. It ignores case in logins and addresses, as Okta
// does when it stores them.
func profileGaps(now, ask jsonval.Value) (all []compare.Gap) {
	for _, g := range okta.Gaps(now, ask, "profile") {
		switch g.Path {
		case "profile.login", "profile.email", "profile.secondEmail":
			if strings.EqualFold(strings.TrimSpace(g.Has.Str()), strings.TrimSpace(g.Ask.Str())) {
				continue
			}
		}
		all = append(all, g)
	}
	return all
}

// userID returns the id of the user that the input names by id or login. Some endpoints need an id. Only a read
// accepts part of a login (targetUser).
func userID(c *connector.Call) (string, *connector.Result) {
	user := c.Str("user")
	if isID(user, "00u") {
		return user, nil
	}
	read := func() (connector.Object, *connector.Result) { return targetUser(c) }
	if c.Operation.Class == abi.Read {
		read = func() (connector.Object, *connector.Result) { return userObject(c, user) }
	}
	u, failed := read()
	return u.Get("id").Str(), failed
}
