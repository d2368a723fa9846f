// Package secrets resolves references such as "env:API_TOKEN" to values that cannot be printed by accident.
package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Redacted is what a Value shows instead of itself.
const Redacted = "[secret]"

// ErrUnavailable is wrapped by every error of a Resolver.
var ErrUnavailable = errors.New("secret unavailable")

// unavailable is an error that wraps ErrUnavailable and says only why. cause may be nil.
type unavailable struct {
	text  string
	cause error
}

// Error implements error.
func (u unavailable) Error() string { return u.text }

// Unwrap gives ErrUnavailable and the cause.
func (u unavailable) Unwrap() []error {
	if u.cause == nil {
		return []error{ErrUnavailable}
	}
	return []error{ErrUnavailable, u.cause}
}

func unavailablef(format string, args ...any) error {
	return unavailable{text: fmt.Sprintf(format, args...)}
}

// Value holds one secret. Every way of printing, logging or encoding it gives Redacted; Reveal gives the value. The
// zero Value is no secret. The secret is within a function: fmt prints the fields of a struct without calling their
// methods. Values are compared by Equal.
type Value struct{ reveal func() string }

// New wraps a secret.
func New(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{func() string { return s }}
}

// Reveal returns the secret itself. Call it only to put the secret into what is sent.
func (v Value) Reveal() string {
	if v.reveal == nil {
		return ""
	}
	return v.reveal()
}

// IsZero reports whether v holds nothing.
func (v Value) IsZero() bool { return v.reveal == nil }

// Equal reports whether two values hold the same secret.
func (v Value) Equal(other Value) bool { return v.Reveal() == other.Reveal() }

// In reports whether one of the values holds the same secret.
func (v Value) In(all []Value) bool { return slices.ContainsFunc(all, v.Equal) }

// String implements fmt.Stringer by redaction.
func (v Value) String() string { return Redacted }

// GoString implements fmt.GoStringer by redaction.
func (v Value) GoString() string { return Redacted }

// Format implements fmt.Formatter by redaction, whatever the verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Redacted)) }

// LogValue implements slog.LogValuer by redaction.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements encoding.TextMarshaler by redaction; encoding/json uses it too.
func (v Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// Resolver finds the secret behind a reference. Implementations are safe for concurrent use.
type Resolver interface {
	Resolve(ctx context.Context, ref string) (Value, error)
}

// Stamper is a Resolver that can tell cheaply whether a secret may have changed. Stamp returns a text that changes if and
// only if the secret behind the reference may have been written. It returns "" if it cannot tell.
type Stamper interface {
	Stamp(ref string) string
}

// maxFile bounds a secret file in bytes: a token is tens of bytes, a key a few thousand.
const maxFile = 64 << 10

// Default resolves `env:NAME` from the environment, `file:PATH` from a file, whose trailing newline is dropped,
// `keyring:NAME` from the system's key store, and `exec:[PROGRAM, ARGUMENT, …]` from the output of a command.
type Default struct {
	LookupEnv func(string) (string, bool) // default os.LookupEnv
	Commands  Commands                    // starts the commands of exec: references; nil starts none
}

// Resolve implements Resolver. Its errors name the reference and what to do, never a value.
func (d Default) Resolve(ctx context.Context, ref string) (Value, error) {
	scheme, name, ok := strings.Cut(ref, ":")
	if !ok || name == "" {
		return Value{}, unavailablef("%q is not a reference: write env:NAME, file:PATH, keyring:NAME or exec:[PROGRAM, ARGUMENT, …]", shown(ref))
	}
	var value string
	switch scheme {
	case "env":
		lookup := d.LookupEnv
		if lookup == nil {
			lookup = os.LookupEnv
		}
		value, ok = lookup(name)
		switch {
		case !ok:
			return Value{}, unavailablef("environment variable %s is not set. Set it: export %s=<secret>", name, name)
		case value == "":
			return Value{}, unavailablef("environment variable %s is empty. Set it: export %s=<secret>", name, name)
		}
	case "file":
		path, err := filepath.Abs(name) // errors show the whole path
		if err != nil {
			path = name
		}
		b, err := readBounded(path)
		var failed *fs.PathError
		switch {
		case errors.As(err, &failed) && errors.Is(err, fs.ErrNotExist):
			return Value{}, unavailablef("secret file %s: %v. Write the secret into it, or name another as file:PATH", path, failed.Err)
		case errors.As(err, &failed):
			return Value{}, unavailable{fmt.Sprintf("secret file %s: %v. Let this user read it, or name another as file:PATH", path, failed.Err), failed}
		case err != nil:
			return Value{}, unavailablef("secret file %v", err)
		}
		value = taken(b)
		if value == "" {
			return Value{}, unavailablef("secret file %s is empty. Write the secret into it", path)
		}
	case "keyring":
		var err error
		if value, err = fromKeyring(ctx, name); err != nil {
			return Value{}, err
		}
	case "exec":
		var err error
		if value, err = d.fromCommand(ctx, ref); err != nil {
			return Value{}, err
		}
	default:
		return Value{}, unavailablef("scheme %q is not known: write env:NAME, file:PATH, keyring:NAME or exec:[PROGRAM, ARGUMENT, …]", shown(scheme))
	}
	if IsKey(value) {
		return New(value), nil
	}
	for i := 0; i < len(value); i++ {
		if value[i] <= ' ' || value[i] >= 0x7f {
			return Value{}, unavailablef("%s contains a character that a secret may not have (byte %d). Remove spaces and line breaks", Name(ref), i)
		}
	}
	return New(value), nil
}

// IsKey reports whether a secret is written as a key, PEM or JWK, which has spaces and line breaks. No token is.
func IsKey(secret string) bool {
	text := strings.TrimSpace(secret)
	return strings.HasPrefix(text, "-----BEGIN ") || strings.HasPrefix(text, "{")
}

// Stamp implements Stamper, for files: their time of change and size.
func (d Default) Stamp(ref string) string {
	path, ok := strings.CutPrefix(ref, "file:")
	if !ok {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil {
		return "missing"
	}
	return strconv.FormatInt(info.ModTime().UnixNano(), 36) + "/" + strconv.FormatInt(info.Size(), 36)
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes. Name another as file:PATH", path, maxFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, maxFile+1) // it must not grow: memory that it outgrew could not be cleared
	n, err := io.ReadFull(f, b)
	switch {
	case n > maxFile:
		clear(b)
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxFile)
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		clear(b)
		return nil, err
	}
	return b[:n], nil
}

// taken returns a secret that was read, without its last line breaks, and clears the bytes.
func taken(b []byte) string {
	defer clear(b)
	return string(bytes.TrimRight(b, "\r\n"))
}

// shown returns only the first characters of a text, which may be a token in place of a reference. A few are enough to find it.
func shown(s string) string {
	if len(s) > 6 {
		return s[:4] + "…"
	}
	return s
}
