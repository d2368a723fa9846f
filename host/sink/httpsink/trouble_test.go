package httpsink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

// rows is a service that fails for a whole batch if one row is bad, as ClickHouse does.
type rows struct {
	*httptest.Server
	bad      map[string]bool
	status   int
	down     bool
	empty    string // the error text for an empty request; "" accepts it
	requests int
	got      []string
}

func newRows(t *testing.T, status int, bad ...string) *rows {
	r := &rows{bad: map[string]bool{}, status: status}
	for _, key := range bad {
		r.bad[key] = true
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.requests++
		body, _ := io.ReadAll(req.Body)
		if r.down { // for an empty request, too
			http.Error(w, "Code: 27. Cannot parse input", r.status)
			return
		}
		if len(body) == 0 && r.empty != "" {
			http.Error(w, r.empty, r.status)
			return
		}
		var all []string
		for line := range strings.Lines(string(body)) {
			key := gjson.Get(line, "uuid").String()
			if r.bad[key] {
				http.Error(w, "Code: 27. Cannot parse input", r.status)
				return
			}
			all = append(all, key)
		}
		r.got = append(r.got, all...)
	}))
	t.Cleanup(r.Close)
	return r
}

// TestWrite_500ForOneBadRecord_FindsIt: some services answer 500 to a whole batch because of one record. They get every
// other record once, and the bad ones are put aside. That takes few requests.
func TestWrite_500ForOneBadRecord_FindsIt(t *testing.T) {
	for _, bad := range [][]string{{"0"}, {"137"}, {"499"}, {"3", "4", "77", "498"}} {
		r := newRows(t, 500, bad...)
		s, _, path := newRefusing(t, r.URL, Options{})
		sinktest.Write(t, s, sinktest.Numbered(0, 500))
		var refused []string
		for _, l := range refusedLines(t, path) {
			refused = append(refused, l.Key)
			if l.Status != 500 || !strings.Contains(l.Reason, "Cannot parse input") {
				t.Errorf("%+v", l)
			}
		}
		slices.Sort(refused)
		if want := slices.Sorted(slices.Values(bad)); !slices.Equal(refused, want) || len(r.got) != 500-len(bad) {
			t.Errorf("put aside %q, want %q; %d taken", refused, want, len(r.got))
		}
		if most := 3 + len(bad)*22; r.requests > most {
			t.Errorf("%d bad: %d requests, want at most %d", len(bad), r.requests, most)
		}
		if slices.Sort(r.got); len(slices.Compact(slices.Clone(r.got))) != len(r.got) {
			t.Error("records were sent twice")
		}
	}
}

// TestWrite_BadRecordWithoutFile_FailsWithItsKey covers a service that answers 500 to the whole batch.
func TestWrite_BadRecordWithoutFile_FailsWithItsKey(t *testing.T) {
	r := newRows(t, 500, "137")
	s, _ := newHTTP(t, r.URL, Options{})
	if err := s.Write(t.Context(), sinktest.Numbered(0, 500)); !errors.Is(err, sink.ErrRecord) || !strings.Contains(err.Error(), "record 137: 500: 500 Internal Server Error: Code: 27") {
		t.Errorf("%v", err)
	}
}

// TestWrite_ServiceFailsForAll_IsRetried: no record is refused, and the service is not flooded.
func TestWrite_ServiceFailsForAll_IsRetried(t *testing.T) {
	for _, status := range []int{500, 503, 502, 504} {
		if testing.Short() && status > 500 && status != 503 {
			continue // these are handled as 503
		}
		r := newRows(t, status)
		r.down = true
		s, waits, path := newRefusing(t, r.URL, Options{})
		sleep := s.sleep
		n := 0
		s.sleep = func(ctx context.Context, d time.Duration) error {
			if n++; n == 40 {
				r.down = false
			}
			return sleep(ctx, d)
		}
		s.opts.Patience = time.Hour
		sinktest.Write(t, s, sinktest.Numbered(0, 500))
		if len(refusedLines(t, path)) > 0 || len(r.got) != 500 || r.requests > len(*waits)+5*30 {
			t.Errorf("%d: %d put aside, %d taken, %d requests in %d waits", status, len(refusedLines(t, path)), len(r.got), r.requests, len(*waits))
		}
	}
	// A gateway's failure is not caused by a record, even if other records are accepted.
	r := newRows(t, 503, "3")
	s, _ := newHTTP(t, r.URL, Options{Patience: time.Nanosecond, Refused: openRefused(t, filepath.Join(t.TempDir(), "r"))})
	for range 5 {
		if err := s.Write(t.Context(), sinktest.Numbered(0, 1)); err != nil {
			t.Fatal(err)
		}
	}
	s.opts.Patience = 30 * time.Second
	if err := s.Write(t.Context(), sinktest.Numbered(3, 4)); !errors.Is(err, sink.ErrUnavailable) || !strings.Contains(err.Error(), "(to record 3 alone)") {
		t.Errorf("%v", err)
	}
}

