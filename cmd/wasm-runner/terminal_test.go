//go:build linux || darwin

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/sql"
)

// gate is a handler in front of an org that can block requests, so that a test knows what Ctrl-C interrupts.
type gate struct {
	org     *oktatest.Org
	hold    string // requests whose path has this text are blocked; "" for none
	skip    int    // the number of them that pass first
	arrived chan struct{}

	mu   sync.Mutex
	seen int
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.hold != "" && strings.Contains(r.URL.Path, g.hold) {
		g.mu.Lock()
		g.seen++
		blocked := g.seen > g.skip
		if g.seen == g.skip+1 {
			close(g.arrived)
		}
		g.mu.Unlock()
		if blocked {
			<-r.Context().Done()
			return
		}
	}
	g.org.ServeHTTP(w, r)
}

// screenCase is a command that draws on the screen or asks a question.
type screenCase struct {
	name string
	args []string
	hold string // Ctrl-C comes during this request; "" is when reach returns
	skip int

	reach func(k *keyboard, dir string) // returns when the command can be interrupted or ended
	end   func(k *keyboard)             // ends the command; nil if it ends by itself
	code  int
	shows []string // regular expressions of lines of the last screen

	brief       bool // too short to be interrupted
	stopped     int  // exit code after Ctrl-C
	stopShows   []string
	stopLeave   func(k *keyboard) // ends a command that Ctrl-C does not end
	freeOfWidth *regexp.Regexp    // lines that may be wider than the terminal
}

