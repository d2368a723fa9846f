package hosttest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/hosttest"
)

func TestRecorder_Body_IsPassedToHandler(t *testing.T) {
	var passed string
	r := &hosttest.Recorder{Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		passed = string(body)
	})}
	for _, body := range []string{"one", ""} {
		req := httptest.NewRequest(http.MethodPost, "/things?x=1", strings.NewReader(body))
		req.Header.Set("X-Key", "k"+body)
		r.ServeHTTP(httptest.NewRecorder(), req)
		all := r.Requests()
		if last := all[len(all)-1]; passed != body || string(last.Body) != body || last.Method != http.MethodPost {
			t.Errorf("body %q: passed %q, recorded %+v", body, passed, last)
		}
	}
	if !slices.Equal(r.URIs(), []string{"POST /things?x=1", "POST /things?x=1"}) || !slices.Equal(r.Headers("X-Key"), []string{"kone", "k"}) {
		t.Errorf("%q %q", r.URIs(), r.Headers("X-Key"))
	}
}
