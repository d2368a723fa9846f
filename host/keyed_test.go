package host_test

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
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/oktatest"
)

func openJournal(t *testing.T, opts journal.Options) *journal.File {
	t.Helper()
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal"), opts)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func withJournal(j *journal.File) func(*host.Config, *host.ConnectOptions) {
	return func(_ *host.Config, o *host.ConnectOptions) { o.Journal = j }
}

func TestTheSameKeyHappensOnce(t *testing.T) {
	ctx := context.Background()
	j := openJournal(t, journal.Options{})
	c, org := actor(t, withJournal(j))
	key := host.InvokeOptions{IdempotencyKey: "ticket-1"}
	const create = `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"activate":false}`

	first, err := c.Invoke(ctx, "create_user", json.RawMessage(create), key)
	if err != nil || first.Meta.Replayed {
		t.Fatalf("%+v %v", first, err)
	}
	requests, effects := len(org.Org.Requests()), org.Org.Effects()
	// The order of members is no other input.
	again, err := c.Invoke(ctx, "create_user", json.RawMessage(`{"activate":false,`+create[1:strings.LastIndex(create, ",")]+`}`), key)
	if err != nil || !again.Meta.Replayed || string(again.Output) != string(first.Output) || again.Outcome != abi.Succeeded {
		t.Errorf("%+v %v", again, err)
	}
	if len(org.Org.Requests()) != requests || org.Org.Effects() != effects {
		t.Error("the second run sent something")
	}
	other, err := c.Invoke(ctx, "create_user", json.RawMessage(strings.Replace(create, "Nils", "Anna", 1)), key)
	if err == nil || other.Outcome != abi.Rejected || other.Error.Code != "idempotency_key_reused" {
		t.Errorf("%+v %v", other, err)
	}
	if res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`), host.InvokeOptions{IdempotencyKey: strings.Repeat("k", 300)}); err == nil || res.Outcome != abi.Invalid {
		t.Errorf("%+v", res)
	}
}

func TestCredentialsAreNotInTheJournal(t *testing.T) {
	j := openJournal(t, journal.Options{})
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

func TestARefusalThatPassesLeavesTheKeyFree(t *testing.T) {
	ctx := context.Background()
	c, org := actor(t, withJournal(openJournal(t, journal.Options{})))
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

func TestTheSameKeyAtOnceHappensOnce(t *testing.T) {
	ctx := context.Background()
	j := openJournal(t, journal.Options{})
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

func TestCeilingsStopAWorkflowGoneWild(t *testing.T) {
	ctx := context.Background()
	now := time.Now()
	j := openJournal(t, journal.Options{Now: func() time.Time { return now }})
	c, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.MaxDestructivePerHour, cfg.MaxWritesPerMinute, o.Journal = 3, 5, j
	})
	deactivate := func(i int) *abi.Result {
		res, _ := c.Invoke(ctx, "deactivate_user", json.RawMessage(fmt.Sprintf(`{"user":%q}`, org.Org.UserIDs()[i])))
		return res
	}
	for i := 1; i <= 3; i++ {
		if res := deactivate(i); res.Outcome != abi.Succeeded {
			t.Fatalf("%+v", res)
		}
	}
	res := deactivate(10)
	if res.Outcome != abi.Throttled || res.Error.Code != "ceiling" || res.Error.RetryAfterMS == 0 || !strings.Contains(res.Error.Message, "max_destructive_per_hour: 3") {
		t.Errorf("%+v", res)
	}
	if org.Org.Effects() != 3 {
		t.Errorf("%d users were deactivated", org.Org.Effects())
	}
	now = now.Add(time.Hour + time.Second)
	if res := deactivate(10); res.Outcome != abi.Succeeded {
		t.Errorf("an hour later: %+v", res)
	}
	if _, err := c.Module().Connect(ctx, func() host.Config { cfg := c.Config(); return cfg }(), host.ConnectOptions{Secrets: fixedSecret("x")}); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("ceilings without a journal: %v", err)
	}
}
