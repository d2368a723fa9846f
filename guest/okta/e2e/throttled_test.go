package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// TestInvoke_429_HasOktasWords: code, text and request id, for the bucket's limit and another limit.
func TestInvoke_429_HasOktasWords(t *testing.T) {
	for _, c := range []struct {
		code, summary string
		requests      int32
	}{
		{"E0000047", "API call exceeded rate limit due to too many requests.", 1},
		{"E0000146", "Your organization has reached the limit of sms requests that can be sent within a 24 hour period.", 1},
	} {
		var n atomic.Int32
		conn := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			now := time.Now()
			h := w.Header()
			h.Set("Content-Type", "application/json")
			h.Set("X-Okta-Request-Id", "r7")
			h.Set("X-Rate-Limit-Limit", "10")
			h.Set("X-Rate-Limit-Remaining", "0")
			h.Set("X-Rate-Limit-Reset", fmt.Sprint(now.Add(48*time.Second).Unix()))
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":%q,"errorLink":%q,"errorId":"o","errorCauses":[]}`, c.code, c.summary, c.code)
		}))
		res, _ := conn.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"00u1234567890abcdefg"}`), host.InvokeOptions{Timeout: 20 * time.Second})
		e := res.Error
		if res.Outcome != abi.Throttled || !e.Retryable || e.RetryAfterMS <= 0 || n.Load() != c.requests {
			t.Fatalf("%s: %s %+v after %d requests", c.code, res.Outcome, e, n.Load())
		}
		if u := e.Upstream; u == nil || u.Status != 429 || u.Code != c.code || u.Summary != c.summary || u.RequestID != "r7" {
			t.Errorf("%s: %+v", c.code, e.Upstream)
		}
	}
}

// TestInvoke_429ThatRepeatsTheToken_DoesNotShowIt: a server may quote what it received in a refusal.
func TestInvoke_429ThatRepeatsTheToken_DoesNotShowIt(t *testing.T) {
	var token atomic.Value
	conn := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := strings.TrimPrefix(r.Header.Get("Authorization"), "SSWS ")
		token.Store(sent)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = fmt.Fprintf(w, `{"errorCode":"E0000047","errorSummary":"too many of %s"}`, sent)
	}))
	res, _ := conn.Invoke(context.Background(), "lookup_user", json.RawMessage(`{"user":"00u1234567890abcdefg"}`), host.InvokeOptions{Timeout: 5 * time.Second})
	text, err := json.Marshal(res)
	if err != nil || res.Outcome != abi.Throttled || strings.Contains(string(text), token.Load().(string)) {
		t.Errorf("%s %v", text, err)
	}
}
