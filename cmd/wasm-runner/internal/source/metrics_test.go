package source

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/ingest"
	"github.com/mach5/okta-connector/host/sink"
)

func TestMetrics_OfADrain_FollowItsState(t *testing.T) {
	ctx := t.Context()
	org := oktatest.New(oktatest.Config{Events: 250}).Start()
	defer func() { _ = org.Close() }()
	org.Inject(oktatest.Fault{Kind: oktatest.Status, Times: 1})
	c := hosttest.Connect(t, hosttest.Connector.Load(t), host.Config{Name: "okta-prod", BaseURL: org.URL, TokenSecretRef: "demo:token"},
		host.ConnectOptions{Secrets: &cli.DemoOrg{Server: org}})
	drain := func(feed ingest.Feed, name string) *ingest.Drain {
		return &ingest.Drain{Connection: name, Operation: "poll_system_log_page", Feed: feed, Sink: sink.NewStream("nowhere", io.Discard), Quota: c.Quota}
	}
	good := drain(ingest.Source(c, host.SourceOptions{Operation: "poll_system_log_page"}), "okta-prod")
	bad := drain(ingest.Source(c, host.SourceOptions{Operation: "lookup_user"}), "okta-other")
	drains := fixed(good, bad)
	h := metricsHandler(cli.NewApp(cli.Streams{}, os.LookupEnv), drains, time.Now(), time.Hour)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/healthz"); code != 200 || !strings.Contains(body, `"state":"idle"`) {
		t.Errorf("before it began: %d %s", code, body)
	}
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"status":"waiting"`) {
		t.Errorf("before it began: %d %s", code, body)
	}
	if err := good.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if code, body := get("/healthz"); code != 200 {
		t.Errorf("%d %s", code, body)
	}
	if err := bad.Run(ctx); err == nil {
		t.Fatal("draining lookup_user succeeded, but it is not a source")
	}
	code, body := get("/healthz")
	var state health
	if err := json.Unmarshal([]byte(body), &state); err != nil || code != http.StatusServiceUnavailable || state.Status != "failing" ||
		state.Connections[0].State != ingest.Ended || state.Connections[1].State != ingest.Failed || !strings.Contains(state.Connections[1].Error, "lookup_user: invalid") {
		t.Errorf("%d %s", code, body)
	}
	code, body = get("/metrics")
	const labels = `{connection="okta-prod",operation="poll_system_log_page"}`
	for _, want := range []string{
		"# HELP wasm_runner_source_records_total Records that the sink made durable.\n# TYPE wasm_runner_source_records_total counter\n",
		"wasm_runner_source_records_total" + labels + " 250\n",
		"wasm_runner_source_pages_total" + labels + " 1\n",
		"wasm_runner_source_retries_total" + labels + " 1\n",
		"wasm_runner_source_refused_total" + labels + " 0\n",
		"wasm_runner_source_caught_up" + labels + " 1\n",
		"wasm_runner_source_up" + labels + " 1\n",
		`wasm_runner_source_up{connection="okta-other",operation="poll_system_log_page"} 0`,
		"wasm_runner_source_lag_seconds" + labels + " ",
		"wasm_runner_source_checkpoint_age_seconds" + labels + " ",
		`wasm_runner_source_checkpoint_age_seconds{connection="okta-other",operation="poll_system_log_page"} `, // from the start
		"wasm_runner_sink_up" + labels + " 1\n",
		"wasm_runner_sink_failures_total" + labels + " 0\n",
		"wasm_runner_sink_retries_total" + labels + " 0\n",
		`wasm_runner_build_info{abi="`, `commit="`,
		`wasm_runner_quota_limit{bucket="/api/v1/logs",connection="okta-prod"} 120`,
		`wasm_runner_quota_remaining{bucket="/api/v1/logs",connection="okta-prod"} 11`,
		"process_resident_memory_bytes ", "go_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%d: %q is missing in\n%s", code, want, body)
		}
	}
	if strings.Contains(body, `wasm_runner_source_lag_seconds{connection="okta-other"`) {
		t.Error("an unknown lag is exported")
	}
	if strings.Contains(body, org.Token()) {
		t.Error("the token is exported")
	}
	if code, _ := get("/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("/debug/pprof/ answers %d", code)
	}
	for pollLimit, healthy := range map[time.Duration]bool{time.Minute: false, 30 * time.Minute: false, 2 * time.Hour: true} { // no page for an hour
		if _, ok := healthOf([]*ingest.Drain{drain(nil, "quiet")}, time.Hour, stuckAfter(pollLimit)); ok != healthy {
			t.Errorf("--poll-limit %s, and no page for an hour: healthy is %v", pollLimit, ok)
		}
	}
}

func TestServeMetrics_PortAlone_ListensOnLoopback(t *testing.T) {
	var stderr strings.Builder
	a := cli.NewApp(cli.Streams{Stderr: &stderr}, os.LookupEnv)
	a.Flags.LogLevel, a.Flags.LogFormat = "info", "text"
	for _, address := range []string{"0", ":0", "127.0.0.1:0", "localhost:0"} {
		stderr.Reset()
		stop, err := serveMetrics(a, address, fixed(), time.Hour)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		_, at, _ := strings.Cut(strings.TrimSpace(stderr.String()), "address=")
		if !strings.HasPrefix(at, "127.0.0.1:") && !strings.HasPrefix(at, `"[::1]:`) {
			t.Errorf("%s is served at %s", address, at)
		}
		resp, err := http.Get("http://" + strings.Trim(at, `"`) + "/healthz")
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %v, %v", address, resp, err)
		} else {
			_ = resp.Body.Close()
		}
		stop()
	}
	for _, address := range []string{"nowhere.invalid:x", "1:2:3"} {
		if _, err := serveMetrics(a, address, fixed(), time.Hour); err == nil || !strings.Contains(err.Error(), "--metrics: ") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestForHosts_ForeignName_IsRefused: a page of a foreign site reaches a loopback address through a name of its own.
func TestForHosts_ForeignName_IsRefused(t *testing.T) {
	for _, c := range []struct {
		listen, host string
		code         int
	}{
		{"127.0.0.1", "127.0.0.1:9464", 200}, {"127.0.0.1", "localhost:9464", 200}, {"127.0.0.1", "LOCALHOST", 200}, {"::1", "[::1]:9464", 200},
		{"::1", "[::1]", 200}, {"127.0.0.1", "", 200}, {"metrics.internal", "metrics.internal:9464", 200}, {"metrics.internal", "10.0.0.7:9464", 200},
		{"127.0.0.1", "attacker.example:9464", 421}, {"127.0.0.1", "localhost.attacker.example", 421}, {"::1", "attacker.example", 421},
		{"metrics.internal", "attacker.example", 421}, {"127.0.0.1", "127.0.0.1.attacker.example", 421},
		{"0.0.0.0", "okta-source:9464", 200}, {"::", "okta-source:9464", 200},
	} {
		h := forHosts(c.listen, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
		r, w := httptest.NewRequest(http.MethodGet, "/metrics", nil), httptest.NewRecorder()
		r.Host = c.host
		if h.ServeHTTP(w, r); w.Code != c.code {
			t.Errorf("listening on %s, asked for %q: %d, want %d", c.listen, c.host, w.Code, c.code)
		}
	}
}
