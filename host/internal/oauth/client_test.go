package oauth

import (
	"context"
	"crypto/elliptic"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
)

func TestSend_FirstRequest_SendsAProofAndTheNonce(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	for range 3 {
		if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
			t.Fatal(status, err)
		}
	}
	if s.posts != 2 || len(s.minted) != 1 || len(s.calls) != 3 {
		t.Errorf("%d requests for a token, %v, %v", s.posts, s.minted, s.calls)
	}
	if status, _ := c.get(t.Context(), need("a.manage", "a.read")); status != 200 || s.posts != 3 || s.calls[3] != "a.manage a.read" {
		t.Errorf("another set: status %d, %d requests: the nonce is kept; %v", status, s.posts, s.calls)
	}
	s.nonce = "nonce-2"
	if status, _ := c.get(t.Context(), need("b.read")); status != 200 || s.posts != 5 {
		t.Errorf("a new nonce: status %d, %d requests", status, s.posts)
	}
}

func TestSend_ServiceWithoutDPoP_DropsTheProof(t *testing.T) {
	s := newServer(t)
	s.dpop = false
	c := connect(t, s, nil)
	if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	required := connect(t, s, func(c *Config, _ *egress.Config) { c.Options.DPoP = Required })
	wantError(t, required.Ready(t.Context(), need("a.read")), abi.Rejected, "dpop_required", "make the app client require DPoP, or write dpop: auto")
	s.dpop = true
	off := connect(t, s, func(c *Config, _ *egress.Config) { c.Options.DPoP = Off })
	wantError(t, off.Ready(t.Context(), need("a.read")), abi.Rejected, "invalid_dpop_proof", "the app requires DPoP: write oauth.dpop: auto", "The DPoP proof JWT header is missing")
}

// TestReady_ManyAtOnce_RequestOneTokenForEachSet runs under -race.
func TestReady_ManyAtOnce_RequestOneTokenForEachSet(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			scopes := [][]string{{"a.read"}, {"a.manage", "a.read"}, {"b.read"}}[i%3]
			if status, err := c.get(context.Background(), need(scopes...)); status != 200 || err != nil {
				t.Error(status, err)
			}
		})
	}
	wg.Wait()
	if len(s.minted) != 3 || s.posts != 4 || len(s.calls) != 100 {
		t.Errorf("%d tokens, %d requests for them, %d calls", len(s.minted), s.posts, len(s.calls))
	}
}

// TestReady_ManyAtOnceRefused_ShareOneRefusal: a refusal is not requested again by those that waited for it.
func TestReady_ManyAtOnceRefused_ShareOneRefusal(t *testing.T) {
	s := newServer(t)
	s.answers = slices.Repeat([]func(http.ResponseWriter){fail(401, "invalid_client", "no")}, 30)
	s.waiting = make(chan struct{})
	c := connect(t, s, nil)
	var wg sync.WaitGroup
	started := make(chan struct{}, 20)
	for range 20 {
		wg.Go(func() {
			started <- struct{}{}
			if err := c.Ready(context.Background(), need("a.read")); err == nil {
				t.Error("no error")
			}
		})
	}
	for range 20 {
		<-started
	}
	time.Sleep(20 * time.Millisecond) // only makes it likely that they wait
	close(s.waiting)
	wg.Wait()
	if s.posts > 20 || s.posts < 1 {
		t.Errorf("%d requests", s.posts)
	}
}

func TestReady_TokenExpires_GetsANewOneBefore(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now()}
	s.now, s.life = at.Now, 600
	c := connect(t, s, func(c *Config, _ *egress.Config) { c.Now = at.Now })
	for minute := range 60 {
		if minute%7 == 0 {
			s.mu.Lock()
			s.nonce = "nonce-" + strconv.Itoa(minute+10)
			s.mu.Unlock()
		}
		for range 6 {
			if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
				t.Fatalf("minute %d: %d %v", minute, status, err)
			}
			at.add(10 * time.Second)
		}
	}
	if n := len(s.minted); n != 7 {
		t.Errorf("%d tokens of 10 minutes in an hour", n)
	}
}

