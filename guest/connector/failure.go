package connector

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// OK reports whether the service did what was asked.
func OK(r hostcall.Response) bool { return r.Err == nil && r.Status >= 200 && r.Status < 300 }

// Fail is a result that came of no answer of the service.
//
//go:noinline
func Fail(o abi.Outcome, code, message string) Result {
	return Result{Outcome: o, Err: &abi.Error{Code: code, Message: message}}
}

// Errors say how to read the errors of a service. What is nil or empty is not known: the status alone then decides.
type Errors struct {
	// Code is the member of an error's body that has its code.
	Code string
	// Read fills in the code, the summary and the causes from an error's body. Nil takes the members code and message.
	Read func(body jsonval.Value, e *abi.Upstream)
	// Own reports whether an error is the service's, and not that of a proxy, a firewall, a portal or another server. Nil takes
	// each error with a code for the service's.
	Own func(e abi.Upstream) bool
	// Missing reports whether a 404 says that an object of this type is missing. Nil takes each 404 of the service so.
	Missing func(e abi.Upstream, typ string) bool
	// Gone is the code of a 404 that says that the object itself is missing. Empty takes each 404 of the service so.
	Gone string
	// Explain gives a refusal a code of the outcome and a sentence that says what to do, with a space behind it.
	Explain func(e abi.Upstream) (code, advice string)
	// Limited returns how long to wait after a 429 whose answer does not say, in milliseconds (0 is a minute), and a sentence
	// for the message.
	Limited func(e abi.Upstream) (waitMS int64, advice string)
	// Transient are the codes of refusals that pass by themselves.
	Transient []string
	// Doubtful is the code of a 403 that may pass by itself: the read is sent again.
	Doubtful string
	// GaveUp is the code of a 500 to a query that took too long: a smaller page may work.
	GaveUp string
	// Foreign is the code of the outcome of an answer that another server gave; "foreign" where it is empty.
	Foreign string
	// Listed names the operation that lists objects, for a noun.
	Listed []hostcall.Pair
}

// Refusal is the error of an answer, as far as it has one.
type Refusal struct {
	abi.Upstream
	service *Service
}

// ReadError reads the error of an answer.
func (c *Call) ReadError(r hostcall.Response) Refusal {
	e := Refusal{abi.Upstream{Status: r.Status, RequestID: r.Header(c.Service.RequestID)}, c.Service}
	body, _ := c.Body(r)
	if read := c.Service.Errors.Read; read != nil {
		read(body, &e.Upstream)
	} else {
		e.Code, e.Summary = body.Get("code").Str(), body.Get("message").Str()
	}
	return e
}

// Says is what the service said, in one line.
func (s *Service) Says(u abi.Upstream) string { return Refusal{u, s}.Says() }

