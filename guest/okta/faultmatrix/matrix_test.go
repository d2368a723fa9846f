// Package faultmatrix runs every write operation with every fault that a network, a gateway or Okta can cause. It compares the
// outcome with the state of the simulated org.
package faultmatrix

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/internal/figures"
)

// action is a row of the matrix: a write on a new simulated org.
type action struct {
	op, input string
	writes    []string // methods of the requests that change something, in order; nil means one with any method
	blind     bool     // no read shows whether it was done
	once      bool     // a read shows only the run that did it that it was done: a later run cannot tell
}

const (
	ada    = `"user":"ada.lovelace@example.com"`
	app    = `"application":"0oaGJxoM8LyCF3ytcwkO"`
	device = `"device":"guoTR3yslxGF2H07cwkO"`
	group  = `"group":"00gBLrECxFjBwtQJcwkO"`
	admins = `"group":"00gywNmfSjI0s5CWcwkO","admin_group":true` // has a role
	crew   = `"group":"00gLFTnJJZSd570BcwkO"`                    // has members, and an application
)

// member is the placeholder in an input for the id of a member of crew.
const member = "{member}"

// marked matches the placeholders in an input for the id of a user or device with a status.
var marked = regexp.MustCompile(`\{(users|devices) ([A-Z_]+)\}`)

// Objects that are INACTIVE: off matches their paths, and fill switches them off.
const (
	offPolicy    = `"policy":"{off policies/00p8l5ONQvS5VGwfcwkO}"`
	offRule      = `"policy":"00p8l5ONQvS5VGwfcwkO","rule":"{off policies/00p8l5ONQvS5VGwfcwkO/rules/0prV6UGF3qEbKuqccwkO}"`
	offGroupRule = `"rule":"{off groups/rules/0pruFrqpz0KnxJdVcwkO}"`
)

var off = regexp.MustCompile(`\{off ([^}]*/)([^/}]*)\}`)

var both = []string{http.MethodPost, http.MethodDelete}

