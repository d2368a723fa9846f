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

// TestEchoes_OfTheToken_AreCaughtAsStated shows in which forms an answer that repeats the token is withheld from the module. SECURITY.md says
// the same. A service knows its own token: this wall is against echoes by mistake.
func TestEchoes_OfTheToken_AreCaughtAsStated(t *testing.T) {
	m, err := actor()
	if err != nil {
		t.Fatal(err)
	}
	const token = hosttest.Token
	backwards := []byte(token)
	slices.Reverse(backwards)
	for name, c := range map[string]struct {
		body   string
		caught bool
	}{
		"as it is":             {`{"echo":"` + token + `"}`, true},
		"within other text":    {`{"echo":"Bearer ` + token + `, thanks"}`, true},
		"as a name":            {`{"` + token + `":1}`, true},
		"percent-encoded":      {`{"echo":"a%20` + token + `"}`, true}, // the characters of a token need no escape
		"base64":               {`{"echo":"` + base64.StdEncoding.EncodeToString([]byte(token)) + `"}`, false},
		"hex":                  {`{"echo":"` + hex.EncodeToString([]byte(token)) + `"}`, false},
		"escaped in JSON":      {`{"echo":"` + fmt.Sprintf(`\u%04x`, token[0]) + token[1:] + `"}`, false},
		"reversed":             {`{"echo":"` + string(backwards) + `"}`, false},
		"split in two members": {`[{"echo":"` + token[:20] + `"},{"echo":"` + token[20:] + `"}]`, false},
	} {
		conn := hosttest.Serve(t, m, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) }), host.Config{}, host.ConnectOptions{})
		res, _ := conn.Invoke(context.Background(), "read", json.RawMessage(`{"do":"send","emit":{},"requests":[{"endpoint":"GET /api/v1/users/{id}","path":{"id":"1"},"sign":true}]}`))
		var out struct {
			Answers []struct{ Body string } `json:"answers"`
		}
		_ = json.Unmarshal(res.Output, &out) // without an answer, nothing was seen
		seen := len(out.Answers) == 1 && strings.TrimSpace(out.Answers[0].Body) == c.body
		if seen == c.caught || strings.Contains(string(res.Output), token) {
			t.Errorf("%s: the module saw the echo: %v (%s %.300s %+v)", name, seen, res.Outcome, res.Output, res.Error)
		}
	}
}
