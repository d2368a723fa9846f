package pack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Locate finds the folder of a connector's package: seen from the working directory, else from the root of this checkout. It returns
// the root of the Go module that the folder is in, and the package as a path in that module. A connector may be in any Go module that
// requires this one.
func Locate(folder string) (module, pkg string, err error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", "", err
	}
	starts := []string{wd}
	if root, err := Root(); err == nil && root != wd {
		starts = append(starts, root)
	}
	for _, start := range starts {
		dir := folder
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(start, filepath.FromSlash(folder))
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		return inModule(dir)
	}
	return "", "", fmt.Errorf("there is no folder %s in %s: give the folder of the connector's package main, such as ./desk: %w",
		folder, strings.Join(starts, " or "), fs.ErrNotExist)
}

// inModule returns the root of the Go module of a folder, and the folder's package as a path in it.
func inModule(dir string) (module, pkg string, err error) {
	dir, err = filepath.EvalSymlinks(dir)
	if err != nil {
		return "", "", err
	}
	for module = dir; ; module = filepath.Dir(module) {
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if module == filepath.Dir(module) {
			return "", "", fmt.Errorf("%s is in no Go module: run go mod init, and go get %s", dir, modulePath)
		}
	}
	rel, err := filepath.Rel(module, dir)
	if err != nil {
		return "", "", err
	}
	return module, "./" + filepath.ToSlash(rel), nil
}
