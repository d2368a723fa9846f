package httpsink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// index is a service that takes batches, as OpenSearch's _bulk does: by _id.
type index struct {
	*httptest.Server
	mu       sync.Mutex
	docs     map[string]string
	requests int
	largest  int
	// fault may answer in place of the service, whose work is done before it where it took effect.
	fault func(n int, w http.ResponseWriter, r *http.Request) (answered, tookEffect bool)
	// status is that of one record; 0 is taken
	status func(n int, id string) int
	// why is the type and reason of a record that is not taken; nil is a document that does not parse
	why func(id string) (kind, reason string)
}

func newIndex(t *testing.T) *index {
	x := &index{docs: map[string]string{}}
	x.Server = httptest.NewServer(http.HandlerFunc(x.serve))
	t.Cleanup(x.Close)
	return x
}

func (x *index) serve(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.requests++
	body, _ := io.ReadAll(r.Body)
	x.largest = max(x.largest, len(body))
	if x.fault != nil {
		answered, took := x.fault(x.requests, w, r)
		if took {
			x.take(body)
		}
		if answered {
			return
		}
	}
	items, failed := x.take(body)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": failed, "items": items})
}

func (x *index) take(body []byte) (items []any, failed bool) {
	in := bufio.NewScanner(bytes.NewReader(body))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var action map[string]struct {
			ID string `json:"_id"`
		}
		_ = json.Unmarshal(in.Bytes(), &action)
		in.Scan()
		for verb, a := range action {
			status := 201
			if x.status != nil {
				if s := x.status(x.requests, a.ID); s != 0 {
					status = s
				}
			}
			if _, there := x.docs[a.ID]; there && verb == "create" {
				status = 409
			}
			item := map[string]any{"_id": a.ID, "status": status}
			if status > 299 {
				failed = true
				kind, reason := "mapper_parsing_exception", "because of "+a.ID
				if x.why != nil {
					kind, reason = x.why(a.ID)
				}
				item["error"] = map[string]string{"type": kind, "reason": reason}
			} else {
				x.docs[a.ID] = in.Text()
			}
			items = append(items, map[string]any{verb: item})
		}
	}
	return items, failed
}

// newHTTP makes a sink whose waits take no time, and counts them.
func newHTTP(t *testing.T, address string, o Options) (*Sink, *[]time.Duration) {
	t.Helper()
	s, err := New(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var waits []time.Duration
	s.sleep = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	return s, &waits
}

func wantDocs(t *testing.T, x *index, n int) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(x.docs)); !slices.Equal(got, want) {
		t.Errorf("%d documents, want %d", len(got), n)
	}
}

func TestBatchesAreIndexedByKey(t *testing.T) {
	for _, form := range []Form{Bulk, BulkCreate} {
		x := newIndex(t)
		s, _ := newHTTP(t, x.URL+"/okta/_bulk", Options{Form: form, BatchBytes: 4000})
		for range 2 { // the second time it is there already
			sinktest.Write(t, s, sinktest.Numbered(0, 500))
		}
		wantDocs(t, x, 500)
		if x.largest > 4000 || x.requests < 2*10 {
			t.Errorf("%d requests, the largest of %d bytes", x.requests, x.largest)
		}
	}
}

func TestNDJSONIsTheRecordsAsTheyAre(t *testing.T) {
	var got bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/x-ndjson" || r.Header.Get("Authorization") != "Bearer abc" || r.URL.RawQuery != "a=b" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		_, _ = io.Copy(&got, r.Body)
	}))
	defer server.Close()
	s, _ := newHTTP(t, server.URL+"/in?a=b", Options{Authorization: secrets.New("Bearer abc")})
	sinktest.Write(t, s, sinktest.Numbered(0, 20))
	sinktest.Write(t, s, sinktest.Lines{})
	if got.String() != sinktest.Text(sinktest.Numbered(0, 20)) || s.String() != server.URL+"/in" {
		t.Errorf("%s: %s", s, got.String())
	}
}

// TestAServiceInTroubleIsWaitedFor: whatever happens to a request, every record is there in the end, once.
func TestAServiceInTroubleIsWaitedFor(t *testing.T) {
	answer := func(status int) func(int, http.ResponseWriter, *http.Request) (bool, bool) {
		return func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
			if n%3 != 0 {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(status)
			}
			return n%3 != 0, n%3 == 1
		}
	}
	for name, fault := range map[string]func(int, http.ResponseWriter, *http.Request) (bool, bool){
		"429": answer(429), "503": answer(503), "500": answer(500), "408": answer(408),
		"a cut connection": func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
			if n%3 != 0 {
				conn, _, _ := http.NewResponseController(w).Hijack()
				_ = conn.Close()
			}
			return n%3 != 0, n%3 == 1
		},
		"half an answer": func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
			if n%3 != 0 {
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, `{"errors":`)
			}
			return n%3 != 0, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newIndex(t)
			x.fault = fault
			told := 0
			s, waits := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk, BatchBytes: 2000, Waiting: func(error, time.Duration) { told++ }})
			sinktest.Write(t, s, sinktest.Numbered(0, 100))
			wantDocs(t, x, 100)
			if told == 0 || told != len(*waits) {
				t.Errorf("%d waits, %d told", len(*waits), told)
			}
			if strings.Contains("429 503", name) && slices.Min(*waits) < 7*time.Second {
				t.Errorf("Retry-After was not heeded: %s", *waits)
			}
		})
	}
}

