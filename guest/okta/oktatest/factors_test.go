package oktatest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// factorTypes returns the types of a user's factors, in order.
func (h *harness) factorTypes(user string) []string {
	var all []string
	for _, f := range h.org.Factors(user) {
		all = append(all, gjson.GetBytes(f, "factorType").Str)
	}
	return all
}

const adasFactors = "/api/v1/users/ada.lovelace@example.com/factors"

func TestFactors_OfEachStatus_AreListed(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	r := h.get(adasFactors)
	h.want(r, 200, "")
	same(t, "types", r.strings("#.factorType"), "[email sms call push token:software:totp token:software:totp webauthn webauthn question]")
	same(t, "links", len(r.Header().Values("Link")), 0)
	seen := map[string]bool{}
	for _, user := range h.org.UserIDs() {
		r := h.get("/api/v1/users/" + user + "/factors")
		same(t, "listed", len(r.strings("#.id")), len(h.org.Factors(user)))
		for _, id := range r.strings("#.id") {
			if seen[id] {
				t.Errorf("%s twice", id)
			}
			seen[id] = true
		}
	}
	same(t, "of a staged user", h.get("/api/v1/users/"+h.withStatus("STAGED")+"/factors").body, "[]")
	h.want(h.get("/api/v1/users/nobody/factors"), 404, "E0000007")
	same(t, "none seeded", len(newHarness(t, oktatest.Config{Factors: -1}).org.Factors("ada.lovelace@example.com")), 0)
}

func TestDeleteFactor_Enrolled_IsGone(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := func(kind string) string { return h.get(adasFactors).get(`#(factorType=="` + kind + `").id`).Str }
	sms := adasFactors + "/" + id("sms")
	h.changes("DELETE", sms+"?removeRecoveryEnrollment=true", "", 204, "user.mfa.factor.deactivate")
	h.refused("DELETE", sms, "", 404, "E0000007", "(UserFactor)")
	h.refused("DELETE", "/api/v1/users/nobody/factors/"+id("email"), "", 404, "E0000007", "nobody (User)")
	h.refused("DELETE", "/api/v1/users/alan.turing@example.com/factors/"+id("email"), "", 404, "E0000007", "(UserFactor)")
	h.want(send(h.org, h.org, "DELETE", sms+"?removeRecoveryEnrollment=perhaps", ""), 400, "E0000001")

	h.changes("DELETE", adasFactors+"/"+id("webauthn"), "", 204, "user.mfa.factor.deactivate")
	same(t, "one of two", strings.Count(strings.Join(h.factorTypes("ada.lovelace@example.com"), " "), "webauthn"), 1)

	h.changes("DELETE", adasFactors+"/"+id("push"), "", 204, "user.mfa.factor.deactivate", "user.mfa.factor.deactivate")
	same(t, "push also removes Okta Verify", h.get(adasFactors).get(`#(factorType=="token:software:totp")#.provider`).Raw, `["GOOGLE"]`)

	email := adasFactors + "/" + id("email")
	user := h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str
	h.want(h.post("/api/v1/users/"+user+"/lifecycle/deactivate", ""), 200, "")
	h.refused("DELETE", email, "", 403, "E0000038", "")
}

func TestResetFactors_OfAUser_RemovesAll(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const reset = "/api/v1/users/ada.lovelace@example.com/lifecycle/reset_factors"
	alan := h.factorTypes("alan.turing@example.com")
	h.changes("POST", reset, "", 200, "user.mfa.factor.reset_all")
	same(t, "left", h.get(adasFactors).body, "[]")
	same(t, "again", h.changes("POST", reset, "", 200).body, "{}")
	same(t, "of others", slices.Equal(h.factorTypes("alan.turing@example.com"), alan), true)
}
