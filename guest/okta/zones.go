package okta

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	readZones = []string{"okta.networkZones.read"}

	getZones = abi.Endpoint{Endpoint: "GET /api/v1/zones", Bucket: "/api/v1", Scopes: readZones}
	getZone  = abi.Endpoint{Endpoint: "GET /api/v1/zones/{zoneId}", Bucket: "/api/v1", Scopes: readZones}
	putZone  = abi.Endpoint{Endpoint: "PUT /api/v1/zones/{zoneId}", Bucket: "/api/v1", Scopes: []string{"okta.networkZones.manage"}}
)

var zoneInput = idInput("zone", "the network zone's id")

var zoneOperations = []operation{
	{
		name:        "list_zones",
		summary:     "Lists network zones.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			textInput("filter", "4096", `on id, usage or system, such as usage eq "BLOCKLIST"`),
			limitInput, cursorInput,
		},
		example:   `{}`,
		key:       "id",
		columns:   zoneColumns,
		endpoints: []abi.Endpoint{getZones},
		list:      &list{endpoint: getZones.Endpoint, query: []param{{"filter", "filter"}}},
	},
	{
		name:        "get_zone",
		summary:     "Reads one network zone.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{zoneInput},
		example:     `{"zone":"nzowc1U5Jh5xuAK0o0g3"}`,
		key:         "id",
		columns:     zoneColumns,
		endpoints:   []abi.Endpoint{getZone},
		get:         &get{endpoint: getZone.Endpoint, path: []blank{{"zoneId", "zone"}}, noun: "network zone", typ: "NetworkZone"},
	},
	{
		name: "update_zone",
		summary: "Changes a network zone: addresses to add or remove (the way to block one), or any member by a JSON merge patch " +
			"(RFC 7396). What is so already stays unchanged.",
		class:       abi.Privileged,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			zoneInput,
			{"patch", false, `{"type":"object","minProperties":1,"description":"members to set; null removes one"}`},
			addressesInput("add_gateways", "addresses, CIDRs or ranges to add to the gateways"),
			addressesInput("remove_gateways", "addresses, CIDRs or ranges to take from the gateways, as they stand there"),
			addressesInput("add_proxies", "addresses, CIDRs or ranges to add to the trusted proxies"),
			addressesInput("remove_proxies", "addresses, CIDRs or ranges to take from the trusted proxies, as they stand there"),
		},
		require: `"anyOf":[{"required":["patch"]},{"required":["add_gateways"]},{"required":["remove_gateways"]},` +
			`{"required":["add_proxies"]},{"required":["remove_proxies"]}]`,
		example:   `{"zone":"nzowc1U5Jh5xuAK0o0g3","add_gateways":["203.0.113.7","198.51.100.0/24"]}`,
		key:       "id",
		endpoints: []abi.Endpoint{getZone, putZone},
		do:        updateZone,
	},
}

func addressesInput(name, description string) input {
	return input{name, false, `{"type":"array","minItems":1,"maxItems":1000,"uniqueItems":true,"items":{"type":"string","minLength":2,"maxLength":100},"description":` + jsonval.Quote(description) + `}`}
}

var zoneColumns = []column{
	{"id", abi.Varchar, "id", "the zone's id"},
	{"name", abi.Varchar, "name", ""},
	{"type", abi.Varchar, "type", "IP, DYNAMIC or DYNAMIC_V2"},
	{"status", abi.Varchar, "status", "ACTIVE or INACTIVE"},
	{"usage", abi.Varchar, "usage", "POLICY or BLOCKLIST"},
	{"system", abi.Boolean, "system", "Okta's own"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"proxy_type", abi.Varchar, "proxyType", "of a dynamic zone"},
	{"gateways", abi.JSON, "gateways", "of an IP zone"},
	{"proxies", abi.JSON, "proxies", "of an IP zone"},
	{"asns", abi.JSON, "asns", "of a dynamic zone"},
	{"locations", abi.JSON, "locations", "of a dynamic zone"},
	{"ip_service_categories", abi.JSON, "ipServiceCategories", "of an enhanced dynamic zone"},
	{"links", abi.JSON, "_links", ""},
}

