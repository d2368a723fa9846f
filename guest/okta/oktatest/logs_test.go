package oktatest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// uuids returns the ids of all events, in the order of persistence.
func (h *harness) uuids() []string {
	var all []string
	for e := range h.org.Events() {
		all = append(all, gjson.GetBytes(e, "uuid").Str)
	}
	return all
}

func TestPolling_GrowingLog_NeverEnds(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 250})
	want := h.uuids()
	var got []string
	target := "/api/v1/logs?limit=60&since=" + noon.Add(-24*time.Hour).Format(time.RFC3339)
	for range 6 {
		r := h.get(target)
		got = append(got, r.strings("#.uuid")...)
		if target = r.next(); target == "" {
			t.Fatal("a polling page without a next link")
		}
	}
	same(t, "events", got, want)
	r := h.get(target)
	same(t, "caught up", r.body, "[]")

	h.org.AppendEvents(3)
	h.org.AppendEvent(json.RawMessage(`{"uuid":"own",  "published":"2031-05-06T11:00:00.000Z"}`))
	late := h.org.AppendLateEvent(noon.Add(-30 * time.Hour))
	r = h.get(r.next())
	same(t, "appended events", r.strings("#.uuid"), h.uuids()[250:])
	same(t, "late event", r.strings("#.uuid")[4], gjson.GetBytes(late, "uuid").Str)
	same(t, "published of the late event", r.get("4.published").Str, "2031-05-05T06:00:00.000Z")
	if !strings.Contains(r.body, `{"uuid":"own",  "published"`) {
		t.Error("an event of AppendEvent is not served byte for byte")
	}
	same(t, "count", h.org.EventCount(), 255)
}

func TestPolling_LateEvents_AreInOrderOfPersistence(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 500})
	r := h.get("/api/v1/logs?limit=1000")
	published := r.strings("#.published")
	same(t, "events", len(published), 500)
	if slices.IsSorted(published) {
		t.Error("published is never out of order")
	}
}

func TestPolling_Since_CountsPersistence(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: -1})
	h.org.AppendLateEvent(noon.Add(-time.Hour))
	h.clock.advance(time.Minute)
	since := "since=" + noon.Add(-time.Second).Format(time.RFC3339)
	same(t, "persisted after since, published before", len(h.get("/api/v1/logs?"+since).strings("#.uuid")), 1)
	since = "since=" + noon.Add(time.Second).Format(time.RFC3339)
	same(t, "persisted before since", len(h.get("/api/v1/logs?"+since).strings("#.uuid")), 0)
}

// published returns the published time of an event.
func published(e json.RawMessage) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, gjson.GetBytes(e, "published").Str)
	return at
}

func TestBoundedQuery_BothOrders_IsByPublishedAndEnds(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 3000})
	h.org.AppendLateEvent(noon.Add(-90 * time.Minute))
	h.org.AppendEvent(json.RawMessage(`{"uuid":"own","published":"2031-05-06T10:20:30Z"}`))
	for _, c := range []struct{ since, until time.Duration }{
		{-24 * time.Hour, time.Minute}, {-3 * time.Hour, -time.Hour}, {-time.Hour, -time.Hour}, {-20 * time.Hour, -20*time.Hour + time.Second},
	} {
		since, until := noon.Add(c.since), noon.Add(c.until)
		type event struct {
			uuid string
			at   time.Time
		}
		var want []event
		for e := range h.org.Events() {
			if at := published(e); !at.Before(since) && at.Before(until) {
				want = append(want, event{gjson.GetBytes(e, "uuid").Str, at})
			}
		}
		slices.SortStableFunc(want, func(a, b event) int { return a.at.Compare(b.at) })
		var ids []string
		for _, e := range want {
			ids = append(ids, e.uuid)
		}
		query := fmt.Sprintf("/api/v1/logs?limit=170&since=%s&until=%s", since.Format(time.RFC3339), until.Format(time.RFC3339))
		got, _ := h.pages(query, "#.uuid")
		same(t, query, got, ids)
		got, _ = h.pages(query+"&sortOrder=DESCENDING", "#.uuid")
		slices.Reverse(got)
		same(t, query+" descending", got, ids)
	}
}

func TestBoundedQuery_LastPage_HasNoNextLink(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 20})
	_, pages := h.pages("/api/v1/logs?limit=10&since=2031-05-05T00:00:00Z&until=2031-05-07T00:00:00Z", "#.uuid")
	same(t, "pages of a whole number of events", pages, 2)
	r := h.get("/api/v1/logs?limit=5&since=2031-05-05T00:00:00Z&until=2031-05-07T00:00:00Z")
	if next, _ := url.Parse(r.next()); next.Query().Has("since") || !next.Query().Has("until") {
		t.Errorf("next link %s: want until and no since, which after excludes", r.next())
	}
}

