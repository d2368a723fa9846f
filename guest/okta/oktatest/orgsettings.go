package oktatest

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// orgSettingEndpoints serves what an administrator sets for the whole org: identity providers, trusted origins, event hooks,
// log streams, behaviors and ThreatInsight, of https://developer.okta.com/docs/api/openapi/okta-management/management/.
func orgSettingEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/idps", bucket: "/api/v1", handle: listIdentityProviders},
		{pattern: "GET /api/v1/trustedOrigins", bucket: "/api/v1", handle: listTrustedOrigins},
		{pattern: "GET /api/v1/eventHooks", bucket: "/api/v1", handle: listEventHooks},
		{pattern: "GET /api/v1/logStreams", bucket: "/api/v1", handle: listLogStreams},
		{pattern: "GET /api/v1/behaviors", bucket: "/api/v1", handle: listBehaviors},
		{pattern: "GET /api/v1/threats/configuration", bucket: "/api/v1", handle: getThreatInsight},
	}
}

const (
	domainIdentityProvider uint64 = iota + 500
	domainTrustedOrigin
	domainEventHook
	domainLogStream
	domainBehavior
)

// orgSettings has the org's settings. Nothing changes them.
type orgSettings struct {
	providers, origins, hooks, streams, behaviors []orgSetting
}

// orgSetting is one of them: its members without id, times and links.
type orgSetting struct {
	id                   string
	body                 string
	created, lastUpdated millis
}

func (s orgSetting) get(path string) string { return gjson.Get(s.body, path).Str }

// seedOrgSettings creates settings with the members of recorded and published responses. Okta returns the client secret of
// an identity provider and the values of an event hook's headers (okta/okta-sdk-python, recordings of list_idps and
// list_event_hooks). It does not return a log stream's token or an event hook's authorization.
func (o *Org) seedOrgSettings() {
	started := millisOf(o.started) / 1000 * 1000
	seed := func(prefix string, domain uint64, bodies ...string) (all []orgSetting) {
		for i, body := range bodies {
			all = append(all, orgSetting{o.ids.seeded(prefix, domain, i), body, started - day*millis(800-i), started - day*millis(80-i)})
		}
		return all
	}
	const policy = `"policy":{"provisioning":{"action":"AUTO","profileMaster":false,"groups":{"action":"NONE"},"conditions":{"deprovisioned":{"action":"NONE"},"suspended":{"action":"NONE"}}},` +
		`"accountLink":{"action":"AUTO"},"subject":{"userNameTemplate":{"template":"idpuser.email"},"matchType":"USERNAME"},"maxClockSkew":120000}`
	secret := "simulated-not-a-secret-" + o.ids.seeded("", domainSecret, 900)
	o.settings.providers = seed("0oa", domainIdentityProvider,
		`{"type":"SAML2","issuerMode":"ORG_URL","name":"Parent company","status":"ACTIVE","protocol":{"type":"SAML2","endpoints":{"sso":{"url":"https://idp.example.com/saml2/sso","binding":"HTTP-POST","destination":"https://idp.example.com/saml2/sso"},"acs":{"binding":"HTTP-POST","type":"INSTANCE"}},`+
			`"credentials":{"trust":{"issuer":"urn:example:idp","audience":"https://www.okta.com/saml2/service-provider/simulated","kid":"simulated-key"},"signing":{"kid":"simulated-signing-key"}},"settings":{"nameFormat":"urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"}},`+policy+`}`,
		`{"type":"OIDC","issuerMode":"ORG_URL","name":"Partner portal","status":"ACTIVE","protocol":{"type":"OIDC","endpoints":{"authorization":{"url":"https://partner.example.com/authorize","binding":"HTTP-REDIRECT"},"token":{"url":"https://partner.example.com/token","binding":"HTTP-POST"},"jwks":{"url":"https://partner.example.com/keys","binding":"HTTP-REDIRECT"}},`+
			`"scopes":["openid","profile","email"],"issuer":{"url":"https://partner.example.com"},"credentials":{"client":{"client_id":"simulated-client","client_secret":`+quote(secret)+`}}},`+policy+`}`,
		`{"type":"GOOGLE","issuerMode":"ORG_URL","name":"Google sign-in","status":"INACTIVE","protocol":{"type":"OIDC","scopes":["openid","email"],"credentials":{"client":{"client_id":"simulated-google","client_secret":`+quote(secret)+`}}},`+policy+`}`)
	owner := `"00uunknown0000000000"`
	if len(o.users.all) > 0 {
		owner = quote(o.users.all[0].id)
	}
	by := `"createdBy":` + owner + `,"lastUpdatedBy":` + owner
	o.settings.origins = seed("tos", domainTrustedOrigin,
		`{"name":"Intranet","origin":"https://intranet.example.com","status":"ACTIVE","scopes":[{"type":"CORS"},{"type":"REDIRECT"}],`+by+`}`,
		`{"name":"Support portal","origin":"https://support.example.com","status":"ACTIVE","scopes":[{"type":"REDIRECT"}],`+by+`}`,
		`{"name":"Old shop","origin":"http://shop.example.com","status":"INACTIVE","scopes":[{"type":"CORS"}],`+by+`}`)
	o.settings.hooks = seed("who", domainEventHook,
		`{"status":"ACTIVE","verificationStatus":"VERIFIED","name":"Security alerts","description":"Sign-ins and factor changes","createdBy":`+owner+`,"events":{"type":"EVENT_TYPE","items":["user.session.start","user.mfa.factor.deactivate"],"filter":{"type":"EXPRESSION_LANGUAGE","eventFilterMap":[{"event":"user.session.start","condition":{"version":null,"expression":"event.outcome.result eq 'FAILURE'"}}]}},`+
			`"channel":{"type":"HTTP","version":"1.0.0","config":{"uri":"https://alerts.example.com/okta","headers":[{"key":"X-Api-Key","value":`+quote(secret)+`}],"method":"POST","authScheme":{"type":"HEADER","key":"Authorization"}}}}`,
		`{"status":"INACTIVE","verificationStatus":"UNVERIFIED","name":"Joiners","description":null,"createdBy":`+owner+`,"events":{"type":"EVENT_TYPE","items":["user.lifecycle.create"]},`+
			`"channel":{"type":"HTTP","version":"1.0.0","config":{"uri":"https://people.example.com/joiners","headers":[],"method":"POST","authScheme":{"type":"HEADER","key":"Authorization"}}}}`)
	o.settings.streams = seed("0oa", domainLogStream,
		`{"type":"aws_eventbridge","name":"EventBridge","status":"ACTIVE","settings":{"accountId":"123456789012","eventSourceName":"okta","region":"eu-central-1"}}`,
		`{"type":"splunk_cloud_logstreaming","name":"Splunk","status":"INACTIVE","settings":{"edition":"aws","host":"acme.splunkcloud.com"}}`)
	o.settings.behaviors = seed("bhv", domainBehavior,
		`{"name":"New Device","type":"ANOMALOUS_DEVICE","status":"ACTIVE","settings":{"maxEventsUsedForEvaluation":20,"minEventsNeededForEvaluation":0}}`,
		`{"name":"New City","type":"ANOMALOUS_LOCATION","status":"ACTIVE","settings":{"maxEventsUsedForEvaluation":20,"minEventsNeededForEvaluation":0,"granularity":"CITY"}}`,
		`{"name":"Velocity","type":"VELOCITY","status":"INACTIVE","settings":{"velocityKph":805}}`)
}

