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

// Bounds of what is remembered. The connector's overlap after a refused cursor is 5 minutes.
const (
	remembered = 10 * time.Minute // how far behind the latest record
	leastKeys  = 10_000           // that are remembered however old they are
	mostKeys   = 1 << 18          // and however new; an overlap with more has repeats, which have the same keys
)

// Recent remembers the keys of the records that a sink has lately made durable, so that those which a source gives again
// are not written again. It keeps them in a file beside the checkpoint, for the next process: without that, what a crash
// leaves half done, and a cursor that expired while nothing ran, would give repeats.
//
// A key that is lost does no harm but a repeat. A key can never stand there too early: it is added once its record is
// durable. It is not safe for concurrent use; close it when done.
type Recent struct {
	path string
	file *os.File
	kept int   // keys in the file
	size int64 // that the file has at least: a shorter one was cut by another program
	err  error // of the file

	keys    map[key]struct{}
	order   []key // oldest first, from head on
	head    int
	pages   []page
	last    key   // digest of the checkpoint that was to be saved last; zero is none
	hand    []key // of the page in hand
	unsaved int   // the last so many of order: written, and not durable yet
	hex     [32]byte
	files   []durable.ID // that were written to, the latest last

	// replayed are the keys of records that the sink holds and no checkpoint covers, since a crash came between. They are
	// written down once the source gives their records again and a checkpoint covers those: true is given again, and not
	// committed yet.
	replayed   map[key]bool
	replayTime time.Time // watermark of the first page after the replay; zero is none yet
}

// key is a record's key: a UUID, or a hash of anything else.
type key [16]byte

// page is keys that were added together.
type page struct {
	count     int
	watermark time.Time // zero is not known
}

// magic begins the file. Entries follow: a byte that says what, and 16 bytes.
const (
	magic     = "recent keys, v2\n"
	entryKey  = 'k'
	entryMark = 'c'
	entryFile = 'f' // programs from before it know only the others, and leave it out when they rewrite the file
	entrySize = 1 + len(key{})
)

// OpenRecent reads the keys at path, and makes the file where there is none. at is the checkpoint from which the source
// goes on: keys that were added behind it do not count, so that one from an earlier time, which somebody put back, has its
// records again; nil begins anew. An empty path remembers in memory alone, and so does what follows a file that cannot be used,
// which the next Commit tells.
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

// load reads the file. It is not whole where a crash cut it, or something else stands there.
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
	skip := max(0, count-mostKeys)
	in := bufio.NewReaderSize(io.NewSectionReader(r.file, int64(len(magic))+skip*size, (count-skip)*size), 64<<10)
	whole = info.Size() == int64(len(magic))+count*size
	var found, behind bool // the checkpoint's mark, and another behind it
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
			r.noted(durable.ID(k))
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

// Mark notes a checkpoint that is about to be saved: what is committed from then on belongs to it.
func (r *Recent) Mark(checkpoint json.RawMessage) {
	r.last = digest(checkpoint)
	if r.err == nil {
		r.err = r.append(entryMark, []key{r.last})
	}
}

// mostFiles is how many files are remembered: those of the last minutes, where another program renames them all the time.
const mostFiles = 16

// NoteFile remembers a file that records are written to, so that the next process finds it should it be renamed.
func (r *Recent) NoteFile(id durable.ID) {
	if n := len(r.files); n > 0 && r.files[n-1] == id {
		return
	}
	r.noted(id)
	if r.err == nil {
		r.err = r.append(entryFile, []key{key(id)})
	}
}

func (r *Recent) noted(id durable.ID) {
	r.files = append(r.files, id)
	r.files = r.files[max(0, len(r.files)-mostFiles):]
}

// Files are the files that were noted last.
func (r *Recent) Files() []durable.ID { return slices.Clone(r.files) }

func (r *Recent) add(k key) {
	if _, known := r.keys[k]; !known {
		r.keys[k] = struct{}{}
		r.order = append(r.order, k)
	}
}

// Begin takes a page in hand. A page that was in hand and not kept is forgotten.
func (r *Recent) Begin() {
	r.unsee(r.hand)
	r.hand = r.hand[:0]
}

