// Package result shows the result of an invoke, a plan and the question for approval to people.
package result

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// Style is how text is shown. The zero value has no colours and does not wrap.
type Style struct {
	Palette term.Palette
	Columns int // width of the terminal; 0 is no limit
}

// Text returns the result of an invoke: a line with its outcome, what changed, and the output without _links.
func (s Style) Text(r *abi.Result) string {
	var b strings.Builder
	output := gjson.ParseBytes(r.Output)
	changes, scalar := changesOf(output)
	line := r.Operation + ": " + string(r.Outcome)
	name, _ := subject(output)
	for _, part := range []string{name, scalar, counted(output)} {
		if part != "" {
			line += "  " + part
		}
	}
	if notes := notesOf(r); len(notes) > 0 {
		line += "  (" + strings.Join(notes, ", ") + ")"
	}
	b.WriteString(s.outcomeLine(line, r))
	s.writeChanges(&b, changes)
	s.writeRest(&b, output)
	if r.NextCursor != "" {
		s.member(&b, "", "next_cursor", term.Printable(r.NextCursor), s.Palette.Faint)
	}
	return b.String()
}

// outcomeLine wraps a line and colours the outcome in it.
func (s Style) outcomeLine(line string, r *abi.Result) string {
	paint := s.Palette.Bad
	switch {
	case r.Outcome == abi.Succeeded:
		paint = s.Palette.Good
	case r.Outcome.OK(), r.Outcome == abi.Planned:
		paint = s.Palette.Warn
	}
	begin := r.Operation + ": " + string(r.Outcome)
	text := strings.Join(s.wrap(line, 4), "\n") + "\n"
	if rest, whole := strings.CutPrefix(text, begin); whole {
		return s.Palette.Strong(r.Operation) + ": " + paint(string(r.Outcome)) + rest
	}
	return text
}

// wrap breaks a line into lines that fit the terminal.
func (s Style) wrap(line string, indent int) []string {
	if s.Columns == 0 {
		return []string{line}
	}
	return term.Wrap(line, s.Columns, min(indent, s.Columns/2))
}

// notesOf returns what else a person should know of a result: the ids by which the service knows the writes, and whether the
// outcome was read back, recorded earlier or approved.
func notesOf(r *abi.Result) (notes []string) {
	var ids []string
	writes := 0
	for _, q := range r.Meta.Requests {
		if strings.HasPrefix(q.Endpoint, "GET ") || q.Planned {
			continue
		}
		if writes++; q.RequestID != "" && !slices.Contains(ids, q.RequestID) {
			ids = append(ids, q.RequestID)
		}
	}
	switch {
	case len(ids) == 1:
		notes = append(notes, "request "+term.Printable(ids[0]))
	case len(ids) > 1:
		notes = append(notes, "requests "+term.Printable(strings.Join(ids, " ")))
	}
	if r.Outcome == abi.Unchanged && writes == 0 {
		notes = append(notes, "nothing was sent")
	}
	if r.Meta.Reconciled {
		notes = append(notes, "an answer was lost, and the outcome was read back")
	}
	if r.Meta.Partial {
		notes = append(notes, "only a part was done")
	}
	if r.Meta.ApprovedBy != "" {
		notes = append(notes, "approved by "+term.Printable(r.Meta.ApprovedBy))
	}
	return notes
}

// Sent reports whether a write was sent, or tried to be.
func Sent(r *abi.Result) bool {
	return slices.ContainsFunc(r.Meta.Requests, func(q abi.RequestMeta) bool {
		return !strings.HasPrefix(q.Endpoint, "GET ") && !q.Planned && q.Attempts > 0
	})
}

// names are the members by which people know an object, the best first.
var names = [...]string{"login", "profile.login", "label", "profile.name", "name", "profile.displayName", "client_name", "subdomain"}

// subject returns the name of an object, or of the one that was changed, else its id, else "". path is the member that it comes
// from.
func subject(object gjson.Result) (name, path string) {
	for _, within := range []string{"", "after.", "before."} {
		for _, path := range names {
			if name := object.Get(within + path).Str; name != "" {
				return term.Printable(name), within + path
			}
		}
	}
	if id := object.Get("id").Str; id != "" {
		return term.Printable(id), "id"
	}
	return "", ""
}

// counted returns the number of records of a list, "" for other outputs.
func counted(output gjson.Result) string {
	records := output.Get("records")
	if !records.IsArray() {
		return ""
	}
	return cli.Counted(records.Get("#").Int(), "record")
}

