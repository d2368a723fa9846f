//go:build !portable

package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepPages is how many private pages an idle instance may keep (768 KiB). They are restored by copying, which saves
// the next call a page fault each. Above this number, all private pages are returned to the kernel.
const keepPages = 192

var pageSize = os.Getpagesize()

// space is a reserved range of addresses. Unused parts are not accessible.
type space struct{ all []byte }

func reserve(most uint64) (space, error) {
	b, err := unix.Mmap(-1, 0, int(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return space{}, fmt.Errorf("reserving %d bytes for a module's memory: %w", most, err)
	}
	return space{b}, nil
}

// resize makes the first size bytes accessible and returns them, or nil if that fails. New bytes are zero.
func (s *space) resize(now, size uint64) []byte {
	if size > uint64(len(s.all)) {
		return nil
	}
	if size > now && unix.Mprotect(s.all[now:size], unix.PROT_READ|unix.PROT_WRITE) != nil {
		return nil
	}
	return s.all[:size:size]
}

// renew zeroes all memory and gives it back to the kernel. It returns the first size bytes, which must be accessible.
func (s *space) renew(size uint64) []byte {
	if unix.Madvise(s.all, unix.MADV_DONTNEED) != nil {
		clear(s.all[:size])
	}
	return s.all[:size:size]
}

func (s *space) free() {
	if s.all != nil {
		_ = unix.Munmap(s.all)
		s.all = nil
	}
}

// pages is a snapshot's memory: a sealed, unnamed file that is mapped read-only.
type pages struct {
	file *os.File
	all  []byte
}

func newPages(b []byte) (p pages, err error) {
	fd, err := unix.MemfdCreate("wasm-snapshot", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return p, fmt.Errorf("creating a file for the snapshot of the module's memory: %w", err)
	}
	p.file = os.NewFile(uintptr(fd), "snapshot")
	defer func() {
		if err != nil {
			_ = p.file.Close()
		}
	}()
	if err = p.file.Truncate(int64(len(b))); err != nil {
		return p, fmt.Errorf("allocating the snapshot of the module's memory: %w", err)
	}
	zero := make([]byte, pageSize)
	for at := 0; at < len(b); at += pageSize { // zero pages stay holes of the file
		if page := b[at : at+pageSize]; !bytes.Equal(page, zero) {
			if _, err = p.file.WriteAt(page, int64(at)); err != nil {
				return p, fmt.Errorf("writing the snapshot of the module's memory: %w", err)
			}
		}
	}
	if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return p, fmt.Errorf("sealing the snapshot of the module's memory: %w", err)
	}
	if p.all, err = unix.Mmap(fd, 0, len(b), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return p, fmt.Errorf("mapping the snapshot of the module's memory: %w", err)
	}
	return p, nil
}

func (p *pages) close() {
	_ = unix.Munmap(p.all)
	_ = p.file.Close()
}

// adopt maps the snapshot over a memory of the same size, copy-on-write.
func (l *linear) adopt(s *snapshot) error {
	if l.size != s.size {
		return errors.New("the module's memory and its snapshot differ in size")
	}
	_, err := unix.MmapPtr(int(s.pages.file.Fd()), 0, unsafe.Pointer(&l.all[0]), uintptr(s.size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("mapping the snapshot of the module's memory: %w", err)
	}
	return nil
}

// restore makes the memory equal to its snapshot again. It copies private pages back if they are few, and drops them
// otherwise. It returns false if the memory has grown, since it cannot shrink.
func (l *linear) restore(s *snapshot) bool {
	if l.size != s.size {
		return false
	}
	at := make([]int, 0, keepPages)
	entries, known := l.pagemap(int(s.size) / pageSize)
	for i := 0; known && i < len(entries); i += 8 {
		if private(binary.NativeEndian.Uint64(entries[i:])) {
			if len(at) == keepPages {
				known = false
				break
			}
			at = append(at, i/8*pageSize)
		}
	}
	if !known {
		return unix.Madvise(l.all[:s.size], unix.MADV_DONTNEED) == nil
	}
	for _, from := range at {
		copy(l.all[from:from+pageSize], s.pages.all[from:])
	}
	return true
}

// private reports whether a pagemap entry describes a written page: swapped out, or present and not backed by a file.
// https://docs.kernel.org/admin-guide/mm/pagemap.html
func private(entry uint64) bool {
	const present, swapped, ofFile = 1 << 63, 1 << 62, 1 << 61
	return entry&swapped != 0 || entry&present != 0 && entry&ofFile == 0
}

// pagemapFile returns /proc/self/pagemap if it is reliable, else nil. Without it, restore drops all private pages.
var pagemapFile = sync.OnceValue(func() *os.File {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	if !showsPrivatePages(f) {
		_ = f.Close() // read only
		return nil
	}
	return f
})

// Prepare opens what a process cannot open any more after it has confined itself. It may be called more than once.
func Prepare() { pagemapFile() }

// showsPrivatePages tests a pagemap on two pages of a snapshot, one read and one written. Some sandboxes and kernels
// that imitate Linux have a pagemap without content. Trusting it would leak one call's data to the next.
func showsPrivatePages(pagemap io.ReaderAt) bool {
	p, err := newPages(bytes.Repeat([]byte{1}, 2*pageSize))
	if err != nil {
		return false
	}
	defer p.close()
	b, err := unix.Mmap(int(p.file.Fd()), 0, 2*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Munmap(b) }()
	b[pageSize] = b[0] + 1
	var entries [16]byte
	if _, err := pagemap.ReadAt(entries[:], int64(uintptr(unsafe.Pointer(&b[0])))/int64(pageSize)*8); err != nil {
		return false
	}
	return !private(binary.NativeEndian.Uint64(entries[:])) && private(binary.NativeEndian.Uint64(entries[8:]))
}

// pagemap returns 8 bytes for each page of the memory, or false if there is no reliable pagemap.
func (l *linear) pagemap(pages int) ([]byte, bool) {
	f := pagemapFile()
	if f == nil {
		return nil, false
	}
	b := make([]byte, 8*pages)
	_, err := f.ReadAt(b, int64(uintptr(unsafe.Pointer(&l.all[0])))/int64(pageSize)*8)
	return b, err == nil
}
