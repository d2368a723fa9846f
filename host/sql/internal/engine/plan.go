//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// A table function of DuckDB's C API is given no condition. So a statement is explained before it runs: the plan has each
// scan with the filter above it, constants folded, through views, joins and subqueries. RATIONALE.md, "How does a scan
// learn its conditions?", says why a filter of this plan holds for the scan that runs.

// firstTag is the lowest tag. Tags are below twice of it, so that plans do not depend on them.
const firstTag = 1 << 20

// tags are the tags of the scans that DuckDB knows.
type tags struct {
	mu   sync.Mutex
	last int
	used map[int]*scan
}

// add gives a scan its tag; none if there are too many scans.
func (t *tags) add(s *scan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.used == nil {
		t.used = map[int]*scan{}
	}
	for range min(firstTag-1, len(t.used)+1) {
		t.last = t.last%(firstTag-1) + 1
		if tag := firstTag + t.last; t.used[tag] == nil {
			t.used[tag], s.tag = s, tag
			return
		}
	}
}

func (t *tags) remove(s *scan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.tag > 0 {
		delete(t.used, s.tag)
	}
}

// plan is what is known of a statement's scans before it runs.
type plan struct {
	scans    []*scan                    // as DuckDB bound them when it explained the statement
	prepared []*scan                    // those in the plan that PREPARE bound
	found    map[int]*wire.Pushed       // what the plan wants of the rows of a scan, by the scan's tag
	keys     map[int][]joinKey          // by the scan's tag
	sets     map[int]map[string]*keySet // values to keep, by the scan's tag and column
}

// bind notes a scan.
func (s *statement) bind(one *scan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound = append(s.bound, one)
}

// takeBound returns the scans that were bound, and forgets them.
func (s *statement) takeBound() []*scan {
	s.mu.Lock()
	defer s.mu.Unlock()
	bound := s.bound
	s.bound = nil
	return bound
}

// planned returns the tag in the plan of a scan that runs. pushed is what the statement wants of its rows; nil is all of them. A scan that runs is the one in the
// plan if it is the same object, which is so for what PREPARE bound, or if it has its place in the order of all binds: DuckDB binds
// the same statement in the same order.
func (s *statement) planned(one *scan) (tag int, pushed *wire.Pushed) {
	if slices.Contains(s.plan.prepared, one) {
		return one.tag, s.plan.found[one.tag]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.bound, one)
	same := func(a, b *scan) bool { return a.call == b.call }
	if at < 0 || one.tag == 0 || !slices.EqualFunc(s.bound, s.plan.scans, same) {
		return 0, nil
	}
	tag = s.plan.scans[at].tag
	return tag, s.plan.found[tag]
}

// explain returns the plan of a statement, and what it wants of each scan. ok is false for a statement that DuckDB does not explain,
// and one without scans of views.
func (e *Engine) explain(ctx context.Context, s *statement, text string) (root tree.Operator, p plan, ok bool) {
	s.takeBound()
	parameters := e.parameters(ctx, text)
	var key, printed string
	rows, err := e.conn.QueryContext(ctx, "EXPLAIN (FORMAT json) "+text)
	if err != nil {
		return root, p, false
	}
	if rows.Next() {
		err = rows.Scan(&key, &printed)
	}
	_ = rows.Close()
	p = plan{scans: s.takeBound(), found: map[int]*wire.Pushed{}}
	var roots []tree.Operator
	if err != nil || json.Unmarshal([]byte(printed), &roots) != nil || len(roots) != 1 {
		return root, p, false
	}
	var walk func(o tree.Operator, filters []string, limited bool)
	walk = func(o tree.Operator, filters []string, limited bool) {
		switch o.Name {
		case "FILTER":
			filters = append(slices.Clone(filters), o.Text("Expression"))
		case scanOperator:
			one, prepared := e.tagged(o, p.scans)
			if prepared {
				p.prepared = append(p.prepared, one)
			}
			if one != nil {
				p.found[one.tag] = &wire.Pushed{Condition: e.condition(ctx, one, filters, parameters), Limited: limited}
			}
		default:
			filters = nil
			limited = limited && o.Name == "PROJECTION" || o.Name == "STREAMING_LIMIT" || o.Name == "LIMIT"
		}
		for _, child := range o.Children {
			walk(child, filters, limited)
		}
	}
	walk(roots[0], nil, false)
	return roots[0], p, len(p.found) > 0
}

// executes finds the name and the arguments in EXECUTE.
var executes = regexp.MustCompile(`(?is)^(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*execute\s+` + sqltext.Part + `\s*\((.*)\)[\s;]*$`)

// parameters returns the arguments of EXECUTE that are constants, by the parameter's name, which is a number where the
// statement gives none.
func (e *Engine) parameters(ctx context.Context, statement string) map[string]any {
	m := executes.FindStringSubmatch(statement)
	if m == nil {
		return nil
	}
	all := map[string]any{}
	for i, argument := range tree.List(e.serialized(ctx, "SELECT "+m[1]), "statements", 0, "node", "select_list") {
		all[cmp.Or(tree.Text(argument, "alias"), strconv.Itoa(i+1))] = argument
	}
	return all
}

