package connections

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
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
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/manifest"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/schema"
)

// Schema defines the connections of one kind. It is safe for concurrent use.
type Schema struct {
	kind      string
	raw       []byte
	schema    *schema.Schema
	addresses *abi.BaseURL
}

// NewSchema compiles the config_schema of a module's manifest, with the fields that connections of every kind have. It
// returns an error if the schema is not valid. The manifest also says which base_url the module's service can have.
func NewSchema(m *abi.Manifest) (*Schema, error) {
	configSchema := manifest.WithNetwork(m.ConfigSchema)
	compiled, err := schema.Compile(configSchema)
	if err != nil {
		return nil, fmt.Errorf("the module's config_schema: %w", err)
	}
	return &Schema{kind: m.Kind, raw: configSchema, schema: compiled, addresses: m.BaseURL}, nil
}

// Kind returns the kind of the connections.
func (s *Schema) Kind() string { return s.kind }

// at returns the schema of the value at a path in a connection. It follows properties, items and $ref.
func (s *Schema) at(path []string) gjson.Result {
	v := s.resolved(gjson.ParseBytes(s.raw))
	for _, step := range path {
		next := v.Get("properties." + gjson.Escape(step))
		if _, err := strconv.Atoi(step); err == nil && !next.Exists() {
			next = v.Get("items")
		}
		v = s.resolved(next)
	}
	return v
}

