package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/secrets"
)

// finding is one line of check, in the form in which the operation validate gives its own.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// report is what check prints with --format json.
type report struct {
	OK         bool      `json:"ok"`
	Connection string    `json:"connection,omitempty"`
	Checks     []finding `json:"checks"`
}

func (r *report) add(name string, ok bool, detail, fix string) {
	r.Checks = append(r.Checks, finding{name, ok, detail, fix})
}

func (a *app) checkCommand() *cobra.Command {
	var format string
	formats := []string{"text", "json"}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell whether a connection works, what does not, and what to do",
		Long: `Checks the module, the connection file, the secret, the way to the org (DNS, TLS), the token, the grants and the
quota, and prints a line for each. It changes nothing. The exit code is 0 when all is well, and 1 when not.`,
		Example: `  wasm-runner check --connection okta-prod
  wasm-runner check --format json | jq '.checks[] | select(.ok|not)'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := nothing(cmd, args); err != nil {
				return err
			}
			return oneOf("format", format, formats)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	fixed(cmd, "format", formats)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r := a.check(cmd.Context())
		r.OK = !slices.ContainsFunc(r.Checks, func(f finding) bool { return !f.OK })
		if err := a.printReport(r, format); err != nil {
			return err
		}
		if cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		if !r.OK {
			return errReported
		}
		return nil
	}
	return cmd
}

// check looks at one thing after the other, and stops where the rest depends on what is wrong.
func (a *app) check(ctx context.Context) *report {
	r := &report{}
	s, err := a.connect(ctx)
	if err != nil {
		r.addConnectError(err)
		return r
	}
	defer s.close()
	c := s.conn.Config()
	r.Connection = c.Name
	m := s.module.Manifest()
	r.add("module", true, fmt.Sprintf("%s %s, %d operations", m.Kind, m.Version, len(m.Operations)), "")
	r.add("config", true, fmt.Sprintf("connection %s to %s", c.Name, c.BaseURL), "")
	r.add("secret", true, c.TokenSecretRef+" is there", "")
	r.addGrants(m, c.Grants)

	result, err := s.conn.Invoke(ctx, "validate", nil)
	if err != nil {
		if result.Outcome == abi.Denied { // nothing was asked, so that nothing is known of the address
			r.add("grants", false, "without class read the org cannot be asked what works: "+result.Error.Message, "check with --grant read")
			return r
		}
		r.add("base_url", false, result.Error.Message, "see that "+c.BaseURL+" can be reached from here")
		return r
	}
	r.add("base_url", true, c.BaseURL+" answers", "")
	var validated struct {
		Checks []finding `json:"checks"`
	}
	if err := json.Unmarshal(result.Output, &validated); err != nil {
		r.add("validate", false, "its output is not that of this kind of module: "+err.Error(), "use a module and a runner that were built together")
		return r
	}
	r.Checks = append(r.Checks, validated.Checks...)
	for _, q := range s.conn.Quota() {
		fix := ""
		if q.Remaining == 0 {
			fix = "wait, or find out who else uses up this org's rate limit"
		}
		r.add("quota", q.Remaining > 0, fmt.Sprintf("%s: %d of %d requests left, new ones in %d s", q.Bucket, q.Remaining, q.Limit,
			int(q.ResetIn.Seconds())), fix)
	}
	return r
}

// addConnectError tells which step a failed connect got to.
func (r *report) addConnectError(err error) {
	step := "config"
	var module moduleError
	switch {
	case errors.As(err, &module):
		step = "module"
	case errors.Is(err, secrets.ErrUnavailable):
		r.add("config", true, "the connection file is in order", "")
		step = "secret"
	}
	r.add(step, false, oneLine(err.Error()), "")
}

// addGrants tells how many operations the grants allow, with some input at least. Whatever they are is well: they are the operator's choice.
func (r *report) addGrants(m *abi.Manifest, grants []abi.Class) {
	allowed, missing := 0, []string{}
	for _, op := range m.Operations {
		if slices.ContainsFunc(op.Classes(), func(c abi.Class) bool { return slices.Contains(grants, c) }) {
			allowed++
		}
	}
	for _, class := range abi.Classes() {
		if !slices.Contains(grants, class) {
			missing = append(missing, string(class))
		}
	}
	detail := fmt.Sprintf("%s: %d of %d operations", join(grants), allowed, len(m.Operations))
	if len(missing) > 0 {
		detail += "; not granted: " + strings.Join(missing, ", ")
	}
	r.add("grants", true, detail, "")
}

func join(classes []abi.Class) string {
	words := make([]string, len(classes))
	for i, c := range classes {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}

// printReport prints the findings as lines or as JSON. Signs and colours are for terminals that want them.
func (a *app) printReport(r *report, format string) error {
	if format == "json" {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	good, bad := "ok", "FAIL"
	if _, isTerminal := terminal(a.stdout); isTerminal && a.env("NO_COLOR") == "" {
		good, bad = "\x1b[32m✓\x1b[0m", "\x1b[31m✗\x1b[0m"
	}
	width := 0
	for _, f := range r.Checks {
		width = max(width, len(f.Name))
	}
	var b strings.Builder
	for _, f := range r.Checks {
		sign := good
		if !f.OK {
			sign = bad
		}
		fmt.Fprintf(&b, "%-4s %-*s  %s", sign, width, f.Name, oneLine(f.Detail))
		if f.Fix != "" {
			fmt.Fprintf(&b, ": %s", oneLine(f.Fix))
		}
		b.WriteByte('\n')
	}
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}
