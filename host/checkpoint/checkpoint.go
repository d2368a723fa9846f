// Package checkpoint stores the checkpoint of a source in a file, so that a run resumes where the last one ended. A crash
// at any moment leaves either the old checkpoint or the new one.
//
// A checkpoint belongs to one source: a kind, a connection, the org's address, an operation and its config. If a file is
// damaged or belongs to another source, the error says what to do. The source then neither starts over, which would
// repeat records, nor resumes elsewhere, which would lose records.
package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// Version is the version of the file format.
const Version = 1

// MaxFile is the maximum size of a checkpoint file, in bytes. A checkpoint is usually a link and a time.
const MaxFile = 1 << 20

// The reasons why a checkpoint file is not usable. Errors of this package that have such a reason wrap it.
var (
	ErrDamaged = errors.New("checkpoint damaged")             // not a complete checkpoint file of a known version
	ErrOther   = errors.New("checkpoint of another source")   // another kind, connection, org, operation or config
	ErrLocked  = errors.New("checkpoint in use")              // another process uses it
	ErrSave    = errors.New("checkpoint could not be saved")  // the file usually still has the last checkpoint: see Save
	ErrPlace   = errors.New("no place for a checkpoint file") // its folder does not exist or is not writable
	ErrChanged = errors.New("checkpoint changed by another program")
)

// Identity is the source that a checkpoint belongs to.
type Identity struct {
	Kind       string          `json:"kind"`
	Connection string          `json:"connection"`
	BaseURL    string          `json:"base_url"` // a cursor means nothing in another org
	Operation  string          `json:"operation"`
	Config     json.RawMessage `json:"config"` // the source's input. A cursor depends on all its members but page_size
}

// envelope is the content of a checkpoint file.
type envelope struct {
	Version int `json:"version"`
	Identity
	Checkpoint json.RawMessage `json:"checkpoint"`
	SavedAt    time.Time       `json:"saved_at"`
}

// File is a checkpoint file that this process has locked. It is not safe for concurrent use. Close it when done.
type File struct {
	path string // with links resolved: Save replaces their target, not the link
	own  Identity
	lock *os.File
	now  func() time.Time
	disk durable.Disk

	seen  bool        // Load or Save was called
	known []byte      // content of the file after the last Load or Save; nil if there was no file
	stamp fs.FileInfo // state of the file after the last Load or Save
}

// Open locks the checkpoint file at path for one source. Until Close, Open returns ErrLocked in other processes. The file
// need not exist, but its folder must. The lock is an empty file next to it, path+".lock", because each Save replaces the
// checkpoint file itself. Close does not delete the lock file. If path is a link, both files are in the folder of its target.
func Open(path string, own Identity) (*File, error) { return OpenOn(durable.OS, path, own) }

// OpenOn is like Open, but writes the file through disk.
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
		return nil, fmt.Errorf("%w: another process uses %s: wait for it to end, or choose another file", ErrLocked, path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %w", ErrPlace, durable.NoFolder(path, err))
	case err != nil:
		return nil, fmt.Errorf("%w: %v: name a file in a folder that can be written to", ErrPlace, err)
	}
	return &File{path: path, own: own, lock: lock, now: time.Now, disk: disk}, nil
}

// Path returns the path of the file.
func (f *File) Path() string { return f.path }

// Close unlocks the file.
func (f *File) Close() error { return f.lock.Close() }

// Load returns the checkpoint, or nil if the file does not exist yet. The error wraps ErrDamaged if the file is damaged,
// and ErrOther if the file belongs to another source.
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
		return nil, fmt.Errorf("%w: %s: %v. Restore it from a copy, or remove it to start over, which repeats records", ErrDamaged, f.path, err)
	}
	if err := f.own.check(e.Identity); err != nil {
		return nil, fmt.Errorf("%w: %s %v", ErrOther, f.path, err)
	}
	return e.Checkpoint, nil
}

