package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/oktatest"
)

// shared is a file of Okta's own examples and recordings, which lie beside the checkout on the project's machines.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("OKTA_SHARED")
	if dir == "" {
		root, err := pack.Root()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(root, "..", "shared")
	}
	b, err := os.ReadFile(filepath.Join(dir, "okta", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not here: set OKTA_SHARED to the folder that holds okta/%s", dir, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bound connects the real module to a handler.
func bound(t *testing.T, h http.Handler, grants ...abi.Class) *host.Connection {
	t.Helper()
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	c, err := m.Connect(ctx, host.Config{Name: "real", Kind: "okta", BaseURL: server.URL, TokenSecretRef: "env:X", Grants: grants},
		host.ConnectOptions{Secrets: fixedSecret(token)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close(ctx)
		_ = m.Close(ctx)
		server.Close()
	})
	return c
}

// same compares JSON by value, numbers by their text.
func same(t *testing.T, got, want []byte) bool {
	t.Helper()
	value := func(b []byte) (v any) {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%v in %.200s", err, b)
		}
		return v
	}
	return reflect.DeepEqual(value(got), value(want))
}

// TestRecordedAnswersComeOutUnchanged sends what Okta really answered through the operations that read it.
func TestRecordedAnswersComeOutUnchanged(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(shared(t, "recorded.jsonl")), []byte("\n"))
	ran := 0
	for i, line := range lines {
		var rec struct {
			Endpoint, Path, Query, Body string
			Status                      int
			Headers                     map[string]any // a value, or several
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		var operation string
		input := map[string]any{}
		switch rec.Endpoint {
		case "GET /api/v1/users/{id}":
			operation, input["user"] = "lookup_user", rec.Path[strings.LastIndexByte(rec.Path, '/')+1:]
		case "GET /api/v1/users":
			operation = "list_users"
		default:
			continue
		}
		ran++
		t.Run(fmt.Sprintf("line %d %s", i+1, rec.Endpoint), func(t *testing.T) {
			// The recorded page alone, whatever its links say: what follows it was not recorded.
			c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for name, values := range rec.Headers {
					if name != "Link" && name != "Content-Length" && name != "Content-Encoding" && name != "Transfer-Encoding" {
						all, several := values.([]any)
						if !several {
							all = []any{values}
						}
						for _, v := range all {
							w.Header().Add(name, fmt.Sprint(v))
						}
					}
				}
				w.WriteHeader(rec.Status)
				_, _ = w.Write([]byte(rec.Body))
			}))
			in, _ := json.Marshal(input)
			res, err := c.Invoke(context.Background(), operation, in)
			if err != nil {
				t.Fatal(err)
			}
			got := []byte(res.Output)
			if operation == "list_users" {
				var list struct{ Records json.RawMessage }
				if err := json.Unmarshal(got, &list); err != nil {
					t.Fatal(err)
				}
				got = list.Records
			}
			if !same(t, got, []byte(rec.Body)) {
				t.Errorf("got  %.300s\nwant %.300s", got, rec.Body)
			}
		})
	}
	if ran < 6 {
		t.Errorf("%d recordings were used, 6 were there", ran)
	}
}

// TestPublishedEventsComeOutByteForByte builds a log of the events that Okta publishes, and reads it through the source.
func TestPublishedEventsComeOutByteForByte(t *testing.T) {
	var published struct {
		Responses map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(shared(t, "examples/GET_api_v1_logs.json"), &published); err != nil {
		t.Fatal(err)
	}
	var want []string
	org := oktatest.New(oktatest.Config{Events: -1})
	for _, example := range published.Responses["200"] {
		var events []json.RawMessage
		if json.Unmarshal(example, &events) != nil { // one event, or a page of them
			events = []json.RawMessage{example}
		}
		for _, e := range events {
			var one bytes.Buffer // the file is indented; an event on the wire is not
			if err := json.Compact(&one, e); err != nil {
				t.Fatal(err)
			}
			want = append(want, one.String())
			org.AppendEvent(one.Bytes())
		}
	}
	for _, line := range bytes.Split(bytes.TrimSpace(shared(t, "system-log/okta-docs.jsonl")), []byte("\n")) {
		want = append(want, string(line))
		org.AppendEvent(line)
	}
	c := bound(t, withToken(org))
	var got []string
	for rec, err := range c.Source(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(rec.JSON))
	}
	if len(want) == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d events of %d came out as they went in\n got %.500s\nwant %.500s", len(got), len(want), got, want)
	}
}

// withToken lets the tests' token into an org.
func withToken(org *oktatest.Org) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			r.Header.Set("Authorization", "SSWS "+org.Token())
		}
		org.ServeHTTP(w, r)
	})
}

// TestRecordsKeepTheirBytes: numbers, unicode, escapes and the order of members are not touched; an indented record
// only loses its line breaks.
func TestRecordsKeepTheirBytes(t *testing.T) {
	events := []string{
		`{"uuid":"1","published":"2026-01-02T03:04:05.000Z","n":1.0,"big":12345678901234567890,"e":1e3,"neg":-0}`,
		`{"b":1,"a":2,"uuid":"2","published":"2026-01-02T03:04:05Z","s":"é\u00e9😀\ud83d\ude00\/\n","nested":{"x":[]}}`,
		`{ "uuid" : "3" , "dup":1, "dup":2 }`,
	}
	page := "[" + events[0] + ",\n  " + events[1] + "," + "{\n\t\"uuid\":\r\n\"4\"}" + "," + events[2] + "]"
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) }))
	var ndjson bytes.Buffer
	for p, err := range c.SourcePages(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.WriteTo(&ndjson); err != nil {
			t.Fatal(err)
		}
	}
	want := events[0] + "\n" + events[1] + "\n" + "{ \t\"uuid\":  \"4\"}" + "\n" + events[2] + "\n"
	if ndjson.String() != want {
		t.Errorf("got  %q\nwant %q", ndjson.String(), want)
	}
}
