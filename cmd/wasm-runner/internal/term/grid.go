package term

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Grid is a table of text. Its columns are aligned by the width that a terminal gives each character.
type Grid struct {
	Indent string
	Header []string
	rows   [][]string
}

// Gap separates two columns.
const Gap = "  "

// Add appends a row.
func (g *Grid) Add(cells ...string) { g.rows = append(g.rows, cells) }

// Write prints the grid without padding the last column. It ignores errors of w.
func (g *Grid) Write(w io.Writer) {
	widths := make([]int, len(g.Header))
	for _, row := range append([][]string{g.Header}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	WriteRow(w, g.Indent, widths, g.Header)
	for _, row := range g.rows {
		WriteRow(w, g.Indent, widths, row)
	}
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
