// Package sink defines where the records of a source go.
//
// A sink takes one page at a time. When Write returns nil, its checkpoint may be saved: the page is durable, or the
// service acknowledged it (docs/sinks.md says what each service guarantees). When Write returns an error, the caller
// writes the page again, whole or in part, with the same keys. Stream writes to standard output. The packages filesink
// and httpsink have the other sinks.
package sink

import (
	"context"
	"io"
	"iter"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/durable"
)

// Sink takes the pages of one source, in order. It is not safe for concurrent use. Close it when done.
type Sink interface {
	// Write makes a page durable. The end of ctx ends the wait; it does not stop a write that has begun.
	Write(ctx context.Context, p Page) error
	// Close releases the sink. Every page for which Write returned nil is already durable.
	Close() error
	// String returns a name for people. It contains no secret.
	String() string
}

// Page is what a sink takes; *host.Page is one.
type Page interface {
	Len() int
	Records() iter.Seq[host.Record]
	WriteTo(io.Writer) (int64, error) // as NDJSON
}

// Buffered is a Sink that can take several pages and make them durable together. Write is Append followed by Sync.
type Buffered interface {
	Sink
	// Append writes a page. The page is durable once Sync has returned nil. After an error, part of the page may be
	// written, and every page since the last Sync may be lost. All of these must be appended again.
	Append(ctx context.Context, p Page) error
	// Sync makes every page durable that was appended before it. It may run concurrently with Append. After an error,
	// every page since the last successful Sync must be appended again.
	Sync() error
}

// Replayer is a Sink that can read its last records back. After a crash it may hold more than the checkpoint covers.
type Replayer interface {
	// Replay calls each with the last records, newest first, until each reports that it knows one. It reads at least
	// the last ReplayBytes. A record is valid only during the call.
	Replay(each func(record []byte) (known bool)) error
}

// ReplayBytes is the least number of bytes that a Replayer reads back, unless it has fewer or a record is known.
const ReplayBytes = 64 << 20

// Movable is a Replayer whose file another program may rename. A renamed file is found by its identity.
type Movable interface {
	// ID returns the identity of the file that was written to last.
	ID() (id durable.ID, ok bool)
	// ReplayAlso makes Replay also read the files with these identities, if they are still in the same folder.
	ReplayAlso(ids []durable.ID)
}

// Reopener is a Sink with files that another program may rename, as log rotation does.
type Reopener interface {
	// Reopen opens the paths again whose files are no longer there. It reports whether it opened any. It is safe for
	// concurrent use.
	Reopen() (reopened bool, err error)
}

// Refuser is a Sink that puts refused records aside and counts them.
type Refuser interface {
	// Refused returns how many records it put aside. It is safe for concurrent use.
	Refused() int64
}

// Monitor is a Sink that reports its status.
type Monitor interface {
	// Status returns the current status. It is safe for concurrent use.
	Status() Status
}

// Status is the state of a sink.
type Status struct {
	Up       bool  // false after a failure, until a write succeeds
	Err      error // the last failure, if not Up
	Failures int64 // failed writes, retries included
	Retries  int64 // writes that were tried again
}

// Volatile is a Sink whose service may lose acknowledged records when its process ends.
type Volatile interface {
	// Interruptions returns how often the service seems to have ended. It then did not answer, a load balancer answered
	// in its place, or it closed its connections and accepted no new one. The count includes every end that this
	// machine can know of when the call begins. It is safe for concurrent use.
	Interruptions() int64
}
