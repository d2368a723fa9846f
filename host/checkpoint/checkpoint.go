// Package checkpoint keeps the checkpoint of a source in a file, so that a run goes on where the last one ended, and a
// crash at any moment leaves either the old checkpoint or the new one.
//
// A checkpoint belongs to one source: a kind, a connection, the org's address, an operation and its config. A file that
// is damaged or belongs to another is an error that says what to do. It is never taken for a reason to begin anew,
// which would repeat records, nor to go on from elsewhere, which would lose them.
package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// Version is the version of the file that this package writes and reads.
const Version = 1

// MaxFile is the largest checkpoint file that is read, in bytes: a checkpoint is a link and a time.
const MaxFile = 1 << 20

// The reasons for which a checkpoint file is not usable; each error wraps one.
var (
	ErrDamaged = errors.New("checkpoint damaged")             // not a whole checkpoint file of a version that is known
	ErrOther   = errors.New("checkpoint of another source")   // of another kind, connection, org, operation or config
	ErrLocked  = errors.New("checkpoint in use")              // by another process
	ErrSave    = errors.New("checkpoint could not be saved")  // the file still holds the last one
	ErrPlace   = errors.New("no place for a checkpoint file") // its folder is not there, or cannot be written to
	ErrChanged = errors.New("checkpoint changed by another program")
)

// Identity says whose a checkpoint is.
type Identity struct {
	Kind       string          `json:"kind"`
	Connection string          `json:"connection"`
	BaseURL    string          `json:"base_url"` // a cursor means nothing in another org
	Operation  string          `json:"operation"`
	Config     json.RawMessage `json:"config"` // the source's input: a cursor carries its filter. Its page_size may change
}

// envelope is the file.
type envelope struct {
	Version int `json:"version"`
	Identity
	Checkpoint json.RawMessage `json:"checkpoint"`
	SavedAt    time.Time       `json:"saved_at"`
}

// File is a checkpoint file that this process holds. It is not safe for concurrent use; close it when done.
type File struct {
	path string // links followed: what they lead to is replaced, and not they
	own  Identity
	lock *os.File
	now  func() time.Time
	disk durable.Disk

	seen  bool        // Load or Save was called
	known []byte      // what they left in the file; nil is no file
	stamp fs.FileInfo // of the file then
}

// Open takes hold of the checkpoint file at path for one source, so that no other process can use it meanwhile
// (ErrLocked). The file need not exist; its folder must. The lock is an empty file beside it, path+".lock", which
// stays: the file itself is another after each Save. Where path is a link, the files are where it leads to.
func Open(path string, own Identity) (*File, error) { return OpenOn(durable.OS, path, own) }

// OpenOn is Open, and saves by way of a disk.
func OpenOn(disk durable.Disk, path string, own Identity) (*File, error) {
	config, err := canonical(own.Config)
	if err != nil {
		return nil, fmt.Errorf("the source's config is not JSON: %w", err)
	}
	own.Config = config
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file: name a file in a folder that can be written to", ErrPlace, path)
	}
	path = durable.Resolve(path)
	lock, err := durable.Hold(path+".lock", os.O_RDWR|os.O_CREATE)
	switch {
	case errors.Is(err, durable.ErrLocked):
		return nil, fmt.Errorf("%w: another process works with %s: wait for it to end, or choose another file", ErrLocked, path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: folder %s does not exist: mkdir -p it, or name another file", ErrPlace, filepath.Dir(path))
	case err != nil:
		return nil, fmt.Errorf("%w: %v: name a file in a folder that can be written to", ErrPlace, err)
	}
	return &File{path: path, own: own, lock: lock, now: time.Now, disk: disk}, nil
}

// Path is the path of the file.
func (f *File) Path() string { return f.path }

// Close lets go of the file.
func (f *File) Close() error { return f.lock.Close() }

// Load reads the checkpoint; nil without an error means that there is none yet. The error wraps ErrDamaged or ErrOther.
func (f *File) Load() (json.RawMessage, error) {
	f.seen, f.known, f.stamp = true, nil, nil
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // read only
	text, err := io.ReadAll(io.LimitReader(file, MaxFile+1))
	if err == nil {
		f.known = text
		f.stamp, err = file.Stat()
	}
	if err != nil {
		return nil, err
	}
	e, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v. Restore it from a copy; to begin anew, and get records again, remove it", ErrDamaged, f.path, err)
	}
	if err := f.own.check(e.Identity); err != nil {
		return nil, fmt.Errorf("%w: %s %v", ErrOther, f.path, err)
	}
	return e.Checkpoint, nil
}

