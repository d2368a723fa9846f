package oktatest

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signatureAlgorithms are those that Okta accepts (okta/okta-sdk-nodejs#453).
var signatureAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512}

// oktaText is an error in Okta's own words.
type oktaText string

// Error implements error.
func (t oktaText) Error() string { return string(t) }

// formValues are the parameters of a token request.
type formValues struct{ url.Values }

// parseForm reads the parameters of a token request. Each may be given once.
func parseForm(c *call) (formValues, error) {
	if kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return formValues{}, oktaText("The request content type must be application/x-www-form-urlencoded.")
	}
	values, err := url.ParseQuery(string(c.body))
	if err != nil || c.URL.RawQuery != "" {
		return formValues{}, oktaText("The request body is not a form, or parameters are in the URL.")
	}
	for name, all := range values {
		if len(all) != 1 {
			return formValues{}, oktaText("The parameter " + name + " is given more than once.")
		}
	}
	return formValues{values}, nil
}

// decodeClaims decodes the claims of a JWT.
func decodeClaims(payload []byte, claims any) error {
	return json.NewDecoder(bytes.NewReader(payload)).Decode(claims)
}

// proof is a DPoP proof (RFC 9449, section 4.2).
type proof struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"`
	Issued int64  `json:"iat"`
	Nonce  string `json:"nonce"`
	Token  string `json:"ath"`

	key string // thumbprint of the key
}

// readProof checks the proof of a request, as RFC 9449, section 4.3, says, or returns what is wrong with it. token is the
// access token of an API request, else empty.
func (s *serviceApps) readProof(c *call, token string) (p proof, why string) {
	headers := c.Header.Values("DPoP")
	switch {
	case len(headers) == 0:
		return p, "The DPoP proof JWT header is missing."
	case len(headers) > 1:
		return p, "There is more than one DPoP proof JWT header."
	case len(headers[0]) > 8<<10:
		return p, "The DPoP proof JWT is too long."
	}
	signed, err := jose.ParseSignedCompact(headers[0], signatureAlgorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return p, "The DPoP proof JWT is not a signed JWT, or its alg is not allowed."
	}
	header := signed.Signatures[0].Header
	if header.ExtraHeaders[jose.HeaderType] != "dpop+jwt" {
		return p, "The DPoP proof JWT has another 'typ' than dpop+jwt."
	}
	key := header.JSONWebKey
	if key == nil || !key.Valid() || !key.IsPublic() {
		return p, "The DPoP proof JWT has no 'jwk' with a public key."
	}
	payload, err := signed.Verify(key)
	if err != nil || decodeClaims(payload, &p) != nil {
		return p, "The DPoP proof JWT signature is invalid."
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return p, "The DPoP proof JWT key is invalid."
	}
	p.key = string(thumbprint)
	age := c.now.Sub(time.Unix(p.Issued, 0))
	sum := sha256.Sum256([]byte(token))
	switch {
	case p.Method != c.Method:
		return p, "The DPoP proof JWT 'htm' is invalid."
	case p.URL != requestOrigin(c.Request)+c.URL.EscapedPath():
		return p, "The DPoP proof JWT 'htu' is invalid."
	case age < -clockSkew || age > proofWindow:
		return p, "The DPoP proof JWT 'iat' is invalid."
	case token != "" && p.Token != base64.RawURLEncoding.EncodeToString(sum[:]):
		return p, "The DPoP proof JWT 'ath' is invalid."
	case len(p.ID) < 16 || !s.use("proof "+p.ID, c.now, c.now.Add(proofWindow+clockSkew)):
		return p, "The DPoP proof JWT has already been used."
	}
	return p, ""
}

// tokenRefusal is a refused access token.
type tokenRefusal struct {
	refusal *apiError
	header  http.Header
}

