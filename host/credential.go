package host

import (
	"context"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/internal/oauth"
)

// set reports whether any field is set.
func (o OAuth) set() bool {
	return o.ClientID != "" || o.PrivateKeyRef != "" || o.KeyID != "" || o.DPoP != "" || len(o.Scopes) > 0
}

// signIn sets the credential, and reads its secret. It returns what identifies the account to the service's rate limits.
func (c *Connection) signIn(ctx context.Context) (account string, err error) {
	o := c.config.OAuth
	if c.auth.Type != abi.AuthOAuth {
		token := credential.New(c.opts.Secrets, c.config.TokenSecretRef, c.log)
		c.credential = credential.Static{Credential: token, Auth: c.auth}
		value, err := token.Refresh(ctx)
		if err != nil && !c.opts.AwaitToken {
			return "", err
		}
		return value.Reveal(), nil
	}
	client, err := oauth.New(oauth.Config{Auth: c.auth, Base: c.base, Secrets: c.opts.Secrets, ErrorCode: c.module.manifest.ErrorCode(), Now: c.opts.Now, Logger: c.log,
		Options: oauth.Options{ClientID: o.ClientID, PrivateKeyRef: o.PrivateKeyRef, KeyID: o.KeyID, Scopes: o.Scopes, DPoP: o.DPoP},
		Send: func(ctx context.Context, call egress.Call) (*egress.Response, *abi.SendError) {
			return c.client.Send(ctx, call)
		}})
	if err != nil {
		return "", err
	}
	c.credential = client
	if _, err := client.Key(ctx); err != nil && !c.opts.AwaitToken {
		return "", err
	}
	return "oauth " + o.ClientID, nil
}

// Access is what an OAuth client may do, as far as its scopes say.
type Access struct {
	Granted, Missing, LeftOut []string // scopes that the connection's grants need; oauth.scopes leaves out the last
	Denied                    []Denied // operations that the grants allow and the scopes do not
	Operations                int      // operations that the grants and the scopes allow
}

// Denied is an operation that an OAuth client lacks scopes for.
type Denied struct {
	Operation string
	Missing   []string
}

// Access asks the service which scopes the connection's OAuth client has. It returns nil for a static token. The error
// is an OutcomeError.
func (c *Connection) Access(ctx context.Context) (*Access, error) {
	client, ok := c.credential.(*oauth.Client)
	if !ok {
		return nil, nil
	}
	a := &Access{}
	var err error
	if a.Granted, a.Missing, a.LeftOut, err = client.Granted(ctx, c.module.manifest.AllScopes(c.config.Grants)); err != nil {
		failed := credential.AsError(err)
		return nil, OutcomeError{Operation: "oauth", Outcome: failed.Outcome, Detail: &failed.Detail}
	}
	for i := range c.module.manifest.Operations {
		name := c.module.manifest.Operations[i].Name
		op, _ := c.module.manifest.Find(name)
		if missing, allowed := op.Lacks(c.config.Grants, a.Granted); allowed && len(missing) > 0 {
			a.Denied = append(a.Denied, Denied{name, missing})
		} else if allowed {
			a.Operations++
		}
	}
	return a, nil
}

// ReloadToken reads token_secret_ref, or private_key_ref, again and reports whether the secret changed. If it cannot be
// read, the connection keeps what it has. It may be called concurrently with calls, and is meant for SIGHUP. Without it,
// a token is read again when its file changes or the service responds 401, and a key whenever an access token is
// requested.
func (c *Connection) ReloadToken(ctx context.Context) (changed bool, err error) {
	return c.credential.Reload(ctx)
}
