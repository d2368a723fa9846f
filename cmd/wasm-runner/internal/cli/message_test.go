package cli

import (
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

func TestThousands_OfNumbers_AreGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("thousands(%d) = %s, want %s", n, got, want)
		}
	}
}

// TestLog_OfAWarning_IsASentence tests that warnings have the form of messages, or are JSON, and that lower levels have the form of
// slog.
func TestLog_OfAWarning_IsASentence(t *testing.T) {
	for _, c := range []struct {
		format, level string
		write         func(*slog.Logger)
		want          string // regular expression of stderr
	}{
		{"text", "warn", func(l *slog.Logger) { l.Warn("list_users: some are missing", "operation", "list_users") }, `^wasm-runner: list_users: some are missing\n$`},
		{"text", "warn", func(l *slog.Logger) { l.With("a", 1).Warn("two\nlines \x1b[2K", "reason", "x") }, `^wasm-runner: two; lines  \[2K \(a: 1, reason: x\)\n$`},
		{"text", "error", func(l *slog.Logger) { l.Warn("quiet") }, `^$`},
		{"text", "info", func(l *slog.Logger) { l.Info("source", "records", 1) }, `level=INFO msg=source records=1\n$`},
		{"json", "warn", func(l *slog.Logger) { l.Warn("list_users: some are missing", "operation", "list_users") }, `^\{"time":"[^"]+","level":"WARN","msg":"list_users: some are missing","operation":"list_users"\}\n$`},
	} {
		var stderr strings.Builder
		a := NewApp(Streams{Stderr: &stderr}, os.LookupEnv)
		a.Flags, a.JSON = Flags{LogFormat: c.format, LogLevel: c.level}, c.format == "json"
		c.write(a.Logger())
		if !regexp.MustCompile(c.want).MatchString(stderr.String()) {
			t.Errorf("%s, %s: %q, want %s", c.format, c.level, stderr.String(), c.want)
		}
	}
}

func TestMessage_OfSeveralLines_IsOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		"two\nlines\r\n":       "two; lines",
		"\x1b[31mred\x1b[0m\t": " [31mred [0m ",
		"Zoë 日本":               "Zoë 日本",
		"a\u009b31m\u202eb":    "a 31m b",
	} {
		if got := term.OneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
	var b strings.Builder
	a := NewApp(Streams{Stderr: &b}, os.LookupEnv)
	a.Warnf("%s", strings.Repeat("é", 1000))
	if n := len(b.String()); n > maxMessage+20 || !strings.HasSuffix(b.String(), "…\n") {
		t.Errorf("a line of %d bytes", n)
	}
}
