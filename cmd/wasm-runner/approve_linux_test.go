package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// TestApproval_AtATerminal_IsAsked answers the question for approval as a person would. The question shows the write and the
// present state. Text that was typed before the question is not an answer.
func TestApproval_AtATerminal_IsAsked(t *testing.T) {
	for _, c := range []struct {
		name, ahead, answer string
		code                int
		says                string
		piped               bool // the input comes through a pipe
	}{
		{"no", "", "n\r", 3, `the answer was not yes`, false},
		{"nothing", "", "\r", 3, `the answer was not yes`, false},
		{"yes, before the question", "y\r", "n\r", 3, `the answer was not yes`, false},
		{"no, before the question", "n\r", "y\r", 0, `approved by `, false},
		{"yes", "", "y\r", 0, `succeeded.*ACTIVE → DEPROVISIONED`, false},
		{"no, to an input from a pipe", "y\r", "n\r", 3, `the answer was not yes`, true},
		{"yes, to an input from a pipe", "", "y\r", 0, `succeeded.*ACTIVE → DEPROVISIONED`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			org := oktatest.New(oktatest.Config{Users: 5, Events: 20})
			retitle(t, org, "boss\u202e\u009b2Kx") // such a name could overwrite the question
			typed := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-typed:
				case <-r.Context().Done():
				}
				org.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close) // runs after the process has ended
			dir := t.TempDir()
			config := filepath.Join(dir, "okta.yaml")
			text := fmt.Sprintf("connections:\n  - {name: okta, kind: okta, base_url: %q, token_secret_ref: env:APPROVE_TEST_TOKEN, allow_private_network: true, "+
				"grants: [read, write, destructive], approve: [destructive]}\n", server.URL)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("APPROVE_TEST_TOKEN", org.Token())
			o, input := ptyOptions{state: dir}, `{"user":"alan.turing@example.com"}`
			if c.piped {
				o.stdin, input = input, "-"
			}
			k := onPty(t, o, "--config", config, "invoke", "deactivate_user", input)
			k.keys(c.ahead)
			close(typed)
			k.await(`deactivate_user(\x1b\[0m)? on okta has class destructive\. Its input:\r\n  \{"user":"alan\.turing@example\.com"\}`)
			k.await(`POST /api/v1/users/00u[^/]+/lifecycle/deactivate\?sendEmail=false`)
			k.await(`"status": .*"ACTIVE"`)
			k.await(`"title": .*"boss\\u202e\\u009b2Kx"`)
			k.await(`Send it\?.* \[y/N\]`)
			k.keys(c.answer)
			k.await(c.says)
			if code := k.wait(); code != c.code || (org.Effects() > 1) != (c.code == 0) {
				t.Errorf("exit code %d, want %d; %d effects", code, c.code, org.Effects())
			}
		})
	}
}

// retitle gives Alan Turing a title.
func retitle(t *testing.T, org *oktatest.Org, title string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"profile": map[string]string{"title": title}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/users/alan.turing@example.com", bytes.NewReader(body))
	r.Header.Set("Authorization", "SSWS "+org.Token())
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	if org.ServeHTTP(w, r); w.Code != http.StatusOK || org.Effects() != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// TestPlan_AtATerminal_IsText reads a plan at a terminal. The last line sums it up.
func TestPlan_AtATerminal_IsText(t *testing.T) {
	k := onPty(t, ptyOptions{env: []string{"NO_COLOR=1"}}, "--demo", "--grant", "destructive", "invoke", "deactivate_user", `{"user":"alan.turing@example.com"}`, "--plan")
	code := k.wait()
	text := strings.ReplaceAll(k.raw(), "\r\n", "\n")
	for _, want := range []string{
		"deactivate_user on okta has class destructive. It would send:\n  POST /api/v1/users/00u", "What is there now:\n  {\n    \"id\": \"00u", `    "status": "ACTIVE",`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; code != 0 || strings.Contains(text, "_links") || !strings.HasPrefix(last, "wasm-runner: deactivate_user: nothing was sent: 1 write would be sent (") {
		t.Errorf("exit code %d\n%s", code, text)
	}
}
