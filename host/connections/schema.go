package connections

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// Schema defines the connections of one kind. It is safe for concurrent use.
type Schema struct {
	kind   string
	raw    []byte
	schema *jsonschema.Schema
}

// NewSchema compiles the config_schema of a kind's module. It returns an error if the schema is not valid.
func NewSchema(kind string, configSchema json.RawMessage) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(configSchema))
	if err != nil {
		return nil, fmt.Errorf("the module's config_schema is not JSON: %w", err)
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(nothing{})
	const url = "mem:///connection"
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("the module's config_schema: %w", err)
	}
	s := &Schema{kind: kind, raw: configSchema}
	if s.schema, err = c.Compile(url); err != nil {
		return nil, fmt.Errorf("the module's config_schema: %w", err)
	}
	return s, nil
}

// nothing is a loader that loads nothing, so that a schema cannot refer to a file or a URL.
type nothing struct{}

// Load implements jsonschema.URLLoader.
func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s must not be loaded: a config_schema may refer only to itself", url)
}

// at returns the schema of the value at a path in a connection. It follows properties and items.
func (s *Schema) at(path []string) gjson.Result {
	v := gjson.ParseBytes(s.raw)
	for _, step := range path {
		next := v.Get("properties." + gjson.Escape(step))
		if _, err := strconv.Atoi(step); err == nil && !next.Exists() {
			next = v.Get("items")
		}
		v = next
	}
	return v
}

// fields returns the names of the fields that the value at a path may have, in the schema's order.
func (s *Schema) fields(path []string) (names []string) {
	s.at(path).Get("properties").ForEach(func(name, _ gjson.Result) bool {
		names = append(names, name.Str)
		return true
	})
	return names
}

// connection reads one entry of the list. Of an entry of another kind it reads only name and kind: its module validates the
// rest.
func (s *Schema) connection(n ast.Node) (host.Config, error) {
	var c host.Config
	given, err := members(n)
	if err != nil {
		return c, err
	}
	e := entry{schema: s, node: n, nodes: map[string]ast.Node{}, keys: map[string]ast.Node{}}
	for _, m := range given {
		if text, ok := m.value.(*ast.StringNode); ok && m.name == "name" {
			e.name = text.Value
		}
	}
	if other, err := s.otherKind(given); err != nil || other != nil {
		if err == nil {
			c = *other
		}
		return c, err
	}
	v, err := e.value(n, nil)
	if err != nil {
		return c, err
	}
	if err := e.validate(v); err != nil {
		return c, err
	}
	if err := e.checkKnown(given, reflect.TypeFor[host.Config](), ""); err != nil {
		return c, err
	}
	if err := yaml.NodeToValue(n, &c, yaml.Strict(), yaml.CustomUnmarshaler(seconds)); err != nil {
		return c, at(n, "connection%s cannot be read: check the types of its fields", named(e.name)) // the library's text may contain a value
	}
	if !c.AllowPrivateNetwork && thisMachine(c.BaseURL) {
		return c, at(e.nodes["base_url"], "base_url is an address of this machine: if that is intended, write allow_private_network: true, as wasm-runner simulate does")
	}
	return c, nil
}

// otherKind returns the name and kind of a connection that is not of the module's kind. For a connection of that kind, or
// without a kind, it returns nil.
func (s *Schema) otherKind(given []member) (*host.Config, error) {
	c := &host.Config{}
	for _, m := range given {
		switch m.name {
		case "name":
			if text, ok := m.value.(*ast.StringNode); ok && namePattern.MatchString(text.Value) {
				c.Name = text.Value
			}
		case "kind":
			if text, ok := m.value.(*ast.StringNode); ok {
				c.Kind = text.Value
			}
		}
	}
	if c.Kind == "" || c.Kind == s.kind || c.Name == "" {
		return nil, nil
	}
	for _, m := range given {
		switch {
		case m.name == "kind" && !kindPattern.MatchString(c.Kind):
			return nil, at(m.value, "kind: only lower-case letters, digits and _ are allowed, at most 64, such as %s", s.kind)
		case isLiteral(m.name):
			return nil, at(m.key, "%s", s.unknownField(m.name, nil))
		}
	}
	return c, nil
}

