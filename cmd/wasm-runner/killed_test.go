package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/internal/figures"
)

// killsEnv asks for more kills than CI has time for.
const killsEnv = "ACTION_KILLS"

// kills is how many runs are killed.
func kills(t *testing.T) int {
	text := os.Getenv(killsEnv)
	switch {
	case text == "" && testing.Short():
		return 18
	case text == "":
		return 240
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", killsEnv, err)
	}
	return n
}

// deed is an action that must happen once, and a check for it in the org.
type deed struct {
	op, input string
	mark      string // text that only the write of this deed has
	done      func(*oktatest.Org) bool
}

// deeds returns n independent actions: create a user, deactivate a user, create a group.
func deeds(t *testing.T, org *oktatest.Org, n int) []deed {
	var active []string
	for _, id := range org.UserIDs()[3:] { // the first users are the token's owner and others that tests name
		if u, _ := org.User(id); bytes.Contains(u, []byte(`"status":"ACTIVE"`)) {
			active = append(active, id)
		}
	}
	named := func(name string) bool {
		for _, g := range org.Groups() {
			if bytes.Contains(g, []byte(name)) {
				return true
			}
		}
		return false
	}
	var all []deed
	for i := range n {
		switch i % 3 {
		case 0:
			login := fmt.Sprintf("killed%d@example.com", i)
			all = append(all, deed{"create_user", fmt.Sprintf(`{"profile":{"login":%q,"email":%q,"firstName":"K","lastName":"L"},"activate":false}`, login, login),
				strconv.Quote(login), func(o *oktatest.Org) bool { _, there := o.User(login); return there }})
		case 1:
			if len(active) == 0 {
				t.Fatal("the org has too few users who are ACTIVE")
			}
			id := active[0]
			active = active[1:]
			all = append(all, deed{"deactivate_user", fmt.Sprintf(`{"user":%q}`, id), id, func(o *oktatest.Org) bool {
				u, _ := o.User(id)
				return bytes.Contains(u, []byte(`"status":"DEPROVISIONED"`))
			}})
		default:
			name := strconv.Quote(fmt.Sprintf("Killed %d", i))
			all = append(all, deed{"create_group", `{"name":` + name + `}`, name, func(*oktatest.Org) bool { return named(name) }})
		}
	}
	return all
}

// door is a handler in front of an org that reports each write.
type door struct {
	org   *oktatest.Org
	mu    sync.Mutex
	bells map[string]func() // by text of the write
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		d.mu.Lock()
		for mark, ring := range d.bells {
			if strings.Contains(r.URL.Path, mark) || bytes.Contains(body, []byte(mark)) {
				delete(d.bells, mark)
				go ring()
			}
		}
		d.mu.Unlock()
	}
	d.org.ServeHTTP(w, r)
}

func (d *door) when(mark string, ring func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bells[mark] = ring
}

// printedResult runs a command to its end, and returns the result that it printed.
func printedResult(cmd *exec.Cmd) (abi.Result, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return abi.Result{}, err
	}
	var res abi.Result
	if err := json.Unmarshal(out, &res); err != nil {
		return res, fmt.Errorf("%w: %q %s", err, out, stderr.String())
	}
	return res, nil
}

// TestInvoke_KilledAtAnyMoment_HasOneEffect kills an invoke with SIGKILL at a random moment, some hundred times, and runs the same
// command with the same key again. Each has one effect in the org, and an outcome that is true.
func TestInvoke_KilledAtAnyMoment_HasOneEffect(t *testing.T) {
	t.Parallel()
	n := kills(t)
	// The write takes a while on its way in and on its way back, so that kills find it there.
	org := oktatest.New(oktatest.Config{Users: 2*n + 20, Events: 10, RateLimits: map[string]int{"*": -1}})
	at := &door{org: org, bells: map[string]func(){}}
	server := httptest.NewServer(at)
	defer server.Close()
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Method: "POST", Latency: 25 * time.Millisecond})
	r := newRunner(t, &oktatest.Server{Org: org, URL: server.URL}, org.Token())
	journal := filepath.Join(t.TempDir(), "journal")
	command := func(d deed, key string) *exec.Cmd {
		return r.command("--grant", "write,destructive", "invoke", d.op, d.input, "--idempotency-key", key, "--journal", journal)
	}

	var mu sync.Mutex
	random := rand.New(rand.NewPCG(3, 4))
	upTo := func(most time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(random.Int64N(int64(most)))
	}
	tally := map[string]int{}
	all := deeds(t, org, n)
	work := make(chan int)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for i := range work {
				key := fmt.Sprint("key", i)
				cmd := command(all[i], key)
				if err := cmd.Start(); err != nil {
					t.Error(err)
					continue
				}
				// One third at any moment of a run, two thirds around the write: on its way in, while the org has it,
				// on the way back and while the result is noted.
				kill := func() { _ = cmd.Process.Kill() }
				timer := time.AfterFunc(time.Hour, kill)
				if i/3%3 == 0 {
					timer.Reset(upTo(400 * time.Millisecond))
				} else {
					at.when(all[i].mark, func() { time.Sleep(upTo(60 * time.Millisecond)); kill() })
				}
				killed := cmd.Wait() != nil
				timer.Stop()
				res, err := printedResult(command(all[i], key))
				what := "ended before it was killed: "
				if killed {
					what = "killed: "
				}
				switch {
				case err != nil:
					t.Errorf("%s %s: %v", all[i].op, all[i].input, err)
				case res.Outcome != abi.Succeeded || !all[i].done(org):
					t.Errorf("%s %s: %s %+v, done: %v", all[i].op, all[i].input, res.Outcome, res.Error, all[i].done(org))
				case res.Meta.Replayed:
					what += "the recorded result"
				case res.Meta.Reconciled:
					what += "settled by reading back"
				default:
					what += "run again, since nothing had left or arrived"
				}
				mu.Lock()
				tally[what]++
				mu.Unlock()
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	if effects := org.Effects(); effects != n {
		t.Errorf("%d effects of %d actions", effects, n)
	}
	var lines strings.Builder
	for what, times := range tally {
		fmt.Fprintf(&lines, "\n%5d  %s", times, what)
	}
	figures.Keep(t, "killed", fmt.Sprintf("%d invokes, each killed once and run again with its key: %d effects%s", n, org.Effects(), lines.String()))
	// A few kills on a busy machine may all come at the same moment.
	if !testing.Short() && (tally["killed: settled by reading back"] == 0 || tally["killed: the recorded result"]+tally["ended before it was killed: the recorded result"] == 0) {
		t.Error("no kill fell between a write and its answer: the test did not try what it is for")
	}
}