// appendOrgSetting renders a setting with its links. link renders the lifecycle links below path.
func appendOrgSetting(buf []byte, s orgSetting, path string, link func(buf []byte, key, path, method string) []byte) []byte {
	buf = appendField(append(buf, '{'), "id", s.id)
	gjson.Parse(s.body).ForEach(func(k, v gjson.Result) bool {
		if v.Type != gjson.Null || k.Str == "description" {
			buf = appendRaw(buf, k.Str, []byte(v.Raw))
		}
		return true
	})
	buf = appendTime(buf, "created", s.created)
	buf = appendTime(buf, "lastUpdated", s.lastUpdated)
	self, step := path+"/"+s.id, "deactivate"
	if s.get("status") != active {
		step = "activate"
	}
	buf = append(appendKey(buf, "_links"), '{')
	buf = link(buf, "self", self, "GET")
	return append(link(buf, step, self+"/lifecycle/"+step, "POST"), "}}"...)
}

// allowedLink returns links with hints, below an origin.
func allowedLink(origin string) func(buf []byte, key, path, method string) []byte {
	return func(buf []byte, key, path, method string) []byte {
		return appendAllowed(buf, key, origin, path, method)
	}
}

// orgSettingList is a list of settings with pages of at most 200, and 20 by default.
type orgSettingList struct {
	name   string
	all    []orgSetting
	accept func(orgSetting) bool
	append func(buf []byte, s orgSetting) []byte
	more   bool // the last page has a next link too
}

func (l orgSettingList) page(o *Org, c *call) (answer, error) {
	p, err := o.openPage(c, l.name, 20, 200)
	if err != nil {
		return answer{}, err
	}
	at := p.start
	for ; at < len(l.all) && !p.full(); at++ {
		if l.accept(l.all[at]) {
			p.element()
			p.buf = l.append(p.buf, l.all[at])
		}
	}
	if slices.ContainsFunc(l.all[min(at, len(l.all)):], l.accept) || l.more && p.count > 0 {
		p.more(o, c, at)
	}
	return p.answer(), nil
}

// listIdentityProviders has a next link on every page with a record, as recorded in 2020: okta/okta-sdk-python, list_idps.
func listIdentityProviders(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	q, typ := strings.ToLower(query.Get("q")), query.Get("type")
	return orgSettingList{name: "idps", all: o.settings.providers, more: true,
		accept: func(s orgSetting) bool {
			return strings.Contains(strings.ToLower(s.get("name")), q) && (typ == "" || s.get("type") == typ)
		},
		append: func(buf []byte, s orgSetting) []byte {
			return appendOrgSetting(buf, s, "/api/v1/idps", allowedLink(c.origin))
		},
	}.page(o, c)
}

