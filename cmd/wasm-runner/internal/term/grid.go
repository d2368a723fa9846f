package term

import (
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Grid is a table of text. Its columns are aligned by the width that a terminal gives each character.
type Grid struct {
	Indent  string
	Header  []string
	Columns int // width of the terminal; 0 is no limit
	rows    [][]string
}

// Gap separates two columns.
const Gap = "  "

// Add appends a row.
func (g *Grid) Add(cells ...string) { g.rows = append(g.rows, cells) }

// Write prints the grid without padding the last column. If it is wider than the terminal, it wraps the last column. With too
// little room for that, it prints the last column below the others. It ignores errors of w.
func (g *Grid) Write(w io.Writer) {
	all := append([][]string{g.Header}, g.rows...)
	widths := make([]int, len(g.Header))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	last := len(widths) - 1
	before := runewidth.StringWidth(g.Indent) // where the last column begins
	for _, width := range widths[:last] {
		before += width + len(Gap)
	}
	for _, row := range all {
		switch {
		case g.Columns == 0 || before+widths[last] <= g.Columns:
			WriteRow(w, g.Indent, widths, row)
		case g.Columns-before >= leastText:
			g.writeWrapped(w, widths, row, before)
		default:
			g.writeStacked(w, widths, row)
		}
	}
}

// leastText is the least width of a column whose text is wrapped in it.
const leastText = 30

// writeWrapped prints a row, and the lines of its last cell below each other. at is where the last column begins.
func (g *Grid) writeWrapped(w io.Writer, widths []int, row []string, at int) {
	cells := slices.Clone(row)
	last := len(cells) - 1
	for i, line := range Wrap(cells[last], g.Columns-at, 0) {
		if i > 0 {
			clear(cells)
		}
		cells[last] = line
		WriteRow(w, g.Indent, widths, cells)
	}
}

// writeStacked prints a row with the last cell below the others, indented as the second column is. The cells between are aligned
// only if they fit.
func (g *Grid) writeStacked(w io.Writer, widths []int, row []string) {
	last := len(row) - 1
	at := runewidth.StringWidth(g.Indent) + widths[0] + len(Gap)
	if at > g.Columns/2 {
		at = runewidth.StringWidth(g.Indent) + 4
	}
	var first strings.Builder
	WriteRow(&first, g.Indent, widths[:last], row[:last])
	line := strings.TrimSuffix(first.String(), "\n")
	if runewidth.StringWidth(line) > g.Columns {
		cells := slices.DeleteFunc(slices.Clone(row[1:last]), func(cell string) bool { return cell == "" })
		line = runewidth.FillRight(g.Indent+row[0], at-len(Gap)) + Gap + strings.Join(cells, Gap)
	}
	lines := Wrap(line, g.Columns, at)
	if row[last] != "" {
		lines = append(lines, Wrap(strings.Repeat(" ", at)+row[last], g.Columns, at)...)
	}
	_, _ = io.WriteString(w, strings.Join(lines, "\n")+"\n")
}

// WriteRow prints one line of cells, padded to their widths. It ignores errors of w.
func WriteRow(w io.Writer, indent string, widths []int, cells []string) {
	var b strings.Builder
	b.WriteString(indent)
	for i, cell := range cells {
		if i > 0 {
			b.WriteString(Gap)
		}
		b.WriteString(cell)
		if pad := widths[i] - runewidth.StringWidth(cell); pad > 0 && i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", pad))
		}
	}
	_, _ = io.WriteString(w, strings.TrimRight(b.String(), " ")+"\n")
}
