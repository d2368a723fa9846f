package network_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/network/proxytest"
	"github.com/mach5/okta-connector/host/sink/httpsink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// writeCA replaces a file as other programs do, with a time of change of its own.
func writeCA(t *testing.T, path string, text []byte, second int) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 5, 1, 12, 0, second, 0, time.UTC)
	if err := os.Chtimes(path+".new", at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestTransport_CAFileChanges_IsUsed changes the file under a client of a service and under a sink, from an authority that did
// not sign, to the one that did, to a text that is none, and back.
func TestTransport_CAFileChanges_IsUsed(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := proxytest.Authority(t, "another")
	own := proxytest.PEM(server.Certificate())
	path := filepath.Join(t.TempDir(), "ca.pem")
	writeCA(t, path, other, 0)
	route, err := network.Settings{CAFile: path}.Route(base, x509.NewCertPool())
	if err != nil {
		t.Fatal(err)
	}
	client, err := egress.New(egress.Config{BaseURL: base, Route: route, AllowPrivateNetwork: true, MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	receiver, err := httpsink.New(server.URL, httpsink.Options{Route: route, Patience: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = receiver.Close() })
	for i, c := range []struct {
		text    []byte
		trusted bool
	}{{other, false}, {own, true}, {[]byte("half a file"), true}, {other, false}, {own, true}} {
		writeCA(t, path, c.text, i+1)
		resp, sendErr := client.Send(t.Context(), egress.Call{Endpoint: abi.Endpoint{Endpoint: "GET /x", Class: abi.Read, Bucket: "b"}})
		if (sendErr == nil) != c.trusted || sendErr != nil && !strings.Contains(sendErr.Message, "is not trusted here") {
			t.Errorf("%d: the client: %+v", i, sendErr)
		}
		if resp != nil && resp.Body != nil {
			resp.Body.Release()
		}
		err := receiver.Write(t.Context(), sinktest.Numbered(0, 1))
		if (err == nil) != c.trusted || err != nil && !strings.Contains(err.Error(), "is not trusted here") {
			t.Errorf("%d: the sink: %v", i, err)
		}
	}
}

// TestTransport_CAFileChangesUnderLoad_FailsNoRequest runs under -race.
func TestTransport_CAFileChangesUnderLoad_FailsNoRequest(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	own := proxytest.PEM(server.Certificate())
	writeCA(t, path, own, 0)
	route, err := network.Settings{CAFile: path}.Route(base, x509.NewCertPool())
	if err != nil {
		t.Fatal(err)
	}
	client, err := egress.New(egress.Config{BaseURL: base, Route: route, AllowPrivateNetwork: true, MaxAttempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				resp, err := client.Send(t.Context(), egress.Call{Endpoint: abi.Endpoint{Endpoint: "GET /x", Class: abi.Read, Bucket: "b"}})
				if err != nil {
					t.Errorf("%+v", err)
				} else if resp.Body != nil {
					resp.Body.Release()
				}
			}
		})
	}
	for i := range 20 {
		writeCA(t, path, own, i+1)
	}
	all.Wait()
}
