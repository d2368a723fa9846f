package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// TestKey_RunKilled_IsSettled kills a run before or after its write is sent, lets another client change something, and
// repeats the command with its key.
func TestKey_RunKilled_IsSettled(t *testing.T) {
	const (
		ada    = `"user":"ada.lovelace@example.com"`
		group  = `"group":"00gBLrECxFjBwtQJcwkO"`
		create = `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"activate":false}`
	)
	type step struct{ op, input string }
	for i, c := range []struct {
		name      string
		run       step
		writeSent bool   // the write was sent before the run was killed
		meanwhile []step // by another client
		later     time.Duration
		outcome   abi.Outcome
		sent      int // writes of the key in both runs
	}{
		{"sent", step{"user_lifecycle_action", `{` + ada + `,"action":"suspend"}`}, true, nil, 0, abi.Succeeded, 1},
		{"not sent", step{"user_lifecycle_action", `{` + ada + `,"action":"suspend"}`}, false, nil, 0, abi.Succeeded, 1},
		{"created", step{"create_user", create}, true, nil, 0, abi.Succeeded, 1},
		{"not created", step{"create_user", create}, false, nil, 0, abi.Succeeded, 1},
		{"deleted", step{"delete_user", `{` + ada + `}`}, true, nil, 0, abi.Succeeded, 2},
		{"factor reset by id", step{"reset_factor", `{` + ada + `,"factor":"ufsA2B2BCCH8xS7rcwkO"}`}, true, nil, 0, abi.Succeeded, 2}, // the id is never reused
		{"factor not reset by id", step{"reset_factor", `{` + ada + `,"factor":"ufsA2B2BCCH8xS7rcwkO"}`}, false, nil, 0, abi.Succeeded, 1},
		{"target of a group's role added", step{"add_role_target", `{"group":"00gywNmfSjI0s5CWcwkO","role":"HELP_DESK_ADMIN","target_group":"00gAZhiZ2jWHoHFtcwkO"}`}, true, nil, 0, abi.Succeeded, 1},
		{"grants revoked", step{"revoke_user_grants", `{` + ada + `}`}, true, nil, 0, abi.Succeeded, 1},
		{"zone created", step{"create_zone", `{"name":"Branch","gateways":["192.0.2.7"]}`}, true, nil, 0, abi.Succeeded, 1},
		{"rule switched on again", step{"policy_rule_lifecycle_action", `{"policy":"00p8l5ONQvS5VGwfcwkO","rule":"0prV6UGF3qEbKuqccwkO","action":"deactivate"}`}, true,
			[]step{{"policy_rule_lifecycle_action", `{"policy":"00p8l5ONQvS5VGwfcwkO","rule":"0prV6UGF3qEbKuqccwkO","action":"activate"}`}}, time.Hour, abi.Unknown, 1},
		{"undone by another client", step{"user_lifecycle_action", `{` + ada + `,"action":"suspend"}`}, true,
			[]step{{"user_lifecycle_action", `{` + ada + `,"action":"unsuspend"}`}}, time.Hour, abi.Unknown, 1},
		{"deactivated and activated again", step{"deactivate_user", `{` + ada + `}`}, true,
			[]step{{"reactivate_user", `{` + ada + `}`}}, time.Hour, abi.Unknown, 1},
		{"changed again by another client", step{"update_user", `{` + ada + `,"profile":{"title":"Countess"}}`}, true,
			[]step{{"update_user", `{` + ada + `,"profile":{"title":"Duchess"}}`}}, time.Hour, abi.Unknown, 1},
		{"group changed again", step{"update_group", `{` + group + `,"description":"one"}`}, true,
			[]step{{"update_group", `{` + group + `,"description":"two"}`}}, time.Hour, abi.Unknown, 1},
		{"member added and removed", step{"add_group_member", `{` + group + `,` + ada + `}`}, true,
			[]step{{"remove_group_member", `{` + group + `,` + ada + `}`}}, time.Hour, abi.Unknown, 1},
		{"done by another client", step{"deactivate_user", `{` + ada + `}`}, false,
			[]step{{"deactivate_user", `{` + ada + `}`}}, time.Hour, abi.Succeeded, 0}, // the wanted state holds
		{"another client's user of that login", step{"create_user", create}, false, []step{{"create_user", create}}, time.Hour, abi.Unknown, 0},
		{"another client's group of that name", step{"create_group", `{"name":"Night Shift"}`}, false,
			[]step{{"create_group", `{"name":"Night Shift"}`}}, time.Hour, abi.Unknown, 0},
		{"the target is deleted", step{"update_user", `{` + ada + `,"profile":{"title":"Countess"}}`}, true,
			[]step{{"delete_user", `{` + ada + `}`}}, time.Hour, abi.Unknown, 1},
		{"renewed by another client", step{"user_lifecycle_action", `{` + ada + `,"action":"expire_password_with_temp_password"}`}, false,
			[]step{{"user_lifecycle_action", `{` + ada + `,"action":"expire_password"}`}}, time.Hour, abi.Unknown, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && i%2 == 1 {
				t.Skip("the short run has every second case")
			}
			t.Parallel()
			ctx := context.Background()
			var okta hosttest.Clock
			okta.Set(time.Now().Truncate(time.Second))
			j := hosttest.Journal(t, journal.Options{})
			conn, org := e2e.Start(t, oktatest.Config{Now: okta.Now}, withJournal(hosttest.Killed(j)))
			if !c.writeSent {
				for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
					org.Org.Inject(oktatest.Fault{Kind: oktatest.ResetBefore, Method: method, Times: 1})
				}
			}
			key := host.InvokeOptions{IdempotencyKey: "k"}
			first, _ := conn.Invoke(ctx, c.run.op, json.RawMessage(c.run.input), key)
			if c.writeSent != (first.Outcome == abi.Succeeded) {
				t.Fatalf("%+v %+v", first, first.Error)
			}
			org.Org.ClearFaults()
			byFirst := org.Org.Writes()
			okta.Set(okta.Now().Add(c.later))
			others := e2e.Again(t, conn, org, nil)
			for _, s := range c.meanwhile {
				if res, err := others.Invoke(ctx, s.op, json.RawMessage(s.input)); err != nil {
					t.Fatalf("%+v", res.Error)
				}
			}
			if res, _ := e2e.Again(t, conn, org, withJournal(j)).Invoke(ctx, c.run.op, json.RawMessage(c.run.input), host.InvokeOptions{IdempotencyKey: "k", Timeout: time.Nanosecond}); res.Outcome.OK() || res.Outcome == abi.Unavailable && res.Error.Code != "idempotency_key_busy" {
				t.Errorf("without time: %s %+v", res.Outcome, res.Error)
			}
			before, sent := org.Org.Effects(), org.Org.Writes()
			okta.Set(okta.Now().Add(c.later))

			again, _ := e2e.Again(t, conn, org, withJournal(j)).Invoke(ctx, c.run.op, json.RawMessage(c.run.input), key)
			if again.Outcome != c.outcome || again.Outcome == abi.Succeeded && !again.Meta.Reconciled && org.Org.Effects() == before {
				t.Errorf("again: %+v %+v", again, again.Error)
			}
			mine := org.Org.Writes() - sent + byFirst
			if mine != c.sent {
				t.Errorf("%d writes, want %d: %s %+v", mine, c.sent, again.Outcome, again.Error)
			}
			if again.Outcome == abi.Unknown && (again.Error.Message == "" || again.Error.Retryable) {
				t.Errorf("%+v", again.Error)
			}
			// A recorded result is returned without a request. An unknown outcome stays unknown.
			requests := len(org.Org.Requests())
			third, _ := e2e.Again(t, conn, org, withJournal(j)).Invoke(ctx, c.run.op, json.RawMessage(c.run.input), key)
			if third.Outcome != again.Outcome || third.Meta.Replayed != again.Outcome.OK() || third.Meta.Replayed && len(org.Org.Requests()) != requests {
				t.Errorf("third: %+v %+v", third, third.Error)
			}
		})
	}
}

