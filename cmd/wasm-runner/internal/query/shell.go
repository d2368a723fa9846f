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

// shell is the interactive form of sql.
type shell struct {
	app   *cli.App
	db    *sql.DB
	print *printer
	line  *liner.State
	timer bool
	calls calls

	unfinished string         // the lines of a statement that lacks its semicolon
	interrupts chan os.Signal // receives Ctrl-C while no line is edited
}

const shellHelp = `  .help               show this help
  .tables             list the tables; DESCRIBE SCHEMA.TABLE lists the columns of one
  .operations [TEXT]  list the operations that connector_table takes, or those
                      whose name or summary has the text
  .mode MODE          write rows as table, line, csv, json or ndjson; line has a
                      line for each column
  .read FILE          run the statements of a file
  .timer on|off       show rows, time and requests after each statement
  .quit, .exit        leave the shell; so do quit, exit and Ctrl-D

A statement ends with a semicolon and may have several lines. Tab completes
tables, columns and operations. The arrow keys bring back earlier statements.
Ctrl-C drops the statement that you type, or stops the one that runs.
`

// shellCommands returns the commands of the shell.
func shellCommands() []string {
	return []string{".exit", ".help", ".mode", ".operations", ".quit", ".read", ".tables", ".timer"}
}

// runShell reads statements from a terminal and runs them until the person quits. An error of a statement does not end it.
func runShell(ctx context.Context, a *cli.App, db *sql.DB, p *printer, s *cli.Session) error {
	// Elsewhere the first Ctrl-C cancels ctx. Here it stops the statement, and the shell goes on.
	p.shell = true
	sh := &shell{app: a, db: db, print: p, line: liner.NewLiner(), timer: true, calls: newCalls(s)}
	defer func() { _ = sh.line.Close() }() // restores the mode of the terminal
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
	fmt.Fprintf(a.Text(), "DuckDB over connections of kind %s. .tables lists the tables, .help lists the commands.\n", s.Module.Manifest().Kind)
	for {
		prompt := "sql> "
		if sh.unfinished != "" {
			prompt = "  -> "
		}
		select {
		case <-sh.interrupts: // for a statement that has ended meanwhile
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
			return fmt.Errorf("cannot read the terminal: %w", err)
		}
		if leave := sh.take(ctx, line); leave {
			return nil
		}
	}
}

// ask reads one line. On a terminal that the editor cannot draw on, or that is too narrow, Ctrl-C arrives as a signal: ask drops
// the statement and prompts again.
func (sh *shell) ask(prompt string) (string, error) {
	if liner.TerminalSupported() && !term.Narrower(sh.app.Stdout, len(prompt)+editorRoom) {
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

// editorRoom is how many columns the editor needs for what is typed.
const editorRoom = 10

// take reads one line and runs the statements that it completes. It reports whether to leave the shell.
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
		if !strings.Contains(entry, "--") { // a comment ends with its line
			entry = strings.Join(strings.Fields(entry), " ")
		}
		if !strings.ContainsAny(entry, "\n\r") {
			sh.line.AppendHistory(entry)
		}
		if !sh.run(ctx, statement) { // later statements may depend on this one
			sh.unfinished = ""
			return false
		}
	}
	return false
}

// commandOf returns the words of a shell command, nil for a line of SQL. Within a statement only .help, .quit and .exit are
// commands: other lines may be SQL.
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

// run runs one statement. Ctrl-C stops it.
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
	if errors.As(err, &failed) && failed.SessionLost {
		defer sh.app.Warnf("the SQL process ended, and the next statement starts another: tables in memory, variables and prepared statements of this session are gone")
	}
	switch {
	case err == nil:
		if sh.timer && len(sh.print.read) > 0 {
			fmt.Fprintln(sh.app.Text(), countsText(sh.print.read))
		}
		return true
	case ctx.Err() != nil:
		sh.app.Console.BreakLine()
		fmt.Fprintln(sh.app.Text(), "stopped")
	case errors.As(err, &failed):
		for _, line := range strings.Split(failed.Message, "\n") { // keep the columns: a caret points at the error
			fmt.Fprintln(sh.app.Text(), strings.TrimRight(term.OneLine(line), " "))
		}
	default:
		sh.app.Warnf("%s", err)
	}
	return false
}

