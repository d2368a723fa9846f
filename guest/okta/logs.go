package okta

import (
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var getLogs = abi.Endpoint{Endpoint: "GET /api/v1/logs", Bucket: "/api/v1/logs", Scopes: []string{"okta.logs.read"}}

var logOperations = []operation{
	{
		name: "poll_system_log_page",
		summary: "Reads the System Log in the order in which events were stored, one page from a cursor that the caller " +
			"keeps. A short page means caught up.",
		class:       abi.Read,
		surfaces:    axonIngestSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"since", false, `{"type":"string","format":"date-time","description":"where to begin without a cursor; default the connection's initial_lookback_seconds ago"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a System Log filter, such as eventType eq \"user.session.start\""}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":400,"description":"up to 10 keywords of up to 40 characters"}`},
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":1000,"description":"events a request; default the connection's default_page_size, else 1000"}`},
			cursorInput,
		},
		example:   `{"page_size":100}`,
		key:       "uuid",
		columns:   logColumns,
		endpoints: []abi.Endpoint{getLogs},
		list:      &pollLogs,
		source:    pollPage,
	},
	{
		name: "bounded_system_log_range",
		summary: "Reads the System Log between two times, by when events happened. Events that are stored late may be missing: " +
			"poll_system_log_page is for completeness.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs: []input{
			{"since", true, `{"type":"string","format":"date-time","description":"from here on; at most 180 days ago, of which Okta keeps 90"}`},
			{"until", true, `{"type":"string","format":"date-time","description":"up to here; later than since"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a System Log filter, such as eventType eq \"user.session.start\""}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":400,"description":"up to 10 keywords of up to 40 characters"}`},
			{"sort_order", false, `{"enum":["ASCENDING","DESCENDING"],"default":"ASCENDING","description":"by published"}`},
			limitInput,
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":1000,"description":"events a request; default the connection's default_page_size, else 1000"}`},
			cursorInput,
		},
		example:   `{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","limit":100}`,
		key:       "uuid",
		columns:   logColumns,
		endpoints: []abi.Endpoint{getLogs},
		pages:     boundedLogs,
	},
}

// boundedRange is the list behind bounded_system_log_range.
var boundedRange = list{
	endpoint:   getLogs.Endpoint,
	query:      []param{{"since", "since"}, {"until", "until"}, {"filter", "filter"}, {"q", "q"}, {"sort_order", "sortOrder"}},
	maxPage:    1000,
	untilEmpty: true,
}

const retention = 90 * 86_400 * 1000 // how long Okta keeps events, in milliseconds

func boundedLogs(c *call, cursor string, limit int) (result, int) {
	since, okSince := parseInstant(c.str("since"))
	until, okUntil := parseInstant(c.str("until"))
	if !okSince || !okUntil || since >= until {
		return fail(abi.Invalid, "range", "since ("+c.str("since")+") must be a time before until ("+c.str("until")+")"), 0
	}
	r, n := boundedRange.page(c, cursor, limit)
	switch oldest := c.oktaNow - retention; {
	case c.oktaNow == 0 || cursor != "": // said with the first page
	case r.outcome == abi.Succeeded && since > c.oktaNow+skew:
		r.warnings = append(r.warnings, c.beginning(c.str("since"), c.oktaNow)...)
	case r.outcome == abi.Succeeded && since < oldest:
		r.warnings = append(r.warnings, "since is more than 90 days ago: Okta keeps no events of before "+oldest.String())
	case r.outcome == abi.Rejected && r.err.Code == string(abi.Rejected) && since < oldest-retention:
		r.err.Message = "since is more than 180 days ago, and Okta keeps events for 90: begin at " + oldest.String() + " or later. " + r.err.Message
	}
	return r, n
}

var pollLogs = list{
	endpoint: getLogs.Endpoint,
	query:    []param{{"filter", "filter"}, {"q", "q"}},
	more:     pollQuery,
	maxPage:  1000,
	endless:  true,
	onePage:  true,
	warns:    func(c *call) []string { return c.beginning(c.str("since"), c.oktaNow) },
}

