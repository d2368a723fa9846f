package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// shifting serves three pages of users. The second starts with the last user of the first, and the third has a user
// twice.
func shifting(w http.ResponseWriter, r *http.Request) {
	pages := map[string]string{"": `[{"id":"00u1"},{"id":"00u2"}]`, "1": `[{"id":"00u2"},{"id":"00u3"}]`, "2": `[{"id":"00u4"},{"noid":1},{"noid":1},{"id":"00u4"}]`}
	next := map[string]string{"": "1", "1": "2"}
	after := r.URL.Query().Get("after")
	if n, ok := next[after]; ok {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?after=%s>; rel="next"`, r.Host, r.URL.Path, n))
	}
	fmt.Fprint(w, pages[after])
}

// TestInvoke_RecordThatComesTwice_IsListedOnce, with a warning. Records without a key are kept.
func TestInvoke_RecordThatComesTwice_IsListedOnce(t *testing.T) {
	c := bound(t, http.HandlerFunc(shifting), abi.Read)
	for op, path := range map[string]string{"list_users": "records.#.id", "inventory_export": "records.#.record.id"} {
		input := `{}`
		if op == "inventory_export" {
			input = `{"kinds":["users"]}`
		}
		res, err := c.Invoke(context.Background(), op, []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		ids := gjson.GetBytes(res.Output, path).Raw
		if n := len(gjson.GetBytes(res.Output, "records").Array()); ids != `["00u1","00u2","00u3","00u4"]` || n != 6 || res.Meta.Records != 6 {
			t.Errorf("%s: %s, %d records, meta %d", op, ids, n, res.Meta.Records)
		}
		if !strings.Contains(strings.Join(res.Meta.Warnings, "\n"), "2 repeated records omitted: records with the same key") {
			t.Errorf("%s: warnings %q", op, res.Meta.Warnings)
		}
	}
}

// TestTable_RecordThatComesTwice_IsARowOnce, with one warning at the end, in Rows and in the limit's count. Records
// without a key are kept.
func TestTable_RecordThatComesTwice_IsARowOnce(t *testing.T) {
	c := bound(t, http.HandlerFunc(shifting), abi.Read)
	for limit, want := range map[int]string{0: `00u1,00u2,00u3,00u4,,`, 3: `00u1,00u2,00u3`, 2: `00u1,00u2`} {
		var warnings []string
		rows, err := c.Table(context.Background(), "list_users", nil, host.TableOptions{Limit: limit, Warn: func(w string) {
			if strings.Contains(w, "repeated") {
				warnings = append(warnings, w)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for row, err := range rows.All() {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, gjson.GetBytes(row.Record, "id").Str)
		}
		if got := strings.Join(ids, ","); got != want {
			t.Errorf("limit %d: rows %s, want %s", limit, got, want)
		}
		once := "2 repeated records omitted: records with the same key are listed once"
		if limit == 3 { // the third page is not read
			once = "1 repeated records omitted: records with the same key are listed once"
		}
		if limit != 2 && (len(warnings) != 1 || warnings[0] != once) || limit == 2 && len(warnings) != 0 {
			t.Errorf("limit %d: warnings %q", limit, warnings)
		}
	}
}

// TestInvoke_LimitLeavesRecords_SaysTruncated.
func TestInvoke_LimitLeavesRecords_SaysTruncated(t *testing.T) {
	c := bound(t, http.HandlerFunc(shifting), abi.Read)
	for input, want := range map[string]bool{`{"limit":3}`: true, `{"limit":100}`: false} {
		res, err := c.Invoke(context.Background(), "list_users", []byte(input))
		if err != nil || res.Truncated != want || (res.NextCursor != "") != want {
			t.Errorf("%s: %v, truncated %v, next %q", input, err, res.Truncated, res.NextCursor)
		}
	}
}

// TestLists_OfErrors_AreUnavailable: a list of the service's errors is not a page, and none of them becomes a record.
func TestLists_OfErrors_AreUnavailable(t *testing.T) {
	for _, body := range []string{`[{"errorCode":"E0000009","errorSummary":"Internal Server Error"}]`, `[{"errorCode":"E0000009"},{"id":null,"uuid":"","errorCode":"E1"}]`} {
		c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }), abi.Read)
		for op, input := range map[string]string{"list_users": `{}`, "poll_system_log_page": `{}`, "list_groups": `{}`, "inventory_export": `{"kinds":["users"]}`} {
			res, _ := c.Invoke(context.Background(), op, []byte(input))
			if res.Outcome != abi.Unavailable || res.Error.Code != "bad_answer" {
				t.Errorf("%s, %s: %s %+v", op, body, res.Outcome, res.Error)
			}
		}
		for rec, err := range c.Source(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
			if err == nil {
				t.Errorf("%s is a record of the source", rec.JSON)
			}
			break
		}
	}
}
