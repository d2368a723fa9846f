package links

import (
	"fmt"
	"testing"
)

func TestTrail_CircleOfAnyLength_IsFoundSoon(t *testing.T) {
	for tail := range 40 {
		for _, length := range []int{1, 2, 3, 15, 16, 17, 30, 100, 333} {
			var at Trail
			again, steps := false, 0
			for ; !again && steps < 5000; steps++ {
				page := steps
				if page >= tail {
					page = tail + (steps-tail)%length
				}
				if at, again = at.Step(fmt.Sprintf("/api/v1/users?after=%d&limit=%d", page, 200>>(steps%3)), "limit"); len(at) > 300 {
					t.Fatalf("the trail has %d bytes", len(at))
				}
			}
			most := tail + length + 1 // the first repeat
			if length > TrailLength {
				most = 4 * (tail + length)
			}
			if !again || steps > most {
				t.Errorf("circle of %d links after %d: found %v after %d links, want at most %d", length, tail, again, steps, most)
			}
		}
	}
}

func TestTrail_LinksThatDiffer_AreNoCircle(t *testing.T) {
	var at Trail
	for i := range 20_000 {
		var again bool
		if at, again = at.Step(fmt.Sprintf("/api/v1/logs?after=%d_1&limit=1000", i), "limit"); again {
			t.Fatalf("found a circle after %d links", i)
		}
	}
}

func FuzzTrail(f *testing.F) {
	f.Add("1.0.a.a.b", "/x?after=1")
	f.Add("9223372036854775807.-1..", "")
	f.Fuzz(func(t *testing.T, text, link string) {
		next, again := Trail(text).Step(link, "limit")
		if !again && len(next) > len(text)+64 {
			t.Fatalf("%q grew to %q", text, next)
		}
		if _, back := next.Step(link, "limit"); !again && !back {
			t.Fatalf("%q does not recognise the link that it just followed", next)
		}
	})
}
