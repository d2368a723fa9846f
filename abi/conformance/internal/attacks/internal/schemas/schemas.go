// Package schemas has schemas and inputs that are expensive to validate.
package schemas

import (
	"fmt"
	"strings"
)

// Expensive returns schemas that are not schemas, or that take very long to validate {} or a short input.
func Expensive() map[string]string {
	doubling := func(keyword string) string {
		var defs strings.Builder
		for i := range 30 {
			fmt.Fprintf(&defs, `"d%d":{"%s":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, keyword, i+1, i+1)
		}
		return `{"type":"object","$ref":"#/$defs/d0","$defs":{` + defs.String() + `"d30":{}}}`
	}
	return map[string]string{
		"2^30 references":            doubling("allOf"),
		"2^30 alternatives":          doubling("anyOf"),
		"4,000 negations":            `{"type":"object","properties":{"a":` + strings.Repeat(`{"not":`, 4000) + `{}` + strings.Repeat("}", 4000) + `}}`,
		"a circle of references":     `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`,
		"a reference to itself":      `{"$ref":"#"}`,
		"a pattern of 100,000 steps": `{"type":"object","additionalProperties":{"pattern":"((\\w{10}){10}){9}((\\w{10}){10}){9}$"}}`,
		"a list of 10,000 values":    `{"type":"object","additionalProperties":{"enum":[` + strings.Repeat("0.5,", 10_000) + `1]}}`,
		"a format of its own":        `{"type":"object","additionalProperties":{"format":"regex"}}`,
		"a maximum beyond exponents": `{"type":"object","properties":{"a":{"maximum":1e999999999}}}`,
		"an unknown keyword":         `{"type":"object","propertees":{}}`,
		"an unknown type":            `{"type":"rubbish"}`,
		"a number":                   `42`,
	}
}

// WideNumbers returns inputs with numbers that exact arithmetic takes seconds to hours for. Each matches the schema of the
// operation read.
func WideNumbers() map[string]string {
	var exponents []string
	for i := range 1000 {
		exponents = append(exponents, fmt.Sprintf("1e%d", 999_999-i))
	}
	return map[string]string{
		"1,000 numbers of a million digits":        `{"steps":[],"a":[` + strings.Join(exponents, ",") + `]}`,
		"1,000 fractions of a million digits":      `{"steps":[],"a":[` + strings.ReplaceAll(strings.Join(exponents, ","), "1e", "1e-") + `]}`,
		"a number of 500,000 digits in an input":   `{"steps":[],"a":` + strings.Repeat("9", 500_000) + `}`,
		"a number of a million digits at depth":    `{"steps":[],"a":[{"b":[{"c":1e999999}]}]}`,
		"a number of a million digits as a member": `{"steps":[],"1":1E+999999}`,
	}
}
