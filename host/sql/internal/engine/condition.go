//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"

	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// maxFilter is the longest filter that is read, in bytes.
const maxFilter = 256 << 10

// condition reads the filters above a scan, which are SQL. It keeps what a Condition can say, and leaves out the rest, so that the
// condition holds for every row for which the filters do. nil is no condition.
func (e *Engine) condition(ctx context.Context, one *scan, filters []string, parameters map[string]any) *wire.Condition {
	var parts []wire.Condition
	reading := tree.Conditions{Columns: one.table.Columns, Parameters: parameters, Time: func(text string) (utc string) {
		_ = e.conn.QueryRowContext(ctx, "SELECT CAST(TRY_CAST(? AS TIMESTAMP WITH TIME ZONE) AS VARCHAR)", text).Scan(&utc) // "" is no time
		return utc
	}}
	for _, filter := range filters {
		if len(filter) > maxFilter {
			continue
		}
		parsed := e.serialized(ctx, "SELECT 1 WHERE "+filter)
		where := tree.At(parsed, "statements", 0, "node", "where_clause")
		if c := reading.Read(where); c != nil {
			parts = append(parts, *c)
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return &parts[0]
	}
	return &wire.Condition{Op: wire.OpAnd, Parts: parts}
}
