package abi

// View is an SQL view over one operation.
type View struct {
	Name      string     `json:"name"`
	Operation string     `json:"operation"`
	Input     rawMessage `json:"input,omitempty"` // an object; default {}
	// Times are input fields with a time, by name. The value is an offset in seconds from the time at which a
	// statement runs.
	Times map[string]int64 `json:"times,omitempty"`
	// Comment describes the view; default the operation's summary.
	Comment string `json:"comment,omitempty"`
	// Of makes the view one over several calls: one for each row of another view.
	Of *ViewOf `json:"of,omitempty"`
	// Answers are ways in which the service selects or orders the view's rows itself. The first is the one to prefer.
	Answers []Answer `json:"answers,omitempty"`
}

// ViewOf says for which rows of another view the operation of a view is called.
type ViewOf struct {
	View   string `json:"view"`   // the other view, which has no Of and no Times
	Column string `json:"column"` // its column, of type VARCHAR
	Input  string `json:"input"`  // the input that takes the column's value
	As     string `json:"as"`     // the name of the value's column in this view, which is the first
	// Match is a regular expression (RE2) for the values that Column can have. A value that does not match has no rows.
	Match string `json:"match,omitempty"`
}

// Answer is an operation that returns the rows of a view for which a condition holds, and may return more rows. A
// condition that its fields cannot express is left out. What is left must hold for all rows of the whole condition.
type Answer struct {
	Operation string     `json:"operation"`       // on surface sql, with the columns of the view
	Input     rawMessage `json:"input,omitempty"` // an object; default {}
	// Filter is an input that takes a filter expression of SCIM (RFC 7644).
	Filter string `json:"filter,omitempty"`
	// Lags says that a change may be missing from the result for a short time.
	Lags bool `json:"lags,omitempty"`
	// Each allows one call for each value of a Condition with Value, up to this many. 0 is 1.
	Each       int         `json:"each,omitempty"`
	Conditions []Condition `json:"conditions,omitempty"`
	Orders     []Order     `json:"orders,omitempty"`
}

// Condition says how an Answer takes conditions on one column. It has one of Name, Value, and From or To.
type Condition struct {
	Column string `json:"column"`
	// Name is the attribute in Filter, and Operators what may be asked of it: OperatorEqual and so on.
	Name      string   `json:"name,omitempty"`
	Operators []string `json:"operators,omitempty"`
	// Value is an input that takes one value of the column. Without a value, the answer does not apply.
	Value string `json:"value,omitempty"`
	// From and To are inputs that take the first and last time. Rows at both times are returned, or nearly: the host adds
	// one unit of Precision to To.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Oldest is the earliest From that the operation accepts, in seconds from the time at which the statement runs. 0 is
	// no limit.
	Oldest int64 `json:"oldest,omitempty"`
	// Fold says that letters are compared without regard to case.
	Fold bool `json:"fold,omitempty"`
	// Precision is the unit of times: PrecisionMillisecond, the default, or PrecisionSecond.
	Precision string `json:"precision,omitempty"`
}

// The operators of Condition. They are those of SCIM.
const (
	OperatorEqual   = "eq"
	OperatorStarts  = "sw"
	OperatorAtLeast = "ge"
	OperatorAtMost  = "le"
	OperatorPresent = "pr"
)

// The values of Condition.Precision.
const (
	PrecisionMillisecond = "millisecond"
	PrecisionSecond      = "second"
)

// Order says how an Answer returns its rows in the order of one column, exactly.
type Order struct {
	Column     string `json:"column"`
	Input      string `json:"input"`                // an input that takes Ascending or Descending
	Ascending  string `json:"ascending,omitempty"`  // empty if it cannot
	Descending string `json:"descending,omitempty"` // empty if it cannot
}

// Backfill names the operation that reads a closed range of a source's records.
type Backfill struct {
	Operation string `json:"operation"` // on surface sql; its input has the times since and until
	Time      string `json:"time"`      // the top-level member with a record's time; records are ordered by it
}
