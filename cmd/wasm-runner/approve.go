package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/result"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
)

// approver returns who approves writes: --approve if yes is set, else the person at the terminal. Without a terminal nothing
// is approved. stdinTaken means that standard input holds the operation's input.
func approver(a *cli.App, yes, stdinTaken bool) host.Approver {
	return host.ApproverFunc(func(ctx context.Context, r host.ApprovalRequest) (string, error) {
		if yes {
			return who() + " (--approve)", nil
		}
		tty, out, err := askOn(a, stdinTaken)
		if err != nil {
			return "", fmt.Errorf("%w: read the plan with --plan, then give --approve", err)
		}
		// Text that was typed before the question is no answer to it.
		if err := term.DiscardInput(tty); err != nil {
			return "", fmt.Errorf("cannot discard what was typed before the question: %w", err)
		}
		if _, err := io.WriteString(out, styleOf(a, out).Question(r)); err != nil {
			return "", fmt.Errorf("cannot show the question: %w", err)
		}
		answer := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(tty).ReadString('\n')
			answer <- strings.ToLower(strings.TrimSpace(line))
		}()
		select {
		case s := <-answer:
			if s == "y" || s == "yes" {
				return who(), nil
			}
			return "", errors.New("the answer was not yes")
		case <-ctx.Done():
			return "", errors.New("there was no answer, and nothing was sent")
		}
	})
}

// askOn returns the terminal to ask on, and where to write the question: standard error if it is a terminal without JSON, else
// the terminal itself. If standard input is a pipe or file, it opens the terminal of the process.
func askOn(a *cli.App, stdinTaken bool) (tty *os.File, out io.Writer, err error) {
	if _, is := term.Columns(a.Stdin); is && !stdinTaken {
		tty = a.Stdin.(*os.File)
	} else if tty, err = ownTerminal(a); err != nil {
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
func ownTerminal(a *cli.App) (*os.File, error) {
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

// who returns the name of the user that runs this process.
func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// styleOf returns how text for people is shown on an output.
func styleOf(a *cli.App, out any) result.Style {
	columns, _ := term.Columns(out)
	return result.Style{Palette: term.NewPalette(out, a.Env), Columns: columns}
}
