//go:build !wasip1

package check

import (
	"encoding/json"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// operation checks one literal of an operation.
func (c *checker) operation(op *connector.Operation) {
	where := "operation " + op.Name
	if op.Name == "" {
		c.add("Operations", "an operation has no Name")
		return
	}
	if strings.TrimSpace(op.Summary) == "" {
		c.add(where, "Summary is empty")
	}
	c.does(where, op)
	c.inputs(where, op)
	if op.On(abi.Ingest) && op.Key == "" {
		c.add(where, "Key is empty. An operation on the ingest surface needs the path of a member that is unique, such as id, because the host recognises repeated records by it")
	}
	if op.Get != nil {
		c.request(where+": Get", op, wiring{endpoint: op.Get.Endpoint, path: op.Get.Path, query: op.Get.Query})
	}
	if l := op.List; l != nil {
		w := wiring{endpoint: l.Endpoint, path: l.Path, query: append(slices.Clone(l.Query), l.Keep...), filled: l.Resolve != nil, more: l.More != nil}
		for _, p := range l.Filled {
			w.path = append(w.path, connector.Blank{Name: p.Name})
		}
		c.request(where+": List", op, w)
		c.paging(where+": List", op)
	}
	c.unused(where, op)
}

// does wants an operation to do exactly one thing for each of its surfaces.
func (c *checker) does(where string, op *connector.Operation) {
	var set []string
	for _, f := range []struct {
		name string
		is   bool
	}{{"Get", op.Get != nil}, {"List", op.List != nil}, {"Pages", op.Pages != nil}, {"Do", op.Do != nil}} {
		if f.is {
			set = append(set, f.name)
		}
	}
	switch {
	case len(set) > 1:
		c.add(where, "it has %s: an operation has one of Get, List, Pages and Do", strings.Join(set, " and "))
	case len(set) == 0 && (op.On(abi.Axon) || op.On(abi.SQL) || op.Source == nil):
		c.add(where, "it does nothing: set Get, List, Pages or Do")
	}
	switch {
	case op.On(abi.Ingest) && op.Source == nil:
		c.add(where, "it is on the ingest surface and has no Source. If new records are added at the end of the list, set Source to Follow of the list")
	case !op.On(abi.Ingest) && op.Source != nil:
		c.add(where, "it has a Source and is not on the ingest surface: add abi.Ingest to its Surfaces")
	}
}

// inputs checks the names and schemas of the inputs.
func (c *checker) inputs(where string, op *connector.Operation) {
	seen := map[string]bool{}
	for _, in := range op.Inputs {
		if in.Name == "" || seen[in.Name] {
			c.add(where, "input %q has no name, or is listed twice", in.Name)
		}
		seen[in.Name] = true
		if !json.Valid([]byte(in.Schema)) {
			c.add(where, "the schema of input %s is not JSON: %s", in.Name, in.Schema)
		}
	}
	if op.Require != "" && !json.Valid([]byte("{"+op.Require+"}")) {
		c.add(where, "Require is not the members of a JSON object: %s", op.Require)
	}
	if op.Example != "" && !json.Valid([]byte(op.Example)) {
		c.add(where, "Example is not JSON: %s", op.Example)
	}
}

func inputNames(op *connector.Operation) (names []string) {
	for _, in := range op.Inputs {
		names = append(names, in.Name)
	}
	return names
}

// wiring is what a Get or a List fills a request from.
type wiring struct {
	endpoint     string
	path         []connector.Blank
	query        []connector.Param
	filled, more bool // code fills further blanks, and further query parameters
}

// request checks that the endpoint is the operation's, that each blank is filled, and that inputs are there.
func (c *checker) request(where string, op *connector.Operation, w wiring) {
	var granted []string
	var endpoint *abi.Endpoint
	for _, e := range op.Endpoints {
		if granted = append(granted, e.Endpoint); e.Endpoint == w.endpoint {
			endpoint = e
		}
	}
	if endpoint == nil {
		c.add(where, "its Endpoint %q is not among the Endpoints of the operation: %s", w.endpoint, orNear(w.endpoint, granted))
		return
	}
	if endpoint.Method() != "GET" {
		c.add(where, "its Endpoint %q is not a GET: use Do", w.endpoint)
	}
	inputs := inputNames(op)
	blanks := blanksOf(endpoint)
	var filled []string
	for _, b := range w.path {
		if filled = append(filled, b.Name); !slices.Contains(blanks, b.Name) {
			c.add(where, "Path fills {%s}, which %q does not have: %s", b.Name, w.endpoint, orNear(b.Name, blanks))
		}
		if b.Input != "" && !slices.Contains(inputs, b.Input) {
			c.add(where, "Path fills {%s} from the input %q, which the operation does not have: %s", b.Name, b.Input, orNear(b.Input, inputs))
		}
	}
	for _, b := range blanks {
		if !w.filled && !slices.Contains(filled, b) {
			c.add(where, "nothing fills {%s} of %q: give it in Path", b, w.endpoint)
		}
	}
	for _, p := range w.query {
		switch {
		case !slices.Contains(inputs, p.Input):
			c.add(where, "Query takes %s from the input %q, which the operation does not have: %s", p.Query, p.Input, orNear(p.Input, inputs))
		case len(endpoint.Query) > 0 && !slices.Contains(endpoint.Query, p.Query):
			c.add(where, "Query sends %s, which the endpoint's Query does not list: %s", p.Query, orNear(p.Query, endpoint.Query))
		}
	}
}

// paging checks how a list goes from page to page.
func (c *checker) paging(where string, op *connector.Operation) {
	l := op.List
	ways := 0
	for _, set := range []bool{l.Next != "", l.Offset != "", l.PageNumber != ""} {
		if set {
			ways++
		}
	}
	switch {
	case ways > 1:
		c.add(where, "it has two of Next, Offset and PageNumber. Keep the one by which the service gives the next page")
	case l.Next == "" && (l.NextParam != "" || l.NextEnd != ""):
		c.add(where, "NextParam and NextEnd need Next, which is empty: set Next to the path of the token for the next page")
	case l.PageNumber == "" && l.FirstPage != 0:
		c.add(where, "FirstPage needs PageNumber, which is empty: set PageNumber to the query parameter for the number of a page")
	case l.PageNumber != "" && follows(op.Source):
		c.add(where, "Follow cannot read a list by PageNumber, because it would miss records that are added to a page later: write a Source")
	}
	if (l.MaxPage > 0 || l.OptionalLimit) && c.cn.Service.PageParam == "" {
		c.add(where, "MaxPage and OptionalLimit set the size of a page, but no query parameter is known for it: set Service.PageParam")
	}
}

// follows reports whether a source is Follow of a list.
func follows(source func(*connector.Call, jsonval.Value) connector.Page) bool {
	if source == nil {
		return false
	}
	f := runtime.FuncForPC(reflect.ValueOf(source).Pointer())
	return f != nil && strings.HasSuffix(f.Name(), "(*List).Follow-fm")
}

// ofLists are the inputs that the SDK reads itself.
var ofLists = []string{"limit", "cursor", "page_size"}

// unused refuses an input that no literal passes on: a filter that is ignored gives more than was asked for. Where code takes part,
// it may read any input.
func (c *checker) unused(where string, op *connector.Operation) {
	var query []connector.Param
	var path []connector.Blank
	switch l := op.List; {
	case op.Get != nil && op.Source == nil:
		query, path = op.Get.Query, op.Get.Path
	case l != nil && l.More == nil && l.Resolve == nil && l.Warns == nil && l.Omits == nil && (op.Source == nil || follows(op.Source)):
		query, path = append(slices.Clone(l.Query), l.Keep...), l.Path
	default:
		return
	}
	for _, in := range op.Inputs {
		sent := slices.Contains(ofLists, in.Name) && op.List != nil ||
			slices.ContainsFunc(query, func(p connector.Param) bool { return p.Input == in.Name }) ||
			slices.ContainsFunc(path, func(b connector.Blank) bool { return b.Input == in.Name })
		if !sent {
			c.add(where, "nothing sends the input %s: name it in Query or Path, or remove it", in.Name)
		}
	}
}
