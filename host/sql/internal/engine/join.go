//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// DuckDB reads one side of a join before the other begins. So the values of that side are known, and the other side needs only
// the rows with them. A plan does not say which columns are compared, since queries may rename them. The tree of the statement does:
// it has the names as the author wrote them, and each is resolved to a view.

// joinKey says that a scan needs only rows whose column has a value that another scan returned.
type joinKey struct {
	column string // the scan's own
	other  int    // the tag of the other scan in the plan
	from   string // the other scan's column
}

// keySet has the values of a column that a scan returned.
type keySet struct {
	mu     sync.Mutex
	values map[string]bool
	runs   int  // how often the scan began
	ended  bool // it returned its last row
	over   bool // there are too many values
}

// maxKeys is how many values are kept of a column.
const maxKeys = 20_000

func (k *keySet) add(text []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over || k.values[string(text)] {
		return
	}
	if k.over = len(k.values) >= maxKeys; !k.over {
		k.values[string(text)] = true
	}
}

// known returns the values, if the scan has returned all of them.
func (k *keySet) known() ([]string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.values)), k.ended && !k.over && k.runs == 1
}

// tableRef is a table of FROM.
type tableRef struct {
	view      string // "" if it is no view of a connection
	ambiguous bool   // several tables have the alias
}

// joins notes in a plan which scans need only the rows that match another scan.
func (e *Engine) joins(ctx context.Context, statement string, p *plan) {
	parsed := e.serialized(ctx, statement)
	if parsed == nil {
		return
	}
	j := joinReader{engine: e, plan: p, uses: map[string]int{}, hidden: map[string]bool{}}
	j.count(parsed)
	j.walk(parsed)
}

type joinReader struct {
	engine *Engine
	plan   *plan
	uses   map[string]int  // how many tables of the statement have the name, in lower case
	hidden map[string]bool // names of WITH, in lower case
}

// count counts the tables by name, and learns the names of WITH.
func (j *joinReader) count(parsed any) {
	tree.Each(parsed, func(v map[string]any) {
		if tree.Text(v, "type") == "BASE_TABLE" {
			j.uses[strings.ToLower(tree.Text(v, "table_name"))]++
		}
		for _, entry := range tree.List(v, "cte_map", "map") {
			j.hidden[strings.ToLower(tree.Text(entry, "key"))] = true
		}
	})
}

// walk reads each SELECT.
func (j *joinReader) walk(parsed any) {
	tree.Each(parsed, func(node map[string]any) {
		if tree.Text(node, "type") != "SELECT_NODE" {
			return
		}
		tables := map[string]*tableRef{}
		j.tables(tree.At(node, "from_table"), tables)
		j.on(tree.At(node, "from_table"), tables)
		for _, conjunct := range tree.Conjuncts(tree.At(node, "where_clause")) {
			j.equal(conjunct, tables, tables, tables)
			j.in(conjunct, tables)
		}
	})
}

// tables learns the tables of FROM by their aliases, in lower case.
func (j *joinReader) tables(from any, tables map[string]*tableRef) {
	table, _ := from.(map[string]any)
	switch tree.Text(table, "type") {
	case "JOIN":
		j.tables(tree.At(table, "left"), tables)
		j.tables(tree.At(table, "right"), tables)
		return
	case "EMPTY":
		return
	}
	name := strings.ToLower(tree.Text(table, "table_name"))
	alias := strings.ToLower(tree.Text(table, "alias"))
	if alias == "" {
		alias = name
	}
	ref := &tableRef{}
	if j.engine.isView(table) && !j.hidden[name] && j.uses[name] == 1 {
		ref.view = name
	}
	if tables[alias] != nil {
		ref.ambiguous = true
	}
	tables[alias] = ref
}

// on reads the conditions of joins. Rows of the side that a join need not return can be left out.
func (j *joinReader) on(from any, tables map[string]*tableRef) {
	if tree.Text(from, "type") != "JOIN" {
		return
	}
	j.on(tree.At(from, "left"), tables)
	j.on(tree.At(from, "right"), tables)
	left, right, needed := map[string]*tableRef{}, map[string]*tableRef{}, map[string]*tableRef{}
	j.tables(tree.At(from, "left"), left)
	j.tables(tree.At(from, "right"), right)
	switch tree.Text(from, "join_type") {
	case "INNER":
		needed = tables
	case "LEFT":
		needed = right
	case "RIGHT":
		needed = left
	}
	for _, conjunct := range tree.Conjuncts(tree.At(from, "condition")) {
		j.equal(conjunct, left, right, needed)
		j.equal(conjunct, right, left, needed)
	}
}

