package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// tiny is a module with the exports of a connector and no code.
type tiny struct {
	imports  [][2]string
	exports  []string
	memory   bool // import a memory
	start    bool
	manifest []string
	result   byte   // result type of the exports
	code     string // body of the exports; default returns 0
}

func newTiny() tiny {
	return tiny{exports: []string{"describe", "invoke", "source", "table"}, manifest: []string{string(hostileManifest())}, result: 0x7f}
}

func (m tiny) bytes(t *testing.T) []byte {
	t.Helper()
	name := func(s string) string { return string(rune(len(s))) + s }
	section := func(id byte, count int, body string) string {
		body = string(rune(count)) + body
		if len(body) > 127 {
			return string(id) + string([]byte{byte(len(body)&0x7f | 0x80), byte(len(body) >> 7)}) + body
		}
		return string(id) + string(rune(len(body))) + body
	}
	wasm := "\x00asm\x01\x00\x00\x00"
	types := "\x60\x00\x01" + string([]byte{m.result})
	if m.result >= 0x80 {
		t.Fatal("not a number type")
	}
	wasm += section(1, 2, types+"\x60\x00\x00")
	var imports string
	for _, im := range m.imports {
		imports += name(im[0]) + name(im[1]) + "\x00\x00"
	}
	count := len(m.imports)
	if m.memory {
		imports += name("env") + name("memory") + "\x02\x00\x01"
		count++
	}
	if count > 0 {
		wasm += section(2, count, imports)
	}
	wasm += section(3, 2, "\x00\x01")
	if !m.memory {
		wasm += section(5, 1, "\x00\x01")
	}
	var exports string
	for _, e := range m.exports {
		exports += name(e) + "\x00" + string(rune(len(m.imports)))
	}
	wasm += section(7, len(m.exports), exports)
	if m.start {
		wasm += "\x08\x01" + string(rune(len(m.imports)+1))
	}
	code := "\x04\x00\x41\x00\x0b"
	if m.result == 0x7e {
		code = "\x04\x00\x42\x00\x0b"
	}
	if m.code != "" {
		code = m.code
	}
	wasm += section(10, 2, code+"\x02\x00\x0b")
	out := []byte(wasm)
	for _, text := range m.manifest {
		var err error
		if out, err = wasmbin.AppendCustom(out, abi.ManifestSection, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// changed returns the hostile manifest with a change.
func changed(t *testing.T, change func(*abi.Manifest)) string {
	t.Helper()
	var m abi.Manifest
	if err := json.Unmarshal(hostileManifest(), &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func load(t *testing.T, wasm []byte, opts host.LoadOptions) error {
	t.Helper()
	m, err := host.Load(context.Background(), wasm, opts)
	if err == nil {
		_ = m.Close(context.Background())
	}
	return err
}

func TestLoad_OfAValidModule_Succeeds(t *testing.T) {
	if err := load(t, newTiny().bytes(t), host.LoadOptions{NoCache: true}); err != nil {
		t.Fatal(err)
	}
}

func TestLoad_OfAnInvalidModule_NamesTheReason(t *testing.T) {
	endpoint := func(e string) func(*abi.Manifest) {
		return func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = e }
	}
	for _, c := range []struct {
		name   string
		change func(*tiny)
		want   string
	}{
		{"a file to open", func(m *tiny) { m.imports = [][2]string{{"wasi_snapshot_preview1", "path_open"}} }, "wasi_snapshot_preview1.path_open, which is not on the allow-list"},
		{"a socket", func(m *tiny) { m.imports = [][2]string{{"wasi_snapshot_preview1", "sock_send"}} }, "sock_send"},
		{"Extism's own http_request", func(m *tiny) { m.imports = [][2]string{{"extism:host/env", "http_request"}} }, "http_request"},
		{"Extism's variables", func(m *tiny) { m.imports = [][2]string{{"extism:host/env", "var_set"}} }, "var_set"},
		{"Extism's configuration", func(m *tiny) { m.imports = [][2]string{{"extism:host/env", "config_get"}} }, "config_get"},
		{"an unknown import", func(m *tiny) { m.imports = [][2]string{{"env", "system"}} }, "env.system"},
		{"an unknown function of our namespace", func(m *tiny) { m.imports = [][2]string{{abi.Namespace, "http_get"}} }, "http_get"},
		{"a memory from outside", func(m *tiny) { m.memory = true }, "which is not a function"},
		{"a start function", func(m *tiny) { m.start = true }, "start function"},
		{"a missing export", func(m *tiny) { m.exports = m.exports[:3] }, `lacks the export "table"`},
		{"an export of another type", func(m *tiny) { m.result = 0x7e }, "() -> i32"},
		{"code with a type error", func(m *tiny) { m.code = "\x04\x00\x42\x00\x0b" }, "cannot use i64"},
		{"code with an unknown instruction", func(m *tiny) { m.code = "\x04\x00\x41\xff\x0b" }, "invalid function"},
		{"no manifest", func(m *tiny) { m.manifest = nil }, "0 custom sections"},
		{"two manifests", func(m *tiny) { m.manifest = append(m.manifest, m.manifest[0]) }, "2 custom sections"},
		{"a manifest that is too large", func(m *tiny) { m.manifest[0] += strings.Repeat(" ", abi.MaxManifestSize) }, "at most"},
		{"a manifest that is not JSON", func(m *tiny) { m.manifest[0] = "{" }, "manifest"},
		{"a manifest with an unknown field", func(m *tiny) { m.manifest[0] = strings.Replace(m.manifest[0], "{", `{"x":1,`, 1) }, `unknown field "x"`},
		{"another ABI", func(m *tiny) { m.manifest[0] = changed(t, func(m *abi.Manifest) { m.ABI = "mach5:connector/v2" }) }, "mach5:connector/v2"},
		{"a read that posts", func(m *tiny) { m.manifest[0] = changed(t, endpoint("POST /api/v1/users")) }, "exceeds class read"},
		{"a write that deletes", func(m *tiny) {
			m.manifest[0] = changed(t, func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Endpoint = "DELETE /api/v1/users/{id}" })
		}, "exceeds class write"},
		{"a write on the sql surface", func(m *tiny) {
			m.manifest[0] = changed(t, func(m *abi.Manifest) { m.Operations[1].Surfaces = []abi.Surface{abi.SQL} })
		}, "only operations of class read"},
		{"an unknown method", func(m *tiny) { m.manifest[0] = changed(t, endpoint("CONNECT /api/v1/users")) }, "CONNECT"},
		{"an endpoint that is a URL", func(m *tiny) { m.manifest[0] = changed(t, endpoint("GET https://evil.example/")) }, "must be absolute"},
		{"an endpoint with path steps", func(m *tiny) { m.manifest[0] = changed(t, endpoint("GET /api/../x")) }, "not plain"},
		{"an endpoint with a query", func(m *tiny) { m.manifest[0] = changed(t, endpoint("GET /api?x=1")) }, "characters other than"},
		{"an endpoint with a double slash", func(m *tiny) { m.manifest[0] = changed(t, endpoint("GET //evil.example/x")) }, "not plain"},
		{"a blank that is part of a segment", func(m *tiny) { m.manifest[0] = changed(t, endpoint("GET /api/x{id}")) }, "characters other than"},
		{"a blank for the rest of the path", func(m *tiny) { m.manifest[0] = changed(t, endpoint("GET /api/{rest...}")) }, "characters other than"},
		{"an operation twice", func(m *tiny) {
			m.manifest[0] = changed(t, func(m *abi.Manifest) { m.Operations = append(m.Operations, m.Operations[0]) })
		}, "is listed twice"},
		{"a path that is a query", func(m *tiny) {
			m.manifest[0] = changed(t, func(m *abi.Manifest) { m.Operations[0].Key = "a.#(b==1)" })
		}, "object keys joined by dots"},
		{"no key on the ingest surface", func(m *tiny) {
			m.manifest[0] = changed(t, func(m *abi.Manifest) { m.Operations[0].Key = "" })
		}, `operation "read" is on the ingest surface and has no key`},
		{"an unknown class", func(m *tiny) {
			m.manifest[0] = changed(t, func(m *abi.Manifest) { m.Operations[0].Class = "admin" })
		}, `class "admin"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newTiny()
			c.change(&m)
			err := load(t, m.bytes(t), host.LoadOptions{NoCache: true})
			if !errors.Is(err, host.ErrRefused) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want a refusal with %q", err, c.want)
			}
		})
	}
	t.Run("not a module", func(t *testing.T) {
		for _, b := range []string{"", "hello", "\x00asm\x02\x00\x00\x00"} {
			if err := load(t, []byte(b), host.LoadOptions{}); !errors.Is(err, host.ErrRefused) {
				t.Errorf("%q: %v", b, err)
			}
		}
	})
}

func TestLoad_WithAnotherChecksum_Fails(t *testing.T) {
	wasm := newTiny().bytes(t)
	sum := sha256.Sum256(wasm)
	if err := load(t, wasm, host.LoadOptions{NoCache: true, SHA256: hex.EncodeToString(sum[:])}); err != nil {
		t.Error(err)
	}
	wasm[len(wasm)-1] ^= 0x20
	if err := load(t, wasm, host.LoadOptions{NoCache: true, SHA256: hex.EncodeToString(sum[:])}); !errors.Is(err, host.ErrRefused) {
		t.Errorf("a changed module: %v", err)
	}
}

func TestLoad_WithACacheWritableByOthers_DoesNotUseIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := load(t, newTiny().bytes(t), host.LoadOptions{CacheDir: dir}); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("%d files were written there", len(files))
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := load(t, newTiny().bytes(t), host.LoadOptions{CacheDir: dir}); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) == 0 {
		t.Error("a private folder is not used")
	}
}

func TestConnect_WithAnInvalidField_NamesIt(t *testing.T) {
	m := hostileGuest.Module(t)
	sound := host.Config{Name: "x", Kind: "hostile", BaseURL: "https://service.example.com", TokenSecretRef: "env:X"}
	for _, c := range []struct {
		name   string
		change func(*host.Config)
		want   string
	}{
		{"no name", func(c *host.Config) { c.Name = "" }, "name"},
		{"a name with a slash", func(c *host.Config) { c.Name = "a/b" }, "name"},
		{"another kind", func(c *host.Config) { c.Kind = "entra" }, "kind"},
		{"a path in the URL", func(c *host.Config) { c.BaseURL += "/api/v1/logs" }, "base_url"},
		{"this machine", func(c *host.Config) { c.BaseURL = "http://127.0.0.1:8080" }, "base_url: 127.0.0.1:8080 is this machine: if that is intended, set AllowPrivateNetwork (allow_private_network)"},
		{"this machine by name", func(c *host.Config) { c.BaseURL = "https://LocalHost." }, "base_url: localhost. is this machine"},
		{"an unknown class", func(c *host.Config) { c.Grants = []abi.Class{"admin"} }, "grants"},
		{"a negative page size", func(c *host.Config) { c.DefaultPageSize = -1 }, "default_page_size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := sound
			c.change(&cfg)
			if _, err := m.Connect(context.Background(), cfg, host.ConnectOptions{Secrets: hosttest.Secret("x")}); !errors.Is(err, host.ErrConfig) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a secret that is not set", func(t *testing.T) {
		cfg := sound
		cfg.TokenSecretRef = "env:SURELY_NOT_SET"
		if _, err := m.Connect(context.Background(), cfg, host.ConnectOptions{}); err == nil || !strings.Contains(err.Error(), "SURELY_NOT_SET is not set") {
			t.Errorf("%v", err)
		}
	})
}
