package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
)

var update = flag.Bool("update", false, "write the generated parts of README.md anew")

const readme = "../../README.md"

// notRun are the commands of README.md that TestReadmeCommands does not run, and why.
var notRun = map[string]string{
	"make test":  "is what runs this test",
	"make run":   "TestDemoScript runs what it calls",
	"make build": "the test built the runner and the module in its place",
	"make bench": "takes minutes, and says nothing on a busy machine",
}

// TestReadmeIsGenerated compares what README.md says of operations and outcomes with what the module and the runner say.
func TestReadmeIsGenerated(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for name, generated := range map[string]string{"operations": operationsTable(t), "outcomes": outcomesTable()} {
		part := regexp.MustCompile(`(?s)(<!-- ` + name + `: [^\n]*-->\n).*?(<!-- end of ` + name + ` -->)`)
		if !part.Match(want) {
			t.Fatalf("README.md has no part %q", name)
		}
		want = part.ReplaceAllFunc(want, func(old []byte) []byte {
			m := part.FindSubmatch(old)
			return []byte(string(m[1]) + "\n" + generated + "\n" + string(m[2]))
		})
	}
	if bytes.Equal(text, want) {
		return
	}
	if !*update {
		t.Fatal("README.md is stale: go test ./cmd/wasm-runner -run TestReadme -update")
	}
	if err := os.WriteFile(readme, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

func operationsTable(t *testing.T) string {
	m := hosttest.Connector.Module(t)
	var b strings.Builder
	fmt.Fprintf(&b, "%d operations:\n\n| operation | class | surfaces | |\n|---|---|---|---|\n", len(m.Manifest().Operations))
	for i := range m.Manifest().Operations {
		op := &m.Manifest().Operations[i]
		class := string(op.Class)
		var others []string
		for _, r := range op.ClassRules {
			if !strings.Contains(strings.Join(others, " "), string(r.Class)) {
				others = append(others, string(r.Class))
			}
		}
		if others != nil {
			class += " (by input: " + strings.Join(others, ", ") + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", op.Name, class, surfaces(op), strings.ReplaceAll(cli.FirstSentence(op.Summary), "|", `\|`))
	}
	return b.String()
}

func outcomesTable() string {
	says := map[abi.Outcome][3]string{ // meaning, did anything change, repeat?
		abi.Succeeded:   {"what was wanted holds; with `meta.reconciled`, an answer was lost and reading back settled it", "yes", "no need"},
		abi.Unchanged:   {"it already was so", "no", "no need"},
		abi.Planned:     {"a plan (`--plan`): nothing was sent, `plan.writes` would be", "no", "without `--plan`, to do it"},
		abi.Invalid:     {"the input broke the schema; nothing was sent", "no", "after correcting the input"},
		abi.Denied:      {"not granted, or not approved; no write left", "no", "after granting the class, or approval"},
		abi.NotFound:    {"the target is not there", "no", "no"},
		abi.Rejected:    {"Okta refused, or the operation did", "no¹", "when `retryable`, else after correcting what `message` says"},
		abi.Throttled:   {"over Okta's rate limit, or the connection's ceiling, for longer than the time given", "no¹", "after `retry_after_ms`"},
		abi.Unavailable: {"Okta or the network failed; the write was not sent, or reading back found nothing", "no¹", "when `retryable`, else after correcting the connection"},
		abi.Unknown:     {"a write was sent, no answer came, and reading back could not settle it", "perhaps", "no: look first"},
		abi.Failed:      {"a bug of the connector or its host, or a module that overstepped its grant", "where `meta.requests` has a write", "no: report it"},
	}
	var b strings.Builder
	b.WriteString("| outcome | exit code | meaning | changed? | repeat? |\n|---|---|---|---|---|\n")
	for _, o := range abi.Outcomes() {
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s |\n", o, cli.OutcomeCode(o), says[o][0], says[o][1], says[o][2])
	}
	return b.String()
}

// TestReadmeCommands runs every command of README.md's sh blocks, one shell a block, in a folder that looks like a built
// clone. The real org of the examples is a simulated one.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	linked(t, filepath.Join(dir, "bin"))
	wasm, err := os.ReadFile(module(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "build"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "build", cli.ModuleName), wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	org := oktatest.New(oktatest.Config{}).Start()
	t.Cleanup(func() { _ = org.Close() })

	blocks := shellBlocks(t, readme)
	if len(blocks) < 4 {
		t.Fatalf("%d sh blocks in README.md", len(blocks))
	}
	blocks = append(blocks, shellBlocks(t, "../../docs/actions.md")...)
	for i, block := range blocks {
		if !sql.Available && strings.Contains(block, " sql ") {
			continue // DuckDB is not in this build
		}
		var script []string
		for _, line := range strings.Split(block, "\n") {
			command, _, _ := strings.Cut(line, " #")
			if _, skipped := notRun[strings.TrimSpace(command)]; !skipped {
				script = append(script, line)
			}
		}
		local := regexp.MustCompile(`(?m)^( *)base_url: https://example.okta.com$`).ReplaceAllString(strings.Join(script, "\n"),
			"${0}\n${1}allow_private_network: true") // the org of this test is this machine's
		text := strings.NewReplacer("https://example.okta.com", org.URL, "00your-token", org.Token()).Replace(local)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		sh := exec.CommandContext(ctx, "sh", "-euc", text)
		sh.Dir = dir
		sh.Env = append(os.Environ(), "OKTA_API_TOKEN="+org.Token())
		sh.WaitDelay = 5 * time.Second
		out, err := sh.CombinedOutput()
		cancel()
		if err != nil {
			t.Errorf("block %d: %v\n%s\n%s", i+1, err, text, out)
		}
	}
	events, err := os.ReadFile(filepath.Join(dir, "events.ndjson"))
	if err != nil || bytes.Count(events, []byte("\n")) < 250 {
		t.Errorf("source wrote %d events, %v", bytes.Count(events, []byte("\n")), err)
	}
}

// shellBlocks are the ```sh blocks of a file, without the indent that they have in a list.
func shellBlocks(t *testing.T, path string) []string {
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
		case trimmed == "```sh":
			inside, indent = true, strings.TrimSuffix(line, "```sh")
			blocks = append(blocks, "")
		case inside && trimmed == "```":
			inside = false
		case inside:
			blocks[len(blocks)-1] += strings.TrimPrefix(line, indent) + "\n"
		}
	}
	return blocks
}

// TestDemoScript runs what make run does.
func TestDemoScript(t *testing.T) {
	t.Parallel()
	runner := linked(t, t.TempDir())
	sh := exec.CommandContext(t.Context(), "sh", "demo.sh", runner)
	sh.Env = append(os.Environ(), "WASM_RUNNER_MODULE="+module(t))
	out, err := sh.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("[exit code 3]")) {
		t.Errorf("%v\n%s", err, out)
	}
}
