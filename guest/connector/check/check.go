//go:build !wasip1

// Package check finds the mistakes in a connector's literals before its module is packed.
package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/encode"
	"github.com/mach5/okta-connector/internal/nearest"
)

// Connector returns one sentence for each mistake in the literals of a connector: which literal it is in, what was wanted and what
// was found. It returns nil if the connector can be packed.
func Connector(cn *connector.Connector) []string {
	c := &checker{cn: cn, checked: map[*abi.Endpoint]bool{}}
	c.connector()
	c.members()
	c.config()
	for op := range cn.Each {
		c.operation(op)
		c.endpoints(op)
	}
	if len(c.found) > 0 { // the manifest may not even be JSON
		return c.found
	}
	m, err := abi.ParseManifest(cn.Manifest(), nil)
	if err != nil {
		return []string{strings.TrimPrefix(err.Error(), "manifest: ")}
	}
	return Manifest(m)
}

// checker collects the mistakes of a connector.
type checker struct {
	cn      *connector.Connector
	checked map[*abi.Endpoint]bool
	found   []string
}

func (c *checker) add(where, format string, args ...any) {
	c.found = append(c.found, where+": "+fmt.Sprintf(format, args...))
}

// orNear ends a sentence about a name that is none of those known.
func orNear(name string, known []string) string {
	switch near := nearest.Of(name, known); {
	case near != "":
		return "did you mean " + near + "?"
	case len(known) == 0:
		return "there are none"
	}
	return "there are " + strings.Join(known, ", ")
}

func (c *checker) connector() {
	for _, f := range []struct{ name, value string }{
		{"Kind", c.cn.Kind}, {"Version", c.cn.Version}, {"ConfigSchema", c.cn.ConfigSchema}, {"Service.Name", c.cn.Service.Name},
	} {
		if strings.TrimSpace(f.value) == "" {
			c.add("Connector", "%s is empty", f.name)
		}
	}
	for i, o := range c.cn.Service.Objects {
		if o.Segment == "" {
			c.add("Service", "Objects[%d].Segment is empty: it is the part of a path before an id, such as users", i)
		}
		if o.Read != "" && !strings.HasPrefix(o.Read, "GET ") {
			c.add("Service", "Objects[%d].Read is %q, and not a GET endpoint", i, o.Read)
		}
	}
}

// written are the members of a manifest that the SDK writes from the other literals.
var written = []string{"abi", "minor", "requires", "kind", "version", "config_schema", "views", "operations"}

// members checks Connector.Members, and that they say of the request id what Service says.
func (c *checker) members() {
	var known []string
	types := map[string]reflect.Type{}
	for f := range reflect.TypeFor[abi.Manifest]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if types[name] = f.Type; !slices.Contains(written, name) {
			known = append(known, name)
		}
	}
	values := map[string]string{}
	for _, m := range c.cn.Members {
		_, twice := values[m.Name]
		values[m.Name] = m.Value
		var value any
		switch err := json.Unmarshal([]byte(m.Value), &value); {
		case slices.Contains(written, m.Name):
			c.add("Members", "the SDK writes %s itself: remove it", m.Name)
		case !slices.Contains(known, m.Name):
			c.add("Members", "a manifest has no member %q: %s", m.Name, orNear(m.Name, known))
		case twice:
			c.add("Members", "%s is listed twice", m.Name)
		case err != nil:
			c.add("Members", "the value of %s is not JSON (a text needs quotes of its own): %s", m.Name, m.Value)
		default:
			c.member(m.Name, m.Value, types[m.Name])
		}
	}
	var id string
	var visible []string
	_ = json.Unmarshal([]byte(values["request_id_header"]), &id)
	_ = json.Unmarshal([]byte(values["response_headers"]), &visible)
	header := c.cn.Service.RequestID
	switch {
	case header != strings.ToLower(header):
		c.add("Service", "RequestID is %q: write it in lower case", header)
	case !strings.EqualFold(header, id):
		c.add("Service", "RequestID is %q and Members has the request_id_header %q: both name the header with the id of a request, so remove one", header, id)
	case header != "" && !slices.Contains(visible, header):
		c.add("Members", "response_headers lacks %q, which is the RequestID of Service. Without it, the module would read back every write: add it", header)
	}
}

// member wants a value of a member to have the type that a manifest has there.
func (c *checker) member(name, value string, t reflect.Type) {
	dec := json.NewDecoder(strings.NewReader(value))
	dec.DisallowUnknownFields()
	err := dec.Decode(reflect.New(t).Interface())
	wrong, isType := errors.AsType[*json.UnmarshalTypeError](err)
	var unknown string
	switch {
	case err == nil:
	case isType:
		c.add("Members", "%s: wanted %s, found a %s", strings.Trim(name+"."+wrong.Field, "."), jsonName(wrong.Type), wrong.Value)
	default:
		if _, scanned := fmt.Sscanf(err.Error(), "json: unknown field %q", &unknown); scanned != nil {
			c.add("Members", "%s: %v", name, err)
			return
		}
		c.add("Members", "%s has no member %q: %s", name, unknown, orNear(unknown, membersOf(t)))
	}
}

// jsonName says what JSON a Go type is read from.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return "a number"
}

// membersOf lists the names of members in the JSON of a type, those of its parts included.
func membersOf(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return membersOf(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
				names = append(append(names, name), membersOf(f.Type)...)
			}
		}
	}
	return names
}

// config refuses fields of a connection that no host has.
func (c *checker) config() {
	type schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var has, known schema
	if c.cn.ConfigSchema == "" {
		return
	}
	if err := json.Unmarshal([]byte(c.cn.ConfigSchema), &has); err != nil {
		c.add("ConfigSchema", "it is not JSON: %v", err)
		return
	}
	_ = json.Unmarshal([]byte(encode.ConnectionSchema("x", "", "", true)), &known) // its own text
	names := sortedKeys(known.Properties)
	for _, name := range sortedKeys(has.Properties) {
		if !slices.Contains(names, name) {
			c.add("ConfigSchema", "a connection has no field %q, because hosts define these fields for all connections: %s", name, orNear(name, names))
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
