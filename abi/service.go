//go:build !wasip1

package abi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Auth is one method to authenticate to the service. A host uses the first of Manifest.Auth that it implements and
// that the connection has a credential for.
type Auth struct {
	Type string `json:"type"` // AuthToken or AuthOAuth
	// Header is the request header that carries the credential, in canonical form.
	Header string `json:"header"`
	// Prefix precedes the credential, separated by a space. Empty sends only the credential.
	Prefix string `json:"prefix,omitempty"`

	// TokenEndpoint is where an OAuth client gets its token: "POST /oauth/token". It and the following fields are
	// only for AuthOAuth.
	TokenEndpoint string `json:"token_endpoint,omitempty"`
	// ClientAuth is how the client authenticates there: ClientPrivateKeyJWT.
	ClientAuth string `json:"client_auth,omitempty"`
	// DPoP says that the token endpoint issues tokens bound to a key (RFC 9449).
	DPoP bool `json:"dpop,omitempty"`
	// TokenBucket names the rate limit that requests to the token endpoint count against. Default: its path.
	TokenBucket string `json:"token_bucket,omitempty"`
	// ExpiredCodes are the service's error codes which, with a 403, mean that the token may have expired. They need
	// RateLimitErrors, which says where the code is. A 401 always means it.
	ExpiredCodes []string `json:"expired_codes,omitempty"`
}

// ClientPrivateKeyJWT is an assertion that the client signs with its private key (RFC 7523).
const ClientPrivateKeyJWT = "private_key_jwt"

// reservedHeaders are set by the host or by HTTP itself, and cannot carry a credential.
var reservedHeaders = []string{"Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie",
	"Date", "Expect", "Forwarded", "Host", "If-Match", "Keep-Alive", "Origin", "Prefer", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer",
	"Set-Cookie", "Set-Cookie2", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via", "Www-Authenticate", "X-Forwarded-For",
	"X-Forwarded-Host", "X-Forwarded-Proto", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override", "X-Original-Url", "X-Real-Ip", "X-Rewrite-Url"}

// credentialHeaders are response headers that may hold a credential, or part of one.
var credentialHeaders = []string{"authentication-info", "authorization", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
	"set-cookie", "set-cookie2", "www-authenticate"}

// check returns an error if a host must not authenticate this way. With lenient, types of later minor versions are
// accepted.
func (a Auth) check(lenient bool) error {
	switch {
	case !headerName(a.Header):
		return fmt.Errorf("header %q is not a header name", a.Header)
	case slices.ContainsFunc(reservedHeaders, func(h string) bool { return strings.EqualFold(h, a.Header) }):
		return fmt.Errorf("header %s cannot carry a credential", a.Header)
	case a.Prefix != "" && !headerName(a.Prefix):
		return fmt.Errorf("prefix %q must be one word of letters, digits, '-', '.' and '_'", a.Prefix)
	}
	switch a.Type {
	case AuthToken:
		if a.TokenEndpoint != "" || a.ClientAuth != "" || a.DPoP || a.TokenBucket != "" || a.ExpiredCodes != nil {
			return fmt.Errorf("token_endpoint, client_auth, dpop, token_bucket and expired_codes need type %s", AuthOAuth)
		}
	case AuthOAuth:
		e := Endpoint{Endpoint: a.TokenEndpoint}
		switch err := e.Check(); {
		case err != nil:
			return fmt.Errorf("token_endpoint: %w", err)
		case e.Method() != "POST" || strings.Contains(e.Template(), "{"):
			return fmt.Errorf("token_endpoint %q must be a POST without blanks", a.TokenEndpoint)
		case a.ClientAuth != ClientPrivateKeyJWT:
			return fmt.Errorf("client_auth %q must be %s", a.ClientAuth, ClientPrivateKeyJWT)
		case a.Prefix == "":
			return fmt.Errorf("prefix is missing: an access token has one, such as Bearer")
		case len(a.ExpiredCodes) > maxNames:
			return fmt.Errorf("expired_codes may have %d codes", maxNames)
		}
	default:
		if !lenient {
			return fmt.Errorf("type %q must be %s or %s", a.Type, AuthToken, AuthOAuth)
		}
	}
	return nil
}

// BaseURL describes the base_url of connections.
type BaseURL struct {
	Example  string    `json:"example,omitempty"`  // for messages: "https://example.com"
	Consoles []Console `json:"consoles,omitempty"` // hosts that are often mistaken for the API's
}

// Console is the host of an administration console. A host refuses it as base_url and suggests the API's host.
type Console struct {
	Suffix string `json:"suffix"` // end of a console's host, such as "-admin.example.com"
	Use    string `json:"use"`    // its replacement in the API's host, such as ".example.com"
}

func (b *BaseURL) check() error {
	if b == nil {
		return nil
	}
	if u, err := url.Parse(b.Example); b.Example != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("example %q must be an https address", b.Example)
	}
	for _, c := range b.Consoles {
		if !hostSuffix(c.Suffix) || !hostSuffix(c.Use) {
			return fmt.Errorf("console %q: suffix and use must be the end of a host, in lower case, such as -admin.example.com", c.Suffix)
		}
	}
	return nil
}

