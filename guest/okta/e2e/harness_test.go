package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/e2e"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/journal"
	"github.com/mach5/okta-connector/internal/openapi"
)

// world is an org that is checked against Okta's OpenAPI document, and a connection to it with every grant.
type world struct {
	*host.Connection
	org *oktatest.Org
}

func newWorld(t *testing.T, cfg oktatest.Config) world {
	t.Helper()
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(cfg)
	return world{bound(t, judge.Middleware(t, withToken(org)), abi.Classes()...), org}
}

// do invokes an operation and checks its outcome.
func (w world) do(t *testing.T, want abi.Outcome, op, input string) *abi.Result {
	t.Helper()
	res, _ := w.Invoke(context.Background(), op, json.RawMessage(input))
	if res.Outcome != want {
		t.Fatalf("%s %s: %s %+v, want %s", op, input, res.Outcome, res.Error, want)
	}
	if (res.Error == nil) != want.OK() {
		t.Errorf("%s: error %+v with outcome %s", op, res.Error, want)
	}
	return res
}

// get returns a member of a JSON object.
func get(t *testing.T, raw json.RawMessage, path ...string) string {
	t.Helper()
	for _, p := range path {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%v in %.200s", err, raw)
		}
		raw = m[p]
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// bound connects the real module to a handler.
func bound(t *testing.T, h http.Handler, grants ...abi.Class) *host.Connection {
	t.Helper()
	return boundWith(t, h, host.ConnectOptions{}, grants...)
}

func boundWith(t *testing.T, h http.Handler, opts host.ConnectOptions, grants ...abi.Class) *host.Connection {
	t.Helper()
	opts.Sleep = hosttest.ShortSleep
	config := host.Config{Name: "real", Grants: grants}
	if secondRun {
		secondApp().signIn(&config, &opts)
	}
	return hosttest.Serve(t, hosttest.Connector.Module(t), h, config, opts)
}

// withToken returns an org that accepts the tests' token.
func withToken(org *oktatest.Org) http.Handler {
	if secondRun {
		org.AddServiceApp(secondApp().ServiceApp)
		return org
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			r.Header.Set("Authorization", "SSWS "+org.Token())
		}
		org.ServeHTTP(w, r)
	})
}

// connectTo returns a connection with every grant to an address.
func connectTo(t *testing.T, url string, change e2e.Change) *host.Connection {
	t.Helper()
	config, opts := host.Config{Name: "actor", BaseURL: url, Grants: abi.Classes()}, host.ConnectOptions{Sleep: hosttest.ShortSleep}
	if change != nil {
		change(&config, &opts)
	}
	return hosttest.Connect(t, hosttest.Connector.Module(t), config, opts)
}

func withJournal(j journal.Journal) e2e.Change {
	return func(_ *host.Config, o *host.ConnectOptions) { o.Journal = j }
}

// refusing returns the address of an org that refuses every write with a body.
func refusing(t *testing.T, body string) string {
	org := withToken(oktatest.New(oktatest.Config{}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			org.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// actor returns a connection with every grant to a new org.
func actor(t *testing.T, change e2e.Change) (*host.Connection, *oktatest.Server) {
	t.Helper()
	return e2e.Start(t, oktatest.Config{}, change)
}
