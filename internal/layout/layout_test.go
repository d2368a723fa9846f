package layout

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/mach5/okta-connector/"
	runner = "cmd/wasm-runner/internal/"
)

// maxLines is the maximum size of a package without its tests.
const maxLines = 2500

// large lists the packages that may be larger, with the reason.
var large = map[string]string{
	"guest/okta":          "it has a file for each resource",
	"guest/okta/oktatest": "it simulates a whole org",
}

// rule lists what the packages in a folder and below it must not import from this module.
type rule struct {
	from   string
	not    []string // folders
	except []string // folders in not that may be imported
	why    string
	// indirect also forbids imports through other packages of this module.
	indirect bool
	but      []string // packages for tests, to which the rule does not apply
}

// Packages that only tests import. They pack modules, for which they may need the connector.
var harness = []string{"host/hosttest", "host/ingest/ingesttest", "host/attack", "abi/conformance"}

var rules = []rule{
	{from: "host/internal/sandbox", not: []string{"abi", "host", "guest", "cmd", "build"}, except: []string{"host/internal/sandbox"},
		why: "the sandbox is the machine alone: it knows no operation, class or service"},
	{from: "host", not: []string{"cmd"}, indirect: true, why: "the host is a library, and commands are built from it"},
	{from: "host", not: []string{"guest/okta"}, indirect: true, but: harness, why: "the host knows no service: such facts go into the manifest"},
	{from: "abi", not: []string{"guest/okta"}, indirect: true, but: harness, why: "the contract knows no service"},
	{from: "abi", not: []string{"host", "cmd"}, indirect: true, but: harness, why: "hosts of other authors use the contract without ours"},
	{from: "guest", not: []string{"host", "cmd"}, indirect: true, but: []string{"guest/okta/oktatest", "guest/okta/e2e", "guest/template", "guest/connectortest"},
		why: "a module must not contain a host"},
	{from: "guest/connector", not: []string{"guest/okta"}, indirect: true, why: "the SDK is for connectors of any service"},
	{from: "internal", not: []string{"cmd", "host"}, why: "internal is below everything else"},
	{from: runner + "term", not: []string{"abi", "host", "guest", "cmd"}, except: []string{runner + "term"}, why: "a terminal shows text of any origin"},
	{from: runner + "rows", not: []string{"host", "guest", "cmd"}, except: []string{"host/records", runner + "term", runner + "rows"},
		why: "rows are written without knowing who read them"},
	{from: runner + "cli", not: []string{runner + "audit", runner + "query", runner + "source", "host/sql"}, indirect: true,
		why: "every command is built on it, with or without SQL"},
	{from: runner + "audit", not: []string{runner + "query", runner + "source"}, indirect: true, why: "commands share what is in cli, not each other"},
	{from: runner + "query", not: []string{runner + "audit", runner + "source"}, indirect: true, why: "commands share what is in cli, not each other"},
	{from: runner + "source", not: []string{runner + "audit", runner + "query"}, indirect: true, why: "commands share what is in cli, not each other"},
}

// pkg is a package without its tests.
type pkg struct {
	lines   int
	imports map[string]bool // packages of this module, by folder
}

// packages reads the non-test files of all packages of this module by folder. It ignores build constraints.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	all := map[string]*pkg{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || len(name) > 2 && (name[0] == '.' || name[0] == '_') {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil && file != root {
				return filepath.SkipDir // a separate module
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(rel)
		p := all[folder]
		if p == nil {
			p = &pkg{imports: map[string]bool{}}
			all[folder] = p
		}
		p.lines += bytes.Count(text, []byte("\n"))
		for _, i := range parsed.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if name, ours := strings.CutPrefix(name, module); ours {
				p.imports[name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// within reports whether a package is in one of these folders or below it.
func within(name string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
}

// check returns an error for each import that violates the rule.
func (r rule) check(all map[string]*pkg) error {
	var found []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !within(name, r.from) || within(name, r.but...) {
			continue
		}
		seen := map[string]bool{}
		var follow func(via []string)
		follow = func(via []string) {
			p := all[via[len(via)-1]]
			if p == nil {
				return
			}
			for _, i := range slices.Sorted(maps.Keys(p.imports)) {
				if seen[i] {
					continue
				}
				seen[i] = true
				next := append(slices.Clone(via), i)
				if within(i, r.not...) && !within(i, r.except...) {
					found = append(found, fmt.Errorf("%s may not import %s, since %s: move what it needs to a package below both, or hand it in",
						strings.Join(next[:len(next)-1], ", which imports "), i, r.why))
				} else if r.indirect {
					follow(next)
				}
			}
		}
		follow([]string{name})
	}
	return errors.Join(found...)
}

func TestPackages_OfEveryRoom_ImportNothingAbove(t *testing.T) {
	all := packages(t)
	for _, r := range rules {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(name string) bool { return within(name, r.from) }) {
			t.Errorf("a rule names %s, where there is no package: update the rule", r.from)
		}
		if err := r.check(all); err != nil {
			t.Error(err)
		}
	}
}

func TestPackages_OfEveryRoom_AreUnderTheLimit(t *testing.T) {
	all := packages(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if n := all[name].lines; n > maxLines && large[name] == "" {
			t.Errorf("package %s has %d lines without its tests, more than %d: split it by concern, into %s or next to it", name, n, maxLines, path.Join(name, "internal"))
		}
	}
	for name := range large {
		if all[name] == nil {
			t.Errorf("%s may be large but is not a package: remove the exception", name)
		}
	}
}

func TestRule_OfAForbiddenImport_ReportsIt(t *testing.T) {
	of := func(imports ...string) *pkg {
		p := &pkg{imports: map[string]bool{}}
		for _, i := range imports {
			p.imports[i] = true
		}
		return p
	}
	all := map[string]*pkg{"low": of("middle"), "middle": of("high"), "high": of(), "low/harness": of("high"), "lower": of("high")}
	for _, c := range []struct {
		rule rule
		want string // part of the error; "" wants none
	}{
		{rule{from: "low", not: []string{"high"}, but: []string{"low/harness"}}, ""},
		{rule{from: "low", not: []string{"high"}}, "low/harness may not import high"},
		{rule{from: "low", not: []string{"high"}, but: []string{"low/harness"}, indirect: true}, "low, which imports middle may not import high"},
		{rule{from: "middle", not: []string{"high"}}, "middle may not import high"},
		{rule{from: "middle", not: []string{"high"}, except: []string{"high"}}, ""},
	} {
		err := c.rule.check(all)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.rule, err, c.want)
		}
	}
}
