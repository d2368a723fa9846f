package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
)

// userGrantEndpoints serves the OAuth grants of users:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserGrant/.
func userGrantEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/users/{userId}/grants", bucket: "/api/v1/users", handle: listUserGrants},
		{pattern: "GET /api/v1/users/{userId}/clients/{clientId}/grants", bucket: "/api/v1/users", handle: listUserGrants},
		{pattern: "DELETE /api/v1/users/{userId}/grants", bucket: "/api/v1/users", handle: revokeGrants},
		{pattern: "DELETE /api/v1/users/{userId}/clients/{clientId}/grants", bucket: "/api/v1/users", handle: revokeGrants},
	}
}

// userGrant is a scope that a user granted to an application.
type userGrant struct {
	id, client, scope string
	created           millis
}

// grantedScopes are the scopes of the seeded grants.
var grantedScopes = []string{"openid", "offline_access"}

// grantsOf returns the grants of a user. The second and third user have granted scopes to the first application.
func (o *Org) grantsOf(u *user) (all []userGrant) {
	if u.seq < 1 || u.seq > 2 || len(o.clients) == 0 {
		return nil
	}
	for i, scope := range grantedScopes {
		all = append(all, userGrant{o.ids.seeded("oag", domainClient, 100*u.seq+i), o.clients[0].id, scope, millisOf(o.started)/1000*1000 - 30*day})
	}
	return slices.DeleteFunc(all, func(g userGrant) bool { return o.revokedGrants[g.id] })
}

// revokeGrants revokes a user's grants, or those to one client. A revoked grant is no longer listed, which is a guess.
func revokeGrants(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	id, event := c.PathValue("clientId"), "app.oauth2.as.consent.revoke.user"
	if id != "" {
		if _, err := o.findClient(id); err != nil {
			return answer{}, err
		}
		event = "app.oauth2.as.consent.revoke.user.client"
	}
	revoked := false
	for _, g := range o.grantsOf(u) {
		if id == "" || g.client == id {
			o.revokedGrants[g.id], revoked = true, true
		}
	}
	if revoked {
		o.emit(c, event, "Consent revoked", o.userTarget(u))
	}
	return answer{status: http.StatusNoContent}, nil
}

// Grants returns the OAuth grants of a user as in GET /api/v1/users/{userId}/grants.
func (o *Org) Grants(id string) []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	if u := o.users.byID[id]; u != nil {
		for _, g := range o.grantsOf(u) {
			all = append(all, o.appendGrant(nil, u, g, o.cfg.PublicURL, false))
		}
	}
	return all
}

func (o *Org) appendGrant(buf []byte, u *user, g userGrant, origin string, expand bool) []byte {
	self := "/api/v1/users/" + u.id
	buf = appendField(append(buf, '{'), "id", g.id)
	buf = appendField(buf, "status", active)
	buf = appendTime(buf, "created", g.created)
	buf = appendField(append(appendKey(buf, "createdBy"), '{'), "id", u.id)
	buf = append(appendField(buf, "type", "User"), '}')
	buf = appendTime(buf, "lastUpdated", g.created)
	buf = appendField(buf, "issuer", origin+"/oauth2/default")
	buf = appendField(buf, "clientId", g.client)
	buf = appendField(buf, "userId", u.id)
	buf = appendField(buf, "scopeId", g.scope)
	buf = appendField(buf, "source", "END_USER")
	if expand {
		buf = append(append(appendKey(buf, "_embedded"), '{'), `"scope":{`...)
		buf = append(appendField(buf, "id", g.scope), "}}"...)
	}
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "app", origin, "/api/v1/apps/"+g.client)
	buf = appendHref(buf, "self", origin, self+"/grants/"+g.id)
	buf = appendHref(buf, "client", origin, "/oauth2/v1/clients/"+g.client)
	return append(appendHref(buf, "user", origin, self), "}}"...)
}

func listUserGrants(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	client := c.PathValue("clientId")
	if client != "" {
		if _, err := o.findClient(client); err != nil {
			return answer{}, err
		}
	}
	p, err := o.openPage(c, "grants:"+u.id+client, 20, pageGroups)
	if err != nil {
		return answer{}, err
	}
	query := c.URL.Query()
	grants := o.grantsOf(u)
	grants = slices.DeleteFunc(grants, func(g userGrant) bool {
		return query.Get("scopeId") != "" && g.scope != query.Get("scopeId") || client != "" && g.client != client
	})
	for i := p.start; i < len(grants); i++ {
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendGrant(p.buf, u, grants[i], c.origin, query.Get("expand") == "scope")
	}
	return p.answer(), nil
}
