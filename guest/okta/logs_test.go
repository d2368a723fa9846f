package okta

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

const logs = "GET /api/v1/logs"

// tooHeavy is Okta's response to a query that ran for more than 30 s.
var tooHeavy = answer(500, `{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorCauses":[{"errorSummary":"Your last request took too long"}]}`)

func TestBoundedSystemLogRange_EachResponse_HasItsOutcome(t *testing.T) {
	const (
		in    = `{"since":"2025-12-31T00:00:00Z","until":"2026-01-02T00:00:00Z"`
		first = logs + " since=2025-12-31T00:00:00Z until=2026-01-02T00:00:00Z"
		next  = "/api/v1/logs?since=2025-12-31T00%3A00%3A00Z&after=1_1&limit=1000"
	)
	event := func(n int) string { return fmt.Sprintf(`[{"uuid":"%d"}]`, n) }
	dated := func(a hosttest.Answer) hosttest.Answer { // a day ahead of the host's clock: Okta's clock counts
		a.Headers = map[string][]string{"date": {"Sat, 03 Jan 2026 03:04:05 GMT"}}
		return a
	}
	itself := hosttest.Answer{Status: 200, Body: event(1), Headers: map[string][]string{"link": {`<https://x.okta.com/api/v1/logs?a=b>; rel="self"`, `<https://x.okta.com/api/v1/logs?a=b>; rel="next"`}}}
	for _, c := range []invoking{
		{"to the last page", in + `}`, answering{logs: {paged(event(1), next), answer(200, event(2))}}, abi.Succeeded, "", first + " limit=1000\n" + logs + " -> " + strings.Replace(next, "1000", "999", 1), nil, 2},
		{"with everything", in + `,"filter":"eventType eq \"user.session.start\"","q":"ada","sort_order":"DESCENDING","limit":5}`, answering{logs: {answer(200, event(1))}}, abi.Succeeded, "",
			first + ` filter=eventType eq "user.session.start" q=ada sortOrder=DESCENDING limit=5`, nil, 1},
		{"times in lower case", `{"since":"2025-12-31t00:00:00z","until":"2026-01-02t00:00:00z"}`, answering{logs: {answer(200, event(1))}}, abi.Succeeded, "", first + " limit=1000", nil, 1},
		{"an empty page is the end, whatever its link", in + `}`, answering{logs: {paged(event(1), next), paged("[]", next+"&x=1")}}, abi.Succeeded, "", "", nil, 1},
		{"a link to the same page is the end", in + `}`, answering{logs: {paged(event(1), next), paged(event(2), next)}}, abi.Succeeded, "", "", nil, 2},
		{"a first page that links to itself is the end", in + `}`, answering{logs: {itself}}, abi.Succeeded, "", first + " limit=1000", nil, 1},
		{"since equals until", `{"since":"2026-01-02T00:00:00Z","until":"2026-01-02T01:00:00+01:00"}`, answering{}, abi.Invalid, "range", "none", []string{"earlier than until"}, 0},
		{"since after until", `{"since":"2026-01-02T00:00:01Z","until":"2026-01-02T00:00:00Z"}`, answering{}, abi.Invalid, "range", "none", nil, 0},
		{"no time", `{"since":"yesterday","until":"2026-01-02T00:00:00Z"}`, answering{}, abi.Invalid, "range", "none", []string{"yesterday"}, 0},
		{"older than Okta's retention", `{"since":"2025-10-01T00:00:00Z","until":"2025-10-02T00:00:00Z"}`, answering{logs: {dated(answer(200, "[]"))}}, abi.Succeeded, "", "", []string{"90 days", "2025-10-05T03:04:05.000Z"}, 0},
		{"older than Okta accepts", `{"since":"2025-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`, answering{logs: {dated(answer(400, `{"errorCode":"E0000053","errorSummary":"Invalid filter","errorCauses":[{"errorSummary":"since parameter is over 180 days prior"}]}`))}},
			abi.Rejected, "rejected", "", []string{"180 days", "2025-10-05T03:04:05.000Z or later"}, 0},
		{"too heavy a page is halved", in + `}`, answering{logs: {tooHeavy, tooHeavy, paged(event(1), "/api/v1/logs?after=1&limit=250"), answer(200, event(2))}}, abi.Succeeded, "",
			first + " limit=1000\n" + first + " limit=500\n" + first + " limit=250\n" + logs + " -> /api/v1/logs?after=1&limit=250", nil, 2},
		{"a later page is halved too", in + `}`, answering{logs: {paged(event(1), next), tooHeavy, answer(200, event(2))}}, abi.Succeeded, "",
			first + " limit=1000\n" + logs + " -> " + strings.Replace(next, "1000", "999", 1) + "\n" + logs + " -> " + strings.Replace(next, "1000", "499", 1), nil, 2},
		{"a small page is not halved further", in + `,"page_size":40}`, answering{logs: {tooHeavy}}, abi.Unavailable, "unavailable", first + " limit=40\n" + first + " limit=20\n" + first + " limit=10", nil, 0},
		{"another failure does not halve", in + `}`, answering{logs: {answer(500, "")}}, abi.Unavailable, "unavailable", first + " limit=1000", nil, 0},
		{"no permission", in + `}`, answering{logs: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "bounded_system_log_range")
	}
}

// TestBoundedSystemLogRange_EveryLimit_ListsEachEventOnce reads a range with each limit. A page that is read again is
// refused as too large. Each event must come once.
func TestBoundedSystemLogRange_EveryLimit_ListsEachEventOnce(t *testing.T) {
	const n = 90
	for _, heavy := range []bool{false, true} {
		for limit := 1; limit <= n+1; limit++ {
			seen := map[string]bool{}
			h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
				from, size := 0, 0
				for _, q := range req.Query {
					if q[0] == "limit" {
						size, _ = strconv.Atoi(q[1])
					}
				}
				if req.Link != "" {
					if _, err := fmt.Sscanf(req.Link, "/api/v1/logs?after=%d&limit=%d", &from, &size); err != nil {
						t.Fatal(err)
					}
				}
				if heavy && seen[req.Link] && size >= 2*connector.LeastPage {
					return tooHeavy
				}
				seen[req.Link] = true
				var page []string
				for i := from; i < min(n, from+size); i++ {
					page = append(page, fmt.Sprintf(`{"uuid":"%d"}`, i))
				}
				a := answer(200, "["+strings.Join(page, ",")+"]")
				if from+size < n {
					a = paged(a.Body, fmt.Sprintf("/api/v1/logs?after=%d&limit=%d", from+size, size))
				}
				return a
			}}
			for cursor, calls := "", 0; ; calls++ {
				in := fmt.Sprintf(`{"since":"2025-12-31T00:00:00Z","until":"2026-01-02T00:00:00Z","page_size":40,"limit":%d`, limit)
				if cursor != "" {
					in += fmt.Sprintf(`,"cursor":%q`, cursor)
				}
				out := invokeNative(t, h, "bounded_system_log_range", in+"}")
				if out.Outcome != abi.Succeeded || calls > n {
					t.Fatalf("limit %d: %s %+v", limit, out.Outcome, out.Error)
				}
				if cursor = out.NextCursor; cursor == "" {
					break
				}
			}
			for i, r := range h.Records {
				if r != fmt.Sprintf(`{"uuid":"%d"}`, i) {
					t.Fatalf("limit %d, heavy %v: event %d is %s", limit, heavy, i, r)
				}
			}
			if len(h.Records) != n {
				t.Errorf("limit %d, heavy %v: %d events", limit, heavy, len(h.Records))
			}
		}
	}
}

