package connector

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/encode"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/connector/wiring"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Operation is one row of a resource's table. It has exactly one of Get, List, Pages and Do. An operation on the ingest
// surface also has a Source.
type Operation struct {
	Name        string
	Addition    bool // the platform's published table does not have it
	Summary     string
	Class       abi.Class
	Rules       []abi.ClassRule
	Surfaces    []abi.Surface
	Idempotency abi.Idempotency
	Inputs      []Input
	Require     string // more keywords of the input's JSON Schema, as members of an object
	Example     string
	Key         string // path of a record's key
	Columns     []Column
	Display     string // columns that a table for people shows, separated by spaces; see abi.Operation.Display
	Endpoints   []*abi.Endpoint
	Rejects     string // codes with which the operation itself refuses, separated by spaces; see abi.Operation.Rejections

	Get    *Get               // reads one object from one endpoint
	List   *List              // reads records from one endpoint
	Pages  Pager              // reads records from several lists
	Do     func(*Call) Result // anything else, with one object as the output
	Source func(c *Call, Checkpoint jsonval.Value) Page

	Backfill *abi.Backfill // for a source: the operation that reads a closed range of the same records
	// View is the operation's SQL view; its member Operation is set by the SDK. By default, list_X has a view X if it
	// requires no input.
	View  *abi.View
	Views []abi.View // more views
}

// Input is one field of an operation's input: its name, whether it is required, and the JSON Schema of its value. It is
// an alias of an unnamed type, so that tables of inputs can omit field names.
type Input = struct {
	Name     string
	Required bool
	Schema   string // JSON Schema of the value
}

// Column is one typed column. Every table also has a last column `record` with the whole JSON.
//
// It is an alias of an unnamed type, so that tables of columns can omit field names.
type Column = struct {
	Name        string
	Type        abi.ColumnType
	Path        string // or several, joined by |: the first with a value counts
	Description string
}

func (op *Operation) manifest(service *Service) string {
	var w jsonval.Writer
	w.Str("name", op.Name).BoolIf("addition", op.Addition).Str("summary", op.Summary).Str("class", string(op.Class))
	if len(op.Rules) > 0 {
		w.Raw("class_rules", texts.JSONArray(op.Rules, encode.ClassRule))
	}
	w.Raw("surfaces", texts.JSONArray(op.Surfaces, func(s abi.Surface) string { return jsonval.Quote(string(s)) }))
	w.Str("idempotency", string(op.Idempotency)).Raw("input_schema", encode.Schema(op.Inputs, op.Require)).RawIf("example", op.Example)
	if op.On(abi.SQL) {
		columns := append(op.Columns[:len(op.Columns):len(op.Columns)],
			Column{"record", abi.JSON, "", "the whole record as " + service.Name + " gave it"})
		w.Raw("columns", texts.JSONArray(columns, func(c Column) string {
			var w jsonval.Writer
			paths := strings.Split(c.Path, "|")
			w.Str("name", c.Name).Str("type", string(c.Type)).Str("path", paths[0]).StrIf("description", c.Description)
			if len(paths) > 1 {
				w.Strs("or", paths[1:])
			}
			return w.String()
		}))
		if op.Display != "" {
			w.Strs("display", strings.Fields(op.Display))
		}
		w.BoolIf("single", op.pager() == nil)
	}
	w.StrIf("key", op.Key)
	w.Raw("endpoints", texts.JSONArray(wiring.Declared(op.Endpoints, op.sends(service)), encode.Endpoint))
	if op.Rejects != "" {
		w.Strs("rejections", strings.Fields(op.Rejects))
	}
	if b := op.Backfill; b != nil {
		var v jsonval.Writer
		w.Raw("backfill", v.Str("operation", b.Operation).Str("time", b.Time).String())
	}
	return w.String()
}

// views returns the operation's SQL views.
func (op *Operation) views() []abi.View {
	all := slices.Clone(op.Views)
	if name, isList := strings.CutPrefix(op.Name, "list_"); op.View != nil {
		all = append(all, *op.View)
	} else if isList && op.On(abi.SQL) && op.pager() != nil && !op.requires() {
		all = append(all, abi.View{Name: name})
	}
	for i := range all {
		all[i].Operation = op.Name
	}
	return all
}

// requires reports whether any input is required.
func (op *Operation) requires() bool {
	return slices.ContainsFunc(op.Inputs, func(in Input) bool { return in.Required })
}

// WithClass returns a copy of e with the class of its requests, for an operation whose class depends on its input.
func WithClass(class abi.Class, e *abi.Endpoint) *abi.Endpoint {
	withClass := *e
	withClass.Class = class
	return &withClass
}

// WithBodyClass returns a copy of e with the class of its requests. A request whose body matches a rule has the rule's
// class.
func WithBodyClass(class abi.Class, e *abi.Endpoint, rules ...abi.ClassRule) *abi.Endpoint {
	withRules := *e
	withRules.Class, withRules.ClassRules = class, rules
	return &withRules
}

// sends returns the query parameters of the operation's Get or List, and those of the list's next pages. The endpoint's
// Query need not repeat them.
func (op *Operation) sends(service *Service) wiring.Sends {
	l := op.List
	if l == nil {
		if op.Get == nil {
			return wiring.Sends{}
		}
		return wiring.Sends{Endpoint: op.Get.Endpoint, Names: wiring.Names(op.Get.Query)}
	}
	s := wiring.Sends{Endpoint: l.Endpoint, Names: append(wiring.Names(l.Query), l.NextParam, l.Offset, l.PageNumber)}
	if s.Names = append(s.Names, wiring.Names(l.Keep)...); l.NextParam+l.Offset+l.PageNumber == "" {
		s.Names = append(s.Names, strings.Fields(service.LinkParams)...)
	}
	if l.MaxPage > 0 || l.OptionalLimit {
		s.Names = append(s.Names, string(service.PageParam))
	}
	return s
}

// On reports whether the operation is on a surface.
func (op *Operation) On(s abi.Surface) bool {
	return slices.Contains(op.Surfaces, s)
}

// pager returns the function that reads pages, or nil if the operation reads none.
func (op *Operation) pager() Pager {
	if op.List != nil {
		return op.List.ReadPage
	}
	return op.Pages
}
