// Package subset checks that a JSON Schema is in the subset of JSON Schema 2020-12 that the ABI allows, and computes a
// bound of the work to validate a value with it. See section 1.6 of the ABI.
package subset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/strictjson"
)

// Limits of a schema.
const (
	MaxSize    = 64 << 10 // bytes
	MaxDepth   = 32       // levels of nesting
	MaxChecks  = 400      // Cost.Checks
	MaxPattern = 400      // Cost.Pattern
)

// Cost bounds the work to validate a value: for each value and member name in it, Checks comparisons, and for each byte
// of it, Pattern steps of regular expressions.
type Cost struct{ Checks, Pattern int }

func (c Cost) plus(o Cost) Cost { return Cost{c.Checks + o.Checks, c.Pattern + o.Pattern} }

func (c Cost) max(o Cost) Cost { return Cost{max(c.Checks, o.Checks), max(c.Pattern, o.Pattern)} }

// costs are the costs of a schema at the value that it applies to, and the largest at any value within it.
type costs struct{ here, within Cost }

func (c costs) plus(o costs) costs { return costs{c.here.plus(o.here), c.within.plus(o.within)} }

// Check returns the cost of a schema, or an error that says why the subset does not have it.
func Check(text []byte) (Cost, error) {
	if len(text) > MaxSize {
		return Cost{}, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), MaxSize)
	}
	if !json.Valid(text) {
		return Cost{}, fmt.Errorf("it is not JSON")
	}
	if strictjson.Depth(text) > MaxDepth {
		return Cost{}, fmt.Errorf("it is nested deeper than %d levels", MaxDepth)
	}
	if key, twice := strictjson.DuplicateKey(text); twice {
		return Cost{}, fmt.Errorf("member %q is listed twice: remove one", excerpt.Of(key))
	}
	if n, wide := strictjson.WideNumber(text); wide {
		return Cost{}, fmt.Errorf("number %s has too many digits or too large an exponent", excerpt.Of(n))
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return Cost{}, err
	}
	root, ok := doc.(map[string]any)
	if !ok {
		return Cost{}, fmt.Errorf("it must be an object")
	}
	c := checker{defs: map[string]any{}, known: map[string]costs{}, open: map[string]bool{}}
	if s, ok := root["$schema"]; ok && s != "https://json-schema.org/draft/2020-12/schema" {
		return Cost{}, fmt.Errorf("$schema must be https://json-schema.org/draft/2020-12/schema")
	}
	if defs, ok := root["$defs"]; ok {
		if c.defs, ok = defs.(map[string]any); !ok {
			return Cost{}, fmt.Errorf("$defs must be an object")
		}
	}
	all, err := c.schema(root, "")
	if err != nil {
		return Cost{}, err
	}
	for _, name := range sorted(c.defs) {
		if strings.ContainsAny(name, "/~%#") {
			return Cost{}, fmt.Errorf("$defs: the name %q must not contain / ~ %% #", excerpt.Of(name))
		}
		if _, err := c.definition(name); err != nil {
			return Cost{}, err
		}
	}
	return all.here.max(all.within), nil
}

// checker checks one schema.
type checker struct {
	defs  map[string]any
	known map[string]costs // costs of the definitions that were checked
	open  map[string]bool  // definitions that are being checked
}

// definition returns the costs of a member of $defs.
func (c *checker) definition(name string) (costs, error) {
	if k, ok := c.known[name]; ok {
		return k, nil
	}
	def, ok := c.defs[name]
	if !ok {
		return costs{}, fmt.Errorf("$ref to %q: $defs does not have it", excerpt.Of(name))
	}
	if c.open[name] {
		return costs{}, fmt.Errorf("$defs/%s refers to itself", excerpt.Of(name))
	}
	c.open[name] = true
	k, err := c.schema(def, "/$defs/"+name)
	delete(c.open, name)
	c.known[name] = k
	return k, err
}

