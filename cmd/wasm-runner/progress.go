package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
)

// progress is the status line that shows a person at a terminal how a source gets on. A nil progress shows nothing.
type progress struct {
	app    *app
	began  time.Time
	drains []*ingest.Drain
	span   *span // of a backfill, else nil

	ended   bool
	stop    chan struct{}
	stopped chan struct{} // closed when the line is no longer redrawn; nil if it never is
}

// span is the range of time that a backfill reads.
type span struct {
	since, until time.Time
	from         time.Time   // where this run goes on
	complete     func() bool // whether all was read; asked when the run has ended
}

// redraw is how often the line is drawn.
const redraw = 100 * time.Millisecond

// echo is the room left at the end of the line, for "^C": a line that wraps cannot be redrawn.
const echo = 3

// startProgress begins the line. It returns nil unless stderr is a terminal, if the records go to one too, and if stderr
// is JSON. A dumb terminal gets the last line alone, since nothing can be redrawn there.
func (a *app) startProgress(mixed bool, s *span, drains ...*ingest.Drain) *progress {
	if _, seen := terminal(a.stderr); !seen || mixed || a.json {
		return nil
	}
	p := &progress{app: a, began: time.Now(), drains: drains, span: s}
	if a.dumb() {
		return p
	}
	p.stop, p.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.stopped)
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			a.status.draw(p.fit())
			select {
			case <-tick.C:
			case <-p.stop:
				return
			}
		}
	}()
	return p
}

// end draws the line a last time and leaves it on the screen.
func (p *progress) end() {
	if p == nil {
		return
	}
	if p.stopped != nil {
		close(p.stop)
		<-p.stopped
	}
	p.ended = true
	p.app.status.settle(p.fit())
}

// fit returns the line for the terminal as wide as it is now.
func (p *progress) fit() string {
	columns, ok := terminal(p.app.stderr)
	if !ok {
		columns = 80
	}
	return p.line(columns - echo)
}

// sum is what all drains have done together.
func (p *progress) sum() (all ingest.Stats) {
	for _, d := range p.drains {
		s := d.Stats()
		all.Records += s.Records
		all.Pages += s.Pages
		all.Lag = s.Lag // of a backfill, which has one
		if s.Watermark.After(all.Watermark) {
			all.Watermark = s.Watermark
		}
		if all.Err == nil && s.State == ingest.Waiting {
			all.Err = s.Err
		}
	}
	return all
}

// part is one piece of the line. In a narrow terminal those of the highest rank are left out first.
type part struct {
	text string
	rank int
}

// partGap is between two parts.
const partGap = "  "

// line returns what is shown, in at most so many columns.
func (p *progress) line(columns int) string {
	all := p.sum()
	rate := float64(all.Records) / max(time.Since(p.began).Seconds(), 0.001)
	var parts []part
	if len(p.drains) > 1 {
		parts = append(parts, part{counted(int64(len(p.drains)), "connection"), 3})
	}
	parts = append(parts,
		part{counted(all.Records, "record"), 0},
		part{counted(all.Pages, "page"), 4},
		part{thousands(int64(rate)) + "/s", 5})
	var quota []host.Quota
	for _, d := range p.drains {
		if d.Quota != nil {
			quota = append(quota, d.Quota()...)
		}
	}
	if q, ok := scarcest(quota); ok {
		parts = append(parts, part{fmt.Sprintf("%d of %d requests left (%s, %ds)", q.Remaining, q.Limit, q.Bucket, int(q.ResetIn.Seconds())), 6})
	}
	if all.Err != nil {
		parts = append(parts, part{"waiting", 1})
	}
	if p.span != nil {
		percent := 100 * p.span.done(p.at()) / p.span.whole()
		parts = append(parts, part{strconv.FormatInt(percent, 10) + "%", 1})
		if eta, ok := p.span.eta(p.at(), p.sum().Lag, time.Since(p.began)); ok && !p.ended {
			parts = append(parts, part{eta.String() + " to go", 2})
		}
	}
	s := fitting(parts, columns)
	if s == "" { // not even the records fit
		s = thousands(all.Records)
		s = s[:min(len(s), max(columns, 0))]
	}
	if room := columns - len(s) - len(partGap); p.span != nil && room >= minBar {
		s += partGap + bar(p.span.done(p.at()), p.span.whole(), min(room, maxBar))
	}
	return s
}

// fitting joins the parts that fit, those of low rank first. All are ASCII.
func fitting(parts []part, columns int) string {
	byRank := make([]int, len(parts))
	for i := range parts {
		byRank[i] = i
	}
	slices.SortStableFunc(byRank, func(a, b int) int { return parts[a].rank - parts[b].rank })
	taken, length := make([]bool, len(parts)), -len(partGap)
	for _, i := range byRank {
		if n := len(partGap) + len(parts[i].text); length+n <= columns {
			taken[i], length = true, length+n
		}
	}
	var texts []string
	for i, part := range parts {
		if taken[i] {
			texts = append(texts, part.text)
		}
	}
	return strings.Join(texts, partGap)
}

// Columns of the bar of a backfill.
const (
	minBar = 10
	maxBar = 40
)

// bar draws how much of the whole is done.
func bar(done, whole int64, columns int) string {
	inner := int64(columns - 2)
	full := min(inner*done/whole, inner)
	return "[" + strings.Repeat("=", int(full)) + strings.Repeat(" ", int(inner-full)) + "]"
}

// counted is a number with its noun.
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

func (s *span) whole() int64 { return max(int64(s.until.Sub(s.since)/time.Second), 1) }

// done is how far a backfill has come, of whole.
func (s *span) done(watermark time.Time) int64 {
	return min(max(int64(watermark.Sub(s.since)/time.Second), 0), s.whole())
}

// at is the time up to which a backfill has read.
func (p *progress) at() time.Time {
	if p.ended && p.span.complete != nil && p.span.complete() {
		return p.span.until
	}
	if t := p.sum().Watermark; !t.IsZero() {
		return t
	}
	return p.span.from
}

// eta is how long the rest takes at the speed of this run. What lies behind the service's present, which is lag on, cannot be
// read yet; -1 is not known.
func (s *span) eta(at time.Time, lag, took time.Duration) (time.Duration, bool) {
	read, left := at.Sub(s.from), s.until.Sub(at)
	if lag >= 0 {
		left = min(left, lag)
	}
	if at.IsZero() || read <= 0 || left < 0 {
		return 0, false
	}
	return time.Duration(float64(took) * float64(left) / float64(read)).Round(time.Second), true
}

// scarcest is the bucket with the least of its requests left.
func scarcest(all []host.Quota) (host.Quota, bool) {
	var least host.Quota
	for _, q := range all {
		if q.Limit > 0 && (least.Limit == 0 || q.Remaining*least.Limit < least.Remaining*q.Limit) {
			least = q
		}
	}
	return least, least.Limit > 0
}

// thousands is a number in groups of three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