// summary prints how many rows a statement had and how long it took.
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

// inWords returns a duration as people read it.
func inWords(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// command runs a shell command. It reports whether to leave the shell.
func (sh *shell) command(ctx context.Context, words []string) (leave bool) {
	argument := strings.Join(words[1:], " ")
	switch words[0] {
	case ".quit", ".exit":
		return true
	case ".help":
		fmt.Fprint(sh.app.Text(), shellHelp)
	case ".tables":
		sh.run(ctx, "SHOW TABLES")
	case ".operations":
		if err := sh.print.operations(sh.calls.operations, argument); err != nil {
			sh.app.Warnf(".operations: %s", err)
		}
	case ".mode":
		if !slices.Contains(rows.Formats(), argument) {
			sh.app.Warnf(".mode: there is no mode %q: use one of %s", argument, strings.Join(rows.Formats(), ", "))
			return false
		}
		sh.print.format = argument
	case ".read":
		sh.runFile(ctx, argument)
	case ".timer":
		if argument != "on" && argument != "off" {
			sh.app.Warnf(".timer: want on or off: found %q", argument)
			return false
		}
		sh.timer = argument == "on"
	default:
		sh.app.Warnf("there is no command %s: use one of %s", words[0], strings.Join(shellCommands(), ", "))
	}
	return false
}

// runFile runs the statements of a file, until one fails.
func (sh *shell) runFile(ctx context.Context, path string) {
	if path == "" {
		sh.app.Warnf(".read: want the name of a file")
		return
	}
	script, _, err := (&sqlOptions{app: sh.app, file: path}).readScript()
	if err != nil {
		sh.app.Warnf(".read: %s%s", strings.TrimPrefix(err.Error(), "--file: "), sh.app.Outside(err))
		return
	}
	for _, statement := range sql.Statements(script) {
		if !sh.run(ctx, statement) {
			return
		}
	}
}

// complete completes the word before the cursor, which is after pos characters.
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
	if head, words, is := sh.calls.complete(sh.unfinished, before); is {
		return head, words, tail
	}
	head = before
	for _, c := range sh.db.Complete(ctx, sh.unfinished+before) {
		from := c.From - len(sh.unfinished)
		if from < 0 || from > len(before) {
			continue
		}
		typed := before[from:]
		// DuckDB also offers words that are only similar.
		if len(c.Text) < len(typed) || !strings.EqualFold(c.Text[:len(typed)], typed) || slices.Contains(words, c.Text) {
			continue
		}
		head, words = before[:from], append(words, c.Text)
	}
	return head, words, tail
}

// historyFile returns the file of earlier statements, "" if there is no place for it.
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

// readHistory reads the statements of earlier shells.
func (sh *shell) readHistory(path string) {
	f, err := os.Open(path)
	if err != nil {
		return // none yet
	}
	defer func() { _ = f.Close() }()
	_, _ = sh.line.ReadHistory(f) // without a history the shell works as well
}

// writeHistory saves the statements. No other user can read the file, because statements hold personal data.
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
		sh.app.Warnf("cannot save the history: %s", err)
	}
}

// onTerm restores the terminal and saves the history when SIGTERM or SIGHUP ends the process.
func (sh *shell) onTerm(history string) (stop func()) {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM)
	cli.NotifyHangup(ends)
	done := make(chan struct{})
	go func() {
		select {
		case <-ends:
			sh.writeHistory(history)
			_ = sh.line.Close()
			os.Exit(cli.ExitInterrupted)
		case <-done:
		}
	}()
	return func() {
		signal.Stop(ends)
		close(done)
	}
}
