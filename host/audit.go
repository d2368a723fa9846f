package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/account"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/redact"
)

// Older names of the types of package audit.
type (
	AuditRecord = audit.Record
	AuditPhase  = audit.Phase
	Auditor     = audit.Auditor
	AuditFile   = audit.File
	AuditLog    = audit.Log
)

// AuditWriting is audit.Writing.
const AuditWriting = audit.Writing

// OpenAuditFile is audit.Open.
func OpenAuditFile(path string) (*AuditFile, error) { return audit.Open(path) }

// auditEntry collects what an invoke's audit record needs in addition to its result.
type auditEntry struct {
	run      string             // identifies the run; unique
	targets  []abi.SettleTarget // what the writes that were sent are for, masked
	before   json.RawMessage    // the last object read before the first write
	withheld bool               // the module refused to send the write that targets and before describe
	account  *audit.Account
	approval *audit.Approval
}

func newAuditEntry() *auditEntry {
	var b [8]byte
	_, _ = rand.Read(b[:]) // cannot fail
	return &auditEntry{run: hex.EncodeToString(b[:])}
}

// record returns the fields that both audit records of an invoke share.
func (c *Connection) record(op *abi.Operation, inv *invocation) AuditRecord {
	m, d := c.module, inv.entry
	r := AuditRecord{Time: c.opts.Now().UTC(), Run: d.run, Connection: c.config.Name, BaseURL: c.base.String(), Process: audit.Self(), Account: d.account,
		Module: &audit.ModuleInfo{Kind: m.manifest.Kind, Version: m.manifest.Version, SHA256: m.SHA256()}, Key: inv.options.IdempotencyKey,
		Targets: d.targets, Approval: d.approval}
	if op != nil && json.Valid(inv.input) {
		r.Input = redact.Input(op, inv.input)
	}
	if op != nil && len(d.before) > 0 {
		r.Before = audit.Masked(m.memory, op, inv.input, d.before)
	}
	return r
}

// audit records an invoke. If that fails, the invoke still counts, and the log reports it.
func (c *Connection) audit(ctx context.Context, inv *invocation, res *abi.Result) {
	d := inv.entry
	if c.opts.Auditor == nil {
		return
	}
	var op *abi.Operation
	if found, err := c.module.operation(res.Operation); err == nil {
		op = found.Operation
	}
	if res.Plan != nil && len(res.Plan.Writes) > 0 { // no write was sent
		d.targets, d.before = gate.TargetsOf(res.Plan.Writes), res.Plan.State
	}
	r := c.record(op, inv)
	r.Operation, r.Class, r.Plan, r.Outcome, r.Error = res.Operation, res.Meta.Class, inv.options.Plan, res.Outcome, res.Error
	r.Reconciled, r.Partial, r.ApprovedBy, r.Replayed = res.Meta.Reconciled, res.Meta.Partial, res.Meta.ApprovedBy, res.Meta.Replayed
	r.DurationMS, r.Requests = res.Meta.DurationMS, res.Meta.Requests
	switch {
	case op == nil || len(d.targets) == 0 || res.Plan != nil || d.withheld:
	case res.Meta.Sensitive:
		r.After = &audit.State{Absent: "the output holds a credential"}
	default:
		r.After = audit.Masked(c.module.memory, op, inv.input, res.Output)
	}
	if err := c.opts.Auditor.Audit(context.WithoutCancel(ctx), r); err != nil {
		c.log.Error("the audit record could not be written", "operation", res.Operation, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "the audit record of this invoke could not be written: "+err.Error())
	}
}

// auditWrites returns a function to call before each write is sent. It records the invoke's first write in the audit
// and notes the target of each.
func (c *Connection) auditWrites(inv *invocation, run *call) func(context.Context, abi.PlannedWrite) error {
	if c.opts.Auditor == nil {
		return nil
	}
	values := redact.Of(run.op.Operation, inv.input)
	noted := false
	return func(ctx context.Context, w abi.PlannedWrite) error {
		d := inv.entry
		d.targets = gate.WithTargets(d.targets, gate.TargetsOf(values.Writes([]abi.PlannedWrite{w})))
		if noted {
			return nil
		}
		d.account = c.account(ctx)
		r := c.record(run.op.Operation, inv)
		r.Operation, r.Class, r.Phase, r.ApprovedBy = run.op.Name, run.class, AuditWriting, run.writes.approver
		r.Requests = []abi.RequestMeta{{Endpoint: w.Endpoint}}
		if err := c.opts.Auditor.Audit(ctx, r); err != nil {
			return errAudit{err}
		}
		noted = true
		return nil
	}
}

// account returns the account that the connection's credential belongs to. It never fails and is safe for concurrent
// use.
func (c *Connection) account(ctx context.Context) *audit.Account {
	return c.owner.Read(ctx, account.Source{Spec: c.module.manifest.Account, Secret: c.config.TokenSecretRef + c.config.OAuth.PrivateKeyRef, Client: c.config.OAuth.ClientID,
		Credential: c.credential, Exchange: func(ctx context.Context, endpoint abi.Endpoint, req abi.Request) (*egress.Response, *abi.SendError) {
			return (&call{conn: c, use: credential.Use{Auth: c.auth, Source: c.credential}}).exchange(ctx, endpoint, req, true)
		}})
}

// withheld notes the target of a write that the module refused to send, and the target's current state, for the
// audit.
func (c *call) withheld(ctx context.Context, t *abi.SettleTarget, values redact.Values) {
	if t == nil || c.writes.entry == nil || len(c.writes.entry.targets) > 0 || len(c.writes.gate.Planned) > 0 || c.wrote() {
		return
	}
	for _, e := range c.op.Endpoints {
		if e.Endpoint != t.Endpoint || e.Method() == http.MethodGet {
			continue
		}
		c.writes.gate.States.About(e, &abi.Request{Path: t.Path})
		c.writes.entry.before, _ = c.writes.gate.States.Now(ctx)
		shown := abi.SettleTarget{Endpoint: t.Endpoint, Path: map[string]string{}}
		for segment := range strings.SplitSeq(e.Template(), "/") {
			if name, blank := abi.Blank(segment); blank {
				shown.Path[name] = values.Text(t.Path[name])
			}
		}
		c.writes.entry.targets, c.writes.entry.withheld = []abi.SettleTarget{shown}, true
		return
	}
}

// errAudit is the error for a write that was not sent because the audit could not record it.
type errAudit struct{ why error }

func (e errAudit) Error() string {
	return "the write was not sent, because its audit record could not be written: " + e.why.Error()
}
func (e errAudit) Unwrap() error { return e.why }
