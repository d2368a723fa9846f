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
		var ahead walk.Ahead[*Page]
		defer ahead.Drop((*Page).release)
		defer cancel()
		fetch := func(cursor string) {
			ahead.Fetch(func() (*Page, error) {
				page, next, err := c.tablePage(ctx, run.op, input, cursor, 0)
				if page != nil {
					page.Cursor = next
				}
				return page, err
			})
		}
		fetch(cursor)
		var walked walk.Walk
		for {
			page, err := ahead.Take()
			if err != nil {
				yield(nil, err)
				return
			}
			endless := walked.To(page.Cursor, page.Len(), page.call.sends)
			more := page.Cursor != "" && endless == nil
			if more {
				fetch(page.Cursor)
			}
			goOn := yield(page, nil)
			page.release()
			if goOn && endless != nil {
				yield(nil, OutcomeError{run.op.Name, abi.Failed, endless})
			}
			if !goOn || !more {
				return
			}
		}
	}
}
