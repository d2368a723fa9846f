package oktatest

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Org is a simulated Okta org. It is safe for concurrent use, and needs no closing.
type Org struct {
	cfg      Config
	ids      ids
	started  time.Time
	routes   [2]routes // those matched first, and the others
	limiter  limiter
	faults   faults
	received received
	mails    mails
	log      eventLog
	denials  denials
	// serviceApps has its own lock.
	serviceApps serviceApps
	watch       func(Exchange)

	compressors, buffers sync.Pool // reusable memory, without state

	mu            sync.RWMutex // guards the following fields
	users         directory
	groups        groupStore
	rules         groupRuleStore
	devices       deviceStore
	apps          []*application
	policies      []*policy
	zones         []*zone
	clients       []*client
	servers       []*authServer
	roles         roleStore
	sessions      sessionStore
	factors       factorStore
	revokedGrants map[string]bool // by id
	hooks         hooks
	settings      orgSettings
	profile       map[string]attribute // attributes that a user profile may have

	sortedMu sync.Mutex // guards sorted, which readers write
	sorted   sortedSearch
}

// New creates an org. It does little work, because most is generated on request.
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
	o.serviceApps.apps, o.serviceApps.tokens, o.serviceApps.seen = map[string]*ServiceApp{}, map[string]*accessToken{}, map[string]time.Time{}
	for _, app := range cfg.ServiceApps {
		o.AddServiceApp(app)
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
	o.revokedGrants = map[string]bool{}
	o.seedApplications()
	o.seedPolicies()
	o.seedZones()
	o.seedOrgSettings()
	o.log.init(o)
	endpoints := slices.Concat(orgEndpoints(), userEndpoints(), userTypeEndpoints(), realmEndpoints(), lifecycleEndpoints(), groupEndpoints(), groupOwnerEndpoints(), groupRuleEndpoints(), roleEndpoints(),
		clientEndpoints(), serviceAppEndpoints(), logEndpoints(), deviceEndpoints(), authenticatorEndpoints(), authServerEndpoints(),
		customRoleEndpoints(), administratorEndpoints(), roleTargetEndpoints(), userGrantEndpoints(), sessionEndpoints(), factorEndpoints(), applicationEndpoints(), policyEndpoints(), zoneEndpoints(), orgSettingEndpoints())
	o.register(endpoints)
	o.deny(endpoints)
	return o
}

// Token returns the API token that the org accepts.
func (o *Org) Token() string { return o.cfg.Token }

// User returns a user, by id or login, as in GET /api/v1/users/{id}. Its links start with Config.PublicURL.
func (o *Org) User(idOrLogin string) (json.RawMessage, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	u := o.users.find(idOrLogin)
	if u == nil {
		return nil, false
	}
	return o.appendUser(nil, u, &u.live, o.cfg.PublicURL, allLinks), true
}

// UserIDs returns the ids of all users, including deprovisioned ones, oldest first.
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

// Groups returns all groups as in GET /api/v1/groups, oldest first.
func (o *Org) Groups() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]json.RawMessage, 0, len(o.groups.all))
	for _, g := range o.groups.all {
		all = append(all, appendGroup(nil, g, o.cfg.PublicURL))
	}
	return all
}

// Clients returns all OAuth clients as in GET /oauth2/v1/clients.
func (o *Org) Clients() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]json.RawMessage, 0, len(o.clients))
	for _, c := range o.clients {
		all = append(all, appendClient(nil, c))
	}
	return all
}
