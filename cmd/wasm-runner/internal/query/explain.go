package query

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/sql"
)

// explains matches an EXPLAIN statement, also after comments. Its result is a plan.
var explains = regexp.MustCompile(`(?is)^(?:\s|--[^\n]*\n|/\*.*?\*/)*explain\b`)

// plan writes the result of EXPLAIN line by line: a table would cut it.
func (p *printer) plan(r *sql.Result) error {
	for row, err := range r.Rows() {
		if err != nil {
			return err
		}
		if p.rows++; p.rows > 1 {
			fmt.Fprintln(p.out)
		}
		for i, value := range row {
			text, _ := value.(string)
			for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
				if line = strings.TrimRight(term.OneLine(line), " "); i > 0 {
					line = "  " + line
				}
				fmt.Fprintln(p.out, line)
			}
		}
	}
	return p.out.Flush()
}
