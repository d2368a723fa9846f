package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/peterh/liner"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/sql"
)

// shell is the interactive half of sql.
type shell struct {
	app   *cli.App
	db    *sql.DB
	print *printer
	line  *liner.State
	timer bool

	unfinished string         // lines of a statement that has no end yet
	interrupts chan os.Signal // Ctrl-C, while no line is being edited
}

const shellHelp = `  .help                           this
  .tables                         what there is to read; DESCRIBE okta.users lists the columns of one
  .mode table|csv|json|ndjson     how rows are written
  .timer on|off                   whether rows are counted and time is told
  .quit                           leave; so do quit, exit and Ctrl-D

A statement ends in a semicolon, and may go over several lines. Tab completes tables and columns, the arrows go back to
earlier statements, Ctrl-C leaves a statement or stops one that runs.
`

func shellCommands() []string {
	return []string{".exit", ".help", ".mode", ".quit", ".tables", ".timer"}
}

// runShell reads statements from a terminal and runs them, until it is left. An error of a statement does not end it.
func runShell(ctx context.Context, a *cli.App, db *sql.DB, p *printer) error {
	// A first Ctrl-C cancels ctx; here it stops the statement, and the shell goes on.
	p.shell = true
	sh := &shell{app: a, db: db, print: p, line: liner.NewLiner(), timer: true}
	defer func() { _ = sh.line.Close() }() // gives the terminal its mode back
	ctx = context.WithoutCancel(ctx)
	a.TakeEcho()
	history := historyFile(a)
	sh.readHistory(history)
	defer sh.writeHistory(history)
	stop := sh.onTerm(history)
	defer stop()
	sh.interrupts = make(chan os.Signal, 1)
	signal.Notify(sh.interrupts, os.Interrupt)
	defer signal.Stop(sh.interrupts)

	sh.line.SetCtrlCAborts(true)
	sh.line.SetTabCompletionStyle(liner.TabPrints)
	sh.line.SetWordCompleter(func(line string, pos int) (string, []string, string) { return sh.complete(ctx, line, pos) })
	fmt.Fprintf(a.Text(), "DuckDB over Okta. .tables lists what there is to read, .help says more.\n")
	for {
		prompt := "sql> "
		if sh.unfinished != "" {
			prompt = "  -> "
		}
		select {
		case <-sh.interrupts: // of a statement that has ended meanwhile
		default:
		}
		line, err := sh.ask(prompt)
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			sh.unfinished = ""
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the terminal: %w", err)
		}
		if leave := sh.take(ctx, line); leave {
			return nil
		}
	}
}

// ask reads one line. On a terminal that the editor cannot draw on, Ctrl-C is a signal, and is seen to here: the statement
// is dropped and asked for anew.
func (sh *shell) ask(prompt string) (string, error) {
	if liner.TerminalSupported() {
		return sh.line.Prompt(prompt)
	}
	var dropped atomic.Bool
	read, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-sh.interrupts:
				dropped.Store(true)
				fmt.Fprintf(sh.app.Stdout, "\nsql> ")
			case <-read:
				return
			}
		}
	}()
	line, err := sh.line.Prompt(prompt)
	close(read)
	<-watched
	if dropped.Load() {
		sh.unfinished = ""
	}
	return line, err
}

// take takes one line and runs what it completes.
func (sh *shell) take(ctx context.Context, line string) (leave bool) {
	if words := sh.commandOf(line); words != nil {
		sh.line.AppendHistory(strings.TrimSpace(line))
		return sh.command(ctx, words)
	}
	text := sh.unfinished + line + "\n"
	statements, rest := sql.Split(text)
	if sql.Blank(rest) {
		rest = ""
	}
	sh.unfinished = rest
	for _, statement := range statements {
		entry := statement + ";"
		if !strings.Contains(entry, "--") { // a comment of one line would swallow the next
			entry = strings.Join(strings.Fields(entry), " ")
		}
		if !strings.ContainsAny(entry, "\n\r") {
			sh.line.AppendHistory(entry)
		}
		if !sh.run(ctx, statement) { // those behind it are not run
			sh.unfinished = ""
			return false
		}
	}
	return false
}

// commandOf returns the words of a command of the shell's own, nil for a line of SQL. In the middle of a statement only
// those count that lead out of it: the rest may be SQL.
func (sh *shell) commandOf(line string) []string {
	command := strings.TrimRight(strings.TrimSpace(line), "; ")
	switch plain := strings.ToLower(command); plain {
	case ".help", ".quit", ".exit":
		return []string{plain}
	case "help", "quit", "exit":
		if sh.unfinished == "" {
			return []string{"." + plain}
		}
	}
	if sh.unfinished != "" || !strings.HasPrefix(command, ".") {
		return nil
	}
	return strings.Fields(command)
}

