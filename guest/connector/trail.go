package connector

import (
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
)

// Trail is what a cursor remembers of the links that a walk followed, so that one that leads in a circle ends: the
// fingerprints of the last trailLength links, which find a short circle at its first repeat; and one older link, which moves
// on after 1, 2, 4, 8 and so on steps (Brent's algorithm) and finds a circle of any length. It is text of at most 300 bytes:
// power.steps.old.recent.recent…
type Trail string

// TrailLength is the length of the circles that are found at once.
const TrailLength = 16

// Step follows a link to a page. again says that the walk was at that page before, whatever its size.
func (t Trail) Step(link string, size pageParam) (next Trail, again bool) {
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

// atoi is the number in a trail, within bounds whatever a stranger wrote.
func atoi(s string) int {
	n, ok := WholeNumber(s)
	if !ok || n > 1<<40 {
		return 1 << 40
	}
	return int(n)
}

// inCircle is the end of a walk whose next link leads back.
func (c *Call) inCircle() Result {
	return Fail(abi.Rejected, "circle", "the next link leads back to a page that was read before, in a circle: the rest of the list cannot be reached. "+
		"Begin again without the cursor. If it ends so again, report it to "+c.Service.Name)
}
