package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
)

func TestAudit_EveryInvoke_HasARecord(t *testing.T) {
	const (
		secret = "Correct horse battery staple 9"
		create = `{"profile":{"login":"nils@example.com","email":"nils@example.com","firstName":"Nils","lastName":"Aall"},"credentials":{"password":{"value":"` + secret + `"}}}`
	)
	ctx := context.Background()
	audit := &hosttest.Audit{}
	approver := host.ApproverFunc(func(_ context.Context, r host.ApprovalRequest) (string, error) {
		if r.Class == abi.Privileged {
			return "", errors.New("not at night")
		}
		return "grace", nil
	})
	c, org := actor(t, func(cfg *host.Config, o *host.ConnectOptions) {
		cfg.Grants, cfg.Approve = []abi.Class{abi.Read, abi.Write, abi.Privileged}, []abi.Class{abi.Write, abi.Privileged}
		o.Auditor, o.Journal, o.Approver = audit, hosttest.Journal(t, journal.Options{}), approver
	})
	for _, i := range []struct {
		op, input string
		opts      host.InvokeOptions
		fault     oktatest.Fault
		want      abi.Outcome
		check     func(host.AuditRecord) bool
	}{
		{"create_user", create, host.InvokeOptions{Plan: true}, oktatest.Fault{}, abi.Planned,
			func(r host.AuditRecord) bool { return r.Plan && r.ApprovedBy == "" }},
		{"create_user", create, host.InvokeOptions{IdempotencyKey: "k"}, oktatest.Fault{}, abi.Succeeded, func(r host.AuditRecord) bool {
			last := r.Requests[len(r.Requests)-1]
			return r.ApprovedBy == "grace" && r.Key == "k" && last.Status == 200 && last.RequestID != "" && r.Class == abi.Write && !r.Plan
		}},
		{"create_user", create, host.InvokeOptions{IdempotencyKey: "k"}, oktatest.Fault{}, abi.Succeeded, func(r host.AuditRecord) bool { return r.Replayed }},
		{"create_user", strings.Replace(create, "credentials", "credential", 1), host.InvokeOptions{}, oktatest.Fault{}, abi.Invalid,
			func(r host.AuditRecord) bool {
				return strings.Contains(string(r.Input), `"credential":{"password":{"value":"***"}}`)
			}},
		{"create_user", `{"credentials":{},"credentials":"` + secret + `"}`, host.InvokeOptions{}, oktatest.Fault{}, abi.Invalid, nil},
		{"create_user", `["` + secret + `"]`, host.InvokeOptions{}, oktatest.Fault{}, abi.Invalid, nil},
		{"create_user", `{"` + secret, host.InvokeOptions{}, oktatest.Fault{}, abi.Invalid, func(r host.AuditRecord) bool { return r.Input == nil }},
		{"no_such_operation", create, host.InvokeOptions{}, oktatest.Fault{}, abi.Invalid, func(r host.AuditRecord) bool { return r.Input == nil }},
		{"update_user", `{"user":"ada.lovelace@example.com","credentials":{"password":{"value":"` + secret + `"}}}`, host.InvokeOptions{}, oktatest.Fault{},
			abi.Denied, func(r host.AuditRecord) bool { return r.Error.Code == "not_approved" }},
		{"deactivate_user", `{"user":"ada.lovelace@example.com"}`, host.InvokeOptions{}, oktatest.Fault{}, abi.Denied,
			func(r host.AuditRecord) bool {
				return r.Error.Code == "class_not_granted" && r.Class == abi.Destructive && len(r.Requests) == 0
			}},
		{"create_group", `{"name":"Engineering"}`, host.InvokeOptions{}, oktatest.Fault{}, abi.Rejected, nil},
		{"update_user", `{"user":"nobody@example.com","profile":{"title":"x"}}`, host.InvokeOptions{}, oktatest.Fault{}, abi.NotFound, nil},
		{"add_group_member", `{"group":"Équipe Ventes","user":"ada.lovelace@example.com"}`, host.InvokeOptions{},
			oktatest.Fault{Kind: oktatest.ResetAfter, Method: "PUT", Times: 1}, abi.Succeeded, func(r host.AuditRecord) bool { return r.Reconciled }},
		{"reactivate_user", `{"user":"kofi.lindqvist4@example.com"}`, host.InvokeOptions{}, oktatest.Fault{Kind: oktatest.ResetAfter, Method: "POST", Times: 1},
			abi.Succeeded, nil},
		{"lookup_user", `{"user":"ada.lovelace@example.com"}`, host.InvokeOptions{}, oktatest.Fault{}, abi.Succeeded,
			func(r host.AuditRecord) bool { return r.ApprovedBy == "" && r.Class == abi.Read }},
	} {
		if i.fault.Kind != 0 {
			org.Org.Inject(i.fault)
		}
		n, before := len(audit.All), len(audit.Writing)
		writes := org.Org.Writes()
		res, _ := c.Invoke(ctx, i.op, json.RawMessage(i.input), i.opts)
		if len(audit.All) != n+1 {
			t.Fatalf("%s: %d records", i.op, len(audit.All)-n)
		}
		r := audit.All[n]
		if wrote := org.Org.Writes() > writes; wrote != (len(audit.Writing) == before+1) {
			t.Errorf("%s: wrote %v, and %d records before", i.op, wrote, len(audit.Writing)-before)
		} else if wrote {
			w := audit.Writing[before]
			text, err := json.Marshal(w)
			if err != nil || w.Operation != i.op || w.Outcome != "" || w.Key != r.Key || w.ApprovedBy != r.ApprovedBy || len(w.Requests) != 1 ||
				strings.Contains(string(text), "Correct horse") || strings.Contains(string(text), "outcome") {
				t.Errorf("before the write: %s", text)
			}
		}
		text, err := json.Marshal(r)
		if err != nil || res.Outcome != i.want || r.Outcome != i.want || r.Operation != i.op || r.Connection != "actor" || r.Time.IsZero() ||
			i.check != nil && !i.check(r) {
			t.Errorf("%s %s: %s %+v\n%s", i.op, i.input, res.Outcome, res.Error, text)
		}
		if strings.Contains(string(text), "Correct horse") {
			t.Errorf("%s: a password is in the audit: %s", i.op, text)
		}
	}
}

