package abi

// View is an SQL view over one operation.
type View struct {
	Name      string     `json:"name"`
	Operation string     `json:"operation"`
	Input     rawMessage `json:"input,omitempty"` // an object; default {}
	// Times are fields of the input that are a time, by name: so many seconds from when a statement runs.
	Times map[string]int64 `json:"times,omitempty"`
	// Comment describes the view; default the operation's summary.
	Comment string `json:"comment,omitempty"`
}

// Backfill says which operation reads a closed range of what a source reads.
type Backfill struct {
	Operation string `json:"operation"` // of surface sql; its input has since and until, which are times
	Time      string `json:"time"`      // the top-level member of a record that is its time, by which the records come
}
