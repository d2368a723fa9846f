package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// pool keeps idle instances of one connection. An instance runs one call at a time and never serves another connection.
// It is put back to the module's image before it is idle; one that grew, or cannot be put back, is replaced, and one that
// failed is closed.
type pool struct {
	module  *Module
	memory  int64 // most bytes of an instance
	log     *slog.Logger
	slots   chan struct{} // one for each call that may run at once
	resting sync.WaitGroup

	mu     sync.Mutex
	idle   []*instance
	closed bool
}

func newPool(m *Module, limits Limits, log *slog.Logger) *pool {
	return &pool{module: m, memory: min(limits.MemoryBytes, m.memory), log: log, slots: make(chan struct{}, limits.Concurrency)}
}

// errBusy is a call that found no slot in its time.
var errBusy = errors.New("the call did not begin")

// acquire waits for a slot and takes an idle instance, or makes one.
func (p *pool) acquire(ctx context.Context) (*instance, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %d others ran all the time (limits.concurrency of the connection): ask for fewer at once, or raise it",
			errBusy, cap(p.slots))
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		in := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return in, nil
	}
	p.mu.Unlock()
	in, err := p.module.instance(ctx, p.memory)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return in, nil
}

// release takes an instance back, beside whatever its caller does with the answer: it is restored, and then its slot is
// free again.
func (p *pool) release(in *instance, fit bool) {
	p.mu.Lock()
	if fit = fit && !p.closed; fit {
		p.resting.Add(1)
	}
	p.mu.Unlock()
	if !fit {
		in.close(p.log)
		<-p.slots
		return
	}
	go func() {
		defer p.resting.Done()
		defer func() { <-p.slots }()
		if !in.restore() {
			in.close(p.log)
			var err error
			if in, err = p.module.instance(context.Background(), p.memory); err != nil {
				return // the next call makes one, and is told why it cannot
			}
		}
		p.mu.Lock()
		keep := !p.closed
		if keep {
			p.idle = append(p.idle, in)
		}
		p.mu.Unlock()
		if !keep {
			in.close(p.log)
		}
	}()
}

func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	p.resting.Wait()
	for _, in := range idle {
		in.close(p.log)
	}
}

// run calls an export and releases the instance.
func (p *pool) run(ctx context.Context, in *instance, c *call, export string, input []byte) ([]byte, error) {
	out, err := in.call(ctx, c, export, input)
	if err != nil {
		if text := in.stderr.String(); text != "" && (c == nil || c.mayLog(len(text))) {
			p.log.Debug("the module's last words", "export", export, "stderr", text)
		}
	}
	p.release(in, err == nil)
	return out, err
}
