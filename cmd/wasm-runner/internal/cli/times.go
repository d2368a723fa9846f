package cli

import (
	"encoding/json"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/when"
)

// TimeFlag returns the time that the value of a flag names: see package when. relative means that it depends on the present.
func (a *App) TimeFlag(flag, text string) (t time.Time, relative bool, err error) {
	t, relative, err = when.Parse(text, a.Now())
	if err != nil {
		return t, false, Usagef("--%s: %w", flag, err)
	}
	return t, relative, nil
}

// InputTimes is AbsoluteTimes for the input of an operation. If the module does not have the operation, the input stays as it is.
func (a *App) InputTimes(m *host.Module, by, operation string, input json.RawMessage) (json.RawMessage, error) {
	op, err := m.Operation(operation)
	if err != nil || len(input) == 0 {
		return input, nil //nolint:nilerr // the host says what is wrong with the name
	}
	return a.AbsoluteTimes(by, op.InputSchema, input)
}

// AbsoluteTimes returns an input in which the times that people write, such as -24h, are RFC 3339: see when.InInput. by is the
// name of the input in messages.
func (a *App) AbsoluteTimes(by string, schema, input json.RawMessage) (json.RawMessage, error) {
	changed, err := when.InInput(schema, input, a.Now())
	if err != nil {
		return nil, Usagef("%s: %w", by, err)
	}
	return changed, nil
}
