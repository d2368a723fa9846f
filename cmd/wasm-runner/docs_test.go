package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/sql"
)

var update = flag.Bool("update", false, "write the generated parts and the pictures of the documents anew")

const (
	root   = "../../"
	readme = root + "README.md"
)

// notRun lists commands of the documents that TestDocs_Commands_Run leaves out, and why. One that ends in … means all
// that begin so.
var notRun = map[string]string{
	"make test":                   "it runs this test",
	"make run":                    "TestDemoScript_OnASimulatedOrg_Succeeds runs what it calls",
	"make build":                  "the test built the runner and the module in its place",
	"make attack":                 "takes minutes; CI runs it",
	"make fuzz-long":              "takes an hour",
	"make fuzz":                   "takes a minute for each target",
	"make check":                  "takes minutes; CI runs it",
	"go test ./cmd/wasm-runner …": "it runs this test",
	"podman build …":              "needs a container engine",
	"podman run …":                "needs a container engine",
}

// longCommands are documents whose commands compile and test a copy of the repository.
const longCommands = "docs/write-a-connector.md"

// documents returns the paths of all documents that have commands to run, from the root of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, filepath.ToSlash(rel))
		}
	}
	if len(all) < 15 {
		t.Fatalf("%d documents: %s", len(all), all)
	}
	return all
}

// TestDocs_Commands_Run runs every command of every document's sh blocks: one shell a block, one folder a document. The folder
// looks like a built clone. The real org of the examples is a simulated one, and so are the other services.
func TestDocs_Commands_Run(t *testing.T) {
	t.Parallel()
	ran := map[string]int{}
	for i, document := range documents(t) {
		blocks := shellBlocks(t, filepath.Join(root, document))
		ran[document] = len(blocks)
		if len(blocks) == 0 || testing.Short() && (document == longCommands || document != "README.md" && i%6 != 0) {
			continue // each command is a process
		}
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			d := newDocumentRun(t, document)
			for i, block := range blocks {
				if sql.Available || !strings.Contains(block, " sql ") { // DuckDB may not be in this build
					d.run(t, fmt.Sprintf("block %d", i+1), block)
				}
			}
			if document == "README.md" {
				events, err := os.ReadFile(filepath.Join(d.dir, "events.ndjson"))
				if err != nil || bytes.Count(events, []byte("\n")) < 250 {
					t.Errorf("source wrote %d events, %v", bytes.Count(events, []byte("\n")), err)
				}
			}
		})
	}
	for document, least := range map[string]int{"README.md": 9, "docs/actions.md": 2, "docs/ingest.md": 3, "docs/sql.md": 2} {
		if ran[document] < least {
			t.Errorf("%s has %d sh blocks, want %d", document, ran[document], least)
		}
	}
}

// documentRun is the place where the commands of a document run.
type documentRun struct {
	dir      string
	env      []string
	examples *strings.Replacer // addresses and tokens of the examples by those of this test
}

