//go:build !wasip1

package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/nearest"
)

// Manifest returns one sentence for each JSON Schema of a manifest that is not one, and for each example that its schema refuses.
func Manifest(m *abi.Manifest) (found []string) {
	if _, err := compile(m.ConfigSchema); err != nil {
		found = append(found, "config_schema: "+err.Error())
	}
	for i := range m.Operations {
		op := &m.Operations[i]
		schema, err := compile(op.InputSchema)
		if err != nil {
			found = append(found, "operation "+op.Name+": input_schema: "+err.Error())
			continue
		}
		if len(op.Example) == 0 {
			continue
		}
		example, err := jsonschema.UnmarshalJSON(bytes.NewReader(op.Example))
		if err == nil {
			err = schema.Validate(example)
		}
		if err != nil {
			found = append(found, fmt.Sprintf("operation %s: its input schema refuses the example %s: %s", op.Name, op.Example, sentence(err)))
		}
	}
	return found
}

// none loads no schema from elsewhere.
type none struct{}

func (none) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is another document, and may not be loaded", url)
}

// compile compiles a JSON Schema. The error is one sentence.
func compile(text json.RawMessage) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if at, word := misspelt(doc, ""); word != "" {
		return nil, fmt.Errorf("%s%q is no keyword of JSON Schema: did you mean %s?", place(at), word, nearest.Of(word, keywords))
	}
	const url = "schema.json"
	c := jsonschema.NewCompiler()
	c.UseLoader(none{})
	if err := c.AddResource(url, doc); err != nil {
		return nil, errors.New(sentence(err))
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, errors.New(sentence(err))
	}
	return s, nil
}

// sentence returns one line that says where a value does not fit its schema, what was wanted and what was found.
func sentence(err error) string {
	if wrong, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = wrong.Err
	}
	v, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return first
	}
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	at := place("/" + strings.Join(v.InstanceLocation, "/"))
	if enum, ok := v.ErrorKind.(*kind.Enum); ok {
		var want []string
		for _, w := range enum.Want {
			want = append(want, fmt.Sprint(w))
		}
		return fmt.Sprintf("%swanted one of %s, found %q: %s", at, strings.Join(want, ", "), fmt.Sprint(enum.Got), orNear(fmt.Sprint(enum.Got), want))
	}
	return at + v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

func place(at string) string {
	if at = strings.Trim(at, "/"); at == "" {
		return ""
	}
	return "at " + at + ": "
}

// keywords are those of JSON Schema 2020-12.
var keywords = strings.Fields(`$schema $id $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs definitions allOf anyOf oneOf not
	if then else dependentSchemas prefixItems items contains properties patternProperties additionalProperties propertyNames
	unevaluatedItems unevaluatedProperties type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength
	minLength pattern maxItems minItems uniqueItems maxContains minContains maxProperties minProperties required dependentRequired
	title description default deprecated readOnly writeOnly examples format contentEncoding contentMediaType contentSchema`)

// misspelt returns the place of a keyword that is none and resembles one: validators ignore it.
func misspelt(schema any, at string) (place, word string) {
	members, ok := schema.(map[string]any)
	if !ok {
		return "", ""
	}
	for _, name := range sortedKeys(members) {
		if !slices.Contains(keywords, name) && !strings.HasPrefix(name, "x-") && nearest.Of(name, keywords) != "" {
			return at, name
		}
	}
	for _, name := range sortedKeys(members) {
		switch value := members[name].(type) {
		case map[string]any:
			switch name {
			case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
				for _, property := range sortedKeys(value) {
					if p, w := misspelt(value[property], at+"/"+name+"/"+property); w != "" {
						return p, w
					}
				}
			case "const", "default", "dependentRequired":
			default:
				if p, w := misspelt(value, at+"/"+name); w != "" {
					return p, w
				}
			}
		case []any:
			if name != "enum" && name != "examples" && name != "default" && name != "const" {
				for i, element := range value {
					if p, w := misspelt(element, fmt.Sprint(at, "/", name, "/", i)); w != "" {
						return p, w
					}
				}
			}
		}
	}
	return "", ""
}
