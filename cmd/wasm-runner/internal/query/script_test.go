package query

import (
	"bufio"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/sql"
)

// runText runs a script without connections and returns what it prints.
func runText(t *testing.T, script string) (string, error) {
	t.Helper()
	if !sql.Available {
		t.Skip("SQL is not in this build")
	}
	o := newSQLOptions(t, "")
	db, err := sql.Open(t.Context(), sql.Config{UnsafeInProcess: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var out strings.Builder
	p := o.printer
	p.out = bufio.NewWriter(&out)
	err = o.runScript(t.Context(), db, &p, script)
	if flushed := p.out.Flush(); flushed != nil {
		t.Fatal(flushed)
	}
	return out.String(), err
}

func TestRunScript_WithCommandsOfTheShell_RunsThem(t *testing.T) {
	got, err := runText(t, ".mode csv\nSELECT 1 AS a;\nSELECT '\n.quit' AS b;\n.mode json\nSELECT 2 AS c;\n.quit\nSELECT 3;\n")
	if want := "a\n1\n\nb\n\"\n.quit\"\n[\n{\"c\":2}\n]\n"; err != nil || strings.ReplaceAll(got, " ", "") != want {
		t.Errorf("%q, %v", got, err)
	}
	for script, want := range map[string]string{
		"SELECT 1;\n.read x\n":  ".read is no command of a script",
		"SELECT 1;\n.mode x\n":  "with one of",
		"SELECT 1;\n.timer x\n": "want .timer on",
	} {
		if _, err := runText(t, script); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", script, err)
		}
	}
}

func TestPrint_OfAPlan_KeepsItsLines(t *testing.T) {
	got, err := runText(t, "EXPLAIN SELECT 1")
	if err != nil || !strings.HasPrefix(got, "physical_plan\n  ┌") || strings.Contains(got, ";") {
		t.Errorf("%q, %v", got, err)
	}
}