func (e Refusal) Says() string {
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

// isForeign reports whether a refusal is not the service's own.
func (e Refusal) isForeign() bool {
	return (e.Status < 500 && e.Status != 429 || e.Status == notImplemented) && !e.isOwn()
}

//go:noinline
func (e Refusal) isOwn() bool {
	if own := e.service.Errors.Own; own != nil {
		return own(e.Upstream)
	}
	return e.Code != ""
}

// isMissing reports whether a 404 says that the operation's own object is missing.
func (e Refusal) isMissing(typ string) bool {
	if missing := e.service.Errors.Missing; missing != nil {
		return missing(e.Upstream, typ)
	}
	return e.Status == 404 && e.isOwn()
}

// foreignMessage says what a refusal that is not the service's does not mean, and where to look.
func (e Refusal) foreignMessage(noun string) string {
	name := e.service.Name
	between := "a " + strconv.Itoa(e.Status) + " that is not " + name + "'s own. "
	switch e.Status {
	case 404:
		return between + "It says nothing of the " + cmp.Or(noun, "object") + ": is base_url right, and is nothing in between? "
	case 401, 407:
		return between + "A proxy or gateway between this machine and " + name + " wants credentials; " + name + " did not judge the token. "
	case 403, 451:
		return between + "A proxy or firewall between this machine and " + name + " refused; it says nothing of the token or its role. "
	}
	return between + "It came from something between this machine and " + name + ": is base_url right? "
}

// foreignCode is the code of the outcome of an answer that another server gave.
func (s *Service) foreignCode() string { return cmp.Or(s.Errors.Foreign, "foreign") }

// foreignLasts reports whether a refusal that is not the service's lasts until a person changes something.
func (e Refusal) foreignLasts() bool {
	return slices.Contains([]int{404, 405, 410, 411, 413, 414, 415, 431}, e.Status)
}

// Failure turns an answer that is not the wanted one, or none, into a result. typ and noun name the operation's own
// target: a 404 about anything else is a refusal.
func (c *Call) Failure(r hostcall.Response, typ, noun string) Result {
	if r.Err != nil {
		return SendFailure(r.Err)
	}
	return c.ReadError(r).result(r, typ, noun)
}

// listedBy says which operation lists the ids of objects that have to be named by id. People give names.
func (e Refusal) listedBy(noun string) string {
	for _, l := range e.service.Errors.Listed {
		if l.Name == noun {
			return ": " + l.Value + " lists those that exist, with their ids"
		}
	}
	return ""
}

// notImplemented is a refusal, whatever its class: an operation that an object of this kind does not have.
const notImplemented = 501

func (e Refusal) result(r hostcall.Response, typ, noun string) Result {
	up := e.Upstream
	out := abi.Error{Message: e.Says(), Upstream: &up}
	outcome := abi.Rejected
	code, advice := "", ""
	if e.service.Errors.Explain != nil {
		code, advice = e.service.Errors.Explain(up)
	}
	switch {
	case e.isForeign():
		outcome, out.Code, out.Retryable = abi.Unavailable, e.service.foreignCode(), !e.foreignLasts()
		out.Message = e.foreignMessage(noun) + out.Message
	case typ != "" && e.isMissing(typ):
		outcome, out.Code = abi.NotFound, string(abi.NotFound)
		out.Message = "there is no such " + noun + e.listedBy(noun) + ". " + out.Message
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
		out.Code = string(abi.Rejected)
		out.Retryable = slices.Contains(e.service.Errors.Transient, e.Code)
	}
	return Result{Outcome: outcome, Err: &out}
}

// seconds reads a number of seconds up to a day; 0 is none.
func seconds(text string) int64 {
	if s, ok := texts.WholeNumber(text); ok && s < 86_400 {
		return s
	}
	return 0
}

// limited returns how long to wait after a 429, in milliseconds: by Retry-After, or as the service
// says it; and a sentence for the message.
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

func SendFailure(e *abi.SendError) Result {
	out := abi.Error{Code: string(e.Code), Message: e.Message, RetryAfterMS: e.RetryAfterMS, Upstream: upstreamOf(e)}
	outcome := abi.Unavailable
	switch e.Code {
	case abi.SendRateLimited, abi.SendCeiling:
		outcome, out.Retryable = abi.Throttled, true
	case unsendableInput:
		outcome = abi.Invalid
	case unsendableAnswer:
	case abi.SendDenied, abi.SendMalformed, abi.SendLimit, abi.SendTooLarge:
		outcome = abi.Failed
	case abi.SendRedirect, abi.SendTLS:
		outcome = abi.Unavailable
	default:
		out.Retryable = !e.Lasting
	}
	return Result{Outcome: outcome, Err: &out}
}

// upstreamOf is what is known of an answer that did not come whole; nil where there was none.
func upstreamOf(e *abi.SendError) *abi.Upstream {
	if e.Status == 0 {
		return nil
	}
	return &abi.Upstream{Status: e.Status, Code: e.UpstreamCode, Summary: e.UpstreamSummary, RequestID: e.RequestID}
}

// UpstreamCode is the code of the service's error, "" where there is none.
func UpstreamCode(r Result) string {
	if r.Err == nil || r.Err.Upstream == nil {
		return ""
	}
	return r.Err.Upstream.Code
}

// BadBody is an answer that should have been JSON of a certain form. Where it is an error's body with a status of
// success, the message has what that says.
func (c *Call) BadBody(r hostcall.Response, why string) Result {
	if e := c.ReadError(r); e.Code != "" || e.Summary != "" {
		why += " (" + strings.Trim(e.Code+": "+e.Summary, ": ") + ")"
	}
	return Result{Outcome: abi.Unavailable, Err: &abi.Error{Code: "bad_answer", Retryable: true,
		Message:  c.Service.Name + " answered " + strconv.Itoa(r.Status) + " with a body that cannot be used: " + why,
		Upstream: &abi.Upstream{Status: r.Status, RequestID: r.Header(c.Service.RequestID)}}}
}

func errorJSON(e *abi.Error) string {
	var w jsonval.Writer
	w.Str("code", e.Code).Str("message", e.Message)
	if u := e.Upstream; u != nil {
		var uw jsonval.Writer
		uw.Int("status", int64(u.Status)).StrIf("code", u.Code).StrIf("summary", u.Summary)
		if len(u.Causes) > 0 {
			uw.Strs("causes", u.Causes)
		}
		w.Raw("upstream", uw.StrIf("request_id", u.RequestID).String())
	}
	return w.Bool("retryable", e.Retryable).IntIf("retry_after_ms", e.RetryAfterMS).String()
}
