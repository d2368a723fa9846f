package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/httpsink"
)

// TestKeepTrying_RefusedToken_ContinuesOnceRepaired: one of several sources has no token at first, then one that the depot
// refuses, then the right one.
func TestKeepTrying_RefusedToken_ContinuesOnceRepaired(t *testing.T) {
	m := invented.Connector.Module(t)
	path := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		o := new(invented.Depot).Fill(50)
		asked := 0
		var mu sync.Mutex
		dial, stop := ingesttest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked++
			mu.Unlock()
			o.ServeHTTP(w, r)
		}))
		defer stop()
		c, err := m.Connect(context.Background(), host.Config{Name: "depot", Kind: "depot", BaseURL: "http://127.0.0.1", TokenSecretRef: "file:" + path, AllowPrivateNetwork: true},
			host.ConnectOptions{Dial: dial, Secrets: secrets.Default{}, AwaitToken: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close(context.Background()) }()
		requests := func() int {
			mu.Lock()
			defer mu.Unlock()
			return asked
		}
		ctx, cancel := context.WithCancel(context.Background())
		got := &memory{}
		d := &ingest.Drain{Operation: poll, Sink: got, Persist: true, Follow: true, KeepTrying: true,
			Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Follow: true})}
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		if requests() != 0 || d.Stats().Err == nil {
			t.Errorf("%d requests without a token, %v", requests(), d.Stats().Err)
		}
		if err := os.WriteFile(path, []byte("00notTheToken_aaaaaaaa"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if n := requests(); n < 2 || n > 10 || d.Stats().Records != 0 {
			t.Errorf("%d requests with a refused token, %d records", n, d.Stats().Records)
		}
		if err := os.WriteFile(path, []byte(hosttest.Token), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if d.Stats().Records != 50 {
			t.Errorf("%d records with the right token, want 50", d.Stats().Records)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestPersist_TemporarilyForbidden_Continues: some refusals of the token or its role are temporary. One that lasts ends the
// run.
func TestPersist_TemporarilyForbidden_Continues(t *testing.T) {
	m := invented.Connector.Module(t)
	for _, c := range []struct {
		refusals int
		status   int
		kind     string
		records  int64
	}{
		{1, 403, "no_access", 50}, {3, 403, "no_access", 50}, {1 << 30, 403, "no_access", 0},
		{1, 401, "bad_key", 50}, {3, 401, "bad_key", 50}, {1 << 30, 401, "bad_key", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			o := new(invented.Depot).Fill(50)
			left := c.refusals
			dial, stop := ingesttest.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if left--; left >= 0 { // one request at a time
					w.WriteHeader(c.status)
					_, _ = fmt.Fprintf(w, `{"fault":{"kind":%q,"text":"refused"}}`, c.kind)
					return
				}
				o.ServeHTTP(w, r)
			}))
			defer stop()
			conn := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
			defer func() { _ = conn.Close(context.Background()) }()
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			d := &ingest.Drain{Operation: poll, Sink: &memory{}, Persist: true, Follow: true,
				Feed: ingest.Source(conn, host.SourceOptions{Operation: poll, Follow: true})}
			err := d.Run(ctx)
			if d.Stats().Records != c.records || (err != nil) != (c.records == 0) {
				t.Errorf("%d times %d: %d records, %v", c.refusals, c.status, d.Stats().Records, err)
			}
		})
	}
}

// TestPersist_SinkIsDead_EndsAfterPatience: a page that gets through begins the time anew.
func TestPersist_SinkIsDead_EndsAfterPatience(t *testing.T) {
	c := connectTo(t, invented.Connector.Load(t), new(invented.Depot).Fill(50), host.Config{})
	fails := 0
	got := &writing{func() error {
		if fails++; fails == 2 {
			return nil
		}
		return sink.ErrUnavailable
	}}
	d := &ingest.Drain{Operation: poll, Sink: got, Persist: true, Pause: time.Nanosecond, Patience: time.Nanosecond,
		Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Config: json.RawMessage(`{"page_size":10}`)})}
	err := d.Run(t.Context())
	if !errors.Is(err, sink.ErrUnavailable) || !strings.Contains(err.Error(), "nothing got through for ") || fails != 4 {
		t.Errorf("%d writes, %v", fails, err)
	}
}

// writing is a sink whose writes end as a function says.
type writing struct{ write func() error }

func (s *writing) Write(context.Context, sink.Page) error { return s.write() }
func (s *writing) Close() error                           { return nil }
func (s *writing) String() string                         { return "writing" }

// TestPersist_SinkRefusesTemporarily_Continues: a service may not know a new token yet, or may be moved. A refusal that lasts
// ends the run.
func TestPersist_SinkRefusesTemporarily_Continues(t *testing.T) {
	m := invented.Connector.Module(t)
	for _, c := range []struct{ status, refusals, taken int }{{401, 5, 50}, {403, 5, 50}, {404, 5, 50}, {407, 5, 50}, {404, 1 << 30, 0}, {400, 1, 0}} {
		o := new(invented.Depot).Fill(50)
		conn := connectTo(t, m, o, host.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		left, taken := c.refusals, 0
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if left--; left >= 0 { // one request at a time
				w.WriteHeader(c.status)
				return
			}
			b, _ := io.ReadAll(r.Body)
			if taken += bytes.Count(b, []byte("\n")); taken == c.taken {
				cancel()
			}
		}))
		s, err := httpsink.New(service.URL, httpsink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := &ingest.Drain{Operation: poll, Sink: s, Persist: true, Follow: true, Pause: time.Nanosecond,
			Feed: ingest.Source(conn, host.SourceOptions{Operation: poll, Follow: true})}
		err = d.Run(ctx)
		if taken != c.taken || (err != nil) != (c.taken == 0) {
			t.Errorf("%d, %d times: %d taken, %v", c.status, c.refusals, taken, err)
		}
		cancel()
		service.Close()
		_ = s.Close()
	}
}
