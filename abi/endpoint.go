package abi

import (
	"strings"
)

// ClassRule sets another class when one field is present (Equals empty; null is present, too) or has a value: of the
// input in Operation.ClassRules, of the request's body in Endpoint.ClassRules. The first rule that fits wins; the class
// beside the rules holds where none does.
//
// Equals is a string, number or boolean as text: "unlock", "10", "true". A number is equal to any way of writing it.
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
	// Endpoint is the method and the path template in http.ServeMux syntax: "GET /api/v1/users/{id}".
	Endpoint string `json:"endpoint"`
	// Bucket names the rate limit that the requests count against.
	Bucket string `json:"bucket"`
	// Scopes are the OAuth scopes of which the token needs one.
	Scopes []string `json:"scopes,omitempty"`
	// Class is what a request to it does: it passes where that is read, or the class in force for the input. Empty is
	// read for GET, else the operation's class; an operation with ClassRules states it for each method but GET, or says
	// ClassOfInput.
	Class Class `json:"class,omitempty"`
	// ClassRules set another class by the top-level members of the request's body.
	ClassRules []ClassRule `json:"class_rules,omitempty"`
	// Sensitive are the members of its answers that a host shows to nobody by itself, as in the state of a plan: object keys
	// joined by dots, of each element where the answer is an array.
	Sensitive []string `json:"sensitive,omitempty"`
	// Query are the names that the query of a request may have. A request other than a GET has no others; a GET without Query
	// may have any. Minor version 0 had no such list, and let every name pass.
	Query []string `json:"query,omitempty"`
	// Guards are the host's own checks before a request.
	Guards []Guard `json:"guards,omitempty"`
}

// ClassOfInput is, as Endpoint.Class alone, the class in force: a request does the same whatever the input says, and the
// input says how much that is. Adding a member to a group is a write; to a group of administrators it is privileged.
const ClassOfInput Class = "input"

// Method is the HTTP method of the endpoint.
func (e Endpoint) Method() string { m, _, _ := strings.Cut(e.Endpoint, " "); return m }

// Template is the path template of the endpoint.
func (e Endpoint) Template() string { _, t, _ := strings.Cut(e.Endpoint, " "); return t }

const plainSegment = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

// Blank reports whether a segment of a template is a blank, and its name.
func Blank(segment string) (name string, ok bool) {
	if len(segment) < 3 || segment[0] != '{' || segment[len(segment)-1] != '}' {
		return "", false
	}
	name = segment[1 : len(segment)-1]
	return name, strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// Guard is a check of the host's own before a request: it reads something, and the answer says whether the request is of
// another class. A host that does not know a kind of guard refuses the module.
type Guard struct {
	Kind string `json:"kind"` // GuardEmpty
	// Read is a GET of the same operation. Each of its blanks is one of the guarded endpoint by the same name, or Blank.
	Read string `json:"read"`
	// Each is a top-level member of the request's body, a string or an array of strings. The host reads once for each of
	// them, which fills Blank. Both or neither are given.
	Each  string `json:"each,omitempty"`
	Blank string `json:"blank,omitempty"`
	// Path leads to what is judged in the answer, object keys joined by dots; empty is the whole answer.
	Path string `json:"path,omitempty"`
	// Class is the request's where the guard does not hold.
	Class Class `json:"class"`
}

// GuardEmpty holds where the answer is 200 and has an empty array, null or nothing at Path. For any other answer the
// request is of Guard.Class.
const GuardEmpty = "empty"
