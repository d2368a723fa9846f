package programs

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// Report is what a run of programs did.
type Report struct {
	Programs, Calls, Requests int
	Outcomes                  map[abi.Outcome]int
	Overrun                   time.Duration // longest time of a call beyond its limit
}

// limits are those of every program. They are small, so that programs reach them.
var limits = target.Limits{CallTimeout: 300 * time.Millisecond, Requests: 5, BodyBytes: 16 << 10, HeldBytes: 32 << 10, ResultBytes: 32 << 10, Records: 20, MemoryBytes: 4 << 20,
	LogBytes: 1 << 10}

// situation is what a program is called for, and which requests it may send there.
type situation struct {
	operation string
	grants    []abi.Class
	input     string   // MARKER is replaced by a text that only one call has
	allowed   []string // endpoints
}

var situations = []situation{
	{"read", abi.Classes(), `{"secret":"MARKER"}`, []string{"GET /svc/v1/items/{id}", "GET /svc/v1/feed"}},
	{"read", []abi.Class{abi.Read}, `{"secret":"MARKER"}`, []string{"GET /svc/v1/items/{id}", "GET /svc/v1/feed"}},
	{"write", []abi.Class{abi.Write}, `{"secret":"MARKER"}`, []string{"GET /svc/v1/items/{id}", "POST /svc/v1/items", "PUT /svc/v1/items/{id}"}},
	{"write", abi.Classes(), `{"secret":"MARKER"}`, []string{"GET /svc/v1/items/{id}", "POST /svc/v1/items", "PUT /svc/v1/items/{id}"}},
	{"raised", []abi.Class{abi.Destructive}, `{"raise":"MARKER"}`, []string{"GET /svc/v1/items/{id}", "DELETE /svc/v1/items/{id}"}},
	{"raised", []abi.Class{abi.Read}, `{}`, []string{"GET /svc/v1/items/{id}"}},
	{"lowered", []abi.Class{abi.Write}, `{"action":"reopen"}`, []string{"POST /svc/v1/items/{id}", "POST /svc/v1/items/{id}/condition/reopen"}},
	{"lowered", []abi.Class{abi.Destructive}, `{"action":"relinquish"}`, []string{"POST /svc/v1/items/{id}", "POST /svc/v1/items/{id}/condition/reopen", "POST /svc/v1/items/{id}/condition/relinquish"}},
	// The next ones are refused, and send nothing.
	{"write", []abi.Class{abi.Read, abi.Destructive, abi.Privileged}, `{"secret":"MARKER"}`, nil},
	{"raised", []abi.Class{abi.Read, abi.Write}, `{"raise":"MARKER"}`, nil},
	{"strict", abi.Classes(), `{"secret":"MARKER"}`, nil},
}

// allows reports whether the situation allows a request.
func (s situation) allows(line string) bool {
	method, target, _ := strings.Cut(line, " ")
	path, _, _ := strings.Cut(target, "?")
	for _, endpoint := range s.allowed {
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(endpoint), `\{id\}`, `[^/?#\s]+`) + "$"
		if regexp.MustCompile(pattern).MatchString(method + " " + path) {
			return !slices.Contains(strings.Split(path, "/"), "..") && !slices.Contains(strings.Split(path, "/"), ".")
		}
	}
	return false
}

// Run runs the program of a seed in a random situation, three times, and adds to the report. An error says which part of the
// model did not hold. after is called after each call, when all that it held must be free again; it may be nil.
func Run(ctx context.Context, h target.Host, seed uint64, report *Report, after func() error) error {
	k := kit.New(h, false, 0)
	return k.Attempt(ctx, func(a *kit.Attempt) error {
		random := rand.New(rand.NewPCG(seed, 2))
		in := situations[random.IntN(len(situations))]
		server := &service{random: rand.New(rand.NewPCG(seed, 3))}
		r, err := a.NewRig(kit.RigOptions{Wasm: Generate(seed, in.allowed, true), Handler: server.answer, Grants: in.grants, Limits: limits})
		if err != nil {
			return err
		}
		report.Programs++
		var earlier []string
		for n := range 3 {
			marker := fmt.Sprintf("marker-%016x-%d", random.Uint64(), n)
			server.marker.Store(marker)
			before := len(r.Requests())
			res, err := r.RunInput(in.operation, strings.ReplaceAll(in.input, "MARKER", marker))
			if err != nil {
				return err
			}
			report.Calls++
			report.Outcomes[res.Outcome]++
			report.Overrun = max(report.Overrun, res.Took-limits.CallTimeout)
			sent := r.Requests()[before:]
			report.Requests += len(sent)
			if err := in.check(res, len(sent), r.Lines()[before:]); err != nil {
				return err
			}
			if err := showsNone(res, earlier); err != nil {
				return err
			}
			if after != nil {
				if err := after(); err != nil {
					return err
				}
			}
			earlier = append(earlier, marker)
		}
		for _, s := range r.Requests() {
			if err := s.Carries(kit.Token); err != nil {
				return err
			}
		}
		return nil
	})
}

