package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/compat"
)

var makeV0 = flag.Bool("make-v0", false, "write testdata/v0 anew, with the runner of its commit")

// compatRunner is an old or new runner with a module and an org.
type compatRunner struct {
	t      *testing.T
	name   string
	binary string
	module string
	dir    string // where it runs
}

// todays returns the runner of today.
func todays(t *testing.T, dir string) compatRunner {
	return compatRunner{t, "new runner", linked(t, t.TempDir()), module(t), dir}
}

// with returns the runner with another module.
func (r compatRunner) with(module string) compatRunner {
	r.module = module
	return r
}

func (r compatRunner) command(args ...string) *exec.Cmd {
	cmd := exec.Command(r.binary, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "WASM_RUNNER_MODULE="+r.module, "COMPAT_TOKEN="+compat.Token)
	return cmd
}

// run runs a command that must succeed, and returns its stdout.
func (r compatRunner) run(args ...string) []byte {
	r.t.Helper()
	cmd := r.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("%s: wasm-runner %s: %v\n%s%s", r.name, strings.Join(args, " "), err, out, &stderr)
	}
	return out
}

// invoke runs an invoke and returns its result, whatever the outcome is.
func (r compatRunner) invoke(args ...string) abi.Result {
	r.t.Helper()
	res, err := printedResult(r.command(args...))
	if err != nil {
		r.t.Fatalf("%s: wasm-runner %s: %v", r.name, strings.Join(args, " "), err)
	}
	return res
}

const connectionText = `connections:
  - name: okta
    kind: okta
    base_url: %s
    token_secret_ref: env:COMPAT_TOKEN
    default_page_size: 20
    initial_lookback_seconds: 86400
    rate_limit_share: 0.9
    grants: [read, write, destructive]
    max_writes_per_minute: 60
    max_destructive_per_hour: 100
    approve: [privileged]
    limits:
      call_seconds: 300
      requests: 2000
      body_bytes: 67108864
      held_bytes: 536870912
      records: 100000
      result_bytes: 268435456
      memory_bytes: 67108864
      concurrency: 16
      log_bytes: 65536
    allow_private_network: true
`

// Arguments of the old runner. With the same arguments, the new one continues its files.
const storedBefore = 45

func sourceArgs() []string {
	return []string{"--config", compat.ConnectionFile, "source", "poll_system_log_page", "--checkpoint", compat.CheckpointFile, "--out", compat.RecordsFile, "--once"}
}

func rangeArgs(out string) []string {
	since, until := compat.Now.AddDate(0, 0, -1).Format("2006-01-02"), compat.Now.AddDate(0, 0, 1).Format("2006-01-02")
	return []string{"--config", compat.ConnectionFile, "backfill", "--since", since, "--until", until, "--checkpoint", compat.RangeFile, "--out", out}
}

func deactivateArgs(login, key string) []string {
	return []string{"--config", compat.ConnectionFile, "--timeout", "5s", "invoke", "deactivate_user", fmt.Sprintf(`{"user":%q}`, login),
		"--idempotency-key", key, "--journal", compat.JournalFile, "--audit", compat.AuditFile}
}

