package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// idleInstance waits until the connection's only instance is restored, and returns it.
func idleInstance(tb testing.TB, c *host.Connection) *sandbox.Instance {
	tb.Helper()
	idle := c.Idle()
	if len(idle) != 1 {
		tb.Fatalf("%d instances are idle, want 1", len(idle))
	}
	return idle[0]
}

// No byte of a call may remain in the instance.
func TestPool_IdleInstance_EqualsItsSnapshot(t *testing.T) {
	const user = `{"id":"00uMARKER","status":"ACTIVE","profile":{"login":"MARKER@example.com","firstName":"MARKER"}}`
	pages := 0
	c := hosttest.Serve(t, hosttest.Connector.Module(t), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/api/v1/users/") {
			_, _ = io.WriteString(w, user)
			return
		}
		if pages++; pages%10 != 0 {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/users?after=%d>; rel="next"`, r.Host, pages))
		}
		_, _ = io.WriteString(w, "["+strings.Repeat(user+",", 99)+user+"]")
	}), host.Config{}, host.ConnectOptions{Limits: host.Limits{Concurrency: 1}})
	ctx := context.Background()
	snapshot, first := []byte(nil), (*sandbox.Instance)(nil)
	for i := range 12 {
		op, input := "lookup_user", `{"user":"MARKER@example.com"}`
		if i%3 == 2 {
			op, input = "list_users", `{"limit":1000}`
		}
		res, err := c.Invoke(ctx, op, json.RawMessage(input))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(res.Output, []byte("MARKER")) {
			t.Fatalf("%.200s", res.Output)
		}
		in := idleInstance(t, c)
		if err := in.Verify(); err != nil {
			t.Fatalf("after call %d (%s): %v", i, op, err)
		}
		if first == nil {
			first = in
		} else if in != first {
			t.Errorf("after call %d (%s) the instance was replaced, since its memory grew: increase the reserve in guest/module/heapreserve.go", i, op)
		}
		if bytes.Contains(in.Snapshot(), []byte("MARKER")) {
			t.Fatal("the snapshot contains data of a call")
		}
		if snapshot == nil {
			snapshot = bytes.Clone(in.Snapshot())
		} else if !bytes.Equal(snapshot, in.Snapshot()) {
			t.Fatal("the snapshot changed")
		}
	}
}

// The call must end with an error, and the process must survive.
func TestClose_DuringACall_EndsIt(t *testing.T) {
	ctx := context.Background()
	m := hostileGuest.Load(t)
	c := hosttest.Connect(t, m, host.Config{BaseURL: "https://example.com"}, host.ConnectOptions{Limits: host.Limits{CallTimeout: 500 * time.Millisecond}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if res, err := c.Invoke(ctx, "read", json.RawMessage(`{"do":"spin with calls"}`)); err == nil {
				t.Errorf("it ended as %s", res.Outcome)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	_ = c.Close(ctx)
	_ = m.Close(ctx)
	wg.Wait()
}
