// Package input validates the inputs of operations against their JSON Schemas.
package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/tidwall/gjson"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/strictjson"
)

// Max is the size limit of an input, in bytes.
const Max = 1 << 20

// MaxDepth is the limit of an input's nesting, in levels.
const MaxDepth = 64

// Schema checks inputs. It is safe for concurrent use.
type Schema struct {
	name    string
	text    json.RawMessage
	sibling func(field string) string
	compile func() (*jsonschema.Schema, error)
}

// New returns a schema that is compiled when it is first used. name is the operation's. sibling returns the operation on the
// same kind of object that takes a field, "" for none; it makes a better message for an unknown field.
func New(name string, text json.RawMessage, sibling func(field string) string) *Schema {
	s := &Schema{name: name, text: text, sibling: sibling}
	s.compile = sync.OnceValues(s.compiled)
	return s
}

// Compile compiles the schema now and returns what is wrong with it.
func (s *Schema) Compile() error {
	_, err := s.compile()
	return err
}

func (s *Schema) compiled() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.text))
	if err != nil {
		return nil, fmt.Errorf("operation %s: its input_schema is not JSON: %w", s.name, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nothing{})
	url := "mem:///" + s.name
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("operation %s: its input_schema: %w", s.name, err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("operation %s: its input_schema: %w", s.name, err)
	}
	return compiled, nil
}

// nothing is a loader that refuses every file and URL that a schema refers to.
type nothing struct{}

func (nothing) Load(url string) (any, error) { return nil, fmt.Errorf("%s may not be loaded", url) }

// Check validates an input and returns its members. The error names each wrong field.
func (s *Schema) Check(input json.RawMessage) (fields map[string]any, err error) {
	if len(input) > Max {
		return nil, fmt.Errorf("the input has %d bytes, at most %d are taken", len(input), Max)
	}
	if strictjson.Depth(input) > MaxDepth {
		return nil, fmt.Errorf("the input is nested deeper than %d levels", MaxDepth)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return nil, fmt.Errorf("the input is not JSON: %v", err)
	}
	if key, twice := strictjson.DuplicateKey(input); twice {
		return nil, fmt.Errorf("the input has the field %q twice: leave one of them out", excerpt.Of(key))
	}
	fields, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`the input is not a JSON object: write {"field": value}`)
	}
	schema, err := s.compile()
	if err != nil {
		return nil, err
	}
	if err := schema.Validate(doc); err != nil {
		var v *jsonschema.ValidationError
		if errors.As(err, &v) {
			return nil, errors.New(strings.Join(s.explain(v, schema.Description), "; "))
		}
		return nil, err
	}
	return fields, nil
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
	switch k := v.ErrorKind.(type) {
	case *kind.Format:
		if k.Want == "date-time" {
			return fmt.Sprintf("%q is not a valid time: write it as in RFC 3339, such as 2026-01-31T09:00:00Z", excerpt.Of(fmt.Sprint(k.Got)))
		}
	case *kind.Pattern:
		what := "others"
		if d := gjson.GetBytes(s.text, "properties."+gjson.Escape(strings.Join(v.InstanceLocation, "."))+".description"); d.Str != "" {
			what = d.Str
		}
		if k.Got == "" {
			return "it is empty: give " + what
		}
		return fmt.Sprintf("%q has characters that it cannot have: give %s", excerpt.Of(k.Got), what)
	}
	switch k := v.ErrorKind.(type) { // the library writes 1×10¹¹
	case *kind.Maximum:
		return "maximum: got " + digits(k.Got) + ", want " + digits(k.Want)
	case *kind.Minimum:
		return "minimum: got " + digits(k.Got) + ", want " + digits(k.Want)
	}
	return v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

// digits formats a number the way people write it. A number with very many digits is replaced by words.
func digits(n *big.Rat) string {
	const most = 40
	if n.Num().BitLen() > 4*most || n.Denom().BitLen() > 4*most {
		return "a number of very many digits"
	}
	if n.IsInt() {
		return n.Num().String()
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
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
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(s.text, &schema) != nil {
		return ""
	}
	var names []string
	for n := range schema.Properties {
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
