package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/journal"
)

// actor is a connection with every grant to an org of its own.
func actor(t *testing.T, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *oktatest.Server) {
	t.Helper()
	return actorOn(t, oktatest.Config{}, change)
}

func actorOn(t *testing.T, sim oktatest.Config, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *oktatest.Server) {
	t.Helper()
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(sim).Start()
	cfg := host.Config{Name: "actor", Kind: "okta", BaseURL: org.URL, TokenSecretRef: "env:X", Grants: abi.Classes()}
	opts := host.ConnectOptions{Secrets: fixedSecret(org.Org.Token()), Sleep: briefly}
	if change != nil {
		change(&cfg, &opts)
	}
	c, err := m.Connect(ctx, cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close(ctx)
		_ = m.Close(ctx)
		_ = org.Close()
	})
	return c, org
}

func TestApprovalIsAskedBeforeTheFirstWrite(t *testing.T) {
	ctx := context.Background()
	const op, input = "deactivate_user", `{"user":"alan.turing@example.com"}`
	approving := func(a host.Approver) func(*host.Config, *host.ConnectOptions) {
		return func(cfg *host.Config, opts *host.ConnectOptions) {
			cfg.Approve, opts.Approver = []abi.Class{abi.Destructive, abi.Privileged}, a
		}
	}
	t.Run("nobody to ask", func(t *testing.T) {
		c, org := actor(t, approving(nil))
		res, err := c.Invoke(ctx, op, json.RawMessage(input))
		if err == nil || res.Outcome != abi.Denied || res.Error.Code != "not_approved" || org.Org.Writes() != 0 {
			t.Errorf("%+v %v", res, err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		c, org := actor(t, approving(host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
			return "", errors.New("not at night")
		})))
		res, _ := c.Invoke(ctx, op, json.RawMessage(input))
		if res.Outcome != abi.Denied || !strings.Contains(res.Error.Message, "not at night") || org.Org.Writes() != 0 {
			t.Errorf("%+v", res)
		}
	})
	t.Run("given", func(t *testing.T) {
		var asked []host.ApprovalRequest
		c, org := actor(t, approving(host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
			asked = append(asked, r)
			return "grace", nil
		})))
		res, err := c.Invoke(ctx, op, json.RawMessage(input))
		if err != nil || res.Outcome != abi.Succeeded || res.Meta.ApprovedBy != "grace" || org.Org.Effects() != 1 {
			t.Fatalf("%+v %v", res, err)
		}
		if len(asked) != 1 || len(asked[0].Plan.Writes) != 1 || asked[0].Class != abi.Destructive || asked[0].Operation != op {
			t.Errorf("%+v", asked)
		}
		// Nothing to do is nothing to approve; a class that is not named is not asked about.
		if res, err := c.Invoke(ctx, op, json.RawMessage(input)); err != nil || res.Outcome != abi.Unchanged || len(asked) != 1 {
			t.Errorf("%+v %v", res, err)
		}
		if res, err := c.Invoke(ctx, "update_user", json.RawMessage(`{"user":"ada.lovelace@example.com","profile":{"title":"Countess"}}`)); err != nil || res.Outcome != abi.Succeeded || len(asked) != 1 {
			t.Errorf("%+v %v", res, err)
		}
	})
	t.Run("and then the state changes", func(t *testing.T) {
		var other *host.Connection
		c, org := actor(t, approving(host.ApproverFunc(func(ctx context.Context, _ host.ApprovalRequest) (string, error) {
			_, err := other.Invoke(ctx, op, json.RawMessage(input)) // while the approver reads
			return "grace", err
		})))
		other = another(t, c, org)
		// delete_user was planned with two writes; only the second is still needed.
		if res, err := c.Invoke(ctx, "delete_user", json.RawMessage(input)); err != nil || res.Outcome != abi.Succeeded {
			t.Errorf("%+v %v", res, err)
		}
	})
}

// another is a second connection to the same org, without approval.
func another(t *testing.T, c *host.Connection, org *oktatest.Server) *host.Connection {
	t.Helper()
	cfg := c.Config()
	cfg.Approve = nil
	other, err := c.Module().Connect(context.Background(), cfg, host.ConnectOptions{Secrets: fixedSecret(org.Org.Token())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close(context.Background()) })
	return other
}

