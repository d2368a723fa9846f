package result

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
)

// maxLines is the most lines that a question shows of an object. The question must stay on the screen.
const maxLines = 40

// Question returns the text for the person who approves: the operation, its input, the writes, what they change, and the
// present state of their targets.
func (s Style) Question(r host.ApprovalRequest) string {
	var b strings.Builder
	s.heading(&b, r.Operation, r.Connection, r.Class, "Its input:")
	input := "  " + term.Printable(string(r.Input))
	b.WriteString(strings.Join(s.wrap(input, 4), "\n") + "\n" + s.Palette.Strong("It would send:") + "\n")
	s.plan(&b, &r.Plan, maxLines)
	b.WriteString(s.Palette.Strong("Send it?") + " [y/N] ")
	return b.String()
}

// Plan returns a plan for people. class is that of the operation, "" where it is not known.
func (s Style) Plan(r *abi.Result, connection string, class abi.Class) string {
	var b strings.Builder
	s.heading(&b, r.Operation, connection, class, "It would send:")
	s.plan(&b, r.Plan, 0)
	return b.String()
}

// heading writes the first line of a plan or question.
func (s Style) heading(b *strings.Builder, operation, connection string, class abi.Class, next string) {
	line := operation + " on " + term.Printable(connection)
	if class != "" {
		line += " has class " + string(class)
	}
	text := strings.Join(s.wrap(line+". "+next, 4), "\n")
	b.WriteString(s.Palette.Strong(operation) + strings.TrimPrefix(text, operation) + "\n")
}

// plan writes the writes, what they change, the present state of their targets, and notes. It cuts an object after so many
// lines; 0 is no limit.
func (s Style) plan(b *strings.Builder, p *abi.Plan, most int) {
	for _, w := range p.Writes {
		line := strings.TrimSpace(term.Printable(request(w) + " " + string(w.Body)))
		b.WriteString(strings.Join(s.wrap("  "+line, 4), "\n") + "\n")
	}
	if len(p.Writes) == 0 {
		b.WriteString("  nothing\n")
	}
	if all := changesOfPlan(p); len(all) > 0 {
		b.WriteString(s.Palette.Strong("It would change:") + "\n")
		s.writeChanges(b, all)
	}
	if len(p.State) > 0 {
		b.WriteString(s.Palette.Strong("What is there now:") + "\n")
		for _, object := range append([]json.RawMessage{p.State}, p.Related...) {
			b.WriteString(s.cut(object, most))
		}
	}
	for _, warning := range p.Warnings {
		b.WriteString(strings.Join(s.wrap("Note: "+term.Printable(warning), 4), "\n") + "\n")
	}
}

// cut returns the block of an object, and says what it leaves out after so many lines.
func (s Style) cut(object json.RawMessage, most int) string {
	var b strings.Builder
	s.block(&b, gjson.ParseBytes(object), "  ", "", "")
	lines := strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
	if most == 0 || len(lines) <= most {
		return b.String()
	}
	return strings.Join(lines[:most], "") + fmt.Sprintf("  … (%d more lines: --plan shows them)\n", len(lines)-most)
}

// changesOfPlan returns what the first write changes in the present object, if its body is about that object: the last segment
// of the target is the object's id.
func changesOfPlan(p *abi.Plan) []change {
	if len(p.Writes) == 0 || len(p.State) == 0 {
		return nil
	}
	state, body := gjson.ParseBytes(p.State), gjson.ParseBytes(p.Writes[0].Body)
	path, _, _ := strings.Cut(p.Writes[0].Target, "?")
	id := state.Get("id").Str
	if id == "" || path[strings.LastIndexByte(path, '/')+1:] != id {
		return nil
	}
	return planned(state, body, "")
}

// Requests returns the methods and targets of a plan's writes on one line.
func Requests(p *abi.Plan) string {
	all := make([]string, len(p.Writes))
	for i, w := range p.Writes {
		all[i] = request(w)
	}
	return strings.Join(all, "; ")
}
