package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/answers"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/gate"
	"github.com/mach5/okta-connector/host/internal/redact"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/host/journal"
)

// call is one run of an export: its permissions, what it did, and what it received. Instances have no permissions of
// their own.
type call struct {
	conn    *Connection
	op      *operation
	class   abi.Class // the effective class for this input
	surface abi.Surface
	writes  writes
	answers *answers.Set
	use     credential.Use

	requests  []abi.RequestMeta
	sends     int        // number of http_send calls, refused ones included
	logged    int        // bytes written to the log
	date      time.Time  // the service's clock in the last response
	violation *abi.Error // the first action of the guest that was not permitted
}

// writes tracks the writes of a call: the checks before one is sent, and what became of it.
type writes struct {
	gate       gate.Gate
	earlier    *earlierRun   // nil if no earlier run may have sent a write
	values     redact.Values // values of the input; used when the journal stores a write's target
	entry      *auditEntry   // for the audit record of an invoke; nil for other calls
	approver   string
	ceiling    *gate.CeilingError // the ceiling that blocked a write
	journalErr error              // the journal or audit error that kept a write from being sent
	changed    error              // a write that differs from the approved ones
	counter    gate.Counter       // counts writes under the connection's ceilings
	sending    bool               // a write is being sent
	sent       bool               // a write was answered, or was sent without an answer
	accepted   bool               // a write was answered with status 2xx
}

// earlierRun is a run of the same invoke that was interrupted after its write may have been sent.
type earlierRun struct {
	since  time.Time      // the service's clock when the write was about to be sent
	target journal.Target // the object of the write
}

// end releases what the call holds. Emitted records are not valid afterwards.
func (c *call) end() {
	c.answers.Release()
}

// violate records an action that the guest had no permission for, for the result and the log. Only the first one
// counts: it fails the call.
func (c *call) violate(code, message string) {
	if c.violation != nil {
		return
	}
	c.violation = &abi.Error{Code: code, Message: message}
	if c.mayLog(len(message)) {
		c.conn.log.Warn("a module tried what it has no grant for", "operation", c.op.Name, "code", code, "detail", message)
	}
}

// mayLog reports whether a line with so many bytes from the guest fits into the call's share of the log. The first
// line that does not fit is replaced by a warning.
func (c *call) mayLog(bytes int) bool {
	const line = 200 // bytes that the host adds
	limit, before := c.conn.limits.LogBytes, c.logged
	c.logged += bytes + line
	if c.logged > limit && before <= limit {
		c.logged = max(c.logged, limit+1)
		c.conn.log.Warn("a call reached its log limit: its further messages are dropped (limits.log_bytes of the connection)", "operation", c.op.Name, "limit", limit)
	}
	return c.logged <= limit
}

// logFailure logs why a module panicked, and at debug level what it printed, with its stack trace.
func (c *call) logFailure(failed sandbox.CallError) {
	if reason := failed.Panic(); reason != "" && c.mayLog(len(reason)) {
		c.conn.log.Warn("the module panicked, its stack trace is logged at debug level", "operation", c.op.Name, "reason", reason)
	}
	logPrinted(c, failed.Stderr)
}

// logPrinted logs the lines that a call printed, at debug level.
func logPrinted(run any, text string) {
	c := run.(*call)
	for line := range strings.Lines(text) {
		if !c.conn.log.Enabled(context.Background(), slog.LevelDebug) || !c.mayLog(len(line)) {
			return
		}
		c.conn.log.Debug("the module printed", "operation", c.op.Name, "line", strings.TrimRight(line, "\n"))
	}
}

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
				return writeJSON(m, c.send(ctx, m.Read(a[0])))
			}),
			define("body_read", 3, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				body := c.answers.Read(a[0])
				from := min(a[1], uint64(len(body)))
				return m.Write(body[from : from+min(a[2], uint64(len(body))-from, sandbox.MaxMessage)])
			}),
			define("records_emit", 2, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				return writeJSON(m, c.answers.EmitJSON(ctx, a[0], m.Read(a[1])))
			}),
			define("record_emit", 1, func(ctx context.Context, c *call, m messages, a []uint64) uint64 {
				if c.answers.EmitValue(ctx, m.Read(a[0])) != nil {
					return 0
				}
				return 1
			}),
			define("secret_get", 1, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				return writeJSON(m, c.use.Secret(strings.TrimRight(string(m.Read(a[0])), " ")))
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

func writeJSON(m *sandbox.Messages, v any) uint64 {
	b, err := json.Marshal(v)
	if err != nil {
		return 0
	}
	return m.Write(b)
}

// send implements http_send. It checks the request against the grants, inserts the token, and sends the request.
func (c *call) send(ctx context.Context, raw []byte) abi.Response {
	if over := c.countSend(); over != nil { // refused ones count too, or a guest could send them without limit
		return abi.Response{Error: over}
	}
	var req abi.Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return refused(abi.SendMalformed, "the request does not follow the ABI: "+err.Error())
	}
	endpoint, err := c.op.Grant(&req, c.class)
	if err != nil {
		c.violate("endpoint_not_granted", err.Error())
		return refused(abi.SendDenied, err.Error())
	}
	signed, err := c.use.Authorize(&req)
	if err != nil {
		c.violate("secret_misused", err.Error())
		return refused(abi.SendDenied, err.Error())
	}
	if out := c.passGuards(ctx, endpoint, &req); out != nil {
		return *out
	}
	if endpoint.Method() != http.MethodGet {
		if out := c.write(ctx, *endpoint, &req); out != nil {
			return *out
		}
		c.writes.sending = true
	}
	return c.exchanged(ctx, endpoint, req, signed)
}

