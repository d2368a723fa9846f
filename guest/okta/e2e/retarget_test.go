package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// TestKey_AfterItsObjectChanged_ChangesNoOther kills a run after its write took effect. It gives the object's name to
// another object, or undoes the write, and repeats the command with its key: nothing more may change.
func TestKey_AfterItsObjectChanged_ChangesNoOther(t *testing.T) {
	const (
		nils    = `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"activate":false}`
		other   = `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Other","lastName":"Person"},"activate":false}`
		byLogin = `{"user":"nils@example.com"}`
		app     = `"application":"0oaAZlG8lxcfcbMXcwkO"`
	)
	type step struct{ op, input string }
	for _, c := range []struct {
		name      string
		run       step
		meanwhile []step
		outcome   abi.Outcome
	}{
		{"group deleted", step{"delete_group", `{"group":"Night Shift"}`}, nil, abi.Succeeded},
		{"a new group of that name", step{"delete_group", `{"group":"Night Shift"}`}, []step{{"create_group", `{"name":"Night Shift"}`}}, abi.Succeeded},
		{"a new user of that login", step{"delete_user", byLogin}, []step{{"create_user", other}}, abi.Succeeded},
		{"deactivated, and the login of another user", step{"deactivate_user", byLogin}, []step{{"delete_user", byLogin}, {"create_user", other}}, abi.Unknown},
		{"updated, and the login of another user", step{"update_user", `{"user":"nils@example.com","profile":{"title":"Boss"}}`},
			[]step{{"delete_user", byLogin}, {"create_user", other}}, abi.Unknown},
		{"member added, and another group of that name", step{"add_group_member", `{"group":"Night Shift","user":"ada.lovelace@example.com"}`},
			[]step{{"delete_group", `{"group":"Night Shift"}`}, {"create_group", `{"name":"Night Shift"}`}}, abi.Unknown},
		{"role revoked again", step{"assign_role", `{"user":"ada.lovelace@example.com","type":"SUPER_ADMIN"}`},
			[]step{{"revoke_role", `{"user":"ada.lovelace@example.com","type":"SUPER_ADMIN"}`}}, abi.Unknown},
		{"role assigned again", step{"revoke_role", `{"group":"IT Operations","type":"HELP_DESK_ADMIN"}`},
			[]step{{"assign_role", `{"group":"IT Operations","type":"HELP_DESK_ADMIN"}`}}, abi.Unknown},
		{"application removed again", step{"assign_application_user", `{` + app + `,"user":"nils@example.com"}`},
			[]step{{"unassign_application_user", `{` + app + `,"user":"nils@example.com"}`}}, abi.Unknown},
		{"application of another user of that login", step{"assign_application_user", `{` + app + `,"user":"nils@example.com"}`},
			[]step{{"delete_user", byLogin}, {"create_user", other}}, abi.Unknown},
		{"application assigned to the group again", step{"unassign_application_group", `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gLFTnJJZSd570BcwkO"}`},
			[]step{{"assign_application_group", `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gLFTnJJZSd570BcwkO"}`}}, abi.Unknown},
		{"factor reset", step{"reset_factor", `{"user":"ada.lovelace@example.com","factor":"sms"}`}, nil, abi.Succeeded},
		{"session revoked", step{"revoke_session", `{"session":"102qETvtirgP4fmYzUjrvcwkO"}`}, nil, abi.Succeeded},
		{"device unsuspended again", step{"device_lifecycle_action", `{"device":"guoTR3yslxGF2H07cwkO","action":"suspend"}`},
			[]step{{"device_lifecycle_action", `{"device":"guoTR3yslxGF2H07cwkO","action":"unsuspend"}`}}, abi.Unknown},
		{"zone changed back", step{"update_zone", `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.7"]}`},
			[]step{{"update_zone", `{"zone":"nzoJ4xPmfiDjGljzcwkO","remove_gateways":["192.0.2.7"]}`}}, abi.Unknown},
		{"policy changed back", step{"update_policy", `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"one"}}`},
			[]step{{"update_policy", `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"two"}}`}}, abi.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			var okta hosttest.Clock
			okta.Set(time.Now().Truncate(time.Second))
			j := hosttest.Journal(t, journal.Options{})
			conn, org := e2e.Start(t, oktatest.Config{Now: okta.Now}, withJournal(hosttest.Killed(j)))
			others := e2e.Again(t, conn, org, nil)
			otherClient := func(s step) {
				t.Helper()
				if res, err := others.Invoke(ctx, s.op, json.RawMessage(s.input)); err != nil || res.Outcome != abi.Succeeded {
					t.Fatalf("%s: %s %+v", s.op, res.Outcome, res.Error)
				}
			}
			otherClient(step{"create_group", `{"name":"Night Shift"}`})
			otherClient(step{"create_user", nils})
			okta.Set(okta.Now().Add(time.Hour))
			key := host.InvokeOptions{IdempotencyKey: "k"}
			if res, _ := conn.Invoke(ctx, c.run.op, json.RawMessage(c.run.input), key); res.Outcome != abi.Succeeded {
				t.Fatalf("%s %+v", res.Outcome, res.Error)
			}
			okta.Set(okta.Now().Add(24 * time.Hour))
			for _, s := range c.meanwhile {
				otherClient(s)
			}
			okta.Set(okta.Now().Add(24 * time.Hour))
			effects, writes := org.Org.Effects(), org.Org.Writes()
			res, _ := e2e.Again(t, conn, org, withJournal(j)).Invoke(ctx, c.run.op, json.RawMessage(c.run.input), key)
			if res.Outcome != c.outcome || org.Org.Effects() != effects || org.Org.Writes() != writes {
				t.Errorf("%s %+v, and %d effects of %d writes: %s", res.Outcome, res.Error, org.Org.Effects()-effects, org.Org.Writes()-writes, res.Output)
			}
			if res.Outcome == abi.Succeeded && !res.Meta.Reconciled {
				t.Error("not reconciled")
			}
		})
	}
}

