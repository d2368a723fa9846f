//go:build linux || darwin

package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hinshun/vt10x"

	"github.com/mach5/okta-connector/host/sql"
)

// picture is a terminal picture of the documents: commands, and what each shows at a terminal.
type picture struct {
	name  string // the file is docs/pictures/NAME.svg
	title string
	steps []step
	sql   bool // it needs DuckDB
}

// step is a command of a picture, against a fresh simulated org.
type step struct {
	comment string // shown above the command
	args    []string
	shown   string // the command as one would type it
}

const pictureColumns = 104

var pictures = []picture{
	{name: "tour", title: "wasm-runner against a simulated org", steps: []step{
		{comment: "Does the connection work?", args: []string{"check"}, shown: "check"},
		{comment: "Who is locked out?", args: []string{"table", "list_users", `{"status":"LOCKED_OUT"}`}, shown: `table list_users '{"status":"LOCKED_OUT"}'`},
		{comment: "What happened in the last day?", args: []string{"table", "bounded_system_log_range", `{"since":"-24h","until":"now"}`, "--limit", "4"},
			shown: `table bounded_system_log_range '{"since":"-24h","until":"now"}' --limit 4`},
		{comment: "What would this write send? Nothing is sent yet.",
			args:  []string{"--grant", "write", "invoke", "create_group", `{"name":"Night Shift"}`, "--plan"},
			shown: `--grant write invoke create_group '{"name":"Night Shift"}' --plan`},
	}},
	{name: "sql", title: "SQL over a simulated org", sql: true, steps: []step{
		{comment: "What happened most in the last day?",
			args:  []string{"sql", "SELECT event_type, count(*) AS n, bar(n, 0, 30, 30) AS share FROM okta.system_log WHERE published > now() - INTERVAL 1 DAY GROUP BY ALL ORDER BY n DESC, event_type LIMIT 8"},
			shown: `sql "SELECT event_type, count(*) AS n, bar(n, 0, 30, 30) AS share` + "\n    FROM okta.system_log WHERE published > now() - INTERVAL 1 DAY\n    GROUP BY ALL ORDER BY n DESC, event_type LIMIT 8\""},
		{comment: "Which views are there?", args: []string{"sql", "SHOW TABLES"}, shown: `sql "SHOW TABLES"`},
	}},
	{name: "actions", title: "an action: planned, refused, done", steps: []step{
		{comment: "A connection may only read, until more is granted.", args: []string{"invoke", "create_group", `{"name":"Night Shift"}`}, shown: `invoke create_group '{"name":"Night Shift"}'`},
		{comment: "What would be sent?", args: []string{"--grant", "write", "invoke", "create_group", `{"name":"Night Shift"}`, "--plan"}, shown: `--grant write invoke create_group '{"name":"Night Shift"}' --plan`},
		{comment: "Do it.", args: []string{"--grant", "write", "invoke", "create_group", `{"name":"Night Shift"}`}, shown: `--grant write invoke create_group '{"name":"Night Shift"}'`},
		{comment: "Suspend a user.", args: []string{"--grant", "destructive", "invoke", "user_lifecycle_action", `{"user":"alan.turing@example.com","action":"suspend"}`},
			shown: `--grant destructive invoke user_lifecycle_action \` + "\n    '" + `{"user":"alan.turing@example.com","action":"suspend"}'`},
	}},
}

// TestPictures_AreCurrent compares the pictures of the documents with what the commands show at a terminal. Times, durations, ids of
// requests and ports are replaced by fixed ones of the same width. -update writes the pictures.
func TestPictures_AreCurrent(t *testing.T) {
	t.Parallel()
	for _, p := range pictures {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if p.sql && !sql.Available {
				t.Skip("DuckDB is not in this build")
			}
			path := filepath.Join(root, "docs", "pictures", p.name+".svg")
			got := p.draw(t)
			want, err := os.ReadFile(path)
			switch {
			case err == nil && string(want) == got:
			case *update:
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("docs/pictures/%s.svg is stale (%v): go test ./cmd/wasm-runner -run TestPictures -update\n-picture +run:\n%s",
					p.name, err, cmp.Diff(visible(string(want)), visible(got)))
			}
		})
	}
}

// visible returns the lines of a picture.
func visible(svg string) []string {
	return strings.Split(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(svg, "")), "\n")
}

