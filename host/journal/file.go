package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/mach5/okta-connector/host/durable"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Options configure a File. A zero field means its default.
type Options struct {
	TTL time.Duration    // how long keys are remembered. Default DefaultTTL
	Now func() time.Time // Default time.Now
}

// File is a Journal in a bbolt file, for the processes of one machine. It opens the file only for each read or write. A
// claimed key is locked by a file of its own, which the system unlocks when the process ends. File is safe for concurrent
// use.
type File struct {
	path   string
	opts   Options
	broken atomic.Pointer[error] // set once the file was found damaged: bbolt may still have it open
}

var _ Journal = (*File)(nil)

var (
	keysBucket   = []byte("keys")
	writesBucket = []byte("writes")
)

// Open opens a journal, creates it if it does not exist, and deletes expired keys. The error wraps ErrDamaged if the file
// is not a journal.
func Open(path string, opts Options) (*File, error) {
	if opts.TTL == 0 {
		opts.TTL = DefaultTTL
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	f := &File{path: path, opts: opts}
	if err := os.Mkdir(f.locks(), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("journal: %w", durable.NoFolder(path, err))
	}
	if err := f.create(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return f, f.update(context.Background(), f.expire)
}

// create creates an empty journal if there is none. If the process is killed meanwhile, no partial file remains.
func (f *File) create() error {
	if _, err := os.Lstat(f.path); !errors.Is(err, os.ErrNotExist) {
		return nil // update checks what the file is
	}
	dir, err := os.MkdirTemp(f.locks(), "new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := bbolt.Open(filepath.Join(dir, "journal"), 0o600, nil)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	// If another process was faster, its journal is used. If the file system has no links, bbolt creates the file in place.
	_ = os.Link(filepath.Join(dir, "journal"), f.path)
	return nil
}

func (f *File) locks() string { return f.path + ".locks" }

// openTimeout limits the wait for another process that has the file open. That normally takes milliseconds.
const openTimeout = 30 * time.Second

// buckets are the buckets of the bbolt file.
type buckets struct{ keys, writes *bbolt.Bucket }

func (f *File) update(ctx context.Context, do func(buckets) error) (err error) {
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	// bbolt does not validate what it reads: a damaged page leads to a panic or a memory fault.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = f.damaged(fmt.Errorf("%v", p))
		}
	}()
	timeout := openTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Millisecond, min(timeout, time.Until(deadline)))
	}
	db, err := bbolt.Open(f.path, 0o600, &bbolt.Options{Timeout: timeout})
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "file size too small"), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return f.damaged(err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("journal %s: another process has had it open for %s: wait for it to end, or use another journal", f.path, timeout.Round(time.Millisecond))
	case err != nil:
		return fmt.Errorf("journal %s: %w", f.path, err)
	}
	defer func() {
		if closing := db.Close(); err == nil && closing != nil {
			err = fmt.Errorf("journal %s: %w", f.path, closing)
		}
	}()
	err = db.Update(func(tx *bbolt.Tx) error {
		keys, err := tx.CreateBucketIfNotExists(keysBucket)
		if err != nil {
			return err
		}
		writes, err := tx.CreateBucketIfNotExists(writesBucket)
		if err != nil {
			return err
		}
		return do(buckets{keys, writes})
	})
	if err != nil {
		return fmt.Errorf("journal %s: %w", f.path, err)
	}
	return nil
}

func (f *File) damaged(why error) error {
	if errors.Is(why, ErrDamaged) {
		return why
	}
	err := fmt.Errorf("%w: %s (%w): move it away, and a new one is created; check by hand the actions that ran under its keys and ended with outcome unknown", ErrDamaged, f.path, why)
	f.broken.Store(&err)
	return err
}

