package prose

import (
	"strings"
	"testing"
)

func TestLongSentences_OfATextOrDocument_CountsSentencesAlone(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", MaxWords+1))
	short := strings.TrimSpace(strings.Repeat("word ", MaxWords))
	for text, want := range map[string]int{
		long + ".":  1,
		short + ".": 0,
		short + ": " + short + ". " + short + "?":    0,
		short + "\n\n" + short:                       0,
		short + " `" + long + "`":                    1,
		"See [the page](" + long + ") " + short[5:]:  1,
		"```sh\n" + long + "\n```\n":                 0,
		"| " + long + " |\n":                         0,
		"# " + long + "\n":                           0,
		"- " + short + "\n- " + short + "\n" + short: 1,
	} {
		if got := LongSentences(Document, text); len(got) != want {
			t.Errorf("%q: %d, want %d: %q", text, len(got), want, got)
		}
	}
}

// most is how many long sentences there may be. It may only fall: lower it when you have rewritten some.
var most = map[Kind]int{Comment: 300, Document: 0}

// TestTree_LongSentences_GetFewer counts the sentences that have to be rewritten. -v lists them.
func TestTree_LongSentences_GetFewer(t *testing.T) {
	all, err := Long(*root, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	counts := map[Kind]int{}
	for _, f := range all {
		counts[f.Kind]++
		t.Log(f)
	}
	for _, kind := range []Kind{Comment, Document} {
		if counts[kind] > most[kind] && *root == "../.." {
			t.Errorf("%d sentences of over %d words in a %s, want at most %d: write one fact a sentence (CONTRIBUTING.md)", counts[kind], MaxWords, kind, most[kind])
		}
	}
}
