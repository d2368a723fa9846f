package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/login"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/nearest"
)

// finding is one line of check. The output of the operation validate has the same form.
type finding struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty"` // it works but should be changed
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
}

// report is what check --format json prints for one connection.
type report struct {
	OK         bool      `json:"ok"`
	Connection string    `json:"connection,omitempty"`
	Checks     []finding `json:"checks"`
}

// add appends a finding.
func (r *report) add(name string, ok bool, detail, fix string) {
	r.Checks = append(r.Checks, finding{Name: name, OK: ok, Detail: detail, Fix: fix})
}

// warn appends a warning.
func (r *report) warn(name, detail, fix string) {
	r.Checks = append(r.Checks, finding{Name: name, OK: true, Warning: true, Detail: detail, Fix: fix})
}

// reports is what check --all --format json prints.
type reports struct {
	OK          bool      `json:"ok"`
	Connections []*report `json:"connections"`
}

// checkOptions is one run of check.
type checkOptions struct {
	app    *cli.App
	format string
	all    bool // every connection of the file
}

// newCheckCommand returns the command check.
func newCheckCommand(a *cli.App) *cobra.Command {
	o := checkOptions{app: a}
	formats := []string{"text", "json"}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that a connection works, and say how to repair it",
		Long: `Checks the module, the connection file, the secret, the network (DNS, TLS), the token, the grants and the rate limits, and
prints a line for each. A line also says what confines the runner and the process of SQL. It changes nothing. --all checks every connection of the file.

A line says ok, FAIL or WARN. WARN is for what works but should be changed, such as a token file that other users can read.
If a line says FAIL, the exit code is 1.`,
		Example: `  wasm-runner --demo check
  wasm-runner check --connection okta-prod
  wasm-runner check --all
  wasm-runner check --format json | jq '.checks[] | select(.ok|not)'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.NoArgs(cmd, args); err != nil {
				return err
			}
			if o.all && (a.Flags.Demo || a.Flags.Connection != "") {
				return cli.Usagef("--all checks every connection of the connection file: leave out --demo and --connection")
			}
			return cli.OneOf("format", o.format, formats)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&o.format, "format", "text", "text or json")
	cmd.Flags().BoolVar(&o.all, "all", false, "check every connection of the file")
	cli.CompleteFixed(cmd, "format", formats)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) }
	return cmd
}

// run checks the connections and prints the findings.
func (o *checkOptions) run(ctx context.Context) error {
	a := o.app
	a.NameFiles = true
	var found []*report
	if o.all {
		found = checkAll(ctx, a)
	} else {
		found = append(found, checkOne(ctx, a))
	}
	ok := true
	for _, r := range found {
		r.OK = ctx.Err() == nil && !slices.ContainsFunc(r.Checks, func(f finding) bool { return !f.OK })
		ok = ok && r.OK
	}
	var err error
	switch {
	case o.format == "json" && o.all:
		err = encode(a, reports{ok, found})
	case o.format == "json":
		err = encode(a, found[0])
	default:
		err = printReports(a, found)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return cli.ErrReported
	}
	return nil
}

// checkOne checks the connection that the flags name.
func checkOne(ctx context.Context, a *cli.App) *report {
	r := &report{}
	s, err := a.Connect(ctx, cli.ConnectOptions{})
	if err != nil {
		r.addConnectError(err)
		return r
	}
	defer s.Close()
	examine(ctx, a, r, s.Conn)
	return r
}

// checkAll checks every connection of the file.
func checkAll(ctx context.Context, a *cli.App) []*report {
	failed := func(err error) []*report {
		r := &report{}
		r.addConnectError(err)
		return []*report{r}
	}
	configs, path, err := a.ReadConnections()
	if err != nil {
		return failed(err)
	}
	m, err := a.LoadModule(ctx)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = m.Close(context.WithoutCancel(ctx)) }()
	if err := a.Confine(cli.Need{}, configs...); err != nil {
		return failed(err)
	}
	var all []*report
	for _, config := range configs {
		r := &report{Connection: config.Name}
		all = append(all, r)
		err := a.CheckKind(config, path)
		var c *host.Connection
		if err == nil {
			c, err = m.Connect(ctx, a.ForReading(config), host.ConnectOptions{Secrets: a.Secrets(), Limits: host.Limits{CallTimeout: a.Flags.Timeout}})
		}
		if err != nil {
			r.addConnectError(a.Located(config, err))
			continue
		}
		examine(ctx, a, r, c)
		_ = c.Close(ctx) // the findings are complete
		if ctx.Err() != nil {
			break
		}
	}
	return all
}

// checkForLogin returns the check of a connection that is not saved yet.
func checkForLogin(a *cli.App) login.Check {
	return func(ctx context.Context, c *host.Connection) (ok bool, err error) {
		r := &report{}
		examine(ctx, a, r, c)
		r.Checks = slices.DeleteFunc(r.Checks, func(f finding) bool { return f.Name == "secret" }) // it is not saved yet
		return !slices.ContainsFunc(r.Checks, func(f finding) bool { return !f.OK }), printReports(a, []*report{r})
	}
}

// examine checks one thing after the other. It stops when later checks depend on one that failed.
func examine(ctx context.Context, a *cli.App, r *report, conn *host.Connection) {
	c := conn.Config()
	r.Connection = c.Name
	m := conn.Module().Manifest()
	r.add("module", true, fmt.Sprintf("%s %s, %d operations", m.Kind, m.Version, len(m.Operations)), "")
	r.add("config", true, fmt.Sprintf("connection %s to %s", c.Name, c.BaseURL), "")
	r.addSecret(c.TokenSecretRef + c.OAuth.PrivateKeyRef) // it has one of them
	r.addGrants(m, c.Grants)
	r.addConfinement(a)
	r.addSQL()
	operation, input := probeOf(m)
	if operation == "" {
		r.warn("base_url", "the connector has no operation validate, and no read that requires no input: its address and its token are not checked", "")
		return
	}
	if !r.addAccess(ctx, conn) {
		return
	}
	result, err := conn.Invoke(ctx, operation, input)
	r.addRoute(a, c, result.Error)
	switch {
	case err != nil && ctx.Err() != nil: // interrupted: says nothing about the address
		return
	case err != nil && result.Error.Code == "scope_missing":
		r.warn("base_url", c.BaseURL+" answers, and only that the app can sign in was checked: "+result.Error.Message, "")
		return
	case err != nil && result.Outcome == abi.Denied: // no request was sent: says nothing about the address
		r.add("grants", false, "the org can be checked only with class read: "+result.Error.Message, "check with --grant read")
		return
	case err != nil:
		fix := ""
		if !strings.Contains(result.Error.Message, ": check ") && !strings.HasPrefix(result.Error.Message, "proxy ") { // the message has its own advice
			fix = "make sure that " + c.BaseURL + " can be reached from here"
		}
		r.add("base_url", false, result.Error.Message, fix)
		return
	}
	r.add("base_url", true, c.BaseURL+" answers", "")
	if operation != validate {
		r.add("token", true, operation+" succeeds with it", "")
		return
	}
	var validated struct {
		Checks []finding `json:"checks"`
	}
	if err := json.Unmarshal(result.Output, &validated); err != nil {
		r.add("validate", false, "the output of validate cannot be read: "+err.Error(), "use a module and a runner that were built together")
		return
	}
	r.Checks = append(r.Checks, validated.Checks...)
	for _, q := range conn.Quota() {
		fix := ""
		if q.Remaining == 0 {
			fix = "wait, or find out what else uses the rate limit of this org"
		}
		r.add("quota", q.Remaining > 0, fmt.Sprintf("%s: %d of %d requests left, new ones in %d s", q.Bucket, q.Remaining, q.Limit,
			int(q.ResetIn.Seconds())), fix)
	}
}

// validate is the operation by which a connector checks its connection.
const validate = "validate"

// probeOf returns the operation that checks a connection, with its input: validate, else the first read that requires no input. It
// returns "" if there is neither.
func probeOf(m *abi.Manifest) (operation string, input json.RawMessage) {
	for _, op := range m.Operations {
		if op.Name == validate {
			return validate, nil
		}
	}
	for _, op := range m.Operations {
		var schema struct {
			Required   []string                   `json:"required"`
			Properties map[string]json.RawMessage `json:"properties"`
		}
		if op.Class != abi.Read || !op.On(abi.Axon) || json.Unmarshal(op.InputSchema, &schema) != nil || len(schema.Required) > 0 {
			continue
		}
		if _, ok := schema.Properties["limit"]; ok {
			return op.Name, json.RawMessage(`{"limit":1}`)
		}
		return op.Name, nil
	}
	return "", nil
}

// addConnectError adds the step at which connecting failed.
func (r *report) addConnectError(err error) {
	step, fix := "config", ""
	var module cli.ModuleError
	switch {
	case errors.As(err, &module):
		step = "module"
	case errors.Is(err, secrets.ErrUnavailable):
		r.add("config", true, "the connection file is correct", "")
		step = "secret"
	case errors.Is(err, connections.ErrSeveral):
		fix = "or check them all with --all"
	}
	if faults := connections.Faults(err); len(faults) > 0 {
		for _, fault := range faults {
			r.add(step, false, fault.Error(), "")
		}
		return
	}
	r.add(step, false, term.OneLine(err.Error()), fix)
}

// addRoute adds how requests reach the org, unless nothing is configured. failed is the error of the first call, or nil.
func (r *report) addRoute(a *cli.App, c host.Config, failed *abi.Error) {
	base, err := url.Parse(c.BaseURL)
	if err != nil {
		return
	}
	unused := egress.UnusedProxy(base, a.LookupEnv)
	switch route, _ := (network.Settings{Proxy: c.Proxy}).Route(base, nil); {
	case route.Proxy != nil && c.Proxy == network.Environment:
		r.add("proxy", true, "requests go through "+route.Proxy.String()+", as the environment says", "")
	case route.Proxy != nil:
		r.add("proxy", true, "requests go through "+route.Proxy.String(), "")
	case c.Proxy == network.Environment:
		r.add("proxy", true, "requests go directly to "+c.BaseURL+", as the environment says", "")
	case unused != "" && (failed == nil || !strings.Contains(failed.Message, unused+" is set")):
		r.warn("proxy", fmt.Sprintf("%s is set but not used: requests go directly to %s", unused, c.BaseURL), "write proxy: environment into the connection to use it")
	}
	if c.CAFile != "" {
		r.add("ca_file", true, "authorities of "+c.CAFile+" are trusted besides the system's", "")
	}
}

// addSecret adds where the token is, with a warning if other users can read it.
func (r *report) addSecret(ref string) {
	path, isFile := strings.CutPrefix(ref, "file:")
	if info, err := os.Stat(path); isFile && err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		r.warn("secret", fmt.Sprintf("%s is there, and users other than its owner may use it (mode %04o)", secrets.Name(ref), info.Mode().Perm()), "chmod 600 "+path)
		return
	}
	r.add("secret", true, secrets.Name(ref)+" is there", "")
}

// addAccess adds which scopes an OAuth client has, and what they give. It reports whether the client can sign in, or how it
// signs in is not known because the service does not answer.
func (r *report) addAccess(ctx context.Context, conn *host.Connection) bool {
	access, err := conn.Access(ctx)
	var failed host.OutcomeError
	switch {
	case errors.As(err, &failed):
		if failed.Outcome == abi.Unavailable && failed.Detail.Upstream == nil {
			return true // the next check says it
		}
		r.add("oauth", false, failed.Detail.Message, "")
		return false
	case access == nil:
		return true
	}
	r.add("oauth", true, "the app "+conn.Config().OAuth.ClientID+" signs in", "")
	r.addScopes(conn, access)
	return true
}

// addScopes adds which scopes an OAuth client has, which it lacks and why, and what that means for the operations.
func (r *report) addScopes(conn *host.Connection, access *host.Access) {
	granted, fix := "none", ""
	if len(access.Granted) > 0 {
		granted = strings.Join(access.Granted, ", ")
	} else if len(access.Missing) == 0 {
		fix = "add the scopes of your operations to oauth.scopes"
	} else {
		fix = "grant the app the scopes of your operations"
	}
	r.add("scopes", len(access.Granted) > 0, fmt.Sprintf("granted: %s; operations that this gives: %d of %d that the grants allow", granted,
		access.Operations, access.Operations+len(access.Denied)), fix)
	if len(access.LeftOut) > 0 {
		r.add("scopes", true, "oauth.scopes leaves out: "+strings.Join(access.LeftOut, ", "), "")
	}
	all := scopesOf(conn.Module().Manifest())
	for _, scope := range conn.Config().OAuth.Scopes {
		if meant := nearest.Of(scope, all); !slices.Contains(all, scope) && meant != "" {
			r.warn("scopes", "oauth.scopes has "+scope+", which no operation needs", "did you mean "+meant+"?")
		} else if !slices.Contains(all, scope) {
			r.warn("scopes", "oauth.scopes has "+scope+", which no operation needs", "remove it")
		}
	}
	if len(access.Missing) > 0 {
		r.warn("scopes", "not granted to the app: "+strings.Join(access.Missing, ", "), "grant those that you need, or leave the others out with oauth.scopes")
	}
	var withheld, denied []string // by the connection, and by the service
	for _, d := range access.Denied {
		text := fmt.Sprintf("%s (%s)", d.Operation, strings.Join(d.Missing, ", "))
		if slices.ContainsFunc(d.Missing, func(scope string) bool { return slices.Contains(access.Missing, scope) }) {
			denied = append(denied, text)
		} else {
			withheld = append(withheld, text)
		}
	}
	if len(withheld) > 0 {
		r.add("denied", true, "operations that oauth.scopes rules out: "+strings.Join(withheld, ", "), "to allow one, add its scopes to oauth.scopes")
	}
	if len(denied) > 0 {
		r.warn("denied", "operations that lack scopes: "+strings.Join(denied, ", "), "to allow one, grant the app its scopes")
	}
}

// scopesOf returns the OAuth scopes that the endpoints of a module name.
func scopesOf(m *abi.Manifest) (all []string) {
	for _, op := range m.Operations {
		for _, e := range op.Endpoints {
			all = append(all, e.Scopes...)
		}
	}
	return all
}

// addGrants adds how many operations the grants allow for at least some input. It never fails: grants are the operator's choice.
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

// addConfinement says what contains this process.
func (r *report) addConfinement(a *cli.App) {
	switch text, fix, ok, known := a.ConfinedBy(); {
	case ok:
		r.add("process", true, text, "")
	case known:
		r.warn("process", text, fix)
	}
}

// addSQL says what contains the process that runs SQL.
func (r *report) addSQL() {
	if !sql.Available {
		return
	}
	walls, confined := sql.Walls()
	if confined {
		r.add("sql", true, "DuckDB runs in a process of its own, confined by "+walls, "")
		return
	}
	r.warn("sql", "DuckDB runs in a process of its own, but the kernel does not confine it: it has "+walls, "run untrusted SQL on Linux with landlock and seccomp")
}

// join returns the names of classes, separated by commas.
func join(classes []abi.Class) string {
	words := make([]string, len(classes))
	for i, c := range classes {
		words[i] = string(c)
	}
	return strings.Join(words, ", ")
}

// encode prints a value as JSON.
func encode(a *cli.App, v any) error {
	enc := json.NewEncoder(a.Output())
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// sentence returns a text with a capital letter at its beginning, unless it begins with a command, such as chmod 600.
func sentence(text string) string {
	if strings.HasPrefix(text, "chmod ") {
		return "Run: " + text
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// signs are the marks of the lines of a report.
type signs struct{ good, warn, bad string }

// signsOf returns the marks for stdout, with colours if the terminal takes them and NO_COLOR is not set.
func signsOf(a *cli.App) signs {
	if p := term.NewPalette(a.Stdout, a.Env); p.Colours() {
		return signs{p.Good("✓"), p.Warn("!"), p.Bad("✗")}
	}
	return signs{"ok  ", "WARN", "FAIL"}
}

// printReports prints a line for each finding. With several connections it prints their names above.
func printReports(a *cli.App, all []*report) error {
	columns, _ := term.Columns(a.Stdout) // 0 without a terminal: lines stay whole
	signs := signsOf(a)
	var b strings.Builder
	for i, r := range all {
		if len(all) > 1 {
			fmt.Fprintf(&b, "%s%s:\n", strings.Repeat("\n", min(i, 1)), term.OneLine(r.Connection))
		}
		width := 0
		for _, f := range r.Checks {
			width = max(width, len(f.Name))
		}
		for _, f := range r.Checks {
			sign := signs.good
			switch {
			case !f.OK:
				sign = signs.bad
			case f.Warning:
				sign = signs.warn
			}
			text := fmt.Sprintf("%-*s  %s", width, f.Name, term.OneLine(f.Detail))
			if f.Fix != "" {
				text = strings.TrimRight(text, ". ") + ". " + sentence(term.OneLine(f.Fix))
			}
			signWidth := term.Width(sign) + 1
			indent := min(width+2, columns/4)
			fmt.Fprintf(&b, "%s %s\n", sign, strings.Join(term.Wrap(text, columns-signWidth, indent), "\n"+strings.Repeat(" ", signWidth)))
		}
	}
	_, err := io.WriteString(a.Stdout, b.String())
	return err
}
