package oktatest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/internal/observed"
	"github.com/mach5/okta-connector/internal/openapi"
)

const recordings = `
{"endpoint":"GET /api/v1/users/{id}","method":"GET","path":"/api/v1/users/00uone","query":"","request_body":"","status":200,"headers":{"Content-Type":["application/json"],"X-Rate-Limit-Limit":["600","-1"],"Content-Encoding":["gzip"],"Content-Length":["999"],"Link":["<https://recorded.example/api/v1/users?after=x>; rel=\"next\""]},"body":"{\"id\" : \"00uone\"}"}
{"method":"GET","path":"/api/v1/users/00uone","status":404,"headers":{"Content-Type":"text/plain"},"body":"gone"}

{"method":"GET","path":"/api/v1/users","query":"limit=2&filter=a%20b","status":200,"headers":{},"body":"[\"filtered\"]"}
{"method":"GET","path":"/api/v1/users","query":"limit=3","status":200,"headers":{},"body":"[\"limit 3\"]"}
{"method":"DELETE","path":"/api/v1/users/00uone","query":"","status":204,"headers":{},"body":""}
`

func TestReplay_RecordedRequests_AreAnswered(t *testing.T) {
	replay, err := oktatest.NewReplay(strings.NewReader(recordings))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "recordings", replay.Len(), 5)
	server := httptest.NewServer(replay)
	defer server.Close()
	do := func(method, target string) (*http.Response, string) {
		t.Helper()
		request, _ := http.NewRequest(method, server.URL+target, nil)
		request.Header.Set("Authorization", "SSWS anything")
		response, err := (&http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}

	response, body := do("GET", "/api/v1/users/00uone")
	same(t, "body, byte for byte", body, `{"id" : "00uone"}`)
	same(t, "all values of a header", response.Header.Values("X-Rate-Limit-Limit"), "[600 -1]")
	same(t, "length", response.ContentLength, len(body))
	same(t, "encoding", response.Header.Get("Content-Encoding"), "")
	same(t, "link", response.Header.Get("Link"), `<https://recorded.example/api/v1/users?after=x>; rel="next"`)
	for range 2 {
		response, body = do("GET", "/api/v1/users/00uone")
		same(t, "the last recording repeats", body, "gone")
		same(t, "status", response.StatusCode, 404)
	}
	_, body = do("GET", "/api/v1/users?filter=a+b&limit=2")
	same(t, "the query as a set", body, `["filtered"]`)
	_, body = do("GET", "/api/v1/users?limit=3")
	same(t, "another query", body, `["limit 3"]`)
	_, body = do("GET", "/api/v1/users?limit=99")
	same(t, "only the path", body, `["filtered"]`)
	response, _ = do("DELETE", "/api/v1/users/00uone")
	same(t, "status", response.StatusCode, 204)

	response, body = do("GET", "/api/v1/org")
	same(t, "unmatched", response.StatusCode, 404)
	if !json.Valid([]byte(body)) || !strings.Contains(body, `"errorCode":"E0000008"`) || !strings.Contains(body, "GET /api/v1/users/00uone") {
		t.Errorf("unmatched: %s", body)
	}
	requests := replay.Requests()
	same(t, "requests", len(requests), 8)
	same(t, "first request", requests[0].Pattern+" "+requests[0].Header.Get("Authorization"), "GET /api/v1/users/{id} SSWS REDACTED")
}

// TestReplay_RealRecordings_AreServed serves interactions of real orgs, which are not in the repository, and checks
// them.
func TestReplay_RealRecordings_AreServed(t *testing.T) {
	text := observed.File(t, "recorded.jsonl")
	replay, err := oktatest.NewReplay(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	j, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for line := range bytes.Lines(text) {
		var i oktatest.Interaction
		if err := json.Unmarshal(line, &i); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(i.Method, i.Path+"?"+i.Query, strings.NewReader(i.RequestBody))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		replay.ServeHTTP(w, r)
		if w.Code != i.Status || w.Body.String() != i.Body {
			t.Errorf("%s %s?%s: got %d %.80s, want %d %.80s", i.Method, i.Path, i.Query, w.Code, w.Body, i.Status, i.Body)
		}
		if err := j.CheckAnswer(r, w.Code, w.Header(), w.Body.Bytes()); err != nil && i.Status != http.StatusNoContent {
			t.Error(err)
		}
		served++
	}
	same(t, "served", served, replay.Len())
}

func TestNewReplay_MalformedRecording_NamesTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"\n{\"method\":":                                                     "line 2",
		`{"path":"/x","status":200}`:                                         "no method",
		`{"method":"GET","path":"x","status":200}`:                           "slash",
		`{"method":"GET","path":"/x","status":20}`:                           "status",
		`{"method":"GET","path":"/x","status":200,"headers":{"A":7}}`:        "header A",
		`{"method":"GET","path":"/x","status":200,"headers":{"A b":"c"}}`:    "cannot be sent",
		`{"method":"GET","path":"/x","status":200,"headers":{"A":["b\nc"]}}`: "cannot be sent",
		`{"method":"GET","path":"/x","status":200,"query":"a=%zz"}`:          "query",
	} {
		if _, err := oktatest.NewReplay(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzReplay(f *testing.F) {
	for line := range strings.Lines(recordings) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		replay, err := oktatest.NewReplay(strings.NewReader(text))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		replay.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/users/00uone?limit=2", nil))
		if w.Code < 200 {
			t.Errorf("status %d", w.Code)
		}
	})
}
