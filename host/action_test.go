package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

// hostile connects the hostile module to a server that records requests. The module tells a plan from the following
// run by the time, which advances during the approval.
func hostile(t *testing.T, change func(*host.Config, *host.ConnectOptions)) (*host.Connection, *hosttest.Recorder) {
	t.Helper()
	got := &hosttest.Recorder{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/api/v1/users/busy" {
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = io.WriteString(w, `{"id":"00u1"}`)
	})}
	now := hosttest.NewClock(planTime)
	cfg, opts := host.Config{Name: "hostile", Grants: abi.Classes()}, host.ConnectOptions{Now: now.Now}
	if change != nil {
		change(&cfg, &opts)
	}
	if asked := opts.Approver; asked != nil {
		opts.Approver = host.ApproverFunc(func(ctx context.Context, r host.ApprovalRequest) (string, error) {
			defer now.Set(planTime.Add(time.Hour))
			return asked.Approve(ctx, r)
		})
	}
	return hosttest.Serve(t, hostileGuest.Module(t), got, cfg, opts), got
}

var planTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// harm returns an input for the hostile module: requests, and those that it sends instead after the approval.
func harm(planned, then []string) json.RawMessage {
	return json.RawMessage(`{"do":"send","emit":{},"requests":[` + strings.Join(planned, ",") + `],"from":"2026-01-01T00:30","approved":[` + strings.Join(then, ",") + `]}`)
}

// Requests of the hostile module.
const (
	create  = `{"endpoint":"POST /api/v1/users","body":{"name":"a"}}`
	update  = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"title":"x"}}`
	other   = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u2"},"body":{"title":"x"}}`
	altered = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":{"title":"y"}}`
	matched = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"headers":{"If-Match":"one"},"body":{"title":"x"}}`
	query   = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"query":[["strict","true"]],"body":{"title":"x"}}`
	busy    = `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"busy"},"body":{"title":"x"}}`
)

func TestInvoke_HostileModuleInAPlan_WritesNothing(t *testing.T) {
	c, got := hostile(t, nil)
	res, _ := c.Invoke(context.Background(), "write", harm([]string{create, update}, nil), host.InvokeOptions{Plan: true})
	if len(got.URIs()) != 0 || res.Plan == nil || len(res.Plan.Writes) != 2 {
		t.Errorf("%v %+v", got.URIs(), res)
	}
	var many []string
	for range 150 {
		many = append(many, create)
	}
	if res, _ = c.Invoke(context.Background(), "write", harm(many, nil), host.InvokeOptions{Plan: true}); len(got.URIs()) != 0 || len(res.Plan.Writes) != 100 {
		t.Errorf("%v, %d planned", got.URIs(), len(res.Plan.Writes))
	}
}

func TestInvoke_HostileModule_WritesOnlyWhatWasApproved(t *testing.T) {
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
		{"an additional one", []string{update}, []string{update, other}, 1, abi.Failed},
		{"the same twice", []string{update}, []string{update, update}, 1, abi.Failed},
		{"in another order", []string{create, update}, []string{update, create}, 1, abi.Failed},
		{"a refused write, a few times", []string{busy}, repeat(busy, 5), 5, abi.Succeeded},
		{"a refused write, endlessly", []string{busy}, repeat(busy, 50), 9, abi.Failed},
		{"nothing planned", nil, []string{update}, 0, abi.Succeeded}, // only the plan runs
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
			if len(got.URIs()) != c.arrive || res.Outcome != c.outcome || asked != min(1, len(c.planned)) {
				t.Errorf("received %v, asked %d, %s %+v", got.URIs(), asked, res.Outcome, res.Error)
			}
			if c.outcome == abi.Failed && res.Error.Code != "write_refused" || c.outcome == abi.Rejected && (res.Error.Code != "changed_meanwhile" || !res.Error.Retryable) {
				t.Errorf("%+v", res.Error)
			}
		})
	}
}

// A run with a key dies after its write. The next run with the key must only settle the write, and write to no other
// object.
func TestInvoke_HostileModuleThatSettles_WritesOnlyToTheSameObject(t *testing.T) {
	for _, c := range []struct {
		name        string
		first, then string
		arrive      int
		outcome     abi.Outcome
	}{
		{"the same", update, altered, 2, abi.Succeeded},
		{"another object", update, other, 1, abi.Failed},
		{"no object named", create, update, 2, abi.Succeeded},
		{"another id in the body", strings.Replace(create, `"body":{`, `"body":{"id":"a",`, 1), strings.Replace(create, `"body":{`, `"body":{"id":"b",`, 1), 1, abi.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := hosttest.NewClock(planTime)
			conn, got := hostile(t, func(_ *host.Config, o *host.ConnectOptions) {
				o.Journal, o.Now = hosttest.Killed(hosttest.Journal(t, journal.Options{})), now.Now
			})
			input := harm([]string{c.first}, []string{c.then})
			key := host.InvokeOptions{IdempotencyKey: "k"}
			if res, _ := conn.Invoke(context.Background(), "write", input, key); res.Outcome != abi.Succeeded || len(got.URIs()) != 1 {
				t.Fatalf("%v %s %+v", got.URIs(), res.Outcome, res.Error)
			}
			now.Set(planTime.Add(time.Hour))
			res, _ := conn.Invoke(context.Background(), "write", input, key)
			if len(got.URIs()) != c.arrive || res.Outcome != c.outcome || c.outcome == abi.Failed && res.Error.Code != "write_refused" {
				t.Errorf("received %v, %s %+v", got.URIs(), res.Outcome, res.Error)
			}
		})
	}
}

