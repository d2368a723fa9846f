package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/network"
)

func malformed(err error) *abi.SendError {
	return &abi.SendError{Code: abi.SendMalformed, Message: err.Error()}
}

// contextError returns why the caller's context ended.
func contextError(ctx context.Context, sent bool) *abi.SendError {
	if errors.Is(ctx.Err(), context.Canceled) {
		return &abi.SendError{Code: abi.SendCanceled, Message: "the caller canceled the call", Sent: sent}
	}
	return &abi.SendError{Code: abi.SendTimeout, Message: "the call's time ended", Sent: sent}
}

// sendError describes a request without a response. The message contains nothing of the request's headers, query or
// body.
func (c *Client) sendError(ctx, attempt context.Context, err error, t *trail) *abi.SendError {
	e := &abi.SendError{Sent: t.sent()}
	host := c.config.BaseURL.Host
	var dial dialError
	switch {
	case t.stopped:
		e.Code, e.Message = abi.SendInterrupted, host+" closed the connection without a response"
	case ctx.Err() != nil:
		return contextError(ctx, e.Sent)
	case attempt.Err() != nil:
		e.Code, e.Message = abi.SendTimeout, host+" did not respond within "+c.config.Timeout.String()+" (limits.request_seconds of the connection)"
	case errors.As(err, &dial):
		e.Code, e.Message, e.Lasting = abi.SendConnect, c.dialMessage(dial.error), permanent(dial.error)
	case !e.Sent && isTLS(err, t.tlsError.Load()):
		e.Code, e.Message = abi.SendTLS, tlsMessage(host, err, c.config.Route.TLS().MinVersion)
	case e.Sent:
		e.Code, e.Message = abi.SendInterrupted, "the connection to "+host+" broke before a response arrived"
		if c.config.BaseURL.Scheme == "http" {
			e.Message += ": if it uses https, write https in base_url"
		}
	case isTimeout(err):
		e.Code, e.Message = abi.SendConnect, host+" did not finish the TLS handshake within "+tlsTimeout.String()
	default:
		e.Code, e.Message = abi.SendConnect, "the connection to "+host+" broke before the request was sent"
	}
	return e
}

// bodyError returns why a response could not be read completely.
func (c *Client) bodyError(ctx, attempt context.Context, err error) *abi.SendError {
	host := c.config.BaseURL.Host
	e := &abi.SendError{Sent: true}
	var full memoryError
	switch {
	case errors.As(err, &full):
		e.Code, e.Message = abi.SendTooLarge, "there is no memory for the response: "+full.Error()
	case errors.Is(err, errTooLarge):
		e.Code = abi.SendTooLarge
		e.Message = "the response is larger than " + strconv.FormatInt(c.config.MaxBody, 10) + " bytes (limits.body_bytes of the connection): ask for smaller pages, or raise the limit"
	case ctx.Err() != nil:
		return contextError(ctx, true)
	case attempt.Err() != nil:
		e.Code, e.Message = abi.SendTimeout, host+" did not finish its response within "+c.config.Timeout.String()+" (limits.request_seconds of the connection)"
	case errors.Is(err, errEncoding):
		e.Code, e.Message = abi.SendInterrupted, "the response of "+host+" is not encoded as its Content-Encoding says"
	default:
		e.Code, e.Message = abi.SendInterrupted, "the connection to "+host+" broke before the whole response arrived"
	}
	return e
}

// dialMessage says why there is no connection, and mentions a proxy that the environment names.
func (c *Client) dialMessage(err error) string {
	message := c.dialReason(err)
	if name := UnusedProxy(c.config.BaseURL, c.config.LookupEnv); c.config.Route.Proxy == nil && name != "" && !notAllowed(err) {
		message += "; " + name + " is set but not used: to use it, write proxy: environment into the connection"
	}
	return message
}

func (c *Client) dialReason(err error) string {
	host, name := c.config.BaseURL.Host, c.config.BaseURL.Hostname()
	var dns *net.DNSError
	var proxy *network.Error
	switch {
	case errors.As(err, &proxy) && notAllowed(err):
		return proxy.Unwrap().Error()
	case notAllowed(err):
		return err.Error()
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &dns) && (dns.IsTemporary || dns.IsTimeout) && !dns.IsNotFound:
		return "the name " + name + " cannot be resolved at the moment: check the network and its DNS"
	case errors.As(err, &dns):
		return "the host " + name + " does not exist: check base_url, or the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return host + " refuses connections: check base_url, and that the service is running"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "no route to " + host + ": check the network"
	case isTimeout(err):
		return host + " accepted no connection within " + dialTimeout.String() + ": check the network, or a firewall"
	}
	return "no connection to " + host
}

// permanent reports whether dialling again would fail the same way: the name does not exist, or the address is not
// allowed.
func permanent(err error) bool {
	var dns *net.DNSError
	if proxy := (*network.Error)(nil); errors.As(err, &proxy) {
		return proxy.Lasting || notAllowed(err)
	}
	return notAllowed(err) || errors.As(err, &dns) && dns.IsNotFound && !dns.IsTemporary && !dns.IsTimeout
}

// notAllowed reports whether a name resolves only to addresses that must not be dialled.
func notAllowed(err error) bool { return errors.Is(err, errPrivate) || errors.Is(err, errPlain) }

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isTLS reports whether the peer is reachable but not trusted. A handshake that was only interrupted may succeed next
// time.
func isTLS(err error, handshakeFailed bool) bool {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	broke := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || isTimeout(err)
	return handshakeFailed && !broke
}

// httpsWanted are responses of servers (Go, nginx, Apache) to http on an https port.
var httpsWanted = [][]byte{
	[]byte("HTTP request to an HTTPS server"), []byte("plain HTTP request was sent to HTTPS port"), []byte("speaking plain HTTP to an SSL-enabled server port"),
}

// wantsHTTPS reports whether a response says that its port requires https.
func wantsHTTPS(resp *Response) bool {
	return resp.Status == http.StatusBadRequest && slices.ContainsFunc(httpsWanted, func(text []byte) bool {
		return bytes.Contains(resp.Body.Bytes(), text)
	})
}

func tlsMessage(host string, err error, least uint16) string {
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	if errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &plain) && bytes.HasPrefix(plain.RecordHeader[:], []byte("HTTP/")) {
		return host + " speaks http, but base_url says https: check its port"
	}
	if !errors.As(err, &cert) {
		version := strings.TrimPrefix(tls.VersionName(least), "TLS ")
		return host + " does not speak TLS " + version + " or later: check base_url"
	}
	return host + ": " + network.Untrusted(cert, "ca_file")
}
