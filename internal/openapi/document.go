package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Okta's document is 3 MB, and parsing it takes seconds. It is regular, so it is split into paths and components by
// indentation. A path and what it refers to are parsed when the path is first used.

const documentModule = "github.com/okta/okta-sdk-golang/v6"

// document is Okta's document, split but not parsed.
type document struct {
	head       []byte            // the text before the paths
	paths      map[string][]byte // by template
	components map[string][]byte // by "schemas/Name"
}

// FileVariable is the environment variable that may name the document's file, for a process in which go list would
// not find it.
const FileVariable = "OKTA_OPENAPI_DOCUMENT"

// File returns the path of the document in the module cache. It downloads the module if necessary, since no package
// that is always built imports it.
func File() (string, error) {
	if file := os.Getenv(FileVariable); file != "" {
		return file, nil
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", documentModule).Output()
	if err != nil {
		return "", fmt.Errorf("find %s with go list: %w", documentModule, err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		if out, err = exec.Command("go", "mod", "download", "-json", documentModule).Output(); err != nil {
			return "", fmt.Errorf("download %s, which has Okta's OpenAPI document, with go mod download: %w: %s", documentModule, err, out)
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(out, &module); err != nil {
			return "", fmt.Errorf("go mod download -json %s: %w", documentModule, err)
		}
		dir = module.Dir
	}
	return filepath.Join(dir, "okta", "api", "openapi.yaml"), nil
}

func readDocument(r io.Reader) (*document, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read Okta's OpenAPI document: %w", err)
	}
	return cut(text)
}

// cut splits the document: paths are keys at indentation 2 below paths, and components keys at 4 below components.
func cut(text []byte) (*document, error) {
	d := &document{paths: map[string][]byte{}, components: map[string][]byte{}}
	section, group := "", ""
	var into map[string][]byte
	var name string
	var start int
	end := func(at int) {
		if into != nil && name != "" {
			into[name] = text[start:at]
		}
		into, name = nil, ""
	}
	for at := 0; at < len(text); {
		length := bytes.IndexByte(text[at:], '\n') + 1
		if length == 0 {
			length = len(text) - at
		}
		line := text[at : at+length]
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		if key, ok := keyOf(line); ok {
			switch {
			case indent == 0:
				end(at)
				section, group = key, ""
				if section == "paths" {
					d.head = text[:at]
				}
			case section == "paths" && indent == 2:
				end(at)
				into, name, start = d.paths, key, at
			case section == "components" && indent == 2:
				end(at)
				group = key
			case section == "components" && indent == 4:
				end(at)
				into, name, start = d.components, group+"/"+key, at
			}
		}
		at += length
	}
	end(len(text))
	if len(d.paths) == 0 || len(d.components) == 0 {
		return nil, fmt.Errorf("found only %d paths and %d components in Okta's OpenAPI document", len(d.paths), len(d.components))
	}
	return d, nil
}

// keyOf returns the mapping key at the start of a line, if the line is not a list element.
func keyOf(line []byte) (string, bool) {
	text := strings.TrimSpace(string(line))
	if text == "" || text[0] == '-' || text[0] == '#' {
		return "", false
	}
	key, _, ok := strings.Cut(text, ":")
	return strings.Trim(key, `"'`), ok && !strings.Contains(key, " ")
}

var reference = regexp.MustCompile(`#/components/([a-zA-Z]+/[A-Za-z0-9_.-]+)`)

// load parses one path and everything that it refers to.
func (d *document) load(template string) (*openapi3.T, error) {
	grouped := map[string][]string{}
	seen := map[string]bool{}
	pending := [][]byte{d.paths[template]}
	want := func(name string) {
		if !seen[name] {
			seen[name] = true
			group, _, _ := strings.Cut(name, "/")
			grouped[group] = append(grouped[group], name)
			pending = append(pending, d.components[name])
		}
	}
	want("schemas/Error") // for refusals that the document lacks
	for len(pending) > 0 {
		text := pending[0]
		pending = pending[1:]
		for _, m := range reference.FindAllSubmatch(text, -1) {
			want(string(m[1]))
		}
	}
	var out bytes.Buffer
	out.WriteString("openapi: 3.0.3\ninfo: {title: Okta, version: '1'}\npaths:\n")
	out.Write(d.paths[template])
	out.WriteString("components:\n")
	for _, group := range slices.Sorted(maps.Keys(grouped)) {
		fmt.Fprintf(&out, "  %s:\n", group)
		for _, name := range grouped[group] {
			out.Write(d.components[name])
		}
	}
	doc, err := openapi3.NewLoader().LoadFromData(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("read %s of Okta's OpenAPI document: %w", template, err)
	}
	return doc, nil
}
