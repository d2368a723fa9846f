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
	Idle    State = "idle"    // Run was not called
	Running State = "running" // reads, or waits for the source to have more
	Waiting State = "waiting" // waits to retry after a temporary failure
	Ended   State = "ended"   // the feed has ended, or Run was interrupted
	Failed  State = "failed"  // ended by a permanent failure
)

// Stats is the status of a Drain and its counters.
type Stats struct {
	State    State
	Err      error // the failure, if State is Waiting or Failed
	Records  int64 // records that are durable in the sink
	Pages    int64
	Bytes    int64         // size of these records
	Repeats  int64         // records that were dropped because the sink already had them
	Refused  int64         // records, included in Records, that the sink's service refused and that were put aside
	Retries  int64         // requests that were sent again
	Failures int64         // how often the drain had to start again from the last checkpoint
	Waited   time.Duration // time that requests waited for rate limits and retries
	CaughtUp bool
	// Watermark is the latest time of a durable record, by the service's clock; zero if not known.
	Watermark time.Time
	// Lag is how far the durable records are behind the service's current time. Every record that the service had that
	// long ago is durable. It does not depend on the local clock. -1 means not known yet.
	Lag time.Duration
	// CheckpointAge is the time since the last checkpoint was saved, or since Run began if there is none yet; -1 before Run.
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
	date      time.Time // the service's time of the last page
	at        time.Time // the local time then; only its monotonic part is used
	saved     time.Time
	began     time.Time
}

func (s *stats) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.began = Running, time.Now()
}

// pageStats are the numbers of one page.
type pageStats struct {
	records, dropped, retries int
	bytes                     int64
	waited                    time.Duration
	caughtUp                  bool
	watermark, date           time.Time
	at                        time.Time // when it came; only the monotonic part is used
}

func statsOf(p *host.Page, dropped int) pageStats {
	return pageStats{p.Len(), dropped, p.Retries, p.Size(), p.Waited, p.CaughtUp, p.Watermark, p.Date, time.Now()}
}

// page adds a durable page.
func (s *stats) page(p pageStats) {
	s.records.Add(int64(p.records))
	s.bytes.Add(p.bytes)
	s.repeats.Add(int64(p.dropped))
	s.retries.Add(int64(p.retries))
	s.waited.Add(int64(p.waited))
	s.pages.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.err, s.caughtUp, s.at, s.saved = Running, nil, p.caughtUp, p.at, time.Now()
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

// Stats returns the current status and counters. It is safe for concurrent use.
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
	if s.saved.IsZero() {
		if !s.began.IsZero() {
			out.CheckpointAge = time.Since(s.began)
		}
		return out
	}
	since := time.Since(s.at)
	out.CheckpointAge = time.Since(s.saved)
	switch {
	case s.caughtUp:
		out.Lag = since
	case !s.watermark.IsZero() && !s.date.IsZero():
		out.Lag = max(s.date.Sub(s.watermark), 0) + since
	}
	return out
}
