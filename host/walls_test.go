package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
)

// These tests use a hostile module: host/testdata/hostile does what its input says.

func hostileManifest() []byte {
	schema := json.RawMessage(`{"type":"object","properties":{"password":{"x-sensitive":true}}}`)
	op := func(name string, class abi.Class, surfaces []abi.Surface, endpoints ...string) abi.Operation {
		o := abi.Operation{Name: name, Summary: "does what its input says", Class: class, Surfaces: surfaces, Idempotency: abi.Safe, InputSchema: schema}
		for _, e := range endpoints {
			o.Endpoints = append(o.Endpoints, abi.Endpoint{Endpoint: e, Bucket: e})
		}
		return o
	}
	read := op("read", abi.Read, []abi.Surface{abi.Axon, abi.SQL, abi.Ingest}, "GET /api/v1/users/{id}", "GET /api/v1/logs")
	read.Key = "id"
	raised := op("raised", abi.Read, []abi.Surface{abi.Axon}, "GET /api/v1/users/{id}", "DELETE /api/v1/users/{id}")
	write := op("write", abi.Write, []abi.Surface{abi.Axon}, "GET /api/v1/users/{id}", "POST /api/v1/users", "PUT /api/v1/users/{id}")
	write.Endpoints[2].Query, write.Endpoints[2].Headers = []string{"strict"}, []abi.RequestHeader{{Name: "If-Match"}}
	read.Endpoints[1].Query = []string{"q", "after"}
	raised.ClassRules = []abi.ClassRule{{Field: "raise", Class: abi.Destructive}}
	raised.InputSchema, raised.Endpoints[1].Class = json.RawMessage(`{"type":"object","properties":{"raise":{}}}`), abi.Destructive
	m := abi.Manifest{ABI: abi.Version, Minor: abi.Minor, Kind: "hostile", Version: "0", ConfigSchema: schema,
		Auth: []abi.Auth{{Type: abi.AuthToken, Header: "Authorization", Prefix: "Bearer"}}, RequestIDHeader: "X-Request-Id", ResponseHeaders: []string{"x-request-id"},
		RateLimitHabits:  &abi.RateLimitHabits{ZeroLimit: abi.ZeroConcurrency},
		RateLimitHeaders: abi.RateLimitHeaders{Limit: "X-Rate-Limit-Limit", Remaining: "X-Rate-Limit-Remaining", Reset: "X-Rate-Limit-Reset"},
		Operations: []abi.Operation{
			read,
			write,
			raised,
		}}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

var hostileGuest = hosttest.Package("./host/testdata/hostile", hostileManifest(), host.LoadOptions{Memory: 32 << 20})

// rig connects the hostile module to a server that records requests, and keeps the connection's log.
type rig struct {
	*host.Connection
	seen *hosttest.Recorder
	logs *strings.Builder
}

func newRig(t *testing.T, limits host.Limits, handler http.HandlerFunc, grants ...abi.Class) *rig {
	t.Helper()
	if handler == nil {
		handler = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"00u1"}`) }
	}
	r := &rig{logs: &strings.Builder{}, seen: &hosttest.Recorder{Handler: handler}}
	var mu sync.Mutex
	t.Cleanup(func() { // after the connection is closed
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(r.logs.String(), hosttest.Token) {
			t.Error("the token is in the log")
		}
	})
	r.Connection = hosttest.Serve(t, hostileGuest.Module(t), r.seen, host.Config{Grants: grants},
		host.ConnectOptions{Limits: limits, Logger: slog.New(slog.NewJSONHandler(lockedWriter{&mu, r.logs}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	return r
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// answers are the results that the hostile module got for its requests.
type answers struct {
	Answers []struct {
		Response abi.Response `json:"response"`
		Body     string       `json:"body"`
		Emitted  string       `json:"emitted"`
	} `json:"answers"`
	Placeholder string `json:"placeholder"`
}

// send makes the hostile module send requests, and returns the result of the call.
func (r *rig) send(t *testing.T, op string, requests ...string) *abi.Result {
	t.Helper()
	input := `{"do":"send","emit":{},"requests":[` + strings.Join(requests, ",") + `]}`
	if op == "raised" {
		input = strings.Replace(input, "{", `{"raise":"x",`, 1)
	}
	res, _ := r.Invoke(context.Background(), op, json.RawMessage(input))
	if text, _ := json.Marshal(res); strings.Contains(string(text), hosttest.Token) {
		t.Errorf("the token is in the result: %s", text)
	}
	return res
}

func TestInvoke_OfOtherEndpoints_IsDenied(t *testing.T) {
	for _, c := range []struct {
		name, op, request string
		uri               string // what the server sees; empty if nothing
	}{
		{"granted", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"ada@example.com"}}`, "GET /api/v1/users/ada@example.com"},
		{"a slash in a blank", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"a/b?c#d"}}`, ""},
		{"a query that the endpoint does not declare", "read", `{"endpoint":"GET /api/v1/logs","query":[["expand","x"]]}`, ""},
		{"a query of a link that the endpoint does not declare", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?_method=DELETE"}`, ""},
		{"a header that the endpoint does not declare", "write", `{"endpoint":"POST /api/v1/users","body":{},"headers":{"Prefer":"respond-async"}}`, ""},
		{"an endpoint of another operation", "read", `{"endpoint":"POST /api/v1/users","body":{}}`, ""},
		{"an endpoint of no operation", "read", `{"endpoint":"GET /api/v1/groups"}`, ""},
		{"a URL for an endpoint", "read", `{"endpoint":"GET https://evil.example/api/v1/users/{id}","path":{"id":"x"}}`, ""},
		{"a method above the class", "raised", `{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"x"}}`, "DELETE /api/v1/users/x"},
		{"dots in a blank", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":".."}}`, ""},
		{"a path step in a blank", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"../groups"}}`, ""},
		{"an escaped path step", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"%2e%2e"}}`, ""},
		{"a path step escaped twice", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"%252e%252e"}}`, ""},
		{"a line break in a blank", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x\r\nX-Evil: 1"}}`, ""},
		{"an empty blank", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":""}}`, ""},
		{"a surplus blank", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x","y":"z"}}`, ""},
		{"a line break in a query", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","x\r\ny"]]}`, ""},
		{"a query in a query's name", "read", `{"endpoint":"GET /api/v1/logs","query":[["a=b&c","x"]]}`, ""},
		{"a query stays a value", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","x&limit=1#f"]]}`, "GET /api/v1/logs?q=x%26limit%3D1%23f"},
		{"a link to another origin goes to ours", "read", `{"endpoint":"GET /api/v1/logs","link":"https://evil.example/api/v1/logs?after=1"}`, "GET /api/v1/logs?after=1"},
		{"a link to another path", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/groups"}`, ""},
		{"a link with path steps", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs/../groups"}`, ""},
		{"a link with a user", "read", `{"endpoint":"GET /api/v1/logs","link":"https://u:p@x/api/v1/logs"}`, ""},
		{"a link with a fragment", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs#x"}`, ""},
		{"a link for a write", "write", `{"endpoint":"POST /api/v1/users","link":"/api/v1/users","body":{}}`, ""},
		{"a Host header", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Host":"evil.example"}}`, ""},
		{"a line break in a header", "read", `{"endpoint":"GET /api/v1/logs","headers":{"Accept":"x\r\ny: z"}}`, ""},
		{"a body on a GET", "read", `{"endpoint":"GET /api/v1/logs","body":{}}`, ""},
		{"an unknown field", "read", `{"endpoint":"GET /api/v1/logs","url":"https://evil.example"}`, ""},
		{"not an object", "read", `"x"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, host.Limits{}, nil, abi.Classes()...)
			res := r.send(t, c.op, c.request)
			if got := strings.Join(r.seen.URIs(), "; "); got != c.uri {
				t.Fatalf("the server saw %q, want %q (%+v)", got, c.uri, res)
			}
			if c.uri == "" && res.Outcome == abi.Succeeded && !strings.Contains(string(res.Output), `"error"`) {
				t.Errorf("the guest got no error: %s", res.Output)
			}
		})
	}
}

func TestInvoke_OfAnInputsClass_BoundsTheEndpoints(t *testing.T) {
	r := newRig(t, host.Limits{}, nil, abi.Classes()...)
	input := json.RawMessage(`{"do":"send","requests":[{"endpoint":"DELETE /api/v1/users/{id}","path":{"id":"x"}}]}`)
	res, err := r.Invoke(context.Background(), "raised", input) // without "raise", the class is read
	if err == nil || res.Outcome != abi.Failed || res.Error.Code != "endpoint_not_granted" || len(r.seen.URIs()) != 0 {
		t.Errorf("%+v %v; the server saw %v", res, err, r.seen.URIs())
	}
}

func TestInvoke_WithoutGrant_IsDeniedBeforeTheModuleRuns(t *testing.T) {
	for _, c := range []struct {
		op     string
		grants []abi.Class
		want   abi.Outcome
	}{
		{"read", nil, abi.Succeeded},
		{"read", []abi.Class{abi.Write}, abi.Denied},
		{"write", nil, abi.Denied},
		{"write", []abi.Class{abi.Destructive, abi.Privileged}, abi.Denied},
		{"write", []abi.Class{abi.Write}, abi.Succeeded},
		{"raised", []abi.Class{abi.Read}, abi.Denied},
		{"raised", []abi.Class{abi.Destructive}, abi.Succeeded},
	} {
		t.Run(fmt.Sprint(c.op, c.grants), func(t *testing.T) {
			r := newRig(t, host.Limits{}, nil, c.grants...)
			res := r.send(t, c.op, `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x"}}`)
			if res.Outcome != c.want {
				t.Errorf("%s, want %s: %+v", res.Outcome, c.want, res.Error)
			}
			if sent := len(r.seen.URIs()); (sent > 0) != (c.want == abi.Succeeded) {
				t.Errorf("%d requests were sent", sent)
			}
		})
	}
}

func TestInvoke_WithThePlaceholderElsewhere_IsRefused(t *testing.T) {
	const get = `"endpoint":"GET /api/v1/users/{id}","path":{"id":"x"}`
	for _, c := range []struct{ name, op, request string }{
		{"in a body", "write", `{"endpoint":"POST /api/v1/users","body":{"x":"{{secret}}"}}`},
		{"in a query", "read", `{"endpoint":"GET /api/v1/logs","query":[["q","{{secret}}"]]}`},
		{"in a path", "read", `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"{{secret}}"}}`},
		{"in a link", "read", `{"endpoint":"GET /api/v1/logs","link":"/api/v1/logs?q={{secret}}"}`},
		{"in another header", "read", `{` + get + `,"headers":{"If-Match":"{{secret}}"}}`},
		{"twice", "read", `{` + get + `,"headers":{"Authorization":"{{auth}} {{auth}}"}}`},
		{"with another scheme", "read", `{` + get + `,"headers":{"Authorization":"Basic {{secret}}"}}`},
		{"in two spellings", "read", `{` + get + `,"headers":{"Authorization":"{{auth}}","authorization":"{{auth}}"}}`},
		{"the guest's own credential", "read", `{` + get + `,"headers":{"Authorization":"Bearer mine"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, host.Limits{}, nil, abi.Classes()...)
			res := r.send(t, c.op, c.request)
			if len(r.seen.Requests()) != 0 {
				t.Errorf("the server saw %v", r.seen.Requests())
			}
			if res.Outcome != abi.Failed || res.Error.Code != "secret_misused" {
				t.Errorf("%s %+v", res.Outcome, res.Error)
			}
		})
	}
	t.Run("valid", func(t *testing.T) {
		r := newRig(t, host.Limits{}, nil)
		res := r.send(t, "read", `{`+get+`,"headers":{"Authorization":"{{auth}}"}}`)
		if res.Outcome != abi.Succeeded || len(r.seen.Headers("Authorization")) != 1 || r.seen.Headers("Authorization")[0] != "Bearer "+hosttest.Token {
			t.Errorf("%+v; the server saw %q", res, r.seen.Headers("Authorization"))
		}
	})
	t.Run("a placeholder of an earlier call", func(t *testing.T) {
		r := newRig(t, host.Limits{Concurrency: 1}, nil)
		ctx := context.Background()
		var kept [2]string
		for i := range kept {
			res, err := r.Invoke(ctx, "read", json.RawMessage(`{"do":"remember"}`))
			if err != nil {
				t.Fatal(err)
			}
			kept[i] = string(res.Output)
		}
		var secret struct {
			Kept string `json:"kept"`
		}
		_ = json.Unmarshal([]byte(kept[0]), &secret)
		var s abi.Secret
		_ = json.Unmarshal([]byte(secret.Kept), &s)
		if s.Placeholder == "" {
			t.Fatalf("no placeholder in %s", kept[0])
		}
		header, _ := json.Marshal("Bearer " + s.Placeholder)
		res := r.send(t, "read", `{`+get+`,"headers":{"Authorization":`+string(header)+`}}`)
		if res.Outcome != abi.Failed || len(r.seen.URIs()) != 0 {
			t.Errorf("%s %+v, the server saw %v", res.Outcome, res.Error, r.seen.URIs())
		}
	})
}

func TestInvoke_ResponseWithTheToken_IsDiscarded(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"echo":"`+r.Header.Get("Authorization")+`"}`)
		},
		"in a header": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("ETag", r.Header.Get("Authorization")) },
		"in a request": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-Id", r.Header.Get("Authorization"))
		},
		"in a large body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"pad":"`+strings.Repeat("x", 200<<10)+`","echo":"`+r.Header.Get("Authorization")+`"}`)
		},
		"in an error": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"errorSummary":"bad `+r.Header.Get("Authorization")+`"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, host.Limits{}, handler)
			res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs","headers":{"Authorization":"{{auth}}"}}`)
			var got answers
			if err := json.Unmarshal(res.Output, &got); err != nil {
				t.Fatal(err)
			}
			a := got.Answers[0]
			if a.Body != "" || !strings.Contains(string(res.Output), string(abi.SendTainted)) && !strings.Contains(a.Emitted, "no body") {
				t.Errorf("%.500s", res.Output)
			}
		})
	}
}

