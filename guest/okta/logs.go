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

var getLogs = abi.Endpoint{Endpoint: "GET /api/v1/logs", Bucket: "/api/v1/logs", Scopes: []string{"okta.logs.read"}, Query: []string{"since", "until", "after", "filter", "q", "limit", "sortOrder"}}

var logOperations = []connector.Operation{
	{
		Name: "poll_system_log_page",
		Summary: "Reads the System Log page by page, in the order in which events were stored, from a cursor that the caller " +
			"stores. A page that is not full is the last for now.",
		Class:       abi.Read,
		Surfaces:    axonIngestSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"since", false, `{"type":"string","format":"date-time","description":"start without a cursor; default: the connection's initial_lookback_seconds ago"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a System Log filter, such as eventType eq \"user.session.start\""}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":400,"description":"up to 10 keywords of up to 40 characters"}`},
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":1000,"description":"events per request; default: the connection's default_page_size, else 1000"}`},
			connector.CursorInput,
		},
		Example:   `{"page_size":100}`,
		Key:       "uuid",
		Columns:   logColumns,
		Display:   logDisplay,
		Rejects:   "limit",
		Endpoints: []*abi.Endpoint{&getLogs},
		List:      &pollLogs,
		Source:    pollSource,
		Backfill:  &abi.Backfill{Operation: "bounded_system_log_range", Time: "published"},
	},
	{
		Name: "bounded_system_log_range",
		Summary: "Reads the System Log between two times, in the order in which events happened. It may miss events that are " +
			"stored late: poll_system_log_page does not.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			{"since", true, `{"type":"string","format":"date-time","description":"start; at most 180 days ago. Okta keeps events for 90 days"}`},
			{"until", true, `{"type":"string","format":"date-time","description":"end; later than since"}`},
			{"filter", false, `{"type":"string","minLength":1,"maxLength":4096,"description":"a System Log filter, such as eventType eq \"user.session.start\""}`},
			{"q", false, `{"type":"string","minLength":1,"maxLength":400,"description":"up to 10 keywords of up to 40 characters"}`},
			{"sort_order", false, `{"enum":["ASCENDING","DESCENDING"],"default":"ASCENDING","description":"by published"}`},
			connector.LimitInput,
			{"page_size", false, `{"type":"integer","minimum":1,"maximum":1000,"description":"events per request; default: the connection's default_page_size, else 1000"}`},
			connector.CursorInput,
		},
		Example:   `{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","limit":100}`,
		Key:       "uuid",
		Columns:   logColumns,
		Display:   logDisplay,
		Endpoints: []*abi.Endpoint{&getLogs},
		Pages:     boundedLogs,
		View: &abi.View{Name: "system_log", Times: map[string]int64{"since": -retention / 1000, "until": skew / 1000}, Answers: []abi.Answer{logAnswer},
			Comment: "The System Log: the 90 days that Okta keeps."},
	},
}

// logAnswer is the request that selects and sorts events. Okta rejects a since of over 180 days ago.
var logAnswer = abi.Answer{Operation: "bounded_system_log_range", Filter: "filter",
	Conditions: append([]abi.Condition{{Column: "published", From: "since", To: "until", Oldest: -179 * 86_400}},
		append(attributes(starts, "uuid uuid", "event_type eventType", "severity severity", "actor_id actor.id", "actor_type actor.type",
			"actor_alternate_id actor.alternateId", "actor_display_name actor.displayName", "outcome_result outcome.result", "outcome_reason outcome.reason",
			"client_ip client.ipAddress", "client_device client.device", "client_city client.geographicalContext.city",
			"client_country client.geographicalContext.country", "session_id authenticationContext.externalSessionId", "transaction_id transaction.id"),
			attributes(equal, "is_proxy securityContext.isProxy")...)...),
	Orders: []abi.Order{{Column: "published", Input: "sort_order", Ascending: "ASCENDING", Descending: "DESCENDING"}},
}

// boundedRange is the list that bounded_system_log_range reads.
var boundedRange = connector.List{
	Keyless:  true, // an event without its uuid must not hold up a stream
	Endpoint: getLogs.Endpoint,
	More: func(c *connector.Call) []hostcall.Pair {
		times := connector.Pairs("since", sentTime(c.Str("since")), "until", sentTime(c.Str("until")))
		return append(times, c.Params([]connector.Param{{"filter", "filter"}, {"q", "q"}, {"sort_order", "sortOrder"}})...)
	},
	MaxPage:    1000,
	UntilEmpty: true,
}

// sentTime returns a time of the input in upper case. RFC 3339 also allows t and z, which Okta rejects.
func sentTime(text string) string { return strings.ToUpper(text) }

const retention = 90 * 86_400 * 1000 // how long Okta keeps events, in milliseconds

