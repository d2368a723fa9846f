package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/pacing"
	"github.com/mach5/okta-connector/host/secrets"
)

// clock is a clock that a test moves. It is also the one of the rate limits: a wait moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.add(d)
	return ctx.Err()
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// server is a strict service: a token endpoint and an API. It verifies assertions and proofs with jwx, which is not the
// library that made them. Its fields are set before the first request, or under mu.
type server struct {
	t   testing.TB
	url string

	mu        sync.Mutex
	now       func() time.Time
	dpop      bool
	granted   []string
	partial   bool   // grants what it can instead of refusing a set
	nonce     string // "" asks for none
	apiNonce  string
	rotate    int // the API's nonce changes after so many requests with a good proof; 0 is never
	life      any // expires_in
	tokenType string
	answers   []func(http.ResponseWriter) // answers that replace the next ones of the token endpoint
	api       []func(http.ResponseWriter) // the same for the API

	tokens  map[string]issued
	seen    map[string]bool // ids of assertions and proofs
	minted  [][]string      // scopes of the tokens, in order
	posts   int             // requests to the token endpoint
	proven  int             // API requests with a good proof
	stale   int             // those of them with another nonce
	refuses string          // if set, the API refuses the paths that contain it
	calls   []string        // scopes of the tokens of API requests
	faults  []string        // requests that no correct client sends
	waiting chan struct{}   // if set, each request to the token endpoint receives from it
}

type issued struct {
	scopes  string
	expires time.Time
	key     string
}

func newServer(t testing.TB) *server {
	s := &server{t: t, now: time.Now, dpop: true, granted: []string{"a.read", "a.manage", "b.read"}, nonce: "nonce-1", life: 3600, tokens: map[string]issued{}, seen: map[string]bool{}}
	h := httptest.NewServer(s)
	s.url = h.URL
	t.Cleanup(func() {
		h.Close()
		for _, f := range s.faults {
			t.Error(f)
		}
	})
	return s
}

func (s *server) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.waiting != nil && r.URL.Path == "/token" {
		<-s.waiting
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Request-Id", "request-7")
	switch r.URL.Path {
	case "/token":
		s.posts++
		if len(s.answers) > 0 {
			answer := s.answers[0]
			s.answers = s.answers[1:]
			if answer != nil {
				answer(w)
				return
			}
		}
		s.token(w, r)
	default:
		if s.refuses != "" && strings.Contains(r.URL.Path, s.refuses) {
			fail(403, "expired_session", "x")(w)
			return
		}
		if len(s.api) > 0 {
			answer := s.api[0]
			s.api = s.api[1:]
			if answer != nil {
				answer(w)
				return
			}
		}
		s.resource(w, r)
	}
}

