package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
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

func TestKey_SameInput_WritesOnce(t *testing.T) {
	ctx := context.Background()
	j := hosttest.Journal(t, journal.Options{})
	c, org := actor(t, withJournal(j))
	key := host.InvokeOptions{IdempotencyKey: "ticket-1"}
	const create = `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"activate":false}`

	first, err := c.Invoke(ctx, "create_user", json.RawMessage(create), key)
	if err != nil || first.Meta.Replayed {
		t.Fatalf("%+v %v", first, err)
	}
	requests, effects := len(org.Org.Requests()), org.Org.Effects()
	// Another order of members is the same input.
	again, err := c.Invoke(ctx, "create_user", json.RawMessage(`{"activate":false,`+create[1:strings.LastIndex(create, ",")]+`}`), key)
	if err != nil || !again.Meta.Replayed || string(again.Output) != string(first.Output) || again.Outcome != abi.Succeeded {
		t.Errorf("%+v %v", again, err)
	}
	if len(org.Org.Requests()) != requests || org.Org.Effects() != effects {
		t.Error("the second run sent a request")
	}
	other, err := c.Invoke(ctx, "create_user", json.RawMessage(strings.Replace(create, "Nils", "Anna", 1)), key)
	if err == nil || other.Outcome != abi.Rejected || other.Error.Code != "idempotency_key_reused" {
		t.Errorf("%+v %v", other, err)
	}
	long := host.InvokeOptions{IdempotencyKey: strings.Repeat("k", 300)}
	if res, err := c.Invoke(ctx, "create_user", json.RawMessage(create), long); err == nil || res.Outcome != abi.Invalid {
		t.Errorf("%+v", res)
	}
	// A read is repeated each time.
	for range 2 {
		if res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`), key); err != nil || res.Meta.Replayed {
			t.Errorf("%+v %v", res, err)
		}
	}
}

func TestJournal_Credentials_AreNotStored(t *testing.T) {
	j := hosttest.Journal(t, journal.Options{})
	c, _ := actor(t, withJournal(j))
	key := host.InvokeOptions{IdempotencyKey: "reset"}
	const input = `{"user":"robin.keeper@example.com","action":"expire_password_with_temp_password"}`
	first, err := c.Invoke(context.Background(), "user_lifecycle_action", json.RawMessage(input), key)
	if err != nil || !first.Meta.Sensitive || !strings.Contains(string(first.Output), "temporary_password") {
		t.Fatalf("%+v %v", first, err)
	}
	again, err := c.Invoke(context.Background(), "user_lifecycle_action", json.RawMessage(input), key)
	if err != nil || !again.Meta.Replayed || again.Output != nil || len(again.Meta.Warnings) == 0 {
		t.Errorf("%+v %v", again, err)
	}
}

func TestKey_TemporaryRefusal_IsFree(t *testing.T) {
	ctx := context.Background()
	c, org := actor(t, withJournal(hosttest.Journal(t, journal.Options{})))
	org.Org.Inject(oktatest.Fault{Kind: oktatest.ResetBefore, Method: "POST", Path: "/api/v1/users/{id}/lifecycle/deactivate", Times: 1})
	key := host.InvokeOptions{IdempotencyKey: "leaver"}
	const input = `{"user":"alan.turing@example.com"}`
	if res, err := c.Invoke(ctx, "deactivate_user", json.RawMessage(input), key); err == nil || res.Outcome != abi.Unavailable {
		t.Fatalf("%+v %v", res, err)
	}
	if res, err := c.Invoke(ctx, "deactivate_user", json.RawMessage(input), key); err != nil || res.Outcome != abi.Succeeded || org.Org.Effects() != 1 {
		t.Errorf("%+v %v", res, err)
	}
}

func TestKey_ConcurrentRuns_WriteOnce(t *testing.T) {
	ctx := context.Background()
	j := hosttest.Journal(t, journal.Options{})
	c, org := actor(t, withJournal(j))
	var wg sync.WaitGroup
	replayed := make(chan bool, 8)
	for range 8 {
		wg.Go(func() {
			res, err := c.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Night Shift"}`), host.InvokeOptions{IdempotencyKey: "one"})
			if err != nil {
				t.Error(res.Error)
			}
			replayed <- res.Meta.Replayed
		})
	}
	wg.Wait()
	close(replayed)
	first := 0
	for r := range replayed {
		if !r {
			first++
		}
	}
	if first != 1 || org.Org.Effects() != 1 {
		t.Errorf("%d runs, %d effects", first, org.Org.Effects())
	}
}

