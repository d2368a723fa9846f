//go:build long

package bench

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/filesink"
)

// lines is a page of the native loop.
type lines []gjson.Result

func (p lines) Len() int { return len(p) }

func (p lines) Records() iter.Seq[host.Record] {
	return func(yield func(host.Record) bool) {
		for _, r := range p {
			if !yield(host.Record{JSON: []byte(r.Raw)}) {
				return
			}
		}
	}
}

func (p lines) WriteTo(w io.Writer) (total int64, err error) {
	for _, r := range p {
		n, err := io.WriteString(w, r.Raw)
		if err == nil {
			_, err = w.Write([]byte{'\n'})
		}
		total += int64(n) + 1
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// nativeInto is the native loop with the same sink: each page becomes durable before the next request. It saves no checkpoint.
func nativeInto(tb testing.TB, url string, s sink.Sink) (events int) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	next := url + "/api/v1/logs?limit=1000"
	for {
		req, _ := http.NewRequest("GET", next, nil)
		req.Header.Set("Authorization", "SSWS "+token)
		resp, err := client.Do(req)
		if err != nil {
			tb.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			tb.Fatal(err)
		}
		var page lines
		gjson.ParseBytes(body).ForEach(func(_, v gjson.Result) bool {
			page = append(page, v)
			return true
		})
		if err := s.Write(context.Background(), page); err != nil {
			tb.Fatal(err)
		}
		if events += len(page); len(page) < pageEvents {
			return events
		}
		for _, l := range resp.Header.Values("Link") {
			if strings.HasSuffix(l, `rel="next"`) {
				next = l[1:strings.IndexByte(l, '>')]
			}
		}
	}
}

// BenchmarkDurableIngest drains the same log into the same file sink in two ways. The native loop saves no checkpoint;
// the sandbox saves checkpoints and drops repeats by key.
func BenchmarkDurableIngest(b *testing.B) {
	const pages, rounds = 100, 7
	for _, kind := range []struct{ name, file string }{{"plain", "out.ndjson"}, {"zstd", "out.ndjson.zst"}} {
		b.Run(kind.name, func(b *testing.B) {
			server := httptest.NewServer(prepared(pages))
			defer server.Close()
			c := connect(b, server.URL)
			open := func() *filesink.File {
				path := filepath.Join(b.TempDir(), kind.file)
				s, err := filesink.Open(path, filesink.Options{})
				if err != nil {
					b.Fatal(err)
				}
				return s
			}
			for b.Loop() {
				var ours, theirs []time.Duration
				for range rounds {
					s := open()
					start := time.Now()
					if n := nativeInto(b, server.URL, s); n != pages*pageEvents {
						b.Fatalf("the native loop read %d events", n)
					}
					theirs = append(theirs, time.Since(start))
					_, _ = s.Close(), os.Remove(s.String())

					s = open()
					path := filepath.Join(b.TempDir(), "cp.json")
					cp, err := checkpoint.Open(path, checkpoint.Identity{Kind: "okta", Connection: "bench", Operation: "poll_system_log_page"})
					if err != nil {
						b.Fatal(err)
					}
					d := &ingest.Drain{Operation: "poll_system_log_page", Key: "uuid", Sink: s, Checkpoint: cp, Recent: ingest.OpenRecent(path+".keys", nil),
						Feed: ingest.Source(c, host.SourceOptions{Operation: "poll_system_log_page"})}
					start = time.Now()
					if err := d.Run(context.Background()); err != nil || d.Stats().Records != pages*pageEvents {
						b.Fatalf("the sandbox read %d events, %v", d.Stats().Records, err)
					}
					ours = append(ours, time.Since(start))
					_, _, _, _ = d.Recent.Close(), cp.Close(), s.Close(), os.Remove(s.String())
				}
				a, n := median(ours), median(theirs)
				b.ReportMetric(float64(n)/float64(a), "×native")
				b.ReportMetric(float64(a.Microseconds())/pages/1000, "ms/page")
				b.ReportMetric(float64(n.Microseconds())/pages/1000, "ms/page-native")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// prepared is distinct with pages that are made before the measurement.
func prepared(pages int) http.Handler {
	bodies := make([][]byte, pages)
	for i := range bodies {
		bodies[i] = nthPage(i)
	}
	return serve(pages, func(n int) []byte { return bodies[n] })
}