// logColumns are the fields of Okta's LogEvent that people select by.
var logColumns = []column{
	{"uuid", abi.Varchar, "uuid", "the event's id"},
	{"published", abi.TimestampTZ, "published", "when it happened"},
	{"event_type", abi.Varchar, "eventType", "such as user.session.start"},
	{"version", abi.Varchar, "version", "version of the event type"},
	{"severity", abi.Varchar, "severity", "DEBUG, INFO, WARN or ERROR"},
	{"legacy_event_type", abi.Varchar, "legacyEventType", ""},
	{"display_message", abi.Varchar, "displayMessage", ""},
	{"actor_id", abi.Varchar, "actor.id", "who did it"},
	{"actor_type", abi.Varchar, "actor.type", ""},
	{"actor_alternate_id", abi.Varchar, "actor.alternateId", "a user's login"},
	{"actor_display_name", abi.Varchar, "actor.displayName", ""},
	{"outcome_result", abi.Varchar, "outcome.result", "SUCCESS, FAILURE, ALLOW, DENY, …"},
	{"outcome_reason", abi.Varchar, "outcome.reason", ""},
	{"client_ip", abi.Varchar, "client.ipAddress", ""},
	{"client_device", abi.Varchar, "client.device", ""},
	{"client_user_agent", abi.Varchar, "client.userAgent.rawUserAgent", ""},
	{"client_city", abi.Varchar, "client.geographicalContext.city", ""},
	{"client_country", abi.Varchar, "client.geographicalContext.country", ""},
	{"session_id", abi.Varchar, "authenticationContext.externalSessionId", ""},
	{"is_proxy", abi.Boolean, "securityContext.isProxy", ""},
	{"transaction_id", abi.Varchar, "transaction.id", ""},
	{"request_uri", abi.Varchar, "debugContext.debugData.requestUri", ""},
	{"target", abi.JSON, "target", "what it was done to"},
	{"actor", abi.JSON, "actor", ""},
	{"outcome", abi.JSON, "outcome", ""},
	{"transaction", abi.JSON, "transaction", ""},
	{"client", abi.JSON, "client", ""},
	{"debug_context", abi.JSON, "debugContext", ""},
	{"authentication_context", abi.JSON, "authenticationContext", ""},
	{"security_context", abi.JSON, "securityContext", ""},
	{"request", abi.JSON, "request", ""},
}

// defaultLookback is where a poll begins when nothing says so, in seconds: a day.
const defaultLookback = 86_400

// pollQuery begins a poll at `since`. There is no `until`: that is what makes Okta answer by persistence, so that late
// events are not passed over.
func pollQuery(c *call) []hostcall.Pair {
	since := c.str("since")
	if since == "" {
		since = c.ago(c.now, lookback(c.settings))
	}
	return []hostcall.Pair{{Name: "since", Value: since}}
}

func lookback(settings jsonval.Value) int64 {
	if v := settings.Get("initial_lookback_seconds"); v.Kind() == jsonval.Number {
		return v.Int()
	}
	return defaultLookback
}

// ago is an RFC 3339 time less so many seconds; what is no time comes back as it is, for Okta to refuse.
func (c *call) ago(when string, seconds int64) string {
	t, ok := parseInstant(when)
	if !ok {
		return when
	}
	return (t - instant(seconds*1000)).String()
}

// checkpoint is where a source goes on. The link of the next page is kept together with a time, so that a link that Okta
// no longer takes can be replaced by it.
type checkpoint struct {
	link      string // path and query of the next page
	since     string // where the first page began; until an event was seen
	published string // of the events that were seen, the latest that ended a page
	again     bool   // the link was that of the page that gave it
	small     int    // pages that were asked for since one was too heavy
	refused   int    // links in a row, of full pages behind which nothing came further
	trail     trail  // of the links of full pages
}

func (p checkpoint) json() string {
	var w jsonval.Writer
	return w.Int("v", 1).StrIf("link", p.link).StrIf("since", p.since).StrIf("published", p.published).BoolIf("again", p.again).
		IntIf("small", int64(p.small)).IntIf("refused", int64(p.refused)).StrIf("trail", string(p.trail)).String()
}

func readCheckpoint(v jsonval.Value) (checkpoint, bool) {
	if k := v.Kind(); k == jsonval.None || k == jsonval.Null {
		return checkpoint{}, true
	}
	p := checkpoint{v.Get("link").Str(), v.Get("since").Str(), v.Get("published").Str(), v.Get("again").True(),
		int(v.Get("small").Int()), int(v.Get("refused").Int()), trail(v.Get("trail").Str())}
	return p, v.Get("v").Raw() == "1" && (p.link != "" || p.since != "")
}

