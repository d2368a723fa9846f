package ingest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink/filesink"
	"github.com/mach5/okta-connector/internal/figures"
)

// tenant is one of many connections, with everything that could leak from it.
type tenant struct {
	name, token, marker string
	depot               *invented.Depot
	drain               *ingest.Drain
	mu                  sync.Mutex
	said                []string
	err                 error
}

// TestDrain_200Connections_AreIsolated follows two hundred depots concurrently, some of which fail. It checks that no record,
// error, cursor or token of one appears in the output of another. It prints the cost of an idle connection.
func TestDrain_200Connections_AreIsolated(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const n, records = 200, 30
	m := invented.Connector.Module(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	warm := connectTo(t, m, new(invented.Depot).Fill(5), host.Config{Name: "warm"})
	if _, err := run(ctx, t, warm, &memory{}, host.SourceOptions{}, ""); err != nil { // allocates what all connections share
		t.Fatal(err)
	}
	tenants := make([]*tenant, n)
	for i := range tenants {
		marker := fmt.Sprintf("MARKER-%03d-", i)
		x := &tenant{name: fmt.Sprintf("depot-%03d", i), token: "00token-" + marker + "secret", marker: marker}
		x.depot = &invented.Depot{Key: x.token, Marker: marker}
		for e := range records {
			x.depot.AppendRecord(time.Now(), fmt.Sprintf(`{"no":"%s%d","at":%q,"carrier":{"name":%q}}`, marker, e, time.Now().UTC().Format(invented.TimeLayout), marker))
		}
		tenants[i] = x
	}
	before := resident(t)
	var running sync.WaitGroup
	var closers []func()
	for i, x := range tenants {
		if i%10 == 3 { // a depot that refuses this tenant, with text in its error
			x.depot.Inject(invented.Fault{Kind: invented.Closed, Status: http.StatusForbidden, Text: x.marker + " may not"})
		}
		dial, stop := ingesttest.Serve(x.depot)
		c := ingesttest.Connect(t, m, host.Config{Name: x.name}, host.ConnectOptions{Dial: dial, Secrets: hosttest.Secret(x.token)})
		s, err := filesink.Open(filepath.Join(dir, x.name+".ndjson"), filesink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, x.name+".json")
		cp, err := checkpoint.Open(path, checkpoint.Identity{Kind: "depot", Connection: x.name, Operation: poll})
		if err != nil {
			t.Fatal(err)
		}
		x.drain = &ingest.Drain{Connection: x.name, Operation: poll, Sink: s, Checkpoint: cp, Recent: ingest.OpenRecent(path+".keys", nil),
			Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Follow: true}), Persist: true, Follow: true, Pause: 50 * time.Millisecond,
			Say: func(format string, args ...any) {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.said = append(x.said, fmt.Sprintf(format, args...))
			}}
		closers = append(closers, func() {
			_, _, _, _ = x.drain.Recent.Close(), cp.Close(), s.Close(), c.Close(context.Background())
			stop()
		})
		running.Go(func() { x.err = x.drain.Run(ctx) })
	}
	for i, x := range tenants {
		ingesttest.Eventually(t, x.name, func() bool { s := x.drain.Stats(); return s.CaughtUp || i%10 == 3 && s.State == ingest.Failed })
	}
	debug.FreeOSMemory()
	idle := resident(t)
	cpu, began := used(t), time.Now()
	for _, x := range tenants { // one more record for each, while they are idle
		x.depot.AppendRecord(time.Now(), fmt.Sprintf(`{"no":"%slast","at":%q}`, x.marker, time.Now().UTC().Format(invented.TimeLayout)))
	}
	for i, x := range tenants {
		ingesttest.Eventually(t, x.name, func() bool { return i%10 == 3 || x.drain.Stats().Records == records+1 })
	}
	wall, spent := time.Since(began), used(t)-cpu
	figures.Keep(t, "connections", fmt.Sprintf("%d connections in one process: %.2f MiB for each that is idle (its simulated service included), and %.2f MiB more once it has seen 10,000 records; %.1f %% of a core when quiet, polling each every 10 s",
		n, float64(idle-before)/n/(1<<20), keysOf10000(t), 100*spent.Seconds()/wall.Seconds()))
	cancel()
	running.Wait()
	for _, c := range closers {
		c()
	}

	anyMarker := regexp.MustCompile(`MARKER-\d\d\d-`)
	alone := func(x *tenant, what, text string) {
		t.Helper()
		for _, found := range anyMarker.FindAllString(text, -1) {
			if found != x.marker {
				t.Errorf("%s of %s contains %s", what, x.name, found)
			}
		}
		if strings.Contains(text, "00token-") {
			t.Errorf("%s of %s contains a token", what, x.name)
		}
	}
	for i, x := range tenants {
		alone(x, "the messages", strings.Join(x.said, "\n"))
		if (x.err == nil) != (i%10 != 3) {
			t.Errorf("%s: %v", x.name, x.err)
		}
		if x.err != nil {
			alone(x, "the error", x.err.Error())
			if !strings.Contains(x.err.Error(), x.marker) {
				t.Errorf("%s: %v: want the text of its own depot", x.name, x.err)
			}
		}
		for _, file := range []string{".ndjson", ".json", ".json.keys"} {
			b, err := os.ReadFile(filepath.Join(dir, x.name+file))
			if err != nil && x.err == nil {
				t.Fatal(err)
			}
			alone(x, file, string(b))
			if file == ".ndjson" && x.err == nil && strings.Count(string(b), "\n") != records+1 {
				t.Errorf("%s has %d records", x.name, strings.Count(string(b), "\n"))
			}
			if file == ".json" && x.err == nil && !strings.Contains(string(b), x.marker) {
				t.Errorf("the checkpoint of %s is not its own: %s", x.name, b)
			}
		}
	}
}

// resident returns the resident memory of this process in bytes, or 0 if it is not known.
func resident(t *testing.T) int64 {
	t.Helper()
	runtime.GC()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	line, _, _ := strings.Cut(rest, " kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return n << 10
}

// used returns the processor time of this process.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// keysOf10000 returns the memory in MiB for the keys of a connection's last 10,000 records, which are always kept.
func keysOf10000(t *testing.T) float64 {
	t.Helper()
	const connections = 100
	heap := func() float64 {
		runtime.GC() // the second run frees objects with finalizers
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	before := heap()
	var all []*ingest.Recent
	for range connections {
		r := ingest.OpenRecent("", nil)
		for page := range 10 {
			r.Begin()
			for i := range 1000 {
				r.Seen(fmt.Appendf(nil, "%08x-0000-4000-8000-%012x", page, i))
			}
			r.Keep(time.Now())
			if err := r.Commit(1000); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, r)
	}
	size := (heap() - before) / connections / (1 << 20)
	runtime.KeepAlive(all)
	return size
}
