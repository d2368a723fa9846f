package pacing

import (
	"crypto/sha256"
	"sync"
)

// Registry lets the connections of one process share what they know of the rate limits that they share: those with the
// same org and token see the same windows, each takes its own share of them, and too many requests at once hold back all
// of the org's. It is safe for concurrent use. The zero value is ready.
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

// Limiter is New for a connection to the org at an origin, with a token. Call leave once when the connection ends. The
// token is not kept.
func (r *Registry) Limiter(origin, token string, o Options) (l *Limiter, leave func()) {
	key := sha256.Sum256([]byte(token))
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
