package pacing

import (
	"net/http"
	"sync"
	"time"
)

// ServiceClock is the service's own clock, read from the Date of its answers. The local clock only measures the time since. The
// zero value has no time yet. It is safe for concurrent use.
type ServiceClock struct {
	mu   sync.Mutex
	date time.Time // of the last answer
	at   time.Time // when that came, by the local clock
}

// Observe reads the Date of an answer.
func (s *ServiceClock) Observe(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.date, s.at = date, time.Now()
}

// Observed returns the last Date, zero before the first.
func (s *ServiceClock) Observed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.date
}

// Now returns the service's present time, zero before the first answer.
func (s *ServiceClock) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.date.IsZero() {
		return s.date
	}
	return s.date.Add(time.Since(s.at))
}
