package oktatest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

const (
	blockedZone  = "/api/v1/zones/nzoJ4xPmfiDjGljzcwkO"
	exemptZone   = "/api/v1/zones/nzotmdmwJbK2Z603cwkO"
	officesZone  = "/api/v1/zones/nzoxUp7tbOzCSfwvcwkO"
	torZone      = "/api/v1/zones/nzoQE58LEVVZRJSscwkO"
	enhancedZone = "/api/v1/zones/nzogtUhYQUNnC5srcwkO"
)

// gateways returns a list of n addresses.
func gateways(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"type":"RANGE","value":"10.0.%d.%d"}`, i/250, i%250))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func TestReplaceZone_InvalidValue_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, c := range []struct {
		name, zone string
		changes    []string
		status     int
	}{
		{"BlockedIpZone without system", blockedZone, []string{"gateways", gateways(1)}, 400},
		{"BlockedIpZone with system", blockedZone, []string{"gateways", gateways(1), "system", "true"}, 200},
		{"another zone as a system zone", officesZone, []string{"system", "true"}, 400},
		{"exempt without useAsExemptList", exemptZone, []string{"gateways", gateways(1)}, 400},
		{"exempt", exemptZone, []string{"gateways", gateways(1), "useAsExemptList", "true"}, 200},
		{"exempt, another usage", exemptZone, []string{"usage", `"BLOCKLIST"`, "useAsExemptList", "true"}, 400},
		{"exempt, another status", exemptZone, []string{"status", `"INACTIVE"`, "useAsExemptList", "true"}, 400},
		{"exempt, proxies", exemptZone, []string{"proxies", gateways(1), "useAsExemptList", "true"}, 400},
		{"another zone as exempt list", officesZone, []string{"useAsExemptList", "true"}, 400},
		{"150 gateways", officesZone, []string{"gateways", gateways(150)}, 200},
		{"151 gateways", officesZone, []string{"gateways", gateways(151)}, 400},
		{"1,000 blocked", officesZone, []string{"gateways", gateways(1000), "usage", `"BLOCKLIST"`}, 200},
		{"1,001 blocked", officesZone, []string{"gateways", gateways(1001), "usage", `"BLOCKLIST"`}, 400},
		{"151 proxies", officesZone, []string{"proxies", gateways(151)}, 400},
		{"76 locations", torZone, []string{"locations", "[" + strings.Repeat(`{"country":"US"},`, 75) + `{"country":"BE"}]`}, 400},
		{"a name in use", officesZone, []string{"name", `"Anonymizers"`}, 400},
		{"an unknown usage", officesZone, []string{"usage", `"ALLOWLIST"`}, 400},
		{"an unknown status", officesZone, []string{"status", `"ON"`}, 400},
		{"a range as CIDR", officesZone, []string{"gateways", `[{"type":"CIDR","value":"10.0.0.1-10.0.0.2"}]`}, 400},
		{"a block as range", officesZone, []string{"gateways", `[{"type":"RANGE","value":"10.0.0.0/8"}]`}, 400},
		{"an address without type", officesZone, []string{"gateways", `[{"value":"10.0.0.1"}]`}, 400},
	} {
		before := h.get(c.zone).body
		r := h.send("PUT", c.zone, h.replaced(c.zone, c.changes...))
		if r.Code != c.status || (c.status == 400) != (r.code() == "E0000001") {
			t.Errorf("%s: %d %.300s", c.name, r.Code, r.body)
		}
		if c.status == 400 && h.get(c.zone).body != before {
			t.Errorf("%s: changed nevertheless", c.name)
		}
	}
}

func TestReplaceZone_OfTheExemptZone_HasMoreMembersThanAGet(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	r := h.send("PUT", exemptZone, h.replaced(exemptZone, "useAsExemptList", "true"))
	same(t, "PUT", r.get("useAsExemptList").Raw+r.get("useAsBlackList").Raw, "truefalse")
	same(t, "GET", h.get(exemptZone).get("useAsExemptList").Exists(), false)
}

func TestZoneLocations_AfterAPut_HaveOktasOrder(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	var seen []string
	for _, locations := range []string{
		`[{"country":"US"},{"country":"UA","region":"UA-26"},{"country":"AF","region":"AF-BGL"}]`,
		`[{"country":"AF","region":"AF-BGL"},{"country":"US","region":null},{"country":"UA","region":"UA-26"}]`,
	} {
		r := h.send("PUT", torZone, h.replaced(torZone, "locations", locations))
		h.want(r, 200, "")
		seen = append(seen, r.get("locations").Raw)
	}
	same(t, "order", seen[0], seen[1])
}

func TestZoneLifecycle_Repeated_Succeeds(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, step := range []struct{ action, status, event string }{
		{"activate", "ACTIVE", "zone.activate"}, {"activate", "ACTIVE", ""},
		{"deactivate", "INACTIVE", "zone.deactivate"}, {"deactivate", "INACTIVE", ""},
	} {
		before := h.org.EventCount()
		r := h.post(enhancedZone+"/lifecycle/"+step.action, "")
		h.want(r, 200, "")
		same(t, step.action, r.get("status").Str+" "+strings.Join(h.events(before), " "), step.status+" "+step.event)
	}
	h.want(h.post(exemptZone+"/lifecycle/deactivate", ""), 400, "E0000001")
	h.want(h.post(exemptZone+"/lifecycle/activate", ""), 200, "")
}
