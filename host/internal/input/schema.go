// Package input validates the inputs of operations against their JSON Schemas.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/schema"
	"github.com/mach5/okta-connector/internal/strictjson"
)

// Max is the size limit of an input, in bytes.
const Max = 1 << 20

// MaxDepth is the limit of an input's nesting, in levels.
const MaxDepth = 64

// The limits of the work to validate an input. A check takes about a microsecond, errors included, and a step of a regular
// expression up to 40 nanoseconds.
const (
	maxChecks = 1 << 20 // values and member names, times the schema's checks for each
	maxSteps  = 1 << 26 // bytes, times the schema's steps for each
)

// Schema validates inputs. It is safe for concurrent use.
type Schema struct {
	name    string // the operation's name
	text    json.RawMessage
	sibling func(field string) string
	compile func() (*schema.Schema, error)
}

// New returns a schema, which is compiled when it is first used. name is the operation's, for messages. The text must be in
// the subset that the ABI allows.
// sibling returns the name of another operation on the same kind of object that takes a field, or "". It improves the
// message about an unknown field.
func New(name string, text json.RawMessage, sibling func(field string) string) *Schema {
	s := &Schema{name: name, text: text, sibling: sibling}
	s.compile = sync.OnceValues(func() (*schema.Schema, error) {
		c, err := schema.Compile(text)
		if err != nil {
			return nil, SchemaError{fmt.Errorf("schema of %s: %w", name, err)}
		}
		return c, nil
	})
	return s
}

// Compile compiles the schema, unless that is done. The error is a SchemaError.
func (s *Schema) Compile() error {
	_, err := s.compile()
	return err
}

// SchemaError is the error for a schema that cannot be used. It is not the caller's fault.
type SchemaError struct{ error }

// Check validates an input and returns its members. The error names each wrong field. It is an SchemaError if the schema
// is wrong. The work is limited before it begins.
func (s *Schema) Check(input json.RawMessage) (fields map[string]any, err error) {
	if len(input) > Max {
		return nil, fmt.Errorf("the input has %d bytes, at most %d are allowed", len(input), Max)
	}
	if strictjson.Depth(input) > MaxDepth {
		return nil, fmt.Errorf("the input is nested deeper than %d levels", MaxDepth)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return nil, fmt.Errorf("the input is not JSON: %v", err)
	}
	if key, twice := strictjson.DuplicateKey(input); twice {
		return nil, fmt.Errorf("the input has the field %q twice: remove one of them", excerpt.Of(key))
	}
	if n, wide := strictjson.WideNumber(input); wide {
		return nil, fmt.Errorf("the input has the number %s: numbers have at most %d characters, and exponents up to %d", excerpt.Of(n), strictjson.MaxNumber, strictjson.MaxExponent)
	}
	fields, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`the input is not a JSON object: write {"field": value}`)
	}
	c, err := s.compile()
	if err != nil {
		return nil, err
	}
	if n, most := strictjson.Values(input), maxChecks/c.Cost.Checks; n > most {
		return nil, fmt.Errorf("the input has about %d values and field names, and at most %d are allowed: split it", n, most)
	}
	if p := c.Cost.Pattern; p > 0 && len(input) > maxSteps/p {
		return nil, fmt.Errorf("the input has %d bytes, and the patterns of %s allow at most %d", len(input), s.name, maxSteps/p)
	}
	return fields, s.validate(c, doc)
}

// Validate validates a value of bounded size. The error names each wrong field.
func (s *Schema) Validate(v any) error {
	c, err := s.compile()
	if err != nil {
		return err
	}
	return s.validate(c, v)
}

func (s *Schema) validate(c *schema.Schema, v any) error {
	err := c.Schema.Validate(v)
	if wrong, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return errors.New(strings.Join(s.explain(wrong, c.Description), "; "))
	}
	return err
}

// explain turns a tree of violations into one line for each field, and one line about combinations of fields, for which it
// uses the schema's description.
func (s *Schema) explain(v *jsonschema.ValidationError, combinations string) []string {
	var lines []string
	together := false // some combination of fields is wrong
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if names, is := v.ErrorKind.(*kind.PropertyNames); is {
			lines = append(lines, prefix(v.SchemaURL)+names.Property+": not allowed here")
			return
		}
		if len(v.Causes) > 0 {
			for _, c := range v.Causes {
				walk(c)
			}
			return
		}
		if combinations != "" && combines(v) {
			together = true
			return
		}
		where := strings.Join(v.InstanceLocation, ".")
		text := s.complaint(v)
		if _, not := v.ErrorKind.(*kind.Not); not {
			text = "not allowed here"
		}
		if where == "" {
			lines = append(lines, text+s.hint(text))
		} else {
			lines = append(lines, where+": "+text)
		}
	}
	walk(v)
	slices.Sort(lines) // their order varies
	if together {
		lines = append(lines, combinations)
	}
	return lines
}

// prefix returns the field that a place in a schema is about, with a dot: "profile." of "mem:///x#/properties/profile/propertyNames".
// The library has the place in the input too, but overwrites it afterwards (jsonschema v6.0.3: a slice that is not cloned).
func prefix(schemaURL string) string {
	_, place, _ := strings.Cut(schemaURL, "#/properties/")
	field, _, ok := strings.Cut(place, "/")
	if !ok {
		return ""
	}
	return field + "."
}

// complaint returns what is wrong with a value.
func (s *Schema) complaint(v *jsonschema.ValidationError) string {
	k, ok := v.ErrorKind.(*kind.Pattern)
	if !ok {
		return schema.Complaint(v)
	}
	what := "others"
	if d := gjson.GetBytes(s.text, "properties."+gjson.Escape(strings.Join(v.InstanceLocation, "."))+".description"); d.Str != "" {
		what = d.Str
	}
	if k.Got == "" {
		return "it is empty: give " + what
	}
	return fmt.Sprintf("%q has characters that it cannot have: give %s", excerpt.Of(k.Got), what)
}

// combines reports whether a violation is about a combination of fields, not about one field.
func combines(v *jsonschema.ValidationError) bool {
	_, place, _ := strings.Cut(v.SchemaURL, "#")
	if _, not := v.ErrorKind.(*kind.Not); not {
		place += "/not" // KeywordPath lacks it
	}
	place += "/" + strings.Join(v.ErrorKind.KeywordPath(), "/")
	first, _, _ := strings.Cut(strings.TrimPrefix(place, "/"), "/")
	return slices.Contains([]string{"allOf", "anyOf", "oneOf", "not", "if", "then", "dependentRequired", "minProperties"}, first)
}

// hint suggests the field that a misspelt one probably means.
func (s *Schema) hint(text string) string {
	rest, ok := strings.CutPrefix(text, "additional properties '")
	if !ok {
		return ""
	}
	var object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(s.text, &object) != nil {
		return ""
	}
	var names []string
	for n := range object.Properties {
		names = append(names, n)
	}
	field, _, _ := strings.Cut(rest, "'")
	if other := s.sibling; other != nil && other(field) != "" {
		return " (use " + other(field) + ", which takes " + field + ")"
	}
	if near := nearest.Of(field, names); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}
