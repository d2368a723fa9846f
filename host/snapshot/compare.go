package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mach5/okta-connector/host/durable"
)

// What happened to an object.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is an object that differs from the earlier snapshot.
type Change struct {
	Change string `json:"change"` // Added, Removed or Changed
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	// Unsure says that an added object may not be new: the earlier export of its kind was incomplete.
	Unsure bool            `json:"unsure,omitempty"`
	Fields []Field         `json:"fields,omitempty"` // set for a changed object
	Record json.RawMessage `json:"record,omitempty"` // the object as it is, or was before it was removed
}

// Field is a member of an object that changed. Arrays are compared as a whole, and so are objects below maxDepth levels or
// with a path over maxPath bytes.
type Field struct {
	Path   string          `json:"path"`             // names joined by dots
	Before json.RawMessage `json:"before,omitempty"` // absent if the object did not have it
	After  json.RawMessage `json:"after,omitempty"`
}

// Options say how an export is compared.
type Options struct {
	Kinds      []string // kinds that were exported
	Incomplete []string // kinds of which the export may lack objects
	Ignore     []string // paths of members whose changes do not count; what is below them does not count either
}

// Summary counts what Finish found.
type Summary struct {
	Objects int            // in the export
	Changes map[string]int // by Added, Removed and Changed
	First   map[string]int // objects of kinds that the earlier snapshot does not have; they are not changes
	Kept    int            // objects of incomplete kinds that were not seen, and stay in the snapshot
	Since   time.Time      // earliest time of the previous exports of the compared kinds; zero if there was none
}

// Finish compares the export with the earlier snapshot, and calls emit with each change, by kind and id. Then it replaces the
// snapshot, atomically, and ends the export. If emit fails, it keeps the earlier snapshot and the export, so that they can be
// compared again.
//
// An object of an incomplete kind is never removed: it stays in the snapshot. Objects of kinds that are not exported stay, too.
func (e *Export) Finish(o Options, emit func(Change) error) (Summary, error) {
	sum := Summary{Changes: map[string]int{}, First: map[string]int{}}
	if !e.done {
		return sum, errors.New("the export is not at its end")
	}
	s := &sorter{path: e.path, limit: sortBytes}
	defer s.close()
	read, err := e.load(s)
	if err != nil {
		return sum, fmt.Errorf("%s.part: %w", e.path, err)
	}
	h := header{Version, e.own, maps.Clone(e.earlier.Kinds), e.at.ID}
	if h.Kinds == nil {
		h.Kinds = map[string]Kind{}
	}
	for _, kind := range o.Kinds {
		before, had := e.earlier.Kinds[kind]
		incomplete := slices.Contains(o.Incomplete, kind)
		// A kind of which nothing could be read is not known by that. After a complete export, the snapshot has all objects of
		// then and more, so a later object is new.
		if !incomplete || read[kind] && (!had || before.Incomplete) {
			h.Kinds[kind] = Kind{e.at.Started, incomplete}
		}
		if had && (sum.Since.IsZero() || before.Taken.Before(sum.Since)) {
			sum.Since = before.Taken
		}
	}
	if err := durable.ReplaceBy(durable.OS, e.path, func(w io.Writer) error {
		return e.write(w, h, s, merging{Options: o, earlier: e.earlier.Kinds, sum: &sum, emit: emit})
	}); err != nil {
		return sum, err
	}
	return sum, e.Discard()
}

// load adds the objects of the export to a sorter, and returns their kinds.
func (e *Export) load(s *sorter) (kinds map[string]bool, err error) {
	kinds = map[string]bool{}
	if _, err := e.part.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(e.part, 1<<16)
	if _, err := readLine(lines); err != nil { // its header
		return nil, err
	}
	for {
		if _, err := lines.Peek(1); errors.Is(err, io.EOF) {
			return kinds, nil
		}
		line, err := readLine(lines)
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(line, []byte(`{"page":`)) {
			continue
		}
		o, err := parseObject(line)
		if err != nil {
			return nil, err
		}
		if o.Record, err = canonical(o.Record); err != nil {
			return nil, err
		}
		kinds[o.Kind] = true
		if err := s.add(o); err != nil {
			return nil, err
		}
	}
}

