package records

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestWrap_Kind_MakesEnvelopes(t *testing.T) {
	body := []byte(`[{"id":"00u1","n":150},{"id":"00u\"2"}]`)
	spans, err := Split(body, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		options abi.EmitOptions
		want    []string
		key     string
	}{
		{abi.EmitOptions{Kind: "user"}, []string{
			`{"kind":"user","id":"00u1","record":{"id":"00u1","n":150}}`,
			`{"kind":"user","id":"00u\"2","record":{"id":"00u\"2"}}`}, "user:00u1"},
		{abi.EmitOptions{Kind: "group_member", Parent: "00g1"}, []string{
			`{"kind":"group_member","id":"00g1/00u1","parent":"00g1","record":{"id":"00u1","n":150}}`,
			`{"kind":"group_member","id":"00g1/00u\"2","parent":"00g1","record":{"id":"00u\"2"}}`}, "group_member:00g1/00u1"},
		{abi.EmitOptions{Kind: "x", Key: "n"}, []string{
			`{"kind":"x","id":"150","record":{"id":"00u1","n":150}}`,
			`{"kind":"x","id":"","record":{"id":"00u\"2"}}`}, "x:150"},
		{abi.EmitOptions{Kind: "role", Parent: "00g1", Distinct: []string{"n", "by.href"}}, []string{
			`{"kind":"role","id":"00g1/00u1/150/","parent":"00g1","record":{"id":"00u1","n":150}}`,
			`{"kind":"role","id":"00g1/00u\"2//","parent":"00g1","record":{"id":"00u\"2"}}`}, "role:00g1/00u1/150/"},
	} {
		p, err := Wrap(t.Context(), Unlimited{}, body, spans, c.options)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range p.Spans {
			if got := string(p.Body[s.Start:s.End]); got != c.want[i] || !json.Valid([]byte(got)) {
				t.Errorf("%+v: %s, want %s", c.options, got, c.want[i])
			}
		}
		if got := string(p.AppendKey(nil, 0)); got != c.key {
			t.Errorf("key %s, want %s", got, c.key)
		}
	}
}

// The parts of an id are not counted, so they may not grow with their number.
func TestWrap_DistinctLongValues_TakesMemoryForOne(t *testing.T) {
	body := []byte(`[{"id":"1","v":"` + strings.Repeat("x", 1<<20) + `"}]`)
	spans, err := Split(body, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Wrap(t.Context(), Unlimited{}, body, spans, abi.EmitOptions{Kind: "x", Distinct: slices.Repeat([]string{"v"}, abi.MaxPaths)})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 10*uint64(len(body)) {
		t.Errorf("%v, and it took %d bytes for a record of %d", err, took, len(body))
	}
}
