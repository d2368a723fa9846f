package host

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/manifest"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// smallManifest is a seed for fuzzing.
const smallManifest = `{"abi":"mach5:connector/v1","minor":1,"auth":[{"type":"token","header":"Authorization","prefix":"Bearer"}],"kind":"test","version":"0","config_schema":{},"rate_limit_headers":{"limit":"L","remaining":"R","reset":"S"},
"operations":[{"name":"read","summary":"x","class":"read","class_rules":[{"field":"action","equals":"go","class":"destructive"}],"surfaces":["axon"],"idempotency":"safe",
"input_schema":{"type":"object","additionalProperties":false,"properties":{"action":{"type":"string","maxLength":8},"n":{"type":"integer","minimum":0},"when":{"format":"date-time"}}},
"key":"id","columns":[{"name":"id","type":"VARCHAR","path":"id"}],
"endpoints":[{"endpoint":"GET /api/v1/users/{id}","bucket":"users","class":"read"},{"endpoint":"GET /api/v1/logs","bucket":"logs","class":"read"},{"endpoint":"DELETE /api/v1/users/{id}","bucket":"users","class":"destructive"}]}]}`

func readSmallManifest(tb testing.TB) *Module {
	tb.Helper()
	m := &Module{log: slog.New(slog.DiscardHandler), code: new(sandbox.Module)}
	bin := &wasmbin.Module{Customs: []wasmbin.Custom{{Name: abi.ManifestSection, Data: []byte(smallManifest)}}}
	var err error
	if m.manifest, err = manifest.Read(bin, nil); err != nil {
		tb.Fatal(err)
	}
	return m
}

// FuzzManifest reads any manifest. An accepted one must grant nothing that its classes do not allow, and only plain
// paths.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(smallManifest))
	f.Add([]byte(strings.Replace(smallManifest, "/api/v1/logs", "/api/../logs", 1)))
	f.Add([]byte(strings.Replace(smallManifest, "DELETE", "QUERY", 1)))
	f.Add([]byte(strings.Replace(smallManifest, "DELETE", "PATCH", 1)))
	f.Add([]byte(strings.Replace(smallManifest, "{id}", "{id...}", 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := manifest.Read(&wasmbin.Module{Customs: []wasmbin.Custom{{Name: abi.ManifestSection, Data: text}}}, nil)
		if err != nil {
			return
		}
		for i := range m.Operations {
			op, _ := m.Find(m.Operations[i].Name)
			classes := []abi.Class{op.Class}
			for _, r := range op.ClassRules {
				classes = append(classes, r.Class)
			}
			for name, e := range op.Granted {
				allowed := false
				for _, c := range classes {
					allowed = allowed || c.Allows(e.Method())
				}
				if !allowed {
					t.Errorf("%s is granted to %s of %v", name, op.Name, classes)
				}
				u, err := url.Parse(e.Template())
				if err != nil || u.Host != "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(e.Template(), "..") && strings.Contains(e.Template()+"/", "/../") {
					t.Errorf("the endpoint %q is no plain path", name)
				}
			}
			if op.On(abi.SQL) && op.Class != abi.Read || op.On(abi.Ingest) && op.Class != abi.Read {
				t.Errorf("%s is on a read-only surface with class %s", op.Name, op.Class)
			}
			if err := op.Input.Compile(); err != nil {
				t.Errorf("a schema was accepted that cannot be compiled: %v", err)
			}
		}
	})
}