// TestWrite_500ForAllRecords_FindsThem: the service accepted nothing before.
func TestWrite_500ForAllRecords_FindsThem(t *testing.T) {
	keys := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint(i))
		}
		return all
	}
	for name, c := range map[string]struct {
		bad, page int
		empty     string
		aside     int
		fails     bool
	}{
		"two records":         {2, 2, "", 2, false},
		"a small page":        {20, 20, "", 20, false},
		"the first of a page": {20, 500, "", 20, false},
		"a service that refuses an empty request, too": {20, 20, "Code: 108. No data to insert", 20, false},
		"a large page": {500, 500, "", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRows(t, 500, keys(c.bad)...)
			r.empty = c.empty
			s, _, path := newRefusing(t, r.URL, Options{BatchBytes: 1100})
			err := s.Write(t.Context(), sinktest.Numbered(0, c.page))
			if c.fails != errors.Is(err, sink.ErrRefused) || errors.Is(err, sink.ErrRecord) {
				t.Errorf("%v", err)
			}
			if n := len(refusedLines(t, path)); n != c.aside || !c.fails && len(r.got) != c.page-c.bad {
				t.Errorf("%d put aside, %d taken: %v", n, len(r.got), err)
			}
			if err == nil && c.bad == c.page { // a second such page shows that the records are not the cause
				if err := s.Write(t.Context(), sinktest.Numbered(0, c.page)); !errors.Is(err, sink.ErrRefused) || errors.Is(err, sink.ErrRecord) {
					t.Errorf("the next page: %v", err)
				}
			}
			s, _ = newHTTP(t, r.URL, Options{})
			if err := s.Write(t.Context(), sinktest.Numbered(0, c.page)); !errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), "record 0: 500") {
				t.Errorf("without a file: %v", err)
			}
		})
	}
}

// TestWrite_ErrorTextsDiffer_IsRetried: a different request id in each error says nothing about the records.
func TestWrite_ErrorTextsDiffer_IsRetried(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 60 {
			http.Error(w, "internal error, request "+strings.Repeat("a", n), 500)
		}
	}))
	defer server.Close()
	s, _, path := newRefusing(t, server.URL, Options{Patience: time.Hour})
	sinktest.Write(t, s, sinktest.Numbered(0, 5))
	if lines := refusedLines(t, path); len(lines) > 0 {
		t.Errorf("put aside: %+v", lines)
	}
}

// TestWrite_ItemStatus_OverridesErrorsFlag: the status of an item counts, whatever the member errors says.
func TestWrite_ItemStatus_OverridesErrorsFlag(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := 201
		if n++; n == 1 {
			status = 429
		}
		var items []string
		for range bytes.Count(body, []byte("\n")) / 2 {
			items = append(items, fmt.Sprintf(`{"index":{"status":%d}}`, status))
			status = 201
		}
		_, _ = fmt.Fprintf(w, `{"errors":false,"items":[%s]}`, strings.Join(items, ","))
	}))
	defer server.Close()
	s, waits := newHTTP(t, server.URL, Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 10))
	if n != 2 || len(*waits) != 1 {
		t.Errorf("%d requests, %d waits: want the busy record sent again", n, len(*waits))
	}
}

