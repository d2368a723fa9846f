// Package pushdown chooses the calls that read the rows of a view for a condition. It knows no service: what a service
// can answer is in the manifest (abi.Answer).
//
// A condition is never translated exactly but always so that at least its rows are returned. DuckDB applies the condition
// again. So a mistake of a manifest's can cost requests, and rows only where it says that the service can do what it cannot.
package pushdown

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// Plan is how the rows of a view are read.
type Plan struct {
	// Calls are read one after another; a record that comes twice is one row. None means that there are no rows.
	Calls []Call
	// Ordered says that the rows come in the order that was asked for.
	Ordered bool
	// Used says that the plan is not the view's own call.
	Used bool
}

// Call is one call of an operation.
type Call struct {
	Operation string
	Input     json.RawMessage
	Given     *string // the value that the statement gives an input
}

const (
	// maxFilter is the longest filter that is written, in bytes. Longer ones do not fit into an address everywhere.
	maxFilter = 3_000
	// maxCalls is how many calls a list of values may become for an answer with a filter.
	maxCalls = 25
	// maxValue is the longest value in a filter, in bytes.
	maxValue = 255
)

// Of returns the plan for a view. base is the view's own call, and now the time at which the statement runs.
func Of(view *abi.View, m *abi.Manifest, base wire.Call, pushed wire.Pushed, now time.Time) Plan {
	best, most := Plan{Calls: []Call{{Operation: base.Operation, Input: Whole(base)}}}, 0
	extra := extra(base)
	if operation(m, view.Operation) == nil || base.Operation != view.Operation || !Owns(view, base.Input) || pushed.Condition.Depth() > wire.MaxConditionDepth {
		return best
	}
	for i := range view.Answers {
		if len(extra) > 0 && view.Answers[i].Operation != view.Operation {
			continue
		}
		t := translation{answer: &view.Answers[i], extra: extra, op: operation(m, view.Operation), base: base, pushed: pushed, now: now}
		if p, score := t.plan(); score > most {
			best, most = p, score
		}
	}
	return best
}

// extra returns the input that a view gives every call besides its own.
func extra(base wire.Call) map[string]any {
	if !strings.HasPrefix(base.Given, "{") {
		return nil
	}
	fields, _ := object(base.Given)
	return fields
}

// Whole returns the input of a call with what its view adds.
func Whole(base wire.Call) json.RawMessage {
	more := extra(base)
	fields, ok := object(base.Input)
	if !ok || len(more) == 0 {
		return json.RawMessage(base.Input)
	}
	maps.Copy(fields, more)
	b, err := json.Marshal(fields)
	if err != nil { // it was JSON before
		return json.RawMessage(base.Input)
	}
	return b
}

// Owns reports whether an input is that of a view's own call: that of the manifest, with a time in each field of Times.
func Owns(view *abi.View, input string) bool {
	own, okOwn := object(cmp.Or(string(view.Input), "{}"))
	given, okGiven := object(input)
	for field := range view.Times {
		if _, text := given[field].(string); !text {
			return false
		}
		delete(own, field)
		delete(given, field)
	}
	return okOwn && okGiven && reflect.DeepEqual(own, given)
}

// object reads a JSON object, with numbers as they are written.
func object(text string) (fields map[string]any, ok bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(&fields)
	return fields, err == nil && fields != nil
}

func operation(m *abi.Manifest, name string) *abi.Operation {
	i := slices.IndexFunc(m.Operations, func(op abi.Operation) bool { return op.Name == name })
	if i < 0 {
		return nil
	}
	return &m.Operations[i]
}

// translation is one answer to one condition.
type translation struct {
	answer *abi.Answer
	extra  map[string]any // input that every call has
	op     *abi.Operation // the view's
	base   wire.Call
	pushed wire.Pushed
	now    time.Time
}

// Scores: an answer with one value is the object itself, and is preferred to all lists.
const (
	scoreValue = 1000
	scoreOrder = 100
)