func TestReady_OverTheLimitOfTokens_NamesIt(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now()}
	s.now, s.life = at.Now, 10
	c := connect(t, s, func(c *Config, _ *egress.Config) { c.Now = at.Now })
	for i := range MaxTokensPerHour {
		if err := c.Ready(t.Context(), need("a.read")); err != nil {
			t.Fatal(i, err)
		}
		at.add(10 * time.Second)
	}
	err := c.Ready(t.Context(), need("a.read"))
	wantError(t, err, abi.Throttled, "tokens_per_hour", "60 tokens within an hour, its limit (tokens_per_hour): try again in 50m0s")
	if e := err.(credential.Error); !e.Detail.Retryable || e.Detail.RetryAfterMS != 50*60*1000 {
		t.Errorf("%+v", e.Detail)
	}
	at.add(50 * time.Minute)
	if err := c.Ready(t.Context(), need("a.read")); err != nil {
		t.Error("after the wait:", err)
	}
}

func TestSend_TokenRefused_AsksForANewOneOnce(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	if err := c.Ready(t.Context(), need("a.read")); err != nil {
		t.Fatal(err)
	}
	clear(s.tokens) // revoked
	if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil || len(s.minted) != 2 {
		t.Errorf("revoked: %d %v, %d tokens", status, err, len(s.minted))
	}
	s.api = []func(http.ResponseWriter){fail(403, "expired_session", "x")}
	if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil || len(s.minted) != 3 {
		t.Errorf("a 403 of an expired token: %d %v, %d tokens", status, err, len(s.minted))
	}
	s.api = []func(http.ResponseWriter){fail(403, "forbidden", "x")}
	if status, _ := c.get(t.Context(), need("a.read")); status != 403 || len(s.minted) != 3 {
		t.Errorf("another 403: %d, %d tokens", status, len(s.minted))
	}
	s.api = slices.Repeat([]func(http.ResponseWriter){fail(401, "feature", "x")}, 4)
	if status, _ := c.get(t.Context(), need("a.read")); status != 401 || len(s.minted) != 4 || len(s.api) != 2 {
		t.Errorf("a lasting 401: %d, %d tokens, %d answers left", status, len(s.minted), len(s.api))
	}
	if status, _ := c.get(t.Context(), need("a.read")); status != 401 || len(s.minted) != 4 || len(s.api) != 1 {
		t.Errorf("a lasting 401 again: %d, %d tokens: want no new one", status, len(s.minted))
	}
}

func TestSend_EndpointsThatRefuse_LeaveTokensForTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint func(i int) string
		id       func(i int) string
		most     int // tokens
	}{
		"objects of one endpoint":        {func(int) string { return "GET /refused/{id}" }, strconv.Itoa, 2},
		"endpoints":                      {func(i int) string { return "GET /refused/" + strconv.Itoa(i) + "/{id}" }, strconv.Itoa, 1 + maxVain},
		"endpoints that accept, too":     {func(i int) string { return "GET /some/" + strconv.Itoa(i/2) + "/{id}" }, func(i int) string { return []string{"x", "refused"}[i%2] }, 1 + maxVain},
		"an endpoint that does at times": {func(int) string { return "GET /some/{id}" }, func(i int) string { return []string{"x", "refused"}[i%2] }, 2},
		"another that accepts": {func(i int) string {
			return []string{"GET /good/{id}", "GET /refused/" + strconv.Itoa(i) + "/{id}"}[i%2]
		}, strconv.Itoa, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.refuses = "refused"
			client := connect(t, s, nil)
			for i := range 3 * MaxTokensPerHour {
				if status, err := client.getAt(t.Context(), c.endpoint(i), c.id(i), need("a.read")); err != nil || status != 403 && status != 200 {
					t.Fatal(i, status, err)
				}
			}
			if len(s.minted) > c.most {
				t.Errorf("%d tokens, want at most %d", len(s.minted), c.most)
			}
			if status, err := client.get(t.Context(), need("b.read")); status != 200 || err != nil {
				t.Errorf("another set of scopes: %d %v", status, err)
			}
		})
	}
}

