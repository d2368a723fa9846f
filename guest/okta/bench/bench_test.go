//go:build long

package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/okta/okta-sdk-golang/v6/okta"
	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

const (
	pageEvents = 1000
	token      = "00benchmark"
)

// event returns a System Log event of about 2 KB.
func event(i int) string {
	return fmt.Sprintf(`{"actor":{"id":"00u%017d","type":"User","alternateId":"user%d@example.com","displayName":"User %d","detailEntry":null},`+
		`"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36","os":"Linux","browser":"CHROME"},"zone":"null","device":"Computer","id":null,"ipAddress":"198.51.100.%d","geographicalContext":{"city":"Lisbon","state":"Lisboa","country":"Portugal","postalCode":"1000-001","geolocation":{"lat":38.7167,"lon":-9.1333}}},`+
		`"device":null,"authenticationContext":{"authenticationProvider":null,"credentialProvider":null,"credentialType":null,"issuer":null,"interface":null,"authenticationStep":0,"rootSessionId":"idx%d","externalSessionId":"idx%d"},`+
		`"displayMessage":"User login to Okta","eventType":"user.session.start","outcome":{"result":"SUCCESS","reason":null},"published":"2026-01-02T03:04:05.%03dZ",`+
		`"securityContext":{"asNumber":64500,"asOrg":"example","isp":"example","domain":"example.com","isProxy":false},"severity":"INFO",`+
		`"debugContext":{"debugData":{"requestId":"req%d","dtHash":"%s","requestUri":"/idp/idx/identify","url":"/idp/idx/identify?","threatSuspected":"false"}},"legacyEventType":"core.user_auth.login_success",`+
		`"transaction":{"type":"WEB","id":"tx%d","detail":{}},"uuid":"%08d-0000-4000-8000-000000000000","version":"0","request":{"ipChain":[{"ip":"198.51.100.%d","geographicalContext":null,"version":"V4","source":null}]},"target":[{"id":"0oa%d","type":"AppInstance","alternateId":"App","displayName":"App","detailEntry":null}]}`,
		i, i, i, i%256, i, i, i%1000, i, strings.Repeat("0123456789abcdef", 16), i, i, i%256, i)
}

var page = sync.OnceValue(func() []byte {
	var b strings.Builder
	for i := range pageEvents {
		b.WriteByte("[,"[min(i, 1)])
		b.WriteString(event(i))
	}
	b.WriteByte(']')
	return []byte(b.String())
})

const user = `{"id":"00u00000000000000001","status":"ACTIVE","created":"2026-01-02T03:04:05.000Z","activated":null,"statusChanged":null,"lastLogin":null,"lastUpdated":"2026-01-02T03:04:05.000Z","passwordChanged":null,"type":{"id":"oty1"},"profile":{"firstName":"Ada","lastName":"Lovelace","mobilePhone":null,"secondEmail":null,"login":"ada.lovelace@example.com","email":"ada.lovelace@example.com"},"credentials":{"password":{},"provider":{"type":"OKTA","name":"OKTA"}},"_links":{"self":{"href":"https://example.okta.com/api/v1/users/00u00000000000000001"}}}`

// handler serves a number of pages of events, and one user. Its work is the same for each measured client.
func handler(pages int) http.Handler { return serve(pages, func(int) []byte { return page() }) }

// distinct is handler with a different uuid in each event: repeats would be dropped.
func distinct(pages int) http.Handler { return serve(pages, nthPage) }

// nthPage returns the page with uuids that no other page has.
func nthPage(n int) []byte {
	const head = "-0000-4000-8000-"
	return bytes.ReplaceAll(page(), []byte(head+"000000000000"), fmt.Appendf(nil, "%s%012d", head, n))
}

func serve(pages int, nth func(n int) []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("X-Okta-Request-Id", "reqBenchmark")
		h.Set("X-Rate-Limit-Limit", "1000000")
		h.Set("X-Rate-Limit-Remaining", "999999")
		h.Set("X-Rate-Limit-Reset", strconv.FormatInt(time.Now().Unix()+60, 10))
		if strings.HasPrefix(r.URL.Path, "/api/v1/users/") {
			h.Set("Content-Length", strconv.Itoa(len(user)))
			_, _ = io.WriteString(w, user)
			return
		}
		n, _ := strconv.Atoi(r.URL.Query().Get("after"))
		h.Add("Link", `<http://`+r.Host+r.URL.RequestURI()+`>; rel="self"`)
		h.Add("Link", fmt.Sprintf(`<http://%s/api/v1/logs?after=%d&limit=%d>; rel="next"`, r.Host, n+1, pageEvents))
		body := []byte("[]")
		if n < pages {
			body = nth(n)
		}
		h.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})
}