// expire deletes expired keys.
func (f *File) expire(b buckets) error {
	var old [][]byte
	err := b.keys.ForEach(func(k, v []byte) error {
		var e Entry
		if err := json.Unmarshal(v, &e); err != nil {
			return f.damaged(err)
		}
		if f.expired(e) {
			old = append(old, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range old {
		if err == nil {
			err = b.keys.Delete(k)
		}
	}
	return err
}

// expired reports whether an entry is older than the TTL. An entry whose write may have been sent never expires.
// Otherwise the write would be sent again, for example after the clock jumped.
func (f *File) expired(e Entry) bool {
	return e.Phase != Writing && e.Begun.Before(f.opts.Now().Add(-f.opts.TTL))
}

// claim implements Claim.
type claim struct {
	f       *File
	key     []byte
	lock    *keyLock
	entry   Entry
	found   bool
	writing bool // this run has recorded a write
}

// Claim implements Journal.
func (f *File) Claim(ctx context.Context, scope, key, fingerprint string) (Claim, error) {
	sum := sha256.Sum256([]byte(scope + "\x00" + key))
	c := &claim{f: f, key: sum[:]}
	var err error
	if c.lock, err = lock(ctx, filepath.Join(f.locks(), hex.EncodeToString(sum[:]))); err != nil {
		return nil, err
	}
	err = f.update(ctx, func(b buckets) error {
		if v := b.keys.Get(c.key); v != nil {
			if err := json.Unmarshal(v, &c.entry); err != nil {
				return f.damaged(err)
			}
			if c.found = !f.expired(c.entry); c.found {
				return nil
			}
		}
		c.entry = Entry{Phase: Begun, Fingerprint: fingerprint, Begun: f.opts.Now().UTC()}
		return c.put(b)
	})
	if err == nil && c.found && c.entry.Fingerprint != fingerprint {
		err = ErrOther
	}
	if err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

// Previous implements Claim.
func (c *claim) Previous() (Entry, bool) { return c.entry, c.found }

// Writing implements Claim.
func (c *claim) Writing(ctx context.Context, at time.Time, to Target) error {
	if c.writing {
		return nil
	}
	before := c.entry
	c.entry.Phase, c.entry.Wrote, c.entry.Target = Writing, at.UTC(), to
	if err := c.f.update(ctx, c.put); err != nil {
		c.entry = before
		return err
	}
	c.writing = true
	return nil
}

// Done implements Claim.
func (c *claim) Done(ctx context.Context, result json.RawMessage) error {
	c.entry.Phase, c.entry.Result, c.entry.Ended = Done, result, c.f.opts.Now().UTC()
	return c.f.update(ctx, c.put)
}

// Forget implements Claim.
func (c *claim) Forget(ctx context.Context) error {
	return c.f.update(ctx, func(b buckets) error { return b.keys.Delete(c.key) })
}

func (c *claim) put(b buckets) error {
	v, err := json.Marshal(c.entry)
	if err != nil {
		return err
	}
	return b.keys.Put(c.key, v)
}

// Release implements Claim.
func (c *claim) Release() {
	if c.lock != nil {
		c.lock.release()
		c.lock = nil
	}
}

// Take implements Journal. If the clock went back, writes that were counted with a later time still count, as if they
// had just been sent.
func (f *File) Take(ctx context.Context, scope string, kinds []string, ceilings []Ceiling, at time.Time) (wait time.Duration, passed Ceiling, err error) {
	err = f.update(ctx, func(b buckets) error {
		for _, ceiling := range ceilings {
			if !slices.Contains(kinds, ceiling.Kind) {
				continue
			}
			times := writeTimes(b.writes, scope, ceiling.Kind, at.Add(-ceiling.Window))
			if len(times) < ceiling.Most {
				continue
			}
			// The next write is allowed when only Most-1 writes remain in the window.
			last := times[len(times)-ceiling.Most]
			if d := min(last.Add(ceiling.Window).Sub(at), ceiling.Window); d > wait {
				wait, passed = d, ceiling
			}
		}
		if wait > 0 {
			return nil
		}
		for _, kind := range kinds {
			if err := prune(b.writes, scope, kind, at.Add(-longestWindow)); err != nil {
				return err
			}
			seq, err := b.writes.NextSequence()
			if err != nil {
				return err
			}
			if err := b.writes.Put(binary.BigEndian.AppendUint64(countKey(scope, kind, at), seq), nil); err != nil {
				return err
			}
		}
		return nil
	})
	return wait, passed, err
}

// longestWindow is how long writes are stored to be counted.
const longestWindow = 24 * time.Hour

// countKey returns a key that orders the writes of a scope and kind by time.
func countKey(scope, kind string, at time.Time) []byte {
	sum := sha256.Sum256([]byte(scope + "\x00" + kind))
	return binary.BigEndian.AppendUint64(sum[:], uint64(max(at.UnixNano(), 0)))
}

func timeOf(key []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(key[sha256.Size:])))
}

// writeTimes returns the times of the writes of a scope and kind after a time, in order.
func writeTimes(writes *bbolt.Bucket, scope, kind string, after time.Time) []time.Time {
	var times []time.Time
	from := countKey(scope, kind, after)
	cursor := writes.Cursor()
	for k, _ := cursor.Seek(from); bytes.HasPrefix(k, from[:sha256.Size]); k, _ = cursor.Next() {
		if at := timeOf(k); at.After(after) {
			times = append(times, at)
		}
	}
	return times
}

// prune deletes the writes of a scope and kind before a time.
func prune(writes *bbolt.Bucket, scope, kind string, before time.Time) error {
	var old [][]byte
	from := countKey(scope, kind, time.Unix(0, 0))
	cursor := writes.Cursor()
	for k, _ := cursor.Seek(from); bytes.HasPrefix(k, from[:sha256.Size]) && timeOf(k).Before(before); k, _ = cursor.Next() {
		old = append(old, bytes.Clone(k))
	}
	for _, k := range old {
		if err := writes.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
