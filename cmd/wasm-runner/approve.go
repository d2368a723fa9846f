package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
		tty, out, err := a.AskOn(stdinTaken)
		if err != nil {
			return "", fmt.Errorf("%w: read the plan with --plan, then give --approve", err)
		}
		// Text that was typed before the question does not answer it.
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

// who returns the name of the user that runs this process.
func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// styleOf returns the colours and the width of text for people on an output.
func styleOf(a *cli.App, out any) result.Style {
	columns, _ := term.Columns(out)
	return result.Style{Palette: term.NewPalette(out, a.Env), Columns: columns}
}
