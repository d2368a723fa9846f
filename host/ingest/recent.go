package ingest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// Limits of the remembered keys. The connector's overlap after a refused cursor is 5 minutes.
const (
	rememberFor = 10 * time.Minute // time before the latest record for which keys are remembered
	minKeys     = 10_000           // keys that are remembered even if they are older
	maxKeys     = 1 << 18          // maximum; an overlap with more records leads to repeats with the same keys
)

// Recent remembers the keys of recently written records, so that repeated records are not written again. It stores them
// in a file next to the checkpoint for the next process. Otherwise a crash, or a cursor that expires while no process
// runs, would lead to repeats.
//
// A lost key leads only to a repeat. A key is added only once its record is durable. Recent is not safe for concurrent
// use. Close it when done.
type Recent struct {
	path string
	file *os.File
	kept int   // number of entries in the file
	size int64 // minimum size of the file: a shorter one was cut by another program
	err  error // error of the file; returned by the next Commit

	keys        map[key]struct{}
	order       []key // oldest first; entries before head are unused
	head        int
	pages       []page
	last        key   // digest of the last checkpoint for which Mark was called; zero if none
	current     []key // keys of the current page
	uncommitted int   // number of keys at the end of order that are written and not durable yet
	hex         [32]byte
	files       []durable.ID // files that were written to, the latest last

	// replayed are the keys of records that the sink has and that no checkpoint covers, because of a crash. A key is stored
	// in the file once the source repeats its record and a checkpoint covers that. The value is true between the two.
	replayed   map[key]bool
	replayTime time.Time // watermark of the first page after the replay; zero before that
}

// key identifies a record's key: it is the key itself if that is a UUID, otherwise a hash of it.
type key [16]byte

// page is the keys that were added together.
type page struct {
	count     int
	watermark time.Time // zero if not known
}

// magic is the beginning of the file. Entries follow: a byte with the kind, and 16 bytes.
const (
	magic     = "recent keys, v2\n"
	entryKey  = 'k'
	entryMark = 'c'
	entryFile = 'f' // older programs do not know this kind, and drop it when they rewrite the file
	entrySize = 1 + len(key{})
)

// OpenRecent reads the keys in the file at path, and creates the file if there is none. The source resumes from the
// checkpoint at, or from the beginning if that is nil. Keys that were added after that checkpoint are ignored. So an
// older checkpoint that is restored gets its records again. With an empty path, keys are only kept in memory. If the
// file cannot be used, the next Commit returns the error, and keys are only kept in memory.
func OpenRecent(path string, at json.RawMessage) *Recent {
	r := &Recent{path: path, keys: map[key]struct{}{}}
	if path == "" {
		return r
	}
	whole := false
	if r.file, r.err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); r.err == nil && at != nil {
		whole, r.err = r.load(digest(at))
	}
	if r.err == nil && !whole {
		r.err = r.rewrite()
	}
	return r
}

// load reads the file. whole is false if a crash cut it or it contains something else.
func (r *Recent) load(at key) (whole bool, err error) {
	info, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	var head [len(magic)]byte
	if _, err := r.file.ReadAt(head[:], 0); errors.Is(err, io.EOF) || err == nil && string(head[:]) != magic {
		return false, nil
	} else if err != nil {
		return false, err
	}
	size := int64(entrySize)
	count := (info.Size() - int64(len(magic))) / size
	skip := max(0, count-maxKeys)
	in := bufio.NewReaderSize(io.NewSectionReader(r.file, int64(len(magic))+skip*size, (count-skip)*size), 64<<10)
	whole = info.Size() == int64(len(magic))+count*size
	var found, behind bool // whether the mark of the checkpoint was found, and another after it
	var entry [entrySize]byte
	for range count - skip {
		if _, err := io.ReadFull(in, entry[:]); err != nil {
			return false, err
		}
		switch k := key(entry[1:]); entry[0] {
		case entryKey:
			if !behind {
				r.add(k)
			}
		case entryMark:
			found = found || k == at
			behind = found && k != at
		case entryFile:
			r.addFile(durable.ID(k))
		default:
			whole = false
		}
	}
	if !found {
		r.keys, r.order = map[key]struct{}{}, nil
		return false, nil
	}
	r.last = at
	r.pages = append(r.pages, page{count: len(r.order)})
	r.kept, r.size = int(count), info.Size()
	return whole && !behind, nil
}

