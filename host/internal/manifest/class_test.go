package manifest

import (
	"encoding/json"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestRequestClass_OfScalars_ComparesTheirText(t *testing.T) {
	for _, c := range []struct {
		value any
		text  string
		want  bool
	}{
		{"true", "true", true}, {true, "true", true}, {false, "true", false}, {"unlock", "unlock", true}, {"UNLOCK", "unlock", false},
		{json.Number("10"), "10", true}, {json.Number("1.0e1"), "10", true}, {json.Number("10"), "1", false},
		{nil, "null", false}, {[]any{"unlock"}, "unlock", false}, {map[string]any{}, "{}", false},
	} {
		if got := equals(c.value, c.text); got != c.want {
			t.Errorf("%v and %q: %v", c.value, c.text, got)
		}
	}
	rules := []abi.ClassRule{{Field: "credentials", Class: abi.Privileged}}
	for _, text := range []string{`{"credentials":null}`, `{"credentials":{}}`, `{"credentials":false}`} {
		var fields map[string]any
		_ = json.Unmarshal([]byte(text), &fields)
		if got := byRules(rules, fields, abi.Write); got != abi.Privileged {
			t.Errorf("%s is of class %s", text, got)
		}
	}
}
