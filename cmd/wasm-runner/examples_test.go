package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// TestEveryExampleRuns runs each command line that describe shows for each operation, against the org of --demo.
func TestEveryExampleRuns(t *testing.T) {
	dir := t.TempDir()
	linked(t, dir)
	env := append(os.Environ(), "WASM_RUNNER_MODULE="+module(t), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	sh := func(command string) ([]byte, []byte, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Dir, cmd.Env = dir, env
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		return stdout.Bytes(), stderr.Bytes(), err
	}
	text, _, err := sh("wasm-runner describe --format json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest abi.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, op := range manifest.Operations {
		t.Run(op.Name, func(t *testing.T) {
			text, _, err := sh("wasm-runner describe " + op.Name)
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
				out, stderr, err := sh(command)
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
