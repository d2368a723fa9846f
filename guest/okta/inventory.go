package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/connector/walk"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var inventoryOperations = []connector.Operation{
	{
		Name: "inventory_export",
		Summary: "Exports the org's objects of many kinds as {kind, id, parent, record}; next_cursor resumes it. `skipped` has the " +
			"kinds that the token may not read or the org does not have, with the reason; `vanished` counts parents deleted " +
			"meanwhile; `limited` has kinds that limit_per_kind cut; `missing` has lists not read to their end; `partial` is true " +
			"if anything is skipped or missing; `kinds` lists the exported kinds, and `incomplete` those that may lack objects. All cover the whole export. Secrets of applications, clients and authenticators are removed.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"kinds", false, `{"type":"array","minItems":1,"uniqueItems":true,"items":{"enum":["users","groups","group_members","applications","application_users","devices","authenticators","policies","zones","authorization_servers","oauth_clients","roles","user_factors","user_roles","group_roles","policy_rules","client_roles","group_rules","group_owners","application_groups","identity_providers","trusted_origins","api_tokens","event_hooks","log_streams"]},"description":"kinds to export; default the first 12. user_roles needs a request for each administrator, and client_roles one for each client. The other kinds of members, users, groups, owners, factors, roles or rules of policies need one for each group, application, user or policy"}`},
			{"limit_per_kind", false, `{"type":"integer","minimum":1,"maximum":10000000,"description":"maximum records of a kind in the whole export; default all. An invoke returns at most 10,000 records of all kinds; next_cursor resumes it"}`},
			connector.CursorInput,
		},
		Example:   `{"kinds":["groups","group_members"],"limit_per_kind":100}`,
		Key:       "id",
		Columns:   inventoryColumns,
		Display:   "kind id parent",
		Endpoints: inventoryEndpoints(),
		Pages:     exportInventory,
	},
}

var inventoryColumns = []connector.Column{
	{"kind", abi.Varchar, "kind", "one of the input's kinds"},
	{"id", abi.Varchar, "id", "unique within the kind; parent/user for members and application users; user/role/assignment type/assignee for user_roles"},
	{"parent", abi.Varchar, "parent", "object whose list has the record, such as the group of a member"},
	{"object", abi.JSON, "record", "the object as Okta returned it"},
}

// inventoryKind describes how to list the objects of one kind.
type inventoryKind struct {
	kind     string
	endpoint *abi.Endpoint
	list     connector.List
	of       string // the kind of the parents, if each parent has a list
	blank    string // the endpoint's parameter for a parent's key
	named    bool   // exported only if the input names it

	distinct []string // paths that tell apart records of one parent with the same id
}

