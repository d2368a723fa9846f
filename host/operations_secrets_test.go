package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/journal"
)

// TestSecretsOfTheOrgStayThere has Okta tell the secrets that its OpenAPI document has in what operations read. None may
// get into an output, and from there into a table, a file or a log; what stands beside them stays.
func TestSecretsOfTheOrgStayThere(t *testing.T) {
	const secret = "simulated-not-a-secret"
	bodies := map[string]string{
		"/api/v1/apps":           `[{"id":"0oa1","label":"L","credentials":{"oauthClient":{"client_id":"kept","client_secret":"` + secret + `"},"password":{"value":"` + secret + `"}}}]`,
		"/api/v1/apps/0oa1":      `{"id":"0oa1","label":"L","credentials":{"oauthClient":{"client_id":"kept","client_secret":"` + secret + `"},"password":{"value":"` + secret + `"}}}`,
		"/api/v1/authenticators": `[{"id":"aut1","key":"duo","provider":{"type":"DUO","configuration":{"host":"kept","secretKey":"` + secret + `","sharedSecret":"` + secret + `"}}}]`,
		"/oauth2/v1/clients":     `[{"client_id":"kept","client_secret":"` + secret + `","registration_access_token":"` + secret + `"}]`,
		"/api/v1/users/00u12345678901234567/factors": `[{"id":"ost1","factorType":"token:software:totp","status":"PENDING_ACTIVATION","profile":{"credentialId":"kept","sharedSecret":"` + secret + `"},` +
			`"_embedded":{"activation":{"sharedSecret":"` + secret + `"}}}]`,
	}
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}), abi.Read)
	for _, s := range [][2]string{
		{"list_applications", `{}`},
		{"lookup_application", `{"application":"0oa1"}`},
		{"list_authenticators", `{}`},
		{"list_oauth_clients", `{}`},
		{"list_factors", `{"user":"00u12345678901234567"}`},
		{"inventory_export", `{"kinds":["applications"]}`},
		{"inventory_export", `{"kinds":["authenticators"]}`},
		{"inventory_export", `{"kinds":["oauth_clients"]}`},
	} {
		res := world{Connection: c}.do(t, abi.Succeeded, s[0], s[1])
		if text := string(res.Output); strings.Contains(text, secret) || !strings.Contains(text, "kept") {
			t.Errorf("%s %s: %s", s[0], s[1], text)
		}
	}
}

// TestAReplayDoesNotTellWhatEqualsASecret: a recovery answer that is a display name. Masked by value, the recorded output
// would say so to whoever reads the journal or repeats the key.
func TestAReplayDoesNotTellWhatEqualsASecret(t *testing.T) {
	const name = "Ada Lovelace"
	c, _ := actor(t, withJournal(openJournal(t, journal.Options{})))
	in := json.RawMessage(`{"user":"ada.lovelace@example.com","profile":{"displayName":"` + name + `","title":"Countess"},"credentials":{"recovery_question":{"question":"Who am I?","answer":"` + name + `"}}}`)
	run := func(o host.InvokeOptions) *abi.Result {
		t.Helper()
		res, err := c.Invoke(context.Background(), "update_user", in, o)
		if err != nil {
			t.Fatalf("%+v", res.Error)
		}
		return res
	}
	plan := run(host.InvokeOptions{Plan: true}).Plan.Writes
	if body := string(plan[0].Body); gjson.Get(body, "profile.displayName").Str != name || gjson.Get(body, "credentials.recovery_question.answer").Str != "***" {
		t.Errorf("the plan has %s", body)
	}
	first, again := run(host.InvokeOptions{IdempotencyKey: "k"}), run(host.InvokeOptions{IdempotencyKey: "k"})
	if !again.Meta.Replayed || gjson.GetBytes(again.Output, "after.profile.displayName").Str != name {
		t.Errorf("replayed: %v, %s", again.Meta.Replayed, again.Output)
	}
	if gjson.GetBytes(first.Output, "after.profile.title").Str != "Countess" || gjson.GetBytes(again.Output, "after.profile.title").Str != "Countess" {
		t.Errorf("first %s, again %s", first.Output, again.Output)
	}
}