// TestSend_ManyRefusedAtOnce_ShareOneNewToken runs under -race.
func TestSend_ManyRefusedAtOnce_ShareOneNewToken(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	for round := range 5 {
		if err := c.Ready(t.Context(), need("a.read")); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		clear(s.tokens)
		s.mu.Unlock()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if status, err := c.getAt(context.Background(), "GET /e"+strconv.Itoa(i)+"/{id}", "x", need("a.read")); status != 200 || err != nil {
					t.Error(status, err)
				}
			})
		}
		wg.Wait()
		if len(s.minted) != round+2 || len(c.vain) > 0 {
			t.Fatalf("round %d: %d tokens, %d of them in vain", round, len(s.minted), len(c.vain))
		}
	}
}

func TestSend_NewTokenRefused_ReturnsTheFirstResponse(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	if err := c.Ready(t.Context(), need("a.read")); err != nil {
		t.Fatal(err)
	}
	clear(s.tokens)
	s.answers = []func(http.ResponseWriter){fail(401, "invalid_client", "The app is not active.")}
	if status, err := c.get(t.Context(), need("a.read")); status != 401 || err != nil {
		t.Errorf("%d %v", status, err)
	}
	if !strings.Contains(c.log.String(), "invalid_client") {
		t.Errorf("log: %s", c.log)
	}
}

func TestSend_APIAsksForANonce_IsObeyed(t *testing.T) {
	s := newServer(t)
	s.apiNonce = "api-1"
	c := connect(t, s, nil)
	for range 2 {
		if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
			t.Fatal(status, err)
		}
	}
	if len(s.minted) != 1 {
		t.Errorf("%d tokens", len(s.minted))
	}
	s.apiNonce = "api-2"
	if status, _ := c.get(t.Context(), need("a.read")); status != 200 || len(s.minted) != 1 {
		t.Errorf("a new nonce: %d, %d tokens", status, len(s.minted))
	}
}

// TestSend_NonceRotatesDuringParallelRequests_CostsNoToken runs under -race.
func TestSend_NonceRotatesDuringParallelRequests_CostsNoToken(t *testing.T) {
	s := newServer(t)
	s.rotate = 20
	c := connect(t, s, nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 40 {
				if status, err := c.get(context.Background(), need("a.read")); status != 200 || err != nil {
					t.Error(status, err)
				}
			}
		})
	}
	wg.Wait()
	if len(s.minted) != 1 || len(s.calls) != 320 || s.stale == 0 {
		t.Errorf("%d tokens for %d calls, %d of them repeated", len(s.minted), len(s.calls), s.stale)
	}
}

// TestAgain_NonceChangedByAnother_RepeatsWithIt: another request has already taken the nonce that this one is asked for.
func TestAgain_NonceChangedByAnother_RepeatsWithIt(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	address := c.config.Base.JoinPath("things")
	var attempts []credential.Attempt
	for range 2 {
		a, err := c.Begin(t.Context(), "GET /things", need("a.read"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Sign("GET", address); err != nil {
			t.Fatal(err)
		}
		attempts = append(attempts, a)
	}
	asked := &egress.Response{Status: 401, Header: http.Header{"Dpop-Nonce": {"api-2"}, "Www-Authenticate": {`DPoP error="use_dpop_nonce"`}}}
	for _, a := range attempts {
		if !a.Again(t.Context(), asked) {
			t.Error("not repeated")
		}
		if _, err := a.Sign("GET", address); err != nil {
			t.Fatal(err)
		}
		if a.Again(t.Context(), asked) {
			t.Error("repeated with the nonce that was refused")
		}
	}
	if len(s.minted) != 1 {
		t.Errorf("%d tokens", len(s.minted))
	}
}

func TestSend_RetryOfARequest_HasANewProof(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	s.api = []func(http.ResponseWriter){fail(503, "x", "x"), fail(502, "x", "x"), nil}
	if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
		t.Error(status, err)
	}
	s.answers = []func(http.ResponseWriter){fail(503, "x", "x"), nil}
	if err := c.Ready(t.Context(), need("b.read")); err != nil {
		t.Error(err)
	}
}

// TestReady_ClocksDiffer_UsesTheServices: the assertion has a short life by the service's clock.
func TestReady_ClocksDiffer_UsesTheServices(t *testing.T) {
	for _, difference := range []time.Duration{-36 * time.Hour, -time.Hour, -10 * time.Minute, -3 * time.Minute, time.Minute, 10 * time.Minute, time.Hour, 36 * time.Hour} {
		for _, dpop := range []bool{true, false} {
			s := newServer(t)
			s.dpop = dpop
			s.now = func() time.Time { return time.Now().Add(difference) }
			c := connect(t, s, nil)
			if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
				t.Errorf("%s: %d %v", difference, status, err)
			}
			if s.posts > 3 {
				t.Errorf("%s: %d requests", difference, s.posts)
			}
		}
	}
	s := newServer(t)
	s.now = func() time.Time { return time.Now().Add(time.Hour) }
	s.answers = slices.Repeat([]func(http.ResponseWriter){fail(401, "invalid_client", "The client_assertion token is expired.")}, 4)
	wantError(t, connect(t, s, nil).Ready(t.Context(), need("a.read")), abi.Rejected, "invalid_client", "This machine's clock differs from the service's by 1h0m0s: set it (NTP)")
}

