package okta

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/jsonval"
)

const aZone = `{"type":"IP","id":"nzo1","name":"Z","status":"ACTIVE","usage":"BLOCKLIST","created":"2026-01-01T00:00:00.000Z","lastUpdated":"2026-01-01T00:00:00.000Z","system":false,` +
	`"gateways":[{"type":"CIDR","value":"1.2.3.4/24"},{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}],"proxies":null,"_links":{"self":{"href":"https://x"}}}`

func TestParseSpan_EachForm_HasItsSpan(t *testing.T) {
	for _, c := range []struct {
		text, span string
		strict     bool
		entry      string
	}{
		{"192.168.1.2", "192.168.1.2", true, `{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}`},
		{" 192.168.1.2 ", "192.168.1.2", true, ""},
		{"192.168.1.2/32", "192.168.1.2", true, `{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}`},
		{"10.0.0.0/8", "10.0.0.0/8", true, `{"type":"CIDR","value":"10.0.0.0/8"}`},
		{"10.0.0.5/8", "10.0.0.0/8", false, `{"type":"CIDR","value":"10.0.0.0/8"}`},
		{"10.0.0.0-10.255.255.255", "10.0.0.0/8", true, `{"type":"CIDR","value":"10.0.0.0/8"}`},
		{"10.0.0.1 - 10.0.0.9", "10.0.0.1-10.0.0.9", true, `{"type":"RANGE","value":"10.0.0.1-10.0.0.9"}`},
		{"0.0.0.0/0", "0.0.0.0/0", true, ""},
		{"2001:db8::/32", "2001:db8::/32", true, `{"type":"CIDR","value":"2001:db8::/32"}`},
		{"2001:DB8::1", "2001:db8::1", true, ""},
		{"::ffff:1.2.3.4", "1.2.3.4", true, ""},
		{"10.0.0.9-10.0.0.1", "", false, ""},
		{"10.0.0.1-2001:db8::1", "", false, ""},
		{"10.0.0.0/33", "", false, ""},
		{"10.0.0", "", false, ""},
		{"010.0.0.1", "", false, ""},
		{"fe80::1%eth0", "", false, ""},
		{"10.0.0.1/24-10.0.0.9", "", false, ""},
		{"example.com", "", false, ""},
		{"", "", false, ""},
	} {
		s, strict, ok := parseSpan(c.text)
		if ok != (c.span != "") || ok && (s.String() != c.span || strict != c.strict) {
			t.Errorf("%q: %v strict=%v ok=%v, want %q strict=%v", c.text, s, strict, ok, c.span, c.strict)
		}
		if c.entry != "" && s.entry() != c.entry {
			t.Errorf("%q: %s, want %s", c.text, s.entry(), c.entry)
		}
	}
}

func TestSpan_LargerThanANetwork_IsWide(t *testing.T) {
	for text, want := range map[string]bool{
		"0.0.0.0/0": true, "::/0": true, "10.0.0.0/7": true, "10.0.0.0/8": false, "255.0.0.0/8": false, "10.0.0.0-11.0.0.0": true, "10.0.0.1-11.0.0.0": false,
		"9.255.255.255-10.0.0.1": false, "2400::/12": false, "2400::/11": true, "fff0::/12": false, "ffe0::/11": true, "24ff:ffff::-2500::": false, "192.0.2.7": false,
	} {
		if s, _, ok := parseSpan(text); !ok || s.wide() != want {
			t.Errorf("%s: %v, want %v", text, s.wide(), want)
		}
	}
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "10.0.0.1-10.0.0.9", "::/0", "1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, _, ok := parseSpan(text)
		if !ok {
			return
		}
		if again, strict, ok := parseSpan(s.String()); !ok || !strict || again != s {
			t.Errorf("%q: %v, parsed again %v", text, s, again)
		}
		if again, _, ok := parseSpan(parse(t, s.entry()).Get("value").Str()); !ok || again != s {
			t.Errorf("%q: %v, as an entry %v", text, s, again)
		}
	})
}

