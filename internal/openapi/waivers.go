package openapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/routers"
)

// exceptions are endpoints of Okta's other documents (OAuth 2.0, dynamic client registration), which the judge does
// not have and cannot check. TestOAuthClients_Listed_MatchOktasExample (guest/okta/oktatest) compares them with Okta's published
// example instead.
var exceptions = []string{
	"GET /oauth2/v1/clients",
	"GET /oauth2/v1/clients/{clientId}",
}

func excepted(req *http.Request) bool {
	segments := strings.Split(req.URL.EscapedPath(), "/")
	return slices.ContainsFunc(exceptions, func(endpoint string) bool {
		method, path, _ := strings.Cut(endpoint, " ")
		_, ok := template{path, strings.Split(path, "/")}.match(segments)
		return ok && method == req.Method
	})
}

// refusals reports whether Okta is known to refuse with a status that the document lacks.
func refusals(status int) bool {
	switch status {
	case http.StatusBadRequest, // a wrong query parameter of a list
		http.StatusUnauthorized,       // a bad token, or a feature that the org does not have
		http.StatusNotFound,           // another id in the body or query does not exist
		http.StatusConflict,           // assigned already
		http.StatusPreconditionFailed, // If-Match
		http.StatusLocked:             // policies being reconciled
		return true
	}
	return status >= 500
}

// waiver allows one kind of violation that Okta itself commits.
type waiver struct {
	place    string // path of the member in the body, with * for blanks; a final "**" is any depth; or ?parameter
	keyword  string // the violated keyword: type, nullable, enum, …
	endpoint string // template; "" is any
	reason   string
}

// waivers are the violations in recordings of real orgs and in Okta's published examples.
var waivers = []waiver{
	// These are null, although the document has only the type.
	{"address1", "nullable", "GET /api/v1/org", "recorded: an org without an address"},
	{"address2", "nullable", "GET /api/v1/org", "recorded"},
	{"city", "nullable", "GET /api/v1/org", "recorded"},
	{"country", "nullable", "GET /api/v1/org", "recorded"},
	{"expiresAt", "nullable", "GET /api/v1/org", "recorded: an org that does not expire"},
	{"postalCode", "nullable", "GET /api/v1/org", "recorded"},
	{"state", "nullable", "GET /api/v1/org", "recorded"},
	{"_links/logo", "nullable", "GET /api/v1/org", "the document's own example"},
	{"**/profile/description", "nullable", "", "recorded: a group without a description"},
	{"**/accessibility/errorRedirectUrl", "nullable", "", "recorded: most applications"},
	{"**/accessibility/loginRedirectUrl", "nullable", "", "recorded: most applications"},
	{"**/settings/notes/admin", "nullable", "", "recorded: applications without notes"},
	{"**/settings/notes/enduser", "nullable", "", "recorded: applications without notes"},
	{"**/settings/notifications/vpn/helpUrl", "nullable", "", "recorded: applications without a VPN notice"},
	{"**/settings/notifications/vpn/message", "nullable", "", "recorded: applications without a VPN notice"},
	{"**/universalLogout", "nullable", "", "recorded: applications that do not support it"},
	{"**/settings/signOn/audienceOverride", "nullable", "", "recorded: SAML applications"},
	{"**/settings/signOn/defaultRelayState", "nullable", "", "recorded: SAML applications"},
	{"**/settings/signOn/destinationOverride", "nullable", "", "recorded: SAML applications"},
	{"**/settings/signOn/recipientOverride", "nullable", "", "recorded: SAML applications"},
	{"**/settings/signOn/spIssuer", "nullable", "", "recorded: SAML applications"},
	{"**/settings/signOn/ssoAcsUrlOverride", "nullable", "", "recorded: SAML applications"},
	{"**/settings/oauthClient/client_uri", "nullable", "", "recorded: OIDC applications"},
	{"**/settings/oauthClient/logo_uri", "nullable", "", "recorded: OIDC applications"},
	{"**/externalId", "nullable", "", "recorded: application users that are not provisioned"},
	{"**/resourceAlternateId", "nullable", "", "recorded: every device"},
	{"*/conditions", "nullable", "GET /api/v1/policies/{policyId}/rules", "recorded: the catch-all rule"},
	{"*/description", "nullable", "GET /api/v1/authorizationServers/{authServerId}/scopes", "recorded"},
	{"lastFactorVerification", "nullable", "GET /api/v1/sessions/{sessionId}", "recorded: a session without a factor"},
	{"**/locations/*/region", "nullable", "", "recorded: a zone of whole countries"},

	// Values that the document does not list, members that it requires and Okta leaves out.
	{"*", "discriminator", "GET /api/v1/authenticators", "recorded: keys of authenticators that the document does not know"},
	{"*/name", "enum", "GET /api/v1/apps", "recorded: applications of the integration network have their own names"},
	{"name", "enum", "GET /api/v1/apps/{appId}", "recorded: the same"},
	{"**/proxyType", "enum", "", "recorded: dynamic zones with the proxy type null"},
	{"*/conditions/people/groups", "required", "GET /api/v1/policies/{policyId}/rules", "recorded: rules for all groups"},
	{"*/conditions/people/users/include", "required", "GET /api/v1/policies/{policyId}/rules", "recorded: rules that only exclude"},
	{"conditions/people/groups", "required", "GET /api/v1/policies/{policyId}/rules/{ruleId}", "recorded in lists: rules for all groups"},
	{"conditions/people/users/include", "required", "GET /api/v1/policies/{policyId}/rules/{ruleId}", "recorded in lists: rules that only exclude"},
	{"**/settings/signOn/*", "required", "", "recorded: applications of the integration network keep their SAML settings to themselves"},
	{"**/configuredAttributeStatements/*/namespace", "enum", "", "recorded: the formats that Okta's interface writes"},
	{"**/settings/app/*", "required", "", "recorded: applications with their own settings"},
	{"_embedded/blocks", "type", "GET /api/v1/users/{id}", "the document says object in User and array in UserGetSingleton, and the response is both"},
	{"", "oneOf", "POST /api/v1/apps/{appId}/users/{userId}", "a body with a profile matches both schemas of the document, which require nothing"},
	{"**/_embedded/user/*", "type", "GET /api/v1/apps", "the document says that expand puts the application's user here, and its schema wants objects of objects"},
	{"**/_embedded/user/*", "nullable", "GET /api/v1/apps", "the same"},
	{"**/_embedded/user/*", "type", "GET /api/v1/apps/{appId}", "the same"},
	{"**/_embedded/user/*", "nullable", "GET /api/v1/apps/{appId}", "the same"},
	{"**/settings/eventSourceName", "pattern", "", "the document's own example: the pattern allows one character only"},
	{"settings/recovery/factors/recovery_question/properties/complexity/minLength", "readOnly", "PUT /api/v1/policies/{policyId}", "recorded: Okta's own provider sends another one, and Okta accepts it"},
	{"system", "readOnly", "PUT /api/v1/zones/{zoneId}", "okta/terraform-provider-okta#2690: Okta wants it in a PUT of BlockedIpZone"},
	{"id", "readOnly", "PUT /api/v1/apps/{appId}/groups/{groupId}", "recorded: Okta's own provider sends it"},

	{"*/tokenWindow", "pattern", "GET /api/v1/api-tokens", "this edition has (?:$) where a lookahead was: no duration matches"},

	// A later edition of the document lists these values.
	{"?type", "enum", "GET /api/v1/policies", "2026.06.2 has SESSION_VIOLATION_DETECTION, CLIENT_UPDATE and IDENTITY_CLAIM_SOURCING too"},

	// The System Log: Okta's published events violate its schema.
	{"*/**", "nullable", "GET /api/v1/logs", "an event has null for all that is unknown, including target and outcome"},
	{"**/geographicalContext/postalCode", "type", "GET /api/v1/logs", "Okta's examples have numbers"},
	{"**/securityContext/userBehaviors/*", "type", "GET /api/v1/logs", "okta-mcp-server#39: objects, not strings"},
}

