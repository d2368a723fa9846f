// Package crashtest has a disk that knows what a crash may leave on it, at every moment of what was done.
//
// A Disk works on a real folder, and notes each operation. Crashes then goes through the moments between two of them,
// and what each may have left: of what was written to a file and not synced all, nothing, half, its length with zeros in
// place of its content, or its end without its beginning; of the names in a folder that was not synced, any. That is more
// than most file systems lose, and as much as POSIX allows.
package crashtest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/host/durable"
)

// ErrKilled is what every operation of a disk returns once it was killed.
var ErrKilled = errors.New("killed")

// Half, put before "write " in Kill, has the process killed in the middle of the write: half of it is done.
const Half = "half "

// Disk is a durable.Disk in a folder. What is there when it is made counts as durable. It is safe for concurrent use.
type Disk struct {
	// Syncing is called in each Sync of a file, before it takes effect: what is written meanwhile is not covered.
	Syncing func(name string)
	// Unsynced has the names of files that are written to in other ways, and never synced.
	Unsynced []string

	folder string
	mu     sync.Mutex
	ops    []op
	names  map[string]int // as a process sees them: the file of each name
	before map[string]int // as they were at first
	first  map[int][]byte // what was in those
	files  int
	kill   string // the operation after which the process is killed
	after  int    // how often that is to happen before
	killed bool
}

var _ durable.Disk = (*Disk)(nil)

// op is one operation that took effect.
type op struct {
	kind     kind
	name     string
	from     string // old name, in a rename
	file     int
	data     []byte
	began    int               // in a sync: the operations before it are covered
	unsynced map[string][]byte // content of Disk.Unsynced at that time
}

type kind int

const (
	write kind = iota
	link
	rename
	unlink
	syncFile
	syncFolder
)

// New makes a disk in a folder.
func New(folder string, unsynced ...string) (*Disk, error) {
	d := &Disk{folder: folder, Unsynced: unsynced, names: map[string]int{}, first: map[int][]byte{}}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if slices.Contains(unsynced, e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		d.first[d.files], d.names[e.Name()] = b, d.files
		d.files++
	}
	d.before = maps.Clone(d.names)
	return d, nil
}

// Operations is how many there were.
func (d *Disk) Operations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

// Kill has the process killed after the nth operation of a kind (write, link, rename, unlink, sync) on a name, or with
// Half+"write" in the middle of one:
// those that follow fail with ErrKilled, until Revive. Nothing is lost of what was done before: for that, the machine has
// to crash.
func (d *Disk) Kill(nth int, kind, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kill, d.after = kind+" "+name, nth
}

// Revive is the next process. It reports whether the one before was killed.
func (d *Disk) Revive() (killed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	killed, d.killed, d.kill = d.killed, false, ""
	return killed
}

// do does something and notes it. d.mu is held.
func (d *Disk) do(o op, do func() error) error {
	if d.killed {
		return ErrKilled
	}
	if err := do(); err != nil {
		return err
	}
	o.unsynced = map[string][]byte{}
	for _, name := range d.Unsynced {
		if b, err := os.ReadFile(filepath.Join(d.folder, name)); err == nil {
			o.unsynced[name] = b
		}
	}
	d.ops = append(d.ops, o)
	if o.String() == d.kill {
		d.after--
		d.killed = d.after == 0
	}
	return nil
}

// String is the operation as Kill calls it.
func (o op) String() string {
	name := o.name
	if o.kind == rename {
		name = o.from
	}
	return [...]string{"write", "link", "rename", "unlink", "sync", "sync folder"}[o.kind] + " " + name
}

