package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
)

// TestFoundConnectionFile_OfAStrangersFolder_SendsNoToken runs in a folder whose connections.yaml is a stranger's. It names the
// stranger's address, and tokens that are the user's.
func TestFoundConnectionFile_OfAStrangersFolder_SendsNoToken(t *testing.T) {
	path := module(t)
	var hits atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer stranger.Close()
	home := t.TempDir()
	secret := filepath.Join(home, "token")
	if err := os.WriteFile(secret, []byte("00aTokenOfTheUser"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"OKTA_API_TOKEN=00aTokenOfTheUser"}
	for _, c := range []struct {
		name, url, ref string
		allowed        bool
	}{
		{"the usual variable", stranger.URL, "env:OKTA_API_TOKEN", false},
		{"a file of the user", stranger.URL, "file:" + secret, false},
		{"a file above the folder", stranger.URL, "file:../token", false},
		{"a link to a file of the user", stranger.URL, "file:link", false},
		{"a link in a subfolder", stranger.URL, "file:sub/../link", false},
		{"a file of the folder", stranger.URL, "file:own", true},
		{"another domain", "https://okta.com.example.org", "env:OKTA_API_TOKEN", false},
		{"a domain that ends alike", "https://example-okta.com", "env:OKTA_API_TOKEN", false},
		{"the domain alone", "https://okta.com", "env:OKTA_API_TOKEN", false},
		{"a private address", "https://10.0.0.1", "env:OKTA_API_TOKEN", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			hits.Store(0)
			dir := filepath.Join(home, strings.ReplaceAll(c.name, " ", "-"))
			text := "connections:\n  - {name: a, kind: okta, base_url: '" + c.url + "', token_secret_ref: '" + c.ref + "', allow_private_network: true}\n"
			for file, content := range map[string]string{"connections.yaml": text, "own": "00aTokenOfTheFolder", "sub/x": ""} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(secret, filepath.Join(dir, "link")); err != nil {
				t.Skip(err)
			}
			for _, args := range [][]string{{"invoke", "org_identity"}, {"source", "poll_system_log_page", "--all", "--once", "--out", "{connection}.ndjson", "--checkpoint-dir", "."}, {"check"}} {
				got := runIn(t, dir, path, "", env, args...)
				refused := strings.Contains(got.stdout+got.stderr, "name it with --config connections.yaml or $WASM_RUNNER_CONFIG")
				if refused == c.allowed || got.code == 0 || !c.allowed && hits.Load() > 0 {
					t.Errorf("%q: %+v, %d requests", args, got, hits.Load())
				}
			}
			if !strings.HasPrefix(c.url, "http:") || c.allowed {
				return
			}
			for _, more := range [][]string{{"--config", "connections.yaml"}, nil} { // the user has seen the file
				hits.Store(0)
				named := env
				if more == nil {
					named = append(named, "WASM_RUNNER_CONFIG=connections.yaml")
				}
				if got := runIn(t, dir, path, "", named, append(more, "invoke", "org_identity")...); got.code == cli.ExitUsage || hits.Load() == 0 {
					t.Errorf("%q: %+v", more, got)
				}
			}
		})
	}
}

// TestFoundConnectionFile_ThatOthersControl_IsRefused runs in folders whose file another user could replace.
func TestFoundConnectionFile_ThatOthersControl_IsRefused(t *testing.T) {
	path := module(t)
	for name, change := range map[string]func(dir, file string) error{
		"a file that everyone may write":     func(_, file string) error { return os.Chmod(file, 0o666) },
		"a folder that everyone may write":   func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"a folder of another user":           func(dir, _ string) error { return os.Chown(dir, 12345, 12345) },
		"a file of another user":             func(_, file string) error { return os.Chown(file, 12345, 12345) },
		"a symbolic link of another user":    func(dir, file string) error { return linkOf(dir, file, 12345) },
		"a symbolic link of this user: used": func(dir, file string) error { return linkOf(dir, file, os.Getuid()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, _, _, _ := world(t)
			file := filepath.Join(dir, "connections.yaml")
			if err := os.Rename(filepath.Join(dir, "good.yaml"), file); err != nil {
				t.Fatal(err)
			}
			if err := change(dir, file); err != nil {
				t.Skip(err) // only root may give a file to another user
			}
			got := runIn(t, dir, path, "", nil, "invoke", "org_identity")
			used := strings.HasSuffix(name, ": used")
			if (got.code == 0) != used || !used && !strings.Contains(got.stderr, "name it with --config if it is yours") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func linkOf(dir, file string, user int) error {
	real := filepath.Join(dir, "real.yaml")
	if err := os.Rename(file, real); err != nil {
		return err
	}
	if err := os.Symlink(real, file); err != nil {
		return err
	}
	return os.Lchown(file, user, user)
}
