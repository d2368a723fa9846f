package sandbox

import (
	"context"
	"sync"
)

// callCount counts running calls. A sync.WaitGroup belongs to one synctest bubble, but tests share a module between bubbles.
// The zero value counts none. It is safe for concurrent use.
type callCount struct {
	mu    sync.Mutex
	calls int
	none  chan struct{} // closed by the call that ends last; nil until wait needs it
}

// add counts a call that starts.
func (c *callCount) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
}

// done counts a call that ends.
func (c *callCount) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls--; c.calls == 0 && c.none != nil {
		close(c.none)
		c.none = nil
	}
}

// wait waits until no call is running or ctx ends.
func (c *callCount) wait(ctx context.Context) {
	c.mu.Lock()
	if c.calls == 0 {
		c.mu.Unlock()
		return
	}
	if c.none == nil {
		c.none = make(chan struct{})
	}
	none := c.none
	c.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}