// outcomes are the outcomes with which a call may end.
var outcomes = []abi.Outcome{abi.Succeeded, abi.Unchanged, abi.Planned, abi.Invalid, abi.Denied, abi.NotFound, abi.Rejected, abi.Throttled, abi.Unavailable, abi.Unknown, abi.Failed}

// check checks one call against the model.
func (s situation) check(res *kit.Result, sent int, lines []string) error {
	switch {
	case !slices.Contains(outcomes, res.Outcome):
		return fmt.Errorf("the call ended as %q", res.Outcome)
	case sent > limits.Requests:
		return fmt.Errorf("%d requests were sent, and the limit is %d", sent, limits.Requests)
	case int64(len(res.JSON)) > limits.MemoryBytes+limits.ResultBytes:
		return fmt.Errorf("the result has %d bytes", len(res.JSON))
	case res.Meta.Records > limits.Records:
		return fmt.Errorf("the result has %d records, and the limit is %d", res.Meta.Records, limits.Records)
	}
	for _, line := range lines {
		if !s.allows(line) {
			return fmt.Errorf("%s with the grants %v sent %q", s.operation, s.grants, line)
		}
	}
	return nil
}

var hexOutput = regexp.MustCompile(`"x":"([0-9a-f]*)"`)

// showsNone returns an error if a result shows a marker of an earlier call.
func showsNone(res *kit.Result, earlier []string) error {
	shown := [][]byte{res.JSON}
	for _, found := range hexOutput.FindAllSubmatch(res.JSON, -1) {
		bytes, err := hex.DecodeString(string(found[1]))
		if err != nil {
			return err
		}
		shown = append(shown, bytes)
	}
	for _, text := range shown {
		if bytes.Contains(text, []byte(kit.Token)) {
			return errors.New("the token is in the memory of the program")
		}
		for _, marker := range earlier {
			if bytes.Contains(text, []byte(marker[:len("marker-0000")])) && bytes.Contains(text, []byte(marker)) {
				return errors.New("the result shows what another call had")
			}
		}
	}
	return nil
}

// service answers with random bodies that contain the marker of the running call.
type service struct {
	marker atomic.Value

	mu     sync.Mutex
	random *rand.Rand
}

func (s *service) answer(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	status, size, kind := []int{200, 200, 200, 201, 204, 400, 404, 302}[s.random.IntN(8)], s.random.IntN(24<<10), s.random.IntN(5)
	s.mu.Unlock()
	marker, _ := s.marker.Load().(string)
	filler := strings.Repeat("x", size)
	if status == http.StatusFound {
		w.Header().Set("Location", "/svc/v1/bins")
	}
	w.Header().Set("Link", `</svc/v1/feed?after=1>; rel="next"`)
	w.WriteHeader(status)
	switch kind {
	case 0:
		_, _ = io.WriteString(w, `{"id":"`+marker+`","items":[{"id":"`+filler+`"}]}`)
	case 1:
		_, _ = io.WriteString(w, `[`+strings.Repeat(`{"id":"`+marker+`","secret":1},`, 1+size/500)+`{"id":"last"}]`)
	case 2:
		_, _ = io.WriteString(w, strings.Repeat("[", min(size, 2000)))
	case 3:
		_, _ = io.WriteString(w, `{"items":[]}`)
	default:
		_, _ = io.WriteString(w, marker+filler)
	}
}
