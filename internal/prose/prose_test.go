package prose

import (
	"flag"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

var (
	root = flag.String("root", "../..", "tree of sources to count in; another one than this is not held to the budget")
	list = flag.String("list", "", "list the findings whose path begins so")
	less = flag.Bool("lower", false, "lower the budget to what was found")
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
	found, err := program("x.go", []byte("package x\n\nimport _ \"beside\"\n\n// A\n// whoever\ntype T struct {\n\tA int `json:\"dear\"`\n}\n\nconst c = \"lest\\nbeside\"\n"))
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

// TestTree_WordsToAvoid_AreWithinTheBudget counts the words in all comments, string literals and documents. -list PATH lists
// them.
func TestTree_WordsToAvoid_AreWithinTheBudget(t *testing.T) {
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
	counts, folders := map[string]map[Kind]int{}, map[string]int{}
	for _, f := range all {
		if counts[f.Word] == nil {
			counts[f.Word] = map[Kind]int{}
		}
		counts[f.Word][f.Kind]++
		folders[path.Dir(f.Path)]++
		if *list != "" && strings.HasPrefix(f.Path, *list) {
			t.Log(f)
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
	if *root != "../.." {
		return
	}
	if *less {
		lower(t, folders)
		return
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if n := folders[folder]; n > budget[folder] {
			t.Errorf("%s has %d words to avoid, and may have %d. CONTRIBUTING.md says how to write. -args -list %s/ lists them", folder, n, budget[folder], folder)
		}
	}
}

// lower writes the budget with the smaller of what was found and what was allowed.
func lower(t *testing.T, found map[string]int) {
	t.Helper()
	text, err := os.ReadFile("budget_test.go")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "map[string]int{")
	var b strings.Builder
	b.WriteString(head + "map[string]int{\n")
	for _, folder := range slices.Sorted(maps.Keys(budget)) {
		if n := min(found[folder], budget[folder]); n > 0 {
			fmt.Fprintf(&b, "\t%q: %d,\n", folder, n)
		}
	}
	b.WriteString("}\n")
	formatted, err := format.Source([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("budget_test.go", formatted, 0o644); err != nil {
		t.Fatal(err)
	}
}
