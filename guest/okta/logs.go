package okta

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var getLogs = abi.Endpoint{Endpoint: "GET /api/v1/logs", Bucket: "/api/v1/logs", Scopes: []string{"okta.logs.read"}}

var logOperations = []connector.Operation{
	{
		Name: "poll_system_log_page",
		Summary: "Reads the System Log in the order in which events were stored, one page from a cursor that the caller " +
			"keeps. A short page means caught up.",
		Class:       abi.Read,
		Surfaces:    axonIngestSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"since", false, `{"type":"string","format":"date-time","description":"where to begin without a cursor; default the connection's initial_lookback_seconds ago"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a System Log filter, such as eventType eq \"user.session.start\""}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":400,"description":"up to 10 keywords of up to 40 characters"}`},
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":1000,"description":"events a request; default the connection's default_page_size, else 1000"}`},
			connector.CursorInput,
		},
		Example:   `{"page_size":100}`,
		Key:       "uuid",
		Columns:   logColumns,
		Display:   logDisplay,
		Endpoints: []*abi.Endpoint{&getLogs},
		List:      &pollLogs,
		Source:    pollSource,
		Backfill:  &abi.Backfill{Operation: "bounded_system_log_range", Time: "published"},
	},
	{
		Name: "bounded_system_log_range",
		Summary: "Reads the System Log between two times, by when events happened. Events that are stored late may be missing: " +
			"poll_system_log_page is for completeness.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"since", true, `{"type":"string","format":"date-time","description":"from here on; at most 180 days ago, of which Okta keeps 90"}`},
			{"until", true, `{"type":"string","format":"date-time","description":"up to here; later than since"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a System Log filter, such as eventType eq \"user.session.start\""}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":400,"description":"up to 10 keywords of up to 40 characters"}`},
			{"sort_order", false, `{"enum":["ASCENDING","DESCENDING"],"default":"ASCENDING","description":"by published"}`},
			connector.LimitInput,
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":1000,"description":"events a request; default the connection's default_page_size, else 1000"}`},
			connector.CursorInput,
		},
		Example:   `{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","limit":100}`,
		Key:       "uuid",
		Columns:   logColumns,
		Display:   logDisplay,
		Endpoints: []*abi.Endpoint{&getLogs},
		Pages:     boundedLogs,
		View: &abi.View{Name: "system_log", Times: map[string]int64{"since": -86_400, "until": 0},
			Comment: "The System Log of the last day. bounded_system_log_range reads other times."},
	},
}

// boundedRange is the list behind bounded_system_log_range.
var boundedRange = connector.List{
	Endpoint: getLogs.Endpoint,
	More: func(c *connector.Call) []hostcall.Pair {
		times := connector.Pairs("since", sentTime(c.Str("since")), "until", sentTime(c.Str("until")))
		return append(times, c.Params([]connector.Param{{"filter", "filter"}, {"q", "q"}, {"sort_order", "sortOrder"}})...)
	},
	MaxPage:    1000,
	UntilEmpty: true,
}

// sentTime is a time of the input in the only spelling that Okta takes: RFC 3339 has t and z in either case.
func sentTime(text string) string { return strings.ToUpper(text) }

const retention = 90 * 86_400 * 1000 // how long Okta keeps events, in milliseconds

func boundedLogs(c *connector.Call, cursor string, limit int) (connector.Result, int) {
	since, okSince := clock.ParseInstant(c.Str("since"))
	until, okUntil := clock.ParseInstant(c.Str("until"))
	if !okSince || !okUntil || since >= until {
		return connector.Fail(abi.Invalid, "range", "since ("+c.Str("since")+") must be a time before until ("+c.Str("until")+")"), 0
	}
	r, n := boundedRange.ReadPage(c, cursor, limit)
	switch oldest := c.ServerNow - retention; {
	case c.ServerNow == 0 || cursor != "": // said with the first page
	case r.Outcome == abi.Succeeded && since > c.ServerNow+skew:
		r.Warnings = append(r.Warnings, beginning(c, c.Str("since"), c.ServerNow)...)
	case r.Outcome == abi.Succeeded && since < oldest:
		r.Warnings = append(r.Warnings, "since is more than 90 days ago: Okta keeps no events of before "+oldest.String())
	case r.Outcome == abi.Rejected && r.Err.Code == string(abi.Rejected) && since < oldest-retention:
		r.Err.Message = "since is more than 180 days ago, and Okta keeps events for 90: begin at " + oldest.String() + " or later. " + r.Err.Message
	}
	return r, n
}

