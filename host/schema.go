package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/tidwall/gjson"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/nearest"
)

// MaxInput is the largest input of an operation, in bytes.
const MaxInput = 1 << 20

// maxInputDepth is how deep an input may be nested.
const maxInputDepth = 64

func compileSchema(op *abi.Operation) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(op.InputSchema))
	if err != nil {
		return nil, fmt.Errorf("operation %s: its input_schema is not JSON: %w", op.Name, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nothing{})
	url := "mem:///" + op.Name
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("operation %s: its input_schema: %w", op.Name, err)
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, fmt.Errorf("operation %s: its input_schema: %w", op.Name, err)
	}
	return s, nil
}

// nothing is a loader that loads nothing: a schema that refers to a file or a URL is refused.
type nothing struct{}

func (nothing) Load(url string) (any, error) { return nil, fmt.Errorf("%s may not be loaded", url) }

// checkInput validates an input against the operation's schema. The message names each wrong field.
func (op *operation) checkInput(input json.RawMessage) (fields map[string]any, err error) {
	if len(input) > MaxInput {
		return nil, fmt.Errorf("the input has %d bytes, at most %d are taken", len(input), MaxInput)
	}
	if depth(input) > maxInputDepth {
		return nil, fmt.Errorf("the input is nested deeper than %d levels", maxInputDepth)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(input))
	if err != nil {
		return nil, fmt.Errorf("the input is not JSON: %v", err)
	}
	if key, twice := twin(input); twice {
		return nil, fmt.Errorf("the input has the field %q twice: leave one of them out", shorten(key))
	}
	fields, ok := doc.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`the input is not a JSON object: write {"field": value}`)
	}
	schema, err := op.schema()
	if err != nil {
		return nil, err
	}
	if err := schema.Validate(doc); err != nil {
		var v *jsonschema.ValidationError
		if errors.As(err, &v) {
			return nil, errors.New(strings.Join(op.explain(v, schema.Description), "; "))
		}
		return nil, err
	}
	return fields, nil
}

// explain turns a tree of violations into one line for each field, and one for how fields go together, which the
// schema's description says in words.
func (op *operation) explain(v *jsonschema.ValidationError, combinations string) []string {
	var lines []string
	together := false // fields that are right one by one, and not together
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if names, is := v.ErrorKind.(*kind.PropertyNames); is {
			lines = append(lines, of(v.SchemaURL)+names.Property+": not allowed here")
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
		text := op.complaint(v)
		if _, not := v.ErrorKind.(*kind.Not); not {
			text = "not allowed here"
		}
		if where == "" {
			lines = append(lines, text+op.hint(text))
		} else {
			lines = append(lines, where+": "+text)
		}
	}
	walk(v)
	slices.Sort(lines) // they come in no order of their own
	if together {
		lines = append(lines, combinations)
	}
	return lines
}

// of is the field that a place in a schema is about, as a prefix: "profile." of "mem:///x#/properties/profile/propertyNames".
// The library tells the place in the input, too, and overwrites it afterwards (jsonschema v6.0.3: a slice that is not cloned).
func of(schemaURL string) string {
	_, place, _ := strings.Cut(schemaURL, "#/properties/")
	field, _, ok := strings.Cut(place, "/")
	if !ok {
		return ""
	}
	return field + "."
}

// complaint says what is wrong with a value.
func (op *operation) complaint(v *jsonschema.ValidationError) string {
	switch k := v.ErrorKind.(type) {
	case *kind.Format:
		if k.Want == "date-time" {
			return fmt.Sprintf("%q is no time: write it as in RFC 3339, such as 2026-01-31T09:00:00Z", shorten(fmt.Sprint(k.Got)))
		}
	case *kind.Pattern:
		what := "others"
		if s := gjson.GetBytes(op.InputSchema, "properties."+gjson.Escape(strings.Join(v.InstanceLocation, "."))+".description"); s.Str != "" {
			what = s.Str
		}
		return fmt.Sprintf("%q has characters that it cannot have: give %s", shorten(k.Got), what)
	}
	switch k := v.ErrorKind.(type) { // the library writes 1×10¹¹
	case *kind.Maximum:
		return "maximum: got " + digits(k.Got) + ", want " + digits(k.Want)
	case *kind.Minimum:
		return "minimum: got " + digits(k.Got) + ", want " + digits(k.Want)
	}
	return v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

// digits is a number as people write it. One of very many digits is shortened.
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

// combines reports whether a violation is of how fields go together, and not of one field.
func combines(v *jsonschema.ValidationError) bool {
	_, place, _ := strings.Cut(v.SchemaURL, "#")
	if _, not := v.ErrorKind.(*kind.Not); not {
		place += "/not" // which KeywordPath does not tell
	}
	place += "/" + strings.Join(v.ErrorKind.KeywordPath(), "/")
	first, _, _ := strings.Cut(strings.TrimPrefix(place, "/"), "/")
	return slices.Contains([]string{"allOf", "anyOf", "oneOf", "not", "if", "then", "dependentRequired", "minProperties"}, first)
}

// hint names the field that a misspelt one was meant to be.
func (op *operation) hint(text string) string {
	rest, ok := strings.CutPrefix(text, "additional properties '")
	if !ok {
		return ""
	}
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(op.InputSchema, &schema) != nil {
		return ""
	}
	var names []string
	for n := range schema.Properties {
		names = append(names, n)
	}
	field, _, _ := strings.Cut(rest, "'")
	if other := op.sibling; other != nil && other(field) != "" {
		return " (use " + other(field) + ", which takes " + field + ")"
	}
	if near := nearest.Of(field, names); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}

// twin is the first member that an object has twice, at any depth. Of two, the host could judge one and the module act
// by the other. The text is JSON.
func twin(text []byte) (key string, twice bool) {
	if bytes.Count(text, []byte{':'}) < 2 {
		return "", false
	}
	type level struct {
		members map[string]bool // nil in an array
		value   bool            // the next string is a value
	}
	var stack []level
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		t, err := dec.Token()
		if err != nil {
			return "", false
		}
		top := len(stack) - 1
		switch t := t.(type) {
		case json.Delim:
			if t == '}' || t == ']' {
				stack = stack[:top]
				top--
				if top >= 0 {
					stack[top].value = false
				}
				continue
			}
			l := level{}
			if t == '{' {
				l.members = map[string]bool{}
			}
			stack = append(stack, l)
			continue
		case string:
			if top >= 0 && stack[top].members != nil && !stack[top].value {
				if stack[top].members[t] {
					return t, true
				}
				stack[top].members[t], stack[top].value = true, true
				continue
			}
		}
		if top >= 0 {
			stack[top].value = false
		}
	}
}

// depth is how deep JSON text is nested, brackets in strings aside.
func depth(text []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}