func hostSuffix(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && strings.Count(s, ".") >= 1 && !strings.HasSuffix(s, ".")
}

// RateLimitHabits describe the service's rate limits beyond RateLimitHeaders.
type RateLimitHabits struct {
	// Reset is the unit of the reset header: ResetEpoch, the default, or ResetDelta.
	Reset string `json:"reset,omitempty"`
	// ZeroLimit is the meaning of a limit of 0 in a 429: ZeroConcurrency, or empty for none.
	ZeroLimit string `json:"zero_limit,omitempty"`
	// WindowSeconds is the length of a window until a response says otherwise. 0 is 60.
	WindowSeconds int `json:"window_seconds,omitempty"`
	// LongestSeconds is the longest wait that is accepted from a response. 0 is WindowSeconds and a quarter.
	LongestSeconds int `json:"longest_seconds,omitempty"`
}

// The values of RateLimitHabits.
const (
	ResetEpoch      = "epoch"       // the end of the window, in epoch seconds by the service's clock
	ResetDelta      = "delta"       // seconds from the response to the end of the window
	ZeroConcurrency = "concurrency" // too many concurrent requests, whatever their bucket
)

// maxHabit is the maximum of the fields of RateLimitHabits in seconds.
const maxHabit = 86_400

func (h *RateLimitHabits) check() error {
	switch {
	case h == nil:
		return nil
	case h.Reset != "" && h.Reset != ResetEpoch && h.Reset != ResetDelta:
		return fmt.Errorf("reset %q must be %s or %s", h.Reset, ResetEpoch, ResetDelta)
	case h.ZeroLimit != "" && h.ZeroLimit != ZeroConcurrency:
		return fmt.Errorf("zero_limit %q must be %s", h.ZeroLimit, ZeroConcurrency)
	case h.WindowSeconds < 0 || h.WindowSeconds > maxHabit || h.LongestSeconds < 0 || h.LongestSeconds > maxHabit:
		return fmt.Errorf("window_seconds and longest_seconds must be 1 to %d", maxHabit)
	case h.LongestSeconds > 0 && h.LongestSeconds < h.Window():
		return fmt.Errorf("longest_seconds (%d) must not be less than a window (%d)", h.LongestSeconds, h.Window())
	}
	return nil
}

// Window returns the length of a window in seconds, until a response says otherwise.
func (h *RateLimitHabits) Window() int {
	if h == nil || h.WindowSeconds == 0 {
		return 60
	}
	return h.WindowSeconds
}

// Longest returns the longest wait that is accepted from a response, in seconds.
func (h *RateLimitHabits) Longest() int {
	if h == nil || h.LongestSeconds == 0 {
		return h.Window() + (h.Window()+3)/4
	}
	return h.LongestSeconds
}

