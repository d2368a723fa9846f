package host_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

// The service answers none of three requests before all have arrived, so they must be sent in parallel. The request before
// them shows the host that the service answers.
func TestInvoke_AnnouncedReads_AreSentInParallelAndListedOnce(t *testing.T) {
	var arrived sync.WaitGroup
	arrived.Add(3)
	r := newRig(t, host.Limits{Requests: 4}, func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasSuffix(req.URL.Path, "before") {
			arrived.Done()
			arrived.Wait()
		}
		_, _ = fmt.Fprintf(w, `{"id":%q}`, req.URL.Path)
	})
	user := func(id string) string {
		return fmt.Sprintf(`{"endpoint":"GET /api/v1/users/{id}","path":{"id":%q},"sign":true}`, id)
	}
	first := strings.TrimSuffix(user("a"), "}") + `,"announce":[` + user("b") + `,` + user("c") + `]}`
	res := r.send(t, "read", user("before"), first, user("c"), user("b"))
	if res.Outcome != abi.Succeeded || len(res.Meta.Requests) != 4 {
		t.Fatalf("%s %+v, %d requests", res.Outcome, res.Error, len(res.Meta.Requests))
	}
	for i, id := range []string{"a", "c", "b"} {
		if at := strings.Index(string(res.Output), "users/"+id); at < 0 {
			t.Errorf("response %d is not that of %s: %s", i, id, res.Output)
		}
	}
}

// What was announced and not asked for is in the list of requests, too.
func TestInvoke_AnnouncedReadsThatAreNotMade_AreListed(t *testing.T) {
	r := newRig(t, host.Limits{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"1"}`) })
	res := r.send(t, "read", `{"endpoint":"GET /api/v1/logs","announce":[{"endpoint":"GET /api/v1/users/{id}","path":{"id":"b"}}]}`)
	if res.Outcome != abi.Succeeded || len(res.Meta.Requests) != 2 || res.Meta.Requests[1].Endpoint != "GET /api/v1/users/{id}" {
		t.Errorf("%s %+v", res.Outcome, res.Meta.Requests)
	}
}

// A read that was sent before a write must not be taken for the state after it. The service answers each read with the number of
// writes so far.
func TestInvoke_AnnouncedReadBeforeAWrite_IsSentAnewAfterIt(t *testing.T) {
	for name, steps := range map[string]func(read, write, announced string) []string{
		"announced by a read": func(read, write, announced string) []string {
			return []string{announcing(read, announced), write, announced}
		},
		"announced by the write": func(_, write, announced string) []string { return []string{announcing(write, announced), announced} },
		"announced after a write": func(read, write, announced string) []string {
			return []string{write, announcing(read, announced), announced}
		},
		"announced for two writes": func(read, write, announced string) []string {
			return []string{announcing(read, announced), write, write, announced}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var writes atomic.Int32
			r := newRig(t, host.Limits{}, func(w http.ResponseWriter, req *http.Request) {
				if req.Method != http.MethodGet {
					writes.Add(1)
				}
				_, _ = fmt.Fprintf(w, `{"id":"x","writes":"%d of %s"}`, writes.Load(), strings.TrimPrefix(req.URL.Path, "/api/v1/"))
			}, abi.Read, abi.Write)
			got := r.send(t, "write", steps(`{"endpoint":"GET /api/v1/users/{id}","path":{"id":"a"}}`, `{"endpoint":"POST /api/v1/users","body":{}}`,
				`{"endpoint":"GET /api/v1/users/{id}","path":{"id":"b"}}`)...)
			n := writes.Load()
			if got.Outcome != abi.Succeeded || n == 0 || !strings.Contains(string(got.Output), fmt.Sprintf("%d of users/b", n)) {
				t.Errorf("%s %+v after %d writes: %s", got.Outcome, got.Error, n, got.Output)
			}
			for before := range n {
				if strings.Contains(string(got.Output), fmt.Sprintf("%d of users/b", before)) {
					t.Errorf("the state before write %d is served after it: %s", before+1, got.Output)
				}
			}
		})
	}
}

// announcing returns a request that announces a read.
func announcing(request, read string) string {
	return strings.TrimSuffix(request, "}") + `,"announce":[` + read + `]}`
}
