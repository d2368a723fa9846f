package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/announced"
	"github.com/mach5/okta-connector/host/internal/answers"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/input"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// refuse returns the result of a call that did not begin.
func (c *Connection) refuse(operation string, outcome abi.Outcome, code, message string) *abi.Result {
	return &abi.Result{Operation: operation, Outcome: outcome, Error: &abi.Error{Code: code, Message: message},
		Meta: abi.Meta{Connection: c.config.Name, Requests: []abi.RequestMeta{}}}
}

// permit finds the operation and makes all checks that need neither the module nor a credential: the surface, the input,
// the grant. It changes a nil text to {}.
func (c *Connection) permit(operation string, surface abi.Surface, text *json.RawMessage) (*call, *abi.Result) {
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
	return c.newCall(op, class, surface, *text), nil
}

// prepare checks a call as permit does, and gets the credential that it needs. ctx has the call's deadline.
func (c *Connection) prepare(ctx context.Context, operation string, surface abi.Surface, text *json.RawMessage) (*call, *abi.Result) {
	run, fail := c.permit(operation, surface, text)
	if fail != nil {
		return nil, fail
	}
	if err := c.credential.Ready(ctx, run.use.Scopes); err != nil {
		run.end()
		failed := credential.AsError(err)
		res := c.refuse(run.op.Name, failed.Outcome, "", "")
		res.Error = &failed.Detail
		return nil, res
	}
	return run, nil
}

func (c *Connection) newCall(op *operation, class abi.Class, surface abi.Surface, input json.RawMessage) *call {
	l := c.limits
	held := c.module.memory.Call(l.HeldBytes)
	run := &call{conn: c, op: op, class: class, surface: surface, use: credential.Use{Auth: c.auth, Source: c.credential, Scopes: op.Scopes(class)}, answers: &answers.Set{Budget: held, Key: op.Key, ErrorCode: c.module.manifest.ErrorCode(), Tainted: c.credential.ShowsIn,
		Known: redact.Known(op.Operation, input), Limits: answers.Limits{ResultBytes: l.ResultBytes, Records: l.Records}}}
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
	run.stopAnnounced(ctx)
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

// wireTime returns a time as the guest gets it, in milliseconds. More digits would only cost bytes.
func wireTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// sandboxConfig returns what a module may import and must export. It sets no limits.
func sandboxConfig() sandbox.Config {
	type messages = *sandbox.Messages
	define := func(name string, params int, f func(ctx context.Context, c *call, m messages, args []uint64) uint64) sandbox.HostFunction {
		return sandbox.HostFunction{Name: name, Params: params, Run: func(ctx context.Context, of any, m messages, args []uint64) uint64 {
			return f(ctx, of.(*call), m, args)
		}}
	}
	return sandbox.Config{
		Namespace: abi.Namespace,
		Exports:   []string{"describe", "invoke", "source", "table"},
		Functions: []sandbox.HostFunction{
			define("http_send", 1, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				return m.WriteJSON(c.send(ctx, m.Read(a[0])))
			}),
			define("body_read", 3, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				body := c.answers.Read(a[0])
				from := min(a[1], uint64(len(body)))
				return m.Write(body[from : from+min(a[2], uint64(len(body))-from, sandbox.MaxMessage)])
			}),
			define("records_emit", 2, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				return m.WriteJSON(c.answers.EmitJSON(ctx, a[0], m.Read(a[1])))
			}),
			define("record_emit", 1, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				if c.answers.EmitValue(ctx, m.Read(a[0])) != nil {
					return 0
				}
				return 1
			}),
			define("secret_get", 1, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				return m.WriteJSON(c.use.Secret(strings.TrimRight(string(m.Read(a[0])), " ")))
			}),
			define("wait", 1, func(ctx context.Context, c *call, _ messages, a []uint64) uint64 {
				return c.wait(ctx, a[0])
			}),
		},
	}
}

// wait sleeps for ms milliseconds and returns 1. If the deadline would come first, it returns 0 at once.
func (c *call) wait(ctx context.Context, ms uint64) uint64 {
	const day = 24 * 60 * 60 * 1000
	d := time.Duration(min(ms, day)) * time.Millisecond
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return 0
	}
	if c.conn.opts.Sleep(ctx, d) != nil {
		return 0
	}
	return 1
}

