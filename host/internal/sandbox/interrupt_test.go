package sandbox

import (
	"context"
	"runtime"
	"testing"
)

// The guest must not be touched after stop returns, even if the context ends at that moment: the next user would race
// with it. Run under -race.
func TestInterruptAt_AfterStop_LeavesTheGuestAlone(t *testing.T) {
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
			t.Fatalf("interrupted: %v, but stop returned %v", set, alone)
		}
		if !alone {
			ended++
		}
		in.interrupt.Set(0)
		cancel()
	}
	t.Logf("%d of 2000 contexts ended first", ended)
}