func TestInvoke_ToARedirect_Fails(t *testing.T) {
	var elsewhere hosttest.Recorder
	other := httptest.NewServer(&elsewhere)
	defer other.Close()
	for _, to := range []string{other.URL + "/api/v1/logs", "/api/v1/users/x", "file:///etc/passwd"} {
		r := newRig(t, host.Limits{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		})
		res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs","headers":{"Authorization":"{{auth}}"}}`)
		if len(elsewhere.URIs()) != 0 || len(r.seen.URIs()) != 1 {
			t.Errorf("%s was followed: %v %v", to, elsewhere.URIs(), r.seen.URIs())
		}
		if !strings.Contains(string(res.Output), string(abi.SendRedirect)) {
			t.Errorf("%s: %s", to, res.Output)
		}
	}
}

func TestInvoke_EndlessGuest_IsStopped(t *testing.T) {
	for _, do := range []string{"spin", "spin with calls", "recurse"} {
		t.Run(do, func(t *testing.T) {
			r := newRig(t, host.Limits{CallTimeout: 300 * time.Millisecond}, nil)
			res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"`+do+`"}`))
			if err == nil || res.Outcome != abi.Unavailable || res.Error.Code != "timeout" {
				t.Fatalf("%+v %v", res, err)
			}
			for i := 0; ; i++ { // on a busy machine, 300 ms may be too short for any call
				res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs"}`)
				if res.Outcome == abi.Succeeded {
					break
				}
				if i == 20 || res.Error.Code != "timeout" {
					t.Fatalf("the next call: %+v", res)
				}
			}
		})
	}
	t.Run("while the collector runs", func(t *testing.T) {
		// The collector stops every goroutine. A loop of machine code could make it wait forever.
		r := newRig(t, host.Limits{CallTimeout: 300 * time.Millisecond}, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20 {
				runtime.GC()
				time.Sleep(10 * time.Millisecond)
			}
		}()
		for _, do := range []string{"spin", "recurse"} {
			if res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"`+do+`"}`)); err == nil || res.Error.Code != "timeout" {
				t.Errorf("%s: %+v %v", do, res, err)
			}
		}
		<-done
	})
	t.Run("canceled by the caller", func(t *testing.T) {
		r := newRig(t, host.Limits{}, nil)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(100*time.Millisecond, cancel)
		if res, err := r.Invoke(ctx, "read", json.RawMessage(`{"do":"spin"}`)); err == nil || !strings.Contains(res.Error.Message, "canceled") {
			t.Errorf("%+v %v", res, err)
		}
	})
	t.Run("waiting past the deadline is refused at once", func(t *testing.T) {
		r := newRig(t, host.Limits{CallTimeout: 5 * time.Second}, nil)
		res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"wait","ms":60000}`))
		if err != nil || string(res.Output) != `{"waited":false}` {
			t.Errorf("%+v %v", res, err)
		}
	})
}

