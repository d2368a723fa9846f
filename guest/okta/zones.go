package okta

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getZones       = abi.Endpoint{Endpoint: "GET /api/v1/zones", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.read"}, Query: []string{"after", "limit", "filter"}}
	getZone        = abi.Endpoint{Endpoint: "GET /api/v1/zones/{zoneId}", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.read"}}
	activateZone   = abi.Endpoint{Endpoint: "POST /api/v1/zones/{zoneId}/lifecycle/activate", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.manage"}}
	deactivateZone = abi.Endpoint{Endpoint: "POST /api/v1/zones/{zoneId}/lifecycle/deactivate", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.manage"}}
	postZones      = abi.Endpoint{Endpoint: "POST /api/v1/zones", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.manage"}}
	putZone        = abi.Endpoint{Endpoint: "PUT /api/v1/zones/{zoneId}", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.manage"}}
)

var zoneInput = connector.NameInput("zone", "the network zone's id or exact name")

var allowWideInput = connector.BoolInput("allow_wide", "allows a BLOCKLIST zone that locks out very many addresses: a range wider than /8 (IPv6: /12), "+
	"or ranges that together have more addresses than a /8 and a /16 (IPv6: a /12 and a /20); or a dynamic zone without a condition, or with a whole country, every proxy (Any) or a category ALL_… that no narrower condition (an autonomous system, regions, one kind of "+
	"proxy or service) bounds. Also allows such ranges in "+exemptZone+", whose addresses no blocklist stops")

// addresses returns the schema of a list of addresses.
func addresses(description string) string {
	return `{"type":"array","minItems":1,"maxItems":1000,"items":{"type":"string","minLength":2,"maxLength":100},"description":"` +
		description + `: an address, a CIDR block (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9) each"}`
}

var zoneOperations = []connector.Operation{
	{
		Name:        "list_zones",
		Summary:     "Lists network zones.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a filter on id, usage or system, such as usage eq \"BLOCKLIST\""}`},
			connector.LimitInput, connector.CursorInput,
		},
		Example:   `{"filter":"usage eq \"BLOCKLIST\""}`,
		Key:       "id",
		Columns:   zoneColumns,
		Display:   zoneDisplay,
		Endpoints: []*abi.Endpoint{&getZones},
		List:      &connector.List{Endpoint: getZones.Endpoint, Query: []connector.Param{{"filter", "filter"}}, OptionalLimit: true},
		View: &abi.View{Name: "zones", Answers: []abi.Answer{
			{Operation: "get_zone", Conditions: []abi.Condition{{Column: "id", Value: "zone"}}},
			{Operation: "list_zones", Filter: "filter", Conditions: attributes(equal, "usage usage", "system system")},
		}},
	},
	{
		Name:        "get_zone",
		Summary:     "Reads one network zone by id or exact name.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{zoneInput},
		Example:     `{"zone":"nzoxUp7tbOzCSfwvcwkO"}`,
		Key:         "id",
		Columns:     zoneColumns,
		Display:     zoneDisplay,
		Rejects:     "ambiguous too_many",
		Endpoints:   []*abi.Endpoint{&getZone, &getZones},
		Do:          readZone,
	},
	{
		Name: "update_zone",
		Summary: "Changes a network zone: adds and removes addresses, or applies a JSON merge patch (RFC 7396). To block an address, " +
			"add it to a zone of usage BLOCKLIST. The zone is read, merged and replaced; a separate request sets its " +
			"status. Addresses are compared by meaning. If nothing differs, nothing is written.",
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			zoneInput,
			{"patch", false, `{"type":"object","minProperties":1,"description":"members to set, such as name, status, usage, gateways; null removes one, arrays are replaced as a whole. Not id, type, system, created, lastUpdated, _links; useAsExemptList and useAsBlackList only with their current value"}`},
			{"add_gateways", false, addresses("gateways to add")},
			{"remove_gateways", false, addresses("gateways to remove")},
			{"add_proxies", false, addresses("trusted proxies to add")},
			{"remove_proxies", false, addresses("trusted proxies to remove")},
			allowWideInput,
		},
		Require:   `"description":"give at least one of patch, add_gateways, remove_gateways, add_proxies and remove_proxies","anyOf":[{"required":["patch"]},{"required":["add_gateways"]},{"required":["remove_gateways"]},{"required":["add_proxies"]},{"required":["remove_proxies"]}]`,
		Example:   `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["203.0.113.7"]}`,
		Key:       "id",
		Rejects:   "ambiguous changed_meanwhile exempts locks_out overlap too_many zone_type zone_use",
		Endpoints: []*abi.Endpoint{&getZone, &getZones, &putZone, &activateZone, &deactivateZone},
		Do:        updateZone,
	},
	{
		Name: "create_zone",
		Summary: "Creates a network zone, which is ACTIVE at once: an IP zone with gateways or proxies, or a dynamic zone. A name that is in use is rejected, " +
			"with the id of its zone.",
		Addition:    true,
		Class:       abi.Privileged, // a policy can apply to all zones, also to new ones
		Surfaces:    axon,
		Idempotency: abi.Keyed,
		Inputs: []connector.Input{
			{"name", true, `{"type":"string","minLength":1,"maxLength":128,"description":"unique among the org's zones"}`},
			{"usage", false, `{"enum":["POLICY","BLOCKLIST"],"default":"POLICY","description":"BLOCKLIST: its addresses are refused before sign-in"}`},
			{"gateways", false, addresses("gateways")},
			{"proxies", false, addresses("trusted proxies")},
			{"dynamic", false, `{"type":"object","minProperties":2,"required":["type"],"properties":{"type":{"enum":["DYNAMIC","DYNAMIC_V2"]}},"propertyNames":{"enum":["type","locations","asns","proxyType","ipServiceCategories"]},` +
				`"description":"type and conditions of a dynamic zone, as in Okta's API"}`},
			allowWideInput,
		},
		Require: `"description":"give gateways, proxies or both, or else dynamic","oneOf":[{"anyOf":[{"required":["gateways"]},{"required":["proxies"]}],"not":{"required":["dynamic"]}},` +
			`{"required":["dynamic"],"not":{"anyOf":[{"required":["gateways"]},{"required":["proxies"]}]}}]`,
		Example:   `{"name":"Head office","gateways":["203.0.113.0/24"]}`,
		Key:       "id",
		Rejects:   "locks_out name_taken",
		Endpoints: []*abi.Endpoint{&getZones, &postZones},
		Do:        createZone,
	},
	{
		Name: "zone_lifecycle_action",
		Summary: "Activates or deactivates a network zone. A zone that has the status is unchanged. Policies ignore a zone that is INACTIVE, and " +
			"an INACTIVE blocklist blocks nothing.",
		Addition:    true,
		Class:       abi.Privileged,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs:      []connector.Input{zoneInput, switchInput, allowWideInput},
		Example:     `{"zone":"Offices","action":"deactivate"}`,
		Key:         "id",
		Rejects:     "ambiguous locks_out too_many zone_use",
		Endpoints:   []*abi.Endpoint{&getZone, &getZones, &activateZone, &deactivateZone},
		Do: func(c *connector.Call) connector.Result {
			return changeZone(c, zoneChange{patch: switchPatch(c), wide: c.Input.Get("allow_wide").True()})
		},
	},
}

// zoneDisplay lists the columns that a table for people shows.
const zoneDisplay = "name type gateways:value usage status locations:country id"

var zoneColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the network zone's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", "IP, DYNAMIC or DYNAMIC_V2"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"usage", abi.Varchar, "usage", "POLICY, or BLOCKLIST: its addresses are refused before sign-in"},
	{"system", abi.Boolean, "system", "created by Okta"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"proxy_type", abi.Varchar, "proxyType", "proxy type of a dynamic zone"},
	{"gateways", abi.JSON, "gateways", "addresses of an IP zone"},
	{"proxies", abi.JSON, "proxies", "trusted proxies of an IP zone"},
	{"locations", abi.JSON, "locations", ""},
	{"asns", abi.JSON, "asns", "autonomous systems"},
	{"ip_service_categories", abi.JSON, "ipServiceCategories", "categories of an enhanced dynamic zone"},
	{"links", abi.JSON, "_links", ""},
}

// addressList is one of a zone's two lists of addresses.
type addressList struct {
	name        string // in Okta's zone, and in a patch
	add, remove []span
}

// span is a range of addresses, from first to last.
type span struct{ first, last address }

// parseSpan parses an address, a CIDR block or a range. strict is false for a block whose address has bits beyond its
// length, such as 10.0.0.5/8, which means 10.0.0.0/8.
func parseSpan(s string) (sp span, strict, ok bool) {
	if from, to, isRange := strings.Cut(s, "-"); isRange {
		first, ok1 := parseAddress(from)
		last, ok2 := parseAddress(to)
		return span{first, last}, true, ok1 && ok2 && first.size == last.size && first.compare(last) <= 0
	}
	s = strings.TrimSpace(s)
	if strings.Contains(s, "/") {
		b, ok := parseBlock(s)
		if !ok || b.isMapped() {
			return sp, false, false
		}
		return span{b.first(), b.last()}, b.first() == b.address, true
	}
	a, ok := parseAddress(s)
	return span{a, a}, true, ok
}

// block returns the CIDR block of a span, if it is one.
func (s span) block() (block, bool) {
	for length := 0; length <= s.first.size; length++ {
		if b := (block{s.first, length}); b.first() == s.first && b.last() == s.last {
			return b, true
		}
	}
	return block{}, false
}

// entry returns a span as Okta writes it: a block as CIDR, and anything else as a range.
func (s span) entry() string {
	var w jsonval.Writer
	if b, ok := s.block(); ok && s.first != s.last {
		return w.Str("type", "CIDR").Str("value", b.String()).String()
	}
	return w.Str("type", "RANGE").Str("value", s.first.String()+"-"+s.last.String()).String()
}

func (s span) String() string {
	if s.first == s.last {
		return s.first.String()
	}
	if b, ok := s.block(); ok {
		return b.String()
	}
	return s.first.String() + "-" + s.last.String()
}

func (s span) overlaps(t span) bool {
	return s.first.size == t.first.size && s.first.compare(t.last) <= 0 && t.first.compare(s.last) <= 0
}

// wide reports whether a span has more addresses than any single network: more than a /8, or an IPv6 /12.
func (s span) wide() bool {
	end, ok := s.first.plus(network(s.first.size)) // the first address after the largest network
	return ok && s.last.compare(end) >= 0
}

// meaning returns a span as its two ends.
func (s span) meaning() string { return s.first.String() + "-" + s.last.String() }

func (s span) contains(t span) bool {
	return s.first.size == t.first.size && s.first.compare(t.first) <= 0 && t.last.compare(s.last) <= 0
}

// zoneChange is the checked input of update_zone.
type zoneChange struct {
	patch    jsonval.Value
	lists    [2]addressList
	wide     bool // wide blocks are allowed in a BLOCKLIST
	warnings []string
}

// readZoneChange checks the input before any request.
func readZoneChange(c *connector.Call) (zc zoneChange, refused *connector.Result) {
	zc.lists = [...]addressList{{name: "gateways"}, {name: "proxies"}}
	zc.patch, zc.wide = c.Input.Get("patch"), c.Input.Get("allow_wide").True()
	invalid := func(message string) *connector.Result {
		r := connector.Fail(abi.Invalid, "input", message)
		return &r
	}
	if refused = wholeZone.CheckPatch(zc.patch); refused != nil {
		return zc, refused
	}
	for i := range zc.lists {
		l := &zc.lists[i]
		for _, dir := range [...]struct {
			input string
			into  *[]span
		}{{"add_" + l.name, &l.add}, {"remove_" + l.name, &l.remove}} {
			for v := range c.Input.Get(dir.input).Elements() {
				s, strict, ok := parseSpan(v.Str())
				if !ok {
					return zc, invalid(dir.input + ": " + jsonval.Quote(v.Str()) + " is not an address, a CIDR block or a range from low to high")
				}
				if !strict {
					zc.warnings = append(zc.warnings, dir.input+": "+v.Str()+" means "+s.String())
				}
				if !slices.Contains(*dir.into, s) {
					*dir.into = append(*dir.into, s)
				}
			}
		}
		for _, s := range l.add {
			for _, gone := range l.remove {
				switch {
				case s == gone:
					return zc, invalid(s.String() + " is in both add_" + l.name + " and remove_" + l.name)
				case s.overlaps(gone) && !gone.contains(s):
					return zc, invalid("add_" + l.name + ": " + s.String() + " overlaps " + gone.String() + " of remove_" + l.name +
						", which would then stay in the zone: add only addresses to keep")
				}
			}
		}
		if refused = zc.checkWhole(l); refused != nil {
			return zc, refused
		}
	}
	return zc, nil
}

// checkWhole checks and normalises a list that the patch replaces as a whole.
func (zc *zoneChange) checkWhole(l *addressList) *connector.Result {
	whole := zc.patch.Get(l.name)
	if !whole.Exists() {
		return nil
	}
	invalid := func(message string) *connector.Result {
		r := connector.Fail(abi.Invalid, "input", message)
		return &r
	}
	if len(l.add)+len(l.remove) > 0 {
		return invalid("patch replaces " + l.name + ": remove it, or add_" + l.name + " and remove_" + l.name)
	}
	switch whole.Kind() {
	case jsonval.Null:
		return nil
	case jsonval.Array:
	default:
		return invalid("patch: " + l.name + ` must be an array of {"type":"CIDR"|"RANGE","value":"…"}`)
	}
	var entries []string
	for e := range whole.Elements() {
		s, strict, ok := parseSpan(e.Get("value").Str())
		if typ := e.Get("type").Str(); !ok || typ != "CIDR" && typ != "RANGE" {
			return invalid("patch: " + l.name + ": " + e.Raw() + ` is not {"type":"CIDR"|"RANGE","value":"…"} with a CIDR block or a range from low to high`)
		}
		if !strict {
			zc.warnings = append(zc.warnings, "patch: "+e.Get("value").Str()+" means "+s.String())
		}
		normal, _ := jsonval.Parse(s.entry())
		entries = append(entries, compare.MergePatch(e, normal))
	}
	var w jsonval.Writer
	w.Raw(l.name, texts.JSONArray(entries, func(s string) string { return s }))
	normal, _ := jsonval.Parse(w.String())
	zc.patch, _ = jsonval.Parse(compare.MergePatch(zc.patch, normal))
	return nil
}

func updateZone(c *connector.Call) connector.Result {
	zc, refused := readZoneChange(c)
	if refused != nil {
		return *refused
	}
	return changeZone(c, zc)
}

// changeZone changes the zone that the input names.
func changeZone(c *connector.Call, zc zoneChange) connector.Result {
	id, failed := zoneID(c)
	if failed != nil {
		return *failed
	}
	r := replace.Do(c, replace.Replacement{
		Whole: &wholeZone, Path: connector.Pairs("zoneId", id),
		Merge: zc.merge,
		Body:  zoneBody,
		Gaps:  zc.gaps,
		Same:  sameZone,
	})
	r.Warnings = append(zc.warnings, r.Warnings...)
	return r
}

// zoneID returns the id of the zone that the input names by id or exact name. A value that may be an id is first read
// as one.
func zoneID(c *connector.Call) (string, *connector.Result) {
	const alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	zone := c.Str("zone")
	if strings.Trim(zone, alphanumeric) == "" {
		if strings.HasPrefix(zone, "nzo") {
			return zone, nil
		}
		z, failed := c.ReadObject(hostcall.Request{Endpoint: getZone.Endpoint, Path: connector.Pairs("zoneId", zone)}, "NetworkZone", "network zone")
		if failed == nil || !z.Gone {
			return zone, failed
		}
	}
	zones, left, failed := allZones(c)
	if failed != nil {
		failed.Err.Message += ". Give the zone's id (see list_zones) to avoid the search"
		return "", failed
	}
	var ids, names []string
	for _, z := range zones {
		names = append(names, z.Get("name").Str())
		if z.Get("name").Str() == zone {
			ids = append(ids, z.Get("id").Str())
		}
	}
	if left && len(ids) < 2 { // an unread page may have a zone of the same name
		r := connector.Refuse("too_many", "zone "+jsonval.Quote(zone)+" was searched for in the org's first "+strconv.Itoa(len(zones))+" network zones only, because the org has more: "+
			"give the zone's id (see list_zones)")
		return "", &r
	}
	switch len(ids) {
	case 1:
		return ids[0], nil
	case 0:
		message := "no network zone has the id or name " + jsonval.Quote(zone) + ": give the exact name, including case"
		if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, zone) }); i >= 0 {
			message += ". Did you mean " + jsonval.Quote(names[i]) + "?"
		} else {
			message += ", as list_zones shows it"
		}
		r := connector.Fail(abi.NotFound, string(abi.NotFound), message)
		return "", &r
	}
	r := connector.Refuse("ambiguous", "several network zones are named "+jsonval.Quote(zone)+": "+strings.Join(ids, ", ")+". Give an id")
	return "", &r
}

// allZones reads the org's zones. left reports whether there are more.
func allZones(c *connector.Call) (zones []jsonval.Value, left bool, failed *connector.Result) {
	return c.Gather(connector.Gathering{Request: hostcall.Request{Endpoint: getZones.Endpoint}, Most: maxZonePages, What: "network zones", Type: "NetworkZone", Noun: "network zone"})
}

// maxZonePages is how many pages of zones are read at most to find one by name.
const maxZonePages = 20

func readZone(c *connector.Call) connector.Result {
	id, failed := zoneID(c)
	if failed != nil {
		return *failed
	}
	resp := c.SendForObject(hostcall.Request{Endpoint: getZone.Endpoint, Path: connector.Pairs("zoneId", id)}, nil)
	if !connector.OK(resp) {
		return c.Failure(resp, "NetworkZone", "network zone")
	}
	return c.EmitObject(resp, nil)
}

// gaps returns where a zone differs from what was asked for, except in its status. Address lists are compared by
// meaning.
func (zc *zoneChange) gaps(now, wanted jsonval.Value, by compare.Comparison) (all []compare.Gap) {
	for _, g := range by(now, zc.patch, "") {
		switch g.Path {
		case "status", "useAsExemptList", "useAsBlackList", "gateways", "proxies":
		case "proxyType":
			if (compare.IsEmpty(g.Ask) || g.Ask.Str() == "null") && (compare.IsEmpty(g.Has) || g.Has.Str() == "null") {
				continue
			}
			all = append(all, g)
		default:
			all = append(all, g)
		}
	}
	for _, l := range zc.lists {
		asked := len(l.add)+len(l.remove) > 0 || zc.patch.Get(l.name).Exists()
		if asked && !sameAddresses(now.Get(l.name), wanted.Get(l.name)) {
			all = append(all, compare.Gap{Path: l.name, Has: now.Get(l.name), Ask: wanted.Get(l.name)})
		}
	}
	return all
}

// merge returns the zone to write, from the one that was read.
func (zc *zoneChange) merge(before jsonval.Value) (string, *connector.Result) {
	after := before
	if refused := zc.checkExemptZone(before); refused != nil {
		return "", refused
	}
	for name, is := range map[string]bool{"useAsExemptList": isExempt(before), "useAsBlackList": before.Get("useAsBlackList").True()} {
		if say := zc.patch.Get(name); say.Exists() && say.True() != is { // Okta would ignore it
			r := connector.Refuse("zone_use", "patch: "+name+" cannot be changed: the exempt list is the zone "+exemptZone+", and a blocklist is a zone of usage BLOCKLIST")
			return "", &r
		}
	}
	if zc.patch.Exists() {
		after, _ = jsonval.Parse(compare.MergePatch(before, zc.patch))
	}
	for _, l := range zc.lists {
		if len(l.add)+len(l.remove) == 0 {
			continue
		}
		if typ := before.Get("type").Str(); typ != "IP" {
			r := connector.Fail(abi.Rejected, "zone_type", "the zone is of type "+typ+": only an IP zone has "+l.name)
			return "", &r
		}
		text, refused := l.apply(after.Get(l.name))
		if refused != nil {
			return "", refused
		}
		var w jsonval.Writer
		patch, _ := jsonval.Parse(w.Raw(l.name, text).String())
		after, _ = jsonval.Parse(compare.MergePatch(after, patch))
	}
	if !zc.wide {
		if refused := checkLockout(before, after); refused != nil {
			return "", refused
		}
	}
	return after.Raw(), nil
}

// checkExemptZone refuses a change of the exempt zone that Okta does not allow (okta/terraform-provider-okta#2221,
// #2400, #2676; its OpenAPI document, replaceNetworkZone).
func (zc *zoneChange) checkExemptZone(before jsonval.Value) *connector.Result {
	if !isExempt(before) {
		return nil
	}
	for _, name := range [...]string{"status", "usage"} {
		if v := zc.patch.Get(name); v.Exists() && !v.Equal(before.Get(name)) {
			r := connector.Refuse("zone_use", "patch: "+name+" of "+exemptZone+" is always "+before.Get(name).Raw()+": Okta changes only its gateways")
			return &r
		}
	}
	if proxies := zc.patch.Get("proxies"); len(zc.lists[1].add) > 0 || !compare.IsEmpty(proxies) {
		r := connector.Refuse("zone_use", exemptZone+" has no proxies: add the addresses to its gateways")
		return &r
	}
	return nil
}

// checkLockout refuses to make a BLOCKLIST so wide that it can only be a mistake. Okta refuses sign-ins from its
// addresses, also to this token's owner. It also refuses to exempt such a range from all blocklists.
func checkLockout(before, after jsonval.Value) *connector.Result {
	exempt := isExempt(before)
	if after.Get("usage").Str() != "BLOCKLIST" && !exempt {
		return nil
	}
	// What already blocks or exempts is not a change.
	had := jsonval.Value{}
	if (exempt || before.Get("usage").Str() == "BLOCKLIST") && (before.Get("status").Str() == "ACTIVE" || after.Get("status").Str() != "ACTIVE") {
		had = before
	}
	const meant = ": to do it, set allow_wide"
	if names, is := tooWide(merged(after.Get("gateways")), merged(had.Get("gateways"))); is {
		r := connector.Refuse("locks_out", "a BLOCKLIST zone with "+names+" locks out all users at these addresses, administrators too"+meant)
		if exempt {
			r = connector.Refuse("exempts", exemptZone+" with "+names+" exempts all users at these addresses from every blocklist"+meant)
		}
		return &r
	}
	if after.Get("type").Str() == "IP" {
		return nil
	}
	for _, r := range reachOf(after) {
		if !covers(had, after, r) {
			refused := connector.Refuse("locks_out", "a BLOCKLIST zone of "+r.String()+" locks out all users at these addresses, administrators too"+meant)
			return &refused
		}
	}
	return nil
}

// reach is a wide set of addresses of a dynamic zone: a country (empty: all) and a kind of service (empty: any or
// none).
type reach struct{ country, service string }

func (r reach) String() string {
	service := r.service
	if service == "" {
		service = "every address"
	}
	if r.country == "" {
		return service + " in every country"
	}
	return service + " in the whole of " + r.country
}

// reachOf returns the wide sets of a dynamic zone, or none if a narrow condition bounds it. All of a zone's conditions
// must hold, an undefined one always holds, and a condition's list has alternatives.
// https://help.okta.com/en-us/content/topics/security/network/about-dynamic-zones.htm
func reachOf(zone jsonval.Value) (all []reach) {
	countries, services := []string{""}, []string{""}
	if places := includes(zone, "locations"); len(places) > 0 {
		countries = nil
		for _, p := range places {
			if compare.IsEmpty(p.Get("region")) {
				countries = append(countries, p.Get("country").Str())
			}
		}
	}
	switch proxy := zone.Get("proxyType").Str(); proxy {
	case "", "null":
	case "Any":
		services = []string{"every proxy"}
	default:
		services = nil
	}
	if categories := includes(zone, "ipServiceCategories"); len(categories) > 0 {
		services = nil
		for _, c := range categories {
			if strings.HasPrefix(c.Str(), "ALL_") {
				services = append(services, c.Str())
			}
		}
	}
	if len(includes(zone, "asns")) > 0 {
		return nil
	}
	for _, country := range countries {
		for _, service := range services {
			all = append(all, reach{country, service})
		}
	}
	return all
}

// includes returns the entries of a condition. A DYNAMIC zone has a list; a DYNAMIC_V2 zone has one to include and one
// to exclude.
func includes(zone jsonval.Value, condition string) (all []jsonval.Value) {
	list := zone.Get(condition)
	if list.Kind() == jsonval.Object {
		list = list.Get("include")
	}
	for e := range list.Elements() {
		all = append(all, e)
	}
	return all
}

// covers reports whether a dynamic zone already had r, so that the change adds nothing. The zone must reach as far as r, and
// exclude nothing that the new zone includes.
func covers(had, after jsonval.Value, r reach) bool {
	for _, condition := range [...]string{"locations", "asns", "ipServiceCategories"} {
		for out := range had.At(condition, "exclude").Elements() {
			stays := false
			for e := range after.At(condition, "exclude").Elements() {
				stays = stays || compare.Alike(e, out)
			}
			if !stays {
				return false
			}
		}
	}
	return had.Exists() && slices.ContainsFunc(reachOf(had), func(h reach) bool {
		return (h.country == "" || h.country == r.country) && (h.service == "" || h.service == r.service)
	})
}

// apply adds and removes entries of a zone's list. Entries that stay keep their text.
func (l addressList) apply(have jsonval.Value) (string, *connector.Result) {
	var kept []string
	var spans []span
	for e := range have.Elements() {
		s, _, ok := parseSpan(e.Get("value").Str())
		if ok && slices.Contains(l.remove, s) {
			continue
		}
		kept = append(kept, e.Raw())
		if ok {
			spans = append(spans, s)
		}
	}
	for _, gone := range l.remove {
		for _, s := range spans {
			if s.overlaps(gone) && !slices.Contains(l.add, s) { // an entry of l.add is meant to stay
				r := connector.Fail(abi.Rejected, "overlap", gone.String()+" would stay in the zone's "+l.name+" because "+s.String()+
					" overlaps it: remove "+s.String()+", and add the addresses to keep")
				return "", &r
			}
		}
	}
	for _, s := range l.add {
		if !slices.Contains(spans, s) {
			kept = append(kept, s.entry())
		}
	}
	return texts.JSONArray(kept, func(s string) string { return s }), nil
}

// exemptZone is the system zone whose PUT must have useAsExemptList instead of system.
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/NetworkZone/#tag/NetworkZone/operation/replaceNetworkZone
const exemptZone = "DefaultExemptIpZone"

func isExempt(zone jsonval.Value) bool {
	return zone.Get("useAsExemptList").True() || zone.Get("system").True() && zone.Get("name").Str() == exemptZone
}

// zoneBody returns the body of the PUT. System zones need system: true, except the exempt zone, which needs
// useAsExemptList: true, as recorded. No other zone may have that.
func zoneBody(_, after jsonval.Value) string {
	exempt := isExempt(after)
	var w jsonval.Writer
	sent, _ := jsonval.Parse(wholeZone.Body(after))
	for k, m := range sent.Members() {
		if k != "useAsExemptList" && k != "system" {
			w.Raw(k, m.Raw())
		}
	}
	return w.BoolIf("useAsExemptList", exempt).BoolIf("system", after.Get("system").True() && !exempt).String()
}

// sameZone compares zones by meaning.
func sameZone(a, b jsonval.Value) bool {
	return compare.AlikeBut(a, b, append([]string{"status", "system", "gateways", "proxies", "useAsExemptList"}, wholeZone.Own...)...) &&
		sameAddresses(a.Get("gateways"), b.Get("gateways")) && sameAddresses(a.Get("proxies"), b.Get("proxies"))
}

func sameAddresses(a, b jsonval.Value) bool {
	return slices.Equal(meanings(a), meanings(b))
}

// meanings returns the entries of a list by meaning, sorted. An entry that cannot be parsed counts as its text.
func meanings(list jsonval.Value) []string {
	var all []string
	for e := range list.Elements() {
		m := e.Get("value").Str()
		if s, _, ok := parseSpan(m); ok {
			m = s.meaning()
		}
		all = texts.AddSorted(all, m)
	}
	return all
}

// newZone returns the zone of create_zone's input, as Okta stores it.
func newZone(c *connector.Call) (zone jsonval.Value, warnings []string, refused *connector.Result) {
	var w jsonval.Writer
	w.Str("name", c.Str("name")).Str("status", "ACTIVE").Str("usage", cmp.Or(c.Str("usage"), "POLICY"))
	dynamic := c.Input.Get("dynamic")
	if !dynamic.Exists() {
		w.Str("type", "IP")
	}
	for k, m := range dynamic.Members() {
		w.Raw(k, m.Raw())
	}
	for _, list := range [...]string{"gateways", "proxies"} {
		var entries []string
		for v := range c.Input.Get(list).Elements() {
			s, strict, ok := parseSpan(v.Str())
			if !ok {
				r := connector.Fail(abi.Invalid, "input", list+": "+jsonval.Quote(v.Str())+" is not an address, a CIDR block or a range from low to high")
				return zone, nil, &r
			}
			if !strict {
				warnings = append(warnings, list+": "+v.Str()+" means "+s.String())
			}
			entries = append(entries, s.entry())
		}
		if entries != nil {
			w.Raw(list, "["+strings.Join(entries, ",")+"]")
		}
	}
	zone = parsed(w.String())
	if !c.Input.Get("allow_wide").True() {
		refused = checkLockout(jsonval.Value{}, zone)
	}
	return zone, warnings, refused
}

func createZone(c *connector.Call) connector.Result {
	zone, warnings, refused := newZone(c)
	if refused != nil {
		return *refused
	}
	name := c.Str("name")
	named := func() (z jsonval.Value, failed *connector.Result) {
		zones, _, failed := allZones(c)
		for _, other := range zones {
			if strings.EqualFold(other.Get("name").Str(), name) {
				z = other
			}
		}
		return z, failed
	}
	rejected := func(z jsonval.Value) connector.Result {
		id := z.Get("id").Str()
		r := connector.Refuse("name_taken", "the name "+jsonval.Quote(name)+" is in use by network zone "+id+": choose another, or update that zone")
		r.Output = `{"existing_id":` + jsonval.Quote(id) + `}`
		return r
	}
	// If the name is in use before the request, a zone of that name does not show that the request succeeded.
	if !c.Settling {
		if z, failed := named(); failed != nil {
			return *failed
		} else if z.Exists() {
			return rejected(z)
		}
	}
	what := "creating network zone " + jsonval.Quote(name)
	r := c.ChangePatiently(connector.Change{
		Request: hostcall.Request{Endpoint: postZones.Endpoint, Body: zone.Raw()},
		What:    what,
		Undone:  "the network zone was not created",
		Check: func(z jsonval.Value) *connector.Result {
			if sameZone(z, zone) {
				return nil
			}
			r := c.RejectGaps(what, okta.Gaps(z, zone, ""), nil, z.Raw(), true)
			r.Err.Message += ". The network zone " + z.Get("id").Str() + " was created nevertheless: update or deactivate it"
			return &r
		},
		Refused: func(r connector.Result) connector.Result {
			if z, failed := named(); r.Outcome == abi.Rejected && r.Err.Code == string(abi.Rejected) && failed == nil && z.Exists() { // another client has created it
				return rejected(z)
			}
			return r
		},
		Look: func() (connector.Reading, connector.Result) {
			z, failed := named()
			switch {
			case failed != nil:
				return connector.Unclear, connector.Result{}
			case !z.Exists():
				return connector.Absent, connector.Result{}
			case c.MadeBy(z.Get("created").Str()) == connector.ByAnother:
				return connector.Precluded, rejected(z)
			case c.MadeByUs(z.Get("created").Str()) && sameZone(z, zone):
				return connector.Holds, connector.Result{Output: z.Raw()}
			}
			return connector.Unclear, connector.Result{}
		},
	})
	r.Warnings = append(warnings, r.Warnings...)
	return r
}