// TestLogs_TemporarySlowness_GrowsPagesAgain makes Okta slow at the start of a long log: the rest must not be read in
// small pages. While Okta stays slow, a larger page is tried sometimes. No event is read twice or missed.
func TestLogs_TemporarySlowness_GrowsPagesAgain(t *testing.T) {
	const n = 40_000
	for _, c := range []struct {
		name  string
		heavy func(request, size int) bool
		most  int // requests
	}{
		{"never slow", func(int, int) bool { return false }, 41},
		{"a moment", func(request, _ int) bool { return request <= 6 }, 6 + 6*links.GrowAfter + n/1000},
		{"always, for more than 300", func(_, size int) bool { return size > 300 }, n/250 + n/250/links.GrowAfter + 3},
	} {
		var h *hosttest.Host
		h = &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			from, size := 0, 1000
			if req.Link != "" {
				if _, err := fmt.Sscanf(req.Link, "/api/v1/logs?after=%d&limit=%d", &from, &size); err != nil {
					t.Fatal(err)
				}
			}
			for _, q := range req.Query {
				if q[0] == "limit" {
					size, _ = strconv.Atoi(q[1])
				}
			}
			if c.heavy(len(h.Requests), size) {
				return tooHeavy
			}
			var page []string
			for i := from; i < min(n, from+size); i++ {
				page = append(page, fmt.Sprintf(`{"uuid":"%d"}`, i))
			}
			return paged("["+strings.Join(page, ",")+"]", fmt.Sprintf("/api/v1/logs?after=%d&limit=%d", from+len(page), size))
		}}
		check := func(op string) {
			t.Helper()
			for i, r := range h.Records {
				if r != fmt.Sprintf(`{"uuid":"%d"}`, i) {
					t.Fatalf("%s, %s: event %d is %s", op, c.name, i, r)
				}
			}
			if len(h.Records) != n || len(h.Requests) > c.most+1 { // the last one finds nothing more
				t.Errorf("%s, %s: %d events in %d requests, want %d in at most %d", op, c.name, len(h.Records), len(h.Requests), n, c.most+1)
			}
			h.Requests, h.Records = nil, nil
		}
		for at := ""; ; {
			out := sourceNative(t, h, at)
			if out.Outcome != abi.Succeeded || len(h.Requests) > 5000 {
				t.Fatalf("%s: %s %+v after %d requests", c.name, out.Outcome, out.Error, len(h.Requests))
			}
			if at = string(out.Checkpoint); out.CaughtUp {
				break
			}
		}
		check("poll_system_log_page")
		for cursor := ""; ; {
			in := `{"since":"2025-12-31T00:00:00Z","until":"2026-01-02T00:00:00Z"`
			if cursor != "" {
				in += fmt.Sprintf(`,"cursor":%q`, cursor)
			}
			out := invokeNative(t, h, "bounded_system_log_range", in+`,"limit":10000}`)
			if out.Outcome != abi.Succeeded {
				t.Fatalf("%s: %s %+v", c.name, out.Outcome, out.Error)
			}
			if cursor = out.NextCursor; cursor == "" {
				break
			}
		}
		check("bounded_system_log_range")
	}
}