// busyOkta breaks the connection of a write immediately, and executes it only after the guest has waited for a while. A
// gateway does the same if it gives up on an org that is still processing.
type busyOkta struct {
	mu     sync.Mutex
	org    http.Handler
	takes  time.Duration
	waited time.Duration
	work   *http.Request
}

func (b *busyOkta) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		b.org.ServeHTTP(w, r)
		return
	}
	b.mu.Lock()
	b.work = r.Clone(context.Background())
	b.mu.Unlock()
	panic(http.ErrAbortHandler)
}

func (b *busyOkta) sleep(_ context.Context, d time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waited += d; b.work != nil && b.waited >= b.takes {
		b.org.ServeHTTP(httptest.NewRecorder(), b.work)
		b.work = nil
	}
	return nil
}

// TestWrite_OktaStillProcesses_IsAwaited: Okta executes a write long after the connection broke. An outcome without
// effect would be wrong.
func TestWrite_OktaStillProcesses_IsAwaited(t *testing.T) {
	for _, takes := range []time.Duration{0, 6 * time.Second, 29 * time.Second} {
		t.Run(takes.String(), func(t *testing.T) {
			org := oktatest.New(oktatest.Config{})
			busy := &busyOkta{org: withToken(org), takes: takes}
			server := httptest.NewServer(busy)
			defer server.Close()
			c := connectTo(t, server.URL, func(_ *host.Config, o *host.ConnectOptions) { o.Sleep = busy.sleep })
			res, _ := c.Invoke(context.Background(), "deactivate_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
			if res.Outcome != abi.Succeeded || !res.Meta.Reconciled || org.Effects() != 1 {
				t.Errorf("%s %+v, %d effects after %s", res.Outcome, res.Error, org.Effects(), busy.waited)
			}
		})
	}
	// If Okta never executes it, the outcome says so once it no longer can.
	org := oktatest.New(oktatest.Config{})
	busy := &busyOkta{org: withToken(org), takes: time.Hour}
	server := httptest.NewServer(busy)
	defer server.Close()
	c := connectTo(t, server.URL, func(_ *host.Config, o *host.ConnectOptions) { o.Sleep = busy.sleep })
	res, _ := c.Invoke(context.Background(), "deactivate_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
	if res.Outcome != abi.Unavailable || !res.Meta.Reconciled || !res.Error.Retryable || busy.waited < 30*time.Second {
		t.Errorf("%s %+v after %s", res.Outcome, res.Error, busy.waited)
	}
	// If the time is too short for that, the outcome is unknown.
	res, _ = c.Invoke(context.Background(), "deactivate_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`), host.InvokeOptions{Timeout: 5 * time.Second})
	if res.Outcome != abi.Unknown || res.Error.Retryable {
		t.Errorf("%s %+v", res.Outcome, res.Error)
	}
}

// TestWrite_LostResponseAndConcurrentChange_HasItsOutcome: another client changes the object of a write whose response
// is lost.
func TestWrite_LostResponseAndConcurrentChange_HasItsOutcome(t *testing.T) {
	const ada = `"user":"ada.lovelace@example.com"`
	type step struct{ op, input string }
	for _, c := range []struct {
		name    string
		run     step
		applied bool
		other   step
		outcome abi.Outcome
	}{
		{"to a third state", step{"user_lifecycle_action", `{` + ada + `,"action":"suspend"}`}, false, step{"user_lifecycle_action", `{` + ada + `,"action":"expire_password"}`}, abi.Unknown},
		{"back again", step{"user_lifecycle_action", `{` + ada + `,"action":"suspend"}`}, true, step{"user_lifecycle_action", `{` + ada + `,"action":"deactivate"}`}, abi.Unknown},
		{"to the same", step{"deactivate_user", `{` + ada + `}`}, false, step{"deactivate_user", `{` + ada + `}`}, abi.Succeeded},
		{"another value", step{"update_user", `{` + ada + `,"profile":{"title":"Countess"}}`}, true, step{"update_user", `{` + ada + `,"profile":{"title":"Duchess"}}`}, abi.Unknown},
		{"another attribute", step{"update_user", `{` + ada + `,"profile":{"title":"Countess"}}`}, true, step{"update_user", `{` + ada + `,"profile":{"nickName":"Addie"}}`}, abi.Succeeded},
		{"a zone", step{"update_zone", `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.7"]}`}, false, step{"update_zone", `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.8"]}`}, abi.Unknown},
		{"a policy", step{"update_policy", `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"one"}}`}, true, step{"update_policy", `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"two"}}`}, abi.Unknown},
		{"a device", step{"device_lifecycle_action", `{"device":"guoTR3yslxGF2H07cwkO","action":"suspend"}`}, true, step{"device_lifecycle_action", `{"device":"guoTR3yslxGF2H07cwkO","action":"deactivate"}`}, abi.Unknown},
		{"an assignment", step{"assign_application_group", `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gLFTnJJZSd570BcwkO","priority":7}`}, true,
			step{"assign_application_group", `{"application":"0oaGJxoM8LyCF3ytcwkO","group":"00gLFTnJJZSd570BcwkO","priority":8}`}, abi.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			org := oktatest.New(oktatest.Config{})
			others := bound(t, withToken(org), abi.Classes()...)
			broken := false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet || broken {
					withToken(org).ServeHTTP(w, r)
					return
				}
				broken = true
				if c.applied {
					withToken(org).ServeHTTP(httptest.NewRecorder(), r)
				}
				if res, err := others.Invoke(ctx, c.other.op, json.RawMessage(c.other.input)); err != nil {
					t.Errorf("%+v", res.Error)
				}
				panic(http.ErrAbortHandler)
			}))
			defer server.Close()
			conn := connectTo(t, server.URL, nil)
			res, _ := conn.Invoke(ctx, c.run.op, json.RawMessage(c.run.input))
			if res.Outcome != c.outcome || res.Outcome == abi.Unknown && !strings.Contains(res.Error.Message, "Look at the object") {
				t.Errorf("%s %+v", res.Outcome, res.Error)
			}
		})
	}
}