// scanOperator is the name of a connector_table in a plan.
const scanOperator = "CONNECTOR_TABLE"

// tagged returns the scan of a node: one of those that were bound for the plan, or one that PREPARE bound.
func (e *Engine) tagged(o tree.Operator, bound []*scan) (one *scan, prepared bool) {
	tag, err := strconv.Atoi(o.Text("Estimated Cardinality"))
	if err != nil || tag <= firstTag {
		return nil, false
	}
	if tag >= 2*firstTag && tag%manyMore == 0 {
		tag /= manyMore
	}
	for _, one := range bound {
		if one.tag == tag {
			return one, false
		}
	}
	e.tags.mu.Lock()
	defer e.tags.mu.Unlock()
	one = e.tags.used[tag]
	return one, one != nil
}

// plans reports whether statements of a kind are explained before they run.
func plans(kind duckdb.StmtType) bool {
	switch kind {
	case duckdb.STATEMENT_TYPE_SELECT, duckdb.STATEMENT_TYPE_INSERT, duckdb.STATEMENT_TYPE_COPY, duckdb.STATEMENT_TYPE_CREATE, duckdb.STATEMENT_TYPE_EXECUTE:
		return true
	}
	return false
}

// serialized returns the tree of a SELECT as DuckDB parses it, or nil.
func (e *Engine) serialized(ctx context.Context, statement string) map[string]any {
	var parsed string
	if err := e.conn.QueryRowContext(ctx, "SELECT system.main.json_serialize_sql("+text(statement)+")::VARCHAR").Scan(&parsed); err != nil {
		return nil
	}
	var root map[string]any
	dec := json.NewDecoder(strings.NewReader(parsed))
	dec.UseNumber() // places and numbers may be longer than a float64 keeps
	if err := dec.Decode(&root); err != nil || root["error"] != false {
		return nil
	}
	return root
}

// reads reports whether a scan was bound.
func (s *statement) reads() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bound) > 0
}

// prepare learns what a statement wants of each scan, and returns the statement to run. readable
// makes a statement's result readable.
func (e *Engine) prepare(s *statement, kind duckdb.StmtType, text string, readable func(string) string) string {
	asked := readable(text)
	if !plans(kind) {
		return asked
	}
	root, p, ok := e.explain(s.ctx, s, asked)
	if !ok {
		return asked
	}
	e.joins(s.ctx, text, &p)
	if s.plan = p; kind != duckdb.STATEMENT_TYPE_SELECT || !root.IsTop(scanOperator) {
		return asked
	}
	if other, p, ok := e.inOrder(s, text, readable); ok {
		s.plan = p
		return other
	}
	return asked
}

// inOrder returns the statement that has the first rows of a view in an order that the service has, as it passes them on.
func (e *Engine) inOrder(s *statement, text string, readable func(string) string) (string, plan, bool) {
	o, ok := e.ordered(s.ctx, text)
	if !ok {
		return "", plan{}, false
	}
	asked := readable(o.statement)
	root, p, ok := e.explain(s.ctx, s, asked)
	one, found := p.only()
	if !ok || !root.IsStream(scanOperator) || one == nil || !strings.EqualFold(one.call.View, o.view) {
		return "", p, false
	}
	at := slices.IndexFunc(one.table.Columns, func(c wire.Column) bool { return strings.EqualFold(c.Name, o.column) })
	if at < 0 {
		return "", p, false
	}
	found.Order, found.Descending = one.table.Columns[at].Name, o.descending
	message, err := e.source.Plan(s.ctx, one.call, *found)
	return asked, p, err == nil && message.Ordered
}

// explains finds EXPLAIN and its options before a statement.
var explains = regexp.MustCompile(`(?is)^(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*explain\s*(?:\([^)]*\)|analyze\b)?`)

// explained returns rows that say what each scan of an explained statement asks of its service. It makes EXPLAIN ANALYZE run the
// statement as it runs without.
func (e *Engine) explained(s *statement, text string) (rows [][]any) {
	plain := explains.ReplaceAllString(text, "")
	root, p, ok := e.explain(s.ctx, s, plain)
	if !ok {
		return nil
	}
	s.plan = p
	if root.IsTop(scanOperator) {
		if _, ordered, ok := e.inOrder(s, plain, func(text string) string { return text }); ok {
			p = ordered
		}
	}
	for _, one := range append(p.scans[:len(p.scans):len(p.scans)], p.prepared...) {
		found := p.found[one.tag]
		if one.tag == 0 || found == nil {
			continue
		}
		message, err := e.source.Plan(s.ctx, one.call, *found)
		if err != nil {
			continue
		}
		how := fmt.Sprintf("at least %d requests", message.Requests)
		if message.Requests == 1 {
			how = "at least 1 request"
		}
		if message.Requests > 0 {
			how = message.Text + "\n" + how
		} else {
			how = message.Text
		}
		rows = append(rows, []any{one.call.Connection + "." + one.call.View, how})
	}
	return rows
}