// FuzzInput validates any input. An accepted one must have a single meaning for all JSON readers.
func FuzzInput(f *testing.F) {
	m := readSmallManifest(f)
	op, _ := m.operation("read")
	for _, s := range []string{`{}`, `{"action":"go"}`, `{"action":"go","action":"stop"}`, `{"n":1e3}`, `{"when":"2026-01-02T03:04:05Z"}`, `{"\u0061ction":"go"}`, `[]`, `{"n":1}{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		fields, err := op.Input.Check(input)
		if err != nil {
			return
		}
		if !json.Valid(input) {
			t.Fatalf("%q is not JSON, but was accepted", input)
		}
		// The host must have seen the first of each member, in the order of the text.
		dec := json.NewDecoder(bytes.NewReader(input))
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			var value json.RawMessage
			if err := dec.Decode(&value); err != nil {
				t.Fatal(err)
			}
			if seen[key.(string)] {
				t.Fatalf("%q has a duplicate member %q", input, key)
			}
			seen[key.(string)] = true
			if _, ok := fields[key.(string)]; !ok {
				t.Fatalf("%q has %q, but the host did not see it", input, key)
			}
		}
		class := op.InputClass(fields)
		var read struct {
			Action *string `json:"action"`
		}
		if err := json.Unmarshal(input, &read); err == nil && read.Action != nil && seen["action"] {
			if want := *read.Action == "go"; want != (class == abi.Destructive) {
				t.Fatalf("%q is of class %s", input, class)
			}
		}
	})
}

// FuzzRequest sends any request of a module. What is sent must be a granted endpoint at the connection's host.
func FuzzRequest(f *testing.F) {
	mux := http.NewServeMux()
	granted := false
	mux.HandleFunc("GET /api/v1/users/{id}", func(http.ResponseWriter, *http.Request) { granted = true })
	mux.HandleFunc("GET /api/v1/logs", func(http.ResponseWriter, *http.Request) { granted = true })
	var wrong string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		granted = false
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if !granted || r.Host != r.Context().Value(http.LocalAddrContextKey).(net.Addr).String() || strings.Contains(r.URL.EscapedPath(), "..") {
			wrong = r.Method + " " + r.RequestURI + " at " + r.Host
		}
	}))
	f.Cleanup(server.Close)
	m := readSmallManifest(f)
	c, err := m.Connect(context.Background(), Config{Name: "fuzz", Kind: "test", BaseURL: server.URL, TokenSecretRef: "env:X", Grants: abi.Classes(), AllowPrivateNetwork: true},
		ConnectOptions{Secrets: fixedSecret{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = c.Close(context.Background()) })
	for _, s := range []string{
		`{"endpoint":"GET /api/v1/logs"}`, `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"a/b"}}`, `{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"x"}}`,
		`{"endpoint":"GET /api/v1/logs","link":"https://evil.example/api/v1/logs?after=1"}`, `{"endpoint":"GET /api/v1/logs","query":[["q","a&b"]]}`,
		`{"endpoint":"GET /api/v1/logs","headers":{"Accept":"x","authorization":"Bearer x"}}`, `{"endpoint":"GET /api/v1/logs","body":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		op, _ := m.operation("read")
		run := c.newCall(op, abi.Read, abi.Axon, nil)
		defer run.end()
		ctx, cancel := context.WithTimeout(context.Background(), c.limits.CallTimeout)
		defer cancel()
		out := run.send(ctx, raw)
		if wrong != "" {
			t.Fatalf("%q was sent as %s", raw, wrong)
		}
		if out.Error != nil && out.Error.Code == abi.SendDenied && run.violation == nil {
			t.Fatalf("%q was denied, but the call did not fail", raw)
		}
	})
}

// FuzzConfig connects with any configuration. A connection must use https, or this machine if that is allowed.
func FuzzConfig(f *testing.F) {
	m := readSmallManifest(f)
	f.Add("name", "https://service.example.com", "env:X", 200, "read", false)
	f.Add("name", "http://127.0.0.1:80", "env:X", 0, "", true)
	f.Add("name", "https://localhost.", "env:X", 0, "", false)
	f.Add("o", "https://user@service.example.com/x?y#z", "file:/x", -1, "all", false)
	f.Fuzz(func(t *testing.T, name, base, ref string, size int, grant string, private bool) {
		cfg := Config{Name: name, Kind: "test", BaseURL: base, TokenSecretRef: ref, DefaultPageSize: size, AllowPrivateNetwork: private}
		if grant != "" {
			cfg.Grants = []abi.Class{abi.Class(grant)}
		}
		c, err := m.Connect(context.Background(), cfg, ConnectOptions{Secrets: fixedSecret{}})
		if err != nil {
			return
		}
		defer func() { _ = c.Close(context.Background()) }()
		if u := c.base; u.Scheme != "https" && !(private && u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())) ||
			u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.Host, " \r\n\t/@") {
			t.Errorf("%q became %q", base, u)
		}
		for _, g := range c.config.Grants {
			if !g.Valid() {
				t.Errorf("it grants %q", g)
			}
		}
	})
}
