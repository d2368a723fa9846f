// Package journal remembers which actions were run under which idempotency key, and how many writes left when, in one
// file that several processes share and that survives the end of any of them at any moment.
//
// An action is written down before its first write leaves, and its result after. Who finds a key that was begun and not
// ended knows whether a write may have left, and when.
package journal

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// The reasons for which a journal refuses.
var (
	// ErrOther means that the key was used for another operation or input.
	ErrOther = errors.New("the idempotency key was used before, for another operation or input")
	// ErrBusy means that another run with the key did not end in time.
	ErrBusy = errors.New("another run with this idempotency key has not ended")
	// ErrDamaged means that the file is no journal, or no longer one.
	ErrDamaged = errors.New("the journal is damaged")
)

// DefaultTTL is how long a key is remembered.
const DefaultTTL = 7 * 24 * time.Hour

// Journal is what a host needs of one. Open gives the one in a file; a platform may keep its own. It must be safe for
// concurrent use, and what a method has noted must survive the end of the process at any moment.
type Journal interface {
	// Claim takes a key for a run, so that nobody else has it until it is released. It waits for another run with the
	// key until the context ends (ErrBusy). A key that was used with another fingerprint is ErrOther. Keys of different
	// scopes are different keys.
	Claim(ctx context.Context, scope, key, fingerprint string) (Claim, error)
	// Take counts one write of these kinds in a scope, at a time, unless a ceiling would be passed: then it says how
	// long to wait, and which ceiling, and counts nothing.
	Take(ctx context.Context, scope string, kinds []string, ceilings []Ceiling, at time.Time) (wait time.Duration, passed Ceiling, err error)
}

// Claim is one run under a key. It is for one goroutine. Release it in the end, whatever came of it.
type Claim interface {
	// Previous is what an earlier run with the key left, if there was one.
	Previous() (Entry, bool)
	// Writing notes that a write to a target is about to leave, at a time by the service's clock. It is safe when Writing
	// returns. Of the writes of a run, the first is kept.
	Writing(ctx context.Context, at time.Time, to Target) error
	// Done notes the result.
	Done(ctx context.Context, result json.RawMessage) error
	// Forget takes the key back, for a run of which nothing was done.
	Forget(ctx context.Context) error
	// Release lets others have the key.
	Release()
}

// Phase is how far a run got.
type Phase string

// The phases.
const (
	Begun   Phase = "begun"   // no write left
	Writing Phase = "writing" // a write left, or was about to
	Done    Phase = "done"
)

// Entry is what a journal holds of a key.
type Entry struct {
	Phase       Phase           `json:"phase"`
	Fingerprint string          `json:"fingerprint"`
	Begun       time.Time       `json:"begun"`
	Wrote       time.Time       `json:"wrote,omitzero"`  // when its last run's first write was about to leave, by the service's clock
	Target      Target          `json:"target,omitzero"` // of that write
	Ended       time.Time       `json:"ended,omitzero"`
	Result      json.RawMessage `json:"result,omitempty"` // of Done
}

// Target is what a write was for, by the ids that a name or login stood for then. It has no secret.
type Target struct {
	Endpoint string `json:"endpoint"`      // method and path template
	Path     string `json:"path"`          // with the blanks filled
	Body     string `json:"body,omitzero"` // the member id of the body, where the path does not name the object
}

// Ceiling is the most writes of a kind within a window.
type Ceiling struct {
	Kind   string // whose writes count: "write" for all, or a class
	Most   int
	Window time.Duration
}
