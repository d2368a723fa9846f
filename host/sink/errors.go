package sink

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// The reasons for which a page was not taken. Every error of Write that has one of them wraps it.
var (
	ErrUnavailable = errors.New("sink unavailable") // for now: the same page may be taken later
	ErrRefused     = errors.New("sink refuses")     // the records or the sender
)

// ErrRecord is wrapped when one record is refused for its content. It wraps ErrRefused.
var ErrRecord = fmt.Errorf("%w a record", ErrRefused)

// ErrRewrite is wrapped when what was written since the last successful Sync is gone, or may be, while the sink itself
// works. The same pages must be written again at once.
var ErrRewrite = errors.New("records have to be written again")

// ComesAgain ends every message about a page that was not taken.
const ComesAgain = "the page in hand is not checkpointed and comes again"

// WithoutCheckpoint rewords an error of Write for callers that keep no checkpoint: the text does not mention one.
func WithoutCheckpoint(err error) error {
	text := strings.NewReplacer("; "+ComesAgain, "", ": "+ComesAgain, "").Replace(err.Error())
	return reworded{err, text}
}

// reworded is an error with another text.
type reworded struct {
	error
	text string
}

func (e reworded) Error() string { return e.text }
func (e reworded) Unwrap() error { return e.error }

// WriteError returns the error of a failed write to the stream or file with this name.
func WriteError(name string, err error) error {
	switch {
	case errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("%s was closed by its reader: %s", name, ComesAgain)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("writing to %s: no space left: make room and run again; %s", name, ComesAgain)
	}
	return fmt.Errorf("writing to %s: %w; %s", name, err, ComesAgain)
}

// ThrottledError is the error of a service that said how long to wait before the next attempt.
type ThrottledError struct {
	Err  error
	Wait time.Duration
}

func (e ThrottledError) Error() string { return e.Err.Error() }
func (e ThrottledError) Unwrap() error { return e.Err }

// RetryAfter returns how long a service asked to wait, if that is why a Write failed, else 0.
func RetryAfter(err error) time.Duration {
	var e ThrottledError
	if errors.As(err, &e) {
		return e.Wait
	}
	return 0
}

// DoubtfulError is the error of a service that refused the sender or the address, which may pass: a token is not valid
// yet, or the service is being moved.
type DoubtfulError struct {
	Err    error
	Status int // HTTP status: 401, 403, 404 or 407
}

func (e DoubtfulError) Error() string { return e.Err.Error() }
func (e DoubtfulError) Unwrap() error { return e.Err }

// Doubtful reports whether a Write failed with a DoubtfulError.
func Doubtful(err error) bool {
	var e DoubtfulError
	return errors.As(err, &e)
}
