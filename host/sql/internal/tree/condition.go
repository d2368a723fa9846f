package tree

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// Conditions reads expressions over the columns of a scan.
type Conditions struct {
	Columns    []wire.Column
	Parameters map[string]any           // the constants that EXECUTE gives, by the parameter's name
	Time       func(text string) string // a text as DuckDB casts it to a time
}

// Read returns a condition that holds wherever an expression is true; nil is none.
func (c Conditions) Read(e any) *wire.Condition { return c.read(e, 0) }

// read returns a condition that holds wherever an expression is true; nil is none.
func (c Conditions) read(e any, depth int) *wire.Condition {
	if depth >= wire.MaxConditionDepth {
		return nil
	}
	switch Text(e, "type") {
	case "CONJUNCTION_AND":
		var parts []wire.Condition
		for _, child := range List(e, "children") {
			if part := c.read(child, depth+1); part != nil {
				parts = append(parts, *part)
			}
		}
		return joined(wire.OpAnd, parts)
	case "CONJUNCTION_OR":
		var parts []wire.Condition
		for _, child := range List(e, "children") {
			part := c.read(child, depth+1)
			if part == nil {
				return nil
			}
			parts = append(parts, *part)
		}
		return joined(wire.OpOr, parts)
	case "COMPARE_EQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO":
		return c.comparison(Text(e, "type"), At(e, "left"), At(e, "right"))
	case "COMPARE_BETWEEN":
		low := c.comparison("COMPARE_GREATERTHANOREQUALTO", At(e, "input"), At(e, "lower"))
		high := c.comparison("COMPARE_LESSTHANOREQUALTO", At(e, "input"), At(e, "upper"))
		if low == nil || high == nil {
			return nil
		}
		return joined(wire.OpAnd, []wire.Condition{*low, *high})
	case "COMPARE_IN":
		return c.in(List(e, "children"))
	case "OPERATOR_IS_NOT_NULL":
		if column := c.column(At(e, "children", 0)); column != nil {
			return &wire.Condition{Op: wire.OpPresent, Column: column.Name}
		}
	case "OPERATOR_NOT":
		if column := c.column(At(e, "children", 0)); column != nil && column.Type == abi.Boolean {
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
func (c Conditions) column(e any) *wire.Column {
	names := List(e, "column_names")
	if Text(e, "type") != "COLUMN_REF" || len(names) != 1 {
		return nil
	}
	i := slices.IndexFunc(c.Columns, func(column wire.Column) bool { return column.Name == names[0] })
	if i < 0 {
		return nil
	}
	return &c.Columns[i]
}

// folded returns the column whose lower case an expression is, or nil.
func (c Conditions) folded(e any) *wire.Column {
	if Text(e, "type") != "FUNCTION" || Text(e, "function_name") != "lower" || len(List(e, "children")) != 1 {
		return nil
	}
	return c.column(At(e, "children", 0))
}

func (c Conditions) comparison(op string, left, right any) *wire.Condition {
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
func (c Conditions) in(children []any) *wire.Condition {
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
		if null, _ := At(child, "value", "is_null").(bool); null { // equal to nothing
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
func (c Conditions) function(e any) *wire.Condition {
	children := List(e, "children")
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
	switch Text(e, "function_name") {
	case "prefix", "starts_with", "^@":
		return &wire.Condition{Op: wire.OpStarts, Column: column.Name, Values: []string{value}}
	case "~~", "like", "~~*", "ilike":
		before, _, found := cutWildcard(value)
		fold := strings.HasSuffix(Text(e, "function_name"), "*") || Text(e, "function_name") == "ilike"
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
func (c Conditions) constant(e any, t abi.ColumnType) (string, bool) {
	cast, given := "", false
	if Text(e, "class") == "CAST" {
		if try, _ := At(e, "try_cast").(bool); try {
			return "", false
		}
		cast, e = Text(e, "cast_type", "id"), At(e, "child")
	}
	if Text(e, "class") == "PARAMETER" {
		e, given = c.Parameters[Text(e, "identifier")], true
	}
	if Text(e, "class") != "CONSTANT" {
		return "", false
	}
	if null, _ := At(e, "value", "is_null").(bool); null {
		return "", false
	}
	switch value := At(e, "value", "value").(type) {
	case string:
		switch {
		case t == abi.Varchar && cast == "":
			return value, true
		case t == abi.TimestampTZ && given && (cast == "" || cast == "TIMESTAMP WITH TIME ZONE"):
			return moment(c.Time(value))
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
