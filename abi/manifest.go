//go:build !wasip1

package abi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/internal/subset"
)

// Manifest describes a module and what it needs. The custom section ManifestSection and the describe export contain
// the same bytes of it.
type Manifest struct {
	ABI string `json:"abi"` // Version
	// Minor is the minor version of the ABI that the module is written for. A manifest of minor version 0 omits it,
	// and has no members that came later.
	Minor int `json:"minor,omitempty"`
	// Requires are the features that the module needs.
	Requires []string `json:"requires,omitempty"`

	Kind         string          `json:"kind"`
	Version      string          `json:"version"`
	ConfigSchema json.RawMessage `json:"config_schema"` // JSON Schema 2020-12 of a connection

	Auth    []Auth   `json:"auth,omitempty"`
	BaseURL *BaseURL `json:"base_url,omitempty"`
	// RequestIDHeader is the response header with the service's id of a request.
	RequestIDHeader string `json:"request_id_header,omitempty"`
	// ResponseHeaders are response headers for the guest, in lower case, in addition to those of the function of that
	// name.
	ResponseHeaders []string `json:"response_headers,omitempty"`
	// ContentTypeParameters are the parameters that a request's Content-Type may have. Their values are letters and
	// commas.
	ContentTypeParameters []string `json:"content_type_parameters,omitempty"`
	// TimeLayouts are time formats in records besides RFC 3339, in UTC, such as "YYYY-MM-DD hh:mm:ss". Fractions of a
	// second are accepted.
	TimeLayouts []string `json:"time_layouts,omitempty"`

	RateLimitHeaders RateLimitHeaders `json:"rate_limit_headers"`
	RateLimitHabits  *RateLimitHabits `json:"rate_limit_habits,omitempty"`
	RateLimitErrors  *RateLimitErrors `json:"rate_limit_errors,omitempty"`
	Account          *Account         `json:"account,omitempty"`
	Views            []View           `json:"views,omitempty"` // for SQL
	Operations       []Operation      `json:"operations"`
}

// Additions returns the number of operations that are additions.
func (m *Manifest) Additions() (n int) {
	for i := range m.Operations {
		if m.Operations[i].Addition {
			n++
		}
	}
	return n
}

// Account says how a host reads the account of a connection's credential, for its audit of writes.
type Account struct {
	Endpoint Endpoint `json:"endpoint"`       // a GET without blanks, of class read
	ID       string   `json:"id"`             // path of the account's id in the response: object keys joined by dots
	Name     string   `json:"name,omitempty"` // path of its name
}

// check returns an error if a host must not read the account this way.
func (a *Account) check() error {
	e := a.Endpoint
	if err := e.Check(); err != nil {
		return err
	}
	switch {
	case e.Method() != "GET" || e.Class != "" && e.Class != Read || e.ClassRules != nil:
		return fmt.Errorf("endpoint %q must be a GET of class read", e.Endpoint)
	case strings.Contains(e.Template(), "{"):
		return fmt.Errorf("endpoint %q must have no blank", e.Endpoint)
	case len(e.Bucket) == 0:
		return fmt.Errorf("endpoint %q has no bucket", e.Endpoint)
	case a.ID == "":
		return fmt.Errorf("id is missing")
	}
	return nil
}

// RateLimitHeaders names the response headers about a bucket: the requests per window, those left in it, and when it
// ends (see RateLimitHabits.Reset).
type RateLimitHeaders struct {
	Limit     string `json:"limit"`
	Remaining string `json:"remaining"`
	Reset     string `json:"reset"`
}

// RateLimitErrors says how to read the body of a 429. A service may have limits other than its buckets, for example
// one e-mail per recipient and minute; such a 429 says nothing about the bucket. Without RateLimitErrors, every 429
// counts for the bucket.
type RateLimitErrors struct {
	Code    string   `json:"code"`              // path of the error's code in the body: object keys joined by dots
	Summary string   `json:"summary,omitempty"` // path of its text
	Buckets []string `json:"buckets"`           // codes of the bucket's limit; any other code is another limit
	// Wait is a regular expression (RE2) for the text. Its one group is the number of seconds to wait.
	Wait string `json:"wait,omitempty"`
}

// maxWait is the maximum length of RateLimitErrors.Wait, in bytes.
const maxWait = 256

// Check returns an error if a host must not accept it. Nil is valid.
func (r *RateLimitErrors) Check() error {
	switch {
	case r == nil:
		return nil
	case r.Code == "" || len(r.Buckets) == 0:
		return fmt.Errorf("rate_limit_errors: code and buckets are required")
	case len(r.Wait) > maxWait:
		return fmt.Errorf("rate_limit_errors: wait is longer than %d bytes", maxWait)
	case r.Wait == "":
		return nil
	}
	if re, err := regexp.Compile(r.Wait); err != nil || re.NumSubexp() != 1 {
		return fmt.Errorf("rate_limit_errors: wait %q must be a regular expression with exactly one group", r.Wait)
	}
	return nil
}

