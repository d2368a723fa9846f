package oktatest_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func clientTLS(server *oktatest.Server) *tls.Config {
	return &tls.Config{RootCAs: server.Certificates()}
}

// call sends a request to a server on a new connection. A failure to read the body is an error too.
func call(t *testing.T, server *oktatest.Server, method, path, body string) (*http.Response, string, error) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	if server.Certificates() != nil {
		transport.TLSClientConfig, transport.ForceAttemptHTTP2 = clientTLS(server), true
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "SSWS "+server.Token())
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

func TestFaults_OfEachKind_FailTheRequest(t *testing.T) {
	for _, c := range []struct {
		fault   oktatest.Fault
		status  int // 0 means no complete answer
		effect  bool
		handled bool
		code    string
	}{
		{oktatest.Fault{Kind: oktatest.Latency, Latency: time.Millisecond}, 200, true, true, ""},
		{oktatest.Fault{Kind: oktatest.Status}, 503, false, false, "E0000010"},
		{oktatest.Fault{Kind: oktatest.Status, Status: 500}, 500, false, false, "E0000009"},
		{oktatest.Fault{Kind: oktatest.StatusAfter, Status: 504}, 504, true, true, "E0000009"},
		{oktatest.Fault{Kind: oktatest.ResetBefore}, 0, false, false, ""},
		{oktatest.Fault{Kind: oktatest.ResetAfter}, 0, true, true, ""},
		{oktatest.Fault{Kind: oktatest.Truncate}, 0, true, true, ""},
		{oktatest.Fault{Kind: oktatest.NotJSON}, 200, false, false, ""},
		{oktatest.Fault{Kind: oktatest.RateLimited, Reset: 7 * time.Second}, 429, false, false, "E0000047"},
		{oktatest.Fault{Kind: oktatest.Concurrency}, 429, false, false, "E0000047"},
		{oktatest.Fault{Kind: oktatest.Redirect, Location: "https://elsewhere.example/"}, 302, false, false, ""},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(c.fault.Kind, " tls=", secure), func(t *testing.T) {
				org := oktatest.New(oktatest.Config{})
				server := org.Start
				if secure {
					server = org.StartTLS
				}
				s := server()
				defer s.Close()
				f := c.fault
				f.Method, f.Path, f.Times = "POST", "/api/v1/users", 1
				org.Inject(f)
				if _, _, err := call(t, s, "GET", "/api/v1/users/me", ""); err != nil {
					t.Fatal("another request:", err)
				}
				response, body, err := call(t, s, "POST", "/api/v1/users", newUser("a@example.com", ""))
				if (err != nil) != (c.status == 0) {
					t.Fatalf("error %v", err)
				}
				_, created := org.User("a@example.com")
				same(t, "took effect", created, c.effect)
				same(t, "handled", org.Writes() == 1, c.handled)
				if _, _, err := call(t, s, "GET", "/api/v1/users/me", ""); err != nil {
					t.Fatal("the fault is triggered more than once:", err)
				}
				if c.status == 0 {
					return
				}
				same(t, "status", response.StatusCode, c.status)
				same(t, "code", gjson.Get(body, "errorCode").Str, c.code)
				checkFault(t, f, response, body)
			})
		}
	}
}

func checkFault(t *testing.T, f oktatest.Fault, response *http.Response, body string) {
	t.Helper()
	h := response.Header
	switch f.Kind {
	case oktatest.NotJSON:
		if !strings.HasPrefix(body, "<!DOCTYPE html>") || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			t.Errorf("not HTML: %s %s", h.Get("Content-Type"), body)
		}
	case oktatest.Redirect:
		same(t, "location", h.Get("Location"), f.Location)
	case oktatest.Concurrency:
		same(t, "limit", h.Get("X-Rate-Limit-Limit")+h.Get("X-Rate-Limit-Remaining"), "00")
	case oktatest.RateLimited:
		same(t, "limit", h.Get("X-Rate-Limit-Limit")+" "+h.Get("X-Rate-Limit-Remaining"), "600 0")
		date, _ := http.ParseTime(h.Get("Date"))
		reset, _ := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
		if wait := reset - date.Unix(); wait < 7 || wait > 8 {
			t.Errorf("reset in %d s, want 7", wait)
		}
	}
}

