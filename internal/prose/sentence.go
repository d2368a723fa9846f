package prose

import (
	"regexp"
	"strings"
)

// MaxWords is the length of the longest sentence that reads well, in words.
const MaxWords = 20

// Parts of a document that are no sentences.
var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```")
	inline   = regexp.MustCompile("`[^`\n]*`")
	link     = regexp.MustCompile(`\]\([^)]*\)`)
	notProse = regexp.MustCompile(`(?m)^ *(#|\||<|!\[).*$`)
	item     = regexp.MustCompile(`(?m)^ *([-*]|\d+\.) +`)
	blank    = regexp.MustCompile(`\n[ \t]*\n`)
	ends     = regexp.MustCompile(`[.!?:](?:["')*]|\b)*(?:\s+|$)`)
)

// LongSentences returns the sentences of a text that have over MaxWords words. A colon ends a sentence. In a document, code,
// tables and headings are not read, and each item of a list is a text of its own.
func LongSentences(kind Kind, text string) (long []string) {
	if kind == Document {
		text = fence.ReplaceAllString(text, "\n\n")
		text = notProse.ReplaceAllString(text, "\n")
		text = item.ReplaceAllString(text, "\n\n")
	}
	text = inline.ReplaceAllString(text, "x")
	text = link.ReplaceAllString(text, "]")
	for _, paragraph := range blank.Split(text, -1) {
		for _, sentence := range ends.Split(paragraph, -1) {
			if words := strings.Fields(sentence); len(words) > MaxWords {
				long = append(long, strings.Join(words, " "))
			}
		}
	}
	return long
}

// Long returns the sentences of over MaxWords words in the comments and documents of a source tree. The line of a finding is
// that of its comment, and 1 for a document.
func Long(root string, skip func(path string) bool) ([]Finding, error) {
	return walk(root, skip, func(path string, line int, kind Kind, text string) (all []Finding) {
		if kind == String || kind == Document && !strings.HasSuffix(path, ".md") {
			return nil
		}
		for _, sentence := range LongSentences(kind, text) {
			all = append(all, Finding{Path: path, Line: line, Kind: kind, Word: "long", Text: sentence})
		}
		return all
	})
}
