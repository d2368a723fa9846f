// Package connections reads connection files: YAML that lists the orgs a module may be bound to, and what it may do
// there.
//
//	connections:
//	  - name: example-prod
//	    kind: example
//	    base_url: https://example.com
//	    token_secret_ref: env:EXAMPLE_API_TOKEN    # or file:PATH, relative to the connection file
//	    default_page_size: 200                     # optional: records a request
//	    initial_lookback_seconds: 86400            # optional: where a source without checkpoint begins
//	    grants: [read]                             # optional, default read
//	    limits:                                    # optional: bounds of each call, these are the defaults
//	      call_seconds: 300                        # wall time, waiting for rate limits included
//	      request_seconds: 60                      # of one request, to the last byte of its answer
//	      requests: 2000
//	      body_bytes: 67108864                     # of one answer, decoded
//	      held_bytes: 536870912                    # of memory behind all answers
//	      result_bytes: 268435456                  # of all records
//	      records: 100000
//	      memory_bytes: 67108864                   # of the module
//	      concurrency: 16                          # calls at once
//	      log_bytes: 65536                         # that the module can cause
//	    allow_private_network: false               # optional: base_url may be this machine, or resolve to a private address
//
// What a connection may have is in the config_schema of its kind's module: a Schema is made of it. Reading is strict: an unknown
// field, a missing one, a wrong type, a name that is listed twice, an anchor or a second document is an error that names the line
// and what to do. A field that the schema has and the host does not is an error too. A file holds references to secrets, never a
// secret, and no error repeats a value of it that could be one.
package connections

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mach5/okta-connector/host"
)

// ErrFile is wrapped by every error of a connection file that can be read but not used.
var ErrFile = errors.New("connection file not usable")

// ErrNoConnection is wrapped by the errors of Find.
var ErrNoConnection = errors.New("no such connection")

// ErrSeveral is wrapped by an ErrNoConnection when no name was given and there are several.
var ErrSeveral = errors.New("there are several")

// MaxFile is the largest connection file that is read, in bytes.
const MaxFile = 1 << 20

// Error is what is wrong with a connection file, and where. It wraps ErrFile.
type Error struct {
	Path string // empty when the text came from elsewhere
	Line int    // 1 is the first; 0 is the file as a whole
	What string // one line: what is wrong and what to do

	column int
	last   bool // what the file does give comes before it
}

// Error implements error in the form that editors and people know: path:line: what.
func (e *Error) Error() string {
	path := e.Path
	if path == "" {
		path = "connection file"
	}
	if e.Line == 0 {
		return path + ": " + e.What
	}
	return fmt.Sprintf("%s:%d: %s", path, e.Line, e.What)
}

// Unwrap makes errors.Is(err, ErrFile) true.
func (e *Error) Unwrap() error { return ErrFile }

// ReadFile reads a connection file. A relative file: reference in it is relative to the file's folder. The error is an
// *Error, or that of reading the file.
func (s *Schema) ReadFile(path string) ([]host.Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &Error{Path: path, What: "is a folder: name the connection file in it"}
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxFile+1)) // a pipe or a device tells no size
	if err != nil {
		return nil, err
	}
	configs, err := s.Parse(text)
	if err != nil {
		if e := (*Error)(nil); errors.As(err, &e) {
			e.Path = path
		}
		return nil, err
	}
	for i := range configs {
		configs[i].TokenSecretRef = beside(path, configs[i].TokenSecretRef)
	}
	return configs, nil
}

// beside makes the path of a relative file: reference one that is relative to the folder of the connection file.
func beside(path, ref string) string {
	secret, ok := strings.CutPrefix(ref, "file:")
	if !ok || secret == "" || filepath.IsAbs(secret) {
		return ref
	}
	return "file:" + filepath.Join(filepath.Dir(path), secret)
}

// severalError is that of several connections of which none is named.
type severalError struct{ list string }

func (e severalError) Error() string   { return "which connection? There are " + e.list }
func (e severalError) Unwrap() []error { return []error{ErrNoConnection, ErrSeveral} }

// Find picks one connection: by name, else by kind where the kind has one connection; an empty string picks the only
// one. The error wraps ErrNoConnection and lists what there is.
func Find(configs []host.Config, nameOrKind string) (host.Config, error) {
	var names []string
	var ofKind []host.Config
	for _, c := range configs {
		if c.Name == nameOrKind {
			return c, nil
		}
		if c.Kind == nameOrKind {
			ofKind = append(ofKind, c)
		}
		names = append(names, c.Name)
	}
	list := strings.Join(names, ", ")
	switch {
	case len(configs) == 0:
		return host.Config{}, fmt.Errorf("%w: there are none", ErrNoConnection)
	case nameOrKind == "" && len(configs) == 1:
		return configs[0], nil
	case nameOrKind == "":
		return host.Config{}, severalError{list}
	case len(ofKind) == 1:
		return ofKind[0], nil
	case len(ofKind) > 1:
		return host.Config{}, fmt.Errorf("%w: %q is a kind with several connections, name one of %s", ErrNoConnection, nameOrKind, list)
	}
	return host.Config{}, fmt.Errorf("%w: %q, there is %s", ErrNoConnection, nameOrKind, list)
}
