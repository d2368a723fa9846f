package okta

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

func TestManifest_OfTheConnector_IsValid(t *testing.T) {
	var m abi.Manifest
	dec := json.NewDecoder(strings.NewReader(string(Manifest())))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	for _, op := range m.Operations {
		if op.On(abi.SQL) != (len(op.Columns) > 0) {
			t.Errorf("%s: only operations on the sql surface have columns", op.Name)
		}
		if n := len(op.Columns); n > 0 && (op.Columns[n-1].Name != "record" || op.Columns[n-1].Type != abi.JSON) {
			t.Errorf("%s: the last column is not record", op.Name)
		}
		for _, e := range op.Endpoints {
			if e.Endpoint != getOrganization.Endpoint && len(e.Scopes) == 0 {
				t.Errorf("%s: %s has no scope", op.Name, e.Endpoint)
			}
		}
	}
}

// TestManifest_OfATable_MarksColumnsForPeople: every operation of the sql surface says which columns are the most useful.
func TestManifest_OfATable_MarksColumnsForPeople(t *testing.T) {
	m, err := abi.ParseManifest(Manifest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range m.Operations {
		if op.On(abi.SQL) != (len(op.Display) > 0) {
			t.Errorf("%s: on sql: %v, display %q", op.Name, op.On(abi.SQL), op.Display)
		}
	}
}

func TestOperations_Each_HasOneImplementation(t *testing.T) {
	for _, op := range operations() {
		ways := 0
		for _, has := range []bool{op.Get != nil, op.List != nil, op.Pages != nil, op.Do != nil} {
			if has {
				ways++
			}
		}
		if ways != 1 {
			t.Errorf("%s has %d of get, list, pages and do", op.Name, ways)
		}
		if op.On(abi.Ingest) != (op.Source != nil) {
			t.Errorf("%s: only operations on the ingest surface have a source", op.Name)
		}
	}
}

// FuzzCursorMembers passes cursors with foreign members to the operations with the largest cursors.
func FuzzCursorMembers(f *testing.F) {
	f.Add("inventory_export", `"p":"group_members","k":["g1"],"b":true,"l":"/api/v1/groups/g1/users?after=2","s":1,"n":3`)
	f.Add("inventory_export", `"p":"policies/PASSWORD","x":[{"of":"devices","n":1,"code":"feature","why":"none"}]`)
	f.Add("list_policies", `"p":"PASSWORD","l":"/api/v1/policies?type=PASSWORD","s":1`)
	f.Add("list_users", `"l":"//evil.example.com/api/v1/users","s":9223372036854775807`)
	f.Fuzz(func(t *testing.T, op, members string) {
		if find(op) == nil || !find(op).On(abi.SQL) {
			t.Skip()
		}
		c, _, err := tested.NewCall(hostcall.New(&hosttest.Host{}), `{"operation":"`+op+`","input":{}}`)
		if err != nil {
			t.Fatal(err)
		}
		cursor := base64.RawURLEncoding.EncodeToString([]byte(`{"o":"` + op + `","i":"` + c.InputMark() + `",` + members + `}`))
		asked := 0
		host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			if asked++; asked > connector.MaxPages {
				t.Fatalf("%d requests", asked)
			}
			return inventoryOrg(abi.Request{Endpoint: req.Endpoint, Path: req.Path, Query: req.Query}) // first pages only
		}}
		in, err := json.Marshal(map[string]any{"operation": op, "input": map[string]any{}, "cursor": cursor, "limit": 3, "settings": map[string]any{},
			"now": "2026-01-02T03:04:05Z", "deadline": "2026-01-02T03:09:05Z"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := Table(hostcall.New(host), string(in))
		if err != nil || !json.Valid([]byte(text)) {
			t.Fatalf("%v %s", err, text)
		}
	})
}

// users serves n users in pages, like Okta.
func users(n int) func(abi.Request) hosttest.Answer {
	return func(req abi.Request) hosttest.Answer {
		var from, size int
		if req.Link != "" {
			if _, err := fmt.Sscanf(req.Link, "/api/v1/users?after=%d&limit=%d", &from, &size); err != nil {
				panic(err)
			}
		}
		for _, q := range req.Query {
			if q[0] == "limit" {
				fmt.Sscan(q[1], &size)
			}
		}
		var page []string
		for i := from; i < min(n, from+size); i++ {
			page = append(page, fmt.Sprintf(`{"id":"%d"}`, i))
		}
		a := hosttest.Answer{Status: 200, Body: "[" + strings.Join(page, ",") + "]"}
		if from+size < n {
			a.Headers = map[string][]string{"link": {fmt.Sprintf(`<https://x-admin.okta.com/api/v1/users?after=%d&limit=%d>; rel="next"`, from+size, size)}}
		}
		return a
	}
}

func invokeNative(t *testing.T, host *hosttest.Host, op, input string) abi.InvokeOutput {
	t.Helper()
	in := fmt.Sprintf(`{"operation":%q,"input":%s,"settings":{},"features":["want","no_repeat"],"deadline":"2026-01-02T03:09:05Z","now":"2026-01-02T03:04:05Z"}`, op, input)
	text, err := Invoke(hostcall.New(host), in)
	if err != nil {
		t.Fatal(err)
	}
	var out abi.InvokeOutput
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestListUsers_EveryLimit_ListsEachUserOnce resumes a list with each limit and page size. Each record must come once,
// in order.
func TestListUsers_EveryLimit_ListsEachUserOnce(t *testing.T) {
	const n = 23
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf(`{"id":"%d"}`, i))
	}
	for limit := 1; limit <= n+1; limit++ {
		for pageSize := 1; pageSize <= 8; pageSize++ {
			host := &hosttest.Host{Answer: users(n)}
			cursor := ""
			for calls := 0; ; calls++ {
				if calls > n {
					t.Fatalf("limit %d, page_size %d: does not end", limit, pageSize)
				}
				input := fmt.Sprintf(`{"limit":%d,"page_size":%d}`, limit, pageSize)
				if cursor != "" {
					input = fmt.Sprintf(`{"limit":%d,"page_size":%d,"cursor":%q}`, limit, pageSize, cursor)
				}
				before := len(host.Records)
				out := invokeNative(t, host, "list_users", input)
				if out.Outcome != abi.Succeeded {
					t.Fatalf("limit %d, page_size %d: %s %+v", limit, pageSize, out.Outcome, out.Error)
				}
				if got := len(host.Records) - before; got > limit {
					t.Fatalf("limit %d: %d records", limit, got)
				}
				if cursor = out.NextCursor; cursor == "" {
					break
				}
			}
			if !slices.Equal(host.Records, want) {
				t.Fatalf("limit %d, page_size %d: %q", limit, pageSize, host.Records)
			}
		}
	}
}