// TestWrite_ItemWith500_IsRefused if the service accepts others. If it accepts none, or a gateway answers, the sink
// retries.
func TestWrite_ItemWith500_IsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		poison func(n int, id string) bool
		aside  int
		docs   int
		waits  bool
	}{
		"one of a page":     {500, func(_ int, id string) bool { return id == "7" }, 1, 19, false},
		"several of a page": {500, func(_ int, id string) bool { return odd(0, id) != 0 }, 10, 10, false},
		"a gateway's":       {503, func(_ int, id string) bool { return id == "7" }, 0, 19, true},
		"all of a page":     {500, func(int, string) bool { return true }, 0, 0, true},
		"all for a while":   {500, func(n int, _ string) bool { return n < 60 }, 0, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			x := newIndex(t)
			x.status = func(n int, id string) int {
				if c.poison(n, id) {
					return c.status
				}
				return 0
			}
			s, waits, path := newRefusing(t, x.URL+"/_bulk", Options{Form: Bulk, Patience: time.Hour})
			if c.waits {
				s.sleep = func(context.Context, time.Duration) error {
					if *waits = append(*waits, 0); len(*waits) > 40 {
						s.opts.Patience = 0
					}
					return nil
				}
			}
			err := s.Write(t.Context(), sinktest.Numbered(0, 20))
			if c.waits != errors.Is(err, sink.ErrUnavailable) || !c.waits && err != nil {
				t.Error(err)
			}
			if n := len(refusedLines(t, path)); n != c.aside || len(x.docs) != c.docs {
				t.Errorf("%d put aside, %d documents", n, len(x.docs))
			}
			if c.aside > 0 {
				s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
				if err := s.Write(t.Context(), sinktest.Numbered(0, 20)); !errors.Is(err, sink.ErrRecord) {
					t.Errorf("without a file: %v", err)
				}
			}
		})
	}
}

// TestWrite_BlockedIndex_IsRetried: a block with 403 is handled like one with 429.
func TestWrite_BlockedIndex_IsRetried(t *testing.T) {
	const reason = "index [okta] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block]"
	x := newIndex(t)
	x.status = func(n int, _ string) int {
		if n < 4 {
			return 403
		}
		return 0
	}
	x.why = func(string) (string, string) { return "cluster_block_exception", reason }
	s, waits := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 50))
	wantDocs(t, x, 50)
	if len(*waits) != 3 {
		t.Errorf("%d waits", len(*waits))
	}
	x = newIndex(t)
	x.fault = func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		if n < 4 {
			w.WriteHeader(403)
			_, _ = fmt.Fprintf(w, `{"error":{"type":"cluster_block_exception","reason":%q},"status":403}`, reason)
		}
		return n < 4, false
	}
	s, _ = newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 50))
	wantDocs(t, x, 50)
}

