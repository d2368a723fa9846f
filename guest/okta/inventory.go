package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var inventoryOperations = []operation{
	{
		name: "inventory_export",
		summary: "Exports the org's objects of many kinds, as {kind, id, parent, record}; next_cursor goes on from any point. What " +
			"the token may not read, or the org does not have, is in `skipped` with why, what was gone when its turn came is counted in " +
			"`vanished`, kinds that limit_per_kind cut are in `limited`, what could not be read to its end is in `missing`, and `partial` " +
			"is true where a kind is skipped or anything is missing; each from the beginning of the export on. Secrets of applications, clients and authenticators are left out.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"kinds", false, `{"type":"array","minItems":1,"uniqueItems":true,"items":{"enum":["users","groups","group_members","applications","application_users","devices","authenticators","policies","zones","authorization_servers","oauth_clients","roles"]},"description":"what to export; default everything. group_members and application_users take a request for each group and application"}`},
			{"limit_per_kind", false, `{"type":"integer","minimum":1,"maximum":10000000,"description":"most records of a kind in the whole export; default all. An invoke answers at most 10,000 records of all kinds, and goes on with next_cursor"}`},
			cursorInput,
		},
		example:   `{"kinds":["groups","group_members"],"limit_per_kind":100}`,
		key:       "id",
		columns:   inventoryColumns,
		endpoints: inventoryEndpoints(),
		pages:     exportInventory,
	},
}

var inventoryColumns = []column{
	{"kind", abi.Varchar, "kind", "what it is: one of the input's kinds"},
	{"id", abi.Varchar, "id", "unique within the kind; of members and application users parent/user"},
	{"parent", abi.Varchar, "parent", "the group of a member, the application of an application user"},
	{"object", abi.JSON, "record", "the object as Okta gave it"},
}

// inventoryKind is how objects of one kind are listed.
type inventoryKind struct {
	kind     string
	endpoint abi.Endpoint
	list     list
	of       string // the kind of the parents whose lists these are
	blank    string // of the endpoint: a parent's key
}

// inventory is every kind, in the order of an export.
var inventory = []inventoryKind{
	{kind: "users",
		endpoint: getUsers,
		list: list{maxPage: 200, more: func(*call) []hostcall.Pair { // without a filter Okta leaves DEPROVISIONED users out
			return []hostcall.Pair{{Name: "filter", Value: everyStatus()}}
		}}},
	{kind: "groups",
		endpoint: getGroups,
		list:     list{maxPage: 200}},
	{kind: "group_members", of: "groups", blank: "groupId",
		endpoint: abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/users", Bucket: "/api/v1/groups", Scopes: []string{"okta.groups.read"}},
		list:     list{maxPage: 200, noun: "group", typ: "UserGroup"}},
	{kind: "applications",
		endpoint: getApps,
		list:     list{maxPage: 200, omit: applicationSecrets}},
	{kind: "application_users", of: "applications", blank: "appId",
		endpoint: getAppUsers,
		list:     list{maxPage: 500, noun: "application", typ: "AppInstance"}},
	{kind: "devices",
		endpoint: getDevices,
		list:     list{maxPage: 200}},
	{kind: "authenticators",
		endpoint: getAuthenticators,
		list:     list{omit: authenticatorSecrets}},
	{kind: "policies", endpoint: getPolicies}, // one list a type
	{kind: "zones", endpoint: getZones, list: list{sheds: true}},
	{kind: "authorization_servers", endpoint: getAuthorizationServers, list: list{maxPage: 200}},
	{kind: "oauth_clients", endpoint: getClients, list: list{maxPage: 200, omit: clientSecrets, key: "client_id"}},
	{kind: "roles", endpoint: getCustomRoles, list: customRoles()},
}

func inventoryEndpoints() []abi.Endpoint {
	var all []abi.Endpoint
	for _, k := range inventory {
		all = append(all, k.endpoint)
	}
	return all
}

// parentsAtOnce is how many parents a cursor names.
const parentsAtOnce = 50

// parts are the kind's lists.
func (k inventoryKind) parts() []part {
	l := k.list
	l.endpoint, l.kind = k.endpoint.Endpoint, k.kind
	switch {
	case k.kind == "policies":
		var parts []part
		for _, typ := range policyTypes {
			l := policiesOf(typ)
			l.kind = k.kind
			parts = append(parts, part{name: k.kind + "/" + typ, kind: k.kind, list: l})
		}
		return parts
	case k.of != "":
		i := slices.IndexFunc(inventory, func(p inventoryKind) bool { return p.kind == k.of })
		parents := inventory[i].list
		parents.endpoint, parents.maxPage = inventory[i].endpoint.Endpoint, parentsAtOnce
		return []part{{name: k.kind, kind: k.kind, list: l, parents: &parents, blank: k.blank}}
	}
	return []part{{name: k.kind, kind: k.kind, list: l}}
}

func exportInventory(c *call, at string, limit int) (result, int) {
	w := walk{perKind: int(c.input.Get("limit_per_kind").Int()), judge: judgeInventory, says: sayInventory}
	kinds := c.input.Get("kinds")
	for _, k := range inventory {
		wanted := !kinds.Exists()
		for v := range kinds.Elements() {
			wanted = wanted || v.Str() == k.kind
		}
		if wanted {
			w.parts = append(w.parts, k.parts()...)
		}
	}
	return w.page(c, at, limit)
}

// judgeInventory goes on wherever that loses nothing without saying so. What may pass by itself stops the export, which
// goes on from its cursor.
func judgeInventory(f failure) verdict {
	answered := f.err.Upstream != nil
	switch {
	case f.err.Code == "circle":
		return missing
	case !answered, f.err.Code == "credentials", f.err.Code == "bad_answer", f.err.Code == notOkta, f.outcome == abi.Throttled, f.outcome == abi.Failed,
		f.outcome == abi.Unavailable && f.err.Upstream.Status > 500:
		return stop
	case f.ofParent && f.outcome == abi.NotFound:
		return vanished
	case !f.first || f.ofParent || f.outcome == abi.Unavailable:
		return missing
	case f.err.Code == "forbidden":
		return skipKind
	}
	return skipPart
}

// lacksKind reports whether what was skipped is a kind, or a type of policy that the token may not read. A type that Okta
// does not know in this org is no lack, unless every type is such.
func lacksKind(skipped []lack) bool {
	types := 0
	for _, l := range skipped {
		if !strings.Contains(l.of, "/") || l.code == "forbidden" || l.code == "feature" {
			return true
		}
		types++
	}
	return types == len(policyTypes)
}

func sayInventory(w *jsonval.Writer, t tally) {
	w.Raw("skipped", array(t.skipped, func(l lack) string {
		var w jsonval.Writer
		kind, typ, _ := strings.Cut(l.of, "/")
		return w.Str("kind", kind).StrIf("type", typ).Str("code", l.code).Str("reason", l.why).String()
	}))
	w.Raw("vanished", countJSON(t.vanished))
	w.Raw("limited", array(t.limited, func(l lack) string { return jsonval.Quote(l.of) }))
	w.Raw("missing", array(t.missing, func(l lack) string {
		var w jsonval.Writer
		return w.Str("kind", l.of).Int("count", int64(l.count)).Str("code", l.code).Str("reason", l.why).String()
	}))
	w.Bool("partial", len(t.missing) > 0 || lacksKind(t.skipped))
}
