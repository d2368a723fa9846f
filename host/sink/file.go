package sink

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/mach5/okta-connector/host/durable"
)

// FileOptions configure a File. A zero field means its default.
type FileOptions struct {
	// Zstd compresses each page as a zstd frame of its own, so that a file is whole after every page; any zstd reader
	// takes such a file. Default what the path's extension says: .zst is compressed.
	Zstd bool
	// RotateSize is the size from which on a file is put aside before the next page; 0 is never.
	RotateSize int64 // bytes on disk
	// RotateEvery is how long after its first page, or after it was opened, a file is put aside; 0 is never.
	RotateEvery time.Duration
}

// File appends NDJSON to a file and syncs it with each page. A file that is put aside is renamed: the third one of
// events.ndjson.zst becomes events.000003.ndjson.zst, and is not touched again.
type File struct {
	name string // as it was given
	path string // links followed: what they lead to is put aside, and not they
	opts FileOptions
	disk durable.Disk
	cut  Cut

	mu      sync.Mutex   // the timer rotates, too
	f       durable.File // held: nobody else writes to it
	w       *bufio.Writer
	special bool  // a device or pipe: appended to, and nothing else
	size    int64 // of what is whole
	synced  int64 // of what is durable
	torn    bool  // more than size may stand there
	lost    error // pages that were appended are gone: no later page may be taken, lest its checkpoint covers them
	timer   *time.Timer
	due     bool
}

// OpenFile opens a file to append to, and makes it where there is none. While it is open no other process can open it so
// (ErrInUse); a device or a pipe may have any number of writers. What a crash left half-written at its end is cut off: its
// page was never checkpointed, so that those records come again. A file that ends in something else is an error
// (ErrForeign).
func OpenFile(path string, o FileOptions) (*File, error) { return OpenFileOn(durable.OS, path, o) }

// OpenFileOn is OpenFile, and writes to a disk.
func OpenFileOn(disk durable.Disk, path string, o FileOptions) (*File, error) {
	if o.RotateSize < 0 || o.RotateEvery < 0 {
		return nil, errors.New("a file is rotated by a size and time that are not negative")
	}
	s := &File{name: path, path: durable.Resolve(path), opts: o, disk: disk}
	s.opts.Zstd = o.Zstd || strings.HasSuffix(path, ".zst") || strings.HasSuffix(s.path, ".zst")
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Lstat(s.path); errors.Is(err, fs.ErrNotExist) {
		// A process that was killed may have put it aside and not synced that: were the new name durable before, what it
		// led to would have none.
		if err := disk.SyncFolder(filepath.Dir(s.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	var err error
	if s.cut, err = s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// Cut is what OpenFile took off the end of the file.
func (s *File) Cut() Cut { return s.cut }

// String implements Sink.
func (s *File) String() string { return s.name }

// begin opens the file at the path, and mends it.
func (s *File) begin() (cut Cut, err error) {
	f, err := s.disk.Append(s.path)
	if errors.Is(err, durable.ErrLocked) {
		return cut, fmt.Errorf("%w: another process writes to %s (fuser %s tells which): wait for it, or give this one its own file",
			ErrInUse, s.name, s.name)
	}
	if err != nil {
		return cut, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the error says what was not done
		}
	}()
	info, err := os.Stat(s.path)
	if err != nil {
		return cut, err
	}
	size := info.Size()
	if info.Mode().IsRegular() {
		if size, cut, err = mend(s.disk, f, s.path, size, s.opts.Zstd); err != nil {
			return cut, fmt.Errorf("%s: %w", s.name, err)
		}
		if size > 0 {
			err = f.Sync() // what a process before wrote may be recalled, and then counts as durable
		}
		if err == nil {
			err = s.disk.SyncFolder(filepath.Dir(s.path)) // and so does its name
		}
		if err != nil {
			return cut, err
		}
	}
	s.f, s.w, s.special, s.size, s.torn = f, bufio.NewWriterSize(f, 64<<10), !info.Mode().IsRegular(), size, false
	s.synced = s.size
	if s.size > 0 {
		s.age()
	}
	return cut, nil
}

// age has the file put aside in time, even if no page comes.
func (s *File) age() {
	if s.opts.RotateEvery == 0 || s.special || s.timer != nil {
		return
	}
	s.timer = time.AfterFunc(s.opts.RotateEvery, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.due = true; s.f != nil {
			_ = s.rotate() // if it fails, the next page tries again and says why
		}
	})
}

// Write implements Sink.
func (s *File) Write(ctx context.Context, p Page) error {
	if err := s.Append(ctx, p); err != nil {
		return err
	}
	return s.Sync()
}

// Append implements Buffered.
func (s *File) Append(_ context.Context, p Page) error {
	if p.Len() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return s.lost
	}
	if s.due || s.opts.RotateSize > 0 && s.size >= s.opts.RotateSize {
		if err := s.rotate(); err != nil {
			return fmt.Errorf("rotating %s: %w; %s", s.name, err, again)
		}
	}
	if err := s.untear(); err != nil {
		return failed(s.name, err)
	}
	n := counter{w: s.f}
	s.w.Reset(&n)
	err := s.page(p)
	if err == nil {
		err = s.w.Flush()
	}
	if err != nil {
		s.takeBack(s.size) // half a page would be repeated as a whole
		return failed(s.name, err)
	}
	s.size += n.n
	s.age()
	return nil
}

// Sync implements Buffered. Pages may be appended meanwhile: those are for the next Sync. Once pages could not be made
// durable, by a Sync or a rotation, they are taken back, and every later call says so until the file is opened anew.
func (s *File) Sync() error {
	s.mu.Lock()
	f, size := s.f, s.size
	s.mu.Unlock()
	if f == nil || s.special {
		return nil
	}
	err := f.Sync()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lost != nil:
		return s.lost
	case s.f != f: // put aside meanwhile, and synced then
	case err != nil:
		return s.lose(err)
	default:
		s.synced = max(s.synced, size)
	}
	return nil
}

