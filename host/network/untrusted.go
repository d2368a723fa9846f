package network

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/mach5/okta-connector/internal/excerpt"
)

// Untrusted says why a certificate is not accepted, and what to do. setting is the name of the setting for more
// certificate authorities.
func Untrusted(e *tls.CertificateVerificationError, setting string) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e.Err, &name):
		return "its certificate is for another name: check the address"
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or this machine's clock is wrong"
	case errors.As(e.Err, &unknown):
		return "its certificate is signed by " + signer(e.UnverifiedCertificates) + ", which is not trusted here: " +
			"if that is an authority of your company, write its certificate into a PEM file and name the file with " + setting
	}
	return "its certificate is not valid"
}

// signer returns the name of the authority that signed the last certificate of a chain.
func signer(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return "an unknown authority"
	}
	if issuer := chain[len(chain)-1]; len(chain) == 1 && bytes.Equal(issuer.RawIssuer, issuer.RawSubject) {
		return "itself"
	}
	last := chain[len(chain)-1].Issuer
	name := last.CommonName
	if name == "" && len(last.Organization) > 0 {
		name = last.Organization[0]
	}
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' {
			return '?'
		}
		return r
	}, excerpt.Of(name))
	if name == "" {
		return "an authority without a name"
	}
	return "\"" + name + "\""
}