// plan returns the calls of the answer. The score says how much of the condition they express; 0 is nothing.
func (t *translation) plan() (Plan, int) {
	input := map[string]any{}
	if len(t.answer.Input) > 0 && json.Unmarshal(t.answer.Input, &input) != nil {
		return Plan{}, 0
	}
	maps.Copy(input, t.extra)
	plan, score := Plan{Used: true}, 0
	if t.pushed.Order != "" {
		if !t.order(input) {
			return Plan{}, 0
		}
		plan.Ordered, score = true, scoreOrder
	}
	conjuncts := flattened(t.pushed.Condition)
	bounded, empty := t.bounds(input, conjuncts)
	if empty {
		return Plan{Used: true, Ordered: plan.Ordered}, scoreValue + 1
	}
	field, values, needed := t.values(conjuncts)
	if needed && values == nil {
		return Plan{}, 0
	}
	if needed {
		score += scoreValue
	}
	filters, used := t.filters(conjuncts)
	score += bounded + used
	for _, filter := range filters {
		own := input
		if filter != "" {
			own = with(input, t.answer.Filter, filter)
		}
		for _, value := range orNone(values) {
			call := own
			if field != "" {
				call = with(own, field, value)
			}
			b, err := json.Marshal(call)
			if err != nil {
				return Plan{}, 0
			}
			plan.Calls = append(plan.Calls, Call{Operation: t.answer.Operation, Input: b})
		}
	}
	if len(plan.Calls) > 1 && (plan.Ordered || t.op.Key == "") {
		return Plan{}, 0
	}
	return plan, score
}

// orNone returns the values, or one empty value where there are none.
func orNone(values []string) []string {
	if len(values) == 0 {
		return []string{""}
	}
	return values
}

func with(input map[string]any, field string, value any) map[string]any {
	copied := map[string]any{field: value}
	for k, v := range input {
		if k != field {
			copied[k] = v
		}
	}
	return copied
}

// flattened returns the parts of which all must hold.
func flattened(c *wire.Condition) []wire.Condition {
	if c == nil {
		return nil
	}
	if c.Op != wire.OpAnd {
		return []wire.Condition{*c}
	}
	var all []wire.Condition
	for i := range c.Parts {
		all = append(all, flattened(&c.Parts[i])...)
	}
	return all
}

// order sets the input of an order, and reports whether the answer has it.
func (t *translation) order(input map[string]any) bool {
	for _, o := range t.answer.Orders {
		value := o.Ascending
		if t.pushed.Descending {
			value = o.Descending
		}
		at := slices.IndexFunc(t.op.Columns, func(c abi.Column) bool { return c.Name == o.Column })
		if o.Column == t.pushed.Order && value != "" && at >= 0 && t.op.Columns[at].Type == abi.TimestampTZ {
			input[o.Input] = value
			return true
		}
	}
	return false
}

// values returns the values for which the answer is called, and the input that takes them. needed says that the answer
// applies to values alone.
func (t *translation) values(conjuncts []wire.Condition) (field string, values []string, needed bool) {
	for _, c := range t.answer.Conditions {
		if c.Value == "" {
			continue
		}
		needed = true
		for i := range conjuncts {
			found := valuesOf(&conjuncts[i], c.Column)
			if found == nil || len(found) > max(t.answer.Each, 1) || values != nil && len(found) >= len(values) {
				continue
			}
			field, values = c.Value, found
		}
	}
	return field, values, needed
}

// Values returns the values that a column can have where a condition holds; nil is any.
func Values(c *wire.Condition, column string) []string {
	if c == nil {
		return nil
	}
	return valuesOf(c, column)
}

// valuesOf returns the values that a column can have where a condition holds; nil is any.
func valuesOf(c *wire.Condition, column string) []string {
	switch c.Op {
	case wire.OpIn:
		if c.Column == column {
			return distinct(c.Values)
		}
	case wire.OpAnd:
		for i := range c.Parts {
			if found := valuesOf(&c.Parts[i], column); found != nil {
				return found
			}
		}
	case wire.OpOr:
		var all []string
		for i := range c.Parts {
			found := valuesOf(&c.Parts[i], column)
			if found == nil {
				return nil
			}
			all = append(all, found...)
		}
		return distinct(all)
	}
	return nil
}

