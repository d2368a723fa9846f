package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// failure returns the outcome of a call whose export did not return. If a write may have been sent, the outcome is
// unknown.
func (c *call) failure(ctx context.Context, err error) (abi.Outcome, *abi.Error) {
	wrote := c.wrote()
	timedOut := ctx.Err() != nil
	switch {
	case wrote:
		return abi.Unknown, c.unknown("the call ended", "("+reason(ctx, err)+")")
	case timedOut && c.writes.earlier != nil:
		return abi.Unknown, &abi.Error{Code: "timeout", Retryable: true, Message: "an earlier run with this key was interrupted when its write may have been sent, and there was " +
			"no time to read back what became of it (" + reason(ctx, err) + ")"}
	case errors.As(err, new(budget.ProcessError)):
		return c.noMemory(err)
	case timedOut:
		return abi.Unavailable, &abi.Error{Code: "timeout", Message: reason(ctx, err), Retryable: true}
	}
	return abi.Failed, &abi.Error{Code: "module_failed", Message: "the module failed: " + reason(ctx, err)}
}

// noMemory returns the outcome of a call that ended because the call or the process holds too much memory.
func (c *call) noMemory(err error) (abi.Outcome, *abi.Error) {
	if errors.As(err, new(budget.ProcessError)) {
		return abi.Unavailable, &abi.Error{Code: "memory", Message: err.Error(), Retryable: true}
	}
	return abi.Failed, &abi.Error{Code: "memory", Message: err.Error()}
}

// unknown returns the error of a call that ended after a write may have been sent, without a result that can be trusted.
func (c *call) unknown(what, why string) *abi.Error {
	when := "after a write was sent and before its result was known"
	if c.writes.accepted {
		when = "after a write was answered with success"
	}
	return &abi.Error{Code: string(abi.Unknown), Message: strings.TrimRight(what+" "+when+" "+why, " ") + ". Look at the object before you repeat it"}
}

// wrote reports whether a write may have been sent.
func (c *call) wrote() bool {
	return c.writes.sending || c.writes.sent
}

// reason returns one line that says why a call ended, without the guest's stack trace.
func reason(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, sandbox.ErrBusy):
		return err.Error()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "the call's time ended (limits.call_seconds of the connection, --timeout)"
	case errors.Is(ctx.Err(), context.Canceled):
		return "the call was canceled"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	if len(line) > 300 {
		line = line[:300] + "…"
	}
	return line
}

// warnings returns the module's warnings. The ones that do not fit the call's share of the log are replaced by one that
// says so.
func (c *call) warnings(all []string) []string {
	for i, w := range all {
		if !c.mayLog(len(w)) {
			return append(all[:i:i], fmt.Sprintf("%d further warnings were omitted (limits.log_bytes of the connection)", len(all)-i))
		}
	}
	return all
}

// logWarnings logs warnings that are not passed to the caller in a page.
func (c *call) logWarnings(warnings []string) {
	for _, w := range warnings {
		c.conn.log.Warn(c.op.Name+": "+w, "operation", c.op.Name)
	}
}

// judge decodes the result of an invoke. If the result may not be trusted, or the host blocked a write, it returns the
// outcome in its place; otherwise "".
func (c *call) judge(raw []byte, out *abi.InvokeOutput) (abi.Outcome, *abi.Error) {
	switch w := &c.writes; {
	case json.Unmarshal(raw, out) != nil || !out.Outcome.Valid() || out.Outcome == abi.Planned || !out.Outcome.OK() && out.Error == nil:
		return c.badResult("the module returned something that is not a result of the ABI")
	case w.accepted && !out.Partial && (out.Outcome == abi.Unchanged || out.Outcome == abi.Rejected):
		return c.badResult(fmt.Sprintf("the module returned %s, which means that nothing changed", out.Outcome))
	case w.journalErr != nil && errors.As(w.journalErr, new(errAudit)):
		return abi.Failed, &abi.Error{Code: "audit", Message: w.journalErr.Error()}
	case w.journalErr != nil:
		return abi.Failed, &abi.Error{Code: "journal", Message: w.journalErr.Error()}
	case c.violation != nil:
		return abi.Failed, c.violation
	case w.changed != nil:
		return abi.Rejected, &abi.Error{Code: "changed_meanwhile", Message: w.changed.Error(), Retryable: true}
	case w.ceiling != nil && out.Outcome.OK(): // the guest claims success, but the write was blocked
		out.Partial = c.wrote()
		return abi.Throttled, &abi.Error{Code: string(abi.SendCeiling), Message: w.ceiling.Error(), Retryable: true, RetryAfterMS: w.ceiling.RetryAfter()}
	}
	return "", nil
}

// badResult returns the outcome of a call whose result breaks the ABI. If a write may have been sent, it is unknown.
func (c *call) badResult(what string) (abi.Outcome, *abi.Error) {
	if c.wrote() {
		e := c.unknown(what, "")
		e.Code = "bad_result"
		return abi.Unknown, e
	}
	return abi.Failed, &abi.Error{Code: "bad_result", Message: what}
}
