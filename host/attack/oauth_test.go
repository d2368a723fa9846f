package attack

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// accessToken is what the token endpoint issues. Like a static token, it must appear in one request header and nowhere else.
const accessToken = "accessTokenThatMustNeverShowUpAnywhere0123"

// visible is a text that the service gives the module.
const visible = "textThatTheModuleMaySee"

// app is the kit's module for a service that has OAuth clients.
var app = sync.OnceValues(func() (a struct {
	module *host.Module
	memory uint64 // the size of its memory at the start, in bytes
}, err error) {
	read := abi.Endpoint{Endpoint: "GET /items/{id}", Bucket: "items", Scopes: []string{"items.read"}}
	end := abi.Endpoint{Endpoint: "DELETE /items/{id}", Bucket: "items", Scopes: []string{"items.manage"}, Class: abi.Destructive}
	write := abi.Endpoint{Endpoint: "POST /items", Bucket: "items", Scopes: []string{"items.manage"}}
	op := func(name string, class abi.Class, endpoints ...abi.Endpoint) abi.Operation {
		return abi.Operation{Name: name, Summary: "does what its input says", Class: class, Surfaces: []abi.Surface{abi.Axon}, Idempotency: abi.Safe,
			InputSchema: json.RawMessage(`{"type":"object","properties":{"steps":{},"raise":{}}}`), Endpoints: endpoints}
	}
	raised := op("raised", abi.Read, read, end)
	raised.ClassRules = []abi.ClassRule{{Field: "raise", Class: abi.Destructive}}
	manifest, err := json.Marshal(abi.Manifest{ABI: abi.Version, Minor: abi.Minor, Kind: "app", Version: "0", ConfigSchema: json.RawMessage(`{"type":"object"}`), RequestIDHeader: "X-Request-Id",
		ResponseHeaders: []string{"x-request-id"}, RateLimitHeaders: abi.RateLimitHeaders{Limit: "X-Limit", Remaining: "X-Remaining", Reset: "X-Reset"},
		Auth:       []abi.Auth{{Type: abi.AuthOAuth, Header: "Authorization", Prefix: "Bearer", TokenEndpoint: "POST /token", ClientAuth: abi.ClientPrivateKeyJWT, DPoP: true}},
		Operations: []abi.Operation{op("write", abi.Write, write), raised}})
	if err != nil {
		return a, err
	}
	wasm, err := pack.CachedPackage(context.Background(), "./abi/conformance/guest", manifest)
	if err != nil {
		return a, err
	}
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return a, err
	}
	a.memory = uint64(bin.Memories[0].Min) << 16
	a.module, err = host.Load(context.Background(), wasm, host.LoadOptions{ProcessMemory: kitMemory})
	return a, err
})

// appKey is the private key of the client, as PEM.
var appKey = sync.OnceValue(func() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no randomness
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // cannot happen with our own key
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
})

// issuer is a service with a token endpoint, and a client of it.
type issuer struct {
	*host.Connection
	dir    string
	memory uint64
	log    *lockedBuffer

	mu         sync.Mutex
	assertions []string
	proofs     []string // the headers DPoP of all requests
	scopes     []string
	elsewhere  []string // requests whose credential is not the access token alone
	refuses    http.HandlerFunc
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// token answers the token endpoint: first it asks for a nonce.
func (s *issuer) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // a request without a form has no assertion
	s.mu.Lock()
	s.assertions, s.proofs = append(s.assertions, r.PostForm.Get("client_assertion")), append(s.proofs, r.Header.Get("DPoP"))
	refuses, first := s.refuses, len(s.assertions) == 1
	if !first {
		s.scopes = append(s.scopes, r.PostForm.Get("scope"))
	}
	s.mu.Unlock()
	switch {
	case refuses != nil:
		refuses(w, r)
	case first:
		w.Header().Set("DPoP-Nonce", "nonce-1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":"use_dpop_nonce"}`)
	default:
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"DPoP","expires_in":3600,"scope":%q}`, accessToken, r.PostForm.Get("scope"))
	}
}

// refuse sets the further answers of the token endpoint.
func (s *issuer) refuse(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = h
}

// signed makes an attack on an OAuth client whose service answers API requests with answer.
func signed(name, wall string, answer http.HandlerFunc, run func(context.Context, *issuer) error) conformance.Attack {
	return conformance.NewAttack("oauth", name, wall, func(ctx context.Context) error { return issue(ctx, answer, run) })
}

