package okta

import (
	"cmp"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readApps   = []string{"okta.apps.read"}
	manageApps = []string{"okta.apps.manage"}

	getApps        = abi.Endpoint{Endpoint: "GET /api/v1/apps", Bucket: "/api/v1/apps", Scopes: readApps, Sensitive: applicationSecrets, Query: []string{"q", "after", "limit", "filter", "expand", "includeNonDeleted", "useOptimization"}}
	getApp         = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}", Bucket: "/api/v1/apps/{id}", Scopes: readApps, Sensitive: applicationSecrets, Query: []string{"expand"}}
	getAppUsers    = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/users", Bucket: "/api/v1/apps", Scopes: readApps, Query: []string{"after", "limit", "q", "expand"}}
	getAppUser     = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/users/{userId}", Bucket: "/api/v1/apps", Scopes: readApps}
	postAppUsers   = abi.Endpoint{Endpoint: "POST /api/v1/apps/{appId}/users", Bucket: "/api/v1/apps", Scopes: manageApps}
	postAppUser    = abi.Endpoint{Endpoint: "POST /api/v1/apps/{appId}/users/{userId}", Bucket: "/api/v1/apps", Scopes: manageApps}
	deleteAppUser  = abi.Endpoint{Endpoint: "DELETE /api/v1/apps/{appId}/users/{userId}", Bucket: "/api/v1/apps", Scopes: manageApps, Query: []string{"sendEmail"}}
	getAppGroups   = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/groups", Bucket: "/api/v1/apps", Scopes: readApps, Query: []string{"q", "after", "limit", "expand"}}
	getAppGroup    = abi.Endpoint{Endpoint: "GET /api/v1/apps/{appId}/groups/{groupId}", Bucket: "/api/v1/apps", Scopes: readApps}
	putAppGroup    = abi.Endpoint{Endpoint: "PUT /api/v1/apps/{appId}/groups/{groupId}", Bucket: "/api/v1/apps", Scopes: manageApps}
	deleteAppGroup = abi.Endpoint{Endpoint: "DELETE /api/v1/apps/{appId}/groups/{groupId}", Bucket: "/api/v1/apps", Scopes: manageApps}
)

var applicationInput = connector.IDInput("application", "the application's id")

