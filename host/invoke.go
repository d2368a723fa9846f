package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/records"
)

// Invoke runs an operation once: an action, or a read. input is the operation's input as a JSON object; nil is {}.
//
// The result is never nil. The error is an OutcomeError unless the outcome is succeeded, unchanged, or the planned of an
// invoke that asked for a plan, so that a caller who looks at the error alone is not misled.
func (c *Connection) Invoke(ctx context.Context, operation string, input json.RawMessage, opts ...InvokeOptions) (*abi.Result, error) {
	started := time.Now()
	var o InvokeOptions
	for _, o = range opts {
	}
	d := newDeed()
	res := c.invoke(ctx, operation, input, o, started, d)
	c.logResult(res)
	c.audit(ctx, input, o, res, d)
	if !res.Outcome.OK() && res.Outcome != abi.Planned {
		return res, OutcomeError{Operation: res.Operation, Outcome: res.Outcome, Detail: res.Error}
	}
	return res, nil
}

func (c *Connection) invoke(ctx context.Context, operation string, input json.RawMessage, o InvokeOptions, started time.Time, d *deed) *abi.Result {
	run, fail := c.begin(operation, abi.Axon, &input)
	if fail != nil {
		return fail
	}
	run.deed = d
	run.gate.intent = c.intend(run, input, o)
	switch {
	case o.Plan:
		run.gate.plan = true
		res := c.once(ctx, run, input, o, started)
		if res.Outcome == abi.Succeeded && run.class != abi.Read { // no write was held back, so none would be sent
			res.Outcome = abi.Unchanged
		}
		return res
	case o.IdempotencyKey != "" && run.class != abi.Read:
		return c.keyed(ctx, run, input, o, started)
	}
	return c.approved(ctx, run, input, o, started)
}

// once runs the module's invoke for a call.
func (c *Connection) once(ctx context.Context, run *call, input json.RawMessage, o InvokeOptions, started time.Time) *abi.Result {
	defer run.end()
	values := sensitiveValues(run.op.Operation, input)
	ctx, cancel := c.deadline(ctx, o.Timeout)
	defer cancel()

	deadline, _ := ctx.Deadline()
	raw, err := c.export(ctx, run, "invoke", abi.InvokeInput{Operation: run.op.Name, Input: input, Settings: c.settings(), Features: abi.Features(),
		Deadline: wire(deadline), Now: wire(c.opts.Now()), Settle: run.settle, SettleSince: run.since, SettleTarget: settleTarget(run.bound),
		Show: run.gate.intent != nil && run.class != abi.Read})
	res := &abi.Result{Operation: run.op.Name}
	var out abi.InvokeOutput
	switch {
	case err != nil:
		res.Outcome, res.Error = run.broken(ctx, err)
	case json.Unmarshal(raw, &out) != nil || !out.Outcome.Valid() || out.Outcome == abi.Planned || !out.Outcome.OK() && out.Error == nil:
		res.Outcome, res.Error = abi.Failed, &abi.Error{Code: "bad_result", Message: "the module's answer is not a result of the ABI"}
	case run.unkept != nil:
		code := "journal"
		if errors.As(run.unkept, new(errAudit)) {
			code = "audit"
		}
		res.Outcome, res.Error = abi.Failed, &abi.Error{Code: code, Message: run.unkept.Error()}
	case run.violation != nil:
		res.Outcome, res.Error = abi.Failed, run.violation
	case run.changed != nil:
		res.Outcome, res.Error = abi.Rejected, &abi.Error{Code: "changed_meanwhile", Message: run.changed.Error(), Retryable: true}
	case run.ceiling != nil && out.Outcome.OK(): // which is not so
		res.Outcome = abi.Throttled
		res.Error = &abi.Error{Code: string(abi.SendCeiling), Message: run.ceiling.Error(), Retryable: true, RetryAfterMS: run.ceiling.retryAfter()}
		out.Partial = run.wrote()
	default:
		res.Outcome, res.Error, res.NextCursor = out.Outcome, values.error(out.Error), out.NextCursor
		res.Truncated = out.Truncated && out.List && out.NextCursor != ""
		var repeats int
		if res.Output, repeats = run.output(&out); repeats > 0 {
			out.Warnings = append(out.Warnings, repeated(repeats))
			run.records -= repeats
		}
	}
	run.withheld(ctx, out.Withheld, values)
	if run.gate.plan {
		res.Plan = &abi.Plan{Writes: values.writes(run.gate.held), Warnings: out.Warnings}
		res.Plan.State, res.Plan.Related = run.gate.states.now(ctx)
		if len(run.gate.held) > 0 && res.Outcome.OK() {
			res.Output = nil // of a write that did not happen
			res.Outcome = abi.Planned
		}
	}
	res.Meta = run.meta(started)
	sent := run.wrote() || run.settle // by this run, or by the one that it settles
	res.Meta.Partial, res.Meta.Reconciled = out.Partial && !res.Outcome.OK() && sent, out.Reconciled && sent
	res.Meta.Sensitive, res.Meta.Warnings = out.Sensitive, out.Warnings
	if res.Outcome == abi.Planned {
		res.Meta.Records, res.Meta.Sensitive = 0, false // there is no output
	}
	return res
}

