package oktatest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// generator creates seeded events from a few dozen templates. A template has holes for an id, a time, a request and an
// address. Copying a template is cheaper than writing JSON.
type generator struct {
	org       *Org
	once      sync.Once
	templates []template
}

const templateCount = 64

// template is an event with holes of fixed width.
type template struct {
	text         []byte
	uuid         int
	published    int
	wholeSeconds bool  // published has no milliseconds
	requests     []int // positions of the request id
	addresses    []int // positions of the last number of the client's address
}

// shape has the values that are specific to one event.
type shape struct {
	template *template
	late     int // places by which published is earlier
	hash     uint64
}

func (g *generator) prepare() {
	g.once.Do(func() {
		for i := range templateCount {
			g.templates = append(g.templates, g.template(i))
		}
	})
}

func (g *generator) shape(index int) shape {
	h := g.org.ids.hash(domainEvent, uint64(index))
	s := shape{template: &g.templates[h%templateCount], hash: h}
	if h>>8%16 == 0 {
		s.late = 1 + int(h>>16%maxShuffle)
	}
	return s
}

// event appends the event with an index, published at a time.
func (g *generator) event(buf []byte, index int, published millis, clock *stamper) []byte {
	s := g.shape(index)
	start := len(buf)
	buf = append(buf, s.template.text...)
	text := buf[start:]
	other := mix(s.hash)
	writeUUID(text[s.template.uuid:], s.hash, other)
	clock.write(text[s.template.published:], published, s.template.wholeSeconds)
	for _, at := range s.template.requests {
		writeHex(text[at:], other, 16)
		writeHex(text[at+16:], s.hash, 16)
	}
	octet := 100 + other%155
	for _, at := range s.template.addresses {
		text[at], text[at+1], text[at+2] = byte('0'+octet/100), byte('0'+octet/10%10), byte('0'+octet%10)
	}
	return buf
}

// dated returns an event with exactly the given published time, including milliseconds.
func (g *generator) dated(index int, published millis) []byte {
	for g.shape(index).template.wholeSeconds {
		index += 1 << 40 // far from the indexes that the log uses
	}
	var clock stamper
	return g.event(nil, index, published, &clock)
}

const hexDigits = "0123456789abcdef"

func writeHex(dst []byte, value uint64, digits int) {
	for i := digits - 1; i >= 0; i-- {
		dst[i] = hexDigits[value&15]
		value >>= 4
	}
}

func writeUUID(dst []byte, high, low uint64) {
	writeHex(dst, high>>32, 8)
	writeHex(dst[9:], high>>16, 4)
	writeHex(dst[14:], high, 4)
	dst[14] = '1' // time-based, as Okta's are
	writeHex(dst[19:], low>>48, 4)
	dst[19] = '8'
	writeHex(dst[24:], low, 12)
}

// stamper writes timestamps. It caches the date, which is usually the same for the next event.
type stamper struct {
	day  millis
	date [len("2006-01-02T")]byte
}

func (c *stamper) write(dst []byte, at millis, wholeSeconds bool) {
	d := at / day
	if c.day != d || c.date[0] == 0 {
		c.day = d
		at.time().AppendFormat(c.date[:0], "2006-01-02T")
	}
	copy(dst, c.date[:])
	rest := int(at % day)
	two := func(i, n int) { dst[i], dst[i+1] = byte('0'+n/10), byte('0'+n%10) }
	two(11, rest/3_600_000)
	two(14, rest/60_000%60)
	two(17, rest/1000%60)
	if !wholeSeconds {
		dst[20] = byte('0' + rest/100%10)
		two(21, rest%100)
	}
}

// seededKinds are the kinds of seeded events: type, text, legacy type and target.
var seededKinds = []struct{ event, message, legacy, target string }{
	{"user.session.start", "User login to Okta", "core.user_auth.login_success", "AppInstance"},
	{"user.authentication.sso", "User single sign on to app", "app.auth.sso", "AppInstance"},
	{"user.authentication.auth_via_mfa", "Authentication of user via MFA", "core.user.factor.attempt_success", "AuthenticatorEnrollment"},
	{"policy.evaluate_sign_on", "Evaluation of sign-on policy", "", "PolicyEntity"},
	{"user.session.end", "User logout from Okta", "core.user_auth.logout_success", ""},
	{"group.user_membership.add", "Add user to group membership", "core.user_group_member.user_add", "UserGroup"},
	{"user.account.update_profile", "Update user profile for Okta", "core.user.config.profile.update", "User"},
	{"app.oauth2.token.grant.access_token", "OIDC access token is granted", "app.oauth2.token.grant.access_token_success", "access_token"},
	{"user.session.access_admin_app", "User accessing Okta admin app", "app.admin.sso.login.success", "AppInstance"},
	{"security.request.blocked", "Request from a blocked address", "", ""},
	{"user.account.lock", "Max sign in attempts exceeded", "core.user_auth.account_locked", "User"},
	{"application.user_membership.add", "Add user to application membership", "app.user_management.provision_user", "AppUser"},
}