// hostile is a connection of the module that means harm, to a server that notes what arrives. It tells a
// plan from the run that follows by the time, which passes while somebody approves.
func hostile(t *testing.T, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *seen) {
	t.Helper()
	m, err := hostileModule()
	if err != nil {
		t.Fatal(err)
	}
	got := &seen{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		got.add(req)
		if req.URL.Path == "/api/v1/users/busy" {
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = io.WriteString(w, `{"id":"00u1"}`)
	}))
	t.Cleanup(server.Close)
	cfg := host.Config{Name: "hostile", Kind: "okta", BaseURL: server.URL, TokenSecretRef: "env:X", Grants: abi.Classes()}
	var now clock
	now.set(planTime)
	opts := host.ConnectOptions{Secrets: fixedSecret(token), Now: now.now}
	if change != nil {
		change(&cfg, &opts)
	}
	if asked := opts.Approver; asked != nil {
		opts.Approver = host.ApproverFunc(func(ctx context.Context, r host.ApprovalRequest) (string, error) {
			defer now.set(planTime.Add(time.Hour))
			return asked.Approve(ctx, r)
		})
	}
	c, err := m.Connect(context.Background(), cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, got
}

var planTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// harm is an input of the hostile module: requests, and what it sends in their place once they are approved.
func harm(planned, then []string) json.RawMessage {
	return json.RawMessage(`{"do":"send","emit":{},"requests":[` + strings.Join(planned, ",") + `],"from":"2026-01-01T00:30","approved":[` + strings.Join(then, ",") + `]}`)
}

// What the hostile module asks for.
const (
	create  = `{"endpoint":"POST /api/v1/users","body":{"name":"a"}}`
	update  = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"title":"x"}}`
	other   = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u2"},"body":{"title":"x"}}`
	altered = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"title":"y"}}`
	matched = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"headers":{"If-Match":"one"},"body":{"title":"x"}}`
	query   = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"query":[["strict","true"]],"body":{"title":"x"}}`
	busy    = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"busy"},"body":{"title":"x"}}`
)

func TestAHostileModuleDoesNotWriteDuringAPlan(t *testing.T) {
	c, got := hostile(t, nil)
	res, _ := c.Invoke(context.Background(), "write", harm([]string{create, update}, nil), host.InvokeOptions{Plan: true})
	if len(got.uris) != 0 || res.Plan == nil || len(res.Plan.Writes) != 2 {
		t.Errorf("%v %+v", got.uris, res)
	}
	var many []string
	for range 150 {
		many = append(many, create)
	}
	if res, _ = c.Invoke(context.Background(), "write", harm(many, nil), host.InvokeOptions{Plan: true}); len(got.uris) != 0 || len(res.Plan.Writes) != 100 {
		t.Errorf("%v, %d planned", got.uris, len(res.Plan.Writes))
	}
}

func TestAHostileModuleWritesWhatWasApprovedAlone(t *testing.T) {
	repeat := func(request string, n int) (all []string) {
		for range n {
			all = append(all, request)
		}
		return all
	}
	for _, c := range []struct {
		name          string
		planned, then []string
		arrive        int
		outcome       abi.Outcome
	}{
		{"what was approved", []string{create, update}, []string{create, update}, 2, abi.Succeeded},
		{"less", []string{create, update}, []string{update}, 1, abi.Succeeded},
		{"another object", []string{update}, []string{other}, 0, abi.Rejected},
		{"another body", []string{update}, []string{altered}, 0, abi.Rejected},
		{"another query", []string{update}, []string{query}, 0, abi.Rejected},
		{"another state of the object", []string{matched}, []string{strings.Replace(matched, "one", "two", 1)}, 0, abi.Rejected},
		{"any state of the object", []string{matched}, []string{update}, 0, abi.Rejected},
		{"another method", []string{update}, []string{create}, 0, abi.Rejected},
		{"one more", []string{update}, []string{update, other}, 1, abi.Failed},
		{"the same twice", []string{update}, []string{update, update}, 1, abi.Failed},
		{"in another order", []string{create, update}, []string{update, create}, 1, abi.Failed},
		{"what is refused, a few times", []string{busy}, repeat(busy, 5), 5, abi.Succeeded},
		{"what is refused, without end", []string{busy}, repeat(busy, 50), 9, abi.Failed},
		{"nothing planned", nil, []string{update}, 0, abi.Succeeded}, // the plan's run is all there is
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := 0
			conn, got := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
				cfg.Approve = []abi.Class{abi.Write}
				o.Approver = host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
					asked++
					return "grace", nil
				})
			})
			res, _ := conn.Invoke(context.Background(), "write", harm(c.planned, c.then))
			if len(got.uris) != c.arrive || res.Outcome != c.outcome || asked != min(1, len(c.planned)) {
				t.Errorf("arrived %v, asked %d, %s %+v", got.uris, asked, res.Outcome, res.Error)
			}
			if c.outcome == abi.Failed && res.Error.Code != "write_refused" || c.outcome == abi.Rejected && (res.Error.Code != "changed_meanwhile" || !res.Error.Retryable) {
				t.Errorf("%+v", res.Error)
			}
		})
	}
}

