package result

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

func sent(endpoint, id string) abi.RequestMeta {
	return abi.RequestMeta{Endpoint: endpoint, Status: 200, RequestID: id, Attempts: 1}
}

func TestText_OfEachResult_SaysWhatCameOfIt(t *testing.T) {
	get := sent("GET /users/{id}", "r0")
	for name, c := range map[string]struct {
		result abi.Result
		want   string
	}{
		"a read": {abi.Result{Operation: "lookup_user", Outcome: abi.Succeeded, Meta: abi.Meta{Requests: []abi.RequestMeta{get}},
			Output: json.RawMessage(`{"id":"00u1","profile":{"login":"ada","n":[]},"all":[1,{"a":null}],"_links":{"self":"x"}}`)},
			"lookup_user: succeeded  ada\n{\n  \"id\": \"00u1\",\n  \"profile\": {\n    \"login\": \"ada\",\n    \"n\": []\n  },\n  \"all\": [\n    1,\n    {\n      \"a\": null\n    }\n  ]\n}\n"},
		"a list": {abi.Result{Operation: "list_users", Outcome: abi.Succeeded, Output: json.RawMessage(`{"records":[{"id":"1"},{"id":"2"}],"next_cursor":"c1"}`), NextCursor: "c1"},
			"list_users: succeeded  2 records\n[\n  {\n    \"id\": \"1\"\n  },\n  {\n    \"id\": \"2\"\n  }\n]\nnext_cursor  c1\n"},
		"an empty list":         {abi.Result{Operation: "list_users", Outcome: abi.Succeeded, Output: json.RawMessage(`{"records":[],"next_cursor":null}`)}, "list_users: succeeded  0 records\n"},
		"a list that says more": {abi.Result{Operation: "export", Outcome: abi.Succeeded, Output: json.RawMessage(`{"records":[],"partial":true}`)}, "export: succeeded  0 records\n{\n  \"records\": [],\n  \"partial\": true\n}\n"},
		"a change of state": {abi.Result{Operation: "suspend", Outcome: abi.Succeeded, Output: json.RawMessage(`{"id":"00u1","login":"ada","before":"ACTIVE","after":"SUSPENDED"}`),
			Meta: abi.Meta{Requests: []abi.RequestMeta{get, sent("POST /users/{id}", "r1")}}},
			"suspend: succeeded  ada  ACTIVE → SUSPENDED  (request r1)\n  id: \"00u1\"\n"},
		"a change of members": {abi.Result{Operation: "update_user", Outcome: abi.Succeeded,
			Output: json.RawMessage(`{"login":"ada","before":{"a":1,"p":{"x":"old","gone":1,"same":[1, 2]},"_links":1},"after":{"a":1,"p":{"x":"new","same":[1,2],"made":{"b":1}},"_links":2}}`),
			Meta:   abi.Meta{Requests: []abi.RequestMeta{sent("POST /users/{id}", "r1"), sent("PUT /users/{id}", "r2")}}},
			"update_user: succeeded  ada  (requests r1 r2)\n  p.x     \"old\" → \"new\"\n  p.gone  1 → (none)\n  p.made  (none) → {\"b\":1}\n"},
		"a pair": {abi.Result{Operation: "add_group_member", Outcome: abi.Succeeded, Output: json.RawMessage(`{"group":"00g1","login":"ada","member_before":false,"member":true}`)},
			"add_group_member: succeeded  ada\n  member  false → true\n  group: \"00g1\"\n"},
		"an object that is removed": {abi.Result{Operation: "delete_group", Outcome: abi.Succeeded,
			Output: json.RawMessage(`{"id":"00g1","before":{"id":"00g1","profile":{"name":"Night"},"_links":{"x":1}},"after":null}`)},
			"delete_group: succeeded  Night\n  id: \"00g1\"\n  before: {\n    \"id\": \"00g1\",\n    \"profile\": {\n      \"name\": \"Night\"\n    }\n  }\n  after: null\n"},
		"an object that is added": {abi.Result{Operation: "assign", Outcome: abi.Succeeded, Output: json.RawMessage(`{"user":"00u1","before":null,"after":{"scope":"USER","_links":{}}}`)},
			"assign: succeeded\n  user: \"00u1\"\n  before: null\n  after: {\n    \"scope\": \"USER\"\n  }\n"},
		"an object under another name": {abi.Result{Operation: "move", Outcome: abi.Succeeded,
			Output: json.RawMessage(`{"id":"1","before":{"name":"a","n":1},"after":{"name":"b","n":1},"place_before":{"x":1,"y":2},"place":{"x":1,"y":3}}`)},
			"move: succeeded  b\n  name     \"a\" → \"b\"\n  place.y  2 → 3\n  id: \"1\"\n"},
		"what was so already": {abi.Result{Operation: "suspend", Outcome: abi.Unchanged, Output: json.RawMessage(`{"login":"ada","before":"SUSPENDED","after":"SUSPENDED"}`), Meta: abi.Meta{Requests: []abi.RequestMeta{get}}},
			"suspend: unchanged  ada  SUSPENDED  (nothing was sent)\n"},
		"an outcome that was read back": {abi.Result{Operation: "suspend", Outcome: abi.Succeeded, Meta: abi.Meta{Reconciled: true, ApprovedBy: "eve", Requests: []abi.RequestMeta{{Endpoint: "POST /x", Attempts: 1}}}},
			"suspend: succeeded  (an answer was lost, and the outcome was read back, approved by eve)\n"},
		"a failure": {abi.Result{Operation: "delete_user", Outcome: abi.Unknown, Meta: abi.Meta{Partial: true, Requests: []abi.RequestMeta{sent("DELETE /x", "r9")}}},
			"delete_user: unknown  (request r9, only a part was done)\n"},
		"hostile text": {abi.Result{Operation: "lookup_user", Outcome: abi.Succeeded, Output: json.RawMessage(`{"login":"a\u202eb","x` + "\u009b" + `":"` + "\u202e" + `"}`)},
			"lookup_user: succeeded  a\\u202eb\n{\n  \"login\": \"a\\u202eb\",\n  \"x\\u009b\": \"\\u202e\"\n}\n"},
	} {
		if got := (Style{}).Text(&c.result); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestQuestion_OfAWrite_ShowsWhatItChanges(t *testing.T) {
	r := host.ApprovalRequest{Connection: "prod", Operation: "update_user", Class: abi.Write, Input: json.RawMessage(`{"user":"ada"}`), Plan: abi.Plan{
		Writes:   []abi.PlannedWrite{{Endpoint: "POST /users/{id}", Target: "/users/00u1?x=1", Body: json.RawMessage(`{"profile":{"title":"b","city":"Rome"}}`)}, {Endpoint: "DELETE /users/{id}", Target: "/users/00u1"}},
		State:    json.RawMessage(`{"id":"00u1","profile":{"title":"a","city":"Rome"},"_links":{}}`),
		Related:  []json.RawMessage{json.RawMessage(`[]`)},
		Warnings: []string{"mail is sent"}}}
	want := `update_user on prod has class write. Its input:
  {"user":"ada"}
It would send:
  POST /users/00u1?x=1 {"profile":{"title":"b","city":"Rome"}}
  DELETE /users/00u1
It would change:
  profile.title  "a" → "b"
What is there now:
  {
    "id": "00u1",
    "profile": {
      "title": "a",
      "city": "Rome"
    }
  }
  []
Note: mail is sent
Send it? [y/N] `
	if got := (Style{}).Question(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// The body of a write below the object is not about the object.
	r.Plan.Writes[0].Target = "/users/00u1/roles"
	if got := (Style{}).Question(r); strings.Contains(got, "It would change") {
		t.Error(got)
	}
	r.Plan.State = json.RawMessage(`[` + strings.Repeat(`1,`, 200) + `1]`)
	if got := (Style{}).Question(r); !strings.Contains(got, "  … (163 more lines: --plan shows them)\n") || strings.Count(got, "\n") > 60 {
		t.Error(got)
	}
}

func TestText_OnANarrowTerminal_Fits(t *testing.T) {
	long := strings.Repeat("日本 words ", 20)
	output, err := json.Marshal(map[string]any{"login": "someone.with.a.long.name@example.com", "before": map[string]any{"title": "x", "note": long}, "after": map[string]any{"title": long}, "deep": map[string]any{"er": map[string]any{"text": long}}})
	if err != nil {
		t.Fatal(err)
	}
	r := &abi.Result{Operation: "update_user", Outcome: abi.Succeeded, Output: output, NextCursor: strings.Repeat("c", 200),
		Meta: abi.Meta{Requests: []abi.RequestMeta{sent("POST /x", strings.Repeat("r", 64))}}}
	for _, columns := range []int{20, 40, 80} {
		for line := range strings.Lines(Style{Columns: columns}.Text(r)) {
			if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("a line of %d columns at %d: %q", n, columns, line)
			}
		}
	}
}

// FuzzText wants every output to be shown without a character that moves the cursor, and in lines that fit the terminal.
func FuzzText(f *testing.F) {
	f.Add(`{"login":"ada","before":{"a":1},"after":{"a":2}}`, 40)
	f.Add(`{"records":[{"id":"1"}],"next_cursor":null}`, 80)
	f.Add(`["\u001b[2J",{"a_before":null,"a":[[]]}]`, 0)
	f.Fuzz(func(t *testing.T, output string, columns int) {
		if !json.Valid([]byte(output)) {
			return
		}
		columns = min(max(columns, 0), 200)
		text := Style{Columns: columns}.Text(&abi.Result{Operation: "op", Outcome: abi.Succeeded, Output: json.RawMessage(output)})
		if strings.ContainsAny(text, "\r\x1b\b\u009b\u202e") {
			t.Errorf("%q", text)
		}
	})
}
