package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"syscall"

	"github.com/mach5/okta-connector/abi"
)

func malformed(err error) *abi.SendError {
	return &abi.SendError{Code: abi.SendMalformed, Message: err.Error()}
}

// contextError says why the caller's context ended.
func contextError(ctx context.Context, sent bool) *abi.SendError {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &abi.SendError{Code: abi.SendCanceled, Message: "the caller gave up", Sent: sent}
	}
	return &abi.SendError{Code: abi.SendTimeout, Message: "the call's time is up", Sent: sent}
}

// sendError says what became of a request that got no answer. Nothing of the request's headers, query or body is in
// the message.
func (c *Client) sendError(ctx, attempt context.Context, err error, t *trail) *abi.SendError {
	e := &abi.SendError{Sent: t.sent()}
	host := c.config.BaseURL.Host
	var dial dialError
	switch {
	case t.stopped:
		e.Code, e.Message = abi.SendInterrupted, host+" broke off before it answered"
	case ctx.Err() != nil:
		return contextError(ctx, e.Sent)
	case attempt.Err() != nil:
		e.Code, e.Message = abi.SendTimeout, host+" did not answer within "+c.config.Timeout.String()+" (limits.request_seconds of the connection)"
	case errors.As(err, &dial):
		e.Code, e.Message, e.Lasting = abi.SendConnect, c.dialMessage(dial.error), lasting(dial.error)
	case !e.Sent && isTLS(err, t.tlsError.Load()):
		e.Code, e.Message = abi.SendTLS, tlsMessage(host, err)
	case e.Sent:
		e.Code, e.Message = abi.SendInterrupted, "the connection to "+host+" broke before an answer had come"
		if c.config.BaseURL.Scheme == "http" {
			e.Message += ": if it speaks https, write so in base_url"
		}
	case isTimeout(err):
		e.Code, e.Message = abi.SendConnect, host+" did not finish the TLS handshake within "+tlsTimeout.String()
	default:
		e.Code, e.Message = abi.SendConnect, "the connection to "+host+" broke before the request left"
	}
	return e
}

// bodyError says why an answer could not be read to its end.
func (c *Client) bodyError(ctx, attempt context.Context, err error) *abi.SendError {
	host := c.config.BaseURL.Host
	e := &abi.SendError{Sent: true}
	switch {
	case errors.Is(err, errTooLarge):
		e.Code = abi.SendTooLarge
		e.Message = "the answer is over the limit of " + strconv.FormatInt(c.config.MaxBody, 10) + " bytes (limits.body_bytes of the connection): ask for smaller pages, or raise it"
	case ctx.Err() != nil:
		return contextError(ctx, true)
	case attempt.Err() != nil:
		e.Code, e.Message = abi.SendTimeout, host+" did not finish its answer within "+c.config.Timeout.String()+" (limits.request_seconds of the connection)"
	case errors.Is(err, errEncoding):
		e.Code, e.Message = abi.SendInterrupted, "the answer of "+host+" is not encoded as it says"
	default:
		e.Code, e.Message = abi.SendInterrupted, "the connection to "+host+" broke before the whole answer had come"
	}
	return e
}

// dialMessage says why there is no connection, and whether the environment names a proxy that would perhaps have one.
func (c *Client) dialMessage(err error) string {
	message := c.dialReason(err)
	if name := UnusedProxy(c.config.BaseURL, c.config.LookupEnv); name != "" && !errors.Is(err, errPrivate) {
		message += "; " + name + " is set, and is not used: requests go straight to the org"
	}
	return message
}

func (c *Client) dialReason(err error) string {
	host, name := c.config.BaseURL.Host, c.config.BaseURL.Hostname()
	var dns *net.DNSError
	switch {
	case errors.Is(err, errPrivate):
		return err.Error()
	case errors.As(err, &dns) && (dns.IsTemporary || dns.IsTimeout) && !dns.IsNotFound:
		return "the name " + name + " cannot be resolved just now: check the network and its DNS"
	case errors.As(err, &dns):
		return "no such host " + name + ": check base_url, or the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return host + " refuses connections: check base_url, or whether it runs"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route to " + host + ": check the network"
	case isTimeout(err):
		return host + " does not take connections within " + dialTimeout.String() + ": check the network, or a firewall"
	}
	return "no connection to " + host
}

// lasting reports whether dialling again would end the same way: a name that is none, an address that is not allowed.
func lasting(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, errPrivate) || errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isTLS reports whether there is a peer, but no trust in it. A handshake that only broke off may go better next time.
func isTLS(err error, handshakeFailed bool) bool {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	broke := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || isTimeout(err)
	return handshakeFailed && !broke
}

// httpsWanted is what servers answer to http on a port for https: Go, nginx, Apache.
var httpsWanted = [][]byte{
	[]byte("HTTP request to an HTTPS server"), []byte("plain HTTP request was sent to HTTPS port"), []byte("speaking plain HTTP to an SSL-enabled server port"),
}

// wantsHTTPS reports whether an answer says that its port speaks https.
func wantsHTTPS(resp *Response) bool {
	return resp.Status == http.StatusBadRequest && slices.ContainsFunc(httpsWanted, func(text []byte) bool {
		return bytes.Contains(resp.Body.Bytes(), text)
	})
}

func tlsMessage(host string, err error) string {
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	if errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &plain) && bytes.HasPrefix(plain.RecordHeader[:], []byte("HTTP/")) {
		return host + " speaks http, and base_url says https: is its port right?"
	}
	if !errors.As(err, &cert) {
		return host + " does not speak TLS as it should (TLS 1.2 or later): is base_url right?"
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(cert.Err, &name):
		return host + ": its certificate is for another name: check base_url"
	case errors.As(cert.Err, &invalid) && invalid.Reason == x509.Expired:
		return host + ": its certificate has expired, or this machine's clock is wrong"
	case errors.As(cert.Err, &unknown):
		return host + ": its certificate is signed by nobody this machine trusts: a proxy that inspects TLS, or the wrong host"
	}
	return host + ": its certificate is not valid"
}
