package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
)

// rangeCheckpoint is where a range goes on: at a cursor, or, without one, at the time of the last record less an overlap.
// Version 1 knew the cursor, done and time alone.
type rangeCheckpoint struct {
	Version int       `json:"v"`
	Input   string    `json:"input,omitempty"`  // digest of the input that it is of; none in version 1
	Cursor  string    `json:"cursor,omitempty"` // of the next page
	Since   string    `json:"since,omitempty"`  // of the cursor, where it is not the input's
	Done    bool      `json:"done,omitempty"`
	Time    time.Time `json:"time,omitzero"` // the latest of a record
}

const rangeVersion = 2

const (
	// overlap is read again where a range goes on by time: events that were stored late may lie there. It is within what
	// Recent remembers.
	overlap = 5 * time.Minute
	// fruitless is how many refused cursors in a row a range goes on behind that has come no further.
	fruitless = 3
)

// notOfRange is what to do about a checkpoint that a range cannot go on from.
const notOfRange = "the checkpoint is not one of this range (its since, until and filter): give the file that this range wrote, or remove it to begin anew"

// readRange reads a range's checkpoint; none is the beginning.
func readRange(at json.RawMessage, input string) (rangeCheckpoint, error) {
	c := rangeCheckpoint{Version: rangeVersion, Input: input}
	if len(at) == 0 {
		return c, nil
	}
	c = rangeCheckpoint{}
	switch err := json.Unmarshal(at, &c); {
	case err != nil, c.Version == 1 && c.Cursor == "" && !c.Done, c.Version == rangeVersion && c.Input != input, c.Version != 1 && c.Version != rangeVersion:
		return c, errors.New(notOfRange)
	}
	c.Version, c.Input = rangeVersion, input // the cursor of version 1 is of the input, or is refused
	return c, nil
}

// RangeDone reports whether a checkpoint is of a range that was read to its end, and that end was over.
func RangeDone(at json.RawMessage) bool {
	var c rangeCheckpoint
	return json.Unmarshal(at, &c) == nil && c.Done
}

// RangeTime is the latest time of a record before a range's checkpoint; zero when not known.
func RangeTime(at json.RawMessage) time.Time {
	var c rangeCheckpoint
	_ = json.Unmarshal(at, &c) // what is none has no time
	return c.Time
}

// Range is the Feed of an operation of the sql surface that ends, such as one of abi.Backfill, page by page through its
// cursor. Where the input has since and until, they are the times that bound it, and timeMember is the member of a
// record that tells its own, by which the records come, the earliest first:
//
//   - Pages have their Watermark.
//   - A cursor that the service refuses is replaced by a since: the latest time of a record, less an overlap, whose repeats
//     have the same keys.
//   - A range whose until is not over for the overlap by the service's clock, the Date of its answers, is not done at its
//     end. Its checkpoint goes on from there, once more has happened, or was stored.
//
// An empty timeMember is none: then a refused cursor is an error.
func Range(c *host.Connection, operation string, input json.RawMessage, timeMember string) Feed {
	return func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
		return func(yield func(*host.Page, error) bool) {
			r, err := newRangeRead(input, at, timeMember)
			if err != nil {
				yield(nil, err)
				return
			}
			for !r.at.Done {
				goOn, err := r.read(ctx, c, operation, yield)
				if err != nil {
					yield(nil, err)
				}
				if !goOn || err != nil {
					return
				}
			}
		}
	}
}

// rangeRead reads a range on from a checkpoint.
type rangeRead struct {
	input        map[string]json.RawMessage
	since, until time.Time // zero is not told
	timeMember   string
	at           rangeCheckpoint
	refused      int       // cursors, since
	reached      time.Time // was the latest time
	warning      string    // for the next page
}

func newRangeRead(input, at json.RawMessage, timeMember string) (*rangeRead, error) {
	r := &rangeRead{timeMember: timeMember}
	if len(input) > 0 {
		if err := json.Unmarshal(input, &r.input); err != nil {
			return nil, fmt.Errorf("the input of a range: %w", err)
		}
	}
	r.since, r.until = timeOf(r.input["since"]), timeOf(r.input["until"])
	var err error
	if r.at, err = readRange(at, rangeDigest(r.input)); err != nil {
		return nil, err
	}
	r.reached = r.at.Time
	return r, nil
}

