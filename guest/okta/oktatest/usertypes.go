package oktatest

// userTypeEndpoints serves the types of users of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserType/.
func userTypeEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/meta/types/user", bucket: "/api/v1", handle: listUserTypes},
		{pattern: "GET /api/v1/meta/types/user/{typeId}", bucket: "/api/v1", handle: getUserType},
	}
}

// seededUserTypes are the types of every org. Seeded users have the first.
var seededUserTypes = []struct{ name, display string }{{"user", "User"}, {"contractor", "Contractor"}}

// userType returns the id of the default type.
func (o *Org) userType() string { return o.ids.seeded("oty", domainOrg, 1) }

// UserTypes returns the ids of the org's user types, the default one first.
func (o *Org) UserTypes() []string {
	return []string{o.userType(), o.ids.seeded("oty", domainOrg, 4)}
}

func (o *Org) appendUserType(buf []byte, i int, origin string) []byte {
	id, kind := o.UserTypes()[i], seededUserTypes[i]
	created := millisOf(o.started)/1000*1000 - 1500*day
	buf = appendField(append(buf, '{'), "id", id)
	buf = appendField(buf, "displayName", kind.display)
	buf = appendField(buf, "name", kind.name)
	buf = appendField(buf, "createdBy", "sprsimulatedsystem00")
	buf = appendField(buf, "lastUpdatedBy", "sprsimulatedsystem00")
	buf = appendTime(buf, "created", created)
	buf = appendTime(buf, "lastUpdated", created)
	buf = appendBool(buf, "default", i == 0)
	buf = append(appendKey(buf, "_links"), '{')
	self := "/api/v1/meta/types/user/" + id
	return append(appendAllowed(buf, "self", origin, self, "GET"), "}}"...)
}

func listUserTypes(o *Org, c *call) (answer, error) {
	buf := []byte{'['}
	for i := range seededUserTypes {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = o.appendUserType(buf, i, c.origin)
	}
	return answer{body: append(buf, ']')}, nil
}

func getUserType(o *Org, c *call) (answer, error) {
	id := c.PathValue("typeId")
	for i, known := range o.UserTypes() {
		if id == known {
			return answer{body: o.appendUserType(nil, i, c.origin)}, nil
		}
	}
	return answer{}, notFound(id, "UserType")
}
