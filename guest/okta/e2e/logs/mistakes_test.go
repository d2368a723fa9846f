package logs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
)

// TestDrain_MistakesOfOtherCollectors_AreAvoided has a case for each mistake that issue trackers of other collectors of Okta's
// log describe.
func TestDrain_MistakesOfOtherCollectors_AreAvoided(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	org := func(t *testing.T, cfg oktatest.Config) (*oktatest.Org, *host.Connection) {
		t.Helper()
		if cfg.RateLimits == nil {
			cfg.RateLimits = unlimited
		}
		cfg.Users = 3
		o := oktatest.New(cfg)
		return o, connectTo(t, m, o, host.Config{})
	}
	script := func(t *testing.T, reply func(n int, w http.ResponseWriter, r *http.Request) string) (*scripted, *host.Connection) {
		t.Helper()
		s := &scripted{T: t, Reply: reply}
		return s, connectTo(t, m, s, host.Config{})
	}
	once := func(t *testing.T, c *host.Connection, page int) *memory {
		t.Helper()
		got := &memory{}
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(page)}, ""); err != nil {
			t.Fatal(err)
		}
		return got
	}

	t.Run("the checkpoint is saved before the records are written", func(t *testing.T) {
		o, c := org(t, oktatest.Config{Events: 100})
		path := filepath.Join(t.TempDir(), "cp.json")
		var before []json.RawMessage
		got := &memory{Fail: func(page int) error {
			before = append(before, ingesttest.CheckpointAt(t, path))
			if page == 4 {
				return errors.New("the sink died")
			}
			return nil
		}}
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(10)}, path); err == nil {
			t.Fatal("no error although the sink failed")
		}
		if before[0] != nil || string(before[1]) == string(before[2]) || string(ingesttest.CheckpointAt(t, path)) != string(before[3]) {
			t.Errorf("checkpoints when the pages were written: %s; at the end: %s", before, ingesttest.CheckpointAt(t, path))
		}
		got.Fail = nil
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(10)}, path); err != nil {
			t.Fatal(err)
		}
		got.WantAll(t, o.Events(), "uuid", 1)
	})

	t.Run("polling resumes from the last published time, which skips late events and repeats those of the same millisecond", func(t *testing.T) {
		o, c := org(t, oktatest.Config{Events: -1})
		path := filepath.Join(t.TempDir(), "cp.json")
		got := &memory{}
		now := time.Now().UTC()
		next := 0
		add := func(n int, at time.Time) {
			for _, e := range events(next, n, at.Format("2006-01-02T15:04:05.000Z")) {
				o.AppendEvent(json.RawMessage(e))
			}
			next += n
		}
		for i := range 5 {
			add(7, now)                                      // all of one millisecond; a page ends in the middle
			o.AppendLateEvent(now.Add(-time.Hour))           // stored an hour late
			add(1, now.Add(-time.Duration(i)*time.Minute))   // stored a little late
			o.AppendLateEvent(now.Add(-70 * 24 * time.Hour)) // stored very late
			if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(3)}, path); err != nil {
				t.Fatal(err)
			}
		}
		got.WantAll(t, o.Events(), "uuid", 1)
		since := 0
		for _, r := range o.Requests() {
			if q, _ := url.ParseQuery(r.RawQuery); q.Has("since") {
				since++
			}
		}
		if since != 1 {
			t.Errorf("%d requests by time, want only the first", since)
		}
	})

	t.Run("a next link that points to itself is followed for ever", func(t *testing.T) {
		s, c := script(t, func(n int, w http.ResponseWriter, r *http.Request) string {
			target := "/api/v1/logs?after=1&limit=2"
			link(w, "self", target)
			link(w, "next", target)
			return list(events(min(n-1, 1)*2, 2, "2026-01-01T00:00:00.000Z")) // the second page is full, and so is its repeat
		})
		got := &memory{}
		_, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(2), PollLimit: time.Millisecond}, "")
		if err == nil || !strings.Contains(err.Error(), "has not caught up") {
			t.Errorf("%v: want an error, since there may be more", err)
		}
		if asked := s.Requests(); len(asked) != 6 || len(got.Lines) != 4 { // three, and three more after it stalled
			t.Errorf("%d requests, %d events: %s", len(asked), len(got.Lines), asked)
		}
	})

	t.Run("a cursor that is always refused restarts from the same time for ever", func(t *testing.T) {
		full := true
		s, c := script(t, func(n int, w http.ResponseWriter, r *http.Request) string {
			if r.URL.Query().Has("after") {
				w.WriteHeader(http.StatusBadRequest)
				return `{"errorCode":"E0000031","errorSummary":"Invalid search criteria."}`
			}
			link(w, "next", "/api/v1/logs?after=1&limit=2")
			if full {
				return list(events(0, 2, "2026-01-01T12:00:00.000Z")) // a full page of events with the same time
			}
			return list(events(0, 1, "2026-01-01T12:00:00.000Z"))
		})
		_, err := run(context.Background(), t, c, &memory{}, host.SourceOptions{Config: ingesttest.PageSize(2), Follow: true}, "")
		if n := len(s.Requests()); err == nil || !strings.Contains(err.Error(), "E0000031") || n != 8 {
			t.Errorf("%v after %d requests", err, n)
		}
		full = false // in a quiet log, each run reaches the end in this way
		path, got := filepath.Join(t.TempDir(), "cp.json"), &memory{}
		for range 8 {
			if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(2)}, path); err != nil {
				t.Fatal(err)
			}
		}
		if len(got.Lines) != 1 {
			t.Errorf("%d events", len(got.Lines))
		}
	})

	t.Run("a next link on every bounded page is followed for ever", func(t *testing.T) {
		for _, last := range []string{"an empty page", "a link to itself", "the same page again"} {
			s, c := script(t, func(n int, w http.ResponseWriter, r *http.Request) string {
				from := min(n, 3)
				switch {
				case n < 3 || last == "an empty page":
					link(w, "next", fmt.Sprintf("/api/v1/logs?after=%d&limit=2", n))
				default:
					link(w, "self", "/api/v1/logs?after=2&limit=2")
					link(w, "next", "/api/v1/logs?after=2&limit=2")
				}
				if n > 3 || n == 3 && last == "an empty page" {
					return "[]"
				}
				return list(events(from*2, 2, "2026-01-01T00:00:00.000Z"))
			})
			got := &memory{}
			d := &ingest.Drain{Operation: "bounded_system_log_range", Sink: got, Recent: ingest.OpenRecent("", nil),
				Feed: ingest.Range(c, "bounded_system_log_range", json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`), "published")}
			if err := d.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if asked := s.Requests(); len(asked) != 3 || len(got.Lines) < 4 {
				t.Errorf("%s: %d requests, %d events: %s", last, len(asked), len(got.Lines), asked)
			}
		}
	})

	links := map[string]func(h http.Header, target string){
		"a self link after next overwrites it": func(h http.Header, target string) {
			h.Add("Link", "<https://x.okta.com"+target+`>; rel="next"`)
			h.Add("Link", `<https://x.okta.com/api/v1/logs?self>; rel="self"`)
		},
		"only the first of two Link headers is read": func(h http.Header, target string) {
			h.Add("Link", `<https://x.okta.com/api/v1/logs?self>; rel="self"`)
			h.Add("Link", "<https://x.okta.com"+target+`>; rel="next"`)
		},
		"two links in one header, with commas in their targets, are cut at the commas": func(h http.Header, target string) {
			h.Add("Link", `<https://x.okta.com/api/v1/logs?filter=a,b&q="x, rel=next">; rel="self", <https://x.okta.com`+target+`&q=a,b>; title="next, please"; rel=next`)
		},
		"a link of another host is sent the token": func(h http.Header, target string) {
			h.Add("Link", "<https://elsewhere.example.com"+target+`>; rel="next"`)
		},
	}
	for name, write := range links {
		t.Run(name, func(t *testing.T) {
			s, c := script(t, func(n int, w http.ResponseWriter, r *http.Request) string {
				write(w.Header(), fmt.Sprintf("/api/v1/logs?after=%d&limit=2", n))
				return list(events(n*2, 2-n/4*2, "2026-01-01T00:00:00.000Z"))
			})
			if got := once(t, c, 2); len(got.Lines) != 6 || len(s.Requests()) != 4 {
				t.Errorf("%d events of 6 after %s", len(got.Lines), s.Requests())
			}
		})
	}

	t.Run("paging is cut off after the first page", func(t *testing.T) {
		o, c := org(t, oktatest.Config{Events: 4321})
		once(t, c, 0).WantAll(t, o.Events(), "uuid", 1)
		if n := o.Count("GET /api/v1/logs"); n != 5 {
			t.Errorf("%d requests for 4,321 events", n)
		}
	})

	t.Run("a 429 for concurrency, with limit 0, is taken for a capacity of 0 for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := oktatest.New(oktatest.Config{Users: 3, Events: 5000})
			o.Inject(oktatest.Fault{Kind: oktatest.Concurrency, Skip: 2, Times: 2})
			dial, stop := ingesttest.Serve(o)
			defer stop()
			c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
			defer func() { _ = c.Close(context.Background()) }()
			began, got := time.Now(), &memory{}
			d, err := run(context.Background(), t, c, got, host.SourceOptions{}, "")
			if err != nil {
				t.Fatal(err)
			}
			got.WantAll(t, o.Events(), "uuid", 1)
			if took := time.Since(began); took > 10*time.Second || d.Stats().Retries != 2 {
				t.Errorf("%s, %d requests sent again, want a brief wait for each of two", took, d.Stats().Retries)
			}
			if q := c.Quota(); len(q) != 1 || q[0].Limit != 120 {
				t.Errorf("%+v", q)
			}
		})
	})

	t.Run("small pages and a needless empty request use up the quota", func(t *testing.T) {
		for n, want := range map[int]int{5500: 6, 999: 1, 5000: 6} { // only a full page needs another request
			o, c := org(t, oktatest.Config{Events: n})
			once(t, c, 0)
			for _, r := range o.Requests() {
				if q, _ := url.ParseQuery(r.RawQuery); q.Get("limit") != "1000" {
					t.Errorf("limit %s", q.Get("limit"))
				}
			}
			if got := o.Count("GET /api/v1/logs"); got != want {
				t.Errorf("%d requests for %d events, want %d", got, n, want)
			}
		}
	})

	t.Run("the poller's own events keep it polling", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := oktatest.New(oktatest.Config{Users: 3, Events: 50})
			n := 0
			dial, stop := ingesttest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n++ // each poll leads to an event, as a refused one does in Okta
				o.AppendEvent(json.RawMessage(fmt.Sprintf(`{"uuid":"own-%d","eventType":"system.operation.rate_limit.violation","published":%q,"debugContext":{"debugData":{"requestUri":"/api/v1/logs"}}}`,
					n, time.Now().UTC().Format(time.RFC3339))))
				o.ServeHTTP(w, r)
			}))
			defer stop()
			c := connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
			defer func() { _ = c.Close(context.Background()) }()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			got := &memory{}
			if _, err := run(ctx, t, c, got, host.SourceOptions{Follow: true}, ""); err != nil {
				t.Fatal(err)
			}
			if n < 55 || n > 70 { // every ten seconds
				t.Errorf("%d polls in ten minutes", n)
			}
			if own := strings.Count(strings.Join(got.Lines, ""), "rate_limit.violation"); own < n-2 {
				t.Errorf("%d of %d events about the poller, want all: they are normal events", own, n)
			}
		})
	})

	t.Run("unexpected shapes of events end a page", func(t *testing.T) {
		odd := []string{
			`{"uuid":"1","published":"2024-01-21T13:29:21Z","target":null,"outcome":null}`,
			`{"uuid":"2","published":"2026-01-01T00:00:00.000Z","securityContext":{"userBehaviors":[{"name":"New IP","result":"POSITIVE"}]},"device":{"id":"x"}}`,
			`{"uuid":"3","published":"2026-01-01T00:00:00.000Z","debugContext":{"debugData":{"logOnlySecurityData":"{\"risk\":{\"level\":\"LOW\"},\"uuid\":\"no\"}","risk":"{reasons=x, level=LOW}"}},"client":{"zone":"null"}}`,
			`{"uuid":"4","published":null,"target":[{"detailEntry":"text"},null,[]]}`,
			`{"published":"2026-01-01T00:00:00.000Z","no":"uuid"}`,
			`{"uuid":"5","number":1.0,"large":12345678901234567890,"exponent":1E400,"text":"\u00e9\ud83d\ude00 ☃ \u2028"}`,
		}
		_, c := script(t, func(n int, w http.ResponseWriter, r *http.Request) string {
			link(w, "next", "/api/v1/logs?after=1&limit=1000")
			return list(odd)
		})
		if got := once(t, c, 0); !slices.Equal(got.Lines, odd) {
			t.Errorf("got\n%s\nwant, byte for byte,\n%s", strings.Join(got.Lines, "\n"), strings.Join(odd, "\n"))
		}
	})

	t.Run("a 500 after Okta's limit of 30 seconds for a query ends the run", func(t *testing.T) {
		o := oktatest.New(oktatest.Config{Users: 3, Events: 3500, RateLimits: unlimited})
		heavy, largest := 0, 0
		c := connectTo(t, m, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			limit := 0
			_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
			if heavy < 3 && limit > 250 { // the first pages are too heavy, later ones are not
				heavy++
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = fmt.Fprint(w, `{"errorCode":"E0000009","errorSummary":"Internal Server Error","errorCauses":[{"errorSummary":"Your last request took too long"}]}`)
				return
			}
			largest = max(largest, limit)
			o.ServeHTTP(w, r)
		}), host.Config{})
		path := filepath.Join(t.TempDir(), "cp.json")
		got := &memory{}
		for range 2 { // later events are read in whole pages again
			if _, err := run(context.Background(), t, c, got, host.SourceOptions{}, path); err != nil {
				t.Fatal(err)
			}
			o.AppendEvents(1200)
		}
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{}, path); err != nil {
			t.Fatal(err)
		}
		got.WantAll(t, o.Events(), "uuid", 1)
		if heavy != 3 || largest != 1000 {
			t.Errorf("%d heavy pages, then pages of %d", heavy, largest)
		}
	})

	t.Run("a session token, a user or a path in base_url", func(t *testing.T) {
		for address, want := range map[string]string{
			"https://example.okta.com/api/v1/logs":              "drop the path /api/v1/logs: base_url is the origin only, https://example.okta.com",
			"https://example.okta.com/login/sessionCookie":      "drop the path",
			"https://example.okta.com?sessionToken=20111secret": "base_url is the origin only",
			"https://00secret@example.okta.com":                 "put the token behind token_secret_ref",
			"https://ada:secret@example.okta.com/api/v1":        "put the token behind token_secret_ref",
			"https://example-admin.okta.com":                    "use https://example.okta.com",
			"example.okta.com":                                  "give the org's origin, such as https://example.okta.com",
			"http://example.okta.com":                           "use https",
		} {
			_, err := hosttest.Open(m, host.Config{Name: "a", BaseURL: address},
				host.ConnectOptions{Secrets: hosttest.Secret("x")})
			if !errors.Is(err, host.ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret@") || strings.Contains(err.Error(), "20111") {
				t.Errorf("%s: %v, want %q", address, err, want)
			}
		}
	})
}