// TestBoundedSystemLogRange_CursorWithAnotherPageSize_Resumes: the page size of the earlier call does not matter, and a
// page of the limit's size is not the end.
func TestBoundedSystemLogRange_CursorWithAnotherPageSize_Resumes(t *testing.T) {
	h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		from, size := 0, 2
		if req.Link != "" {
			if _, err := fmt.Sscanf(req.Link, "/api/v1/logs?after=%d&limit=%d", &from, &size); err != nil {
				t.Fatal(err)
			}
		}
		var page []string
		for i := from; i < min(25, from+size); i++ {
			page = append(page, fmt.Sprintf(`{"uuid":"%d"}`, i))
		}
		return paged("["+strings.Join(page, ",")+"]", fmt.Sprintf("/api/v1/logs?after=%d&limit=%d", from+len(page), size))
	}}
	out := invokeNative(t, h, "poll_system_log_page", `{"page_size":2}`)
	h.Records = nil
	in, _ := json.Marshal(map[string]any{"cursor": out.NextCursor, "page_size": 10})
	cursor := ""
	for {
		text, _ := json.Marshal(abi.TableInput{Operation: "poll_system_log_page", Input: in, Cursor: cursor})
		raw, err := Table(hostcall.New(h), string(text))
		var page abi.TableOutput
		if err != nil || json.Unmarshal([]byte(raw), &page) != nil || page.Outcome != abi.Succeeded {
			t.Fatal(raw, err)
		}
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	if len(h.Records) != 23 || len(h.Requests) != 1+3 {
		t.Errorf("%d events in %d requests, want 23 in 3 after the first", len(h.Records), len(h.Requests))
	}
}

