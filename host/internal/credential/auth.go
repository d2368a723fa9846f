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

// Authorization is the header that carries a credential where secret_get names none.
const Authorization = "Authorization"

// AuthOf returns the way to sign in that a connection uses: the first of the manifest that this host implements, which is a
// static token alone so far.
func AuthOf(m *abi.Manifest) (abi.Auth, error) {
	var types []string
	for _, a := range m.Auth {
		if a.Type == abi.AuthToken {
			return a, nil
		}
		types = append(types, a.Type)
	}
	if types == nil {
		return abi.Auth{}, errors.New("the module is of minor version 0, which does not say how to sign in: load it with LoadOptions.Minor0, or use a newer module")
	}
	return abi.Auth{}, fmt.Errorf("auth: the module signs in with %s, and this host with a static token (%s) alone: run it with a newer host",
		strings.Join(types, " or "), abi.AuthToken)
}

// HeaderValue returns what the credential's header holds: the prefix, where there is one, and the credential.
func HeaderValue(a abi.Auth, credential string) string {
	if a.Prefix == "" {
		return credential
	}
	return a.Prefix + " " + credential
}

// Placeholder is what a guest gets in place of a secret.
type Placeholder string

// NewPlaceholder returns a random placeholder.
func NewPlaceholder() Placeholder {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return Placeholder("{secret:" + hex.EncodeToString(b[:]) + "}")
}

// In reports whether the placeholder is in any part of a request. Nothing would replace it there, but only a guest that is
// hostile or has a bug would put it there.
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
