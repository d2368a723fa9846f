package result

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// change is a member that has another value than before. "" is a value that was not there.
type change struct{ path, before, after string }

// hasChanges reports whether an output says what was there before.
func hasChanges(output gjson.Result) bool {
	found := false
	output.ForEach(func(name, _ gjson.Result) bool {
		found = name.Str == "before" || strings.HasSuffix(name.Str, "_before")
		return !found
	})
	return found
}

// changesOf returns what an output says has changed: its members before and after, and each pair X_before and X. scalar is the
// change where before and after are plain values, such as "ACTIVE → SUSPENDED". An object that is added or removed as a whole is no
// change: its members are shown.
func changesOf(output gjson.Result) (all []change, scalar string) {
	before, after := output.Get("before"), output.Get("after")
	switch {
	case before.IsObject() && after.IsObject():
		all = compare(before, after, "")
	case before.Exists() && after.Exists() && !isWhole(output):
		if scalar = plain(before); before.Raw != after.Raw {
			scalar += " → " + plain(after)
		}
	}
	output.ForEach(func(name, was gjson.Result) bool {
		member, is := strings.CutSuffix(name.Str, "_before")
		switch now := output.Get(gjson.Escape(member)); {
		case !is || member == "" || !now.Exists() || now.Raw == was.Raw:
		case was.IsObject() && now.IsObject():
			all = append(all, compare(was, now, term.Printable(member))...)
		default:
			all = append(all, change{term.Printable(member), raw(was), raw(now)})
		}
		return true
	})
	return all, scalar
}

// isWhole reports whether an output says that an object was added or removed: before or after is one, and the other is not.
func isWhole(output gjson.Result) bool {
	before, after := output.Get("before"), output.Get("after")
	return before.Exists() && after.Exists() && before.IsObject() != after.IsObject()
}

// plain returns a value without quotes.
func plain(v gjson.Result) string { return term.Printable(v.String()) }

// raw returns a value as JSON on one line, "" for one that is not there.
func raw(v gjson.Result) string {
	if v.IsObject() || v.IsArray() {
		return term.Printable(v.Get("@ugly").Raw)
	}
	return term.Printable(strings.TrimSpace(v.Raw))
}

// compare returns the members in which two objects differ, without _links. Arrays are compared as a whole.
func compare(before, after gjson.Result, path string) (all []change) {
	at := func(name string) string { return strings.TrimPrefix(path+"."+term.Printable(name), ".") }
	before.ForEach(func(name, was gjson.Result) bool {
		now := after.Get(gjson.Escape(name.Str))
		switch {
		case name.Str == "_links" || same(was, now):
		case was.IsObject() && now.IsObject():
			all = append(all, compare(was, now, at(name.Str))...)
		default:
			all = append(all, change{at(name.Str), raw(was), raw(now)})
		}
		return true
	})
	after.ForEach(func(name, now gjson.Result) bool {
		if name.Str != "_links" && !before.Get(gjson.Escape(name.Str)).Exists() {
			all = append(all, change{at(name.Str), "", raw(now)})
		}
		return true
	})
	return all
}

// same reports whether two values are equal, spaces aside.
func same(a, b gjson.Result) bool { return a.Exists() == b.Exists() && raw(a) == raw(b) }

// planned returns the members of a write's body that have another value in the present object. The body must be about that
// object.
func planned(state, body gjson.Result, path string) (all []change) {
	body.ForEach(func(name, to gjson.Result) bool {
		is := state.Get(gjson.Escape(name.Str))
		at := strings.TrimPrefix(path+"."+term.Printable(name.Str), ".")
		switch {
		case name.Str == "_links" || same(is, to):
		case is.IsObject() && to.IsObject():
			all = append(all, planned(is, to, at)...)
		default:
			all = append(all, change{at, raw(is), raw(to)})
		}
		return true
	})
	return all
}

// writeChanges writes a line for each change.
func (s Style) writeChanges(b *strings.Builder, all []change) {
	width := 0
	for _, c := range all {
		width = max(width, min(term.Width(c.path), 30))
	}
	for _, c := range all {
		label := c.path + strings.Repeat(" ", max(width-term.Width(c.path), 0))
		if c.before == "" {
			c.before = "(none)"
		}
		if c.after == "" {
			c.after = "(none)"
		}
		line := "  " + label + "  " + c.before + " → " + c.after
		lines := s.wrap(line, 6)
		if len(lines) > 1 { // too long for colours within a line
			b.WriteString(strings.Join(lines, "\n") + "\n")
			continue
		}
		b.WriteString("  " + s.Palette.Name(label) + "  " + s.Palette.Bad(c.before) + " → " + s.Palette.Good(c.after) + "\n")
	}
}
