package rows

import (
	"bufio"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestLine_OfRows_HasALineForEachColumn(t *testing.T) {
	for room, want := range map[int]string{
		0:  "id        = 1\nlong_name = one two three\\x\nnull      =\n\nid        = 2\nlong_name =\nnull      =\n",
		20: "id        = 1\nlong_name = one two\n          three\\x\nnull      =\n\nid        = 2\nlong_name =\nnull      =\n",
	} {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		rows := New("line", w, []abi.Column{{Name: "id"}, {Name: "long_name"}, {Name: "null"}}, Layout{Room: room})
		for _, row := range [][]any{{int64(1), "one two three\\x", nil}, {int64(2), "", nil}} {
			if err := rows.Row(row); err != nil {
				t.Fatal(err)
			}
		}
		if err := rows.End(); err != nil {
			t.Fatal(err)
		}
		if _ = w.Flush(); b.String() != want {
			t.Errorf("%d columns: %q, want %q", room, b.String(), want)
		}
	}
}

// A value of several lines keeps them. Its lines are indented, so that none looks like another column.
func TestLine_ValueWithLineBreaks_KeepsThem(t *testing.T) {
	for room, want := range map[int]string{
		0:  "id   = 1\ntext = {\n           \"a\": 1\n\n       id = 2; x\n",
		16: "id   = 1\ntext = {\n           \"a\":\n       1\n\n       id = 2; x\n",
	} {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		rows := New("line", w, []abi.Column{{Name: "id"}, {Name: "text"}}, Layout{Room: room})
		if err := rows.Row([]any{int64(1), "{\n    \"a\": 1\r\n\nid = 2\rx\n"}); err != nil {
			t.Fatal(err)
		}
		if _ = w.Flush(); b.String() != want {
			t.Errorf("%d columns: %q, want %q", room, b.String(), want)
		}
	}
}
