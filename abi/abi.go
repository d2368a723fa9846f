// Package abi is the contract between a connector module and the host that runs it: the manifest, the messages in
// both directions, safety classes and outcomes.
//
// It depends only on the standard library, and its only behaviour is to encode and check its own types. README.md in
// this folder is the same contract as a document, for hosts in other languages.
//
// Guests do not compile the files that need encoding/json or time, which would make a module 390 KB larger
// (docs/measurements.md).
package abi

// Version is the ABI that this package describes, with its major version. A host refuses a manifest with another.
const Version = "mach5:connector/v1"

// Namespace is the import module of this ABI's host functions. Those of Extism's kernel are in "extism:host/env".
const Namespace = Version

// ManifestSection is the name of the Wasm custom section that contains the manifest. A host can read it without
// running the module.
const ManifestSection = "mach5.connector.manifest"

// MaxManifestSize is the largest manifest that a host accepts, in bytes.
const MaxManifestSize = 1 << 20

// Class is the safety class of an operation: the most harm that it can do. The zero value is not a class and is never
// granted.
type Class string

// The safety classes, ordered Read < Write < Destructive. Privileged is separate, and no other class includes it.
const (
	Read        Class = "read"        // changes nothing
	Write       Class = "write"       // makes a change that can be reversed
	Destructive Class = "destructive" // takes something away
	Privileged  Class = "privileged"  // changes who has which permissions
)

// Classes returns all classes, the least harmful first.
func Classes() []Class { return []Class{Read, Write, Destructive, Privileged} }

// Valid reports whether c is one of the four classes.
func (c Class) Valid() bool {
	switch c {
	case Read, Write, Destructive, Privileged:
		return true
	}
	return false
}

// Allows reports whether an operation of class c may have an endpoint with the given HTTP method: for read GET; for
// write also POST, PUT and PATCH; for destructive and privileged also DELETE.
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

// Surface is a way to use an operation.
type Surface string

// The surfaces.
const (
	Axon   Surface = "axon"   // invoke: one controlled action or read
	Ingest Surface = "ingest" // source: a checkpointed stream of records
	SQL    Surface = "sql"    // table: rows of typed columns
)

// Idempotency says what repeating an operation does.
type Idempotency string

// The kinds of idempotency.
const (
	Safe       Idempotency = "safe"       // reads only
	Idempotent Idempotency = "idempotent" // a repeat ends in the same state
	Verified   Idempotency = "verified"   // the operation checks the state first, so a repeat does nothing
	Keyed      Idempotency = "keyed"      // a repeat acts again, unless the caller gives an idempotency key
)

// Outcome is how an invoke ended. Every invoke has exactly one outcome.
type Outcome string

// The outcomes.
const (
	Succeeded   Outcome = "succeeded"   // done
	Unchanged   Outcome = "unchanged"   // it was already so; nothing was done
	Planned     Outcome = "planned"     // a plan: no write was sent, and Result.Plan lists them. Only the host sets it
	Invalid     Outcome = "invalid"     // the input does not match the schema, or the operation is not on the surface; nothing was sent
	Denied      Outcome = "denied"      // not granted or not approved; no write was sent
	NotFound    Outcome = "not_found"   // the target does not exist
	Rejected    Outcome = "rejected"    // the service refused; nothing changed
	Throttled   Outcome = "throttled"   // the rate limit outlasts the deadline; Error.RetryAfterMS says how long to wait
	Unavailable Outcome = "unavailable" // the service or the network failed; nothing changed
	Unknown     Outcome = "unknown"     // a write was sent without an answer, and reading back could not tell its effect
	Failed      Outcome = "failed"      // a bug in the connector or its host
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{Succeeded, Unchanged, Planned, Invalid, Denied, NotFound, Rejected, Throttled, Unavailable, Unknown, Failed}
}

// OK reports whether the wanted state is reached: succeeded or unchanged, but not planned.
func (o Outcome) OK() bool { return o == Succeeded || o == Unchanged }

// Valid reports whether o is one of Outcomes. A guest may return any but Planned.
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
	// Code is stable and meant for programs: the outcome, or a more specific reason such as "endpoint_not_granted".
	Code string `json:"code"`
	// Message is one line for people: what was wanted, what was found, what to do.
	Message string `json:"message"`
	// Upstream is the service's error, if it responded with one.
	Upstream *Upstream `json:"upstream,omitempty"`
	// Retryable says whether the same call may succeed later without any change.
	Retryable bool `json:"retryable"`
	// RetryAfterMS is how long to wait before a retry, in milliseconds. 0 means no advice.
	RetryAfterMS int64 `json:"retry_after_ms,omitempty"`
}