func (c *call) zone(id string) (object, *result) {
	return c.read(hostcall.Request{Endpoint: getZone.Endpoint, Path: at("zoneId", id)}, "NetworkZone", "network zone")
}

// addresses is what a gateway or proxy means, whatever way it is written: from its first address to its last.
type addresses struct{ first, last netip.Addr }

// parseAddresses reads an address, a CIDR or a range.
func parseAddresses(s string) (a addresses, ok bool) {
	if first, last, isRange := strings.Cut(s, "-"); isRange {
		from, err := netip.ParseAddr(strings.TrimSpace(first))
		to, err2 := netip.ParseAddr(strings.TrimSpace(last))
		return addresses{from, to}, err == nil && err2 == nil && from.Zone() == "" && to.Zone() == "" &&
			from.BitLen() == to.BitLen() && from.Compare(to) <= 0
	}
	if !strings.Contains(s, "/") {
		one, err := netip.ParseAddr(s)
		return addresses{one, one}, err == nil && one.Zone() == ""
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return a, false
	}
	first := p.Masked().Addr()
	bytes := first.AsSlice()
	for bit := p.Bits(); bit < first.BitLen(); bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return addresses{first, last}, true
}

// json is the spelling that Okta keeps: a CIDR where the addresses are one, else a range, of one address too.
func (a addresses) json() string {
	var w jsonval.Writer
	for bits := a.first.BitLen() - 1; bits >= 0; bits-- {
		if p := netip.PrefixFrom(a.first, bits); p.Masked().Addr() == a.first {
			if whole, _ := parseAddresses(p.String()); whole == a {
				return w.Str("type", "CIDR").Str("value", p.String()).String()
			}
		}
	}
	return w.Str("type", "RANGE").Str("value", a.first.String()+"-"+a.last.String()).String()
}

// edit adds addresses to a list of gateways or proxies and removes others, comparing by meaning. Entries that it does not
// touch stay as they are.
func (c *call) edit(now jsonval.Value, add, remove string) (list string, bad *result) {
	wanted := func(name string) (all []addresses, bad *result) {
		for v := range c.input.Get(name).Elements() {
			a, ok := parseAddresses(v.Str())
			if !ok {
				r := fail(abi.Invalid, "address", name+": "+jsonval.Quote(v.Str())+
					" is no address (203.0.113.7), CIDR (203.0.113.0/24) or range (203.0.113.7-203.0.113.9)")
				return nil, &r
			}
			all = append(all, a)
		}
		return all, nil
	}
	plus, bad := wanted(add)
	if bad != nil {
		return "", bad
	}
	minus, bad := wanted(remove)
	if bad != nil {
		return "", bad
	}
	for _, a := range plus {
		if slices.Contains(minus, a) {
			r := fail(abi.Invalid, "address", a.first.String()+" is to be added and removed at once")
			return "", &r
		}
	}
	var entries []string
	var there []addresses
	for e := range now.Elements() {
		if a, ok := parseAddresses(e.Get("value").Str()); ok {
			if slices.Contains(minus, a) {
				continue
			}
			there = append(there, a)
		}
		entries = append(entries, e.Raw())
	}
	for _, a := range plus {
		if !slices.Contains(there, a) {
			there = append(there, a)
			entries = append(entries, a.json())
		}
	}
	return array(entries, func(s string) string { return s }), nil
}

