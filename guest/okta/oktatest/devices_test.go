package oktatest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// deviceOf returns the id of a seeded device with a status.
func (h *harness) deviceOf(status string) string {
	h.Helper()
	for _, d := range h.org.Devices() {
		if gjson.GetBytes(d, "status").Str == status {
			return gjson.GetBytes(d, "id").Str
		}
	}
	h.Fatalf("no device is %s", status)
	return ""
}

func (h *harness) deviceStatus(id string) string {
	d, _ := h.org.Device(id)
	return gjson.GetBytes(d, "status").Str
}

func TestDevices_Listed_AreInOrder(t *testing.T) {
	h := newHarness(t, oktatest.Config{Devices: 11})
	var want []string
	for _, d := range h.org.Devices() {
		want = append(want, gjson.GetBytes(d, "id").Str)
	}
	got, pages := h.pages("/api/v1/devices?limit=4", "#.id")
	same(t, "devices", got, want)
	same(t, "pages", pages, 3)
	r := h.get("/api/v1/devices/" + want[0])
	h.want(r, 200, "")
	same(t, "by id", r.body, h.get("/api/v1/devices").get("0").Raw)
	r = h.get("/api/v1/devices/guonowhere")
	h.want(r, 404, "E0000007")
	same(t, "summary", r.get("errorSummary").Str, "Not found: Resource not found: guonowhere (Device)")

	r = h.get("/api/v1/devices?after=elsewhere")
	h.want(r, 400, "E0000031")
	same(t, "cause", r.strings("errorCauses.#.errorSummary"), "[Invalid cursor.]")
	h.want(h.get("/api/v1/devices?limit=0"), 400, "E0000001")
	h.want(h.get("/api/v1/devices?expand=users"), 400, "E0000001")
	many := newHarness(t, oktatest.Config{Devices: 250})
	same(t, "default limit", len(many.get("/api/v1/devices").strings("#.id")), 200)
	same(t, "greatest limit", len(many.get("/api/v1/devices?limit=200").strings("#.id")), 200)
}

func TestDevices_Searched_AreFound(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := h.deviceOf("SUSPENDED")
	for search, want := range map[string]int{
		`status eq "ACTIVE"`:                                       5,
		`id eq "` + id + `"`:                                       1,
		`profile.displayName sw "macbook-"`:                        2,
		`profile.displayName co "PHONE" and status eq "SUSPENDED"`: 1,
		`profile.registered eq true`:                               8,
		`lastUpdated lt "2031-05-06T12:00:00.000Z"`:                8,
		`profile.imei pr`:                                          2,
		`profile.displayName eq "nothing"`:                         0,
	} {
		same(t, search, len(h.get("/api/v1/devices?search="+url.QueryEscape(search)).strings("#.id")), want)
	}
	for _, search := range []string{`profile.platform co "IOS"`, `created pr`, `profile.colour eq "red"`, `status ne "ACTIVE"`, `status`} {
		h.want(h.get("/api/v1/devices?search="+url.QueryEscape(search)), 400, "E0000031")
	}
}

func TestDeviceSearch_AfterAChange_LagsBehind(t *testing.T) {
	h := newHarness(t, oktatest.Config{SearchDelay: time.Minute})
	suspended := func() int {
		return len(h.get("/api/v1/devices?search=" + url.QueryEscape(`status eq "SUSPENDED"`)).strings("#.id"))
	}
	id := h.deviceOf("ACTIVE")
	h.want(h.post("/api/v1/devices/"+id+"/lifecycle/suspend", ""), 204, "")
	same(t, "by id", h.get("/api/v1/devices/"+id).get("status").Str, "SUSPENDED")
	same(t, "searched immediately", suspended(), 1)
	h.clock.advance(time.Minute)
	same(t, "searched later", suspended(), 2)
	gone := h.deviceOf("DEACTIVATED")
	h.want(h.send("DELETE", "/api/v1/devices/"+gone, ""), 204, "")
	if slices.Contains(h.get("/api/v1/devices").strings("#.id"), gone) {
		t.Error("a deleted device is listed")
	}
	if !slices.Contains(h.get("/api/v1/devices?search=status+pr").strings("#.id"), gone) {
		t.Error("a device that was just deleted is not found")
	}
}