var applicationOperations = []connector.Operation{
	{
		Name:        "lookup_application",
		Summary:     "Reads one application. Its secrets are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{applicationInput, appExpandInput},
		Example:     `{"application":"0oaGJxoM8LyCF3ytcwkO"}`,
		Key:         "id",
		Columns:     applicationColumns,
		Display:     applicationDisplay,
		Endpoints:   []*abi.Endpoint{&getApp},
		Get:         &connector.Get{Endpoint: getApp.Endpoint, Path: []connector.Blank{{"appId", "application"}}, Query: []connector.Param{{"expand", "expand"}}, Omit: applicationSecrets, Noun: "application", Type: "AppInstance"},
	},
	{
		Name:        "list_applications",
		Summary:     "Lists the applications that the token's owner may see. Their secrets are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("filter", "4096", `such as status eq "ACTIVE", name eq "oidc_client", or user.id eq "00u…" with expand user/00u…`),
			connector.TextInput("q", "255", "prefix of a name or label"),
			appExpandInput,
			connector.BoolInput("include_non_deleted", "includes inactive applications"),
			connector.LimitInput, pageSize200, connector.CursorInput,
		},
		Example:   `{"filter":"status eq \"ACTIVE\""}`,
		Key:       "id",
		Columns:   applicationColumns,
		Display:   applicationDisplay,
		Endpoints: []*abi.Endpoint{&getApps},
		List: &connector.List{Endpoint: getApps.Endpoint, Query: []connector.Param{{"filter", "filter"}, {"q", "q"}, {"expand", "expand"}, {"include_non_deleted", "includeNonDeleted"}},
			Keep: []connector.Param{{"expand", "expand"}}, Omit: applicationSecrets, MaxPage: 200},
		View: &abi.View{Name: "applications", Answers: applicationAnswers},
	},
	{
		Name:        "list_application_users",
		Summary:     "Lists the users of an application, assigned directly or through groups.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			applicationInput,
			connector.TextInput("q", "255", "prefix of a user name, e-mail or name"),
			{"expand", false, `{"enum":["user"],"description":"adds the user to the record"}`},
			connector.LimitInput,
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":500,"description":"records per request; default: the connection's default_page_size, else 500"}`},
			connector.CursorInput,
		},
		Example:   `{"application":"0oaGJxoM8LyCF3ytcwkO","limit":50}`,
		Key:       "id",
		Columns:   applicationUserColumns,
		Display:   "user_name first_name last_name scope status created id",
		Endpoints: []*abi.Endpoint{&getAppUsers},
		List: &connector.List{Endpoint: getAppUsers.Endpoint, Path: []connector.Blank{{"appId", "application"}}, Query: []connector.Param{{"q", "q"}, {"expand", "expand"}},
			Keep: []connector.Param{{"expand", "expand"}}, MaxPage: 500, Noun: "application", Type: "AppInstance"},
		View: &abi.View{Name: "application_users", Of: ofApplications,
			Comment: "The users of each application: a request or more for each."},
	},
	{
		Name:        "assign_application_user",
		Summary:     "Assigns an application to a user, or changes the user's profile in it. An identical assignment is unchanged.",
		Class:       abi.Write,
		Rules:       []abi.ClassRule{groupScopeRule},
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			applicationInput, targetInput,
			{"profile", false, `{"type":"object","description":"attributes of the application's user profile to set; null clears one, others are kept"}`},
			{"credentials", false, `{"type":"object","description":"userName and password, as in Okta's API","x-sensitive":true}`},
			{"scope", false, `{"enum":["USER","GROUP"],"description":"USER makes the assignment direct: it stays when the user leaves a group. GROUP hands it to the user's groups, which is destructive: without an assigned group the user loses it. Default: a new one is direct, an existing one keeps its scope"}`},
		},
		Example:   `{"application":"0oaAZlG8lxcfcbMXcwkO","user":"ada.lovelace@example.com"}`,
		Rejects:   "short_name",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getApp, &getAppUser, connector.WithBodyClass(abi.Write, &postAppUsers, groupScopeRule), connector.WithBodyClass(abi.ClassOfInput, &postAppUser, groupScopeRule)},
		Do:        assignAppUser,
	},
	{
		Name:        "unassign_application_user",
		Summary:     "Removes an application from a user. An assignment through a group is rejected; a missing one is unchanged.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{applicationInput, targetInput, sendEmailInput},
		Example:     `{"application":"0oaGJxoM8LyCF3ytcwkO","user":"ada.lovelace@example.com"}`,
		Rejects:     "assigned_through_group short_name",
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &getApp, &getAppUser, &deleteAppUser},
		Do:          unassignAppUser,
	},
	{
		Name:        "assign_application_group",
		Summary:     "Assigns an application to a group, or changes the assignment's priority or profile. An identical assignment is unchanged.",
		Class:       abi.Write,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			applicationInput, groupInput,
			{"priority", false, `{"type":"integer","minimum":0,"maximum":100,"description":"decides whose profile a user of several groups gets; 0 is first. Default: an existing priority is kept"}`},
			{"profile", false, `{"type":"object","description":"attributes that members get in the application; null clears one, others are kept"}`},
		},
		Example:   `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"IT Operations"}`,
		Rejects:   "ambiguous",
		Endpoints: []*abi.Endpoint{&getGroup, &getGroups, &getApp, &getAppGroup, &putAppGroup},
		Do:        assignAppGroup,
	},
	{
		Name:        "unassign_application_group",
		Summary:     "Removes an application from a group. Members without another assignment lose it. A missing assignment is unchanged.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{applicationInput, groupInput},
		Example:     `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"Engineering"}`,
		Rejects:     "ambiguous",
		Endpoints:   []*abi.Endpoint{&getGroup, &getGroups, &getApp, &getAppGroup, &deleteAppGroup},
		Do:          unassignAppGroup,
	},
	{
		Name:        "list_user_applications",
		Addition:    true,
		Summary:     "Lists the applications that are assigned to a user, directly or through groups. Their secrets are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{userInput, connector.LimitInput, pageSize200, connector.CursorInput},
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Key:         "id",
		Columns:     userApplicationColumns,
		Display:     "label name status scope user_name assigned id",
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &getApps},
		Pages:       listUserApplications,
		View: &abi.View{Name: "user_applications", Of: ofUsers,
			Comment: "The applications of each user: a request for each. For most users at once, application_users needs fewer."},
	},
	{
		Name:        "list_application_groups",
		Addition:    true,
		Summary:     "Lists the groups that an application is assigned to.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{applicationInput, connector.TextInput("q", "255", "prefix of a group's name"),
			{"expand", false, `{"enum":["group"],"description":"adds the group to the record"}`}, connector.LimitInput, connector.CursorInput},
		Example:   `{"application":"0oaGJxoM8LyCF3ytcwkO","expand":"group"}`,
		Key:       "id",
		Columns:   applicationGroupColumns,
		Display:   "group_name priority last_updated id",
		Endpoints: []*abi.Endpoint{&getAppGroups},
		List: &connector.List{Endpoint: getAppGroups.Endpoint, Path: []connector.Blank{{"appId", "application"}}, Query: []connector.Param{{"q", "q"}, {"expand", "expand"}},
			Keep: []connector.Param{{"expand", "expand"}}, More: largestPage, OptionalLimit: true, Noun: "application", Type: "AppInstance"},
		View: &abi.View{Name: "application_groups", Of: ofApplications, Input: []byte(`{"expand":"group"}`), Comment: "The groups of each application: a request or more for each."},
	},
}

