package connections

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mach5/okta-connector/abi"
	connector "github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/host"
)

const good = `# our orgs
connections:
  - name: okta-prod
    kind: okta
    base_url: https://example.okta.com
    token_secret_ref: env:OKTA_API_TOKEN   # in the environment
    default_page_size: 200
    initial_lookback_seconds: 86400
    grants: [read, write]
    limits: {call_seconds: 60, requests: 10, request_seconds: 30, body_bytes: 1048576, held_bytes: 4194304, result_bytes: 2097152, records: 5, memory_bytes: 33554432, concurrency: 2, log_bytes: 4096}
  - {name: "okta-dev", kind: okta, base_url: 'https://dev.oktapreview.com', token_secret_ref: "file:dev.token", allow_private_network: true}
`

// okta returns the schema of this repository's connector.
func okta(t testing.TB) *Schema {
	t.Helper()
	m, err := abi.ParseManifest(connector.Manifest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSchema(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse_EveryField_IsRead(t *testing.T) {
	got, err := okta(t).Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := []host.Config{
		{Name: "okta-prod", Kind: "okta", BaseURL: "https://example.okta.com", TokenSecretRef: "env:OKTA_API_TOKEN",
			DefaultPageSize: 200, InitialLookbackSeconds: 86400, Grants: []abi.Class{abi.Read, abi.Write},
			Limits: host.Limits{CallTimeout: time.Minute, Requests: 10, RequestTimeout: 30 * time.Second, BodyBytes: 1 << 20, HeldBytes: 4 << 20, ResultBytes: 2 << 20, Records: 5, MemoryBytes: 32 << 20, Concurrency: 2, LogBytes: 4096}},
		{Name: "okta-dev", Kind: "okta", BaseURL: "https://dev.oktapreview.com", TokenSecretRef: "file:dev.token", AllowPrivateNetwork: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// secret is used as a token in the invalid files below. No error may repeat it.
const secret = "00AbCdEfGhIjKlMnOpQrStUvWxYz-0123456789_ab"

func TestParse_InvalidFile_Fails(t *testing.T) {
	entry := func(lines ...string) string {
		return "connections:\n  - name: a\n    kind: okta\n    base_url: https://example.okta.com\n    " + strings.Join(lines, "\n    ") + "\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                      {"", "connection file: is empty"},
		"only comments":                {"# nothing yet\n", "connection file: is empty"},
		"a list at the top":            {"- name: a\n", ":1: want fields (name: value), found a list"},
		"an unknown field at the top":  {"connection:\n  - name: a\n", ":1: unknown field connection: the file has one field, connections"},
		"a mapping for the list":       {"connections:\n  a:\n    kind: okta\n", ":2: connections: want a list, found fields"},
		"an empty list":                {"connections: []\n", ":1: connections: the list is empty"},
		"nothing at the top":           {"{}\n", ":1: no connections: list them"},
		"an empty entry":               {"connections:\n  - {}\n", ":2: connection has no name"},
		"no list":                      {"connections:\n", ":1: connections: want a list, found nothing"},
		"an entry that is text":        {"connections:\n  - okta\n", ":2: want fields (name: value), found text"},
		"a token in the file":          {entry("token: " + secret), ":5: field token: a secret does not belong in this file"},
		"an api key in the file":       {entry("api-key: " + secret), ":5: field api-key: a secret does not belong"},
		"a token as a reference":       {entry("token_secret_ref: " + secret), ":5: token_secret_ref: not a reference (is it the token itself?)"},
		"an unknown field":             {entry("token_secret_reference: env:A"), ":5: unknown field token_secret_reference: a connection has name, kind,"},
		"a secret as a field":          {entry(secret + ": yes"), ":5: unknown field (not shown)"},
		"a missing reference":          {entry("grants: [read]"), ":2: connection a has no token_secret_ref: write the location of the API token: env:OKTA_API_TOKEN, file:PATH or keyring:NAME"},
		"a missing name":               {"connections:\n  - kind: okta\n", ":2: connection has no name"},
		"text for a number":            {entry("token_secret_ref: env:A", "default_page_size: many"), ":6: default_page_size: want a whole number, found text"},
		"a negative number":            {entry("token_secret_ref: env:A", "default_page_size: -1"), ":6: default_page_size: want a whole number from 1 to 1000"},
		"a fraction":                   {entry("token_secret_ref: env:A", "default_page_size: 1.5"), ":6: default_page_size: want a whole number"},
		"a number for text":            {"connections:\n  - name: 7\n", ":2: name: want text, found a number: put it in quotes"},
		"limits that are not fields":   {entry("token_secret_ref: env:A", "limits: 5"), ":6: limits: want fields (name: value), found a number"},
		"this machine":                 {strings.Replace(entry("token_secret_ref: env:A"), "https://example.okta.com", "http://127.0.0.1:8080", 1), ":4: base_url is an address of this machine: if that is intended, write allow_private_network: true"},
		"this machine by name":         {strings.Replace(entry("token_secret_ref: env:A"), "example.okta.com", "localhost", 1), ":4: base_url is an address of this machine"},
		"this machine by IPv6":         {strings.Replace(entry("token_secret_ref: env:A"), "https://example.okta.com", "'https://[::1]'", 1), ":4: base_url is an address of this machine"},
		"an unknown limit":             {entry("token_secret_ref: env:A", "limits: {pages: 5}"), ":6: limits: unknown limit pages: there are call_seconds, requests,"},
		"a limit of 0":                 {entry("token_secret_ref: env:A", "limits: {requests: 0}"), ":6: limits: requests: want a whole number from 1 to"},
		"too little memory":            {entry("token_secret_ref: env:A", "limits: {memory_bytes: 65536}"), ":6: limits: memory_bytes: want a whole number from 4194304 to"},
		"text for true":                {entry("token_secret_ref: env:A", `allow_private_network: "yes"`), ":6: allow_private_network: want true or false, found text"},
		"an unknown class":             {entry("token_secret_ref: env:A", "grants: [read, admin]"), ":6: grants: no class admin: there are read, write, destructive, privileged"},
		"grants that are not a list":   {entry("token_secret_ref: env:A", "grants: read"), ":6: grants: want a list such as [read, write], found text"},
		"no grants":                    {entry("token_secret_ref: env:A", "grants: []"), ":6: grants: the list is empty"},
		"a grant twice":                {entry("token_secret_ref: env:A", "grants: [read, read]"), ":6: grants: read is listed twice"},
		"a field twice":                {entry("token_secret_ref: env:A", "kind: okta"), ":6: a field is listed twice in one connection: remove one"},
		"a name twice":                 {entry("token_secret_ref: env:A") + strings.TrimPrefix(entry("token_secret_ref: env:B"), "connections:\n"), ":6: name a is listed twice, first in line 2"},
		"a name with a space":          {"connections:\n  - name: my org\n", ":2: name: only letters, digits and -_. are allowed"},
		"an anchor":                    {"connections:\n  - &a\n    name: a\n", "want fields (name: value), found an anchor or alias"},
		"an alias for a value":         {"connections:\n  - name: &n a\n    kind: *n\n", ":2: name: want text, found an anchor or alias"},
		"a merge":                      {"connections:\n  - name: a\n    <<: {kind: okta}\n", ":3: a field's name must be plain text"},
		"a second document":            {good + "---\nconnections: []\n", "a second YAML document"},
		"a tab":                        {"connections:\n\t- name: a\n", ":2: is not YAML: check indentation"},
		"an unclosed quote and secret": {entry(`token: "` + secret), ":5:"},
		"an extra colon":               {entry("token_secret_ref: env:A: " + secret), ""},
	} {
		t.Run(name, func(t *testing.T) {
			configs, err := okta(t).Parse([]byte(c.text))
			if err == nil {
				t.Fatalf("no error, but %+v", configs)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q, want %q in it", err, c.want)
			}
			if !errors.Is(err, ErrFile) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), secret) {
				t.Errorf("error %q: want one line, ErrFile, and no secret", err)
			}
		})
	}
}

func TestReadFile_InvalidFile_NamesFileAndLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "connections.yaml")
	if _, err := okta(t).ReadFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("connections:\n  - nmae: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := okta(t).ReadFile(path); err == nil || !strings.HasPrefix(err.Error(), path+":2: unknown field nmae") {
		t.Errorf("got %v", err)
	}
	if _, err := okta(t).ReadFile(filepath.Dir(path)); !errors.Is(err, ErrFile) {
		t.Errorf("a folder: %v", err)
	}
}

func TestReadFile_RelativeReference_IsResolvedFromFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "connections.yaml")
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	configs, err := okta(t).ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := configs[1].TokenSecretRef, "file:"+filepath.Join(dir, "dev.token"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := configs[0].TokenSecretRef; got != "env:OKTA_API_TOKEN" {
		t.Errorf("got %s", got)
	}
}

func TestFind_NameOrKind_PicksOne(t *testing.T) {
	prod, dev, other := host.Config{Name: "prod", Kind: "okta"}, host.Config{Name: "dev", Kind: "okta"}, host.Config{Name: "entra", Kind: "azure"}
	for name, c := range map[string]struct {
		configs []host.Config
		ask     string
		want    string // a name, or a part of the error
	}{
		"by name":                       {[]host.Config{prod, dev}, "dev", "dev"},
		"the only one":                  {[]host.Config{prod}, "", "prod"},
		"by kind, with one connection":  {[]host.Config{prod, other}, "azure", "entra"},
		"by kind, with two connections": {[]host.Config{prod, dev, other}, "okta", `"okta" is a kind with several connections, name one of prod, dev`},
		"no name, several connections":  {[]host.Config{prod, dev}, "", "which connection? There are prod, dev"},
		"an unknown name":               {[]host.Config{prod}, "prd", `unknown connection "prd": the connection file has prod`},
		"an empty list":                 {nil, "", "the connection file has none"},
		"a name before another's kind":  {[]host.Config{{Name: "okta", Kind: "x"}, dev}, "okta", "okta"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Find(c.configs, c.ask)
			switch {
			case err == nil && got.Name != c.want:
				t.Errorf("got %s, want %s", got.Name, c.want)
			case err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrNoConnection)):
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("connections:\n  - name: a\n    token: x\n"))
	f.Add([]byte("connections: [{name: a, <<: *b}]"))
	f.Add([]byte("&a [*a, *a]"))
	f.Add([]byte("connections: [{name: a, kind: crm}, {name: b, kind: okta, limits: {requests: 0}}]"))
	s := okta(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		configs, err := s.Parse(b)
		if at := LineOf(b, "a", "kind"); at < 0 || at > bytes.Count(b, []byte("\n"))+1 {
			t.Errorf("the kind is given in line %d", at)
		}
		if err != nil {
			if !errors.Is(err, ErrFile) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, c := range configs {
			if c.Name == "" || c.Kind == "" || c.Kind == "okta" && (c.BaseURL == "" || c.TokenSecretRef == "") {
				t.Errorf("incomplete: %+v", c)
			}
		}
	})
}

// TestConfigurationPage_Limits_AreTheDefaults: docs/configuration.md lists the limits with their defaults.
func TestConfigurationPage_Limits_AreTheDefaults(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "```yaml\n    limits:\n")
	block, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("docs/configuration.md does not list the limits")
	}
	got, err := okta(t).Parse([]byte("connections:\n  - name: a\n    kind: okta\n    base_url: https://example.okta.com\n    token_secret_ref: env:A\n    limits:\n" + block))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(host.DefaultLimits(), got[0].Limits); diff != "" {
		t.Errorf("the limits of docs/configuration.md are not the defaults (-defaults +page):\n%s", diff)
	}
}

