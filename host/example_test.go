package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// connect loads the module and connects it to a simulated org. Your program reads build/okta.wasm and connects to
// https://example.okta.com, with TokenSecretRef "env:OKTA_API_TOKEN".
func connect(ctx context.Context, grants ...abi.Class) (*host.Connection, func()) {
	org := oktatest.New(oktatest.Config{Events: 3}).Start()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		panic(err)
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{})
	if err != nil {
		panic(err)
	}
	c, err := m.Connect(ctx, host.Config{
		Name: "okta-prod", Kind: "okta", BaseURL: org.URL, TokenSecretRef: "env:OKTA_API_TOKEN", Grants: grants,
		AllowPrivateNetwork: true, // the simulated org is on this machine
	}, host.ConnectOptions{Secrets: hosttest.Secret(org.Org.Token())})
	if err != nil {
		panic(err)
	}
	return c, func() {
		_ = c.Close(ctx)
		_ = m.Close(ctx)
		org.Close()
	}
}

func ExampleConnection_Invoke() {
	ctx := context.Background()
	c, done := connect(ctx)
	defer done()

	res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var user struct {
		Status  string
		Profile struct{ FirstName string }
	}
	_ = json.Unmarshal(res.Output, &user)
	fmt.Println(res.Outcome, user.Profile.FirstName, user.Status)

	_, err = c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
	fmt.Println(errors.Is(err, host.OutcomeError{Outcome: abi.Denied}))
	// Output:
	// succeeded Ada ACTIVE
	// true
}

func ExampleConnection_Source() {
	ctx := context.Background()
	c, done := connect(ctx)
	defer done()

	var checkpoint json.RawMessage
	events := 0
	for rec, err := range c.Source(ctx, host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		events++ // rec.JSON is the event, rec.Key its uuid
		if rec.Checkpoint != nil {
			checkpoint = rec.Checkpoint // save it when the events are durable
		}
	}
	fmt.Println(events, "events, to be resumed:", checkpoint != nil)
	// Output:
	// 3 events, to be resumed: true
}

func ExampleConnection_SourcePages() {
	ctx := context.Background()
	c, done := connect(ctx)
	defer done()

	for page, err := range c.SourcePages(ctx, host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := page.WriteTo(io.Discard); err != nil { // NDJSON to a file; then fsync, then save page.Checkpoint
			fmt.Println(err)
			return
		}
		fmt.Println(page.Len(), "events, caught up:", page.CaughtUp)
	}
	// Output:
	// 3 events, caught up: true
}

func ExampleConnection_Table() {
	ctx := context.Background()
	c, done := connect(ctx)
	defer done()

	rows, err := c.Table(ctx, "list_users", json.RawMessage(`{"filter":"profile.lastName eq \"Lovelace\""}`),
		host.TableOptions{Columns: []string{"login", "status"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for row, err := range rows.All() {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.Values...)
	}
	// Output:
	// ada.lovelace@example.com ACTIVE
}