// damage says what of a stored checkpoint no source wrote; "" is nothing.
func (p *checkpoint) damage(endpoint string) string {
	if p.link != "" && (!strings.HasPrefix(p.link, "/") || !fits(endpoint, p.link)) {
		return "its link does not lead to " + endpoint + ": " + shortened(p.link)
	}
	if p.link != "" && !hasAfter(p.link) {
		return "its link does not say where to go on (after): " + shortened(p.link)
	}
	for _, t := range [...][2]string{{"since", p.since}, {"published", p.published}} {
		if _, ok := parseInstant(t[1]); !ok && t[1] != "" {
			return t[0] + " is no time: " + shortened(t[1])
		}
	}
	if p.small < 0 || p.refused < 0 {
		return "it counts less than nothing"
	}
	return ""
}

// hasAfter reports whether a link of the log says behind which event its page is. Okta's all do.
func hasAfter(link string) bool {
	_, query, _ := strings.Cut(link, "?")
	for part := range strings.SplitSeq(query, "&") {
		if after, is := strings.CutPrefix(part, "after="); is && after != "" {
			return true
		}
	}
	return false
}

// saw takes in the time of a page's last event. Events are stored after they happen, so that whatever was not read yet
// was stored after the latest of these times.
func (p *checkpoint) saw(published string) {
	t, ok := parseInstant(published)
	if !ok {
		return
	}
	if before, known := parseInstant(p.published); !known || t > before {
		p.published, p.since = published, ""
	}
}

const (
	pollQuietMS = 10_000 // asking an idle log more often than this wastes quota
	// overlap is read again, in seconds, when a link was refused: events that were stored late lie behind the last
	// published time. Repeats have the same key.
	overlap = 300
	// fruitless is how many refused links in a row are gone on behind where that leads no further.
	fruitless = 3
	// skew is how far a clock may be off before it is not believed, in milliseconds.
	skew = 60_000
)

// pollPage reads the page behind the checkpoint.
func pollPage(c *call, at checkpoint) page { return c.pollUpTo(at, pollLogs.pageSize(c)) }

// pollUpTo is pollPage of so many events at most, below the size of other pages where that was over a limit.
func (c *call) pollUpTo(at checkpoint, most int) page {
	size := pollLogs.pageSize(c)
	got := c.poll(at, most)
	if at.link == "" && at.since == "" && c.str("since") == "" {
		if theirs, known := parseHTTPDate(got.Header("date")); known && got.Err == nil && c.off(theirs) {
			// A lookback is from now, and now is what Okta's clock says: ours would begin too late, or ages ago.
			at.since = (theirs - instant(lookback(c.settings)*1000)).String()
			got = c.poll(at, most)
		}
	}
	if !ok(got.Response) {
		if at.link != "" && got.Err == nil && got.Status == 400 {
			if p, again := c.beginAgain(got.Response, at); again {
				return p
			}
		}
		return page{result: c.pageFailure(got.Response, "", "")}
	}
	link := withoutOrigin(nextLink(got.HeaderValues("link")))
	if err := c.unsendable(hostcall.Request{Endpoint: getLogs.Endpoint, Link: link}); err != nil {
		return page{result: c.failure(hostcall.Response{Err: err}, "", "")} // before a checkpoint has it
	}
	if !hasAfter(link) { // it leads back to a beginning, and is none of Okta's
		link = ""
	}
	sum := c.Emit(got.Body, abi.EmitOptions{Want: abi.WantArray, Summarise: []string{"published"}})
	if sum.Limit && got.asked > 1 { // a smaller page may fit
		return c.pollUpTo(at, got.asked/2)
	}
	if sum.Limit {
		return page{result: fail(abi.Rejected, "limit", sum.Err)}
	}
	if sum.Err != "" {
		return page{result: c.badBody(got.Response, sum.Err)}
	}
	p := page{result: result{outcome: abi.Succeeded}, caughtUp: sum.Total < got.asked}
	p.warnings = c.beginning(got.since, c.oktaNow)
	next := at
	if at.link == "" {
		next.since = got.since
	}
	if got.halved || most < size {
		next.small = 1
	}
	next.saw(sum.Last.Get("published").Str())
	switch {
	case link != "" && samePage(link, at.link) && !p.caughtUp:
		// The page before may have been given again. A link that stays the same leads nowhere.
		if next.again = true; at.again {
			p.caughtUp, p.stalled = true, true
			p.warnings = append(p.warnings, "Okta's next link points to its own page: waiting for another")
		}
	case link != "":
		if p.caughtUp {
			next.trail = ""
		} else if next.trail, p.caughtUp = next.trail.step(link); p.caughtUp {
			p.stalled = true
			next.trail = "" // and then it is looked for anew
			p.warnings = append(p.warnings, "Okta's next link leads back to a page that was read before: waiting before it is followed again")
		}
		if next.again = false; p.caughtUp && got.asked < size { // what comes is no longer too heavy
			next.link, next.small = withLimit(link, size), 0
		} else {
			next.link, next.small = grow(link, got.asked, size, next.small)
		}
	case sum.Total > 0 && next.published != "" && (!p.caughtUp || at.link == ""):
		// Okta's polls always have a next link. What was not read yet was stored after the time of this event: going on from there
		// repeats events, and misses none.
		next.link, next.since, next.trail, next.again = "", next.published, "", false
		p.warnings = append(p.warnings, "Okta gave no next link: going on by time, which repeats events")
		if !p.caughtUp && next.published == at.published && at.link == "" { // so many events of one time
			p.caughtUp, p.stalled = true, true
		}
	default:
		p.stalled = !p.caughtUp // a full page whose events have no time: it comes again
		p.caughtUp = true
	}
	if p.caughtUp {
		p.pollAfterMS = pollQuietMS
	}
	if at.link != "" || p.caughtUp || next.published != at.published {
		next.refused = 0
	}
	p.checkpoint, p.watermark = next.json(), next.published
	return p
}

