// Package filesink appends the records of a source to files. It syncs the file after each page.
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

// ErrInUse is wrapped when another process has locked the file.
var ErrInUse = errors.New("file in use")

// Options configure a File. A zero field means its default.
type Options struct {
	// Zstd compresses each page as a zstd frame of its own, so that the file is complete after every page. Any zstd
	// reader can read it. By default the extension decides: .zst is compressed.
	Zstd bool
	// RotateSize is the size on disk, in bytes, from which a file is put aside before the next page. 0 means never.
	RotateSize int64
	// RotateEvery is the time after which a file is put aside. It begins with the first page, or when a file with
	// records is opened. 0 means never.
	RotateEvery time.Duration
	// Mode is the exact mode of new files: the umask does not change it. Default durable.Mode.
	Mode fs.FileMode
	// Notice is called with a text for people: another program renamed, deleted or cut the file, or the file was put
	// aside. It must not call the File. By default the text is dropped.
	Notice func(text string)
	// Disk is where files are written. Default durable.OS.
	Disk durable.Disk
}

// File appends NDJSON to a file and syncs it after each page. It never shortens a file, since others may be reading it.
// To put a file aside means to rename it: the third events.ndjson.zst becomes events.000003.ndjson.zst. It is not
// changed again.
//
// Before each page and at each Sync, the File checks whether its path still leads to the open file. If another program
// renamed, deleted or cut the file, the path is opened again.
type File struct {
	name       string // as given
	path       string // with links resolved: their target is put aside, not the link
	opts       Options
	disk       durable.Disk
	opened     Tear                // what Open found
	alsoReplay map[durable.ID]bool // further files that Replay reads

	mu      sync.Mutex   // the timer rotates concurrently
	f       durable.File // locked: no other process writes to it
	w       *bufio.Writer
	special bool  // a device or pipe, which is only appended to
	end     int64 // size of the file, in bytes
	synced  int64 // the first bytes of it that a Sync confirmed
	tear    tear  // the end of the file that belongs to no written page
	timer   *time.Timer
	due     bool

	opening     int   // counts how often the path was opened
	lostOpening int   // the last opening whose unconfirmed pages were lost, because the file was deleted or cut
	unreported  bool  // Reopen or the timer found that pages are lost: the next Append or Sync reports it
	lost        error // if set, no further page may be written: its checkpoint would cover lost pages
}

