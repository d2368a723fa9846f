package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/secrets"
)

// The schema holds for programs too, not only for connection files.
func TestConnect_AgainstTheConfigSchema_IsRefused(t *testing.T) {
	wasm := newTiny()
	wasm.manifest[0] = changed(t, func(m *abi.Manifest) {
		m.ConfigSchema = json.RawMessage(`{"type":"object","additionalProperties":false,"required":["name","kind","base_url","token_secret_ref"],"properties":{
			"name":{"maxLength":8},"kind":{},"base_url":{"format":"uri"},"token_secret_ref":{"type":"string","pattern":"^env:"},
			"default_page_size":{"type":"integer","minimum":2,"maximum":10},"grants":{"items":{"enum":["read"]}},"allow_private_network":{},
			"limits":{"properties":{"call_seconds":{"type":"integer","maximum":60}}}}}`)
	})
	module, err := host.Load(context.Background(), wasm.bytes(t), host.LoadOptions{NoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = module.Close(context.Background()) }()
	for name, c := range map[string]struct {
		change func(*host.Config)
		want   string
	}{
		"a valid one":                   {func(*host.Config) {}, ""},
		"a part of a second":            {func(c *host.Config) { c.Limits.CallTimeout = 1500 * time.Millisecond }, ""},
		"a page size over its maximum":  {func(c *host.Config) { c.DefaultPageSize = 11 }, "default_page_size: maximum: got 11, want 10"},
		"a page size under its minimum": {func(c *host.Config) { c.DefaultPageSize = 1 }, "default_page_size: minimum: got 1, want 2"},
		"a grant":                       {func(c *host.Config) { c.Grants = []abi.Class{abi.Read, abi.Destructive} }, "grants.1: want one of read, found"},
		"a limit":                       {func(c *host.Config) { c.Limits.CallTimeout = 61 * time.Second }, "limits.call_seconds: maximum: got 61, want 60"},
		"a field that it does not have": {func(c *host.Config) { c.RateLimitShare = 0.5 }, "additional properties 'rate_limit_share' not allowed"},
		"a name":                        {func(c *host.Config) { c.Name = "a-long-name" }, "name: maxLength: got 11, want 8"},
		"a missing reference":           {func(c *host.Config) { c.TokenSecretRef = "" }, "missing property 'token_secret_ref'"},
		"a reference for a resolver":    {func(c *host.Config) { c.TokenSecretRef = "vault:x" }, ""},
	} {
		cfg := host.Config{Name: "a", Kind: hostileKind(t), BaseURL: "https://example.com", TokenSecretRef: "env:TOKEN"}
		c.change(&cfg)
		conn, err := module.Connect(context.Background(), cfg, host.ConnectOptions{Secrets: hosttest.Secret("a-token-of-some-length")})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, host.ErrConfig) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
		if conn != nil {
			_ = conn.Close(context.Background())
		}
	}
	_, err = module.Connect(context.Background(), host.Config{Name: "a", Kind: hostileKind(t), BaseURL: "https://example.com", TokenSecretRef: "vault:x"}, host.ConnectOptions{})
	if !errors.Is(err, host.ErrConfig) || errors.Is(err, secrets.ErrUnavailable) || !strings.Contains(err.Error(), "token_secret_ref") {
		t.Errorf("a reference that the schema does not have: %v", err)
	}
}