func screenCases() []screenCase {
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	written := func(n int) func(*keyboard, string) {
		return func(k *keyboard, dir string) {
			k.t.Helper()
			for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
				text, _ := os.ReadFile(filepath.Join(dir, "out.ndjson")) // not there yet
				if strings.Count(string(text), "\n") >= n {
					return
				}
			}
			k.t.Fatalf("%d records did not come: %q", n, k.raw())
		}
	}
	prompt := func(k *keyboard, _ string) { k.await(`sql> `) }
	quit := func(k *keyboard) { k.keys(".quit\r") }
	cases := []screenCase{
		{name: "source", args: []string{"source", "poll_system_log_page", "--no-checkpoint", "--source-config", `{"page_size":100}`, "--out", "out.ndjson"},
			hold: "/logs", skip: 1, shows: []string{`^250 records  3 pages`}, stopped: cli.ExitInterrupted, stopShows: []string{`^\d+ records?`, `^wasm-runner: interrupted after \d+ records`}},
		{name: "source to the terminal", args: []string{"source", "poll_system_log_page", "--no-checkpoint", "--source-config", `{"page_size":100}`},
			hold: "/logs", shows: []string{`"uuid":`}, stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: interrupted after 0 records`}, freeOfWidth: regexp.MustCompile(`^\{`)},
		{name: "source --follow", args: []string{"source", "poll_system_log_page", "--no-checkpoint", "--follow", "--source-config", `{"page_size":100}`, "--out", "out.ndjson"},
			reach: written(250), end: func(k *keyboard) { k.keys("\x03") }, shows: []string{`^250 records  \d+ pages`}, stopShows: []string{`^250 records  \d+ pages`}},
		{name: "backfill", args: []string{"backfill", "--since", day(-1), "--until", day(1), "--page-size", "100", "--checkpoint", "cp.json", "--out", "out.ndjson"},
			hold: "/logs", skip: 1, shows: []string{`^250 records  3 pages.*  \d+%`, `^wasm-runner: --until .* is in the future`}, stopped: cli.ExitInterrupted,
			stopShows: []string{`^\d+ records?`, `^wasm-runner: interrupted after \d+ records`}},
		{name: "table", args: []string{"table", "list_users", "--limit", "5"}, hold: "/users", shows: []string{`^login`, `@example\.com|…`}, stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: list_users: interrupted`}},
		{name: "table of named columns", args: []string{"table", "list_users", "--limit", "5", "--columns", "id,login,status,created,display_name,email"}, hold: "/users",
			shows: []string{`^id `, `^00u`}, stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: list_users: interrupted`}},
		{name: "invoke", args: []string{"invoke", "lookup_user", `{"user":"alan.turing@example.com"}`}, hold: "/users", shows: []string{`^lookup_user: succeeded`, `^  "id": "00u`, `^    "lastName": "Turing",$`},
			stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: lookup_user: interrupted`}},
		{name: "invoke that changes members", args: []string{"invoke", "update_user", `{"user":"alan.turing@example.com","profile":{"title":"Logician"}}`}, hold: "/users",
			shows: []string{`^update_user: succeeded`, `^  profile\.title .*→`}, stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: update_user: interrupted`}},
		{name: "invoke --plan", args: []string{"invoke", "update_user", `{"user":"alan.turing@example.com","profile":{"title":"Logician"}}`, "--plan"}, hold: "/users",
			shows:   []string{`^update_user on okta has class write\.`, `^It would change:$`, `^  profile\.title .*→`, `^What is there now:$`, `^wasm-runner: update_user: nothing was sent: 1 write would be sent`},
			stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: update_user: interrupted`}},
		{name: "invoke with approval", args: []string{"invoke", "deactivate_user", `{"user":"alan.turing@example.com"}`},
			reach: func(k *keyboard, _ string) { k.await(`Send it\?.* \[y/N\] `) }, end: func(k *keyboard) { k.keys("y\r") },
			shows: []string{`^deactivate_user: succeeded`, `ACTIVE →`}, stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: deactivate_user: interrupted: .*no answer`}},
		{name: "check", args: []string{"check"}, hold: "/", shows: []string{`module`, `quota`}, stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: interrupted`}},
	}
	cases = append(cases,
		screenCase{name: "describe", args: []string{"describe"}, brief: true, shows: []string{`wasm-runner describe OP`}},
		screenCase{name: "describe an operation", args: []string{"describe", "list_users"}, brief: true, shows: []string{`Outcomes and exit codes`},
			freeOfWidth: regexp.MustCompile(`^  wasm-runner `)})
	if old, err := filepath.Abs(filepath.Join("..", "..", "testdata", "v0", "audit.ndjson")); err == nil {
		cases = append(cases, screenCase{name: "audit", args: []string{"audit", old}, brief: true, shows: []string{`^(when|operation) +`, `outcome`, `succeeded`}})
	}
	if sql.Available {
		cases = append(cases,
			screenCase{name: "sql", args: []string{"sql", "SELECT login, status, created, record FROM okta.users LIMIT 3"}, hold: "/users", shows: []string{`^login  `, `@example\.com|…`},
				stopped: cli.ExitInterrupted, stopShows: []string{`^wasm-runner: interrupted`}},
			screenCase{name: "sql shell", args: []string{"sql"}, reach: prompt, end: func(k *keyboard) {
				k.keys("SELECT id, login, status, record FROM okta.users LIMIT 2;\r")
				k.await(`2 rows, `)
				k.await(`sql> `)
				quit(k)
			}, shows: []string{`^id`, `^00u`, `^2 rows`}, stopShows: []string{`^sql> `}, stopLeave: quit, freeOfWidth: regexp.MustCompile(`^DuckDB over |^sql> |^  -> `)},
			screenCase{name: "sql shell, in a statement", args: []string{"sql"}, hold: "/users", reach: func(k *keyboard, _ string) {
				k.await(`sql> `)
				k.keys("SELECT count(*) FROM okta.users;\r")
			}, end: func(k *keyboard) {
				k.await(`1 row, `)
				k.await(`sql> `)
				quit(k)
			}, shows: []string{`^1 row, `}, stopShows: []string{`stopped`}, stopLeave: func(k *keyboard) {
				k.await(`stopped`)
				k.await(`sql> `)
				quit(k)
			}, freeOfWidth: regexp.MustCompile(`^DuckDB over |^sql> `)})
	}
	return cases
}

// screenModes returns kinds of terminals, with a check of the bytes that each received.
func screenModes() []struct {
	name  string
	pty   ptyOptions
	right func(c screenCase, k *keyboard) error
} {
	type mode = struct {
		name  string
		pty   ptyOptions
		right func(c screenCase, k *keyboard) error
	}
	return []mode{
		{"xterm", ptyOptions{}, func(screenCase, *keyboard) error { return nil }},
		{"dumb", ptyOptions{env: []string{"TERM=dumb"}}, func(_ screenCase, k *keyboard) error {
			if at := regexp.MustCompile("\x1b|\r[^\r\n]|\b").FindStringIndex(k.raw()); at != nil {
				return fmt.Errorf("%q was sent", k.raw()[at[0]:min(at[1]+20, len(k.raw()))])
			}
			return nil
		}},
		{"40 columns", ptyOptions{columns: 40}, func(c screenCase, k *keyboard) error {
			for _, line := range k.unwrapped() {
				message := strings.HasPrefix(strings.TrimPrefix(line, "^C"), "wasm-runner: ")
				if !message && (c.freeOfWidth == nil || !c.freeOfWidth.MatchString(line)) && runewidth.StringWidth(line) > 40 {
					return fmt.Errorf("a line has %d columns: %q", runewidth.StringWidth(line), line)
				}
			}
			return nil
		}},
		{"NO_COLOR", ptyOptions{env: []string{"NO_COLOR=1"}}, func(_ screenCase, k *keyboard) error {
			if color := regexp.MustCompile("\x1b\\[[0-9;]*m").FindString(k.raw()); color != "" {
				return fmt.Errorf("%q was sent", color)
			}
			return nil
		}},
	}
}

// TestTerminals_OfEveryKind_ShowEachCommand runs every such command at every kind of terminal, to its end and until Ctrl-C.
func TestTerminals_OfEveryKind_ShowEachCommand(t *testing.T) {
	for i, c := range screenCases() {
		for j, mode := range screenModes() {
			for _, interrupted := range []bool{false, true} {
				name := c.name + "/" + mode.name + "/"
				if interrupted && c.brief {
					continue
				}
				if testing.Short() && (mode.name == "NO_COLOR" || interrupted && i%2 != 0 || mode.name != "xterm" && (interrupted || (i+j)%4 != 0)) {
					continue // the long run has them
				}
				if interrupted {
					name += "Ctrl-C"
				} else {
					name += "end"
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					g := &gate{org: oktatest.New(oktatest.Config{}), arrived: make(chan struct{})}
					if interrupted {
						g.hold, g.skip = c.hold, c.skip
					}
					server := httptest.NewServer(g)
					t.Cleanup(server.Close)
					o := mode.pty
					o.dir = t.TempDir()
					o.env = append(slices.Clone(o.env), "PTY_TEST_TOKEN="+g.org.Token())
					config := filepath.Join(o.dir, "okta.yaml")
					text := fmt.Sprintf("connections:\n  - {name: okta, kind: okta, base_url: %q, token_secret_ref: env:PTY_TEST_TOKEN, allow_private_network: true, "+
						"grants: [read, write, destructive], approve: [destructive]}\n", server.URL)
					if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
					k := onPty(t, o, append([]string{"--config", config}, c.args...)...)
					if c.reach != nil {
						c.reach(k, o.dir)
					}
					code, shows := c.code, c.shows
					if interrupted {
						code, shows = c.stopped, c.stopShows
						if c.hold != "" {
							select {
							case <-g.arrived:
							case <-time.After(patience):
								t.Fatalf("no request to interrupt: %q", k.raw())
							}
						}
						k.keys("\x03")
						if c.stopLeave != nil {
							c.stopLeave(k)
						}
					} else if c.end != nil {
						c.end(k)
					}
					if got := k.wait(); got != code {
						t.Errorf("exit code %d, want %d", got, code)
					}
					screen := k.lines()
					shown := append(slices.Clone(screen), k.unwrapped()...)
					for _, pattern := range shows {
						if !slices.ContainsFunc(shown, regexp.MustCompile(pattern).MatchString) {
							t.Errorf("no line is %s", pattern)
						}
					}
					if got := screen[len(screen)-1]; strings.Contains(got, "^C") && !strings.HasPrefix(got, "sql> ") {
						t.Errorf("the last line is %q", got)
					}
					if err := mode.right(c, k); err != nil {
						t.Error(err)
					}
					if t.Failed() || testing.Verbose() {
						t.Logf("the screen:\n%s", strings.Join(screen, "\n"))
					}
				})
			}
		}
	}
}

// TestProgress_AtATerminalOf12Columns_DoesNotWrap runs commands at a very narrow terminal. Status lines must fit, and all must end.
func TestProgress_AtATerminalOf12Columns_DoesNotWrap(t *testing.T) {
	const columns = 12
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	for name, c := range map[string]struct {
		args  []string
		drawn bool // a line that is drawn over
	}{
		"source":   {[]string{"source", "poll_system_log_page", "--no-checkpoint", "--source-config", `{"page_size":100}`, "--out", "out.ndjson"}, true},
		"backfill": {[]string{"backfill", "--since", day(-1), "--until", day(1), "--page-size", "100", "--checkpoint", "cp.json", "--out", "out.ndjson"}, true},
		"table":    {[]string{"table", "list_users", "--limit", "5"}, false},
		"check":    {[]string{"check"}, false},
		"describe": {[]string{"describe", "list_users"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := onPty(t, ptyOptions{columns: columns, dir: t.TempDir()}, append([]string{"--demo"}, c.args...)...)
			if code := k.wait(); code != 0 || strings.Contains(k.raw(), "panic") {
				t.Fatalf("exit code %d: %q", code, k.raw())
			}
			for _, line := range k.unwrapped() {
				if c.drawn && !strings.HasPrefix(line, "wasm-runner: ") && len(line) > columns-term.EchoColumns {
					t.Errorf("a line of %d columns: %q", len(line), line)
				}
			}
		})
	}
}

// TestInvoke_WithFormatJSON_AtATerminal_IsOneLine wants the JSON of a pipe.
func TestInvoke_WithFormatJSON_AtATerminal_IsOneLine(t *testing.T) {
	k := onPty(t, ptyOptions{}, "--demo", "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`, "--format", "json")
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	lines := k.unwrapped()
	if !strings.HasPrefix(lines[0], `{"operation":"lookup_user","outcome":"succeeded","output":{"id":"00u`) || !strings.Contains(lines[0], `"_links":`) || len(lines) != 2 {
		t.Errorf("%q", lines)
	}
}

