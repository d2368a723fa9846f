// Package journal remembers which actions were run under which idempotency key, and how many writes left when, in one
// file that several processes share and that survives the end of any of them at any moment.
//
// An action is written down before its first write leaves, and its result after. Who finds a key that was begun and not
// ended knows whether a write may have left.
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
	"time"

	"go.etcd.io/bbolt"
)

// The reasons for which the journal refuses.
var (
	// ErrOther means that the key was used for another operation or input.
	ErrOther = errors.New("the idempotency key was used before, for another operation or input")
	// ErrBusy means that another run with the key did not end in time.
	ErrBusy = errors.New("another run with this idempotency key has not ended")
)

// DefaultTTL is how long a key is remembered.
const DefaultTTL = 7 * 24 * time.Hour

// Options of a journal. The zero value is good.
type Options struct {
	TTL time.Duration    // how long keys are remembered; default DefaultTTL
	Now func() time.Time // default time.Now
}

// File is a journal in a file of bbolt. It is safe for concurrent use by goroutines and processes: the file is open only
// while something is read or written, and a key in use is locked by a file of its own, which the system unlocks when the
// process ends.
type File struct {
	path string
	opts Options
}

// Phase is how far a run got.
type Phase string

// The phases.
const (
	Begun   Phase = "begun"   // no write left
	Writing Phase = "writing" // a write left, or was about to
	Done    Phase = "done"
)

// Entry is what the journal holds of a key.
type Entry struct {
	Phase       Phase           `json:"phase"`
	Fingerprint string          `json:"fingerprint"`
	Begun       time.Time       `json:"begun"`
	Ended       time.Time       `json:"ended,omitzero"`
	Result      json.RawMessage `json:"result,omitempty"` // of Done
}

var (
	keysBucket   = []byte("keys")
	writesBucket = []byte("writes")
)

// Open makes the journal's folder and checks that its file is one.
func Open(path string, opts Options) (*File, error) {
	if opts.TTL == 0 {
		opts.TTL = DefaultTTL
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	f := &File{path: path, opts: opts}
	if err := os.MkdirAll(f.locks(), 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return f, f.update(context.Background(), func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{keysBucket, writesBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return f.expire(tx)
	})
}

func (f *File) locks() string { return f.path + ".locks" }

// openTimeout bounds the wait for another process that has the file open, which is for milliseconds.
const openTimeout = 30 * time.Second

func (f *File) update(ctx context.Context, do func(*bbolt.Tx) error) error {
	timeout := openTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Millisecond, min(timeout, time.Until(deadline)))
	}
	db, err := bbolt.Open(f.path, 0o600, &bbolt.Options{Timeout: timeout})
	if err != nil {
		return fmt.Errorf("journal %s: %w", f.path, err)
	}
	err = db.Update(do)
	if closing := db.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("journal %s: %w", f.path, err)
	}
	return nil
}

