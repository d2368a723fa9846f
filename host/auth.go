package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// authorization is the header that carries a credential where secret_get names none.
const authorization = "Authorization"

// authOf returns the way to sign in that a connection uses: the first of the manifest that this host implements, which is a
// static token alone so far.
func authOf(m *abi.Manifest) (abi.Auth, error) {
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

// credentialValue returns what the credential's header holds: the prefix, where there is one, and the credential.
func credentialValue(a abi.Auth, credential string) string {
	if a.Prefix == "" {
		return credential
	}
	return a.Prefix + " " + credential
}
