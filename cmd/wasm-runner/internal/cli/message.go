package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// maxMessage is the size at which a message is cut, in bytes. A service's error can be longer; results hold all of it.
const maxMessage = 600

// Warnf writes a warning to stderr: the command goes on, and a person should know why its result may differ.
func (a *App) Warnf(format string, args ...any) { a.message(slog.LevelWarn, format, args...) }

// Warner returns a function that writes the warnings of an operation.
func (a *App) Warner(operation string) func(warning string) {
	return func(warning string) { a.Warnf("%s: %s", operation, warning) }
}

// Notef writes a message to stderr that is no warning.
func (a *App) Notef(format string, args ...any) { a.message(slog.LevelInfo, format, args...) }

// ReportsSuccess reports whether to write a message after a success. A person wants one, and so does a program that reads JSON.
func (a *App) ReportsSuccess() bool {
	_, seen := term.Columns(a.Stderr)
	return seen || a.JSON
}

// message writes one line to stderr: all messages of this program have its form. --log-level does not suppress them. Only
// JSON shows the level.
func (a *App) message(level slog.Level, format string, args ...any) {
	line := term.OneLine(once(fmt.Sprintf(format, args...)))
	if len(line) > maxMessage {
		line = strings.ToValidUTF8(line[:maxMessage], "") + "…"
	}
	if a.JSON {
		a.record(level, line)
		return
	}
	_, _ = fmt.Fprintf(a.Console, "wasm-runner: %s\n", line) // there is no other place to report an error
}

// position returns the lines that point at a mistake in a statement, so that a terminal shows the caret below it.
func position(lines string) string {
	if lines == "" {
		return ""
	}
	if len(lines) > maxMessage {
		lines = strings.ToValidUTF8(lines[:maxMessage], "") + "…"
	}
	return term.EachLine(strings.TrimRight(lines, "\n")) + "\n"
}

// once drops repeated lines of a message: two parts of a command can fail for the same reason.
func once(text string) string {
	var lines []string
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' }) {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// record writes one JSON object to stderr.
func (a *App) record(level slog.Level, text string) {
	every := &slog.HandlerOptions{Level: slog.Level(math.MinInt)}
	_ = slog.NewJSONHandler(a.Console, every).Handle(context.Background(), slog.NewRecord(time.Now(), level, text, 0))
}

// textLog is the log as text. Warnings and errors have the form of messages. Lower levels, which need --log-level, have the
// form of slog.
type textLog struct {
	slog.Handler
	app   *App
	attrs []slog.Attr
}

// Handle implements slog.Handler.
func (l *textLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return l.Handler.Handle(ctx, r)
	}
	var details []string
	detail := func(a slog.Attr) bool {
		if value := a.Value.Resolve().String(); !strings.HasPrefix(r.Message, value+": ") { // the message already begins with the operation
			details = append(details, a.Key+": "+value)
		}
		return true
	}
	for _, a := range l.attrs {
		detail(a)
	}
	r.Attrs(detail)
	if len(details) == 0 {
		l.app.message(r.Level, "%s", r.Message)
	} else {
		l.app.message(r.Level, "%s (%s)", r.Message, strings.Join(details, ", "))
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (l *textLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &textLog{l.Handler.WithAttrs(attrs), l.app, slices.Concat(l.attrs, attrs)}
}

// WithGroup implements slog.Handler. A message shows no groups.
func (l *textLog) WithGroup(name string) slog.Handler {
	return &textLog{l.Handler.WithGroup(name), l.app, l.attrs}
}

// Text returns a writer to stderr for text that is not a message, such as what the shell prints. Each write must be of whole
// lines.
func (a *App) Text() io.Writer { return messages{a} }

// messages is the writer of text.
type messages struct{ app *App }

// Write implements io.Writer.
func (m messages) Write(b []byte) (int, error) {
	if !m.app.JSON {
		return m.app.Console.Write(b)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(term.OneLine(line)); line != "" {
			m.app.record(slog.LevelInfo, line)
		}
	}
	return len(b), nil
}

// wantsJSON reports whether a command line has --log-format json. It does not parse the flags, because an error of parsing
// is a message too.
func wantsJSON(args []string) (wants bool) {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	for i, arg := range args {
		value, is := strings.CutPrefix(arg, "--log-format=")
		if arg == "--log-format" && i+1 < len(args) {
			value, is = args[i+1], true
		}
		if is {
			wants = value == "json"
		}
	}
	return wants
}

// Logger returns a logger to stderr, with the level and format of the flags.
func (a *App) Logger() *slog.Logger {
	level, _ := a.Flags.level() // Check has seen it
	opts := &slog.HandlerOptions{Level: level}
	if a.Flags.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.Console, opts))
	}
	return slog.New(&textLog{Handler: slog.NewTextHandler(a.Console, opts), app: a})
}

// Counted returns a number with its noun: "1 record", "2,000 records".
func Counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Thousands(n) + " " + noun + "s"
}

// Thousands returns a number in groups of three digits.
func Thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