// seconds reads a duration from a number of whole seconds.
func seconds(d *time.Duration, text []byte) error {
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	*d = time.Duration(n) * time.Second
	return err
}

// entry is a connection that is being read.
type entry struct {
	schema *Schema
	name   string
	node   ast.Node
	nodes  map[string]ast.Node // values by path
	keys   map[string]ast.Node // names of fields by path
}

// value returns a node as JSON and records the position of each part. A node without a JSON equivalent, or with more than one
// meaning, is an error.
func (e *entry) value(n ast.Node, path []string) (any, error) {
	e.nodes[strings.Join(path, "/")] = n
	switch n := n.(type) {
	case *ast.NullNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.StringNode:
		if strings.TrimSpace(n.Value) == "" {
			return nil, e.wrong(path, "is empty: write a value, or leave the field out")
		}
		if strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, e.wrong(path, "contains a control character: remove it")
		}
		return n.Value, nil
	case *ast.IntegerNode:
		return json.Number(fmt.Sprint(n.Value)), nil
	case *ast.FloatNode:
		if e.schema.at(path).Get("type").Str == "integer" { // JSON accepts 1000.0 as an integer; the host does not
			return nil, e.wrong(path, "want %s, found a number", e.expected(path))
		}
		return json.Number(strconv.FormatFloat(n.Value, 'g', -1, 64)), nil
	case *ast.SequenceNode:
		if len(n.Values) == 0 {
			return nil, e.wrong(path, "the list is empty: leave the field out")
		}
		list := make([]any, len(n.Values))
		for i, item := range n.Values {
			var err error
			if list[i], err = e.value(item, append(slices.Clone(path), strconv.Itoa(i))); err != nil {
				return nil, err
			}
		}
		return list, nil
	case *ast.MappingNode, *ast.MappingValueNode:
		given, err := members(n)
		if err != nil {
			return nil, err
		}
		fields := make(map[string]any, len(given))
		for _, m := range given {
			to := append(slices.Clone(path), m.name)
			e.keys[strings.Join(to, "/")] = m.key
			if !slices.Contains(e.schema.fields(path), m.name) && e.schema.at(path).Get("additionalProperties").Raw == "false" {
				fields[m.name] = nil // refused by validate, whatever its value is
				continue
			}
			if fields[m.name], err = e.value(m.value, to); err != nil {
				return nil, err
			}
		}
		return fields, nil
	}
	return nil, e.wrong(path, "want %s, found %s%s", e.expected(path), kindOf(n), quoteHint(n))
}

// validate checks a value against the schema. It returns the first error in the order of the file. A missing field is
// reported only if nothing else is wrong.
func (e *entry) validate(v any) error {
	err := e.schema.schema.Validate(v)
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return at(e.node, "connection%s does not fit the module's config_schema", named(e.name))
	}
	var all []*Error
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		if len(v.Causes) == 0 || isCombination(v) {
			all = append(all, e.explain(v)...)
			return
		}
		for _, cause := range v.Causes {
			walk(cause)
		}
	}
	walk(invalid)
	slices.SortStableFunc(all, func(a, b *Error) int {
		if a.last != b.last {
			return map[bool]int{true: 1, false: -1}[a.last]
		}
		return a.Line*1000 + a.column - b.Line*1000 - b.column
	})
	return all[0]
}

// isCombination reports whether a violation concerns the combination of fields.
func isCombination(v *jsonschema.ValidationError) bool {
	switch v.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf, *kind.Not, *kind.DependentRequired:
		return true
	}
	return false
}

