package okta

import (
	"encoding/json"
	"fmt"
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// limitOf returns how many records a request asks for; 0 if it does not say.
func limitOf(req abi.Request) int {
	for _, q := range req.Query {
		if q[0] == "limit" {
			n, _ := strconv.Atoi(q[1])
			return n
		}
	}
	n, _ := okta.PageParam.Of(req.Link)
	return n
}

// troubles are the ways in which a page can be too large.
var troubles = map[string]hosttest.Answer{
	"took too long": tooHeavy,
	"no answer":     {Err: &abi.SendError{Code: abi.SendTimeout, Message: "x did not respond within 1m0s (limits.request_seconds of the connection)", Sent: true}},
	"too large":     {Err: &abi.SendError{Code: abi.SendTooLarge, Message: "the response is larger than 1024 bytes (limits.body_bytes of the connection): ask for smaller pages, or raise the limit", Sent: true, Status: 200}},
}

// TestLists_PageTooLarge_IsHalvedAndGrowsAgain covers every list with pages, and every list of the inventory.
func TestLists_PageTooLarge_IsHalvedAndGrowsAgain(t *testing.T) {
	const most, total = 60, 2000
	inputs := map[string]string{}
	for _, op := range operations() {
		if op.List != nil && op.List.MaxPage > 0 || slices.Contains([]string{"bounded_system_log_range", "list_oauth_clients", "list_user_applications"}, op.Name) {
			inputs[op.Name] = op.Example
		}
	}
	for _, k := range inventory {
		if k.list.MaxPage > 0 {
			inputs["inventory_export "+k.kind] = `{"kinds":["` + k.kind + `"]}`
		}
	}
	for name, input := range inputs {
		op, _, _ := strings.Cut(name, " ")
		for trouble, answered := range troubles {
			t.Run(name+"/"+trouble, func(t *testing.T) {
				heavy := true
				sizes := map[int]bool{}
				host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
					if len(req.Query) > 0 && req.Query[0][0] == "q" { // the group whose list is read, by name
						return answer(200, `[{"id":"00g12345678901234567","profile":{"name":"Engineering"}}]`)
					}
					size := limitOf(req)
					if size == 0 { // the user whose list is read
						return answer(200, `{"id":"00u12345678901234567"}`)
					}
					if heavy && size > most {
						if !req.NoRepeat {
							t.Errorf("the host may repeat a request of %d records, though a smaller page is possible", size)
						}
						return answered
					}
					sizes[size] = true
					from := 0
					if _, after, ok := strings.Cut(req.Link, "after="); ok {
						after, _, _ = strings.Cut(after, "&")
						from, _ = strconv.Atoi(after)
					}
					if slices.ContainsFunc(inventory, func(k inventoryKind) bool { return name == "inventory_export "+k.kind && k.of != "" }) {
						if !strings.Contains(req.Endpoint, "{") {
							return answer(200, `[{"id":"parent"}]`)
						}
					}
					var records []string
					to := min(from+size, total)
					for i := from; i < to; i++ {
						records = append(records, fmt.Sprintf(`{"id":"%d","uuid":"%d","client_id":"%d","published":"2026-01-01T00:00:00.000Z"}`, i, i, i))
					}
					body := "[" + strings.Join(records, ",") + "]"
					if to == total {
						return answer(200, body)
					}
					path := strings.TrimPrefix(req.Endpoint, "GET ")
					return paged(body, fmt.Sprintf("%s?after=%d&limit=%d", path, to, size))
				}}
				// Pages are small while there is trouble, and larger afterwards. Each table call resumes at the cursor
				// of the one before.
				cursor := ""
				for calls := 0; ; calls++ {
					table := map[string]any{"operation": op, "input": json.RawMessage(input), "cursor": cursor, "settings": map[string]any{},
						"features": abi.Features(), "now": "2026-01-02T03:04:05Z", "deadline": "2026-01-02T03:09:05Z"}
					out := tableNative(t, host, table)
					if out.Outcome != abi.Succeeded || calls > 1000 {
						t.Fatalf("%s %+v after %d calls", out.Outcome, out.Error, calls)
					}
					if calls == 5 {
						heavy = false
					}
					if cursor = out.Cursor; cursor == "" {
						break
					}
				}
				seen, once := len(host.Records), map[string]bool{}
				for _, r := range host.Records {
					once[r] = true
				}
				if seen < total || len(once) != seen {
					t.Errorf("%d records, %d of them different, want %d once each", seen, len(once), total)
				}
				small, large := false, false
				for size := range sizes {
					small = small || size <= most && size >= connector.LeastPage
					large = large || size > most
				}
				if !small || !large {
					t.Errorf("page sizes %v: want some of at most %d, and larger ones afterwards", sizes, most)
				}
			})
		}
	}
}

