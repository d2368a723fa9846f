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
}

// Backfill names the operation that reads a closed range of a source's records.
type Backfill struct {
	Operation string `json:"operation"` // on surface sql; its input has the times since and until
	Time      string `json:"time"`      // the top-level member with a record's time; records are ordered by it
}
