package oktatest

import (
	"net/http"
	"strconv"
	"strings"
)

// clientEndpoints serves the OAuth clients of the org:
// https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/tag/Client/.
func clientEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /oauth2/v1/clients", bucket: "/oauth2/v1/clients", handle: listClients},
		{pattern: "GET /oauth2/v1/clients/{clientId}", bucket: "/oauth2/v1/clients", handle: getClient},
	}
}

type client struct {
	id, name, kind string
	secret         string // in responses, if the client has one: so no body may be stored unchanged
	issued         millis
}

var (
	clientKinds = []string{"web", "service", "browser", "native"}
	clientNames = []string{"Okta Admin Console", "Inventory Service", "Warehouse Portal", "Scanner"}
)

func (o *Org) seedClients() {
	issued := millisOf(o.started) - 500*day
	for i := range o.cfg.OAuthClients {
		c := &client{id: o.ids.seeded("0oa", domainClient, i), issued: issued + millis(i)*day}
		c.name, c.kind = "Client "+strconv.Itoa(i), clientKinds[i%len(clientKinds)]
		if i < len(clientNames) {
			c.name = clientNames[i]
		}
		if c.kind == "web" {
			c.secret = "simulated-not-a-secret-" + o.ids.seeded("", domainSecret, i)
		}
		o.clients = append(o.clients, c)
	}
}

func appendClient(buf []byte, c *client) []byte {
	grants, responses, redirects := `["authorization_code"]`, `["code"]`, `["https://app.example.com/callback"]`
	method := "client_secret_basic"
	switch c.kind {
	case "service":
		grants, responses, redirects, method = `["client_credentials"]`, `["token"]`, `[]`, "private_key_jwt"
	case "browser", "native":
		method = "none"
	}
	buf = appendField(append(buf, '{'), "client_id", c.id)
	buf = append(appendKey(buf, "client_id_issued_at"), strconv.FormatInt(int64(c.issued/1000), 10)...)
	if c.secret != "" {
		buf = appendField(buf, "client_secret", c.secret)
	}
	if method != "none" {
		buf = append(appendKey(buf, "client_secret_expires_at"), '0')
	}
	buf = appendField(buf, "client_name", c.name)
	buf = append(appendKey(buf, "client_uri"), "null"...)
	buf = append(appendKey(buf, "logo_uri"), "null"...)
	buf = append(appendKey(buf, "redirect_uris"), redirects...)
	buf = append(appendKey(buf, "response_types"), responses...)
	buf = append(appendKey(buf, "grant_types"), grants...)
	buf = appendField(buf, "token_endpoint_auth_method", method)
	return append(appendField(buf, "application_type", c.kind), '}')
}

func (o *Org) findClient(id string) (*client, error) {
	for _, c := range o.clients {
		if c.id == id {
			return c, nil
		}
	}
	return nil, notFound(id, "PublicClientApp")
}

func getClient(o *Org, c *call) (answer, error) {
	found, err := o.findClient(c.PathValue("clientId"))
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, body: appendClient(nil, found)}, nil
}

func listClients(o *Org, c *call) (answer, error) {
	p, err := o.openPage(c, "clients", 20, pageClients)
	if err != nil {
		return answer{}, err
	}
	q := strings.ToLower(p.query.Get("q"))
	for i := p.start; i < len(o.clients); i++ {
		if !strings.HasPrefix(strings.ToLower(o.clients[i].name), q) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = appendClient(p.buf, o.clients[i])
	}
	return p.answer(), nil
}
