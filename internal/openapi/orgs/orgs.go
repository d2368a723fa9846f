// Package orgs checks all requests and responses of simulated orgs in a test run with Okta's OpenAPI document.
package orgs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/internal/openapi"
)

// violationsFile is the environment variable that names the file for violations. Processes that tests start use it
// too.
const violationsFile = "OKTA_OPENAPI_VIOLATIONS"

// sampleVariable is the environment variable that a short test run sets: Watch then checks a sample of each long list.
const sampleVariable = "OKTA_OPENAPI_SAMPLE"

// Main runs the tests of a package and returns the exit code. It is 1 also if a request or response of an org
// violated the document. A request that the org refused with 4xx is not checked, since tests send wrong ones on
// purpose. Benchmarks are not checked, since the check would be what they measure. With -short, the check reads a sample of the
// elements of a long list.
//
//	func TestMain(m *testing.M) { os.Exit(orgs.Main(m)) }
func Main(m *testing.M) int {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	return code
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		return m.Run(), nil
	}
	document, err := openapi.File()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "orgs")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "violations")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return 1, err
	}
	variables := map[string]string{openapi.FileVariable: document, violationsFile: file}
	if testing.Short() {
		variables[sampleVariable] = "1"
	}
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	Watch()
	code = m.Run()
	found, err := os.ReadFile(file)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("%d exchanges with a simulated org violate Okta's OpenAPI document:\n%.20000s",
			strings.Count(string(found), "\n\n"), found)
	}
	return code, err
}

// Variables returns the environment for processes that a test starts and that call Watch.
func Variables() (vars []string) {
	for _, name := range []string{openapi.FileVariable, violationsFile, sampleVariable} {
		vars = append(vars, name+"="+os.Getenv(name))
	}
	return vars
}

// Watch checks all orgs that this process creates from now on, if a test run set the variables.
func Watch() {
	file := os.Getenv(violationsFile)
	if file == "" {
		return
	}
	// The files are opened now: a process that confines itself cannot open them later.
	f, opened := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err := openapi.Open(); opened == nil {
		opened = err
	}
	var mu sync.Mutex
	report := func(err error, body []byte) {
		if err == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if opened == nil {
			_, opened = fmt.Fprintf(f, "%s\nbody: %.1000q\n\n", strings.ReplaceAll(err.Error(), "\n\n", "\n"), body)
		}
		if opened != nil {
			panic(fmt.Sprintf("orgs: %v, and it cannot be reported: %v", err, opened))
		}
	}
	oktatest.Watch = func(e oktatest.Exchange) {
		judge, err := openapi.Load()
		if err != nil {
			report(err, nil)
			return
		}
		if e.Status < 400 || e.Status > 499 {
			report(judge.CheckRequest(e.Request, e.Body), e.Body)
		}
		answer := e.Answer
		if os.Getenv(sampleVariable) != "" {
			answer = sample(answer)
		}
		report(judge.CheckAnswer(e.Request, e.Status, e.Header, answer), answer)
	}
}

// sampled is the number of elements that a sample has.
const sampled = 8

// sample returns a list of at most sampled elements of a list, spread evenly, with the first and the last. Any other text is
// returned as it is.
func sample(text []byte) []byte {
	var all []json.RawMessage
	if !bytes.HasPrefix(text, []byte("[")) || json.Unmarshal(text, &all) != nil || len(all) <= sampled {
		return text
	}
	kept := make([][]byte, sampled)
	for i := range kept {
		kept[i] = all[i*(len(all)-1)/(sampled-1)]
	}
	return slices.Concat([]byte("["), bytes.Join(kept, []byte(",")), []byte("]"))
}
