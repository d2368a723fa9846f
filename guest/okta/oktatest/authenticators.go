package oktatest

import "encoding/json"

// authenticatorEndpoints serves the authenticators of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Authenticator/.
func authenticatorEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/authenticators", bucket: "/api/v1", handle: listAuthenticators, feature: identityEngine},
	}
}

type seededAuthenticator struct{ key, kind, name, status, settings string }

// seededAuthenticators are those of every org. The last has a key that Okta's document does not list, as in recorded
// orgs.
var seededAuthenticators = []seededAuthenticator{
	{"okta_email", "email", "Email", "ACTIVE", `{"allowedFor":"any","tokenLifetimeInMinutes":5}`},
	{"okta_verify", "app", "Okta Verify", "ACTIVE", `{"compliance":{"fips":"OPTIONAL"},"channelBinding":{"style":"NUMBER_CHALLENGE","required":"HIGH_RISK_ONLY"},"userVerification":"PREFERRED","appInstanceId":""}`},
	{"okta_password", "password", "Password", "ACTIVE", ""},
	{"phone_number", "phone", "Phone", "INACTIVE", `{"allowedFor":"none"}`},
	{"webauthn", "security_key", "Security Key or Biometric", "ACTIVE", ""},
	{"security_question", "security_question", "Security Question", "ACTIVE", `{"allowedFor":"recovery"}`},
	{"custom_otp", "security_key", "Hardware Token", "INACTIVE", ""},
}

func (o *Org) appendAuthenticator(buf []byte, i int, origin string) []byte {
	a := seededAuthenticators[i]
	created := millisOf(o.started)/1000*1000 - 900*day
	id := o.ids.seeded("aut", domainAuthenticator, i)
	buf = appendField(append(buf, '{'), "type", a.kind)
	buf = appendField(buf, "id", id)
	buf = appendField(buf, "key", a.key)
	buf = appendField(buf, "status", a.status)
	buf = appendField(buf, "name", a.name)
	buf = appendTime(buf, "created", created)
	buf = appendTime(buf, "lastUpdated", created+day*millis(i))
	if a.settings != "" {
		buf = appendRaw(buf, "settings", []byte(a.settings))
	}
	buf = append(appendKey(buf, "_links"), '{')
	self := "/api/v1/authenticators/" + id
	buf = appendAllowed(buf, "self", origin, self, "GET", "PUT")
	switch {
	case a.key == "okta_password": // always active
	case a.status == "ACTIVE":
		buf = appendAllowed(buf, "deactivate", origin, self+"/lifecycle/deactivate", "POST")
	default:
		buf = appendAllowed(buf, "activate", origin, self+"/lifecycle/activate", "POST")
	}
	buf = appendAllowed(buf, "methods", origin, self+"/methods", "GET")
	if a.key == "webauthn" {
		buf = appendAllowed(buf, "aaguids", origin, self+"/aaguids", "GET", "POST")
	}
	return append(buf, "}}"...)
}

// listAuthenticators returns a single page.
func listAuthenticators(o *Org, c *call) (answer, error) {
	buf := []byte{'['}
	for i := range seededAuthenticators {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = o.appendAuthenticator(buf, i, c.origin)
	}
	return answer{body: append(buf, ']')}, nil
}

// Authenticators returns all authenticators as in GET /api/v1/authenticators.
func (o *Org) Authenticators() []json.RawMessage {
	var all []json.RawMessage
	for i := range seededAuthenticators {
		all = append(all, o.appendAuthenticator(nil, i, o.cfg.PublicURL))
	}
	return all
}