func TestRecordsThatAServiceHasNoRoomForAreSentAgain(t *testing.T) {
	x := newIndex(t)
	x.status = func(n int, id string) int {
		if n < 4 && (id[len(id)-1]-'0')%2 == 1 {
			return 429
		}
		return 0
	}
	s, waits := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 50))
	wantDocs(t, x, 50)
	if x.requests != 4 || len(*waits) != 3 {
		t.Errorf("%d requests, %d waits", x.requests, len(*waits))
	}
}

func TestABatchThatIsTooLargeIsHalved(t *testing.T) {
	x := newIndex(t)
	x.fault = func(_ int, w http.ResponseWriter, r *http.Request) (bool, bool) {
		if r.ContentLength > 500 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		return r.ContentLength > 500, false
	}
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 60))
	wantDocs(t, x, 60)
	err := s.Write(context.Background(), sinktest.Lines{`{"uuid":"big","pad":"` + strings.Repeat("x", 600) + `"}`})
	if !errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), "larger than the service takes") {
		t.Errorf("%v", err)
	}
}

func TestARefusalIsTold(t *testing.T) {
	const token = "sEcReT-token"
	for name, c := range map[string]struct {
		status int
		body   string
		form   Form
		want   string
	}{
		"a bad request":        {400, "no\nsuch index", Bulk, "400 Bad Request: no such index"},
		"a bad authorization":  {401, "you said Bearer " + token, Bulk, "401 Unauthorized: you said [redacted]: is the authorization right?"},
		"no permission":        {403, "", NDJSON, "403 Forbidden: is the authorization right?"},
		"a redirect":           {302, "", NDJSON, "a redirect is not followed"},
		"an address of others": {200, "<html>welcome</html>", Bulk, "is the address that of a _bulk endpoint?"},
		"a page to sign in":    {200, "<!DOCTYPE html><title>Please sign in</title>", NDJSON, "200 OK with a web page"},
		"an error with 200":    {200, `{"success":false,"message":"over quota"}`, NDJSON, "says that not all was taken"},
		"an error with 201":    {200, `{"errors":false,"items":[{"index":{"status":201,"error":{"type":"x"}}}]}`, Bulk, "in an item with a status of success"},
		"a record":             {200, `{"errors":true,"items":[{"index":{"_id":"0","status":400,"error":{"type":"mapper_parsing_exception","reason":"target is ` + token + `"}}}]}`, Bulk, "record 0: 400 mapper_parsing_exception: target is [redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				w.Header().Set("Location", "http://"+r.Host+"/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			s, _ := newHTTP(t, server.URL, Options{Form: c.form, Authorization: secrets.New("Bearer " + token)})
			err := s.Write(context.Background(), sinktest.Numbered(0, 1))
			if !errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), c.want) || !strings.HasSuffix(err.Error(), sink.NotCheckpointed) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), token) || requests != 1 {
				t.Errorf("%d requests, %v", requests, err)
			}
		})
	}
}

func TestPatienceEnds(t *testing.T) {
	x := newIndex(t)
	x.fault = func(_ int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		w.WriteHeader(503)
		return true, false
	}
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk, Patience: time.Nanosecond})
	if err := s.Write(context.Background(), sinktest.Numbered(0, 1)); !errors.Is(err, sink.ErrUnavailable) || !strings.Contains(err.Error(), "503 Service Unavailable") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, _ = newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	if err := s.Write(ctx, sinktest.Numbered(0, 1)); !errors.Is(err, sink.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	dead := httptest.NewServer(nil)
	dead.Close()
	s, _ = newHTTP(t, dead.URL, Options{Patience: time.Nanosecond})
	if err := s.Write(context.Background(), sinktest.Numbered(0, 1)); !errors.Is(err, sink.ErrUnavailable) || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("nobody there: %v", err)
	}
}