// Open opens a file to append to, and creates it if it does not exist. While it is open, no other process can open it
// this way (ErrInUse). A device or a pipe may have any number of writers. If a crash left part of a record at the end
// of the file, it stays there. If the record is written again, it is completed. Otherwise the file is put aside and a
// new one is created. A file that ends in anything else is an error (ErrForeign).
func Open(path string, o Options) (*File, error) {
	if o.RotateSize < 0 || o.RotateEvery < 0 {
		return nil, fmt.Errorf("RotateSize %d and RotateEvery %s must not be negative", o.RotateSize, o.RotateEvery)
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
		// A killed process may have renamed the file without syncing the folder. If the new file became durable first, the
		// renamed one could lose its only name.
		if err := o.Disk.SyncFolder(filepath.Dir(durable.Resolve(path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	var err error
	if s.opened, err = s.openPath(); err != nil {
		return nil, durable.NoFolder(path, err)
	}
	s.notice(s.opened.text(s.name))
	return s, nil
}

// Tear returns what Open found at the end of the file.
func (s *File) Tear() Tear { return s.opened }

// String implements Sink.
func (s *File) String() string { return s.name }

// openPath opens the file at the path. If its end cannot be continued, it puts the file aside first.
func (s *File) openPath() (found Tear, err error) {
	s.path = durable.Resolve(s.name)
	f, err := s.disk.Append(s.path, s.opts.Mode)
	if errors.Is(err, durable.ErrLocked) {
		return found, fmt.Errorf("%w: another process writes to %s (fuser %s shows which): wait for it to end, or choose another file",
			ErrInUse, s.name, s.name)
	}
	if err != nil {
		return found, err
	}
	defer func() {
		if err != nil {
			_ = f.Close() // err is reported
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
			if err = f.Sync(); err != nil { // records of an earlier process may be replayed, and then count as durable
				return found, s.setAside(f, err)
			}
		}
		if err = s.disk.SyncFolder(filepath.Dir(s.path)); err != nil { // the name must be durable, too
			return found, err
		}
		if torn.hole > 0 {
			aside, err := s.rename()
			if err != nil {
				return found, err
			}
			_, err = s.openPath()
			found.Aside = aside
			return found, errors.Join(err, f.Close())
		}
	}
	s.f, s.w, s.special, s.end, s.synced, s.tear = f, bufio.NewWriterSize(f, 64<<10), !info.Mode().IsRegular(), end, end, torn
	s.opening++
	if s.end > 0 {
		s.startTimer()
	}
	return found, nil
}

// startTimer starts the timer that puts the file aside, even if no page comes.
func (s *File) startTimer() {
	if s.opts.RotateEvery == 0 || s.special || s.timer != nil {
		return
	}
	s.timer = time.AfterFunc(s.opts.RotateEvery, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.due = true; s.f != nil && s.lost == nil && s.checkQuietly() == nil && s.due && s.tear.none() {
			_, err := s.rotate() // if it fails, the next page tries again and reports the error
			s.unreported = s.unreported || errors.Is(err, sink.ErrRewrite)
		}
	})
}

// Write implements sink.Sink.
func (s *File) Write(ctx context.Context, p sink.Page) error {
	if err := s.Append(ctx, p); err != nil {
		return err
	}
	return s.Sync()
}

// Append implements sink.Buffered. After an error, the file may hold some records of the page. If the page is appended
// again, these are not written twice, and a partial record is completed.
func (s *File) Append(_ context.Context, p sink.Page) (err error) {
	if p.Len() == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	defer func() { s.tear.settle(err) }()
	p, err = s.resume(p)
	if err != nil {
		return err
	}
	if s.due || s.opts.RotateSize > 0 && s.end >= s.opts.RotateSize {
		if _, err := s.rotate(); err != nil {
			return fmt.Errorf("rotating %s: %w; %s", s.name, err, sink.NotCheckpointed)
		}
	}
	if p.Len() == 0 {
		return nil
	}
	return s.append(s.end, func() error { return s.page(p) })
}

// append appends the bytes that write puts into the buffer. from is the offset at which its records begin.
func (s *File) append(from int64, write func() error) error {
	n := counter{w: s.f}
	s.w.Reset(&n)
	err := write()
	if err == nil {
		err = s.w.Flush()
	}
	s.end += n.n
	if err != nil {
		if e := s.recordTear(from); e != nil {
			s.lost = sink.WriteError(s.name, errors.Join(err, e))
		}
		return sink.WriteError(s.name, err)
	}
	s.startTimer()
	return nil
}

// Sync implements sink.Buffered. It may run concurrently with Append; the next Sync confirms that page. After
// ErrRewrite, all pages that no Sync confirmed must be appended again. Any other error is final: every later call
// returns it until the file is opened again.
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
	case s.lostOpening >= opening:
		return s.rewriteError()
	case s.opening != opening: // it was put aside or renamed meanwhile, and synced then
		return nil
	case err != nil:
		return s.failSync(err)
	}
	if err := s.check(); err != nil {
		return err
	}
	if s.opening == opening {
		s.synced = max(s.synced, end)
	}
	return nil
}

// ID implements sink.Movable.
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

// ReplayAlso implements sink.Movable.
func (s *File) ReplayAlso(ids []durable.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alsoReplay = map[durable.ID]bool{}
	for _, id := range ids {
		s.alsoReplay[id] = true
	}
}

// Reopen implements sink.Reopener. It opens the path again if the path no longer leads to the open file, and reports
// whether it did. It is safe for concurrent use.
func (s *File) Reopen() (reopened bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil || s.f == nil {
		return false, s.lost
	}
	before := s.opening
	if err := s.checkQuietly(); err != nil {
		return false, err
	}
	return s.opening != before, nil
}

// checkQuietly is check for callers that cannot write pages again. The next Append or Sync reports lost pages.
func (s *File) checkQuietly() error {
	err := s.check()
	if errors.Is(err, sink.ErrRewrite) {
		s.unreported = true
		return nil
	}
	return err
}

// usable returns why Append or Sync cannot go on: the file is not usable, or lost pages must be written again first.
func (s *File) usable() error {
	if s.unreported && s.lost == nil {
		s.unreported = false
		return s.rewriteError()
	}
	if errors.Is(s.lost, sink.ErrUnavailable) {
		return s.openRestored()
	}
	return s.lost
}

// openRestored opens the path again after its folder was deleted. Pages that no Sync confirmed are lost.
func (s *File) openRestored() error {
	unconfirmed, old, opening := s.end > s.synced, s.f, s.opening
	if err := s.reopen(); err != nil {
		return err
	}
	_ = old.Close() // deleted
	s.lost, s.unreported = nil, false
	if unconfirmed {
		s.lostOpening = opening
		return s.rewriteError()
	}
	return nil
}

// sync syncs the file and does not check its path. The caller holds s.mu.
func (s *File) sync() error {
	if s.special || s.synced == s.end {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return s.failSync(err)
	}
	s.synced = s.end
	return nil
}

// failSync ends the use of a file whose sync failed. The system may have dropped data that it still shows.
func (s *File) failSync(err error) error {
	s.lost = sink.WriteError(s.name, s.setAside(s.f, err))
	return s.lost
}

// setAside renames a file whose sync failed, so that no later run takes its end for durable. It returns err, extended by
// the new name.
func (s *File) setAside(f durable.File, err error) error {
	mine, e := f.Stat()
	if e != nil {
		return err
	}
	if there, e := os.Stat(s.path); e != nil || !os.SameFile(mine, there) {
		return err // another program renamed or deleted it: no later run opens it
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
			return fmt.Errorf("%w: its end may not be on the disk, and renaming it failed (%w): move it away before the next run", err, e)
		}
		return fmt.Errorf("%w: its end may not be on the disk, so it was renamed to %s", err, aside)
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

// encoders are shared by all files: each needs some megabytes, but only while a page is written.
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

// rotate puts the file aside and begins a new one. It returns the name of the old one.
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
	case err != nil: // another program already renamed or deleted it
		return "another file", s.check()
	}
	old := s.f
	if err := s.reopen(); err != nil {
		return "", err
	}
	return aside, old.Close() // synced before
}

// rename renames the file at the path to put it aside, and returns the new name.
func (s *File) rename() (aside string, err error) {
	if aside, err = nextName(s.path); err == nil {
		err = s.disk.Rename(s.path, aside)
	}
	if err != nil {
		return "", err
	}
	if err := s.disk.SyncFolder(filepath.Dir(s.path)); err != nil {
		s.lost = sink.WriteError(s.name, err) // the open file was put aside
		return "", s.lost
	}
	return aside, nil
}

// reopen opens the path again. It does not close the old file.
func (s *File) reopen() error {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.due = false
	found, err := s.openPath()
	if errors.Is(err, fs.ErrNotExist) { // the folder was deleted, and may be restored
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

// Close implements sink.Sink. It syncs appended pages if it can. The file stays at its path and can be opened later.
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

// nextName returns the name to which the file at path is put aside. Its number is the highest existing one plus one.
func nextName(path string) (string, error) {
	highest, name, err := asides(path)
	return name(highest + 1), err
}

// asides returns the highest number among the files that were put aside from path, or 0 if there are none. The function
// name returns the path for a number.
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

// aside returns the parts of a name before and after the number that a file gets when it is put aside.
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

// isAside reports whether a file with this name was put aside from path.
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
