package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestBoundedSystemLogRange_BothOrders_ListEachEventOnce(t *testing.T) {
	w := newWorld(t, oktatest.Config{Events: 700})
	now := time.Now().UTC()
	day := fmt.Sprintf(`{"since":%q,"until":%q`, now.Add(-24*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339))
	all := func(more string) (uuids []string) {
		seen := map[string]bool{}
		for cursor := ""; ; {
			in := day + more + "}"
			if cursor != "" {
				in = day + more + `,"cursor":"` + cursor + `"}`
			}
			res := w.do(t, abi.Succeeded, "bounded_system_log_range", in)
			var list struct{ Records []struct{ UUID string } }
			if err := json.Unmarshal(res.Output, &list); err != nil {
				t.Fatal(err)
			}
			for _, e := range list.Records {
				if seen[e.UUID] {
					t.Fatalf("%s is listed twice", e.UUID)
				}
				seen[e.UUID] = true
				uuids = append(uuids, e.UUID)
			}
			if cursor = res.NextCursor; cursor == "" {
				return uuids
			}
		}
	}
	forth, back := all(`,"limit":150`), all(`,"limit":333,"page_size":100,"sort_order":"DESCENDING"`)
	if len(forth) != 700 || len(back) != 700 || forth[0] != back[699] {
		t.Errorf("%d and %d events of 700, %s first and %s last", len(forth), len(back), forth[0], back[len(back)-1])
	}
	t.Run("a page that takes too long is halved", func(t *testing.T) {
		w.org.Inject(oktatest.Fault{Kind: oktatest.Status, Status: 500, Path: "/api/v1/logs", Times: 2})
		if got := all(""); len(got) != 700 {
			t.Errorf("%d events", len(got))
		}
	})
	old := w.do(t, abi.Succeeded, "bounded_system_log_range", fmt.Sprintf(`{"since":%q,"until":%q}`,
		now.Add(-120*24*time.Hour).Format(time.RFC3339), now.Add(-119*24*time.Hour).Format(time.RFC3339)))
	if len(old.Meta.Warnings) != 1 || !strings.Contains(old.Meta.Warnings[0], "90 days") {
		t.Errorf("%q", old.Meta.Warnings)
	}
	tooOld := w.do(t, abi.Rejected, "bounded_system_log_range", fmt.Sprintf(`{"since":%q,"until":%q}`,
		now.Add(-200*24*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339)))
	if !strings.Contains(tooOld.Error.Message, "180 days") {
		t.Errorf("%+v", tooOld.Error)
	}
	w.do(t, abi.Invalid, "bounded_system_log_range", `{"since":"2026-01-02T00:00:00Z","until":"2026-01-02T00:00:00Z"}`)
	w.do(t, abi.Invalid, "bounded_system_log_range", `{"since":"yesterday","until":"2026-01-02T00:00:00Z"}`)
	w.do(t, abi.Invalid, "bounded_system_log_range", `{"since":"2026-01-02T00:00:00Z"}`)
	w.do(t, abi.Rejected, "bounded_system_log_range", day+`,"filter":"nonsense"}`)
}
