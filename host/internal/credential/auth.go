package credential

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// Authorization is the default header for a credential.
const Authorization = "Authorization"

// AuthOf returns the first auth method of the manifest that this host implements. So far it implements only static
// tokens.
func AuthOf(m *abi.Manifest) (abi.Auth, error) {
	var types []string
	for _, a := range m.Auth {
		if a.Type == abi.AuthToken {
			return a, nil
		}
		types = append(types, a.Type)
	}
	if types == nil {
		return abi.Auth{}, errors.New("the module is of minor version 0, whose manifest has no auth method: load it with LoadOptions.Minor0, or use a newer module")
	}
	return abi.Auth{}, fmt.Errorf("auth: the module signs in with %s, but this host supports only a static token (%s): use a newer host",
		strings.Join(types, " or "), abi.AuthToken)
}

// HeaderValue returns the value of the credential's header: the prefix, if there is one, then the credential.
func HeaderValue(a abi.Auth, credential string) string {
	if a.Prefix == "" {
		return credential
	}
	return a.Prefix + " " + credential
}

// Placeholder replaces a secret in what the guest sees.
type Placeholder string

// NewPlaceholder returns a random placeholder.
func NewPlaceholder() Placeholder {
	var b [16]byte
	_, _ = rand.Read(b[:]) // cannot fail
	return Placeholder("{secret:" + hex.EncodeToString(b[:]) + "}")
}

// In reports whether the placeholder is in any part of a request. It would not be replaced there; only a hostile or
// faulty guest puts it there.
func (p Placeholder) In(req *abi.Request) bool {
	mark := strings.Trim(string(p), "{}")
	has := func(s string) bool {
		if strings.Contains(s, mark) {
			return true
		}
		plain, err := url.QueryUnescape(s)
		return err == nil && strings.Contains(plain, mark)
	}
	for _, v := range req.Path {
		if has(v) {
			return true
		}
	}
	for _, q := range req.Query {
		if has(q[0]) || has(q[1]) {
			return true
		}
	}
	for n, v := range req.Headers {
		if has(n) || has(v) {
			return true
		}
	}
	return has(req.Link) || bytes.Contains(req.Body, []byte(mark))
}
