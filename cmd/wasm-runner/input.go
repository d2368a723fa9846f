package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mach5/okta-connector/host"
)

// readJSON reads an input argument: JSON as it stands, @file, or - for stdin; an empty one is no input. Whether it fits
// the operation is for the host to say.
func (a *app) readJSON(arg string) (json.RawMessage, error) {
	var text []byte
	var err error
	switch path, isFile := strings.CutPrefix(arg, "@"); {
	case arg == "":
		return nil, nil
	case arg == "-" && a.flags.config == "-":
		return nil, usagef("--config and the input are both standard input: name a file for one of them")
	case arg == "-":
		text, err = bounded(a.stdin)
	case isFile:
		var f *os.File
		if f, err = os.Open(path); err == nil {
			text, err = bounded(f)
			_ = f.Close() // read only
		}
	default:
		text = []byte(arg)
	}
	if err != nil {
		return nil, usagef("input: %w", err)
	}
	if len(text) > host.MaxInput {
		return nil, usagef("input: over %d bytes", host.MaxInput)
	}
	if !json.Valid(text) {
		return nil, usagef("input: not JSON: %w (in a shell, put it into single quotes)", whyNotJSON(text))
	}
	return text, nil
}

func bounded(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, host.MaxInput+1)) }

// whyNotJSON is the parser's reason, which has no more than a character of the input in it.
func whyNotJSON(text []byte) error {
	var v json.RawMessage
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return fmt.Errorf("unreadable")
}