// resolved returns a schema with the members of the one that it refers to. Its own members take precedence. A schema of the
// subset cannot refer to itself.
func (s *Schema) resolved(v gjson.Result) gjson.Result {
	for v.Get("$ref").Exists() {
		all := map[string]json.RawMessage{}
		add := func(name, member gjson.Result) bool { all[name.Str] = json.RawMessage(member.Raw); return true }
		gjson.GetBytes(s.raw, "$defs."+gjson.Escape(strings.TrimPrefix(v.Get("$ref").Str, "#/$defs/"))).ForEach(add)
		referred := all["$ref"]
		v.ForEach(add)
		if delete(all, "$ref"); referred != nil {
			all["$ref"] = referred
		}
		b, _ := json.Marshal(all) // members of a schema that was parsed
		v = gjson.ParseBytes(b)
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

// connection reads one entry of the list. It returns all faults of the entry, and the name even of an entry with faults. Of an
// entry of another kind it reads only name and kind: its module validates the rest.
func (s *Schema) connection(n ast.Node) (c host.Config, name string, faults []*Error) {
	given, unreadable := members(n)
	if len(given) == 0 && len(unreadable) > 0 {
		return c, "", unreadable
	}
	e := entry{schema: s, node: n, nodes: map[string]ast.Node{}, keys: map[string]ast.Node{}, faulty: map[string]bool{}}
	for _, m := range given {
		if text, ok := m.value.(*ast.StringNode); ok && m.name == "name" {
			e.name = text.Value
		}
	}
	if other, fault := s.otherKind(given); fault != nil || other != nil {
		if fault != nil {
			return c, e.name, append(unreadable, fault)
		}
		return *other, e.name, unreadable
	}
	v := e.value(n, nil) // reports what members found
	e.validate(v)
	e.checkKnown(given, reflect.TypeFor[host.Config](), nil)
	e.checkAddress()
	e.checkSignIn(given)
	e.checkProxy()
	e.checkReferences()
	if faults = distinct(e.faults); len(faults) > 0 {
		return c, e.name, faults
	}
	if err := yaml.NodeToValue(n, &c, yaml.Strict(), yaml.CustomUnmarshaler(seconds)); err != nil {
		faults = []*Error{at(n, "connection%s cannot be read: check the types of its fields", named(e.name))} // the library's text may contain a value
	}
	return c, e.name, faults
}

// checkAddress reports a base_url to which the host would not connect.
func (e *entry) checkAddress() {
	address, ok := e.nodes["base_url"].(*ast.StringNode)
	if !ok {
		return
	}
	if _, err := egress.ParseBaseURL(address.Value, e.schema.addresses); err != nil {
		e.wrong([]string{"base_url"}, "%s", err)
		return
	}
	allowed, _ := e.nodes["allow_private_network"].(*ast.BoolNode)
	if (allowed == nil || !allowed.Value) && thisMachine(address.Value) {
		e.report(at(address, "base_url is an address of this machine: if that is intended, write allow_private_network: true, as wasm-runner simulate does"))
	}
}

// checkProxy reports a proxy through which the host would not connect.
func (e *entry) checkProxy() {
	address, ok := e.nodes["proxy"].(*ast.StringNode)
	if ref := e.nodes[proxyCredentials]; ref != nil && e.nodes["proxy"] == nil && e.keys[proxyCredentials] != nil {
		e.report(at(e.keys[proxyCredentials], "%s: there is no proxy: write proxy, too, or leave it out", proxyCredentials))
	}
	if ok && !e.faulty["proxy"] {
		if err := network.CheckProxy(address.Value); err != nil {
			e.wrong([]string{"proxy"}, "%s", err)
		}
	}
}

// checkReferences reports references whose command cannot be read.
func (e *entry) checkReferences() {
	for path, n := range e.nodes {
		text, ok := n.(*ast.StringNode)
		if !ok || !strings.HasSuffix(path, "_ref") || e.faulty[path] {
			continue
		}
		if _, _, err := secrets.Command(text.Value); err != nil {
			e.wrong(strings.Split(path, "/"), "%s", err)
		}
	}
}

// distinct returns the faults of an entry in the order of the file, with missing fields last. It leaves out those that follow
// from others: a second fault of one value, and a missing field that is probably misspelt.
func distinct(faults []*Error) (kept []*Error) {
	slices.SortStableFunc(faults, func(a, b *Error) int {
		if (a.missing == "") != (b.missing == "") {
			return map[bool]int{true: -1, false: 1}[a.missing == ""]
		}
		return cmp.Or(a.Line-b.Line, a.column-b.column)
	})
	for _, f := range faults {
		follows := slices.ContainsFunc(kept, func(k *Error) bool {
			return f.missing == "" && k.missing == "" && f.Line == k.Line && f.column == k.column
		}) || slices.ContainsFunc(faults, func(g *Error) bool { return f.missing != "" && f.missing == g.meant })
		if !follows {
			kept = append(kept, f)
		}
	}
	return kept
}

// otherKind returns the name and kind of a connection that is not of the module's kind. For a connection of that kind, or
// without a kind, it returns nil.
func (s *Schema) otherKind(given []member) (*host.Config, *Error) {
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

// maxSeconds is the longest duration, in seconds.
const maxSeconds = math.MaxInt32

// seconds reads a duration from a number of whole seconds, at most maxSeconds.
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
	faults []*Error
	faulty map[string]bool // paths of values with faults
}

// report adds a fault.
func (e *entry) report(fault *Error) { e.faults = append(e.faults, fault) }

// value returns a node as JSON and records the position of each part. It reports a node without a JSON equivalent, or with more
// than one meaning, and returns nil for it.
func (e *entry) value(n ast.Node, path []string) any {
	e.nodes[strings.Join(path, "/")] = n
	switch n := n.(type) {
	case *ast.NullNode:
		return nil
	case *ast.BoolNode:
		return n.Value
	case *ast.StringNode:
		switch {
		case strings.TrimSpace(n.Value) == "":
			e.wrong(path, "is empty: write a value, or leave the field out")
		case strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			e.wrong(path, "contains a control character: remove it")
		}
		return n.Value
	case *ast.IntegerNode:
		return json.Number(fmt.Sprint(n.Value))
	case *ast.FloatNode:
		if e.schema.at(path).Get("type").Str == "integer" { // JSON accepts 1000.0 as an integer; the host does not
			e.wrong(path, "want %s, found a number%s", e.expected(path), e.hint(path))
		}
		return json.Number(strconv.FormatFloat(n.Value, 'g', -1, 64))
	case *ast.SequenceNode:
		if len(n.Values) == 0 {
			e.wrong(path, "the list is empty: leave the field out")
		}
		list := make([]any, len(n.Values))
		for i, item := range n.Values {
			list[i] = e.value(item, append(slices.Clone(path), strconv.Itoa(i)))
		}
		return list
	case *ast.MappingNode, *ast.MappingValueNode:
		given, faults := members(n)
		e.faults = append(e.faults, faults...)
		fields := make(map[string]any, len(given))
		for _, m := range given {
			to := append(slices.Clone(path), m.name)
			e.keys[strings.Join(to, "/")] = m.key
			if !slices.Contains(e.schema.fields(path), m.name) && e.schema.at(path).Get("additionalProperties").Raw == "false" {
				fields[m.name] = nil // refused by validate, whatever its value is
				continue
			}
			fields[m.name] = e.value(m.value, to)
		}
		return fields
	}
	if _, block := n.(*ast.LiteralNode); block && len(path) > 0 && strings.HasSuffix(path[len(path)-1], "_ref") {
		e.wrong(path, "%s", notReference(path[len(path)-1]))
		return nil
	}
	e.wrong(path, "want %s, found %s%s", e.expected(path), kindOf(n), quoteHint(n))
	return nil
}

// validate checks a value against the schema and reports each violation. What concerns a combination of fields is reported only
// if each field is correct.
func (e *entry) validate(v any) {
	err := e.schema.schema.Validate(v)
	if err == nil {
		return
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		e.report(at(e.node, "connection%s does not fit the module's config_schema", named(e.name)))
		return
	}
	var combined []*jsonschema.ValidationError
	var walk func(*jsonschema.ValidationError)
	walk = func(v *jsonschema.ValidationError) {
		switch {
		case isCombination(v):
			combined = append(combined, v)
		case len(v.Causes) == 0:
			e.explain(v)
		}
		if !isCombination(v) {
			for _, cause := range v.Causes {
				walk(cause)
			}
		}
	}
	walk(invalid)
	if len(e.faults) > 0 {
		return
	}
	for _, v := range combined {
		e.explain(v)
	}
}

// isCombination reports whether a violation concerns the combination of fields.
func isCombination(v *jsonschema.ValidationError) bool {
	switch v.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf, *kind.Not, *kind.DependentRequired:
		return true
	}
	return false
}

// explain reports what is wrong with a value. It never repeats a text, which could be a secret.
func (e *entry) explain(v *jsonschema.ValidationError) {
	path := v.InstanceLocation
	one := func(format string, args ...any) { e.wrong(path, format, args...) }
	switch k := v.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			e.unknown(path, name)
		}
	case *kind.Required:
		missing := slices.DeleteFunc(e.schema.fields(path), func(f string) bool { return !slices.Contains(k.Missing, f) })
		if len(missing) == 0 {
			missing = k.Missing
		}
		for _, field := range missing {
			e.missing(path, field)
		}
	case *kind.Type:
		n := e.nodes[strings.Join(path, "/")]
		one("want %s, found %s%s", e.expected(path), kindOf(n), cmp.Or(e.hint(path), quoteHint(n)))
	case *kind.Minimum, *kind.Maximum, *kind.ExclusiveMinimum, *kind.ExclusiveMaximum:
		one("want %s%s", e.expected(path), e.hint(path))
	case *kind.Const:
		n := e.nodes[strings.Join(path, "/")]
		if _, text := n.(*ast.StringNode); !text {
			one("want %s, found %s%s", e.expected(path), kindOf(n), quoteHint(n))
			return
		}
		one("want %v", k.Want)
	case *kind.UniqueItems:
		first := e.nodes[strings.Join(append(slices.Clone(path), strconv.Itoa(k.Duplicates[0])), "/")]
		if text, ok := first.(*ast.StringNode); ok {
			one("%s is listed twice: remove one", shown(text.Value))
			return
		}
		one("an element is listed twice: remove one")
	case *kind.Enum:
		e.notInEnum(path, k)
	case *kind.Pattern:
		one("%s", e.pattern(path))
	case *kind.MinLength:
		one("want at least %d characters", k.Want)
	case *kind.MaxLength:
		one("want at most %d characters", k.Want)
	default:
		says := e.schema.at(path).Get("description").Str
		switch {
		case !isCombination(v):
			one("%s", describedBy("it does not fit the module's config_schema", e.schema.at(path)))
		case says == "":
			one("its combination of fields is not allowed by the module's config_schema")
		default:
			one("%s", says)
		}
	}
}