// Operation is one operation of the module.
type Operation struct {
	Name string `json:"name"`
	// Addition says that the platform's published table of operations does not have this one.
	Addition    bool            `json:"addition,omitempty"`
	Summary     string          `json:"summary"`
	Class       Class           `json:"class"`
	ClassRules  []ClassRule     `json:"class_rules,omitempty"`
	Surfaces    []Surface       `json:"surfaces"`
	Idempotency Idempotency     `json:"idempotency"`
	InputSchema json.RawMessage `json:"input_schema"`      // JSON Schema 2020-12
	Example     json.RawMessage `json:"example,omitempty"` // a valid input
	Columns     []Column        `json:"columns,omitempty"`
	Single      bool            `json:"single,omitempty"` // as a table, it has at most one row
	// Display lists the columns that a table for people shows, the most useful first. A column of type JSON may be
	// followed by a colon and a path: then only the value at that path is shown, of the value or of each element of
	// an array.
	Display   []string   `json:"display,omitempty"`
	Key       string     `json:"key,omitempty"` // path of a record's key, which is stable and unique within the connection
	Endpoints []Endpoint `json:"endpoints"`
	// Rejections are codes of errors with which the operation itself refuses (outcome rejected), besides the service's refusals.
	Rejections []string `json:"rejections,omitempty"`
	// Backfill names, for a source, the operation that reads a closed range of the same records.
	Backfill *Backfill `json:"backfill,omitempty"`
}

// Column is one typed column of an operation's rows.
type Column struct {
	Name        string     `json:"name"`
	Type        ColumnType `json:"type"`
	Path        string     `json:"path"` // in the record: object keys joined by dots; empty is the whole record
	Description string     `json:"description,omitempty"`
	// Or are alternative paths. The column has the first value other than null, at Path and then at these.
	Or []string `json:"or,omitempty"`
}

// hasBody reports whether requests of a method have a body.
func hasBody(method string) bool { return method != "GET" && method != "DELETE" }

// Check returns an error unless the endpoint is a method and a plain absolute path whose blanks are whole segments.
func (e Endpoint) Check() error {
	method, template, ok := strings.Cut(e.Endpoint, " ")
	if !ok {
		return fmt.Errorf("endpoint %q: want a method, a space and a path", e.Endpoint)
	}
	switch method {
	case "GET", "POST", "PUT", "PATCH", "DELETE":
	default:
		return fmt.Errorf("endpoint %q: method %q must be GET, POST, PUT, PATCH or DELETE", e.Endpoint, method)
	}
	if !strings.HasPrefix(template, "/") || len(template) < 2 {
		return fmt.Errorf("endpoint %q: the path must be absolute", e.Endpoint)
	}
	seen := map[string]bool{}
	for _, seg := range strings.Split(template[1:], "/") {
		name, blank := Blank(seg)
		switch {
		case blank && seen[name]:
			return fmt.Errorf("endpoint %q: blank {%s} is listed twice", e.Endpoint, name)
		case blank:
			seen[name] = true
		case seg == "" || seg == "." || seg == "..":
			return fmt.Errorf("endpoint %q: segment %q is not plain", e.Endpoint, seg)
		case strings.Trim(seg, plainSegment) != "":
			return fmt.Errorf("endpoint %q: segment %q has characters other than letters, digits and -._", e.Endpoint, seg)
		}
	}
	return nil
}

// On reports whether the operation is on a surface.
func (o *Operation) On(s Surface) bool {
	for _, have := range o.Surfaces {
		if have == s {
			return true
		}
	}
	return false
}

// checkABI returns an error for another major version.
func (m *Manifest) checkABI() error {
	if m.ABI != Version {
		return fmt.Errorf("ABI is %q, but this host supports %q", m.ABI, Version)
	}
	return nil
}

