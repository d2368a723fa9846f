//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	dbsql "database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// names protects the names that queries rely on. No statement and no database of another author may replace a function or
// type of DuckDB or of this package. The operator + is a function too. Nor may they replace the schema of a connection, or
// change its content.
//
// DuckDB has no permissions that could forbid this. So check reads the catalog after each statement that may change it,
// and the statement is rolled back if it broke these rules.
type names struct {
	schemas   map[string]bool         // names of the connections' schemas, in lower case
	missing   map[string]string       // names of schemas that are not there, in lower case, each with the reason
	content   map[string]string       // what is in the schemas, by what it is
	quoted    []string                // those names of schemas that need quotes
	overlays  map[string]tree.Overlay // views over those of connections, by their names in lower case
	own       map[string]bool         // the functions and types in the schemas: what they are and their name, in lower case
	elements  map[string]bool         // table functions whose column has the name of the call's alias, in lower case
	relations map[string][]string     // names of their views, in lower case, each with a schema of every connection that has it
	hidden    map[string]string       // names in relations that an unqualified name finds elsewhere, each with where
	path      string                  // the schemas, as the end of the search path
}

// The catalog. The functions are qualified: these queries run before it is known whether a statement defined others.
const (
	functionsQuery = `SELECT DISTINCT database_name, schema_name, function_name, internal, NULL, NULL FROM system.main.duckdb_functions()`
	typesQuery     = `SELECT DISTINCT database_name, schema_name, type_name, internal, NULL, NULL FROM system.main.duckdb_types()`
	schemasQuery   = `SELECT database_name, schema_name, schema_name, false, comment, NULL FROM system.main.duckdb_schemas()`
	databasesQuery = `SELECT database_name, NULL, database_name, false, NULL, NULL FROM system.main.duckdb_databases()`
	viewsQuery     = `SELECT database_name, schema_name, view_name, internal, comment, sql FROM system.main.duckdb_views()`
	relationsQuery = `SELECT database_name, schema_name, table_name, internal, comment, sql FROM system.main.duckdb_tables()`
	columnsQuery   = `SELECT database_name, schema_name, table_name, internal, column_name, comment FROM system.main.duckdb_columns()`
	sequencesQuery = `SELECT database_name, schema_name, sequence_name, false, NULL, NULL FROM system.main.duckdb_sequences()`
	macrosQuery    = `SELECT database_name, schema_name, function_name, internal, array_to_string(parameters, ','), macro_definition FROM system.main.duckdb_functions()`
	indexesQuery   = `SELECT database_name, schema_name, index_name, false, NULL, NULL FROM system.main.duckdb_indexes()`
)

// builtIns are queries of what DuckDB has of its own, each with what that is.
var builtIns = map[string]string{functionsQuery: "function", typesQuery: "type"}

// entry is a row of one of these queries.
type entry struct {
	database, schema, name string
	internal               bool
	comment, sql           string
}

// in reports whether an entry is in the schema of a connection.
func (n *names) in(e entry) bool {
	return e.database == "memory" && n.schemas[strings.ToLower(e.schema)]
}

func (e *Engine) entries(ctx context.Context, query string) (all []entry, err error) {
	rows, err := e.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var schema, comment, sql dbsql.NullString
		var internal dbsql.NullBool
		var next entry
		if err := rows.Scan(&next.database, &schema, &next.name, &internal, &comment, &sql); err != nil {
			return nil, err
		}
		next.schema, next.internal, next.comment, next.sql = schema.String, internal.Bool, comment.String, sql.String
		all = append(all, next)
	}
	return all, rows.Err()
}