// TestRun_CursorExpired_ResumesWithoutRepeats: the cursor expires in the middle of a log, during a run and between two runs,
// and the service repeats whole pages. Each event is written once.
func TestRun_CursorExpired_ResumesWithoutRepeats(t *testing.T) {
	t.Parallel()
	m := hosttest.Connector.Module(t)
	o := oktatest.New(oktatest.Config{Users: 3, Events: 20_000, RateLimits: unlimited}) // one every 3.6 s, 83 in the overlap
	c := connectTo(t, m, o, host.Config{})
	path := filepath.Join(t.TempDir(), "cp.json")
	got := &memory{}
	drain := func() *ingest.Drain {
		t.Helper()
		d, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(100)}, path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	o.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Skip: 50, Times: 1})
	for _, at := range []int{80, 120, 150} {
		o.Inject(oktatest.Fault{Kind: oktatest.RepeatPage, Skip: at, Times: 1})
	}
	if s := drain().Stats(); s.Repeats < 300 || s.Records != 20_000 {
		t.Errorf("%d records, %d repeats dropped", s.Records, s.Repeats)
	}
	got.WantAll(t, o.Events(), "uuid", 1)

	for _, e := range events(0, 150, time.Now().UTC().Format(time.RFC3339)) {
		o.AppendEvent(json.RawMessage(e))
	}
	o.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Times: 1}) // the first request of the next process
	if s := drain().Stats(); s.Records != 150 || s.Repeats == 0 {
		t.Errorf("%d records, %d repeats dropped; want the 150 new ones", s.Records, s.Repeats)
	}
	got.WantAll(t, o.Events(), "uuid", 1)
	for i, line := range got.Lines {
		if !gjson.Valid(line) {
			t.Fatalf("line %d is not JSON: %s", i, line)
		}
	}
}