// check checks that a view is of an operation on surface sql, and that its input has the required fields and no
// unknown ones.
func (v View) check(m *Manifest) error {
	if !name(v.Name) {
		return fmt.Errorf("the name must be lower-case letters, digits and _")
	}
	op := m.operation(v.Operation)
	if op == nil || !op.On(SQL) {
		return fmt.Errorf("operation %q is not one of the module's on surface sql", v.Operation)
	}
	given := map[string]json.RawMessage{}
	if len(v.Input) > 0 {
		if err := json.Unmarshal(v.Input, &given); err != nil || given == nil {
			return fmt.Errorf("the input must be a JSON object")
		}
	}
	for field := range v.Times {
		if given[field] != nil {
			return fmt.Errorf("field %q is in both input and times", field)
		}
		given[field] = json.RawMessage(`""`)
	}
	if v.Of != nil {
		if err := v.Of.check(m, v, op); err != nil {
			return fmt.Errorf("of: %w", err)
		}
		given[v.Of.Input] = json.RawMessage(`""`)
	}
	if err := op.takes(given); err != nil {
		return err
	}
	for _, a := range v.Answers {
		if err := a.check(m, op); err != nil {
			return fmt.Errorf("answer %q: %w", a.Operation, err)
		}
	}
	return nil
}

// maxMatch is the maximum length of ViewOf.Match, in bytes.
const maxMatch = 256

// check returns an error unless the view's rows can be found for the rows of another view.
func (o *ViewOf) check(m *Manifest, v View, op *Operation) error {
	i := slices.IndexFunc(m.Views, func(other View) bool { return other.Name == o.View })
	if i < 0 || m.Views[i].Of != nil || m.Views[i].Times != nil {
		return fmt.Errorf("view %q must be a view without of and times", o.View)
	}
	parent := m.operation(m.Views[i].Operation)
	switch {
	case parent == nil || !slices.ContainsFunc(parent.Columns, func(c Column) bool { return c.Name == o.Column && c.Type == Varchar }):
		return fmt.Errorf("the view %q has no column %q of type %s", o.View, o.Column, Varchar)
	case v.Times != nil || v.Answers != nil:
		return fmt.Errorf("a view with of has no times and no answers")
	case !name(o.As) || op.hasColumn(o.As):
		return fmt.Errorf("as %q is not a name, or a column has it", o.As)
	case len(o.Match) > maxMatch:
		return fmt.Errorf("match is longer than %d bytes", maxMatch)
	}
	if _, err := regexp.Compile(o.Match); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	return nil
}

// maxAnswers is the maximum number of a view's answers, and maxEach of calls for one answer.
const (
	maxAnswers = 16
	maxEach    = 1000
)

// check returns an error unless the answer is an operation with the columns of the view's, which are those of op, and
// names only inputs and columns that exist.
func (a Answer) check(m *Manifest, op *Operation) error {
	own := m.operation(a.Operation)
	if own == nil || !own.On(SQL) || own.Class != Read {
		return fmt.Errorf("the operation is not one of class read on surface sql")
	}
	if own.Key != op.Key {
		return fmt.Errorf("its key %q must be the view's, %q", own.Key, op.Key)
	}
	for _, c := range op.Columns {
		i := slices.IndexFunc(own.Columns, func(o Column) bool { return o.Name == c.Name })
		if i < 0 || own.Columns[i].Type != c.Type || own.Columns[i].Path != c.Path || !slices.Equal(own.Columns[i].Or, c.Or) {
			return fmt.Errorf("it lacks the column %q of the view, or has another of that name", c.Name)
		}
	}
	given := map[string]json.RawMessage{}
	if len(a.Input) > 0 {
		if err := json.Unmarshal(a.Input, &given); err != nil || given == nil {
			return fmt.Errorf("the input must be a JSON object")
		}
	}
	add := func(field string) error {
		if field != "" && given[field] != nil {
			return fmt.Errorf("field %q has two values", field)
		}
		if field != "" {
			given[field] = json.RawMessage(`""`)
		}
		return nil
	}
	if err := add(a.Filter); err != nil {
		return err
	}
	if a.Each < 0 || a.Each > maxEach {
		return fmt.Errorf("each must be 0 to %d", maxEach)
	}
	values := map[string]bool{} // several columns may share the input for one value
	for _, c := range a.Conditions {
		if err := c.check(a, op); err != nil {
			return fmt.Errorf("column %q: %w", c.Column, err)
		}
		if values[c.Value] {
			continue
		}
		for _, field := range []string{c.Value, c.From, c.To} {
			if err := add(field); err != nil {
				return err
			}
		}
		values[c.Value] = c.Value != ""
	}
	for _, o := range a.Orders {
		if !op.hasColumn(o.Column) || o.Input == "" || o.Ascending == "" && o.Descending == "" {
			return fmt.Errorf("an order needs a column of the view, an input, and ascending or descending")
		}
		if err := add(o.Input); err != nil {
			return err
		}
	}
	return own.takes(given)
}

