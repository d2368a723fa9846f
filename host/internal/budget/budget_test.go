package budget

import (
	"errors"
	"math"
	"sync"
	"testing"
)

func TestCall_OverALimit_CountsNothing(t *testing.T) {
	p := NewProcess(100)
	a, b := p.Call(60), p.Call(60)
	if err := errors.Join(a.Take(60), b.Take(40)); err != nil {
		t.Fatal(err)
	}
	if err := a.Take(1); !errors.As(err, new(CallError)) {
		t.Errorf("over the call's limit: %v", err)
	}
	if err := b.Take(1); !errors.As(err, new(ProcessError)) {
		t.Errorf("over the process's limit: %v", err)
	}
	if a.Held() != 60 || b.Held() != 40 || p.Held() != 100 {
		t.Errorf("held %d, %d, %d", a.Held(), b.Held(), p.Held())
	}
	a.Give(10)
	if err := b.Take(10); err != nil {
		t.Error(err)
	}
	a.End()
	a.Give(50) // after End
	if err := a.Take(5); err != nil || p.Held() != 50 {
		t.Errorf("%v, held %d", err, p.Held())
	}
	b.End()
	b.End()
	if p.Held() != 0 {
		t.Errorf("held %d", p.Held())
	}
	var none *Call
	if err := none.Take(math.MaxInt64); err != nil {
		t.Error(err)
	}
	none.Give(1)
	none.End()
}

func TestLoan_Returned_LeavesNothing(t *testing.T) {
	p := NewProcess(100)
	c := p.Call(100)
	l := c.Loan()
	_ = l.Take(30)
	_ = l.Take(30)
	l.Give(10)
	if l.Take(60) == nil || c.Held() != 50 {
		t.Errorf("held %d", c.Held())
	}
	l.Return()
	l.Return()
	_ = l.Take(20)
	l.Keep()
	l.Return()
	if c.Held() != 20 {
		t.Errorf("held %d", c.Held())
	}
}

// Run under -race.
func TestProcess_OfManyCalls_NeverExceedsItsLimit(t *testing.T) {
	p := NewProcess(1000)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				c := p.Call(500)
				_ = c.Take(int64(i % 400))
				if p.Held() > 1000+8*400 { // a Take that fails counts for a moment
					t.Error(p.Held())
				}
				c.End()
			}
		})
	}
	wg.Wait()
	if p.Held() != 0 {
		t.Errorf("held %d", p.Held())
	}
}

func TestShare_OfLimits_IsHalfOfTheSmallest(t *testing.T) {
	for want, limits := range map[int64][]int64{
		50: {math.MaxInt64, 100, 200}, 100: {200, 0, 300}, unknownMemory / 2: {math.MaxInt64, 0, 0},
	} {
		if got := share(limits...); got != want {
			t.Errorf("%v: %d, want %d", limits, got, want)
		}
	}
	if n := Default().Most(); n < 1<<20 {
		t.Errorf("the default is %d bytes", n)
	}
}
