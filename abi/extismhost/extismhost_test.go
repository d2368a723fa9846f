package extismhost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/extismhost"
	"github.com/mach5/okta-connector/build/pack"
)

const token = "tokenThatMustNeverShowUpAnywhere0123456789"

// rig is the kit's guest, which does what its input says, on the host, with a server that records requests.
type rig struct {
	*extismhost.Host
	mu   sync.Mutex
	seen []*http.Request
}

func newRig(t *testing.T, answer http.HandlerFunc) *rig {
	t.Helper()
	m := abi.Manifest{ABI: abi.Version, Minor: abi.Minor, Kind: "test", Version: "1", ConfigSchema: json.RawMessage(`{}`),
		Auth: []abi.Auth{{Type: abi.AuthToken, Header: "Authorization", Prefix: "Bearer"}}, ResponseHeaders: []string{"trace"},
		Operations: []abi.Operation{{Name: "read", Summary: "x", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}, Idempotency: abi.Safe, Key: "id",
			InputSchema: json.RawMessage(`{"type":"object"}`), Endpoints: []abi.Endpoint{{Endpoint: "GET /things/{id}", Bucket: "x", Query: []string{"expand"}}}}}}
	manifest, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := pack.CachedPackage(t.Context(), "./abi/conformance/guest", manifest)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, req)
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
			return
		}
		_, _ = fmt.Fprint(w, `{"id":"1"}`)
	}))
	t.Cleanup(server.Close)
	if r.Host, err = extismhost.New(t.Context(), wasm, extismhost.Config{BaseURL: server.URL, Token: token}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

// send has the guest send a request, and returns the host's answer to it.
func (r *rig) send(t *testing.T, request string) abi.Response {
	t.Helper()
	step, err := json.Marshal(map[string]string{"do": "http_send", "text": request})
	if err != nil {
		t.Fatal(err)
	}
	_, output, err := r.Invoke(t.Context(), "read", json.RawMessage(`{"steps":[`+string(step)+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Steps []struct{ Text string } }
	var resp abi.Response
	if err := json.Unmarshal(output, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got.Steps[0].Text), &resp); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	return resp
}

func TestSend_WhatTheGrantLacks_IsNotSent(t *testing.T) {
	const get = `"endpoint":"GET /things/{id}","path":{"id":"1"}`
	r := newRig(t, nil)
	for name, request := range map[string]string{
		"another endpoint":             `{"endpoint":"GET /others"}`,
		"a path step in a blank":       `{"endpoint":"GET /things/{id}","path":{"id":"../../admin"}}`,
		"an escaped path step":         `{"endpoint":"GET /things/{id}","path":{"id":"%2e%2e"}}`,
		"a blank that is not there":    `{"endpoint":"GET /things/{id}","path":{"id":"1","other":"2"}}`,
		"no value for a blank":         `{"endpoint":"GET /things/{id}"}`,
		"a link to a path step":        `{"endpoint":"GET /things/{id}","link":"/things/%2e%2e"}`,
		"a link to a hidden path step": `{"endpoint":"GET /things/{id}","link":"/things/%252e%252e"}`,
		"a link elsewhere":             `{"endpoint":"GET /things/{id}","link":"/things/1/more"}`,
		"a cookie":                     `{` + get + `,"headers":{"Cookie":"a=b"}}`,
		"another address":              `{` + get + `,"headers":{"X-Forwarded-For":"10.0.0.1"}}`,
		"a header twice":               `{` + get + `,"headers":{"If-None-Match":"1","if-none-match":"2"}}`,
		"a credential of its own":      `{` + get + `,"headers":{"Authorization":"Bearer mine"}}`,
		"a query that is not declared": `{` + get + `,"query":[["all","true"]]}`,
		"a control character":          `{` + get + `,"query":[["expand","a\nb"]]}`,
	} {
		if resp := r.send(t, request); resp.Error == nil {
			t.Errorf("%s: answered %d", name, resp.Status)
		}
	}
	if len(r.seen) > 0 {
		t.Errorf("%d requests were sent, the first to %s", len(r.seen), r.seen[0].RequestURI)
	}
	if resp := r.send(t, `{`+get+`,"query":[["expand","all"]],"headers":{"Authorization":"{{auth}}"}}`); resp.Status != 200 || len(r.seen) != 1 || r.seen[0].Header.Get("Authorization") != "Bearer "+token {
		t.Errorf("what is granted: %+v", resp.Error)
	}
}

func TestSend_AnswerWithTheToken_IsDiscarded(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"in the body": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, `{"you sent":%q}`, token) },
		"in a header": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Trace", token) },
	} {
		resp := newRig(t, answer).send(t, `{"endpoint":"GET /things/{id}","path":{"id":"1"},"headers":{"Authorization":"{{auth}}"}}`)
		if resp.Error == nil || resp.Error.Code != abi.SendTainted || resp.Body != 0 || strings.Contains(fmt.Sprintf("%+v", resp), token) {
			t.Errorf("%s: %+v", name, resp)
		}
	}
}

// TestCall_GuestThatSpins_EndsWithItsContext: go-sdk stops a guest only if its runtime is configured so.
func TestCall_GuestThatSpins_EndsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := r.Invoke(ctx, "read", json.RawMessage(`{"steps":[{"do":"spin"}]}`)); err == nil {
		t.Error("a guest that spins came to an end")
	}
	if _, _, err := r.Invoke(t.Context(), "read", nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestCall_WithoutInput_TakesAnEmptyObject(t *testing.T) {
	r := newRig(t, nil)
	for _, input := range []json.RawMessage{nil, {}, json.RawMessage(`{}`)} {
		_, _, err1 := r.Invoke(t.Context(), "read", input)
		_, _, err2 := r.Source(t.Context(), "read", input, input[:0:0])
		_, _, err3 := r.Table(t.Context(), "read", input, "", 0)
		if errs := []error{err1, err2, err3}; slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			t.Errorf("%q: %v", input, errs)
		}
	}
}