func boundedLogs(c *connector.Call, cursor string, limit int) (connector.Result, int) {
	since, okSince := clock.ParseInstant(c.Str("since"))
	until, okUntil := clock.ParseInstant(c.Str("until"))
	if !okSince || !okUntil || since >= until {
		return connector.Fail(abi.Invalid, "range", "since ("+c.Str("since")+") must be earlier than until ("+c.Str("until")+")"), 0
	}
	r, n := boundedRange.ReadPage(c, cursor, limit)
	switch oldest := c.ServerNow - retention; {
	case c.ServerNow == 0 || cursor != "": // the warning comes with the first page
	case r.Outcome == abi.Succeeded && since > c.ServerNow+skew:
		r.Warnings = append(r.Warnings, sinceWarnings(c, c.Str("since"), c.ServerNow)...)
	case r.Outcome == abi.Succeeded && since < oldest-skew:
		r.Warnings = append(r.Warnings, "since is more than 90 days ago: Okta keeps no events from before "+oldest.String())
	case r.Outcome == abi.Rejected && r.Err.Code == string(abi.Rejected) && since < oldest-retention:
		r.Err.Message = "since is more than 180 days ago, and Okta keeps events for 90 days: set since to " + oldest.String() + " or later. " + r.Err.Message
	}
	return r, n
}

var pollLogs = connector.List{
	Keyless:  true,
	Endpoint: getLogs.Endpoint,
	Query:    []connector.Param{{"filter", "filter"}, {"q", "q"}},
	More:     pollQuery,
	MaxPage:  1000,
	Endless:  true,
	OnePage:  true,
	Warns:    func(c *connector.Call) []string { return sinceWarnings(c, c.Str("since"), c.ServerNow) },
}

// logDisplay lists the columns that a table for people shows.
const logDisplay = "published actor_alternate_id client_ip event_type outcome_result target:displayName"

// logColumns are the fields of Okta's LogEvent that people query.
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
	{"device", abi.JSON, "device", "the registered device, on Identity Engine"},
}

// defaultLookback is how far back a poll starts by default, in seconds.
const defaultLookback = 86_400

// pollQuery returns the query of a poll's first page. Without `until` Okta returns events in the order of storage, so
// that late events are not missed.
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

// timeBefore returns an RFC 3339 time minus seconds. It returns an invalid time unchanged, and Okta rejects it.
func timeBefore(c *connector.Call, when string, seconds int64) string {
	t, ok := clock.ParseInstant(when)
	if !ok {
		return when
	}
	return (t - clock.Instant(seconds*1000)).String()
}

