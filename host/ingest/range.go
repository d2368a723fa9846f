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

// rangeCheckpoint is the position in a range: a cursor, or without one, the time of the last record minus an overlap. Version
// 1 had only cursor, done and time.
type rangeCheckpoint struct {
	Version int       `json:"v"`
	Input   string    `json:"input,omitempty"`  // digest of the range's input; version 1 has none
	Cursor  string    `json:"cursor,omitempty"` // the next page's
	Since   string    `json:"since,omitempty"`  // since of the cursor, if it is not that of the input
	Done    bool      `json:"done,omitempty"`
	Time    time.Time `json:"time,omitzero"` // latest time of a record
}

const rangeVersion = 2

const (
	// overlap is the time that is read again when a range resumes by time, since events may be stored late. It is shorter
	// than the time for which Recent remembers keys.
	overlap = 5 * time.Minute
	// maxRefusedCursors is after how many consecutive refused cursors without progress a range fails.
	maxRefusedCursors = 3
)

// otherRange is the error text for a checkpoint of another range.
const otherRange = "the checkpoint belongs to another range (since, until or filter differ): use the file that this range wrote, or remove it to start over"

// readRange reads the checkpoint of a range with this input. An empty one means the beginning.
func readRange(at json.RawMessage, input string) (rangeCheckpoint, error) {
	c := rangeCheckpoint{Version: rangeVersion, Input: input}
	if len(at) == 0 {
		return c, nil
	}
	c = rangeCheckpoint{}
	switch err := json.Unmarshal(at, &c); {
	case err != nil, c.Version == 1 && c.Cursor == "" && !c.Done, c.Version == rangeVersion && c.Input != input, c.Version != 1 && c.Version != rangeVersion:
		return c, errors.New(otherRange)
	}
	c.Version, c.Input = rangeVersion, input // a cursor of version 1 belongs to the input, or the service refuses it
	return c, nil
}

// RangeDone reports whether the range of a checkpoint was read completely, and its until was over.
func RangeDone(at json.RawMessage) bool {
	var c rangeCheckpoint
	return json.Unmarshal(at, &c) == nil && c.Done
}

// RangeTime returns the latest time of a record before a range's checkpoint. It is zero if not known.
func RangeTime(at json.RawMessage) time.Time {
	var c rangeCheckpoint
	_ = json.Unmarshal(at, &c) // an invalid checkpoint has no time
	return c.Time
}

// Range returns the Feed of an operation of the sql surface that ends, such as one of abi.Backfill. It reads page by
// page through the operation's cursor. If timeMember is set, it is the member with a record's time. Records must be in
// the order of that time, earliest first, and since and until of the input must limit it. Then:
//
//   - Pages have a Watermark.
//   - If the service refuses a cursor, the range resumes with another since: the latest time of a record minus an overlap.
//     Records of the overlap are repeated with the same keys.
//   - A range is done when its until plus the overlap is over by the service's clock, the Date of its answers. Otherwise a
//     later run resumes from the checkpoint at its end.
//
// Without timeMember, a refused cursor is an error.
func Range(c *host.Connection, operation string, input json.RawMessage, timeMember string) Feed {
	return func(ctx context.Context, at json.RawMessage) iter.Seq2[*host.Page, error] {
		return func(yield func(*host.Page, error) bool) {
			r, err := newRangeRead(input, at, timeMember)
			if err != nil {
				yield(nil, err)
				return
			}
			for !r.at.Done {
				again, err := r.read(ctx, c, operation, yield)
				if err != nil {
					yield(nil, err)
				}
				if !again || err != nil {
					return
				}
			}
		}
	}
}

