package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/host/sql"
)

func TestShell_AtATerminal_RunsStatements(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	state := t.TempDir()
	k := onPty(t, ptyOptions{state: state}, "--demo", "sql")
	k.await(`lists the tables`)
	k.await(`sql> `)

	k.keys("SELECT 1 AS first,\r")
	k.await(`  -> `)
	k.keys("2 AS second;\r")
	k.await(`first  second\r\n1      2\r\n1 row, \d+ ms`)

	k.keys("SELECT count(*) FROM okta.zo\t") // completes a table
	k.await(`okta\.zones`)
	k.keys(";\rSELECT login FROM okta.users WHERE status = 'LOCKED_OUT' AND first_n\t IS NOT NULL;\r") // and a column
	k.await(`AND first_name`)
	k.await(`hugo\.dvorak13@example\.com\r\n2 rows`)
	k.await(`list_users: 1 request, 1 page, 2 rows`)

	k.keys("SELECT * FROM nope;\r")
	k.await(`Catalog Error: Table with name nope does not exist!`)
	k.await(`LINE 1: SELECT \* FROM nope\r\n +\^\r\n`)

	k.keys(".mode csv\r.tables\r")
	k.await(`schema,name,description\r\n`)
	k.await(`okta,system_log,"?The System Log`)
	k.keys(".mode xml\r")
	k.await(`\.mode: there is no mode "xml": use one of table`)
	k.keys(".frobnicate\r")
	k.await(`there is no command \.frobnicate: use one of \.exit`)
	k.keys(".help\r")
	k.await(`A statement ends with a semicolon`)
	k.keys(".timer maybe\r")
	k.await(`\.timer: want on or off: found "maybe"`)

	k.keys(".mode line\rSELECT 1 AS n, 'x' AS longer;\r")
	k.await(`n      = 1\r\nlonger = x\r\n1 row`)
	k.keys(".operations zone\r")
	k.await(`operation = get_zone\r\ninput     = zone\*\r\nsummary   = Reads one network zone by id or exact name\.`)
	k.keys(".mode table\r.operations\r")
	k.await(`operation +input +summary`)
	k.await(`list_users +`)
	k.keys(".operations zzz\r")
	k.await(`\.operations: no operation has "zzz" in its name or summary: \.operations lists all`)
	k.keys(".operations lookupuser\r")
	k.await(`\.operations: no operation has "lookupuser" in its name or summary: similar ones are lookup_user\r\n`)
	k.keys(".operations list user factors\r")
	k.await(`similar ones are .*list_factors`)

	if err := os.WriteFile(filepath.Join(state, "two.sql"), []byte("CREATE TABLE made AS SELECT 5 AS five;\nFROM made; SELECT"), 0o600); err != nil {
		t.Fatal(err)
	}
	k.keys(".read " + filepath.Join(state, "two.sql") + "\r")
	k.await(`five\r\n5\r\n1 row`)
	k.await(`Parser Error`)
	k.keys(".read\r")
	k.await(`\.read: want the name of a file`)
	k.keys(".read nowhere.sql\r")
	k.await(`\.read: there is no file /\S*nowhere\.sql: name a file with SQL statements`)

	// Tab completes the arguments of a call: the connection and the operation.
	k.keys("SELECT count(*) AS n FROM connector_table('ok\t, 'list_zo\t, '{}');\r")
	k.await(`connector_table\('okta'.*, 'list_zones'`)
	k.await(`n\r\n6\r\n1 row`)

	// Ctrl-C drops the statement that is typed, and stops one that runs.
	k.keys("SELECT 'half\r")
	k.await(`  -> `)
	k.keys("\x03")
	k.await(`sql> `)
	k.keys("SELECT count(*) FROM range(100000000000) a, range(100000000000) b;\r")
	k.await(`b;\r\n`)
	k.keys("\x03")
	k.await(`stopped\r\n`)
	k.keys("\x03\x03.timer off\r.mode ndjson\rSELECT 7 AS last;\r")
	k.await(`\{"last":7\}\r\n`)
	k.await(`sql> `)

	k.keys("\x1b[A\r") // the last statement again
	k.await(`\{"last":7\}\r\n`)
	k.keys("CREATE TABLE t AS SELECT 1; .quit\r")
	k.await(`  -> `)
	k.keys("\x03.quit\r")
	if code := k.wait(); code != 0 {
		t.Errorf("leaving: exit code %d", code)
	}

	path := filepath.Join(state, "okta-connector", "sql_history")
	history, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"SELECT 1 AS first, 2 AS second;\n", "SELECT login FROM okta.users WHERE status = 'LOCKED_OUT' AND first_name IS NOT NULL;\n", ".mode csv\n"} {
		if !strings.Contains(string(history), statement) {
			t.Errorf("the history has no %q: %s", statement, history)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history has mode %v, %v", info.Mode(), err)
	}
}

