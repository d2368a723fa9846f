package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"unsafe"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mach5/okta-connector/internal/wasmbin"
)

// interruptGlobal is the global that Load adds to a module (wasmbin.Interruptible). A module asks for it at each loop
// and function, and traps when it is set.
const interruptGlobal = "mach5:interrupt"

// instance is one running copy of the module. It runs one call at a time.
type instance struct {
	plugin    *extism.Plugin
	memories  *memories
	memory    *linear // the module's own of them
	main      api.Module
	interrupt api.MutableGlobal
	globals   []api.MutableGlobal // the module's state beside its memory (wasmbin.State)
	exports   map[string]api.Function
	kernel    *kernel
	stderr    tail
	ticks     int64  // nanoseconds on the guest's clocks (wasi.go)
	image     *image // that restore goes back to; nil when the module cannot be restored
}

// guestContext is the context in which an export runs: what go-sdk's imports look for, and the call, without a chain of
// values to walk for every word that crosses.
type guestContext struct {
	context.Context
	in     *instance
	call   *call
	offset uint64
}

// Value implements context.Context.
func (g *guestContext) Value(key any) any {
	switch key {
	case extism.PluginCtxKey("plugin"):
		return g.in.plugin
	case extism.PluginCtxKey("extism"):
		return api.Module(g.in.kernel)
	case extism.InputOffsetKey("inputOffset"):
		return g.offset
	}
	return g.Context.Value(key)
}

// instance makes a new instance with at most so many bytes of memory. The first initialises itself, and an image is
// taken of it; all others begin as that image.
func (m *Module) instance(ctx context.Context, memory int64) (*instance, error) {
	m.births.RLock()
	defer m.births.RUnlock()
	if m.closed {
		return nil, fmt.Errorf("%w: the module", ErrClosed)
	}
	in, err := m.bare(ctx, memory)
	if err != nil {
		return nil, err
	}
	if err := m.begin(ctx, in); err != nil {
		in.close(m.log)
		return nil, err
	}
	return in, nil
}

// bare makes an instance that has not run an instruction.
func (m *Module) bare(ctx context.Context, memory int64) (_ *instance, err error) {
	if m.begins > uint64(memory) {
		return nil, beginsOver(m.begins, uint64(memory))
	}
	in := &instance{memories: &memories{limit: uint64(memory)}, exports: map[string]api.Function{}}
	defer func() {
		if p := recover(); p != nil && in.memories.err != nil { // wazero cannot be told that there is no memory
			err = fmt.Errorf("instantiating the module: %w", in.memories.err)
		} else if p != nil {
			panic(p)
		}
	}()
	ctx = experimental.WithMemoryAllocator(context.WithoutCancel(ctx), in.memories)
	if in.plugin, err = m.plugin.Instance(ctx, extism.PluginInstanceConfig{ModuleConfig: wazero.NewModuleConfig()}); err == nil {
		err = in.memories.err
	}
	if err == nil {
		err = in.open(m.state, int(memory))
	}
	if err != nil {
		in.close(m.log)
		return nil, fmt.Errorf("instantiating the module: %w", err)
	}
	return in, nil
}

// open takes hold of the module behind go-sdk's Plugin, and puts our kernel in the place of Extism's.
func (in *instance) open(state wasmbin.State, memory int) error {
	main, ok := private[api.Module](in.plugin, "mainModule")
	behind, ok2 := private[api.Module](in.plugin, "extism")
	if !ok || !ok2 {
		return errors.New("this go-sdk keeps its modules elsewhere: instance.go has to follow")
	}
	in.main, in.memory = *main, in.memories.all[len(in.memories.all)-1]
	in.kernel = newKernel(*behind, memory)
	*behind = in.kernel
	in.plugin.SetLogger(func(extism.LogLevel, string) {})
	if in.interrupt, ok = in.main.ExportedGlobal(interruptGlobal).(api.MutableGlobal); !ok {
		return errors.New("the module was not made interruptible")
	}
	for _, name := range state.Globals {
		g, ok := in.main.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return fmt.Errorf("the module's global %s is not to be had", name)
		}
		in.globals = append(in.globals, g)
	}
	return nil
}