// polled is what came of asking for a page of the log.
type polled struct {
	shrunk
	halved bool   // fewer events were asked for than before, since that was too much
	since  string // where a request without a link began
}

// poll asks for the page behind the checkpoint, and for a smaller one while that is too much. A link is asked for as many
// events as the configuration says now, unless the log is read in smaller pages for the time being.
func (c *call) poll(at checkpoint, size int) polled {
	got := polled{}
	req := hostcall.Request{Endpoint: getLogs.Endpoint, Link: at.link}
	if at.link == "" {
		if got.since = at.since; got.since == "" {
			got.since = pollQuery(c)[0].Value
		}
		req.Query = append(c.params(pollLogs.query), hostcall.Pair{Name: "since", Value: got.since},
			hostcall.Pair{Name: "limit", Value: strconv.Itoa(size)})
	} else {
		if n, known := linkLimit(at.link); known && at.small > 0 {
			size = min(n, size)
		}
		req.Link = withLimit(at.link, size)
	}
	got.shrunk = c.sendShrinking(&req, size, true)
	got.halved = got.asked < size
	return got
}

// off reports whether our clock is far from Okta's.
func (c *call) off(theirs instant) bool {
	ours, ok := parseInstant(c.now)
	return !ok || ours-theirs > skew || theirs-ours > skew
}

// beginning warns of a query that begins before what Okta keeps, or in the future.
func (c *call) beginning(since string, now instant) []string {
	from, ok := parseInstant(since)
	switch {
	case !ok || now == 0 || from >= now-retention && from <= now+skew:
		return nil
	case from > now:
		return []string{"since (" + since + ") is in the future: by Okta's clock it is " + now.String() + ", and no event is as late"}
	}
	return []string{"the query begins at " + since + ", and Okta keeps 90 days: events of before " + (now - retention).String() + " are gone"}
}

// beginAgain replaces a link that Okta refuses by a time: the latest event's, less an overlap.
func (c *call) beginAgain(resp hostcall.Response, at checkpoint) (page, bool) {
	e := c.readError(resp)
	switch e.Code {
	case "E0000001", "E0000029", "E0000030", "E0000031", "E0000053":
	default:
		return page{}, false
	}
	next := checkpoint{since: at.since, published: at.published, refused: at.refused + 1}
	if at.published != "" {
		next.since = c.ago(at.published, overlap)
	}
	if next.since == "" || next.refused > fruitless {
		return page{}, false
	}
	return page{
		result: result{outcome: abi.Succeeded, warnings: []string{"Okta no longer takes the stored cursor (" + e.says() +
			"): going on from " + next.since + ", which repeats events of the same key"}},
		checkpoint: next.json(), watermark: at.published,
	}, true
}
