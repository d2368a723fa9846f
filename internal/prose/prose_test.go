package prose

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

var (
	root = flag.String("root", "../..", "tree of sources to count in; another one than this may have the words")
)

func TestFind_OfWordsToAvoid_FindsEach(t *testing.T) {
	for text, want := range map[string]string{
		"It was told to stop.":                   "told",
		"What is untold stays.":                  "told",
		"The name stands in line 2.":             "stands",
		"Nothing leaves the machine.":            "leaves",
		"The journal has it before it leaves.":   "leaves",
		"It leaves such users out.":              "",
		"A crash leaves half a line.":            "",
		"X stands for the name.":                 "",
		"A dear guess.":                          "dear",
		"Whoever has it by then.":                "whoever",
		"Somebody else changed it.":              "somebody",
		"It waits, lest it fails.":               "lest",
		"A close beside it.":                     "beside",
		"open x: no such file or directory":      "",
		"There is no such note.":                 "no such",
		"One of none that is ours.":              "none that is",
		"of is an endpoint with its class.":      "of …",
		"The rest of it is plain and untouched.": "",
	} {
		var got []string
		for _, f := range Find("x.go", 1, Comment, text) {
			got = append(got, f.Word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestProgram_OfGo_FindsCommentsAndStrings(t *testing.T) {
	found, err := program("x.go", []byte("package x\n\nimport _ \"beside\"\n\n// A\n// whoever\ntype T struct {\n\tA int `json:\"dear\"`\n}\n\nconst c = \"lest\\nbeside\"\n"), Find)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%d %s %s", f.Line, f.Kind, f.Word))
	}
	if want := "6 comment whoever, 11 string lest, 12 string beside"; strings.Join(got, ", ") != want {
		t.Errorf("found %s, want %s", strings.Join(got, ", "), want)
	}
}

// exceptions are files, or folders that end in /, that are not checked, with the reason.
var exceptions = map[string]string{
	"internal/prose/":              "it names the words",
	"cmd/wasm-runner/help_test.go": "it names the words that help must not have",
}

// TestTree_WordsToAvoid_AreNowhere counts the words in all comments, string literals and documents. -v prints the counts.
func TestTree_WordsToAvoid_AreNowhere(t *testing.T) {
	all, err := Tree(*root, func(p string) bool {
		for e := range exceptions {
			if p == e || strings.HasSuffix(e, "/") && strings.HasPrefix(p, e) {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]map[Kind]int{}
	for _, f := range all {
		if counts[f.Word] == nil {
			counts[f.Word] = map[Kind]int{}
		}
		counts[f.Word][f.Kind]++
		if *root == "../.." {
			t.Errorf("%v: CONTRIBUTING.md says how to write", f)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s", "word")
	for _, k := range Kinds() {
		fmt.Fprintf(&b, "%10s", k)
	}
	for _, w := range Words() {
		fmt.Fprintf(&b, "\n%-14s", w)
		for _, k := range Kinds() {
			fmt.Fprintf(&b, "%10d", counts[w][k])
		}
	}
	t.Logf("%d words to avoid\n%s", len(all), b.String())
}