func TestCeilings_OverTheLimit_StopWrites(t *testing.T) {
	ctx := context.Background()
	var okta, local hosttest.Clock
	okta.Set(time.Now())
	local.Set(time.Now())
	path := filepath.Join(t.TempDir(), "journal")
	process := func(cfg *host.Config, o *host.ConnectOptions) { // each with its own journal on the same file
		j, err := journal.Open(path, journal.Options{Now: local.Now})
		if err != nil {
			t.Fatal(err)
		}
		cfg.MaxDestructivePerHour, cfg.MaxWritesPerMinute, o.Journal, o.Now = 3, 5, j, local.Now
	}
	c, org := e2e.Start(t, oktatest.Config{Now: okta.Now}, process)
	other := e2e.Again(t, c, org, process)
	deactivate := func(c *host.Connection, i int) *abi.Result {
		res, _ := c.Invoke(ctx, "deactivate_user", json.RawMessage(fmt.Sprintf(`{"user":%q}`, org.Org.UserIDs()[i])))
		return res
	}
	for i, c := range []*host.Connection{c, other, c} {
		if res := deactivate(c, i+1); res.Outcome != abi.Succeeded {
			t.Fatalf("%+v", res)
		}
	}
	stopped := func(when string) {
		t.Helper()
		for _, c := range []*host.Connection{c, other} {
			res := deactivate(c, 10)
			if res.Outcome != abi.Throttled || res.Error.Code != "ceiling" || !res.Error.Retryable || res.Meta.Partial ||
				res.Error.RetryAfterMS < 1 || res.Error.RetryAfterMS > time.Hour.Milliseconds() || !strings.Contains(res.Error.Message, "max_destructive_per_hour: 3") {
				t.Errorf("%s: %+v %+v", when, res, res.Error)
			}
		}
		if org.Org.Effects() != 3 {
			t.Errorf("%s: %d users were deactivated", when, org.Org.Effects())
		}
	}
	stopped("at the ceiling")
	local.Set(time.Now().Add(48 * time.Hour))
	stopped("the local clock jumped ahead")
	local.Set(time.Now().Add(-48 * time.Hour))
	stopped("the local clock jumped back")
	okta.Set(time.Now().Add(59 * time.Minute))
	stopped("59 minutes later")

	// Another class has its own ceilings, and also counts towards the ceiling of all writes.
	for i := range 5 {
		if res, err := c.Invoke(ctx, "create_group", json.RawMessage(fmt.Sprintf(`{"name":"Shift %d"}`, i))); err != nil {
			t.Fatalf("%+v", res)
		}
	}
	if res, _ := other.Invoke(ctx, "create_group", json.RawMessage(`{"name":"Shift 6"}`)); res.Outcome != abi.Throttled || !strings.Contains(res.Error.Message, "max_writes_per_minute: 5") ||
		res.Error.RetryAfterMS > time.Minute.Milliseconds() {
		t.Errorf("%+v %+v", res, res.Error)
	}
	okta.Set(time.Now().Add(61 * time.Minute))
	if res := deactivate(other, 10); res.Outcome != abi.Succeeded {
		t.Errorf("an hour later: %+v", res.Error)
	}
	if _, err := c.Module().Connect(ctx, c.Config(), host.ConnectOptions{Secrets: hosttest.Secret("x")}); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("ceilings without a journal: %v", err)
	}
}

// TestCeiling_BetweenTwoWrites_IsPartial: the first of an operation's two writes is done, and the result says so.
func TestCeiling_BetweenTwoWrites_IsPartial(t *testing.T) {
	c, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.MaxDestructivePerHour, o.Journal = 1, hosttest.Journal(t, journal.Options{})
	})
	res, _ := c.Invoke(context.Background(), "delete_user", json.RawMessage(`{"user":"alan.turing@example.com"}`))
	if res.Outcome != abi.Throttled || !res.Meta.Partial || org.Org.Effects() != 1 || !strings.Contains(res.Error.Message, "deactivated, but not deleted") {
		t.Errorf("%+v %+v", res, res.Error)
	}
}

// TestKey_UnchangedRun_ReadsAgain: after an unchanged run, the object may change before the next.
func TestKey_UnchangedRun_ReadsAgain(t *testing.T) {
	ctx := context.Background()
	c, org := actor(t, withJournal(hosttest.Journal(t, journal.Options{})))
	key := host.InvokeOptions{IdempotencyKey: "leaver"}
	in := json.RawMessage(`{"user":"alan.turing@example.com"}`)
	do := func(op string, want abi.Outcome, o ...host.InvokeOptions) *abi.Result {
		t.Helper()
		res, _ := c.Invoke(ctx, op, in, o...)
		if res.Outcome != want {
			t.Fatalf("%s: %s %+v", op, res.Outcome, res.Error)
		}
		return res
	}
	do("deactivate_user", abi.Succeeded)
	do("deactivate_user", abi.Unchanged, key)
	do("reactivate_user", abi.Succeeded) // by another client
	effects := org.Org.Effects()
	if res := do("deactivate_user", abi.Succeeded, key); res.Meta.Replayed || org.Org.Effects() != effects+1 {
		t.Errorf("%+v after %d effects", res, org.Org.Effects()-effects)
	}
	if res := do("deactivate_user", abi.Succeeded, key); !res.Meta.Replayed {
		t.Errorf("%+v", res)
	}
}

// TestKey_RefusedRun_IsReplayed: a run that ended is not repeated, even if its cause was corrected since. A new key is.
func TestKey_RefusedRun_IsReplayed(t *testing.T) {
	ctx := context.Background()
	c, org := actor(t, withJournal(hosttest.Journal(t, journal.Options{})))
	in := json.RawMessage(`{"user":"ada.lovelace@example.com","profile":{"shoeSize":44}}`)
	for i, replayed := range []bool{false, true} {
		res, _ := c.Invoke(ctx, "update_user", in, host.InvokeOptions{IdempotencyKey: "one"})
		if res.Outcome != abi.Rejected || res.Meta.Replayed != replayed || org.Org.Writes() != 1 {
			t.Errorf("run %d: %+v %+v after %d writes", i, res, res.Error, org.Org.Writes())
		}
	}
	if res, _ := c.Invoke(ctx, "update_user", in, host.InvokeOptions{IdempotencyKey: "two"}); res.Meta.Replayed || org.Org.Writes() != 2 {
		t.Errorf("%+v after %d writes", res, org.Org.Writes())
	}
}
