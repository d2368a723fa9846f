package main

import (
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/term"
)

// console is stderr. Log lines and messages go through it, so that they do not mix with a status line, which it draws
// below them. It is safe for concurrent use.
type console struct {
	mu     sync.Mutex
	w      io.Writer
	status string // the status line that is on the screen, "" for none
}

// clearLine goes to the start of the line and erases it, with what the terminal echoed there ("^C").
const clearLine = "\r\x1b[K"

// Write implements io.Writer. It expects whole lines.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == "" {
		return c.w.Write(b)
	}
	// One write: a signal's echo cannot come between the parts.
	if _, err := c.w.Write([]byte(clearLine + string(b) + c.status)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// draw puts a status line on the screen, in place of the last one. Errors are dropped: the line is a courtesy.
func (c *console) draw(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = line
	_, _ = io.WriteString(c.w, clearLine+line)
}

// settle makes the status line an ordinary line with a last text.
func (c *console) settle(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != "" {
		line = clearLine + line
	}
	c.status = ""
	_, _ = io.WriteString(c.w, line+"\n")
}

// breakLine leaves a line on which the terminal echoed what was typed ("^C"). Where a status line is drawn, that is
// drawn over instead.
func (c *console) breakLine() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, is := terminal(c.w); is && c.status == "" {
		_, _ = io.WriteString(c.w, "\n")
	}
}

// terminal reports whether w is one, and how many columns it has.
func terminal(w any) (columns int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 { // a terminal that does not say
		columns = 80
	}
	return columns, true
}

// dumb reports whether the terminal takes no escape codes. On Windows, TERM says nothing.
func (a *app) dumb() bool {
	name := a.env("TERM")
	return name == "dumb" || name == "" && runtime.GOOS != "windows"
}
