package host

import (
	"context"
	"log/slog"
	"sync"
)

// pool keeps idle instances of one connection. An instance runs one call at a time and never serves another connection;
// one that failed is closed, not returned.
type pool struct {
	module *Module
	log    *slog.Logger
	slots  chan struct{} // one for each call that may run at once

	mu     sync.Mutex
	idle   []*instance
	closed bool
}

func newPool(m *Module, concurrency int, log *slog.Logger) *pool {
	return &pool{module: m, log: log, slots: make(chan struct{}, concurrency)}
}

// acquire waits for a slot and takes an idle instance, or makes one.
func (p *pool) acquire(ctx context.Context) (*instance, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		in := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return in, nil
	}
	p.mu.Unlock()
	in, err := p.module.instance(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return in, nil
}

// release gives a slot back, and the instance if it is fit for another call.
func (p *pool) release(in *instance, fit bool) {
	p.mu.Lock()
	keep := fit && !p.closed
	if keep {
		p.idle = append(p.idle, in)
	}
	p.mu.Unlock()
	if !keep {
		in.close(p.log)
	}
	<-p.slots
}

func (p *pool) close(ctx context.Context) {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, in := range idle {
		_ = in.plugin.Close(ctx)
	}
}

// run calls an export and releases the instance.
func (p *pool) run(ctx context.Context, in *instance, c *call, export string, input []byte) ([]byte, error) {
	out, err := in.call(ctx, c, export, input)
	if err != nil {
		if text := in.stderr.String(); text != "" {
			p.log.Debug("the module's last words", "export", export, "stderr", text)
		}
	}
	p.release(in, err == nil)
	return out, err
}
