package subset

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestCheck_OutsideTheSubset_IsAnError(t *testing.T) {
	deep := strings.Repeat(`{"not":`, MaxDepth+1) + `true` + strings.Repeat("}", MaxDepth+1)
	for text, want := range map[string]string{
		`true`: "must be an object", `{`: "not JSON", `{"type":"string"}{}`: "not JSON", `[]`: "must be an object",
		`{"type":"strng"}`:                                      `found "strng": did you mean string?`,
		`{"type":[]}`:                                           "must not be empty",
		`{"type":["string","string"]}`:                          "duplicate",
		`{"tpye":"string"}`:                                     `keyword "tpye" is not allowed (see section 1.6 of the ABI): did you mean type?`,
		`{"properties":{"a":{"contains":true}}}`:                `properties/a: keyword "contains" is not allowed`,
		`{"unevaluatedProperties":false}`:                       "not allowed",
		`{"$id":"https://example.com/x"}`:                       "not allowed",
		`{"$dynamicRef":"#x"}`:                                  "not allowed",
		`{"patternProperties":{"(a+)+$":{}}}`:                   "not allowed",
		`{"$schema":"http://json-schema.org/draft-07/schema#"}`: "2020-12",
		`{"properties":{"a":{"$schema":"https://json-schema.org/draft/2020-12/schema"}}}`: "only at the top",
		`{"properties":{"a":{"$defs":{}}}}`:                                               "only at the top",
		`{"$ref":"#"}`:                                                                    "#/$defs/ and a name",
		`{"$ref":"file:///etc/passwd"}`:                                                   "#/$defs/ and a name",
		`{"$ref":"#/$defs/a"}`:                                                            "$defs does not have it",
		`{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/a"}}}`:                         "refers to itself",
		`{"$defs":{"a":{"properties":{"x":{"$ref":"#/$defs/b"}}},"b":{"items":{"$ref":"#/$defs/a"}}}}`: "refers to itself",
		`{"$defs":{"a":{"type":7}}}`:                     "type: want one of array,",
		`{"$defs":{"a/b":{}}}`:                           "must not contain",
		`{"$defs":[]}`:                                   "must be an object",
		`{"maximum":"1"}`:                                "must be a number",
		`{"maximum":1e999999999}`:                        "too large an exponent",
		`{"multipleOf":0}`:                               "over 0",
		`{"multipleOf":0.0e5}`:                           "over 0",
		`{"multipleOf":-1}`:                              "over 0",
		`{"maxLength":-1}`:                               "whole number",
		`{"maxLength":1.5}`:                              "whole number",
		`{"maxItems":99999999999}`:                       "whole number",
		`{"uniqueItems":1}`:                              "true or false",
		`{"pattern":"("}`:                                "regular expression of RE2",
		`{"pattern":"(?=a)"}`:                            "regular expression of RE2",
		`{"pattern":"` + strings.Repeat("a", 257) + `"}`: "at most 256 bytes",
		`{"pattern":"(\\w{99}){9}"}`:                     "too much work",
		`{"format":"regex"}`:                             "want one of date,",
		`{"enum":[]}`:                                    "array of values",
		`{"required":["a","a"]}`:                         "different strings",
		`{"required":[["a"]]}`:                           "different strings",
		`{"dependentRequired":{"a":"b"}}`:                "different strings",
		`{"properties":{"a":7}}`:                         "a schema must be an object, true or false",
		`{"allOf":[]}`:                                   "array of schemas",
		`{"type":"string","type":"array"}`:               "listed twice",
		`{"title":7}`:                                    "must be a string",
		deep:                                             "nested deeper than 32 levels",
		`{"title":"` + strings.Repeat("a", MaxSize) + `"}`:    "at most 65536 are allowed",
		doubling(22, "allOf"):                                 "too much work",
		doubling(22, "anyOf"):                                 "too much work",
		`{"enum":[` + strings.Repeat("1,", MaxChecks) + `1]}`: "too much work",
	} {
		_, err := Check([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.200s: %v, want %q in it", text, err, want)
		}
	}
}

// doubling returns a schema of n definitions, each of which applies the next one twice: validating {} visits 2^n schemas.
func doubling(n int, keyword string) string {
	var defs []string
	for i := range n {
		defs = append(defs, fmt.Sprintf(`"d%d":{"%s":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, keyword, i+1, i+1))
	}
	return fmt.Sprintf(`{"$ref":"#/$defs/d0","$defs":{%s,"d%d":{}}}`, strings.Join(defs, ","), n)
}

func TestCheck_OfASchema_CountsTheMostWorkAtOneValue(t *testing.T) {
	for text, want := range map[string]Cost{
		`{}`:                 {1, 0},
		`{"x-a":{"b":[1]}}`:  {1, 0},
		`{"enum":["a","b"]}`: {4, 0},
		`{"properties":{"a":{"enum":["a","b"]},"b":{"const":1}}}`:               {4, 0}, // the largest property, not all
		`{"properties":{"a":{}},"additionalProperties":{},"propertyNames":{}}`:  {3, 0},
		`{"allOf":[{},{"anyOf":[{},{}]}],"required":["a"]}`:                     {6, 0},
		`{"items":{"allOf":[{},{}]}}`:                                           {3, 0},
		`{"uniqueItems":true}`:                                                  {20, 0},
		`{"uniqueItems":true,"items":{"uniqueItems":true,"items":{}}}`:          {41, 0},
		`{"$ref":"#/$defs/a","$defs":{"a":{"const":1}}}`:                        {3, 0},
		`{"properties":{"a":{"pattern":"a"},"b":{"allOf":[{"pattern":"ab"}]}}}`: {2, 4},
	} {
		if got, err := Check([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// FuzzCheck compares with the library that validates: it must compile each schema that is accepted.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{doubling(3, "oneOf"), `{"type":["object","null"],"properties":{"a":{"type":"string","pattern":"^[a-z]{1,9}$","format":"date-time"}},"required":["a"],"dependentRequired":{"a":["b"]}}`,
		`{"items":{"enum":[1,"a",null]},"uniqueItems":true,"maxItems":3,"multipleOf":0.5,"if":{"const":1},"then":false,"else":true,"x-a":1}`, `{"$schema":"https://json-schema.org/draft/2020-12/schema","default":1}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Check([]byte(text)); err != nil {
			return
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource("mem:///x", doc); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s, err := c.Compile("mem:///x")
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, v := range []any{nil, map[string]any{}, []any{}, "a", json.Number("1")} {
			_ = s.Validate(v)
		}
	})
}