// write writes the new snapshot, from the earlier one and the export.
func (e *Export) write(to io.Writer, h header, s *sorter, m merging) error {
	old := func() (*Object, error) { return nil, nil }
	if e.earlier.Snapshot > 0 {
		f, err := os.Open(e.path)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		r, err := NewReader(f)
		if err != nil {
			return err
		}
		old = r.Next
	}
	var err error
	if m.out, err = newWriter(to, h); err != nil {
		return err
	}
	before, err := old()
	if err != nil {
		return err
	}
	err = s.each(func(after *Object) error {
		for before != nil && before.before(after) {
			if err := m.lost(before); err != nil {
				return err
			}
			if before, err = old(); err != nil {
				return err
			}
		}
		var same *Object
		if before != nil && before.compare(after) == 0 {
			same = before
			if before, err = old(); err != nil {
				return err
			}
		}
		return m.seen(same, after)
	})
	for err == nil && before != nil {
		if err = m.lost(before); err == nil {
			before, err = old()
		}
	}
	if err != nil {
		return err
	}
	return m.out.end()
}

// merging decides about each object.
type merging struct {
	Options
	earlier map[string]Kind
	sum     *Summary
	emit    func(Change) error
	out     *writer
}

// lost handles an object that only the earlier snapshot has.
func (m *merging) lost(o *Object) error {
	if !slices.Contains(m.Kinds, o.Kind) {
		return m.out.add(o)
	}
	if slices.Contains(m.Incomplete, o.Kind) {
		m.sum.Kept++
		return m.out.add(o)
	}
	m.sum.Changes[Removed]++
	return m.emit(Change{Change: Removed, Kind: o.Kind, ID: o.ID, Parent: o.Parent, Record: o.Record})
}

// seen handles an object of the export. before is the same object in the earlier snapshot, or nil.
func (m *merging) seen(before, o *Object) error {
	m.sum.Objects++
	kind, known := m.earlier[o.Kind]
	switch {
	case !known:
		m.sum.First[o.Kind]++
	case before == nil:
		m.sum.Changes[Added]++
		if err := m.emit(Change{Change: Added, Kind: o.Kind, ID: o.ID, Parent: o.Parent, Unsure: kind.Incomplete, Record: o.Record}); err != nil {
			return err
		}
	default:
		fields, err := differences(before.Record, o.Record, m.Ignore)
		if err != nil {
			return err
		}
		if len(fields) > 0 {
			m.sum.Changes[Changed]++
			if err := m.emit(Change{Change: Changed, Kind: o.Kind, ID: o.ID, Parent: o.Parent, Fields: fields, Record: o.Record}); err != nil {
				return err
			}
		}
	}
	return m.out.add(o)
}

// differences returns the members in which two records differ, sorted by path.
func differences(before, after json.RawMessage, ignore []string) (fields []Field, err error) {
	if bytes.Equal(before, after) {
		return nil, nil
	}
	err = compare("", 0, before, after, func(f Field) {
		if !slices.ContainsFunc(ignore, func(p string) bool { return f.Path == p || strings.HasPrefix(f.Path, p+".") }) {
			fields = append(fields, f)
		}
	})
	return fields, err
}

// Bounds of what is compared member by member. The work and the paths grow with the depth, and a service makes both as
// large as it likes.
const (
	maxDepth = 32
	maxPath  = 1 << 10 // bytes
)

// compare calls found with the differences of two values, which are in so many objects.
func compare(path string, depth int, before, after json.RawMessage, found func(Field)) error {
	if bytes.Equal(before, after) {
		return nil
	}
	if depth > maxDepth || len(path) > maxPath || len(before) == 0 || len(after) == 0 || before[0] != '{' || after[0] != '{' {
		found(Field{path, before, after})
		return nil
	}
	var old, now map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(before, &old), json.Unmarshal(after, &now)); err != nil {
		return err
	}
	names := slices.Collect(maps.Keys(old))
	for name := range now {
		if _, had := old[name]; !had {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		below := name
		if path != "" {
			below = path + "." + name
		}
		if err := compare(below, depth+1, old[name], now[name], found); err != nil {
			return err
		}
	}
	return nil
}
