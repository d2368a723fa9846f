package oktatest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// authServerEndpoints serves the authorization servers, with their scopes, claims and clients, of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/AuthorizationServer/.
func authServerEndpoints() []endpoint {
	row := func(path string, handle func(*Org, *call) (answer, error)) endpoint {
		return endpoint{
			pattern: "GET /api/v1/authorizationServers" + path, bucket: "/api/v1", handle: handle, feature: apiAccessManagement,
		}
	}
	return []endpoint{
		row("", listAuthServers),
		row("/{authServerId}/scopes", listScopes),
		row("/{authServerId}/claims", listClaims),
		row("/{authServerId}/clients", listServerClients),
	}
}

// authServer is one authorization server. The first of an org also has the id "default".
type authServer struct {
	id, name, description, audience, issuer, status string

	created millis
	kid     string // id of the signing key
	scopes  []oauthScope
	claims  []oauthClaim
	clients []*client // clients with tokens of it
}

type oauthScope struct {
	id, name, title, description string
	system                       bool
}

type oauthClaim struct {
	id, name, kind, valueType, value, filter string

	scopes []string
	system bool
}

const (
	defaultServer   = "default"
	pageAuthServers = 200
	pageScopes      = 200
)

var authServerNames = []struct{ name, description, audience, status string }{
	{defaultServer, "Default Authorization Server for your Applications", "api://default", "ACTIVE"},
	{"Warehouse API", "Tokens for stock and orders", "https://warehouse.example.com", "ACTIVE"},
	{"Partner API", "Retired with the partner programme", "https://partners.example.com", "INACTIVE"},
}

var systemScopes = []struct{ name, title, description string }{
	{"openid", "", "Signals an OpenID Connect request"},
	{"profile", "View your profile", "Name, time zone, picture and the like"},
	{"email", "View your email address", "The email address of the user"},
	{"address", "View your address", "The postal address of the user"},
	{"phone", "View your phone number", "The phone number of the user"},
	{"offline_access", "Keep you signed in", "Tokens that outlast the session"},
}

func (o *Org) seedAuthServers() {
	created := millisOf(o.started)/1000*1000 - 1200*day
	for i := range o.cfg.AuthorizationServers {
		s := &authServer{
			id: o.ids.seeded("aus", domainAuthServer, i), name: "API " + strconv.Itoa(i), description: "Seeded server",
			audience: "api://seeded-" + strconv.Itoa(i), status: "ACTIVE", created: created + millis(i)*day,
			kid: o.ids.seeded("", domainAuthServer, i),
		}
		if i < len(authServerNames) {
			n := authServerNames[i]
			s.name, s.description, s.audience, s.status = n.name, n.description, n.audience, n.status
		}
		s.issuer = s.id
		if i == 0 {
			s.issuer = defaultServer
		}
		o.seedScopes(s, i)
		if n := len(o.clients); n > 0 {
			s.clients = o.clients[:max(n-i, 0)]
		}
		o.servers = append(o.servers, s)
	}
}

// seedScopes gives s the scopes and claims of every server, and some more.
func (o *Org) seedScopes(s *authServer, i int) {
	scope := func(name, title, description string, system bool) {
		id := o.ids.seeded("scp", domainScope, 100*i+len(s.scopes))
		s.scopes = append(s.scopes, oauthScope{id, name, title, description, system})
	}
	for _, n := range systemScopes {
		scope(n.name, n.title, n.description, true)
	}
	scope("stock:read", "Read the stock", "What lies where", false)
	scope("stock:write", "Move the stock", "", false) // recorded: a scope without a description has null
	claim := func(c oauthClaim) {
		c.id = o.ids.seeded("ocl", domainClaim, 100*i+len(s.claims))
		s.claims = append(s.claims, c)
	}
	claim(oauthClaim{name: "sub", kind: "RESOURCE", valueType: "EXPRESSION", value: "(appuser != null) ? appuser.userName : app.clientId", system: true})
	for _, name := range []string{"name", "family_name", "given_name", "zoneinfo"} {
		claim(oauthClaim{name: name, kind: "IDENTITY", valueType: "SYSTEM", scopes: []string{"profile"}, system: true})
	}
	claim(oauthClaim{name: "teams", kind: "RESOURCE", valueType: "GROUPS", value: "Team", filter: "STARTS_WITH", scopes: []string{"stock:read"}})
}

