package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// app is a service app with its private key.
type app struct {
	oktatest.ServiceApp
	key string
}

// newApp returns an app. Without scopes, it has all.
func newApp(scopes ...string) app {
	if len(scopes) == 0 {
		scopes = oktatest.Scopes()
	}
	a, key := oktatest.NewServiceApp(scopes...)
	return app{a, key}
}

// signIn makes a connection sign in as the app.
func (a app) signIn(config *host.Config, opts *host.ConnectOptions) {
	config.TokenSecretRef, config.OAuth = "", host.OAuth{ClientID: a.ClientID, PrivateKeyRef: "env:KEY", KeyID: a.Keys[0].KeyID}
	opts.Secrets = hosttest.Secret(a.key)
}

// start starts an org with the app, and connects to it with every grant. change may be nil.
func (a app) start(t testing.TB, sim oktatest.Config, change e2e.Change) (*host.Connection, *oktatest.Server) {
	t.Helper()
	sim.ServiceApps = append(sim.ServiceApps, a.ServiceApp)
	return e2e.Start(t, sim, func(c *host.Config, o *host.ConnectOptions) {
		a.signIn(c, o)
		if change != nil {
			change(c, o)
		}
	})
}

// scopesOf returns the scopes of the tokens that an org issued.
func scopesOf(org *oktatest.Server) (all []string) {
	for _, t := range org.IssuedTokens() {
		all = append(all, strings.Join(t.Scopes, " "))
	}
	return all
}

const readAda = `{"user":"ada.lovelace@example.com"}`

// invoked invokes an operation, whatever its outcome is.
func invoked(c *host.Connection, op, input string) *abi.Result {
	res, _ := c.Invoke(context.Background(), op, json.RawMessage(input))
	return res
}

func wantOutcome(t testing.TB, res *abi.Result, outcome abi.Outcome, code string, texts ...string) {
	t.Helper()
	if res.Outcome != outcome || code != "" && (res.Error == nil || res.Error.Code != code) {
		t.Fatalf("%s: %s %+v, want %s %s", res.Operation, res.Outcome, res.Error, outcome, code)
	}
	for _, text := range texts {
		if !strings.Contains(res.Error.Message, text) {
			t.Errorf("%s\nlacks %s", res.Error.Message, text)
		}
	}
}

func TestOAuth_EachOperation_HasATokenOfItsOwn(t *testing.T) {
	for _, dpop := range []bool{true, false} {
		a := newApp()
		a.DPoP = dpop
		c, org := a.start(t, oktatest.Config{}, nil)
		for range 2 {
			wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Succeeded, "")
		}
		wantOutcome(t, invoked(c, "org_identity", `{}`), abi.Succeeded, "")
		wantOutcome(t, invoked(c, "user_lifecycle_action", `{"user":"alan.turing@example.com","action":"suspend"}`), abi.Succeeded, "")
		rows, err := c.Table(t.Context(), "list_groups", nil, host.TableOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for row, err := rows.Next(); len(row) > 0 || err != nil; row, err = rows.Next() {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
		if n == 0 {
			t.Error("no groups")
		}
		n = 0
		for _, err := range c.Source(t.Context(), host.SourceOptions{Operation: "poll_system_log_page"}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		want := []string{"okta.users.read", "okta.orgs.read", "okta.users.manage okta.users.read", "okta.groups.read", "okta.logs.read"}
		if got := scopesOf(org); !slices.Equal(got, want) || n == 0 || org.RefusedTokens() != 0 {
			t.Errorf("%d events, tokens %q, %d refused", n, got, org.RefusedTokens())
		}
		for _, issued := range org.IssuedTokens() {
			if issued.DPoP != dpop {
				t.Errorf("%+v", issued)
			}
		}
	}
}

// TestOAuth_HundredCallsAtOnce_RequestOneTokenForEachSet runs under -race.
func TestOAuth_HundredCallsAtOnce_RequestOneTokenForEachSet(t *testing.T) {
	c, org := newApp().start(t, oktatest.Config{RateLimits: map[string]int{"*": -1}}, func(c *host.Config, _ *host.ConnectOptions) { c.Limits.Concurrency = 100 })
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			op, input := "lookup_user", readAda
			if i%2 == 1 {
				op, input = "list_groups", `{"limit":1}`
			}
			if res := invoked(c, op, input); res.Outcome != abi.Succeeded {
				t.Errorf("%s %+v", res.Outcome, res.Error)
			}
		})
	}
	wg.Wait()
	got := scopesOf(org)
	slices.Sort(got)
	if !slices.Equal(got, []string{"okta.groups.read", "okta.users.read"}) || org.RefusedTokens() != 0 {
		t.Errorf("tokens %q, %d refused", got, org.RefusedTokens())
	}
}

