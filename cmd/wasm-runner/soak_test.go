package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/source"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/internal/figures"
)

// soak is the size of the soak test. SOAK_EVENTS makes it longer (make soak).
type soak struct {
	events   int
	pageSize int
	between  [2]int // two kills: pages that are answered, so that no machine's load decides
}

func soakFromEnvironment(t *testing.T) soak {
	text := os.Getenv("SOAK_EVENTS")
	if text == "" {
		return soak{events: 50_000, pageSize: 100, between: [2]int{1, 60}}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		t.Fatalf("SOAK_EVENTS=%s: want a number of events from 1000 on", text)
	}
	return soak{events: n, pageSize: 1000, between: [2]int{10, 60}} // every few seconds, because failures are retried
}

// TestSoak_KilledAgainAndAgain_WritesEachEventOnce follows a growing log, with some events late and out of order, while the
// org and the network fail in all simulated ways. It kills the runner again and again, and renames its file. At the end every
// event must be in the files once.
func TestSoak_KilledAgainAndAgain_WritesEachEventOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	s := soakFromEnvironment(t)
	// The org's clock runs faster, so that a log of some seconds covers hours.
	start := time.Now()
	clock := func() time.Time { return start.Add(time.Since(start) * 1000) }
	org := oktatest.New(oktatest.Config{Users: 3, Events: s.events / 2, EventSize: 1500, RequestLog: -1, Now: clock,
		RateLimits: map[string]int{"*": -1, "/api/v1/logs": 1_000_000}}).Start()
	defer func() { _ = org.Close() }()
	troubles := []oktatest.Fault{
		{Kind: oktatest.CursorExpired, Skip: 70, Times: 1},
		{Kind: oktatest.CursorExpired, Skip: 200, Times: 1},
		{Kind: oktatest.CursorExpired, Skip: 300, Times: 1},
		{Kind: oktatest.RepeatPage, Probability: 0.02},
		{Kind: oktatest.ResetBefore, Probability: 0.01},
		{Kind: oktatest.ResetAfter, Probability: 0.01},
		{Kind: oktatest.Truncate, Probability: 0.01},
		{Kind: oktatest.NotJSON, Probability: 0.002},
		{Kind: oktatest.Status, Status: 500, Probability: 0.01},
		{Kind: oktatest.Status, Status: 503, Probability: 0.01},
		{Kind: oktatest.Concurrency, Probability: 0.002},
	}
	for _, f := range troubles {
		f.Path = "/api/v1/logs"
		org.Inject(f)
	}
	var grown atomic.Bool
	go produce(org.Org, s.events, clock, &grown)

	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson.zst")
	args := func(more ...string) []string {
		return append([]string{"source", "poll_system_log_page", "--source-config", fmt.Sprintf(`{"page_size":%d,"since":%q}`, s.pageSize, start.Add(-24*time.Hour).UTC().Format(time.RFC3339)),
			"--checkpoint", filepath.Join(dir, "cp.json"), "--out", out, "--rotate-size", "8MiB", "--poll-limit", "1s"}, more...)
	}
	random := rand.New(rand.NewPCG(3, 4))
	renamed := renameAlong(t, org, out, s)
	kills, began := 0, time.Now()
	for !grown.Load() || reached(t, dir) < org.EventCount()-10*s.pageSize {
		cmd := r.command(args("--follow")...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		const pages = "GET /api/v1/logs"
		last := org.Count(pages) + s.between[0] + random.IntN(s.between[1]-s.between[0])
		for org.Count(pages) < last && !(grown.Load() && reached(t, dir) >= org.EventCount()) {
			select {
			case err := <-ended:
				t.Fatalf("it ended by itself: %v\n%s", err, stderr.String())
			case <-time.After(time.Millisecond):
			}
		}
		time.Sleep(time.Duration(random.Int64N(int64(20 * time.Millisecond)))) // at a random moment after an answer
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		kills++
	}
	org.ClearFaults()
	if text, err := r.command(args()...).CombinedOutput(); err != nil {
		t.Fatalf("the last run: %v\n%s", err, text)
	}
	took, renames := time.Since(began), renamed()

	got := check(t, org.Org, out)
	figures.Keep(t, "soak", fmt.Sprintf("soak: %s events (%s of them late) in %s, %d kills, the file renamed %d times by another program: %d lost; %d lines come twice",
		cli.Thousands(int64(got.events)), cli.Thousands(int64(late(s.events))), took.Round(time.Second), kills, renames, got.lost, got.twice()))
	if got.twice() > 0 || renames == 0 {
		t.Errorf("%d lines come twice after %d kills and %d renames", got.twice(), kills, renames)
	}
}

