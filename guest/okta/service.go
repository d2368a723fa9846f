package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	// pageParams are the query parameters of a list's pages, and of the links to them.
	pageParams = []string{"after", "limit"}
	// ifMatch is the header that keeps a write from undoing a concurrent change.
	ifMatch = []abi.RequestHeader{{Name: "If-Match"}}
)

// okta is what the connector SDK must know about Okta.
var okta = connector.Service{
	Name:      "Okta",
	RequestID: "x-okta-request-id",
	PageParam: "limit",
	Changed:   "lastUpdated",
	Objects: []connector.ObjectKind{
		{Segment: "users", Input: "user", Read: getUser.Endpoint, Type: "User", InBodyBelow: "/api/v1/apps/"}, // an assignment's body names its user
		{Segment: "groups", Input: "group", Read: getGroup.Endpoint, Type: "UserGroup"},
		{Segment: "apps", Read: getApp.Endpoint, Type: "AppInstance"},
		{Segment: "factors", Input: "factor", Alone: true},
		{Segment: "zones", Input: "zone"},
	},
	OwnShape: func(v jsonval.Value) bool {
		return v.Get("id").Str() != "" && (v.Get("created").Exists() || v.Get("lastUpdated").Exists() || v.Get("_links").Exists()) || credentials(v) != ""
	},
	// Okta returns these in a different order than they were written. okta/terraform-provider-okta recorded it for
	// policies, their rules, authorization servers and network zones.
	Rules: compare.Rules{
		Sets: []string{"include", "exclude", "methods", "grantTypes", "authenticators", "locations", "asns"},
		// Okta adds all of the org's authenticators to a policy's settings. One that users may not enroll counts as
		// missing.
		IsEmptyElement: func(element jsonval.Value) bool { return element.At("enroll", "self").Str() == "NOT_ALLOWED" },
	},
	SameKind: func(a, b string) bool { return len(a) > 3 && isID(a, a[:3]) && isID(b, a[:3]) },
	Errors: connector.Errors{
		Code:      "errorCode",
		Read:      readError,
		Own:       ownError,
		Missing:   targetMissing,
		Gone:      notFoundCode,
		Explain:   explain,
		Limited:   limited,
		Transient: []string{"E0000112", "E0000239", "E0000249", "E0000253", "E0000268"}, // Okta is still changing the object
		Doubtful:  noPermission,
		GaveUp:    internalError,
		Foreign:   notOkta,
		Listed: []hostcall.Pair{{Name: "application", Value: "list_applications"}, {Name: "authorization server", Value: "list_authorization_servers"},
			{Name: "custom role", Value: "list_roles"}, {Name: "device", Value: "list_devices"}, {Name: "network zone", Value: "list_zones"},
			{Name: "policy", Value: "list_policies"}},
	},
}

const (
	// notFoundCode is Okta's code for a missing object.
	notFoundCode = "E0000007"
	// noPermission is Okta's code for a token whose role does not allow a request. Okta sometimes also sends it
	// temporarily to a token that has the role (https://github.com/firezone/firezone/issues/15233).
	noPermission = "E0000006"
	// internalError is Okta's code for a query that ran longer than 30 s, and for any other internal failure.
	internalError = "E0000009"
	// bucketLimit is the code of a 429 for the rate limit of a bucket, or for too many concurrent requests. Okta's
	// other limits count messages, per recipient or per org (error catalogue, HTTP 429).
	bucketLimit = "E0000047"
	// notOkta is the code of a response that did not come from Okta.
	notOkta = "not_okta"
)

