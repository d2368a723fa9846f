package connector

import "github.com/mach5/okta-connector/guest/jsonval"

// IDInput is a required input that names an object by id.
func IDInput(name, description string) Input {
	return Input{name, true, IDSchema("255", description)}
}

// NameInput is a required input that names an object by id or name, which has whatever characters people like.
func NameInput(name, description string) Input {
	return Input{name, true, `{"type":"string","minLength":1,"maxLength":255,"description":` + jsonval.Quote(description) + `}`}
}

// IDSchema is the schema of a value in a path: without slash, backslash and control characters.
func IDSchema(most, description string) string {
	return `{"type":"string","minLength":1,"maxLength":` + most + `,"pattern":"^[^/\\\\\\x00-\\x1f\\x7f]+$","description":` + jsonval.Quote(description) + `}`
}

// TextInput is an optional string that is passed on.
func TextInput(name string, most string, description string) Input {
	return Input{name, false, `{"type":"string","minLength":1,"maxLength":` + most + `,"description":` + jsonval.Quote(description) + `}`}
}

// BoolInput is an optional boolean that is false by default.
func BoolInput(name, description string) Input {
	return Input{name, false, `{"type":"boolean","default":false,"description":` + jsonval.Quote(description) + `}`}
}

// Inputs of lists: the SDK reads them by these names.
var (
	LimitInput = Input{"limit", false,
		`{"type":"integer","minimum":1,"maximum":100000,"default":1000,"description":"most records in total"}`}
	CursorInput = Input{"cursor", false,
		`{"type":"string","minLength":1,"maxLength":16384,"description":"the next_cursor of an earlier result"}`}
)
