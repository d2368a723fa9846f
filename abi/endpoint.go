package abi

import (
	"strings"
)

// ClassRule sets another class if a field is present (Equals empty; null counts as present) or has a value. Rules in
// Operation.ClassRules test the input, and rules in Endpoint.ClassRules the request's body. The first matching rule
// wins. If none matches, the Class of the operation or endpoint applies.
//
// Equals is a string, number or boolean as text: "unlock", "10", "true". A number matches in any notation.
type ClassRule struct {
	Field  string `json:"field"`
	Equals string `json:"equals,omitempty"`
	Class  Class  `json:"class"`
}

// ColumnType is the type of a column, named as in SQL.
type ColumnType string

// The column types.
const (
	Varchar     ColumnType = "VARCHAR"
	Boolean     ColumnType = "BOOLEAN"
	BigInt      ColumnType = "BIGINT"
	Double      ColumnType = "DOUBLE"
	TimestampTZ ColumnType = "TIMESTAMPTZ"
	JSON        ColumnType = "JSON"
)

// Endpoint is one kind of request that an operation may make.
type Endpoint struct {
	// Endpoint is the method and the path template in http.ServeMux syntax: "GET /v1/notes/{id}".
	Endpoint string `json:"endpoint"`
	// Bucket names the rate limit that the requests count against.
	Bucket string `json:"bucket"`
	// Scopes are the OAuth scopes for the request. The token needs one of them.
	Scopes []string `json:"scopes,omitempty"`
	// Optional says that the operation does without the endpoint. With OAuth, its scopes may be missing.
	Optional bool `json:"optional,omitempty"`
	// Class is what a request to the endpoint does. The request is allowed if that is read, or the effective class
	// for the input. The default is read for GET, else the operation's class. An operation with ClassRules must set
	// it for each method but GET, or use ClassOfInput.
	Class Class `json:"class,omitempty"`
	// ClassRules set another class by the top-level members of the request's body.
	ClassRules []ClassRule `json:"class_rules,omitempty"`
	// Sensitive are the members of responses that the host removes before the guest gets the body: object keys joined by
	// dots, at any depth, and in each element of an array. A member whose value is a sensitive value of the input stays.
	Sensitive []string `json:"sensitive,omitempty"`
	// Reveals are those of Sensitive that the guest gets nevertheless, because the operation outputs them. A request of
	// class read must not have any. The result of such a call is sensitive, whatever the guest says of it.
	Reveals []string `json:"reveals,omitempty"`
	// Query are the names that a request's query may have, a link's included. It may have no others. A GET of a module of
	// minor version 0, which has no Query, may have any name that does not override the method.
	Query []string `json:"query,omitempty"`
	// Headers are the request headers that the guest may set, besides those of every request: see RequestHeader.
	Headers []RequestHeader `json:"headers,omitempty"`
	// Delimiters are the names of blanks whose values may have characters that divide a URL: see CheckBlank. They are
	// sent escaped. Declare a blank only if the service and every gateway before it read the escaped characters as
	// part of the value.
	Delimiters []string `json:"delimiters,omitempty"`
	// Guards are checks by the host before a request.
	Guards []Guard `json:"guards,omitempty"`
}

// RequestHeader is a header that a guest may set in the requests to an endpoint. Every request may have Content-Type,
// Accept with application/json, and the credential's header.
type RequestHeader struct {
	Name string `json:"name"` // one of RequestHeaders, but not Content-Type
	// Values are the values that the header may have. Only If-Match may have none: it then takes any single entity tag.
	Values []string `json:"values,omitempty"`
}

// Header returns what the endpoint declares about a header, in canonical form. ok is false if it does not declare it.
func (e Endpoint) Header(name string) (h RequestHeader, ok bool) {
	for _, h := range e.Headers {
		if h.Name == name {
			return h, true
		}
	}
	return h, false
}

// Divides reports whether the values of a blank may have characters that divide a URL.
func (e Endpoint) Divides(blank string) bool {
	for _, name := range e.Delimiters {
		if name == blank {
			return true
		}
	}
	return false
}

// ClassOfInput, as Endpoint.Class, stands for the effective class. It is for requests whose effect depends on what
// the input names: adding a member is a write for a group, and privileged for a group of administrators.
const ClassOfInput Class = "input"

// Method returns the HTTP method of the endpoint.
func (e Endpoint) Method() string { m, _, _ := strings.Cut(e.Endpoint, " "); return m }

// Template returns the path template of the endpoint.
func (e Endpoint) Template() string { _, t, _ := strings.Cut(e.Endpoint, " "); return t }

const plainSegment = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// Blank reports whether a segment of a template is a blank, and returns its name.
func Blank(segment string) (name string, ok bool) {
	if len(segment) < 3 || segment[0] != '{' || segment[len(segment)-1] != '}' {
		return "", false
	}
	name = segment[1 : len(segment)-1]
	return name, strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// Guard is a check by the host before a request. The host reads something, and the response decides whether the
// request is of another class. A host refuses a module with a kind of guard that it does not know.
type Guard struct {
	Kind string `json:"kind"` // GuardEmpty
	// Read is a GET of the same operation. Its blanks are blanks of the guarded endpoint with the same name, or
	// Blank.
	Read string `json:"read"`
	// Each is a top-level member of the request's body, a string or an array of strings. For each of them, the host
	// fills Blank with it and reads. Set both Each and Blank, or neither.
	Each  string `json:"each,omitempty"`
	Blank string `json:"blank,omitempty"`
	// Path leads to the part of the response to check: object keys joined by dots. Empty is the whole response.
	Path string `json:"path,omitempty"`
	// Statuses are statuses with which the guard holds as well: errors of the service that say that the object does not
	// exist. A 401 or 403 never is: a token may be allowed to write what it may not read.
	Statuses []int `json:"statuses,omitempty"`
	// Class is the class of the request if the guard does not hold.
	Class Class `json:"class"`
}

// GuardEmpty holds if the response is a 200 with an empty array, null or nothing at Path and no next link, or an error
// of the service with one of Statuses. For any other response, the request has the guard's Class.
const GuardEmpty = "empty"
