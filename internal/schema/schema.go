// Package schema validates values with the JSON Schemas of manifests.
package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/mach5/okta-connector/internal/excerpt"
	"github.com/mach5/okta-connector/internal/nearest"
	"github.com/mach5/okta-connector/internal/subset"
)

// Schema is a compiled schema. It is safe for concurrent use.
type Schema struct {
	*jsonschema.Schema
	Cost subset.Cost // bounds the work to validate a value
}

// Compile compiles a schema, which must be in the subset that the ABI allows. The error is one line.
func Compile(text json.RawMessage) (*Schema, error) {
	cost, err := subset.Check(text)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(nothing{})
	const url = "mem:///schema"
	if err := c.AddResource(url, doc); err != nil {
		return nil, oneLine(err)
	}
	s, err := c.Compile(url)
	if err != nil {
		return nil, oneLine(err)
	}
	return &Schema{s, cost}, nil
}

// nothing is a loader that loads nothing, so that a schema cannot refer to a file or a URL.
type nothing struct{}

// Load implements jsonschema.URLLoader.
func (nothing) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s must not be loaded: a schema may refer only to itself", url)
}

// oneLine returns the first violation of the schema of schemas, or the first line of another error.
func oneLine(err error) error {
	if wrong, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = wrong.Err
	}
	if v, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		return errors.New(First(v))
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// First returns what is wrong with a value, and where, for the first violation of a tree of them.
func First(v *jsonschema.ValidationError) string {
	for len(v.Causes) > 0 {
		v = v.Causes[0]
	}
	if at := strings.Join(v.InstanceLocation, "/"); at != "" {
		return "at " + at + ": " + Complaint(v)
	}
	return Complaint(v)
}

// Complaint returns what a violation found and what was wanted. It may repeat the value.
func Complaint(v *jsonschema.ValidationError) string {
	switch k := v.ErrorKind.(type) {
	case *kind.Format:
		if k.Want == "date-time" {
			return fmt.Sprintf("%q is not a valid time: write it as in RFC 3339, such as 2026-01-31T09:00:00Z", excerpt.Of(fmt.Sprint(k.Got)))
		}
	case *kind.Enum:
		return enum(k)
	case *kind.Maximum: // the library writes 1×10¹¹
		return "maximum: got " + digits(k.Got) + ", want " + digits(k.Want)
	case *kind.Minimum:
		return "minimum: got " + digits(k.Got) + ", want " + digits(k.Want)
	}
	return v.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

// enum names the values that are allowed, the value that was found, and the nearest of them.
func enum(k *kind.Enum) string {
	var all []string
	for _, v := range k.Want {
		b, _ := json.Marshal(v) // a value of a schema
		all = append(all, strings.Trim(string(b), `"`))
	}
	got, _ := json.Marshal(k.Got)
	text := fmt.Sprintf("want one of %s, found %s", strings.Join(all, ", "), excerpt.Of(string(got)))
	if s, ok := k.Got.(string); ok {
		if near := nearest.Of(s, all); near != "" {
			text += " (did you mean " + near + "?)"
		}
	}
	return text
}

// digits formats a number the way people write it. A number with very many digits is replaced by words.
func digits(n *big.Rat) string {
	const most = 40
	if n.Num().BitLen() > 4*most || n.Denom().BitLen() > 4*most {
		return "a number of very many digits"
	}
	if n.IsInt() {
		return n.Num().String()
	}
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
