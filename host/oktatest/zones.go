package oktatest

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"encoding/json"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// zoneEndpoints are the network zones of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/NetworkZone/.
func zoneEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/zones", bucket: "/api/v1", handle: listZones},
		{pattern: "GET /api/v1/zones/{zoneId}", bucket: "/api/v1", handle: getZone},
		{pattern: "PUT /api/v1/zones/{zoneId}", bucket: "/api/v1", handle: replaceZone},
	}
}

const (
	domainZone uint64 = iota + 400
	domainPolicy
	domainPolicyRule
	domainApp
)

// exemptZone is the system zone whose addresses no blocklist stops. A PUT of it must say useAsExemptList.
const exemptZone = "DefaultExemptIpZone"

// zone is one network zone, kept as the members that a PUT brings.
type zone struct {
	id                   string
	system               bool
	body                 []byte // a JSON object without what follows and without id, system and _links
	created, lastUpdated millis
}

func (o *Org) seedZones() {
	started := millisOf(o.started) / 1000 * 1000
	for i, z := range []struct {
		system bool
		body   string
	}{
		{true, `{"type":"IP","name":"LegacyIpZone","status":"ACTIVE","usage":"POLICY","gateways":[],"proxies":null}`},
		{true, `{"type":"IP","name":"BlockedIpZone","status":"ACTIVE","usage":"BLOCKLIST","gateways":[],"proxies":null}`},
		{true, `{"type":"IP","name":"DefaultExemptIpZone","status":"ACTIVE","usage":"POLICY","gateways":[],"proxies":null}`},
		{false, `{"type":"IP","name":"Offices","status":"ACTIVE","usage":"POLICY","gateways":[{"type":"CIDR","value":"198.51.100.0/24"},{"type":"RANGE","value":"203.0.113.10-203.0.113.20"}],"proxies":null}`},
		{false, `{"type":"DYNAMIC","name":"Anonymizers","status":"ACTIVE","usage":"BLOCKLIST","proxyType":"Tor","locations":null,"asns":[]}`},
		{false, `{"type":"DYNAMIC_V2","name":"Consumer networks","status":"INACTIVE","usage":"POLICY","locations":{"include":[],"exclude":[{"country":"BE","region":"BE-VAN"}]},"ipServiceCategories":{"include":["ALL_VPNS"],"exclude":[]},"asns":{"include":[],"exclude":[]}}`},
	} {
		o.zones = append(o.zones, &zone{id: o.ids.seeded("nzo", domainZone, i), system: z.system, body: []byte(z.body),
			created: started - day*millis(900-i), lastUpdated: started - day*millis(90-i)})
	}
}

func (z *zone) name() string { return gjson.GetBytes(z.body, "name").Str }

func appendZone(buf []byte, z *zone, origin string) []byte {
	buf = appendField(append(buf, '{'), "type", gjson.GetBytes(z.body, "type").Str)
	buf = appendField(buf, "id", z.id)
	gjson.ParseBytes(z.body).ForEach(func(k, v gjson.Result) bool {
		if k.Str != "type" {
			buf = appendRaw(buf, k.Str, []byte(v.Raw))
		}
		return true
	})
	buf = appendTime(buf, "created", z.created)
	buf = appendTime(buf, "lastUpdated", z.lastUpdated)
	buf = appendBool(buf, "system", z.system)
	self := "/api/v1/zones/" + z.id
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendAllowed(buf, "self", origin, self, "GET", "PUT", "DELETE")
	step := "deactivate"
	if gjson.GetBytes(z.body, "status").Str != active {
		step = "activate"
	}
	return append(appendAllowed(buf, step, origin, self+"/lifecycle/"+step, "POST"), "}}"...)
}

var filterZones = dialect{
	operators: "eq",
	known: func(attribute string) bool {
		return attribute == "id" || attribute == "usage" || attribute == "system" || attribute == "name"
	},
	refuse: invalidSearch,
}

func listZones(o *Org, c *call) (answer, error) {
	accept := func(*zone) bool { return true }
	if text := c.URL.Query().Get("filter"); text != "" {
		e, err := filterZones.parse(text)
		if err != nil {
			return answer{}, err
		}
		accept = func(z *zone) bool { return e.matches(gjson.ParseBytes(appendZone(nil, z, ""))) }
	}
	p, err := o.openPage(c, "zones", pageGroups, pageGroups)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(o.zones); i++ {
		if !accept(o.zones[i]) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendZone(p.buf, o.zones[i], c.origin)
	}
	return p.answer(), nil
}

func (o *Org) findZone(c *call) (*zone, error) {
	id := c.PathValue("zoneId")
	for _, z := range o.zones {
		if z.id == id {
			return z, nil
		}
	}
	return nil, notFound(id, "NetworkZone")
}

