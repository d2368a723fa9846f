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
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

// inventoryOrg serves an org by path. It has 3 users, 5 groups (of 0 to 4 members), 2 applications (of 3 users) and 2
// custom roles. It has a policy of each type except ENTITY_RISK, and one object of each other kind. It is a Classic
// org, so it has no devices. Pages have 2 records.
func inventoryOrg(req abi.Request) hosttest.Answer {
	path := req.Link
	if path == "" {
		_, path, _ = strings.Cut(req.Endpoint, " ")
		for name, v := range req.Path {
			path = strings.Replace(path, "{"+name+"}", v, 1)
		}
		path += "?"
		for _, q := range req.Query {
			if q[0] == "type" {
				path += "type=" + q[1] + "&"
			}
		}
	}
	path, query, _ := strings.Cut(path, "?")
	from := 0
	if _, after, ok := strings.Cut(query, "after="); ok {
		from, _ = strconv.Atoi(after)
	}
	typ := ""
	if _, rest, ok := strings.Cut(query, "type="); ok {
		typ, _, _ = strings.Cut(rest, "&")
	}
	n, prefix, key := 1, path, "id"
	switch {
	case path == "/api/v1/users":
		n = 3
	case path == "/api/v1/groups":
		n, prefix = 5, "g"
	case strings.HasPrefix(path, "/api/v1/groups/"):
		fmt.Sscanf(path, "/api/v1/groups/g%d/users", &n)
	case path == "/api/v1/apps":
		n, prefix = 2, "a"
	case strings.HasPrefix(path, "/api/v1/apps/"):
		n = 3
	case path == "/api/v1/devices":
		return noFeature
	case path == "/api/v1/policies" && typ == "ENTITY_RISK":
		return answer(400, `{"errorCode":"E0000001","errorSummary":"Api validation failed: type"}`)
	case path == "/api/v1/policies":
		prefix = typ
	case path == "/oauth2/v1/clients":
		key, prefix = "client_id", "c"
	case path == "/api/v1/iam/roles":
		body := `{"roles":[{"id":"cr0"}],"_links":{"next":{"href":"https://x-admin/api/v1/iam/roles?after=1"}}}`
		if from == 1 {
			body = `{"roles":[{"id":"cr1"}]}`
		}
		return answer(200, body)
	}
	var records []string
	for i := from; i < min(n, from+2); i++ {
		records = append(records, fmt.Sprintf(`{%q:%q}`, key, prefix+strconv.Itoa(i)))
	}
	body := "[" + strings.Join(records, ",") + "]"
	if from+2 < n {
		if next := fmt.Sprintf("%s?type=%s&after=%d", path, typ, from+2); typ != "" {
			return paged(body, next)
		}
		return paged(body, fmt.Sprintf("%s?after=%d", path, from+2))
	}
	return answer(200, body)
}

// inventoryOf returns the complete export of that org.
func inventoryOf() []string {
	var all []string
	add := func(kind, id, parent, key string) {
		e := fmt.Sprintf(`{"kind":%q,"id":%q,"record":{%q:%q}}`, kind, id, key, id)
		if parent != "" {
			e = fmt.Sprintf(`{"kind":%q,"id":%q,"parent":%q,"record":{%q:%q}}`, kind, parent+"/"+id, parent, key, id)
		}
		all = append(all, e)
	}
	for i := range 3 {
		add("users", "/api/v1/users"+strconv.Itoa(i), "", "id")
	}
	for i := range 5 {
		add("groups", "g"+strconv.Itoa(i), "", "id")
	}
	for g := range 5 {
		for i := range g {
			add("group_members", fmt.Sprintf("/api/v1/groups/g%d/users%d", g, i), "g"+strconv.Itoa(g), "id")
		}
	}
	for i := range 2 {
		add("applications", "a"+strconv.Itoa(i), "", "id")
	}
	for a := range 2 {
		for i := range 3 {
			add("application_users", fmt.Sprintf("/api/v1/apps/a%d/users%d", a, i), "a"+strconv.Itoa(a), "id")
		}
	}
	add("authenticators", "/api/v1/authenticators0", "", "id")
	for _, typ := range policyTypes {
		if typ != "ENTITY_RISK" {
			add("policies", typ+"0", "", "id")
		}
	}
	add("zones", "/api/v1/zones0", "", "id")
	add("authorization_servers", "/api/v1/authorizationServers0", "", "id")
	add("oauth_clients", "c0", "", "client_id")
	add("roles", "cr0", "", "id")
	add("roles", "cr1", "", "id")
	return all
}

