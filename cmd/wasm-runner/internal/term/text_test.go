package term

import (
	"slices"
	"strings"
	"testing"
)

func TestWrap_AtAWidth_BreaksAtSpaces(t *testing.T) {
	for _, c := range []struct {
		text            string
		columns, indent int
		want            []string
	}{
		{"short", 10, 2, []string{"short"}},
		{"one two three", 8, 2, []string{"one two", "  three"}},
		{"one two three four", 9, 2, []string{"one two", "  three", "  four"}},
		{"abcdefghijkl", 5, 2, []string{"abcde", "  fgh", "  ijk", "  l"}},
		{"name  abcdefghijkl", 10, 2, []string{"name", "  abcdefgh", "  ijkl"}},
		{"exactly ten", 11, 2, []string{"exactly ten"}},
		{"日本語 日本語", 8, 2, []string{"日本語", "  日本語"}},
		{"whole", 0, 0, []string{"whole"}},
		{"whole", 3, 5, []string{"whole"}},
	} {
		if got := Wrap(c.text, c.columns, c.indent); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d, %d) = %q, want %q", c.text, c.columns, c.indent, got, c.want)
		}
	}
}

func TestWrap_OfAnyText_Ends(t *testing.T) {
	for columns := range 12 {
		for indent := range 14 {
			for _, text := range []string{strings.Repeat("日", 30), strings.Repeat(" ", 40), strings.Repeat("a ", 30), ""} {
				if lines := Wrap(text, columns, indent); len(lines) == 0 {
					t.Errorf("nothing of %q", text)
				}
			}
		}
	}
}

// TestPlainLines_OfAnyChunks_AreWholeCharacters that move nothing.
func TestPlainLines_OfAnyChunks_AreWholeCharacters(t *testing.T) {
	text := strings.Repeat(`{"a":"é𝄞`+"\u202e\u009b\x1b"+`"}`+"\n", 50)
	want := strings.Repeat(`{"a":"é𝄞\u202e\u009b\u001b"}`+"\n", 50)
	for size := 1; size < 9; size++ {
		var b strings.Builder
		p := NewPlainLines(&b)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if got, err := p.Write([]byte(rest[:n])); got != n || err != nil {
				t.Fatal(got, err)
			}
			rest = rest[n:]
		}
		if b.String() != want {
			t.Fatalf("in pieces of %d: %q", size, b.String())
		}
	}
}
