package compat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Token is the API token of an Org. It opens nothing else.
const Token = "00COMPAT-ORG-TOKEN-NOT-A-SECRET-0000000000"

// Now is the constant time in an Org.
var Now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// Events is the number of events in the log of an Org.
const Events = 100

// Org is the org that the files in testdata/v0 were made with: a log of Events events, and four users. It does not
// change with the simulated org of other tests, and its clock always shows Now, so that old files stay usable. It is
// safe for concurrent use.
type Org struct {
	mu     sync.Mutex
	stored int             // events in the log so far
	again  int             // events before its cursor that a page of the log repeats
	lost   map[string]bool // users whose deactivation gets no response
	gone   map[string]bool // deactivated users
	writes int
}

// NewOrg returns an org whose log has only its first events.
func NewOrg(stored int) *Org {
	return &Org{stored: stored, lost: map[string]bool{}, gone: map[string]bool{}}
}

// Store sets the length of the log.
func (o *Org) Store(stored int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stored = stored
}

// Repeat makes each page of the log start so many events before its cursor.
func (o *Org) Repeat(events int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.again = events
}

// Lose makes the org deactivate users and close the connection without a response, until Answer.
func (o *Org) Lose(login string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost[login] = true
}

// Answer ends Lose.
func (o *Org) Answer() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.lost)
}

// Deactivate deactivates a user without a request.
func (o *Org) Deactivate(login string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone[login] = true
}

// Writes returns the number of writes that the org accepted.
func (o *Org) Writes() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writes
}

// EventID returns the uuid of an event, counted from 0.
func EventID(i int) string { return fmt.Sprintf("0a000000-0000-11f0-8000-%012d", i) }

func eventTime(i int) time.Time {
	return Now.Add(-20 * time.Hour).Add(time.Duration(i) * time.Minute)
}

const stamp = "2006-01-02T15:04:05.000Z"

func event(i int) string {
	return fmt.Sprintf(`{"uuid":%q,"published":%q,"eventType":"user.session.start","version":"0","severity":"INFO",`+
		`"actor":{"id":"00uada00000000000000","type":"User","alternateId":"ada@example.com","displayName":"Ada"},"outcome":{"result":"SUCCESS"},`+
		`"displayMessage":"User login to Okta","target":[],"transaction":{"type":"WEB","id":"t%d","detail":{}}}`, EventID(i), eventTime(i).Format(stamp), i)
}

// Logins returns the logins of the users. The first owns the token.
func Logins() []string {
	return []string{"owner@example.com", "ada@example.com", "alan@example.com", "grace@example.com"}
}

func userID(login string) string {
	name, _, _ := strings.Cut(login, "@")
	return "00u" + name + strings.Repeat("0", 17-len(name))
}

func (o *Org) user(login string) string {
	status := "ACTIVE"
	if o.gone[login] {
		status = "DEPROVISIONED"
	}
	return fmt.Sprintf(`{"id":%q,"status":%q,"created":"2026-01-01T00:00:00.000Z","activated":"2026-01-01T00:00:00.000Z","statusChanged":"2026-01-01T00:00:00.000Z",`+
		`"lastLogin":null,"lastUpdated":"2026-01-01T00:00:00.000Z","passwordChanged":null,"type":{"id":"oty1"},`+
		`"profile":{"login":%q,"email":%[3]q,"firstName":"F","lastName":"L"},"credentials":{"provider":{"type":"OKTA","name":"OKTA"}}}`, userID(login), status, login)
}

// ServeHTTP implements http.Handler.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	h := w.Header()
	h.Set("Date", Now.Format(http.TimeFormat))
	h.Set("Content-Type", "application/json")
	h.Set("X-Okta-Request-Id", "compat")
	if r.Header.Get("Authorization") != "SSWS "+Token {
		refuse(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	switch {
	case r.Method == http.MethodGet && path == "logs":
		o.logs(w, r)
	case r.Method == http.MethodGet && path == "users":
		o.users(w, r)
	case r.Method == http.MethodGet && path == "org":
		_, _ = fmt.Fprintf(w, `{"id":"00ocompat00000000000","companyName":"Compat","status":"ACTIVE","subdomain":"compat"}`)
	case strings.HasPrefix(path, "users/"):
		o.one(w, r, strings.Split(path, "/")[1:])
	default:
		refuse(w, http.StatusNotFound, "E0000022", "The endpoint does not support the provided HTTP method")
	}
}

func refuse(w http.ResponseWriter, status int, code, summary string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "compat", "errorCauses": []any{}})
}

// logs responds as Okta does: with until, by the time of the events; without, in the order in which they were stored,
// and always with a next link.
func (o *Org) logs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 {
		limit = 100
	}
	from, end := 0, o.stored
	if q.Has("until") {
		since, err1 := time.Parse(time.RFC3339, q.Get("since"))
		until, err2 := time.Parse(time.RFC3339, q.Get("until"))
		if err1 != nil || err2 != nil {
			refuse(w, http.StatusBadRequest, "E0000001", "Api validation failed: since, until")
			return
		}
		for from < end && eventTime(from).Before(since) {
			from++
		}
		for end > from && !eventTime(end-1).Before(until) {
			end--
		}
	}
	if after := q.Get("after"); after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n > o.stored {
			refuse(w, http.StatusBadRequest, "E0000031", "Invalid search criteria.")
			return
		}
		from = max(from, n-o.again, 0)
	}
	to := min(from+limit, end)
	var events []string
	for i := from; i < to; i++ {
		events = append(events, event(i))
	}
	if len(events) > 0 || !q.Has("until") {
		q.Set("after", strconv.Itoa(to))
		w.Header().Add("Link", fmt.Sprintf(`<http://%s/api/v1/logs?%s>; rel="next"`, r.Host, q.Encode()))
	}
	_, _ = fmt.Fprintf(w, "[%s]", strings.Join(events, ","))
}

func (o *Org) users(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 {
		limit = 200
	}
	from, _ := strconv.Atoi(q.Get("after")) // without one, from the beginning
	logins := Logins()
	to := min(from+limit, len(logins))
	var users []string
	for _, login := range logins[min(from, to):to] {
		users = append(users, o.user(login))
	}
	if to < len(logins) {
		q.Set("after", strconv.Itoa(to))
		w.Header().Add("Link", fmt.Sprintf(`<http://%s/api/v1/users?%s>; rel="next"`, r.Host, q.Encode()))
	}
	_, _ = fmt.Fprintf(w, "[%s]", strings.Join(users, ","))
}

// one responds to the requests for one user: GET /users/{id}, POST /users/{id}/lifecycle/deactivate.
func (o *Org) one(w http.ResponseWriter, r *http.Request, path []string) {
	login := ""
	for i, l := range Logins() {
		if path[0] == l || path[0] == userID(l) || path[0] == "me" && i == 0 {
			login = l
		}
	}
	switch action := strings.Join(path[1:], "/"); {
	case login == "":
		refuse(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+path[0]+" (User)")
	case r.Method == http.MethodPost && action == "lifecycle/deactivate":
		o.writes++
		o.gone[login] = true
		if o.lost[login] {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprint(w, "{}")
	case r.Method == http.MethodGet && action == "":
		if o.lost[login] && o.gone[login] {
			panic(http.ErrAbortHandler)
		}
		_, _ = fmt.Fprint(w, o.user(login))
	default:
		_, _ = fmt.Fprint(w, "[]") // no roles, groups or factors
	}
}
