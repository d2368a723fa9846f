package oktatest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// discard is a ResponseWriter that stores only the size.
type discard struct {
	header http.Header
	size   int64
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.size += int64(len(p)); return len(p), nil }

func request(org *oktatest.Org, method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("Authorization", "SSWS "+org.Token())
	return r
}

// BenchmarkPage serves pages of 1,000 seeded events of about 2 KB. Compare it with a copy of as many bytes.
func BenchmarkPage(b *testing.B) {
	org := oktatest.New(oktatest.Config{Events: 10_000_000, RateLimits: map[string]int{"*": -1}, RequestLog: -1})
	for name, target := range map[string]string{
		"polling": "/api/v1/logs?limit=1000&after=0_5000000",
		"bounded": "/api/v1/logs?limit=1000&sortOrder=DESCENDING",
	} {
		b.Run(name, func(b *testing.B) {
			w := &discard{header: http.Header{}}
			r := request(org, http.MethodGet, target)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				org.ServeHTTP(w, r)
			}
			b.SetBytes(w.size / int64(b.N))
		})
	}
	b.Run("copy", func(b *testing.B) {
		source, target := make([]byte, 2_000_000), make([]byte, 2_000_000)
		b.SetBytes(int64(len(source)))
		for b.Loop() {
			copy(target, source)
		}
	})
}

// BenchmarkNew creates an org of the default size, which is part of the start of --demo.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		oktatest.New(oktatest.Config{})
	}
}

// BenchmarkUsers lists 100,000 users in pages.
func BenchmarkUsers(b *testing.B) {
	org := oktatest.New(oktatest.Config{Users: 100_000, RateLimits: map[string]int{"*": -1}})
	for b.Loop() {
		for target := "/api/v1/users?limit=200"; target != ""; {
			w := httptest.NewRecorder()
			org.ServeHTTP(w, request(org, http.MethodGet, target))
			target = reply{w, ""}.next()
		}
	}
}
