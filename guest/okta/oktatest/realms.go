package oktatest

import "slices"

// realmEndpoints serves the realms of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Realm/.
func realmEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/realms", bucket: "/api/v1", handle: listRealms},
		{pattern: "GET /api/v1/realms/{realmId}", bucket: "/api/v1", handle: getRealm},
	}
}

// seededRealms are the realms of every org. Users start in the first, without a realmId: all recorded users are of orgs
// without realms, and have none.
var seededRealms = []string{"Default Realm", "Partners"}

// Realms returns the ids of the org's realms, the default one first.
func (o *Org) Realms() []string {
	return []string{o.ids.seeded("guo", domainOrg, 5), o.ids.seeded("guo", domainOrg, 6)}
}

func (o *Org) appendRealm(buf []byte, i int, origin string) []byte {
	id := o.Realms()[i]
	created := millisOf(o.started)/1000*1000 - 600*day
	buf = appendField(append(buf, '{'), "id", id)
	buf = appendTime(buf, "created", created)
	buf = appendTime(buf, "lastUpdated", created)
	buf = appendBool(buf, "isDefault", i == 0)
	buf = append(appendField(append(appendKey(buf, "profile"), '{'), "name", seededRealms[i]), '}')
	buf = append(appendKey(buf, "_links"), '{')
	return append(appendAllowed(buf, "self", origin, "/api/v1/realms/"+id, "GET"), "}}"...)
}

func listRealms(o *Org, c *call) (answer, error) {
	p, err := o.openPage(c, "realms", pageGroups, pageGroups)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(seededRealms); i++ {
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendRealm(p.buf, i, c.origin)
	}
	return p.answer(), nil
}

func getRealm(o *Org, c *call) (answer, error) {
	id := c.PathValue("realmId")
	i := slices.Index(o.Realms(), id)
	if i < 0 {
		return answer{}, notFound(id, "Realm")
	}
	return answer{body: o.appendRealm(nil, i, c.origin)}, nil
}