// TestPoll_EmptyLog_ReturnsACursor: without a cursor, the caller would start again.
func TestPoll_EmptyLog_ReturnsACursor(t *testing.T) {
	const next = "/api/v1/logs?after=1&limit=1000"
	h := answering{logs: {paged(`[{"uuid":"1"}]`, next), paged("[]", next), paged("[]", next), answer(200, "[]")}}.host(t)
	cursor := ""
	for i := range 4 {
		in, _ := json.Marshal(map[string]any{"cursor": cursor})
		if cursor == "" {
			in = []byte("{}")
		}
		out := invokeNative(t, h, "poll_system_log_page", string(in))
		if cursor = out.NextCursor; cursor == "" {
			t.Fatalf("no cursor after poll %d", i+1)
		}
	}
	if !strings.HasSuffix(requested(h), strings.Repeat("\n"+logs+" -> "+next, 3)) {
		t.Error(requested(h))
	}
}

// TestLogs_SinceInTheFuture_Warns checks invoke, table and source, by Okta's clock.
func TestLogs_SinceInTheFuture_Warns(t *testing.T) {
	for _, c := range []struct {
		op, input string
		want      bool
	}{
		{"poll_system_log_page", `{"since":"2027-01-01T00:00:00Z"}`, true},
		{"poll_system_log_page", `{"since":"2026-01-01T00:00:00Z"}`, false},
		{"poll_system_log_page", `{}`, false},
		{"bounded_system_log_range", `{"since":"2027-01-01T00:00:00Z","until":"2027-01-02T00:00:00Z"}`, true},
		{"bounded_system_log_range", `{"since":"2026-01-01T00:00:00Z","until":"2027-01-02T00:00:00Z"}`, false},
	} {
		for _, surface := range []string{"invoke", "table", "source"} {
			op := *find(c.op)
			op.Example = c.input
			text := runOn(t, &op, surface, &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
				return hosttest.Answer{Status: 200, Body: "[]", Headers: map[string][]string{"date": {"Fri, 02 Jan 2026 03:04:05 GMT"}}}
			}})
			if text != "" && (strings.Contains(text, "in the future: Okta's clock says 2026-01-02T03:04:05.000Z") != c.want || !strings.Contains(text, `"outcome":"succeeded"`)) {
				t.Errorf("%s %s as %s: %s", c.op, c.input, surface, text)
			}
		}
	}
}

// TestSource_ForeignCheckpoint_IsDamaged checks that nothing is sent.
func TestSource_ForeignCheckpoint_IsDamaged(t *testing.T) {
	for checkpoint, says := range map[string]string{
		`{"v":1,"since":"garbage"}`: "since is not a valid time: garbage",
		`{"v":1,"since":5}`:         "",
		`{"v":1,"link":"/api/v1/logs?after=7","since":"2026-13-01T00:00:00Z"}`: "since is not a valid time",
		`{"v":1,"link":"/api/v1/logs?after=7","published":"yesterday"}`:        "published is not a valid time: yesterday",
		`{"v":1,"link":"/api/v1/logs?limit=10"}`:                               "has no parameter after",
		`{"v":1,"link":"/api/v1/logs?after=&limit=10"}`:                        "has no parameter after",
		`{"v":1,"link":"/api/v1/logs"}`:                                        "has no parameter after",
		`{"v":1,"link":"https://evil.example.com/api/v1/logs?after=7"}`:        "is not for GET /api/v1/logs",
		`{"v":1,"link":"api/v1/logs?after=7"}`:                                 "is not for GET /api/v1/logs",
		`{"v":1,"link":"//evil.example.com/api/v1/logs?after=7"}`:              "is not for GET /api/v1/logs",
		`{"v":1,"link":"/api/v1/logs?after=7","small":-1}`:                     "negative count",
		`{"v":1,"link":"/api/v1/logs?after=7","refused":-5}`:                   "negative count",
		`{"v":2,"link":"/api/v1/logs?after=7"}`:                                "",
		`[]`:                                                                   "",
	} {
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return answer(200, "[]") }}
		out := sourceNative(t, host, checkpoint)
		if out.Outcome != abi.Invalid || out.Error.Code != "checkpoint" || !strings.HasPrefix(out.Error.Message, "the checkpoint is damaged") ||
			!strings.Contains(out.Error.Message, says) || !strings.Contains(out.Error.Message, "remove it") || len(host.Requests) > 0 {
			t.Errorf("%s: %s %+v after %d requests", checkpoint, out.Outcome, out.Error, len(host.Requests))
		}
	}
}

