//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	"strings"

	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
	"github.com/mach5/okta-connector/host/sql/internal/tree"
)

// elements gives a query the meaning that it has in Postgres, if a schema asks for that. It names the column of table
// functions: in FROM f(x) AS y, Postgres also names the function's only column y. DuckDB does so for FROM f(x) AS y(y).
func (e *Engine) elements(ctx context.Context, statement string) string {
	if len(e.names.elements) == 0 {
		return statement
	}
	statement = sqltext.GroupArrows(statement)
	used := false
	for function := range e.names.elements {
		used = used || strings.Contains(strings.ToLower(statement), function)
	}
	if !used {
		return statement
	}
	before := explains.FindString(statement)
	query := statement[len(before):]
	return before + tree.NameElements(query, e.serialized(ctx, query), e.names.elements)
}
