package okta

import (
	"encoding/json"
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

func takesCursor(op *connector.Operation) bool {
	return slices.ContainsFunc(op.Inputs, func(in connector.Input) bool { return in.Name == "cursor" })
}

// TestCursor_OfAnotherInput_IsInvalidOnEverySurface: an input's cursor is checked on every surface. An invalid one is
// refused before any request.
func TestCursor_OfAnotherInput_IsInvalidOnEverySurface(t *testing.T) {
	silent := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		t.Errorf("asked for %s", line(req))
		return answer(200, `[]`)
	}}
	asked := 0
	for _, op := range operations() {
		if !takesCursor(op) {
			continue
		}
		asked++
		in, err := sjson.Set(op.Example, "cursor", "garbage")
		if err != nil {
			t.Fatal(err)
		}
		if out := invokeNative(t, silent, op.Name, in); out.Outcome != abi.Invalid || out.Error.Code != "cursor" {
			t.Errorf("invoke %s: %s %+v", op.Name, out.Outcome, out.Error)
		}
		export := func(name string, f func(hostcall.Host, string) (string, error), message any) {
			text, _ := json.Marshal(message)
			raw, err := f(hostcall.New(silent), string(text))
			var out struct {
				Outcome abi.Outcome
				Error   *abi.Error
			}
			if err != nil || json.Unmarshal([]byte(raw), &out) != nil || out.Outcome != abi.Invalid || out.Error.Code != "cursor" {
				t.Errorf("%s %s: %s %v", name, op.Name, raw, err)
			}
		}
		if op.On(abi.SQL) {
			export("table", Table, abi.TableInput{Operation: op.Name, Input: json.RawMessage(in)})
		}
		if op.On(abi.Ingest) {
			export("source", Source, abi.SourceInput{Operation: op.Name, Config: json.RawMessage(in)})
		}
	}
	if asked < 15 {
		t.Errorf("%d operations accept a cursor", asked)
	}
}

func TestCursor_OfAnInvoke_ResumesTableAndSource(t *testing.T) {
	host := &hosttest.Host{Answer: users(5)}
	out := invokeNative(t, host, "list_users", `{"limit":2,"page_size":2}`)
	if out.Outcome != abi.Succeeded || out.NextCursor == "" {
		t.Fatalf("%+v", out)
	}
	in, _ := json.Marshal(map[string]any{"page_size": 2, "cursor": out.NextCursor})
	text, _ := json.Marshal(abi.TableInput{Operation: "list_users", Input: in})
	host.Records = nil
	if raw, err := Table(hostcall.New(host), string(text)); err != nil || strings.Join(host.Records, "") != `{"id":"2"}{"id":"3"}` {
		t.Errorf("%s %v: %s", raw, err, host.Records)
	}

	next := "/api/v1/logs?after=1&limit=1"
	poll := answering{logs: {paged(`[{"uuid":"1","published":"2026-01-01T00:00:00Z"}]`, next)}}.host(t)
	out = invokeNative(t, poll, "poll_system_log_page", `{"page_size":1}`)
	in, _ = json.Marshal(map[string]any{"page_size": 1, "cursor": out.NextCursor})
	text, _ = json.Marshal(abi.SourceInput{Operation: "poll_system_log_page", Config: in})
	if raw, err := Source(hostcall.New(poll), string(text)); err != nil || !strings.HasSuffix(requested(poll), logs+" -> "+next) {
		t.Errorf("%s %v\n%s", raw, err, requested(poll))
	}
	// A checkpoint is newer than the cursor.
	text, _ = json.Marshal(abi.SourceInput{Operation: "poll_system_log_page", Config: in, Checkpoint: json.RawMessage(`{"v":1,"link":"/api/v1/logs?after=9"}`)})
	if raw, err := Source(hostcall.New(poll), string(text)); err != nil || !strings.HasSuffix(requested(poll), logs+" -> /api/v1/logs?after=9") {
		t.Errorf("%s %v\n%s", raw, err, requested(poll))
	}
}
