package egress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/pacing"
)

// Limits for repeating a request.
const (
	backoffBase  = 200 * time.Millisecond
	backoffCap   = 5 * time.Second
	maxThrottled = 8 // maximum 429s waited for in one call
)

// Send sends a request within the context's deadline. It waits for room in the bucket.
//
// After a 429 it waits and repeats the request, since it was not processed. If the 429 names another limit, it
// repeats it at most once, after the time that the service says. It repeats a GET after connection failures and 502,
// 503 and 504. It repeats a write only if it was certainly not sent. It does not repeat permanent failures. If a wait
// would pass the deadline, it returns what it has.
//
// The response is never nil. With an error, only its Attempts and Waited are set. Send is safe for concurrent use.
func (c *Client) Send(ctx context.Context, call Call) (*Response, *abi.SendError) {
	req, err := c.build(call)
	if err != nil {
		return &Response{}, malformed(err)
	}
	s := sending{client: c, ctx: ctx, request: req, call: &call}
	for {
		resp, sendErr, again := s.once()
		if !again {
			if sendErr != nil {
				resp = &Response{}
			}
			resp.Attempts, resp.Waited = s.attempts, s.waited
			return resp, sendErr
		}
	}
}

// sending is the state of one Send.
type sending struct {
	client  *Client
	ctx     context.Context
	request *request
	call    *Call

	attempts  int // total
	failed    int // ended in an error or a 5xx
	throttled int // ended in a 429 of the bucket
	waited    time.Duration
	others    int  // ended in a 429 of another limit
	sent      bool // a failed attempt may have been received

	refusal   refusal // the last 429
	requestID string  // id of the last 429 of the bucket
}

// once makes one attempt. If another is needed, it waits and returns again as true.
func (s *sending) once() (resp *Response, sendErr *abi.SendError, again bool) {
	c, bucket := s.client, s.call.Endpoint.Bucket
	waited, err := c.limiter.Acquire(s.ctx, bucket)
	s.waited += waited
	if err != nil {
		return nil, s.notAcquired(err), false
	}
	s.attempts++
	resp, sendErr = c.attempt(s.ctx, s.request)
	if sendErr != nil {
		return s.afterError(sendErr)
	}
	if resp.Status == http.StatusTooManyRequests {
		if s.refusal = c.refusal(resp); s.refusal.other {
			return s.otherLimit(resp)
		}
	}
	pause := c.limiter.Observe(bucket, resp.Status, resp.Header)
	if resp.Status == http.StatusTooManyRequests {
		s.requestID = resp.RequestID
		resp.Body.Release()
		if s.throttled++; s.throttled > maxThrottled || !s.fits(pause) {
			return nil, s.withRefusal(s.rateLimited(pause)), false
		}
		if s.wait(pause, "429") != nil {
			return nil, contextError(s.ctx, s.sent), false
		}
		return nil, nil, true
	}
	if s.request.read() && resp.Status >= 502 && resp.Status <= 504 {
		s.failed++
		if d := max(c.backoff(s.failed), pacing.RetryAfter(resp.Header, c.config.Service.Habits)); s.failed < c.config.MaxAttempts && s.fits(d) {
			resp.Body.Release()
			if s.wait(d, "5xx") != nil {
				return nil, contextError(s.ctx, true), false
			}
			return nil, nil, true
		}
	}
	return resp, nil, false
}

// afterError waits after an attempt that failed and may be repeated. Otherwise it returns the error.
func (s *sending) afterError(sendErr *abi.SendError) (*Response, *abi.SendError, bool) {
	c := s.client
	c.limiter.Cancel(s.call.Endpoint.Bucket, sendErr.Sent)
	s.sent = s.sent || sendErr.Sent
	s.failed++
	repeat := repeatable(sendErr.Code) && !(sendErr.Code == abi.SendTimeout && s.call.Request.NoRepeat) && !sendErr.Lasting && (s.request.read() || !sendErr.Sent) && s.failed < c.config.MaxAttempts
	if !repeat {
		return nil, sendErr, false
	}
	switch err := s.wait(c.backoff(s.failed), string(sendErr.Code)); {
	case err == nil:
		return nil, nil, true
	case s.ctx.Err() != nil:
		return nil, contextError(s.ctx, s.sent), false
	}
	return nil, sendErr, false
}

// otherLimit handles a 429 that is not about the bucket, for example a limit per recipient. Other calls to the bucket
// continue. It repeats the request once if the service says how long to wait and that ends before the deadline.
// Otherwise the guest gets the response.
func (s *sending) otherLimit(resp *Response) (*Response, *abi.SendError, bool) {
	s.client.limiter.Cancel(s.call.Endpoint.Bucket, true) // its headers may describe the other limit: ignore them
	d := s.refusal.wait
	if s.others++; s.others > 1 || d <= 0 || d > pacing.Longest(s.client.config.Service.Habits) || !s.fits(d) {
		return resp, nil, false
	}
	resp.Body.Release()
	if s.wait(d, "429 "+s.refusal.code) != nil {
		return nil, contextError(s.ctx, s.sent), false
	}
	return nil, nil, true
}

