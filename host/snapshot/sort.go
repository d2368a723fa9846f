package snapshot

import (
	"bufio"
	"container/heap"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mach5/okta-connector/host/durable"
)

// sortBytes is about how much memory a sort takes, in bytes.
var sortBytes = 32 << 20

// maxRuns is how many runs are merged at a time.
const maxRuns = 256

// sortRuns begins the end of the names of runs, after the name of the snapshot.
const sortRuns = ".sort-"

// sorter sorts objects, on disk if they are many. Of objects with one kind and id, it keeps the one that was added last.
type sorter struct {
	path    string // path of the snapshot; runs are files in its folder
	objects []*Object
	size    int
	runs    []*os.File
	limit   int
}

// add adds an object.
func (s *sorter) add(o *Object) error {
	s.objects = append(s.objects, o)
	if s.size += len(o.Record) + len(o.ID) + 128; s.size < s.limit {
		return nil
	}
	return s.spill()
}

// sorted returns the objects in memory, sorted, without those that a later one replaces.
func (s *sorter) sorted() []*Object {
	slices.SortStableFunc(s.objects, (*Object).compare)
	var all []*Object
	for _, o := range s.objects {
		if n := len(all); n > 0 && all[n-1].compare(o) == 0 {
			all[n-1] = o
			continue
		}
		all = append(all, o)
	}
	s.objects, s.size = nil, 0
	return all
}

// spill writes the objects in memory to a file.
func (s *sorter) spill() error {
	if len(s.runs) == maxRuns { // many runs become one
		f, err := s.file()
		if err != nil {
			return err
		}
		out := bufio.NewWriterSize(f, 1<<16)
		if err := mergeRuns(s.runs, nil, func(o *Object) error { return writeObject(out, o) }); err != nil {
			return errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		s.close()
		s.runs = []*os.File{f}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	f, err := s.file()
	if err != nil {
		return err
	}
	s.runs = append(s.runs, f)
	out := bufio.NewWriterSize(f, 1<<16)
	for _, o := range s.sorted() {
		if err := writeObject(out, o); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (s *sorter) file() (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+sortRuns+"*")
	if err == nil {
		err = f.Chmod(durable.Mode)
	}
	return f, err
}

func writeObject(w io.Writer, o *Object) error {
	line, err := encode(o)
	if err == nil {
		_, err = w.Write(line)
	}
	return err
}

// each calls f with every object, in order.
func (s *sorter) each(f func(*Object) error) error { return mergeRuns(s.runs, s.sorted(), f) }

// close removes the files.
func (s *sorter) close() {
	for _, f := range s.runs {
		_ = f.Close()           // it is not needed any more
		_ = os.Remove(f.Name()) // the next run of the program removes it otherwise
	}
	s.runs = nil
}

// cursor is the place in one run.
type cursor struct {
	lines *bufio.Reader // nil is memory
	rest  []*Object
	at    *Object
	run   int // a later run has the later objects
}

// next moves on. at is nil at the end.
func (c *cursor) next() error {
	c.at = nil
	if c.lines == nil {
		if len(c.rest) > 0 {
			c.at, c.rest = c.rest[0], c.rest[1:]
		}
		return nil
	}
	if _, err := c.lines.Peek(1); errors.Is(err, io.EOF) {
		return nil
	}
	line, err := readLine(c.lines)
	if err == nil {
		c.at, err = parseObject(line)
	}
	return err
}

// cursors is a heap of runs by their next object.
type cursors []*cursor

func (h cursors) Len() int      { return len(h) }
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h cursors) Less(i, j int) bool {
	if c := h[i].at.compare(h[j].at); c != 0 {
		return c < 0
	}
	return h[i].run < h[j].run
}

// Push implements heap.Interface.
func (h *cursors) Push(x any) { *h = append(*h, x.(*cursor)) }

// Pop implements heap.Interface.
func (h *cursors) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	*h = (*h)[:last]
	return c
}

// mergeRuns calls f with the objects of sorted runs, in order. Of equal ones it takes that of the last run; memory is the last.
func mergeRuns(runs []*os.File, memory []*Object, f func(*Object) error) error {
	var h cursors
	for i, run := range runs {
		if _, err := run.Seek(0, io.SeekStart); err != nil {
			return err
		}
		h = append(h, &cursor{lines: bufio.NewReaderSize(run, 1<<16), run: i})
	}
	h = append(h, &cursor{rest: memory, run: len(runs)})
	for i := len(h) - 1; i >= 0; i-- {
		if err := h[i].next(); err != nil {
			return err
		}
		if h[i].at == nil {
			h = append(h[:i], h[i+1:]...)
		}
	}
	heap.Init(&h)
	var held *Object
	for len(h) > 0 {
		o := h[0].at
		if held != nil && held.compare(o) != 0 {
			if err := f(held); err != nil {
				return err
			}
		}
		held = o
		if err := h[0].next(); err != nil {
			return err
		}
		if h[0].at == nil {
			heap.Pop(&h)
		} else {
			heap.Fix(&h, 0)
		}
	}
	if held == nil {
		return nil
	}
	return f(held)
}
