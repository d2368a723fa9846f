package term

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// sample returns a grid with a long last column and one wide cell in another.
func sample(columns int) string {
	g := Grid{Indent: "  ", Header: []string{"FIELD", "TYPE", "DEFAULT", ""}, Columns: columns}
	g.Add("status", "ACTIVE | DEPROVISIONED | STAGED | SUSPENDED", "", "only users of this status")
	g.Add("limit", "integer", "1000", "maximum number of records in total, 日本 included")
	g.Add("cursor", "string", "", "")
	var b strings.Builder
	g.Write(&b)
	return b.String()
}

func TestGrid_OfEachWidth_FitsAndLosesNothing(t *testing.T) {
	want := strings.Fields(sample(0))
	for columns := 20; columns <= 140; columns++ {
		got := sample(columns)
		for line := range strings.Lines(got) {
			if n := runewidth.StringWidth(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("at %d columns: a line of %d: %q", columns, n, line)
			}
		}
		if joined := strings.Join(strings.Fields(got), ""); joined != strings.Join(want, "") {
			t.Errorf("at %d columns: got\n%s", columns, got)
		}
	}
}

func TestGrid_OnANarrowTerminal_WrapsWithinAColumnOrBelow(t *testing.T) {
	for columns, want := range map[int]string{
		100: "  limit   integer                                      1000     maximum number of records in total,\n" +
			"                                                                日本 included\n",
		50: "  limit   integer  1000\n          maximum number of records in total, 日本\n          included\n",
	} {
		if got := sample(columns); !strings.Contains(got, want) {
			t.Errorf("at %d columns: got\n%s\nwant in it\n%s", columns, got, want)
		}
	}
}
