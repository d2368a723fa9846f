package ingest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sink"
)

// State is what a Drain is doing.
type State string

// The states of a Drain.
const (
	Idle    State = "idle"    // not begun
	Running State = "running" // reading, or waiting for the source to have more
	Waiting State = "waiting" // something failed that may pass: it is about to try again
	Ended   State = "ended"   // the feed has ended, or Run was interrupted
	Failed  State = "failed"  // something failed that does not pass
)

// Stats is how a Drain gets on.
type Stats struct {
	State    State
	Err      error // of Waiting and Failed
	Records  int64 // that went to the sink
	Pages    int64
	Bytes    int64 // of the records
	Repeats  int64 // records that were dropped, since their keys had gone to the sink before
	Refused  int64 // records, of Records, that the sink's service refused and that it put aside
	Retries  int64 // requests that were made again
	Failures int64 // times that the drain had to begin anew
	Waited   time.Duration
	CaughtUp bool
	// Watermark is the latest time of a record that was written, by the service's clock; zero when not known.
	Watermark time.Time
	// Lag is how far what is written lies behind the service's present, whatever the local clock says: everything that
	// was there so long ago is written. -1 is not known yet.
	Lag time.Duration
	// CheckpointAge is how long ago the checkpoint was brought up to what is written, before the first time how long ago the
	// run began; -1 before that.
	CheckpointAge time.Duration
	Sink          sink.Status
}

type stats struct {
	records, pages, bytes, repeats, retries, failures, waited atomic.Int64

	mu        sync.Mutex
	state     State
	err       error
	caughtUp  bool
	watermark time.Time
	date      time.Time // the service's clock at
	at        time.Time // this moment of ours, whose monotonic part alone counts
	kept      time.Time
	began     time.Time
}

func (s *stats) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.began = Running, time.Now()
}

// pageStats is what counts of a page.
type pageStats struct {
	records, dropped, retries int
	bytes                     int64
	waited                    time.Duration
	caughtUp                  bool
	watermark, date           time.Time
	at                        time.Time // when it came, by the clock whose monotonic part alone counts
}

func statsOf(p *host.Page, dropped int) pageStats {
	return pageStats{p.Len(), dropped, p.Retries, p.Size(), p.Waited, p.CaughtUp, p.Watermark, p.Date, time.Now()}
}

// page counts a page that is durable.
func (s *stats) page(p pageStats) {
	s.records.Add(int64(p.records))
	s.bytes.Add(p.bytes)
	s.repeats.Add(int64(p.dropped))
	s.retries.Add(int64(p.retries))
	s.waited.Add(int64(p.waited))
	s.pages.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.err, s.caughtUp, s.at, s.kept = Running, nil, p.caughtUp, p.at, time.Now()
	if !p.watermark.IsZero() {
		s.watermark = p.watermark
	}
	s.date = p.date
}

func (s *stats) fail(err error) {
	s.failures.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.err = Waiting, err
}

func (s *stats) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state = Ended; err != nil {
		s.state, s.err = Failed, err
	}
}

// Stats is how the drain gets on. It is safe for concurrent use.
func (d *Drain) Stats() Stats {
	s := &d.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Stats{State: s.state, Err: s.err, Records: s.records.Load(), Pages: s.pages.Load(), Bytes: s.bytes.Load(),
		Repeats: s.repeats.Load(), Retries: s.retries.Load(), Failures: s.failures.Load(), Waited: time.Duration(s.waited.Load()),
		CaughtUp: s.caughtUp, Watermark: s.watermark, Lag: -1, CheckpointAge: -1}
	if s.state == "" {
		out.State = Idle
	}
	if r, ok := d.Sink.(sink.Refuser); ok {
		out.Refused = r.Refused()
	}
	out.Sink = sink.Status{Up: true}
	if m, ok := d.Sink.(sink.Monitor); ok {
		out.Sink = m.Status()
	}
	if s.kept.IsZero() {
		if !s.began.IsZero() {
			out.CheckpointAge = time.Since(s.began)
		}
		return out
	}
	since := time.Since(s.at)
	out.CheckpointAge = time.Since(s.kept)
	switch {
	case s.caughtUp:
		out.Lag = since
	case !s.watermark.IsZero() && !s.date.IsZero():
		out.Lag = max(s.date.Sub(s.watermark), 0) + since
	}
	return out
}