func TestInvoke_GuestOverTheMemoryLimit_IsStopped(t *testing.T) {
	for do, want := range map[string]abi.Outcome{
		"eat":               abi.Failed,
		"eat kernel memory": abi.Unavailable, // the kernel refuses more memory; the guest repeats until the deadline
	} {
		t.Run(do, func(t *testing.T) {
			r := newRig(t, host.Limits{CallTimeout: 5 * time.Second}, nil)
			res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"`+do+`"}`))
			if err == nil || res.Outcome != want {
				t.Fatalf("%+v %v", res, err)
			}
			if res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs"}`); res.Outcome != abi.Succeeded {
				t.Errorf("the next call: %+v", res)
			}
		})
	}
}

func TestInvoke_GuestThatTraps_Fails(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	for name, input := range map[string]string{
		"a panic":                    `{"do":"panic","text":"x"}`,
		"a return of 1":              `{"do":"fail"}`,
		"an output that is not JSON": `{"do":"say","text":"hello"}`,
		"an unknown outcome":         `{"do":"say","text":"{\"outcome\":\"fine\"}"}`,
		"a failure without an error": `{"do":"say","text":"{\"outcome\":\"rejected\"}"}`,
		"nothing":                    `{"do":"say","text":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			res, err := r.Invoke(context.Background(), "read", json.RawMessage(input))
			if !errors.Is(err, host.OutcomeError{Outcome: abi.Failed}) || res.Outcome != abi.Failed {
				t.Errorf("%+v %v", res, err)
			}
			if res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs"}`); res.Outcome != abi.Succeeded {
				t.Errorf("the next call: %+v", res)
			}
		})
	}
}

