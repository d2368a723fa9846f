package okta

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// FuzzCursor: any cursor ends in an outcome.
func FuzzCursor(f *testing.F) {
	f.Add("list_users", `https://example.okta.com/api/v1/users?after=1&limit=2`)
	f.Add("inventory_export", `{"kind":"users"}`)
	f.Add("poll_system_log_page", ``)
	f.Add("bounded_system_log_range", "\xff{")
	f.Fuzz(func(t *testing.T, op, cursor string) {
		in, err := json.Marshal(map[string]any{"operation": op, "input": map[string]any{}, "settings": map[string]any{}, "cursor": cursor,
			"deadline": "2026-01-02T03:09:05Z", "now": "2026-01-02T03:04:05Z"})
		if err != nil {
			t.Skip()
		}
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return hosttest.Answer{Status: 200, Body: "[]"} }}
		answered(t, Table, host, string(in))
	})
}

// FuzzCheckpoint: any checkpoint ends in an outcome.
func FuzzCheckpoint(f *testing.F) {
	f.Add(`{"next":"https://example.okta.com/api/v1/logs?after=1"}`)
	f.Add(`{"v":1,"since":"2026-01-02T03:04:05Z"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, checkpoint string) {
		if !json.Valid([]byte(checkpoint)) {
			return // the host refuses it
		}
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return hosttest.Answer{Status: 200, Body: "[]"} }}
		answered(t, Source, host, fmt.Sprintf(`{"operation":"poll_system_log_page","config":{},"settings":{},"checkpoint":%s,"deadline":"2026-01-02T03:09:05Z","now":"2026-01-02T03:04:05Z"}`, checkpoint))
	})
}

// answered runs an export, which must return a message of the ABI or an error about the host.
func answered(t *testing.T, export func(hostcall.Host, string) (string, error), host *hosttest.Host, in string) {
	t.Helper()
	out, err := export(hostcall.New(host), in)
	if err != nil {
		return
	}
	var answer struct {
		Outcome abi.Outcome `json:"outcome"`
		Error   *abi.Error  `json:"error"`
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || !answer.Outcome.Valid() || !answer.Outcome.OK() && answer.Error == nil {
		t.Fatalf("%s answered %s (%v)", in, out, err)
	}
}
