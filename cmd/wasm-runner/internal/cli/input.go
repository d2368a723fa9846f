package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mach5/okta-connector/host"
)

// Input is an operation's input on the command line.
type Input struct {
	By        string // its name in messages: input, --source-config
	Arg       string // JSON, @file, or - for stdin
	Operation string // the operation that takes it
}

// ReadInput reads an input. An empty argument is no input. The host checks whether the input fits the operation.
func (a *App) ReadInput(ctx context.Context, in Input) (json.RawMessage, error) {
	var text []byte
	var err error
	from := "it" // how a message calls the text
	switch path, isFile := strings.CutPrefix(in.Arg, "@"); {
	case in.Arg == "":
		return nil, nil
	case in.Arg == "-" && a.Flags.Config == "-":
		return nil, Usagef("--config and the input are both standard input: name a file for one of them")
	case in.Arg == "-":
		from = "standard input"
		text, err = bounded(a.Interruptible(a.Stdin))
	case isFile:
		from = Absolute(path)
		text, err = a.boundedFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, Usagef("%s: there is no file %s: the text after @ is the path of the file", in.By, from)
		}
	default:
		text = []byte(in.Arg)
	}
	switch {
	case err != nil:
		return nil, Usagef("%s: %w", in.By, err)
	case len(text) > host.MaxInput:
		return nil, Usagef("%s: it is too long: want at most %d bytes", in.By, host.MaxInput)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, Usagef("%s: %s is empty: write JSON, such as %s", in.By, from, a.example(ctx, in.Operation))
	case json.Valid(text):
		return text, nil
	case from == "it":
		return nil, Usagef("%s: not JSON: %s", in.By, a.quoting(ctx, in.Operation, in.Arg))
	}
	return nil, Usagef("%s: %s is not JSON: %s", in.By, from, whyNotJSON(text))
}

// bounded reads at most one byte more than an input may have.
func bounded(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, host.MaxInput+1)) }

func (a *App) boundedFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	return bounded(a.Interruptible(f))
}

// Interruptible returns a reader whose reads end when the command is interrupted. A read of a terminal or pipe cannot be
// cancelled: its goroutine stays until the process ends.
func (a *App) Interruptible(r io.Reader) io.Reader { return &patientReader{a.signals.ctx, r} }

type patientReader struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (p *patientReader) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	done, own := make(chan result, 1), make([]byte, len(b)) // an interrupted caller may reuse b
	go func() {
		n, err := p.r.Read(own)
		done <- result{n, err}
	}()
	select {
	case got := <-done:
		return copy(b, own[:got.n]), got.err
	case <-p.ctx.Done():
		return 0, p.ctx.Err()
	}
}

// OpenError returns the error of a file that by names, a flag or a command, and that cannot be opened. do says what to do about a
// file that does not exist.
func OpenError(by, path string, err error, do string) error {
	if errors.Is(err, os.ErrNotExist) {
		return Usagef("%s: there is no file %s: %s", by, Absolute(path), do)
	}
	return Usagef("%s: %w", by, err)
}

// Absolute returns the absolute path. If the working folder is not known, it returns the path.
func Absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}

// whyNotJSON returns the parser's reason. It holds at most one character of the input, which may be secret.
func whyNotJSON(text []byte) string {
	var v json.RawMessage
	if err := json.Unmarshal(text, &v); err != nil && !strings.HasPrefix(err.Error(), "unexpected end") {
		return err.Error()
	}
	return "it ends too early: a bracket or quote is not closed"
}

// Common mistakes: other notations than JSON, and JSON whose quotes the shell removed.
var (
	assignment = regexp.MustCompile(`^\s*([A-Za-z_]\w*)\s*[=:]\s*([^\s{}\[\]"',]+)\s*$`)
	word       = regexp.MustCompile(`^[^\s{}\[\]"',:=]+$`)
	bareKey    = regexp.MustCompile(`([{,]\s*)([A-Za-z_]\w*)(\s*:)`)
	bareValue  = regexp.MustCompile(`(:\s*)([^\s{}\[\]"',:][^{}\[\]"',]*)(\s*[,}])`)
	sensitive  = regexp.MustCompile(`(?i)passw|secret|token|answer|credential|key|pin`)
)

