package connections

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

func TestCheckFound_OfAddresses_AllowsTheServicesAlone(t *testing.T) {
	known := &abi.BaseURL{Consoles: []abi.Console{{Suffix: "-admin.example.com", Use: ".example.com"}, {Suffix: "-admin.b.test", Use: ".com"}, {Suffix: "-admin.c.test", Use: "c.test"}}}
	for address, allowed := range map[string]bool{
		"https://org.example.com":             true,
		"https://ORG.example.COM./":           true,
		"https://org.example.com:8443":        true,
		"http://org.example.com":              false,
		"https://.example.com":                false,
		"https://example.com":                 false,
		"https://org.example.com.evil.test":   false,
		"https://org.example.com@evil.test":   false,
		"https://evil.test/org.example.com":   false,
		"https://evil.test#org.example.com":   false,
		"https://evil.com":                    false, // a manifest may not name a whole top-level domain
		"https://evil-c.test":                 false,
		"http://127.0.0.1:8080":               false,
		"https://evil.test\\.org.example.com": false,
	} {
		configs := []host.Config{{Name: "of another kind"}, {Name: "a", BaseURL: address, TokenSecretRef: "env:A"}}
		if err := CheckFound("connections.yaml", configs, known); (err == nil) != allowed || err != nil && !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", address, err)
		}
		if CheckFound("connections.yaml", configs, nil) == nil {
			t.Errorf("%s: accepted without a manifest that is trusted", address)
		}
	}
}

func TestCheckFound_OfSettings_NamesTheFieldThatSendsASecret(t *testing.T) {
	known := &abi.BaseURL{Consoles: []abi.Console{{Suffix: "-admin.example.com", Use: ".example.com"}}}
	for want, c := range map[string]host.Config{
		"": {TokenSecretRef: "env:A", Proxy: "http://proxy.test:3128"}, // TLS ends at the service
		"env:A (token_secret_ref) to https://org.example.com, certified by ca_file": {TokenSecretRef: "env:A", CAFile: "ca.pem"},
		"env:K (private_key_ref) to https://evil.test":                              {BaseURL: "https://evil.test", OAuth: host.OAuth{PrivateKeyRef: "env:K"}},
		"env:B (proxy_credentials_ref) to its proxy":                                {TokenSecretRef: "env:A", Proxy: "http://proxy.test:3128", ProxyCredentialsRef: "env:B"},
	} {
		if c.BaseURL == "" {
			c.BaseURL = "https://org.example.com"
		}
		if err := CheckFound("connections.yaml", []host.Config{c}, known); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestCheckFound_FileThatIsMissing_IsJudgedByItsFolder(t *testing.T) {
	folder, home := t.TempDir(), t.TempDir()
	for link, to := range map[string]string{"link": home, "dangling": filepath.Join(home, "missing"), "inner": filepath.Join(folder, "sub")} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, allowed := range map[string]bool{
		filepath.Join(folder, "missing"):            true,
		filepath.Join(folder, "sub", "missing"):     true,
		filepath.Join(folder, "inner", "missing"):   true,
		filepath.Join(folder, "link", "missing"):    false, // outside when it is written
		filepath.Join(folder, "dangling"):           false,
		filepath.Join(folder, "dangling", "a"):      false,
		filepath.Join(folder, "absent", "missing"):  false, // nobody knows what this folder will be
		filepath.Join(folder, "..", "missing"):      false,
		filepath.Join(home, "missing"):              false,
		folder + "/link/../missing":                 true, // the token is read from there, since paths are shortened first
		filepath.Join(folder, "link", "sub", "new"): false,
	} {
		c := host.Config{BaseURL: "https://evil.test", TokenSecretRef: "file:" + file}
		if err := CheckFound(filepath.Join(folder, "connections.yaml"), []host.Config{c}, nil); (err == nil) != allowed {
			t.Errorf("%s: %v", file, err)
		}
	}
}
