package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/filesink"
)

// Exit codes that do not belong to one outcome alone.
const (
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130
)

// exit is one row of the table of exit codes, which --help and describe print.
type exit struct {
	code     int
	outcomes []abi.Outcome
	also     string // what else ends with this code
}

// exits returns what the exit codes mean. Codes never change between versions.
func exits() []exit {
	return []exit{
		{0, []abi.Outcome{abi.Succeeded, abi.Unchanged, abi.Planned}, ""},
		{ExitFailed, []abi.Outcome{abi.Failed}, "check or validate found a fault; a full disk; any other error"},
		{ExitUsage, []abi.Outcome{abi.Invalid}, "a wrong flag, query, connection file, secret, module or checkpoint file"},
		{3, []abi.Outcome{abi.Denied}, ""},
		{4, []abi.Outcome{abi.NotFound}, ""},
		{5, []abi.Outcome{abi.Rejected}, ""},
		{6, []abi.Outcome{abi.Throttled}, ""},
		{7, []abi.Outcome{abi.Unavailable}, "the receiver of --out does not accept records"},
		{8, []abi.Outcome{abi.Unknown}, ""},
		{ExitInterrupted, nil, "interrupted by a signal"},
	}
}

// OutcomeCode returns the exit code of an outcome.
func OutcomeCode(o abi.Outcome) int {
	for _, e := range exits() {
		if slices.Contains(e.outcomes, o) {
			return e.code
		}
	}
	return ExitFailed
}

// ExitTable returns the table of exit codes as text, for --help.
func ExitTable() string {
	var b strings.Builder
	for _, e := range exits() {
		var words []string
		for _, o := range e.outcomes {
			words = append(words, string(o))
		}
		if e.also != "" {
			words = append(words, e.also)
		}
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, strings.Join(words, ", "))
	}
	return b.String()
}

// UsageError means that the command line, or a file that it names, must be corrected. Its exit code is ExitUsage.
type UsageError struct{ error }

// Unwrap returns the error that was wrapped.
func (e UsageError) Unwrap() error { return e.error }

// Usagef returns a UsageError with a formatted message.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// ErrReported makes a command fail without a message, because its output says what is wrong.
var ErrReported = errors.New("already reported")

// exitCode returns the exit code for the error of a command. silent means that the error needs no message.
func exitCode(ctx context.Context, err error) (code int, silent bool) {
	var outcome host.OutcomeError
	var usage UsageError
	switch {
	case err == nil:
		return 0, true
	case errors.Is(err, ErrReported):
		return ExitFailed, true
	case errors.As(err, &outcome):
		if ctx.Err() != nil && outcome.Outcome != abi.Unknown {
			return ExitInterrupted, false
		}
		return OutcomeCode(outcome.Outcome), false
	case ctx.Err() != nil && errors.Is(err, context.Canceled): // interrupted while reading a file or standard input
		return ExitInterrupted, false
	case errors.As(err, &usage):
		return ExitUsage, false
	case ctx.Err() != nil:
		return ExitInterrupted, false
	}
	if errors.Is(err, sink.ErrUnavailable) {
		return OutcomeCode(abi.Unavailable), false
	}
	for _, wrong := range []error{host.ErrConfig, host.ErrRefused, host.ErrUnknownOperation, connections.ErrFile,
		connections.ErrNoConnection, checkpoint.ErrDamaged, checkpoint.ErrOther, checkpoint.ErrLocked, checkpoint.ErrPlace, checkpoint.ErrChanged,
		filesink.ErrForeign} {
		if errors.Is(err, wrong) {
			return ExitUsage, false
		}
	}
	return ExitFailed, false
}

// final returns the last line for an error. If a signal caused the error, the line says so.
func final(code int, err error) string {
	var outcome host.OutcomeError
	switch {
	case code != ExitInterrupted:
	case errors.As(err, &outcome) && outcome.Detail != nil:
		return fmt.Sprintf("%s: interrupted: %s", outcome.Operation, outcome.Detail.Message)
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}