// ofApplications is for views that have a list for each application.
var ofApplications = &abi.ViewOf{View: "applications", Column: "id", Input: "application", As: "application_id", Match: "^0oa[A-Za-z0-9]{17}$"}

// largestPage asks for 200 groups. It does not send an input's limit: Okta documents 20 as the minimum for this list.
func largestPage(*connector.Call) []hostcall.Pair { return connector.Pairs("limit", "200") }

var applicationGroupColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the group's id"},
	{"group_name", abi.Varchar, "_embedded.group.profile.name", "with expand group"},
	{"priority", abi.BigInt, "priority", "decides whose profile a user of several groups gets; 0 is first"},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"profile", abi.JSON, "profile", "attributes that members get in the application"},
	{"embedded", abi.JSON, "_embedded", "the group, with expand group"},
	{"links", abi.JSON, "_links", ""},
}

// userApplicationColumns are the columns of an application and of the user's assignment to it.
var userApplicationColumns = append(applicationColumns[:len(applicationColumns):len(applicationColumns)],
	connector.Column{"scope", abi.Varchar, "_embedded.user.scope", "USER: assigned directly; GROUP: through a group"},
	connector.Column{"user_name", abi.Varchar, "_embedded.user.credentials.userName", "the user's name in the application"},
	connector.Column{"assigned", abi.TimestampTZ, "_embedded.user.created", "when the application was assigned"})

// listUserApplications lists applications by a filter. Okta's list of a user's app links omits applications without a link.
func listUserApplications(c *connector.Call, at string, limit int) (connector.Result, int) {
	id, failed := userID(c)
	if failed != nil {
		return *failed, 0
	}
	var w jsonval.Writer // the query becomes part of the input, from which Keep adds it to next links that drop it
	c.Input = compare.Patched(c.Input, parsed(w.Str("filter", "user.id eq "+jsonval.Quote(id)).Str("expand", "user/"+id).String()))
	query := []connector.Param{{"filter", "filter"}, {"expand", "expand"}}
	l := connector.List{Endpoint: getApps.Endpoint, Query: query, Keep: query[1:], Omit: applicationSecrets, MaxPage: 200}
	return l.ReadPage(c, at, limit)
}

