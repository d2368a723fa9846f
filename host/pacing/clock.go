package pacing

import (
	"net/http"
	"sync"
	"time"
)

// ServiceClock is the service's clock, read from the Date header of its answers. The local clock only measures the time since
// then. The zero value has no time yet. It is safe for concurrent use.
type ServiceClock struct {
	mu   sync.Mutex
	date time.Time // date of the last answer
	at   time.Time // when that answer came, by the local clock
}

// Observe reads the Date header of an answer. An invalid one is ignored.
func (s *ServiceClock) Observe(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.date, s.at = date, time.Now()
}

// Observed returns the last Date, or the zero time before the first.
func (s *ServiceClock) Observed() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.date
}

// Now returns the service's current time, or the zero time before the first answer.
func (s *ServiceClock) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.date.IsZero() {
		return s.date
	}
	return s.date.Add(time.Since(s.at))
}
