package oktatest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

var filterGroups = dialect{
	operators: "eq",
	ranges:    "lastUpdated lastMembershipUpdated",
	known: func(attribute string) bool {
		return slices.Contains(strings.Fields("id type lastUpdated lastMembershipUpdated"), attribute)
	},
	refuse: invalidSearch,
}

var searchGroups = dialect{
	operators: "eq sw co gt ge lt le pr",
	contains:  "profile.name profile.description",
	known: func(attribute string) bool {
		return strings.HasPrefix(attribute, "profile.") || slices.Contains(strings.Fields(`id type created lastUpdated
			lastMembershipUpdated source.id`), attribute)
	},
	refuse: invalidSearch,
}

// pageQuickGroups is the maximum number of groups for q, in one page.
const pageQuickGroups = 300

// indexedGroup is a group as a query sees it.
type indexedGroup struct {
	*group
	state *groupState
}

func listGroups(o *Org, c *call) (answer, error) {
	query := c.URL.Query()
	search, filter, q := query.Get("search"), query.Get("filter"), strings.ToLower(query.Get("q"))
	if search != "" && filter != "" {
		return answer{}, errSearchFilter
	}
	language, text := filterGroups, filter
	if search != "" {
		language, text = searchGroups, search
	}
	groups := o.groupsKnown(c, search != "")
	if text != "" {
		e, err := language.parse(text)
		if err != nil {
			return answer{}, err
		}
		groups = slices.DeleteFunc(groups, func(g indexedGroup) bool { return !e.matches(g.object()) })
	}
	if q != "" {
		groups = slices.DeleteFunc(groups, func(g indexedGroup) bool { return !strings.HasPrefix(strings.ToLower(g.state.name()), q) })
	}
	sorted := search != "" && query.Get("sortBy") != ""
	if sorted {
		if err := sortGroups(groups, query.Get("sortBy"), query.Get("sortOrder")); err != nil {
			return answer{}, err
		}
	}
	p, err := o.openGroups(c, q != "")
	if err != nil {
		return answer{}, err
	}
	stats := slices.Contains(strings.Split(query.Get("expand"), ","), "stats")
	for i, g := range groups {
		position := g.seq
		if sorted {
			position = i
		}
		if position < p.start {
			continue
		}
		if p.full() {
			if q == "" {
				p.more(o, c, position)
			}
			break
		}
		var embedded []byte
		if stats {
			embedded = o.groupStats(g.group)
		}
		p.element()
		p.buf = appendGroupState(p.buf, g.group, g.state, c.origin, embedded)
	}
	return p.answer(), nil
}

// openGroups starts a page of groups. The page of q is the only one, without links.
func (o *Org) openGroups(c *call, quick bool) (*page, error) {
	if !quick {
		return o.openPage(c, "groups", pageGroups, pageGroups)
	}
	limit, err := c.limit(c.URL.Query(), pageQuickGroups, o.cfg.pageLimit(pageQuickGroups))
	return &page{limit: limit, buf: []byte{'['}}, err
}

// groupsKnown returns the groups that a query searches, in a new slice: the present ones, or those of search, which is
// Config.SearchDelay behind.
func (o *Org) groupsKnown(c *call, search bool) []indexedGroup {
	known := make([]indexedGroup, 0, len(o.groups.all))
	if !search || o.cfg.SearchDelay == 0 {
		for _, g := range o.groups.all {
			known = append(known, indexedGroup{g, &g.groupState})
		}
		return known
	}
	moment := millisOf(c.now.Add(-o.cfg.SearchDelay))
	for _, g := range slices.Concat(o.groups.all, o.groups.gone) {
		if state := g.indexed(moment); state != nil {
			known = append(known, indexedGroup{g, state})
		}
	}
	slices.SortFunc(known, func(a, b indexedGroup) int { return cmp.Compare(a.seq, b.seq) })
	return known
}

func (g indexedGroup) object() gjson.Result {
	return gjson.ParseBytes(appendGroupState(nil, g.group, g.state, "", nil))
}

// sortGroups sorts in place, equal groups by id.
func sortGroups(groups []indexedGroup, by, order string) error {
	order = strings.ToLower(cmp.Or(order, "asc"))
	if !searchGroups.known(by) {
		return invalidSearch("sortBy " + by + " is not supported")
	}
	if order != "asc" && order != "desc" {
		return invalid("sortOrder", "'sortOrder' must be asc or desc.")
	}
	values := map[string]string{}
	for _, g := range groups {
		values[g.id] = strings.ToLower(g.object().Get(by).String())
	}
	slices.SortFunc(groups, func(a, b indexedGroup) int {
		order := cmp.Compare(values[a.id], values[b.id]) * map[string]int{"asc": 1, "desc": -1}[order]
		return cmp.Or(order, cmp.Compare(a.id, b.id))
	})
	return nil
}
