package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/journal"
)

// depot connects the invented connector, with every grant, to a depot of five items.
func depot(t *testing.T, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *invented.Depot, *hosttest.Recorder) {
	t.Helper()
	d := &invented.Depot{}
	for i := range 5 {
		d.Put(fmt.Sprint("drill-", i+1), "AB"[i%2:i%2+1])
	}
	got := &hosttest.Recorder{Handler: d}
	config, opts := host.Config{Name: "depot", Grants: abi.Classes()}, host.ConnectOptions{Sleep: hosttest.ShortSleep}
	if change != nil {
		change(&config, &opts)
	}
	return hosttest.Serve(t, invented.Connector.Module(t), got, config, opts), d, got
}

// invoke invokes an operation and checks its outcome.
func invoke(t *testing.T, c *host.Connection, want abi.Outcome, op, input string, o ...host.InvokeOptions) *abi.Result {
	t.Helper()
	res, _ := c.Invoke(context.Background(), op, json.RawMessage(input), o...)
	if res.Outcome != want {
		t.Fatalf("%s %s: %s %+v, want %s", op, input, res.Outcome, res.Error, want)
	}
	return res
}

func TestLoad_InventedKind_DescribesItself(t *testing.T) {
	m := invented.Connector.Module(t)
	if described, err := m.Describe(context.Background()); err != nil || string(described) != string(m.RawManifest()) {
		t.Errorf("describe returns other bytes than the custom section (%v)", err)
	}
	for _, name := range []string{"get_item", "depot.get_item"} {
		if op, err := m.Operation(name); err != nil || op.Name != "get_item" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.Operation("get_itm"); !errors.Is(err, host.ErrUnknownOperation) || !strings.Contains(err.Error(), "did you mean get_item?") {
		t.Error(err)
	}
	if _, err := hosttest.Open(m, host.Config{Kind: "another", BaseURL: "https://depot.example.com"}, host.ConnectOptions{}); !errors.Is(err, host.ErrConfig) {
		t.Errorf("a connection of another kind: %v", err)
	}
}

func TestInvoke_InventedKind_SignsInItsOwnWay(t *testing.T) {
	c, _, got := depot(t, nil)
	res := invoke(t, c, abi.Succeeded, "get_item", `{"sku":"drill-1"}`)
	if gjson.GetBytes(res.Output, "place.shelf").Str != "A" {
		t.Errorf("%s", res.Output)
	}
	if keys := got.Headers("X-Depot-Key"); !slices.Equal(keys, []string{hosttest.Token}) || got.Headers("Authorization")[0] != "" {
		t.Errorf("sent %q and %q", keys, got.Headers("Authorization"))
	}
	if id := res.Meta.Requests[0].RequestID; id != "trace-1" {
		t.Errorf("the request's id is %q", id)
	}
	res = invoke(t, c, abi.NotFound, "get_item", `{"sku":"nowhere"}`)
	if up := res.Error.Upstream; up == nil || up.Status != 404 || up.Code != "no_such_item" || up.RequestID != "trace-2" {
		t.Errorf("%+v", up)
	}
	if _, err := c.Invoke(context.Background(), "get_item", json.RawMessage(`{"sku":"../self"}`)); err == nil || slices.ContainsFunc(got.URIs(), func(u string) bool { return strings.Contains(u, "self") }) {
		t.Errorf("a path step in a blank: %v, %q", err, got.URIs())
	}
	wrong := hosttest.Again(t, c, host.ConnectOptions{Secrets: hosttest.Secret("another-key-0123456789")}, nil)
	if res := invoke(t, wrong, abi.Rejected, "get_item", `{"sku":"drill-1"}`); res.Error.Code != "bad_key" {
		t.Errorf("%+v", res.Error)
	}
}

func TestInvoke_InventedKind_FollowsTheCursorInTheBody(t *testing.T) {
	c, _, got := depot(t, nil)
	res := invoke(t, c, abi.Succeeded, "list_items", `{"page_size":2}`)
	if skus := gjson.GetBytes(res.Output, "records.#.sku").Raw; skus != `["drill-1","drill-2","drill-3","drill-4","drill-5"]` || len(got.URIs()) != 3 {
		t.Errorf("%s by %q", skus, got.URIs())
	}
	res = invoke(t, c, abi.Succeeded, "list_items", `{"page_size":2,"limit":2}`)
	if !res.Truncated || res.NextCursor == "" {
		t.Errorf("%+v", res)
	}
	res = invoke(t, c, abi.Succeeded, "list_items", `{"page_size":2,"cursor":"`+res.NextCursor+`"}`)
	if skus := gjson.GetBytes(res.Output, "records.#.sku").Raw; skus != `["drill-3","drill-4","drill-5"]` || res.NextCursor != "" {
		t.Errorf("%s, next %q", skus, res.NextCursor)
	}
}

func TestTable_InventedKind_ReadsItsFormOfTime(t *testing.T) {
	c, d, _ := depot(t, nil)
	at := time.Date(2026, 2, 1, 9, 30, 5, 0, time.UTC)
	d.Now = func() time.Time { return at }
	d.Put("drill-1", "C")
	d.Label("drill-1", "the big one")
	rows, err := c.Table(context.Background(), "list_items", json.RawMessage(`{"page_size":2}`), host.TableOptions{Columns: []string{"sku", "label", "shelf", "changed"}})
	if err != nil {
		t.Fatal(err)
	}
	var first []any
	n := 0
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			first = row.Values
		}
	}
	if want := []any{"drill-1", "the big one", "C", at}; n != 5 || fmt.Sprint(first) != fmt.Sprint(want) {
		t.Errorf("%d rows, the first is %v, want %v", n, first, want)
	}
	one, err := c.Table(context.Background(), "get_item", json.RawMessage(`{"sku":"nowhere"}`), host.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range one.All() {
		t.Errorf("a row of an unknown item: %v %v", row, err)
	}
}

