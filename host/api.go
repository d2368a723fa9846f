package host

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/secrets"
)

// ErrRefused is wrapped by every reason for which Load does not take a module.
var ErrRefused = errors.New("module refused")

// ErrUnknownOperation is wrapped when a module has no operation of that name.
var ErrUnknownOperation = errors.New("unknown operation")

// ErrConfig is wrapped when a connection's configuration is wrong; the message names the field.
var ErrConfig = errors.New("connection not usable")

// ErrClosed is returned by the methods of a closed Connection or Module.
var ErrClosed = sandbox.ErrClosed

// OutcomeError is the error of a call whose outcome is none of succeeded, unchanged and planned. Test it with errors.As, or its
// outcome with errors.Is(err, host.OutcomeError{Outcome: abi.Denied}).
type OutcomeError struct {
	Operation string
	Outcome   abi.Outcome
	Detail    *abi.Error // never nil in an error that this package returns
}

// Error implements error.
func (e OutcomeError) Error() string {
	if e.Detail == nil {
		return fmt.Sprintf("%s: %s", e.Operation, e.Outcome)
	}
	return fmt.Sprintf("%s: %s: %s", e.Operation, e.Outcome, e.Detail.Message)
}

// Is makes errors.Is compare outcomes alone.
func (e OutcomeError) Is(target error) bool {
	t, ok := target.(OutcomeError)
	return ok && t.Outcome == e.Outcome && (t.Operation == "" || t.Operation == e.Operation)
}

// LoadOptions says how Load treats a module. The zero value is safe.
type LoadOptions struct {
	SHA256   string // the checksum that the module must have, in hex; empty pins nothing
	CacheDir string // for compiled code; empty is KIND-connector/wasm in the user's cache directory
	NoCache  bool   // compile anew, keep nothing
	// Minor0 is a partial manifest for a module of minor version 0 and the same kind: what hosts knew of its service before
	// manifests said it. See abi.ParseManifest.
	Minor0 json.RawMessage
	Memory int64        // most bytes of linear memory that any connection may allow an instance; default 1 GiB
	Logger *slog.Logger // default discards
}

// Config is one connection: what a row of a connection file holds.
type Config struct {
	Name           string `yaml:"name"`
	Kind           string `yaml:"kind"`
	BaseURL        string `yaml:"base_url"`         // the service's origin, such as https://service.example.com
	TokenSecretRef string `yaml:"token_secret_ref"` // env:NAME or file:PATH
	// DefaultPageSize is the number of records a request where the input does not say; default what the
	// endpoint allows.
	DefaultPageSize int `yaml:"default_page_size,omitempty"`
	// InitialLookbackSeconds is how far back a source begins without a checkpoint; default 86,400.
	InitialLookbackSeconds int `yaml:"initial_lookback_seconds,omitempty"`
	// RateLimitShare is the part of each of the service's rate limits that this connection uses at most, over 0 and at most 1;
	// default 0.9, which leaves a tenth to the org's other tools. Connections in several processes that share an org have
	// a share each.
	RateLimitShare float64 `yaml:"rate_limit_share,omitempty"`
	// Grants are the safety classes that this connection may use; empty is read alone. Each class is named: none
	// includes another.
	Grants []abi.Class `yaml:"grants,omitempty"`
	// MaxWritesPerMinute and MaxDestructivePerHour bound the writes of this connection, of all processes that share its
	// journal; 0 is no bound. They need ConnectOptions.Journal.
	MaxWritesPerMinute    int `yaml:"max_writes_per_minute,omitempty"`
	MaxDestructivePerHour int `yaml:"max_destructive_per_hour,omitempty"`
	// Approve are the classes whose writes ConnectOptions.Approver is asked about first.
	Approve []abi.Class `yaml:"approve,omitempty"`
	// Limits bound each call; the fields of ConnectOptions.Limits that are set come before these.
	Limits Limits `yaml:"limits,omitempty"`
	// AllowPrivateNetwork permits a base URL that resolves to a private address.
	AllowPrivateNetwork bool `yaml:"allow_private_network,omitempty"`
}

// ConnectOptions are the surroundings of a connection: what is not its configuration.
type ConnectOptions struct {
	Secrets secrets.Resolver // default secrets.Default{}
	// AwaitToken connects even though the token cannot be read now. Each call tries to read it, and is unavailable while it
	// cannot.
	AwaitToken bool
	RootCAs    *x509.CertPool // default the system's
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup     func(ctx context.Context, host string) ([]net.IPAddr, error) // default the system's resolver
	Logger     *slog.Logger                                                 // default the module's
	Limits     Limits
	// Approver is asked before the writes of the classes that Config.Approve names; nil refuses them.
	Approver Approver
	// Journal remembers idempotency keys and counts writes; nil takes no keys. journal.Open has one in a file.
	Journal journal.Journal
	// Auditor keeps a record of every invoke; nil keeps none.
	Auditor Auditor
	Now     func() time.Time // what the guest is told; default time.Now
	// Sleep passes the time that the guest waits, such as between readings back of a write whose answer was lost. It
	// returns an error when the context ends before; default the real time.
	Sleep func(ctx context.Context, d time.Duration) error
}

// InvokeOptions are the choices of one invoke. The zero value is none.
type InvokeOptions struct {
	Timeout time.Duration // shorter than Limits.CallTimeout
	// Plan holds every write back: the outcome is planned, and the result lists the writes that would be sent and the state
	// that was read. A plan that would send none is unchanged. It does not use IdempotencyKey.
	Plan bool
	// IdempotencyKey makes an invoke happen once: the same key with the same operation and input again answers the
	// recorded result, and sends nothing. It needs ConnectOptions.Journal. Reads take no notice of it.
	IdempotencyKey string
}

// SourceOptions say what a source is to read and from where.
type SourceOptions struct {
	Operation  string
	Config     json.RawMessage // the operation's input; nil is {}
	Checkpoint json.RawMessage // of the last page that was made durable; nil begins anew
	// Follow goes on after the source has caught up, asking again when it says so.
	Follow bool
	// PollLimit is the longest that a quiet source is left alone with Follow; default a minute. An empty page doubles the
	// time from one that the source asks for up to this.
	PollLimit time.Duration
	// Prefetch asks for the next page while the last is still in the caller's hands; default true through the zero
	// value of NoPrefetch.
	NoPrefetch bool
}

// TableOptions say which rows are wanted.
type TableOptions struct {
	Columns []string // in this order; nil is all
	Limit   int      // rows; 0 is all that there are
	// Warn takes each warning of the read once, a sentence for people, while Next or Close runs; nil logs them.
	Warn func(warning string)
}
