package sink

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// The reasons why a sink did not take a page. Errors of Write wrap one of them if it applies.
var (
	ErrUnavailable = errors.New("sink unavailable") // temporarily: the same page may be taken later
	ErrRefused     = errors.New("sink refuses")     // the records or the sender are not accepted
)

// ErrRecord is wrapped when one record is refused for its content. It wraps ErrRefused.
var ErrRecord = fmt.Errorf("%w a record", ErrRefused)

// ErrRewrite is wrapped when everything written since the last successful Sync is or may be lost, and the sink works.
// The same pages must be written again at once.
var ErrRewrite = errors.New("records must be written again")

// NotCheckpointed ends every message about a page that was not taken.
const NotCheckpointed = "the current page is not checkpointed and will be written again"

// WithoutCheckpoint returns an error of Write reworded for callers that keep no checkpoint. Its text does not mention
// one.
func WithoutCheckpoint(err error) error {
	text := strings.NewReplacer("; "+NotCheckpointed, "", ": "+NotCheckpointed, "").Replace(err.Error())
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
		return fmt.Errorf("%s was closed by its reader: %s", name, NotCheckpointed)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("writing to %s: no space left: free some space and run again; %s", name, NotCheckpointed)
	}
	return fmt.Errorf("writing to %s: %w; %s", name, err, NotCheckpointed)
}

// ThrottledError is the error of a service that asked to wait before the next attempt.
type ThrottledError struct {
	Err  error
	Wait time.Duration // how long
}

func (e ThrottledError) Error() string { return e.Err.Error() }
func (e ThrottledError) Unwrap() error { return e.Err }

// RetryAfter returns how long a service asked to wait, or 0 if err is not a ThrottledError.
func RetryAfter(err error) time.Duration {
	var e ThrottledError
	if errors.As(err, &e) {
		return e.Wait
	}
	return 0
}

// DoubtfulError is the error of a service that refused the sender or the address. It may be temporary: a token is not
// valid yet, or the service is being moved.
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
