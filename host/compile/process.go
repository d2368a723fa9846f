package compile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mach5/okta-connector/host/internal/child"
	"github.com/mach5/okta-connector/host/internal/confine"
	"github.com/mach5/okta-connector/host/internal/sandbox"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// task is what the compiling process gets, as one line of JSON before the module.
type task struct {
	Dir    string // folder for the compiled code
	Memory int64  // maximum memory of an instance, in bytes
	Data   uint64 // how many bytes it can ask the system for
}

// answer is what the compiling process reports at its end.
type answer struct {
	Refused string // why the module cannot be compiled
	Error   string // why compiling failed, if that is not the module's fault
}

const (
	// dataAside is how many bytes the process can ask the system for, beyond its memory limit. It asks for more than twice
	// what it uses.
	dataAside = 512 << 20
	// gaugeEvery is how often its memory is measured.
	gaugeEvery = 10 * time.Millisecond
	// waitFactor is how much longer than its processor time the process may take.
	waitFactor = 10
	// maxAnswer is the size of the longest answer.
	maxAnswer = 64 << 10
)

// RunChildIfAsked compiles a module and exits, if another process started this one to do that. A program that loads modules
// calls it first in main, before anything has an effect. In tests it is called first in TestMain. sql.RunChildIfAsked
// does the same and more.
func RunChildIfAsked() {
	if child.Asked(child.Compile) {
		os.Exit(run())
	}
	child.RunStarterIfAsked()
	asked.Store(true)
}

// run is the compiling process. It returns the exit code.
func run() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // a terminal sends them to both processes, and the other one handles them
	child.IgnoreHangup()
	child.KeepFilesPrivate()
	files, err := child.Files(child.Compile, 2)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var a answer
	var refused sandbox.ModuleError
	if err := serve(files[0]); errors.As(err, &refused) {
		a.Refused = excerpt.Of(refused.Reason.Error())
	} else if err != nil {
		a.Error = excerpt.Of(err.Error())
	}
	if err := json.NewEncoder(files[1]).Encode(a); err != nil {
		return 1
	}
	return 0
}

// serve reads a task, confines this process, and does the task.
func serve(in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	line, wasm, _ := strings.Cut(string(text), "\n")
	var t task
	if err := json.Unmarshal([]byte(line), &t); err != nil {
		return err
	}
	if _, err := confine.Apply(confine.Policy{Write: []string{t.Dir}, Data: confine.DataInUse() + t.Data}); err != nil {
		return fmt.Errorf("the compiling process cannot be confined: %w", err)
	}
	return sandbox.Store(context.Background(), []byte(wasm), t.Memory, t.Dir)
}

// compiling is a process that compiles.
type compiling struct {
	process *child.Process
	stderr  child.Beginning
	ended   chan error // how it ended
}

// store compiles a module in a process of its own. It is the Store of a sandbox.Config.
func (l Limits) store(ctx context.Context, wasm []byte, memory int64, dir string) error {
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	c := &compiling{ended: make(chan error, 1)}
	in, out, err := c.start()
	if err != nil {
		return fmt.Errorf("%w can be started: %w", sandbox.ErrNoProcess, err)
	}
	defer func() { _, _ = in.Close(), out.Close() }()
	go func() {
		line, err := json.Marshal(task{Dir: dir, Memory: memory, Data: uint64(l.Memory) + dataAside})
		if err == nil {
			_, err = in.Write(append(line, '\n'))
		}
		if err == nil {
			_, _ = in.Write(wasm)
		}
		_ = in.Close() // if the child did not get everything, it says so, or it has ended
	}()
	said := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(out, maxAnswer)) // the end of the process is judged below
		said <- b
	}()
	if err := l.watch(ctx, c); err != nil {
		return err
	}
	var a answer
	switch err := json.Unmarshal(<-said, &a); {
	case err != nil:
		return fmt.Errorf("the compiling process gave an answer that is not valid: %w", err)
	case a.Refused != "":
		return sandbox.ModuleError{Reason: errors.New(a.Refused)}
	case a.Error != "":
		return errors.New("compiling failed: " + a.Error)
	}
	return nil
}

// start starts the process with two pipes.
func (c *compiling) start() (in, out *os.File, err error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = theirIn.Close() }()
	out, theirOut, err := os.Pipe()
	if err != nil {
		_ = in.Close()
		return nil, nil, err
	}
	defer func() { _ = theirOut.Close() }()
	spec := child.Spec{Job: child.Compile, Name: "(compile)", Pipes: []*os.File{theirIn, theirOut}, Stderr: &c.stderr}
	if c.process, err = child.Start(spec, func(err error) { c.ended <- err }); err != nil {
		_, _ = in.Close(), out.Close()
	}
	return in, out, err
}

// watch waits for the process, and kills it at a limit or when the context ends. The error says why it did not finish.
func (l Limits) watch(ctx context.Context, c *compiling) error {
	kill := func(reason error) error {
		c.process.Kill()
		<-c.ended
		return reason
	}
	gauge := c.process.MemoryGauge()
	defer gauge.Close()
	wait := l.Time
	if _, ok := child.TimeUsed(c.process.PID); ok {
		wait = max(wait, waitFactor*wait) // a busy machine is not the module's fault
	}
	limit, tick := time.NewTimer(wait), time.NewTicker(gaugeEvery)
	defer limit.Stop()
	defer tick.Stop()
	for {
		select {
		case err := <-c.ended:
			return l.ended(err, c.stderr.String())
		case <-ctx.Done():
			return kill(interrupted(ctx))
		case <-limit.C:
			return kill(l.overTime())
		case <-tick.C:
			if gauge.Used() > l.Memory {
				return kill(l.overMemory())
			}
			if used, ok := child.TimeUsed(c.process.PID); ok && used > l.Time {
				return kill(l.overTime())
			}
		}
	}
}

// ended returns the error for a process that ended by itself.
func (l Limits) ended(err error, stderr string) error {
	if err == nil {
		return nil
	}
	if strings.Contains(stderr, "out of memory") || strings.Contains(stderr, "cannot allocate memory") {
		return l.overMemory()
	}
	how, _, _ := strings.Cut(stderr, "\n") // the first line of a crash names it
	if how == "" {
		how = err.Error()
	}
	return sandbox.ModuleError{Reason: fmt.Errorf("compiling it made the compiling process crash (%s)", excerpt.Of(how))}
}

// interrupted returns the error for a module whose context ended first.
func interrupted(ctx context.Context) error {
	return fmt.Errorf("the module was not compiled yet: %w", context.Cause(ctx))
}
