package attack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
)

// files returns the attacks on connection files, which only this host reads.
func files() []conformance.Attack {
	manifest, err := abi.ParseManifest(okta.Manifest(), nil)
	if err != nil {
		panic(err) // the manifest is this repository's
	}
	schema, err := connections.NewSchema(manifest)
	if err != nil {
		panic(err)
	}
	const leak = "00AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789_ab"
	good := "connections:\n- {name: a, kind: okta, base_url: 'https://example.okta.com', token_secret_ref: env:A"
	var all []conformance.Attack
	for name, text := range map[string]string{
		"a bomb of anchors":             "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nconnections: [*c,*c,*c]\n",
		"a field that merges another":   "base: &b {grants: [privileged]}\nconnections:\n- <<: *b\n  name: a\n",
		"a second document":             good + "}\n---\n" + good + ", grants: [privileged]}\n",
		"a duplicate field":             good + ", grants: [read], grants: [privileged]}\n",
		"a duplicate connection":        good + "}\n" + good[len("connections:\n"):] + "}\n",
		"a field that is not enforced":  good + ", read_only: true}\n",
		"a negative limit":              good + ", limits: {requests: -1}}\n",
		"a limit over its maximum":      good + ", limits: {memory_bytes: 9223372036854775807}}\n",
		"an unknown limit":              good + ", limits: {pages: 1}}\n",
		"a tag that makes an object":    good + ", grants: !!python/object/apply:os.system [id]}\n",
		"a token in the file":           good + ", token: " + leak + "}\n",
		"a token as a reference":        strings.Replace(good, "env:A", leak, 1) + "}\n",
		"a token in invalid YAML":       good + ", x: \"" + leak + "\n\t}",
		"all classes in one word":       good + ", grants: all}\n",
		"100,000 levels":                "connections: " + strings.Repeat("[", 100_000),
		"100,000 levels of lists":       "connections:\n" + strings.Repeat("- ", 100_000) + "x\n",
		"1,400 levels of fields":        staircase(1400),
		"a file of 2 MiB":               good + "}\n" + strings.Repeat("#\n", 1<<20),
		"100,000 levels over lines":     "connections: " + strings.Repeat(strings.Repeat("[", 8000)+"\n", 13),
		"a field next to connections":   "version: 1\n" + good + "}\n",
		"no connection":                 "connections: []\n",
		"a connection without a token":  "connections:\n- {name: a, kind: okta, base_url: 'https://example.okta.com'}\n",
		"this machine":                  strings.Replace(good, "https://example.okta.com", "http://localhost:8080", 1) + "}\n",
		"an unknown class":              good + ", grants: [root]}\n",
		"a duplicate class":             good + ", grants: [read, read]}\n",
		"an empty list of classes":      good + ", grants: []}\n",
		"approval of reads":             good + ", approve: [read]}\n",
		"a name with a path in it":      strings.Replace(good, "name: a", "name: a/../b", 1) + "}\n",
		"a bell in a kind":              strings.Replace(good, "kind: okta", "kind: \"ok\\ata\"", 1) + "}\n",
		"a bell in an address":          strings.Replace(good, "'https://example.okta.com'", "\"https://example.okta.com\\a\"", 1) + "}\n",
		"a bell in a reference":         strings.Replace(good, "env:A", "\"env:A\\a\"", 1) + "}\n",
		"an address without TLS":        strings.Replace(good, "https:", "http:", 1) + "}\n",
		"a token of another kind":       strings.Replace(good, "kind: okta", "kind: other, api_key: "+leak, 1) + "}\n",
		"more than all of a rate limit": good + ", rate_limit_share: 2.5}\n",
		"a token as a field":            good + ", " + leak + ": x}\n",
		"a token as a field, twice":     good + ", " + leak + ": x, " + leak + ": x}\n",
		"text that is not UTF-8":        "connections:\n- name: \xff\xfe\n",
		"a NUL in a name":               "connections:\n- name: \"a\\0b\"\n",
	} {
		all = append(all, conformance.NewAttack("files", name, "connection files", func(context.Context) error {
			got, err := schema.Parse([]byte(text))
			if err == nil {
				return fmt.Errorf("it was accepted: %+v", got)
			}
			if strings.Contains(err.Error(), leak) {
				return errors.New("the error repeats the token")
			}
			if len(err.Error()) > 2000 {
				return fmt.Errorf("the error has %d bytes", len(err.Error()))
			}
			return nil
		}))
	}
	for what, found := range map[string]host.Config{
		"a stranger's address with the usual variable": {BaseURL: "https://evil.example.org", TokenSecretRef: "env:OKTA_API_TOKEN"},
		"this machine with the usual variable":         {BaseURL: "http://127.0.0.1:8080", TokenSecretRef: "env:OKTA_API_TOKEN"},
		"the service's name in plain text":             {BaseURL: "http://example.okta.com", TokenSecretRef: "env:OKTA_API_TOKEN"},
		"an authority of its own":                      {BaseURL: "https://example.okta.com", TokenSecretRef: "env:OKTA_API_TOKEN", CAFile: "ca.pem"},
		"a proxy that gets the usual variable":         {BaseURL: "https://example.okta.com", TokenSecretRef: "env:A", Proxy: "http://evil.example.org", ProxyCredentialsRef: "env:OKTA_API_TOKEN"},
		"a name that ends like the service's":          {BaseURL: "https://evil-okta.com", TokenSecretRef: "env:OKTA_API_TOKEN"},
		"a stranger's address with a file of the user": {BaseURL: "https://evil.example.org", TokenSecretRef: "file:" + os.Args[0]},
	} {
		all = append(all, conformance.NewAttack("files", "a folder's connection file with "+what, "found connection files", func(context.Context) error {
			if connections.CheckFound("connections.yaml", []host.Config{found}, manifest.BaseURL) == nil {
				return errors.New("it was accepted")
			}
			return nil
		}))
	}
	command := strings.Replace(good, "env:A", "'exec:[id]'", 1) + "}\n"
	all = append(all, conformance.NewAttack("files", "a command in a file that a group can write", "commands", func(context.Context) error {
		return withCommand(schema, command, func(path string) error { return os.Chmod(path, 0o660) })
	}), conformance.NewAttack("files", "a command in a folder that a group can write", "commands", func(context.Context) error {
		return withCommand(schema, command, func(path string) error { return os.Chmod(filepath.Dir(path), 0o770) })
	}), conformance.NewAttack("files", "a command in a file that was found", "found commands", func(context.Context) error {
		configs, err := schema.Parse([]byte(command))
		if err != nil {
			return err
		}
		if err := connections.CheckFound("connections.yaml", configs, manifest.BaseURL); err == nil {
			return errors.New("it was accepted")
		}
		return nil
	}))
	all = append(all, conformance.NewAttack("files", "a folder", "connection files", func(context.Context) error {
		if _, err := schema.ReadFile(os.TempDir()); err == nil {
			return errors.New("it was accepted")
		}
		return nil
	}), conformance.NewAttack("files", "an endless device", "connection files", func(context.Context) error {
		if _, err := os.Stat("/dev/zero"); err != nil {
			return nil
		}
		if _, err := schema.ReadFile(filepath.Join("/dev", "zero")); err == nil {
			return errors.New("it was accepted")
		}
		return nil
	}))
	return all
}

// withCommand reads a connection file with a command after its modes were opened. It must be refused.
func withCommand(schema *connections.Schema, text string, open func(path string) error) error {
	if runtime.GOOS == "windows" {
		return nil // files have no modes
	}
	dir, err := os.MkdirTemp("", "attack")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "connections.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := schema.ReadFile(path); err != nil {
		return fmt.Errorf("it is refused, and only its owner can write it: %w", err)
	}
	if err := open(path); err != nil {
		return err
	}
	if _, err := schema.ReadFile(path); err == nil {
		return errors.New("it was accepted")
	}
	return nil
}

// staircase returns YAML in which each line is nested one level deeper.
func staircase(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
