package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/ingest"
)

// progress is the line that tells a person at a terminal how a source gets on. A nil progress tells nobody.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	console   *console
	began     time.Time
	drains    []*ingest.Drain
	span      *span // of a backfill, else nil
}

// span is the stretch of time that a backfill reads.
type span struct {
	since, until time.Time
	from         time.Time // where this run goes on
}

// redraw is how often the line is drawn.
const redraw = 100 * time.Millisecond

// startProgress begins the line, unless stderr is no terminal or the records go to one.
func (a *app) startProgress(mixed bool, s *span, drains ...*ingest.Drain) *progress {
	if _, seen := terminal(a.stderr); !seen || mixed {
		return nil
	}
	p := &progress{console: &a.status, began: time.Now(), drains: drains, span: s}
	p.container = mpb.New(mpb.WithOutput(a.stderr), mpb.WithRefreshRate(redraw))
	line := mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return p.line() }))
	if s == nil {
		p.bar = p.container.New(0, mpb.NopStyle(), line)
	} else {
		p.bar = p.container.New(s.whole(), mpb.BarStyle(), line, mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			p.bar.SetCurrent(s.done(p.at()))
			return p.rest()
		})))
	}
	a.status.divert(p.container)
	return p
}

// end draws the line a last time and leaves it standing.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.bar.Abort(false)
	p.container.Wait()
	p.console.divert(nil)
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

func (p *progress) line() string {
	all := p.sum()
	rate := float64(all.Records) / max(time.Since(p.began).Seconds(), 0.001)
	s := fmt.Sprintf("%s records  %s pages  %s/s", thousands(all.Records), thousands(all.Pages), thousands(int64(rate)))
	if len(p.drains) > 1 {
		s = fmt.Sprintf("%d connections  %s", len(p.drains), s)
	}
	var quota []host.Quota
	for _, d := range p.drains {
		if d.Quota != nil {
			quota = append(quota, d.Quota()...)
		}
	}
	if q, ok := scarcest(quota); ok {
		s += fmt.Sprintf("  %d of %d requests left (%s, %ds)", q.Remaining, q.Limit, q.Bucket, int(q.ResetIn.Seconds()))
	}
	if all.Err != nil {
		s += "  waiting"
	}
	return s
}

func (s *span) whole() int64 { return max(int64(s.until.Sub(s.since)/time.Second), 1) }

// done is how far a backfill has come, of whole.
func (s *span) done(watermark time.Time) int64 {
	return min(max(int64(watermark.Sub(s.since)/time.Second), 0), s.whole())
}

// at is the time up to which a backfill has read.
func (p *progress) at() time.Time {
	if t := p.sum().Watermark; !t.IsZero() {
		return t
	}
	return p.span.from
}

// rest says how far a backfill has come and how long the rest will take, by what this run has done so far.
func (p *progress) rest() string {
	at := p.at()
	percent := 100 * p.span.done(at) / p.span.whole()
	eta, ok := p.span.eta(at, p.sum().Lag, time.Since(p.began))
	if !ok {
		return fmt.Sprintf(" %d%%", percent)
	}
	return fmt.Sprintf(" %d%%  %s to go", percent, eta)
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
