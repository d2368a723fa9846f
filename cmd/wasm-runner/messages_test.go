package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/sql"
)

// ran is the result of a run.
type ran struct {
	stdout, stderr string
	code           int
}

// runIn runs the runner in a folder, with a text on standard input.
func runIn(t *testing.T, dir, module, stdin string, env []string, args ...string) ran {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr strings.Builder
	cmd := &exec.Cmd{Path: self, Args: append([]string{"wasm-runner"}, args...), Dir: dir, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasSuffix(strings.ToUpper(name), "_PROXY") && name != "XDG_CONFIG_HOME" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, "WASM_RUNNER_MODULE="+module, "XDG_CONFIG_HOME="+dir), env...)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ran{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// mistake is a wrong command line with the message that it must print.
type mistake struct {
	args  []string
	stdin string
	env   []string
	code  int
	says  string // regular expression of the one line on stderr, behind "wasm-runner: "
}

// m returns a mistake with exit code 2.
func m(says string, args ...string) mistake {
	return mistake{args: args, says: says, code: cli.ExitUsage}
}

func mistakes(tlsPort, plainPort, deadPort string) []mistake {
	all := []mistake{
		// An operation instead of a command.
		m(`^unknown command "lookup_user": did you mean: wasm-runner invoke lookup_user …$`, "lookup_user", `{"user":"ada"}`),
		m(`^unknown command "lookup_user": did you mean: wasm-runner invoke lookup_user$`, "lookup_user"),
		m(`^unknown command "okta.lookup_user": did you mean: wasm-runner invoke lookup_user …$`, "okta.lookup_user", "{}", "--plan"),
		m(`^unknown command "lookup_usr": did you mean: wasm-runner invoke lookup_user …$`, "--demo", "lookup_usr", "{}"),
		m(`^unknown command "frobnicate": wasm-runner --help lists the commands$`, "frobnicate"),

		// Input that is not JSON.
		m(`^input: standard input is empty: write JSON, such as '\{"user":"ada\.lovelace@example\.com"\}'$`, "--demo", "invoke", "lookup_user", "-"),
		{stdin: " \n", args: []string{"--demo", "table", "lookup_user", "-"}, code: 2, says: `^input: standard input is empty: `},
		{stdin: `{"user":`, args: []string{"--demo", "invoke", "lookup_user", "-"}, code: 2, says: `^input: standard input is not JSON: it ends too early: a bracket or quote is not closed$`},
		m(`^input: not JSON: use double quotes inside, and single quotes around it: write '\{"user":"ada"\}'$`, "--demo", "invoke", "lookup_user", `{'user':'ada'}`),
		m(`: write '\{"user":"ada"\}'$`, "--demo", "invoke", "lookup_user", `{user:ada}`),
		m(`: write '\{"limit":5,"status":"ACTIVE"\}'$`, "--demo", "invoke", "list_users", `{limit:5,status:ACTIVE}`),
		m(`^input: not JSON: want an object: write '\{"user":"x"\}'$`, "--demo", "invoke", "lookup_user", "user=x"),
		m(`^input: not JSON: want an object: write '\{"user":"ada"\}'$`, "--demo", "invoke", "lookup_user", "ada"),
		m(`^input: not JSON: it ends too early: .*in a shell, put it into single quotes: '\{"user":`, "--demo", "invoke", "lookup_user", `{"user":"ada"`),
		m(`^input: not JSON: it has typographic quotes: write straight ones`, "--demo", "invoke", "lookup_user", `{“user”:“ada”}`),
		m(`^input: not JSON: there is a comma before a closing bracket: remove it$`, "--demo", "invoke", "lookup_user", `{"user":"ada",}`),
		m(`^input: not JSON: there is text after the object: give one object$`, "--demo", "invoke", "lookup_user", `{"user":"ada"}{"user":"bob"}`),
		m(`^lookup_user: invalid: user: it is empty: give the user's id or login; `, "--demo", "invoke", "lookup_user", `{"user":""}`),
		m(`did you mean lookup_user\?$`, "--demo", "invoke", "LOOKUP_USER", `{"user":"ada"}`),
		m(`^input: there is no file /.*/nofile\.json: the text after @ is the path of the file$`, "--demo", "invoke", "lookup_user", "@nofile.json"),
		m(`^input: /.*/empty is empty: write JSON, such as '`, "--demo", "invoke", "lookup_user", "@empty"),
		m(`^--source-config: not JSON: want an object: write '\{"filter":"x"\}'$`, "--demo", "source", "poll_system_log_page", "--source-config", "filter=x"),
		m(`^--source-config: not JSON: it ends too early`, "--demo", "source", "poll_system_log_page", "--source-config", "{"),
		m(`^--source-config: there is no file /.*/nofile: `, "--demo", "source", "poll_system_log_page", "--source-config", "@nofile"),

		// Flags.
		m(`^invalid argument "5" for "--timeout" flag: a time has a unit: write 5s, 5m or 5h: see `, "--demo", "--timeout", "5", "check"),
		m(`^invalid argument "soon" for "--timeout" flag: want a time with its unit, such as 5s, 10m or 1h: see `, "--demo", "--timeout", "soon", "check"),
		m(`^invalid argument "7" for "--poll-limit" flag: a time has a unit: write 7s, `, "--demo", "source", "poll_system_log_page", "--poll-limit", "7"),
		m(`^invalid argument "9{25}" for "--limit" flag: it is too large: at most 9223372036854775807: `, "--demo", "table", "list_users", "--limit", strings.Repeat("9", 25)),
		m(`^invalid argument "ten" for "--limit" flag: want a whole number: `, "--demo", "table", "list_users", "--limit", "ten"),
		m(`^--limit: want 0 or more: found -1$`, "--demo", "table", "list_users", "--limit", "-1"),
		m(`^list_users: invalid: limit: maximum: got 100000000000, want 100000\. `, "--demo", "table", "list_users", `{"limit":100000000000}`),
		m(`: folder /nonexistent does not exist: create it, or name another file$`, "--demo", "invoke", "lookup_user", `{"user":"ada.lovelace@example.com"}`, "--audit", "/nonexistent/a"),
		m(`: folder /nonexistent does not exist: create it, or name another file$`, "--demo", "--grant", "write", "invoke", "update_user", `{"user":"ada.lovelace@example.com","profile":{"title":"x"}}`, "--idempotency-key", "k", "--journal", "/nonexistent/j"),
		m(`folder /nonexistent does not exist: create it, or name another file$`, "--demo", "source", "poll_system_log_page", "--out", "/nonexistent/o"),
		m(`^completion: want bash, zsh, fish or powershell, found "tcsh"$`, "completion", "tcsh"),
		m(`^backfill takes no arguments and got "bounded_system_log_range": name an operation with --operation$`, "--demo", "backfill", "bounded_system_log_range", "--since", "-1h", "--until", "now"),
		m(`^--database: database /nonexistent/k.duckdb: folder /nonexistent does not exist: create it, or name another file$`, "--demo", "sql", "--database", "/nonexistent/k.duckdb", "SELECT 1"),
		m(`: tables of a connection can only be read: use an action to change the service$`, "--demo", "sql", "DELETE FROM okta.users"),
		m(`: tables of a connection can only be read: use an action to change the service$`, "--demo", "sql", "INSERT INTO okta.users VALUES (1)"),
		m(`: a query cannot change settings: --max-memory sets the memory limit$`, "--demo", "sql", "SET memory_limit = '1GB'"),
		m(`^user_lifecycle_action: invalid: action: want one of activate, .*, found "suspnd" \(did you mean suspend\?\)\. `, "--demo", "--grant", "destructive", "invoke", "user_lifecycle_action", `{"user":"ada.lovelace@example.com","action":"suspnd"}`),
		m(`^--idempotency-key: want a value, found an empty one: is a variable not set\? `, "--demo", "invoke", "lookup_user", `{"user":"x"}`, "--idempotency-key", ""),
		m(`^--audit: want a value, found an empty one: `, "--demo", "invoke", "lookup_user", `{"user":"x"}`, "--audit="),
		m(`^--grant: want a value, found an empty one: `, "--demo", "--grant", "", "invoke", "lookup_user", `{"user":"x"}`),
		m(`^--out: want a value, found an empty one: `, "--demo", "source", "poll_system_log_page", "--out", ""),
		m(`^list_users: invalid: the input has the number 1e99999: numbers have at most 128 characters, and exponents up to 400\. `, "--demo", "table", "list_users", `{"limit":1e99999}`),
		m(`^invalid argument "maybe" for "--follow" flag: want true or false: `, "--demo", "source", "poll_system_log_page", "--follow=maybe"),
		m(`^invalid argument "x" for "--events-per-second" flag: want a number, such as 0\.5 or 20: `, "simulate", "--events-per-second", "x"),
		m(`^invalid argument "a\\"b" for "--columns" flag: want names with commas between them: `, "--demo", "table", "list_users", "--columns", `a"b`),
		m(`^--grant: want read, write, destructive or privileged: found "wrote"\. Did you mean write\?$`, "--demo", "--grant", "wrote", "check"),
		m(`^--metrics: "99999" is not a port: want 0 to 65535`, "--demo", "source", "poll_system_log_page", "--out", "out.ndjson", "--metrics", "99999"),
		m(`^--out: want a file, or an http or https address: found ftp://$`, "--demo", "source", "poll_system_log_page", "--out", "ftp://example.com/x"),
		m(`^--out: localhost:9200/x/_bulk looks like an address: write http:// or https:// before it, or \./ for a file$`, "--demo", "source", "poll_system_log_page", "--out", "localhost:9200/x/_bulk"),
		m(`^--out: cannot write \.gz files: for a compressed file, name one that ends with \.zst, such as events\.ndjson\.zst$`, "--demo", "source", "poll_system_log_page", "--out", "events.ndjson.gz"),
		m(`^--since: want a time such as 2026-01-02T03:04:05Z, 2026-01-02, -24h, 2h ago, yesterday or now: found "2026-11-29T00:00:00"$`, "--demo", "backfill", "--since", "2026-11-29T00:00:00", "--until", "2026-11-30"),
		m(`^--audit: folder nowhere does not exist: create it, or name another file$`, "--demo", "invoke", "lookup_user", `{"user":"x"}`, "--audit", "nowhere/a"),
		m(`^--addr: want HOST:PORT, such as 127\.0\.0\.1:8080: found "127\.0\.0\.1:99999"$`, "simulate", "--addr", "127.0.0.1:99999"),

		m(`^input: since: want a time such as 2026-01-02T03:04:05Z, 2026-01-02, -24h, 2h ago, yesterday or now: found "24h"$`,
			"--demo", "table", "bounded_system_log_range", `{"since":"24h","until":"now"}`),
		m(`^input: until: want a time such as .*: found "soon"$`, "--demo", "invoke", "bounded_system_log_range", `{"since":"-24h","until":"soon"}`),
		m(`^--source-config: since: want a time such as .*: found "soon"$`, "--demo", "source", "poll_system_log_page", "--source-config", `{"since":"soon"}`),
		m(`^--format: want text or ndjson: found "csv"$`, "--demo", "inventory", "--snapshot", "none.snapshot", "--format", "csv"),
		m(`^--users: want at most 1000000, because they are kept in memory: found 100000000$`, "simulate", "--users", "100000000"),
		m(`^--snapshot: want a file, which the run reads and replaces: found -$`, "--demo", "inventory", "--snapshot", "-"),
		m(`^--snapshot: \. is not a regular file: name a file in a folder that can be written to$`, "--demo", "inventory", "--snapshot", "."),
		m(`^--ignore: want fields such as lastLogin or profile.title: found "profile\."$`, "--demo", "inventory", "--snapshot", "none.snapshot", "--ignore", "profile."),
		m(`^--since: want a time such as .*: found "soon"$`, "audit", "none", "--since", "soon"),

		// Operations on the wrong surface or with the wrong columns.
		m(`^list_users: invalid: list_users has no column "nope": there are id, login, .*record$`, "--demo", "table", "list_users", "--columns", "nope"),
		m(`^list_users: invalid: list_users has no column "LOGIN": did you mean login\?$`, "--demo", "table", "list_users", "--columns", "id, LOGIN"),
		m(`^list_users: invalid: list_users has no column "lgoin": did you mean login\?$`, "--demo", "table", "list_users", "--columns", "lgoin"),
		{args: []string{"--demo", "table", "deactivate_user", `{"user":"x"}`}, code: 2, says: `^deactivate_user: invalid: .*: use invoke$`},
		{args: []string{"--demo", "source", "deactivate_user"}, code: 2, says: `^deactivate_user: invalid: .*: use invoke$`},
		{args: []string{"--demo", "source", "list_users"}, code: 2, says: `^list_users: invalid: .*: use table or invoke$`},
		m(`^list_users: invalid: .*\(use search_users, which takes search\)`, "--demo", "table", "list_users", `{"search":"x"}`),
		m(`^list_groups: invalid: .*\(use search_groups, which takes search\)`, "--demo", "table", "list_groups", `{"search":"x"}`),
		m(`^revoke_role: invalid: .*additional properties 'role' not allowed[^(]*$`, "--demo", "invoke", "--grant", "privileged", "revoke_role", `{"user":"ada.lovelace@example.com","role":"SUPER_ADMIN"}`),

		// Connection files.
		m(`^tab\.yaml:3: .*begins with a tab`, "--config", "tab.yaml", "invoke", "lookup_user"),
		m(`^typo\.yaml:4: unknown field base_ulr: .*Did you mean base_url\? \(1 more fault: wasm-runner check lists all\)$`, "--config", "typo.yaml", "invoke", "lookup_user"),
		m(`^class\.yaml:6: grants: no class reed: .*Did you mean read\?$`, "--config", "class.yaml", "invoke", "lookup_user"),
		m(`^oauth\.yaml:5: field client_id: it belongs in oauth: write oauth: \{client_id: …\} with client_id and private_key_ref$`, "--config", "oauth.yaml", "invoke", "lookup_user"),
		m(`^connection "okta": secret file /.*/none: no such file or directory\. Write the secret into it, or name another as file:PATH$`, "--config", "nofile.yaml", "invoke", "lookup_user"),
		m(`^connection "okta": environment variable UNSET_TOKEN is not set\. Set it: export UNSET_TOKEN=<secret>$`, "--config", "unset.yaml", "invoke", "lookup_user"),
		m(`^two\.yaml: which connection\? There are okta-a, okta-b: use --connection NAME$`, "--config", "two.yaml", "invoke", "lookup_user"),

		// The network.
		{args: []string{"--config", "https.yaml", "table", "list_users"}, code: 7, says: `^list_users: unavailable: .*127\.0\.0\.1:` + plainPort + ` speaks http, but base_url says https`},
		{args: []string{"--config", "http.yaml", "table", "list_users"}, code: 7, says: `^list_users: unavailable: .*127\.0\.0\.1:` + tlsPort + ` speaks https, but base_url says http`},
		{args: []string{"--config", "dead.yaml", "table", "list_users"}, env: []string{"HTTPS_PROXY=http://127.0.0.1:3128"}, code: 7,
			says: `^list_users: unavailable: .*127\.0\.0\.1:` + deadPort + ` refuses connections.*; HTTPS_PROXY is set but not used: to use it, write proxy: environment into the connection`},
		{args: []string{"--config", "dead.yaml", "table", "list_users"}, env: []string{"all_proxy=socks5://127.0.0.1:3128"}, code: 7, says: `; all_proxy is set but not used`},
		{args: []string{"--config", "dead.yaml", "table", "list_users"}, env: []string{"HTTPS_PROXY=http://127.0.0.1:3128", "NO_PROXY=127.0.0.1"}, code: 7,
			says: `refuses connections: check base_url, and that the service is running$`},
	}
	if sql.Available {
		all = append(all,
			m(`^Permission Error: .*--allow-files allows them$`, "--demo", "sql", "FROM read_csv('x.csv')"),
			m(`^Permission Error: .*--allow-files allows them$`, "--demo", "sql", "FROM 'x.parquet'"),
			m(`^Permission Error: .*--allow-files allows them$`, "--demo", "sql", "COPY (SELECT 1) TO 'x.csv'"),
			m(`^invalid argument "5" for "--max-time" flag: a time has a unit: write 5s, `, "--demo", "sql", "--max-time", "5", "SELECT 1"),
			m(`^--max-memory: want 8 MiB or more, which DuckDB needs to start: found 1$`, "--demo", "sql", "--max-memory", "1", "SELECT 1"),
			m(`^"exports" is no query: to name a folder, write --allow-files=exports$`, "--demo", "sql", "--allow-files", "exports"),
			m(`^--max-pages, --max-time and --max-memory must be greater than 0$`, "--demo", "sql", "--max-memory", "-1", "SELECT 1"),
			m(`^deactivate_user: invalid: .*: use invoke$`, "--demo", "sql", `FROM connector_table('okta', 'deactivate_user', '{"user":"x"}')`))
		all[len(all)-1].says = `deactivate_user is not on the sql surface: use invoke$`
	}
	return all
}

// writeMistakes writes the files that the mistakes need.
func writeMistakes(t *testing.T, dir, tlsURL, plainURL, deadURL string) {
	t.Helper()
	connection := func(lines ...string) string {
		return "connections:\n  - name: okta\n    kind: okta\n    " + strings.Join(lines, "\n    ") + "\n"
	}
	at := func(url string) string {
		return connection("base_url: "+url, "token_secret_ref: file:token", "allow_private_network: true")
	}
	for name, text := range map[string]string{
		"empty": "\n", "token": "00aTokenOfATest\n",
		"tab.yaml":    "connections:\n  - name: okta\n\tkind: okta\n",
		"typo.yaml":   connection("base_ulr: https://example.okta.com"),
		"class.yaml":  connection("base_url: https://example.okta.com", "token_secret_ref: file:token", "grants: [reed]"),
		"oauth.yaml":  connection("base_url: https://example.okta.com", "client_id: 0oa1"),
		"nofile.yaml": connection("base_url: https://example.okta.com", "token_secret_ref: file:none"),
		"unset.yaml":  connection("base_url: https://example.okta.com", "token_secret_ref: env:UNSET_TOKEN"),
		"two.yaml": "connections:\n  - {name: okta-a, kind: okta, base_url: " + plainURL + ", token_secret_ref: file:token, allow_private_network: true}\n" +
			"  - {name: okta-b, kind: okta, base_url: " + deadURL + ", token_secret_ref: file:token, allow_private_network: true}\n",
		"https.yaml": at(strings.Replace(plainURL, "http:", "https:", 1)),
		"http.yaml":  at(strings.Replace(tlsURL, "https:", "http:", 1)),
		"dead.yaml":  at(deadURL),
		"good.yaml":  at(plainURL),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// world returns a folder with connection files: for an org, for one with https, and for one that is down. It returns their ports.
func world(t *testing.T) (dir, tlsPort, plainPort, deadPort string) {
	t.Helper()
	dir = t.TempDir()
	org := oktatest.New(oktatest.Config{Token: "00aTokenOfATest"})
	plain := httptest.NewServer(org)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(org)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	writeMistakes(t, dir, secure.URL, plain.URL, dead.URL)
	port := func(s *httptest.Server) string { return fmt.Sprint(s.Listener.Addr().(*net.TCPAddr).Port) }
	return dir, port(secure), port(plain), port(dead)
}

// goWords matches Go's own error texts, which must not reach people.
var goWords = regexp.MustCompile(`strconv\.|time: |parse error on line|invalid syntax|%!|goroutine|secret unavailable|connection not usable`)

// pointer matches the lines with which DuckDB points into a statement.
var pointer = regexp.MustCompile(`\nLINE \d+: .*\n +\^\n$`)

// TestMistakes_OfPeople_AreExplained makes common mistakes and checks the messages. With --log-format json the message must
// be one JSON object.
func TestMistakes_OfPeople_AreExplained(t *testing.T) {
	path := module(t)
	dir, tlsPort, plainPort, deadPort := world(t)
	for i, c := range mistakes(tlsPort, plainPort, deadPort) {
		if testing.Short() && i%4 != 0 {
			continue // each mistake is a process
		}
		t.Run(strings.ReplaceAll(strings.Join(append(c.env, c.args...), " "), "/", "_"), func(t *testing.T) {
			t.Parallel()
			got := runIn(t, dir, path, c.stdin, c.env, c.args...)
			message := pointer.ReplaceAllString(got.stderr, "\n")
			text, prefixed := strings.CutPrefix(strings.TrimSuffix(message, "\n"), "wasm-runner: ")
			if !regexp.MustCompile(c.says).MatchString(text) || !prefixed || strings.Contains(text, "\n") || goWords.MatchString(text) {
				t.Errorf("stderr %q, want one line of %s", got.stderr, c.says)
			}
			if got.code != c.code {
				t.Errorf("exit code %d, want %d", got.code, c.code)
			}
			if testing.Short() {
				return
			}
			got = runIn(t, dir, path, c.stdin, c.env, append([]string{"--log-format", "json"}, c.args...)...)
			lines := jsonLines(t, got.stderr)
			if len(lines) != 1 || lines[0].Level != "ERROR" || !regexp.MustCompile(c.says).MatchString(lines[0].Msg) {
				t.Errorf("as JSON: %q", got.stderr)
			}
		})
	}
}

// logLine is a line of stderr with --log-format json.
type logLine struct {
	Time       time.Time
	Level, Msg string
}

// jsonLines parses stderr. Each line must be an object with time, level and msg.
func jsonLines(t *testing.T, stderr string) []logLine {
	t.Helper()
	var all []logLine
	for line := range strings.Lines(stderr) {
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Time.IsZero() || l.Level == "" || l.Msg == "" {
			t.Errorf("not a line of the log: %q, %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

// TestLogFormatJSON_OfEveryCommand_IsJSON checks every line of stderr for each command.
func TestLogFormatJSON_OfEveryCommand_IsJSON(t *testing.T) {
	t.Parallel()
	path := module(t)
	dir, _, _, deadPort := world(t)
	yesterday, tomorrow := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	for i, c := range []struct {
		says string // part of a message; "" is any
		args []string
	}{
		{"--help shows what it takes", []string{"help", "invoke", "lookup_user"}},
		{"unknown flag: --nope", []string{"--nope"}},
		{"unknown flag: --nope", []string{"invoke", "lookup_user", "--nope"}},
		{"needs an operation", []string{"invoke"}},
		{"want table", []string{"--demo", "table", "list_users", "--format", "xml"}},
		{"not_found", []string{"--demo", "invoke", "lookup_user", `{"user":"nobody@example.com"}`}},
		{"DEPROVISIONED users are not", []string{"--demo", "invoke", "list_users"}},
		{"DEPROVISIONED users are not", []string{"--demo", "table", "list_users"}},
		{"to an earlier --demo", []string{"--demo", "source", "poll_system_log_page", "--checkpoint", "demo.json"}},
		{"source", []string{"--demo", "--log-level", "debug", "source", "poll_system_log_page", "--out", "s.ndjson"}},
		{"metrics", []string{"--demo", "--log-level", "info", "source", "poll_system_log_page", "--out", "s2.ndjson", "--metrics", "0"}},
		{"", []string{"--demo", "--log-level", "debug", "check"}},
		{"Run this again later", []string{"--demo", "backfill", "--since", yesterday, "--until", tomorrow, "--out", "b.ndjson"}},
		{"unknown operation", []string{"--config", "two.yaml", "describe", "nope"}},
		{"refuses connections", []string{"--config", "dead.yaml", "source", "poll_system_log_page", "--no-checkpoint"}},
		{"refuses connections", []string{"--config", "dead.yaml", "table", "list_users"}},
		{"--replay", []string{"simulate", "--replay", "none"}},
		{"DuckDB", []string{"--demo", "sql", "SELEC 1"}},
	} {
		if testing.Short() && i%3 != 0 {
			continue // each command is a process
		}
		if c.args[len(c.args)-1] == "SELEC 1" {
			if !sql.Available {
				continue
			}
			c.says = "Parser Error"
		}
		t.Run(strings.ReplaceAll(strings.Join(c.args, " "), "/", "_"), func(t *testing.T) {
			got := runIn(t, dir, path, "", nil, append([]string{"--log-format=json"}, c.args...)...)
			if strings.Contains(c.says, "earlier") { // it takes two runs
				got = runIn(t, dir, path, "", nil, append([]string{"--log-format=json"}, c.args...)...)
			}
			lines := jsonLines(t, got.stderr)
			if c.says == "" {
				return
			}
			for _, l := range lines {
				if strings.Contains(l.Msg, c.says) {
					return
				}
			}
			t.Errorf("no line says %s: %q", c.says, got.stderr)
		})
	}

	t.Run("a sink that is away", func(t *testing.T) {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := &exec.Cmd{Path: self, Dir: dir, Env: append(os.Environ(), "WASM_RUNNER_MODULE="+path), Args: []string{"wasm-runner", "--log-format", "json", "--demo", "source",
			"poll_system_log_page", "--no-checkpoint", "--out", "http://127.0.0.1:" + deadPort + "/x"}}
		pipe, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		b := make([]byte, 4096)
		for {
			n, err := pipe.Read(b)
			all.Write(b[:n])
			if strings.Contains(all.String(), "trying again") {
				_ = cmd.Process.Signal(os.Interrupt)
			}
			if err != nil {
				break
			}
		}
		_ = cmd.Wait() // the test interrupted it
		if lines := jsonLines(t, all.String()); len(lines) < 2 || lines[0].Level != "WARN" || lines[len(lines)-1].Level != "ERROR" {
			t.Errorf("%q", all.String())
		}
	})
}

// TestCheck_SeveralConnections_NeedsAll checks a file with several connections, with and without --all.
func TestCheck_SeveralConnections_NeedsAll(t *testing.T) {
	t.Parallel()
	path := module(t)
	dir, _, _, _ := world(t)
	got := runIn(t, dir, path, "", nil, "--config", "two.yaml", "check")
	if got.code != 1 || !strings.Contains(got.stdout, "which connection? There are okta-a, okta-b: use --connection NAME. Or check them all with --all") {
		t.Errorf("%+v", got)
	}
	got = runIn(t, dir, path, "", nil, "--config", "two.yaml", "check", "--all")
	if got.code != 1 || !regexp.MustCompile(`(?s)^okta-a:\nok .*ok   credentials .*\n\nokta-b:\n.*FAIL base_url .*refuses connections`).MatchString(got.stdout) || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	got = runIn(t, dir, path, "", nil, "--config", "two.yaml", "check", "--all", "--format", "json")
	var all reports
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil || all.OK || len(all.Connections) != 2 || !all.Connections[0].OK || all.Connections[1].OK || got.code != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got = runIn(t, dir, path, "", nil, "--config", "good.yaml", "check", "--all"); got.code != 0 || strings.Contains(got.stdout, "FAIL") || strings.Contains(got.stdout, "WARN") {
		t.Errorf("%+v", got)
	}
	if got = runIn(t, dir, path, "", nil, "--demo", "check", "--all"); got.code != 2 {
		t.Errorf("%+v", got)
	}
}

// TestCheck_ReadableTokenFile_Warns checks a token file that other users can read.
func TestCheck_ReadableTokenFile_Warns(t *testing.T) {
	t.Parallel()
	path := module(t)
	dir, _, _, _ := world(t)
	for _, c := range []struct {
		mode os.FileMode
		env  string
		want string // regular expression of stdout; "" is no warning
	}{
		{0o600, "A=B", ""},
		{0o400, "A=B", ""},
		{0o644, "A=B", `(?m)^WARN secret +file:\S*token is there, and users other than its owner may use it \(mode 0644\)\. Run: chmod 600 \S*token$`},
		{0o640, "A=B", `mode 0640`},
		{0o600, "HTTPS_PROXY=http://127.0.0.1:1", `(?m)^WARN proxy +HTTPS_PROXY is set but not used: requests go directly to http://127`},
		{0o600, "HTTP_PROXY=http://127.0.0.1:1", `WARN proxy +HTTP_PROXY is set`},
		{0o600, "ALL_PROXY=http://127.0.0.1:1", `WARN proxy +ALL_PROXY is set`},
	} {
		if err := os.Chmod(filepath.Join(dir, "token"), c.mode); err != nil {
			t.Fatal(err)
		}
		got := runIn(t, dir, path, "", []string{c.env}, "--config", "good.yaml", "check")
		if warned := strings.Contains(got.stdout, "WARN"); got.code != 0 || warned != (c.want != "") || !regexp.MustCompile(c.want).MatchString(got.stdout) {
			t.Errorf("mode %o, %s: %+v", c.mode, c.env, got)
		}
	}
}

// TestFoundFiles_OfTheFolder_AreNamedByCheckAlone runs in a folder with a connection file.
func TestFoundFiles_OfTheFolder_AreNamedByCheckAlone(t *testing.T) {
	path := module(t)
	dir, _, _, _ := world(t)
	if err := os.Rename(filepath.Join(dir, "good.yaml"), filepath.Join(dir, "connections.yaml")); err != nil {
		t.Fatal(err)
	}
	const notice = "using connections.yaml of this folder (--config names another)"
	if got := runIn(t, dir, path, "", nil, "check"); got.code != 0 || got.stderr != "wasm-runner: "+notice+"\n" {
		t.Errorf("%+v", got)
	}
	if got := runIn(t, dir, path, "", nil, "invoke", "org_identity"); got.code != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	if got := runIn(t, dir, path, "", nil, "--log-level", "debug", "invoke", "org_identity"); !strings.Contains(got.stderr, "file=connections.yaml") {
		t.Errorf("%+v", got)
	}
}

// TestInvoke_ListIsCut_SaysSo wants a warning about a cut list, except where the input has a limit.
func TestInvoke_ListIsCut_SaysSo(t *testing.T) {
	t.Parallel()
	path := module(t)
	dir := t.TempDir()
	org := httptest.NewServer(oktatest.New(oktatest.Config{Token: "00aTokenOfATest", Users: 1100}))
	t.Cleanup(org.Close)
	writeMistakes(t, dir, org.URL, org.URL, org.URL)
	cut := "wasm-runner: list_users: these are 1,000 records, and there are more: give the result's next_cursor as cursor to go on, or a larger limit, or use wasm-runner table, which reads all\n"
	left := "wasm-runner: list_users: DEPROVISIONED users are not in this list: give include_deprovisioned to include them\n"
	for input, want := range map[string]string{
		`{}`: cut, `{"limit":10}`: "", `{"limit":100000}`: left, `{"limit":100000,"include_deprovisioned":true}`: "", `{"status":"LOCKED_OUT"}`: "",
	} {
		if got := runIn(t, dir, path, "", nil, "--config", "good.yaml", "invoke", "list_users", input); got.code != 0 || got.stderr != want {
			t.Errorf("%s: exit code %d, stderr %q, want %q", input, got.code, got.stderr, want)
		}
	}
	if got := runIn(t, dir, path, "", nil, "--config", "good.yaml", "invoke", "poll_system_log_page"); got.stderr != "" {
		t.Errorf("a page of the log: %q", got.stderr)
	}
	if got := runIn(t, dir, path, "", nil, "--config", "good.yaml", "table", "list_users"); !strings.Contains(got.stderr, "DEPROVISIONED users are not in this list") {
		t.Errorf("a table: %q", got.stderr)
	}
}

// TestStdout_ThatIsFull_IsSaidOnce writes results to a full device.
func TestStdout_ThatIsFull_IsSaidOnce(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	t.Cleanup(func() { _ = full.Close() })
	path := module(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"invoke", "org_identity"}, {"table", "list_users", "--limit", "1"}, {"table", "list_users", "--limit", "1", "--format", "csv"}, {"check"}, {"sql", "SELECT 1"},
		{"source", "poll_system_log_page"},
	} {
		if args[0] == "sql" && !sql.Available {
			continue
		}
		var stderr strings.Builder
		cmd := &exec.Cmd{Path: self, Args: append([]string{"wasm-runner", "--demo"}, args...), Stdout: full, Stderr: &stderr, Env: append(os.Environ(), "WASM_RUNNER_MODULE="+path)}
		_ = cmd.Run() // the exit code is checked below
		if text := stderr.String(); cmd.ProcessState.ExitCode() != 1 || strings.Count(text, "no space left") != 1 || strings.Count(text, "\n") != 1 {
			t.Errorf("%s: exit code %d, stderr %q", args, cmd.ProcessState.ExitCode(), text)
		}
	}
}