func TestConfigurationPage_Example_Parses(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\nconnections:\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/configuration.md has no connection file")
	}
	got, err := okta(t).Parse([]byte("connections:\n" + block))
	if err != nil || len(got) != 2 || len(got[0].Approve) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParse_SeveralFaults_AreAllReported(t *testing.T) {
	s := okta(t)
	for name, c := range map[string]struct {
		text string
		want []string // the beginning of each fault
	}{
		"two entries": {`connections:
  - name: a
    kind: okta
    base_url: http://example.okta.com/api
    token_secret_ref: env:A
    grants: [reed, write]
    rate_limit_share: 90
    limits: {call_seconds: 5m, pages: 5, requests: 0}
  - name: a
    kind: okta
    base_rul: https://example.okta.com
    token: ` + secret + `
`, []string{
			":4: base_url: drop the path /api", ":6: grants: no class reed", ":7: rate_limit_share: want a number over 0 and at most 1",
			":8: limits: call_seconds: want a whole number, found text: write 300", ":8: limits: unknown limit pages", ":8: limits: requests: want a whole number from 1",
			":11: unknown field base_rul", ":12: field token: a secret does not belong", ":9: name a is listed twice, first in line 2"}},
		"fields that are missing": {"connections:\n  - base_url: https://example-admin.okta.com\n", []string{
			":2: base_url: it is the Admin Console's address: use https://example.okta.com",
			":2: connection has no name", ":2: connection has no kind", ":2: connection has no token_secret_ref"}},
		"fields at the top": {"version: 2\nconnections:\n  - okta\n  - {name: a, kind: okta, 7: b, base_url: 'https://example.okta.com', token_secret_ref: env:A}\n", []string{
			":1: unknown field version", ":3: want fields (name: value), found text", ":4: a field's name must be plain text"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Parse([]byte(c.text))
			faults := Faults(err)
			for i, f := range faults {
				if i >= len(c.want) || !strings.HasPrefix(f.Error(), "connection file"+c.want[i]) {
					t.Errorf("fault %d: %s", i, f)
				}
			}
			if len(faults) != len(c.want) || !errors.Is(err, ErrFile) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d faults, want %d: %v", len(faults), len(c.want), err)
			}
			if more := fmt.Sprintf(" (%d more faults: wasm-runner check lists all)", len(c.want)-1); !strings.HasSuffix(err.Error(), more) {
				t.Errorf("%v: want %q at its end", err, more)
			}
		})
	}
}