// writeFiles runs all commands that write files, against an org that has storedBefore events.
func writeFiles(r compatRunner, org *compat.Org) {
	r.t.Helper()
	r.run(sourceArgs()...)
	r.run(rangeArgs("range.ndjson")...)
	cursor := r.invoke("--config", compat.ConnectionFile, "invoke", "list_users", `{"limit":2}`).NextCursor
	if err := os.WriteFile(filepath.Join(r.dir, compat.CursorFile), []byte(cursor), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if res := r.invoke(deactivateArgs("alan@example.com", "done")...); res.Outcome != abi.Succeeded {
		r.t.Fatalf("%s: %+v %+v", r.name, res, res.Error)
	}
	org.Lose("grace@example.com")
	if res := r.invoke(deactivateArgs("grace@example.com", "in doubt")...); res.Outcome != abi.Unknown {
		r.t.Fatalf("%s: %+v %+v", r.name, res, res.Error)
	}
	org.Answer()
}

// goOn continues the files of writeFiles. It fails if a record is lost or comes twice.
func goOn(r compatRunner, org *compat.Org) {
	r.t.Helper()
	org.Store(compat.Events)
	org.Repeat(5) // The checkpoint alone would repeat events: its keys must be read too.
	elsewhere := slices.Clone(sourceArgs())
	for i, arg := range elsewhere {
		switch arg {
		case compat.CheckpointFile:
			elsewhere[i] = "copy.checkpoint.json"
			for _, suffix := range []string{"", ".keys"} {
				b, err := os.ReadFile(filepath.Join(r.dir, arg+suffix))
				if err == nil {
					err = os.WriteFile(filepath.Join(r.dir, elsewhere[i]+suffix), b, 0o600)
				}
				if err != nil {
					r.t.Fatal(err)
				}
			}
		case compat.RecordsFile:
			elsewhere[i] = "new.ndjson" // A file that has the events already would hide repeats.
		}
	}
	r.run(elsewhere...)
	wantEvents(r, filepath.Join(r.dir, "new.ndjson"), storedBefore)
	r.run(sourceArgs()...)
	org.Repeat(0)
	wantEvents(r, filepath.Join(r.dir, compat.RecordsFile), 0)
	cursor, err := os.ReadFile(filepath.Join(r.dir, compat.CursorFile))
	if err != nil {
		r.t.Fatal(err)
	}
	res := r.invoke("--config", compat.ConnectionFile, "invoke", "list_users", fmt.Sprintf(`{"limit":2,"cursor":%q}`, cursor))
	if got := gjson.GetBytes(res.Output, "records.#.profile.login").String(); got != `["alan@example.com","grace@example.com"]` {
		r.t.Errorf("%s: an old cursor goes on with %s %+v", r.name, got, res.Error)
	}
}

// wantEvents reads a file of events. It must have each event from first on exactly once.
func wantEvents(r compatRunner, path string, first int) {
	r.t.Helper()
	times := map[string]int{}
	for uuid := range uuids(r.t, path) {
		times[uuid]++
	}
	for i := first; i < compat.Events; i++ {
		if n := times[compat.EventID(i)]; n != 1 {
			r.t.Errorf("%s: %s has event %d %d times", r.name, path, i, n)
		}
		delete(times, compat.EventID(i))
	}
	if len(times) > 0 {
		r.t.Errorf("%s: %s has others: %v", r.name, path, times)
	}
}

// goOnWriting continues the journal and the audit.
func goOnWriting(r compatRunner, org *compat.Org) {
	r.t.Helper()
	auditBefore, err := os.ReadFile(filepath.Join(r.dir, compat.AuditFile))
	if err != nil {
		r.t.Fatal(err)
	}
	before := org.Writes()
	if res := r.invoke(deactivateArgs("alan@example.com", "done")...); res.Outcome != abi.Succeeded || !res.Meta.Replayed {
		r.t.Errorf("%s: a key that is done: %+v %+v", r.name, res, res.Error)
	}
	if res := r.invoke(deactivateArgs("grace@example.com", "in doubt")...); res.Outcome != abi.Succeeded || !res.Meta.Reconciled {
		r.t.Errorf("%s: a key in doubt: %+v %+v", r.name, res, res.Error)
	}
	if n := org.Writes() - before; n != 0 {
		r.t.Errorf("%s: %d writes were sent again", r.name, n)
	}
	audit, err := os.ReadFile(filepath.Join(r.dir, compat.AuditFile))
	if err != nil || !bytes.HasPrefix(audit, auditBefore) || len(audit) == len(auditBefore) {
		r.t.Errorf("%s: %v: the audit does not go on: %s", r.name, err, audit)
	}
	for line := range bytes.Lines(audit) {
		if !json.Valid(line) {
			r.t.Errorf("%s: audit: %s", r.name, line)
		}
	}
}

// connect writes the connection file for an org.
func connect(t *testing.T, dir, url string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, compat.ConnectionFile), fmt.Appendf(nil, connectionText, url), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRunner_WithOldFiles_GoesOnFromThem has today's runner continue what the old one left in testdata/v0. A test
// of package host covers the journal, because its keys belong to the address of the old org.
func TestRunner_WithOldFiles_GoesOnFromThem(t *testing.T) {
	org := compat.NewOrg(compat.Events)
	server := httptest.NewServer(org)
	defer server.Close()
	dir := compat.Copy(t, server.URL, compat.ConnectionFile, compat.CheckpointFile, compat.CheckpointFile+".keys", compat.RecordsFile,
		compat.RangeFile, compat.RangeFile+".keys", compat.CursorFile)
	for name, r := range map[string]compatRunner{"today's module": todays(t, dir), "old module": todays(t, dir).with(oldModule(t))} {
		t.Run(name, func(t *testing.T) {
			r.t, r.dir = t, t.TempDir()
			if err := os.CopyFS(r.dir, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			goOn(r, org)
			r.run(rangeArgs("rest.ndjson")...)
			wantEvents(r, filepath.Join(r.dir, "rest.ndjson"), storedBefore)
		})
	}
}

// oldModule unpacks the old module into a file.
func oldModule(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "okta.wasm")
	if err := os.WriteFile(path, compat.Module(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOldAndNew_TakeTurns_NothingIsLostOrRepeated builds the old runner. Old and new runners and modules continue each
// other's files in turn.
func TestOldAndNew_TakeTurns_NothingIsLostOrRepeated(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an old runner")
	}
	binary, oldWasm := compat.Runner(t, t.TempDir())
	if built, err := os.ReadFile(oldWasm); err != nil || !bytes.Equal(built, compat.Module(t)) {
		t.Logf("the module in testdata/v0 is not what this Go makes of commit %.7s (%v): another version of Go", compat.Commit, err)
	}
	older := compatRunner{t, "old runner", binary, oldWasm, ""}
	newer := todays(t, "")
	for _, test := range []struct {
		name          string
		before, after compatRunner
	}{
		{"old, then new", older, newer},
		{"old, then new runner with the old module", older, newer.with(oldWasm)},
		{"new runner with the old module, then new", newer.with(oldWasm), newer},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.before.t, test.after.t = t, t
			org := compat.NewOrg(storedBefore)
			server := httptest.NewServer(org)
			defer server.Close()
			dir := t.TempDir()
			test.before.dir, test.after.dir = dir, dir
			connect(t, dir, server.URL)
			writeFiles(test.before, org)
			goOn(test.after, org)
			goOnWriting(test.after, org)
			test.after.run(rangeArgs("range.ndjson")...)
			wantEvents(test.after, filepath.Join(dir, "range.ndjson"), 0)
		})
	}
	t.Run("old runner with the new module", func(t *testing.T) {
		org := compat.NewOrg(storedBefore)
		server := httptest.NewServer(org)
		defer server.Close()
		r := older.with(newer.module)
		r.t, r.dir = t, t.TempDir()
		connect(t, r.dir, server.URL)
		if out, err := r.command("describe").CombinedOutput(); err != nil {
			// An old runner may refuse a new module, with a message that says so.
			if !bytes.Contains(out, []byte("manifest")) || bytes.Count(bytes.TrimSpace(out), []byte("\n")) > 0 {
				t.Errorf("the old runner refuses the new module, and not in one sentence about its manifest: %s", out)
			}
			t.Skipf("the old runner refuses the new module: %s", out)
		}
		writeFiles(r, org)
		goOn(r, org)
		goOnWriting(r, org)
	})
}

// TestV0_WithMakeFlag_IsWritten writes testdata/v0: go test ./cmd/wasm-runner -run TestV0_ -make-v0.
func TestV0_WithMakeFlag_IsWritten(t *testing.T) {
	if !*makeV0 {
		t.Skip("runs with -make-v0 alone")
	}
	binary, wasm := compat.Runner(t, t.TempDir())
	org := compat.NewOrg(storedBefore)
	server := httptest.NewServer(org)
	defer server.Close()
	r := compatRunner{t, "old runner", binary, wasm, t.TempDir()}
	connect(t, r.dir, server.URL)
	writeFiles(r, org)
	old, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(compat.Dir(t), name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(compat.ModuleFile, enc.EncodeAll(old, nil))
	err = filepath.WalkDir(r.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".lock") || d.Name() == "range.ndjson" {
			return err
		}
		b, err := os.ReadFile(path)
		put(filepath.Base(path), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
