package openapi

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// ReadOnly returns the sorted members of an endpoint's request body that the document marks read-only: those at the
// top, and those one level below, joined by a dot. It includes the members of all alternatives.
func (j *Judge) ReadOnly(endpoint string) ([]string, error) {
	method, path, _ := strings.Cut(endpoint, " ")
	path, _, ok := j.match(&url.URL{Path: blank.ReplaceAllString(path, "x")})
	if !ok {
		return nil, fmt.Errorf("the document has no path for %s", endpoint)
	}
	doc, err := j.spec(path)
	if err != nil {
		return nil, err
	}
	op := doc.Paths.Value(path).GetOperation(method)
	if op == nil || op.RequestBody == nil {
		return nil, fmt.Errorf("the document has no request body for %s", endpoint)
	}
	found := map[string]bool{}
	for _, media := range op.RequestBody.Value.Content {
		readOnly(media.Schema, "", 1, found)
	}
	return slices.Sorted(maps.Keys(found)), nil
}

func readOnly(s *openapi3.SchemaRef, prefix string, deeper int, found map[string]bool) {
	if s == nil || s.Value == nil {
		return
	}
	for _, refs := range []openapi3.SchemaRefs{s.Value.AllOf, s.Value.OneOf, s.Value.AnyOf} {
		for _, r := range refs {
			readOnly(r, prefix, deeper, found)
		}
	}
	for name, m := range s.Value.Properties {
		switch {
		case m.Value == nil:
		case m.Value.ReadOnly:
			found[prefix+name] = true
		case deeper > 0:
			readOnly(m, prefix+name+".", deeper-1, found)
		}
	}
}
