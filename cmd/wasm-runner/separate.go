package main

import (
	"os"
	"path/filepath"
)

// separate wants --out to be none of the files that keep a checkpoint: what the sink appends would be gone with the next
// checkpoint, and the run would still succeed. Either may be "" or "-", for none.
func separate(out, checkpoint string) error {
	if out == "" || out == "-" || checkpoint == "" {
		return nil
	}
	for _, kept := range []string{checkpoint, checkpoint + ".lock", checkpoint + ".new", checkpoint + ".keys", checkpoint + ".keys.new"} {
		if sameFile(out, kept) {
			return usagef("--out %s is a file of --checkpoint %s: records and checkpoint want files of their own", out, checkpoint)
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

// resolved is where a file would be made: links of its folder, and a link in its own place that leads to nothing yet, are
// followed.
func resolved(path string) string {
	for range 40 { // as many links as a system follows
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(folder, filepath.Base(path))
	}
	return filepath.Clean(path)
}
