// Package abi is the contract between a connector module and the host that runs it: the manifest, what crosses the
// boundary in each direction, safety classes and outcomes.
//
// It depends on the standard library only and holds no behaviour beyond encoding and checking its own types. README.md
// beside it is the same contract as a document, for hosts written in another language.
//
// Files that need encoding/json or time are left out of a guest: they would make a module 390 KB larger
// (docs/measurements.md).
package abi

// Version is the ABI that this package describes, with its major version. A host refuses a manifest that names another.
const Version = "mach5:connector/v1"

// Namespace is the import module of the host functions that are ours. Those of Extism's kernel are in
// "extism:host/env".
const Namespace = Version

// ManifestSection is the name of the Wasm custom section that carries the manifest, so that a host knows what a
// module wants before it runs one instruction of it.
const ManifestSection = "mach5.connector.manifest"

// MaxManifestSize is the largest manifest that a host accepts, in bytes.
const MaxManifestSize = 1 << 20

// Class is the safety class of an operation: the most harm that it can do. The zero value is no class and is granted
// nowhere.
type Class string

// The safety classes. Read < Write < Destructive; Privileged stands beside them, and no other class includes it.
const (
	Read        Class = "read"        // changes nothing
	Write       Class = "write"       // changes something, and it can be changed back
	Destructive Class = "destructive" // takes something away from somebody
	Privileged  Class = "privileged"  // changes who may do what
)

// Classes lists every class, mildest first.
func Classes() []Class { return []Class{Read, Write, Destructive, Privileged} }

// Valid reports whether c is one of the four classes.
func (c Class) Valid() bool {
	switch c {
	case Read, Write, Destructive, Privileged:
		return true
	}
	return false
}

// Allows reports whether an operation of class c may have an endpoint of the given HTTP method:
// read GET alone; write GET, POST, PUT and PATCH; destructive DELETE besides; privileged any of these.
func (c Class) Allows(method string) bool {
	switch method {
	case "GET":
		return c.Valid()
	case "POST", "PUT", "PATCH":
		return c == Write || c == Destructive || c == Privileged
	case "DELETE":
		return c == Destructive || c == Privileged
	}
	return false
}

// Surface is a way in which an operation can be reached.
type Surface string

// The surfaces.
const (
	Axon   Surface = "axon"   // invoke: one controlled action or read
	Ingest Surface = "ingest" // source: a checkpointed stream of records
	SQL    Surface = "sql"    // table: rows of typed columns
)

// Idempotency says what a repeat of an operation does.
type Idempotency string

// The kinds of idempotency.
const (
	Safe       Idempotency = "safe"       // reads only
	Idempotent Idempotency = "idempotent" // a repeat ends in the same state by itself
	Verified   Idempotency = "verified"   // the operation looks first, so that a repeat does nothing
	Keyed      Idempotency = "keyed"      // a repeat does it again unless the caller gives an idempotency key
)

// Outcome is how an invoke ended: exactly one of these.
type Outcome string

// The outcomes.
const (
	Succeeded   Outcome = "succeeded"   // done
	Unchanged   Outcome = "unchanged"   // it already was so: nothing was done
	Planned     Outcome = "planned"     // a plan: nothing was sent, Result.Plan has the writes that would be. The host's own
	Invalid     Outcome = "invalid"     // the input broke the schema: nothing was sent
	Denied      Outcome = "denied"      // not granted: nothing was sent
	NotFound    Outcome = "not_found"   // the target is not there
	Rejected    Outcome = "rejected"    // the service refused; nothing changed
	Throttled   Outcome = "throttled"   // over the rate limit for longer than the deadline; Error.RetryAfterMS says when
	Unavailable Outcome = "unavailable" // the service or the network failed, and nothing changed
	Unknown     Outcome = "unknown"     // a write was sent, no answer came, and a check could not settle it
	Failed      Outcome = "failed"      // a bug in the connector or its host
)

// Outcomes lists every outcome.
func Outcomes() []Outcome {
	return []Outcome{Succeeded, Unchanged, Planned, Invalid, Denied, NotFound, Rejected, Throttled, Unavailable, Unknown, Failed}
}

// OK reports whether the wanted state holds: succeeded or unchanged. It does not hold after planned.
func (o Outcome) OK() bool { return o == Succeeded || o == Unchanged }

// Valid reports whether o is one of Outcomes. A guest may answer each of them but Planned.
func (o Outcome) Valid() bool {
	for _, k := range Outcomes() {
		if o == k {
			return true
		}
	}
	return false
}

// Error says why an outcome is not succeeded or unchanged.
type Error struct {
	// Code is stable and for programs: the outcome, or a finer reason under it such as "endpoint_not_granted".
	Code string `json:"code"`
	// Message is one line for people: what was wanted, what was found, what to do.
	Message string `json:"message"`
	// Upstream is the service's own error, where it answered with one.
	Upstream *Upstream `json:"upstream,omitempty"`
	// Retryable says whether the same call may succeed later without anybody changing anything.
	Retryable bool `json:"retryable"`
	// RetryAfterMS is how long to wait before that, in milliseconds; 0 means no advice.
	RetryAfterMS int64 `json:"retry_after_ms,omitempty"`
}

