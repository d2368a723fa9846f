package connector

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/encode"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Connector describes a connector: its manifest, its service and its operations.
type Connector struct {
	Kind, Version string
	ConfigSchema  string          // JSON Schema of a connection
	Members       []hostcall.Pair // more members of the manifest, as JSON (abi/README.md)
	Service       Service
	Operations    [][]Operation // one table for each resource
}

// Service describes the service behind a connector, as far as the SDK needs it.
type Service struct {
	Name      string          // for messages
	RequestID string          // response header with the request id, in lower case; only the service's own responses have it
	PageParam links.PageParam // query parameter for the page size of a list
	// LinkParams are the query parameters that the service's next links have besides those of the first page, separated
	// by spaces. A host refuses a link with any other.
	LinkParams string
	Changed    string       // member of an object with the time of its last change, in RFC 3339
	Objects    []ObjectKind // kinds of objects that paths name
	Errors     Errors

	// SameKind reports whether two ids are ids of the service, of objects of one kind. A destructive operation that
	// reads an object by id refuses a response with another id of the same kind. Nil means that no ids are.
	SameKind func(a, b string) bool
	// OwnShape reports whether the body of a write's response can only come from the service. It is used if the
	// response lacks the request id. Nil means that no body can.
	OwnShape func(body jsonval.Value) bool
	// Rules say which values the service treats as equal.
	compare.Rules
}

// ObjectKind is a kind of objects that paths of endpoints name: /users/{id}.
type ObjectKind struct {
	Segment     string // path segment before the id: "users"
	Input       string // input that names such an object by name or login; "" if there is none
	Read        string // endpoint that reads one; "" if plans and audits need not show it
	Key         string // path of the id in such an object; "" means "id"
	Type        string // as in Get
	Alone       bool   // plans and audits show only this object, not those before it in the path
	InBodyBelow string // a write to an endpoint below this path names the object by the member Key of its body
}

// Each yields all operations.
func (cn *Connector) Each(yield func(*Operation) bool) {
	for _, t := range cn.Operations {
		for i := range t {
			if !yield(&t[i]) {
				return
			}
		}
	}
}

// Find returns the operation with the given name, or nil.
func (cn *Connector) Find(name string) *Operation {
	for op := range cn.Each {
		if op.Name == name {
			return op
		}
	}
	return nil
}

// Manifest returns the module's manifest, which is the describe export's result and the content of the custom section.
func (cn *Connector) Manifest() []byte {
	var ops []string
	for op := range cn.Each {
		ops = append(ops, op.manifest(&cn.Service))
	}
	var m jsonval.Writer
	m.Str("abi", abi.Version).Int("minor", abi.Minor).Strs("requires", requires)
	m.Str("kind", cn.Kind).Str("version", cn.Version).Raw("config_schema", cn.ConfigSchema)
	for _, more := range cn.Members {
		m.Raw(more.Name, more.Value)
	}
	var views []string
	for op := range cn.Each {
		for _, v := range op.views() {
			views = append(views, encode.View(v))
		}
	}
	m.RawIf("views", texts.RawArray(views))
	return []byte(m.Raw("operations", texts.RawArray(ops)).String())
}

// requires lists the features of a host without which this package does not work.
var requires = []string{abi.FeatureKeys, abi.FeatureOmit, abi.FeaturePlan}
