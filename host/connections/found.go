package connections

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// CheckFound checks the connections of a file that was found in the working folder and that nobody named. The folder may be
// a stranger's, such as a clone or an unpacked archive, and its file must not send the user's secrets to the stranger. So such
// a connection may use a secret that is a file of the same folder, or send its token to a host of the service's own domains
// that the system's authorities certify. known is what a trusted manifest says about the service's addresses, or nil. The
// error wraps ErrFile.
func CheckFound(path string, configs []host.Config, known *abi.BaseURL) error {
	domains := domainsOf(known)
	for _, c := range configs {
		toService := isService(c.BaseURL, domains) && c.CAFile == ""
		for field, ref := range references(c) {
			if strings.HasPrefix(ref, "exec:") {
				return &Error{Path: path, What: fmt.Sprintf("of this folder would run a command (%s)", field)}
			}
			if within(filepath.Dir(path), ref) || toService && field != proxyCredentials {
				continue
			}
			to := c.BaseURL
			switch {
			case field == proxyCredentials:
				to = "its proxy"
			case c.CAFile != "":
				to += ", certified by ca_file"
			}
			return &Error{Path: path, What: fmt.Sprintf("of this folder would send %s (%s) to %s", ref, field, to)}
		}
	}
	return nil
}

// proxyCredentials is the field whose secret goes to the proxy. The others go to the service.
const proxyCredentials = "proxy_credentials_ref"

// references returns the references to secrets of a connection, by field. One of another kind has none, and is not used.
func references(c host.Config) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) { each(reflect.ValueOf(c), yield) }
}

// each yields the references in a struct and in those that it contains. It reports whether to go on.
func each(v reflect.Value, yield func(string, string) bool) bool {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		field := v.Field(i)
		if field.Kind() == reflect.Pointer && !field.IsNil() {
			field = field.Elem()
		}
		switch {
		case field.Kind() == reflect.Struct:
			if !each(field, yield) {
				return false
			}
		case strings.HasSuffix(name, "_ref") && field.Kind() == reflect.String && field.String() != "":
			if !yield(name, field.String()) {
				return false
			}
		}
	}
	return true
}

// within reports whether a reference is to a file in a folder, symbolic links resolved. A file that is missing may be written
// later: the folder that would have it counts.
func within(folder, ref string) bool {
	file, ok := strings.CutPrefix(ref, "file:")
	if !ok {
		return false
	}
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		file = filepath.Dir(file)
	}
	var real [2]string
	for i, path := range []string{folder, file} {
		abs, err := filepath.Abs(path)
		if err == nil {
			real[i], err = filepath.EvalSymlinks(abs)
		}
		if err != nil {
			return false
		}
	}
	below, err := filepath.Rel(real[0], real[1])
	return err == nil && filepath.IsLocal(below)
}

// isService reports whether the host of an address is in the service's own domains.
func isService(address string, domains []string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return false
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	return slices.ContainsFunc(domains, func(domain string) bool { return len(name) > len(domain) && strings.HasSuffix(name, domain) })
}

// domainsOf returns the ends of the service's own host names. A manifest has them as replacements for the ends of its
// administration consoles.
func domainsOf(known *abi.BaseURL) (all []string) {
	if known == nil {
		return nil
	}
	for _, c := range known.Consoles {
		if strings.HasPrefix(c.Use, ".") && strings.Contains(c.Use[1:], ".") {
			all = append(all, c.Use)
		}
	}
	return all
}