func TestHandles_OfAnEarlierCall_AreInvalid(t *testing.T) {
	r := newRig(t, host.Limits{Concurrency: 1}, nil)
	if res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs"}`); !strings.Contains(string(res.Output), "00u1") {
		t.Fatalf("%s", res.Output)
	}
	for _, at := range []string{`"handle":1,"offset":0,"length":100`, `"handle":4294967297,"offset":0,"length":10`, `"handle":0,"offset":-1,"length":-1`} {
		res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"read",`+at+`}`))
		if err != nil || string(res.Output) != `{"body":""}` {
			t.Errorf("%s: %s %v", at, res.Output, err)
		}
	}
}

func TestLimits_Exceeded_NameThemselves(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat(`{"a":"`+strings.Repeat("x", 1000)+`"},`, 99)+`{}]`)
	}
	const get = `{"endpoint":"GET /api/v1/logs"}`
	for _, c := range []struct {
		name   string
		limits host.Limits
		want   string
	}{
		{"requests", host.Limits{Requests: 2}, "limits.requests"},
		{"body", host.Limits{BodyBytes: 5000}, "limits.body_bytes"},
		{"records", host.Limits{Records: 150}, "limits.records"},
		{"result", host.Limits{ResultBytes: 150_000}, "limits.result_bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.limits, page)
			res, _ := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"send","emit":{},"requests":[`+get+","+get+","+get+`]}`))
			if !strings.Contains(string(res.Output), c.want) {
				t.Errorf("%s is not in %.300s", c.want, res.Output)
			}
		})
	}
}