func distinct(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

// bounds sets the inputs of times. used counts the bounds that the condition has. empty says that no time is within them.
func (t *translation) bounds(input map[string]any, conjuncts []wire.Condition) (used int, empty bool) {
	var given map[string]any
	_ = json.Unmarshal([]byte(t.base.Input), &given) // else there are no defaults
	for _, c := range t.answer.Conditions {
		if c.From == "" && c.To == "" {
			continue
		}
		unit := time.Millisecond
		if c.Precision == abi.PrecisionSecond {
			unit = time.Second
		}
		from, to := boundsOf(&wire.Condition{Op: wire.OpAnd, Parts: conjuncts}, c.Column)
		if !from.IsZero() && c.From != "" {
			used++
			if oldest := t.now.Add(time.Duration(c.Oldest) * time.Second); c.Oldest < 0 && from.Before(oldest) {
				from = oldest
			}
		}
		if !to.IsZero() && c.To != "" {
			used++
		}
		set := func(field string, bound time.Time) time.Time {
			if field == "" {
				return time.Time{}
			}
			if bound.IsZero() && t.answer.Operation == t.base.Operation { // the view's own
				if text, ok := given[field].(string); ok {
					input[field] = text
					bound, _ = time.Parse(time.RFC3339, text)
				}
				return bound
			}
			if !bound.IsZero() {
				input[field] = bound.UTC().Format(layout(unit))
			}
			return bound
		}
		if !from.IsZero() {
			from = from.Truncate(unit)
		}
		if !to.IsZero() {
			to = to.Truncate(unit).Add(unit)
			if bound, ok := lastOf(given, c.To); ok && t.answer.Operation == t.base.Operation && to.After(bound) {
				to = time.Time{} // nothing is later than the view's own
			}
		}
		from, to = set(c.From, from), set(c.To, to)
		if !from.IsZero() && !to.IsZero() && !from.Before(to) {
			return used, true
		}
	}
	return used, false
}

// lastOf returns a time of the view's own input.
func lastOf(given map[string]any, field string) (time.Time, bool) {
	text, _ := given[field].(string)
	bound, err := time.Parse(time.RFC3339, text)
	return bound, err == nil
}

// layout is RFC 3339 with what is known of a second.
func layout(unit time.Duration) string {
	if unit == time.Second {
		return "2006-01-02T15:04:05Z"
	}
	return "2006-01-02T15:04:05.000Z"
}

// boundsOf returns times between which a column is where a condition holds; zero is no bound.
func boundsOf(c *wire.Condition, column string) (from, to time.Time) {
	switch c.Op {
	case wire.OpAnd:
		for i := range c.Parts {
			f, t := boundsOf(&c.Parts[i], column)
			if from.IsZero() || f.After(from) {
				from = f
			}
			if to.IsZero() || !t.IsZero() && t.Before(to) {
				to = t
			}
		}
	case wire.OpOr:
		for i := range c.Parts {
			f, t := boundsOf(&c.Parts[i], column)
			if i == 0 {
				from, to = f, t
				continue
			}
			if f.IsZero() || f.Before(from) {
				from = f
			}
			if t.IsZero() || !to.IsZero() && t.After(to) {
				to = t
			}
		}
	case wire.OpIn, wire.OpAtLeast, wire.OpAtMost:
		if c.Column != column {
			return from, to
		}
		for i, value := range c.Values {
			at, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return time.Time{}, time.Time{}
			}
			if c.Op != wire.OpAtMost && (i == 0 || at.Before(from)) {
				from = at
			}
			if c.Op != wire.OpAtLeast && (i == 0 || at.After(to)) {
				to = at
			}
		}
	}
	return from, to
}

// filters returns the filters that together return the rows, one for each call; "" is none. used is how many conjuncts they
// express.
func (t *translation) filters(conjuncts []wire.Condition) (filters []string, used int) {
	filters = []string{""}
	if t.answer.Filter == "" {
		return filters, 0
	}
	var parts, split []string
	length := 0
	for i := range conjuncts {
		part, ok := t.filter(&conjuncts[i])
		switch {
		case !ok:
			continue
		case length+len(part) > maxFilter:
			if pieces := t.pieces(&conjuncts[i], maxFilter/2); split == nil && pieces != nil && length < maxFilter/2 {
				split, length, used = pieces, length+maxFilter/2, used+1
			}
			continue
		}
		parts, length, used = append(parts, part), length+len(part)+len(" and "), used+1
	}
	if len(parts) > 0 {
		filters = []string{strings.Join(parts, " and ")}
	}
	if split == nil {
		return filters, used
	}
	var all []string
	for _, piece := range split {
		all = append(all, strings.TrimPrefix(filters[0]+" and "+piece, " and "))
	}
	return all, used
}

// pieces divides a long list of values into several filters; nil if they are too many.
func (t *translation) pieces(c *wire.Condition, most int) []string {
	var pieces []string
	if c.Op != wire.OpIn {
		return nil
	}
	values := distinct(c.Values)
	for len(values) > 0 {
		n := len(values)
		piece, ok := "", false
		for ; n > 0; n /= 2 {
			if piece, ok = t.filter(&wire.Condition{Op: wire.OpIn, Column: c.Column, Values: values[:n]}); ok && len(piece) <= most {
				break
			}
		}
		if n == 0 || !ok {
			return nil
		}
		if pieces = append(pieces, piece); len(pieces) > maxCalls {
			return nil
		}
		values = values[n:]
	}
	return pieces
}