func TestInvoke_HostileModuleBeforeApproval_WritesNothing(t *testing.T) {
	for name, approver := range map[string]host.Approver{"none": nil, "refused": host.ApproverFunc(func(context.Context, host.ApprovalRequest) (string, error) {
		return "grace", errors.New("no")
	})} {
		conn, got := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
			cfg.Approve, o.Approver = []abi.Class{abi.Write}, approver
		})
		if res, _ := conn.Invoke(context.Background(), "write", harm([]string{create}, []string{create})); res.Outcome != abi.Denied || len(got.URIs()) != 0 {
			t.Errorf("%s: %v %+v", name, got.URIs(), res)
		}
	}
}

// The approver sees a sensitive value masked, but the host compares the real value. The module can replace it neither
// by the mask nor by another sensitive value.
func TestInvoke_HostileModule_CannotWriteTheMask(t *testing.T) {
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
		if len(got.URIs()) != 0 || res.Outcome != abi.Rejected {
			t.Errorf("%s: %v %+v", password, got.Requests(), res)
		}
		if !strings.Contains(shown, `"body":{"password":"***"}`) || strings.Contains(shown, `"password":["battery`) {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestInvoke_HostileModule_StaysUnderTheCeiling(t *testing.T) {
	conn, got := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.MaxWritesPerMinute, o.Journal = 2, hosttest.Journal(t, journal.Options{})
	})
	res, _ := conn.Invoke(context.Background(), "write", harm([]string{create, update, other, update, create}, nil))
	if len(got.URIs()) != 2 || res.Outcome != abi.Throttled || res.Error.Code != "ceiling" || res.Error.RetryAfterMS < 1 || !res.Meta.Partial {
		t.Errorf("%v %+v %+v", got.URIs(), res, res.Error)
	}
	if res, _ = conn.Invoke(context.Background(), "write", harm([]string{create}, nil)); len(got.URIs()) != 2 || res.Outcome != abi.Throttled || res.Meta.Partial {
		t.Errorf("%v %+v %+v", got.URIs(), res, res.Error)
	}
}

// A write that the journal cannot record must not be sent.
func TestInvoke_WithAFullJournal_WritesNothing(t *testing.T) {
	for name, use := range map[string]func(*host.Config, *host.InvokeOptions){
		"key":     func(_ *host.Config, o *host.InvokeOptions) { o.IdempotencyKey = "k" },
		"ceiling": func(cfg *host.Config, _ *host.InvokeOptions) { cfg.MaxWritesPerMinute = 5 },
	} {
		var o host.InvokeOptions
		conn, got := hostile(t, func(cfg *host.Config, opts *host.ConnectOptions) {
			opts.Journal = fullDisk{hosttest.Journal(t, journal.Options{})}
			use(cfg, &o)
		})
		res, _ := conn.Invoke(context.Background(), "write", harm([]string{create}, nil), o)
		if len(got.URIs()) != 0 || res.Outcome != abi.Failed || res.Error.Code != "journal" || !strings.Contains(res.Error.Message, "was not sent, because ") || !strings.HasSuffix(res.Error.Message, ": no space left on device") {
			t.Errorf("%s: %v %+v %+v", name, got.URIs(), res, res.Error)
		}
	}
}

// fullDisk is a journal whose disk is full.
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

// The approver sees the structure below a sensitive path, and which values there are not the caller's.
func TestApproval_OfAnotherValueAtASensitivePath_IsMarked(t *testing.T) {
	for body, want := range map[string]string{
		`{"password":"hunter22"}`:                                               `{"password":"***"}`,
		`{"password":"mallory-knows"}`:                                          `{"password":"*** (not from the input)"}`,
		`{"x":{"password":{"groupIds":["00gAdmins"]}}}`:                         `{"x":{"password":{"groupIds":["*** (not from the input)"]}}}`,
		`{"password":["hunter22",{"more":true}]}`:                               `{"password":["***",{"more":"*** (not from the input)"}]}`,
		`{"password":"hunter22","title":"is hunter22 at evil.example"}`:         `{"password":"***","title":"is hunter22 at evil.example"}`,
		`{"password":"mallory-knows","title":"is hunter22 at evil.example"}`:    `{"password":"*** (not from the input)","title":"is *** at evil.example"}`,
		`{"Password":"mallory-knows","password":null,"pass":{"word":"hunter"}}`: `{"Password":"mallory-knows","password":"*** (not from the input)","pass":{"word":"hunter"}}`,
	} {
		var shown []string
		conn, _ := hostile(t, func(cfg *host.Config, o *host.ConnectOptions) {
			cfg.Approve = []abi.Class{abi.Write}
			o.Approver = host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
				shown = append(shown, string(r.Plan.Writes[0].Body))
				return "", errors.New("no")
			})
		})
		request := `{"endpoint":"PUT /api/v1/users/{id}","path":{"id":"00u1"},"body":` + body + `}`
		input := strings.Replace(string(harm([]string{request}, nil)), "{", `{"password":"hunter22",`, 1)
		res, _ := conn.Invoke(context.Background(), "write", json.RawMessage(input))
		if res.Outcome != abi.Denied || len(shown) != 1 || shown[0] != want || string(res.Plan.Writes[0].Body) != want {
			t.Errorf("%s: %s, the approver saw %q, want %s", body, res.Outcome, shown, want)
		}
	}
}
