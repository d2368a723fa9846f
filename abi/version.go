//go:build !wasip1

package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/strictjson"
)

// ParseManifest parses and checks a manifest. An unknown member is ignored if the manifest is of a later minor
// version or the name starts with x-. Otherwise it is an error. A text that two readers could understand differently
// is an error in every version: see plain.
//
// older is a partial manifest, or nil. If it has the same kind, and the manifest is of minor version 0, it supplies
// the members that came with minor version 1. Members of its operations apply to the operations with the same name. Any
// other member of it is an error.
func ParseManifest(raw []byte, older json.RawMessage) (*Manifest, error) {
	m, err := decode(raw, true)
	if err != nil {
		if m, err = decode(raw, false); err != nil {
			if m.ABI != "" && m.ABI != Version {
				err = m.checkABI()
			}
			return nil, m.later(fmt.Errorf("manifest: %w", err))
		}
		if m.Minor <= Minor {
			if err := onlyX(raw); err != nil {
				return nil, fmt.Errorf("manifest: %w", err)
			}
		}
	}
	if err := plain(raw); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := m.Check(); err != nil {
		return nil, m.later(err)
	}
	if m.Minor == 0 && len(older) > 0 {
		if err := m.fill(older); err != nil {
			return nil, fmt.Errorf("manifest: the defaults for a module of minor version 0: %w", err)
		}
	}
	return m, nil
}

// later extends an error about a manifest of a later minor version by what to do.
func (m *Manifest) later(err error) error {
	if m.ABI != Version || m.Minor <= Minor {
		return err
	}
	return fmt.Errorf("%w. The module is of minor version %d, and this host of %d: use a newer host", err, m.Minor, Minor)
}

// Missing returns an error if the module requires features that a host does not have.
func (m *Manifest) Missing(have []string) error {
	var missing []string
	for _, f := range m.Requires {
		if !slices.Contains(have, f) {
			missing = append(missing, f)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("the module requires %s, which this host (%s, minor version %d) does not have: use a newer host",
		strings.Join(missing, ", "), Version, Minor)
}

// decode reads one JSON value. If strict, unknown members are an error. With an error, it returns what could be read.
func decode(raw []byte, strict bool) (*Manifest, error) {
	m := new(Manifest)
	dec := json.NewDecoder(bytes.NewReader(raw))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(m); err != nil {
		var syntax *json.SyntaxError
		var other *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			err = fmt.Errorf("it is not JSON: %w", err)
		case errors.As(err, &other) && other.Field != "":
			err = fmt.Errorf("%s must be %s, found %s", other.Field, jsonType(other.Type), other.Value)
		case errors.As(err, &other):
			err = fmt.Errorf("it must be an object, found %s", other.Value)
		}
		return m, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("there is text after the JSON object")
	}
	return m, nil
}

// jsonType returns the JSON type that a Go type is decoded from, with its article.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a whole number"
}

// plain returns an error for a manifest that two readers could understand differently: if a member is listed twice, if
// the name of a known member is in another case, if the text is not UTF-8, or if a number is beyond what readers keep.
func plain(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("it is not UTF-8")
	}
	if key, twice := strictjson.DuplicateKey(raw); twice {
		return fmt.Errorf("member %q is listed twice: remove one", excerpt.Of(key))
	}
	if n, found := strictjson.WideNumber(raw); found {
		return fmt.Errorf("number %s: at most %d characters and exponents up to %d are allowed", excerpt.Of(n), strictjson.MaxNumber, strictjson.MaxExponent)
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	return spelled(v, reflect.TypeFor[Manifest]())
}

// spelled returns an error if a member of v has the name of one of t's in another case, at any depth.
func spelled(v any, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for _, e := range v {
			if err := spelled(e, t.Elem()); err != nil {
				return err
			}
		}
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return nil // a schema, an example or a map
		}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			for found := range v {
				if found != name && strings.EqualFold(found, name) {
					return fmt.Errorf("member %q must be spelled %q", excerpt.Of(found), name)
				}
			}
			if err := spelled(v[name], t.Field(i).Type); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyX returns an error if the name of an unknown member does not start with x-.
func onlyX(raw []byte) error {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	plain, err := json.Marshal(withoutX(v))
	if err == nil {
		_, err = decode(plain, true)
	}
	return err
}

// withoutX returns a value without the members whose names start with x-.
func withoutX(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, m := range v {
			if strings.HasPrefix(k, "x-") {
				delete(v, k)
			} else {
				v[k] = withoutX(m)
			}
		}
	case []any:
		for i, m := range v {
			v[i] = withoutX(m)
		}
	}
	return v
}