func TestListUsers_CursorOfAnotherQuery_IsInvalid(t *testing.T) {
	host := &hosttest.Host{Answer: users(10)}
	out := invokeNative(t, host, "list_users", `{"limit":3}`)
	if out.NextCursor == "" {
		t.Fatal("no cursor")
	}
	sent := len(host.Requests)
	for _, input := range []string{
		fmt.Sprintf(`{"limit":3,"status":"ACTIVE","cursor":%q}`, out.NextCursor),
		`{"cursor":"bm8"}`, `{"cursor":"!"}`,
	} {
		if got := invokeNative(t, host, "list_users", input); got.Outcome != abi.Invalid {
			t.Errorf("%s: %s", input, got.Outcome)
		}
	}
	if len(host.Requests) != sent {
		t.Error("a request was sent for an invalid cursor")
	}
}

// TestListUsers_LaterPageFails_KeepsEarlierRecords also checks that the cursor resumes.
func TestListUsers_LaterPageFails_KeepsEarlierRecords(t *testing.T) {
	for name, c := range map[string]struct {
		answer hosttest.Answer
		want   abi.Outcome
	}{"refused": {forbidden, abi.Rejected}, "passes": {throttled, abi.Succeeded}, "no JSON": {answer(200, "<html>"), abi.Succeeded}} {
		fails := true
		all := users(5)
		h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			if req.Link != "" && fails {
				return c.answer
			}
			return all(req)
		}}
		out := invokeNative(t, h, "list_users", `{"page_size":2}`)
		if out.Outcome != c.want || !out.List || out.NextCursor == "" || len(h.Records) != 2 {
			t.Fatalf("%s: %+v, %d records", name, out, len(h.Records))
		}
		if said := strings.Contains(strings.Join(out.Warnings, ""), "stopped early"); said != out.Outcome.OK() || said == (out.Error != nil) {
			t.Errorf("%s: %+v", name, out)
		}
		fails = false
		out = invokeNative(t, h, "list_users", `{"page_size":2,"cursor":"`+out.NextCursor+`"}`)
		if out.Outcome != abi.Succeeded || len(h.Records) != 5 {
			t.Errorf("%s: %+v, %d records", name, out, len(h.Records))
		}
	}
}

