package sql

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// view is a view over one operation.
type view struct {
	name      string
	operation string
	input     string // an SQL expression
	comment   string
}

// views are those of a module: a view X for each operation list_X that needs no input, and the System Log of the last
// day where the module has one.
func views(operations []abi.Operation) []view {
	var all []view
	for i := range operations {
		op := &operations[i]
		if !op.On(abi.SQL) || op.Class != abi.Read {
			continue
		}
		if name, isList := strings.CutPrefix(op.Name, "list_"); isList && !op.Single && needsNothing(op.InputSchema) {
			v := view{name: name, operation: op.Name, input: "JSON '{}'", comment: op.Summary}
			if takes(op.InputSchema, "include_deprovisioned") {
				// WHERE status = 'DEPROVISIONED' must find them.
				v.input, v.comment = `JSON '{"include_deprovisioned":true}'`, op.Summary+" The view asks for them."
			}
			all = append(all, v)
		}
		if op.Name == "bounded_system_log_range" {
			all = append(all, view{name: "system_log", operation: op.Name,
				input:   `json_object('since', ` + instant("now() - INTERVAL 1 DAY") + `, 'until', ` + instant("now()") + `)`,
				comment: "The System Log of the last day. " + op.Name + " reads other times."})
		}
	}
	return all
}

// usesLastDay finds statements with the view of the System Log, which a WHERE does not reach behind.
var usesLastDay = regexp.MustCompile(`(?i)\bsystem_log\b`)

// instant is a time as the operations take it; the session's time zone is UTC.
func instant(expression string) string {
	return `strftime(` + expression + `, '%Y-%m-%dT%H:%M:%S.%gZ')`
}

func needsNothing(schema json.RawMessage) bool {
	var s struct{ Required []string }
	return json.Unmarshal(schema, &s) == nil && len(s.Required) == 0
}

func takes(schema json.RawMessage, field string) bool {
	var s struct{ Properties map[string]json.RawMessage }
	return json.Unmarshal(schema, &s) == nil && s.Properties[field] != nil
}

// reserved are names that DuckDB or this package uses for databases and schemas: a query could not tell them apart.
var reserved = map[string]bool{"main": true, "memory": true, "temp": true, "system": true, "pg_catalog": true,
	"information_schema": true, results: true}

// results is the name of the attached database file.
const results = "results"

// name quotes a name.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// text quotes a string.
func text(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
