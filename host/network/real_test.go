package network_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/network/proxytest"
)

// program is a proxy of another project. It listens on port of 127.0.0.1.
type program struct {
	path   string // it is in the folder of programs or in /usr/sbin
	scheme string
	files  func(folder, port string) map[string]string // configuration
	args   func(folder, port string) []string
}

const user, password = "ada", "s3cret"

var programs = map[string]program{
	"tinyproxy": {"tinyproxy", "http",
		func(folder, port string) map[string]string {
			return map[string]string{"conf": "Port " + port + "\nListen 127.0.0.1\nTimeout 600\nLogFile \"" + folder + "/log\"\nAllow 127.0.0.1\nBasicAuth " + user + " " + password + "\n"}
		},
		func(folder, _ string) []string { return []string{"-d", "-c", folder + "/conf"} }},
	"squid": {"squid", "http",
		func(folder, port string) map[string]string {
			return map[string]string{
				"conf": "http_port 127.0.0.1:" + port + "\nauth_param basic program " + folder + "/check\nacl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\n" +
					"access_log none\ncache_log " + folder + "/log\ncache deny all\npid_filename none\ncoredump_dir " + folder + "\nshutdown_lifetime 0 seconds\n",
				// Reads "user password" lines, and says which are right.
				"check": "#!/bin/sh\nwhile read -r line; do if [ \"$line\" = '" + user + " " + password + "' ]; then echo OK; else echo ERR; fi; done\n",
			}
		},
		func(folder, _ string) []string { return []string{"-N", "-f", folder + "/conf"} }},
	"microsocks": {"microsocks", "socks5",
		func(string, string) map[string]string { return nil },
		func(_, port string) []string {
			return []string{"-i", "127.0.0.1", "-p", port, "-u", user, "-P", password}
		}},
}

// start runs a program and returns its address. It skips the test if the program is not installed.
func (p program) start(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(p.path)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + p.path)
	}
	if err != nil {
		t.Skipf("%s is not installed", p.path)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = l.Close()
	folder, err := os.MkdirTemp("/tmp", "proxy") // t.TempDir and TMPDIR may be closed to others, and squid runs as another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	_ = os.Chmod(folder, 0o777)
	for name, text := range p.files(folder, port) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := exec.CommandContext(ctx, path, p.args(folder, port)...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { cancel(); <-ended })
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
		select {
		case err := <-ended:
			ended <- err
			log, _ := os.ReadFile(filepath.Join(folder, "log"))
			t.Fatalf("%s ended: %v\n%s%s", p.path, err, said.String(), log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestProxy_OfOtherProjects_OpensTunnels sends requests through real proxies, with right, wrong and no credentials.
func TestProxy_OfOtherProjects_OpensTunnels(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	for name, p := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := p.start(t)
			for credentials, want := range map[string]string{user + ":" + password: "", user + ":wrong": "it refuses the user or password", "": "it wants a user and a password"} {
				err := send(t, server.URL, network.Settings{Proxy: p.scheme + "://" + address}, credentials, trust)
				if want == "" && err != nil {
					t.Errorf("with the right credentials: %v", err)
				}
				if want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wrong")) {
					t.Errorf("with %q: %v, want %q", credentials, err, want)
				}
			}
		})
	}
}

// send sends one request.
func send(t *testing.T, base string, s network.Settings, credentials string, trust *x509.CertPool) error {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := egress.New(egress.Config{BaseURL: u, Route: proxytest.Route(t, base, s, credentials, trust), AllowPrivateNetwork: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	resp, sendErr := c.Send(t.Context(), egress.Call{Endpoint: abi.Endpoint{Endpoint: "GET /x", Class: abi.Read, Bucket: "b"}})
	if sendErr != nil {
		return errors.New(sendErr.Message)
	}
	if resp.Status != http.StatusOK {
		return fmt.Errorf("status %d", resp.Status)
	}
	return nil
}

// intercepting is squid as companies set it up to read along: it signs certificates with an authority of its own.
func intercepting(ca, trusted string) program {
	return program{"squid", "http",
		func(folder, port string) map[string]string {
			return map[string]string{"conf": "http_port 127.0.0.1:" + port + " ssl-bump tls-cert=" + ca + " generate-host-certificates=on dynamic_cert_mem_cache_size=4MB\n" +
				"sslcrtd_program " + certgen + " -s " + folder + "/certificates -M 4MB\nacl first at_step SslBump1\nssl_bump peek first\nssl_bump bump all\nhttp_access allow all\nsslproxy_cert_error allow all\ntls_outgoing_options cafile=" + trusted + "\n" +
				"access_log none\ncache_log " + folder + "/log\ncache deny all\npid_filename none\ncoredump_dir " + folder + "\nshutdown_lifetime 0 seconds\n"}
		},
		func(folder, _ string) []string { return []string{"-N", "-f", folder + "/conf"} }}
}

const certgen = "/usr/lib/squid/security_file_certgen"

// TestProxy_ThatInterceptsTLS_NeedsItsAuthority uses a real squid.
func TestProxy_ThatInterceptsTLS_NeedsItsAuthority(t *testing.T) {
	if _, err := os.Stat(certgen); err != nil {
		t.Skip("squid-openssl is not installed")
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	folder, err := os.MkdirTemp("/tmp", "authority")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	_ = os.Chmod(folder, 0o755)
	trusted, ca, caKey := filepath.Join(folder, "trusted.pem"), filepath.Join(folder, "ca.pem"), filepath.Join(folder, "both.pem")
	certificate, key := proxytest.Authority(t, "Example Corp Inspection")
	for path, text := range map[string][]byte{trusted: proxytest.PEM(server.Certificate()), ca: certificate, caKey: append(key, certificate...)} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := intercepting(caKey, trusted)
	files := p.files
	p.files = func(folder, port string) map[string]string { // squid wants its store before it starts
		if out, err := exec.Command(certgen, "-c", "-s", folder+"/certificates", "-M", "4MB").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if os.Getuid() == 0 {
			if out, err := exec.Command("chown", "-R", "proxy", folder+"/certificates").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		return files(folder, port)
	}
	s := network.Settings{Proxy: "http://" + p.start(t)}
	if err := send(t, server.URL, s, "", nil); err == nil || !strings.Contains(err.Error(), `signed by "Example Corp Inspection"`) || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("without the authority: %v", err)
	}
	s.CAFile = ca
	if err := send(t, server.URL, s, "", nil); err != nil {
		t.Errorf("with the authority: %v", err)
	}
}
