package oktatest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/internal/openapi"
)

// harness is an org whose requests and responses are checked against Okta's OpenAPI document.
type harness struct {
	*testing.T
	org   *oktatest.Org
	judge http.Handler
	clock *clock
}

// clock is a clock that moves only by advance.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var noon = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func newHarness(t *testing.T, cfg oktatest.Config) *harness {
	t.Helper()
	c := &clock{now: noon}
	if cfg.Now == nil {
		cfg.Now = c.Now
	}
	if cfg.RateLimits == nil {
		cfg.RateLimits = map[string]int{"*": 100_000, "/api/v1/logs": 100_000}
	}
	j, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(cfg)
	return &harness{T: t, org: org, judge: j.Answers(t, org), clock: c}
}

// reply is a response, for tests.
type reply struct {
	*httptest.ResponseRecorder
	body string
}

func (r reply) get(path string) gjson.Result { return gjson.Get(r.body, path) }
func (r reply) code() string                 { return r.get("errorCode").Str }

var nextLink = regexp.MustCompile(`^<([^>]+)>; rel="next"$`)

// next returns the path and query of the next link, or an empty string.
func (r reply) next() string {
	for _, link := range r.Header().Values("Link") {
		if m := nextLink.FindStringSubmatch(link); m != nil {
			return strings.TrimPrefix(m[1], "http://example.com")
		}
	}
	return ""
}

// strings returns the values at a path, in order.
func (r reply) strings(path string) []string {
	var all []string
	for _, v := range r.get(path).Array() {
		all = append(all, v.String())
	}
	return all
}

func send(h http.Handler, org *oktatest.Org, method, target, body string, headers ...string) reply {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "SSWS "+org.Token())
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{w, w.Body.String()}
}

func (h *harness) send(method, target, body string, headers ...string) reply {
	h.Helper()
	return send(h.judge, h.org, method, target, body, headers...)
}

func (h *harness) get(target string) reply {
	h.Helper()
	return h.send(http.MethodGet, target, "")
}

func (h *harness) post(target, body string) reply {
	h.Helper()
	return h.send(http.MethodPost, target, body)
}

// want checks a status and, for a refusal, its code.
func (h *harness) want(r reply, status int, code string) {
	h.Helper()
	if r.Code != status || r.code() != code {
		h.Errorf("got %d %s, want %d %s\n%.500s", r.Code, r.code(), status, code, r.body)
	}
}

// pages follows next links from target to the end and returns all values at path. Polling queries never end.
func (h *harness) pages(target, path string) (all []string, pages int) {
	h.Helper()
	for target != "" {
		r := h.get(target)
		if r.Code != http.StatusOK {
			h.Fatalf("%s: %d %s", target, r.Code, r.body)
		}
		all = append(all, r.strings(path)...)
		target = r.next()
		if pages++; pages > 1000 {
			h.Fatal("more than 1000 pages")
		}
	}
	return all, pages
}

// withStatus returns the id of a seeded user with a status.
func (h *harness) withStatus(status string) string {
	h.Helper()
	for _, id := range h.org.UserIDs() {
		user, _ := h.org.User(id)
		if gjson.GetBytes(user, "status").Str == status && gjson.GetBytes(user, "profile.login").Str != "robin.keeper@example.com" {
			return id
		}
	}
	h.Fatalf("no user is %s", status)
	return ""
}

func (h *harness) status(id string) string {
	user, _ := h.org.User(id)
	return gjson.GetBytes(user, "status").Str
}

// events returns the types of the events since a count.
func (h *harness) events(since int) []string {
	var all []string
	i := 0
	for e := range h.org.Events() {
		if i >= since {
			all = append(all, gjson.GetBytes(e, "eventType").Str)
		}
		i++
	}
	return all
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s\n got %v\nwant %v", what, got, want)
	}
}
