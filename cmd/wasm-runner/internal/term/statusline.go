package term

import (
	"slices"
	"strings"
	"time"
)

// redrawEvery is the time between two drawings of a status line.
const redrawEvery = 100 * time.Millisecond

// EchoColumns stay free at the end of the line, for the "^C" that a terminal echoes: a line that wraps cannot be redrawn.
const EchoColumns = 3

// StatusLine shows progress below the messages of a console. Stop it, then settle it.
type StatusLine struct {
	console *Console
	text    func(columns int) string

	stopping chan struct{}
	stopped  chan struct{} // closed when the last drawing has ended; nil where nothing is redrawn
}

// StartStatusLine draws the text again and again, for the width that the terminal has at that moment. The function must be
// safe to call from another goroutine. With redraw false, which dumb terminals need, only Settle draws.
func StartStatusLine(c *Console, redraw bool, text func(columns int) string) *StatusLine {
	l := &StatusLine{console: c, text: text}
	if !redraw {
		return l
	}
	l.stopping, l.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(l.stopped)
		tick := time.NewTicker(redrawEvery)
		defer tick.Stop()
		for {
			c.draw(l.fit())
			select {
			case <-tick.C:
			case <-l.stopping:
				return
			}
		}
	}()
	return l
}

// Stop ends the redrawing, and returns when the text function no longer runs.
func (l *StatusLine) Stop() {
	if l.stopped != nil {
		close(l.stopping)
		<-l.stopped
	}
}

// Settle draws the text a last time and leaves it on the screen.
func (l *StatusLine) Settle() { l.console.settle(l.fit()) }

// fit returns the text for the present width of the terminal.
func (l *StatusLine) fit() string {
	columns, ok := Columns(l.console.w)
	if !ok {
		columns = 80
	}
	return l.text(columns - EchoColumns)
}

// Part is one piece of a status line. In a narrow terminal the parts of the highest rank are left out first.
type Part struct {
	Text string
	Rank int
}

// FitParts joins the parts that fit into so many columns, preferring low ranks. It returns "" when none fits. All parts are
// ASCII.
func FitParts(parts []Part, columns int) string {
	byRank := make([]int, len(parts))
	for i := range parts {
		byRank[i] = i
	}
	slices.SortStableFunc(byRank, func(a, b int) int { return parts[a].Rank - parts[b].Rank })
	taken, length := make([]bool, len(parts)), -len(Gap)
	for _, i := range byRank {
		if n := len(Gap) + len(parts[i].Text); length+n <= columns {
			taken[i], length = true, length+n
		}
	}
	var texts []string
	for i, part := range parts {
		if taken[i] {
			texts = append(texts, part.Text)
		}
	}
	return strings.Join(texts, Gap)
}

// Columns of a bar.
const (
	minBar = 10
	MaxBar = 40
)

// WithBar appends a bar that shows how much of the whole is done, as wide as the line allows. It returns the line unchanged
// when there is no room for a bar.
func WithBar(line string, done, whole int64, columns int) string {
	room := columns - len(line) - len(Gap)
	if room < minBar {
		return line
	}
	return line + Gap + Bar(done, whole, min(room, MaxBar))
}

// Bar draws how much of the whole is done.
func Bar(done, whole int64, columns int) string {
	inner := int64(columns - 2)
	full := min(inner*done/whole, inner)
	return "[" + strings.Repeat("=", int(full)) + strings.Repeat(" ", int(inner-full)) + "]"
}