// TestListUsers_UserDeletedBetweenCalls_SkipsNobody: a cursor is after a record, not at an offset of a page.
func TestListUsers_UserDeletedBetweenCalls_SkipsNobody(t *testing.T) {
	gone := map[int]bool{}
	h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		after, size := -1, 0
		if req.Link != "" {
			if _, err := fmt.Sscanf(req.Link, "/api/v1/users?after=%d&limit=%d", &after, &size); err != nil {
				t.Fatal(err)
			}
		}
		for _, q := range req.Query {
			if q[0] == "limit" {
				fmt.Sscan(q[1], &size)
			}
		}
		var page []string
		for after++; after < 12 && len(page) < size; after++ {
			if !gone[after] {
				page = append(page, fmt.Sprintf(`{"id":"%d"}`, after))
			}
		}
		return paged("["+strings.Join(page, ",")+"]", fmt.Sprintf("/api/v1/users?after=%d&limit=%d", after-1, size))
	}}
	out := invokeNative(t, h, "list_users", `{"limit":5,"page_size":3}`)
	gone[3] = true // a user that was already read
	out = invokeNative(t, h, "list_users", `{"limit":7,"page_size":3,"cursor":"`+out.NextCursor+`"}`)
	if got, want := strings.Join(h.Records, ""), `{"id":"0"}{"id":"1"}{"id":"2"}{"id":"3"}{"id":"4"}{"id":"5"}{"id":"6"}{"id":"7"}{"id":"8"}{"id":"9"}{"id":"10"}{"id":"11"}`; got != want || out.Outcome != abi.Succeeded {
		t.Errorf("%s\n%+v", got, out)
	}
}

// TestListUsers_CursorWithEqualInput_Resumes checks inputs that differ only in spelling.
func TestListUsers_CursorWithEqualInput_Resumes(t *testing.T) {
	h := &hosttest.Host{Answer: users(5)}
	for _, c := range []struct {
		first, then string
		want        abi.Outcome
	}{
		{`"q":"ada"`, `"q":"\u0061da"`, abi.Succeeded},
		{`"q":"ada"`, `"include_deprovisioned" : false, "q":"ada"`, abi.Succeeded},
		{`"q":"ada"`, `"q":"ad"`, abi.Invalid},
		{`"q":"ada"`, `"include_deprovisioned":true,"q":"ada"`, abi.Invalid},
	} {
		out := invokeNative(t, h, "list_users", `{"limit":2,`+c.first+`}`)
		if again := invokeNative(t, h, "list_users", `{"cursor":"`+out.NextCursor+`",`+c.then+`}`); again.Outcome != c.want {
			t.Errorf("%s after %s: %s %+v", c.then, c.first, again.Outcome, again.Error)
		}
	}
}