// groupScopeRule makes scope GROUP destructive, because the user may lose the application. It applies to the input and to
// Okta's body.
var groupScopeRule = abi.ClassRule{Field: "scope", Equals: "GROUP", Class: abi.Destructive}

var appExpandInput = connector.Input{"expand", false, `{"type":"string","pattern":"^user/[A-Za-z0-9]{1,64}$","description":"user/00u… adds that user's assignment to the record; a list also needs the filter user.id eq for that user"}`}

// applicationSecrets are removed from an application's record: an OAuth client's secret, and the password that all
// users of the application share.
var applicationSecrets = []string{"credentials.oauthClient.client_secret", "credentials.password.value"}

// applicationAnswers are the requests that select applications. q is the beginning of a name or label, and may be combined
// with a filter (okta/terraform-provider-okta, fixtures of okta_app).
var applicationAnswers = []abi.Answer{
	{Operation: "lookup_application", Each: 8, Conditions: []abi.Condition{{Column: "id", Value: "application"}}},
	{Operation: "list_applications", Filter: "filter", Conditions: append(filteredApplications, abi.Condition{Column: "label", Value: "q"})},
	{Operation: "list_applications", Filter: "filter", Conditions: filteredApplications},
}

var filteredApplications = attributes(equal, "id id", "status status", "name name")

// applicationDisplay lists the columns that a table for people shows.
const applicationDisplay = "label name status sign_on_mode last_updated id"

var applicationColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the application's id"},
	{"name", abi.Varchar, "name", "its template, such as oidc_client"},
	{"label", abi.Varchar, "label", "the name that users see"},
	{"status", abi.Varchar, "status", "ACTIVE, INACTIVE or DELETED"},
	{"orn", abi.Varchar, "orn", "its Okta resource name"},
	{"sign_on_mode", abi.Varchar, "signOnMode", "such as SAML_2_0 or OPENID_CONNECT"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"features", abi.JSON, "features", "enabled provisioning features"},
	{"accessibility", abi.JSON, "accessibility", ""},
	{"visibility", abi.JSON, "visibility", ""},
	{"credentials", abi.JSON, "credentials", "user name template and signing"},
	{"settings", abi.JSON, "settings", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

var applicationUserColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the user's id"},
	{"external_id", abi.Varchar, "externalId", "the user's id in the application"},
	{"user_name", abi.Varchar, "credentials.userName", "in the application"},
	{"email", abi.Varchar, "profile.email", ""},
	{"first_name", abi.Varchar, "profile.given_name|profile.firstName", "in the application: given_name (OpenID Connect apps) or firstName"},
	{"last_name", abi.Varchar, "profile.family_name|profile.lastName", "in the application: family_name (OpenID Connect apps) or lastName"},
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
	{"links", abi.JSON, "_links", "links to the group, with scope GROUP"},
}

// assignment identifies the assignment of an application to a user or a group.
type assignment struct {
	app, who, id string // who is "user" or "group", as in the input
	typ          string // Okta's name of the type in a 404
	get          hostcall.Request
	exists       func() (connector.Object, *connector.Result)
}

func userAssignment(c *connector.Call) (assignment, *connector.Result) {
	app := c.Str("application")
	id, failed := userID(c)
	return assignment{app, "user", id, "User", hostcall.Request{Endpoint: getAppUser.Endpoint, Path: connector.Pairs("appId", app, "userId", id)},
		func() (connector.Object, *connector.Result) { return userObject(c, id) }}, failed
}

func groupAssignment(c *connector.Call) (assignment, *connector.Result) {
	app := c.Str("application")
	id, failed := groupID(c)
	return assignment{app, "group", id, "UserGroup", hostcall.Request{Endpoint: getAppGroup.Endpoint, Path: connector.Pairs("appId", app, "groupId", id)},
		func() (connector.Object, *connector.Result) { return readGroup(c, id) }}, failed
}

