package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

// offline returns a client that is only given responses.
func offline(t testing.TB, mode string) *Client {
	t.Helper()
	c, err := New(Config{Auth: abi.Auth{Type: abi.AuthOAuth, Header: "Authorization", Prefix: "Bearer", TokenEndpoint: "POST /token", DPoP: true}, Base: &url.URL{Scheme: "https", Host: "id.example"},
		Options: Options{ClientID: "client", DPoP: mode}, Now: func() time.Time { return time.Unix(1<<30, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sentBefore makes the client know an access token that it sent.
func (c *Client) sentBefore(value string) {
	c.sent = append(c.sent, &token{value: secrets.New(value), expires: c.config.Now().Add(time.Hour)})
}

// FuzzTokenAnswer reads a response of the token endpoint, which may be hostile.
func FuzzTokenAnswer(f *testing.F) {
	const earlier = "opaque-token-of-an-earlier-call"
	for _, body := range []string{
		`{"access_token":"opaque-token-0123456789","token_type":"DPoP","expires_in":3600,"scope":"a.read"}`,
		`{"access_token":"opaque-token-0123456789","token_type":"bearer","expires_in":"1e400"}`,
		`{"access_token":"opaque-token-0123456789","token_type":"DPoP","expires_in":0.001}`,
		`{"access_token":"a\nb","token_type":"DPoP"}`, `{"access_token":7}`, `[]`, "\xff", ``,
		`{"access_token":"opaque-token-0123456789","token_type":"mac"}`,
		`{"error":"invalid_scope","error_description":"` + earlier + `"}`,
		`{"error":"` + earlier + `"}`, `{"error":"x","error_description":"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln \u001b]0;x\u0007"}`,
	} {
		f.Add(200, body, "nonce", "request-1", "Mon, 30 Nov 2026 12:00:00 GMT")
		f.Add(400, body, "n\"", earlier, "yesterday")
	}
	f.Fuzz(func(t *testing.T, status int, body, nonce, requestID, date string) {
		for _, mode := range []string{Auto, Required, Off} {
			c := offline(t, mode)
			c.sentBefore(earlier)
			resp := &egress.Response{Status: status, RequestID: requestID, Header: http.Header{"Dpop-Nonce": {nonce}, "Date": {date}}}
			if kept := c.observe(resp, &c.nonces.tokens); len(kept) > maxNonce || strings.ContainsFunc(kept, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Fatalf("the nonce %q is kept", kept)
			}
			got, err := c.read(resp, []byte(body), []string{"a.read", "b.read"})
			if err = c.explain(err, []string{"a.read"}); err != nil {
				var said struct {
					Token string `json:"access_token"`
				}
				_ = json.Unmarshal([]byte(body), &said)
				wantSafe(t, err, earlier, said.Token)
				continue
			}
			value, now := got.value.Reveal(), c.config.Now()
			switch {
			case value == "" || len(value) > maxToken || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
				t.Fatalf("the token %q is accepted", value)
			case got.expires.Before(now) || got.expires.Sub(now) > 30*24*time.Hour || got.renew.After(got.expires) || got.renew.Before(now):
				t.Fatalf("it expires at %v and is renewed at %v", got.expires, got.renew)
			case got.bound && mode == Off || !got.bound && mode == Required:
				t.Fatalf("mode %s, bound %v", mode, got.bound)
			case slices.ContainsFunc(got.missing, func(s string) bool { return s != "a.read" && s != "b.read" }):
				t.Fatalf("missing scopes: %q", got.missing)
			case len(value) > 12 && strings.Contains(fmt.Sprintf("%v %+v %#v %+v", got, got, *got, c), value):
				t.Fatal("printing shows the token")
			}
		}
	})
}

// wantSafe fails the test unless an error is safe to show: a credential.Error of printable text that holds no secret.
func wantSafe(t *testing.T, err error, secrets ...string) {
	t.Helper()
	var e credential.Error
	if !errors.As(err, &e) || e.Outcome.OK() {
		t.Fatalf("%T %v", err, err)
	}
	text := e.Detail.Message
	if up := e.Detail.Upstream; up != nil {
		text += " " + up.Code + " " + up.Summary
		if slices.Contains(secrets, up.RequestID) && up.RequestID != "" {
			t.Fatal("the request id is a token")
		}
	}
	if len(text) > 4096 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || jwtText.MatchString(text) {
		t.Fatalf("the error is %q", text)
	}
	for _, s := range secrets {
		if len(s) > 24 && strings.Contains(text, s) {
			t.Fatalf("the error holds %q: %q", s, text)
		}
	}
}

func TestSent_ManyTokens_AreBounded(t *testing.T) {
	s := newServer(t)
	s.life = 30 * 24 * 3600
	now := time.Now()
	c := connect(t, s, func(config *Config, _ *egress.Config) { config.Now = func() time.Time { return now } })
	s.now = func() time.Time { return now }
	for i := range maxSent + 40 {
		now = now.Add(2 * time.Minute) // the limit of an hour is not reached
		clear(c.tokens)
		if _, err := c.token(t.Context(), need("a.read")); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if len(c.sent) != maxSent {
		t.Errorf("%d tokens are kept, want %d", len(c.sent), maxSent)
	}
	if latest := c.sent[maxSent-1].value.Reveal(); !c.Shows("x"+latest) || c.Shows("access.token.000001") {
		t.Error("the latest token is not looked for, or the first one still is")
	}
}