// withRefusal adds what the last 429 of the bucket said to an error.
func (s *sending) withRefusal(e *abi.SendError) *abi.SendError {
	if s.throttled > 0 {
		e.Status, e.RequestID = http.StatusTooManyRequests, s.requestID
		e.UpstreamCode, e.UpstreamSummary = s.refusal.code, s.refusal.summary
	}
	return e
}

// repeatable lists the temporary failures.
func repeatable(code abi.SendCode) bool {
	return code == abi.SendConnect || code == abi.SendInterrupted || code == abi.SendTimeout
}

// backoff returns how long to wait after so many failures. It doubles each time and varies by half.
func (c *Client) backoff(failures int) time.Duration {
	d := min(backoffBase<<min(failures-1, 10), backoffCap)
	return d/2 + time.Duration(c.config.Rand()*float64(d))
}

var errPastDeadline = errors.New("the wait ends after the deadline")

// wait sleeps before the next attempt. If that would end after the deadline, it returns errPastDeadline at once.
func (s *sending) wait(d time.Duration, why string) error {
	if !s.fits(d) {
		return errPastDeadline
	}
	log := s.client.config.Logger
	if log.Enabled(s.ctx, slog.LevelDebug) {
		log.Debug("repeating a request", "endpoint", s.call.Endpoint.Endpoint, "after", why, "attempt", s.attempts, "wait", d)
	}
	err := s.client.config.Sleep(s.ctx, d)
	if err == nil {
		s.waited += d
	}
	return err
}

// fits reports whether a wait ends before the deadline.
func (s *sending) fits(d time.Duration) bool {
	deadline, ok := s.ctx.Deadline()
	return s.ctx.Err() == nil && (!ok || s.client.config.Clock.Now().Add(d).Before(deadline))
}

func (s *sending) notAcquired(err error) *abi.SendError {
	var tooLong pacing.TooLong
	if errors.As(err, &tooLong) {
		return s.withRefusal(&abi.SendError{Code: abi.SendRateLimited, Message: err.Error(), RetryAfterMS: tooLong.RetryAfter.Milliseconds(), Sent: s.sent})
	}
	return contextError(s.ctx, s.sent)
}

func (s *sending) rateLimited(pause time.Duration) *abi.SendError {
	e := &abi.SendError{Code: abi.SendRateLimited, RetryAfterMS: max(pause.Milliseconds(), 1), Sent: s.sent}
	if s.throttled > maxThrottled {
		e.Message = fmt.Sprintf("the service refused %d times because of its rate limit for %s: try again later", s.throttled, s.call.Endpoint.Bucket)
	} else {
		e.Message = fmt.Sprintf("the service's rate limit for %s is reached until after the call's deadline: try again later", s.call.Endpoint.Bucket)
	}
	return e
}

// attempt sends a request once and reads the whole response.
func (c *Client) attempt(ctx context.Context, r *request) (*Response, *abi.SendError) {
	timed, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	header, body, err := r.signed()
	if err != nil {
		return nil, malformed(err)
	}
	t := &trail{write: !r.read() || header["Dpop"] != nil, cancel: cancel} // a proof is for one request
	req := &http.Request{Method: r.method, URL: r.url, Host: r.url.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	// Without a body, POST, PUT and PATCH send Content-Length: 0. Some services require it.
	if body != nil {
		// Without GetBody, net/http cannot repeat the request after a byte was sent.
		req.Body, req.ContentLength = &onceReader{body}, int64(len(body))
	}
	resp, err := c.transport.Current().RoundTrip(req.WithContext(httptrace.WithClientTrace(timed, t.trace())))
	if err != nil {
		return nil, c.sendError(ctx, timed, err, t)
	}
	arrived := c.config.Clock.Now()
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
		return nil, &abi.SendError{Code: abi.SendRedirect, Sent: true, Status: resp.StatusCode,
			Message: fmt.Sprintf("%s responded with a redirect (%d), which is never followed: check base_url", c.config.BaseURL.Host, resp.StatusCode)}
	case http.StatusSwitchingProtocols:
		return nil, &abi.SendError{Code: abi.SendInterrupted, Sent: true,
			Message: c.config.BaseURL.Host + " switched to another protocol (101): check base_url"}
	}
	content, err := c.body(resp, r.memory)
	if err != nil {
		e := c.bodyError(ctx, timed, err)
		e.Status, e.RequestID = resp.StatusCode, c.requestID(resp.Header)
		return nil, e
	}
	answer := &Response{Status: resp.StatusCode, Header: resp.Header, Body: content, RequestID: c.requestID(resp.Header), BodyTook: c.config.Clock.Now().Sub(arrived)}
	if c.config.BaseURL.Scheme == "http" && wantsHTTPS(answer) {
		content.Release()
		return nil, &abi.SendError{Code: abi.SendTLS, Sent: true, Lasting: true, Status: resp.StatusCode,
			Message: c.config.BaseURL.Host + " speaks https, but base_url says http: write https"}
	}
	return answer, nil
}
