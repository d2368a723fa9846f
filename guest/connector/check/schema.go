//go:build !wasip1

package check

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/schema"
)

// Manifest returns one sentence for each schema of a manifest that is not valid, and for each example that its schema refuses.
func Manifest(m *abi.Manifest) (found []string) {
	if _, err := schema.Compile(m.ConfigSchema); err != nil {
		found = append(found, "config_schema: "+err.Error())
	}
	for i := range m.Operations {
		op := &m.Operations[i]
		input, err := schema.Compile(op.InputSchema)
		if err != nil {
			found = append(found, "operation "+op.Name+": input_schema: "+err.Error())
			continue
		}
		if len(op.Example) == 0 {
			continue
		}
		example, err := jsonschema.UnmarshalJSON(bytes.NewReader(op.Example))
		if err == nil {
			err = input.Validate(example)
		}
		if err != nil {
			found = append(found, fmt.Sprintf("operation %s: its input schema refuses the example %s: %s", op.Name, op.Example, sentence(err)))
		}
	}
	return found
}

// sentence returns one line that says where a value does not fit its schema, what was wanted and what was found.
func sentence(err error) string {
	if v, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return schema.First(v)
	}
	return err.Error()
}
