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

// index is a service that stores batches by _id, as OpenSearch's _bulk does.
type index struct {
	*httptest.Server
	mu       sync.Mutex
	docs     map[string]string
	requests int
	largest  int
	// fault may answer in place of the service. If the request took effect, the service does its work first.
	fault func(n int, w http.ResponseWriter, r *http.Request) (answered, tookEffect bool)
	// status returns the status of one record; 0 accepts it
	status func(n int, id string) int
	// why returns the type and reason of a refusal; nil means a document that does not parse
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

// newHTTP returns a sink whose waits take no time, and a list of these waits.
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

func TestWrite_Bulk_IndexesByKey(t *testing.T) {
	for _, form := range []Form{Bulk, BulkCreate} {
		x := newIndex(t)
		s, _ := newHTTP(t, x.URL+"/okta/_bulk", Options{Form: form, BatchBytes: 4000})
		for range 2 { // the second time they are repeats
			sinktest.Write(t, s, sinktest.Numbered(0, 500))
		}
		wantDocs(t, x, 500)
		if x.largest > 4000 || x.requests < 2*10 {
			t.Errorf("%d requests, the largest of %d bytes", x.requests, x.largest)
		}
	}
}

func TestWrite_NDJSON_SendsRecordsUnchanged(t *testing.T) {
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

// TestWrite_TemporaryErrors_AreRetried: whatever happens to a request, in the end every record is stored once.
func TestWrite_TemporaryErrors_AreRetried(t *testing.T) {
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
			calls := 0
			s, waits := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk, BatchBytes: 2000, Waiting: func(error, time.Duration) { calls++ }})
			sinktest.Write(t, s, sinktest.Numbered(0, 100))
			wantDocs(t, x, 100)
			if calls == 0 || calls != len(*waits) {
				t.Errorf("%d waits, %d calls of Waiting", len(*waits), calls)
			}
			if strings.Contains("429 503", name) && slices.Min(*waits) < 7*time.Second {
				t.Errorf("Retry-After was not respected: %s", *waits)
			}
		})
	}
}

func TestWrite_ItemsWith429_AreSentAgain(t *testing.T) {
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

func TestWrite_BatchTooLarge_IsHalved(t *testing.T) {
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
	if !errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), "larger than the service accepts") {
		t.Errorf("%v", err)
	}
}

