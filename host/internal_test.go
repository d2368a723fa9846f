package host

import (
	"context"

	"github.com/mach5/okta-connector/host/secrets"
)

// fixedSecret is hosttest.Secret for the tests inside this package: they cannot import hosttest, which imports it.
type fixedSecret struct{}

func (fixedSecret) Resolve(context.Context, string) (secrets.Value, error) {
	return secrets.New("aSecretOfAnInternalTest0123456789"), nil
}
