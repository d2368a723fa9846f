package okta

import (
	"strconv"

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
	halve:      true,
}

const retention = 90 * 86_400 * 1000 // how long Okta keeps events, in milliseconds

func boundedLogs(c *call, cursor string, limit int) (result, int) {
	since, okSince := parseInstant(c.str("since"))
	until, okUntil := parseInstant(c.str("until"))
	if !okSince || !okUntil || since >= until {
		return fail(abi.Invalid, "range", "since ("+c.str("since")+") must be a time before until ("+c.str("until")+")"), 0
	}
	r, n := boundedRange.page(c, cursor, limit)
	now, okNow := parseInstant(c.now)
	switch oldest := now - retention; {
	case !okNow || cursor != "": // said with the first page
	case r.outcome == abi.Succeeded && since < oldest:
		r.warnings = append(r.warnings, "since is more than 90 days ago: Okta keeps no events of before "+oldest.String())
	case r.outcome == abi.Rejected && since < oldest-retention:
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

// checkpoint is where a source goes on. Published and the link of the last page are kept together, so that a link that
// Okta no longer takes can be replaced by a time.
type checkpoint struct {
	link      string // path and query of the next page
	since     string // where the first page began, until there is a link
	published string // of the last event
}

func (p checkpoint) json() string {
	var w jsonval.Writer
	return w.Int("v", 1).StrIf("link", p.link).StrIf("since", p.since).StrIf("published", p.published).String()
}

func readCheckpoint(v jsonval.Value) (checkpoint, bool) {
	if k := v.Kind(); k == jsonval.None || k == jsonval.Null {
		return checkpoint{}, true
	}
	p := checkpoint{v.Get("link").Str(), v.Get("since").Str(), v.Get("published").Str()}
	return p, v.Get("v").Raw() == "1" && (p.link != "" || p.since != "")
}

const (
	pollQuietMS = 10_000 // asking an idle log more often than this wastes quota
	// overlap is read again, in seconds, when a link was refused: events that were stored late lie behind the last
	// published time. Repeats have the same key.
	overlap = 300
)

// pollPage reads the page behind the checkpoint.
func pollPage(c *call, at checkpoint) page {
	size := pollLogs.pageSize(c)
	req := hostcall.Request{Endpoint: getLogs.Endpoint, Link: at.link}
	if at.link == "" {
		since := at.since
		if since == "" {
			since = pollQuery(c)[0].Value
		}
		at.since = since
		req.Query = append(c.params(pollLogs.query), hostcall.Pair{Name: "since", Value: since},
			hostcall.Pair{Name: "limit", Value: strconv.Itoa(size)})
	}
	resp := c.send(req)
	if !ok(resp) {
		if at.link != "" && resp.Err == nil && resp.Status == 400 {
			if p, again := c.beginAgain(resp, at); again {
				return p
			}
		}
		return page{result: c.failure(resp, "", "")}
	}
	sum := c.Emit(resp.Body, abi.EmitOptions{Summarise: []string{"published"}})
	if sum.Err != "" {
		return page{result: badBody(resp, sum.Err)}
	}
	p := page{result: result{outcome: abi.Succeeded}, caughtUp: sum.Total < size}
	next := at
	if s := sum.Last.Get("published").Str(); s != "" {
		next.published = s
	}
	switch link := withoutOrigin(nextLink(resp.HeaderValues("link"))); {
	case link != "":
		next.link, next.since = link, ""
	case at.link == "" && next.published != "":
		// A log without links is none of Okta's. Going on from the last event repeats it, and loses nothing.
		next.since = next.published
		p.caughtUp = true
		p.warnings = append(p.warnings, "Okta gave no next link: going on by time, which repeats events")
	default:
		p.caughtUp = true
	}
	if p.caughtUp {
		p.pollAfterMS = pollQuietMS
	}
	p.checkpoint = next.json()
	return p
}

// beginAgain replaces a link that Okta refuses by a time: the last event's, less an overlap.
func (c *call) beginAgain(resp hostcall.Response, at checkpoint) (page, bool) {
	e := c.readError(resp)
	switch e.Code {
	case "E0000001", "E0000029", "E0000030", "E0000031", "E0000053":
	default:
		return page{}, false
	}
	from := at.published
	if from == "" {
		return page{}, false
	}
	next := checkpoint{since: c.ago(from, overlap), published: at.published}
	return page{
		result: result{outcome: abi.Succeeded, warnings: []string{"Okta no longer takes the stored cursor (" + e.says() +
			"): going on from " + next.since + ", which repeats events of the same key"}},
		checkpoint: next.json(),
	}, true
}
