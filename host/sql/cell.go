//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// appendCell encodes a cell in the type of its column, NULL where it does not fit.
func appendCell(b []byte, t abi.ColumnType, cell records.Cell, rows *host.Rows) []byte {
	switch t {
	case abi.Boolean:
		if v, ok := cell.Boolean(); ok {
			return wire.AppendBool(b, v)
		}
	case abi.BigInt:
		if v, ok := cell.BigInt(); ok {
			return wire.AppendInt(b, v)
		}
	case abi.Double:
		if v, ok := cell.Double(); ok {
			return wire.AppendDouble(b, v)
		}
	case abi.TimestampTZ:
		if v, ok := rows.Time(cell); ok {
			return wire.AppendInt(b, v.UnixMicro())
		}
	case abi.JSON:
		if !cell.Null() {
			return wire.AppendText(b, repaired(cell))
		}
	default:
		if v, ok := cell.Text(); ok {
			return wire.AppendText(b, v)
		}
	}
	return wire.AppendNull(b)
}

// cellText returns a cell as VARCHAR. It stays valid when the record does not.
func cellText(cell records.Cell) (string, bool) {
	text, ok := cell.Text()
	return strings.Clone(string(text)), ok
}
