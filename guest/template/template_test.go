//go:build !wasip1

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connectortest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

var built = connectortest.Build(notes())

func TestTemplate_Kit(t *testing.T) {
	connectortest.Kit{Connector: notes(), Module: built, Service: func() http.Handler { return newService() },
		Inputs: map[string]string{"list_notes": `{}`}, Writes: []string{"rename_note"}}.Run(t)
}

// service is an invented service that stores notes. lose makes it drop the connection after it has done a write.
type service struct {
	mu       sync.Mutex
	notes    []note
	puts     int
	requests int
	lose     bool
	limited  bool
	left     int // requests of the window that are left, if it is limited
}

type note struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Tag     string `json:"tag"`
	Updated string `json:"updated_at"`
}

func newService() *service {
	s := &service{}
	for i := range 5 {
		s.add(i)
	}
	return s
}

func (s *service) add(i int) {
	s.notes = append(s.notes, note{fmt.Sprintf("n%d", i), fmt.Sprintf("Note %d", i), []string{"work", "home"}[i%2], "2026-01-02T03:04:05Z"})
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	w.Header().Set("Notes-Request-Id", fmt.Sprint("r", s.requests))
	if s.limited {
		s.left = max(0, s.left-1)
		w.Header().Set("RateLimit-Limit", "10")
		w.Header().Set("RateLimit-Remaining", strconv.Itoa(s.left))
		w.Header().Set("RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10))
	}
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+hosttest.Token {
		w.WriteHeader(401)
		fmt.Fprint(w, `{"code":"unauthorized","message":"no token"}`)
		return
	}
	id, single := strings.CutPrefix(r.URL.Path, "/v1/notes/")
	if !single {
		s.list(w, r)
		return
	}
	for i := range s.notes {
		n := &s.notes[i]
		if n.ID != id {
			continue
		}
		if r.Method == "PUT" {
			s.puts++
			_ = json.NewDecoder(r.Body).Decode(n)
			n.Updated = time.Now().UTC().Format(time.RFC3339)
			if s.lose {
				panic(http.ErrAbortHandler)
			}
		}
		_ = json.NewEncoder(w).Encode(n)
		return
	}
	w.WriteHeader(404)
	fmt.Fprint(w, `{"code":"not_found","message":"the note does not exist"}`)
}

func (s *service) list(w http.ResponseWriter, r *http.Request) {
	size := min(2, atoi(r.URL.Query().Get("per_page"))) // at most two, so that there are several pages
	from := atoi(r.URL.Query().Get("from"))
	var page []note
	i := from
	for ; i < len(s.notes) && len(page) < size; i++ {
		if tag := r.URL.Query().Get("tag"); tag == "" || tag == s.notes[i].Tag {
			page = append(page, s.notes[i])
		}
	}
	if i < len(s.notes) {
		q := r.URL.Query()
		q.Set("from", strconv.Itoa(i))
		w.Header().Set("Link", "<http://"+r.Host+"/v1/notes?"+q.Encode()+`>; rel="next"`)
	}
	if page == nil {
		page = []note{}
	}
	_ = json.NewEncoder(w).Encode(page)
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }

func connect(t *testing.T, s *service, grants ...abi.Class) *host.Connection {
	t.Helper()
	return hosttest.Serve(t, built.Module(t), s, host.Config{Grants: grants}, host.ConnectOptions{Sleep: hosttest.ShortSleep})
}

func TestTemplate_Table_HasEveryNote(t *testing.T) {
	c := connect(t, newService(), abi.Read)
	rows, err := c.Table(t.Context(), "list_notes", json.RawMessage(`{}`), host.TableOptions{Columns: []string{"id", "title"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(row.Values))
	}
	if want := "[[n0 Note 0] [n1 Note 1] [n2 Note 2] [n3 Note 3] [n4 Note 4]]"; fmt.Sprint(got) != want {
		t.Errorf("rows %s, want %s", got, want)
	}
}

func TestTemplate_Source_FollowsTheList(t *testing.T) {
	s := newService()
	c := connect(t, s, abi.Read)
	var got []string
	at := json.RawMessage(nil)
	read := func() {
		for r, err := range c.Source(t.Context(), host.SourceOptions{Operation: "list_notes", Checkpoint: at}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Key)
			if r.Checkpoint != nil {
				at = r.Checkpoint
			}
		}
	}
	read()
	read() // nothing new
	s.mu.Lock()
	s.add(5)
	s.add(6)
	s.mu.Unlock()
	read()
	if want := "n0 n1 n2 n3 n4 n5 n6"; strings.Join(got, " ") != want {
		t.Errorf("records %q, want %q", got, want)
	}
}

func TestTemplate_Write_EndsInOneOutcome(t *testing.T) {
	rename := json.RawMessage(`{"note":"n1","title":"Shopping"}`)
	for name, c := range map[string]struct {
		grants  []abi.Class
		input   json.RawMessage
		lose    bool
		outcome abi.Outcome
		puts    int
	}{
		"with the grant":          {[]abi.Class{abi.Read, abi.Write}, rename, false, abi.Succeeded, 1},
		"without the grant":       {[]abi.Class{abi.Read}, rename, false, abi.Denied, 0},
		"the same title":          {[]abi.Class{abi.Read, abi.Write}, json.RawMessage(`{"note":"n1","title":"Note 1"}`), false, abi.Unchanged, 0},
		"the note does not exist": {[]abi.Class{abi.Read, abi.Write}, json.RawMessage(`{"note":"n9","title":"x"}`), false, abi.NotFound, 0},
		"the answer is lost":      {[]abi.Class{abi.Read, abi.Write}, rename, true, abi.Succeeded, 1},
		"an unknown field":        {[]abi.Class{abi.Read, abi.Write}, json.RawMessage(`{"note":"n1","name":"x"}`), false, abi.Invalid, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			s.lose = c.lose
			res, err := connect(t, s, c.grants...).Invoke(t.Context(), "rename_note", c.input)
			if res == nil || res.Outcome != c.outcome || (err == nil) != c.outcome.OK() {
				t.Fatalf("%+v, %v, want %s", res, err, c.outcome)
			}
			if s.puts != c.puts {
				t.Errorf("%d writes, want %d", s.puts, c.puts)
			}
			if c.outcome == abi.Succeeded && s.notes[1].Title != "Shopping" {
				t.Errorf("the note is %+v", s.notes[1])
			}
		})
	}
}

