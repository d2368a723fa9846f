package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/input"
)

// classOf is the class of the operation with this input.
func (op *operation) classOf(fields map[string]any) abi.Class {
	return byRules(op.ClassRules, fields, op.Class)
}

// byRules is the class of the first rule that fits, else the one given.
func byRules(rules []abi.ClassRule, fields map[string]any, otherwise abi.Class) abi.Class {
	for _, r := range rules {
		if v, present := fields[r.Field]; present && (r.Equals == "" || equals(v, r.Equals)) {
			return r.Class
		}
	}
	return otherwise
}

// equals compares a value with what a rule says of it. No object and no array is equal to anything.
func equals(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case bool:
		return strconv.FormatBool(v) == text
	case json.Number:
		a, errA := v.Float64()
		b, errB := strconv.ParseFloat(text, 64)
		return v.String() == text || errA == nil && errB == nil && a == b
	}
	return false
}

// grant finds the endpoint among those of the operation, and checks what the request does against the class in force: a
// class is a bound on effects, so that an input of class write opens no endpoint that takes something away.
func (c *call) grant(req *abi.Request) (*abi.Endpoint, error) {
	e := c.op.granted[req.Endpoint]
	if e == nil {
		return nil, fmt.Errorf("endpoint %q is not granted to %s", shorten(req.Endpoint), c.op.Name)
	}
	class, err := c.op.requestClass(e, req.Body)
	if class == abi.ClassOfInput {
		class = c.class
	}
	switch {
	case err != nil:
		return nil, err
	case class != abi.Read && class != c.class || !c.class.Allows(e.Method()):
		return nil, fmt.Errorf("a request to %q of class %s is not what class %s allows", e.Endpoint, class, c.class)
	}
	return e, nil
}

// requestClass is the class of a request to an endpoint of the operation.
func (op *operation) requestClass(e *abi.Endpoint, body json.RawMessage) (abi.Class, error) {
	class := op.ClassOf(*e)
	if len(e.ClassRules) == 0 || len(body) == 0 || e.Method() == http.MethodGet {
		return class, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("the body for %q is not JSON", e.Endpoint)
	}
	members, ok := doc.(map[string]any)
	if !ok {
		return "", fmt.Errorf("the body for %q is no object, and its class depends on what is in it", e.Endpoint)
	}
	if key, twice := input.DuplicateKey(body); twice {
		return "", fmt.Errorf("the body for %q has %q twice, and its class depends on what is in it", e.Endpoint, shorten(key))
	}
	for _, r := range e.ClassRules {
		for name := range members { // a server may read names more loosely than a rule does
			if name != r.Field && strings.EqualFold(name, r.Field) {
				return "", fmt.Errorf("the body for %q spells %s as %q", e.Endpoint, r.Field, shorten(name))
			}
		}
	}
	return byRules(e.ClassRules, members, class), nil
}