func fail(status int, code, description string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
	}
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Authorization") != "" {
		s.fault("a request for a token: %s %v %v", r.Method, r.Header, err)
	}
	form := r.PostForm
	if form.Get("grant_type") != "client_credentials" || form.Get("client_assertion_type") != assertionType {
		s.fault("a form: %v", form)
	}
	assertion, err := jwt.Parse([]byte(form.Get("client_assertion")), jwt.WithKey(jwa.RS256(), rsaKey().Public()), jwt.WithValidate(false))
	if err != nil {
		fail(401, "invalid_client", "The signature is invalid.")(w)
		return
	}
	issuer, _ := assertion.Issuer()
	subject, _ := assertion.Subject()
	audience, _ := assertion.Audience()
	id, _ := assertion.JwtID()
	expires, _ := assertion.Expiration()
	issuedAt, _ := assertion.IssuedAt()
	if issuer != "client" || subject != "client" || !slices.Equal(audience, []string{s.url + "/token"}) || s.seen[id] || id == "" {
		s.fault("an assertion: iss %s, sub %s, aud %v, jti %s", issuer, subject, audience, id)
	}
	s.seen[id] = true
	if left := expires.Sub(s.now()); left <= 0 || left > 5*time.Minute || issuedAt.After(s.now().Add(time.Second)) {
		fail(401, "invalid_client", "The client_assertion token has an expiration too far into the future, or is expired.")(w)
		return
	}
	key := ""
	if s.dpop {
		proof, thumbprint, why := s.proof(r, "")
		if why != "" {
			fail(400, "invalid_dpop_proof", why)(w)
			return
		}
		if nonce := claim(proof, "nonce"); s.nonce != "" && nonce != s.nonce {
			fail(400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", "DPoP-Nonce", s.nonce)(w)
			return
		}
		key = thumbprint
	}
	scopes := strings.Fields(form.Get("scope"))
	granted := slices.DeleteFunc(slices.Clone(scopes), func(x string) bool { return !slices.Contains(s.granted, x) })
	if len(granted) == 0 || len(granted) < len(scopes) && !s.partial {
		fail(400, "invalid_scope", "One or more scopes are not configured.")(w)
		return
	}
	s.minted = append(s.minted, scopes)
	value := fmt.Sprintf("access.token.%06d", len(s.minted))
	life := 3600 * time.Second
	if n, ok := s.life.(int); ok {
		life = time.Duration(n) * time.Second
	}
	s.tokens[value] = issued{strings.Join(granted, " "), s.now().Add(life), key}
	typ := "Bearer"
	if key != "" {
		typ = "DPoP"
	}
	if s.tokenType != "" {
		typ = s.tokenType
	}
	answer := map[string]any{"access_token": value, "token_type": typ, "scope": strings.Join(granted, " ")}
	if s.life != nil {
		answer["expires_in"] = s.life
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// claim returns a claim that is a string, else "".
func claim(t jwt.Token, name string) (value string) {
	_ = t.Get(name, &value)
	return value
}

// proof verifies the proof of a request.
func (s *server) proof(r *http.Request, token string) (proof jwt.Token, thumbprint, why string) {
	text := []byte(r.Header.Get("DPoP"))
	message, err := jws.Parse(text)
	if err != nil {
		return nil, "", "The DPoP proof JWT header is missing."
	}
	header := message.Signatures()[0].ProtectedHeaders()
	key, ok := header.JWK()
	algorithm, _ := header.Algorithm()
	typ, _ := header.Type()
	if !ok || typ != "dpop+jwt" || algorithm != jwa.ES256() {
		return nil, "", fmt.Sprintf("header: typ %s, alg %s", typ, algorithm)
	}
	if private, err := jwk.IsPrivateKey(key); err != nil || private {
		s.fault("a proof with a private key: %v", err)
	}
	if proof, err = jwt.Parse(text, jwt.WithKey(algorithm, key), jwt.WithValidate(false)); err != nil {
		return nil, "", err.Error()
	}
	sum, err := key.Thumbprint(5) // crypto.SHA256
	if err != nil {
		return nil, "", err.Error()
	}
	id, _ := proof.JwtID()
	at, _ := proof.IssuedAt()
	method := claim(proof, "htm")
	address := claim(proof, "htu")
	ath := claim(proof, "ath")
	hash := sha256.Sum256([]byte(token))
	switch {
	case s.seen[id] || len(id) < 16:
		s.fault("the id of a proof is used twice: %s", id)
		return nil, "", "replayed"
	case method != r.Method || address != s.url+r.URL.EscapedPath():
		s.fault("a proof for %s %s at %s %s", method, address, r.Method, r.URL)
		return nil, "", "htm or htu"
	case token != "" && ath != base64.RawURLEncoding.EncodeToString(hash[:]) || token == "" && ath != "":
		s.fault("a proof with another ath")
		return nil, "", "ath"
	case at.Sub(s.now()).Abs() > time.Minute:
		return nil, "", "The DPoP proof JWT 'iat' is invalid."
	}
	s.seen[id] = true
	return proof, string(sum), ""
}

func (s *server) resource(w http.ResponseWriter, r *http.Request) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	t, known := s.tokens[value]
	if !known || !s.now().Before(t.expires) {
		fail(401, "invalid_token", "expired", "WWW-Authenticate", `DPoP error="invalid_token"`)(w)
		return
	}
	if (scheme == "DPoP") != (t.key != "") || t.key == "" && r.Header.Get("DPoP") != "" {
		s.fault("a token of type %s is sent as %s, DPoP %q", t.key, scheme, r.Header.Get("DPoP"))
	}
	if t.key != "" {
		proof, thumbprint, why := s.proof(r, value)
		if why != "" || thumbprint != t.key {
			fail(401, "invalid_dpop_proof", why, "WWW-Authenticate", `DPoP error="invalid_dpop_proof"`)(w)
			return
		}
		if s.proven++; s.rotate > 0 && s.proven%s.rotate == 0 {
			s.apiNonce = fmt.Sprintf("api-%d", s.proven)
		}
		if nonce := claim(proof, "nonce"); s.apiNonce != "" && nonce != s.apiNonce {
			s.stale++
			fail(401, "x", "x", "WWW-Authenticate", `DPoP error="use_dpop_nonce"`, "DPoP-Nonce", s.apiNonce)(w)
			return
		}
	}
	s.calls = append(s.calls, t.scopes)
	_, _ = w.Write([]byte("{}"))
}

// resolver resolves every reference to the current text.
type resolver struct {
	mu   sync.Mutex
	text string
	err  error
}

func (r *resolver) Resolve(context.Context, string) (secrets.Value, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return secrets.New(r.text), r.err
}

func (r *resolver) set(text string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text, r.err = text, err
}

// connected is a client and what it uses.
type connected struct {
	*Client
	egress *egress.Client
	key    *resolver
	log    *strings.Builder
}

// connect returns a client of a server. change may be nil.
func connect(t testing.TB, s *server, change func(*Config, *egress.Config)) connected {
	t.Helper()
	base, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	out := connected{key: &resolver{text: pkcs8(t, rsaKey())}, log: new(strings.Builder)}
	auth := abi.Auth{Type: abi.AuthOAuth, Header: "Authorization", Prefix: "Bearer", TokenEndpoint: "POST /token", ClientAuth: abi.ClientPrivateKeyJWT, DPoP: true, ExpiredCodes: []string{"expired_session"}}
	config := Config{Auth: auth, Base: base, Options: Options{ClientID: "client", PrivateKeyRef: "env:KEY", KeyID: "k1"}, Secrets: out.key, ErrorCode: "error",
		Now: time.Now, Logger: slog.New(slog.NewTextHandler(out.log, nil))}
	http := egress.Config{BaseURL: base, AllowPrivateNetwork: true, Clock: pacing.System{}, Service: egress.Service{RequestIDHeader: "X-Request-Id",
		Headers: abi.RateLimitHeaders{Limit: "X-Limit", Remaining: "X-Remaining", Reset: "X-Reset"}}}
	if change != nil {
		change(&config, &http)
	}
	if out.egress, err = egress.New(http); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(out.egress.Close)
	config.Send = out.egress.Send
	if out.Client, err = New(config); err != nil {
		t.Fatal(err)
	}
	return out
}

func need(required ...string) credential.Scopes { return credential.Scopes{Required: required} }

// get sends a request for a page, as a call does.
func (c connected) get(ctx context.Context, s credential.Scopes) (int, *abi.SendError) {
	return c.getAt(ctx, "GET /things/{id}", "a b", s)
}

func (c connected) getAt(ctx context.Context, template, id string, s credential.Scopes) (int, *abi.SendError) {
	use := credential.Use{Auth: c.config.Auth, Source: c.Client, Scopes: s}
	endpoint := abi.Endpoint{Endpoint: template, Bucket: "things", Query: []string{"q"}}
	attempt, err := use.Begin(ctx, endpoint.Endpoint)
	if err != nil {
		return 0, err
	}
	out := egress.Call{Endpoint: endpoint, Request: abi.Request{Endpoint: endpoint.Endpoint, Path: map[string]string{"id": id}, Query: [][2]string{{"q", "x"}}}}
	for {
		out.Sign = attempt.Sign
		resp, err := c.egress.Send(ctx, out)
		again := err == nil && attempt.Again(ctx, resp)
		if resp.Body != nil {
			resp.Body.Release()
		}
		if !again {
			return resp.Status, err
		}
	}
}

// wantError fails the test unless err is an Error with an outcome, a code, and texts in its message.
func wantError(t testing.TB, err error, outcome abi.Outcome, code string, texts ...string) {
	t.Helper()
	e, ok := err.(credential.Error)
	if !ok || e.Outcome != outcome || e.Detail.Code != code {
		t.Fatalf("%T %+v, want %s %s", err, err, outcome, code)
	}
	for _, text := range texts {
		if !strings.Contains(e.Detail.Message, text) {
			t.Errorf("%s\nlacks %s", e.Detail.Message, text)
		}
	}
}
