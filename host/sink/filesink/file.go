// Package filesink appends the records of a source to files, which it syncs with each page.
package filesink

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
	"github.com/mach5/okta-connector/host/sink"
)

// ErrInUse is wrapped when another process holds the file.
var ErrInUse = errors.New("file in use")

// Options configure a File. A zero field means its default.
type Options struct {
	// Zstd compresses each page as a zstd frame of its own, so that a file is whole after every page; any zstd reader
	// takes such a file. Default what the path's extension says: .zst is compressed.
	Zstd bool
	// RotateSize is the size from which on a file is put aside before the next page; 0 is never.
	RotateSize int64 // bytes on disk
	// RotateEvery is how long after its first page, or after it was opened, a file is put aside; 0 is never.
	RotateEvery time.Duration
	// Mode is the mode of files that are made, exactly: the umask does not change it. Default durable.Mode.
	Mode fs.FileMode
	// Notice is called with what a person should know: the file was renamed, deleted or cut by another program, or it was
	// put aside. It must not call the File. Default drops the text.
	Notice func(text string)
	// Disk is where files are written. Default durable.OS.
	Disk durable.Disk
}

// File appends NDJSON to a file and syncs it with each page. It never shortens a file, since others may read it along.
// A file that is put aside is renamed: the third one of events.ndjson.zst becomes events.000003.ndjson.zst, and is not
// touched again.
//
// Before each page and at each Sync the File looks whether its path still leads to the open file. Where another program
// renamed or deleted the file, or cut it, the path is opened anew.
type File struct {
	name   string // as it was given
	path   string // links followed: what they lead to is put aside, and not they
	opts   Options
	disk   durable.Disk
	opened Tear                // what Open found
	before map[durable.ID]bool // files that Replay reads, too

	mu      sync.Mutex   // the timer rotates, too
	f       durable.File // held: nobody else writes to it
	w       *bufio.Writer
	special bool  // a device or pipe: appended to, and nothing else
	end     int64 // bytes in the file
	synced  int64 // of those, how many a Sync confirmed
	tear    tear  // what stands at the end of the file and belongs to no page that was taken
	timer   *time.Timer
	due     bool

	opening int   // counts the times that the path was opened
	gone    int   // the last opening whose pages are gone: they were not confirmed, and their file was deleted or cut
	unsaid  bool  // that pages are gone was found by Reopen or the timer: the next Append or Sync says so
	lost    error // no later page may be taken: its checkpoint would cover pages that are lost
}