// equal reads a.x = b.y, where a is one of some tables and b of others. needed has the tables whose other rows may be left out.
func (j *joinReader) equal(e any, as, bs, needed map[string]*tableRef) {
	if tree.Text(e, "type") != "COMPARE_EQUAL" {
		return
	}
	a, x, okA := qualified(tree.At(e, "left"), as)
	b, y, okB := qualified(tree.At(e, "right"), bs)
	if !okA || !okB || a == b {
		return
	}
	if needed[a] != nil {
		j.note(as[a], x, bs[b], y)
	}
	if needed[b] != nil {
		j.note(bs[b], y, as[a], x)
	}
}

// qualified returns the alias and the column of alias.column.
func qualified(e any, tables map[string]*tableRef) (alias, column string, ok bool) {
	names := tree.List(e, "column_names")
	if tree.Text(e, "type") != "COLUMN_REF" || len(names) != 2 {
		return "", "", false
	}
	alias, _ = names[0].(string)
	column, _ = names[1].(string)
	alias = strings.ToLower(alias)
	return alias, column, tables[alias] != nil && !tables[alias].ambiguous
}

// in reads a.x IN (SELECT y FROM b …).
func (j *joinReader) in(e any, tables map[string]*tableRef) {
	if tree.Text(e, "class") != "SUBQUERY" || tree.Text(e, "subquery_type") != "ANY" || tree.Text(e, "comparison_type") != "COMPARE_EQUAL" {
		return
	}
	a, x, ok := qualified(tree.At(e, "child"), tables)
	if !ok {
		if len(tables) != 1 || len(tree.List(e, "child", "column_names")) != 1 {
			return
		}
		for alias := range tables {
			a = alias
		}
		x = tree.Text(e, "child", "column_names", 0)
	}
	node := tree.At(e, "subquery", "node")
	selected := tree.List(node, "select_list")
	if tree.Text(node, "type") != "SELECT_NODE" || len(selected) != 1 || tree.Text(selected[0], "type") != "COLUMN_REF" {
		return
	}
	others := map[string]*tableRef{}
	if j.tables(tree.At(node, "from_table"), others); len(others) != 1 {
		return
	}
	names := tree.List(selected[0], "column_names")
	y, _ := names[len(names)-1].(string)
	for alias, other := range others {
		if len(names) == 1 || len(names) == 2 && strings.EqualFold(alias, tree.Text(names, 0)) {
			j.note(tables[a], x, other, y)
		}
	}
}

// note notes that a scan of one view needs only the values of another.
func (j *joinReader) note(a *tableRef, x string, b *tableRef, y string) {
	one, other := j.scan(a, &x), j.scan(b, &y)
	if one == nil || other == nil || one == other {
		return
	}
	if j.plan.keys == nil {
		j.plan.keys, j.plan.sets = map[int][]joinKey{}, map[int]map[string]*keySet{}
	}
	j.plan.keys[one.tag] = append(j.plan.keys[one.tag], joinKey{x, other.tag, y})
	if j.plan.sets[other.tag] == nil {
		j.plan.sets[other.tag] = map[string]*keySet{}
	}
	if j.plan.sets[other.tag][y] == nil {
		j.plan.sets[other.tag][y] = &keySet{values: map[string]bool{}}
	}
}

// scan returns the only scan of a view in the plan, with the name of a column of type VARCHAR as the scan has it.
func (j *joinReader) scan(t *tableRef, column *string) (found *scan) {
	if t.view == "" {
		return nil
	}
	for tag := range j.plan.found {
		for _, one := range j.plan.scans {
			if one.tag != tag || strings.ToLower(one.call.View) != t.view {
				continue
			}
			if found != nil {
				return nil
			}
			found = one
		}
	}
	if found == nil {
		return nil
	}
	i := slices.IndexFunc(found.table.Columns, func(c wire.Column) bool { return strings.EqualFold(c.Name, *column) && c.Type == abi.Varchar })
	if i < 0 {
		return nil
	}
	*column = found.table.Columns[i].Name
	return found
}

// joined adds to what is pushed to a scan the values of the scans that were read before. none reports that no row is needed.
func (p plan) joined(tag int, pushed *wire.Pushed) (more *wire.Pushed, none bool) {
	if pushed == nil {
		return nil, false
	}
	for _, key := range p.keys[tag] {
		values, known := p.sets[key.other][key.from].known()
		if !known {
			continue
		}
		if len(values) == 0 {
			return pushed, true
		}
		copied := *pushed
		in := wire.Condition{Op: wire.OpIn, Column: key.column, Values: values}
		if copied.Condition != nil {
			in = wire.Condition{Op: wire.OpAnd, Parts: []wire.Condition{*copied.Condition, in}}
		}
		copied.Condition = &in
		pushed = &copied
	}
	return pushed, false
}
