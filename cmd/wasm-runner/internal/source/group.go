package source

import (
	"context"
	"slices"
	"sync"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
)

// member is a connection that is drained.
type member struct {
	conn  *host.Connection
	drain *ingest.Drain
	close func() // closes its files; the connection stays open

	stop context.CancelFunc // ends the drain after its page
	done chan struct{}      // closed when the drain has ended
	err  error              // why it ended; read it after done
	gone bool               // it left the group before the run ended
}

// group is the set of drains of a run. Connections join and leave it while it runs, when the connection file is read again. It
// is safe for concurrent use.
type group struct {
	run func(context.Context, *member) error // drains a member until it ends

	mu      sync.Mutex
	members []*member
	busy    int           // members that run, and others that hold the group
	idle    chan struct{} // closed when the last hold is released
}

// newGroup returns a group that its caller holds, until it has started the members and calls release.
func newGroup() *group { return &group{busy: 1, idle: make(chan struct{})} }

// all returns the members in the order in which they joined, with those that have left.
func (g *group) all() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.members)
}

// present returns the members that have not left.
func (g *group) present() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(g.members), func(m *member) bool { return m.gone })
}

// drains returns the drains of the members that have not left.
func (g *group) drains() (all []*ingest.Drain) {
	for _, m := range g.present() {
		all = append(all, m.drain)
	}
	return all
}

// add appends a member. It runs when start is called.
func (g *group) add(m *member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, m)
}

// start runs a member in the background. The caller holds the group.
func (g *group) start(ctx context.Context, m *member) {
	ctx, m.stop = context.WithCancel(ctx)
	m.done = make(chan struct{})
	_ = g.hold() // the caller holds it
	go func() {
		defer g.release()
		defer close(m.done)
		m.err = g.run(ctx, m)
	}()
}

// hold keeps wait from returning until release is called. It returns false if the group has ended: then it holds nothing.
func (g *group) hold() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy == 0 {
		return false
	}
	g.busy++
	return true
}

// release ends one hold. The last one ends the group.
func (g *group) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy--; g.busy == 0 {
		close(g.idle)
	}
}

// wait returns when no member runs any more and every hold is released.
func (g *group) wait() { <-g.idle }

// remove ends a member after its page, and closes its files and its connection.
func (g *group) remove(ctx context.Context, m *member) {
	m.stop()
	<-m.done
	m.close()
	_ = m.conn.Close(ctx) // nothing is left to write
	g.mu.Lock()
	defer g.mu.Unlock()
	m.gone = true
}

// close closes the files and the connections of all members.
func (g *group) close(ctx context.Context) {
	for _, m := range g.present() {
		m.close()
		_ = m.conn.Close(ctx) // nothing is left to write
	}
}
