//go:build !wasip1

package abi

import (
	"encoding/json"
	"time"
)

// Settings are the parts of a connection that a guest may know. They contain no secret and no URL.
type Settings struct {
	DefaultPageSize        int `json:"default_page_size,omitempty"`        // records per request
	InitialLookbackSeconds int `json:"initial_lookback_seconds,omitempty"` // where a source without a checkpoint starts
	// Auth is the type of the connection's credential, AuthToken or AuthOAuth, for advice. It is empty if unknown.
	Auth string `json:"auth,omitempty"`
}

// SettleTarget is the target of a write that may have been sent.
type SettleTarget struct {
	Endpoint string            `json:"endpoint"`
	Path     map[string]string `json:"path"`           // the blanks of the endpoint's path, by name
	Body     string            `json:"body,omitempty"` // the member id of the request's body
}

// InvokeInput is the input of the invoke export.
type InvokeInput struct {
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
	Settings  Settings        `json:"settings"`
	Deadline  time.Time       `json:"deadline"` // RFC 3339; the host ends the call then
	Now       time.Time       `json:"now"`      // RFC 3339, UTC; the guest's own clock is not real
	// Settle says that an earlier run of the same invoke was interrupted after its write may have been sent. Before
	// the guest writes, it must read back whether that write took effect, and count the effect as its own.
	Settle bool `json:"settle,omitempty"`
	// SettleSince is when that write was about to be sent, by the service's clock (the Date of its last response
	// before). It is zero if unknown. Later changes may have been made after the write.
	SettleSince time.Time `json:"settle_since,omitzero"`
	// SettleTarget is the target of that write. Names and logins in the input refer to these objects, even if other
	// objects have them now. It is nil if unknown.
	SettleTarget *SettleTarget `json:"settle_target,omitempty"`
	// Show says that the host keeps the state before the first write. The guest must read the object of the write
	// even if the write itself does not need it.
	Show     bool     `json:"show,omitempty"`
	Features []string `json:"features,omitempty"` // optional features of the ABI that the host has
}

// InvokeOutput is the output of the invoke export.
type InvokeOutput struct {
	Outcome Outcome `json:"outcome"`
	// Output is a small result by value. If it is absent, the emitted record is the output. With List, the output is
	// `{"records":[…],"next_cursor":…}` with the emitted records, followed by the members of Output, an object.
	Output     json.RawMessage `json:"output,omitempty"`
	List       bool            `json:"list,omitempty"`
	NextCursor string          `json:"next_cursor,omitempty"`
	Truncated  bool            `json:"truncated,omitempty"` // the list has more records, from NextCursor on
	Error      *Error          `json:"error,omitempty"`
	Partial    bool            `json:"partial,omitempty"`    // some of several writes took effect, and some did not
	Reconciled bool            `json:"reconciled,omitempty"` // a lost response was settled by reading back
	Sensitive  bool            `json:"sensitive,omitempty"`  // the output contains a credential: do not log or store it
	Warnings   []string        `json:"warnings,omitempty"`
	// Withheld is the target of a write that the guest refused to send, for the audit of the attempt. It is nil if a
	// write was sent or the target is unknown.
	Withheld *SettleTarget `json:"withheld,omitempty"`
}

// SourceInput is the input of the source export, which reads one page per call.
type SourceInput struct {
	Operation  string          `json:"operation"`
	Config     json.RawMessage `json:"config"` // the source's input, by the operation's schema
	Settings   Settings        `json:"settings"`
	Checkpoint json.RawMessage `json:"checkpoint,omitempty"` // from the last page; absent at the first start
	Deadline   time.Time       `json:"deadline"`
	Now        time.Time       `json:"now"`
	Features   []string        `json:"features,omitempty"` // optional features of the ABI that the host has
}

