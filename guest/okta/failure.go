package okta

import (
	"cmp"
	"slices"
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
	if e.foreign() {
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

// foreign reports whether a refusal is not Okta's own: it came from a proxy, a firewall, a portal or another server.
func (e oktaError) foreign() bool {
	return (e.Status < 500 && e.Status != 429 || e.Status == notImplemented) && !e.ofOkta()
}

// ofOkta reports whether an error is in Okta's shape. What is in between has none of its codes.
func (e oktaError) ofOkta() bool {
	return strings.HasPrefix(e.Code, "E0") || slices.Contains(oauthErrors, e.Code) || e.objectMissing()
}

// oauthErrors are the codes that Okta's OAuth endpoints answer with (RFC 6749, 6750, 7591, 9449).
var oauthErrors = []string{"invalid_request", "invalid_token", "insufficient_scope", "invalid_client", "unauthorized_client", "access_denied",
	"invalid_scope", "invalid_grant", "unsupported_grant_type", "invalid_client_metadata", "invalid_redirect_uri", "invalid_dpop_proof", "use_dpop_nonce"}

// foreignMessage says what a refusal that is not Okta's does not mean, and where to look.
func (e oktaError) foreignMessage(noun string) string {
	between := "a " + strconv.Itoa(e.Status) + " that is not Okta's own. "
	switch e.Status {
	case 404:
		return between + "It says nothing of the " + cmp.Or(noun, "object") + ": is base_url right, and is nothing in between? "
	case 401, 407:
		return between + "A proxy or gateway between this machine and Okta wants credentials; Okta did not judge the token. "
	case 403, 451:
		return between + "A proxy or firewall between this machine and Okta refused; it says nothing of the token or its role. "
	}
	return between + "It came from something between this machine and Okta: is base_url right? "
}

// foreignLasts reports whether a refusal that is not Okta's lasts until a person changes something.
func (e oktaError) foreignLasts() bool {
	return slices.Contains([]int{404, 405, 410, 411, 413, 414, 415, 431}, e.Status)
}

// failure turns an answer that is not the wanted one, or none, into a result. typ and noun name the operation's own
// target: a 404 about anything else is a refusal.
func (c *call) failure(r hostcall.Response, typ, noun string) result {
	if r.Err != nil {
		return sendFailure(r.Err)
	}
	return c.readError(r).result(c, r, typ, noun)
}

// noPermission is Okta's code for a token whose role does not allow a request. It also answers so in passing, to a token
// that may (https://github.com/firezone/firezone/issues/15233).
const noPermission = "E0000006"

// listedBy says which operation lists the ids of objects that have to be named by id. People give names.
func listedBy(noun string) string {
	for _, l := range [...][2]string{{"application", "list_applications"}, {"authorization server", "list_authorization_servers"}, {"custom role", "list_roles"},
		{"device", "list_devices"}, {"network zone", "list_zones"}, {"policy", "list_policies"}} {
		if l[0] == noun {
			return ": " + l[1] + " lists those that exist, with their ids"
		}
	}
	return ""
}

// notOkta is the code of an answer that did not come from Okta.
const notOkta = "not_okta"

// notImplemented is a refusal, whatever its class: E0000060, an operation that an object of this kind does not have.
const notImplemented = 501

func (e oktaError) result(c *call, r hostcall.Response, typ, noun string) result {
	up := e.Upstream
	out := abi.Error{Message: e.says(), Upstream: &up}
	outcome := abi.Rejected
	switch {
	case e.foreign():
		outcome, out.Code, out.Retryable = abi.Unavailable, notOkta, !e.foreignLasts()
		out.Message = e.foreignMessage(noun) + out.Message
	case typ != "" && e.objectMissing() && (e.missing(typ) || !e.typed()):
		outcome, out.Code = abi.NotFound, string(abi.NotFound)
		out.Message = "there is no such " + noun + listedBy(noun) + ". " + out.Message
	case e.Code == "E0000011":
		out.Code = "credentials"
		out.Message = "the token is not valid. Either it was revoked, has expired (30 days without use) or is of another org: put a new one where " +
			"token_secret_ref points. Or its owner was suspended or deactivated: make the owner active again, or take a token of another administrator. " + out.Message
	case e.Code == "E0000015":
		out.Code = "feature"
		out.Message = "the org does not have this feature (devices and authenticators are Identity Engine's, authorization servers API Access " +
			"Management's), or the token's owner may not use it. " + out.Message
	case e.Status == 401 || e.Status == 403 && e.Code == noPermission:
		out.Code = "forbidden"
		out.Message = "the token's owner lacks the admin role (or OAuth scope) for this. " + out.Message
	case e.Status == 429:
		outcome, out.Code, out.Retryable, out.RetryAfterMS = abi.Throttled, string(abi.Throttled), true, e.retryAfter(r)
		if e.Code != "" && e.Code != bucketLimit {
			out.Message = "this limit is separate from the API's rate limits. " + out.Message
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
