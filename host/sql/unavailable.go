//go:build !(cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64)))

package sql

import (
	"context"
	"fmt"
	"iter"
	"runtime"

	"github.com/mach5/okta-connector/host/compile"
)

// RunChildIfAsked is compile.RunChildIfAsked: there is no SQL process.
func RunChildIfAsked() { compile.RunChildIfAsked() }

// Available reports whether DuckDB is in this build.
const Available = false

// DB is a database; see the other build.
type DB struct{}

// Open says what is missing.
func Open(context.Context, Config) (*DB, error) {
	return nil, fmt.Errorf("%w: DuckDB needs cgo: build with CGO_ENABLED=1, a C compiler and the C++ library (g++), for "+
		"Linux or macOS on amd64 or arm64, or Windows on amd64; this is %s/%s without it", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
}

// Run is never reached.
func (*DB) Run(context.Context, string, func(*Result) error) error { return ErrUnavailable }

// Complete is never reached.
func (*DB) Complete(context.Context, string) []Completion { return nil }

// Close is never reached.
func (*DB) Close() error { return ErrUnavailable }

// Rows is never reached.
func (*Result) Rows() iter.Seq2[[]any, error] { return func(func([]any, error) bool) {} }
