package connector

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/connector/wiring"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// OK reports whether the response's status is 2xx.
func OK(r hostcall.Response) bool { return r.Err == nil && r.Status >= 200 && r.Status < 300 }

// Fail returns a result that does not come from a response of the service.
//
//go:noinline
func Fail(o abi.Outcome, code, message string) Result {
	return Result{Outcome: o, Err: &abi.Error{Code: code, Message: message}}
}

// Errors says how to interpret the service's errors. If a member is nil or empty, the status alone decides.
type Errors struct {
	// Code and Summary are the paths of the code and the text in an error's body; "" is code and message.
	Code, Summary string
	// Read sets the code, the summary and the causes from an error's body. Nil reads Code and Summary.
	Read func(body jsonval.Value, e *abi.Upstream)
	// Own reports whether an error is the service's, not that of a proxy, a firewall, a portal or another server. Nil
	// treats each error with a code or the service's request id as the service's.
	Own func(e abi.Upstream) bool
	// Missing reports whether a 404 says that an object of type typ is missing. Nil treats each 404 of the service so.
	Missing func(e abi.Upstream, typ string) bool
	// Gone is the code of a 404 for a missing object. If it is empty, each 404 of the service means that.
	Gone string
	// Explain returns the outcome's code for a refusal, and what to do, with a trailing space. auth is Settings.Auth.
	Explain func(e abi.Upstream, auth string) (code, advice string)
	// Limited returns how long to wait after a 429 without Retry-After, in milliseconds (0 means a minute), and a
	// sentence for the message.
	Limited func(e abi.Upstream) (waitMS int64, advice string)
	// Transient lists codes of temporary refusals.
	Transient []string
	// Doubtful is the code of a 403 that may be temporary: the read is repeated.
	Doubtful string
	// GaveUp is the code of a 500 for a query that took too long: a smaller page may work.
	GaveUp string
	// Foreign is the outcome's code for a response of another server; "foreign" if it is empty.
	Foreign string
	// Listed names, for a noun, the operation that lists such objects.
	Listed []hostcall.Pair
}

// Refusal is the error in a response, as far as it has one.
type Refusal struct {
	abi.Upstream
	service *Service
	auth    string
}

// ReadError reads the error in a response.
func (c *Call) ReadError(r hostcall.Response) Refusal {
	e := Refusal{abi.Upstream{Status: r.Status, RequestID: r.Header(c.Service.RequestID)}, c.Service, c.Settings.Get("auth").Str()}
	body, _ := c.Body(r)
	if read := c.Service.Errors.Read; read != nil {
		read(body, &e.Upstream)
	} else {
		e.Code, e.Summary = TextAt(body, cmp.Or(c.Service.Errors.Code, "code")), TextAt(body, cmp.Or(c.Service.Errors.Summary, "message"))
	}
	return e
}

// Text returns what the service answered, in one line.
func (s *Service) Text(u abi.Upstream) string { return Refusal{u, s, ""}.Text() }

