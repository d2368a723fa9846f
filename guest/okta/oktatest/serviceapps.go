package oktatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ServiceApp is an OAuth service app of an org: a client that gets access tokens with the client credentials grant.
type ServiceApp struct {
	ClientID string
	Keys     []jose.JSONWebKey // public keys that sign its assertions, each with a kid
	Scopes   []string          // scopes that it was granted
	// DPoP makes the app require proofs, as new apps of Okta's do: its tokens are bound to the key of the proof. Without
	// it, proofs are ignored and tokens are Bearer tokens.
	DPoP bool
	// NoRole is for an app without an administrator role: every request answers 403 E0000006.
	NoRole   bool
	Inactive bool // assertions answer 401 invalid_client
}

// IssuedToken describes an access token that the org issued.
type IssuedToken struct {
	Value    string
	ClientID string
	Scopes   []string
	DPoP     bool
	At       time.Time
}

// Limits of assertions and proofs.
const (
	maxAssertionLife = time.Hour       // okta/okta-sdk-python#382
	clockSkew        = 5 * time.Second // a time so far in the future is accepted
	proofWindow      = 5 * time.Minute // age of a proof
	nonceLife        = 24 * time.Hour  // then there is a new one: https://developer.okta.com/docs/guides/dpop/
	nonceGrace       = 72 * time.Hour  // so long an old one is accepted
)

// serviceApps is the state of the org's authorization server.
type serviceApps struct {
	mu     sync.Mutex
	apps   map[string]*ServiceApp
	tokens map[string]*accessToken
	seen   map[string]time.Time // ids of assertions and proofs, and when they may be forgotten
	issued []IssuedToken
	failed int // token requests that were refused, except for a missing nonce
	nonces []nonce
	demand bool // API requests need a nonce, too
}

type accessToken struct {
	app     string
	scopes  []string
	key     string // thumbprint of the key that the token is bound to; "" for a Bearer token
	expires time.Time
}

type nonce struct {
	value string
	from  time.Time
}

// NewServiceApp returns an app with a new key, and the private key as PEM. Its id and key are random.
func NewServiceApp(scopes ...string) (app ServiceApp, privateKey string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("oktatest: " + err.Error())
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic("oktatest: " + err.Error())
	}
	app = ServiceApp{ClientID: "0oa" + randomText(9)[:17], Scopes: scopes, DPoP: true,
		Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "simulated-" + randomText(6), Use: "sig", Algorithm: string(jose.ES256)}}}
	return app, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // cannot fail
	return hex.EncodeToString(b)
}