// learn notes what is in the schemas of connections. It is called before the first statement and before the database is
// attached.
func (n *names) learn(ctx context.Context, e *Engine, setup wire.SetupMessage) (err error) {
	*n = names{schemas: map[string]bool{}, missing: setup.Missing, relations: map[string][]string{}, own: map[string]bool{}, overlays: map[string]tree.Overlay{}, elements: map[string]bool{}}
	for _, s := range setup.Schemas {
		n.schemas[strings.ToLower(s.Name)] = true
		if !sqltext.Plain(s.Name) {
			n.quoted = append(n.quoted, s.Name)
		}
		for _, function := range s.Elements {
			n.elements[strings.ToLower(function)] = true
		}
	}
	for query, noun := range builtIns {
		all, err := e.entries(ctx, query)
		if err != nil {
			return err
		}
		for _, one := range all {
			if n.in(one) {
				n.own[noun+" "+strings.ToLower(one.name)] = true
			}
		}
	}
	views, err := e.entries(ctx, viewsQuery)
	if err != nil {
		return err
	}
	listed := map[[2]string]bool{} // view and connection
	for _, s := range setup.Schemas {
		for _, view := range views {
			key := strings.ToLower(view.name)
			if s.Connection != "" && view.schema == s.Name && n.in(view) && !listed[[2]string{key, s.Connection}] {
				listed[[2]string{key, s.Connection}] = true
				if s.Overlay && n.relations[key] != nil {
					return fmt.Errorf("view %s.%s: %s has a view of this name", s.Name, view.name, n.relations[key][0])
				}
				n.relations[key] = append(n.relations[key], s.Name)
				if _, query, found := strings.Cut(view.sql, " AS "); s.Overlay && found {
					if o, ok := tree.OverlayOf(e.serialized(ctx, query), abi.ConnectorTable, viewArgument, e.marker); ok {
						n.overlays[key] = o
					}
				}
			}
		}
	}
	n.content, err = n.contents(ctx, e)
	return err
}

