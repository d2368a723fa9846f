package source

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink/httpsink"
)

func TestParseSize_OfEachUnit_IsBytes(t *testing.T) {
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

func TestOutOptions_Mistakes_AreExplained(t *testing.T) {
	for name, c := range map[string]struct {
		flags outOptions
		want  string
	}{
		"a size of stdout":         {outOptions{out: "-", format: "auto", rotateSize: "1MiB"}, "are for a file"},
		"a size without its unit":  {outOptions{out: "a", format: "auto", rotateSize: "256"}, "--rotate-size: 256 without a unit is 256 bytes, less than one page: write 256MiB, for example"},
		"a size that is none":      {outOptions{out: "a", format: "auto", rotateSize: "big"}, "--rotate-size: want a number of bytes"},
		"a format of a file":       {outOptions{out: "a", format: "bulk"}, "for an http or https address"},
		"a format that is not":     {outOptions{out: "https://a", format: "csv"}, "--out-format: want auto, ndjson"},
		"a pasted authorization":   {outOptions{out: "https://a", format: "auto", authorization: "Bearer abcdef"}, "want a scheme and the place of a token"},
		"an authorization of file": {outOptions{out: "a", format: "auto", authorization: "Bearer env:A"}, "for an http or https address"},
	} {
		err := c.flags.check()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
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
		_ = os.Remove(path) // the case before may have made it
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