// TestWrite_After413_SendsSmallerBatches: the sink learns the size limit from the first page.
func TestWrite_After413_SendsSmallerBatches(t *testing.T) {
	x := newIndex(t)
	tooLarge, bytes := 0, int64(0)
	x.fault = func(_ int, w http.ResponseWriter, r *http.Request) (bool, bool) {
		bytes += r.ContentLength
		if r.ContentLength > 5000 {
			tooLarge++
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
		return r.ContentLength > 5000, false
	}
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	sinktest.Write(t, s, sinktest.Numbered(0, 200))
	first := tooLarge
	for i := range 10 {
		sinktest.Write(t, s, sinktest.Numbered(200*i, 200*i+200))
	}
	wantDocs(t, x, 2000)
	if first == 0 || tooLarge > first {
		t.Errorf("%d answers 413 to the first page, %d to ten more", first, tooLarge-first)
	}
}

// TestWrite_SameRefusalPageAfterPage_Fails: in a quiet org each page has one record. If all are refused in the same way,
// the records are not the cause.
func TestWrite_SameRefusalPageAfterPage_Fails(t *testing.T) {
	x := newIndex(t)
	x.status = func(int, string) int { return 400 }
	x.why = func(id string) (string, string) {
		return "strict_dynamic_mapping_exception", "[1:" + id + "] mapping set to strict, dynamic introduction of [actor] within [_doc] is not allowed"
	}
	s, _, path := newRefusing(t, x.URL+"/_bulk", Options{Form: Bulk})
	for i := range 2 {
		sinktest.Write(t, s, sinktest.Numbered(i, i+1))
	}
	for range 2 {
		err := s.Write(t.Context(), sinktest.Numbered(2, 3))
		if !errors.Is(err, sink.ErrRefused) || errors.Is(err, sink.ErrRecord) || !strings.Contains(err.Error(), "3 records in a row were refused for the same reason") {
			t.Errorf("%v", err)
		}
	}
	if n := len(refusedLines(t, path)); n != 2 {
		t.Errorf("%d put aside", n)
	}
	// An accepted record shows that the records are the cause.
	x.status = odd
	sinktest.Write(t, s, sinktest.Numbered(4, 5))
	for i := range 6 {
		sinktest.Write(t, s, sinktest.Numbered(i, i+2))
	}
}

// TestWrite_DataStream_AddsTimestamp from the record's time, if the record has no @timestamp.
func TestWrite_DataStream_AddsTimestamp(t *testing.T) {
	x := newIndex(t)
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: BulkCreate, TimeMember: "published", BatchBytes: 200})
	sinktest.Write(t, s, sinktest.Lines{
		`{"uuid":"1","published":"2026-01-02T03:04:05.678Z","n":1.50}`, `{"uuid":"2","@timestamp":"2025-01-01T00:00:00Z","published":"2026-01-02T03:04:05.678Z"}`,
		`{"uuid":"3"}`, `{"uuid":"4","published":null}`, `{"published":"2026-01-02T03:04:05.678Z","uuid":"5"}`,
	})
	for key, want := range map[string]string{
		"1": `{"@timestamp":"2026-01-02T03:04:05.678Z","uuid":"1","published":"2026-01-02T03:04:05.678Z","n":1.50}`,
		"2": `{"uuid":"2","@timestamp":"2025-01-01T00:00:00Z","published":"2026-01-02T03:04:05.678Z"}`,
		"3": `{"uuid":"3"}`, "4": `{"uuid":"4","published":null}`,
		"5": `{"@timestamp":"2026-01-02T03:04:05.678Z","published":"2026-01-02T03:04:05.678Z","uuid":"5"}`,
	} {
		if x.docs[key] != want {
			t.Errorf("%s, want %s", x.docs[key], want)
		}
	}
	if x.largest > 260 {
		t.Errorf("a request of %d bytes", x.largest)
	}
	x = newIndex(t)
	s, _ = newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk, TimeMember: "published"})
	sinktest.Write(t, s, sinktest.Lines{`{"uuid":"1","published":"2026-01-02T03:04:05.678Z"}`})
	if x.docs["1"] != `{"uuid":"1","published":"2026-01-02T03:04:05.678Z"}` {
		t.Errorf("an index: %s", x.docs["1"])
	}
}

func TestStatus_FailuresAndRetries_AreCounted(t *testing.T) {
	x := newIndex(t)
	x.fault = func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		if n < 4 {
			w.WriteHeader(503)
		}
		return n < 4, false
	}
	var seen []sink.Status
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	s.opts.Waiting = func(error, time.Duration) { seen = append(seen, s.Status()) }
	if got := s.Status(); !got.Up {
		t.Errorf("at the start: %+v", got)
	}
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	if len(seen) != 3 || seen[2].Up || seen[2].Failures != 3 || seen[2].Err == nil {
		t.Errorf("meanwhile: %+v", seen)
	}
	if got := s.Status(); !got.Up || got.Failures != 3 || got.Retries != 3 || got.Err != nil {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestInterruptions_ServiceEndsBetweenRequests_AreCounted: a service that only closes an idle connection is not counted.
func TestInterruptions_ServiceEndsBetweenRequests_AreCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := newHTTP(t, "http://"+l.Addr().String(), Options{Watch: true})
	open := func() (ours, theirs net.Conn) {
		t.Helper()
		ours, err := s.dial(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		theirs, err = l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return ours, theirs
	}
	ours, theirs := open()
	_ = theirs.Close()
	if _, err := ours.Read(make([]byte, 1)); err == nil {
		t.Error("something was read")
	}
	if _, err := l.Accept(); err != nil { // the sink probes whether the service is still there
		t.Fatal(err)
	}
	if n := s.Interruptions(); n != 0 {
		t.Errorf("%d interruptions after an idle connection was closed", n)
	}
	ours, theirs = open()
	other, otherTheirs := open()
	defer func() { _ = other.Close() }()
	_ = l.Close()
	_ = theirs.Close()
	_, _ = ours.Read(make([]byte, 1))
	if n := s.Interruptions(); n != 1 {
		t.Errorf("%d interruptions, want the one that Read found", n)
	}
	_ = otherTheirs.Close()
	if n := s.Interruptions(); n != 2 && runtime.GOOS != "windows" {
		t.Errorf("%d interruptions, want also the one that no Read found", n)
	}
}

// TestInterruptions_GatewayAnswers_AreCounted if the service is watched: it may have been restarted.
func TestInterruptions_GatewayAnswers_AreCounted(t *testing.T) {
	for status, want := range map[int]int64{500: 0, 429: 0, 502: 1, 503: 1, 504: 1, 522: 1} {
		for _, watch := range []bool{true, false} {
			n := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if n++; n == 2 {
					w.WriteHeader(status)
				}
			}))
			s, _ := newHTTP(t, server.URL, Options{Watch: watch})
			sinktest.Write(t, s, sinktest.Numbered(0, 5))
			sinktest.Write(t, s, sinktest.Numbered(5, 9))
			if got := s.Interruptions(); watch && got != want || !watch && got != 0 {
				t.Errorf("%d: %d interruptions, want %d if watched (watched: %t)", status, got, want, watch)
			}
			server.Close()
		}
	}
}