// TestLists_RecordOverTheLimit_SaysWhatToRaise: even a page of one record is too large.
func TestLists_RecordOverTheLimit_SaysWhatToRaise(t *testing.T) {
	for _, op := range []string{"list_users", "poll_system_log_page", "bounded_system_log_range", "list_factors"} {
		for _, surface := range []string{"invoke", "table", "source"} {
			sizes := []int{}
			host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
				if req.Endpoint == getUser.Endpoint {
					return answer(200, `{"id":"00u12345678901234567"}`)
				}
				sizes = append(sizes, limitOf(req))
				return troubles["too large"]
			}}
			text := runOn(t, find(op), surface, host)
			if text == "" {
				continue
			}
			var out struct {
				Outcome abi.Outcome
				Error   *abi.Error
			}
			if err := json.Unmarshal([]byte(text), &out); err != nil {
				t.Fatal(err)
			}
			if out.Outcome != abi.Rejected || out.Error.Retryable || out.Error.Code != "too_large" || !strings.Contains(out.Error.Message, "limits.body_bytes") ||
				!strings.Contains(out.Error.Message, "Raise the named limit") || op != "list_factors" && sizes[len(sizes)-1] != 1 {
				t.Errorf("%s as %s, pages of %v: %s", op, surface, sizes, text)
			}
		}
	}
}

// TestPoll_PageSizeAfterACheckpoint_TakesEffect uses the page size of the input or the connection, despite the link's
// limit.
func TestPoll_PageSizeAfterACheckpoint_TakesEffect(t *testing.T) {
	for _, c := range []struct {
		config, settings, checkpoint string
		want                         int
	}{
		{`{}`, `{}`, `{"v":1,"link":"/api/v1/logs?after=7&limit=100"}`, 1000},
		{`{"page_size":50}`, `{}`, `{"v":1,"link":"/api/v1/logs?after=7&limit=1000"}`, 50},
		{`{}`, `{"default_page_size":20}`, `{"v":1,"link":"/api/v1/logs?limit=1000&after=7"}`, 20},
		{`{"page_size":50}`, `{"default_page_size":20}`, `{"v":1,"link":"/api/v1/logs?after=7&limit=10"}`, 50},
		{`{"page_size":50}`, `{}`, `{"v":1,"link":"/api/v1/logs?after=7&limit=25","small":3}`, 25}, // smaller pages after a page was too large
		{`{"page_size":50}`, `{}`, `{"v":1,"link":"/api/v1/logs?after=7&limit=500","small":3}`, 50},
		{`{"page_size":50}`, `{}`, `{"v":1,"since":"2026-01-01T00:00:00Z"}`, 50},
	} {
		host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return answer(200, "[]") }}
		in := `{"operation":"poll_system_log_page","config":` + c.config + `,"settings":` + c.settings + `,"now":"2026-01-02T03:04:05Z","checkpoint":` + c.checkpoint + `}`
		if text, err := sourceText(host, in); err != nil || len(host.Requests) != 1 || limitOf(host.Requests[0]) != c.want {
			t.Errorf("%s %s %s: asked %+v, want limit %d: %s %v", c.config, c.settings, c.checkpoint, host.Requests, c.want, text, err)
		}
	}
}
