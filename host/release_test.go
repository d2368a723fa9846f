package host

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host/egress"
)

// The memory of bodies is reused. A call that kept one would show it to the next call; a leak would grow without
// limit.
func TestBodies_AfterTheCall_AreReleased(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"1"}`) }))
	defer server.Close()
	ctx := context.Background()
	wasm, err := pack.CachedPackage(ctx, "./host/testdata/hostile", []byte(smallManifest))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(ctx, wasm, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close(ctx) }()
	c, err := m.Connect(ctx, Config{Name: "x", Kind: m.Manifest().Kind, BaseURL: server.URL, TokenSecretRef: "env:X", AllowPrivateNetwork: true}, ConnectOptions{Secrets: fixedSecret{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	input := json.RawMessage(`{}`)
	run, fail := c.prepare(context.Background(), "read", abi.Axon, &input)
	if fail != nil {
		t.Fatal(fail.Error)
	}
	resp, err2 := c.client.Send(ctx, egress.Call{Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/logs", Bucket: "logs"}, Request: abi.Request{Endpoint: "GET /api/v1/logs"}})
	if err2 != nil {
		t.Fatal(err2)
	}
	if out := run.receive(&abi.Endpoint{}, resp); out.Body != 1 || string(run.answers.Read(1)) != `{"id":"1"}` {
		t.Fatalf("%+v", out)
	}
	c.invokeOnce(ctx, &invocation{input: input, started: time.Now()}, run) // the hostile module does not know what to do, and fails
	if resp.Body.Bytes() != nil {
		t.Error("the body was not released after the call")
	}
}
