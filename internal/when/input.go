package when

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
)

// InInput returns the input of an operation in which the times that people write, such as -24h, are RFC 3339. The input must be
// valid JSON. The schema says which members are times: strings of format date-time. Everything else stays as it is, and so do
// texts that begin as RFC 3339 does, which the host checks. An error names the member.
func InInput(schema, input json.RawMessage, now time.Time) (json.RawMessage, error) {
	var err error
	changed := input
	eachTime(gjson.ParseBytes(schema), gjson.ParseBytes(input), "", "", func(path, name, text string) {
		if err != nil || beginsAsDateTime(text) {
			return
		}
		t, _, wrong := Parse(text, now)
		if wrong != nil {
			err = fmt.Errorf("%s: %w", name, wrong)
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

// eachTime visits the strings of a value that a schema calls times. visit gets their path for sjson, and their name for people.
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
		if !items.Exists() { // an input may be nested deeper than its schema
			return
		}
		for i, element := range v.Array() {
			n := strconv.Itoa(i)
			eachTime(items, element, joined(path, n), joined(name, n), visit)
		}
	}
}

// joined joins the parts of a path.
func joined(path, part string) string { return strings.TrimPrefix(path+"."+part, ".") }
