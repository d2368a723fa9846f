package egress

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// BenchmarkSend compares a GET through Send with a plain net/http GET of the same page from the same server, in turn.
// It reports the ratio of the medians and the difference in microseconds.
func BenchmarkSend(b *testing.B) {
	for name, size := range map[string]int{"small": 500, "page": 2 << 20} {
		b.Run(name, func(b *testing.B) {
			page := []byte(strings.Repeat("x", size))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rateLimited(w, 1<<30, 1<<29, 50)
				_, _ = w.Write(page)
			}))
			defer server.Close()
			base, err := ParseBaseURL(server.URL, nil)
			if err != nil {
				b.Fatal(err)
			}
			cl, err := New(Config{BaseURL: base, Service: service()})
			if err != nil {
				b.Fatal(err)
			}
			defer cl.Close()
			call := Call{Endpoint: endpoint("GET /api/v1/users/{id}"), Authorization: "SSWS secret",
				Request: abi.Request{Path: map[string]string{"id": "ada@example.com"}, Query: [][2]string{{"limit", "200"}}}}
			plain := http.Client{Transport: &http.Transport{DisableCompression: true}}
			var ours, theirs []time.Duration
			for b.Loop() {
				began := time.Now()
				resp, sendErr := cl.Send(context.Background(), call)
				if sendErr != nil || resp.Body.Len() != size {
					b.Fatal(sendErr)
				}
				resp.Body.Release()
				ours = append(ours, time.Since(began))

				began = time.Now()
				req, _ := http.NewRequestWithContext(context.Background(), "GET", server.URL+"/api/v1/users/ada@example.com?limit=200", nil)
				req.Header.Set("Authorization", "SSWS secret")
				got, err := plain.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				body, err := io.ReadAll(got.Body)
				_ = got.Body.Close()
				if err != nil || len(body) != size {
					b.Fatal(err)
				}
				theirs = append(theirs, time.Since(began))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			p50, peer := ours[len(ours)/2], theirs[len(theirs)/2]
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(p50)/float64(peer), "×net/http")
			b.ReportMetric(float64(p50-peer)/float64(time.Microsecond), "µs-over-net/http")
		})
	}
}
