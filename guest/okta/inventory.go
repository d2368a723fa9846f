package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var getGroupUsers = abi.Endpoint{Endpoint: "GET /api/v1/groups/{groupId}/users", Bucket: "/api/v1/groups", Scopes: readGroups}

var inventoryOperations = []operation{
	{
		name: "inventory_export",
		summary: "Exports what the org has, kind by kind, as records {kind, id, parent, record}; resumable from any point. What the token may not " +
			"read is named in skipped.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"kinds", false, `{"type":"array","minItems":1,"uniqueItems":true,"items":{"enum":["` + strings.Join(exportNames(), `","`) + `"]},"description":"what to export, in this order; default everything"}`},
			{"limit_per_kind", false, `{"type":"integer","minimum":1,"maximum":1000000,"description":"most records of each kind; those that were cut are named in limited"}`},
			limitInput, cursorInput,
		},
		example: `{"kinds":["groups","group_members"],"limit_per_kind":100}`,
		key:     "id",
		columns: []column{
			{"kind", abi.Varchar, "kind", "as in the input"},
			{"id", abi.Varchar, "id", "unique within the kind; of members and assignments, the parent's id, a slash and the user's"},
			{"parent_id", abi.Varchar, "parent", "the group or application"},
			{"object", abi.JSON, "record", "the object as Okta gave it"},
		},
		endpoints: []abi.Endpoint{getUsers, getGroups, getGroupUsers, getApps, getAppUsers, getDevices, getAuthenticators, getPolicies,
			getZones, getAuthorizationServers, getClients, getIAMRoles},
		pages: exportPages,
	},
}

// exportKind is one kind of record of an inventory.
type exportKind struct {
	name    string
	list    func(parent string) list
	parents func(c *call, link string) (ids []string, next string, failed *result) // of a kind that is listed parent by parent
}

func exportNames() []string {
	var names []string
	for _, k := range exportKinds() {
		names = append(names, k.name)
	}
	return names
}

func exportKinds() []exportKind {
	simple := func(name string, l list) exportKind {
		l.kind = name
		return exportKind{name: name, list: func(string) list { return l }}
	}
	return []exportKind{
		simple("users", list{endpoint: getUsers.Endpoint, maxPage: 200, more: func(*call) []hostcall.Pair { return at("filter", everyStatus()) }}),
		simple("groups", list{endpoint: getGroups.Endpoint, maxPage: 200}),
		{"group_members", func(group string) list {
			return list{endpoint: getGroupUsers.Endpoint, maxPage: 200, kind: "group_members", parent: group, noun: "group", typ: "UserGroup",
				resolve: func(*call) ([]hostcall.Pair, *result) { return at("groupId", group), nil }}
		}, parentsOf(getGroups.Endpoint)},
		simple("applications", list{endpoint: getApps.Endpoint, maxPage: 200}),
		{"application_users", func(app string) list {
			return list{endpoint: getAppUsers.Endpoint, maxPage: 500, kind: "application_users", parent: app, noun: "application", typ: "AppInstance",
				resolve: func(*call) ([]hostcall.Pair, *result) { return at("appId", app), nil }}
		}, parentsOf(getApps.Endpoint)},
		simple("devices", list{endpoint: getDevices.Endpoint, maxPage: 200}),
		simple("authenticators", list{endpoint: getAuthenticators.Endpoint}),
		{"policies", func(typ string) list {
			return list{endpoint: getPolicies.Endpoint, kind: "policies", more: func(*call) []hostcall.Pair { return at("type", typ) }}
		}, func(*call, string) ([]string, string, *result) { return policyTypes, "", nil }},
		simple("zones", list{endpoint: getZones.Endpoint}),
		simple("authorization_servers", list{endpoint: getAuthorizationServers.Endpoint, maxPage: 200}),
		simple("oauth_clients", list{endpoint: getClients.Endpoint, maxPage: 200, key: "client_id"}),
		simple("roles", list{endpoint: getIAMRoles.Endpoint, records: "roles", bodyNext: true}),
	}
}

// parentPage is how many parents are read at once: their bodies come into the guest, for their ids.
const parentPage = "20"

// parentsOf lists the ids of groups or applications, a page at a time. The page in hand is kept for the call.
func parentsOf(endpoint string) func(*call, string) ([]string, string, *result) {
	return func(c *call, link string) ([]string, string, *result) {
		if c.parents.endpoint == endpoint && c.parents.link == link {
			return c.parents.ids, c.parents.next, nil
		}
		req := hostcall.Request{Endpoint: endpoint, Link: link}
		if link == "" {
			req.Query = at("limit", parentPage)
		}
		resp := c.send(req)
		if !ok(resp) {
			r := c.failure(resp, "", "")
			return nil, "", &r
		}
		body, isJSON := c.Body(resp)
		if !isJSON || body.Kind() != jsonval.Array {
			r := badBody(resp, "no list")
			return nil, "", &r
		}
		c.parents = parents{endpoint: endpoint, link: link, next: withoutOrigin(nextLink(resp.HeaderValues("link")))}
		if c.parents.next == link {
			c.parents.next = ""
		}
		for o := range body.Elements() {
			c.parents.ids = append(c.parents.ids, o.Get("id").Str())
		}
		return c.parents.ids, c.parents.next, nil
	}
}

