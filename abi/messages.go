//go:build !wasip1

package abi

import (
	"encoding/json"
	"time"
)

// Settings are the parts of a connection that a guest may know. There is no secret and no URL among them.
type Settings struct {
	DefaultPageSize        int `json:"default_page_size,omitempty"`        // records a request
	InitialLookbackSeconds int `json:"initial_lookback_seconds,omitempty"` // where a source without checkpoint begins
}

// SettleTarget is the target of a write that may have left.
type SettleTarget struct {
	Endpoint string            `json:"endpoint"`
	Path     map[string]string `json:"path"`           // the blanks of the endpoint's path, by name
	Body     string            `json:"body,omitempty"` // the member id of its body
}

// InvokeInput is what the invoke export gets.
type InvokeInput struct {
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
	Settings  Settings        `json:"settings"`
	Deadline  time.Time       `json:"deadline"` // RFC 3339; the host ends the call then
	Now       time.Time       `json:"now"`      // RFC 3339, UTC; the guest has no clock to be trusted
	// Settle says that an earlier run of the same invoke ended when a write may have left: before it writes, the guest
	// reads back whether the write took effect, and does not take that effect for somebody else's.
	Settle bool `json:"settle,omitempty"`
	// SettleSince is when that write was about to leave, by the service's own clock (the Date of its last answer
	// before); zero where that is not known. What changed later may have changed after the write.
	SettleSince time.Time `json:"settle_since,omitzero"`
	// SettleTarget is what that write was for: names and logins of the input stand for these objects, whoever has them
	// now. Nil where it is not known.
	SettleTarget *SettleTarget `json:"settle_target,omitempty"`
	// Show says that the host keeps what was there before the first write: the guest reads the object that the write is for, where
	// it would not need to for the write itself.
	Show     bool     `json:"show,omitempty"`
	Features []string `json:"features,omitempty"` // optional features of the ABI that the host has
}

// InvokeOutput is what the invoke export answers.
type InvokeOutput struct {
	Outcome Outcome `json:"outcome"`
	// Output is a small result by value. Where it is absent, what was emitted is the output: the one record of a
	// single object. With List, the output is `{"records":[…],"next_cursor":…}` of what was emitted, and the members of
	// Output, an object, behind them.
	Output     json.RawMessage `json:"output,omitempty"`
	List       bool            `json:"list,omitempty"`
	NextCursor string          `json:"next_cursor,omitempty"`
	Truncated  bool            `json:"truncated,omitempty"` // of a list: records were left, which NextCursor goes on to
	Error      *Error          `json:"error,omitempty"`
	Partial    bool            `json:"partial,omitempty"`    // the first of several writes took effect, and the whole was not done
	Reconciled bool            `json:"reconciled,omitempty"` // a lost answer was settled by reading back
	Sensitive  bool            `json:"sensitive,omitempty"`  // the output holds a credential: not to be logged or stored
	Warnings   []string        `json:"warnings,omitempty"`
	// Withheld is the target of the write that the guest refused to send, for the audit of the attempt. Nil where a write was
	// sent, or where it is not known.
	Withheld *SettleTarget `json:"withheld,omitempty"`
}

// SourceInput is what the source export gets: one page a call.
type SourceInput struct {
	Operation  string          `json:"operation"`
	Config     json.RawMessage `json:"config"` // the source's input, by the operation's schema
	Settings   Settings        `json:"settings"`
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"` // as the last page gave it; absent at the first start
	Deadline   time.Time       `json:"deadline"`
	Now        time.Time       `json:"now"`
	Features   []string        `json:"features,omitempty"` // optional features of the ABI that the host has
}