// renameAlong renames the output file now and then, as log rotation does. The function that it returns stops it, and returns the
// number of renames.
func renameAlong(t *testing.T, org *oktatest.Server, out string, s soak) (stop func() int) {
	done, times := make(chan struct{}), make(chan int)
	go func() {
		const pages = "GET /api/v1/logs"
		random, n := rand.New(rand.NewPCG(5, 6)), 0
		next := func() int { return org.Count(pages) + s.between[0] + random.IntN(s.between[1]-s.between[0]) }
		for at := next(); ; {
			select {
			case <-done:
				times <- n
				return
			case <-time.After(time.Millisecond):
			}
			if info, err := os.Stat(out); org.Count(pages) < at || err != nil || info.Size() == 0 {
				continue
			}
			if err := os.Rename(out, fmt.Sprintf("%s.renamed-%06d", out, n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) { // the runner may have renamed it
				t.Error(err)
			} else if err == nil {
				n++
			}
			at = next()
		}
	}()
	return func() int {
		close(done)
		return <-times
	}
}

// TestBackfill_KilledWithAnExpiredCursor_GoesOn kills a backfill again and again. Okta then refuses the first cursor of the next
// process, and another one in its middle. Nothing may be lost or doubled.
func TestBackfill_KilledWithAnExpiredCursor_GoesOn(t *testing.T) {
	t.Parallel()
	events, killedAt := 12_000, []int{1, 7, 25, 11, 30}
	if testing.Short() {
		events, killedAt = 5_000, []int{1, 7, 11}
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: events, EventSize: 1500, RequestLog: -1, RateLimits: map[string]int{"*": -1}}).Start()
	defer func() { _ = org.Close() }()
	until := time.Now()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	out := filepath.Join(dir, "events.ndjson.zst")
	command := func() *exec.Cmd {
		return r.command("backfill", "--since", until.Add(-24*time.Hour).UTC().Format(time.RFC3339), "--until", until.UTC().Format(time.RFC3339),
			"--page-size", "100", "--checkpoint", filepath.Join(dir, "cp.json"), "--out", out)
	}
	slow := oktatest.Fault{Kind: oktatest.Latency, Latency: 10 * time.Millisecond} // or it may be at its end before it is killed
	org.Inject(slow)
	const pages = "GET /api/v1/logs"
	kills := 0
	for _, at := range killedAt {
		cmd := command()
		var stderr strings.Builder
		cmd.Stderr = &stderr
		last := org.Count(pages) + at
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for running := true; running && org.Count(pages) < last; {
			select {
			case err := <-ended:
				if err != nil {
					t.Fatalf("%v\n%s", err, stderr.String())
				}
				running = false
				ended <- nil
			case <-time.After(time.Millisecond):
			}
		}
		_ = cmd.Process.Kill() // a process that has ended does not count
		if err := <-ended; err != nil {
			kills++
		}
		org.ClearFaults()
		org.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Times: 1})
		org.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Skip: 9, Times: 1})
		org.Inject(slow)
	}
	text, err := command().CombinedOutput()
	if err != nil || !strings.Contains(string(text), "bounded_system_log_range: the cursor is no longer accepted (Okta answered 400") {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := check(t, org.Org, out); kills < 3 || got.twice() != 0 {
		t.Errorf("%d kills; %d lines come twice", kills, got.twice())
	}
}

