package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/mach5/okta-connector/abi"
)

// errInterrupted is a body that did not come whole.
type errInterrupted struct{ error }

func (e errInterrupted) Unwrap() error { return e.error }

// sendError says what became of a request that got no whole answer. Nothing of the request's headers, query or body is
// in the message.
func (c *Client) sendError(ctx, attempt context.Context, err error, wrote bool) *abi.SendError {
	host := c.config.BaseURL.Host
	e := &abi.SendError{Sent: wrote}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Code, e.Message = abi.SendCanceled, "the caller gave up"
	case ctx.Err() != nil:
		e.Code, e.Message = abi.SendTimeout, "the call's time is up"
	case attempt.Err() != nil || os.IsTimeout(err):
		e.Code, e.Message = abi.SendTimeout, host+" did not answer within "+c.config.Timeout.String()
	case errors.As(err, &cert):
		e.Code, e.Message = abi.SendTLS, host+": "+certificate(cert.Err)
	case errors.As(err, &record), errors.As(err, &alert):
		e.Code, e.Message = abi.SendTLS, host+" does not speak TLS as it should: is base_url right?"
	case errors.As(err, &dns):
		e.Code, e.Message = abi.SendConnect, "no such host "+c.config.BaseURL.Hostname()+": check base_url, or the network"
		if dns.IsTemporary || dns.IsTimeout {
			e.Message = "the name " + c.config.BaseURL.Hostname() + " could not be resolved just now"
		}
	case errors.Is(err, errPrivate):
		e.Code, e.Message = abi.SendConnect, err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Code, e.Message = abi.SendConnect, host+" refuses connections: check base_url, or whether it runs"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		e.Code, e.Message = abi.SendConnect, "there is no route to "+host+": check the network"
	case wrote:
		e.Code, e.Message = abi.SendInterrupted, "the connection to "+host+" broke before a whole answer had come"
	default:
		e.Code, e.Message = abi.SendConnect, "no connection to "+host
	}
	return e
}

func certificate(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return "its certificate is for another name: check base_url"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or this machine's clock is wrong"
	case errors.As(err, &unknown):
		return "its certificate is signed by nobody this machine trusts: a proxy that inspects TLS, or the wrong host"
	}
	return "its certificate is not valid"
}
