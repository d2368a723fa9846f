package budget

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
)

// Default returns the ceiling of this process: half of GOMEMLIMIT, of the container's memory limit or of the machine's
// memory, whichever is the smallest. The other half is for everything else, and for garbage.
var Default = sync.OnceValue(func() *Process {
	return NewProcess(share(debug.SetMemoryLimit(-1), fileNumber("/sys/fs/cgroup/memory.max"), machine()))
})

// unknownMemory is what share assumes where no limit is known, in bytes.
const unknownMemory = 4 << 30

// share returns half of the smallest limit. Limits that are 0 or math.MaxInt64 are unknown.
func share(limits ...int64) int64 {
	least := int64(math.MaxInt64)
	for _, n := range limits {
		if n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		least = unknownMemory
	}
	return least / 2
}

// machine returns the machine's memory in bytes, 0 if it is unknown.
func machine() int64 {
	b, _ := os.ReadFile("/proc/meminfo") // missing on other systems than Linux
	_, after, _ := strings.Cut(string(b), "MemTotal:")
	text, _, _ := strings.Cut(after, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n << 10
}

// fileNumber returns the number in a file, 0 if there is none.
func fileNumber(path string) int64 {
	b, _ := os.ReadFile(path)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}