// tablePages reads the table export to its end, with a new call for each page.
func tablePages(t *testing.T, h *hosttest.Host, op, input string, limit int) (pages int) {
	t.Helper()
	cursor := ""
	for {
		before, sent := len(h.Records), len(h.Requests)
		in := fmt.Sprintf(`{"operation":%q,"input":%s,"settings":{},"cursor":%q,"limit":%d,"now":"2026-01-02T03:04:05Z"}`, op, input, cursor, limit)
		text, err := Table(hostcall.New(h), in)
		if err != nil {
			t.Fatal(err)
		}
		var out abi.TableOutput
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		if out.Outcome != abi.Succeeded {
			t.Fatalf("%s %+v", out.Outcome, out.Error)
		}
		if limit > 0 && len(h.Records)-before > limit {
			t.Fatalf("%d records, want at most %d", len(h.Records)-before, limit)
		}
		if n := len(h.Requests) - sent; n > 1 {
			t.Fatalf("%d requests for one page", n)
		}
		if len(out.Cursor) > 16384 {
			t.Fatalf("the cursor has %d bytes", len(out.Cursor))
		}
		if pages++; pages > 500 {
			t.Fatal("no end")
		}
		if cursor = out.Cursor; cursor == "" {
			return pages
		}
	}
}

func TestInventory_EveryLimit_ExportsEachRecordOnce(t *testing.T) {
	want := strings.Join(inventoryOf(), "\n")
	for limit := range 4 {
		h := &hosttest.Host{Answer: inventoryOrg}
		tablePages(t, h, "inventory_export", `{}`, limit)
		if got := strings.Join(h.Records, "\n"); got != want {
			t.Fatalf("limit %d:\n%s\nwant\n%s", limit, got, want)
		}
	}
}

func TestInventory_OneInvoke_ExportsEverything(t *testing.T) {
	h := &hosttest.Host{Answer: inventoryOrg}
	out := invokeNative(t, h, "inventory_export", `{}`)
	if out.Outcome != abi.Succeeded || !out.List || out.NextCursor != "" || strings.Join(h.Records, "\n") != strings.Join(inventoryOf(), "\n") {
		t.Fatalf("%+v\n%s", out, strings.Join(h.Records, "\n"))
	}
	var says struct {
		Skipped  []struct{ Kind, Type, Code, Reason string }
		Vanished map[string]int
		Limited  []string
		Missing  []any
		Partial  bool
	}
	if err := json.Unmarshal(out.Output, &says); err != nil {
		t.Fatal(err)
	}
	if len(says.Skipped) != 2 || says.Skipped[0].Kind != "devices" || says.Skipped[0].Code != "feature" || says.Skipped[1].Kind != "policies" ||
		says.Skipped[1].Type != "ENTITY_RISK" || len(says.Vanished)+len(says.Limited)+len(says.Missing) != 0 || !says.Partial { // the org has no devices
		t.Errorf("%s", out.Output)
	}
	if len(out.Warnings) != 2 {
		t.Errorf("%q", out.Warnings)
	}
	// All statuses of users are asked for, and groups are read once for members.
	var asked []string
	for _, r := range h.Requests {
		asked = append(asked, line(r))
	}
	if !strings.Contains(asked[0], `filter=status eq "ACTIVE" or status eq "DEPROVISIONED"`) {
		t.Errorf("%s", asked[0])
	}
	if !slices.Contains(asked, "GET /api/v1/groups limit=50") || !slices.Contains(asked, "GET /api/v1/groups/{groupId}/users [groupId:g4] limit=200") {
		t.Errorf("%s", strings.Join(asked, "\n"))
	}
}