// waivedStatuses are statuses that Okta returns and the document does not list.
var waivedStatuses = []struct {
	endpoint string
	status   int
	as       int // the documented status with the same response
	reason   string
}{
	{"POST /oauth2/v1/clients/{clientId}/roles", 201, 200, "recorded: clients get the 201 of users and groups"},
	{"POST /api/v1/users/{id}/lifecycle/deactivate", 204, 0, "recorded in 2020: an empty response instead of {}"},
}

// waived reports whether Okta itself commits a schema violation at a place.
func waived(route *routers.Route, place []string, keyword string) bool {
	return slices.ContainsFunc(waivers, func(w waiver) bool {
		return w.keyword == keyword && (w.endpoint == "" || w.endpoint == route.Method+" "+route.Path) && placeMatches(w.place, place)
	})
}

func placeMatches(pattern string, pointer []string) bool {
	if rest, ok := strings.CutPrefix(pattern, "**/"); ok {
		want := strings.Split(rest, "/")
		return len(pointer) >= len(want) && segmentsMatch(want, pointer[len(pointer)-len(want):])
	}
	if rest, ok := strings.CutSuffix(pattern, "/**"); ok {
		want := strings.Split(rest, "/")
		return len(pointer) > len(want) && segmentsMatch(want, pointer[:len(want)])
	}
	if pattern == "" { // the whole body
		return len(pointer) == 0
	}
	return segmentsMatch(strings.Split(pattern, "/"), pointer)
}

func segmentsMatch(want, have []string) bool {
	return slices.EqualFunc(want, have, func(w, h string) bool { return w == "*" || w == h })
}
