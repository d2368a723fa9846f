package oktatest_test

import (
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestSession_ReadAndClosed_IsGone(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	same(t, "sessions", len(h.org.Sessions()), 10)
	for _, s := range h.org.Sessions() {
		id := gjson.GetBytes(s, "id").Str
		r := h.get("/api/v1/sessions/" + id)
		h.want(r, 200, "")
		same(t, "id", r.get("id").Str, id)
		same(t, "status of the user", h.status(r.get("userId").Str) != "SUSPENDED", true)
	}
	path := "/api/v1/sessions/" + h.org.SignIns("ada.lovelace@example.com").Sessions[0]
	h.changes("DELETE", path, "", 204, "user.session.end")
	h.refused("DELETE", path, "", 404, "E0000007", "(AppSession)")
	h.want(h.get(path), 404, "E0000007")
	h.refused("DELETE", "/api/v1/sessions/102nothing", "", 404, "E0000007", "102nothing (AppSession)")
	same(t, "the other session", len(h.org.SignIns("ada.lovelace@example.com").Sessions), 1)
	h.clock.advance(12 * time.Hour)
	same(t, "after half a day", len(h.org.Sessions()), 0)
}

func TestSessions_OfAUser_AreRevoked(t *testing.T) {
	const login, path = "ada.lovelace@example.com", "/api/v1/users/ada.lovelace@example.com/sessions"
	for _, c := range []struct {
		engine, query string
		events        []string
		left          oktatest.SignIns
	}{
		{"idx", "", []string{"user.session.clear"}, oktatest.SignIns{OAuthTokens: true}},
		{"idx", "?forgetDevices=false", []string{"user.session.clear"}, oktatest.SignIns{OAuthTokens: true, RememberedDevices: true}},
		{"idx", "?oauthTokens=true", []string{"user.session.clear", "app.oauth2.token.revoke.implicit.user"}, oktatest.SignIns{}},
		{"v1", "", []string{"user.session.clear"}, oktatest.SignIns{OAuthTokens: true, RememberedDevices: true}},
	} {
		t.Run(c.engine+c.query, func(t *testing.T) {
			h := newHarness(t, oktatest.Config{Engine: c.engine})
			h.changes("DELETE", path+c.query, "", 204, c.events...)
			same(t, "left", h.org.SignIns(login), c.left)
			h.changes("DELETE", path+c.query, "", 204)
		})
	}
	h := newHarness(t, oktatest.Config{})
	h.refused("DELETE", "/api/v1/users/nobody/sessions", "", 404, "E0000007", "nobody (User)")
	h.changes("DELETE", path+"?forgetDevices=false", "", 204, "user.session.clear")
	effects := h.org.Effects()
	h.want(h.send("DELETE", path, ""), 204, "")
	same(t, "forgetting only devices is an effect", h.org.Effects(), effects+1)
	h.want(send(h.org, h.org, "DELETE", path+"?oauthTokens=perhaps", ""), 400, "E0000001")
}

func TestSessions_AfterEachChange_EndOrStay(t *testing.T) {
	for _, c := range []struct {
		method, action string
		left           int
	}{
		{"POST", "/lifecycle/suspend", 0},
		{"POST", "/lifecycle/deactivate", 0},
		{"DELETE", "", 0},
		{"POST", "/lifecycle/expire_password", 2},
		{"POST", "/lifecycle/expire_password_with_temp_password", 2},
		{"POST", "/lifecycle/expire_password_with_temp_password?revokeSessions=true", 0},
		{"POST", "/lifecycle/reset_password?sendEmail=false", 2},
		{"POST", "/lifecycle/reset_password?sendEmail=true&revokeSessions=true", 0},
		{"POST", "/lifecycle/reset_factors", 2},
	} {
		h := newHarness(t, oktatest.Config{})
		id := gjson.GetBytes(first(h.org.User("ada.lovelace@example.com")), "id").Str
		r := h.send(c.method, "/api/v1/users/"+id+c.action, "")
		if r.Code >= 300 {
			t.Errorf("%s: %d %s", c.action, r.Code, r.body)
		}
		same(t, c.action, len(h.org.SignIns(id).Sessions), c.left)
	}
}
