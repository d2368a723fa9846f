package oktatest

import (
	"slices"

	"github.com/tidwall/gjson"
)

// groupOwnerEndpoints serves the owners of groups:
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/GroupOwner/.
func groupOwnerEndpoints() []endpoint {
	return []endpoint{{pattern: "GET /api/v1/groups/{groupId}/owners", bucket: "/api/v1/groups", handle: listGroupOwners}}
}

var filterOwners = dialect{
	operators: "eq",
	known:     func(attribute string) bool { return attribute == "type" },
	refuse:    invalidSearch,
}

// ownersOf returns the owners of a group as in responses. Every third group is owned by the first user with a role, and by
// the group before it.
func (o *Org) ownersOf(g *group) [][]byte {
	at := slices.Index(o.groups.all, g)
	if at < 2 || at%3 != 2 || g.kind != oktaGroup {
		return nil
	}
	by := o.groups.all[at-1]
	owners := [][]byte{o.appendOwner(nil, by.id, principalGroup, by.name(), g.created)}
	if len(o.users.all) > 0 {
		if u := o.users.all[0]; u.live.exists {
			owners = append(owners, o.appendOwner(nil, u.id, principalUser, o.displayName(&u.live), g.created))
		}
	}
	return owners
}

func (o *Org) appendOwner(buf []byte, id, kind, name string, updated millis) []byte {
	buf = appendField(append(buf, '{'), "id", id)
	buf = appendField(buf, "type", kind)
	buf = appendBool(buf, "resolved", true)
	buf = appendField(buf, "originId", "")
	buf = appendField(buf, "originType", "OKTA_DIRECTORY")
	buf = appendField(buf, "displayName", name)
	return append(appendTime(buf, "lastUpdated", updated), '}')
}

func listGroupOwners(o *Org, c *call) (answer, error) {
	g, err := o.findGroup(c.PathValue("groupId"))
	if err != nil {
		return answer{}, err
	}
	accept := func([]byte) bool { return true }
	if text := c.URL.Query().Get("search"); text != "" {
		e, err := filterOwners.parse(text)
		if err != nil {
			return answer{}, err
		}
		accept = func(owner []byte) bool { return e.matches(gjson.ParseBytes(owner)) }
	}
	p, err := o.openPage(c, "owners:"+g.id, pageMembers, pageMembers)
	if err != nil {
		return answer{}, err
	}
	owners := o.ownersOf(g)
	for i := p.start; i < len(owners); i++ {
		if !accept(owners[i]) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = append(p.buf, owners[i]...)
	}
	return p.answer(), nil
}