// TestOAuth_AnHourWithShortTokens_FailsNoCall has tokens of ten minutes and nonces that rotate.
func TestOAuth_AnHourWithShortTokens_FailsNoCall(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	c, org := newApp().start(t, oktatest.Config{Now: clock, TokenLife: 10 * time.Minute, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}},
		func(_ *host.Config, o *host.ConnectOptions) { o.Now = clock })
	org.DemandNonce()
	ops := []struct{ name, input string }{{"lookup_user", readAda}, {"list_groups", `{"limit":2}`}, {"bounded_system_log_range", `{"since":"2026-05-01T11:00:00Z","until":"2026-05-01T12:00:00Z","limit":5}`}}
	for minute := range 60 {
		if minute%7 == 3 {
			org.RotateNonce()
		}
		for _, op := range ops {
			if res := invoked(c, op.name, op.input); res.Outcome != abi.Succeeded {
				t.Fatalf("minute %d: %s %s %+v", minute, op.name, res.Outcome, res.Error)
			}
		}
		mu.Lock()
		now = now.Add(time.Minute)
		mu.Unlock()
	}
	if n := len(org.IssuedTokens()); n != 7*len(ops) || org.RefusedTokens() != 0 {
		t.Errorf("%d tokens, %d refused", n, org.RefusedTokens())
	}
}

func TestOAuth_ScopeNotGranted_IsDenied(t *testing.T) {
	a := newApp("okta.users.read", "okta.groups.read", "okta.groups.manage")
	c, org := a.start(t, oktatest.Config{}, nil)
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Succeeded, "")
	wantOutcome(t, invoked(c, "user_lifecycle_action", `{"user":"alan.turing@example.com","action":"suspend"}`), abi.Denied, "scope_missing", a.ClientID, "grant it okta.users.manage")
	group := gjson.GetBytes(org.Groups()[1], "id").Str
	member := `{"group":"` + group + `","user":"alan.turing@example.com"}`
	wantOutcome(t, invoked(c, "add_group_member", member), abi.Denied, "scope_missing", "okta.roles.read")
	rows, err := c.Table(t.Context(), "list_devices", nil, host.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if _, err := rows.Next(); err == nil || !strings.Contains(err.Error(), "okta.devices.read") {
		t.Errorf("a table: %v", err)
	}
	for _, err := range c.Source(t.Context(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err == nil || !strings.Contains(err.Error(), "okta.logs.read") {
			t.Errorf("a source: %v", err)
		}
	}
	if org.Writes() != 0 {
		t.Error("a write was sent")
	}
}

// TestOAuth_GuardRefused_StopsTheWrite: the guard's read is refused, and the group may be one of administrators.
func TestOAuth_GuardRefused_StopsTheWrite(t *testing.T) {
	for _, dpop := range []bool{true, false} {
		a := newApp()
		a.DPoP = dpop
		c, org := a.start(t, oktatest.Config{Forbid: []string{"GET /api/v1/groups/{groupId}/roles"}}, func(c *host.Config, _ *host.ConnectOptions) {
			c.Grants = []abi.Class{abi.Read, abi.Write}
		})
		group := gjson.GetBytes(org.Groups()[1], "id").Str
		res := invoked(c, "add_group_member", `{"group":"`+group+`","user":"alan.turing@example.com"}`)
		if res.Outcome.OK() || org.Writes() != 0 {
			t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, org.Writes())
		}
	}
}

func TestOAuth_TokenRevoked_IsRenewedOnce(t *testing.T) {
	a := newApp()
	c, org := a.start(t, oktatest.Config{}, nil)
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Succeeded, "")
	org.RevokeTokens()
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Succeeded, "")
	if n := len(org.IssuedTokens()); n != 2 {
		t.Errorf("%d tokens", n)
	}
	a.Inactive = true
	org.AddServiceApp(a.ServiceApp)
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Rejected, "credentials")
	wantOutcome(t, invoked(c, "list_groups", `{"limit":1}`), abi.Rejected, "invalid_client", "check that oauth.client_id "+a.ClientID+" is the app's")
}

func TestOAuth_AppWithoutARole_IsRejected(t *testing.T) {
	a := newApp()
	a.NoRole = true
	c, _ := a.start(t, oktatest.Config{}, nil)
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Rejected, "forbidden", "admin role")
}

func TestOAuth_DPoPSettings_Decide(t *testing.T) {
	a := newApp()
	c, _ := a.start(t, oktatest.Config{}, func(c *host.Config, _ *host.ConnectOptions) { c.OAuth.DPoP = "off" })
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Rejected, "invalid_dpop_proof", "write oauth.dpop: auto")
	a.DPoP = false
	c, org := a.start(t, oktatest.Config{}, func(c *host.Config, _ *host.ConnectOptions) { c.OAuth.DPoP = "off" })
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Succeeded, "")
	for _, r := range org.Requests() {
		if r.Header.Get("DPoP") != "" {
			t.Errorf("%s %s has a proof", r.Method, r.Path)
		}
	}
	c, _ = a.start(t, oktatest.Config{}, func(c *host.Config, _ *host.ConnectOptions) { c.OAuth.DPoP = "required" })
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Rejected, "dpop_required")
}