// explain returns what is wrong with a value. It never contains the value, which could be a secret.
func (e *entry) explain(v *jsonschema.ValidationError) []*Error {
	path := v.InstanceLocation
	one := func(format string, args ...any) []*Error { return []*Error{e.wrong(path, format, args...)} }
	switch k := v.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		var all []*Error
		for _, name := range k.Properties {
			all = append(all, e.unknown(path, name))
		}
		return all
	case *kind.Required:
		missing := slices.DeleteFunc(e.schema.fields(path), func(f string) bool { return !slices.Contains(k.Missing, f) })
		if len(missing) == 0 {
			missing = k.Missing
		}
		return []*Error{e.missing(path, missing[0])}
	case *kind.Type:
		n := e.nodes[strings.Join(path, "/")]
		return one("want %s, found %s%s", e.expected(path), kindOf(n), quoteHint(n))
	case *kind.Minimum, *kind.Maximum, *kind.ExclusiveMinimum, *kind.ExclusiveMaximum:
		return one("want %s", e.expected(path))
	case *kind.Const:
		n := e.nodes[strings.Join(path, "/")]
		if _, text := n.(*ast.StringNode); !text {
			return one("want %s, found %s%s", e.expected(path), kindOf(n), quoteHint(n))
		}
		return one("want %v", k.Want)
	case *kind.UniqueItems:
		first := e.nodes[strings.Join(append(slices.Clone(path), strconv.Itoa(k.Duplicates[0])), "/")]
		if text, ok := first.(*ast.StringNode); ok {
			return one("%s is listed twice: remove one", shown(text.Value))
		}
		return one("an element is listed twice: remove one")
	case *kind.Enum:
		return []*Error{e.notInEnum(path, k)}
	case *kind.Pattern:
		return one("%s", e.pattern(path))
	case *kind.MinLength:
		return one("want at least %d characters", k.Want)
	case *kind.MaxLength:
		return one("want at most %d characters", k.Want)
	}
	if isCombination(v) {
		says := e.schema.at(path).Get("description").Str
		if says == "" {
			says = "its combination of fields is not allowed by the module's config_schema"
		}
		return one("%s", says)
	}
	return one("%s", describedBy("it does not fit the module's config_schema", e.schema.at(path)))
}

// wrong returns an error about the value at a path.
func (e *entry) wrong(path []string, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	where := slices.DeleteFunc(slices.Clone(path), func(step string) bool { _, err := strconv.Atoi(step); return err == nil })
	for i := len(where) - 1; i >= 0; i-- {
		text = shown(where[i]) + ": " + text
	}
	if len(where) == 0 {
		text = "connection" + named(e.name) + ": " + text
	}
	return locate(e.nodes[strings.Join(path, "/")], text)
}

// unknown returns an error about a field that the schema does not have.
func (e *entry) unknown(path []string, name string) *Error {
	key := e.keys[strings.Join(append(slices.Clone(path), name), "/")]
	names := e.schema.fields(path)
	if len(path) == 0 {
		return locate(key, e.schema.unknownField(name, names))
	}
	within := path[len(path)-1]
	return locate(key, fmt.Sprintf("%s: unknown %s %s: there are %s%s", shown(within), strings.TrimSuffix(shown(within), "s"), shown(name), strings.Join(names, ", "), didYouMean(name, names)))
}

// missing returns an error about a required field that is missing.
func (e *entry) missing(path []string, field string) *Error {
	write := e.schema.at(append(slices.Clone(path), field)).Get("description").Str
	switch {
	case write != "":
	case field == "name":
		write = "a name of your choice, such as " + e.schema.kind + "-prod"
	case field == "kind":
		write = "kind: " + e.schema.kind
	default:
		write = "it below the other fields"
	}
	var found *Error
	if len(path) == 0 {
		found = locate(e.node, fmt.Sprintf("connection%s has no %s: write %s", named(e.name), field, write))
	} else {
		found = e.wrong(path, "has no %s: write %s", field, write)
	}
	found.last = true
	return found
}

