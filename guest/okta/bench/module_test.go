//go:build long

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"go/ast"
	"go/format"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/secrets"
)

// guestCopy copies the sources of the guest to a folder, where they may be changed.
func guestCopy(t testing.TB) (dir string) {
	t.Helper()
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	copyFile := func(name string) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyFile("go.mod")
	copyFile("go.sum")
	for _, folder := range []string{"abi", "guest", "internal"} {
		err := fs.WalkDir(os.DirFS(root), folder, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				copyFile(name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "manifest", "main.go")
	if err := os.MkdirAll(filepath.Dir(main), 0o700); err != nil {
		t.Fatal(err)
	}
	const text = "package main\n\nimport (\n\t\"os\"\n\n\t\"github.com/mach5/okta-connector/guest/okta\"\n)\n\nfunc main() { os.Stdout.Write(okta.Manifest()) }\n"
	if err := os.WriteFile(main, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// packed builds and packs the guest of a copy.
func packed(t testing.TB, dir string) []byte {
	t.Helper()
	cmd := exec.Command("go", "run", "./manifest")
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	manifest, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaint.Bytes())
	}
	wasm, err := pack.Guest(context.Background(), pack.Options{Dir: dir, Manifest: manifest})
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// keep removes all operations from the tables except those with the given names.
func keep(t testing.TB, dir string, names ...string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "guest", "okta", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, name := range files {
		set := gotoken.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			table, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if of, ok := table.Type.(*ast.ArrayType); !ok || of.Len != nil {
				return true
			} else if element, ok := of.Elt.(*ast.SelectorExpr); !ok || element.Sel.Name != "Operation" {
				return true
			}
			table.Elts = slices.DeleteFunc(table.Elts, func(e ast.Expr) bool {
				for _, field := range e.(*ast.CompositeLit).Elts {
					if pair := field.(*ast.KeyValueExpr); pair.Key.(*ast.Ident).Name == "Name" {
						op, _ := strconv.Unquote(pair.Value.(*ast.BasicLit).Value)
						if slices.Contains(names, op) {
							kept++
							return false
						}
					}
				}
				return true
			})
			return false
		})
		blankUnused(file)
		file.Comments = nil // some were in the removed operations
		var text bytes.Buffer
		if err := format.Node(&text, set, file); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if kept != len(names) {
		t.Fatalf("%d of %d operations were found", kept, len(names))
	}
}

// blankUnused gives a blank name to each import that is no longer used.
func blankUnused(file *ast.File) {
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				used[x.Name] = true
			}
		}
		return true
	})
	for _, i := range file.Imports {
		if name, _ := strconv.Unquote(i.Path.Value); i.Name == nil && !used[path.Base(name)] {
			i.Name = ast.NewIdent("_")
		}
	}
}

// BenchmarkModule reports the size of the module and its time to load, with few operations and with all. That shows what the
// others cost.
func BenchmarkModule(b *testing.B) {
	few := guestCopy(b)
	keep(b, few, "validate", "poll_system_log_page", "lookup_user", "list_users", "create_user", "deactivate_user", "assign_role")
	modules := []struct {
		name string
		wasm []byte
	}{{"few-operations", packed(b, few)}, {"all-operations", packed(b, guestCopy(b))}}
	for b.Loop() {
		// Report the fastest of alternating turns: other load of the machine only adds time.
		caches := []string{b.TempDir(), b.TempDir()}
		load := func(wasm []byte, cache string) time.Duration {
			start := time.Now()
			module, err := host.Load(context.Background(), wasm, host.LoadOptions{CacheDir: cache})
			if err != nil {
				b.Fatal(err)
			}
			took := time.Since(start)
			_ = module.Close(context.Background())
			return took
		}
		cold, warm := make([][]time.Duration, 2), make([][]time.Duration, 2)
		for turn := range 11 {
			for i, m := range modules {
				if turn < 5 {
					cold[i] = append(cold[i], load(m.wasm, b.TempDir()))
				}
				if turn == 0 {
					load(m.wasm, caches[i])
				}
				warm[i] = append(warm[i], load(m.wasm, caches[i]))
			}
		}
		var sizes, colds []float64
		for i, m := range modules {
			sizes, colds = append(sizes, float64(len(m.wasm))), append(colds, float64(slices.Min(cold[i])))
			b.ReportMetric(float64(len(m.wasm))/(1<<20), "MiB-"+m.name)
			b.ReportMetric(float64(slices.Min(cold[i]).Microseconds())/1000, "ms-cold-"+m.name)
			b.ReportMetric(float64(slices.Min(warm[i]).Microseconds())/1000, "ms-warm-"+m.name)
		}
		b.ReportMetric(sizes[1]/sizes[0], "×size")
		b.ReportMetric(colds[1]/colds[0], "×cold")
		b.ReportMetric(0, "ns/op")
	}
}

