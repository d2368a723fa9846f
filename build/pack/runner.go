package pack

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Runner builds wasm-runner with an embedded module, like make build, and writes it to path. Unlike make build, it writes
// nothing into the checkout, so tests and benchmarks may call it. ldflags are the linker's flags and may be empty.
func Runner(ctx context.Context, path string, wasm []byte, ldflags string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "runner")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const name = "okta.wasm"
	overlay := map[string]string{} // replaces the files that make build writes into build/embedded
	for file, content := range map[string][]byte{
		name:             wasm,
		name + ".sha256": fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(wasm), name),
	} {
		there := filepath.Join(dir, file)
		if err := os.WriteFile(there, content, 0o600); err != nil {
			return err
		}
		overlay[filepath.Join(root, "build", "embedded", file)] = there
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, list, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "embed", "-overlay", overlayFile, "-ldflags", ldflags, "-o", path, "./cmd/wasm-runner")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/wasm-runner: %w\n%s", err, out)
	}
	return nil
}
