package minor0_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/minor0"
	"github.com/mach5/okta-connector/internal/compat"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// TestManifest_OfMinor0_IsFilled reduces today's manifest to minor version 0. With these facts, it must say the
// same about the service as today's.
func TestManifest_OfMinor0_IsFilled(t *testing.T) {
	today, err := abi.ParseManifest(okta.Manifest(), nil)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := wasmbin.Parse(compat.Module(t))
	if err != nil {
		t.Fatal(err)
	}
	inOldModule := map[string]bool{}
	for _, name := range gjson.GetBytes(bin.Section(abi.ManifestSection)[0].Data, "operations.#.name").Array() {
		inOldModule[name.Str] = true
	}
	// An operation of a later minor version is in no module of minor version 0. Its view is in no minor0.json.
	today.Views = slices.DeleteFunc(today.Views, func(v abi.View) bool {
		return !gjson.GetBytes(minor0.Manifest(), `views.#(operation=="`+v.Operation+`")`).Exists() && !inOldModule[v.Operation]
	})
	today.Operations = slices.DeleteFunc(today.Operations, func(op abi.Operation) bool { return op.Addition })
	old := okta.Manifest()
	for i, op := range slices.Backward(gjson.GetBytes(old, "operations").Array()) {
		if op.Get("addition").Bool() {
			if old, err = sjson.DeleteBytes(old, "operations."+strconv.Itoa(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, member := range []string{"minor", "requires", "auth", "base_url", "request_id_header", "response_headers", "content_type_parameters", "time_layouts", "rate_limit_habits", "views"} {
		if old, err = sjson.DeleteBytes(old, member); err != nil {
			t.Fatal(err)
		}
	}
	for i, op := range gjson.GetBytes(old, "operations").Array() {
		path := "operations." + strconv.Itoa(i)
		if op.Get("backfill").Exists() {
			old, _ = sjson.DeleteBytes(old, path+".backfill")
		}
		old, _ = sjson.DeleteBytes(old, path+".display")
		old, _ = sjson.DeleteBytes(old, path+".rejections")
		for j := range op.Get("endpoints").Array() {
			for _, member := range []string{"query", "headers", "delimiters", "guards", "reveals", "optional"} {
				old, _ = sjson.DeleteBytes(old, path+".endpoints."+strconv.Itoa(j)+"."+member)
			}
		}
	}
	filled, err := abi.ParseManifest(old, minor0.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	if len(filled.Auth) != 1 || len(filled.Views) == 0 || len(filled.ResponseHeaders) == 0 {
		t.Fatal("the manifest was not filled")
	}
	filled.Minor, filled.Requires = today.Minor, today.Requires
	filled.Auth = today.Auth // an old module signs in with a token: OAuth came later
	for i := range filled.Operations {
		filled.Operations[i].Display = today.Operations[i].Display // hosts of minor version 0 did not know these
		filled.Operations[i].Rejections = today.Operations[i].Rejections
		for j := range filled.Operations[i].Endpoints {
			e := &filled.Operations[i].Endpoints[j]
			if e.Method() == "GET" { // may have any name
				e.Query = today.Operations[i].Endpoints[j].Query
			}
			e.Optional = today.Operations[i].Endpoints[j].Optional // about OAuth's scopes
		}
	}
	if diff := cmp.Diff(today, filled); diff != "" {
		t.Error(diff)
	}
}
