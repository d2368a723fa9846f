// Package prose finds words that make text hard to read.
package prose

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Kind says what a text is.
type Kind string

// The kinds of texts.
const (
	Comment  Kind = "comment"
	String   Kind = "string" // a literal of a Go program: errors, help, messages
	Document Kind = "document"
)

// Kinds lists the kinds of texts.
func Kinds() []Kind { return []Kind{Comment, String, Document} }

// Finding is a word in a text.
type Finding struct {
	Path string // from the root of the tree
	Line int
	Kind Kind
	Word string // of Words
	Text string // the line, or as much of it as the text has
}

// String returns the finding as path:line: word: text.
func (f Finding) String() string { return fmt.Sprintf("%s:%d: %q: %s", f.Path, f.Line, f.Word, f.Text) }

// word is a word to avoid.
type word struct {
	name    string
	pattern *regexp.Regexp
	only    Kind // the only kind of text in which it counts; "" is any
	// fine matches uses of the word that are plain English, or that are quoted.
	fine *regexp.Regexp
}

var words = []word{
	{name: "told", pattern: regexp.MustCompile(`(?i)\b(?:un)?told\b`), fine: regexp.MustCompile(`(?i)\btold apart\b`)},
	{name: "stands", pattern: regexp.MustCompile(`(?i)\bstands\b`), fine: regexp.MustCompile(`(?i)\bstands (?:in )?for\b`)},
	// "a crash leaves half a line" is plain; a request is sent, and does not leave.
	{name: "leaves", pattern: regexp.MustCompile(`(?i)\bleaves(?:[.,;:]| the machine\b| this machine\b| →)|\b(?:requests?|writes?|anything|nothing|never|not|it) leaves?(?:[.,;:]|$| the machine\b| this machine\b| again\b)`)},
	{name: "dear", pattern: regexp.MustCompile(`(?i)\bdear\b`)},
	{name: "whoever", pattern: regexp.MustCompile(`(?i)\bwhoever\b`)},
	{name: "somebody", pattern: regexp.MustCompile(`(?i)\bsomebody\b`)},
	{name: "lest", pattern: regexp.MustCompile(`\blest\b`)},
	{name: "beside", pattern: regexp.MustCompile(`(?i)\bbeside\b`)},
	// Operating systems say "no such file or directory", and tests name what is not there "No such group".
	{name: "no such", pattern: regexp.MustCompile(`\bno such\b`), fine: regexp.MustCompile(`\bno such (?:file or directory|host|process|device)\b`)},
	{name: "none that is", pattern: regexp.MustCompile(`(?i)\bnone that (?:is|are)\b`)},
	{name: "of …", pattern: regexp.MustCompile(`^of\b`), only: Comment},
}

// Words lists the words that are looked for.
func Words() []string {
	var all []string
	for _, w := range words {
		all = append(all, w.name)
	}
	return all
}

// Find returns the findings of a text. line is the number of its first line.
func Find(path string, line int, kind Kind, text string) []Finding {
	var all []Finding
	for i, one := range strings.Split(text, "\n") {
		for _, w := range words {
			if w.only != "" && w.only != kind || w.only == Comment && i > 0 {
				continue
			}
			if w.name == "no such" && kind == String && strings.HasSuffix(path, "_test.go") {
				continue // ids and names that are not there, and expectations
			}
			rest := one
			if w.fine != nil {
				rest = w.fine.ReplaceAllString(rest, "")
			}
			for range w.pattern.FindAllString(rest, -1) {
				all = append(all, Finding{path, line + i, kind, w.name, strings.TrimSpace(one)})
			}
		}
	}
	return all
}

// Tree returns the findings of the comments, string literals and documents of a source tree. It leaves out hidden folders,
// testdata, and what skip reports.
func Tree(root string, skip func(path string) bool) ([]Finding, error) { return walk(root, skip, Find) }

// finder returns the findings of a text that begins in a line of a file.
type finder func(path string, line int, kind Kind, text string) []Finding

func walk(root string, skip func(path string) bool, find finder) ([]Finding, error) {
	var all []Finding
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		path := filepath.ToSlash(rel)
		if d.IsDir() {
			if name := d.Name(); file != root && (name == "testdata" || name == "bin" || name == "node_modules" || strings.HasPrefix(name, ".") && name != ".ci") {
				return filepath.SkipDir
			}
			return nil
		}
		if skip(path) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(path, ".go"):
			found, err := program(path, text, find)
			if err != nil {
				return err
			}
			all = append(all, found...)
		case strings.HasSuffix(path, ".md"), strings.HasSuffix(path, ".sh"), strings.HasPrefix(path, ".ci/"), d.Name() == "Makefile", d.Name() == "Containerfile":
			all = append(all, find(path, 1, Document, string(text))...)
		}
		return nil
	})
	return all, err
}

// program returns the findings of a Go file.
func program(path string, text []byte, find finder) ([]Finding, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []Finding
	for _, group := range file.Comments {
		first := files.Position(group.Pos()).Line
		all = append(all, find(path, first, Comment, plain(group))...)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil // names of members, no text
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				if s, err := strconv.Unquote(n.Value); err == nil {
					all = append(all, find(path, files.Position(n.Pos()).Line, String, s)...)
				}
			}
		}
		return true
	})
	return all, nil
}

// plain returns the text of a comment, a line for each line of it.
func plain(group *ast.CommentGroup) string {
	var lines []string
	for _, c := range group.List {
		for line := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(c.Text, "/*"), "*/"), "\n") {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "//")))
		}
	}
	return strings.Join(lines, "\n")
}