// slowBody is a budget: when it is asked for room for a body, the body takes 15 seconds.
type slowBody struct{ at *clock }

func (m slowBody) Take(int64) error { m.at.add(15 * time.Second); return nil }
func (m slowBody) Give(int64)       {}

func TestSend_SlowBody_LeavesTheClock(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now().Truncate(time.Second)}
	s.now = at.Now
	c := connect(t, s, func(c *Config, e *egress.Config) { c.Now, e.Clock = at.Now, at })
	attempt, err := c.Begin(t.Context(), "GET /things", need("a.read"))
	if err != nil {
		t.Fatal(err)
	}
	before := at.Now()
	resp, sendErr := c.egress.Send(t.Context(), egress.Call{Endpoint: abi.Endpoint{Endpoint: "GET /things", Bucket: "things"}, Request: abi.Request{Endpoint: "GET /things"}, Sign: attempt.Sign, Memory: slowBody{at}})
	if sendErr != nil || resp.Status != 200 || at.Now().Sub(before) < 15*time.Second {
		t.Fatal(resp.Status, sendErr, at.Now().Sub(before))
	}
	if attempt.Again(t.Context(), resp) || c.offset != 0 {
		t.Errorf("the service's clock is taken to differ by %s", c.offset)
	}
}

func TestReady_ScopesNotGranted_IsDeniedWithTheMissing(t *testing.T) {
	for _, partial := range []bool{false, true} {
		s := newServer(t)
		s.partial = partial
		c := connect(t, s, nil)
		wantError(t, c.Ready(t.Context(), need("a.read", "c.manage", "d.read")), abi.Denied, "scope_missing", "has not granted the app client", "grant it c.manage, d.read")
		wantError(t, c.Ready(t.Context(), need("d.read")), abi.Denied, "scope_missing", "grant it d.read")
		posts := s.posts
		wantError(t, c.Ready(t.Context(), need("b.read", "d.read")), abi.Denied, "scope_missing", "grant it d.read")
		if s.posts != posts {
			t.Error("a scope that was just refused is requested again")
		}
		if err := c.Ready(t.Context(), credential.Scopes{Required: []string{"a.read"}, Optional: []string{"b.read", "e.read"}}); err != nil {
			t.Error(err)
		}
		if last := s.minted[len(s.minted)-1]; !slices.Equal(last, []string{"a.read", "b.read"}) {
			t.Errorf("the token has %v", last)
		}
		wantError(t, c.Ready(t.Context(), credential.Scopes{Optional: []string{"d.read", "e.read"}}), abi.Denied, "scope_missing", "d.read, e.read")
		granted, missing, beyond, err := c.Granted(t.Context(), []string{"a.read", "b.read", "c.manage", "d.read"})
		if err != nil || len(beyond) > 0 || !slices.Equal(granted, []string{"a.read", "b.read"}) || !slices.Equal(missing, []string{"c.manage", "d.read"}) {
			t.Errorf("%v %v %v", granted, missing, err)
		}
	}
}

