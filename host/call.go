package host

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/announced"
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
	sentRequests

	logged    int        // bytes written to the log
	date      time.Time  // the service's clock in the last response
	violation *abi.Error // the first action of the guest that was not permitted
}

// sentRequests are the requests of a call.
type sentRequests struct {
	requests  []abi.RequestMeta
	sends     int // number of requests, refused ones included
	announced announced.Reads
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
		out = c.receive(endpoint, resp)
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

// receive keeps a response body, without its sensitive members, and describes the response to the guest. If the response contains the token, the
// guest gets none of it.
func (c *call) receive(endpoint *abi.Endpoint, resp *egress.Response) abi.Response {
	out := abi.Response{Status: resp.Status, Headers: c.conn.client.ABIHeaders(resp)}
	if credential.Repeats(c.conn.credential, resp, out.Headers, answers.SearchAtOnce) {
		if resp.Body != nil {
			resp.Body.Release()
		}
		return abi.Response{Error: &abi.SendError{Code: abi.SendTainted, Sent: true,
			Message: fmt.Sprintf("the response (status %d) contains the connection's token and was discarded: check base_url", resp.Status)}}
	}
	out.Body, out.Length = c.answers.Add(endpoint, resp.Body)
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
