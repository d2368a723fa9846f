package e2e_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/internal/observed"
	"github.com/mach5/okta-connector/internal/openapi"
)

// TestModule_PackedManifest_HasThePublishedOperations compares the packed manifest with a table of the published operations, which
// was written by hand. None of them may be missing, or change its class or surfaces. All others are marked as additions:
// docs/operations.md, which is generated, shows their classes.
func TestModule_PackedManifest_HasThePublishedOperations(t *testing.T) {
	text, err := os.ReadFile("../../../testdata/operations.tsv")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && !strings.HasPrefix(line, "#") {
			if want[name] != "" {
				t.Errorf("%s is in the table twice", name)
			}
			want[name] = rest
		}
	}
	m := hosttest.Connector.Module(t)
	got := map[string]string{}
	for _, op := range m.Manifest().Operations {
		if published := want[op.Name] != ""; published == op.Addition {
			t.Errorf("%s: addition is %v, and it is in the table: %v", op.Name, op.Addition, published)
		}
		if op.Addition {
			continue
		}
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

// TestTables_Columns_CoverTheKnownOnes compares the SQL surface with the list in testdata.
func TestTables_Columns_CoverTheKnownOnes(t *testing.T) {
	text, err := os.ReadFile("../../../testdata/steampipe-columns.tsv")
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(line, "#") || len(fields) != 4 {
			continue
		}
		known++
		op, err := hosttest.Connector.Module(t).Operation(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(op.Columns, func(c abi.Column) bool { return c.Name == fields[1] })
		if at < 0 || string(op.Columns[at].Type) != fields[2] {
			t.Errorf("%s has no column %s of type %s, which %s has", fields[0], fields[1], fields[2], fields[3])
		}
	}
	if known < 120 {
		t.Errorf("%d columns were read", known)
	}
}

// TestEndpoints_Buckets_MatchOktasMap compares the rate-limit bucket of each endpoint with Okta's own map.
func TestEndpoints_Buckets_MatchOktasMap(t *testing.T) {
	buckets := map[string]string{}
	for line := range strings.Lines(string(observed.File(t, "rate-limit-buckets.tsv"))) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			buckets[f[1]+" "+f[0]] = f[2]
		}
	}
	checked := map[string]bool{}
	for _, op := range hosttest.Connector.Module(t).Manifest().Operations {
		for _, e := range op.Endpoints {
			key := blanks.ReplaceAllString(e.Endpoint, "ID")
			want, ok := buckets[key]
			checked[key] = checked[key] || ok
			if ok && e.Bucket != want {
				t.Errorf("%s: %s counts against %s, not %s", op.Name, e.Endpoint, want, e.Bucket)
			}
		}
	}
	for key, known := range checked {
		if !known {
			t.Logf("Okta's map does not have %s", key)
		}
	}
}

// TestEndpoints_Scopes_MatchOktasDocument compares the OAuth scopes of each endpoint with Okta's OpenAPI document.
func TestEndpoints_Scopes_MatchOktasDocument(t *testing.T) {
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range hosttest.Connector.Module(t).Manifest().Operations {
		for _, e := range op.Endpoints {
			scopes, err := judge.Scopes(e.Endpoint)
			if err != nil {
				if e.Endpoint != "GET /oauth2/v1/clients" { // from another document: okta.clients.read
					t.Errorf("%s: %v", op.Name, err)
				}
				continue
			}
			for _, s := range e.Scopes {
				if !slices.Contains(scopes, s) {
					t.Errorf("%s: %s needs one of %q, not %s", op.Name, e.Endpoint, scopes, s)
				}
			}
			if len(e.Scopes) == 0 && len(scopes) > 0 {
				t.Errorf("%s: %s needs %q", op.Name, e.Endpoint, scopes)
			}
		}
	}
}

func TestLoad_Connector_NamesItsOperations(t *testing.T) {
	ctx := context.Background()
	m := hosttest.Connector.Module(t)
	for _, name := range []string{"lookup_user", "okta.lookup_user"} {
		if op, err := m.Operation(name); err != nil || op.Name != "lookup_user" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.Operation("lookup_usr"); !errors.Is(err, host.ErrUnknownOperation) || !strings.Contains(err.Error(), "did you mean lookup_user?") {
		t.Error(err)
	}
	var names []string
	for _, op := range m.Manifest().Operations {
		names = append(names, op.Name)
	}
	for _, want := range []string{"validate", "poll_system_log_page", "lookup_user", "list_users", "create_user", "deactivate_user", "assign_role"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if described, err := m.Describe(ctx); err != nil || string(described) != string(m.RawManifest()) {
		t.Errorf("describe returns other bytes than the custom section has (%v)", err)
	}
}
