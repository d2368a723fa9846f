package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// console is stderr: log lines and messages go through it, so that a progress line can step aside. It is safe for
// concurrent use.
type console struct {
	mu   sync.Mutex
	w    io.Writer
	over io.Writer // takes lines meanwhile; nil most of the time
}

// Write implements io.Writer.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		if n, err := c.over.Write(b); err == nil {
			return n, nil
		}
	}
	return c.w.Write(b)
}

// divert sends lines to a writer that stands before the same terminal; nil ends that.
func (c *console) divert(over io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = over
}

// terminal reports whether w is one, and how many columns it has.
func terminal(w any) (columns int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 20 {
		columns = 80
	}
	return columns, true
}
