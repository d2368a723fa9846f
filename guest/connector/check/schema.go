//go:build !wasip1

package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/subset"
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
	if _, err := subset.Check(text); err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
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