// notOn says that an operation cannot be used in one way, and how it can be.
func (op *operation) notOn(surface abi.Surface) string {
	ways := map[abi.Surface]string{abi.Axon: "invoke", abi.Ingest: "source", abi.SQL: "table"}
	var use []string
	for _, s := range []abi.Surface{abi.SQL, abi.Axon, abi.Ingest} {
		if op.On(s) {
			use = append(use, ways[s])
		}
	}
	return fmt.Sprintf("%s is not on the %s surface: use %s", op.Name, surface, strings.Join(use, " or "))
}

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
		return refuse(op.Name, abi.Denied, "surface", op.notOn(surface))
	}
	if len(*input) == 0 {
		*input = json.RawMessage("{}")
	}
	fields, err := op.checkInput(*input)
	if err != nil {
		return refuse(op.Name, abi.Invalid, "input", err.Error()+". wasm-runner describe "+op.Name+" shows the input")
	}
	class := op.classOf(fields)
	if surface != abi.Axon && class != abi.Read {
		return refuse(op.Name, abi.Denied, "class", fmt.Sprintf("the %s surface takes class read alone", surface))
	}
	if !c.granted(class) {
		_, res := refuse(op.Name, abi.Denied, "class_not_granted", fmt.Sprintf(
			"%s is of class %s, and connection %s grants %v: add %s to its grants if that is meant", op.Name, class, c.config.Name, c.config.Grants, class))
		res.Meta.Class = class
		return nil, res
	}
	if _, err := c.credential.refresh(context.Background()); err != nil { // only where ConnectOptions.AwaitToken let it pass
		_, res := refuse(op.Name, abi.Unavailable, "token", "the token cannot be read: "+err.Error())
		res.Error.Retryable = true
		return nil, res
	}
	return &call{conn: c, op: op, class: class, surface: surface}, nil
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
	case timedOut && c.settle:
		return abi.Unknown, &abi.Error{Code: "timeout", Retryable: true, Message: "an earlier run with this key ended when its write may have left, and there was " +
			"no time to read back what became of it (" + reason(ctx, err) + ")"}
	case timedOut:
		return abi.Unavailable, &abi.Error{Code: "timeout", Message: reason(ctx, err), Retryable: true}
	}
	return abi.Failed, &abi.Error{Code: "module_failed", Message: "the module failed: " + reason(ctx, err)}
}

// wrote reports whether a write may have left.
func (c *call) wrote() bool {
	return c.leaving || c.left
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

// output puts the result together: what the guest answered by value, or what it emitted. A record of a list whose key came
// before is a repeat: pages shift while they are read. repeats is how many were left out.
func (c *call) output(out *abi.InvokeOutput) (output json.RawMessage, repeats int) {
	if !out.List {
		if out.Output != nil || !out.Outcome.OK() { // what was emitted on the way to a failure is not what was wanted
			return out.Output, 0
		}
		for _, p := range c.pieces {
			for _, s := range p.spans {
				return append(json.RawMessage(nil), p.body[s.Start:s.End]...), 0
			}
		}
		return nil, 0
	}
	b := make([]byte, 0, c.bytes+int64(c.records)+64)
	b = append(b, `{"records":[`...)
	first := true
	var seen map[string]struct{} // keys, where there is more than one page
	if len(c.pieces) > 1 {
		seen = make(map[string]struct{}, c.records)
	}
	var key []byte
	for _, p := range c.pieces {
		for i, s := range p.spans {
			if seen != nil && p.key != "" {
				if key = p.appendKey(key[:0], i); len(key) > p.prefix() {
					if _, again := seen[string(key)]; again {
						repeats++
						continue
					}
					seen[string(key)] = struct{}{}
				}
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(b, p.body[s.Start:s.End]...)
		}
	}
	b = append(b, `],"next_cursor":`...)
	if out.NextCursor == "" {
		b = append(b, `null`...)
	} else {
		b = append(b, quoted(out.NextCursor)...)
	}
	if more := bytes.TrimSpace(out.Output); len(more) > 0 && more[0] == '{' { // what the guest says of the list
		if members := bytes.TrimSpace(more[1 : len(more)-1]); len(members) > 0 {
			b = append(append(b, ','), members...)
		}
	}
	return append(b, '}'), repeats
}

// prefix is the length of what a piece's keys have before the records' own.
func (p *piece) prefix() int {
	if p.kind == "" {
		return 0
	}
	return len(p.kind) + len(":")
}

// record is the i-th record of a piece.
func (p *piece) record(i int) Record {
	s := p.spans[i]
	r := Record{Kind: p.kind, JSON: json.RawMessage(p.body[s.Start:s.End:s.End])}
	if p.key != "" {
		r.Key = string(p.appendKey(nil, i))
	}
	return r
}

// appendKey appends the key of the i-th record. Most are strings without escapes whose place is known.
func (p *piece) appendKey(b []byte, i int) []byte {
	if p.kind != "" {
		b = append(append(b, p.kind...), ':')
	}
	if p.keys != nil {
		if k := p.body[p.keys[i].Start:p.keys[i].End]; len(k) > 2 && k[0] == '"' && bytes.IndexByte(k, '\\') < 0 {
			return append(b, k[1:len(k)-1]...)
		}
	}
	return append(b, records.Get(p.body[p.spans[i].Start:p.spans[i].End], p.key).String()...)
}

func (c *Connection) logResult(res *abi.Result) {
	attrs := []any{"operation", res.Operation, "outcome", string(res.Outcome), "requests", len(res.Meta.Requests),
		"ms", res.Meta.DurationMS}
	if res.Error != nil {
		attrs = append(attrs, "code", res.Error.Code)
		if res.Error.Upstream != nil {
			attrs = append(attrs, "status", res.Error.Upstream.Status, "request_id", res.Error.Upstream.RequestID)
		}
	}
	switch res.Outcome {
	case abi.Failed, abi.Unknown:
		c.log.Error("invoke", attrs...)
	default:
		c.log.Info("invoke", attrs...)
	}
}

// wire is a time as it crosses to the guest: milliseconds are enough, and every byte costs.
func wire(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