func TestTemplate_Filter_IsSent(t *testing.T) {
	res, err := connect(t, newService(), abi.Read).Invoke(t.Context(), "list_notes", json.RawMessage(`{"tag":"work"}`))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Records []note }
	if err := json.Unmarshal(res.Output, &got); err != nil || len(got.Records) != 3 {
		t.Errorf("%s (%v), want the 3 notes of work", res.Output, err)
	}
	for _, n := range got.Records {
		if n.Tag != "work" {
			t.Errorf("%+v is not of work", n)
		}
	}
}

func TestTemplate_RequestID_IsInTheResult(t *testing.T) {
	res, err := connect(t, newService(), abi.Read).Invoke(t.Context(), "list_notes", json.RawMessage(`{"limit":1}`))
	if err != nil || len(res.Meta.Requests) != 1 || res.Meta.Requests[0].RequestID != "r1" {
		t.Errorf("%+v %v, want the service's request id", res.Meta.Requests, err)
	}
}

// TestTemplate_WindowThatIsUsedUp_IsWaitedFor: the host waits where the service's headers say that no request is left.
func TestTemplate_WindowThatIsUsedUp_IsWaitedFor(t *testing.T) {
	s := newService()
	s.limited, s.left = true, 3
	c := hosttest.Serve(t, built.Load(t), s, host.Config{Grants: []abi.Class{abi.Read}, RateLimitShare: 1}, host.ConnectOptions{})
	list := func() *abi.Result {
		res, _ := c.Invoke(t.Context(), "list_notes", json.RawMessage(`{"limit":1}`), host.InvokeOptions{Timeout: time.Second})
		return res
	}
	for range 2 {
		if res := list(); res.Outcome != abi.Succeeded {
			t.Fatalf("%+v", res.Error)
		}
	}
	list()
	if quota := c.Quota(); len(quota) != 1 || quota[0].Bucket != "notes" || quota[0].Limit != 10 || quota[0].Remaining > 1 {
		t.Errorf("%+v, want the bucket notes with a limit of 10", quota)
	}
	if res := list(); res.Outcome != abi.Throttled || res.Error.RetryAfterMS < 1000 {
		t.Errorf("%s %+v, want throttled until the window ends", res.Outcome, res.Error)
	}
}
