package oktatest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// factorEndpoints serves the factors of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserFactor/.
func factorEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/users/{userId}/factors", bucket: "/api/v1/users", handle: listFactors},
		{pattern: "DELETE /api/v1/users/{userId}/factors/{factorId}", bucket: "/api/v1/users", handle: deleteFactor},
	}
}

// factor is an enrolled factor of a user.
type factor struct {
	id, kind, provider string
	created            millis
	profile            string // a JSON object
}

// factorStore has the factors of users who changed theirs, by user id. All others have their seeded factors.
type factorStore map[string][]factor

const domainFactor = 1<<32 + 1

// factorsOf returns the factors of u, which must not be written to.
func (o *Org) factorsOf(u *user) []factor {
	if changed, ok := o.factors[u.id]; ok {
		return changed
	}
	return o.seededFactors(u)
}

// seededFactors returns the factors of a seeded user: none for a staged user, only e-mail for a user who never signed
// in. Ada Lovelace has one of each kind, including two security keys and two authenticator apps.
func (o *Org) seededFactors(u *user) []factor {
	i := u.seq
	if i >= o.cfg.Users || i >= o.cfg.Factors {
		return nil
	}
	s := o.seedState(i)
	if s.status == staged {
		return nil
	}
	var all []factor
	h := o.ids.hash(domainFactor, uint64(i))
	add := func(prefix, kind, provider, profile string) {
		id := string(o.ids.fill([]byte(prefix), 20, o.ids.hash(domainFactor, uint64(i)<<8+uint64(len(all))+1<<48)))
		all = append(all, factor{id, kind, provider, s.activated + millis(len(all))*60_000, profile})
	}
	member := func(key, value string) string { return string(append(appendField([]byte{'{'}, key, value), '}')) }
	phone := member("phoneNumber", "+1555555"+strconv.Itoa(1000+int(h%9000)))
	add("emf", "email", "OKTA", member("email", s.login))
	if s.status == provisioned {
		return all
	}
	ada := i == 1
	if ada || h>>16%2 == 0 {
		add("sms", "sms", "OKTA", phone)
	}
	if ada || h>>20%6 == 0 {
		add("clf", "call", "OKTA", phone)
	}
	if ada || h>>24%2 == 0 { // Okta Verify is two factors
		add("opf", "push", "OKTA", `{"credentialId":`+quoted(s.login)+`,"deviceType":"SmartPhone_IPhone","keys":[],"name":"Pocket phone","platform":"IOS","version":"9.10"}`)
		add("ost", "token:software:totp", "OKTA", member("credentialId", s.login))
	}
	if ada || h>>28%4 == 0 {
		add("uft", "token:software:totp", "GOOGLE", member("credentialId", s.login))
	}
	if ada || h>>32%3 == 0 {
		add("fwf", "webauthn", "FIDO", `{"credentialId":"c2ltdWxhdGVkLWtleS0x","authenticatorName":"Desk security key"}`)
	}
	if ada {
		add("fwf", "webauthn", "FIDO", `{"credentialId":"c2ltdWxhdGVkLWtleS0y","authenticatorName":"Spare security key"}`)
	}
	if ada || s.question != "" {
		add("ufs", "question", "OKTA", `{"question":"first_computer_game","questionText":"What was the first computer game you played?"}`)
	}
	return all
}

func quoted(s string) string { return string(appendString(nil, s)) }

func appendFactor(buf []byte, u *user, f *factor, origin string) []byte {
	buf = appendField(append(buf, '{'), "id", f.id)
	buf = appendField(buf, "factorType", f.kind)
	buf = appendField(buf, "provider", f.provider)
	buf = appendField(buf, "vendorName", f.provider)
	buf = appendField(buf, "status", "ACTIVE")
	buf = appendTime(buf, "created", f.created)
	buf = appendTime(buf, "lastUpdated", f.created)
	buf = append(appendKey(buf, "profile"), f.profile...)
	self := origin + "/api/v1/users/" + u.id + "/factors/" + f.id
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHinted(buf, "self", self, "GET", "DELETE")
	buf = appendHinted(buf, "verify", self+"/verify", "POST")
	return append(appendHinted(buf, "user", origin+"/api/v1/users/"+u.id, "GET"), "}}"...)
}

// listFactors returns one page without links.
func listFactors(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	p := &page{buf: []byte{'['}}
	for _, f := range o.factorsOf(u) {
		p.element()
		p.buf = appendFactor(p.buf, u, &f, c.origin)
	}
	return p.answer(), nil
}

// deleteFactor unenrolls a factor. Okta Verify's push also unenrolls the rest of Okta Verify.
func deleteFactor(o *Org, c *call) (answer, error) {
	u, err := o.findUser(c.PathValue("userId"))
	if err != nil {
		return answer{}, err
	}
	if _, err := c.flag("removeRecoveryEnrollment", false); err != nil {
		return answer{}, err
	}
	if u.live.status == deprovisioned { // documented as not allowed; the code is a guess
		return answer{}, errStatus
	}
	id := c.PathValue("factorId")
	all := o.factorsOf(u)
	at := slices.IndexFunc(all, func(f factor) bool { return f.id == id })
	if at < 0 {
		return answer{}, notFound(id, "UserFactor")
	}
	verify := all[at].kind == "push"
	kept := []factor{} // not nil, which means that the user's factors changed
	for i, f := range all {
		if i != at && !(verify && f.provider == "OKTA" && (f.kind == "push" || f.kind == "token:software:totp")) {
			kept = append(kept, f)
			continue
		}
		o.emit(c, "user.mfa.factor.deactivate", "Reset factor for user", o.userTarget(u))
	}
	o.factors[u.id] = kept
	return answer{status: http.StatusNoContent}, nil
}

// Factors returns the factors of a user, by id or login, as in GET /api/v1/users/{userId}/factors.
func (o *Org) Factors(idOrLogin string) []json.RawMessage {
	o.mu.RLock()
	defer o.mu.RUnlock()
	u := o.users.find(idOrLogin)
	if u == nil {
		return nil
	}
	var all []json.RawMessage
	for _, f := range o.factorsOf(u) {
		all = append(all, appendFactor(nil, u, &f, o.cfg.PublicURL))
	}
	return all
}
