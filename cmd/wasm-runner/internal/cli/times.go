package cli

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/when"
)

// TimeFlag returns the time that the value of a flag names: see package when. relative means that it depends on the present.
func (a *App) TimeFlag(flag, text string) (t time.Time, relative bool, err error) {
	t, relative, err = when.Parse(text, a.Now())
	if err != nil {
		return t, false, Usagef("--%s: %w", flag, err)
	}
	return t, relative, nil
}

// InputTimes is AbsoluteTimes for the input of an operation. If the module does not have the operation, the input stays as it is.
func (a *App) InputTimes(m *host.Module, by, operation string, input json.RawMessage) (json.RawMessage, error) {
	op, err := m.Operation(operation)
	if err != nil || len(input) == 0 {
		return input, nil //nolint:nilerr // the host says what is wrong with the name
	}
	return a.AbsoluteTimes(by, op.InputSchema, input)
}

// AbsoluteTimes returns an input in which the times that people write, such as -24h, are RFC 3339. The schema says which
// members are times: strings of format date-time. Everything else in the input stays as it is, and so do texts that begin as
// RFC 3339 does, which the host checks. by is the name of the input in messages.
func (a *App) AbsoluteTimes(by string, schema, input json.RawMessage) (json.RawMessage, error) {
	var err error
	changed := input
	eachTime(gjson.ParseBytes(schema), gjson.ParseBytes(input), "", "", func(path, name, text string) {
		if err != nil || beginsAsDateTime(text) {
			return
		}
		t, _, wrong := when.Parse(text, a.Now())
		if wrong != nil {
			err = Usagef("%s: %s: %w", by, name, wrong)
			return
		}
		changed, err = sjson.SetBytes(changed, path, t.Format(time.RFC3339))
	})
	if err != nil {
		return nil, err
	}
	return changed, nil
}

// beginsAsDateTime reports whether a text begins with a date and the T of RFC 3339.
func beginsAsDateTime(text string) bool {
	if len(text) < len("2006-01-02T") || text[10] != 'T' && text[10] != 't' {
		return false
	}
	_, err := time.Parse(time.DateOnly, text[:10])
	return err == nil
}

// eachTime visits the strings of a value that a schema calls times, with their path for sjson and their name for people.
func eachTime(schema, v gjson.Result, path, name string, visit func(path, name, text string)) {
	switch {
	case v.Type == gjson.String && schema.Get("format").Str == "date-time":
		visit(path, name, v.Str)
	case v.IsObject():
		schema.Get("properties").ForEach(func(key, member gjson.Result) bool {
			below := gjson.Escape(key.Str)
			eachTime(member, v.Get(below), joined(path, below), joined(name, key.Str), visit)
			return true
		})
	case v.IsArray():
		items := schema.Get("items")
		for i, element := range v.Array() {
			n := strconv.Itoa(i)
			eachTime(items, element, joined(path, n), joined(name, n), visit)
		}
	}
}

// joined joins the parts of a path.
func joined(path, part string) string { return strings.TrimPrefix(path+"."+part, ".") }
