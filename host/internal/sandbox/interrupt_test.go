package sandbox

import (
	"context"
	"runtime"
	"testing"
)

// TestTheWatchOfACallEndsWithIt: when the context ends just as a call does, the guest is not touched after the watch was
// stopped: the next to use or close it would do so at the same time. Run under -race.
func TestTheWatchOfACallEndsWithIt(t *testing.T) {
	m := compile(t)
	in, err := m.newInstance(context.Background(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close(m.log)
	ended := 0
	for range 2000 {
		ctx, cancel := context.WithCancel(context.Background())
		stop := in.interruptAt(ctx)
		go cancel()
		runtime.Gosched()
		alone := stop()
		if set := in.interrupt.Get() != 0; set == alone {
			t.Fatalf("interrupted: %v, left alone: %v", set, alone)
		}
		if !alone {
			ended++
		}
		in.interrupt.Set(0)
		cancel()
	}
	t.Logf("%d of 2000 contexts ended first", ended)
}