func TestWrite_Refused_ErrorSaysWhy(t *testing.T) {
	const token = "sEcReT-token"
	for name, c := range map[string]struct {
		status int
		body   string
		form   Form
		want   string
	}{
		"a bad request":       {400, "no\nsuch index", Bulk, "400 Bad Request: no such index"},
		"a bad authorization": {401, "you said Bearer " + token, Bulk, "401 Unauthorized: you said [redacted]: check the authorization"},
		"no permission":       {403, "", NDJSON, "403 Forbidden: check the authorization"},
		"a redirect":          {302, "", NDJSON, "redirects are not followed"},
		"a foreign address":   {200, "<html>welcome</html>", Bulk, "check that the address is a _bulk endpoint"},
		"a sign-in page":      {200, "<!DOCTYPE html><title>Please sign in</title>", NDJSON, "200 OK with a web page"},
		"an error with 200":   {200, `{"success":false,"message":"over quota"}`, NDJSON, "says that not all records were accepted"},
		"an error with 201":   {200, `{"errors":false,"items":[{"index":{"status":201,"error":{"type":"x"}}}]}`, Bulk, "in an item with a success status"},
		"a record":            {200, `{"errors":true,"items":[{"index":{"_id":"0","status":400,"error":{"type":"mapper_parsing_exception","reason":"target is ` + token + `"}}}]}`, Bulk, "record 0: 400 mapper_parsing_exception: target is [redacted]"},
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

func TestWrite_PatienceOver_ReturnsUnavailable(t *testing.T) {
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
		t.Errorf("a closed server: %v", err)
	}
}

// TestWrite_RetryAfterBeyondPatience_IsInError: a caller with more patience can wait that long.
func TestWrite_RetryAfterBeyondPatience_IsInError(t *testing.T) {
	x := newIndex(t)
	x.fault = func(_ int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		w.Header().Set("Retry-After", "180")
		w.WriteHeader(429)
		return true, false
	}
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	err := s.Write(context.Background(), sinktest.Numbered(0, 1))
	if !errors.Is(err, sink.ErrUnavailable) || sink.RetryAfter(err) != 3*time.Minute || !strings.Contains(err.Error(), "the service asks to wait 3m0s") {
		t.Errorf("%v, %s", err, sink.RetryAfter(err))
	}
}

func TestNew_BadAddress_Fails(t *testing.T) {
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

// TestWrite_AnswerWithTooFewItems_IsRetried: "errors": false counts only for the records that the answer lists.
// TestWrite_LocalhostOfAnotherMachine_IsNotDialled resolves localhost as a hosts file or a rebinding resolver might.
func TestWrite_LocalhostOfAnotherMachine_IsNotDialled(t *testing.T) {
	x := newIndex(t)
	address := strings.Replace(x.URL, "127.0.0.1", "localhost", 1)
	for found, dialled := range map[string]bool{"127.0.0.1": true, "::ffff:127.0.0.1": true, "0.0.0.0": false, "::": false, "192.0.2.1": false} {
		for _, o := range []Options{{}, {Authorization: secrets.New("ApiKey k")}, {Authorization: secrets.New("ApiKey k"), Plaintext: true}} {
			o.Patience = time.Nanosecond
			o.Lookup = func(context.Context, string) ([]net.IPAddr, error) {
				return []net.IPAddr{{IP: net.ParseIP(found)}}, nil
			}
			s, waits := newHTTP(t, address+"/_bulk", o)
			err := s.Write(t.Context(), sinktest.Numbered(0, 1))
			switch {
			case dialled && err != nil:
				t.Errorf("%s: %v", found, err)
			case !dialled && (!errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), "use https") || len(*waits) > 0):
				t.Errorf("%s: %v after %d waits", found, err, len(*waits))
			}
		}
	}
}

func TestWrite_AnswerWithTooFewItems_IsRetried(t *testing.T) {
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
		t.Errorf("%d waits, want one for each incomplete answer", len(*waits))
	}
}

// slow is a reader that waits before each Read.
type slow struct{ io.Reader }

func (s slow) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return s.Reader.Read(b[:min(len(b), 64<<10)])
}

// TestWrite_EarlyAnswer_MixesNoBodies: a service that refuses or throttles a request may answer before it has read it.
// The bytes that are still being sent must belong to that request, not to the next. The race detector checks that, and
// so does the service, which continues to read.
func TestWrite_EarlyAnswer_MixesNoBodies(t *testing.T) {
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
					if early { // with a body, so that the client has the answer at once
						_, _ = fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nno", status)
					}
					from := io.Reader(r.Body)
					if early { // so slowly that the client closes the connection while it still sends
						from = slow{r.Body}
					}
					body, _ := io.ReadAll(from) // incomplete if the client closed the connection
					if !strings.Contains(whole, string(body)) {
						t.Errorf("%d bytes that are not part of the page", len(body))
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
					_ = c.(*net.TCPConn).SetReadBuffer(64 << 10) // otherwise the system buffers everything at once
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

// TestWrite_ServiceThatNeverAnswers_EndsAfterTheGrace: the end of the context must not wait for the whole timeout of a request.
func TestWrite_ServiceThatNeverAnswers_EndsAfterTheGrace(t *testing.T) {
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer server.Close()
	defer close(release)
	s, err := New(server.URL, Options{Form: NDJSON, Timeout: time.Hour, Grace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-arrived
		cancel()
	}()
	err = s.Write(ctx, sinktest.Numbered(0, 1))
	if !errors.Is(err, sink.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
