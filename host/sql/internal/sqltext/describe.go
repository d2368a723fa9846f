// Package sqltext rewrites statements to which DuckDB's own answer lacks what people need.
package sqltext

import (
	"regexp"
	"strings"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// DuckDB keeps comments on views and columns, but SHOW and DESCRIBE do not show them. These forms of both are answered
// with comments. DuckDB answers all other forms itself.
var (
	showTables = regexp.MustCompile(`(?is)^show\s+(all\s+)?tables$`)
	describe   = regexp.MustCompile(`(?is)^(?:describe|desc)\s+((?:` + Part + `\.){0,2})(` + Part + `)$`)
)

// Part matches a part of a qualified name.
const Part = `(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_]*)`

// tablesQuery lists the tables and views with their comments.
const tablesQuery = `SELECT schema_name AS "schema", view_name AS name, comment AS description FROM duckdb_views() WHERE NOT internal AND schema_name <> '` + wire.Ambiguous + `'
UNION ALL SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE NOT internal ORDER BY ALL`

// Described returns the query that answers SHOW TABLES and DESCRIBE with comments. It returns other statements as they are.
func Described(statement string) string {
	if showTables.MatchString(statement) {
		return tablesQuery
	}
	m := describe.FindStringSubmatch(statement)
	if m == nil || strings.EqualFold(m[2], "select") {
		return statement
	}
	where := "lower(c.table_name) = lower(" + text(Unquoted(m[2])) + ")"
	if qualifiers := strings.TrimSuffix(m[1], "."); qualifiers != "" {
		parts := strings.Split(qualifiers, ".")
		where += " AND lower(" + text(Unquoted(parts[len(parts)-1])) + ") IN (lower(c.schema_name), lower(c.database_name))"
	} else {
		where += " AND in_search_path(c.database_name, c.schema_name)"
	}
	return "SELECT d.*, (SELECT any_value(c.comment) FROM duckdb_columns() c WHERE " + where +
		" AND c.column_name = d.column_name) AS description FROM (DESCRIBE " + m[1] + m[2] + ") d"
}

// Unquoted returns a part of a name without its quotes.
func Unquoted(part string) string {
	if strings.HasPrefix(part, `"`) {
		return strings.ReplaceAll(part[1:len(part)-1], `""`, `"`)
	}
	return part
}

// text quotes a string.
func text(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }
