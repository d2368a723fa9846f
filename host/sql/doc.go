// Package sql runs SQL over connections, with DuckDB in a process of its own.
//
//	func main() {
//		sql.RunChildIfAsked() // first of all: the SQL process is this program, started again
//		…
//		db, err := sql.Open(ctx, sql.Config{Connections: []*host.Connection{c}})
//		err = db.Run(ctx, `SELECT login FROM example.users WHERE status = 'LOCKED_OUT'`, func(r *sql.Result) error { … })
//	}
//
// Besides DuckDB's own functions, queries have
//
//	connector_table(connection, operation, input)    the rows of an operation, a page at a time as they are asked for
//	connector_scalar(connection, operation, input)   one object as JSON, of a list all its records in an array
//	connector_try(connection, operation, input)      the same, NULL in place of an error
//
// where connection is a name, or a kind that has one connection, and input is the operation's input as JSON. Each
// connection has a schema of its name, and a kind that has one connection a schema of the kind, with a view for every
// list that needs no input (views.go). With several connections, the schema all_orgs has a view over all of them
// for each (union.go). A view can be read without its schema if one connection has it. A name that can
// mean several connections is an error that lists them. Only operations of the sql surface can be reached, which are of class read, and
// a connection's grants hold as everywhere. No statement, and no database of another author, can replace these
// functions, views and schemas, or DuckDB's own functions.
//
// A query may be hostile. The SQL process has no token and no connection: it asks this process for rows. It is killed
// when a statement exceeds its time or memory, and it may crash; the statement fails then and nothing else. Without
// Config.AllowFiles a query reaches no file but Config.Database, no network but that of the connections, and no setting
// (internal/engine). On Linux the process also confines itself (Walls).
//
// DuckDB is written in C++ and is linked in: without cgo, and on platforms for which duckdb-go brings no library, Open
// fails with ErrUnavailable, and the rest of this module is as it is elsewhere.
package sql

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/internal/confine"
)

// ErrUnavailable is wrapped by Open in a program that was built without DuckDB, where Available is false; the message
// says how to build it in.
var ErrUnavailable = errors.New("SQL is not in this build")

// ErrNoChild means that Open cannot start the SQL process, because main did not call RunChildIfAsked.
var ErrNoChild = errors.New("SQL runs in a process of its own, which is this program started again: call sql.RunChildIfAsked " +
	"first in main, or set Config.UnsafeInProcess if every query can be trusted")

// Config says what queries can reach. The zero value is a database in memory without connections.
type Config struct {
	// Connections are read by the queries; their names are unique. They are closed by the caller, after the DB.
	Connections []*host.Connection
	// LeftOut are connections that are configured but cannot be used. They count where a name can mean several connections,
	// so that no name depends on whether a secret is there.
	LeftOut []LeftOut
	// Database is a DuckDB file in which tables that queries create are kept. It is created if it is not there, for this
	// user alone; one that others can write is refused. Default is memory.
	Database string
	// AllowFiles lets queries read and write any file that the process may, and spill to disk what does not fit into
	// memory.
	AllowFiles bool
	// Folders restricts AllowFiles to these folders. Default is every file.
	Folders []string
	// Stdin and Stdout are what queries find at /dev/stdin and /dev/stdout, with AllowFiles. Default is nothing.
	Stdin, Stdout *os.File
	// Starter starts the SQL process, for a program that confines itself. Default is this process.
	Starter *confinement.Starter
	// UnsafeInProcess runs DuckDB in this process, for programs that cannot start themselves again. It is unsafe for
	// untrusted queries: one SELECT can end this process, use all memory, or never end.
	UnsafeInProcess bool
	// Schemas are more schemas, over the connections.
	Schemas []Schema
	// Limits bound each statement.
	Limits Limits
	// Logger gets a warning for each schema that cannot be made, and panics; default discards.
	Logger *slog.Logger
	// Warn takes the warnings of an operation that a statement reads, each once a statement, on any thread but never on two at
	// a time; default is the log of the operation's connection.
	Warn func(operation, warning string)
	// Stats takes what a statement read, by operation, when it has ended; default discards.
	Stats func(statement string, counts []Count)
}

// LeftOut is a connection that queries cannot read.
type LeftOut struct {
	Config host.Config // its name and kind
	Reason error       // what a query that names it is answered
}

// Walls names what the kernel does to contain the SQL process on this machine. confined reports whether it keeps the
// process from files, programs and the network.
func Walls() (walls string, confined bool) {
	r := confine.Supported()
	return r.String(), r.Landlock > 0 && r.Seccomp
}

// Limits are what a statement may take. Zero is the default of each.
type Limits struct {
	Pages  int           // pages and single objects that it reads, each at least one request; default 2,000
	Time   time.Duration // until its result is there; default an hour
	Memory int64         // bytes that DuckDB uses, for tables in memory and all; default 4 GiB, or DuckDB's own where that is less. On Linux the process is killed at 64 MiB more
}

func (l Limits) orDefault() Limits {
	if l.Pages <= 0 {
		l.Pages = 2_000
	}
	if l.Time <= 0 {
		l.Time = time.Hour
	}
	if l.Memory = min(l.Memory, 1<<60); l.Memory <= 0 {
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
	// SessionLost says that the SQL process had to be ended, or crashed: what statements had created in memory, set or
	// prepared is gone. The next statement starts another process.
	SessionLost bool
	Cause       error // the connector's error behind it, such as a host.OutcomeError, or the context's; nil when DuckDB is the reason
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

// Position returns the lines of Message that point into the statement, "" if there are none:
//
//	LINE 1: SELEC 1
//	        ^
func (e *Error) Position() string {
	_, lines, _ := strings.Cut(e.Message, "\n\nLINE ")
	if lines == "" {
		return ""
	}
	return "LINE " + lines
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Count is what a statement read of one operation.
type Count struct {
	Operation string
	Requests  int // that were answered
	Pages     int
	Rows      int
}

// Completion is a way to go on with a text.
type Completion struct {
	From int    // where in the text the word begins that Text replaces, in bytes
	Text string // the whole word
}

// Result is what a statement answers.
type Result struct {
	Statement string
	// Columns are those of the rows; none for a statement that answers no rows. A type that connectors do not have is
	// given as the nearest that they have.
	Columns []abi.Column
	// Changed is how many rows a statement without rows wrote; -1 where that does not apply.
	Changed int64

	rows iter.Seq2[[]any, error]
}