// Save replaces the checkpoint. It writes a new file next to the old one, syncs it, renames it over the old one, and syncs
// the folder. After an error that wraps ErrSave, the file has the previous checkpoint, unless only the last step failed.
// If another program changed the file since Load or the last Save, Save returns ErrChanged and does not change the file.
// Save creates a deleted file again. It also creates and locks a deleted lock file again. If another process has locked
// that file meanwhile, Save returns ErrLocked.
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
		return fmt.Errorf("%w: it has %d bytes, more than the maximum of %d", ErrSave, b.Len(), MaxFile)
	}
	if err := f.checkUnchanged(); err != nil {
		return err
	}
	if err := durable.Replace(f.disk, f.path, b.Bytes()); err != nil {
		return fmt.Errorf("%w: %w: free some space or name another file; records since the last checkpoint will be written again", ErrSave, err)
	}
	f.seen, f.known = true, b.Bytes()
	f.stamp, _ = os.Stat(f.path) // if Stat fails, the next Save reads the file to compare it
	return nil
}

// checkUnchanged checks that this process still has the lock and that no other program changed the file. It locks a
// deleted lock file again.
func (f *File) checkUnchanged() error {
	const repeats = "; records since the last checkpoint will be written again"
	held, err := f.lock.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSave, err)
	}
	if there, err := os.Stat(f.path + ".lock"); err != nil || !os.SameFile(held, there) {
		lock, err := durable.Hold(f.path+".lock", os.O_RDWR|os.O_CREATE)
		switch {
		case errors.Is(err, durable.ErrLocked):
			return fmt.Errorf("%w: %s.lock was deleted, and another process uses %s now: give each its own file%s", ErrLocked, f.path, f.path, repeats)
		case err != nil:
			return fmt.Errorf("%w: %s.lock was deleted and cannot be created again: %w: free some space or name another file%s", ErrSave, f.path, err, repeats)
		}
		_ = f.lock.Close() // the deleted lock file
		f.lock = lock
	}
	there, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !f.seen:
		return nil // Save creates a new one
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
		return fmt.Errorf("%w: %s was not overwritten: stop a run before you change its checkpoint%s", ErrChanged, f.path, repeats)
	}
	f.stamp = there
	return nil
}

// parse reads the text of a checkpoint file.
func parse(text []byte) (*envelope, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("the file has over %d bytes", MaxFile)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the file is empty")
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, errors.New("not a checkpoint: not a JSON object")
	}
	if v.Version != Version {
		return nil, fmt.Errorf("version %d, but this program reads version %d: it may be from a newer program", v.Version, Version)
	}
	var e envelope
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return nil, fmt.Errorf("not a checkpoint: %v", err)
	}
	if e.Kind == "" || e.Connection == "" || e.Operation == "" || len(e.Config) == 0 || e.SavedAt.IsZero() {
		return nil, errors.New("not a checkpoint: kind, connection, operation, config or saved_at is missing")
	}
	if len(e.Checkpoint) == 0 || bytes.Equal(e.Checkpoint, []byte("null")) {
		return nil, errors.New("not a checkpoint: the field checkpoint is missing or null")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, e.Checkpoint); err != nil {
		return nil, err
	}
	e.Checkpoint = compact.Bytes()
	return &e, nil
}

// check returns an error if found differs from own. The error says how they differ, and what to do.
func (own Identity) check(found Identity) error {
	for _, part := range []struct{ what, found, own string }{
		{"kind", found.Kind, own.Kind},
		{"connection", found.Connection, own.Connection},
		{"operation", found.Operation, own.Operation},
	} {
		if part.found != part.own {
			return fmt.Errorf("belongs to %s %s, but this run is for %s: give each source its own checkpoint file", part.what, part.found, part.own)
		}
	}
	if found.BaseURL != own.BaseURL {
		return fmt.Errorf("was saved for the org at %s, but the connection is to %s: a cursor is not valid in another org, so use another "+
			"checkpoint file (if it is the same org under a new address, set base_url in the checkpoint file to that address)",
			found.BaseURL, own.BaseURL)
	}
	config, err := canonical(found.Config)
	if err != nil {
		return fmt.Errorf("has a config that is not JSON: %v", err)
	}
	if !bytes.Equal(withoutPageSize(config), withoutPageSize(own.Config)) {
		return fmt.Errorf("was saved with the config %s, but this run has %s: a cursor depends on its config, so use the saved config or "+
			"another checkpoint file", config, own.Config)
	}
	return nil
}

// pageSize is the member of a config that says how many records a request asks for. Another page size does not make
// another source (abi/README.md).
const pageSize = "page_size"

// withoutPageSize returns a canonical config without its page size.
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

// canonical returns JSON with sorted keys and without spaces. An empty config becomes {}.
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
