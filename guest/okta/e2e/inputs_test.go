package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
)

// strange has texts that no path or query accepts.
var strange = []string{"../x", "..", `CORP\ada`, "a\nb", "%2e%2e", strings.Repeat("ü", 255)}

// TestInvoke_StrangeInput_IsInvalid: a mistyped input is the caller's mistake. It must not count as a violation by the
// module.
func TestInvoke_StrangeInput_IsInvalid(t *testing.T) {
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: x (Thing)"}`)
	}), abi.Classes()...)
	invalid := 0
	for _, op := range c.Module().Manifest().Operations {
		gjson.GetBytes(op.InputSchema, "properties").ForEach(func(field, schema gjson.Result) bool {
			if schema.Get("type").Str != "string" || schema.Get("enum").Exists() {
				return true
			}
			for _, text := range strange {
				example := op.Example
				if len(example) == 0 {
					example = json.RawMessage(`{}`)
				}
				input, err := sjson.SetBytes(example, gjson.Escape(field.Str), text)
				if err != nil {
					t.Fatal(err)
				}
				res, _ := c.Invoke(context.Background(), op.Name, input)
				switch res.Outcome {
				case abi.Failed, abi.Unknown:
					t.Errorf("%s %s: %s %+v", op.Name, input, res.Outcome, res.Error)
				case abi.Invalid:
					invalid++
				}
			}
			return true
		})
	}
	if invalid < 200 {
		t.Errorf("%d inputs were invalid", invalid)
	}
}

// TestInvoke_ForeignNextLink_IsUnavailable: it is the fault of Okta or of a proxy.
func TestInvoke_ForeignNextLink_IsUnavailable(t *testing.T) {
	link := ""
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			w.Header().Set("Link", "<"+link+`>; rel="next"`)
		}
		_, _ = io.WriteString(w, `[{"uuid":"1","published":"2026-01-01T00:00:00.000Z"}]`)
	}), abi.Classes()...)
	for _, link = range []string{"https://x.okta.com/api/v1/elsewhere?after=1", "/", "", "?", "https://x.okta.com", "/api/v1/../v1/logs", "/api/v1/logs?a=%zz", "/api/v1/logs#x",
		"/api/v1/logs?a;b=1", "/api/v1/logs?a=%0a", "/api/v1/logs?" + strings.Repeat("x", 20<<10), "javascript:alert(1)", "https://u:p@x/api/v1/logs", "//x/api/v1/logs?a=1", `/api/v1/logs?a="b"`} {
		res, _ := c.Invoke(context.Background(), "bounded_system_log_range", json.RawMessage(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}`))
		if res.Outcome == abi.Failed {
			t.Errorf("%.80s: %+v", link, res.Error)
		}
	}
}
