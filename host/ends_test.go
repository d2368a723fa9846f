package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// said returns an input that makes the hostile module send requests, emit from each response, and return a text.
func said(text, emits string, requests ...string) json.RawMessage {
	quoted, _ := json.Marshal(text)
	return json.RawMessage(`{"do":"emit and say","text":` + string(quoted) + `,"emits":[` + emits + `],"requests":[` + strings.Join(requests, ",") + `]}`)
}

func firstPage(r *rig, config json.RawMessage) error {
	for _, err := range r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Config: config}) {
		return err
	}
	return errors.New("no page")
}

func rows(t *testing.T, r *rig, input json.RawMessage) (n int, err error) {
	t.Helper()
	all, err := r.Table(context.Background(), "read", input, host.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range all.All() {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

const foreign = `{"endpoint":"GET /api/v1/groups"}`

// A list is an exception: its cursor continues after the emitted records.
func TestInvoke_FailingAfterAnEmit_HasNoOutput(t *testing.T) {
	const refused = `{"outcome":"rejected","error":{"code":"forbidden","message":"no"}`
	for text, want := range map[string]string{
		refused + `}`:                                  ``,
		refused + `,"output":{"a":1}}`:                 `{"a":1}`,
		refused + `,"list":true,"next_cursor":"next"}`: `{"records":[{"id":"00u1"}],"next_cursor":"next"}`,
		`{"outcome":"succeeded"}`:                      `{"id":"00u1"}`,
	} {
		r := newRig(t, host.Limits{}, nil)
		res, _ := r.Invoke(context.Background(), "read", said(text, `{}`, `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x"}}`))
		if string(res.Output) != want {
			t.Errorf("%s: output %s, want %s", text, res.Output, want)
		}
	}
}

func TestViolation_OnAnySurface_FailsTheCall(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	_, err := r.Invoke(context.Background(), "read", said(`{"outcome":"succeeded","output":{}}`, ``, foreign))
	hosttest.WantOutcome(t, err, abi.Failed, "endpoint_not_granted")
	hosttest.WantOutcome(t, firstPage(r, said(`{"outcome":"succeeded","checkpoint":{"v":1},"caught_up":true}`, ``, foreign)), abi.Failed, "endpoint_not_granted")
	_, err = rows(t, r, said(`{"outcome":"succeeded"}`, ``, foreign))
	hosttest.WantOutcome(t, err, abi.Failed, "endpoint_not_granted")
	if len(r.seen.URIs()) > 0 {
		t.Errorf("the server saw %v", r.seen.URIs())
	}
}

func TestSourceAndTable_OfInvalidPages_Fail(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	for _, text := range []string{`garbage`, `{}`, `{"outcome":"succeeded"}`, `{"outcome":"succeeded","checkpoint":{"v":1}`, `{"outcome":"rejected"}`, `{"outcome":"fine","checkpoint":1}`} {
		hosttest.WantOutcome(t, firstPage(r, said(text, ``)), abi.Failed, "bad_result")
	}
	for _, text := range []string{`garbage`, `{}`, `{"outcome":"rejected"}`} {
		_, err := rows(t, r, said(text, ``))
		hosttest.WantOutcome(t, err, abi.Failed, "bad_result")
	}
}

// The host would ask for the same page endlessly.
func TestTable_OfTheSameCursorTwice_Fails(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	n, err := rows(t, r, said(`{"outcome":"succeeded","cursor":"same"}`, `{}`, `{"endpoint":"GET /api/v1/logs"}`))
	hosttest.WantOutcome(t, err, abi.Failed, "bad_result")
	if n != 1 || len(r.seen.URIs()) != 2 {
		t.Errorf("%d rows of %d requests", n, len(r.seen.URIs()))
	}
}

func TestInvoke_ThatDiesAfterAWrite_IsUnknown(t *testing.T) {
	const write, read = `{"endpoint":"POST /api/v1/users","body":{}}`, `{"endpoint":"GET /api/v1/users/{id}","path":{"id":"x"}}`
	for _, c := range []struct {
		name, request string
		want          abi.Outcome
		code          string
	}{
		{"a write", write, abi.Unknown, "unknown"},
		{"a read", read, abi.Failed, "module_failed"},
		{"a write that was refused", `{"endpoint":"POST /api/v1/groups","body":{}}`, abi.Failed, "module_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, host.Limits{}, nil, abi.Classes()...)
			_, err := r.Invoke(context.Background(), "write", json.RawMessage(`{"do":"send and panic","requests":[`+c.request+`]}`))
			hosttest.WantOutcome(t, err, c.want, c.code)
		})
	}
}

// The host saw a successful response to a write. The module may know better, since it can read back, but only if it does
// not contradict itself.
func TestInvoke_OfAFalseResultAfterAWrite_SaysWhatTheHostKnows(t *testing.T) {
	const write, refused = `{"endpoint":"POST /api/v1/users","body":{}}`, `,"error":{"code":"forbidden","message":"no"}}`
	for _, c := range []struct {
		name, text string
		more       []string // requests after the write
		status     int
		want       abi.Outcome
		code       string
		partial    bool
	}{
		{"garbage", `garbage`, nil, 200, abi.Unknown, "bad_result", true},
		{"a plan", `{"outcome":"planned"}`, nil, 201, abi.Unknown, "bad_result", true},
		{"unchanged", `{"outcome":"unchanged"}`, nil, 200, abi.Unknown, "bad_result", true},
		{"rejected", `{"outcome":"rejected"` + refused, nil, 204, abi.Unknown, "bad_result", true},
		{"rejected in part", `{"outcome":"rejected","partial":true` + refused, nil, 200, abi.Rejected, "forbidden", true},
		{"unavailable, since a gateway answered for the service", `{"outcome":"unavailable"` + refused, nil, 200, abi.Unavailable, "forbidden", false},
		{"failed without mentioning the write", `{"outcome":"failed"` + refused, nil, 200, abi.Failed, "forbidden", true},
		{"a request that is not granted", `{"outcome":"succeeded"}`, []string{foreign}, 200, abi.Failed, "endpoint_not_granted", true},
		{"garbage after a refusal", `garbage`, nil, 403, abi.Unknown, "bad_result", false},
		{"rejected after a refusal", `{"outcome":"rejected"` + refused, nil, 403, abi.Rejected, "forbidden", false},
		{"unchanged after a refusal", `{"outcome":"unchanged"}`, nil, 400, abi.Unchanged, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, host.Limits{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }, abi.Classes()...)
			res, err := r.Invoke(context.Background(), "write", said(c.text, ``, append([]string{write}, c.more...)...))
			if c.code != "" {
				hosttest.WantOutcome(t, err, c.want, c.code)
			}
			if res.Outcome != c.want || res.Meta.Partial != c.partial {
				t.Errorf("%s, partial %v; want %s, %v", res.Outcome, res.Meta.Partial, c.want, c.partial)
			}
		})
	}
}

