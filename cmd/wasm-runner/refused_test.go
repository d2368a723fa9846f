package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// search is a service with a _bulk API that rejects every tenth record.
type search struct {
	*httptest.Server
	mu       sync.Mutex
	docs     map[string]bool
	requests int
	answered func(n int) // called before each answer of _bulk, which may be lost
}

func newSearch() *search {
	s := &search{docs: map[string]bool{}, answered: func(int) {}}
	s.Server = httptest.NewServer(s)
	return s
}

// refuses reports whether the index rejects a record. It depends on the key, so the same records are rejected each time.
func refuses(key string) bool {
	sum := 0
	for _, c := range key {
		sum += int(c)
	}
	return sum%10 == 0
}

// ServeHTTP implements http.Handler.
func (s *search) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // it may be cut where the runner was killed; the index keeps the records that arrived
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	var items []string
	in := bufio.NewScanner(bytes.NewReader(body))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		key := gjson.GetBytes(in.Bytes(), "index._id").String()
		if !in.Scan() || !gjson.ValidBytes(in.Bytes()) {
			break
		}
		if refuses(key) {
			items = append(items, `{"index":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [debugContext]"}}}`)
			continue
		}
		s.docs[key] = true
		items = append(items, `{"index":{"status":201}}`)
	}
	s.answered(s.requests)
	_, _ = fmt.Fprintf(w, `{"errors":true,"items":[%s]}`, strings.Join(items, ","))
}

// startSearch is the script command "search": it starts such a service, at $SEARCH.
func startSearch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: search")
	}
	s := newSearch()
	ts.Defer(s.Close)
	ts.Setenv("SEARCH", s.URL)
}

// TestRefused_KilledAtAnyMoment_LosesNoRecord kills a runner with SIGKILL, each time near the answer of another request. The service
// rejects some records. At the end each record is either at the service or in the file, whole and once.
func TestRefused_KilledAtAnyMoment_LosesNoRecord(t *testing.T) {
	t.Parallel()
	org := oktatest.New(oktatest.Config{Users: 3, Events: 600, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}}).Start()
	defer func() { _ = org.Close() }()
	s := newSearch()
	defer s.Close()
	r := newRunner(t, org, org.Token())
	dir := t.TempDir()
	refused := filepath.Join(dir, "refused.ndjson")
	args := []string{"source", "poll_system_log_page", "--source-config", `{"page_size":20}`, "--checkpoint", filepath.Join(dir, "cp.json"),
		"--out", s.URL + "/okta/_bulk", "--refused", refused}
	const kills = 8
	for i := range kills {
		cmd := r.command(args...)
		s.mu.Lock()
		last := s.requests + 1 + i%3
		s.answered = func(n int) {
			if n == last && i%2 == 0 { // else what follows the answer races with the kill
				_ = cmd.Process.Kill()
			} else if n == last {
				go func() { _ = cmd.Process.Kill() }()
			}
		}
		err := cmd.Start()
		s.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("run %d was not killed", i)
		}
	}
	s.mu.Lock()
	s.answered = func(int) {}
	s.mu.Unlock()
	if text, err := r.command(args...).CombinedOutput(); err != nil || !bytes.Contains(text, []byte("were rejected by "+s.URL)) {
		t.Fatalf("the last run: %v\n%s", err, text)
	}
	times := map[string]int{}
	text, err := os.ReadFile(refused)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var l struct {
			Key    string
			Record json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || gjson.GetBytes(l.Record, "uuid").String() != l.Key {
			t.Fatalf("%q: %v", line, err)
		}
		times[l.Key]++
	}
	for event := range org.Events() {
		key := gjson.GetBytes(event, "uuid").String()
		want := 0
		if refuses(key) {
			want = 1
		}
		if times[key] != want || s.docs[key] == refuses(key) {
			t.Errorf("event %s is %d times among the refused ones, and with the service: %v", key, times[key], s.docs[key])
		}
		delete(times, key)
	}
	if len(times) > 0 || len(s.docs) > org.EventCount() {
		t.Errorf("%d are none of the org's", len(times))
	}
}
