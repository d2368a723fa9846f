package connector

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Connector describes a whole connector: what its module's manifest says, the service, and the operations.
type Connector struct {
	Kind, Version string
	ConfigSchema  string          // JSON Schema of a connection
	Members       []hostcall.Pair // further members of the manifest, as JSON (abi/README.md)
	Service       Service
	Operations    [][]Operation // by resource
}

// Service describes the service behind a connector, as far as the SDK must know it.
type Service struct {
	Name      string          // as messages have it
	RequestID string          // the response header with the id of a request, in lower case; an answer that has it is the service's own
	PageParam links.PageParam // the query parameter by which a list takes the size of a page
	Changed   string          // the member of an object that says when it was last changed, in RFC 3339
	Objects   []ObjectKind    // the kinds of objects that paths name
	Errors    Errors

	// SameKind reports whether two ids are both the service's own, of objects of one kind. A destructive operation that looks at an
	// object by id refuses an answer with another id of the same kind. Nil reports it of none.
	SameKind func(a, b string) bool
	// OwnShape reports whether the body of a write's answer can only be the service's, where the answer lacks the request id. Nil
	// says so of none.
	OwnShape func(body jsonval.Value) bool
	// Rules say when values mean the same to the service.
	compare.Rules
}

// ObjectKind is a kind of objects, as paths of endpoints name them: /users/{id}.
type ObjectKind struct {
	Segment     string // before the id: "users"
	Input       string // the input that names such an object by something else than its id; "" where none does
	Read        string // the endpoint that reads one; "" where it need not be shown
	Type        string // as in a get
	Alone       bool   // it is shown by itself: the objects above it are not read for it
	InBodyBelow string // below this path a write names such an object by the member id of its body
}

// Each yields the operations.
func (cn *Connector) Each(yield func(*Operation) bool) {
	for _, t := range cn.Operations {
		for i := range t {
			if !yield(&t[i]) {
				return
			}
		}
	}
}

// Find returns the operation with a name, or nil.
func (cn *Connector) Find(name string) *Operation {
	for op := range cn.Each {
		if op.Name == name {
			return op
		}
	}
	return nil
}

// Manifest is the module's manifest: what the describe export answers and what the custom section holds.
func (cn *Connector) Manifest() []byte {
	var ops []string
	for op := range cn.Each {
		ops = append(ops, op.manifest(cn.Service.Name))
	}
	var m jsonval.Writer
	m.Str("abi", abi.Version).Int("minor", abi.Minor).Strs("requires", requires)
	m.Str("kind", cn.Kind).Str("version", cn.Version).Raw("config_schema", cn.ConfigSchema)
	for _, more := range cn.Members {
		m.Raw(more.Name, more.Value)
	}
	var views []string
	for op := range cn.Each {
		if v, ok := op.view(); ok {
			views = append(views, viewJSON(v))
		}
	}
	m.RawIf("views", rawArray(views))
	return []byte(m.Raw("operations", rawArray(ops)).String())
}

// requires are the features of a host that this package uses and does not ask for.
var requires = []string{abi.FeatureKeys, abi.FeatureOmit, abi.FeaturePlan}

// rawArray is an array of JSON texts, empty for none.
func rawArray(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return texts.JSONArray(items, func(s string) string { return s })
}
