//go:build long

package bench

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// BenchmarkDPoP compares a connection that signs in as a service app with DPoP with one that has a static token: draining the
// log, and looking up a user. The server issues real tokens and does not check proofs, so that only the host's work differs.
func BenchmarkDPoP(b *testing.B) {
	const pages, rounds, lookups = 50, 7, 200
	app, key := oktatest.NewServiceApp(oktatest.Scopes()...)
	org := oktatest.New(oktatest.Config{ServiceApps: []oktatest.ServiceApp{app}})
	prepared := handler(pages)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			org.ServeHTTP(w, r)
			return
		}
		prepared.ServeHTTP(w, r)
	}))
	defer server.Close()
	static := connect(b, server.URL)
	bound := hosttest.Connect(b, hosttest.Connector.Load(b), host.Config{Name: "bench", BaseURL: server.URL,
		OAuth: host.OAuth{ClientID: app.ClientID, PrivateKeyRef: "env:KEY", KeyID: app.Keys[0].KeyID}}, host.ConnectOptions{Secrets: hosttest.Secret(key)})
	out := outFile(b)
	timed := func(c *host.Connection) (ingest, lookup time.Duration) {
		_ = out.Truncate(0)
		_, _ = out.Seek(0, 0)
		start := time.Now()
		if n, _ := drain(b, c, out); n != pages*pageEvents {
			b.Fatalf("%d events", n)
		}
		ingest = time.Since(start)
		start = time.Now()
		for range lookups {
			if _, err := c.Invoke(b.Context(), "lookup_user", []byte(`{"user":"00u00000000000000001"}`)); err != nil {
				b.Fatal(err)
			}
		}
		return ingest, time.Since(start) / lookups
	}
	for b.Loop() {
		var ingest, lookup [2][]time.Duration
		for range rounds {
			for i, c := range []*host.Connection{static, bound} {
				a, l := timed(c)
				ingest[i], lookup[i] = append(ingest[i], a), append(lookup[i], l)
			}
		}
		for i := range ingest {
			ingest[i], lookup[i] = []time.Duration{median(ingest[i])}, []time.Duration{median(lookup[i])}
		}
		b.ReportMetric(float64(ingest[0][0])/float64(ingest[1][0]), "×token-ingest")
		b.ReportMetric(float64(lookup[0][0])/float64(lookup[1][0]), "×token-lookup")
		b.ReportMetric(float64((lookup[1][0] - lookup[0][0]).Microseconds()), "µs/proof")
		b.ReportMetric(0, "ns/op")
	}
}
