// Package journal records the actions that were run under idempotency keys, with the times of their writes, in one file.
// Several processes can share the file. It survives the end of any of them at any moment.
//
// An action is recorded before its first write is sent, and its result afterwards. A run that finds an unfinished key
// knows whether a write may have been sent, and when.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// The reasons why a journal refuses a call.
var (
	// ErrOther means that the key was used for another operation or input.
	ErrOther = errors.New("the idempotency key was already used for another operation or input: use a new key for each action")
	// ErrBusy means that another run with the key did not end in time.
	ErrBusy = errors.New("another run with this idempotency key has not ended: try again later")
	// ErrDamaged means that the file is not a journal, or is damaged.
	ErrDamaged = errors.New("the journal is damaged")
)

// DefaultTTL is how long a key is remembered by default.
const DefaultTTL = 7 * 24 * time.Hour

// Journal is what a host needs of a journal. Open returns one that is a file; a platform may implement its own. It must be
// safe for concurrent use. What a method has recorded must survive the end of the process at any moment.
type Journal interface {
	// Claim takes a key exclusively for a run, until the Claim is released. While another run has the key, Claim waits. If
	// ctx ends first, it returns ErrBusy. If the key was used with another fingerprint, it returns ErrOther. Keys of
	// different scopes are different keys.
	Claim(ctx context.Context, scope, key, fingerprint string) (Claim, error)
	// Take counts one write of these kinds in a scope at a time. If that would exceed a ceiling, it counts nothing, and
	// returns how long to wait and the ceiling.
	Take(ctx context.Context, scope string, kinds []string, ceilings []Ceiling, at time.Time) (wait time.Duration, passed Ceiling, err error)
}

// Claim is one run under a key. It is not safe for concurrent use. Release it at the end of every run.
type Claim interface {
	// Previous returns the entry of the last run with the key, if there was one.
	Previous() (Entry, bool)
	// Writing records that a write to a target is about to be sent, at a time by the service's clock. The record is
	// durable when Writing returns. Only the first write of a run is recorded.
	Writing(ctx context.Context, at time.Time, to Target) error
	// Done records the result.
	Done(ctx context.Context, result json.RawMessage) error
	// Forget deletes the key after a run that changed nothing.
	Forget(ctx context.Context) error
	// Release lets other runs claim the key.
	Release()
}

// Phase is the progress of a run.
type Phase string

// The phases.
const (
	Begun   Phase = "begun"   // no write was sent
	Writing Phase = "writing" // a write was sent, or was about to be
	Done    Phase = "done"
)

// Entry is the record of a key.
type Entry struct {
	Phase       Phase           `json:"phase"`
	Fingerprint string          `json:"fingerprint"`
	Begun       time.Time       `json:"begun"`
	Wrote       time.Time       `json:"wrote,omitzero"`  // when the first write of its last run was about to be sent, by the service's clock
	Target      Target          `json:"target,omitzero"` // the target of that write
	Ended       time.Time       `json:"ended,omitzero"`
	Result      json.RawMessage `json:"result,omitempty"` // the result, if the phase is Done
}

// Target is the object of a write, by the id that its name or login had then. It contains no secret.
type Target struct {
	Endpoint string `json:"endpoint"`      // method and path template
	Path     string `json:"path"`          // the template with its blanks filled
	Body     string `json:"body,omitzero"` // the member id of the body, if the path does not name the object
}

// Ceiling limits the writes of a kind within a window.
type Ceiling struct {
	Kind   string // "write" counts every write; a class counts its own
	Most   int    // number of writes
	Window time.Duration
}