// byToken checks the access token of a request, and sets c.app. It returns nil if the token is valid.
func (o *Org) byToken(c *call, e *endpoint) *tokenRefusal {
	s := &o.serviceApps
	s.mu.Lock()
	defer s.mu.Unlock()
	scheme, value, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	t := s.tokens[value]
	refuse := func(refusal *apiError, code, description string) *tokenRefusal {
		scheme := "Bearer"
		if t != nil && t.key != "" {
			scheme = `DPoP algs="RS256 RS384 RS512 ES256 ES384 ES512",`
		}
		challenge := scheme + ` authorization_uri="` + c.origin + `/oauth2/v1/authorize", realm="` + c.origin + `", error="` + code + `", error_description="` + description + `"`
		if code == "insufficient_scope" {
			challenge += `, scope="` + scopeOf(e) + `", resource="` + c.URL.Path + `"`
		}
		return &tokenRefusal{refusal, http.Header{"Www-Authenticate": {challenge}}}
	}
	switch {
	case t == nil:
		return refuse(errBadToken, "invalid_token", "The access token is invalid.")
	case !c.now.Before(t.expires):
		return refuse(errBadToken, "invalid_token", "The access token has expired.")
	case scheme == "Bearer" && t.key != "":
		return refuse(errBadToken, "invalid_token", "The access token is bound to a key, and the request has no proof of it.")
	case scheme == "DPoP" && t.key == "":
		return refuse(errBadToken, "invalid_token", "The access token is not bound to a key.")
	case scheme != "Bearer" && scheme != "DPoP":
		return refuse(errBadToken, "invalid_token", "The access token is invalid.")
	}
	if t.key != "" {
		p, why := s.readProof(c, value)
		switch {
		case why != "":
			return refuse(errBadToken, "invalid_dpop_proof", why)
		case p.key != t.key:
			return refuse(errBadToken, "invalid_dpop_proof", "The DPoP proof JWT has another key than the access token.")
		case s.demand && !s.accepts(p.Nonce, c.now):
			r := refuse(errBadToken, "use_dpop_nonce", "Resource server requires nonce in DPoP proof.")
			r.header.Set("DPoP-Nonce", s.nonce(c.now))
			return r
		}
	}
	if e != nil && !allows(t.scopes, scopeOf(e)) {
		return refuse(errForbidden, "insufficient_scope", "The access token provided does not contain the required scopes.")
	}
	c.app = s.apps[t.app]
	if c.app == nil || c.app.Inactive {
		return refuse(errBadToken, "invalid_token", "The access token is invalid.")
	}
	return nil
}

// allows reports whether one of the scopes allows what needs a scope. A scope to manage allows reading.
func allows(scopes []string, needed string) bool {
	return slices.Contains(scopes, needed) || slices.Contains(scopes, strings.TrimSuffix(needed, ".read")+".manage")
}

// scopeResources are the resources of scopes by the path of their endpoints, the first that fits.
var scopeResources = map[string]string{
	"/api/v1/users/{}/roles": "roles", "/api/v1/groups/{}/roles": "roles", "/oauth2/v1/clients/{}/roles": "roles", "/api/v1/iam": "roles",
	"/api/v1/users": "users", "/api/v1/groups": "groups", "/api/v1/apps": "apps", "/api/v1/logs": "logs", "/api/v1/devices": "devices",
	"/api/v1/sessions": "sessions", "/api/v1/policies": "policies", "/api/v1/zones": "networkZones", "/api/v1/org": "orgs",
	"/api/v1/authorizationServers": "authorizationServers", "/api/v1/authenticators": "authenticators", "/oauth2/v1/clients": "clients",
	"/api/v1/meta/types": "userTypes", "/api/v1/meta/schemas": "schemas", "/api/v1/api-tokens": "apiTokens", "/api/v1/realms": "realms",
	"/api/v1/idps": "idps", "/api/v1/trustedOrigins": "trustedOrigins", "/api/v1/eventHooks": "eventHooks", "/api/v1/logStreams": "logStreams",
	"/api/v1/behaviors": "behaviors", "/api/v1/threats": "threatInsights",
}

// scopeOf returns the scope that an endpoint needs.
func scopeOf(e *endpoint) string {
	method, template, _ := strings.Cut(anonymous(e.pattern), " ")
	best := ""
	for path := range scopeResources {
		if (template == path || strings.HasPrefix(template, path+"/")) && len(path) > len(best) {
			best = path
		}
	}
	if best == "" {
		return "okta.unknown.manage"
	}
	if method == http.MethodGet {
		return "okta." + scopeResources[best] + ".read"
	}
	return "okta." + scopeResources[best] + ".manage"
}
