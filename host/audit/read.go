package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Line is one line of an audit file.
type Line struct {
	Number int     // from 1 on
	Hash   string  // what the next line has as its prev
	Prev   *string // nil in a line of an earlier version, which had no chain
	Record Record
	// Problem says why the line is not a record. A line that is not whole has no place in the chain.
	Problem string
	Whole   bool
	// Broken says how the line breaks the chain. Lines leaves it empty: it is for who asks a Chain.
	Broken string

	begin string // of a line that is not whole: enough of it to tell what a crash leaves
}

// Lines reads a file line by line. It holds one line of at most MaxLine bytes. An error of r ends it; whatever the lines
// hold is not an error.
func Lines(r io.Reader) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		var buf []byte
		for n := 1; ; n++ {
			text, hash, long, err := readLine(in, buf[:0])
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Line{Number: n}, err)
				return
			}
			last := err != nil
			switch {
			case long:
				if !yield(Line{Number: n, Hash: hash, Problem: fmt.Sprintf("is longer than %d bytes", MaxLine), begin: "long"}, nil) {
					return
				}
			case len(bytes.TrimSpace(text)) > 0:
				if !yield(parse(n, text, last), nil) {
					return
				}
			}
			if last {
				return
			}
			if buf = text; cap(buf) > 1<<20 { // one long line does not hold its memory for all that follow
				buf = nil
			}
		}
	}
}

// readLine reads up to a line break, which it leaves out. Of a line that is too long it keeps nothing.
func readLine(in *bufio.Reader, buf []byte) (line []byte, hash string, long bool, err error) {
	sum := sha256.New()
	for {
		part, err := in.ReadSlice('\n')
		text := bytes.TrimSuffix(part, []byte{'\n'})
		if long = long || len(buf)+len(text) > MaxLine; long {
			_, _ = sum.Write(buf) // a hash takes everything
			_, _ = sum.Write(text)
			buf = buf[:0]
		} else {
			buf = append(buf, text...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if long {
			hash = hex.EncodeToString(sum.Sum(nil))
		}
		return buf, hash, long, err
	}
}

func parse(number int, text []byte, last bool) Line {
	l := Line{Number: number, Hash: Hash(text)}
	var v struct {
		Prev *string `json:"prev"`
		Record
	}
	err := json.Unmarshal(text, &v)
	l.Whole = object(text) && !errors.As(err, new(*json.SyntaxError)) // what whole says, without a second look
	if !l.Whole {
		l.Problem = "is not a whole record: a crash or a full disk left it, or it was changed"
		if last {
			l.Problem = "is cut short: a crash or a full disk left it, or it is being written"
		}
		l.begin = string(bytes.Trim(text[:min(len(text), maxBegin)], "\x00"))
		return l
	}
	if err != nil {
		var chain struct {
			Prev *string `json:"prev"`
		}
		_ = json.Unmarshal(text, &chain) // the record is what does not fit; its place in the chain still counts
		l.Prev, l.Problem = chain.Prev, "is not an audit record: "+misfit(err)
		return l
	}
	l.Prev, l.Record = v.Prev, v.Record
	if v.Operation == "" {
		l.Problem = "is not an audit record: it names no operation"
	}
	return l
}

// misfit says what of an object is not as in a record.
func misfit(err error) string {
	if kind := (*json.UnmarshalTypeError)(nil); errors.As(err, &kind) && kind.Field != "" {
		value, _, _ := strings.Cut(kind.Value, " ") // of a number, it has the number too
		return fmt.Sprintf("its %s has a value of another kind (%s)", strings.TrimPrefix(kind.Field, "Record."), value)
	}
	return "a time in it is not valid, or a value has another type"
}

const (
	chainBegin = `{"prev":"`                     // how a line of the chain begins
	maxBegin   = len(chainBegin) + 2*sha256.Size // with the hash behind it
)

// Chain checks that each line goes on from the one before. Give it the lines of all files in order, oldest first.
//
// An intact chain says that since the first line nobody has changed, removed, inserted or moved a line before the last.
// It does not say that the last lines are still there, and it has no signature: who can write the file can make all of
// it anew. To rule both out, keep the hash of the last line in another place, and look for it with Seen.
type Chain struct {
	Lines     int    // whole lines
	Unchained int    // of them, lines of an earlier version, which had no chain
	Last      string // hash of the last whole line
	From      string // the line before the first one, where the first file goes on from another
	Breaks    int
	Strange   int // lines that are no records, besides those that a crash left of a write

	number int // of the last whole line in its file
	seen   map[string]bool
	begun  bool // a line with prev was there
	opened bool // the next line is the first of a file
}

// NewChain returns a chain that looks out for these hashes, or beginnings of hashes.
func NewChain(hashes ...string) *Chain {
	c := &Chain{seen: map[string]bool{}}
	for _, h := range hashes {
		c.seen[h] = false
	}
	return c
}

// Open says that the lines of the next file follow.
func (c *Chain) Open() { c.opened = true }

// Next takes a line. It returns how it breaks the chain, or an empty text; note is what is to be known and no break.
func (c *Chain) Next(l Line) (broken, note string) {
	if l.Problem != "" && (l.Whole || !c.leftBehind(l)) {
		c.Strange++
	}
	if !l.Whole {
		return "", ""
	}
	number := c.number
	c.number = l.Number
	first, before, opened := c.Lines == 0, c.Last, c.opened
	c.Lines, c.Last, c.opened = c.Lines+1, l.Hash, false
	for h, seen := range c.seen {
		if !seen && len(h) <= len(l.Hash) && l.Hash[:len(h)] == h {
			c.seen[h] = true
		}
	}
	switch {
	case l.Prev == nil && !c.begun:
		c.Unchained++
	case l.Prev == nil:
		broken = "has no prev, and lines before it have: it was inserted, or an earlier version of this program wrote it"
	case first:
		c.From = *l.Prev
	case *l.Prev == before:
	case opened && *l.Prev == "":
		note = "begins a new chain: nothing says that this file follows the one before"
	case opened:
		broken = fmt.Sprintf("does not go on from the last line of the file before, line %d of it: lines are missing between them, that line was changed, or the files are not in order", number)
	default:
		broken = fmt.Sprintf("does not go on from line %[1]d: line %[1]d was changed, or lines between %[1]d and %d were removed, inserted or moved", number, l.Number)
	}
	c.begun = c.begun || l.Prev != nil
	if broken != "" {
		c.Breaks++
	}
	return broken, note
}

// leftBehind reports whether a line that is not whole is what a crash or a full disk leaves of a line that goes on from the
// last one. Anything else was written by somebody else.
func (c *Chain) leftBehind(l Line) bool {
	want := chainBegin + c.Last
	switch {
	case !c.begun && strings.HasPrefix(l.begin, `{"time":`), !c.begun && strings.HasPrefix(`{"time":`, l.begin): // of an earlier version
		return true
	case c.Lines == 0: // it may go on from a file that was rotated away
		want = chainBegin
	}
	return strings.HasPrefix(l.begin, want) || strings.HasPrefix(want, l.begin)
}

// Missing are the hashes given to NewChain that no line had.
func (c *Chain) Missing() []string {
	var all []string
	for h, seen := range c.seen {
		if !seen {
			all = append(all, h)
		}
	}
	return all
}