// contents describes all that is in the schemas of connections.
func (n *names) contents(ctx context.Context, e *Engine) (map[string]string, error) {
	content := map[string]string{}
	for _, query := range []string{schemasQuery, viewsQuery, relationsQuery, columnsQuery, sequencesQuery, indexesQuery, macrosQuery, typesQuery} {
		all, err := e.entries(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, one := range all {
			if !n.in(one) {
				continue
			}
			key := query + "\x00" + one.schema + "\x00" + one.name
			switch query {
			case columnsQuery:
				key += "\x00" + one.comment
			case macrosQuery: // one name may have several
				key += "\x00" + one.comment + "\x00" + one.sql
			}
			content[key] = one.comment + "\x00" + one.sql
		}
	}
	return content, nil
}

// check returns an error if something replaces what is built in, or if the schemas are not as learn saw them.
func (n *names) check(ctx context.Context, e *Engine) error {
	for query, noun := range builtIns {
		all, err := e.entries(ctx, query)
		if err != nil {
			return err
		}
		builtIn := map[string]bool{}
		for _, one := range all {
			if one.internal {
				builtIn[strings.ToLower(one.name)] = true
			}
		}
		for _, one := range all {
			switch {
			case one.internal || n.in(one) && n.own[noun+" "+strings.ToLower(one.name)]:
			case builtIn[strings.ToLower(one.name)]:
				//lint:ignore ST1005 it is shown among DuckDB's own errors, which begin like this
				return fmt.Errorf("Permission Error: %s is a built-in %s, and %s.%s has another of that name: choose another name", one.name, noun, one.database, one.schema)
			case n.in(one):
				return errChanged
			}
		}
	}
	for _, query := range []string{schemasQuery, databasesQuery} {
		all, err := e.entries(ctx, query)
		if err != nil {
			return err
		}
		for _, one := range all {
			if key := strings.ToLower(one.name); n.schemas[key] && !n.in(one) || n.missing[key] != "" {
				//lint:ignore ST1005 as above
				return fmt.Errorf("Permission Error: %s is the schema of a connection, and the database %s has another of that name: choose another name", one.name, one.database)
			}
		}
	}
	content, err := n.contents(ctx, e)
	if err != nil {
		return err
	}
	if !maps.Equal(content, n.content) {
		return errChanged
	}
	return n.hide(ctx, e)
}

// errChanged is the error of a statement that changes the schema of a connection.
//
//lint:ignore ST1005 as above
var errChanged = errors.New("Permission Error: the schemas of connections cannot be changed: create tables, views and macros in main")

// hide notes which names of connections' views are found elsewhere when they are not qualified.
func (n *names) hide(ctx context.Context, e *Engine) error {
	n.hidden = map[string]string{}
	for _, query := range []string{viewsQuery, relationsQuery} {
		all, err := e.entries(ctx, query+" WHERE NOT internal AND system.main.in_search_path(database_name, schema_name)")
		if err != nil {
			return err
		}
		for _, one := range all {
			key := strings.ToLower(one.name)
			if !n.in(one) && n.relations[key] != nil {
				n.hidden[key] = one.database + "." + one.schema
			}
		}
	}
	return nil
}

var (
	// byName finds functions that take the name of a table, or a query, as a text.
	byName = regexp.MustCompile(`(?i)\b(query|query_table|json_execute_serialized_sql)\b`)
	// read finds the names that a statement reads which is not a SELECT: behind FROM and JOIN. A name that is qualified has
	// a dot behind the first part.
	read = regexp.MustCompile(`(?i)\b(?:from|join)\s+("[^"]+"|[a-z_][a-z0-9_]*)(?:\s*[^.\s]|\s*$)`)
)

// unambiguous refuses a query over an unqualified name that a connection's view and another table have. Otherwise the
// author of the other table would decide what the query reads.
func (n *names) unambiguous(ctx context.Context, e *Engine, statement string) error {
	if len(n.hidden) == 0 {
		return nil
	}
	var tables []string
	if byName.MatchString(statement) {
		tables = slices.Sorted(maps.Keys(n.hidden))
	} else if found, ok := e.tables(ctx, statement); ok {
		tables = found
	} else {
		for _, m := range read.FindAllStringSubmatch(statement, -1) {
			tables = append(tables, sqltext.Unquoted(m[1]))
		}
	}
	for _, table := range tables {
		if key := strings.ToLower(table); n.hidden[key] != "" {
			//lint:ignore ST1005 as above
			return fmt.Errorf("Binder Error: %s is both a view of %s and a table of %s: write %s or %s.%s", key, strings.Join(n.relations[key], ", "), n.hidden[key],
				n.candidates(key), n.hidden[key], key)
		}
	}
	return nil
}

// candidates lists the qualified names of a connections' view, given in lower case.
func (n *names) candidates(key string) string {
	var all []string
	for _, schema := range n.relations[key] {
		all = append(all, name(schema)+"."+key)
	}
	return strings.Join(all, " or ")
}

// noSchema finds the name in what DuckDB says of a schema that does not exist.
var noSchema = regexp.MustCompile(`^Catalog Error: .* because schema "(.+)" does not exist`)

// explained returns DuckDB's message, or the reason why a schema is missing that it names.
func (n *names) explained(message string) string {
	m := noSchema.FindStringSubmatch(message)
	if m == nil || n.missing[strings.ToLower(m[1])] == "" {
		return message
	}
	_, place, placed := strings.Cut(message, "\n\nLINE ") // points into the statement
	if placed {
		place = "\n\nLINE " + place
	}
	return "Catalog Error: " + n.missing[strings.ToLower(m[1])] + place
}

// tables returns the tables that a SELECT reads under an unqualified name. ok is false for what DuckDB cannot take apart.
func (e *Engine) tables(ctx context.Context, statement string) (tables []string, ok bool) {
	var parsed string
	if err := e.conn.QueryRowContext(ctx, "SELECT system.main.json_serialize_sql("+text(statement)+")::VARCHAR").Scan(&parsed); err != nil {
		return nil, false
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(parsed), &tree); err != nil || tree["error"] != false {
		return nil, false
	}
	local := map[string]bool{} // names of WITH
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, each := range v {
				walk(each)
			}
		case map[string]any:
			if v["type"] == "BASE_TABLE" && v["schema_name"] == "" && v["catalog_name"] == "" {
				table, _ := v["table_name"].(string)
				tables = append(tables, table)
			}
			if with, _ := v["cte_map"].(map[string]any); with != nil {
				entries, _ := with["map"].([]any)
				for _, entry := range entries {
					if entry, _ := entry.(map[string]any); entry != nil {
						key, _ := entry["key"].(string)
						local[strings.ToLower(key)] = true
					}
				}
			}
			for _, each := range v {
				walk(each)
			}
		}
	}
	walk(tree)
	return slices.DeleteFunc(tables, func(table string) bool { return local[strings.ToLower(table)] }), true
}