// schema returns the costs of a schema at a place.
func (c *checker) schema(v any, at string) (costs, error) {
	all := costs{here: Cost{Checks: 1}}
	if _, ok := v.(bool); ok {
		return all, nil
	}
	members, ok := v.(map[string]any)
	if !ok {
		return all, wrong(at, "a schema must be an object, true or false")
	}
	child := costs{} // the costs of the members or elements
	for _, name := range sorted(members) {
		if err := c.keyword(members, name, at, &all, &child); err != nil {
			return all, err
		}
	}
	inner := child.here.max(child.within)
	if members["uniqueItems"] == true { // compares each part of an element with up to 20 others, or computes its hash
		inner.Checks += 20
	}
	all.within = all.within.plus(inner)
	if most := all.here.max(all.within); most.Checks > MaxChecks || most.Pattern > MaxPattern {
		return all, wrong(at, "validating is too much work: %d checks a value and %d pattern steps a byte, at most %d and %d are allowed (see section 1.6 of the ABI)",
			most.Checks, most.Pattern, MaxChecks, MaxPattern)
	}
	return all, nil
}

// keyword checks a member of a schema. It adds the keyword's costs to those of the schema and of its children.
func (c *checker) keyword(members map[string]any, name, at string, all, child *costs) error {
	v := members[name]
	here := at + "/" + name
	switch name {
	case "$schema", "$defs":
		if at != "" {
			return wrong(at, "%s is allowed only at the top", name)
		}
	case "$comment", "title", "description":
		if _, ok := v.(string); !ok {
			return wrong(here, "it must be a string")
		}
	case "default", "examples", "deprecated", "readOnly", "writeOnly": // annotations
	case "type":
		return checkType(v, here)
	case "enum":
		list, ok := v.([]any)
		if !ok || len(list) == 0 {
			return wrong(here, "it must be an array of values")
		}
		all.here.Checks += size(v)
	case "const":
		all.here.Checks += size(v)
	case "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum":
		if _, ok := v.(json.Number); !ok {
			return wrong(here, "it must be a number")
		}
	case "multipleOf":
		if n, ok := v.(json.Number); !ok || strings.HasPrefix(n.String(), "-") || strings.Trim(strings.ToLower(n.String()), "0.e+-") == "" {
			return wrong(here, "it must be a number over 0")
		} else if f, err := n.Float64(); err != nil || f == 0 {
			return wrong(here, "it must be a number over 0")
		}
	case "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties":
		if n, ok := v.(json.Number); !ok {
			return wrong(here, "it must be a whole number")
		} else if i, err := strconv.ParseInt(n.String(), 10, 32); err != nil || i < 0 {
			return wrong(here, "it must be a whole number from 0 to 2147483647")
		}
	case "uniqueItems":
		if _, ok := v.(bool); !ok {
			return wrong(here, "it must be true or false")
		}
	case "pattern":
		steps, err := patternSteps(v)
		if err != nil {
			return wrong(here, "%w", err)
		}
		all.here.Pattern += steps
	case "format":
		formats := []string{"date", "date-time", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
		if s, ok := v.(string); !ok || !slices.Contains(formats, s) {
			return wrong(here, "want one of %s, found %s%s", strings.Join(formats, ", "), excerpt.Of(fmt.Sprintf("%q", v)), hint(s, formats))
		}
		all.here = all.here.plus(Cost{Checks: 1, Pattern: 1})
	case "required":
		names, err := texts(v)
		if err != nil {
			return wrong(here, "%w", err)
		}
		all.here.Checks += names
	case "dependentRequired":
		deps, ok := v.(map[string]any)
		if !ok {
			return wrong(here, "it must be an object")
		}
		for _, field := range sorted(deps) {
			names, err := texts(deps[field])
			if err != nil {
				return wrong(here+"/"+field, "%w", err)
			}
			all.here.Checks += 1 + names
		}
	default:
		return c.applicator(name, v, at, all, child)
	}
	return nil
}

// applicator checks a keyword that applies schemas, and refuses unknown keywords.
func (c *checker) applicator(name string, v any, at string, all, child *costs) error {
	here := at + "/" + name
	switch name {
	case "properties":
		fields, ok := v.(map[string]any)
		if !ok {
			return wrong(here, "it must be an object")
		}
		var most costs
		for _, field := range sorted(fields) {
			k, err := c.schema(fields[field], here+"/"+field)
			if err != nil {
				return err
			}
			most = costs{most.here.max(k.here), most.within.max(k.within)}
		}
		*child = child.plus(most)
	case "additionalProperties", "propertyNames", "items":
		k, err := c.schema(v, here)
		if err != nil {
			return err
		}
		*child = child.plus(k)
	case "not", "if", "then", "else":
		k, err := c.schema(v, here)
		if err != nil {
			return err
		}
		*all = all.plus(k)
	case "allOf", "anyOf", "oneOf":
		list, ok := v.([]any)
		if !ok || len(list) == 0 {
			return wrong(here, "it must be an array of schemas")
		}
		for i, s := range list {
			k, err := c.schema(s, here+"/"+strconv.Itoa(i))
			if err != nil {
				return err
			}
			*all = all.plus(k)
		}
	case "$ref":
		s, _ := v.(string)
		def, ok := strings.CutPrefix(s, "#/$defs/")
		if !ok {
			return wrong(here, "it must be #/$defs/ and a name")
		}
		k, err := c.definition(def)
		if err != nil {
			return wrong(here, "%w", err)
		}
		*all = all.plus(k)
	default:
		if !strings.HasPrefix(name, "x-") {
			return wrong(at, "keyword %q is not allowed (see section 1.6 of the ABI)%s", excerpt.Of(name), hint(name, keywords))
		}
	}
	return nil
}

// keywords are those of the subset, for hints.
var keywords = strings.Fields(`$schema $defs $ref $comment title description default examples deprecated readOnly writeOnly type enum const maximum
	minimum exclusiveMaximum exclusiveMinimum multipleOf maxLength minLength maxItems minItems maxProperties minProperties uniqueItems pattern format
	required dependentRequired properties additionalProperties propertyNames items not if then else allOf anyOf oneOf`)

// hint returns a question whether the nearest of the names was meant, or "".
func hint(name string, names []string) string {
	if near := nearest.Of(name, names); near != "" {
		return ": did you mean " + near + "?"
	}
	return ""
}

func checkType(v any, at string) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	types := []string{"array", "boolean", "integer", "null", "number", "object", "string"}
	for _, t := range list {
		if s, ok := t.(string); !ok || !slices.Contains(types, s) {
			return wrong(at, "want one of %s, or an array of these, found %s%s", strings.Join(types, ", "), excerpt.Of(fmt.Sprintf("%q", t)), hint(s, types))
		}
	}
	if len(list) == 0 || duplicate(list) {
		return wrong(at, "it must not be empty or have a duplicate")
	}
	return nil
}