// longestRepair is the longest input that is shown in a message.
const longestRepair = 120

// quoting explains how to write an argument as JSON in a shell. It does not repeat an input that may hold a password.
func (a *App) quoting(ctx context.Context, operation, text string) string {
	repaired, why := "", ""
	switch {
	case assignment.MatchString(text):
		m := assignment.FindStringSubmatch(text)
		repaired, why = object(m[1], m[2]), "want an object"
	case word.MatchString(text):
		if field := a.field(ctx, operation); field != "" {
			repaired, why = object(field, text), "want an object"
		}
	default:
		if double := strings.ReplaceAll(text, "'", `"`); json.Valid([]byte(double)) {
			repaired, why = double, "use double quotes inside, and single quotes around it"
		} else if quoted := quoteBare(text); json.Valid([]byte(quoted)) {
			repaired, why = quoted, "use double quotes inside, and single quotes around it"
		}
	}
	if why := commonMistake(text); why != "" {
		return why
	}
	if repaired == "" || len(repaired) > longestRepair || sensitive.MatchString(repaired) || strings.Contains(repaired, "'") {
		return whyNotJSON([]byte(text)) + " (in a shell, put it into single quotes: " + a.example(ctx, operation) + ")"
	}
	return why + ": write '" + repaired + "'"
}

// trailingComma is a comma behind the last member or element.
var trailingComma = regexp.MustCompile(`,\s*[}\]]`)

// commonMistake names a mistake that quoting in a shell does not correct, and returns "" where there is none. It repeats nothing of
// the input.
func commonMistake(text string) string {
	dec := json.NewDecoder(strings.NewReader(text))
	var v json.RawMessage
	switch {
	case json.Valid([]byte(strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`).Replace(text))):
		return "it has typographic quotes: write straight ones (\")"
	case dec.Decode(&v) == nil && v[0] == '{':
		return "there is text after the object: give one object"
	case json.Valid([]byte(trailingComma.ReplaceAllStringFunc(text, func(s string) string { return s[1:] }))):
		return "there is a comma before a closing bracket: remove it"
	}
	return ""
}

// quoteBare adds quotes to keys and values that lack them.
func quoteBare(text string) string {
	text = bareKey.ReplaceAllString(text, `$1"$2"$3`)
	return bareValue.ReplaceAllStringFunc(text, func(s string) string {
		m := bareValue.FindStringSubmatch(s)
		if json.Valid([]byte(m[2])) { // a number, true, false, null
			return s
		}
		return m[1] + quote(m[2]) + m[3]
	})
}

// object returns a JSON object with one member.
func object(field, value string) string { return "{" + quote(field) + ":" + quote(value) + "}" }

// quote returns s as a JSON string.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// example returns the example of an operation as it is written in a shell.
func (a *App) example(ctx context.Context, operation string) string {
	text := `{"field":"value"}`
	if op := a.operation(ctx, operation); op != nil && len(op.Example) > 0 && len(op.Example) <= longestRepair && !bytes.ContainsRune(op.Example, '\'') {
		text = string(op.Example)
	}
	return "'" + text + "'"
}

// field returns the name of the only field that an operation requires, "" if it requires none or several.
func (a *App) field(ctx context.Context, operation string) string {
	op := a.operation(ctx, operation)
	if op == nil {
		return ""
	}
	var schema struct {
		Required []string `json:"required"`
	}
	if json.Unmarshal(op.InputSchema, &schema) != nil || len(schema.Required) != 1 {
		return ""
	}
	return schema.Required[0]
}

// Arg returns the argument at i, "" if there is none.
func Arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// HasMember reports whether JSON is an object with this member.
func HasMember(config json.RawMessage, name string) bool {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(config, &m) // the operation reports what is wrong
	return m[name] != nil
}