func TestSourceAndTable_OfAWrite_AreInvalid(t *testing.T) {
	r := newRig(t, host.Limits{}, nil, abi.Classes()...)
	ctx := context.Background()
	for _, op := range []string{"write", "raised"} {
		if _, err := r.Table(ctx, op, nil, host.TableOptions{}); !errors.Is(err, host.OutcomeError{Outcome: abi.Invalid}) {
			t.Errorf("table of %s: %v", op, err)
		}
		for _, err := range r.Source(ctx, host.SourceOptions{Operation: op}) {
			if !errors.Is(err, host.OutcomeError{Outcome: abi.Invalid}) {
				t.Errorf("source of %s: %v", op, err)
			}
		}
	}
}

// What a module prints is for who writes it: it is logged at debug level, a record for each line, within the limit of the log.
func TestInvoke_ModuleThatPrints_IsLoggedAtDebugAlone(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 2, slog.LevelInfo: 0} {
		var logs bytes.Buffer
		r := hosttest.Connect(t, hostileGuest.Module(t), host.Config{BaseURL: "https://example.com"},
			host.ConnectOptions{Logger: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: level}))})
		if _, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"print","text":"marker\nmarker"}`)); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(logs.String(), "marker"); n != want || strings.Count(logs.String(), "the module printed") != want {
			t.Errorf("%s: %d times in %s, want %d", level, n, &logs, want)
		}
	}
	r := newRig(t, host.Limits{LogBytes: 2000}, nil)
	if _, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"print","text":"`+strings.Repeat(`x\n`, 5000)+`"}`)); err != nil {
		t.Fatal(err)
	}
	if len(r.logs.String()) > 4000 {
		t.Errorf("%d bytes in the log", len(r.logs.String()))
	}
}

