// Package process starts the SQL process, watches over it, and answers what it asks.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/host/internal/child"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// Options say what a process works for.
type Options struct {
	Setup   wire.SetupMessage
	Source  wire.Source   // answers what it asks
	Time    time.Duration // the limit of a statement, for messages and for what follows its result
	Logger  *slog.Logger
	Starter *child.Starter // starts it; nil is this process
	// Stdin and Stdout are what it has as such; nil is nothing.
	Stdin, Stdout *os.File
}

// Statement is the run of a statement.
type Statement interface {
	// Context ends when the statement has to. Its cause wraps wire.ErrLimit at a limit.
	Context() context.Context
	// Answered is called when the result is there, and only its rows are to come.
	Answered()
	// Cancel ends the context.
	Cancel()
}

// Process is this program, started again, which has DuckDB and four pipes. This process keeps the connections and their
// tokens. It kills the other one when a statement goes on behind its deadline or takes more memory than it may. A process
// that crashes takes its statement with it and nothing else. The methods are not safe for concurrent use.
type Process struct {
	options Options
	child   *child.Process
	talk    *wire.Writer
	frames  chan frame
	scans   scans
	stderr  child.Beginning

	statement uint32 // the number of the last one
	memory    *child.MemoryGauge

	dead    chan struct{} // closed when the process has ended and its pipes are closed
	exit    error         // how the process ended; set before dead is closed
	reason  atomic.Pointer[error]
	ready   atomic.Bool // the database is open
	closing atomic.Bool
}

type frame struct {
	kind    wire.Kind
	payload []byte
	err     error
}

const (
	// How long a statement that is interrupted may go on before its process is killed: behind its deadline, and when the
	// caller cancels it, who loses the session then.
	deadlineGrace = 100 * time.Millisecond
	cancelGrace   = time.Second
	// gaugeEvery is how often a statement's memory is looked at.
	gaugeEvery = 10 * time.Millisecond
	// memoryAside is how many bytes the process may use besides DuckDB's limit and what it had when it began.
	memoryAside = 64 << 20
	// dataAside is how many bytes the process can ask the system for, beyond DuckDB's limit. What it asks for and does not
	// use is more than what it uses.
	dataAside = 1 << 30
	// closeTime is how long the process may write what it has not written yet.
	closeTime = time.Minute
)

// Start starts a process and waits until it has made the schemas and opened the database.
func Start(q Statement, o Options) (*Process, error) {
	c := &Process{options: o, frames: make(chan frame), dead: make(chan struct{})}
	if err := c.exec(); err != nil {
		return nil, fmt.Errorf("the SQL process cannot be started: %w", err)
	}
	stop := c.watch(q, 0, 0) // no gauge yet: RLIMIT_DATA bounds the memory
	setup := o.Setup
	setup.Data = uint64(setup.Memory) + dataAside
	err := c.talk.SendJSON(wire.Setup, setup)
	f := frame{err: err}
	if err == nil {
		f = c.next()
	}
	stop()
	switch {
	case f.err != nil:
		err := c.ended(f.err)
		_ = c.Close()
		return nil, err
	case f.kind == wire.End:
		_ = c.Close()
		var end wire.EndMessage
		if err := json.Unmarshal(f.payload, &end); err != nil || end.Error == "" {
			return nil, c.forbidden("an answer to its setup that is none")
		}
		return nil, errors.New(end.Error)
	case f.kind != wire.Ready:
		_ = c.Close()
		return nil, c.forbidden("a message out of turn")
	}
	var ready wire.ReadyMessage
	_ = json.Unmarshal(f.payload, &ready) // for the log alone
	o.Logger.Debug("a process runs SQL", "pid", c.child.PID, "confined by", ready.Walls)
	c.memory = c.child.MemoryGauge()
	c.ready.Store(true)
	return c, nil
}

// makePipes makes the four pipes. The first and third lead to the process, the others from it.
func makePipes() (ours, theirs []*os.File, err error) {
	for i := range 4 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(ours, theirs...))
			return nil, nil, err
		}
		widen(r)
		if i%2 == 0 {
			ours, theirs = append(ours, w), append(theirs, r)
		} else {
			ours, theirs = append(ours, r), append(theirs, w)
		}
	}
	return ours, theirs, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // what was sent was taken, or nobody is there to take it
	}
}

// exec starts the process.
func (c *Process) exec() error {
	ours, theirs, err := makePipes()
	if err != nil {
		return err
	}
	defer closeAll(theirs)
	spec := child.Spec{Job: child.SQL, Name: "(sql)", Pipes: theirs, Stderr: &c.stderr}
	if c.options.Setup.AllowFiles {
		if home, err := os.UserHomeDir(); err == nil {
			spec.Home = home // ~ in the name of a file
		}
		spec.Stdin, spec.Stdout = c.options.Stdin, c.options.Stdout // '/dev/stdin' is a file that queries read
	}
	if c.child, err = c.options.Starter.Start(spec, func(err error) {
		c.exit = err
		closeAll(ours)
		close(c.dead)
	}); err != nil {
		closeAll(ours)
		return err
	}
	c.talk = wire.NewWriter(ours[0])
	go c.listen(ours[1])
	go c.serve(wire.NewWriter(ours[2]), ours[3])
	return nil
}