var pollLogs = connector.List{
	Endpoint: getLogs.Endpoint,
	Query:    []connector.Param{{"filter", "filter"}, {"q", "q"}},
	More:     pollQuery,
	MaxPage:  1000,
	Endless:  true,
	OnePage:  true,
	Warns:    func(c *connector.Call) []string { return beginning(c, c.Str("since"), c.ServerNow) },
}

// logDisplay lists the columns that a table for people shows.
const logDisplay = "published actor_alternate_id client_ip event_type outcome_result target:displayName"

// logColumns are the fields of Okta's LogEvent that people select by.
var logColumns = []connector.Column{
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
func pollQuery(c *connector.Call) []hostcall.Pair {
	since := sentTime(c.Str("since"))
	if since == "" {
		since = timeBefore(c, c.Now, lookback(c.Settings))
	}
	return []hostcall.Pair{{Name: "since", Value: since}}
}

func lookback(settings jsonval.Value) int64 {
	if v := settings.Get("initial_lookback_seconds"); v.Kind() == jsonval.Number {
		return v.Int()
	}
	return defaultLookback
}

// timeBefore is an RFC 3339 time less so many seconds; what is no time comes back as it is, for Okta to refuse.
func timeBefore(c *connector.Call, when string, seconds int64) string {
	t, ok := clock.ParseInstant(when)
	if !ok {
		return when
	}
	return (t - clock.Instant(seconds*1000)).String()
}

// checkpoint is where a source goes on. The link of the next page is kept together with a time, so that a link that Okta
// no longer takes can be replaced by it.
type checkpoint struct {
	link      string      // path and query of the next page
	since     string      // where the first page began; until an event was seen
	published string      // of the events that were seen, the latest that ended a page
	again     bool        // the link was that of the page that gave it
	small     int         // pages that were asked for since one was too heavy
	refused   int         // links in a row, of full pages behind which nothing came further
	trail     links.Trail // of the links of full pages
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
		int(v.Get("small").Int()), int(v.Get("refused").Int()), links.Trail(v.Get("trail").Str())}
	return p, v.Get("v").Raw() == "1" && (p.link != "" || p.since != "")
}

