package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// TestReads_SecretsOfTheOrg_AreRemoved makes Okta return all secrets in its OpenAPI document. None may be in an output,
// and so in a table, a file or a log. Their neighbours must be kept.
func TestReads_SecretsOfTheOrg_AreRemoved(t *testing.T) {
	const secret = "simulated-not-a-secret"
	bodies := map[string]string{
		"/api/v1/apps":           `[{"id":"0oa1","label":"L","credentials":{"oauthClient":{"client_id":"kept","client_secret":"` + secret + `"},"password":{"value":"` + secret + `"}}}]`,
		"/api/v1/apps/0oa1":      `{"id":"0oa1","label":"L","credentials":{"oauthClient":{"client_id":"kept","client_secret":"` + secret + `"},"password":{"value":"` + secret + `"}}}`,
		"/api/v1/api-tokens":     `[{"id":"00T1","name":"kept","token":"` + secret + `","tokenValue":"` + secret + `"}]`,
		"/api/v1/authenticators": `[{"id":"aut1","key":"duo","provider":{"type":"DUO","configuration":{"host":"kept","secretKey":"` + secret + `","sharedSecret":"` + secret + `"}}}]`,
		"/api/v1/idps":           `[{"id":"0oa2","type":"APPLE","protocol":{"credentials":{"client":{"client_id":"kept","client_secret":"` + secret + `"},"signing":{"kid":"kept","privateKey":"` + secret + `"},"bearer":{"apiKey":"` + secret + `"}}}}]`,
		"/api/v1/eventHooks":     `[{"id":"who1","channel":{"config":{"uri":"kept","headers":[{"key":"X-A","value":"` + secret + `"},{"key":"X-B","value":"` + secret + `"}],"authScheme":{"key":"kept","value":"` + secret + `"}}}}]`,
		"/api/v1/logStreams":     `[{"id":"0oa3","type":"splunk_cloud_logstreaming","settings":{"host":"kept","token":"` + secret + `"}}]`,
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
		{"list_user_applications", `{"user":"00u12345678901234567"}`},
		{"list_api_tokens", `{}`},
		{"list_authenticators", `{}`},
		{"list_oauth_clients", `{}`},
		{"list_identity_providers", `{}`},
		{"list_event_hooks", `{}`},
		{"list_log_streams", `{}`},
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

// TestReplay_ValueEqualToASecret_IsNotMarked: a recovery answer equals a display name. If the recorded output were
// masked by value, readers of the journal would learn the answer.
func TestReplay_ValueEqualToASecret_IsNotMarked(t *testing.T) {
	const name = "Ada Lovelace"
	c, _ := actor(t, withJournal(hosttest.Journal(t, journal.Options{})))
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

// TestPlan_SecretsOfTheOrg_AreRemoved: a plan shows the objects that it read, without their secrets.
func TestPlan_SecretsOfTheOrg_AreRemoved(t *testing.T) {
	const secret, session = "simulated-not-a-secret", "102simulatedSession00"
	w := world{Connection: bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Okta-Request-Id", "r1")
		switch {
		case strings.HasSuffix(r.URL.Path, "/factors"):
			fmt.Fprint(w, `[{"id":"sms1","factorType":"sms"},{"id":"ost1","factorType":"token:software:totp","profile":{"credentialId":"kept","sharedSecret":"`+secret+`"},"_embedded":{"activation":{"sharedSecret":"`+secret+`"}}}]`)
		case strings.HasPrefix(r.URL.Path, "/api/v1/apps/"):
			fmt.Fprint(w, ` {"id":"0oa1","label":"kept","credentials":{"oauthClient":{"client_secret":"`+secret+`"}}}`)
		case strings.HasPrefix(r.URL.Path, "/api/v1/sessions/"):
			fmt.Fprint(w, `{"id":"`+session+`","login":"kept","_links":{"self":{"href":"https://x/`+session+`"}}}`)
		default:
			t.Errorf("unexpected request: %s", r.URL)
		}
	}), abi.Classes()...)}
	for op, input := range map[string]string{
		"reset_factor":       `{"user":"00u12345678901234567","factor":"token:software:totp"}`,
		"lookup_application": `{"application":"0oa1"}`, // a plan of a read too
		"list_factors":       `{"user":"00u12345678901234567"}`,
		"revoke_session":     `{"session":"` + session + `"}`,
	} {
		res, err := w.Invoke(context.Background(), op, json.RawMessage(input), host.InvokeOptions{Plan: true})
		if err != nil {
			t.Fatalf("%s: %+v", op, res.Error)
		}
		text, err := json.Marshal(res.Plan)
		if err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), session) || !strings.Contains(string(res.Plan.State), "kept") || !json.Valid(res.Plan.State) {
			t.Errorf("%s: %s %v", op, text, err)
		}
	}
	// Members that are removed from a record must be marked at each endpoint that returns it.
	for _, op := range w.Module().Manifest().Operations {
		for _, e := range op.Endpoints {
			for part, want := range map[string]string{"/factors": "profile.sharedSecret", "/api/v1/apps/{appId}": "credentials.oauthClient.client_secret", "/api/v1/apps": "credentials.oauthClient.client_secret",
				"/clients": "client_secret", "/authenticators": "provider.configuration.sharedSecret"} {
				if e.Method() == http.MethodGet && (e.Template() == part || part[:4] != "/api" && strings.HasSuffix(e.Template(), part)) && !slices.Contains(e.Sensitive, want) {
					t.Errorf("%s: %s has no %s", op.Name, e.Endpoint, want)
				}
			}
		}
	}
}

// TestRevokeSession_ID_IsNotStored: the id may be usable like a cookie, and the session is still alive if a run fails.
func TestRevokeSession_ID_IsNotStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(path, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var audited bytes.Buffer
	c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) {
		o.Journal, o.Auditor = hosttest.Killed(j), host.AuditLog{Handler: slog.NewJSONHandler(&audited, nil)}
	})
	id := get(t, org.Org.Sessions()[0], "id")
	key := host.InvokeOptions{IdempotencyKey: "k"}
	in := json.RawMessage(`{"session":"` + id + `"}`)
	if res, err := c.Invoke(context.Background(), "revoke_session", in, key); err != nil {
		t.Fatalf("%+v", res.Error)
	}
	// The run was killed before it recorded its end. The next run still recognises the session.
	again, err := e2e.Again(t, c, org, withJournal(j)).Invoke(context.Background(), "revoke_session", in, key)
	if err != nil || again.Outcome != abi.Succeeded || !again.Meta.Reconciled || org.Org.Effects() != 1 {
		t.Errorf("%+v %+v", again, again.Error)
	}
	kept, err := os.ReadFile(path)
	if err != nil || len(kept) == 0 || bytes.Contains(kept, []byte(id)) || strings.Contains(audited.String(), id) || !strings.Contains(audited.String(), "revoke_session") {
		t.Errorf("%v: %s %s", err, kept, audited.String())
	}
}