func TestSameZone_EqualInMeaning_IsTrue(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"gateways":[{"type":"RANGE","value":"192.168.1.2"}],"proxies":[]}`, `{"gateways":[{"type":"CIDR","value":"192.168.1.2/32"}],"proxies":null}`, true},
		{`{"gateways":[{"type":"CIDR","value":"1.2.3.4/24"},{"type":"CIDR","value":"9.0.0.0/8"}]}`, `{"gateways":[{"type":"RANGE","value":"9.0.0.0-9.255.255.255"},{"type":"CIDR","value":"1.2.3.0/24"}]}`, true},
		{`{"gateways":[{"type":"CIDR","value":"1.2.3.4/24"}]}`, `{"gateways":[{"type":"CIDR","value":"1.2.3.4/25"}]}`, false},
		{`{"gateways":[{"type":"RANGE","value":"15.5.6.7/24-15.5.6.9"}]}`, `{"gateways":[{"type":"RANGE","value":"15.5.6.7/24-15.5.6.9"}]}`, true},
		{`{"id":"1","lastUpdated":"x","useAsBlackList":false,"name":"a"}`, `{"name":"a"}`, true},
		{`{"name":"a"}`, `{"name":"b"}`, false},
		{`{"locations":[{"country":"UA","region":"UA-26"},{"country":"US","region":null}],"proxyType":""}`, `{"locations":[{"country":"US"},{"country":"UA","region":"UA-26"}]}`, true},
		{`{"asns":{"include":[],"exclude":[]}}`, `{"asns":{}}`, true},
		{`{"asns":{"include":["1"],"exclude":[]}}`, `{"asns":{}}`, false},
		{`{"asns":["1","1"]}`, `{"asns":["1"]}`, false},
	} {
		if got := sameZone(parse(t, c.a), parse(t, c.b)); got != c.same || sameZone(parse(t, c.b), parse(t, c.a)) != got {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
}

func TestReadZones_EachResponse_HasItsOutcome(t *testing.T) {
	for _, c := range []invoking{
		{"a filter", `{"filter":"usage eq \"BLOCKLIST\"","limit":1}`, answering{"GET /api/v1/zones": {answer(200, "["+aZone+","+aZone+"]")}}, abi.Succeeded, "",
			`GET /api/v1/zones filter=usage eq "BLOCKLIST"`, nil, 1},
		{"the next page", `{}`, answering{"GET /api/v1/zones": {paged("["+aZone+"]", "/api/v1/zones?after=nzo1"), answer(200, "[]")}}, abi.Succeeded, "",
			"GET /api/v1/zones\nGET /api/v1/zones -> /api/v1/zones?after=nzo1", nil, 1},
		{"refused", `{}`, answering{"GET /api/v1/zones": {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_zones")
	}
	for _, c := range []invoking{
		{"by id", `{"zone":"nzo1"}`, answering{"GET /api/v1/zones/{zoneId}": {answer(200, aZone)}}, abi.Succeeded, "", "GET /api/v1/zones/{zoneId} [zoneId:nzo1]", nil, 1},
		{"missing", `{"zone":"nzo1"}`, answering{"GET /api/v1/zones/{zoneId}": {notFound("NetworkZone")}}, abi.NotFound, "not_found", "", []string{"network zone"}, 0},
	} {
		c.run(t, "get_zone")
	}
}

func TestUpdateZone_EachResponse_HasItsOutcome(t *testing.T) {
	const get, put = "GET /api/v1/zones/{zoneId}", "PUT /api/v1/zones/{zoneId}"
	const id = " [zoneId:nzo1]"
	const head = `{"type":"IP","name":"Z","status":"ACTIVE","usage":"BLOCKLIST",`
	const input = `{"zone":"nzo1","add_gateways":["203.0.113.7"]}`
	with := func(gateways string) string {
		return strings.Replace(strings.Replace(aZone, `{"type":"CIDR","value":"1.2.3.4/24"},{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}`, gateways, 1),
			`"lastUpdated":"2026-01-01`, `"lastUpdated":"2026-01-02`, 1)
	}
	kept := `{"type":"CIDR","value":"1.2.3.4/24"},{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}`
	added := with(kept + `,{"type":"RANGE","value":"203.0.113.7-203.0.113.7"}`)
	looked := get + id + "\n" + get + id + "\n" + put + id + " "
	exempt := strings.Replace(strings.Replace(aZone, `"name":"Z"`, `"name":"DefaultExemptIpZone"`, 1), `"system":false`, `"system":true`, 1)
	dynamic := strings.Replace(aZone, `"type":"IP"`, `"type":"DYNAMIC"`, 1)
	for _, c := range []invoking{
		{"an address is added, the rest is kept", input, answering{get: {answer(200, aZone)}, put: {answer(200, added)}}, abi.Succeeded, "",
			looked + head + `"gateways":[` + kept + `,{"type":"RANGE","value":"203.0.113.7-203.0.113.7"}]}`, []string{`"before":`, `"after":` + added}, 0},
		{"already there in another spelling", `{"zone":"nzo1","add_gateways":["192.168.1.2","1.2.3.0/24"]}`, answering{get: {answer(200, aZone)}}, abi.Unchanged, "", get + id, nil, 0},
		{"one removed and one added", `{"zone":"nzo1","remove_gateways":["1.2.3.0-1.2.3.255"],"add_proxies":["2001:db8::/32","2001:db8::/32"]}`,
			answering{get: {answer(200, aZone)}, put: {answer(200, strings.Replace(with(`{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}`), `"proxies":null`, `"proxies":[{"type":"CIDR","value":"2001:db8::/32"}]`, 1))}}, abi.Succeeded, "",
			looked + head + `"gateways":[{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}],"proxies":[{"type":"CIDR","value":"2001:db8::/32"}]}`, nil, 0},
		{"removal of an absent address", `{"zone":"nzo1","remove_gateways":["9.9.9.9"],"remove_proxies":["9.9.9.9"]}`, answering{get: {answer(200, aZone)}}, abi.Unchanged, "", get + id, nil, 0},
		{"part of a block cannot be removed", `{"zone":"nzo1","remove_gateways":["1.2.3.7"]}`, answering{get: {answer(200, aZone)}}, abi.Rejected, "overlap", get + id, []string{"1.2.3.0/24"}, 0},
		{"a block with bits beyond its length", `{"zone":"nzo1","add_gateways":["10.0.0.5/8"]}`, answering{get: {answer(200, aZone)}, put: {answer(200, with(kept+`,{"type":"CIDR","value":"10.0.0.0/8"}`))}},
			abi.Succeeded, "", "", []string{"10.0.0.5/8 means 10.0.0.0/8"}, 0},
		{"a patch", `{"zone":"nzo1","patch":{"name":"Y","gateways":[{"type":"RANGE","value":"5.5.5.5"}],"proxies":null}}`, answering{get: {answer(200, aZone)}, put: {answer(200, strings.Replace(with(`{"type":"RANGE","value":"5.5.5.5-5.5.5.5"}`), `"Z"`, `"Y"`, 1))}}, abi.Succeeded, "",
			looked + `{"type":"IP","name":"Y","status":"ACTIVE","usage":"BLOCKLIST","gateways":[{"type":"RANGE","value":"5.5.5.5-5.5.5.5"}]}`, nil, 0},
		{"a patch that is equal in meaning", `{"zone":"nzo1","patch":{"proxies":[],"gateways":[{"type":"RANGE","value":"192.168.1.2"},{"type":"CIDR","value":"1.2.3.0/24"}]}}`,
			answering{get: {answer(200, aZone)}}, abi.Unchanged, "", get + id, nil, 0},
		{"the exempt zone is sent with useAsExemptList", input, answering{get: {answer(200, exempt)}, put: {answer(200, added)}}, abi.Succeeded, "",
			looked + `{"type":"IP","name":"DefaultExemptIpZone","status":"ACTIVE","usage":"BLOCKLIST","gateways":[` + kept + `,{"type":"RANGE","value":"203.0.113.7-203.0.113.7"}],"useAsExemptList":true}`, nil, 0},
		{"a system zone is sent with system", input, answering{get: {answer(200, strings.Replace(aZone, `"system":false`, `"system":true`, 1))}, put: {answer(200, added)}}, abi.Succeeded, "",
			looked + `{"type":"IP","name":"Z","status":"ACTIVE","usage":"BLOCKLIST","gateways":[` + kept + `,{"type":"RANGE","value":"203.0.113.7-203.0.113.7"}],"system":true}`, nil, 0},
		{"an added block overlaps a removed address", `{"zone":"nzo1","add_gateways":["10.0.0.0/8"],"remove_gateways":["10.0.0.1"]}`, nil, abi.Invalid, "input", "none", []string{"10.0.0.0/8 overlaps 10.0.0.1"}, 0},
		{"an added range overlaps part of a removed block", `{"zone":"nzo1","add_proxies":["9.9.9.9","10.0.0.0-10.0.0.9"],"remove_proxies":["8.8.8.8","10.0.0.8/29"]}`, nil, abi.Invalid, "input", "none", []string{"10.0.0.0-10.0.0.9 overlaps 10.0.0.8/29"}, 0},
		{"part of a removed block is added again", `{"zone":"nzo1","add_gateways":["1.2.3.0/25"],"remove_gateways":["1.2.3.0/24"]}`, answering{get: {answer(200, aZone)}, put: {answer(200, with(`{"type":"RANGE","value":"192.168.1.2-192.168.1.2"},{"type":"CIDR","value":"1.2.3.0/25"}`))}}, abi.Succeeded, "",
			looked + head + `"gateways":[{"type":"RANGE","value":"192.168.1.2-192.168.1.2"},{"type":"CIDR","value":"1.2.3.0/25"}]}`, nil, 0},
		{"the same again is unchanged", `{"zone":"nzo1","add_gateways":["192.168.1.2"],"remove_gateways":["192.168.1.0/24"]}`, answering{get: {answer(200, aZone)}}, abi.Unchanged, "", get + id, nil, 0},
		{"all addresses are not blocked by mistake", `{"zone":"nzo1","add_gateways":["0.0.0.0/0"]}`, answering{get: {answer(200, aZone)}}, abi.Rejected, "locks_out", get + id, []string{"0.0.0.0/0", "allow_wide"}, 0},
		{"nor all IPv6 addresses", `{"zone":"nzo1","add_gateways":["::/0"]}`, answering{get: {answer(200, aZone)}}, abi.Rejected, "locks_out", get + id, nil, 0},
		{"nor half of all addresses", `{"zone":"nzo1","patch":{"gateways":[{"type":"RANGE","value":"0.0.0.0-127.255.255.255"}]}}`, answering{get: {answer(200, aZone)}}, abi.Rejected, "locks_out", get + id, nil, 0},
		{"all addresses with allow_wide", `{"zone":"nzo1","add_gateways":["::/0"],"allow_wide":true}`, answering{get: {answer(200, aZone)}, put: {answer(200, with(kept+`,{"type":"CIDR","value":"::/0"}`))}}, abi.Succeeded, "",
			looked + head + `"gateways":[` + kept + `,{"type":"CIDR","value":"::/0"}]}`, nil, 0},
		{"a zone for policies may have all addresses", `{"zone":"nzo1","patch":{"usage":"POLICY","gateways":[{"type":"CIDR","value":"0.0.0.0/0"}]}}`,
			answering{get: {answer(200, aZone)}, put: {answer(200, strings.Replace(with(`{"type":"CIDR","value":"0.0.0.0/0"}`), "BLOCKLIST", "POLICY", 1))}}, abi.Succeeded, "", "", nil, 0},
		{"a zone of all addresses does not become a blocklist", `{"zone":"nzo1","patch":{"usage":"BLOCKLIST"}}`,
			answering{get: {answer(200, strings.Replace(with(`{"type":"CIDR","value":"0.0.0.0/0"}`), "BLOCKLIST", "POLICY", 1))}}, abi.Rejected, "locks_out", get + id, nil, 0},
		{"a blocklist of all addresses does not become active", `{"zone":"nzo1","patch":{"status":"ACTIVE"}}`,
			answering{get: {answer(200, strings.Replace(with(`{"type":"CIDR","value":"0.0.0.0/0"}`), `"ACTIVE"`, `"INACTIVE"`, 1))}}, abi.Rejected, "locks_out", get + id, nil, 0},
		{"a zone that already blocks all addresses", input, answering{get: {answer(200, with(`{"type":"CIDR","value":"0.0.0.0/0"}`))}, put: {answer(200, with(`{"type":"CIDR","value":"0.0.0.0/0"},{"type":"RANGE","value":"203.0.113.7-203.0.113.7"}`))}}, abi.Succeeded, "", "", nil, 0},
		{"useAsExemptList cannot be set", `{"zone":"nzo1","patch":{"useAsExemptList":true}}`, answering{get: {answer(200, aZone)}}, abi.Rejected, "zone_use", get + id, []string{"useAsExemptList"}, 0},
		{"useAsBlackList cannot be set", `{"zone":"nzo1","patch":{"name":"Y","useAsBlackList":true}}`, answering{get: {answer(200, aZone)}}, abi.Rejected, "zone_use", get + id, nil, 0},
		{"the exempt list stays exempt", `{"zone":"nzo1","patch":{"useAsExemptList":null}}`, answering{get: {answer(200, exempt)}}, abi.Rejected, "zone_use", get + id, nil, 0},
		{"useAsExemptList with its current value", `{"zone":"nzo1","patch":{"useAsExemptList":true,"useAsBlackList":false}}`, answering{get: {answer(200, exempt)}}, abi.Unchanged, "", get + id, nil, 0},
		{"other members of an entry are kept", `{"zone":"nzo1","patch":{"gateways":[{"type":"RANGE","value":"5.5.5.5","note":"lab"}]}}`, answering{get: {answer(200, aZone)}, put: {answer(200, with(`{"type":"RANGE","value":"5.5.5.5-5.5.5.5","note":"lab"}`))}}, abi.Succeeded, "",
			looked + head + `"gateways":[{"type":"RANGE","value":"5.5.5.5-5.5.5.5","note":"lab"}]}`, nil, 0},
		{"a dynamic zone has no addresses", input, answering{get: {answer(200, dynamic)}}, abi.Rejected, "zone_type", get + id, []string{"DYNAMIC"}, 0},
		{"missing", input, answering{get: {notFound("NetworkZone")}}, abi.NotFound, "not_found", get + id, nil, 0},
		{"changed since it was read", input, answering{get: {answer(200, aZone), answer(200, added)}}, abi.Rejected, "changed_meanwhile", "", nil, 0},
		{"changed while another change was under way", input, answering{get: {answer(200, aZone), answer(200, aZone), answer(200, added)}, put: {answer(409, `{"errorCode":"E0000249"}`), answer(200, added)}}, abi.Rejected, "changed_meanwhile", "", nil, 0},
		{"another change is under way", input, answering{get: {answer(200, aZone)}, put: {answer(409, `{"errorCode":"E0000268"}`), answer(200, added)}}, abi.Succeeded, "", "", nil, 0},
		{"no address", `{"zone":"nzo1","add_gateways":["10.0.0.0/33"]}`, nil, abi.Invalid, "input", "none", []string{`add_gateways: "10.0.0.0/33"`}, 0},
		{"a range from high to low", `{"zone":"nzo1","remove_proxies":["10.0.0.9-10.0.0.1"]}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"added and removed", `{"zone":"nzo1","add_gateways":["10.0.0.1"],"remove_gateways":["10.0.0.1/32"]}`, nil, abi.Invalid, "input", "none", []string{"both"}, 0},
		{"a patch of the same list", `{"zone":"nzo1","add_gateways":["10.0.0.1"],"patch":{"gateways":[]}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"a patch with an invalid address", `{"zone":"nzo1","patch":{"gateways":[{"type":"CIDR","value":"x"}]}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"a patch whose list is a string", `{"zone":"nzo1","patch":{"gateways":"1.2.3.4"}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"a read-only member", `{"zone":"nzo1","patch":{"system":true}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"refused", input, answering{get: {answer(200, aZone)}, put: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"Okta rejects it", input, answering{get: {answer(200, aZone)}, put: {answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: gateways","errorCauses":[{"errorSummary":"gateways: too many"}]}`)}},
			abi.Rejected, "rejected", "", []string{"too many"}, 0},
		{"response lost, done", input, answering{get: {answer(200, aZone), answer(200, aZone), answer(200, added)}, put: {lost}}, abi.Succeeded, "", "", []string{`"after":` + added}, 0},
		{"response lost, not done", input, answering{get: {answer(200, aZone)}, put: {answer(503, "")}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, cannot be read back", input, answering{get: {answer(200, aZone), answer(200, aZone), unsent}, put: {lost}}, abi.Unknown, "unknown", "", nil, 0},
	} {
		c.run(t, "update_zone")
	}
}

// TestUpdateZone_Status_IsSetByItsOwnRequest: a zone is deactivated before other changes, and activated after them.
func TestUpdateZone_Status_IsSetByItsOwnRequest(t *testing.T) {
	const get, put = "GET /api/v1/zones/{zoneId}", "PUT /api/v1/zones/{zoneId}"
	on, off := activateZone.Endpoint, deactivateZone.Endpoint
	const id = " [zoneId:nzo1]"
	inactive := strings.Replace(aZone, `"ACTIVE"`, `"INACTIVE"`, 1)
	renamed := func(zone string) string {
		return strings.Replace(strings.Replace(zone, `"Z"`, `"Y"`, 1), `"lastUpdated":"2026-01-01`, `"lastUpdated":"2026-01-02`, 1)
	}
	for _, c := range []invoking{
		{"off alone", `{"zone":"nzo1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, aZone), answer(200, inactive)}, off: {answer(200, inactive)}}, abi.Succeeded, "",
			get + id + "\n" + off + id + "\n" + get + id, []string{`"before":` + aZone, `"after":` + inactive, "no longer refused"}, 0},
		{"deactivated, then renamed", `{"zone":"nzo1","patch":{"status":"INACTIVE","name":"Y"}}`,
			answering{get: {answer(200, aZone), answer(200, inactive), answer(200, inactive), answer(200, inactive), answer(200, renamed(inactive))}, off: {answer(200, inactive)}, put: {answer(200, renamed(inactive))}}, abi.Succeeded, "",
			"", []string{`"before":` + aZone, `"after":` + renamed(inactive), "no longer refused"}, 0},
		{"renamed, then activated", `{"zone":"nzo1","patch":{"status":"ACTIVE","name":"Y"}}`,
			answering{get: {answer(200, inactive), answer(200, inactive), answer(200, renamed(inactive)), answer(200, renamed(aZone))}, on: {answer(200, aZone)}, put: {answer(200, renamed(inactive))}}, abi.Succeeded, "",
			get + id + "\n" + get + id + "\n" + put + id + ` {"type":"IP","name":"Y","status":"INACTIVE","usage":"BLOCKLIST","gateways":[{"type":"CIDR","value":"1.2.3.4/24"},{"type":"RANGE","value":"192.168.1.2-192.168.1.2"}]}` +
				"\n" + get + id + "\n" + on + id + "\n" + get + id + "\n" + get + id, []string{`"after":` + renamed(aZone)}, 0},
		{"the same status", `{"zone":"nzo1","patch":{"status":"ACTIVE"}}`, answering{get: {answer(200, aZone)}}, abi.Unchanged, "", get + id, nil, 0},
		{"an invalid status", `{"zone":"nzo1","patch":{"status":"OFF"}}`, nil, abi.Invalid, "input", "none", []string{"ACTIVE or INACTIVE"}, 0},
		{"taken away", `{"zone":"nzo1","patch":{"status":null}}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"refused", `{"zone":"nzo1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, aZone)}, off: {forbidden}}, abi.Rejected, "forbidden", get + id + "\n" + off + id, nil, 0},
		{"deactivated, the rest is refused", `{"zone":"nzo1","patch":{"status":"INACTIVE","name":"Y"}}`, answering{get: {answer(200, aZone), answer(200, inactive)}, off: {answer(200, inactive)}, put: {forbidden}}, abi.Rejected, "forbidden", "",
			[]string{"is now INACTIVE, but was not changed otherwise", `"after":` + inactive}, 0},
		{"the status of the exempt zone", `{"zone":"nzo1","patch":{"status":"INACTIVE"}}`, answering{get: {answer(200, strings.Replace(strings.Replace(aZone, `"Z"`, `"DefaultExemptIpZone"`, 1), `"system":false`, `"system":true`, 1))}}, abi.Rejected, "zone_use", get + id, nil, 0},
		{"proxies of the exempt zone", `{"zone":"nzo1","add_proxies":["10.0.0.1"]}`, answering{get: {answer(200, strings.Replace(strings.Replace(aZone, `"Z"`, `"DefaultExemptIpZone"`, 1), `"system":false`, `"system":true`, 1))}}, abi.Rejected, "zone_use", get + id, []string{"gateways"}, 0},
	} {
		c.run(t, "update_zone")
	}
}

// TestZones_ByName_AreFoundInTheList: exactly one name must match.
func TestZones_ByName_AreFoundInTheList(t *testing.T) {
	const get, all = "GET /api/v1/zones/{zoneId}", "GET /api/v1/zones"
	other := strings.Replace(strings.Replace(aZone, `"nzo1"`, `"nzo2"`, 1), `"name":"Z"`, `"name":"Head office"`, 1)
	for _, c := range []invoking{
		{"one", `{"zone":"Head office"}`, answering{all: {answer(200, "["+aZone+","+other+"]")}, get: {answer(200, other)}}, abi.Succeeded, "", all + "\n" + get + " [zoneId:nzo2]", nil, 1},
		{"on the second page", `{"zone":"Head office"}`, answering{all: {paged("["+aZone+"]", "/api/v1/zones?after=nzo1"), answer(200, "["+other+"]")}, get: {answer(200, other)}}, abi.Succeeded, "",
			all + "\n" + all + " -> /api/v1/zones?after=nzo1\n" + get + " [zoneId:nzo2]", nil, 1},
		{"none", `{"zone":"Lab"}`, answering{get: {notFound("NetworkZone")}, all: {answer(200, "["+aZone+"]")}}, abi.NotFound, "not_found", get + " [zoneId:Lab]\n" + all, []string{"list_zones"}, 0},
		{"a name of letters only", `{"zone":"Lab"}`, answering{get: {notFound("NetworkZone"), answer(200, aZone)}, all: {answer(200, "["+strings.Replace(aZone, `"Z"`, `"Lab"`, 1)+"]")}}, abi.Succeeded, "", "", nil, 1},
		{"an id of another form", `{"zone":"zone7"}`, answering{get: {answer(200, aZone)}}, abi.Succeeded, "", get + " [zoneId:zone7]\n" + get + " [zoneId:zone7]", nil, 1},
		{"in another case", `{"zone":"head Office"}`, answering{all: {answer(200, "["+other+"]")}}, abi.NotFound, "not_found", all, []string{`Did you mean "Head office"`}, 0},
		{"two", `{"zone":"Z"}`, answering{get: {notFound("NetworkZone")}, all: {answer(200, "["+aZone+","+strings.Replace(aZone, "nzo1", "nzo3", 1)+"]")}}, abi.Rejected, "ambiguous", "", []string{"nzo1, nzo3"}, 0},
		{"refused", `{"zone":"Head office"}`, answering{all: {forbidden}}, abi.Rejected, "forbidden", all + "\n" + all + "\n" + all, nil, 0},
	} {
		c.run(t, "get_zone")
	}
	put := "PUT /api/v1/zones/{zoneId}"
	added := strings.Replace(other, `"gateways":[`, `"gateways":[{"type":"RANGE","value":"203.0.113.7-203.0.113.7"},`, 1)
	invoking{"changed", `{"zone":"Head office","add_gateways":["203.0.113.7"]}`, answering{all: {answer(200, "["+aZone+","+other+"]")}, get: {answer(200, other)}, put: {answer(200, added)}}, abi.Succeeded, "", "", []string{`"after":` + added}, 0}.run(t, "update_zone")
}

// TestUpdateZone_WideBlock_NeedsAllowWide: locking out everybody may be a mistake. A zone that already does so is not a
// change.
func TestUpdateZone_WideBlock_NeedsAllowWide(t *testing.T) {
	zone := func(typ, usage, status, conditions string) string {
		return `{"type":"` + typ + `","id":"nzo1","name":"Z","usage":"` + usage + `","status":"` + status + `",` + conditions + `,"lastUpdated":"2026-01-01T00:00:00.000Z"}`
	}
	v1 := func(usage, conditions string) string { return zone("DYNAMIC", usage, "ACTIVE", conditions) }
	v2 := func(usage, conditions string) string { return zone("DYNAMIC_V2", usage, "ACTIVE", conditions) }
	const us, usCA, be = `{"country":"US","region":null}`, `{"country":"US","region":"US-CA"}`, `{"country":"BE"}`
	for _, c := range []struct{ name, before, patch, refused string }{
		{"every proxy becomes a blocklist", v1("POLICY", `"proxyType":"Any","locations":null,"asns":[]`), `{"usage":"BLOCKLIST"}`, "every proxy in every country"},
		{"no condition becomes a blocklist", v1("POLICY", `"proxyType":"","locations":null,"asns":[]`), `{"usage":"BLOCKLIST"}`, "every address in every country"},
		{"proxyType null is no condition", v1("POLICY", `"proxyType":"null","locations":[],"asns":null`), `{"usage":"BLOCKLIST"}`, "every address in every country"},
		{"one kind of proxy", v1("POLICY", `"proxyType":"Tor","locations":null,"asns":[]`), `{"usage":"BLOCKLIST"}`, ""},
		{"the last condition is removed", v1("BLOCKLIST", `"proxyType":"Tor","locations":null,"asns":[]`), `{"proxyType":null}`, "every address"},
		{"the kind of proxy becomes Any", v1("BLOCKLIST", `"proxyType":"Tor","locations":null,"asns":[]`), `{"proxyType":"Any"}`, "every proxy"},
		{"a whole country", v1("BLOCKLIST", `"proxyType":"","locations":[`+usCA+`],"asns":[]`), `{"locations":[` + usCA + `,` + be + `]}`, "in the whole of BE"},
		{"a country whose region was blocked", v1("BLOCKLIST", `"proxyType":"","locations":[`+usCA+`],"asns":[]`), `{"locations":[` + us + `]}`, "in the whole of US"},
		{"a region", v1("BLOCKLIST", `"proxyType":"","locations":[`+us+`],"asns":[]`), `{"locations":[` + us + `,{"country":"BE","region":"BE-VAN"}]}`, ""},
		{"a country that is already blocked", v1("BLOCKLIST", `"proxyType":"","locations":[`+us+`],"asns":[]`), `{"name":"Y"}`, ""},
		{"one country less", v1("BLOCKLIST", `"proxyType":"","locations":[`+us+`,`+be+`],"asns":[]`), `{"locations":[` + us + `]}`, ""},
		{"all countries become one", v1("BLOCKLIST", `"proxyType":"Any","locations":null,"asns":[]`), `{"locations":[` + us + `]}`, ""},
		{"the last country is removed", v1("BLOCKLIST", `"proxyType":"","locations":[`+us+`],"asns":[]`), `{"locations":null}`, "every address in every country"},
		{"an autonomous system", v1("BLOCKLIST", `"proxyType":"","locations":null,"asns":["64496"]`), `{"asns":["64496","64497"]}`, ""},
		{"an autonomous system bounds a country", v1("BLOCKLIST", `"proxyType":"","locations":null,"asns":["64496"]`), `{"locations":[` + us + `]}`, ""},
		{"the autonomous system is removed", v1("BLOCKLIST", `"proxyType":"","locations":[`+us+`],"asns":["64496"]`), `{"asns":[]}`, "in the whole of US"},
		{"the proxies of a country become all of it", v1("BLOCKLIST", `"proxyType":"Any","locations":[`+us+`],"asns":[]`), `{"proxyType":null}`, "every address in the whole of US"},
		{"an inactive zone is activated", zone("DYNAMIC", "BLOCKLIST", "INACTIVE", `"proxyType":"Any","locations":null,"asns":[]`), `{"status":"ACTIVE"}`, "every proxy"},
		{"an inactive zone is renamed", zone("DYNAMIC", "BLOCKLIST", "INACTIVE", `"proxyType":"Any","locations":null,"asns":[]`), `{"name":"Y"}`, ""},
		{"a zone for policies may have all addresses", v1("POLICY", `"proxyType":"Tor","locations":null,"asns":[]`), `{"proxyType":"Any"}`, ""},
		{"an enhanced zone loses its last condition", v2("BLOCKLIST", `"locations":{"include":[`+usCA+`],"exclude":[]},"ipServiceCategories":{"include":[],"exclude":[]},"asns":{"include":[],"exclude":[]}`), `{"locations":null}`, "every address in every country"},
		{"an exclusion does not bound", v2("POLICY", `"locations":{"include":[],"exclude":[`+be+`]},"ipServiceCategories":{"include":[],"exclude":[]},"asns":{"include":[],"exclude":[]}`), `{"usage":"BLOCKLIST"}`, "every address in every country"},
		{"all of a category", v2("BLOCKLIST", `"locations":{"include":[],"exclude":[]},"ipServiceCategories":{"include":["NORD_VPN"],"exclude":[]},"asns":{"include":[],"exclude":[]}`), `{"ipServiceCategories":{"include":["NORD_VPN","ALL_PROXIES_VPNS"]}}`, "ALL_PROXIES_VPNS in every country"},
		{"one service more", v2("BLOCKLIST", `"locations":{"include":[],"exclude":[]},"ipServiceCategories":{"include":["NORD_VPN"],"exclude":[]},"asns":{"include":[],"exclude":[]}`), `{"ipServiceCategories":{"include":["NORD_VPN","AVAST_VPN"]}}`, ""},
		{"an exclusion is removed", v2("BLOCKLIST", `"locations":{"include":[],"exclude":[`+be+`]},"ipServiceCategories":{"include":["ALL_ANONYMIZERS"],"exclude":[]},"asns":{"include":[],"exclude":[]}`), `{"locations":{"exclude":[]}}`, "ALL_ANONYMIZERS"},
		{"an exclusion is added", v2("BLOCKLIST", `"locations":{"include":[],"exclude":[]},"ipServiceCategories":{"include":["ALL_ANONYMIZERS"],"exclude":[]},"asns":{"include":[],"exclude":[]}`), `{"locations":{"exclude":[` + be + `]}}`, ""},
		{"all addresses become exempt", strings.Replace(zone("IP", "POLICY", "ACTIVE", `"system":true,"gateways":[],"proxies":null`), `"Z"`, `"DefaultExemptIpZone"`, 1), `{"gateways":[{"type":"CIDR","value":"0.0.0.0/0"}]}`, "from every blocklist"},
		{"a network becomes exempt", strings.Replace(zone("IP", "POLICY", "ACTIVE", `"system":true,"gateways":[],"proxies":null`), `"Z"`, `"DefaultExemptIpZone"`, 1), `{"gateways":[{"type":"CIDR","value":"10.0.0.0/8"}]}`, ""},
		{"all addresses are already exempt", strings.Replace(zone("IP", "POLICY", "ACTIVE", `"system":true,"gateways":[{"type":"CIDR","value":"0.0.0.0/0"}],"proxies":null`), `"Z"`, `"DefaultExemptIpZone"`, 1), `{"gateways":[{"type":"CIDR","value":"0.0.0.0/0"},{"type":"CIDR","value":"10.0.0.0/8"}]}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := zoneChange{patch: parse(t, c.patch)}
			_, refused := change.merge(parse(t, c.before))
			switch {
			case c.refused == "" && refused != nil:
				t.Errorf("refused: %s", refused.Err.Message)
			case c.refused != "" && (refused == nil || refused.Outcome != abi.Rejected || !strings.Contains(refused.Err.Message, c.refused) || !strings.Contains(refused.Err.Message, "allow_wide")):
				t.Errorf("%+v, want %q", refused, c.refused)
			}
			change.wide = true
			if _, refused := change.merge(parse(t, c.before)); refused != nil {
				t.Errorf("refused despite allow_wide: %s", refused.Err.Message)
			}
		})
	}
}

// TestCreateZone_EachResponse_HasItsOutcome: an address is stored as a range, and compared by meaning.
func TestCreateZone_EachResponse_HasItsOutcome(t *testing.T) {
	const list, create = "GET /api/v1/zones", "POST /api/v1/zones"
	const in = `{"name":"Branch","gateways":["192.0.2.7","10.1.2.3/8"]}`
	zone := func(name, gateways, more string) string {
		return `{"id":"nzo1","type":"IP","name":"` + name + `","status":"ACTIVE","usage":"POLICY","gateways":` + gateways + `,"proxies":null` + more + `}`
	}
	const stored = `[{"type":"RANGE","value":"192.0.2.7-192.0.2.7"},{"type":"CIDR","value":"10.0.0.0/8"}]`
	made := zone("Branch", stored, `,"created":"2026-01-02T03:04:06.000Z"`)
	none, done := answer(200, "[]"), answer(200, made)
	for _, c := range []invoking{
		{"created", in, answering{list: {none}, create: {done}}, abi.Succeeded, "", list + "\n" + create + ` {"name":"Branch","status":"ACTIVE","usage":"POLICY","type":"IP","gateways":` + stored + `}`, []string{made, "10.1.2.3/8 means 10.0.0.0/8"}, 1},
		{"the name is in use", in, answering{list: {answer(200, "["+zone("branch", "[]", "")+"]")}}, abi.Rejected, "name_taken", list, []string{`"existing_id":"nzo1"`}, 0},
		{"another client was first", in, answering{list: {none, answer(200, "["+zone("Branch", "[]", "")+"]")}, create: {answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: name"}`)}}, abi.Rejected, "name_taken", "", nil, 0},
		{"refused", in, answering{list: {none}, create: {answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: gateways"}`)}}, abi.Rejected, "rejected", "", nil, 0},
		{"without permission", in, answering{list: {none}, create: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
		{"with another address", in, answering{list: {none}, create: {answer(200, zone("Branch", `[{"type":"CIDR","value":"10.0.0.0/8"}]`, ""))}}, abi.Rejected, "not_as_asked", "", []string{"gateways", "was created nevertheless"}, 0},
		{"response lost, not done", in, answering{list: {none}, create: {lost}}, abi.Unavailable, "unavailable", "", nil, 0},
		{"response lost, another zone of the name", in, answering{list: {none, answer(200, "["+zone("Branch", "[]", "")+"]")}, create: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"response lost, cannot be read back", in, answering{list: {none, answer(500, "")}, create: {lost}}, abi.Unknown, "unknown", "", nil, 0},
		{"not an address", `{"name":"Branch","gateways":["300.1.2.3"]}`, nil, abi.Invalid, "input", "none", nil, 0},
		{"a blocklist of everything", `{"name":"Branch","usage":"BLOCKLIST","gateways":["0.0.0.0/0"]}`, nil, abi.Rejected, "locks_out", "none", nil, 0},
		{"a policy zone of everything", `{"name":"Branch","gateways":["0.0.0.0/0"]}`, answering{list: {none}, create: {answer(200, zone("Branch", `[{"type":"CIDR","value":"0.0.0.0/0"}]`, ""))}}, abi.Succeeded, "", "", nil, 1},
	} {
		c.run(t, "create_zone")
	}
}

// TestCheckLockout_ManyRanges_CountTogether: a zone that is too wide is refused, no matter into how many ranges or
// changes it is divided.
func TestCheckLockout_ManyRanges_CountTogether(t *testing.T) {
	blocks := func(n, step int, format string) (all []string) {
		for i := 0; i < n; i++ {
			all = append(all, fmt.Sprintf(format, i*step))
		}
		return all
	}
	all := strings.Fields
	for _, c := range []struct {
		name        string
		before, now []string
		refused     string
	}{
		{"every /8", nil, blocks(256, 1, "%d.0.0.0/8"), "0.0.0.0/0"},
		{"every second /8", nil, blocks(128, 2, "%d.0.0.0/8"), "one of 128 ranges"},
		{"adjacent blocks", nil, all("10.0.0.0/8 11.0.0.0/8"), "10.0.0.0/7"},
		{"adjacent ranges", nil, all("10.0.0.0-10.200.0.0 10.200.0.1-11.0.0.0"), "10.0.0.0-11.0.0.0"},
		{"adjacent at the last address", nil, all("255.0.0.0/8 254.255.255.255"), "254.255.255.255-255.255.255.255"},
		{"a gap that is filled", all("10.0.0.0/9 11.0.0.0/9"), all("10.0.0.0/9 11.0.0.0/9 10.128.0.0/9"), "10.0.0.0-11.127.255.255"},
		{"two networks", nil, all("10.0.0.0/8 12.0.0.0/8"), "one of 2 ranges"},
		{"a second step", all("10.0.0.0/8"), all("10.0.0.0/8 12.0.0.0/9"), "one of 2 ranges"},
		{"many /16 blocks", nil, append(blocks(128, 2, "1.%d.0.0/16"), append(blocks(128, 2, "3.%d.0.0/16"), blocks(128, 2, "5.%d.0.0/16")...)...), "one of 384 ranges"},
		{"overlapping blocks count once", nil, all("10.0.0.0/8 10.0.0.0/9 10.1.0.0/16 10.0.0.0-10.255.255.255 10.2.3.4"), ""},
		{"overlapping ranges", nil, all("10.0.0.0-10.200.0.0 10.100.0.0-10.255.255.255"), ""},
		{"a network and a few addresses", nil, all("10.0.0.0/8 192.0.2.7 198.51.100.0/24 203.0.113.1-203.0.113.9"), ""},
		{"a network and a /16", nil, all("10.0.0.0/8 192.0.0.0/16"), ""},
		{"a network, a /16 and an address", nil, all("10.0.0.0/8 192.0.0.0/16 203.0.113.1"), "one of 3 ranges"},
		{"many addresses", nil, append(blocks(250, 1, "192.0.2.%d"), blocks(250, 1, "198.51.%d.7")...), ""},
		{"IPv6 networks", nil, all("2400::/12 2600::/12"), "one of 2 ranges"},
		{"adjacent IPv6 networks", nil, all("2400::/12 2410::/12"), "2400::/11"},
		{"every IPv6 /12", nil, blocks(4096, 16, "%x::/12"), "::/0"},
		{"an IPv6 network and a /20", nil, all("2400::/12 2600::/20 2400:1::/32"), ""},
		{"an IPv6 network, a /20 and an address", nil, all("2400::/12 2600::/20 2a00::1"), "one of 3 ranges"},
		{"a network of IPv4 and one of IPv6", nil, all("10.0.0.0/8 2400::/12"), ""},
		{"a zone that is wide stays", all("10.0.0.0/8 12.0.0.0/8"), all("10.0.0.0/8 12.0.0.0/8"), ""},
		{"a zone that is wide in another spelling", all("10.0.0.0/8 11.0.0.0/8"), all("10.0.0.0/7"), ""},
		{"a part of a zone that is wide", all("0.0.0.0/0"), all("10.0.0.0/8 12.0.0.0/8 14.0.0.0/8"), ""},
		{"a zone that is wide grows", all("10.0.0.0/8 12.0.0.0/8"), all("10.0.0.0/8 12.0.0.0/8 192.0.2.7"), "one of 3 ranges"},
		{"another family in a zone that is wide", all("10.0.0.0/8 12.0.0.0/8"), all("10.0.0.0/8 12.0.0.0/8 2001:db8::/32"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone := func(entries []string, status string) jsonval.Value {
				var list []string
				for _, e := range entries {
					s, _, ok := parseSpan(e)
					if !ok {
						t.Fatalf("%s is no span", e)
					}
					list = append(list, s.entry())
				}
				return parse(t, `{"type":"IP","usage":"BLOCKLIST","status":"`+status+`","gateways":[`+strings.Join(list, ",")+`]}`)
			}
			check := func(before, after jsonval.Value, want string) {
				t.Helper()
				refused := checkLockout(before, after)
				if (refused != nil) != (want != "") || refused != nil && (refused.Err.Code != "locks_out" || !strings.Contains(refused.Err.Message, want)) {
					t.Errorf("%+v, want %q", refused, want)
				}
			}
			after := zone(c.now, "ACTIVE")
			check(zone(c.before, "ACTIVE"), after, c.refused)
			slices.Reverse(c.now)
			check(zone(c.before, "ACTIVE"), zone(c.now, "ACTIVE"), c.refused)
			if c.before == nil {
				check(zone(c.now, "INACTIVE"), after, c.refused) // it is activated
			}
		})
	}
}

// TestZones_ManyBlocks_NeedAllowWide in each operation that could lock everybody out.
func TestZones_ManyBlocks_NeedAllowWide(t *testing.T) {
	const get = "GET /api/v1/zones/{zoneId}"
	var texts, entries []string
	for i := range 256 {
		texts = append(texts, fmt.Sprintf(`"%d.0.0.0/8"`, i))
		entries = append(entries, fmt.Sprintf(`{"type":"CIDR","value":"%d.0.0.0/8"}`, i))
	}
	every, blocks := strings.Join(texts, ","), strings.Join(entries, ",")
	read, off := answer(200, aZone), answer(200, `{"id":"nzo1","name":"Z","type":"IP","status":"INACTIVE","usage":"BLOCKLIST","gateways":[`+blocks+`]}`)
	one := answer(200, strings.Replace(aZone, `"gateways":[`, `"gateways":[{"type":"CIDR","value":"10.0.0.0/8"},`, 1))
	for _, c := range []struct {
		op string
		invoking
	}{
		{"create_zone", invoking{"created", `{"name":"Branch","usage":"BLOCKLIST","gateways":[` + every + `]}`, nil, abi.Rejected, "locks_out", "none", []string{"allow_wide"}, 0}},
		{"update_zone", invoking{"added", `{"zone":"nzo1","add_gateways":[` + every + `]}`, answering{get: {read}}, abi.Rejected, "locks_out", get + " [zoneId:nzo1]", nil, 0}},
		{"update_zone", invoking{"added in steps", `{"zone":"nzo1","add_gateways":["12.0.0.0/8"]}`, answering{get: {one}}, abi.Rejected, "locks_out", get + " [zoneId:nzo1]", nil, 0}},
		{"update_zone", invoking{"replaced", `{"zone":"nzo1","patch":{"gateways":[` + blocks + `]}}`, answering{get: {read}}, abi.Rejected, "locks_out", get + " [zoneId:nzo1]", nil, 0}},
		{"zone_lifecycle_action", invoking{"activated", `{"zone":"nzo1","action":"activate"}`, answering{get: {off}}, abi.Rejected, "locks_out", get + " [zoneId:nzo1]", nil, 0}},
	} {
		t.Run(c.op, func(t *testing.T) { c.run(t, c.op) })
	}
}