func TestReady_ScopeGrantedLater_IsUsed(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now()}
	s.now = at.Now
	c := connect(t, s, func(c *Config, _ *egress.Config) { c.Now = at.Now })
	wantError(t, c.Ready(t.Context(), need("d.read")), abi.Denied, "scope_missing")
	s.granted = append(s.granted, "d.read")
	at.add(refusedFor)
	if err := c.Ready(t.Context(), need("d.read")); err != nil {
		t.Error(err)
	}
}

func TestReady_Ceiling_IsKept(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, func(c *Config, _ *egress.Config) { c.Options.Scopes = []string{"a.read"} })
	wantError(t, c.Ready(t.Context(), need("a.manage", "a.read")), abi.Denied, "scope_missing", "oauth.scopes of the connection leaves out: add a.manage there")
	if err := c.Ready(t.Context(), credential.Scopes{Required: []string{"a.read"}, Optional: []string{"b.read"}}); err != nil || len(s.minted) != 1 || len(s.minted[0]) != 1 {
		t.Errorf("%v %v", err, s.minted)
	}
	if granted, missing, beyond, err := c.Granted(t.Context(), []string{"a.read", "b.read"}); err != nil || len(granted) != 1 || len(missing) > 0 || !slices.Equal(beyond, []string{"b.read"}) {
		t.Errorf("%v %v %v %v", granted, missing, beyond, err)
	}
}

// TestReady_CeilingWithAMisspeltScope_NamesTheNearest also has a scope that is spelt right and allows less.
func TestReady_CeilingWithAMisspeltScope_NamesTheNearest(t *testing.T) {
	c := connect(t, newServer(t), func(c *Config, _ *egress.Config) { c.Options.Scopes = []string{"groups.manag", "groups.read"} })
	err := c.Ready(t.Context(), need("groups.manage"))
	wantError(t, err, abi.Denied, "scope_missing", "add groups.manage there", "It has groups.manag, which may be a misspelling of groups.manage")
	if strings.Contains(err.Error(), "groups.read") {
		t.Error(err)
	}
}

// TestReady_ScopeStaysRefused_IsRequestedLessAndLess counts the requests of an hour of calls, a call every five seconds.
func TestReady_ScopeStaysRefused_IsRequestedLessAndLess(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now()}
	s.now = at.Now
	c := connect(t, s, func(c *Config, _ *egress.Config) { c.Now = at.Now })
	for range 720 {
		wantError(t, c.Ready(t.Context(), need("d.read")), abi.Denied, "scope_missing", "grant it d.read")
		at.add(5 * time.Second)
	}
	if s.posts > 9 {
		t.Errorf("%d requests for a token in an hour", s.posts)
	}
}

// stamped is a resolver of a file that can be replaced.
type stamped struct {
	*resolver
	stamp string
}

// Stamp implements secrets.Stamper.
func (s *stamped) Stamp(string) string { return s.stamp }

