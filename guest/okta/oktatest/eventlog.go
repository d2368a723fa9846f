package oktatest

import (
	"encoding/json"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// eventLog has the System Log in the order of persistence. Seeded events are runs: a first index, a length and a
// spacing, from which any event can be generated. So ten million of them need no memory.
type eventLog struct {
	generator generator

	mu       sync.RWMutex
	segments []segment
	count    int
	made     int  // generator indexes used up
	given    bool // AppendEvent was called
}

// segment is a part of the log: a generated run, or stored events.
type segment struct {
	start, length int // positions in the log

	first int   // generator index, in a run
	from  int64 // time of the first event, nanoseconds since 1970
	step  int64 // nanoseconds to the next

	kept             []keptEvent
	earliest, latest millis // range of published, in kept events
}

type keptEvent struct {
	persisted, published millis
	body                 []byte
}

// seededSpan is the time span of the seeded events, unless Config.EventDays sets another.
const seededSpan = 20 * time.Hour

// maxShuffle is the maximum number of places by which the order of published differs from the order of persistence. Without
// milliseconds, published also differs by less than a second.
const maxShuffle = 7

func (l *eventLog) init(o *Org) {
	l.generator.org = o
	if n := o.cfg.Events; n > 0 {
		span := seededSpan
		if o.cfg.EventDays > 0 {
			span = time.Duration(o.cfg.EventDays) * 24 * time.Hour
		}
		l.addRun(n, o.started.Add(-span), span/time.Duration(n))
	}
}

func (l *eventLog) addRun(n int, from time.Time, step time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, segment{
		start: l.count, length: n, first: l.made, from: from.UnixNano(), step: int64(step),
	})
	l.count += n
	l.made += n
}

func (l *eventLog) keep(e keptEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.segments) - 1
	if last < 0 || l.segments[last].kept == nil {
		l.segments = append(l.segments, segment{start: l.count, earliest: e.published, latest: e.published})
		last++
	}
	s := &l.segments[last]
	s.kept = append(s.kept, e)
	s.length++
	s.earliest, s.latest = min(s.earliest, e.published), max(s.latest, e.published)
	l.count++
}

// nextIndex returns a new generator index.
func (l *eventLog) nextIndex() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made++
	return l.made - 1
}

// logView is the log at one time. It does not change while the log grows.
type logView struct {
	generator *generator
	segments  []segment
	count     int
}

func (l *eventLog) view() logView {
	l.generator.prepare()
	l.mu.RLock()
	defer l.mu.RUnlock()
	return logView{&l.generator, slices.Clone(l.segments), l.count}
}

// segment returns the segment that contains a position of the log.
func (v *logView) segment(position int) *segment {
	at := sort.Search(len(v.segments), func(i int) bool { return v.segments[i].start > position })
	return &v.segments[at-1]
}

// event appends the bytes of the event at a position.
func (v *logView) event(buf []byte, position int, clock *stamper) []byte {
	s := v.segment(position)
	if s.kept != nil {
		return append(buf, s.kept[position-s.start].body...)
	}
	i := position - s.start
	return v.generator.event(buf, s.first+i, v.published(s, i), clock)
}

// persisted returns when the i-th event of s was stored.
func (s *segment) persisted(i int) millis {
	if s.kept != nil {
		return s.kept[i].persisted
	}
	return millis((s.from + int64(i)*s.step) / int64(time.Millisecond))
}

// published returns the published time of the i-th event of s.
func (v *logView) published(s *segment, i int) millis {
	if s.kept != nil {
		return s.kept[i].published
	}
	shape := v.generator.shape(s.first + i)
	at := s.persisted(max(i-shape.late, 0))
	if shape.template.wholeSeconds {
		at = at / 1000 * 1000
	}
	return at
}

// since returns the position of the first event that was stored at or after a time.
func (v *logView) since(moment millis) int {
	for _, s := range v.segments {
		if i := s.search(moment); i < s.length {
			return s.start + i
		}
	}
	return v.count
}

// search returns the index of the first event of s that was stored at or after a time.
func (s *segment) search(moment millis) int {
	return sort.Search(s.length, func(i int) bool { return s.persisted(i) >= moment })
}

