package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/ingest"
)

// collector exports the statistics of drains to Prometheus. It implements prometheus.Collector and keeps no state.
type collector struct {
	drains func() []*ingest.Drain
	values []metric
	bucket []*prometheus.Desc // limit, remaining, reset
}

// metric is one number of a drain.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(ingest.Stats) (float64, bool) // false: not known yet
}

// newCollector returns a collector for drains.
func newCollector(drains func() []*ingest.Drain) *collector {
	labels := []string{"connection", "operation"}
	c := &collector{drains: drains}
	add := func(kind prometheus.ValueType, name, help string, value func(ingest.Stats) (float64, bool)) {
		c.values = append(c.values, metric{prometheus.NewDesc("wasm_runner_source_"+name, help, labels, nil), kind, value})
	}
	count := func(name, help string, value func(ingest.Stats) int64) {
		add(prometheus.CounterValue, name, help, func(s ingest.Stats) (float64, bool) { return float64(value(s)), true })
	}
	count("records_total", "Records that the sink made durable.", func(s ingest.Stats) int64 { return s.Records })
	count("pages_total", "Pages that the sink made durable, empty ones included.", func(s ingest.Stats) int64 { return s.Pages })
	count("bytes_total", "Bytes of the records.", func(s ingest.Stats) int64 { return s.Bytes })
	count("repeats_total", "Repeated records that were dropped by their key.", func(s ingest.Stats) int64 { return s.Repeats })
	count("refused_total", "Records that the sink's service rejected and that were saved to the file of --refused.", func(s ingest.Stats) int64 { return s.Refused })
	count("retries_total", "Requests that were retried.", func(s ingest.Stats) int64 { return s.Retries })
	count("failures_total", "Failures that were retried.", func(s ingest.Stats) int64 { return s.Failures })
	add(prometheus.CounterValue, "waited_seconds_total", "Time spent waiting for rate limits and between retries.",
		func(s ingest.Stats) (float64, bool) { return s.Waited.Seconds(), true })
	add(prometheus.GaugeValue, "lag_seconds", "How far the written records are behind the service's present.",
		func(s ingest.Stats) (float64, bool) { return s.Lag.Seconds(), s.Lag >= 0 })
	add(prometheus.GaugeValue, "checkpoint_age_seconds", "How long ago the checkpoint last covered all written records; before the first time, how long ago the run began.",
		func(s ingest.Stats) (float64, bool) { return s.CheckpointAge.Seconds(), s.CheckpointAge >= 0 })
	add(prometheus.GaugeValue, "caught_up", "1 when the last page left nothing to read.",
		func(s ingest.Stats) (float64, bool) { return truth(s.CaughtUp), true })
	add(prometheus.GaugeValue, "up", "1 unless the source has failed for good.",
		func(s ingest.Stats) (float64, bool) { return truth(s.State != ingest.Failed), true })
	addSink := func(kind prometheus.ValueType, name, help string, value func(ingest.Stats) float64) {
		c.values = append(c.values, metric{prometheus.NewDesc("wasm_runner_sink_"+name, help, labels, nil), kind,
			func(s ingest.Stats) (float64, bool) { return value(s), true }})
	}
	addSink(prometheus.GaugeValue, "up", "0 from a failed write on, until a write succeeds.", func(s ingest.Stats) float64 { return truth(s.Sink.Up) })
	addSink(prometheus.CounterValue, "failures_total", "Failed writes to the sink, including those that were retried.",
		func(s ingest.Stats) float64 { return float64(s.Sink.Failures) })
	addSink(prometheus.CounterValue, "retries_total", "Writes to the sink that were retried.", func(s ingest.Stats) float64 { return float64(s.Sink.Retries) })
	for _, b := range []struct{ name, help string }{
		{"limit", "Requests of a rate-limit window, as the service last reported."},
		{"remaining", "Requests left in the window."},
		{"reset_seconds", "Time until the next window."},
	} {
		c.bucket = append(c.bucket, prometheus.NewDesc("wasm_runner_quota_"+b.name, b.help, []string{"connection", "bucket"}, nil))
	}
	return c
}

// truth returns 1 for true.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range c.values {
		ch <- m.desc
	}
	for _, d := range c.bucket {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, d := range c.drains() {
		s := d.Stats()
		for _, m := range c.values {
			if v, known := m.value(s); known {
				ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, d.Connection, d.Operation)
			}
		}
		if d.Quota == nil {
			continue
		}
		for _, q := range d.Quota() {
			for i, v := range []float64{float64(q.Limit), float64(q.Remaining), q.ResetIn.Seconds()} {
				ch <- prometheus.MustNewConstMetric(c.bucket[i], prometheus.GaugeValue, v, d.Connection, q.Bucket)
			}
		}
	}
}

// stuckAfter returns how long a source may go without a page before it counts as unhealthy: the longest wait between two
// polls, and time for a call with its retries.
func stuckAfter(pollLimit time.Duration) time.Duration { return pollLimit + 14*time.Minute }