// Upstream is the error in a response of the service, as the guest read it.
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
	// Sent says whether the service may have received the request. A write certainly did not happen only if Sent is
	// false.
	Sent         bool  `json:"sent"`
	RetryAfterMS int64 `json:"retry_after_ms,omitempty"`
	// Lasting says that a retry is useless until something is changed: the host name does not exist, or its address
	// is not allowed.
	Lasting bool `json:"lasting,omitempty"`
	// Status and RequestID are from a response that could not be used: a 429, or one that was cut off.
	Status    int    `json:"status,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	// UpstreamCode and UpstreamSummary are the service's code and text in a 429, if the manifest's rate_limit_errors
	// says where they are.
	UpstreamCode    string `json:"upstream_code,omitempty"`
	UpstreamSummary string `json:"upstream_summary,omitempty"`
}

// SendCode is the reason why a request has no response.
type SendCode string

// The reasons.
const (
	SendDenied      SendCode = "denied"       // the endpoint or its class is not granted
	SendMalformed   SendCode = "malformed"    // a blank, link, header, body or placeholder is not allowed: a bug in the guest
	SendConnect     SendCode = "connect"      // no connection: name, route or refused
	SendTLS         SendCode = "tls"          // no trusted connection
	SendTimeout     SendCode = "timeout"      // no response in time
	SendInterrupted SendCode = "interrupted"  // the connection broke before the whole response arrived
	SendTooLarge    SendCode = "too_large"    // the response is larger than the body limit
	SendRedirect    SendCode = "redirect"     // the service responded with a redirect, which is never followed
	SendRateLimited SendCode = "rate_limited" // the bucket is empty until after the deadline
	SendCeiling     SendCode = "ceiling"      // the connection's own ceiling blocks the write; RetryAfterMS says how long
	SendGuarded     SendCode = "guarded"      // a guard of the endpoint does not hold, and the call is not of its class; see Response.Guard
	SendCanceled    SendCode = "canceled"     // the caller canceled the call
	SendLimit       SendCode = "limit"        // the call has no requests left
	SendTainted     SendCode = "tainted"      // the response contained the connection's token and was discarded
	SendCredential  SendCode = "credential"   // the host gets no valid access token; Status and UpstreamCode say what the service said
)

// EmitOptions are the options of records_emit.
type EmitOptions struct {
	// Path leads to the array or object in the body: object keys joined by dots. Empty is the body itself.
	Path string `json:"path,omitempty"`
	// Want is what the body must have at Path: WantArray or WantObject. Anything else is an error, and nothing is
	// emitted. Empty accepts an array, an object, or null for no records.
	Want string `json:"want,omitempty"`
	// Kind is for operations that emit several kinds of records. Each record is emitted in an envelope, {"kind": …,
	// "id": …, "record": …}, whose id is the record's key.
	Kind string `json:"kind,omitempty"`
	// Parent is what the records belong to, if their key is unique only within it. The envelope then has the member
	// "parent", and its id is the parent, a slash and the key.
	Parent string `json:"parent,omitempty"`
	// Distinct lists paths of further values of the envelope's id, for records that share a key: each value follows the key after
	// a slash. Of a value with slashes, such as an address, only the part after the last one counts.
	Distinct []string `json:"distinct,omitempty"`
	// Key is the path of each record's key. Default: the operation's, or "id" in an envelope.
	Key string `json:"key,omitempty"`
	// Summarise lists paths whose values in the first and last record are returned.
	Summarise []string `json:"summarise,omitempty"`
	Limit     int      `json:"limit,omitempty"` // maximum number to emit; 0 is all
	Skip      int      `json:"skip,omitempty"`  // number to skip at the beginning
	// Omit lists members, by plain path, to remove from records: credentials that the service puts into lists.
	Omit []string `json:"omit,omitempty"`
	// Keys emits nothing and returns the keys of the records that Limit and Skip select: at most MaxKeys strings or
	// numbers, with at most MaxKeyBytes in total. With it, a guest can iterate over the parents of a list, or find a
	// link in a body, without reading the body.
	Keys bool `json:"keys,omitempty"`
	// Keyed requires that each record that Limit and Skip select has a string or number at its key: at Key, or at the
	// operation's key, or at "id". A record without one is an error, and nothing is emitted.
	Keyed bool `json:"keyed,omitempty"`
}

// The values of EmitOptions.Want.
const (
	WantArray  = "array"  // an array of objects, not all of them errors of the service
	WantObject = "object" // one object with a string or number at its key
)

// MaxPaths is the maximum number of paths in EmitOptions.Summarise, in Omit and in Distinct. Each is looked up in each record.
const MaxPaths = 16

// The limits of EmitOptions.Keys.
const (
	MaxKeys     = 1000
	MaxKeyBytes = 64 << 10
	MaxKind     = 64      // bytes of EmitOptions.Kind
	MaxParent   = 1 << 10 // bytes of EmitOptions.Parent, and of a record's own key in an envelope
)

// TokenRef is the only secret reference of v1: the connection's API token.
const TokenRef = "token"