// templateWriter builds one template and records the positions of its holes.
type templateWriter struct {
	buf []byte
	template
}

func (w *templateWriter) raw(parts ...string) {
	for _, p := range parts {
		w.buf = append(w.buf, p...)
	}
}

func (w *templateWriter) text(s string) { w.buf = appendString(w.buf, s) }

func (w *templateWriter) request() {
	w.raw(`"`)
	w.requests = append(w.requests, len(w.buf))
	w.raw(strings.Repeat("0", 32), `"`)
}

func (w *templateWriter) address() {
	w.raw(`"203.0.113.`)
	w.addresses = append(w.addresses, len(w.buf))
	w.raw(`000"`)
}

// pick returns one of several spellings, chosen by n.
func pick(n int, spellings ...string) string { return spellings[n%len(spellings)] }

// template writes the n-th template. It varies like real logs: null or missing members, postal codes as numbers,
// numbers in all notations. It also has lists of objects instead of strings, and JSON in strings.
func (g *generator) template(n int) template {
	kind := seededKinds[n%len(seededKinds)]
	actorID, actorName, actorLogin := g.actor(n)
	w := &templateWriter{}
	w.raw(`{"actor":{"id":`)
	w.text(actorID)
	w.raw(`,"type":"User","alternateId":`)
	w.text(actorLogin)
	w.raw(`,"displayName":`)
	w.text(actorName)
	w.raw(`,"detailEntry":null},"client":{"userAgent":{"rawUserAgent":`)
	w.text(fmt.Sprintf("Mozilla/5.0 (X11; Linux x86_64; rv:%d.0) Gecko/20100101 Firefox/%d.0", 120+n%9, 120+n%9))
	w.raw(`,"os":"Linux","browser":"FIREFOX"},"zone":`, pick(n, `"null"`, `null`, `"Office"`), `,"device":"Computer","id":null,"ipAddress":`)
	w.address()
	w.raw(`,"geographicalContext":`)
	w.place(n)
	w.raw(`}`)
	if n%6 == 2 {
		w.raw(`,"device":{"id":`)
		w.text(g.org.ids.seeded("guo", domainShape, n))
		w.raw(`,"name":"Mac15,6","os_platform":"OSX","os_version":"14.6.0","managed":false,"registered":true,"device_integrator":null}`)
	}
	w.raw(`,"authenticationContext":{"authenticationProvider":null,"credentialProvider":null,"credentialType":null,`,
		`"issuer":null,"interface":null,"authenticationStep":0,"rootSessionId":"idx`, strconv.Itoa(n), `sim","externalSessionId":"idx`,
		strconv.Itoa(n), `sim"},"displayMessage":`)
	w.text(kind.message)
	w.raw(`,"eventType":`)
	w.text(kind.event)
	w.raw(`,"outcome":`, pick(n, `{"result":"SUCCESS","reason":null}`, `{"result":"SUCCESS","reason":null}`,
		`{"result":"FAILURE","reason":"INVALID_CREDENTIALS"}`, `{"result":"ALLOW","reason":"Sign-on policy evaluation resulted in ALLOW"}`, `null`),
		`,"published":"`)
	w.published, w.wholeSeconds = len(w.buf), n%16 == 7
	w.raw(pick(n, "0000-00-00T00:00:00"))
	if !w.wholeSeconds {
		w.raw(".000")
	}
	w.raw(`Z","securityContext":{"asNumber":`, pick(n, `64500`, `null`, `4200000000`), `,"asOrg":"example networks","isp":"example isp","domain":`,
		pick(n, `"example.net"`, `null`), `,"isProxy":`, pick(n, `false`, `false`, `true`, `null`))
	switch n % 8 {
	case 3:
		w.raw(`,"userBehaviors":[{"name":"New Device","result":"POSITIVE"},{"name":"Velocity","result":"NEGATIVE"}]`)
	case 4:
		w.raw(`,"userBehaviors":[]`)
	}
	w.raw(`},"severity":`, pick(n, `"INFO"`, `"INFO"`, `"WARN"`), `,"debugContext":{"debugData":{"requestId":`)
	w.request()
	w.raw(`,"requestUri":"/idp/idx/identify","url":"/idp/idx/identify?","threatSuspected":"false","risk":"{level=`, pick(n, "LOW", "MEDIUM"), `}"`)
	switch n % 4 {
	case 1:
		w.raw(`,"sequence":9007199254740993,"score":1e3`)
	case 2:
		w.raw(`,"score":1.0`)
	}
	w.raw(`,"logOnlySecurityData":`)
	padding := len(w.buf)
	w.raw(`}},"legacyEventType":`)
	if kind.legacy == "" {
		w.raw(`null`)
	} else {
		w.text(kind.legacy)
	}
	w.raw(`,"transaction":{"type":"WEB","id":`)
	w.request()
	w.raw(`,"detail":{}},"uuid":"`)
	w.uuid = len(w.buf)
	w.raw(`00000000-0000-0000-0000-000000000000","version":"0","request":{"ipChain":[{"ip":`)
	w.address()
	w.raw(`,"geographicalContext":`)
	w.place(n)
	w.raw(`,"version":"V4","source":null}]},"target":`)
	w.target(g, n, kind.target)
	w.raw(`}`)
	w.pad(padding, g.org.cfg.EventSize*(48+n%32)/64)
	w.template.text = w.buf
	return w.template
}