// rangeRead reads a range from a checkpoint.
type rangeRead struct {
	input        map[string]json.RawMessage
	since, until time.Time // zero if not given
	timeMember   string
	at           rangeCheckpoint
	refused      int       // number of refused cursors since at.Time was reached
	reached      time.Time // at.Time when a cursor was last refused
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

// rangeDigest returns a text that differs between ranges. The page size does not matter.
func rangeDigest(input map[string]json.RawMessage) string {
	fields := map[string]json.RawMessage{}
	for name, value := range input {
		if name != "page_size" {
			fields[name] = value
		}
	}
	text, _ := json.Marshal(fields) // sorted and compact; valid JSON always encodes
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// byTime reports whether the range can resume by time.
func (r *rangeRead) byTime() bool { return r.timeMember != "" && !r.since.IsZero() }

// resumeTime returns where the range resumes without a cursor: at the latest record minus the overlap, but not before since.
func (r *rangeRead) resumeTime() time.Time {
	if t := r.at.Time.Add(-overlap); t.After(r.since) {
		return t
	}
	return r.since
}

// read reads from the checkpoint to the end, or to a cursor that the service refuses. again means that read must be called
// again to resume.
func (r *rangeRead) read(ctx context.Context, c *host.Connection, operation string, yield func(*host.Page, error) bool) (again bool, err error) {
	if r.at.Cursor == "" && r.byTime() {
		r.at.Since = ""
		if from := r.resumeTime(); from.After(r.since) {
			r.at.Since = from.UTC().Format(time.RFC3339Nano)
		}
	}
	for page, err := range c.TablePages(ctx, operation, r.query(), r.at.Cursor) {
		if err != nil {
			return r.resumeByTime(err)
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

// query returns the input with the since that belongs to the cursor.
func (r *rangeRead) query() json.RawMessage {
	fields := map[string]json.RawMessage{}
	for name, value := range r.input {
		fields[name] = value
	}
	if r.at.Since != "" {
		fields["since"], _ = json.Marshal(r.at.Since) // a text always encodes
	}
	text, _ := json.Marshal(fields) // valid JSON always encodes
	return text
}

// take moves the checkpoint to the end of a page.
func (r *rangeRead) take(page *host.Page, m *host.Module) {
	if t := latest(page, r.timeMember, m); t.After(r.at.Time) {
		r.at.Time = t // never an earlier time of the overlap: repeated refusals would move it back each time
	}
	page.Watermark = r.at.Time
	r.at.Cursor = page.Cursor
	if page.CaughtUp = page.Cursor == ""; !page.CaughtUp {
		return
	}
	r.at.Since = ""
	// Otherwise events before until that are stored later would be missed. Without a Date, the service's time is not known.
	r.at.Done = !r.byTime() || r.until.IsZero() || !page.Date.IsZero() && !r.until.Add(overlap).After(page.Date)
}

// resumeByTime prepares to resume by time after the service refused the cursor. It returns the error if the failure has
// another reason, or if resuming makes no progress.
func (r *rangeRead) resumeByTime(err error) (again bool, _ error) {
	var e host.OutcomeError
	if r.at.Cursor != "" && errors.As(err, &e) && e.Outcome == abi.Invalid && e.Detail != nil && e.Detail.Code == "cursor" {
		return false, fmt.Errorf("%w: its cursor was not written by this range: restore the file from a copy, or remove it to start over", checkpoint.ErrDamaged)
	}
	if r.at.Cursor == "" || !r.byTime() || !errors.As(err, &e) || e.Outcome != abi.Rejected || e.Detail == nil ||
		e.Detail.Upstream == nil || e.Detail.Upstream.Status != http.StatusBadRequest {
		return false, err // a refusal for another reason would happen without the cursor, too
	}
	if r.at.Time.After(r.reached) {
		r.reached, r.refused = r.at.Time, 0
	}
	if r.refused++; r.refused > maxRefusedCursors {
		return false, err
	}
	r.at.Cursor = ""
	r.warning = fmt.Sprintf("the cursor is no longer accepted (%s): resuming from %s, which repeats some records with the same keys",
		e.Detail.Message, r.resumeTime().UTC().Format(time.RFC3339))
	return true, nil
}

// timeOf returns a time in an input, or the zero time if it is not one.
func timeOf(value json.RawMessage) time.Time {
	var text string
	_ = json.Unmarshal(value, &text) // t is then zero
	t, _ := time.Parse(time.RFC3339, text)
	return t
}

// latest returns the time of a page's last record, or the zero time if it has none.
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
