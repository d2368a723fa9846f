package httpsink

import (
	"context"
	"log/slog"
	"strings"

	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

// Authorizer reads an authorization that may change while a sink is open. Both functions must be safe for concurrent use.
type Authorizer struct {
	// Read returns the whole value of the header.
	Read func(context.Context) (secrets.Value, error)
	// Stamp returns a text that changes when the value may have changed, or "" if that is unknown. May be nil.
	Stamp func() string
}

// resolver is an Authorizer as a secrets.Resolver and secrets.Stamper of one secret.
type resolver struct{ from Authorizer }

// Resolve implements secrets.Resolver.
func (r resolver) Resolve(ctx context.Context, _ string) (secrets.Value, error) {
	return r.from.Read(ctx)
}

// Stamp implements secrets.Stamper.
func (r resolver) Stamp(string) string {
	if r.from.Stamp == nil {
		return ""
	}
	return r.from.Stamp()
}

// authorization is the value that a sink sends. It is safe for concurrent use.
type authorization struct {
	from       resolver
	fixed      secrets.Value          // the value, if it cannot be read again; zero sends none
	credential *credential.Credential // nil if the value cannot be read again
}

func newAuthorization(value secrets.Value, from Authorizer) *authorization {
	a := &authorization{from: resolver{from}, fixed: value}
	if from.Read != nil {
		a.credential = credential.Start(a.from, "", value, slog.New(slog.DiscardHandler))
	}
	return a
}

// get returns the value for a request. It reads the value again if its stamp changed, and keeps the old one if that
// fails.
func (a *authorization) get(ctx context.Context) secrets.Value {
	if a.credential == nil {
		return a.fixed
	}
	value, _ := a.credential.Refresh(ctx)
	return value
}

// after401 returns another value to try after the service refused the tried ones.
func (a *authorization) after401(ctx context.Context, tried []secrets.Value) (value secrets.Value, ok bool) {
	if a.credential == nil {
		return secrets.Value{}, false
	}
	return a.credential.After401(ctx, tried)
}

// accept records a value that the service accepted. If others were refused before, it is used until the reference
// changes.
func (a *authorization) accept(value secrets.Value, refusedFirst bool) {
	if a.credential != nil {
		a.credential.Accept(value, refusedFirst)
	}
}

// inFile reports whether the value comes from a file, which another program may be writing.
func (a *authorization) inFile() bool { return a.from.Stamp("") != "" }

// redact removes every known value from a text, since the service may repeat it.
func (a *authorization) redact(text string) string {
	known := []secrets.Value{a.fixed}
	if a.credential != nil {
		known = a.credential.Known()
	}
	for _, v := range known {
		_, secret, _ := strings.Cut(v.Reveal(), " ")
		for _, part := range []string{v.Reveal(), secret} {
			if part != "" {
				text = strings.ReplaceAll(text, part, "[redacted]")
			}
		}
	}
	return text
}

// ReloadAuthorization reads the authorization again and reports whether it changed. reloadable is false if the sink has
// no authorization that can be read again. After an error the old value stays. It is safe for concurrent use.
func (s *Sink) ReloadAuthorization(ctx context.Context) (reloadable, changed bool, err error) {
	if s.authorization.credential == nil {
		return false, false, nil
	}
	changed, err = s.authorization.credential.Reload(ctx)
	return true, changed, err
}
