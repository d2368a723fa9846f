package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/mach5/okta-connector/host"
)

// rangeCheckpoint is where a range goes on.
type rangeCheckpoint struct {
	Version int    `json:"v"`
	Cursor  string `json:"cursor,omitempty"` // of the next page
	Done    bool   `json:"done,omitempty"`
	Time    string `json:"time,omitempty"` // of the last record, for people and for the time that the rest takes
}

// RangeDone reports whether a checkpoint is of a range that was read to its end.
func RangeDone(at json.RawMessage) bool {
	var c rangeCheckpoint
	return json.Unmarshal(at, &c) == nil && c.Done
}

// RangeTime is the time of the last record before a range's checkpoint; zero when not known.
func RangeTime(at json.RawMessage) time.Time {
	var c rangeCheckpoint
	_ = json.Unmarshal(at, &c)               // what is none has no time
	t, _ := time.Parse(time.RFC3339, c.Time) // nor has what is no time
	return t
}

// Range is the Feed of an operation of the sql surface that ends, such as bounded_system_log_range, page by page through
// its cursor. time is the member of a record that tells its time, of which pages get their Watermark; empty is none.
func Range(c *host.Connection, operation string, input json.RawMessage, timeMember string) Feed {
	return func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
		return func(yield func(*host.Page, error) bool) {
			from := rangeCheckpoint{Version: 1}
			if len(at) > 0 {
				if err := json.Unmarshal(at, &from); err != nil || from.Version != 1 || from.Cursor == "" && !from.Done {
					yield(nil, errors.New("the checkpoint is not one of a range: give the file that this range wrote, or remove it to begin anew"))
					return
				}
			}
			if from.Done {
				return
			}
			for page, err := range c.TablePages(ctx, operation, input, from.Cursor) {
				if err != nil {
					yield(nil, err)
					return
				}
				page.CaughtUp = page.Cursor == ""
				next := rangeCheckpoint{Version: 1, Cursor: page.Cursor, Done: page.CaughtUp, Time: from.Time}
				if page.Watermark = latest(page, timeMember); !page.Watermark.IsZero() {
					next.Time = page.Watermark.Format(time.RFC3339Nano)
				}
				from = next
				if page.Checkpoint, err = json.Marshal(next); err != nil {
					yield(nil, fmt.Errorf("the cursor of a range: %w", err))
					return
				}
				if !yield(page, nil) {
					return
				}
			}
		}
	}
}

// latest is the time of a page's last record.
func latest(p *host.Page, member string) time.Time {
	if member == "" {
		return time.Time{}
	}
	var last host.Record
	for r := range p.Records() {
		last = r
	}
	var fields map[string]json.RawMessage
	var text string
	if json.Unmarshal(last.JSON, &fields) != nil || json.Unmarshal(fields[member], &text) != nil {
		return time.Time{}
	}
	t, _ := time.Parse(time.RFC3339, text) // what is no time is none
	return t
}