func TestShell_CtrlDOrSIGTERM_RestoresTheTerminal(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	for _, end := range []struct {
		name string
		how  func(*keyboard)
		code int
	}{
		{"Ctrl-D", func(k *keyboard) { k.keys("\x04") }, 0},
		{"SIGTERM", func(k *keyboard) { _ = k.cmd.Process.Signal(syscall.SIGTERM) }, cli.ExitInterrupted},
	} {
		t.Run(end.name, func(t *testing.T) {
			state := t.TempDir()
			k := onPty(t, ptyOptions{state: state}, "--demo", "sql")
			k.await(`sql> `)
			before, err := unix.IoctlGetTermios(int(k.pty.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			k.keys("SELECT 42 AS answer;\r")
			k.await(`42\r\n1 row`)
			k.await(`sql> `)
			end.how(k)
			if code := k.wait(); code != end.code {
				t.Errorf("exit code %d, want %d", code, end.code)
			}
			after, err := unix.IoctlGetTermios(int(k.pty.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			if before.Lflag&unix.ICANON != 0 || after.Lflag&unix.ICANON == 0 || after.Lflag&unix.ECHO == 0 {
				t.Errorf("the terminal was %x and is left as %x", before.Lflag, after.Lflag)
			}
			history, err := os.ReadFile(filepath.Join(state, "okta-connector", "sql_history"))
			if err != nil || string(history) != "SELECT 42 AS answer;\n" {
				t.Errorf("the history is %q, %v", history, err)
			}
		})
	}
}

// TestShell_SQLProcessEnds_GoesOn: a crash, and a statement that does not stop by itself, cost the session and not the shell.
func TestShell_SQLProcessEnds_GoesOn(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	k := onPty(t, ptyOptions{}, "--demo", "sql")
	k.await(`sql> `)
	k.keys("CREATE TABLE mine AS SELECT 1 AS x;\r")
	k.await(`1 row written`)
	k.keys("SELECT json_structure(repeat('[', 100000) || repeat(']', 100000));\r")
	k.await(`made the SQL process crash \(SIGSEGV`)
	k.await(`tables in memory, variables and prepared statements of this session are gone`)
	k.keys("FROM mine;\r")
	k.await(`Table with name mine does not exist`)
	k.keys("SELECT count(*) AS n FROM okta.groups;\r")
	k.await(`n\r\n5\r\n1 row`)

	k.keys("SELECT levenshtein(repeat('a', 400000), repeat('b', 400000)) AS distance;\r")
	k.await(`AS distance;\r\n`)
	time.Sleep(200 * time.Millisecond) // it runs; if it does not yet, Ctrl-C stops it as well
	k.keys("\x03")
	k.await(`stopped`)
	k.keys("SELECT 6 * 7 AS answer;\r")
	k.await(`answer\r\n42\r\n1 row`)

	// One that looks at the interrupt keeps the session.
	k.keys("CREATE TABLE kept AS SELECT 1 AS x;\rSELECT count(*) AS many FROM range(1000000000000);\r")
	k.await(`AS many`)
	time.Sleep(200 * time.Millisecond)
	k.keys("\x03")
	k.await(`stopped`)
	k.keys("SELECT x AS still FROM kept;\r")
	k.await(`still\r\n1\r\n1 row`)
}

// TestShell_TerminalWithoutASize_TakesCtrlCAtThePrompt: expect and some containers give a terminal of 0 rows and 0 columns.
func TestShell_TerminalWithoutASize_TakesCtrlCAtThePrompt(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	k := onPty(t, ptyOptions{unsized: true}, "--demo", "sql")
	k.await(`DuckDB over connections of kind okta\.`)
	k.await(`sql> `)
	k.keys("SELECT 'half\r")
	k.await(`  -> `)
	k.keys("\x03")
	k.await(`\^C\r\nsql> `)
	k.keys("SELECT 41 + 1 AS answer;\r")
	k.await(`answer\r\n42\r\n1 row`)
	k.await(`sql> `)
	k.keys("\x04")
	if code := k.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSQL_HostileTextAtATerminal_IsEscapedInEveryFormat: a pipe gets the exact data.
func TestSQL_HostileTextAtATerminal_IsEscapedInEveryFormat(t *testing.T) {
	if !sql.Available {
		t.Skip("DuckDB is not in this build")
	}
	const query = "SELECT chr(27) || ']0;pwned' || chr(7) || chr(155) || '31m' || chr(8238) || 'evil' AS x"
	for _, format := range rows.Formats() {
		k := onPty(t, ptyOptions{}, "--demo", "sql", query, "--format", format)
		if code := k.wait(); code != 0 {
			t.Errorf("%s: exit code %d", format, code)
		}
		raw := k.raw()
		if !strings.Contains(raw, "pwned") || !strings.Contains(raw, "evil") || strings.ContainsAny(raw, "\x1b\a\u009b\u202e") {
			t.Errorf("%s: %q", format, raw)
		}
	}
	if got := runIn(t, t.TempDir(), module(t), "", nil, "--demo", "sql", query, "--format", "csv"); got.stdout != "x\n\x1b]0;pwned\a\u009b31m\u202eevil\n" {
		t.Errorf("through a pipe: %q", got.stdout)
	}
}
