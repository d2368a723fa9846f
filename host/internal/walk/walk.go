// Package walk reads pages one after another, within bounds. Without bounds, a module could return new cursors without end.
package walk

import (
	"fmt"

	"github.com/mach5/okta-connector/abi"
)

// Limits of a Walk, in pages.
const (
	Max      = 1_000_000 // in one walk
	MaxEmpty = 1_000     // in a row without a new record
	MaxIdle  = 10        // in a row without a new record and without a request
)

// Walk is the progress of a read of several pages. The zero value is a walk before its first page.
type Walk struct {
	Cursor string // resumes at the next page
	Ended  bool

	pages, empty, idle int
}

// To moves on after a page with so many new records, for which the module made so many requests. An empty cursor ends
// the walk. Past a limit, To ends the walk and returns an error.
func (w *Walk) To(cursor string, records, requests int) *abi.Error {
	w.Cursor, w.Ended = cursor, cursor == ""
	if w.pages++; w.Ended {
		return nil
	}
	w.empty, w.idle = w.empty+1, w.idle+1
	if records > 0 {
		w.empty, w.idle = 0, 0
	} else if requests > 0 {
		w.idle = 0
	}
	found := ""
	switch {
	case w.idle >= MaxIdle:
		found = fmt.Sprintf("%d pages in a row without a new record and without a request (walk.MaxIdle)", w.idle)
	case w.empty >= MaxEmpty:
		found = fmt.Sprintf("%d pages in a row without a new record (walk.MaxEmpty)", w.empty)
	case w.pages >= Max:
		found = fmt.Sprintf("%d pages (walk.Max)", w.pages)
	default:
		return nil
	}
	w.Ended = true
	return &abi.Error{Code: "endless", Message: "the module returned " + found + ", and a cursor for more: narrow the input, or report it"}
}