// wrong reports a fault of the value at a path.
func (e *entry) wrong(path []string, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	where := slices.DeleteFunc(slices.Clone(path), func(step string) bool { _, err := strconv.Atoi(step); return err == nil })
	for i := len(where) - 1; i >= 0; i-- {
		text = shown(where[i]) + ": " + text
	}
	if len(where) == 0 {
		text = "connection" + named(e.name) + ": " + text
	}
	fault := at(e.nodes[strings.Join(path, "/")], "%s", text)
	e.report(fault)
	e.faulty[strings.Join(path, "/")] = true
	return fault
}

// unknown reports a field that the schema does not have.
func (e *entry) unknown(path []string, name string) {
	key := e.keys[strings.Join(append(slices.Clone(path), name), "/")]
	names := e.schema.fields(path)
	if len(path) == 0 {
		fault := at(key, "%s", e.schema.unknownField(name, names))
		fault.meant = nearest.Of(plain(name), names)
		if isLiteral(name) || slices.Contains(oauthNames, plain(name)) {
			fault.meant = "token_secret_ref"
		}
		e.report(fault)
		return
	}
	within := path[len(path)-1]
	if text := e.schema.unknownOAuth(name, within); within == "oauth" && text != "" {
		fault := at(key, "oauth: %s", text)
		if strings.HasPrefix(plain(name), "private_key") || isLiteral(name) {
			fault.meant = "private_key_ref"
		}
		e.report(fault)
		return
	} else if within == "oauth" {
		e.report(at(key, "oauth: unknown field %s: there are %s%s", shown(name), strings.Join(names, ", "), didYouMean(name, names)))
		return
	}
	e.report(at(key, "%s: unknown %s %s: there are %s%s", shown(within), strings.TrimSuffix(shown(within), "s"), shown(name), strings.Join(names, ", "), didYouMean(name, names)))
}

