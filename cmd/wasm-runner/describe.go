package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// describeOptions are the options of one run of describe.
type describeOptions struct {
	app       *cli.App
	operation string // the argument
	whole     bool   // describe the module: there is no argument
	format    string
}

// newDescribeCommand returns the command describe.
func newDescribeCommand(a *cli.App) *cobra.Command {
	o := describeOptions{app: a}
	formats := []string{"text", "json"}
	cmd := &cobra.Command{
		Use:   "describe [OP]",
		Short: "Describe the module, or what one operation takes, does and needs",
		Long: `Lists the operations of the module. With the name of an operation, it shows the safety class, input, endpoints, columns and
outcomes of that operation. It needs no connection. --format json prints the manifest, or the operation's part of it.`,
		Example: `  wasm-runner describe
  wasm-runner describe lookup_user
  wasm-runner describe --format json | jq -r '.operations[].name'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usagef("describe takes one operation and got %d arguments", len(args))
			}
			return cli.OneOf("format", o.format, formats)
		},
		ValidArgsFunction: a.CompleteOperation(""),
	}
	cmd.Flags().StringVar(&o.format, "format", "text", "text or json")
	cli.CompleteFixed(cmd, "format", formats)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.operation, o.whole = cli.Arg(args, 0), len(args) == 0
		return o.run(cmd.Context())
	}
	return cmd
}

// run prints the description.
func (o *describeOptions) run(ctx context.Context) error {
	a := o.app
	m, err := a.LoadModule(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close(ctx) }()
	var text page
	text.columns, _ = term.Columns(a.Stdout)
	switch {
	case o.whole && o.format == "json":
		text.Write(append(m.RawManifest(), '\n'))
	case o.whole:
		manifest, err := withoutLineBreaks(m.Manifest())
		if err != nil {
			return err
		}
		describeModule(&text, manifest, m.Size())
	default:
		op, err := m.Operation(o.operation)
		if err != nil {
			return err
		}
		if o.format == "json" {
			enc := json.NewEncoder(&text)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(op); err != nil {
				return err
			}
		} else if err := describeOperation(&text, m.Manifest().Kind, op, a.Now()); err != nil {
			return err
		}
	}
	if o.format == "text" { // the text comes from the module, which may be hostile
		_, err = a.Stdout.Write([]byte(narrow(a, term.EachLine(text.String()))))
		return err
	}
	_, err = a.Output().Write(text.Bytes())
	return err
}

// page is a description that is being written. columns is the width of the terminal; 0 is no limit.
type page struct {
	bytes.Buffer
	columns int
}

// grid returns a table of the page.
func (p *page) grid(indent string, header ...string) term.Grid {
	return term.Grid{Indent: indent, Header: header, Columns: p.columns}
}

// narrow wraps lines that are wider than the terminal, and keeps their indent. It does not wrap commands, so that they
// can be copied.
func narrow(a *cli.App, text string) string {
	columns, is := term.Columns(a.Stdout)
	if !is {
		return text
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if indent > 0 && strings.HasPrefix(line[indent:], "wasm-runner ") {
			lines = append(lines, line)
			continue
		}
		lines = append(lines, term.Wrap(line, columns, indent+4)...)
	}
	return strings.Join(lines, "\n")
}

// describeModule prints the module and a list of its operations.
func describeModule(w *page, manifest *abi.Manifest, size int) {
	more := manifest.Additions()
	count := strconv.Itoa(len(manifest.Operations)) + " operations"
	if more > 0 {
		count = fmt.Sprintf("%d operations (%d published, %d additions)", len(manifest.Operations), len(manifest.Operations)-more, more)
	}
	fmt.Fprintf(w, "%s %s, ABI %s minor %d, %s, %.1f MiB\n\n", manifest.Kind, manifest.Version, manifest.ABI, manifest.Minor, count, float64(size)/(1<<20))
	listOperations(w, "OPERATION", manifest.Operations, false)
	if more > 0 {
		fmt.Fprintln(w)
		listOperations(w, "ADDITION", manifest.Operations, true)
	}
	if slices.ContainsFunc(manifest.Operations, func(op abi.Operation) bool { return len(op.ClassRules) > 0 }) {
		fmt.Fprintln(w, "\n* the input can set another class")
	}
	if manifest.Account != nil {
		fmt.Fprintf(w, "\nWith --audit, the host sends %s before the first write, and records who owns the token.\n", manifest.Account.Endpoint.Endpoint)
	}
	fmt.Fprintln(w, "\nwasm-runner describe OP shows the details of an operation.")
}

// listOperations prints the operations that are additions, or those that are not.
func listOperations(w *page, head string, all []abi.Operation, additions bool) {
	t := w.grid("", head, "CLASS", "SURFACES", "SUMMARY")
	for i := range all {
		op := &all[i]
		if op.Addition != additions {
			continue
		}
		class := string(op.Class)
		if len(op.ClassRules) > 0 {
			class += "*"
		}
		t.Add(op.Name, class, surfaces(op), cli.FirstSentence(op.Summary))
	}
	t.Write(w)
}

// lineBreak matches one escape of a JSON string. It matches every escape, so that the second backslash of \\ starts none.
var lineBreak = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|.)`)

// withoutLineBreaks returns a copy of a part of a manifest in which no text has a line break. A module could otherwise print
// lines of its own, such as another class.
func withoutLineBreaks[T any](part *T) (*T, error) {
	text, err := json.Marshal(part)
	if err != nil {
		return nil, err
	}
	text = lineBreak.ReplaceAllFunc(text, func(escape []byte) []byte {
		switch strings.ToLower(string(escape)) {
		case `\n`, `\r`, `\u000a`, `\u000d`:
			return []byte(" ")
		}
		return escape
	})
	plain := new(T)
	return plain, json.Unmarshal(text, plain)
}

// surfaces returns the names of an operation's surfaces.
func surfaces(op *abi.Operation) string {
	words := make([]string, len(op.Surfaces))
	for i, s := range op.Surfaces {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

// describeOperation prints one operation.
func describeOperation(w *page, kind string, op *abi.Operation, now time.Time) error {
	example := op.Example // JSON, in which a line break is an escape
	op, err := withoutLineBreaks(op)
	if err != nil {
		return err
	}
	op.Example = example
	fmt.Fprintf(w, "%s.%s\n  %s\n\n", kind, op.Name, op.Summary)
	fmt.Fprintf(w, "class        %s\n", op.Class)
	for _, r := range op.ClassRules {
		fmt.Fprintf(w, "             %s\n", when(r))
	}
	fmt.Fprintf(w, "surfaces     %s\nidempotency  %s\n", surfaces(op), op.Idempotency)
	if op.Addition {
		fmt.Fprintln(w, "addition     the published table of operations does not have it")
	}
	if op.Key != "" {
		fmt.Fprintf(w, "key          %s\n", op.Key)
	}
	if err := describeInput(w, op); err != nil {
		return err
	}
	describeUse(w, op, now)

	fmt.Fprintln(w, "\nEndpoints")
	endpoints := w.grid("  ", "ENDPOINT", "CLASS", "BUCKET", "SCOPES")
	for _, e := range op.Endpoints {
		class := string(op.ClassOf(e))
		for _, r := range e.ClassRules {
			class += ", " + when(r) + " in the body"
		}
		endpoints.Add(e.Endpoint, class, e.Bucket, strings.Join(e.Scopes, " "))
	}
	endpoints.Write(w)

	if len(op.Columns) > 0 {
		shown := map[string]bool{}
		for _, entry := range op.Display {
			name, _, _ := strings.Cut(entry, ":")
			shown[name] = true
		}
		title := "\nColumns"
		if len(shown) > 0 {
			title += " (* shown by table at a terminal; --columns names others)"
		}
		fmt.Fprintln(w, title)
		columns := w.grid("  ", "COLUMN", "TYPE", "PATH", "")
		for _, c := range op.Columns {
			name := c.Name
			if shown[name] {
				name += " *"
			}
			columns.Add(name, string(c.Type), strings.Join(append([]string{c.Path}, c.Or...), " or "), c.Description)
		}
		columns.Write(w)
	}
	describeOutcomes(w, op)
	return nil
}

// describeOutcomes prints the outcomes that an operation can have, by its class and endpoints.
func describeOutcomes(w *page, op *abi.Operation) {
	fmt.Fprintln(w, "\nOutcomes and exit codes")
	t := w.grid("  ", "OUTCOME", "CODE", "WHEN")
	for _, o := range outcomesOf(op) {
		t.Add(string(o.outcome), strconv.Itoa(cli.OutcomeCode(o.outcome)), o.when)
	}
	t.Write(w)
}

// possible is an outcome that an operation can have.
type possible struct {
	outcome abi.Outcome
	when    string
}

// outcomesOf returns the outcomes that an operation can have. Only an operation that writes can be unchanged, planned
// or unknown. Only one whose endpoints have a blank can be not_found.
func outcomesOf(op *abi.Operation) []possible {
	writes := slices.ContainsFunc(op.Classes(), func(c abi.Class) bool { return c != abi.Read })
	hasTarget := slices.ContainsFunc(op.Endpoints, func(e abi.Endpoint) bool { return strings.Contains(e.Template(), "{") })
	granted := make([]string, 0, len(op.Classes()))
	for _, c := range op.Classes() {
		granted = append(granted, string(c))
	}
	denied := "class " + strings.Join(granted, " or ") + " is not granted"
	rejected := "the service refuses"
	if len(op.Rejections) > 0 {
		rejected += ", or the operation does, with the code " + strings.Join(op.Rejections, ", ")
	}
	all := []possible{{abi.Succeeded, "the answer is complete"}}
	if writes {
		denied += ", or the write is not approved"
		all[0].when = "the change is made"
		if op.Idempotency != abi.Keyed {
			all = append(all, possible{abi.Unchanged, "the target already has the wanted state: nothing is changed"})
		}
		all = append(all, possible{abi.Planned, "with --plan: no write is sent, and the plan lists the writes"})
	}
	all = append(all, possible{abi.Invalid, "the input does not fit the operation"}, possible{abi.Denied, denied})
	if hasTarget {
		all = append(all, possible{abi.NotFound, "an object that the input names does not exist"})
	}
	all = append(all, possible{abi.Rejected, rejected},
		possible{abi.Throttled, "a rate limit would delay a request past --timeout"},
		possible{abi.Unavailable, "the network or the service fails"})
	if writes {
		all = append(all, possible{abi.Unknown, "a write was sent, and reading back did not show whether it was made"})
	}
	return append(all, possible{abi.Failed, "the module or this program has a bug"})
}

// when returns a class rule in words.
func when(r abi.ClassRule) string {
	if r.Equals != "" {
		return fmt.Sprintf("%s when %s is %s", r.Class, r.Field, r.Equals)
	}
	return fmt.Sprintf("%s when %s is given", r.Class, r.Field)
}

// describeInput prints the fields of an operation's input, required ones first.
func describeInput(w *page, op *abi.Operation) error {
	inputs, combinations, err := inputsOf(op.InputSchema)
	if err != nil {
		return fmt.Errorf("%s: its input_schema cannot be shown: %w", op.Name, err)
	}
	if len(inputs) == 0 {
		fmt.Fprintln(w, "\nInput: none")
		return nil
	}
	fmt.Fprintln(w, "\nInput (* required)")
	t := w.grid("  ", "FIELD", "TYPE", "DEFAULT", "")
	for _, in := range inputs {
		t.Add(in.name, in.kind, in.byDefault, in.description)
	}
	t.Write(w)
	if combinations != "" {
		fmt.Fprintf(w, "  (%s)\n", combinations)
	}
	return nil
}

// describeUse prints a command line for each surface.
func describeUse(w io.Writer, op *abi.Operation, now time.Time) {
	example := "{}"
	if len(op.Example) > 0 {
		example = recent(string(op.Example), now)
	}
	quoted := "'" + strings.ReplaceAll(example, "'", `'\''`) + "'"
	fmt.Fprintln(w, "\nExamples")
	grant := ""
	if op.Class != abi.Read {
		grant = "--grant " + string(op.Class) + " "
	}
	if op.On(abi.Axon) {
		fmt.Fprintf(w, "  wasm-runner %sinvoke %s %s\n", grant, op.Name, quoted)
	}
	if op.On(abi.Ingest) {
		fmt.Fprintf(w, "  wasm-runner source %s --source-config %s --checkpoint %s.json --out %s.ndjson\n", op.Name, quoted, op.Name, op.Name)
	}
	if op.On(abi.SQL) {
		fmt.Fprintf(w, "  wasm-runner table %s %s\n", op.Name, quoted)
	}
}

var instants = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// recent moves the times of an example so that the latest is the current hour, since a service may keep only recent
// records.
func recent(example string, now time.Time) string {
	var latest time.Time
	for _, s := range instants.FindAllString(example, -1) {
		if t, err := time.Parse(time.RFC3339, s); err == nil && t.After(latest) {
			latest = t
		}
	}
	by := now.UTC().Truncate(time.Hour).Sub(latest)
	return instants.ReplaceAllStringFunc(example, func(s string) string {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return t.Add(by).Format(time.RFC3339)
	})
}

// field describes one field of an input.
type field struct {
	name, kind, byDefault, description string
}

// inputsOf returns the top-level properties of a JSON Schema, required ones first, and its description of how they combine.
func inputsOf(schema json.RawMessage) (fields []field, combinations string, err error) {
	var s struct {
		Required   []string        `json:"required"`
		Properties json.RawMessage `json:"properties"`

		Description string `json:"description"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil, "", err
	}
	if len(s.Properties) == 0 {
		return nil, "", nil
	}
	dec := json.NewDecoder(bytes.NewReader(s.Properties))
	if _, err := dec.Token(); err != nil {
		return nil, "", err
	}
	var required, others []field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, "", err
		}
		var p property
		if err := dec.Decode(&p); err != nil {
			return nil, "", err
		}
		f := field{fmt.Sprint(name), p.kind(), string(p.Default), p.Description}
		if slices.Contains(s.Required, f.name) {
			f.name += " *"
			required = append(required, f)
		} else {
			others = append(others, f)
		}
	}
	return append(required, others...), s.Description, nil
}

// property is the part of a property's schema that is shown.
type property struct {
	Type        json.RawMessage   `json:"type"`
	Format      string            `json:"format"`
	Enum        []json.RawMessage `json:"enum"`
	Minimum     json.Number       `json:"minimum"`
	Maximum     json.Number       `json:"maximum"`
	Default     json.RawMessage   `json:"default"`
	Description string            `json:"description"`
	Items       *property         `json:"items"`
	Required    []string          `json:"required"`
}

// kind returns the type with its bounds: "integer 1…1000", "ACTIVE | STAGED", "list of string".
func (p *property) kind() string {
	if len(p.Enum) > 0 {
		words := make([]string, len(p.Enum))
		for i, v := range p.Enum {
			words[i] = strings.Trim(string(v), `"`)
		}
		return strings.Join(words, " | ")
	}
	kind := strings.Trim(string(p.Type), `"`)
	var several []string
	if json.Unmarshal(p.Type, &several) == nil {
		kind = strings.Join(several, " | ")
	}
	switch {
	case kind == "array" && p.Items != nil:
		kind = "list of " + p.Items.kind()
	case kind == "object" && len(p.Required) > 0:
		kind += " with " + strings.Join(p.Required, ", ")
	case p.Format == "date-time":
		kind = "time (RFC 3339, 2026-01-02, -24h, yesterday)"
	case p.Format != "":
		kind += " (" + p.Format + ")"
	}
	switch {
	case p.Minimum != "" && p.Maximum != "":
		kind += " " + p.Minimum.String() + "…" + p.Maximum.String()
	case p.Minimum != "":
		kind += " from " + p.Minimum.String()
	case p.Maximum != "":
		kind += " up to " + p.Maximum.String()
	}
	return kind
}
