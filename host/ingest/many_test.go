package ingest_test

import (
	"context"
	"encoding/json"
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

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink/filesink"
	"github.com/mach5/okta-connector/internal/figures"
)

// tenant is one of many connections, with everything that could leak from it.
type tenant struct {
	name, token, marker string
	org                 *oktatest.Org
	drain               *ingest.Drain
	mu                  sync.Mutex
	said                []string
	err                 error
}

// TestDrain_200Connections_AreIsolated follows two hundred orgs concurrently, some of which fail. It checks that no record,
// error, cursor or token of one appears in the output of another. It prints the cost of an idle connection.
func TestDrain_200Connections_AreIsolated(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const n, events = 200, 30
	m := hosttest.Connector.Module(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	warm := connectTo(t, m, oktatest.New(oktatest.Config{Users: 3, Events: 5}), host.Config{Name: "warm"})
	if _, err := run(ctx, t, warm, &memory{}, host.SourceOptions{}, ""); err != nil { // allocates what all connections share
		t.Fatal(err)
	}
	tenants := make([]*tenant, n)
	for i := range tenants {
		marker := fmt.Sprintf("MARKER-%03d-", i)
		x := &tenant{name: fmt.Sprintf("org-%03d", i), token: "00token-" + marker + "secret", marker: marker}
		x.org = oktatest.New(oktatest.Config{Users: -1, Groups: -1, Events: -1, Devices: -1, AuthorizationServers: -1, OAuthClients: -1,
			CustomRoles: -1, Sessions: -1, Factors: -1, Token: x.token, RequestLog: 10})
		for e := range events {
			x.org.AppendEvent(json.RawMessage(fmt.Sprintf(`{"uuid":"%s%d","published":%q,"actor":{"displayName":%q}}`,
				marker, e, time.Now().UTC().Format(time.RFC3339), marker)))
		}
		tenants[i] = x
	}
	before := resident(t)
	var running sync.WaitGroup
	var closers []func()
	for i, x := range tenants {
		var h http.Handler = x.org
		if i%10 == 3 { // an org that refuses this tenant, with text in its error
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Okta-Request-Id", "req-"+x.marker)
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, `{"errorCode":"E0000006","errorSummary":"%s may not, said to %s"}`, x.marker, r.URL.RequestURI())
			})
		} else { // cursors that contain a marker
			h = marked(x.org, x.marker)
		}
		dial, stop := serve(h)
		c := connect(t, m, host.Config{Name: x.name}, host.ConnectOptions{Dial: dial, Secrets: hosttest.Secret(x.token)})
		s, err := filesink.Open(filepath.Join(dir, x.name+".ndjson"), filesink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, x.name+".json")
		cp, err := checkpoint.Open(path, checkpoint.Identity{Kind: "okta", Connection: x.name, Operation: poll})
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
		eventually(t, x.name, func() bool { s := x.drain.Stats(); return s.CaughtUp || i%10 == 3 && s.State == ingest.Failed })
	}
	debug.FreeOSMemory()
	idle := resident(t)
	cpu, began := used(t), time.Now()
	for _, x := range tenants { // one more event for each, while they are idle
		x.org.AppendEvent(json.RawMessage(fmt.Sprintf(`{"uuid":"%slast","published":%q}`, x.marker, time.Now().UTC().Format(time.RFC3339))))
	}
	for i, x := range tenants {
		eventually(t, x.name, func() bool { return i%10 == 3 || x.drain.Stats().Records == events+1 })
	}
	wall, spent := time.Since(began), used(t)-cpu
	figures.Keep(t, "connections", fmt.Sprintf("%d connections in one process: %.2f MiB for each that is idle (its simulated org included), and %.2f MiB more once it has seen 10,000 records; %.1f %% of a core when quiet, polling each every 10 s",
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
				t.Errorf("%s: %v: want the text of its own org", x.name, x.err)
			}
		}
		for _, file := range []string{".ndjson", ".json", ".json.keys"} {
			b, err := os.ReadFile(filepath.Join(dir, x.name+file))
			if err != nil && x.err == nil {
				t.Fatal(err)
			}
			alone(x, file, string(b))
			if file == ".ndjson" && x.err == nil && strings.Count(string(b), "\n") != events+1 {
				t.Errorf("%s has %d events", x.name, strings.Count(string(b), "\n"))
			}
			if file == ".json" && x.err == nil && !strings.Contains(string(b), x.marker) {
				t.Errorf("the checkpoint of %s is not its own: %s", x.name, b)
			}
		}
	}
}

// marked is a log whose cursors contain a marker.
func marked(org http.Handler, marker string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if after := q.Get("after"); after != "" {
			q.Set("after", strings.TrimPrefix(after, marker))
		}
		r.URL.RawQuery = q.Encode()
		org.ServeHTTP(&markedAnswer{w, marker}, r)
	})
}

type markedAnswer struct {
	http.ResponseWriter
	marker string
}

func (w *markedAnswer) WriteHeader(status int) {
	links := w.Header()["Link"]
	for i, l := range links {
		links[i] = strings.Replace(l, "after=", "after="+w.marker, 1)
	}
	w.ResponseWriter.WriteHeader(status)
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