// missing reports a required field that is missing.
func (e *entry) missing(path []string, field string) {
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
	if len(path) > 0 {
		e.wrong(path, "has no %s: write %s", field, write).missing = field
		return
	}
	fault := at(e.node, "connection%s has no %s: write %s", named(e.name), field, write)
	fault.missing = field
	e.report(fault)
}

// notInEnum reports a value that is not one of the allowed ones.
func (e *entry) notInEnum(path []string, k *kind.Enum) {
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
		e.wrong(path, "want one of %s%s", strings.Join(names, ", "), quotedHint(e.nodes[strings.Join(path, "/")], names))
	case field == "approve" && given == string(abi.Read):
		e.wrong(path, "read needs no approval, since it changes nothing: remove it")
	case field == "approve" || field == "grants":
		e.wrong(path, "no class %s: there are %s%s", shown(given), strings.Join(names, ", "), didYouMean(given, names))
	default:
		e.wrong(path, "no %s: there are %s%s", shown(given), strings.Join(names, ", "), didYouMean(given, names))
	}
}

// quotedHint returns what to write for a number that would be an allowed text in quotes, or "".
func quotedHint(n ast.Node, allowed []string) string {
	if n == nil || n.GetToken() == nil || !slices.Contains(allowed, n.GetToken().Value) {
		return ""
	}
	return fmt.Sprintf(": write %q, in quotes", n.GetToken().Value)
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
		return notReference(field)
	}
	return describedBy("the value does not match the pattern of the module's config_schema", e.schema.at(path))
}

// describedBy appends the description of a schema to a text.
func describedBy(text string, of gjson.Result) string {
	if d := of.Get("description").Str; d != "" {
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

// checkKnown reports a field that the module's schema allows and this host does not have, since nothing would enforce it, and
// a value that does not fit the field's type, since the schema may allow more than the type.
func (e *entry) checkKnown(given []member, t reflect.Type, path []string) {
	for _, m := range given {
		to := append(slices.Clone(path), m.name)
		i := slices.IndexFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			return name == m.name
		})
		switch {
		case e.faulty[strings.Join(to, "/")]:
		case i < 0:
			e.report(at(m.key, "%sfield %s: the module allows it, but this host does not support it: use a newer host, or leave it out",
				strings.Join(append(path, ""), ": "), shown(m.name)))
		default:
			e.checkType(m.value, t.Field(i).Type, to)
		}
	}
}

// checkType reports a value that does not fit the type of its field.
func (e *entry) checkType(n ast.Node, t reflect.Type, path []string) {
	want, fits := "", false
	switch t.Kind() {
	case reflect.Struct:
		_, many := n.(*ast.MappingNode)
		_, one := n.(*ast.MappingValueNode)
		if want, fits = "fields (name: value)", many || one; fits {
			inner, _ := members(n) // value has reported what is no field
			e.checkKnown(inner, t, path)
		}
	case reflect.Slice:
		var list *ast.SequenceNode
		if list, fits = n.(*ast.SequenceNode); fits {
			for i, item := range list.Values {
				e.checkType(item, t.Elem(), append(slices.Clone(path), strconv.Itoa(i)))
			}
		}
		want = "a list"
	case reflect.Int, reflect.Int64:
		most := int64(math.MaxInt64)
		if t == reflect.TypeFor[time.Duration]() {
			most = maxSeconds
		}
		var whole *ast.IntegerNode
		if whole, fits = n.(*ast.IntegerNode); fits {
			value, err := strconv.ParseInt(fmt.Sprint(whole.Value), 10, 64)
			if err != nil || value > most {
				e.wrong(path, "want a whole number of at most %d", most)
			}
		}
		want = "a whole number"
	case reflect.Float64:
		_, whole := n.(*ast.IntegerNode)
		_, part := n.(*ast.FloatNode)
		want, fits = "a number", whole || part
	case reflect.Bool:
		_, fits = n.(*ast.BoolNode)
		want = "true or false"
	default:
		_, fits = n.(*ast.StringNode)
		want = "text"
	}
	if !fits {
		e.wrong(path, "want %s, found %s%s", want, kindOf(n), quoteHint(n))
	}
}