// send implements http_send. It checks the request against the grants, inserts the token, and sends the request. It starts
// the reads that the guest announces. If the request was announced before, it takes that response.
func (c *call) send(ctx context.Context, raw []byte) abi.Response {
	var req abi.Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(&req)
	key := c.announced.Key(&req)
	if err != nil || !c.announced.Has(key) { // an announced read was counted
		if over := c.countSend(); over != nil { // refused ones count too, or a guest could send them without limit
			return abi.Response{Error: over}
		}
	}
	if err != nil {
		return refused(abi.SendMalformed, "the request does not follow the ABI: "+err.Error())
	}
	endpoint, signed, fail := c.allowed(&req)
	if fail != nil {
		return *fail
	}
	if fail, bad := c.announced.Start(ctx, req.Announce, announced.Gate{Allowed: c.allowed, Target: c.conn.client.Target, Count: c.countSend, Send: c.exchange}); bad != nil {
		c.violate("request_malformed", bad.Error())
		return refused(abi.SendMalformed, bad.Error())
	} else if fail != nil {
		return *fail
	}
	if out := c.passGuards(ctx, endpoint, &req); out != nil {
		return *out
	}
	if endpoint.Method() != http.MethodGet {
		c.stopAnnounced(ctx) // what was read before a write is not the state after it
		if out := c.write(ctx, *endpoint, &req); out != nil {
			return *out
		}
		c.writes.sending = true
	}
	started := time.Now()
	sent, was := c.announced.Take(key)
	if !was {
		sent.Response, sent.Err = c.exchange(ctx, *endpoint, req, signed)
	}
	return c.settled(ctx, announced.Read{Endpoint: endpoint, Request: req}, sent, started)
}

// stopAnnounced ends the announced reads that the guest has not made. If it makes one later, that is sent anew.
func (c *call) stopAnnounced(ctx context.Context) {
	c.announced.Stop(func(r announced.Read, sent announced.Sent) { c.settled(ctx, r, sent, time.Now()) })
}

// allowed checks a request against the grants and the credential. If it returns a response, the request must not be sent.
func (c *call) allowed(req *abi.Request) (endpoint *abi.Endpoint, signed bool, fail *abi.Response) {
	endpoint, err := c.op.Grant(req, c.class)
	code := "endpoint_not_granted"
	if err == nil {
		code = "secret_misused"
		signed, err = c.use.Authorize(req)
	}
	if err != nil {
		c.violate(code, err.Error())
		out := refused(abi.SendDenied, err.Error())
		return nil, false, &out
	}
	return endpoint, signed, nil
}

// countSend counts a request. It returns an error for one above the limit.
func (c *call) countSend() *abi.SendError {
	if c.sends++; c.sends > c.conn.limits.Requests {
		return &abi.SendError{Code: abi.SendLimit, Message: fmt.Sprintf("the call has made %d requests (limits.requests of the connection): ask for less at once, or raise the limit",
			c.conn.limits.Requests)}
	}
	return nil
}

// settled keeps the response to a request, and records what happened.
func (c *call) settled(ctx context.Context, read announced.Read, sent announced.Sent, started time.Time) abi.Response {
	endpoint, resp, sendErr := read.Endpoint, sent.Response, sent.Err
	out, meta := c.answer(ctx, endpoint, &read.Request, resp, sendErr)
	if endpoint.Method() != http.MethodGet {
		c.writes.gate.Refused = sendErr != nil && !sendErr.Sent || meta.Status >= 400 && meta.Status < 500 && meta.Status != http.StatusRequestTimeout
		c.writes.sending = false
		c.writes.sent = c.writes.sent || sendErr == nil || sendErr.Sent
		c.writes.accepted = c.writes.accepted || sendErr == nil && resp.Status/100 == 2
		if err := c.writes.counter.CountAgain(ctx); err != nil {
			c.conn.log.Error("a write was counted under the ceilings by the local clock only", "operation", c.op.Name, "error", err.Error())
		}
	}
	c.requests = append(c.requests, meta)
	if c.conn.log.Enabled(ctx, slog.LevelDebug) && c.mayLog(len(meta.RequestID)) {
		c.conn.log.Debug("request", "operation", c.op.Name, "endpoint", meta.Endpoint, "status", meta.Status,
			"request_id", meta.RequestID, "attempts", meta.Attempts, "error", string(meta.Error), "took", time.Since(started))
	}
	return out
}

// exchange sends a request, with the connection's credential if signed. It is safe for concurrent use.
func (c *call) exchange(ctx context.Context, endpoint abi.Endpoint, req abi.Request, signed bool) (*egress.Response, *abi.SendError) {
	out := egress.Call{Endpoint: endpoint, Request: req}
	if c.answers != nil {
		out.Memory = c.answers.Budget
	}
	return c.use.Send(ctx, c.conn.client, out, signed)
}