var actions = []action{
	{op: "create_user", input: `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"activate":false}`},
	{op: "update_user", input: `{` + ada + `,"profile":{"title":"Countess"}}`},
	{op: "update_user", input: `{` + ada + `,"credentials":{"password":{"value":"Correct horse battery 9"}}}`, blind: true},
	{op: "deactivate_user", input: `{` + ada + `}`},
	{op: "reactivate_user", input: `{"user":"{users DEPROVISIONED}"}`, once: true},
	{op: "reactivate_user", input: `{"user":"{users PROVISIONED}"}`, blind: true}, // the status stays
	{op: "delete_user", input: `{` + ada + `}`, writes: both},
	{op: "delete_user", input: `{"user":"{users DEPROVISIONED}"}`},
	{op: "user_lifecycle_action", input: `{` + ada + `,"action":"suspend"}`},
	{op: "user_lifecycle_action", input: `{` + ada + `,"action":"deactivate"}`},
	{op: "user_lifecycle_action", input: `{` + ada + `,"action":"expire_password"}`},
	{op: "user_lifecycle_action", input: `{` + ada + `,"action":"expire_password_with_temp_password"}`, once: true},
	{op: "user_lifecycle_action", input: `{` + ada + `,"action":"reset_password","send_email":true}`, once: true},
	{op: "user_lifecycle_action", input: `{` + ada + `,"action":"reset_factors"}`, blind: true},
	{op: "user_lifecycle_action", input: `{"user":"{users STAGED}","action":"activate"}`},
	{op: "user_lifecycle_action", input: `{"user":"{users SUSPENDED}","action":"unsuspend"}`},
	{op: "user_lifecycle_action", input: `{"user":"{users LOCKED_OUT}","action":"unlock"}`},
	{op: "create_group", input: `{"name":"Night Shift"}`},
	{op: "update_group", input: `{` + group + `,"description":"Keeps them on"}`},
	{op: "delete_group", input: `{` + group + `}`},
	{op: "add_group_member", input: `{` + group + `,` + ada + `}`},
	{op: "add_group_member", input: `{` + admins + `,` + ada + `}`},
	{op: "remove_group_member", input: `{` + crew + `,"user":"` + member + `"}`},
	{op: "assign_application_user", input: `{"application":"0oaAZlG8lxcfcbMXcwkO",` + ada + `}`},
	{op: "unassign_application_user", input: `{` + app + `,` + ada + `}`},
	{op: "assign_application_group", input: `{` + app + `,` + group + `}`},
	{op: "unassign_application_group", input: `{` + app + `,` + crew + `}`},
	{op: "reset_factor", input: `{` + ada + `,"factor":"sms"}`},
	{op: "reset_all_factors", input: `{` + ada + `}`, once: true},
	{op: "revoke_user_grants", input: `{` + ada + `}`},
	{op: "revoke_user_grants", input: `{` + ada + `,"client":"{client}"}`},
	{op: "set_user_type", input: `{` + ada + `,"type":"oty2YJtuevlpesV9cwkO"}`},
	{op: "policy_lifecycle_action", input: `{"policy":"00p8l5ONQvS5VGwfcwkO","action":"deactivate"}`},
	{op: "policy_lifecycle_action", input: `{` + offPolicy + `,"action":"activate"}`},
	{op: "policy_rule_lifecycle_action", input: `{"policy":"00p8l5ONQvS5VGwfcwkO","rule":"0prV6UGF3qEbKuqccwkO","action":"deactivate"}`},
	{op: "policy_rule_lifecycle_action", input: `{` + offRule + `,"action":"activate"}`},
	{op: "group_rule_lifecycle_action", input: `{"rule":"0pruFrqpz0KnxJdVcwkO","action":"deactivate"}`},
	{op: "group_rule_lifecycle_action", input: `{` + offGroupRule + `,"action":"activate"}`},
	{op: "create_zone", input: `{"name":"Head office","gateways":["203.0.113.0/24"]}`},
	{op: "zone_lifecycle_action", input: `{"zone":"Offices","action":"deactivate"}`},
	{op: "zone_lifecycle_action", input: `{"zone":"Consumer networks","action":"activate"}`},
	{op: "device_lifecycle_action", input: `{` + device + `,"action":"suspend"}`},
	{op: "device_lifecycle_action", input: `{` + device + `,"action":"deactivate"}`},
	{op: "device_lifecycle_action", input: `{` + device + `,"action":"delete"}`, writes: both},
	{op: "device_lifecycle_action", input: `{"device":"{devices SUSPENDED}","action":"unsuspend"}`},
	{op: "device_lifecycle_action", input: `{"device":"{devices DEACTIVATED}","action":"activate"}`},
	{op: "revoke_session", input: `{"session":"102qETvtirgP4fmYzUjrvcwkO"}`},
	{op: "revoke_session", input: `{` + ada + `}`, blind: true},
	{op: "update_policy", input: `{"policy":"00po1df5wPpmRq0NcwkO","patch":{"description":"Reviewed"}}`},
	{op: "update_zone", input: `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.7"]}`},
	{op: "update_zone", input: `{"zone":"Offices","patch":{"status":"INACTIVE"}}`}, // by a separate request
	{op: "update_zone", input: `{"zone":"Offices","patch":{"status":"INACTIVE"},"add_gateways":["192.0.2.7"]}`, writes: []string{http.MethodPost, http.MethodPut}},
	{op: "update_zone", input: `{"zone":"Consumer networks","patch":{"status":"ACTIVE","asns":{"include":["64496"]}}}`, writes: []string{http.MethodPut, http.MethodPost}},
	{op: "assign_role", input: `{` + ada + `,"type":"HELP_DESK_ADMIN"}`},
	{op: "add_role_target", input: `{"group":"00gywNmfSjI0s5CWcwkO","role":"HELP_DESK_ADMIN","target_group":"00gAZhiZ2jWHoHFtcwkO"}`},
	{op: "remove_role_target", input: `{"group":"00gywNmfSjI0s5CWcwkO","role":"HELP_DESK_ADMIN","target_group":"00gLFTnJJZSd570BcwkO"}`},
	{op: "revoke_role", input: `{"group":"IT Operations","type":"HELP_DESK_ADMIN"}`},
}

// scenario is a column of the matrix: a fault that happens to a write.
type scenario struct {
	name    string
	fault   oktatest.Fault
	timeout time.Duration // the timeout of the call
	applied bool          // the write takes effect
}

// The scenarios that are not faults of the org.
const (
	refused   = "connection refused" // no connection is accepted
	gateway   = "200 from a gateway" // the gateway answers with success and does not forward the write
	errorBody = "200 with an error"  // the service answers with the body of error E0000009, and the write has no effect
	late      = "408 from a gateway" // the gateway forwards the write and does not wait for the answer
)