func TestInventory_LimitPerKind_CutsEachKind(t *testing.T) {
	for limit := 1; limit <= 12; limit++ {
		have := map[string]int{}
		var want []string
		for _, e := range inventoryOf() {
			kind, _, _ := strings.Cut(strings.TrimPrefix(e, `{"kind":"`), `"`)
			if have[kind]++; have[kind] <= limit {
				want = append(want, e)
			}
		}
		h := &hosttest.Host{Answer: inventoryOrg}
		out := invokeNative(t, h, "inventory_export", fmt.Sprintf(`{"limit_per_kind":%d}`, limit))
		if got := strings.Join(h.Records, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("limit %d:\n%s\nwant\n%s", limit, got, strings.Join(want, "\n"))
		}
		var says struct{ Limited []string }
		if err := json.Unmarshal(out.Output, &says); err != nil {
			t.Fatal(err)
		}
		for kind, n := range have { // a kind with exactly limit records may be listed as limited
			if n > limit && !slices.Contains(says.Limited, kind) || n < limit && slices.Contains(says.Limited, kind) {
				t.Errorf("limit %d: %d records of %s, limited: %s", limit, n, kind, says.Limited)
			}
		}
		h2 := &hosttest.Host{Answer: inventoryOrg}
		tablePages(t, h2, "inventory_export", fmt.Sprintf(`{"limit_per_kind":%d}`, limit), 1)
		if got := strings.Join(h2.Records, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("limit %d, row by row:\n%s", limit, got)
		}
	}
}

// except serves inventoryOrg, except for the given requests.
func except(lines map[string]hosttest.Answer) *hosttest.Host {
	return &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		if a, ok := lines[line(req)]; ok {
			return a
		}
		return inventoryOrg(req)
	}}
}

