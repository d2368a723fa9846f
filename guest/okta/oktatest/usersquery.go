package oktatest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

var filterUsers = dialect{
	operators: "eq",
	ranges:    "lastUpdated",
	exact:     true,
	known: func(attribute string) bool {
		return slices.Contains(strings.Fields(`id status lastUpdated profile.login profile.email profile.firstName
			profile.lastName`), attribute)
	},
	refuse: invalidSearch,
}

var searchUsers = dialect{
	operators: "eq sw co gt ge lt le pr",
	contains:  "profile.firstName profile.lastName profile.email profile.login",
	known: func(attribute string) bool {
		return strings.HasPrefix(attribute, "profile.") || slices.Contains(strings.Fields(`id status created activated
			statusChanged lastUpdated lastLogin passwordChanged type.id credentials.provider.type credentials.provider.name`), attribute)
	},
	refuse: invalidSearch,
}

func listUsers(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	search, filter, q := query.Get("search"), query.Get("filter"), query.Get("q")
	switch {
	case search != "" && filter != "":
		return answer{}, errSearchFilter
	case search != "":
		return searchDirectory(o, c, search)
	case filter != "":
		e, err := filterUsers.parse(filter)
		if err != nil {
			return answer{}, err
		}
		return listDirectory(o, c, func(u *user) bool {
			return e.matches(gjson.ParseBytes(append(o.appendUserFields(nil, u, &u.live), '}')))
		})
	case q != "":
		return quickDirectory(o, c, q)
	}
	return listDirectory(o, c, func(u *user) bool { return u.live.status != deprovisioned })
}

// listDirectory lists users in the order of their creation.
func listDirectory(o *Org, c *call, accept func(*user) bool) (answer, error) {
	p, err := o.openPage(c, "users", pageUsers, pageUsers)
	if err != nil {
		return answer{}, err
	}
	for i := p.start; i < len(o.users.all); i++ {
		u := o.users.all[i]
		if !u.live.exists || !accept(u) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendUser(p.buf, u, &u.live, c.origin, selfLink)
	}
	return p.answer(), nil
}

// quickDirectory answers q: users whose first name, last name or e-mail start with it, in one page.
func quickDirectory(o *Org, c *call, q string) (answer, error) {
	limit, err := c.limit(c.URL.Query(), 10, o.cfg.pageLimit(pageUsers))
	if err != nil {
		return answer{}, err
	}
	p := &page{limit: limit, buf: []byte{'['}}
	q = strings.ToLower(q)
	for _, u := range o.users.all {
		if !u.live.exists || u.live.status == deprovisioned {
			continue
		}
		profile := o.profileOf(&u.live)
		if !slices.ContainsFunc([]string{"firstName", "lastName", "email"}, func(name string) bool {
			return strings.HasPrefix(strings.ToLower(profile.Get(name).Str), q)
		}) {
			continue
		}
		p.element()
		p.buf = o.appendUser(p.buf, u, &u.live, c.origin, selfLink)
		if p.full() {
			break
		}
	}
	return p.answer(), nil
}

// indexedUser is a user as search sees it.
type indexedUser struct {
	*user
	state *userState
}

// sortedSearch caches the order of the last sorted search, so that paging sorts only once.
type sortedSearch struct {
	key     string
	version int
	users   []indexedUser
}

// searchDirectory answers search from an index that is Config.SearchDelay behind.
func searchDirectory(o *Org, c *call, search string) (answer, error) {
	e, err := searchUsers.parse(search)
	if err != nil {
		return answer{}, err
	}
	p, err := o.openPage(c, "users", pageUsers, pageUsers)
	if err != nil {
		return answer{}, err
	}
	moment := millisOf(c.now.Add(-o.cfg.SearchDelay))
	if p.query.Get("sortBy") != "" {
		sorted, err := o.sortUsers(p, e, search, moment)
		if err != nil {
			return answer{}, err
		}
		for i := p.start; i < len(sorted); i++ {
			if p.full() {
				p.more(o, c, i)
				break
			}
			p.element()
			p.buf = o.appendUser(p.buf, sorted[i].user, sorted[i].state, c.origin, selfLink)
		}
		return p.answer(), nil
	}
	var scratch []byte
	for i := p.start; i < len(o.users.all); i++ {
		u := o.users.all[i]
		state := u.indexed(moment)
		if state == nil {
			continue
		}
		scratch = append(o.appendUserFields(scratch[:0], u, state), '}')
		if !e.matches(gjson.ParseBytes(scratch)) {
			continue
		}
		if p.full() {
			p.more(o, c, i)
			break
		}
		p.element()
		p.buf = o.appendUser(p.buf, u, state, c.origin, selfLink)
	}
	return p.answer(), nil
}

// sortUsers returns all users that e finds, in the order that p asks for.
func (o *Org) sortUsers(p *page, e *expression, search string, moment millis) ([]indexedUser, error) {
	by, order := p.query.Get("sortBy"), strings.ToLower(cmp.Or(p.query.Get("sortOrder"), "asc"))
	if !searchUsers.known(by) {
		return nil, invalidSearch("sortBy " + by + " is not supported")
	}
	if order != "asc" && order != "desc" {
		return nil, invalid("sortOrder", "'sortOrder' must be asc or desc.")
	}
	key := search + "\x00" + by + "\x00" + order
	if found := o.cachedSort(key); found != nil {
		return found, nil
	}
	type keyed struct {
		indexedUser
		value string
	}
	var found []keyed
	for _, u := range o.users.all {
		state := u.indexed(moment)
		if state == nil {
			continue
		}
		object := gjson.ParseBytes(append(o.appendUserFields(nil, u, state), '}'))
		if e.matches(object) {
			found = append(found, keyed{indexedUser{u, state}, strings.ToLower(object.Get(by).String())})
		}
	}
	slices.SortFunc(found, func(a, b keyed) int {
		byValue := cmp.Compare(a.value, b.value)
		if order == "desc" {
			byValue = -byValue
		}
		return cmp.Or(byValue, cmp.Compare(a.id, b.id))
	})
	users := make([]indexedUser, len(found))
	for i := range found {
		users[i] = found[i].indexedUser
	}
	o.cacheSort(key, users)
	return users, nil
}

// A sorted search is cached until something changes. With SearchDelay it also changes by time, so it is not cached.

func (o *Org) cachedSort(key string) []indexedUser {
	o.sortedMu.Lock()
	defer o.sortedMu.Unlock()
	if s := o.sorted; s.key == key && s.version == o.users.version && o.cfg.SearchDelay == 0 {
		return s.users
	}
	return nil
}

func (o *Org) cacheSort(key string, users []indexedUser) {
	o.sortedMu.Lock()
	defer o.sortedMu.Unlock()
	o.sorted = sortedSearch{key: key, version: o.users.version, users: users}
}
