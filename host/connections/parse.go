package connections

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/nearest"
)

// field is one field of a connection: how it is read, and whether it must be there.
type field struct {
	name     string
	required string // what to write when it is missing; empty is optional
	read     func(*host.Config, ast.Node) error
}

// fields are all that a connection may have.
var fields = []field{
	{"name", "a name of your choice, such as okta-prod", readName},
	{"kind", "kind: okta", func(c *host.Config, n ast.Node) error { return text(n, &c.Kind) }},
	{"base_url", "the org's address, such as https://example.okta.com", func(c *host.Config, n ast.Node) error { return text(n, &c.BaseURL) }},
	{"token_secret_ref", "where the API token is: env:OKTA_API_TOKEN or file:PATH", readReference},
	{"default_page_size", "", func(c *host.Config, n ast.Node) error { return between(n, 1, 1000, &c.DefaultPageSize) }},
	{"initial_lookback_seconds", "", func(c *host.Config, n ast.Node) error { return between(n, 1, 90*86_400, &c.InitialLookbackSeconds) }},
	{"rate_limit_share", "", readShare},
	{"grants", "", func(c *host.Config, n ast.Node) error { return readClasses(n, &c.Grants) }},
	{"approve", "", readApprove},
	{"max_writes_per_minute", "", func(c *host.Config, n ast.Node) error { return between(n, 1, 100_000, &c.MaxWritesPerMinute) }},
	{"max_destructive_per_hour", "", func(c *host.Config, n ast.Node) error { return between(n, 1, 100_000, &c.MaxDestructivePerHour) }},
	{"limits", "", readLimits},
	{"allow_private_network", "", func(c *host.Config, n ast.Node) error { return boolean(n, &c.AllowPrivateNetwork) }},
}

// limits are the fields of a connection's limits: the least and the most that each may be, and where it is kept.
var limits = []struct {
	name        string
	least, most int
	set         func(*host.Limits, int)
}{
	{"call_seconds", 1, 86_400, func(l *host.Limits, n int) { l.CallTimeout = time.Duration(n) * time.Second }},
	{"requests", 1, 1_000_000, func(l *host.Limits, n int) { l.Requests = n }},
	{"request_seconds", 1, 3_600, func(l *host.Limits, n int) { l.RequestTimeout = time.Duration(n) * time.Second }},
	{"body_bytes", 1 << 10, 1 << 30, func(l *host.Limits, n int) { l.BodyBytes = int64(n) }},
	{"held_bytes", 1 << 10, 1 << 40, func(l *host.Limits, n int) { l.HeldBytes = int64(n) }},
	{"result_bytes", 1 << 10, 1 << 40, func(l *host.Limits, n int) { l.ResultBytes = int64(n) }},
	{"records", 1, 100_000_000, func(l *host.Limits, n int) { l.Records = n }},
	{"memory_bytes", 4 << 20, 1 << 30, func(l *host.Limits, n int) { l.MemoryBytes = int64(n) }},
	{"concurrency", 1, 1_000, func(l *host.Limits, n int) { l.Concurrency = n }},
	{"log_bytes", 1 << 10, 1 << 30, func(l *host.Limits, n int) { l.LogBytes = n }},
}

func readLimits(c *host.Config, n ast.Node) error {
	given, err := members(n)
	if e := (*Error)(nil); errors.As(err, &e) {
		return errors.New(e.What)
	}
	for _, m := range given {
		known := false
		var names []string
		for _, l := range limits {
			names = append(names, l.name)
			if known = l.name == m.name; known {
				var v int
				if err := between(m.value, l.least, l.most, &v); err != nil {
					return fmt.Errorf("%s: %w", m.name, err)
				}
				l.set(&c.Limits, v)
				break
			}
		}
		if !known {
			return fmt.Errorf("unknown limit %s: there are %s%s", shown(m.name), strings.Join(names, ", "), didYouMean(m.name, names))
		}
	}
	return nil
}

// literals are names under which people write the secret itself.
var literals = []string{"token", "api_token", "apitoken", "api_key", "apikey", "secret", "password", "authorization"}

// oauth are fields of a connection that signs in with OAuth.
var oauth = []string{"client_id", "client_secret", "private_key", "private_key_ref", "private_key_secret_ref", "key_id", "kid", "scope", "scopes", "oauth", "oauth2",
	"issuer", "authorization_server", "token_url", "auth", "auth_mode", "auth_type", "authorization_mode"}

var (
	namePattern      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	referencePattern = regexp.MustCompile(`^[a-z][a-z0-9]*:.`)
)