// TestInvoke_TwoProcessesWithOneKey_HaveOneEffect starts the same command several times at once.
func TestInvoke_TwoProcessesWithOneKey_HaveOneEffect(t *testing.T) {
	t.Parallel()
	org := oktatest.New(oktatest.Config{Events: 10}).Start()
	defer func() { _ = org.Close() }()
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Method: "POST", Latency: 100 * time.Millisecond})
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	writes := []struct{ op, input string }{
		{"create_group", `{"name":"Night Shift"}`},
		{"delete_group", `{"group":"Night Shift"}`}, // by a name that is nobody's after it
		{"create_group", `{"name":"Day Shift"}`},
		{"deactivate_user", `{"user":"alan.turing@example.com"}`},
		{"user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"suspend"}`},
	}
	if testing.Short() {
		writes = writes[:2]
	}
	for round, write := range writes {
		var wg sync.WaitGroup
		outputs := make(chan abi.Result, 4)
		for range cap(outputs) {
			wg.Go(func() {
				res, err := printedResult(r.command("--grant", "write,destructive", "invoke", write.op, write.input,
					"--idempotency-key", fmt.Sprint("shift", round), "--journal", filepath.Join(dir, "journal"), "--audit", filepath.Join(dir, "audit.ndjson")))
				if err != nil {
					t.Error(err)
				}
				outputs <- res
			})
		}
		wg.Wait()
		close(outputs)
		replayed, ids := 0, map[string]bool{}
		for res := range outputs {
			var group struct{ ID string }
			if err := json.Unmarshal(res.Output, &group); err != nil || res.Outcome != abi.Succeeded {
				t.Errorf("%+v %+v", res, res.Error)
			}
			ids[group.ID] = true
			if res.Meta.Replayed {
				replayed++
			}
		}
		if replayed != 3 || len(ids) != 1 || org.Effects() != round+1 {
			t.Errorf("round %d: %d replayed, groups %v, %d effects", round, replayed, ids, org.Effects())
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "audit.ndjson"))
	if lines := bytes.Split(bytes.TrimSpace(text), []byte("\n")); err != nil || len(lines) != 5*len(writes) { // each run, and each write before it left
		t.Errorf("%d audit lines, %v", len(lines), err)
	}
	if _, stderr, err := reported(t, r, filepath.Join(dir, "audit.ndjson")); err != nil || !strings.Contains(stderr, fmt.Sprintf("%d invokes in %d lines, whose chain is intact", 4*len(writes), 5*len(writes))) {
		t.Errorf("%v %s", err, stderr)
	}
}

// TestInvoke_InterruptedDuringTheWrite_IsUnknown interrupts an invoke whose write has arrived and got no answer: what became of it
// is unknown, and the same key tells.
func TestInvoke_InterruptedDuringTheWrite_IsUnknown(t *testing.T) {
	t.Parallel()
	for _, by := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(by.String(), func(t *testing.T) { interruptedWhileTheWriteIsUnderWay(t, by) })
	}
}

func interruptedWhileTheWriteIsUnderWay(t *testing.T, by os.Signal) {
	org := oktatest.New(oktatest.Config{Events: 10})
	at := &door{org: org, bells: map[string]func(){}}
	server := httptest.NewServer(at)
	defer server.Close()
	org.Inject(oktatest.Fault{Kind: oktatest.Latency, Method: "POST", Latency: time.Hour, Times: 1}) // or until nobody waits for it
	r := newRunner(t, &oktatest.Server{Org: org, URL: server.URL}, org.Token())
	journal := filepath.Join(t.TempDir(), "journal")
	command := func() *exec.Cmd {
		return r.command("--grant", "destructive", "invoke", "deactivate_user", `{"user":"alan.turing@example.com"}`, "--idempotency-key", "k", "--journal", journal)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	plain := command()
	cmd := exec.CommandContext(ctx, plain.Path, plain.Args[1:]...)
	cmd.Dir, cmd.Env = plain.Dir, plain.Env
	cmd.Cancel = func() error { return cmd.Process.Signal(by) }
	at.when("/lifecycle/deactivate", interrupt)
	res, err := printedResult(cmd)
	if err != nil || res.Outcome != abi.Unknown || cmd.ProcessState.ExitCode() != 8 {
		t.Errorf("%+v %+v %v, exit code %d", res, res.Error, err, cmd.ProcessState.ExitCode())
	}
	again, err := printedResult(command())
	if err != nil || again.Outcome != abi.Succeeded || !again.Meta.Reconciled || org.Effects() != 1 {
		t.Errorf("%+v %+v %v, %d effects", again, again.Error, err, org.Effects())
	}
}
