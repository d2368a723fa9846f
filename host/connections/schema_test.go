package connections

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// fieldsOf returns the names of a type's fields in a connection file.
func fieldsOf(t reflect.Type) (all []string) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// TestSchema_Connector_HasTheHostsFields also checks that the schema has the host's defaults.
func TestSchema_Connector_HasTheHostsFields(t *testing.T) {
	s := okta(t)
	for path, typ := range map[string]reflect.Type{"": reflect.TypeFor[host.Config](), "limits": reflect.TypeFor[host.Limits](), "oauth": reflect.TypeFor[host.OAuth]()} {
		var at []string
		if path != "" {
			at = []string{path}
		}
		have := s.fields(at)
		slices.Sort(have)
		if want := fieldsOf(typ); !slices.Equal(have, want) {
			t.Errorf("%q: the schema has %v, the host %v", path, have, want)
		}
	}
	d := host.DefaultLimits()
	for name, want := range map[string]int64{"call_seconds": int64(d.CallTimeout.Seconds()), "requests": int64(d.Requests), "request_seconds": int64(d.RequestTimeout.Seconds()), "body_bytes": d.BodyBytes,
		"held_bytes": d.HeldBytes, "result_bytes": d.ResultBytes, "records": int64(d.Records), "memory_bytes": d.MemoryBytes,
		"concurrency": int64(d.Concurrency), "log_bytes": int64(d.LogBytes)} {
		if got := s.at([]string{"limits", name}).Get("default").Int(); got != want {
			t.Errorf("limits.%s is %d by default, but %d in the schema", name, want, got)
		}
	}
	if got := s.at([]string{"initial_lookback_seconds"}).Get("default").Int(); got != 86_400 {
		t.Errorf("initial_lookback_seconds is %d by default", got)
	}
}

const head = "connections:\n  - {name: a, kind: okta, base_url: 'https://example.okta.com', token_secret_ref: env:X, "

// TestParse_Numbers_AreBoundedBySchema tries each whole number at its bounds and beyond them.
func TestParse_Numbers_AreBoundedBySchema(t *testing.T) {
	s := okta(t)
	numbers := 0
	for _, at := range []struct{ path, yaml string }{{"properties", "%s: %s"}, {"properties.limits.properties", "limits: {%s: %s}"}} {
		gjson.GetBytes(s.raw, at.path).ForEach(func(name, schema gjson.Result) bool {
			if schema.Get("type").Str != "integer" {
				return true
			}
			numbers++
			for value, ok := range map[int64]bool{schema.Get("minimum").Int(): true, schema.Get("maximum").Int(): true,
				schema.Get("minimum").Int() - 1: false, schema.Get("maximum").Int() + 1: false} {
				_, err := s.Parse([]byte(head + fmt.Sprintf(at.yaml, name.Str, fmt.Sprint(value)) + "}\n"))
				if (err == nil) != ok {
					t.Errorf("%s: %d: %v", name.Str, value, err)
				}
			}
			return true
		})
	}
	if numbers == 0 {
		t.Error("the schema has no whole numbers")
	}
}

// crm is the schema of an invented kind. It uses features that the connector's schema does not use.
const crm = `{"type":"object","additionalProperties":false,"required":["name","kind","base_url","token_secret_ref"],"properties":{
	"name":{"type":"string","pattern":"^[a-z]+$"},"kind":{"const":"crm"},"base_url":{"type":"string","description":"the address, such as https://x.crm.test"},
	"token_secret_ref":{"type":"string","pattern":"^vault:.+","description":"vault:PATH"},
	"region":{"enum":["eu","us"]},"rate_limit_share":{"type":"number","minimum":0.5,"maximum":1},
	"default_page_size":{"type":"integer"},"grants":{"type":"array","items":{"enum":["read","write"]}},"token":{"type":"string"}},
	"not":{"required":["default_page_size","rate_limit_share"]},"description":"default_page_size goes without rate_limit_share"}`

