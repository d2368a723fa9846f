//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// ordered is a statement without its ORDER BY. Its result stays the same if its scan yields the rows in order of column.
type ordered struct {
	statement  string
	view       string
	column     string
	descending bool
}

// ordered removes the ORDER BY from SELECT … FROM view WHERE … ORDER BY column LIMIT n. ok is false for all other statements.
// The caller must check the plan: only a filter and a projection may lie between the view and the ORDER BY.
func (e *Engine) ordered(ctx context.Context, statement string) (o ordered, ok bool) {
	parsed := e.serialized(ctx, statement)
	node, _ := tree.At(parsed, "statements", 0, "node").(map[string]any)
	modifiers := tree.List(node, "modifiers")
	from, _ := tree.At(node, "from_table").(map[string]any)
	if len(tree.List(parsed, "statements")) != 1 || tree.Text(node, "type") != "SELECT_NODE" || len(modifiers) != 2 || len(tree.List(node, "cte_map", "map")) > 0 {
		return o, false
	}
	order, limit := modifiers[0], modifiers[1]
	by := tree.List(order, "orders")
	if tree.Text(order, "type") != "ORDER_MODIFIER" || tree.Text(limit, "type") != "LIMIT_MODIFIER" || len(by) != 1 || tree.At(node, "sample") != nil || tree.At(node, "qualify") != nil {
		return o, false
	}
	names := tree.List(by[0], "expression", "column_names")
	o.view, o.descending = tree.Text(from, "table_name"), tree.Text(by[0], "type") == "DESCENDING"
	if direction := tree.Text(by[0], "type"); direction != "DESCENDING" && direction != "ASCENDING" && direction != "ORDER_DEFAULT" {
		return o, false
	}
	if tree.Text(by[0], "expression", "type") != "COLUMN_REF" || len(names) == 0 || !e.isView(from) {
		return o, false
	}
	o.column, _ = names[len(names)-1].(string)
	for _, selected := range tree.List(node, "select_list") { // an alias could give the column's name to another value
		alias := tree.Text(selected, "alias")
		star := tree.Text(selected, "class") == "STAR"
		if star && (len(tree.List(selected, "replace_list")) > 0 || len(tree.List(selected, "rename_list")) > 0) || strings.EqualFold(alias, o.column) {
			return o, false
		}
	}
	node["modifiers"] = []any{limit}
	b, err := json.Marshal(parsed)
	if err != nil {
		return o, false
	}
	err = e.conn.QueryRowContext(ctx, "SELECT system.main.json_deserialize_sql("+text(string(b))+")").Scan(&o.statement)
	return o, err == nil
}

// isView reports whether a table in FROM is the view of a connection, and FROM does not rename its columns.
func (e *Engine) isView(from map[string]any) bool {
	name, schema := strings.ToLower(tree.Text(from, "table_name")), strings.ToLower(tree.Text(from, "schema_name"))
	if tree.Text(from, "type") != "BASE_TABLE" || len(tree.List(from, "column_name_alias")) > 0 || tree.Text(from, "catalog_name") != "" || tree.At(from, "sample") != nil {
		return false
	}
	if schema == "" {
		return len(e.names.relations[name]) > 0 && e.names.hidden[name] == ""
	}
	return e.names.schemas[schema]
}

// only returns the scan of a plan that has exactly one, and what the plan wants of its rows. Otherwise it returns nil.
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
