package oktatest_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestRequests_WithoutTheToken_AreRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{Token: "00right"})
	for authorization, status := range map[string]int{
		"SSWS 00right": 200, "SSWS 00wrong": 401, "Bearer 00right": 401, "00right": 401, "": 401,
	} {
		r := h.send("GET", "/api/v1/users?limit=1", "", "Authorization", authorization)
		same(t, authorization, r.Code, status)
		if status == 401 {
			same(t, "code", r.code(), "E0000011")
		}
	}
	same(t, "open endpoint", h.send("GET", "/.well-known/okta-organization", "", "Authorization", "").Code, 200)
}

func TestRefusals_OfEachKind_HaveOktasShape(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	for _, c := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/api/v1/nothing", 404, "E0000008"},
		{"GET", "/", 404, "E0000008"},
		{"PATCH", "/api/v1/users/me", 405, "E0000022"},
		{"DELETE", "/api/v1/logs", 405, "E0000022"},
		{"POST", "/api/v1/org", 405, "E0000022"},
	} {
		r := send(org, org, c.method, c.target, "")
		same(t, c.method+" "+c.target, fmt.Sprint(r.Code, r.code()), fmt.Sprint(c.status, c.code))
		same(t, "members", gjson.Get(r.body, "@keys").Raw, `["errorCode","errorSummary","errorLink","errorId","errorCauses"]`)
		same(t, "link", r.get("errorLink").Str, c.code)
	}
	r := send(org, org, "GET", "//api/v1/users", "")
	same(t, "double slash", r.body, `{"status":404,"message":"Resource not found"}`)
}

func TestRateLimits_PerBucketAndWindow_AreCounted(t *testing.T) {
	h := newHarness(t, oktatest.Config{RateLimits: map[string]int{"/api/v1/logs": 3, "*": 5}})
	number := func(r reply, name string) int {
		n, err := strconv.Atoi(r.Header().Get("X-Rate-Limit-" + name))
		if err != nil {
			t.Error(err)
		}
		return n
	}
	for i := range 3 {
		r := h.get("/api/v1/logs")
		same(t, "status", r.Code, 200)
		same(t, "limit", number(r, "Limit"), 3)
		same(t, "remaining", number(r, "Remaining"), 2-i)
		date, err := http.ParseTime(r.Header().Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if wait := number(r, "Reset") - int(date.Unix()); wait < 0 || wait > 60 {
			t.Errorf("reset is %d s after Date", wait)
		}
	}
	r := h.get("/api/v1/logs")
	h.want(r, 429, "E0000047")
	same(t, "remaining", number(r, "Remaining"), 0)
	same(t, "another bucket", h.get("/api/v1/org").Code, 200)
	same(t, "the bucket of two endpoints", number(h.get("/api/v1/users/me/roles"), "Remaining"), 4)
	same(t, "the bucket of two endpoints", number(h.get("/api/v1/users"), "Remaining"), 3)
	same(t, "a separate bucket", number(h.get("/api/v1/users/me"), "Remaining"), 4)

	h.clock.advance(time.Unix(int64(number(r, "Reset")), 0).Sub(h.clock.Now()))
	same(t, "in the next window", h.get("/api/v1/logs").Code, 200)
	same(t, "handled writes", h.org.Writes(), 0)
}

func TestRateLimits_Negative_AreLifted(t *testing.T) {
	org := oktatest.New(oktatest.Config{RateLimits: map[string]int{"*": -1}})
	r := send(org, org, "GET", "/api/v1/org", "")
	same(t, "headers", r.Header().Get("X-Rate-Limit-Limit"), "")
	org = oktatest.New(oktatest.Config{RateLimits: map[string]int{"/api/v1/org": 7}})
	for target, limit := range map[string]string{"/api/v1/org": "600", "/api/v1/logs": "120", "/api/v1/users": "600"} {
		same(t, target, send(org, org, "GET", target, "").Header().Get("X-Rate-Limit-Limit"), limit)
	}
}

func TestCompression_IfAskedFor_IsUsed(t *testing.T) {
	for _, c := range []struct {
		name, target, accept string
		off, compressed      bool
	}{
		{"a large body", "/api/v1/users", "br, gzip", false, true},
		{"a small body", "/api/v1/users/nobody", "gzip", false, false},
		{"a client that does not ask", "/api/v1/users", "", false, false},
		{"a client that refuses", "/api/v1/users", "gzip; q=0", false, false},
		{"an org without compression", "/api/v1/users", "gzip", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, oktatest.Config{NoGzip: c.off})
			plain := h.get(c.target)
			r := h.send("GET", c.target, "", "Accept-Encoding", c.accept)
			same(t, "compressed", r.Header().Get("Content-Encoding") == "gzip", c.compressed)
			same(t, "length", r.Header().Get("Content-Length"), len(r.body))
			if c.compressed {
				z, err := gzip.NewReader(strings.NewReader(r.body))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(z)
				if err != nil || string(body) != plain.body {
					t.Errorf("the compressed body differs (%v)", err)
				}
			}
		})
	}
}

