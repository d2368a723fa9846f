package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// interruptGlobal is the global that Load adds to a module (wasmbin.Interruptible). A module asks for it at each loop
// and function, and traps when it is set.
const interruptGlobal = "mach5:interrupt"

// instance is one running copy of the module. It runs one call at a time.
type instance struct {
	plugin    *extism.Plugin
	stderr    *tail
	main      api.Module
	interrupt api.MutableGlobal
	exports   map[string]api.Function
	kernel    *kernel
}

// kernel is an instance's Extism kernel. To go-sdk's imports, which look a function up whenever the guest calls one, it
// is that module too, but one that keeps its functions: wazero makes a new stack of 10 KiB for each that is looked up.
// An instance runs one call at a time, so that they can be kept.

type kernel struct {
	api.Module
	memory    api.Memory
	functions map[string]api.Function
	stack     [2]uint64
}

// ExportedFunction implements api.Module.
func (k *kernel) ExportedFunction(name string) api.Function {
	f, ok := k.functions[name]
	if !ok {
		f = k.Module.ExportedFunction(name)
		k.functions[name] = f
	}
	return f
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

func (m *Module) instance(ctx context.Context) (*instance, error) {
	stderr := &tail{}
	// No environment, no arguments, no files, no clock and no sleep of its own: wazero's stand-ins for them are fixed.
	config := wazero.NewModuleConfig().WithStdout(io.Discard).WithStderr(stderr)
	plugin, err := m.plugin.Instance(context.Background(), extism.PluginInstanceConfig{ModuleConfig: config})
	if err != nil {
		return nil, fmt.Errorf("instantiating the module: %w", err)
	}
	plugin.SetLogger(func(extism.LogLevel, string) {})
	in := &instance{plugin: plugin, stderr: stderr, exports: map[string]api.Function{}}
	if err := in.open(ctx); err != nil {
		in.close(m.log)
		return nil, err
	}
	return in, nil
}

// open takes hold of the module behind go-sdk's Plugin, and has the guest's runtime initialise itself.
func (in *instance) open(ctx context.Context) error {
	var ok bool
	if in.main, ok = private[api.Module](in.plugin, "mainModule"); !ok {
		return errors.New("this go-sdk keeps its modules elsewhere: instance.go has to follow")
	}
	kernelModule, ok := private[api.Module](in.plugin, "extism")
	if !ok {
		return errors.New("this go-sdk keeps its kernel elsewhere: instance.go has to follow")
	}
	if in.interrupt, ok = in.main.ExportedGlobal(interruptGlobal).(api.MutableGlobal); !ok {
		return errors.New("the module was not made interruptible")
	}
	in.kernel = &kernel{Module: kernelModule, memory: kernelModule.ExportedMemory("memory"), functions: map[string]api.Function{}}
	for _, name := range []string{"reset", "alloc", "length", "input_set", "output_offset", "output_length", "error_get"} {
		if in.kernel.ExportedFunction(name) == nil {
			return fmt.Errorf("Extism's kernel has no function %s", name)
		}
	}
	if in.main.ExportedFunction("_initialize") == nil {
		return nil
	}
	defer in.interruptAt(ctx)()
	if _, _, err := in.plugin.CallWithContext(context.WithoutCancel(ctx), "_initialize", nil); err != nil {
		return fmt.Errorf("initialising the module: %w", err)
	}
	return nil
}

// private reads a field of go-sdk's Plugin that it does not export, and has no method for. RATIONALE.md says why.
func private[T any](plugin *extism.Plugin, field string) (v T, ok bool) {
	f := reflect.ValueOf(plugin).Elem().FieldByName(field)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return v, false
	}
	v = *(*T)(unsafe.Pointer(f.UnsafeAddr()))
	return v, any(v) != nil
}

// interruptAt has the guest trap when ctx ends. What it returns ends the watch, and tells whether the guest was left
// alone.
func (in *instance) interruptAt(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { in.interrupt.Set(1) })
}

// call runs an export for a call, nil for none. After an error the instance is not to be used again.
func (in *instance) call(ctx context.Context, run *call, export string, input []byte) ([]byte, error) {
	k := in.kernel
	k.call("reset")
	offset := k.call("alloc", uint64(len(input)))
	if offset == 0 && len(input) > 0 || !k.memory.Write(uint32(offset), input) {
		return nil, fmt.Errorf("the input of %d bytes does not fit into the module's memory", len(input))
	}
	k.call("input_set", offset, uint64(len(input)))
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
		return nil, err
	}
	if rc := api.DecodeU32(stack[0]); rc != 0 {
		return nil, fmt.Errorf("export %s returned %d%s", export, rc, k.says())
	}
	out, ok := k.memory.Read(uint32(k.call("output_offset")), uint32(k.call("output_length")))
	if !ok {
		return nil, fmt.Errorf("export %s set an output that lies outside its memory", export)
	}
	return append([]byte(nil), out...), nil
}

func (in *instance) close(log *slog.Logger) {
	if err := in.plugin.Close(context.Background()); err != nil {
		log.Debug("closing an instance", "error", err.Error())
	}
}

// call runs a kernel function, 0 when it fails. The kernel is trusted and short: it needs no deadline.
func (k *kernel) call(name string, args ...uint64) uint64 {
	k.stack = [2]uint64{}
	copy(k.stack[:], args)
	if k.ExportedFunction(name).CallWithStack(context.Background(), k.stack[:]) != nil {
		return 0
	}
	return k.stack[0]
}

// says is the error that the guest set for Extism, if any.
func (k *kernel) says() string {
	offset := k.call("error_get")
	if offset == 0 {
		return ""
	}
	text, _ := k.memory.Read(uint32(offset), uint32(min(k.call("length", offset), tailSize)))
	return ": " + strings.TrimRight(string(text), " ")
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