func (o *Operation) hasColumn(name string) bool {
	return slices.ContainsFunc(o.Columns, func(c Column) bool { return c.Name == name })
}

// check returns an error unless the condition has one way to express it.
func (c Condition) check(a Answer, op *Operation) error {
	ways := 0
	for _, way := range []bool{c.Name != "", c.Value != "", c.From != "" || c.To != ""} {
		if way {
			ways++
		}
	}
	i := slices.IndexFunc(op.Columns, func(o Column) bool { return o.Name == c.Column })
	switch {
	case i < 0:
		return fmt.Errorf("the view lacks it")
	case ways != 1:
		return fmt.Errorf("give one of name, value, and from or to")
	case c.Name != "" && (a.Filter == "" || len(c.Operators) == 0):
		return fmt.Errorf("name needs filter and operators")
	case c.Name != "" && strings.Trim(c.Name, attributeName) != "":
		return fmt.Errorf("name %q has characters other than letters, digits, colons and ._-", c.Name)
	case (c.From != "" || c.To != "") && op.Columns[i].Type != TimestampTZ:
		return fmt.Errorf("from and to need a column of type %s", TimestampTZ)
	case c.Precision != "" && c.Precision != PrecisionMillisecond && c.Precision != PrecisionSecond:
		return fmt.Errorf("precision %q must be %s or %s", c.Precision, PrecisionMillisecond, PrecisionSecond)
	}
	for i, o := range c.Operators {
		switch o {
		case OperatorEqual, OperatorStarts, OperatorAtLeast, OperatorAtMost, OperatorPresent:
		default:
			return fmt.Errorf("operator %q must be eq, sw, ge, le or pr", o)
		}
		if slices.Contains(c.Operators[:i], o) {
			return fmt.Errorf("operator %q is listed twice", o)
		}
	}
	return nil
}

// attributeName are the characters of an attribute's name in a filter.
const attributeName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:"

// takes checks that the fields of an input are in the operation's schema, and that it has the required ones.
func (o *Operation) takes(given map[string]json.RawMessage) error {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	if err := json.Unmarshal(o.InputSchema, &s); err != nil {
		return fmt.Errorf("the input_schema of %s: %w", o.Name, err)
	}
	for field := range given {
		if s.Properties[field] == nil {
			return fmt.Errorf("%s has no input field %q", o.Name, field)
		}
	}
	for _, field := range s.Required {
		if given[field] == nil {
			return fmt.Errorf("%s requires the field %q", o.Name, field)
		}
	}
	return nil
}

