package source

import (
	"os"
	"path/filepath"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/durable"
)

// checkDistinctFiles wants the file of a flag to be none of those that keep a checkpoint: what is appended to it would be gone with the
// next checkpoint, and the run would still succeed. Either may be "" or "-", for none.
func checkDistinctFiles(flag, out, checkpoint string) error {
	if out == "" || out == "-" || checkpoint == "" {
		return nil
	}
	there := durable.Resolve(checkpoint) // beside which the checkpoint's own files are
	for _, kept := range []string{there, there + ".lock", there + ".new", checkpoint + ".keys", checkpoint + ".keys.new"} {
		if sameFile(out, kept) {
			return cli.Usagef("%s %s is a file of --checkpoint %s: records and checkpoint want files of their own", flag, out, checkpoint)
		}
	}
	return nil
}

// sameFile reports whether two paths lead to one file, whether it is there already or not.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return errA != nil && errB != nil && resolved(a) == resolved(b)
}

// resolved is where a file would be made.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Clean(durable.Resolve(path))
}