// TestKey_WithoutOktasClock_IsNotSentAgain removes the Date from every response.
func TestKey_WithoutOktasClock_IsNotSentAgain(t *testing.T) {
	ctx := context.Background()
	var okta hosttest.Clock
	okta.Set(time.Now().Truncate(time.Second))
	j := hosttest.Journal(t, journal.Options{})
	conn, org := e2e.Start(t, oktatest.Config{Now: okta.Now}, nil)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { org.Org.ServeHTTP(dateless{w}, r) }))
	defer gateway.Close()
	with := func(j journal.Journal) *host.Connection {
		return e2e.Again(t, conn, org, func(cfg *host.Config, o *host.ConnectOptions) { cfg.BaseURL, o.Journal = gateway.URL, j })
	}
	const suspend = `{"user":"ada.lovelace@example.com","action":"suspend"}`
	key := host.InvokeOptions{IdempotencyKey: "k"}
	if res, _ := with(hosttest.Killed(j)).Invoke(ctx, "user_lifecycle_action", json.RawMessage(suspend), key); res.Outcome != abi.Succeeded {
		t.Fatalf("%+v", res)
	}
	okta.Set(okta.Now().Add(48 * time.Hour))
	if res, _ := conn.Invoke(ctx, "user_lifecycle_action", json.RawMessage(`{"user":"ada.lovelace@example.com","action":"unsuspend"}`)); res.Outcome != abi.Succeeded {
		t.Fatalf("%+v", res)
	}
	writes := org.Org.Writes()
	if res, _ := with(j).Invoke(ctx, "user_lifecycle_action", json.RawMessage(suspend), key); res.Outcome != abi.Unknown || org.Org.Writes() != writes {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, org.Org.Writes()-writes)
	}
}

// dateless removes the Date of a response.
type dateless struct{ http.ResponseWriter }

func (d dateless) WriteHeader(status int) {
	d.Header()["Date"] = nil
	d.ResponseWriter.WriteHeader(status)
}

func (d dateless) Write(b []byte) (int, error) {
	d.Header()["Date"] = nil
	return d.ResponseWriter.Write(b)
}

