package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/audit"
	"github.com/mach5/okta-connector/host/sql"
)

// TestDescribe_EveryExample_Runs runs each command line that describe shows for each operation, against the org of --demo.
func TestDescribe_EveryExample_Runs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	linked(t, dir)
	env := append(os.Environ(), "WASM_RUNNER_MODULE="+module(t), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	sh := func(t *testing.T, command string) ([]byte, []byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir, cmd.Env = t.TempDir(), env
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		return stdout.Bytes(), stderr.Bytes(), err
	}
	text, _, err := sh(t, "wasm-runner describe --format json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest abi.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for i, op := range manifest.Operations {
		if testing.Short() && i%9 != 0 {
			continue // each example is a process
		}
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			text, _, err := sh(t, "wasm-runner describe "+op.Name)
			if err != nil {
				t.Fatal(err)
			}
			_, examples, _ := strings.Cut(string(text), "\nExamples\n")
			examples, _, _ = strings.Cut(examples, "\n\n")
			if examples == "" {
				t.Fatal("no examples")
			}
			for line := range strings.Lines(examples) {
				command := strings.Replace(strings.TrimSpace(line), "wasm-runner ", "wasm-runner --demo ", 1)
				if strings.Contains(command, " source ") {
					command += " --once"
				}
				out, stderr, err := sh(t, command)
				if err != nil || !strings.Contains(command, " source ") && len(out) == 0 {
					t.Errorf("%s\n%v\n%s%s", command, err, out, stderr)
				}
				if strings.Contains(command, " invoke ") && !bytes.Contains(out, []byte(`"outcome":"succeeded"`)) && op.Name != "revoke_role" && op.Name != "remove_group_member" {
					t.Errorf("%s\n%s", command, out)
				}
			}
		})
	}
}