// sameZone compares by meaning: addresses however they are written, and empty lists as nothing, which is how Okta keeps
// them.
func sameZone(a, b jsonval.Value) bool {
	plain := func(z jsonval.Value) jsonval.Value {
		z = withoutNulls(z)
		var w jsonval.Writer
		for k, m := range z.Members() {
			switch {
			case m.Kind() == jsonval.Array && m.Raw() == "[]":
			case k == "gateways" || k == "proxies":
				w.Raw(k, array(slices.Collect(m.Elements()), func(e jsonval.Value) string {
					if a, ok := parseAddresses(e.Get("value").Str()); ok {
						return a.json()
					}
					return e.Raw()
				}))
			default:
				w.Raw(k, m.Raw())
			}
		}
		v, _ := jsonval.Parse(w.String())
		return v
	}
	return plain(a).Equal(plain(b))
}

func updateZone(c *call) result {
	id, patch := c.str("zone"), c.input.Get("patch")
	if r := patchesReadOnly(patch, "type"); r != nil {
		return *r
	}
	for _, lists := range [...][3]string{{"gateways", "add_gateways", "remove_gateways"}, {"proxies", "add_proxies", "remove_proxies"}} {
		edits := c.input.Get(lists[1]).Exists() || c.input.Get(lists[2]).Exists()
		if edits && patch.Get(lists[0]).Exists() {
			return fail(abi.Invalid, "input", "the patch sets "+lists[0]+", and "+lists[1]+" or "+lists[2]+" changes it: use one of them")
		}
		for e := range patch.Get(lists[0]).Elements() {
			if _, ok := parseAddresses(e.Get("value").Str()); !ok {
				return fail(abi.Invalid, "address", "patch."+lists[0]+": "+e.Raw()+" has no value that is an address, CIDR or range")
			}
		}
		if _, bad := c.edit(jsonval.Value{}, lists[1], lists[2]); bad != nil {
			return *bad // before anything is sent
		}
	}
	before, failed := c.zone(id)
	if failed != nil {
		return *failed
	}
	edits := c.input.Get("add_gateways").Exists() || c.input.Get("remove_gateways").Exists() || c.input.Get("add_proxies").Exists() || c.input.Get("remove_proxies").Exists()
	if t := before.Get("type").Str(); edits && t != "IP" {
		return refuse("zone_type", "the zone is "+t+": only an IP zone has gateways and proxies")
	}
	wanted := func(now jsonval.Value) jsonval.Value {
		var lists jsonval.Writer
		for _, l := range [...][3]string{{"gateways", "add_gateways", "remove_gateways"}, {"proxies", "add_proxies", "remove_proxies"}} {
			if c.input.Get(l[1]).Exists() || c.input.Get(l[2]).Exists() {
				list, _ := c.edit(now.Get(l[0]), l[1], l[2])
				lists.Raw(l[0], list)
			}
		}
		v, _ := jsonval.Parse(lists.String())
		body := without(now, readOnlyMembers...)
		if patch.Exists() {
			body = patched(body, patch)
		}
		return patched(body, v)
	}
	body := wanted(before.Value)
	if sameZone(body, without(before.Value, readOnlyMembers...)) {
		return result{outcome: abi.Unchanged, output: before.Raw()}
	}
	if before.Get("name").Str() == "DefaultExemptIpZone" && !body.Get("useAsExemptList").Exists() {
		exempt, _ := jsonval.Parse(`{"useAsExemptList":true}`) // Okta refuses the zone without it, and does not say it in a GET
		body = patched(body, exempt)
	}
	if r := c.stillAs(before, func() (object, *result) { return c.zone(id) }); r != nil {
		return *r
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: putZone.Endpoint, Path: at("zoneId", id), Body: body.Raw()},
		typ:     "NetworkZone", noun: "network zone",
		what:   "updating network zone " + id,
		undone: "the network zone was not updated",
		look: looking(func() (object, *result) { return c.zone(id) },
			func(z object) bool { return !z.gone && sameZone(wanted(z.Value), without(z.Value, readOnlyMembers...)) }, func(z object) string { return z.Raw() }),
	})
}
