package connections_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/host/connections"
)

// Each field that is a reference can be a command. Nobody but the user may choose it.
func TestReadFile_Command_IsOnlyOfThisUser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no modes")
	}
	manifest, err := abi.ParseManifest(okta.Manifest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := connections.NewSchema(manifest)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "connections:\n- name: a\n  kind: okta\n  base_url: https://example.okta.com\n"
	for name, text := range map[string]string{
		"a token":             begin + "  token_secret_ref: exec:[vault, get]\n",
		"a key":               begin + "  oauth: {client_id: 0oa1, private_key_ref: 'exec:[vault, get]'}\n",
		"a proxy's passwords": begin + "  token_secret_ref: env:X\n  proxy: http://proxy.example.com\n  proxy_credentials_ref: exec:[vault, get]\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "c.yaml")
			if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(dir, 0o700)); err != nil {
				t.Fatal(err)
			}
			configs, err := schema.ReadFile(path)
			if err != nil || len(configs) != 1 || !connections.HasCommand(configs[0]) {
				t.Fatalf("%+v, %v", configs, err)
			}
			if err := connections.CheckFound(path, configs, manifest.BaseURL); err == nil || !strings.Contains(err.Error(), "would run a command") {
				t.Errorf("found in the folder: %v", err)
			}
			link := filepath.Join(t.TempDir(), "link.yaml")
			if err := os.Symlink(path, link); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				path string
				mode os.FileMode
			}{{path, 0o620}, {path, 0o602}, {dir, 0o770}, {dir, 0o707}} {
				before, err := os.Stat(c.path)
				if err == nil {
					err = os.Chmod(c.path, c.mode)
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, file := range []string{path, link} {
					if _, err := schema.ReadFile(file); !errors.Is(err, connections.ErrFile) || !strings.Contains(err.Error(), "another user could choose") {
						t.Errorf("%s of mode %s, read as %s: %v", c.path, c.mode, file, err)
					}
				}
				if err := os.Chmod(c.path, before.Mode()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := schema.ReadFile(link); err != nil {
				t.Errorf("by a link: %v", err)
			}
		})
	}
}
