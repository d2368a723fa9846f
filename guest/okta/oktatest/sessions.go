package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
)

// sessionEndpoints serves the sessions of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Session/
// and .../tag/UserSessions/. Sessions cannot be listed.
func sessionEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/sessions/{sessionId}", bucket: "/api/v1/sessions", handle: getSession},
		{pattern: "DELETE /api/v1/sessions/{sessionId}", bucket: "/api/v1/sessions", handle: closeSession},
		{pattern: "DELETE /api/v1/users/{userId}/sessions", bucket: "/api/v1/users", handle: revokeUserSessions},
	}
}

// session is one sign-in of a user.
type session struct {
	id               string
	other            string // a second id, for links in answers, as in Okta's
	user             *user
	created, expires millis
	factor           bool // a second factor was used
}

// grants is what a user has from signing in, besides sessions.
type grants struct{ tokens, remembered bool }

type sessionStore struct {
	all    []*session // live ones, oldest first
	byID   map[string]*session
	grants map[string]*grants // by user id; users who never signed in have none
}

const (
	domainSession = 1 << 32 // domains of ids.go are small numbers
	sessionLength = 12 * millis(3600_000)
)

// seedSessions creates sessions of the first users, oldest first. Ada Lovelace has two.
func (o *Org) seedSessions() {
	o.sessions = sessionStore{byID: map[string]*session{}, grants: map[string]*grants{}}
	started := millisOf(o.started) / 1000 * 1000
	for i, u := range o.users.all {
		if u.live.status != active && u.live.status != passwordExpired {
			continue
		}
		times := 1
		if i == 1 {
			times = 2
		}
		for range times {
			n := len(o.sessions.all)
			if n == o.cfg.Sessions {
				return
			}
			s := &session{
				id: o.sessionID(2 * n), other: o.sessionID(2*n + 1), user: u,
				created: started - millis(3600-n%3600)*1000, factor: n%2 == 1,
			}
			s.expires = s.created + sessionLength
			o.sessions.all = append(o.sessions.all, s)
			o.sessions.byID[s.id], o.sessions.byID[s.other] = s, s
			o.sessions.grants[u.id] = &grants{tokens: true, remembered: true}
		}
	}
}

func (o *Org) sessionID(i int) string {
	return string(o.ids.fill([]byte("102"), 25, o.ids.hash(domainSession, uint64(i))))
}

func (o *Org) findSession(c *call) (*session, error) {
	id := c.PathValue("sessionId")
	if s := o.sessions.byID[id]; s != nil && s.expires > millisOf(c.now) {
		return s, nil
	}
	return nil, notFound(id, "AppSession")
}

func getSession(o *Org, c *call) (answer, error) {
	s, err := o.findSession(c)
	if err != nil {
		return answer{}, err
	}
	return answer{body: o.appendSession(nil, s, c.origin)}, nil
}

func (o *Org) appendSession(buf []byte, s *session, origin string) []byte {
	buf = appendField(append(buf, '{'), "id", s.id)
	buf = appendField(buf, "userId", s.user.id)
	buf = appendField(buf, "login", s.user.live.login)
	buf = appendTime(buf, "createdAt", s.created)
	buf = appendTime(buf, "expiresAt", s.expires)
	buf = appendField(buf, "status", "ACTIVE")
	buf = appendTime(buf, "lastPasswordVerification", s.created)
	if s.factor {
		buf = appendTime(buf, "lastFactorVerification", s.created)
		buf = append(appendKey(buf, "amr"), `["pwd","mfa","swk"]`...)
	} else {
		buf = appendTime(buf, "lastFactorVerification", 0)
		buf = append(appendKey(buf, "amr"), `["pwd"]`...)
	}
	buf = appendField(append(appendKey(buf, "idp"), '{'), "id", o.orgID())
	buf = append(appendField(buf, "type", "OKTA"), '}')
	buf = append(appendKey(buf, "mfaActive"), "true"...)
	buf = append(appendKey(buf, "_links"), '{')
	self := "/api/v1/sessions/" + s.other
	buf = appendHinted(buf, "self", origin+self, "GET", "DELETE")
	buf = appendHinted(buf, "refresh", origin+self+"/lifecycle/refresh", "POST")
	buf = appendField(append(appendKey(buf, "user"), '{'), "name", o.displayName(&s.user.live))
	buf = appendField(buf, "href", origin+"/api/v1/users/"+s.user.id)
	return append(appendHints(buf, "GET"), "}}}"...)
}

