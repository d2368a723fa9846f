// Package term shows text to a person at a terminal.
package term

import (
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/term"
)

// Console writes lines to a terminal and keeps a status line below them. It is safe for concurrent use.
type Console struct {
	mu     sync.Mutex
	w      io.Writer
	status string // the status line on the screen, "" for none
}

// NewConsole returns a console that writes to w. On a w that is no terminal, no status line may be drawn.
func NewConsole(w io.Writer) *Console { return &Console{w: w} }

// clearLine returns to the start of the line and erases it, with what the terminal echoed there ("^C").
const clearLine = "\r\x1b[K"

// Write implements io.Writer. It expects whole lines.
func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == "" {
		return c.w.Write(b)
	}
	// A single write, so that the echo of Ctrl-C cannot come between the parts.
	if _, err := c.w.Write([]byte(clearLine + string(b) + c.status)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// draw replaces the status line. It ignores errors, because nothing depends on the line.
func (c *Console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = line
	_, _ = io.WriteString(c.w, clearLine+line)
}

// settle turns the status line into an ordinary line with a final text.
func (c *Console) settle(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != "" {
		line = clearLine + line
	}
	c.status = ""
	_, _ = io.WriteString(c.w, line+"\n")
}

// BreakLine ends the line on which the terminal echoed Ctrl-C. With a status line, the next drawing erases the echo instead.
func (c *Console) BreakLine() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, is := Columns(c.w); is && c.status == "" {
		_, _ = io.WriteString(c.w, "\n")
	}
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Columns reports whether w is a terminal, and its width in columns: 80 where the terminal does not say.
func Columns(w any) (columns int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !IsTerminal(f) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns, true
}

// Narrower reports whether w is a terminal that says it has fewer columns. Some say 0.
func Narrower(w any, columns int) bool {
	f, isFile := w.(*os.File)
	if !isFile {
		return false
	}
	has, _, err := term.GetSize(int(f.Fd()))
	return err == nil && has < columns
}

// Dumb reports whether a terminal takes no escape codes. name is the value of TERM, which Windows does not set.
func Dumb(name string) bool {
	return name == "dumb" || name == "" && runtime.GOOS != "windows"
}
