package httpsink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/filesink"
	"github.com/mach5/okta-connector/host/sink/sinktest"
)

func openRefused(t *testing.T, path string) *Refused {
	t.Helper()
	r, err := OpenRefused(path, filesink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// newRefusing is newHTTP with a file of refused records. It also returns the path of that file.
func newRefusing(t *testing.T, address string, o Options) (s *Sink, waits *[]time.Duration, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "refused.ndjson")
	o.Refused = openRefused(t, path)
	s, waits = newHTTP(t, address, o)
	return s, waits, path
}

// refusedLine is a line of a file of refused records.
type refusedLine struct {
	At      time.Time
	Service string
	Status  int
	Type    string
	Reason  string
	Key     string
	Record  json.RawMessage
}

func refusedLines(t *testing.T, path string) (all []refusedLine) {
	t.Helper()
	for line := range strings.Lines(sinktest.Content(t, path)) {
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		var l refusedLine
		if err := d.Decode(&l); err != nil || l.At.IsZero() {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

// odd refuses records with odd numbers.
func odd(_ int, id string) int {
	if (id[len(id)-1]-'0')%2 == 1 {
		return 400
	}
	return 0
}

// TestWrite_RefusedRecord_IsPutAside: the other records are accepted.
func TestWrite_RefusedRecord_IsPutAside(t *testing.T) {
	x := newIndex(t)
	x.status = odd
	path := filepath.Join(t.TempDir(), "refused.ndjson")
	r := openRefused(t, path)
	var calls [][]Refusal
	s, _ := newHTTP(t, x.URL+"/_bulk?pipeline=x", Options{Form: Bulk, BatchBytes: 2000, Refused: r, Refusing: func(all []Refusal) { calls = append(calls, slices.Clone(all)) }})
	page := append(sinktest.Numbered(0, 6), `{"uuid":"7","html":"<a href=\"x\">&amp;</a>","n":1.50}`)
	sinktest.Write(t, s, page)
	sinktest.Write(t, s, sinktest.Lines{`{"uuid":"8"}`})
	if got := len(x.docs); got != 4 {
		t.Errorf("%d documents, want the even ones", got)
	}
	all := refusedLines(t, path)
	if len(all) != 4 || len(calls) != 1 || len(calls[0]) != 4 || s.Refused() != 4 {
		t.Fatalf("%d lines, %d calls of Refusing, counted %d", len(all), len(calls), s.Refused())
	}
	for i, l := range all {
		n := []int{1, 3, 5, 6}[i]
		key := fmt.Sprint([]int{1, 3, 5, 7}[i])
		if string(l.Record) != page[n] || l.Key != key || l.Status != 400 || l.Type != "mapper_parsing_exception" || l.Reason != "because of "+key || l.Service != x.URL+"/_bulk" {
			t.Errorf("%+v, want %s", l, page[n])
		}
	}
	if text := calls[0][0].String(); text != "record 1: 400 mapper_parsing_exception: because of 1" {
		t.Error(text)
	}
}

// TestWrite_RecordTooLarge_IsPutAside: the other records of its batch are accepted.
func TestWrite_RecordTooLarge_IsPutAside(t *testing.T) {
	for _, form := range []Form{NDJSON, Bulk} {
		x := newIndex(t)
		x.fault = func(_ int, w http.ResponseWriter, r *http.Request) (bool, bool) {
			if r.ContentLength > 500 {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			return r.ContentLength > 500, false
		}
		path := filepath.Join(t.TempDir(), "refused.ndjson")
		big := `{"uuid":"big","pad":"` + strings.Repeat("x", 600) + `"}`
		s, _ := newHTTP(t, x.URL+"/in", Options{Form: form, Refused: openRefused(t, path)})
		sinktest.Write(t, s, slices.Concat(sinktest.Numbered(0, 20), sinktest.Lines{big}, sinktest.Numbered(20, 40)))
		all := refusedLines(t, path)
		if len(all) != 1 || string(all[0].Record) != big || all[0].Status != 413 || all[0].Reason != "the record is larger than the service accepts" {
			t.Errorf("%+v", all)
		}
		if form == Bulk {
			wantDocs(t, x, 40)
		}
	}
}

// TestWrite_ErrorNotOfOneRecord_PutsNothingAside: such an error ends the Write even with a file of refused records.
func TestWrite_ErrorNotOfOneRecord_PutsNothingAside(t *testing.T) {
	whole := func(status int) func(int, http.ResponseWriter, *http.Request) (bool, bool) {
		return func(_ int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
			w.WriteHeader(status)
			return true, false
		}
	}
	only := func(status int) func(int, string) int {
		return func(n int, id string) int {
			if odd(n, id) != 0 {
				return status
			}
			return 0
		}
	}
	because := func(kind, reason string) func(string) (string, string) {
		return func(string) (string, string) { return kind, reason }
	}
	for name, c := range map[string]struct {
		fault  func(int, http.ResponseWriter, *http.Request) (bool, bool)
		status func(int, string) int
		why    func(string) (string, string)
		page   sinktest.Lines
	}{
		"400 of the request": {fault: whole(400)}, "401": {fault: whole(401)}, "403": {fault: whole(403)}, "404": {fault: whole(404)},
		"a missing index":              {status: only(404), why: because("index_not_found_exception", "no such index [x]")},
		"a closed index":               {status: only(400), why: because("index_closed_exception", "closed")},
		"a data stream":                {status: only(400), why: because("illegal_argument_exception", "only write ops with an op_type of create are allowed in data streams")},
		"an alias":                     {status: only(400), why: because("illegal_argument_exception", "no write index is defined for alias [okta]. The write index may be explicitly disabled")},
		"a missing pipeline":           {status: only(400), why: because("illegal_argument_exception", "pipeline with id [okta] does not exist")},
		"a full cluster":               {status: only(400), why: because("validation_exception", "this action would add [2] shards, but this cluster currently has [1000]/[1000]")},
		"no @timestamp":                {status: func(int, string) int { return 400 }, why: because("document_parsing_exception", "[1:2] failed to parse: data stream timestamp field [@timestamp] is missing"), page: sinktest.Numbered(0, 1)},
		"every record of a small page": {status: func(int, string) int { return 400 }, page: sinktest.Numbered(0, 3)},
		"every record of a large page": {status: func(int, string) int { return 400 }, page: sinktest.Numbered(0, suspicious)},
	} {
		t.Run(name, func(t *testing.T) {
			x := newIndex(t)
			x.fault, x.status, x.why = c.fault, c.status, c.why
			s, _, path := newRefusing(t, x.URL+"/_bulk", Options{Form: Bulk})
			if c.page == nil {
				c.page = sinktest.Numbered(0, 10)
			}
			if err := s.Write(context.Background(), c.page); !errors.Is(err, sink.ErrRefused) || errors.Is(err, sink.ErrRecord) || !strings.HasSuffix(err.Error(), sink.NotCheckpointed) {
				t.Errorf("%v", err)
			}
			if got := sinktest.Content(t, path); got != "" {
				t.Errorf("%q was put aside", got)
			}
		})
	}
	for _, kind := range []string{"mapper_parsing_exception", "document_parsing_exception", "strict_dynamic_mapping_exception", "illegal_argument_exception"} {
		r := Refusal{Status: 400, Type: kind, Reason: "Limit of total fields [1000] has been exceeded"}
		if !r.concernsRecord() {
			t.Errorf("%+v does not concern the record", r)
		}
	}
}

// TestWrite_RefusedRecordWithoutFile_Fails checks that the error names the record.
func TestWrite_RefusedRecordWithoutFile_Fails(t *testing.T) {
	x := newIndex(t)
	x.status = odd
	s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk})
	if err := s.Write(context.Background(), sinktest.Numbered(0, 2)); !errors.Is(err, sink.ErrRecord) || !errors.Is(err, sink.ErrRefused) ||
		!strings.Contains(err.Error(), "sink refuses a record: "+x.URL+"/_bulk: record 1: 400 mapper_parsing_exception: because of 1; ") {
		t.Errorf("%v", err)
	}
	if s.Refused() != 0 {
		t.Errorf("%d put aside", s.Refused())
	}
}

// TestWrite_PageFails_PutsNothingAside: the page is written again until the service accepts it.
func TestWrite_PageFails_PutsNothingAside(t *testing.T) {
	x := newIndex(t)
	x.status = odd
	x.fault = func(n int, w http.ResponseWriter, _ *http.Request) (bool, bool) {
		away := n > 1 && n < 8
		if away {
			w.WriteHeader(503)
		}
		return away, false
	}
	s, _, path := newRefusing(t, x.URL+"/_bulk", Options{Form: Bulk, BatchBytes: 700, Patience: time.Nanosecond})
	for i := 0; ; i++ {
		err := s.Write(context.Background(), sinktest.Numbered(0, 20))
		if err == nil {
			break
		}
		if !errors.Is(err, sink.ErrUnavailable) || i > 10 {
			t.Fatal(err)
		}
		if got := sinktest.Content(t, path); got != "" {
			t.Errorf("%q was put aside", got)
		}
	}
	if n := len(refusedLines(t, path)); n != 10 {
		t.Errorf("%d lines, want 10", n)
	}
}

// TestRefused_CutByCrash_IsCompleted: a partial line is completed, and records in the file are not added twice.
func TestRefused_CutByCrash_IsCompleted(t *testing.T) {
	x := newIndex(t)
	x.status = odd
	path := filepath.Join(t.TempDir(), "refused.ndjson")
	run := func(page sinktest.Lines) (put int64) {
		t.Helper()
		r := openRefused(t, path)
		s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk, Refused: r})
		sinktest.Write(t, s, page)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		return r.Count()
	}
	run(sinktest.Numbered(0, 10))
	whole := sinktest.Content(t, path)
	for n := len(whole) - 1; n > len(whole)/2; n -= 7 {
		if err := os.WriteFile(path, []byte(whole[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		there := strings.Count(whole[:n], "\n")
		if whole[n] == '\n' {
			there++ // only its line break is missing
		}
		if put := run(sinktest.Numbered(0, 20)); int(put) != 10-there {
			t.Errorf("cut at %d: %d were put aside, the file had %d", n, put, there)
		}
		if all := refusedLines(t, path); len(all) != 10 {
			t.Errorf("cut at %d: %d lines", n, len(all))
		}
	}
}

// failingDisk opens one file whose writes fail.
type failingDisk struct {
	durable.Disk
	file *sinktest.FailingFile
}

func (d failingDisk) Append(path string, mode fs.FileMode) (durable.File, error) {
	f, err := d.Disk.Append(path, mode)
	d.file.File = f
	return d.file, err
}

// TestWrite_RefusedFileFails_Fails: otherwise the next checkpoint would lose the refused record.
func TestWrite_RefusedFileFails_Fails(t *testing.T) {
	x := newIndex(t)
	x.status = odd
	for name, d := range map[string]*sinktest.FailingFile{"no room": {}, "no sync": {Room: 1 << 20, NoSync: true}} {
		path := filepath.Join(t.TempDir(), "refused.ndjson")
		r, err := OpenRefused(path, filesink.Options{Disk: failingDisk{durable.OS, d}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		s, _ := newHTTP(t, x.URL+"/_bulk", Options{Form: Bulk, Refused: r})
		if err := s.Write(context.Background(), sinktest.Numbered(0, 10)); err == nil || !strings.Contains(err.Error(), path) || s.Refused() != 0 {
			t.Errorf("%s: %v, %d counted", name, err, s.Refused())
		}
	}
}

func TestOpenRefused_FileOfOtherRecords_Fails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.ndjson")
	before := []byte(sinktest.Text(sinktest.Numbered(0, 3)))
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRefused(path, filesink.Options{}); !errors.Is(err, filesink.ErrForeign) {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(path); !bytes.Equal(before, after) || err != nil {
		t.Errorf("%q, %v", after, err)
	}
}