// TestHelp_EveryExample_Runs runs each command line of every --help. Those without --demo use a simulated org. A command that does not end by itself
// is stopped when it has done its work.
func TestHelp_EveryExample_Runs(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	linked(t, path)
	// jq may be missing. This replacement needs input, and prints it.
	jq := "#!/bin/sh\ntext=$(cat)\n[ -n \"$text\" ] && printf '%s\\n' \"$text\"\n"
	if err := os.WriteFile(filepath.Join(path, "jq"), []byte(jq), 0o700); err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(oktatest.Config{}).Start()
	defer func() { _ = org.Close() }()
	if err := os.WriteFile(filepath.Join(path, "vault"), []byte("#!/bin/sh\necho "+org.Token()+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var posted atomic.Int64
	search := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/okta-okta-prod/_bulk" || r.Header.Get("Authorization") != "ApiKey k" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		items := bytes.Count(body, []byte("\n")) / 2
		posted.Add(int64(items))
		_, _ = io.WriteString(w, `{"errors":false,"items":[`+strings.TrimSuffix(strings.Repeat(`{"index":{"status":201}},`, items), ",")+`]}`)
	}))
	defer search.Close()
	files := map[string]string{
		"connections.yaml": "connections:\n  - {name: okta-prod, kind: okta, base_url: " + strconv.Quote(org.URL) + ", token_secret_ref: env:OKTA_API_TOKEN, allow_private_network: true}\n",
		"range.json":       recent(`{"since":"2026-01-01T00:00:00Z","until":"2026-01-01T12:00:00Z"}`, time.Now()),
		"report.sql":       "CREATE TABLE locked AS FROM okta.users WHERE status = 'LOCKED_OUT';\nFROM locked;\n",
		"recorded.jsonl":   `{"endpoint":"GET /api/v1/logs","method":"GET","path":"/api/v1/logs","query":"","request_body":"","status":200,"headers":{},"body":"[]"}` + "\n",
	}
	audits := filepath.Join(t.TempDir(), "audit.ndjson")
	for _, name := range []string{"audit.ndjson.1", "audit.ndjson"} { // the second continues the first
		f, err := audit.Open(audits)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Audit(t.Context(), audit.Record{Time: time.Now(), BaseURL: org.URL, Operation: "deactivate_user", Outcome: abi.Unchanged}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(audits)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
		_ = f.Close()
		if err := os.Rename(audits, audits+".1"); err != nil {
			t.Fatal(err)
		}
	}
	// Values that belong to a real org, service or machine.
	ours := strings.NewReplacer("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", audit.Hash([]byte(strings.TrimSuffix(files["audit.ndjson"], "\n"))),
		"00u1abcd", org.UserIDs()[4], "https://search.example.com", search.URL, "--metrics 9464", "--metrics 0")
	env := append(os.Environ(), "WASM_RUNNER_MODULE="+module(t), "PATH="+path+string(os.PathListSeparator)+os.Getenv("PATH"),
		"OKTA_API_TOKEN="+org.Token(), "SEARCH_KEY=k", "WASM_RUNNER_CONFIG=connections.yaml")
	ran := 0
	var walk func(*testing.T, *cobra.Command)
	walk = func(t *testing.T, c *cobra.Command) {
		for _, example := range examplesOf(c) {
			if !sql.Available && strings.Contains(example, " sql ") {
				continue // DuckDB is not in this build
			}
			if ran++; testing.Short() && ran%4 != 0 && !strings.Contains(example, "search.example.com") {
				continue // each example is a process or several
			}
			t.Run(example, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for name, text := range files {
					if name == "connections.yaml" && (strings.Contains(example, " simulate ") || strings.Contains(example, "wasm-runner login ")) {
						continue // it is made
					}
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				command := ended(ours.Replace(example))
				if strings.Contains(example, "wasm-runner login ") { // without a terminal it asks for nothing
					command += " --allow-private-network --base-url " + org.URL
					if strings.Contains(example, "--client-id") {
						return // TestLogin_WithAServiceApp_SavesNoKey runs it, with an app
					}
				}
				sh := exec.CommandContext(ctx, "sh", "-euc", command)
				sh.Stdin = strings.NewReader(org.Token())
				sh.Dir, sh.Env, sh.WaitDelay = dir, env, 5*time.Second
				var stdout, stderr bytes.Buffer
				sh.Stdout, sh.Stderr = &stdout, &stderr
				if err := sh.Run(); err != nil {
					t.Errorf("%v\n%s%s", err, &stdout, &stderr)
				}
				if strings.Contains(example, "| jq") {
					for d := json.NewDecoder(&stdout); ; {
						var v any
						if err := d.Decode(&v); errors.Is(err, io.EOF) {
							break
						} else if err != nil {
							t.Fatalf("what jq gets is not JSON: %v", err)
						}
					}
				}
			})
		}
		for _, sub := range c.Commands() {
			walk(t, sub)
		}
	}
	t.Run("all", func(t *testing.T) { walk(t, newRoot(cli.NewApp(cli.Streams{}, os.LookupEnv))) }) // returns when all subtests have ended
	if ran < 25 {
		t.Errorf("%d examples", ran)
	}
	if posted.Load() < 250 { // other examples may post more
		t.Errorf("%d events were posted", posted.Load())
	}
}

// examplesOf returns the examples of a command. An example has one line, or several after one that ends with \ or &.
func examplesOf(c *cobra.Command) (all []string) {
	var example []string
	for line := range strings.Lines(c.Example) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if example = append(example, line); !strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, "&") {
			all = append(all, strings.Join(example, "\n"))
			example = nil
		}
	}
	return all
}

// ended returns an example as a script that ends. It stops a source that follows a log after its first checkpoint, and a server
// when it has printed its address.
func ended(example string) string {
	example = strings.ReplaceAll(example, "\\\n", "")
	var script strings.Builder
	until := func(command, condition string) {
		fmt.Fprintf(&script, "%s &\nuntil %s; do kill -0 $!; sleep 0.02; done\n", command, condition)
	}
	first, rest, inBackground := strings.Cut(example, "&\n")
	switch {
	case inBackground:
		until(first, "[ -s org.yaml ]")
		script.WriteString(rest + "\n")
	case strings.Contains(example, " simulate "):
		until(example+" >served", "[ -s served ]")
	case strings.Contains(example, " --follow"):
		until(example, "[ -s cp.json ] || [ -s state/okta-prod.json ]")
	default:
		return example
	}
	script.WriteString("kill $!\nwait $!\n")
	return script.String()
}
