//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// maxFilter is the longest filter that is read, in bytes.
const maxFilter = 256 << 10

// condition reads the filters above a scan, which are SQL. It keeps what a Condition can say, and leaves out the rest, so that the
// condition holds for every row for which the filters do. nil is no condition.
func (e *Engine) condition(ctx context.Context, one *scan, filters []string, parameters map[string]any) *wire.Condition {
	var parts []wire.Condition
	reading := conditions{columns: one.table.Columns, parameters: parameters, time: func(text string) (utc string) {
		_ = e.conn.QueryRowContext(ctx, "SELECT CAST(TRY_CAST(? AS TIMESTAMP WITH TIME ZONE) AS VARCHAR)", text).Scan(&utc) // "" is no time
		return utc
	}}
	for _, filter := range filters {
		if len(filter) > maxFilter {
			continue
		}
		tree := e.serialized(ctx, "SELECT 1 WHERE "+filter)
		where := at(tree, "statements", 0, "node", "where_clause")
		if c := reading.read(where, 0); c != nil {
			parts = append(parts, *c)
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return &parts[0]
	}
	return &wire.Condition{Op: wire.OpAnd, Parts: parts}
}

// at goes down a tree by names and indexes; nil if there is nothing.
func at(tree any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := tree.(map[string]any)
			tree = m[step]
		case int:
			list, _ := tree.([]any)
			if step >= len(list) {
				return nil
			}
			tree = list[step]
		}
	}
	return tree
}

// textAt is a text in a tree, or "".
func textAt(tree any, path ...any) string {
	s, _ := at(tree, path...).(string)
	return s
}

// listAt is a list in a tree, or nil.
func listAt(tree any, path ...any) []any {
	list, _ := at(tree, path...).([]any)
	return list
}

// conditions reads expressions over the columns of a scan.
type conditions struct {
	columns    []wire.Column
	parameters map[string]any           // the constants that EXECUTE gives, by the parameter's name
	time       func(text string) string // a text as DuckDB casts it to a time
}

// read returns a condition that holds wherever an expression is true; nil is none.
func (c conditions) read(e any, depth int) *wire.Condition {
	if depth >= wire.MaxConditionDepth {
		return nil
	}
	switch textAt(e, "type") {
	case "CONJUNCTION_AND":
		var parts []wire.Condition
		for _, child := range listAt(e, "children") {
			if part := c.read(child, depth+1); part != nil {
				parts = append(parts, *part)
			}
		}
		return joined(wire.OpAnd, parts)
	case "CONJUNCTION_OR":
		var parts []wire.Condition
		for _, child := range listAt(e, "children") {
			part := c.read(child, depth+1)
			if part == nil {
				return nil
			}
			parts = append(parts, *part)
		}
		return joined(wire.OpOr, parts)
	case "COMPARE_EQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO":
		return c.comparison(textAt(e, "type"), at(e, "left"), at(e, "right"))
	case "COMPARE_BETWEEN":
		low := c.comparison("COMPARE_GREATERTHANOREQUALTO", at(e, "input"), at(e, "lower"))
		high := c.comparison("COMPARE_LESSTHANOREQUALTO", at(e, "input"), at(e, "upper"))
		if low == nil || high == nil {
			return nil
		}
		return joined(wire.OpAnd, []wire.Condition{*low, *high})
	case "COMPARE_IN":
		return c.in(listAt(e, "children"))
	case "OPERATOR_IS_NOT_NULL":
		if column := c.column(at(e, "children", 0)); column != nil {
			return &wire.Condition{Op: wire.OpPresent, Column: column.Name}
		}
	case "OPERATOR_NOT":
		if column := c.column(at(e, "children", 0)); column != nil && column.Type == abi.Boolean {
			return &wire.Condition{Op: wire.OpIn, Column: column.Name, Values: []string{"false"}}
		}
	case "COLUMN_REF":
		if column := c.column(e); column != nil && column.Type == abi.Boolean {
			return &wire.Condition{Op: wire.OpIn, Column: column.Name, Values: []string{"true"}}
		}
	case "FUNCTION":
		return c.function(e)
	}
	return nil
}

// joined joins conditions.
func joined(op wire.ConditionOp, parts []wire.Condition) *wire.Condition {
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return &parts[0]
	}
	return &wire.Condition{Op: op, Parts: parts}
}

// column returns the column that an expression is, or nil.
func (c conditions) column(e any) *wire.Column {
	names := listAt(e, "column_names")
	if textAt(e, "type") != "COLUMN_REF" || len(names) != 1 {
		return nil
	}
	i := slices.IndexFunc(c.columns, func(column wire.Column) bool { return column.Name == names[0] })
	if i < 0 {
		return nil
	}
	return &c.columns[i]
}

// folded returns the column whose lower case an expression is, or nil.
func (c conditions) folded(e any) *wire.Column {
	if textAt(e, "type") != "FUNCTION" || textAt(e, "function_name") != "lower" || len(listAt(e, "children")) != 1 {
		return nil
	}
	return c.column(at(e, "children", 0))
}

