package oktatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const origin = "http://org.example.com"

// tester makes assertions and proofs, right ones and wrong ones.
type tester struct {
	org   *Org
	app   ServiceApp
	key   any // signs assertions
	bound *ecdsa.PrivateKey
	now   time.Time
}

func newTester(t *testing.T, change func(*Config)) *tester {
	t.Helper()
	app, text := NewServiceApp("okta.users.read", "okta.groups.manage")
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &tester{app: app, key: key, bound: bound, now: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)}
	cfg := Config{ServiceApps: []ServiceApp{app}, Now: func() time.Time { return x.now }}
	if change != nil {
		change(&cfg)
	}
	x.org = New(cfg)
	return x
}

func signed(t *testing.T, key any, algorithm jose.SignatureAlgorithm, options *jose.SignerOptions, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// assertion returns an assertion. changes replace its claims; nil removes one.
func (x *tester) assertion(t *testing.T, changes map[string]any) string {
	claims := map[string]any{"iss": x.app.ClientID, "sub": x.app.ClientID, "aud": origin + "/oauth2/v1/token", "iat": x.now.Unix(), "exp": x.now.Add(time.Minute).Unix(), "jti": randomText(16)}
	return signed(t, jose.JSONWebKey{Key: x.key, KeyID: x.app.Keys[0].KeyID}, jose.ES256, nil, merged(claims, changes))
}

func merged(claims, changes map[string]any) map[string]any {
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// proof returns a proof. changes replace its claims, and "typ" its type.
func (x *tester) proof(t *testing.T, method, path, token string, changes map[string]any) string {
	claims := map[string]any{"jti": randomText(16), "htm": method, "htu": origin + path, "iat": x.now.Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	claims = merged(claims, changes)
	typ := jose.ContentType("dpop+jwt")
	if other, ok := claims["typ"].(string); ok {
		typ = jose.ContentType(other)
		delete(claims, "typ")
	}
	return signed(t, x.bound, jose.ES256, (&jose.SignerOptions{EmbedJWK: true}).WithType(typ), claims)
}

func (x *tester) send(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, origin+target, bytes.NewReader([]byte(body)))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	x.org.ServeHTTP(w, r)
	return w
}

func (x *tester) request(assertion, proof, scope string) *httptest.ResponseRecorder {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
	headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
	if proof != "" {
		headers = append(headers, "DPoP", proof)
	}
	return x.send("POST", "/oauth2/v1/token", form.Encode(), headers...)
}

const tokenPath = "/oauth2/v1/token"

// token returns an access token.
func (x *tester) token(t *testing.T, scope string) string {
	t.Helper()
	nonce := x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", nil), scope).Header().Get("DPoP-Nonce")
	w := x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", map[string]any{"nonce": nonce}), scope)
	var said struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Life  int    `json:"expires_in"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != 200 || said.Type != "DPoP" || said.Life != 3600 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return said.Token
}

func wantRefusal(t *testing.T, name string, w *httptest.ResponseRecorder, status int, code, text string) {
	t.Helper()
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &said)
	if w.Code != status || said.Error != code || !strings.Contains(said.Description, text) {
		t.Errorf("%s: %d %s, want %d %s %s", name, w.Code, w.Body, status, code, text)
	}
}

func TestToken_WrongAssertion_IsRefused(t *testing.T) {
	x := newTester(t, nil)
	at := func(d time.Duration) int64 { return x.now.Add(d).Unix() }
	for name, c := range map[string]struct {
		changes map[string]any
		want    string
	}{
		"another audience":     {map[string]any{"aud": origin + "/oauth2/default/v1/token"}, "audience"},
		"another issuer":       {map[string]any{"iss": "x"}, "client_id"},
		"an unknown client":    {map[string]any{"iss": "x", "sub": "x"}, "client_id"},
		"an hour and a second": {map[string]any{"exp": at(time.Hour + time.Second)}, "too far into the future"},
		"expired":              {map[string]any{"exp": at(0)}, "expired"},
		"no expiration":        {map[string]any{"exp": nil}, "expired"},
		"issued in the future": {map[string]any{"iat": at(time.Minute)}, "in the future"},
		"not valid yet":        {map[string]any{"nbf": at(time.Minute)}, "in the future"},
		"no id":                {map[string]any{"jti": nil}, ""},
	} {
		if name == "no id" {
			continue // Okta does not require it
		}
		wantRefusal(t, name, x.request(x.assertion(t, c.changes), "", "okta.users.read"), 401, "invalid_client", c.want)
	}
	again := x.assertion(t, nil)
	wantRefusal(t, "the first time", x.request(again, "", "okta.users.read"), 400, "invalid_dpop_proof", "header is missing")
	wantRefusal(t, "an assertion that was used", x.request(again, "", "okta.users.read"), 401, "invalid_client", "already been used")
	wantRefusal(t, "another key", x.request(signed(t, jose.JSONWebKey{Key: x.bound, KeyID: x.app.Keys[0].KeyID}, jose.ES256, nil,
		map[string]any{"iss": x.app.ClientID, "sub": x.app.ClientID}), "", "okta.users.read"), 401, "invalid_client", "signature")
	wantRefusal(t, "no assertion", x.request("", "", "okta.users.read"), 401, "invalid_client", "")
	x.app.Inactive = true
	x.org.AddServiceApp(x.app)
	wantRefusal(t, "an inactive app", x.request(x.assertion(t, nil), "", "okta.users.read"), 401, "invalid_client", "")
}

func TestToken_WrongProof_IsRefused(t *testing.T) {
	x := newTester(t, nil)
	for name, changes := range map[string]map[string]any{
		"htm": {"htm": "GET"}, "htu": {"htu": origin + "/x"}, "a query in htu": {"htu": origin + tokenPath + "?x=1"}, "old": {"iat": x.now.Add(-6 * time.Minute).Unix()},
		"future": {"iat": x.now.Add(time.Minute).Unix()}, "a short id": {"jti": "1"}, "another type": {"typ": "JWT"},
	} {
		wantRefusal(t, name, x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", changes), "okta.users.read"), 400, "invalid_dpop_proof", "")
	}
	wantRefusal(t, "no nonce", x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", nil), "okta.users.read"), 400, "use_dpop_nonce", "")
	wantRefusal(t, "another nonce", x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", map[string]any{"nonce": "x"}), "okta.users.read"), 400, "use_dpop_nonce", "")
	nonce := x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", nil), "okta.users.read").Header().Get("DPoP-Nonce")
	wantRefusal(t, "a scope that is not granted", x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", map[string]any{"nonce": nonce}), "okta.logs.read"), 400, "invalid_scope", "")
	wantRefusal(t, "no scope", x.request(x.assertion(t, nil), "", ""), 400, "invalid_scope", "")
	x.now = x.now.Add(nonceLife) // an old nonce is accepted for three days
	if w := x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", map[string]any{"nonce": nonce}), "okta.users.read"); w.Code != 200 {
		t.Errorf("yesterday's nonce: %d %s", w.Code, w.Body)
	}
	x.now = x.now.Add(nonceGrace)
	if w := x.request(x.assertion(t, nil), x.proof(t, "POST", tokenPath, "", map[string]any{"nonce": nonce}), "okta.users.read"); w.Code != 400 {
		t.Errorf("an older nonce: %d %s", w.Code, w.Body)
	}
}

func TestRequest_WithAccessToken_IsCheckedStrictly(t *testing.T) {
	x := newTester(t, nil)
	token, other := x.token(t, "okta.users.read"), x.token(t, "okta.groups.manage")
	const path = "/api/v1/users"
	with := func(scheme, token, proof string) *httptest.ResponseRecorder {
		headers := []string{"Authorization", scheme + " " + token}
		if proof != "" {
			headers = append(headers, "DPoP", proof)
		}
		return x.send("GET", path+"?limit=1", "", headers...)
	}
	once := x.proof(t, "GET", path, token, nil)
	if w := with("DPoP", token, once); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, c := range map[string]struct {
		w      *httptest.ResponseRecorder
		status int
		want   string
	}{
		"a proof that was used":        {with("DPoP", token, once), 401, "invalid_dpop_proof"},
		"no proof":                     {with("DPoP", token, ""), 401, "invalid_dpop_proof"},
		"as a Bearer token":            {with("Bearer", token, ""), 401, "invalid_token"},
		"a token of another operation": {with("DPoP", other, x.proof(t, "GET", path, other, nil)), 403, "insufficient_scope"},
		"the proof of another token":   {with("DPoP", token, x.proof(t, "GET", path, other, nil)), 401, "invalid_dpop_proof"},
		"a proof without the token":    {with("DPoP", token, x.proof(t, "GET", path, "", nil)), 401, "invalid_dpop_proof"},
		"a proof with the query":       {with("DPoP", token, x.proof(t, "GET", path+"?limit=1", token, nil)), 401, "invalid_dpop_proof"},
		"a proof of another path":      {with("DPoP", token, x.proof(t, "GET", "/api/v1/groups", token, nil)), 401, "invalid_dpop_proof"},
		"a proof of another method":    {with("DPoP", token, x.proof(t, "POST", path, token, nil)), 401, "invalid_dpop_proof"},
		"an invented token":            {with("DPoP", "x", ""), 401, "invalid_token"},
	} {
		if got := c.w.Header().Get("WWW-Authenticate"); c.w.Code != c.status || !strings.Contains(got, `error="`+c.want+`"`) {
			t.Errorf("%s: %d %s %s", name, c.w.Code, got, c.w.Body)
		}
	}
	bound := x.bound
	var err error
	if x.bound, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if w := with("DPoP", token, x.proof(t, "GET", path, token, nil)); w.Code != 401 {
		t.Errorf("another key: %d", w.Code)
	}
	x.bound = bound
	x.org.DemandNonce()
	w := with("DPoP", token, x.proof(t, "GET", path, token, nil))
	if nonce := w.Header().Get("DPoP-Nonce"); w.Code != 401 || nonce == "" || with("DPoP", token, x.proof(t, "GET", path, token, map[string]any{"nonce": nonce})).Code != 200 {
		t.Errorf("a nonce for requests: %d %v", w.Code, w.Header())
	}
	x.now = x.now.Add(time.Hour)
	if w := with("DPoP", token, x.proof(t, "GET", path, token, nil)); w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), "expired") {
		t.Errorf("an expired token: %d %v", w.Code, w.Header())
	}
	x.org.RevokeTokens()
	if w := with("DPoP", other, x.proof(t, "GET", path, other, nil)); w.Code != 401 {
		t.Errorf("a revoked token: %d", w.Code)
	}
}

// TestScopeOf_EachEndpoint_IsTheOneOfOktasDocument compares the simulated org's scopes with Okta's OpenAPI document.
func TestScopeOf_EachEndpoint_IsTheOneOfOktasDocument(t *testing.T) {
	folder := os.Getenv("OKTA_SHARED")
	if folder == "" {
		t.Skip("OKTA_SHARED is not set")
	}
	text, err := os.ReadFile(filepath.Join(folder, "okta", "api.md"))
	if err != nil {
		t.Skip(err)
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		m := regexp.MustCompile("^- `([A-Z]+ /[^ `]*)`").FindStringSubmatch(line)
		scopes := regexp.MustCompile(`okta\.[A-Za-z]+\.(read|manage)`).FindAllString(line, -1)
		if m == nil || len(scopes) == 0 || strings.HasPrefix(m[1], http.MethodGet+" /.well-known") {
			continue
		}
		compared++
		if got := scopeOf(&endpoint{pattern: m[1]}); !allows(scopes, got) {
			t.Errorf("%s needs %s, Okta says %v", m[1], got, scopes)
		}
	}
	if compared == 0 {
		t.Error("nothing was compared")
	}
}