// place writes the location of the client.
func (w *templateWriter) place(n int) {
	p := places[n%len(places)]
	w.raw(`{"city":`)
	w.text(p.city)
	w.raw(`,"state":`)
	w.text(p.state)
	w.raw(`,"country":`)
	w.text(p.country)
	w.raw(`,"postalCode":`, pick(n, `10013`, `"M5H 2N2"`, `null`, `"78701"`), `,"geolocation":`,
		pick(n, `{"lat":43.7114,"lon":-79.4462}`, `{"lat":1.0,"lon":-74.0}`, `{"lat":3.014e1,"lon":1E2}`), `}`)
}

// target writes the targets: none, one, or two.
func (w *templateWriter) target(g *generator, n int, kind string) {
	if kind == "" {
		w.raw(pick(n, `null`, `null`, `[]`))
		return
	}
	w.raw(`[{"id":`)
	w.text(g.org.ids.seeded("0oa", domainShape, n))
	w.raw(`,"type":`)
	w.text(kind)
	w.raw(`,"alternateId":"unknown","displayName":`, pick(n, `"Caf\u00e9 \u2615 Portal"`, `"Payroll \"EU\""`, `"Wiki"`), `,"detailEntry":`,
		pick(n, `null`, `{"methodTypeUsed":"Get a push notification"}`), `}`)
	if n%3 == 0 {
		id, name, login := g.actor(n + 1)
		w.raw(`,{"id":`)
		w.text(id)
		w.raw(`,"type":"User","alternateId":`)
		w.text(login)
		w.raw(`,"displayName":`)
		w.text(name)
		w.raw(`,"detailEntry":null}`)
	}
	w.raw(`]`)
}

// actor returns a seeded user as named in the log.
func (g *generator) actor(n int) (id, name, login string) {
	users := g.org.cfg.Users
	if users == 0 {
		return "00usimulatedsystem00", "Okta System", "system@okta.example.com"
	}
	i := n * 7 % users
	s := g.org.seedState(i)
	return g.org.ids.seeded("00u", domainUser, i), g.org.displayName(&s), s.login
}

// pad inserts JSON in a string at offset at, so that the event has size bytes.
func (w *templateWriter) pad(at, size int) {
	inner := `{"risk":{"level":"LOW"},"behaviors":{"New Geo-Location":"NEGATIVE","New Device":"NEGATIVE"},"trace":"`
	if missing := size - len(w.buf) - len(inner) - 20; missing > 0 {
		inner += strings.Repeat("simulated-", missing/10+1)[:missing]
	}
	filling := appendString(nil, inner+`"}`)
	w.buf = append(w.buf[:at:at], append(filling, w.buf[at:]...)...)
	shift := func(offset *int) {
		if *offset >= at {
			*offset += len(filling)
		}
	}
	shift(&w.uuid)
	shift(&w.published)
	for i := range w.requests {
		shift(&w.requests[i])
	}
	for i := range w.addresses {
		shift(&w.addresses[i])
	}
}
