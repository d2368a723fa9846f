package openapi

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/internal/observed"
)

func judge(t *testing.T) *Judge {
	t.Helper()
	j, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// shared opens a file outside the repository, or skips the test.
func shared(t *testing.T, name string) *bufio.Scanner {
	t.Helper()
	file, err := os.Open(observed.Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	return lines
}

// The judge must accept the log events of Okta's documentation.
func TestJudge_OfPublishedEvents_FindsNothing(t *testing.T) {
	lines := shared(t, filepath.Join("system-log", "okta-docs.jsonl"))
	req := httptest.NewRequest(http.MethodGet, "/api/v1/logs", nil)
	events := 0
	for ; lines.Scan(); events++ {
		header := http.Header{"Content-Type": {"application/json"}}
		err := judge(t).CheckAnswer(req, http.StatusOK, header, []byte("["+lines.Text()+"]"))
		if err != nil && !strings.Contains(lines.Text(), "2017-09-31") { // this day does not exist: the example is wrong
			t.Errorf("line %d: %v", events+1, err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events", events)
}

// The judge must accept the responses of real orgs.
func TestJudge_OfRecordings_FindsNothing(t *testing.T) {
	lines := shared(t, "recorded.jsonl")
	j := judge(t)
	requests, answers, wrong := 0, 0, 0
	for number := 1; lines.Scan(); number++ {
		var r struct {
			Method, Path, Query, Body string
			RequestBody               string `json:"request_body"`
			Status                    int
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("line %d: %v", number, err)
		}
		target := r.Path
		if r.Query != "" {
			target += "?" + r.Query
		}
		req := httptest.NewRequest(r.Method, target, nil)
		req.Header.Set("Content-Type", "application/json")
		if r.RequestBody != "" || r.Method == http.MethodGet { // some recorders omit request bodies
			requests++
			if err := j.CheckRequest(req, []byte(r.RequestBody)); err != nil {
				wrong++
				t.Errorf("line %d: %v", number, err)
			}
		}
		answers++
		header := http.Header{"Content-Type": {"application/json"}}
		if err := j.CheckAnswer(req, r.Status, header, []byte(r.Body)); err != nil {
			wrong++
			t.Errorf("line %d: %v", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d recorded requests and %d responses, %d wrong", requests, answers, wrong)
}

func TestJudge_OfViolations_ReportsThem(t *testing.T) {
	const group = `{"id":"00gsimulated00000000","type":"OKTA_GROUP","profile":{"name":"Crew"}}`
	for name, c := range map[string]struct {
		method, target, body string
		status               int
		answer               string
		want                 string // empty: no violation
	}{
		"a good request and answer":            {"GET", "/api/v1/groups?limit=2", "", 200, "[" + group + "]", ""},
		"a good write":                         {"POST", "/api/v1/groups", `{"profile":{"name":"Crew"}}`, 200, group, ""},
		"an unknown path":                      {"GET", "/api/v1/gruops", "", 200, "[]", "does not have this path"},
		"an unknown method":                    {"PATCH", "/api/v1/groups", "", 200, "[]", "does not have this method"},
		"a misspelt query parameter":           {"GET", "/api/v1/users?serch=x", "", 200, "[]", `"serch" is not documented`},
		"a query parameter of wrong type":      {"GET", "/api/v1/users?limit=many", "", 200, "[]", "limit"},
		"a query parameter outside its values": {"GET", "/api/v1/logs?sortOrder=SIDEWAYS", "", 200, "[]", "sortOrder"},
		"a value of a later edition":           {"GET", "/api/v1/policies?type=CLIENT_UPDATE", "", 400, refusal, ""},
		"a required query parameter left out":  {"POST", "/api/v1/users/a/lifecycle/reset_password", "", 200, "{}", "sendEmail"},
		"a body member of wrong type":          {"POST", "/api/v1/users", `{"profile":"Ada"}`, 400, refusal, "/profile"},
		"a body left out":                      {"POST", "/api/v1/users", "", 400, refusal, "body"},
		"a body where none is taken":           {"POST", "/api/v1/users/a/lifecycle/suspend", `{"a":1}`, 200, "{}", "body"},
		"an answer of wrong type":              {"GET", "/api/v1/users/a", "", 200, `{"id":7}`, "/id"},
		"an answer that is no list":            {"GET", "/api/v1/users", "", 200, `{}`, "array"},
		"an answer that is no JSON":            {"GET", "/api/v1/users", "", 200, `<html>`, "body"},
		"a status that Okta does not give":     {"GET", "/api/v1/users", "", 202, `[]`, "status"},
		"an undocumented refusal":              {"GET", "/api/v1/users", "", 401, refusal, ""},
		"a refusal of the wrong shape":         {"GET", "/api/v1/users", "", 401, `{"errorCode":7}`, "errorCode"},
		"another document's endpoint":          {"GET", "/oauth2/v1/clients?limit=1", "", 200, "[]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			req := httptest.NewRequest(c.method, c.target, nil)
			req.Header.Set("Content-Type", "application/json")
			header := http.Header{"Content-Type": {"application/json"}}
			err := judge(t).Check(req, []byte(c.body), c.status, header, []byte(c.answer))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("unexpected violation: %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want a violation with %q", err, c.want)
			}
		})
	}
}

const refusal = `{"errorCode":"E0000011","errorSummary":"Invalid token provided","errorLink":"E0000011","errorId":"oae1","errorCauses":[]}`