func TestSource_InventedKind_ResumesFromItsCheckpoint(t *testing.T) {
	c, d, _ := depot(t, nil)
	read := func(from json.RawMessage) (keys []string, checkpoint json.RawMessage) {
		for rec, err := range c.Source(context.Background(), host.SourceOptions{Operation: "poll_movements", Config: json.RawMessage(`{"page_size":2}`), Checkpoint: from}) {
			if err != nil {
				t.Fatal(err)
			}
			if keys = append(keys, rec.Key); rec.Checkpoint != nil {
				checkpoint = rec.Checkpoint
			}
		}
		return keys, checkpoint
	}
	keys, checkpoint := read(nil)
	if !slices.Equal(keys, []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("%q", keys)
	}
	d.Put("drill-1", "B")
	if keys, _ = read(checkpoint); !slices.Equal(keys, []string{"6"}) {
		t.Errorf("after %s: %q", checkpoint, keys)
	}
}

func TestInvoke_InventedKind_PatchIsPlannedApprovedAndDoneOnce(t *testing.T) {
	audit, asked := &hosttest.Audit{}, 0
	c, d, got := depot(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.Approve = []abi.Class{abi.Write, abi.Destructive}
		o.Auditor, o.Journal = audit, hosttest.Journal(t, journal.Options{})
		o.Approver = host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
			if asked++; r.Class == abi.Destructive {
				return "", errors.New("not at night")
			}
			if w := r.Plan.Writes; len(w) != 1 || w[0].Endpoint != "PATCH /v2/items/{sku}" || strings.Contains(string(w[0].Body), "4711") {
				t.Errorf("shown: %+v", w)
			}
			return "grace", nil
		})
	})
	const input = `{"sku":"drill-1","shelf":"C","pin":"4711"}`
	res := invoke(t, c, abi.Planned, "move_item", input, host.InvokeOptions{Plan: true})
	if d.Writes() != 0 || len(res.Plan.Writes) != 1 || gjson.GetBytes(res.Plan.State, "place.shelf").Str != "A" {
		t.Fatalf("%+v after %q", res.Plan, got.URIs())
	}
	key := host.InvokeOptions{IdempotencyKey: "ticket-1"}
	for i, replayed := range []bool{false, true} {
		res := invoke(t, c, abi.Succeeded, "move_item", input, key)
		if res.Meta.Replayed != replayed || res.Meta.ApprovedBy != "grace" || d.Writes() != 1 || asked != 1 || d.Shelf("drill-1") != "C" {
			t.Errorf("run %d: %+v, %d writes, asked %d times", i, res.Meta, d.Writes(), asked)
		}
	}
	invoke(t, c, abi.Unchanged, "move_item", `{"sku":"drill-1","shelf":"C"}`)
	writing, _ := audit.Last()
	if len(writing.Targets) != 1 || writing.Targets[0].Path["sku"] != "drill-1" || writing.Targets[0].Endpoint != "PATCH /v2/items/{sku}" || writing.Account == nil ||
		writing.Account.ID != "key-1" || writing.Account.Name != "the tests" || writing.Module.Kind != "depot" {
		t.Errorf("%+v, account %+v", writing.Targets, writing.Account)
	}
	if text, err := json.Marshal(audit.All); err != nil || strings.Contains(string(text), "4711") {
		t.Errorf("the audit has the pin: %s", text)
	}
	// Another shelf is of another class, as the input decides, and the approver refuses.
	if res := invoke(t, c, abi.Denied, "move_item", `{"sku":"drill-2","shelf":"furnace"}`); res.Meta.Class != abi.Destructive || res.Error.Code != "not_approved" || d.Writes() != 1 {
		t.Errorf("%+v", res)
	}
}

