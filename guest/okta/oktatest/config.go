package oktatest

import (
	"math"
	"slices"
	"strings"
	"time"
)

// DefaultToken is the API token that an org accepts unless its Config has another. It is valid only for simulations.
const DefaultToken = "00SIMULATED-ORG-TOKEN-NOT-A-SECRET-0000000"

// Config describes an org. The zero value is an Identity Engine org with 50 users, 5 groups and 250 log events.
type Config struct {
	// Seed determines ids, users and events. The same seed and clock produce the same responses. Default 1.
	Seed int64

	// Users, Groups and Events are the initial numbers; -1 means none. Defaults 50, 5 and 250. The first user owns the
	// token and is a super administrator. Ada Lovelace (ada.lovelace@example.com) and Alan Turing
	// (alan.turing@example.com) follow, so there are at least 3 users unless there are none. The first group is
	// Everyone. Events are from the 20 hours before the org was created. The org generates them on request, so they need
	// no memory.
	Users, Groups, Events int

	// EventDays is a number of days before the org's creation. The initial events are spread evenly over these days. The
	// maximum is 90, since Okta keeps events for 90 days. Default: the 20 hours before the creation.
	EventDays int

	// GroupRules is the initial number of active group rules. Each rule adds the users of a department to one of the groups
	// without administrator roles. Default none.
	GroupRules int

	// Devices, AuthorizationServers, OAuthClients and CustomRoles are the initial numbers; -1 means none. Defaults 8,
	// 3, 3 and 2. The first authorization server has the id "default" too.
	Devices, AuthorizationServers, OAuthClients, CustomRoles int

	// Sessions is the initial number of sessions. The first users have them. -1 means none. Default 10.
	Sessions int

	// Factors is how many of the first users may have factors; -1 means none. By default, all users that are not STAGED may.
	Factors int

	// Forbid lists endpoints that answer 403 E0000006, as if the token's administrator lacked a role. Write an endpoint as
	// "GET /api/v1/groups/{groupId}". The names of path parameters do not matter. New panics if the org lacks a listed
	// endpoint.
	Forbid []string

	// Unavailable lists endpoints that answer 401 E0000015 without rate-limit headers, as if the org lacked a feature.
	Unavailable []string

	// Engine is "idx" (Identity Engine, the default) or "v1" (Classic), which has neither devices nor authenticators.
	Engine string

	// NoAPIAccessManagement removes Okta's feature API Access Management, which has custom authorization servers.
	NoAPIAccessManagement bool

	// Token is the API token that the org accepts, in a header "Authorization: SSWS <token>". Default DefaultToken.
	Token string

	// ServiceApps are the OAuth service apps of the org at the start. See Org.AddServiceApp.
	ServiceApps []ServiceApp

	// TokenLife is how long an access token of a service app is valid. Default one hour.
	TokenLife time.Duration

	// MaxPageSize limits the records of a page, for any limit in a request. Default: Okta's limits, which are 200
	// users, 200 groups, 1,000 group members, 1,000 events, 100 custom roles, and 200 of everything else.
	MaxPageSize int

	// RateLimits are the allowed requests per Window, by bucket ("/api/v1/logs"). The bucket "*" means all buckets that are
	// not listed. By default "/api/v1/logs" has 120 and any other 600. A negative number removes the limit and its headers.
	RateLimits map[string]int

	// EmailInterval is the minimum time between two e-mails to one user. The org answers an earlier request with 429
	// E0000118. Okta documents 5 s, but not for which e-mails. Default 0, no limit.
	EmailInterval time.Duration

	// Window is the length of a rate-limit window. Default 60 s. Windows are not aligned to the minute.
	Window time.Duration

	// SearchDelay is the time until a search finds a change. Reads by id see the change immediately. Default 0.
	SearchDelay time.Duration

	// TransitionTime is how long an activation or a deactivation of a user takes, as in an org that provisions to apps.
	// Meanwhile the user has the old status, transitioningToStatus is the new one, and the org refuses other changes.
	// Default 0.
	TransitionTime time.Duration

	// Now is the org's clock, for its Date header, timestamps and rate-limit windows. Default time.Now. It must not run
	// backwards, and must be safe for concurrent use.
	Now func() time.Time

	// PublicURL is the origin (https://example.okta.com) of every link in responses. Default: the origin of the
	// request.
	PublicURL string

	// EventSize is the approximate size of a seeded log event in bytes. Default 2,000; the minimum is about 1,500.
	EventSize int

	// ProfileAttributes are custom attributes of user profiles, in addition to Okta's default schema. NAME is a string,
	// NAME:TYPE a boolean, integer, number or array (of strings), and NAME:VALUE|VALUE… allows only those values.
	ProfileAttributes []string

	// GroupAttributes are custom attributes of group profiles, in addition to name and description.
	GroupAttributes []string

	// NoGzip turns off compression, even if a client asks for it.
	NoGzip bool

	// RequestLog is how many received requests Requests returns at most; the oldest are dropped. Default 10,000; -1
	// means none.
	RequestLog int
}

// Okta's own limits for the number of records in a page.
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
	setDefault(&c.TokenLife, time.Hour)
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

// pageLimit returns the maximum number of records in a page. okta is Okta's own limit for that page.
func (c Config) pageLimit(okta int) int {
	if c.MaxPageSize > 0 {
		return min(c.MaxPageSize, okta)
	}
	return okta
}
