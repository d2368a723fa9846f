package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host/internal/sandbox"
)

// oktaModule is the connector itself.
func oktaModule(tb testing.TB) *Module {
	tb.Helper()
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := Load(ctx, wasm, LoadOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close(ctx) })
	return m
}

func connectOkta(tb testing.TB, m *Module, handler http.HandlerFunc) *Connection {
	tb.Helper()
	server := httptest.NewServer(handler)
	tb.Cleanup(server.Close)
	c, err := m.Connect(context.Background(), Config{Name: "test", Kind: "okta", BaseURL: server.URL, TokenSecretRef: "env:X"},
		ConnectOptions{Secrets: fixedSecret{}, Limits: Limits{Concurrency: 1}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// atRest waits until the one instance of a connection is restored, and returns it.
func atRest(tb testing.TB, c *Connection) *sandbox.Instance {
	tb.Helper()
	idle := c.pool.Idle()
	if len(idle) != 1 {
		tb.Fatalf("%d instances are idle, want 1", len(idle))
	}
	return idle[0]
}

// TestAnIdleInstanceEqualsItsSnapshot wants no byte of a call left in the instance.
func TestAnIdleInstanceEqualsItsSnapshot(t *testing.T) {
	const user = `{"id":"00uMARKER","status":"ACTIVE","profile":{"login":"MARKER@example.com","firstName":"MARKER"}}`
	pages := 0
	c := connectOkta(t, oktaModule(t), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/api/v1/users/") {
			_, _ = io.WriteString(w, user)
			return
		}
		if pages++; pages%10 != 0 {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/api/v1/users?after=%d>; rel="next"`, r.Host, pages))
		}
		_, _ = io.WriteString(w, "["+strings.Repeat(user+",", 99)+user+"]")
	})
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
		in := atRest(t, c)
		if err := in.Verify(); err != nil {
			t.Fatalf("after call %d (%s): %v", i, op, err)
		}
		if first == nil {
			first = in
		} else if in != first {
			t.Errorf("after call %d (%s) there is another instance: the module has grown, and wants more headroom (guest/module/headroom.go)", i, op)
		}
		if bytes.Contains(in.Snapshot(), []byte("MARKER")) {
			t.Fatal("the snapshot itself holds what a call left")
		}
		if snapshot == nil {
			snapshot = bytes.Clone(in.Snapshot())
		} else if !bytes.Equal(snapshot, in.Snapshot()) {
			t.Fatal("the snapshot has changed")
		}
	}
}

// A module can be closed under a call: it ends with an error, and not the process.
func TestAModuleClosedUnderACallEndsIt(t *testing.T) {
	wasm, err := pack.CachedPackage(context.Background(), "./host/testdata/hostile", internalHostileManifest(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	m, err := Load(ctx, wasm, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Connect(ctx, Config{Name: "test", Kind: "okta", BaseURL: "https://example.okta.com", TokenSecretRef: "env:X"},
		ConnectOptions{Secrets: fixedSecret{}, Limits: Limits{CallTimeout: 500 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
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

func internalHostileManifest(t *testing.T) []byte {
	t.Helper()
	return []byte(`{"abi":"mach5:connector/v1","kind":"okta","version":"0","config_schema":{},"rate_limit_headers":{"limit":"L","remaining":"R","reset":"S"},
		"operations":[{"name":"read","summary":"x","class":"read","surfaces":["axon"],"idempotency":"safe","input_schema":{"type":"object"},
		"endpoints":[{"endpoint":"GET /api/v1/logs","bucket":"x"}]}]}`)
}