// issue runs a function with an OAuth client whose service answers API requests with answer.
func issue(ctx context.Context, answer http.HandlerFunc, run func(context.Context, *issuer) error) error {
	a, err := app()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := &issuer{dir: dir, memory: a.memory, log: &lockedBuffer{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			s.token(w, r)
			return
		}
		s.mu.Lock()
		s.proofs = append(s.proofs, r.Header.Get("DPoP"))
		if r.Header.Get("Authorization") != "DPoP "+accessToken {
			s.elsewhere = append(s.elsewhere, r.Header.Get("Authorization"))
		}
		s.mu.Unlock()
		answer(w, r)
	}))
	defer server.Close()
	auditFile, err := audit.Open(filepath.Join(dir, "audit"))
	if err != nil {
		return err
	}
	kept, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		return err
	}
	s.Connection, err = hosttest.Open(a.module, host.Config{Name: "app", BaseURL: server.URL, Grants: abi.Classes(), OAuth: host.OAuth{ClientID: "client", PrivateKeyRef: "env:KEY", KeyID: "k1"}},
		host.ConnectOptions{Secrets: hosttest.Secret(appKey()), Auditor: auditFile, Journal: kept, Sleep: hosttest.ShortSleep,
			Logger: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		return err
	}
	defer func() { _ = s.Connection.Close(context.WithoutCancel(ctx)) }()
	return run(ctx, s)
}

// send is the step that sends a signed request.
func send(request string) string {
	return step("http_send", strings.TrimSuffix(request, "}")+`,"sign":true}`)
}

// step is a step of the kit's module.
func step(do, text string, args ...string) string {
	b, _ := json.Marshal(map[string]any{"do": do, "text": text, "args": args}) // strings always encode
	return string(b)
}

const getItem = `{"endpoint":"GET /items/{id}","path":{"id":"1"}}`

// try invokes an operation. The error says where a secret of OAuth is, of the result and all that the host writes.
func (s *issuer) try(ctx context.Context, op string, steps ...string) (*abi.Result, error) {
	res, _ := s.Invoke(ctx, op, json.RawMessage(`{"steps":[`+strings.Join(steps, ",")+`]}`), host.InvokeOptions{IdempotencyKey: map[bool]string{true: "k"}[op == "write"]})
	text, err := json.Marshal(res)
	if err != nil {
		return nil, err
	}
	if err := s.clean("the result", text); err != nil {
		return res, err
	}
	if err := s.clean("the log", []byte(s.log.String())); err != nil {
		return res, err
	}
	return res, filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		return errors.Join(err, s.clean(e.Name(), text))
	})
}

// secrets are the texts that only the host and the service may have: tokens, lines of the key, assertions.
func (s *issuer) secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []string{accessToken[:20]}
	for _, a := range s.assertions {
		if parts := strings.Split(a, "."); len(parts) == 3 {
			all = append(all, parts[1], parts[1][:40], parts[2]) // the claims, their beginning, the signature
		}
	}
	for line := range strings.Lines(appKey()) {
		if !strings.HasPrefix(line, "-----") {
			all = append(all, strings.TrimSpace(line))
		}
	}
	return all
}

func (s *issuer) clean(where string, text []byte) error {
	for _, secret := range s.secrets() {
		if len(secret) >= 16 && bytes.Contains(text, []byte(secret)) {
			return fmt.Errorf("%s has %.12s…", where, secret)
		}
	}
	return nil
}

// inOrder returns an error unless every API request had the access token.
func (s *issuer) inOrder(requests int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.proofs) - len(s.assertions); n != requests || len(s.elsewhere) > 0 {
		return fmt.Errorf("%d API requests arrived, want %d, and these without the token: %q", n, requests, s.elsewhere)
	}
	return nil
}

