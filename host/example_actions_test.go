package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// This example plans an action, has it approved, runs it once under a ceiling, and audits it.
func ExampleConnection_Invoke_action() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "actions")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	keys, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		panic(err)
	}
	audit, err := host.OpenAuditFile(filepath.Join(dir, "audit.ndjson"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = audit.Close() }()

	org := oktatest.New(oktatest.Config{}).Start() // yours is https://example.okta.com
	defer func() { _ = org.Close() }()
	wasm, err := pack.Cached(ctx) // yours is the content of build/okta.wasm
	if err != nil {
		panic(err)
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = m.Close(ctx) }()
	c, err := m.Connect(ctx, host.Config{
		Name: "okta-prod", Kind: "okta", BaseURL: org.URL, TokenSecretRef: "env:OKTA_API_TOKEN", AllowPrivateNetwork: true,
		Grants: []abi.Class{abi.Read, abi.Destructive}, Approve: []abi.Class{abi.Destructive}, MaxDestructivePerHour: 20,
	}, host.ConnectOptions{
		Secrets: hosttest.Secret(org.Org.Token()), // not needed with the default secrets
		Journal: keys,
		Auditor: audit,
		Approver: host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
			fmt.Println("asked about", r.Operation, string(r.Input), len(r.Plan.Writes), "write")
			return "grace", nil
		}),
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = c.Close(ctx) }()

	for range 2 { // the workflow was restarted
		res, err := c.Invoke(ctx, "deactivate_user", json.RawMessage(`{"user":"alan.turing@example.com"}`),
			host.InvokeOptions{IdempotencyKey: "ticket-4711"})
		switch res.Outcome {
		case abi.Succeeded, abi.Unchanged:
			fmt.Println(res.Outcome, "approved by", res.Meta.ApprovedBy, "replayed:", res.Meta.Replayed)
		case abi.Throttled, abi.Unavailable:
			fmt.Println("again in", res.Error.RetryAfterMS, "ms, if", res.Error.Retryable)
		case abi.Unknown:
			fmt.Println("needs attention:", err)
		default:
			fmt.Println("no:", err)
		}
	}
	// Output:
	// asked about deactivate_user {"user":"alan.turing@example.com"} 1 write
	// succeeded approved by grace replayed: false
	// succeeded approved by grace replayed: true
}
