package okta

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// circle serves pages of two records each: first a tail of pages, then a circle of links.
func circle(tail, length int) func(abi.Request) hosttest.Answer {
	return func(req abi.Request) hosttest.Answer {
		page := 0
		if _, after, ok := strings.Cut(req.Link, "after="); ok {
			_, _ = fmt.Sscan(after, &page)
		}
		next := page + 1
		if next == tail+length {
			next = tail
		}
		body := fmt.Sprintf(`[{"id":"%d","uuid":"%d"},{"id":"%d","uuid":"%d"}]`, 2*page, 2*page, 2*page+1, 2*page+1)
		return paged(body, fmt.Sprintf("%s?after=%d", strings.TrimPrefix(req.Endpoint, "GET "), next))
	}
}

func TestLists_LinksInACircle_EndWithAReason(t *testing.T) {
	for _, c := range []struct{ tail, length int }{{0, 1}, {1, 1}, {1, 2}, {1, 5}, {3, 16}, {2, 40}} {
		h := &hosttest.Host{Answer: circle(c.tail, c.length)}
		out := invokeNative(t, h, "search_users", `{"search":"id pr","limit":100000}`)
		if out.Outcome != abi.Rejected || out.Error.Code != "circle" || out.Error.Retryable || !out.List || len(h.Requests) > 4*(c.tail+c.length) {
			t.Errorf("%v: %s %+v after %d requests", c, out.Outcome, out.Error, len(h.Requests))
		}
		if want := 2 * (c.tail + c.length); c.tail > 0 && c.length <= links.TrailLength && len(h.Records) != want {
			t.Errorf("%v: %d records, want %d", c, len(h.Records), want)
		}
		pages, cursor := 0, ""
		h = &hosttest.Host{Answer: circle(c.tail, c.length)}
		for ; pages < 1000; pages++ {
			table := tableNative(t, h, map[string]any{"operation": "search_users", "input": json.RawMessage(`{"search":"id pr"}`), "cursor": cursor, "settings": map[string]any{}})
			if table.Outcome != abi.Succeeded {
				if table.Error.Code != "circle" {
					t.Errorf("%v: %+v", c, table.Error)
				}
				break
			}
			cursor = table.Cursor
		}
		if pages > 4*(c.tail+c.length) {
			t.Errorf("%v: the table has %d pages", c, pages)
		}
	}
}

// TestInventory_LinksInACircle_ContinuesWithTheNextKind also checks that the output says what is missing.
func TestInventory_LinksInACircle_ContinuesWithTheNextKind(t *testing.T) {
	for _, input := range []string{`{"kinds":["users","zones"]}`, `{"kinds":["group_members","zones"]}`} {
		h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			switch req.Endpoint {
			case "GET /api/v1/users", "GET /api/v1/groups":
				return circle(1, 2)(req)
			case "GET /api/v1/groups/{groupId}/users":
				return answer(200, `[]`)
			}
			return answer(200, `[{"id":"zone"}]`)
		}}
		out := invokeNative(t, h, "inventory_export", input)
		if out.Outcome != abi.Succeeded || !strings.Contains(string(out.Output), `"code":"circle"`) || !strings.Contains(string(out.Output), `"partial":true`) ||
			!strings.Contains(strings.Join(h.Records, ""), `"zone"`) || out.NextCursor != "" {
			t.Errorf("%s: %s %+v %s", input, out.Outcome, out.Error, out.Output)
		}
	}
}

func TestPolicyRules_LinksInACircle_EndWithAReason(t *testing.T) {
	h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		if req.Endpoint == getPolicy.Endpoint {
			return answer(200, `{"id":"00p1","type":"PASSWORD"}`)
		}
		return circle(1, 3)(req)
	}}
	if out := invokeNative(t, h, "get_policy", `{"policy":"00p1","include_rules":true}`); out.Outcome != abi.Rejected || out.Error.Code != "circle" || len(h.Requests) > 10 {
		t.Errorf("%s %+v after %d requests", out.Outcome, out.Error, len(h.Requests))
	}
}

// TestPoll_LinksInACircle_SlowsDown: a source continues, since the circle may end, but waits before it polls.
func TestPoll_LinksInACircle_SlowsDown(t *testing.T) {
	h := &hosttest.Host{Answer: circle(1, 2)}
	waits, checkpoint := 0, ""
	for range 12 {
		out := sourceWith(t, h, `{"page_size":2}`, checkpoint)
		if out.Outcome != abi.Succeeded {
			t.Fatalf("%+v", out.Error)
		}
		if checkpoint = string(out.Checkpoint); out.CaughtUp {
			if waits++; out.PollAfterMS == 0 || len(out.Warnings) != 1 {
				t.Errorf("%+v", out)
			}
		}
	}
	if waits < 3 {
		t.Errorf("waited %d times in 12 pages of a circle of 2", waits)
	}
}

// TestLists_LimitLeavesRecords_IsTruncated also checks that a complete list and a poll are not truncated.
func TestLists_LimitLeavesRecords_IsTruncated(t *testing.T) {
	for _, c := range []struct {
		op, input string
		want      bool
	}{
		{"list_users", `{"limit":5}`, true}, {"list_users", `{"limit":23}`, false}, {"list_users", `{"limit":100}`, false},
		{"poll_system_log_page", `{"page_size":5}`, false},
	} {
		out := invokeNative(t, &hosttest.Host{Answer: users(23)}, c.op, c.input)
		if out.Outcome != abi.Succeeded || out.Truncated != c.want {
			t.Errorf("%s %s: truncated %v, next %q", c.op, c.input, out.Truncated, out.NextCursor)
		}
	}
}
