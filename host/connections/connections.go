// Package connections reads connection files. A connection file is YAML that lists the orgs to which a module may be
// bound, and what it may do there.
//
//	connections:
//	  - name: example-prod
//	    kind: example
//	    base_url: https://example.com
//	    token_secret_ref: env:EXAMPLE_API_TOKEN    # or file:PATH, relative to the connection file, or exec:[PROGRAM, ARGUMENT]
//	    oauth:                                     # instead of token_secret_ref
//	      client_id: 0oa…
//	      private_key_ref: file:example.pem        # PEM or JWK
//	      key_id: …                                # optional: if the key does not contain its id
//	      scopes: […]                              # optional ceiling; default: what the operations need
//	      dpop: auto                               # optional: auto, required or off
//	    default_page_size: 200                     # optional: records in each request
//	    initial_lookback_seconds: 86400            # optional: where a source without a checkpoint begins
//	    grants: [read]                             # optional, default read
//	    limits:                                    # optional: limits of each call, with their defaults
//	      call_seconds: 300                        # wall-clock time, including waits for rate limits
//	      request_seconds: 60                      # time of one request, to the last byte of its answer
//	      requests: 2000
//	      body_bytes: 67108864                     # size of one decoded answer
//	      held_bytes: 536870912                    # total size of the answers that one call holds
//	      result_bytes: 268435456                  # total size of all records
//	      records: 100000
//	      memory_bytes: 67108864                   # memory of the module
//	      concurrency: 16                          # concurrent calls
//	      log_bytes: 65536                         # log output that the module can cause
//	    allow_private_network: false               # optional: allows a base_url of this machine or of a private network
//	    proxy: http://proxy.example.com:3128       # optional: or environment, for HTTPS_PROXY and NO_PROXY
//	    proxy_credentials_ref: env:PROXY_USER      # optional: user:password of the proxy
//	    ca_file: company.pem                       # optional: more certificate authorities, relative to the connection file
//	    tls_min: "1.2"                             # optional: or "1.3"
//
// The fields of a connection are defined by the config_schema of its kind's module, from which a Schema is made.
// Reading is strict. Unknown and missing fields, wrong types, duplicate names, anchors and a second document are
// errors. Each error names its line and says what to do. All faults of a file are reported at once. A field that the schema has and the host does not is an error,
// too. A file contains references to secrets, never secrets. No error repeats a value that could be a secret.
package connections

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/internal/trust"
)

// ErrFile is wrapped by every error of a connection file that was read but is not valid.
var ErrFile = errors.New("connection file not usable")

// ErrNoConnection is wrapped by the errors of Find.
var ErrNoConnection = errors.New("unknown connection")

// ErrSeveral is wrapped by an error of Find, with ErrNoConnection, if no name was given and there are several connections.
var ErrSeveral = errors.New("there are several")

// MaxFile is the maximum size of a connection file in bytes.
const MaxFile = 1 << 20

// Error says what is wrong with a connection file, and where. It wraps ErrFile.
type Error struct {
	Path string // empty if the text is not from a file
	Line int    // from 1; 0 means the whole file
	What string // one line: what is wrong and what to do

	column  int
	missing string // the field that is missing
	meant   string // the field that an unknown one probably means
}

// Error returns path:line: what.
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

// Errors are the faults of a connection file that has several, an entry after the other. Each wraps ErrFile.
type Errors []*Error

// Error returns the first fault and the number of the others.
func (e Errors) Error() string {
	more := "1 more fault"
	if len(e) > 2 {
		more = fmt.Sprintf("%d more faults", len(e)-1)
	}
	return fmt.Sprintf("%s (%s: wasm-runner check lists all)", e[0], more)
}

// Unwrap returns the faults.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, fault := range e {
		all[i] = fault
	}
	return all
}

// Faults returns the faults of a connection file that an error of this package reports, and nil for another error.
func Faults(err error) []*Error {
	var several Errors
	if errors.As(err, &several) {
		return several
	}
	if one := (*Error)(nil); errors.As(err, &one) {
		return []*Error{one}
	}
	return nil
}

// asError returns faults as one error, and nil if there are none.
func asError(faults []*Error) error {
	switch len(faults) {
	case 0:
		return nil
	case 1:
		return faults[0]
	}
	return Errors(faults)
}