// countSend counts a request. It returns an error for one above the limit.
func (c *call) countSend() *abi.SendError {
	if c.sends++; c.sends > c.conn.limits.Requests {
		return &abi.SendError{Code: abi.SendLimit, Message: fmt.Sprintf("the call has made %d requests (limits.requests of the connection): ask for less at once, or raise the limit",
			c.conn.limits.Requests)}
	}
	return nil
}

// exchanged sends a request that is allowed, keeps its response, and records what happened.
func (c *call) exchanged(ctx context.Context, endpoint *abi.Endpoint, req abi.Request, signed bool) abi.Response {
	started := time.Now()
	resp, sendErr := c.exchange(ctx, *endpoint, req, signed)
	out, meta := c.answer(ctx, endpoint, &req, resp, sendErr)
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

// answer describes a response, or the error in its place, to the guest and in the call's meta data.
func (c *call) answer(ctx context.Context, endpoint *abi.Endpoint, req *abi.Request, resp *egress.Response, sendErr *abi.SendError) (out abi.Response, meta abi.RequestMeta) {
	meta = abi.RequestMeta{Endpoint: req.Endpoint, Attempts: resp.Attempts, WaitedMS: resp.Waited.Milliseconds()}
	if sendErr != nil {
		meta.Error = sendErr.Code
		if c.conn.credential.Shows(sendErr.RequestID) {
			sendErr.RequestID = ""
		}
		if c.conn.credential.Shows(sendErr.UpstreamCode) || c.conn.credential.Shows(sendErr.UpstreamSummary) {
			sendErr.UpstreamCode, sendErr.UpstreamSummary = "", ""
		}
		meta.Status, meta.RequestID = sendErr.Status, sendErr.RequestID
		if sendErr.Code == abi.SendMalformed {
			c.violate("request_malformed", sendErr.Message)
		}
		out = abi.Response{Error: sendErr}
	} else {
		c.conn.clock.Observe(resp.Header)
		meta.Status, meta.RequestID = resp.Status, resp.RequestID
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.date = date
		}
		out = c.receive(resp)
		c.keepState(endpoint, out)
		if req.Emit != nil && out.Error == nil && resp.Status >= 200 && resp.Status < 300 {
			sum := c.answers.Emit(ctx, out.Body, *req.Emit)
			out.Emitted = &sum
		}
		if out.Error != nil {
			meta.Error, meta.RequestID = out.Error.Code, ""
		}
	}
	return out, meta
}

// receive keeps a response body and describes the response to the guest. If the response contains the token, the
// guest gets none of it.
func (c *call) receive(resp *egress.Response) abi.Response {
	out := abi.Response{Status: resp.Status, Headers: c.conn.client.ABIHeaders(resp)}
	if c.repeatsToken(resp, out.Headers) {
		if resp.Body != nil {
			resp.Body.Release()
		}
		return abi.Response{Error: &abi.SendError{Code: abi.SendTainted, Sent: true,
			Message: fmt.Sprintf("the response (status %d) contains the connection's token and was discarded: check base_url", resp.Status)}}
	}
	if resp.Body != nil && resp.Body.Len() > 0 {
		out.Body = c.answers.Add(resp.Body)
		out.Length = int64(resp.Body.Len())
	}
	return out
}

func refused(code abi.SendCode, message string) abi.Response {
	return abi.Response{Error: &abi.SendError{Code: code, Message: message}}
}

// meta returns what the call did.
func (c *call) meta(started time.Time) abi.Meta {
	requests := c.requests
	if requests == nil {
		requests = []abi.RequestMeta{}
	}
	return abi.Meta{Connection: c.conn.config.Name, Class: c.class, DurationMS: milliseconds(time.Since(started)),
		Requests: requests, Records: c.answers.Records}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