// run runs one statement, which Ctrl-C stops.
func (sh *shell) run(ctx context.Context, statement string) (ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-sh.interrupts:
			cancel()
		case <-ctx.Done():
		}
	}()
	started := time.Now()
	sh.print.results = 0
	err := sh.db.Run(ctx, statement, func(r *sql.Result) error {
		if err := sh.print.print(r); err != nil {
			return err
		}
		if sh.timer {
			sh.summary(r, time.Since(started))
		}
		return nil
	})
	var failed *sql.Error
	switch {
	case err == nil:
		return true
	case ctx.Err() != nil:
		sh.app.Console.BreakLine()
		fmt.Fprintln(sh.app.Text(), "stopped")
	case errors.As(err, &failed):
		for _, line := range strings.Split(failed.Message, "\n") { // the caret stands below its place
			fmt.Fprintln(sh.app.Text(), strings.TrimRight(term.OneLine(line), " "))
		}
	default:
		sh.app.Warnf("%s", err)
	}
	return false
}

func (sh *shell) summary(r *sql.Result, took time.Duration) {
	count, noun := int64(sh.print.rows), "rows"
	if len(r.Columns) == 0 {
		count, noun = r.Changed, "rows written"
	}
	switch {
	case count < 0:
		fmt.Fprintf(sh.app.Text(), "done, %s\n", inWords(took))
	default:
		if count == 1 {
			noun = strings.Replace(noun, "rows", "row", 1)
		}
		fmt.Fprintf(sh.app.Text(), "%d %s, %s\n", count, noun, inWords(took))
	}
}

// inWords is a time as a person reads it.
func inWords(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// command runs a command of the shell's own.
func (sh *shell) command(ctx context.Context, words []string) (leave bool) {
	argument := strings.Join(words[1:], " ")
	switch words[0] {
	case ".quit", ".exit":
		return true
	case ".help":
		fmt.Fprint(sh.app.Text(), shellHelp)
	case ".tables":
		sh.run(ctx, "SHOW TABLES")
	case ".mode":
		if !slices.Contains(rows.Formats(), argument) {
			sh.app.Warnf(".mode: no mode %q: there are %s", argument, strings.Join(rows.Formats(), ", "))
			return false
		}
		sh.print.format = argument
	case ".timer":
		if argument != "on" && argument != "off" {
			sh.app.Warnf(".timer: on or off")
			return false
		}
		sh.timer = argument == "on"
	default:
		sh.app.Warnf("no command %s: there are %s", words[0], strings.Join(shellCommands(), ", "))
	}
	return false
}

// complete completes the word before the cursor, which stands behind pos characters.
func (sh *shell) complete(ctx context.Context, line string, pos int) (head string, words []string, tail string) {
	at := 0
	for range pos {
		_, size := utf8.DecodeRuneInString(line[at:])
		at += size
	}
	before, tail := line[:at], line[at:]
	if sh.unfinished == "" && strings.HasPrefix(before, ".") {
		for _, c := range shellCommands() {
			if strings.HasPrefix(c, before) {
				words = append(words, c)
			}
		}
		return "", words, tail
	}
	head = before
	for _, c := range sh.db.Complete(ctx, sh.unfinished+before) {
		from := c.From - len(sh.unfinished)
		if from < 0 || from > len(before) {
			continue
		}
		typed := before[from:]
		// DuckDB also offers what is merely alike.
		if len(c.Text) < len(typed) || !strings.EqualFold(c.Text[:len(typed)], typed) || slices.Contains(words, c.Text) {
			continue
		}
		head, words = before[:from], append(words, c.Text)
	}
	return head, words, tail
}

// historyFile is where earlier statements are kept; empty when there is no place.
func historyFile(a *cli.App) string {
	dir := a.Env("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	folder, err := a.Folder()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, folder, "sql_history")
}

func (sh *shell) readHistory(path string) {
	f, err := os.Open(path)
	if err != nil {
		return // none yet
	}
	defer func() { _ = f.Close() }()
	_, _ = sh.line.ReadHistory(f) // what cannot be read is not there
}

// writeHistory keeps the statements for the user alone: they can hold names.
func (sh *shell) writeHistory(path string) {
	if path == "" {
		return
	}
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err == nil {
			_, err = sh.line.WriteHistory(f)
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		sh.app.Warnf("the history is not kept: %s", err)
	}
}

// onTerm leaves the terminal and the history in order when the process is told to end.
func (sh *shell) onTerm(history string) (stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	cli.NotifyHangup(told)
	done := make(chan struct{})
	go func() {
		select {
		case <-told:
			sh.writeHistory(history)
			_ = sh.line.Close()
			os.Exit(cli.ExitInterrupted)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(told)
		close(done)
	}
}