func TestParse_SchemaOfAnotherKind_IsUsed(t *testing.T) {
	s, err := NewSchema(&abi.Manifest{Kind: "crm", ConfigSchema: json.RawMessage(crm)})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(more string) string {
		return "connections:\n  - name: sales\n    kind: crm\n    base_url: https://x.crm.test\n    token_secret_ref: vault:a/b\n" + more
	}
	configs, err := s.Parse([]byte(entry("    rate_limit_share: 0.5\n    grants: [write]\n") + "  - {name: okta, kind: okta, anything: [1, {a: b}]}\n"))
	if err != nil || len(configs) != 2 || configs[0].RateLimitShare != 0.5 || configs[0].TokenSecretRef != "vault:a/b" || !reflect.DeepEqual(configs[1], host.Config{Name: "okta", Kind: "okta"}) {
		t.Errorf("%+v, %v", configs, err)
	}
	for more, want := range map[string]string{
		"    region: asia\n":              ":6: region: no asia: there are eu, us",
		"    region: 5\n":                 ":6: region: want one of eu, us",
		"    region: eu\n":                ":6: field region: the module allows it, but this host does not support it: use a newer host, or leave it out",
		"    token: x\n":                  ":6: field token: the module allows it, but this host does not support it",
		"    rate_limit_share: 0.4\n":     ":6: rate_limit_share: want a number of at least 0.5 and at most 1",
		"    default_page_size: 1000.0\n": ":6: default_page_size: want a whole number, found a number",
		"    default_page_size: 5\n    rate_limit_share: 0.6\n":                                 ":2: connection sales: default_page_size goes without rate_limit_share",
		"    grants: [destructive]\n":                                                           ":6: grants: no class destructive: there are read, write",
		"    limits: {requests: 5}\n":                                                           ":6: unknown field limits: a connection has name, kind, base_url",
		"    client_id: abc\n":                                                                  ":6: field client_id: the module signs in only with a token: write token_secret_ref: env:CRM_API_TOKEN",
		"  - {name: b, kind: crm, base_url: 'https://x.crm.test'}\n":                            ":6: connection b has no token_secret_ref: write vault:PATH",
		"  - {name: b, kind: crm, token_secret_ref: env:B, base_url: 'https://x.crm.test'}\n":   ":6: token_secret_ref: unknown kind of reference env: write vault:PATH",
		"  - {name: B, kind: crm, token_secret_ref: vault:B, base_url: 'https://x.crm.test'}\n": ":6: name: only letters, digits",
		"  - {name: b, kind: 'Not a kind', base_url: 'https://x.crm.test'}\n":                   ":6: kind: only lower-case letters, digits and _ are allowed",
		"  - {kind: crm, token_secret_ref: vault:B, base_url: 'https://x.crm.test'}\n":          ":6: connection has no name: write a name of your choice, such as crm-prod",
		"  - {name: b, kind: erp, api-token: x}\n":                                              ":6: field api-token: a secret does not belong in this file",
		"  - {name: b, kind: 7, token_secret_ref: vault:B, base_url: 'https://x.crm.test'}\n":   ":6: kind: want text, found a number: put it in quotes",
		"  - {name: b, token_secret_ref: vault:B, base_url: 'https://x.crm.test'}\n":            ":6: connection b has no kind: write kind: crm",
		"    default_page_size: many\n    grants: read\n    base_rul: x\n":                      ":6: default_page_size: want a whole number, found text",
		"    base_rul: x\n    default_page_size: many\n    grants: read\n":                      ":6: unknown field base_rul: a connection has name, kind, base_url, token_secret_ref, region, rate_limit_share, default_page_size, grants, token, proxy, proxy_credentials_ref, ca_file, tls_min. Did you mean base_url?",
	} {
		if _, err := s.Parse([]byte(entry(more))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", more, err, want)
		}
	}
}

// lax is the schema of an invented kind that refers to definitions, and leaves types to the host.
const lax = `{"type":"object","additionalProperties":false,"required":["name","kind"],"properties":{"name":{"$ref":"#/$defs/name"},"kind":{"$ref":"#/$defs/kind"},
	"base_url":{"type":"string"},"token_secret_ref":{"type":"string"},"limits":{"$ref":"#/$defs/limits"},"grants":{"type":"array","items":{"$ref":"#/$defs/class"}},
	"default_page_size":{"$ref":"#/$defs/size","maximum":50},"rate_limit_share":{},"allow_private_network":{},"approve":{},"max_writes_per_minute":{}},
	"$defs":{"name":{"type":"string","pattern":"^[a-z]+$"},"kind":{"const":"crm"},"class":{"enum":["read","write"]},"size":{"$ref":"#/$defs/number","minimum":5},"number":{"type":"integer"},
		"limits":{"type":"object","additionalProperties":false,"properties":{"call_seconds":{"$ref":"#/$defs/number"},"requests":{}}}}}`

func TestParse_SchemaWithReferences_NamesWhatItHas(t *testing.T) {
	s, err := NewSchema(&abi.Manifest{Kind: "crm", ConfigSchema: json.RawMessage(lax)})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(more string) []byte {
		return []byte("connections:\n  - name: sales\n    kind: crm\n    base_url: https://x.crm.test\n    token_secret_ref: env:X\n    " + more + "\n")
	}
	for _, more := range []string{"limits: {}", "limits: {call_seconds: 2147483647}", "limits: {requests: 5}", "grants: [read]", "rate_limit_share: 1", "default_page_size: 7"} {
		if _, err := s.Parse(entry(more)); err != nil {
			t.Errorf("%s: %v", more, err)
		}
	}
	for more, want := range map[string]string{
		"limits: {requests: many}":                ":6: limits: requests: want a whole number, found text",
		"limits: {call_second: 5}":                ":6: limits: unknown limit call_second: there are call_seconds, requests. Did you mean call_seconds?",
		"limits: {call_seconds: soon}":            ":6: limits: call_seconds: want a whole number, found text",
		"limits: {call_seconds: 4000000000}":      ":6: limits: call_seconds: want a whole number of at most 2147483647",
		"limits: {requests: 99999999999999999}":   "",
		"limits: {requests: 9999999999999999999}": ":6: limits: requests: want a whole number of at most 9223372036854775807",
		"limits: 5":                  ":6: limits: want fields (name: value), found a number",
		"grants: [destroy]":          ":6: grants: no class destroy: there are read, write",
		"default_page_size: 4":       ":6: default_page_size: want a whole number from 5 to 50",
		"rate_limit_share: much":     ":6: rate_limit_share: want a number, found text",
		"allow_private_network: 1":   ":6: allow_private_network: want true or false, found a number",
		"approve: write":             ":6: approve: want a list, found text",
		"approve: [5]":               ":6: approve: want text, found a number",
		"max_writes_per_minute: 1.5": ":6: max_writes_per_minute: want a whole number, found a number",
		"max_writes_per_minute:":     ":6: max_writes_per_minute: want a whole number, found nothing",
	} {
		if _, err := s.Parse(entry(more)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", more, err, want)
		}
	}
}

func TestNewSchema_InvalidSchema_Fails(t *testing.T) {
	for _, text := range []string{"", "{", `{"type":5}`, `{"$ref":"https://example.com/schema"}`, `{"$ref":"file:///etc/passwd"}`} {
		if _, err := NewSchema(&abi.Manifest{Kind: "crm", ConfigSchema: json.RawMessage(text)}); err == nil || !strings.Contains(err.Error(), "the module's config_schema") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
