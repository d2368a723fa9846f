package invented

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is what goes wrong with a request.
type FaultKind int

// The kinds of faults. Only Cut and Slow process the request.
const (
	Slow    FaultKind = iota + 1 // answers normally, after Fault.Wait
	Closed                       // answers Fault.Status; default 503
	Quota                        // answers 429 slow_down with the headers of a used-up quota
	Busy                         // answers 429 busy without any header of the quota
	Garbled                      // answers 200 with text that is not JSON
	Cut                          // announces the length of the whole answer, sends half of it and closes the connection
	HangUp                       // closes the connection without an answer
	Stale                        // answers 400 stale_cursor to a request with a cursor; other requests are processed
	Repeat                       // answers a poll with the page before the requested one, which follows again after it
)

// Fault is a fault of some requests.
type Fault struct {
	Kind   FaultKind
	Path   string        // prefix of the paths of the requests; "" means all
	Skip   int           // number of requests to process normally first
	Times  int           // number of requests; 0 means all
	Status int           // for Closed
	Text   string        // for Closed: the text of the fault
	Wait   time.Duration // before anything else, for every kind
}

// faults are the faults of a depot. They are safe for concurrent use.
type faults struct {
	mu  sync.Mutex
	all []*Fault
}

// Inject adds a fault. It applies to requests that arrive after this.
func (d *Depot) Inject(f Fault) {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.all = append(d.faults.all, &f)
}

// ClearFaults removes all faults.
func (d *Depot) ClearFaults() {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.all = nil
}

// pick returns a copy of the first fault that applies to a request, and counts it. The zero Fault does nothing.
func (s *faults) pick(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	for i, f := range s.all {
		switch {
		case !strings.HasPrefix(r.URL.Path, f.Path), f.Kind == Stale && !q.Has("after") && !q.Has("continue"), f.Kind == Repeat && !q.Has("after"):
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		case f.Times == 1:
			s.all = append(s.all[:i:i], s.all[i+1:]...)
		case f.Times > 1:
			f.Times--
		}
		return *f
	}
	return Fault{}
}

// fail answers a request as its fault says, and reports whether it did. Otherwise the request is processed.
func (d *Depot) fail(w http.ResponseWriter, f Fault) bool {
	switch f.Kind {
	case Closed:
		if f.Status == 0 {
			f.Status = http.StatusServiceUnavailable
		}
		fault(w, f.Status, "closed", f.Text)
	case Quota:
		h := w.Header()
		h.Set("Depot-Quota", strconv.Itoa(max(1, d.Quota)))
		h.Set("Depot-Quota-Left", "0")
		h.Set("Depot-Quota-Renews-In", "1")
		fault(w, http.StatusTooManyRequests, "slow_down", "the quota is used up")
	case Busy:
		fault(w, http.StatusTooManyRequests, "busy", "too many requests at once")
	case Garbled:
		_, _ = fmt.Fprint(w, "<p>The depot is being painted.")
	case HangUp:
		panic(http.ErrAbortHandler)
	case Stale:
		fault(w, http.StatusBadRequest, "stale_cursor", "the place in the list is too old")
	default:
		return false
	}
	return true
}

// cut sends half of the answer of a handler, and closes the connection.
func cut(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
	whole := httptest.NewRecorder()
	answer(whole, r)
	for name, values := range whole.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(whole.Body.Len()))
	w.WriteHeader(whole.Code)
	_, _ = w.Write(whole.Body.Bytes()[:whole.Body.Len()/2])
	panic(http.ErrAbortHandler)
}
