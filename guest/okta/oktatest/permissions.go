package oktatest

import (
	"net/http"
	"strings"
)

var errForbidden = &apiError{http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action", nil}

// denials are the endpoints that refuse the token, by pattern without names.
type denials struct{ forbidden, unavailable map[string]bool }

// deny applies Config.Forbid and Config.Unavailable once the endpoints are known.
func (o *Org) deny(endpoints []endpoint) {
	known := map[string]bool{}
	for _, e := range endpoints {
		known[anonymous(e.pattern)] = true
	}
	read := func(field string, patterns []string) map[string]bool {
		denied := map[string]bool{}
		for _, p := range patterns {
			p = anonymous(strings.TrimSpace(p))
			if !known[p] {
				panic("oktatest: Config." + field + " names " + p + ", which the org does not have")
			}
			denied[p] = true
		}
		return denied
	}
	o.denials = denials{read("Forbid", o.cfg.Forbid), read("Unavailable", o.cfg.Unavailable)}
}

func (d *denials) forbids(e *endpoint) bool {
	return len(d.forbidden) > 0 && d.forbidden[anonymous(e.pattern)]
}

func (d *denials) lacks(e *endpoint) bool {
	return len(d.unavailable) > 0 && d.unavailable[anonymous(e.pattern)]
}
