package connections

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/mach5/okta-connector/host"
)

// ErrNotAdded is wrapped by the error of Add if the text is written in a way to which nothing can be appended.
var ErrNotAdded = errors.New("the connection cannot be appended")

// itemPattern matches the dash of an entry.
var itemPattern = regexp.MustCompile(`(?m)^( *)- `)

// Add appends a connection to the text of a connection file, which may be empty. Comments and the other connections stay as
// they are. The fields that it writes are those of Config without defaults. The error wraps ErrNotAdded, or is an *Error if
// the text is not valid or already has the name.
func (s *Schema) Add(text []byte, c host.Config) ([]byte, error) {
	entry, err := yaml.MarshalWithOptions([]host.Config{c}, yaml.Indent(2))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAdded, err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("connections:\n")
	} else {
		old, err := s.Parse(text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(old, func(o host.Config) bool { return o.Name == c.Name }) {
			return nil, &Error{What: "name " + shown(c.Name) + " is there already: choose another name"}
		}
	}
	indent := "  "
	if at := itemPattern.FindSubmatch(text); at != nil {
		indent = string(at[1])
	}
	var b bytes.Buffer
	b.Write(bytes.TrimRight(text, "\n"))
	b.WriteByte('\n')
	for line := range strings.Lines(string(entry)) {
		b.WriteString(indent + line)
	}
	all, err := s.Parse(b.Bytes())
	if err != nil || len(all) == 0 || all[len(all)-1].Name != c.Name {
		return nil, fmt.Errorf("%w: add these lines to the file yourself:\n%s", ErrNotAdded, entry)
	}
	return b.Bytes(), nil
}
