package tree

import "strings"

// Join says that a view needs only the rows whose column has a value that another view has.
type Join struct {
	View, Column string // the view in lower case
	Other, From  string // the other view, and its column
}

// Joins returns what a statement's conditions say of pairs of views. isView reports whether a table of FROM is the view of a
// connection. Only views that the statement has once are returned.
func Joins(parsed any, isView func(table map[string]any) bool) []Join {
	j := joinReader{isView: isView, uses: map[string]int{}, hidden: map[string]bool{}}
	j.count(parsed)
	j.walk(parsed)
	return j.found
}

// Overlay says which view of a connection another view reads.
type Overlay struct {
	View    string            // the view of the connection
	Columns map[string]string // its columns that the other view has as they are, by their names there in lower case
}

// OverlayOf reads the query of a view. Its one call of function names the view of the connection in an argument, after prefix. ok is false for
// other queries.
func OverlayOf(parsed any, function, argument, prefix string) (o Overlay, ok bool) {
	node := At(parsed, "statements", 0, "node")
	if Text(node, "type") != "SELECT_NODE" || Text(node, "from_table", "type") != "SUBQUERY" {
		return o, false
	}
	calls := 0
	Each(At(node, "from_table"), func(v map[string]any) {
		if Text(v, "function_name") != function {
			return
		}
		calls++
		for _, child := range List(v, "children") {
			if name, found := strings.CutPrefix(Text(child, "right", "value", "value")+Text(child, "value", "value"), prefix); found {
				if Text(child, "alias") == argument || Text(child, "left", "column_names", 0) == argument {
					o.View = name
				}
			}
		}
	})
	o.Columns = map[string]string{}
	for _, selected := range List(node, "select_list") {
		if names := List(selected, "column_names"); Text(selected, "type") == "COLUMN_REF" && len(names) == 1 {
			column, _ := names[0].(string)
			alias := Text(selected, "alias")
			if alias == "" {
				alias = column
			}
			o.Columns[strings.ToLower(alias)] = column
		}
	}
	return o, calls == 1 && o.View != ""
}

// Under returns what a join of such views says of the views of connections. ok is false if one of its columns is made from others.
func (j Join) Under(overlays map[string]Overlay) (under Join, ok bool) {
	rename := func(view, column *string) bool {
		o, over := overlays[*view]
		if !over {
			return true
		}
		own, has := o.Columns[strings.ToLower(*column)]
		*view, *column = o.View, own
		return has
	}
	under = j
	return under, rename(&under.View, &under.Column) && rename(&under.Other, &under.From)
}

// tableRef is a table of FROM.
type tableRef struct {
	view      string // "" if it is no view of a connection
	ambiguous bool   // several tables have the alias
}

type joinReader struct {
	isView func(table map[string]any) bool
	found  []Join
	uses   map[string]int  // how many tables of the statement have the name, in lower case
	hidden map[string]bool // names of WITH, in lower case
}

// count counts the tables by name, and learns the names of WITH.
func (j *joinReader) count(parsed any) {
	Each(parsed, func(v map[string]any) {
		if Text(v, "type") == "BASE_TABLE" {
			j.uses[strings.ToLower(Text(v, "table_name"))]++
		}
		for _, entry := range List(v, "cte_map", "map") {
			j.hidden[strings.ToLower(Text(entry, "key"))] = true
		}
	})
}

// walk reads each SELECT.
func (j *joinReader) walk(parsed any) {
	Each(parsed, func(node map[string]any) {
		if Text(node, "type") != "SELECT_NODE" {
			return
		}
		if positional(At(node, "from_table")) {
			return
		}
		tables := map[string]*tableRef{}
		j.tables(At(node, "from_table"), tables)
		j.on(At(node, "from_table"), tables)
		for _, conjunct := range Conjuncts(At(node, "where_clause")) {
			j.equal(conjunct, tables, tables, tables)
			j.in(conjunct, tables)
		}
	})
}

// positional reports whether rows are joined by their places, which change if others are left out.
func positional(from any) (found bool) {
	Each(from, func(v map[string]any) { found = found || Text(v, "ref_type") == "POSITIONAL" })
	return found
}

