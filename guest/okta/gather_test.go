package okta

import (
	"encoding/json"
	"fmt"
	"github.com/mach5/okta-connector/guest/connector"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// heavyList serves a list of total objects. Like Okta, it chooses the page size if there is no limit. A page of more
// than most objects is too large.
func heavyList(endpoint string, total, most int, object func(i int) string, others answering) func(req abi.Request) hosttest.Answer {
	return func(req abi.Request) hosttest.Answer {
		if req.Endpoint != endpoint {
			if len(others[req.Endpoint]) == 0 {
				return hosttest.Answer{Status: 500}
			}
			return others[req.Endpoint][0]
		}
		size := limitOf(req)
		if size == 0 || size > most {
			return tooHeavy
		}
		from := 0
		if _, after, ok := strings.Cut(req.Link, "after="); ok {
			after, _, _ = strings.Cut(after, "&")
			from, _ = strconv.Atoi(after)
		}
		var objects []string
		to := min(from+size, total)
		for i := from; i < to; i++ {
			objects = append(objects, object(i))
		}
		body := "[" + strings.Join(objects, ",") + "]"
		if to == total {
			return answer(200, body)
		}
		return paged(body, fmt.Sprintf("%s?after=%d&limit=%d", strings.TrimPrefix(endpoint, "GET "), to, size))
	}
}

// TestLists_PageWithoutLimitTooLarge_SendsALimit reads zones and policies by list and by export. Each record comes
// once, and no limit is sent before a page is too large.
func TestLists_PageWithoutLimitTooLarge_SendsALimit(t *testing.T) {
	const total = 137
	for op, c := range map[string]struct{ endpoint, input string }{
		"list_zones":       {getZones.Endpoint, `{}`},
		"list_policies":    {getPolicies.Endpoint, `{"type":"OKTA_SIGN_ON"}`},
		"inventory_export": {getZones.Endpoint, `{"kinds":["zones"]}`},
	} {
		t.Run(op, func(t *testing.T) {
			host := &hosttest.Host{Answer: heavyList(c.endpoint, total, 40, func(i int) string { return fmt.Sprintf(`{"id":"o%d"}`, i) }, nil)}
			for cursor, calls := "", 0; ; calls++ {
				out := tableNative(t, host, map[string]any{"operation": op, "input": json.RawMessage(c.input), "cursor": cursor, "settings": map[string]any{},
					"features": abi.Features(), "now": "2026-01-02T03:04:05Z", "deadline": "2026-01-02T03:09:05Z", "limit": 30})
				if out.Outcome != abi.Succeeded || calls > 100 {
					t.Fatalf("%s %+v after %d calls:\n%s", out.Outcome, out.Error, calls, requested(host))
				}
				if cursor = out.Cursor; cursor == "" {
					break
				}
			}
			once := map[string]bool{}
			for _, r := range host.Records {
				once[r] = true
			}
			if len(once) != total || len(host.Records) != total {
				t.Errorf("%d records, %d of them different, want %d once each:\n%s", len(host.Records), len(once), total, requested(host))
			}
			if limitOf(host.Requests[0]) != 0 || limitOf(host.Requests[1]) != connector.FirstLimit {
				t.Errorf("requests begin\n%s", requested(host))
			}
		})
	}
}

// TestLookups_PageTooLarge_IsRequestedSmaller checks operations that search a list.
func TestLookups_PageTooLarge_IsRequestedSmaller(t *testing.T) {
	zone := func(i int) string { return fmt.Sprintf(`{"id":"nzo%d","name":"Zone %d","type":"IP"}`, i, i) }
	rule := func(i int) string { return fmt.Sprintf(`{"id":"0pr%d","name":"R%d"}`, i, i) }
	group := func(int) string { return builder }
	for op, c := range map[string]struct {
		input, endpoint string
		total           int
		object          func(int) string
		others          answering
		says            string
	}{
		"get_zone":     {`{"zone":"Zone 77"}`, getZones.Endpoint, 90, zone, answering{getZone.Endpoint: {answer(200, zone(77))}}, ""},
		"get_policy":   {`{"policy":"00p1234567890abcdefg","include_rules":true}`, getPolicyRules.Endpoint, 90, rule, answering{getPolicy.Endpoint: {answer(200, `{"id":"00p1234567890abcdefg","type":"PASSWORD"}`)}}, `"R89"`},
		"lookup_group": {`{"group":"Builders"}`, getGroups.Endpoint, 1, group, nil, "Builders"},
	} {
		host := &hosttest.Host{Answer: heavyList(c.endpoint, c.total, 30, c.object, c.others)}
		out := invokeNative(t, host, op, c.input)
		if text := string(out.Output) + strings.Join(host.Records, ""); out.Outcome != abi.Succeeded || !strings.Contains(text, c.says) {
			t.Errorf("%s: %s %+v %s\n%s", op, out.Outcome, out.Error, text, requested(host))
		}
	}
	host := &hosttest.Host{Answer: heavyList(getGroupRules.Endpoint, 90, 30, rule, nil)}
	c, _, err := tested.NewCall(hostcall.New(host), `{"operation":"delete_group"}`)
	if err != nil {
		t.Fatal(err)
	}
	if rules, unread := groupRules(c); len(rules) != 90 || unread != "" {
		t.Errorf("%d group rules, unread %q", len(rules), unread)
	}
}

// TestGather_ShiftingPages_ReturnsEachObjectOnce also distinguishes a circle of links, and too many pages, from a
// missing object.
func TestGather_ShiftingPages_ReturnsEachObjectOnce(t *testing.T) {
	const all, get = "GET /api/v1/zones", "GET /api/v1/zones/{zoneId}"
	other := strings.Replace(strings.Replace(aZone, `"nzo1"`, `"nzo2"`, 1), `"name":"Z"`, `"name":"Head office"`, 1)
	on := func(page, next string) hosttest.Answer { return paged(page, "/api/v1/zones?after="+next) }
	var many []hosttest.Answer
	for i := range maxZonePages + 5 {
		many = append(many, on("["+strings.Replace(aZone, "nzo1", fmt.Sprintf("nzo9%d", i), 1)+"]", strconv.Itoa(i)))
	}
	for _, c := range []invoking{
		{"on two pages", `{"zone":"Head office"}`, answering{all: {on("["+aZone+","+other+"]", "1"), answer(200, "["+other+"]")}, get: {answer(200, other)}}, abi.Succeeded, "", "", nil, 1},
		{"in a circle", `{"zone":"Head office"}`, answering{all: {on("["+aZone+"]", "1"), on("["+aZone+"]", "2"), on("["+aZone+"]", "1")}}, abi.Rejected, "circle", "", []string{"a circle", "network zones", "(see list_zones)"}, 0},
		{"beyond the maximum of pages", `{"zone":"Head office"}`, answering{all: many}, abi.Rejected, "too_many", "", []string{"because the org has more", strconv.Itoa(maxZonePages)}, 0},
	} {
		c.run(t, "get_zone")
	}
	const rules = "GET /api/v1/policies/{policyId}/rules"
	next := func(page, after string) hosttest.Answer {
		return paged(page, "/api/v1/policies/00p1234567890abcdefg/rules?after="+after)
	}
	policy := answering{getPolicy.Endpoint: {answer(200, `{"id":"00p1234567890abcdefg","type":"PASSWORD"}`)},
		rules: {next(`[{"id":"r1"},{"id":"r2"}]`, "1"), answer(200, `[{"id":"r2"},{"id":"r3"}]`)}}
	invoking{"rules on two pages", `{"policy":"00p1234567890abcdefg","include_rules":true}`, policy, abi.Succeeded, "", "", []string{`"rules":[{"id":"r1"},{"id":"r2"},{"id":"r3"}]`}, 0}.run(t, "get_policy")
}