func TestKey_TwoOrgsOfOneName_AreSeparate(t *testing.T) {
	ctx := context.Background()
	j := hosttest.Journal(t, journal.Options{})
	for i := range 2 {
		c, org := actor(t, withJournal(j))
		res, err := c.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Night Shift"}`), host.InvokeOptions{IdempotencyKey: "k"})
		if err != nil || res.Meta.Replayed || org.Org.Effects() != 1 {
			t.Errorf("org %d: %+v %v", i, res, err)
		}
	}
}

// TestReactivateUser_RunKilled_IsSettled: the status does not show which request the killed run sent, since another
// request would fit it.
func TestReactivateUser_RunKilled_IsSettled(t *testing.T) {
	for _, c := range []struct {
		name, status string
		writeSent    bool
		sent         int // writes of the key
	}{{"staged", "STAGED", true, 1}, {"staged, not sent", "STAGED", false, 1}, {"deprovisioned", "DEPROVISIONED", true, 1}, {"deprovisioned, not sent", "DEPROVISIONED", false, 1}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			j := hosttest.Journal(t, journal.Options{})
			var okta hosttest.Clock
			okta.Set(time.Now().Truncate(time.Second))
			conn, org := e2e.Start(t, oktatest.Config{Now: okta.Now}, withJournal(hosttest.Killed(j)))
			others := e2e.Again(t, conn, org, nil)
			in := json.RawMessage(`{"user":"nils@example.com"}`)
			steps := []string{"create_user", `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"activate":false}`}
			if c.status == "DEPROVISIONED" {
				steps = append(steps, "deactivate_user", string(in))
			}
			for i := 0; i < len(steps); i += 2 {
				if res, err := others.Invoke(ctx, steps[i], json.RawMessage(steps[i+1])); err != nil {
					t.Fatalf("%+v", res.Error)
				}
			}
			before := org.Org.Writes()
			okta.Set(okta.Now().Add(time.Hour))
			if !c.writeSent {
				org.Org.Inject(oktatest.Fault{Kind: oktatest.ResetBefore, Method: http.MethodPost, Times: 1})
			}
			key := host.InvokeOptions{IdempotencyKey: "k"}
			if first, _ := conn.Invoke(ctx, "reactivate_user", in, key); c.writeSent != (first.Outcome == abi.Succeeded) {
				t.Fatalf("%+v", first.Error)
			}
			org.Org.ClearFaults()
			again, err := e2e.Again(t, conn, org, withJournal(j)).Invoke(ctx, "reactivate_user", in, key)
			if err != nil || again.Outcome != abi.Succeeded || again.Meta.Reconciled != c.writeSent || !strings.Contains(string(again.Output), `"after":"PROVISIONED"`) {
				t.Errorf("%s %+v %s", again.Outcome, again.Error, again.Output)
			}
			if sent := org.Org.Writes() - before; sent != c.sent {
				t.Errorf("%d writes", sent)
			}
		})
	}
}
