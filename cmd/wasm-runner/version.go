package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
)

// make build sets these with -ldflags -X. Without them, Go's own build information is used.
var (
	stampVersion  string
	stampCommit   string
	stampModified string // "true" where the checkout differed from the commit
)

// version returns the version and commit of this program, its ABI, and the Go that built it.
func version() string {
	v, commit := build()
	return fmt.Sprintf("%s, commit %s, ABI %s minor %d, %s %s/%s", v, commit, abi.Version, abi.Minor, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// build returns the version and commit of this program.
func build() (v, commit string) {
	v, commit = stampVersion, stampCommit
	modified := stampModified == "true"
	if info, ok := debug.ReadBuildInfo(); ok {
		if v == "" {
			v = info.Main.Version
		}
		if commit == "" {
			for _, s := range info.Settings {
				switch s.Key {
				case "vcs.revision":
					commit = s.Value
				case "vcs.modified":
					modified = s.Value == "true"
				}
			}
		}
	}
	if v == "" {
		v = "(devel)"
	}
	switch {
	case commit == "":
		commit = "unknown"
	case modified:
		commit += " (modified)"
	}
	return v, commit
}

// printVersion prints the version of this program and the checksum of the module that it would run. An unreadable module is
// printed, not returned as an error: --version must work everywhere.
func printVersion(a *cli.App) error {
	module := ""
	found, err := a.FindModule()
	switch {
	case err != nil:
		module = "none: " + term.OneLine(err.Error())
	case found.Sum == "":
		sum := sha256.Sum256(found.Wasm)
		found.Sum = hex.EncodeToString(sum[:])
		fallthrough
	default:
		module = fmt.Sprintf("SHA-256 %s, %s", found.Sum, found.From)
	}
	_, err = fmt.Fprintf(a.Stdout, "wasm-runner %s\nmodule %s\n", version(), module)
	return err
}