// damage says what of a stored checkpoint no source wrote; "" is nothing.
func (p *checkpoint) damage(endpoint string) string {
	if p.link != "" && (!strings.HasPrefix(p.link, "/") || !links.LinkFits(endpoint, p.link)) {
		return "its link does not lead to " + endpoint + ": " + texts.Shorten(p.link)
	}
	if p.link != "" && !hasAfter(p.link) {
		return "its link does not say where to go on (after): " + texts.Shorten(p.link)
	}
	for _, t := range [...][2]string{{"since", p.since}, {"published", p.published}} {
		if _, ok := clock.ParseInstant(t[1]); !ok && t[1] != "" {
			return t[0] + " is no time: " + texts.Shorten(t[1])
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
	t, ok := clock.ParseInstant(published)
	if !ok {
		return
	}
	if before, known := clock.ParseInstant(p.published); !known || t > before {
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

// pollSource reads the page behind a stored checkpoint, or behind the cursor of an invoke where there is none.
func pollSource(c *connector.Call, stored jsonval.Value) (p connector.Page) {
	at, ok := readCheckpoint(stored)
	switch {
	case ok && at == checkpoint{} && c.Str("cursor") != "": // where an invoke ended
		link, ok := c.CursorLink()
		if !ok {
			p.Result = c.BadCursor()
			return p
		}
		return pollPage(c, checkpoint{link: link})
	case ok && at.damage(getLogs.Endpoint) != "":
		p.Result = connector.Fail(abi.Invalid, "checkpoint", "checkpoint damaged: "+at.damage(getLogs.Endpoint)+
			": restore the file from a copy, or remove it to start anew")
		return p
	case ok:
		return pollPage(c, at)
	}
	p.Result = c.BadCheckpoint()
	return p
}

// pollPage reads the page behind the checkpoint.
func pollPage(c *connector.Call, at checkpoint) connector.Page {
	return pollUpTo(c, at, pollLogs.PageSize(c))
}

// pollUpTo is pollPage of so many events at most, below the size of other pages where that was over a limit.
func pollUpTo(c *connector.Call, at checkpoint, most int) connector.Page {
	size := pollLogs.PageSize(c)
	got := readEvents(c, at, most)
	if at.link == "" && at.since == "" && c.Str("since") == "" {
		if theirs, known := clock.ParseHTTPDate(got.Header("date")); known && got.Err == nil && isClockOff(c, theirs) {
			// A lookback is from now, and now is what Okta's clock says: ours would begin too late, or ages ago.
			at.since = (theirs - clock.Instant(lookback(c.Settings)*1000)).String()
			got = readEvents(c, at, most)
		}
	}
	if !connector.OK(got.Response) {
		if at.link != "" && got.Err == nil && got.Status == 400 {
			if p, again := beginAgain(c, got.Response, at); again {
				return p
			}
		}
		return connector.Page{Result: c.PageFailure(got.Response, "", "")}
	}
	link := links.WithoutOrigin(links.NextLink(got.HeaderValues("link")))
	if err := c.Unsendable(hostcall.Request{Endpoint: getLogs.Endpoint, Link: link}); err != nil {
		return connector.Page{Result: c.Failure(hostcall.Response{Err: err}, "", "")} // before a checkpoint has it
	}
	if !hasAfter(link) { // it leads back to a beginning, and is none of Okta's
		link = ""
	}
	sum := c.Emit(got.Body, abi.EmitOptions{Want: abi.WantArray, Summarise: []string{"published"}})
	if sum.Limit && got.Asked > 1 { // a smaller page may fit
		return pollUpTo(c, at, got.Asked/2)
	}
	if sum.Limit {
		return connector.Page{Result: connector.Fail(abi.Rejected, "limit", sum.Err)}
	}
	if why := cmp.Or(sum.Err, connector.NotWhole(got.Response)); why != "" {
		return connector.Page{Result: c.BadBody(got.Response, why)}
	}
	p := connector.Page{Result: connector.Result{Outcome: abi.Succeeded}, CaughtUp: sum.Total < got.Asked}
	p.Warnings = beginning(c, got.since, c.ServerNow)
	next := at
	if at.link == "" {
		next.since = got.since
	}
	if got.halved || most < size {
		next.small = 1
	}
	next.saw(sum.Last.Get("published").Str())
	switch {
	case link != "" && c.Service.PageParam.Same(link, at.link) && !p.CaughtUp:
		// The page before may have been given again. A link that stays the same leads nowhere.
		if next.again = true; at.again {
			p.CaughtUp, p.Stalled = true, true
			p.Warnings = append(p.Warnings, "Okta's next link points to its own page: waiting for another")
		}
	case link != "":
		if p.CaughtUp {
			next.trail = ""
		} else if next.trail, p.CaughtUp = next.trail.Step(link, c.Service.PageParam); p.CaughtUp {
			p.Stalled = true
			next.trail = "" // and then it is looked for anew
			p.Warnings = append(p.Warnings, "Okta's next link leads back to a page that was read before: waiting before it is followed again")
		}
		if next.again = false; p.CaughtUp && got.Asked < size { // what comes is no longer too heavy
			next.link, next.small = c.Service.PageParam.With(link, size), 0
		} else {
			next.link, next.small = c.Service.PageParam.Grow(link, got.Asked, size, next.small)
		}
	case sum.Total > 0 && next.published != "" && (!p.CaughtUp || at.link == ""):
		// Okta's polls always have a next link. What was not read yet was stored after the time of this event: going on from there
		// repeats events, and misses none.
		next.link, next.since, next.trail, next.again = "", next.published, "", false
		p.Warnings = append(p.Warnings, "Okta gave no next link: going on by time, which repeats events")
		if !p.CaughtUp && next.published == at.published && at.link == "" { // so many events of one time
			p.CaughtUp, p.Stalled = true, true
		}
	default:
		p.Stalled = !p.CaughtUp // a full page whose events have no time: it comes again
		p.CaughtUp = true
	}
	if p.CaughtUp {
		p.PollAfterMS = pollQuietMS
	}
	if at.link != "" || p.CaughtUp || next.published != at.published {
		next.refused = 0
	}
	p.Checkpoint, p.Watermark = next.json(), next.published
	return p
}

// polled is what came of asking for a page of the log.
type polled struct {
	connector.PageAnswer
	halved bool   // fewer events were asked for than before, since that was too much
	since  string // where a request without a link began
}

// readEvents asks for the page behind the checkpoint, and for a smaller one while that is too much. A link is asked for as many
// events as the configuration says now, unless the log is read in smaller pages for the time being.
func readEvents(c *connector.Call, at checkpoint, size int) polled {
	got := polled{}
	req := hostcall.Request{Endpoint: getLogs.Endpoint, Link: at.link}
	if at.link == "" {
		if got.since = at.since; got.since == "" {
			got.since = pollQuery(c)[0].Value
		}
		req.Query = append(c.Params(pollLogs.Query), hostcall.Pair{Name: "since", Value: got.since},
			hostcall.Pair{Name: "limit", Value: strconv.Itoa(size)})
	} else {
		if n, known := c.Service.PageParam.Of(at.link); known && at.small > 0 {
			size = min(n, size)
		}
		req.Link = c.Service.PageParam.With(at.link, size)
	}
	got.PageAnswer = c.SendPage(&req, size, true)
	got.halved = got.Asked < size
	return got
}

// isClockOff reports whether our clock is far from Okta's.
func isClockOff(c *connector.Call, theirs clock.Instant) bool {
	ours, ok := clock.ParseInstant(c.Now)
	return !ok || ours-theirs > skew || theirs-ours > skew
}

// beginning warns of a query that begins before what Okta keeps, or in the future.
func beginning(c *connector.Call, since string, now clock.Instant) []string {
	from, ok := clock.ParseInstant(since)
	switch {
	case !ok || now == 0 || from >= now-retention && from <= now+skew:
		return nil
	case from > now:
		return []string{"since (" + since + ") is in the future: by Okta's clock it is " + now.String() + ", and no event is as late"}
	}
	return []string{"the query begins at " + since + ", and Okta keeps 90 days: events of before " + (now - retention).String() + " are gone"}
}

// beginAgain replaces a link that Okta refuses by a time: the latest event's, less an overlap.
func beginAgain(c *connector.Call, resp hostcall.Response, at checkpoint) (connector.Page, bool) {
	e := c.ReadError(resp)
	switch e.Code {
	case "E0000001", "E0000029", "E0000030", "E0000031", "E0000053":
	default:
		return connector.Page{}, false
	}
	next := checkpoint{since: at.since, published: at.published, refused: at.refused + 1}
	if at.published != "" {
		next.since = timeBefore(c, at.published, overlap)
	}
	if next.since == "" || next.refused > fruitless {
		return connector.Page{}, false
	}
	return connector.Page{
		Result: connector.Result{Outcome: abi.Succeeded, Warnings: []string{"Okta no longer takes the stored cursor (" + e.Says() +
			"): going on from " + next.since + ", which repeats events of the same key"}},
		Checkpoint: next.json(), Watermark: at.published,
	}, true
}
