package sql

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// view is a view over one operation.
type view struct {
	name      string
	operation string
	input     string // an SQL expression
	comment   string
	hint      string         // what to say of a statement that reads the view; empty is nothing
	named     *regexp.Regexp // finds the view's name in a statement; nil without a hint
}

// views returns the views of a module: those that its manifest declares over what queries may read.
func views(m *abi.Manifest) []view {
	var all []view
	for _, v := range m.Views {
		i := slices.IndexFunc(m.Operations, func(op abi.Operation) bool { return op.Name == v.Operation })
		if i < 0 || !m.Operations[i].On(abi.SQL) || m.Operations[i].Class != abi.Read { // which abi.Manifest.Check refuses
			continue
		}
		made := view{name: v.Name, operation: v.Operation, input: input(v), comment: cmp.Or(v.Comment, m.Operations[i].Summary)}
		if len(v.Times) > 0 && len(v.Answers) == 0 {
			made.hint, made.named = hint(v), regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(v.Name)+`\b`)
		}
		all = append(all, made)
	}
	return all
}

// input returns the SQL expression of a view's input. Its times count from when a statement runs.
func input(v abi.View) string {
	given := "JSON " + text(cmp.Or(string(v.Input), "{}"))
	if len(v.Times) == 0 {
		return given
	}
	var fields []string
	for _, field := range slices.Sorted(maps.Keys(v.Times)) {
		fields = append(fields, text(field)+", "+instant(fmt.Sprintf("now() + to_seconds(%d)", v.Times[field])))
	}
	times := "json_object(" + strings.Join(fields, ", ") + ")"
	if len(v.Input) == 0 {
		return times
	}
	return "json_merge_patch(" + given + ", " + times + ")"
}

// oldest returns the earliest time of a view, in seconds from when a statement runs.
func oldest(v abi.View) int64 {
	least := int64(0)
	for _, offset := range v.Times {
		least = min(least, offset)
	}
	return least
}

// hint says that a WHERE does not reach behind a view whose input has times, and what does.
func hint(v abi.View) string {
	var fields []string
	for _, field := range slices.Sorted(maps.Keys(v.Times)) {
		fields = append(fields, text(field)+", …")
	}
	return fmt.Sprintf("the view %s has only what happened in the last %s, even where a WHERE asks for more: connector_table(…, %s, json_object(%s)) reads other times",
		v.Name, span(-oldest(v)), text(v.Operation), strings.Join(fields, ", "))
}

// span names a number of seconds: "day", "3 hours".
func span(seconds int64) string {
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{86_400, "day"}, {3_600, "hour"}, {60, "minute"}, {1, "second"}} {
		switch n := seconds / unit.seconds; {
		case seconds%unit.seconds != 0 || n == 0:
		case n == 1:
			return unit.name
		default:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "moment"
}

// instant returns a time as operations take it; the session's time zone is UTC.
func instant(expression string) string {
	return `strftime(` + expression + `, '%Y-%m-%dT%H:%M:%S.%gZ')`
}

// reserved are names that DuckDB or this package uses for databases and schemas: a query could not tell them apart.
var reserved = map[string]bool{"main": true, "memory": true, "temp": true, "system": true, "pg_catalog": true,
	"information_schema": true, allOrgs: true, results: true, wire.Ambiguous: true}

// allOrgs is the name of the schema whose views are unions over all connections. Its views have connectionColumn more.
const allOrgs = "all_orgs"

// results is the name of the attached database file.
const results = "results"

// readable returns a name for a message, with quotes if it needs them.
func readable(s string) string {
	if plainName.MatchString(s) {
		return s
	}
	return name(s)
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// name quotes a name.
func name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// text quotes a string.
func text(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
