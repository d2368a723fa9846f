package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/extismhost"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestExtismHost_OfEveryRead_AnswersAsOurHost compares our host with a second one on stock go-sdk: the same calls must
// give the same results on all three surfaces.
func TestExtismHost_OfEveryRead_AnswersAsOurHost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var org http.Handler // the present case's
	client := &http.Client{Transport: transport(func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		r.Body = http.NoBody
		org.ServeHTTP(w, r)
		return w.Result()
	})}
	other, err := extismhost.New(ctx, hosttest.Connector.Bytes(t), extismhost.Config{BaseURL: "https://example.okta.com", Token: "x", Now: stillAt, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(ctx) }()
	compared := 0
	eachOperation(t, func(t *testing.T, op *abi.Operation, u use) {
		if op.Class != abi.Read || len(op.ClassRules) > 0 {
			return
		}
		w := caseWorld(t, nil)
		org = withToken(w.org)
		inputs := []string{"{}"} // not valid for some operations
		for _, g := range u.good {
			inputs = append(inputs, w.fill(t, g.in))
		}
		for _, in := range inputs {
			raw := json.RawMessage(in)
			ours := w.try(op.Name, in)
			if ours.Outcome == abi.Invalid {
				continue
			}
			if op.On(abi.Axon) {
				out, output, err := other.Invoke(ctx, op.Name, raw)
				if err != nil {
					t.Fatalf("%s: %v", in, err)
				}
				equalText(t, in+": outcome", fmt.Sprint(ours.Outcome, ours.NextCursor, ours.Truncated), fmt.Sprint(out.Outcome, out.NextCursor, out.Truncated && out.NextCursor != ""))
				equalText(t, in+": output", string(ours.Output), string(output))
				equalText(t, in+": error", fmt.Sprintf("%+v", ours.Error), fmt.Sprintf("%+v", out.Error))
				compared++
			}
			if op.On(abi.SQL) {
				var a, b []string
				for page, err := range w.TablePages(ctx, op.Name, raw, "") {
					if err != nil {
						a = append(a, err.(host.OutcomeError).Detail.Message)
						break
					}
					for r := range page.Records() {
						a = append(a, string(r.JSON))
					}
					a = append(a, "cursor "+page.Cursor)
				}
				for cursor := ""; ; {
					out, records, err := other.Table(ctx, op.Name, raw, cursor, 0)
					if err != nil {
						t.Fatalf("%s: %v", in, err)
					}
					if out.Error != nil {
						b = append(b, out.Error.Message)
						break
					}
					for _, r := range records {
						b = append(b, string(r))
					}
					b = append(b, "cursor "+out.Cursor)
					if cursor = out.Cursor; cursor == "" {
						break
					}
				}
				equalText(t, in+": table", strings.Join(a, "\n"), strings.Join(b, "\n"))
				compared++
			}
			if op.On(abi.Ingest) {
				var a, b []string
				for page, err := range w.SourcePages(ctx, host.SourceOptions{Operation: op.Name, Config: raw, NoPrefetch: true}) {
					if err != nil {
						t.Fatalf("%s: %v", in, err)
					}
					for r := range page.Records() {
						a = append(a, string(r.JSON))
					}
					a = append(a, fmt.Sprint("checkpoint ", string(page.Checkpoint), page.CaughtUp))
				}
				for checkpoint := json.RawMessage(nil); ; {
					out, records, err := other.Source(ctx, op.Name, raw, checkpoint)
					if err != nil || out.Error != nil {
						t.Fatalf("%s: %v %+v", in, err, out.Error)
					}
					for _, r := range records {
						b = append(b, string(r))
					}
					b = append(b, fmt.Sprint("checkpoint ", string(out.Checkpoint), out.CaughtUp))
					if checkpoint = out.Checkpoint; out.CaughtUp {
						break
					}
				}
				equalText(t, in+": source", strings.Join(a, "\n"), strings.Join(b, "\n"))
				compared++
			}
		}
	})
	if ops := len(hosttest.Connector.Module(t).Manifest().Operations); compared < ops {
		t.Errorf("only %d results were compared", compared)
	}
}

// transport is a function that answers requests.
type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// equalText compares two texts, and shows the first difference.
func equalText(t *testing.T, what, ours, theirs string) {
	t.Helper()
	if ours == theirs {
		return
	}
	i := 0
	for i < min(len(ours), len(theirs)) && ours[i] == theirs[i] {
		i++
	}
	from := max(0, i-80)
	t.Errorf("%s differs at byte %d:\nours   …%.300s\ntheirs …%.300s", what, i, ours[from:], theirs[from:])
}

// TestExtismHost_OfAWrite_RefusesIt: that host has no grants.
func TestExtismHost_OfAWrite_RefusesIt(t *testing.T) {
	ctx := context.Background()
	h, err := extismhost.New(ctx, hosttest.Connector.Bytes(t), extismhost.Config{BaseURL: "https://example.okta.com", Token: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close(ctx) }()
	for _, op := range h.Manifest().Operations {
		if op.Class == abi.Read && len(op.ClassRules) == 0 {
			continue
		}
		if _, _, err := h.Invoke(ctx, op.Name, op.Example); err == nil || !bytes.Contains([]byte(err.Error()), []byte("not of class read")) {
			t.Errorf("%s: %v", op.Name, err)
		}
	}
}