// timeout is the scenario in which the call times out when the write has arrived.
const timeout = "timeout"

var scenarios = []scenario{
	{name: refused},
	{name: "reset before it was sent", fault: oktatest.Fault{Kind: oktatest.ResetBefore}},
	{name: "reset after it was applied", fault: oktatest.Fault{Kind: oktatest.ResetAfter}, applied: true},
	{name: "500 after it was applied", fault: oktatest.Fault{Kind: oktatest.StatusAfter, Status: 500}, applied: true},
	{name: "503", fault: oktatest.Fault{Kind: oktatest.Status, Status: 503}},
	{name: "429 for longer than the call", fault: oktatest.Fault{Kind: oktatest.RateLimited, Reset: time.Minute}, timeout: 30 * time.Second},
	{name: timeout, fault: oktatest.Fault{Kind: oktatest.Latency, Latency: time.Hour}, applied: true},
	{name: "answer truncated", fault: oktatest.Fault{Kind: oktatest.Truncate}, applied: true},
	{name: "answer not JSON", fault: oktatest.Fault{Kind: oktatest.NotJSON}},
	{name: gateway},
	{name: errorBody},
	{name: late, applied: true},
}

// cell is a cell of the matrix.
type cell struct {
	action
	scenario
	at    int // index of the write with the fault
	keyed bool
}

func cells() []cell {
	var all []cell
	for _, a := range actions {
		for _, h := range scenarios {
			for at := range max(1, len(a.writes)) {
				all = append(all, cell{a, h, at, false}, cell{a, h, at, true})
			}
		}
	}
	return all
}

// sample returns some of the cells, with every write and every scenario.
func sample(all []cell) (part []cell) {
	writes, kinds := map[string]bool{}, map[string]bool{}
	for i := 0; i < len(all); i += 11 { // a step that selects cells with and without a key alternately
		part = append(part, all[i])
		writes[all[i].op+all[i].input], kinds[all[i].name] = true, true
	}
	for _, c := range all {
		if !writes[c.op+c.input] || !kinds[c.name] {
			writes[c.op+c.input], kinds[c.name] = true, true
			part = append(part, c)
		}
	}
	return part
}

// concurrency is the number of cells that run concurrently. Many of them wait.
const concurrency = 12

func TestMatrix_EveryFault_EndsInRightOutcome(t *testing.T) {
	m := hosttest.Connector.Module(t)
	all := cells()
	if testing.Short() {
		all = sample(all)
	}
	var mu sync.Mutex
	counts := map[string]map[abi.Outcome]int{}
	slots := make(chan struct{}, concurrency)
	var wg sync.WaitGroup
	for _, c := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			name := fmt.Sprintf("%s %s/%s at write %d/key=%v", c.op, c.input, c.name, c.at+1, c.keyed)
			t.Run(name, func(t *testing.T) {
				outcome := c.run(t, m)
				mu.Lock()
				defer mu.Unlock()
				if counts[c.name] == nil {
					counts[c.name] = map[abi.Outcome]int{}
				}
				counts[c.name][outcome]++
			})
		})
	}
	wg.Wait()
	var table strings.Builder
	ran := 0
	for _, h := range scenarios {
		var parts []string
		for _, o := range slices.Sorted(maps.Keys(counts[h.name])) {
			ran += counts[h.name][o]
			parts = append(parts, fmt.Sprintf("%s %d", o, counts[h.name][o]))
		}
		fmt.Fprintf(&table, "\n%-30s %s", h.name, strings.Join(parts, ", "))
	}
	figures.Keep(t, "matrix", fmt.Sprintf("fault matrix: %d writes, %d cells%s", len(actions), ran, table.String()))
	if want := len(all); ran != want {
		t.Errorf("%d of %d cells ran", ran, want)
	}
}