// The module responds after the deadline. Its result must be ignored.
func TestInvoke_ResultAfterTheDeadline_IsIgnored(t *testing.T) {
	gone := make(chan struct{})
	r := newRig(t, host.Limits{CallTimeout: 300 * time.Millisecond}, func(_ http.ResponseWriter, req *http.Request) {
		select {
		case <-req.Context().Done():
		case <-gone:
		}
	})
	t.Cleanup(func() { close(gone) })
	_, err := r.Invoke(context.Background(), "read", said(`{"outcome":"succeeded","output":{}}`, ``, `{"endpoint":"GET /api/v1/logs"}`))
	hosttest.WantOutcome(t, err, abi.Unavailable, "timeout")
}

// Large bodies are searched for the token when records are emitted, in parallel with splitting them.
func TestEmit_OfALargeBodyWithTheToken_Fails(t *testing.T) {
	for _, at := range []string{"front", "back"} {
		pad := `{"pad":"` + strings.Repeat("x", 300<<10) + `"}`
		r := newRig(t, host.Limits{}, func(w http.ResponseWriter, req *http.Request) {
			echo := `{"echo":"` + req.Header.Get("Authorization") + `"}`
			if at == "front" {
				_, _ = io.WriteString(w, "["+echo+","+pad+"]")
			} else {
				_, _ = io.WriteString(w, "["+pad+","+echo+"]")
			}
		})
		res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"emit only","emit":{},"requests":[{"endpoint":"GET /api/v1/logs","headers":{"Authorization":"{{auth}}"}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if text := string(res.Output); strings.Contains(text, hosttest.Token) || !strings.Contains(text, "tainted") || res.Meta.Records != 0 {
			t.Errorf("%s: %d records, %.300s", at, res.Meta.Records, text)
		}
	}
}

// Summaries are for cursors and times. A value of kilobytes must not be copied into the guest.
func TestEmit_OfALargeValue_DoesNotSummariseIt(t *testing.T) {
	r := newRig(t, host.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"small":"1","large":"`+strings.Repeat("x", 4<<10)+`","limit":"`+strings.Repeat("y", 4<<10-2)+`"}]`)
	})
	res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"emit only","emit":{"summarise":["small","large","limit"]},"requests":[{"endpoint":"GET /api/v1/logs"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Emitted []abi.EmitSummary }
	if err := json.Unmarshal(res.Output, &out); err != nil || len(out.Emitted) != 1 {
		t.Fatalf("%v %s", err, res.Output)
	}
	for _, m := range []map[string]json.RawMessage{out.Emitted[0].First, out.Emitted[0].Last} {
		if len(m) != 2 || string(m["small"]) != `"1"` || len(m["limit"]) != 4<<10 {
			t.Errorf("summary of %d values", len(m))
		}
	}
}

// The host must stop reading headers at a limit.
func TestResponse_WithLargeHeaders_IsBounded(t *testing.T) {
	r := newRig(t, host.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 64 {
			w.Header().Add("X-Pad", strings.Repeat("x", 32<<10)+string(rune('a'+i%26)))
		}
		_, _ = io.WriteString(w, `[{"id":"1"}]`)
	})
	res, err := r.Invoke(context.Background(), "read", json.RawMessage(`{"do":"hold","requests":[{"endpoint":"GET /api/v1/logs"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ Answers []abi.Response }
	if err := json.Unmarshal(res.Output, &out); err != nil || len(out.Answers) != 1 || out.Answers[0].Error == nil {
		t.Fatalf("%v %.500s", err, res.Output)
	}
}

func TestSource_WithoutProgress_DoesNotSpin(t *testing.T) {
	r := newRig(t, host.Limits{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `[]`) })
	// The checkpoint stays the same, although there is more to read.
	pages := 0
	for _, err := range r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Config: said(`{"outcome":"succeeded","checkpoint":{"v":1},"caught_up":false}`, ``)}) {
		if pages++; pages == 1 && err == nil {
			continue
		}
		hosttest.WantOutcome(t, err, abi.Failed, "bad_result")
	}
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
	// One module asks for a negative wait, and one for none.
	for _, poll := range []string{`,"poll_after_ms":-5`, ``, `,"poll_after_ms":1`} {
		began, pages := time.Now(), 0
		for _, err := range r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Follow: true,
			Config: said(`{"outcome":"succeeded","checkpoint":{"v":1},"caught_up":true`+poll+`}`, ``)}) {
			if err != nil {
				t.Fatal(err)
			}
			if pages++; pages == 3 {
				break
			}
		}
		if waited := time.Since(began); waited < 300*time.Millisecond { // two waits, each shorter by at most a tenth
			t.Errorf("3 pages of a source that has caught up in %v", waited)
		}
	}
}

