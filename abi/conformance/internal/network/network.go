// Package network holds the attacks through names, addresses and certificates.
package network

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// Attacks returns attacks with names, addresses and certificates that lead to the wrong place.
func Attacks() []kit.Attack {
	var all []kit.Attack
	add := func(name, wall string, run func(*kit.Attempt) error) {
		all = append(all, kit.Attack{Family: "network", Name: name, Wall: wall, Run: run})
	}
	// Names resolve to addresses of private networks: the host must not dial them.
	for what, address := range map[string]string{
		"the cloud's metadata": "169.254.169.254", "the metadata of IPv6": "fd00:ec2::254", "a private network": "10.0.0.1", "another private network": "192.168.1.1",
		"loopback": "127.0.0.1", "loopback of IPv6": "::1", "loopback as IPv4-mapped IPv6": "::ffff:127.0.0.1", "this host": "0.0.0.0", "carrier-grade NAT": "100.64.0.1",
		"link-local of IPv6": "fe80::1", "multicast": "224.0.0.1", "a site of IPv6": "fec0::1", "an IPv4 address behind NAT64": "64:ff9b::a9fe:a9fe", "an IPv4 address behind 6to4": "2002:a9fe:a9fe::1",
	} {
		add("a name that leads to "+what, "private addresses", func(a *kit.Attempt) error {
			res, err := a.One(kit.RigOptions{BaseURL: "https://org.example", Resolve: map[string][][]string{"org.example": {{address}}},
				Limits: target.Limits{CallTimeout: 10 * time.Second}}, "read", kit.Send(kit.Get))
			if err != nil {
				return err
			}
			if err := res.GotCode(0, abi.SendConnect); err != nil {
				return err
			}
			return res.NamesLimit("allow_private_network")
		})
	}
	add("a name with a public and a private address", "private addresses", func(a *kit.Attempt) error {
		listener, hits, err := listen(a)
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(listener)
		_, err = a.One(kit.RigOptions{BaseURL: "https://org.example:" + port, Resolve: map[string][][]string{"org.example": {{"127.0.0.1", "8.8.8.8"}}},
			Limits: target.Limits{CallTimeout: time.Second}}, "read", kit.Send(kit.Get))
		if err == nil && hits.Load() > 0 {
			return errors.New("the private address was dialled")
		}
		return err
	})
	add("a name that is private at the second lookup", "checked address", func(a *kit.Attempt) error {
		listener, hits, err := listen(a)
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(listener)
		_, err = a.One(kit.RigOptions{BaseURL: "https://localhost.example:" + port,
			Resolve: map[string][][]string{"localhost.example": {{"8.8.8.8"}, {"127.0.0.1"}}}, Limits: target.Limits{CallTimeout: 2 * time.Second}}, "read", kit.Send(kit.Get), kit.Send(kit.Get))
		if err == nil && hits.Load() > 0 {
			return errors.New("the private address was dialled")
		}
		return err
	})
	for what, address := range map[string]string{
		"a public address": "192.0.2.1", "a private network": "10.0.0.1", "this host": "0.0.0.0", "this host of IPv6": "::", "an IPv4-mapped public address": "::ffff:192.0.2.1",
	} {
		add("localhost, over http, that leads to "+what, "plain http", func(a *kit.Attempt) error {
			listener, hits, err := listen(a)
			if err != nil {
				return err
			}
			_, port, _ := net.SplitHostPort(listener)
			res, err := a.One(kit.RigOptions{BaseURL: "http://localhost:" + port, Resolve: map[string][][]string{"localhost": {{address}}}, AllowPrivateNetwork: true,
				Limits: target.Limits{CallTimeout: 5 * time.Second}}, "read", kit.Send(kit.Get))
			switch {
			case err != nil:
				return err
			case hits.Load() > 0:
				return errors.New("it was dialled")
			}
			return errors.Join(res.GotCode(0, abi.SendConnect), res.NamesLimit("https"))
		})
	}
	refused := func(url, otherwise string) func(*kit.Attempt) error {
		return func(a *kit.Attempt) error {
			m, err := a.Module(a.Ctx)
			if err != nil {
				return err
			}
			s, err := m.Connect(a.Ctx, target.Connection{BaseURL: url, Token: kit.Token, Grants: abi.Classes(), Log: io.Discard})
			if err != nil {
				return nil
			}
			_ = s.Close(a.Ctx)
			return errors.New(otherwise)
		}
	}
	for what, url := range map[string]string{
		"plain http to another host": "http://org.example.com", "a file": "file:///etc/passwd", "a user in the address": "https://user:secret@org.example.com",
		"a path": "https://org.example.com/evil", "a query": "https://org.example.com/?x=1", "a fragment": "https://org.example.com/#x",
		"no host": "https://", "a host with a line break": "https://exa\nmple.com", "a host with a zone": "https://[fe80::1%25eth0]", "another scheme": "gopher://org.example.com",
		"a host with a NUL": "https://org.example.com\x00.evil.example", "the admin console": "https://example-admin.example.com",
		"an invalid port": "https://org.example.com:99999", "port 0": "https://org.example.com:0", "a colon without a port": "https://org.example.com:",
	} {
		add("a base URL of "+what, "base URL", refused(url, "the connection was made"))
	}
	for what, url := range map[string]string{
		"an address": "http://127.0.0.1:1", "another address": "https://127.1.2.3", "an address of IPv6": "http://[::1]:1", "an address as IPv4-mapped IPv6": "https://[::ffff:127.0.0.1]",
		"a name": "http://localhost:1", "a name under https": "https://localhost", "a name with a dot at its end": "https://localhost.", "a name below it": "https://a.localhost",
		"the unspecified address": "https://0.0.0.0", "the unspecified address of IPv6": "https://[::]",
	} {
		add("a base URL of this machine: "+what, "base URL of this machine", refused(url, "the connection was made without allow_private_network"))
	}
	newest := uint16(tls.VersionTLS13)
	certificate := func(name string, want bool, change func(*x509.Certificate), trusted bool) {
		newest := newest
		add(name, "certificates", func(a *kit.Attempt) error {
			cert, ca, err := issue(change)
			if err != nil {
				return err
			}
			var hits atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hits.Add(1); kit.Honest(w, r) }))
			server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: newest}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			a.Later(server.Close)
			o := kit.RigOptions{BaseURL: server.URL, AllowPrivateNetwork: true, Limits: target.Limits{CallTimeout: 5 * time.Second}}
			if trusted {
				o.RootCAs = ca
			}
			res, err := a.One(o, "read", kit.Send(kit.Get))
			if err != nil {
				return err
			}
			if want {
				return res.Contains(0, `"status":200`)
			}
			if hits.Load() > 0 {
				return errors.New("the request was sent")
			}
			return res.GotCode(0, abi.SendTLS)
		})
	}
	certificate("a valid certificate is accepted", true, func(*x509.Certificate) {}, true)
	certificate("a certificate of an unknown authority", false, func(*x509.Certificate) {}, false)
	certificate("an expired certificate", false, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, true)
	certificate("a certificate of the future", false, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, true)
	certificate("a certificate for another name", false, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"evil.example"} }, true)
	certificate("a certificate for another purpose", false, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }, true)
	newest = tls.VersionTLS11
	certificate("a server of TLS 1.1", false, func(*x509.Certificate) {}, true)
	return all
}

// listen counts the connections to a loopback address.
func listen(a *kit.Attempt) (address string, hits *atomic.Int64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	hits = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			hits.Add(1)
			_ = c.Close()
		}
	}()
	a.Later(func() { _ = l.Close(); <-done })
	return l.Addr().String(), hits, nil
}

// issue returns a new authority and its certificate, which is valid except for the change.
func issue(change func(*x509.Certificate)) (cert tls.Certificate, ca []byte, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kit"}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey)
	if err != nil {
		return cert, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, NotBefore: time.Now().Add(-24 * time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	change(leaf)
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, caKey)
	if err != nil {
		return cert, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), nil
}
