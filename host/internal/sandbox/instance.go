package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mach5/okta-connector/internal/excerpt"
)

// interruptGlobal is the global that Compile adds to a module (wasmbin.Interruptible). The module checks it in each loop and
// function, and traps when it is set.
const interruptGlobal = "mach5:interrupt"

// Instance is one running copy of a module. It runs one call at a time.
type Instance struct {
	module    api.Module
	allocator *allocator
	memory    *linear
	interrupt api.MutableGlobal
	globals   []api.MutableGlobal // the module's state outside its memory (wasmbin.State)
	exports   map[string]api.Function
	messages  *Messages
	stderr    tail
	meter     *meter
	ceiling   Ceiling
	ticks     int64     // nanoseconds on the guest's clocks
	snapshot  *snapshot // the state that restore returns to; nil if the module cannot be restored
}

// MemoryError reports that a module needs more memory than its limit.
type MemoryError struct {
	Needed uint64 // bytes that a new instance needs; 0 if a running call exceeded the limit
	Limit  uint64 // bytes
	Err    error  // the call's error; nil for a new instance
}

// Error implements error.
func (e MemoryError) Error() string {
	if e.Needed > 0 {
		return fmt.Sprintf("the module starts with %d bytes of memory, more than the limit of %d", e.Needed, e.Limit)
	}
	return fmt.Sprintf("it needed more than %d bytes of memory", e.Limit)
}

// Unwrap returns the error of the call.
func (e MemoryError) Unwrap() error { return e.Err }

// CallError is the error of a call whose guest failed.
type CallError struct {
	Err    error
	Stderr string // the last bytes that the guest wrote to standard error
}

// Error implements error.
func (e CallError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e CallError) Unwrap() error { return e.Err }

// Panic returns the first line of what a Go guest printed when it panicked, shortened, or "".
func (e CallError) Panic() string {
	for line := range strings.Lines(e.Stderr) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return excerpt.Of(strings.TrimSpace(line))
		}
	}
	return ""
}

// newInstance returns an instance with at most memory bytes, ready for its first call. It may run the module's
// initialisation. ctx must be from Module.begin.
func (m *Module) newInstance(ctx context.Context, memory int64) (*Instance, error) {
	in, err := m.instantiate(memory)
	if err != nil {
		return nil, err
	}
	if err := m.initialise(ctx, in); err != nil {
		in.close(m.log)
		return nil, err
	}
	return in, nil
}

// newCopy returns an instance that starts from the module's snapshot, without running any code. It returns nil if there
// is no snapshot yet.
func (m *Module) newCopy(memory int64) *Instance {
	if m.snapshot.Load() == nil {
		return nil
	}
	ctx, end, err := m.begin(context.Background())
	if err != nil {
		return nil
	}
	defer end()
	in, err := m.newInstance(ctx, memory)
	if err != nil {
		return nil
	}
	return in
}

// instantiate returns an instance that has not run any code.
func (m *Module) instantiate(memory int64) (_ *Instance, err error) {
	m.instances.RLock()
	defer m.instances.RUnlock()
	if m.closing.Err() != nil {
		return nil, context.Cause(m.closing)
	}
	if m.initialMemory > uint64(memory) {
		return nil, MemoryError{Needed: m.initialMemory, Limit: uint64(memory)}
	}
	in := &Instance{allocator: &allocator{limit: uint64(memory)}, exports: map[string]api.Function{}, meter: &meter{}, ceiling: m.ceiling}
	defer func() {
		if p := recover(); p != nil && in.allocator.err != nil { // wazero panics if the allocator returns no memory
			err = fmt.Errorf("instantiating the module: %w", in.allocator.err)
		} else if p != nil {
			panic(p)
		}
	}()
	ctx := experimental.WithMemoryAllocator(context.Background(), in.allocator)
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	if in.module, err = m.runtime.InstantiateModule(ctx, m.compiled, config); err == nil {
		err = in.allocator.err
	}
	if err == nil {
		err = in.bind(m)
	}
	if err != nil {
		in.close(m.log)
		return nil, fmt.Errorf("instantiating the module: %w", err)
	}
	return in, nil
}

// bind looks up the parts of the module that the instance uses.
func (in *Instance) bind(m *Module) error {
	if in.memory = in.allocator.memory; in.memory == nil {
		return errors.New("it has no memory")
	}
	var err error
	if in.messages, err = newMessages(int(in.memory.limit), in.memory); err != nil {
		return err
	}
	in.memory.messages, in.memory.meter, in.messages.meter = in.messages, in.meter, in.meter
	var ok bool
	if in.interrupt, ok = in.module.ExportedGlobal(interruptGlobal).(api.MutableGlobal); !ok {
		return errors.New("it is not interruptible")
	}
	for _, name := range m.state.Globals {
		g, ok := in.module.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("its global %s is not exported", name)
		}
		in.globals = append(in.globals, g)
	}
	return nil
}

