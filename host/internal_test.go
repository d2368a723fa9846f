package host

import (
	"context"

	"github.com/mach5/okta-connector/host/secrets"
)

// fixedSecret is hosttest.Secret for tests in this package, which cannot import hosttest, since it imports this
// package.
type fixedSecret struct{}

func (fixedSecret) Resolve(context.Context, string) (secrets.Value, error) {
	return secrets.New("aSecretOfAnInternalTest0123456789"), nil
}