// filter writes a condition as an expression of SCIM that holds at least where the condition does.
func (t *translation) filter(c *wire.Condition) (string, bool) {
	switch c.Op {
	case wire.OpAnd, wire.OpOr:
		var parts []string
		for i := range c.Parts {
			part, ok := t.filter(&c.Parts[i])
			if ok {
				parts = append(parts, part)
			} else if c.Op == wire.OpOr {
				return "", false
			}
		}
		return grouped(parts, string(c.Op))
	}
	how := slices.IndexFunc(t.answer.Conditions, func(have abi.Condition) bool { return have.Name != "" && have.Column == c.Column })
	at := slices.IndexFunc(t.op.Columns, func(have abi.Column) bool { return have.Name == c.Column })
	if how < 0 || at < 0 {
		return "", false
	}
	return expression{t.answer.Conditions[how], t.op.Columns[at].Type}.of(c)
}

// grouped joins expressions.
func grouped(parts []string, by string) (string, bool) {
	switch len(parts) {
	case 0:
		return "", false
	case 1:
		return parts[0], true
	}
	return "(" + strings.Join(parts, " "+by+" ") + ")", true
}

// expression writes comparisons of one attribute.
type expression struct {
	how abi.Condition
	typ abi.ColumnType
}

func (e expression) can(operator string) bool { return slices.Contains(e.how.Operators, operator) }

func (e expression) of(c *wire.Condition) (string, bool) {
	switch c.Op {
	case wire.OpPresent:
		return e.how.Name + " pr", e.can(abi.OperatorPresent)
	case wire.OpIn, wire.OpFold:
		if c.Op == wire.OpFold && !e.how.Fold {
			return "", false
		}
		var parts []string
		for _, value := range c.Values {
			part, ok := e.equal(value, c.Op == wire.OpFold)
			if !ok {
				return "", false
			}
			parts = append(parts, part)
		}
		return grouped(parts, "or")
	case wire.OpStarts, wire.OpFoldStarts:
		if e.typ != abi.Varchar || len(c.Values) != 1 || c.Op == wire.OpFoldStarts && (!e.how.Fold || !folds(c.Values[0])) {
			return "", false
		}
		quoted, ok := quote(c.Values[0])
		return e.how.Name + " sw " + quoted, ok && e.can(abi.OperatorStarts)
	case wire.OpAtLeast, wire.OpAtMost:
		if e.typ != abi.TimestampTZ || len(c.Values) != 1 {
			return "", false
		}
		return e.time(c.Op, c.Values[0])
	}
	return "", false
}

// equal writes name eq value. A time is between two, since the service's may have another precision.
func (e expression) equal(value string, fold bool) (string, bool) {
	switch e.typ {
	case abi.Varchar:
		quoted, ok := quote(value)
		return e.how.Name + " eq " + quoted, ok && e.can(abi.OperatorEqual) && (!fold || folds(value))
	case abi.Boolean:
		return e.how.Name + " eq " + value, e.can(abi.OperatorEqual) && (value == "true" || value == "false")
	case abi.TimestampTZ:
		from, okFrom := e.time(wire.OpAtLeast, value)
		to, okTo := e.time(wire.OpAtMost, value)
		return "(" + from + " and " + to + ")", okFrom && okTo
	}
	return "", false
}

// time writes a bound, rounded outwards.
func (e expression) time(op wire.ConditionOp, value string) (string, bool) {
	at, err := time.Parse(time.RFC3339, value)
	unit := time.Millisecond
	if e.how.Precision == abi.PrecisionSecond {
		unit = time.Second
	}
	if at = at.Truncate(unit); op == wire.OpAtMost {
		at = at.Add(unit)
	}
	return fmt.Sprintf("%s %s %q", e.how.Name, op, at.UTC().Format(layout(unit))), err == nil && e.can(string(op))
}

// quote quotes a value. One that would need an escape is none: services do not agree on escapes.
func quote(value string) (string, bool) {
	odd := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' || r == '\uFFFD' || r > 0xFFFF })
	return `"` + value + `"`, !odd && value != "" && len(value) <= maxValue && strings.TrimSpace(value) == value
}

// folds reports whether only ASCII becomes a text in lower case. DuckDB makes a k of the Kelvin sign and an i of İ, which a service
// need not do.
func folds(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r > 0x7e || strings.ContainsRune("kKiI", r) })
}

// Unbounded reports whether a condition does not limit a column of times from below.
func Unbounded(c *wire.Condition, column string) bool {
	if c == nil {
		return true
	}
	from, _ := boundsOf(c, column)
	return from.IsZero()
}

// Text describes a plan for people.
func (p Plan) Text() string {
	switch n := len(p.Calls); {
	case n == 0:
		return "no request: no row can match"
	case n == 1:
		return p.Calls[0].Operation + " " + string(p.Calls[0].Input)
	default:
		return fmt.Sprintf("%s %s and %d more like it", p.Calls[0].Operation, cmp.Or(string(p.Calls[0].Input), "{}"), n-1)
	}
}
