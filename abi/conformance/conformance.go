// Package conformance attacks a host of connector modules with malicious modules, servers and inputs.
//
// It is for the authors of any host of the ABI, in any language:
//
//	func TestAttack(t *testing.T) { conformance.Run(t, myHost{}, conformance.Options{}) }
//
// A host in Go implements Host. A host in another language runs as a process that speaks JSON lines: see Start.
// Each attack names the wall that it tests. It is contained if that wall held, nothing else broke, and it ended in
// time. Meanwhile, a bystander makes honest calls on a second connection of the same host. These calls must never
// fail.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
	"github.com/mach5/okta-connector/abi/conformance/internal/attacks"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// A host under attack implements Host, Module and Session. Package target documents all of these types.
type (
	Host       = target.Host
	Module     = target.Module
	Session    = target.Session
	Page       = target.Page
	Connection = target.Connection
	Limits     = target.Limits
)

// Attack is one attempt to break a wall.
type Attack struct {
	Family string // modules, imports, requests, …
	Name   string
	Wall   string // the protection that must hold
	run    func(*kit.Attempt) error
}

// String returns the name of the attack's subtest.
func (a Attack) String() string { return a.Family + "/" + a.Name }

// NewAttack returns an attack by the host's author. run returns nil if the host contained it.
func NewAttack(family, name, wall string, run func(ctx context.Context) error) Attack {
	return Attack{Family: family, Name: name, Wall: wall, run: func(a *kit.Attempt) error { return run(a.Ctx) }}
}

// Attacks returns all attacks of the kit.
func Attacks() []Attack {
	var all []Attack
	for _, a := range attacks.All() {
		all = append(all, Attack{a.Family, a.Name, a.Wall, a.Run})
	}
	return all
}

// SoundModule returns the smallest valid module, for the attacks of a host's author.
func SoundModule() []byte { return assemble.Module{}.Build() }

// Options configure Run and Attempts. The zero value makes all attacks.
type Options struct {
	Wall   string   // only attacks on this wall
	More   []Attack // additional attacks, from NewAttack
	Report io.Writer
	// OtherService makes the kit's modules describe a service with other conventions. The credential is in another
	// header without a scheme, rate limits have other names and another form, and a change is a PATCH. A host that
	// knows only one service fails.
	OtherService bool
	// Patience is how much longer than its limits a call may take. Default 15 seconds.
	Patience time.Duration
}

// attacks returns the selected attacks.
func (o Options) attacks() ([]Attack, error) {
	all := append(Attacks(), o.More...)
	if o.Wall != "" {
		all = slices.DeleteFunc(all, func(a Attack) bool { return a.Wall != o.Wall })
		if len(all) == 0 {
			return nil, fmt.Errorf("no attack tests the wall %q", o.Wall)
		}
	}
	seen := map[string]bool{}
	for _, a := range all {
		if seen[a.String()] {
			return nil, fmt.Errorf("two attacks are named %s", a)
		}
		seen[a.String()] = true
	}
	return all, nil
}

// Errors of an attack that was worse than one that got through.
var (
	ErrNotEnded = kit.ErrNotEnded
	ErrPanic    = kit.ErrPanic
)

// Attempts returns the attacks one by one, for callers outside a test. Each function makes its attack, and returns
// nil if the host contained it. There is no bystander. ErrNotEnded and ErrPanic are worse than an attack that got
// through.
func Attempts(ctx context.Context, h Host, o Options) (iter.Seq2[Attack, func() error], error) {
	all, err := o.attacks()
	if err != nil {
		return nil, err
	}
	return func(yield func(Attack, func() error) bool) {
		k := kit.New(h, o.OtherService, o.Patience)
		defer k.Close(ctx)
		for _, a := range all {
			if !yield(a, func() error { return k.Attempt(ctx, a.run) }) {
				return
			}
		}
	}, nil
}

// Report counts the attacks of one family.
type Report struct {
	Family               string
	Attempted, Contained int
	Longest              time.Duration
}

// Run attacks the host, with one subtest per attack, and prints a table by family.
func Run(t *testing.T, h Host, o Options) {
	all, err := o.attacks()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	k := kit.New(h, o.OtherService, o.Patience)
	defer k.Close(ctx)
	stop := bystander(t, ctx, k)
	var families []string
	reports := map[string]*Report{}
	for _, a := range all {
		r := reports[a.Family]
		if r == nil {
			r = &Report{Family: a.Family}
			reports[a.Family] = r
			families = append(families, a.Family)
		}
		r.Attempted++
		t.Run(a.String(), func(t *testing.T) {
			began := time.Now()
			err := k.Attempt(ctx, a.run)
			r.Longest = max(r.Longest, time.Since(began))
			if err != nil {
				t.Errorf("the wall %q did not hold: %v", a.Wall, err)
				return
			}
			r.Contained++
		})
	}
	calls := stop()
	if o.Report == nil {
		return
	}
	fmt.Fprintf(o.Report, "%-12s %9s %9s %9s\n", "family", "attempted", "contained", "longest")
	total := Report{Family: "all"}
	for _, f := range families {
		r := reports[f]
		fmt.Fprintf(o.Report, "%-12s %9d %9d %8.2fs\n", r.Family, r.Attempted, r.Contained, r.Longest.Seconds())
		total.Attempted += r.Attempted
		total.Contained += r.Contained
		total.Longest = max(total.Longest, r.Longest)
	}
	fmt.Fprintf(o.Report, "%-12s %9d %9d %8.2fs\n", total.Family, total.Attempted, total.Contained, total.Longest.Seconds())
	fmt.Fprintf(o.Report, "bystander    %d honest calls, none of which failed\n", calls)
	fmt.Fprintf(o.Report, "deadlines    no call took over %d ms longer than its limit\n", k.Overrun().Milliseconds()+1)
}

// bystander makes honest calls until stop is called. It fails the test if one of them fails.
func bystander(t *testing.T, ctx context.Context, k *kit.Kit) (stop func() (calls int)) {
	t.Helper()
	a := &kit.Attempt{Kit: k, Ctx: ctx}
	s, err := a.NewRig(kit.RigOptions{})
	if err != nil {
		t.Fatalf("no honest connection is possible: %v", err)
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	calls := 0
	wg.Go(func() {
		for {
			r, err := s.Run("read", kit.Send(kit.Get))
			if err == nil {
				err = errors.Join(r.Succeeded(), r.Contains(0, `"status":200`))
			}
			if err != nil {
				t.Errorf("an honest call failed during the attacks: %v", err)
				return
			}
			calls++
			select {
			case <-quit:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return func() int {
		close(quit)
		wg.Wait()
		a.Close()
		return calls
	}
}
