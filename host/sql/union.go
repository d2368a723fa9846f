//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// connectionColumn is the column of a union's views that has the connection's name.
const connectionColumn = "connection"

// unions makes the schema allOrgs, if there are several connections. A view is the union over all connections that have it,
// which must be of one kind. If one of the connections cannot be read, the schema is missing: a union without it would be less
// than its name says.
func (db *DB) unions() (s wire.Schema, ok bool, err error) {
	if len(db.reader.configs) < 2 {
		return s, false, nil
	}
	if db.setup.Missing == nil {
		db.setup.Missing = map[string]string{}
	}
	for _, l := range db.config.LeftOut {
		db.setup.Missing[allOrgs] = fmt.Sprintf("%s cannot be read, since %s is left out: %s", allOrgs, l.Config.Name, l.Reason)
		return s, false, nil
	}
	for _, c := range db.config.Connections {
		if !reads(c.Config()) {
			db.setup.Missing[allOrgs] = fmt.Sprintf("%s cannot be read: %s", allOrgs, noRead(c.Config().Name))
			return s, false, nil
		}
	}
	statements := []string{"CREATE SCHEMA " + allOrgs}
	made := map[string]bool{}
	for _, c := range db.config.Connections {
		for _, v := range views(c.Module().Manifest()) {
			if made[v.name] {
				continue
			}
			made[v.name] = true
			union, err := db.union(v, c)
			if err != nil {
				return s, false, err
			}
			statements = append(statements, union...)
		}
	}
	return wire.Schema{Name: allOrgs, Statements: strings.Join(statements, ";\n"), Union: true}, true, nil
}

// union returns the statements of one view of allOrgs; none if connections of several kinds have a view of this name, or a column has the
// name of connectionColumn.
func (db *DB) union(v view, first *host.Connection) ([]string, error) {
	var parts []string
	for _, c := range db.config.Connections {
		for _, other := range views(c.Module().Manifest()) {
			if !strings.EqualFold(other.name, v.name) {
				continue
			}
			if c.Config().Kind != first.Config().Kind {
				return nil, nil
			}
			connection := text(c.Config().Name)
			parts = append(parts, fmt.Sprintf("SELECT %s AS %s, * FROM system.main.connector_table(%s, %s, %s, view := %s)", connection, connectionColumn,
				connection, text(other.operation), other.input, db.marked(other)))
		}
	}
	op, err := first.Module().Operation(v.operation)
	if err != nil {
		return nil, err
	}
	full := allOrgs + "." + name(v.name)
	statements := []string{"CREATE VIEW " + full + " AS " + strings.Join(parts, " UNION ALL "), "COMMENT ON VIEW " + full + " IS " + text("Of all connections: "+v.comment),
		"COMMENT ON COLUMN " + full + "." + connectionColumn + " IS 'the connection that the row is of'"}
	for _, c := range op.Columns {
		switch {
		case c.Name == connectionColumn:
			return nil, nil
		case c.Description != "":
			statements = append(statements, "COMMENT ON COLUMN "+full+"."+name(c.Name)+" IS "+text(c.Description))
		}
	}
	return statements, nil
}
