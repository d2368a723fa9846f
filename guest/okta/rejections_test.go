package okta

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/connector"
)

// source is what a function of this package refers to: other functions and methods by name, and codes of rejections.
type source struct {
	names map[string]bool
	codes map[string]bool
}

// read adds what a piece of code refers to.
func (s *source) read(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			s.names[n.Name] = true
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			arg := 0
			if name == "Fail" && len(n.Args) > 1 {
				if outcome, is := n.Args[0].(*ast.SelectorExpr); is && outcome.Sel.Name == "Rejected" {
					arg = 1
				}
			}
			if name != "Refuse" && arg == 0 || len(n.Args) <= arg {
				return true
			}
			if lit, is := n.Args[arg].(*ast.BasicLit); is && lit.Kind == token.STRING {
				code, _ := strconv.Unquote(lit.Value)
				s.codes[code] = true
			}
		}
		return true
	})
}

// sources returns the functions of this package and the literals of its operations, by name.
func sources(t *testing.T) (functions, literals map[string]*source) {
	t.Helper()
	functions, literals = map[string]*source{}, map[string]*source{}
	all := operations()
	of := func(all map[string]*source, name string) *source {
		if all[name] == nil {
			all[name] = &source{map[string]bool{}, map[string]bool{}}
		}
		return all[name]
	}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, is := d.(*ast.FuncDecl); is && f.Body != nil {
				of(functions, f.Name.Name).read(f.Body)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, is := n.(*ast.CompositeLit)
			if !is {
				return true
			}
			name := ""
			for _, e := range lit.Elts {
				kv, is := e.(*ast.KeyValueExpr)
				if !is {
					return true
				}
				if key, is := kv.Key.(*ast.Ident); is && key.Name == "Name" {
					if value, is := kv.Value.(*ast.BasicLit); is {
						name, _ = strconv.Unquote(value.Value)
					}
				}
			}
			if slices.ContainsFunc(all, func(op *connector.Operation) bool { return op.Name == name }) {
				of(literals, name).read(lit)
			}
			return true
		})
	}
	return functions, literals
}

// reachable returns the codes that a literal can lead to.
func reachable(functions map[string]*source, from *source) []string {
	codes, seen := map[string]bool{}, map[string]bool{}
	var walk func(*source)
	walk = func(s *source) {
		maps.Copy(codes, s.codes)
		for name := range s.names {
			if f := functions[name]; f != nil && !seen[name] {
				seen[name] = true
				walk(f)
			}
		}
	}
	walk(from)
	return slices.Sorted(maps.Keys(codes))
}

// ofConnector are codes of functions of package connector that operations of this package call.
var ofConnector = []string{"changed_meanwhile"}

// TestRejections_OfEveryOperation_AreThoseOfItsCode: an operation lists only codes that its functions can return, and each code
// of this package is listed. An operation may list less than its functions return: some are for inputs that it does not have.
func TestRejections_OfEveryOperation_AreThoseOfItsCode(t *testing.T) {
	functions, literals := sources(t)
	unlisted := map[string]bool{}
	for _, f := range functions {
		maps.Copy(unlisted, f.codes)
	}
	for _, op := range operations() {
		if literals[op.Name] == nil {
			t.Fatalf("the literal of %s was not found", op.Name)
		}
		possible := append(reachable(functions, literals[op.Name]), ofConnector...)
		for _, code := range strings.Fields(op.Rejects) {
			if !slices.Contains(possible, code) {
				t.Errorf("%s lists %s, which none of its functions returns", op.Name, code)
			}
			delete(unlisted, code)
		}
	}
	for code := range unlisted {
		t.Errorf("no operation lists %s", code)
	}
}
