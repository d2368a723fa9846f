package attack

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
)

// hostCommand is another host to attack: its process, see conformance.Start.
var hostCommand = flag.String("host", "", "a program that serves the host under attack over its standard input and output")

// everyAttack is the kit's attacks and our own.
func everyAttack() []conformance.Attack { return append(conformance.Attacks(), files()...) }

func TestAttack(t *testing.T) {
	before := count()
	var table bytes.Buffer
	conformance.Run(t, ours{}, conformance.Options{Wall: os.Getenv("ATTACK_WALL"), More: files(), Report: &table})
	publish(t, "attacks.txt", table.String())
	nothingIsLeft(t, before)
}

// publish prints a table, and leaves it in the folder that $ACTIONS_REPORT names, since go test keeps what a test prints
// that passes to itself.
func publish(t *testing.T, file, table string) {
	t.Helper()
	fmt.Print(table)
	if dir := os.Getenv("ACTIONS_REPORT"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(table), 0o600); err != nil {
			t.Error(err)
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

// TestAHostBehindAProcess attacks our host the way that a host in another language is attacked: some walls are enough to
// show that nothing gets lost on the way.
func TestAHostBehindAProcess(t *testing.T) {
	t.Setenv("ATTACK_SERVE", "1")
	p, err := conformance.Start(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Errorf("the process: %v", err)
		}
	}()
	for _, wall := range []string{"imports", "class grants", "surfaces", "token in one header", "certificates", "private addresses", "log limit",
		"restored memory", "input shape", "checkpoints", "cursors", "concurrency limit"} {
		conformance.Run(t, p, conformance.Options{Wall: wall})
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("ATTACK_SERVE") != "" {
		if err := conformance.Serve(os.Stdin, os.Stdout, ours{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	log.SetOutput(io.Discard) // net/http tells of answers that are none
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

// nothingIsLeft waits until there is no more than there was.
func nothingIsLeft(t *testing.T, before counts) {
	t.Helper()
	const keptDescriptors = 3 // of the process itself: pagemap, the network poller
	const keptHeap = 64 << 20 // what pools of buffers may hold on to until the next collections
	var now counts
	for range 100 {
		now = count()
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors+keptDescriptors && now.heap <= before.heap+keptHeap {
			fmt.Printf("left behind  %d goroutines, %d descriptors, %d MiB of heap (%d, %d, %d before)\n",
				now.goroutines, now.descriptors, now.heap>>20, before.goroutines, before.descriptors, before.heap>>20)
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	buf := make([]byte, 1<<20)
	t.Errorf("left behind: %+v, before the attacks: %+v\n%s", now, before, buf[:runtime.Stack(buf, true)])
}