// TestInvoke_ThatFails_AtATerminal_SaysSoOnce wants the message on stderr alone.
func TestInvoke_ThatFails_AtATerminal_SaysSoOnce(t *testing.T) {
	k := onPty(t, ptyOptions{}, "--demo", "invoke", "lookup_user", `{"user":"nobody@example.com"}`)
	if code := k.wait(); code != 4 {
		t.Errorf("exit code %d", code)
	}
	if text := strings.TrimSpace(k.raw()); !strings.HasPrefix(text, "wasm-runner: lookup_user: not_found: ") || strings.Count(text, "not_found") != 1 {
		t.Errorf("%q", text)
	}
}

// TestTable_AtATerminal_ShowsUsefulColumns wants the columns that the manifest marks, and of JSON the part that it
// names. A pipe gets the first columns in their order.
func TestTable_AtATerminal_ShowsUsefulColumns(t *testing.T) {
	now := time.Now().UTC()
	events := fmt.Sprintf(`{"since":%q,"until":%q}`, now.Add(-24*time.Hour).Format(time.RFC3339), now.Format(time.RFC3339))
	for _, c := range []struct {
		operation, input string
		columns          int
		header, row      string
	}{
		{"bounded_system_log_range", events, 140, `^published +actor_alternate_id +client_ip +event_type +outcome_result +target$`, `^20\d\d-\S+ \S+Z +\S+@\S+ +[\d.]+ +[a-z]\S+ +[A-Z]+ +[A-Z]`},
		{"bounded_system_log_range", events, 60, `^published +actor_alternate_id +client_ip$`, `^20\d\d-\S+ \S+Z +\S+@\S+`},
		{"list_zones", `{}`, 140, `^name +type +gateways +usage +status +(locations +)?id$`, `^BlockedIpZone +IP +([\d./-]+,? ?)* +BLOCKLIST`},
		{"list_users", `{}`, 120, `^login +status +first_name +last_name`, `^ada\.lovelace@example\.com +ACTIVE +Ada +Lovelace`},
	} {
		t.Run(fmt.Sprintf("%s at %d columns", c.operation, c.columns), func(t *testing.T) {
			t.Parallel()
			k := onPty(t, ptyOptions{columns: c.columns}, "--demo", "table", c.operation, c.input, "--limit", "10")
			if code := k.wait(); code != 0 {
				t.Errorf("exit code %d: %q", code, k.raw())
			}
			lines := k.unwrapped()
			if !regexp.MustCompile(c.header).MatchString(lines[0]) || !slices.ContainsFunc(lines, regexp.MustCompile(c.row).MatchString) {
				t.Errorf("want lines of %s and %s, got\n%s", c.header, c.row, strings.Join(lines, "\n"))
			}
			for _, line := range lines {
				if !strings.HasPrefix(line, "wasm-runner: ") && runewidth.StringWidth(line) > c.columns {
					t.Errorf("a line of %d columns: %q", runewidth.StringWidth(line), line)
				}
			}
		})
	}
	piped := runIn(t, t.TempDir(), module(t), "", nil, "--demo", "table", "bounded_system_log_range", events, "--limit", "1")
	if !regexp.MustCompile(`^uuid +published +event_type +version`).MatchString(piped.stdout) {
		t.Errorf("in a pipe: %s", piped.stdout)
	}
}

