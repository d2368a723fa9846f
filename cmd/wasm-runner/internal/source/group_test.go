package source

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
)

// TestGroup_HeldAtAnyMoment_EndsOnceAfterItsMembers holds and releases a group from many goroutines, as SIGHUP does, before its
// members start, while they run, and after they have ended.
func TestGroup_HeldAtAnyMoment_EndsOnceAfterItsMembers(t *testing.T) {
	for range 200 {
		g := newGroup()
		var ran atomic.Int32
		g.run = func(context.Context, *member) error { ran.Add(1); return nil }
		var hangups sync.WaitGroup
		for range 4 {
			hangups.Go(func() {
				for range 20 {
					if g.hold() {
						g.release()
					}
				}
			})
		}
		for range 3 {
			m := &member{}
			g.add(m)
			g.start(t.Context(), m)
		}
		g.release()
		g.wait()
		if n := ran.Load(); n != 3 {
			t.Fatalf("the group ended after %d of 3 members", n)
		}
		hangups.Wait()
		if g.hold() {
			t.Fatal("a group that has ended can be held")
		}
	}
}

// TestGroup_WithANewMember_WaitsForIt adds a member while the last other one ends.
func TestGroup_WithANewMember_WaitsForIt(t *testing.T) {
	for range 200 {
		g := newGroup()
		var ran atomic.Int32
		g.run = func(context.Context, *member) error { ran.Add(1); return nil }
		first := &member{}
		g.add(first)
		g.start(t.Context(), first)
		added := make(chan bool)
		go func() {
			held := g.hold()
			if held {
				g.start(t.Context(), &member{})
				g.release()
			}
			added <- held
		}()
		g.release()
		g.wait()
		if want := int32(1); <-added {
			if want = 2; ran.Load() != want {
				t.Fatalf("the group ended after %d of %d members", ran.Load(), want)
			}
		}
	}
}
