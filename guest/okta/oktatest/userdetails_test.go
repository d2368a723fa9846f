package oktatest_test

import (
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestUser_WithExpand_HasDetails(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const ada = "/api/v1/users/ada.lovelace@example.com"
	same(t, "no blocks", h.get(ada+"?expand=blocks").get("_embedded.blocks").Raw, "[]")
	same(t, "blocks", h.get("/api/v1/users/"+h.withStatus("LOCKED_OUT")+"?expand=blocks").get("_embedded.blocks.0.appliesTo").Str, "ANY_DEVICES")
	same(t, "classification", h.get(ada+"?expand=classification").get("_embedded.classification.type").Str, "STANDARD")
	same(t, "without expand", h.get(ada).get("_embedded").Exists(), false)
}

func TestUser_WithOmitCredentials_HasNone(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, contentType := range []string{
		"application/json; okta-response=omitCredentials,omitCredentialsLinks,omitTransitioningToStatus",
		`application/json; okta-response="omitCredentials, omitCredentialsLinks"`,
	} {
		r := h.send("GET", "/api/v1/users/ada.lovelace@example.com", "", "Content-Type", contentType)
		h.want(r, 200, "")
		same(t, "credentials", r.get("credentials").Exists(), false)
		same(t, "links", r.get("_links.resetPassword").Exists() || r.get("_links.changePassword").Exists(), false)
		same(t, "other links", r.get("_links.suspend").Exists(), true)
	}
}

func TestUpdateUser_CredentialsOnly_KeepsTheProfile(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const ada = "/api/v1/users/ada.lovelace@example.com"
	before := h.get(ada).get("profile").Raw
	r := h.changes("PUT", ada, `{"credentials":{"password":{"value":"Quite another secret 1"}}}`, 200, "user.account.update_password")
	same(t, "profile", r.get("profile").Raw, before)
}
