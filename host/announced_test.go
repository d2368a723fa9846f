package host_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
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
