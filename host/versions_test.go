package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// older returns the hostile manifest without the members of minor version 1.
func older(t *testing.T) string {
	return changed(t, func(m *abi.Manifest) {
		*m = abi.Manifest{ABI: m.ABI, Kind: m.Kind, Version: m.Version, ConfigSchema: m.ConfigSchema, RateLimitHeaders: m.RateLimitHeaders, Operations: m.Operations}
		for i := range m.Operations {
			for j := range m.Operations[i].Endpoints {
				m.Operations[i].Endpoints[j].Query, m.Operations[i].Endpoints[j].Headers = nil, nil
			}
		}
	})
}

func TestLoad_OfALaterMinorVersion_IgnoresUnknownMembers(t *testing.T) {
	later := func(change func(*abi.Manifest)) string {
		return changed(t, func(m *abi.Manifest) { m.Minor = abi.Minor + 1; change(m) })
	}
	for name, c := range map[string]struct{ manifest, want string }{
		"with a member that this host does not know": {strings.Replace(later(func(*abi.Manifest) {}), `"kind":`, `"budgets":{"a":1},"kind":`, 1), ""},
		"that requires what this host does not have": {later(func(m *abi.Manifest) { m.Requires = []string{abi.FeaturePlan, "budgets"} }),
			"the module requires budgets, which this host (mach5:connector/v1, minor version 2) does not have: use a newer host"},
		"with a surface that this host does not know": {later(func(m *abi.Manifest) { m.Operations[0].Surfaces = []abi.Surface{"graph"} }),
			`surface "graph" must be axon, ingest or sql. The module is of minor version 3, and this host of 2: use a newer host`},
		"with a guard": {later(func(m *abi.Manifest) {
			m.Operations[1].Endpoints[1].Guards = []abi.Guard{{Kind: "quorum", Read: "GET /x", Class: abi.Write}}
		}), `has a guard of kind "quorum", which this host does not know: run the module with a newer host`},
		"with another major version": {later(func(m *abi.Manifest) { m.ABI = "mach5:connector/v2" }), `ABI is "mach5:connector/v2", but this host supports "mach5:connector/v1"`},
	} {
		m := newTiny()
		m.manifest[0] = c.manifest
		err := load(t, m.bytes(t), host.LoadOptions{NoCache: true})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

func TestLoad_WithAGuard_IsRefusedIfTheKindIsUnknown(t *testing.T) {
	for kind, known := range map[string]bool{abi.GuardEmpty: true, "full": false} {
		m := newTiny()
		m.manifest[0] = changed(t, func(m *abi.Manifest) {
			m.Operations[1].Endpoints[1].Guards = []abi.Guard{{Kind: kind, Read: "GET /api/v1/users/{id}", Each: "users", Blank: "id", Class: abi.Write}}
		})
		err := load(t, m.bytes(t), host.LoadOptions{NoCache: true})
		if known != (err == nil) || !known && (!errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), `guard of kind "full", which this host does not know`)) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// Without a supported method, the error says what to do.
func TestConnect_WithAuthMethods_UsesTheFirstSupported(t *testing.T) {
	oauth := abi.Auth{Type: abi.AuthOAuth, Header: "Authorization", Prefix: "Bearer", TokenEndpoint: "POST /oauth/token", ClientAuth: abi.ClientPrivateKeyJWT, DPoP: true}
	token := abi.Auth{Type: abi.AuthToken, Header: "X-Key"}
	kind := hostileKind(t)
	for name, c := range map[string]struct {
		manifest string
		minor0   string
		want     string
	}{
		"with a token":                                     {changed(t, func(m *abi.Manifest) { m.Auth = []abi.Auth{token} }), "", ""},
		"with OAuth, or a token":                           {changed(t, func(m *abi.Manifest) { m.Auth = []abi.Auth{oauth, token} }), "", ""},
		"with OAuth alone":                                 {changed(t, func(m *abi.Manifest) { m.Auth = []abi.Auth{oauth} }), "", "token_secret_ref: the module signs in only with OAuth: write oauth with client_id and private_key_ref instead"},
		"of minor version 0":                               {older(t), "", "the module is of minor version 0, whose manifest has no auth method: load it with LoadOptions.Minor0, or use a newer module"},
		"of minor version 0, with the missing members":     {older(t), `{"kind":"` + kind + `","auth":[{"type":"token","header":"X-Key"}]}`, ""},
		"of minor version 0, without a key":                {strings.Replace(older(t), `"key":"id",`, "", 1), `{"kind":"` + kind + `","auth":[{"type":"token","header":"X-Key"}]}`, ""},
		"of minor version 0, with members of another kind": {older(t), `{"kind":"x","auth":[{"type":"token","header":"X-Key"}]}`, "the module is of minor version 0"},
	} {
		m := newTiny()
		m.manifest[0] = c.manifest
		module, err := host.Load(context.Background(), m.bytes(t), host.LoadOptions{NoCache: true, Minor0: json.RawMessage(c.minor0)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conn, err := module.Connect(context.Background(), host.Config{Name: "a", Kind: kind, BaseURL: "https://example.com", TokenSecretRef: "test:x"},
			host.ConnectOptions{Secrets: hosttest.Secret("a-token-of-some-length")})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, host.ErrConfig) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
		if conn != nil {
			_ = conn.Close(context.Background())
		}
		_ = module.Close(context.Background())
	}
}

func hostileKind(t *testing.T) string {
	t.Helper()
	var m abi.Manifest
	if err := json.Unmarshal(hostileManifest(), &m); err != nil {
		t.Fatal(err)
	}
	return m.Kind
}

func TestLoad_WithDefaultCache_KeepsCompiledCodeByKind(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the user's cache folder is set by XDG_CACHE_HOME")
	}
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	if err := load(t, newTiny().bytes(t), host.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Join(dir, hostileKind(t)+"-connector", "wasm")); err != nil || len(files) == 0 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestReadKind_OfAModule_ChecksNothingElse(t *testing.T) {
	for manifest, want := range map[string]string{`{"kind":"depot","operations":5}`: "depot", `{"kind":"../x"}`: "", `{"kind":5}`: "", `{"kind":"depot"`: "", `{}`: "", `[]`: ""} {
		m := newTiny()
		m.manifest[0] = manifest
		kind, err := host.ReadKind(m.bytes(t))
		if kind != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, host.ErrRefused) {
			t.Errorf("%s: %q, %v", manifest, kind, err)
		}
	}
	if _, err := host.ReadKind([]byte("\x00asm")); !errors.Is(err, host.ErrRefused) {
		t.Errorf("no module: %v", err)
	}
}

func TestReadManifest_OfAModule_ReturnsIt(t *testing.T) {
	read, err := host.ReadManifest(newTiny().bytes(t))
	if err != nil || read.Kind != hostileKind(t) || !json.Valid(read.ConfigSchema) {
		t.Errorf("%+v, %v", read, err)
	}
	for name, manifest := range map[string][]string{"no manifest": nil, "text that is not JSON": {"{"}, "a kind with a path in it": {`{"kind":"../x","config_schema":{}}`}, "no kind": {`{}`}} {
		m := newTiny()
		m.manifest = manifest
		if _, err := host.ReadManifest(m.bytes(t)); !errors.Is(err, host.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Load and ReadManifest must not read one text in two ways.
	for name, c := range map[string]struct{ from, to string }{
		"kind twice":                   {`"kind":"`, `"kind":"other","kind":"`},
		"kind in two cases":            {`"kind":"`, `"Kind":"other","kind":"`},
		"config_schema in two cases":   {`"config_schema":`, `"config_Schema":{"type":"string"},"config_schema":`},
		"class twice":                  {`"class":"`, `"class":"read","class":"`},
		"an invalid class":             {`"class":"`, `"class":"x`},
		"a member of no minor version": {`"kind":"`, `"kinds":1,"kind":"`},
	} {
		m := newTiny()
		m.manifest[0] = strings.Replace(m.manifest[0], c.from, c.to, 1)
		_, err := host.ReadManifest(m.bytes(t))
		if loading := load(t, m.bytes(t), host.LoadOptions{NoCache: true}); !errors.Is(err, host.ErrRefused) || loading == nil || loading.Error() != err.Error() {
			t.Errorf("%s: %v, but Load: %v", name, err, loading)
		}
	}
	if _, err := host.ReadManifest([]byte("\x00asm")); !errors.Is(err, host.ErrRefused) {
		t.Error(err)
	}
}