func TestWrite_WithoutALength_IsRefused(t *testing.T) {
	server := oktatest.New(oktatest.Config{}).Start()
	defer server.Close()
	for header, status := range map[string]int{"": 411, "Content-Length: 0\r\n": 200} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /api/v1/users/ada.lovelace/lifecycle/reset_factors HTTP/1.1\r\nHost: x\r\nAuthorization: SSWS %s\r\n%s\r\n", server.Token(), header)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		same(t, header, response.StatusCode, status)
		conn.Close()
	}
}

func TestRequests_Received_AreStored(t *testing.T) {
	org := oktatest.New(oktatest.Config{RequestLog: 3})
	send(org, org, "GET", "/api/v1/org", "")
	send(org, org, "GET", "/api/v1/users/me%20too?expand=blocks", "")
	send(org, org, "POST", "/api/v1/users", newUser("a@example.com", ""))
	send(org, org, "POST", "/api/v1/users", newUser("a@example.com", ""))
	all := org.Requests()
	same(t, "remembered", len(all), 3)
	same(t, "oldest", fmt.Sprint(all[0].Method, all[0].Path, all[0].RawQuery, all[0].Pattern, all[0].Status), "GET/api/v1/users/me%20tooexpand=blocksGET /api/v1/users/{id}404")
	same(t, "statuses", fmt.Sprint(all[1].Status, all[2].Status), "200 400")
	same(t, "body", string(all[1].Body), newUser("a@example.com", ""))
	same(t, "authorization", all[0].Header.Get("Authorization"), "SSWS REDACTED")
	same(t, "count", org.Count("GET /api/v1/users/{whatever}"), 1)
	same(t, "count of writes", org.Count("POST /api/v1/users"), 2)
	same(t, "writes", org.Writes(), 2)
	same(t, "effects", org.Effects(), 1)
}

func TestResponses_SameSeed_HaveTheSameBytes(t *testing.T) {
	run := func(seed int64) string {
		h := newHarness(t, oktatest.Config{Seed: seed, Users: 40, Events: 300})
		var all strings.Builder
		for _, target := range []string{"/api/v1/users", "/api/v1/groups", "/api/v1/logs?limit=300", "/oauth2/v1/clients", "/api/v1/org", "/api/v1/users/me/roles"} {
			r := h.get(target)
			all.WriteString(fmt.Sprint(r.Header()) + r.body)
		}
		all.WriteString(h.post("/api/v1/users", newUser("a@example.com", "")).body)
		for e := range h.org.Events() {
			all.Write(e)
		}
		return all.String()
	}
	first, again := run(7), run(7)
	if first != again {
		t.Error("two runs of one seed differ")
	}
	if first == run(8) {
		t.Error("two seeds give the same bytes")
	}
}

func TestLinks_WithPublicURL_StartWithIt(t *testing.T) {
	h := newHarness(t, oktatest.Config{PublicURL: "https://crew-admin.okta.example/"})
	r := h.get("/api/v1/users?limit=1")
	for _, link := range r.Header().Values("Link") {
		if !strings.HasPrefix(link, "<https://crew-admin.okta.example/api/v1/users?") {
			t.Error(link)
		}
	}
	if strings.Contains(r.body, "http://example.com/") {
		t.Error("a link in the body has another origin")
	}
}

