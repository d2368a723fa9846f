package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// AuditRecord is what an audit keeps of one invoke, refused ones and plans included. No secret and no sensitive value
// of the input is in it, and nothing of the output.
type AuditRecord struct {
	Time       time.Time         `json:"time"` // when the invoke ended, UTC
	Connection string            `json:"connection"`
	Operation  string            `json:"operation"`
	Class      abi.Class         `json:"class,omitempty"`
	Input      json.RawMessage   `json:"input,omitempty"` // sensitive fields as "***"; absent when it is no JSON
	Plan       bool              `json:"plan,omitempty"`
	Phase      AuditPhase        `json:"phase,omitempty"`
	Outcome    abi.Outcome       `json:"outcome,omitempty"`
	Error      *abi.Error        `json:"error,omitempty"`
	Reconciled bool              `json:"reconciled,omitempty"`
	Partial    bool              `json:"partial,omitempty"` // of two writes, the first took effect
	ApprovedBy string            `json:"approved_by,omitempty"`
	Key        string            `json:"idempotency_key,omitempty"`
	Replayed   bool              `json:"replayed,omitempty"` // answered from the journal: nothing was sent
	DurationMS float64           `json:"duration_ms"`
	Requests   []abi.RequestMeta `json:"requests"`
}

// AuditPhase tells the two records of an invoke that writes apart.
type AuditPhase string

// AuditWriting is the record before an invoke's first write leaves, without an outcome. One that has no other after it is
// a run that was killed. The record at the end has no phase.
const AuditWriting AuditPhase = "writing"

// Auditor keeps audit records: one before the first write of an invoke leaves, which does not leave where that fails, and
// one at its end. It must be safe for concurrent use.
type Auditor interface {
	Audit(ctx context.Context, r AuditRecord) error
}

// AuditFile appends audit records to a file, a JSON line each. Lines of several processes do not mix, since each is one
// write to a file that is open for appending.
type AuditFile struct {
	mu sync.Mutex
	f  *os.File
}

// OpenAuditFile opens a file for appending, and makes it, readable for its owner alone, where it is not there.
func OpenAuditFile(path string) (*AuditFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return &AuditFile{f: f}, nil
}

// torn reports whether the file ends in the middle of a line: the disk was full.
func (a *AuditFile) torn() bool {
	end, err := a.f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 { // a pipe or a device has no end
		return false
	}
	var last [1]byte
	_, err = a.f.ReadAt(last[:], end-1)
	return err == nil && last[0] != '\n'
}

// Audit implements Auditor.
func (a *AuditFile) Audit(_ context.Context, r AuditRecord) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.torn() {
		line = append([]byte{'\n'}, line...)
	}
	if _, err = a.f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Close closes the file.
func (a *AuditFile) Close() error { return a.f.Close() }

// AuditLog hands audit records to a slog.Handler, as records of level Info with the message "audit".
type AuditLog struct{ Handler slog.Handler }

// Audit implements Auditor.
func (a AuditLog) Audit(ctx context.Context, r AuditRecord) error {
	line := slog.NewRecord(r.Time, slog.LevelInfo, "audit", 0)
	line.AddAttrs(slog.String("connection", r.Connection), slog.String("operation", r.Operation), slog.String("class", string(r.Class)),
		slog.String("input", string(r.Input)), slog.Bool("plan", r.Plan), slog.String("phase", string(r.Phase)), slog.String("outcome", string(r.Outcome)),
		slog.Bool("reconciled", r.Reconciled), slog.Bool("partial", r.Partial), slog.String("approved_by", r.ApprovedBy), slog.String("idempotency_key", r.Key),
		slog.Bool("replayed", r.Replayed), slog.Float64("duration_ms", r.DurationMS), slog.Any("requests", r.Requests))
	if r.Error != nil {
		line.AddAttrs(slog.String("code", r.Error.Code), slog.String("message", r.Error.Message))
	}
	return a.Handler.Handle(ctx, line)
}

// audit keeps a record of an invoke. One that cannot be kept does not undo the invoke: the log says so.
func (c *Connection) audit(ctx context.Context, input json.RawMessage, o InvokeOptions, res *abi.Result) {
	if c.opts.Auditor == nil {
		return
	}
	r := AuditRecord{Time: c.opts.Now().UTC(), Connection: c.config.Name, Operation: res.Operation, Class: res.Meta.Class, Plan: o.Plan,
		Outcome: res.Outcome, Error: res.Error, Reconciled: res.Meta.Reconciled, Partial: res.Meta.Partial, ApprovedBy: res.Meta.ApprovedBy,
		Key: o.IdempotencyKey, Replayed: res.Meta.Replayed, DurationMS: res.Meta.DurationMS, Requests: res.Meta.Requests}
	if op, err := c.module.operation(res.Operation); err == nil && json.Valid(input) {
		r.Input = maskInput(op.Operation, input)
	}
	if err := c.opts.Auditor.Audit(context.WithoutCancel(ctx), r); err != nil {
		c.log.Error("an invoke is not in the audit", "operation", res.Operation, "outcome", string(res.Outcome), "error", err.Error())
		res.Meta.Warnings = append(res.Meta.Warnings, "this invoke is not in the audit: "+err.Error())
	}
}

// intend has an invoke's first write noted in the audit before it leaves.
func (c *Connection) intend(ctx context.Context, run *call, input json.RawMessage, o InvokeOptions) func(abi.PlannedWrite) error {
	if c.opts.Auditor == nil {
		return nil
	}
	noted := false
	return func(w abi.PlannedWrite) error {
		if noted {
			return nil
		}
		err := c.opts.Auditor.Audit(ctx, AuditRecord{Time: c.opts.Now().UTC(), Connection: c.config.Name, Operation: run.op.Name, Class: run.class,
			Input: maskInput(run.op.Operation, input), Phase: AuditWriting, ApprovedBy: run.approver, Key: o.IdempotencyKey,
			Requests: []abi.RequestMeta{{Endpoint: w.Endpoint}}})
		if err != nil {
			return errAudit{err}
		}
		noted = true
		return nil
	}
}

// errAudit is a write that the audit could not note.
type errAudit struct{ why error }

func (e errAudit) Error() string {
	return "the audit could not note the write, so that it was not sent: " + e.why.Error()
}
func (e errAudit) Unwrap() error { return e.why }