// Open opens a file to append to, and makes it where there is none. While it is open no other process can open it so
// (ErrInUse); a device or a pipe may have any number of writers. What a crash left half-written at its end stays there: the
// record is continued when it comes again, else the file is put aside and a new one is begun. A file that ends in
// something else is an error (ErrForeign).
func Open(path string, o Options) (*File, error) {
	if o.RotateSize < 0 || o.RotateEvery < 0 {
		return nil, errors.New("a file is rotated by a size and time that are not negative")
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Disk == nil {
		o.Disk = durable.OS
	}
	s := &File{name: path, opts: o, disk: o.Disk}
	s.opts.Zstd = o.Zstd || strings.HasSuffix(path, ".zst") || strings.HasSuffix(durable.Resolve(path), ".zst")
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Lstat(durable.Resolve(path)); errors.Is(err, fs.ErrNotExist) {
		// A process that was killed may have put it aside and not synced that: were the new name durable before, what it
		// led to would have none.
		if err := o.Disk.SyncFolder(filepath.Dir(durable.Resolve(path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	var err error
	if s.opened, err = s.begin(); err != nil {
		return nil, err
	}
	s.notice(s.opened.text(s.name))
	return s, nil
}

// Tear is what Open found at the end of the file.
func (s *File) Tear() Tear { return s.opened }

// String implements Sink.
func (s *File) String() string { return s.name }

// begin opens the file at the path. A file whose end cannot be continued is put aside first.
func (s *File) begin() (found Tear, err error) {
	s.path = durable.Resolve(s.name)
	f, err := s.disk.Append(s.path, s.opts.Mode)
	if errors.Is(err, durable.ErrLocked) {
		return found, fmt.Errorf("%w: another process writes to %s (fuser %s shows which): wait for it, or give this one its own file",
			ErrInUse, s.name, s.name)
	}
	if err != nil {
		return found, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // the error says what was not done
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return found, err
	}
	end, torn := info.Size(), tear{}
	if info.Mode().IsRegular() {
		if end, torn, err = s.examine(f, end); err != nil {
			return found, fmt.Errorf("%s: %w", s.name, err)
		}
		found.Bytes = int64(len(torn.text)) + torn.hole
		if end > 0 {
			if err = f.Sync(); err != nil { // what a process before wrote may be recalled, and then counts as durable
				return found, s.setAside(f, err)
			}
		}
		if err = s.disk.SyncFolder(filepath.Dir(s.path)); err != nil { // and so does its name
			return found, err
		}
		if torn.hole > 0 {
			aside, err := s.rename()
			if err != nil {
				return found, err
			}
			_, err = s.begin()
			found.Aside = aside
			return found, errors.Join(err, f.Close())
		}
	}
	s.f, s.w, s.special, s.end, s.synced, s.tear = f, bufio.NewWriterSize(f, 64<<10), !info.Mode().IsRegular(), end, end, torn
	s.opening++
	if s.end > 0 {
		s.age()
	}
	return found, nil
}

// age has the file put aside in time, even if no page comes.
func (s *File) age() {
	if s.opts.RotateEvery == 0 || s.special || s.timer != nil {
		return
	}
	s.timer = time.AfterFunc(s.opts.RotateEvery, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.due = true; s.f != nil && s.lost == nil && s.lookAside() == nil && s.due && s.tear.none() {
			_, err := s.rotate() // if it fails, the next page tries again and says why
			s.unsaid = s.unsaid || errors.Is(err, sink.ErrRewrite)
		}
	})
}

// Write implements Sink.
func (s *File) Write(ctx context.Context, p sink.Page) error {
	if err := s.Append(ctx, p); err != nil {
		return err
	}
	return s.Sync()
}

// Append implements Buffered. After an error, records of the page may be in the file: those are not written again where
// they come again, and one that is half there is continued.
func (s *File) Append(_ context.Context, p sink.Page) (err error) {
	if p.Len() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.look(); err != nil {
		return err
	}
	defer func() { s.tear.settle(err) }()
	p, err = s.goOn(p)
	if err != nil {
		return err
	}
	if s.due || s.opts.RotateSize > 0 && s.end >= s.opts.RotateSize {
		if _, err := s.rotate(); err != nil {
			return fmt.Errorf("rotating %s: %w; %s", s.name, err, sink.ComesAgain)
		}
	}
	if p.Len() == 0 {
		return nil
	}
	return s.append(s.end, func() error { return s.page(p) })
}

// append appends what write puts into the buffer. from is where the records begin of which that is, or is the rest.
func (s *File) append(from int64, write func() error) error {
	n := counter{w: s.f}
	s.w.Reset(&n)
	err := write()
	if err == nil {
		err = s.w.Flush()
	}
	s.end += n.n
	if err != nil {
		if e := s.torn(from); e != nil {
			s.lost = sink.WriteError(s.name, errors.Join(err, e))
		}
		return sink.WriteError(s.name, err)
	}
	s.age()
	return nil
}

// Sync implements Buffered. Pages may be appended meanwhile: those are for the next Sync. After sink.ErrRewrite all pages that no
// Sync confirmed are to be appended again. After any other error every later call says so until the file is opened anew.
func (s *File) Sync() error {
	s.mu.Lock()
	f, special, end, opening, err := s.f, s.special, s.end, s.opening, s.usable()
	s.mu.Unlock()
	if f == nil || special || err != nil {
		return err
	}
	err = f.Sync()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lost != nil:
		return s.lost
	case s.gone >= opening:
		return s.rewrite()
	case s.opening != opening: // put aside or renamed meanwhile, and synced then
		return nil
	case err != nil:
		return s.lose(err)
	}
	if err := s.look(); err != nil {
		return err
	}
	if s.opening == opening {
		s.synced = max(s.synced, end)
	}
	return nil
}

// ID implements Movable.
func (s *File) ID() (id durable.ID, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f == nil || s.special {
		return id, false
	}
	info, err := s.f.Stat()
	if err != nil {
		return id, false
	}
	return durable.IDOf(info)
}

// ReplayAlso implements Movable.
func (s *File) ReplayAlso(ids []durable.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = map[durable.ID]bool{}
	for _, id := range ids {
		s.before[id] = true
	}
}

// Reopen looks whether the path still leads to the open file, and opens the path anew where it does not. It reports
// whether it did. It may run beside the other methods.
func (s *File) Reopen() (anew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil || s.f == nil {
		return false, s.lost
	}
	before := s.opening
	if err := s.lookAside(); err != nil {
		return false, err
	}
	return s.opening != before, nil
}

// lookAside is look for those who cannot have pages come again.
func (s *File) lookAside() error {
	err := s.look()
	if errors.Is(err, sink.ErrRewrite) {
		s.unsaid = true
		return nil
	}
	return err
}

// usable is the error of an Append or Sync, where nothing can be written or something is to come again first.
func (s *File) usable() error {
	if s.unsaid && s.lost == nil {
		s.unsaid = false
		return s.rewrite()
	}
	if errors.Is(s.lost, sink.ErrUnavailable) {
		return s.comeBack()
	}
	return s.lost
}

// comeBack opens the path again whose folder was deleted. What no Sync confirmed is gone with it.
func (s *File) comeBack() error {
	gone, old, opening := s.end > s.synced, s.f, s.opening
	if err := s.reopen(); err != nil {
		return err
	}
	_ = old.Close() // deleted
	s.lost, s.unsaid = nil, false
	if gone {
		s.gone = opening
		return s.rewrite()
	}
	return nil
}

// sync is Sync for those who hold the lock, without a look at the path.
func (s *File) sync() error {
	if s.special || s.synced == s.end {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return s.lose(err)
	}
	s.synced = s.end
	return nil
}

// lose ends the use of a file that could not be synced: the system may have thrown away what was not on the disk, and yet
// show it.
func (s *File) lose(err error) error {
	s.lost = sink.WriteError(s.name, s.setAside(s.f, err))
	return s.lost
}

// setAside renames a file that could not be synced, so that no later run takes its end for durable. It returns the error
// with what was done.
func (s *File) setAside(f durable.File, err error) error {
	mine, e := f.Stat()
	if e != nil {
		return err
	}
	if there, e := os.Stat(s.path); e != nil || !os.SameFile(mine, there) {
		return err // another program renamed or deleted it: no run takes it for its own
	}
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.damaged-%d", s.path, n)
		if _, e := os.Lstat(aside); e == nil {
			continue
		}
		e := s.disk.Rename(s.path, aside)
		if e == nil {
			e = s.disk.SyncFolder(filepath.Dir(s.path))
		}
		if e != nil {
			return fmt.Errorf("%w: its end may not be on the disk: move it elsewhere before the next run (%w)", err, e)
		}
		return fmt.Errorf("%w: it is now %s, since its end may not be on the disk", err, aside)
	}
}

// page writes a page into the buffer.
func (s *File) page(p sink.Page) error {
	if s.opts.Zstd {
		return compress(s.w, p)
	}
	_, err := p.WriteTo(s.w)
	return err
}

// compress writes a page as a zstd frame.
func compress(w io.Writer, p sink.Page) error {
	enc, err := encoder(w)
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
func (s *File) rotate() (aside string, err error) {
	if s.special || s.end == 0 {
		s.due = false
		return "", nil
	}
	if err := s.sync(); err != nil {
		return "", err
	}
	aside, err = s.rename()
	switch {
	case s.lost != nil, err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	case err != nil: // another program was faster, and renamed or deleted it
		return "another file", s.look()
	}
	old := s.f
	if err := s.reopen(); err != nil {
		return "", err
	}
	return aside, old.Close() // synced before
}

// rename gives the file at the path the name under which it is put aside.
func (s *File) rename() (aside string, err error) {
	if aside, err = nextName(s.path); err == nil {
		err = s.disk.Rename(s.path, aside)
	}
	if err != nil {
		return "", err
	}
	if err := s.disk.SyncFolder(filepath.Dir(s.path)); err != nil {
		s.lost = sink.WriteError(s.name, err) // what is open is the file that was put aside
		return "", s.lost
	}
	return aside, nil
}

// reopen begins the file at the path in place of the one that is open, which it does not close.
func (s *File) reopen() error {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.due = false
	found, err := s.begin()
	if errors.Is(err, fs.ErrNotExist) { // its folder was deleted: it may come back
		s.lost = fmt.Errorf("%w: %w", sink.ErrUnavailable, sink.WriteError(s.name, err))
		return s.lost
	}
	if err != nil {
		s.lost = sink.WriteError(s.name, err)
		return s.lost
	}
	s.notice(found.text(s.name))
	return nil
}

func (s *File) notice(text string) {
	if text != "" {
		s.opts.Notice(text)
	}
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
	dir, _ := filepath.Split(path)
	stem, extension := aside(path)
	name = func(n uint64) string { return filepath.Join(dir, fmt.Sprintf("%s.%06d%s", stem, n, extension)) }
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	for _, e := range entries {
		if n, ok := asideNumber(stem, extension, e.Name()); ok {
			highest = max(highest, n)
		}
	}
	return highest, name, err
}

// aside is what stands before and behind the number in the names of files that were put aside.
func aside(path string) (stem, extension string) {
	stem, extension, _ = strings.Cut(filepath.Base(path), ".")
	if extension != "" {
		extension = "." + extension
	}
	return stem, extension
}

func asideNumber(stem, extension, name string) (n uint64, ok bool) {
	middle, ok := strings.CutPrefix(name, stem+".")
	if !ok {
		return 0, false
	}
	if middle, ok = strings.CutSuffix(middle, extension); !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(middle, 10, 63)
	return n, err == nil
}

// isAside reports whether a name is that of a file that was put aside of the one at path.
func isAside(path, name string) bool {
	stem, extension := aside(path)
	_, ok := asideNumber(stem, extension, name)
	return ok
}

// Status implements sink.Monitor.
func (s *File) Status() sink.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		return sink.Status{Up: true}
	}
	return sink.Status{Err: s.lost, Failures: 1}
}
