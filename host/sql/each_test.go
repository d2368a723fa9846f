//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// TestViews_OverAListWithRepeats_ReadEachListOnce has an org that lists every user twice on a page: one moved while it was listed.
func TestViews_OverAListWithRepeats_ReadEachListOnce(t *testing.T) {
	org := oktatest.New(oktatest.Config{Users: 20})
	requests := &counted{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/users" {
			org.ServeHTTP(w, r)
			return
		}
		r.Header.Del("Accept-Encoding")
		answer := httptest.NewRecorder()
		org.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			if name != "Content-Length" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(answer.Code)
		body := bytes.TrimSuffix(bytes.TrimSpace(answer.Body.Bytes()), []byte("]"))
		_, _ = w.Write(slices.Concat(body, []byte(","), bytes.TrimPrefix(body, []byte("[")), []byte("]")))
	})}
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", requests)}})
	requests.take()
	want(t, db, "SELECT count(*) > 0, count(*) = count(DISTINCT (user_id, id)) FROM okta.user_factors", "[true,true]")
	lists := map[string]int{}
	for _, request := range requests.take() {
		if strings.Contains(request, "/factors") {
			lists[request]++
		}
	}
	for request, n := range lists {
		if n != 1 {
			t.Errorf("%s: %d times", request, n)
		}
	}
	if len(lists) == 0 {
		t.Error("no list was read")
	}
}