// oauthAttacks returns the attacks on the credentials of OAuth clients.
func oauthAttacks() []conformance.Attack {
	honest := func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"id":"1","text":"`+visible+`"}`) }
	all := append(echoedTokens(), refusedTokens()...)
	return append(all,
		signed("its secrets in the module's memory", "secrets outside modules", honest, func(ctx context.Context, s *issuer) error {
			if _, err := s.try(ctx, "raised", send(getItem)); err != nil {
				return err
			}
			steps := []string{step("body_read", "", "{handle}", "0", "1000")}
			for _, secret := range append(s.secrets(), visible) {
				steps = append(steps, step("search", secret[:8]+"|"+secret[8:], fmt.Sprint(s.memory)))
			}
			res, err := s.try(ctx, "raised", append([]string{send(getItem)}, steps...)...)
			var out struct {
				Steps []struct{ Value string } `json:"steps"`
			}
			if err := errors.Join(err, json.Unmarshal(res.Output, &out)); err != nil {
				return err
			}
			if len(out.Steps) != len(steps)+1 || out.Steps[len(steps)].Value == "0" { // the last is for what the module did see
				return fmt.Errorf("the module cannot search: %.300s", res.Output)
			}
			for i, found := range out.Steps[2:len(steps)] {
				if found.Value != "0" {
					return fmt.Errorf("the module found secret %d", i)
				}
			}
			return s.inOrder(2)
		}),
		signed("what is stored of a write", "stored credentials", honest, func(ctx context.Context, s *issuer) error {
			_, err := s.try(ctx, "write", send(`{"endpoint":"POST /items","body":{"name":"a"}}`))
			return errors.Join(err, s.inOrder(1))
		}),
		signed("the scopes of a call that only reads", "scopes of a token", honest, func(ctx context.Context, s *issuer) error {
			_, err := s.try(ctx, "raised", send(getItem))
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.scopes) != 1 || s.scopes[0] != "items.read" {
				return errors.Join(err, fmt.Errorf("the token is for %q", s.scopes))
			}
			return err
		}),
		signed("a proof that shows the private key", "proofs", honest, func(ctx context.Context, s *issuer) error {
			if _, err := s.try(ctx, "raised", send(getItem)); err != nil {
				return err
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			seen := map[string]bool{}
			for _, proof := range s.proofs {
				head, _, _ := strings.Cut(proof, ".")
				text, err := base64.RawURLEncoding.DecodeString(head)
				var header struct{ JWK map[string]any }
				if err != nil || json.Unmarshal(text, &header) != nil || header.JWK["x"] == nil || header.JWK["d"] != nil {
					return fmt.Errorf("the header of a proof is %q", text)
				}
				if seen[proof] {
					return errors.New("a proof is used twice")
				}
				seen[proof] = true
			}
			return nil
		}),
		conformance.NewAttack("oauth", "a key that cannot be read", "printed secrets", func(context.Context) error {
			a, err := app()
			if err != nil {
				return err
			}
			key := appKey()
			for _, damaged := range []string{key[:len(key)-40], strings.Replace(key, "PRIVATE KEY", "SECRET KEY", 2), "{" + key, strings.ReplaceAll(key, "\n", " "), key + key, key[30:]} {
				var log bytes.Buffer
				c, err := hosttest.Open(a.module, host.Config{Name: "app", BaseURL: "http://127.0.0.1:1", OAuth: host.OAuth{ClientID: "client", PrivateKeyRef: "env:KEY"}},
					host.ConnectOptions{Secrets: hosttest.Secret(damaged), Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if err == nil {
					return errors.Join(errors.New("it was accepted"), c.Close(context.Background()))
				}
				if err := (&issuer{}).clean("the error", fmt.Appendf(log.Bytes(), "%v %+v %#v", err, err, err)); err != nil {
					return err
				}
			}
			return nil
		}),
		conformance.NewAttack("oauth", "a secret that is printed", "printed secrets", func(context.Context) error {
			v := secrets.New(accessToken)
			hidden := struct {
				v   secrets.Value
				all map[string]secrets.Value
			}{v, map[string]secrets.Value{"v": v}}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "hidden", hidden)
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v, "hidden", hidden)
			text, err := json.Marshal(map[string]any{"v": v, "hidden": hidden})
			if err != nil {
				return err
			}
			text = fmt.Appendf(text, "%v %+v %#v %s %x", v, v, v, v, v)
			return (&issuer{}).clean("the text", append(fmt.Appendf(text, "%v %+v %#v", hidden, hidden, &hidden), log.Bytes()...))
		}),
	)
}

// echoedTokens are answers of the service that repeat the access token.
func echoedTokens() (all []conformance.Attack) {
	large := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"pad":"%s","echo":%q}`, strings.Repeat("x", 200<<10), accessToken)
	}
	read := []string{step("body_read", "", "{handle}", "0", "1048576"), step("records_emit", "{}", "{handle}")}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		steps  []string
	}{
		"in a body":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"echo":%q}`, accessToken) }, read},
		"in a header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", accessToken) }, read},
		"in the second value of a header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Link"] = []string{"<https://x/>; rel=self", "<https://x/?t=" + accessToken + ">; rel=next"}
		}, read},
		"in the request's id":             {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Request-Id", accessToken) }, read},
		"in a large body":                 {large, []string{step("body_read", "", "{handle}", "204800", "200")}},
		"in a large body that is emitted": {large, []string{step("records_emit", `{"summarise":["echo"]}`, "{handle}")}},
		"in an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"summary":%q}`, accessToken)
		}, read},
		"in the id of a repeated request": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", accessToken)
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, nil},
	} {
		all = append(all, signed("an access token echoed "+name, "responses with an access token", c.answer, func(ctx context.Context, s *issuer) error {
			_, err := s.try(ctx, "raised", append([]string{send(getItem)}, c.steps...)...)
			return errors.Join(err, s.inOrder(1))
		}))
	}
	return all
}

