package oktatest

import (
	"cmp"
	"iter"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// logEndpoints serves the System Log:
// https://developer.okta.com/docs/reference/system-log-query/.
func logEndpoints() []endpoint {
	return []endpoint{{pattern: "GET /api/v1/logs", bucket: "/api/v1/logs", handle: listEvents, unlocked: true}}
}

// The default range of a query (Okta's OpenAPI document), how long events are kept, and the oldest since that is not
// refused (https://developer.okta.com/docs/reference/system-log-query/).
const (
	defaultLookback = 7 * 24 * time.Hour
	retention       = 90 * 24 * time.Hour
	oldestSince     = 180 * 24 * time.Hour
)

// logQuery is a request for events.
type logQuery struct {
	since, until millis // until is 0 if it was not given
	after        *logCursor
	limit        int
	reverse      bool
	accept       func([]byte) bool // nil accepts all
	query        url.Values
}

// polling reports whether the query follows the log: by persistence, without an end.
func (q *logQuery) polling() bool { return q.until == 0 && !q.reverse }

// listEvents answers a polling query by persistence, always with a next link. It answers any other by published, with
// no next link on the last page. A bounded query has the events published at or after since and before until.
func listEvents(o *Org, c *call) (answer, error) {
	q, err := o.parseLogQuery(c)
	if err != nil {
		return answer{}, err
	}
	view := o.log.view()
	a := answer{header: http.Header{}, body: o.buffer(min(q.limit, view.count) * o.cfg.EventSize * 5 / 4)}
	c.link(a.header, "self", q.query)
	var next *logCursor
	if q.polling() {
		a.body, next, err = o.pollEvents(c, &view, q, a.body)
	} else {
		a.body, next, err = o.boundedEvents(c, &view, q, a.body)
	}
	if err != nil {
		return answer{}, err
	}
	if next != nil {
		q.query.Del("since")
		q.query.Set("after", next.String())
		c.link(a.header, "next", q.query)
	}
	buffer := a.body
	a.recycle = func() { o.buffers.Put(&buffer) }
	return a, nil
}

// buffer returns an empty slice with capacity size, which is reused after an answer is sent.
func (o *Org) buffer(size int) []byte {
	if b, ok := o.buffers.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:0]
	}
	return make([]byte, 0, size+2)
}

func (o *Org) pollEvents(c *call, view *logView, q *logQuery, buf []byte) ([]byte, *logCursor, error) {
	next := logCursor{moment: q.since, position: view.since(q.since)}
	if q.after != nil {
		next = *q.after
		if next.position > view.count {
			return nil, nil, invalidCursor()
		}
		next.position = max(next.position, view.since(millisOf(c.now.Add(-retention)))) // older events no longer exist
		if c.repeat {
			next.position = max(next.position-q.limit, 0)
		}
	}
	places := func(yield func(place) bool) {
		for i := next.position; i < view.count; i++ {
			s := view.segment(i)
			if !yield(place{s.persisted(i - s.start), i}) {
				return
			}
		}
	}
	buf, last, _, err := o.appendEvents(c, view, q, buf, places)
	if last.position >= 0 {
		next = logCursor{moment: last.published, position: last.position + 1}
	}
	return buf, &next, err
}

