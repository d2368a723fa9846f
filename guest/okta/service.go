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

// okta is what the connector SDK has to know of Okta.
var okta = connector.Service{
	Name:      "Okta",
	RequestID: "x-okta-request-id",
	PageParam: "limit",
	Changed:   "lastUpdated",
	Objects: []connector.ObjectKind{
		{Segment: "users", Input: "user", Read: getUser.Endpoint, Type: "User", InBodyBelow: "/api/v1/apps/"}, // an assignment names its user in the body
		{Segment: "groups", Input: "group", Read: getGroup.Endpoint, Type: "UserGroup"},
		{Segment: "apps", Read: getApp.Endpoint, Type: "AppInstance"},
		{Segment: "factors", Input: "factor", Alone: true},
		{Segment: "zones", Input: "zone"},
	},
	OwnShape: func(v jsonval.Value) bool {
		return v.Get("id").Str() != "" && (v.Get("created").Exists() || v.Get("lastUpdated").Exists() || v.Get("_links").Exists()) || credentials(v) != ""
	},
	// It has been recorded to answer these in an order of its own (okta/terraform-provider-okta, policies, their rules,
	// authorization servers and network zones).
	Rules: compare.Rules{
		Sets: []string{"include", "exclude", "methods", "grantTypes", "authenticators", "locations", "asns"},
		// An authenticator that nobody may enrol is as good as none: Okta adds all that the org has to the settings of a policy.
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
		Transient: []string{"E0000112", "E0000239", "E0000249", "E0000253", "E0000268"}, // an object that is still being set up or changed
		Doubtful:  noPermission,
		GaveUp:    tookTooLong,
		Foreign:   notOkta,
		Listed: []hostcall.Pair{{Name: "application", Value: "list_applications"}, {Name: "authorization server", Value: "list_authorization_servers"},
			{Name: "custom role", Value: "list_roles"}, {Name: "device", Value: "list_devices"}, {Name: "network zone", Value: "list_zones"},
			{Name: "policy", Value: "list_policies"}},
	},
}

const (
	// notFoundCode is Okta's code for an object that is missing.
	notFoundCode = "E0000007"
	// noPermission is Okta's code for a token whose role does not allow a request. It also answers so in passing, to a token
	// that may (https://github.com/firezone/firezone/issues/15233).
	noPermission = "E0000006"
	// tookTooLong is Okta's code for a query that it gave up after 30 s, and for any other failure of its own.
	tookTooLong = "E0000009"
	// bucketLimit is the code of a 429 that means the rate limit of a bucket, or too many requests at once. Okta has other
	// limits, which count messages: per recipient, or of the org in a day or month (error catalogue, HTTP 429).
	bucketLimit = "E0000047"
	// notOkta is the code of an answer that did not come from Okta.
	notOkta = "not_okta"
)

// readError reads Okta's error body. Not every failure has its shape, and one published example has errorCauses as an object.
func readError(body jsonval.Value, e *abi.Upstream) {
	e.Code, e.Summary = body.Get("errorCode").Str(), body.Get("errorSummary").Str()
	if e.Code == "" { // an OAuth error, or a plain message
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

// targetMissing reports whether a 404 says that the object of an operation is missing. It names the object's type at its end, if
// any: "Resource not found: x (User)".
func targetMissing(e abi.Upstream, typ string) bool {
	return objectMissing(e) && (missingType(e, typ) || !typed(e))
}

// missingType reports whether a 404 says that an object of this type is missing.
func missingType(e abi.Upstream, typ string) bool {
	return e.Status == 404 && strings.HasSuffix(strings.TrimSpace(e.Summary), "("+typ+")")
}

// objectMissing reports whether a 404 says that some object is missing. Okta alone says so: with its code, or by the
// type of what is missing, in brackets. Any other 404 is a proxy's, a portal's or another server's, and says nothing.
func objectMissing(e abi.Upstream) bool {
	return e.Status == 404 && (e.Code == notFoundCode || e.Code == "E0000048" || typed(e))
}

// typed reports whether the summary ends in the type of what is missing.
func typed(e abi.Upstream) bool { return strings.HasSuffix(strings.TrimSpace(e.Summary), ")") }

// ownError reports whether an error is in Okta's shape. What is in between has none of its codes.
func ownError(e abi.Upstream) bool {
	return strings.HasPrefix(e.Code, "E0") || slices.Contains(oauthErrors, e.Code) || objectMissing(e)
}

// oauthErrors are the codes that Okta's OAuth endpoints answer with (RFC 6749, 6750, 7591, 9449).
var oauthErrors = []string{"invalid_request", "invalid_token", "insufficient_scope", "invalid_client", "unauthorized_client", "access_denied",
	"invalid_scope", "invalid_grant", "unsupported_grant_type", "invalid_client_metadata", "invalid_redirect_uri", "invalid_dpop_proof", "use_dpop_nonce"}

// explain gives a refusal a code and says what to do about it.
func explain(e abi.Upstream) (code, advice string) {
	switch {
	case e.Code == "E0000011":
		return "credentials", "the token is not valid. Either it was revoked, has expired (30 days without use) or is of another org: put a new one where " +
			"token_secret_ref points. Or its owner was suspended or deactivated: make the owner active again, or take a token of another administrator. "
	case e.Code == "E0000015":
		return "feature", "the org does not have this feature (devices and authenticators are Identity Engine's, authorization servers API Access " +
			"Management's), or the token's owner may not use it. "
	case e.Status == 401 || e.Status == 403 && e.Code == noPermission:
		return "forbidden", "the token's owner lacks the admin role (or OAuth scope) for this. "
	}
	return "", ""
}

// limited says how long to wait after a 429 without Retry-After, in milliseconds, by the text or by the kind of limit; and
// which limit it is.
func limited(e abi.Upstream) (wait int64, advice string) {
	const hour = 60 * 60_000
	if e.Code != "" && e.Code != bucketLimit {
		advice = "this limit is separate from the API's rate limits. "
	}
	if _, text, ok := strings.Cut(e.Summary, "wait "); ok && strings.Contains(text, " second") {
		number, _, _ := strings.Cut(text, " ")
		if s, ok := texts.WholeNumber(number); ok && s > 0 && s < 86_400 {
			return s * 1000, advice
		}
	}
	switch e.Code {
	case "E0000146", "E0000147", "E0000186": // of the org, in 24 hours or 30 days
		wait = hour
	}
	return wait, advice
}