// expire forgets keys that are over their time.
func (f *File) expire(tx *bbolt.Tx) error {
	before := f.opts.Now().Add(-f.opts.TTL)
	var old [][]byte
	keys := tx.Bucket(keysBucket)
	err := keys.ForEach(func(k, v []byte) error {
		var e Entry
		if json.Unmarshal(v, &e) != nil || e.Begun.Before(before) {
			old = append(old, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range old {
		if err == nil {
			err = keys.Delete(k)
		}
	}
	return err
}

// Claim is one run under a key. Release it in the end, whatever came of it.
type Claim struct {
	f     *File
	key   []byte
	lock  *os.File
	entry Entry
	found bool
}

// Claim takes a key for a run. It waits for another run with the key, until the context ends.
func (f *File) Claim(ctx context.Context, connection, key, fingerprint string) (*Claim, error) {
	sum := sha256.Sum256([]byte(connection + "\x00" + key))
	c := &Claim{f: f, key: sum[:]}
	var err error
	if c.lock, err = lock(ctx, filepath.Join(f.locks(), hex.EncodeToString(sum[:]))); err != nil {
		return nil, err
	}
	err = f.update(ctx, func(tx *bbolt.Tx) error {
		if v := tx.Bucket(keysBucket).Get(c.key); v != nil {
			if err := json.Unmarshal(v, &c.entry); err != nil {
				return fmt.Errorf("the entry of the key is damaged: %w", err)
			}
			if c.found = !c.entry.Begun.Before(f.opts.Now().Add(-f.opts.TTL)); c.found {
				return nil
			}
		}
		c.entry = Entry{Phase: Begun, Fingerprint: fingerprint, Begun: f.opts.Now().UTC()}
		return c.put(tx)
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

// Previous is what an earlier run with the key left, if there was one.
func (c *Claim) Previous() (Entry, bool) { return c.entry, c.found }

// Writing notes that a write is about to leave. It is on disk when Writing returns.
func (c *Claim) Writing(ctx context.Context) error {
	if c.entry.Phase == Writing {
		return nil
	}
	c.entry.Phase = Writing
	return c.f.update(ctx, c.put)
}

// Done notes the result.
func (c *Claim) Done(ctx context.Context, result json.RawMessage) error {
	c.entry.Phase, c.entry.Result, c.entry.Ended = Done, result, c.f.opts.Now().UTC()
	return c.f.update(ctx, c.put)
}

// Forget takes the key back, for a run of which nothing left.
func (c *Claim) Forget(ctx context.Context) error {
	return c.f.update(ctx, func(tx *bbolt.Tx) error { return tx.Bucket(keysBucket).Delete(c.key) })
}

func (c *Claim) put(tx *bbolt.Tx) error {
	v, err := json.Marshal(c.entry)
	if err != nil {
		return err
	}
	return tx.Bucket(keysBucket).Put(c.key, v)
}

// Release lets others have the key.
func (c *Claim) Release() {
	if c.lock != nil {
		_ = c.lock.Close()
		c.lock = nil
	}
}

// Ceiling is the most writes of a kind within a window.
type Ceiling struct {
	Kind   string // whose writes count: "write" for all, or a class
	Most   int
	Window time.Duration
}

// Take counts one write of these kinds for a connection, unless a ceiling would be passed: then it says how long to wait,
// and counts nothing.
func (f *File) Take(ctx context.Context, connection string, kinds []string, ceilings []Ceiling) (wait time.Duration, passed Ceiling, err error) {
	now := f.opts.Now()
	err = f.update(ctx, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(writesBucket)
		for _, ceiling := range ceilings {
			counted := false
			for _, k := range kinds {
				counted = counted || k == ceiling.Kind
			}
			if !counted {
				continue
			}
			prefix := countKey(connection, ceiling.Kind, time.Time{})[:sha256.Size]
			first, n := time.Time{}, 0
			cursor := bucket.Cursor()
			for k, _ := cursor.Seek(countKey(connection, ceiling.Kind, now.Add(-ceiling.Window))); k != nil && bytes.HasPrefix(k, prefix); k, _ = cursor.Next() {
				if n == 0 {
					first = time.Unix(0, int64(binary.BigEndian.Uint64(k[sha256.Size:])))
				}
				n++
			}
			if n >= ceiling.Most {
				if d := first.Add(ceiling.Window).Sub(now); d > wait {
					wait, passed = d, ceiling
				}
			}
		}
		if wait > 0 {
			return nil
		}
		for _, kind := range kinds {
			seq, err := bucket.NextSequence()
			if err != nil {
				return err
			}
			if err := bucket.Put(binary.BigEndian.AppendUint64(countKey(connection, kind, now), seq), nil); err != nil {
				return err
			}
		}
		return prune(bucket, now.Add(-24*time.Hour))
	})
	return wait, passed, err
}

// countKey orders the writes of a connection and kind by time.
func countKey(connection, kind string, at time.Time) []byte {
	sum := sha256.Sum256([]byte(connection + "\x00" + kind))
	ns := int64(0)
	if !at.IsZero() {
		ns = at.UnixNano()
	}
	return binary.BigEndian.AppendUint64(sum[:], uint64(ns))
}

// prune forgets a few writes that no window reaches back to.
func prune(bucket *bbolt.Bucket, before time.Time) error {
	var old [][]byte
	cursor := bucket.Cursor()
	for k, _ := cursor.First(); k != nil && len(old) < 100; k, _ = cursor.Next() {
		if int64(binary.BigEndian.Uint64(k[sha256.Size:])) < before.UnixNano() {
			old = append(old, bytes.Clone(k))
		}
	}
	for _, k := range old {
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
	return nil
}
