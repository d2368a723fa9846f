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
	"github.com/mach5/okta-connector/host/compile"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/host/secrets"
)

// ErrRefused is wrapped by every error that says why Load refuses a module.
var ErrRefused = errors.New("module refused")

// ErrUnknownOperation is wrapped by the error for an operation that the module does not have.
var ErrUnknownOperation = errors.New("unknown operation")

// ErrConfig is wrapped by the error for an invalid connection configuration. The message names the field.
var ErrConfig = errors.New("connection not usable")

// ErrClosed is returned by the methods of a closed Connection or Module.
var ErrClosed = sandbox.ErrClosed

// OutcomeError is the error of a call that did not end in succeeded, unchanged or planned. Test for it with
// errors.As, or for one outcome with errors.Is(err, host.OutcomeError{Outcome: abi.Denied}).
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

// Is reports whether target is an OutcomeError with the same outcome, and with the same operation if target names
// one.
func (e OutcomeError) Is(target error) bool {
	t, ok := target.(OutcomeError)
	return ok && t.Outcome == e.Outcome && (t.Operation == "" || t.Operation == e.Operation)
}

// LoadOptions are the options of Load. The zero value is safe.
type LoadOptions struct {
	SHA256   string // expected checksum of the module in hex; empty accepts any
	CacheDir string // folder for compiled code; default KIND-connector/wasm in the user's cache directory
	NoCache  bool   // compile at every load and store nothing
	// Minor0 is a partial manifest that completes modules of minor version 0 and the same kind, whose manifests do
	// not describe their service. See abi.ParseManifest.
	Minor0 json.RawMessage
	Memory int64 // maximum linear memory of one instance, in bytes, for all connections; default 1 GiB
	// ProcessMemory limits the memory of all calls of the process. Default: half of GOMEMLIMIT, of the container's
	// limit or of the machine's memory, whichever is the smallest, shared by all modules without one.
	ProcessMemory *ProcessMemory
	Compile       compile.Limits // limits what compiling takes; see compile.RunChildIfAsked
	Logger        *slog.Logger   // default: discard
}

// ConnectOptions are what a connection needs from its environment, apart from its configuration.
type ConnectOptions struct {
	Secrets secrets.Resolver // default secrets.Default{}
	// AwaitToken makes Connect succeed when the token cannot be read yet. Each call then tries to read it, and ends
	// as unavailable while it cannot.
	AwaitToken bool
	RootCAs    *x509.CertPool // default: the system's
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Lookup     func(ctx context.Context, host string) ([]net.IPAddr, error) // default: the system's resolver
	Logger     *slog.Logger                                                 // default: the module's
	Limits     Limits
	// Approver is asked before writes of the classes in Config.Approve. Nil denies them.
	Approver Approver
	// Journal stores idempotency keys and counts writes. Without one, a call with a key is invalid. journal.Open
	// returns one that uses a file.
	Journal journal.Journal
	// Auditor records every invoke. Nil records nothing.
	Auditor Auditor
	Now     func() time.Time // the clock that the guest sees; default time.Now
	// Sleep waits before a request is repeated, and for the guest, for example between reads that check a write whose
	// response was lost. It returns an error if the context ends first. Default: real time.
	Sleep func(ctx context.Context, d time.Duration) error
}

func (o ConnectOptions) withDefaults() ConnectOptions {
	if o.Secrets == nil {
		o.Secrets = secrets.Default{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = pacing.System{}.Sleep
	}
	return o
}

// InvokeOptions are the options of one invoke. The zero value sets none.
type InvokeOptions struct {
	Timeout time.Duration // applies if shorter than Limits.CallTimeout
	// Plan sends no write. The outcome is planned, and the result lists the writes that would be sent and the state
	// that was read. A plan without writes is unchanged. Plan ignores IdempotencyKey.
	Plan bool
	// IdempotencyKey makes an invoke happen once. Repeating it with the same operation and input returns the recorded
	// result and sends nothing. It needs ConnectOptions.Journal. Reads ignore it.
	IdempotencyKey string
}

// SourceOptions say what a source reads and where it starts.
type SourceOptions struct {
	Operation  string
	Config     json.RawMessage // the operation's input; nil is {}
	Checkpoint json.RawMessage // the one of the last durable page; nil starts without one
	// Follow continues after the source has caught up, and polls it.
	Follow bool
	// PollLimit is the longest time between polls of a quiet source with Follow. Default one minute. Each empty page
	// doubles the time, from what the source asks for up to this limit.
	PollLimit time.Duration
	// NoPrefetch fetches the next page only after the caller has finished with this one. By default it is fetched
	// meanwhile.
	NoPrefetch bool
}

// TableOptions are the options of Table.
type TableOptions struct {
	Columns []string // the columns, in this order; nil is all
	Limit   int      // maximum number of rows; 0 is unlimited
	// Warn receives each different warning once, as a sentence for people, while Next or Close runs. Nil logs them.
	Warn func(warning string)
}