// SourceOutput is the output of the source export, after it emitted the records.
type SourceOutput struct {
	Outcome     Outcome         `json:"outcome"`
	Checkpoint  json.RawMessage `json:"checkpoint,omitempty"` // resumes after this page; opaque to the host
	CaughtUp    bool            `json:"caught_up"`
	PollAfterMS int64           `json:"poll_after_ms,omitempty"` // when to ask again after catching up
	// Stalled is set with CaughtUp if there may be more records, but the service returned no usable cursor (a link to
	// the same page). A host that does not follow the source asks again a few times, and then reports that it has not
	// caught up.
	Stalled   bool     `json:"stalled,omitempty"`
	Watermark string   `json:"watermark,omitempty"` // RFC 3339: the latest record time so far, by the service's clock
	Error     *Error   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// TableInput is the input of the table export, which reads one page per call.
type TableInput struct {
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
	Settings  Settings        `json:"settings"`
	Cursor    string          `json:"cursor,omitempty"`
	Limit     int             `json:"limit,omitempty"` // rows still wanted; 0 is unlimited
	Deadline  time.Time       `json:"deadline"`
	Now       time.Time       `json:"now"`
	Features  []string        `json:"features,omitempty"` // optional features of the ABI that the host has
}

// TableOutput is the output of the table export. An empty cursor means the end.
type TableOutput struct {
	Outcome Outcome `json:"outcome"`
	Cursor  string  `json:"cursor,omitempty"`
	// Report is what an invoke's output would have besides the records: an object about the whole list so far, such as what
	// it omits.
	Report   json.RawMessage `json:"report,omitempty"`
	Error    *Error          `json:"error,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
}

// Request is the input of http_send. It names no URL: Endpoint is a template that the operation was granted. The host
// fills and escapes the blanks, and appends the result to the connection's base URL.
type Request struct {
	Endpoint string            `json:"endpoint"`        // "GET /v1/notes/{id}"
	Path     map[string]string `json:"path,omitempty"`  // the blanks, unescaped
	Query    [][2]string       `json:"query,omitempty"` // names and values, unescaped, in order
	// Link is a next link exactly as the service returned it. Its path must fit Endpoint, its query is used, and its
	// origin is ignored. Path and Query must be absent.
	Link    string            `json:"link,omitempty"`
	Headers map[string]string `json:"headers,omitempty"` // names from RequestHeaders, and the credential's header
	Body    json.RawMessage   `json:"body,omitempty"`    // sent unchanged, as application/json
	// NoRepeat tells the host not to repeat a request that timed out, since the guest will ask for less instead.
	NoRepeat bool `json:"no_repeat,omitempty"`
	// Sign tells the host to send the connection's credential. It replaces the header with the placeholder of
	// secret_get, and saves a message.
	Sign bool `json:"sign,omitempty"`
	// Emit tells the host to emit records of a 2xx response, as records_emit does, and return Response.Emitted. It
	// saves a message.
	Emit *EmitOptions `json:"emit,omitempty"`
	// Announce lists reads that the guest will make next, exactly as it will make them, but without Emit. The host may
	// send them at once, in parallel, and answers them when the guest makes them.
	Announce []Request `json:"announce,omitempty"`
}

// MaxAnnounced is the maximum number of reads that one request announces.
const MaxAnnounced = 16

// RequestHeaders returns the headers that a guest may set, in canonical form, besides the credential's header: Accept and
// Content-Type for JSON, and others that the endpoint declares. The value of the credential's header must be what
// secret_get returned; a placeholder anywhere else is refused.
func RequestHeaders() []string {
	return []string{"Accept", "Content-Type", "If-Match", "Prefer"}
}

// ResponseHeaders returns the response headers that every guest sees, in lower case, each with all its values. A
// manifest can add more.
func ResponseHeaders() []string {
	return []string{"date", "etag", "link", "retry-after"}
}

// Response is the output of http_send: a status, or an error. Only with the error SendGuarded, it also has a response: the
// one to the guard's read.
type Response struct {
	Status  int                 `json:"status,omitempty"`
	Headers map[string][]string `json:"headers,omitempty"` // only those of ResponseHeaders and Manifest.ResponseHeaders
	Body    uint64              `json:"body,omitempty"`    // a handle, valid until the call ends; 0 if there is no body
	Length  int64               `json:"length,omitempty"`  // size of the decoded body in bytes
	Emitted *EmitSummary        `json:"emitted,omitempty"` // for a 2xx response, if Request.Emit is set
	// Planned says that the call is a plan and the write was not sent. The guest must treat it as done.
	Planned bool       `json:"planned,omitempty"`
	Error   *SendError `json:"error,omitempty"`
	// Guard has the blanks of the guard's read, by name, if Error is SendGuarded. Status, Headers, Body and Length are
	// then of the response to that read.
	Guard map[string]string `json:"guard,omitempty"`
}

// EmitSummary is the output of records_emit.
type EmitSummary struct {
	Count int                        `json:"count"`           // emitted records; with Keys, the records looked at
	Total int                        `json:"total"`           // all records of the body
	Bytes int64                      `json:"bytes"`           // size of the emitted records
	First map[string]json.RawMessage `json:"first,omitempty"` // values in the first record, by path of Summarise
	Last  map[string]json.RawMessage `json:"last,omitempty"`
	Keys  []string                   `json:"keys,omitempty"`  // with EmitOptions.Keys
	Error string                     `json:"error,omitempty"` // the body is not JSON, has nothing at Path, or a limit was reached
	// Limit says that Error is about a limit of the connection, so that fewer records may fit.
	Limit bool `json:"limit,omitempty"`
}

// Secret is the output of secret_get: the header to send, and a placeholder that the host replaces when it sends the
// request. The header's value is the scheme, a space and the placeholder. Without a scheme, it is the placeholder.
type Secret struct {
	Header      string `json:"header,omitempty"` // default Authorization
	Scheme      string `json:"scheme,omitempty"` // such as "Bearer"
	Placeholder string `json:"placeholder,omitempty"`
	Error       string `json:"error,omitempty"`
}

// The SQL functions. Their arguments are a connection's name or kind, an operation, and its input as JSON.
const (
	ConnectorTable  = "connector_table"  // the operation's rows
	ConnectorScalar = "connector_scalar" // one object, NULL if it does not exist, or all records of a list as an array
	ConnectorTry    = "connector_try"    // the same, but NULL instead of an error
)

// Result is the result of an invoke: the runner prints it, and the library returns it.
type Result struct {
	Operation  string          `json:"operation"`
	Outcome    Outcome         `json:"outcome"`
	Output     json.RawMessage `json:"output,omitempty"`
	NextCursor string          `json:"next_cursor,omitempty"`
	// Truncated says that a list has more records than it contains, from NextCursor on. A poll always has a cursor
	// and is never truncated.
	Truncated bool   `json:"truncated,omitempty"`
	Error     *Error `json:"error,omitempty"`
	Plan      *Plan  `json:"plan,omitempty"` // set for a plan, and for a denied approval
	Meta      Meta   `json:"meta"`
}

// Plan is what an invoke would do. Only reads were sent. With the outcome planned, the plan is complete. With
// unchanged, there is nothing to do. With any other outcome, it ends where the invoke would have failed.
type Plan struct {
	Writes []PlannedWrite `json:"writes"` // in order; empty if nothing would be sent
	// State is the current state of the object that the first write is about.
	State json.RawMessage `json:"state,omitempty"`
	// Related are other objects that the first write names, such as the user that is added to a group.
	Related []json.RawMessage `json:"related,omitempty"`
	// Warnings say what else the writes would do, or what could not be read.
	Warnings []string `json:"warnings,omitempty"`
}

// PlannedWrite is a write that would be sent.
type PlannedWrite struct {
	Endpoint string          `json:"endpoint"` // "POST /v1/notes/{id}/archive"
	Target   string          `json:"target"`   // its path and query, escaped: "/v1/notes/n1/archive"
	IfMatch  string          `json:"if_match,omitempty"`
	Body     json.RawMessage `json:"body,omitempty"` // sensitive values as "***"; any other value in such a place is marked
}

// Meta is what the host knows about a call.
type Meta struct {
	Connection string        `json:"connection"`
	Class      Class         `json:"class,omitempty"`
	DurationMS float64       `json:"duration_ms"`
	Requests   []RequestMeta `json:"requests"`
	Records    int           `json:"records,omitempty"`
	// Partial says that an outcome other than succeeded changed something: of two writes, the first.
	Partial    bool   `json:"partial,omitempty"`
	Reconciled bool   `json:"reconciled,omitempty"`
	Sensitive  bool   `json:"sensitive,omitempty"`
	ApprovedBy string `json:"approved_by,omitempty"`
	Replayed   bool   `json:"replayed,omitempty"` // the recorded result for an idempotency key; nothing was sent
	// RecordedAt is when the run with the replayed result ended, by this machine's clock.
	RecordedAt time.Time `json:"recorded_at,omitzero"`
	Warnings   []string  `json:"warnings,omitempty"`
}

// RequestMeta is one request that was sent, or that a plan would send.
type RequestMeta struct {
	Endpoint  string   `json:"endpoint"`
	Status    int      `json:"status,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
	Attempts  int      `json:"attempts"`          // attempts to send it: 1 without a repeat, 0 if none was made
	Planned   bool     `json:"planned,omitempty"` // a write of a plan: it was not sent
	WaitedMS  int64    `json:"waited_ms,omitempty"`
	Error     SendCode `json:"error,omitempty"`
}
