package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// AskOn returns the terminal to ask on, and where to write the question: standard error if it is a terminal without JSON, else
// the terminal itself. If standard input is a pipe or file, it opens the terminal of the process.
func (a *App) AskOn(stdinTaken bool) (tty *os.File, out io.Writer, err error) {
	if _, is := term.Columns(a.Stdin); is && !stdinTaken {
		tty = a.Stdin.(*os.File)
	} else if tty, err = a.ownTerminal(); err != nil {
		return nil, nil, err
	}
	if !term.InForeground(tty) {
		return nil, nil, errors.New("this command runs in the background and cannot ask")
	}
	if _, is := term.Columns(a.Stderr); is && !a.JSON {
		return tty, a.Stderr, nil
	}
	return tty, tty, nil
}

// ownTerminal opens the terminal that started this process. It stays open until the process ends. With standard input from
// /dev/null the process must not ask.
func (a *App) ownTerminal() (*os.File, error) {
	none := errors.New("there is no terminal to ask on")
	stdin, is := a.Stdin.(*os.File)
	if !is {
		return nil, none
	}
	if info, err := stdin.Stat(); err != nil || info.Mode()&fs.ModeCharDevice != 0 && !term.IsTerminal(stdin) {
		return nil, none
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil { // no terminal, or a system without this file
		return nil, none
	}
	return tty, nil
}