func TestInventory_EachFailure_IsReported(t *testing.T) {
	const groups, members2 = "GET /api/v1/groups limit=50", "GET /api/v1/groups/{groupId}/users [groupId:g2] limit=200"
	const members = `{"kinds":["group_members"]}`
	for _, c := range []struct {
		name, input string
		answers     map[string]hosttest.Answer
		want        abi.Outcome
		records     int
		says        string // in output and warnings
		resumes     bool
	}{
		{"a kind that the token may not read", `{"kinds":["groups","zones"]}`, map[string]hosttest.Answer{"GET /api/v1/groups limit=200": forbidden}, abi.Succeeded, 1,
			`"skipped":[{"kind":"groups","code":"forbidden","reason":"`, false},
		{"parents that the token may not read", `{"kinds":["group_members","zones"]}`, map[string]hosttest.Answer{groups: forbidden}, abi.Succeeded, 1, `"skipped":[{"kind":"group_members"`, false},
		{"policies that the token may not read, of any type", `{"kinds":["policies","zones"]}`, map[string]hosttest.Answer{"GET /api/v1/policies type=OKTA_SIGN_ON": forbidden}, abi.Succeeded, 1, `"skipped":[{"kind":"policies","code"`, false},
		{"policies of one type that the token may not read", `{"kinds":["policies"]}`, map[string]hosttest.Answer{"GET /api/v1/policies type=PASSWORD": forbidden}, abi.Succeeded, 10, `{"kind":"policies","type":"PASSWORD","code":"forbidden"`, false},
		{"a skipped kind makes the export partial", `{"kinds":["groups","zones"]}`, map[string]hosttest.Answer{"GET /api/v1/groups limit=200": forbidden}, abi.Succeeded, 1, `"missing":[],"partial":true`, false},
		{"a kind that the org does not have makes it partial", `{"kinds":["devices","zones"]}`, nil, abi.Succeeded, 1, `"missing":[],"partial":true`, false},
		{"an unknown type of policy does not make it partial", `{"kinds":["policies","zones"]}`, nil, abi.Succeeded, 12, `"missing":[],"partial":false`, false},
		{"a type of policy that the token may not read makes it partial", `{"kinds":["policies"]}`, map[string]hosttest.Answer{"GET /api/v1/policies type=PASSWORD": forbidden}, abi.Succeeded, 10, `"missing":[],"partial":true`, false},
		{"a proxy refuses a later page", members, map[string]hosttest.Answer{members2: answer(403, "<html>")}, abi.Succeeded, 1, `stopped early, next_cursor resumes: a 403 that is not Okta's own`, true},
		{"a proxy refuses the first page", `{"kinds":["zones","groups"]}`, map[string]hosttest.Answer{"GET /api/v1/groups limit=200": answer(451, "")}, abi.Unavailable, 0, "", false},
		{"a group that is deleted meanwhile", members, map[string]hosttest.Answer{members2: notFound("UserGroup")}, abi.Succeeded, 8, `"vanished":{"group_members":1},"limited":[],"missing":[],"partial":false`, false},
		{"a group whose members cannot be read", members, map[string]hosttest.Answer{members2: answer(500, `{"errorCode":"E0000001"}`)}, abi.Succeeded, 8, `"missing":[{"kind":"group_members","count":1,"code":"unavailable"`, false},
		{"a group whose members may not be read", members, map[string]hosttest.Answer{members2: forbidden}, abi.Succeeded, 8, `"partial":true`, false},
		{"a warning names the group", members, map[string]hosttest.Answer{members2: forbidden}, abi.Succeeded, 8, `group_members of g2:`, false},
		{"a later page is refused", members, map[string]hosttest.Answer{"GET /api/v1/groups/{groupId}/users -> /api/v1/groups/g3/users?after=2": answer(400, `{"errorCode":"E0000029"}`)}, abi.Succeeded, 9, `"partial":true`, false},
		{"a later page of parents is refused", members, map[string]hosttest.Answer{"GET /api/v1/groups -> /api/v1/groups?after=2": answer(400, `{"errorCode":"E0000029"}`)}, abi.Succeeded, 1, `"partial":true`, false},
		{"a kind that fails", `{"kinds":["groups","zones"]}`, map[string]hosttest.Answer{"GET /api/v1/groups limit=200": answer(500, "")}, abi.Succeeded, 1, `"missing":[{"kind":"groups"`, false},
		{"too many requests at a later page", members, map[string]hosttest.Answer{members2: throttled}, abi.Succeeded, 1, `stopped early, next_cursor resumes: the bucket is empty`, true},
		{"the server is down at a later page", members, map[string]hosttest.Answer{members2: answer(503, "")}, abi.Succeeded, 1, `stopped early`, true},
		{"too many requests at the first page", members, map[string]hosttest.Answer{groups: throttled}, abi.Throttled, 0, "", false},
		{"no network", members, map[string]hosttest.Answer{groups: unsent}, abi.Unavailable, 0, "", false},
		{"a bad token", members, map[string]hosttest.Answer{members2: badToken}, abi.Rejected, 1, "", true},
		{"a cursor of another export", `{"kinds":["zones"],"cursor":"bm8"}`, nil, abi.Invalid, 0, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := except(c.answers)
			out := invokeNative(t, h, "inventory_export", c.input)
			if out.Outcome != c.want || len(h.Records) != c.records {
				t.Fatalf("%s %+v, %d records, want %s and %d", out.Outcome, out.Error, len(h.Records), c.want, c.records)
			}
			if text := string(out.Output) + strings.Join(out.Warnings, "\n"); !strings.Contains(text, c.says) {
				t.Errorf("%q is not in %s", c.says, text)
			}
			if c.resumes != (out.NextCursor != "") {
				t.Errorf("next_cursor %q", out.NextCursor)
			}
			if c.resumes { // the rest follows, each record once
				h.Answer = inventoryOrg
				again := invokeNative(t, h, "inventory_export", strings.Replace(c.input, "{", `{"cursor":"`+out.NextCursor+`",`, 1))
				if again.Outcome != abi.Succeeded || again.NextCursor != "" || len(h.Records) != 10 {
					t.Errorf("%s %d records", again.Outcome, len(h.Records))
				}
			}
		})
	}
}