func TestInvoke_InventedKind_ChangedMeanwhile_IsRejected(t *testing.T) {
	var d *invented.Depot
	c, d, _ := depot(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.Approve = []abi.Class{abi.Write}
		o.Approver = host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
			d.Put("drill-1", "D") // while the approver decides
			return "grace", nil
		})
	})
	if res := invoke(t, c, abi.Rejected, "move_item", `{"sku":"drill-1","shelf":"C"}`); res.Error.Code != "changed_meanwhile" || d.Writes() != 0 {
		t.Errorf("%+v", res.Error)
	}
}

func TestInvoke_InventedKind_LostAnswer_IsSettledByReading(t *testing.T) {
	for _, w := range []struct {
		op, input     string
		after, before abi.Outcome // outcomes if the write took effect, and if it did not
	}{
		{"move_item", `{"sku":"drill-1","shelf":"C"}`, abi.Succeeded, abi.Unavailable},
		{"scrap_item", `{"sku":"drill-1"}`, abi.Succeeded, abi.Unavailable},
		{"add_item", `{"sku":"saw-1","shelf":"C"}`, abi.Unknown, abi.Unavailable},
	} {
		for lose, want := range map[invented.Lost]abi.Outcome{invented.AfterWrite: w.after, invented.BeforeWrite: w.before} {
			c, d, _ := depot(t, nil)
			d.Lose = lose
			res := invoke(t, c, want, w.op, w.input)
			if sent := d.Writes(); (sent == 1) != (lose == invented.AfterWrite) || want == abi.Succeeded && !res.Meta.Reconciled {
				t.Errorf("%s: %d writes, %+v", w.op, sent, res.Meta)
			}
		}
	}
}

// The process dies after its write. Then the command is repeated with its key.
func TestInvoke_InventedKind_DeadRun_IsSettled(t *testing.T) {
	j := hosttest.Journal(t, journal.Options{})
	c, d, _ := depot(t, func(_ *host.Config, o *host.ConnectOptions) { o.Journal = hosttest.Killed(j) })
	key := host.InvokeOptions{IdempotencyKey: "k"}
	invoke(t, c, abi.Succeeded, "move_item", `{"sku":"drill-1","shelf":"C"}`, key)
	again := hosttest.Again(t, c, host.ConnectOptions{Journal: j}, nil)
	if res := invoke(t, again, abi.Succeeded, "move_item", `{"sku":"drill-1","shelf":"C"}`, key); !res.Meta.Reconciled || d.Writes() != 1 {
		t.Errorf("%+v, %d writes", res.Meta, d.Writes())
	}
}

func TestInvoke_InventedKind_Ceiling_HoldsPatchesBack(t *testing.T) {
	c, d, _ := depot(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.MaxWritesPerMinute, o.Journal = 2, hosttest.Journal(t, journal.Options{})
	})
	for i, want := range []abi.Outcome{abi.Succeeded, abi.Succeeded, abi.Throttled} {
		res := invoke(t, c, want, "move_item", fmt.Sprintf(`{"sku":"drill-%d","shelf":"C"}`, i+1))
		if want == abi.Throttled && (res.Error.Code != "ceiling" || d.Writes() != 2) {
			t.Errorf("%+v, %d writes", res.Error, d.Writes())
		}
	}
}