// TestBackfill_AtATerminal_Ends runs a backfill of several pages, with its status line.
func TestBackfill_AtATerminal_Ends(t *testing.T) {
	out := filepath.Join(t.TempDir(), "events.ndjson")
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	k := onPty(t, ptyOptions{}, "--demo", "backfill", "--since", day(-1), "--until", day(1), "--page-size", "100", "--out", out)
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	records, err := os.ReadFile(out)
	if n := strings.Count(string(records), "\n"); err != nil || n != 250 {
		t.Errorf("%d records, %v; want 250", n, err)
	}
	if lines := k.lines(); len(lines) == 0 || !strings.HasPrefix(lines[0], "250 records") {
		t.Errorf("the screen shows %q", lines)
	}
}

// TestBackfill_AtATerminal_SaysThatItIsComplete reads a range in the past.
func TestBackfill_AtATerminal_SaysThatItIsComplete(t *testing.T) {
	out := filepath.Join(t.TempDir(), "events.ndjson")
	at := func(ago time.Duration) string { return time.Now().UTC().Add(-ago).Format(time.RFC3339) }
	k := onPty(t, ptyOptions{}, "--demo", "backfill", "--since", at(48*time.Hour), "--until", at(10*time.Minute), "--page-size", "100", "--out", out)
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	text := strings.Join(k.lines(), "\n")
	if !strings.Contains(text, "100%") || !regexp.MustCompile(`wasm-runner: complete: \d+ records in this run`).MatchString(text) {
		t.Errorf("the screen shows %q", text)
	}
}