// TestInventory_TemporaryError_IsRetried: a kind is omitted only after a lasting error.
func TestInventory_TemporaryError_IsRetried(t *testing.T) {
	for _, times := range []int{1, 2, 3} {
		left := times
		h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
			if line(req) == "GET /api/v1/groups limit=200" {
				if left--; left >= 0 {
					return answer(500, "") // after E0000009 a smaller page is requested instead
				}
			}
			return inventoryOrg(req)
		}}
		out := invokeNative(t, h, "inventory_export", `{"kinds":["groups","zones"]}`)
		if partial := strings.Contains(string(out.Output), `"partial":true`); out.Outcome != abi.Succeeded || partial != (times == 3) {
			t.Errorf("%d times: %s %s", times, out.Outcome, out.Output)
		}
	}
}

// TestInventory_ManyEmptyPages_StopsAtMaxPages has an org of many groups without members.
func TestInventory_ManyEmptyPages_StopsAtMaxPages(t *testing.T) {
	var groups []string
	for i := range 1200 {
		groups = append(groups, fmt.Sprintf(`{"id":"g%d"}`, i))
	}
	h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		if req.Path != nil {
			return answer(200, "[]")
		}
		return answer(200, "["+strings.Join(groups, ",")+"]")
	}}
	const input = `{"kinds":["group_members"]}`
	out := invokeNative(t, h, "inventory_export", input)
	if out.Outcome != abi.Succeeded || len(h.Requests) != connector.MaxPages || out.NextCursor == "" {
		t.Fatalf("%s, %d requests", out.Outcome, len(h.Requests))
	}
}

// Each list of a parent is announced before it is read, and each request at most once. Records and their order are the same.
func TestInventory_AnnouncedReads_GiveTheSameRecords(t *testing.T) {
	for _, tabled := range []bool{false, true} {
		h := &hosttest.Host{Answer: inventoryOrg}
		calls := 0
		for cursor := ""; ; calls++ {
			in := fmt.Sprintf(`{"operation":"inventory_export","input":{},"settings":{},"cursor":%q,"now":"2026-01-02T03:04:05Z","features":["sign","keys","omit","announce"]}`, cursor)
			var out abi.TableOutput
			run := Table
			if !tabled {
				run = Invoke
			}
			text, err := run(hostcall.New(h), in)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(text), &out); err != nil || out.Outcome != abi.Succeeded {
				t.Fatal(text, err)
			}
			if cursor = out.Cursor; cursor == "" {
				break
			}
		}
		if got, want := strings.Join(h.Records, "\n"), strings.Join(inventoryOf(), "\n"); got != want {
			t.Errorf("tabled %v:\n%s\nwant\n%s", tabled, got, want)
		}
		announced, made := map[string]int{}, map[string]int{}
		for _, r := range h.Requests {
			made[line(r)]++
			for _, next := range r.Announce {
				announced[line(next)]++
			}
		}
		if len(announced) != 2+1 { // pages have two groups or applications, of which the second is announced
			t.Errorf("tabled %v: announced %v", tabled, announced)
		}
		for what, n := range announced {
			if n != 1 || made[what] != 1 {
				t.Errorf("tabled %v: %s was announced %d times and made %d times", tabled, what, n, made[what])
			}
		}
		if requests := len(h.Requests); tabled && calls >= requests {
			t.Errorf("%d calls for %d requests: want several lists in a call", calls, requests)
		}
	}
}

