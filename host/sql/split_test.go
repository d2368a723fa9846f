package sql_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/sql"
)

func TestSplit_OfStatements_FindsTheirEnds(t *testing.T) {
	for _, s := range []struct {
		script     string
		statements []string
		rest       string
	}{
		{"SELECT 1; SELECT 2", []string{"SELECT 1"}, " SELECT 2"},
		{" ;; SELECT 1 ;\n;-- only a comment;\n;/* ; */;", []string{"SELECT 1"}, ""},
		{"SELECT ';', ';''', \"a;\"\"b\";", []string{"SELECT ';', ';''', \"a;\"\"b\""}, ""},
		{`SELECT E'\';', 'a\';`, []string{`SELECT E'\';', 'a\'`}, ""},
		{`SELECT e'\\';x`, []string{`SELECT e'\\'`}, "x"},
		{"SELECT -- ; here\n 1;", []string{"SELECT -- ; here\n 1"}, ""},
		{"/* a /* nested; */ ; */ SELECT 1;", []string{"/* a /* nested; */ ; */ SELECT 1"}, ""},
		{"SELECT $$;$$, $tag$ ; $$ ; $tag$, $1;", []string{"SELECT $$;$$, $tag$ ; $$ ; $tag$, $1"}, ""},
		{"SELECT a$b$c;x$", []string{"SELECT a$b$c"}, "x$"},
		{"SELECT 'unfinished;", nil, "SELECT 'unfinished;"},
		{"SELECT \"unfinished;", nil, "SELECT \"unfinished;"},
		{"SELECT $$unfinished;", nil, "SELECT $$unfinished;"},
		{"/* unfinished;", nil, "/* unfinished;"},
		{"SELECT 'é;ö';", []string{"SELECT 'é;ö'"}, ""},
		{"", nil, ""},
	} {
		statements, rest := sql.Split(s.script)
		if !reflect.DeepEqual(statements, s.statements) || rest != s.rest {
			t.Errorf("%q\n got %q, %q\nwant %q, %q", s.script, statements, rest, s.statements, s.rest)
		}
	}
	if all := sql.Statements("SELECT 1; SELECT 2 -- end"); !reflect.DeepEqual(all, []string{"SELECT 1", "SELECT 2 -- end"}) {
		t.Errorf("%q", all)
	}
	if all := sql.Statements("SELECT 1; -- end"); !reflect.DeepEqual(all, []string{"SELECT 1"}) {
		t.Errorf("%q", all)
	}
}

// FuzzSplit: nothing of a script is lost, and what was a whole statement is one again.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"SELECT 1; SELECT ';'", "/* ; */ a; -- ;\n b", "E'\\';' ; $a$;$a$;", "\";\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		statements, rest := sql.Split(script)
		if !strings.HasSuffix(script, rest) {
			t.Fatalf("the rest %q is not the end of %q", rest, script)
		}
		at := 0
		for _, s := range statements {
			n := strings.Index(script[at:], s)
			if n < 0 || sql.Blank(s) {
				t.Fatalf("%q is no statement of %q", s, script)
			}
			at += n + len(s)
			again, after := sql.Split(s + ";")
			// A comment at the end of a line swallows the semicolon that is put behind it.
			if ended, _ := sql.Split(s + "\n;"); (len(again) != 1 || again[0] != s || after != "") && (len(ended) != 1 || ended[0] != s) {
				t.Fatalf("%q of %q is %q, %q", s, script, again, after)
			}
		}
	})
}