// SourceOutput is what the source export answers. The records were emitted before.
type SourceOutput struct {
	Outcome     Outcome         `json:"outcome"`
	Checkpoint  json.RawMessage `json:"checkpoint,omitempty"` // resumes behind this page; opaque to the host
	CaughtUp    bool            `json:"caught_up"`
	PollAfterMS int64           `json:"poll_after_ms,omitempty"` // when to ask again, once caught up
	// Stalled goes with CaughtUp: there may be more, but the service gave no way on (a link to its own page). A host that
	// does not follow the source asks again a few times and then says that the source has not caught up.
	Stalled   bool     `json:"stalled,omitempty"`
	Watermark string   `json:"watermark,omitempty"` // RFC 3339: the latest time of a record up to here, by the service's clock
	Error     *Error   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// TableInput is what the table export gets: one page a call.
type TableInput struct {
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
	Settings  Settings        `json:"settings"`
	Cursor    string          `json:"cursor,omitempty"`
	Limit     int             `json:"limit,omitempty"` // rows still wanted; 0 is no limit
	Deadline  time.Time       `json:"deadline"`
	Now       time.Time       `json:"now"`
	Features  []string        `json:"features,omitempty"` // optional features of the ABI that the host has
}

// TableOutput is what the table export answers. An empty cursor is the end.
type TableOutput struct {
	Outcome  Outcome  `json:"outcome"`
	Cursor   string   `json:"cursor,omitempty"`
	Error    *Error   `json:"error,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Request is what http_send takes. It names no URL: Endpoint is one of the templates that the operation was granted,
// and the host fills the blanks, escapes them and joins the result to the connection's base URL.
type Request struct {
	Endpoint string            `json:"endpoint"`        // "GET /api/v1/users/{id}"
	Path     map[string]string `json:"path,omitempty"`  // the blanks, unescaped
	Query    [][2]string       `json:"query,omitempty"` // names and values, unescaped, in order
	// Link is a next link exactly as the service gave it. Its path must fit Endpoint; its query is used; its origin
	// is ignored. Path and Query must be absent.
	Link    string            `json:"link,omitempty"`
	Headers map[string]string `json:"headers,omitempty"` // of RequestHeaders, and the one that carries the credential
	Body    json.RawMessage   `json:"body,omitempty"`    // sent as it is, as application/json
	// NoRepeat has the host not make a request again that got no answer in time: the guest asks for less instead.
	NoRepeat bool `json:"no_repeat,omitempty"`
	// Sign has the host send the connection's credential, in place of a header with the placeholder of secret_get: one message
	// less crosses.
	Sign bool `json:"sign,omitempty"`
	// Emit has the host emit records of a 2xx answer, as records_emit does, before it answers with Response.Emitted: one
	// message less crosses.
	Emit *EmitOptions `json:"emit,omitempty"`
}

// RequestHeaders are the headers that a guest may set, in canonical form, besides the one that carries the credential. Its
// value must be what secret_get says; a placeholder anywhere else is refused.
func RequestHeaders() []string {
	return []string{"Accept", "Content-Type", "If-Match", "Prefer"}
}

// ResponseHeaders are the headers that every guest gets to see, in lower case, each with all of its values. A manifest names
// more.
func ResponseHeaders() []string {
	return []string{"date", "etag", "link", "retry-after"}
}

// Response is what http_send answers: a status, or an error and nothing else.
type Response struct {
	Status  int                 `json:"status,omitempty"`
	Headers map[string][]string `json:"headers,omitempty"` // of ResponseHeaders and Manifest.ResponseHeaders alone
	Body    uint64              `json:"body,omitempty"`    // a handle, valid until the call ends; 0 is no body
	Length  int64               `json:"length,omitempty"`  // of the body, decoded, in bytes
	Emitted *EmitSummary        `json:"emitted,omitempty"` // with Request.Emit, of a 2xx answer
	// Planned says that the call is a plan and the write was held back: it counts as done, and nothing changed.
	Planned bool       `json:"planned,omitempty"`
	Error   *SendError `json:"error,omitempty"`
}

// EmitSummary is what records_emit answers.
type EmitSummary struct {
	Count int                        `json:"count"`           // records emitted, with Keys those looked at
	Total int                        `json:"total"`           // records in the body, emitted or not
	Bytes int64                      `json:"bytes"`           // of the emitted records
	First map[string]json.RawMessage `json:"first,omitempty"` // by path of Summarise
	Last  map[string]json.RawMessage `json:"last,omitempty"`
	Keys  []string                   `json:"keys,omitempty"`  // with EmitOptions.Keys
	Error string                     `json:"error,omitempty"` // the body is no JSON, has nothing at Path, or a limit was hit
	// Limit says that the error is a limit of the connection, so that fewer records may fit.
	Limit bool `json:"limit,omitempty"`
}

// Secret is what secret_get answers: how to write the header, and a placeholder that the host replaces on the way out. The
// header's value is the scheme, a space and the placeholder; without a scheme it is the placeholder alone.
type Secret struct {
	Header      string `json:"header,omitempty"` // empty is Authorization
	Scheme      string `json:"scheme,omitempty"` // such as "Bearer"
	Placeholder string `json:"placeholder,omitempty"`
	Error       string `json:"error,omitempty"`
}

// The SQL functions, each of a connection's name or kind, an operation and its input as JSON.
const (
	ConnectorTable  = "connector_table"  // the operation's rows
	ConnectorScalar = "connector_scalar" // one object, NULL when it is not there, or all records of a list as an array
	ConnectorTry    = "connector_try"    // the same, NULL in place of an error
)

// Result is what an invoke comes to: what the runner prints and what the library returns.
type Result struct {
	Operation  string          `json:"operation"`
	Outcome    Outcome         `json:"outcome"`
	Output     json.RawMessage `json:"output,omitempty"`
	NextCursor string          `json:"next_cursor,omitempty"`
	// Truncated says that a list has more records than it lists: those that NextCursor goes on to. A poll, which always has a
	// cursor, is never truncated.
	Truncated bool   `json:"truncated,omitempty"`
	Error     *Error `json:"error,omitempty"`
	Plan      *Plan  `json:"plan,omitempty"` // of a plan, and of an approval that was refused
	Meta      Meta   `json:"meta"`
}

// Plan is what an invoke would do. Nothing was sent but reads. With the outcome planned the plan is complete; with unchanged
// there is nothing to do; with any other it ends where the invoke would have failed.
type Plan struct {
	Writes []PlannedWrite `json:"writes"` // in order; none means that nothing would be sent
	// State is the object that the first write is about, as it was read before: what is there now.
	State json.RawMessage `json:"state,omitempty"`
	// Related are further objects that the first write names, such as the user beside the group.
	Related []json.RawMessage `json:"related,omitempty"`
	// Warnings say what else the writes would do, or what could not be looked up.
	Warnings []string `json:"warnings,omitempty"`
}

// PlannedWrite is a write that would leave.
type PlannedWrite struct {
	Endpoint string          `json:"endpoint"` // "POST /api/v1/users/{id}/lifecycle/deactivate"
	Target   string          `json:"target"`   // its path and query, escaped: "/api/v1/users/00u1/lifecycle/deactivate"
	IfMatch  string          `json:"if_match,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"` // sensitive values as "***"
}

// Meta is what the host knows of a call.
type Meta struct {
	Connection string        `json:"connection"`
	Class      Class         `json:"class,omitempty"`
	DurationMS float64       `json:"duration_ms"`
	Requests   []RequestMeta `json:"requests"`
	Records    int           `json:"records,omitempty"`
	// Partial says that an outcome other than succeeded left something changed: of two writes, the first.
	Partial    bool   `json:"partial,omitempty"`
	Reconciled bool   `json:"reconciled,omitempty"`
	Sensitive  bool   `json:"sensitive,omitempty"`
	ApprovedBy string `json:"approved_by,omitempty"`
	Replayed   bool   `json:"replayed,omitempty"` // the recorded result of an idempotency key: nothing was sent
	// RecordedAt is when the run ended whose result is replayed, by this machine's clock.
	RecordedAt time.Time `json:"recorded_at,omitzero"`
	Warnings   []string  `json:"warnings,omitempty"`
}

// RequestMeta is one request that left, or would have.
type RequestMeta struct {
	Endpoint  string   `json:"endpoint"`
	Status    int      `json:"status,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
	Attempts  int      `json:"attempts"`          // that were sent or tried to be: 1 without a repeat; 0 when none was tried
	Planned   bool     `json:"planned,omitempty"` // a write that a plan held back: it was not sent
	WaitedMS  int64    `json:"waited_ms,omitempty"`
	Error     SendCode `json:"error,omitempty"`
}
