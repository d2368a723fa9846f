package connector

import (
	"cmp"
	"strings"

	"github.com/mach5/okta-connector/guest/jsonval"
)

// TextAt returns the string or number at a path (object keys joined by dots) of a value, as text. It is "" if there is
// neither.
func TextAt(v jsonval.Value, path string) string {
	at := v.At(strings.Split(path, ".")...)
	switch at.Kind() {
	case jsonval.String:
		return at.Str()
	case jsonval.Number:
		return at.Raw()
	}
	return ""
}

// ID returns the id of an object in an endpoint's response; "" if it has none.
func (c *Call) ID(endpoint string, object jsonval.Value) string {
	return TextAt(object, c.keyPath(endpoint))
}

// keyPath returns the path of the id in an object of an endpoint's response. It is the Key of the ObjectKind, else the
// operation's Key, else "id".
func (c *Call) keyPath(endpoint string) string {
	for _, o := range c.Service.Objects {
		if o.Read == endpoint {
			return cmp.Or(o.Key, defaultKey)
		}
	}
	return cmp.Or(c.Operation.Key, defaultKey)
}

// defaultKey is the default path of an object's id.
const defaultKey = "id"
