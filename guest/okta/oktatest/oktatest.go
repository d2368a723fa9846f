package oktatest

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Org is a simulated Okta org. It is safe for concurrent use, and nothing in it needs closing.
type Org struct {
	cfg      Config
	ids      ids
	started  time.Time
	routes   [2]routes // those that are looked at first, and the others
	limiter  limiter
	faults   faults
	received received
	mails    mails
	log      eventLog
	denials  denials
	watch    func(Exchange)

	compressors, buffers sync.Pool // memory to use again, no state

	mu       sync.RWMutex // guards what follows
	users    directory
	groups   groupStore
	rules    groupRuleStore
	devices  deviceStore
	apps     []*application
	policies []*policy
	zones    []*zone
	clients  []*client
	servers  []*authServer
	roles    roleStore
	sessions sessionStore
	factors  factorStore
	hooks    hooks
	profile  map[string]attribute // attributes that a user profile may have

	sortedMu sync.Mutex // guards sorted, which readers write
	sorted   sortedSearch
}

// New makes an org. It does little work: what can be generated later is.
func New(cfg Config) *Org {
	cfg = cfg.withDefaults()
	o := &Org{
		cfg:      cfg,
		ids:      ids{seed: uint64(cfg.Seed)},
		started:  cfg.Now(),
		limiter:  newLimiter(cfg),
		received: received{capacity: cfg.RequestLog},
		profile:  profileAttributes(cfg.ProfileAttributes),
		watch:    Watch,
	}
	o.faults.random = o.ids.hash(domainFault, 0)
	o.seedUsers()
	o.seedGroups()
	o.seedDevices()
	o.seedClients()
	o.seedAuthServers()
	o.seedRoles()
	o.seedGroupRules()
	o.seedSessions()
	o.factors = factorStore{}
	o.seedApplications()
	o.seedPolicies()
	o.seedZones()
	o.log.init(o)
	endpoints := slices.Concat(orgEndpoints(), userEndpoints(), userTypeEndpoints(), realmEndpoints(), lifecycleEndpoints(), groupEndpoints(), groupRuleEndpoints(), roleEndpoints(),
		clientEndpoints(), logEndpoints(), deviceEndpoints(), authenticatorEndpoints(), authServerEndpoints(),
		customRoleEndpoints(), sessionEndpoints(), factorEndpoints(), applicationEndpoints(), policyEndpoints(), zoneEndpoints())
	o.register(endpoints)
	o.deny(endpoints)
	return o
}

// Token is the API token that the org accepts.
func (o *Org) Token() string { return o.cfg.Token }

// User is a user as GET /api/v1/users/{id} answers it, by id or login. Its links begin with Config.PublicURL.
func (o *Org) User(idOrLogin string) (json.RawMessage, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	u := o.users.find(idOrLogin)
	if u == nil {
		return nil, false
	}
	return o.appendUser(nil, u, &u.live, o.cfg.PublicURL, allLinks), true
}

// UserIDs are the ids of all users, deprovisioned ones included, oldest first.
func (o *Org) UserIDs() []string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]string, 0, len(o.users.all))
	for _, u := range o.users.all {
		if u.live.exists {
			all = append(all, u.id)
		}
	}
	return all
}

// Groups are all groups as GET /api/v1/groups answers them, oldest first.
func (o *Org) Groups() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]json.RawMessage, 0, len(o.groups.all))
	for _, g := range o.groups.all {
		all = append(all, appendGroup(nil, g, o.cfg.PublicURL))
	}
	return all
}

// Clients are all OAuth clients as GET /oauth2/v1/clients answers them.
func (o *Org) Clients() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]json.RawMessage, 0, len(o.clients))
	for _, c := range o.clients {
		all = append(all, appendClient(nil, c))
	}
	return all
}