// TestReady_RefusedScopeAfterReloadOrNewKey_IsRequestedAtOnce grants a scope after a refusal.
func TestReady_RefusedScopeAfterReloadOrNewKey_IsRequestedAtOnce(t *testing.T) {
	for name, forget := range map[string]func(c connected, file *stamped){
		"reload": func(c connected, _ *stamped) { _, _ = c.Reload(t.Context()) },
		"file":   func(_ connected, file *stamped) { file.stamp = "2" },
	} {
		s := newServer(t)
		file := &stamped{stamp: "1"}
		c := connect(t, s, func(c *Config, _ *egress.Config) {
			file.resolver = c.Secrets.(*resolver)
			c.Secrets = file
		})
		wantError(t, c.Ready(t.Context(), need("d.read")), abi.Denied, "scope_missing")
		s.granted = append(s.granted, "d.read")
		wantError(t, c.Ready(t.Context(), need("d.read")), abi.Denied, "scope_missing")
		forget(c, file)
		if err := c.Ready(t.Context(), need("d.read")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReady_EachRefusal_SaysWhatToDo(t *testing.T) {
	assertion := "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJjbGllbnQifQ.c2lnbmF0dXJl"
	for name, c := range map[string]struct {
		answer  func(http.ResponseWriter)
		outcome abi.Outcome
		code    string
		texts   []string
	}{
		"invalid_client":       {fail(401, "invalid_client", "Wrong key."), abi.Rejected, "invalid_client", []string{"401 invalid_client (Wrong key): check that oauth.client_id client is the app's", "kid"}},
		"invalid_dpop_proof":   {fail(400, "invalid_dpop_proof", "x"), abi.Rejected, "invalid_dpop_proof", []string{"check this machine's clock (NTP)", "no proxy changes the address"}},
		"unauthorized_client":  {fail(400, "unauthorized_client", "x"), abi.Rejected, "unauthorized_client", []string{"make it a service app"}},
		"invalid_request":      {fail(400, "invalid_request", "x"), abi.Rejected, "invalid_request", []string{"check that base_url"}},
		"another code":         {fail(400, "teapot", "x"), abi.Rejected, "teapot", []string{"400 teapot (x)"}},
		"an echoed assertion":  {fail(401, "invalid_client", "Wrong assertion "+assertion), abi.Rejected, "invalid_client", []string{"Wrong assertion [secret]"}},
		"no JSON":              {func(w http.ResponseWriter) { w.WriteHeader(404) }, abi.Unavailable, "token_answer", []string{"wanted a token from http", "check base_url"}},
		"an internal error":    {fail(500, "x", "x"), abi.Unavailable, "token_answer", []string{"500", "try again later"}},
		"a redirect":           {func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(302) }, abi.Unavailable, "redirect", []string{"redirect"}},
		"a page":               {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) }, abi.Unavailable, "token_answer", []string{"without a JSON object"}},
		"no access_token":      {func(w http.ResponseWriter) { _, _ = w.Write([]byte("{}")) }, abi.Unavailable, "token_answer", []string{"without a usable access_token"}},
		"a split access_token": {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"access_token":"a\nb","token_type":"Bearer"}`)) }, abi.Unavailable, "token_answer", []string{"without a usable access_token"}},
		"an unknown type":      {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"access_token":"ab","token_type":"mac"}`)) }, abi.Unavailable, "token_answer", []string{"unknown token_type"}},
		"endless nonces":       {fail(400, "use_dpop_nonce", "x", "DPoP-Nonce", "n"), abi.Rejected, "use_dpop_nonce", []string{"clock"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.answers = slices.Repeat([]func(http.ResponseWriter){c.answer}, 5)
			client := connect(t, s, nil)
			err := client.Ready(t.Context(), need("a.read"))
			wantError(t, err, c.outcome, c.code, c.texts...)
			if strings.Contains(err.Error(), "eyJ") {
				t.Errorf("shows an assertion: %v", err)
			}
			if _, err := client.Begin(t.Context(), "GET /things", need("a.read")); err == nil {
				t.Error("Begin: no error")
			}
		})
	}
}

func TestReady_RateLimitOfTokens_IsPacedLikeAnyBucket(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now().Truncate(time.Second)}
	s.now = at.Now
	c := connect(t, s, func(c *Config, e *egress.Config) { c.Now, e.Clock = at.Now, at })
	limited := func(w http.ResponseWriter) {
		w.Header().Set("X-Limit", "5")
		w.Header().Set("X-Remaining", "0")
		w.Header().Set("X-Reset", strconv.FormatInt(at.Now().Add(30*time.Second).Unix(), 10))
		w.WriteHeader(429)
	}
	s.answers = []func(http.ResponseWriter){limited, nil, nil}
	began := at.Now()
	if err := c.Ready(context.Background(), need("a.read")); err != nil {
		t.Fatal(err)
	}
	if waited := at.Now().Sub(began); waited < 30*time.Second {
		t.Errorf("waited %s", waited)
	}
	// A 429 of the API throws no token away.
	s.api = []func(http.ResponseWriter){limited, nil}
	if status, err := c.get(context.Background(), need("a.read")); status != 200 || err != nil || len(s.minted) != 1 {
		t.Errorf("%d %v, %d tokens", status, err, len(s.minted))
	}
	s.answers = slices.Repeat([]func(http.ResponseWriter){limited}, 20)
	wantError(t, c.Ready(context.Background(), need("b.read")), abi.Throttled, "rate_limited", "no access token")
}

