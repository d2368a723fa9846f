// Package wire is the language in which a program and its SQL process talk over pipes.
//
// There are two streams. On the talk stream the program sends commands (the setup, then statements) and the process
// answers with results. On the page stream the process asks for rows and objects of connections, and the program answers.
// Each message is a frame. The program does not trust what it reads.
package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Kind says what a frame is.
type Kind byte

// Commands of the program.
const (
	Setup     Kind = 'S' // a SetupMessage; the answer is Ready or End
	Run       Kind = 'R' // the number of a statement (4 bytes) and its text; the answer is Head, Rows…, End, or End
	Interrupt Kind = 'I' // the number of the statement to stop (4 bytes)
	Complete  Kind = 'C' // an unfinished statement; the answer is Completions
	Quit      Kind = 'Q' // the answer is End, and the process ends
)

// Answers of the process.
const (
	Ready       Kind = 'r' // a ReadyMessage
	Head        Kind = 'h' // a HeadMessage
	Rows        Kind = 'v' // encoded rows; a row may continue in the next frame
	End         Kind = 'e' // an EndMessage
	Completions Kind = 'c' // a list of Completion
	Log         Kind = 'l' // a LogMessage
)

// Questions of the process on the page stream. Each begins with a number (4 bytes), which the answer repeats.
const (
	Bind   Kind = 'b' // a Call; the answer is a TableMessage
	Open   Kind = 'o' // a scan's number (4 bytes), the columns (4 bytes each, behind their count), Pushed and a Call; the answer is empty
	Plan   Kind = 'p' // Pushed and a Call; the answer is a PlanMessage
	Next   Kind = 'n' // a scan's number; the answer is a batch: the count of rows (4 bytes) and their cells
	Close  Kind = 'x' // a scan's number; the answer is empty
	Object Kind = 's' // a Call; the answer is 1 and JSON, or 0
)

// Answers of the program on the page stream.
const (
	Answer Kind = 'A'
	Failed Kind = 'F' // an ErrorMessage
)

// Limits of frames, in bytes.
const (
	MaxCommand = 64 << 20  // what the process takes from the program, which it trusts
	MaxTalk    = 1 << 20   // what the program takes from the process: results go out in pieces
	MaxAsk     = 5 << 20   // a question
	MaxCall    = 4 << 20   // the arguments of a call together
	MaxPushed  = 512 << 10 // what is pushed to a scan
	MaxMessage = 64 << 10  // an error or a line of the log
)

// ErrLimit is wrapped by the error of a statement that exceeded one of its limits.
var ErrLimit = errors.New("the statement is stopped")

// ErrTooLarge means that a frame exceeds the limit of its reader.
var ErrTooLarge = errors.New("the message is too large")

const header = 5 // a kind and a length

// Writer writes frames. It is safe for concurrent use.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
	b  []byte
}

// NewWriter returns a Writer to w, which gets each frame in one call of Write.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Send writes a frame whose payload is the parts together.
func (w *Writer) Send(k Kind, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b[:0], byte(k), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(w.b[1:], uint32(size))
	for _, p := range parts {
		w.b = append(w.b, p...)
	}
	_, err := w.w.Write(w.b)
	if cap(w.b) > 4<<20 {
		w.b = nil // a large one is rare
	}
	return err
}

// SendJSON writes a frame whose payload is a value as JSON.
func (w *Writer) SendJSON(k Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.Send(k, b)
}

// Reader reads frames. It is not safe for concurrent use.
type Reader struct {
	r    *bufio.Reader
	most int
	b    []byte
}

// NewReader returns a Reader from r that takes payloads of at most so many bytes.
func NewReader(r io.Reader, most int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 64<<10), most: most}
}

// Next reads a frame. The payload is valid until the next call. io.EOF is the end of the stream between two frames.
func (r *Reader) Next() (Kind, []byte, error) {
	var head [header]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.LittleEndian.Uint32(head[1:])
	if uint64(size) > uint64(r.most) {
		return 0, nil, fmt.Errorf("%w: %d bytes, and at most %d are taken", ErrTooLarge, size, r.most)
	}
	if int(size) > cap(r.b) || cap(r.b) > 4<<20 && size < 1<<20 {
		r.b = make([]byte, size)
	}
	r.b = r.b[:size]
	if _, err := io.ReadFull(r.r, r.b); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return Kind(head[0]), r.b, nil
}

// Number encodes a number of four bytes.
func Number(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// errShort means that a payload ends too early.
var errShort = errors.New("the message is cut short")

// TakeNumber splits a number off a payload.
func TakeNumber(b []byte) (n uint32, rest []byte, err error) {
	if len(b) < 4 {
		return 0, nil, errShort
	}
	return binary.LittleEndian.Uint32(b), b[4:], nil
}

// Bytes encodes what is pushed, behind its length. nil, and what is too long, is length 0.
func (p *Pushed) Bytes() ([]byte, error) {
	if p == nil {
		return Number(0), nil
	}
	b, err := json.Marshal(p)
	if len(b) > MaxPushed && p.Order == "" { // all rows do as well
		return Number(0), nil
	}
	return append(Number(uint32(len(b))), b...), err
}

// TakePushed splits what is pushed off.
func TakePushed(b []byte) (p *Pushed, rest []byte, err error) {
	n, b, err := TakeNumber(b)
	if err != nil || uint64(n) > uint64(len(b)) {
		return nil, nil, errShort
	}
	if n == 0 {
		return nil, b, nil
	}
	if n > MaxPushed {
		return nil, nil, ErrTooLarge
	}
	p = new(Pushed)
	return p, b[n:], json.Unmarshal(b[:n], p)
}

// Call is what a query passes to connector_table and its like.
type Call struct {
	Connection, Operation, Input string
	View                         string // the view that calls; "" is none
	Given                        string // an input that is also a column, whose value a condition gives, or more input as a JSON object; "" is none
}

// Column returns the input that is also a column; "" is none.
func (c Call) Column() string {
	if strings.HasPrefix(c.Given, "{") {
		return ""
	}
	return c.Given
}

// Size returns the length of all arguments.
func (c Call) Size() int {
	return len(c.Connection) + len(c.Operation) + len(c.Input) + len(c.View) + len(c.Given)
}

// Bytes encodes a call: each argument behind its length.
func (c Call) Bytes() []byte {
	b := make([]byte, 0, c.Size()+16)
	for _, text := range []string{c.Connection, c.Operation, c.Input, c.View, c.Given} {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}

// ParseCall decodes a call.
func ParseCall(b []byte) (c Call, err error) {
	for _, to := range []*string{&c.Connection, &c.Operation, &c.Input, &c.View, &c.Given} {
		var n uint32
		if n, b, err = TakeNumber(b); err != nil || uint64(n) > uint64(len(b)) {
			return Call{}, errShort
		}
		*to, b = string(b[:n]), b[n:]
	}
	if len(b) > 0 {
		return Call{}, errors.New("the message is longer than its call")
	}
	return c, nil
}