// inventory lists all kinds, in the order of an export.
var inventory = []inventoryKind{
	{kind: "users",
		endpoint: &getUsers,
		list: connector.List{MaxPage: 200, Keyless: true, More: func(*connector.Call) []hostcall.Pair { // without a filter Okta omits DEPROVISIONED users
			return []hostcall.Pair{{Name: "filter", Value: everyStatus()}}
		}}},
	{kind: "groups",
		endpoint: &getGroups,
		list:     connector.List{MaxPage: 200}},
	{kind: "group_members", of: "groups", blank: "groupId",
		endpoint: &getGroupUsers,
		list:     connector.List{MaxPage: 200, Noun: "group", Type: "UserGroup"}},
	{kind: "applications",
		endpoint: &getApps,
		list:     connector.List{MaxPage: 200, Omit: applicationSecrets}},
	{kind: "application_users", of: "applications", blank: "appId",
		endpoint: &getAppUsers,
		list:     connector.List{MaxPage: 500, Noun: "application", Type: "AppInstance"}},
	{kind: "devices",
		endpoint: &getDevices,
		list:     connector.List{MaxPage: 200}},
	{kind: "authenticators",
		endpoint: &getAuthenticators,
		list:     connector.List{Omit: authenticatorSecrets}},
	{kind: "policies", endpoint: &getPolicies}, // one list for each type
	{kind: "zones", endpoint: &getZones, list: connector.List{OptionalLimit: true}},
	{kind: "authorization_servers", endpoint: &getAuthorizationServers, list: connector.List{MaxPage: 200}},
	{kind: "oauth_clients", endpoint: &getClients, list: connector.List{MaxPage: 200, Omit: clientSecrets, Key: "client_id"}},
	{kind: "roles", endpoint: &getCustomRoles, list: customRoles()},
	{kind: "user_factors", of: "users", blank: "userId", named: true,
		endpoint: &getFactors,
		list:     connector.List{Noun: "user", Type: "User"}},
	{kind: "user_roles", of: "administrators", blank: "userId", named: true,
		endpoint: &getUserRoles,
		distinct: []string{"assignmentType", "_links.assignee.href"}, // a role through a group has the id of the direct one
		list:     connector.List{Noun: "user", Type: "User"}},
	{kind: "group_roles", of: "groups", blank: "groupId", named: true,
		endpoint: &getGroupRoles,
		list:     connector.List{Noun: "group", Type: "UserGroup"}},
	{kind: "policy_rules", of: "policies", blank: "policyId", named: true,
		endpoint: &getPolicyRules,
		list:     connector.List{OptionalLimit: true, Noun: "policy", Type: "Policy"}},
	{kind: "client_roles", of: "oauth_clients", blank: "clientId", named: true,
		endpoint: &getClientRoles,
		list:     connector.List{Noun: "client", Type: "PublicClientApp"}},
	{kind: "group_rules", named: true,
		endpoint: &getGroupRules,
		list:     connector.List{MaxPage: 200}},
	{kind: "group_owners", of: "groups", blank: "groupId", named: true,
		endpoint: &getGroupOwners,
		list:     connector.List{MaxPage: 200, Noun: "group", Type: "UserGroup"}},
	{kind: "application_groups", of: "applications", blank: "appId", named: true,
		endpoint: &getAppGroups,
		list:     connector.List{More: largestPage, OptionalLimit: true, Noun: "application", Type: "AppInstance"}},
	{kind: "identity_providers", named: true,
		endpoint: &getIdentityProviders,
		list:     connector.List{MaxPage: 200, Omit: identityProviderSecrets}},
	{kind: "trusted_origins", named: true,
		endpoint: &getTrustedOrigins,
		list:     connector.List{MaxPage: 200}},
	{kind: "api_tokens", named: true,
		endpoint: &getAPITokens,
		list:     connector.List{Omit: tokenSecrets}},
	{kind: "event_hooks", named: true,
		endpoint: &getEventHooks,
		list:     connector.List{Omit: eventHookSecrets}},
	{kind: "log_streams", named: true,
		endpoint: &getLogStreams,
		list:     connector.List{MaxPage: 200, Omit: logStreamSecrets}},
}

// administrators are the parents of user_roles. They are not a kind, since a record has nothing but an id.
var administrators = inventoryKind{kind: "administrators", endpoint: &getAdministrators, list: connector.List{Records: "value", Next: "_links.next"}}

func inventoryEndpoints() []*abi.Endpoint {
	all := []*abi.Endpoint{optional(administrators.endpoint)}
	for _, k := range inventory {
		all = append(all, optional(k.endpoint))
	}
	return all
}

// parentsAtOnce is the maximum number of parents in a cursor.
const parentsAtOnce = 50

// parts returns the kind's lists.
func (k inventoryKind) parts() []walk.Part {
	l := k.list
	l.Endpoint = k.endpoint.Endpoint
	switch {
	case k.kind == "policies" || k.of == "policies":
		var parts []walk.Part
		for _, typ := range policyTypes {
			p := walk.Part{Name: k.kind + "/" + typ, Kind: k.kind, List: policiesOf(typ)}
			if k.of != "" {
				parents := p.List
				parents.Key = "id"
				parents.More = func(*connector.Call) []hostcall.Pair { return connector.Pairs("type", typ, "limit", "50") } // parentsAtOnce
				p.List, p.Parents, p.Blank = l, &parents, k.blank
			}
			parts = append(parts, p)
		}
		return parts
	case k.of != "":
		of := administrators
		if i := slices.IndexFunc(inventory, func(p inventoryKind) bool { return p.kind == k.of }); i >= 0 {
			of = inventory[i]
		}
		parents := of.list
		parents.Endpoint, parents.MaxPage = of.endpoint.Endpoint, parentsAtOnce
		return []walk.Part{{Name: k.kind, Kind: k.kind, List: l, Parents: &parents, Blank: k.blank, Distinct: k.distinct}}
	}
	return []walk.Part{{Name: k.kind, Kind: k.kind, List: l}}
}

