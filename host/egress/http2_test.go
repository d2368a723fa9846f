package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/mach5/okta-connector/abi"
)

// resetting starts an HTTP/2 server that accepts requests and resets their streams with a code. A client cannot know
// what the server did with them. requests counts them.
func resetting(t *testing.T, code http2.ErrCode) (url string, trust *x509.CertPool, requests *atomic.Int32) {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil) // its certificate is used
	t.Cleanup(borrowed.Close)
	trust = x509.NewCertPool()
	trust.AddCert(borrowed.Certificate())
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: borrowed.TLS.Certificates, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	requests = new(atomic.Int32)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
					return
				}
				framer := http2.NewFramer(conn, conn)
				_ = framer.WriteSettings()
				for {
					frame, err := framer.ReadFrame()
					if err != nil {
						return
					}
					switch f := frame.(type) {
					case *http2.SettingsFrame:
						if !f.IsAck() {
							_ = framer.WriteSettingsAck()
						}
					case *http2.PingFrame:
						_ = framer.WritePing(true, f.Data)
					case *http2.HeadersFrame:
						requests.Add(1)
						_ = framer.WriteRSTStream(f.StreamID, code)
					}
				}
			}()
		}
	}()
	return "https://" + listener.Addr().String(), trust, requests
}

// net/http repeats a write without a body after some stream errors, and does not report which headers it wrote. The
// service must get neither write twice, and neither counts as unsent.
func TestSend_WriteOverHTTP2_IsSentOnce(t *testing.T) {
	for _, code := range []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeRefusedStream, http2.ErrCodeInternal, http2.ErrCodeCancel} {
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			for _, body := range []string{"", "{}"} {
				if method == "DELETE" && body != "" {
					continue
				}
				t.Run(code.String()+" "+method+" "+body, func(t *testing.T) {
					base, trust, requests := resetting(t, code)
					cl, _ := client(t, base, func(c *Config) { c.Route.RootCAs, c.Timeout = trust, 5*time.Second })
					_, err := cl.Send(context.Background(), Call{Endpoint: endpoint(method + " /x"), Request: abi.Request{Body: []byte(body)}})
					if err == nil || err.Code != abi.SendInterrupted || !err.Sent || requests.Load() != 1 {
						t.Errorf("%+v after %d requests, want interrupted, sent, after 1", err, requests.Load())
					}
				})
			}
		}
	}
}

// net/http would repeat the request until the attempt ends.
func TestSend_ReadOverHTTP2_IsRepeatedAFewTimes(t *testing.T) {
	base, trust, requests := resetting(t, http2.ErrCodeProtocol)
	cl, _ := client(t, base, func(c *Config) { c.Route.RootCAs, c.Timeout, c.MaxAttempts = trust, 5*time.Second, 2 })
	_, err := get(cl)
	if err == nil || err.Code != abi.SendInterrupted || requests.Load() != 2*maxTries {
		t.Errorf("%+v after %d requests, want interrupted after %d", err, requests.Load(), 2*maxTries)
	}
}

func TestSend_CanceledWriteOverHTTP2_MayHaveBeenSent(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	trust := x509.NewCertPool()
	trust.AddCert(server.Certificate())
	ctx, cancel := context.WithCancel(context.Background())
	cl, _ := client(t, server.URL, func(c *Config) {
		c.Route.RootCAs = trust
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})
	server.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("the request came over %s", r.Proto)
		}
		cancel()
		<-r.Context().Done()
	})
	_, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x"), Request: abi.Request{Body: []byte(`{}`)}})
	if err == nil || err.Code != abi.SendCanceled || !err.Sent {
		t.Errorf("%+v, want canceled and sent", err)
	}
}
