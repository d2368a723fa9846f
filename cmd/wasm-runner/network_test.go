package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/network/proxytest"
)

// TestConnection_BehindProxyAndPrivateAuthority_Works runs every kind of command against an org with a certificate of its
// own, through a proxy that wants credentials.
func TestConnection_BehindProxyAndPrivateAuthority_Works(t *testing.T) {
	t.Parallel()
	path := module(t)
	dir := t.TempDir()
	org := httptest.NewTLSServer(oktatest.New(oktatest.Config{Token: "00aTokenOfATest", Users: 3, Events: 20}))
	t.Cleanup(org.Close)
	var received atomic.Int64
	collector := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { received.Add(1) }))
	t.Cleanup(collector.Close)
	proxy := proxytest.New(t, func(p *proxytest.Proxy) { p.Credentials = "ada:s3cret" })
	connection := "connections:\n  - name: okta\n    kind: okta\n    base_url: " + org.URL + "\n    token_secret_ref: file:token\n    allow_private_network: true\n"
	for name, text := range map[string]string{
		"token": "00aTokenOfATest", "user": "ada:s3cret\n", "ca.pem": string(proxytest.PEM(org.Certificate())),
		"direct.yaml":  connection,
		"proxied.yaml": connection + "    proxy: http://" + proxy.Address + "\n    proxy_credentials_ref: file:user\n    ca_file: ca.pem\n    tls_min: \"1.3\"\n",
		"wrong.yaml":   connection + "    proxy: http://" + proxy.Address + "\n    proxy_credentials_ref: env:PROXY_USER\n    ca_file: ca.pem\n",
		"env.yaml":     connection + "    proxy: environment\n    ca_file: ca.pem\n",
		"no-ca.yaml":   connection + "    ca_file: missing.pem\n",
		"literal.yaml": connection + "    proxy: http://ada:s3cret@" + proxy.Address + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct {
		config  string
		env     string
		args    []string
		code    int
		says    string // regular expression of stdout and stderr
		tunnels bool   // the proxy is asked
	}{
		{"proxied.yaml", "", []string{"invoke", "org_identity"}, 0, `"outcome":"succeeded"`, true},
		{"proxied.yaml", "", []string{"table", "list_users", "--limit", "2"}, 0, `(?i)login`, true},
		{"proxied.yaml", "", []string{"source", "poll_system_log_page", "--no-checkpoint"}, 0, `"uuid"`, true},
		{"proxied.yaml", "", []string{"sql", "SELECT count(*) AS n FROM okta.groups"}, 0, `(?i)n`, true},
		{"proxied.yaml", "", []string{"check"}, 0, `(?s)ok   proxy +requests go through http://` + regexp.QuoteMeta(proxy.Address) + `\n.*ok   ca_file .*ca\.pem`, true},
		{"proxied.yaml", "", []string{"source", "poll_system_log_page", "--no-checkpoint", "--out", collector.URL, "--out-proxy", "http://" + proxy.Address,
			"--out-proxy-credentials", "file:" + filepath.Join(dir, "user"), "--out-ca-file", filepath.Join(dir, "ca.pem")}, 0, ``, true},
		{"proxied.yaml", "", []string{"source", "poll_system_log_page", "--no-checkpoint", "--out", collector.URL, "--out-proxy", "http://" + proxy.Address}, 1, `--out-proxy-credentials`, true},
		{"wrong.yaml", "PROXY_USER=ada:wr0ng", []string{"invoke", "org_identity"}, 7, `proxy http://127.*: it refuses the user or password \(407\): check the value behind proxy_credentials_ref`, true},
		{"wrong.yaml", "A=B", []string{"invoke", "org_identity"}, 7, `proxy_credentials_ref: .*PROXY_USER is not set`, false},
		{"env.yaml", "HTTPS_PROXY=http://ada:s3cret@" + proxy.Address, []string{"check"}, 0, `ok   proxy +requests go directly to https://127.*, as the environment says`, false},
		{"direct.yaml", "", []string{"invoke", "org_identity"}, 7, `signed by .*, which is not trusted here: .* name the file with ca_file`, false},
		{"no-ca.yaml", "", []string{"invoke", "org_identity"}, 2, `ca_file: .*missing\.pem: no such file`, false},
		{"literal.yaml", "", []string{"invoke", "org_identity"}, 2, `proxy: the address contains a user or password`, false},
		{"proxied.yaml", "", []string{"source", "poll_system_log_page", "--no-checkpoint", "--out-proxy", "environment"}, 2, `are for an http or https address`, false},
	} {
		if testing.Short() && i%5 != 0 {
			continue
		}
		name := c.config + " " + strings.Join(c.args, " ")
		before := len(proxy.Asked())
		got := runIn(t, dir, path, "", []string{c.env}, append([]string{"--config", c.config}, c.args...)...)
		out := got.stdout + got.stderr
		if got.code != c.code || !regexp.MustCompile(c.says).MatchString(out) || (len(proxy.Asked()) > before) != c.tunnels {
			t.Errorf("%s: exit %d, %d tunnels, want %d and %s:\n%s", name, got.code, len(proxy.Asked())-before, c.code, c.says, out)
		}
		for _, secret := range []string{"s3cret", "wr0ng", "YWRhOnMzY3JldA"} {
			if strings.Contains(out, secret) {
				t.Errorf("%s prints the password:\n%s", name, out)
			}
		}
	}
	if received.Load() == 0 {
		t.Error("the collector got nothing")
	}
	if others := proxy.Others(); len(others) > 0 {
		t.Error("requests that the proxy could read:", fmt.Sprint(others))
	}
}
