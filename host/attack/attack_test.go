package attack

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/figures"
	"github.com/mach5/okta-connector/internal/openapi/orgs"
)

// hostCommand is the command of another host to attack, see conformance.Start.
var hostCommand = flag.String("host", "", "a program that serves the host under attack over its standard input and output")

// serve makes this program such a process, with our host.
var serve = flag.Bool("serve", false, "serve our host over standard input and output, see conformance.Serve")

// own returns the attacks on features that only this host has.
func own() []conformance.Attack {
	return slices.Concat(files(), loading(), sinks(), acting(), ceilings(), plansOf(), auditing(), oracles(), masks(), oauthAttacks(), statements(), confined())
}

// allAttacks returns the kit's attacks and our own.
func allAttacks() []conformance.Attack { return append(conformance.Attacks(), own()...) }

// TestAttack_EveryAttack_IsContained makes every attack on our host twice. The second time must leave nothing behind.
func TestAttack_EveryAttack_IsContained(t *testing.T) {
	before := count()
	var table bytes.Buffer
	used := watchMemory()
	conformance.Run(t, ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), More: own(), Report: &table})
	counted, heap := used()
	fmt.Fprintf(&table, "memory       at most %d MiB counted for calls at once, with limits of up to %d MiB; the heap grew by at most %d MiB\n", counted>>20, kitMemory.Most()>>20, heap>>20)
	first := settled(t, func(now counts) bool { // the runtime keeps some descriptors open after the first use
		return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors+3
	})
	if testing.Short() {
		return // the second time shows only that nothing accumulates
	}
	again, err := conformance.Attempts(context.Background(), ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), More: own()})
	if err != nil {
		t.Fatal(err)
	}
	for a, attempt := range again {
		if err := attempt(); err != nil {
			t.Errorf("%s, the second time: the wall %q did not hold: %v", a, a.Wall, err)
		}
	}
	const slack = 2 << 20 // bytes of heap: less than any leak of a large attack
	second := settled(t, func(now counts) bool {
		return now.goroutines <= first.goroutines && now.descriptors <= first.descriptors && now.heap <= first.heap+slack
	})
	fmt.Fprintf(&table, "left behind  %d goroutines, %d descriptors, %d KiB of heap; the second time %+d, %+d, %+d\n", first.goroutines-before.goroutines,
		first.descriptors-before.descriptors, (int64(first.heap)-int64(before.heap))>>10, second.goroutines-first.goroutines, second.descriptors-first.descriptors,
		(int64(second.heap)-int64(first.heap))>>10)
	figures.Keep(t, "attacks", strings.TrimRight(table.String(), "\n"))
}

// TestAttack_OtherService_IsContained makes the attacks with modules of another service: the walls know a service only from the
// manifest.
func TestAttack_OtherService_IsContained(t *testing.T) {
	all, err := conformance.Attempts(context.Background(), ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), OtherService: true})
	if err != nil {
		t.Fatal(err)
	}
	for a, attempt := range all {
		if testing.Short() && !slices.Contains([]string{"requests", "secrets", "grants"}, a.Family) {
			continue // the other families depend less on the service
		}
		if err := attempt(); err != nil {
			t.Errorf("%s: the wall %q did not hold: %v", a, a.Wall, err)
		}
	}
}

// TestOtherHost_EveryAttack_IsContained attacks the host of the flag -host.
func TestOtherHost_EveryAttack_IsContained(t *testing.T) {
	if *hostCommand == "" {
		t.Skip("needs -host")
	}
	p, err := conformance.Start(*hostCommand)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	conformance.Run(t, p, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), Report: os.Stdout})
}

// TestProcess_EveryAttack_IsContained attacks our host in another process, like a host in another language.
func TestProcess_EveryAttack_IsContained(t *testing.T) {
	if testing.Short() {
		t.Skip("makes every attack again")
	}
	t.Parallel() // with TestMutations_EachCheck_IsNeeded: another process does the work
	p, err := conformance.Start(os.Args[0], "-serve")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Errorf("the process: %v", err)
		}
	}()
	conformance.Run(t, p, conformance.Options{Wall: os.Getenv("ATTACK_WALL")})
}

func TestMain(m *testing.M) {
	sql.RunChildIfAsked()
	runConfinedIfAsked()
	log.SetOutput(io.Discard) // net/http logs invalid responses
	if flag.Parse(); *serve {
		if err := conformance.Serve(os.Stdin, os.Stdout, ours{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(orgs.Main(m))
}

// watchMemory samples the memory that is counted for calls, and the heap, until the function that it returns is called. That
// one returns the most that was counted, and by how much the heap grew.
func watchMemory() (stop func() (counted, heap int64)) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() int64 { metrics.Read(sample); return int64(sample[0].Value.Uint64()) }
	runtime.GC()
	before := read()
	quit, ended := make(chan struct{}), make(chan struct{})
	var counted, heap int64
	go func() {
		defer close(ended)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-quit:
				tick.Stop()
				return
			case <-tick.C:
				counted, heap = max(counted, kitMemory.Held()), max(heap, read()-before)
			}
		}
	}()
	return func() (int64, int64) {
		close(quit)
		<-ended
		return counted, heap
	}
}

// counts are the resources that an attack could leave behind.
type counts struct {
	goroutines, descriptors int
	heap                    uint64
}

func count() counts {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, _ := os.ReadDir("/proc/self/fd") // 0 on systems without /proc
	return counts{runtime.NumGoroutine(), len(fds), m.HeapAlloc}
}

// settled waits until is accepts the counts, and returns them. It fails the test after 10 seconds.
func settled(t *testing.T, is func(now counts) bool) (now counts) {
	t.Helper()
	for range 100 {
		if now = count(); is(now) {
			return now
		}
		time.Sleep(100 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("left behind: %+v\n%s", now, buf[:runtime.Stack(buf, true)])
	return now
}
