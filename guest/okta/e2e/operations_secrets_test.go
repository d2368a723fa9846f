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

// TestSecretsOfTheOrgAreNotInPlans: what a plan read is shown, and handed to who approves, without what is nobody's to see.
func TestSecretsOfTheOrgAreNotInPlans(t *testing.T) {
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
		"lookup_application": `{"application":"0oa1"}`, // of a read, too
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
	// Whatever a record goes out without is marked at each endpoint that answers with it.
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

// TestASessionsIdIsNotKept: it may be worth a cookie, and lives on where a run fails.
func TestASessionsIdIsNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(path, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var audited bytes.Buffer
	c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) {
		o.Journal, o.Auditor = hosttest.Dying(j), host.AuditLog{Handler: slog.NewJSONHandler(&audited, nil)}
	})
	id := get(t, org.Org.Sessions()[0], "id")
	key := host.InvokeOptions{IdempotencyKey: "k"}
	in := json.RawMessage(`{"session":"` + id + `"}`)
	if res, err := c.Invoke(context.Background(), "revoke_session", in, key); err != nil {
		t.Fatalf("%+v", res.Error)
	}
	// The run died before it noted how it ended: the next one knows the session again.
	again, err := e2e.Again(t, c, org, withJournal(j)).Invoke(context.Background(), "revoke_session", in, key)
	if err != nil || again.Outcome != abi.Succeeded || !again.Meta.Reconciled || org.Org.Effects() != 1 {
		t.Errorf("%+v %+v", again, again.Error)
	}
	kept, err := os.ReadFile(path)
	if err != nil || len(kept) == 0 || bytes.Contains(kept, []byte(id)) || strings.Contains(audited.String(), id) || !strings.Contains(audited.String(), "revoke_session") {
		t.Errorf("%v: %s %s", err, kept, audited.String())
	}
}
