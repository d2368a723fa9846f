package schemas

import (
	"fmt"
	"strings"
)

// Case is an allowed schema with an input for it.
type Case struct{ Name, Schema, Input string }

// Costly returns valid inputs that take minutes to validate, each with its schema.
func Costly() []Case {
	checks := `{"type":"object","additionalProperties":{"items":{"allOf":[` + strings.Repeat(`{"type":["number","object","array"]},`, 90) + `{}]}}}`
	names := `{"type":"object","propertyNames":{"allOf":[` + strings.Repeat(`{"minLength":1,"maxLength":99},`, 90) + `{}]}}`
	unique := `{"type":"object","additionalProperties":{"uniqueItems":true}}`
	pattern := `{"type":"object","additionalProperties":{"pattern":"^[a-z]*(([a-z]?){16}[a-z]){5}$"}}`
	return []Case{
		{"numbers, each with hundreds of checks", checks, `{"a":[` + list(500_000, func(int) string { return "0" }) + `]}`},
		{"objects, each with hundreds of checks", checks, `{"a":[` + list(300_000, func(int) string { return "{}" }) + `]}`},
		{"lists of lists, each with hundreds of checks", checks, `{"a":[` + list(150_000, func(int) string { return "[0,0]" }) + `]}`},
		{"names, each with hundreds of checks", names, `{` + list(80_000, func(i int) string { return fmt.Sprintf(`"n%d":0`, i) }) + `}`},
		{"values that are compared with each other", unique, `{"a":[` + list(100_000, func(i int) string { return fmt.Sprint(i) }) + `]}`},
		{"a long text for a costly pattern", pattern, `{"a":"` + strings.Repeat("a", 1<<20-100) + `"}`},
		{"many texts for a costly pattern", pattern, `{` + list(18_000, func(i int) string { return fmt.Sprintf(`"t%d":"%s"`, i, strings.Repeat("a", 40)) }) + `}`},
	}
}

// list returns n elements of a JSON array or object.
func list(n int, element func(int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = element(i)
	}
	return strings.Join(all, ",")
}
