package source

import (
	"os"
	"path/filepath"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/durable"
)

// checkDistinctFiles returns an error if the file of a flag is one of those that hold the checkpoint. The next checkpoint would
// replace the records in it, and the run would still succeed. Either path may be "" or "-", for no file.
func checkDistinctFiles(flag, out, checkpoint string) error {
	if out == "" || out == "-" || checkpoint == "" {
		return nil
	}
	there := durable.Resolve(checkpoint) // the lock and the new checkpoint are next to the target of a link
	for _, kept := range []string{there, there + ".lock", there + ".new", checkpoint + ".keys", checkpoint + ".keys.new"} {
		if sameFile(out, kept) {
			return cli.Usagef("%s %s is also a file of --checkpoint %s: name another file for the records", flag, out, checkpoint)
		}
	}
	return nil
}

// sameFile reports whether two paths lead to the same file, which need not exist yet.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return errA != nil && errB != nil && resolved(a) == resolved(b)
}

// resolved returns where a file would be created.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Clean(durable.Resolve(path))
}
