//go:build long

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// TestInventory_OfALargeOrg_IsReadInParallel exports the members of all groups and the factors of all users. It prints the
// time as a ratio to one request after the other.
func TestInventory_OfALargeOrg_IsReadInParallel(t *testing.T) {
	org := oktatest.New(oktatest.Config{Users: 10_000, Groups: 2_000, Events: -1, RateLimits: map[string]int{"*": -1}})
	const latency = 5 * time.Millisecond
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		time.Sleep(latency)
		org.ServeHTTP(w, req)
	}))
	defer server.Close()
	r := newRunner(t, &oktatest.Server{Org: org, URL: server.URL}, org.Token())
	began := time.Now()
	file := filepath.Join(t.TempDir(), "large.snapshot")
	if out, err := r.command("inventory", "--kinds", "group_members,user_factors", "--snapshot", file).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	took := time.Since(began)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var end struct{ Objects int }
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || end.Objects < 10_000 {
		t.Errorf("%d objects, %v", end.Objects, err)
	}
	after := time.Duration(requests.Load()) * latency
	fmt.Printf("%d objects with %d requests of at least %v took %v; the requests alone take %v one after the other: %.1f times as long\n",
		end.Objects, requests.Load(), latency, took.Round(time.Millisecond), after, after.Seconds()/took.Seconds())
}
