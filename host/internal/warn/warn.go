// Package warn passes warnings on without repeating them.
package warn

import "fmt"

// Max is the maximum number of different warnings that Once passes on.
const Max = 100

// Repeated returns the warning for n records that were omitted.
func Repeated(n int) string {
	return fmt.Sprintf("%d repeated records omitted: records with the same key are listed once", n)
}

// Once passes each different warning on once. It is not safe for concurrent use.
type Once struct {
	Warn func(warning string)

	given map[string]bool
}

// Pass passes a warning on if it is new. After Max different ones, a last warning says that others were omitted.
func (o *Once) Pass(warning string) {
	if o.given[warning] || len(o.given) > Max {
		return
	}
	if o.given == nil {
		o.given = map[string]bool{}
	}
	if o.given[warning] = true; len(o.given) > Max {
		warning = fmt.Sprintf("further warnings were omitted: there are over %d different ones", Max)
	}
	o.Warn(warning)
}