// patternSteps returns how many steps a regular expression needs for each byte: RE2 needs at most one for each of its
// instructions.
func patternSteps(v any) (int, error) {
	s, ok := v.(string)
	if !ok || len(s) > 256 {
		return 0, fmt.Errorf("it must be a string of at most 256 bytes")
	}
	re, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return 0, fmt.Errorf("it must be a regular expression of RE2: %s", excerpt.Of(err.Error()))
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0, fmt.Errorf("it must be a regular expression of RE2: %s", excerpt.Of(err.Error()))
	}
	return len(prog.Inst), nil
}

// texts returns the number of elements of an array of different strings.
func texts(v any) (int, error) {
	list, ok := v.([]any)
	if !ok || slices.ContainsFunc(list, func(e any) bool { _, text := e.(string); return !text }) || duplicate(list) {
		return 0, fmt.Errorf("it must be an array of different strings")
	}
	return len(list), nil
}

// duplicate reports whether a list of strings has one twice.
func duplicate(list []any) bool {
	seen := map[any]bool{}
	for _, e := range list {
		if seen[e] {
			return true
		}
		seen[e] = true
	}
	return false
}

// size returns the number of values in a value, members' names included.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += size(e)
		}
	case map[string]any:
		for _, e := range v {
			n += 1 + size(e)
		}
	}
	return n
}

func sorted(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wrong returns an error about a place in a schema.
func wrong(at, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if at == "" {
		return err
	}
	return fmt.Errorf("%s: %w", excerpt.Of(strings.TrimPrefix(at, "/")), err)
}