// notInEnum returns an error about a value that is not one of the allowed ones.
func (e *entry) notInEnum(path []string, k *kind.Enum) *Error {
	var names []string
	for _, v := range k.Want {
		names = append(names, fmt.Sprint(v))
	}
	given, _ := k.Got.(string)
	field := path[len(path)-1]
	if _, err := strconv.Atoi(field); err == nil && len(path) > 1 {
		field = path[len(path)-2]
	}
	switch {
	case given == "":
		return e.wrong(path, "want one of %s", strings.Join(names, ", "))
	case field == "approve" && given == string(abi.Read):
		return e.wrong(path, "read needs no approval, since it changes nothing: remove it")
	case field == "approve" || field == "grants":
		return e.wrong(path, "no class %s: there are %s%s", shown(given), strings.Join(names, ", "), didYouMean(given, names))
	}
	return e.wrong(path, "no %s: there are %s%s", shown(given), strings.Join(names, ", "), didYouMean(given, names))
}

// pattern returns what is wrong with a text that does not match the schema's pattern.
func (e *entry) pattern(path []string) string {
	field := path[len(path)-1]
	text, _ := e.nodes[strings.Join(path, "/")].(*ast.StringNode)
	switch {
	case field == "name":
		return "only letters, digits and -_. are allowed, at most 64, and the first must be a letter or digit"
	case strings.HasSuffix(field, "_ref") && text != nil && referencePattern.MatchString(text.Value):
		scheme, _, _ := strings.Cut(text.Value, ":")
		return describedBy("unknown kind of reference "+shown(scheme), e.schema.at(path))
	case strings.HasSuffix(field, "_ref"):
		return "not a reference (is it the token itself?): put the token into the environment or a file, and write env:NAME or file:PATH"
	}
	return describedBy("the value does not match the pattern of the module's config_schema", e.schema.at(path))
}

// describedBy appends the description of a schema to a text.
func describedBy(text string, schema gjson.Result) string {
	if d := schema.Get("description").Str; d != "" {
		return text + ": write " + d
	}
	return text
}

// expected returns in words which values the schema allows at a path.
func (e *entry) expected(path []string) string {
	s := e.schema.at(path)
	from, to := s.Get("minimum"), s.Get("maximum")
	switch s.Get("type").Str {
	case "string":
		return "text"
	case "boolean":
		return "true or false"
	case "object":
		return "fields (name: value)"
	case "array":
		if items := s.Get("items.enum").Array(); len(items) > 1 {
			return "a list such as [" + items[0].String() + ", " + items[1].String() + "]"
		}
		return "a list"
	case "integer":
		if n, ok := e.nodes[strings.Join(path, "/")].(*ast.IntegerNode); ok && n != nil && from.Exists() && to.Exists() {
			return "a whole number from " + from.Raw + " to " + to.Raw
		}
		return "a whole number"
	case "number":
		text := "a number"
		if over := s.Get("exclusiveMinimum"); over.Exists() {
			text += " over " + over.Raw
		} else if from.Exists() {
			text += " of at least " + from.Raw
		}
		if to.Exists() {
			text += " and at most " + to.Raw
		}
		if example := s.Get("default"); example.Exists() {
			text += ", such as " + example.Raw
		}
		return text
	}
	if s.Get("const").Exists() {
		return "text"
	}
	return "another value"
}

// checkKnown returns an error for a field that the module's schema allows and this host does not have: nothing would enforce
// it.
func (e *entry) checkKnown(given []member, t reflect.Type, within string) error {
	for _, m := range given {
		i := slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			return name == m.name
		})
		if i < 0 {
			return at(m.key, "%sfield %s: the module allows it, but this host does not support it: use a newer host, or leave it out", within, shown(m.name))
		}
		if f := t.Field(i); f.Type.Kind() == reflect.Struct {
			inner, err := members(m.value)
			if err != nil {
				return err
			}
			if err := e.checkKnown(inner, f.Type, m.name+": "); err != nil {
				return err
			}
		}
	}
	return nil
}
