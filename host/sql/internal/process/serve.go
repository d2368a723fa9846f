package process

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

const (
	maxAsking = 64  // questions that are answered at a time; the child waits with the next
	maxScans  = 256 // scans that are open at a time: each may hold a page
)

// scans are the connector_tables that a child reads, by its numbers.
type scans struct {
	mu   sync.Mutex
	open map[uint32]*openScan
}

type openScan struct {
	mu     sync.Mutex // DuckDB asks for one page at a time, but a hostile child may ask for several
	rows   wire.RowSource
	closed bool
}

func (s *scans) add(number uint32, rows wire.RowSource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.open[number] != nil:
		return errors.New("a scan's number is taken")
	case len(s.open) >= maxScans:
		return fmt.Errorf("%w: it reads %d connector_tables at a time, the most that a statement may", wire.ErrLimit, maxScans)
	}
	if s.open == nil {
		s.open = map[uint32]*openScan{}
	}
	s.open[number] = &openScan{rows: rows}
	return nil
}

func (s *scans) find(number uint32) *openScan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[number]
}

func (s *scans) remove(number uint32) {
	s.mu.Lock()
	scan := s.open[number]
	delete(s.open, number)
	s.mu.Unlock()
	scan.close()
}

func (s *scans) closeAll() {
	s.mu.Lock()
	all := s.open
	s.open = nil
	s.mu.Unlock()
	for _, scan := range all {
		scan.close()
	}
}

func (o *openScan) close() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		o.rows.Close()
	}
}

// serve answers the questions of the child until its end. It trusts none of them: their length is bounded, and each is
// checked like an untrusted query.
func (c *Process) serve(out *wire.Writer, r io.Reader) {
	in := wire.NewReader(r, wire.MaxAsk)
	slots := make(chan struct{}, maxAsking)
	for {
		kind, payload, err := in.Next()
		if err != nil {
			if errors.Is(err, wire.ErrTooLarge) {
				_ = c.forbidden("a question that is too long")
			}
			return
		}
		id, rest, err := wire.TakeNumber(payload)
		if err != nil {
			_ = c.forbidden("a question without a number")
			return
		}
		work, err := c.question(kind, append([]byte(nil), rest...))
		if err != nil {
			_ = c.forbidden("a question that is damaged")
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			work(answerer{out, id})
		}()
	}
}

// answerer sends the answer to one question.
type answerer struct {
	out *wire.Writer
	id  uint32
}

// send ignores errors: a child that does not listen is dead, and its statement notices that in another way.
func (a answerer) send(err error, parts ...[]byte) {
	if err != nil {
		message := err.Error()
		if len(message) > wire.MaxMessage {
			message = message[:wire.MaxMessage]
		}
		b, _ := json.Marshal(wire.ErrorMessage{Text: message, Limit: errors.Is(err, wire.ErrLimit)}) // a text and a bool
		_ = a.out.Send(wire.Failed, wire.Number(a.id), b)
		return
	}
	_ = a.out.Send(wire.Answer, append([][]byte{wire.Number(a.id)}, parts...)...)
}

// question decodes a question. The error means that it is damaged.
func (c *Process) question(kind wire.Kind, b []byte) (work func(answerer), err error) {
	r, ctx := c.options.Source, context.Background() // the reader takes the statement's
	switch kind {
	case wire.Bind, wire.Object:
		call, err := wire.ParseCall(b)
		if err != nil || call.Size() > wire.MaxCall {
			return nil, errors.New("no call")
		}
		if kind == wire.Bind {
			return func(a answerer) {
				table, err := r.Bind(ctx, call)
				b, marshal := json.Marshal(table)
				a.send(cmp.Or(err, marshal), b)
			}, nil
		}
		return func(a answerer) {
			object, err := r.Object(ctx, call)
			if object == nil {
				a.send(err, []byte{0})
				return
			}
			a.send(err, []byte{1}, object)
		}, nil
	case wire.Open:
		number, b, err := wire.TakeNumber(b)
		if err != nil {
			return nil, err
		}
		columns, b, err := takeColumns(b)
		if err != nil {
			return nil, err
		}
		pushed, b, err := wire.TakePushed(b)
		if err != nil {
			return nil, err
		}
		call, err := wire.ParseCall(b)
		if err != nil || call.Size() > wire.MaxCall {
			return nil, errors.New("no call")
		}
		return func(a answerer) {
			rows, err := r.Open(ctx, call, columns, pushed)
			if err == nil {
				if err = c.scans.add(number, rows); err != nil {
					rows.Close()
				}
			}
			a.send(err)
		}, nil
	case wire.Plan:
		pushed, b, err := wire.TakePushed(b)
		if err != nil || pushed == nil {
			return nil, errors.New("nothing is pushed")
		}
		call, err := wire.ParseCall(b)
		if err != nil || call.Size() > wire.MaxCall {
			return nil, errors.New("no call")
		}
		return func(a answerer) {
			plan, err := r.Plan(ctx, call, *pushed)
			b, marshal := json.Marshal(plan)
			a.send(cmp.Or(err, marshal), b)
		}, nil
	case wire.Next, wire.Close:
		number, _, err := wire.TakeNumber(b)
		if err != nil {
			return nil, err
		}
		if kind == wire.Close {
			return func(answerer) { c.scans.remove(number) }, nil
		}
		return func(a answerer) { c.nextPage(a, number) }, nil
	}
	return nil, errors.New("an unknown question")
}

func (c *Process) nextPage(a answerer, number uint32) {
	scan := c.scans.find(number)
	if scan == nil {
		a.send(errors.New("the scan has ended"))
		return
	}
	scan.mu.Lock()
	defer scan.mu.Unlock()
	if scan.closed {
		a.send(errors.New("the scan has ended"))
		return
	}
	rows, batch, err := scan.rows.Next(context.Background())
	a.send(err, wire.Number(uint32(rows)), batch)
}

// takeColumns splits a list of columns off.
func takeColumns(b []byte) (columns []int, rest []byte, err error) {
	n, b, err := wire.TakeNumber(b)
	if err != nil || uint64(n)*4 > uint64(len(b)) {
		return nil, nil, errors.New("no list of columns")
	}
	columns = make([]int, n)
	for i := range columns {
		columns[i] = int(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return columns, b[4*n:], nil
}
