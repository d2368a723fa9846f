package attack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/figures"
)

// counted is our host with a ceiling of its own for the memory of its calls.
type counted struct{ memory *host.ProcessMemory }

func (c counted) Load(ctx context.Context, wasm []byte) (conformance.Module, error) {
	m, err := host.Load(ctx, wasm, host.LoadOptions{ProcessMemory: c.memory, NoCache: true})
	if err != nil {
		return nil, err
	}
	return module{m}, nil
}

// TestPrograms_OfRandomImports_KeepTheModel runs random modules. PROGRAMS_SEED repeats one, and PROGRAMS_TIME sets a duration.
func TestPrograms_OfRandomImports_KeepTheModel(t *testing.T) {
	count := 40
	if testing.Short() {
		count = 8
	}
	memory := host.NewProcessMemory(64 << 20)
	var peak int64
	stop := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				peak = max(peak, memory.Held())
			}
		}
	}()
	var text bytes.Buffer
	err := conformance.Programs(t.Context(), counted{memory}, conformance.ProgramOptions{Count: count, Report: &text, After: func() error {
		if held := memory.Held(); held != 0 {
			return fmt.Errorf("after the call, %d bytes are counted as held", held)
		}
		return nil
	}})
	close(stop)
	<-watched
	if err != nil {
		t.Errorf("%s%v", &text, err)
	}
	fmt.Fprintf(&text, "             most memory counted for a call: %d KiB\n", peak>>10)
	if os.Getenv("PROGRAMS_SEED") == "" {
		figures.Keep(t, "programs", strings.TrimRight(text.String(), "\n"))
	}
}
