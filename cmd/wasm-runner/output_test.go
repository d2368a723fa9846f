package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink/httpsink"
)

// TestAReaderThatGoesAway closes the pipe that a source writes to.
func TestAReaderThatGoesAway(t *testing.T) {
	r := newDemoRunner(t)
	checkpoint := filepath.Join(t.TempDir(), "cp.json")
	cmd := r.command("--demo", "source", "poll_system_log_page", "--checkpoint", checkpoint)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = write, &stderr
	err = cmd.Run()
	_ = write.Close()
	want := "wasm-runner: standard output was closed by its reader: the page in hand is not checkpointed and comes again\n"
	if cmd.ProcessState.ExitCode() != codeFailed || stderr.String() != want {
		t.Errorf("exit code %d, %v, stderr %q", cmd.ProcessState.ExitCode(), err, stderr.String())
	}
	if _, err := os.Stat(checkpoint); !os.IsNotExist(err) {
		t.Errorf("a checkpoint was saved: %v", err)
	}

	cmd = r.command("--demo", "source", "poll_system_log_page", "--no-checkpoint")
	if read, write, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	stderr.Reset()
	cmd.Stdout, cmd.Stderr = write, &stderr
	_ = cmd.Run() // it fails, and says why
	_ = write.Close()
	if want := "wasm-runner: standard output was closed by its reader\n"; stderr.String() != want {
		t.Errorf("without a checkpoint: %q", stderr.String())
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1": 1, "1048576": 1 << 20, "256MiB": 256 << 20, "2 GiB": 2 << 30, "10KB": 10_000, "1KiB": 1024} {
		if n, err := parseSize(text); n != want || err != nil {
			t.Errorf("%q: %d, %v; want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"x", "-1", "0", "1.5MiB", "MiB", "1TiB", "9999999999GiB", "1mib"} {
		if n, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, n)
		}
	}
}

func TestWhatIsNoOutputIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		flags outFlags
		want  string
	}{
		"a size of stdout":         {outFlags{out: "-", format: "auto", rotateSize: "1MiB"}, "are for a file"},
		"a size without its unit":  {outFlags{out: "a", format: "auto", rotateSize: "256"}, "--rotate-size: 256 without a unit is 256 bytes, less than one page: write 256MiB or similar"},
		"a size that is none":      {outFlags{out: "a", format: "auto", rotateSize: "big"}, "--rotate-size: want a number of bytes"},
		"a format of a file":       {outFlags{out: "a", format: "bulk"}, "for an http or https address"},
		"a format that is not":     {outFlags{out: "https://a", format: "csv"}, "no out-format"},
		"a pasted authorization":   {outFlags{out: "https://a", format: "auto", authorization: "Bearer abcdef"}, "want a scheme and a reference"},
		"an authorization of file": {outFlags{out: "a", format: "auto", authorization: "Bearer env:A"}, "for an http or https address"},
	} {
		err := c.flags.check()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestTimes_AnyPrecision_SortAsText: rows have times as Okta writes them, in every format.
func TestTimes_AnyPrecision_SortAsText(t *testing.T) {
	at := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	for value, want := range map[time.Time]string{
		at:                             "2026-11-29T20:00:00.000Z",
		at.Add(50 * time.Millisecond):  "2026-11-29T20:00:00.050Z",
		at.Add(51 * time.Millisecond):  "2026-11-29T20:00:00.051Z",
		at.Add(500 * time.Microsecond): "2026-11-29T20:00:00.000500Z",
		at.Add(7 * time.Nanosecond):    "2026-11-29T20:00:00.000000007Z",
		at.In(time.FixedZone("x", 60)): "2026-11-29T20:00:00.000Z",
	} {
		text, err := jsonValue(value)
		if got := plainText(value); got != want || err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%s and %s, want %s", got, text, want)
		}
	}
}

// TestReadFirst_OfAnEmptyFile_ReadsItAgain: a new token is on its way into it. What else is wrong is said at once.
func TestReadFirst_OfAnEmptyFile_ReadsItAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for name, c := range map[string]struct {
		before, after string // in the file; "-" is no file
		reads         int
		fails         bool
	}{
		"empty, then whole": {"", "x", 2, false},
		"whole":             {"x", "x", 1, false},
		"no token":          {"a b", "x", 1, true},
		"no file":           {"-", "x", 1, true},
	} {
		_ = os.Remove(path) // of the case before
		if c.before != "-" {
			if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		reads := 0
		value, err := readFirst(t.Context(), httpsink.Authorizer{Read: func(ctx context.Context) (secrets.Value, error) {
			if reads++; reads == 2 {
				if err := os.WriteFile(path, []byte(c.after), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			return secrets.Default{}.Resolve(ctx, "file:"+path)
		}}, "file:"+path)
		if reads != c.reads || (err != nil) != c.fails || !c.fails && value.Reveal() != c.after {
			t.Errorf("%s: %d reads, %v", name, reads, err)
		}
	}
}
