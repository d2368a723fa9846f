package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/answers"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// begin finds the operation and checks what can be checked before the module runs: the surface, the input, the grant.
// A nil input becomes {}.
func (c *Connection) begin(operation string, surface abi.Surface, input *json.RawMessage) (*call, *abi.Result) {
	refuse := func(name string, outcome abi.Outcome, code, message string) (*call, *abi.Result) {
		return nil, &abi.Result{Operation: name, Outcome: outcome, Error: &abi.Error{Code: code, Message: message},
			Meta: abi.Meta{Connection: c.config.Name, Requests: []abi.RequestMeta{}}}
	}
	if c.isClosed() {
		return refuse(operation, abi.Failed, "closed", ErrClosed.Error()+": the connection")
	}
	op, err := c.module.operation(operation)
	if err != nil {
		return refuse(operation, abi.Invalid, "unknown_operation", err.Error())
	}
	if !op.On(surface) {
		return refuse(op.Name, abi.Denied, "surface", op.NotOn(surface))
	}
	if len(*input) == 0 {
		*input = json.RawMessage("{}")
	}
	fields, err := op.Input.Check(*input)
	if err != nil {
		return refuse(op.Name, abi.Invalid, "input", err.Error()+". wasm-runner describe "+op.Name+" shows the input")
	}
	class := op.InputClass(fields)
	if surface != abi.Axon && class != abi.Read {
		return refuse(op.Name, abi.Denied, "class", fmt.Sprintf("the %s surface takes class read alone", surface))
	}
	if !c.granted(class) {
		_, res := refuse(op.Name, abi.Denied, "class_not_granted", fmt.Sprintf(
			"%s is of class %s, and connection %s grants %v: add %s to its grants if that is meant", op.Name, class, c.config.Name, c.config.Grants, class))
		res.Meta.Class = class
		return nil, res
	}
	if _, err := c.credential.Refresh(context.Background()); err != nil { // only where ConnectOptions.AwaitToken let it pass
		_, res := refuse(op.Name, abi.Unavailable, "token", "the token cannot be read: "+err.Error())
		res.Error.Retryable = true
		return nil, res
	}
	return c.newCall(op, class, surface), nil
}

func (c *Connection) newCall(op *operation, class abi.Class, surface abi.Surface) *call {
	l := c.limits
	return &call{conn: c, op: op, class: class, surface: surface, answers: &answers.Set{Key: op.Key, ErrorCode: c.module.manifest.ErrorCode(), Tainted: c.credential.ShowsIn,
		Limits: answers.Limits{HeldBytes: l.HeldBytes, ResultBytes: l.ResultBytes, Records: l.Records}}}
}

// deadline bounds a call by the connection's limit, and by the caller's own where that is shorter.
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
	if errors.As(err, &failed) && failed.Stderr != "" && run.mayLog(len(failed.Stderr)) {
		c.log.Debug("the module's last words", "export", name, "stderr", failed.Stderr)
	}
	var memory sandbox.MemoryError
	switch {
	case errors.As(err, &memory):
		err = fmt.Errorf("%s (limits.memory_bytes of the connection: raise it)", memory.Error())
	case errors.Is(err, sandbox.ErrBusy):
		err = fmt.Errorf("%w: %d others ran all the time (limits.concurrency of the connection): ask for fewer at once, or raise it",
			sandbox.ErrBusy, c.limits.Concurrency)
	}
	return out, err
}

// broken is the outcome of a call whose export did not return. If a write may have left, nobody can say what became of
// it.
func (c *call) broken(ctx context.Context, err error) (abi.Outcome, *abi.Error) {
	wrote := c.wrote()
	timedOut := ctx.Err() != nil
	switch {
	case wrote:
		return abi.Unknown, &abi.Error{Code: string(abi.Unknown), Message: "the call ended after a write was sent and before its result was known (" + reason(ctx, err) +
			"). Look at the object before you repeat it"}
	case timedOut && c.writes.earlier != nil:
		return abi.Unknown, &abi.Error{Code: "timeout", Retryable: true, Message: "an earlier run with this key ended when its write may have left, and there was " +
			"no time to read back what became of it (" + reason(ctx, err) + ")"}
	case timedOut:
		return abi.Unavailable, &abi.Error{Code: "timeout", Message: reason(ctx, err), Retryable: true}
	}
	return abi.Failed, &abi.Error{Code: "module_failed", Message: "the module failed: " + reason(ctx, err)}
}

// wrote reports whether a write may have left.
func (c *call) wrote() bool {
	return c.writes.sending || c.writes.sent
}

// reason is one line on why a call ended, without a trace of the guest's stack.
func reason(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, sandbox.ErrBusy):
		return err.Error()
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "the call's time was up (limits.call_seconds of the connection, --timeout)"
	case errors.Is(ctx.Err(), context.Canceled):
		return "the call was canceled"
	}
	line := err.Error()
	for i := range len(line) {
		if line[i] == '\n' {
			line = line[:i]
			break
		}
	}
	if len(line) > 300 {
		line = line[:300] + "…"
	}
	return line
}

// warnings are as many of a module's warnings as one call may give.
func (c *call) warnings(all []string) []string {
	for i, w := range all {
		if !c.mayLog(len(w)) {
			return all[:i]
		}
	}
	return all
}

// logWarnings logs warnings that no page takes to the caller.
func (c *call) logWarnings(warnings []string) {
	for _, w := range warnings {
		c.conn.log.Warn(c.op.Name+": "+w, "operation", c.op.Name)
	}
}

// wire is a time as it crosses to the guest: milliseconds are enough, and every byte costs.
func wire(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
