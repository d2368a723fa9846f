// Package conformance attacks a host of connector modules: with modules, servers and inputs that mean harm. It is for
// the authors of any host of the ABI, in any language:
//
//	func TestAttack(t *testing.T) { conformance.Run(t, myHost{}, conformance.Options{}) }
//
// Host is small. A host that is not written in Go is attacked through a process that speaks JSON lines, see Command.
// Each attack names the wall that it tries; it is contained when that wall held, nothing else broke, and it ended within
// its time. A bystander, a connection of the same host that does honest work, runs all the while and must never fail.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Host is a host under attack. Its methods are called from several goroutines.
type Host interface {
	// Load takes a module, or refuses it with an error that says why.
	Load(ctx context.Context, wasm []byte) (Module, error)
}

// Module is a module that was loaded. Close it after its sessions.
type Module interface {
	Connect(ctx context.Context, c Connection) (Session, error)
	Close(ctx context.Context) error
}

// Session is a module bound to a connection.
type Session interface {
	// Invoke, Source and Table run an operation as section 5 of the ABI says. Their results tell of the call, whatever
	// became of it; an error is one of the session, such as a host that died.
	Invoke(ctx context.Context, operation string, input json.RawMessage) (*abi.Result, error)
	Source(ctx context.Context, operation string, config, checkpoint json.RawMessage) (*Page, error)
	Table(ctx context.Context, operation string, input json.RawMessage) (*Page, error)
	Close(ctx context.Context) error
}

// Page is what a source or a table gave: one page of a source, all rows of a table.
type Page struct {
	Outcome abi.Outcome       `json:"outcome"`
	Code    string            `json:"code,omitempty"` // of the error
	Records []json.RawMessage `json:"records,omitempty"`
}

// Connection is what a host is told of a connection. Zero limits are the host's defaults.
type Connection struct {
	BaseURL             string
	Token               string
	Grants              []abi.Class
	AllowPrivateNetwork bool
	RootCAs             []byte // PEM; nil is the system's
	// Resolve answers for the system's resolver: the addresses of each name, those of the nth question, the last for all
	// that follow. Names that are missing do not exist. Two attacks have an address of the public internet among them: a
	// host that can should dial nothing but loopback while it is attacked.
	Resolve map[string][][]string
	Limits  Limits
	Log     io.Writer // gets the host's log; safe for concurrent use
}

// Limits are those of section 5 of the ABI.
type Limits struct {
	CallTimeout time.Duration
	Requests    int
	BodyBytes   int64
	HeldBytes   int64
	ResultBytes int64
	Records     int
	MemoryBytes int64
	Concurrency int
	LogBytes    int
}

// Attack is one attempt to get through a wall.
type Attack struct {
	Family string // modules, imports, requests, …
	Name   string
	Wall   string // what must hold
	run    func(*attempt) error
}

// patience is how much longer than its limits a call may take on a machine that is busy, where Options name none.
const patience = 15 * time.Second

// Options are the choices of Run. The zero value is every attack.
type Options struct {
	Wall   string   // attacks on this wall alone
	More   []Attack // of the host's own, see NewAttack
	Report io.Writer
	// OtherService has the kit's modules be of a service with other habits: another header for the credential, without a scheme,
	// other names and another form of the rate limit, PATCH for a change. A host that knows one service fails then.
	OtherService bool
	// Patience is how much longer than its limits a call may take; default 15 seconds.
	Patience time.Duration
}

// NewAttack is an attack of the host author's own: run returns nil when it was contained.
func NewAttack(family, name, wall string, run func(ctx context.Context) error) Attack {
	return Attack{Family: family, Name: name, Wall: wall, run: func(a *attempt) error { return run(a.ctx) }}
}

// Attacks are all attacks of the kit.
func Attacks() []Attack {
	return slices.Concat(moduleAttacks(), importAttacks(), requestAttacks(), secretAttacks(), grantAttacks(), serverAttacks(),
		networkAttacks(), resourceAttacks(), limitAttacks(), isolationAttacks(), answerAttacks(), inputAttacks())
}

// Report is what became of the attacks of one family.
type Report struct {
	Family               string
	Attempted, Contained int
	Longest              time.Duration
}

// Errors of an attack that did not end in the way of an attack.
var (
	ErrNotEnded = errors.New("it did not end")
	ErrPanic    = errors.New("a panic reached the caller")
)

// String names an attack as Run names its subtest.
func (a Attack) String() string { return a.Family + "/" + a.Name }

// attacks are those of the options.
func (o Options) attacks() ([]Attack, error) {
	all := append(Attacks(), o.More...)
	if o.Wall != "" {
		all = slices.DeleteFunc(all, func(a Attack) bool { return a.Wall != o.Wall })
		if len(all) == 0 {
			return nil, fmt.Errorf("no attack is on the wall %q", o.Wall)
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

func newKit(h Host, o Options) *kit {
	k := &kit{host: h, habits: usual, patience: o.Patience}
	if o.OtherService {
		k.habits = other
	}
	if k.patience == 0 {
		k.patience = patience
	}
	return k
}

// Attempts are the attacks one by one, for those who want to make them outside of a test: each is made when its function
// is called, which returns nil where it was contained. There is no bystander. An error that is ErrNotEnded or ErrPanic
// tells of what is worse than an attack that got through.
func Attempts(ctx context.Context, h Host, o Options) (iter.Seq2[Attack, func() error], error) {
	all, err := o.attacks()
	if err != nil {
		return nil, err
	}
	return func(yield func(Attack, func() error) bool) {
		k := newKit(h, o)
		defer k.close(ctx)
		for _, a := range all {
			if !yield(a, func() error { return k.attempt(ctx, a) }) {
				return
			}
		}
	}, nil
}

// Run attacks the host, each attack as a subtest, and prints a table by family.
func Run(t *testing.T, h Host, o Options) {
	all, err := o.attacks()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	k := newKit(h, o)
	defer k.close(ctx)
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
			err := k.attempt(ctx, a)
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
}

// attempt makes one attack, within its time.
func (k *kit) attempt(ctx context.Context, attack Attack) error {
	limit := k.patience + min(10*time.Second, k.patience)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := &attempt{kit: k, ctx: ctx}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("%w: %v\n%s", ErrPanic, p, debug.Stack())
			}
		}()
		err := attack.run(a)
		a.close()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(limit + k.patience/4):
		return fmt.Errorf("%w within %v, and not when it was canceled", ErrNotEnded, limit)
	}
}

// bystander makes honest calls until it is told to stop, and fails the test when one of them does.
func bystander(t *testing.T, ctx context.Context, k *kit) (stop func() (calls int)) {
	t.Helper()
	a := &attempt{kit: k, ctx: ctx}
	s, err := a.session(rigOptions{})
	if err != nil {
		t.Fatalf("an honest connection cannot be made: %v", err)
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	calls := 0
	wg.Go(func() {
		for {
			r, err := s.invoke("read", send(get))
			if err == nil {
				err = errors.Join(r.succeeded(), r.contains(0, `"status":200`))
			}
			if err != nil {
				t.Errorf("an honest call failed beside the attacks: %v", err)
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
		a.close()
		return calls
	}
}

// short keeps a text from filling a message.
func short(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 400 {
		return s[:400] + "…"
	}
	return s
}
