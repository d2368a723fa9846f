package input

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Each of these took seconds to hours to validate, or gigabytes.
func TestCheck_ExpensiveInput_IsRefusedBeforeTheWork(t *testing.T) {
	var huge []string
	for i := range 1000 {
		huge = append(huge, fmt.Sprintf("1e%d", 999_999-i))
	}
	values := strings.Repeat("0,", 400_000) + "0"
	for name, c := range map[string]struct{ schema, input, want string }{
		"numbers with huge exponents":   {`{"properties":{"a":{"items":{"enum":[1,2]},"uniqueItems":true}}}`, `{"a":[` + strings.Join(huge, ",") + `]}`, "the input has the number 1e999999: numbers have at most 128 characters, and exponents up to 400"},
		"a number no schema is about":   {`{}`, `{"a":{"b":[-1e-999999]}}`, "the input has the number -1e-999999"},
		"a number of many digits":       {`{"properties":{"a":{"multipleOf":3}}}`, `{"a":` + strings.Repeat("9", 500_000) + `}`, "the input has the number 9"},
		"many values":                   {`{"properties":{"a":{"items":{"enum":[1,2,3]}}}}`, `{"a":[` + values + `]}`, "values and field names, and at most 209715 are allowed: split it"},
		"many bytes for a long pattern": {`{"properties":{"a":{"pattern":"[a-z]{190}b{10}$"}}}`, `{"a":"` + strings.Repeat("a", 1_000_000) + `"}`, "the patterns of op allow at most"},
	} {
		_, err := New("op", json.RawMessage(c.schema), nil).Check([]byte(c.input))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 300 {
			t.Errorf("%s: %.400v, want %q in it", name, err, c.want)
		}
	}
	for name, c := range map[string]struct{ schema, input string }{
		"the largest double":            {`{}`, `{"a":1.7976931348623157e308,"b":5e-324}`},
		"many values for a cheap check": {`{}`, `{"a":[` + values + `]}`},
	} {
		if _, err := New("op", json.RawMessage(c.schema), nil).Check([]byte(c.input)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheck_WithAWrongSchema_IsASchemaError(t *testing.T) {
	for _, schema := range []string{`{"type":"rubbish"}`, `{`, `{"$ref":"https://example.com/x"}`} {
		_, err := New("op", json.RawMessage(schema), nil).Check([]byte(`{}`))
		if !errors.As(err, new(SchemaError)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", schema, err)
		}
	}
}