// TestMatrix_EveryWrite_HasARow compares the rows with the manifest: every operation that writes, and every action of those
// that have several.
func TestMatrix_EveryWrite_HasARow(t *testing.T) {
	m := hosttest.Connector.Module(t)
	rows := map[string]bool{}
	for _, a := range actions {
		rows[a.op] = true
		var in struct{ Action string }
		if err := json.Unmarshal([]byte(a.input), &in); err != nil {
			t.Fatal(err)
		}
		rows[a.op+" "+in.Action] = true
	}
	wanted := 0
	for _, op := range m.Manifest().Operations {
		if op.Class == abi.Read && len(op.ClassRules) == 0 {
			continue
		}
		if wanted++; !rows[op.Name] {
			t.Errorf("%s has no row", op.Name)
		}
		var schema struct {
			Properties struct {
				Action struct{ Enum []string }
			}
		}
		if err := json.Unmarshal(op.InputSchema, &schema); err != nil {
			t.Fatal(err)
		}
		for _, a := range schema.Properties.Action.Enum {
			if !rows[op.Name+" "+a] {
				t.Errorf("%s with action %s has no row", op.Name, a)
			}
		}
	}
	if wanted < 20 {
		t.Errorf("the manifest has only %d writes", wanted)
	}
}

// restarted is the connector as in a second process: it shares no observed rate limits with the first.
var restarted = hosttest.NewConnector()

// org is a simulated org that counts arrived and finished writes, and has the scenarios that oktatest does not have.
type org struct {
	*oktatest.Org
	address           string
	arrived           atomic.Int32
	entered, finished atomic.Int32    // writes that arrived, and of these the answered ones
	closes            atomic.Bool     // close the connection after each request
	ahead             [3]atomic.Int32 // number of requests before each write, from index 1
	// Numbers of the writes with a scenario, from 1; 0 means none.
	swallow  atomic.Int32                            // answered by the gateway without forwarding it
	errs     atomic.Int32                            // answered with the body of an error and status 200
	givesUp  atomic.Int32                            // forwarded, and answered with 408
	timesOut atomic.Int32                            // the call times out when it arrives
	late     chan struct{}                           // closed when it times out
	filled   struct{ effects, writes, requests int } // by fill, which the test does not count
}

// Effects returns how many requests changed something since fill.
func (o *org) Effects() int { return o.Org.Effects() - o.filled.effects }

// Writes returns how many writes came since fill.
func (o *org) Writes() int { return o.Org.Writes() - o.filled.writes }

// callTime is a context that times out when over is closed, not by a clock.
type callTime struct {
	context.Context
	over chan struct{}
}

func (c callTime) Done() <-chan struct{} { return c.over }

