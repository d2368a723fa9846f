// Package manifest reads a module's manifest.
package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/guard"
	"github.com/mach5/okta-connector/host/internal/input"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/strictjson"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Manifest is a module's manifest and what the host derives from it. It is not changed after Read.
type Manifest struct {
	*abi.Manifest
	Raw         []byte   // as the module has it
	TimeLayouts []string // layouts for package time, in addition to RFC 3339
	byName      map[string]*Operation
	config      *input.Schema // JSON Schema of a connection
}

// Operation is an operation of a manifest.
type Operation struct {
	*abi.Operation
	Granted map[string]*abi.Endpoint // its endpoints by template
	Input   *input.Schema
}

// Read reads and checks the manifest in a module. minor0 completes manifests of minor version 0; see abi.ParseManifest.
func Read(bin *wasmbin.Module, minor0 json.RawMessage) (*Manifest, error) {
	raw, err := section(bin)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Raw: bytes.Clone(raw), byName: map[string]*Operation{}}
	if m.Manifest, err = abi.ParseManifest(m.Raw, minor0); err != nil {
		return nil, err
	}
	m.ConfigSchema = WithNetwork(m.ConfigSchema)
	m.config = input.New("config_schema", m.ConfigSchema, nil)
	if err := m.config.Compile(); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := m.Missing(abi.Features()); err != nil {
		return nil, err
	}
	if err := guard.Known(m.Manifest); err != nil {
		return nil, err
	}
	if a := m.Account; a != nil && (!records.PlainPath(a.ID) || a.Name != "" && !records.PlainPath(a.Name)) {
		return nil, fmt.Errorf("manifest: account: its id and name are object keys joined by dots, not %q and %q", a.ID, a.Name)
	}
	for _, t := range m.Manifest.TimeLayouts {
		layout, err := abi.TimeLayout(t)
		if err != nil {
			return nil, fmt.Errorf("manifest: time_layouts: %w", err)
		}
		m.TimeLayouts = append(m.TimeLayouts, layout)
	}
	for i := range m.Operations {
		op := &Operation{Operation: &m.Operations[i], Granted: map[string]*abi.Endpoint{}}
		for j := range op.Endpoints {
			op.Granted[op.Endpoints[j].Endpoint] = &op.Endpoints[j]
		}
		if op.On(abi.Ingest) && op.Key == "" && m.Minor > 0 { // without one, no host could know a repeated record
			return nil, fmt.Errorf("manifest: operation %q is on the ingest surface and has no key: declare the path of what identifies a record", op.Name)
		}
		for _, path := range paths(op.Operation) {
			if !records.PlainPath(path) {
				return nil, fmt.Errorf("manifest: operation %q: path %q is not object keys joined by dots", op.Name, path)
			}
		}
		op.Input = input.New(op.Name, op.InputSchema, func(field string) string { return m.sibling(op.Operation, field) })
		m.byName[op.Name] = op
	}
	return m, nil
}

// section returns the bytes of the manifest in a module.
func section(bin *wasmbin.Module) ([]byte, error) {
	sections := bin.Section(abi.ManifestSection)
	if len(sections) != 1 {
		return nil, fmt.Errorf("%d custom sections %q, want one: pack the module with go run ./build", len(sections), abi.ManifestSection)
	}
	raw := sections[0].Data
	if len(raw) > abi.MaxManifestSize {
		return nil, fmt.Errorf("a manifest of %d bytes, at most %d are taken", len(raw), abi.MaxManifestSize)
	}
	return raw, nil
}

var kind = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)

// Kind returns the kind in a module's manifest, and checks nothing else of it.
func Kind(bin *wasmbin.Module) (string, error) {
	raw, err := section(bin)
	if err != nil {
		return "", err
	}
	k := gjson.GetBytes(raw, "kind")
	if !gjson.ValidBytes(raw) || k.Type != gjson.String || !kind.MatchString(k.Str) {
		return "", errors.New("manifest: it is not JSON with a kind of lower-case letters, digits and _")
	}
	return k.Str, nil
}

// ErrorCode returns the path of the code in the service's errors, "" if the manifest does not say.
func (m *Manifest) ErrorCode() string {
	if m.RateLimitErrors == nil {
		return ""
	}
	return m.RateLimitErrors.Code
}