// assigned reads an assignment; Gone means that it does not exist. A 404 may also mean that the application, the user or
// the group does not exist. Its text does not always say which.
func assigned(c *connector.Call, a assignment) (connector.Object, *connector.Result) {
	o, failed := c.ReadObject(a.get, "AppInstance", "application")
	if failed == nil || failed.Err.Upstream == nil || failed.Err.Upstream.Status != 404 || connector.UpstreamCode(*failed) != "E0000007" {
		return o, failed
	}
	switch e := *failed.Err.Upstream; {
	case missingType(e, "AppInstance"):
		o.Gone = false
		return o, failed
	case missingType(e, a.typ):
		if _, none := a.exists(); none != nil {
			return connector.Object{}, none
		}
	}
	return connector.Object{Gone: true}, &connector.Result{Outcome: abi.NotFound, Err: failed.Err}
}

// output returns the output of a changed assignment, before and after as read. A missing assignment is null.
func (a assignment) output(before, after connector.Object) string {
	var w jsonval.Writer
	w.Str("application", a.app).Str(a.who, a.id)
	for _, end := range [...]struct {
		name string
		connector.Object
	}{{"before", before}, {"after", after}} {
		if end.Exists() {
			w.Raw(end.name, end.Raw())
		} else {
			w.Raw(end.name, "null")
		}
	}
	return w.String()
}

// unchanged returns the result for an assignment that needs no change.
//
//go:noinline
func (a assignment) unchanged(now connector.Object) connector.Result {
	return connector.Result{Outcome: abi.Unchanged, Output: a.output(now, now)}
}

// mergedProfile returns the profile to write over an existing one. Okta replaces the profile, so all of it is written.
// A cleared attribute is null, because omitting it does not clear it.
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApplicationUsers/#tag/ApplicationUsers/operation/updateApplicationUser
func mergedProfile(now, given jsonval.Value) string {
	var w jsonval.Writer
	whole := compare.WithoutNulls(now)
	if given.Exists() {
		whole = compare.Patched(whole, given)
	}
	for name, v := range whole.Members() {
		w.Raw(name, v.Raw())
	}
	for name, v := range given.Members() {
		if v.Kind() == jsonval.Null && !compare.IsEmpty(now.Get(name)) {
			w.Raw(name, "null")
		}
	}
	return w.String()
}

