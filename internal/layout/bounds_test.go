package layout

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Bounds of functions and structs outside tests. What is over a bound is listed below, with the reason.
const (
	maxFuncLines = 60
	maxBranches  = 25 // cyclomatic complexity
	maxFields    = 12
)

// bounded are the folders in which the bounds hold. The operations of guest/okta are literals, and the simulated org has one
// handler for each endpoint.
var bounded = []string{"abi", "build", "cmd", "guest/connector", "guest/hostcall", "guest/module", "host", "internal"}

// lists are folders whose functions are lists.
var lists = map[string]string{
	"abi/conformance/internal/attacks": "each function is a list of attacks",
	"abi/conformance/internal/network": "each function is a list of attacks",
	"abi/conformance/internal/guards":  "each function is a list of attacks",
}

// longFunctions are over maxFuncLines or maxBranches.
var longFunctions = map[string]string{
	"cmd/wasm-runner.newSimulateCommand":                  "the text of the help and the flags",
	"cmd/wasm-runner.simulateOptions.check":               "a case for each flag",
	"abi.Answer.check":                                    "one sentence for each way in which an answer is wrong",
	"abi.Manifest.Check":                                  "one sentence for each way in which a manifest is wrong",
	"abi/conformance/guest.act":                           "a case for each act of the kit's module",
	"abi/conformance/guest.do":                            "a case for each step of the kit's module",
	"abi/conformance/internal/assemble.Module.Build":      "writes the sections of a module in their order",
	"abi/conformance/internal/programs.generator.request": "a choice for each part of a request",
	"abi/extismhost.call.emit":                            "the steps of section 3.2 of the ABI in their order, to be read next to it",
	"abi/extismhost.call.send":                            "the steps of section 3.1 of the ABI in their order, to be read next to it",
	"abi/extismhost.functions":                            "a list of imports",
	"cmd/wasm-runner.newRoot":                             "the text of the help and the list of commands",
	"cmd/wasm-runner/internal/query.NewSQLCommand":        "the text of the help and the flags",
	"cmd/wasm-runner/internal/source.NewSourceCommand":    "the text of the help and the flags",
	"cmd/wasm-runner/internal/source.backfillOptions.run": "opens, in an order that matters, what the command then closes",
	"cmd/wasm-runner/internal/source.outOptions.check":    "a case for each flag",
	"cmd/wasm-runner/internal/source.sourceOptions.run":   "opens, in an order that matters, what the command then closes",
	"guest/connector.Call.Gather":                         "one loop: each step uses what the page before left",
	"guest/connector.Call.sendChange":                     "a case for each answer to a write, to be read together: exactly one outcome",
	"guest/connector.List.Read":                           "one page: each step uses what the steps before found, and parts would hand on eight values",
	"guest/connector/replace.Do":                          "the steps of a replacement and of a change of status, which depend on each other",
	"guest/connector/replace.write":                       "one Change, whose functions share what was read",
	"host.Connection.SourcePages":                         "one loop, which decides after each page whether, when and from where the next is fetched",
	"host.Connection.invokeKeyed":                         "the life of a key from its claim to its record, in order",
	"host.call.write":                                     "the checks before a write, in order: each refuses it in its own words",
	"host/egress.ParseBaseURL":                            "one sentence for each way in which an address is wrong",
	"host/internal/sandbox.wasiFunctions":                 "a list of functions",
	"host/secrets.Default.Resolve":                        "a case for each kind of reference",
	"host/sql/internal/engine.Engine.Run":                 "one statement from its text to its end, whose transaction and result must be closed on every way",
	"host/sql/internal/process.Process.question":          "a case for each kind of question",
	"host/sql/internal/pushdown.boundsOf":                 "a case for each comparison",
	"internal/subset.checker.keyword":                     "a case for each keyword",
}