// TestInvoke_OktaQuotesASecret_MasksIt makes Okta refuse a password and quote it.
func TestInvoke_OktaQuotesASecret_MasksIt(t *testing.T) {
	audit := &hosttest.Audit{}
	c := connectTo(t, refusing(t, `{"errorCode":"E0000080","errorSummary":"no: hunter22 is too weak","errorCauses":[{"errorSummary":"password: hunter22"}]}`),
		func(_ *host.Config, o *host.ConnectOptions) { o.Auditor = audit })
	res, _ := c.Invoke(context.Background(), "update_user", json.RawMessage(`{"user":"ada.lovelace@example.com","credentials":{"password":{"value":"hunter22"}}}`))
	text, _ := json.Marshal(res)
	line, _ := json.Marshal(audit.All)
	if res.Outcome != abi.Rejected || strings.Contains(string(text)+string(line), "hunter22") || !strings.Contains(res.Error.Message, "*** is too weak") {
		t.Errorf("%s\n%s", text, line)
	}
}

func TestAudit_ToALog_WritesItsLines(t *testing.T) {
	var b bytes.Buffer
	c, _ := actor(t, func(_ *host.Config, o *host.ConnectOptions) {
		o.Auditor = host.AuditLog{Handler: slog.NewJSONHandler(&b, nil)}
	})
	if _, err := c.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`)); err != nil {
		t.Fatal(err)
	}
	if line := b.String(); !strings.Contains(line, `"msg":"audit"`) || !strings.Contains(line, `"operation":"lookup_user"`) || !strings.Contains(line, `"outcome":"succeeded"`) {
		t.Error(line)
	}
}

// TestAudit_Failing_IsAWarning: an invoke that could not be audited has a warning.
func TestAudit_Failing_IsAWarning(t *testing.T) {
	c, _ := actor(t, func(_ *host.Config, o *host.ConnectOptions) { o.Auditor = failing{} })
	res, err := c.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
	if err != nil || len(res.Meta.Warnings) != 1 || !strings.Contains(res.Meta.Warnings[0], "audit record of this invoke could not be written") {
		t.Errorf("%+v %v", res, err)
	}
}

// TestWrite_AuditFails_IsNotSent: a write that cannot be audited is not sent.
func TestWrite_AuditFails_IsNotSent(t *testing.T) {
	c, org := actor(t, func(_ *host.Config, o *host.ConnectOptions) {
		o.Auditor, o.Journal = failing{}, hosttest.Journal(t, journal.Options{})
	})
	key := host.InvokeOptions{IdempotencyKey: "k"}
	res, _ := c.Invoke(context.Background(), "create_group", json.RawMessage(`{"name":"Night Shift"}`), key)
	if res.Outcome != abi.Failed || res.Error.Code != "audit" || org.Org.Writes() != 0 {
		t.Errorf("%s %+v, %d writes", res.Outcome, res.Error, org.Org.Writes())
	}
	if res, _ = c.Invoke(context.Background(), "create_group", json.RawMessage(`{"name":"Engineering"}`), host.InvokeOptions{Plan: true}); res.Outcome == abi.Failed {
		t.Errorf("a plan writes nothing: %+v", res.Error)
	}
}

type failing struct{}

func (failing) Audit(context.Context, host.AuditRecord) error {
	return errors.New("no space left on device")
}