// unsee forgets keys of pages that did not become durable. Replayed ones stay known: their records are in the sink.
func (r *Recent) unsee(keys []key) {
	for _, k := range keys {
		if _, replayed := r.replayed[k]; replayed {
			r.replayed[k] = false
			continue
		}
		delete(r.keys, k)
	}
}

// Seen reports whether a key was seen before, in an earlier page or in this one.
func (r *Recent) Seen(text []byte) bool {
	k := r.parse(text)
	if taken, replayed := r.replayed[k]; replayed && !taken {
		r.replayed[k] = true
		r.hand = append(r.hand, k)
		return true
	}
	if _, known := r.keys[k]; known {
		return true
	}
	r.keys[k] = struct{}{}
	r.hand = append(r.hand, k)
	return false
}

// Know adds the key of a record that a sink replays, and reports whether it was known before the replay, or no more keys can
// be added. The key is written down with the page in which the source gives the record again: the next process starts at
// the checkpoint behind that page, and does not replay what is before it.
func (r *Recent) Know(text []byte) (known bool) {
	k := r.parse(text)
	if _, again := r.replayed[k]; again {
		return false
	}
	if _, known := r.keys[k]; known || len(r.replayed) >= mostKeys {
		return true
	}
	if r.replayed == nil {
		r.replayed = map[key]bool{}
	}
	r.keys[k] = struct{}{}
	r.replayed[k] = false
	return false
}

// parse makes a key of a record's. A UUID fits as it is.
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

// Keep remembers the keys of the page in hand, which is written. watermark is the time of its latest record, zero when not
// known.
func (r *Recent) Keep(watermark time.Time) {
	if len(r.hand) == 0 {
		return
	}
	r.order = append(r.order, r.hand...)
	r.unsaved += len(r.hand)
	r.pages = append(r.pages, page{len(r.hand), watermark})
	if len(r.pages) > 1 && r.pages[0].watermark.IsZero() { // what was read from a file is no older than the first page
		r.pages[0].watermark = watermark
	}
	r.hand = r.hand[:0]
}

// Revoke forgets what was kept since the last Commit: it did not become durable.
func (r *Recent) Revoke() {
	r.Begin()
	kept := len(r.order) - r.unsaved
	r.unsee(r.order[kept:])
	r.order = r.order[:kept]
	for r.unsaved > 0 {
		r.unsaved -= r.pages[len(r.pages)-1].count
		r.pages = r.pages[:len(r.pages)-1]
	}
}

// Kept is how many keys were kept and not committed.
func (r *Recent) Kept() int { return r.unsaved }

// Commit takes the first n keys that were kept, those of whole pages, for durable, writes them down, and forgets what is too
// old. An error is of the file, and told once.
func (r *Recent) Commit(n int) error {
	if n > 0 {
		from := len(r.order) - r.unsaved
		if r.err == nil {
			r.err = r.append(entryKey, r.order[from:from+n])
		}
		for _, k := range r.order[from : from+n] {
			delete(r.replayed, k)
		}
		r.unsaved -= n
		r.forget(r.pages[len(r.pages)-1].watermark)
	}
	if r.err == nil && r.file != nil && r.kept > 2*max(r.count(), leastKeys) {
		r.err = r.rewrite()
	}
	if r.err == nil {
		return nil
	}
	err := fmt.Errorf("keys of recent records: %w: what is repeated to the next run will not be recognised", r.err)
	_ = r.Close()
	r.file, r.err = nil, nil
	return err
}

func (r *Recent) count() int { return len(r.order) - r.head }

// forget drops the oldest pages' keys, and those that were replayed and not given again.
func (r *Recent) forget(now time.Time) {
	if r.replayTime.IsZero() {
		r.replayTime = now
	}
	if now.Sub(r.replayTime) > remembered && r.count() >= leastKeys {
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
		if left < r.unsaved {
			break // a page that is not durable yet
		}
		old := !p.watermark.IsZero() && now.Sub(p.watermark) > remembered && left >= leastKeys
		if !old && r.count() <= mostKeys {
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

// append writes entries behind those in the file. They need not be synced: what is lost is a repeat.
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

// inPlace makes the file again where another program renamed, deleted or replaced it.
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

// rewrite makes a file of the keys that are remembered.
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
	_, _ = w.WriteString(magic) // Flush tells
	durable := r.order[r.head : len(r.order)-r.unsaved]
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

// Close lets go of the file.
func (r *Recent) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