// parents is a page of parents.
type parents struct {
	endpoint, link, next string
	ids                  []string
}

// report is what an export says of itself beside its records.
type report struct {
	limited  []string // kinds that limit_per_kind cut
	vanished int64    // objects that were gone when their members were asked for
	partial  bool     // something is missing for another reason than a permission or a feature
}

// exportAt is where an export stands: in which kind, how many of it went out, at which parent, and where in its list.
type exportAt struct {
	kind, count int
	parents     string // link of the page of parents
	parent      int    // in that page
	page        pageCursor
}

func (at exportAt) next() exportAt { return exportAt{kind: at.kind + 1} }

func (at exportAt) members(w *jsonval.Writer) {
	w.IntIf("k", int64(at.kind)).IntIf("n", int64(at.count)).StrIf("pl", at.parents).IntIf("p", int64(at.parent))
	at.page.members(w)
}

// exportPages reads the next page that has records.
func exportPages(c *call, cursor string, limit int) (result, int) {
	v, valid := c.openCursor(cursor)
	kinds := exportKinds()
	if chosen := c.input.Get("kinds"); chosen.Exists() {
		var some []exportKind
		for k := range chosen.Elements() {
			for _, kind := range kinds {
				if kind.name == k.Str() {
					some = append(some, kind)
				}
			}
		}
		kinds = some
	}
	at := exportAt{int(v.Get("k").Int()), int(v.Get("n").Int()), v.Get("pl").Str(), int(v.Get("p").Int()), cursorOf(v)}
	if !valid || at.kind < 0 || at.kind >= len(kinds) || at.parent < 0 || at.count < 0 {
		return c.badCursor(), 0
	}
	most := int(c.input.Get("limit_per_kind").Int())
	for at.kind < len(kinds) {
		kind := kinds[at.kind]
		if most > 0 && at.count >= most {
			c.report.limited = append(c.report.limited, kind.name)
			at = at.next()
			continue
		}
		parent := ""
		if kind.parents != nil {
			ids, next, failed := kind.parents(c, at.parents)
			switch {
			case failed != nil:
				c.skipKind(kind.name, *failed)
				at = at.next()
				continue
			case at.parent >= len(ids) && next == "":
				at = at.next()
				continue
			case at.parent >= len(ids):
				at = exportAt{kind: at.kind, count: at.count, parents: next}
				continue
			}
			parent = ids[at.parent]
		}
		room := limit
		if most > 0 && (room == 0 || most-at.count < room) {
			room = most - at.count
		}
		l := kind.list(parent)
		r, next, n := l.read(c, at.page, room)
		switch {
		case r.outcome == abi.NotFound && kind.parents != nil:
			c.report.vanished++
			at.parent, at.page = at.parent+1, pageCursor{}
			continue
		case r.outcome != abi.Succeeded && kind.name == "policies" && unavailableHere(r):
			c.skip(kind.name+" of type "+parent, r)
			at.parent, at.page = at.parent+1, pageCursor{}
			continue
		case r.outcome != abi.Succeeded:
			c.skipKind(kind.name, r)
			at = at.next()
			continue
		}
		at.count += n
		switch {
		case next != nil:
			at.page = *next
		case kind.parents != nil:
			at.parent, at.page = at.parent+1, pageCursor{}
		default:
			at = at.next()
		}
		if n == 0 {
			continue
		}
		if at.kind < len(kinds) {
			r.cursor = c.sealCursor(at.members)
		}
		return r, n
	}
	return result{outcome: abi.Succeeded, list: true}, 0
}

// skipKind goes on without a kind. Only what the token or the org does not allow is expected to be missing.
func (c *call) skipKind(kind string, r result) {
	c.skip(kind, r)
	if !slices.Contains([]string{"forbidden", "feature"}, r.err.Code) {
		c.report.partial = true
	}
}

// json is what an export's result says beside the records.
func (c *call) reportJSON() string {
	var w jsonval.Writer
	w.Raw("skipped", array(c.skipped, func(s string) string { return s })).Strs("limited", c.report.limited)
	w.Int("vanished", c.report.vanished).Bool("partial", c.report.partial)
	return w.String()
}