// Check returns the first reason for which a host must not accept the manifest.
func (m *Manifest) Check() error {
	if err := m.checkABI(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if m.Minor < 0 {
		return fmt.Errorf("manifest: minor version must not be negative, found %d", m.Minor)
	}
	if member := cmp.Or(m.ofMinor1(), m.ofMinor2()); m.Minor == 0 && member != "" {
		return fmt.Errorf("manifest: %s needs minor version 1, but the manifest is of 0: set minor to 1", member)
	}
	if m.Minor == 1 && slices.ContainsFunc(m.Views, func(v View) bool { return v.Answers != nil || v.Of != nil }) {
		return fmt.Errorf("manifest: answers and of need minor version 2, but the manifest is of 1: set minor to 2")
	}
	if member := m.ofMinor2(); m.Minor == 1 && member != "" {
		return fmt.Errorf("manifest: %s needs minor version 2, but the manifest is of 1: set minor to 2", member)
	}
	for i, f := range m.Requires {
		if !name(f) || slices.Contains(m.Requires[:i], f) {
			return fmt.Errorf("manifest: requires: %q is not a feature's name, or is listed twice", f)
		}
	}
	if !name(m.Kind) {
		return fmt.Errorf("manifest: kind %q must be lower-case letters, digits and _", m.Kind)
	}
	if len(m.ConfigSchema) == 0 || string(m.ConfigSchema) == "null" {
		return fmt.Errorf("manifest: config_schema is missing")
	}
	if _, err := subset.Check(m.ConfigSchema); err != nil {
		return fmt.Errorf("manifest: config_schema: %w", err)
	}
	if len(m.Operations) == 0 {
		return fmt.Errorf("manifest: it has no operations")
	}
	if err := m.RateLimitErrors.Check(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if m.Account != nil {
		if err := m.Account.check(); err != nil {
			return fmt.Errorf("manifest: account: %w", err)
		}
	}
	seen := map[string]bool{}
	for i := range m.Operations {
		op := &m.Operations[i]
		if seen[op.Name] {
			return fmt.Errorf("manifest: operation %q is listed twice", op.Name)
		}
		seen[op.Name] = true
		if err := op.Check(); err != nil {
			return fmt.Errorf("manifest: operation %q: %w", op.Name, err)
		}
	}
	if m.Minor == 0 {
		return nil
	}
	if err := m.checkService(); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

// Check returns the first reason for which a host must not accept the operation.
func (o *Operation) Check() error {
	if !name(o.Name) {
		return fmt.Errorf("the name must be lower-case letters, digits and _")
	}
	if !o.Class.Valid() {
		return fmt.Errorf("class %q must be read, write, destructive or privileged", o.Class)
	}
	for _, r := range o.ClassRules {
		if !r.Class.Valid() || r.Field == "" {
			return fmt.Errorf("class rule %+v is incomplete", r)
		}
		if err := r.checkField(o.InputSchema); err != nil {
			return err
		}
	}
	if err := o.checkSurfaces(); err != nil {
		return err
	}
	switch o.Idempotency {
	case Safe, Idempotent, Verified, Keyed:
	default:
		return fmt.Errorf("idempotency %q must be safe, idempotent, verified or keyed", o.Idempotency)
	}
	if len(o.InputSchema) == 0 || string(o.InputSchema) == "null" {
		return fmt.Errorf("input_schema is missing")
	}
	if _, err := subset.Check(o.InputSchema); err != nil {
		return fmt.Errorf("input_schema: %w", err)
	}
	if err := o.checkEndpoints(); err != nil {
		return err
	}
	if err := o.checkColumns(); err != nil {
		return err
	}
	for i, code := range o.Rejections {
		if !name(code) || slices.Contains(o.Rejections[:i], code) {
			return fmt.Errorf("rejections: %q is not a name, or is listed twice", code)
		}
	}
	return o.checkDisplay()
}

func (o *Operation) checkSurfaces() error {
	if len(o.Surfaces) == 0 {
		return fmt.Errorf("surfaces is empty")
	}
	for _, s := range o.Surfaces {
		switch s {
		case Axon:
		case Ingest, SQL:
			if len(o.ClassRules) > 0 || o.Class != Read {
				return fmt.Errorf("surface %q allows only operations of class read", s)
			}
		default:
			return fmt.Errorf("surface %q must be axon, ingest or sql", s)
		}
	}
	return nil
}

func (o *Operation) checkEndpoints() error {
	if len(o.Endpoints) == 0 {
		return fmt.Errorf("endpoints is empty")
	}
	seen := map[string]bool{}
	for _, e := range o.Endpoints {
		if err := e.Check(); err != nil {
			return err
		}
		if seen[e.Endpoint] {
			return fmt.Errorf("endpoint %q is listed twice", e.Endpoint)
		}
		seen[e.Endpoint] = true
		if e.Bucket == "" {
			return fmt.Errorf("endpoint %q has no bucket", e.Endpoint)
		}
		if err := o.checkClasses(e); err != nil {
			return err
		}
		if err := e.checkDeclared(); err != nil {
			return fmt.Errorf("endpoint %q: %w", e.Endpoint, err)
		}
		for _, g := range e.Guards {
			if err := g.check(o, e); err != nil {
				return fmt.Errorf("endpoint %q: %w", e.Endpoint, err)
			}
		}
	}
	return nil
}

func (o *Operation) checkColumns() error {
	columns := map[string]bool{}
	for _, c := range o.Columns {
		if !name(c.Name) || columns[c.Name] {
			return fmt.Errorf("column %q is not a name, or is listed twice", c.Name)
		}
		columns[c.Name] = true
		switch c.Type {
		case Varchar, Boolean, BigInt, Double, TimestampTZ, JSON:
		default:
			return fmt.Errorf("column %q: type %q is not known", c.Name, c.Type)
		}
	}
	return nil
}

// checkDisplay returns an error if Display has an unknown or repeated column, or a path for a column that is not
// JSON.
func (o *Operation) checkDisplay() error {
	seen := map[string]bool{}
	for _, entry := range o.Display {
		name, path, hasPath := strings.Cut(entry, ":")
		i := slices.IndexFunc(o.Columns, func(c Column) bool { return c.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("display: %q is not a column", name)
		case seen[name]:
			return fmt.Errorf("display: column %q is listed twice", name)
		case hasPath && (path == "" || o.Columns[i].Type != JSON):
			return fmt.Errorf("display: %q: only a column of type JSON may have a path, which must not be empty", entry)
		}
		seen[name] = true
	}
	return nil
}

// Classes returns the classes that inputs of the operation can have, its own first.
func (o *Operation) Classes() []Class {
	all := []Class{o.Class}
	for _, r := range o.ClassRules {
		if !slices.Contains(all, r.Class) {
			all = append(all, r.Class)
		}
	}
	return all
}

// ClassOf returns the class of requests to one of the operation's endpoints, without the endpoint's own rules.
func (o *Operation) ClassOf(e Endpoint) Class {
	switch {
	case e.Class != "":
		return e.Class
	case e.Method() == "GET":
		return Read
	}
	return o.Class
}

// checkClasses checks that an endpoint's classes are read or among the operation's, and allow its method.
func (o *Operation) checkClasses(e Endpoint) error {
	if e.Class == "" && e.Method() != "GET" && len(o.ClassRules) > 0 {
		return fmt.Errorf("endpoint %q has no class, but needs one, since the operation's class depends on its input", e.Endpoint)
	}
	classes := []Class{o.ClassOf(e)}
	if e.Class == ClassOfInput {
		if len(o.ClassRules) == 0 || e.Method() == "GET" {
			return fmt.Errorf("endpoint %q has class input, which needs class rules of the operation and a method other than GET", e.Endpoint)
		}
		classes = o.Classes()
	}
	for _, r := range e.ClassRules {
		if r.Field == "" {
			return fmt.Errorf("endpoint %q: class rule %+v is incomplete", e.Endpoint, r)
		}
		classes = append(classes, r.Class)
	}
	if len(e.ClassRules) > 0 && !hasBody(e.Method()) {
		return fmt.Errorf("endpoint %q has class rules, but its requests have no body", e.Endpoint)
	}
	for _, c := range classes {
		switch {
		case c != Read && !slices.Contains(o.Classes(), c):
			return fmt.Errorf("endpoint %q has class %q, which no input of the operation has", e.Endpoint, c)
		case !c.Allows(e.Method()):
			return fmt.Errorf("endpoint %q exceeds class %s: %s", e.Endpoint, c, methodsOf(e.Method()))
		}
	}
	return nil
}

// methodsOf says which classes allow a method.
func methodsOf(method string) string {
	var allow []string
	for _, c := range Classes() {
		if c.Allows(method) {
			allow = append(allow, string(c))
		}
	}
	return "read allows GET alone, and " + method + " is for the classes " + strings.Join(allow, ", ")
}

// checkField checks that the schema has the rule's field and allows its value. A misspelt rule would have no effect.
func (r ClassRule) checkField(schema json.RawMessage) error {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return fmt.Errorf("its input_schema: %w", err)
	}
	field, ok := s.Properties[r.Field]
	if !ok {
		return fmt.Errorf("class rule for %q: input_schema has no property of that name", r.Field)
	}
	var values struct {
		Enum []any `json:"enum"`
	}
	if r.Equals == "" || json.Unmarshal(field, &values) != nil || values.Enum == nil {
		return nil
	}
	for _, v := range values.Enum {
		if fmt.Sprint(v) == r.Equals {
			return nil
		}
	}
	return fmt.Errorf("class rule for %s %q: input_schema does not have this value", r.Field, r.Equals)
}

func name(s string) bool {
	if s == "" || len(s) > 64 || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