func TestReady_KeyChanges_UsesTheNewOne(t *testing.T) {
	s := newServer(t)
	c := connect(t, s, nil)
	if err := c.Ready(t.Context(), need("a.read")); err != nil {
		t.Fatal(err)
	}
	if changed, err := c.Reload(t.Context()); changed || err != nil {
		t.Errorf("the same key: %v %v", changed, err)
	}
	c.key.set(sec1(t, ecKey(t, elliptic.P256())), nil)
	if changed, err := c.Reload(t.Context()); !changed || err != nil {
		t.Errorf("another key: %v %v", changed, err)
	}
	wantError(t, c.Ready(t.Context(), need("a.read")), abi.Rejected, "invalid_client")
	c.key.set("", errors.New("no such file"))
	wantError(t, c.Ready(t.Context(), need("b.read")), abi.Unavailable, "token", "oauth.private_key_ref", "no such file")
	c.key.set("garbage-that-is-secret", nil)
	err := c.Ready(t.Context(), need("b.read"))
	wantError(t, err, abi.Unavailable, "token", "env:KEY has no usable private key")
	if strings.Contains(err.Error(), "garbage") {
		t.Errorf("shows the secret: %v", err)
	}
}

func TestReady_CallerGivesUp_OthersGetTheToken(t *testing.T) {
	s := newServer(t)
	s.waiting = make(chan struct{})
	c := connect(t, s, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- c.Ready(ctx, need("a.read")) }()
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error")
	}
	go func() { ended <- c.Ready(context.Background(), need("a.read")) }()
	close(s.waiting)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestShows_TokensThatWereSent_AreFound(t *testing.T) {
	s := newServer(t)
	at := &clock{now: time.Now()}
	s.now = at.Now
	c := connect(t, s, func(c *Config, _ *egress.Config) { c.Now = at.Now })
	if err := c.Ready(t.Context(), need("a.read")); err != nil {
		t.Fatal(err)
	}
	clear(s.tokens)
	if status, err := c.get(t.Context(), need("a.read")); status != 200 || err != nil {
		t.Fatal(status, err)
	}
	for _, token := range []string{"access.token.000001", "access.token.000002"} {
		if !c.Shows("x"+token) || !c.ShowsIn([]byte(token)) {
			t.Errorf("%s is not found", token)
		}
	}
	if c.Shows("access.token.000003") {
		t.Error("another text is found")
	}
	at.add(2 * time.Hour)
	if c.Shows("access.token.000001") {
		t.Error("an expired token is still searched")
	}
	if len(c.sent)+len(c.tokens) > 0 {
		t.Errorf("%d and %d expired tokens are kept", len(c.sent), len(c.tokens))
	}
	if strings.Contains(c.log.String(), "access.token") {
		t.Errorf("log: %s", c.log)
	}
}

func TestReady_LifeOfTokens_IsRead(t *testing.T) {
	for _, c := range []struct {
		life any
		want time.Duration
	}{{3600, time.Hour}, {"600", 10 * time.Minute}, {nil, defaultLife}, {0, defaultLife}, {-5, defaultLife}, {1e300, 30 * 24 * time.Hour}, {"x", defaultLife}, {0.5, 0}} {
		s := newServer(t)
		s.life = c.life
		client := connect(t, s, nil)
		if err := client.Ready(t.Context(), need("a.read")); err != nil {
			t.Fatal(err)
		}
		if len(client.tokens) != 1 {
			t.Fatalf("%v: %d tokens", c.life, len(client.tokens))
		}
		for _, token := range client.tokens {
			if left := time.Until(token.expires); left > c.want || left < c.want-time.Minute || token.renew.After(token.expires) {
				t.Errorf("%v: valid for %s, want %s", c.life, left, c.want)
			}
		}
	}
}