func TestDeviceLifecycle_EachStatus_HasItsResponse(t *testing.T) {
	allowed := map[string]map[string]string{
		"activate":   {"CREATED": "ACTIVE", "DEACTIVATED": "ACTIVE"},
		"deactivate": {"ACTIVE": "DEACTIVATED", "SUSPENDED": "DEACTIVATED"},
		"suspend":    {"ACTIVE": "SUSPENDED"},
		"unsuspend":  {"SUSPENDED": "ACTIVE"},
	}
	for action, steps := range allowed {
		for _, status := range []string{"CREATED", "ACTIVE", "SUSPENDED", "DEACTIVATED"} {
			t.Run(action+" "+status, func(t *testing.T) {
				h := newHarness(t, oktatest.Config{})
				id := h.deviceOf(status)
				before := h.org.EventCount()
				r := h.post("/api/v1/devices/"+id+"/lifecycle/"+action, "")
				to, ok := steps[status]
				if !ok {
					h.want(r, 400, "E0000001")
					same(t, "status", h.deviceStatus(id), status)
					same(t, "events", h.org.EventCount(), before)
					same(t, "effects", h.org.Effects(), 0)
					return
				}
				h.want(r, 204, "")
				same(t, "status", h.deviceStatus(id), to)
				same(t, "events", h.events(before), "[device.lifecycle."+action+"]")
				checkTransaction(t, h, before, r)
				h.want(h.post("/api/v1/devices/"+id+"/lifecycle/"+action, ""), 400, "E0000001")
				same(t, "effects", h.org.Effects(), 1)
				links := h.get("/api/v1/devices/" + id).get("_links")
				for next, from := range allowed {
					if links.Get(next).Exists() != (from[to] != "") {
						t.Errorf("%s: the link %s is wrong", to, next)
					}
				}
			})
		}
		h := newHarness(t, oktatest.Config{})
		r := h.post("/api/v1/devices/guonowhere/lifecycle/"+action, "")
		h.want(r, 404, "E0000007")
		if !strings.HasSuffix(r.get("errorSummary").Str, "(Device)") {
			t.Errorf("%s: %s", action, r.get("errorSummary").Str)
		}
	}
}

func TestDeleteDevice_Deactivated_IsGone(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, status := range []string{"CREATED", "ACTIVE", "SUSPENDED"} {
		h.want(h.send("DELETE", "/api/v1/devices/"+h.deviceOf(status), ""), 400, "E0000001")
	}
	same(t, "effects", h.org.Effects(), 0)
	id, before := h.deviceOf("DEACTIVATED"), h.org.EventCount()
	h.want(h.send("DELETE", "/api/v1/devices/"+id, ""), 204, "")
	same(t, "events", h.events(before), "[device.lifecycle.delete]")
	h.want(h.send("DELETE", "/api/v1/devices/"+id, ""), 404, "E0000007")
	h.want(h.get("/api/v1/devices/"+id), 404, "E0000007")
	h.want(h.post("/api/v1/devices/"+id+"/lifecycle/activate", ""), 404, "E0000007")
	if _, ok := h.org.Device(id); ok || len(h.org.Devices()) != 7 {
		t.Error("the device is still there")
	}
	same(t, "effects", h.org.Effects(), 1)
}

