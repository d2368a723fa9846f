package query

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/sql"
)

// newSQLOptions returns options with the defaults of the flags, and the given standard input.
func newSQLOptions(t *testing.T, stdin string) *sqlOptions {
	t.Helper()
	a := cli.NewApp(cli.Streams{Stdin: strings.NewReader(stdin), Stdout: &strings.Builder{}, Stderr: &strings.Builder{}}, os.LookupEnv)
	_, stop := a.Begin(nil)
	t.Cleanup(stop)
	return &sqlOptions{app: a, printer: printer{app: a, format: "table"}, config: sql.Config{Limits: sql.Limits{Pages: 1, Time: time.Hour}}, maxMemory: minMemory}
}

func TestReadScript_FromEachPlace_IsTheSame(t *testing.T) {
	const script = "SELECT 1;\nSELECT 2;\n"
	file := filepath.Join(t.TempDir(), "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*sqlOptions){
		"argument":       func(o *sqlOptions) { o.query, o.given = script, true },
		"file":           func(o *sqlOptions) { o.file = file },
		"standard input": func(*sqlOptions) {},
		"dash":           func(o *sqlOptions) { o.query, o.given = "-", true },
		"file dash":      func(o *sqlOptions) { o.file = "-" },
	} {
		o := newSQLOptions(t, script)
		set(o)
		if got, interactive, err := o.readScript(); got != script || interactive || err != nil {
			t.Errorf("%s: %q, %v, %v", name, got, interactive, err)
		}
	}
}

func TestReadScript_OverTheLimit_IsAUsageError(t *testing.T) {
	o := newSQLOptions(t, strings.Repeat(" ", maxScript+1))
	_, _, err := o.readScript()
	if usage := (cli.UsageError{}); !errors.As(err, &usage) || !strings.Contains(err.Error(), "want at most 16777216 bytes") {
		t.Errorf("%v", err)
	}
}

func TestSQLOptions_ThatContradictEachOther_AreAUsageError(t *testing.T) {
	if err := newSQLOptions(t, "").check(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for want, set := range map[string]func(*sqlOptions){
		"contradict each other: give one": func(o *sqlOptions) { o.query, o.given, o.file = "SELECT 1", true, "a.sql" },
		"want 8 MiB or more":              func(o *sqlOptions) { o.maxMemory = minMemory - 1 },
		"greater than 0":                  func(o *sqlOptions) { o.maxMemory = 0 },
		"both come from":                  func(o *sqlOptions) { o.app.Flags.Config = "-" },
		`found "parquet"`:                 func(o *sqlOptions) { o.printer.format = "parquet" },
		"must be greater than 0":          func(o *sqlOptions) { o.config.Limits.Pages = 0 },
	} {
		o := newSQLOptions(t, "")
		set(o)
		err := o.check()
		if usage := (cli.UsageError{}); !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestCommandOf_WithinAStatement_IsSQL(t *testing.T) {
	for _, c := range []struct {
		unfinished, line, want string
	}{
		{"", ".tables", ".tables"}, {"", ".mode  csv ;", ".mode csv"}, {"", "quit", ".quit"}, {"", "SELECT 1;", ""},
		{"SELECT\n", ".5;", ""}, {"SELECT\n", "help", ""}, {"SELECT\n", ".quit", ".quit"}, {"", "EXIT;", ".exit"},
	} {
		sh := &shell{unfinished: c.unfinished}
		if got := strings.Join(sh.commandOf(c.line), " "); got != c.want {
			t.Errorf("%q after %q: %q, want %q", c.line, c.unfinished, got, c.want)
		}
	}
}