func TestTruncate_Answer_AnnouncesTheWholeLength(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	s := org.Start()
	defer s.Close()
	_, whole, err := call(t, s, "GET", "/api/v1/groups", "")
	if err != nil {
		t.Fatal(err)
	}
	org.Inject(oktatest.Fault{Kind: oktatest.Truncate})
	response, half, err := call(t, s, "GET", "/api/v1/groups", "")
	if !errors.Is(err, io.ErrUnexpectedEOF) || response == nil {
		t.Fatalf("error %v, want an unexpected end", err)
	}
	same(t, "half", half, whole[:len(whole)/2])
}

func TestFault_MethodAndPath_SelectRequests(t *testing.T) {
	for _, c := range []struct {
		method, path string
		request      string
		fits         bool
	}{
		{"", "", "GET /api/v1/org", true},
		{"*", "", "GET /api/v1/org", true},
		{"POST", "", "GET /api/v1/org", false},
		{"", "/api/v1/users", "GET /api/v1/users", true},
		{"", "/api/v1/users", "GET /api/v1/users/me", false},
		{"", "/api/v1/users/", "GET /api/v1/users/me", true},
		{"", "/", "GET /api/v1/users/me", true},
		{"", "/api/v1/users/{userId}", "GET /api/v1/users/ada.lovelace", true},
		{"", "/api/v1/users/{userId}/roles", "GET /api/v1/users/ada.lovelace", false},
		{"", "/api/v1/users/ada.lovelace", "GET /api/v1/users/ada.lovelace", true},
		{"", "/api/v1/users/{id}/lifecycle/suspend", "POST /api/v1/users/ada.lovelace/lifecycle/suspend", true},
	} {
		org := oktatest.New(oktatest.Config{})
		org.Inject(oktatest.Fault{Method: c.method, Path: c.path, Kind: oktatest.Status, Status: 599})
		method, target, _ := strings.Cut(c.request, " ")
		r := send(org, org, method, target, "")
		same(t, fmt.Sprint(c), r.Code == 599, c.fits)
		org.ClearFaults()
		if r := send(org, org, method, target, ""); r.Code == 599 {
			t.Error("a cleared fault is triggered")
		}
	}
}

func TestFault_SkipTimesAndProbability_Count(t *testing.T) {
	org := oktatest.New(oktatest.Config{})
	org.Inject(oktatest.Fault{Kind: oktatest.Status, Skip: 1, Times: 2})
	org.Inject(oktatest.Fault{Kind: oktatest.Status, Status: 500, Skip: 1})
	var got []int
	for range 6 {
		got = append(got, send(org, org, "GET", "/api/v1/org", "").Code)
	}
	same(t, "statuses", got, "[200 503 503 500 500 500]")

	org.ClearFaults()
	org.Inject(oktatest.Fault{Kind: oktatest.Status, Probability: 0.25})
	failed := 0
	for range 400 {
		if send(org, org, "GET", "/api/v1/org", "").Code == 503 {
			failed++
		}
	}
	if failed < 60 || failed > 140 {
		t.Errorf("%d of 400 failed with a probability of 0.25", failed)
	}
}