// TestFollow_AtATerminal_SaysHowManyThereWere interrupts a follower and reads its last line.
func TestFollow_AtATerminal_SaysHowManyThereWere(t *testing.T) {
	dir := t.TempDir()
	k := onPty(t, ptyOptions{}, "--demo", "source", "poll_system_log_page", "--follow", "--checkpoint", filepath.Join(dir, "cp.json"),
		"--out", filepath.Join(dir, "events.ndjson"))
	for deadline := time.Now().Add(patience); reached(t, dir) < 250; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was written")
		}
	}
	if err := k.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if text := strings.Join(k.lines(), "\n"); !regexp.MustCompile(`wasm-runner: ended by a signal after \d+ records`).MatchString(text) {
		t.Errorf("the screen shows %q", text)
	}
}

// TestShell_ExitQuitAndHelp_WorkWithoutADot types the commands of other shells.
func TestShell_ExitQuitAndHelp_WorkWithoutADot(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	for _, c := range []struct{ name, keys string }{
		{"exit", "exit\r"}, {"quit", "QUIT;\r"}, {"a dot", ".exit\r"},
		{"a dot in the middle of a statement", "SELECT 1\r.quit\r"},
		{"help, then Ctrl-D", "help\r\x04"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := onPty(t, ptyOptions{}, "--demo", "sql")
			k.await(`sql> `)
			for _, line := range strings.SplitAfter(c.keys, "\r") {
				k.keys(line)
				if line == "help\r" {
					k.await(`A statement ends with a semicolon`)
					k.await(`sql> `)
				}
				if strings.HasPrefix(line, "SELECT") {
					k.await(`  -> `)
				}
			}
			if code := k.wait(); code != 0 {
				t.Errorf("exit code %d: %q", code, k.raw())
			}
		})
	}
}

// TestShell_AtADumbTerminal_CtrlC_DropsTheStatement interrupts a half-typed statement.
func TestShell_AtADumbTerminal_CtrlC_DropsTheStatement(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	k := onPty(t, ptyOptions{env: []string{"TERM=dumb"}}, "--demo", "sql")
	k.await(`sql> `)
	k.keys("SELECT 'half\r")
	k.await(`  -> `)
	k.keys("\x03")
	k.await(`\nsql> `)
	k.keys("SELECT 7 AS seven;\r")
	k.await(`seven\r\n7\r\n`)
	k.keys("exit\r")
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestShell_Hints_NameItsOwnCommands shows a table that is too wide, and reads a file without --allow-files.
func TestShell_Hints_NameItsOwnCommands(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	k := onPty(t, ptyOptions{columns: 60}, "--demo", "sql")
	k.await(`sql> `)
	k.keys("FROM okta.users LIMIT 1;\r")
	k.await(`more columns do not fit: select fewer of them, or write \.mode csv`)
	k.await(`sql> `)
	k.keys("FROM read_csv('x.csv');\r")
	k.await(`--allow-files allows them`)
	k.await(`sql> `)
	k.keys("exit\r")
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestLogFormatJSON_AtATerminal_HasOnlyJSON wants only JSON on stderr, which is the terminal: no status line, banner
// or question.
func TestLogFormatJSON_AtATerminal_HasOnlyJSON(t *testing.T) {
	dir := t.TempDir()
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	k := onPty(t, ptyOptions{dir: dir}, "--log-format", "json", "--demo", "backfill", "--since", day(-1), "--until", day(1), "--out", "out.ndjson")
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if lines := jsonLines(t, strings.ReplaceAll(k.raw(), "\r\n", "\n")); len(lines) != 1 || !strings.Contains(lines[0].Msg, "is in the future") {
		t.Errorf("%q", k.raw())
	}
}
