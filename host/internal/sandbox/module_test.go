package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// Closing a module must end its calls, whatever their deadline is.
func TestModuleClose_WhileACallSpins_InterruptsIt(t *testing.T) {
	m := compile(t)
	p := m.NewPool(PoolOptions{Memory: 64 << 20, Concurrency: 1, Logger: slog.New(slog.DiscardHandler)})
	ended := make(chan error, 2)
	for _, do := range []string{"spin", "spin"} { // the second waits for the slot of the first
		go func() {
			_, err := p.Run(context.Background(), "a call", "invoke", []byte(`{"input":{"do":"`+do+`"}}`))
			ended <- err
		}()
	}
	for len(p.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := m.Close(context.Background()); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("found %v, want ErrClosed", err)
		}
	}
	p.Close(context.Background())
	if _, err := p.Run(context.Background(), "a call", "invoke", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: found %v, want ErrClosed", err)
	}
}

// A host function that ignores its context must not delay Close.
func TestModuleClose_WhenItsContextEnds_WaitsNoLonger(t *testing.T) {
	m := compile(t)
	_, end, err := m.begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
	end()
}
