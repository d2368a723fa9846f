package connector

import "github.com/mach5/okta-connector/guest/jsonval"

// IDInput returns a required input that names an object by id.
func IDInput(name, description string) Input {
	return Input{name, true, IDSchema("255", description)}
}

// NameInput returns a required input that names an object by id or name. A name may have any characters.
func NameInput(name, description string) Input {
	return Input{name, true, `{"type":"string","minLength":1,"maxLength":255,"description":` + jsonval.Quote(description) + `}`}
}

// IDSchema returns the schema of a value in a path: without slash, backslash and control characters. most is the
// maximum length.
func IDSchema(most, description string) string {
	return `{"type":"string","minLength":1,"maxLength":` + most + `,"pattern":"^[^/\\\\\\x00-\\x1f\\x7f]+$","description":` + jsonval.Quote(description) + `}`
}

// TextInput returns an optional string input. most is the maximum length.
func TextInput(name string, most string, description string) Input {
	return Input{name, false, `{"type":"string","minLength":1,"maxLength":` + most + `,"description":` + jsonval.Quote(description) + `}`}
}

// BoolInput returns an optional boolean input that is false by default.
func BoolInput(name, description string) Input {
	return Input{name, false, `{"type":"boolean","default":false,"description":` + jsonval.Quote(description) + `}`}
}

// Inputs of lists. The SDK reads them by these names.
var (
	LimitInput = Input{"limit", false,
		`{"type":"integer","minimum":1,"maximum":100000,"default":1000,"description":"maximum number of records in total"}`}
	CursorInput = Input{"cursor", false,
		`{"type":"string","minLength":1,"maxLength":16384,"description":"the next_cursor of an earlier result"}`}
)