func TestSource_FollowedToItsDeadline_EndsWithAnOutcome(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pages := 0
	for _, err := range r.SourcePages(ctx, host.SourceOptions{Operation: "read", Follow: true,
		Config: said(`{"outcome":"succeeded","checkpoint":{"v":1},"caught_up":true,"poll_after_ms":60000}`, ``)}) {
		if pages++; pages == 1 {
			cancel()
			continue
		}
		hosttest.WantOutcome(t, err, abi.Unavailable, "canceled")
	}
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
}

// TestSourceAndTable_OfEmptyPagesWithoutEnd_Fail: each page has another cursor or checkpoint, and none makes a request.
func TestSourceAndTable_OfEmptyPagesWithoutEnd_Fail(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	endless := json.RawMessage(`{"do":"go on for ever"}`)
	n, err := rows(t, r, endless)
	hosttest.WantOutcome(t, err, abi.Failed, "endless")
	if n != 0 {
		t.Errorf("%d rows", n)
	}
	for name, pages := range map[string]iter.Seq2[*host.Page, error]{
		"source":      r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Config: endless}),
		"follow":      r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Config: endless, Follow: true, NoPrefetch: true}),
		"table pages": r.TablePages(context.Background(), "read", endless, ""),
	} {
		n, last := 0, error(nil)
		for _, err := range pages {
			n, last = n+1, err
		}
		hosttest.WantOutcome(t, last, abi.Failed, "endless")
		if n > 20 {
			t.Errorf("%s: %d pages", name, n)
		}
	}
}

func TestInvoke_WithTwoOptions_IsInvalid(t *testing.T) {
	r := newRig(t, host.Limits{}, nil)
	_, err := r.Invoke(context.Background(), "read", nil, host.InvokeOptions{}, host.InvokeOptions{Plan: true})
	hosttest.WantOutcome(t, err, abi.Invalid, "options")
}

func TestSourcePage_WithMoreWarningsThanFit_SaysSo(t *testing.T) {
	r := newRig(t, host.Limits{LogBytes: 1000}, nil)
	warnings := strings.Repeat(`"another warning",`, 50) + `"the last"`
	for p, err := range r.SourcePages(context.Background(), host.SourceOptions{Operation: "read", Config: said(`{"outcome":"succeeded","checkpoint":{"v":1},"caught_up":true,"warnings":[`+warnings+`]}`, ``)}) {
		if err != nil {
			t.Fatal(err)
		}
		if last := p.Warnings[len(p.Warnings)-1]; len(p.Warnings) > 10 || !strings.Contains(last, "further warnings were omitted (limits.log_bytes") {
			t.Errorf("%d warnings, the last is %q", len(p.Warnings), last)
		}
	}
}