func (o *Org) boundedEvents(c *call, view *logView, q *logQuery, buf []byte) ([]byte, *logCursor, error) {
	since, until := q.since, q.until
	if until == 0 {
		until = millisOf(c.now) + 1
	}
	if q.after != nil && q.after.position >= view.count {
		return nil, nil, invalidCursor()
	}
	after := place{-1, -1}
	if q.after != nil {
		after = place{q.after.moment, q.after.position}
		if q.reverse {
			until = min(until, after.published+1)
		} else {
			since = max(since, after.published)
		}
	}
	places := func(yield func(place) bool) {
		for p := range view.byPublished(since, until, q.reverse) {
			order := comparePlaces(p, after)
			if q.after != nil && (order == 0 || (order < 0) != q.reverse) {
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
	buf, _, lastSent, err := o.appendEvents(c, view, q, buf, places)
	if lastSent == nil {
		return buf, nil, err
	}
	next := &logCursor{moment: lastSent.published, position: lastSent.position}
	if q.reverse {
		next.since = q.since
	}
	return buf, next, err
}

// appendEvents renders the page: the events at places that the query accepts, up to its limit. seen is the last
// examined place before the next page; more is the last event of the page if another follows.
func (o *Org) appendEvents(c *call, view *logView, q *logQuery, buf []byte, places iter.Seq[place]) (_ []byte, seen place, more *place, err error) {
	seen = place{-1, -1}
	var last place
	var clock stamper
	count, looked := 0, 0
	buf = append(buf, '[')
	for p := range places {
		if count == q.limit && q.polling() {
			break
		}
		if looked++; looked%4096 == 0 && c.Context().Err() != nil {
			return buf, seen, nil, errInternal
		}
		rewind := len(buf)
		if count > 0 {
			buf = append(buf, ',')
		}
		start := len(buf)
		buf = view.event(buf, p.position, &clock)
		if q.accept != nil && !q.accept(buf[start:]) {
			buf = buf[:rewind]
			seen = p
			continue
		}
		if count == q.limit {
			buf = buf[:rewind]
			if count > 0 {
				more = &last
			}
			break
		}
		count++
		seen, last = p, p
	}
	return append(buf, ']'), seen, more, nil
}

func (o *Org) parseLogQuery(c *call) (*logQuery, error) {
	query := c.URL.Query()
	q := &logQuery{query: query, limit: 100}
	var err error
	if s := query.Get("limit"); s != "" {
		if q.limit, err = strconv.Atoi(s); err != nil || q.limit < 0 || q.limit > pageEvents {
			return nil, invalid("limit", "'limit' must be a number from 0 to 1000.")
		}
	}
	q.limit = min(q.limit, o.cfg.pageLimit(pageEvents))
	switch order := cmp.Or(query.Get("sortOrder"), "ASCENDING"); order {
	case "ASCENDING":
	case "DESCENDING":
		q.reverse = true
	default:
		return nil, invalid("sortOrder", "'sortOrder' must be ASCENDING or DESCENDING.")
	}
	if err := q.parseTimes(c.now); err != nil {
		return nil, err
	}
	return q, q.parseConditions()
}

func (q *logQuery) parseTimes(now time.Time) error {
	if s := q.query.Get("until"); s != "" {
		t, err := parseTime(s)
		if err != nil {
			return invalidDate("until")
		}
		q.until = millisOf(t)
	}
	end := now
	if q.until != 0 {
		end = q.until.time()
	}
	kept := millisOf(now.Add(-retention)) // older events no longer exist; asking for them is not an error
	q.since = max(millisOf(end.Add(-defaultLookback)), kept)
	since, after := q.query.Get("since"), q.query.Get("after")
	if since != "" && after != "" {
		return invalid("after", "'since' and 'after' cannot be used together.")
	}
	if since != "" {
		t, err := parseTime(since)
		if err != nil {
			return invalidDate("since")
		}
		if now.Sub(t) > oldestSince {
			return errTooOld
		}
		q.since = max(millisOf(t), kept)
	}
	if after != "" {
		cursor, err := parseLogCursor(after)
		if err != nil {
			return err
		}
		q.after, q.since = cursor, max(cursor.since, kept)
	}
	return nil
}

func (q *logQuery) parseConditions() error {
	filter, keywords := q.query.Get("filter"), strings.Fields(strings.ToLower(q.query.Get("q")))
	if len(keywords) > 10 {
		return invalid("q", "'q' must have at most 10 keywords.")
	}
	for _, k := range keywords {
		if len([]rune(k)) > 40 {
			return invalid("q", "A keyword of 'q' must have at most 40 characters.")
		}
	}
	var e *expression
	if filter != "" {
		var err error
		if e, err = parseExpression(filter); err != nil {
			return invalidFilter(err.Error())
		}
		if err := e.comparisons(checkLogComparison); err != nil {
			return err
		}
	}
	if e == nil && len(keywords) == 0 {
		return nil
	}
	q.accept = func(event []byte) bool {
		if e != nil && !e.matches(gjson.ParseBytes(event)) {
			return false
		}
		text := ""
		if len(keywords) > 0 {
			text = strings.ToLower(string(event))
		}
		for _, k := range keywords {
			if !strings.Contains(text, k) {
				return false
			}
		}
		return true
	}
	return nil
}

// logAttributes are the attributes that events can be filtered by, including everything below them.
var logAttributes = strings.Fields(`actor authenticationContext client debugContext device displayMessage eventType
	legacyEventType outcome request securityContext severity target transaction uuid version`)

func checkLogComparison(e *expression) error {
	first, _, _ := strings.Cut(e.attribute, ".")
	known := false
	for _, a := range logAttributes {
		known = known || a == first
	}
	switch {
	case !known:
		return invalidSearch("attribute " + e.attribute + " is not supported")
	case e.operator == "co" && (e.attribute == "debugContext.debugData.url" || e.attribute == "debugContext.debugData.requestUri"):
		return invalidSearch("operator co is not supported for " + e.attribute)
	}
	return nil
}

// logCursor says where a query resumes: a time, and a position in the log. For polling, it is the position of the next
// event, else of the last sent one. A link has no since next to its after, so the cursor of a query in reverse has its
// end.
type logCursor struct {
	moment   millis
	position int
	since    millis // used by a query in reverse
}

// String returns the cursor for a link.
func (l *logCursor) String() string {
	s := strconv.FormatInt(int64(l.moment), 10) + "_" + strconv.Itoa(l.position)
	if l.since != 0 {
		s += "_" + strconv.FormatInt(int64(l.since), 10)
	}
	return s
}

func parseLogCursor(s string) (*logCursor, error) {
	parts := strings.Split(s, "_")
	if len(parts) != 2 && len(parts) != 3 {
		return nil, invalidCursor()
	}
	numbers := [3]int64{}
	for i, part := range parts {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/2 {
			return nil, invalidCursor()
		}
		numbers[i] = n
	}
	if numbers[1] > math.MaxInt32 {
		return nil, invalidCursor()
	}
	return &logCursor{millis(numbers[0]), int(numbers[1]), millis(numbers[2])}, nil
}
