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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/internal/figures"
)

// hostCommand is another host to attack: its process, see conformance.Start.
var hostCommand = flag.String("host", "", "a program that serves the host under attack over its standard input and output")

// serve has this program be such a process, of our host.
var serve = flag.Bool("serve", false, "serve our host over standard input and output, see conformance.Serve")

// own are the attacks on what is this host's alone.
func own() []conformance.Attack { return append(files(), loading()...) }

// everyAttack is the kit's attacks and our own.
func everyAttack() []conformance.Attack { return append(conformance.Attacks(), own()...) }

// TestAttack makes every attack on our host, and then again: the second time must leave behind nothing at all.
func TestAttack(t *testing.T) {
	before := count()
	var table bytes.Buffer
	conformance.Run(t, ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), More: own(), Report: &table})
	first := settled(t, func(now counts) bool { // a runtime that has begun to work keeps some things open, for good
		return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors+3
	})
	if testing.Short() {
		return // Once shows that every wall holds; twice, that nothing accumulates.
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
	const slack = 2 << 20 // bytes of heap, in which nothing of an attack could hide: each of the large ones moves more
	second := settled(t, func(now counts) bool {
		return now.goroutines <= first.goroutines && now.descriptors <= first.descriptors && now.heap <= first.heap+slack
	})
	fmt.Fprintf(&table, "left behind  %d goroutines, %d descriptors, %d KiB of heap; by all of it again %+d, %+d, %+d\n", first.goroutines-before.goroutines,
		first.descriptors-before.descriptors, (int64(first.heap)-int64(before.heap))>>10, second.goroutines-first.goroutines, second.descriptors-first.descriptors,
		(int64(second.heap)-int64(first.heap))>>10)
	figures.Keep(t, "attacks", strings.TrimRight(table.String(), "\n"))
}

// TestAttack_OnAnotherService makes the attacks with modules of a service that has other habits: what a wall knows of a service,
// it knows from the manifest.
func TestAttack_OnAnotherService(t *testing.T) {
	all, err := conformance.Attempts(context.Background(), ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), OtherService: true})
	if err != nil {
		t.Fatal(err)
	}
	for a, attempt := range all {
		if testing.Short() && !slices.Contains([]string{"requests", "secrets", "grants"}, a.Family) {
			continue // these have most to do with the service
		}
		if err := attempt(); err != nil {
			t.Errorf("%s: the wall %q did not hold: %v", a, a.Wall, err)
		}
	}
}

// TestOtherHost attacks the host that -host names.
func TestOtherHost(t *testing.T) {
	if *hostCommand == "" {
		t.Skip("no -host")
	}
	p, err := conformance.Start(*hostCommand)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	conformance.Run(t, p, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), Report: os.Stdout})
}

// TestAHostBehindAProcess attacks our host the way that a host in another language is attacked.
func TestAHostBehindAProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("makes every attack again")
	}
	t.Parallel() // to TestMutations: the work is another process's
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
	log.SetOutput(io.Discard) // net/http tells of answers that are none
	if flag.Parse(); *serve {
		if err := conformance.Serve(os.Stdin, os.Stdout, ours{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// counts is what an attack could leave behind.
type counts struct {
	goroutines, descriptors int
	heap                    uint64
}

func count() counts {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, _ := os.ReadDir("/proc/self/fd") // none to be counted elsewhere
	return counts{runtime.NumGoroutine(), len(fds), m.HeapAlloc}
}

// settled waits until what an attack could leave behind is as it should be.
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