func newDocumentRun(t *testing.T, document string) *documentRun {
	t.Helper()
	d := &documentRun{dir: t.TempDir()}
	if document == longCommands {
		copyRepository(t, d.dir)
	}
	linked(t, filepath.Join(d.dir, "bin"))
	wasm, err := os.ReadFile(module(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(d.dir, "build"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "build", cli.ModuleName), wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(oktatest.Config{}).Start()
	t.Cleanup(func() { _ = org.Close() })
	search := httptest.NewServer(http.HandlerFunc(serveBulk))
	t.Cleanup(search.Close)
	notes := httptest.NewServer(http.HandlerFunc(serveNotes))
	t.Cleanup(notes.Close)
	d.examples = strings.NewReplacer("https://example.okta.com", org.URL, "00your-token", org.Token(), "https://search.example.com", search.URL,
		"https://notes.example.com", notes.URL)
	if text, err := os.ReadFile(filepath.Join(root, document)); err != nil {
		t.Fatal(err)
	} else if !bytes.Contains(text, []byte("> connections.yaml")) && !bytes.Contains(text, []byte("--connection-file connections.yaml")) {
		file := "connections:\n  - {name: okta-prod, kind: okta, base_url: " + strconv.Quote(org.URL) + ", token_secret_ref: env:OKTA_API_TOKEN, allow_private_network: true}\n"
		if err := os.WriteFile(filepath.Join(d.dir, "connections.yaml"), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.env = append(os.Environ(), "OKTA_API_TOKEN="+org.Token(), "SEARCH_KEY=k", "NOTES_TOKEN=token-of-notes", "XDG_STATE_HOME="+filepath.Join(d.dir, "state"),
		"PATH="+filepath.Join(d.dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	if document != longCommands { // the runner sends a token to the service's own hosts, which are this machine here
		d.env = append(d.env, "WASM_RUNNER_CONFIG=connections.yaml")
	}
	return d
}

var (
	realAddress = regexp.MustCompile(`(?m)^( *)base_url: https://(?:example\.okta|notes\.example)\.com$`)
	checkpoint  = regexp.MustCompile(`--checkpoint[ =]([^\s']+)`)
)

// run runs a block of commands, which must succeed.
func (d *documentRun) run(t *testing.T, name, block string) {
	t.Helper()
	var script []string
	for _, line := range strings.Split(strings.ReplaceAll(block, "\\\n", ""), "\n") {
		if !isNotRun(line) {
			script = append(script, untilCheckpoint(line))
		}
	}
	local := realAddress.ReplaceAllString(strings.Join(script, "\n"), "${0}\n${1}allow_private_network: true") // it is this machine's
	text := d.examples.Replace(local)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	sh := exec.CommandContext(ctx, "sh", "-euc", text)
	sh.Dir, sh.Env, sh.WaitDelay = d.dir, d.env, 5*time.Second
	if out, err := sh.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", name, err, text, out)
	}
}

func isNotRun(line string) bool {
	command, _, _ := strings.Cut(line, " #")
	command = strings.TrimSpace(command)
	for pattern := range notRun {
		if prefix, open := strings.CutSuffix(pattern, "…"); command == pattern || open && strings.HasPrefix(command, prefix) {
			return true
		}
	}
	return false
}

// untilCheckpoint returns a command that follows a log as one that is stopped once it has saved its checkpoint.
func untilCheckpoint(line string) string {
	file := checkpoint.FindStringSubmatch(line)
	if !strings.Contains(line, " --follow") || file == nil {
		return line
	}
	return fmt.Sprintf("%s & follower=$!\nuntil [ -s %s ]; do kill -0 $follower; sleep 0.05; done\nkill $follower\nwait $follower", line, file[1])
}

// copyRepository copies what a connector is built and tested with.
func copyRepository(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"abi", "build", "guest", "host", "internal"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serveBulk takes whatever is sent to a _bulk API.
func serveBulk(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !strings.HasSuffix(r.URL.Path, "/_bulk") || r.Header.Get("Authorization") != "ApiKey k" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var items []string
	for line := range strings.Lines(string(body)) {
		if action, _, ok := strings.Cut(strings.TrimPrefix(line, `{"`), `":{"_`); ok && (action == "index" || action == "create") {
			items = append(items, `{"`+action+`":{"status":201}}`)
		}
	}
	_, _ = io.WriteString(w, `{"errors":false,"items":[`+strings.Join(items, ",")+`]}`)
}

// serveNotes is the service of guest/template, with one note.
func serveNotes(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Notes-Request-Id", "r1")
	w.Header().Set("Content-Type", "application/json")
	note := map[string]string{"id": "n1", "title": "Note 1", "tag": "work", "updated_at": "2026-01-02T03:04:05Z"}
	switch {
	case r.URL.Path == "/v1/notes":
		_ = json.NewEncoder(w).Encode([]any{note})
		return
	case r.Method == http.MethodPut:
		_ = json.NewDecoder(r.Body).Decode(&note)
		note["updated_at"] = "2026-01-02T03:04:06Z"
	}
	_ = json.NewEncoder(w).Encode(note)
}

// shellBlocks are the ```sh blocks of a file, without the indent that they have in a list.
func shellBlocks(t *testing.T, path string) []string { return codeBlocks(t, path, "sh") }

// codeBlocks are the code blocks of a file in one language, without the indent that they have in a list.
func codeBlocks(t *testing.T, path, language string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var blocks []string
	inside, indent := false, ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		switch trimmed := strings.TrimLeft(line, " "); {
		case trimmed == "```"+language:
			inside, indent = true, strings.TrimSuffix(line, "```"+language)
			blocks = append(blocks, "")
		case inside && trimmed == "```":
			inside = false
		case inside:
			blocks[len(blocks)-1] += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	return blocks
}

// TestTroubleshooting_QuotedMessages_AreInTheSource: a reader searches for the message that they saw.
func TestTroubleshooting_QuotedMessages_AreInTheSource(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile("(?s)```.*?```|`[^`]*`").ReplaceAllString(string(page), "")
	quoted := regexp.MustCompile(`"([^"\n]+)"`).FindAllStringSubmatch(text, -1)
	if len(quoted) < 10 {
		t.Errorf("%d messages are quoted", len(quoted))
	}
	var source strings.Builder
	for _, folder := range []string{"cmd", "guest", "host"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			source.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range quoted {
		if !strings.Contains(source.String(), q[1]) {
			t.Errorf("docs/troubleshooting.md quotes %q, which no message has", q[1])
		}
	}
}

// TestDemoScript_OnASimulatedOrg_Succeeds runs the script of make run.
func TestDemoScript_OnASimulatedOrg_Succeeds(t *testing.T) {
	t.Parallel()
	runner := linked(t, t.TempDir())
	sh := exec.CommandContext(t.Context(), "sh", "demo.sh", runner)
	sh.Env = append(os.Environ(), "DEMO_MODULE="+module(t))
	out, err := sh.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("[exit code 3]")) {
		t.Errorf("%v\n%s", err, out)
	}
}