// place orders events by their published time, and equal ones by their position in the log.
type place struct {
	published millis
	position  int
}

func comparePlaces(a, b place) int {
	if a.published != b.published {
		return int(a.published - b.published)
	}
	return a.position - b.position
}

// byPublished yields the events published in [since, until), in order or in reverse. It reads one time span after
// another, so that the cost of a page depends on its size.
func (v *logView) byPublished(since, until millis, reverse bool) iter.Seq[place] {
	return func(yield func(place) bool) {
		since, until := v.clip(since, until)
		width := millis(1000)
		var found []place
		for since < until {
			lo, hi := since, min(since+width, until)
			if reverse {
				lo, hi = max(until-width, since), until
			}
			found = v.between(found[:0], lo, hi)
			slices.SortFunc(found, comparePlaces)
			if reverse {
				slices.Reverse(found)
				until = lo
			} else {
				since = hi
			}
			for _, p := range found {
				if !yield(p) {
					return
				}
			}
			switch {
			case len(found) < 256:
				width *= 4
			case len(found) > 4096:
				width = max(width/4, 1)
			}
		}
	}
}

// clip limits [since, until) to the time that the log covers.
func (v *logView) clip(since, until millis) (millis, millis) {
	if len(v.segments) == 0 {
		return 0, 0
	}
	var earliest, latest millis
	for i := range v.segments {
		s := &v.segments[i]
		first, last := s.earliest, s.latest
		if s.kept == nil {
			first, last = s.persisted(0)-1000, s.persisted(s.length-1)
		}
		if i == 0 {
			earliest, latest = first, last
		}
		earliest, latest = min(earliest, first), max(latest, last)
	}
	return max(since, earliest), min(until, latest+1)
}

// between appends the events published in [lo, hi), unordered.
func (v *logView) between(found []place, lo, hi millis) []place {
	for at := range v.segments {
		s := &v.segments[at]
		from, to := 0, s.length
		if s.kept == nil { // published is never after persistence, and not long before
			from, to = s.search(lo), min(s.search(hi+1000)+maxShuffle, s.length)
		}
		for i := from; i < to; i++ {
			if p := v.published(s, i); lo <= p && p < hi {
				found = append(found, place{p, s.start + i})
			}
		}
	}
	return found
}

// AppendEvents adds n more seeded events with the present time.
func (o *Org) AppendEvents(n int) {
	if n > 0 {
		o.log.addRun(n, o.cfg.Now(), 0)
	}
}

// AppendEvent adds an event with the present time. It is served byte for byte. Its attribute published, if any, places
// it in bounded queries.
func (o *Org) AppendEvent(event json.RawMessage) {
	now := millisOf(o.cfg.Now())
	published := now
	if t, err := parseTime(gjson.GetBytes(event, "published").Str); err == nil {
		published = millisOf(t)
	}
	o.log.keep(keptEvent{now, published, slices.Clone(event)})
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	o.log.given = true
}

// hasGiven reports whether a test added its own events to the log.
func (l *eventLog) hasGiven() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.given
}

// AppendLateEvent adds a seeded event now with an earlier published time, and returns it. Polling sees it next; a
// bounded query for later times does not.
func (o *Org) AppendLateEvent(published time.Time) json.RawMessage {
	o.log.generator.prepare()
	at := millisOf(published)
	event := o.log.generator.dated(o.log.nextIndex(), at)
	o.log.keep(keptEvent{millisOf(o.cfg.Now()), at, event})
	return slices.Clone(event)
}

// EventCount returns the number of events in the log.
func (o *Org) EventCount() int {
	o.log.mu.RLock()
	defer o.log.mu.RUnlock()
	return o.log.count
}

// Events yields the events that are in the log when the iteration starts, in the order of persistence, with the bytes
// of GET /api/v1/logs.
func (o *Org) Events() iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		view := o.log.view()
		var clock stamper
		for i := range view.count {
			if !yield(view.event(nil, i, &clock)) {
				return
			}
		}
	}
}