// Save replaces the checkpoint: the new file is written beside the old, synced, renamed over it, and the folder is
// synced. When the error wraps ErrSave the file holds the last checkpoint, unless only the last of these steps failed. A
// file that another program replaced or changed since Load or the last Save is left alone (ErrChanged); one that it
// deleted is made again. A lock that it deleted is taken again, unless another process has it by now (ErrLocked).
func (f *File) Save(checkpoint json.RawMessage) error {
	e := envelope{Version: Version, Identity: f.own, Checkpoint: checkpoint, SavedAt: f.now().UTC()}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(e); err != nil {
		return fmt.Errorf("%w: %v", ErrSave, err)
	}
	if b.Len() > MaxFile {
		return fmt.Errorf("%w: it has %d bytes, at most %d are kept", ErrSave, b.Len(), MaxFile)
	}
	if err := f.unchanged(); err != nil {
		return err
	}
	if err := durable.Replace(f.disk, f.path, b.Bytes()); err != nil {
		return fmt.Errorf("%w: %w: make room or name another file; records since the last checkpoint come again", ErrSave, err)
	}
	f.seen, f.known = true, b.Bytes()
	f.stamp, _ = os.Stat(f.path) // without it the next Save reads the file
	return nil
}

// unchanged sees to it that the lock and the file are still this process's.
func (f *File) unchanged() error {
	const now = "; records since the last checkpoint come again"
	held, err := f.lock.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSave, err)
	}
	if there, err := os.Stat(f.path + ".lock"); err != nil || !os.SameFile(held, there) {
		lock, err := durable.Hold(f.path+".lock", os.O_RDWR|os.O_CREATE)
		switch {
		case errors.Is(err, durable.ErrLocked):
			return fmt.Errorf("%w: %s.lock was deleted, and another process works with %s by now: give each its own file%s", ErrLocked, f.path, f.path, now)
		case err != nil:
			return fmt.Errorf("%w: %s.lock was deleted, and cannot be made again: %w: make room or name another file%s", ErrSave, f.path, err, now)
		}
		_ = f.lock.Close() // of no use any more
		f.lock = lock
	}
	there, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !f.seen:
		return nil // whoever deleted it gets a new one
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSave, err)
	case f.stamp != nil && os.SameFile(f.stamp, there) && f.stamp.Size() == there.Size() && f.stamp.ModTime().Equal(there.ModTime()):
		return nil
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSave, err)
	}
	if f.known == nil || !bytes.Equal(text, f.known) {
		return fmt.Errorf("%w: %s is not as this run left it, and stays as it is: stop a run before its checkpoint is changed%s", ErrChanged, f.path, now)
	}
	f.stamp = there
	return nil
}

// parse reads the text of a checkpoint file.
func parse(text []byte) (*envelope, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("over %d bytes", MaxFile)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the file is empty")
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, errors.New("not a JSON object of a checkpoint")
	}
	if v.Version != Version {
		return nil, fmt.Errorf("version %d, this program knows %d: was it written by a newer one?", v.Version, Version)
	}
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return nil, fmt.Errorf("not a checkpoint: %v", err)
	}
	if e.Kind == "" || e.Connection == "" || e.Operation == "" || len(e.Config) == 0 || e.SavedAt.IsZero() {
		return nil, errors.New("not a checkpoint: a field is missing")
	}
	if len(e.Checkpoint) == 0 || bytes.Equal(e.Checkpoint, []byte("null")) {
		return nil, errors.New("not a checkpoint: there is none in it")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Checkpoint); err != nil {
		return nil, err
	}
	e.Checkpoint = compact.Bytes()
	return &e, nil
}

// check says what a found identity differs in, and what to do.
func (own Identity) check(found Identity) error {
	for _, part := range []struct{ what, found, own string }{
		{"kind", found.Kind, own.Kind},
		{"connection", found.Connection, own.Connection},
		{"operation", found.Operation, own.Operation},
	} {
		if part.found != part.own {
			return fmt.Errorf("belongs to %s %s, this run is for %s: give each source its own checkpoint file", part.what, part.found, part.own)
		}
	}
	if found.BaseURL != own.BaseURL {
		return fmt.Errorf("was saved for the org at %s, the connection is now to %s: a cursor means nothing in another org, so give this "+
			"one its own checkpoint file (if it is the same org under a new address, set base_url in the checkpoint file to it)",
			found.BaseURL, own.BaseURL)
	}
	config, err := canonical(found.Config)
	if err != nil {
		return fmt.Errorf("holds a config that is not JSON: %v", err)
	}
	if !bytes.Equal(withoutPageSize(config), withoutPageSize(own.Config)) {
		return fmt.Errorf("was saved with the config %s, this run has %s: a cursor carries its config, so run with that one or begin "+
			"with another checkpoint file", config, own.Config)
	}
	return nil
}

// pageSize is the member of a config that says how many records a request asks for. It may change behind a checkpoint: the
// source stays the same (abi/README.md).
const pageSize = "page_size"

// withoutPageSize returns what of a canonical config tells sources apart.
func withoutPageSize(config json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(config, &members) != nil || members[pageSize] == nil {
		return config
	}
	delete(members, pageSize)
	b, err := json.Marshal(members)
	if err != nil {
		return config
	}
	if b, err = canonical(b); err != nil {
		return config
	}
	return b
}

// canonical is JSON with sorted keys and without spaces; nothing becomes {}.
func canonical(config json.RawMessage) (json.RawMessage, error) {
	if len(config) == 0 {
		return json.RawMessage("{}"), nil
	}
	dec := json.NewDecoder(bytes.NewReader(config))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
