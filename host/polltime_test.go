package host

import (
	"testing"
	"time"
)

func TestPollTime_OfAnyNumber_DoesNotOverflow(t *testing.T) {
	for ms, want := range map[int64]time.Duration{0: 0, 1500: 1500 * time.Millisecond, -1: 0, 1 << 62: 24 * time.Hour, 9_223_372_036_855: 24 * time.Hour, -1 << 63: 0} {
		if got := pollTime(ms); got != want {
			t.Errorf("%d: %v, want %v", ms, got, want)
		}
	}
}
