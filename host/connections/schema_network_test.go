package connections

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestParse_NetworkMistake_HasALine has faults of how to reach the service, and of commands.
func TestParse_NetworkMistake_HasALine(t *testing.T) {
	s := okta(t)
	const head = oauthHead + "    token_secret_ref: env:A\n"
	for name, c := range map[string]struct{ text, want string }{
		"no scheme":               {head + "    proxy: proxy.example.com:3128\n", ":6: proxy: want an address such as http://proxy.example.com:3128"},
		"another scheme":          {head + "    proxy: ftp://proxy.example.com\n", ":6: proxy: want an address"},
		"credentials in it":       {head + "    proxy: http://ada:" + secret + "@proxy.example.com\n", ":6: proxy: the address contains a user or password: remove it"},
		"a path":                  {head + "    proxy: http://proxy.example.com/x\n", ":6: proxy: the address has a path, query or fragment"},
		"credentials, no proxy":   {head + "    proxy_credentials_ref: env:B\n", ":6: proxy_credentials_ref: there is no proxy: write proxy, too, or leave it out"},
		"TLS without quotes":      {head + "    tls_min: 1.3\n", `:6: tls_min: want one of 1.2, 1.3: write "1.3", in quotes`},
		"another TLS":             {head + "    tls_min: 1.1\n", ":6: tls_min: want one of 1.2, 1.3"},
		"a command without words": {oauthHead + "    token_secret_ref: exec:vault get\n", ":5: token_secret_ref: exec: is not a list of words: write exec:[PROGRAM, ARGUMENT, …]"},
		"a command for a key":     {oauthHead + "    oauth:\n      client_id: 0oa1\n      private_key_ref: 'exec:[]'\n", ":7: oauth: private_key_ref: exec: names no program"},
		"a command for a proxy":   {head + "    proxy: http://proxy.example.com\n    proxy_credentials_ref: 'exec:['\n", ":7: proxy_credentials_ref: exec: is not a list of words"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || len(Faults(err)) != 1 || strings.Contains(err.Error(), secret) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := s.Parse([]byte(head + "    proxy: environment\n    proxy_credentials_ref: env:B\n    tls_min: \"1.3\"\n")); err != nil {
		t.Error(err)
	}
}

// TestReadFile_CommandThatOthersChoose_HasALine names the reference.
func TestReadFile_CommandThatOthersChoose_HasALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	text := oauthHead + "    oauth:\n      client_id: 0oa1\n      private_key_ref: exec:[vault, get]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o622); err != nil {
		t.Fatal(err)
	}
	_, err := okta(t).ReadFile(path)
	if err == nil || !strings.Contains(err.Error(), "c.yaml:7: connection a runs a command (exec:)") {
		t.Error(err)
	}
}

func TestLineOf_EachField_IsFound(t *testing.T) {
	text := []byte("connections:\n- {name: b}\n- name: a\n  kind: okta\n  oauth:\n    private_key_ref: x\n  ca_file: y\n")
	for want, path := range map[int][]string{4: {"kind"}, 6: {"oauth", "private_key_ref"}, 7: {"ca_file"}, 0: {"proxy"}} {
		if got := LineOf(text, "a", path...); got != want {
			t.Errorf("%v is in line %d, want %d", path, got, want)
		}
	}
	if got := LineOf(text, "c", "kind"); got != 0 {
		t.Errorf("a connection that is not there: line %d", got)
	}
}
