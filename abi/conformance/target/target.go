// Package target defines the interfaces of a host under attack.
package target

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Host is a host under attack. Its methods must be safe for concurrent use.
type Host interface {
	// Load loads a module, or refuses it with an error that says why.
	Load(ctx context.Context, wasm []byte) (Module, error)
}

// Module is a loaded module. It is closed after its sessions.
type Module interface {
	Connect(ctx context.Context, c Connection) (Session, error)
	Close(ctx context.Context) error
}

// Session is a module with a connection. Invoke, Source and Table run an operation as in section 5 of the ABI. Their
// results describe the call, whatever its outcome. An error means that the session itself failed, for example because
// the host ended.
type Session interface {
	Invoke(ctx context.Context, operation string, input json.RawMessage) (*abi.Result, error)
	Source(ctx context.Context, operation string, config, checkpoint json.RawMessage) (*Page, error)
	Table(ctx context.Context, operation string, input json.RawMessage) (*Page, error)
	Close(ctx context.Context) error
}

// Page is one page of a source, or all rows of a table.
type Page struct {
	Outcome abi.Outcome       `json:"outcome"`
	Code    string            `json:"code,omitempty"` // code of the error
	Records []json.RawMessage `json:"records,omitempty"`
}

// Connection configures a connection. A zero limit means the host's default.
type Connection struct {
	BaseURL             string
	Token               string
	Grants              []abi.Class
	AllowPrivateNetwork bool
	RootCAs             []byte // PEM; nil means the system's
	// Resolve replaces the system's resolver. For each name it has the addresses of the first lookup, the second, and
	// so on; the last entry answers all later lookups. A missing name does not exist. Two attacks use public
	// addresses: a host under attack should dial only loopback, if it can.
	Resolve map[string][][]string
	Limits  Limits
	Log     io.Writer // receives the host's log; safe for concurrent use
}

// Limits are the limits of section 5 of the ABI.
type Limits struct {
	CallTimeout time.Duration
	Requests    int
	BodyBytes   int64
	HeldBytes   int64
	ResultBytes int64
	Records     int
	MemoryBytes int64
	Concurrency int
	LogBytes    int
}
