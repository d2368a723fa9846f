package query

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/internal/nearest"
)

// calls are the arguments that connector_table, connector_scalar and connector_try take.
type calls struct {
	connections []string // names and kinds
	operations  []*abi.Operation
}

// newCalls returns the connections of a session and the operations of its module that SQL can use.
func newCalls(s *cli.Session) (c calls) {
	for _, conn := range s.Connections() {
		c.connections = append(c.connections, conn.Config().Name)
	}
	m := s.Module.Manifest()
	if len(c.connections) == 1 && c.connections[0] != m.Kind {
		c.connections = append(c.connections, m.Kind)
	}
	for i := range m.Operations {
		if op := &m.Operations[i]; op.On(abi.SQL) {
			c.operations = append(c.operations, op)
		}
	}
	return c
}

// Calls in which the first or second argument is being typed.
var (
	firstArgument  = regexp.MustCompile(`(?i)\bconnector_(?:table|scalar|try)\s*\(\s*'([\w.-]*)$`)
	secondArgument = regexp.MustCompile(`(?i)\bconnector_(?:table|scalar|try)\s*\(\s*'[\w.-]*'\s*,\s*'([\w.]*)$`)
)

// complete completes the name of a connection or operation in a call. before is the line up to the cursor, and unfinished the
// lines before it. ok is false where the cursor is not in such an argument.
func (c calls) complete(unfinished, before string) (head string, words []string, ok bool) {
	var all []string
	typed := firstArgument.FindStringSubmatch(unfinished + before)
	if typed != nil {
		all = c.connections
	} else if typed = secondArgument.FindStringSubmatch(unfinished + before); typed != nil {
		for _, op := range c.operations {
			all = append(all, op.Name)
		}
	} else {
		return "", nil, false
	}
	for _, name := range all {
		if strings.HasPrefix(name, strings.ToLower(typed[1])) {
			words = append(words, name+"'")
		}
	}
	return before[:len(before)-len(typed[1])], words, true
}

// operations writes a row for each operation whose name or summary has a text. If there is none, the error names those with a
// similar name.
func (p *printer) operations(all []*abi.Operation, text string) error {
	matching := slices.DeleteFunc(slices.Clone(all), func(op *abi.Operation) bool {
		return !strings.Contains(strings.ToLower(op.Name+" "+op.Summary), strings.ToLower(text))
	})
	if len(matching) == 0 {
		return noOperation(all, text)
	}
	columns := []abi.Column{{Name: "operation", Type: abi.Varchar}, {Name: "input", Type: abi.Varchar}, {Name: "summary", Type: abi.Varchar}}
	room, _ := term.Columns(p.app.Stdout)
	w := rows.New(p.format, p.out, columns, rows.Layout{KeepEmpty: true, Shrink: true, Room: room, Warn: p.app.Warnf, More: p.more()})
	for _, op := range matching {
		if err := w.Row([]any{op.Name, inputSummary(op), cli.FirstSentence(op.Summary)}); err != nil {
			return err
		}
	}
	if err := w.End(); err != nil {
		return err
	}
	return p.out.Flush()
}

// noOperation returns the error for a text that no operation has. It names operations with a similar name, and operations with
// words of the text in their names. Those with the most words come first.
func noOperation(all []*abi.Operation, text string) error {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ' ' || r == '_' })
	var names, near []string
	common := map[string]int{} // words by name
	for _, op := range all {
		names = append(names, op.Name)
		for _, word := range words {
			if word = strings.TrimSuffix(word, "s"); len(word) > 2 && strings.Contains(op.Name, word) {
				common[op.Name]++
			}
		}
		if common[op.Name] > 0 {
			near = append(near, op.Name)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return common[b] - common[a] })
	if name := nearest.Of(strings.ToLower(text), names); name != "" && !slices.Contains(near, name) {
		near = slices.Insert(near, 0, name)
	}
	if len(near) == 0 {
		return fmt.Errorf("no operation has %q in its name or summary: .operations lists all", text)
	}
	return fmt.Errorf("no operation has %q in its name or summary: similar ones are %s", text, strings.Join(near[:min(len(near), 5)], ", "))
}

// inputSummary returns the fields of an operation's input, the required ones first with a star.
func inputSummary(op *abi.Operation) string {
	var required, others []string
	must := gjson.GetBytes(op.InputSchema, "required").Array()
	gjson.GetBytes(op.InputSchema, "properties").ForEach(func(name, _ gjson.Result) bool {
		for _, m := range must {
			if m.Str == name.Str {
				required = append(required, name.Str+"*")
				return true
			}
		}
		others = append(others, name.Str)
		return true
	})
	return strings.Join(append(required, others...), " ")
}