func (c callTime) Err() error {
	select {
	case <-c.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func newOrg(t *testing.T) *org {
	o := &org{Org: oktatest.New(oktatest.Config{GroupRules: 1}), late: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.closes.Load() {
			w.Header().Set("Connection", "close")
		}
		arrived := o.arrived.Add(1)
		if r.Method != http.MethodGet {
			n := o.entered.Add(1)
			defer o.finished.Add(1)
			if int(n) < len(o.ahead) {
				o.ahead[n].Store(arrived - 1)
			}
			if n == o.timesOut.Load() {
				close(o.late)
			}
			if n == o.swallow.Load() {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"status":"ok"}`)
				return
			}
			if n == o.errs.Load() {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Okta-Request-Id", "reqOfTheError")
				_, _ = io.WriteString(w, `{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorId":"oae1","errorCauses":[]}`)
				return
			}
			if n == o.givesUp.Load() {
				o.ServeHTTP(httptest.NewRecorder(), r)
				http.Error(w, "Request Timeout", http.StatusRequestTimeout)
				return
			}
		}
		o.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	o.address = server.URL
	return o
}

// settle waits until at least sent writes have arrived, and all are answered.
func (o *org) settle(t *testing.T, sent int) {
	t.Helper()
	for range 30_000 {
		if e := o.entered.Load(); int(e) >= sent && e == o.finished.Load() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("%d writes were sent, %d arrived, %d were answered", sent, o.entered.Load(), o.finished.Load())
}

// fill replaces the placeholders in an input by ids of this org.
func (o *org) fill(t *testing.T, input string) string {
	t.Helper()
	members := o.Members("00gLFTnJJZSd570BcwkO")
	if len(members) == 0 {
		t.Fatal("the group has no members")
	}
	input = strings.Replace(input, member, members[0], 1)
	var client struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(o.Clients()[0], &client); err != nil {
		t.Fatal(err)
	}
	input = strings.Replace(input, "{client}", client.ID, 1)
	input = off.ReplaceAllStringFunc(input, func(mark string) string {
		parts := off.FindStringSubmatch(mark)
		r := httptest.NewRequest(http.MethodPost, "/api/v1/"+parts[1]+parts[2]+"/lifecycle/deactivate", nil)
		r.Header.Set("Authorization", "SSWS "+o.Token())
		w := httptest.NewRecorder()
		if o.ServeHTTP(w, r); w.Code >= 300 {
			t.Fatalf("%s: %d %s", mark, w.Code, w.Body)
		}
		return parts[2]
	})
	o.filled.effects, o.filled.writes, o.filled.requests = o.Org.Effects(), o.Org.Writes(), len(o.Requests())
	return marked.ReplaceAllStringFunc(input, func(mark string) string {
		parts := marked.FindStringSubmatch(mark)
		return o.idOf(t, parts[1], parts[2])
	})
}

// idOf returns the id of an object with a status.
func (o *org) idOf(t *testing.T, kind, status string) string {
	t.Helper()
	query := "?"
	if kind == "users" {
		query += url.Values{"search": {`status eq "` + status + `"`}}.Encode()
	}
	r := httptest.NewRequest(http.MethodGet, "/api/v1/"+kind+query, nil)
	r.Header.Set("Authorization", "SSWS "+o.Token())
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	var all []struct{ ID, Status string }
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Status == status {
			return one.ID
		}
	}
	t.Fatalf("none of the %s is %s", kind, status)
	return ""
}

// connect returns a connection to the org, as from a new process. Waits take no time: what they wait for has already happened,
// or never happens. Only the first reached requests reach the org; a negative number means all.
func (c *cell) connect(t *testing.T, m *host.Module, o *org, j journal.Journal, reached int32) *host.Connection {
	t.Helper()
	opts := host.ConnectOptions{Secrets: hosttest.Secret(o.Token()), Journal: j, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	if reached >= 0 {
		opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if o.arrived.Load() >= reached {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}
	return hosttest.Connect(t, m, host.Config{Name: "matrix", BaseURL: o.address, Grants: abi.Classes()}, opts)
}

// run runs and checks a cell, and returns the outcome.
func (c cell) run(t *testing.T, m *host.Module) abi.Outcome {
	o := newOrg(t)
	input := json.RawMessage(o.fill(t, c.input))
	invoke := host.InvokeOptions{Timeout: c.timeout}
	ctx := context.Background()
	var j journal.Journal
	if c.keyed {
		j, invoke.IdempotencyKey = hosttest.Journal(t, journal.Options{}), "cell"
	}
	switch c.name {
	case gateway:
		o.swallow.Store(int32(c.at + 1))
	case errorBody:
		o.errs.Store(int32(c.at + 1))
	case late:
		o.givesUp.Store(int32(c.at + 1))
	case timeout:
		o.timesOut.Store(int32(c.at + 1))
		ctx = callTime{ctx, o.late}
	}
	if c.fault.Kind != 0 {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			if c.writes == nil || c.writes[c.at] == method {
				f := c.fault
				f.Method, f.Times = method, 1
				o.Inject(f)
			}
		}
	}
	reached := int32(-1)
	if c.name == refused {
		reached = c.requestsBefore(t, m)
		o.closes.Store(true)
	}
	res, _ := c.connect(t, m, o, j, reached).Invoke(ctx, c.op, input, invoke)
	expected := writesSent(res)
	if c.name == refused { // the write with the fault does not arrive
		expected = c.at
	}
	o.settle(t, expected)
	c.check(t, o, res)
	if !c.keyed {
		return res.Outcome
	}

	// The same command again, by another process and without a fault.
	o.ClearFaults()
	invoke.Timeout = 0
	again, _ := c.connect(t, restarted.Module(t), o, j, -1).Invoke(context.Background(), c.op, input, invoke)
	o.settle(t, 0)
	writes := max(1, len(c.writes))
	switch {
	case res.Outcome == abi.Unknown && again.Outcome == abi.Unknown && (c.blind || c.once):
		if again.Error.Message == "" || o.Effects() > writes {
			t.Errorf("again: %+v, %d effects", again, o.Effects())
		}
	case !again.Outcome.OK() || o.Effects() != writes:
		t.Errorf("again: %s %+v, after %s %+v; %d effects in all, want %d", again.Outcome, again.Error, res.Outcome, res.Error, o.Effects(), writes)
	case res.Outcome.OK() != again.Meta.Replayed:
		t.Errorf("again: replayed %v after %s", again.Meta.Replayed, res.Outcome)
	}
	return res.Outcome
}

// requestsBefore returns how many requests arrive before the cell's write without a fault, or 0 if it is the first write.
func (c *cell) requestsBefore(t *testing.T, m *host.Module) int32 {
	if c.at == 0 {
		return 0
	}
	o := newOrg(t)
	if res, err := c.connect(t, m, o, nil, -1).Invoke(context.Background(), c.op, json.RawMessage(o.fill(t, c.input))); err != nil {
		t.Fatalf("%+v", res.Error)
	}
	return o.ahead[c.at+1].Load()
}

// writesSent returns how many writes were sent according to the result.
func writesSent(res *abi.Result) int {
	n := 0
	for _, r := range res.Meta.Requests {
		if !strings.HasPrefix(r.Endpoint, "GET ") && r.Attempts > 0 {
			n++
		}
	}
	return n
}

// answering are the faults with at least a partial answer, which has Okta's request id.
var answering = []oktatest.FaultKind{oktatest.Status, oktatest.RateLimited, oktatest.StatusAfter, oktatest.Truncate, oktatest.NotJSON}

// check compares a result with the state of the org.
func (c *cell) check(t *testing.T, o *org, res *abi.Result) {
	t.Helper()
	effects, writes := o.Effects(), max(1, len(c.writes))
	fail := func(why string) {
		t.Errorf("%s: %s %+v %+v, with %d effects; requests %+v", why, res.Outcome, res.Error, upstream(res), effects, res.Meta.Requests)
	}
	var want abi.Outcome
	switch {
	case c.name == refused:
		want = abi.Unavailable
	case c.fault.Kind == oktatest.RateLimited:
		want = abi.Throttled
	case c.name == timeout:
		want = abi.Unknown
	case c.fault.Kind == oktatest.Truncate && answered(res): // an answer without a body cannot be truncated
		want = abi.Succeeded
	case c.blind:
		want = abi.Unknown
	case c.applied:
		want = abi.Succeeded
	default:
		want = abi.Unavailable
	}
	if res.Outcome != want {
		fail("want " + string(want))
	}
	switch {
	case res.Outcome == abi.Succeeded && effects != writes:
		fail("it succeeded and was not done")
	case res.Outcome == abi.Unknown && (res.Error.Code != "unknown" || !strings.Contains(res.Error.Message, "Look at the object")):
		fail("the error does not say what to do")
	case res.Outcome == abi.Unavailable || res.Outcome == abi.Throttled:
		switch {
		case !res.Meta.Partial && effects != 0, res.Meta.Partial && (effects == 0 || effects == writes):
			fail("the effects do not match Partial")
		case !res.Error.Retryable:
			fail("it is not marked retryable")
		}
	}
	switch {
	case res.Outcome == abi.Succeeded && !res.Meta.Reconciled && (c.name == gateway || c.name == errorBody || !answered(res)):
		fail("it succeeded without an answer and without Reconciled")
	case res.Outcome == abi.Throttled && res.Error.RetryAfterMS <= 0:
		fail("throttled without a time to retry after")
	case c.name == refused && (c.at == 0 && o.arrived.Load() != 0 || int(o.entered.Load()) != c.at || res.Meta.Partial != (c.at > 0)):
		fail("the wrong requests arrived")
	case res.Error != nil && slices.Contains(answering, c.fault.Kind) && upstream(res).RequestID == "":
		fail("Okta's request id is missing")
	}
	if sent := int(o.entered.Load()); c.fault.Kind != oktatest.RateLimited && sent > writes || c.name != refused && sent < writesSent(res) || c.name == timeout && sent != c.at+1 {
		fail(fmt.Sprintf("%d writes arrived", sent))
	}
}

func upstream(res *abi.Result) abi.Upstream {
	if res.Error == nil || res.Error.Upstream == nil {
		return abi.Upstream{}
	}
	return *res.Error.Upstream
}

// answered reports whether the last write has an answer with a success status.
func answered(res *abi.Result) bool {
	for _, r := range slices.Backward(res.Meta.Requests) {
		if !strings.HasPrefix(r.Endpoint, "GET ") {
			return r.Status/100 == 2 && r.Error == ""
		}
	}
	return false
}
