package httpsink

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/host/secrets"
)

// Authorizer reads an authorization that may change while a sink is open.
type Authorizer struct {
	// Read reads the header's whole value.
	Read func(context.Context) (secrets.Value, error)
	// Stamp is a text that is another when the value may be another, "" where that is not known. May be nil.
	Stamp func() string
}

// maxAuthorizations bounds how many values of one sink are kept out of messages. The oldest is forgotten first.
const maxAuthorizations = 16

// authorization is the value that a sink sends. It is safe for concurrent use.
type authorization struct {
	from Authorizer

	mu       sync.Mutex
	current  secrets.Value   // used by the next request
	accepted secrets.Value   // the last one that the service took; zero before the first
	known    []secrets.Value // that may have been sent, the latest last
	stamp    string          // of the last read, whether it succeeded or not
}

func newAuthorization(value secrets.Value, from Authorizer) *authorization {
	a := &authorization{from: from, current: value, known: []secrets.Value{value}}
	if from.Stamp != nil {
		a.stamp = from.Stamp()
	}
	return a
}

// get is the value for a request. It is read again where its file changed; one that cannot be read leaves that of before.
func (a *authorization) get(ctx context.Context) secrets.Value {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.from.Stamp != nil && a.from.Stamp() != a.stamp {
		_, _ = a.read(ctx)
	}
	return a.current
}

// after401 returns another value to try, after the service refused those that were tried: what the reference holds now, else the
// one that the service took before. The reference may hold half of a new one, or one that is not valid yet.
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

// accept notes a value that the service took. Where others were refused first, it is used until the reference changes.
func (a *authorization) accept(value secrets.Value, refusedFirst bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accepted = value; refusedFirst {
		a.current = value
	}
}

// inFile reports whether the value is in a file, which another program may be writing.
func (a *authorization) inFile() bool { return a.from.Stamp != nil && a.from.Stamp() != "" }

// reload reads the value again, and reports whether it changed.
func (a *authorization) reload(ctx context.Context) (changed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.read(ctx)
}

// read reads the value. a.mu is held.
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

// redact keeps every value out of a text, should the service repeat it.
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

// ReloadAuthorization reads the authorization again; any is false where the sink has none that can be. One that cannot be
// read leaves that of before. It is safe for concurrent use.
func (s *Sink) ReloadAuthorization(ctx context.Context) (any, changed bool, err error) {
	if s.authorization.from.Read == nil {
		return false, false, nil
	}
	changed, err = s.authorization.reload(ctx)
	return true, changed, err
}
