package oktatest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Interaction is one recorded request and its response: a line of the file that NewReplay reads.
type Interaction struct {
	Endpoint    string          `json:"endpoint"` // template, "GET /api/v1/users/{id}"; only for information
	Method      string          `json:"method"`
	Path        string          `json:"path"`
	Query       string          `json:"query"` // raw, without the question mark
	RequestBody string          `json:"request_body"`
	Status      int             `json:"status"`
	Headers     RecordedHeaders `json:"headers"`
	Body        string          `json:"body"` // sent byte for byte
}

// RecordedHeaders are the headers of a response. Both forms of recorders are accepted: {"Name": ["value"]} and {"Name":
// "value"}.
type RecordedHeaders http.Header

// UnmarshalJSON implements json.Unmarshaler.
func (h *RecordedHeaders) UnmarshalJSON(text []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	*h = RecordedHeaders{}
	for name, value := range raw {
		var values []string
		var single string
		if json.Unmarshal(value, &values) != nil {
			if err := json.Unmarshal(value, &single); err != nil {
				return fmt.Errorf("header %s: want a string or a list of strings", name)
			}
			values = []string{single}
		}
		name = http.CanonicalHeaderKey(name)
		(*h)[name] = append((*h)[name], values...)
	}
	return nil
}

// Replay is an http.Handler that serves recorded interactions and accepts any token. It is safe for concurrent use.
type Replay struct {
	recorded []Interaction
	received received

	mu   sync.Mutex
	next map[string]int // number of served recordings, by request
}

// maxReplayLine is the maximum length of a line for NewReplay, in bytes.
const maxReplayLine = 64 << 20

// NewReplay reads recordings, one JSON object in the form of [Interaction] per line; blank lines are skipped. An error
// names the line.
//
// A request is answered with the recording of the same method, path and query, in any order of the parameters. If there
// is none, the method and path must match. Several recordings of one request are served in turn, and the last one
// repeats.
func NewReplay(r io.Reader) (*Replay, error) {
	p := &Replay{received: received{capacity: 10_000}, next: map[string]int{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxReplayLine)
	for number := 1; lines.Scan(); number++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		i, err := parseInteraction(line)
		if err != nil {
			return nil, fmt.Errorf("recording in line %d: %w", number, err)
		}
		p.recorded = append(p.recorded, i)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("recordings after %d interactions: %w", len(p.recorded), err)
	}
	return p, nil
}

func parseInteraction(line []byte) (Interaction, error) {
	var i Interaction
	if err := json.Unmarshal(line, &i); err != nil {
		return i, err
	}
	switch {
	case i.Method == "":
		return i, errors.New("no method")
	case !strings.HasPrefix(i.Path, "/"):
		return i, fmt.Errorf("path %q does not start with a slash", i.Path)
	case i.Status < 200 || i.Status > 599:
		return i, fmt.Errorf("status %d is not from 200 to 599", i.Status)
	}
	if _, err := url.ParseQuery(i.Query); err != nil {
		return i, fmt.Errorf("query: %w", err)
	}
	for name, values := range i.Headers {
		for _, v := range values {
			if !validHeader(name, v) {
				return i, fmt.Errorf("header %q cannot be sent", name)
			}
		}
	}
	return i, nil
}

func validHeader(name, value string) bool {
	for _, r := range name {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) {
			return false
		}
	}
	return name != "" && !strings.ContainsAny(value, "\r\n\x00")
}

// Len returns the number of interactions.
func (p *Replay) Len() int { return len(p.recorded) }

// Requests returns the last 10,000 received requests, oldest first.
func (p *Replay) Requests() []Request { return p.received.list() }

// ServeHTTP answers with a recording, or with 404 and a list of the method's recordings.
func (p *Replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		http.Error(w, "request body cannot be read: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	entry := newRequest(&call{Request: r, now: time.Now(), body: body})
	i := p.find(r)
	if i == nil {
		entry.Status = http.StatusNotFound
		p.received.add(entry)
		p.unmatched(w, r)
		return
	}
	entry.Status, entry.Pattern = i.Status, i.Endpoint
	p.received.add(entry)
	h := w.Header()
	for name, values := range i.Headers {
		if !slices.Contains(ownHeaders, name) {
			h[name] = slices.Clone(values)
		}
	}
	if i.Status != http.StatusNoContent && i.Status != http.StatusNotModified {
		h.Set("Content-Length", strconv.Itoa(len(i.Body)))
	}
	w.WriteHeader(i.Status)
	if r.Method != http.MethodHead {
		io.WriteString(w, i.Body) // a closed connection does not matter
	}
}

// ownHeaders belong to the connection of the recording, not to this one.
var ownHeaders = []string{"Connection", "Content-Encoding", "Content-Length", "Keep-Alive", "Proxy-Authenticate",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// find returns the next recording for r.
func (p *Replay) find(r *http.Request) *Interaction {
	var exact, similar []*Interaction
	for i := range p.recorded {
		rec := &p.recorded[i]
		if rec.Method != r.Method || !samePath(rec.Path, r.URL) {
			continue
		}
		similar = append(similar, rec)
		if sameQuery(rec.Query, r.URL.RawQuery) {
			exact = append(exact, rec)
		}
	}
	key := r.Method + " " + r.URL.EscapedPath()
	if exact != nil {
		similar = exact
		key += "?" + r.URL.Query().Encode()
	}
	if similar == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	turn := p.next[key]
	p.next[key] = min(turn+1, len(similar)-1)
	return similar[turn]
}

func samePath(recorded string, u *url.URL) bool {
	return recorded == u.Path || recorded == u.EscapedPath()
}

// sameQuery compares two queries as sets of pairs.
func sameQuery(a, b string) bool {
	if a == b {
		return true
	}
	left, err := url.ParseQuery(a)
	right, err2 := url.ParseQuery(b)
	if err != nil || err2 != nil || len(left) != len(right) {
		return false
	}
	for name, values := range left {
		others := slices.Sorted(slices.Values(right[name]))
		if !slices.Equal(slices.Sorted(slices.Values(values)), others) {
			return false
		}
	}
	return true
}

func (p *Replay) unmatched(w http.ResponseWriter, r *http.Request) {
	const most = 20
	refusal := &apiError{http.StatusNotFound, "E0000008", "No recording of " + r.Method + " " + r.URL.EscapedPath(), nil}
	listed := map[string]bool{}
	for _, i := range p.recorded {
		line := i.Method + " " + i.Path
		if i.Method != r.Method || listed[line] {
			continue
		}
		listed[line] = true
		if len(listed) <= most {
			refusal.causes = append(refusal.causes, "recorded: "+line)
		}
	}
	if more := len(listed) - most; more > 0 {
		refusal.causes = append(refusal.causes, fmt.Sprintf("and %d more", more))
	}
	if len(listed) == 0 {
		refusal.causes = []string{fmt.Sprintf("no %s is among the %d recordings", r.Method, len(p.recorded))}
	}
	body := refusal.body("replay")
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(refusal.status)
	w.Write(body)
}
