// Package sql runs SQL over connections, with DuckDB inside the process.
//
//	db, err := sql.Open(ctx, sql.Config{Connections: []*host.Connection{c}})
//	err = db.Run(ctx, `SELECT login FROM okta.users WHERE status = 'LOCKED_OUT'`, func(r *sql.Result) error { … })
//
// Beside DuckDB's own, queries have
//
//	connector_table(connection, operation, input)    the rows of an operation, a page at a time as they are asked for
//	connector_scalar(connection, operation, input)   one object as JSON, of a list all its records in an array
//	connector_try(connection, operation, input)      the same, NULL in place of an error
//
// where connection is a name, or a kind that has one connection, and input is the operation's input as JSON. Each
// connection has a schema of its name, and a kind that has one connection a schema of the kind, with a view for every
// list that needs no input (views.go). Only operations of the sql surface can be reached, which are of class read, and
// a connection's grants hold as everywhere.
//
// A query may come from somebody else. Without Config.AllowFiles it reaches no file but Config.Database, no network but
// that of the connections, and no setting (walls.go).
//
// DuckDB is written in C++ and is linked in: without cgo, and on platforms for which duckdb-go brings no library, Open
// fails with ErrUnavailable, and the rest of this module is as it is elsewhere.
package sql

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// ErrUnavailable is wrapped by Open in a program that was built without DuckDB, where Available is false; the message
// says how to build it in.
var ErrUnavailable = errors.New("SQL is not in this build")

// Config says what queries can reach. The zero value is a database in memory without connections.
type Config struct {
	// Connections are read by the queries; their names are unique. They are closed by the caller, after the DB.
	Connections []*host.Connection
	// Database is a DuckDB file, made when it is not there, in which tables that queries create are kept. Default is
	// memory.
	Database string
	// AllowFiles lets queries read and write any file that the process may, and spill to disk what does not fit into
	// memory.
	AllowFiles bool
	// Limits bound each statement.
	Limits Limits
	// Logger is told of schemas that cannot be made; default discards.
	Logger *slog.Logger
	// Warn takes the warnings of an operation that a statement reads, each once a statement, on any thread but never on two at
	// a time; default is the log of the operation's connection.
	Warn func(operation, warning string)
}

// Limits are what a statement may take. Zero is the default of each.
type Limits struct {
	Pages  int           // pages and single objects that it reads, each at least one request; default 100,000
	Time   time.Duration // until its result is there; default an hour
	Memory int64         // bytes that DuckDB uses, for tables in memory and all; default 4 GiB, or DuckDB's own where that is less
}

func (l Limits) orDefault() Limits {
	if l.Pages <= 0 {
		l.Pages = 100_000
	}
	if l.Time <= 0 {
		l.Time = time.Hour
	}
	if l.Memory <= 0 {
		l.Memory = 4 << 30
	}
	return l
}

// Error is a statement that failed.
type Error struct {
	Statement string // its text
	Message   string // DuckDB's own, several lines where it points into the statement
	Number    int    // which one it is of a script, from 1 on, and of how many; 0 of a script of one statement
	Of        int
	Cause     error // the connector's error behind it, such as a host.OutcomeError, or the context's; nil when DuckDB is the reason
}

// Error implements error. It is one line.
func (e *Error) Error() string {
	text := strings.TrimSpace(e.firstLines())
	if e.Number > 0 {
		return fmt.Sprintf("statement %d of %d: %s", e.Number, e.Of, text)
	}
	return text
}

// firstLines leaves out the part that points into the statement.
func (e *Error) firstLines() string {
	text, _, _ := strings.Cut(e.Message, "\n\nLINE ")
	return strings.ReplaceAll(text, "\n", " ")
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Completion is a way to go on with a text.
type Completion struct {
	From int    // where in the text the word begins that Text replaces, in bytes
	Text string // the whole word
}

// Result is what a statement answers.
type Result struct {
	Statement string
	// Columns are those of the rows; none for a statement that answers no rows. Types that a connector has not are told
	// as the nearest that it has.
	Columns []abi.Column
	// Changed is how many rows a statement without rows wrote; -1 where that does not apply.
	Changed int64

	rows rowReader
}
