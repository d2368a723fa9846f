//go:build !portable

package host

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

// keepPages is how many pages of its own an instance may keep at rest (768 KiB): they were written by the last call,
// are put back by copying, and cost the next one no fault. What a busy call wrote beyond them goes back to the kernel.
const keepPages = 192

var pageSize = os.Getpagesize()

// space is a reserved range of addresses. What is not in use cannot be touched.
type space struct{ all []byte }

func reserve(most uint64) (space, error) {
	b, err := unix.Mmap(-1, 0, int(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return space{}, fmt.Errorf("reserving %d bytes for a module's memory: %w", most, err)
	}
	return space{b}, nil
}

// resize makes the first size bytes usable; those behind the present ones are zero.
func (s *space) resize(now, size uint64) []byte {
	if size > uint64(len(s.all)) {
		return nil
	}
	if size > now && unix.Mprotect(s.all[now:size], unix.PROT_READ|unix.PROT_WRITE) != nil {
		return nil
	}
	return s.all[:size:size]
}

func (s *space) free() {
	if s.all != nil {
		_ = unix.Munmap(s.all)
		s.all = nil
	}
}

// picture is an image's memory: a sealed file without a name, mapped to be read.
type picture struct {
	file *os.File
	all  []byte
}

func newPicture(b []byte) (p picture, err error) {
	fd, err := unix.MemfdCreate("okta-connector-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return p, fmt.Errorf("a file for the image of the module's memory: %w", err)
	}
	p.file = os.NewFile(uintptr(fd), "image")
	defer func() {
		if err != nil {
			_ = p.file.Close()
		}
	}()
	if err = p.file.Truncate(int64(len(b))); err != nil {
		return p, fmt.Errorf("making room for the image of the module's memory: %w", err)
	}
	zero := make([]byte, pageSize)
	for at := 0; at < len(b); at += pageSize { // what was never written stays a hole
		if page := b[at : at+pageSize]; !bytes.Equal(page, zero) {
			if _, err = p.file.WriteAt(page, int64(at)); err != nil {
				return p, fmt.Errorf("writing the image of the module's memory: %w", err)
			}
		}
	}
	if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return p, fmt.Errorf("sealing the image of the module's memory: %w", err)
	}
	if p.all, err = unix.Mmap(fd, 0, len(b), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return p, fmt.Errorf("mapping the image of the module's memory: %w", err)
	}
	return p, nil
}

func (p *picture) close() {
	_ = unix.Munmap(p.all)
	_ = p.file.Close()
}

// adopt puts the image in the place of a memory of the same size, copy-on-write.
func (l *linear) adopt(img *image) error {
	if l.size != img.size {
		return errors.New("the module's memory is not as large as its image")
	}
	_, err := unix.MmapPtr(int(img.pages.file.Fd()), 0, unsafe.Pointer(&l.all[0]), uintptr(img.size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("mapping the image of the module's memory: %w", err)
	}
	return nil
}

// restore makes a memory that adopted the image equal to it again. It copies the pages that the instance has of its own
// while they are few, and gives them back otherwise. A memory that has grown cannot shrink: false.
func (l *linear) restore(img *image) bool {
	if l.size != img.size {
		return false
	}
	at := make([]int, 0, keepPages)
	entries, known := l.pagemap(int(img.size) / pageSize)
	for i := 0; known && i < len(entries); i += 8 {
		if own(binary.NativeEndian.Uint64(entries[i:])) {
			if len(at) == keepPages {
				known = false
				break
			}
			at = append(at, i/8*pageSize)
		}
	}
	if !known {
		return unix.Madvise(l.all[:img.size], unix.MADV_DONTNEED) == nil
	}
	for _, from := range at {
		copy(l.all[from:from+pageSize], img.pages.all[from:])
	}
	return true
}

// own reports whether an entry of pagemap is of a page that was written to: swapped out, or here and of no file.
// https://docs.kernel.org/admin-guide/mm/pagemap.html
func own(entry uint64) bool {
	const present, swapped, ofFile = 1 << 63, 1 << 62, 1 << 61
	return entry&swapped != 0 || entry&present != 0 && entry&ofFile == 0
}

// pagemapFile is /proc/self/pagemap where it tells the truth, else nil: then restore gives every page back.
var pagemapFile = sync.OnceValue(func() *os.File {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	if !tellsPagesOfOwn(f) {
		_ = f.Close() // read only
		return nil
	}
	return f
})

// tellsPagesOfOwn tries a pagemap out on two pages of an image, of which one is read and the other written. Kernels that
// imitate Linux, and filters before it, may show a file of that name that says nothing; believed, it would leave what one
// call wrote for the next.
func tellsPagesOfOwn(pagemap io.ReaderAt) bool {
	img, err := newPicture(bytes.Repeat([]byte{1}, 2*pageSize))
	if err != nil {
		return false
	}
	defer img.close()
	b, err := unix.Mmap(int(img.file.Fd()), 0, 2*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Munmap(b) }()
	b[pageSize] = b[0] + 1
	var entries [16]byte
	if _, err := pagemap.ReadAt(entries[:], int64(uintptr(unsafe.Pointer(&b[0])))/int64(pageSize)*8); err != nil {
		return false
	}
	return !own(binary.NativeEndian.Uint64(entries[:])) && own(binary.NativeEndian.Uint64(entries[8:]))
}

// pagemap has 8 bytes for each page from the memory's first on. Without it, false.
func (l *linear) pagemap(pages int) ([]byte, bool) {
	f := pagemapFile()
	if f == nil {
		return nil, false
	}
	b := make([]byte, 8*pages)
	_, err := f.ReadAt(b, int64(uintptr(unsafe.Pointer(&l.all[0])))/int64(pageSize)*8)
	return b, err == nil
}
