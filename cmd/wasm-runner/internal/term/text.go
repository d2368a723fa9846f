package term

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// OneLine returns a message on one line. It replaces control characters, marks that change the direction of writing, and bytes
// that are not UTF-8 by spaces.
func OneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
}

// EachLine applies OneLine to each line of a text.
func EachLine(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = OneLine(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Printable returns text on one line. It escapes characters that move the cursor or change the direction of writing, as JSON
// does: a hostile name could otherwise rewrite a question.
func Printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, "\\U%08x", r)
		default:
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// PlainLines writes lines of JSON or CSV to a terminal. It escapes characters that move the cursor or change the direction
// of writing, as JSON does: the text may be hostile.
type PlainLines struct {
	w    io.Writer
	rest []byte // the first bytes of an incomplete character
}

// NewPlainLines returns a writer that escapes what it writes to w.
func NewPlainLines(w io.Writer) *PlainLines { return &PlainLines{w: w} }

// Write implements io.Writer.
func (p *PlainLines) Write(b []byte) (int, error) {
	all := append(p.rest, b...)
	end := len(all)
	for i := max(0, end-utf8.UTFMax+1); i < end; i++ {
		if utf8.RuneStart(all[i]) && !utf8.FullRune(all[i:]) {
			end = i
			break
		}
	}
	var text strings.Builder
	for _, r := range string(all[:end]) {
		if r == '\n' || unicode.IsPrint(r) {
			text.WriteRune(r)
		} else {
			text.WriteString(Printable(string(r)))
		}
	}
	p.rest = append([]byte(nil), all[end:]...)
	if _, err := io.WriteString(p.w, text.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}

// colours matches the codes that change a colour.
var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Width returns how many columns a terminal gives to a text, which may have colours.
func Width(text string) int { return runewidth.StringWidth(colours.ReplaceAllString(text, "")) }

// Wrap breaks a text into lines of at most so many columns, at spaces where it has some. It indents all lines but the first.
// With no room for the indent and a character, it returns the text unbroken.
func Wrap(text string, columns, indent int) []string {
	if columns < indent+2 { // a character may be two columns wide
		return []string{text}
	}
	var lines []string
	for runewidth.StringWidth(text) > columns {
		fits := runewidth.Truncate(text, columns, "")
		cut := len(fits)
		if text[cut] != ' ' {
			if space := strings.LastIndexByte(fits, ' '); space > indent && strings.TrimSpace(fits[:space]) != "" {
				cut = space
			}
		}
		lines = append(lines, strings.TrimRight(text[:cut], " "))
		text = strings.Repeat(" ", indent) + strings.TrimLeft(text[cut:], " ")
	}
	return append(lines, text)
}