func TestLogFilter_EachExpression_FindsTheRightEvents(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 600})
	all := slices.Collect(h.org.Events())
	actor := gjson.GetBytes(all[17], "actor.id").Str
	for _, c := range []struct {
		parameter, value, code string
		found                  func(gjson.Result) bool
	}{
		{"filter", `eventType eq "user.session.start"`, "", func(e gjson.Result) bool { return e.Get("eventType").Str == "user.session.start" }},
		{"filter", `eventType sw "user." and outcome.result eq "FAILURE"`, "", func(e gjson.Result) bool {
			return strings.HasPrefix(e.Get("eventType").Str, "user.") && e.Get("outcome.result").Str == "FAILURE"
		}},
		{"filter", `actor.id eq "` + actor + `" or eventType co "oauth2"`, "", func(e gjson.Result) bool {
			return e.Get("actor.id").Str == actor || strings.Contains(e.Get("eventType").Str, "oauth2")
		}},
		{"filter", `target.type eq "User"`, "", func(e gjson.Result) bool { return e.Get(`target.#(type=="User")`).Exists() }},
		{"filter", `securityContext.isProxy eq true`, "", func(e gjson.Result) bool { return e.Get("securityContext.isProxy").Bool() }},
		{"filter", `severity ne "INFO"`, "", func(e gjson.Result) bool { return e.Get("severity").Str != "INFO" }},
		{"filter", `eventType eq "nothing.happened"`, "", func(e gjson.Result) bool { return false }},
		{"q", "payroll warn", "", func(e gjson.Result) bool {
			return strings.Contains(e.Raw, "Payroll") && strings.Contains(strings.ToLower(e.Raw), "warn")
		}},
		{"filter", `published gt "2031-01-01T00:00:00Z"`, "E0000031", nil},
		{"filter", `debugContext.debugData.url co "/"`, "E0000031", nil},
		{"filter", `eventType is "x"`, "E0000053", nil},
		{"filter", `eventType eq`, "E0000053", nil},
		{"q", strings.Repeat("a ", 11), "E0000001", nil},
		{"q", strings.Repeat("a", 41), "E0000001", nil},
	} {
		t.Run(c.parameter+" "+c.value, func(t *testing.T) {
			target := "/api/v1/logs?limit=1000&" + c.parameter + "=" + url.QueryEscape(c.value)
			if c.code != "" {
				h.want(h.get(target), 400, c.code)
				return
			}
			var want []string
			for _, e := range all {
				if event := gjson.ParseBytes(e); c.found(event) {
					want = append(want, event.Get("uuid").Str)
				}
			}
			r := h.get(target)
			same(t, "polling", r.strings("#.uuid"), want)
			same(t, "caught up", h.get(r.next()).body, "[]")
			got, _ := h.pages(strings.Replace(target, "1000", "7", 1)+"&since=2031-05-05T00:00:00Z&until=2031-05-07T00:00:00Z", "#.uuid")
			slices.Sort(got)
			slices.Sort(want)
			same(t, "bounded", got, want)
		})
	}
}

func TestLogQuery_InvalidParameter_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 5})
	for query, code := range map[string]string{
		"limit=1001":                           "E0000001",
		"limit=-1":                             "E0000001",
		"limit=ten":                            "E0000001",
		"sortOrder=SIDEWAYS":                   "E0000001",
		"since=yesterday":                      "E0000030",
		"until=tomorrow":                       "E0000030",
		"since=2030-01-01T00:00:00Z":           "E0000053",
		"after=rubbish":                        "E0000001",
		"after=1_6":                            "E0000001",
		"after=1_99999999999":                  "E0000001",
		"since=2031-05-06T00:00:00Z&after=1_1": "E0000001",
	} {
		h.want(h.get("/api/v1/logs?"+query), 400, code)
	}
	r := h.get("/api/v1/logs?limit=0")
	same(t, "limit=0", r.body, "[]")
	same(t, "the page after limit=0", len(h.get(strings.Replace(r.next(), "limit=0", "limit=9", 1)).strings("#.uuid")), 5)
	same(t, "default limit", len(newHarness(t, oktatest.Config{}).get("/api/v1/logs").strings("#.uuid")), 100)
}