// Parse reads the text of a connection file. The error is an *Error without Path.
func Parse(b []byte) ([]host.Config, error) {
	if len(b) > MaxFile {
		return nil, &Error{What: fmt.Sprintf("has over %d bytes, which are the most that are taken", MaxFile)}
	}
	if err := shallow(b); err != nil {
		return nil, err
	}
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, syntaxError(err, b)
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch {
	case len(bodies) == 0:
		return nil, &Error{What: "is empty: it wants a list under connections:"}
	case len(bodies) > 1:
		return nil, at(bodies[1], "a second YAML document: put all connections into one list")
	}
	top, err := members(bodies[0])
	if err != nil {
		return nil, err
	}
	var list ast.Node
	for _, m := range top {
		if m.name != "connections" {
			return nil, at(m.key, "unknown field %s: the file has one field, connections", shown(m.name))
		}
		list = m.value
	}
	if list == nil {
		return nil, at(bodies[0], "no connections: list them under connections:")
	}
	seq, ok := list.(*ast.SequenceNode)
	if !ok {
		return nil, at(list, "connections: want a list, found %s: begin each connection with a dash", kindOf(list))
	}
	if len(seq.Values) == 0 {
		return nil, at(list, "connections: the list is empty")
	}
	var configs []host.Config
	lines := map[string]int{}
	for _, n := range seq.Values {
		c, err := connection(n)
		if err != nil {
			return nil, err
		}
		if first, again := lines[c.Name]; again {
			return nil, at(n, "name %s stands twice, first in line %d: give each connection its own", c.Name, first)
		}
		lines[c.Name] = line(n)
		configs = append(configs, c)
	}
	return configs, nil
}

// Bounds of what the YAML parser is given: it takes minutes for what is nested thousands of levels deep.
const (
	maxLine  = 8 << 10 // bytes of a line, which may hold a level for each two
	maxDepth = 64      // of brackets
)

// shallow reports a text that is nested deeper than any connection file. Brackets in quotes and comments count too.
func shallow(b []byte) error {
	depth, number := 0, 0
	for text := range bytes.Lines(b) {
		if number++; len(text) > maxLine {
			return &Error{Line: number, What: fmt.Sprintf("the line has over %d bytes", maxLine)}
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				if depth++; depth > maxDepth {
					return &Error{Line: number, What: fmt.Sprintf("brackets are nested over %d levels deep", maxDepth)}
				}
			case ']', '}':
				depth = max(depth-1, 0)
			}
		}
	}
	return nil
}

// connection reads one entry of the list.
func connection(n ast.Node) (host.Config, error) {
	var c host.Config
	given, err := members(n)
	if err != nil {
		return c, err
	}
	for _, m := range given {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == m.name })
		if i < 0 {
			return c, at(m.key, "%s", unknownField(m.name))
		}
		if err := fields[i].read(&c, m.value); err != nil {
			return c, at(m.value, "%s: %v", m.name, err)
		}
	}
	for _, f := range fields {
		if f.required != "" && !slices.ContainsFunc(given, func(m member) bool { return m.name == f.name }) {
			return c, at(n, "connection%s has no %s: write %s", named(c.Name), f.name, f.required)
		}
	}
	if !c.AllowPrivateNetwork && thisMachine(c.BaseURL) {
		for _, m := range given {
			if m.name == "base_url" {
				return c, at(m.value, "base_url: it is this machine: write allow_private_network: true if that is meant, as wasm-runner simulate does")
			}
		}
	}
	return c, nil
}

// thisMachine reports whether an address is one of loopback's. The library takes those without more ado, since it is
// programs that name them there; in a file they are rather a mistake, or somebody's way to what listens on this machine.
func thisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

func unknownField(name string) string {
	plain := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	if slices.Contains(literals, plain) {
		return fmt.Sprintf("field %s: a secret does not belong in this file. Put it into the environment or a file of mode 0600, "+
			"and write token_secret_ref: env:OKTA_API_TOKEN or token_secret_ref: file:PATH", name)
	}
	if slices.Contains(oauth, plain) {
		return fmt.Sprintf("field %s: OAuth is not supported yet. A connection signs in with an API token: write token_secret_ref: env:OKTA_API_TOKEN", name)
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.name)
	}
	return fmt.Sprintf("unknown field %s: a connection has %s%s", shown(name), strings.Join(names, ", "), didYouMean(plain, names))
}

// didYouMean names the nearest name, if one is near.
func didYouMean(name string, names []string) string {
	if near := nearest.Of(name, names); near != "" {
		return ". Did you mean " + near + "?"
	}
	return ""
}

func readName(c *host.Config, n ast.Node) error {
	if err := text(n, &c.Name); err != nil {
		return err
	}
	if !namePattern.MatchString(c.Name) {
		return errors.New("letters, digits and -_. are taken, 64 at most, the first a letter or digit")
	}
	return nil
}

func readReference(c *host.Config, n ast.Node) error {
	if err := text(n, &c.TokenSecretRef); err != nil {
		return err
	}
	if !referencePattern.MatchString(c.TokenSecretRef) {
		return errors.New("not a reference (is it the token itself?): put the token into the environment or a file, and write env:NAME or file:PATH")
	}
	return nil
}

// readApprove reads the classes that are asked about. A read is not.
func readApprove(c *host.Config, n ast.Node) error {
	if err := readClasses(n, &c.Approve); err != nil {
		return err
	}
	if slices.Contains(c.Approve, abi.Read) {
		return errors.New("read changes nothing, and is not asked about")
	}
	return nil
}