func (b *Backfill) check(m *Manifest, source *Operation) error {
	op := m.operation(b.Operation)
	switch {
	case !source.On(Ingest):
		return fmt.Errorf("backfill is only for operations on surface ingest")
	case op == nil || !op.On(SQL) || op.Single:
		return fmt.Errorf("backfill: operation %q is not one of the module's lists on surface sql", b.Operation)
	case b.Time == "" || strings.ContainsAny(b.Time, ".\\|*?#@"):
		return fmt.Errorf("backfill: time %q must be a top-level member", b.Time)
	}
	if err := op.takes(map[string]json.RawMessage{"since": json.RawMessage(`""`), "until": json.RawMessage(`""`)}); err != nil {
		return fmt.Errorf("backfill: %w", err)
	}
	return nil
}

func (g Guard) check(o *Operation, e Endpoint) error {
	read := Endpoint{Endpoint: g.Read}
	switch {
	case g.Kind == "":
		return fmt.Errorf("guard: kind is missing")
	case g.Kind != GuardEmpty:
		return nil // a later kind may have other fields; a host that does not know it refuses the module
	case !slices.ContainsFunc(o.Endpoints, func(e Endpoint) bool { return e.Endpoint == g.Read }) || read.Method() != "GET":
		return fmt.Errorf("guard: read %q is not a GET of the operation", g.Read)
	case (g.Each == "") != (g.Blank == ""):
		return fmt.Errorf("guard: set both each and blank, or neither")
	case g.Each != "" && !hasBody(e.Method()):
		return fmt.Errorf("guard: each %q is a member of the body, but a %s has no body", g.Each, e.Method())
	case !slices.Contains(o.Classes(), g.Class) || !g.Class.Allows(e.Method()):
		return fmt.Errorf("guard: class %q must be one that the operation has and its method allows", g.Class)
	}
	if i := slices.IndexFunc(o.Endpoints, func(e Endpoint) bool { return e.Endpoint == g.Read }); g.Path != "" {
		for _, p := range o.Endpoints[i].Sensitive { // it would be empty because the host removes it
			if strings.Contains("."+g.Path+".", "."+p+".") {
				return fmt.Errorf("guard: path %q has the sensitive member %s of its read", g.Path, p)
			}
		}
	}
	for _, status := range g.Statuses {
		if !lasts(status) {
			return fmt.Errorf("guard: status %d must be an answer about the object: 400 to 499, but not 401, 403, 408 or 429", status)
		}
	}
	blanks := e.blanks()
	for _, b := range read.blanks() {
		if b != g.Blank && !slices.Contains(blanks, b) {
			return fmt.Errorf("guard: blank {%s} is not a blank of the endpoint", b)
		}
	}
	if g.Blank != "" && !slices.Contains(read.blanks(), g.Blank) {
		return fmt.Errorf("guard: blank %q is not a blank of read", g.Blank)
	}
	return nil
}

// lasts reports whether a guard may hold by an error with a status. A 401 or 403 says that the token may not read, and
// nothing of the object: a token may be allowed to write what it may not read.
func lasts(status int) bool {
	switch status {
	case 401, 403, 408, 429:
		return false
	}
	return status >= 400 && status <= 499
}

// blanks returns the names of the endpoint's blanks.
func (e Endpoint) blanks() (names []string) {
	for _, seg := range strings.Split(e.Template(), "/") {
		if name, ok := Blank(seg); ok {
			names = append(names, name)
		}
	}
	return names
}

// timeLayout is the form of a time layout: six parts with one character between them, and optionally Z.
var timeLayout = regexp.MustCompile(`^((YYYY|MM|DD|hh|mm|ss)[ \-/:.T]){5}(YYYY|MM|DD|hh|mm|ss)Z?$`)

// TimeLayout returns the layout for package time that corresponds to one of Manifest.TimeLayouts.
func TimeLayout(s string) (layout string, err error) {
	if !timeLayout.MatchString(s) {
		return "", fmt.Errorf("time layout %q must be YYYY, MM, DD, hh, mm and ss with one character of ' -/:.T' between them", s)
	}
	for _, part := range []struct{ name, layout string }{
		{"YYYY", "2006"}, {"MM", "01"}, {"DD", "02"}, {"hh", "15"}, {"mm", "04"}, {"ss", "05"},
	} {
		if strings.Count(s, part.name) != 1 {
			return "", fmt.Errorf("time layout %q must have %s exactly once", s, part.name)
		}
		s = strings.Replace(s, part.name, part.layout, 1)
	}
	return s, nil
}

