package wire

import "github.com/mach5/okta-connector/abi"

// SetupMessage says what the process prepares before the first statement.
type SetupMessage struct {
	Marker     string // what only the statements of Schemas know: it begins the argument by which a view names itself
	Schemas    []Schema
	Missing    map[string]string // schemas that queries may expect, in lower case, each with the reason why it is not there
	Database   string            // the DuckDB file to attach; "" is none
	Around     []string          // the folders of that file, in which DuckDB makes others
	AllowFiles bool              // queries may read and write files
	Folders    []string          // the files that they may; none is all
	TempDir    string            // where DuckDB puts what does not fit into memory; "" is nowhere
	Memory     int64             // bytes that DuckDB may use
	Data       uint64            // bytes of memory that the process may have in all; 0 sets no limit
}

// Schema is a schema of a connection and the statements that make it.
type Schema struct {
	Name, Statements string
	Connection       string // its name; "" for the schema Ambiguous, and for a union
	Union            bool   // its views are found under qualified names only
	// Elements are table functions of one column. The alias of a call names the column, as in Postgres.
	Elements []string
	Overlay  bool // its views have those of connections below them, under other names
}

// Ambiguous is the name of a schema, and of a connection that no file can have. The schema is first in the search path. It has a
// view of each name that several connections have. The view calls the connection, which answers every query with an error.
const Ambiguous = "ambiguous views"

// ReadyMessage says that the process has prepared all.
type ReadyMessage struct {
	Walls string // what confines the process
}

// HeadMessage begins the result of a statement.
type HeadMessage struct {
	Columns []abi.Column
	Changed int64
}

// EndMessage ends a result, or is the whole of one.
type EndMessage struct {
	Error    string `json:",omitempty"`
	Canceled bool   `json:",omitempty"` // the statement was interrupted
	Broken   bool   `json:",omitempty"` // the process cannot go on
}

// LogMessage is a line for the log.
type LogMessage struct{ Message, Detail string }

// Completion is a way to go on with a text.
type Completion struct {
	From int
	Text string
}

// TableMessage describes the rows of a call.
type TableMessage struct {
	Columns []Column
	Single  bool // at most one row
	Many    bool // a call for each row of another view
}

// Column is a column of a call's rows.
type Column struct {
	Name string
	Type abi.ColumnType
}

// Pushed is what a statement wants of the rows of a view.
type Pushed struct {
	// Condition holds for every row that the statement needs; nil is no condition.
	Condition *Condition `json:",omitempty"`
	// Order is a column by which the rows must come; "" is any order.
	Order      string `json:",omitempty"`
	Descending bool   `json:",omitempty"`
	// Limited says that the statement may stop before the last row.
	Limited bool `json:",omitempty"`
}

// Condition is a condition on the columns of one row. A row for which it is NULL does not count.
type Condition struct {
	Op     ConditionOp
	Column string      `json:",omitempty"` // what is compared; "" in OpAnd and OpOr
	Values []string    `json:",omitempty"` // one, or several in OpIn and OpFold. A time is RFC 3339, in UTC
	Parts  []Condition `json:",omitempty"` // what OpAnd and OpOr join
}

// ConditionOp is what a Condition compares.
type ConditionOp string

// The operators of Condition.
const (
	OpAnd        ConditionOp = "and"
	OpOr         ConditionOp = "or"
	OpIn         ConditionOp = "in" // equal to one of Values
	OpAtLeast    ConditionOp = "ge"
	OpAtMost     ConditionOp = "le"
	OpStarts     ConditionOp = "sw"
	OpPresent    ConditionOp = "pr"    // not NULL
	OpFold       ConditionOp = "fold"  // in lower case, equal to one of Values
	OpFoldStarts ConditionOp = "folds" // in lower case, begins with
)

// Depth returns how deep a condition is nested; 0 for nil.
func (c *Condition) Depth() int {
	if c == nil {
		return 0
	}
	deepest := 0
	for i := range c.Parts {
		deepest = max(deepest, c.Parts[i].Depth())
	}
	return deepest + 1
}

// MaxConditionDepth is how deep conditions may be nested.
const MaxConditionDepth = 32

// PlanMessage describes how the rows of a view are read.
type PlanMessage struct {
	// Text says what is asked of the service, for people.
	Text string
	// Requests is the least number of requests.
	Requests int
	// Ordered says that the rows come in the order of Pushed.
	Ordered bool
}

// ErrorMessage is an error of the program.
type ErrorMessage struct {
	Text  string
	Limit bool // it wraps ErrLimit
}

// Error implements error.
func (e ErrorMessage) Error() string { return e.Text }

// Is makes errors.Is find ErrLimit.
func (e ErrorMessage) Is(target error) bool { return e.Limit && target == ErrLimit }
