// Package budget counts the memory that the host holds for calls, before it is allocated.
package budget

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// Process is the memory that all calls of a process may hold together. It is safe for concurrent use. A nil Process has no
// limit.
type Process struct {
	most int64
	held atomic.Int64
}

// NewProcess returns a ceiling of so many bytes.
func NewProcess(bytes int64) *Process { return &Process{most: bytes} }

// Most returns the ceiling in bytes.
func (p *Process) Most() int64 { return p.most }

// Held returns how many bytes are held now.
func (p *Process) Held() int64 { return p.held.Load() }

// Take counts n bytes that are about to be allocated, or returns a ProcessError.
func (p *Process) Take(n int64) error {
	if p == nil {
		return nil
	}
	if held := p.held.Add(n); held > p.most {
		p.held.Add(-n)
		return ProcessError{Held: held - n, Most: p.most, Wanted: n}
	}
	return nil
}

// Give counts n bytes as free again.
func (p *Process) Give(n int64) {
	if p != nil {
		p.held.Add(-n)
	}
}

// ProcessError is the error for memory over the ceiling of the process. It is temporary.
type ProcessError struct{ Held, Most, Wanted int64 }

// Error implements error. A module sees the text, so it does not say how much other calls hold.
func (e ProcessError) Error() string {
	return fmt.Sprintf("all calls of this process together would hold more than its limit of %d bytes, with %d more for this one (--max-process-memory, host.LoadOptions.ProcessMemory): repeat later, make fewer calls at once, or raise the limit",
		e.Most, e.Wanted)
}

// CallError is the error for memory over the limit of a call.
type CallError struct{ Most int64 }

// Error implements error.
func (e CallError) Error() string {
	return fmt.Sprintf("the call would hold more than %d bytes (limits.held_bytes of the connection): ask for fewer records and continue with the cursor, or raise the limit", e.Most)
}

// Call is the memory that one call may hold. Its methods are safe for concurrent use. A nil Call has no limit.
type Call struct {
	process *Process
	most    int64

	mu    sync.Mutex
	held  int64
	ended bool
}

// Call returns the budget of a call with so many bytes. End it after the call.
func (p *Process) Call(bytes int64) *Call { return &Call{process: p, most: bytes} }

// For returns memory that is counted until owner is collected, or until End. The ceiling of the process is its only limit.
func For[T any](p *Process, owner *T) *Call {
	c := p.Call(math.MaxInt64)
	runtime.AddCleanup(owner, (*Call).End, c)
	return c
}

// Take counts n bytes that are about to be allocated. The error is a CallError or a ProcessError.
func (c *Call) Take(n int64) error {
	if c == nil || n == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held+n > c.most {
		return CallError{c.most}
	}
	if err := c.process.Take(n); err != nil {
		return err
	}
	if c.held += n; c.ended {
		c.give(n)
	}
	return nil
}

// Give counts n bytes as free again.
func (c *Call) Give(n int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.give(n)
	}
}

func (c *Call) give(n int64) {
	c.held -= n
	c.process.Give(n)
}

// End counts all that the call holds as free again. What is given back afterwards counts no more.
func (c *Call) End() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.give(c.held)
	c.ended = true
}

// Held returns how many bytes the call holds now.
func (c *Call) Held() int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Loan is memory of a call that is given back together. It is not safe for concurrent use.
type Loan struct {
	call *Call
	n    int64
}

// Loan returns an empty loan.
func (c *Call) Loan() *Loan { return &Loan{call: c} }

// Take is Call.Take.
func (l *Loan) Take(n int64) error {
	err := l.call.Take(n)
	if err == nil {
		l.n += n
	}
	return err
}

// Give is Call.Give.
func (l *Loan) Give(n int64) {
	l.n -= n
	l.call.Give(n)
}

// Return gives all of the loan back.
func (l *Loan) Return() { l.Give(l.n) }

// Keep leaves the memory to the call.
func (l *Loan) Keep() { l.n = 0 }