var fileHeader = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)$`)

// apply applies a diff of one file, whose context must match exactly, and returns the files that the diff changes.
func apply(t testing.TB, dir, diff string) (files []string) {
	t.Helper()
	for _, m := range fileHeader.FindAllStringSubmatch(diff, -1) {
		files = append(files, m[1])
	}
	if len(files) != 1 {
		return files
	}
	name := filepath.Join(dir, files[0])
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, hunk := range strings.Split(diff, "\n@@")[1:] {
		var before, after strings.Builder
		_, lines, _ := strings.Cut(hunk, "\n")
		if !strings.HasSuffix(lines, "\n") {
			lines += "\n"
		}
		for line := range strings.Lines(lines) {
			switch {
			case strings.HasPrefix(line, "+"):
				after.WriteString(line[1:])
			case strings.HasPrefix(line, "-"):
				before.WriteString(line[1:])
			default:
				before.WriteString(strings.TrimPrefix(line, " "))
				after.WriteString(strings.TrimPrefix(line, " "))
			}
		}
		if bytes.Count(text, []byte(before.String())) != 1 {
			t.Fatalf("%s does not have, once:\n%s", files[0], before.String())
		}
		text = bytes.Replace(text, []byte(before.String()), []byte(after.String()), 1)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return files
}

// TestOperation_AddedByDiff_TouchesOneFile applies the diff in RATIONALE.md that adds an operation, builds the module, and runs
// the operation.
func TestOperation_AddedByDiff_TouchesOneFile(t *testing.T) {
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "RATIONALE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, diff, ok := strings.Cut(string(text), "```diff\n")
	diff, _, closed := strings.Cut(diff, "```")
	if !ok || !closed {
		t.Fatal("RATIONALE.md has no diff")
	}
	dir := guestCopy(t)
	if files := apply(t, dir, diff); len(files) != 1 || !strings.HasPrefix(files[0], "guest/okta/") {
		t.Fatalf("the diff changes %q, want one file in guest/okta", files)
	}
	ctx := context.Background()
	module := hosttest.Packed(packed(t, dir), host.LoadOptions{}).Load(t)
	had := 0
	for range okta.Connector().Each {
		had++
	}
	if n := len(module.Manifest().Operations); n != had+1 {
		t.Errorf("%d operations, want one more than %d", n, had)
	}
	org := oktatest.New(oktatest.Config{}).Start()
	defer func() { _ = org.Close() }()
	t.Setenv("MODULE_TEST_TOKEN", org.Token())
	c, err := module.Connect(ctx, host.Config{Name: "x", Kind: "okta", BaseURL: org.URL, TokenSecretRef: "env:MODULE_TEST_TOKEN", AllowPrivateNetwork: true},
		host.ConnectOptions{Secrets: secrets.Default{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	op, err := module.Operation("list_realms")
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Invoke(ctx, op.Name, op.Example)
	if err != nil || res.Outcome != abi.Succeeded || res.Meta.Records == 0 {
		t.Errorf("%+v %v", res, err)
	}
	rows, err := c.Table(ctx, op.Name, json.RawMessage(op.Example), host.TableOptions{Columns: []string{"name"}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for row, err := range rows.All() {
		if err != nil || row.Values[0] == nil {
			t.Fatalf("%v %v", row, err)
		}
		n++
	}
	if n != res.Meta.Records {
		t.Errorf("%d rows, %d records", n, res.Meta.Records)
	}
}