// tables learns the tables of FROM by their aliases, in lower case.
func (j *joinReader) tables(from any, tables map[string]*tableRef) {
	table, _ := from.(map[string]any)
	switch Text(table, "type") {
	case "JOIN":
		j.tables(At(table, "left"), tables)
		j.tables(At(table, "right"), tables)
		return
	case "EMPTY":
		return
	}
	name := strings.ToLower(Text(table, "table_name"))
	alias := strings.ToLower(Text(table, "alias"))
	if alias == "" {
		alias = name
	}
	ref := &tableRef{}
	if j.isView(table) && !j.hidden[name] && j.uses[name] == 1 {
		ref.view = name
	}
	if tables[alias] != nil {
		ref.ambiguous = true
	}
	tables[alias] = ref
}

// on reads the conditions of joins. Rows of the side that a join need not return can be left out.
func (j *joinReader) on(from any, tables map[string]*tableRef) {
	if Text(from, "type") != "JOIN" {
		return
	}
	j.on(At(from, "left"), tables)
	j.on(At(from, "right"), tables)
	left, right, needed := map[string]*tableRef{}, map[string]*tableRef{}, map[string]*tableRef{}
	j.tables(At(from, "left"), left)
	j.tables(At(from, "right"), right)
	switch Text(from, "join_type") {
	case "INNER":
		needed = tables
	case "LEFT":
		needed = right
	case "RIGHT":
		needed = left
	}
	for _, conjunct := range Conjuncts(At(from, "condition")) {
		j.equal(conjunct, left, right, needed)
		j.equal(conjunct, right, left, needed)
	}
}

// equal reads a.x = b.y, where a is one of some tables and b of others. needed has the tables whose other rows may be left out.
func (j *joinReader) equal(e any, as, bs, needed map[string]*tableRef) {
	if Text(e, "type") != "COMPARE_EQUAL" {
		return
	}
	a, x, okA := qualified(At(e, "left"), as)
	b, y, okB := qualified(At(e, "right"), bs)
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
	names := List(e, "column_names")
	if Text(e, "type") != "COLUMN_REF" || len(names) != 2 {
		return "", "", false
	}
	alias, _ = names[0].(string)
	column, _ = names[1].(string)
	alias = strings.ToLower(alias)
	return alias, column, tables[alias] != nil && !tables[alias].ambiguous
}

// in reads a.x IN (SELECT y FROM b …) and a.x = (SELECT y FROM b …).
func (j *joinReader) in(e any, tables map[string]*tableRef) {
	child := At(e, "child")
	if Text(e, "type") == "COMPARE_EQUAL" {
		if child, e = At(e, "left"), At(e, "right"); Text(child, "class") == "SUBQUERY" {
			child, e = e, child
		}
		if Text(e, "subquery_type") != "SCALAR" {
			return
		}
	} else if Text(e, "subquery_type") != "ANY" || Text(e, "comparison_type") != "COMPARE_EQUAL" {
		return
	}
	if Text(e, "class") != "SUBQUERY" {
		return
	}
	a, x, ok := qualified(child, tables)
	if !ok {
		if len(tables) != 1 || Text(child, "type") != "COLUMN_REF" || len(List(child, "column_names")) != 1 {
			return
		}
		for alias := range tables {
			a = alias
		}
		x = Text(child, "column_names", 0)
	}
	node := At(e, "subquery", "node")
	selected := List(node, "select_list")
	if Text(node, "type") != "SELECT_NODE" || len(selected) != 1 || Text(selected[0], "type") != "COLUMN_REF" {
		return
	}
	others := map[string]*tableRef{}
	if j.tables(At(node, "from_table"), others); len(others) != 1 {
		return
	}
	names := List(selected[0], "column_names")
	y, _ := names[len(names)-1].(string)
	for alias, other := range others {
		if len(names) == 1 || len(names) == 2 && strings.EqualFold(alias, Text(names, 0)) {
			j.note(tables[a], x, other, y)
		}
	}
}

// note notes that a needs only the rows whose x is a y of b.
func (j *joinReader) note(a *tableRef, x string, b *tableRef, y string) {
	if a.view != "" && b.view != "" {
		j.found = append(j.found, Join{a.view, x, b.view, y})
	}
}
