package kit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi/conformance/target"
)

// Attack is one attempt to break a wall. Run returns nil if the host contained it.
type Attack struct {
	Family string // modules, imports, requests, …
	Name   string
	Wall   string // the protection that must hold
	Run    func(*Attempt) error
}

// usualPatience is how much longer than its limits a call may take on a busy machine.
const usualPatience = 15 * time.Second

// Errors of an attack that was worse than one that got through.
var (
	ErrNotEnded = errors.New("it did not end")
	ErrPanic    = errors.New("a panic reached the caller")
)

// New returns a kit for attacks on a host. Patience 0 is 15 seconds. Close it when done.
func New(h target.Host, otherService bool, patience time.Duration) *Kit {
	k := &Kit{Host: h, habits: usual, Patience: patience}
	if otherService {
		k.habits = other
	}
	if k.Patience == 0 {
		k.Patience = usualPatience
	}
	return k
}

// Attempt runs one attack and returns its error, or ErrNotEnded if it does not end in time, or ErrPanic.
func (k *Kit) Attempt(ctx context.Context, attack func(*Attempt) error) error {
	limit := k.Patience + min(10*time.Second, k.Patience)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := &Attempt{Kit: k, Ctx: ctx}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("%w: %v\n%s", ErrPanic, p, debug.Stack())
			}
		}()
		err := attack(a)
		a.Close()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(limit + k.Patience/4):
		return fmt.Errorf("%w within %v, or when it was canceled", ErrNotEnded, limit)
	}
}

// Short cuts a text to 400 bytes for a message.
func Short(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}
