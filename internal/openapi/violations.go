package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// violations returns the validator's findings as a list, without the waived ones.
func violations(route *routers.Route, err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case openapi3.MultiError:
		return each(e, func(one error) []error { return violations(route, one) })
	case *openapi3filter.RequestError:
		what, base := "body", []string(nil)
		if e.Parameter != nil {
			what, base = "parameter "+e.Parameter.Name, []string{"?" + e.Parameter.Name}
		}
		if e.Err == nil {
			return []error{fmt.Errorf("%s: %s", what, e.Reason)}
		}
		return prefixed(what, schemaViolations(route, base, e.Err))
	case *openapi3filter.ResponseError:
		if e.Err == nil {
			return []error{errors.New(e.Reason)}
		}
		return prefixed("body", schemaViolations(route, nil, e.Err))
	}
	return []error{err}
}

// schemaViolations returns the violations below base, a place in the body or a parameter.
func schemaViolations(route *routers.Route, base []string, err error) []error {
	switch e := err.(type) {
	case nil:
		return nil
	case openapi3.MultiError:
		return each(e, func(one error) []error { return schemaViolations(route, base, one) })
	case *openapi3.SchemaError:
		place := slices.Concat(base, e.JSONPointer())
		if waived(route, place, e.SchemaField) {
			return nil
		}
		switch e.SchemaField {
		case "allOf":
			return schemaViolations(route, base, branches(e))
		case "oneOf":
			if alternatives := branches(e); alternatives != nil {
				return closest(route, base, alternatives)
			}
		case "anyOf": // the validator does not report why the branches failed
			var alternatives openapi3.MultiError
			for _, branch := range e.Schema.AnyOf {
				alternatives = append(alternatives, branch.Value.VisitJSON(e.Value, openapi3.MultiErrors()))
			}
			return closest(route, place, alternatives)
		}
		return []error{fmt.Errorf("/%s: %s (%s)", strings.Join(place, "/"), e.Reason, e.SchemaField)}
	}
	return []error{err}
}

// branches returns the errors of each branch of a oneOf or allOf.
func branches(e *openapi3.SchemaError) openapi3.MultiError {
	for err := e.Origin; err != nil; err = errors.Unwrap(err) {
		if found, ok := err.(openapi3.MultiError); ok {
			return found
		}
	}
	return nil
}

// closest returns the violations of the alternative with the fewest, or none if waivers excuse all of them.
func closest(route *routers.Route, base []string, alternatives openapi3.MultiError) []error {
	var best []error
	for i, alternative := range alternatives {
		found := schemaViolations(route, base, alternative)
		if i == 0 || len(found) < len(best) {
			best = found
		}
	}
	return best
}

func each(errs openapi3.MultiError, flatten func(error) []error) []error {
	var found []error
	for _, err := range errs {
		found = append(found, flatten(err)...)
	}
	return found
}

func prefixed(prefix string, found []error) []error {
	for i, err := range found {
		found[i] = fmt.Errorf("%s: %w", prefix, err)
	}
	return found
}