// A list that cannot be read ends the page of a table before it. The next page makes that request alone.
func TestInventory_FailureInABatch_KeepsWhatWasRead(t *testing.T) {
	broken := true
	h := &hosttest.Host{}
	h.Answer = func(req abi.Request) hosttest.Answer {
		if broken && req.Path["groupId"] == "g3" {
			return answer(503, "")
		}
		return inventoryOrg(req)
	}
	table := func(cursor string) (out abi.TableOutput) {
		in := fmt.Sprintf(`{"operation":"inventory_export","input":{"kinds":["group_members"]},"settings":{},"cursor":%q,"now":"2026-01-02T03:04:05Z","features":["sign","keys","omit","announce"]}`, cursor)
		text, err := Table(hostcall.New(h), in)
		if err == nil {
			err = json.Unmarshal([]byte(text), &out)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := table("") // a page of groups has two
	second := table(first.Cursor)
	if second.Outcome != abi.Succeeded || len(h.Records) != 0+1+2 {
		t.Fatalf("%s, records %q", second.Outcome, h.Records)
	}
	if out := table(second.Cursor); out.Outcome != abi.Unavailable {
		t.Errorf("%s", out.Outcome)
	}
	broken = false
	for cursor := second.Cursor; cursor != ""; {
		cursor = table(cursor).Cursor
	}
	if len(h.Records) != 0+1+2+3+4 {
		t.Errorf("%d records", len(h.Records))
	}
}

// A standard role has the same assignment id for everyone: a user has two records if it is assigned directly and through a group.
func TestInventory_RoleDirectAndThroughGroups_HasDifferentIDs(t *testing.T) {
	role := func(of, by string) string {
		return `{"id":"JBCUYUC7IRCVGS27IFCE2SKO","assignmentType":"` + of + `","_links":{"assignee":{"href":"https://x/api/v1/` + by + `"}}}`
	}
	h := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		if req.Path == nil {
			return answer(200, `{"value":[{"id":"u1"}]}`)
		}
		return answer(200, "["+role("USER", "users/u1")+","+role("GROUP", "groups/g1")+","+role("GROUP", "groups/g2")+"]")
	}}
	in := `{"operation":"inventory_export","input":{"kinds":["user_roles"]},"settings":{},"now":"2026-01-02T03:04:05Z","features":["keys","distinct"]}`
	if _, err := Invoke(hostcall.New(h), in); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range h.Records {
		_, id, _ := strings.Cut(r, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		ids = append(ids, id)
	}
	const role1 = "u1/JBCUYUC7IRCVGS27IFCE2SKO/"
	if want := []string{role1 + "USER/u1", role1 + "GROUP/g1", role1 + "GROUP/g2"}; !slices.Equal(ids, want) {
		t.Errorf("%q, want %q", ids, want)
	}
}

// Each kind that only an input exports is exported in one list, or in one list for each parent.
func TestInventory_NamedKinds_AreExported(t *testing.T) {
	for _, c := range []struct {
		kind, ids string
		lists     string // a request
	}{
		{"policy_rules", "PASSWORD0/", "GET /api/v1/policies/{policyId}/rules [policyId:PASSWORD0]"},
		{"client_roles", "c0/", "GET /oauth2/v1/clients/{clientId}/roles [clientId:c0]"},
		{"group_owners", "g4/", "GET /api/v1/groups/{groupId}/owners [groupId:g4] limit=200"},
		{"application_groups", "a1/", "GET /api/v1/apps/{appId}/groups [appId:a1] limit=200"},
		{"group_rules", "", "GET /api/v1/groups/rules limit=200"},
		{"identity_providers", "", "GET /api/v1/idps limit=200"},
		{"trusted_origins", "", "GET /api/v1/trustedOrigins limit=200"},
		{"api_tokens", "", "GET /api/v1/api-tokens"},
		{"event_hooks", "", "GET /api/v1/eventHooks"},
		{"log_streams", "", "GET /api/v1/logStreams limit=200"},
	} {
		h := &hosttest.Host{Answer: inventoryOrg}
		out := invokeNative(t, h, "inventory_export", `{"kinds":["`+c.kind+`"]}`)
		if out.Outcome != abi.Succeeded || !strings.Contains(strings.Join(h.Records, "\n"), `{"kind":"`+c.kind+`","id":"`+c.ids) || !strings.Contains(string(out.Output), `"incomplete":[]`) {
			t.Errorf("%s: %s %+v %s %q", c.kind, out.Outcome, out.Error, out.Output, h.Records)
		}
		if !slices.ContainsFunc(h.Requests, func(r abi.Request) bool { return line(r) == c.lists }) {
			t.Errorf("%s: %s was not read", c.kind, c.lists)
		}
	}
}