// draw runs the commands and returns the picture.
func (p picture) draw(t *testing.T) string {
	t.Helper()
	var lines [][]vt10x.Glyph
	for i, s := range p.steps {
		if i > 0 {
			lines = append(lines, nil)
		}
		lines = append(lines, glyphs("# "+s.comment, 8))
		prompt := "$ wasm-runner --demo "
		for line := range strings.Lines(s.shown) {
			lines = append(lines, glyphs(prompt+strings.TrimSuffix(line, "\n"), 15))
			prompt = ""
		}
		k := onPty(t, ptyOptions{columns: pictureColumns, dir: t.TempDir()}, append([]string{"--demo"}, s.args...)...)
		k.wait()
		for y := range k.lines() {
			line := make([]vt10x.Glyph, pictureColumns)
			for x := range line {
				line[x] = k.screen.Cell(x, y)
			}
			lines = append(lines, masked(line))
		}
	}
	return svg(p.title, lines)
}

// glyphs returns a text in one colour.
func glyphs(text string, colour vt10x.Color) []vt10x.Glyph {
	var line []vt10x.Glyph
	for _, r := range text {
		line = append(line, vt10x.Glyph{Char: r, FG: colour, BG: vt10x.DefaultBG})
	}
	return line
}

// masks are the parts of a line that differ from run to run, and what is shown in their place.
var masks = []struct {
	pattern *regexp.Regexp
	shown   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d`), "2026-11-28${1}09:41:05"},
	{regexp.MustCompile(`(09:41:05)\.\d{3}Z`), "${1}.000Z"},
	{regexp.MustCompile(`127\.0\.0\.1:\d{5}`), "127.0.0.1:40000"},
	{regexp.MustCompile(`127\.0\.0\.1:\d{4}\b`), "127.0.0.1:4000"},
	{regexp.MustCompile(`new ones in \d+ s`), "new ones in 30 s"},
	{regexp.MustCompile(`[0-9a-f]{32}`), "109a4f3c5b6d7e8f9a0b1c2d3e4f5a6b"},
	{regexp.MustCompile(`"duration_ms":[0-9.]+`), `"duration_ms":1`},
}

// masked replaces what differs from run to run. A line that a mask makes longer or shorter has one colour from there on.
func masked(line []vt10x.Glyph) []vt10x.Glyph {
	text := make([]rune, len(line))
	for i, g := range line {
		if text[i] = g.Char; g.Char == 0 {
			text[i] = ' '
		}
	}
	now := string(text)
	for _, m := range masks {
		now = m.pattern.ReplaceAllString(now, m.shown)
	}
	changed := []rune(strings.TrimRight(now, " "))
	for i := range changed {
		if i == len(line) {
			line = append(line, line[i-1])
		}
		line[i].Char = changed[i]
	}
	return line[:len(changed)]
}

// The size of a cell and of the frame around the lines, in pixels.
const (
	cellWidth, cellHeight = 8, 18
	frameX, frameY        = 16, 48
)

// palette has the 16 colours of a terminal.
var palette = []string{"#2e3440", "#e5746b", "#7fc97f", "#e3c878", "#7aa2e3", "#c792ea", "#6fc3c9", "#d8dee9",
	"#7b869c", "#f28b82", "#a3e0a3", "#f5dd9d", "#9dbdf2", "#ddb3f5", "#93dde2", "#ffffff"}

// svg draws lines as a picture. Each run of one colour is stretched to the width of its cells, whatever the font is.
func svg(title string, lines [][]vt10x.Glyph) string {
	width := pictureColumns*cellWidth + 2*frameX
	height := len(lines)*cellHeight + frameY + frameX
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n<title>%s</title>\n", width, height, width, height, html.EscapeString(title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#1e222a"/>`+"\n", width, height)
	for i, colour := range []string{"#e5746b", "#e3c878", "#7fc97f"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="20" r="6" fill="%s"/>`+"\n", 22+20*i, colour)
	}
	b.WriteString(`<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" fill="#d8dee9" xml:space="preserve">` + "\n")
	for y, line := range lines {
		if len(line) == 0 {
			continue
		}
		fmt.Fprintf(&b, `<text y="%d">`, frameY+y*cellHeight)
		for from := 0; from < len(line); {
			to := from + 1
			for to < len(line) && look(line[to]) == look(line[from]) {
				to++
			}
			var text strings.Builder
			for _, g := range line[from:to] {
				text.WriteRune(g.Char)
			}
			fmt.Fprintf(&b, `<tspan x="%d" textLength="%d" lengthAdjust="spacingAndGlyphs"%s>%s</tspan>`, frameX+from*cellWidth, (to-from)*cellWidth, look(line[from]), html.EscapeString(text.String()))
			from = to
		}
		b.WriteString("</text>\n")
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// bold is the bit of a bold glyph in vt10x.Glyph.Mode, which vt10x does not export.
const bold = 4

// look returns the attributes of a glyph.
func look(g vt10x.Glyph) string {
	attributes := ""
	if g.FG.ANSI() {
		attributes += ` fill="` + palette[g.FG] + `"`
	}
	if g.Mode&bold != 0 {
		attributes += ` font-weight="bold"`
	}
	return attributes
}