// sibling returns another read of the same kind of object that takes a field, "" for none. The kind of object is what
// follows the verb of an operation's name: list_users, search_users. A write has none: another one may do the opposite.
func (m *Manifest) sibling(of *abi.Operation, field string) string {
	if of.Class != abi.Read {
		return ""
	}
	_, noun, _ := strings.Cut(of.Name, "_")
	for i := range m.Operations {
		op := &m.Operations[i]
		_, its, _ := strings.Cut(op.Name, "_")
		if op.Name != of.Name && its == noun && op.Class == of.Class && gjson.GetBytes(op.InputSchema, "properties."+gjson.Escape(field)).Exists() {
			return op.Name
		}
	}
	return ""
}

// paths lists the record paths that an operation declares; an empty path is the record itself.
func paths(op *abi.Operation) []string {
	var all []string
	for _, c := range op.Columns {
		if c.Path != "" {
			all = append(all, c.Path)
		}
		all = append(all, c.Or...)
	}
	if op.Key != "" {
		all = append(all, op.Key)
	}
	for _, e := range op.Endpoints {
		all = append(all, e.Sensitive...)
		for _, g := range e.Guards {
			if g.Path != "" {
				all = append(all, g.Path)
			}
		}
	}
	return all
}

// Find returns the operation of a name, with or without its kind. If there is none, hint says what to do.
func (m *Manifest) Find(name string) (op *Operation, hint string) {
	short := strings.TrimPrefix(name, m.Kind+".")
	if op := m.byName[short]; op != nil {
		return op, ""
	}
	names := make([]string, 0, len(m.byName))
	for i := range m.Operations {
		names = append(names, m.Operations[i].Name)
	}
	hint = "wasm-runner describe lists them"
	if near := nearest.Of(short, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, hint
}

// InputClass returns the class of the operation with an input.
func (op *Operation) InputClass(fields map[string]any) abi.Class {
	return byRules(op.ClassRules, fields, op.Class)
}

// byRules returns the class of the first rule that fits, else the given one.
func byRules(rules []abi.ClassRule, fields map[string]any, otherwise abi.Class) abi.Class {
	for _, r := range rules {
		if v, present := fields[r.Field]; present && (r.Equals == "" || equals(v, r.Equals)) {
			return r.Class
		}
	}
	return otherwise
}

// equals compares a value with the text of a rule. Objects and arrays equal nothing.
func equals(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case bool:
		return strconv.FormatBool(v) == text
	case json.Number:
		a, errA := v.Float64()
		b, errB := strconv.ParseFloat(text, 64)
		return v.String() == text || errA == nil && errB == nil && a == b
	}
	return false
}

// RequestClass returns the class of a request to an endpoint of the operation.
func (op *Operation) RequestClass(e *abi.Endpoint, body json.RawMessage) (abi.Class, error) {
	class := op.ClassOf(*e)
	if len(e.ClassRules) == 0 || len(body) == 0 || e.Method() == http.MethodGet {
		return class, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("the body for %q is not JSON", e.Endpoint)
	}
	members, ok := doc.(map[string]any)
	if !ok {
		return "", fmt.Errorf("the body for %q is no object, and its class depends on what is in it", e.Endpoint)
	}
	if key, twice := strictjson.DuplicateKey(body); twice {
		return "", fmt.Errorf("the body for %q has %q twice, and its class depends on what is in it", e.Endpoint, excerpt.Of(key))
	}
	for _, r := range e.ClassRules {
		for name := range members { // a server may read names more loosely than a rule does
			if name != r.Field && strings.EqualFold(name, r.Field) {
				return "", fmt.Errorf("the body for %q spells %s as %q", e.Endpoint, r.Field, excerpt.Of(name))
			}
		}
	}
	return byRules(e.ClassRules, members, class), nil
}

// Column returns a column by name.
func (op *Operation) Column(name string) (abi.Column, error) {
	var names []string
	for _, c := range op.Columns {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	hint := "there are " + strings.Join(names, ", ")
	if near := nearest.Of(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return abi.Column{}, fmt.Errorf("%s has no column %q: %s", op.Name, excerpt.Of(name), hint)
}

// NotOn says that an operation cannot be used on a surface, and where it can be.
func (op *Operation) NotOn(surface abi.Surface) string {
	ways := map[abi.Surface]string{abi.Axon: "invoke", abi.Ingest: "source", abi.SQL: "table"}
	var use []string
	for _, s := range []abi.Surface{abi.SQL, abi.Axon, abi.Ingest} {
		if op.On(s) {
			use = append(use, ways[s])
		}
	}
	return fmt.Sprintf("%s is not on the %s surface: use %s", op.Name, surface, strings.Join(use, " or "))
}

// ParseTime parses a time of the module's service and returns it in UTC. It accepts RFC 3339 and the manifest's layouts.
func (m *Manifest) ParseTime(text string) (t time.Time, ok bool) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), true
	}
	for _, layout := range m.TimeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
