package egress

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// another returns a client of a service with other conventions, and the last request that the service got.
func another(t *testing.T, change func(*Service), answer http.HandlerFunc) (*Client, *http.Request) {
	t.Helper()
	got := new(http.Request)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*got = *r.Clone(context.Background())
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	cl, _ := client(t, server.URL, func(c *Config) {
		c.Service = Service{AuthHeader: "x-api-key"}
		if change != nil {
			change(&c.Service)
		}
	})
	return cl, got
}

func TestSend_WithAnotherAuthHeader_PutsTheCredentialThere(t *testing.T) {
	cl, got := another(t, nil, nil)
	_, sendErr := cl.Send(context.Background(), Call{Endpoint: endpoint("GET /x"), Authorization: "real", Request: abi.Request{Headers: map[string]string{"X-API-Key": "guess"}}})
	if sendErr != nil || got.Header.Get("X-Api-Key") != "real" || got.Header.Get("Authorization") != "" {
		t.Errorf("%+v, sent %v", sendErr, got.Header)
	}
	_, sendErr = cl.Send(context.Background(), Call{Endpoint: endpoint("GET /x"), Request: abi.Request{Headers: map[string]string{"Authorization": "mine"}}})
	if sendErr == nil || sendErr.Code != abi.SendMalformed || sendErr.Message != `header "Authorization" may not be set` {
		t.Errorf("the guest's own Authorization: %+v", sendErr)
	}
}

func TestSend_WithDeclaredHeaders_ShowsThem(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Trace", "t1")
		w.Header().Set("X-Okta-Request-Id", "r1")
		w.Header().Set("Set-Cookie", "a=b")
	}
	cl, _ := another(t, func(s *Service) { s.RequestIDHeader, s.ResponseHeaders = "X-Trace", []string{"x-trace"} }, answer)
	resp, _ := get(cl)
	if h := cl.ABIHeaders(resp); resp.RequestID != "t1" || h["x-trace"][0] != "t1" || h["x-okta-request-id"] != nil || h["set-cookie"] != nil {
		t.Errorf("request %q, headers %v", resp.RequestID, h)
	}
	cl, _ = another(t, nil, answer)
	resp, _ = get(cl)
	if h := cl.ABIHeaders(resp); resp.RequestID != "" || h["x-trace"] != nil {
		t.Errorf("without a header: request %q, headers %v", resp.RequestID, h)
	}
}

func TestSend_OfUndeclaredQueryNames_IsRefused(t *testing.T) {
	declared := func(names ...string) func(abi.Endpoint) abi.Endpoint {
		return func(e abi.Endpoint) abi.Endpoint { e.Query = names; return e }
	}
	none := func(e abi.Endpoint) abi.Endpoint { e.Query = nil; return e }
	for name, c := range map[string]struct {
		endpoint string
		declare  func(abi.Endpoint) abi.Endpoint
		query    string
		old, ok  bool
	}{
		"a write, declared":                    {"POST /x", declared("notify"), "notify", false, true},
		"a write, another":                     {"POST /x", declared("notify"), "_method", false, false},
		"a write, other letters":               {"POST /x", declared("notify"), "Notify", false, false},
		"a write that declares none":           {"PATCH /x", none, "_method", false, false},
		"a DELETE that declares none":          {"DELETE /x", none, "a", false, false},
		"a write of minor version 0":           {"POST /x", none, "notify", true, false},
		"a write of minor version 0, declared": {"POST /x", declared("notify"), "notify", true, true},
		"a GET of minor version 0":             {"GET /x", none, "filter", true, true},
		"a GET of minor version 0, a method":   {"GET /x", none, "_method", true, false},
		"a GET that declares none":             {"GET /x", none, "filter", false, false},
		"a GET, declared":                      {"GET /x", declared("filter"), "filter", false, true},
		"a GET, another than the declared one": {"GET /x", declared("filter"), "expand", false, false},
	} {
		cl, got := another(t, func(s *Service) { s.Minor0 = c.old }, nil)
		_, sendErr := cl.Send(context.Background(), Call{Endpoint: c.declare(endpoint(c.endpoint)), Request: abi.Request{Query: [][2]string{{c.query, "1"}}}})
		if c.ok && (sendErr != nil || got.URL.RawQuery != c.query+"=1") {
			t.Errorf("%s: %+v, sent %v", name, sendErr, got.URL)
		}
		if !c.ok && (sendErr == nil || sendErr.Code != abi.SendMalformed || !strings.Contains(sendErr.Message, "does not declare the query") || got.URL != nil) {
			t.Errorf("%s: %+v, sent %v", name, sendErr, got.URL)
		}
	}
	// The guest passes a link, so it may not come from the service.
	cl, got := another(t, nil, nil)
	for link, ok := range map[string]bool{"/x?after=1": true, "/x?after=1&_method=DELETE": false, "/x?%61fter=1": true, "/x?%5Fmethod=DELETE": false, "/x?_method": false} {
		got.URL = nil
		_, sendErr := cl.Send(context.Background(), Call{Endpoint: declared("after")(endpoint("GET /x")), Request: abi.Request{Link: link}})
		if (sendErr == nil) != ok || (got.URL != nil) != ok {
			t.Errorf("the link %s: %+v, sent %v", link, sendErr, got.URL)
		}
	}
}

