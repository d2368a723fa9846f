package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// Times of finding out what a proxy speaks.
const (
	silentFor = 3 * time.Second // after this time without a tunnel, it may be that the scheme is wrong
	probeTime = 3 * time.Second // how long a proxy may take to answer the first probe
	graceTime = time.Second     // how long it may then take to answer the others
)

// protocols are the names of what a proxy speaks, by the scheme of its address.
var protocols = map[string]string{"http": "HTTP", "https": "TLS", "socks5": "SOCKS 5"}

// probes send the first bytes of a protocol, without credentials or the name of a service. Each reports whether the answer
// is of that protocol.
var probes = map[string]func(net.Conn) bool{
	"http": func(conn net.Conn) bool {
		return strings.HasPrefix(answer(conn, "OPTIONS * HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n", 5), "HTTP/")
	},
	"socks5": func(conn net.Conn) bool { return answer(conn, "\x05\x02\x00\x02", 1) == "\x05" },
	"https": func(conn net.Conn) bool {
		seen := &firstBytes{Conn: conn}
		_ = tls.Client(seen, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "proxy", MinVersion: tls.VersionTLS12}).Handshake() // it is never trusted
		return len(seen.got) > 1 && (seen.got[0] == 0x15 || seen.got[0] == 0x16) && seen.got[1] == 3
	},
}

// answer sends a text and returns the first bytes of the answer, or "".
func answer(conn net.Conn, text string, size int) string {
	if _, err := io.WriteString(conn, text); err != nil {
		return ""
	}
	got := make([]byte, size)
	if _, err := io.ReadFull(conn, got); err != nil {
		return ""
	}
	return string(got)
}

// firstBytes keeps the first bytes that a connection receives.
type firstBytes struct {
	net.Conn
	got []byte
}

// Read implements net.Conn.
func (f *firstBytes) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if len(f.got) < 2 {
		f.got = append(f.got, b[:n]...)
	}
	return n, err
}

// speaks returns the scheme of the protocol that the proxy speaks, if that is certainly not its own, and otherwise "". It
// opens a connection for each protocol.
func (p *Proxy) speaks(ctx context.Context, dial Dial) string {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	found := make(chan string, len(probes))
	for scheme, probe := range probes {
		go func() {
			conn, err := dial(ctx, "tcp", p.url.Host)
			if err != nil {
				found <- ""
				return
			}
			defer func() { _ = conn.Close() }()
			stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
			defer stop()
			if !probe(conn) {
				scheme = ""
			}
			found <- scheme
		}()
	}
	var all []string
	for range probes {
		if scheme := <-found; scheme != "" {
			all = append(all, scheme)
			time.AfterFunc(graceTime, cancel)
		}
	}
	if slices.Contains(all, "https") { // a server with TLS answers plain HTTP, too: that it wants TLS
		all = slices.DeleteFunc(all, func(scheme string) bool { return scheme == "http" })
	}
	if len(all) == 0 || slices.Contains(all, p.url.Scheme) { // some ports speak several
		return ""
	}
	slices.Sort(all)
	return all[0]
}

// wrongScheme returns the error for a proxy that speaks another protocol than its address says.
func (p *Proxy) wrongScheme(speaks string) *Error {
	return p.refused("it does not speak %s but %s: write %s://%s %s", protocols[p.url.Scheme], protocols[speaks], speaks, p.url.Host, p.place)
}