func connect(tb testing.TB, url string) *host.Connection {
	tb.Helper()
	return hosttest.Connect(tb, hosttest.Connector.Load(tb), host.Config{Name: "bench", BaseURL: url}, host.ConnectOptions{Secrets: hosttest.Secret(token)})
}

// drain reads the log through the sandbox into w.
func drain(tb testing.TB, c *host.Connection, w io.Writer) (events int, bytes int64) {
	tb.Helper()
	for p, err := range c.SourcePages(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			tb.Fatal(err)
		}
		n, err := p.WriteTo(w)
		if err != nil {
			tb.Fatal(err)
		}
		events += p.Len()
		bytes += n
	}
	return events, bytes
}

// native is the minimal work of a Go program: GET, split with gjson, write.
func native(tb testing.TB, url string, w io.Writer) (events int) {
	tb.Helper()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	out := bufio.NewWriterSize(w, 1<<20)
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
		n := 0
		gjson.ParseBytes(body).ForEach(func(_, v gjson.Result) bool {
			_, _ = out.WriteString(v.Raw)
			_ = out.WriteByte('\n')
			n++
			return true
		})
		events += n
		if n < pageEvents {
			break
		}
		for _, l := range resp.Header.Values("Link") {
			if strings.HasSuffix(l, `rel="next"`) {
				next = l[1:strings.IndexByte(l, '>')]
			}
		}
	}
	if err := out.Flush(); err != nil {
		tb.Fatal(err)
	}
	return events
}

// sdk reads with Okta's own client, which decodes into types, and encodes the events again for the output.
func sdk(tb testing.TB, url string, w io.Writer) (events int) {
	tb.Helper()
	// The client drops the port of the org's URL, since real orgs have none: dial the server for every address.
	address := strings.TrimPrefix(url, "http://")
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	defer transport.CloseIdleConnections()
	config, err := okta.NewConfiguration(okta.WithOrgUrl(url), okta.WithToken(token), okta.WithTestingDisableHttpsCheck(true),
		okta.WithCache(false), okta.WithRateLimitPrevent(false), okta.WithHttpClientPtr(&http.Client{Transport: transport}))
	if err != nil {
		tb.Fatal(err)
	}
	client := okta.NewAPIClient(config)
	out := bufio.NewWriterSize(w, 1<<20)
	enc := json.NewEncoder(out)
	write := func(page []okta.LogEvent) {
		for i := range page {
			if err := enc.Encode(&page[i]); err != nil {
				tb.Fatal(err)
			}
		}
		events += len(page)
	}
	got, resp, err := client.SystemLogAPI.ListLogEvents(context.Background()).Limit(pageEvents).Execute()
	if err != nil {
		tb.Fatal(err)
	}
	write(got)
	for len(got) == pageEvents && resp.HasNextPage() {
		got = nil
		if resp, err = resp.Next(&got); err != nil {
			tb.Fatal(err)
		}
		write(got)
	}
	if err := out.Flush(); err != nil {
		tb.Fatal(err)
	}
	return events
}