func (d *Disk) open(path string, open func(string) (durable.File, error)) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &file{d: d, name: filepath.Base(path)}
	id, there := d.names[f.name]
	if there {
		f.id = id
		var err error
		f.File, err = open(path)
		return f, err
	}
	f.id = d.files
	err := d.do(op{kind: link, name: f.name, file: f.id}, func() (err error) {
		f.File, err = open(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.files++
	d.names[f.name] = f.id
	return f, nil
}

// Append implements durable.Disk.
func (d *Disk) Append(path string, mode fs.FileMode) (durable.File, error) {
	return d.open(path, func(path string) (durable.File, error) { return durable.OS.Append(path, mode) })
}

// Create implements durable.Disk.
func (d *Disk) Create(path string) (durable.File, error) { return d.open(path, durable.OS.Create) }

// Rename implements durable.Disk.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := op{kind: rename, from: filepath.Base(from), name: filepath.Base(to)}
	o.file = d.names[o.from]
	return d.do(o, func() error {
		if err := os.Rename(from, to); err != nil {
			return err
		}
		delete(d.names, o.from)
		d.names[o.name] = o.file
		return nil
	})
}

// Remove implements durable.Disk.
func (d *Disk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := op{kind: unlink, name: filepath.Base(path)}
	return d.do(o, func() error {
		if err := os.Remove(path); err != nil {
			return err
		}
		delete(d.names, o.name)
		return nil
	})
}

// SyncFolder implements durable.Disk.
func (d *Disk) SyncFolder(path string) error {
	if filepath.Clean(path) != filepath.Clean(d.folder) {
		return &fs.PathError{Op: "sync", Path: path, Err: errors.New("another folder than the disk's")}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.do(op{kind: syncFolder, began: len(d.ops)}, func() error { return nil })
}

// file is an open file.
type file struct {
	durable.File
	d    *Disk
	id   int
	name string
}

func (f *file) Write(b []byte) (n int, err error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	o := op{kind: write, name: f.name, file: f.id, data: bytes.Clone(b)}
	half := f.d.kill == Half+o.String() && !f.d.killed
	if half {
		f.d.after--
		half = f.d.after == 0
	}
	if half {
		o.data = o.data[:len(b)/2]
	}
	err = f.d.do(o, func() error {
		n, err = f.File.Write(o.data)
		return err
	})
	if half && err == nil {
		f.d.killed, err = true, ErrKilled
	}
	return n, err
}

// Sync costs no time: there is no real crash that the real disk has to be ready for.
func (f *file) Sync() error {
	f.d.mu.Lock()
	began := len(f.d.ops)
	f.d.mu.Unlock()
	if f.d.Syncing != nil {
		f.d.Syncing(f.name)
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.do(op{kind: syncFile, name: f.name, file: f.id, began: began}, func() error { return nil })
}

// Crash is what one crash may have left.
type Crash struct {
	After int    // so many operations
	What  string // became of what was not durable
	Files map[string][]byte
}

// String names the crash in messages of tests.
func (c Crash) String() string { return fmt.Sprintf("a crash after operation %d, %s", c.After, c.What) }

// Restore makes a folder that has the files.
func (c Crash) Restore(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	for name, content := range c.Files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// fate is what becomes of what was written to a file and not synced.
type fate struct {
	name  string
	apply func(synced []byte, rest []op) []byte
}

func fates() []fate {
	return []fate{
		{"what was not synced is there", do},
		{"what was not synced is gone", func(b []byte, _ []op) []byte { return b }},
		{"half of the last write is there", func(b []byte, rest []op) []byte {
			if n := len(rest) - 1; n >= 0 && rest[n].kind == write {
				rest = slices.Clone(rest)
				rest[n].data = rest[n].data[:len(rest[n].data)/2]
			}
			return do(b, rest)
		}},
		{"what was not synced is zeros", func(b []byte, rest []op) []byte { return do(b, blank(rest, len(rest))) }},
		{"the first of what was not synced is zeros", func(b []byte, rest []op) []byte { return do(b, blank(rest, 1)) }},
	}
}

// do applies operations to what a file holds.
func do(b []byte, all []op) []byte {
	b = slices.Clip(b)
	for _, o := range all {
		if o.kind == write {
			b = append(b, o.data...)
		}
	}
	return b
}

// blank makes the first n writes write zeros.
func blank(all []op, n int) []op {
	all = slices.Clone(all)
	for i := range all {
		if all[i].kind == write && n > 0 {
			all[i].data = make([]byte, len(all[i].data))
			n--
		}
	}
	return all
}

// Crashes gives what a crash at each moment from an operation on may have left, each different outcome once.
func (d *Disk) Crashes(from int) iter.Seq[Crash] {
	return func(yield func(Crash) bool) {
		seen := map[[sha256.Size]byte]bool{}
		for n := from; n <= len(d.ops); n++ {
			for c := range d.at(n) {
				if h := c.hash(); !seen[h] {
					seen[h] = true
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// at gives what a crash after n operations may have left.
func (d *Disk) at(n int) iter.Seq[Crash] {
	return func(yield func(Crash) bool) {
		names, open := maps.Clone(d.before), []op{} // durable names, and operations on names that are not
		for _, o := range d.ops[:n] {
			switch o.kind {
			case link, rename, unlink:
				open = append(open, o)
			case syncFolder:
				for _, o := range open {
					apply(names, o)
				}
				open = nil
			}
		}
		for _, kept := range subsets(len(open)) {
			names := maps.Clone(names)
			for i, o := range open {
				if kept[i] {
					apply(names, o)
				}
			}
			for _, f := range fates() {
				files := map[string][]byte{}
				for name, id := range names {
					files[name] = d.content(id, n, f)
				}
				for i, unsynced := range d.unsynced(n) {
					c := Crash{After: n, Files: maps.Clone(files), What: fmt.Sprintf("%s, of %d names that were not synced %v, the unsynced files in state %d", f.name, len(open), kept, i)}
					maps.Copy(c.Files, unsynced)
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// apply applies an operation on names.
func apply(names map[string]int, o op) {
	switch o.kind {
	case link:
		names[o.name] = o.file
	case rename:
		if id, there := names[o.from]; there && id == o.file {
			delete(names, o.from)
		}
		names[o.name] = o.file
	case unlink:
		delete(names, o.name)
	}
}

// subsets are those of n things: all of them, or where that were too many, those that are a beginning or an end.
func subsets(n int) (all [][]bool) {
	if n <= 4 {
		for bits := range 1 << n {
			kept := make([]bool, n)
			for i := range kept {
				kept[i] = bits>>i&1 == 1
			}
			all = append(all, kept)
		}
		return all
	}
	for i := range n + 1 {
		first, last := make([]bool, n), make([]bool, n)
		for j := range n {
			first[j], last[j] = j < i, j >= i
		}
		all = append(all, first, last)
	}
	return all
}

// content is what a file holds after a crash after n operations.
func (d *Disk) content(id, n int, f fate) []byte {
	synced := 0
	for _, o := range d.ops[:n] {
		if o.kind == syncFile && o.file == id {
			synced = max(synced, o.began)
		}
	}
	var before, after []op
	for i, o := range d.ops[:n] {
		if o.file != id || o.kind != write {
			continue
		}
		if i < synced {
			before = append(before, o)
		} else {
			after = append(after, o)
		}
	}
	return f.apply(do(d.first[id], before), after)
}

// unsynced returns the states in which the unsynced files may be: as they were then, or a little later, half, or gone.
func (d *Disk) unsynced(n int) []map[string][]byte {
	if len(d.Unsynced) == 0 {
		return []map[string][]byte{{}}
	}
	all := []map[string][]byte{{}}
	for _, i := range []int{n - 1, n} {
		if i < 0 || i >= len(d.ops) {
			continue
		}
		half := map[string][]byte{}
		for name, b := range d.ops[i].unsynced {
			half[name] = b[:len(b)/2]
		}
		all = append(all, d.ops[i].unsynced, half)
	}
	return all
}

func (c Crash) hash() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		_, _ = fmt.Fprintf(h, "%q %d\n%s\n", name, len(c.Files[name]), c.Files[name]) // never fails
	}
	h.Sum(sum[:0])
	return sum
}

// String lists the operations, for people.
func (d *Disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for i, o := range d.ops {
		_, _ = fmt.Fprintf(&b, "%d: %s (file %d, %d bytes)\n", i+1, o, o.file, len(o.data)) // never fails
	}
	return b.String()
}