// TestAHostileModuleSettlesTheSameObjectAlone lets a run with a key die behind its write. The next run with the key is
// there to settle what became of it, and writes to no other object.
func TestAHostileModuleSettlesTheSameObjectAlone(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, then string
		arrive      int
		outcome     abi.Outcome
	}{
		{"the same", update, altered, 2, abi.Succeeded},
		{"another object", update, other, 1, abi.Failed},
		{"none was named", create, update, 2, abi.Succeeded},
		{"another id in the body", strings.Replace(create, `"body":{`, `"body":{"id":"a",`, 1), strings.Replace(create, `"body":{`, `"body":{"id":"b",`, 1), 1, abi.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			var now clock
			now.set(planTime)
			conn, got := hostile(t, func(_ *host.Config, o *host.ConnectOptions) {
				o.Journal, o.Now = dying{openJournal(t, journal.Options{})}, now.now
			})
			input := harm([]string{c.first}, []string{c.then})
			key := host.InvokeOptions{IdempotencyKey: "k"}
			if res, _ := conn.Invoke(context.Background(), "write", input, key); res.Outcome != abi.Succeeded || len(got.uris) != 1 {
				t.Fatalf("%v %s %+v", got.uris, res.Outcome, res.Error)
			}
			now.set(planTime.Add(time.Hour))
			res, _ := conn.Invoke(context.Background(), "write", input, key)
			if len(got.uris) != c.arrive || res.Outcome != c.outcome || c.outcome == abi.Failed && res.Error.Code != "write_refused" {
				t.Errorf("arrived %v, %s %+v", got.uris, res.Outcome, res.Error)
			}
		})
	}
}

// TestAChangeBetweenApprovalAndWrite is somebody's change of the object while the approver looks at the plan.
func TestAChangeBetweenApprovalAndWrite(t *testing.T) {
	ctx := context.Background()
	var others *host.Connection
	asked := 0
	conn, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.Approve = []abi.Class{abi.Write, abi.Destructive, abi.Privileged}
		o.Approver = host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
			if asked++; asked > 1 {
				return "grace", nil
			}
			_, err := others.Invoke(ctx, "update_zone", json.RawMessage(`{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.8"]}`))
			return "grace", err
		})
	})
	others = connectAgain(t, conn, org, func(cfg *host.Config, _ *host.ConnectOptions) { cfg.Approve = nil })
	const add = `{"zone":"nzoJ4xPmfiDjGljzcwkO","add_gateways":["192.0.2.7"]}`
	res, _ := conn.Invoke(ctx, "update_zone", json.RawMessage(add))
	if res.Outcome != abi.Rejected || res.Error.Code != "changed_meanwhile" || !res.Error.Retryable || org.Org.Writes() != 1 {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, org.Org.Writes())
	}
	if res, _ = conn.Invoke(ctx, "update_zone", json.RawMessage(add)); res.Outcome != abi.Succeeded || asked != 2 {
		t.Errorf("again: %s %+v", res.Outcome, res.Error)
	}
}

