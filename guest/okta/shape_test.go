package okta

import (
	"encoding/json"
	"github.com/mach5/okta-connector/guest/connector"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// notWanted are bodies of answers with status 200 that are neither a page of a list nor an object.
var notWanted = []string{
	`{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorCauses":[]}`,
	`{"message":"service temporarily unavailable"}`,
	`null`, `true`, `7`, `"OK"`, `[null]`, `["x"]`, `[{"id":"1"},7]`, `{}`, `<html></html>`,
}

// TestReads_AnswerOfAnotherShape_IsUnavailable: every read, as an invoke, a table and a source, gets each of these bodies in
// place of every answer. None becomes a record, the end of a list, or a "not found".
func TestReads_AnswerOfAnotherShape_IsUnavailable(t *testing.T) {
	for _, op := range operations() {
		if op.Class != abi.Read || op.Name == "validate" { // validate reports what is wrong as findings
			continue
		}
		for _, body := range notWanted {
			for _, surface := range []string{"invoke", "table", "source"} {
				t.Run(op.Name+"/"+surface+"/"+body, func(t *testing.T) {
					host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
						return hosttest.Answer{Status: 200, Body: body, Headers: map[string][]string{"x-okta-request-id": {"r1"}}}
					}}
					text := runOn(t, op, surface, host)
					if text == "" {
						t.Skip("not on this surface")
					}
					var out struct {
						Outcome abi.Outcome
						Error   *abi.Error
					}
					if err := json.Unmarshal([]byte(text), &out); err != nil {
						t.Fatal(err)
					}
					if out.Outcome != abi.Unavailable || out.Error == nil || !out.Error.Retryable || out.Error.Code != "bad_answer" || len(host.Records) > 0 {
						t.Errorf("%s, records %q", text, host.Records)
					}
					if strings.Contains(body, "errorSummary") && !strings.Contains(out.Error.Message, "E0000009: Internal Server Error") {
						t.Errorf("the message does not say what the body says: %s", out.Error.Message)
					}
				})
			}
		}
	}
}

// runOn runs an operation's example on a surface, "" where it is not on it.
func runOn(t *testing.T, op *connector.Operation, surface string, host *hosttest.Host) string {
	t.Helper()
	input := json.RawMessage(op.Example)
	if len(input) == 0 {
		input = json.RawMessage(`{}`)
	}
	call := map[string]any{"operation": op.Name, "settings": map[string]any{}, "features": abi.Features(), "now": "2026-01-02T03:04:05Z", "deadline": "2026-01-02T03:09:05Z"}
	run, member := Invoke, "input"
	switch {
	case surface == "table" && op.On(abi.SQL):
		run = Table
	case surface == "source" && op.On(abi.Ingest):
		run, member = Source, "config"
	case surface != "invoke":
		return ""
	}
	call[member] = input
	in, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	text, err := run(hostcall.New(host), string(in))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLists_SecondPageOfAnotherShape_StopsThere: what was read stays, and the cursor goes on from the page that was not one.
func TestLists_SecondPageOfAnotherShape_StopsThere(t *testing.T) {
	for _, body := range notWanted {
		pages := 0
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
			if pages++; pages > 1 {
				return hosttest.Answer{Status: 200, Body: body}
			}
			return hosttest.Answer{Status: 200, Body: `[{"id":"1"},{"id":"2"}]`, Headers: map[string][]string{"link": {`<https://x/api/v1/users?after=2>; rel="next"`}}}
		}}
		text := runOn(t, find("search_users"), "invoke", host)
		var out abi.InvokeOutput
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		if out.Outcome != abi.Succeeded || out.NextCursor == "" || len(host.Records) != 2 || !strings.Contains(strings.Join(out.Warnings, " "), "stopped early") {
			t.Errorf("%s: %s, records %q", body, text, host.Records)
		}
	}
}

func tableNative(t *testing.T, host *hosttest.Host, call map[string]any) (out abi.TableOutput) {
	t.Helper()
	in, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Table(hostcall.New(host), string(in))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func sourceText(host *hosttest.Host, in string) (string, error) {
	return Source(hostcall.New(host), in)
}
