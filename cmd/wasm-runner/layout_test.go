package main

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
)

// printTable prints rows as a table for a terminal of so many columns.
func printTable(t *testing.T, room int, l layout, header []string, rows ...[]any) (lines []string, said string) {
	t.Helper()
	var b strings.Builder
	columns := make([]abi.Column, len(header))
	for i, name := range header {
		columns[i] = abi.Column{Name: name, Type: abi.Varchar}
	}
	w := bufio.NewWriter(&b)
	table := &tableRows{w: w, columns: columns, layout: l, room: room, say: func(format string, args ...any) { said = fmt.Sprintf(format, args...) }}
	for _, row := range rows {
		if err := table.row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.end(); err != nil {
		t.Fatal(err)
	}
	_ = w.Flush() // of a strings.Builder
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"), said
}

func TestTable_OfATerminal_FitsIt(t *testing.T) {
	long := strings.Repeat("x", 50)
	many := make([][]any, 0, 700) // more than are looked at for the widths
	for range 699 {
		many = append(many, []any{"a", "b"})
	}
	many = append(many, []any{"日本語日本語日本語日本語日本語", long})
	for _, c := range []struct {
		name   string
		layout layout
		header []string
		rows   [][]any
		want   []string // the first lines
		said   string
	}{
		{"all fit", layout{}, []string{"id", "name"}, [][]any{{"1", "ada"}}, []string{"ID  NAME", "1   ada"}, ""},
		{"a column does not fit", layout{more: "do X"}, []string{"id", "name", "z"}, [][]any{{"1", long, "z"}}, []string{"ID", "1"}, "2 more columns do not fit: do X"},
		{"the first does not fit", layout{more: "do X"}, []string{"name", "id"}, [][]any{{long, "1"}}, []string{"NAME", strings.Repeat("x", 29) + "…"}, "1 more column does not fit: do X"},
		{"named columns are cut", layout{named: true}, []string{"id", "name", "z"}, [][]any{{"1", long, long}},
			[]string{"ID  NAME          Z", "1   xxxxxxxxxxx…  xxxxxxxxxxx…"}, ""},
		{"a query's columns are cut", layout{shrink: true}, []string{"name", "z"}, [][]any{{long, long}}, []string{"NAME            Z", "xxxxxxxxxxxxx…  xxxxxxxxxxxxx…"}, ""},
		{"a query's columns are not cut to nothing", layout{shrink: true, more: "do X"}, []string{"name", "y", "z"}, [][]any{{"ada", long, long}}, []string{"NAME", "ada"}, "2 more columns do not fit: do X"},
		{"rows behind the sample", layout{}, []string{"first", "second"}, many, []string{"FIRST  SECOND", "a      b"}, ""},
	} {
		lines, said := printTable(t, 30, c.layout, c.header, c.rows...)
		if !slices.Equal(lines[:2], c.want) || said != c.said {
			t.Errorf("%s: %q, said %q", c.name, lines[:2], said)
		}
		for _, line := range lines {
			if runewidth.StringWidth(line) > 30 {
				t.Errorf("%s: a line of %d columns: %q", c.name, runewidth.StringWidth(line), line)
			}
		}
	}
	if lines, _ := printTable(t, 0, layout{}, []string{"a", "b"}, []any{long, long}); lines[1] != long+"  "+long {
		t.Errorf("not at a terminal: %q", lines)
	}
}

func TestProgress_InEveryWidth_FitsIt(t *testing.T) {
	quota := func() []host.Quota {
		return []host.Quota{{Bucket: "/api/v1/logs", Limit: 120, Remaining: 7, ResetIn: 41 * time.Second}}
	}
	now := time.Now()
	p := &progress{began: now.Add(-10 * time.Second), drains: []*ingest.Drain{{Quota: quota}, {}}, span: &span{since: now.Add(-time.Hour), until: now, from: now.Add(-time.Hour)}}
	for columns := 9; columns < 200; columns++ {
		line := p.line(columns)
		if len(line) > columns || !strings.Contains(line, "0 records") {
			t.Errorf("%d columns: %q", columns, line)
		}
	}
	if line := p.line(37); line != "2 connections  0 records  0 pages  0%" {
		t.Errorf("%q", line)
	}
	if line := p.line(200); !strings.HasSuffix(line, "["+strings.Repeat(" ", term.MaxBar-2)+"]") {
		t.Errorf("%q", line)
	}
	if got := term.Bar(1, 2, 12); got != "[=====     ]" {
		t.Errorf("half is %s", got)
	}
}

func TestUnique_OfNamesThatComeTwice_TellsThemApart(t *testing.T) {
	for in, want := range map[string]string{"": "", "id name": "id name", "id id id": "id id_1 id_2", "id id id_1": "id id_2 id_1", "id_1 id id": "id_1 id id_2", "a a a_1 a_1": "a a_2 a_1 a_1_1"} {
		if got := strings.Join(unique(strings.Fields(in)), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
