package attack

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestEchoes_OfACredential_AreCaughtAsStated shows in which forms an answer that repeats a token is withheld from the module. SECURITY.md says
// the same. A service knows its own token: this wall is against echoes by mistake.
func TestEchoes_OfACredential_AreCaughtAsStated(t *testing.T) {
	for name, c := range map[string]struct {
		token string
		seen  func(t *testing.T, body string) (seen bool, shown string)
	}{
		"a static token":  {hosttest.Token, seenWithToken},
		"an access token": {accessToken, seenWithOAuth},
	} {
		t.Run(name, func(t *testing.T) {
			for form, e := range echoes(c.token) {
				seen, shown := c.seen(t, e.body)
				if seen == e.caught || strings.Contains(shown, c.token) {
					t.Errorf("%s: the module saw the echo: %v (%.300s)", form, seen, shown)
				}
			}
		})
	}
}

// echo is an answer that repeats a token. caught says that a module must not see it.
type echo struct {
	body   string
	caught bool
}

func echoes(token string) map[string]echo {
	backwards := []byte(token)
	slices.Reverse(backwards)
	return map[string]echo{
		"as it is":             {`{"echo":"` + token + `"}`, true},
		"within other text":    {`{"echo":"Bearer ` + token + `, thanks"}`, true},
		"as a name":            {`{"` + token + `":1}`, true},
		"percent-encoded":      {`{"echo":"a%20` + token + `"}`, true}, // the characters of a token need no escape
		"base64":               {`{"echo":"` + base64.StdEncoding.EncodeToString([]byte(token)) + `"}`, false},
		"hex":                  {`{"echo":"` + hex.EncodeToString([]byte(token)) + `"}`, false},
		"escaped in JSON":      {`{"echo":"` + fmt.Sprintf(`\u%04x`, token[0]) + token[1:] + `"}`, false},
		"reversed":             {`{"echo":"` + string(backwards) + `"}`, false},
		"split in two members": {`[{"echo":"` + token[:20] + `"},{"echo":"` + token[20:] + `"}]`, false},
	}
}

// seenWithToken reports whether a module sees an answer to a request with a static token. shown is what the host shows.
func seenWithToken(t *testing.T, body string) (seen bool, shown string) {
	m, err := actor()
	if err != nil {
		t.Fatal(err)
	}
	conn := hosttest.Serve(t, m, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }), host.Config{}, host.ConnectOptions{})
	res, _ := conn.Invoke(context.Background(), "read", json.RawMessage(`{"do":"send","emit":{},"requests":[{"endpoint":"GET /api/v1/users/{id}","path":{"id":"1"},"sign":true}]}`))
	var out struct {
		Answers []struct{ Body string } `json:"answers"`
	}
	_ = json.Unmarshal(res.Output, &out) // without an answer, nothing was seen
	return len(out.Answers) == 1 && strings.TrimSpace(out.Answers[0].Body) == body, fmt.Sprintf("%s %s %+v", res.Outcome, res.Output, res.Error)
}

// seenWithOAuth is seenWithToken for a request with an access token.
func seenWithOAuth(t *testing.T, body string) (seen bool, shown string) {
	err := issue(t.Context(), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }, func(ctx context.Context, s *issuer) error {
		res, err := s.try(ctx, "raised", send(getItem), step("body_read", "", "{handle}", "0", "10000"))
		var out struct {
			Steps []struct{ Text string } `json:"steps"`
		}
		_ = json.Unmarshal(res.Output, &out) // without an answer, nothing was seen
		seen, shown = len(out.Steps) == 2 && strings.TrimSpace(out.Steps[1].Text) == body, fmt.Sprintf("%s %s %+v", res.Outcome, res.Output, res.Error)
		if seen { // then its parts are in the result
			return nil
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return seen, shown
}