func TestServer_WithTLS_SpeaksHTTP2(t *testing.T) {
	server := oktatest.New(oktatest.Config{}).StartTLS()
	defer server.Close()
	transport := &http.Transport{ForceAttemptHTTP2: true}
	transport.TLSClientConfig = clientTLS(server)
	defer transport.CloseIdleConnections()
	request, _ := http.NewRequest("POST", server.URL+"/api/v1/users/ada.lovelace/lifecycle/suspend", nil)
	request.Header.Set("Authorization", "SSWS "+server.Token())
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	same(t, "answer", fmt.Sprint(response.Proto, " ", response.StatusCode), "HTTP/2.0 200")
}

func TestOrg_ConcurrentRequests_AreConsistent(t *testing.T) {
	h := newHarness(t, oktatest.Config{SearchDelay: time.Millisecond, Now: time.Now, Events: 500})
	h.org.Inject(oktatest.Fault{Kind: oktatest.Status, Path: "/api/v1/org", Probability: 0.5})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 20 {
				login := fmt.Sprintf("w%d.%d@example.com", worker, i)
				id := gjson.Get(send(h.org, h.org, "POST", "/api/v1/users", newUser(login, "")).body, "id").Str
				for _, target := range []string{
					"/api/v1/users?search=status+pr&sortBy=profile.login", "/api/v1/logs?limit=50", "/api/v1/org",
					"/api/v1/logs?limit=50&sortOrder=DESCENDING", "/api/v1/users/" + id + "/groups",
				} {
					send(h.org, h.org, "GET", target, "")
				}
				send(h.org, h.org, "POST", "/api/v1/users/"+id+"/roles", `{"type":"APP_ADMIN"}`)
				send(h.org, h.org, "DELETE", "/api/v1/users/"+id, "")
				h.org.AppendEvents(1)
				h.org.Requests()
			}
		})
	}
	wg.Wait()
	same(t, "effects", h.org.Effects(), 8*20*3)
	ids := h.uuids()
	slices.Sort(ids)
	same(t, "events", len(slices.Compact(ids)), h.org.EventCount())
}

func TestWrite_TooLargeBody_IsRefused(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	r := httptest.NewRequest("POST", "/api/v1/users", io.LimitReader(zeros{}, 2<<20))
	w := httptest.NewRecorder()
	org.ServeHTTP(w, r)
	same(t, "status", w.Code, 413)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestToken_OfASuspendedOwner_IsBad(t *testing.T) {
	for _, step := range []string{"suspend", "deactivate"} {
		h := newHarness(t, oktatest.Config{})
		h.want(h.post("/api/v1/users/me/lifecycle/"+step, ""), 200, "")
		h.want(h.get("/api/v1/users/ada.lovelace@example.com"), 401, "E0000011")
		h.want(h.post("/api/v1/users/robin.keeper@example.com/lifecycle/unsuspend", ""), 401, "E0000011")
		same(t, "without a token", h.get("/.well-known/okta-organization").Code, 200)
	}
	h := newHarness(t, oktatest.Config{Users: -1})
	h.want(h.get("/api/v1/groups"), 200, "")
	h = newHarness(t, oktatest.Config{TransitionTime: time.Minute})
	h.want(h.post("/api/v1/users/me/lifecycle/deactivate", ""), 200, "")
	h.want(h.get("/api/v1/groups"), 200, "")
	h.clock.advance(time.Minute)
	h.want(h.get("/api/v1/groups"), 401, "E0000011")
}

func TestLogin_WithASlash_CannotBeInAPath(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := h.post("/api/v1/users", newUser("a/b@example.com", "")).get("id").Str
	h.want(h.get("/api/v1/users/a%2Fb@example.com"), 404, "E0000007")
	h.want(h.get("/api/v1/users/"+id), 200, "")
	same(t, "found", h.get("/api/v1/users?search=profile.login+eq+%22a/b@example.com%22").strings("#.id"), []string{id})
}