// TestKey_InDoubt_DoesNotExpire moves this machine's clock past the time for which keys are stored.
func TestKey_InDoubt_DoesNotExpire(t *testing.T) {
	ctx := context.Background()
	var local hosttest.Clock
	local.Set(time.Now())
	j := hosttest.Journal(t, journal.Options{Now: local.Now})
	conn, org := actor(t, withJournal(hosttest.Killed(j)))
	key := host.InvokeOptions{IdempotencyKey: "k"}
	const reset = `{"user":"ada.lovelace@example.com","action":"reset_factors"}`
	if res, _ := conn.Invoke(ctx, "user_lifecycle_action", json.RawMessage(reset), key); res.Outcome != abi.Succeeded {
		t.Fatalf("%+v", res)
	}
	local.Set(local.Now().Add(8 * 24 * time.Hour))
	writes := org.Org.Writes()
	if res, _ := e2e.Again(t, conn, org, withJournal(j)).Invoke(ctx, "user_lifecycle_action", json.RawMessage(reset), key); res.Outcome != abi.Unknown || org.Org.Writes() != writes {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, org.Org.Writes()-writes)
	}
}

// TestKey_OfAFailureWithoutEffect_IsFree corrects the cause, and repeats the command with its key.
func TestKey_OfAFailureWithoutEffect_IsFree(t *testing.T) {
	ctx := context.Background()
	j := hosttest.Journal(t, journal.Options{})
	conn, org := actor(t, withJournal(j))
	for _, c := range []struct {
		name    string
		wrong   func(*host.Config, *host.ConnectOptions)
		input   string
		correct func()
		failed  abi.Outcome
	}{
		{"a token that is not valid", func(_ *host.Config, o *host.ConnectOptions) { o.Secrets = hosttest.Secret("00wrongwrongwrongwrong") },
			`{"group":"00gBLrECxFjBwtQJcwkO","user":"ada.lovelace@example.com"}`, func() {}, abi.Rejected},
		{"a group that does not exist yet", func(*host.Config, *host.ConnectOptions) {}, `{"group":"Night Shift","user":"ada.lovelace@example.com"}`,
			func() {
				if res, err := conn.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Night Shift"}`)); err != nil {
					t.Fatalf("%+v", res.Error)
				}
			}, abi.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := host.InvokeOptions{IdempotencyKey: c.name}
			wrong := e2e.Again(t, conn, org, func(cfg *host.Config, o *host.ConnectOptions) {
				o.Journal = j
				c.wrong(cfg, o)
			})
			if res, _ := wrong.Invoke(ctx, "add_group_member", json.RawMessage(c.input), key); res.Outcome != c.failed {
				t.Fatalf("%s %+v", res.Outcome, res.Error)
			}
			c.correct()
			if res, _ := conn.Invoke(ctx, "add_group_member", json.RawMessage(c.input), key); res.Outcome != abi.Succeeded || res.Meta.Replayed {
				t.Errorf("corrected: %s %+v", res.Outcome, res.Error)
			}
		})
	}

	// A portal in between that disappears.
	portal := true
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if portal {
			http.Redirect(w, r, "https://portal.example/login", http.StatusFound)
			return
		}
		org.Org.ServeHTTP(w, r)
	}))
	defer between.Close()
	c := e2e.Again(t, conn, org, func(cfg *host.Config, o *host.ConnectOptions) { cfg.BaseURL, o.Journal = between.URL, j })
	key := host.InvokeOptions{IdempotencyKey: "portal"}
	if res, _ := c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"alan.turing@example.com"}`), key); res.Outcome != abi.Unavailable {
		t.Fatalf("%s %+v", res.Outcome, res.Error)
	}
	portal = false
	if res, _ := c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"alan.turing@example.com"}`), key); res.Outcome != abi.Succeeded || res.Meta.Replayed {
		t.Errorf("%s %+v", res.Outcome, res.Error)
	}
}

// TestCeiling_PrivilegedWrites_CountAsDestructive assigns and revokes roles under a ceiling.
func TestCeiling_PrivilegedWrites_CountAsDestructive(t *testing.T) {
	ctx := context.Background()
	c, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.MaxDestructivePerHour, o.Journal = 2, hosttest.Journal(t, journal.Options{})
	})
	for i, want := range []abi.Outcome{abi.Succeeded, abi.Succeeded, abi.Throttled} {
		op := []string{"assign_role", "revoke_role"}[i%2]
		res, _ := c.Invoke(ctx, op, json.RawMessage(`{"user":"ada.lovelace@example.com","type":"HELP_DESK_ADMIN"}`))
		if res.Outcome != want {
			t.Errorf("write %d: %s %+v", i+1, res.Outcome, res.Error)
		}
	}
	if org.Org.Effects() != 2 {
		t.Errorf("%d effects", org.Org.Effects())
	}
}
