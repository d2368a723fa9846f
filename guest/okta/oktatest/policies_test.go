package oktatest_test

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

const (
	signOnDefault = "/api/v1/policies/00pgW9kIdngFjjJXcwkO"
	signOnCustom  = "/api/v1/policies/00p8l5ONQvS5VGwfcwkO"
	enrollDefault = "/api/v1/policies/00pwDX7MYCJx2E5QcwkO"
	idpDiscovery  = "/api/v1/policies/00pnKDfk2ucBHKPncwkO"
)

// replaced returns an object for a PUT, with changes: pairs of a path and JSON, or "" to remove the member.
func (h *harness) replaced(target string, changes ...string) string {
	h.Helper()
	body := h.get(target).body
	for _, name := range []string{"id", "created", "lastUpdated", "_links", "_embedded", "system"} {
		body, _ = sjson.Delete(body, name)
	}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			body, _ = sjson.Delete(body, changes[i])
		} else {
			body, _ = sjson.SetRaw(body, changes[i], changes[i+1])
		}
	}
	return body
}

func TestPolicyStatus_ByPut_IsIgnored(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	r := h.send("PUT", signOnCustom, h.replaced(signOnCustom, "status", `"INACTIVE"`, "description", `"x"`))
	h.want(r, 200, "")
	same(t, "answer", []string{r.get("status").Str, r.get("description").Str}, []string{"ACTIVE", "x"})
	same(t, "afterwards", h.get(signOnCustom).get("status").Str, "ACTIVE")
}

func TestPolicyLifecycle_EachAction_SetsTheStatus(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, step := range []struct{ action, status, event string }{
		{"deactivate", "INACTIVE", "policy.lifecycle.deactivate"}, {"deactivate", "INACTIVE", ""},
		{"activate", "ACTIVE", "policy.lifecycle.activate"}, {"activate", "ACTIVE", ""},
	} {
		before := h.org.EventCount()
		h.want(h.post(signOnCustom+"/lifecycle/"+step.action, ""), 204, "")
		same(t, step.action+" status", h.get(signOnCustom).get("status").Str, step.status)
		same(t, step.action+" events", strings.Join(h.events(before), " "), step.event)
		same(t, "listed as "+step.status, len(h.get("/api/v1/policies?type=OKTA_SIGN_ON&status="+step.status).get("@this").Array()) > 0, true)
	}
	h.want(h.post(signOnDefault+"/lifecycle/deactivate", ""), 403, "E0000077")
	h.want(h.post("/api/v1/policies/00pNone/lifecycle/activate", ""), 404, "E0000007")
}

func TestPolicyPriority_OfTheDefaultPolicy_IsReadOnly(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	r := h.send("PUT", signOnDefault, h.replaced(signOnDefault, "priority", "1"))
	h.want(r, 403, "E0000077")
	h.want(h.send("PUT", signOnDefault, h.replaced(signOnDefault, "description", `"same priority"`)), 200, "")
	h.want(h.send("PUT", signOnDefault, h.replaced(signOnDefault, "priority", "", "description", `"none"`)), 200, "")
	same(t, "default", h.get(signOnDefault).get("priority").Int(), 2)
	// The only other policy is the first, whatever priority it asks for.
	r = h.send("PUT", signOnCustom, h.replaced(signOnCustom, "priority", "7"))
	same(t, "custom", r.get("priority").Int(), 1)
	h.want(h.send("PUT", signOnCustom, h.replaced(signOnCustom, "priority", "0")), 400, "E0000001")
}

func TestReplacePolicy_OfIdpDiscovery_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	h.want(h.send("PUT", idpDiscovery, h.replaced(idpDiscovery)), 400, "E0000001")
}

func TestEnrollmentSettings_AfterAPut_AreComplete(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	modes := func(r reply) (all []string) {
		for _, one := range r.get("settings.authenticators").Array() {
			all = append(all, one.Get("key").Str+"="+one.Get("enroll.self").Str)
		}
		return all
	}
	r := h.send("PUT", enrollDefault, h.replaced(enrollDefault, "settings",
		`{"type":"AUTHENTICATORS","authenticators":[{"key":"okta_password","enroll":{"self":"REQUIRED"}},{"key":"webauthn","enroll":{"self":"OPTIONAL"}}]}`))
	h.want(r, 200, "")
	want := []string{"okta_email=NOT_ALLOWED", "webauthn=OPTIONAL", "okta_verify=NOT_ALLOWED", "okta_password=REQUIRED", "security_question=NOT_ALLOWED"}
	same(t, "answer", modes(r), want)
	same(t, "afterwards", modes(h.get(enrollDefault)), want)
	for _, settings := range []string{
		`{"type":"AUTHENTICATORS","authenticators":[{"key":"duo","enroll":{"self":"OPTIONAL"}}]}`,
		`{"type":"AUTHENTICATORS","authenticators":[{"key":"okta_email","enroll":{"self":"SOMETIMES"}}]}`,
		`{"type":"FACTORS"}`,
	} {
		h.want(h.send("PUT", enrollDefault, h.replaced(enrollDefault, "settings", settings)), 400, "E0000001")
	}
	classic := newHarness(t, oktatest.Config{Engine: "v1"})
	r = classic.send("PUT", enrollDefault, classic.replaced(enrollDefault, "settings", `{"factors":{"okta_sms":{"enroll":{"self":"OPTIONAL"}}}}`))
	classic.want(r, 200, "")
	same(t, "factors", []string{r.get("settings.factors.okta_sms.enroll.self").Str, r.get("settings.factors.okta_push.enroll.self").Str}, []string{"OPTIONAL", "NOT_ALLOWED"})
}

func TestPolicyPriorities_AfterChanges_AreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range oktatest.New(oktatest.Config{}).Policies() {
		key := gjson.GetBytes(p, "type").Str + gjson.GetBytes(p, "priority").Raw
		if seen[key] {
			t.Error(key)
		}
		seen[key] = true
	}
}

func TestPolicyParts_OfEachType_AreListed(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, p := range h.org.Policies() {
		self, typ := "/api/v1/policies/"+gjson.GetBytes(p, "id").Str, gjson.GetBytes(p, "type").Str
		h.want(h.get(self+"/rules"), 200, "")
		r := h.get(self + "/mappings")
		h.want(r, 200, "")
		same(t, "applications of "+typ, len(r.get("#._links.application.href").Array()) > 0, typ == "ACCESS_POLICY")
	}
	for _, part := range []string{"rules", "mappings"} {
		h.want(h.get("/api/v1/policies/00pNone/"+part), 404, "E0000007")
	}
}