func digest(checkpoint json.RawMessage) key {
	sum := sha256.Sum256(checkpoint)
	return key(sum[:16])
}

// Mark records a checkpoint that is about to be saved. Keys that are committed from then on belong to it.
func (r *Recent) Mark(checkpoint json.RawMessage) {
	r.last = digest(checkpoint)
	if r.err == nil {
		r.err = r.append(entryMark, []key{r.last})
	}
}

// maxFiles is how many files are remembered. If another program renames files often, these are the last minutes.
const maxFiles = 16

// NoteFile records a file that records are written to, so that the next process finds it after a rename.
func (r *Recent) NoteFile(id durable.ID) {
	if n := len(r.files); n > 0 && r.files[n-1] == id {
		return
	}
	r.addFile(id)
	if r.err == nil {
		r.err = r.append(entryFile, []key{key(id)})
	}
}

func (r *Recent) addFile(id durable.ID) {
	r.files = append(r.files, id)
	r.files = r.files[max(0, len(r.files)-maxFiles):]
}

// Files returns the files that were recorded last, the latest last.
func (r *Recent) Files() []durable.ID { return slices.Clone(r.files) }

func (r *Recent) add(k key) {
	if _, known := r.keys[k]; !known {
		r.keys[k] = struct{}{}
		r.order = append(r.order, k)
	}
}

// Begin begins a page. If the last page was not kept, its keys are forgotten.
func (r *Recent) Begin() {
	r.forgetKeys(r.current)
	r.current = r.current[:0]
}

// forgetKeys forgets keys of pages that did not become durable. Replayed keys stay known: the sink has their records.
func (r *Recent) forgetKeys(keys []key) {
	for _, k := range keys {
		if _, replayed := r.replayed[k]; replayed {
			r.replayed[k] = false
			continue
		}
		delete(r.keys, k)
	}
}

// Seen adds a key to the current page, and reports whether it was seen before, in this page or an earlier one.
func (r *Recent) Seen(text []byte) bool {
	k := r.parse(text)
	if taken, replayed := r.replayed[k]; replayed && !taken {
		r.replayed[k] = true
		r.current = append(r.current, k)
		return true
	}
	if _, known := r.keys[k]; known {
		return true
	}
	r.keys[k] = struct{}{}
	r.current = append(r.current, k)
	return false
}

// AddReplayed adds the key of a record that a sink replays. It returns true if the key was known before the replay, or
// if no more keys can be added. The key is stored in the file with the page in which the source repeats the record.
// From that page's checkpoint on, the record is no longer replayed.
func (r *Recent) AddReplayed(text []byte) (known bool) {
	k := r.parse(text)
	if _, again := r.replayed[k]; again {
		return false
	}
	if _, known := r.keys[k]; known || len(r.replayed) >= maxKeys {
		return true
	}
	if r.replayed == nil {
		r.replayed = map[key]bool{}
	}
	r.keys[k] = struct{}{}
	r.replayed[k] = false
	return false
}

// parse returns the key for the text of a record's key.
func (r *Recent) parse(text []byte) (k key) {
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		digits := append(r.hex[:0], text[:8]...)
		digits = append(append(append(append(digits, text[9:13]...), text[14:18]...), text[19:23]...), text[24:]...)
		if _, err := hex.Decode(k[:], digits); err == nil {
			return k
		}
	}
	sum := sha256.Sum256(text)
	copy(k[:], sum[:])
	return k
}

// Keep keeps the keys of the current page, which was written. watermark is the time of its latest record, zero if not known.
func (r *Recent) Keep(watermark time.Time) {
	if len(r.current) == 0 {
		return
	}
	r.order = append(r.order, r.current...)
	r.uncommitted += len(r.current)
	r.pages = append(r.pages, page{len(r.current), watermark})
	if len(r.pages) > 1 && r.pages[0].watermark.IsZero() { // keys from the file count as if they were from the first page
		r.pages[0].watermark = watermark
	}
	r.current = r.current[:0]
}