// keepPath puts the schemas of connections back into the search path, without which they are found under no name. USE and
// SET search_path replace it.
func (n *names) keepPath(ctx context.Context, e *Engine) {
	if n.path == "" {
		return
	}
	now, err := e.searchPath(ctx)
	if err != nil || strings.HasSuffix(now, n.path) {
		return
	}
	if now = strings.Trim(now, ","); now == "" {
		now = "memory.main"
	}
	_, _ = e.conn.ExecContext(ctx, "SET search_path = "+text(now+","+n.path)) // else the queries of this session find less
}

func (e *Engine) searchPath(ctx context.Context) (path string, err error) {
	err = e.conn.QueryRowContext(ctx, "SELECT system.main.current_setting('search_path')").Scan(&path)
	return path, err
}

// keepsNames reports whether statements of a kind leave the catalog as it is.
func keepsNames(kind duckdb.StmtType) bool {
	switch kind {
	case duckdb.STATEMENT_TYPE_SELECT, duckdb.STATEMENT_TYPE_INSERT, duckdb.STATEMENT_TYPE_UPDATE, duckdb.STATEMENT_TYPE_DELETE,
		duckdb.STATEMENT_TYPE_COPY, duckdb.STATEMENT_TYPE_EXPORT, duckdb.STATEMENT_TYPE_PREPARE, duckdb.STATEMENT_TYPE_VARIABLE_SET:
		return true
	}
	return false
}

// inTransaction reports whether statements of a kind can be rolled back.
func inTransaction(kind duckdb.StmtType) bool {
	switch kind {
	case duckdb.STATEMENT_TYPE_CREATE, duckdb.STATEMENT_TYPE_CREATE_FUNC, duckdb.STATEMENT_TYPE_DROP, duckdb.STATEMENT_TYPE_ALTER,
		duckdb.STATEMENT_TYPE_EXECUTE, duckdb.STATEMENT_TYPE_EXPLAIN, duckdb.STATEMENT_TYPE_MULTI:
		return true
	}
	return false
}

// change runs a statement that may change the catalog, and undoes what it may not have done.
func (e *Engine) change(ctx context.Context, kind duckdb.StmtType, statement string, run func() error) error {
	own := false // a transaction around this statement; in one that a statement began, that is rolled back
	if inTransaction(kind) && !e.transaction {
		_, err := e.conn.ExecContext(ctx, "BEGIN")
		own = err == nil
	}
	err := run()
	if kind == duckdb.STATEMENT_TYPE_TRANSACTION {
		e.transaction = begins.MatchString(statement) && (err == nil || e.transaction)
	}
	// Without a deadline: a statement that was stopped may have changed the catalog nevertheless.
	undo := context.WithoutCancel(ctx)
	rollback := func() {
		_, _ = e.conn.ExecContext(undo, "ROLLBACK") // fails if there is nothing to roll back
		e.transaction = false
	}
	if err != nil && own {
		rollback()
		return err
	}
	if wrong := e.names.check(undo, e); wrong != nil && (err == nil || !aborted(wrong)) {
		rollback()
		if still := e.names.check(undo, e); still != nil {
			return fmt.Errorf("%w: %w", wrong, ErrBroken)
		}
		return wrong
	}
	if own {
		if _, failed := e.conn.ExecContext(ctx, "COMMIT"); failed != nil {
			rollback()
			return failed
		}
	}
	e.names.keepPath(undo, e)
	return err
}

// begins finds the statement that begins a transaction. Others of its kind end one.
var begins = regexp.MustCompile(`(?is)^(\s|--[^\n]*(\n|$)|/\*.*?\*/)*(begin|start)\b`)

// aborted reports whether the catalog cannot be looked at because a statement failed in a transaction. ROLLBACK alone can
// follow.
func aborted(err error) bool { return strings.Contains(err.Error(), "Current transaction is aborted") }