func (c conditions) comparison(op string, left, right any) *wire.Condition {
	if c.column(left) == nil && c.folded(left) == nil {
		mirrored := map[string]string{"COMPARE_LESSTHAN": "COMPARE_GREATERTHAN", "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
			"COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO"}
		if left, right = right, left; mirrored[op] != "" {
			op = mirrored[op]
		}
	}
	if column := c.folded(left); column != nil && op == "COMPARE_EQUAL" {
		if value, ok := c.constant(right, column.Type); ok {
			return &wire.Condition{Op: wire.OpFold, Column: column.Name, Values: []string{value}}
		}
		return nil
	}
	column := c.column(left)
	if column == nil {
		return nil
	}
	value, ok := c.constant(right, column.Type)
	if !ok {
		return nil
	}
	is := map[string]wire.ConditionOp{"COMPARE_EQUAL": wire.OpIn, "COMPARE_LESSTHAN": wire.OpAtMost, "COMPARE_LESSTHANOREQUALTO": wire.OpAtMost,
		"COMPARE_GREATERTHAN": wire.OpAtLeast, "COMPARE_GREATERTHANOREQUALTO": wire.OpAtLeast}[op]
	return &wire.Condition{Op: is, Column: column.Name, Values: []string{value}}
}

// in reads column IN (value, …).
func (c conditions) in(children []any) *wire.Condition {
	if len(children) < 2 {
		return nil
	}
	column, op := c.column(children[0]), wire.OpIn
	if column == nil {
		if column, op = c.folded(children[0]), wire.OpFold; column == nil {
			return nil
		}
	}
	in := wire.Condition{Op: op, Column: column.Name}
	for _, child := range children[1:] {
		if null, _ := at(child, "value", "is_null").(bool); null { // equal to nothing
			continue
		}
		value, ok := c.constant(child, column.Type)
		if !ok {
			return nil
		}
		in.Values = append(in.Values, value)
	}
	if in.Values == nil {
		return nil
	}
	return &in
}

// function reads the functions that LIKE becomes.
func (c conditions) function(e any) *wire.Condition {
	children := listAt(e, "children")
	if len(children) != 2 {
		return nil
	}
	column := c.column(children[0])
	if column == nil || column.Type != abi.Varchar {
		return nil
	}
	value, ok := c.constant(children[1], abi.Varchar)
	if !ok {
		return nil
	}
	switch textAt(e, "function_name") {
	case "prefix", "starts_with", "^@":
		return &wire.Condition{Op: wire.OpStarts, Column: column.Name, Values: []string{value}}
	case "~~", "like", "~~*", "ilike":
		before, _, found := cutWildcard(value)
		fold := strings.HasSuffix(textAt(e, "function_name"), "*") || textAt(e, "function_name") == "ilike"
		switch {
		case before == "":
			return nil
		case fold && !found:
			return &wire.Condition{Op: wire.OpFold, Column: column.Name, Values: []string{strings.ToLower(before)}}
		case fold:
			return &wire.Condition{Op: wire.OpFoldStarts, Column: column.Name, Values: []string{strings.ToLower(before)}}
		case !found:
			return &wire.Condition{Op: wire.OpIn, Column: column.Name, Values: []string{before}}
		}
		return &wire.Condition{Op: wire.OpStarts, Column: column.Name, Values: []string{before}}
	}
	return nil
}

// cutWildcard cuts a pattern of LIKE at its first wildcard. A backslash is one, too: it could escape.
func cutWildcard(pattern string) (before, rest string, found bool) {
	i := strings.IndexAny(pattern, `%_\`)
	if i < 0 {
		return pattern, "", false
	}
	return pattern[:i], pattern[i:], true
}

// constant returns a constant as the text of a column's type.
func (c conditions) constant(e any, t abi.ColumnType) (string, bool) {
	cast, given := "", false
	if textAt(e, "class") == "CAST" {
		if try, _ := at(e, "try_cast").(bool); try {
			return "", false
		}
		cast, e = textAt(e, "cast_type", "id"), at(e, "child")
	}
	if textAt(e, "class") == "PARAMETER" {
		e, given = c.parameters[textAt(e, "identifier")], true
	}
	if textAt(e, "class") != "CONSTANT" {
		return "", false
	}
	if null, _ := at(e, "value", "is_null").(bool); null {
		return "", false
	}
	switch value := at(e, "value", "value").(type) {
	case string:
		switch {
		case t == abi.Varchar && cast == "":
			return value, true
		case t == abi.TimestampTZ && given && (cast == "" || cast == "TIMESTAMP WITH TIME ZONE"):
			return moment(c.time(value))
		case t == abi.TimestampTZ && cast == "TIMESTAMP WITH TIME ZONE":
			return moment(value)
		case t == abi.Boolean && cast == "BOOLEAN" && (value == "t" || value == "f"):
			return map[string]string{"t": "true", "f": "false"}[value], true
		}
	case bool:
		if t == abi.Boolean {
			return fmt.Sprint(value), true
		}
	case json.Number, float64:
		if t == abi.BigInt && cast == "" {
			return fmt.Sprint(value), true
		}
	}
	return "", false
}

// moment returns a time of DuckDB's, which is in UTC here, as RFC 3339. What has no year of four digits is none.
func moment(value string) (string, bool) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999-07:00"} {
		if t, err := time.Parse(layout, value); err == nil && t.Year() >= 1 && t.Year() <= 9999 {
			return t.UTC().Format(time.RFC3339Nano), true
		}
	}
	return "", false
}
