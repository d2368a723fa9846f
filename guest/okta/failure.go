package okta

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// ok reports whether Okta did what was asked.
func ok(r hostcall.Response) bool { return r.Err == nil && r.Status >= 200 && r.Status < 300 }

// fail is a result that came of no answer of Okta's.
func fail(o abi.Outcome, code, message string) result {
	return result{outcome: o, err: &abi.Error{Code: code, Message: message}}
}

// oktaError is Okta's error body, as far as the answer has one.
type oktaError struct {
	abi.Upstream
}

// readError reads the error of an answer. Not every failure has Okta's shape, and one published example has
// errorCauses as an object.
func (c *call) readError(r hostcall.Response) oktaError {
	e := oktaError{abi.Upstream{Status: r.Status, RequestID: r.Header("x-okta-request-id")}}
	body, _ := c.Body(r)
	e.Code, e.Summary = body.Get("errorCode").Str(), body.Get("errorSummary").Str()
	if e.Code == "" { // an OAuth error, or a plain message
		e.Code, e.Summary = body.Get("error").Str(), cmp.Or(e.Summary, body.Get("error_description").Str())
	}
	if e.Summary == "" {
		e.Summary = body.Get("message").Str()
	}
	causes := body.Get("errorCauses")
	if s := causes.Get("errorSummary").Str(); s != "" {
		e.Causes = append(e.Causes, s)
	}
	for cause := range causes.Elements() {
		if s := cause.Get("errorSummary").Str(); s != "" {
			e.Causes = append(e.Causes, s)
		}
	}
	return e
}

