package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// Pool runs calls, several at once, each in an instance that it uses alone. Instances are not shared between pools.
// After each call, the instance is restored to the module's snapshot. An instance that cannot be restored is
// replaced; one that failed is closed. A Pool is safe for concurrent use.
type Pool struct {
	module  *Module
	memory  int64
	log     *slog.Logger
	printed func(call any, text string)
	slots   chan struct{} // one per concurrent call
	resting sync.WaitGroup

	mu     sync.Mutex
	idle   []*Instance
	closed bool
}

// PoolOptions are the limits of a pool.
type PoolOptions struct {
	Memory      int64 // maximum memory of an instance in bytes; at most Config.Memory of the module
	Concurrency int   // maximum number of concurrent calls
	Logger      *slog.Logger
	// Printed is called with what a call that succeeded wrote to standard error, if that is anything. It may be nil.
	Printed func(call any, text string)
}

// NewPool returns an empty pool. It creates instances as needed.
func (m *Module) NewPool(o PoolOptions) *Pool {
	return &Pool{module: m, memory: min(o.Memory, m.memory), log: o.Logger, printed: o.Printed, slots: make(chan struct{}, o.Concurrency)}
}

// ErrBusy is the error for a call that found no free slot before its context ended.
var ErrBusy = errors.New("the call did not start")

// Run calls an export and returns its output. Host functions get call. The error is ErrBusy, ErrClosed, a MemoryError,
// a CallError, or the context's. The guest is interrupted when ctx ends or the module is closed.
func (p *Pool) Run(ctx context.Context, call any, export string, input []byte) (out []byte, err error) {
	ctx, end, err := p.module.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	in, err := p.acquire(ctx)
	if err == nil {
		out, err = in.call(ctx, call, export, input)
		if err == nil && p.printed != nil && len(in.stderr.buf) > 0 {
			p.printed(call, in.stderr.String())
		}
		p.release(in, err == nil)
	}
	if err != nil && errors.Is(context.Cause(ctx), ErrClosed) {
		err = context.Cause(ctx)
	}
	return out, err
}

// acquire waits for a slot and returns an idle instance or a new one.
func (p *Pool) acquire(ctx context.Context) (*Instance, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ErrBusy
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		in := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return in, nil
	}
	p.mu.Unlock()
	in, err := p.module.newInstance(ctx, p.memory)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return in, nil
}

// release takes an instance back. In the background, it restores the instance and then frees its slot.
func (p *Pool) release(in *Instance, fit bool) {
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
			// The module's code must not run here, since no deadline would end it.
			if in = p.module.newCopy(p.memory); in == nil {
				return // the next call instantiates, or returns the error
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

// Close frees the idle instances. Running calls end normally, and their instances are freed then. Close waits until ctx
// ends for instances that are being restored.
func (p *Pool) Close(ctx context.Context) {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	wait(ctx, &p.resting)
	for _, in := range idle {
		in.close(p.log)
	}
}

// Idle waits until no instance is being restored and returns the idle instances. It is meant for tests.
func (p *Pool) Idle() []*Instance {
	p.resting.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Instance(nil), p.idle...)
}