func TestAHostileModuleDoesNotWriteBeforeApproval(t *testing.T) {
	for name, approver := range map[string]host.Approver{"nobody": nil, "refused": host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
		return "grace", errors.New("no")
	})} {
		conn, got := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
			cfg.Approve, o.Approver = []abi.Class{abi.Write}, approver
		})
		if res, _ := conn.Invoke(context.Background(), "write", harm([]string{create}, []string{create})); res.Outcome != abi.Denied || len(got.uris) != 0 {
			t.Errorf("%s: %v %+v", name, got.uris, res)
		}
	}
}

// The value of a sensitive field is masked for the approver, and compared unmasked: neither the mask itself nor another
// sensitive value can be put in its place.
func TestAHostileModuleCannotWriteTheMask(t *testing.T) {
	with := func(password string) string {
		return `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"password":` + password + `}}`
	}
	for _, password := range []string{`"***"`, `"correct horse"`} {
		var shown string
		conn, got := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
			cfg.Approve = []abi.Class{abi.Write}
			o.Approver = host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
				text, err := json.Marshal(r)
				shown = string(text)
				return "grace", err
			})
		})
		input := strings.Replace(string(harm([]string{with(`"battery staple"`)}, []string{with(password)})), "{", `{"password":["battery staple","correct horse"],`, 1)
		res, _ := conn.Invoke(context.Background(), "write", json.RawMessage(input))
		if len(got.uris) != 0 || res.Outcome != abi.Rejected {
			t.Errorf("%s: %v %+v", password, got.all, res)
		}
		if !strings.Contains(shown, `"body":{"password":"***"}`) || strings.Contains(shown, `"password":["battery`) {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestAHostileModuleStaysUnderTheCeiling(t *testing.T) {
	conn, got := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.MaxWritesPerMinute, o.Journal = 2, openJournal(t, journal.Options{})
	})
	res, _ := conn.Invoke(context.Background(), "write", harm([]string{create, update, other, update, create}, nil))
	if len(got.uris) != 2 || res.Outcome != abi.Throttled || res.Error.Code != "ceiling" || res.Error.RetryAfterMS < 1 || !res.Meta.Partial {
		t.Errorf("%v %+v %+v", got.uris, res, res.Error)
	}
	if res, _ = conn.Invoke(context.Background(), "write", harm([]string{create}, nil)); len(got.uris) != 2 || res.Outcome != abi.Throttled || res.Meta.Partial {
		t.Errorf("%v %+v %+v", got.uris, res, res.Error)
	}
}

// A write that the journal cannot note does not leave.
func TestWhatTheJournalCannotNoteDoesNotLeave(t *testing.T) {
	for name, use := range map[string]func(*host.Config, *host.InvokeOptions){
		"key":     func(_ *host.Config, o *host.InvokeOptions) { o.IdempotencyKey = "k" },
		"ceiling": func(cfg *host.Config, _ *host.InvokeOptions) { cfg.MaxWritesPerMinute = 5 },
	} {
		var o host.InvokeOptions
		conn, got := hostile(t, func(cfg *host.Config, opts *host.ConnectOptions) {
			opts.Journal = fullDisk{openJournal(t, journal.Options{})}
			use(cfg, &o)
		})
		res, _ := conn.Invoke(context.Background(), "write", harm([]string{create}, nil), o)
		if len(got.uris) != 0 || res.Outcome != abi.Failed || res.Error.Code != "journal" || !strings.Contains(res.Error.Message, "was not sent: no space left") {
			t.Errorf("%s: %v %+v %+v", name, got.uris, res, res.Error)
		}
	}
}

// fullDisk is a journal that takes no more.
type fullDisk struct{ journal.Journal }

func (f fullDisk) Take(context.Context, string, []string, []journal.Ceiling, time.Time) (time.Duration, journal.Ceiling, error) {
	return 0, journal.Ceiling{}, syscall.ENOSPC
}

func (f fullDisk) Claim(ctx context.Context, scope, key, fingerprint string) (journal.Claim, error) {
	c, err := f.Journal.Claim(ctx, scope, key, fingerprint)
	return fullClaim{c}, err
}

type fullClaim struct{ journal.Claim }

func (fullClaim) Writing(context.Context, time.Time, journal.Target) error { return syscall.ENOSPC }
