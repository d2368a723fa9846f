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

// notWanted has bodies of responses with status 200 that are neither a page of a list nor an object.
var notWanted = []string{
	`{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorCauses":[]}`,
	`{"message":"service temporarily unavailable"}`,
	`null`, `true`, `7`, `"OK"`, `[null]`, `["x"]`, `[{"id":"1"},7]`, `{}`, `<html></html>`,
}

// TestReads_AnswerOfAnotherShape_IsUnavailable runs every read as invoke, table and source, with each of these bodies
// as every response. None may become a record, the end of a list, or a "not found".
func TestReads_AnswerOfAnotherShape_IsUnavailable(t *testing.T) {
	for _, op := range operations() {
		if op.Class != abi.Read || op.Name == "validate" { // validate reports problems as findings
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

// runOn runs an operation's example on a surface. It returns "" if the operation is not on it.
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

// TestLists_SecondPageOfAnotherShape_StopsThere: the records read so far are kept, and the cursor resumes at the
// unusable page.
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

// TestReads_StatusOfAPart_IsUnavailable: 202 and 206 say that the response is incomplete, with any body.
func TestReads_StatusOfAPart_IsUnavailable(t *testing.T) {
	for _, op := range operations() {
		if op.Class != abi.Read || op.Name == "validate" {
			continue
		}
		for _, status := range []int{202, 206} {
			for _, body := range []string{`[]`, `{"id":"1","roles":[]}`, `[{"id":"1","uuid":"1"}]`} {
				host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return hosttest.Answer{Status: status, Body: body} }}
				text := runOn(t, op, "invoke", host)
				var out abi.InvokeOutput
				if err := json.Unmarshal([]byte(text), &out); err != nil {
					t.Fatal(err)
				}
				if out.Outcome != abi.Unavailable || out.Error == nil || out.Error.Code != "bad_answer" {
					t.Errorf("%s, %d %s: %s", op.Name, status, body, text)
				}
			}
		}
	}
}

// TestDestructive_LookShowsAnotherObject_IsUnavailable: a destructive write is not sent if its target's read returns
// another id.
func TestDestructive_LookShowsAnotherObject_IsUnavailable(t *testing.T) {
	for op, c := range map[string]struct{ input, other string }{
		"deactivate_user": {`{"user":"00uaaaaaaaaaaaaaaaa1"}`, "00uaaaaaaaaaaaaaaaa2"},
		"delete_group":    {`{"group":"00gaaaaaaaaaaaaaaaa1"}`, "00gaaaaaaaaaaaaaaaa2"},
	} {
		host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			if req.Endpoint == "GET /api/v1/users/me" {
				return hosttest.Answer{Status: 200, Body: `{"id":"00uaaaaaaaaaaaaaaaa9","profile":{}}`}
			}
			return hosttest.Answer{Status: 200, Body: `{"id":"` + c.other + `","status":"ACTIVE","type":"IP","profile":{"login":"x@example.com","name":"x"}}`}
		}}
		out := invokeNative(t, host, op, c.input)
		if out.Outcome != abi.Unavailable || out.Error.Code != "bad_answer" || !strings.Contains(out.Error.Message, "another object, "+c.other) {
			t.Errorf("%s: %s %+v", op, out.Outcome, out.Error)
		}
		for _, req := range host.Requests {
			if !strings.HasPrefix(req.Endpoint, "GET ") {
				t.Errorf("%s sent %s", op, req.Endpoint)
			}
		}
	}
}

// TestValidate_AnswerSaysNothingOfTheToken_IsNotValid: a proxy's page must not make the token look like a service
// app's.
func TestValidate_AnswerSaysNothingOfTheToken_IsNotValid(t *testing.T) {
	org, me, page := answer(200, `{"id":"00o1","pipeline":"idx"}`), answer(200, `{"id":"00u1","profile":{"login":"x@example.com"}}`), answer(200, `<html>`)
	for what, c := range map[string]struct {
		me, org hosttest.Answer
		check   string // the failed check
	}{
		"a page instead of the owner": {page, org, "credentials"}, "an empty response instead of the owner": {answer(204, ``), org, "credentials"}, "304 instead of the owner": {answer(304, ``), org, "credentials"},
		"a proxy's refusal instead of the owner": {answer(403, `<html>`), org, "credentials"}, "no response for the owner": {unsent, org, "credentials"},
		"a page instead of the org": {me, page, "permissions"}, "an error's body instead of the org": {me, answer(200, `{"errorCode":"E0000009"}`), "permissions"}, "no response for the org": {me, unsent, "permissions"},
	} {
		out := invokeNative(t, &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			switch req.Endpoint {
			case "GET /api/v1/users/me":
				return c.me
			case "GET /api/v1/org":
				return c.org
			}
			return org
		}}, "validate", `{}`)
		var got struct {
			Valid  bool
			Checks []struct {
				Name string
				OK   bool
			}
		}
		if err := json.Unmarshal(out.Output, &got); err != nil {
			t.Fatalf("%s: %v %+v", what, err, out)
		}
		bad := ""
		for _, check := range got.Checks {
			if !check.OK {
				bad += check.Name
			}
		}
		if got.Valid || bad != c.check {
			t.Errorf("%s: valid %v, not ok %q: %s", what, got.Valid, bad, out.Output)
		}
	}
}
