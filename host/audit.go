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
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/redact"
)

// The audit's types by the names that this package had for them. Package audit has the types and reads audits back.
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

// deed is what the audit wants to know of an invoke besides its result.
type deed struct {
	run      string             // tells it apart from every other
	targets  []abi.SettleTarget // of the writes that were sent, masked
	before   json.RawMessage    // the last object that was read before the first write
	withheld bool               // the module refused the write that targets and before are of, so that none was sent
	account  *audit.Account
	approval *audit.Approval
}

func newDeed() *deed {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return &deed{run: hex.EncodeToString(b[:])}
}

// record is what both records of an invoke have in common.
func (c *Connection) record(op *abi.Operation, inv *invocation) AuditRecord {
	m, d := c.module, inv.deed
	r := AuditRecord{Time: c.opts.Now().UTC(), Run: d.run, Connection: c.config.Name, BaseURL: c.base.String(), Process: audit.Self(), Account: d.account,
		Module: &audit.ModuleInfo{Kind: m.manifest.Kind, Version: m.manifest.Version, SHA256: m.SHA256()}, Key: inv.options.IdempotencyKey,
		Targets: d.targets, Approval: d.approval}
	if op != nil && json.Valid(inv.input) {
		r.Input = redact.Input(op, inv.input)
	}
	if op != nil && len(d.before) > 0 {
		r.Before = c.state(op, inv.input, d.before)
	}
	return r
}

// state is an object as a record keeps it: without what the input's schema or the operation's endpoints call sensitive.
func (c *Connection) state(op *abi.Operation, input, object json.RawMessage) *audit.State {
	object = redact.Of(op, input).JSON(object)
	var members []string
	for _, e := range op.Endpoints {
		members = append(members, e.Sensitive...)
	}
	return audit.NewState(redact.AtPaths(members).JSON(object))
}

// audit keeps a record of an invoke. A record that cannot be kept does not undo the invoke: the log says so.
func (c *Connection) audit(ctx context.Context, inv *invocation, res *abi.Result) {
	d := inv.deed
	if c.opts.Auditor == nil {
		return
	}
	var op *abi.Operation
	if found, err := c.module.operation(res.Operation); err == nil {
		op = found.Operation
	}
	if res.Plan != nil && len(res.Plan.Writes) > 0 { // nothing was sent
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
		r.After = c.state(op, inv.input, res.Output)
	}
	if err := c.opts.Auditor.Audit(context.WithoutCancel(ctx), r); err != nil {
		c.log.Error("an invoke is not in the audit", "operation", res.Operation, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "this invoke is not in the audit: "+err.Error())
	}
}

// intend returns what records an invoke's first write in the audit before it is sent, and notes the target of each.
func (c *Connection) intend(inv *invocation, run *call) func(context.Context, abi.PlannedWrite) error {
	if c.opts.Auditor == nil {
		return nil
	}
	values := redact.Of(run.op.Operation, inv.input)
	noted := false
	return func(ctx context.Context, w abi.PlannedWrite) error {
		d := inv.deed
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

// account returns whose credential the connection has. It never fails and is safe for concurrent use.
func (c *Connection) account(ctx context.Context) *audit.Account {
	return c.owner.Read(ctx, account.Source{Spec: c.module.manifest.Account, Secret: c.config.TokenSecretRef, Credential: c.credential,
		Exchange: func(ctx context.Context, endpoint abi.Endpoint, req abi.Request) (*egress.Response, *abi.SendError) {
			return (&call{conn: c}).exchange(ctx, endpoint, req, true)
		}})
}

// withheld notes for the audit what a write was for that the module refused to send, and what is there.
func (c *call) withheld(ctx context.Context, t *abi.SettleTarget, values redact.Values) {
	if t == nil || c.writes.deed == nil || len(c.writes.deed.targets) > 0 || len(c.writes.gate.Held) > 0 || c.wrote() {
		return
	}
	for _, e := range c.op.Endpoints {
		if e.Endpoint != t.Endpoint || e.Method() == http.MethodGet {
			continue
		}
		c.writes.gate.States.About(e, &abi.Request{Path: t.Path})
		c.writes.deed.before, _ = c.writes.gate.States.Now(ctx)
		shown := abi.SettleTarget{Endpoint: t.Endpoint, Path: map[string]string{}}
		for segment := range strings.SplitSeq(e.Template(), "/") {
			if name, blank := abi.Blank(segment); blank {
				shown.Path[name] = values.Text(t.Path[name])
			}
		}
		c.writes.deed.targets, c.writes.deed.withheld = []abi.SettleTarget{shown}, true
		return
	}
}

// errAudit is a write that the audit could not note.
type errAudit struct{ why error }

func (e errAudit) Error() string {
	return "the audit could not note the write, so that it was not sent: " + e.why.Error()
}
func (e errAudit) Unwrap() error { return e.why }