// TestWrite_500ForSingleRecord_FindsBadRecord: a single record is refused if the service accepts an earlier record
// again. If it accepted nothing yet, the record is refused after some equal answers. If the service fails for every
// request, no record is refused.
func TestWrite_500ForSingleRecord_FindsBadRecord(t *testing.T) {
	r := newRows(t, 500, "9", "19")
	s, _, path := newRefusing(t, r.URL, Options{})
	sinktest.Write(t, s, sinktest.Numbered(0, 9))
	sinktest.Write(t, s, sinktest.Numbered(9, 10))
	if lines := refusedLines(t, path); len(lines) != 1 || lines[0].Key != "9" {
		t.Fatalf("put aside: %+v", lines)
	}
	n := 0
	s.opts.Patience, s.sleep = time.Hour, func(context.Context, time.Duration) error {
		if n++; n == 40 {
			r.down = false
		}
		return nil
	}
	r.down = true
	sinktest.Write(t, s, sinktest.Numbered(10, 11))
	if lines := refusedLines(t, path); len(lines) != 1 || r.got[len(r.got)-1] != "10" {
		t.Errorf("put aside while the service failed for all: %+v", lines)
	}

	r = newRows(t, 500, "0")
	s, _, path = newRefusing(t, r.URL, Options{})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	if lines := refusedLines(t, path); len(lines) != 1 || lines[0].Key != "0" || r.requests > maxEqual+2 {
		t.Errorf("put aside: %+v, %d requests", lines, r.requests)
	}
	s, _ = newHTTP(t, r.URL, Options{})
	if err := s.Write(t.Context(), sinktest.Numbered(0, 1)); !errors.Is(err, sink.ErrRecord) || !strings.Contains(err.Error(), "record 0: 500") {
		t.Errorf("without a file: %v", err)
	}
	r = newRows(t, 503, "0")
	s, _ = newHTTP(t, r.URL, Options{Refused: openRefused(t, filepath.Join(t.TempDir(), "r")), Patience: 30 * time.Second})
	s.sleep = func(context.Context, time.Duration) error { s.opts.Patience -= time.Second; return nil }
	if err := s.Write(t.Context(), sinktest.Numbered(0, 1)); !errors.Is(err, sink.ErrUnavailable) {
		t.Errorf("a gateway's failure: %v", err)
	}
}

