package oktatest

// orgEndpoints serves the org's description:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/OrgSettingGeneral/.
func orgEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /.well-known/okta-organization", bucket: "/", handle: wellKnown, open: true},
		{pattern: "GET /api/v1/org", bucket: "/api/v1", handle: getOrg},
	}
}

func (o *Org) orgID() string { return o.ids.seeded("00o", domainOrg, 2) }

func wellKnown(o *Org, c *call) (answer, error) {
	buf := appendField([]byte{'{'}, "id", o.orgID())
	buf = appendField(buf, "cell", "sim1")
	buf = append(appendHref(append(appendKey(buf, "_links"), '{'), "organization", c.origin, ""), '}')
	buf = appendField(buf, "pipeline", o.cfg.Engine)
	buf = append(appendKey(buf, "settings"), `{"analyticsCollectionEnabled":false,"bugReportingEnabled":true,"omEnabled":false}}`...)
	return answer{body: buf}, nil
}

func getOrg(o *Org, c *call) (answer, error) {
	founded := millisOf(o.started)/1000*1000 - 2000*day
	buf := appendField([]byte{'{'}, "id", o.orgID())
	buf = appendField(buf, "subdomain", "simulated")
	buf = appendField(buf, "companyName", "Simulated Company")
	buf = appendField(buf, "status", "ACTIVE")
	buf = appendTime(buf, "expiresAt", 0)
	buf = appendTime(buf, "created", founded)
	buf = appendTime(buf, "lastUpdated", founded+900*day)
	buf = appendField(buf, "website", "https://www.example.com")
	for _, name := range []string{"phoneNumber", "endUserSupportHelpURL", "supportPhoneNumber"} {
		buf = appendField(buf, name, "")
	}
	for _, name := range []string{"address1", "address2", "city", "state", "country", "postalCode"} {
		buf = append(appendKey(buf, name), "null"...)
	}
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "preferences", c.origin, "/api/v1/org/preferences")
	buf = append(appendKey(buf, "uploadLogo"), '{')
	buf = appendField(buf, "href", c.origin+"/api/v1/org/logo")
	buf = append(append(appendKey(buf, "hints"), `{"allow":["POST"]}`...), '}')
	buf = appendHref(buf, "oktaCommunication", c.origin, "/api/v1/org/privacy/oktaCommunication")
	buf = append(appendKey(buf, "logo"), "null"...)
	buf = appendHref(buf, "oktaSupport", c.origin, "/api/v1/org/privacy/oktaSupport")
	return answer{body: append(appendHref(buf, "contacts", c.origin, "/api/v1/org/contacts"), "}}"...)}, nil
}