// TestHowLongAServiceWantsToBeLeftAloneIsTold, where that is longer than the sink's patience.
func TestHowLongAServiceWantsToBeLeftAloneIsTold(t *testing.T) {
	x := newIndex(t)
	x.fault = func(_ int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		w.Header().Set("Retry-After", "180")
		w.WriteHeader(429)
		return true, false
	}
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	err := s.Write(context.Background(), sinktest.Numbered(0, 1))
	if !errors.Is(err, sink.ErrUnavailable) || sink.RetryAfter(err) != 3*time.Minute || !strings.Contains(err.Error(), "left alone for 3m0s") {
		t.Errorf("%v, %s", err, sink.RetryAfter(err))
	}
}

func TestAddressesThatAreNotTaken(t *testing.T) {
	for address, want := range map[string]string{
		"":                               "want an address",
		"ftp://example.com":              "want an address",
		"https://":                       "want an address",
		"https://user:word@example.com/": "user or password",
		"http://collector.example.com/x": "not sent to collector.example.com over http",
	} {
		_, err := New(address, Options{Authorization: secrets.New("Bearer x")})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "word@") {
			t.Errorf("%q: %v, want %q", address, err, want)
		}
	}
	if _, err := New("http://127.0.0.1:9200/_bulk", Options{Authorization: secrets.New("Bearer x")}); err != nil {
		t.Error(err)
	}
	const plain = "http://collector.example.com/x"
	if _, err := New(plain, Options{}); err == nil || !strings.Contains(err.Error(), "--out-plaintext") {
		t.Errorf("%s: %v", plain, err)
	}
	if _, err := New(plain, Options{Plaintext: true}); err != nil {
		t.Error(err)
	}
	if _, err := New(plain, Options{Plaintext: true, Authorization: secrets.New("Bearer x")}); err == nil {
		t.Error("an authorization in plain text")
	}
}

// TestAnAnswerIsOfEachRecord: "no errors" counts for the records that the answer lists, and for no others.
func TestAnAnswerIsOfEachRecord(t *testing.T) {
	x := newIndex(t)
	short := []string{`{"errors":false,"items":[]}`, `{"errors":false,"items":[{"index":{"_id":"0","status":201}}]}`}
	x.fault = func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		if n > len(short) {
			return false, false
		}
		_, _ = io.WriteString(w, short[n-1])
		return true, false
	}
	s, waits := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 2))
	wantDocs(t, x, 2)
	if len(*waits) != len(short) {
		t.Errorf("%d waits, want one for each answer that was short", len(*waits))
	}
}

// slow is a reader that takes its time.
type slow struct{ io.Reader }

func (s slow) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.Reader.Read(b[:min(len(b), 64<<10)])
}

// TestAnAnswerMayComeBeforeAllWasSent: a service that refuses or throttles a request answers before it has read it. What
// is still being sent of it then is of that request, and of none that follows: the race detector sees to that, and the
// service, which goes on reading.
func TestAnAnswerMayComeBeforeAllWasSent(t *testing.T) {
	for _, status := range []string{"413 Request Entity Too Large", "429 Too Many Requests"} {
		t.Run(status, func(t *testing.T) {
			page := sinktest.Lines{}
			for i := range 160 {
				page = append(page, fmt.Sprintf(`{"uuid":"%d","pad":"%s"}`, i, strings.Repeat(string(rune('a'+i%26)), 100_000)))
			}
			whole := sinktest.Text(page)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			requests, got := 0, map[string]bool{}
			var serving sync.WaitGroup
			serve := func(c net.Conn) {
				defer func() { _ = c.Close() }()
				in := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					mu.Lock()
					requests++
					early := requests < 6 && r.ContentLength > 1<<20
					mu.Unlock()
					if early { // with a body of its own, so that the client has the answer at once
						_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nno", status)
					}
					from := io.Reader(r.Body)
					if early { // so slowly that the client gives the connection up while it still sends
						from = slow{r.Body}
					}
					body, _ := io.ReadAll(from) // cut short where the client gave up
					if !strings.Contains(whole, string(body)) {
						t.Errorf("%d bytes that are no part of the page", len(body))
					}
					if early {
						return
					}
					mu.Lock()
					for line := range strings.Lines(string(body)) {
						got[line] = true
					}
					mu.Unlock()
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			}
			serving.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					_ = c.(*net.TCPConn).SetReadBuffer(64 << 10) // or the system takes all at once
					serving.Go(func() { serve(c) })
				}
			})
			s, _ := newHTTP(t, "http://"+l.Addr().String(), Options{BatchBytes: 16 << 20})
			sinktest.Write(t, s, page)
			_ = s.Close()
			_ = l.Close()
			serving.Wait()
			if len(got) != len(page) || requests < 3 {
				t.Errorf("%d of %d records, after %d requests", len(got), len(page), requests)
			}
		})
	}
}