// TestListUsers_WholeNumberInAnySpelling_IsTheLimit: JSON Schema accepts a whole number in any spelling as an integer.
func TestListUsers_WholeNumberInAnySpelling_IsTheLimit(t *testing.T) {
	for _, limit := range []string{"3", "3.0", "30e-1", "0.3E1"} {
		h := &hosttest.Host{Answer: users(20)}
		if out := invokeNative(t, h, "list_users", `{"limit":`+limit+`,"page_size":2.0}`); len(h.Records) != 3 || len(h.Requests) != 2 {
			t.Errorf("limit %s: %d records in %d requests, %+v", limit, len(h.Records), len(h.Requests), out)
		}
	}
}

func sourceNative(t *testing.T, host *hosttest.Host, checkpoint string) abi.SourceOutput {
	t.Helper()
	return sourceWith(t, host, `{}`, checkpoint)
}

func sourceWith(t *testing.T, host *hosttest.Host, config, checkpoint string) abi.SourceOutput {
	t.Helper()
	in := `{"operation":"poll_system_log_page","config":` + config + `,"settings":{},"features":["want","no_repeat"],"deadline":"2026-01-02T03:09:05Z","now":"2026-01-02T03:04:05Z"`
	if checkpoint != "" {
		in += `,"checkpoint":` + checkpoint
	}
	text, err := Source(hostcall.New(host), in+"}")
	if err != nil {
		t.Fatal(err)
	}
	var out abi.SourceOutput
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPoll_WithoutCheckpoint_StartsADayAgo(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		return hosttest.Answer{Status: 200, Body: `[{"uuid":"1","published":"2026-01-02T03:00:00.000Z"}]`,
			Headers: map[string][]string{"link": {`<https://x.okta.com/api/v1/logs?after=1_1&limit=1000>; rel="next"`}}}
	}}
	out := sourceNative(t, host, "")
	if got, want := fmt.Sprint(host.Requests[0].Query), "[[since 2026-01-01T03:04:05.000Z] [limit 1000]]"; got != want {
		t.Errorf("first request %s, want %s", got, want)
	}
	if !out.CaughtUp || out.PollAfterMS == 0 {
		t.Errorf("wanted caught up after a page that is not full: %+v", out)
	}
	sourceNative(t, host, string(out.Checkpoint))
	if got, want := host.Requests[1].Link, "/api/v1/logs?after=1_1&limit=1000"; got != want || host.Requests[1].Query != nil {
		t.Errorf("second request goes to %q %v, want %q alone", got, host.Requests[1].Query, want)
	}
}

func TestPoll_EmptyPage_KeepsTheLink(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		return hosttest.Answer{Status: 200, Body: `[]`}
	}}
	const at = `{"v":1,"link":"/api/v1/logs?after=7","published":"2026-01-02T03:00:00.000Z"}`
	if out := sourceNative(t, host, at); string(out.Checkpoint) != at || !out.CaughtUp {
		t.Errorf("checkpoint %s, want %s", out.Checkpoint, at)
	}
}

func TestPoll_RejectedCursor_ResumesByTime(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		return hosttest.Answer{Status: 400, Body: `{"errorCode":"E0000031","errorSummary":"Invalid cursor."}`}
	}}
	out := sourceNative(t, host, `{"v":1,"link":"/api/v1/logs?after=7","published":"2026-01-02T03:00:00.000Z"}`)
	if out.Outcome != abi.Succeeded || out.CaughtUp || len(out.Warnings) != 1 {
		t.Fatalf("%+v", out)
	}
	if want := `"since":"2026-01-02T02:55:00.000Z"`; !strings.Contains(string(out.Checkpoint), want) {
		t.Errorf("checkpoint %s, want %s in it", out.Checkpoint, want)
	}
}