// lostAttributes warns about attributes that were set before, that the input does not name, and that are no longer set.
func lostAttributes(before, after connector.Object, given jsonval.Value) (warnings []string) {
	var names []string
	for name, v := range before.Get("profile").Members() {
		if !compare.IsEmpty(v) && !given.Get(name).Exists() && compare.IsEmpty(after.At("profile", name)) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	return []string{"Okta cleared attributes that the input does not name: " + strings.Join(names, ", ")}
}

// assign writes an assignment and returns the result. missing returns what the input asks for and an assignment does not
// have. moved warns about values that should have been kept but changed. readable says whether everything in the input
// can be read back.
func assign(c *connector.Call, a assignment, req hostcall.Request, before connector.Object, missing func(connector.Object, compare.Comparison) []compare.Gap, moved func(after connector.Object) []string, readable bool) connector.Result {
	has := func(o connector.Object) bool { return !o.Gone && readable && len(missing(o, okta.Gaps)) == 0 }
	observable := before.Gone || len(missing(before, okta.Gaps)) > 0 // even with Okta's normalisation
	what := "assigning application " + a.app + " to " + a.who + " " + a.id
	return c.Change(connector.Change{
		Request: req, Type: "AppInstance", Noun: "application",
		What:   what,
		Undone: "the application was not assigned",
		Trace:  before.Get("lastUpdated").Str(),
		Done: func(resp hostcall.Response) connector.Result {
			r := connector.Result{Outcome: abi.Succeeded}
			var failed *connector.Result
			v, isJSON := c.Body(resp)
			after, answered := connector.Object{Value: v}, isJSON && v.Get("id").Str() != ""
			if !answered {
				after, failed = assigned(c, a)
			}
			again := func() (connector.Reading, connector.Result) {
				if after, failed = assigned(c, a); failed == nil && len(missing(after, okta.Gaps)) == 0 {
					return connector.Holds, connector.Result{Output: a.output(before, after), Warnings: moved(after)}
				}
				return connector.Absent, connector.Result{}
			}
			switch {
			case failed != nil && !after.Gone:
				r.Warnings = []string{"Okta accepted the change, but the assignment could not be read afterwards: " + failed.Err.Message}
			case after.Gone, len(missing(after, okta.Gaps)) > 0 && !answered: // a read may lag behind
				return c.AwaitEffect(again, what)
			case len(missing(after, okta.Gaps)) > 0:
				return c.RejectGaps(what, missing(after, okta.Gaps), again, a.output(before, after), !after.Equal(before.Value))
			}
			if after.Exists() {
				r.Warnings = append(r.Warnings, moved(after)...)
			}
			r.Output = a.output(before, after)
			return r
		},
		Refused: func(r connector.Result) connector.Result {
			if connector.UpstreamCode(r) == "E0000062" && readable { // already assigned
				if now, failed := assigned(c, a); failed == nil && has(now) {
					return a.unchanged(now)
				}
			}
			return missingOther(inactive(c, a, r), a.typ, a.who)
		},
		Look: func() (connector.Reading, connector.Result) {
			now, failed := assigned(c, a)
			switch {
			case !readable:
				return connector.Unobservable, connector.Result{}
			case failed != nil && !now.Gone:
				return connector.Unclear, connector.Result{}
			case has(now) && (observable || len(missing(now, okta.Changes)) == 0):
				return connector.Holds, connector.Result{Output: a.output(before, now), Warnings: moved(now)}
			case before.Gone && now.Gone || !before.Gone && !now.Gone && before.Get("lastUpdated").Equal(now.Get("lastUpdated")):
				return connector.Absent, connector.Result{}
			}
			return connector.Unclear, connector.Result{} // another client has changed it
		},
	})
}

// inactive turns a 404 for the application into a rejection where the application exists but is not active. Okta changes no
// group assignments of such an application (okta/terraform-provider-okta#1502).
func inactive(c *connector.Call, a assignment, r connector.Result) connector.Result {
	if r.Err.Upstream == nil || !missingType(*r.Err.Upstream, "AppInstance") {
		return r
	}
	app, _, failed := c.Read(hostcall.Request{Endpoint: getApp.Endpoint, Path: connector.Pairs("appId", a.app)}, "AppInstance", "application")
	if status := app.Get("status").Str(); failed == nil && status != "ACTIVE" {
		r.Outcome, r.Err.Code = abi.Rejected, "status"
		r.Err.Message = "the application exists but is " + status + ". Okta changes assignments of ACTIVE applications only: activate it in Okta first. " + okta.Text(*r.Err.Upstream)
	}
	return r
}

// missingOther turns a 404 for another target of the operation into not_found.
func missingOther(r connector.Result, typ, noun string) connector.Result {
	if r.Outcome == abi.Rejected && r.Err.Upstream != nil && missingType(*r.Err.Upstream, typ) {
		r.Outcome, r.Err.Code = abi.NotFound, string(abi.NotFound)
		r.Err.Message = "the " + noun + " does not exist. " + r.Err.Message
	}
	return r
}

func assignAppUser(c *connector.Call) connector.Result {
	a, failed := userAssignment(c)
	if failed != nil {
		return *failed
	}
	before, failed := assigned(c, a)
	if failed != nil && !before.Gone {
		return *failed
	}
	scope := c.Str("scope")
	profile, secrets := c.Input.Get("profile"), c.Input.Get("credentials")
	readable := !secrets.Get("password").Exists() // a password cannot be read back to compare it
	asked := withoutPassword(secrets)
	missing := func(o connector.Object, by compare.Comparison) (all []compare.Gap) {
		if is := o.Get("scope"); scope != "" && is.Str() != scope {
			all = append(all, compare.Gap{Path: "scope", Has: is, Ask: c.Input.Get("scope")})
		}
		return append(append(all, by(o.Get("profile"), profile, "profile")...), by(o.Get("credentials"), asked, "credentials")...)
	}
	if !before.Gone && readable && len(missing(before, c.CompareBefore(before.Value))) == 0 {
		return a.unchanged(before)
	}
	moved := func(after connector.Object) []string {
		warnings := lostAttributes(before, after, profile)
		if scope == "" && before.Get("scope").Str() == "GROUP" && after.Get("scope").Str() == "USER" {
			warnings = append(warnings, "the assignment was through "+grantedBy(before)+" and is direct now: it stays when the user leaves the group")
		}
		return warnings
	}
	var body jsonval.Writer
	req := hostcall.Request{Endpoint: postAppUsers.Endpoint, Path: connector.Pairs("appId", a.app)}
	if before.Gone || scope != "" && before.Get("scope").Str() != scope {
		body.Str("id", a.id).Str("scope", cmp.Or(scope, "USER"))
	} else { // an existing assignment has its own endpoint, which takes no scope
		req = hostcall.Request{Endpoint: postAppUser.Endpoint, Path: connector.Pairs("appId", a.app, "userId", a.id)}
	}
	if profile.Exists() {
		body.Raw("profile", mergedProfile(before.Get("profile"), profile))
	}
	req.Body = body.RawIf("credentials", secrets.Raw()).String()
	return assign(c, a, req, before, missing, moved, readable)
}

// withoutPassword returns credentials without the password, which Okta never returns.
func withoutPassword(credentials jsonval.Value) jsonval.Value {
	var w jsonval.Writer
	for k, m := range credentials.Members() {
		if k != "password" {
			w.Raw(k, m.Raw())
		}
	}
	return parsed(w.String())
}

func assignAppGroup(c *connector.Call) connector.Result {
	a, failed := groupAssignment(c)
	if failed != nil {
		return *failed
	}
	before, failed := assigned(c, a)
	if failed != nil && !before.Gone {
		return *failed
	}
	priority, profile := c.Input.Get("priority"), c.Input.Get("profile")
	missing := func(o connector.Object, by compare.Comparison) []compare.Gap {
		return append(by(o.Get("priority"), priority, "priority"), by(o.Get("profile"), profile, "profile")...)
	}
	if !before.Gone && len(missing(before, c.CompareBefore(before.Value))) == 0 {
		return a.unchanged(before)
	}
	ranked := priority
	if was := before.Get("priority"); !priority.Exists() && was.Kind() == jsonval.Number {
		ranked = was
	}
	moved := func(after connector.Object) []string {
		warnings := lostAttributes(before, after, profile)
		if was, is := before.Get("priority"), after.Get("priority"); !priority.Exists() && was.Exists() && !is.Equal(was) {
			warnings = append(warnings, "the priority was "+was.Raw()+" and is now "+cmp.Or(is.Raw(), "none"))
		}
		return warnings
	}
	var body jsonval.Writer // Okta would clear an omitted priority or profile
	body.RawIf("priority", ranked.Raw())
	if written := mergedProfile(before.Get("profile"), profile); profile.Exists() || written != "{}" {
		body.Raw("profile", written)
	}
	return assign(c, a, hostcall.Request{Endpoint: putAppGroup.Endpoint, Path: connector.Pairs("appId", a.app, "groupId", a.id), Body: body.String()},
		before, missing, moved, true)
}

// unassign removes an assignment and reads what is left: a user may also have the application through a group. refused is
// as in connector.Change.
func unassign(c *connector.Call, a assignment, req hostcall.Request, before connector.Object, refused func(connector.Result) connector.Result) connector.Result {
	left := func(now connector.Object) connector.Result {
		r := connector.Result{Output: a.output(before, now)}
		if !now.Gone {
			r.Warnings = []string{"the user still has the application through " + grantedBy(now)}
		}
		return r
	}
	taken := func(o connector.Object) bool { return o.Gone || o.Get("scope").Str() == "GROUP" }
	read := func() (connector.Object, *connector.Result) { return assigned(c, a) }
	look := func() (connector.Reading, connector.Result) {
		now, failed := read()
		switch {
		case failed != nil && !now.Gone:
			return connector.Unclear, connector.Result{}
		case taken(now):
			return connector.Holds, left(now)
		}
		return connector.Absent, connector.Result{}
	}
	return c.Change(connector.Change{
		Request: req, Type: "AppInstance", Noun: "application",
		What:   "removing application " + a.app + " from " + a.who + " " + a.id,
		Undone: "the " + a.who + " still has the application",
		Trace:  cmp.Or(before.Get("created").Str(), before.Get("lastUpdated").Str()), // a group's has no created
		Done: func(hostcall.Response) connector.Result {
			now, failed := read()
			r := left(now)
			r.Outcome = abi.Succeeded
			switch {
			case failed != nil && !now.Gone:
				r.Output = a.output(before, connector.Object{})
				r.Warnings = []string{"Okta accepted the removal, but the assignment could not be read afterwards: " + failed.Err.Message}
			case !taken(now):
				return c.AwaitEffect(look, "removing application "+a.app+" from "+a.who+" "+a.id)
			}
			return r
		},
		Refused: func(r connector.Result) connector.Result {
			if r.Err.Upstream != nil && r.Err.Upstream.Status == 404 {
				if now, _ := read(); now.Gone { // another client has removed it
					return a.unchanged(now)
				}
			}
			if refused != nil {
				return refused(r)
			}
			return inactive(c, a, r)
		},
		Look: look,
	})
}

// grantedBy names the group through which a user has an application, as far as Okta says.
func grantedBy(assigned connector.Object) string {
	group := assigned.At("_links", "group")
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

func unassignAppUser(c *connector.Call) connector.Result {
	a, failed := userAssignment(c)
	if failed != nil {
		return *failed
	}
	before, failed := assigned(c, a)
	if before.Gone {
		return a.unchanged(before)
	}
	if failed != nil {
		return *failed
	}
	throughGroup := func() connector.Result {
		return connector.Refuse("assigned_through_group", "the assignment comes through "+grantedBy(before)+
			": remove the user from the group, or the application from the group")
	}
	if before.Get("scope").Str() == "GROUP" {
		if c.Settling { // the earlier run sent a removal, so it had found a direct assignment
			return c.Reconcile(connector.Result{Output: a.output(before, before),
				Warnings: []string{"the user still has the application through " + grantedBy(before)}})
		}
		return throughGroup()
	}
	return unassign(c, a, hostcall.Request{Endpoint: deleteAppUser.Endpoint, Path: connector.Pairs("appId", a.app, "userId", a.id),
		Query: []hostcall.Pair{c.Flag("send_email", "sendEmail")}}, before, func(r connector.Result) connector.Result {
		if connector.UpstreamCode(r) == "E0000046" {
			t := throughGroup()
			t.Err.Upstream = r.Err.Upstream
			return t
		}
		return r
	})
}

func unassignAppGroup(c *connector.Call) connector.Result {
	a, failed := groupAssignment(c)
	if failed != nil {
		return *failed
	}
	before, failed := assigned(c, a)
	if before.Gone {
		return a.unchanged(before)
	}
	if failed != nil {
		return *failed
	}
	return unassign(c, a, hostcall.Request{Endpoint: deleteAppGroup.Endpoint, Path: connector.Pairs("appId", a.app, "groupId", a.id)}, before, nil)
}
