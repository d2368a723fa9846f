package oktatest

import (
	"maps"
	"slices"
	"strconv"
)

// userTypeEndpoints serves the types of users of
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserType/.
func userTypeEndpoints() []endpoint {
	return []endpoint{
		{pattern: "GET /api/v1/meta/types/user", bucket: "/api/v1", handle: listUserTypes},
		{pattern: "GET /api/v1/meta/types/user/{typeId}", bucket: "/api/v1", handle: getUserType},
		{pattern: "GET /api/v1/meta/schemas/user/{schemaId}", bucket: "/api/v1", handle: getUserSchema},
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
	buf = appendAllowed(buf, "self", origin, self, "GET")
	return append(appendHref(buf, "schema", origin, "/api/v1/meta/schemas/user/"+o.userSchemas()[i]), "}}"...)
}

// userSchemas returns the ids of the types' schemas.
func (o *Org) userSchemas() []string {
	return []string{o.ids.seeded("osc", domainOrg, 7), o.ids.seeded("osc", domainOrg, 8)}
}

// getUserSchema returns the same attributes for all types, since users of this org may have them whatever their type.
func getUserSchema(o *Org, c *call) (answer, error) {
	id := c.PathValue("schemaId")
	i := slices.Index(o.userSchemas(), id)
	if id == "default" {
		i = 0
	}
	if i < 0 {
		return answer{}, notFound(id, "Schema")
	}
	self := "/api/v1/meta/schemas/user/" + o.userSchemas()[i]
	created := millisOf(o.started)/1000*1000 - 1500*day
	buf := appendField([]byte{'{'}, "id", c.origin+self)
	buf = appendField(buf, "$schema", "http://json-schema.org/draft-04/schema#")
	buf = appendField(buf, "name", seededUserTypes[i].name)
	buf = appendField(buf, "title", seededUserTypes[i].display)
	buf = appendTime(buf, "lastUpdated", created)
	buf = appendTime(buf, "created", created)
	buf = append(appendKey(buf, "definitions"), '{')
	for n, part := range []string{"custom", "base"} {
		if n > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(appendString(buf, part), ':'), '{')
		buf = appendField(buf, "id", "#"+part)
		buf = appendField(buf, "type", "object")
		buf = append(appendKey(buf, "properties"), '{')
		for _, name := range slices.Sorted(maps.Keys(o.profile)) {
			if _, isBase := defaultAttributes[name]; isBase == (part == "base") {
				buf = o.profile[name].append(buf, name)
			}
		}
		buf = append(appendKey(append(buf, '}'), "required"), "[]}"...)
	}
	buf = appendField(append(buf, '}'), "type", "object")
	buf = append(appendKey(buf, "properties"), `{"profile":{"allOf":[{"$ref":"#/definitions/custom"},{"$ref":"#/definitions/base"}]}}`...)
	buf = append(appendKey(buf, "_links"), '{')
	buf = appendHref(buf, "self", c.origin, self)
	return answer{body: append(appendHref(buf, "type", c.origin, "/api/v1/meta/types/user/"+o.UserTypes()[i]), "}}"...)}, nil
}

// append renders the attribute as a member of a schema.
func (a attribute) append(buf []byte, name string) []byte {
	kind := a.kind
	if kind == "" {
		kind = "string"
	}
	buf = append(appendKey(buf, name), '{')
	buf = appendField(buf, "title", name)
	buf = appendField(buf, "type", kind)
	if kind == "array" {
		buf = append(appendKey(buf, "items"), `{"type":"string"}`...)
	}
	if a.least > 0 {
		buf = strconv.AppendInt(appendKey(buf, "minLength"), int64(a.least), 10)
	}
	if a.most > 0 {
		buf = strconv.AppendInt(appendKey(buf, "maxLength"), int64(a.most), 10)
	}
	if a.possible != nil {
		buf = append(appendKey(buf, "enum"), '[')
		for i, value := range a.possible {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = appendString(buf, value)
		}
		buf = append(buf, ']')
	}
	buf = appendField(buf, "mutability", "READ_WRITE")
	return append(appendField(buf, "scope", "NONE"), '}')
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