func exportInventory(c *connector.Call, at string, limit int) (connector.Result, int) {
	var asked []string
	w := walk.Walk{PerKind: int(c.Input.Get("limit_per_kind").Int()), Judge: judgeInventory}
	w.Report = func(m *jsonval.Writer, t walk.Tally) {
		inventoryReport(m, t)
		m.Strs("kinds", asked)
	}
	kinds := c.Input.Get("kinds")
	for _, k := range inventory {
		wanted := !kinds.Exists() && !k.named
		for v := range kinds.Elements() {
			wanted = wanted || v.Str() == k.kind
		}
		if wanted {
			asked = append(asked, k.kind)
			w.Parts = append(w.Parts, k.parts()...)
		}
	}
	return w.ReadPage(c, at, limit)
}

// judgeInventory decides what a failure means. A temporary failure stops the export, and its cursor resumes there. After
// any other failure the export continues, and its output reports what it lacks.
func judgeInventory(f walk.PartFailure) walk.Verdict {
	answered := f.Err.Upstream != nil
	switch {
	case f.Err.Code == "circle":
		return walk.Missing
	case !answered, f.Err.Code == "credentials", f.Err.Code == "bad_answer", f.Err.Code == notOkta, f.Outcome == abi.Throttled, f.Outcome == abi.Failed,
		f.Outcome == abi.Unavailable && f.Err.Upstream.Status > 500:
		return walk.Stop
	case f.OfParent && f.Outcome == abi.NotFound:
		return walk.Vanished
	case !f.First || f.OfParent || f.Outcome == abi.Unavailable:
		return walk.Missing
	case f.Err.Code == "forbidden":
		return walk.SkipKind
	}
	return walk.SkipPart
}

// lacksKind reports whether a skipped part is a kind, or a type of policy, that the token may not read. Policy types
// that the org does not have do not count, unless all types are such.
func lacksKind(skipped []walk.Lack) bool {
	types := map[string]int{}
	for _, l := range skipped {
		kind, typ, _ := strings.Cut(l.Of, "/")
		if types[kind]++; typ == "" || l.Code == "forbidden" || l.Code == "feature" || types[kind] == len(policyTypes) {
			return true
		}
	}
	return false
}

// incompleteKinds returns the kinds of which objects may be missing in the export. A type of policy that the org does not have
// is not missing.
func incompleteKinds(t walk.Tally) (kinds []string) {
	for _, l := range slices.Concat(t.Skipped, t.Missing, t.Limited) {
		kind, typ, _ := strings.Cut(l.Of, "/")
		if (typ == "" || l.Code == "forbidden" || l.Code == "feature") && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func inventoryReport(w *jsonval.Writer, t walk.Tally) {
	w.Raw("skipped", texts.JSONArray(t.Skipped, func(l walk.Lack) string {
		var w jsonval.Writer
		kind, typ, _ := strings.Cut(l.Of, "/")
		return w.Str("kind", kind).StrIf("type", typ).Str("code", l.Code).Str("reason", l.Why).String()
	}))
	w.Raw("vanished", walk.CountJSON(t.Vanished))
	w.Raw("limited", texts.JSONArray(t.Limited, func(l walk.Lack) string { return jsonval.Quote(l.Of) }))
	w.Raw("missing", texts.JSONArray(t.Missing, func(l walk.Lack) string {
		var w jsonval.Writer
		return w.Str("kind", l.Of).Int("count", int64(l.Count)).Str("code", l.Code).Str("reason", l.Why).String()
	}))
	w.Bool("partial", len(t.Missing) > 0 || lacksKind(t.Skipped))
	w.Raw("incomplete", texts.JSONArray(incompleteKinds(t), jsonval.Quote))
}
