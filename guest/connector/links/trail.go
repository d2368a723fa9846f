package links

import (
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/guest/connector/texts"
)

// Trail is a cursor's memory of the links that a walk followed, to detect a circle of links. It has fingerprints of the
// last TrailLength links, which find a short circle at its first repeat. It also has one older link, which finds a
// circle of any length. That link moves on after 1, 2, 4, 8 and so on steps (Brent's algorithm). It is text of at most
// 300 bytes: power.steps.old.recent.recent…
type Trail string

// TrailLength is the longest circle that is found at its first repeat.
const TrailLength = 16

// Step follows a link to a page. again reports whether the walk was at that page before, with any page size.
func (t Trail) Step(link string, size PageParam) (next Trail, again bool) {
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(size.With(link, 0)) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	mark := strconv.FormatUint(h, 36)
	parts := strings.Split(string(t), ".")
	if len(parts) < 3 {
		return Trail("1.0." + mark + "." + mark), false
	}
	power, steps, old, recent := atoi(parts[0]), atoi(parts[1])+1, parts[2], parts[3:]
	for _, seen := range append(recent, old) {
		if seen == mark {
			return t, true
		}
	}
	if steps >= power {
		power, steps, old = 2*power, 0, mark
	}
	if recent = append(recent[:len(recent):len(recent)], mark); len(recent) > TrailLength {
		recent = recent[len(recent)-TrailLength:]
	}
	return Trail(strconv.Itoa(power) + "." + strconv.Itoa(steps) + "." + old + "." + strings.Join(recent, ".")), false
}

// atoi parses a number of a trail. Its result is bounded for any text.
func atoi(s string) int {
	n, ok := texts.WholeNumber(s)
	if !ok || n > 1<<40 {
		return 1 << 40
	}
	return int(n)
}