// Upstream is the error that the service answered with, as the guest read it.
type Upstream struct {
	Status    int      `json:"status"`
	Code      string   `json:"code,omitempty"`
	Summary   string   `json:"summary,omitempty"`
	Causes    []string `json:"causes,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
}

// SendError says why there is no response.
type SendError struct {
	Code    SendCode `json:"code"`
	Message string   `json:"message"`
	// Sent says whether the service may have seen the request. Only when it is false is a write certain not to have
	// happened.
	Sent         bool  `json:"sent"`
	RetryAfterMS int64 `json:"retry_after_ms,omitempty"`
	// Lasting says that asking again does not help until somebody changes something: there is no host of that name, or its
	// address is not allowed.
	Lasting bool `json:"lasting,omitempty"`
	// Status and RequestID are of an answer that came and could not be used: a refusal for the rate limit, or one that
	// broke off.
	Status    int    `json:"status,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// UpstreamCode and UpstreamSummary are the service's own code and text of a 429, where the manifest's
	// rate_limit_errors says where they are.
	UpstreamCode    string `json:"upstream_code,omitempty"`
	UpstreamSummary string `json:"upstream_summary,omitempty"`
}

// SendCode is why a request got no response.
type SendCode string

// The reasons.
const (
	SendDenied      SendCode = "denied"       // the endpoint or its class was not granted
	SendMalformed   SendCode = "malformed"    // a blank, link, header, body or placeholder that is not allowed: a bug of the guest
	SendConnect     SendCode = "connect"      // no connection: name, route, refused
	SendTLS         SendCode = "tls"          // no trusted connection
	SendTimeout     SendCode = "timeout"      // no answer in time
	SendInterrupted SendCode = "interrupted"  // the connection broke before a whole answer had come
	SendTooLarge    SendCode = "too_large"    // the answer is over the body limit
	SendRedirect    SendCode = "redirect"     // the service answered with a redirect, which is never followed
	SendRateLimited SendCode = "rate_limited" // the bucket is empty for longer than the deadline
	SendCeiling     SendCode = "ceiling"      // a write that the connection's own ceiling holds back; RetryAfterMS says how long
	SendCanceled    SendCode = "canceled"     // the caller gave up
	SendLimit       SendCode = "limit"        // the call used up its requests
	SendTainted     SendCode = "tainted"      // the answer repeated the connection's token, and was thrown away
)

// EmitOptions is what records_emit takes beside the handle.
type EmitOptions struct {
	// Path leads to the array (or object) in the body, object keys joined by dots; empty is the body itself.
	Path string `json:"path,omitempty"`
	// Want is what the body must have at Path: WantArray or WantObject. Anything else there is an error, and nothing is
	// emitted. Empty takes an array, an object, or null for no records.
	Want string `json:"want,omitempty"`
	// Kind is for operations that emit more than one kind of record: each goes out in an envelope,
	// {"kind": …, "id": …, "record": …}, whose id is the record's key.
	Kind string `json:"kind,omitempty"`
	// Parent is what the records belong to, for those whose key is unique within it alone. With it, the envelope has
	// the member "parent" and its id is parent, a slash and the key.
	Parent string `json:"parent,omitempty"`
	// Key is the path of each record's key; empty is the operation's own, and "id" in an envelope.
	Key string `json:"key,omitempty"`
	// Summarise lists paths whose values in the first and last record come back.
	Summarise []string `json:"summarise,omitempty"`
	Limit     int      `json:"limit,omitempty"` // emit no more than this many; 0 is all
	Skip      int      `json:"skip,omitempty"`  // leave out this many at the beginning
	// Omit lists members, by plain path, that a record goes out without: credentials that the service puts into lists.
	Omit []string `json:"omit,omitempty"`
	// Keyed is an error where a record that Limit and Skip leave has no string or number at its key: at Key, else at the
	// operation's, else at "id".
	Keyed bool `json:"keyed,omitempty"`
	// Keys emits nothing and answers with the keys of the records that Limit and Skip leave: at most MaxKeys of them,
	// each a string or number, of at most MaxKeyBytes together. It is how a guest goes over the parents of a list, or
	// finds a link in a body, without reading the body.
	Keys bool `json:"keys,omitempty"`
}

// The values of EmitOptions.Want.
const (
	WantArray  = "array"  // an array of objects that are not all errors of the service
	WantObject = "object" // one object that has a string or number at its key
)

// MaxPaths is how many paths EmitOptions.Summarise may have, and Omit: each is looked for in each record.
const MaxPaths = 16

// The limits of EmitOptions.Keys.
const (
	MaxKeys     = 1000
	MaxKeyBytes = 64 << 10
)

// TokenRef is the one secret reference of v1: the connection's API token.
const TokenRef = "token"