// TestSource_KilledBeforeTheFirstCheckpoint_WritesNothingTwice kills a source after its first write and before the first
// checkpoint. The next run must not write the same records again, up to the limit that the help states.
func TestSource_KilledBeforeTheFirstCheckpoint_WritesNothingTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("kills many runs: without -short")
	}
	t.Parallel()
	if want := fmt.Sprintf("last %d MiB", sink.ReplayBytes>>20); !strings.Contains(strings.ReplaceAll(source.OutHelp, "\n", " "), want) {
		t.Errorf("--help does not say %q", want)
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: 3000, EventSize: 1500, RequestLog: -1, RateLimits: map[string]int{"*": -1}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	const times = 2
	kills := 0
	for _, what := range []string{"source poll_system_log_page --source-config {\"page_size\":100}", "backfill --page-size 100 --since " +
		time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339) + " --until " + time.Now().UTC().Format(time.RFC3339)} {
		for _, name := range []string{"events.ndjson", "events.ndjson.zst"} {
			for range times {
				dir := t.TempDir()
				out, cp := filepath.Join(dir, name), filepath.Join(dir, "cp.json")
				command := func() *exec.Cmd {
					return r.command(append(strings.Fields(what), "--checkpoint", cp, "--out", out)...)
				}
				cmd := command()
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
					if info, err := os.Stat(out); err == nil && info.Size() > 0 {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("nothing was written to %s", out)
					}
				}
				_ = cmd.Process.Kill() // it may have ended
				_ = cmd.Wait()
				left, err := os.Stat(out)
				if _, e := os.Stat(cp); errors.Is(e, fs.ErrNotExist) && err == nil && left.Size() > 0 {
					kills++
				}
				if text, err := command().CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				if got := check(t, org.Org, out); got.twice() != 0 {
					t.Errorf("%s: %d lines come twice", what, got.twice())
				}
			}
		}
	}
	if kills == 0 {
		t.Error("no kill fell before the first checkpoint: the test did not try what it is for")
	}
}

func late(events int) int { return min(events/100, 5000) }

// produce makes a log grow to so many events.
func produce(org *oktatest.Org, events int, clock func() time.Time, grown *atomic.Bool) {
	const steps = 400
	left := events - org.EventCount()
	lateEach := max(late(events)/steps, 1)
	for i := range steps {
		org.AppendEvents(max(left*(i+1)/steps-left*i/steps-lateEach, 0))
		for j := range lateEach {
			org.AppendLateEvent(clock().Add(-time.Duration(i%7+j+1) * 17 * time.Minute))
		}
		time.Sleep(max(20*time.Millisecond, time.Duration(events)*50*time.Nanosecond))
	}
	grown.Store(true)
}

// reached returns the position of the checkpoint, which the simulated org writes into its cursors.
func reached(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "cp.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(gjson.GetBytes(b, "checkpoint.link").String(), "after=")
	after, _, _ = strings.Cut(after, "&")
	_, position, _ := strings.Cut(after, "_")
	n, _ := strconv.Atoi(position) // 0 after a cursor that expired
	return n
}

// written compares the files with an org's log.
type written struct {
	lines  int
	kept   int // with keys applied: a line takes the place of an earlier one of its key
	events int // events of the log
	lost   int
}

// twice returns how many lines have the key of another line.
func (w written) twice() int { return w.lines - w.kept }