// Text returns what the service answered, in one line.
func (e Refusal) Text() string {
	s := e.service.Name + " answered "
	if e.isForeign() {
		s = "The server answered "
	}
	s += strconv.Itoa(e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Summary != "" {
		s += ": " + e.Summary
	}
	if len(e.Causes) > 0 {
		s += " (" + strings.Join(e.Causes, "; ") + ")"
	}
	return s
}

// isForeign reports whether a refusal comes from something other than the service.
func (e Refusal) isForeign() bool {
	return (e.Status < 500 && e.Status != 429 || e.Status == notImplemented) && !e.isOwn()
}

//go:noinline
func (e Refusal) isOwn() bool {
	if own := e.service.Errors.Own; own != nil {
		return own(e.Upstream)
	}
	return e.Code != "" || e.RequestID != ""
}

// isMissing reports whether a 404 says that the operation's own object is missing.
func (e Refusal) isMissing(typ string) bool {
	if missing := e.service.Errors.Missing; missing != nil {
		return missing(e.Upstream, typ)
	}
	return e.Status == 404 && e.isOwn()
}

// foreignMessage says what a foreign refusal does not mean, and what to check.
func (e Refusal) foreignMessage(noun string) string {
	name := e.service.Name
	between := "a " + strconv.Itoa(e.Status) + " that is not " + name + "'s own. "
	switch e.Status {
	case 404:
		return between + "It says nothing about the " + cmp.Or(noun, "object") + ": check base_url, and any proxy in between. "
	case 401, 407:
		return between + "A proxy or gateway between this machine and " + name + " requires credentials; " + name + " did not check the token. "
	case 403, 451:
		return between + "A proxy or firewall between this machine and " + name + " refused the request; it says nothing about the token or its role. "
	}
	return between + "It came from something between this machine and " + name + ": check base_url. "
}

// foreignCode returns the outcome's code for a response of another server.
func (s *Service) foreignCode() string { return cmp.Or(s.Errors.Foreign, "foreign") }

// foreignLasts reports whether a foreign refusal lasts until a person changes something.
func (e Refusal) foreignLasts() bool {
	return slices.Contains([]int{404, 405, 410, 411, 413, 414, 415, 431}, e.Status)
}

// Failure returns the result for a response that is not the wanted one, or for none. typ and noun name the operation's
// own target: a 404 about anything else is a refusal.
func (c *Call) Failure(r hostcall.Response, typ, noun string) Result {
	if r.Err != nil {
		return SendFailure(r.Err)
	}
	return c.ReadError(r).result(r, typ, noun)
}

// listedBy names the operation that lists objects with their ids. People often give names.
func (e Refusal) listedBy(noun string) string {
	for _, l := range e.service.Errors.Listed {
		if l.Name == noun {
			return ": " + l.Value + " lists those that exist, with their ids"
		}
	}
	return ""
}

// notImplemented is a refusal despite its class: this kind of object does not have the operation.
const notImplemented = 501

func (e Refusal) result(r hostcall.Response, typ, noun string) Result {
	up := e.Upstream
	out := abi.Error{Message: e.Text(), Upstream: &up}
	outcome, code, advice := abi.Rejected, "", ""
	if e.service.Errors.Explain != nil {
		code, advice = e.service.Errors.Explain(up, e.auth)
	}
	switch {
	case e.isForeign():
		outcome, out.Code, out.Retryable = abi.Unavailable, e.service.foreignCode(), !e.foreignLasts()
		out.Message = e.foreignMessage(noun) + out.Message
	case typ != "" && e.isMissing(typ):
		outcome, out.Code = abi.NotFound, string(abi.NotFound)
		out.Message = "the " + noun + " does not exist" + e.listedBy(noun) + ". " + out.Message
	case code != "":
		out.Code, out.Message = code, advice+out.Message
	case e.Status == 429:
		wait, advice := e.limited(r)
		outcome, out.Code, out.Retryable, out.RetryAfterMS = abi.Throttled, string(abi.Throttled), true, wait
		out.Message = advice + out.Message
	case e.Status >= 500 && e.Status != notImplemented:
		outcome, out.Code, out.Retryable = abi.Unavailable, string(abi.Unavailable), true
		out.RetryAfterMS = seconds(r.Header("retry-after")) * 1000
	default:
		if e.Status == 401 {
			out.Message = "the service does not accept the credential: check what " + map[bool]string{true: "oauth", false: "token_secret_ref"}[e.auth == abi.AuthOAuth] + " of the connection points to. " + out.Message
		}
		out.Code = string(abi.Rejected)
		out.Retryable = slices.Contains(e.service.Errors.Transient, e.Code)
	}
	return Result{Outcome: outcome, Err: &out}
}

// seconds parses a number of seconds up to a day; 0 if there is none.
func seconds(text string) int64 {
	if s, ok := texts.WholeNumber(text); ok && s < 86_400 {
		return s
	}
	return 0
}

// limited returns how long to wait after a 429, in milliseconds, and a sentence for the message. It uses Retry-After,
// or what the service says.
func (e Refusal) limited(r hostcall.Response) (waitMS int64, advice string) {
	const minute = 60_000
	if e.service.Errors.Limited != nil {
		waitMS, advice = e.service.Errors.Limited(e.Upstream)
	}
	if s := seconds(r.Header("retry-after")); s > 0 {
		return s * 1000, advice
	}
	return cmp.Or(waitMS, minute), advice
}

// SendFailure returns the result for a request that got no response.
func SendFailure(e *abi.SendError) Result {
	out := abi.Error{Code: string(e.Code), Message: e.Message, RetryAfterMS: e.RetryAfterMS, Upstream: upstreamOf(e)}
	outcome := abi.Unavailable
	switch e.Code {
	case abi.SendRateLimited, abi.SendCeiling:
		outcome, out.Retryable = abi.Throttled, true
	case wiring.BadInput:
		outcome = abi.Invalid
	case wiring.BadAnswer:
	case wiring.BadWiring, abi.SendDenied, abi.SendMalformed, abi.SendLimit, abi.SendTooLarge, abi.SendGuarded:
		outcome = abi.Failed
	case abi.SendRedirect, abi.SendTLS:
		outcome = abi.Unavailable
	case abi.SendCredential:
		outcome = abi.Rejected
	default:
		out.Retryable = !e.Lasting
	}
	return Result{Outcome: outcome, Err: &out}
}

// upstreamOf returns what is known about an incomplete response, or nil if none came.
func upstreamOf(e *abi.SendError) *abi.Upstream {
	if e.Status == 0 {
		return nil
	}
	return &abi.Upstream{Status: e.Status, Code: e.UpstreamCode, Summary: e.UpstreamSummary, RequestID: e.RequestID}
}

// UpstreamCode returns the code of the service's error; "" if there is none.
func UpstreamCode(r Result) string {
	if r.Err == nil || r.Err.Upstream == nil {
		return ""
	}
	return r.Err.Upstream.Code
}

// BadBody returns the result for a response whose body is not the expected JSON. If the body is an error despite its
// status, the message contains that error.
func (c *Call) BadBody(r hostcall.Response, why string) Result {
	if e := c.ReadError(r); e.Code != "" || e.Summary != "" {
		why += " (" + strings.Trim(e.Code+": "+e.Summary, ": ") + ")"
	}
	return Result{Outcome: abi.Unavailable, Err: &abi.Error{Code: "bad_answer", Retryable: true,
		Message:  c.Service.Name + " answered " + strconv.Itoa(r.Status) + " with an unusable body: " + why,
		Upstream: &abi.Upstream{Status: r.Status, RequestID: r.Header(c.Service.RequestID)}}}
}
