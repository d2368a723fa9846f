package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/checkpoint"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/ingest/ingesttest"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/httpsink"
)

// TestRun_SlowSink_SlowsSource: at most one page is read ahead.
func TestRun_SlowSink_SlowsSource(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		o := new(invented.Depot).Fill(20_000)
		dial, stop := ingesttest.Serve(o)
		defer stop()
		c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		got := &memory{}
		got.Fail = func(page int) error {
			time.Sleep(time.Hour)
			if ahead := o.Count("GET /v2/movements") - page; ahead > 1 {
				t.Errorf("%d pages were read ahead", ahead)
			}
			return nil
		}
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{}, ""); err != nil {
			t.Fatal(err)
		}
		got.WantAll(t, o.Movements(), key, 1)
	})
}

// TestRun_SinkRefuses_FailsWithoutLoss also checks that the next run writes the rest.
func TestRun_SinkRefuses_FailsWithoutLoss(t *testing.T) {
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(500)
	c := connectTo(t, m, o, host.Config{})
	var refuses atomic.Bool
	var mu sync.Mutex
	taken, refused := &memory{}, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if len(taken.Lines) >= 200 && refuses.Load() {
			refused++
			http.Error(w, "the index is read-only", http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(r.Body)
		_ = taken.Write(r.Context(), body(b))
	}))
	defer server.Close()
	s, err := httpsink.New(server.URL, httpsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cp.json")
	refuses.Store(true)
	d, err := run(context.Background(), t, c, s, host.SourceOptions{Config: ingesttest.PageSize(100), Follow: true}, path,
		func(d *ingest.Drain) { d.Pause = time.Millisecond }) // the default is a second, and two minutes in all
	if !errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), "403 Forbidden: the index is read-only") {
		t.Errorf("%v", err)
	}
	if st := d.Stats(); st.State != ingest.Failed || st.Err == nil || st.Records != 200 || refused != 8 {
		t.Errorf("%d refusals, want the first and 7 more: %+v", refused, st)
	}
	refuses.Store(false)
	if _, err := run(context.Background(), t, c, s, host.SourceOptions{Config: ingesttest.PageSize(100)}, path); err != nil {
		t.Fatal(err)
	}
	taken.WantAll(t, o.Movements(), key, 1)
}

// body is a page of NDJSON.
type body []byte

func (b body) Len() int                       { return strings.Count(string(b), "\n") }
func (b body) Records() iter.Seq[host.Record] { return func(func(host.Record) bool) {} }
func (b body) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// TestRun_TemporaryFailures_AreRetried has an unavailable sink and then a failing depot, with Follow.
func TestRun_TemporaryFailures_AreRetried(t *testing.T) {
	m := invented.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		o := new(invented.Depot).Fill(2000)
		o.Inject(invented.Fault{Kind: invented.Closed, Skip: 3, Times: 20}) // more than one call retries
		dial, stop := ingesttest.Serve(o)
		defer stop()
		c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		ctx, cancel := context.WithCancel(context.Background())
		got := &memory{}
		got.Fail = func(page int) error {
			if page >= 8 && page < 12 {
				return sink.ErrUnavailable
			}
			if len(got.Lines) >= 1900 {
				cancel()
			}
			return nil
		}
		d, err := run(ctx, t, c, got, host.SourceOptions{Config: ingesttest.PageSize(100), Follow: true}, "")
		if err != nil {
			t.Fatal(err)
		}
		got.WantAll(t, o.Movements(), key, 1)
		if s := d.Stats(); s.Failures < 5 || s.State != ingest.Ended {
			t.Errorf("%+v", s)
		}
	})
}

// TestRun_CheckpointNotSaved_Fails: the folder of the checkpoint is deleted during the run, missing or not writable.
func TestRun_CheckpointNotSaved_Fails(t *testing.T) {
	m := invented.Connector.Module(t)
	o := new(invented.Depot).Fill(500)
	c := connectTo(t, m, o, host.Config{})
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "cp.json")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	got := &memory{Fail: func(page int) error {
		if page == 3 {
			return os.RemoveAll(dir)
		}
		return nil
	}}
	_, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(100), Follow: true}, path)
	if !errors.Is(err, checkpoint.ErrSave) || !strings.Contains(err.Error(), "free some space or name another file; records since the last checkpoint will be written again") {
		t.Errorf("%v", err)
	}
	if len(got.Lines) != 300 {
		t.Errorf("%d events were written, want none after the page whose checkpoint could not be saved", len(got.Lines))
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{"a file as folder": filepath.Join(file, "cp.json"), "no folder": filepath.Join(dir, "cp.json")} {
		if _, err := checkpoint.Open(path, checkpoint.Identity{}); !errors.Is(err, checkpoint.ErrPlace) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if os.Geteuid() == 0 {
		return // root may write anywhere; the script readonly.txtar tests a read-only disk
	}
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.Open(path, checkpoint.Identity{}); !errors.Is(err, checkpoint.ErrPlace) || !strings.Contains(err.Error(), "can be written to") {
		t.Errorf("a read-only folder: %v", err)
	}
}

// TestRun_LocalClockJumps_LosesNothing: the local clock is wrong by days, differently at each reading.
func TestRun_LocalClockJumps_LosesNothing(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	for _, off := range []time.Duration{1000 * 24 * time.Hour, -1000 * 24 * time.Hour, 30 * 24 * time.Hour, -12 * time.Hour} {
		o := new(invented.Depot).Fill(3000)
		dial, stop := ingesttest.Serve(o)
		readings := 0
		c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial, Now: func() time.Time {
			readings++
			return time.Now().Add(off * time.Duration(1-readings%3))
		}})
		path := filepath.Join(t.TempDir(), "cp.json")
		got := &memory{}
		for range 3 {
			if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(500)}, path); err != nil {
				t.Fatalf("%s off: %v", off, err)
			}
			o.Append(100)
		}
		if _, err := run(context.Background(), t, c, got, host.SourceOptions{Config: ingesttest.PageSize(500)}, path); err != nil {
			t.Fatal(err)
		}
		got.WantAll(t, o.Movements(), key, 1)
		_ = c.Close(context.Background())
		stop()
	}
}