// listen hands on what the child says, until its end.
func (c *Process) listen(r io.Reader) {
	in := wire.NewReader(r, wire.MaxTalk)
	logged := 0
	for {
		kind, payload, err := in.Next()
		if err == nil && kind == wire.Log {
			if logged++; logged <= 100 {
				var m wire.LogMessage
				_ = json.Unmarshal(payload, &m) // empty is logged as such
				c.options.Logger.Error(m.Message, "stack", m.Detail)
			}
			continue
		}
		f := frame{kind: kind, payload: bytes.Clone(payload), err: err}
		if errors.Is(err, wire.ErrTooLarge) {
			f.err = c.forbidden(err.Error())
		} else if err != nil {
			c.kill(nil)
			<-c.dead
			f.err = c.ended(err)
		}
		select {
		case c.frames <- f:
		case <-c.dead:
			return
		}
		if f.err != nil {
			return
		}
	}
}

// next returns the next thing that the child says.
func (c *Process) next() frame {
	select {
	case f := <-c.frames:
		return f
	case <-c.dead:
		return frame{err: c.ended(io.EOF)}
	}
}

// kill ends the process. The first reason becomes the error of the statement.
func (c *Process) kill(reason error) {
	if reason != nil {
		c.reason.CompareAndSwap(nil, &reason)
	}
	c.child.Kill()
}

// forbidden kills a child that does what only a hostile one does.
func (c *Process) forbidden(what string) error {
	err := fmt.Errorf("the SQL process was ended, because it sent %s", what)
	c.kill(err)
	return err
}

// ended returns why the process is no more.
func (c *Process) ended(err error) error {
	c.kill(nil)
	<-c.dead
	if reason := c.reason.Load(); reason != nil {
		return *reason
	}
	said := c.stderr.String()
	if strings.Contains(said, "out of memory") || strings.Contains(said, "bad_alloc") || strings.Contains(said, "cannot allocate memory") {
		return c.overMemory()
	}
	how, _, _ := strings.Cut(said, "\n") // "SIGSEGV: segmentation violation"
	switch {
	case how != "":
	case c.exit != nil:
		how = c.exit.Error()
	case err != nil:
		how = err.Error()
	}
	if !c.closing.Load() {
		c.options.Logger.Debug("the SQL process crashed", "stderr", said)
	}
	what := "the statement"
	if !c.ready.Load() {
		what = "opening the database"
	}
	return fmt.Errorf("%s made the SQL process crash (%s): nothing else is affected", what, excerpt.Of(how))
}

func (c *Process) overMemory() error {
	return fmt.Errorf("%w: its process used over %d MiB of memory, the most that a statement may (--max-memory)", wire.ErrLimit, c.options.Setup.Memory>>20)
}

// watch interrupts a statement whose context ends, and kills the process if it goes on, or if it takes over so many bytes
// of memory.
func (c *Process) watch(q Statement, number uint32, most int64) (stop func()) {
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(gaugeEvery)
		defer tick.Stop()
		ended := q.Context().Done()
		var grace <-chan time.Time
		for {
			select {
			case <-done:
				return
			case <-c.dead:
				return
			case <-ended:
				ended = nil
				wait := cancelGrace
				if errors.Is(context.Cause(q.Context()), wire.ErrLimit) {
					wait = deadlineGrace
				}
				grace = time.After(wait)
				go func() { _ = c.talk.Send(wire.Interrupt, wire.Number(number)) }() // if it cannot be sent, the child is killed
			case <-grace:
				c.kill(context.Cause(q.Context()))
			case <-tick.C:
				if c.memory != nil && c.memory.Used() > most {
					c.kill(c.overMemory())
				}
			}
		}
	}()
	return func() {
		close(done)
		<-watched
	}
}

// Each takes a result. rows is read once, before it returns.
type Each func(head wire.HeadMessage, rows iter.Seq2[[]any, error]) error

