package okta

import (
	"encoding/json"
	"fmt"
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// tested is the connector under test.
var tested = Connector()

// operations returns all operations.
func operations() []*connector.Operation { return slices.Collect(tested.Each) }

func find(name string) *connector.Operation { return tested.Find(name) }

// Invoke, Source and Table run the exports.
func Invoke(h hostcall.Host, text string) (string, error) { return tested.Invoke(h, text) }
func Source(h hostcall.Host, text string) (string, error) { return tested.Source(h, text) }
func Table(h hostcall.Host, text string) (string, error)  { return tested.Table(h, text) }

// today is the time of these runs.
const today = "2026-11-25T12:00:00.000Z"

// answering has the responses of an org, by endpoint, in order. The last one repeats.
type answering map[string][]hosttest.Answer

// host returns a host with these responses. A request without a response fails the test.
func (a answering) host(t *testing.T) *hosttest.Host {
	t.Helper()
	given := map[string]int{}
	return &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		all := a[req.Endpoint]
		if len(all) == 0 && req.Endpoint == getMe.Endpoint { // the token's owner, who is rarely the target
			all = []hosttest.Answer{answer(200, `{"id":"00uOwnerOfTheToken0"}`)}
		}
		if len(all) == 0 && req.Endpoint == getGroupRules.Endpoint { // an org without rules
			all = []hosttest.Answer{answer(200, "[]")}
		}
		if len(all) == 0 {
			t.Errorf("unexpected request: %s", line(req))
			return hosttest.Answer{Status: 500}
		}
		i := min(given[req.Endpoint], len(all)-1)
		given[req.Endpoint]++
		answer := all[i]
		if answer.Headers == nil {
			answer.Headers = map[string][]string{"x-okta-request-id": {"r1"}, "date": {"Wed, 25 Nov 2026 12:00:00 GMT"}} // as in all of Okta's responses
		}
		return answer
	}}
}

// line returns a request in one line: endpoint, path parameters, query or link, body.
func line(req abi.Request) string {
	s := req.Endpoint
	if len(req.Path) > 0 {
		s += " " + strings.TrimPrefix(fmt.Sprint(req.Path), "map") // sorted
	}
	for _, q := range req.Query {
		s += " " + q[0] + "=" + q[1]
	}
	if req.Link != "" {
		s += " -> " + req.Link
	}
	if req.Body != nil {
		s += " " + string(req.Body)
	}
	return s
}

// requested returns the requests that a host received, one per line.
func requested(h *hosttest.Host) string {
	var lines []string
	for _, r := range h.Requests {
		lines = append(lines, line(r))
	}
	return strings.Join(lines, "\n")
}

func answer(status int, body string) hosttest.Answer {
	return hosttest.Answer{Status: status, Body: body}
}

// paged returns a response with a next link.
func paged(body, next string) hosttest.Answer {
	return hosttest.Answer{Status: 200, Body: body, Headers: map[string][]string{"link": {"<https://x-admin.okta.com" + next + `>; rel="next"`}}}
}

func notFound(typ string) hosttest.Answer {
	return answer(404, `{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: x (`+typ+`)","errorCauses":[]}`)
}

var (
	forbidden = answer(403, `{"errorCode":"E0000006","errorSummary":"You do not have permission to perform the requested action"}`)
	noFeature = answer(401, `{"errorCode":"E0000015","errorSummary":"You do not have permission to access the feature you are requesting"}`)
	badToken  = answer(401, `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`)
	lost      = hosttest.Answer{Err: &abi.SendError{Code: abi.SendInterrupted, Message: "the connection broke", Sent: true}}
	unsent    = hosttest.Answer{Err: &abi.SendError{Code: abi.SendConnect, Message: "no route"}}
	throttled = hosttest.Answer{Err: &abi.SendError{Code: abi.SendRateLimited, Message: "the bucket is empty", RetryAfterMS: 60_000}}
)

// invoking is one invoke and its expected result.
type invoking struct {
	name     string
	input    string
	org      answering
	want     abi.Outcome
	code     string   // code of the error
	requests string   // all requests, one per line; "" is unchecked, "none" means none
	says     []string // texts in the output, the records, the warnings or the error's message
	records  int      // number of emitted records; -1 is unchecked
}

func (c invoking) run(t *testing.T, op string) {
	t.Run(c.name, func(t *testing.T) {
		host := c.org.host(t)
		out := invokeNative(t, host, op, c.input)
		if out.Outcome != c.want {
			t.Fatalf("%s %+v, want %s", out.Outcome, out.Error, c.want)
		}
		if c.want.OK() != (out.Error == nil) {
			t.Errorf("error %+v", out.Error)
		}
		if c.code != "" && (out.Error == nil || out.Error.Code != c.code) {
			t.Errorf("error %+v, want %s", out.Error, c.code)
		}
		if c.requests != "" {
			want := strings.TrimSpace(c.requests)
			if want == "none" {
				want = ""
			}
			got := requested(host)
			if c.org[getGroupRules.Endpoint] == nil { // reading group rules is checked only if a case has some
				got = strings.TrimSpace(strings.ReplaceAll("\n"+got, "\n"+getGroupRules.Endpoint+" limit=200", ""))
			}
			if got != want {
				t.Errorf("requests\n%s\nwant\n%s", got, want)
			}
		}
		if c.records >= 0 && len(host.Records) != c.records {
			t.Errorf("%d records, want %d: %s", len(host.Records), c.records, host.Records)
		}
		text := string(out.Output) + strings.Join(host.Records, "\n") + strings.Join(out.Warnings, "\n")
		if out.Error != nil {
			text += out.Error.Message
		}
		for _, s := range c.says {
			if !strings.Contains(text, s) {
				t.Errorf("%q is not in %s", s, text)
			}
		}
		if len(out.Output) > 0 && !json.Valid(out.Output) {
			t.Errorf("the output is not JSON: %s", out.Output)
		}
	})
}

func parse(t *testing.T, text string) jsonval.Value {
	t.Helper()
	v, err := jsonval.Parse(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
