package rows

import (
	"bufio"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// lineRows writes each row as a line for each column, and an empty line between rows. It leaves errors to Flush of w.
type lineRows struct {
	w       *bufio.Writer
	columns []abi.Column
	room    int // columns of the terminal; 0 is no limit
	begun   bool
}

// Row implements Writer.
func (r *lineRows) Row(values []any) error {
	if r.begun {
		_ = r.w.WriteByte('\n')
	}
	r.begun = true
	width := 0
	for _, c := range r.columns {
		width = max(width, term.Width(term.OneLine(c.Name)))
	}
	for i, v := range values {
		name := term.OneLine(r.columns[i].Name)
		head, indent := name+strings.Repeat(" ", width-term.Width(name))+" = ", width+3
		if r.room > 0 {
			indent = min(indent, r.room/2)
		}
		for text := range strings.SplitSeq(strings.TrimRight(plainText(v), "\r\n"), "\n") { // an indent marks the lines of a value
			line := strings.TrimRight(head+term.OneLine(strings.TrimRight(text, "\r")), " ")
			if r.room > 0 {
				line = strings.Join(term.Wrap(line, r.room, indent), "\n")
			}
			_, _ = r.w.WriteString(line + "\n")
			head = strings.Repeat(" ", indent)
		}
	}
	return nil
}

// End implements Writer.
func (r *lineRows) End() error { return nil }
