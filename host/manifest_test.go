package host_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/host"
)

// TestTheModuleHasTheOperationsThatWereAskedFor compares the packed manifest with a table that was typed in by hand.
func TestTheModuleHasTheOperationsThatWereAskedFor(t *testing.T) {
	text, err := os.ReadFile("../testdata/operations.tsv")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && !strings.HasPrefix(line, "#") {
			want[name] = rest
		}
	}
	if len(want) != 52 {
		t.Fatalf("%d operations in the table", len(want))
	}
	ctx := context.Background()
	wasm, err := pack.Cached(ctx)
	if err != nil {
		t.Fatal(err)
	}
	m, err := host.Load(ctx, wasm, host.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close(ctx) }()
	got := map[string]string{}
	for _, op := range m.Manifest().Operations {
		rules := "-"
		if len(op.ClassRules) > 0 {
			var all []string
			for _, r := range op.ClassRules {
				rule := r.Field
				if r.Equals != "" {
					rule += "=" + r.Equals
				}
				all = append(all, rule+":"+string(r.Class))
			}
			rules = strings.Join(all, " ")
		}
		var surfaces []string
		for _, s := range op.Surfaces {
			surfaces = append(surfaces, string(s))
		}
		got[op.Name] = string(op.Class) + "\t" + rules + "\t" + strings.Join(surfaces, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the module (-table +module):\n%s", diff)
	}
	for _, op := range m.Manifest().Operations {
		if len(op.Example) == 0 || op.Summary == "" || len(op.InputSchema) == 0 {
			t.Errorf("%s has no example, summary or schema", op.Name)
		}
	}
}