// wideStructs are over maxFields.
var wideStructs = map[string]string{
	"cmd/wasm-runner.simulateOptions":            "the flags of a command",
	"abi.Manifest":                               "the manifest of section 1.1 of the ABI",
	"abi.Operation":                              "an operation of section 1.1 of the ABI",
	"abi/conformance/internal/assemble.Module":   "what a module of an attack may have wrong, one field each",
	"cmd/wasm-runner/internal/cli.App":           "what every command gets from main",
	"cmd/wasm-runner/internal/source.outOptions": "the flags of an output, and what check reads from them",
	"guest/connector.Change":                     "a literal: each write sets some of them",
	"guest/connector.Errors":                     "facts about a service, in one literal",
	"guest/connector.List":                       "a literal: each list sets some of them",
	"guest/connector.Operation":                  "a literal: each operation sets some of them",
	"host.Config":                                "the fields of a connection file, which is flat",
	"host.Connection":                            "Connect sets them, they do not change, and each call uses nearly all",
	"host.Page":                                  "a caller reads all exported fields at one place; the others are the records",
	"host.Rows":                                  "the state of one read, used by Next alone",
	"host/audit.Record":                          "the line of an audit file",
	"host/egress.Config":                         "what Connect sets in one place",
	"host/ingest.Drain":                          "the exported fields are options, which a program sets in one literal; Run uses all",
	"host/ingest.Recent":                         "one file and what it holds; each method keeps both equal",
	"host/ingest.Stats":                          "what metrics read in one call",
	"host/ingest.stats":                          "the counters behind Stats",
	"host/internal/oauth.Client":                 "the state of one credential",
	"host/internal/sandbox.Module":               "what Compile sets, and the two locks that guard it",
	"host/network/proxytest.Proxy":               "what a proxy of a test may do wrong, one field each",
	"host/pacing.bucket":                         "the state of one rate limit",
	"host/records.splitter":                      "the state of one scan",
	"host/sink/filesink.File":                    "the state of one open file, under one lock",
	"host/sink/httpsink.Options":                 "options, which a program sets in one literal",
	"host/sink/httpsink.Sink":                    "the state of one output; its parts health, watching, streak and same have files of their own",
	"host/sql.Config":                            "options, which a program sets in one literal",
	"host/sql.query":                             "the state of one statement",
	"host/sql.tableRows":                         "the state of one scan of a table",
	"host/sql/internal/process.Process":          "the state of one process",
}

// found is a function or struct that is over a bound.
type found struct{ folder, name, what string }

// overBounds returns the functions and structs of a file that are over a bound.
func overBounds(fset *token.FileSet, folder string, f *ast.File) (functions, structs []found) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Body == nil {
				continue
			}
			lines := fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1
			if n := branches(d); lines > maxFuncLines || n > maxBranches {
				functions = append(functions, found{folder, folder + "." + receiver(d) + d.Name.Name, fmt.Sprintf("%d lines and a complexity of %d", lines, n)})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				t, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				if s, ok := t.Type.(*ast.StructType); ok && s.Fields.NumFields() > maxFields {
					structs = append(structs, found{folder, folder + "." + t.Name.Name, fmt.Sprintf("%d fields", s.Fields.NumFields())})
				}
			}
		}
	}
	return functions, structs
}

// receiver returns the type of a method and a dot, or "".
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch inner := t.(type) {
		case *ast.StarExpr:
			t = inner.X
		case *ast.IndexExpr:
			t = inner.X
		case *ast.Ident:
			return inner.Name + "."
		default:
			return "?."
		}
	}
}

// branches returns a function's cyclomatic complexity, with those of the functions inside it.
func branches(d *ast.FuncDecl) int {
	n := 1
	ast.Inspect(d, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}

func TestFunctionsAndStructs_OverABound_HaveAReason(t *testing.T) {
	fset := token.NewFileSet()
	seen := map[string]bool{}
	judge := func(all []found, reasons map[string]string, advice string) {
		for _, f := range all {
			if seen[f.name] = true; reasons[f.name] == "" && lists[f.folder] == "" {
				t.Errorf("%s has %s: %s, or list it in bounds_test.go with the reason", f.name, f.what, advice)
			}
		}
	}
	for _, folder := range bounded {
		err := filepath.WalkDir(filepath.Join(root, folder), func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return filepath.SkipDir
			case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
				return nil
			}
			parsed, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, filepath.Dir(file))
			if err != nil {
				return err
			}
			functions, structs := overBounds(fset, filepath.ToSlash(rel), parsed)
			judge(functions, longFunctions, fmt.Sprintf("at most %d lines and %d are allowed: split it", maxFuncLines, maxBranches))
			judge(structs, wideStructs, fmt.Sprintf("at most %d are allowed if groups of them serve different files: split it", maxFields))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, reasons := range []map[string]string{longFunctions, wideStructs} {
		for _, name := range slices.Sorted(maps.Keys(reasons)) {
			if !seen[name] {
				t.Errorf("%s is not over a bound any more: remove the exception", name)
			}
		}
	}
}

func TestOverBounds_OfFunctionsAndStructs_CountsLinesBranchesAndFields(t *testing.T) {
	const text = `package p
type wide struct{ a, b, c, d, e, f, g, h, i, j, k, l, m int }
type narrow struct{ a, b, c, d, e, f, g, h, i, j, k, l int }
func (w *wide) long() { LONG }
func (n narrow) short() {}
func many(a bool) { MANY }
func few(a bool) { FEW }
`
	long, many, few := strings.Repeat("\n", maxFuncLines), strings.Repeat("if a {};", maxBranches), strings.Repeat("if a {};", maxBranches-1)
	source := strings.NewReplacer("LONG", long, "MANY", many, "FEW", few).Replace(text)
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	functions, structs := overBounds(fset, "x", f)
	if got := fmt.Sprint(functions, structs); got != "[{x x.wide.long 61 lines and a complexity of 1} {x x.many 1 lines and a complexity of 26}] [{x x.wide 13 fields}]" {
		t.Error(got)
	}
}
