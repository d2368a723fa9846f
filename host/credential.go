package host

import "context"

// ReloadToken reads token_secret_ref again, and reports whether the token is another than before. When it cannot be
// read, the connection keeps the token that it has. ReloadToken may be used concurrently with calls. It is meant for
// SIGHUP: without it, a token is read again when its file changes and when the service answers 401.
func (c *Connection) ReloadToken(ctx context.Context) (changed bool, err error) {
	return c.credential.Reload(ctx)
}