// Scopes returns the scopes that the org has, sorted.
func Scopes() []string {
	var all []string
	for _, resource := range scopeResources {
		for _, what := range []string{".read", ".manage"} {
			if scope := "okta." + resource + what; resource != "logs" || what == ".read" {
				all = append(all, scope)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// AddServiceApp adds an app, or replaces the one with the same id. Tokens that the app has stay valid.
func (o *Org) AddServiceApp(app ServiceApp) {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	app.Keys, app.Scopes = slices.Clone(app.Keys), slices.Clone(app.Scopes)
	o.serviceApps.apps[app.ClientID] = &app
}

// ServiceApp returns an app, to change it and add it again.
func (o *Org) ServiceApp(clientID string) (app ServiceApp, found bool) {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	known := o.serviceApps.apps[clientID]
	if known == nil {
		return ServiceApp{}, false
	}
	return *known, true
}

// RevokeTokens ends all access tokens.
func (o *Org) RevokeTokens() {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	clear(o.serviceApps.tokens)
}

// RotateNonce makes a new nonce for proofs, and accepts no other.
func (o *Org) RotateNonce() {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	o.serviceApps.nonces = []nonce{{randomText(16), o.cfg.Now()}}
}

// DemandNonce makes API requests with DPoP need a nonce, which Okta's do not today.
func (o *Org) DemandNonce() {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	o.serviceApps.demand = true
}

// IssuedTokens returns the access tokens that were issued, oldest first.
func (o *Org) IssuedTokens() []IssuedToken {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	return slices.Clone(o.serviceApps.issued)
}

// RefusedTokens returns how many requests for a token were refused, not counting those for a nonce.
func (o *Org) RefusedTokens() int {
	o.serviceApps.mu.Lock()
	defer o.serviceApps.mu.Unlock()
	return o.serviceApps.failed
}

// use records the id of an assertion or proof until forget, and reports whether it is new.
func (s *serviceApps) use(id string, now, forget time.Time) bool {
	maps.DeleteFunc(s.seen, func(_ string, until time.Time) bool { return len(s.seen) > 10_000 && now.After(until) })
	if _, again := s.seen[id]; again || id == "" {
		return false
	}
	s.seen[id] = forget
	return true
}

// nonce returns the current nonce.
func (s *serviceApps) nonce(now time.Time) string {
	if n := len(s.nonces); n == 0 || now.Sub(s.nonces[n-1].from) >= nonceLife {
		s.nonces = append(s.nonces, nonce{randomText(16), now})
	}
	return s.nonces[len(s.nonces)-1].value
}

// accepts reports whether a nonce is the current one, or was until lately.
func (s *serviceApps) accepts(value string, now time.Time) bool {
	s.nonce(now)
	for i, n := range s.nonces {
		if n.value == value {
			return i == len(s.nonces)-1 || now.Sub(s.nonces[i+1].from) < nonceGrace
		}
	}
	return false
}

func serviceAppEndpoints() []endpoint {
	return []endpoint{{pattern: "POST /oauth2/v1/token", bucket: "/oauth2/v1/token", handle: issueToken, open: true, unlocked: true}}
}

// oauthError is an error response of the token endpoint (RFC 6749, section 5.2).
type oauthError struct {
	status            int
	code, description string
}

func (e oauthError) answer(header http.Header) answer {
	body := appendField(appendField([]byte{'{'}, "error", e.code), "error_description", e.description)
	return answer{status: e.status, header: header, body: append(body, '}'), foreign: true}
}

// issueToken answers POST /oauth2/v1/token.
func issueToken(o *Org, c *call) (answer, error) {
	s := &o.serviceApps
	s.mu.Lock()
	defer s.mu.Unlock()
	header := http.Header{"Cache-Control": {"no-store"}}
	fail := func(status int, code, format string, args ...any) (answer, error) {
		if code == "use_dpop_nonce" {
			header.Set("DPoP-Nonce", s.nonce(c.now))
		} else {
			s.failed++
		}
		return oauthError{status, code, fmt.Sprintf(format, args...)}.answer(header), nil
	}
	form, err := parseForm(c)
	if err != nil {
		return fail(http.StatusBadRequest, "invalid_request", "%s", err)
	}
	if form.Get("grant_type") != "client_credentials" {
		return fail(http.StatusBadRequest, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server.")
	}
	app, why := s.authenticate(form, requestOrigin(c.Request)+c.URL.Path, c.now)
	if why != "" {
		return fail(http.StatusUnauthorized, "invalid_client", "%s", why)
	}
	scopes := strings.Fields(form.Get("scope"))
	if len(scopes) == 0 {
		return fail(http.StatusBadRequest, "invalid_scope", "The authorization server resource does not have any configured default scopes, 'scope' must be provided.")
	}
	t := &accessToken{app: app.ClientID, scopes: scopes, expires: c.now.Add(o.cfg.TokenLife)}
	if app.DPoP {
		proof, why := s.readProof(c, "")
		switch {
		case why != "":
			return fail(http.StatusBadRequest, "invalid_dpop_proof", "%s", why)
		case proof.Nonce == "":
			return fail(http.StatusBadRequest, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")
		case !s.accepts(proof.Nonce, c.now):
			return fail(http.StatusBadRequest, "use_dpop_nonce", "The DPoP proof JWT nonce is invalid.")
		}
		t.key = proof.key
	}
	for _, scope := range scopes {
		if !slices.Contains(app.Scopes, scope) {
			return fail(http.StatusBadRequest, "invalid_scope", "One or more scopes are not configured for the authorization server resource.")
		}
	}
	value, typ := "simulated."+randomText(40)+"."+randomText(20), "Bearer"
	if t.key != "" {
		typ = "DPoP"
	}
	s.tokens[value] = t
	s.issued = append(s.issued, IssuedToken{value, app.ClientID, slices.Clone(scopes), t.key != "", c.now})
	body := appendField(append([]byte{'{'}, `"token_type":"`+typ+`"`...), "access_token", value)
	body = appendField(fmt.Appendf(body, `,"expires_in":%d`, int(o.cfg.TokenLife.Seconds())), "scope", strings.Join(scopes, " "))
	return answer{header: header, body: append(body, '}'), foreign: true}, nil
}

// authenticate returns the app that an assertion belongs to, or what is wrong with it.
func (s *serviceApps) authenticate(form formValues, audience string, now time.Time) (app *ServiceApp, why string) {
	text := form.Get("client_assertion")
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || text == "" {
		return nil, "Client authentication failed. Either the client or the client credentials are invalid."
	}
	if len(text) > 8<<10 {
		return nil, "The client_assertion is too long."
	}
	signed, err := jose.ParseSignedCompact(text, signatureAlgorithms)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, "The client_assertion is not a signed JWT, or its alg is not allowed."
	}
	var claims struct {
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		Audience  any    `json:"aud"`
		Issued    int64  `json:"iat"`
		NotBefore int64  `json:"nbf"`
		Expires   int64  `json:"exp"`
		ID        string `json:"jti"`
	}
	if decodeClaims(signed.UnsafePayloadWithoutVerification(), &claims) != nil {
		return nil, "The client_assertion has no usable claims."
	}
	if app = s.apps[claims.Subject]; app == nil || app.Inactive || claims.Issuer != claims.Subject {
		return nil, "Invalid value for 'client_id' parameter."
	}
	verified := false
	for _, key := range app.Keys {
		if key.KeyID == signed.Signatures[0].Header.KeyID && (key.Algorithm == "" || key.Algorithm == signed.Signatures[0].Header.Algorithm) {
			_, err := signed.Verify(key)
			verified = err == nil
		}
	}
	expires, early := time.Unix(claims.Expires, 0), now.Add(clockSkew)
	audiences, _ := claims.Audience.([]any)
	switch {
	case !verified:
		return nil, "The client_assertion signature is invalid."
	case claims.Audience != audience && !slices.Contains(audiences, any(audience)):
		return nil, "The audience claim for client_assertion must be the endpoint invoked for the request."
	case claims.Expires == 0 || !now.Before(expires):
		return nil, "The client_assertion token is expired."
	case expires.Sub(now) > maxAssertionLife:
		return nil, "The client_assertion token has an expiration too far into the future."
	case time.Unix(claims.Issued, 0).After(early) || time.Unix(claims.NotBefore, 0).After(early):
		return nil, "The client_assertion token was issued in the future."
	case !s.use("assertion "+app.ClientID+" "+claims.ID, now, expires):
		return nil, "The client_assertion token has already been used."
	}
	return app, ""
}
