package egress

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// limits configures how a service distinguishes its limits, as a manifest does.
func limits(c *Config) {
	c.Service.Errors = &abi.RateLimitErrors{Code: "error.code", Summary: "error.text", Buckets: []string{"BUCKET"}, Wait: `wait (\d+) seconds`}
}

// answering429 starts a server that answers 429 with a body several times, and then 200.
func answering429(t *testing.T, times int32, body string, headers func(http.ResponseWriter)) (base string, seen *atomic.Int32) {
	t.Helper()
	seen = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) > times {
			return
		}
		rateLimited(w, 600, 0, 40)
		if headers != nil {
			headers(w)
		}
		w.WriteHeader(429)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, seen
}

func TestSend_429OfAnotherLimit_IsTriedOnceMoreAfterTheNamedTime(t *testing.T) {
	for name, c := range map[string]struct {
		body       string
		retryAfter string
		times      int32
		status     int
		requests   int32
		slept      time.Duration
	}{
		"the text names a time, and the limit has passed": {`{"error":{"code":"MAIL","text":"Please wait 5 seconds."}}`, "", 1, 200, 2, 5 * time.Second},
		"the text names a time, and the limit stays":      {`{"error":{"code":"MAIL","text":"Please wait 5 seconds."}}`, "", 99, 429, 2, 5 * time.Second},
		"Retry-After takes precedence over the text":      {`{"error":{"code":"MAIL","text":"Please wait 5 seconds."}}`, "7", 1, 200, 2, 7 * time.Second},
		"no time is named":     {`{"error":{"code":"DAY","text":"You have reached the limit."}}`, "", 99, 429, 1, 0},
		"the time is too long": {`{"error":{"code":"MAIL","text":"wait 3600 seconds"}}`, "", 99, 429, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			base, seen := answering429(t, c.times, c.body, func(w http.ResponseWriter) {
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
			})
			cl, clk := client(t, base, limits)
			resp, err := post(cl)
			if err != nil || resp.Status != c.status || seen.Load() != c.requests || time.Duration(clk.slept.Load()) != c.slept {
				t.Fatalf("%+v %+v after %d requests, slept %s", resp, err, seen.Load(), time.Duration(clk.slept.Load()))
			}
			if c.status == 429 && string(resp.Body.Bytes()) != c.body {
				t.Errorf("the service's message is lost: %q", resp.Body.Bytes())
			}
		})
	}
}

// The headers of such a response may say 0 remaining, but other calls must not wait.
func TestSend_429OfAnotherLimit_DoesNotTouchTheBucket(t *testing.T) {
	base, seen := answering429(t, 1, `{"error":{"code":"DAY","text":"limit"}}`, nil)
	cl, clk := client(t, base, limits)
	if resp, err := post(cl); err != nil || resp.Status != 429 {
		t.Fatalf("%+v %+v", resp, err)
	}
	if resp, err := get(cl); err != nil || resp.Status != 200 || clk.slept.Load() != 0 || seen.Load() != 2 {
		t.Errorf("%+v %+v: another call waited %s", resp, err, time.Duration(clk.slept.Load()))
	}
	if q := cl.Quota(); len(q) != 1 || q[0].Known {
		t.Errorf("%+v", q)
	}
}

func TestSend_429OfAnotherLimitPastTheDeadline_IsAnsweredAtOnce(t *testing.T) {
	base, seen := answering429(t, 99, `{"error":{"code":"MAIL","text":"wait 30 seconds"}}`, nil)
	cl, clk := client(t, base, limits)
	ctx, cancel := context.WithDeadline(context.Background(), clk.Now().Add(20*time.Second))
	defer cancel()
	resp, err := cl.Send(ctx, Call{Endpoint: endpoint("POST /x")})
	if err != nil || resp.Status != 429 || seen.Load() != 1 || clk.slept.Load() != 0 {
		t.Errorf("%+v %+v after %d requests", resp, err, seen.Load())
	}
}

// The message must be there whether the first wait is too long or the attempts are used up.
func TestSend_429OfTheBucket_TellsWhatTheServiceSaid(t *testing.T) {
	for _, c := range []struct {
		deadline time.Duration
		requests int32
	}{{20 * time.Second, 1}, {time.Hour, maxThrottled + 1}} {
		base, seen := answering429(t, 1000, `{"error":{"code":"BUCKET","text":"too many"}}`, nil)
		cl, clk := client(t, base, limits)
		ctx, cancel := context.WithDeadline(context.Background(), clk.Now().Add(c.deadline))
		defer cancel()
		_, err := cl.Send(ctx, Call{Endpoint: endpoint("GET /x")})
		if err == nil || err.Code != abi.SendRateLimited || err.Status != 429 || err.UpstreamCode != "BUCKET" || err.UpstreamSummary != "too many" || seen.Load() != c.requests {
			t.Errorf("%s: %+v after %d requests", c.deadline, err, seen.Load())
		}
	}
}

// Such responses come from gateways, not from the service.
func TestRefusal_WithoutAReadableCode_IsTheBuckets(t *testing.T) {
	for _, body := range []string{"", "<html>", "null", "[]", `{"error":"x"}`, `{"error":{"code":7}}`, `{"error":{"text":"wait 5 seconds"}}`, `{"error":{"code":"` + strings.Repeat(" ", maxRefusal) + `"}}`} {
		base, seen := answering429(t, 1, body, nil)
		cl, clk := client(t, base, limits)
		resp, err := post(cl)
		if err != nil || resp.Status != 200 || seen.Load() != 2 || time.Duration(clk.slept.Load()) < 40*time.Second {
			t.Errorf("%.40q: %+v %+v after %d requests, slept %s", body, resp, err, seen.Load(), time.Duration(clk.slept.Load()))
		}
	}
}

func TestNew_WithAnInvalidWaitPattern_Fails(t *testing.T) {
	for _, wait := range []string{"(", "no group", "(a)(b)"} {
		u, _ := ParseBaseURL("https://example.com", nil)
		if _, err := New(Config{BaseURL: u, Service: Service{Errors: &abi.RateLimitErrors{Code: "c", Buckets: []string{"b"}, Wait: wait}}}); err == nil {
			t.Errorf("%q was accepted", wait)
		}
	}
}

func FuzzRefusal(f *testing.F) {
	f.Add(`{"error":{"code":"MAIL","text":"wait 5 seconds"}}`, "3")
	f.Add(`{"error":{"code":"BUCKET"}}`, "")
	f.Add("", "Wed, 21 Oct 2026 07:28:00 GMT")
	u, _ := ParseBaseURL("https://example.com", nil)
	cfg := Config{BaseURL: u}
	limits(&cfg)
	cl, err := New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, retryAfter string) {
		b, err := readBuffer(strings.NewReader(body), -1, 1<<20, nil)
		if err != nil {
			t.Skip()
		}
		r := cl.refusal(&Response{Status: 429, Header: http.Header{"Retry-After": {retryAfter}}, Body: b})
		if len(r.code) > maxCode || len(r.summary) > maxSummary || r.wait < 0 || r.other && r.code == "" {
			t.Errorf("%+v", r)
		}
	})
}