// ReadFile reads a connection file. A relative file: reference in it is relative to the folder of the file. The error is an
// *Error, Errors, or the error of reading the file.
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
	text, err := io.ReadAll(io.LimitReader(file, MaxFile+1)) // the size of a pipe or device is not known
	if err != nil {
		return nil, err
	}
	configs, err := s.Parse(text)
	if err != nil {
		for _, fault := range Faults(err) {
			fault.Path = path
		}
		return nil, err
	}
	if err := checkCommands(path, text, configs); err != nil {
		return nil, err
	}
	for i := range configs {
		c := &configs[i]
		c.TokenSecretRef, c.ProxyCredentialsRef = inFolderOf(path, c.TokenSecretRef), inFolderOf(path, c.ProxyCredentialsRef)
		c.OAuth.PrivateKeyRef = inFolderOf(path, c.OAuth.PrivateKeyRef)
		if c.CAFile != "" && !filepath.IsAbs(c.CAFile) {
			c.CAFile = filepath.Join(filepath.Dir(path), c.CAFile)
		}
	}
	return configs, nil
}

// HasCommand reports whether a connection has a reference whose secret is the output of a command.
func HasCommand(c host.Config) bool {
	for _, ref := range references(c) {
		if strings.HasPrefix(ref, "exec:") {
			return true
		}
	}
	return false
}

// checkCommands returns an error for a file whose connections run commands and which another user can write: that user would
// choose the commands.
func checkCommands(path string, text []byte, configs []host.Config) error {
	i := slices.IndexFunc(configs, HasCommand)
	if i < 0 {
		return nil
	}
	places := []string{path, filepath.Dir(path)}
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
		places = append(places, target, filepath.Dir(target))
	}
	for _, place := range places {
		info, err := os.Stat(place)
		if err == nil {
			err = trust.Info(place, info)
		}
		if err == nil && info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			err = fmt.Errorf("%s is writable by others (mode %s)", place, info.Mode().Perm())
		}
		if err != nil {
			return &Error{Path: path, Line: lineOfCommand(text, configs[i]), What: fmt.Sprintf("connection %s runs a command (exec:), and another user could choose which: %v. Let this user alone write the file and its folder",
				configs[i].Name, err)}
		}
	}
	return nil
}

// lineOfCommand returns the line of the first command of a connection, or 0.
func lineOfCommand(text []byte, c host.Config) int {
	for field, ref := range references(c) {
		if _, is, _ := secrets.Command(ref); is {
			return max(LineOf(text, c.Name, field), LineOf(text, c.Name, "oauth", field)) // it has one of them
		}
	}
	return 0
}

// inFolderOf returns a reference in which the path of a relative file: reference is below the folder of the connection file.
func inFolderOf(path, ref string) string {
	secret, ok := strings.CutPrefix(ref, "file:")
	if !ok || secret == "" || filepath.IsAbs(secret) {
		return ref
	}
	return "file:" + filepath.Join(filepath.Dir(path), secret)
}

// severalError is the error of Find if no name was given and there are several connections.
type severalError struct{ list string }

func (e severalError) Error() string   { return "which connection? There are " + e.list }
func (e severalError) Unwrap() []error { return []error{ErrNoConnection, ErrSeveral} }

// Find returns the connection with a name, or the only connection of a kind. For an empty string it returns the only
// connection. The error wraps ErrNoConnection and lists the connections.
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
		return host.Config{}, fmt.Errorf("%w: the connection file has none", ErrNoConnection)
	case nameOrKind == "" && len(configs) == 1:
		return configs[0], nil
	case nameOrKind == "":
		return host.Config{}, severalError{list}
	case len(ofKind) == 1:
		return ofKind[0], nil
	case len(ofKind) > 1:
		return host.Config{}, fmt.Errorf("%w: %q is a kind with several connections, name one of %s", ErrNoConnection, nameOrKind, list)
	}
	return host.Config{}, fmt.Errorf("%w %q: the connection file has %s", ErrNoConnection, nameOrKind, list)
}

// LineOf returns the line in which a connection file gives a field of a connection, or 0. path names the field, such as kind, or
// oauth and private_key_ref.
func LineOf(text []byte, name string, path ...string) int {
	if len(text) > MaxFile || checkNesting(text) != nil {
		return 0
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil || len(file.Docs) == 0 {
		return 0
	}
	list, _ := fieldOf(file.Docs[0].Body, "connections").(*ast.SequenceNode)
	if list == nil {
		return 0
	}
	for _, n := range list.Values {
		if given, _ := fieldOf(n, "name").(*ast.StringNode); given == nil || given.Value != name {
			continue
		}
		for _, field := range path {
			n = fieldOf(n, field)
		}
		return line(n)
	}
	return 0
}

// fieldOf returns the value of a field, or nil.
func fieldOf(n ast.Node, name string) ast.Node {
	if n == nil {
		return nil
	}
	all, _ := members(n) // what is no mapping has no fields
	for _, m := range all {
		if m.name == name {
			return m.value
		}
	}
	return nil
}
