package main

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
)

// grid is text in aligned columns, by the width that a terminal gives each character.
type grid struct {
	indent string
	header []string
	rows   [][]string
}

// gap stands between two columns.
const gap = "  "

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// write prints the grid. The last column is not padded. Errors of w are w's to keep.
func (g *grid) write(w io.Writer) {
	widths := make([]int, len(g.header))
	for _, row := range append([][]string{g.header}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], runewidth.StringWidth(cell))
		}
	}
	writeRow(w, g.indent, widths, g.header)
	for _, row := range g.rows {
		writeRow(w, g.indent, widths, row)
	}
}

// writeRow prints one line of cells padded to their widths.
func writeRow(w io.Writer, indent string, widths []int, cells []string) {
	var b strings.Builder
	b.WriteString(indent)
	for i, cell := range cells {
		if i > 0 {
			b.WriteString(gap)
		}
		b.WriteString(cell)
		if pad := widths[i] - runewidth.StringWidth(cell); pad > 0 && i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", pad))
		}
	}
	_, _ = io.WriteString(w, strings.TrimRight(b.String(), " ")+"\n")
}
