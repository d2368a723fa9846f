package connections

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mach5/okta-connector/host"
)

// Field is a field of a connection, with a value to write. Path is its name, such as proxy, or oauth and key_id.
type Field struct {
	Path  []string
	Value any // a string, a boolean or a list of strings
}

// Change sets fields of a connection in the text of a connection file. Comments and everything else stay as they are. The error
// wraps ErrNotAdded if the text is written in a way in which the fields cannot be replaced, and says what to write.
func (s *Schema) Change(text []byte, name string, fields []Field) ([]byte, error) {
	before, err := s.Parse(text)
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(string(text), "\n")
	var written []string
	for _, f := range fields {
		b, err := yaml.MarshalWithOptions(f.Value, yaml.Flow(true))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotAdded, err)
		}
		value := strings.TrimSpace(string(b))
		written = append(written, strings.Join(f.Path, ".")+": "+value)
		if lines != nil {
			lines = setField(lines, name, f.Path, value)
		}
	}
	changed := []byte(strings.Join(lines, ""))
	after, err := s.Parse(changed)
	if lines == nil || err != nil || !onlyChanged(before, after, name) {
		return nil, fmt.Errorf("%w: write these fields of connection %s yourself: %s", ErrNotAdded, name, strings.Join(written, ", "))
	}
	return changed, nil
}

// onlyChanged reports whether two lists of connections differ in one connection at most.
func onlyChanged(before, after []host.Config, name string) bool {
	return len(before) == len(after) && !slices.ContainsFunc(after, func(c host.Config) bool {
		i := slices.IndexFunc(before, func(b host.Config) bool { return b.Name == c.Name })
		return i < 0 || c.Name != name && !reflect.DeepEqual(before[i], c)
	})
}

var comment = regexp.MustCompile(`\s+#.*$`)

// setField replaces the value of a field that has a line of its own, or adds the field. It returns nil if that is not possible.
func setField(lines []string, name string, path []string, value string) []string {
	parent := parentOf(strings.Join(lines, ""), name, path)
	if parent == nil {
		return nil
	}
	given, faults := members(parent)
	if mapping, _ := parent.(*ast.MappingNode); mapping != nil && mapping.IsFlowStyle || len(faults) > 0 || len(given) == 0 {
		return nil
	}
	field := path[len(path)-1]
	for i, m := range given {
		if m.name != field {
			continue
		}
		at := line(m.key)
		if i+1 < len(given) && line(given[i+1].key) != at+1 && !isScalar(m.value) || line(m.value) != at {
			return nil
		}
		old := strings.TrimRight(lines[at-1], "\r\n")
		key := strings.Index(old, field+":")
		if key < 0 {
			return nil
		}
		lines[at-1] = old[:key] + field + ": " + value + comment.FindString(old) + "\n"
		return lines
	}
	first := given[0]
	if !isScalar(first.value) || line(first.value) != line(first.key) {
		return nil
	}
	at := line(first.key)
	lines[at-1] = strings.TrimRight(lines[at-1], "\r\n") + "\n" // the last line may lack its end
	indent := strings.Repeat(" ", first.key.GetToken().Position.Column-1)
	return slices.Insert(lines, at, indent+field+": "+value+"\n")
}

// isScalar reports whether a value is a text, a number or a boolean on one line.
func isScalar(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	}
	return false
}

// parentOf returns the mapping of a connection that has, or will have, a field. It returns nil if there is none.
func parentOf(text, name string, path []string) ast.Node {
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil || len(file.Docs) == 0 {
		return nil
	}
	list, _ := fieldOf(file.Docs[0].Body, "connections").(*ast.SequenceNode)
	if list == nil {
		return nil
	}
	for _, n := range list.Values {
		if given, _ := fieldOf(n, "name").(*ast.StringNode); given != nil && given.Value == name {
			for _, step := range path[:len(path)-1] {
				n = fieldOf(n, step)
			}
			return n
		}
	}
	return nil
}