// isShown reports whether the other lines of a result show a member of an output with changes.
func isShown(output gjson.Result, name string) bool {
	if _, path := subject(output); name == path {
		return true
	}
	if name == "before" || name == "after" {
		return !isWhole(output)
	}
	plain, isBefore := strings.CutSuffix(name, "_before")
	if !isBefore {
		plain = name
	}
	return output.Get(gjson.Escape(plain+"_before")).Exists() && output.Get(gjson.Escape(plain)).Exists()
}

// writeRest writes the members of the output that the lines above do not show. For a list it writes the records.
func (s Style) writeRest(b *strings.Builder, output gjson.Result) {
	if !output.Exists() || output.Type == gjson.Null {
		return
	}
	if !hasChanges(output) {
		if records := output.Get("records"); records.IsArray() && isPlainList(output) {
			if output = records; len(records.Array()) == 0 {
				return
			}
		}
		s.block(b, output, "", "", "")
		return
	}
	output.ForEach(func(name, member gjson.Result) bool {
		if !isShown(output, name.Str) {
			s.block(b, member, "  ", term.Printable(name.Str)+": ", "")
		}
		return true
	})
}

// isPlainList reports whether a list has only records. The cursor is shown separately.
func isPlainList(output gjson.Result) bool {
	plain := true
	output.ForEach(func(name, member gjson.Result) bool {
		plain = name.Str == "records" || name.Str == "next_cursor" || member.Type == gjson.Null
		return plain
	})
	return plain
}

// block writes JSON with a line for each member, in their order and without _links. label is before the value and end behind it.
func (s Style) block(b *strings.Builder, v gjson.Result, indent, label, end string) {
	if !v.IsObject() && !v.IsArray() {
		s.member(b, indent, label, term.Printable(strings.TrimSpace(v.Raw))+end, s.before(end, s.paintOf(v)))
		return
	}
	opening, closing := "{", "}"
	if v.IsArray() {
		opening, closing = "[", "]"
	}
	type part struct {
		label string
		value gjson.Result
	}
	var parts []part
	v.ForEach(func(name, member gjson.Result) bool {
		switch {
		case !v.IsObject():
			parts = append(parts, part{"", member})
		case name.Str != "_links":
			parts = append(parts, part{term.Printable(name.Raw) + ": ", member})
		}
		return true
	})
	if len(parts) == 0 {
		s.member(b, indent, label, opening+closing+end, s.before(end, s.Palette.Faint))
		return
	}
	s.member(b, indent, label, opening, unpainted)
	for i, p := range parts {
		comma := ","
		if i == len(parts)-1 {
			comma = ""
		}
		s.block(b, p.value, s.deeper(indent), p.label, comma)
	}
	s.member(b, indent, "", closing+end, unpainted)
}

// maxIndent bounds the indent of a block, in columns: a hostile output may be very deep.
const maxIndent = 60

// deeper returns the indent of the members of what has this indent.
func (s Style) deeper(indent string) string {
	if len(indent) >= maxIndent || s.Columns > 0 && len(indent) >= s.Columns/2 {
		return indent
	}
	return indent + "  "
}

// unpainted returns a text as it is.
func unpainted(text string) string { return text }

// before returns a function that paints a text but for its end.
func (s Style) before(end string, paint func(string) string) func(string) string {
	return func(text string) string {
		value, is := strings.CutSuffix(text, end)
		if !is || end == "" {
			return paint(text)
		}
		return paint(value) + end
	}
}

// paintOf returns how a scalar is coloured.
func (s Style) paintOf(v gjson.Result) func(string) string {
	switch v.Type {
	case gjson.String:
		return s.Palette.Good
	case gjson.Null:
		return s.Palette.Faint
	}
	return unpainted
}

// member writes a label and a value on one line, or on several where the terminal is narrower.
func (s Style) member(b *strings.Builder, indent, label, value string, paint func(string) string) {
	if label != "" && !strings.HasSuffix(label, " ") {
		label += "  "
	}
	for i, line := range s.wrap(indent+label+value, len(indent)+4) {
		text := strings.TrimLeft(line, " ")
		b.WriteString(line[:len(line)-len(text)])
		if rest, first := strings.CutPrefix(text, label); first && i == 0 && label != "" {
			b.WriteString(s.Palette.Name(label))
			text = rest
		}
		b.WriteString(paint(text) + "\n")
	}
}

// request returns the method and target of a planned write.
func request(w abi.PlannedWrite) string {
	method, _, _ := strings.Cut(w.Endpoint, " ")
	return fmt.Sprintf("%s %s", method, w.Target)
}
