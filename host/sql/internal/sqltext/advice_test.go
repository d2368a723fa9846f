package sqltext_test

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
)

func TestAdvised_OfWhatPeopleWrite_SaysWhatToWrite(t *testing.T) {
	for _, c := range []struct{ message, statement, want string }{
		{"Parser Error: syntax error at or near \"-\"\n\nLINE 1: x", "SELECT 1 FROM okta-prod.users", `near "-": the connection's name needs quotes: write "okta-prod".`},
		{"Parser Error: syntax error at or near \"x\"", `SELECT x x x FROM "okta-prod".users`, `near "x"`},
		{"Conversion Error: invalid timestamp field format: \"-24h\", expected", "", "expected: write now() - INTERVAL 24 HOUR"},
		{"Conversion Error: invalid timestamp field format: \"soon\", expected", "", "expected"},
	} {
		if got, _, _ := strings.Cut(sqltext.Advised(c.message, c.statement, []string{"okta-prod"}), "\n"); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: %s, want %s at its end", c.statement, got, c.want)
		}
	}
}

func TestHasArgument_OfAStatement_FindsItInCodeOnly(t *testing.T) {
	for statement, want := range map[string]bool{
		`SELECT 1 FROM f(1, view := getvariable('x'))`:    true,
		"SELECT 1 FROM f(1, \"VIEW\" /* */ -- x\n =>'x')": true,
		`SELECT 'view := x', review := 1`:                 false,
		`SELECT 1 -- view := x`:                           false,
		`CREATE VIEW view AS SELECT 1`:                    false,
	} {
		if got := sqltext.HasArgument(statement, "view"); got != want {
			t.Errorf("%s: %v", statement, got)
		}
	}
}

func FuzzHasArgument(f *testing.F) {
	f.Add(`SELECT 1 FROM f(1, view := 'x')`)
	f.Add(`'"/*--`)
	f.Fuzz(func(t *testing.T, statement string) {
		if sqltext.HasArgument(statement, "view") && !strings.Contains(strings.ToLower(statement), "view") {
			t.Errorf("%q has no such name", statement)
		}
	})
}
