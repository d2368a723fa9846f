package oktatest

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// customRoleEndpoints serves the org's custom admin roles, without the standard ones:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/RoleECustom/.
func customRoleEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/iam/roles", bucket: "/api/v1/iam", handle: listCustomRoles},
		{pattern: "GET /api/v1/iam/roles/{roleIdOrLabel}", bucket: "/api/v1/iam", handle: getCustomRole},
	}
}

const pageCustomRoles = 100

// adminOrigin returns the origin of links to an org's administration: https://example-admin.okta.com for
// https://example.okta.com. If the origin is an address, the result leads nowhere, so that a client fails that follows
// a link without checking its host.
func adminOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return origin
	}
	host, port := u.Hostname(), u.Port()
	if _, err := netip.ParseAddr(host); err == nil {
		host = strings.NewReplacer(".", "-", ":", "-").Replace(host) + "-admin.invalid"
	} else if name, domain, dotted := strings.Cut(host, "."); dotted {
		host = name + "-admin." + domain
	} else {
		host += "-admin"
	}
	if port != "" {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

func (o *Org) appendCustomRole(buf []byte, r roleDefinition, origin string) []byte {
	created := millisOf(o.started)/1000*1000 - 700*day
	self := "/api/v1/iam/roles/" + r.id
	buf = appendField(append(buf, '{'), "id", r.id)
	buf = appendField(buf, "label", r.label)
	buf = appendField(buf, "description", r.description)
	buf = appendTime(buf, "created", created)
	buf = appendTime(buf, "lastUpdated", created+day)
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "permissions", origin, self+"/permissions")
	return append(appendHref(buf, "self", origin, self), "}}"...)
}

// adminSelf returns the only Link header of responses about roles, even if there is a next page.
func adminSelf(c *call) http.Header {
	return http.Header{"Link": {"<" + adminOrigin(c.origin) + c.URL.RequestURI() + `>; rel="self"`}}
}

// listCustomRoles has the next link in the body. Okta does not document how many roles a page has.
func listCustomRoles(o *Org, c *call) (answer, error) {
	start, origin := 0, adminOrigin(c.origin)
	if after := c.URL.Query().Get("after"); after != "" {
		var err error
		if start, err = o.parseCursor("custom roles", after); err != nil {
			return answer{}, err
		}
	}
	start = min(start, len(o.roles.custom))
	end := min(start+o.cfg.pageLimit(pageCustomRoles), len(o.roles.custom))
	buf := append(appendKey([]byte{'{'}, "roles"), '[')
	for i, r := range o.roles.custom[start:end] {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = o.appendCustomRole(buf, r, origin)
	}
	buf = append(appendKey(append(buf, ']'), "_links"), '{')
	if end < len(o.roles.custom) {
		buf = appendHref(buf, "next", origin, "/api/v1/iam/roles?after="+url.QueryEscape(o.cursor("custom roles", end)))
	}
	return answer{header: adminSelf(c), body: append(buf, "}}"...)}, nil
}

func getCustomRole(o *Org, c *call) (answer, error) {
	name := c.PathValue("roleIdOrLabel")
	at := slices.IndexFunc(o.roles.custom, func(r roleDefinition) bool { return r.id == name || r.label == name })
	if at < 0 {
		return answer{}, notFound(name, "CustomRole")
	}
	return answer{header: adminSelf(c), body: o.appendCustomRole(nil, o.roles.custom[at], adminOrigin(c.origin))}, nil
}

// CustomRoles returns the ids of the org's custom admin roles and resource sets, for assignments of type CUSTOM.
func (o *Org) CustomRoles() (roles, resourceSets []string) {
	for _, r := range o.roles.custom {
		roles = append(roles, r.id)
	}
	return roles, slices.Clone(o.roles.resourceSets)
}
