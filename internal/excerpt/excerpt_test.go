package excerpt

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOf_LongText_IsCutAtACharacter(t *testing.T) {
	for n := range 100 {
		for _, char := range []string{"a", "é", "€", "😀"} {
			text := strings.Repeat("x", n) + strings.Repeat(char, 40)
			got := Of(text)
			if begin, cut := strings.CutSuffix(got, "…"); !utf8.ValidString(got) || !strings.HasPrefix(text, begin) || cut != (len(text) > most) || len(begin) > max(most, len(text)) || cut && len(begin) < most-3 {
				t.Errorf("%d of %q: %q", n, char, got)
			}
		}
	}
}