func getZone(o *Org, c *call) (answer, error) {
	z, err := o.findZone(c)
	if err != nil {
		return answer{}, err
	}
	return answer{body: appendZone(nil, z, c.origin)}, nil
}

// replaceZone takes the whole zone: what the body lacks is gone. Okta spells addresses its own way: a single one becomes
// a range, and proxies that are absent or empty null.
func replaceZone(o *Org, c *call) (answer, error) {
	z, err := o.findZone(c)
	if err != nil {
		return answer{}, err
	}
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	kind := gjson.GetBytes(z.body, "type").Str
	switch {
	case body.Get("type").Str != kind:
		return answer{}, invalid("type", "type: The zone type cannot be changed")
	case strings.TrimSpace(body.Get("name").Str) == "":
		return answer{}, invalid("name", "name: The field cannot be left blank")
	case z.name() == exemptZone && !body.Get("useAsExemptList").Bool():
		return answer{}, invalid("zone", "useAsExemptList must be true to replace the "+exemptZone)
	case z.system && body.Get("name").Str != z.name():
		return answer{}, invalid("name", "name: The name of a system zone cannot be changed")
	}
	next := []byte(`{"type":` + quote(kind) + `}`)
	set := func(name string, raw string) { next, err = sjson.SetRawBytes(next, name, []byte(raw)) }
	for _, field := range []struct{ name, preset string }{{"name", ""}, {"status", quote(active)}, {"usage", quote("POLICY")}} {
		value := field.preset
		if v := body.Get(field.name); v.Exists() && v.Type != gjson.Null {
			value = v.Raw
		}
		set(field.name, value)
	}
	switch kind {
	case "IP":
		for _, field := range []string{"gateways", "proxies"} {
			list, bad := normalizeAddresses(body.Get(field))
			if list == "[]" && field == "proxies" { // recorded: null, where the document knows an empty list of gateways alone
				list = "null"
			}
			if bad != "" {
				return answer{}, invalid(field, field+": '"+bad+"' is not a valid IP address, CIDR or range")
			}
			set(field, list)
		}
	case "DYNAMIC":
		for _, field := range []string{"proxyType", "locations"} {
			set(field, rawOrNull(body.Get(field)))
		}
		asns := "[]"
		if v := body.Get("asns"); v.IsArray() {
			asns = v.Raw
		}
		set("asns", asns)
	default:
		for _, field := range []string{"locations", "ipServiceCategories", "asns"} {
			sides := `{"include":[],"exclude":[]}`
			for _, side := range []string{"include", "exclude"} {
				if v := body.Get(field + "." + side); v.IsArray() {
					sides, _ = sjson.SetRaw(sides, side, v.Raw) // both are checked JSON
				}
			}
			set(field, sides)
		}
	}
	if err != nil {
		return answer{}, errMalformed
	}
	if string(next) != string(z.body) {
		z.body, z.lastUpdated = next, millisOf(c.now)
		o.emit(c, "zone.update", "Update of a Network Zone", target{z.id, "NetworkZone", "unknown", z.name()})
	}
	return answer{status: http.StatusOK, body: appendZone(nil, z, c.origin)}, nil
}

func quote(s string) string { return string(appendString(nil, s)) }

func rawOrNull(v gjson.Result) string {
	if !v.Exists() {
		return "null"
	}
	return v.Raw
}

// normalizeAddresses is a list of addresses as Okta keeps it; bad is the first that is none.
func normalizeAddresses(list gjson.Result) (normal, bad string) {
	normal = "[]"
	for i, e := range list.Array() {
		kind, value := "RANGE", e.Get("value").Str
		first, last, isRange := strings.Cut(value, "-")
		if !isRange {
			last = first
		}
		if strings.Contains(value, "/") {
			p, err := netip.ParsePrefix(value)
			if err != nil {
				return "", value
			}
			kind, value = "CIDR", p.String()
		} else {
			from, err := netip.ParseAddr(strings.TrimSpace(first))
			to, err2 := netip.ParseAddr(strings.TrimSpace(last))
			if err != nil || err2 != nil || to.Less(from) {
				return "", value
			}
			value = from.String() + "-" + to.String()
		}
		entry := `{"type":` + quote(kind) + `,"value":` + quote(value) + `}`
		normal, _ = sjson.SetRaw(normal, strconv.Itoa(i), entry) // an index into an array of checked JSON
	}
	return normal, ""
}

// Zones are all network zones as GET /api/v1/zones answers them.
func (o *Org) Zones() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, z := range o.zones {
		all = append(all, appendZone(nil, z, o.cfg.PublicURL))
	}
	return all
}
