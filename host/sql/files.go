//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/internal/trust"
)

// prepareFiles checks the database and the folders of the configuration, and completes the setup.
func (db *DB) prepareFiles() error {
	if db.config.Database != "" {
		if err := checkDatabase(db.config.Database, func(path string) {
			db.log.Warn("the database can be read by other users: chmod 600 keeps them out", "database", path)
		}); err != nil {
			return err
		}
		db.setup.Around = []string{filepath.Dir(db.config.Database)}
		if target, err := filepath.EvalSymlinks(db.config.Database); err == nil { // else it is not there yet
			db.setup.Around = append(db.setup.Around, filepath.Dir(target))
		}
	}
	if !db.config.AllowFiles {
		return nil
	}
	where := "."
	for _, folder := range db.config.Folders {
		full, err := filepath.Abs(folder)
		if err != nil {
			return err
		}
		if info, err := os.Stat(full); err != nil || !info.IsDir() {
			return fmt.Errorf("%s is no folder that queries could use: make it, or name another", folder)
		}
		db.setup.Folders = append(db.setup.Folders, full)
		where = db.setup.Folders[0]
	}
	// A name of its own: what a process that was killed leaves there is removed, and nothing else.
	var random [8]byte
	_, _ = rand.Read(random[:]) // it cannot fail
	full, err := filepath.Abs(filepath.Join(where, ".wasm-runner-"+hex.EncodeToString(random[:])+".tmp"))
	db.setup.TempDir = full
	return err
}

// checkDatabase refuses a database that another user could have written: it decides what later queries read.
func checkDatabase(path string, open func(path string)) error {
	folder := filepath.Dir(path)
	if _, err := os.Stat(folder); err != nil {
		return fmt.Errorf("database %s: %w", path, durable.NoFolder(path, err))
	}
	if err := trust.File(folder); err != nil {
		return fmt.Errorf("database %s: its folder: %w: keep it in a folder of your own", path, err)
	}
	for _, file := range []string{path, path + ".wal", path + ".checkpoint.wal", path + ".recovery.wal"} {
		link, err := os.Lstat(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("database %s: %w", path, err)
		}
		if link.Mode()&fs.ModeSymlink != 0 {
			if err := trust.Info(file, link); err != nil {
				return fmt.Errorf("database %s: %w", path, err)
			}
			target, err := filepath.EvalSymlinks(file)
			if err != nil {
				return fmt.Errorf("database %s: %w", path, err)
			}
			if err := trust.File(filepath.Dir(target)); err != nil {
				return fmt.Errorf("database %s: the folder of %s: %w", path, target, err)
			}
		}
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("database %s: %w", path, err)
		}
		switch {
		case !info.Mode().IsRegular():
			return fmt.Errorf("database %s: %s is no file", path, file)
		case info.Mode().Perm()&0o022 != 0:
			return fmt.Errorf("database %s: others can write %s (mode %s): make sure that nobody did, and chmod 600 it", path, file, info.Mode().Perm())
		}
		if err := trust.Info(file, info); err != nil {
			return fmt.Errorf("database %s: %w: its owner decides what queries read; copy it to use it", path, err)
		}
		if info.Mode().Perm()&0o044 != 0 {
			open(file)
		}
	}
	return nil
}
