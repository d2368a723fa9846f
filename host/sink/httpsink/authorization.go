package httpsink

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/host/secrets"
)

// Authorizer reads an authorization that may change while a sink is open. Both functions must be safe for concurrent use.
type Authorizer struct {
	// Read returns the whole value of the header.
	Read func(context.Context) (secrets.Value, error)
	// Stamp returns a text that changes when the value may have changed, or "" if that is unknown. May be nil.
	Stamp func() string
}

// maxAuthorizations limits how many values a sink remembers to redact them. The oldest is dropped first.
const maxAuthorizations = 16

// authorization is the value that a sink sends. It is safe for concurrent use.
type authorization struct {
	from Authorizer

	mu       sync.Mutex
	current  secrets.Value   // used by the next request
	accepted secrets.Value   // the last one that the service accepted; zero before the first
	known    []secrets.Value // every value that may have been sent, the latest last
	stamp    string          // stamp of the last read, successful or not
}

func newAuthorization(value secrets.Value, from Authorizer) *authorization {
	a := &authorization{from: from, current: value, known: []secrets.Value{value}}
	if from.Stamp != nil {
		a.stamp = from.Stamp()
	}
	return a
}

// get returns the value for a request. It reads the value again if its stamp changed, and keeps the old one if that
// fails.
func (a *authorization) get(ctx context.Context) secrets.Value {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.from.Stamp != nil && a.from.Stamp() != a.stamp {
		_, _ = a.read(ctx)
	}
	return a.current
}

// after401 returns another value to try after the service refused the tried ones. That is the current content of the
// reference, or the last value that the service accepted. The reference may contain a value that is partly written or
// not valid yet.
func (a *authorization) after401(ctx context.Context, tried []secrets.Value) (value secrets.Value, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, _ = a.read(ctx) // a failure keeps the current value
	for _, v := range []secrets.Value{a.current, a.accepted} {
		if !v.IsZero() && !slices.Contains(tried, v) {
			return v, true
		}
	}
	return secrets.Value{}, false
}

// accept records a value that the service accepted. If others were refused before, it is used until the reference
// changes.
func (a *authorization) accept(value secrets.Value, refusedFirst bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accepted = value; refusedFirst {
		a.current = value
	}
}

// inFile reports whether the value comes from a file, which another program may be writing.
func (a *authorization) inFile() bool { return a.from.Stamp != nil && a.from.Stamp() != "" }

// reload reads the value again, and reports whether it changed.
func (a *authorization) reload(ctx context.Context) (changed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.read(ctx)
}

// read reads the value. The caller holds a.mu.
func (a *authorization) read(ctx context.Context) (changed bool, err error) {
	if a.from.Read == nil {
		return false, nil
	}
	if a.from.Stamp != nil {
		a.stamp = a.from.Stamp() // before the read: a change during it is found next time
	}
	value, err := a.from.Read(ctx)
	if err != nil || value == a.current {
		return false, err
	}
	a.current, a.known = value, append(a.known, value)
	a.known = a.known[max(0, len(a.known)-maxAuthorizations):]
	return true, nil
}

// redact removes every known value from a text, since the service may repeat it.
func (a *authorization) redact(text string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, v := range a.known {
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
	if s.authorization.from.Read == nil {
		return false, false, nil
	}
	changed, err = s.authorization.reload(ctx)
	return true, changed, err
}
