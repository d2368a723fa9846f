package connections

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/host"
)

// What a module says of its connections is what a connection file is held to: the same fields, the same bounds.
func TestTheModulesConfigSchemaIsWhatFilesAreHeldTo(t *testing.T) {
	var m abi.Manifest
	if err := json.Unmarshal(okta.Manifest(), &m); err != nil {
		t.Fatal(err)
	}
	names := func(path string) (all []string) {
		gjson.GetBytes(m.ConfigSchema, path).ForEach(func(name, _ gjson.Result) bool { all = append(all, name.Str); return true })
		slices.Sort(all)
		return all
	}
	var have, required, bounds []string
	for _, f := range fields {
		if have = append(have, f.name); f.required != "" {
			required = append(required, f.name)
		}
	}
	for _, l := range limits {
		bounds = append(bounds, l.name)
	}
	slices.Sort(have)
	slices.Sort(bounds)
	if want := names("properties"); !slices.Equal(have, want) {
		t.Errorf("fields %v, in the schema %v", have, want)
	}
	if want := names("properties.limits.properties"); !slices.Equal(bounds, want) {
		t.Errorf("limits %v, in the schema %v", bounds, want)
	}
	var listed []string
	for _, r := range gjson.GetBytes(m.ConfigSchema, "required").Array() {
		listed = append(listed, r.Str)
	}
	if !slices.Equal(required, listed) {
		t.Errorf("required %v, in the schema %v", required, listed)
	}

	// Each whole number, at its bounds and beyond them.
	const head = "connections:\n  - {name: a, kind: okta, base_url: 'https://example.okta.com', token_secret_ref: env:X, "
	numbers := 0
	for _, at := range []struct{ path, yaml string }{{"properties", "%s: %s"}, {"properties.limits.properties", "limits: {%s: %s}"}} {
		gjson.GetBytes(m.ConfigSchema, at.path).ForEach(func(name, schema gjson.Result) bool {
			if schema.Get("type").Str != "integer" {
				return true
			}
			numbers++
			for value, ok := range map[int64]bool{schema.Get("minimum").Int(): true, schema.Get("maximum").Int(): true,
				schema.Get("minimum").Int() - 1: false, schema.Get("maximum").Int() + 1: false} {
				_, err := Parse([]byte(head + fmt.Sprintf(at.yaml, name.Str, fmt.Sprint(value)) + "}\n"))
				if (err == nil) != ok {
					t.Errorf("%s: %d: %v", name.Str, value, err)
				}
			}
			return true
		})
	}
	if numbers != 4+len(limits) {
		t.Errorf("%d numbers", numbers)
	}

	// The defaults of limits are the host's.
	d := host.DefaultLimits()
	for name, want := range map[string]int64{"call_seconds": int64(d.CallTimeout.Seconds()), "requests": int64(d.Requests), "request_seconds": int64(d.RequestTimeout.Seconds()), "body_bytes": d.BodyBytes,
		"held_bytes": d.HeldBytes, "result_bytes": d.ResultBytes, "records": int64(d.Records), "memory_bytes": d.MemoryBytes,
		"concurrency": int64(d.Concurrency), "log_bytes": int64(d.LogBytes)} {
		if got := gjson.GetBytes(m.ConfigSchema, "properties.limits.properties."+name+".default").Int(); got != want {
			t.Errorf("limits.%s is %d by default, in the schema %d", name, want, got)
		}
	}
	if s := string(m.ConfigSchema); strings.Count(s, `"default":86400`) != 1 {
		t.Errorf("initial_lookback_seconds has no default in %s", s)
	}
}
