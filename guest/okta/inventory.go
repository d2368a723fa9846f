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
		Summary: "Exports the org's objects of many kinds, as {kind, id, parent, record}; next_cursor goes on from any point. What " +
			"the token may not read, or the org does not have, is in `skipped` with why, what was gone when its turn came is counted in " +
			"`vanished`, kinds that limit_per_kind cut are in `limited`, what could not be read to its end is in `missing`, and `partial` " +
			"is true where a kind is skipped or anything is missing; each from the beginning of the export on. Secrets of applications, clients and authenticators are left out.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"kinds", false, `{"type":"array","minItems":1,"uniqueItems":true,"items":{"enum":["users","groups","group_members","applications","application_users","devices","authenticators","policies","zones","authorization_servers","oauth_clients","roles"]},"description":"what to export; default everything. group_members and application_users take a request for each group and application"}`},
			{"limit_per_kind", false, `{"type":"integer","minimum":1,"maximum":10000000,"description":"most records of a kind in the whole export; default all. An invoke answers at most 10,000 records of all kinds, and goes on with next_cursor"}`},
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
	{"kind", abi.Varchar, "kind", "what it is: one of the input's kinds"},
	{"id", abi.Varchar, "id", "unique within the kind; of members and application users parent/user"},
	{"parent", abi.Varchar, "parent", "the group of a member, the application of an application user"},
	{"object", abi.JSON, "record", "the object as Okta gave it"},
}

// inventoryKind is how objects of one kind are listed.
type inventoryKind struct {
	kind     string
	endpoint *abi.Endpoint
	list     connector.List
	of       string // the kind of the parents whose lists these are
	blank    string // of the endpoint: a parent's key
}

// inventory is every kind, in the order of an export.
var inventory = []inventoryKind{
	{kind: "users",
		endpoint: &getUsers,
		list: connector.List{MaxPage: 200, More: func(*connector.Call) []hostcall.Pair { // without a filter Okta leaves DEPROVISIONED users out
			return []hostcall.Pair{{Name: "filter", Value: everyStatus()}}
		}}},
	{kind: "groups",
		endpoint: &getGroups,
		list:     connector.List{MaxPage: 200}},
	{kind: "group_members", of: "groups", blank: "groupId",
		endpoint: &abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/users", Bucket: "/api/v1/groups", Scopes: []string{"okta.groups.read"}},
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
	{kind: "policies", endpoint: &getPolicies}, // one list a type
	{kind: "zones", endpoint: &getZones, list: connector.List{Sheds: true}},
	{kind: "authorization_servers", endpoint: &getAuthorizationServers, list: connector.List{MaxPage: 200}},
	{kind: "oauth_clients", endpoint: &getClients, list: connector.List{MaxPage: 200, Omit: clientSecrets, Key: "client_id"}},
	{kind: "roles", endpoint: &getCustomRoles, list: customRoles()},
}

func inventoryEndpoints() []*abi.Endpoint {
	var all []*abi.Endpoint
	for _, k := range inventory {
		all = append(all, k.endpoint)
	}
	return all
}

// parentsAtOnce is how many parents a cursor names.
const parentsAtOnce = 50

// parts are the kind's lists.
func (k inventoryKind) parts() []walk.Part {
	l := k.list
	l.Endpoint = k.endpoint.Endpoint
	switch {
	case k.kind == "policies":
		var parts []walk.Part
		for _, typ := range policyTypes {
			parts = append(parts, walk.Part{Name: k.kind + "/" + typ, Kind: k.kind, List: policiesOf(typ)})
		}
		return parts
	case k.of != "":
		i := slices.IndexFunc(inventory, func(p inventoryKind) bool { return p.kind == k.of })
		parents := inventory[i].list
		parents.Endpoint, parents.MaxPage = inventory[i].endpoint.Endpoint, parentsAtOnce
		return []walk.Part{{Name: k.kind, Kind: k.kind, List: l, Parents: &parents, Blank: k.blank}}
	}
	return []walk.Part{{Name: k.kind, Kind: k.kind, List: l}}
}

func exportInventory(c *connector.Call, at string, limit int) (connector.Result, int) {
	w := walk.Walk{PerKind: int(c.Input.Get("limit_per_kind").Int()), Judge: judgeInventory, Says: sayInventory}
	kinds := c.Input.Get("kinds")
	for _, k := range inventory {
		wanted := !kinds.Exists()
		for v := range kinds.Elements() {
			wanted = wanted || v.Str() == k.kind
		}
		if wanted {
			w.Parts = append(w.Parts, k.parts()...)
		}
	}
	return w.ReadPage(c, at, limit)
}

// judgeInventory goes on wherever that loses nothing without saying so. What may pass by itself stops the export, which
// goes on from its cursor.
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

// lacksKind reports whether what was skipped is a kind, or a type of policy that the token may not read. A type that Okta
// does not know in this org is no lack, unless every type is such.
func lacksKind(skipped []walk.Lack) bool {
	types := 0
	for _, l := range skipped {
		if !strings.Contains(l.Of, "/") || l.Code == "forbidden" || l.Code == "feature" {
			return true
		}
		types++
	}
	return types == len(policyTypes)
}

func sayInventory(w *jsonval.Writer, t walk.Tally) {
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
}