// check compares the files with the org's log. After keys are applied, they must have every event, byte for byte, and no other.
func check(t *testing.T, org *oktatest.Org, out string) (got written) {
	t.Helper()
	seen := make(map[[16]byte]uint64, org.EventCount()) // a store that uses the uuid as _id has these
	aside, err := filepath.Glob(strings.Replace(out, ".ndjson", ".*.ndjson", 1))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(aside)
	hash := fnv.New64a()
	sum := func(b []byte) uint64 {
		hash.Reset()
		_, _ = hash.Write(b) // never fails
		return hash.Sum64()
	}
	renamed, err := filepath.Glob(out + ".renamed-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(append(aside, renamed...), out) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) && len(renamed) > 0 {
			continue // renamed at the end
		}
		if err != nil {
			t.Fatal(err)
		}
		var text io.Reader = f
		if strings.Contains(path, ".zst") {
			d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			text = d
		}
		in := bufio.NewReaderSize(text, 1<<20)
		for {
			line, err := in.ReadSlice('\n')
			if errors.Is(err, io.EOF) && len(line) == 0 || path != out && errors.Is(err, io.ErrUnexpectedEOF) {
				break // a renamed file may end with half a frame
			}
			if err != nil {
				t.Fatalf("%s: %v behind %d lines", path, err, got.lines)
			}
			line = line[:len(line)-1]
			if _, again := seen[uuid(t, line)]; again {
				t.Logf("%s: line %d comes twice", filepath.Base(path), got.lines)
			}
			seen[uuid(t, line)] = sum(line)
			got.lines++
		}
		_ = f.Close() // read only
	}
	got.kept = len(seen)
	changed := 0
	for e := range org.Events() {
		got.events++
		key := uuid(t, e)
		switch line, ok := seen[key]; {
		case !ok:
			got.lost++
		case line != sum(e):
			changed++
		}
		delete(seen, key)
	}
	if got.lost > 0 || changed > 0 || len(seen) > 0 {
		t.Errorf("%d events are lost, %d changed, %d are none of the org's", got.lost, changed, len(seen))
	}
	return got
}

func uuid(t *testing.T, event []byte) (k [16]byte) {
	t.Helper()
	text := strings.ReplaceAll(gjson.GetBytes(event, "uuid").String(), "-", "")
	if n, err := hex.Decode(k[:], []byte(text)); err != nil || n != 16 {
		t.Fatalf("not an event: %.200s", event)
	}
	return k
}

// TestMemory_OfALongDrain_IsFlat drains a log of SOAK_EVENTS events without interruption, to /dev/null and to compressed files. It
// compares the memory of the process half-way with that at the end. Both runs remember keys.
func TestMemory_OfALongDrain_IsFlat(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	events := 100_000
	if os.Getenv("SOAK_EVENTS") != "" {
		events = soakFromEnvironment(t).events
	}
	org := oktatest.New(oktatest.Config{Users: 3, Events: events, EventSize: 2000, RequestLog: -1,
		RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	r := newRunner(t, org, org.Token())
	var table strings.Builder
	for _, c := range []struct {
		name string
		out  func(dir string) []string
	}{
		{"/dev/null", func(string) []string { return []string{"--out", os.DevNull} }},
		{"zstd files", func(dir string) []string {
			return []string{"--out", filepath.Join(dir, "events.ndjson.zst"), "--rotate-size", "64MiB"}
		}},
	} {
		half, end, took := drainedMemory(t, r, org, events, c.out(t.TempDir()))
		fmt.Fprintf(&table, "\n  %d MiB half-way, %d MiB at the end, in %s: into %s", half>>20, end>>20, took.Round(time.Millisecond), c.name)
		if end > 160<<20 || half > 0 && end > half+32<<20 {
			t.Errorf("%d MiB half-way, %d MiB at the end, into %s: want it flat, and 160 MiB at most", half>>20, end>>20, c.name)
		}
	}
	figures.Keep(t, "memory", fmt.Sprintf("memory of a source of %s events:%s", cli.Thousands(int64(events)), table.String()))
}

// drainedMemory returns the largest memory of a source half-way and at its end, in bytes.
func drainedMemory(t *testing.T, r *runner, org *oktatest.Server, events int, out []string) (half, end int64, took time.Duration) {
	t.Helper()
	const pages = "GET /api/v1/logs"
	before, checkpoint := org.Count(pages), filepath.Join(t.TempDir(), "cp.json")
	cmd := r.command(append([]string{"source", "poll_system_log_page", "--checkpoint", checkpoint}, out...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := time.Now()
	for running := true; running; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			running = false
		case <-time.After(5 * time.Millisecond):
			n := highWater(cmd)
			if org.Count(pages)-before <= events/2000 {
				half = max(half, n)
			}
			end = max(end, n)
		}
	}
	if info, err := os.Stat(checkpoint + ".keys"); err != nil || info.Size() == 0 {
		t.Errorf("no keys were remembered: %v", err)
	}
	return half, end, time.Since(began)
}

// highWater returns the largest resident memory of a process, in bytes, or 0 when it has ended.
func highWater(cmd *exec.Cmd) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, " kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return n << 10
}
