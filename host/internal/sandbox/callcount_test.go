package sandbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCallCount_SharedByBubbles_Counts(t *testing.T) {
	var c callCount
	c.add() // outside every bubble
	synctest.Test(t, func(t *testing.T) {
		c.add()
		c.done()
	})
	c.done()
	c.wait(t.Context())
}

func TestCallCount_Wait_EndsWithTheLastCallOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c callCount
		c.add()
		c.add()
		go func() {
			c.done()
			time.Sleep(time.Minute)
			c.done()
		}()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if c.wait(ctx); !errors.Is(ctx.Err(), context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("waited %s, %v", time.Since(began), ctx.Err())
		}
		if c.wait(t.Context()); time.Since(began) != time.Minute {
			t.Errorf("waited %s for the last call", time.Since(began))
		}
	})
}