var filterTrustedOrigins = dialect{
	operators: "eq",
	known: func(attribute string) bool {
		return slices.Contains([]string{"name", "origin", "status", "type"}, attribute)
	},
	refuse: invalidSearch,
}

func listTrustedOrigins(o *Org, c *call) (answer, error) {
	q := strings.ToLower(c.URL.Query().Get("q"))
	matches, err := filterTrustedOrigins.matcher(c)
	if err != nil {
		return answer{}, err
	}
	return orgSettingList{name: "trustedOrigins", all: o.settings.origins,
		accept: func(s orgSetting) bool {
			return matches(s) && (strings.HasPrefix(strings.ToLower(s.get("name")), q) || strings.HasPrefix(s.get("origin"), q))
		},
		append: func(buf []byte, s orgSetting) []byte {
			return appendOrgSetting(buf, s, "/api/v1/trustedOrigins", allowedLink(c.origin))
		},
	}.page(o, c)
}

// matcher returns what reports whether a setting matches the request's filter. type is that of any of its scopes, if it has
// scopes.
func (d dialect) matcher(c *call) (func(orgSetting) bool, error) {
	text := c.URL.Query().Get("filter")
	if text == "" {
		return func(orgSetting) bool { return true }, nil
	}
	e, err := d.parse(text)
	return func(s orgSetting) bool {
		scopes := gjson.Get(s.body, "scopes.#.type").Array()
		return len(scopes) == 0 && e.matches(gjson.Parse(s.body)) || slices.ContainsFunc(scopes, func(typ gjson.Result) bool {
			return e.matches(gjson.Parse(`{"type":` + typ.Raw + `,` + s.body[1:]))
		})
	}, err
}

// listEventHooks returns a single page.
func listEventHooks(o *Org, c *call) (answer, error) {
	return singlePage(o.settings.hooks, func(buf []byte, s orgSetting) []byte {
		return appendOrgSetting(buf, s, "/api/v1/eventHooks", allowedLink(c.origin))
	}), nil
}

func singlePage(all []orgSetting, render func(buf []byte, s orgSetting) []byte) answer {
	buf := []byte{'['}
	for i, s := range all {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = render(buf, s)
	}
	return answer{body: append(buf, ']')}
}

// filterLogStreams accepts one comparison: Okta's reference names eq on either the status or the type.
var filterLogStreams = dialect{
	single:    true,
	operators: "eq",
	known:     func(attribute string) bool { return attribute == "status" || attribute == "type" },
	refuse:    invalidSearch,
}

// listLogStreams has links with a method in place of hints.
func listLogStreams(o *Org, c *call) (answer, error) {
	matches, err := filterLogStreams.matcher(c)
	if err != nil {
		return answer{}, err
	}
	return orgSettingList{name: "logStreams", all: o.settings.streams, accept: matches,
		append: func(buf []byte, s orgSetting) []byte {
			return appendOrgSetting(buf, s, "/api/v1/logStreams", func(buf []byte, key, path, method string) []byte {
				buf = appendField(append(appendKey(buf, key), '{'), "href", c.origin+path)
				return append(appendField(buf, "method", method), '}')
			})
		},
	}.page(o, c)
}

// listBehaviors returns a single page. Its times have a space and no zone, and its member of links is _link.
func listBehaviors(o *Org, c *call) (answer, error) {
	const layout = "2006-01-02 15:04:05.0"
	return singlePage(o.settings.behaviors, func(buf []byte, s orgSetting) []byte {
		buf = appendField(append(buf, '{'), "id", s.id)
		gjson.Parse(s.body).ForEach(func(k, v gjson.Result) bool {
			buf = appendRaw(buf, k.Str, []byte(v.Raw))
			return true
		})
		buf = appendField(buf, "created", s.created.time().Format(layout))
		buf = appendField(buf, "lastUpdated", s.lastUpdated.time().Format(layout))
		buf = append(appendKey(buf, "_link"), '{')
		return append(appendAllowed(buf, "self", c.origin, "/api/v1/org/behaviors/"+s.id, "GET", "PUT", "DELETE"), "}}"...)
	}), nil
}

func getThreatInsight(o *Org, c *call) (answer, error) {
	started := millisOf(o.started) / 1000 * 1000
	buf := appendField([]byte{'{'}, "action", "audit")
	buf = append(appendKey(buf, "excludeZones"), '[')
	buf = append(appendString(buf, o.zones[0].id), ']')
	buf = appendTime(buf, "created", started-900*day)
	buf = appendTime(buf, "lastUpdated", started-30*day)
	buf = append(appendKey(buf, "_links"), '{')
	return answer{body: append(appendAllowed(buf, "self", c.origin, "/api/v1/threats/configuration", "GET", "POST"), "}}"...)}, nil
}
