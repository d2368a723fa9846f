//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// brought makes the schemas of Config.Schemas.
func (db *DB) brought() error {
	for _, s := range db.config.Schemas {
		if key := strings.ToLower(s.Name); reserved[key] || slices.ContainsFunc(db.setup.Schemas, func(o wire.Schema) bool { return strings.EqualFold(o.Name, s.Name) }) {
			return fmt.Errorf("schema %s: another schema has this name: rename the connection", s.Name)
		}
		connections, reason := db.readable(s.Kind)
		if reason != "" {
			if db.setup.Missing == nil {
				db.setup.Missing = map[string]string{}
			}
			db.setup.Missing[strings.ToLower(s.Name)] = s.Name + " cannot be read: " + reason
			continue
		}
		if len(connections) == 0 {
			return fmt.Errorf("schema %s: no connection is of kind %s", s.Name, s.Kind)
		}
		made, err := db.bring(s, connections)
		if err != nil {
			return err
		}
		db.setup.Schemas = append(db.setup.Schemas, made)
	}
	return nil
}

// readable returns the connections of a kind, or the reason why one of them cannot be read.
func (db *DB) readable(kind string) (all []*host.Connection, reason string) {
	for _, l := range db.config.LeftOut {
		if l.Config.Kind == kind {
			return nil, fmt.Sprintf("%s is left out: %s", l.Config.Name, l.Reason)
		}
	}
	for _, c := range db.config.Connections {
		if c.Config().Kind != kind {
			continue
		}
		if !reads(c.Config()) {
			return nil, noRead(c.Config().Name)
		}
		all = append(all, c)
	}
	return all, ""
}

// errLacks means that a module lacks what a statement reads.
var errLacks = errors.New("the module lacks")

// created finds what a statement creates.
var created = regexp.MustCompile(`[a-z_]+\.[a-z_]+`)

// bring makes one schema.
func (db *DB) bring(s Schema, connections []*host.Connection) (wire.Schema, error) {
	functions := template.FuncMap{
		"has": func(operation string) bool {
			return !slices.ContainsFunc(connections, func(c *host.Connection) bool { return !readsTable(c.Module().Manifest(), operation) })
		},
		"view": func(wanted string, given ...string) (string, error) {
			return rowsOf(connections, func(m *abi.Manifest) (string, error) {
				all := views(m)
				i := slices.IndexFunc(all, func(v view) bool { return v.name == wanted })
				if i < 0 {
					return "", fmt.Errorf("%w view %s", errLacks, wanted)
				}
				more := ""
				if len(given) > 0 {
					more = ", given := " + text(given[0])
				}
				return fmt.Sprintf("%s, %s, view := %s%s", text(all[i].operation), all[i].input, db.marked(all[i]), more), nil
			})
		},
		"table": func(operation, input string) (string, error) {
			return rowsOf(connections, func(m *abi.Manifest) (string, error) {
				if !readsTable(m, operation) {
					return "", fmt.Errorf("%w operation %s", errLacks, operation)
				}
				return text(operation) + ", " + text(input), nil
			})
		},
	}
	made := wire.Schema{Name: s.Name, Connection: s.Name, Elements: s.Elements, Overlay: true}
	statements := []string{"CREATE SCHEMA " + name(s.Name)}
	for _, statement := range Statements(s.Statements) {
		parsed, err := template.New(s.Name).Funcs(functions).Parse(statement)
		if err != nil {
			return made, fmt.Errorf("schema %s: %w", s.Name, err)
		}
		var b strings.Builder
		switch err := parsed.Execute(&b, nil); {
		case errors.Is(err, errLacks):
			_, what, _ := strings.Cut(err.Error(), errLacks.Error()+" ")
			db.log.Warn("a table is left out, since the module lacks what it reads", "table", created.FindString(statement), "lacks", what)
		case err != nil:
			return made, fmt.Errorf("schema %s: %w", s.Name, err)
		default:
			statements = append(statements, b.String())
		}
	}
	made.Statements = strings.Join(statements, ";\n")
	return made, nil
}

// readsTable reports whether queries can read an operation.
func readsTable(m *abi.Manifest, operation string) bool {
	return slices.ContainsFunc(m.Operations, func(op abi.Operation) bool { return op.Name == operation && op.On(abi.SQL) })
}

// rowsOf returns a table for FROM: the rows of a call, of all connections. call returns the arguments after the connection.
func rowsOf(connections []*host.Connection, call func(*abi.Manifest) (string, error)) (string, error) {
	var parts []string
	for _, c := range connections {
		arguments, err := call(c.Module().Manifest())
		if err != nil {
			return "", err
		}
		domain := c.Config().BaseURL
		if u, err := url.Parse(domain); err == nil {
			domain = u.Host
		}
		connection := text(c.Config().Name)
		parts = append(parts, fmt.Sprintf("SELECT %s AS connection, %s AS domain, * FROM system.main.connector_table(%s, %s)", connection, text(domain), connection, arguments))
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")", nil
}
