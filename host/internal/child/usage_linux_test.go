package child

import (
	"os"
	"testing"
	"time"
)

func TestUsage_OfThisProcess_IsMeasured(t *testing.T) {
	gauge := NewMemoryGauge(os.Getpid())
	defer gauge.Close()
	if gauge.Base() <= 0 || gauge.Used() <= 0 {
		t.Errorf("it uses %d bytes, and used %d at the beginning", gauge.Used(), gauge.Base())
	}
	for {
		used, ok := TimeUsed(os.Getpid())
		if !ok {
			t.Fatal("the time is not known")
		}
		if used >= 100*time.Millisecond {
			return
		}
	}
}

func TestUsage_OfNoProcess_IsUnknown(t *testing.T) {
	if used, ok := TimeUsed(-1); ok || used != 0 {
		t.Errorf("found %v, %v", used, ok)
	}
	if used := NewMemoryGauge(-1).Used(); used != 0 {
		t.Errorf("found %d bytes", used)
	}
}