// TestPoll_LinkToItsOwnPage_IsReadTwice: Okta may return a page twice. A log that repeats a page is polled with a
// pause.
func TestPoll_LinkToItsOwnPage_IsReadTwice(t *testing.T) {
	const self = "/api/v1/logs?after=7&limit=1"
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer { return paged(`[{"uuid":"1"}]`, self) }}
	at := fmt.Sprintf(`{"v":1,"link":%q,"since":"2026-01-02T03:00:00.000Z"}`, self)
	const single = `{"page_size":1}` // overrides the link's own limit
	first := sourceWith(t, host, single, at)
	second := sourceWith(t, host, single, string(first.Checkpoint))
	if first.CaughtUp || first.Stalled || !second.CaughtUp || !second.Stalled || len(second.Warnings) != 1 || string(second.Checkpoint) != string(first.Checkpoint) {
		t.Errorf("%+v, then %+v", first, second)
	}
	host.Answer = func(req abi.Request) hosttest.Answer { return paged(`[{"uuid":"2"}]`, "/api/v1/logs?after=8&limit=1") }
	if third := sourceWith(t, host, single, string(second.Checkpoint)); third.CaughtUp || strings.Contains(string(third.Checkpoint), "again") {
		t.Errorf("%+v", third)
	}
}

// TestPoll_ClocksDiffer_StartsByOktasClock: a lookback from a fast clock would skip events.
func TestPoll_ClocksDiffer_StartsByOktasClock(t *testing.T) {
	for date, want := range map[string]string{
		"Fri, 02 Jan 2026 03:03:50 GMT": "2026-01-01T03:04:05.000Z", // within the tolerance
		"Wed, 31 Dec 2025 03:04:05 GMT": "2025-12-30T03:04:05.000Z",
		"Wed, 02 Jan 2030 03:04:05 GMT": "2030-01-01T03:04:05.000Z",
	} {
		host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			a := paged("[]", "/api/v1/logs?after=7&limit=1000")
			a.Headers["date"] = []string{date}
			return a
		}}
		out := sourceNative(t, host, "")
		if got := host.Requests[len(host.Requests)-1].Query[0][1]; got != want || len(host.Requests) > 2 {
			t.Errorf("at %s: from %s in %d requests, want %s", date, got, len(host.Requests), want)
		}
		if !strings.Contains(string(out.Checkpoint), want) {
			t.Errorf("checkpoint %s, want %s in it", out.Checkpoint, want)
		}
	}
}

func TestPoll_RejectedCursorBeforeAnyEvent_ResumesAtSince(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		return hosttest.Answer{Status: 400, Body: `{"errorCode":"E0000001","errorSummary":"Invalid cursor."}`}
	}}
	out := sourceNative(t, host, `{"v":1,"link":"/api/v1/logs?after=7","since":"2026-01-02T03:00:00.000Z"}`)
	if want := `{"v":1,"since":"2026-01-02T03:00:00.000Z","refused":1}`; out.Outcome != abi.Succeeded || string(out.Checkpoint) != want {
		t.Errorf("%s, checkpoint %s, want %s", out.Outcome, out.Checkpoint, want)
	}
}

func TestPoll_StartBeforeRetention_Warns(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		a := paged("[]", "/api/v1/logs?after=7&limit=1000")
		a.Headers["date"] = []string{"Fri, 02 Jan 2026 03:04:05 GMT"}
		return a
	}}
	out := sourceNative(t, host, `{"v":1,"since":"2025-09-01T00:00:00Z"}`)
	if len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "events from before 2025-10-04T03:04:05.000Z no longer exist") {
		t.Errorf("%q", out.Warnings)
	}
}

