package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"

	"github.com/mach5/okta-connector/host"
)

// approver answers for a connection that wants writes approved: yes by --approve, else whoever sits at the terminal.
// Without a terminal nobody is asked and nothing hangs.
func (a *app) approver(yes, stdinTaken bool) host.Approver {
	return host.ApproverFunc(func(ctx context.Context, r host.ApprovalRequest) (string, error) {
		if yes {
			return who() + " (--approve)", nil
		}
		_, in := terminal(a.stdin)
		if !in || stdinTaken {
			return "", errors.New("standard input is no terminal to ask on: look at --plan, and give --approve")
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s on %s is %s. It would send:\n", r.Operation, r.Connection, r.Class)
		for _, w := range r.Plan.Writes {
			method, _, _ := strings.Cut(w.Endpoint, " ")
			fmt.Fprintf(&b, "  %s %s %s\n", method, w.Target, w.Body)
		}
		if len(r.Plan.State) > 0 {
			fmt.Fprintf(&b, "What is there now:\n  %.1000s\n", r.Plan.State)
		}
		fmt.Fprint(a.stderr, b.String(), "Send it? [y/N] ")
		answer := make(chan string, 1)
		go func() {
			line, _ := bufio.NewReader(a.stdin).ReadString('\n')
			answer <- strings.ToLower(strings.TrimSpace(line))
		}()
		select {
		case s := <-answer:
			if s == "y" || s == "yes" {
				return who(), nil
			}
			return "", errors.New("the answer was not yes")
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
}

// who is the name of who runs this process.
func who() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
