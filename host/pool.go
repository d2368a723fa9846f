package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
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

// instance is one running copy of the module.
type instance struct {
	plugin *extism.Plugin
	stderr *tail
	kernel kernel
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
	in, err := p.module.instance()
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

func (m *Module) instance() (*instance, error) {
	stderr := &tail{}
	// No environment, no arguments, no files, no clock and no sleep of its own: wazero's stand-ins for them are fixed.
	config := wazero.NewModuleConfig().WithStdout(io.Discard).WithStderr(stderr)
	plugin, err := m.plugin.Instance(context.Background(), extism.PluginInstanceConfig{ModuleConfig: config})
	if err != nil {
		return nil, fmt.Errorf("instantiating the module: %w", err)
	}
	plugin.SetLogger(func(extism.LogLevel, string) {})
	return &instance{plugin: plugin, stderr: stderr}, nil
}

func (in *instance) close(log *slog.Logger) {
	if err := in.plugin.Close(context.Background()); err != nil {
		log.Debug("closing an instance", "error", err.Error())
	}
}

// grace is how long a call may outlive its deadline before the host goes on without it: some loops are not interrupted.
const grace = 2 * time.Second

var errStuck = errors.New("the module did not stop at the deadline")

// run calls an export. The instance is released when the export has returned, which may be after run has.
func (p *pool) run(ctx context.Context, in *instance, export string, input []byte) ([]byte, error) {
	type answer struct {
		out []byte
		err error
	}
	done := make(chan answer, 1)
	go func() {
		rc, out, err := in.plugin.CallWithContext(ctx, export, input)
		if err == nil && rc != 0 {
			err = fmt.Errorf("export %s returned %d", export, rc)
		}
		if err != nil {
			if text := in.stderr.String(); text != "" {
				p.log.Debug("the module's last words", "export", export, "stderr", text)
			}
		}
		p.release(in, err == nil)
		done <- answer{out, err}
	}()
	select {
	case a := <-done:
		return a.out, a.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.out, a.err
	case <-timer.C:
		p.log.Error("a module ignores its deadline: its instance is lost", "export", export, "pid", os.Getpid())
		return nil, errStuck
	}
}

// tail keeps the last bytes that a guest wrote to stderr: the panic message, when it dies.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[max(0, len(b)-tailSize):]...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