// says is what Okta said, in one line.
func (e oktaError) says() string {
	s := "Okta answered "
	if e.foreign() || e.Status >= 400 && e.Status < 500 && e.Code == "" {
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

// missing reports whether a 404 says that an object of this type is missing: "Resource not found: x (User)".
func (e oktaError) missing(typ string) bool {
	return e.Status == 404 && strings.HasSuffix(strings.TrimSpace(e.Summary), "("+typ+")")
}

// objectMissing reports whether a 404 says that some object is missing. Okta alone says so: with its code, or by the
// type of what is missing, in brackets. Any other 404 is a proxy's, a portal's or another server's, and says nothing.
func (e oktaError) objectMissing() bool {
	return e.Status == 404 && (e.Code == "E0000007" || e.Code == "E0000048" || e.typed())
}

// typed reports whether the summary ends in the type of what is missing.
func (e oktaError) typed() bool { return strings.HasSuffix(strings.TrimSpace(e.Summary), ")") }

// foreign reports whether a 404 is no answer of Okta's.
func (e oktaError) foreign() bool {
	return e.Status == 404 && !strings.HasPrefix(e.Code, "E0") && !e.objectMissing()
}

// ofOkta reports whether an error is in Okta's shape. What is in between has none of its codes.
func (e oktaError) ofOkta() bool { return strings.HasPrefix(e.Code, "E0") || e.objectMissing() }

// failure turns an answer that is not the wanted one, or none, into a result. typ and noun name the operation's own
// target: a 404 about anything else is a refusal.
func (c *call) failure(r hostcall.Response, typ, noun string) result {
	if r.Err != nil {
		return sendFailure(r.Err)
	}
	return c.readError(r).result(c, r, typ, noun)
}

// notOkta is the code of an answer that somebody else gave.
const notOkta = "not_okta"

// notImplemented is a refusal, whatever its class: E0000060, an operation that an object of this kind does not have.
const notImplemented = 501

func (e oktaError) result(c *call, r hostcall.Response, typ, noun string) result {
	up := e.Upstream
	out := abi.Error{Message: e.says(), Upstream: &up}
	outcome := abi.Rejected
	switch {
	case e.foreign():
		outcome, out.Code = abi.Unavailable, notOkta
		out.Message = "a 404 that is not Okta's, so that it says nothing of the " + cmp.Or(noun, "object") + ": is base_url right, and is nothing in between? " + out.Message
	case typ != "" && e.objectMissing() && (e.missing(typ) || !e.typed()):
		outcome, out.Code = abi.NotFound, string(abi.NotFound)
		out.Message = "there is no such " + noun + ". " + out.Message
	case e.Code == "E0000011":
		out.Code = "credentials"
		out.Message = "the token is not valid. Either it was revoked, has expired (30 days without use) or is of another org: put a new one where " +
			"token_secret_ref points. Or its owner was suspended or deactivated: make the owner active again, or take a token of another administrator. " + out.Message
	case e.Code == "E0000015":
		out.Code = "feature"
		out.Message = "the org does not have this feature (devices and authenticators are Identity Engine's, authorization servers API Access " +
			"Management's), or the token's owner may not use it. " + out.Message
	case e.Status == 401 || e.Status == 403 && (e.Code == "E0000006" || e.Code == ""):
		out.Code = "forbidden"
		out.Message = "the token's owner lacks the admin role (or OAuth scope) for this. " + out.Message
	case e.Status == 429:
		outcome, out.Code, out.Retryable, out.RetryAfterMS = abi.Throttled, string(abi.Throttled), true, e.retryAfter(r)
		if e.Code != "" && e.Code != bucketLimit {
			out.Message = "a limit of its own, beside the API's rate limits. " + out.Message
		}
	case e.Status >= 500 && e.Status != notImplemented:
		outcome, out.Code, out.Retryable = abi.Unavailable, string(abi.Unavailable), true
		if s, err := strconv.Atoi(r.Header("retry-after")); err == nil && s > 0 && s < 86_400 {
			out.RetryAfterMS = int64(s) * 1000
		}
	default:
		out.Code = string(abi.Rejected)
		out.Retryable = transient(e.Code)
	}
	return result{outcome: outcome, err: &out}
}

// bucketLimit is the code of a 429 that means the rate limit of a bucket, or too many requests at once. Okta has other
// limits, which count messages: per recipient, or of the org in a day or month (error catalogue, HTTP 429).
const bucketLimit = "E0000047"

// retryAfter returns how long to wait after a 429, in milliseconds: by Retry-After, by the text, or by the kind of limit.
func (e oktaError) retryAfter(r hostcall.Response) int64 {
	const minute, hour = 60_000, 3_600_000
	if s, err := strconv.Atoi(r.Header("retry-after")); err == nil && s > 0 && s < 86_400 {
		return int64(s) * 1000
	}
	if _, text, ok := strings.Cut(e.Summary, "wait "); ok && strings.Contains(text, " second") {
		number, _, _ := strings.Cut(text, " ")
		if s, err := strconv.Atoi(number); err == nil && s > 0 && s < 86_400 {
			return int64(s) * 1000
		}
	}
	switch e.Code {
	case "E0000146", "E0000147", "E0000186": // of the org, in 24 hours or 30 days
		return hour
	}
	return minute
}

// transient lists the refusals that pass by themselves: an object that is still being set up or changed.
func transient(code string) bool {
	switch code {
	case "E0000112", "E0000239", "E0000249", "E0000253", "E0000268":
		return true
	}
	return false
}

func sendFailure(e *abi.SendError) result {
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
	return result{outcome: outcome, err: &out}
}

// upstreamOf is what is known of an answer that did not come whole; nil where there was none.
func upstreamOf(e *abi.SendError) *abi.Upstream {
	if e.Status == 0 {
		return nil
	}
	return &abi.Upstream{Status: e.Status, Code: e.UpstreamCode, Summary: e.UpstreamSummary, RequestID: e.RequestID}
}

// badBody is an answer that should have been JSON of a certain form. Where it is an error's body with a status of
// success, the message has what that says.
func (c *call) badBody(r hostcall.Response, why string) result {
	if e := c.readError(r); e.Code != "" || e.Summary != "" {
		why += " (" + strings.Trim(e.Code+": "+e.Summary, ": ") + ")"
	}
	return result{outcome: abi.Unavailable, err: &abi.Error{Code: "bad_answer", Retryable: true,
		Message:  "Okta answered " + strconv.Itoa(r.Status) + " with a body that cannot be used: " + why,
		Upstream: &abi.Upstream{Status: r.Status, RequestID: r.Header("x-okta-request-id")}}}
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