func TestInvoke_ModuleThatPanics_SaysWhyAtWarn(t *testing.T) {
	var logs bytes.Buffer
	r := hosttest.Connect(t, hostileGuest.Module(t), host.Config{BaseURL: "https://example.com"}, host.ConnectOptions{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	if res, _ := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"panic","text":"nothing is there"}`)); res.Outcome != abi.Failed {
		t.Fatalf("%+v", res)
	}
	if text := logs.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "panic: the module panics: nothing is there") || strings.Contains(text, "goroutine") {
		t.Errorf("%s, want the first line of the panic, without its stack trace", text)
	}
}

// go-sdk passes the process's output to a module if this variable is set. This host must not.
func TestModuleOutput_InTheEnvironment_StaysOff(t *testing.T) {
	t.Setenv("EXTISM_ENABLE_WASI_OUTPUT", "1")
	out, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = out, out
	defer func() { os.Stdout, os.Stderr = stdout, stderr }()
	c := hosttest.Connect(t, hostileGuest.Load(t), host.Config{BaseURL: "https://example.com"}, host.ConnectOptions{})
	if _, err := c.Invoke(context.Background(), "read", json.RawMessage(`{"do":"print","text":"marker"}`)); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out.Name()); err != nil || len(text) > 0 {
		t.Errorf("the module wrote %q to this process's output (%v)", text, err)
	}
}

// A refused request is logged once, however often the module repeats it, and every one counts.
func TestInvoke_RefusedRequests_AreCountedAndLoggedOnce(t *testing.T) {
	r := newRig(t, host.Limits{Requests: 20}, nil)
	res := r.send(t, "read", slices.Repeat([]string{`{"endpoint":"GET /api/v1/groups"}`}, 100)...)
	if res.Outcome != abi.Failed || res.Error.Code != "endpoint_not_granted" {
		t.Errorf("%s %+v", res.Outcome, res.Error)
	}
	if n := strings.Count(r.logs.String(), "no grant for"); n != 1 {
		t.Errorf("%d lines in the log", n)
	}
	r = newRig(t, host.Limits{Requests: 20}, nil)
	r.send(t, "read", append(slices.Repeat([]string{`{"endpoint":"GET /api/v1/groups"}`}, 20), `{"endpoint":"GET /api/v1/logs"}`)...)
	if len(r.seen.URIs()) != 0 {
		t.Errorf("after 20 refused requests of 20: %v", r.seen.URIs())
	}
}

// The caller must not be able to widen the grants through the slice given to Connect or returned by Config.
func TestGrants_ChangedAfterConnect_HaveNoEffect(t *testing.T) {
	grants := []abi.Class{abi.Read}
	r := newRig(t, host.Limits{}, nil, grants...)
	cfg := r.Config()
	cfg.Grants = grants
	c := hosttest.Connect(t, r.Module(), cfg, host.ConnectOptions{})
	grants[0] = abi.Write
	c.Config().Grants[0] = abi.Write
	res, _ := c.Invoke(context.Background(), "write", json.RawMessage(`{"do":"send","emit":{},"requests":[]}`))
	if res.Outcome != abi.Denied {
		t.Errorf("%s: the grants are %v", res.Outcome, c.Config().Grants)
	}
}

// A row must keep its values when its page's memory is reused.
func TestRow_AfterItsPage_KeepsItsValues(t *testing.T) {
	n := 0
	c := hosttest.Serve(t, invented.Connector.Module(t), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		fmt.Fprintf(w, `{"data":{"items":[{"sku":"%d","place":{"shelf":"%d"}}]},"paging":{"continue":"end"}}`, n, n)
	}), host.Config{}, host.ConnectOptions{})
	get := func() (values []any) {
		all, err := c.Table(context.Background(), "list_items", nil, host.TableOptions{Columns: []string{"sku", "place", "record"}})
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range all.All() {
			if err != nil {
				t.Fatal(err)
			}
			values = row.Values
		}
		return values
	}
	first := get()
	before := fmt.Sprintf("%s", first)
	for range 20 {
		get()
	}
	if after := fmt.Sprintf("%s", first); after != before {
		t.Errorf("%s became %s", before, after)
	}
}