// Revoke forgets the keys that were kept and not committed: their pages did not become durable.
func (r *Recent) Revoke() {
	r.Begin()
	kept := len(r.order) - r.uncommitted
	r.forgetKeys(r.order[kept:])
	r.order = r.order[:kept]
	for r.uncommitted > 0 {
		r.uncommitted -= r.pages[len(r.pages)-1].count
		r.pages = r.pages[:len(r.pages)-1]
	}
}

// Kept returns how many keys were kept and not committed.
func (r *Recent) Kept() int { return r.uncommitted }

// Commit stores the first n kept keys in the file, and forgets old keys. The n keys must be those of whole pages. An
// error of the file is returned once. After it, keys are only kept in memory.
func (r *Recent) Commit(n int) error {
	if n > 0 {
		from := len(r.order) - r.uncommitted
		if r.err == nil {
			r.err = r.append(entryKey, r.order[from:from+n])
		}
		for _, k := range r.order[from : from+n] {
			delete(r.replayed, k)
		}
		r.uncommitted -= n
		r.forget(r.pages[len(r.pages)-1].watermark)
	}
	if r.err == nil && r.file != nil && r.kept > 2*max(r.count(), minKeys) {
		r.err = r.rewrite()
	}
	if r.err == nil {
		return nil
	}
	err := fmt.Errorf("keys of recent records: %w: the next run will not recognise repeated records", r.err)
	_ = r.Close()
	r.file, r.err = nil, nil
	return err
}

func (r *Recent) count() int { return len(r.order) - r.head }

// forget drops the keys of old pages, and replayed keys whose records the source did not repeat.
func (r *Recent) forget(now time.Time) {
	if r.replayTime.IsZero() {
		r.replayTime = now
	}
	if now.Sub(r.replayTime) > rememberFor && r.count() >= minKeys {
		for k, taken := range r.replayed {
			if !taken {
				delete(r.replayed, k)
				delete(r.keys, k)
			}
		}
	}
	dropped := 0
	for _, p := range r.pages {
		left := r.count() - p.count
		if left < r.uncommitted {
			break // the page is not durable yet
		}
		old := !p.watermark.IsZero() && now.Sub(p.watermark) > rememberFor && left >= minKeys
		if !old && r.count() <= maxKeys {
			break
		}
		for _, k := range r.order[r.head : r.head+p.count] {
			delete(r.keys, k)
		}
		r.head += p.count
		dropped++
	}
	r.pages = r.pages[:copy(r.pages, r.pages[dropped:])]
	if r.head > len(r.order)/2 {
		r.order = r.order[:copy(r.order, r.order[r.head:])]
		r.head = 0
	}
}

// append appends entries to the file. They are not synced: a lost key leads only to a repeat.
func (r *Recent) append(kind byte, all []key) error {
	if r.file == nil {
		return nil
	}
	if err := r.inPlace(); err != nil {
		return err
	}
	b := make([]byte, 0, len(all)*entrySize)
	for _, k := range all {
		b = append(append(b, kind), k[:]...)
	}
	r.kept += len(all)
	n, err := r.file.Write(b)
	r.size += int64(n)
	return err
}

// inPlace writes the file again if another program renamed, deleted, cut or replaced it.
func (r *Recent) inPlace() error {
	mine, err := r.file.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(r.path); err == nil && os.SameFile(mine, there) && there.Size() >= r.size {
		return nil
	}
	return r.rewrite()
}

// rewrite replaces the file by one with the remembered keys.
func (r *Recent) rewrite() error {
	temp := r.path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	_, _ = w.WriteString(magic) // Flush returns the error
	durable := r.order[r.head : len(r.order)-r.uncommitted]
	for _, k := range durable {
		_, _ = w.Write(append([]byte{entryKey}, k[:]...))
	}
	for _, id := range r.files {
		_, _ = w.Write(append([]byte{entryFile}, id[:]...))
	}
	if r.last != (key{}) {
		_, _ = w.Write(append([]byte{entryMark}, r.last[:]...))
	}
	if err = w.Flush(); err == nil {
		err = os.Rename(temp, r.path)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(temp)
		return err
	}
	old := r.file
	r.file, r.kept, r.size = f, len(durable)+1, int64(len(magic)+len(durable)*entrySize)
	return old.Close()
}

// Close closes the file.
func (r *Recent) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