// TestPoll_LinkWithoutAfter_IsIgnored: such a link would start again each time, so it is never stored.
func TestPoll_LinkWithoutAfter_IsIgnored(t *testing.T) {
	host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
		return paged(`[{"uuid":"1","published":"2026-01-02T03:00:00.000Z"}]`, "/api/v1/logs?limit=1000")
	}}
	out := sourceNative(t, host, `null`)
	if out.Outcome != abi.Succeeded || !out.CaughtUp || strings.Contains(string(out.Checkpoint), "link") {
		t.Errorf("%s %+v %s", out.Outcome, out.Error, out.Checkpoint)
	}
}

// TestPoll_FullPageWithoutLink_ResumesByTime: Okta's polls always have a next link. If one is missing, nothing is
// skipped, and a full page is not the end.
func TestPoll_FullPageWithoutLink_ResumesByTime(t *testing.T) {
	const single = `{"page_size":1,"since":"2026-01-02T03:00:00.000Z"}`
	event := func(published string) func(abi.Request) hosttest.Answer {
		return func(abi.Request) hosttest.Answer { return answer(200, `[{"uuid":"1"`+published+`}]`) }
	}
	for name, c := range map[string]struct {
		at, event       string
		stalled, warned bool
		since           string // in the checkpoint
	}{
		"at the start":          {`null`, `,"published":"2026-01-02T03:00:01.000Z"`, false, true, "2026-01-02T03:00:01.000Z"},
		"after a link":          {`{"v":1,"link":"/api/v1/logs?after=7&limit=1","published":"2026-01-02T03:00:01.000Z"}`, `,"published":"2026-01-02T03:00:02.000Z"`, false, true, "2026-01-02T03:00:02.000Z"},
		"a late event":          {`{"v":1,"link":"/api/v1/logs?after=7&limit=1","published":"2026-01-02T03:00:03.000Z"}`, `,"published":"2026-01-02T03:00:02.000Z"`, false, true, "2026-01-02T03:00:03.000Z"},
		"not later than before": {`{"v":1,"since":"2026-01-02T03:00:01.000Z","published":"2026-01-02T03:00:01.000Z"}`, `,"published":"2026-01-02T03:00:01.000Z"`, true, true, "2026-01-02T03:00:01.000Z"},
		"events without a time": {`{"v":1,"link":"/api/v1/logs?after=7&limit=1","since":"2026-01-02T03:00:01.000Z"}`, ``, true, false, "2026-01-02T03:00:01.000Z"},
	} {
		t.Run(name, func(t *testing.T) {
			out := sourceWith(t, &hosttest.Host{Answer: event(c.event)}, single, c.at)
			if out.Outcome != abi.Succeeded || out.CaughtUp != c.stalled || out.Stalled != c.stalled || (len(out.Warnings) > 0) != c.warned {
				t.Errorf("%s, caught up %t, stalled %t, %q", out.Outcome, out.CaughtUp, out.Stalled, out.Warnings)
			}
			if !strings.Contains(string(out.Checkpoint), `"since":"`+c.since+`"`) || c.warned && strings.Contains(string(out.Checkpoint), "link") {
				t.Errorf("checkpoint %s", out.Checkpoint)
			}
		})
	}
}

// TestPollTable_FullPageWithoutLink_WarnsOfMoreRecords, unless the limit is reached.
func TestPollTable_FullPageWithoutLink_WarnsOfMoreRecords(t *testing.T) {
	for limit, warnings := range map[int]int{0: 1, 1: 0, 5: 1} {
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return answer(200, `[{"uuid":"1"}]`) }}
		out := tableNative(t, host, map[string]any{"operation": "poll_system_log_page", "input": map[string]any{"page_size": 1, "since": "2026-01-02T03:00:00.000Z"},
			"settings": map[string]any{}, "features": []string{"want"}, "limit": limit, "deadline": "2026-01-02T03:09:05Z", "now": "2026-01-02T03:04:05Z"})
		if out.Outcome != abi.Succeeded || out.Cursor != "" || len(out.Warnings) != warnings {
			t.Errorf("limit %d: %+v", limit, out)
		}
	}
}
