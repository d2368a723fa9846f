//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/pushdown"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// A view of a Schema may have a column that is an input of its operation. An example is a filter in the service's own language. The
// column is NULL, unless a condition gives it a value: then the operation is called with that input alone, and the column has the value.

// namesOf returns the names of a call's columns by their indexes. given has the places of the column that an input is. Its index is
// after the operation's own.
func namesOf(op *abi.Operation, call wire.Call, columns []int) (names []string, given []int, err error) {
	names = []string{}
	for i, at := range columns {
		switch {
		case at >= 0 && at < len(op.Columns):
			names = append(names, op.Columns[at].Name)
		case at == len(op.Columns) && call.Column() != "":
			given = append(given, i)
		default:
			return nil, nil, fmt.Errorf("%s has %d columns, and column %d was asked for", op.Name, len(op.Columns), at)
		}
	}
	return names, given, nil
}

// givenValues returns the values that a condition gives the input of a call; nil is none.
func givenValues(call wire.Call, pushed *wire.Pushed) ([]string, error) {
	if call.Column() == "" {
		return nil, nil
	}
	if pushed == nil || pushed.Condition.Depth() > wire.MaxConditionDepth { // the condition is not known
		return nil, fmt.Errorf("%s is an input of %s: a statement of this kind cannot read it", call.Column(), call.Operation)
	}
	values := pushdown.Values(pushed.Condition, call.Column())
	if values == nil && mentions(pushed.Condition, call.Column()) {
		return nil, fmt.Errorf("%s is an input of %s: compare it with = or IN and constants, joined to other conditions by AND", call.Column(), call.Operation)
	}
	return values, nil
}

// mentions reports whether a condition has a column.
func mentions(c *wire.Condition, column string) bool {
	return c != nil && (c.Column == column || slices.ContainsFunc(c.Parts, func(part wire.Condition) bool { return mentions(&part, column) }))
}

// givenCalls returns a call for each value.
func givenCalls(call wire.Call, values []string) []pushdown.Call {
	var all []pushdown.Call
	for _, value := range values {
		input, err := json.Marshal(map[string]string{call.Column(): value})
		if err == nil { // a text is always JSON
			all = append(all, pushdown.Call{Operation: call.Operation, Input: input, Given: &value})
		}
	}
	return all
}

// appendGiven appends the value of the call's input, if the row's next column, after n others, has it.
func (t *tableRows) appendGiven(b []byte, n int) []byte {
	for seen := range t.given {
		if t.given[seen] != n+seen {
			continue
		}
		if value := t.calls[0].Given; value != nil {
			b = wire.AppendText(b, *value)
		} else {
			b = wire.AppendNull(b)
		}
	}
	return b
}