// path returns the start of links below s. They repeat the name in the request, as recorded for "default".
func (s *authServer) path(c *call) string {
	return "/api/v1/authorizationServers/" + c.PathValue("authServerId")
}

func (o *Org) findAuthServer(c *call) (*authServer, error) {
	id := c.PathValue("authServerId")
	for i, s := range o.servers {
		if s.id == id || i == 0 && id == defaultServer {
			return s, nil
		}
	}
	return nil, notFound(id, "AuthorizationServer")
}

func appendAuthServer(buf []byte, s *authServer, origin string) []byte {
	issuer := origin + "/oauth2/" + s.issuer
	buf = appendField(append(buf, '{'), "id", s.id)
	buf = appendField(buf, "name", s.name)
	buf = appendField(buf, "description", s.description)
	buf = append(appendString(append(appendKey(buf, "audiences"), '['), s.audience), ']')
	buf = appendField(buf, "issuer", issuer)
	buf = appendField(buf, "issuerMode", "ORG_URL")
	buf = appendField(buf, "status", s.status)
	buf = appendTime(buf, "created", s.created)
	buf = appendTime(buf, "lastUpdated", s.created)
	buf = append(append(append(appendKey(buf, "credentials"), '{'), `"signing":`...), '{')
	buf = appendField(buf, "rotationMode", "AUTO")
	buf = appendTime(buf, "lastRotated", s.created+1150*day)
	buf = appendTime(buf, "nextRotation", s.created+1240*day)
	buf = append(appendField(buf, "kid", s.kid), "}}"...)
	self := "/api/v1/authorizationServers/" + s.id
	buf = append(appendKey(buf, "_links"), '{')
	for _, part := range []string{"scopes", "claims", "policies"} {
		buf = appendAllowed(buf, part, origin, self+"/"+part, "GET")
	}
	buf = appendAllowed(buf, "self", origin, self, "GET", "DELETE", "PUT")
	buf = append(appendKey(buf, "metadata"), '[')
	for i, name := range []string{"oauth-authorization-server", "openid-configuration"} {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendField(append(buf, '{'), "name", name)
		buf = append(appendAllowedMembers(buf, issuer+"/.well-known/"+name, []string{"GET"}), '}')
	}
	buf = append(buf, ']')
	buf = appendAllowed(buf, "rotateKey", origin, self+"/credentials/lifecycle/keyRotate", "POST")
	step := "deactivate"
	if s.status != "ACTIVE" {
		step = "activate"
	}
	return append(appendAllowed(buf, step, origin, self+"/lifecycle/"+step, "POST"), "}}"...)
}