func TestDevices_WithExpand_HaveTheirUsers(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const ada, alan = "ada.lovelace@example.com", "alan.turing@example.com"
	ids := h.get("/api/v1/users/" + ada + "/devices").strings("#.device.id")
	same(t, "Ada's devices", len(ids), 2)
	same(t, "the shared device", h.get("/api/v1/users/"+alan+"/devices").get("0.device.id").Str, ids[0])
	same(t, "a device of a user", h.get("/api/v1/users/"+ada+"/devices").get("0.device").Raw, h.get("/api/v1/devices/"+ids[0]).body)
	if h.get("/api/v1/devices").get("0._embedded").Exists() {
		t.Error("users without expand")
	}
	r := h.get("/api/v1/devices?expand=userSummary&limit=1")
	same(t, "summaries", r.strings("0._embedded.users.#.user.profile.login"), []string{ada, alan})
	if next := r.next(); !strings.Contains(next, "expand=userSummary") {
		t.Errorf("the next page %s is another list", next)
	}
	same(t, "full", h.get("/api/v1/devices?expand=user").get("0._embedded.users.0.user").Raw, h.get("/api/v1/users/"+ada).body)

	h.want(h.post("/api/v1/devices/"+ids[0]+"/lifecycle/deactivate", ""), 204, "")
	same(t, "Ada's devices", h.get("/api/v1/users/"+ada+"/devices").strings("#.device.id"), ids[1:])
	h.want(h.send("DELETE", "/api/v1/users/"+ada, ""), 204, "")
	h.want(h.send("DELETE", "/api/v1/users/"+ada, ""), 204, "")
	same(t, "users of the other device", h.get("/api/v1/devices?expand=user").get("1._embedded.users").Raw, "[]")
	r = h.get("/api/v1/users/" + ada + "/devices")
	h.want(r, 404, "E0000007")
	if !strings.HasSuffix(r.get("errorSummary").Str, "(User)") {
		t.Error(r.get("errorSummary").Str)
	}
	same(t, "an org without users", len(newHarness(t, oktatest.Config{Users: -1}).get("/api/v1/devices?expand=user").strings("#.id")), 8)
}

func TestFeatures_OfAnOrgWithout_AreRefused(t *testing.T) {
	for _, c := range []struct {
		cfg      oktatest.Config
		requests []string
	}{
		{oktatest.Config{Engine: "v1"}, []string{
			"GET /api/v1/devices", "GET /api/v1/devices/guo1", "DELETE /api/v1/devices/guo1", "POST /api/v1/devices/guo1/lifecycle/suspend",
			"GET /api/v1/users/me/devices", "GET /api/v1/authenticators",
		}},
		{oktatest.Config{NoAPIAccessManagement: true}, []string{
			"GET /api/v1/authorizationServers", "GET /api/v1/authorizationServers/default/scopes",
			"GET /api/v1/authorizationServers/default/claims", "GET /api/v1/authorizationServers/default/clients",
		}},
	} {
		h := newHarness(t, c.cfg)
		for _, request := range c.requests {
			method, path, _ := strings.Cut(request, " ")
			r := h.send(method, path, "")
			h.want(r, 401, "E0000015")
			if r.Header().Get("X-Rate-Limit-Limit") != "" {
				t.Errorf("%s: a missing feature was counted", request)
			}
		}
		h.want(h.get("/oauth2/v1/clients"), 200, "")
		h.want(h.get("/api/v1/iam/roles"), 200, "")
	}
}

func TestAuthenticators_Listed_AreOktas(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	r := h.get("/api/v1/authenticators")
	same(t, "authenticators", r.strings("#.key"), "[okta_email okta_verify okta_password phone_number webauthn security_question custom_otp]")
	same(t, "Link", r.Header().Values("Link"), "[]")
	same(t, "accessor", len(h.org.Authenticators()), 7)
	same(t, "activation", r.get(`#(key=="phone_number")._links.activate.hints.allow.0`).Str, "POST")
}

func TestOrg_SameSeed_IsTheSame(t *testing.T) {
	seeded := func(seed int64) []string {
		h := newHarness(t, oktatest.Config{Seed: seed})
		var all []string
		for _, path := range []string{
			"/api/v1/devices?expand=user", "/api/v1/authenticators", "/api/v1/authorizationServers",
			"/api/v1/authorizationServers/default/scopes", "/oauth2/v1/clients", "/api/v1/iam/roles", "/api/v1/users/me/roles",
		} {
			all = append(all, h.get(path).body)
		}
		return all
	}
	one, again, two := seeded(1), seeded(1), seeded(2)
	for i := range one {
		same(t, "the same seed", again[i], one[i])
		if two[i] == one[i] {
			t.Errorf("another seed gives the same %.80s", one[i])
		}
	}
}
