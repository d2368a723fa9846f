package abi

import (
	"strings"
)

// ClassRule sets another class if Field has the value Equals. If Equals is empty, it does so if Field is present, even as
// null. Rules in Operation.ClassRules test the input, and rules in Endpoint.ClassRules the request's body. The first
// matching rule wins. If none matches, the Class of the operation or endpoint applies.
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
	// Optional says that the operation works without the endpoint. With OAuth, the token may lack the endpoint's scopes.
	Optional bool `json:"optional,omitempty"`
	// Class is the class of a request to the endpoint. The host allows the request if Class is read, or is the effective
	// class for the input. The default is read for GET, else the operation's class. An operation with ClassRules must
	// set Class for each method but GET, or use ClassOfInput.
	Class Class `json:"class,omitempty"`
	// ClassRules set another class by the top-level members of the request's body.
	ClassRules []ClassRule `json:"class_rules,omitempty"`
	// Sensitive are the members of responses that the host removes before the guest gets the body. Each is a path of
	// object keys joined by dots. It matches at any depth, and in each element of an array. The host keeps a member whose
	// value is a sensitive value of the input.
	Sensitive []string `json:"sensitive,omitempty"`
	// Reveals are those of Sensitive that the guest gets nevertheless, because the operation outputs them. A request of
	// class read must not have any. The host treats the result of such a call as sensitive, even if the guest does not.
	Reveals []string `json:"reveals,omitempty"`
	// Query are the only names that the query of a request may have, also if the request follows a link. Modules of minor
	// version 0 have no Query: their GETs may have any name that does not override the method.
	Query []string `json:"query,omitempty"`
	// Headers are the request headers that the guest may set, in addition to those that every request may have: see
	// RequestHeader.
	Headers []RequestHeader `json:"headers,omitempty"`
	// Delimiters are the names of blanks whose values may have characters that divide a URL: see CheckBlank. The host
	// sends such characters escaped. Declare a blank only if the service and its gateways read the escaped characters as part
	// of the value.
	Delimiters []string `json:"delimiters,omitempty"`
	// Guards are checks by the host before a request.
	Guards []Guard `json:"guards,omitempty"`
}

// RequestHeader is a header that a guest may set in the requests to an endpoint. Every request may have Content-Type,
// Accept with application/json, and the credential's header.
type RequestHeader struct {
	Name string `json:"name"` // one of RequestHeaders, but not Content-Type
	// Values are the values that the header may have. Only for If-Match may Values be empty: any single entity tag is then
	// allowed.
	Values []string `json:"values,omitempty"`
}

// Header returns what the endpoint declares about the header name, which must be in canonical form. ok is false if the
// endpoint does not declare that header.
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

// ClassOfInput, as Endpoint.Class, means the effective class for the input. Use it for requests whose effect depends on
// the object that the input names. Adding a member to a group, for example, is a write, but privileged for a group of
// administrators.
const ClassOfInput Class = "input"

// Method returns the HTTP method of the endpoint.
func (e Endpoint) Method() string { m, _, _ := strings.Cut(e.Endpoint, " "); return m }

// Template returns the path template of the endpoint.
func (e Endpoint) Template() string { _, t, _ := strings.Cut(e.Endpoint, " "); return t }

const plainSegment = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// Blank reports whether a segment of a path template is a blank, such as "{id}", and returns its name.
func Blank(segment string) (name string, ok bool) {
	if len(segment) < 3 || segment[0] != '{' || segment[len(segment)-1] != '}' {
		return "", false
	}
	name = segment[1 : len(segment)-1]
	return name, strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// Guard is a check that the host makes before a request. The host sends a GET, and its response decides whether the
// request has another class. A host refuses a module with a kind of guard that it does not know.
type Guard struct {
	Kind string `json:"kind"` // GuardEmpty
	// Read is a GET endpoint of the same operation. Each of its blanks is Blank, or has the name of a blank of the guarded
	// endpoint.
	Read string `json:"read"`
	// Each is a top-level member of the request's body, a string or an array of strings. For each string, the host fills
	// Blank with the string and sends Read. Set both Each and Blank, or neither.
	Each  string `json:"each,omitempty"`
	Blank string `json:"blank,omitempty"`
	// Path is the part of the response to check: object keys joined by dots. An empty Path means the whole response.
	Path string `json:"path,omitempty"`
	// Statuses are error statuses for which the guard holds, too. With them, the service says that the object does not
	// exist. They must not include 401 or 403: a token may be allowed to write what it may not read.
	Statuses []int `json:"statuses,omitempty"`
	// Class is the class of the request if the guard does not hold.
	Class Class `json:"class"`
}

// GuardEmpty is the kind of guard that holds in two cases. The response is a 200 without a next link, and has an empty
// array, null or nothing at Path. Or the response is an error of the service with one of Statuses. For any other
// response, the request has the guard's Class.
const GuardEmpty = "empty"
