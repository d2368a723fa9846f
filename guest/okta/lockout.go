package okta

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/mach5/okta-connector/guest/jsonval"
)

// merged returns the spans of a list of addresses. Spans that overlap or adjoin become one.
func merged(list jsonval.Value) (all []span) {
	for e := range list.Elements() {
		s, _, ok := parseSpan(e.Get("value").Str())
		if !ok {
			continue
		}
		all = slices.DeleteFunc(all, func(t span) bool {
			joins := s.first.size == t.first.size && s.reaches(t) && t.reaches(s)
			if joins && t.first.compare(s.first) < 0 {
				s.first = t.first
			}
			if joins && t.last.compare(s.last) > 0 {
				s.last = t.last
			}
			return joins
		})
		all = append(all, s)
	}
	return all
}

// reaches reports whether no address is between the end of s and the start of t.
func (s span) reaches(t span) bool {
	next, ok := s.last.plus(0)
	return !ok || t.first.compare(next) <= 0
}

// network is the exponent of the number of addresses of the largest network: a /8, or an IPv6 /12.
func network(size int) int {
	if size == 128 {
		return 116
	}
	return 24
}

// tooWide names the spans of IPv4, or of IPv6, for which a BLOCKLIST zone is too wide. all is merged. The zone is too wide
// if one span has more addresses than a /8 (IPv6: /12), or if all together have more than a /8 and a /16 (IPv6: a /12
// and a /20). had is what already counts: a zone that adds nothing to it may be wide.
func tooWide(all, had []span) (names string, is bool) {
	for _, size := range [...]int{32, 128} {
		most, _ := address{size: 128}.plus(network(size))
		most, _ = most.plus(network(size) - 8)
		total, ranges, adds, wide := address{size: 128}, 0, false, false
		for _, s := range all {
			if s.first.size != size {
				continue
			}
			if total = total.plusSizeOf(s); !wide {
				names = s.String()
			}
			ranges++
			wide = wide || s.wide()
			adds = adds || !slices.ContainsFunc(had, func(h span) bool { return h.contains(s) })
		}
		if adds && (wide || total.compare(most) > 0) {
			if ranges > 1 {
				names += " (one of " + strconv.Itoa(ranges) + " ranges)"
			}
			return names, true
		}
	}
	return "", false
}

// plusSizeOf returns a and the number of addresses of s.
func (a address) plusSizeOf(s span) address {
	lo, borrow := bits.Sub64(s.last.lo, s.first.lo, 0)
	hi, _ := bits.Sub64(s.last.hi, s.first.hi, borrow)
	lo, carry := bits.Add64(a.lo, lo, 1) // 1, because the last address counts too
	hi, _ = bits.Add64(a.hi, hi, carry)
	return address{hi, lo, a.size}
}