// appendHinted appends ,"key":{"href":href,"hints":{"allow":[methods]}}.
func appendHinted(buf []byte, key, href string, methods ...string) []byte {
	buf = appendField(append(appendKey(buf, key), '{'), "href", href)
	return append(appendHints(buf, methods...), '}')
}

func appendHints(buf []byte, methods ...string) []byte {
	buf = append(appendKey(buf, "hints"), `{"allow":[`...)
	for i, m := range methods {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(buf, m)
	}
	return append(buf, "]}"...)
}

func closeSession(o *Org, c *call) (answer, error) {
	s, err := o.findSession(c)
	if err != nil {
		return answer{}, err
	}
	o.drop(s)
	// Okta's event for this is not recorded. user.session.clear is for all sessions of a user.
	o.emit(c, "user.session.end", "User logout from Okta", o.userTarget(s.user))
	return answer{status: http.StatusNoContent}, nil
}

func (o *Org) drop(s *session) {
	delete(o.sessions.byID, s.id)
	delete(o.sessions.byID, s.other)
	o.sessions.all = slices.DeleteFunc(o.sessions.all, func(other *session) bool { return other == s })
}

// endSessions ends the sessions of u and returns their number, including expired ones.
func (o *Org) endSessions(u *user) int {
	before := len(o.sessions.all)
	o.sessions.all = slices.DeleteFunc(o.sessions.all, func(s *session) bool {
		if s.user != u {
			return false
		}
		delete(o.sessions.byID, s.id)
		delete(o.sessions.byID, s.other)
		return true
	})
	return before - len(o.sessions.all)
}

// clearSessions ends the sessions of u for an administrator.
func (o *Org) clearSessions(c *call, u *user) {
	if o.endSessions(u) > 0 {
		o.emit(c, "user.session.clear", "Clear user session", o.userTarget(u))
	}
}

func revokeUserSessions(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	tokens, err := c.flag("oauthTokens", false)
	if err != nil {
		return answer{}, err
	}
	forget, err := c.flag("forgetDevices", o.cfg.Engine == "idx")
	if err != nil {
		return answer{}, err
	}
	o.clearSessions(c, u)
	if kept := o.sessions.grants[u.id]; kept != nil {
		if tokens && kept.tokens {
			kept.tokens = false
			o.emit(c, "app.oauth2.token.revoke.implicit.user", "Tokens revoked for user", o.userTarget(u))
		}
		if forget && kept.remembered { // Okta's catalogue has no event for it
			kept.remembered = false
			c.effect = true
		}
	}
	return answer{status: http.StatusNoContent}, nil
}

// Sessions returns all active sessions as in GET /api/v1/sessions/{sessionId}, oldest first.
func (o *Org) Sessions() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	now := millisOf(o.cfg.Now())
	var all []json.RawMessage
	for _, s := range o.sessions.all {
		if s.expires > now {
			all = append(all, o.appendSession(nil, s, o.cfg.PublicURL))
		}
	}
	return all
}

// SignIns is what a user has from signing in.
type SignIns struct {
	Sessions          []string // ids, oldest first
	OAuthTokens       bool     // refresh and access tokens exist
	RememberedDevices bool     // known devices need no second factor
}

// SignIns returns the sign-ins of a user, by id or login.
func (o *Org) SignIns(idOrLogin string) SignIns {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var found SignIns
	u := o.users.find(idOrLogin)
	if u == nil {
		return found
	}
	now := millisOf(o.cfg.Now())
	for _, s := range o.sessions.all {
		if s.user == u && s.expires > now {
			found.Sessions = append(found.Sessions, s.id)
		}
	}
	if kept := o.sessions.grants[u.id]; kept != nil {
		found.OAuthTokens, found.RememberedDevices = kept.tokens, kept.remembered
	}
	return found
}