func TestParseFault_EachForm_IsParsed(t *testing.T) {
	for text, want := range map[string]oktatest.Fault{
		"reset-after:POST /api/v1/users:times=1":                     {Kind: oktatest.ResetAfter, Method: "POST", Path: "/api/v1/users", Times: 1},
		"status:GET /api/v1/logs:status=500,times=2,skip=1":          {Kind: oktatest.Status, Method: "GET", Path: "/api/v1/logs", Status: 500, Times: 2, Skip: 1},
		"latency:*:latency=250ms,probability=0.1":                    {Kind: oktatest.Latency, Latency: 250 * time.Millisecond, Probability: 0.1},
		"truncate:/api/v1/":                                          {Kind: oktatest.Truncate, Path: "/api/v1/"},
		"not-json":                                                   {Kind: oktatest.NotJSON},
		"rate-limited:DELETE:reset=30s":                              {Kind: oktatest.RateLimited, Method: "DELETE", Reset: 30 * time.Second},
		"cursor-expired:/api/v1/logs:times=1":                        {Kind: oktatest.CursorExpired, Path: "/api/v1/logs", Times: 1},
		"repeat-page:GET /api/v1/logs:probability=0.5":               {Kind: oktatest.RepeatPage, Method: "GET", Path: "/api/v1/logs", Probability: 0.5},
		"redirect::times=1,location=https://e.example/?a=b,c:d":      {Kind: oktatest.Redirect, Times: 1, Location: "https://e.example/?a=b,c:d"},
		"concurrency:* /api/v1/users/{id}/lifecycle/suspend:times=3": {Kind: oktatest.Concurrency, Path: "/api/v1/users/{id}/lifecycle/suspend", Times: 3},
	} {
		got, err := oktatest.ParseFault(text)
		if err != nil || got != want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", text, got, err, want)
		}
		if again, err := oktatest.ParseFault(got.String()); err != nil || again != got {
			t.Errorf("%s is formatted as %s, which is parsed as %+v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "explode", "status:FETCH /x", "status:GET x", "status:/a b", "status::status=200",
		"status::status=x", "status::times=-1", "status::probability=2", "status::probability=NaN", "latency", "latency::latency=-1s",
		"status::reset=soon", "redirect::location=", "status::colour=red", "status:/a?b=c"} {
		if f, err := oktatest.ParseFault(text); err == nil {
			t.Errorf("%q is parsed as %+v", text, f)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("reset-after:POST /api/v1/users:times=1,skip=2")
	f.Add("redirect:*:location=https://e.example/,x")
	f.Add("latency::latency=1ms,probability=0.5")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := oktatest.ParseFault(text)
		if err != nil {
			return
		}
		if again, err := oktatest.ParseFault(fault.String()); err != nil || again != fault {
			t.Errorf("%q is formatted as %q, which is parsed as %+v, %v", text, fault, again, err)
		}
	})
}

func TestFaults_OfCursors_AffectPaging(t *testing.T) {
	h := newHarness(t, oktatest.Config{Events: 30})
	h.org.Inject(oktatest.Fault{Kind: oktatest.CursorExpired, Times: 1, Skip: 1})
	first := h.get("/api/v1/logs?limit=10")
	second := h.get(first.next())
	h.want(h.get(second.next()), 400, "E0000001")
	h.want(h.get("/api/v1/logs?limit=10"), 200, "")
	third := h.get(second.next())

	h.org.Inject(oktatest.Fault{Kind: oktatest.RepeatPage, Times: 1})
	again := h.get(second.next())
	same(t, "the page before", again.strings("#.uuid"), second.strings("#.uuid"))
	same(t, "the page after it", h.get(again.next()).strings("#.uuid"), third.strings("#.uuid"))
}

func TestRecipientLimit_OfEachCode_LeavesRequestsInTheBucket(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, code := range oktatest.RecipientCodes() {
		f, err := oktatest.ParseFault("recipient-limited:POST /api/v1/users/{id}/lifecycle/reset_password:times=1,code=" + code)
		if err != nil {
			t.Fatal(err)
		}
		h.org.Inject(f)
		r := h.post("/api/v1/users/ada.lovelace@example.com/lifecycle/reset_password?sendEmail=true", "")
		h.want(r, 429, code)
		if left, _ := strconv.Atoi(r.Header().Get("X-Rate-Limit-Remaining")); left < 1000 {
			t.Errorf("%s: %d requests are left", code, left)
		}
		same(t, "status", h.status(h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str), "ACTIVE")
	}
	if _, err := oktatest.ParseFault("recipient-limited:*:code=E0000047"); err == nil {
		t.Error("the code of a bucket was accepted")
	}
}

func TestEmailInterval_SecondMail_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{EmailInterval: 5 * time.Second})
	reset := func(user, mail string) reply {
		return h.post("/api/v1/users/"+user+"/lifecycle/reset_password?sendEmail="+mail, "")
	}
	h.want(reset("ada.lovelace", "true"), 200, "")
	h.want(reset("ada.lovelace", "true"), 429, "E0000118")
	h.want(reset("ada.lovelace", "false"), 200, "")
	h.want(reset("alan.turing", "true"), 200, "")
	h.clock.advance(5 * time.Second)
	h.want(reset("ada.lovelace", "true"), 200, "")
}

// TestFaultHelp_OfParseFault_NamesEachKindAndOption compares the help with ParseFault.
func TestFaultHelp_OfParseFault_NamesEachKindAndOption(t *testing.T) {
	help := oktatest.FaultHelp()
	for wrong, form := range map[string]string{"earthquake": "\n  %s  ", "status:*:nonsense=1": "\n  %s="} {
		_, err := oktatest.ParseFault(wrong)
		_, names, _ := strings.Cut(err.Error(), "want ")
		names = strings.ReplaceAll(strings.TrimPrefix(names, "one of "), " or ", ", ")
		for name := range strings.SplitSeq(names, ", ") {
			if !strings.Contains(help, fmt.Sprintf(form, name)) {
				t.Errorf("no line for %q in\n%s", name, help)
			}
		}
	}
}