// health is the answer of /healthz and /readyz.
type health struct {
	Status      string             `json:"status"` // ok or failing; for /readyz, ready or waiting
	Connections []connectionHealth `json:"connections"`
}

type connectionHealth struct {
	Connection string       `json:"connection"`
	Ready      bool         `json:"ready"` // for /readyz
	State      ingest.State `json:"state"`
	CaughtUp   bool         `json:"caught_up"`
	LagSeconds float64      `json:"lag_seconds"` // -1: not known yet
	Error      string       `json:"error,omitempty"`
}

// healthOf returns the answer of /healthz. ok is false when a restart may help.
func healthOf(drains []*ingest.Drain, running, stuck time.Duration) (h health, ok bool) {
	h = health{Status: "ok", Connections: []connectionHealth{}}
	for _, d := range drains {
		s := d.Stats()
		c := connectionHealth{Connection: d.Connection, Ready: ready(s, stuck), State: s.State, CaughtUp: s.CaughtUp, LagSeconds: max(s.Lag.Seconds(), -1)}
		if s.Lag < 0 {
			c.LagSeconds = -1
		}
		if err := cmp.Or(s.Err, s.Sink.Err); err != nil {
			c.Error = term.OneLine(err.Error())
		}
		idle := s.CheckpointAge
		if idle < 0 {
			idle = running
		}
		if s.State == ingest.Failed || s.State != ingest.Ended && idle > stuck {
			h.Status = "failing"
		}
		h.Connections = append(h.Connections, c)
	}
	return h, h.Status == "ok"
}

// lateBefore is how long before it is stuck a source without a page counts as not ready. A call may retry for minutes.
const lateBefore = 12 * time.Minute

// ready reports whether records get through: a page has arrived, and neither the source nor the sink has failed since.
func ready(s ingest.Stats, stuck time.Duration) bool {
	late := s.State == ingest.Running && s.CheckpointAge > stuck-lateBefore
	return s.Sink.Up && s.Pages > 0 && !late && (s.State == ingest.Running || s.State == ingest.Ended)
}

// readiness returns the answer of /readyz. ok is false while records do not get through.
func readiness(drains []*ingest.Drain, stuck time.Duration) (h health, ok bool) {
	h, _ = healthOf(drains, 0, stuck)
	h.Status, ok = "ready", true
	for _, c := range h.Connections {
		if !c.Ready {
			h.Status, ok = "waiting", false
		}
	}
	return h, ok
}

// buildInfo returns a metric whose labels say what runs.
func buildInfo(v, commit string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "wasm_runner_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": v, "commit": commit, "abi": abi.Version, "go": runtime.Version()}})
	g.Set(1)
	return g
}

// metricsHandler serves /metrics, /healthz and /readyz. /healthz fails when a source has failed, or had no page for longer
// than stuck. /readyz fails while records do not get through.
func metricsHandler(a *cli.App, drains func() []*ingest.Drain, began time.Time, stuck time.Duration) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(drains), buildInfo(a.Build()), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	answer := func(path string, of func() (health, bool)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			h, ok := of()
			w.Header().Set("Content-Type", "application/json")
			if !ok {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_ = json.NewEncoder(w).Encode(h) // the client may be gone
		})
	}
	answer("/healthz", func() (health, bool) { return healthOf(drains(), time.Since(began), stuck) })
	answer("/readyz", func() (health, bool) { return readiness(drains(), stuck) })
	return mux
}

// forHosts refuses requests for another host than the one listened on. A page of a foreign site could otherwise read the answers
// through a name of its own that leads to this machine. Addresses are not names, and localhost always leads here. A listener on
// all addresses is meant for other machines, which may call it by any name.
func forHosts(listen string, next http.Handler) http.Handler {
	all := net.ParseIP(listen) != nil && net.ParseIP(listen).IsUnspecified()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.Host
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		name = strings.Trim(strings.TrimSuffix(name, "."), "[]")
		if !all && name != "" && net.ParseIP(name) == nil && !strings.EqualFold(name, "localhost") && !strings.EqualFold(name, listen) {
			http.Error(w, "want the address that --metrics names as the Host of the request", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveMetrics serves metricsHandler at an address until stop is called. An address without a host is on loopback.
func serveMetrics(a *cli.App, address string, drains func() []*ingest.Drain, stuck time.Duration) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	if !strings.Contains(address, ":") {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, cli.Usagef("--metrics: %w: want a port, or an address such as 127.0.0.1:9464", err)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return nil, cli.Usagef("--metrics: %q is not a port: want 0 to 65535, or an address such as 127.0.0.1:9464", port)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, cli.Usagef("--metrics: %w", err)
	}
	a.Logger().Info("metrics", "address", l.Addr().String())
	server := &http.Server{Handler: forHosts(host, metricsHandler(a, drains, time.Now(), stuck)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.Warnf("--metrics: %s", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx) // a request that takes longer is dropped
		<-done
	}, nil
}
