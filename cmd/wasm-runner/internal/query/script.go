package query

import (
	"context"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/rows"
	"github.com/mach5/okta-connector/host/sql"
)

// runScript runs the statements of a script. A line between two statements may be a command of the shell.
func (o *sqlOptions) runScript(ctx context.Context, db *sql.DB, p *printer, script string) error {
	var pending strings.Builder
	flush := func() error {
		text := pending.String()
		pending.Reset()
		return db.Run(ctx, text, p.print)
	}
	if !strings.HasPrefix(script, ".") && !strings.Contains(script, "\n.") {
		return db.Run(ctx, script, p.print)
	}
	for line := range strings.Lines(script) {
		if _, rest := sql.Split(pending.String()); !strings.HasPrefix(line, ".") || !sql.Blank(rest) {
			pending.WriteString(line)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		if quit, err := o.scriptCommand(ctx, db, p, strings.Fields(strings.TrimRight(strings.TrimSpace(line), ";"))); quit || err != nil {
			return err
		}
	}
	return flush()
}

// scriptCommand runs a command of the shell that has a use in scripts.
func (o *sqlOptions) scriptCommand(ctx context.Context, db *sql.DB, p *printer, words []string) (quit bool, err error) {
	argument := strings.Join(words[1:], " ")
	switch {
	case words[0] == ".quit" || words[0] == ".exit":
		return true, nil
	case words[0] == ".tables" && argument == "":
		return false, db.Run(ctx, "SHOW TABLES", p.print)
	case words[0] == ".timer" && (argument == "on" || argument == "off"):
		o.stats = argument == "on"
		return false, nil
	case words[0] == ".mode" && slices.Contains(rows.Formats(), argument):
		p.format = argument
		return false, nil
	case slices.Contains(scriptCommands, words[0]):
		return false, cli.Usagef("%s: want .timer on, .timer off, .tables, .quit or .mode with one of %s: found %q", words[0], strings.Join(rows.Formats(), ", "), strings.Join(words, " "))
	}
	return false, cli.Usagef("%s is no command of a script: it has %s. The shell has more", words[0], strings.Join(scriptCommands, ", "))
}

// scriptCommands are the commands that a script may have.
var scriptCommands = []string{".exit", ".mode", ".quit", ".tables", ".timer"}
