// Package audit writes and reads records of invokes: who ran which operation against which org and object, and the
// outcome.
//
// A file of records is a chain: each line has the hash of the line before it. So a changed or removed line is noticed.
// See Chain for what that proves.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Record describes one invoke, including refused ones and plans. It contains no secret and no value that the input's schema or
// the manifest marks as sensitive.
type Record struct {
	Time       time.Time   `json:"time"`          // when the invoke ended, UTC; with phase writing, when its first write was about to be sent
	Run        string      `json:"run,omitempty"` // the same in both records of an invoke, and in no other
	Connection string      `json:"connection"`
	BaseURL    string      `json:"base_url,omitempty"` // address of the org
	Process    *Process    `json:"process,omitempty"`
	Account    *Account    `json:"account,omitempty"` // for runs that write
	Module     *ModuleInfo `json:"module,omitempty"`

	Operation  string          `json:"operation"`
	Class      abi.Class       `json:"class,omitempty"`
	Input      json.RawMessage `json:"input,omitempty"` // sensitive fields are "***"; absent if the input is not JSON
	Plan       bool            `json:"plan,omitempty"`
	Phase      Phase           `json:"phase,omitempty"`
	Outcome    abi.Outcome     `json:"outcome,omitempty"`
	Error      *abi.Error      `json:"error,omitempty"`
	Reconciled bool            `json:"reconciled,omitempty"`
	Partial    bool            `json:"partial,omitempty"` // only the first of two writes took effect
	ApprovedBy string          `json:"approved_by,omitempty"`
	Key        string          `json:"idempotency_key,omitempty"`
	Replayed   bool            `json:"replayed,omitempty"` // answered from the journal: nothing was sent

	// Targets are the objects of the writes. For a plan, and for a write that the module refused to send, they are the objects
	// that would be written.
	Targets  []abi.SettleTarget `json:"targets,omitempty"`
	Before   *State             `json:"before,omitempty"` // the object that was read last before the first write
	After    *State             `json:"after,omitempty"`  // the output of a run that wrote
	Approval *Approval          `json:"approval,omitempty"`

	DurationMS float64           `json:"duration_ms"`
	Requests   []abi.RequestMeta `json:"requests"`
}

// Phase distinguishes the two records of an invoke that writes.
type Phase string

// Writing is the phase of the record before an invoke's first write is sent. It has no outcome. If no final record
// follows, the process was killed, or still runs. The final record has no phase.
const Writing Phase = "writing"

// Process is the operating system's process and user that ran an invoke.
type Process struct {
	User string `json:"user,omitempty"` // the user's name; empty if the system has none
	UID  string `json:"uid"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// Account is the service's account whose credential was used.
type Account struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Secret string `json:"secret_ref,omitempty"` // reference to the credential, such as env:NAME; of a command, only its program
	Absent string `json:"absent,omitempty"`     // why id and name are not known
}

// ModuleInfo is the module that ran.
type ModuleInfo struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// Approval is the plan that an approver saw, and who approved it.
type Approval struct {
	By         string `json:"by,omitempty"` // empty if it was not approved
	PlanSHA256 string `json:"plan_sha256"`  // hash of the plan's JSON as the approver got it
	Plan       *State `json:"plan"`
}

// Auditor stores audit records: one before the first write of an invoke is sent, and one when the invoke ends. If the first
// fails, the write is not sent. It must be safe for concurrent use.
type Auditor interface {
	Audit(ctx context.Context, r Record) error
}

// Log passes audit records to a slog.Handler, as records of level Info with the message "audit".
type Log struct{ Handler slog.Handler }

// Audit implements Auditor.
func (a Log) Audit(ctx context.Context, r Record) error {
	line := slog.NewRecord(r.Time, slog.LevelInfo, "audit", 0)
	line.AddAttrs(slog.String("connection", r.Connection), slog.String("operation", r.Operation), slog.String("class", string(r.Class)),
		slog.String("input", string(r.Input)), slog.Bool("plan", r.Plan), slog.String("phase", string(r.Phase)), slog.String("outcome", string(r.Outcome)),
		slog.Bool("reconciled", r.Reconciled), slog.Bool("partial", r.Partial), slog.String("approved_by", r.ApprovedBy), slog.String("idempotency_key", r.Key),
		slog.Bool("replayed", r.Replayed), slog.Float64("duration_ms", r.DurationMS), slog.Any("requests", r.Requests),
		slog.String("run", r.Run), slog.String("base_url", r.BaseURL))
	for name, v := range map[string]any{"process": r.Process, "account": r.Account, "module": r.Module, "before": r.Before, "after": r.After, "approval": r.Approval} {
		if text, err := json.Marshal(v); err == nil && string(text) != "null" {
			line.AddAttrs(slog.Any(name, v))
		}
	}
	if len(r.Targets) > 0 {
		line.AddAttrs(slog.Any("targets", r.Targets))
	}
	if r.Error != nil {
		line.AddAttrs(slog.String("code", r.Error.Code), slog.String("message", r.Error.Message))
	}
	return a.Handler.Handle(ctx, line)
}

// NewApproval returns the approval of a plan. by is the person who approved it, or "" if it was not approved.
func NewApproval(plan *abi.Plan, by string) *Approval {
	text, err := json.Marshal(plan)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(text)
	return &Approval{By: by, PlanSHA256: hex.EncodeToString(sum[:]), Plan: NewState(text)}
}
