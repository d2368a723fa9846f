package links

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// document is a Markdown file.
type document struct {
	links   []link
	anchors []string // the anchors of its headings, as GitHub generates them
}

// link is a link or an image in a document.
type link struct {
	line   int
	target string
}

var (
	inline    = regexp.MustCompile(`!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]*)>?(?:\s+"[^"]*")?\s*\)`)
	reference = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s*(\S+)`)
	heading   = regexp.MustCompile(`^(#{1,6})\s+(.*?)\s*#*\s*$`)
	code      = regexp.MustCompile("`[^`]*`")
	named     = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
)

// parse reads a document without code blocks and inline code.
func parse(text string) document {
	var d document
	fence := ""
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " >")
		if fence != "" {
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			continue
		}
		if strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~") {
			fence = trimmed[:3]
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			d.anchors = append(d.anchors, unique(slug(m[2]), d.anchors))
		}
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			d.anchors = append(d.anchors, m[1])
		}
		stripped := code.ReplaceAllStringFunc(line, func(c string) string { return strings.Repeat("x", len(c)) })
		for _, m := range inline.FindAllStringSubmatch(stripped, -1) {
			d.links = append(d.links, link{i + 1, m[1]})
		}
		if m := reference.FindStringSubmatch(stripped); m != nil {
			d.links = append(d.links, link{i + 1, m[1]})
		}
	}
	return d
}

// slug returns GitHub's anchor for a heading.
func slug(title string) string {
	title = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unique returns an anchor, with a number appended if the document already has it.
func unique(anchor string, taken []string) string {
	result := anchor
	for n := 1; slices.Contains(taken, result); n++ {
		result = fmt.Sprintf("%s-%d", anchor, n)
	}
	return result
}

// files returns the paths of this repository's files with this ending, relative to its root.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (name == "node_modules" || name == "bin" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ending) {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			all = append(all, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// problem says why a link of a document is dead, or "". exists reports whether a path exists; anchors are those of
// documents by path.
func problem(from, target string, exists func(string) bool, anchors map[string][]string) string {
	path, anchor, hasAnchor := strings.Cut(target, "#")
	switch {
	case target == "":
		return "is empty"
	case strings.HasPrefix(target, "https://") || strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "mailto:"):
		return "" // external: it may be down temporarily
	case strings.HasPrefix(path, "/"):
		return "begins with /: write it from the document's folder"
	}
	file := from
	if path != "" {
		file = filepath.ToSlash(filepath.Join(filepath.Dir(from), path))
	}
	if strings.HasPrefix(file, "../") || !exists(file) {
		return file + " is not there"
	}
	if known, ok := anchors[file]; hasAnchor && ok && !slices.Contains(known, anchor) {
		return fmt.Sprintf("%s has no heading #%s, it has %s", file, anchor, strings.Join(known, ", "))
	}
	return ""
}

func TestDocuments_Links_AreAlive(t *testing.T) {
	documents, anchors := map[string]document{}, map[string][]string{}
	for _, path := range files(t, ".md") {
		documents[path] = parse(read(t, path))
		anchors[path] = documents[path].anchors
	}
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	links := 0
	for path, d := range documents {
		for _, l := range d.links {
			links++
			if p := problem(path, l.target, exists, anchors); p != "" {
				t.Errorf("%s:%d: the link %s: %s", path, l.line, l.target, p)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links in %d documents", links, len(documents))
	}
}

// Comments, errors and help name documents by their path. These documents must exist.
func TestGoFiles_NamedDocuments_Exist(t *testing.T) {
	document := regexp.MustCompile(`\b(?:docs/[\w.-]+|abi/README|[A-Z]{5,})\.md\b`)
	for _, path := range files(t, ".go") {
		if strings.HasPrefix(path, "internal/links/") {
			continue
		}
		for i, line := range strings.Split(read(t, path), "\n") {
			for _, name := range document.FindAllString(line, -1) {
				if _, err := os.Stat(filepath.Join(root, name)); err != nil && !strings.Contains(line, "http") {
					t.Errorf("%s:%d: %s does not exist", path, i+1, name)
				}
			}
		}
	}
}

func TestParse_OfADocument_FindsLinksAndAnchors(t *testing.T) {
	d := parse("# One two\n[a](b.md#c) ![p](p.svg) `[no](no.md)`\n## One `two`!\n```sh\n[x](y.md)\n# no heading\n```\n[ref]: z.md\n# A [link](l.md), more\n")
	var targets []string
	for _, l := range d.links {
		targets = append(targets, l.target)
	}
	if got, want := fmt.Sprint(targets), "[b.md#c p.svg z.md l.md]"; got != want {
		t.Errorf("links %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(d.anchors), "[one-two one-two-1 a-link-more]"; got != want {
		t.Errorf("anchors %s, want %s", got, want)
	}
}

func TestProblem_OfADeadLink_SaysWhy(t *testing.T) {
	exists := func(path string) bool { return path == "docs/a.md" || path == "README.md" }
	anchors := map[string][]string{"docs/a.md": {"one"}, "README.md": {"top"}}
	for target, want := range map[string]string{
		"a.md": "", "a.md#one": "", "#one": "", "../README.md#top": "", "https://example.com/x#y": "",
		"a.md#two": "no heading", "b.md": "is not there", "../../x.md": "is not there", "/docs/a.md": "begins with /", "": "is empty",
	} {
		got := problem("docs/a.md", target, exists, anchors)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
	}
}

// TestContents_OfARationale_HaveEachHeading compares the list at the beginning with the headings.
func TestContents_OfARationale_HaveEachHeading(t *testing.T) {
	for _, path := range []string{"RATIONALE.md", "guest/okta/RATIONALE.md"} {
		d := parse(read(t, path))
		listed := map[string]bool{}
		for _, l := range d.links {
			listed[l.target] = true
		}
		for _, anchor := range d.anchors[1:] { // the first is the title
			if !listed["#"+anchor] {
				t.Errorf("the contents of %s lack #%s", path, anchor)
			}
		}
	}
}