// listAuthServers searches q anywhere in names and audiences. The reference says only that it searches them.
func listAuthServers(o *Org, c *call) (answer, error) {
	p, err := o.openPage(c, "authorization servers", pageAuthServers, pageAuthServers)
	if err != nil {
		return answer{}, err
	}
	q := strings.ToLower(p.query.Get("q"))
	for i := p.start; i < len(o.servers); i++ {
		s := o.servers[i]
		if !strings.Contains(strings.ToLower(s.name), q) && !strings.Contains(strings.ToLower(s.audience), q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendAuthServer(p.buf, s, c.origin)
	}
	return p.answer(), nil
}

func appendScope(buf []byte, s oauthScope, origin, server string) []byte {
	publish := "NO_CLIENTS"
	if s.system {
		publish = "ALL_CLIENTS"
	}
	buf = appendField(append(buf, '{'), "id", s.id)
	buf = appendField(buf, "name", s.name)
	if s.title != "" {
		buf = appendField(buf, "displayName", s.title)
	}
	if s.description != "" {
		buf = appendField(buf, "description", s.description)
	} else {
		buf = append(appendKey(buf, "description"), "null"...)
	}
	buf = appendBool(buf, "system", s.system)
	buf = appendField(buf, "metadataPublish", publish)
	buf = appendField(buf, "consent", "IMPLICIT")
	buf = appendBool(buf, "optional", false)
	buf = append(appendKey(buf, "apiResourceId"), "null"...)
	buf = appendBool(buf, "default", false)
	buf = append(appendKey(buf, "_links"), '{')
	return append(appendAllowed(buf, "self", origin, server+"/scopes/"+s.id, "GET", "PUT", "DELETE"), "}}"...)
}

// filterScopes is a guess: the reference documents a filter, but no attributes.
var filterScopes = dialect{
	operators: "eq",
	known: func(attribute string) bool {
		return slices.Contains([]string{"id", "name", "system", "default", "metadataPublish", "consent"}, attribute)
	},
	refuse: invalidSearch,
}

// listScopes pages if the request has a limit. No recorded response has a Link header, and no recorded request has a
// limit. So without a limit there is no self link here either, unless there is a next page.
func listScopes(o *Org, c *call) (answer, error) {
	s, err := o.findAuthServer(c)
	if err != nil {
		return answer{}, err
	}
	accept := func(oauthScope) bool { return true }
	if filter := c.URL.Query().Get("filter"); filter != "" {
		e, err := filterScopes.parse(filter)
		if err != nil {
			return answer{}, err
		}
		accept = func(scope oauthScope) bool { return e.matches(gjson.ParseBytes(appendScope(nil, scope, "", ""))) }
	}
	p, err := o.openPage(c, "scopes:"+s.id, pageScopes, pageScopes)
	if err != nil {
		return answer{}, err
	}
	q, more := strings.ToLower(p.query.Get("q")), false
	for i := p.start; i < len(s.scopes); i++ {
		if !strings.Contains(s.scopes[i].name, q) || !accept(s.scopes[i]) {
			continue
		}
		if more = p.full(); more {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendScope(p.buf, s.scopes[i], c.origin, s.path(c))
	}
	if !more && !c.URL.Query().Has("limit") {
		p.header.Del("Link")
	}
	return p.answer(), nil
}

// listClaims returns a single page.
func listClaims(o *Org, c *call) (answer, error) {
	s, err := o.findAuthServer(c)
	if err != nil {
		return answer{}, err
	}
	buf := []byte{'['}
	for i, claim := range s.claims {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendClaim(buf, claim, c.origin, s.path(c))
	}
	return answer{body: append(buf, ']')}, nil
}

func appendClaim(buf []byte, claim oauthClaim, origin, server string) []byte {
	buf = appendField(append(buf, '{'), "id", claim.id)
	buf = appendField(buf, "name", claim.name)
	buf = appendField(buf, "status", "ACTIVE")
	buf = appendField(buf, "claimType", claim.kind)
	buf = appendField(buf, "valueType", claim.valueType)
	if claim.value != "" {
		buf = appendField(buf, "value", claim.value)
	}
	if claim.filter != "" {
		buf = appendField(buf, "group_filter_type", claim.filter)
	}
	buf = append(appendKey(buf, "conditions"), `{"scopes":[`...)
	for i, scope := range claim.scopes {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendString(buf, scope)
	}
	buf = append(buf, "]}"...)
	buf = appendBool(buf, "system", claim.system)
	buf = appendBool(buf, "alwaysIncludeInToken", claim.kind == "RESOURCE")
	buf = append(appendKey(buf, "apiResourceId"), "null"...)
	buf = append(appendKey(buf, "_links"), '{')
	return append(appendAllowed(buf, "self", origin, server+"/claims/"+claim.id, "GET", "PUT", "DELETE"), "}}"...)
}

// listServerClients returns the clients with tokens of a server, in a single page.
func listServerClients(o *Org, c *call) (answer, error) {
	s, err := o.findAuthServer(c)
	if err != nil {
		return answer{}, err
	}
	buf := []byte{'['}
	for i, client := range s.clients {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendField(append(buf, '{'), "client_id", client.id)
		buf = appendField(buf, "client_name", client.name)
		buf = append(appendKey(buf, "_links"), `{"client":{`...)
		buf = appendField(buf, "href", c.origin+"/oauth2/v1/clients/"+client.id)
		buf = append(appendField(buf, "title", client.name), '}')
		buf = append(appendAllowed(buf, "tokens", c.origin, s.path(c)+"/clients/"+client.id+"/tokens", "GET", "DELETE"), "}}"...)
	}
	return answer{body: append(buf, ']')}, nil
}

// AuthorizationServers returns all authorization servers as in GET /api/v1/authorizationServers, the one named
// "default" first.
func (o *Org) AuthorizationServers() []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	var all []json.RawMessage
	for _, s := range o.servers {
		all = append(all, appendAuthServer(nil, s, o.cfg.PublicURL))
	}
	return all
}
