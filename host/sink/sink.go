// Package sink is where the records of a source go: a stream such as standard output, a file that is rotated and may be
// compressed, an HTTP service that takes batches.
//
// A sink takes a page at a time. When Write returns nil the page is durable there, or its service acknowledged it
// (docs/sinks.md says what that is worth), and its checkpoint may be saved. When Write returns an error the page comes
// again, whole or in part, with the same keys.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"syscall"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/durable"
)

// Sink takes the pages of one source, in order. It is not safe for concurrent use; close it when done.
type Sink interface {
	// Write makes a page durable. ctx ends waiting, not a write that has begun.
	Write(ctx context.Context, p Page) error
	// Close lets go of the sink. Everything that Write took is durable already.
	Close() error
	// String names the sink for people. It holds no secret.
	String() string
}

// Buffered is a Sink that can take several pages and make them durable together. Write is Append and Sync.
type Buffered interface {
	Sink
	// Append writes a page, which is durable once Sync has returned nil. After an error part of the page may be there, and
	// what was appended since the last Sync may be lost: all of that is to be appended again.
	Append(ctx context.Context, p Page) error
	// Sync makes durable what was appended before it. It may run beside Append. After an error nothing that was appended
	// since the last Sync counts: all of that comes again.
	Sync() error
}

// Recaller is a Sink that knows what stands at its end: after a crash, that may be more than a checkpoint tells of.
type Recaller interface {
	// Recall gives the last records, the newest first, until each says that it knows them from there on, and at least
	// those of the last RecallBytes. A record is valid during the call.
	Recall(each func(record []byte) (known bool)) error
}

// RecallBytes is how much of its end a Recaller recalls at least, where it holds so much and nobody knows it.
const RecallBytes = 64 << 20

// Refuser is a Sink that puts aside the records that will not be taken, and counts them.
type Refuser interface {
	// Refused is how many it put aside. It is safe for concurrent use.
	Refused() int64
}

// Reopener is a Sink with files that another program may rename, as log rotation does.
type Reopener interface {
	// Reopen looks whether the files are where they were, and opens anew those that are not. It reports whether there were
	// any. It is safe for concurrent use.
	Reopen() (anew bool, err error)
}

// Movable is a Recaller whose file another program may rename: what was written to it is then found by its identity.
type Movable interface {
	// ID is the identity of the file that was written to last.
	ID() (id durable.ID, ok bool)
	// RecallAlso has Recall read files of these identities, too, where they are still beside the others.
	RecallAlso(ids []durable.ID)
}

// Page is what a sink takes; *host.Page is one.
type Page interface {
	Len() int
	Records() iter.Seq[host.Record]
	WriteTo(io.Writer) (int64, error) // as NDJSON
}

// The reasons for which a page was not taken; every error of Write that has one of them wraps it.
var (
	ErrUnavailable = errors.New("sink unavailable") // for now: the same page may be taken later
	ErrRefused     = errors.New("sink refuses")     // what it was given, or who gave it
)

// ErrRecord is wrapped, beside ErrRefused, when it is one record that is not taken, for what it is.
var ErrRecord = fmt.Errorf("%w a record", ErrRefused)

// ErrReplay is wrapped when what was written since the last Sync that succeeded is gone, or may be, while the sink itself is
// well: the same pages are to be written again, at once.
var ErrReplay = errors.New("records have to be written again")

// ErrInUse is wrapped when a file that is to be appended to is being written to by another process.
var ErrInUse = errors.New("file in use")

// again ends every message of a page that was not taken.
const again = "the page in hand is not checkpointed and comes again"

// WithoutCheckpoint is an error of Write, for those who keep no checkpoint: it does not speak of one.
func WithoutCheckpoint(err error) error {
	text := strings.NewReplacer("; "+again, "", ": "+again, "").Replace(err.Error())
	return reworded{err, text}
}

// reworded is an error with another text.
type reworded struct {
	error
	text string
}

func (e reworded) Error() string { return e.text }
func (e reworded) Unwrap() error { return e.error }

// failed is the error of a write to a stream or file.
func failed(name string, err error) error {
	switch {
	case errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s was closed by its reader: %s", name, again)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("writing to %s: no space left: make room and run again; %s", name, again)
	}
	return fmt.Errorf("writing to %s: %w; %s", name, err, again)
}
