package host

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/input"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// readManifest reads and checks the manifest of a module.
func (m *Module) readManifest(bin *wasmbin.Module, opts LoadOptions) error {
	sections := bin.Section(abi.ManifestSection)
	if len(sections) != 1 {
		return fmt.Errorf("%d custom sections %q, want one: pack the module with go run ./build", len(sections), abi.ManifestSection)
	}
	raw := sections[0].Data
	if len(raw) > abi.MaxManifestSize {
		return fmt.Errorf("a manifest of %d bytes, at most %d are taken", len(raw), abi.MaxManifestSize)
	}
	m.raw = append([]byte(nil), raw...)
	var err error
	if m.manifest, err = abi.ParseManifest(m.raw, opts.Minor0); err != nil {
		return err
	}
	if err := m.manifest.Missing(abi.Features()); err != nil {
		return err
	}
	if err := checkGuards(m.manifest); err != nil {
		return err
	}
	if a := m.manifest.Account; a != nil && (!records.PlainPath(a.ID) || a.Name != "" && !records.PlainPath(a.Name)) {
		return fmt.Errorf("manifest: account: its id and name are object keys joined by dots, not %q and %q", a.ID, a.Name)
	}
	for _, t := range m.manifest.TimeLayouts {
		layout, err := abi.TimeLayout(t)
		if err != nil {
			return fmt.Errorf("manifest: time_layouts: %w", err)
		}
		m.timeLayouts = append(m.timeLayouts, layout)
	}
	m.byName = make(map[string]*operation, len(m.manifest.Operations))
	for i := range m.manifest.Operations {
		op := &operation{Operation: &m.manifest.Operations[i], granted: map[string]*abi.Endpoint{}}
		for j := range op.Endpoints {
			op.granted[op.Endpoints[j].Endpoint] = &op.Endpoints[j]
		}
		for _, path := range paths(op.Operation) {
			if !records.PlainPath(path) {
				return fmt.Errorf("manifest: operation %q: path %q is not object keys joined by dots", op.Name, path)
			}
		}
		op.input = input.New(op.Name, op.InputSchema, func(field string) string { return m.sibling(op.Operation, field) })
		m.byName[op.Name] = op
	}
	return nil
}

// checkGuards refuses guards of a kind that this host does not know, which is every kind so far: a request would leave
// without the check that its class depends on.
func checkGuards(m *abi.Manifest) error {
	for i := range m.Operations {
		for _, e := range m.Operations[i].Endpoints {
			for _, g := range e.Guards {
				return fmt.Errorf("manifest: operation %q: %s has a guard of kind %q, which this host does not know: run the module with a newer host",
					m.Operations[i].Name, e.Endpoint, g.Kind)
			}
		}
	}
	return nil
}

// service returns what requests must know of the service.
func (m *Module) service(auth abi.Auth) egress.Service {
	return egress.Service{
		Headers:               m.manifest.RateLimitHeaders,
		Habits:                m.manifest.RateLimitHabits,
		Errors:                m.manifest.RateLimitErrors,
		AuthHeader:            auth.Header,
		RequestIDHeader:       m.manifest.RequestIDHeader,
		ResponseHeaders:       m.manifest.ResponseHeaders,
		ContentTypeParameters: m.manifest.ContentTypeParameters,
		AnyQuery:              m.manifest.Minor == 0,
	}
}

// sibling returns another operation of the same class on the same kind of object that takes a field, "" for none. The
// kind of object is what follows the verb of an operation's name: list_users, search_users.
func (m *Module) sibling(of *abi.Operation, field string) string {
	_, noun, _ := strings.Cut(of.Name, "_")
	for i := range m.manifest.Operations {
		op := &m.manifest.Operations[i]
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
	}
	return all
}
