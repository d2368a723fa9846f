package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var manageUsers = []string{"okta.users.manage"}

var (
	getUser        = abi.Endpoint{Endpoint: "GET /api/v1/users/{id}", Bucket: "/api/v1/users/{id:.+}", Scopes: []string{"okta.users.read"}}
	getUsers       = abi.Endpoint{Endpoint: "GET /api/v1/users", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}}
	postUsers      = abi.Endpoint{Endpoint: "POST /api/v1/users", Bucket: "/api/v1/users", Scopes: manageUsers}
	updateUserPart = abi.Endpoint{Endpoint: "POST /api/v1/users/{id}", Bucket: "/api/v1/users/{id}", Scopes: manageUsers}
	replaceUser    = abi.Endpoint{Endpoint: "PUT /api/v1/users/{id}", Bucket: "/api/v1/users/{id}", Scopes: manageUsers}
	deleteUser     = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{id}", Bucket: "/api/v1/users/{id}", Scopes: manageUsers}
)

// realmInput is the realm that a user is in: https://developer.okta.com/docs/concepts/realms/.
var realmInput = input{"realm", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the realm that the user is to be in, in an org that has realms"}`}

// setsCredentials raises what changes how somebody signs in: the rule holds for the input and for Okta's body alike.
var setsCredentials = abi.ClassRule{Field: "credentials", Class: abi.Privileged}

var userOperations = []operation{
	{
		name:        "lookup_user",
		summary:     "Reads one user by id or login.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			userInput,
			{"expand", false, `{"enum":["blocks","classification"],"description":"further facts to put into the user"}`},
		},
		example:   `{"user":"ada.lovelace@example.com"}`,
		key:       "id",
		columns:   userColumns,
		endpoints: []abi.Endpoint{getUser, getUsers},
		do:        lookupUser,
	},
	{
		name: "list_users",
		summary: "Lists users. Okta leaves DEPROVISIONED users out unless include_deprovisioned, status or filter asks for " +
			"them; q answers one page of at most 10.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"status", false, `{"enum":["ACTIVE","DEPROVISIONED","LOCKED_OUT","PASSWORD_EXPIRED","PROVISIONED","RECOVERY","STAGED","SUSPENDED"],"description":"users of this status alone"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a filter on status, lastUpdated, id, profile.login, profile.email, profile.firstName or profile.lastName; eq alone, and ranges of lastUpdated"}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":255,"description":"the beginning of a first name, last name or e-mail; one page of at most 10, without status, filter, include_deprovisioned or cursor"}`},
			{"include_deprovisioned", false, `{"type":"boolean","default":false,"description":"DEPROVISIONED users too"}`},
			limitInput, pageSize200, cursorInput,
		},
		require: `"description":"q goes without status, filter, include_deprovisioned and cursor; include_deprovisioned without status and filter","allOf":[{"if":{"required":["q"]},"then":{"not":{"anyOf":[{"required":["status"]},{"required":["filter"]},{"properties":{"include_deprovisioned":{"const":true}},"required":["include_deprovisioned"]},{"required":["cursor"]}]}}},` +
			`{"if":{"properties":{"include_deprovisioned":{"const":true}},"required":["include_deprovisioned"]},"then":{"not":{"anyOf":[{"required":["status"]},{"required":["filter"]}]}}}]`,
		example:   `{"status":"LOCKED_OUT","limit":100}`,
		key:       "id",
		columns:   userColumns,
		endpoints: []abi.Endpoint{getUsers},
		list:      &list{endpoint: getUsers.Endpoint, query: []param{{"q", "q"}}, more: userFilter, maxPage: 200, omits: omittedUsers},
	},
	{
		name: "search_users",
		summary: "Searches users by a SCIM expression over any attribute, DEPROVISIONED ones included. A change takes about a " +
			"second to be found.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"search", true, `{"type":"string","minLength":1,"maxLength":4096,"description":"such as profile.department eq \"Engineering\" and status eq \"ACTIVE\"; eq, sw, gt, ge, lt, le, pr, and, or"}`},
			sortByInput, sortOrderInput, limitInput, pageSize200, cursorInput,
		},
		require:   sortRequire,
		example:   `{"search":"profile.lastName sw \"L\"","limit":10}`,
		key:       "id",
		columns:   userColumns,
		endpoints: []abi.Endpoint{getUsers},
		list:      &list{endpoint: getUsers.Endpoint, query: []param{{"search", "search"}, {"sort_by", "sortBy"}, {"sort_order", "sortOrder"}}, maxPage: 200},
	},
	{
		name: "create_user",
		summary: "Creates a user. A login that is taken is rejected with the id that has it; activate sends an e-mail " +
			"unless credentials hold a password.",
		class:       abi.Write,
		rules:       []abi.ClassRule{ofAdministrators},
		surfaces:    axon,
		idempotency: abi.Keyed,
		inputs: []input{
			{"profile", true, `{"type":"object","required":["login","email"],"properties":{` +
				`"login":{"type":"string","minLength":5,"maxLength":100},"email":{"type":"string","minLength":5,"maxLength":100},` +
				`"firstName":{"type":["string","null"],"maxLength":50},"lastName":{"type":["string","null"],"maxLength":50}},` +
				`"description":"the profile, with any attribute that the org's schema has"}`},
			{"credentials", false, `{"type":"object","description":"password, recovery_question or provider, as in Okta's API. A provider of type FEDERATION or SOCIAL takes no password and no recovery_question; ACTIVE_DIRECTORY and LDAP want the instance's name","x-sensitive":true}`},
			{"group_ids", false, `{"type":"array","maxItems":20,"uniqueItems":true,"items":{"type":"string","minLength":1,"maxLength":64},"description":"groups to add the user to"}`},
			adminGroupInput,
			{"type", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the user type; default the org's"}`},
			{"activate", false, `{"type":"boolean","default":true,"description":"false leaves the user STAGED"}`},
			{"provider", false, `{"type":"boolean","description":"says that credentials.provider names who checks the password, which makes it so by itself; false contradicts it"}`},
			realmInput,
			{"next_login", false, `{"enum":["changePassword"],"description":"makes the user change the password at the first sign-in"}`},
		},
		example:   `{"profile":{"login":"grace.hopper@example.com","email":"grace.hopper@example.com","firstName":"Grace","lastName":"Hopper"},"activate":false}`,
		key:       "id",
		endpoints: []abi.Endpoint{of(abi.ClassOfInput, postUsers), getUser, getUsers, getGroupRoles},
		do:        createUser,
	},
	{
		name:        "deactivate_user",
		summary:     "Deactivates a user: sessions end, apps are taken away. A user who is DEPROVISIONED already stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			targetInput,
			{"send_email", false, `{"type":"boolean","default":false,"description":"tells the org's administrators by e-mail"}`},
		},
		example:   `{"user":"alan.turing@example.com"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getUser, getUsers, getMe, lifecycle("deactivate")},
		do:        deactivate,
	},
	{
		name: "update_user",
		summary: "Changes a user's profile, credentials, type or realm: the attributes given, or with replace the whole profile. A user who " +
			"has them already stays unchanged.",
		class:       abi.Write,
		rules:       []abi.ClassRule{setsCredentials},
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			targetInput,
			{"profile", false, `{"type":"object","minProperties":1,"description":"attributes to set; null clears one. A new login, email, secondEmail or mobilePhone is where the user's own recovery then goes"}`},
			{"credentials", false, `{"type":"object","minProperties":1,"description":"password or recovery_question, as in Okta's API. provider is refused: an update does not change who checks the password","x-sensitive":true}`},
			boolInput("replace", "the profile given is the whole one: attributes that it lacks are cleared"),
			{"type", false, `{"type":"string","minLength":1,"maxLength":64,"description":"id of the user type to change to. Okta changes it together with the whole profile, so that attributes which the new type lacks are refused or lost"}`},
			realmInput,
		},
		require:   `"description":"at least one of profile, credentials, type and realm; replace goes with profile","anyOf":[{"required":["profile"]},{"required":["credentials"]},{"required":["type"]},{"required":["realm"]}],"if":{"properties":{"replace":{"const":true}},"required":["replace"]},"then":{"required":["profile"]}`,
		example:   `{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`,
		key:       "id",
		endpoints: []abi.Endpoint{getUser, getUsers, byBody(abi.Write, updateUserPart, setsCredentials), byBody(abi.Write, replaceUser, setsCredentials)},
		do:        updateUser,
	},
	{
		name: "reactivate_user",
		summary: "Starts a user's activation again, or that of a DEPROVISIONED or STAGED one. Without send_email the output has the " +
			"activation link, by which whoever reads it signs in as the user.",
		class:       abi.Write,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs:      []input{targetInput, boolInput("send_email", "has Okta send the link to the user; without it the output has it")},
		example:     `{"user":"kofi.lindqvist4@example.com"}`,
		key:         "id",
		endpoints:   []abi.Endpoint{getUser, getUsers, lifecycle("reactivate"), lifecycle("activate")},
		do:          reactivate,
	},
	{
		name:        "delete_user",
		summary:     "Deletes a user for good: deactivates first, looks, then deletes. An id that is gone already stays unchanged.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{loginInput("user", "the user's id or whole login: not the part before the @, and not me. An id that is gone is unchanged, a "+
			"login that nobody has is not_found, since it may be misspelt"), sendEmailInput},
		example:   `{"user":"uma.underhill33@example.com"}`,
		key:       "id",
		endpoints: []abi.Endpoint{getUser, getUsers, getMe, lifecycle("deactivate"), deleteUser},
		do:        removeUser,
	},
	{
		name: "user_lifecycle_action",
		summary: "Moves a user to another state, or renews what they sign in with. What it would change must hold before; the output has " +
			"the status before and after. Without send_email, what activate, reset_password and expire_password_with_temp_password answer lets " +
			"whoever reads it sign in as the user.",
		class:       abi.Destructive,
		rules:       lifecycleRules(),
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			targetInput,
			{"action", true, `{"enum":["activate","unsuspend","unlock","suspend","deactivate","expire_password","expire_password_with_temp_password","reset_password","reset_factors"],"description":"what to do"}`},
			boolInput("send_email", "has Okta tell people by e-mail: with activate, deactivate and reset_password; without it the output has the link, by which whoever reads it signs in as the user"),
			boolInput("revoke_sessions", "ends the user's sessions: with expire_password_with_temp_password and reset_password"),
		},
		require:   lifecycleRequire,
		example:   `{"user":"ada.lovelace@example.com","action":"suspend"}`,
		key:       "id",
		endpoints: lifecycleEndpoints(),
		do:        userLifecycle,
	},
}

var userColumns = []column{
	{"id", abi.Varchar, "id", "the user's id"},
	{"login", abi.Varchar, "profile.login", "unique in the org"},
	{"email", abi.Varchar, "profile.email", "primary e-mail address"},
	{"first_name", abi.Varchar, "profile.firstName", ""},
	{"last_name", abi.Varchar, "profile.lastName", ""},
	{"status", abi.Varchar, "status", "ACTIVE, DEPROVISIONED, LOCKED_OUT, PASSWORD_EXPIRED, PROVISIONED, RECOVERY, STAGED or SUSPENDED"},
	{"created", abi.TimestampTZ, "created", ""},
	{"activated", abi.TimestampTZ, "activated", "when activation last ended"},
	{"status_changed", abi.TimestampTZ, "statusChanged", ""},
	{"last_login", abi.TimestampTZ, "lastLogin", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"password_changed", abi.TimestampTZ, "passwordChanged", ""},
	{"transitioning_to_status", abi.Varchar, "transitioningToStatus", "the status that an unfinished change leads to"},
	{"type_id", abi.Varchar, "type.id", "the user type"},
	{"display_name", abi.Varchar, "profile.displayName", ""},
	{"second_email", abi.Varchar, "profile.secondEmail", ""},
	{"mobile_phone", abi.Varchar, "profile.mobilePhone", ""},
	{"title", abi.Varchar, "profile.title", ""},
	{"department", abi.Varchar, "profile.department", ""},
	{"manager_id", abi.Varchar, "profile.managerId", ""},
	{"employee_number", abi.Varchar, "profile.employeeNumber", ""},
	{"provider_type", abi.Varchar, "credentials.provider.type", "who checks the password: OKTA, ACTIVE_DIRECTORY, …"},
	{"provider_name", abi.Varchar, "credentials.provider.name", ""},
	{"self_link", abi.Varchar, "_links.self.href", ""},
	{"profile", abi.JSON, "profile", "every attribute"},
	{"type", abi.JSON, "type", ""},
	{"links", abi.JSON, "_links", ""},
}

// userFilter asks for a status, or for every status: the only way to have Okta include DEPROVISIONED users.
func userFilter(c *call) []hostcall.Pair {
	filter := c.str("filter")
	if s := c.str("status"); s != "" {
		status := `status eq "` + s + `"`
		if filter != "" {
			status += " and (" + filter + ")"
		}
		filter = status
	}
	if c.input.Get("include_deprovisioned").True() {
		filter = everyStatus()
	}
	if filter == "" {
		return nil
	}
	return []hostcall.Pair{{Name: "filter", Value: filter}}
}

// mostFound is how many users Okta finds by q.
const mostFound = 10

// omittedUsers says what is missing from a list of users that was read to its end, whose last page has n.
func omittedUsers(c *call, n int) string {
	switch {
	case c.str("q") != "" && n >= mostFound:
		return "q finds at most 10 users: there may be more, which search_users finds"
	case c.str("q") == "" && userFilter(c) == nil:
		return "DEPROVISIONED users are not in this list: give include_deprovisioned to have them too"
	}
	return ""
}

// everyStatus is a filter that every user passes.
func everyStatus() string {
	var all []string
	for _, s := range [...]string{"ACTIVE", "DEPROVISIONED", "LOCKED_OUT", "PASSWORD_EXPIRED", "PROVISIONED", "RECOVERY", "STAGED", "SUSPENDED"} {
		all = append(all, `status eq "`+s+`"`)
	}
	return strings.Join(all, " or ")
}

// readUser reads a user by id or login. gone means that there is none.
func (c *call) readUser(user string) (u jsonval.Value, gone bool, failed *result) {
	o, failed := c.userObject(user)
	return o.Value, o.gone, failed
}

func (c *call) userObject(user string) (object, *result) {
	id, failed := c.pathOf(user)
	if failed != nil {
		return object{gone: failed.outcome == abi.NotFound}, failed
	}
	return c.object(hostcall.Request{Endpoint: getUser.Endpoint, Path: at("id", id)}, "User", "user")
}

// pathOf returns what stands for a user in a path: the id or login itself, or the id of the user with a login that no path
// takes. Okta wants such users by id (https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/).
func (c *call) pathOf(user string) (string, *result) {
	if !strings.ContainsAny(user, `/\`) && abi.CheckBlank(user) == nil {
		return user, nil
	}
	for _, query := range [...]string{"search", "filter"} { // a search finds DEPROVISIONED users, and may lag behind
		resp := c.send(hostcall.Request{Endpoint: getUsers.Endpoint, Query: at(query, "profile.login eq "+jsonval.Quote(user), "limit", "2")})
		if !ok(resp) {
			r := c.failure(resp, "", "")
			return "", &r
		}
		users, failed := c.array(resp, "users")
		if failed != nil {
			return "", failed
		}
		for u := range users.Elements() {
			if id := u.Get("id").Str(); id != "" && sameLogin(u, user) {
				return id, nil
			}
		}
	}
	r := fail(abi.NotFound, string(abi.NotFound), "there is no user of login "+jsonval.Quote(user)+": Okta was searched for it, since no path takes a login with these characters")
	return "", &r
}

func lookupUser(c *call) result {
	id, failed := c.pathOf(c.str("user"))
	if failed != nil {
		return *failed
	}
	resp := c.send(hostcall.Request{Endpoint: getUser.Endpoint, Path: at("id", id), Query: c.params([]param{{"expand", "expand"}})})
	if !ok(resp) {
		return c.failure(resp, "User", "user")
	}
	return c.emitObject(resp, nil)
}

// targetUser reads the user that a write is for. Okta takes the part of a login before the @ for the login, too, and "me"
// for the token's owner; a write does not, since whom that means depends on who else there is.
func (c *call) targetUser() (object, *result) {
	user := c.str("user")
	u, failed := c.userObject(user)
	if failed == nil && u.Get("id").Str() == "" {
		r := fail(abi.Unavailable, "bad_answer", "Okta answered with a user without an id")
		return object{}, &r
	}
	if failed == nil && u.Get("id").Str() != user && !sameLogin(u.Value, user) {
		r := refuse("short_name", "to change a user, give the id or the whole login: "+jsonval.Quote(user)+" is neither, and stands for "+
			u.Get("profile", "login").Str()+" ("+u.Get("id").Str()+")")
		return object{}, &r
	}
	return u, failed
}

func createUser(c *call) result {
	profile := c.input.Get("profile")
	login := profile.Get("login").Str()
	provider, refused := c.providerOf()
	if refused != nil {
		return *refused
	}
	// A login that is taken before the request cannot be of the request's making, which is what settles a lost answer.
	if !c.settling {
		if u, gone, failed := c.readUser(login); failed == nil && sameLogin(u, login) {
			return loginTaken(u, login)
		} else if failed != nil && !gone {
			return *failed
		}
	}
	for group := range c.input.Get("group_ids").Elements() {
		refused := c.adminGroup(group.Str(), "", "adding one")
		if refused == nil {
			continue
		}
		if refused.outcome == abi.NotFound {
			refused.outcome, refused.err.Code = abi.Rejected, "group_not_found"
			refused.err.Message = "a group in group_ids does not exist, and no user was created. " + refused.err.Message
		}
		return *refused
	}

	var body, wanted jsonval.Writer
	body.Raw("profile", profile.Raw()).RawIf("groupIds", c.input.Get("group_ids").Raw())
	if credentials := c.input.Get("credentials"); provider.Exists() {
		var w jsonval.Writer
		body.Raw("credentials", patched(credentials, parsed(w.Raw("provider", provider.Raw()).String())).Raw())
		wanted.Raw("credentials", w.String())
	} else {
		body.RawIf("credentials", credentials.Raw())
	}
	if t := c.str("type"); t != "" {
		body.Raw("type", `{"id":`+jsonval.Quote(t)+`}`)
		wanted.Raw("type", `{"id":`+jsonval.Quote(t)+`}`)
	}
	if realm := c.str("realm"); realm != "" {
		body.Str("realmId", realm)
		wanted.Str("realmId", realm)
	}
	if c.input.Get("activate").Raw() == "false" {
		wanted.Str("status", "STAGED")
	}
	more := parsed(wanted.String())
	missing := func(u jsonval.Value) []gap {
		return append(profileGaps(u.Get("profile"), profile), gaps(u, more, "")...)
	}
	query := c.params([]param{{"activate", "activate"}, {"next_login", "nextLogin"}})
	if provider.Exists() { // without it Okta makes a user of its own
		query = append(query, hostcall.Pair{Name: "provider", Value: "true"})
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: postUsers.Endpoint, Query: query, Body: body.String()},
		what:    "creating " + login,
		undone:  "the user was not created",
		check: func(u jsonval.Value) *result {
			lacking := missing(u)
			if len(lacking) == 0 {
				return nil
			}
			r := c.notAsAsked("creating "+login, lacking, nil, u.Raw(), true)
			r.err.Message += ". The user " + u.Get("id").Str() + " was created all the same: change it, or delete it"
			return &r
		},
		refused: func(r result) result {
			switch e := r.err.Upstream; {
			case e == nil:
			case oktaError{*e}.missing("UserGroup"):
				r.err.Code = "group_not_found"
				r.err.Message = "a group in group_ids does not exist, and no user was created. " + r.err.Message
			case e.Status == 400 && strings.Contains(strings.Join(e.Causes, " "), "login: "):
				if u, _, failed := c.readUser(login); failed == nil && sameLogin(u, login) {
					return loginTaken(u, login)
				}
			}
			return r
		},
		look: func() (reading, result) { // the login tells
			u, gone, failed := c.readUser(login)
			switch {
			case gone:
				return absent, result{}
			case failed != nil || !sameLogin(u, login):
				return untold, result{}
			}
			switch maker := c.madeBy(u.Get("created").Str()); {
			case maker == another:
				return precluded, loginTaken(u, login)
			case maker == us && len(missing(u)) == 0:
				return holds, result{output: u.Raw(), warnings: c.unread("credentials", "group_ids")}
			}
			return untold, result{}
		},
	})
}

// providerOf returns the provider that the input's credentials name, with the name that Okta wants of its type, or refuses
// what Okta would make something else of: https://developer.okta.com/docs/api/openapi/okta-management/management/tag/User/,
// "Create user with authentication provider", and okta/okta-sdk-nodejs#394.
func (c *call) providerOf() (provider jsonval.Value, refused *result) {
	invalid := func(message string) (jsonval.Value, *result) {
		r := fail(abi.Invalid, "input", message)
		return jsonval.Value{}, &r
	}
	credentials, said := c.input.Get("credentials"), c.input.Get("provider")
	provider = credentials.Get("provider")
	switch {
	case hollow(provider) && said.True():
		return invalid(`provider: credentials.provider is missing, such as {"type":"FEDERATION","name":"FEDERATION"}`)
	case hollow(provider):
		return jsonval.Value{}, nil
	case said.Raw() == "false":
		return invalid("provider is false, and credentials.provider names one: leave out either of them")
	}
	typ, name := provider.Get("type").Str(), provider.Get("name").Str()
	switch typ {
	case "FEDERATION", "SOCIAL":
		if !hollow(credentials.Get("password")) || !hollow(credentials.Get("recovery_question")) {
			return invalid("credentials: a user of provider " + typ + " has no password and no recovery_question in Okta: leave them out")
		}
		fallthrough
	case "OKTA", "IMPORT":
		if name == "" {
			var w jsonval.Writer
			provider = patched(provider, parsed(w.Str("name", typ).String()))
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

// parsed is the value of a text that this package wrote.
func parsed(text string) jsonval.Value {
	v, _ := jsonval.Parse(text)
	return v
}

// unread warns of what an input asked for and no reading back of a lost answer tells.
func (c *call) unread(inputs ...string) []string {
	var given []string
	for _, name := range inputs {
		if c.input.Get(name).Exists() {
			given = append(given, name)
		}
	}
	if given == nil {
		return nil
	}
	return []string{"Okta's answer was lost, and what was read back does not tell whether it took " + strings.Join(given, " and ") + ": look"}
}

// sameLogin guards against Okta's reading of a login's first part as a short name.
func sameLogin(u jsonval.Value, login string) bool {
	return strings.EqualFold(u.Get("profile", "login").Str(), login)
}

func loginTaken(u jsonval.Value, login string) result {
	id := u.Get("id").Str()
	r := fail(abi.Rejected, "login_taken", "the login "+login+" belongs to user "+id+" ("+u.Get("status").Str()+
		"): choose another, or update that user")
	var w jsonval.Writer
	r.output = w.Str("existing_id", id).Str("status", u.Get("status").Str()).String()
	return r
}

func updateUser(c *call) result {
	if refused := wholeUser.checkElsewhere(c.input); refused != nil {
		return *refused
	}
	before, failed := c.targetUser()
	if failed != nil {
		return *failed
	}
	id, profile, secrets := before.Get("id").Str(), c.input.Get("profile"), c.input.Get("credentials")
	replace := c.input.Get("replace").True()
	differs := func(u jsonval.Value, inProfile []gap) (all []gap) {
		all = inProfile
		if replace {
			for name, v := range u.Get("profile").Members() {
				if !hollow(v) && !profile.Get(name).Exists() {
					all = append(all, gap{path: "profile." + name, has: v})
				}
			}
		}
		for _, m := range [...]struct {
			input string
			path  []string
		}{{"type", []string{"type", "id"}}, {"realm", []string{"realmId"}}} {
			if ask := c.input.Get(m.input); ask.Exists() && !u.Get(m.path...).Equal(ask) {
				all = append(all, gap{strings.Join(m.path, "."), u.Get(m.path...), ask})
			}
		}
		return all
	}
	missing := func(u jsonval.Value) []gap { return differs(u, profileGaps(u.Get("profile"), profile)) } // of what Okta answers
	exact := func(u jsonval.Value) bool { return len(differs(u, changes(u.Get("profile"), profile, "profile"))) == 0 }
	had := exact(before.Value) || c.settling && c.afterWrite(before.Value) && len(missing(before.Value)) == 0
	told := len(missing(before.Value)) > 0 // by what Okta makes of it, too
	if had && !secrets.Exists() {          // whether credentials are the same cannot be read
		return result{outcome: abi.Unchanged, output: userChange(before.Value, before.Value)}
	}
	var body jsonval.Writer
	req := hostcall.Request{Endpoint: updateUserPart.Endpoint, Path: at("id", id)}
	retyped := c.str("type") != "" && before.Get("type", "id").Str() != c.str("type")
	if retyped { // which Okta does with the whole alone
		whole := withoutNulls(before.Get("profile"))
		switch {
		case replace:
			whole = profile
		case profile.Exists():
			whole = patched(whole, profile)
		}
		body.Raw("profile", whole.Raw()).Raw("type", `{"id":`+jsonval.Quote(c.str("type"))+`}`)
	} else {
		body.RawIf("profile", profile.Raw())
	}
	if realm := c.str("realm"); realm != "" {
		body.Str("realmId", realm)
	}
	req.Body = body.RawIf("credentials", secrets.Raw()).String()
	if replace || retyped {
		req.Endpoint = replaceUser.Endpoint
	}
	if (replace || retyped) && before.etag == "" && !c.settling { // what others changed since would be undone by writing the whole
		if now, _, failed := c.readUser(id); failed != nil {
			return *failed
		} else if !now.Get("lastUpdated").Equal(before.Get("lastUpdated")) || !withoutNulls(now.Get("profile")).Equal(withoutNulls(before.Get("profile"))) {
			return changedMeanwhile("")
		}
	}
	if before.etag != "" {
		req.Headers = []hostcall.Pair{{Name: "If-Match", Value: before.etag}}
	}
	same := func(u jsonval.Value) bool {
		return u.Get("profile").Equal(before.Get("profile")) && u.Get("type").Equal(before.Get("type")) && u.Get("realmId").Equal(before.Get("realmId"))
	}
	look := func() (reading, result) {
		now, _, failed := c.readUser(id)
		switch {
		case failed != nil:
			return untold, result{}
		case had: // credentials alone cannot be read
			return blind, result{}
		case exact(now) || told && len(missing(now)) == 0:
			return holds, result{output: userChange(before.Value, now)}
		case same(now):
			return absent, result{}
		}
		return untold, result{}
	}
	what := "updating user " + id
	return c.change(change{
		request: req, typ: "User", noun: "user",
		what:   what,
		undone: "the user was not updated",
		trace:  before.Get("lastUpdated").Str(),
		done: func(resp hostcall.Response) result {
			after, isJSON := c.Body(resp)
			answered := isJSON && after.Get("id").Str() != ""
			if !answered {
				var failed *result
				if after, _, failed = c.readUser(id); failed != nil {
					return result{outcome: abi.Succeeded, output: userChange(before.Value, after),
						warnings: []string{"Okta took the change, and the user could not be read afterwards: " + failed.err.Message}}
				}
			}
			if lacking := missing(after); len(lacking) > 0 {
				if !answered { // what was read may lag behind
					return c.agreed(look, what)
				}
				return c.notAsAsked(what, lacking, look, userChange(before.Value, after), !same(after) || secrets.Exists())
			}
			return result{outcome: abi.Succeeded, output: userChange(before.Value, after)}
		},
		refused: func(r result) result {
			switch {
			case r.err.Upstream == nil:
			case upstreamCode(r) == "E0000231":
				now := changedMeanwhile(". " + r.err.Message)
				now.err.Upstream = r.err.Upstream
				return now
			case r.outcome == abi.NotFound && before.Get("status").Str() == "DEPROVISIONED":
				r.outcome, r.err.Code = abi.Rejected, "status"
				r.err.Message = "the user is DEPROVISIONED, and the org does not let such users be changed" + wayOut("DEPROVISIONED") + ". " + r.err.Message
			}
			return r
		},
		look: look,
	})
}

// changedMeanwhile refuses to undo what somebody else did.
func changedMeanwhile(more string) result {
	r := refuse("changed_meanwhile", "somebody else changed the user while this change was made: repeat it to make it to theirs"+more)
	r.err.Retryable = true
	return r
}

// userChange is the output of an update, both ends as read.
func userChange(before, after jsonval.Value) string {
	var w jsonval.Writer
	w.Str("id", before.Get("id").Str()).StrIf("login", before.Get("profile", "login").Str())
	return w.Raw("before", before.Raw()).RawIf("after", after.Raw()).String()
}