// begin makes a bare instance ready for its first call.
func (m *Module) begin(ctx context.Context, in *instance) error {
	m.imageMu.Lock()
	defer m.imageMu.Unlock()
	if m.image != nil {
		return in.adopt(m.image)
	}
	if f := in.main.ExportedFunction("_initialize"); f != nil {
		stop := in.interruptAt(ctx)
		err := f.CallWithStack(&guestContext{ctx, in, nil, 0}, make([]uint64, 1))
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("initialising the module: %w", err)
		}
	}
	if m.state.Elsewhere {
		m.log.Warn("the module keeps state in tables or segments, so that each call gets a new instance, at some milliseconds each")
		return nil
	}
	img, err := in.capture()
	if err != nil {
		return err
	}
	m.image = img
	return nil
}

// private is a field of go-sdk's Plugin that it does not export, and has no method for. RATIONALE.md says why.
func private[T any](plugin *extism.Plugin, field string) (v *T, ok bool) {
	f := reflect.ValueOf(plugin).Elem().FieldByName(field)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil, false
	}
	v = (*T)(unsafe.Pointer(f.UnsafeAddr()))
	return v, any(*v) != nil
}

// interruptAt has the guest trap when ctx ends. What it returns ends the watch, and tells whether the guest was left
// alone; after it, nothing touches the guest, which may be closed or run again. It is called once.
func (in *instance) interruptAt(ctx context.Context) (stop func() bool) {
	set := make(chan struct{})
	unwatched := context.AfterFunc(ctx, func() {
		in.interrupt.Set(1)
		close(set)
	})
	return func() bool {
		if unwatched() {
			return true
		}
		<-set // it is being set
		return false
	}
}

// call runs an export for a call, nil for none. After an error the instance is not to be used again.
func (in *instance) call(ctx context.Context, run *call, export string, input []byte) ([]byte, error) {
	k := in.kernel
	offset := k.put(input)
	if offset == 0 && len(input) > 0 {
		return nil, fmt.Errorf("the input of %d bytes does not fit into the module's memory (limits.memory_bytes)", len(input))
	}
	k.input = span{offset, k.length(offset)}
	f := in.exports[export]
	if f == nil {
		if f = in.main.ExportedFunction(export); f == nil {
			return nil, fmt.Errorf("the module has no export %s", export)
		}
		in.exports[export] = f
	}
	stop := in.interruptAt(ctx)
	var stack [1]uint64
	err := f.CallWithStack(&guestContext{ctx, in, run, offset}, stack[:])
	if !stop() && err == nil {
		err = ctx.Err() // it was interrupted, or is about to be: its last answer came too late
	}
	if err != nil {
		if in.memory.refused.Load() {
			err = fmt.Errorf("it wanted more than %d bytes of memory (limits.memory_bytes of the connection: raise it): %w", in.memory.limit, err)
		}
		return nil, err
	}
	if rc := api.DecodeU32(stack[0]); rc != 0 {
		return nil, fmt.Errorf("export %s returned %d%s", export, rc, k.says())
	}
	out, ok := k.view(k.output.offset, k.output.length)
	switch {
	case k.output.length > maxMessage:
		return nil, fmt.Errorf("export %s answered %d bytes, at most %d are taken: large results are emitted as records", export, k.output.length, maxMessage)
	case !ok && k.output.length > 0:
		return nil, fmt.Errorf("export %s set an output that lies outside of its messages", export)
	}
	return append([]byte(nil), out...), nil
}

// close frees the instance. It must not run.
func (in *instance) close(log *slog.Logger) {
	if in.plugin != nil {
		if err := in.plugin.Close(context.Background()); err != nil {
			log.Debug("closing an instance", "error", err.Error())
		}
	}
	in.memories.free()
}

// says is the error that the guest set for Extism, if any.
func (k *kernel) says() string {
	text, ok := k.view(k.failure, min(k.length(k.failure), tailSize))
	if !ok || len(text) == 0 {
		return ""
	}
	return ": " + strings.TrimRight(string(text), " ")
}

// tail keeps the last bytes that a guest wrote to stderr: the panic message, when it dies.
type tail struct{ buf []byte }

const tailSize = 4 << 10

func (t *tail) add(b []byte) {
	t.buf = append(t.buf, b[max(0, len(b)-tailSize):]...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
}

func (t *tail) String() string { return string(t.buf) }
