package pacing

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// Registry lets the connections of one process share the observed state of common rate limits. Connections with the same org
// and token see the same windows, and each uses its own share of them. Too many concurrent requests stop all connections to
// the org. It is safe for concurrent use. The zero value is ready to use.
type Registry struct {
	mu   sync.Mutex
	orgs map[string]*sharedOrg
}

type sharedOrg struct {
	org
	views map[[sha256.Size]byte]*sharedView
}

type sharedView struct {
	*view
	users int
}

// Limiter returns a Limiter for a connection to the org at an origin, with a token. Call release when the connection ends.
// Only a hash of the token is stored. An empty token is one that is not known yet: it is the same as no other.
func (r *Registry) Limiter(origin, token string, o Options) (l *Limiter, release func()) {
	key := sha256.Sum256([]byte(token))
	if token == "" {
		_, _ = rand.Read(key[:]) // cannot fail
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.orgs == nil {
		r.orgs = map[string]*sharedOrg{}
	}
	known := r.orgs[origin]
	if known == nil {
		known = &sharedOrg{views: map[[sha256.Size]byte]*sharedView{}}
		r.orgs[origin] = known
	}
	v := known.views[key]
	if v == nil {
		v = &sharedView{view: newView(&known.org)}
		known.views[key] = v
	}
	v.users++
	return newLimiter(o, v.view), sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if v.users--; v.users > 0 {
			return
		}
		if delete(known.views, key); len(known.views) == 0 {
			delete(r.orgs, origin)
		}
	})
}
