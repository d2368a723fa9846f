//go:build long && cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package bench

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

const (
	sqlUsers  = 100_000
	pageUsers = 200
)

// userPages returns the pages of a directory in Okta's format. The server's work is the same for both peers.
func userPages() [][]byte {
	var pages [][]byte
	for i := 0; i < sqlUsers; i += pageUsers {
		var b strings.Builder
		for j := range pageUsers {
			n := i + j
			b.WriteByte("[,"[min(j, 1)])
			fmt.Fprintf(&b, `{"id":"00u%017d","status":"%s","created":"2023-%02d-02T03:04:05.000Z","activated":"2023-03-02T03:04:05.000Z",`+
				`"statusChanged":"2024-01-02T03:04:05.000Z","lastLogin":"2026-01-%02dT%02d:04:05.000Z","lastUpdated":"2026-01-02T03:04:05.000Z","passwordChanged":"2025-05-02T03:04:05.000Z",`+
				`"type":{"id":"oty0000000000000001"},"profile":{"firstName":"First%d","lastName":"Last%d","mobilePhone":null,"secondEmail":null,"login":"user%d@example.com",`+
				`"email":"user%d@example.com","displayName":"First%d Last%d","title":"Engineer","department":"Department %d","employeeNumber":"%d","city":"Lisbon","countryCode":"PT"},`+
				`"credentials":{"password":{},"emails":[{"value":"user%d@example.com","status":"VERIFIED","type":"PRIMARY"}],"provider":{"type":"OKTA","name":"OKTA"}},`+
				`"_links":{"self":{"href":"https://example.okta.com/api/v1/users/00u%017d"}}}`,
				n, []string{"ACTIVE", "LOCKED_OUT", "PROVISIONED"}[n%3], n%12+1, n%28+1, n%24, n, n, n, n, n, n, n%40, n, n, n)
		}
		b.WriteByte(']')
		pages = append(pages, []byte(b.String()))
	}
	return pages
}

func userServer() *httptest.Server {
	pages := userPages()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("after"))
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(pages[n])))
		if n+1 < len(pages) {
			h.Set("Link", fmt.Sprintf(`<http://%s/api/v1/users?after=%d&limit=%d>; rel="next"`, r.Host, n+1, pageUsers))
		}
		_, _ = w.Write(pages[n])
	}))
}

// BenchmarkSQL_ProcessAgainstInProcess reads 100,000 users with the SQL process, which gets each page over a pipe, and with
// DuckDB in this process. It reports the ratios of the medians, for a query over two columns and for one that keeps every
// column.
func BenchmarkSQL_ProcessAgainstInProcess(b *testing.B) {
	const rounds = 7
	server := userServer()
	defer server.Close()
	ctx := context.Background()
	c := connect(b, server.URL)
	var dbs [2]*sql.DB
	for i := range dbs {
		var err error
		if dbs[i], err = sql.Open(ctx, sql.Config{Connections: []*host.Connection{c}, UnsafeInProcess: i == 1}); err != nil {
			b.Fatal(err)
		}
		defer func() { _ = dbs[i].Close() }()
	}
	for b.Loop() {
		for _, q := range []struct{ name, query string }{
			{"two-columns", `SELECT status, count(*), max(last_login) FROM connector_table('okta', 'list_users', '{}') GROUP BY status ORDER BY status`},
			{"every-column", `CREATE OR REPLACE TABLE kept AS FROM connector_table('okta', 'list_users', '{}')`},
		} {
			var took [2][]time.Duration
			for round := range 2 * rounds {
				start := time.Now()
				if err := dbs[round%2].Run(ctx, q.query, func(*sql.Result) error { return nil }); err != nil {
					b.Fatal(err)
				}
				took[round%2] = append(took[round%2], time.Since(start))
			}
			b.ReportMetric(float64(median(took[0]))/float64(median(took[1])), "×in-process-"+q.name)
			b.ReportMetric(median(took[0]).Seconds()*1000, "ms-"+q.name)
		}
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkSQL reads 100,000 users with SQL, and through an export: list_users is written as NDJSON, which DuckDB's read_json_auto
// reads. It reports the ratios of the medians, for a query of two columns and for one of every column.
func BenchmarkSQL(b *testing.B) {
	const rounds = 5
	server := userServer()
	defer server.Close()
	ctx := context.Background()
	c := connect(b, server.URL)
	db, err := sql.Open(ctx, sql.Config{Connections: []*host.Connection{c}, AllowFiles: true})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	run := func(query string) (took time.Duration, answer string) {
		start := time.Now()
		err := db.Run(ctx, query, func(r *sql.Result) error {
			for row, err := range r.Rows() {
				if err != nil {
					return err
				}
				answer += fmt.Sprintln(row...)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(start), answer
	}
	file := filepath.Join(b.TempDir(), "users.ndjson")
	export := func() time.Duration {
		start := time.Now()
		rows, err := c.Table(ctx, "list_users", nil, host.TableOptions{})
		if err != nil {
			b.Fatal(err)
		}
		defer rows.Close()
		f, err := os.Create(file)
		if err != nil {
			b.Fatal(err)
		}
		out := bufio.NewWriterSize(f, 1<<20)
		for {
			page, err := rows.Next()
			if err != nil {
				b.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, record := range page {
				_, _ = out.Write(record)
				_ = out.WriteByte('\n') // an error stays with the writer
			}
		}
		if err := out.Flush(); err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
		return time.Since(start)
	}
	for b.Loop() {
		for _, q := range []struct{ name, ours, theirs string }{
			{"two-columns",
				`SELECT status, count(*), max(last_login) FROM connector_table('okta', 'list_users', '{}') GROUP BY status ORDER BY status`,
				`SELECT status, count(*), max(lastLogin)::TIMESTAMPTZ FROM read_json_auto('` + file + `') GROUP BY status ORDER BY status`},
			{"every-column",
				`CREATE OR REPLACE TABLE ours AS FROM connector_table('okta', 'list_users', '{}')`,
				`CREATE OR REPLACE TABLE theirs AS FROM read_json_auto('` + file + `')`},
		} {
			var ours, theirs []time.Duration
			for range rounds {
				took := export()
				read, want := run(q.theirs)
				theirs = append(theirs, took+read)
				took, got := run(q.ours)
				ours = append(ours, took)
				if got != want {
					b.Fatalf("got\n%swant\n%s", got, want)
				}
			}
			b.ReportMetric(float64(median(ours))/float64(median(theirs)), "×ndjson-"+q.name)
			b.ReportMetric(median(ours).Seconds()*1000, "ms-"+q.name)
		}
		b.ReportMetric(0, "ns/op")
	}
}