// TestOAuth_FirstTokenRequest_HasAProof: a request without one would be a failed grant in the System Log.
func TestOAuth_FirstTokenRequest_HasAProof(t *testing.T) {
	c, org := newApp().start(t, oktatest.Config{}, nil)
	wantOutcome(t, invoked(c, "lookup_user", readAda), abi.Succeeded, "")
	var posts int
	for _, r := range org.Requests() {
		if r.Method == http.MethodPost {
			posts++
			if r.Header.Get("DPoP") == "" {
				t.Error("a token request has no proof")
			}
		}
	}
	if posts != 2 {
		t.Errorf("%d token requests, want one for the nonce and one with it", posts)
	}
}

func TestOAuth_Validate_KnowsAServiceApp(t *testing.T) {
	for name, scopes := range map[string][]string{"every scope": nil, "no scope of orgs": {"okta.users.read"}, "no scope of users": {"okta.orgs.read"}} {
		c, _ := newApp(scopes...).start(t, oktatest.Config{}, nil)
		res := invoked(c, "validate", `{}`)
		if res.Outcome != abi.Succeeded || !gjson.GetBytes(res.Output, "valid").Bool() {
			t.Errorf("%s: %s %+v %s", name, res.Outcome, res.Error, gjson.GetBytes(res.Output, "checks"))
		}
	}
	c, _ := newApp("okta.logs.read").start(t, oktatest.Config{}, nil)
	wantOutcome(t, invoked(c, "validate", `{}`), abi.Denied, "scope_missing")
}

func TestOAuth_Inventory_SkipsWhatTheAppLacks(t *testing.T) {
	c, org := newApp("okta.users.read", "okta.groups.read").start(t, oktatest.Config{}, nil)
	res := invoked(c, "inventory_export", `{"limit_per_kind":2}`)
	if res.Outcome != abi.Succeeded {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	if got := scopesOf(org); got[len(got)-1] != "okta.groups.read okta.users.read" {
		t.Errorf("%q", got)
	}
}

// TestOAuth_SecretsOfAnApp_AreShownNowhere looks for access tokens, assertions, proofs and the private key in results, logs,
// audits, journals and errors.
func TestOAuth_SecretsOfAnApp_AreShownNowhere(t *testing.T) {
	a := newApp()
	var log bytes.Buffer // a handler of slog writes one line at a time
	auditor := &hosttest.Audit{}
	folder := t.TempDir()
	j, err := journal.Open(filepath.Join(folder, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, org := a.start(t, oktatest.Config{}, func(_ *host.Config, o *host.ConnectOptions) {
		o.Logger, o.Auditor, o.Journal = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), auditor, j
	})
	var shown strings.Builder
	show := func(v any) { fmt.Fprintf(&shown, "%+v\n", v); _ = json.NewEncoder(&shown).Encode(v) }
	show(invoked(c, "lookup_user", readAda))
	res, err := c.Invoke(t.Context(), "user_lifecycle_action",
		json.RawMessage(`{"user":"alan.turing@example.com","action":"suspend"}`), host.InvokeOptions{IdempotencyKey: "k"})
	show(res)
	show(err)
	org.RevokeTokens()
	show(invoked(c, "list_groups", `{"limit":1}`))
	a.Keys = nil
	org.AddServiceApp(a.ServiceApp)
	org.RevokeTokens()
	for _, op := range []string{"list_groups", "list_zones", "validate"} {
		show(invoked(c, op, `{}`))
	}
	access, err := c.Access(t.Context())
	show(access)
	show(err)
	show(c.Config())
	show(auditor)
	shown.WriteString(log.String())
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := os.ReadFile(path)
			shown.Write(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	secret := []string{"eyJhbGci", "BEGIN"}
	for line := range strings.Lines(a.key) {
		secret = append(secret, strings.TrimSpace(line))
	}
	for _, issued := range org.IssuedTokens() {
		secret = append(secret, issued.Value)
	}
	for _, s := range secret {
		if i := strings.Index(shown.String(), s); s != "" && i >= 0 {
			t.Errorf("%.12s… is shown: %.200q", s, shown.String()[max(0, i-80):])
		}
	}
	if len(org.IssuedTokens()) < 3 || !strings.Contains(shown.String(), "invalid_client") || !strings.Contains(shown.String(), a.ClientID) {
		t.Errorf("%d tokens; the texts lack what they must have", len(org.IssuedTokens()))
	}
}

// TestOAuth_EveryScope_IsOneOfTheOrg compares the scopes of the manifest with those that the simulated org can grant.
func TestOAuth_EveryScope_IsOneOfTheOrg(t *testing.T) {
	has := oktatest.Scopes()
	seen := 0
	for _, op := range hosttest.Connector.Module(t).Manifest().Operations {
		for _, e := range op.Endpoints {
			for _, scope := range e.Scopes {
				if seen++; !slices.Contains(has, scope) {
					t.Errorf("%s needs %s, which a service app of the simulated org cannot have", op.Name, scope)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no operation needs a scope")
	}
}