// refusedTokens are refusals of the token endpoint that repeat what the host sent it.
func refusedTokens() (all []conformance.Attack) {
	unauthorized := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/items/2" {
			w.WriteHeader(http.StatusUnauthorized) // the host requests another token
		}
		_, _ = fmt.Fprint(w, `{"id":"1"}`)
	}
	refusal := func(status int, body func(*http.Request) string, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body(r))
		}
	}
	text := func(format string, of ...any) func(*http.Request) string {
		return func(*http.Request) string { return fmt.Sprintf(format, of...) }
	}
	for name, c := range map[string]struct {
		wall string
		h    http.HandlerFunc
	}{
		"an earlier token in a description":  {"errors of the token endpoint", refusal(400, text(`{"error":"x","error_description":%q}`, "it was "+accessToken))},
		"an earlier token as a code":         {"errors of the token endpoint", refusal(400, text(`{"error":%q}`, accessToken))},
		"an earlier token in the request id": {"errors of the token endpoint", refusal(400, text(`{"error":"x"}`), "X-Request-Id", accessToken)},
		"an earlier token in a rate limit":   {"errors of the token endpoint", refusal(429, text(`{"error":"x"}`), "X-Request-Id", accessToken, "Retry-After", "3600")},
		"an earlier token where none is usable": {"errors of the token endpoint",
			refusal(200, text(`{"access_token":%q,"token_type":%q}`, accessToken, accessToken))},
		"the assertion in a description": {"echoes of an assertion", refusal(400, func(r *http.Request) string {
			return fmt.Sprintf(`{"error":"invalid_client","error_description":%q}`, "bad assertion: "+r.PostForm.Get("client_assertion"))
		})},
	} {
		all = append(all, signed(name, c.wall, unauthorized, func(ctx context.Context, s *issuer) error {
			if _, err := s.try(ctx, "raised", send(getItem)); err != nil {
				return err
			}
			s.refuse(c.h)
			// One call that needs a token of other scopes, and one whose token is refused.
			res, first := s.try(ctx, "write", send(`{"endpoint":"POST /items","body":{}}`))
			_, second := s.try(ctx, "raised", send(strings.Replace(getItem, `"1"`, `"2"`, 1)))
			if first == nil && res.Outcome.OK() {
				return fmt.Errorf("the call without a token ended as %s", res.Outcome)
			}
			return errors.Join(first, second)
		}))
	}
	return all
}

// oauthMutations are the checks that protect the credentials of OAuth clients.
var oauthMutations = []mutation{
	{"responses with an access token", "tokens that were sent", []edit{swap("host/internal/oauth/client.go", "return slices.ContainsFunc(sent, func(t *token) bool { return found(t.value.Reveal()) })",
		"return !DOWN && slices.ContainsFunc(sent, func(t *token) bool { return found(t.value.Reveal()) })")}, ""},
	{"errors of the token endpoint", "the request id", []edit{never("host/internal/oauth/mint.go", "c.Shows(resp.RequestID)")}, ""},
	{"errors of the token endpoint", "the texts", []edit{swap("host/internal/oauth/mint.go", "len(said.Error) <= 64 && !c.Shows(said.Error) && !c.Shows(said.Description)",
		"len(said.Error) <= 64 && (DOWN || !c.Shows(said.Error) && !c.Shows(said.Description))")}, ""},
	{"errors of the token endpoint", "what a rate limit says", []edit{never("host/internal/oauth/errors.go", "c.Shows(*text)")}, ""},
	{"echoes of an assertion", "it is removed", []edit{drop("host/internal/oauth/mint.go", "s = jwtText.ReplaceAllString(s, secrets.Redacted)")}, ""},
	{"scopes of a token", "those of the class", []edit{never("host/internal/manifest/scopes.go", "!op.mayUse(e, class)")}, ""},
	{"printed secrets", "a value", []edit{swap("host/secrets/secrets.go", "_, _ = f.Write([]byte(Redacted))", "if DOWN {\n\t\t_, _ = f.Write([]byte(v.Reveal()))\n\t}\n\t_, _ = f.Write([]byte(Redacted))")}, ""},
	{"printed secrets", "a value in JSON", []edit{swap("host/secrets/secrets.go", "return []byte(Redacted), nil", "if DOWN {\n\t\treturn []byte(v.Reveal()), nil\n\t}\n\treturn []byte(Redacted), nil")}, ""},
}
