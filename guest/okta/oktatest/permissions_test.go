package oktatest_test

import (
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestForbid_Endpoint_RefusesTheToken(t *testing.T) {
	h := newHarness(t, oktatest.Config{
		Forbid:      []string{"PUT /api/v1/groups/{group}/users/{user}", "GET /api/v1/logs"},
		Unavailable: []string{"GET /api/v1/users/{}/factors"},
	})
	member := "/api/v1/groups/" + h.groupID("Engineering") + "/users/" + h.withStatus("ACTIVE")
	h.refused("PUT", member, "", 403, "E0000006", "You do not have permission to perform the requested action")
	h.refused("GET", "/api/v1/logs", "", 403, "E0000006", "")
	h.want(h.send("DELETE", member, ""), 204, "")
	r := h.get(adasFactors)
	h.want(r, 401, "E0000015")
	same(t, "rate-limit headers", r.Header().Get("X-Rate-Limit-Limit"), "")
	if h.get("/api/v1/users/me").Header().Get("X-Rate-Limit-Limit") == "" {
		t.Error("other answers lost their rate-limit headers")
	}
	h.want(h.send("GET", "/api/v1/logs", "", "Authorization", "SSWS wrong"), 401, "E0000011")

	defer func() {
		if recover() == nil {
			t.Error("an endpoint that the org does not have is accepted")
		}
	}()
	oktatest.New(oktatest.Config{Forbid: []string{"GET /api/v1/unicorns"}})
}
