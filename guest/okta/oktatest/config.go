package oktatest

import (
	"math"
	"slices"
	"strings"
	"time"
)

// DefaultToken is the API token that an org accepts unless its Config names another. It opens nothing but simulations.
const DefaultToken = "00SIMULATED-ORG-TOKEN-NOT-A-SECRET-0000000"

// Config describes an org. The zero value is an Identity Engine org with 50 users, 5 groups and 250 log events.
type Config struct {
	// Seed decides ids, users and events: the same seed and clock give the same bytes. Default 1.
	Seed int64

	// Users, Groups and Events say how many there are at the start; -1 is none. Defaults 50, 5 and 250.
	// The first user owns the token and is a super administrator; Ada Lovelace (ada.lovelace@example.com) and Alan
	// Turing (alan.turing@example.com) come next, so that any number of users is at least 3. The first group is Everyone.
	// Events lie in the 20 hours before the org was made; they are generated when asked for and cost no memory.
	Users, Groups, Events int

	// EventDays is over how many days before the org was made the seeded events lie, evenly; at most 90, which is how long
	// Okta keeps them. Default: the 20 hours.
	EventDays int

	// GroupRules is how many active group rules there are at the start, each of which puts a department into one of the
	// groups that have no administrator roles. Default none.
	GroupRules int

	// Devices, AuthorizationServers, OAuthClients and CustomRoles say how many there are at the start; -1 is none.
	// Defaults 8, 3, 3 and 2. The first authorization server is the one that answers to "default".
	Devices, AuthorizationServers, OAuthClients, CustomRoles int

	// Sessions is how many sessions there are at the start, of the users that came first; -1 is none. Default 10.
	Sessions int

	// Factors is how many of the users that came first may have factors; -1 is none. Default all that are not STAGED.
	Factors int

	// Forbid names endpoints ("GET /api/v1/groups/{groupId}", the names of the blanks do not matter) that answer 403
	// E0000006, as if the token's administrator lacked a role. New panics at one that the org does not have.
	Forbid []string

	// Unavailable names endpoints that answer 401 E0000015, without rate-limit headers, as if the org lacked a feature.
	Unavailable []string

	// Engine is "idx" (Identity Engine, the default) or "v1" (Classic), which has neither devices nor authenticators.
	Engine string

	// NoAPIAccessManagement is an org that did not buy authorization servers of its own.
	NoAPIAccessManagement bool

	// Token is the API token that Authorization: SSWS must carry. Default DefaultToken.
	Token string

	// MaxPageSize caps the records of a page, whatever limit a request asks for. Default Okta's own caps: 200 users,
	// 200 groups, 1,000 group members, 1,000 events, 100 custom roles, 200 of everything else.
	MaxPageSize int

	// RateLimits are the requests a Window by bucket ("/api/v1/logs"); the bucket "*" stands for every bucket that is
	// not named. Without it, "/api/v1/logs" has 120 and any other 600. A negative number lifts the limit and its headers.
	RateLimits map[string]int

	// EmailInterval is how soon Okta mails one user again: a request that would do it sooner answers 429 E0000118. Okta
	// documents 5 s, but not of which mails. Default 0, no limit.
	EmailInterval time.Duration

	// Window is the length of a rate-limit window. Default 60 s. Windows are not aligned to the minute.
	Window time.Duration

	// SearchDelay is how long a change takes to reach search; reads by id see it at once. Default 0.
	SearchDelay time.Duration

	// TransitionTime is how long an activation or a deactivation of a user takes, as it does in an org that provisions to
	// apps. Until then the user has the old status, transitioningToStatus says the new one, and other changes are refused.
	// Default 0.
	TransitionTime time.Duration

	// Now is the clock of the org: of its Date header, its timestamps and its rate-limit windows. Default time.Now.
	// It must not run backwards and must be safe for concurrent use.
	Now func() time.Time

	// PublicURL is the origin (https://example.okta.com) of every link that the org hands out. Default: the origin
	// that the request was sent to.
	PublicURL string

	// EventSize is the approximate size of a seeded log event in bytes. Default 2,000; the least is about 1,500.
	EventSize int

	// ProfileAttributes are custom attributes that user profiles may have besides those of Okta's default schema: NAME for
	// a string, NAME:TYPE for boolean, integer, number or array (of strings), or NAME:VALUE|VALUE… for those values alone.
	ProfileAttributes []string

	// GroupAttributes are custom attributes that group profiles may have besides name and description.
	GroupAttributes []string

	// NoGzip turns compression off, even for a client that asks for it.
	NoGzip bool

	// RequestLog is how many received requests Requests remembers; the oldest go first. Default 10,000; -1 is none.
	RequestLog int
}

// Okta's own caps on a page.
const (
	pageUsers   = 200
	pageGroups  = 200
	pageMembers = 1000
	pageEvents  = 1000
	pageClients = 200
)

func (c Config) withDefaults() Config {
	setDefault(&c.Seed, 1)
	setDefault(&c.Users, 50)
	setDefault(&c.Groups, 5)
	setDefault(&c.Events, 250)
	setDefault(&c.Devices, 8)
	setDefault(&c.AuthorizationServers, 3)
	setDefault(&c.OAuthClients, 3)
	setDefault(&c.CustomRoles, 2)
	setDefault(&c.Sessions, 10)
	setDefault(&c.Factors, math.MaxInt)
	setDefault(&c.Engine, "idx")
	setDefault(&c.Token, DefaultToken)
	setDefault(&c.Window, time.Minute)
	setDefault(&c.EventSize, 2000)
	setDefault(&c.RequestLog, 10_000)
	c.Users, c.Groups, c.Events, c.RequestLog = max(c.Users, 0), max(c.Groups, 0), max(c.Events, 0), max(c.RequestLog, 0)
	c.Devices, c.AuthorizationServers = max(c.Devices, 0), max(c.AuthorizationServers, 0)
	c.OAuthClients, c.CustomRoles = max(c.OAuthClients, 0), max(c.CustomRoles, 0)
	c.Sessions, c.Factors = max(c.Sessions, 0), max(c.Factors, 0)
	c.EventDays = min(max(c.EventDays, 0), int(retention.Hours()/24))
	if c.Users > 0 {
		c.Users = max(c.Users, 3)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	c.ProfileAttributes = slices.Clone(c.ProfileAttributes)
	c.GroupAttributes = slices.Clone(c.GroupAttributes)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// pageLimit is the most records of a page where Okta's own cap is okta.
func (c Config) pageLimit(okta int) int {
	if c.MaxPageSize > 0 {
		return min(c.MaxPageSize, okta)
	}
	return okta
}