// TestWrite_PartialAuthorizationFile_RetriesOrUsesOld: a file that is being written is empty or lacks its last bytes.
func TestWrite_PartialAuthorizationFile_RetriesOrUsesOld(t *testing.T) {
	for name, c := range map[string]struct {
		half   string   // content of the file when it changes; "" cannot be read
		valid  []string // tokens that the service accepts meanwhile
		whole  int      // number of the wait after which the file is complete; 0 means never
		taken  bool
		tokens string // tokens that were sent
	}{
		"empty, the old one is valid":            {"", []string{"Bearer old"}, 0, true, "Bearer old"},
		"half, the old one is valid":             {"Bearer ne", []string{"Bearer old"}, 0, true, "Bearer ne, Bearer old"},
		"empty, and whole after a moment":        {"", []string{"Bearer new"}, 1, true, "Bearer old, Bearer new"},
		"half, and whole after a moment":         {"Bearer ne", []string{"Bearer new"}, 1, true, "Bearer ne, Bearer old, Bearer new"},
		"half, and whole after a second moment":  {"Bearer ne", []string{"Bearer new"}, 2, true, "Bearer ne, Bearer old, Bearer new"},
		"half for good, and the old one revoked": {"Bearer ne", []string{"Bearer new"}, 0, false, "Bearer ne, Bearer old"},
	} {
		t.Run(name, func(t *testing.T) {
			valid, sent := []string{"Bearer old"}, []string(nil)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sent = append(sent, r.Header.Get("Authorization"))
				if !slices.Contains(valid, r.Header.Get("Authorization")) {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			defer server.Close()
			file := "Bearer old"
			s, _ := newHTTP(t, server.URL, Options{Authorization: secrets.New(file), Authorizer: Authorizer{
				Read: func(context.Context) (secrets.Value, error) {
					if file == "" {
						return secrets.Value{}, errors.New("empty")
					}
					return secrets.New(file), nil
				},
				Stamp: func() string { return "stamp of " + file },
			}})
			waits := 0
			s.sleep = func(context.Context, time.Duration) error {
				if waits++; waits == c.whole {
					file = "Bearer new"
				}
				return nil
			}
			sinktest.Write(t, s, sinktest.Numbered(0, 1))
			sent, file, valid = nil, c.half, c.valid
			if err := s.Write(t.Context(), sinktest.Numbered(1, 2)); (err == nil) != c.taken || err != nil && !sink.Doubtful(err) {
				t.Errorf("%v", err)
			}
			if got := strings.Join(sent, ", "); got != c.tokens {
				t.Errorf("sent %s, want %s", got, c.tokens)
			}
			file, valid, sent = "Bearer new", []string{"Bearer new"}, nil
			if sinktest.Write(t, s, sinktest.Numbered(2, 3)); strings.Join(sent, ", ") != "Bearer new" {
				t.Errorf("afterwards: %s", sent)
			}
		})
	}
}

// TestWrite_AuthorizationChanges_ReadsIt when its stamp changes, after a 401 or 403, and on demand. A refusal that lasts
// is a DoubtfulError.
func TestWrite_AuthorizationChanges_ReadsIt(t *testing.T) {
	valid := "Bearer one"
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; r.Header.Get("Authorization") != valid {
			http.Error(w, "unknown token: "+r.Header.Get("Authorization"), http.StatusForbidden)
		}
	}))
	defer server.Close()
	file, stamp := "Bearer one", "1"
	var unreadable error
	s, _ := newHTTP(t, server.URL, Options{Authorization: secrets.New(file), Authorizer: Authorizer{
		Read:  func(context.Context) (secrets.Value, error) { return secrets.New(file), unreadable },
		Stamp: func() string { return stamp },
	}})
	sinktest.Write(t, s, sinktest.Numbered(0, 1))
	file, valid = "Bearer two", "Bearer two" // the stamp is the same
	sinktest.Write(t, s, sinktest.Numbered(1, 2))
	if requests != 3 {
		t.Errorf("%d requests in all, want one refused and one with the new value", requests)
	}
	file, valid, stamp = "Bearer three", "Bearer three", "3"
	sinktest.Write(t, s, sinktest.Numbered(2, 3))
	if requests != 4 {
		t.Errorf("%d requests in all, want none refused", requests)
	}
	unreadable, stamp = errors.New("partly written"), "4"
	sinktest.Write(t, s, sinktest.Numbered(3, 4))
	unreadable, valid = nil, "Bearer four"
	err := s.Write(t.Context(), sinktest.Numbered(4, 5))
	if !sink.Doubtful(err) || !errors.Is(err, sink.ErrRefused) || strings.Contains(err.Error(), "three") {
		t.Errorf("%v", err)
	}
	file = "Bearer four"
	if reloadable, changed, err := s.ReloadAuthorization(t.Context()); !reloadable || !changed || err != nil {
		t.Errorf("%t, %t, %v", reloadable, changed, err)
	}
	requests = 0
	if sinktest.Write(t, s, sinktest.Numbered(4, 5)); requests != 1 {
		t.Errorf("%d requests after it was read again", requests)
	}
	// A value that is read during a request is not replaced by the value of that request.
	a := newAuthorization(secrets.New("Bearer old"), Authorizer{Read: func(context.Context) (secrets.Value, error) { return secrets.New("Bearer new"), nil }})
	sent := a.get(t.Context())
	if _, err := a.credential.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.accept(sent, false); a.get(t.Context()).Reveal() != "Bearer new" {
		t.Error("the reloaded authorization is lost")
	}
}
