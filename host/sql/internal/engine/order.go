//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// ordered is a statement without its ORDER BY, which has the same result if the rows of its scan come in an order.
type ordered struct {
	statement  string
	view       string
	column     string
	descending bool
}

// ordered takes the ORDER BY from SELECT … FROM view WHERE … ORDER BY column LIMIT n. ok is false for all other statements. The
// caller has checked by the plan that nothing but a filter and a projection is between the view and the order.
func (e *Engine) ordered(ctx context.Context, statement string) (o ordered, ok bool) {
	tree := e.serialized(ctx, statement)
	node, _ := at(tree, "statements", 0, "node").(map[string]any)
	modifiers := listAt(node, "modifiers")
	from, _ := at(node, "from_table").(map[string]any)
	if len(listAt(tree, "statements")) != 1 || textAt(node, "type") != "SELECT_NODE" || len(modifiers) != 2 || len(listAt(node, "cte_map", "map")) > 0 {
		return o, false
	}
	order, limit := modifiers[0], modifiers[1]
	by := listAt(order, "orders")
	if textAt(order, "type") != "ORDER_MODIFIER" || textAt(limit, "type") != "LIMIT_MODIFIER" || len(by) != 1 || at(node, "sample") != nil || at(node, "qualify") != nil {
		return o, false
	}
	names := listAt(by[0], "expression", "column_names")
	o.view, o.descending = textAt(from, "table_name"), textAt(by[0], "type") == "DESCENDING"
	if direction := textAt(by[0], "type"); direction != "DESCENDING" && direction != "ASCENDING" && direction != "ORDER_DEFAULT" {
		return o, false
	}
	if textAt(by[0], "expression", "type") != "COLUMN_REF" || len(names) == 0 || !e.isView(from) {
		return o, false
	}
	o.column, _ = names[len(names)-1].(string)
	for _, selected := range listAt(node, "select_list") { // one of another meaning could have the column's name
		alias := textAt(selected, "alias")
		star := textAt(selected, "class") == "STAR"
		if star && (len(listAt(selected, "replace_list")) > 0 || len(listAt(selected, "rename_list")) > 0) || strings.EqualFold(alias, o.column) {
			return o, false
		}
	}
	node["modifiers"] = []any{limit}
	b, err := json.Marshal(tree)
	if err != nil {
		return o, false
	}
	err = e.conn.QueryRowContext(ctx, "SELECT system.main.json_deserialize_sql("+text(string(b))+")").Scan(&o.statement)
	return o, err == nil
}

// isView reports whether a table of FROM is the view of a connection, with its own names of columns.
func (e *Engine) isView(from map[string]any) bool {
	name, schema := strings.ToLower(textAt(from, "table_name")), strings.ToLower(textAt(from, "schema_name"))
	if textAt(from, "type") != "BASE_TABLE" || len(listAt(from, "column_name_alias")) > 0 || textAt(from, "catalog_name") != "" || at(from, "sample") != nil {
		return false
	}
	if schema == "" {
		return len(e.names.relations[name]) > 0 && e.names.hidden[name] == ""
	}
	return e.names.schemas[schema]
}

// isTop reports whether a plan is the first rows of one scan in an order, with nothing but filters and projections in between.
func isTop(root operator) bool {
	top := false
	for o := root; ; o = o.Children[0] {
		switch o.Name {
		case "TOP_N":
			top = true
		case scanOperator:
			return top
		case "PROJECTION", "FILTER":
		default:
			return false
		}
		if len(o.Children) != 1 {
			return false
		}
	}
}

// isStream reports whether a plan passes the rows of one scan on as they come.
func isStream(root operator) bool {
	for o := root; ; o = o.Children[0] {
		switch o.Name {
		case scanOperator:
			return true
		case "PROJECTION", "FILTER", "STREAMING_LIMIT", "LIMIT":
		default:
			return false
		}
		if len(o.Children) != 1 {
			return false
		}
	}
}

// only returns the scan of a plan that has one.
func (p plan) only() (one *scan, found *wire.Pushed) {
	if len(p.found) != 1 {
		return nil, nil
	}
	for _, s := range append(p.scans[:len(p.scans):len(p.scans)], p.prepared...) {
		if found := p.found[s.tag]; found != nil {
			return s, found
		}
	}
	return nil, nil
}