// sync is Sync for those who hold the lock.
func (s *File) sync() error {
	if s.special || s.synced == s.size {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return s.lose(err)
	}
	s.synced = s.size
	return nil
}

// lose takes back the pages that could not be made durable.
func (s *File) lose(err error) error {
	s.takeBack(s.synced)
	s.lost = failed(s.name, err)
	return s.lost
}

// takeBack cuts off what was written of a page, or of pages, that failed.
func (s *File) takeBack(to int64) {
	if s.size = to; !s.special {
		s.torn = s.f.Truncate(to) != nil
	}
}

// untear takes back what takeBack could not.
func (s *File) untear() error {
	if !s.torn {
		return nil
	}
	if err := s.f.Truncate(s.size); err != nil {
		return err
	}
	s.torn = false
	return nil
}

// page writes a page into the buffer.
func (s *File) page(p Page) error {
	if !s.opts.Zstd {
		_, err := p.WriteTo(s.w)
		return err
	}
	enc, err := encoder(s.w)
	if err != nil {
		return err
	}
	_, err = p.WriteTo(enc)
	if e := enc.Close(); err == nil {
		err = e
	}
	enc.Reset(nil)
	encoders.Put(enc)
	return err
}

// encoders are shared by all files: each holds some megabytes, and is needed only while a page is written.
var encoders sync.Pool

func encoder(w io.Writer) (*zstd.Encoder, error) {
	if enc, ok := encoders.Get().(*zstd.Encoder); ok {
		enc.Reset(w)
		return enc, nil
	}
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// rotate puts the file aside and begins a new one.
func (s *File) rotate() error {
	if s.special || s.size == 0 {
		s.due = false
		return nil
	}
	if err := s.untear(); err != nil {
		return err
	}
	if err := s.sync(); err != nil {
		return err
	}
	aside, err := nextName(s.path)
	if err == nil {
		err = s.disk.Rename(s.path, aside)
	}
	if err != nil {
		return err
	}
	if err := s.disk.SyncFolder(filepath.Dir(s.path)); err != nil {
		s.lost = failed(s.name, err) // what is open is the file that was put aside
		return s.lost
	}
	old := s.f
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.due = false
	if _, err := s.begin(); err != nil {
		s.lost = failed(s.name, err)
		return s.lost
	}
	return old.Close() // synced before
}

// Close implements Sink: what was appended and not synced is so now, as far as that goes. The file stays at its path, to be appended to.
func (s *File) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.f == nil {
		return nil
	}
	err := s.lost
	if err == nil {
		err = s.sync()
	}
	f := s.f
	s.f = nil
	return errors.Join(err, f.Close())
}

// nextName is the name under which the file at path is put aside: one more than the highest number that is there.
func nextName(path string) (string, error) {
	highest, name, err := asides(path)
	return name(highest + 1), err
}

// asides is the highest number of the files that were put aside of the one at path, 0 when there are none, and the name
// that goes with a number.
func asides(path string) (highest uint64, name func(uint64) string, err error) {
	dir, file := filepath.Split(path)
	stem, extension, _ := strings.Cut(file, ".")
	if extension != "" {
		extension = "." + extension
	}
	name = func(n uint64) string { return filepath.Join(dir, fmt.Sprintf("%s.%06d%s", stem, n, extension)) }
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	for _, e := range entries {
		middle, ok := strings.CutPrefix(e.Name(), stem+".")
		if !ok {
			continue
		}
		if middle, ok = strings.CutSuffix(middle, extension); !ok {
			continue
		}
		if n, err := strconv.ParseUint(middle, 10, 63); err == nil {
			highest = max(highest, n)
		}
	}
	return highest, name, err
}