// rangeDigest tells ranges apart. How large their pages are makes no other range.
func rangeDigest(input map[string]json.RawMessage) string {
	fields := map[string]json.RawMessage{}
	for name, value := range input {
		if name != "page_size" {
			fields[name] = value
		}
	}
	text, _ := json.Marshal(fields) // sorted, and compact; it was JSON before
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// byTime reports whether the range can go on by time.
func (r *rangeRead) byTime() bool { return r.timeMember != "" && !r.since.IsZero() }

// goesOnAt is where the range goes on without a cursor: at the latest record less the overlap, and no earlier than it began.
func (r *rangeRead) goesOnAt() time.Time {
	if t := r.at.Time.Add(-overlap); t.After(r.since) {
		return t
	}
	return r.since
}

// read reads from the checkpoint on to the end, or to a cursor that is refused. It goes on where the range does.
func (r *rangeRead) read(ctx context.Context, c *host.Connection, operation string, yield func(*host.Page, error) bool) (goOn bool, err error) {
	if r.at.Cursor == "" && r.byTime() {
		r.at.Since = ""
		if from := r.goesOnAt(); from.After(r.since) {
			r.at.Since = from.UTC().Format(time.RFC3339Nano)
		}
	}
	for page, err := range c.TablePages(ctx, operation, r.asked(), r.at.Cursor) {
		if err != nil {
			return r.recover(err)
		}
		if r.warning != "" {
			page.Warnings = append(page.Warnings, r.warning)
			r.warning = ""
		}
		r.take(page, c.Module())
		if page.Checkpoint, err = json.Marshal(r.at); err != nil {
			return false, fmt.Errorf("the checkpoint of a range: %w", err)
		}
		if !yield(page, nil) || page.CaughtUp {
			return false, nil
		}
	}
	return false, nil
}

// asked is the input, with the since that the cursor is of.
func (r *rangeRead) asked() json.RawMessage {
	fields := map[string]json.RawMessage{}
	for name, value := range r.input {
		fields[name] = value
	}
	if r.at.Since != "" {
		fields["since"], _ = json.Marshal(r.at.Since) // a text always encodes
	}
	text, _ := json.Marshal(fields) // it was JSON before
	return text
}

// take brings the checkpoint behind a page.
func (r *rangeRead) take(page *host.Page, m *host.Module) {
	if t := latest(page, r.timeMember, m); t.After(r.at.Time) {
		r.at.Time = t // and not an earlier one, of the overlap: where nothing comes of a cursor, that would go back ever further
	}
	page.Watermark = r.at.Time
	r.at.Cursor = page.Cursor
	if page.CaughtUp = page.Cursor == ""; !page.CaughtUp {
		return
	}
	r.at.Since = ""
	// What happens before until and was not stored yet would be missed for good. An answer without a Date tells of no time.
	r.at.Done = !r.byTime() || r.until.IsZero() || !page.Date.IsZero() && !r.until.Add(overlap).After(page.Date)
}

// recover goes on by time where the service refused the cursor, and not for ever where nothing comes of it.
func (r *rangeRead) recover(err error) (goOn bool, _ error) {
	var e host.OutcomeError
	if r.at.Cursor != "" && errors.As(err, &e) && e.Outcome == abi.Invalid && e.Detail != nil && e.Detail.Code == "cursor" {
		return false, fmt.Errorf("%w: its cursor is not one that this range wrote: restore it from a copy, or remove it to begin anew", checkpoint.ErrDamaged)
	}
	if r.at.Cursor == "" || !r.byTime() || !errors.As(err, &e) || e.Outcome != abi.Rejected || e.Detail == nil ||
		e.Detail.Upstream == nil || e.Detail.Upstream.Status != http.StatusBadRequest {
		return false, err // what is refused for another reason than its cursor is refused without it, too
	}
	if r.at.Time.After(r.reached) {
		r.reached, r.refused = r.at.Time, 0
	}
	if r.refused++; r.refused > fruitless {
		return false, err
	}
	r.at.Cursor = ""
	r.warning = fmt.Sprintf("the cursor is no longer taken (%s): going on from %s, which repeats records of the same key",
		e.Detail.Message, r.goesOnAt().UTC().Format(time.RFC3339))
	return true, nil
}

// timeOf is a time in an input; zero for what is none.
func timeOf(value json.RawMessage) time.Time {
	var text string
	_ = json.Unmarshal(value, &text) // no text is no time
	t, _ := time.Parse(time.RFC3339, text)
	return t
}

// latest is the time of a page's last record.
func latest(p *host.Page, member string, m *host.Module) time.Time {
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
	t, _ := m.ParseTime(text)
	return t
}