func TestParse_ValueInAnotherUnit_SaysWhatToWrite(t *testing.T) {
	s := okta(t)
	for field, want := range map[string]string{
		"rate_limit_share: 90":                  "rate_limit_share: want a number over 0 and at most 1, such as 0.9: write 0.9 for 90%",
		"rate_limit_share: 75%":                 ": write 0.75 for 75%",
		"rate_limit_share: '0.5'":               ": write 0.5",
		"rate_limit_share: 0":                   "such as 0.9",
		"initial_lookback_seconds: 24h":         ": write 86400",
		"initial_lookback_seconds: 7 days":      ": write 604800",
		"initial_lookback_seconds: 1.5h":        ": write 5400",
		"initial_lookback_seconds: 400d":        "found text",
		"initial_lookback_seconds: yesterday":   "found text",
		"limits: {request_seconds: 1 minute}":   "limits: request_seconds: want a whole number, found text: write 60",
		"limits: {body_bytes: 64MiB}":           ": write 67108864",
		"limits: {memory_bytes: 64 parsecs}":    "found text",
		"limits: {requests: 5s}":                "found text",
		"default_page_size: '200'":              ": write 200 without quotes",
		"default_page_size: '1,000'":            ": write 1000",
		"default_page_size: 1000.0":             "found a number: write 1000",
		"default_page_size: 5000":               "want a whole number from 1 to 1000",
		"allow_private_network: 'yes'":          ": write true",
		"allow_private_network: 0":              ": write false",
		"grants: read":                          ": write [read]",
		"grants: READ":                          ": write [read]",
		"grants: reading":                       "found text",
		"initial_lookback_seconds: " + secret:   "found text",
		"max_destructive_per_hour: 5 per hour":  "found text",
		"max_writes_per_minute: [5]":            "found a list",
		"rate_limit_share: a.b":                 "found text",
		"limits: {held_bytes: 1e400}":           "limits: held_bytes: want",
		"limits: {held_bytes: 999999999999 tb}": "found text",
	} {
		_, err := s.Parse([]byte(head + field + "}\n"))
		if err == nil || !strings.HasSuffix(err.Error(), want) && !(strings.HasSuffix(want, "want") && strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q at its end", field, err, want)
		}
	}
}
