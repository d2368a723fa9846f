package main

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mach5/okta-connector/host"
)

// progress is the line that tells a person at a terminal how a source gets on. A nil progress tells nobody.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
	console   *console
	began     time.Time
	quota     func() []host.Quota

	records, pages atomic.Int64
}

// redraw is how often the line is drawn.
const redraw = 100 * time.Millisecond

// startProgress begins the line, unless stderr is no terminal or the records go to one.
func (a *app) startProgress(s *sink, quota func() []host.Quota) *progress {
	_, seen := terminal(a.stderr)
	_, mixed := terminal(s.out)
	if !seen || mixed {
		return nil
	}
	p := &progress{console: &a.status, began: time.Now(), quota: quota}
	p.container = mpb.New(mpb.WithOutput(a.stderr), mpb.WithRefreshRate(redraw))
	p.bar = p.container.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return p.line() })))
	a.status.divert(p.container)
	return p
}

// page counts a page of so many records.
func (p *progress) page(records int) {
	if p != nil {
		p.records.Add(int64(records))
		p.pages.Add(1)
	}
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

func (p *progress) line() string {
	records, pages := p.records.Load(), p.pages.Load()
	rate := float64(records) / max(time.Since(p.began).Seconds(), 0.001)
	s := fmt.Sprintf("%s records  %s pages  %s/s", thousands(records), thousands(pages), thousands(int64(rate)))
	if q, ok := scarcest(p.quota()); ok {
		s += fmt.Sprintf("  %d of %d requests left (%s, %ds)", q.Remaining, q.Limit, q.Bucket, int(q.ResetIn.Seconds()))
	}
	return s
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
