package openapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// reports collects what the middleware reports.
type reports []string

func (r *reports) Helper() {}
func (r *reports) Errorf(format string, args ...any) {
	*r = append(*r, fmt.Sprintf(format, args...))
}

func TestMiddleware_OfRequests_JudgesThem(t *testing.T) {
	for name, c := range map[string]struct {
		target, answer string
		status         int
		strict, loose  int // reports of Middleware and of Answers
	}{
		"all is well":               {"/api/v1/users?limit=1", "[]", 200, 0, 0},
		"a wrong request, taken":    {"/api/v1/users?colour=1", "[]", 200, 1, 1},
		"a wrong request, refused":  {"/api/v1/users?colour=1", refusal, 400, 1, 0},
		"a wrong answer":            {"/api/v1/users", "{}", 200, 1, 1},
		"a refusal without a shape": {"/api/v1/users", "[]", 400, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				io.WriteString(w, c.answer)
			})
			var strict, loose reports
			for _, checked := range []http.Handler{judge(t).Middleware(&strict, h), judge(t).Answers(&loose, h)} {
				w := httptest.NewRecorder()
				checked.ServeHTTP(w, httptest.NewRequest("GET", c.target, nil))
				if w.Code != c.status || w.Body.String() != c.answer {
					t.Errorf("passed on with %d %s", w.Code, w.Body)
				}
			}
			if len(strict) != c.strict || len(loose) != c.loose {
				t.Errorf("reports %q and %q", strict, loose)
			}
		})
	}
}

func TestMiddleware_OfACutConnection_DoesNotJudge(t *testing.T) {
	var found reports
	server := httptest.NewServer(judge(t).Middleware(&found, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	})))
	defer server.Close()
	if _, err := http.Post(server.URL+"/api/v1/groups", "application/json", strings.NewReader(`{}`)); err == nil {
		t.Error("there was a response")
	}
	if len(found) != 0 {
		t.Errorf("reports %q", found)
	}
}
