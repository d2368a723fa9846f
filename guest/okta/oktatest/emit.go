package oktatest

import "strings"

// target is one entry of a log event's target list.
type target struct{ id, kind, alternateID, name string }

func (o *Org) userTarget(u *user) target {
	return target{u.id, "User", u.live.login, o.displayName(&u.live)}
}

// emit adds an event about a request's change to the log, and marks the request as effective.
func (o *Org) emit(c *call, eventType, message string, targets ...target) {
	actor := systemActor
	if c.app != nil {
		actor = target{c.app.ClientID, "PublicClientApp", c.app.ClientID, "Service app"}
	} else if len(o.users.all) > 0 {
		actor = o.userTarget(o.users.all[0])
	}
	o.emitAs(c, actor, eventType, message, targets...)
}

// systemActor is the actor of changes that Okta makes by itself.
var systemActor = target{"00usimulatedsystem00", "SystemPrincipal", "system@okta.example.com", "Okta System"}

// emitAs is emit for an actor other than the token's owner.
func (o *Org) emitAs(c *call, actor target, eventType, message string, targets ...target) {
	c.effect = true
	now := millisOf(c.now)
	o.log.keep(keptEvent{now, now, o.appendEffect(nil, c, actor, eventType, message, targets)})
}

// appendEffect renders the event of a change. The requests of one transaction have its X-Okta-Request-Id.
func (o *Org) appendEffect(buf []byte, c *call, actor target, eventType, message string, targets []target) []byte {
	address, _, _ := strings.Cut(c.RemoteAddr, ":")
	if address == "" || strings.HasPrefix(address, "[") {
		address = "127.0.0.1"
	}
	buf = appendTarget(append(appendKey(append(buf, '{'), "actor"), '{'), actor)
	buf = append(appendKey(buf, "client"), `{"userAgent":{"rawUserAgent":`...)
	buf = appendString(buf, c.UserAgent())
	buf = append(buf, `,"os":"Unknown","browser":"UNKNOWN"},"zone":"null","device":"Unknown","id":null,"ipAddress":`...)
	buf = append(appendString(buf, address), `,"geographicalContext":null}`...)
	buf = append(appendKey(buf, "authenticationContext"), `{"authenticationProvider":null,"credentialProvider":null,"credentialType":null,"issuer":null,"interface":null,"authenticationStep":0,"externalSessionId":"trs-simulated"}`...)
	buf = appendField(buf, "displayMessage", message)
	buf = appendField(buf, "eventType", eventType)
	buf = append(appendKey(buf, "outcome"), `{"result":"SUCCESS","reason":null}`...)
	buf = appendTime(buf, "published", millisOf(c.now))
	buf = append(appendKey(buf, "securityContext"), `{"asNumber":null,"asOrg":null,"isp":null,"domain":null,"isProxy":null}`...)
	buf = appendField(buf, "severity", "INFO")
	buf = append(appendKey(buf, "debugContext"), `{"debugData":{`...)
	buf = appendField(buf, "requestId", c.id)
	buf = appendField(buf, "requestUri", c.URL.Path)
	buf = append(appendField(buf, "url", c.URL.RequestURI()), "}}"...)
	buf = append(appendKey(buf, "legacyEventType"), "null"...)
	buf = append(appendKey(buf, "transaction"), `{"type":"WEB",`...)
	buf = append(buf, `"id":`...)
	buf = append(appendString(buf, c.id), `,"detail":{}}`...)
	buf = appendKey(buf, "uuid")
	uuid := []byte(`"00000000-0000-0000-0000-000000000000"`)
	h := o.ids.hash(domainCounter, o.ids.counter.Add(1))
	writeUUID(uuid[1:], h, mix(h))
	buf = append(buf, uuid...)
	buf = appendField(buf, "version", "0")
	buf = append(appendKey(buf, "request"), `{"ipChain":[{"ip":`...)
	buf = append(appendString(buf, address), `,"geographicalContext":null,"version":"V4","source":null}]}`...)
	buf = append(appendKey(buf, "target"), '[')
	for i, t := range targets {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendTarget(append(buf, '{'), t)
	}
	return append(buf, "]}"...)
}

// appendTarget renders the members of t and closes the object.
func appendTarget(buf []byte, t target) []byte {
	buf = appendField(buf, "id", t.id)
	buf = appendField(buf, "type", t.kind)
	buf = appendField(buf, "alternateId", t.alternateID)
	buf = appendField(buf, "displayName", t.name)
	return append(append(appendKey(buf, "detailEntry"), "null"...), '}')
}