func readClasses(n ast.Node, dst *[]abi.Class) error {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		return fmt.Errorf("want a list such as [read, write], found %s", kindOf(n))
	}
	if len(seq.Values) == 0 {
		return errors.New("the list is empty: leave the field out")
	}
	for _, v := range seq.Values {
		var s string
		if err := text(v, &s); err != nil {
			return err
		}
		class := abi.Class(s)
		if !class.Valid() {
			return fmt.Errorf("no class %s: there are %s%s", shown(s), strings.Join(classes(), ", "), didYouMean(s, classes()))
		}
		if slices.Contains(*dst, class) {
			return fmt.Errorf("%s stands twice", class)
		}
		*dst = append(*dst, class)
	}
	return nil
}

func classes() []string {
	var names []string
	for _, c := range abi.Classes() {
		names = append(names, string(c))
	}
	return names
}

// member is one field of a mapping.
type member struct {
	name  string
	key   ast.Node
	value ast.Node
}

// members are the fields of a mapping, in their order, each of them once.
func members(n ast.Node) ([]member, error) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil, at(n, "want fields (name: value), found %s", kindOf(n))
	}
	var all []member
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return nil, at(v.Key, "a field's name is plain text: anchors, merges and other kinds of key are not taken")
		}
		if slices.ContainsFunc(all, func(m member) bool { return m.name == key.Value }) {
			return nil, at(key, "field %s stands twice", shown(key.Value))
		}
		all = append(all, member{key.Value, key, v.Value})
	}
	return all, nil
}

func text(n ast.Node, dst *string) error {
	s, ok := n.(*ast.StringNode)
	if !ok {
		return fmt.Errorf("want text, found %s%s", kindOf(n), quoteHint(n))
	}
	if strings.TrimSpace(s.Value) == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(s.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("holds a control character")
	}
	*dst = s.Value
	return nil
}

func quoteHint(n ast.Node) string {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return ": put it in quotes"
	}
	return ""
}

func between(n ast.Node, least, most int, dst *int) error {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		return fmt.Errorf("want a whole number, found %s", kindOf(n))
	}
	v, err := strconv.Atoi(fmt.Sprint(i.Value))
	if err != nil || v < least || v > most {
		return fmt.Errorf("want a whole number from %d to %d", least, most)
	}
	*dst = v
	return nil
}

// readShare reads a part of a whole.
func readShare(c *host.Config, n ast.Node) error {
	var err error
	switch n := n.(type) {
	case *ast.FloatNode:
		c.RateLimitShare = n.Value
	case *ast.IntegerNode:
		c.RateLimitShare, err = strconv.ParseFloat(fmt.Sprint(n.Value), 64)
	default:
		return fmt.Errorf("want a number over 0 and at most 1, found %s", kindOf(n))
	}
	if err != nil || !(c.RateLimitShare > 0 && c.RateLimitShare <= 1) {
		return errors.New("want a number over 0 and at most 1, such as 0.9")
	}
	return nil
}

func boolean(n ast.Node, dst *bool) error {
	b, ok := n.(*ast.BoolNode)
	if !ok {
		return fmt.Errorf("want true or false, found %s", kindOf(n))
	}
	*dst = b.Value
	return nil
}

// kindOf names the kind of a node, never its value.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.StringNode:
		return "text"
	case *ast.LiteralNode:
		return "a text block"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias"
	case *ast.TagNode:
		return "a tag"
	}
	return "something else"
}

// at is an error at a node.
func at(n ast.Node, format string, args ...any) error {
	return &Error{Line: line(n), What: fmt.Sprintf(format, args...)}
}

func line(n ast.Node) int {
	if n == nil {
		return 0
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return line(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return line(m.Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// syntaxError takes line and message from the parser's error and leaves out its excerpt of the file, which may hold a
// secret.
func syntaxError(err error, text []byte) error {
	if number := tabbed(text); number > 0 {
		return &Error{Line: number, What: "is not YAML: check indentation: this line begins with a tab, and YAML takes spaces alone"}
	}
	var e interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &e) {
		return &Error{What: "is not YAML"}
	}
	found := &Error{What: "is not YAML: check indentation (spaces, no tabs), quotes and colons"}
	if t := e.GetToken(); t != nil && t.Position != nil {
		found.Line = t.Position.Line
	}
	// The parser quotes keys and values in its messages.
	if m := e.GetMessage(); m != "" && !strings.ContainsAny(m, "\"'`\n") {
		found.What = "is not YAML: " + m
	}
	return found
}

// tabbed returns the number of the first line that is indented by a tab, 0 for none.
func tabbed(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 && len(bytes.TrimSpace(line)) > 0 {
			return number
		}
	}
	return 0
}

// shown makes a stranger's word fit for a message: what is long or strange could be a secret.
func shown(s string) string {
	if len(s) > 32 || !namePattern.MatchString(s) {
		return "(not shown)"
	}
	return s
}
