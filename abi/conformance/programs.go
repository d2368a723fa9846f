package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/programs"
)

// ProgramOptions configure Programs.
type ProgramOptions struct {
	// Count is how many programs to run. The environment variable PROGRAMS_TIME, a duration, adds as many as fit into it.
	// PROGRAMS_SEED runs one program, that of the seed.
	Count int
	// After is called after each call, when the host must hold nothing for it. It may be nil.
	After  func() error
	Report io.Writer
}

// Programs runs random modules on the host. Each calls imports with random arguments, in random order, and tries to show what
// it finds. A model knows what must hold: which requests may be sent, the limits, that nothing of another call and no token
// appears, and that calls end. An error names the seed with which PROGRAMS_SEED repeats the program.
func Programs(ctx context.Context, h Host, o ProgramOptions) error {
	log := o.Report
	if log == nil {
		log = io.Discard
	}
	seed, count, until := programs.Plan(log, o.Count, 0)
	report := programs.Report{Outcomes: map[abi.Outcome]int{}}
	var failed []error
	for n := uint64(0); int(n) < count || time.Now().Before(until); n++ {
		if err := programs.Run(ctx, h, seed+n, &report, o.After); err != nil {
			failed = append(failed, fmt.Errorf("PROGRAMS_SEED=%d: %w", seed+n, err))
		}
	}
	var ended []string
	for outcome, n := range report.Outcomes {
		ended = append(ended, fmt.Sprintf("%d %s", n, outcome))
	}
	slices.Sort(ended)
	_, _ = fmt.Fprintf(log, "programs     %d random programs, %d calls, %d requests: the model held in %d; outcomes: %s; longest overrun of a deadline %d ms\n", report.Programs, report.Calls,
		report.Requests, report.Programs-len(failed), strings.Join(ended, ", "), report.Overrun.Milliseconds())
	return errors.Join(failed...)
}
