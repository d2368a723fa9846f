package programs

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"
)

// Plan returns the first seed, how many programs to run, and until when to run more. It prints the seed. If the environment
// variable PROGRAMS_SEED is set, it is the seed of the only program. PROGRAMS_TIME is how long to run more programs. If
// fixed is not 0, it is the first seed.
func Plan(out io.Writer, usual int, fixed uint64) (seed uint64, count int, until time.Time) {
	if n, err := strconv.ParseUint(os.Getenv("PROGRAMS_SEED"), 10, 64); err == nil {
		return n, 1, time.Time{}
	}
	if seed = fixed; seed == 0 {
		seed = rand.Uint64() >> 16
	}
	_, _ = fmt.Fprintf(out, "the first program is PROGRAMS_SEED=%d\n", seed)
	if d, err := time.ParseDuration(os.Getenv("PROGRAMS_TIME")); err == nil {
		until = time.Now().Add(d)
	}
	return seed, usual, until
}
