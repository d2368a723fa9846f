package connections

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/internal/nearest"
)

// literals are field names under which people write the secret itself.
var literals = []string{"token", "api_token", "apitoken", "api_key", "apikey", "secret", "password", "authorization"}

var (
	kindPattern      = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)
	namePattern      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	referencePattern = regexp.MustCompile(`^[a-z][a-z0-9]*:.`)
)

// Parse reads the text of a connection file and validates the connections of the schema's kind. Of a connection of another
// kind it reads only name and kind. The error is an *Error without Path, or Errors where the file has several faults.
func (s *Schema) Parse(b []byte) ([]host.Config, error) {
	if len(b) > MaxFile {
		return nil, &Error{What: fmt.Sprintf("has over %d bytes, the maximum: split it into several files", MaxFile)}
	}
	if err := checkNesting(b); err != nil {
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
		return nil, &Error{What: "is empty: list the connections under connections:"}
	case len(bodies) > 1:
		return nil, at(bodies[1], "a second YAML document: put all connections into one list")
	}
	top, faults := members(bodies[0])
	if len(top) == 0 && len(faults) > 0 {
		return nil, asError(faults)
	}
	var list ast.Node
	for _, m := range top {
		if m.name != "connections" {
			faults = append(faults, at(m.key, "unknown field %s: the file has one field, connections", shown(m.name)))
			continue
		}
		list = m.value
	}
	seq, isList := list.(*ast.SequenceNode)
	switch {
	case list == nil && len(faults) > 0: // connections is probably misspelt
	case list == nil:
		faults = append(faults, at(bodies[0], "no connections: list them under connections:"))
	case !isList:
		faults = append(faults, at(list, "connections: want a list, found %s: begin each connection with a dash (-)", kindOf(list)))
	case len(seq.Values) == 0:
		faults = append(faults, at(list, "connections: the list is empty: add a connection"))
	}
	if !isList {
		return nil, asError(faults)
	}
	return s.entries(seq, faults)
}

// entries reads the connections of a list. The error has all faults, those before the list included.
func (s *Schema) entries(list *ast.SequenceNode, faults []*Error) (configs []host.Config, err error) {
	lines := map[string]int{}
	for _, n := range list.Values {
		c, name, wrong := s.connection(n)
		faults = append(faults, wrong...)
		switch first, again := lines[name]; {
		case again:
			faults = append(faults, at(n, "name %s is listed twice, first in line %d: give each connection its own name", name, first))
		case namePattern.MatchString(name):
			lines[name] = line(n)
		}
		configs = append(configs, c)
	}
	if err := asError(faults); err != nil {
		return nil, err
	}
	return configs, nil
}

// Limits of a text for the YAML parser, which takes minutes for thousands of nested levels.
const (
	maxLine  = 8 << 10 // bytes; two bytes can open a level
	maxDepth = 64      // nested brackets
)

// checkNesting returns an error for a text that is nested deeper than any connection file. Brackets in quotes and comments
// count, too.
func checkNesting(b []byte) error {
	depth, number := 0, 0
	for text := range bytes.Lines(b) {
		if number++; len(text) > maxLine {
			return &Error{Line: number, What: fmt.Sprintf("the line has over %d bytes, the maximum", maxLine)}
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				if depth++; depth > maxDepth {
					return &Error{Line: number, What: fmt.Sprintf("brackets are nested over %d levels deep, the maximum", maxDepth)}
				}
			case ']', '}':
				depth = max(depth-1, 0)
			}
		}
	}
	return nil
}

// thisMachine reports whether an address leads to this machine. host.Connect refuses it as well, without the line.
func thisMachine(address string) bool {
	u, err := url.Parse(address)
	return err == nil && egress.ThisMachine(u.Hostname())
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

// plain returns the name of a field in lower case, with _ for -.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "_")) }

// isLiteral reports whether people write the secret itself under this field name.
func isLiteral(name string) bool { return slices.Contains(literals, plain(name)) }

// unknownField returns what is wrong with a field that connections do not have, and what to do.
func (s *Schema) unknownField(name string, names []string) string {
	variable := "env:" + strings.ToUpper(s.kind) + "_API_TOKEN"
	if isLiteral(name) {
		return fmt.Sprintf("field %s: a secret does not belong in this file. Put it into the environment or a file of mode 0600, "+
			"and write token_secret_ref: %s or token_secret_ref: file:PATH", name, variable)
	}
	if text := s.unknownOAuth(name, ""); text != "" {
		return text
	}
	return fmt.Sprintf("unknown field %s: a connection has %s%s", shown(name), strings.Join(names, ", "), didYouMean(plain(name), names))
}

// didYouMean returns a suggestion of the nearest name, or "" if none is near.
func didYouMean(name string, names []string) string {
	if near := nearest.Of(name, names); near != "" {
		return ". Did you mean " + near + "?"
	}
	return ""
}

// member is one field of a mapping.
type member struct {
	name  string
	key   ast.Node
	value ast.Node
}

// members returns the fields of a mapping in their order, without those that are faults. A field that is listed twice is a fault.
func members(n ast.Node) (all []member, faults []*Error) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil, []*Error{at(n, "want fields (name: value), found %s", kindOf(n))}
	}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		switch {
		case !ok:
			faults = append(faults, at(v.Key, "a field's name must be plain text: anchors, merges and other kinds of keys are not allowed"))
		case slices.ContainsFunc(all, func(m member) bool { return m.name == key.Value }):
			faults = append(faults, at(key, "field %s is listed twice: remove one", shown(key.Value)))
		default:
			all = append(all, member{key.Value, key, v.Value})
		}
	}
	return all, faults
}

func quoteHint(n ast.Node) string {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return ": put it in quotes"
	}
	return ""
}

// kindOf returns the kind of a node in words, never its value.
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

// at returns an error with the position of a node.
func at(n ast.Node, format string, args ...any) *Error {
	e := &Error{Line: line(n), What: fmt.Sprintf(format, args...)}
	if n != nil {
		if t := n.GetToken(); t != nil && t.Position != nil {
			e.column = t.Position.Column
		}
	}
	return e
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

// syntaxError returns an error with the line and message of the parser's error. It omits the excerpt of the file, which may
// contain a secret.
func syntaxError(err error, text []byte) error {
	if number := firstTab(text); number > 0 {
		return &Error{Line: number, What: "is not YAML: check indentation: this line begins with a tab, but YAML allows only spaces"}
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
	switch m := e.GetMessage(); {
	case m != "" && !strings.ContainsAny(m, "\"'`\n"):
		found.What = "is not YAML: " + m
	case strings.HasPrefix(m, "mapping key") && strings.Contains(m, "already defined"):
		found.What = "a field is listed twice in one connection: remove one"
	}
	return found
}

// firstTab returns the number of the first line that is indented by a tab, or 0 if there is none.
func firstTab(text []byte) int {
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

// shown returns a word of the file for a message. A long or unusual word could be a secret and is not shown.
func shown(s string) string {
	if len(s) > 32 || !namePattern.MatchString(s) {
		return "(not shown)"
	}
	return s
}
