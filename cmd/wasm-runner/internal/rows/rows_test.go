package rows

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/mach5/okta-connector/abi"
)

// printTable prints rows as a table for a terminal of so many columns.
func printTable(t *testing.T, room int, l Layout, header []string, rows ...[]any) (lines []string, said string) {
	t.Helper()
	var b strings.Builder
	columns := make([]abi.Column, len(header))
	for i, name := range header {
		columns[i] = abi.Column{Name: name, Type: abi.Varchar}
	}
	w := bufio.NewWriter(&b)
	l.Room, l.Warn = room, func(format string, args ...any) { said = fmt.Sprintf(format, args...) }
	table := &tableRows{w: w, columns: columns, Layout: l}
	for _, row := range rows {
		if err := table.Row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.End(); err != nil {
		t.Fatal(err)
	}
	_ = w.Flush() // a strings.Builder does not fail
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
		layout Layout
		header []string
		rows   [][]any
		want   []string // the first lines
		said   string
	}{
		{"all fit", Layout{}, []string{"id", "name"}, [][]any{{"1", "ada"}}, []string{"id  name", "1   ada"}, ""},
		{"a column does not fit", Layout{More: "do X"}, []string{"id", "name", "z"}, [][]any{{"1", long, "z"}}, []string{"id", "1"}, "2 more columns do not fit: do X"},
		{"the first does not fit", Layout{More: "do X"}, []string{"name", "id"}, [][]any{{long, "1"}}, []string{"name", strings.Repeat("x", 29) + "…"}, "1 more column does not fit: do X"},
		{"named columns are cut", Layout{Named: true}, []string{"id", "name", "z"}, [][]any{{"1", long, long}},
			[]string{"id  name          z", "1   xxxxxxxxxxx…  xxxxxxxxxxx…"}, ""},
		{"a query's columns are cut", Layout{Shrink: true}, []string{"name", "z"}, [][]any{{long, long}}, []string{"name            z", "xxxxxxxxxxxxx…  xxxxxxxxxxxxx…"}, ""},
		{"a query's columns are not cut to nothing", Layout{Shrink: true, More: "do X"}, []string{"name", "y", "z"}, [][]any{{"ada", long, long}}, []string{"name", "ada"}, "2 more columns do not fit: do X"},
		{"ranked columns are cut to a readable width", Layout{Ranked: true, More: "do X"}, []string{"id", "name", "y", "z"}, [][]any{{"1", long, long, "z"}},
			[]string{"id  name", "1   xxxxxxxxxxxxxxxxxxxxxxxxx…"}, "2 more columns do not fit: do X"},
		{"ranked columns that are short", Layout{Ranked: true}, []string{"id", "name", "y", "z"}, [][]any{{"1", "ada", "y", "z"}}, []string{"id  name  y  z", "1   ada   y  z"}, ""},
		{"one ranked column that is too wide", Layout{Ranked: true, More: "do X"}, []string{"name", "id"}, [][]any{{long, long}}, []string{"name", strings.Repeat("x", 29) + "…"}, "1 more column does not fit: do X"},
		{"rows behind the sample", Layout{}, []string{"first", "second"}, many, []string{"first  second", "a      b"}, ""},
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
	if lines, _ := printTable(t, 0, Layout{}, []string{"a", "b"}, []any{long, long}); lines[1] != long+"  "+long {
		t.Errorf("not at a terminal: %q", lines)
	}
}

func TestUnique_OfNamesThatComeTwice_TellsThemApart(t *testing.T) {
	for in, want := range map[string]string{"": "", "id name": "id name", "id id id": "id id_1 id_2", "id id id_1": "id id_2 id_1", "id_1 id id": "id_1 id id_2", "a a a_1 a_1": "a a_2 a_1 a_1_1"} {
		if got := strings.Join(Unique(strings.Fields(in)), " "); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestTimes_AnyPrecision_SortAsText: rows have times as Okta writes them, in every format.
func TestTimes_AnyPrecision_SortAsText(t *testing.T) {
	at := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	for value, want := range map[time.Time]string{
		at:                             "2026-11-29T20:00:00.000Z",
		at.Add(50 * time.Millisecond):  "2026-11-29T20:00:00.050Z",
		at.Add(51 * time.Millisecond):  "2026-11-29T20:00:00.051Z",
		at.Add(500 * time.Microsecond): "2026-11-29T20:00:00.000500Z",
		at.Add(7 * time.Nanosecond):    "2026-11-29T20:00:00.000000007Z",
		at.In(time.FixedZone("x", 60)): "2026-11-29T20:00:00.000Z",
	} {
		text, err := JSON(value)
		if got := plainText(value); got != want || err != nil || string(text) != `"`+want+`"` {
			t.Errorf("%s and %s, want %s", got, text, want)
		}
	}
}

// TestTable_WithoutATerminal_IsWhole: what a program reads is not cut, whatever its length.
func TestTable_WithoutATerminal_IsWhole(t *testing.T) {
	long := strings.Repeat("x", 500)
	for room, whole := range map[int]bool{0: true, 120: false} {
		lines, _ := printTable(t, room, Layout{Named: true}, []string{"id", "text", "after"}, []any{"1", long, "z"}, []any{"2", "short", "z"})
		if strings.Contains(lines[1], long) != whole || len(lines[2]) > 120 {
			t.Errorf("%d columns:\n%s", room, strings.Join(lines, "\n"))
		}
	}
}

func TestTable_ValueWithLineBreaks_IsOneLine(t *testing.T) {
	if lines, _ := printTable(t, 0, Layout{}, []string{"a"}, []any{"{\n    \"a\": 1,\r\n    \"b\": 2\n}\n"}); lines[1] != `{ "a": 1, "b": 2 }` {
		t.Errorf("%q", lines)
	}
}
