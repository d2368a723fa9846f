package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/answers"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/input"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// refuse returns the result of a call that did not begin.
func (c *Connection) refuse(operation string, outcome abi.Outcome, code, message string) *abi.Result {
	return &abi.Result{Operation: operation, Outcome: outcome, Error: &abi.Error{Code: code, Message: message},
		Meta: abi.Meta{Connection: c.config.Name, Requests: []abi.RequestMeta{}}}
}

// prepare finds the operation and makes all checks that need no module: the surface, the input, the grant. It changes
// a nil text to {}. ctx has the call's deadline.
func (c *Connection) prepare(ctx context.Context, operation string, surface abi.Surface, text *json.RawMessage) (*call, *abi.Result) {
	refuse := func(name string, outcome abi.Outcome, code, message string) (*call, *abi.Result) {
		return nil, c.refuse(name, outcome, code, message)
	}
	if c.isClosed() {
		return refuse(operation, abi.Failed, "closed", ErrClosed.Error()+": the connection")
	}
	op, err := c.module.operation(operation)
	if err != nil {
		return refuse(operation, abi.Invalid, "unknown_operation", err.Error())
	}
	if !op.On(surface) {
		return refuse(op.Name, abi.Invalid, "surface", op.NotOn(surface))
	}
	if len(*text) == 0 {
		*text = json.RawMessage("{}")
	}
	denied := func(class abi.Class) (*call, *abi.Result) {
		_, res := refuse(op.Name, abi.Denied, "class_not_granted", fmt.Sprintf(
			"%s is of class %s, and connection %s grants %v: add %s to its grants to allow it", op.Name, class, c.config.Name, c.config.Grants, class))
		res.Meta.Class = class
		return nil, res
	}
	if !slices.ContainsFunc(op.Classes(), c.granted) { // whatever the input is
		return denied(op.Class)
	}
	fields, err := op.Input.Check(*text)
	if errors.As(err, new(input.SchemaError)) {
		return refuse(op.Name, abi.Failed, "bad_schema", err.Error())
	} else if err != nil {
		return refuse(op.Name, abi.Invalid, "input", err.Error()+". wasm-runner describe "+op.Name+" shows the input")
	}
	class := op.InputClass(fields)
	if surface != abi.Axon && class != abi.Read {
		return refuse(op.Name, abi.Denied, "class", fmt.Sprintf("the %s surface allows only class read", surface))
	}
	if !c.granted(class) {
		return denied(class)
	}
	run := c.newCall(op, class, surface)
	if err := c.credential.Ready(ctx, run.use.Scopes); err != nil {
		run.end()
		res := c.refuse(op.Name, abi.Unavailable, "token", err.Error())
		if failed := (credential.Error{}); errors.As(err, &failed) {
			res.Outcome, res.Error = failed.Outcome, &failed.Detail
		}
		return nil, res
	}
	return run, nil
}

func (c *Connection) newCall(op *operation, class abi.Class, surface abi.Surface) *call {
	l := c.limits
	held := c.module.memory.Call(l.HeldBytes)
	run := &call{conn: c, op: op, class: class, surface: surface, use: credential.Use{Auth: c.auth, Source: c.credential, Scopes: op.Scopes(class)}, answers: &answers.Set{Budget: held, Key: op.Key, ErrorCode: c.module.manifest.ErrorCode(), Tainted: c.credential.ShowsIn,
		Limits: answers.Limits{ResultBytes: l.ResultBytes, Records: l.Records}}}
	run.writes.counter = gate.Counter{Journal: c.opts.Journal, Scope: c.scope(), Ceilings: gate.Ceilings(c.config.MaxWritesPerMinute, c.config.MaxDestructivePerHour),
		Kinds: gate.Kinds(class), Clock: &c.clock, Local: c.opts.Now}
	runtime.AddCleanup(run, (*budget.Call).End, held) // for Rows that are not closed
	return run
}

// deadline limits a call by the connection's limit, or by the caller's own if that is shorter.
func (c *Connection) deadline(ctx context.Context, own time.Duration) (context.Context, context.CancelFunc) {
	d := c.limits.CallTimeout
	if own > 0 && own < d {
		d = own
	}
	return context.WithTimeout(ctx, d)
}

// export calls one of the module's exports for a call.
func (c *Connection) export(ctx context.Context, run *call, name string, input any) ([]byte, error) {
	b, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	for len(b)%8 != 0 { // whole words, see hostcall.pad
		b = append(b, ' ')
	}
	out, err := c.pool.Run(ctx, run, name, b)
	var failed sandbox.CallError
	if errors.As(err, &failed) {
		run.logFailure(failed)
	}
	var memory sandbox.MemoryError
	switch {
	case errors.As(err, &memory):
		err = fmt.Errorf("%s (limits.memory_bytes of the connection: raise the limit)", memory.Error())
	case errors.Is(err, sandbox.ErrBusy):
		err = fmt.Errorf("%w: %d others were running all the time (limits.concurrency of the connection): make fewer calls at once, or raise the limit",
			sandbox.ErrBusy, c.limits.Concurrency)
	}
	return out, err
}

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

// wireTime returns a time as the guest gets it, in milliseconds. More digits would only cost bytes.
func wireTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