// TestPoll_LateEvent_KeepsTheWatermark: a late event at the end of a page does not extend the overlap after a rejected
// cursor.
func TestPoll_LateEvent_KeepsTheWatermark(t *testing.T) {
	host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		return paged(`[{"uuid":"1","published":"2026-01-01T00:00:00Z"}]`, "/api/v1/logs?after=8&limit=1")
	}}
	out := sourceNative(t, host, `{"v":1,"link":"/api/v1/logs?after=7","published":"2026-01-02T03:00:00.000Z"}`)
	if out.Watermark != "2026-01-02T03:00:00.000Z" || !strings.Contains(string(out.Checkpoint), `"published":"2026-01-02T03:00:00.000Z"`) {
		t.Errorf("%+v", out)
	}
}

func TestPoll_CheckpointOfAnotherFormat_IsInvalid(t *testing.T) {
	for _, c := range []string{`{}`, `{"v":2,"link":"/x"}`, `[]`, `"x"`} {
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { panic("a request was sent") }}
		if out := sourceNative(t, host, c); out.Outcome != abi.Invalid {
			t.Errorf("%s: %s", c, out.Outcome)
		}
	}
}

func TestFailure_EachErrorShape_HasItsOutcome(t *testing.T) {
	for _, c := range []struct {
		name    string
		status  int
		body    string
		outcome abi.Outcome
		code    string
		causes  int
	}{
		{"a missing user", 404, `{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: x (User)","errorCauses":[]}`, abi.NotFound, "not_found", 0},
		{"something else is missing", 404, `{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: x (UserGroup)"}`, abi.Rejected, "rejected", 0},
		{"missing, with a type and no code", 404, `{"errorSummary":"Not found: Resource not found: x (User)"}`, abi.NotFound, "not_found", 0},
		{"missing, without a type", 404, `{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: x"}`, abi.NotFound, "not_found", 0},
		{"an entity", 404, `{"errorCode":"E0000048","errorSummary":"Entity not found exception."}`, abi.NotFound, "not_found", 0},
		{"a path that Okta does not know", 404, `{"errorCode":"E0000008","errorSummary":"The requested path was not found"}`, abi.Rejected, "rejected", 0},
		{"a plain message", 404, `{"status":404,"message":"Resource not found"}`, abi.Unavailable, "not_okta", 0},
		{"a web server's page", 404, `<!DOCTYPE HTML><html><title>Error response</title>`, abi.Unavailable, "not_okta", 0},
		{"an empty 404", 404, ``, abi.Unavailable, "not_okta", 0},
		{"a bad token", 401, `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`, abi.Rejected, "credentials", 0},
		{"a missing feature", 401, `{"errorCode":"E0000015","errorSummary":"You do not have permission to access the feature"}`, abi.Rejected, "feature", 0},
		{"no permission", 403, `{"errorCode":"E0000006"}`, abi.Rejected, "forbidden", 0},
		{"causes", 400, `{"errorCode":"E0000001","errorCauses":[{"errorSummary":"a"},{"errorSummary":"b"}]}`, abi.Rejected, "rejected", 2},
		{"causes as an object", 400, `{"errorCode":"E0000001","errorCauses":{"errorSummary":"a"}}`, abi.Rejected, "rejected", 1},
		{"an HTML page", 503, `<html>`, abi.Unavailable, "unavailable", 0},
		{"an empty 500", 500, ``, abi.Unavailable, "unavailable", 0},
		{"too many", 429, `{"errorCode":"E0000047"}`, abi.Throttled, "throttled", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
				return hosttest.Answer{Status: c.status, Body: c.body, Headers: map[string][]string{"x-okta-request-id": {"req1"}}}
			}}
			out := invokeNative(t, host, "lookup_user", `{"user":"x"}`)
			if out.Outcome != c.outcome || out.Error == nil || out.Error.Code != c.code {
				t.Fatalf("%s %+v, want %s %s", out.Outcome, out.Error, c.outcome, c.code)
			}
			up := out.Error.Upstream
			if up == nil || up.Status != c.status || up.RequestID != "req1" || len(up.Causes) != c.causes {
				t.Errorf("upstream %+v", up)
			}
		})
	}
}