// fill completes a manifest of minor version 0 with the members of a partial one.
func (m *Manifest) fill(older json.RawMessage) error {
	part, err := decode(older, true)
	if err == nil {
		err = plain(older)
	}
	if err == nil {
		err = onlyFilled(older)
	}
	if err != nil {
		return err
	}
	if part.Kind != m.Kind {
		return nil
	}
	m.Auth, m.BaseURL, m.RequestIDHeader, m.ResponseHeaders = part.Auth, part.BaseURL, part.RequestIDHeader, part.ResponseHeaders
	m.ContentTypeParameters, m.TimeLayouts, m.RateLimitHabits = part.ContentTypeParameters, part.TimeLayouts, part.RateLimitHabits
	for _, v := range part.Views { // its operation may be missing from the module
		if op := m.operation(v.Operation); op != nil {
			v.Answers = slices.DeleteFunc(slices.Clone(v.Answers), func(a Answer) bool { return a.check(m, op) != nil })
			if v.Of != nil && v.Of.check(m, v, op) != nil {
				continue
			}
			m.Views = append(m.Views, v)
		}
	}
	for i := range part.Operations {
		from := &part.Operations[i]
		if to := m.operation(from.Name); to != nil {
			to.Backfill = from.Backfill
			if err := to.declareLike(from); err != nil {
				return err
			}
		}
	}
	return m.checkService()
}

// onlyFilled returns an error for a member of a partial manifest that fill does not use.
func onlyFilled(older json.RawMessage) error {
	var used struct {
		Kind, Auth, Views     json.RawMessage
		BaseURL               json.RawMessage `json:"base_url"`
		RequestIDHeader       json.RawMessage `json:"request_id_header"`
		ResponseHeaders       json.RawMessage `json:"response_headers"`
		ContentTypeParameters json.RawMessage `json:"content_type_parameters"`
		TimeLayouts           json.RawMessage `json:"time_layouts"`
		RateLimitHabits       json.RawMessage `json:"rate_limit_habits"`
		Operations            []struct {
			Name, Backfill json.RawMessage
			Endpoints      []struct{ Endpoint, Guards, Query, Headers, Sensitive, Reveals json.RawMessage }
		}
	}
	dec := json.NewDecoder(bytes.NewReader(older))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&used); err != nil {
		return fmt.Errorf("%w: a partial manifest has only members of minor version 1, of operations name, backfill and endpoints, "+
			"and of endpoints endpoint, guards, query, headers, sensitive and reveals", err)
	}
	return nil
}

// declareLike sets what another operation's endpoints declare on the same endpoints.
func (o *Operation) declareLike(from *Operation) error {
	for _, e := range from.Endpoints {
		for i := range o.Endpoints {
			if o.Endpoints[i].Endpoint != e.Endpoint {
				continue
			}
			if err := e.checkDeclared(); err != nil {
				return err
			}
			for _, g := range e.Guards {
				if err := g.check(o, o.Endpoints[i]); err != nil {
					return err
				}
			}
			o.Endpoints[i].Guards, o.Endpoints[i].Query, o.Endpoints[i].Headers = e.Guards, e.Query, e.Headers
			if o.Endpoints[i].Reveals = e.Reveals; e.Sensitive != nil { // it replaces what the module says
				o.Endpoints[i].Sensitive = slices.Clip(append([]string(nil), e.Sensitive...))
			}
		}
	}
	return nil
}

// ofMinor2 returns the name of the first member of auth, an operation or an endpoint that minor version 1 does not have, or "".
func (m *Manifest) ofMinor2() string {
	for _, a := range m.Auth {
		switch {
		case a.TokenBucket != "":
			return "token_bucket"
		case a.ExpiredCodes != nil:
			return "expired_codes"
		}
	}
	for _, o := range m.Operations {
		if o.Addition {
			return "addition"
		}
		if slices.ContainsFunc(o.Endpoints, func(e Endpoint) bool { return e.Optional }) {
			return "optional"
		}
	}
	return ""
}

// ofMinor1 returns the name of the first member that minor version 0 does not have, or "".
func (m *Manifest) ofMinor1() string {
	for _, member := range []struct {
		name string
		have bool
	}{
		{"requires", m.Requires != nil}, {"auth", m.Auth != nil}, {"base_url", m.BaseURL != nil}, {"request_id_header", m.RequestIDHeader != ""},
		{"response_headers", m.ResponseHeaders != nil}, {"content_type_parameters", m.ContentTypeParameters != nil}, {"time_layouts", m.TimeLayouts != nil},
		{"rate_limit_habits", m.RateLimitHabits != nil}, {"views", m.Views != nil},
	} {
		if member.have {
			return member.name
		}
	}
	for i := range m.Operations {
		if m.Operations[i].Backfill != nil {
			return "backfill"
		}
		if m.Operations[i].Display != nil {
			return "display"
		}
		if m.Operations[i].Rejections != nil {
			return "rejections"
		}
		for _, e := range m.Operations[i].Endpoints {
			switch {
			case e.Query != nil:
				return "query"
			case e.Headers != nil:
				return "headers"
			case e.Delimiters != nil:
				return "delimiters"
			case e.Reveals != nil:
				return "reveals"
			case e.Guards != nil:
				return "guards"
			case e.Method() == "PATCH":
				return "PATCH"
			}
		}
	}
	return ""
}