// Limits of the manifest's lists.
const (
	maxNames = 64 // response headers, content-type parameters, query names of an endpoint
	maxTimes = 4  // time layouts
)

// checkService returns the first reason for which a host must not accept what the manifest says of its service.
func (m *Manifest) checkService() error {
	if len(m.Auth) == 0 {
		return errors.New("auth is missing: a module of minor version 1 must have one")
	}
	for i, a := range m.Auth {
		if err := a.check(m.Minor > Minor); err != nil {
			return fmt.Errorf("auth: %w", err)
		}
		if slices.ContainsFunc(m.Auth[:i], func(b Auth) bool { return b.Type == a.Type }) {
			return fmt.Errorf("auth: type %s is listed twice", a.Type)
		}
	}
	if err := m.BaseURL.check(); err != nil {
		return fmt.Errorf("base_url: %w", err)
	}
	if err := m.RateLimitHabits.check(); err != nil {
		return fmt.Errorf("rate_limit_habits: %w", err)
	}
	if err := m.checkNames(); err != nil {
		return err
	}
	views := map[string]bool{}
	for _, v := range m.Views {
		if views[v.Name] {
			return fmt.Errorf("view %q is listed twice", v.Name)
		}
		views[v.Name] = true
		if len(v.Answers) > maxAnswers {
			return fmt.Errorf("view %q may have %d answers", v.Name, maxAnswers)
		}
		if err := v.check(m); err != nil {
			return fmt.Errorf("view %q: %w", v.Name, err)
		}
	}
	for i := range m.Operations {
		if op := &m.Operations[i]; op.Backfill != nil {
			if err := op.Backfill.check(m, op); err != nil {
				return fmt.Errorf("operation %q: %w", op.Name, err)
			}
		}
	}
	return nil
}

// checkNames checks the names of headers and parameters, and the time layouts.
func (m *Manifest) checkNames() error {
	if h := m.RequestIDHeader; h != "" && (!headerName(h) || m.isCredential(h)) {
		return fmt.Errorf("request_id_header: %q is not a response header", h)
	}
	for _, h := range m.ResponseHeaders {
		switch {
		case !headerName(h) || h != strings.ToLower(h):
			return fmt.Errorf("response_headers: %q must be a header name in lower case", h)
		case slices.Contains(credentialHeaders, h):
			return fmt.Errorf("response_headers: %s may hold a credential", h)
		case m.isCredential(h):
			return fmt.Errorf("response_headers: %s carries the credential", h)
		}
	}
	for _, p := range m.ContentTypeParameters {
		if !headerName(p) {
			return fmt.Errorf("content_type_parameters: %q is not a parameter name", p)
		}
	}
	if len(m.ResponseHeaders) > maxNames || len(m.ContentTypeParameters) > maxNames || len(m.TimeLayouts) > maxTimes {
		return fmt.Errorf("response_headers and content_type_parameters may have %d names each, and time_layouts %d", maxNames, maxTimes)
	}
	for _, t := range m.TimeLayouts {
		if _, err := TimeLayout(t); err != nil {
			return fmt.Errorf("time_layouts: %w", err)
		}
	}
	return nil
}

// isCredential reports whether a header carries a credential in requests.
func (m *Manifest) isCredential(header string) bool {
	return slices.ContainsFunc(m.Auth, func(a Auth) bool { return strings.EqualFold(a.Header, header) })
}

func (m *Manifest) operation(name string) *Operation {
	for i := range m.Operations {
		if m.Operations[i].Name == name {
			return &m.Operations[i]
		}
	}
	return nil
}

// headerName reports whether s is a header name of letters, digits, '-', '.' and '_'.
func headerName(s string) bool { return s != "" && len(s) <= 64 && strings.Trim(s, plainSegment) == "" }
