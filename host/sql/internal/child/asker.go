package child

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// asker is the wire.Source of a child: it asks the process that started it.
type asker struct {
	out *wire.Writer

	mu      sync.Mutex
	last    uint32
	waiting map[uint32]*wait
	scans   atomic.Uint32
}

// wait is a question without an answer yet.
type wait struct {
	into  []byte // the answer is put here
	err   error
	ready chan struct{}
}

// maxPage is the maximum size of an answer, in bytes: a page with all its columns.
const maxPage = 1 << 30

func newAsker(in io.Reader, out io.Writer) *asker {
	a := &asker{out: wire.NewWriter(out), waiting: map[uint32]*wait{}}
	go a.listen(wire.NewReader(in, maxPage))
	return a
}

// listen passes each answer to the call of ask that waits for it.
func (a *asker) listen(in *wire.Reader) {
	for {
		kind, payload, err := in.Next()
		if err != nil {
			os.Exit(0) // the other process has ended
		}
		id, rest, err := wire.TakeNumber(payload)
		if err != nil {
			os.Exit(1)
		}
		a.mu.Lock()
		if w := a.waiting[id]; w != nil { // otherwise the call has given up
			delete(a.waiting, id)
			if kind == wire.Failed {
				var m wire.ErrorMessage
				w.err = m
				if err := json.Unmarshal(rest, &m); err == nil {
					w.err = m
				}
			} else {
				w.into = append(w.into[:0], rest...)
			}
			close(w.ready)
		}
		a.mu.Unlock()
	}
}

// ask sends a question and waits for its answer, which uses the memory of into.
func (a *asker) ask(ctx context.Context, kind wire.Kind, into []byte, parts ...[]byte) ([]byte, error) {
	w := &wait{into: into, ready: make(chan struct{})}
	a.mu.Lock()
	a.last++
	id := a.last
	a.waiting[id] = w
	a.mu.Unlock()
	if err := a.out.Send(kind, append([][]byte{wire.Number(id)}, parts...)...); err != nil {
		return nil, err
	}
	select {
	case <-w.ready:
		return w.into, w.err
	case <-ctx.Done():
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, id)
		return nil, ctx.Err()
	}
}

// check refuses a call that the other process would refuse.
func check(call wire.Call) error {
	if n := call.Size(); n > wire.MaxCall {
		return fmt.Errorf("the input has %d bytes, and at most %d are allowed", n, wire.MaxCall)
	}
	return nil
}

// Bind implements wire.Source.
func (a *asker) Bind(ctx context.Context, call wire.Call) (table wire.TableMessage, err error) {
	if err := check(call); err != nil {
		return table, err
	}
	b, err := a.ask(ctx, wire.Bind, nil, call.Bytes())
	if err != nil {
		return table, err
	}
	return table, json.Unmarshal(b, &table)
}

// Object implements wire.Source.
func (a *asker) Object(ctx context.Context, call wire.Call) (json.RawMessage, error) {
	if err := check(call); err != nil {
		return nil, err
	}
	b, err := a.ask(ctx, wire.Object, nil, call.Bytes())
	switch {
	case err != nil:
		return nil, err
	case len(b) == 0:
		return nil, errors.New("an answer is damaged")
	case b[0] == 0:
		return nil, nil
	}
	return b[1:], nil
}

// Open implements wire.Source.
func (a *asker) Open(ctx context.Context, call wire.Call, columns []int, pushed *wire.Pushed) (wire.RowSource, error) {
	if err := check(call); err != nil {
		return nil, err
	}
	condition, err := pushed.Bytes()
	if err != nil {
		return nil, err
	}
	list := wire.Number(uint32(len(columns)))
	for _, c := range columns {
		list = binary.LittleEndian.AppendUint32(list, uint32(c))
	}
	r := &askedRows{asker: a, number: a.scans.Add(1)}
	_, err = a.ask(ctx, wire.Open, nil, wire.Number(r.number), list, condition, call.Bytes())
	return r, err
}

// Plan implements wire.Source.
func (a *asker) Plan(ctx context.Context, call wire.Call, pushed wire.Pushed) (plan wire.PlanMessage, err error) {
	if err := check(call); err != nil {
		return plan, err
	}
	condition, err := pushed.Bytes()
	if err != nil {
		return plan, err
	}
	b, err := a.ask(ctx, wire.Plan, nil, condition, call.Bytes())
	if err != nil {
		return plan, err
	}
	return plan, json.Unmarshal(b, &plan)
}

// askedRows are the rows of a connector_table. They are a wire.RowSource.
type askedRows struct {
	asker  *asker
	number uint32
	batch  []byte
}

// Next implements wire.RowSource.
func (r *askedRows) Next(ctx context.Context) (rows int, batch []byte, err error) {
	b, err := r.asker.ask(ctx, wire.Next, r.batch, wire.Number(r.number))
	if err != nil {
		r.batch = nil // an answer may still be written into it
		return 0, nil, err
	}
	r.batch = b
	n, batch, err := wire.TakeNumber(b)
	return int(n), batch, err
}

// Close implements wire.RowSource.
func (r *askedRows) Close() {
	_ = r.asker.out.Send(wire.Close, wire.Number(0), wire.Number(r.number)) // has no answer
}