// readError reads Okta's error body. Some failures have a different shape; one published example has an object as
// errorCauses.
func readError(body jsonval.Value, e *abi.Upstream) {
	e.Code, e.Summary = body.Get("errorCode").Str(), body.Get("errorSummary").Str()
	if e.Code == "" { // an OAuth error or plain text
		e.Code = body.Get("error").Str()
		if e.Summary == "" {
			e.Summary = body.Get("error_description").Str()
		}
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
}

// targetMissing reports whether a 404 says that the operation's object is missing. The summary may end in the object's
// type: "Resource not found: x (User)".
func targetMissing(e abi.Upstream, typ string) bool {
	return objectMissing(e) && (missingType(e, typ) || !typed(e))
}

// missingType reports whether a 404 says that an object of type typ is missing.
func missingType(e abi.Upstream, typ string) bool {
	return e.Status == 404 && strings.HasSuffix(strings.TrimSpace(e.Summary), "("+typ+")")
}

// objectMissing reports whether a 404 of Okta's says that some object is missing. Okta sends its code, or the object's
// type in brackets. Any other 404 comes from a proxy, portal or other server, and says nothing about the object.
func objectMissing(e abi.Upstream) bool {
	return e.Status == 404 && (e.Code == notFoundCode || e.Code == "E0000048" || typed(e))
}

// typed reports whether the summary ends in the type of the missing object.
func typed(e abi.Upstream) bool { return strings.HasSuffix(strings.TrimSpace(e.Summary), ")") }

// ownError reports whether an error has Okta's form. Proxies do not send Okta's codes.
func ownError(e abi.Upstream) bool {
	return strings.HasPrefix(e.Code, "E0") || slices.Contains(oauthErrors, e.Code) || objectMissing(e)
}

// oauthErrors are the codes of Okta's OAuth endpoints (RFC 6749, 6750, 7591, 9449).
var oauthErrors = []string{"invalid_request", "invalid_token", "insufficient_scope", "invalid_client", "unauthorized_client", "access_denied",
	"invalid_scope", "invalid_grant", "unsupported_grant_type", "invalid_client_metadata", "invalid_redirect_uri", "invalid_dpop_proof", "use_dpop_nonce"}

// explain returns a code for a refusal, and what to do about it. auth is the type of the connection's credential.
func explain(e abi.Upstream, auth string) (code, advice string) {
	switch {
	case e.Code == "E0000011":
		return "credentials", invalidToken(auth)
	case e.Code == "E0000015":
		return "feature", "the org does not have this feature (devices and authenticators need Identity Engine, authorization servers need API Access " +
			"Management), or the token's owner may not use it. "
	case e.Status == 401 || e.Status == 403 && e.Code == noPermission:
		return "forbidden", "the token's owner lacks the admin role (or OAuth scope) for this request. "
	}
	return "", ""
}

// invalidToken says what to do about E0000011.
func invalidToken(auth string) string {
	const (
		ofToken = "the token was revoked, has expired (30 days without use) or belongs to another org: put a new one where token_secret_ref points. " +
			"Or its owner was suspended or deactivated: activate the owner, or use another administrator's token. "
		ofApp = "the service app was deactivated: activate it. Or its access token was revoked: try again in a minute. "
	)
	switch auth {
	case abi.AuthToken:
		return "the token is not valid. Perhaps " + ofToken
	case abi.AuthOAuth:
		return "the access token is not valid. Perhaps " + ofApp
	}
	return "the token is not valid. With token_secret_ref, " + ofToken + "With oauth, " + ofApp // the host does not say which
}

// limited returns how long to wait after a 429 without Retry-After, in milliseconds, and a text that says which limit
// it is. It uses the summary, or the kind of limit.
func limited(e abi.Upstream) (wait int64, advice string) {
	const hour = 60 * 60_000
	if e.Code != "" && e.Code != bucketLimit {
		advice = "this limit is not one of the API's rate limits. "
	}
	if _, text, ok := strings.Cut(e.Summary, "wait "); ok && strings.Contains(text, " second") {
		number, _, _ := strings.Cut(text, " ")
		if s, ok := texts.WholeNumber(number); ok && s > 0 && s < 86_400 {
			return s * 1000, advice
		}
	}
	switch e.Code {
	case "E0000146", "E0000147", "E0000186": // limits of the org for 24 hours or 30 days
		wait = hour
	}
	return wait, advice
}
