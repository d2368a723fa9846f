package host

import (
	"context"
	"encoding/json"
	"iter"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/walk"
)

// TablePages reads an operation of the sql surface page by page, from a cursor; "" is the beginning. It is for
// callers that make each page durable and then save its Cursor to resume from. The next page is fetched meanwhile.
// The iteration ends after the last page, and after the first error, which is an OutcomeError.
func (c *Connection) TablePages(ctx context.Context, operation string, input json.RawMessage, cursor string) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		limited, done := c.deadline(ctx, 0)
		run, fail := c.prepare(limited, operation, abi.SQL, &input)
		done()
		if fail != nil {
			yield(nil, OutcomeError{fail.Operation, fail.Outcome, fail.Error})
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		fetch := func(cursor string) chan fetched {
			ch := make(chan fetched, 1)
			go func() {
				page, next, err := c.tablePage(ctx, run.op, input, cursor, 0)
				if page != nil {
					page.Cursor = next
				}
				ch <- fetched{page, err}
			}()
			return ch
		}
		ahead := fetch(cursor)
		var walked walk.Walk
		defer func() {
			cancel()
			if ahead != nil { // the page that nothing will take
				if f := <-ahead; f.page != nil {
					f.page.release()
				}
			}
		}()
		for ahead != nil {
			f := <-ahead
			ahead = nil
			if f.err != nil {
				yield(nil, f.err)
				return
			}
			endless := walked.To(f.page.Cursor, f.page.Len(), f.page.call.sends)
			if f.page.Cursor != "" && endless == nil {
				ahead = fetch(f.page.Cursor)
			}
			goOn := yield(f.page, nil)
			f.page.release()
			if goOn && endless != nil {
				yield(nil, OutcomeError{run.op.Name, abi.Failed, endless})
			}
			if !goOn {
				return
			}
		}
	}
}