// Run runs a statement. Its error is that of the statement, or of each as it is; own reports which.
func (c *Process) Run(q Statement, statement string, each Each) (own bool, err error) {
	c.statement++
	defer c.scans.closeAll()
	defer q.Cancel() // stops pages that are being fetched
	stop := c.watch(q, c.statement, c.memory.Base()+c.options.Setup.Memory+memoryAside)
	defer stop()
	if err := c.talk.Send(wire.Run, wire.Number(c.statement), []byte(statement)); err != nil {
		return false, c.ended(err)
	}
	f := c.next()
	if f.err != nil {
		return false, f.err
	}
	if f.kind == wire.End {
		return false, c.end(f.payload)
	}
	var head wire.HeadMessage
	if f.kind != wire.Head || json.Unmarshal(f.payload, &head) != nil {
		return false, c.forbidden("a message out of turn")
	}
	q.Answered() // the result is all here: how long it is looked at is the caller's
	rows := &resultRows{process: c, statement: q, columns: len(head.Columns)}
	err = each(head, rows.all)
	if len(head.Columns) > 0 && !rows.ended {
		q.Cancel() // nobody wants the other rows
	}
	for !rows.ended {
		rows.piece()
	}
	if rows.shown { // each may have given it back
		return false, rows.err
	}
	return true, err
}

// end returns the error that an End carries.
func (c *Process) end(payload []byte) error {
	var end wire.EndMessage
	if err := json.Unmarshal(payload, &end); err != nil {
		return c.forbidden("a message that is damaged")
	}
	if end.Broken {
		err := errors.New(end.Error)
		c.kill(err)
		return err
	}
	switch {
	case end.Canceled:
		return context.Canceled
	case end.Error != "":
		return errors.New(end.Error)
	}
	return nil
}

// resultRows are the rows of a result, as the child sends them.
type resultRows struct {
	process   *Process
	statement Statement
	columns   int
	ended     bool
	err       error
	shown     bool // the error was given to the caller
}

// all is the sequence of rows.
func (r *resultRows) all(yield func([]any, error) bool) {
	in := wire.NewRowReader(r.columns)
	fail := func(err error) {
		r.shown = true
		yield(nil, err)
	}
	for {
		row, err := in.Next()
		switch {
		case err != nil:
			r.err, r.ended = r.process.forbidden(err.Error()), true
			fail(r.err)
			return
		case row != nil:
			if !yield(row, nil) {
				return
			}
			continue
		case r.ended:
			if r.err != nil {
				if ended := r.statement.Context().Err(); ended != nil {
					r.err = ended
				}
				fail(r.err)
			}
			return
		}
		in.Add(r.piece())
	}
}

// piece returns the next piece of rows, nothing at their end.
func (r *resultRows) piece() []byte {
	if r.ended {
		return nil
	}
	most := r.process.options.Time
	timer := time.AfterFunc(most, func() {
		r.process.kill(fmt.Errorf("%w: its rows did not come within %s (--max-time)", wire.ErrLimit, most))
	})
	defer timer.Stop()
	switch f := r.process.next(); {
	case f.err != nil:
		r.ended, r.err = true, f.err
	case f.kind == wire.Rows:
		return f.payload
	case f.kind == wire.End:
		r.ended, r.err = true, r.process.end(f.payload)
	default:
		r.ended, r.err = true, r.process.forbidden("a message out of turn")
	}
	return nil
}

// Complete lists the ways to go on with an unfinished statement.
func (c *Process) Complete(q Statement, unfinished string) []wire.Completion {
	stop := c.watch(q, 0, c.memory.Base()+c.options.Setup.Memory+memoryAside)
	defer stop()
	if err := c.talk.Send(wire.Complete, []byte(unfinished)); err != nil {
		return nil
	}
	f := c.next()
	var all []wire.Completion
	if f.err != nil || f.kind != wire.Completions || json.Unmarshal(f.payload, &all) != nil {
		_ = c.forbidden("completions that are none")
		return nil
	}
	return all
}

// Gone reports whether the process has ended.
func (c *Process) Gone() bool {
	if c.reason.Load() != nil {
		<-c.dead
		return true
	}
	select {
	case <-c.dead:
		return true
	default:
		return false
	}
}

// Close ends the process, which writes what it has not written yet.
func (c *Process) Close() error {
	defer func() {
		c.kill(nil)
		<-c.dead
		c.memory.Close()
		c.scans.closeAll()
		c.removeTemporary()
	}()
	if c.Gone() {
		return nil
	}
	c.closing.Store(true)
	timer := time.AfterFunc(closeTime, func() {
		c.kill(fmt.Errorf("the database was not closed within %s: what the last statements wrote may be missing", closeTime))
	})
	defer timer.Stop()
	if err := c.talk.Send(wire.Quit); err != nil {
		return c.ended(err)
	}
	for {
		f := c.next()
		switch {
		case f.err != nil:
			return f.err
		case f.kind == wire.End:
			return c.end(f.payload)
		}
	}
}

// removeTemporary removes what DuckDB put aside and did not remove.
func (c *Process) removeTemporary() {
	if dir := c.options.Setup.TempDir; dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			c.options.Logger.Warn("temporary data of SQL cannot be removed", "error", err)
		}
	}
}
