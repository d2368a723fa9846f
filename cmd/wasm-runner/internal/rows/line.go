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
		line := name + strings.Repeat(" ", width-term.Width(name)) + " = " + term.OneLine(plainText(v))
		line = strings.TrimRight(line, " ")
		if r.room > 0 {
			line = strings.Join(term.Wrap(line, r.room, min(width+3, r.room/2)), "\n")
		}
		_, _ = r.w.WriteString(line + "\n")
	}
	return nil
}

// End implements Writer.
func (r *lineRows) End() error { return nil }