// TestRun_QuietSource_IsPolledLessOften: a source that has more is read at once.
func TestRun_QuietSource_IsPolledLessOften(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		o := new(invented.Depot).Fill(5000)
		dial, stop := ingesttest.Serve(o)
		defer stop()
		c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		ctx, cancel := context.WithCancel(context.Background())
		got := &memory{}
		var d *ingest.Drain
		began := time.Now()
		done := make(chan error)
		go func() {
			var err error
			d, err = run(ctx, t, c, got, host.SourceOptions{Follow: true, PollLimit: 40 * time.Second}, "")
			done <- err
		}()
		asked := func() int { return o.Count("GET /v2/movements") }
		time.Sleep(time.Second)
		busy := asked()
		time.Sleep(time.Hour - time.Second)
		quiet := asked() - busy
		o.Append(5000)
		time.Sleep(41 * time.Second)
		if again := asked() - busy - quiet; again < 6 || again > 10 {
			t.Errorf("%d requests after new events, want all pages within the time of one wait", again)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		got.WantAll(t, o.Movements(), key, 1)
		if busy != 6 || quiet < 90 || quiet > 105 {
			t.Errorf("%d requests for 5,000 events, then %d in an hour without events, want 6, and then one each 36 to 40 s", busy, quiet)
		}
		if s := d.Stats(); !s.CaughtUp || s.Lag > 41*time.Second || s.Watermark.Before(began) {
			t.Errorf("%+v", s)
		}
	})
}

// TestStats_Lag_UsesServiceClock has a depot whose clock is five years behind.
func TestStats_Lag_UsesServiceClock(t *testing.T) {
	t.Parallel()
	m := invented.Connector.Module(t)
	synctest.Test(t, func(t *testing.T) {
		o := (&invented.Depot{Now: func() time.Time { return time.Now().Add(-5 * 365 * 24 * time.Hour) }}).Fill(20_000)
		dial, stop := ingesttest.Serve(o)
		defer stop()
		c := ingesttest.Connect(t, m, host.Config{}, host.ConnectOptions{Dial: dial})
		defer func() { _ = c.Close(context.Background()) }()
		var lags []time.Duration
		d := &ingest.Drain{Operation: poll, Feed: ingest.Source(c, host.SourceOptions{Operation: poll})}
		d.Sink = &memory{Fail: func(int) error {
			time.Sleep(time.Second)
			lags = append(lags, d.Stats().Lag)
			return nil
		}}
		if err := d.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		// The log reaches 20 hours back; a page is an hour of it.
		if len(lags) < 20 || lags[0] != -1 || lags[1] < 18*time.Hour || lags[1] > 20*time.Hour || lags[10] < 9*time.Hour || lags[10] > 11*time.Hour {
			t.Errorf("%s", lags)
		}
		if lag := d.Stats().Lag; lag < 0 || lag > 2*time.Second {
			t.Errorf("caught up: %s", lag)
		}
	})
}

// TestRun_SinkAsksToWait_WaitsThatLong even if that is longer than the sink's patience.
func TestRun_SinkAsksToWait_WaitsThatLong(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "200")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer busy.Close()
	s, err := httpsink.New(busy.URL, httpsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := connectTo(t, invented.Connector.Module(t), new(invented.Depot).Fill(10), host.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	var said string
	d := &ingest.Drain{Operation: poll, Feed: ingest.Source(c, host.SourceOptions{Operation: poll, Follow: true}), Sink: s, Persist: true, Follow: true,
		Say: func(format string, args ...any) {
			said = fmt.Sprintf(format, args...)
			cancel()
		}}
	if err := d.Run(ctx); err != nil || !strings.HasSuffix(said, "trying again in 3m20s") {
		t.Errorf("%v, %q", err, said)
	}
}

// TestRun_SinkLosesEachPage_ContinuesWithPersist: the file is deleted many times before a commit. Without Persist, the run
// ends.
func TestRun_SinkLosesEachPage_ContinuesWithPersist(t *testing.T) {
	o := new(invented.Depot).Fill(20)
	c := connectTo(t, invented.Connector.Module(t), o, host.Config{})
	for _, persist := range []bool{true, false} {
		m := &memory{Fail: func(page int) error {
			if page <= 15 {
				return fmt.Errorf("%w: the file was deleted", sink.ErrRewrite)
			}
			return nil
		}}
		d := &ingest.Drain{Operation: poll, Feed: ingest.Source(c, host.SourceOptions{Operation: poll}), Sink: m, Persist: persist, Pause: time.Millisecond}
		err := d.Run(t.Context())
		if persist && err == nil {
			m.WantAll(t, o.Movements(), key, 1)
		} else if persist || !errors.Is(err, sink.ErrRewrite) {
			t.Errorf("persist %v: %v", persist, err)
		}
	}
}
