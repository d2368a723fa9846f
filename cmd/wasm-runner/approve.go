package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
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
			return "", fmt.Errorf("%w: look at --plan, and give --approve", err)
		}
		// Text that was typed before the question is no answer to it.
		if err := term.DiscardInput(tty); err != nil {
			return "", fmt.Errorf("what was typed ahead could not be dropped: %w", err)
		}
		if _, err := io.WriteString(out, question(r)); err != nil {
			return "", fmt.Errorf("the question could not be shown: %w", err)
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
			return "", errors.New("no answer before the call ended")
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
		return nil, nil, errors.New("this runs in the background, where it cannot ask")
	}
	if _, is := term.Columns(a.Stderr); is && !a.JSON {
		return tty, a.Stderr, nil
	}
	return tty, tty, nil
}

// ownTerminal opens the terminal that started this process. It stays open until the process ends. With standard input from
// /dev/null the process must not ask.
func ownTerminal(a *cli.App) (*os.File, error) {
	none := errors.New("standard input is no terminal to ask on")
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

// maxShown is the most of an object that a question shows, in bytes.
const maxShown = 1000

// question returns the text for the approver: the operation, its input, the writes, and the present state of their targets.
func question(r host.ApprovalRequest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s is %s. Its input:\n  %s\nIt would send:\n", r.Operation, r.Connection, r.Class, term.Printable(string(r.Input)))
	for _, w := range r.Plan.Writes {
		fmt.Fprintf(&b, "  %s\n", shownWrite(w))
	}
	shown := []json.RawMessage{}
	if len(r.Plan.State) > 0 {
		shown = append(append(shown, r.Plan.State), r.Plan.Related...)
	}
	for i, object := range shown {
		if i == 0 {
			b.WriteString("What is there now:\n")
		}
		text := string(object)
		if len(text) > maxShown {
			text = strings.ToValidUTF8(text[:maxShown], "") + fmt.Sprintf("… (%d bytes in all: --plan shows them)", len(object))
		}
		fmt.Fprintf(&b, "  %s\n", term.Printable(text))
	}
	for _, warning := range r.Plan.Warnings {
		fmt.Fprintf(&b, "Note: %s\n", term.Printable(warning))
	}
	b.WriteString("Send it? [y/N] ")
	return b.String()
}

// shownWrite returns a planned write on one line.
func shownWrite(w abi.PlannedWrite) string {
	return strings.TrimSpace(term.Printable(request(w) + " " + string(w.Body)))
}

// shownPlan returns a plan for people: the writes, and the present state of their targets without links.
func shownPlan(conn *host.Connection, r *abi.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on %s", r.Operation, term.Printable(conn.Config().Name))
	if op, err := conn.Module().Operation(r.Operation); err == nil {
		fmt.Fprintf(&b, " is %s", op.Class)
	}
	b.WriteString(". It would send:\n")
	for _, w := range r.Plan.Writes {
		fmt.Fprintf(&b, "  %s\n", shownWrite(w))
	}
	if len(r.Plan.Writes) == 0 {
		b.WriteString("  nothing\n")
	}
	if len(r.Plan.State) > 0 {
		b.WriteString("What is there now:\n")
		for _, object := range append([]json.RawMessage{r.Plan.State}, r.Plan.Related...) {
			b.WriteString("  ")
			indented(&b, gjson.ParseBytes(object), "  ")
			b.WriteByte('\n')
		}
	}
	for _, warning := range r.Plan.Warnings {
		fmt.Fprintf(&b, "Note: %s\n", term.Printable(warning))
	}
	return b.String()
}

// indented writes JSON with a line for each member, in their order and without _links.
func indented(b *strings.Builder, v gjson.Result, indent string) {
	if !v.IsObject() && !v.IsArray() {
		b.WriteString(term.Printable(strings.TrimSpace(v.Raw)))
		return
	}
	open, end, separator := "{", "}", ""
	if v.IsArray() {
		open, end = "[", "]"
	}
	b.WriteString(open)
	v.ForEach(func(name, member gjson.Result) bool {
		if v.IsObject() && name.Str == "_links" {
			return true
		}
		b.WriteString(separator + "\n" + indent + "  ")
		if separator = ","; v.IsObject() {
			b.WriteString(term.Printable(name.Raw) + ": ")
		}
		indented(b, member, indent+"  ")
		return true
	})
	if separator != "" {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// who returns the name of the user that runs this process.
func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