// checkpoint says where a source resumes. It has a time besides the next page's link. The time replaces a link that
// Okta rejects.
type checkpoint struct {
	link      string      // path and query of the next page
	since     string      // start of the first page; empty once an event was read
	published string      // latest time of a page's last event
	again     bool        // the page's next link was the page's own link
	small     int         // smaller pages requested since one was over a limit
	refused   int         // consecutive rejected links of full pages without progress
	trail     links.Trail // links of full pages
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

// damage describes what makes a stored checkpoint invalid; empty if it is valid.
func (p *checkpoint) damage(endpoint string) string {
	if p.link != "" && (!strings.HasPrefix(p.link, "/") || !links.LinkFits(endpoint, p.link)) {
		return "its link is not for " + endpoint + ": " + texts.Shorten(p.link)
	}
	if p.link != "" && !hasAfter(p.link) {
		return "its link has no parameter after: " + texts.Shorten(p.link)
	}
	for _, t := range [...][2]string{{"since", p.since}, {"published", p.published}} {
		if _, ok := clock.ParseInstant(t[1]); !ok && t[1] != "" {
			return t[0] + " is not a valid time: " + texts.Shorten(t[1])
		}
	}
	if p.small < 0 || p.refused < 0 {
		return "it has a negative count"
	}
	return ""
}

// hasAfter reports whether a link of the log says after which event its page starts. All of Okta's links do.
func hasAfter(link string) bool {
	_, query, _ := strings.Cut(link, "?")
	for part := range strings.SplitSeq(query, "&") {
		if after, is := strings.CutPrefix(part, "after="); is && after != "" {
			return true
		}
	}
	return false
}

// observe records the time of a page's last event. An event is stored after it happens, so all unread events were
// stored after the latest of these times.
func (p *checkpoint) observe(published string) {
	t, ok := clock.ParseInstant(published)
	if !ok {
		return
	}
	if before, known := clock.ParseInstant(p.published); !known || t > before {
		p.published, p.since = published, ""
	}
}

const (
	pollQuietMS = 10_000 // polling an idle log more often wastes rate limit
	// overlap is how much is read again after Okta rejected a link, in seconds. Events stored late can have a time
	// before the last read one. Repeated events have the same key.
	overlap = 300
	// maxRefusedLinks is how many consecutive rejected links are replaced without progress.
	maxRefusedLinks = 3
	// skew is how far a clock may be off before it is ignored, in milliseconds.
	skew = 60_000
)

// pollSource reads the page at a stored checkpoint. Without one it starts at the cursor of an earlier invoke.
func pollSource(c *connector.Call, stored jsonval.Value) (p connector.Page) {
	at, ok := readCheckpoint(stored)
	switch {
	case ok && at == checkpoint{} && c.Str("cursor") != "": // the next_cursor of an invoke
		link, ok := c.CursorLink()
		if !ok {
			p.Result = c.BadCursor()
			return p
		}
		return pollPage(c, checkpoint{link: link})
	case ok && at.damage(getLogs.Endpoint) != "":
		p.Result = connector.Fail(abi.Invalid, "checkpoint", "the checkpoint is damaged: "+at.damage(getLogs.Endpoint)+
			": restore the file from a backup, or remove it to start again")
		return p
	case ok:
		return pollPage(c, at)
	}
	p.Result = c.BadCheckpoint()
	return p
}

// pollPage reads the page at the checkpoint.
func pollPage(c *connector.Call, at checkpoint) connector.Page {
	return pollUpTo(c, at, pollLogs.PageSize(c))
}

// pollUpTo is pollPage with at most most events. most is lower than the page size after a page was over a limit.
func pollUpTo(c *connector.Call, at checkpoint, most int) connector.Page {
	size := pollLogs.PageSize(c)
	got := readEvents(c, at, most)
	if at.link == "" && at.since == "" && c.Str("since") == "" {
		if theirs, known := clock.ParseHTTPDate(got.Header("date")); known && got.Err == nil && isClockOff(c, theirs) {
			// The lookback is relative to Okta's clock. The host's clock may be wrong.
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
		return connector.Page{Result: c.Failure(hostcall.Response{Err: err}, "", "")} // before it is stored in a checkpoint
	}
	if !hasAfter(link) { // it would start again, and is not a link of Okta's
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
	p.Warnings = sinceWarnings(c, got.since, c.ServerNow)
	next := at
	if at.link == "" {
		next.since = got.since
	}
	if got.halved || most < size {
		next.small = 1
	}
	next.observe(sum.Last.Get("published").Str())
	switch {
	case link != "" && c.Service.PageParam.Same(link, at.link) && !p.CaughtUp:
		// The same page may have been returned again. A link that stays the same makes no progress.
		if next.again = true; at.again {
			p.CaughtUp, p.Stalled = true, true
			p.Warnings = append(p.Warnings, "Okta's next link points to its own page: waiting for a new link")
		}
	case link != "":
		if p.CaughtUp {
			next.trail = ""
		} else if next.trail, p.CaughtUp = next.trail.Step(link, c.Service.PageParam); p.CaughtUp {
			p.Stalled = true
			next.trail = "" // the next page starts a new trail
			p.Warnings = append(p.Warnings, "Okta's next link points to a page that was already read: waiting before following it")
		}
		if next.again = false; p.CaughtUp && got.Asked < size { // the following pages fit again
			next.link, next.small = c.Service.PageParam.With(link, size), 0
		} else {
			next.link, next.small = c.Service.PageParam.Grow(link, got.Asked, size, next.small)
		}
	case sum.Total > 0 && next.published != "" && (!p.CaughtUp || at.link == ""):
		// Okta's polls always have a next link. Unread events were stored after this event happened. Resuming by its
		// time repeats events, but misses none.
		next.link, next.since, next.trail, next.again = "", next.published, "", false
		p.Warnings = append(p.Warnings, "Okta sent no next link: resuming by time, which repeats events")
		if !p.CaughtUp && next.published == at.published && at.link == "" { // more events of one time than fit into a page
			p.CaughtUp, p.Stalled = true, true
		}
	default:
		p.Stalled = !p.CaughtUp // a full page whose events have no time: it would be read again
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

// polled is the result of a request for a page of the log.
type polled struct {
	connector.PageAnswer
	halved bool   // the page size was reduced because a page was over a limit
	since  string // start of a request without a link
}

// readEvents requests the page at the checkpoint, and smaller ones while it is over a limit. A link is requested with
// the configured page size, unless smaller pages are needed at present.
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

// isClockOff reports whether the host's clock differs from Okta's by more than skew.
func isClockOff(c *connector.Call, theirs clock.Instant) bool {
	ours, ok := clock.ParseInstant(c.Now)
	return !ok || ours-theirs > skew || theirs-ours > skew
}

// sinceWarnings warns about a query that starts before the events that Okta keeps, or in the future.
func sinceWarnings(c *connector.Call, since string, now clock.Instant) []string {
	from, ok := clock.ParseInstant(since)
	switch {
	case !ok || now == 0 || from >= now-retention && from <= now+skew:
		return nil
	case from > now:
		return []string{"since (" + since + ") is in the future: Okta's clock says " + now.String() + ", so there are no events yet"}
	}
	return []string{"the query starts at " + since + ", but Okta keeps 90 days: events from before " + (now - retention).String() + " no longer exist"}
}

// beginAgain replaces a link that Okta rejects by a time: that of the latest event minus overlap.
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
	if next.since == "" || next.refused > maxRefusedLinks {
		return connector.Page{}, false
	}
	return connector.Page{
		Result: connector.Result{Outcome: abi.Succeeded, Warnings: []string{"Okta rejects the stored cursor (" + e.Text() +
			"): resuming from " + next.since + ", which repeats events with the same keys"}},
		Checkpoint: next.json(), Watermark: at.published,
	}, true
}