func TestInvoke_InventedKind_GrantsBoundItsMethods(t *testing.T) {
	for _, c := range []struct {
		op, input string
		grants    []abi.Class
		want      abi.Outcome
	}{
		{"move_item", `{"sku":"drill-1","shelf":"C"}`, []abi.Class{abi.Read}, abi.Denied},
		{"move_item", `{"sku":"drill-1","shelf":"C"}`, []abi.Class{abi.Write}, abi.Succeeded},
		{"move_item", `{"sku":"drill-1","shelf":"furnace"}`, []abi.Class{abi.Write}, abi.Denied},
		{"move_item", `{"sku":"drill-1","shelf":"furnace"}`, []abi.Class{abi.Destructive}, abi.Succeeded},
		{"scrap_item", `{"sku":"drill-1"}`, []abi.Class{abi.Write}, abi.Denied},
		{"scrap_item", `{"sku":"drill-1"}`, []abi.Class{abi.Destructive}, abi.Succeeded},
	} {
		conn, d, got := depot(t, func(cfg *host.Config, _ *host.ConnectOptions) { cfg.Grants = c.grants })
		if invoke(t, conn, c.want, c.op, c.input); c.want == abi.Denied && len(got.URIs()) != 0 || c.want == abi.Succeeded && d.Writes() != 1 {
			t.Errorf("%s %s with %v sent %q", c.op, c.input, c.grants, got.URIs())
		}
	}
}

// The window ends so many seconds after the response.
func TestInvoke_InventedKind_QuotaByDelta_IsWaitedFor(t *testing.T) {
	clock := hosttest.NewClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	d := &invented.Depot{Now: clock.Now, Quota: 3}
	d.Put("drill-1", "A")
	c := hosttest.Serve(t, invented.New().Load(t), d, host.Config{RateLimitShare: 1}, host.ConnectOptions{Now: clock.Now})
	for range 3 {
		invoke(t, c, abi.Succeeded, "get_item", `{"sku":"drill-1"}`)
	}
	if q := c.Quota(); len(q) != 1 || q[0].Bucket != "items" || q[0].Limit != 3 || q[0].Remaining != 0 || q[0].ResetIn > 10*time.Second {
		t.Errorf("%+v", q)
	}
	requests := d.Requests()
	res := invoke(t, c, abi.Throttled, "get_item", `{"sku":"drill-1"}`, host.InvokeOptions{Timeout: time.Second})
	if !res.Error.Retryable || res.Error.RetryAfterMS < 1000 || res.Error.RetryAfterMS > 12_500 || d.Requests() > requests+1 {
		t.Errorf("%+v after %d requests", res.Error, d.Requests()-requests)
	}
}

// In a table, it is one row, and a warning reports it.
func TestInvoke_InventedKind_RecordOnTwoPages_IsListedOnce(t *testing.T) {
	pages := map[string]string{
		"":  `{"data":{"items":[{"sku":"a"},{"sku":"b"}]},"paging":{"continue":"1"}}`,
		"1": `{"data":{"items":[{"sku":"b"},{"sku":"c"}]},"paging":{"continue":"end"}}`,
	}
	c := hosttest.Serve(t, invented.Connector.Module(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, pages[r.URL.Query().Get("continue")])
	}), host.Config{}, host.ConnectOptions{})
	res := invoke(t, c, abi.Succeeded, "list_items", `{}`)
	if skus := gjson.GetBytes(res.Output, "records.#.sku").Raw; skus != `["a","b","c"]` || !strings.Contains(strings.Join(res.Meta.Warnings, "\n"), "1 repeated") {
		t.Errorf("%s, warnings %q", skus, res.Meta.Warnings)
	}
	rows, err := c.Table(context.Background(), "list_items", nil, host.TableOptions{Columns: []string{"sku"}})
	if err != nil {
		t.Fatal(err)
	}
	var skus []any
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		skus = append(skus, row.Values...)
	}
	if fmt.Sprint(skus) != "[a b c]" {
		t.Errorf("rows %v", skus)
	}
}