// initialise makes an instance ready for its first call. The module's first instance initialises itself and is
// snapshotted. All others start from that snapshot. If the state cannot be captured, each instance initialises itself.
func (m *Module) initialise(ctx context.Context, in *Instance) error {
	if m.state.Elsewhere {
		m.warnElsewhere()
		return in.initialise(ctx)
	}
	if s := m.snapshot.Load(); s != nil {
		return in.adopt(s)
	}
	select { // not a mutex: an initialisation may last as long as its caller allows
	case m.capturing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the module's first initialisation: %w", context.Cause(ctx))
	}
	defer func() { <-m.capturing }()
	if s := m.snapshot.Load(); s != nil {
		return in.adopt(s)
	}
	if err := in.initialise(ctx); err != nil {
		return err
	}
	s, err := in.capture()
	if err != nil {
		return err
	}
	m.snapshot.Store(s)
	if m.closing.Err() != nil { // Close may have found no snapshot
		s.close()
	}
	return nil
}

// initialise runs the module's own initialisation.
func (in *Instance) initialise(ctx context.Context) error {
	f := in.module.ExportedFunction("_initialize")
	if f == nil {
		return nil
	}
	stop := in.interruptAt(ctx)
	err := f.CallWithStack(&guestContext{ctx, in, nil}, make([]uint64, 1))
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("initialising the module: %w", err)
	}
	return nil
}

// interruptAt makes the guest trap when ctx ends. stop ends the watch and reports whether the guest was not
// interrupted. After stop returns, the guest may be closed or called again. Call stop exactly once.
func (in *Instance) interruptAt(ctx context.Context) (stop func() bool) {
	set := make(chan struct{})
	unwatched := context.AfterFunc(ctx, func() {
		in.interrupt.Set(1)
		close(set)
	})
	return func() bool {
		if unwatched() {
			return true
		}
		<-set // AfterFunc has started: wait for its write
		return false
	}
}

// call runs an export. Host functions get call, which may be nil. After an error, the instance must not be used
// again.
func (in *Instance) call(ctx context.Context, call any, export string, input []byte) ([]byte, error) {
	m := in.messages
	if err := in.meter.begin(in.ceiling, int64(in.memory.size)+int64(cap(m.buf))); err != nil {
		return nil, err
	}
	defer in.meter.end()
	offset := m.Write(input)
	if offset == 0 && len(input) > 0 {
		return nil, MemoryError{Limit: in.memory.limit, Err: fmt.Errorf("the input has %d bytes", len(input))}
	}
	m.input = span{offset, m.length(offset)}
	f := in.exports[export]
	if f == nil {
		if f = in.module.ExportedFunction(export); f == nil {
			return nil, fmt.Errorf("the module has no export %s", export)
		}
		in.exports[export] = f
	}
	stop := in.interruptAt(ctx)
	var stack [1]uint64
	err := f.CallWithStack(&guestContext{ctx, in, call}, stack[:])
	if !stop() && err == nil {
		err = ctx.Err() // it was or will be interrupted: its output came too late
	}
	if err != nil && in.meter.err != nil {
		return nil, fmt.Errorf("the module wanted more memory: %w", in.meter.err)
	}
	if err != nil && in.memory.refused.Load() {
		err = MemoryError{Limit: in.memory.limit, Err: err}
	}
	if err != nil {
		return nil, CallError{err, in.stderr.String()}
	}
	if rc := api.DecodeU32(stack[0]); rc != 0 {
		return nil, CallError{fmt.Errorf("export %s returned %d%s", export, rc, m.guestError()), in.stderr.String()}
	}
	out, ok := m.view(m.output.offset, m.output.length)
	switch {
	case m.output.length > MaxMessage:
		return nil, fmt.Errorf("export %s returned %d bytes, and at most %d are allowed: emit large results as records", export, m.output.length, MaxMessage)
	case !ok && m.output.length > 0:
		return nil, fmt.Errorf("export %s set an output outside its messages", export)
	}
	return append([]byte(nil), out...), nil
}

// close frees the instance. No call may be running.
func (in *Instance) close(log *slog.Logger) {
	if in.module != nil {
		if err := in.module.Close(context.Background()); err != nil {
			log.Debug("closing an instance", "error", err.Error())
		}
	}
	if in.messages != nil {
		in.messages.close()
	}
	in.allocator.free()
}

// tail keeps the last bytes that a guest wrote to standard error, such as the message of its panic and its stack trace.
type tail struct{ buf []byte }

const tailSize = 16 << 10

func (t *tail) add(b []byte) {
	t.buf = append(t.buf, b[max(0, len(b)-tailSize):]...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
}

func (t *tail) String() string { return string(t.buf) }