func TestRetention_OlderEvents_AreGone(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 5})
	h.clock.advance(100 * 24 * time.Hour)
	h.org.AppendEvents(1)
	r := h.get("/api/v1/logs?since=" + noon.Add(-24*time.Hour).Format(time.RFC3339))
	same(t, "events", len(r.strings("#.uuid")), 1)
}

func TestSeededEvents_OfALog_VaryLikeRealOnes(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 2000, EventSize: 2000})
	var bytes int
	seen := map[string]bool{}
	uuids := map[string]bool{}
	for e := range h.org.Events() {
		if !json.Valid(e) {
			t.Fatalf("invalid JSON: %s", e)
		}
		bytes += len(e)
		event := gjson.ParseBytes(e)
		uuids[event.Get("uuid").Str] = true
		seen["target null"] = seen["target null"] || event.Get("target").Raw == "null"
		seen["two targets"] = seen["two targets"] || event.Get("target.#").Int() == 2
		seen["outcome null"] = seen["outcome null"] || event.Get("outcome").Raw == "null"
		seen["zone as text"] = seen["zone as text"] || event.Get("client.zone").Str == "null"
		seen["device"] = seen["device"] || event.Get("device").Exists()
		seen["whole seconds"] = seen["whole seconds"] || len(event.Get("published").Str) == len("2031-05-06T12:00:00Z")
		seen["numeric postal code"] = seen["numeric postal code"] || event.Get("client.geographicalContext.postalCode").Type == gjson.Number
		seen["behaviours as objects"] = seen["behaviours as objects"] || event.Get("securityContext.userBehaviors.0").IsObject()
		seen["1e3"] = seen["1e3"] || strings.Contains(event.Raw, "1e3")
		seen["1.0"] = seen["1.0"] || strings.Contains(event.Raw, `"lat":1.0`)
		seen["big integer"] = seen["big integer"] || strings.Contains(event.Raw, "9007199254740993")
		seen["escapes"] = seen["escapes"] || strings.Contains(event.Raw, `\u00e9`)
		seen["unicode"] = seen["unicode"] || strings.Contains(event.Raw, "東京")
		if inner := event.Get("debugContext.debugData.logOnlySecurityData").Str; !gjson.Valid(inner) {
			t.Fatalf("no JSON inside the string: %s", inner)
		}
	}
	for what, ok := range seen {
		if !ok {
			t.Errorf("no event has %s", what)
		}
	}
	same(t, "distinct uuids", len(uuids), 2000)
	if size := bytes / 2000; size < 1800 || size > 2200 {
		t.Errorf("an event has %d bytes on average, want about 2000", size)
	}
}

func TestSeededEvents_TenMillion_NeedNoMemory(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 10_000_000})
	r := h.get("/api/v1/logs?limit=5&since=" + noon.Add(-24*time.Hour).Format(time.RFC3339))
	same(t, "events", len(r.strings("#.uuid")), 5)
	r = h.get("/api/v1/logs?limit=5&sortOrder=DESCENDING")
	same(t, "latest events", len(r.strings("#.uuid")), 5)
	h.org.AppendEvents(1)
	same(t, "count", h.org.EventCount(), 10_000_001)
}

func TestEvents_OverNinetyDays_CanBeBackfilled(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 900, EventDays: 90})
	since, until := noon.AddDate(0, 0, -60), noon.AddDate(0, 0, -30)
	got, _ := h.pages("/api/v1/logs?limit=100&since="+since.Format(time.RFC3339)+"&until="+until.Format(time.RFC3339), "#.published")
	if len(got) < 290 || len(got) > 310 {
		t.Errorf("%d events of 30 days, want 300", len(got))
	}
	// Events older than 90 days are omitted silently; a since of more than 180 days ago is refused.
	h.clock.advance(45 * 24 * time.Hour)
	ask := func(days int) reply {
		return h.get("/api/v1/logs?limit=1000&since=" + noon.AddDate(0, 0, 45-days).Format(time.RFC3339))
	}
	same(t, "of 179 days", len(ask(179).strings("#.uuid")) <= 450, true)
	h.want(ask(181), 400, "E0000053")
	// The same holds for an old cursor.
	r := h.get("/api/v1/logs?limit=1&since=" + noon.AddDate(0, 0, -44).Format(time.RFC3339))
	h.clock.advance(20 * 24 * time.Hour)
	same(t, "after an old cursor", len(h.get(strings.Replace(r.next(), "limit=1", "limit=1000", 1)).strings("#.uuid")) <= 251, true)
}