// outFile returns a file for the output.
func outFile(b *testing.B) *os.File {
	f, err := os.Create(filepath.Join(b.TempDir(), "out.ndjson"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return f
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkIngest drains the same log alternately in three ways and reports the ratios of the medians.
func BenchmarkIngest(b *testing.B) {
	const pages, rounds, sdkPages = 100, 7, 10
	server := httptest.NewServer(handler(pages))
	defer server.Close()
	small := httptest.NewServer(handler(sdkPages))
	defer small.Close()
	c, cSmall := connect(b, server.URL), connect(b, small.URL)
	out := outFile(b)
	rewind := func() {
		_ = out.Truncate(0)
		_, _ = out.Seek(0, io.SeekStart)
	}
	for b.Loop() {
		var ours, nativeTime, oursSmall, sdkTime []time.Duration
		for range rounds {
			rewind()
			start := time.Now()
			if n := native(b, server.URL, out); n != pages*pageEvents {
				b.Fatalf("the native loop read %d events", n)
			}
			nativeTime = append(nativeTime, time.Since(start))
			rewind()
			start = time.Now()
			if n, _ := drain(b, c, out); n != pages*pageEvents {
				b.Fatalf("the sandbox read %d events", n)
			}
			ours = append(ours, time.Since(start))
		}
		for range 3 {
			rewind()
			start := time.Now()
			if n := sdk(b, small.URL, out); n != sdkPages*pageEvents {
				b.Fatalf("Okta's client read %d events", n)
			}
			sdkTime = append(sdkTime, time.Since(start))
			rewind()
			start = time.Now()
			drain(b, cSmall, out)
			oursSmall = append(oursSmall, time.Since(start))
		}
		a, n := median(ours), median(nativeTime)
		b.ReportMetric(float64(n)/float64(a), "×native")
		b.ReportMetric(float64(median(sdkTime))/float64(median(oursSmall)), "×okta-sdk")
		b.ReportMetric(float64(pages*len(page()))/a.Seconds()/1e6, "MB/s")
		b.ReportMetric(float64(a.Microseconds())/pages/1000, "ms/page")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkLookupUser compares the medians of a sandboxed lookup_user and a native GET of the same user, both over HTTPS. It uses
// the simulated org, and a server with a prepared answer, which shows the cost of the sandbox itself.
func BenchmarkLookupUser(b *testing.B) {
	org := oktatest.New(oktatest.Config{Token: token, RateLimits: map[string]int{"*": 1 << 30}})
	for _, peer := range []struct {
		name, id string
		handler  http.Handler
	}{
		{"simulated-org", org.UserIDs()[1], org},
		{"ready-answer", "00u00000000000000001", handler(0)},
	} {
		server := httptest.NewUnstartedServer(peer.handler)
		server.EnableHTTP2 = true
		server.StartTLS()
		b.Run(peer.name, func(b *testing.B) { lookup(b, server, peer.id) })
		server.Close()
	}
}

// BenchmarkLookups16 compares the lookups per second of 16 concurrent callers with those of a native client. Both use
// HTTPS and a server with a prepared answer.
func BenchmarkLookups16(b *testing.B) {
	const callers, calls, rounds = 16, 250, 7
	server := httptest.NewUnstartedServer(handler(0))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	transport := server.Client().Transport.(*http.Transport)
	c := hosttest.Connect(b, hosttest.Connector.Load(b), host.Config{Name: "bench", BaseURL: server.URL},
		host.ConnectOptions{Secrets: hosttest.Secret(token), RootCAs: transport.TLSClientConfig.RootCAs})
	input := json.RawMessage(`{"user":"00u00000000000000001"}`)
	invoke := func() error {
		_, err := c.Invoke(context.Background(), "lookup_user", input)
		return err
	}
	get := func() error {
		req, _ := http.NewRequest("GET", server.URL+"/api/v1/users/00u00000000000000001", nil)
		req.Header.Set("Authorization", "SSWS "+token)
		resp, err := server.Client().Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.ReadAll(resp.Body)
		return err
	}
	perSecond := func(call func() error) float64 {
		var wg sync.WaitGroup
		start := time.Now()
		for range callers {
			wg.Go(func() {
				for range calls {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return callers * calls / time.Since(start).Seconds()
	}
	for b.Loop() {
		var ours, theirs []float64
		perSecond(invoke) // creates the instances
		for range rounds {
			theirs = append(theirs, perSecond(get))
			ours = append(ours, perSecond(invoke))
		}
		slices.Sort(ours)
		slices.Sort(theirs)
		b.ReportMetric(ours[rounds/2], "lookups/s")
		b.ReportMetric(ours[rounds/2]/theirs[rounds/2], "×native")
		b.ReportMetric(0, "ns/op")
	}
}

func lookup(b *testing.B, server *httptest.Server, id string) {
	ctx := context.Background()
	opts := host.ConnectOptions{Secrets: hosttest.Secret(token)}
	transport := server.Client().Transport.(*http.Transport)
	if transport.TLSClientConfig != nil {
		opts.RootCAs = transport.TLSClientConfig.RootCAs
	}
	c := hosttest.Connect(b, hosttest.Connector.Load(b), host.Config{Name: "bench", BaseURL: server.URL}, opts)
	input := json.RawMessage(`{"user":"` + id + `"}`)
	client := server.Client()
	size := 0
	get := func() {
		req, _ := http.NewRequest("GET", server.URL+"/api/v1/users/"+id, nil)
		req.Header.Set("Authorization", "SSWS "+token)
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(err, resp.Status)
		}
		size = len(body)
	}
	invoke := func() {
		res, err := c.Invoke(ctx, "lookup_user", input)
		if err != nil || len(res.Output) != size {
			b.Fatal(err, string(res.Output))
		}
	}
	const rounds = 4000
	for b.Loop() {
		var ours, theirs []time.Duration
		for range rounds {
			start := time.Now()
			get()
			theirs = append(theirs, time.Since(start))
			start = time.Now()
			invoke()
			ours = append(ours, time.Since(start))
		}
		a, n := median(ours), median(theirs)
		b.ReportMetric(float64(a)/float64(n), "×native")
		b.ReportMetric(float64(a.Nanoseconds())/1000, "µs-p50")
		b.ReportMetric(float64(n.Nanoseconds())/1000, "µs-p50-native")
		b.ReportMetric(0, "ns/op")
	}
}
