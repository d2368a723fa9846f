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

// call is one run of an export: what it may do, what it did, and what it got. Only a call has a policy; an instance has none.
type call struct {
	conn    *Connection
	op      *operation
	class   abi.Class // in force for this input
	surface abi.Surface
	writes  writes
	answers *answers.Set

	placeholder credential.Placeholder
	requests    []abi.RequestMeta
	sends       int        // of http_send, refused ones included
	logged      int        // bytes in the log
	date        time.Time  // of the last answer, by the service's clock
	violation   *abi.Error // the first thing that the guest tried without permission
}

// writes is the write side of a call: what a write passes before it is sent, and what became of it.
type writes struct {
	gate       gate.Gate
	earlier    *earlierRun   // nil if no write of an earlier run may have been sent
	values     redact.Values // of the input, where the journal keeps what a write is for
	deed       *deed         // what the audit records of an invoke; nil for other calls
	approver   string
	ceiling    *gate.CeilingError // that held a write back
	journalErr error              // why the journal or the audit could not note a write, which was not sent then
	changed    error              // a write that is no longer the approved one
	uncounted  bool               // the last write was counted by the local clock alone
	sending    bool               // a write is being sent
	sent       bool               // a write was answered, or was sent without an answer
}

// earlierRun is a run of the same invoke that ended while its write may have been sent.
type earlierRun struct {
	since  time.Time      // when the write was about to be sent, by the service's clock
	target journal.Target // what it was for
}

// end releases what the call holds. Records that were emitted are not valid afterwards.
func (c *call) end() {
	c.answers.Release()
}

// violate notes what the guest tried, for the result and the log. The first time fails the call: what follows it tells
// nothing new, and would only fill the log.
func (c *call) violate(code, message string) {
	if c.violation != nil {
		return
	}
	c.violation = &abi.Error{Code: code, Message: message}
	if c.mayLog(len(message)) {
		c.conn.log.Warn("a module overstepped its grant", "operation", c.op.Name, "code", code, "detail", message)
	}
}

// mayLog reports whether a line about what the guest did, with so many bytes of its making, still fits into the call's
// part of the log. The first that does not is replaced by one that says so.
func (c *call) mayLog(bytes int) bool {
	const line = 200 // what the host adds
	limit, before := c.conn.limits.LogBytes, c.logged
	c.logged += bytes + line
	if c.logged > limit && before <= limit {
		c.logged = max(c.logged, limit+1)
		c.conn.log.Warn("a call fills the log: the rest of it is left out (limits.log_bytes of the connection)", "operation", c.op.Name, "limit", limit)
	}
	return c.logged <= limit
}

// sandboxConfig returns what a module may import and must export, without the limits.
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
			define("record_emit", 1, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				if c.answers.EmitValue(append([]byte(nil), m.Read(a[0])...)) != nil {
					return 0
				}
				return 1
			}),
			define("secret_get", 1, func(_ context.Context, c *call, m messages, a []uint64) uint64 {
				return writeJSON(m, c.secret(strings.TrimRight(string(m.Read(a[0])), " ")))
			}),
			define("wait", 1, func(ctx context.Context, c *call, _ messages, a []uint64) uint64 {
				return c.wait(ctx, a[0])
			}),
		},
	}
}

// wait sleeps for some milliseconds and returns 1. If the deadline comes first, it returns 0 at once.
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

// send is http_send: it checks the request against the grants, puts the token in, and has egress send it.
func (c *call) send(ctx context.Context, raw []byte) abi.Response {
	if c.sends++; c.sends > c.conn.limits.Requests { // refused ones count, or a guest could ask without end
		return refused(abi.SendLimit, fmt.Sprintf("the call has made %d requests (limits.requests of the connection): ask for less at once, or raise it",
			c.conn.limits.Requests))
	}
	var req abi.Request
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return refused(abi.SendMalformed, "the request is not one of the ABI: "+err.Error())
	}
	endpoint, err := c.grant(&req)
	if err != nil {
		c.violate("endpoint_not_granted", err.Error())
		return refused(abi.SendDenied, err.Error())
	}
	signed, err := c.authorize(&req)
	if err != nil {
		c.violate("secret_misused", err.Error())
		return refused(abi.SendDenied, err.Error())
	}
	if endpoint.Method() != http.MethodGet {
		if out := c.write(ctx, *endpoint, &req); out != nil {
			return *out
		}
	}
	if endpoint.Method() != http.MethodGet {
		c.writes.sending = true
	}
	started := time.Now()
	resp, sendErr := c.exchange(ctx, *endpoint, req, signed)
	meta := abi.RequestMeta{Endpoint: req.Endpoint, Attempts: resp.Attempts, WaitedMS: resp.Waited.Milliseconds()}
	var out abi.Response
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
	if endpoint.Method() != http.MethodGet {
		c.writes.gate.Refused = sendErr != nil && !sendErr.Sent || meta.Status >= 400 && meta.Status < 500 && meta.Status != http.StatusRequestTimeout
		c.writes.sending = false
		c.writes.sent = c.writes.sent || sendErr == nil || sendErr.Sent
		c.countAgain(ctx)
	}
	c.requests = append(c.requests, meta)
	if c.conn.log.Enabled(ctx, slog.LevelDebug) && c.mayLog(len(meta.RequestID)) {
		c.conn.log.Debug("request", "operation", c.op.Name, "endpoint", meta.Endpoint, "status", meta.Status,
			"request_id", meta.RequestID, "attempts", meta.Attempts, "error", string(meta.Error), "took", time.Since(started))
	}
	return out
}

// receive keeps a body and tells the guest of it. An answer that holds the token is a lie of the server's, or an echo:
// nothing of it reaches the guest.
func (c *call) receive(resp *egress.Response) abi.Response {
	out := abi.Response{Status: resp.Status, Headers: c.conn.client.ABIHeaders(resp)}
	if c.echoes(resp, out.Headers) {
		if resp.Body != nil {
			resp.Body.Release()
		}
		return abi.Response{Error: &abi.SendError{Code: abi.SendTainted, Sent: true,
			Message: fmt.Sprintf("the answer (status %d) repeats the connection's token and was thrown away: is base_url right?", resp.Status)}}
	}
	if resp.Body != nil && resp.Body.Len() > 0 {
		var err error
		if out.Body, err = c.answers.Add(resp.Body); err != nil {
			return abi.Response{Error: &abi.SendError{Code: abi.SendTooLarge, Sent: true, Message: err.Error()}}
		}
		out.Length = int64(resp.Body.Len())
	}
	return out
}

func refused(code abi.SendCode, message string) abi.Response {
	return abi.Response{Error: &abi.SendError{Code: code, Message: message}}
}

// meta is what the call did.
func (c *call) meta(started time.Time) abi.Meta {
	requests := c.requests
	if requests == nil {
		requests = []abi.RequestMeta{}
	}
	return abi.Meta{Connection: c.conn.config.Name, Class: c.class, DurationMS: milliseconds(time.Since(started)),
		Requests: requests, Records: c.answers.Records}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
