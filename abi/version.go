//go:build !wasip1

package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ParseManifest parses and checks a manifest. An unknown member is ignored if the manifest is of a later minor
// version or the name starts with x-. Otherwise it is an error.
//
// older is a partial manifest, or nil. If it has the same kind, and the manifest is of minor version 0, it supplies
// the members that came with minor version 1. Members of its operations apply to the operations with the same name.
func ParseManifest(raw []byte, older json.RawMessage) (*Manifest, error) {
	m, err := decode(raw, true)
	if err != nil {
		if m, err = decode(raw, false); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		if m.Minor <= Minor {
			if err := onlyX(raw); err != nil {
				return nil, fmt.Errorf("manifest: %w", err)
			}
		}
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

// decode reads one JSON value. If strict, unknown members are an error.
func decode(raw []byte, strict bool) (*Manifest, error) {
	m := new(Manifest)
	dec := json.NewDecoder(bytes.NewReader(raw))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(m); err != nil {
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			err = fmt.Errorf("it is not JSON: %w", err)
		}
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is text after the JSON object")
	}
	return m, nil
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
	if err != nil {
		return err
	}
	if part.Kind != m.Kind {
		return nil
	}
	m.Auth, m.BaseURL, m.RequestIDHeader, m.ResponseHeaders = part.Auth, part.BaseURL, part.RequestIDHeader, part.ResponseHeaders
	m.ContentTypeParameters, m.TimeLayouts, m.RateLimitHabits = part.ContentTypeParameters, part.TimeLayouts, part.RateLimitHabits
	for _, v := range part.Views { // its operation may be missing from the module
		if m.operation(v.Operation) != nil {
			m.Views = append(m.Views, v)
		}
	}
	for i := range part.Operations {
		from := &part.Operations[i]
		if to := m.operation(from.Name); to != nil {
			to.Backfill = from.Backfill
		}
	}
	return m.checkService()
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
			case e.Guards != nil:
				return "guards"
			case e.Method() == "PATCH":
				return "PATCH"
			}
		}
	}
	return ""
}
