package host

import "context"

// ReloadToken reads token_secret_ref again and reports whether the token changed. If it cannot be read, the
// connection keeps its token. It may be called concurrently with calls, and is meant for SIGHUP. Without it, the
// token is read again when its file changes or the service responds 401.
func (c *Connection) ReloadToken(ctx context.Context) (changed bool, err error) {
	return c.credential.Reload(ctx)
}