func TestSend_ContentTypeParameters_AreThoseDeclared(t *testing.T) {
	cl, _ := another(t, func(s *Service) { s.ContentTypeParameters = []string{"profile"} }, nil)
	for value, ok := range map[string]bool{"application/json": true, "application/json; profile=short,flat": true, "application/json; Profile=short": true,
		"application/json; okta-response=omitCredentials": false, "application/json; profile=": false, "application/json; profile=a b": false, "text/json": false} {
		_, sendErr := cl.Send(context.Background(), Call{Endpoint: endpoint("PATCH /x"), Request: abi.Request{Body: []byte(`{}`), Headers: map[string]string{"Content-Type": value}}})
		if (sendErr == nil) != ok {
			t.Errorf("%q: %+v", value, sendErr)
		}
	}
}

func TestSend_PATCH_HasABodyAndIsNotRepeated(t *testing.T) {
	requests := 0
	cl, got := another(t, nil, func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	resp, sendErr := cl.Send(context.Background(), Call{Endpoint: endpoint("PATCH /x"), Request: abi.Request{Body: []byte(`{"a":1}`)}})
	if sendErr != nil || resp.Status != http.StatusServiceUnavailable || requests != 1 || got.Method != "PATCH" || got.ContentLength != 7 {
		t.Errorf("%+v after %d requests, %s with %d bytes", sendErr, requests, got.Method, got.ContentLength)
	}
}

func TestSend_OfUndeclaredHeaders_IsRefused(t *testing.T) {
	for _, c := range []struct {
		endpoint, name, value string
		old, ok               bool
	}{
		{"PUT /x", "If-Match", `"1"`, false, false},
		{"PUT /x", "Prefer", "respond-async", false, false},
		{"PUT /x", "Accept", "*/*", false, false},
		{"PUT /x", "If-Match", `"1"`, true, true},
		{"PUT /x", "If-Match", "abc-1", true, true},
		{"PUT /x", "If-Match", "*", true, false},
		{"GET /x", "If-Match", `"1"`, true, false},
		{"PUT /x", "Prefer", "respond-async", true, false},
	} {
		cl, got := another(t, func(s *Service) { s.Minor0 = c.old }, nil)
		_, sendErr := cl.Send(context.Background(), Call{Endpoint: endpoint(c.endpoint), Request: abi.Request{Headers: map[string]string{c.name: c.value}}})
		if (sendErr == nil) != c.ok || (got.URL != nil) != c.ok {
			t.Errorf("%+v: %+v, sent %v", c, sendErr, got.URL)
		}
	}
}
